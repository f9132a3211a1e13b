#include "base/time.h"
#include "unit/bus/redis-fixture.h"

#include <gio/gio.h>
#include <string.h>

#define PASSWORD "the-secret-password"

typedef void (*Test)(Fixture *fixture, gconstpointer data);

static void add(const char *path, Test test)
{
    g_test_add(path, Fixture, NULL, fixture_set_up, test, fixture_tear_down);
}

static void expect_working(Fixture *fixture, RedisServer *server)
{
    fixture_connect(fixture, redis_server_address(server));
    Listener listener = {0};
    listener_start(&listener, fixture, "c");
    listener_expect(&listener, server, "c", "text");
    listener_stop(&listener);
}

static void test_password(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server =
        redis_server_new((const char *const[]){"--requirepass", PASSWORD, NULL});
    fixture->config.password = (char *)PASSWORD;
    expect_working(fixture, server);
}

static RedisServer *new_with_user(const char *channels)
{
    return redis_server_new((const char *const[]){"--user", "egress", "on", ">" PASSWORD, "~*",
                                                  "resetchannels", channels, "+@all", NULL});
}

static void test_user(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_with_user("&*");
    fixture->config.username = (char *)"egress";
    fixture->config.password = (char *)PASSWORD;
    expect_working(fixture, server);
    g_assert_true(fixture_lock(fixture, "key"));
    g_autofree char *clients = redis_server_command(server, "CLIENT LIST");
    g_assert_nonnull(strstr(clients, "user=egress"));
}

static void expect_refused(Fixture *fixture, RedisServer *server, EgErrorCode code,
                           const char *text)
{
    fixture->config.address = (char *)redis_server_address(server);
    fixture_expect_unreachable(fixture, code, text);
    g_assert_nonnull(strstr(fixture->error->message, redis_server_address(server)));
    g_assert_null(strstr(fixture->error->message, PASSWORD));
}

static void test_wrong_password(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server =
        redis_server_new((const char *const[]){"--requirepass", "another", NULL});
    fixture->config.password = (char *)PASSWORD;
    expect_refused(fixture, server, EG_ERROR_UNAUTHENTICATED, "refuses the password: WRONGPASS");
    /* Made good while it runs. */
    g_autofree char *answer = redis_server_command(server, "CONFIG SET requirepass %s", PASSWORD);
    g_assert_cmpstr(answer, ==, "OK");
    fixture_wait(fixture, &fixture->n_connected, 1);
}

static void test_wrong_user(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_with_user("&*");
    fixture->config.username = (char *)"somebody";
    fixture->config.password = (char *)PASSWORD;
    expect_refused(fixture, server, EG_ERROR_UNAUTHENTICATED,
                   "refuses user and password: WRONGPASS");
}

static void test_no_password(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server =
        redis_server_new((const char *const[]){"--requirepass", "another", NULL});
    expect_refused(fixture, server, EG_ERROR_UNAUTHENTICATED,
                   "refuses us without a password: NOAUTH");
}

static void test_needless_password(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture->config.password = (char *)PASSWORD;
    expect_refused(fixture, server, EG_ERROR_UNAUTHENTICATED, "without any password configured");
}

/* An unknown command is quoted by Redis with what follows it. */
static void test_unknown_auth(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server =
        redis_server_new((const char *const[]){"--rename-command", "AUTH", "XAUTH", NULL});
    fixture->config.password = (char *)PASSWORD;
    expect_refused(fixture, server, EG_ERROR_UNAUTHENTICATED, "ERR unknown command");
}

static void test_wrong_database(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture->config.db = 99;
    expect_refused(fixture, server, EG_ERROR_UNAVAILABLE, "refuses the database: ERR DB index");
}

static void test_forbidden_channel(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_with_user("&mine");
    fixture->config.username = (char *)"egress";
    fixture->config.password = (char *)PASSWORD;
    fixture_connect(fixture, redis_server_address(server));
    Listener listener = {0};
    listener_add(&listener, fixture, "theirs");
    fixture_wait(fixture, &fixture->n_disconnected, 2);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_PERMISSION_DENIED);
    g_assert_nonnull(strstr(fixture->error->message, "refuses to subscribe: NOPERM"));
    g_assert_cmpuint(listener.n_subscribed, ==, 0);
    listener_stop(&listener);
    fixture_wait(fixture, &fixture->n_connected, fixture->n_disconnected + 1);
    listener_start(&listener, fixture, "mine");
    listener_stop(&listener);
}

static void on_line(const char *line, gpointer user)
{
    g_ptr_array_add(user, g_strdup(line));
}

/* Said once. */
static void test_forbidden_publish(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_with_user("&mine");
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    fixture->config.username = (char *)"egress";
    fixture->config.password = (char *)PASSWORD;
    fixture_connect(fixture, redis_server_address(server));
    eg_log_set_writer(on_line, lines);
    g_autoptr(GBytes) payload = g_bytes_new_static("x", 1);
    for (guint i = 0; i < 3; i++)
        g_assert_true(eg_redis_publish(fixture->redis, "theirs", payload));
    g_assert_true(fixture_lock(fixture, "key")); /* answered after them */
    eg_log_set_writer(NULL, NULL);
    g_assert_cmpuint(lines->len, ==, 1);
    const char *line = g_ptr_array_index(lines, 0);
    g_assert_nonnull(strstr(line, "redis refuses to publish"));
    g_assert_nonnull(strstr(line, "NOPERM"));
}

static void test_bad_config(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *address;
        const char *text;
    } cases[] = {
        {NULL,                        "redis.address is missing"                                   },
        {"",                          "would have to be host:port"                                 },
        {":6379",                     "would have to be host:port"                                 },
        {"host:0",                    "'host:0' would have to be host:port"                        },
        {"host:65536",                "would have to be host:port"                                 },
        {"host:redis",                "would have to be host:port"                                 },
        {"host name:1",               "would have to be host:port"                                 },
        {"[::1",                      "would have to be host:port"                                 },
        {"[::1]6379",                 "would have to be host:port"                                 },
        {"redis://:" PASSWORD "@h:1",
         "redis.address is no address: it would be host:port, and not"                             },
        {PASSWORD "@host",            "redis.address is no address: it would be host:port, and not"},
    };
    static const EgRedisEvents events = {0};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        const EgRedisConfig config = {.address = (char *)cases[i].address};
        g_assert_null(eg_redis_new(fixture->loop, &config, NULL, &events, NULL, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_false(eg_error_is_retryable(error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].text));
        g_assert_null(strstr(error->message, PASSWORD));
    }
    static const char *const good[] = {"host", "host:1",   "[::1]",          "[::1]:1",
                                       "::1",  "10.0.0.1", "a.b-c_d.:65535", "/run/redis.sock"};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        const EgRedisConfig config = {.address = (char *)good[i]};
        g_autoptr(EgRedis) redis =
            eg_redis_new(fixture->loop, &config, NULL, &events, NULL, &error);
        g_assert_no_error(error);
        g_assert_nonnull(redis);
    }
}

/* What is no Redis, or has gone mad, is an error that names it. */
static void test_no_redis(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *reply;
        const char *text;
    } cases[] = {
        {NULL,                                                           "has closed the connection"  },
        {"HTTP/1.1 400 Bad Request\r\n",                                 "does not speak the protocol"},
        {"\r\n",                                                         "does not speak the protocol"},
        {"*2000000000\r\n",                                              "does not speak the protocol"},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
         "does not speak the protocol"                                                                },
        {"+PONG\r\n+PONG\r\n",                                           "answers what was not asked" },
        {"-ERR max number of clients\x07 reached\r\n",
         "refuses us: ERR max number of clients  reached"                                             },
        {"-\xff\r\n",                                                    "refuses us: "               },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *const replies[] = {cases[i].reply, NULL};
        g_autoptr(FakeServer) fake = fake_server_new(replies);
        fixture->config.address = (char *)fake_server_address(fake);
        fixture->n_unreachable = 0;
        fixture_expect_unreachable(fixture, EG_ERROR_UNAVAILABLE, cases[i].text);
        g_assert_true(g_utf8_validate(fixture->error->message, -1, NULL));
        g_assert_nonnull(strstr(fixture->error->message, fake_server_address(fake)));
        g_clear_pointer(&fixture->redis, eg_redis_free);
        while (eg_loop_iterate(fixture->loop, false))
            ;
    }
}

/* More than any message has, without end. */
static void test_endless_reply(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autofree char *text = g_strnfill(17 * 1024 * 1024, 'x');
    memcpy(text, "$1999999999\r\n", strlen("$1999999999\r\n"));
    const char *const replies[] = {text, NULL};
    g_autoptr(FakeServer) fake = fake_server_new(replies);
    fixture->config.address = (char *)fake_server_address(fake);
    fixture_expect_unreachable(fixture, EG_ERROR_UNAVAILABLE, "sends more than any message has");
}

/* Nobody speaks. */
static void test_silent(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    redis_server_freeze(server);
    fixture->config.dial_timeout_ns = 50 * EG_NS_PER_MS;
    expect_refused(fixture, server, EG_ERROR_DEADLINE_EXCEEDED, "does not answer");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/redis-auth/password", test_password);
    add("/redis-auth/user", test_user);
    add("/redis-auth/wrong-password", test_wrong_password);
    add("/redis-auth/wrong-user", test_wrong_user);
    add("/redis-auth/no-password", test_no_password);
    add("/redis-auth/needless-password", test_needless_password);
    add("/redis-auth/unknown-auth", test_unknown_auth);
    add("/redis-auth/wrong-database", test_wrong_database);
    add("/redis-auth/forbidden-channel", test_forbidden_channel);
    add("/redis-auth/forbidden-publish", test_forbidden_publish);
    add("/redis-auth/bad-config", test_bad_config);
    add("/redis-auth/no-redis", test_no_redis);
    add("/redis-auth/endless-reply", test_endless_reply);
    add("/redis-auth/silent", test_silent);
    return g_test_run();
}
