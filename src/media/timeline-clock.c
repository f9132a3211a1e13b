#include "media/timeline-clock.h"

/* The offset follows the arrivals so slowly that sound can be resampled by it unheard, and faster
 * than any two clocks drift apart. */
#define OFFSET_TAU_NS   (10 * EG_NS_PER_S)
#define OFFSET_MAX_PPM  2000
#define OFFSET_STALE_NS (50 * EG_NS_PER_MS)
/* Reports that differ more than this from those before are jumps, not noise. */
#define JUMP_NS      (60 * EG_NS_PER_MS)
#define JUMP_SAME_NS (40 * EG_NS_PER_MS)
/* A report after such a pause stands alone, if it is not farther off than a server's joint. */
#define REPORT_PAUSE_NS (15 * EG_NS_PER_S)
#define JOINT_NS        (300 * EG_NS_PER_MS)
/* Packets cannot be faster than the fastest, and after a pause seldom are much slower. */
#define RESUME_EARLY_NS (20 * EG_NS_PER_MS)
#define RESUME_LATE_NS  (80 * EG_NS_PER_MS)
/* Clocks of one sender cannot be farther apart than this; if they are, they are not one clock. */
#define SAME_CLOCK_NS EG_NS_PER_S
/* The first sound track moves the offset rather than itself if it is farther off than this. */
#define ANCHOR_NS (10 * EG_NS_PER_MS)
/* A packet that is faster by this than all of the last seconds is none of the sender's own: at the
 * end of a track the server adds blank frames that are stamped ahead of their time. A path that
 * has really become faster is believed when all packets of so long have come so. */
#define TOO_EARLY_NS   (8 * EG_NS_PER_MS)
#define EARLY_PROOF_NS (1500 * EG_NS_PER_MS)
/* But in the first moments, also after a pause, the fastest packets are only beginning to come. */
#define TRUST_NS            EG_NS_PER_S
#define STARVED_HOLE_NS     (100 * EG_NS_PER_MS)
#define STARVED_NS          (80 * EG_NS_PER_MS)
#define STARVED_SLICE_NS    (250 * EG_NS_PER_MS)
#define STARVED_CATCH_UP_NS (10 * EG_NS_PER_MS)
#define STARVED_GIVE_UP_NS  (5 * EG_NS_PER_S)

void eg_delay_window_reset(EgDelayWindow *window)
{
    for (guint i = 0; i < EG_DELAY_BUCKETS; i++)
        window->bucket_ns[i] = EG_NO_DELAY;
    window->newest = G_MININT64;
    window->min_ns = EG_NO_DELAY;
}

static gint64 least_of_buckets(const EgDelayWindow *window, gint64 first, gint64 last)
{
    gint64 least_ns = EG_NO_DELAY;

    first = MAX(first, window->newest - EG_DELAY_BUCKETS + 1);
    last = MIN(last, window->newest);
    for (gint64 i = first; i <= last; i++)
        least_ns = MIN(least_ns, window->bucket_ns[i & (EG_DELAY_BUCKETS - 1)]);
    return least_ns;
}

void eg_delay_window_add(EgDelayWindow *window, gint64 arrival_ns, gint64 delay_ns)
{
    gint64 bucket = arrival_ns / EG_DELAY_BUCKET_NS;

    if (window->newest == G_MININT64 || bucket >= window->newest + EG_DELAY_BUCKETS) {
        eg_delay_window_reset(window);
        window->newest = bucket;
    } else if (bucket > window->newest) {
        while (window->newest < bucket) {
            window->newest++;
            window->bucket_ns[window->newest & (EG_DELAY_BUCKETS - 1)] = EG_NO_DELAY;
        }
        window->min_ns = least_of_buckets(window, G_MININT64 / 2, bucket);
    } else if (bucket <= window->newest - EG_DELAY_BUCKETS) {
        return;
    }
    gint64 *least_ns = &window->bucket_ns[bucket & (EG_DELAY_BUCKETS - 1)];
    *least_ns = MIN(*least_ns, delay_ns);
    window->min_ns = MIN(window->min_ns, delay_ns);
}

gint64 eg_delay_window_recent(const EgDelayWindow *window, gint64 now_ns)
{
    return least_of_buckets(window, now_ns / EG_DELAY_BUCKET_NS - 1, G_MAXINT64);
}

gint64 eg_delay_window_older(const EgDelayWindow *window, gint64 now_ns)
{
    return least_of_buckets(window, G_MININT64 / 2, now_ns / EG_DELAY_BUCKET_NS - 2);
}

void eg_report_line_reset(EgReportLine *line)
{
    *line = (EgReportLine){0};
}

static void find_median(EgReportLine *line)
{
    gint64 sorted[EG_LINE_REPORTS];

    g_assert(line->n_values > 0);
    for (guint i = 0; i < line->n_values; i++) {
        guint at = i;
        for (; at > 0 && sorted[at - 1] > line->value_ns[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = line->value_ns[i];
    }
    gint64 low_ns = sorted[(line->n_values - 1) / 2];
    gint64 high_ns = sorted[line->n_values / 2];
    line->median_ns = low_ns + (high_ns - low_ns) / 2;
}

void eg_report_line_add(EgReportLine *line, gint64 value_ns)
{
    line->value_ns[line->next] = value_ns;
    line->next = (line->next + 1) % EG_LINE_REPORTS;
    line->n_values = MIN(line->n_values + 1, EG_LINE_REPORTS);
    find_median(line);
}

void eg_report_line_move(EgReportLine *line, gint64 by_ns)
{
    for (guint i = 0; i < line->n_values; i++)
        line->value_ns[i] += by_ns;
    line->median_ns += by_ns;
}

static bool has_line(const EgTimelineTrack *track)
{
    return track->line.n_values > 0;
}

static bool is_heard(const EgTimelineTrack *track, gint64 now_ns)
{
    return track->delays.min_ns != EG_NO_DELAY &&
           (track->delays.newest + EG_DELAY_BUCKETS) * EG_DELAY_BUCKET_NS > now_ns;
}

/* The least (arrival - sender time) of the sender's tracks of a kind; EG_NO_DELAY if none. */
static gint64 fastest(const EgSenderClock *clock, EgMedia media, gint64 now_ns)
{
    gint64 least_ns = EG_NO_DELAY;

    for (guint i = 0; i < clock->tracks->len; i++) {
        const EgTimelineTrack *track = g_ptr_array_index(clock->tracks, i);
        if (track->media == media && has_line(track) && is_heard(track, now_ns))
            least_ns = MIN(least_ns, track->delays.min_ns - track->line.median_ns);
    }
    return least_ns;
}

/* Sound is the anchor where there is some: many small packets, never queued behind a key frame, so
 * its fastest path is known best, and it is the one that can be moved least. */
static gint64 wanted_offset(EgSenderClock *clock, gint64 now_ns)
{
    gint64 sound_ns = fastest(clock, EG_MEDIA_AUDIO, now_ns);
    gint64 picture_ns = fastest(clock, EG_MEDIA_VIDEO, now_ns);

    if (sound_ns != EG_NO_DELAY) {
        if (picture_ns != EG_NO_DELAY)
            clock->excess_ns[EG_MEDIA_VIDEO] = picture_ns - sound_ns;
        return sound_ns;
    }
    return picture_ns != EG_NO_DELAY ? picture_ns - clock->excess_ns[EG_MEDIA_VIDEO] : EG_NO_DELAY;
}

void eg_sender_clock_advance(EgSenderClock *clock, gint64 now_ns)
{
    gint64 elapsed_ns = now_ns - clock->advanced_ns;

    if (elapsed_ns <= 0 || !clock->has_offset)
        return;
    gint64 wanted_ns = wanted_offset(clock, now_ns);
    if (wanted_ns == EG_NO_DELAY)
        return;
    clock->advanced_ns = now_ns;
    gint64 error_ns = wanted_ns - clock->offset_ns;
    if (elapsed_ns >= EG_DELAY_WINDOW_NS && ABS(error_ns) > OFFSET_STALE_NS) {
        clock->offset_ns = wanted_ns; /* nothing was mapped by it for long: nobody sees a step */
        return;
    }
    elapsed_ns = MIN(elapsed_ns, EG_NS_PER_S);
    gint64 limit_ns = MAX(elapsed_ns * OFFSET_MAX_PPM / 1000000, 1);
    /* In floating point: elapsed times error may be beyond 64 bits. */
    gint64 step_ns = (gint64)((double)error_ns * (double)elapsed_ns / (double)OFFSET_TAU_NS);
    clock->offset_ns += CLAMP(step_ns, -limit_ns, limit_ns);
}

static gint64 shift_by_arrival(const EgTimelineTrack *track)
{
    return track->delays.min_ns - track->clock->excess_ns[track->media];
}

gint64 eg_track_wanted_shift(EgTimelineTrack *track)
{
    EgSenderClock *clock = track->clock;

    if (!has_line(track))
        return shift_by_arrival(track);
    if (!clock->has_offset) {
        clock->offset_ns = shift_by_arrival(track) - track->line.median_ns;
        clock->has_offset = true;
    } else if (!track->has_instant) {
        /* Reported before its first packet came. */
        gint64 error_ns = shift_by_arrival(track) - track->line.median_ns - clock->offset_ns;
        if (ABS(error_ns) > SAME_CLOCK_NS) {
            track->own_ns += error_ns;
            eg_report_line_move(&track->line, error_ns);
        }
    }
    return track->line.median_ns + clock->offset_ns;
}

static void forget_delays_before(EgTimelineTrack *track, gint64 now_ns, gint64 delay_ns)
{
    eg_delay_window_reset(&track->delays);
    if (delay_ns != EG_NO_DELAY)
        eg_delay_window_add(&track->delays, now_ns, delay_ns);
    track->drift_from_ns = now_ns;
    track->drift_delay_ns = delay_ns;
}

static bool has_other_sound_line(const EgTimelineTrack *track, gint64 now_ns)
{
    for (guint i = 0; i < track->clock->tracks->len; i++) {
        const EgTimelineTrack *other = g_ptr_array_index(track->clock->tracks, i);
        if (other != track && other->media == EG_MEDIA_AUDIO && has_line(other) &&
            is_heard(other, now_ns))
            return true;
    }
    return false;
}

static void take_first_report(EgTimelineTrack *track, gint64 value_ns, gint64 now_ns)
{
    EgSenderClock *clock = track->clock;

    track->step_ns = clock->step_ns;
    track->own_ns = 0;
    value_ns += track->step_ns;
    if (track->has_instant && clock->has_offset) {
        gint64 error_ns = track->shift_ns - (value_ns + clock->offset_ns);
        if (ABS(error_ns) > SAME_CLOCK_NS) {
            track->own_ns = error_ns;
            value_ns += error_ns;
        } else if (track->media == EG_MEDIA_AUDIO && ABS(error_ns) > ANCHOR_NS &&
                   !has_other_sound_line(track, now_ns)) {
            /* The picture can be moved to the sound much sooner than the sound to the picture. */
            clock->offset_ns += error_ns;
        }
    } else if (track->has_instant) {
        clock->offset_ns = track->shift_ns - value_ns;
        clock->has_offset = true;
    }
    eg_report_line_add(&track->line, value_ns);
}

static void take_new_line(EgTimelineTrack *track, gint64 value_ns)
{
    eg_report_line_reset(&track->line);
    eg_report_line_add(&track->line, value_ns);
    track->n_pending = 0;
}

static void take_step(EgTimelineTrack *track, gint64 step_ns, gint64 value_ns)
{
    value_ns += step_ns - track->step_ns;
    track->step_ns = step_ns;
    track->n_pending = 0;
    eg_report_line_add(&track->line, value_ns);
}

/* Whether the arrivals jumped as the report did: then the media clock stood still or jumped. */
static bool arrivals_agree(const EgTimelineTrack *track, gint64 jump_ns, gint64 now_ns)
{
    gint64 recent_ns = eg_delay_window_recent(&track->delays, now_ns);
    gint64 older_ns = eg_delay_window_older(&track->delays, now_ns);

    if (recent_ns == EG_NO_DELAY || older_ns == EG_NO_DELAY)
        return false;
    return ABS(recent_ns - older_ns - jump_ns) <= MAX(JUMP_SAME_NS, ABS(jump_ns) / 3);
}

/* A jump that the arrivals do not know: either the sender's wall clock was set, then all of its
 * tracks jump and nothing may move; or this track alone lies differently to the others from now on.
 * A single report may just be wrong. Waiting costs nothing: the mapping goes on as it was. */
static void judge_jump(EgTimelineTrack *track, gint64 value_ns, gint64 now_ns)
{
    gint64 jump_ns = value_ns - track->line.median_ns;
    bool is_alone = true;
    bool is_refuted = false;

    if (track->n_pending == 0 || ABS(jump_ns - track->pending_jump_ns) > JUMP_SAME_NS) {
        track->pending_since_ns = now_ns;
        track->n_pending = 0;
    }
    track->pending_jump_ns = jump_ns;
    track->n_pending++;

    /* Another track has made that very step already. */
    if (track->step_ns != track->clock->step_ns &&
        ABS(track->step_ns - jump_ns - track->clock->step_ns) <= JUMP_NS) {
        take_step(track, track->clock->step_ns, value_ns);
        return;
    }
    for (guint i = 0; i < track->clock->tracks->len; i++) {
        EgTimelineTrack *other = g_ptr_array_index(track->clock->tracks, i);
        if (other == track || !has_line(other) || !is_heard(other, now_ns))
            continue;
        is_alone = false;
        if (other->n_pending > 0 && ABS(other->pending_jump_ns - jump_ns) <= JUMP_NS) {
            track->clock->step_ns = track->step_ns - jump_ns;
            take_step(track, track->clock->step_ns, value_ns);
            return; /* the other one follows with its next report, by the case above */
        }
        if (other->n_pending == 0 && other->reported_ns > track->pending_since_ns)
            is_refuted = true;
    }
    if (track->n_pending < 2)
        return;
    if (is_alone) {
        track->clock->step_ns = track->step_ns - jump_ns;
        take_step(track, track->clock->step_ns, value_ns);
    } else if (is_refuted) {
        take_new_line(track, value_ns);
        track->reanchors++;
    }
}

void eg_sender_clock_report(EgTimelineTrack *track, gint64 value_ns, gint64 now_ns)
{
    bool after_pause = track->is_resuming || now_ns - track->reported_ns > REPORT_PAUSE_NS;

    track->reported_ns = now_ns;
    track->is_resuming = false;
    if (!has_line(track)) {
        take_first_report(track, value_ns, now_ns);
        return;
    }
    value_ns += track->step_ns + track->own_ns;
    gint64 jump_ns = value_ns - track->line.median_ns;
    if (after_pause && ABS(jump_ns) <= JOINT_NS) {
        take_new_line(track, value_ns);
    } else if (ABS(jump_ns) <= JUMP_NS) {
        track->n_pending = 0;
        eg_report_line_add(&track->line, value_ns);
    } else if (arrivals_agree(track, jump_ns, now_ns)) {
        forget_delays_before(track, now_ns, eg_delay_window_recent(&track->delays, now_ns));
        take_new_line(track, value_ns);
        track->reanchors++;
    } else {
        judge_jump(track, value_ns, now_ns);
    }
}

/* One packet after a hole; true when the hole is known to be one of the sender. */
static bool watch_hole(EgStarvation *hole, gint64 arrival_ns, gint64 delay_ns)
{
    hole->min_ns = MIN(hole->min_ns, delay_ns);
    if (arrival_ns - hole->slice_ns < STARVED_SLICE_NS)
        return false;
    gint64 late_ns = hole->min_ns - hole->base_ns;
    if (late_ns < STARVED_NS || late_ns < hole->hole_ns * 6 / 10 ||
        arrival_ns - hole->started_ns > STARVED_GIVE_UP_NS) {
        hole->is_active = false;
        return false;
    }
    if (hole->last_min_ns != EG_NO_DELAY &&
        hole->last_min_ns - hole->min_ns <= STARVED_CATCH_UP_NS) {
        hole->is_active = false;
        return true;
    }
    hole->last_min_ns = hole->min_ns;
    hole->min_ns = EG_NO_DELAY;
    hole->slice_ns = arrival_ns;
    return false;
}

static bool look_for_starvation(EgTimelineTrack *track, gint64 arrival_ns, gint64 media_ns)
{
    EgStarvation *hole = &track->starvation;
    gint64 delay_ns = arrival_ns - media_ns;
    gint64 since_last_ns = arrival_ns - track->last_arrival_ns;

    if (since_last_ns - (media_ns - track->last_arrival_media_ns) > STARVED_HOLE_NS &&
        !hole->is_active) {
        *hole = (EgStarvation){
            .is_active = true,
            .base_ns = track->delays.min_ns,
            .hole_ns = delay_ns - track->delays.min_ns,
            .started_ns = arrival_ns,
            .slice_ns = arrival_ns,
            .min_ns = delay_ns,
            .last_min_ns = EG_NO_DELAY,
        };
        return false;
    }
    if (!hole->is_active || !watch_hole(hole, arrival_ns, delay_ns))
        return false;
    gint64 stood_ns = MIN(hole->min_ns, hole->last_min_ns) - hole->base_ns;
    forget_delays_before(track, arrival_ns, hole->base_ns + stood_ns);
    eg_report_line_move(&track->line, stood_ns);
    track->reanchors++;
    return true;
}

static void measure_drift(EgTimelineTrack *track, gint64 arrival_ns)
{
    if (track->drift_delay_ns == EG_NO_DELAY) {
        track->drift_delay_ns = track->delays.min_ns;
        track->drift_from_ns = arrival_ns;
    }
    if (arrival_ns - track->drift_from_ns < 4 * EG_DELAY_WINDOW_NS)
        return;
    double change_ns = (double)(track->delays.min_ns - track->drift_delay_ns);
    track->drift_ppb = (gint64)(change_ns * 1e9 / (double)(arrival_ns - track->drift_from_ns));
    track->drift_from_ns = arrival_ns;
    track->drift_delay_ns = track->delays.min_ns;
}

static bool is_believable(EgTimelineTrack *track, gint64 arrival_ns, gint64 delay_ns)
{
    if (track->delays.min_ns == EG_NO_DELAY || arrival_ns < track->settled_ns + TRUST_NS ||
        delay_ns >= track->delays.min_ns - TOO_EARLY_NS) {
        track->early_since_ns = EG_TIME_NONE;
        return true;
    }
    if (track->early_since_ns == EG_TIME_NONE)
        track->early_since_ns = arrival_ns;
    return arrival_ns - track->early_since_ns >= EARLY_PROOF_NS;
}

bool eg_track_observe(EgTimelineTrack *track, gint64 arrival_ns, gint64 media_ns)
{
    bool has_stood = false;

    if (!is_believable(track, arrival_ns, arrival_ns - media_ns))
        return false;

    if (track->delays.min_ns != EG_NO_DELAY) {
        if (track->media == EG_MEDIA_AUDIO)
            has_stood = look_for_starvation(track, arrival_ns, media_ns);
        measure_drift(track, arrival_ns);
    }
    eg_delay_window_add(&track->delays, arrival_ns, arrival_ns - media_ns);
    track->last_arrival_ns = arrival_ns;
    track->last_arrival_media_ns = media_ns;
    eg_sender_clock_advance(track->clock, arrival_ns);
    return has_stood;
}

void eg_track_resume(EgTimelineTrack *track)
{
    track->is_resuming = has_line(track) && track->clock->has_offset;
    if (track->is_resuming)
        track->resume_excess_ns =
            track->delays.min_ns - track->line.median_ns - track->clock->offset_ns;
    track->starvation.is_active = false;
    forget_delays_before(track, track->last_arrival_ns, EG_NO_DELAY);
}

void eg_track_check_resumed(EgTimelineTrack *track, gint64 arrival_ns)
{
    if (!track->is_resuming || arrival_ns >= track->settled_ns)
        return;
    gint64 error_ns = track->delays.min_ns - track->resume_excess_ns - track->line.median_ns -
                      track->clock->offset_ns;
    if (error_ns < -RESUME_EARLY_NS || (error_ns > RESUME_LATE_NS && error_ns < SAME_CLOCK_NS))
        eg_report_line_move(&track->line, error_ns);
}
