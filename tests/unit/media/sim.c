#include "sim.h"

#include <math.h>

struct _SimTrack {
    SimParams params;
    GRand *random;
    gint64 frame;      /* index of the next frame */
    gint64 capture_ns; /* of the next frame */
    guint packet;      /* index within it */
    gint64 handed_out_ns;
    guint64 sequence;
    gint64 next_report_ns;
    bool was_wild;
    SimEvent media;
    SimEvent report;
};

static gint64 uniform(SimTrack *track, gint64 low_ns, gint64 high_ns)
{
    return low_ns + (gint64)((double)(high_ns - low_ns) * g_rand_double(track->random));
}

/* How far the RTP clock has come at our time `now_ns`, in ns of the sender's clock. */
static double media_clock(const SimTrack *track, gint64 now_ns)
{
    const SimParams *p = &track->params;
    double stood_ns = 0;

    if (p->starve_ns > 0 && now_ns > p->starve_at_ns)
        stood_ns = (double)MIN(now_ns - p->starve_at_ns, p->starve_ns);
    double ns = (double)(now_ns - p->start_ns) - stood_ns;
    ns *= 1 + (p->clock_ppm + p->media_ppm) / 1e6;
    if (p->mute_ns > 0 && now_ns >= p->mute_at_ns + p->mute_ns)
        ns += (double)p->joint_ns;
    return ns;
}

static guint32 timestamp_at(const SimTrack *track, gint64 now_ns)
{
    const SimParams *p = &track->params;
    gint64 ticks = (gint64)floor(media_clock(track, now_ns) * p->rate_hz / 1e9 + 0.5);

    if (p->restart_at_ns > 0 && now_ns >= p->restart_at_ns)
        ticks += 1 << 30;
    return p->first_timestamp + (guint32)ticks;
}

static gint64 wall_at(const SimTrack *track, gint64 now_ns)
{
    const SimParams *p = &track->params;
    gint64 wall_ns = p->wall_ns + now_ns + (gint64)((double)now_ns * p->clock_ppm / 1e6);

    return p->step_ns != 0 && now_ns >= p->step_at_ns ? wall_ns + p->step_ns : wall_ns;
}

static bool is_silent(const SimParams *p, gint64 now_ns)
{
    return (p->mute_ns > 0 && now_ns >= p->mute_at_ns && now_ns < p->mute_at_ns + p->mute_ns) ||
           (p->starve_ns > 0 && now_ns >= p->starve_at_ns &&
            now_ns < p->starve_at_ns + p->starve_ns);
}

/* What the network holds back comes when it lets go. */
static gint64 pass_bursts(const SimParams *p, gint64 at_ns)
{
    if (p->burst_ns == 0)
        return at_ns;
    gint64 phase_ns = at_ns % p->burst_every_ns;
    if (p->drain > 0) {
        gint64 behind_ns = p->burst_ns - (gint64)((double)phase_ns * p->drain);
        return at_ns + MAX(behind_ns, 0);
    }
    return phase_ns < p->burst_ns ? at_ns - phase_ns + p->burst_ns : at_ns;
}

static void next_capture(SimTrack *track)
{
    do {
        track->frame++;
        track->capture_ns = track->params.start_ns + track->frame * track->params.frame_ns;
    } while (is_silent(&track->params, track->capture_ns));
}

static void make_packet(SimTrack *track)
{
    const SimParams *p = &track->params;
    gint64 arrival_ns = track->capture_ns + p->delay_ns + track->packet * 300 * EG_NS_PER_US;

    arrival_ns = pass_bursts(p, arrival_ns + uniform(track, 0, p->jitter_ns));
    bool is_lost = g_rand_double(track->random) < p->loss;
    if (is_lost)
        arrival_ns += p->resend_ns;
    track->handed_out_ns = MAX(track->handed_out_ns, arrival_ns);
    track->media = (SimEvent){
        .at_ns = track->handed_out_ns,
        .capture_ns = track->capture_ns,
        .is_first = track->packet == 0,
        .packet =
            {
                     .sequence = track->sequence++,
                     .timestamp = timestamp_at(track, track->capture_ns),
                     .is_recovered = is_lost,
                     .arrival_ns = arrival_ns,
                     },
    };
    if (++track->packet == p->frame_packets) {
        track->packet = 0;
        next_capture(track);
    }
}

static void make_report(SimTrack *track)
{
    const SimParams *p = &track->params;
    gint64 sent_ns = track->next_report_ns;

    if (p->never_reports) {
        track->report = (SimEvent){.at_ns = G_MAXINT64};
        return;
    }
    while (is_silent(p, sent_ns))
        sent_ns += p->report_every_ns;
    track->next_report_ns = sent_ns + p->report_every_ns;
    gint64 arrival_ns = pass_bursts(p, sent_ns + p->delay_ns);
    gint64 noise_ns = uniform(track, -p->report_noise_ns, p->report_noise_ns);
    if (p->wild_report_ns != 0 && !track->was_wild && sent_ns >= p->wild_report_at_ns) {
        noise_ns += p->wild_report_ns;
        track->was_wild = true;
    }
    track->report = (SimEvent){
        .at_ns = arrival_ns,
        .is_report = true,
        .report =
            {
                     .ntp_ns = wall_at(track, sent_ns) + noise_ns,
                     .rtp_timestamp = timestamp_at(track, sent_ns),
                     .arrival_ns = arrival_ns,
                     },
    };
}

SimTrack *sim_track_new(const SimParams *params)
{
    SimTrack *track = g_new0(SimTrack, 1);

    track->params = *params;
    track->random = g_rand_new_with_seed(params->seed);
    track->capture_ns = params->start_ns;
    track->next_report_ns = params->start_ns + params->first_report_ns;
    make_packet(track);
    make_report(track);
    return track;
}

void sim_track_free(SimTrack *track)
{
    if (track == NULL)
        return;
    g_rand_free(track->random);
    g_free(track);
}

const SimEvent *sim_track_peek(const SimTrack *track)
{
    return track->report.at_ns < track->media.at_ns ? &track->report : &track->media;
}

void sim_track_next(SimTrack *track)
{
    if (sim_track_peek(track)->is_report)
        make_report(track);
    else
        make_packet(track);
}

guint sim_earliest(SimTrack *const *tracks, guint n_tracks)
{
    guint earliest = 0;

    for (guint i = 1; i < n_tracks; i++) {
        if (sim_track_peek(tracks[i])->at_ns < sim_track_peek(tracks[earliest])->at_ns)
            earliest = i;
    }
    return earliest;
}
