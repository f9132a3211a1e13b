#include "mock/mock-redis.h"

#include <string.h>

struct _EgRedis {
    EgLoop *loop;
    EgRedisEvents events;
    gpointer user;
    bool is_connected;
    EgTimer *timer;  /* runs while something is to be told */
    GQueue pending;  /* of Delivery */
    GPtrArray *gone; /* of EgRedisSubscription that ended while their callbacks may run */
};

struct _EgRedisSubscription {
    EgRedis *redis;
    char *channel;
    EgRedisSubscriber subscriber;
    gpointer user;
    bool is_confirmed;
};

typedef enum {
    DELIVERY_NONE,
    DELIVERY_SUBSCRIBED,
    DELIVERY_MESSAGE,
    DELIVERY_LOCK,
    DELIVERY_CONNECTED,
    DELIVERY_DISCONNECTED,
} DeliveryType;

typedef struct {
    DeliveryType type;
    EgRedisSubscription *subscription;
    GBytes *payload;
    void (*locked)(gpointer user, bool is_acquired);
    gpointer user;
    bool is_acquired;
} Delivery;

static GPtrArray *redises;       /* of EgRedis, not owned */
static GPtrArray *subscriptions; /* of EgRedisSubscription, in their order, not owned */
static GPtrArray *messages;      /* of MockMessage */
static GHashTable *locks;        /* set of keys */
static char *lost_pattern;
static guint n_lost;
static bool is_holding;

static void message_free(gpointer data)
{
    MockMessage *message = data;
    g_free(message->channel);
    g_bytes_unref(message->payload);
    g_free(message);
}

static void ensure(void)
{
    if (redises != NULL)
        return;
    redises = g_ptr_array_new();
    subscriptions = g_ptr_array_new();
    messages = g_ptr_array_new_with_free_func(message_free);
    locks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void mock_redis_reset(void)
{
    if (redises == NULL)
        return;
    g_assert_cmpuint(redises->len, ==, 0);
    g_assert_cmpuint(subscriptions->len, ==, 0);
    g_clear_pointer(&redises, g_ptr_array_unref);
    g_clear_pointer(&subscriptions, g_ptr_array_unref);
    g_clear_pointer(&messages, g_ptr_array_unref);
    g_clear_pointer(&locks, g_hash_table_unref);
    g_clear_pointer(&lost_pattern, g_free);
    n_lost = 0;
    is_holding = false;
}

static void delivery_free(gpointer data)
{
    Delivery *delivery = data;
    g_clear_pointer(&delivery->payload, g_bytes_unref);
    g_free(delivery);
}

static void deliver(EgRedis *redis, Delivery delivery)
{
    g_queue_push_tail(&redis->pending, g_memdup2(&delivery, sizeof delivery));
    eg_timer_set(redis->timer, 0);
}

static void run(EgRedis *redis, const Delivery *delivery)
{
    EgRedisSubscription *subscription = delivery->subscription;
    switch (delivery->type) {
    case DELIVERY_SUBSCRIBED:
        if (redis->is_connected && subscription->subscriber.subscribed != NULL)
            subscription->subscriber.subscribed(subscription->user);
        break;
    case DELIVERY_MESSAGE:
        if (redis->is_connected)
            subscription->subscriber.message(subscription->user, delivery->payload);
        break;
    case DELIVERY_LOCK:
        delivery->locked(delivery->user, delivery->is_acquired);
        break;
    case DELIVERY_CONNECTED:
        if (redis->events.connected != NULL)
            redis->events.connected(redis->user);
        break;
    case DELIVERY_DISCONNECTED:
        if (redis->events.disconnected != NULL)
            redis->events.disconnected(redis->user, NULL);
        break;
    case DELIVERY_NONE:
    default:
        g_assert_not_reached();
    }
}

/* One at a time: a callback may end any subscription, not the connection. */
static void on_timer(gpointer user)
{
    EgRedis *redis = user;
    Delivery *delivery = g_queue_pop_head(&redis->pending);
    if (!g_queue_is_empty(&redis->pending))
        eg_timer_set(redis->timer, 0);
    run(redis, delivery);
    delivery_free(delivery);
    g_ptr_array_set_size(redis->gone, 0);
}

static void confirm(EgRedisSubscription *subscription)
{
    if (is_holding || !subscription->redis->is_connected || subscription->is_confirmed)
        return;
    subscription->is_confirmed = true;
    deliver(subscription->redis,
            (Delivery){.type = DELIVERY_SUBSCRIBED, .subscription = subscription});
}

static void confirm_all(void)
{
    for (guint i = 0; i < subscriptions->len; i++)
        confirm(g_ptr_array_index(subscriptions, i));
}

void mock_redis_hold_subscriptions(bool is_held)
{
    ensure();
    is_holding = is_held;
    confirm_all();
}

void mock_redis_set_connected(EgRedis *redis, bool is_connected)
{
    if (redis->is_connected == is_connected)
        return;
    redis->is_connected = is_connected;
    deliver(redis, (Delivery){.type = is_connected ? DELIVERY_CONNECTED : DELIVERY_DISCONNECTED});
    for (guint i = 0; i < subscriptions->len; i++) {
        EgRedisSubscription *subscription = g_ptr_array_index(subscriptions, i);
        if (subscription->redis == redis)
            subscription->is_confirmed = false;
    }
    confirm_all();
}

GPtrArray *mock_redis_messages(void)
{
    ensure();
    return messages;
}

const MockMessage *mock_redis_find(const char *pattern)
{
    ensure();
    for (guint i = messages->len; i > 0; i--) {
        const MockMessage *message = g_ptr_array_index(messages, i - 1);
        if (g_pattern_match_simple(pattern, message->channel))
            return message;
    }
    return NULL;
}

guint mock_redis_count(const char *pattern)
{
    ensure();
    guint n = 0;
    for (guint i = 0; i < messages->len; i++) {
        const MockMessage *message = g_ptr_array_index(messages, i);
        if (g_pattern_match_simple(pattern, message->channel))
            n++;
    }
    return n;
}

guint mock_redis_publish(const char *channel, GBytes *payload)
{
    ensure();
    MockMessage *message = g_new(MockMessage, 1);
    *message = (MockMessage){.channel = g_strdup(channel), .payload = g_bytes_ref(payload)};
    g_ptr_array_add(messages, message);
    if (n_lost > 0 && g_pattern_match_simple(lost_pattern, channel)) {
        n_lost--;
        return 0;
    }
    guint n = 0;
    for (guint i = 0; i < subscriptions->len; i++) {
        EgRedisSubscription *subscription = g_ptr_array_index(subscriptions, i);
        if (!subscription->is_confirmed || strcmp(subscription->channel, channel) != 0)
            continue;
        deliver(subscription->redis, (Delivery){.type = DELIVERY_MESSAGE,
                                                .subscription = subscription,
                                                .payload = g_bytes_ref(payload)});
        n++;
    }
    return n;
}

void mock_redis_lose(const char *pattern, guint n)
{
    g_free(lost_pattern);
    lost_pattern = g_strdup(pattern);
    n_lost = n;
}

char **mock_redis_channels(void)
{
    ensure();
    GStrvBuilder *builder = g_strv_builder_new();
    for (guint i = 0; i < subscriptions->len; i++) {
        const EgRedisSubscription *subscription = g_ptr_array_index(subscriptions, i);
        g_strv_builder_add(builder, subscription->channel);
    }
    char **channels = g_strv_builder_end(builder);
    g_strv_builder_unref(builder);
    return channels;
}

guint mock_redis_n_locks(void)
{
    ensure();
    return g_hash_table_size(locks);
}

bool mock_redis_has_lock(const char *key)
{
    ensure();
    return g_hash_table_contains(locks, key);
}

static void subscription_free(gpointer data)
{
    EgRedisSubscription *subscription = data;
    g_free(subscription->channel);
    g_free(subscription);
}

EgRedis *eg_redis_new(EgLoop *loop, const EgRedisConfig *config, const EgLog *log,
                      const EgRedisEvents *events, gpointer user, GError **error)
{
    (void)config;
    (void)log;
    (void)error;
    ensure();
    EgRedis *redis = g_new0(EgRedis, 1);
    redis->loop = loop;
    if (events != NULL)
        redis->events = *events;
    redis->user = user;
    redis->is_connected = true;
    redis->timer = eg_timer_new(loop, on_timer, redis);
    g_queue_init(&redis->pending);
    redis->gone = g_ptr_array_new_with_free_func(subscription_free);
    g_ptr_array_add(redises, redis);
    deliver(redis, (Delivery){.type = DELIVERY_CONNECTED});
    return redis;
}

void eg_redis_free(EgRedis *redis)
{
    if (redis == NULL)
        return;
    g_assert_true(g_ptr_array_remove(redises, redis));
    for (Delivery *delivery; (delivery = g_queue_pop_head(&redis->pending)) != NULL;) {
        if (delivery->type == DELIVERY_LOCK)
            delivery->locked(delivery->user, false);
        delivery_free(delivery);
    }
    eg_timer_free(redis->timer);
    g_ptr_array_unref(redis->gone);
    g_free(redis);
}

bool eg_redis_is_connected(const EgRedis *redis)
{
    return redis->is_connected;
}

EgRedisSubscription *eg_redis_subscribe(EgRedis *redis, const char *channel,
                                        const EgRedisSubscriber *subscriber, gpointer user)
{
    EgRedisSubscription *subscription = g_new0(EgRedisSubscription, 1);
    subscription->redis = redis;
    subscription->channel = g_strdup(channel);
    subscription->subscriber = *subscriber;
    subscription->user = user;
    g_ptr_array_add(subscriptions, subscription);
    confirm(subscription);
    return subscription;
}

void eg_redis_unsubscribe(EgRedisSubscription *subscription)
{
    if (subscription == NULL)
        return;
    EgRedis *redis = subscription->redis;
    g_assert_true(g_ptr_array_remove(subscriptions, subscription));
    for (GList *item = redis->pending.head; item != NULL;) {
        GList *next = item->next;
        Delivery *delivery = item->data;
        if (delivery->subscription == subscription) {
            delivery_free(delivery);
            g_queue_delete_link(&redis->pending, item);
        }
        item = next;
    }
    if (g_queue_is_empty(&redis->pending))
        eg_timer_clear(redis->timer);
    g_ptr_array_add(redis->gone, subscription);
}

bool eg_redis_publish(EgRedis *redis, const char *channel, GBytes *payload)
{
    if (redis->is_connected)
        mock_redis_publish(channel, payload);
    return redis->is_connected;
}

void eg_redis_lock(EgRedis *redis, const char *key, guint seconds,
                   void (*done)(gpointer user, bool is_acquired), gpointer user)
{
    g_assert_cmpuint(seconds, ==, 5);
    const bool is_acquired = redis->is_connected && g_hash_table_add(locks, g_strdup(key));
    deliver(redis,
            (Delivery){
                .type = DELIVERY_LOCK, .locked = done, .user = user, .is_acquired = is_acquired});
}
