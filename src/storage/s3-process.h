#pragma once

#include <gio/gio.h>

#include "storage/s3-key.h"

/* The key that a program prints (`credential_process` of AWS's files). The command is one line, as
 * for a shell, but without one. Blocks, for a minute at most; a new reference, errors as in
 * store.h. https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
EgS3Key *eg_s3_process_fetch(const char *command, GCancellable *cancellable, GError **error);
