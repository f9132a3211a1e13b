#include "service/metrics.h"

#include <string.h>

#include "base/error.h"

static const char *const types[] = {
    "room_composite", "web", "participant", "track_composite", "track", "template", "media",
};

typedef struct {
    char *type;
    char *result;
    guint64 count;
} Result;

struct _EgMetrics {
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

EgMetrics *eg_metrics_new(const EgMetricsParams *params)
{
    EgMetrics *metrics = g_new0(EgMetrics, 1);
    metrics->params = *params;
    metrics->labels =
        g_strdup_printf("node_id=\"%s\",cluster_id=\"%s\"", params->node_id, params->cluster_id);
    metrics->results = g_array_new(FALSE, TRUE, sizeof(Result));
    g_array_set_clear_func(metrics->results, clear_result);
    return metrics;
}

void eg_metrics_free(EgMetrics *metrics)
{
    if (metrics == NULL)
        return;
    g_array_unref(metrics->results);
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

/* Writing. */

typedef struct {
    GString *text;
    const EgMetrics *metrics;
} Page;

static void begin(Page *page, const char *name, const char *type, const char *help)
{
    g_string_append_printf(page->text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `labels` may be NULL. */
static void put(Page *page, const char *name, const char *labels, double value)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];
    g_ascii_dtostr(number, sizeof(number), value);
    g_string_append_printf(page->text, "%s{%s%s%s} %s\n", name, page->metrics->labels,
                           labels != NULL ? "," : "", labels != NULL ? labels : "", number);
}

static void put_gauge(Page *page, const char *name, const char *help, double value)
{
    begin(page, name, "gauge", help);
    put(page, name, NULL, value);
}

static void put_requests(Page *page)
{
    const EgMetrics *metrics = page->metrics;
    guint n = eg_egresses_count(metrics->params.egresses);
    begin(page, "livekit_egress_requests", "gauge", "Egresses that run now, by type.");
    for (gsize t = 0; t < G_N_ELEMENTS(types); t++) {
        guint count = 0;
        for (guint i = 0; i < n; i++) {
            EgEgressView view;
            eg_egresses_get(metrics->params.egresses, i, &view);
            count += strcmp(view.type, types[t]) == 0 ? 1 : 0;
        }
        g_autofree char *labels = g_strdup_printf("type=\"%s\"", types[t]);
        put(page, "livekit_egress_requests", labels, count);
    }
}

static void put_results(Page *page)
{
    const GArray *results = page->metrics->results;
    begin(page, "livekit_egress_handler_results_total", "counter",
          "Egresses that have ended, by type and how.");
    for (guint i = 0; i < results->len; i++) {
        const Result *result = &g_array_index(results, Result, i);
        g_autofree char *labels =
            g_strdup_printf("type=\"%s\",result=\"%s\"", result->type, result->result);
        put(page, "livekit_egress_handler_results_total", labels, (double)result->count);
    }
}

/* What autoscalers ask: whether one more page could be rendered. */
static bool can_accept(const EgMetrics *metrics, gint64 now_ns)
{
    return !eg_egresses_is_closed(metrics->params.egresses) &&
           eg_admission_check(metrics->params.admission, metrics->params.web_cost, 0, now_ns, NULL);
}

static void put_state(Page *page, gint64 now_ns)
{
    const EgMetrics *metrics = page->metrics;
    const EgMetricsParams *params = &metrics->params;
    bool is_closed = eg_egresses_is_closed(params->egresses);
    put_gauge(page, "livekit_egress_available", "1 while nothing runs and requests are taken.",
              !is_closed && eg_egresses_count(params->egresses) == 0);
    put_gauge(page, "livekit_egress_can_accept_request", "1 while a web egress would be taken.",
              can_accept(metrics, now_ns));
    put_gauge(page, "livekit_egress_is_disabled", "1 while no request is taken.", is_closed);
    put_gauge(page, "livekit_egress_is_terminating", "1 while the service is ending.", is_closed);
}

static void put_load(Page *page)
{
    const EgLoad *load = &page->metrics->load;
    double cpu = load->n_cores > 0 ? load->used_cores / load->n_cores : 0;
    double memory =
        load->memory_bytes > 0 ? (double)load->used_bytes / (double)load->memory_bytes : 0;
    begin(page, "livekit_node_cpu_load", "gauge", "Share of the cores that is used.");
    put(page, "livekit_node_cpu_load", "node_type=\"EGRESS\"", cpu);
    begin(page, "livekit_load_ratio", "gauge", "Share of what there is that is used.");
    put(page, "livekit_load_ratio", "type=\"cpu\"", cpu);
    put(page, "livekit_load_ratio", "type=\"memory\"", memory);
    put_gauge(page, "livekit_egress_proc_rss_bytes", "Memory of the processes of all egresses.",
              (double)page->metrics->rss_bytes);
    put_gauge(page, "livekit_egress_cgroup_memory_bytes", "Memory that is used.",
              (double)load->used_bytes);
}

static void put_psrpc_row(Page *page, const char *name, const char *role, const EgPsrpcStats *stats,
                          guint64 value)
{
    g_autofree char *labels = g_strdup_printf(
        "node_type=\"EGRESS\",role=\"%s\",kind=\"%s\",service=\"%s\",method=\"%s\"", role,
        stats->method->has_claim ? "rpc" : "multirpc", stats->method->service, stats->method->name);
    put(page, name, labels, (double)value);
}

typedef struct {
    const char *name;
    const char *help;
    gsize offset; /* of the counter in EgPsrpcStats */
} PsrpcCounter;

static const PsrpcCounter psrpc_counters[] = {
    {"livekit_psrpc_requests_received_total", "Calls of internal methods.",
     G_STRUCT_OFFSET(EgPsrpcStats, requests)},
    {"livekit_psrpc_error_total",             "Such calls that ended in an error.",
     G_STRUCT_OFFSET(EgPsrpcStats, errors)  },
    {"livekit_psrpc_requests_expired_total",  "Such calls that came too late.",
     G_STRUCT_OFFSET(EgPsrpcStats, expired) },
};

static void put_psrpc(Page *page)
{
    const EgMetricsParams *params = &page->metrics->params;
    guint n_server = 0, n_client = 0;
    const EgPsrpcStats *server =
        params->server != NULL ? eg_psrpc_server_get_stats(params->server, &n_server) : NULL;
    const EgPsrpcStats *client =
        params->client != NULL ? eg_psrpc_client_get_stats(params->client, &n_client) : NULL;
    for (gsize c = 0; c < G_N_ELEMENTS(psrpc_counters); c++) {
        const PsrpcCounter *counter = &psrpc_counters[c];
        begin(page, counter->name, "counter", counter->help);
        for (guint i = 0; i < n_server; i++)
            put_psrpc_row(page, counter->name, "server", &server[i],
                          G_STRUCT_MEMBER(guint64, &server[i], counter->offset));
        for (guint i = 0; i < n_client; i++)
            put_psrpc_row(page, counter->name, "client", &client[i],
                          G_STRUCT_MEMBER(guint64, &client[i], counter->offset));
    }
}

char *eg_metrics_render(const EgMetrics *metrics, gint64 now_ns)
{
    Page page = {.text = g_string_new(NULL), .metrics = metrics};
    put_state(&page, now_ns);
    put_requests(&page);
    put_results(&page);
    put_load(&page);
    put_psrpc(&page);
    return g_string_free(page.text, FALSE);
}
