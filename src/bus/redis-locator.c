#include "bus/redis-locator.h"

#include "base/error.h"
#include "base/time.h"
#include "bus/redis-connection.h"
#include "bus/redis-watch.h"

#include <string.h>

#define REDIS_PORT         6379
#define SENTINEL_PORT      26379
#define DEFAULT_CONNECT_NS (5 * EG_NS_PER_S)

struct _EgRedisLocator {
    /* const after new */
    EgLoop *loop;
    const EgRedisConfig *config;
    EgRedisTls *tls;
    EgRedisLocatorEvents events;
    gpointer user;
    GPtrArray *addresses; /* of the server, the nodes or the sentinels */
    bool has_sentinels;

    guint next;    /* to be used or asked first */
    guint n_tried; /* sentinels, in this search */
    EgRedisConnection *sentinel;
    EgRedisWatch *watch; /* of who has named the master */
    EgTimer *timer;
    GError *error; /* of the last sentinel */
};

static bool parse_addresses(EgRedisLocator *locator, const char *key, char *const *texts,
                            guint16 default_port, GError **error)
{
    for (char *const *at = texts; *at != NULL; at++) {
        EgRedisAddress *address = eg_redis_address_parse(key, *at, default_port, error);
        if (address == NULL)
            return false;
        g_ptr_array_add(locator->addresses, address);
    }
    return true;
}

static bool has_any(char *const *texts)
{
    return texts != NULL && texts[0] != NULL;
}

static bool read_config(EgRedisLocator *locator, GError **error)
{
    const EgRedisConfig *config = locator->config;
    locator->has_sentinels = has_any(config->sentinel_addresses);
    if (locator->has_sentinels != (config->sentinel_master_name != NULL)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "redis.%s is missing: sentinels need their addresses and the master's name",
                     locator->has_sentinels ? "sentinel_master_name" : "sentinel_addresses");
        return false;
    }
    if (locator->has_sentinels)
        return parse_addresses(locator, "redis.sentinel_addresses", config->sentinel_addresses,
                               SENTINEL_PORT, error);
    if (has_any(config->cluster_addresses))
        return parse_addresses(locator, "redis.cluster_addresses", config->cluster_addresses,
                               REDIS_PORT, error);
    if (config->address == NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "redis.address is missing");
        return false;
    }
    return parse_addresses(locator, "redis.address", (char *const[]){config->address, NULL},
                           REDIS_PORT, error);
}

static void end_search(EgRedisLocator *locator)
{
    g_clear_pointer(&locator->sentinel, eg_redis_connection_free);
    eg_timer_clear(locator->timer);
    g_clear_error(&locator->error);
}

static EgRedisConnectionParams make_params(const EgRedisLocator *locator)
{
    const gint64 connect_ns = eg_redis_connect_ns(locator->config);
    return (EgRedisConnectionParams){
        .what = "redis sentinel",
        .tls = locator->tls,
        .username = locator->config->sentinel_username,
        .password = locator->config->sentinel_password,
        .connect_ns = connect_ns,
        .ping_interval_ns = connect_ns,
        .ping_timeout_ns = 2 * connect_ns,
    };
}

/* Both last: the locator may be gone after them. */
static void tell_found(EgRedisLocator *locator, EgRedisAddress *address)
{
    end_search(locator);
    locator->events.located(locator->user, address, NULL);
}

static void tell_failed(EgRedisLocator *locator)
{
    g_autoptr(GError) error = NULL;
    eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                           "none of %u redis sentinels names the master: %s",
                           locator->addresses->len, locator->error->message);
    end_search(locator);
    locator->events.located(locator->user, NULL, error);
}

static void try_sentinel(EgRedisLocator *locator);

/* Last. Takes `error`. */
static void try_next(EgRedisLocator *locator, GError *error)
{
    g_clear_pointer(&locator->sentinel, eg_redis_connection_free);
    g_clear_error(&locator->error);
    locator->error = error;
    locator->n_tried++;
    eg_redis_locator_skip(locator);
    if (locator->n_tried == locator->addresses->len)
        tell_failed(locator);
    else
        try_sentinel(locator);
}

static EgRedisAddress *read_master(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING)
        return NULL;
    const char *host = reply->element[0]->str;
    const bool is_ipv6 = strchr(host, ':') != NULL;
    g_autofree char *text =
        g_strdup_printf(is_ipv6 ? "[%s]:%s" : "%s:%s", host, reply->element[1]->str);
    return *text != '/' ? eg_redis_address_parse("the master", text, REDIS_PORT, NULL) : NULL;
}

static void on_moved(gpointer user)
{
    EgRedisLocator *locator = user;
    locator->events.moved(locator->user);
}

/* From before the master is connected to, so that nothing is missed. */
static void watch(EgRedisLocator *locator)
{
    const EgRedisConnectionParams params = make_params(locator);
    locator->watch = eg_redis_watch_new(locator->loop, locator->addresses, locator->next, &params,
                                        locator->config->sentinel_master_name, on_moved, locator);
}

static void on_master(gpointer user, const redisReply *reply)
{
    EgRedisLocator *locator = user;
    g_autoptr(EgRedisAddress) address = read_master(reply);
    if (address != NULL) {
        watch(locator);
        tell_found(locator, address);
        return;
    }
    GError *error = NULL;
    eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                           "redis sentinel at %s knows no master '%s'",
                           eg_redis_connection_address(locator->sentinel)->text,
                           locator->config->sentinel_master_name);
    try_next(locator, error);
}

static void on_sentinel_ready(gpointer user)
{
    EgRedisLocator *locator = user;
    const char *const args[] = {"SENTINEL", "get-master-addr-by-name",
                                locator->config->sentinel_master_name};
    eg_redis_connection_send(locator->sentinel, G_N_ELEMENTS(args), args, NULL, on_master, locator);
}

static void on_sentinel_closed(gpointer user, const GError *error)
{
    try_next(user, g_error_copy(error));
}

static void try_sentinel(EgRedisLocator *locator)
{
    static const EgRedisConnectionEvents events = {
        .ready = on_sentinel_ready,
        .closed = on_sentinel_closed,
    };
    const EgRedisConnectionParams params = make_params(locator);
    locator->sentinel =
        eg_redis_connection_new(locator->loop, g_ptr_array_index(locator->addresses, locator->next),
                                &params, &events, locator);
}

static void on_timer(gpointer user)
{
    EgRedisLocator *locator = user;
    if (locator->has_sentinels)
        try_sentinel(locator);
    else
        tell_found(locator, g_ptr_array_index(locator->addresses, locator->next));
}

EgRedisLocator *eg_redis_locator_new(EgLoop *loop, const EgRedisConfig *config, EgRedisTls *tls,
                                     const EgRedisLocatorEvents *events, gpointer user,
                                     GError **error)
{
    g_autoptr(EgRedisLocator) locator = g_new0(EgRedisLocator, 1);
    locator->loop = loop;
    locator->config = config;
    locator->tls = tls;
    locator->events = *events;
    locator->user = user;
    locator->addresses = g_ptr_array_new_with_free_func((GDestroyNotify)eg_redis_address_unref);
    locator->timer = eg_timer_new(loop, on_timer, locator);
    return read_config(locator, error) ? g_steal_pointer(&locator) : NULL;
}

void eg_redis_locator_free(EgRedisLocator *locator)
{
    if (locator == NULL)
        return;
    eg_redis_connection_free(locator->sentinel);
    eg_redis_watch_free(locator->watch);
    eg_timer_free(locator->timer);
    g_clear_error(&locator->error);
    g_ptr_array_unref(locator->addresses);
    g_free(locator);
}

void eg_redis_locator_start(EgRedisLocator *locator)
{
    g_assert(locator->sentinel == NULL);
    locator->n_tried = 0;
    g_clear_pointer(&locator->watch, eg_redis_watch_free);
    eg_timer_set_after(locator->timer, 0);
}

void eg_redis_locator_skip(EgRedisLocator *locator)
{
    locator->next = (locator->next + 1) % locator->addresses->len;
}

bool eg_redis_locator_finds_masters(const EgRedisLocator *locator)
{
    return locator->has_sentinels;
}

gint64 eg_redis_connect_ns(const EgRedisConfig *config)
{
    return config->dial_timeout_ns > 0 ? config->dial_timeout_ns : DEFAULT_CONNECT_NS;
}
