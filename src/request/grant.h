#pragma once

#include <glib.h>
#include <stdbool.h>

/* What a ready-made token (a JWT, RFC 7519) says it allows. Read without its key: whether it is
 * genuine is for the server to say; this only finds early what can never work. */
typedef struct {
    char *room;        /* NULL: none named */
    gint64 expires_ns; /* since the Unix epoch; 0: never */
    bool can_join;
    bool can_subscribe;
} EgGrant;

/* NULL and an error that blames the request if `token` is no JWT. */
EgGrant *eg_grant_parse(const char *token, GError **error);
void eg_grant_free(EgGrant *grant);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgGrant, eg_grant_free)
