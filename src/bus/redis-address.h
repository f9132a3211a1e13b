#pragma once

#include <gio/gio.h>
#include <stdbool.h>

/* Where a Redis server or sentinel listens. Immutable, counted. */
typedef struct {
    char *text; /* for people: "host:port" or the path */
    char *host; /* NULL: a Unix socket */
    GSocketConnectable *connectable;
} EgRedisAddress;

/* Reads "host", "host:port", "[v6]:port" or the path of a Unix socket. The error speaks of `key`,
 * and of what was given only if no secret can be in it. */
EgRedisAddress *eg_redis_address_parse(const char *key, const char *text, guint16 default_port,
                                       GError **error);

EgRedisAddress *eg_redis_address_new(const char *host, guint16 port);

/* That of a reply, "MOVED 3999 host:port" or "ASK 3999 host:port"; an empty host is that of `from`,
 * who said so. NULL if it is none of these. */
EgRedisAddress *eg_redis_address_new_redirect(const char *reply, const EgRedisAddress *from,
                                              bool *is_ask);

EgRedisAddress *eg_redis_address_ref(EgRedisAddress *address);
void eg_redis_address_unref(EgRedisAddress *address); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedisAddress, eg_redis_address_unref)
