#include "service/template-server.h"

#include <libsoup/soup.h>
#include <string.h>

#include "base/error.h"
#include "page.h"

struct _EgTemplateServer {
    SoupServer *server;
    guint port;
};

/* What the program has in it, by the path under which it is served. */
static const struct {
    const char *path;
    const char *resource;
    const char *type;
} files[] = {
    {"/",             "/page/index.html",   "text/html; charset=utf-8"      },
    {"/page.css",     "/page/page.css",     "text/css; charset=utf-8"       },
    {"/page.js",      "/page/page.js",      "text/javascript; charset=utf-8"},
    {"/licenses.txt", "/page/licenses.txt", "text/plain; charset=utf-8"     },
};

/* Of all answers. The page talks to LiveKit servers, wherever they are, and shows what they send;
 * the address with the token in it goes nowhere. */
static const struct {
    const char *name;
    const char *value;
} headers[] = {
    {"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; "
                                "img-src data:; media-src blob: mediastream:; "
                                "connect-src ws: wss: http: https:; base-uri 'none'; "
                                "form-action 'none'; frame-ancestors 'none'"},
    {"Cache-Control",           "no-cache"                                                                 },
    {"Referrer-Policy",         "no-referrer"                                                              },
    {"X-Content-Type-Options",  "nosniff"                                                                  },
};

static void respond(SoupServerMessage *message, guint status, const char *type, GBytes *body)
{
    SoupMessageHeaders *response = soup_server_message_get_response_headers(message);
    for (gsize i = 0; i < G_N_ELEMENTS(headers); i++)
        soup_message_headers_replace(response, headers[i].name, headers[i].value);
    soup_message_headers_set_content_type(response, type, NULL);
    soup_message_body_append_bytes(soup_server_message_get_response_body(message), body);
    soup_server_message_set_status(message, status, NULL);
}

static void refuse(SoupServerMessage *message, guint status, const char *text)
{
    g_autoptr(GBytes) body = g_bytes_new_static(text, strlen(text));
    respond(message, status, "text/plain; charset=utf-8", body);
}

static void on_request(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    (void)server;
    (void)query;
    (void)user;
    const char *method = soup_server_message_get_method(message);
    if (method != SOUP_METHOD_GET && method != SOUP_METHOD_HEAD) {
        soup_message_headers_replace(soup_server_message_get_response_headers(message), "Allow",
                                     "GET, HEAD");
        refuse(message, SOUP_STATUS_METHOD_NOT_ALLOWED, "there is only GET\n");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        if (strcmp(files[i].path, path) != 0)
            continue;
        g_autoptr(GBytes) body = g_resource_lookup_data(eg_page_get_resource(), files[i].resource,
                                                        G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
        g_assert(body != NULL);
        respond(message, SOUP_STATUS_OK, files[i].type, body);
        return;
    }
    refuse(message, SOUP_STATUS_NOT_FOUND, "there is only the page at /\n");
}

static guint find_port(SoupServer *server)
{
    GSList *uris = soup_server_get_uris(server);
    guint port = (guint)g_uri_get_port(uris->data);
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    return port;
}

EgTemplateServer *eg_template_server_new(EgLoop *loop, guint port, GError **error)
{
    eg_loop_assert_owner(loop);
    g_autoptr(GError) cause = NULL;
    g_autoptr(EgTemplateServer) server = g_new0(EgTemplateServer, 1);
    server->server = soup_server_new("server-header", "egress", NULL);
    soup_server_add_handler(server->server, NULL, on_request, NULL, NULL);
    if (!soup_server_listen_local(server->server, port, 0, &cause)) {
        eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                     "template_port: cannot listen on %u: %s", port, cause->message);
        return NULL;
    }
    server->port = find_port(server->server);
    return g_steal_pointer(&server);
}

guint eg_template_server_port(const EgTemplateServer *server)
{
    return server->port;
}

void eg_template_server_free(EgTemplateServer *server)
{
    if (server == NULL)
        return;
    soup_server_disconnect(server->server);
    g_object_unref(server->server);
    g_free(server);
}
