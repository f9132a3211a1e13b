#include "livekit_egress.pb-c.h"
#include "service/metrics-page.h"
#include "service/metrics-psrpc.h"

#include <string.h>

static const EgPsrpcMethod stop = {
    .service = "EgressHandler",
    .name = "StopEgress",
    .request = &livekit__stop_egress_request__descriptor,
    .has_claim = true,
};

static const EgPsrpcMethod list = {
    .service = "EgressInternal",
    .name = "ListActiveEgress",
    .request = &livekit__stop_egress_request__descriptor,
};

static const EgPsrpcMethod update = {
    .service = "IOInfo",
    .name = "UpdateEgress",
    .request = &livekit__egress_info__descriptor,
    .has_claim = true,
};

static EgMetricsPage new_page(void)
{
    return (EgMetricsPage){.text = g_string_new(NULL), .labels = "node_id=\"NE_x\""};
}

static void assert_page(EgMetricsPage *page, const char *expected)
{
    g_assert_cmpstr(page->text->str, ==, expected);
    g_string_free(page->text, TRUE);
}

static void test_gauge(void)
{
    EgMetricsPage page = new_page();
    eg_metrics_page_put_gauge(&page, "load", "How much.", 0.25);
    eg_metrics_page_put(&page, "load", "type=\"cpu\"", 1e12);
    assert_page(&page, "# HELP load How much.\n"
                       "# TYPE load gauge\n"
                       "load{node_id=\"NE_x\"} 0.25\n"
                       "load{node_id=\"NE_x\",type=\"cpu\"} 1000000000000\n");
}

/* Each bucket holds those before it; what is above all of them is in the last alone. */
static void test_histogram(void)
{
    static const double bounds[] = {0.5, 10, 100};
    EgHistogram histogram;
    eg_histogram_init(&histogram, bounds, G_N_ELEMENTS(bounds));
    const double values[] = {0.25, 10, 11, 1000, 2000};
    for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
        eg_histogram_add(&histogram, values[i]);
    EgMetricsPage page = new_page();
    eg_metrics_page_begin(&page, "t_ms", "histogram", "How long.");
    eg_metrics_page_put_histogram(&page, "t_ms", "role=\"a\"", &histogram);
    eg_metrics_page_put_histogram(&page, "t_ms", NULL, &histogram);
    assert_page(&page, "# HELP t_ms How long.\n"
                       "# TYPE t_ms histogram\n"
                       "t_ms_bucket{node_id=\"NE_x\",role=\"a\",le=\"0.5\"} 1\n"
                       "t_ms_bucket{node_id=\"NE_x\",role=\"a\",le=\"10\"} 2\n"
                       "t_ms_bucket{node_id=\"NE_x\",role=\"a\",le=\"100\"} 3\n"
                       "t_ms_bucket{node_id=\"NE_x\",role=\"a\",le=\"+Inf\"} 5\n"
                       "t_ms_sum{node_id=\"NE_x\",role=\"a\"} 3021.25\n"
                       "t_ms_count{node_id=\"NE_x\",role=\"a\"} 5\n"
                       "t_ms_bucket{node_id=\"NE_x\",le=\"0.5\"} 1\n"
                       "t_ms_bucket{node_id=\"NE_x\",le=\"10\"} 2\n"
                       "t_ms_bucket{node_id=\"NE_x\",le=\"100\"} 3\n"
                       "t_ms_bucket{node_id=\"NE_x\",le=\"+Inf\"} 5\n"
                       "t_ms_sum{node_id=\"NE_x\"} 3021.25\n"
                       "t_ms_count{node_id=\"NE_x\"} 5\n");
}

static EgPsrpcStats new_stats(const EgPsrpcMethod *method)
{
    static const double bounds[] = {10};
    EgPsrpcStats stats = {.method = method};
    eg_histogram_init(&stats.request_ms, bounds, G_N_ELEMENTS(bounds));
    for (guint i = 0; i < EG_N_PSRPC_CLAIMS; i++)
        eg_histogram_init(&stats.claim_ms[i], bounds, G_N_ELEMENTS(bounds));
    return stats;
}

static void assert_has(const char *text, const char *row)
{
    if (strstr(text, row) == NULL)
        g_error("no row %s in:\n%s", row, text);
}

#define SERVER "node_id=\"NE_x\",node_type=\"EGRESS\",role=\"server\","
#define CLIENT "node_id=\"NE_x\",node_type=\"EGRESS\",role=\"client\","
#define STOP   "service=\"EgressHandler\",method=\"StopEgress\""
#define LIST   "service=\"EgressInternal\",method=\"ListActiveEgress\""
#define UPDATE "service=\"IOInfo\",method=\"UpdateEgress\""

static void test_psrpc(void)
{
    EgPsrpcStats server[] = {new_stats(&stop), new_stats(&list)};
    EgPsrpcStats client[] = {new_stats(&update)};
    server[0].received = 5;
    server[0].expired = 1;
    server[0].received_bytes = 70;
    server[0].sent_bytes = 80;
    server[0].errors[EG_ERROR_NOT_FOUND] = 2;
    server[0].errors[EG_ERROR_INTERNAL] = 1;
    eg_histogram_add(&server[0].request_ms, 7);
    eg_histogram_add(&server[0].claim_ms[EG_PSRPC_CLAIM_GRANTED], 3);
    eg_histogram_add(&server[0].claim_ms[EG_PSRPC_CLAIM_TIMED_OUT], 1000);
    eg_histogram_add(&client[0].request_ms, 20);
    client[0].sent_bytes = 9;

    EgMetricsPage page = new_page();
    eg_metrics_put_psrpc(&page, &(EgMetricsPsrpc){server, 2}, &(EgMetricsPsrpc){client, 1});
    g_autofree char *text = g_string_free(page.text, FALSE);
    const char *rows[] = {
        "livekit_psrpc_request_time_ms_bucket{" SERVER "kind=\"rpc\"," STOP ",le=\"10\"} 1\n",
        "livekit_psrpc_request_time_ms_sum{" SERVER "kind=\"rpc\"," STOP "} 7\n",
        "livekit_psrpc_request_time_ms_count{" SERVER "kind=\"multirpc\"," LIST "} 0\n",
        "livekit_psrpc_request_time_ms_bucket{" CLIENT "kind=\"rpc\"," UPDATE ",le=\"10\"} 0\n",
        "livekit_psrpc_request_time_ms_bucket{" CLIENT "kind=\"rpc\"," UPDATE ",le=\"+Inf\"} 1\n",
        "livekit_psrpc_error_total{" SERVER "kind=\"rpc\"," STOP ",error_code=\"not_found\"} 2\n",
        "livekit_psrpc_error_total{" SERVER "kind=\"rpc\"," STOP ",error_code=\"internal\"} 1\n",
        "livekit_psrpc_bytes_total{" SERVER "kind=\"rpc\"," STOP ",direction=\"rx\"} 70\n",
        "livekit_psrpc_bytes_total{" SERVER "kind=\"rpc\"," STOP ",direction=\"tx\"} 80\n",
        "livekit_psrpc_bytes_total{" CLIENT "kind=\"rpc\"," UPDATE ",direction=\"tx\"} 9\n",
        "livekit_psrpc_requests_received_total{node_id=\"NE_x\",node_type=\"EGRESS\"," STOP "} 5\n",
        "livekit_psrpc_requests_expired_total{node_id=\"NE_x\",node_type=\"EGRESS\"," STOP "} 1\n",
        "livekit_psrpc_claim_total{node_id=\"NE_x\",node_type=\"EGRESS\"," STOP
        ",outcome=\"granted\"} 1\n",
        "livekit_psrpc_claim_wait_time_ms_bucket{node_id=\"NE_x\",node_type=\"EGRESS\"," STOP
        ",outcome=\"granted\",le=\"10\"} 1\n",
        "livekit_psrpc_claim_wait_time_ms_sum{node_id=\"NE_x\",node_type=\"EGRESS\"," STOP
        ",outcome=\"timed_out\"} 1000\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        assert_has(text, rows[i]);
    /* What has never happened has no row; what only servers have has none of clients. */
    g_assert_null(strstr(text, "outcome=\"lost\""));
    g_assert_null(strstr(text, "error_code=\"unknown\""));
    g_assert_null(strstr(text, "received_total{node_id=\"NE_x\",node_type=\"EGRESS\"," UPDATE));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/service/metrics/gauge", test_gauge);
    g_test_add_func("/service/metrics/histogram", test_histogram);
    g_test_add_func("/service/metrics/psrpc", test_psrpc);
    return g_test_run();
}
