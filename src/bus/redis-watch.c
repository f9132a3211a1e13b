#include "bus/redis-watch.h"

#include "base/time.h"

#include <string.h>

#define PAUSE_NS EG_NS_PER_S

struct _EgRedisWatch {
    EgLoop *loop;
    const GPtrArray *addresses;
    EgRedisConnectionParams params;
    const char *master_name;
    void (*moved)(gpointer user);
    gpointer user;

    guint next; /* sentinel */
    EgRedisConnection *connection;
    EgTimer *timer;
};

static void on_ready(gpointer user)
{
    static const char *const args[] = {"SUBSCRIBE", "+switch-master"};
    EgRedisWatch *watch = user;
    eg_redis_connection_send(watch->connection, G_N_ELEMENTS(args), args, NULL, NULL, NULL);
}

/* "message", "+switch-master", "NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT". */
static bool is_switch(const EgRedisWatch *watch, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        strcmp(reply->element[0]->str, "message") != 0 ||
        reply->element[2]->type != REDIS_REPLY_STRING)
        return false;
    const char *text = reply->element[2]->str;
    const gsize length = strlen(watch->master_name);
    return strncmp(text, watch->master_name, length) == 0 && text[length] == ' ';
}

static void on_received(gpointer user, const redisReply *reply)
{
    EgRedisWatch *watch = user;
    if (is_switch(watch, reply))
        watch->moved(watch->user);
}

/* Or refused. The master is well for all one knows, so it is nobody's business. */
static void on_closed(gpointer user, const GError *error)
{
    (void)error;
    EgRedisWatch *watch = user;
    g_clear_pointer(&watch->connection, eg_redis_connection_free);
    watch->next = (watch->next + 1) % watch->addresses->len;
    eg_timer_set_after(watch->timer, PAUSE_NS);
}

static void connect_next(gpointer user)
{
    static const EgRedisConnectionEvents events = {
        .ready = on_ready,
        .received = on_received,
        .closed = on_closed,
    };
    EgRedisWatch *watch = user;
    watch->connection =
        eg_redis_connection_new(watch->loop, g_ptr_array_index(watch->addresses, watch->next),
                                &watch->params, &events, watch);
}

EgRedisWatch *eg_redis_watch_new(EgLoop *loop, const GPtrArray *addresses, guint first,
                                 const EgRedisConnectionParams *params, const char *master_name,
                                 void (*moved)(gpointer user), gpointer user)
{
    EgRedisWatch *watch = g_new0(EgRedisWatch, 1);
    watch->loop = loop;
    watch->addresses = addresses;
    watch->params = *params;
    watch->params.is_subscriber = true;
    watch->master_name = master_name;
    watch->moved = moved;
    watch->user = user;
    watch->next = first;
    watch->timer = eg_timer_new(loop, connect_next, watch);
    connect_next(watch);
    return watch;
}

void eg_redis_watch_free(EgRedisWatch *watch)
{
    if (watch == NULL)
        return;
    eg_redis_connection_free(watch->connection);
    eg_timer_free(watch->timer);
    g_free(watch);
}
