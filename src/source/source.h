#pragma once

#include <gst/gst.h>

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "request/plan.h"
#include "room/room.h"

/* Where media comes from: chosen by the plan from the table in source.c. Session thread only;
 * callbacks never come from inside a call. */
typedef struct _EgSource EgSource;

/* One stream of coded media, from track_added to track_removed. */
typedef struct _EgSourceTrack EgSourceTrack;

/* LiveKit's words for why an egress ended. */
typedef enum {
    EG_END_NONE,
    EG_END_STOPPED,            /* "StopEgress API": somebody asked */
    EG_END_KILLED,             /* "Process killed" */
    EG_END_SOURCE_CLOSED,      /* "Source closed": room, participant or tracks are gone */
    EG_END_LIMIT,              /* "Session limit reached" */
    EG_END_STREAMS_STOPPED,    /* "All streams stopped" */
    EG_END_CPU,                /* "CPU exhausted" */
    EG_END_FAILURE,            /* "Failure" */
    EG_END_DUPLICATE_IDENTITY, /* another one has taken over: end without a word */
    EG_N_ENDS,
} EgEndReason;

/* Where a track goes in the output. */
typedef struct {
    EgRoute route; /* of sound: LEFT, RIGHT or BOTH */
    guint rank;    /* of pictures: of the tracks that have some, the one with the lowest is shown */
} EgPlacement;

/* What is known of the source once it was found; for file names and reports. */
typedef struct {
    const char *room_name; /* NULL: no room */
    const char *room_sid;
    const char *identity;             /* whose tracks are recorded; NULL if of several */
    const char *page;                 /* what a browser shows, in words; NULL: nothing does */
    const EgPublication *publication; /* if one track alone is recorded, else NULL */
} EgSourceFacts;

typedef struct {
    /* Once: what is to be recorded is there (a participant perhaps without any track yet). */
    void (*found)(gpointer user, const EgSourceFacts *facts);
    /* A track that is to be recorded will send. Returns what the callbacks below are given. */
    gpointer (*track_added)(gpointer user, EgSourceTrack *track, const EgPublication *publication,
                            const EgPlacement *placement);
    /* The same of what comes decoded: pictures in the plan's size (I420, BT.709 limited), or sound
     * (interleaved F32LE, stereo, of this rate). Returns what `raw` is given. */
    gpointer (*raw_added)(gpointer user, EgMedia media, guint rate_hz);
    /* (transfer full); PTS is the instant, monotonic. */
    void (*raw)(gpointer user, gpointer track, GstBuffer *buffer);
    /* Somebody has come into the room, or has left it; what is recorded of them or not. */
    void (*participant)(gpointer user, const EgParticipant *participant, bool is_there);
    /* A template shows its first layout, or another one. */
    void (*layout_changed)(gpointer user, const char *name);
    /* The connection to the room is lost, and is back. */
    void (*reconnecting)(gpointer user);
    void (*reconnected)(gpointer user);
    /* Once, after `found` and the tracks that there are then. */
    void (*tracks_complete)(gpointer user);
    /* Its stream starts; may start again with another codec, always after stream_ended. */
    void (*stream_started)(gpointer user, gpointer track, EgCodec codec, guint clock_rate_hz);
    void (*packet)(gpointer user, gpointer track, EgPacket *packet);
    void (*sender_report)(gpointer user, gpointer track, const EgSenderReport *report);
    void (*stream_ended)(gpointer user, gpointer track);
    void (*muted)(gpointer user, gpointer track, bool is_muted);
    /* Nothing comes from it any more. */
    void (*track_removed)(gpointer user, gpointer track, const EgPublication *publication);
    /* The last event; the error (may be NULL) says why if it is a failure. */
    void (*ended)(gpointer user, EgEndReason reason, const GError *error);
} EgSourceEvents;

typedef struct {
    EgReceiverStats receiver; /* sums over all tracks that there have been */
    guint64 missed_pictures;  /* of a page, since this process had no time to look */
} EgSourceStats;

/* Plan, config and log must outlive the source. */
typedef struct {
    EgLoop *loop;
    const EgPlan *plan;
    const EgConfig *config;
    const char *token; /* joins the room; NULL: there is none. Copied if needed */
    const EgLog *log;
    EgSourceEvents events;
    gpointer user; /* of the events */
} EgSourceParams;

/* Starts at once. What is wrong at once is an error; everything else comes as `ended`. */
EgSource *eg_source_new(const EgSourceParams *params, GError **error);

/* Leaves the room, ends the browser; no callback comes afterwards. */
void eg_source_free(EgSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSource, eg_source_free)

void eg_source_track_set_wants_key_frame(EgSourceTrack *track, bool wants);

void eg_source_get_stats(EgSource *source, EgSourceStats *stats);

/* "StopEgress API". */
const char *eg_end_reason_name(EgEndReason reason);
