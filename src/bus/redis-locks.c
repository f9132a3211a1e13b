#include "bus/redis-locks.h"

#include <string.h>

struct _EgRedisLocks {
    EgLoop *loop;
    EgRedisConnectionParams params;
    guint max_redirects;
    GQueue open; /* of Lock * */
};

typedef struct {
    EgRedisLocks *locks;
    GList link; /* in `open` */
    char *key;
    char *seconds;
    void (*done)(gpointer user, bool is_acquired);
    gpointer user;
    EgTimer *timer;          /* of a refusal from inside a call */
    EgRedisAddress *address; /* of who is asked */
    EgRedisConnection *own;  /* to where we were sent; NULL: it is the connection given */
    guint n_redirects;
    bool is_asking; /* the key is moving to that node, which wants to hear that we know */
} Lock;

static void lock_free(gpointer data)
{
    Lock *lock = data;
    g_queue_unlink(&lock->locks->open, &lock->link);
    eg_redis_connection_free(lock->own);
    eg_redis_address_unref(lock->address);
    eg_timer_free(lock->timer);
    g_free(lock->key);
    g_free(lock->seconds);
    g_free(lock);
}

/* Last: all locks may be gone after it. */
static void finish(Lock *lock, bool is_acquired)
{
    const Lock copy = *lock;
    lock_free(lock);
    copy.done(copy.user, is_acquired);
}

static void on_timer(gpointer user)
{
    finish(user, false);
}

static void finish_soon(Lock *lock)
{
    eg_timer_set_after(lock->timer, 0);
}

static void on_reply(gpointer user, const redisReply *reply);

static void on_asking_reply(gpointer user, const redisReply *reply)
{
    (void)user;
    (void)reply;
}

static void send_set(Lock *lock, EgRedisConnection *connection)
{
    static const char *const asking[] = {"ASKING"};
    const char *const args[] = {"SET", lock->key, "1", "NX", "EX", lock->seconds};
    const bool is_sent =
        (!lock->is_asking ||
         eg_redis_connection_send(connection, 1, asking, NULL, on_asking_reply, lock)) &&
        eg_redis_connection_send(connection, G_N_ELEMENTS(args), args, NULL, on_reply, lock);
    if (!is_sent)
        finish_soon(lock);
}

static void on_ready(gpointer user)
{
    Lock *lock = user;
    send_set(lock, lock->own);
}

static void on_closed(gpointer user, const GError *error)
{
    (void)error;
    finish(user, false);
}

/* Takes the address. */
static void follow(Lock *lock, EgRedisAddress *address)
{
    static const EgRedisConnectionEvents events = {.ready = on_ready, .closed = on_closed};
    eg_redis_address_unref(lock->address);
    lock->address = address;
    lock->n_redirects++;
    eg_redis_connection_free(lock->own);
    lock->own =
        eg_redis_connection_new(lock->locks->loop, address, &lock->locks->params, &events, lock);
}

static void on_reply(gpointer user, const redisReply *reply)
{
    Lock *lock = user;
    EgRedisAddress *address = NULL;
    if (reply->type == REDIS_REPLY_ERROR && lock->n_redirects < lock->locks->max_redirects)
        address = eg_redis_address_new_redirect(reply->str, lock->address, &lock->is_asking);
    if (address != NULL)
        follow(lock, address);
    else
        finish(lock, reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0);
}

EgRedisLocks *eg_redis_locks_new(EgLoop *loop, const EgRedisConnectionParams *params,
                                 guint max_redirects)
{
    EgRedisLocks *locks = g_new0(EgRedisLocks, 1);
    locks->loop = loop;
    locks->params = *params;
    locks->max_redirects = max_redirects;
    g_queue_init(&locks->open);
    return locks;
}

void eg_redis_locks_free(EgRedisLocks *locks)
{
    if (locks == NULL)
        return;
    Lock *lock;
    while ((lock = g_queue_peek_head(&locks->open)) != NULL)
        lock_free(lock);
    g_free(locks);
}

void eg_redis_locks_take(EgRedisLocks *locks, EgRedisConnection *connection, const char *key,
                         guint seconds, void (*done)(gpointer user, bool is_acquired),
                         gpointer user)
{
    Lock *lock = g_new0(Lock, 1);
    lock->locks = locks;
    lock->key = g_strdup(key);
    lock->seconds = g_strdup_printf("%u", seconds);
    lock->done = done;
    lock->user = user;
    lock->timer = eg_timer_new(locks->loop, on_timer, lock);
    lock->link.data = lock;
    g_queue_push_tail_link(&locks->open, &lock->link);
    if (connection == NULL) {
        finish_soon(lock);
        return;
    }
    lock->address = eg_redis_address_ref(eg_redis_connection_address(connection));
    send_set(lock, connection);
}

void eg_redis_locks_abandon(EgRedisLocks *locks)
{
    for (GList *link = locks->open.head; link != NULL; link = link->next) {
        Lock *lock = link->data;
        if (lock->own == NULL)
            finish_soon(lock);
    }
}
