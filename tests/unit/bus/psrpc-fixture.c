#include "unit/bus/psrpc-fixture.h"

#include "base/time.h"
#include "livekit_egress.pb-c.h"

#include <string.h>

void psrpc_set_up(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    f->loop = eg_loop_new();
    f->redis = eg_redis_new(f->loop, NULL, NULL, NULL, NULL, NULL);
    f->client_redis = eg_redis_new(f->loop, NULL, NULL, NULL, NULL, NULL);
    f->server = eg_psrpc_server_new(f->loop, f->redis, NULL);
    f->other = eg_psrpc_server_new(f->loop, f->redis, NULL);
}

void psrpc_tear_down(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    eg_psrpc_server_free(f->server);
    eg_psrpc_server_free(f->other);
    eg_psrpc_client_free(f->client);
    eg_redis_free(f->redis);
    eg_redis_free(f->client_redis);
    eg_loop_free(f->loop);
    mock_redis_reset();
}

void psrpc_make_client(PsrpcFixture *f, const char *service)
{
    f->client = eg_psrpc_client_new(f->loop, f->client_redis, service, NULL);
}

void psrpc_drain(PsrpcFixture *f)
{
    while (eg_loop_iterate(f->loop, false)) {
    }
}

/* Of any request that has such a field. */
static char **egress_id_field(const ProtobufCMessage *message)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, "egress_id");
    return field != NULL ? (char **)(gpointer)((char *)message + field->offset) : NULL;
}

static float on_affinity(gpointer user, const ProtobufCMessage *request)
{
    (void)request;
    PsrpcPeer *peer = user;
    peer->n_asked++;
    if (peer->removes_itself_when_asked)
        g_clear_pointer(&peer->handler, eg_psrpc_handler_remove);
    return peer->affinity;
}

static void answer(EgPsrpcCall *call, const char *egress_id)
{
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = (char *)egress_id;
    eg_psrpc_call_reply(call, &info.base);
}

void psrpc_reply(PsrpcPeer *peer, const char *egress_id)
{
    answer(g_steal_pointer(&peer->call), egress_id);
}

static void on_handle(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    PsrpcPeer *peer = user;
    peer->n_handled++;
    char **egress_id = egress_id_field(request);
    g_strlcpy(peer->egress_id, egress_id != NULL ? *egress_id : "", sizeof peer->egress_id);
    if (peer->removes_itself_when_called)
        g_clear_pointer(&peer->handler, eg_psrpc_handler_remove);
    if (peer->keeps_call)
        peer->call = call;
    else if (peer->error != NULL)
        eg_psrpc_call_fail(call, peer->error);
    else
        answer(call, peer->egress_id);
}

static void on_registered(gpointer user)
{
    PsrpcPeer *peer = user;
    peer->n_registered++;
}

void psrpc_add(EgPsrpcServer *server, const EgPsrpcMethod *method, const char *topic,
               PsrpcPeer *peer)
{
    static const EgPsrpcHandlerEvents events = {
        .affinity = on_affinity,
        .handle = on_handle,
        .registered = on_registered,
    };
    peer->handler = eg_psrpc_server_add(server, method, topic, &events, peer);
}

static void on_done(gpointer user, const ProtobufCMessage *response, const GError *error)
{
    PsrpcResult *result = user;
    g_assert_false(result->is_done);
    result->is_done = true;
    if (error != NULL)
        result->error = g_error_copy(error);
    if (response != NULL)
        g_strlcpy(result->egress_id, *egress_id_field(response), sizeof result->egress_id);
}

void psrpc_call_with(PsrpcFixture *f, const EgPsrpcMethod *method, const char *topic,
                     const ProtobufCMessage *request, gint64 timeout_ns, gint64 selection_ns,
                     PsrpcResult *result)
{
    const EgPsrpcOptions options = {
        .topic = topic,
        .timeout_ns = timeout_ns,
        .selection_ns = selection_ns,
    };
    eg_psrpc_client_call(f->client, method, &options, request, on_done, result);
    g_assert_false(result->is_done);
}

void psrpc_call(PsrpcFixture *f, const EgPsrpcMethod *method, const char *topic,
                const char *egress_id, gint64 timeout_ns, gint64 selection_ns, PsrpcResult *result)
{
    const ProtobufCBinaryData nothing = {0};
    g_autoptr(ProtobufCMessage) request = eg_psrpc_unpack(method->request, &nothing);
    if (egress_id_field(request) != NULL)
        eg_proto_set_string(egress_id_field(request), egress_id);
    psrpc_call_with(f, method, topic, request, timeout_ns, selection_ns, result);
}

GBytes *psrpc_request(const char *request_id, gint64 ttl_ns, const char *raw)
{
    Internal__Request request = INTERNAL__REQUEST__INIT;
    request.request_id = (char *)request_id;
    request.client_id = (char *)"CLI_test";
    request.sent_at = eg_wall_now_ns();
    request.expiry = request.sent_at + ttl_ns;
    request.raw_request = (ProtobufCBinaryData){.data = (guint8 *)raw, .len = strlen(raw)};
    return eg_psrpc_encode(&request.base);
}

void psrpc_publish(const char *channel, const ProtobufCMessage *message)
{
    g_autoptr(GBytes) payload = eg_psrpc_encode(message);
    mock_redis_publish(channel, payload);
}

void psrpc_award(const char *channel, const char *request_id, const char *server_id)
{
    Internal__ClaimResponse award = INTERNAL__CLAIM_RESPONSE__INIT;
    award.request_id = (char *)request_id;
    award.server_id = (char *)server_id;
    psrpc_publish(channel, &award.base);
}

void psrpc_claim(const char *channel, const char *request_id, const char *server_id, float affinity)
{
    Internal__ClaimRequest claim = INTERNAL__CLAIM_REQUEST__INIT;
    claim.request_id = (char *)request_id;
    claim.server_id = (char *)server_id;
    claim.affinity = affinity;
    psrpc_publish(channel, &claim.base);
}

ProtobufCMessage *psrpc_last(const char *pattern, const ProtobufCMessageDescriptor *descriptor)
{
    const MockMessage *message = mock_redis_find(pattern);
    g_assert_nonnull(message);
    ProtobufCMessage *decoded = eg_psrpc_decode(descriptor, message->payload);
    g_assert_nonnull(decoded);
    return decoded;
}

guint64 psrpc_n_errors(const EgPsrpcStats *stats)
{
    guint64 n = 0;
    for (guint code = 0; code < EG_N_ERRORS; code++)
        n += stats->errors[code];
    return n;
}
