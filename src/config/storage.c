#include "config/storage.h"

#include "base/time.h"

#define MAX_ATTEMPTS       5
#define MIN_RETRY_DELAY_NS (100 * EG_NS_PER_MS)
#define MAX_RETRY_DELAY_NS (5 * EG_NS_PER_S)

/* By EgStoreKind. */
static const char *const kind_names[EG_N_STORES] = {
    [EG_STORE_NONE] = "",   [EG_STORE_LOCAL] = "local", [EG_STORE_S3] = "s3",
    [EG_STORE_GCS] = "gcp", [EG_STORE_AZURE] = "azure", [EG_STORE_ALIOSS] = "alioss",
};

EgStorage *eg_storage_new(EgStoreKind kind)
{
    EgStorage *storage = g_new0(EgStorage, 1);
    storage->kind = kind;
    storage->max_attempts = MAX_ATTEMPTS;
    storage->min_retry_delay_ns = MIN_RETRY_DELAY_NS;
    storage->max_retry_delay_ns = MAX_RETRY_DELAY_NS;
    storage->n_refs = 1;
    return storage;
}

EgStorage *eg_storage_ref(EgStorage *storage)
{
    g_atomic_int_inc(&storage->n_refs);
    return storage;
}

void eg_storage_unref(EgStorage *storage)
{
    if (storage == NULL || !g_atomic_int_dec_and_test(&storage->n_refs))
        return;
    char *const texts[] = {
        storage->prefix,
        storage->bucket,
        storage->endpoint,
        storage->ca_cert_file,
        storage->proxy.url,
        storage->proxy.username,
        storage->proxy.password,
        storage->s3.access_key,
        storage->s3.secret,
        storage->s3.session_token,
        storage->s3.assume_role_arn,
        storage->s3.assume_role_external_id,
        storage->s3.region,
        storage->s3.tagging,
        storage->s3.content_disposition,
        storage->s3.server_side_encryption,
        storage->s3.kms_key_id,
        storage->s3.storage_class,
        storage->gcs.credentials_json,
        storage->azure.account_name,
        storage->azure.account_key,
        storage->azure.sas_token,
        storage->alioss.access_key,
        storage->alioss.secret,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
    g_strfreev(storage->s3.metadata);
    g_free(storage);
}

const char *eg_store_kind_name(EgStoreKind kind)
{
    return kind_names[kind];
}
