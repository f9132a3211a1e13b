#include "storage/s3-credentials.h"

#include <string.h>

#include "base/error.h"
#include "storage/s3-source.h"

/* A key that ends within this is renewed, and used until then if that fails. */
#define RENEW_BEFORE_S 300

/* After one failed, another attempt is not worth it for so long while the old key lasts. */
#define RENEW_AGAIN_S 30

struct _EgS3Credentials {
    EgStorage *storage;
    char *region;
    EgS3Sts sts;
    const EgS3Source *source;
    const EgLog *log;
    GMutex lock;
    EgS3Key *key; /* NULL: none yet, or rejected */
    gint64 try_after_s;
    bool had_key;
};

EgS3Credentials *eg_s3_credentials_new(EgStorage *storage, EgHttp *http, EgS3Clock *clock,
                                       const char *region, const EgLog *log)
{
    EgS3Credentials *credentials = g_new0(EgS3Credentials, 1);
    credentials->storage = eg_storage_ref(storage);
    credentials->region = g_strdup(region);
    credentials->sts = (EgS3Sts){.http = http, .clock = clock, .region = credentials->region};
    credentials->source = eg_s3_source_find(&storage->s3);
    credentials->log = log;
    g_mutex_init(&credentials->lock);
    return credentials;
}

void eg_s3_credentials_free(EgS3Credentials *credentials)
{
    if (credentials == NULL)
        return;
    eg_s3_key_unref(credentials->key);
    g_mutex_clear(&credentials->lock);
    g_free(credentials->region);
    eg_storage_unref(credentials->storage);
    g_free(credentials);
}

static EgS3Key *fetch(const EgS3Credentials *credentials, GCancellable *cancellable, GError **error)
{
    const EgStorageS3 *settings = &credentials->storage->s3;
    g_autoptr(EgS3Key) key =
        credentials->source->fetch(settings, &credentials->sts, cancellable, error);
    if (key == NULL || settings->assume_role_arn == NULL)
        return g_steal_pointer(&key);
    return eg_s3_sts_assume_role(&credentials->sts, key, settings->assume_role_arn,
                                 settings->assume_role_external_id, cancellable, error);
}

/* What was there once is expected to come back. */
static void propagate(const EgS3Credentials *credentials, GError *reason, GError **error)
{
    if (!credentials->had_key || eg_error_is_retryable(reason) ||
        eg_error_code(reason) == EG_ERROR_CANCELED) {
        g_propagate_error(error, reason);
        return;
    }
    eg_error_set_retryable(error, eg_error_code(reason), eg_error_blame(reason), "%s",
                           reason->message);
    g_error_free(reason);
}

/* Seconds for which the key is good; more than enough if it does not end. */
static gint64 lifetime_s(const EgS3Credentials *credentials, gint64 now_s)
{
    if (credentials->key == NULL)
        return 0;
    return credentials->key->expires_s != 0 ? credentials->key->expires_s - now_s : G_MAXINT64;
}

static void renew(EgS3Credentials *credentials, gint64 now_s, GCancellable *cancellable,
                  GError **error)
{
    GError *reason = NULL;
    EgS3Key *key = fetch(credentials, cancellable, &reason);
    if (key != NULL) {
        eg_debug(credentials->log, "credentials found", EG_STR("source", credentials->source->name),
                 EG_STR("role", credentials->storage->s3.assume_role_arn));
        g_clear_pointer(&credentials->key, eg_s3_key_unref);
        credentials->key = key;
        credentials->had_key = true;
        credentials->try_after_s = 0;
        return;
    }
    if (lifetime_s(credentials, now_s) > 0) {
        eg_warn(credentials->log, "credentials not renewed yet", EG_STR("error", reason->message));
        credentials->try_after_s = now_s + RENEW_AGAIN_S;
        g_error_free(reason);
        return;
    }
    g_clear_pointer(&credentials->key, eg_s3_key_unref);
    propagate(credentials, reason, error);
}

EgS3Key *eg_s3_credentials_get(EgS3Credentials *credentials, GCancellable *cancellable,
                               GError **error)
{
    g_mutex_lock(&credentials->lock);
    gint64 now_s = eg_s3_clock_now_s(credentials->sts.clock);
    gint64 left_s = lifetime_s(credentials, now_s);
    if (left_s <= 0 || (left_s < RENEW_BEFORE_S && now_s >= credentials->try_after_s))
        renew(credentials, now_s, cancellable, error);
    EgS3Key *key = credentials->key != NULL ? eg_s3_key_ref(credentials->key) : NULL;
    g_mutex_unlock(&credentials->lock);
    return key;
}

bool eg_s3_credentials_reject(EgS3Credentials *credentials, const EgS3Key *key)
{
    bool is_renewable =
        !credentials->source->is_fixed || credentials->storage->s3.assume_role_arn != NULL;
    g_mutex_lock(&credentials->lock);
    /* Another thread may have found a new one meanwhile. */
    if (is_renewable && credentials->key == key)
        g_clear_pointer(&credentials->key, eg_s3_key_unref);
    g_mutex_unlock(&credentials->lock);
    return is_renewable;
}
