#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "report/publisher.h"

/* Delivers what becomes of the egresses, in order, each in a queue of its own: the creation first,
 * one update under way at a time, newer replacing what waits. What is not taken is tried again for
 * ever (0.5 s doubling to 60 s) unless the error says that it never will be. Loop's thread only. */
typedef struct _EgReporter EgReporter;

typedef struct {
    /* The final state of that egress was taken (or refused for good). */
    void (*delivered)(gpointer user, const char *egress_id);
    /* Whether reports get through: false after one had to be tried again, true when one was taken.
     */
    void (*healthy)(gpointer user, bool is_healthy);
} EgReporterEvents;

EgReporter *eg_reporter_new(EgLoop *loop, EgPublisher publisher, const EgLog *log,
                            const EgReporterEvents *events, gpointer user);
void eg_reporter_free(EgReporter *reporter); /* what was not delivered is dropped */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgReporter, eg_reporter_free)

/* How long the pause before the first other try is, and the longest one; the tests' are short. */
void eg_reporter_set_pauses(EgReporter *reporter, gint64 first_ns, gint64 longest_ns);

/* Tells of a new egress; one attempt: `done` gets what became of it, never from inside the call.
 * After an error the egress is forgotten. `already_exists` if something of that id is pending. */
void eg_reporter_create(EgReporter *reporter, const Livekit__EgressInfo *info,
                        void (*done)(gpointer user, const GError *error), gpointer user);

/* Copies `info`. Of an egress whose creation is under way it waits for that. */
void eg_reporter_update(EgReporter *reporter, const Livekit__EgressInfo *info);

/* How many egresses have something that was not delivered yet. */
guint eg_reporter_pending(const EgReporter *reporter);

/* Tries what waits for its next try at once: the way is free again. */
void eg_reporter_retry_now(EgReporter *reporter);
