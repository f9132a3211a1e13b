#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "base/log.h"
#include "config/storage.h"
#include "storage/http.h"
#include "storage/s3-key.h"

/* The key of one store: found, or lent, and renewed before it ends. Any thread. */
typedef struct _EgS3Credentials EgS3Credentials;

/* All is referenced but `http`, `clock` and `log`, which live longer. `region`: of the service that
 * lends keys. */
EgS3Credentials *eg_s3_credentials_new(EgStorage *storage, EgHttp *http, EgS3Clock *clock,
                                       const char *region, const EgLog *log);
void eg_s3_credentials_free(EgS3Credentials *credentials);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgS3Credentials, eg_s3_credentials_free)

/* What to sign with now: a new reference. Blocks if it has to be asked for. Errors as in store.h;
 * once there was a key, they are retryable. */
EgS3Key *eg_s3_credentials_get(EgS3Credentials *credentials, GCancellable *cancellable,
                               GError **error);

/* The store says that this key has ended. True if there may be another one, which the next
 * eg_s3_credentials_get() will look for. */
bool eg_s3_credentials_reject(EgS3Credentials *credentials, const EgS3Key *key);
