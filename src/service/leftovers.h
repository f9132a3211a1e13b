#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "egress_ipc.pb-c.h"
#include "livekit_egress.pb-c.h"
#include "service/state.h"
#include "source/source.h"

/* Spool folders that nobody works on any more: each gets a process that completes and uploads what
 * is in it, and says how its egress has ended. Folders of others are left alone, as are those in
 * which a process is at work, until that has gone. Loop's thread only. */
typedef struct _EgLeftovers EgLeftovers;

typedef struct {
    const EgLog *log;
    const char *root;               /* of the spool */
    const char *owner;              /* who we are, see storage/spool.h */
    const char *config_body;        /* for the processes, as the environment */
    const char *const *environment; /* all must outlive it */
    /* Starts a process: the socket that leads to it, or -1. */
    int (*start)(gpointer user, const char *egress_id, GError **error);
    /* The final report of an egress, once for each that was added with one. */
    void (*ended)(gpointer user, const Livekit__EgressInfo *info);
    void (*uploaded)(gpointer user, const Egress__Upload *upload);
    gpointer user;
} EgLeftoversParams;

EgLeftovers *eg_leftovers_new(EgLoop *loop, const EgLeftoversParams *params);

/* Processes go on by themselves. */
void eg_leftovers_free(EgLeftovers *leftovers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgLeftovers, eg_leftovers_free)

/* Whether there is a folder of this egress. */
bool eg_leftovers_has(const EgLeftovers *leftovers, const char *egress_id);

typedef struct {
    const Livekit__EgressInfo *info; /* the last that is known */
    EgEndReason reason;              /* NONE: what the info says */
    const GError *error;             /* why nobody works on it */
} EgLeftoversEnding;

/* Of this egress, which ends so if its folder does not know better. */
void eg_leftovers_add(EgLeftovers *leftovers, const char *egress_id,
                      const EgLeftoversEnding *ending);

/* Of one whose final report is on its way: removes its folder, or uploads what is in it if nobody
 * has tried to yet. */
void eg_leftovers_clean(EgLeftovers *leftovers, const char *egress_id);

/* Of one that is another's, or that nobody knows of: its folder is removed, with what is in it. */
void eg_leftovers_drop(EgLeftovers *leftovers, const char *egress_id);

/* At the start, when the states of dead services were adopted: all folders that are ours, or of
 * nobody who lives. Those of egresses that were added are left to that. */
void eg_leftovers_find(EgLeftovers *leftovers, const EgState *state);

/* How many are still to be reported. */
guint eg_leftovers_count(const EgLeftovers *leftovers);
