#include "service/metrics-psrpc.h"

/* One family of metrics, and what one method has to say in it. */
typedef struct {
    const char *name; /* after livekit_psrpc_ */
    const char *type;
    const char *help;
    void (*put)(EgMetricsPage *page, const char *name, const char *role, const EgPsrpcStats *stats);
    bool is_of_server; /* alone */
} Family;

static char *labels_of(const char *role, const EgPsrpcStats *stats)
{
    return g_strdup_printf(
        "node_type=\"EGRESS\",role=\"%s\",kind=\"%s\",service=\"%s\",method=\"%s\"", role,
        stats->method->has_claim ? "rpc" : "multirpc", stats->method->service, stats->method->name);
}

/* Where there is but one role. */
static char *server_labels_of(const EgPsrpcStats *stats)
{
    return g_strdup_printf("node_type=\"EGRESS\",service=\"%s\",method=\"%s\"",
                           stats->method->service, stats->method->name);
}

static void put_with(EgMetricsPage *page, const char *name, const char *labels, const char *label,
                     const char *text, guint64 value)
{
    g_autofree char *all = g_strdup_printf("%s,%s=\"%s\"", labels, label, text);
    eg_metrics_page_put(page, name, all, (double)value);
}

static void put_times(EgMetricsPage *page, const char *name, const char *role,
                      const EgPsrpcStats *stats)
{
    g_autofree char *labels = labels_of(role, stats);
    eg_metrics_page_put_histogram(page, name, labels, &stats->request_ms);
}

static void put_errors(EgMetricsPage *page, const char *name, const char *role,
                       const EgPsrpcStats *stats)
{
    g_autofree char *labels = labels_of(role, stats);
    for (EgErrorCode code = EG_ERROR_NONE + 1; code < EG_N_ERRORS; code++) {
        if (stats->errors[code] > 0)
            put_with(page, name, labels, "error_code", eg_error_code_name(code),
                     stats->errors[code]);
    }
}

static void put_bytes(EgMetricsPage *page, const char *name, const char *role,
                      const EgPsrpcStats *stats)
{
    g_autofree char *labels = labels_of(role, stats);
    put_with(page, name, labels, "direction", "rx", stats->received_bytes);
    put_with(page, name, labels, "direction", "tx", stats->sent_bytes);
}

static void put_received(EgMetricsPage *page, const char *name, const char *role,
                         const EgPsrpcStats *stats)
{
    (void)role;
    g_autofree char *labels = server_labels_of(stats);
    eg_metrics_page_put(page, name, labels, (double)stats->received);
}

static void put_expired(EgMetricsPage *page, const char *name, const char *role,
                        const EgPsrpcStats *stats)
{
    (void)role;
    g_autofree char *labels = server_labels_of(stats);
    eg_metrics_page_put(page, name, labels, (double)stats->expired);
}

static const char *const claim_names[EG_N_PSRPC_CLAIMS] = {
    [EG_PSRPC_CLAIM_GRANTED] = "granted",
    [EG_PSRPC_CLAIM_LOST] = "lost",
    [EG_PSRPC_CLAIM_TIMED_OUT] = "timed_out",
};

static void put_claims(EgMetricsPage *page, const char *name, const char *role,
                       const EgPsrpcStats *stats)
{
    (void)role;
    g_autofree char *labels = server_labels_of(stats);
    for (guint i = 0; i < EG_N_PSRPC_CLAIMS; i++) {
        if (stats->claim_ms[i].n_values > 0)
            put_with(page, name, labels, "outcome", claim_names[i], stats->claim_ms[i].n_values);
    }
}

static void put_claim_waits(EgMetricsPage *page, const char *name, const char *role,
                            const EgPsrpcStats *stats)
{
    (void)role;
    g_autofree char *labels = server_labels_of(stats);
    for (guint i = 0; i < EG_N_PSRPC_CLAIMS; i++) {
        if (stats->claim_ms[i].n_values == 0)
            continue;
        g_autofree char *all = g_strdup_printf("%s,outcome=\"%s\"", labels, claim_names[i]);
        eg_metrics_page_put_histogram(page, name, all, &stats->claim_ms[i]);
    }
}

static const Family families[] = {
    {"request_time_ms",         "histogram", "How long calls took that ended well.", put_times,       false},
    {"error_total",             "counter",   "Calls that ended in an error.",        put_errors,      false},
    {"bytes_total",             "counter",   "Sizes of requests and responses.",     put_bytes,       false},
    {"requests_received_total", "counter",   "Requests that came.",                  put_received,    true },
    {"requests_expired_total",  "counter",   "Requests that came too late.",         put_expired,     true },
    {"claim_total",             "counter",   "What became of bids.",                 put_claims,      true },
    {"claim_wait_time_ms",      "histogram", "How long bids waited.",                put_claim_waits, true },
};

void eg_metrics_put_psrpc(EgMetricsPage *page, const EgMetricsPsrpc *server,
                          const EgMetricsPsrpc *client)
{
    for (gsize f = 0; f < G_N_ELEMENTS(families); f++) {
        const Family *family = &families[f];
        g_autofree char *name = g_strconcat("livekit_psrpc_", family->name, NULL);
        eg_metrics_page_begin(page, name, family->type, family->help);
        for (guint i = 0; i < server->n_methods; i++)
            family->put(page, name, "server", &server->methods[i]);
        for (guint i = 0; i < client->n_methods && !family->is_of_server; i++)
            family->put(page, name, "client", &client->methods[i]);
    }
}
