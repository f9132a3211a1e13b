#pragma once

#include "bus/redis.h"

/* The functions of bus/redis.h without a network: linked instead of them, all connections of a test
 * share one server in memory, which the test disturbs. Messages arrive in the order of publishing,
 * from the loop. eg_redis_new() takes NULL for everything but the loop. */

/* What has been published, by the code under test and by the test. */
typedef struct {
    char *channel;
    GBytes *payload;
} MockMessage;

/* Forgets messages, locks and settings; there must be no connection. */
void mock_redis_reset(void);

GPtrArray *mock_redis_messages(void); /* of MockMessage */

/* The newest message to a channel that matches "EgressInternal|*|RES"; NULL if there is none. */
const MockMessage *mock_redis_find(const char *pattern);
guint mock_redis_count(const char *pattern);

/* To the subscribers; returns how many there are. */
guint mock_redis_publish(const char *channel, GBytes *payload);

/* The next `n` messages to channels that match get lost. */
void mock_redis_lose(const char *pattern, guint n);

/* Subscriptions are confirmed only after this is taken back. */
void mock_redis_hold_subscriptions(bool is_held);

/* Not connected: nothing is published, nothing arrives. Again connected, all is subscribed anew. */
void mock_redis_set_connected(EgRedis *redis, bool is_connected);

/* The channels in the order in which they were subscribed; freed with g_strfreev(). */
char **mock_redis_channels(void);

guint mock_redis_n_locks(void);
bool mock_redis_has_lock(const char *key);
