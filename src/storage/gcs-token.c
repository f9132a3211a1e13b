#include "storage/gcs-token.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/gcs-reply.h"
#include "storage/gcs-sign.h"
#include "storage/headers.h"

/* So long before its end a token is renewed: longer than a call takes to arrive. Half of its time
 * where that is less. */
#define MARGIN_NS (5 * 60 * EG_NS_PER_S)

struct _EgGcsToken {
    EgHttp *http;
    const EgGcsCredentials *credentials;

    GMutex lock; /* of what follows */
    char *text;  /* NULL: none yet */
    gint64 until_ns;
};

EgGcsToken *eg_gcs_token_new(EgHttp *http, const EgGcsCredentials *credentials)
{
    EgGcsToken *token = g_new0(EgGcsToken, 1);
    token->http = http;
    token->credentials = credentials;
    g_mutex_init(&token->lock);
    return token;
}

void eg_gcs_token_free(EgGcsToken *token)
{
    if (token == NULL)
        return;
    g_mutex_clear(&token->lock);
    g_free(token->text);
    g_free(token);
}

static char *form_of(const EgGcsCredentials *credentials, GError **error)
{
    if (credentials->kind == EG_GCS_USER) {
        const char *const query[] = {
            "client_id",  credentials->client_id, "client_secret", credentials->client_secret,
            "grant_type", "refresh_token",        "refresh_token", credentials->refresh_token,
            NULL,
        };
        return eg_header_query(query);
    }
    g_autofree char *assertion =
        eg_gcs_assertion(credentials->client_email, credentials->private_key,
                         credentials->token_uri, eg_wall_now_ns());
    if (assertion == NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "gcp: the private_key of the credentials cannot sign");
        return NULL;
    }
    const char *const query[] = {
        "assertion", assertion, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", NULL,
    };
    return eg_header_query(query);
}

static bool ask(const EgGcsToken *token, EgHttpReply *reply, GCancellable *cancellable,
                GError **error)
{
    const EgGcsCredentials *credentials = token->credentials;
    if (credentials->kind == EG_GCS_METADATA) {
        static const char *const headers[] = {"Metadata-Flavor: Google", NULL};
        const EgHttpRequest request = {
            .method = "GET",
            .url = credentials->token_uri,
            .headers = headers,
            .is_metadata = true,
        };
        return eg_http_perform(token->http, &request, reply, cancellable, error);
    }
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    g_autofree char *form = form_of(credentials, error);
    if (form == NULL)
        return false;
    g_autoptr(GBytes) body = g_bytes_new(form + 1, strlen(form) - 1);
    const EgHttpRequest request = {
        .method = "POST",
        .url = credentials->token_uri,
        .headers = headers,
        .body = body,
    };
    return eg_http_perform(token->http, &request, reply, cancellable, error);
}

static char *fetch(const EgGcsToken *token, gint64 *valid_ns, GCancellable *cancellable,
                   GError **error)
{
    g_auto(EgHttpReply) reply = {0};
    if (!ask(token, &reply, cancellable, error)) {
        g_prefix_error(error, "cannot get a token for Google Cloud Storage: ");
        return NULL;
    }
    static const char doing[] = "get a token for Google Cloud Storage";
    if (reply.status != 200) {
        eg_gcs_set_error(error, doing, &reply);
        return NULL;
    }
    char *text = eg_gcs_token_parse(reply.body, valid_ns);
    if (text == NULL)
        eg_error_set_retryable(error, EG_ERROR_MALFORMED_RESULT, EG_BLAME_DESTINATION,
                               "cannot %s: there is none in the answer", doing);
    return text;
}

static char *kept(EgGcsToken *token)
{
    g_mutex_lock(&token->lock);
    char *text = eg_now_ns() < token->until_ns ? g_strdup(token->text) : NULL;
    g_mutex_unlock(&token->lock);
    return text;
}

/* Two threads may ask at the same time: better than one that waits and cannot be canceled. */
char *eg_gcs_token_get(EgGcsToken *token, GCancellable *cancellable, GError **error)
{
    if (token->credentials->kind == EG_GCS_EMULATOR)
        return g_strdup("");
    char *text = kept(token);
    if (text != NULL)
        return text;
    const gint64 asked_at_ns = eg_now_ns();
    gint64 valid_ns;
    text = fetch(token, &valid_ns, cancellable, error);
    if (text == NULL)
        return NULL;
    g_mutex_lock(&token->lock);
    g_free(token->text);
    token->text = g_strdup(text);
    token->until_ns = asked_at_ns + valid_ns - MIN(MARGIN_NS, valid_ns / 2);
    g_mutex_unlock(&token->lock);
    return text;
}

void eg_gcs_token_forget(EgGcsToken *token, const char *refused)
{
    g_mutex_lock(&token->lock);
    if (g_strcmp0(token->text, refused) == 0)
        g_clear_pointer(&token->text, g_free);
    g_mutex_unlock(&token->lock);
}
