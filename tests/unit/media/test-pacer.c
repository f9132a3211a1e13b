#include "pacer-bench.h"

#include "base/time.h"

/* Time and pictures. The sound is tested by test-pacer-sound.c. */

#define S  EG_NS_PER_S
#define MS EG_NS_PER_MS

static const EgPacerParams pictures_only = {.rate_hz = G_MAXUINT};

/* How sources of any rate come out. */

typedef struct {
    const char *name;
    guint fps; /* of the output */
    double source_fps;
    gint64 jitter_ns;
    double phase; /* of the source against the ticks, in periods of the output */
    double ppm;   /* of the source's clock */
    gint64 seconds;
    guint64 repeated; /* at most, beyond what the rates make necessary */
    guint64 surplus;
} Cadence;

// clang-format off
static const Cadence cadences[] = {
    {"same",                 30, 30, 0,      0,    0,    60,  0, 0},
    {"same-jitter",          30, 30, 8 * MS, 0,    0,    600, 0, 0},
    {"same-jitter-phase-2",  30, 30, 8 * MS, 0.2,  0,    600, 0, 0},
    {"same-jitter-phase-4",  30, 30, 8 * MS, 0.4,  0,    600, 0, 0},
    {"same-jitter-phase-48", 30, 30, 8 * MS, 0.48, 0,    600, 0, 0},
    {"same-jitter-phase-5",  30, 30, 8 * MS, 0.5,  0,    600, 0, 0},
    {"same-jitter-phase-52", 30, 30, 8 * MS, 0.52, 0,    600, 0, 0},
    /* The first picture is 8 ms early and takes a tick too soon, which is made good later. */
    {"same-jitter-phase-6",  30, 30, 8 * MS, 0.6,  0,    600, 1, 0},
    {"same-jitter-phase-8",  30, 30, 8 * MS, 0.8,  0,    600, 0, 0},
    /* 18000 pictures, 200 ppm: 3.6 pictures too many or too few. */
    {"fast-clock",           30, 30, 8 * MS, 0.5,  200,  600, 0, 4},
    {"slow-clock",           30, 30, 8 * MS, 0.5,  -200, 600, 4, 0},
    {"half",                 30, 15, 8 * MS, 0.5,  0,    600, 0, 0},
    {"double",               30, 60, 4 * MS, 0.25, 0,    600, 0, 0},
    {"double-phase-5",       30, 60, 4 * MS, 0.5,  0,    600, 0, 0},
    {"film",                 30, 24, 4 * MS, 0.1,  0,    600, 0, 0},
    {"sixty",                60, 60, 4 * MS, 0.5,  0,    600, 0, 0},
    {"thirty-to-sixty",      60, 30, 4 * MS, 0.5,  0,    600, 0, 0},
    {"slow",                 30, 5,  8 * MS, 0.5,  0,    600, 0, 0},
};
// clang-format on

/* Where ticks are rounded, the bound is freer for so many pictures. */
#define YOUNG_PICTURES 60

/* No picture is shown farther from its time than half a tick, the jitter and the hysteresis. */
static void check_places(const Bench *bench, const Cadence *test, GArray *instants)
{
    gint64 period_ns = S / test->fps;
    gint64 most_ns = period_ns / 2 + test->jitter_ns + 4 * MS + 1 * MS;
    guint32 last_id = 0;

    for (guint i = 0; i < bench->pictures->len; i++) {
        const BenchPicture *picture = bench_picture(bench, i);
        if (picture->id == last_id || picture->id == 0)
            continue;
        gint64 since_ns = g_array_index(instants, gint64, picture->id - 1);
        gint64 tick_ns = picture->tick * S / test->fps;
        g_assert_cmpuint(picture->id, >, last_id);
        if (picture->id > YOUNG_PICTURES)
            g_assert_cmpint(ABS(tick_ns - since_ns), <=, most_ns);
        last_id = picture->id;
    }
}

static void test_cadence(gconstpointer data)
{
    const Cadence *test = data;
    EgPacerParams params = {.fps = test->fps, .rate_hz = G_MAXUINT};
    g_autoptr(Bench) bench = bench_new(&params);
    g_autoptr(GRand) random = g_rand_new_with_seed(7);
    g_autoptr(GArray) instants = g_array_new(FALSE, FALSE, sizeof(gint64));
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);
    double interval_ns = 1e9 / test->source_fps / (1 + test->ppm / 1e6);
    gint64 n_pictures = (gint64)((double)(test->seconds * S) / interval_ns);

    for (gint64 i = 0; i < n_pictures; i++) {
        double phase_ns = test->phase * 1e9 / test->fps;
        gint64 since_ns = (gint64)(phase_ns + (double)i * interval_ns);
        since_ns += (gint64)((double)test->jitter_ns * (2 * g_rand_double(random) - 1));
        since_ns = MAX(since_ns, 0);
        g_array_append_val(instants, since_ns);
        bench_advance(bench, (gint64)(phase_ns + (double)i * interval_ns) + 60 * MS);
        bench_push_picture(bench, input, since_ns, (guint32)i + 1);
    }
    EgPacerStats stats = bench_stats(bench);
    double ticks = (double)stats.pictures;
    double shown = ticks * MIN(1, test->source_fps / test->fps);
    double needed_repeats = ticks - shown;
    double needed_surplus = shown * MAX(0, test->source_fps / test->fps - 1);
    g_test_message("%d ticks, repeated %d (needed %.0f), surplus %d (needed %.0f)",
                   (int)stats.pictures, (int)stats.repeated, needed_repeats,
                   (int)stats.surplus_pictures, needed_surplus);
    g_assert_cmpfloat(ABS((double)stats.pictures - (double)test->seconds * test->fps), <=, 15);
    g_assert_cmpfloat((double)stats.repeated, <=, needed_repeats + 2 + (double)test->repeated);
    g_assert_cmpfloat((double)stats.surplus_pictures, <=,
                      needed_surplus + 2 + (double)test->surplus);
    if (test->source_fps == test->fps && test->ppm == 0) {
        g_assert_cmpuint(stats.repeated, <=, test->repeated);
        g_assert_cmpuint(stats.surplus_pictures, <=, test->surplus);
    }
    g_assert_cmpuint(stats.late_pictures, ==, 0);
    check_places(bench, test, instants);
}

/* A source of 30 fps from the tick `first` on, up to the tick `end`, exactly on time, each with its
 * tick + 1 as id; each picture comes 50 ms after it was captured. */
static void show(Bench *bench, EgPacerInput *input, guint32 first, guint32 end)
{
    for (guint32 tick = first; tick < end; tick++) {
        gint64 since_ns = (gint64)tick * S / 30;
        bench_advance(bench, since_ns + 50 * MS);
        bench_push_picture(bench, input, since_ns, tick + 1);
    }
}

static guint32 shown_at(const Bench *bench, gint64 tick)
{
    for (guint i = 0; i < bench->pictures->len; i++) {
        if (bench_picture(bench, i)->tick == tick)
            return bench_picture(bench, i)->id;
    }
    g_assert_not_reached();
}

static void assert_shown(const Bench *bench, gint64 first, gint64 end, guint32 id)
{
    for (gint64 tick = first; tick < end; tick++)
        g_assert_cmpuint(shown_at(bench, tick), ==, id);
}

static void assert_moving(const Bench *bench, gint64 first, gint64 end)
{
    for (gint64 tick = first; tick < end; tick++)
        g_assert_cmpint(shown_at(bench, tick), ==, tick + 1);
}

static void test_nothing_before_start(void)
{
    g_autoptr(Bench) bench = bench_new_stopped(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    bench_push_picture(bench, input, -100 * MS, 1);
    bench_push_picture(bench, input, -20 * MS, 2);
    bench_push_picture(bench, input, 33 * MS, 3);
    bench_push_picture(bench, input, 66 * MS, 4);
    g_assert_cmpint(bench->wake_ns, ==, G_MAXINT64);
    g_assert_cmpint(eg_pacer_position(bench->pacer), ==, EG_TIME_NONE);
    g_assert_cmpuint(bench->pictures->len, ==, 0);

    eg_pacer_start(bench->pacer, BENCH_ORIGIN_NS);
    g_assert_cmpint(eg_pacer_position(bench->pacer), ==, BENCH_ORIGIN_NS);
    bench_run(bench);
    g_assert_cmpuint(bench->pictures->len, ==, 2);
    g_assert_cmpuint(shown_at(bench, 0), ==, 2);
    g_assert_cmpuint(shown_at(bench, 1), ==, 3);
    g_assert_cmpint(eg_pacer_position(bench->pacer), ==, BENCH_ORIGIN_NS + 66666666);
}

/* The first pictures came late, all at once: what is first shown is nevertheless what is due then,
 * not the oldest of them. */
static void test_late_beginning(void)
{
    g_autoptr(Bench) bench = bench_new_stopped(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    for (guint32 tick = 0; tick < 6; tick++) /* as the timeline has them: 1 ms apart */
        bench_push_picture(bench, input, 5 * S / 30 + (tick + 1) * MS, tick + 1);
    for (guint32 tick = 6; tick < 15; tick++)
        bench_push_picture(bench, input, tick * S / 30, tick + 1);
    bench->now_ns = BENCH_ORIGIN_NS + 500 * MS;
    eg_pacer_start(bench->pacer, BENCH_ORIGIN_NS + 5 * S / 30);
    bench_run(bench);
    for (gint64 tick = 0; tick < 9; tick++)
        g_assert_cmpint(shown_at(bench, tick), ==, tick + 6);
}

/* A tick is made with the next picture's coming, else after the latency. */
static void test_eager(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);

    bench_advance(bench, 499 * MS);
    g_assert_cmpuint(bench->pictures->len, ==, 0);
    bench_advance(bench, 500 * MS);
    g_assert_cmpuint(bench->pictures->len, ==, 1);

    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);
    show(bench, input, 15, 90);
    for (gint64 tick = 16; tick < 89; tick++) {
        const BenchPicture *picture = bench_picture(bench, (guint)tick);
        gint64 next_came_ns = BENCH_ORIGIN_NS + (tick + 1) * S / 30 + 50 * MS;
        g_assert_cmpint(picture->made_ns, ==, next_came_ns);
    }
    /* The last one waits. */
    g_assert_cmpuint(bench->pictures->len, ==, 89);
    bench_advance(bench, 89 * S / 30 + 499 * MS);
    g_assert_cmpuint(bench->pictures->len, ==, 89);
    bench_advance(bench, 89 * S / 30 + 501 * MS);
    g_assert_cmpuint(bench->pictures->len, ==, 90);
}

static void test_memory_is_shared(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);
    guint32 id = 7;
    g_autoptr(GstBuffer) picture = gst_buffer_new_memdup(&id, sizeof(id));
    GstMapInfo map;

    GST_BUFFER_PTS(picture) = (GstClockTime)BENCH_ORIGIN_NS;
    eg_pacer_input_push(input, gst_buffer_ref(picture));
    bench_push_picture(bench, input, 34 * MS, 8);
    g_assert_cmpuint(bench->pictures->len, ==, 1);
    gst_buffer_map(picture, &map, GST_MAP_READ);
    g_assert_true(map.data == bench->last_memory);
    gst_buffer_unmap(picture, &map);
    g_assert_cmpuint(GST_BUFFER_PTS(picture), ==, BENCH_ORIGIN_NS);
}

/* Nothing comes: held for two seconds, then black. */
static void test_hold(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 30);
    bench_advance(bench, 10 * S);
    assert_moving(bench, 0, 30);
    assert_shown(bench, 30, 90, 30); /* up to 2 s after its own tick, 29 */
    assert_shown(bench, 90, 280, 0);
    show(bench, input, 300, 310);
    assert_moving(bench, 300, 309);
    EgPacerStats stats = bench_stats(bench);
    g_assert_cmpuint(stats.repeated, ==, 60);
    g_assert_cmpuint(stats.black, ==, 210);
}

/* Muted: what was captured is shown, then black at once, also if it is unmuted before these ticks
 * are made. */
static void test_mute(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 30); /* now it is 1.017 s */
    eg_pacer_input_set_live(input, false);
    bench_advance(bench, 2 * S);
    eg_pacer_input_set_live(input, true);
    bench_advance(bench, 3 * S);
    show(bench, input, 90, 120);
    assert_moving(bench, 0, 30);
    assert_shown(bench, 30, 31, 30); /* 1.000 s: still live */
    assert_shown(bench, 31, 90, 0);
    assert_moving(bench, 90, 119);
}

/* What was captured before the end, but is decoded later, is shown, too. */
static void test_end(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 30);
    eg_pacer_input_set_live(input, false);
    show(bench, input, 30, 40);
    eg_pacer_input_end(input);
    bench_advance(bench, 3 * S);
    assert_moving(bench, 0, 40);
    assert_shown(bench, 40, 70, 0);
}

/* The newest track that has pictures is shown. */
static void test_newest(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *camera = eg_pacer_add_video(bench->pacer, 0);
    show(bench, camera, 0, 30);

    EgPacerInput *screen = eg_pacer_add_video(bench->pacer, 0);
    show(bench, camera, 30, 60); /* nothing of the screen yet */
    for (guint32 tick = 60; tick < 90; tick++) {
        show(bench, camera, tick, tick + 1);
        bench_push_picture(bench, screen, (gint64)tick * S / 30, 1000 + tick);
    }
    eg_pacer_input_end(screen);
    show(bench, camera, 90, 150);
    assert_moving(bench, 0, 60);
    for (gint64 tick = 60; tick < 90; tick++)
        g_assert_cmpint(shown_at(bench, tick), ==, 1000 + tick);
    assert_moving(bench, 93, 149);
    g_assert_cmpuint(bench_stats(bench).black, ==, 0);
}

/* What is preferred is shown while it has pictures, in whatever order the tracks came. */
static void test_rank(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *screen = eg_pacer_add_video(bench->pacer, 0);
    EgPacerInput *camera = eg_pacer_add_video(bench->pacer, 1);
    EgPacerInput *other = eg_pacer_add_video(bench->pacer, 2);

    show(bench, camera, 0, 30); /* nothing of the screen yet */
    for (guint32 tick = 30; tick < 60; tick++) {
        show(bench, camera, tick, tick + 1);
        bench_push_picture(bench, screen, (gint64)tick * S / 30, 1000 + tick);
        bench_push_picture(bench, other, (gint64)tick * S / 30, 2000 + tick);
    }
    eg_pacer_input_set_live(screen, false);
    show(bench, camera, 60, 90);
    eg_pacer_input_set_live(screen, true);
    for (guint32 tick = 90; tick < 120; tick++) {
        show(bench, camera, tick, tick + 1);
        bench_push_picture(bench, screen, (gint64)tick * S / 30, 1000 + tick);
    }
    eg_pacer_input_end(screen);
    show(bench, camera, 120, 150);
    assert_moving(bench, 0, 30);
    for (gint64 tick = 30; tick < 60; tick++)
        g_assert_cmpint(shown_at(bench, tick), ==, 1000 + tick);
    assert_moving(bench, 63, 90);
    for (gint64 tick = 90; tick < 120; tick++)
        g_assert_cmpint(shown_at(bench, tick), ==, 1000 + tick);
    assert_moving(bench, 123, 149);
    g_assert_cmpuint(bench_stats(bench).black, ==, 0);
}

/* A picture that comes a little after its tick is shown at the next one that is free. */
static void test_late(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 30);
    bench_advance(bench, 33 * S / 30 + 501 * MS); /* tick 33 was made */
    bench_push_picture(bench, input, 30 * S / 30, 99);
    bench_push_picture(bench, input, 31 * S / 30, 32);
    show(bench, input, 70, 80);
    assert_shown(bench, 30, 34, 30);
    assert_shown(bench, 34, 70, 32);
    EgPacerStats stats = bench_stats(bench);
    g_assert_cmpuint(stats.late_pictures, ==, 2);
    g_assert_cmpuint(stats.surplus_pictures, ==, 0);
}

/* The network was away, and what it had kept comes all at once: none of that is shown as if it were
 * of now. */
static void test_caught_up(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 30);
    bench_advance(bench, 60 * S / 30 + 517 * MS); /* tick 60 was made */
    for (guint32 tick = 30; tick < 75; tick++)
        bench_push_picture(bench, input, tick * S / 30, tick + 1);
    show(bench, input, 75, 150);
    assert_moving(bench, 0, 30);
    assert_shown(bench, 30, 61, 30);
    assert_moving(bench, 62, 149);
    g_assert_cmpuint(bench_stats(bench).late_pictures, ==, 61 - 30);
}

/* The only picture in a while comes far too late: after a second it is clear that it is the best.
 */
static void test_overdue(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 30);
    bench_advance(bench, 45 * S / 30 + 501 * MS); /* tick 45 was made */
    bench_push_picture(bench, input, 30 * S / 30, 31);
    bench_push_picture(bench, input, 31 * S / 30, 32);
    bench_advance(bench, 85 * S / 30 + 501 * MS);
    show(bench, input, 86, 100);
    assert_shown(bench, 30, 76, 30);
    assert_shown(bench, 76, 86, 32); /* a second after tick 46, which it would have had */
    assert_moving(bench, 86, 99);
    g_assert_cmpuint(bench_stats(bench).late_pictures, ==, 2);
}

/* A source that is always late is shown late, after a second. */
static void test_always_late(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    for (guint32 tick = 0; tick < 120; tick++) {
        bench_advance(bench, tick * S / 30 + 801 * MS);
        bench_push_picture(bench, input, tick * S / 30, tick + 1);
        bench_run(bench);
    }
    /* Tick 24 is over when the first one comes. */
    assert_shown(bench, 10, 40, 0);
    for (gint64 tick = 40; tick < 120; tick++)
        g_assert_cmpint(shown_at(bench, tick), >, tick - 12);
}

/* An encoder that stops for 300 ms costs nothing, for 2 s the pictures that waited longer than half
 * a second; sound goes on, and never are more pictures kept than these. */
static void test_overload(void)
{
    g_autoptr(Bench) bench = bench_new(NULL);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    bench->busy_from_ns = BENCH_ORIGIN_NS + 2 * S;
    bench->busy_until_ns = bench->busy_from_ns + 300 * MS;
    show(bench, input, 0, 120);
    g_assert_cmpuint(bench_stats(bench).skipped, ==, 0);
    assert_moving(bench, 0, 119);

    bench->busy_from_ns = BENCH_ORIGIN_NS + 5 * S;
    bench->busy_until_ns = bench->busy_from_ns + 2 * S;
    show(bench, input, 120, 209); /* up to 6.983 s */
    g_assert_cmpint(bench->last_block_ns, >, bench->now_ns - 30 * MS);
    show(bench, input, 209, 300);
    EgPacerStats stats = bench_stats(bench);
    /* Busy until 7 s; then the ticks from 6 s on are put out. */
    g_assert_cmpuint(stats.skipped, >=, 28);
    g_assert_cmpuint(stats.skipped, <=, 32);
    assert_moving(bench, 182, 299);
    g_assert_cmpuint(stats.pictures + stats.skipped, ==, 299);
    g_assert_cmpuint(stats.late_pictures + stats.surplus_pictures, ==, 0);
}

/* An encoder that never has room: everything is skipped, nothing piles up. */
static void test_stuck(void)
{
    g_autoptr(Bench) bench = bench_new(&pictures_only);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    bench->busy_until_ns = G_MAXINT64;
    show(bench, input, 0, 900);
    EgPacerStats stats = bench_stats(bench);
    g_assert_cmpuint(stats.pictures, ==, 0);
    g_assert_cmpuint(stats.skipped, >=, 900 - 33);
    eg_pacer_finish(bench->pacer, BENCH_ORIGIN_NS + 30 * S);
    assert_moving(bench, 875, 900);
}

/* An encoder that has no room at the end: pictures end with the sound all the same. */
static void test_stuck_at_the_end(void)
{
    static const gint64 end_ns = 4100 * MS;
    g_autoptr(Bench) bench = bench_new(NULL);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 60);
    bench->busy_until_ns = G_MAXINT64;
    show(bench, input, 60, 123);
    eg_pacer_set_end(bench->pacer, BENCH_ORIGIN_NS + end_ns);
    bench_advance(bench, 5500 * MS);
    g_assert_true(eg_pacer_has_reached_end(bench->pacer));
    eg_pacer_finish(bench->pacer, BENCH_ORIGIN_NS + end_ns);
    const BenchPicture *last = bench_picture(bench, bench->pictures->len - 1);
    g_assert_cmpuint(last->id, ==, 123);
    g_assert_cmpint(last->tick, ==, 122);
    EgPacerStats stats = bench_stats(bench);
    g_assert_cmpuint(stats.pictures + stats.skipped, ==, 123);
    g_assert_cmpuint(stats.skipped, >, 60);
}

/* Started with an origin in the past, as when nothing was shown for long: what is due leaves as
 * fast as the encoder takes it, and counts as overload only if it gets slower than the time. */
static void test_backlog(void)
{
    g_autoptr(Bench) bench = bench_new_stopped(&pictures_only);

    bench->now_ns = BENCH_ORIGIN_NS + 3 * S;
    bench->busy_until_ns = BENCH_ORIGIN_NS + 3 * S + 400 * MS;
    eg_pacer_start(bench->pacer, BENCH_ORIGIN_NS);
    bench_run(bench);
    g_assert_cmpuint(bench->pictures->len, ==, 0);
    bench_advance(bench, 4 * S);
    g_assert_cmpuint(bench_stats(bench).skipped, ==, 0);
    g_assert_cmpuint(bench->pictures->len, ==, 106); /* up to 3.5 s */
}

/* Days: no tick and no block is off its place by a nanosecond (the bench checks each). */
static void test_days(void)
{
    static const guint rates[][2] = {
        {30, 1000},
        {25, 1001},
        {60, 999 },
        {24, 441 }
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rates); i++) {
        EgPacerParams params = {
            .fps = rates[i][0], .rate_hz = rates[i][1], .block_frames = rates[i][1] * 7 / 5};
        g_autoptr(Bench) bench = bench_new(&params);
        bench->keeps_sound = false;
        eg_pacer_add_video(bench->pacer, 0);
        eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
        const gint64 day_s = 24 * 3600;
        for (gint64 hour = 1; hour <= 24; hour++) {
            bench->now_ns = BENCH_ORIGIN_NS + hour * 3600 * S;
            bench_run(bench);
        }
        g_assert_cmpint((gint64)bench_stats(bench).pictures, >=, day_s * rates[i][0] - 30);
        eg_pacer_finish(bench->pacer, BENCH_ORIGIN_NS + day_s * S);
        g_assert_cmpuint(bench->pictures->len, ==, day_s * rates[i][0]);
        g_assert_cmpint(bench->frames, ==, day_s * rates[i][1]);
    }
}

/* The end. */

typedef struct {
    const char *name;
    guint fps;
    guint rate_hz;
    gint64 end_ns;
    gint64 now_ns; /* how far it ran before */
} Ending;

static const Ending endings[] = {
    {"whole",         30,        48000,     5 * S,               4 * S},
    {"odd",           30,        48000,     5 * S + 12345678,    4 * S},
    {"odd-44100",     25,        44100,     3 * S + 98765432,    3 * S},
    {"off-grid",      24,        44100,     125 * S / 24 + 1000, 3 * S}, /* a tick between two samples */
    {"sliver",        30,        48000,     100 * S / 30 + 1,    2 * S},
    {"already-past",  30,        48000,     2 * S,               4 * S},
    {"at-once",       30,        48000,     20 * MS,             0    },
    {"empty",         30,        48000,     0,                   0    },
    {"before-origin", 30,        48000,     -5 * S,              0    },
    {"sound-only",    G_MAXUINT, 44100,     3 * S + 1234567,     2 * S},
    {"pictures-only", 30,        G_MAXUINT, 3 * S + 1234567,     2 * S},
};

static void test_finish(gconstpointer data)
{
    const Ending *test = data;
    EgPacerParams params = {.fps = test->fps, .rate_hz = test->rate_hz};
    g_autoptr(Bench) bench = bench_new(&params);
    bool has_pictures = bench->params.fps > 0;
    bool has_sound = bench->params.rate_hz > 0;
    gint64 picture_end_ns = 0;

    if (has_pictures)
        eg_pacer_add_video(bench->pacer, 0);
    if (has_sound)
        eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    bench_advance(bench, test->now_ns);
    eg_pacer_finish(bench->pacer, BENCH_ORIGIN_NS + test->end_ns);

    if (bench->pictures->len > 0) {
        const BenchPicture *last = bench_picture(bench, bench->pictures->len - 1);
        picture_end_ns = last->tick * S / test->fps + last->duration_ns;
        g_assert_cmpint(last->duration_ns, >=, has_sound ? S / test->rate_hz : 1);
        g_assert_cmpint(last->tick, ==, bench->pictures->len - 1);
    }
    gint64 sound_end_ns = has_sound ? bench->frames * S / test->rate_hz : picture_end_ns;
    if (!has_pictures)
        picture_end_ns = sound_end_ns;
    gint64 sample_ns = has_sound ? S / test->rate_hz + 1 : 1;
    g_assert_cmpint(ABS(picture_end_ns - sound_end_ns), <=, sample_ns);
    gint64 made_ns = MAX(test->now_ns - 500 * MS, 0);
    g_assert_cmpint(sound_end_ns, >=, MAX(test->end_ns, made_ns) - sample_ns);
    if (test->end_ns > made_ns + 40 * MS)
        g_assert_cmpint(sound_end_ns, <=, test->end_ns + sample_ns);

    /* It is over. */
    guint n_pictures = bench->pictures->len;
    gint64 frames = bench->frames;
    bench->now_ns += 10 * S;
    bench_run(bench);
    eg_pacer_finish(bench->pacer, BENCH_ORIGIN_NS + 20 * S);
    g_assert_cmpint(bench->wake_ns, ==, G_MAXINT64);
    g_assert_cmpuint(bench->pictures->len, ==, n_pictures);
    g_assert_cmpint(bench->frames, ==, frames);
}

/* What is there is put out at the end, without waiting. */
static void test_finish_shows_rest(void)
{
    g_autoptr(Bench) bench = bench_new(NULL);
    EgPacerInput *input = eg_pacer_add_video(bench->pacer, 0);

    show(bench, input, 0, 30);
    eg_pacer_finish(bench->pacer, BENCH_ORIGIN_NS + S);
    assert_moving(bench, 0, 30);
    g_assert_cmpuint(bench->pictures->len, ==, 30);
    g_assert_cmpint(bench->frames, ==, 48000);
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cadences); i++) {
        g_autofree char *path = g_strdup_printf("/pacer/cadence/%s", cadences[i].name);
        g_test_add_data_func(path, &cadences[i], test_cadence);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *path = g_strdup_printf("/pacer/finish/%s", endings[i].name);
        g_test_add_data_func(path, &endings[i], test_finish);
    }
    g_test_add_func("/pacer/finish/shows-rest", test_finish_shows_rest);
    g_test_add_func("/pacer/nothing-before-start", test_nothing_before_start);
    g_test_add_func("/pacer/late-beginning", test_late_beginning);
    g_test_add_func("/pacer/eager", test_eager);
    g_test_add_func("/pacer/memory-is-shared", test_memory_is_shared);
    g_test_add_func("/pacer/hold", test_hold);
    g_test_add_func("/pacer/mute", test_mute);
    g_test_add_func("/pacer/end", test_end);
    g_test_add_func("/pacer/newest", test_newest);
    g_test_add_func("/pacer/rank", test_rank);
    g_test_add_func("/pacer/late", test_late);
    g_test_add_func("/pacer/caught-up", test_caught_up);
    g_test_add_func("/pacer/overdue", test_overdue);
    g_test_add_func("/pacer/always-late", test_always_late);
    g_test_add_func("/pacer/overload", test_overload);
    g_test_add_func("/pacer/stuck", test_stuck);
    g_test_add_func("/pacer/stuck-at-the-end", test_stuck_at_the_end);
    g_test_add_func("/pacer/backlog", test_backlog);
    g_test_add_func("/pacer/days", test_days);
    return g_test_run();
}
