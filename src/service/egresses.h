#pragma once

#include "config/config.h"
#include "report/reporter.h"
#include "rpc_egress.pb-c.h"
#include "service/admission.h"
#include "service/fork-server.h"
#include "service/leftovers.h"
#include "source/source.h"

/* All egresses of this service: takes requests, has a process for each, passes on what it says and
 * what is asked of it, and sees that each ends in exactly one final report, whatever dies. Knows
 * nothing of how requests come in. Loop's thread only; callbacks never come from inside a call. */
typedef struct _EgEgresses EgEgresses;

/* An egress that runs, as others may look at it. */
typedef struct {
    const Livekit__EgressInfo *info;
    const Rpc__StartEgressRequest *request; /* with its secrets */
    const char *type;                       /* "participant", as the metrics name it */
    int pid;                                /* 0 until it is known */
    double cpu_cost;                        /* cores that it was given */
    bool has_uploads;                       /* something goes to a store... */
    guint n_waiting_files;                  /* ...and waited when it was asked last */
    guint n_waiting_playlists;
} EgEgressView;

typedef struct {
    const char *egress_id;
    const char *type;
    const char *result; /* "completed", "process_error", ...; NULL: it has never had a process */
    bool is_reported;   /* its final report is on the way; not if it is another's now */
} EgEgressEnd;

/* What becomes of one that is killed. */
typedef struct {
    EgEndReason reason;
    const char *result; /* as in EgEgressEnd; static */
    const GError *error;
} EgEgressKill;

typedef struct {
    /* A process has started or ended, for those who measure. */
    void (*process_started)(gpointer user, const char *egress_id, int pid);
    /* How one is now; also told of a new one. */
    void (*changed)(gpointer user, const Livekit__EgressInfo *info);
    /* Its process has died without a final report. True: it has left something, and whoever takes
     * care of that reports how it ends. */
    bool (*left)(gpointer user, const char *egress_id, const EgLeftoversEnding *ending);
    /* What its process tells of an upload. */
    void (*uploaded)(gpointer user, const Egress__Upload *upload);
    /* It is over, and its process, if it ever had one, is gone. */
    void (*ended)(gpointer user, const EgEgressEnd *end);
} EgEgressesEvents;

/* What becomes of a call: its result (borrowed), or an error. */
typedef void (*EgEgressDone)(gpointer user, const Livekit__EgressInfo *info, const GError *error);

typedef struct {
    const EgConfig *config;
    const char *config_body;        /* as it was given, for the processes */
    const char *const *environment; /* the service's */
    const EgLog *log;
    EgReporter *reporter;
    EgAdmission *admission;
    const char *spool_root; /* see storage/spool.h */
    const char *spool_owner;
} EgEgressesParams;

EgEgresses *eg_egresses_new(EgLoop *loop, const EgEgressesParams *params,
                            const EgEgressesEvents *events, gpointer user, GError **error);
void eg_egresses_free(EgEgresses *egresses);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgEgresses, eg_egresses_free)

/* Whether it would be taken now; see eg_egresses_start() for the errors. */
bool eg_egresses_check(EgEgresses *egresses, const Rpc__StartEgressRequest *request,
                       GError **error);

/* Starts an egress; done when it has a process and was reported as created. One that runs already
 * is answered as it is. */
void eg_egresses_start(EgEgresses *egresses, const Rpc__StartEgressRequest *request,
                       EgEgressDone done, gpointer user);

/* Done as soon as it is ending; not_found: "egress not found". */
void eg_egresses_stop(EgEgresses *egresses, const char *egress_id, EgEndReason reason,
                      EgEgressDone done, gpointer user);

/* Ends its process at once; fails with this unless it has just ended by itself. There need be no
 * such egress. */
void eg_egresses_kill(EgEgresses *egresses, const char *egress_id, const EgEgressKill *kill);

/* Adds and removes streams; done as soon as they are begun and ended, with a line for each that
 * could not be. */
void eg_egresses_update_stream(EgEgresses *egresses, const Livekit__UpdateStreamRequest *request,
                               EgEgressDone done, gpointer user);

/* The graph in the language of Graphviz; done with NULL when there is no such egress. */
void eg_egresses_describe_graph(EgEgresses *egresses, const char *egress_id,
                                void (*done)(gpointer user, const char *graph), gpointer user);

/* A process that is no egress, but belongs to one that has ended: the socket that leads to it, or
 * -1. It is over when that closes. */
int eg_egresses_start_process(EgEgresses *egresses, const char *egress_id, GError **error);

/* Takes no more. */
void eg_egresses_close(EgEgresses *egresses);
bool eg_egresses_is_closed(const EgEgresses *egresses);

/* Ends them all, because the service ends. */
void eg_egresses_end_all(EgEgresses *egresses);

guint eg_egresses_count(const EgEgresses *egresses);
guint eg_egresses_n_recording(const EgEgresses *egresses); /* the others only upload */
/* In the order of their start. */
void eg_egresses_get(const EgEgresses *egresses, guint index, EgEgressView *view);
bool eg_egresses_find(const EgEgresses *egresses, const char *egress_id, EgEgressView *view);
