#pragma once

#include "base/loop.h"
#include "bus/redis-address.h"
#include "bus/redis-tls.h"
#include "config/config.h"

/* Which server to connect to: the one address, any node of a cluster, or the master that one of the
 * sentinels names. Loop's thread only. */
typedef struct _EgRedisLocator EgRedisLocator;

/* Never come from inside a call; the locator may be freed in them. */
typedef struct {
    /* `address` (borrowed), or NULL and an error. */
    void (*located)(gpointer user, EgRedisAddress *address, const GError *error);
    /* The sentinels have made another server the master: time to search again. */
    void (*moved)(gpointer user);
} EgRedisLocatorEvents;

/* `config` must outlive it; `tls` may be NULL. An error for what cannot be understood. */
EgRedisLocator *eg_redis_locator_new(EgLoop *loop, const EgRedisConfig *config, EgRedisTls *tls,
                                     const EgRedisLocatorEvents *events, gpointer user,
                                     GError **error);
void eg_redis_locator_free(EgRedisLocator *locator); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedisLocator, eg_redis_locator_free)

/* Begins a search; `located` is told once, and `moved` any time after that until the next search.
 * Not while one is under way. */
void eg_redis_locator_start(EgRedisLocator *locator);

/* The answer was of no use: the next search begins with another node or sentinel. */
void eg_redis_locator_skip(EgRedisLocator *locator);

/* What is found may turn out not to be the master any more. */
bool eg_redis_locator_finds_masters(const EgRedisLocator *locator);

/* How long it may take to connect to one server. */
gint64 eg_redis_connect_ns(const EgRedisConfig *config);
