#pragma once

#include <glib.h>

#include "storage/s3-key.h"

/* Signatures of AWS, version 4 (docs.aws.amazon.com, "Signature Version 4 for API requests"). */

typedef struct {
    const EgS3Key *key;
    const char *service; /* "s3", "sts" */
    const char *region;
    gint64 now_s; /* Unix time, as the service has it */
} EgS3Scope;

/* Appends Authorization and the other headers that it needs to `headers` ("Name: value", without a
 * NULL at the end; freed by the array), all of which are signed, as are Host and the body (NULL:
 * empty). `url` is escaped, and sent as it is. */
void eg_s3_sign(const EgS3Scope *scope, const char *method, const char *url, GBytes *body,
                GPtrArray *headers);

/* The URL with a signature in its query, with which anybody may GET it for so long. A new string.
 */
char *eg_s3_presign(const EgS3Scope *scope, const char *url, guint valid_s);
