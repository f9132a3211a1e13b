#pragma once

#include "base/time.h"
#include "media/timeline.h"

/* Private to the timeline: what is known about a sender's clocks. Three lines lead from an RTP
 * timestamp to our clock:
 *
 *     media time    ticks / rate, from the first timestamp of the track on; exact
 *     sender time   media time + line of the track    (its sender reports)
 *     our time      sender time + offset of the sender (when the fastest packets came)
 *
 * The offset is one for all tracks of a sender: it decides how much of the latency budget is left,
 * never how sound and picture lie to each other. That is decided by the lines alone. */

#define EG_DELAY_BUCKETS   32
#define EG_DELAY_BUCKET_NS (500 * EG_NS_PER_MS)
#define EG_DELAY_WINDOW_NS (EG_DELAY_BUCKETS * EG_DELAY_BUCKET_NS)
#define EG_LINE_REPORTS    5
#define EG_NO_DELAY        G_MAXINT64

/* The least (arrival - media time) of the last 16 seconds. The fastest packet says when a frame was
 * really there; all others were only delayed. Long enough that a congested second cannot move it,
 * short enough that clocks 200 ppm apart move by 3 ms within. */
typedef struct {
    gint64 bucket_ns[EG_DELAY_BUCKETS];
    gint64 newest; /* number of the newest bucket, by arrival */
    gint64 min_ns; /* EG_NO_DELAY: nothing seen */
} EgDelayWindow;

void eg_delay_window_reset(EgDelayWindow *window);
void eg_delay_window_add(EgDelayWindow *window, gint64 arrival_ns, gint64 delay_ns);

/* The least of the buckets that are younger, or not younger, than one second at `now_ns`. */
gint64 eg_delay_window_recent(const EgDelayWindow *window, gint64 now_ns);
gint64 eg_delay_window_older(const EgDelayWindow *window, gint64 now_ns);

/* Sender time - media time of a track, the median of its last reports: single reports are some
 * milliseconds off, on a busy sender some tens. */
typedef struct {
    gint64 value_ns[EG_LINE_REPORTS];
    guint n_values;
    guint next;
    gint64 median_ns;
} EgReportLine;

void eg_report_line_reset(EgReportLine *line);
void eg_report_line_add(EgReportLine *line, gint64 value_ns);
void eg_report_line_move(EgReportLine *line, gint64 by_ns);

/* A sound track whose sender had nothing to send: its RTP clock, which counts samples, stood still
 * meanwhile. It shows as a hole in the arrivals that is never caught up; a network that stalled
 * delivers what it held back faster than real time. */
typedef struct {
    bool is_active;
    gint64 base_ns; /* the least delay before the hole */
    gint64 hole_ns; /* how much later the first packet after it came */
    gint64 started_ns;
    gint64 slice_ns; /* arrival of the first packet of the slice that is being looked at */
    gint64 min_ns;   /* of this slice */
    gint64 last_min_ns;
} EgStarvation;

typedef struct {
    EgTimeline *timeline;
    char *name;
    GPtrArray *tracks; /* EgTimelineTrack, not owned */
    bool has_offset;
    gint64 offset_ns;
    gint64 advanced_ns; /* arrival up to which `offset_ns` has followed */
    /* How much later than the anchor (see eg_sender_clock_advance()) media of this kind comes. Kept
     * when tracks end, so that the next one is right before its first report. */
    gint64 excess_ns[EG_N_MEDIA];
    gint64 step_ns; /* added to reported times: what the sender's wall clock was set by, so far */
} EgSenderClock;

struct _EgTimelineTrack {
    EgSenderClock *clock;
    EgMedia media;
    gint64 rate_hz;

    bool has_timestamp;
    guint32 last_timestamp;
    gint64 last_ticks; /* unwrapped, 0 is the first timestamp that was seen */

    EgDelayWindow delays;
    EgStarvation starvation;
    gint64 last_arrival_ns;
    gint64 last_arrival_media_ns;
    guint64 last_sequence; /* of the packet that arrived then */
    gint64 early_since_ns; /* since then all packets came too early to be believed */

    /* Packets come so late that either the network has held them back or the media clock stood. */
    bool is_held_back;
    gint64 held_back_ns; /* arrival and delay of the first one that was not caught up since */
    gint64 held_back_delay_ns;

    EgReportLine line;
    gint64 step_ns; /* what of the sender clock's step this track's reports have shown */
    gint64 own_ns;  /* added to reported times of a track whose clock is not the sender's */
    EgSenderReport last_report;
    gint64 reported_ns;     /* arrival of the last report that was new */
    gint64 pending_jump_ns; /* of a report that was not believed yet */
    guint n_pending;
    gint64 pending_since_ns;

    bool has_instant;
    gint64 last_instant_ns;
    gint64 last_media_ns;
    gint64 shift_ns;         /* instant - media time, as handed out */
    gint64 settled_ns;       /* until this arrival, corrections are taken whole */
    bool is_resuming;        /* sends again after a pause, and no report has come since */
    gint64 resume_excess_ns; /* how far behind its instants its packets came before the pause */

    gint64 error_ns; /* wanted shift - shift */
    gint64 drift_ppb;
    gint64 drift_from_ns; /* arrival and delay at the last look at the drift */
    gint64 drift_delay_ns;
    guint64 reanchors;
};

/* Follows the arrivals up to `now_ns`. */
void eg_sender_clock_advance(EgSenderClock *clock, gint64 now_ns);

/* `value_ns` = sender time - media time, as the report says. */
void eg_sender_clock_report(EgTimelineTrack *track, gint64 value_ns, gint64 now_ns);

/* Notes a packet's delay; true if the track's media clock turned out to have stood still, and its
 * line and delays were moved by that. */
bool eg_track_observe(EgTimelineTrack *track, gint64 arrival_ns, gint64 media_ns);

/* The track was silent for long, and sends again. Servers that rewrite timestamps join them only
 * roughly then (some 100 ms off), and it takes until the next report to know: so for the first
 * moments the line is held against the arrivals. */
void eg_track_resume(EgTimelineTrack *track);
void eg_track_check_resumed(EgTimelineTrack *track, gint64 arrival_ns);

/* Where the track's instants should be: instant - media time. At least one packet was observed. */
gint64 eg_track_wanted_shift(EgTimelineTrack *track);
