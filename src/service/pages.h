#pragma once

#include "config/config.h"
#include "service/admission.h"
#include "service/egresses.h"
#include "service/metrics.h"

/* The operator's HTTP ports: health (any path), Prometheus (any path) and, for debugging, the graph
 * of an egress (/gst_pipeline/EGRESS_ID). Ports that the config sets to 0 are off. */
typedef struct _EgPages EgPages;

EgPages *eg_pages_new(EgLoop *loop, const EgConfig *config, EgEgresses *egresses,
                      const EgAdmission *admission, const EgMetrics *metrics, GError **error);
void eg_pages_free(EgPages *pages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPages, eg_pages_free)
