#include "bus/redis-channels.h"

#include "base/error.h"
#include "bus/redis-error.h"

#include <string.h>

#define MAX_SUBSCRIBED_AT_ONCE 128

struct _EgRedisChannels {
    GHashTable *by_name;           /* of Channel *, which have their names */
    EgRedisConnection *connection; /* NULL: none */
    EgTimer *timer;                /* tells those who came to a channel that was there */
};

typedef struct {
    EgRedisChannels *channels;
    char *name;
    GPtrArray *subscriptions;
    guint n_unanswered; /* (un)subscribe commands; the channel stays until the last is answered */
} Channel;

/* Counted, since it may end in the callback of another, which is told from the same list. */
struct _EgRedisSubscription {
    Channel *channel; /* NULL: ended */
    EgRedisSubscriber events;
    gpointer user;
    bool is_told; /* that it is subscribed */
};

static void subscription_unref(gpointer data)
{
    g_rc_box_release(data);
}

static void free_channel(gpointer data)
{
    Channel *channel = data;
    for (guint i = 0; i < channel->subscriptions->len; i++) {
        EgRedisSubscription *subscription = g_ptr_array_index(channel->subscriptions, i);
        subscription->channel = NULL;
    }
    g_ptr_array_unref(channel->subscriptions);
    g_free(channel->name);
    g_free(channel);
}

/* May be false for one whose fellow has just freed everything. */
static bool is_live(const EgRedisSubscription *subscription)
{
    return subscription->channel != NULL;
}

static void tell(EgRedisSubscription *subscription)
{
    if (!is_live(subscription) || subscription->is_told)
        return;
    subscription->is_told = true;
    if (subscription->events.subscribed != NULL)
        subscription->events.subscribed(subscription->user);
}

static void collect(const Channel *channel, GPtrArray *list)
{
    for (guint i = 0; i < channel->subscriptions->len; i++)
        g_ptr_array_add(list, g_rc_box_acquire(g_ptr_array_index(channel->subscriptions, i)));
}

static bool is_subscribed(const Channel *channel)
{
    return channel->channels->connection != NULL && channel->n_unanswered == 0;
}

static void on_timer(gpointer user)
{
    EgRedisChannels *channels = user;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(subscription_unref);
    GHashTableIter iter;
    gpointer channel;
    g_hash_table_iter_init(&iter, channels->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &channel))
        if (is_subscribed(channel))
            collect(channel, list);
    for (guint i = 0; i < list->len; i++)
        tell(g_ptr_array_index(list, i));
}

EgRedisChannels *eg_redis_channels_new(EgLoop *loop)
{
    EgRedisChannels *channels = g_new0(EgRedisChannels, 1);
    channels->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_channel);
    channels->timer = eg_timer_new(loop, on_timer, channels);
    return channels;
}

void eg_redis_channels_free(EgRedisChannels *channels)
{
    if (channels == NULL)
        return;
    g_hash_table_unref(channels->by_name);
    eg_timer_free(channels->timer);
    g_free(channels);
}

/* Each of the names will be answered. A connection that does not take them will be lost. */
static void send_names(EgRedisChannels *channels, const char *verb, GPtrArray *names)
{
    g_ptr_array_insert(names, 0, (gpointer)verb);
    eg_redis_connection_send(channels->connection, (int)names->len,
                             (const char *const *)names->pdata, NULL, NULL, NULL);
    g_ptr_array_set_size(names, 0);
}

static void send_one(Channel *channel, const char *verb)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    g_ptr_array_add(names, channel->name);
    channel->n_unanswered++;
    send_names(channel->channels, verb, names);
}

EgRedisSubscription *eg_redis_channels_add(EgRedisChannels *channels, const char *name,
                                           const EgRedisSubscriber *subscriber, gpointer user)
{
    Channel *channel = g_hash_table_lookup(channels->by_name, name);
    if (channel == NULL) {
        channel = g_new0(Channel, 1);
        channel->channels = channels;
        channel->name = g_strdup(name);
        channel->subscriptions = g_ptr_array_new_with_free_func(subscription_unref);
        g_hash_table_insert(channels->by_name, channel->name, channel);
    }
    EgRedisSubscription *subscription = g_rc_box_new0(EgRedisSubscription);
    subscription->channel = channel;
    subscription->events = *subscriber;
    subscription->user = user;
    g_ptr_array_add(channel->subscriptions, subscription);
    if (channels->connection == NULL)
        return subscription;
    if (channel->subscriptions->len == 1)
        send_one(channel, "SUBSCRIBE");
    else if (is_subscribed(channel))
        eg_timer_set_after(channels->timer, 0);
    return subscription;
}

void eg_redis_channels_remove(EgRedisSubscription *subscription)
{
    Channel *channel = subscription->channel;
    EgRedisChannels *channels = channel->channels;
    subscription->channel = NULL;
    g_ptr_array_remove(channel->subscriptions, subscription);
    if (channel->subscriptions->len > 0)
        return;
    if (channels->connection != NULL)
        send_one(channel, "UNSUBSCRIBE");
    else
        g_hash_table_remove(channels->by_name, channel->name);
}

static void forget_connection(EgRedisChannels *channels)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, channels->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Channel *channel = value;
        channel->n_unanswered = 0;
        for (guint i = 0; i < channel->subscriptions->len; i++) {
            EgRedisSubscription *subscription = g_ptr_array_index(channel->subscriptions, i);
            subscription->is_told = false;
        }
        if (channel->subscriptions->len == 0)
            g_hash_table_iter_remove(&iter);
    }
}

void eg_redis_channels_attach(EgRedisChannels *channels, EgRedisConnection *connection)
{
    forget_connection(channels);
    channels->connection = connection;
    if (connection == NULL)
        return;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, channels->by_name);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Channel *channel = value;
        channel->n_unanswered = 1;
        g_ptr_array_add(names, channel->name);
        if (names->len == MAX_SUBSCRIBED_AT_ONCE)
            send_names(channels, "SUBSCRIBE", names);
    }
    if (names->len > 0)
        send_names(channels, "SUBSCRIBE", names);
}

static void on_answered(Channel *channel)
{
    if (channel->n_unanswered > 0)
        channel->n_unanswered--;
    if (channel->n_unanswered > 0)
        return;
    if (channel->subscriptions->len == 0) {
        g_hash_table_remove(channel->channels->by_name, channel->name);
        return;
    }
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(subscription_unref);
    collect(channel, list);
    for (guint i = 0; i < list->len; i++)
        tell(g_ptr_array_index(list, i));
}

static void deliver(Channel *channel, const redisReply *payload)
{
    /* While an answer is due it is not known whether those who wait for it are meant. */
    if (!is_subscribed(channel))
        return;
    g_autoptr(GBytes) bytes = g_bytes_new(payload->str, payload->len);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(subscription_unref);
    collect(channel, list);
    for (guint i = 0; i < list->len; i++) {
        EgRedisSubscription *subscription = g_ptr_array_index(list, i);
        tell(subscription);
        if (is_live(subscription))
            subscription->events.message(subscription->user, bytes);
    }
}

bool eg_redis_channels_receive(EgRedisChannels *channels, const redisReply *reply, GError **error)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        g_autofree char *reason = eg_redis_clean_reason(reply->str, reply->len);
        eg_error_set_retryable(error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_SERVICE,
                               "redis refuses to subscribe: %s", reason);
        return false;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING)
        return true;
    const char *kind = reply->element[0]->str;
    Channel *channel = g_hash_table_lookup(channels->by_name, reply->element[1]->str);
    if (channel == NULL)
        return true;
    if (strcmp(kind, "message") == 0 && reply->element[2]->type == REDIS_REPLY_STRING)
        deliver(channel, reply->element[2]);
    else if (strcmp(kind, "subscribe") == 0 || strcmp(kind, "unsubscribe") == 0)
        on_answered(channel);
    return true;
}
