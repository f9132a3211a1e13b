#include "pacer-bench.h"

#include <math.h>

#include "base/time.h"
#include "media/mixer.h"
#include "media/resampler.h"

#define S  EG_NS_PER_S
#define MS EG_NS_PER_MS

#define PACKET 960 /* frames of 20 ms */
#define FADE   240 /* 5 ms */

static const EgPacerParams sound_only = {.fps = G_MAXUINT};

static float tone(gint64 frame, double hz, float level)
{
    return bench_tone(frame, 48000, hz, level);
}

static void assert_same(const float *samples, const float *expected, gsize n_samples)
{
    for (gsize i = 0; i < n_samples; i++)
        g_assert_cmpfloat(samples[i], ==, expected[i]);
}

/* Packets [first, end) of a tone, each exactly on time and 40 ms after its capture. */
static void send(Bench *bench, EgPacerInput *input, gint64 first, gint64 end, double hz,
                 float level)
{
    for (gint64 packet = first; packet < end; packet++) {
        gint64 since_ns = packet * 20 * MS;
        bench_advance(bench, since_ns + 40 * MS);
        bench_push_tone(bench, input, since_ns, packet * PACKET, PACKET, hz, level);
    }
}

static void assert_tone(const Bench *bench, gint64 from, gint64 end, double hz, float level)
{
    for (gint64 frame = from; frame < end; frame++) {
        float expected = tone(frame, hz, level);
        if (bench_left(bench, frame) != expected || bench_right(bench, frame) != expected)
            g_test_message("frame %" G_GINT64_FORMAT, frame);
        g_assert_cmpfloat(bench_left(bench, frame), ==, expected);
        g_assert_cmpfloat(bench_right(bench, frame), ==, expected);
    }
}

static void assert_silent(const Bench *bench, gint64 from, gint64 end)
{
    for (gint64 frame = from; frame < end; frame++) {
        if (bench_left(bench, frame) != 0)
            g_test_message("frame %" G_GINT64_FORMAT, frame);
        g_assert_cmpfloat(bench_left(bench, frame), ==, 0);
        g_assert_cmpfloat(bench_right(bench, frame), ==, 0);
    }
}

/* (The tone must not end at zero where packets do.) No step between two frames is larger than a
 * tone of this frequency and level makes, and a fade.
 */
static void assert_no_click(const Bench *bench, gint64 from, gint64 end, double hz, double level)
{
    double most = level * (2 * G_PI * hz / 48000 + 2.0 / FADE);

    for (gint64 frame = MAX(from, 1); frame < end; frame++) {
        double step = fabs((double)bench_left(bench, frame) - (double)bench_left(bench, frame - 1));
        if (step > most)
            g_test_message("frame %" G_GINT64_FORMAT, frame);
        g_assert_cmpfloat(step, <=, most);
    }
}

/* Continuous sound comes out bit for bit, at its place, though PTS are rounded. */
static void test_exact(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    g_autoptr(GRand) random = g_rand_new_with_seed(5);

    for (gint64 packet = 0; packet < 3000; packet++) {
        gint64 since_ns = packet * 20 * MS;
        bench_advance(bench, since_ns + 40 * MS);
        bench_push_tone(bench, input, since_ns + g_rand_int_range(random, -10000, 10001),
                        packet * PACKET, PACKET, 440, 0.5F);
    }
    g_assert_cmpint(bench->frames, >, 59 * 48000);
    assert_tone(bench, FADE, bench->frames, 440, 0.5F);
    EgPacerStats stats = bench_stats(bench);
    g_assert_cmpuint(stats.silent_frames, ==, 0);
    g_assert_cmpuint(stats.late_frames, ==, 0);
}

/* Blocks come as soon as all live tracks have them, but the first half second at the latest time.
 */
static void test_eager(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    send(bench, input, 0, 20, 440, 0.5F);
    g_assert_cmpint(bench->frames, ==, 0);
    send(bench, input, 20, 50, 440, 0.5F);
    g_assert_cmpint(bench->frames, >, 50 * PACKET - 1024);

    EgPacerInput *other = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    gint64 frames = bench->frames;
    send(bench, input, 50, 70, 440, 0.5F);
    g_assert_cmpint(bench->frames, ==, frames);
    eg_pacer_input_set_live(other, false);
    bench_run(bench);
    g_assert_cmpint(bench->frames, >, 70 * PACKET - 1024);
    eg_pacer_input_set_live(input, false);
    frames = bench->frames;
    bench_advance(bench, (frames + 1024) * S / 48000 + 499 * MS);
    g_assert_cmpint(bench->frames, ==, frames);
    bench_advance(bench, (frames + 1024) * S / 48000 + 501 * MS);
    g_assert_cmpint(bench->frames, ==, frames + 1024);
}

typedef struct {
    const char *name;
    gint64 from; /* packets [from, end) are missing */
    gint64 end;
    gint64 delay_ns; /* of what comes after */
    guint64 silent;
} Gap;

/* The second gap is noticed before the sound must be put out, the third long after. */
static const Gap gaps[] = {
    {"one-packet",   101, 102, 40 * MS, 960  },
    {"five-packets", 101, 106, 40 * MS, 4800 },
    {"long",         101, 201, 40 * MS, 96000},
};

static void test_gap(gconstpointer data)
{
    const Gap *test = data;
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    gint64 from = test->from * PACKET;
    gint64 end = test->end * PACKET;

    send(bench, input, 0, test->from, 310, 0.5F);
    send(bench, input, test->end, test->end + 100, 310, 0.5F);
    assert_tone(bench, FADE, from, 310, 0.5F);
    assert_silent(bench, from + FADE, end);
    assert_tone(bench, end + FADE, bench->frames, 310, 0.5F);
    assert_no_click(bench, 0, bench->frames, 310, 0.5);
    g_assert_cmpuint(bench_stats(bench).silent_frames, ==, test->silent);
    g_assert_cmpuint(bench_stats(bench).late_frames, ==, 0);
}

/* A mute is a gap, but nothing is missing. */
static void test_mute(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    send(bench, input, 0, 100, 310, 0.5F);
    eg_pacer_input_set_live(input, false);
    bench_advance(bench, 10 * S);
    eg_pacer_input_set_live(input, true);
    send(bench, input, 600, 700, 310, 0.5F);
    assert_tone(bench, FADE, 100 * PACKET, 310, 0.5F);
    assert_silent(bench, 100 * PACKET + FADE, 600 * PACKET);
    assert_tone(bench, 600 * PACKET + FADE, bench->frames, 310, 0.5F);
    assert_no_click(bench, 0, bench->frames, 310, 0.5);
    g_assert_cmpuint(bench_stats(bench).silent_frames, ==, 0);
}

/* A stall longer than the latency: what is too late is dropped and counted, the rest is in place.
 */
static void test_late(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    send(bench, input, 0, 100, 310, 0.5F);
    bench_advance(bench, 3 * S); /* 2.5 s was put out */
    gint64 frames = bench->frames;
    g_assert_cmpint(frames, >=, 5 * 24000 - 1024);
    for (gint64 packet = 100; packet < 150; packet++)
        bench_push_tone(bench, input, packet * 20 * MS, packet * PACKET, PACKET, 310, 0.5F);
    send(bench, input, 150, 200, 310, 0.5F);
    assert_tone(bench, FADE, 100 * PACKET, 310, 0.5F);
    assert_silent(bench, 100 * PACKET + FADE, frames);
    assert_tone(bench, frames + FADE, bench->frames, 310, 0.5F);
    assert_no_click(bench, 0, bench->frames, 310, 0.5);
    EgPacerStats stats = bench_stats(bench);
    g_assert_cmpint((gint64)stats.late_frames, ==, frames - 100 * PACKET);
    g_assert_cmpuint(stats.silent_frames, ==, stats.late_frames);
}

/* The timeline steps back by 153 ms: what overlaps is cut, without a click, whether it was put out
 * already or still waits (for another track, that has nothing yet). */
static void test_overlap(gconstpointer data)
{
    bool waits = GPOINTER_TO_INT(data);
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    const gint64 step = 153 * 48;

    if (waits)
        eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    send(bench, input, 0, 101, 310, 0.5F);
    for (gint64 packet = 101; packet < 200; packet++) {
        bench_advance(bench, packet * 20 * MS + 40 * MS);
        bench_push_tone(bench, input, packet * 20 * MS - 153 * MS, packet * PACKET - step, PACKET,
                        310, 0.5F);
    }
    assert_no_click(bench, 0, bench->frames, 310, 0.5);
    assert_tone(bench, 101 * PACKET + FADE, bench->frames, 310, 0.5F);
    g_assert_cmpuint(bench_stats(bench).silent_frames, ==, 0);
}

/* The timeline finds out within the first half second that the first packets were late: the whole
 * beginning is moved, nothing is cut. */
static void test_settling(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    for (gint64 packet = 0; packet < 100; packet++) {
        gint64 since_ns = S + packet * 20 * MS;
        gint64 off_ns = packet < 5 ? 60 * MS : packet < 10 ? 20 * MS : packet < 15 ? 3 * MS : 0;
        bench_advance(bench, since_ns + 80 * MS);
        bench_push_tone(bench, input, since_ns + off_ns, 48000 + packet * PACKET, PACKET, 310,
                        0.5F);
    }
    assert_silent(bench, 0, 48000);
    assert_tone(bench, 48000 + FADE, bench->frames, 310, 0.5F);
    assert_no_click(bench, 0, bench->frames, 310, 0.5);
}

/* Sound that was there before the start is put in place then. */
static void test_held_before_start(void)
{
    g_autoptr(Bench) bench = bench_new_stopped(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    send(bench, input, -50, 150, 310, 0.5F);
    eg_pacer_start(bench->pacer, BENCH_ORIGIN_NS);
    bench_run(bench);
    g_assert_cmpint(bench->frames, >, 150 * PACKET - 1024);
    assert_tone(bench, FADE, bench->frames, 310, 0.5F);
    assert_no_click(bench, 0, bench->frames, 310, 0.5);
    g_assert_cmpint((gint64)bench_stats(bench).late_frames, ==, 50 * PACKET);
}

/* Drift: sound whose PTS run away is resampled so that it stays at its place. */

/* The level of what is left of [from, from + frames) when the best fitting tone of `hz` is taken
 * away, against the tone, in dB. */
static double residue_db(const Bench *bench, gint64 from, gint64 frames, double hz)
{
    double w = 2 * G_PI * hz / bench->params.rate_hz;
    double ss = 0, sc = 0, cc = 0, sx = 0, cx = 0, xx = 0;

    for (gint64 i = 0; i < frames; i++) {
        double x = (double)bench_left(bench, from + i);
        double s = sin(w * (double)i);
        double c = cos(w * (double)i);
        ss += s * s;
        sc += s * c;
        cc += c * c;
        sx += s * x;
        cx += c * x;
        xx += x * x;
    }
    double det = ss * cc - sc * sc;
    double fitted = ((sx * cc - cx * sc) * sx + (cx * ss - sx * sc) * cx) / det;
    return 10 * log10(MAX((xx - fitted) / fitted, 1e-15));
}

/* The same, of the best fitting tone within 0.6 % of `hz`: distortion and noise. */
static double noise_db(const Bench *bench, gint64 from, gint64 frames, double hz)
{
    double best_hz = hz;
    double best_db = 0;

    double width = 0.001;
    for (int round = 0; round < 9; round++, width /= 4) {
        double middle_hz = best_hz;
        for (int i = -6; i <= 6; i++) {
            double try_hz = middle_hz * (1 + i * width);
            double db = residue_db(bench, from, frames, try_hz);
            if (db < best_db) {
                best_db = db;
                best_hz = try_hz;
            }
        }
    }
    return best_db;
}

typedef struct {
    const char *name;
    double ppm; /* by which PTS grow faster than the sound */
    double hz;
    double most_db;
} Drift;

/* A slow drift is followed now and then: what is left there is the tone's changing a little, not
 * noise. */
static const Drift drifts[] = {
    {"slow-up",        100,   1000,  -60},
    {"slow-down",      -100,  1000,  -60},
    {"fast-up",        5000,  1000,  -70},
    {"fast-down",      -5000, 1000,  -70},
    {"fast-up-high",   5000,  8000,  -70},
    {"fast-down-high", -5000, 8000,  -70},
    {"fast-up-higher", 5000,  14000, -60},
    {"fast-down-low",  -5000, 100,   -70},
};

static void test_drift(gconstpointer data)
{
    const Drift *test = data;
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    const gint64 packets = 3000;

    for (gint64 packet = 0; packet < packets; packet++) {
        gint64 since_ns = packet * 20 * MS;
        since_ns += (gint64)((double)since_ns * test->ppm / 1e6);
        bench_advance(bench, since_ns + 40 * MS);
        bench_push_tone(bench, input, since_ns, packet * PACKET, PACKET, test->hz, 0.5F);
    }
    /* As long as the PTS say, within 5 ms and what is not out yet. */
    gint64 end = (gint64)((double)packets * PACKET * (1 + test->ppm / 1e6));
    g_assert_cmpint(bench->frames, >, end - 1024 - 6 * 48);
    g_assert_cmpint(bench->frames, <=, end + 6 * 48);
    g_assert_cmpuint(bench_stats(bench).silent_frames + bench_stats(bench).late_frames, ==, 0);
    assert_no_click(bench, 0, bench->frames, test->hz * 1.01, 0.51);
    for (gint64 from = 5 * 48000; from + 4800 < bench->frames; from += 137 * 480) {
        double db = noise_db(bench, from, 2400, test->hz);
        g_test_message("%.1f dB", db);
        g_assert_cmpfloat(db, <=, test->most_db);
    }
}

/* A correction of 15 ms is followed in some seconds; then the sound is bit for bit again. */
static void test_correction(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    g_autofree float *samples = g_new(float, 2 * PACKET);
    g_autoptr(GRand) random = g_rand_new_with_seed(3);
    g_autoptr(GArray) sent = g_array_new(FALSE, FALSE, sizeof(float));
    gint64 off_ns = 0;

    for (gint64 packet = 0; packet < 1500; packet++) {
        if (packet > 100 && off_ns < 15 * MS)
            off_ns += 100 * EG_NS_PER_US; /* 0.5 % of 20 ms: as the timeline does */
        for (gsize i = 0; i < 2 * PACKET; i++)
            samples[i] = (float)g_rand_double_range(random, -0.5, 0.5);
        g_array_append_vals(sent, samples, 2 * PACKET);
        bench_advance(bench, packet * 20 * MS + 60 * MS);
        bench_push_sound(bench, input, packet * 20 * MS + off_ns, samples, PACKET);
    }
    /* It is as late as it should be, within 0.25 ms, from the 20th second on. */
    gint64 found = -1;
    for (gint64 shift = 15 * 48 - 13; shift <= 15 * 48 + 13; shift++) {
        if (bench_left(bench, 20 * 48000 + shift) == g_array_index(sent, float, 2 * 20 * 48000))
            found = shift;
    }
    g_assert_cmpint(found, !=, -1);
    for (gint64 frame = 20 * 48000; frame + found < bench->frames; frame++)
        g_assert_cmpfloat(bench_left(bench, frame + found), ==,
                          g_array_index(sent, float, (guint)(2 * frame)));
}

static void test_resampler_is_transparent(void)
{
    EgResampler resampler = {0};
    float in[2 * 100];
    float out[2 * 200];

    for (int i = 0; i < 200; i++)
        in[i] = (float)i;
    for (int round = 0; round < 3; round++) {
        g_assert_cmpuint(eg_resampler_process(&resampler, in, 100, 1, out), ==, 100);
        assert_same(out, in, G_N_ELEMENTS(in));
        g_assert_true(eg_resampler_is_exact(&resampler));
    }
    /* A constant stays one. */
    for (int i = 0; i < 200; i++)
        in[i] = 0.25F;
    gsize last = 0;
    for (int round = 0; round < 30; round++) {
        g_assert_cmpuint(eg_resampler_bound(&resampler, 100, 1.003), <=, 200);
        last = eg_resampler_process(&resampler, in, 100, 1.003, out);
    }
    for (gsize i = 0; i < 2 * last; i++)
        g_assert_cmpfloat_with_epsilon(out[i], 0.25F, 1e-5F);
    gsize rest = eg_resampler_flush(&resampler, 1.003, out);
    g_assert_cmpuint(rest, <=, EG_RESAMPLER_HALF + 1);
    g_assert_true(eg_resampler_is_exact(&resampler));
    eg_resampler_clear(&resampler);
}

/* Other rates. */

typedef struct {
    const char *name;
    guint rate_in_hz;
    guint rate_hz;
    double hz;
    double ppm;
} Rate;

static const Rate rates[] = {
    {"opus-44100",       48000, 44100, 1000,  0   },
    {"opus-44100-high",  48000, 44100, 15000, 0   },
    {"opus-44100-drift", 48000, 44100, 1000,  200 },
    {"g711-48000",       8000,  48000, 1000,  0   },
    {"g711-44100",       8000,  44100, 2500,  -200},
    {"opus-32000",       48000, 32000, 5000,  0   },
};

/* Sound of another rate comes out at its place, as clean, and as loud. */
static void test_rate(gconstpointer data)
{
    const Rate *test = data;
    EgPacerParams params = {.fps = G_MAXUINT, .rate_hz = test->rate_hz};
    g_autoptr(Bench) bench = bench_new(&params);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    gint64 packet_frames = test->rate_in_hz / 50;
    g_autofree float *samples = g_new(float, 2 * (gsize)packet_frames);

    eg_pacer_input_set_rate(input, test->rate_in_hz);
    for (gint64 packet = 0; packet < 1000; packet++) {
        gint64 since_ns = packet * 20 * MS;
        since_ns += (gint64)((double)since_ns * test->ppm / 1e6);
        for (gint64 i = 0; i < packet_frames; i++)
            samples[2 * i] = samples[2 * i + 1] =
                bench_tone(packet * packet_frames + i, test->rate_in_hz, test->hz, 0.5F);
        bench_advance(bench, since_ns + 40 * MS);
        bench_push_sound(bench, input, since_ns, samples, (gsize)packet_frames);
    }
    gint64 end = (gint64)(20.0 * test->rate_hz * (1 + test->ppm / 1e6));
    gint64 slack = test->rate_hz / 200;
    g_assert_cmpint(bench->frames, >, end - 1024 - slack);
    g_assert_cmpint(bench->frames, <=, end + slack);
    g_assert_cmpuint(bench_stats(bench).silent_frames + bench_stats(bench).late_frames, ==, 0);
    gint64 from = 10 * test->rate_hz;
    if (test->ppm == 0) {
        /* In phase: at its place, by far less than a frame. */
        g_assert_cmpfloat(noise_db(bench, from, 2400, test->hz), <=, -70);
        for (gint64 frame = from; frame < from + 4800; frame++) {
            float expected = bench_tone(frame, test->rate_hz, test->hz, 0.5F);
            g_assert_cmpfloat_with_epsilon(bench_left(bench, frame), expected, 0.005F);
        }
    }
}

/* Mixing. */

static void test_routes(void)
{
    const float in[] = {0.5F, 0.25F, -1, 0.5F};
    const float expected[][4] = {
        [EG_ROUTE_NONE] = {1,      1,      1,     1    },
        [EG_ROUTE_BOTH] = {1.5F,   1.25F,  0,     1.5F },
        [EG_ROUTE_LEFT] = {1.375F, 1,      0.75F, 1    },
        [EG_ROUTE_RIGHT] = {1,      1.375F, 1,     0.75F},
    };

    for (EgRoute route = EG_ROUTE_NONE; route <= EG_ROUTE_RIGHT; route++) {
        float out[] = {1, 1, 1, 1};
        eg_mixer_add(out, in, 2, route);
        assert_same(out, expected[route], G_N_ELEMENTS(out));
    }
}

static void test_limiter(void)
{
    float quiet[] = {0.9F, -0.9F, 0.1F};
    const float same[] = {0.9F, -0.9F, 0.1F};
    eg_mixer_limit(quiet, 3, 0.9F, 0.9F);
    assert_same(quiet, same, G_N_ELEMENTS(quiet));

    float loud[401];
    for (int i = 0; i <= 400; i++)
        loud[i] = (float)(i - 200) / 50;
    eg_mixer_limit(loud, 401, 0.9F, 0.9F);
    for (int i = 0; i <= 400; i++) {
        g_assert_cmpfloat(loud[i], <=, 1);
        g_assert_cmpfloat(loud[i], >=, -1);
        if (i > 0)
            g_assert_cmpfloat(loud[i], >=, loud[i - 1]);
        g_assert_cmpfloat(loud[i], ==, -loud[400 - i]);
    }
    g_assert_cmpfloat(loud[210], ==, 0.2F);
}

/* Two tracks, one to either side, both at once, and one that ends. */
static void test_mix(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *left = eg_pacer_add_audio(bench->pacer, EG_ROUTE_LEFT);
    EgPacerInput *right = eg_pacer_add_audio(bench->pacer, EG_ROUTE_RIGHT);
    EgPacerInput *both = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    for (gint64 packet = 0; packet < 100; packet++) {
        gint64 since_ns = packet * 20 * MS;
        bench_advance(bench, since_ns + 40 * MS);
        bench_push_tone(bench, left, since_ns, packet * PACKET, PACKET, 310, 0.25F);
        bench_push_tone(bench, right, since_ns, packet * PACKET, PACKET, 500, 0.25F);
        if (packet < 50)
            bench_push_tone(bench, both, since_ns, packet * PACKET, PACKET, 700, 0.25F);
        if (packet == 50)
            eg_pacer_input_end(both);
    }
    for (gint64 frame = FADE; frame < bench->frames; frame++) {
        float more = frame < 50 * PACKET ? tone(frame, 700, 0.25F) : 0;
        if (frame >= 50 * PACKET && frame < 50 * PACKET + FADE)
            continue;
        g_assert_cmpfloat_with_epsilon(bench_left(bench, frame), tone(frame, 310, 0.25F) + more,
                                       1e-6F);
        g_assert_cmpfloat_with_epsilon(bench_right(bench, frame), tone(frame, 500, 0.25F) + more,
                                       1e-6F);
    }
    g_assert_cmpint(bench->frames, >, 99 * PACKET - 1024);
}

/* Sums are limited; a single track is not touched up to full scale. */
static void test_loud(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *one = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    send(bench, one, 0, 100, 310, 0.99F);
    assert_tone(bench, FADE, 99 * PACKET - 1024, 310, 0.99F);

    EgPacerInput *two = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    for (gint64 packet = 100; packet < 200; packet++) {
        send(bench, one, packet, packet + 1, 310, 0.99F);
        bench_push_tone(bench, two, packet * 20 * MS, packet * PACKET, PACKET, 310, 0.99F);
    }
    float peak = 0;
    for (gint64 frame = 150 * PACKET; frame < 190 * PACKET; frame++)
        peak = MAX(peak, fabsf(bench_left(bench, frame)));
    g_assert_cmpfloat(peak, <=, 1);
    g_assert_cmpfloat(peak, >, 0.99F);
}

/* Absurd PTS and empty or odd buffers do no harm. */
static void test_nonsense(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *input = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    const float samples[2 * PACKET] = {0};

    send(bench, input, 0, 50, 310, 0.5F);
    bench_push_sound(bench, input, 3600 * S, samples, PACKET);
    bench_push_sound(bench, input, -900 * S, samples, PACKET);
    GstBuffer *empty = gst_buffer_new();
    GST_BUFFER_PTS(empty) = (GstClockTime)(BENCH_ORIGIN_NS + S);
    eg_pacer_input_push(input, empty);
    eg_pacer_input_push(input, gst_buffer_new_memdup(samples, 13)); /* no PTS */
    send(bench, input, 50, 100, 310, 0.5F);
    assert_tone(bench, FADE, 49 * PACKET, 310, 0.5F);
    assert_tone(bench, 51 * PACKET, bench->frames, 310, 0.5F);
    g_assert_cmpuint(bench_stats(bench).late_frames, ==, 2 * PACKET);
}

/* A track that is added when others have been put out already begins where they are. */
static void test_added_late(void)
{
    g_autoptr(Bench) bench = bench_new(&sound_only);
    EgPacerInput *first = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);

    send(bench, first, 0, 100, 310, 0.5F);
    eg_pacer_input_end(first);
    EgPacerInput *second = eg_pacer_add_audio(bench->pacer, EG_ROUTE_BOTH);
    send(bench, second, 100, 200, 310, 0.5F);
    assert_tone(bench, FADE, 100 * PACKET - FADE, 310, 0.5F);
    assert_tone(bench, 100 * PACKET + FADE, bench->frames, 310, 0.5F);
    assert_no_click(bench, 0, bench->frames, 310, 1);
    g_assert_cmpuint(bench_stats(bench).silent_frames, ==, 0);
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(gaps); i++) {
        g_autofree char *path = g_strdup_printf("/pacer-sound/gap/%s", gaps[i].name);
        g_test_add_data_func(path, &gaps[i], test_gap);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(drifts); i++) {
        g_autofree char *path = g_strdup_printf("/pacer-sound/drift/%s", drifts[i].name);
        g_test_add_data_func(path, &drifts[i], test_drift);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(rates); i++) {
        g_autofree char *path = g_strdup_printf("/pacer-sound/rate/%s", rates[i].name);
        g_test_add_data_func(path, &rates[i], test_rate);
    }
    g_test_add_func("/pacer-sound/exact", test_exact);
    g_test_add_func("/pacer-sound/eager", test_eager);
    g_test_add_func("/pacer-sound/mute", test_mute);
    g_test_add_func("/pacer-sound/late", test_late);
    g_test_add_data_func("/pacer-sound/overlap/put-out", GINT_TO_POINTER(false), test_overlap);
    g_test_add_data_func("/pacer-sound/overlap/waiting", GINT_TO_POINTER(true), test_overlap);
    g_test_add_func("/pacer-sound/settling", test_settling);
    g_test_add_func("/pacer-sound/held-before-start", test_held_before_start);
    g_test_add_func("/pacer-sound/correction", test_correction);
    g_test_add_func("/pacer-sound/resampler-is-transparent", test_resampler_is_transparent);
    g_test_add_func("/pacer-sound/routes", test_routes);
    g_test_add_func("/pacer-sound/limiter", test_limiter);
    g_test_add_func("/pacer-sound/mix", test_mix);
    g_test_add_func("/pacer-sound/loud", test_loud);
    g_test_add_func("/pacer-sound/nonsense", test_nonsense);
    g_test_add_func("/pacer-sound/added-late", test_added_late);
    return g_test_run();
}
