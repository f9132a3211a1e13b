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

typedef struct {
    const char *method;
    const char *url;            /* escaped: it is sent as it is */
    const char *const *headers; /* "Name: value", NULL at the end; Host, Content-Length and Expect
                                   are not among them. NULL: none */
    GBytes *body;               /* NULL: none */
    bool is_bulk;               /* part of a file, to which the rate limit applies */
} EgHttpRequest;

typedef struct {
    guint status;
    GHashTable *headers; /* names in small letters */
    GBytes *body;        /* what is longer than 1 MiB is cut off */
} EgHttpReply;

void eg_http_reply_clear(EgHttpReply *reply);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EgHttpReply, eg_http_reply_clear)

/* True when there was an answer, whatever its status. An answer is given up for when nothing moves
 * for 30 s. Errors (no connection, a certificate that is not trusted, canceled) are as in store.h.
 */
bool eg_http_perform(EgHttp *http, const EgHttpRequest *request, EgHttpReply *reply,
                     GCancellable *cancellable, GError **error);

/* The Host header that libcurl sends for this URL: without the scheme's own port. A new string. */
char *eg_http_host(const char *url);

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ and the bytes in `also`, with capital hex digits. A
 * new string. */
char *eg_http_escape(const char *text, const char *also);

/* Whether another attempt may succeed after an answer with this status. */
bool eg_http_is_retryable(guint status);

/* An error for an answer that is no success: `doing` ("put rooms/a.mp4"), the status, what the
 * store said (`code` and `message` may be NULL), and its Retry-After. */
void eg_http_set_error(GError **error, const char *doing, const EgHttpReply *reply,
                       const char *code, const char *message);
