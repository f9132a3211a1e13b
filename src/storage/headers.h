#pragma once

#include <glib.h>

/* What several stores want in their requests. All strings that are returned are new ones. */

/* "Sun, 29 Nov 2026 18:57:59 GMT", in whatever language the program runs. */
char *eg_header_date(gint64 wall_ns);

/* "2026-11-29T18:57:59Z" by the same rules as g_date_time_format(). */
char *eg_header_time(gint64 wall_ns, const char *format);

/* Base64 of the MD5, for Content-MD5. */
char *eg_header_md5(GBytes *content);

/* Base64 of HMAC. */
char *eg_header_hmac(GChecksumType type, gconstpointer key, gsize key_bytes, const char *text);

/* The value of the header of that name ("content-type") in a list of "Name: value"; NULL if there
 * is none. Not a copy. */
const char *eg_header_find(const char *const *headers, const char *name);

/* All headers whose names begin with `prefix`, as "name:value\n" with names in small letters and in
 * alphabetical order: what vendors have signed. */
char *eg_header_canonical(const char *const *headers, const char *prefix);

/* "?a=1&b" of a, 1, b and "", escaped, in the order given; "" of an empty list, which ends with
 * NULL. NULL is an empty list. */
char *eg_header_query(const char *const *query);
