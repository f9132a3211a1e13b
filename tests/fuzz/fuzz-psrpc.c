/* Both sides of psrpc, told anything by others on their channels. The input is a list of records: a
 * byte that says what happens, a byte with a number for it, two bytes with the length of what
 * follows, and that. Redis is a mock. */
#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "bus/psrpc-message.h"
#include "mock/mock-redis.h"
#include "rpc_egress.pb-c.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OP_REQUEST,   /* the message, to a server; the number chooses the method */
    OP_AWARD,     /* the message, likewise */
    OP_CLAIM,     /* the message, to the client */
    OP_RESPONSE,  /* the message, to the client */
    OP_ASK,       /* a request in order, with the message as what is asked */
    OP_GRANT,     /* an award in order, of the newest bid */
    OP_ANSWER,    /* a response in order to the newest call; 0: with a result, else with a text */
    OP_CALL,      /* the client calls */
    OP_REPLY,     /* the server answers what it was awarded; 0: with a result, else an error */
    OP_CONNECTED, /* 0: not any more */
    N_OPS,
};

#define MAX_RECORDS 64

static const EgPsrpcMethod methods[] = {
    {.service = "EgressInternal",
     .name = "StartEgress",
     .request = &rpc__start_egress_request__descriptor,
     .response = &livekit__egress_info__descriptor,
     .has_claim = true},
    {.service = "EgressHandler",
     .name = "StopEgress",
     .request = &livekit__stop_egress_request__descriptor,
     .response = &livekit__egress_info__descriptor,
     .has_claim = true,
     .has_lock = true},
    {.service = "EgressInternal",
     .name = "ListActiveEgress",
     .request = &rpc__list_active_egress_request__descriptor                                },
};

typedef struct {
    EgLoop *loop;
    EgRedis *redis;
    EgPsrpcServer *server;
    EgPsrpcHandler *handlers[G_N_ELEMENTS(methods)];
    EgPsrpcClient *client;
    GQueue calls;  /* of EgPsrpcCall */
    guint n_asked; /* requests that were bid for, or need no bid */
    guint n_handled;
    guint n_called;
    guint n_done;
} Bus;

static float on_affinity(gpointer user, const ProtobufCMessage *request)
{
    Bus *bus = user;
    bus->n_asked++;
    g_assert_nonnull(request);
    return 1;
}

static void on_handle(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    Bus *bus = user;
    bus->n_handled++;
    g_queue_push_tail(&bus->calls, call);
    if (request->descriptor == &rpc__start_egress_request__descriptor) {
        const Rpc__StartEgressRequest *start = (const Rpc__StartEgressRequest *)request;
        g_assert_true(g_utf8_validate(start->egress_id, -1, NULL));
        g_assert_cmpuint(bus->n_handled, <=, bus->n_asked);
    }
}

static void on_list(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    Bus *bus = user;
    bus->n_asked++;
    on_handle(user, call, request);
}

static void on_done(gpointer user, const ProtobufCMessage *response, const GError *error)
{
    Bus *bus = user;
    bus->n_done++;
    g_assert_cmpuint(bus->n_done, <=, bus->n_called);
    g_assert_true((response == NULL) != (error == NULL));
    if (error != NULL)
        g_assert_true(*error->message != '\0' && g_utf8_validate(error->message, -1, NULL));
}

static char *channel_of(guint8 number, const char *kind)
{
    const EgPsrpcMethod *method = &methods[number % G_N_ELEMENTS(methods)];
    return eg_psrpc_channel(method->service, method->name, method->has_lock ? "EG_x" : NULL, kind);
}

/* The newest that the client has sent. */
static ProtobufCMessage *last_request(void)
{
    const MockMessage *message = mock_redis_find("Called|*|REQ");
    if (message == NULL)
        return NULL;
    ProtobufCMessage *request = eg_psrpc_decode(&internal__request__descriptor, message->payload);
    g_assert_nonnull(request);
    return request;
}

static void publish(const char *channel, const ProtobufCMessage *message)
{
    g_autoptr(GBytes) payload = eg_psrpc_encode(message);
    mock_redis_publish(channel, payload);
}

static void publish_to_client(const char *kind, GBytes *payload)
{
    g_autoptr(ProtobufCMessage) request = last_request();
    if (request == NULL)
        return;
    const char *client_id = ((const Internal__Request *)request)->client_id;
    g_autofree char *channel = eg_psrpc_channel("Called", client_id, NULL, kind);
    mock_redis_publish(channel, payload);
}

static void apply_ask(guint8 number, GBytes *bytes)
{
    g_autofree char *request_id = g_strdup_printf("REQ_%u", number);
    g_autofree char *channel = channel_of(number, "REQ");
    Internal__Request request = INTERNAL__REQUEST__INIT;
    request.request_id = request_id;
    request.client_id = (char *)"CLI_x";
    request.expiry = eg_wall_now_ns() + 60 * EG_NS_PER_S;
    request.raw_request.data = (guint8 *)g_bytes_get_data(bytes, &request.raw_request.len);
    publish(channel, &request.base);
}

static void apply_grant(guint8 number)
{
    const MockMessage *message = mock_redis_find("*|CLI_x|CLAIM");
    if (message == NULL)
        return;
    g_autoptr(ProtobufCMessage) claim =
        eg_psrpc_decode(&internal__claim_request__descriptor, message->payload);
    g_assert_nonnull(claim);
    g_autofree char *channel = channel_of(number, "RCLAIM");
    Internal__ClaimResponse award = INTERNAL__CLAIM_RESPONSE__INIT;
    award.request_id = ((const Internal__ClaimRequest *)claim)->request_id;
    award.server_id = ((const Internal__ClaimRequest *)claim)->server_id;
    publish(channel, &award.base);
}

static void apply_answer(guint8 number, GBytes *bytes)
{
    g_autoptr(ProtobufCMessage) request = last_request();
    if (request == NULL)
        return;
    gsize size_bytes;
    const char *data = g_bytes_get_data(bytes, &size_bytes);
    g_autofree char *text = g_strndup(data != NULL ? data : "", size_bytes);
    Internal__Response response = INTERNAL__RESPONSE__INIT;
    response.request_id = ((const Internal__Request *)request)->request_id;
    if (number == 0)
        response.raw_response = (ProtobufCBinaryData){.data = (guint8 *)data, .len = size_bytes};
    else
        response.error = text;
    g_autoptr(GBytes) payload = eg_psrpc_encode(&response.base);
    publish_to_client("RES", payload);
}

static void apply_call(Bus *bus)
{
    static const EgPsrpcMethod method = {.service = "Called",
                                         .name = "Method",
                                         .request = &livekit__egress_info__descriptor,
                                         .response = &livekit__egress_info__descriptor,
                                         .has_claim = true};
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    bus->n_called++;
    const EgPsrpcOptions options = {.timeout_ns = 60 * EG_NS_PER_S};
    eg_psrpc_client_call(bus->client, &method, &options, &info.base, on_done, bus);
}

static void apply_reply(Bus *bus, guint8 number, GBytes *bytes)
{
    EgPsrpcCall *call = g_queue_pop_head(&bus->calls);
    if (call == NULL)
        return;
    if (number == 0) {
        eg_psrpc_call_reply(call, NULL);
        return;
    }
    gsize size_bytes;
    const char *data = g_bytes_get_data(bytes, &size_bytes);
    g_autofree char *text = g_strndup(data != NULL ? data : "", size_bytes);
    g_autoptr(GError) error = g_error_new_literal(EG_ERROR, 1 + number % (EG_N_ERRORS - 1), text);
    eg_psrpc_call_fail(call, error);
}

static void apply(Bus *bus, guint8 op, guint8 number, GBytes *bytes)
{
    g_autofree char *request_channel = channel_of(number, "REQ");
    g_autofree char *award_channel = channel_of(number, "RCLAIM");
    switch (op % N_OPS) {
    case OP_REQUEST:
        mock_redis_publish(request_channel, bytes);
        break;
    case OP_AWARD:
        mock_redis_publish(award_channel, bytes);
        break;
    case OP_CLAIM:
        publish_to_client("CLAIM", bytes);
        break;
    case OP_RESPONSE:
        publish_to_client("RES", bytes);
        break;
    case OP_ASK:
        apply_ask(number, bytes);
        break;
    case OP_GRANT:
        apply_grant(number);
        break;
    case OP_ANSWER:
        apply_answer(number, bytes);
        break;
    case OP_CALL:
        apply_call(bus);
        break;
    case OP_REPLY:
        apply_reply(bus, number, bytes);
        break;
    default:
        mock_redis_set_connected(bus->redis, number != 0);
        break;
    }
}

static void drain(Bus *bus)
{
    while (eg_loop_iterate(bus->loop, false)) {
    }
}

static void replay(Bus *bus, const guint8 *data, gsize size_bytes)
{
    for (guint n = 0; n < MAX_RECORDS && size_bytes >= 4; n++) {
        const gsize length = MIN((gsize)(data[2] << 8 | data[3]), size_bytes - 4);
        g_autoptr(GBytes) bytes = g_bytes_new(data + 4, length);
        apply(bus, data[0], data[1], bytes);
        drain(bus);
        data += 4 + length;
        size_bytes -= 4 + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const EgPsrpcHandlerEvents events = {.affinity = on_affinity, .handle = on_handle};
    static const EgPsrpcHandlerEvents list_events = {.handle = on_list};

    eg_log_setup(EG_LOG_NONE, false);
    Bus bus = {.loop = eg_loop_new()};
    bus.redis = eg_redis_new(bus.loop, NULL, NULL, NULL, NULL, NULL);
    bus.server = eg_psrpc_server_new(bus.loop, bus.redis, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
        bus.handlers[i] =
            eg_psrpc_server_add(bus.server, &methods[i], methods[i].has_lock ? "EG_x" : NULL,
                                methods[i].has_claim ? &events : &list_events, &bus);
    bus.client = eg_psrpc_client_new(bus.loop, bus.redis, "Called", NULL);
    drain(&bus);
    replay(&bus, data, size);
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++)
        eg_psrpc_handler_remove(bus.handlers[i]);
    while (!g_queue_is_empty(&bus.calls))
        eg_psrpc_call_reply(g_queue_pop_head(&bus.calls), NULL);
    eg_psrpc_client_free(bus.client);
    eg_psrpc_server_free(bus.server);
    eg_redis_free(bus.redis);
    eg_loop_free(bus.loop);
    mock_redis_reset();
    return 0;
}
