#include "media/timeline.h"

#include "sim.h"

/* A participant's sound and picture through the simulated network and the timeline; what is checked
 * is how far apart the two mappings are, that instants rise, and that none of them steps. */

#define S  EG_NS_PER_S
#define MS EG_NS_PER_MS
#define US EG_NS_PER_US

#define START_NS (100 * S)

/* What follows a beginning or a jump so closely belongs to it. */
#define SETTLE_NS (700 * MS)

#define SOUND   0
#define PICTURE 1

typedef struct {
    gint64 from_ns;
    gint64 until_ns;
} Span;

typedef struct {
    const char *name;
    SimParams sound;
    SimParams picture;
    gint64 length_ns;
    Span apart[2];  /* since the start: here sound and picture may be more than 20 ms apart */
    guint jumps[2]; /* at most so many steps that are no slow following, of sound and picture */
} Case;

// clang-format off
static const Case cases[] = {
    {.name = "quiet", .length_ns = 60 * S},
    {.name = "no-reports", .sound = {.never_reports = true}, .picture = {.never_reports = true},
     .length_ns = 60 * S},
    {.name = "report-of-sound-only", .picture = {.never_reports = true}, .length_ns = 60 * S},
    {.name = "report-of-picture-only", .sound = {.never_reports = true}, .length_ns = 60 * S},
    {.name = "loss", .sound = {.loss = 0.05}, .picture = {.loss = 0.05}, .length_ns = 120 * S},
    {.name = "loss-without-reports", .sound = {.never_reports = true, .loss = 0.05}, .picture =
     {.never_reports = true, .loss = 0.05}, .length_ns = 120 * S},
    {.name = "jitter", .sound = {.jitter_ns = 60 * MS}, .picture = {.jitter_ns = 60 * MS},
     .length_ns = 120 * S, .apart = {{0, 600 * MS}}},
    {.name = "bursts", .sound = {.burst_ns = 200 * MS, .burst_every_ns = 3 * S}, .picture =
     {.burst_ns = 200 * MS, .burst_every_ns = 3 * S}, .length_ns = 120 * S},
    {.name = "burst-at-start", .sound = {.burst_ns = 200 * MS, .burst_every_ns = 100 * S},
     .picture = {.burst_ns = 200 * MS, .burst_every_ns = 100 * S}, .length_ns = 30 * S, .apart =
     {{0, 300 * MS}}},
    {.name = "stall", .sound = {.burst_ns = 1500 * MS, .burst_every_ns = 70 * S}, .picture =
     {.burst_ns = 1500 * MS, .burst_every_ns = 70 * S}, .length_ns = 120 * S},
    /* One that is made good in three seconds, and longer: not taken for a sender that stood still. */
    {.name = "slow-catch-up", .sound = {.burst_ns = 900 * MS, .burst_every_ns = 70 * S, .drain =
     0.3}, .picture = {.burst_ns = 900 * MS, .burst_every_ns = 70 * S, .drain = 0.3}, .length_ns
     = 120 * S},
    {.name = "noisy-reports", .sound = {.report_noise_ns = 10 * MS}, .picture =
     {.report_noise_ns = 10 * MS}, .length_ns = 300 * S},
    {.name = "wild-report-of-sound", .sound = {.wild_report_at_ns = 120 * S, .wild_report_ns =
     700 * MS}, .length_ns = 60 * S},
    {.name = "wild-report-of-picture", .picture = {.wild_report_at_ns = 120 * S, .wild_report_ns
     = -150 * MS}, .length_ns = 60 * S},
    {.name = "odd-report", .picture = {.wild_report_at_ns = 120 * S, .wild_report_ns = 45 * MS},
     .length_ns = 60 * S},
    {.name = "drift-up", .sound = {.clock_ppm = 200}, .picture = {.clock_ppm = 200}, .length_ns
     = 2 * 3600 * S},
    {.name = "drift-down", .sound = {.clock_ppm = -200}, .picture = {.clock_ppm = -200},
     .length_ns = 2 * 3600 * S},
    {.name = "drift-of-sound", .sound = {.media_ppm = 200}, .length_ns = 2 * 3600 * S},
    {.name = "drift-of-picture", .picture = {.media_ppm = -200}, .length_ns = 2 * 3600 * S},
    {.name = "drift-without-reports", .sound = {.never_reports = true, .clock_ppm = 200},
     .picture = {.never_reports = true, .clock_ppm = -200}, .length_ns = 2 * 3600 * S},
    /* What arrives later than the other is only known with the first reports. */
    {.name = "slow-picture", .picture = {.more_delay_ns = 90 * MS}, .length_ns = 60 * S, .apart
     = {{0, 4 * S}}},
    {.name = "fast-picture", .sound = {.more_delay_ns = 90 * MS}, .length_ns = 60 * S, .apart =
     {{0, 4 * S}}},
    {.name = "slow-picture-reports-first", .sound = {.first_report_ns = 3 * S}, .picture =
     {.more_delay_ns = 90 * MS, .first_report_ns = 1 * S}, .length_ns = 60 * S, .apart = {{0, 5
     * S}}},
    {.name = "very-slow-picture", .picture = {.more_delay_ns = 370 * MS}, .length_ns = 60 * S,
     .apart = {{0, 3100 * MS}}, .jumps = {0, 1}},
    {.name = "wall-clock-set-forward", .sound = {.step_at_ns = 130 * S, .step_ns = 5 * S},
     .picture = {.step_at_ns = 130 * S, .step_ns = 5 * S}, .length_ns = 120 * S},
    {.name = "wall-clock-set-back", .sound = {.step_at_ns = 130 * S, .step_ns = -300 * MS},
     .picture = {.step_at_ns = 130 * S, .step_ns = -300 * MS}, .length_ns = 120 * S},
    {.name = "wall-clock-set-sound-only", .sound = {.step_at_ns = 130 * S, .step_ns = 3600 * S},
     .picture = {.never_reports = true}, .length_ns = 120 * S},
    {.name = "sound-starves", .sound = {.starve_at_ns = 120 * S, .starve_ns = 600 * MS},
     .length_ns = 60 * S, .apart = {{20 * S, 21500 * MS}}, .jumps = {1, 0}},
    {.name = "sound-starves-without-reports", .sound = {.never_reports = true, .starve_at_ns =
     120 * S, .starve_ns = 600 * MS}, .picture = {.never_reports = true}, .length_ns = 60 * S,
     .apart = {{20 * S, 21500 * MS}}, .jumps = {1, 0}},
    {.name = "sound-starves-a-little", .sound = {.starve_at_ns = 120 * S, .starve_ns = 130 *
     MS}, .length_ns = 60 * S, .apart = {{20 * S, 21 * S}}, .jumps = {1, 0}},
    /* Of pictures only the next report tells it: a jump there and one back. */
    {.name = "picture-starves", .picture = {.starve_at_ns = 120 * S, .starve_ns = 600 * MS},
     .length_ns = 60 * S, .apart = {{20 * S, 23300 * MS}}, .jumps = {0, 2}},
    {.name = "muted-picture", .picture = {.mute_at_ns = 120 * S, .mute_ns = 200 * S}, .length_ns
     = 300 * S},
    {.name = "muted-sound", .sound = {.mute_at_ns = 120 * S, .mute_ns = 200 * S}, .length_ns =
     300 * S},
    {.name = "joint-of-picture-late", .picture = {.mute_at_ns = 120 * S, .mute_ns = 60 * S,
     .joint_ns = 150 * MS}, .length_ns = 120 * S, .jumps = {0, 1}},
    {.name = "joint-of-picture-early", .picture = {.mute_at_ns = 120 * S, .mute_ns = 60 * S,
     .joint_ns = -150 * MS}, .length_ns = 120 * S, .jumps = {0, 1}},
    {.name = "joint-of-sound-late", .sound = {.mute_at_ns = 120 * S, .mute_ns = 60 * S,
     .joint_ns = 150 * MS}, .length_ns = 120 * S, .jumps = {1, 0}},
    {.name = "joint-without-reports", .sound = {.never_reports = true}, .picture =
     {.never_reports = true, .mute_at_ns = 120 * S, .mute_ns = 5 * S, .joint_ns = 250 * MS},
     .length_ns = 120 * S, .jumps = {0, 1}},
    {.name = "restart-of-sound", .sound = {.restart_at_ns = 130 * S}, .length_ns = 60 * S,
     .jumps = {1, 0}},
    {.name = "restart-of-picture", .picture = {.restart_at_ns = 130 * S}, .length_ns = 60 * S,
     .jumps = {0, 1}},
    {.name = "all-at-once", .sound = {.loss = 0.05, .jitter_ns = 40 * MS, .burst_ns = 200 * MS,
     .burst_every_ns = 7 * S, .clock_ppm = 60, .media_ppm = -100, .report_noise_ns = 10 * MS},
     .picture = {.loss = 0.05, .jitter_ns = 40 * MS, .burst_ns = 200 * MS, .burst_every_ns = 7 *
     S, .clock_ppm = 60, .report_noise_ns = 10 * MS}, .length_ns = 1800 * S, .apart = {{0, 600 *
     MS}}},
};
// clang-format on

/* What a browser sends over a good line, where the case says nothing else. */
static SimParams fill(SimParams params, EgMedia media)
{
    bool is_sound = media == EG_MEDIA_AUDIO;

    params.seed += is_sound ? 1 : 2;
    params.rate_hz = is_sound ? 48000 : 90000;
    params.frame_ns = is_sound ? 20 * MS : 33333333;
    params.frame_packets = is_sound ? 1 : 3;
    params.first_timestamp = is_sound ? 0xffff0000 : 0xfffe0000; /* soon to wrap around */
    params.start_ns = START_NS;
    params.delay_ns = 30 * MS + params.more_delay_ns;
    params.resend_ns = 80 * MS;
    params.wall_ns = 1700000000 * S;
    params.report_every_ns = 2500 * MS;
    if (params.jitter_ns == 0)
        params.jitter_ns = 5 * MS;
    if (params.report_noise_ns == 0)
        params.report_noise_ns = 3 * MS;
    if (params.first_report_ns == 0)
        params.first_report_ns = is_sound ? 1500 * MS : 2200 * MS;
    return params;
}

typedef struct {
    EgTimelineTrack *track;
    gint64 settling_ns; /* capture of the first frame, or of the first after a jump */
    gint64 max_ppm;     /* how fast it may be moved */
    gint64 tick_ns;     /* what timestamps are rounded to */
    guint jumps;
    bool has_instant;
    gint64 instant_ns;
    gint64 capture_ns;
    gint64 error_ns; /* of the last frame: instant - capture */
} Side;

static void take_packet(Side *side, const SimEvent *event)
{
    gint64 instant_ns = eg_timeline_track_map(side->track, &event->packet);
    gint64 error_ns = instant_ns - event->capture_ns;

    if (!side->has_instant) {
        side->settling_ns = event->capture_ns;
    } else if (event->capture_ns == side->capture_ns) {
        g_assert_cmpint(instant_ns, ==, side->instant_ns);
    } else {
        gint64 since_ns = event->capture_ns - side->capture_ns;
        gint64 most_ns = since_ns * side->max_ppm / 1000000 + side->tick_ns;
        g_assert_cmpint(instant_ns, >, side->instant_ns);
        if (ABS(error_ns - side->error_ns) > most_ns &&
            event->capture_ns > side->settling_ns + SETTLE_NS) {
            side->settling_ns = event->capture_ns;
            side->jumps++;
        }
    }
    side->has_instant = true;
    side->instant_ns = instant_ns;
    side->capture_ns = event->capture_ns;
    side->error_ns = error_ns;
}

/* Returns how far apart they are, 0 where they may be. */
static gint64 check_apart(const Case *test, const Side *sides, gint64 at_ns)
{
    gint64 since_ns = at_ns - START_NS;
    gint64 apart_ns = ABS(sides[PICTURE].error_ns - sides[SOUND].error_ns);

    if (!sides[SOUND].has_instant || !sides[PICTURE].has_instant)
        return 0;

    for (gsize i = 0; i < G_N_ELEMENTS(test->apart); i++) {
        if (since_ns >= test->apart[i].from_ns && since_ns < test->apart[i].until_ns)
            return 0;
    }
    if (apart_ns > 20 * MS)
        g_test_message("%.3f s after the start", (double)since_ns / 1e9);
    g_assert_cmpint(apart_ns, <=, 20 * MS);
    return apart_ns;
}

static void run_tracks(const Case *test, Side *sides)
{
    SimParams sound = fill(test->sound, EG_MEDIA_AUDIO);
    SimParams picture = fill(test->picture, EG_MEDIA_VIDEO);
    g_autoptr(SimTrack) voice = sim_track_new(&sound);
    g_autoptr(SimTrack) camera = sim_track_new(&picture);
    SimTrack *sims[] = {voice, camera};
    gint64 worst_ns = 0;

    for (;;) {
        guint earliest = sim_earliest(sims, 2);
        const SimEvent *event = sim_track_peek(sims[earliest]);
        if (event->at_ns > START_NS + test->length_ns)
            break;
        if (event->is_report)
            eg_timeline_track_report(sides[earliest].track, &event->report);
        else
            take_packet(&sides[earliest], event);
        worst_ns = MAX(worst_ns, check_apart(test, sides, event->at_ns));
        sim_track_next(sims[earliest]);
    }
    g_test_message("at most %.1f ms apart", (double)worst_ns / 1e6);
    /* The mapping as a whole still is where the fastest packets put it. */
    gint64 off_ns = sides[SOUND].error_ns - sound.delay_ns;
    g_assert_cmpint(ABS(off_ns), <=, 30 * MS);
}

static void test_sync(gconstpointer data)
{
    const Case *test = data;
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) sound =
        eg_timeline_track_new(timeline, "ada", EG_MEDIA_AUDIO, 48000);
    g_autoptr(EgTimelineTrack) picture =
        eg_timeline_track_new(timeline, "ada", EG_MEDIA_VIDEO, 90000);
    Side sides[] = {
        {.track = sound,   .max_ppm = 5000,   .tick_ns = 42 * US},
        {.track = picture, .max_ppm = 100000, .tick_ns = 24 * US},
    };

    run_tracks(test, sides);
    g_assert_cmpuint(sides[SOUND].jumps, <=, test->jumps[SOUND]);
    g_assert_cmpuint(sides[PICTURE].jumps, <=, test->jumps[PICTURE]);
}

/* Single properties. */

static EgTimelineTrack *add_voice(EgTimeline *timeline, const char *participant)
{
    return eg_timeline_track_new(timeline, participant, EG_MEDIA_AUDIO, 48000);
}

static EgTimelineTrack *add_camera(EgTimeline *timeline, const char *participant)
{
    return eg_timeline_track_new(timeline, participant, EG_MEDIA_VIDEO, 90000);
}

static gint64 map_packet(EgTimelineTrack *track, guint32 timestamp, gint64 arrival_ns)
{
    EgPacket packet = {.timestamp = timestamp, .arrival_ns = arrival_ns};
    return eg_timeline_track_map(track, &packet);
}

static void report(EgTimelineTrack *track, gint64 ntp_ns, guint32 timestamp, gint64 arrival_ns)
{
    EgSenderReport sender_report = {ntp_ns, timestamp, arrival_ns};
    eg_timeline_track_report(track, &sender_report);
}

/* A second of a track whose packets take `delay_ns`, from the capture instant `from_ns` on, at
 * which its timestamp is 0; returns the last instant - capture. */
static gint64 send_second(EgTimelineTrack *track, gint64 rate_hz, gint64 from_ns, gint64 second,
                          gint64 delay_ns)
{
    gint64 error_ns = 0;

    for (gint64 i = 0; i < 50; i++) {
        gint64 since_ns = second * S + i * 20 * MS;
        gint64 capture_ns = from_ns + since_ns;
        guint32 timestamp = (guint32)(since_ns / MS * rate_hz / 1000);
        error_ns = map_packet(track, timestamp, capture_ns + delay_ns) - capture_ns;
    }
    return error_ns;
}

static void test_exact(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) track = add_camera(timeline, "ada");
    gint64 first_ns = map_packet(track, 4294960000U, 7 * S);

    /* Without jitter instants are timestamps, exactly, over wrap-arounds, for a day. */
    for (guint64 frame = 1; frame < 24 * 3600 * 30; frame++) {
        gint64 since_ns = (gint64)(frame / 30) * S + (gint64)(frame % 30) * 3000 * S / 90000;
        gint64 instant_ns =
            map_packet(track, (guint32)(4294960000U + frame * 3000), 7 * S + since_ns);
        g_assert_cmpint(instant_ns, ==, first_ns + since_ns);
    }
    EgTimelineStats stats;
    eg_timeline_track_get_stats(track, &stats);
    g_assert_false(stats.has_report);
    g_assert_cmpint(stats.correction_ns, ==, 0);
    g_assert_cmpint(stats.drift_ppb, ==, 0);
    g_assert_cmpuint(stats.reanchors, ==, 0);
}

static void test_frame(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) track = add_camera(timeline, "ada");
    gint64 first_ns = map_packet(track, 3000, 10 * S);

    /* All packets of a frame, also if one comes sooner than the first. */
    g_assert_cmpint(map_packet(track, 3000, 10 * S + 9 * MS), ==, first_ns);
    g_assert_cmpint(map_packet(track, 3000, 10 * S - 3 * MS), ==, first_ns);
    /* An older one between them lies before, and changes nothing. */
    g_assert_cmpint(map_packet(track, 0, 10 * S + 9 * MS), <, first_ns);
    g_assert_cmpint(map_packet(track, 3000, 10 * S + 9 * MS), ==, first_ns);
}

static void test_recovered(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) track = add_voice(timeline, "ada");
    EgPacket recovered = {.timestamp = 960, .arrival_ns = 10 * S - 5 * MS, .is_recovered = true};

    /* Its arrival (which here would be the fastest) does not count. */
    gint64 first_ns = map_packet(track, 0, 10 * S);
    g_assert_cmpint(eg_timeline_track_map(track, &recovered), ==, first_ns + 20 * MS);
}

/* A track of 50 packets per second: one that arrives at any time. */
typedef struct {
    EgTimelineTrack *track;
    guint rate_hz;
} Sender;

static gint64 send_frame(const Sender *sender, gint64 frame, gint64 arrival_ns, bool is_recovered)
{
    EgPacket packet = {
        .sequence = 1000 + (guint64)frame,
        .timestamp = (guint32)(frame * sender->rate_hz / 50),
        .arrival_ns = arrival_ns,
        .is_recovered = is_recovered,
    };
    return eg_timeline_track_map(sender->track, &packet);
}

static gint64 captured(gint64 frame)
{
    return 100 * S + frame * 20 * MS;
}

/* A track that has come for five seconds, each packet in 30 ms, with a report of each second. */
static Sender start_sending(EgTimeline *timeline, EgMedia media)
{
    Sender sender = {
        .track = media == EG_MEDIA_AUDIO ? add_voice(timeline, "ada") : add_camera(timeline, "ada"),
        .rate_hz = media == EG_MEDIA_AUDIO ? 48000 : 90000,
    };
    for (gint64 frame = 0; frame < 250; frame++) {
        send_frame(&sender, frame, captured(frame) + 30 * MS, false);
        if (frame % 50 == 49)
            report(sender.track, 1700000000 * S + frame * 20 * MS,
                   (guint32)(frame * sender.rate_hz / 50), captured(frame) + 35 * MS);
    }
    return sender;
}

static guint64 count_reanchors(const Sender *sender)
{
    EgTimelineStats stats;
    eg_timeline_track_get_stats(sender->track, &stats);
    return stats.reanchors;
}

/* The network was away for some seconds. What the server still had comes as retransmissions, as old
 * as that, and keeps its instants; what is new joins exactly. */
static void test_outage(gconstpointer data)
{
    const gint64 away = GPOINTER_TO_INT(data) * 50; /* frames */

    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        g_autoptr(EgTimeline) timeline = eg_timeline_new();
        Sender sender = start_sending(timeline, media);
        gint64 back_ns = captured(250 + away) + 30 * MS;

        for (gint64 frame = 250; frame < 260; frame++) {
            gint64 instant_ns = send_frame(&sender, frame, back_ns + 20 * MS, true);
            g_assert_cmpint(ABS(instant_ns - captured(frame) - 30 * MS), <=, 1 * MS);
        }
        for (gint64 frame = 250 + away; frame < 300 + away; frame++) {
            /* The first ones are late: that is no new mapping, while the old one is not forgotten.
             */
            gint64 late_ns = away <= 4 * 50 && frame < 260 + away ? 95 * MS : 0;
            gint64 instant_ns =
                send_frame(&sender, frame, captured(frame) + 30 * MS + late_ns, false);
            g_assert_cmpint(ABS(instant_ns - captured(frame) - 30 * MS), <=, 1 * MS);
        }
        g_assert_cmpuint(count_reanchors(&sender), ==, 0);
        eg_timeline_track_free(sender.track);
    }
}

/* The network holds everything back (as over TCP), and delivers it as fast as it can. */
static void test_held_back(gconstpointer data)
{
    const gint64 away = GPOINTER_TO_INT(data) * 50;

    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        g_autoptr(EgTimeline) timeline = eg_timeline_new();
        Sender sender = start_sending(timeline, media);
        gint64 arrival_ns = captured(250 + away) + 30 * MS;

        for (gint64 frame = 250; frame < 500 + away; frame++) {
            arrival_ns = MAX(arrival_ns + 5 * MS, captured(frame) + 30 * MS);
            gint64 instant_ns = send_frame(&sender, frame, arrival_ns, false);
            g_assert_cmpint(ABS(instant_ns - captured(frame) - 30 * MS), <=, 1 * MS);
        }
        g_assert_cmpuint(count_reanchors(&sender), ==, 0);
        eg_timeline_track_free(sender.track);
    }
}

/* A media clock that stood still for so long is known within a tenth of a second. */
static void test_stood_still(void)
{
    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        g_autoptr(EgTimeline) timeline = eg_timeline_new();
        Sender sender = start_sending(timeline, media);

        for (gint64 frame = 250; frame < 350; frame++) {
            gint64 arrival_ns = captured(frame) + 7 * S;
            gint64 instant_ns = send_frame(&sender, frame, arrival_ns, false);
            if (frame >= 256)
                g_assert_cmpint(ABS(instant_ns - arrival_ns), <=, 1 * MS);
        }
        g_assert_cmpuint(count_reanchors(&sender), ==, 1);
        eg_timeline_track_free(sender.track);
    }
}

static void test_drift_is_measured(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) track = add_voice(timeline, "ada");
    EgTimelineStats stats;

    for (gint64 i = 0; i < 20 * 60 * 50; i++)
        map_packet(track, (guint32)(i * 960), 10 * S + i * 20 * MS + i * 20 * MS / 10000);
    eg_timeline_track_get_stats(track, &stats);
    g_assert_cmpint(stats.drift_ppb, >, 95000);
    g_assert_cmpint(stats.drift_ppb, <, 105000);
}

/* A correction that would take seconds is taken at once in a pause of the sound. */
static void test_pause(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) track = add_voice(timeline, "ada");

    gint64 error_ns = 0;
    send_second(track, 48000, 100 * S, 0, 60 * MS);
    for (gint64 second = 1; second < 4; second++)
        error_ns = send_second(track, 48000, 100 * S, second, 10 * MS);
    g_assert_cmpint(error_ns, >, 40 * MS);
    EgTimelineStats stats;
    eg_timeline_track_get_stats(track, &stats);
    g_assert_cmpint(stats.correction_ns, ==, 10 * MS - error_ns);

    gint64 instant_ns = map_packet(track, 48 * 4300, 104 * S + 310 * MS);
    g_assert_cmpint(instant_ns, ==, 104 * S + 310 * MS);
}

/* A camera that is published again is in sync from its first frame, before its first report: how
 * much later than the sound its frames come is known. */
static void test_republish(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) voice = add_voice(timeline, "ada");
    EgTimelineTrack *camera = add_camera(timeline, "ada");
    const gint64 wall_ns = 1700000000 * S;
    gint64 sound_ns = 0;

    for (gint64 second = 0; second < 10; second++) {
        sound_ns = send_second(voice, 48000, 100 * S, second, 20 * MS);
        send_second(camera, 90000, 100 * S, second, 110 * MS);
        gint64 arrival_ns = (101 + second) * S;
        report(voice, wall_ns + second * S, (guint32)(second * 48000), arrival_ns);
        report(camera, wall_ns + second * S, (guint32)(second * 90000), arrival_ns);
    }
    eg_timeline_track_free(camera);
    camera = add_camera(timeline, "ada");
    gint64 picture_ns = map_packet(camera, 5, 110 * S + 110 * MS) - 110 * S;
    g_assert_cmpint(ABS(picture_ns - sound_ns), <=, 5 * MS);
    eg_timeline_track_free(camera);

    /* So it is when a report comes before the first frame. */
    camera = add_camera(timeline, "ada");
    report(camera, wall_ns + 10 * S, 777, 111 * S);
    picture_ns = map_packet(camera, 777 + 90000, 111 * S + 150 * MS) - 111 * S;
    g_assert_cmpint(ABS(picture_ns - sound_ns), <=, 5 * MS);
    eg_timeline_track_free(camera);
}

/* Everything of the participant ended and begins again much later, with drifted clocks. */
static void test_return(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    const gint64 wall_ns = 1700000000 * S;

    for (gint64 visit = 0; visit < 2; visit++) {
        g_autoptr(EgTimelineTrack) voice = add_voice(timeline, "ada");
        g_autoptr(EgTimelineTrack) camera = add_camera(timeline, "ada");
        gint64 start_ns = 100 * S + visit * 3600 * S;
        gint64 drifted_ns = visit * 400 * MS;
        gint64 apart_ns = 0;
        for (gint64 second = 0; second < 5; second++) {
            apart_ns = send_second(voice, 48000, start_ns, second, 20 * MS) -
                       send_second(camera, 90000, start_ns, second, 60 * MS);
            gint64 ntp_ns = wall_ns + visit * 3600 * S + drifted_ns + second * S;
            report(voice, ntp_ns, (guint32)(second * 48000), start_ns + (1 + second) * S);
            report(camera, ntp_ns, (guint32)(second * 90000), start_ns + (1 + second) * S);
        }
        g_assert_cmpint(ABS(apart_ns), <=, 5 * MS);
        gint64 instant_ns = map_packet(voice, 5 * 48000, start_ns + 5 * S + 20 * MS);
        g_assert_cmpint(ABS(instant_ns - start_ns - 5 * S), <=, 40 * MS);
    }
}

/* Reports that cannot be of the clock of the other track are not taken for it. */
static void test_other_clock(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) voice = add_voice(timeline, "ada");
    g_autoptr(EgTimelineTrack) camera = add_camera(timeline, "ada");

    for (gint64 second = 0; second < 20; second++) {
        gint64 sound_ns = send_second(voice, 48000, 100 * S, second, 20 * MS);
        gint64 picture_ns = send_second(camera, 90000, 100 * S, second, 20 * MS);
        g_assert_cmpint(ABS(sound_ns - picture_ns), <=, 5 * MS);
        report(voice, 1000 * S + second * S, (guint32)(second * 48000), (101 + second) * S);
        report(camera, 5000 * S + second * S, (guint32)(second * 90000), (101 + second) * S);
    }
}

static void test_participants_are_apart(void)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    g_autoptr(EgTimelineTrack) ada = add_voice(timeline, "ada");
    g_autoptr(EgTimelineTrack) bob = add_voice(timeline, "bob");

    for (gint64 second = 0; second < 5; second++) {
        g_assert_cmpint(send_second(ada, 48000, 100 * S, second, 20 * MS), ==, 20 * MS);
        g_assert_cmpint(send_second(bob, 48000, 100 * S, second, 80 * MS), ==, 80 * MS);
        report(ada, 1000 * S + second * S, (guint32)(second * 48000), (101 + second) * S);
        report(bob, 1000 * S + second * S, (guint32)(second * 48000), (101 + second) * S);
    }
    eg_timeline_track_free(g_steal_pointer(&ada));
    g_assert_cmpint(send_second(bob, 48000, 100 * S, 5, 80 * MS), ==, 80 * MS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/timeline/sync/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_sync);
    }
    g_test_add_func("/timeline/exact", test_exact);
    g_test_add_func("/timeline/frame", test_frame);
    g_test_add_func("/timeline/recovered", test_recovered);
    g_test_add_data_func("/timeline/outage/2s", GINT_TO_POINTER(2), test_outage);
    g_test_add_data_func("/timeline/outage/4s", GINT_TO_POINTER(4), test_outage);
    g_test_add_data_func("/timeline/outage/20s", GINT_TO_POINTER(20), test_outage);
    g_test_add_data_func("/timeline/held-back/2s", GINT_TO_POINTER(2), test_held_back);
    g_test_add_data_func("/timeline/held-back/5s", GINT_TO_POINTER(5), test_held_back);
    g_test_add_data_func("/timeline/held-back/30s", GINT_TO_POINTER(30), test_held_back);
    g_test_add_func("/timeline/stood-still", test_stood_still);
    g_test_add_func("/timeline/drift-is-measured", test_drift_is_measured);
    g_test_add_func("/timeline/pause", test_pause);
    g_test_add_func("/timeline/republish", test_republish);
    g_test_add_func("/timeline/return", test_return);
    g_test_add_func("/timeline/other-clock", test_other_clock);
    g_test_add_func("/timeline/participants-are-apart", test_participants_are_apart);
    return g_test_run();
}
