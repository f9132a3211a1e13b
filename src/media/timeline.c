#include "media/timeline.h"

#include "media/timeline-clock.h"

/* For so long after its first packet a track's mapping by arrival is taken as it comes: the first
 * packets of a stream are often late or in a burst, and what is behind the pacer waits as long. */
#define SETTLE_NS (600 * EG_NS_PER_MS)

/* A packet from farther in the future, or from longer ago, is none of the media that we know. But
 * what comes as a retransmission may be as old as the network was away. */
#define AHEAD_LIMIT_NS            EG_NS_PER_S
#define BEHIND_LIMIT_NS           (3 * EG_NS_PER_S)
#define RECOVERED_BEHIND_LIMIT_NS (60 * EG_NS_PER_S)

/* Media that goes on where it was, but from longer ago: the network has held it back, if it comes
 * faster than it was sent; or the sender's media clock stood still, if for so long it does not. */
#define CONTINUED_NS       EG_NS_PER_S
#define HELD_BACK_PROOF_NS (100 * EG_NS_PER_MS)
#define CATCH_UP_NS        (25 * EG_NS_PER_MS)

/* After so long without packets (muted), what comes need not join exactly: unless it was the
 * network that was away, as packets that are missing show. A few go unnoticed. */
#define RESUME_NS       (3 * EG_NS_PER_S)
#define RESUME_MEDIA_NS (2 * EG_NS_PER_S)
#define OUTAGE_PACKETS  8

/* Successive frames keep at least this distance when the mapping goes back. */
#define LEAST_STEP_NS EG_NS_PER_MS

/* How corrections are followed. Sound by what resampling does unheard (0.5 % is a twelfth of a
 * semitone); the picture by what nobody sees: its speed. In a pause everything may be taken. */
static const struct {
    gint64 step_over_ns; /* larger errors are taken at once */
    gint64 pause_ns;     /* so is everything after a pause of the media of this length */
    gint64 tau_ns;
    gint64 max_ppm;
} followings[EG_N_MEDIA] = {
    [EG_MEDIA_AUDIO] = {100 * EG_NS_PER_MS, 200 * EG_NS_PER_MS, 2 * EG_NS_PER_S,    5000  },
    [EG_MEDIA_VIDEO] = {250 * EG_NS_PER_MS, 500 * EG_NS_PER_MS, 500 * EG_NS_PER_MS, 100000},
};

struct _EgTimeline {
    GHashTable *clocks; /* name -> EgSenderClock, kept for those who come back */
    guint n_tracks;
};

static void free_clock(gpointer data)
{
    EgSenderClock *clock = data;

    g_ptr_array_unref(clock->tracks);
    g_free(clock->name);
    g_free(clock);
}

EgTimeline *eg_timeline_new(void)
{
    EgTimeline *timeline = g_new0(EgTimeline, 1);

    timeline->clocks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_clock);
    return timeline;
}

void eg_timeline_free(EgTimeline *timeline)
{
    if (timeline == NULL)
        return;
    g_assert(timeline->n_tracks == 0);
    g_hash_table_unref(timeline->clocks);
    g_free(timeline);
}

static EgSenderClock *find_clock(EgTimeline *timeline, const char *participant)
{
    EgSenderClock *clock = g_hash_table_lookup(timeline->clocks, participant);

    if (clock == NULL) {
        clock = g_new0(EgSenderClock, 1);
        clock->timeline = timeline;
        clock->name = g_strdup(participant);
        clock->tracks = g_ptr_array_new();
        g_hash_table_insert(timeline->clocks, clock->name, clock);
    }
    return clock;
}

EgTimelineTrack *eg_timeline_track_new(EgTimeline *timeline, const char *participant, EgMedia media,
                                       guint clock_rate_hz)
{
    g_assert(clock_rate_hz > 0);
    g_assert(media == EG_MEDIA_AUDIO || media == EG_MEDIA_VIDEO);
    EgTimelineTrack *track = g_new0(EgTimelineTrack, 1);

    track->clock = find_clock(timeline, participant);
    track->media = media;
    track->rate_hz = clock_rate_hz;
    track->drift_delay_ns = EG_NO_DELAY;
    track->early_since_ns = EG_TIME_NONE;
    eg_delay_window_reset(&track->delays);
    g_ptr_array_add(track->clock->tracks, track);
    timeline->n_tracks++;
    return track;
}

void eg_timeline_track_free(EgTimelineTrack *track)
{
    if (track == NULL)
        return;
    g_ptr_array_remove_fast(track->clock->tracks, track);
    track->clock->timeline->n_tracks--;
    g_free(track);
}

static gint64 unwrap(EgTimelineTrack *track, guint32 timestamp)
{
    if (!track->has_timestamp) {
        track->has_timestamp = true;
        track->last_timestamp = timestamp;
        track->last_ticks = 0;
    }
    return track->last_ticks + (gint32)(timestamp - track->last_timestamp);
}

/* Exact for ever: whole seconds and the rest are scaled apart. */
static gint64 media_time(const EgTimelineTrack *track, gint64 ticks)
{
    gint64 seconds = ticks / track->rate_hz;
    gint64 rest = ticks % track->rate_hz;

    return seconds * EG_NS_PER_S + rest * EG_NS_PER_S / track->rate_hz;
}

/* Whether a packet that comes far too late does so since the network has held it back. */
static bool is_held_back(EgTimelineTrack *track, gint64 media_ns, gint64 arrival_ns)
{
    gint64 delay_ns = arrival_ns - media_ns;

    if (ABS(media_ns - track->last_media_ns) > CONTINUED_NS)
        return false;
    if (!track->is_held_back || delay_ns < track->held_back_delay_ns - CATCH_UP_NS) {
        track->is_held_back = true;
        track->held_back_ns = arrival_ns;
        track->held_back_delay_ns = delay_ns;
    }
    return arrival_ns - track->held_back_ns < HELD_BACK_PROOF_NS;
}

static bool is_other_media(EgTimelineTrack *track, const EgPacket *packet, gint64 media_ns)
{
    gint64 ahead_ns = media_ns + track->shift_ns - packet->arrival_ns;

    if (!track->has_instant)
        return false;
    if (packet->is_recovered)
        return ahead_ns > AHEAD_LIMIT_NS || ahead_ns < -RECOVERED_BEHIND_LIMIT_NS;
    if (ahead_ns < -BEHIND_LIMIT_NS)
        return !is_held_back(track, media_ns, packet->arrival_ns);
    track->is_held_back = false;
    return ahead_ns > AHEAD_LIMIT_NS;
}

/* What was known of the media clock is void; what is known of the sender's clock stays. */
static void start_anew(EgTimelineTrack *track, const EgPacket *packet)
{
    track->last_timestamp = packet->timestamp;
    track->last_ticks = 0;
    eg_delay_window_reset(&track->delays);
    eg_report_line_reset(&track->line);
    track->starvation.is_active = false;
    track->is_held_back = false;
    track->n_pending = 0;
    track->drift_delay_ns = EG_NO_DELAY;
    track->has_instant = false;
    track->reanchors++;
}

static gint64 limit_correction(const EgTimelineTrack *track, gint64 error_ns, gint64 elapsed_ns,
                               gint64 arrival_ns)
{
    gint64 tau_ns = followings[track->media].tau_ns;

    if (ABS(error_ns) > followings[track->media].step_over_ns ||
        elapsed_ns >= followings[track->media].pause_ns || arrival_ns < track->settled_ns)
        return error_ns;
    /* elapsed is below the pause and error below the step: the product is within 64 bits. */
    gint64 limit_ns = elapsed_ns * followings[track->media].max_ppm / 1000000;
    return CLAMP(error_ns * elapsed_ns / tau_ns, -limit_ns, limit_ns);
}

/* Moves the mapping on to a frame later than all before. */
static gint64 map_next(EgTimelineTrack *track, gint64 media_ns, gint64 arrival_ns)
{
    gint64 wanted_ns = eg_track_wanted_shift(track);
    gint64 least_ns = track->last_instant_ns;

    if (!track->has_instant) {
        track->shift_ns = wanted_ns;
        track->settled_ns = arrival_ns + SETTLE_NS;
        least_ns += 1;
    } else {
        gint64 elapsed_ns = media_ns - track->last_media_ns;
        gint64 error_ns = wanted_ns - track->shift_ns;
        if (ABS(error_ns) > followings[track->media].step_over_ns && arrival_ns > track->settled_ns)
            track->reanchors++;
        track->shift_ns += limit_correction(track, error_ns, elapsed_ns, arrival_ns);
        least_ns += CLAMP(elapsed_ns / 4, 1, LEAST_STEP_NS);
    }
    track->error_ns = wanted_ns - track->shift_ns;
    track->has_instant = true;
    track->last_media_ns = media_ns;
    track->last_instant_ns = MAX(media_ns + track->shift_ns, least_ns);
    return track->last_instant_ns;
}

/* Whether the packet is the first after a pause of the sender. */
static bool is_resuming(const EgTimelineTrack *track, const EgPacket *packet, gint64 media_ns)
{
    gint64 missing = (gint64)(packet->sequence - track->last_sequence) - 1;

    return packet->arrival_ns - track->last_arrival_ns >= RESUME_NS &&
           media_ns - track->last_arrival_media_ns >= RESUME_MEDIA_NS && missing < OUTAGE_PACKETS;
}

static void observe(EgTimelineTrack *track, const EgPacket *packet, gint64 media_ns)
{
    gint64 arrival_ns = packet->arrival_ns;

    /* A retransmission says when it was asked for, what was held back says for how long: they count
     * only where there is nothing else. */
    if (track->has_instant && (packet->is_recovered || track->is_held_back))
        return;
    if (track->has_instant && is_resuming(track, packet, media_ns)) {
        eg_track_resume(track);
        track->settled_ns = arrival_ns + SETTLE_NS;
    }
    track->last_sequence = packet->sequence;
    if (eg_track_observe(track, arrival_ns, media_ns))
        track->settled_ns = arrival_ns + 1; /* the gap is there already: join behind it */
    eg_track_check_resumed(track, arrival_ns);
}

gint64 eg_timeline_track_map(EgTimelineTrack *track, const EgPacket *packet)
{
    gint64 ticks = unwrap(track, packet->timestamp);
    gint64 media_ns = media_time(track, ticks);

    if (is_other_media(track, packet, media_ns)) {
        start_anew(track, packet);
        ticks = 0;
        media_ns = 0;
    }
    observe(track, packet, media_ns);
    if (track->has_instant && ticks == track->last_ticks)
        return track->last_instant_ns;
    if (track->has_instant && ticks < track->last_ticks)
        return MIN(media_ns + track->shift_ns, track->last_instant_ns);
    track->last_ticks = ticks;
    track->last_timestamp = packet->timestamp;
    return map_next(track, media_ns, packet->arrival_ns);
}

void eg_timeline_track_report(EgTimelineTrack *track, const EgSenderReport *report)
{
    /* A server repeats the publisher's last report until it has a new one. */
    if (track->last_report.arrival_ns != 0 && report->ntp_ns == track->last_report.ntp_ns &&
        report->rtp_timestamp == track->last_report.rtp_timestamp)
        return;
    track->last_report = *report;
    gint64 media_ns = media_time(track, unwrap(track, report->rtp_timestamp));
    eg_sender_clock_report(track, report->ntp_ns - media_ns, report->arrival_ns);
}

void eg_timeline_track_get_stats(const EgTimelineTrack *track, EgTimelineStats *stats)
{
    *stats = (EgTimelineStats){
        .has_report = track->line.n_values > 0,
        .correction_ns = track->error_ns,
        .drift_ppb = track->drift_ppb,
        .reanchors = track->reanchors,
    };
}
