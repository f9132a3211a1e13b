#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "bus/redis-address.h"
#include "bus/redis-tls.h"

#include <hiredis/hiredis.h>

/* One socket to one Redis server or sentinel, until it breaks: connects, authenticates, then sends
 * commands and hands out replies, and asks for a sign of life when nothing comes. Loop's thread
 * only; callbacks never come from inside a call, and the connection may be freed in them. */
typedef struct _EgRedisConnection EgRedisConnection;

/* Of commands that have not gone out yet. */
#define EG_REDIS_MAX_OUTPUT_BYTES (8 * 1024 * 1024)

/* Everything is borrowed and must outlive the connection. */
typedef struct {
    const char *what; /* "redis", for errors */
    EgRedisTls *tls;  /* NULL: plain */
    const char *username;
    const char *password; /* NULL: none is sent */
    guint db;
    gint64 connect_ns;       /* until it is ready */
    gint64 ping_interval_ns; /* after so long a silence it is asked for a sign of life */
    gint64 ping_timeout_ns;  /* after so long a silence it is given up */
    bool must_be_master;     /* at first and for ever */
    bool is_subscriber;      /* all it says goes to `received` */
} EgRedisConnectionParams;

typedef struct {
    void (*ready)(gpointer user);
    /* For subscribers; `reply` is valid during the callback. */
    void (*received)(gpointer user, const redisReply *reply);
    /* The last event. Never after eg_redis_connection_free(). */
    void (*closed)(gpointer user, const GError *error);
} EgRedisConnectionEvents;

/* `reply` is valid during the callback. */
typedef void (*EgRedisReplyFunc)(gpointer user, const redisReply *reply);

EgRedisConnection *eg_redis_connection_new(EgLoop *loop, EgRedisAddress *address,
                                           const EgRedisConnectionParams *params,
                                           const EgRedisConnectionEvents *events, gpointer user);
void eg_redis_connection_free(EgRedisConnection *connection); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedisConnection, eg_redis_connection_free)

/* Borrowed. */
EgRedisAddress *eg_redis_connection_address(const EgRedisConnection *connection);

void eg_redis_connection_set_ping(EgRedisConnection *connection, gint64 interval_ns,
                                  gint64 timeout_ns);

/* Sends a command of `n_args` words (`lengths` NULL: they end with NUL). `done` gets the reply,
 * unless the connection closes before or is a subscriber's. False, and nothing is sent, if it is
 * not ready, or if too much has not gone out yet: a subscriber's connection closes then. */
bool eg_redis_connection_send(EgRedisConnection *connection, int n_args, const char *const *args,
                              const gsize *lengths, EgRedisReplyFunc done, gpointer user);
