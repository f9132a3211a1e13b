#include "service/pages.h"

#include <jansson.h>
#include <libsoup/soup.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "proto/json.h"

#define GRAPH_PREFIX "/gst_pipeline/"

struct _EgPages {
    EgEgresses *egresses;
    const EgAdmission *admission;
    const EgMetrics *metrics;
    GPtrArray *servers; /* SoupServer */
};

static void respond(SoupServerMessage *message, guint status, const char *type, const char *text)
{
    soup_server_message_set_status(message, status, NULL);
    soup_server_message_set_response(message, type, SOUP_MEMORY_COPY, text, strlen(text));
}

/* A request without its secrets, as LiveKit's service names its kind: {"RoomComposite": {...}}. */
static json_t *describe_request(const EgEgressView *view)
{
    g_autofree char *text = eg_proto_to_json(&view->info->base);
    json_t *info = json_loads(text, 0, NULL);
    static const struct {
        const char *field;
        const char *name;
    } kinds[] = {
        {"roomComposite",  "RoomComposite" },
        {"web",            "Web"           },
        {"participant",    "Participant"   },
        {"trackComposite", "TrackComposite"},
        {"track",          "Track"         },
        {"egress",         "Egress"        },
    };
    json_t *described = json_object();
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        json_t *request = json_object_get(info, kinds[i].field);
        if (request != NULL)
            json_object_set(described, kinds[i].name, request);
    }
    json_decref(info);
    return described;
}

static void on_health(SoupServer *server, SoupServerMessage *message, const char *path,
                      GHashTable *query, gpointer user)
{
    EgPages *pages = user;
    (void)server;
    (void)path;
    (void)query;
    json_t *health = json_object();
    json_object_set_new(health, "CpuLoad",
                        json_real(eg_admission_free_cores(pages->admission, eg_now_ns())));
    for (guint i = 0; i < eg_egresses_count(pages->egresses); i++) {
        EgEgressView view;
        eg_egresses_get(pages->egresses, i, &view);
        json_object_set_new(health, view.info->egress_id, describe_request(&view));
    }
    char *text = json_dumps(health, JSON_COMPACT);
    respond(message, SOUP_STATUS_OK, "application/json", text);
    free(text);
    json_decref(health);
}

static void on_metrics(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    EgPages *pages = user;
    (void)server;
    (void)path;
    (void)query;
    g_autofree char *text = eg_metrics_render(pages->metrics, eg_now_ns());
    respond(message, SOUP_STATUS_OK, "text/plain; version=0.0.4; charset=utf-8", text);
}

static void on_graph(gpointer user, const char *graph)
{
    SoupServerMessage *message = user;
    if (graph != NULL)
        respond(message, SOUP_STATUS_OK, "text/vnd.graphviz", graph);
    else
        respond(message, SOUP_STATUS_NOT_FOUND, "text/plain", "egress not found\n");
    soup_server_message_unpause(message);
    g_object_unref(message);
}

static void on_debug(SoupServer *server, SoupServerMessage *message, const char *path,
                     GHashTable *query, gpointer user)
{
    EgPages *pages = user;
    (void)server;
    (void)query;
    if (!g_str_has_prefix(path, GRAPH_PREFIX)) {
        respond(message, SOUP_STATUS_NOT_FOUND, "text/plain",
                "there is " GRAPH_PREFIX "EGRESS_ID\n");
        return;
    }
    soup_server_message_pause(message);
    eg_egresses_describe_graph(pages->egresses, path + strlen(GRAPH_PREFIX), on_graph,
                               g_object_ref(message));
}

static bool serve(EgPages *pages, const char *key, guint port, bool is_public,
                  SoupServerCallback handler, GError **error)
{
    g_autoptr(GError) cause = NULL;
    if (port == 0)
        return true;
    SoupServer *server = soup_server_new("server-header", "egress", NULL);
    g_ptr_array_add(pages->servers, server);
    soup_server_add_handler(server, NULL, handler, pages, NULL);
    if (is_public ? soup_server_listen_all(server, port, 0, &cause)
                  : soup_server_listen_local(server, port, 0, &cause))
        return true;
    eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE, "%s: cannot listen on %u: %s", key,
                 port, cause->message);
    return false;
}

EgPages *eg_pages_new(EgLoop *loop, const EgConfig *config, EgEgresses *egresses,
                      const EgAdmission *admission, const EgMetrics *metrics, GError **error)
{
    eg_loop_assert_owner(loop);
    g_autoptr(EgPages) pages = g_new0(EgPages, 1);
    pages->egresses = egresses;
    pages->admission = admission;
    pages->metrics = metrics;
    pages->servers = g_ptr_array_new_with_free_func(g_object_unref);
    if (!serve(pages, "health_port", config->health_port, true, on_health, error) ||
        !serve(pages, "prometheus_port", config->prometheus_port, true, on_metrics, error) ||
        !serve(pages, "debug_handler_port", config->debug_handler_port, false, on_debug, error))
        return NULL;
    return g_steal_pointer(&pages);
}

void eg_pages_free(EgPages *pages)
{
    if (pages == NULL)
        return;
    for (guint i = 0; i < pages->servers->len; i++)
        soup_server_disconnect(pages->servers->pdata[i]);
    g_ptr_array_unref(pages->servers);
    g_free(pages);
}
