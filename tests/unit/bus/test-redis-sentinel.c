#include "base/time.h"
#include "unit/bus/redis-fixture.h"

#include <string.h>

typedef void (*Test)(Fixture *fixture, gconstpointer data);

static void add(const char *path, Test test)
{
    g_test_add(path, Fixture, NULL, fixture_set_up, test, fixture_tear_down);
}

/* Which does not wait for more replicas before it serves one. */
static RedisServer *new_master(void)
{
    return redis_server_new((const char *const[]){"--repl-diskless-sync-delay", "0", NULL});
}

static RedisServer *new_replica(RedisServer *master)
{
    g_autofree char *of = g_strdup_printf("127.0.0.1 %u", redis_server_port(master));
    RedisServer *replica = redis_server_new((const char *const[]){"--replicaof", of, NULL});
    redis_server_wait_log(replica, "MASTER <-> REPLICA sync: Finished with success");
    return replica;
}

static void use_sentinels(Fixture *fixture, const char **addresses)
{
    fixture->config.sentinel_master_name = (char *)"mymaster";
    fixture->config.sentinel_addresses = (char **)addresses;
    fixture->config.dial_timeout_ns = EG_NS_PER_S;
}

/* The master dies, and the replica that takes its place is found; the first sentinel of the list
 * is never there. */
static void test_failover(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) master = new_master();
    g_autoptr(RedisServer) replica = new_replica(master);
    g_autoptr(RedisServer) sentinel = redis_server_new_sentinel(master, "mymaster", NULL);
    redis_server_wait_log(sentinel, "+slave slave");
    use_sentinels(fixture, (const char *[]){"127.0.0.1:1", redis_server_address(sentinel), NULL});
    fixture_open(fixture);
    fixture_wait(fixture, &fixture->n_connected, 1);
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    listener_expect(&listener, master, "c", "before");
    g_assert_true(fixture_lock(fixture, "key"));

    redis_server_kill(master);
    fixture_wait(fixture, &fixture->n_disconnected, 1);
    fixture_wait(fixture, &fixture->n_connected, 2);
    fixture_wait(fixture, &listener.n_subscribed, 2);
    listener_expect(&listener, replica, "c", "after");
    g_assert_true(fixture_lock(fixture, "another"));
    g_autofree char *role = redis_server_command(replica, "ROLE");
    g_assert_true(g_str_has_prefix(role, "master"));
    listener_stop(&listener);
}

/* Both live on, and the old master does not know for seconds. */
static void test_switch(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) master = new_master();
    g_autoptr(RedisServer) replica = new_replica(master);
    g_autoptr(RedisServer) sentinel =
        redis_server_new_sentinel(master, "mymaster", "of-the-sentinel");
    redis_server_wait_log(sentinel, "+slave slave");
    fixture->config.sentinel_password = (char *)"of-the-sentinel";
    use_sentinels(fixture, (const char *[]){redis_server_address(sentinel), NULL});
    fixture_open(fixture);
    fixture_wait(fixture, &fixture->n_connected, 1);
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    /* It has to look at the replica first. */
    redis_server_insist(sentinel, "SENTINEL FAILOVER mymaster");
    fixture_wait(fixture, &listener.n_subscribed, 2);
    g_assert_nonnull(strstr(fixture->error->message, "redis has another master now"));
    listener_expect(&listener, replica, "c", "after");
    listener_stop(&listener);
}

static void test_refused(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) master = new_master();
    g_autoptr(RedisServer) sentinel =
        redis_server_new_sentinel(master, "mymaster", "of-the-sentinel");
    fixture->config.sentinel_password = (char *)"not-that";
    use_sentinels(fixture, (const char *[]){redis_server_address(sentinel), NULL});
    fixture_expect_unreachable(fixture, EG_ERROR_UNAVAILABLE, "refuses the password: WRONGPASS");
    g_assert_null(strstr(fixture->error->message, "not-that"));
}

static void test_unknown_master(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) master = new_master();
    g_autoptr(RedisServer) sentinel = redis_server_new_sentinel(master, "another", NULL);
    use_sentinels(fixture, (const char *[]){redis_server_address(sentinel), NULL});
    fixture_expect_unreachable(fixture, EG_ERROR_UNAVAILABLE, "knows no master 'mymaster'");
}

static char *name_reply(RedisServer *server)
{
    g_autofree char *port = g_strdup_printf("%u", redis_server_port(server));
    return g_strdup_printf("*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
}

/* A sentinel that has missed something names a replica; the next one is asked. */
static void test_stale_sentinel(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) master = new_master();
    g_autoptr(RedisServer) replica = new_replica(master);
    g_autofree char *stale_reply = name_reply(replica);
    g_autofree char *good_reply = name_reply(master);
    g_autoptr(FakeServer) stale =
        fake_server_new((const char *const[]){"+PONG\r\n", stale_reply, NULL});
    g_autoptr(FakeServer) good =
        fake_server_new((const char *const[]){"+PONG\r\n", good_reply, NULL});
    use_sentinels(fixture,
                  (const char *[]){fake_server_address(stale), fake_server_address(good), NULL});
    fixture_open(fixture);
    fixture_wait(fixture, &fixture->n_connected, 1);
    g_assert_cmpuint(fixture->n_unreachable, ==, 1);
    g_assert_nonnull(strstr(fixture->error->message, "is not the master"));
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    listener_expect(&listener, master, "c", "text");

    /* It is no master any more, and nobody has cut the connections. */
    eg_redis_set_ping(fixture->redis, 20 * EG_NS_PER_MS, 10 * EG_NS_PER_S);
    g_autofree char *promoted = redis_server_command(replica, "REPLICAOF NO ONE");
    g_autofree char *demoted =
        redis_server_command(master, "REPLICAOF 127.0.0.1 %d", (int)redis_server_port(replica));
    fixture_wait(fixture, &fixture->n_disconnected, 1);
    g_assert_nonnull(strstr(fixture->error->message, "is not the master"));
    fixture_wait(fixture, &fixture->n_connected, 2);
    fixture_wait(fixture, &listener.n_subscribed, 2);
    listener_expect(&listener, replica, "c", "new master");
    listener_stop(&listener);
}

static void test_mad_sentinel(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const char *const answers[] = {
        "*2\r\n$0\r\n\r\n$1\r\n1\r\n",
        "*2\r\n$4\r\n/tmp\r\n$1\r\n1\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*2\r\n$1\r\na\r\n$5\r\n99999\r\n",
        "+OK\r\n",
        "*-1\r\n",
    };
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        const char *const replies[] = {"+PONG\r\n", answers[i], NULL};
        g_autoptr(FakeServer) mad = fake_server_new(replies);
        use_sentinels(fixture, (const char *[]){fake_server_address(mad), NULL});
        fixture->n_unreachable = 0;
        fixture_expect_unreachable(fixture, EG_ERROR_UNAVAILABLE, "knows no master 'mymaster'");
        g_clear_pointer(&fixture->redis, eg_redis_free);
        while (eg_loop_iterate(fixture->loop, false))
            ;
    }
}

static void test_bad_config(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const EgRedisEvents events = {0};
    const EgRedisConfig unnamed = {
        .address = (char *)"a:1", .sentinel_addresses = (char *[]){(char *)"b:1", NULL}
    };
    const EgRedisConfig nowhere = {.address = (char *)"a:1", .sentinel_master_name = (char *)"m"};
    const EgRedisConfig bad = {
        .sentinel_master_name = (char *)"m",
        .sentinel_addresses = (char *[]){(char *)"b:1", (char *)"c:x", NULL}
    };
    const struct {
        const EgRedisConfig *config;
        const char *text;
    } cases[] = {
        {&unnamed, "redis.sentinel_master_name is missing"        },
        {&nowhere, "redis.sentinel_addresses is missing"          },
        {&bad,     "redis.sentinel_addresses is no address: 'c:x'"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_redis_new(fixture->loop, cases[i].config, NULL, &events, NULL, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, cases[i].text));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/redis-sentinel/failover", test_failover);
    add("/redis-sentinel/switch", test_switch);
    add("/redis-sentinel/refused", test_refused);
    add("/redis-sentinel/unknown-master", test_unknown_master);
    add("/redis-sentinel/stale-sentinel", test_stale_sentinel);
    add("/redis-sentinel/mad-sentinel", test_mad_sentinel);
    add("/redis-sentinel/bad-config", test_bad_config);
    return g_test_run();
}
