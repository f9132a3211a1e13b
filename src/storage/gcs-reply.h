#pragma once

#include <glib.h>
#include <stdbool.h>

#include "storage/http.h"

/* What Google Cloud Storage and Google's token servers answer. */

/* How much of a resumable upload is there, by the Range header of an answer with status 308, which
 * is NULL when there is nothing. False if it makes no sense. */
bool eg_gcs_range_parse(const char *range, guint64 *n_bytes);

typedef struct {
    guint64 n_bytes;
    guint64 crc;
    bool has_crc;
} EgGcsObject;

/* What there is said to be under a name. False if this is not said. */
bool eg_gcs_object_parse(GBytes *body, EgGcsObject *object);

/* A new string; how long it is good. NULL if there is none. */
char *eg_gcs_token_parse(GBytes *body, gint64 *valid_ns);

/* eg_http_set_error() of an answer with {"error": …}, as either says it. */
void eg_gcs_set_error(GError **error, const char *doing, const EgHttpReply *reply);
