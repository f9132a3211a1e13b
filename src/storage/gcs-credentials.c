#include "storage/gcs-credentials.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "storage/gcs-sign.h"

#define TOKEN_URI     "https://oauth2.googleapis.com/token"
#define METADATA_HOST "metadata.google.internal"
#define METADATA_PATH "/computeMetadata/v1/instance/service-accounts/default/token"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static bool set_invalid(GError **error, const char *what)
{
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "gcp: %s", what);
    return false;
}

/* All strings that a kind needs. */
typedef struct {
    const char *type;
    EgGcsKind kind;
    struct {
        const char *name;
        gsize offset;
    } members[3];
} Kind;

#define MEMBER(name)                                                                               \
    {                                                                                              \
#name, G_STRUCT_OFFSET(EgGcsCredentials, name)                                             \
    }

static const Kind kinds[] = {
    {"service_account", EG_GCS_SERVICE_ACCOUNT, {MEMBER(client_email), MEMBER(private_key)}                      },
    {"authorized_user",
     EG_GCS_USER,                               {MEMBER(client_id), MEMBER(client_secret), MEMBER(refresh_token)}},
};

static bool fill(EgGcsCredentials *credentials, const Kind *kind, const json_t *root,
                 GError **error)
{
    const char *token_uri = json_string_value(json_object_get(root, "token_uri"));
    credentials->kind = kind->kind;
    credentials->token_uri = g_strdup(token_uri != NULL ? token_uri : TOKEN_URI);
    for (gsize i = 0; i < G_N_ELEMENTS(kind->members) && kind->members[i].name != NULL; i++) {
        const char *value = json_string_value(json_object_get(root, kind->members[i].name));
        if (value == NULL || *value == '\0') {
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                         "gcp: credentials of the type %s have no %s", kind->type,
                         kind->members[i].name);
            return false;
        }
        *(char **)G_STRUCT_MEMBER_P(credentials, kind->members[i].offset) = g_strdup(value);
    }
    if (kind->kind == EG_GCS_SERVICE_ACCOUNT && !eg_gcs_key_is_usable(credentials->private_key))
        return set_invalid(error, "the private_key of the credentials is no RSA key in PEM");
    if (!g_str_has_prefix(credentials->token_uri, "https://") &&
        !g_str_has_prefix(credentials->token_uri, "http://"))
        return set_invalid(error, "the token_uri of the credentials is no http or https URL");
    return true;
}

bool eg_gcs_credentials_parse(EgGcsCredentials *credentials, const char *text, gsize length,
                              GError **error)
{
    g_autoptr(json_t) root = json_loadb(text, length, 0, NULL);
    if (!json_is_object(root))
        return set_invalid(error, "the credentials are not the JSON of a service account's key");
    const char *type = json_string_value(json_object_get(root, "type"));
    for (gsize i = 0; type != NULL && i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(type, kinds[i].type) == 0)
            return fill(credentials, &kinds[i], root, error);
    }
    return set_invalid(error, "the type of the credentials is neither service_account nor "
                              "authorized_user");
}

static bool read_file(EgGcsCredentials *credentials, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, &length, &failure)) {
        eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE,
                     "gcp: credentials cannot be read: %s", failure->message);
        return false;
    }
    if (eg_gcs_credentials_parse(credentials, text, length, error))
        return true;
    g_prefix_error(error, "%s: ", path);
    return false;
}

static char *gcloud_path(void)
{
    const char *folder = g_getenv("CLOUDSDK_CONFIG");
    g_autofree char *standard = g_build_filename(g_get_home_dir(), ".config", "gcloud", NULL);
    return g_build_filename(folder != NULL ? folder : standard,
                            "application_default_credentials.json", NULL);
}

bool eg_gcs_credentials_find(EgGcsCredentials *credentials, GError **error)
{
    const char *path = g_getenv("GOOGLE_APPLICATION_CREDENTIALS");
    if (path != NULL && *path != '\0')
        return read_file(credentials, path, error);
    g_autofree char *gcloud = gcloud_path();
    if (g_file_test(gcloud, G_FILE_TEST_EXISTS))
        return read_file(credentials, gcloud, error);
    const char *host = g_getenv("GCE_METADATA_HOST");
    credentials->kind = EG_GCS_METADATA;
    credentials->token_uri =
        g_strconcat("http://", host != NULL ? host : METADATA_HOST, METADATA_PATH, NULL);
    return true;
}

static void forget(char *secret)
{
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    g_free(secret);
}

void eg_gcs_credentials_clear(EgGcsCredentials *credentials)
{
    g_free(credentials->token_uri);
    g_free(credentials->client_email);
    g_free(credentials->client_id);
    forget(credentials->private_key);
    forget(credentials->client_secret);
    forget(credentials->refresh_token);
    *credentials = (EgGcsCredentials){0};
}
