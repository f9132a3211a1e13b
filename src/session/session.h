#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "livekit_egress.pb-c.h"
#include "request/plan.h"
#include "request/stream-url.h"
#include "source/source.h"
#include "storage/uploader.h"

/* One egress from start to finish: source -> graph -> sink, its state and its report. Lives on its
 * loop's thread, which is the session thread. */
typedef struct _EgSession EgSession;

typedef enum {
    EG_SESSION_NONE,
    EG_SESSION_STARTING, /* until the first media */
    EG_SESSION_ACTIVE,
    EG_SESSION_ENDING, /* what is in flight is put out, files are finished */
    EG_SESSION_COMPLETE,
    EG_SESSION_FAILED,
    EG_SESSION_ABORTED, /* ended before there was anything */
    EG_SESSION_LIMIT_REACHED,
    EG_N_SESSION_STATES,
} EgSessionState;

typedef struct {
    /* Also told for the final states, and of the same state again when the report says something
     * new of an output; eg_session_info() has the details. May come from inside a call and must not
     * free the session. */
    void (*changed)(gpointer user, EgSessionState state);
    /* Nothing is recorded any more, what is left is to be uploaded; may be NULL. */
    void (*recorded)(gpointer user);
    /* Of an upload, for those who count; may be NULL. */
    void (*counted)(gpointer user, const EgUploadResult *result);
    /* The last event, never from inside a call: nothing is running any more. */
    void (*ended)(gpointer user);
} EgSessionEvents;

typedef struct {
    EgSessionState state;
    gint64 recorded_ns;
    guint64 size_bytes; /* of all outputs together */
    guint64 lost_packets;
    guint64 skipped_pictures;
    guint64 uploaded_bytes; /* of those that are complete, or grow: all in all, and how many there
                               are */
    guint64 upload_bytes;
    const char *path;        /* of the finished file, or the playlist; NULL while it is not known */
    const char *description; /* what is being recorded, for people; valid until the next call */
    /* char *: how each output is, likewise; NULL if there is one only, and that no stream. */
    const GPtrArray *outputs;
} EgSessionProgress;

typedef struct {
    const EgPlan *plan;                     /* these four must outlive the session */
    const Rpc__StartEgressRequest *request; /* echoed in the report */
    const EgConfig *config;
    const EgLog *log;
    gint64 requested_ns;    /* when the request was taken, since the Unix epoch */
    const char *spool_root; /* of outputs that go to a store, see storage/spool.h */
    const char *spool_owner;
} EgSessionParams;

EgSession *eg_session_new(EgLoop *loop, const EgSessionParams *params,
                          const EgSessionEvents *events, gpointer user);
void eg_session_free(EgSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSession, eg_session_free)

/* Ends the recording when it is that long (to the frame), with that reason; the shorter one of this
 * and the plan's limit counts. 0: none. Before it starts. */
void eg_session_set_limit(EgSession *session, gint64 duration_ns, EgEndReason reason);

/* Begins. What can be known at once is an error here (destination, token), and nothing comes after;
 * everything else ends in a final state. */
bool eg_session_start(EgSession *session, GError **error);

/* Ends it as failed, for what eg_session_start() has returned. */
void eg_session_fail(EgSession *session, const GError *error);

typedef struct {
    const EgStreamDestination *add;
    gsize n_add;
    const char *const *remove; /* URLs as they were given or are reported, or ids */
    gsize n_remove;
} EgStreamUpdate;

/* Begins and ends streams, as far as it can be; what cannot be done is an error with a line for
 * each. The report is told of, as any other change of it. */
bool eg_session_update_streams(EgSession *session, const EgStreamUpdate *update, GError **error);

/* Whether it is not known yet of a stream whether its server takes it. */
bool eg_session_is_connecting(const EgSession *session);

/* Finishes the outputs in order. Again, or when it is ending already: nothing. */
void eg_session_stop(EgSession *session, EgEndReason reason);

/* Gives up at once: unfinished files keep what they have under their unfinished names. */
void eg_session_abort(EgSession *session);

EgSessionState eg_session_state(const EgSession *session);
bool eg_session_is_final(const EgSession *session);
EgEndReason eg_session_end_reason(const EgSession *session); /* NONE until it is ending */
const Livekit__EgressInfo *eg_session_info(const EgSession *session);

/* Why it failed; NULL if it has not. */
const GError *eg_session_error(const EgSession *session);

/* What waits for its store; false: nothing goes to one. */
bool eg_session_get_waiting(EgSession *session, EgUploaderStats *stats);
void eg_session_get_progress(EgSession *session, EgSessionProgress *progress);

/* What GStreamer does in it, in the language of Graphviz; a new string. */
char *eg_session_describe_graph(const EgSession *session);
const char *eg_session_state_name(EgSessionState state);
