/* Where files of an output go: the store that the request names, or that of the configuration. */
#include "request/plan-private.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "request/invalid.h"

/* A text of a message, and the member of EgStorage that it is. */
typedef struct {
    const char *field; /* NULL: no more */
    gsize from;
    gsize to;
} Text;

#define TEXT(type, name, member)                                                                   \
    {                                                                                              \
#name, offsetof(type, name), offsetof(EgStorage, member)                                   \
    }

static const Text s3_texts[] = {
    TEXT(Livekit__S3Upload, access_key, s3.access_key),
    TEXT(Livekit__S3Upload, secret, s3.secret),
    TEXT(Livekit__S3Upload, session_token, s3.session_token),
    TEXT(Livekit__S3Upload, assume_role_arn, s3.assume_role_arn),
    TEXT(Livekit__S3Upload, assume_role_external_id, s3.assume_role_external_id),
    TEXT(Livekit__S3Upload, region, s3.region),
    TEXT(Livekit__S3Upload, endpoint, endpoint),
    TEXT(Livekit__S3Upload, bucket, bucket),
    TEXT(Livekit__S3Upload, tagging, s3.tagging),
    TEXT(Livekit__S3Upload, content_disposition, s3.content_disposition),
    TEXT(Livekit__S3Upload, server_side_encryption, s3.server_side_encryption),
    TEXT(Livekit__S3Upload, kms_key_id, s3.kms_key_id),
    TEXT(Livekit__S3Upload, storage_class, s3.storage_class),
    {NULL, 0, 0},
};

static const Text gcp_texts[] = {
    TEXT(Livekit__GCPUpload, credentials, gcs.credentials_json),
    TEXT(Livekit__GCPUpload, bucket, bucket),
    TEXT(Livekit__GCPUpload, endpoint, endpoint),
    {NULL, 0, 0},
};

static const Text azure_texts[] = {
    TEXT(Livekit__AzureBlobUpload, account_name, azure.account_name),
    TEXT(Livekit__AzureBlobUpload, account_key, azure.account_key),
    TEXT(Livekit__AzureBlobUpload, sas_token, azure.sas_token),
    TEXT(Livekit__AzureBlobUpload, container_name, bucket),
    TEXT(Livekit__AzureBlobUpload, endpoint, endpoint),
    {NULL, 0, 0},
};

static const Text alioss_texts[] = {
    TEXT(Livekit__AliOSSUpload, access_key, alioss.access_key),
    TEXT(Livekit__AliOSSUpload, secret, alioss.secret),
    TEXT(Livekit__AliOSSUpload, endpoint, endpoint),
    TEXT(Livekit__AliOSSUpload, bucket, bucket),
    {NULL, 0, 0},
};

static const Text proxy_texts[] = {
    TEXT(Livekit__ProxyConfig, url, proxy.url),
    TEXT(Livekit__ProxyConfig, username, proxy.username),
    TEXT(Livekit__ProxyConfig, password, proxy.password),
    {NULL, 0, 0},
};

static void read_texts(const void *message, const Text *text, EgStorage *storage)
{
    for (; text->field != NULL; text++) {
        const char *value = G_STRUCT_MEMBER(const char *, message, text->from);
        if (!eg_plan_is_empty(value))
            G_STRUCT_MEMBER(char *, storage, text->to) = g_strdup(value);
    }
}

static void read_proxy(const Livekit__ProxyConfig *proxy, EgStorage *storage)
{
    if (proxy != NULL)
        read_texts(proxy, proxy_texts, storage);
}

static char **dup_metadata(const Livekit__S3Upload *s3)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (gsize i = 0; i < s3->n_metadata; i++) {
        g_strv_builder_add(builder, s3->metadata[i]->key);
        g_strv_builder_add(builder, s3->metadata[i]->value);
    }
    return g_strv_builder_end(builder);
}

static void set(char **text, const char *value)
{
    g_free(*text);
    *text = eg_plan_is_empty(value) ? NULL : g_strdup(value);
}

/* LiveKit's rules: a role of the request has its own external id; keys of ours are only for who
 * brings none. */
static bool settle_role(const EgConfig *config, EgStorage *storage, GError **error)
{
    const EgAssumeRoleConfig *ours = &config->s3_assume_role;
    EgStorageS3 *s3 = &storage->s3;
    if (s3->assume_role_arn == NULL) {
        set(&s3->assume_role_arn, ours->arn);
        set(&s3->assume_role_external_id, ours->external_id);
    }
    if (s3->assume_role_arn == NULL || s3->access_key != NULL)
        return true;
    if (eg_plan_is_empty(ours->access_key)) {
        eg_error_set(error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_REQUEST,
                     "S3 upload using AssumeRole is disabled for this account: the request has no "
                     "s3.access_key, and the service no s3_assume_role_key");
        return false;
    }
    set(&s3->access_key, ours->access_key);
    set(&s3->secret, ours->secret);
    set(&s3->session_token, NULL);
    return true;
}

static bool read_s3(const ProtobufCMessage *message, const EgConfig *config, EgStorage *storage,
                    GError **error)
{
    const Livekit__S3Upload *s3 = (const Livekit__S3Upload *)(gconstpointer)message;
    read_proxy(s3->proxy, storage);
    storage->s3.force_path_style = s3->force_path_style;
    if (s3->n_metadata > 0)
        storage->s3.metadata = dup_metadata(s3);
    const EgStorage *common = config->storage;
    if (common != NULL && common->kind == EG_STORE_S3) {
        storage->max_attempts = common->max_attempts;
        storage->min_retry_delay_ns = common->min_retry_delay_ns;
        storage->max_retry_delay_ns = common->max_retry_delay_ns;
    }
    return settle_role(config, storage, error);
}

/* The service's own credentials go to Google and nowhere else. */
static bool read_gcp(const ProtobufCMessage *message, const EgConfig *config, EgStorage *storage,
                     GError **error)
{
    (void)config;
    read_proxy(((const Livekit__GCPUpload *)(gconstpointer)message)->proxy, storage);
    if (storage->endpoint == NULL || storage->gcs.credentials_json != NULL)
        return true;
    eg_request_invalid(error, "gcp.credentials", "an endpoint needs them");
    return false;
}

typedef struct {
    const ProtobufCMessageDescriptor *message;
    const char *name;
    EgStoreKind kind;
    const Text *texts;
    /* NULL: there is nothing but texts. */
    bool (*read)(const ProtobufCMessage *message, const EgConfig *config, EgStorage *storage,
                 GError **error);
} Store;

static const Store stores[] = {
    {&livekit__s3_upload__descriptor,         "s3",     EG_STORE_S3,     s3_texts,     read_s3 },
    {&livekit__gcpupload__descriptor,         "gcp",    EG_STORE_GCS,    gcp_texts,    read_gcp},
    {&livekit__azure_blob_upload__descriptor, "azure",  EG_STORE_AZURE,  azure_texts,  NULL    },
    {&livekit__ali_ossupload__descriptor,     "aliOSS", EG_STORE_ALIOSS, alioss_texts, NULL    },
};

static const Store *find_store(const ProtobufCMessage *message)
{
    for (gsize i = 0; i < G_N_ELEMENTS(stores); i++) {
        if (stores[i].message == message->descriptor)
            return &stores[i];
    }
    g_assert_not_reached();
}

static const char *find_field(const Text *text, gsize member)
{
    while (text->field != NULL && text->to != member)
        text++;
    return text->field;
}

/* The field that a member came from. */
static char *field_name(const Store *store, gsize member)
{
    const char *field = find_field(store->texts, member);
    if (field != NULL)
        return g_strdup_printf("%s.%s", store->name, field);
    field = find_field(proxy_texts, member);
    return field != NULL ? g_strdup_printf("%s.proxy.%s", store->name, field)
                         : g_strdup_printf("%s.metadata", store->name);
}

static bool check(const Store *store, const EgStorage *storage, GError **error)
{
    gsize member = 0;
    const char *wanted = NULL;
    if (eg_storage_check(storage, &member, &wanted))
        return true;
    g_autofree char *field = field_name(store, member);
    if (wanted != NULL)
        eg_request_invalid(error, field, "it must be %s", wanted);
    else
        eg_request_invalid(error, field, NULL);
    return false;
}

static EgStorage *read_store(const ProtobufCMessage *message, const EgConfig *config,
                             GError **error)
{
    const Store *store = find_store(message);
    g_autoptr(EgStorage) storage = eg_storage_new(store->kind);
    read_texts(message, store->texts, storage);
    if (config->storage != NULL) {
        storage->prefix = g_strdup(config->storage->prefix);
        storage->generate_presigned_url = config->storage->generate_presigned_url;
    }
    if (store->read != NULL && !store->read(message, config, storage, error))
        return NULL;
    eg_storage_normalize(storage);
    return check(store, storage, error) ? g_steal_pointer(&storage) : NULL;
}

static bool is_local(const EgStorage *storage)
{
    return storage == NULL || storage->kind == EG_STORE_LOCAL;
}

bool eg_plan_settle_storage(const ProtobufCMessage *store, const EgConfig *config, EgOutput *output,
                            GError **error)
{
    if (store != NULL) {
        output->storage = read_store(store, config, error);
        if (output->storage == NULL)
            return false;
    } else if (!is_local(config->storage)) {
        output->storage = eg_storage_ref(config->storage);
    } else if (config->disallow_local_storage) {
        eg_request_invalid(error, "output",
                           "a file without storage: this service does not write to its own disk");
        return false;
    }
    if (output->storage != NULL && config->backup != NULL)
        output->backup = eg_storage_ref(config->backup);
    return true;
}
