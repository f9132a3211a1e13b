#pragma once

#include "storage/s3-source.h"

/* A row of the table of sources: the profile that AWS_PROFILE names ("default"), in the two files
 * that AWS's programs share. It has a key, or a role and whose it is, or a program that prints one.
 */
bool eg_s3_profile_is_there(const EgStorageS3 *settings);
EgS3Key *eg_s3_profile_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                             GCancellable *cancellable, GError **error);

/* The region that it names: a new string, or NULL. */
char *eg_s3_profile_region(void);
