#pragma once

#include <glib.h>
#include <stdbool.h>

/* Who we are to Google: what a file of credentials says, or where one has to ask. */

typedef enum {
    EG_GCS_NONE,
    EG_GCS_SERVICE_ACCOUNT, /* with a key */
    EG_GCS_USER,            /* that has logged in with gcloud */
    EG_GCS_METADATA,        /* of the machine we run on */
    EG_GCS_EMULATOR,        /* nobody */
} EgGcsKind;

typedef struct {
    EgGcsKind kind;
    char *token_uri;    /* where tokens are made */
    char *client_email; /* of a service account */
    char *private_key;  /* PEM */
    char *client_id;    /* of a user */
    char *client_secret;
    char *refresh_token;
} EgGcsCredentials;

/* Fills in zeroed credentials by the text of a file. */
bool eg_gcs_credentials_parse(EgGcsCredentials *credentials, const char *text, gsize length,
                              GError **error);

/* Application default credentials: GOOGLE_APPLICATION_CREDENTIALS, what gcloud has left, the
 * metadata server (GCE_METADATA_HOST), which is not asked here. */
bool eg_gcs_credentials_find(EgGcsCredentials *credentials, GError **error);

void eg_gcs_credentials_clear(EgGcsCredentials *credentials);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EgGcsCredentials, eg_gcs_credentials_clear)
