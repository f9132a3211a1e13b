#include "storage/store.h"

#include "base/error.h"
#include "storage/http.h"
#include "storage/store-class.h"

/* By EgStoreKind. */
static const EgStoreClass *const classes[EG_N_STORES] = {
    [EG_STORE_LOCAL] = &eg_store_local,   [EG_STORE_S3] = &eg_store_s3,
    [EG_STORE_GCS] = &eg_store_gcs,       [EG_STORE_AZURE] = &eg_store_azure,
    [EG_STORE_ALIOSS] = &eg_store_alioss,
};

EgStore *eg_store_new(EgStorage *storage, const EgLog *log, GError **error)
{
    g_assert(storage->kind > EG_STORE_NONE && storage->kind < EG_N_STORES);
    const EgStoreClass *class = classes[storage->kind];
    if (!eg_http_check_proxy(&storage->proxy, error))
        return NULL;
    EgStore *store = g_malloc0(class->instance_bytes);
    store->class = class;
    store->storage = eg_storage_ref(storage);
    store->log = log;
    if (class->open(store, error))
        return store;
    eg_store_free(store);
    return NULL;
}

void eg_store_free(EgStore *store)
{
    if (store == NULL)
        return;
    store->class->free(store);
    eg_storage_unref(store->storage);
    g_free(store);
}

const EgStoreLimits *eg_store_limits(const EgStore *store)
{
    return &store->class->limits;
}

bool eg_store_put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                  GCancellable *cancellable, GError **error)
{
    return store->class->put(store, key, content_type, content, cancellable, error);
}

char *eg_store_begin(EgStore *store, const char *key, const char *content_type,
                     GCancellable *cancellable, GError **error)
{
    return store->class->begin(store, key, content_type, cancellable, error);
}

char *eg_store_put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                        GCancellable *cancellable, GError **error)
{
    return store->class->put_part(store, part, content, cancellable, error);
}

bool eg_store_complete(EgStore *store, const char *key, const char *upload, const char *const *tags,
                       GCancellable *cancellable, GError **error)
{
    return store->class->complete(store, key, upload, tags, cancellable, error);
}

void eg_store_abort(EgStore *store, const char *key, const char *upload)
{
    store->class->abort(store, key, upload);
}

char *eg_store_location(EgStore *store, const char *key, GError **error)
{
    return store->class->location(store, key, error);
}

gint64 eg_store_retry_after_ns(const GError *error)
{
    return eg_error_retry_after_ns(error);
}
