#pragma once

#include "media/graph.h"
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
    EgSource *source;
    EgGraph *graph;
    EgOutputs *outputs; /* when there is something to put out */
    EgDescription *description;
    GPtrArray *output_lines; /* char *: what was told last of the outputs; NULL */

    gint64 limit_ns; /* of the recording's duration; 0: none */
    EgEndReason limit_reason;
    gint64 origin_ns; /* monotonic; of the recording's first media */
    EgTimer *limit_timer;
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

/* In session-source.c. */
extern const EgSourceEvents eg_session_source_events;

/* Remembers why the egress has to end; it begins to from the loop, since who tells it is in the
 * middle of something. The first cause counts. */
void eg_session_end_soon(EgSession *session, EgEndReason reason, const GError *error);

/* Something has changed that the report says of an output; `user` is the session. */
void eg_session_outputs_changed(gpointer user);

/* In session-spool.c. Makes the spool if something goes to a store. */
bool eg_session_open_spool(EgSession *session, GError **error);

/* Keeps how the egress is, or will have ended, in the spool. */
void eg_session_note(EgSession *session, const Livekit__EgressInfo *info,
                     Egress__SpoolRecord__RecordCase kind);

/* In session.c. */
extern const EgGraphEvents eg_session_graph_events;

/* In session-graph.c: when the source has been found. */
bool eg_session_open_graph(EgSession *session, const EgSourceFacts *facts, GError **error);
