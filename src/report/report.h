#pragma once

#include "livekit_egress.pb-c.h"
#include "request/plan.h"
#include "sink/sink.h"
#include "source/source.h"

/* The EgressInfo of one egress, and its only writer. One thread only. Instants are wall-clock
 * nanoseconds since the Unix epoch. */
typedef struct _EgReport EgReport;

/* Status STARTING, with what the plan knows. `request` is echoed (copied), without its secrets. */
EgReport *eg_report_new(const EgPlan *plan, const Rpc__StartEgressRequest *request, gint64 now_ns);

/* To go on where another process has stopped; copied. Without the plan (NULL) no output is known by
 * its place in it. */
EgReport *eg_report_new_from_info(const Livekit__EgressInfo *info, const EgPlan *plan);
void eg_report_free(EgReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgReport, eg_report_free)

/* Valid until the next call that changes it. */
const Livekit__EgressInfo *eg_report_info(const EgReport *report);

void eg_report_set_room(EgReport *report, const char *room_name, const char *room_sid);

/* Where one output is; NULL: it has no such. */
typedef struct {
    const char *path;   /* of a file */
    const char *prefix; /* what paths of segments and images begin with, up to the number */
    const char *playlist;
    const char *live_playlist;
    bool is_stored; /* these are names in a store: where that is, it says later */
} EgReportNames;

/* Of one output, by its place in the plan: where it is, how far it has come, that it has ended
 * before the others. */
void eg_report_set_names(EgReport *report, guint output, const EgReportNames *names);
void eg_report_set_progress(EgReport *report, guint output, const EgSinkStats *stats);
void eg_report_set_failed(EgReport *report, guint output, const GError *error, gint64 now_ns);

/* An object of an output is in a store; `key` is its name, without a slash in front. */
void eg_report_set_stored(EgReport *report, guint output, const char *key, const char *location,
                          bool is_backup);

/* What an output consists of whose sink has died; the duration is 0 if nobody knows it. */
void eg_report_set_recovered(EgReport *report, guint output, const EgSinkStats *stats);

/* One that was ended alone, in order. */
void eg_report_set_finished(EgReport *report, guint output, gint64 now_ns);

/* Something of its outputs has changed. */
void eg_report_set_updated(EgReport *report, gint64 now_ns);

/* One more stream; returns its place. */
guint eg_report_add_stream(EgReport *report, const EgOutput *output, gint64 now_ns);

/* For a recording that has not ended in order: says where what there is of its files really is,
 * which may be under an unfinished name, or nowhere, and ends playlists. Looks at the disk. */
void eg_report_locate_files(EgReport *report);

void eg_report_set_active(EgReport *report, gint64 now_ns);
void eg_report_set_ending(EgReport *report, EgEndReason reason, gint64 now_ns);

/* The final state; the error (may be NULL) gives text and code. */
void eg_report_set_ended(EgReport *report, Livekit__EgressStatus status, EgEndReason reason,
                         const GError *error, gint64 now_ns);
