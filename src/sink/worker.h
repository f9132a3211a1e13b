#pragma once

#include <glib.h>
#include <stdbool.h>

#include "base/loop.h"

/* A thread that works off a bounded queue: what waits for the disk waits here and not in the loop.
 * Owner's thread only, unless said otherwise. */
typedef struct _EgWorker EgWorker;

/* What all workers of a kind have in common; static. */
typedef struct {
    const char *name;      /* of the thread */
    gsize limit_bytes;     /* of what waits */
    gint64 stall_ns;       /* how long it may stand still while it is completed; 0: a minute */
    GDestroyNotify unload; /* of an item that is not handled */
    /* On the thread. `work` takes the item; `finish` completes the output, after the last item. */
    bool (*work)(gpointer user, gpointer item, GError **error);
    bool (*finish)(gpointer user, GError **error);
    GDestroyNotify destroy; /* of `user`, on whichever thread is the last to need it */
    /* On the loop's thread, once: everything is done, or what went wrong. */
    void (*ended)(gpointer owner, const GError *error);
} EgWorkerClass;

/* `path` is for error texts. `user` is handed over: only the thread's functions and `destroy` see
 * it. */
EgWorker *eg_worker_new(EgLoop *loop, const EgWorkerClass *class, const char *path, gpointer user,
                        gpointer owner);

/* What was pushed is worked off. Waits for that, but not for a thread that has hung:
 * that is left to itself. `ended` does not come afterwards. NULL is fine. */
void eg_worker_free(EgWorker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgWorker, eg_worker_free)

/* (transfer full); never blocks. What does not fit ends the work: the disk is too slow. What was
 * there before is completed all the same. */
void eg_worker_push(EgWorker *worker, gpointer item, gsize size_bytes);

/* How many items wait, or are being worked on. Any thread. */
guint eg_worker_waiting(const EgWorker *worker);

/* After what was pushed `finish`, then `ended`, at the latest when nothing has moved for
 * `stall_ns`.
 */
void eg_worker_finish(EgWorker *worker);
