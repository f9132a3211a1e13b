#pragma once

#include "config/config.h"

#include <gio/gio.h>

/* Certificates and keys as the configuration names them, read once. Counted. */
typedef struct _EgRedisTls EgRedisTls;

/* An error if a file cannot be read or has nothing of use in it, or if GIO cannot do TLS here. */
EgRedisTls *eg_redis_tls_new(const EgTlsConfig *config, GError **error);
EgRedisTls *eg_redis_tls_ref(EgRedisTls *tls);
void eg_redis_tls_unref(EgRedisTls *tls); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedisTls, eg_redis_tls_unref)

/* Connections of `client` will use it. */
void eg_redis_tls_apply(EgRedisTls *tls, GSocketClient *client);

/* Why a connection has failed by `cause`, with what was wrong with the server's certificate. Free
 * with g_free(). */
char *eg_redis_tls_describe(const EgRedisTls *tls, const GError *cause);
