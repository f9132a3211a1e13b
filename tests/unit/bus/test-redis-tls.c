#include "base/time.h"
#include "mock/certificates.h"
#include "unit/bus/redis-fixture.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

/* A folder with two authorities, and what the first has signed. */
typedef struct {
    Fixture base;
    char *folder;
    char *paths[24];
    guint n_paths;
} TlsFixture;

typedef void (*Test)(TlsFixture *fixture, gconstpointer data);

static char *path_of(TlsFixture *fixture, const char *name)
{
    g_assert_cmpuint(fixture->n_paths, <, G_N_ELEMENTS(fixture->paths));
    char *path = certificates_path(fixture->folder, name);
    fixture->paths[fixture->n_paths++] = path;
    return path;
}

/* Instead of what the system trusts, which takes seconds to read with a sanitizer. */
static void trust(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GTlsDatabase) database = g_tls_file_database_new(path, &error);
    g_assert_no_error(error);
    g_tls_backend_set_default_database(g_tls_backend_get_default(), database);
}

static void set_up(TlsFixture *fixture, gconstpointer data)
{
    fixture_set_up(&fixture->base, data);
    fixture->folder = g_dir_make_tmp("tls-XXXXXX", NULL);
    g_assert_nonnull(fixture->folder);
    certificates_make_authority(fixture->folder, "ca");
    certificates_make_authority(fixture->folder, "other");
    certificates_make(fixture->folder, "server", "ca", "IP:127.0.0.1");
    certificates_make(fixture->folder, "named", "ca", "DNS:redis.test");
    certificates_make(fixture->folder, "client", "ca", "DNS:egress.test");
    fixture->base.config.tls.is_enabled = true;
    trust(path_of(fixture, "other"));
    fixture->base.config.tls.ca_cert_file = path_of(fixture, "ca");
}

static void tear_down(TlsFixture *fixture, gconstpointer data)
{
    fixture_tear_down(&fixture->base, data);
    static const char *const names[] = {"ca", "other", "server", "named", "client"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *key = g_strconcat(names[i], "-key", NULL);
        g_unlink(path_of(fixture, names[i]));
        g_unlink(path_of(fixture, key));
    }
    g_rmdir(fixture->folder);
    for (guint i = 0; i < fixture->n_paths; i++)
        g_free(fixture->paths[i]);
    g_free(fixture->folder);
}

static void add(const char *path, Test test)
{
    g_test_add(path, TlsFixture, NULL, set_up, test, tear_down);
}

static RedisServer *new_server(TlsFixture *fixture, const char *name, const char *auth_clients)
{
    g_autofree char *key = g_strconcat(name, "-key", NULL);
    return redis_server_new((const char *const[]){
        "--tls-cert-file", path_of(fixture, name), "--tls-key-file", path_of(fixture, key),
        "--tls-ca-cert-file", path_of(fixture, "ca"), "--tls-auth-clients", auth_clients, NULL});
}

static void expect_working(TlsFixture *fixture, RedisServer *server)
{
    fixture_connect(&fixture->base, redis_server_address(server));
    Listener listener = {0};
    listener_start(&listener, &fixture->base, "c");
    listener_expect(&listener, server, "c", "text");
    listener_stop(&listener);
}

static void expect_refused(TlsFixture *fixture, RedisServer *server, const char *text)
{
    fixture->base.config.address = (char *)redis_server_address(server);
    fixture_expect_unreachable(&fixture->base, EG_ERROR_UNAVAILABLE, text);
}

static guint n_received;
static GBytes *received;

static void on_bytes(gpointer user, GBytes *payload)
{
    (void)user;
    received = g_bytes_ref(payload);
    n_received++;
}

/* With a message that goes out in many records. */
static void test_ca(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "no");
    expect_working(fixture, server);
    n_received = 0;
    const EgRedisSubscriber subscriber = {.message = on_bytes};
    EgRedis *redis = fixture->base.redis;
    EgRedisSubscription *subscription = eg_redis_subscribe(redis, "big", &subscriber, NULL);
    Listener listener = {0};
    listener_start(&listener, &fixture->base, "after");
    g_autoptr(GBytes) payload = g_bytes_new_take(g_strnfill(6 * 1024 * 1024, 'x'), 6 * 1024 * 1024);
    g_assert_true(eg_redis_publish(redis, "big", payload));
    g_autoptr(GBytes) small = g_bytes_new_static("x", 1);
    for (guint i = 0; i < 100; i++)
        g_assert_true(eg_redis_publish(redis, "after", small));
    fixture_wait(&fixture->base, &listener.n_messages, 100);
    g_assert_cmpuint(n_received, ==, 1);
    g_assert_true(g_bytes_equal(received, payload));
    g_clear_pointer(&received, g_bytes_unref);
    eg_redis_unsubscribe(subscription);
    listener_stop(&listener);
}

static void test_restart(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "no");
    fixture_connect(&fixture->base, redis_server_address(server));
    Listener listener = {0};
    listener_start(&listener, &fixture->base, "c");
    redis_server_kill(server);
    fixture_wait(&fixture->base, &fixture->base.n_unreachable, 1);
    redis_server_restart(server);
    fixture_wait(&fixture->base, &listener.n_subscribed, 2);
    listener_expect(&listener, server, "c", "again");
    listener_stop(&listener);
}

static void test_client_certificate(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "yes");
    fixture->base.config.tls.client_cert_file = path_of(fixture, "client");
    fixture->base.config.tls.client_key_file = path_of(fixture, "client-key");
    expect_working(fixture, server);
}

static void test_no_client_certificate(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "yes");
    /* In our words or those of the alert: it depends on how far the server is. */
    expect_refused(fixture, server, "ertificate");
}

static void test_wrong_authority(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "no");
    fixture->base.config.tls.ca_cert_file = path_of(fixture, "other");
    expect_refused(fixture, server, "authority that is not trusted");
}

static void test_system_authorities(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "no");
    fixture->base.config.tls.ca_cert_file = NULL;
    expect_refused(fixture, server, "authority that is not trusted");
}

static void test_insecure(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "named", "no");
    fixture->base.config.tls.ca_cert_file = path_of(fixture, "other");
    fixture->base.config.tls.is_insecure = true;
    expect_working(fixture, server);
}

static void test_wrong_name(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "named", "no");
    expect_refused(fixture, server, "its certificate is for another name");
}

static void test_server_name(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "named", "no");
    fixture->base.config.tls.server_name = (char *)"redis.test";
    expect_working(fixture, server);
}

static void test_plain_server(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = redis_server_new(NULL);
    fixture->base.config.address = (char *)redis_server_address(server);
    fixture->base.config.dial_timeout_ns = 100 * EG_NS_PER_MS;
    fixture_expect_unreachable(&fixture->base, EG_ERROR_DEADLINE_EXCEEDED,
                               "does not answer in TLS");
}

static void test_plain_client(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "no");
    fixture->base.config.tls.is_enabled = false;
    expect_refused(fixture, server, "redis at 127.0.0.1");
}

static void test_frozen(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(RedisServer) server = new_server(fixture, "server", "no");
    redis_server_freeze(server);
    fixture->base.config.address = (char *)redis_server_address(server);
    fixture->base.config.dial_timeout_ns = 50 * EG_NS_PER_MS;
    fixture_expect_unreachable(&fixture->base, EG_ERROR_DEADLINE_EXCEEDED, "does not answer");
}

static void test_bad_files(TlsFixture *fixture, gconstpointer data)
{
    (void)data;
    const struct {
        const char *authority;
        const char *certificate;
        const char *key;
        const char *text;
    } cases[] = {
        {"none",       NULL,     NULL,         "ca_cert_file"                                   },
        {"client-key", NULL,     NULL,         "there is no certificate in it"                  },
        {"ca",         "none",   "client-key", "client_cert_file"                               },
        {"ca",         "client", "none",       "client_key_file"                                },
        {"ca",         NULL,     "client-key", "client_key_file is set without client_cert_file"},
    };
    static const EgRedisEvents events = {0};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgRedisConfig config = {.address = (char *)"127.0.0.1:1", .tls = {.is_enabled = true}};
        g_autofree char *authority = certificates_path(fixture->folder, cases[i].authority);
        g_autofree char *certificate =
            cases[i].certificate != NULL ? certificates_path(fixture->folder, cases[i].certificate)
                                         : NULL;
        g_autofree char *key =
            cases[i].key != NULL ? certificates_path(fixture->folder, cases[i].key) : NULL;
        config.tls.ca_cert_file = authority;
        config.tls.client_cert_file = certificate;
        config.tls.client_key_file = key;
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_redis_new(fixture->base.loop, &config, NULL, &events, NULL, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].text));
    }
}

/* What GnuTLS keeps per thread makes gcc's leak checker itself crash; addresses are still checked.
 */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/redis-tls/ca", test_ca);
    add("/redis-tls/restart", test_restart);
    add("/redis-tls/client-certificate", test_client_certificate);
    add("/redis-tls/no-client-certificate", test_no_client_certificate);
    add("/redis-tls/wrong-authority", test_wrong_authority);
    add("/redis-tls/system-authorities", test_system_authorities);
    add("/redis-tls/insecure", test_insecure);
    add("/redis-tls/wrong-name", test_wrong_name);
    add("/redis-tls/server-name", test_server_name);
    add("/redis-tls/plain-server", test_plain_server);
    add("/redis-tls/plain-client", test_plain_client);
    add("/redis-tls/frozen", test_frozen);
    add("/redis-tls/bad-files", test_bad_files);
    return g_test_run();
}
