#pragma once

#include "request/codec.h"
#include "room/packet.h"

/* When was what came over the network captured? One timeline for all tracks: local monotonic
 * nanoseconds. A track's RTP timestamps are mapped to the sender's clock by its sender reports, and
 * the sender's clock to ours once per participant, so that sound and picture of a participant share
 * one mapping. Before the first report a track is mapped by arrival. Corrections never step: they
 * are followed slowly (or, where that would take too long, taken at a moment when nobody sees it).
 * Pure: no clock, no I/O; session thread only. */
typedef struct _EgTimeline EgTimeline;
typedef struct _EgTimelineTrack EgTimelineTrack;

EgTimeline *eg_timeline_new(void);
void eg_timeline_free(EgTimeline *timeline); /* its tracks must be freed before */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgTimeline, eg_timeline_free)

/* A stream of `participant` (any key that its tracks share); `clock_rate_hz` of RTP timestamps. A
 * stream that starts anew (other SSRC) is a new track. */
EgTimelineTrack *eg_timeline_track_new(EgTimeline *timeline, const char *participant, EgMedia media,
                                       guint clock_rate_hz);
void eg_timeline_track_free(EgTimelineTrack *track);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgTimelineTrack, eg_timeline_track_free)

/* The instant (monotonic ns) of a packet of the track, in the order of eg_room's packets. Packets
 * of one frame (same RTP timestamp) get the same instant; within a track instants never go back
 * with rising RTP timestamps. Wrap-around of timestamps is followed; a jump that cannot be media
 * (a sender that restarted its clock) is re-anchored by arrival. */
gint64 eg_timeline_track_map(EgTimelineTrack *track, const EgPacket *packet);

void eg_timeline_track_report(EgTimelineTrack *track, const EgSenderReport *report);

typedef struct {
    bool has_report;      /* mapped by sender reports, no longer by arrival */
    gint64 correction_ns; /* what is still to be followed */
    gint64 drift_ppb;     /* of the sender's media clock against ours */
    guint64 reanchors;    /* jumps that were taken */
} EgTimelineStats;

void eg_timeline_track_get_stats(const EgTimelineTrack *track, EgTimelineStats *stats);
