#pragma once

#include "media/graph.h"
#include "report/manifest.h"
#include "report/report.h"
#include "session/description.h"
#include "session/outputs.h"
#include "session/session.h"

/* What the files of the session share. */
struct _EgSession {
    EgLoop *loop;
    const EgPlan *plan;
    const EgConfig *config;
    const EgLog *log;
    const Rpc__StartEgressRequest *request;
    gint64 requested_ns;
    char *spool_root;
    char *spool_owner;
    EgSpool *spool; /* NULL: nothing goes to a store */
    EgSessionEvents events;
    gpointer user;

    EgSessionState state;
    EgEndReason end_reason;
    GError *error; /* why it is failing: the first cause */
    EgReport *report;
    EgManifest *manifest;
    EgSource *source;
    EgGraph *graph;
    EgOutputs *outputs; /* when there is something to put out */
    EgDescription *description;
    gint64 manifest_kept_ns; /* in the spool; 0: not yet */
    guint manifest_kept_events;
    GPtrArray *output_lines; /* char *: what was told last of the outputs; NULL */

    gint64 limit_ns; /* of the recording's duration; 0: none */
    EgEndReason limit_reason;
    gint64 origin_ns; /* monotonic; of the recording's first media */
    EgTimer *limit_timer;
    EgTimer *watch_timer; /* looks how much is skipped */
    EgTimer *size_timer;  /* looks whether the file has become too large, or the disk is full */
    EgTimer *end_timer;   /* carries an end out of the callback that told it */
    EgTimer *drain_timer; /* the deadline of ENDING */
    EgTimer *ended_timer; /* tells `ended` */

    /* Kept when the parts are gone. */
    EgOutputsStats sink_stats;
    EgSourceStats source_stats;
    EgGraphStats graph_stats;
    EgUploaderStats upload_stats;
};

EgManifestTime eg_session_now(void);

/* In session-source.c. */
extern const EgSourceEvents eg_session_source_events;

/* Remembers why the egress has to end; it begins to from the loop, since who tells it is in the
 * middle of something. The first cause counts. */
void eg_session_end_soon(EgSession *session, EgEndReason reason, const GError *error);

/* Something has changed that the report says of an output; `user` is the session. */
void eg_session_outputs_changed(gpointer user);

/* In session-progress.c. Of the file, as it is called when it is finished or `as_it_is`, else of
 * the playlist; NULL if neither is known. */
const char *eg_session_path(const EgSession *session, bool as_it_is);
void eg_session_collect_stats(EgSession *session);
void eg_session_log_stats(EgSession *session);

/* In session-spool.c. Makes the spool if something goes to a store. */
bool eg_session_open_spool(EgSession *session, GError **error);

/* Keeps the manifest as it is by now in the spool; does so only now and then, unless `is_last`. */
void eg_session_keep_manifest(EgSession *session, bool is_last);

/* With all that is in it. */
void eg_session_drop_spool(EgSession *session);

/* Keeps how the egress is, or will have ended, in the spool. */
void eg_session_note(EgSession *session, const Livekit__EgressInfo *info,
                     Egress__SpoolRecord__RecordCase kind);

/* In session.c. */
extern const EgGraphEvents eg_session_graph_events;

/* In session-graph.c: when the source has been found. */
bool eg_session_open_graph(EgSession *session, const EgSourceFacts *facts, GError **error);
