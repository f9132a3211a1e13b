#pragma once

#include "base/time.h"
#include "room/packet.h"

/* A publisher and the network up to us, simulated: a stream of RTP packets of one track in the
 * order in which the receiver hands them out, and its sender reports. All times in `truth` are
 * those of our monotonic clock. The same seed gives the same stream. */
typedef struct _SimTrack SimTrack;

typedef struct {
    guint32 seed;
    guint rate_hz;
    gint64 frame_ns;
    guint frame_packets;
    guint32 first_timestamp;
    gint64 start_ns; /* capture of the first frame */

    gint64 delay_ns;      /* of every packet: encoder and network */
    gint64 more_delay_ns; /* for the tests' tables; not used here */
    gint64 jitter_ns;     /* uniform, on top */
    double loss;          /* share of packets that come as a retransmission */
    gint64 resend_ns;     /* ... so much later */
    gint64 burst_ns;      /* every burst_every_ns the network holds all back for so long */
    gint64 burst_every_ns;
    double
        drain; /* what was held back comes not at once, but by this share faster than it was sent */

    double clock_ppm; /* both clocks of the sender, against ours */
    double media_ppm; /* the RTP clock, on top */

    gint64 wall_ns; /* of the sender's wall clock at our 0 */
    bool never_reports;
    gint64 first_report_ns; /* after the start */
    gint64 report_every_ns;
    gint64 report_noise_ns; /* uniform, both ways */

    gint64 step_at_ns; /* the wall clock is set ... */
    gint64 step_ns;    /* ... by this */

    gint64
        starve_at_ns; /* nothing is captured for so long; an RTP clock that counts samples stands */
    gint64 starve_ns;

    gint64 mute_at_ns; /* nothing is sent for so long, though the clocks go on */
    gint64 mute_ns;
    gint64 joint_ns; /* then the server joins timestamps so much off, in packets and reports */

    gint64 wild_report_at_ns; /* one report is off ... */
    gint64 wild_report_ns;    /* ... by this */

    gint64 restart_at_ns; /* the RTP clock jumps by 2^30 */
} SimParams;

typedef struct {
    gint64 at_ns;      /* when it is handed out */
    gint64 capture_ns; /* of the frame */
    bool is_report;
    bool is_first; /* packet of its frame */
    EgPacket packet;
    EgSenderReport report;
} SimEvent;

SimTrack *sim_track_new(const SimParams *params);
void sim_track_free(SimTrack *track);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimTrack, sim_track_free)

const SimEvent *sim_track_peek(const SimTrack *track);
void sim_track_next(SimTrack *track);

/* The track among `tracks` whose next event comes first. */
guint sim_earliest(SimTrack *const *tracks, guint n_tracks);
