#include "pacer-bench.h"
#include "sim.h"

#include <math.h>

#include "base/time.h"
#include "media/timeline.h"

/* From the publisher's flash and beep to the output: a camera and a microphone of one participant
 * go through the simulated network, the timeline and the pacer, as in a recording. At each whole
 * second the picture flashes and the sound beeps; what comes out is searched for both. */

#define S  EG_NS_PER_S
#define MS EG_NS_PER_MS

#define START_NS    (BENCH_ORIGIN_NS)
#define FLASH_ID    1000000
#define FRAME_NS    33333333
#define PACKET      960
#define DECODING_NS (15 * MS)

typedef struct {
    const char *name;
    SimParams line;    /* of both */
    double sound_ppm;  /* of the microphone's clock alone */
    gint64 picture_ns; /* by which pictures come later than sound */
    gint64 mute_ns;    /* from the 20th second on, of the camera */
    gint64 from_ns;    /* flashes before are not looked at */
    guint max_missing; /* flashes and beeps that may be missing, in percent */
} Case;

// clang-format off
static const Case cases[] = {
    {.name = "quiet"},
    {.name = "no-reports", .line = {.never_reports = true}},
    {.name = "loss", .line = {.loss = 0.05, .jitter_ns = 20 * MS}},
    {.name = "bursts", .line = {.burst_ns = 200 * MS, .burst_every_ns = 3 * S}},
    {.name = "drift-up", .line = {.clock_ppm = 200}},
    {.name = "drift-down", .line = {.clock_ppm = -200}},
    {.name = "drift-of-sound", .sound_ppm = 150},
    {.name = "slow-picture", .picture_ns = 80 * MS, .from_ns = 4 * S},
    {.name = "muted-picture", .mute_ns = 60 * S},
    {.name = "all-at-once", .line = {.loss = 0.05, .jitter_ns = 30 * MS, .burst_ns = 200 * MS,
     .burst_every_ns = 7 * S, .clock_ppm = 60, .report_noise_ns = 8 * MS}, .sound_ppm = -80,
     .picture_ns = 30 * MS, .from_ns = 4 * S},
};
// clang-format on

#define LENGTH_NS (300 * S)

static SimParams fill(const Case *test, bool is_sound)
{
    SimParams params = test->line;

    params.seed = is_sound ? 11 : 12;
    params.rate_hz = is_sound ? 48000 : 90000;
    params.frame_ns = is_sound ? 20 * MS : FRAME_NS;
    params.frame_packets = is_sound ? 1 : 3;
    params.first_timestamp = 0xfff00000;
    params.start_ns = START_NS;
    params.delay_ns = 30 * MS + (is_sound ? 0 : test->picture_ns);
    params.jitter_ns = MAX(params.jitter_ns, 3 * MS);
    params.resend_ns = 80 * MS;
    params.media_ppm = is_sound ? test->sound_ppm : 0;
    params.wall_ns = 1700000000 * S;
    params.first_report_ns = is_sound ? 1200 * MS : 2300 * MS;
    params.report_every_ns = 2500 * MS;
    params.report_noise_ns = MAX(params.report_noise_ns, 2 * MS);
    if (!is_sound) {
        params.mute_at_ns = START_NS + 20 * S;
        params.mute_ns = test->mute_ns;
    }
    return params;
}

/* The beep begins with the whole second; a click that is found by its level. */
static void push_sound(Bench *bench, EgPacerInput *input, gint64 instant_ns, gint64 capture_ns)
{
    float samples[2 * PACKET] = {0};
    bool is_beep = (capture_ns - START_NS) % S == 0;

    for (gsize i = 0; is_beep && i < 2 * PACKET; i++)
        samples[i] = 0.5F;
    bench_push_sound(bench, input, instant_ns - BENCH_ORIGIN_NS, samples, PACKET);
}

static void push_picture(Bench *bench, EgPacerInput *input, gint64 instant_ns, gint64 capture_ns)
{
    gint64 frame = (capture_ns - START_NS + FRAME_NS / 2) / FRAME_NS;
    guint32 second = (guint32)(frame / 30);

    bench_push_picture(bench, input, instant_ns - BENCH_ORIGIN_NS,
                       frame % 30 == 0 ? FLASH_ID + second : 1 + (guint32)frame);
}

typedef struct {
    SimTrack *sim;
    EgTimelineTrack *track;
    EgPacerInput *input;
    gint64 capture_ns;
} Side;

static void take_event(Bench *bench, Side *side, const SimEvent *event, bool is_sound)
{
    if (event->is_report) {
        eg_timeline_track_report(side->track, &event->report);
        return;
    }
    gint64 instant_ns = eg_timeline_track_map(side->track, &event->packet);
    if (event->capture_ns == side->capture_ns)
        return; /* the frame stands for all its packets */
    side->capture_ns = event->capture_ns;
    if (is_sound)
        push_sound(bench, side->input, instant_ns, event->capture_ns);
    else
        push_picture(bench, side->input, instant_ns, event->capture_ns);
}

static void record(Bench *bench, const Case *test)
{
    g_autoptr(EgTimeline) timeline = eg_timeline_new();
    Side sides[2] = {0};
    SimTrack *sims[2];
    bool has_started = false;
    bool was_muted = false;

    for (int i = 0; i < 2; i++) {
        bool is_sound = i == 0;
        SimParams params = fill(test, is_sound);
        sims[i] = sides[i].sim = sim_track_new(&params);
        sides[i].track = eg_timeline_track_new(
            timeline, "ada", is_sound ? EG_MEDIA_AUDIO : EG_MEDIA_VIDEO, params.rate_hz);
        sides[i].input = is_sound ? eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH)
                                  : eg_pacer_add_video(bench->pacer, 0);
    }
    for (;;) {
        guint earliest = sim_earliest(sims, 2);
        const SimEvent *event = sim_track_peek(sims[earliest]);
        if (event->at_ns > START_NS + LENGTH_NS)
            break;
        bench_advance(bench, event->at_ns - BENCH_ORIGIN_NS + DECODING_NS);
        bool is_muted = test->mute_ns > 0 && event->at_ns > START_NS + 20 * S + 100 * MS &&
                        event->at_ns < START_NS + 20 * S + test->mute_ns;
        if (is_muted != was_muted)
            eg_pacer_input_set_live(sides[1].input, !is_muted);
        was_muted = is_muted;
        take_event(bench, &sides[earliest], event, earliest == 0);
        if (!has_started && sides[1].capture_ns != 0) {
            has_started = true;
            eg_pacer_start(bench->pacer, START_NS + 30 * MS + test->picture_ns);
        }
        sim_track_next(sims[earliest]);
    }
    for (int i = 0; i < 2; i++) {
        eg_timeline_track_free(sides[i].track);
        sim_track_free(sims[i]);
    }
}

/* The output's time of the first frame of each beep, in order. */
static GArray *find_beeps(const Bench *bench)
{
    GArray *beeps = g_array_new(FALSE, FALSE, sizeof(gint64));
    bool was_loud = false;

    for (gint64 frame = 0; frame < bench->frames; frame++) {
        bool is_loud = fabsf(bench_left(bench, frame)) > 0.25F;
        gint64 at_ns = frame * S / 48000;
        if (is_loud && !was_loud)
            g_array_append_val(beeps, at_ns);
        was_loud = is_loud;
    }
    return beeps;
}

static gint64 nearest(const GArray *times, gint64 to_ns)
{
    gint64 best_ns = S;

    for (guint i = 0; i < times->len; i++) {
        gint64 off_ns = to_ns - g_array_index(times, gint64, i);
        if (ABS(off_ns) < ABS(best_ns))
            best_ns = off_ns;
    }
    return best_ns;
}

static int compare_sizes(gconstpointer a, gconstpointer b)
{
    gint64 left_ns = ABS(*(const gint64 *)a);
    gint64 right_ns = ABS(*(const gint64 *)b);
    return left_ns < right_ns ? -1 : left_ns > right_ns;
}

/* How far each flash is from the nearest beep, the farthest last. */
static GArray *measure(const Bench *bench, const Case *test)
{
    g_autoptr(GArray) beeps = find_beeps(bench);
    GArray *offsets = g_array_new(FALSE, FALSE, sizeof(gint64));
    guint32 last_id = 0;

    for (guint i = 0; i < bench->pictures->len; i++) {
        const BenchPicture *picture = bench_picture(bench, i);
        gint64 at_ns = picture->tick * S / 30;
        if (picture->id >= FLASH_ID && picture->id != last_id && at_ns >= test->from_ns) {
            gint64 offset_ns = nearest(beeps, at_ns);
            g_array_append_val(offsets, offset_ns);
        }
        last_id = picture->id;
    }
    g_array_sort(offsets, compare_sizes);
    return offsets;
}

static void test_sync(gconstpointer data)
{
    const Case *test = data;
    g_autoptr(Bench) bench = bench_new_stopped(NULL);

    record(bench, test);
    g_autoptr(GArray) offsets = measure(bench, test);
    guint n_expected = (guint)((LENGTH_NS - test->mute_ns - test->from_ns) / S) - 2;
    gint64 median_ns = g_array_index(offsets, gint64, offsets->len / 2);
    gint64 p95_ns = g_array_index(offsets, gint64, offsets->len * 95 / 100);
    gint64 most_ns = g_array_index(offsets, gint64, offsets->len - 1);
    EgPacerStats stats = bench_stats(bench);
    g_test_message("offsets: median %.1f, p95 %.1f, most %.1f ms; repeated %d, surplus %d, late %d",
                   (double)median_ns / 1e6, (double)p95_ns / 1e6, (double)most_ns / 1e6,
                   (int)stats.repeated, (int)stats.surplus_pictures, (int)stats.late_pictures);
    g_assert_cmpuint(offsets->len, >=, n_expected);
    g_assert_cmpint(ABS(p95_ns), <=, 20 * MS);
    g_assert_cmpint(ABS(most_ns), <=, 40 * MS);
    g_assert_cmpuint(stats.late_pictures, ==, 0);
    g_assert_cmpuint(stats.skipped, ==, 0);
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/sync/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_sync);
    }
    return g_test_run();
}
