#include "bus/psrpc.h"

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "bus/psrpc-message.h"

#include <math.h>
#include <string.h>

/* More requests that wait for something, of one handler, are not real ones. */
#define MAX_WAITING 1024

/* As long as psrpc's own servers lock: a request is published once, and reaches all at once. */
#define LOCK_S 5

/* The longest that an award is waited for, whatever the sender's clock says. */
#define MAX_AWARD_WAIT_NS (300 * EG_NS_PER_S)

struct _EgPsrpcServer {
    EgLoop *loop;
    EgRedis *redis;
    const EgLog *log;
    char *id;
    guint n_handlers;
    GHashTable *calls; /* set of EgPsrpcCall, not owned: those that are not ended */
    GArray *stats;     /* of EgPsrpcStats */
};

struct _EgPsrpcHandler {
    EgPsrpcServer *server;
    const EgPsrpcMethod *method;
    EgPsrpcHandlerEvents events;
    gpointer user;
    EgRedisSubscription *requests;
    EgRedisSubscription *awards; /* NULL: the method has no claim */
    bool has_requests;           /* subscribed, as the following */
    bool has_awards;
    bool is_registered;
    GHashTable *bids;  /* request id -> Bid */
    GHashTable *locks; /* set of LockWait, not owned */
    bool *is_removed;  /* while a callback runs after which it is used */
};

struct _EgPsrpcCall {
    EgPsrpcServer *server; /* NULL: gone */
    const EgPsrpcMethod *method;
    char *request_id;
    char *client_id;
    gint64 since_ns; /* it waits for its award, then for its answer */
};

/* A request that this server has bid for and that is not awarded yet. */
typedef struct {
    EgPsrpcHandler *handler;
    EgPsrpcCall *call;
    ProtobufCMessage *request;
    EgTimer *timer;
} Bid;

/* A request that may be another server's. Lives until the lock is answered. */
typedef struct {
    EgPsrpcHandler *handler; /* NULL: gone */
    ProtobufCMessage *request;
} LockWait;

static EgPsrpcCall *call_new(EgPsrpcHandler *handler, const Internal__Request *request)
{
    EgPsrpcCall *call = g_new0(EgPsrpcCall, 1);
    call->server = handler->server;
    call->method = handler->method;
    call->request_id = g_strdup(request->request_id);
    call->client_id = g_strdup(request->client_id);
    g_hash_table_add(call->server->calls, call);
    return call;
}

static void call_free(EgPsrpcCall *call)
{
    if (call == NULL)
        return;
    if (call->server != NULL)
        g_hash_table_remove(call->server->calls, call);
    g_free(call->request_id);
    g_free(call->client_id);
    g_free(call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPsrpcCall, call_free)

static void bid_free(gpointer data)
{
    Bid *bid = data;
    call_free(bid->call);
    eg_proto_free(bid->request);
    eg_timer_free(bid->timer);
    g_free(bid);
}

static EgPsrpcStats *stats_of(const EgPsrpcCall *call)
{
    return eg_psrpc_stats_of(call->server->stats, call->method);
}

static bool publish(EgPsrpcServer *server, const char *channel, const ProtobufCMessage *message)
{
    g_autoptr(GBytes) payload = eg_psrpc_encode(message);
    return eg_redis_publish(server->redis, channel, payload);
}

/* `response` has what the answer is; the rest is filled in here. Ends the call. */
static void answer(EgPsrpcCall *call, Internal__Response *response)
{
    g_autoptr(EgPsrpcCall) own = call;
    EgPsrpcServer *server = call->server;
    if (server == NULL)
        return;
    response->request_id = call->request_id;
    response->server_id = server->id;
    response->sent_at = eg_wall_now_ns();
    g_autofree char *channel =
        eg_psrpc_channel(call->method->service, call->client_id, NULL, "RES");
    if (!publish(server, channel, &response->base))
        eg_warn(server->log, "reply lost: no connection to Redis",
                EG_STR("method", call->method->name));
}

void eg_psrpc_call_reply(EgPsrpcCall *call, const ProtobufCMessage *response)
{
    g_autoptr(GBytes) bytes = response != NULL ? eg_proto_pack(response) : NULL;
    Internal__Response message = INTERNAL__RESPONSE__INIT;
    if (bytes != NULL)
        message.raw_response.data = (guint8 *)g_bytes_get_data(bytes, &message.raw_response.len);
    if (call->server != NULL) {
        EgPsrpcStats *stats = stats_of(call);
        stats->sent_bytes += message.raw_response.len;
        eg_histogram_add(&stats->request_ms, eg_psrpc_ms_since(call->since_ns));
    }
    answer(call, &message);
}

void eg_psrpc_call_fail(EgPsrpcCall *call, const GError *error)
{
    const EgErrorCode given = eg_error_code(error);
    const EgErrorCode code = given != EG_ERROR_NONE ? given : EG_ERROR_UNKNOWN;
    const char *name = eg_error_code_name(code);
    /* Without a text it would count as a success; without UTF-8 as nothing at all. */
    const bool has_text = error != NULL && *error->message != '\0';
    g_autofree char *text = g_utf8_make_valid(has_text ? error->message : name, -1);
    Internal__Response message = INTERNAL__RESPONSE__INIT;
    message.error = text;
    message.code = (char *)name;
    if (call->server != NULL)
        stats_of(call)->errors[code]++;
    answer(call, &message);
}

static void start(EgPsrpcHandler *handler, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    call->since_ns = eg_now_ns();
    handler->events.handle(handler->user, call, request);
}

static void note_claim(const EgPsrpcCall *call, EgPsrpcClaim outcome)
{
    eg_histogram_add(&stats_of(call)->claim_ms[outcome], eg_psrpc_ms_since(call->since_ns));
}

static void on_bid_expired(gpointer user)
{
    Bid *bid = user;
    note_claim(bid->call, EG_PSRPC_CLAIM_TIMED_OUT);
    g_hash_table_remove(bid->handler->bids, bid->call->request_id);
}

/* Takes `call` and `message`. `remaining_ns`: until the request expires. */
static void place_bid(EgPsrpcHandler *handler, EgPsrpcCall *call, ProtobufCMessage *message,
                      gint64 remaining_ns, float affinity)
{
    EgPsrpcServer *server = handler->server;
    Bid *bid = g_new0(Bid, 1);
    bid->handler = handler;
    bid->call = call;
    bid->call->since_ns = eg_now_ns();
    bid->request = message;
    bid->timer = eg_timer_new(server->loop, on_bid_expired, bid);
    eg_timer_set_after(bid->timer, MIN(remaining_ns, MAX_AWARD_WAIT_NS));
    g_hash_table_insert(handler->bids, call->request_id, bid);

    Internal__ClaimRequest claim = INTERNAL__CLAIM_REQUEST__INIT;
    claim.request_id = call->request_id;
    claim.server_id = server->id;
    claim.affinity = affinity;
    g_autofree char *channel =
        eg_psrpc_channel(handler->method->service, call->client_id, NULL, "CLAIM");
    publish(server, channel, &claim.base);
}

/* How much the request is wanted; not a number if the handler is gone after asking it. */
static float ask_affinity(EgPsrpcHandler *handler, const ProtobufCMessage *message)
{
    if (handler->events.affinity == NULL)
        return 1;
    bool is_removed = false;
    handler->is_removed = &is_removed;
    const float affinity = handler->events.affinity(handler->user, message);
    if (is_removed)
        return NAN;
    handler->is_removed = NULL;
    return affinity;
}

/* The request is for this server, or for this one among others. */
static void consider(EgPsrpcHandler *handler, const Internal__Request *request)
{
    EgPsrpcStats *stats = eg_psrpc_stats_of(handler->server->stats, handler->method);
    const gint64 now_ns = eg_wall_now_ns();
    stats->received++;
    if (now_ns >= request->expiry) {
        stats->expired++;
        return;
    }
    stats->received_bytes += request->raw_request.len;
    g_autoptr(ProtobufCMessage) message =
        eg_psrpc_unpack(handler->method->request, &request->raw_request);
    if (message == NULL) {
        g_autoptr(GError) error = NULL;
        eg_error_set(&error, EG_ERROR_MALFORMED_REQUEST, EG_BLAME_REQUEST,
                     "the request of %s cannot be parsed", handler->method->name);
        eg_psrpc_call_fail(call_new(handler, request), error);
        return;
    }
    if (!handler->method->has_claim) {
        start(handler, call_new(handler, request), message);
        return;
    }
    if (g_hash_table_size(handler->bids) >= MAX_WAITING ||
        g_hash_table_contains(handler->bids, request->request_id))
        return;
    const float affinity = ask_affinity(handler, message);
    if (affinity > 0)
        place_bid(handler, call_new(handler, request), g_steal_pointer(&message),
                  request->expiry - now_ns, affinity);
}

static void on_locked(gpointer user, bool is_acquired)
{
    LockWait *wait = user;
    g_autoptr(ProtobufCMessage) request = wait->request;
    EgPsrpcHandler *handler = wait->handler;
    if (handler != NULL)
        g_hash_table_remove(handler->locks, wait);
    g_free(wait);
    if (handler != NULL && is_acquired)
        consider(handler, (const Internal__Request *)request);
}

static void lock_first(EgPsrpcHandler *handler, GBytes *payload, ProtobufCMessage *request)
{
    LockWait *wait = g_new0(LockWait, 1);
    wait->handler = handler;
    wait->request = request;
    g_hash_table_add(handler->locks, wait);
    g_autofree char *key = eg_psrpc_lock_key(payload);
    eg_redis_lock(handler->server->redis, key, LOCK_S, on_locked, wait);
}

static void ignore(EgPsrpcHandler *handler, GBytes *payload)
{
    eg_debug(handler->server->log, "malformed psrpc message ignored",
             EG_STR("method", handler->method->name), EG_INT("bytes", g_bytes_get_size(payload)));
}

static void on_request(gpointer user, GBytes *payload)
{
    EgPsrpcHandler *handler = user;
    g_autoptr(ProtobufCMessage) message = eg_psrpc_decode(&internal__request__descriptor, payload);
    const Internal__Request *request = (const Internal__Request *)message;
    if (request == NULL || !eg_psrpc_id_is_valid(request->request_id) ||
        !eg_psrpc_id_is_valid(request->client_id)) {
        ignore(handler, payload);
        return;
    }
    if (!handler->method->has_lock)
        consider(handler, request);
    else if (g_hash_table_size(handler->locks) < MAX_WAITING)
        lock_first(handler, payload, g_steal_pointer(&message));
}

static void on_award(gpointer user, GBytes *payload)
{
    EgPsrpcHandler *handler = user;
    g_autoptr(ProtobufCMessage) message =
        eg_psrpc_decode(&internal__claim_response__descriptor, payload);
    const Internal__ClaimResponse *award = (const Internal__ClaimResponse *)message;
    if (award == NULL) {
        ignore(handler, payload);
        return;
    }
    Bid *bid = g_hash_table_lookup(handler->bids, award->request_id);
    if (bid == NULL)
        return;
    if (strcmp(award->server_id, handler->server->id) != 0) {
        note_claim(bid->call, EG_PSRPC_CLAIM_LOST);
        g_hash_table_remove(handler->bids, award->request_id);
        return;
    }
    note_claim(bid->call, EG_PSRPC_CLAIM_GRANTED);
    EgPsrpcCall *call = g_steal_pointer(&bid->call);
    g_autoptr(ProtobufCMessage) request = g_steal_pointer(&bid->request);
    g_hash_table_remove(handler->bids, call->request_id);
    start(handler, call, request);
}

static void register_once(EgPsrpcHandler *handler)
{
    const bool has_all = handler->has_requests && (handler->awards == NULL || handler->has_awards);
    if (!has_all || handler->is_registered)
        return;
    handler->is_registered = true;
    if (handler->events.registered != NULL)
        handler->events.registered(handler->user);
}

static void on_requests_subscribed(gpointer user)
{
    EgPsrpcHandler *handler = user;
    handler->has_requests = true;
    register_once(handler);
}

static void on_awards_subscribed(gpointer user)
{
    EgPsrpcHandler *handler = user;
    handler->has_awards = true;
    register_once(handler);
}

EgPsrpcHandler *eg_psrpc_server_add(EgPsrpcServer *server, const EgPsrpcMethod *method,
                                    const char *topic, const EgPsrpcHandlerEvents *events,
                                    gpointer user)
{
    static const EgRedisSubscriber requests = {
        .subscribed = on_requests_subscribed,
        .message = on_request,
    };
    static const EgRedisSubscriber awards = {
        .subscribed = on_awards_subscribed,
        .message = on_award,
    };

    eg_loop_assert_owner(server->loop);
    EgPsrpcHandler *handler = g_new0(EgPsrpcHandler, 1);
    handler->server = server;
    handler->method = method;
    handler->events = *events;
    handler->user = user;
    handler->bids = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, bid_free);
    handler->locks = g_hash_table_new(NULL, NULL);
    server->n_handlers++;

    /* The awards first: none can come before they are subscribed. */
    g_autofree char *award_channel =
        eg_psrpc_channel(method->service, method->name, topic, "RCLAIM");
    g_autofree char *request_channel =
        eg_psrpc_channel(method->service, method->name, topic, "REQ");
    if (method->has_claim)
        handler->awards = eg_redis_subscribe(server->redis, award_channel, &awards, handler);
    handler->requests = eg_redis_subscribe(server->redis, request_channel, &requests, handler);
    return handler;
}

void eg_psrpc_handler_remove(EgPsrpcHandler *handler)
{
    if (handler == NULL)
        return;
    eg_loop_assert_owner(handler->server->loop);
    if (handler->is_removed != NULL)
        *handler->is_removed = true;
    eg_redis_unsubscribe(handler->requests);
    eg_redis_unsubscribe(handler->awards);
    g_hash_table_unref(handler->bids);
    GHashTableIter iter;
    gpointer wait;
    g_hash_table_iter_init(&iter, handler->locks);
    while (g_hash_table_iter_next(&iter, &wait, NULL))
        ((LockWait *)wait)->handler = NULL;
    g_hash_table_unref(handler->locks);
    handler->server->n_handlers--;
    g_free(handler);
}

EgPsrpcServer *eg_psrpc_server_new(EgLoop *loop, EgRedis *redis, const EgLog *log)
{
    eg_loop_assert_owner(loop);
    EgPsrpcServer *server = g_new0(EgPsrpcServer, 1);
    server->loop = loop;
    server->redis = redis;
    server->log = log;
    server->id = eg_id_new("SRV_");
    server->calls = g_hash_table_new(NULL, NULL);
    server->stats = g_array_new(FALSE, TRUE, sizeof(EgPsrpcStats));
    return server;
}

void eg_psrpc_server_free(EgPsrpcServer *server)
{
    if (server == NULL)
        return;
    eg_loop_assert_owner(server->loop);
    g_assert(server->n_handlers == 0);
    GHashTableIter iter;
    gpointer call;
    g_hash_table_iter_init(&iter, server->calls);
    while (g_hash_table_iter_next(&iter, &call, NULL))
        ((EgPsrpcCall *)call)->server = NULL;
    g_hash_table_unref(server->calls);
    g_array_unref(server->stats);
    g_free(server->id);
    g_free(server);
}

const EgPsrpcStats *eg_psrpc_server_get_stats(EgPsrpcServer *server, guint *n_methods)
{
    *n_methods = server->stats->len;
    return (const EgPsrpcStats *)(gconstpointer)server->stats->data;
}
