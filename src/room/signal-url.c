#include "room/signal-url.h"

#include "base/error.h"

#include <libsoup/soup.h>
#include <string.h>

/* The server adapts to the kind of client: as the Go SDK it leaves the choice of candidates to us.
 * From protocol 13 on, `leave` says what to do next. Nothing is subscribed to by itself, and always
 * at full quality. */
#define PARAMETERS "auto_subscribe=0&adaptive_stream=0&protocol=15&sdk=go&version=2.4.0"

/* Reasons are a line; a proxy's error page is not worth more. */
#define MAX_REASON_BYTES 200

GUri *eg_signal_uri_new(const char *url, const char *resume_sid, GError **error)
{
    static const struct {
        const char *given;
        const char *used;
    } schemes[] = {
        {"ws",    "ws" },
        {"wss",   "wss"},
        {"http",  "ws" },
        {"https", "wss"}
    };

    g_autoptr(GUri) uri = url != NULL ? g_uri_parse(url, SOUP_HTTP_URI_FLAGS, NULL) : NULL;
    const char *scheme = NULL;
    for (gsize i = 0; uri != NULL && i < G_N_ELEMENTS(schemes); i++)
        if (strcmp(g_uri_get_scheme(uri), schemes[i].given) == 0)
            scheme = schemes[i].used;
    if (scheme == NULL || g_uri_get_host(uri) == NULL || *g_uri_get_host(uri) == '\0') {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "'%s' is not the url of a LiveKit server: it would be ws://host:port or "
                     "wss://host",
                     url != NULL ? url : "");
        return NULL;
    }

    g_autofree char *base = g_strdup(g_uri_get_path(uri));
    while (g_str_has_suffix(base, "/"))
        base[strlen(base) - 1] = '\0';
    g_autofree char *path = g_strconcat(base, "/rtc", NULL);
    g_autofree char *sid = resume_sid != NULL ? g_uri_escape_string(resume_sid, NULL, FALSE) : NULL;
    g_autofree char *query =
        sid != NULL ? g_strconcat(PARAMETERS "&reconnect=1&sid=", sid, NULL) : g_strdup(PARAMETERS);
    return g_uri_build(SOUP_HTTP_URI_FLAGS, scheme, NULL, g_uri_get_host(uri), g_uri_get_port(uri),
                       path, query, NULL);
}

GUri *eg_signal_uri_new_validate(const GUri *uri)
{
    GUri *from = (GUri *)uri;
    const bool is_tls = strcmp(g_uri_get_scheme(from), "wss") == 0;
    g_autofree char *path = g_strconcat(g_uri_get_path(from), "/validate", NULL);
    return g_uri_build(SOUP_HTTP_URI_FLAGS, is_tls ? "https" : "http", NULL, g_uri_get_host(from),
                       g_uri_get_port(from), path, g_uri_get_query(from), NULL);
}

char *eg_signal_uri_describe(const GUri *uri)
{
    GUri *from = (GUri *)uri;
    const bool is_ipv6 = strchr(g_uri_get_host(from), ':') != NULL;
    GString *text = g_string_new(NULL);
    g_string_printf(text, is_ipv6 ? "%s://[%s]" : "%s://%s", g_uri_get_scheme(from),
                    g_uri_get_host(from));
    if (g_uri_get_port(from) > 0)
        g_string_append_printf(text, ":%d", g_uri_get_port(from));
    const char *path = g_uri_get_path(from);
    if (g_str_has_suffix(path, "/rtc"))
        g_string_append_len(text, path, (gssize)(strlen(path) - strlen("/rtc")));
    return g_string_free(text, FALSE);
}

/* GIO says "Could not connect to ADDRESS: REASON", and the address is said already. */
static const char *get_reason(const GError *cause)
{
    const char *colon = strrchr(cause->message, ':');
    const bool is_wrapped = g_str_has_prefix(cause->message, "Could not connect to ");
    return is_wrapped && colon != NULL && colon[1] == ' ' ? colon + 2 : cause->message;
}

void eg_signal_error_set_connect(GError **error, const GUri *uri, const GError *cause)
{
    g_autofree char *address = eg_signal_uri_describe(uri);
    const char *reason = get_reason(cause);
    const bool is_final = g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED) ||
                          g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_HOST_NOT_FOUND) ||
                          cause->domain == G_RESOLVER_ERROR || cause->domain == G_TLS_ERROR;
    if (is_final)
        eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_REQUEST, "cannot reach %s: %s", address,
                     reason);
    else
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE, "cannot reach %s: %s",
                               address, reason);
}

/* One short line of text, without the token, or NULL. The server's are like "invalid token: <the
 * token>, error: token is expired". */
static char *clean_reason(const char *body, const char *token)
{
    if (body == NULL)
        return NULL;
    if (*token != '\0') {
        for (const char *at = strstr(body, token); at != NULL; at = strstr(body, token))
            body = at + strlen(token);
    }
    if (g_str_has_prefix(body, ", error: "))
        body += strlen(", error: ");
    g_autofree char *text = g_utf8_make_valid(body, (gssize)strnlen(body, MAX_REASON_BYTES));
    g_strstrip(text);
    text[strcspn(text, "\r\n")] = '\0';
    const bool is_page = *text == '<' || *text == '{';
    return *text != '\0' && !is_page ? g_steal_pointer(&text) : NULL;
}

void eg_signal_error_set_status(GError **error, const GUri *uri, guint status, const char *body,
                                const char *token)
{
    g_autofree char *address = eg_signal_uri_describe(uri);
    g_autofree char *cleaned = clean_reason(body, token);
    const char *phrase = soup_status_get_phrase(status);
    const char *reason = cleaned != NULL ? cleaned : phrase;

    if (status == SOUP_STATUS_UNAUTHORIZED)
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST,
                     "the server refused the token: %s (check api key and secret)", reason);
    else if (status == SOUP_STATUS_FORBIDDEN)
        eg_error_set(error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_REQUEST,
                     "the server refused to let us in: %s", reason);
    else if (status == SOUP_STATUS_NOT_FOUND && cleaned != NULL && strstr(cleaned, "room") != NULL)
        eg_error_set(error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "the server refused to join: %s",
                     reason);
    else if (status >= 500 || status == 429)
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "the server at %s failed: %u %s", address, status, reason);
    else
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "no LiveKit server at %s: it answered %u %s", address, status, phrase);
}
