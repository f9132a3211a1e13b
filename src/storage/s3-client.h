#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "base/log.h"
#include "config/storage.h"
#include "storage/http.h"

/* Signed requests to one bucket. Finds out the region of the bucket and the time of the store where
 * they are other than thought: the request that tells fails as retryable. Any thread. */
typedef struct _EgS3Client EgS3Client;

/* As eg_store_new(). `log` lives longer. */
EgS3Client *eg_s3_client_new(EgStorage *storage, const EgLog *log, GError **error);
void eg_s3_client_free(EgS3Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgS3Client, eg_s3_client_free)

typedef struct {
    const char *doing; /* "put rooms/a.mp4", for errors */
    const char *method;
    const char *key;
    const char *query;          /* escaped; NULL: none */
    const char *const *headers; /* as those of EgHttpRequest */
    GBytes *body;
    bool is_bulk;
    bool is_told_late; /* a failure may come as an answer of 200 */
} EgS3Call;

/* True for an answer that is a success, errors are as in store.h. */
bool eg_s3_client_call(EgS3Client *client, const EgS3Call *call, EgHttpReply *reply,
                       GCancellable *cancellable, GError **error);

/* For eg_store_location(). */
char *eg_s3_client_location(EgS3Client *client, const char *key);
char *eg_s3_client_presign(EgS3Client *client, const char *key, guint valid_s, GError **error);
