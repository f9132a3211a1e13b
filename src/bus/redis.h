#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"

/* A connection to Redis for publishing and subscribing: one socket for each, as RESP wants it, kept
 * up for ever: after a loss it connects again (with pauses that grow from 50 ms to 2 s),
 * authenticates and subscribes anew. Plain or TLS; a single server, the master that sentinels name,
 * or any node of a cluster. Loop's thread only; callbacks never come from inside a call, and any
 * function, also eg_redis_free(), may be called in them. */
typedef struct _EgRedis EgRedis;
typedef struct _EgRedisSubscription EgRedisSubscription;

typedef struct {
    void (*connected)(gpointer user);                         /* each time; both sockets work */
    void (*disconnected)(gpointer user, const GError *error); /* each time after `connected` */
    /* Another try has failed; told for each. */
    void (*unreachable)(gpointer user, const GError *error);
} EgRedisEvents;

typedef struct {
    /* The server will pass on what is published from now on; again after each reconnection. May be
     * NULL. */
    void (*subscribed)(gpointer user);
    void (*message)(gpointer user, GBytes *payload);
} EgRedisSubscriber;

/* Begins to connect. `config` and `log` must outlive it; events may be NULL. An error only for what
 * no retry will mend (certificate files, addresses that cannot be read). No error, here or in an
 * event, has a secret in it. */
EgRedis *eg_redis_new(EgLoop *loop, const EgRedisConfig *config, const EgLog *log,
                      const EgRedisEvents *events, gpointer user, GError **error);

/* Ends what is subscribed (these subscriptions must not be used any more); of locks that were asked
 * for nobody is told. */
void eg_redis_free(EgRedis *redis);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedis, eg_redis_free)

bool eg_redis_is_connected(const EgRedis *redis);

/* A server that is silent for `interval_ns` is asked for a sign of life, and one that is silent for
 * `timeout_ns`, which is more, is taken for lost. 3 s and 10 s unless told. */
void eg_redis_set_ping(EgRedis *redis, gint64 interval_ns, gint64 timeout_ns);

/* Lasts until eg_redis_unsubscribe(), over any number of reconnections. Several subscriptions to
 * one channel are independent. `subscribed` comes before the first message. */
EgRedisSubscription *eg_redis_subscribe(EgRedis *redis, const char *channel,
                                        const EgRedisSubscriber *subscriber, gpointer user);
void eg_redis_unsubscribe(EgRedisSubscription *subscription); /* NULL is fine; frees it */

/* Fire and forget: false (and dropped) while there is no connection, or if it takes in less than is
 * published. What is published goes out in order; it may be lost with the connection. */
bool eg_redis_publish(EgRedis *redis, const char *channel, GBytes *payload);

/* SET key NX EX seconds. `done` is told whether this process has got it; while there is no
 * connection, or if it is lost before the answer: false. In a cluster at most `max_redirects` nodes
 * are gone to. */
void eg_redis_lock(EgRedis *redis, const char *key, guint seconds,
                   void (*done)(gpointer user, bool is_acquired), gpointer user);
