#include "base/error.h"
#include "base/time.h"
#include "bus/psrpc.h"
#include "livekit_egress.pb-c.h"
#include "mock/redis-server.h"
#include "unit/bus/psrpc-methods.h"

/* Two services and a client, each with a connection of its own to a real Redis. */
#define TIMEOUT_NS (30 * EG_NS_PER_S)

typedef struct _Fixture Fixture;

typedef struct {
    Fixture *fixture;
    EgRedis *redis;
    EgPsrpcServer *server;
    EgPsrpcHandler *handler;
    bool is_registered;
    guint n_handled;
} Service;

struct _Fixture {
    RedisServer *redis_server;
    EgRedisConfig config;
    EgLoop *loop;
    Service services[2];
    EgRedis *redis;
    EgPsrpcClient *client;
    guint n_connected;
    guint n_disconnected;
    guint n_done;
    guint n_failed;
};

static void on_connected(gpointer user)
{
    Fixture *f = user;
    f->n_connected++;
}

static void on_disconnected(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_assert_nonnull(error);
    f->n_disconnected++;
}

static EgRedis *connect_new(Fixture *f)
{
    static const EgRedisEvents events = {
        .connected = on_connected,
        .disconnected = on_disconnected,
    };
    g_autoptr(GError) error = NULL;
    EgRedis *redis = eg_redis_new(f->loop, &f->config, NULL, &events, f, &error);
    g_assert_no_error(error);
    return redis;
}

static void on_handle(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    Service *service = user;
    service->n_handled++;
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = ((const Livekit__StopEgressRequest *)request)->egress_id;
    eg_psrpc_call_reply(call, &info.base);
}

static void on_registered(gpointer user)
{
    Service *service = user;
    service->is_registered = true;
}

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    static const EgPsrpcHandlerEvents events = {.handle = on_handle, .registered = on_registered};
    f->redis_server = redis_server_new(NULL);
    f->config.address = (char *)redis_server_address(f->redis_server);
    f->loop = eg_loop_new();
    for (gsize i = 0; i < G_N_ELEMENTS(f->services); i++) {
        Service *service = &f->services[i];
        service->redis = connect_new(f);
        service->server = eg_psrpc_server_new(f->loop, service->redis, NULL);
        service->handler =
            eg_psrpc_server_add(service->server, &psrpc_stop, "EG-1", &events, service);
    }
    f->redis = connect_new(f);
    f->client = eg_psrpc_client_new(f->loop, f->redis, "EgressHandler", NULL);
    while (!f->services[0].is_registered || !f->services[1].is_registered)
        eg_loop_iterate(f->loop, true);
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_psrpc_client_free(f->client);
    eg_redis_free(f->redis);
    for (gsize i = 0; i < G_N_ELEMENTS(f->services); i++) {
        eg_psrpc_handler_remove(f->services[i].handler);
        eg_psrpc_server_free(f->services[i].server);
        eg_redis_free(f->services[i].redis);
    }
    eg_loop_free(f->loop);
    redis_server_free(f->redis_server);
}

static void on_done(gpointer user, const ProtobufCMessage *response, const GError *error)
{
    Fixture *f = user;
    f->n_done++;
    if (error != NULL)
        f->n_failed++;
    else
        g_assert_cmpstr(((const Livekit__EgressInfo *)response)->egress_id, ==, "EG-1");
}

static void call(Fixture *f)
{
    Livekit__StopEgressRequest request = LIVEKIT__STOP_EGRESS_REQUEST__INIT;
    request.egress_id = (char *)"EG-1";
    const EgPsrpcOptions options = {.topic = "EG-1", .timeout_ns = TIMEOUT_NS};
    eg_psrpc_client_call(f->client, &psrpc_stop, &options, &request.base, on_done, f);
}

static void wait_until_done(Fixture *f, guint n)
{
    while (f->n_done < n)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpuint(f->n_failed, ==, 0);
}

/* Each request is handled by one of the services. */
static void test_queue(Fixture *f, gconstpointer user)
{
    (void)user;
    call(f);
    wait_until_done(f, 1);
    g_autofree char *n_keys = redis_server_command(f->redis_server, "DBSIZE");
    g_assert_cmpstr(n_keys, ==, "1");
    for (int i = 1; i < 20; i++)
        call(f);
    wait_until_done(f, 20);
    g_assert_cmpuint(f->services[0].n_handled + f->services[1].n_handled, ==, 20);
}

/* What is called without Redis arrives when it is back, whoever finds back first. */
static void test_restart(Fixture *f, gconstpointer user)
{
    (void)user;
    call(f);
    wait_until_done(f, 1);
    redis_server_kill(f->redis_server);
    while (f->n_disconnected < 3)
        eg_loop_iterate(f->loop, true);
    call(f);
    call(f);
    redis_server_restart(f->redis_server);
    wait_until_done(f, 3);
    call(f);
    wait_until_done(f, 4);
    g_assert_cmpuint(f->services[0].n_handled + f->services[1].n_handled, ==, 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    eg_log_setup(EG_LOG_NONE, false);
#define ADD(path, func) g_test_add("/bus/psrpc-redis/" path, Fixture, NULL, set_up, func, tear_down)
    ADD("queue", test_queue);
    ADD("restart", test_restart);
#undef ADD
    return g_test_run();
}
