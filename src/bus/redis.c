#include "bus/redis.h"

#include "base/error.h"
#include "base/time.h"
#include "bus/redis-channels.h"
#include "bus/redis-connection.h"
#include "bus/redis-error.h"
#include "bus/redis-locator.h"
#include "bus/redis-locks.h"
#include "bus/redis-tls.h"

#include <string.h>

#define PING_INTERVAL_NS (3 * EG_NS_PER_S)
#define PING_TIMEOUT_NS  (10 * EG_NS_PER_S)
#define MIN_PAUSE_NS     (50 * EG_NS_PER_MS)
#define MAX_PAUSE_NS     (2 * EG_NS_PER_S)

typedef enum {
    LINK_NONE,
    LINK_PAUSING,
    LINK_LOCATING,
    LINK_CONNECTING,
    LINK_CONNECTED,
    LINK_N_STATES,
} LinkState;

struct _EgRedis {
    /* const after new */
    EgLoop *loop;
    const EgRedisConfig *config;
    const EgLog *log;
    EgRedisEvents events;
    gpointer user;
    EgRedisTls *tls; /* NULL: plain */

    LinkState state;
    EgRedisConnectionParams params; /* of the publisher */
    EgRedisLocator *locator;
    EgRedisConnection *publisher;
    EgRedisConnection *subscriber;
    guint n_ready; /* of the two */
    EgRedisChannels *channels;
    EgRedisLocks *locks;
    EgTimer *pause_timer;
    gint64 pause_ns; /* before the next try */
    gint64 connected_at_ns;
    bool has_refused; /* to publish, on this connection */
};

static void set_state(EgRedis *redis, LinkState state)
{
    static const guint allowed[LINK_N_STATES] = {
        [LINK_NONE] = 1u << LINK_PAUSING,
        [LINK_PAUSING] = 1u << LINK_LOCATING,
        [LINK_LOCATING] = 1u << LINK_CONNECTING | 1u << LINK_PAUSING,
        [LINK_CONNECTING] = 1u << LINK_CONNECTED | 1u << LINK_PAUSING,
        [LINK_CONNECTED] = 1u << LINK_PAUSING,
    };
    g_assert(allowed[redis->state] & 1u << state);
    redis->state = state;
}

/* Last: it may be freed in the event. */
static void lose(EgRedis *redis, const GError *error)
{
    const bool was_connected = redis->state == LINK_CONNECTED;
    set_state(redis, LINK_PAUSING);
    eg_redis_channels_attach(redis->channels, NULL);
    eg_redis_locks_abandon(redis->locks);
    g_clear_pointer(&redis->publisher, eg_redis_connection_free);
    g_clear_pointer(&redis->subscriber, eg_redis_connection_free);

    /* A server that hangs up as soon as it is greeted is not asked ever faster. */
    if (was_connected && eg_now_ns() - redis->connected_at_ns >= MAX_PAUSE_NS)
        redis->pause_ns = MIN_PAUSE_NS;
    const double jitter = g_random_double_range(0.75, 1.25);
    eg_timer_set_after(redis->pause_timer, (gint64)((double)redis->pause_ns * jitter));
    redis->pause_ns = MIN(2 * redis->pause_ns, MAX_PAUSE_NS);

    if (was_connected && redis->events.disconnected != NULL)
        redis->events.disconnected(redis->user, error);
    else if (!was_connected && redis->events.unreachable != NULL)
        redis->events.unreachable(redis->user, error);
}

static void on_ready(gpointer user)
{
    EgRedis *redis = user;
    redis->n_ready++;
    if (redis->n_ready < 2)
        return;
    set_state(redis, LINK_CONNECTED);
    redis->connected_at_ns = eg_now_ns();
    redis->has_refused = false;
    eg_redis_channels_attach(redis->channels, redis->subscriber);
    if (redis->events.connected != NULL)
        redis->events.connected(redis->user);
}

static void on_closed(gpointer user, const GError *error)
{
    EgRedis *redis = user;
    eg_redis_locator_skip(redis->locator);
    lose(redis, error);
}

static void on_received(gpointer user, const redisReply *reply)
{
    EgRedis *redis = user;
    g_autoptr(GError) error = NULL;
    if (!eg_redis_channels_receive(redis->channels, reply, &error))
        lose(redis, error);
}

static void on_located(gpointer user, EgRedisAddress *address, const GError *error)
{
    static const EgRedisConnectionEvents publisher_events = {
        .ready = on_ready,
        .closed = on_closed,
    };
    static const EgRedisConnectionEvents subscriber_events = {
        .ready = on_ready,
        .received = on_received,
        .closed = on_closed,
    };
    EgRedis *redis = user;
    if (address == NULL) {
        lose(redis, error);
        return;
    }
    set_state(redis, LINK_CONNECTING);
    redis->n_ready = 0;
    EgRedisConnectionParams params = redis->params;
    params.must_be_master = eg_redis_locator_finds_masters(redis->locator);
    redis->publisher =
        eg_redis_connection_new(redis->loop, address, &params, &publisher_events, redis);
    params.is_subscriber = true;
    redis->subscriber =
        eg_redis_connection_new(redis->loop, address, &params, &subscriber_events, redis);
}

static void on_moved(gpointer user)
{
    EgRedis *redis = user;
    if (redis->state == LINK_PAUSING)
        return;
    g_autoptr(GError) error = NULL;
    eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                           "redis has another master now");
    lose(redis, error);
}

static void on_pause_over(gpointer user)
{
    EgRedis *redis = user;
    set_state(redis, LINK_LOCATING);
    eg_redis_locator_start(redis->locator);
}

EgRedis *eg_redis_new(EgLoop *loop, const EgRedisConfig *config, const EgLog *log,
                      const EgRedisEvents *events, gpointer user, GError **error)
{
    eg_loop_assert_owner(loop);
    g_autoptr(EgRedis) redis = g_new0(EgRedis, 1);
    redis->loop = loop;
    redis->config = config;
    redis->log = log;
    redis->events = *events;
    redis->user = user;
    redis->pause_ns = MIN_PAUSE_NS;
    if (config->tls.is_enabled) {
        redis->tls = eg_redis_tls_new(&config->tls, error);
        if (redis->tls == NULL)
            return NULL;
    }
    static const EgRedisLocatorEvents locator_events = {.located = on_located, .moved = on_moved};
    redis->locator = eg_redis_locator_new(loop, config, redis->tls, &locator_events, redis, error);
    if (redis->locator == NULL)
        return NULL;
    redis->params = (EgRedisConnectionParams){
        .what = "redis",
        .tls = redis->tls,
        .username = config->username,
        .password = config->password,
        .db = config->db,
        .connect_ns = eg_redis_connect_ns(config),
        .ping_interval_ns = PING_INTERVAL_NS,
        .ping_timeout_ns = PING_TIMEOUT_NS,
    };
    redis->channels = eg_redis_channels_new(loop);
    redis->locks = eg_redis_locks_new(loop, &redis->params, config->max_redirects);
    redis->pause_timer = eg_timer_new(loop, on_pause_over, redis);
    set_state(redis, LINK_PAUSING);
    eg_timer_set_after(redis->pause_timer, 0);
    return g_steal_pointer(&redis);
}

void eg_redis_free(EgRedis *redis)
{
    if (redis == NULL)
        return;
    eg_loop_assert_owner(redis->loop);
    eg_redis_connection_free(redis->publisher);
    eg_redis_connection_free(redis->subscriber);
    eg_redis_locks_free(redis->locks);
    eg_redis_channels_free(redis->channels);
    eg_redis_locator_free(redis->locator);
    eg_redis_tls_unref(redis->tls);
    eg_timer_free(redis->pause_timer);
    g_free(redis);
}

bool eg_redis_is_connected(const EgRedis *redis)
{
    return redis->state == LINK_CONNECTED;
}

void eg_redis_set_ping(EgRedis *redis, gint64 interval_ns, gint64 timeout_ns)
{
    eg_loop_assert_owner(redis->loop);
    redis->params.ping_interval_ns = interval_ns;
    redis->params.ping_timeout_ns = timeout_ns;
    if (redis->publisher != NULL)
        eg_redis_connection_set_ping(redis->publisher, interval_ns, timeout_ns);
    if (redis->subscriber != NULL)
        eg_redis_connection_set_ping(redis->subscriber, interval_ns, timeout_ns);
}

EgRedisSubscription *eg_redis_subscribe(EgRedis *redis, const char *channel,
                                        const EgRedisSubscriber *subscriber, gpointer user)
{
    eg_loop_assert_owner(redis->loop);
    return eg_redis_channels_add(redis->channels, channel, subscriber, user);
}

void eg_redis_unsubscribe(EgRedisSubscription *subscription)
{
    if (subscription != NULL)
        eg_redis_channels_remove(subscription);
}

/* One line per connection has to do. */
static void on_published(gpointer user, const redisReply *reply)
{
    EgRedis *redis = user;
    if (reply->type != REDIS_REPLY_ERROR || redis->has_refused)
        return;
    redis->has_refused = true;
    g_autofree char *reason = eg_redis_clean_reason(reply->str, reply->len);
    eg_warn(redis->log, "redis refuses to publish", EG_STR("error", reason));
}

bool eg_redis_publish(EgRedis *redis, const char *channel, GBytes *payload)
{
    eg_loop_assert_owner(redis->loop);
    if (redis->state != LINK_CONNECTED)
        return false;
    gsize size_bytes = 0;
    const char *data = g_bytes_get_data(payload, &size_bytes);
    const char *const args[] = {"PUBLISH", channel, data != NULL ? data : ""};
    const gsize lengths[] = {strlen("PUBLISH"), strlen(channel), size_bytes};
    return eg_redis_connection_send(redis->publisher, G_N_ELEMENTS(args), args, lengths,
                                    on_published, redis);
}

void eg_redis_lock(EgRedis *redis, const char *key, guint seconds,
                   void (*done)(gpointer user, bool is_acquired), gpointer user)
{
    eg_loop_assert_owner(redis->loop);
    eg_redis_locks_take(redis->locks, redis->state == LINK_CONNECTED ? redis->publisher : NULL, key,
                        seconds, done, user);
}
