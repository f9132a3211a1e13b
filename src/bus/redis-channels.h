#pragma once

#include "bus/redis-connection.h"
#include "bus/redis.h"

/* What is subscribed to, over any number of connections. Loop's thread only; callbacks as in
 * redis.h. */
typedef struct _EgRedisChannels EgRedisChannels;

EgRedisChannels *eg_redis_channels_new(EgLoop *loop);

/* Ends the subscriptions. */
void eg_redis_channels_free(EgRedisChannels *channels); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRedisChannels, eg_redis_channels_free)

/* As eg_redis_subscribe(), eg_redis_unsubscribe(). */
EgRedisSubscription *eg_redis_channels_add(EgRedisChannels *channels, const char *name,
                                           const EgRedisSubscriber *subscriber, gpointer user);
void eg_redis_channels_remove(EgRedisSubscription *subscription);

/* Subscribes to everything on a ready connection, which is used (borrowed) from then on; NULL: it
 * is lost. */
void eg_redis_channels_attach(EgRedisChannels *channels, EgRedisConnection *connection);

/* What the connection has received; the channels may be freed in it. False and an error if the
 * server refuses a subscription. */
bool eg_redis_channels_receive(EgRedisChannels *channels, const redisReply *reply, GError **error);
