#pragma once

#include <gio/gio.h>

#include "storage/http.h"
#include "storage/s3-key.h"

/* AWS's Security Token Service, which lends keys for a while. */

typedef struct {
    EgHttp *http;
    EgS3Clock *clock;
    const char *region; /* whose service is asked, unless AWS_ENDPOINT_URL_STS or AWS_ENDPOINT_URL
                           name another one */
} EgS3Sts;

/* The key of a role, for an hour, for somebody who has `key`. `external_id`: what the role's owner
 * wants to hear (NULL: nothing). Blocks. A new reference; errors as in store.h. */
EgS3Key *eg_s3_sts_assume_role(const EgS3Sts *sts, const EgS3Key *key, const char *role_arn,
                               const char *external_id, GCancellable *cancellable, GError **error);

/* The same for somebody who has a token of an identity provider that AWS trusts. */
EgS3Key *eg_s3_sts_assume_role_with_token(const EgS3Sts *sts, const char *token,
                                          const char *role_arn, const char *session_name,
                                          GCancellable *cancellable, GError **error);
