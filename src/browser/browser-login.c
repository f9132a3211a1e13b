#include "browser/browser-login.h"

#include <string.h>

#include "base/time.h"

#define CALL_TIMEOUT_NS (30 * EG_NS_PER_S)

/* A server that knows them asks once for each part of it that has a login of its own; then the
 * browser says them by itself. */
#define MAX_ANSWERS 100

#define URL_FLAGS (G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_HAS_PASSWORD)

struct _EgBrowserLogin {
    char *origin;
    char *user;
    char *password;
    GHashTable *answered; /* names of requests */
};

/* As Chromium writes it: without the port that is usual. */
static char *make_origin(const GUri *uri)
{
    const char *scheme = g_uri_get_scheme((GUri *)uri);
    const char *host = g_uri_get_host((GUri *)uri);
    const int port = g_uri_get_port((GUri *)uri);
    const int usual_port = strcmp(scheme, "https") == 0 ? 443 : 80;
    g_autofree char *ascii =
        strchr(host, ':') != NULL ? g_strdup_printf("[%s]", host) : g_hostname_to_ascii(host);
    g_autofree char *lower = g_ascii_strdown(ascii != NULL ? ascii : host, -1);
    return port < 0 || port == usual_port ? g_strdup_printf("%s://%s", scheme, lower)
                                          : g_strdup_printf("%s://%s:%d", scheme, lower, port);
}

EgBrowserLogin *eg_browser_login_new(const char *url)
{
    g_autoptr(GUri) uri = g_uri_parse(url, URL_FLAGS, NULL);
    if (uri == NULL || g_uri_get_host(uri) == NULL || g_uri_get_user(uri) == NULL)
        return NULL;
    const char *password = g_uri_get_password(uri);
    EgBrowserLogin *login = g_new0(EgBrowserLogin, 1);
    login->origin = make_origin(uri);
    login->user = g_strdup(g_uri_get_user(uri));
    login->password = g_strdup(password != NULL ? password : "");
    login->answered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    return login;
}

void eg_browser_login_free(EgBrowserLogin *login)
{
    if (login == NULL)
        return;
    g_hash_table_unref(login->answered);
    g_free(login->origin);
    g_free(login->user);
    g_free(login->password);
    g_free(login);
}

const char *eg_browser_login_origin(const EgBrowserLogin *login)
{
    return login->origin;
}

json_t *eg_browser_login_filter(const EgBrowserLogin *login)
{
    g_autofree char *pattern = g_strconcat(login->origin, "/*", NULL);
    return json_pack("{s:b, s:[{s:s}]}", "handleAuthRequests", 1, "patterns", "urlPattern",
                     pattern);
}

/* A request that is asked again has shown that they are wrong. */
static bool may_answer(EgBrowserLogin *login, const char *request, const json_t *params)
{
    const char *origin = eg_devtools_get_string(params, "authChallenge.origin");
    const char *source = eg_devtools_get_string(params, "authChallenge.source");
    return strcmp(origin, login->origin) == 0 && strcmp(source, "Proxy") != 0 &&
           g_hash_table_size(login->answered) < MAX_ANSWERS &&
           g_hash_table_add(login->answered, g_strdup(request));
}

bool eg_browser_login_handle(EgBrowserLogin *login, EgDevtools *devtools, const char *session,
                             const char *method, const json_t *params)
{
    const char *request = eg_devtools_get_string(params, "requestId");
    const char *answer = "Fetch.continueRequest";
    json_t *given;
    if (strcmp(method, "Fetch.requestPaused") == 0) {
        given = json_pack("{s:s}", "requestId", request);
    } else if (strcmp(method, "Fetch.authRequired") == 0) {
        answer = "Fetch.continueWithAuth";
        given = may_answer(login, request, params)
                    ? json_pack("{s:s, s:{s:s, s:s, s:s}}", "requestId", request,
                                "authChallengeResponse", "response", "ProvideCredentials",
                                "username", login->user, "password", login->password)
                    : json_pack("{s:s, s:{s:s}}", "requestId", request, "authChallengeResponse",
                                "response", "CancelAuth");
    } else {
        return false;
    }
    eg_devtools_call(devtools, session, answer, given, CALL_TIMEOUT_NS, NULL, NULL);
    return true;
}

char *eg_browser_login_strip(const char *url)
{
    const char *mark = strstr(url, "://");
    if (mark == NULL)
        return g_strdup(url);
    const char *start = mark + strlen("://");
    const char *host = start;
    for (const char *c = start; c < start + strcspn(start, "/?#\\"); c++) {
        if (*c == '@')
            host = c + 1;
    }
    return g_strdup_printf("%.*s%s", (int)(start - url), url, host);
}
