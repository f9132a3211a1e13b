#pragma once

#include "bus/psrpc.h"
#include "service/metrics-page.h"

/* The statistics of one side of psrpc; there may be none of it. */
typedef struct {
    const EgPsrpcStats *methods;
    guint n_methods;
} EgMetricsPsrpc;

/* Everything that is known of internal calls, under the names that all services of LiveKit have. */
void eg_metrics_put_psrpc(EgMetricsPage *page, const EgMetricsPsrpc *server,
                          const EgMetricsPsrpc *client);
