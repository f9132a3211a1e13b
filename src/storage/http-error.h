#pragma once

#include <curl/curl.h>
#include <glib.h>

/* Errors of libcurl become ours here and nowhere else. `url` is where the request went, `detail`
 * what libcurl says of it (may be empty), `connect_status` how a proxy has answered CONNECT (0: it
 * has not, or was not asked). */
void eg_http_set_curl_error(GError **error, CURLcode code, const char *url, const char *detail,
                            long connect_status);

/* How long a Retry-After wants: seconds, or a date; this is compared with the sender's clock
 * (`date`, his Date header; may be NULL, then it is with ours). At most an hour; 0 for what is
 * neither, or over. */
gint64 eg_http_retry_after_ns(const char *retry_after, const char *date);
