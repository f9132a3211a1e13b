#pragma once

#include "bus/psrpc.h"
#include "service/admission.h"
#include "service/egresses.h"

/* What Prometheus reads, under LiveKit's names. Asks the others when it is read; only what happens
 * once is told to it. Loop's thread only. */
typedef struct _EgMetrics EgMetrics;

typedef struct {
    const char *node_id;    /* "NE_..." */
    const char *cluster_id; /* "" if there is none */
    EgEgresses *egresses;
    const EgAdmission *admission;
    double web_cost; /* cores of a web egress */
    gint64 web_memory_bytes;
    EgPsrpcServer *server; /* NULL: there is no Redis; then the following is, too */
    EgPsrpcClient *client;
} EgMetricsParams;

EgMetrics *eg_metrics_new(const EgMetricsParams *params);
void eg_metrics_free(EgMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgMetrics, eg_metrics_free)

void eg_metrics_set_load(EgMetrics *metrics, const EgLoad *load);
void eg_metrics_count_result(EgMetrics *metrics, const char *type, const char *result);

void eg_metrics_count_upload(EgMetrics *metrics, const Egress__Upload *upload);

/* In the text format of Prometheus 0.0.4; a new string. */
char *eg_metrics_render(const EgMetrics *metrics, gint64 now_ns);
