#include "service/rpc.h"

#include <string.h>

#include "base/error.h"
#include "proto/message.h"

/* Bids, see the selection of StartEgress in livekit-server: 1 is taken at once, less than that
 * waits for better ones. Whoever runs something already is asked first, so that work is packed. */
#define BID_BUSY 1.0f
#define BID_IDLE 0.5f

/* To say why not, if nobody else can: the alternative is "no response from servers". */
#define BID_REFUSE 0.01f

#define NO_BID (-1.0f)

/* The topics of one egress, and the calls that are answered when they are there. */
typedef struct {
    EgRpc *rpc;
    char *egress_id;
    EgPsrpcHandler *stop;
    EgPsrpcHandler *update;
    guint n_registered;
    GPtrArray *starts; /* Start */
} Topics;

/* A StartEgress under way. */
typedef struct {
    EgRpc *rpc;
    EgPsrpcCall *call;
    Livekit__EgressInfo *info;
} Start;

struct _EgRpc {
    EgPsrpcServer *server;
    EgEgresses *egresses;
    EgPsrpcHandler *start;
    EgPsrpcHandler *list;
    GHashTable *topics; /* egress id -> Topics */
    bool is_unhealthy;
};

static const EgPsrpcMethod start_method = {
    .service = "EgressInternal",
    .name = "StartEgress",
    .request = &rpc__start_egress_request__descriptor,
    .response = &livekit__egress_info__descriptor,
    .has_claim = true,
};

static const EgPsrpcMethod list_method = {
    .service = "EgressInternal",
    .name = "ListActiveEgress",
    .request = &rpc__list_active_egress_request__descriptor,
    .response = &rpc__list_active_egress_response__descriptor,
};

static const EgPsrpcMethod stop_method = {
    .service = "EgressHandler",
    .name = "StopEgress",
    .request = &livekit__stop_egress_request__descriptor,
    .response = &livekit__egress_info__descriptor,
    .has_claim = true,
    .has_lock = true,
};

static const EgPsrpcMethod update_method = {
    .service = "EgressHandler",
    .name = "UpdateStream",
    .request = &livekit__update_stream_request__descriptor,
    .response = &livekit__egress_info__descriptor,
    .has_claim = true,
    .has_lock = true,
};

static void on_done(gpointer user, const Livekit__EgressInfo *info, const GError *error)
{
    EgPsrpcCall *call = user;
    if (error != NULL)
        eg_psrpc_call_fail(call, error);
    else
        eg_psrpc_call_reply(call, &info->base);
}

/* The topics of an egress. */

static void free_start(gpointer data)
{
    Start *start = data;
    if (start->info != NULL)
        livekit__egress_info__free_unpacked(start->info, NULL);
    g_free(start);
}

static void free_topics(gpointer data)
{
    Topics *topics = data;
    eg_psrpc_handler_remove(topics->stop);
    eg_psrpc_handler_remove(topics->update);
    for (guint i = 0; i < topics->starts->len; i++) {
        const Start *start = topics->starts->pdata[i];
        eg_psrpc_call_reply(start->call, &start->info->base);
    }
    g_ptr_array_unref(topics->starts);
    g_free(topics->egress_id);
    g_free(topics);
}

static void on_registered(gpointer user)
{
    Topics *topics = user;
    topics->n_registered++;
    if (topics->n_registered < 2)
        return;
    for (guint i = 0; i < topics->starts->len; i++) {
        const Start *start = topics->starts->pdata[i];
        eg_psrpc_call_reply(start->call, &start->info->base);
    }
    g_ptr_array_set_size(topics->starts, 0);
}

static void on_stop(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    Topics *topics = user;
    (void)request;
    eg_egresses_stop(topics->rpc->egresses, topics->egress_id, EG_END_STOPPED, on_done, call);
}

static void on_update(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    Topics *topics = user;
    eg_egresses_update_stream(topics->rpc->egresses,
                              (const Livekit__UpdateStreamRequest *)(gconstpointer)request, on_done,
                              call);
}

static Topics *new_topics(EgRpc *rpc, const char *egress_id)
{
    static const EgPsrpcHandlerEvents stop_events = {
        .handle = on_stop,
        .registered = on_registered,
    };
    static const EgPsrpcHandlerEvents update_events = {
        .handle = on_update,
        .registered = on_registered,
    };
    Topics *topics = g_new0(Topics, 1);
    topics->rpc = rpc;
    topics->egress_id = g_strdup(egress_id);
    topics->starts = g_ptr_array_new_with_free_func(free_start);
    topics->stop = eg_psrpc_server_add(rpc->server, &stop_method, egress_id, &stop_events, topics);
    topics->update =
        eg_psrpc_server_add(rpc->server, &update_method, egress_id, &update_events, topics);
    return topics;
}

/* Starting. */

static float bid(gpointer user, const ProtobufCMessage *message)
{
    EgRpc *rpc = user;
    g_autoptr(GError) error = NULL;
    const Rpc__StartEgressRequest *request =
        (const Rpc__StartEgressRequest *)(gconstpointer)message;
    /* What was awarded before is answered after that, with an error, upon which others are asked.
     */
    if (rpc->is_unhealthy || eg_egresses_is_closed(rpc->egresses))
        return NO_BID;
    if (!eg_egresses_check(rpc->egresses, request, &error) &&
        eg_error_code(error) == EG_ERROR_RESOURCE_EXHAUSTED)
        return BID_REFUSE;
    return eg_egresses_count(rpc->egresses) > 0 ? BID_BUSY : BID_IDLE;
}

/* Whoever gets the id must be able to use it: the answer waits for the topics. */
static void on_started(gpointer user, const Livekit__EgressInfo *info, const GError *error)
{
    Start *start = user;
    EgRpc *rpc = start->rpc;
    EgEgressView view;
    if (error != NULL || !eg_egresses_find(rpc->egresses, info->egress_id, &view)) {
        on_done(start->call, info, error);
        free_start(start);
        return;
    }
    Topics *topics = g_hash_table_lookup(rpc->topics, info->egress_id);
    if (topics == NULL) {
        topics = new_topics(rpc, info->egress_id);
        g_hash_table_insert(rpc->topics, topics->egress_id, topics);
    }
    if (topics->n_registered == 2) {
        on_done(start->call, info, NULL);
        free_start(start);
        return;
    }
    start->info = (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
    g_ptr_array_add(topics->starts, start);
}

static void on_start(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    EgRpc *rpc = user;
    Start *start = g_new0(Start, 1);
    start->rpc = rpc;
    start->call = call;
    eg_egresses_start(rpc->egresses, (const Rpc__StartEgressRequest *)(gconstpointer)request,
                      on_started, start);
}

static void on_list(gpointer user, EgPsrpcCall *call, const ProtobufCMessage *request)
{
    EgRpc *rpc = user;
    (void)request;
    guint n = eg_egresses_count(rpc->egresses);
    g_autofree char **ids = g_new0(char *, n + 1);
    for (guint i = 0; i < n; i++) {
        EgEgressView view;
        eg_egresses_get(rpc->egresses, i, &view);
        ids[i] = view.info->egress_id;
    }
    Rpc__ListActiveEgressResponse response = RPC__LIST_ACTIVE_EGRESS_RESPONSE__INIT;
    response.n_egress_ids = n;
    response.egress_ids = ids;
    eg_psrpc_call_reply(call, &response.base);
}

EgRpc *eg_rpc_new(EgPsrpcServer *server, EgEgresses *egresses, const EgConfig *config)
{
    static const EgPsrpcHandlerEvents start_events = {.affinity = bid, .handle = on_start};
    static const EgPsrpcHandlerEvents list_events = {.handle = on_list};
    EgRpc *rpc = g_new0(EgRpc, 1);
    rpc->server = server;
    rpc->egresses = egresses;
    rpc->topics = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_topics);
    rpc->start = eg_psrpc_server_add(server, &start_method, config->cluster_id, &start_events, rpc);
    rpc->list = eg_psrpc_server_add(server, &list_method, NULL, &list_events, rpc);
    return rpc;
}

void eg_rpc_free(EgRpc *rpc)
{
    if (rpc == NULL)
        return;
    eg_psrpc_handler_remove(rpc->start);
    eg_psrpc_handler_remove(rpc->list);
    g_hash_table_unref(rpc->topics);
    g_free(rpc);
}

void eg_rpc_set_healthy(EgRpc *rpc, bool is_healthy)
{
    rpc->is_unhealthy = !is_healthy;
}

void eg_rpc_forget(EgRpc *rpc, const char *egress_id)
{
    g_hash_table_remove(rpc->topics, egress_id);
}
