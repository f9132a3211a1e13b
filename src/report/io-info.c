#include "report/io-info.h"

#include "base/error.h"

static const EgPsrpcMethod create_method = {
    .service = "IOInfo",
    .name = "CreateEgress",
    .request = &livekit__egress_info__descriptor,
    .has_claim = true,
    .has_lock = true,
};

static const EgPsrpcMethod update_method = {
    .service = "IOInfo",
    .name = "UpdateEgress",
    .request = &livekit__egress_info__descriptor,
    .has_claim = true,
    .has_lock = true,
};

struct _EgIoInfo {
    EgLoop *loop;
    const EgConfig *config;
    EgPsrpcClient *client;
    GHashTable *calls; /* set of Call, owned */
};

typedef struct {
    EgIoInfo *io_info;
    void (*done)(gpointer user, const GError *error);
    gpointer user;
} Call;

static void on_answered(gpointer user, const ProtobufCMessage *response, const GError *error)
{
    (void)response;
    g_autofree Call *call = user;
    g_hash_table_steal(call->io_info->calls, call);
    call->done(call->user, error);
}

static void publish(gpointer publisher, const Livekit__EgressInfo *info, bool is_new,
                    void (*done)(gpointer user, const GError *error), gpointer user)
{
    EgIoInfo *io_info = publisher;
    eg_loop_assert_owner(io_info->loop);
    const EgConfig *config = io_info->config;
    Call *call = g_new0(Call, 1);
    call->io_info = io_info;
    call->done = done;
    call->user = user;
    g_hash_table_add(io_info->calls, call);
    const EgPsrpcOptions options = {
        .timeout_ns = is_new ? config->io_create_timeout_ns : config->io_update_timeout_ns,
        .selection_ns = config->io_selection_timeout_ns,
    };
    eg_psrpc_client_call(io_info->client, is_new ? &create_method : &update_method, &options,
                         &info->base, on_answered, call);
}

EgPublisher eg_io_info_publisher(EgIoInfo *io_info)
{
    static const EgPublisherClass class = {.publish = publish};
    return (EgPublisher){.class = &class, .publisher = io_info};
}

EgPsrpcClient *eg_io_info_client(EgIoInfo *io_info)
{
    return io_info->client;
}

EgIoInfo *eg_io_info_new(EgLoop *loop, EgRedis *redis, const EgConfig *config, const EgLog *log)
{
    eg_loop_assert_owner(loop);
    EgIoInfo *io_info = g_new0(EgIoInfo, 1);
    io_info->loop = loop;
    io_info->config = config;
    io_info->client = eg_psrpc_client_new(loop, redis, "IOInfo", log);
    io_info->calls = g_hash_table_new_full(NULL, NULL, g_free, NULL);
    return io_info;
}

void eg_io_info_free(EgIoInfo *io_info)
{
    if (io_info == NULL)
        return;
    eg_loop_assert_owner(io_info->loop);
    eg_psrpc_client_free(io_info->client);
    g_autoptr(GError) error = NULL;
    eg_error_set_retryable(&error, EG_ERROR_CANCELED, EG_BLAME_SERVICE, "the service ends");
    GHashTableIter iter;
    gpointer key;
    g_hash_table_iter_init(&iter, io_info->calls);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const Call *call = key;
        call->done(call->user, error);
    }
    g_hash_table_unref(io_info->calls);
    g_free(io_info);
}
