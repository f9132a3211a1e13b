#include "bus/psrpc.h"

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "bus/psrpc-message.h"

#include <string.h>

/* A request that nobody bids for may have been lost, or servers be on their way back to Redis. It
 * is published again as it was, so that a server that got it before is kept from it by its lock. */
#define REPEAT_NS EG_NS_PER_S

struct _EgPsrpcClient {
    EgLoop *loop;
    EgRedis *redis;
    const EgLog *log;
    char *service;
    char *id;
    EgRedisSubscription *responses;
    EgRedisSubscription *claims;
    bool has_responses; /* subscribed, as the following; until a loss of the connection is seen */
    bool has_claims;
    GHashTable *calls; /* request id -> Call */
    GQueue held;       /* of Call, not owned, that are not sent, in their order */
    GArray *stats;     /* of EgPsrpcStats */
};

typedef enum {
    CALL_NONE,
    CALL_HELD,    /* its answer could not reach us yet */
    CALL_ASKED,   /* waits for a bid */
    CALL_AWARDED, /* waits for the answer, as do those that need no bid */
} CallState;

typedef struct {
    EgPsrpcClient *client;
    const EgPsrpcMethod *method;
    char *topic;
    char *request_id;
    GBytes *request;
    CallState state;
    GBytes *payload; /* as published; NULL: not sent */
    guint n_bids;
    gint64 began_ns;
    gint64 deadline_ns;
    gint64 selection_deadline_ns;
    EgTimer *timer;
    EgPsrpcDone done;
    gpointer user;
} Call;

static void call_free(gpointer data)
{
    Call *call = data;
    eg_timer_free(call->timer);
    g_bytes_unref(call->request);
    g_clear_pointer(&call->payload, g_bytes_unref);
    g_free(call->request_id);
    g_free(call->topic);
    g_free(call);
}

static bool publish(const Call *call, const char *kind, GBytes *payload)
{
    g_autofree char *channel =
        eg_psrpc_channel(call->method->service, call->method->name, call->topic, kind);
    return eg_redis_publish(call->client->redis, channel, payload);
}

/* Last: the client may be gone after it. */
static void finish(Call *call, const ProtobufCMessage *response, const GError *error)
{
    EgPsrpcClient *client = call->client;
    EgPsrpcStats *stats = eg_psrpc_stats_of(client->stats, call->method);
    if (error != NULL)
        stats->errors[eg_error_code(error)]++;
    else
        eg_histogram_add(&stats->request_ms, eg_psrpc_ms_since(call->began_ns));
    g_queue_remove(&client->held, call);
    g_hash_table_steal(client->calls, call->request_id);
    call->done(call->user, response, error);
    call_free(call);
}

/* The time for bids, or for all, is over. */
static void give_up(Call *call)
{
    g_autoptr(GError) error = NULL;
    if (call->state == CALL_AWARDED)
        eg_error_set_retryable(&error, EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_SERVICE,
                               "request timed out");
    else if (call->state == CALL_HELD)
        eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "no connection to Redis");
    else if (call->n_bids == 0)
        eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "no response from servers");
    else
        eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "no servers available (received %u responses)", call->n_bids);
    finish(call, NULL, error);
}

static void await_bids(Call *call, gint64 now_ns)
{
    call->state = CALL_ASKED;
    const bool repeats = call->method->has_lock && call->n_bids == 0;
    eg_timer_set(call->timer, repeats ? MIN(now_ns + REPEAT_NS, call->selection_deadline_ns)
                                      : call->selection_deadline_ns);
}

static void await_answer(Call *call)
{
    call->state = CALL_AWARDED;
    eg_timer_set(call->timer, call->deadline_ns);
}

static void on_timer(gpointer user)
{
    Call *call = user;
    const gint64 now_ns = eg_now_ns();
    if (call->state != CALL_ASKED || now_ns >= call->selection_deadline_ns) {
        give_up(call);
        return;
    }
    publish(call, "REQ", call->payload);
    await_bids(call, now_ns);
}

/* False: there is no connection. */
static bool send_request(Call *call)
{
    const gint64 now_ns = eg_now_ns();
    Internal__Request request = INTERNAL__REQUEST__INIT;
    request.request_id = call->request_id;
    request.client_id = call->client->id;
    request.sent_at = eg_wall_now_ns();
    request.expiry = request.sent_at + (call->deadline_ns - now_ns);
    request.raw_request.data = (guint8 *)g_bytes_get_data(call->request, &request.raw_request.len);
    g_clear_pointer(&call->payload, g_bytes_unref);
    call->payload = eg_psrpc_encode(&request.base);
    if (!publish(call, "REQ", call->payload))
        return false;
    if (call->method->has_claim)
        await_bids(call, now_ns);
    else
        await_answer(call);
    return true;
}

/* Sends what waits, if its answers can reach us. */
static void send_held(EgPsrpcClient *client)
{
    while (client->has_responses && client->has_claims && !g_queue_is_empty(&client->held)) {
        if (send_request(g_queue_peek_head(&client->held))) {
            g_queue_pop_head(&client->held);
            continue;
        }
        /* After the connection both subscriptions come back. */
        client->has_responses = false;
        client->has_claims = false;
    }
}

static void on_responses_subscribed(gpointer user)
{
    EgPsrpcClient *client = user;
    client->has_responses = true;
    send_held(client);
}

static void on_claims_subscribed(gpointer user)
{
    EgPsrpcClient *client = user;
    client->has_claims = true;
    send_held(client);
}

static void ignore(EgPsrpcClient *client, GBytes *payload)
{
    eg_debug(client->log, "malformed psrpc message ignored", EG_STR("service", client->service),
             EG_INT("bytes", g_bytes_get_size(payload)));
}

static void on_bid(gpointer user, GBytes *payload)
{
    EgPsrpcClient *client = user;
    g_autoptr(ProtobufCMessage) message =
        eg_psrpc_decode(&internal__claim_request__descriptor, payload);
    const Internal__ClaimRequest *bid = (const Internal__ClaimRequest *)message;
    if (bid == NULL || !eg_psrpc_id_is_valid(bid->server_id)) {
        ignore(client, payload);
        return;
    }
    Call *call = g_hash_table_lookup(client->calls, bid->request_id);
    if (call == NULL || call->state != CALL_ASKED)
        return;
    call->n_bids++;
    if (!(bid->affinity > 0))
        return;
    Internal__ClaimResponse award = INTERNAL__CLAIM_RESPONSE__INIT;
    award.request_id = call->request_id;
    award.server_id = bid->server_id;
    /* If it gets lost, so does the answer: the deadline tells. */
    g_autoptr(GBytes) encoded = eg_psrpc_encode(&award.base);
    publish(call, "RCLAIM", encoded);
    await_answer(call);
}

static void set_answered_error(GError **error, const Internal__Response *response)
{
    const EgErrorCode code = eg_error_code_from_name(response->code);
    if (code == EG_ERROR_UNAVAILABLE || code == EG_ERROR_DEADLINE_EXCEEDED)
        eg_error_set_retryable(error, code, EG_BLAME_SERVICE, "%s", response->error);
    else
        eg_error_set(error, code, EG_BLAME_SERVICE, "%s", response->error);
}

static void on_response(gpointer user, GBytes *payload)
{
    EgPsrpcClient *client = user;
    g_autoptr(ProtobufCMessage) message = eg_psrpc_decode(&internal__response__descriptor, payload);
    const Internal__Response *response = (const Internal__Response *)message;
    if (response == NULL) {
        ignore(client, payload);
        return;
    }
    /* Without a bid comes what a server thinks of a request that it cannot parse. */
    Call *call = g_hash_table_lookup(client->calls, response->request_id);
    if (call == NULL || call->state == CALL_HELD)
        return;
    g_autoptr(GError) error = NULL;
    if (*response->error != '\0') {
        set_answered_error(&error, response);
        finish(call, NULL, error);
        return;
    }
    eg_psrpc_stats_of(client->stats, call->method)->received_bytes += response->raw_response.len;
    g_autoptr(ProtobufCMessage) result =
        eg_psrpc_unpack(call->method->response, &response->raw_response);
    if (call->method->response != NULL && result == NULL)
        eg_error_set(&error, EG_ERROR_MALFORMED_RESULT, EG_BLAME_SERVICE,
                     "the response of %s cannot be parsed", call->method->name);
    finish(call, result, error);
}

void eg_psrpc_client_call(EgPsrpcClient *client, const EgPsrpcMethod *method,
                          const EgPsrpcOptions *options, const ProtobufCMessage *request,
                          EgPsrpcDone done, gpointer user)
{
    eg_loop_assert_owner(client->loop);
    const gint64 now_ns = eg_now_ns();
    Call *call = g_new0(Call, 1);
    call->client = client;
    call->method = method;
    call->topic = g_strdup(options->topic);
    call->request_id = eg_id_new("REQ_");
    call->request = eg_proto_pack(request);
    call->state = CALL_HELD;
    call->began_ns = now_ns;
    call->deadline_ns = now_ns + options->timeout_ns;
    call->done = done;
    call->user = user;
    call->selection_deadline_ns = call->deadline_ns;
    if (method->has_claim && options->selection_ns > 0)
        call->selection_deadline_ns = MIN(now_ns + options->selection_ns, call->deadline_ns);
    call->timer = eg_timer_new(client->loop, on_timer, call);
    eg_timer_set(call->timer, call->selection_deadline_ns);
    g_hash_table_insert(client->calls, call->request_id, call);
    eg_psrpc_stats_of(client->stats, method)->sent_bytes += g_bytes_get_size(call->request);
    g_queue_push_tail(&client->held, call);
    send_held(client);
}

EgPsrpcClient *eg_psrpc_client_new(EgLoop *loop, EgRedis *redis, const char *service,
                                   const EgLog *log)
{
    static const EgRedisSubscriber responses = {
        .subscribed = on_responses_subscribed,
        .message = on_response,
    };
    static const EgRedisSubscriber claims = {
        .subscribed = on_claims_subscribed,
        .message = on_bid,
    };

    eg_loop_assert_owner(loop);
    EgPsrpcClient *client = g_new0(EgPsrpcClient, 1);
    client->loop = loop;
    client->redis = redis;
    client->log = log;
    client->service = g_strdup(service);
    client->id = eg_id_new("CLI_");
    client->calls = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, call_free);
    g_queue_init(&client->held);
    client->stats = g_array_new(FALSE, TRUE, sizeof(EgPsrpcStats));
    g_autofree char *response_channel = eg_psrpc_channel(service, client->id, NULL, "RES");
    g_autofree char *claim_channel = eg_psrpc_channel(service, client->id, NULL, "CLAIM");
    client->responses = eg_redis_subscribe(redis, response_channel, &responses, client);
    client->claims = eg_redis_subscribe(redis, claim_channel, &claims, client);
    return client;
}

void eg_psrpc_client_free(EgPsrpcClient *client)
{
    if (client == NULL)
        return;
    eg_loop_assert_owner(client->loop);
    eg_redis_unsubscribe(client->responses);
    eg_redis_unsubscribe(client->claims);
    g_queue_clear(&client->held);
    g_hash_table_unref(client->calls);
    g_array_unref(client->stats);
    g_free(client->service);
    g_free(client->id);
    g_free(client);
}

const EgPsrpcStats *eg_psrpc_client_get_stats(EgPsrpcClient *client, guint *n_methods)
{
    *n_methods = client->stats->len;
    return (const EgPsrpcStats *)(gconstpointer)client->stats->data;
}
