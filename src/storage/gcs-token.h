#pragma once

#include <gio/gio.h>

#include "storage/gcs-credentials.h"
#include "storage/http.h"

/* The token that Google wants with each call: asked for once, and again before it ends. Any thread;
 * asking blocks. */
typedef struct _EgGcsToken EgGcsToken;

/* Both outlive it. */
EgGcsToken *eg_gcs_token_new(EgHttp *http, const EgGcsCredentials *credentials);
void eg_gcs_token_free(EgGcsToken *token);

/* A new string; "" where none is needed. */
char *eg_gcs_token_get(EgGcsToken *token, GCancellable *cancellable, GError **error);

/* The store does not want this one: the next is a new one. */
void eg_gcs_token_forget(EgGcsToken *token, const char *refused);
