#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "config/storage.h"

/* What all stores do over HTTP, by libcurl. Blocks; several threads at once. */
typedef struct _EgHttp EgHttp;

/* With the proxy and the certificates of `storage` (referenced). */
EgHttp *eg_http_new(EgStorage *storage);
void eg_http_free(EgHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgHttp, eg_http_free)

/* Whether requests can go by this proxy: what is wrong with its URL is an error that names it. */
bool eg_http_check_proxy(const EgStorageProxy *proxy, GError **error);

typedef struct {
    const char *method;
    const char *url;            /* escaped: it is sent as it is */
    const char *const *headers; /* "Name: value", NULL at the end; Host, Content-Length and Expect
                                   are not among them. NULL: none */
    GBytes *body;               /* NULL: an empty one for PUT and POST, else none */
    bool is_bulk;               /* part of a file, to which the rate limit applies */
    bool is_metadata; /* of the machine's own metadata service: asked without a proxy, and given up
                         for after 5 s, as there may be none */
} EgHttpRequest;

typedef struct {
    guint status;
    GHashTable *headers; /* names in small letters; of several with one name, the last */
    GBytes *body;        /* never NULL; what is longer than 1 MiB is cut off */
} EgHttpReply;

void eg_http_reply_clear(EgHttpReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EgHttpReply, eg_http_reply_clear)

/* True when there was an answer, whatever its status. Redirections are not followed. An answer is
 * given up for when nothing moves for 30 s. Errors (no connection, a certificate that is not
 * trusted, canceled) are as in store.h. Canceling takes effect within a second. */
bool eg_http_perform(EgHttp *http, const EgHttpRequest *request, EgHttpReply *reply,
                     GCancellable *cancellable, GError **error);

/* What all requests that are bulk may send per second, together, in the whole process; 0, as at the
 * start: no limit. Any thread, at any time. */
void eg_http_set_rate_limit(guint64 bytes_per_s);

/* The Host header that libcurl sends for this URL: without the scheme's own port. A new string. */
char *eg_http_host(const char *url);

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ and the bytes in `also`, with capital hex digits. A
 * new string. */
char *eg_http_escape(const char *text, const char *also);

/* Whether another attempt may succeed after an answer with this status. */
bool eg_http_is_retryable(guint status);

/* An error for an answer that is no success: `doing` ("put rooms/a.mp4"), the status, what the
 * store said (`code` and `message` may be NULL; of any length, and not trusted to be text), and its
 * Retry-After. `is_retryable` is eg_http_is_retryable() where the store does not know better. */
void eg_http_set_error(GError **error, const char *doing, const EgHttpReply *reply,
                       const char *code, const char *message, bool is_retryable);
