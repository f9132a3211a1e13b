#include "report/io-info.h"

#include "base/error.h"
#include "base/time.h"
#include "bus/psrpc-message.h"
#include "mock/mock-redis.h"

#include <string.h>

/* The test plays livekit-server, with the psrpc server that the program has. */
typedef struct {
    EgLoop *loop;
    EgRedis *redis;
    EgConfig config;
    EgIoInfo *io_info;
    EgPsrpcServer *server;
    EgPsrpcHandler *handlers[2];
    GString *received;
    GError *error; /* answered with, if set */
    guint n_done;
    GError *told; /* of the last one */
} Fixture;

static const EgPsrpcMethod methods[] = {
    {.service = "IOInfo",
     .name = "CreateEgress",
     .request = &livekit__egress_info__descriptor,
     .has_claim = true},
    {.service = "IOInfo",
     .name = "UpdateEgress",
     .request = &livekit__egress_info__descriptor,
     .has_claim = true},
};

static void on_handle(Fixture *f, EgPsrpcCall *call, const ProtobufCMessage *request,
                      const char *name)
{
    const Livekit__EgressInfo *info = (const Livekit__EgressInfo *)request;
    g_string_append_printf(f->received, "%s:%s ", name, info->egress_id);
    if (f->error != NULL)
        eg_psrpc_call_fail(call, f->error);
    else
        eg_psrpc_call_reply(call, NULL);
}

static void on_create(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    on_handle(user, call, request, "create");
}

static void on_update(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    on_handle(user, call, request, "update");
}

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    f->loop = eg_loop_new();
    f->redis = eg_redis_new(f->loop, NULL, NULL, NULL, NULL, NULL);
    f->config.io_create_timeout_ns = 15 * EG_NS_PER_S;
    f->config.io_update_timeout_ns = 30 * EG_NS_PER_S;
    f->io_info = eg_io_info_new(f->loop, f->redis, &f->config, NULL);
    f->server = eg_psrpc_server_new(f->loop, f->redis, NULL);
    f->received = g_string_new(NULL);
}

static void serve(Fixture *f)
{
    static const EgPsrpcHandlerEvents events[] = {{.handle = on_create}, {.handle = on_update}};
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
        f->handlers[i] = eg_psrpc_server_add(f->server, &methods[i], NULL, &events[i], f);
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_io_info_free(f->io_info);
    eg_psrpc_handler_remove(f->handlers[0]);
    eg_psrpc_handler_remove(f->handlers[1]);
    eg_psrpc_server_free(f->server);
    eg_redis_free(f->redis);
    eg_loop_free(f->loop);
    g_string_free(f->received, TRUE);
    g_clear_error(&f->error);
    g_clear_error(&f->told);
    mock_redis_reset();
}

static void on_done(gpointer user, const GError *error)
{
    Fixture *f = user;
    f->n_done++;
    g_clear_error(&f->told);
    if (error != NULL)
        f->told = g_error_copy(error);
}

static void publish(Fixture *f, const char *egress_id, bool is_new)
{
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = (char *)egress_id;
    const EgPublisher publisher = eg_io_info_publisher(f->io_info);
    const guint n_done = f->n_done;
    publisher.class->publish(publisher.publisher, &info, is_new, on_done, f);
    g_assert_cmpuint(f->n_done, ==, n_done);
}

static void drain(Fixture *f)
{
    while (eg_loop_iterate(f->loop, false)) {
    }
}

/* How long the last request is good for. */
static gint64 ttl_ns(const char *channel)
{
    const MockMessage *message = mock_redis_find(channel);
    g_assert_nonnull(message);
    g_autoptr(ProtobufCMessage) decoded =
        eg_psrpc_decode(&internal__request__descriptor, message->payload);
    const Internal__Request *request = (const Internal__Request *)decoded;
    return request->expiry - request->sent_at;
}

static void test_taken(Fixture *f, gconstpointer user)
{
    (void)user;
    serve(f);
    drain(f);
    publish(f, "EG_a", true);
    drain(f);
    g_assert_cmpuint(f->n_done, ==, 1);
    g_assert_no_error(f->told);
    publish(f, "EG_a", false);
    drain(f);
    g_assert_cmpuint(f->n_done, ==, 2);
    g_assert_no_error(f->told);
    g_assert_cmpstr(f->received->str, ==, "create:EG_a update:EG_a ");

    const gint64 create_ns = ttl_ns("IOInfo|CreateEgress|REQ");
    const gint64 update_ns = ttl_ns("IOInfo|UpdateEgress|REQ");
    g_assert_true(create_ns > 14 * EG_NS_PER_S && create_ns <= 15 * EG_NS_PER_S);
    g_assert_true(update_ns > 29 * EG_NS_PER_S && update_ns <= 30 * EG_NS_PER_S);

    guint n;
    const EgPsrpcStats *stats = eg_psrpc_client_get_stats(eg_io_info_client(f->io_info), &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpstr(stats[0].method->name, ==, "CreateEgress");
    g_assert_cmpstr(stats[1].method->name, ==, "UpdateEgress");
}

/* Nobody there is a reason to try again; what a server says is not, unless it says so. */
static void test_refused(Fixture *f, gconstpointer user)
{
    (void)user;
    serve(f);
    drain(f);
    for (EgErrorCode code = EG_ERROR_NONE + 1; code < EG_N_ERRORS; code++) {
        g_clear_error(&f->error);
        eg_error_set(&f->error, code, EG_BLAME_SERVICE, "so it is");
        publish(f, "EG_a", false);
        drain(f);
        g_assert_error(f->told, EG_ERROR, (int)code);
        g_assert_cmpint(eg_error_is_retryable(f->told), ==,
                        code == EG_ERROR_UNAVAILABLE || code == EG_ERROR_DEADLINE_EXCEEDED);
    }
}

static void test_nobody(Fixture *f, gconstpointer user)
{
    (void)user;
    f->config.io_selection_timeout_ns = 10 * EG_NS_PER_MS;
    publish(f, "EG_a", false);
    while (f->n_done < 1)
        eg_loop_iterate(f->loop, true);
    g_assert_error(f->told, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_true(eg_error_is_retryable(f->told));

    /* The whole time, without one for bids. */
    f->config.io_selection_timeout_ns = 0;
    f->config.io_create_timeout_ns = 10 * EG_NS_PER_MS;
    publish(f, "EG_a", true);
    while (f->n_done < 2)
        eg_loop_iterate(f->loop, true);
    g_assert_error(f->told, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_true(eg_error_is_retryable(f->told));
}

/* Everybody who has asked is told. */
static void test_free(Fixture *f, gconstpointer user)
{
    (void)user;
    publish(f, "EG_a", true);
    publish(f, "EG_b", false);
    drain(f);
    g_assert_cmpuint(f->n_done, ==, 0);
    g_clear_pointer(&f->io_info, eg_io_info_free);
    g_assert_cmpuint(f->n_done, ==, 2);
    g_assert_error(f->told, EG_ERROR, EG_ERROR_CANCELED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func) g_test_add("/report/io-info/" path, Fixture, NULL, set_up, func, tear_down)
    ADD("taken", test_taken);
    ADD("refused", test_refused);
    ADD("nobody", test_nobody);
    ADD("free", test_free);
#undef ADD
    return g_test_run();
}
