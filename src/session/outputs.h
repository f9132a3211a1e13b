#pragma once

#include "base/log.h"
#include "media/graph.h"
#include "report/manifest.h"
#include "report/report.h"
#include "request/stream-url.h"
#include "session/description.h"
#include "session/uploads.h"
#include "sink/sink.h"

/* Where one egress puts what it records: a sink for each output of its plan, handled as one. */
typedef struct _EgOutputs EgOutputs;

typedef struct {
    const EgPlan *plan;
    EgDescription *description; /* names files */
    EgReport *report;           /* is told where they are */
    EgManifest *manifest;       /* is told of their files, and written beside them at the end */
    const EgConfig *config;
    const EgLog *log;
    EgSpool *spool; /* of outputs that go to a store; NULL: there are none */
} EgOutputsParams;

typedef struct {
    /* When the last of them is that has not failed, and all is where it belongs. */
    void (*drained)(gpointer user);
    /* When none is left; or when something could not be uploaded. */
    void (*failed)(gpointer user, const GError *error);
    /* Before these two, if it takes uploads: nothing is recorded any more, all that is left is to
     * be uploaded. `error`: why nothing is, if none has been finished well. */
    void (*recorded)(gpointer user, const GError *error);
    /* The last was removed: there is nothing to record for any more. */
    void (*emptied)(gpointer user);
    /* The report says something new of one of them. */
    void (*changed)(gpointer user);
    /* Of an upload; may be NULL. */
    void (*counted)(gpointer user, const EgUploadResult *result);
} EgOutputsEvents;

/* Opens all of them for what the graph puts out. What is wrong with a destination, or a codec that
 * its format does not hold, is an error here. */
EgOutputs *eg_outputs_new(EgLoop *loop, const EgOutputsParams *params, const EgGraphOutput *output,
                          const EgOutputsEvents *events, gpointer user, GError **error);
void eg_outputs_free(EgOutputs *outputs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgOutputs, eg_outputs_free)

/* As eg_sink_push(), to all of them. */
void eg_outputs_push(EgOutputs *outputs, EgMedia media, GstBuffer *frame);

/* As eg_sink_push_picture(), to those that take raw pictures. */
void eg_outputs_push_picture(EgOutputs *outputs, GstBuffer *picture);

/* A track is muted, or is not any more, from now on. Told where one track alone is heard. */
void eg_outputs_set_muted(EgOutputs *outputs, bool is_muted);

/* One stream more, from the next key frame on. What becomes of its connection is reported, it is no
 * error here; a URL that is none is, or one that is streamed to already. */
bool eg_outputs_add_stream(EgOutputs *outputs, const EgStreamDestination *stream, GError **error);

/* Ends one, by its URL as it was given or as it is reported, or by its id. not_found: there is
 * none. */
bool eg_outputs_remove_stream(EgOutputs *outputs, const char *url, GError **error);

/* Whether there is a stream whose server has neither taken nor refused it yet. */
bool eg_outputs_are_connecting(const EgOutputs *outputs);

/* How each of them is, in words for people: char *, the caller frees it. NULL if
 * there is only one, and that is no stream. */
GPtrArray *eg_outputs_describe(const EgOutputs *outputs);

/* Then `drained` or `failed`. One that fails ends alone, and is reported. */
void eg_outputs_drain(EgOutputs *outputs);

/* Those that go to a store are somebody else's now: no more of them is uploaded, and what is not
 * yet is let go of. The others go on. */
void eg_outputs_disown(EgOutputs *outputs);

/* Ends, in order, and reports those whose disks have no room to go on and to finish what there is.
 * False if none would be left that goes on: then none is ended. */
bool eg_outputs_leave_full_disks(EgOutputs *outputs, GError **error);

/* Of what is uploaded; nothing without a spool. */
void eg_outputs_get_upload_stats(const EgOutputs *outputs, EgUploaderStats *stats);

typedef struct {
    gint64 duration_ns;         /* the longest */
    guint64 size_bytes;         /* of all together */
    guint64 largest_file_bytes; /* of what is one file, which may have a limit; 0: there is none */
} EgOutputsStats;

/* The report is told of each. */
void eg_outputs_get_stats(EgOutputs *outputs, EgOutputsStats *stats);
