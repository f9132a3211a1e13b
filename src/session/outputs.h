#pragma once

#include "base/log.h"
#include "media/graph.h"
#include "report/report.h"
#include "session/description.h"
#include "sink/sink.h"

/* Where one egress puts what it records: a sink for each output of its plan, handled as one. */
typedef struct _EgOutputs EgOutputs;

typedef struct {
    const EgPlan *plan;
    EgDescription *description; /* names files */
    EgReport *report;           /* is told where they are */
    const EgLog *log;
} EgOutputsParams;

/* Opens all of them for what the graph puts out. What is wrong with a destination, or a codec that
 * its format does not hold, is an error here. */
EgOutputs *eg_outputs_new(EgLoop *loop, const EgOutputsParams *params, const EgGraphOutput *output,
                          const EgSinkEvents *events, gpointer user, GError **error);
void eg_outputs_free(EgOutputs *outputs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgOutputs, eg_outputs_free)

/* As eg_sink_push(), to all of them. */
void eg_outputs_push(EgOutputs *outputs, EgMedia media, GstBuffer *frame);

/* As eg_sink_push_picture(), to those that take raw pictures. */
void eg_outputs_push_picture(EgOutputs *outputs, GstBuffer *picture);

/* A track is muted, or is not any more, from now on. Told where one track alone is heard. */
void eg_outputs_set_muted(EgOutputs *outputs, bool is_muted);

/* Then `drained` when the last of them is that has not failed. One that fails ends alone, and is
 * reported; `failed` comes when none is left. */
void eg_outputs_drain(EgOutputs *outputs);

/* Bytes of all, the longest duration; the report is told of each. */
void eg_outputs_get_stats(EgOutputs *outputs, EgSinkStats *stats);
