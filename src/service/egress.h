#pragma once

#include "service/egresses.h"
#include "service/fork-server.h"

/* One egress of the service: its process, what that says and is told, and who waits for it. Ends in
 * exactly one final report, whatever dies. Loop's thread only. */
typedef struct _EgEgress EgEgress;

typedef struct {
    EgLoop *loop;
    const EgEgressesParams *params;
    const EgEgressesEvents *events; /* but `ended`, which is the owner's to tell */
    gpointer user;
    EgForkServer *fork_server;
    /* Nothing is recorded any more; its process only uploads. */
    void (*recorded)(gpointer owner, const EgEgress *egress);
    /* Nothing is left of it to wait for; from the loop, and the egress may be freed in it. */
    void (*gone)(gpointer owner, EgEgress *egress);
    gpointer owner;
} EgEgressContext;

/* Starts its process; nothing is told of it until something happens. The context must outlive it.
 */
EgEgress *eg_egress_new(const EgEgressContext *context, const Rpc__StartEgressRequest *request,
                        const EgPlan *plan, GError **error);
void eg_egress_free(EgEgress *egress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgEgress, eg_egress_free)

const char *eg_egress_id(const EgEgress *egress);
void eg_egress_get_view(const EgEgress *egress, EgEgressView *view);

/* Until its process only uploads, or has ended. */
bool eg_egress_is_recording(const EgEgress *egress);

/* What is told when it is gone; valid as long as the egress. */
void eg_egress_get_end(const EgEgress *egress, EgEgressEnd *end);

/* Whether its creation was taken note of. With an error it is over: nothing more is reported. */
void eg_egress_set_created(EgEgress *egress, const GError *error);

/* Of its process, as the fork server tells it. */
void eg_egress_set_process(EgEgress *egress, int pid);
void eg_egress_set_exited(EgEgress *egress, int status);
void eg_egress_set_unwatched(EgEgress *egress, const char *reason);

/* Done when it has started, or has failed to. */
void eg_egress_wait_started(EgEgress *egress, EgEgressDone done, gpointer user);

/* As eg_egresses_stop(). */
void eg_egress_stop(EgEgress *egress, EgEndReason reason, EgEgressDone done, gpointer user);

/* As eg_egresses_update_stream(). */
void eg_egress_update_stream(EgEgress *egress, const Livekit__UpdateStreamRequest *request,
                             EgEgressDone done, gpointer user);

/* As eg_egresses_kill(). */
void eg_egress_kill(EgEgress *egress, const EgEgressKill *kill);

/* Nobody waits for it: the service ends. */
void eg_egress_end(EgEgress *egress);

/* As eg_egresses_describe_graph(). */
void eg_egress_describe_graph(EgEgress *egress, void (*done)(gpointer user, const char *graph),
                              gpointer user);
