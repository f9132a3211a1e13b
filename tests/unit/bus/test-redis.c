#include "base/time.h"
#include "bus/redis.h"
#include "unit/bus/redis-fixture.h"

#include <string.h>

/* More than the sockets' buffers hold. */
#define BIG_BYTES (6 * 1024 * 1024)

typedef void (*Test)(Fixture *fixture, gconstpointer data);

static void add(const char *path, Test test)
{
    g_test_add(path, Fixture, NULL, fixture_set_up, test, fixture_tear_down);
}

static bool publish(Fixture *fixture, const char *channel, const char *message)
{
    g_autoptr(GBytes) payload = g_bytes_new(message, strlen(message));
    return eg_redis_publish(fixture->redis, channel, payload);
}

static void wait_subscribers(RedisServer *server, const char *channel, guint n)
{
    const gint64 end_ns = eg_now_ns() + 60 * EG_NS_PER_S;
    for (;;) {
        g_autofree char *answer = redis_server_command(server, "PUBSUB NUMSUB %s", channel);
        g_autofree char *wanted = g_strdup_printf("%s\n%u", channel, n);
        if (strcmp(answer, wanted) == 0)
            return;
        g_assert_cmpint(eg_now_ns(), <, end_ns);
    }
}

static void test_messages(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    Listener listener = {0};
    listener_start(&listener, fixture, "A|b|REQ");
    listener_expect(&listener, server, "A|b|REQ", "first");
    for (guint i = 0; i < 300; i++) {
        g_autofree char *text = g_strdup_printf("%u", i);
        g_assert_true(publish(fixture, "A|b|REQ", text));
    }
    fixture_wait(fixture, &listener.n_messages, 301);
    g_assert_cmpstr(listener.last, ==, "299");
    g_assert_true(publish(fixture, "A|b|REQ", ""));
    fixture_wait(fixture, &listener.n_messages, 302);
    g_assert_cmpstr(listener.last, ==, "");
    g_assert_cmpuint(listener.n_subscribed, ==, 1);
    g_assert_cmpuint(fixture->n_connected, ==, 1);
    listener_stop(&listener);
}

static GBytes *received;
static guint n_received;

static void on_bytes(gpointer user, GBytes *payload)
{
    (void)user;
    g_clear_pointer(&received, g_bytes_unref);
    received = g_bytes_ref(payload);
    n_received++;
}

/* Any bytes, and so many that they go out in parts. */
static void test_big_message(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    n_received = 0;
    const EgRedisSubscriber subscriber = {.message = on_bytes};
    EgRedisSubscription *subscription =
        eg_redis_subscribe(fixture->redis, "big", &subscriber, NULL);
    Listener listener = {0};
    listener_start(&listener, fixture, "other");
    guint8 *bytes = g_malloc(BIG_BYTES);
    for (guint i = 0; i < BIG_BYTES; i++)
        bytes[i] = (guint8)(i * 7 + i / 251);
    g_autoptr(GBytes) payload = g_bytes_new_take(bytes, BIG_BYTES);
    g_assert_true(eg_redis_publish(fixture->redis, "big", payload));
    fixture_wait(fixture, &n_received, 1);
    g_assert_true(g_bytes_equal(received, payload));
    g_clear_pointer(&received, g_bytes_unref);
    eg_redis_unsubscribe(subscription);
    listener_stop(&listener);
}

static void test_independent(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    Listener first = {0};
    Listener second = {0};
    listener_start(&first, fixture, "c");
    listener_start(&second, fixture, "c");
    g_assert_cmpuint(first.n_subscribed, ==, 1);
    wait_subscribers(server, "c", 1);
    listener_expect(&first, server, "c", "both");
    g_assert_cmpstr(second.last, ==, "both");
    listener_stop(&first);
    listener_expect(&second, server, "c", "one");
    g_assert_cmpuint(first.n_messages, ==, 1);
    listener_stop(&second);
    wait_subscribers(server, "c", 0);
}

/* Commands cross their answers. */
static void test_back_and_forth(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    Listener before = {0};
    listener_add(&before, fixture, "c");
    listener_stop(&before);
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    wait_subscribers(server, "c", 1);
    listener_expect(&listener, server, "c", "here");
    g_assert_cmpuint(before.n_subscribed, ==, 0);
    g_assert_cmpuint(before.n_messages, ==, 0);
    g_assert_cmpuint(listener.n_subscribed, ==, 1);
    listener_stop(&listener);
}

static void test_unsubscribe_inside(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    Listener first = {.end_at = "message"};
    Listener second = {0};
    Listener third = {.end_at = "subscribed"};
    listener_start(&first, fixture, "c");
    listener_start(&second, fixture, "c");
    first.also = g_steal_pointer(&second.subscription);
    listener_expect(&first, server, "c", "last");
    g_assert_cmpuint(second.n_messages, ==, 0);
    wait_subscribers(server, "c", 0);
    listener_start(&third, fixture, "d");
    wait_subscribers(server, "d", 0);
    listener_stop(&first);
}

/* Frees it in the event, where there is another who would be told next. */
static void free_inside(Fixture *fixture, RedisServer *server, const char *event)
{
    Listener first = {0};
    Listener second = {0};
    fixture->free_at = event;
    fixture->config.address = (char *)redis_server_address(server);
    fixture->n_connected = 0;
    fixture->n_freed = 0;
    fixture_open(fixture);
    listener_add(&first, fixture, "c");
    listener_add(&second, fixture, "c");
    fixture_wait(fixture, &fixture->n_connected, 1);
    if (fixture->redis != NULL) {
        fixture_wait(fixture, &first.n_subscribed, 1);
        if (strcmp(event, "message") == 0)
            redis_server_publish(server, "c", "text");
        if (strcmp(event, "disconnected") == 0)
            redis_server_kill(server);
        if (strcmp(event, "lock") == 0) {
            fixture_ask_lock(fixture, "key");
            fixture_ask_lock(fixture, "key");
        }
    }
    fixture_wait(fixture, &fixture->n_freed, 1);
    while (eg_loop_iterate(fixture->loop, false))
        ;
    g_assert_cmpuint(fixture->n_freed, ==, 1);
    g_assert_cmpuint(second.n_messages, ==, 0);
    g_free(first.last);
}

static void test_free_inside(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    free_inside(fixture, server, "connected");
    free_inside(fixture, server, "subscribed");
    free_inside(fixture, server, "message");
    free_inside(fixture, server, "lock");
    g_assert_cmpuint(fixture->n_locks, ==, 1);
    free_inside(fixture, server, "disconnected");
    fixture->free_at = "unreachable";
    fixture_open(fixture);
    fixture_wait(fixture, &fixture->n_unreachable, 1);
    g_assert_null(fixture->redis);
}

static void test_locks(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture->config.db = 3;
    fixture->config.address = (char *)redis_server_address(server);
    fixture_open(fixture);
    g_assert_false(fixture_lock(fixture, "key")); /* not connected yet */
    fixture_wait(fixture, &fixture->n_connected, 1);
    g_assert_true(fixture_lock(fixture, "key"));
    g_assert_false(fixture_lock(fixture, "key"));
    g_assert_true(fixture_lock(fixture, "other"));
    g_autofree char *missing = redis_server_command(server, "EXISTS key");
    g_assert_cmpstr(missing, ==, "0");
    g_autofree char *selected = redis_server_command(server, "SELECT 3");
    g_autofree char *ttl = redis_server_command(server, "TTL key");
    g_assert_cmpint(g_ascii_strtoll(ttl, NULL, 10), >, 0);
    g_assert_cmpint(g_ascii_strtoll(ttl, NULL, 10), <=, 60);

    /* Lost on the way. */
    redis_server_freeze(server);
    fixture_ask_lock(fixture, "third");
    redis_server_kill(server);
    fixture_wait(fixture, &fixture->n_locks, 5);
    g_assert_false(fixture->is_acquired);
    fixture_wait(fixture, &fixture->n_disconnected, 1);
    g_assert_false(fixture_lock(fixture, "third"));
}

static void test_restart(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    Listener first = {0};
    Listener ended = {0};
    listener_start(&first, fixture, "c");
    listener_start(&ended, fixture, "e");
    redis_server_kill(server);
    fixture_wait(fixture, &fixture->n_disconnected, 1);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_false(publish(fixture, "c", "lost"));
    listener_stop(&ended);
    Listener second = {0};
    listener_add(&second, fixture, "d");
    fixture_wait(fixture, &fixture->n_unreachable, 3);
    g_assert_nonnull(strstr(fixture->error->message, "refused"));

    redis_server_restart(server);
    fixture_wait(fixture, &fixture->n_connected, 2);
    fixture_wait(fixture, &first.n_subscribed, 2);
    fixture_wait(fixture, &second.n_subscribed, 1);
    listener_expect(&first, server, "c", "again");
    listener_expect(&second, server, "d", "new");
    wait_subscribers(server, "e", 0);
    g_assert_cmpuint(fixture->n_disconnected, ==, 1);
    listener_stop(&first);
    listener_stop(&second);
}

/* More channels than one command subscribes to. */
static void test_many_channels(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    static Listener listeners[300];
    memset(listeners, 0, sizeof(listeners));
    for (guint i = 0; i < G_N_ELEMENTS(listeners); i++) {
        g_autofree char *channel = g_strdup_printf("c%u", i);
        listener_add(&listeners[i], fixture, channel);
    }
    for (guint round = 1; round <= 2; round++) {
        for (guint i = 0; i < G_N_ELEMENTS(listeners); i++)
            fixture_wait(fixture, &listeners[i].n_subscribed, round);
        listener_expect(&listeners[299], server, "c299", "last");
        listener_expect(&listeners[0], server, "c0", "first");
        if (round == 1)
            redis_server_restart(server);
    }
    for (guint i = 0; i < G_N_ELEMENTS(listeners); i++)
        listener_stop(&listeners[i]);
}

static void test_frozen(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture->config.dial_timeout_ns = 100 * EG_NS_PER_MS;
    fixture_connect(fixture, redis_server_address(server));
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    eg_redis_set_ping(fixture->redis, 40 * EG_NS_PER_MS, 200 * EG_NS_PER_MS);
    redis_server_freeze(server);
    fixture_wait(fixture, &fixture->n_disconnected, 1);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED);
    g_assert_nonnull(strstr(fixture->error->message, "does not answer any more"));
    fixture_wait(fixture, &fixture->n_unreachable, 1);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED);
    redis_server_thaw(server);
    fixture_wait(fixture, &fixture->n_connected, 2);
    fixture_wait(fixture, &listener.n_subscribed, 2);
    listener_expect(&listener, server, "c", "awake");
    listener_stop(&listener);
}

static guint count_pings(RedisServer *server)
{
    g_autofree char *stats = redis_server_command(server, "INFO commandstats");
    const char *calls = strstr(stats, "cmdstat_ping:calls=");
    return calls != NULL ? (guint)g_ascii_strtoull(strchr(calls, '=') + 1, NULL, 10) : 0;
}

static void wait_pings(Fixture *fixture, RedisServer *server, guint n)
{
    const guint first = count_pings(server);
    while (count_pings(server) < first + n)
        eg_loop_iterate(fixture->loop, true);
}

/* Silence of the others is no fault of the server. Both sockets are asked, before and after there
 * is a subscription. */
static void test_quiet(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    eg_redis_set_ping(fixture->redis, 20 * EG_NS_PER_MS, 2 * EG_NS_PER_S);
    wait_pings(fixture, server, 12);
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    wait_pings(fixture, server, 12);
    g_assert_cmpuint(fixture->n_disconnected, ==, 0);
    listener_expect(&listener, server, "c", "fine");
    listener_stop(&listener);
}

/* What a server does not take in is refused, and does no harm. */
static void test_full(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_address(server));
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    g_autofree char *text = g_strnfill(1024 * 1024, 'x');
    redis_server_freeze(server);
    guint n = 0;
    while (publish(fixture, "c", text))
        n++;
    g_assert_cmpuint(n, >=, 7);
    g_assert_cmpuint(n, <, 64);
    redis_server_thaw(server);
    fixture_wait(fixture, &listener.n_messages, n);
    g_assert_true(publish(fixture, "c", "after"));
    fixture_wait(fixture, &listener.n_messages, n + 1);
    g_assert_cmpstr(listener.last, ==, "after");
    listener_stop(&listener);
}

static void test_unix_socket(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture_connect(fixture, redis_server_socket(server));
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    listener_expect(&listener, server, "c", "local");
    listener_stop(&listener);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/redis/messages", test_messages);
    add("/redis/big-message", test_big_message);
    add("/redis/independent", test_independent);
    add("/redis/back-and-forth", test_back_and_forth);
    add("/redis/unsubscribe-inside", test_unsubscribe_inside);
    add("/redis/free-inside", test_free_inside);
    add("/redis/locks", test_locks);
    add("/redis/restart", test_restart);
    add("/redis/many-channels", test_many_channels);
    add("/redis/frozen", test_frozen);
    add("/redis/quiet", test_quiet);
    add("/redis/full", test_full);
    add("/redis/unix-socket", test_unix_socket);
    return g_test_run();
}
