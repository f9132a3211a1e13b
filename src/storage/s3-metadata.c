/* Keys that a container's or a machine's surroundings lend, over HTTP. */
#include <string.h>

#include "base/error.h"
#include "storage/s3-source.h"

#define CONTAINER_URL    "http://169.254.170.2"
#define INSTANCE_URL     "http://169.254.169.254"
#define INSTANCE_TOKEN   "/latest/api/token"
#define INSTANCE_KEYS    "/latest/meta-data/iam/security-credentials/"
#define TOKEN_TTL_HEADER "X-aws-ec2-metadata-token-ttl-seconds: 21600"
#define TOKEN_HEADER     "X-aws-ec2-metadata-token"
#define CONTAINER_DOING  "get credentials of the container"
#define INSTANCE_DOING   "get credentials of the machine's metadata service"

/* The body of an answer of 200, without blanks around it. `header` NULL: none. */
static char *ask(const EgS3Sts *sts, const char *method, const char *url, const char *header,
                 const char *doing, GCancellable *cancellable, GError **error)
{
    const char *const headers[] = {header, NULL};
    EgHttpRequest request = {
        .method = method,
        .url = url,
        .headers = headers,
        .is_metadata = true,
    };
    g_auto(EgHttpReply) reply = {0};
    if (!eg_http_perform(sts->http, &request, &reply, cancellable, error)) {
        g_prefix_error(error, "cannot %s: ", doing);
        return NULL;
    }
    if (reply.status != 200) {
        eg_http_set_error(error, doing, &reply, NULL, NULL, eg_http_is_retryable(reply.status));
        return NULL;
    }
    gsize bytes;
    const char *text = g_bytes_get_data(reply.body, &bytes);
    return g_strstrip(g_strndup(text, bytes));
}

static EgS3Key *read_key(const char *text, const char *doing, GError **error)
{
    EgS3Key *key = eg_s3_key_parse(text);
    if (key == NULL)
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "cannot %s: there is no key in the answer", doing);
    return key;
}

bool eg_s3_container_is_there(const EgStorageS3 *settings)
{
    (void)settings;
    return eg_s3_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != NULL ||
           eg_s3_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") != NULL;
}

/* Whoever can set the variable shall not be able to send the token anywhere. */
static bool is_trusted(const char *url)
{
    static const char *const hosts[] = {"169.254.170.2", "169.254.170.23", "fd00:ec2::23",
                                        "localhost"};
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
    if (host == NULL)
        return false;
    if (strcmp(g_uri_get_scheme(uri), "https") == 0)
        return true;
    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
        if (strcmp(host, hosts[i]) == 0)
            return true;
    }
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(host);
    return address != NULL && g_inet_address_get_is_loopback(address);
}

/* "Authorization: …", or NULL with no error: none is wanted. */
static char *container_authorization(GError **error)
{
    const char *path = eg_s3_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *given = eg_s3_variable("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    g_autofree char *token = NULL;
    g_autoptr(GError) reason = NULL;
    if (path != NULL && !g_file_get_contents(path, &token, NULL, &reason)) {
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                     "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %s", reason->message);
        return NULL;
    }
    if (token == NULL && given == NULL)
        return NULL;
    return g_strconcat("Authorization: ", token != NULL ? g_strstrip(token) : given, NULL);
}

EgS3Key *eg_s3_container_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                               GCancellable *cancellable, GError **error)
{
    (void)settings;
    const char *path = eg_s3_variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    g_autofree char *url = path != NULL
                               ? g_strconcat(CONTAINER_URL, path, NULL)
                               : g_strdup(eg_s3_variable("AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    if (!is_trusted(url)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor of this machine");
        return NULL;
    }
    GError *reason = NULL;
    g_autofree char *header = container_authorization(&reason);
    if (reason != NULL) {
        g_propagate_error(error, reason);
        return NULL;
    }
    g_autofree char *text = ask(sts, "GET", url, header, CONTAINER_DOING, cancellable, error);
    return text != NULL ? read_key(text, CONTAINER_DOING, error) : NULL;
}

static char *instance_url(const char *path, const char *more)
{
    const char *base = eg_s3_variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    g_autofree char *root = g_strdup(base != NULL ? base : INSTANCE_URL);
    if (g_str_has_suffix(root, "/"))
        root[strlen(root) - 1] = '\0';
    return g_strconcat(root, path, more, NULL);
}

static char *ask_instance(const EgS3Sts *sts, const char *token, const char *role,
                          GCancellable *cancellable, GError **error)
{
    g_autofree char *escaped = eg_http_escape(role, NULL);
    g_autofree char *url = instance_url(INSTANCE_KEYS, escaped);
    g_autofree char *header = g_strdup_printf(TOKEN_HEADER ": %s", token);
    return ask(sts, "GET", url, header, INSTANCE_DOING, cancellable, error);
}

/* Only the second version of the service, which asks for a token first. */
EgS3Key *eg_s3_instance_fetch(const EgStorageS3 *settings, const EgS3Sts *sts,
                              GCancellable *cancellable, GError **error)
{
    (void)settings;
    g_autofree char *token_url = instance_url(INSTANCE_TOKEN, NULL);
    g_autoptr(GError) reason = NULL;
    const char *disabled = eg_s3_variable("AWS_EC2_METADATA_DISABLED");
    g_autofree char *token = NULL;
    if (disabled == NULL || g_ascii_strcasecmp(disabled, "true") != 0)
        token = ask(sts, "PUT", token_url, TOKEN_TTL_HEADER, INSTANCE_DOING, cancellable, &reason);
    if (token == NULL) {
        eg_error_set(
            error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
            "no credentials for s3: neither access_key and secret, nor in the environment, "
            "the shared files, or the machine's metadata service%s%s",
            reason != NULL ? ": " : "", reason != NULL ? reason->message : "");
        return NULL;
    }
    g_autofree char *roles = ask_instance(sts, token, "", cancellable, error);
    if (roles == NULL)
        return NULL;
    roles[strcspn(roles, "\r\n")] = '\0';
    g_autofree char *text = ask_instance(sts, token, roles, cancellable, error);
    return text != NULL ? read_key(text, INSTANCE_DOING, error) : NULL;
}
