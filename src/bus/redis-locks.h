#pragma once

#include "bus/redis-connection.h"

/* SET NX commands under way. In a cluster they are followed to the node that has the key, on a
 * connection of their own. Loop's thread only; callbacks never come from inside a call. */
typedef struct _EgRedisLocks EgRedisLocks;

/* `params` as for eg_redis_connection_new(), for other nodes. */
EgRedisLocks *eg_redis_locks_new(EgLoop *loop, const EgRedisConnectionParams *params,
                                 guint max_redirects);
void eg_redis_locks_free(EgRedisLocks *locks); /* NULL is fine; nobody is told any more */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedisLocks, eg_redis_locks_free)

/* As eg_redis_lock(). `connection` (borrowed) NULL: there is none. */
void eg_redis_locks_take(EgRedisLocks *locks, EgRedisConnection *connection, const char *key,
                         guint seconds, void (*done)(gpointer user, bool is_acquired),
                         gpointer user);

/* The connection that was given is lost: what waits for its answer is told that it has none. */
void eg_redis_locks_abandon(EgRedisLocks *locks);
