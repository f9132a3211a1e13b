#include "storage/endpoint.h"

#include <gio/gio.h>
#include <string.h>

#include "base/error.h"

static bool is_web_scheme(const char *scheme)
{
    return strcmp(scheme, "https") == 0 || strcmp(scheme, "http") == 0;
}

static bool is_usable(GUri *uri)
{
    const char *host = g_uri_get_host(uri);
    return is_web_scheme(g_uri_get_scheme(uri)) && host != NULL && *host != '\0' &&
           host[strcspn(host, " %/@")] == '\0' && g_uri_get_userinfo(uri) == NULL &&
           g_uri_get_query(uri) == NULL && g_uri_get_fragment(uri) == NULL;
}

static char *make_authority(GUri *uri)
{
    const char *host = g_uri_get_host(uri);
    const bool is_ipv6 = strchr(host, ':') != NULL;
    g_autofree char *name = is_ipv6 ? g_strdup_printf("[%s]", host) : g_ascii_strdown(host, -1);
    const int port = g_uri_get_port(uri);
    return port > 0 ? g_strdup_printf("%s:%d", name, port) : g_steal_pointer(&name);
}

static char *make_path(GUri *uri)
{
    char *path = g_strdup(g_uri_get_path(uri));
    for (gsize length = strlen(path); length > 0 && path[length - 1] == '/'; length--)
        path[length - 1] = '\0';
    return path;
}

bool eg_endpoint_parse(EgEndpoint *endpoint, const char *text, GError **error)
{
    g_autofree char *url =
        strstr(text, "://") != NULL ? g_strdup(text) : g_strconcat("https://", text, NULL);
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED_PATH, NULL);
    if (uri == NULL || !is_usable(uri)) {
        /* Not shown: who does not know what goes there may have put a password into it. */
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "the store's endpoint is none; it is a host, host:port, or an http or https "
                     "URL without user, query and fragment");
        return false;
    }
    const char *host = g_uri_get_host(uri);
    *endpoint = (EgEndpoint){
        .scheme = g_strdup(g_uri_get_scheme(uri)),
        .authority = make_authority(uri),
        .path = make_path(uri),
        .is_address = g_hostname_is_ip_address(host) || g_ascii_strcasecmp(host, "localhost") == 0,
    };
    return true;
}

void eg_endpoint_clear(EgEndpoint *endpoint)
{
    g_free(endpoint->scheme);
    g_free(endpoint->authority);
    g_free(endpoint->path);
    *endpoint = (EgEndpoint){0};
}
