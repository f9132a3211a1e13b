#pragma once

#include "base/histogram.h"

/* Writes metrics in the text format of Prometheus 0.0.4: each name is begun once, and its rows
 * follow. Extra labels are "name=\"value\",..." or NULL. */
typedef struct {
    GString *text;
    const char *labels; /* that every row has */
} EgMetricsPage;

/* `type`: "gauge", "counter", "histogram". */
void eg_metrics_page_begin(EgMetricsPage *page, const char *name, const char *type,
                           const char *help);
void eg_metrics_page_put(EgMetricsPage *page, const char *name, const char *labels, double value);
void eg_metrics_page_put_histogram(EgMetricsPage *page, const char *name, const char *labels,
                                   const EgHistogram *histogram);

/* A name with one row. */
void eg_metrics_page_put_gauge(EgMetricsPage *page, const char *name, const char *help,
                               double value);
