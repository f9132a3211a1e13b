#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "config/storage.h"
#include "storage/s3-sts.h"

/* Where a key can come from. The first row whose place is there is the one; what is wrong there is
 * an error, and no other row is tried. The order is that of AWS's SDKs. Not looked for: single
 * sign-on. */
typedef struct {
    const char *name; /* "environment", for the log */
    bool (*is_there)(const EgStorageS3 *settings);
    EgS3Key *(*fetch)(const EgStorageS3 *settings, const EgS3Sts *sts, GCancellable *cancellable,
                      GError **error);
    bool is_fixed; /* the key is the same for ever */
} EgS3Source;

/* Never NULL: the last is there always. Static. */
const EgS3Source *eg_s3_source_find(const EgStorageS3 *settings);

/* Of the environment; NULL also for an empty one. */
const char *eg_s3_variable(const char *name);

/* Rows that others use, too. `name`: what the path is called where it was found. */
EgS3Key *eg_s3_environment_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                                 GCancellable *cancellable, GError **error);
EgS3Key *eg_s3_web_identity_fetch(const EgS3Sts *sts, const char *path, const char *name,
                                  const char *role_arn, GCancellable *cancellable, GError **error);

/* Rows of the table that ask services of the machine. */
bool eg_s3_container_is_there(const EgStorageS3 *settings);
EgS3Key *eg_s3_container_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                               GCancellable *cancellable, GError **error);
EgS3Key *eg_s3_instance_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                              GCancellable *cancellable, GError **error);
