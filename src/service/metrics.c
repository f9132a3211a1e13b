#include "service/metrics.h"

#include <string.h>

#include "service/metrics-page.h"
#include "service/metrics-psrpc.h"

static const char *const types[] = {
    "room_composite", "web", "participant", "track_composite", "track", "template", "media",
};

typedef struct {
    char *type;
    char *result;
    guint64 count;
} Result;

/* Of one kind of objects, and one end. */
typedef struct {
    char *labels;
    char *content_type;
    bool is_stored;
    bool has_endpoint;
    guint64 backup_writes;
    EgHistogram response_ms;
} Uploads;

static const double upload_bounds_ms[] = {10,    100,   500,   1000,  2000,  5000,
                                          10000, 20000, 30000, 60000, 300000};

struct _EgMetrics {
    GPtrArray *uploads; /* Uploads */
    EgMetricsParams params;
    char *labels; /* that everything has */
    GArray *results;
    EgLoad load; /* without its processes */
    gint64 rss_bytes;
};

static void clear_result(gpointer data)
{
    Result *result = data;
    g_free(result->type);
    g_free(result->result);
}

static void free_uploads(gpointer data)
{
    Uploads *uploads = data;
    g_free(uploads->labels);
    g_free(uploads->content_type);
    g_free(uploads);
}

EgMetrics *eg_metrics_new(const EgMetricsParams *params)
{
    EgMetrics *metrics = g_new0(EgMetrics, 1);
    metrics->params = *params;
    metrics->labels =
        g_strdup_printf("node_id=\"%s\",cluster_id=\"%s\"", params->node_id, params->cluster_id);
    metrics->uploads = g_ptr_array_new_with_free_func(free_uploads);
    metrics->results = g_array_new(FALSE, TRUE, sizeof(Result));
    g_array_set_clear_func(metrics->results, clear_result);
    return metrics;
}

void eg_metrics_free(EgMetrics *metrics)
{
    if (metrics == NULL)
        return;
    g_array_unref(metrics->results);
    g_ptr_array_unref(metrics->uploads);
    g_free(metrics->labels);
    g_free(metrics);
}

void eg_metrics_set_load(EgMetrics *metrics, const EgLoad *load)
{
    metrics->load = *load;
    metrics->rss_bytes = 0;
    for (guint i = 0; i < load->n_processes; i++)
        metrics->rss_bytes += load->processes[i].rss_bytes;
    metrics->load.processes = NULL;
    metrics->load.n_processes = 0;
}

void eg_metrics_count_result(EgMetrics *metrics, const char *type, const char *result)
{
    for (guint i = 0; i < metrics->results->len; i++) {
        Result *known = &g_array_index(metrics->results, Result, i);
        if (strcmp(known->type, type) == 0 && strcmp(known->result, result) == 0) {
            known->count++;
            return;
        }
    }
    Result first = {.type = g_strdup(type), .result = g_strdup(result), .count = 1};
    g_array_append_val(metrics->results, first);
}

static Uploads *find_uploads(EgMetrics *metrics, const Egress__Upload *upload)
{
    for (guint i = 0; i < metrics->uploads->len; i++) {
        Uploads *known = metrics->uploads->pdata[i];
        if (strcmp(known->content_type, upload->content_type) == 0 &&
            known->is_stored == upload->is_stored && known->has_endpoint == upload->has_endpoint)
            return known;
    }
    Uploads *first = g_new0(Uploads, 1);
    first->content_type = g_strdup(upload->content_type);
    first->is_stored = upload->is_stored;
    first->has_endpoint = upload->has_endpoint;
    first->labels = g_strdup_printf("type=\"%s\",status=\"%s\",custom_endpoint=\"%s\"",
                                    upload->content_type, upload->is_stored ? "success" : "failure",
                                    upload->has_endpoint ? "true" : "false");
    eg_histogram_init(&first->response_ms, upload_bounds_ms, G_N_ELEMENTS(upload_bounds_ms));
    g_ptr_array_add(metrics->uploads, first);
    return first;
}

void eg_metrics_count_upload(EgMetrics *metrics, const Egress__Upload *upload)
{
    Uploads *uploads = find_uploads(metrics, upload);
    eg_histogram_add(&uploads->response_ms, upload->elapsed_ms);
    if (upload->is_backup && upload->is_stored)
        uploads->backup_writes++;
}

/* Writing. */

static void put_requests(EgMetricsPage *page, const EgMetrics *metrics)
{
    guint n = eg_egresses_count(metrics->params.egresses);
    eg_metrics_page_begin(page, "livekit_egress_requests", "gauge",
                          "Egresses that run now, by type.");
    for (gsize t = 0; t < G_N_ELEMENTS(types); t++) {
        guint count = 0;
        for (guint i = 0; i < n; i++) {
            EgEgressView view;
            eg_egresses_get(metrics->params.egresses, i, &view);
            count += strcmp(view.type, types[t]) == 0 ? 1 : 0;
        }
        g_autofree char *labels = g_strdup_printf("type=\"%s\"", types[t]);
        eg_metrics_page_put(page, "livekit_egress_requests", labels, count);
    }
}

static void put_results(EgMetricsPage *page, const EgMetrics *metrics)
{
    const GArray *results = metrics->results;
    eg_metrics_page_begin(page, "livekit_egress_handler_results_total", "counter",
                          "Egresses that have ended, by type and how.");
    for (guint i = 0; i < results->len; i++) {
        const Result *result = &g_array_index(results, Result, i);
        g_autofree char *labels =
            g_strdup_printf("type=\"%s\",result=\"%s\"", result->type, result->result);
        eg_metrics_page_put(page, "livekit_egress_handler_results_total", labels,
                            (double)result->count);
    }
}

static void put_uploads(EgMetricsPage *page, const EgMetrics *metrics)
{
    static const char count[] = "livekit_egress_pipeline_uploads";
    static const char time[] = "livekit_egress_pipline_upload_response_time_ms";
    static const char writes[] = "livekit_egress_backup_storage_writes";
    const GPtrArray *all = metrics->uploads;
    eg_metrics_page_begin(page, count, "counter", "Objects that were uploaded, or were not.");
    for (guint i = 0; i < all->len; i++) {
        const Uploads *uploads = all->pdata[i];
        eg_metrics_page_put(page, count, uploads->labels, (double)uploads->response_ms.n_values);
    }
    eg_metrics_page_begin(page, time, "histogram", "How long that took, with all attempts.");
    for (guint i = 0; i < all->len; i++) {
        const Uploads *uploads = all->pdata[i];
        eg_metrics_page_put_histogram(page, time, uploads->labels, &uploads->response_ms);
    }
    eg_metrics_page_begin(page, writes, "counter", "Objects that went to the backup storage.");
    for (guint i = 0; i < all->len; i++) {
        const Uploads *uploads = all->pdata[i];
        g_autofree char *labels =
            g_strdup_printf("output_type=\"%s\",custom_endpoint=\"%s\"", uploads->content_type,
                            uploads->has_endpoint ? "true" : "false");
        if (uploads->backup_writes > 0)
            eg_metrics_page_put(page, writes, labels, (double)uploads->backup_writes);
    }
}

static guint waiting_files(const EgEgressView *view)
{
    return view->n_waiting_files;
}

static guint waiting_playlists(const EgEgressView *view)
{
    return view->n_waiting_playlists;
}

static void put_waiting(EgMetricsPage *page, const EgMetrics *metrics)
{
    static const struct {
        const char *name;
        const char *help;
        guint (*count)(const EgEgressView *view);
    } rows[] = {
        {"livekit_egress_segments_uploads_channel_size",
         "Files of an egress that wait for their store.",                      waiting_files    },
        {"livekit_egress_playlist_uploads_channel_size",
         "The same of playlists, and of what else is replaced by newer ones.", waiting_playlists},
    };
    guint n = eg_egresses_count(metrics->params.egresses);
    for (gsize r = 0; r < G_N_ELEMENTS(rows); r++) {
        eg_metrics_page_begin(page, rows[r].name, "gauge", rows[r].help);
        for (guint i = 0; i < n; i++) {
            EgEgressView view;
            eg_egresses_get(metrics->params.egresses, i, &view);
            g_autofree char *labels = g_strdup_printf("egress_id=\"%s\"", view.info->egress_id);
            if (view.has_uploads)
                eg_metrics_page_put(page, rows[r].name, labels, rows[r].count(&view));
        }
    }
}

/* What autoscalers ask: whether one more page could be rendered. */
static bool can_accept(const EgMetrics *metrics, gint64 now_ns)
{
    return !eg_egresses_is_closed(metrics->params.egresses) &&
           eg_admission_check(metrics->params.admission, metrics->params.web_cost,
                              metrics->params.web_memory_bytes, now_ns, NULL);
}

static void put_state(EgMetricsPage *page, const EgMetrics *metrics, gint64 now_ns)
{
    const EgMetricsParams *params = &metrics->params;
    bool is_closed = eg_egresses_is_closed(params->egresses);
    eg_metrics_page_put_gauge(page, "livekit_egress_available",
                              "1 while nothing runs and requests are taken.",
                              !is_closed && eg_egresses_count(params->egresses) == 0);
    eg_metrics_page_put_gauge(page, "livekit_egress_can_accept_request",
                              "1 while a web egress would be taken.", can_accept(metrics, now_ns));
    eg_metrics_page_put_gauge(page, "livekit_egress_is_disabled", "1 while no request is taken.",
                              is_closed);
    eg_metrics_page_put_gauge(page, "livekit_egress_is_terminating",
                              "1 while the service is ending.", is_closed);
}

static void put_load(EgMetricsPage *page, const EgMetrics *metrics, gint64 now_ns)
{
    const EgLoad *load = &metrics->load;
    double cpu = load->n_cores > 0 ? load->used_cores / load->n_cores : 0;
    double memory =
        load->memory_bytes > 0 ? (double)load->used_bytes / (double)load->memory_bytes : 0;
    eg_metrics_page_begin(page, "livekit_node_cpu_load", "gauge",
                          "Share of the cores that is used.");
    eg_metrics_page_put(page, "livekit_node_cpu_load", "node_type=\"EGRESS\"", cpu);
    eg_metrics_page_begin(page, "livekit_load_ratio", "gauge",
                          "Share of what there is that is used.");
    eg_metrics_page_put(page, "livekit_load_ratio", "type=\"cpu\"", cpu);
    eg_metrics_page_put(page, "livekit_load_ratio", "type=\"memory\"", memory);
    eg_metrics_page_put_gauge(page, "livekit_egress_proc_rss_bytes",
                              "Memory of the processes of all egresses.",
                              (double)metrics->rss_bytes);
    eg_metrics_page_put_gauge(page, "livekit_egress_cgroup_memory_bytes",
                              "Memory of the control group.", (double)MAX(load->cgroup_bytes, 0));
    eg_metrics_page_put_gauge(page, "livekit_egress_cgroup_read_success",
                              "1 if the control group says how much memory it has.",
                              load->cgroup_bytes >= 0);
    eg_metrics_page_put_gauge(
        page, "livekit_egress_would_reject_cgroup",
        "1 while a web egress would be refused if the memory of the control group counted.",
        load->cgroup_bytes >= 0 &&
            !eg_admission_has_memory(metrics->params.admission, load->cgroup_bytes,
                                     metrics->params.web_memory_bytes, now_ns));
}

static void put_psrpc(EgMetricsPage *page, const EgMetrics *metrics)
{
    const EgMetricsParams *params = &metrics->params;
    if (params->server == NULL)
        return;
    EgMetricsPsrpc server, client;
    server.methods = eg_psrpc_server_get_stats(params->server, &server.n_methods);
    client.methods = eg_psrpc_client_get_stats(params->client, &client.n_methods);
    eg_metrics_put_psrpc(page, &server, &client);
}

char *eg_metrics_render(const EgMetrics *metrics, gint64 now_ns)
{
    EgMetricsPage page = {.text = g_string_new(NULL), .labels = metrics->labels};
    put_state(&page, metrics, now_ns);
    put_requests(&page, metrics);
    put_results(&page, metrics);
    put_uploads(&page, metrics);
    put_waiting(&page, metrics);
    put_load(&page, metrics, now_ns);
    put_psrpc(&page, metrics);
    return g_string_free(page.text, FALSE);
}
