#pragma once

#include <glib.h>
#include <stdbool.h>

/* Where finished files go, as a request or the configuration says. Immutable and shared by the
 * threads that upload. Strings are NULL if not set. The names of the members are those of LiveKit's
 * messages and keys. */

typedef enum {
    EG_STORE_NONE,
    EG_STORE_LOCAL, /* a folder of this machine */
    EG_STORE_S3,    /* and what speaks its language */
    EG_STORE_GCS,
    EG_STORE_AZURE,
    EG_STORE_ALIOSS,
    EG_N_STORES,
} EgStoreKind;

typedef struct {
    char *url; /* NULL: none but what the environment says */
    char *username;
    char *password;
} EgStorageProxy;

typedef struct {
    char *access_key; /* no key at all: where AWS's SDKs look for one */
    char *secret;
    char *session_token;
    char *assume_role_arn;
    char *assume_role_external_id;
    char *region;
    bool force_path_style;
    char **metadata;           /* name, value, name, value …; NULL: none */
    char *tagging;             /* "name=value&name=value", as it goes into the header */
    char *content_disposition; /* NULL: "inline" */
    char *server_side_encryption;
    char *kms_key_id;
    char *storage_class;
} EgStorageS3;

typedef struct {
    char *credentials_json; /* of a service account; NULL: application default credentials */
} EgStorageGcs;

typedef struct {
    char *account_name;
    char *account_key; /* this, or… */
    char *sas_token;   /* …this, with or without its ? */
} EgStorageAzure;

typedef struct {
    char *access_key;
    char *secret;
} EgStorageAlioss;

typedef struct {
    EgStoreKind kind;
    char *prefix;                /* a folder that all names are in; of the local disk its path */
    bool generate_presigned_url; /* locations are told as URLs that need no key, for 7 days */
    char *bucket;                /* of Azure the container */
    char *endpoint;              /* host, host:port or URL; NULL: the vendor's */
    char *ca_cert_file;          /* NULL: what the system trusts */
    EgStorageProxy proxy;
    guint max_attempts; /* of each call, at least 1 */
    gint64 min_retry_delay_ns;
    gint64 max_retry_delay_ns;
    EgStorageS3 s3; /* of the kind, one of these */
    EgStorageGcs gcs;
    EgStorageAzure azure;
    EgStorageAlioss alioss;

    gint n_refs; /* of storage.c */
} EgStorage;

/* With the standard values: 5 attempts, 100 ms to 5 s apart. One reference, the caller's. The
 * caller fills in what else there is to say before it shares it. */
EgStorage *eg_storage_new(EgStoreKind kind);

/* Any thread. */
EgStorage *eg_storage_ref(EgStorage *storage);
void eg_storage_unref(EgStorage *storage); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgStorage, eg_storage_unref)

/* Brings what people write into the shape that everybody relies on: no slashes around the prefix of
 * a store (of the local disk it is a path, and stays), none behind the endpoint. */
void eg_storage_normalize(EgStorage *storage);

/* Whether these can be settings of a store. If not, `*member` is the offset of the member that is
 * wrong, and `*wanted` (static) what it must be, as in "must be …"; NULL if it is just missing.
 * Nothing that goes into a header has control characters afterwards. Not looked at is what only the
 * store can tell: whether keys are right, and all that is in JSON. */
bool eg_storage_check(const EgStorage *storage, gsize *member, const char **wanted);

/* "s3": as the configuration calls it. Static. */
const char *eg_store_kind_name(EgStoreKind kind);
