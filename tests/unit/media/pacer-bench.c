#include "pacer-bench.h"

#include <math.h>
#include <string.h>

#include "base/time.h"

static void take_picture(gpointer user, GstBuffer *picture)
{
    Bench *bench = user;
    guint n_before = bench->pictures->len;
    guint64 fps = bench->params.fps;
    GstMapInfo map;

    gst_buffer_map(picture, &map, GST_MAP_READ);
    BenchPicture taken = {
        .tick = (gint64)gst_util_uint64_scale_ceil(GST_BUFFER_PTS(picture), fps, GST_SECOND),
        .duration_ns = (gint64)GST_BUFFER_DURATION(picture),
        .made_ns = bench->now_ns,
    };
    g_assert_cmpuint(map.size, ==, sizeof(taken.id));
    memcpy(&taken.id, map.data, sizeof(taken.id));
    bench->last_memory = map.data;
    gst_buffer_unmap(picture, &map);

    guint64 tick = (guint64)taken.tick;
    guint64 end_ns = gst_util_uint64_scale(tick + 1, GST_SECOND, fps);
    g_assert_cmpuint(GST_BUFFER_PTS(picture), ==, gst_util_uint64_scale(tick, GST_SECOND, fps));
    g_assert_cmpuint(GST_BUFFER_PTS(picture) + GST_BUFFER_DURATION(picture), <=, end_ns);
    if (n_before > 0)
        g_assert_cmpint(taken.tick, >, bench_picture(bench, n_before - 1)->tick);
    g_array_append_val(bench->pictures, taken);
    gst_buffer_unref(picture);
}

static void take_sound(gpointer user, GstBuffer *block)
{
    Bench *bench = user;
    guint64 rate = bench->params.rate_hz;
    GstMapInfo map;

    gst_buffer_map(block, &map, GST_MAP_READ);
    g_assert_cmpuint(GST_BUFFER_PTS(block), ==,
                     gst_util_uint64_scale((guint64)bench->frames, GST_SECOND, rate));
    bench->frames += (gint64)(map.size / (2 * sizeof(float)));
    g_assert_cmpuint(GST_BUFFER_PTS(block) + GST_BUFFER_DURATION(block), ==,
                     gst_util_uint64_scale((guint64)bench->frames, GST_SECOND, rate));
    if (bench->keeps_sound)
        g_array_append_vals(bench->sound, map.data, (guint)(map.size / sizeof(float)));
    bench->last_block_ns = bench->now_ns;
    gst_buffer_unmap(block, &map);
    gst_buffer_unref(block);
}

static bool has_room(gpointer user)
{
    const Bench *bench = user;
    return bench->now_ns < bench->busy_from_ns || bench->now_ns >= bench->busy_until_ns;
}

static guint or_default(guint value, guint default_value)
{
    return value == G_MAXUINT ? 0 : value == 0 ? default_value : value;
}

static GstBuffer *new_picture(guint32 id)
{
    return gst_buffer_new_memdup(&id, sizeof(id));
}

Bench *bench_new_stopped(const EgPacerParams *params)
{
    static const EgPacerEvents events = {take_picture, take_sound, has_room};
    Bench *bench = g_new0(Bench, 1);

    if (params != NULL)
        bench->params = *params;
    bench->params.fps = or_default(bench->params.fps, 30);
    bench->params.rate_hz = or_default(bench->params.rate_hz, 48000);
    bench->params.block_frames = or_default(bench->params.block_frames, 1024);
    if (bench->params.latency_ns == 0)
        bench->params.latency_ns = 500 * EG_NS_PER_MS;
    if (bench->params.hold_ns == 0)
        bench->params.hold_ns = 2 * EG_NS_PER_S;
    g_autoptr(GstBuffer) black = new_picture(0);
    bench->params.black = black;
    bench->keeps_sound = true;
    bench->pictures = g_array_new(FALSE, FALSE, sizeof(BenchPicture));
    bench->sound = g_array_new(FALSE, FALSE, sizeof(float));
    bench->now_ns = BENCH_ORIGIN_NS;
    bench->wake_ns = G_MAXINT64;
    bench->pacer = eg_pacer_new(&bench->params, &events, bench);
    return bench;
}

Bench *bench_new(const EgPacerParams *params)
{
    Bench *bench = bench_new_stopped(params);

    eg_pacer_start(bench->pacer, BENCH_ORIGIN_NS);
    bench_run(bench);
    return bench;
}

void bench_free(Bench *bench)
{
    if (bench == NULL)
        return;
    eg_pacer_free(bench->pacer);
    g_array_unref(bench->pictures);
    g_array_unref(bench->sound);
    g_free(bench);
}

void bench_run(Bench *bench)
{
    bench->wake_ns = eg_pacer_run(bench->pacer, bench->now_ns);
    if (bench->wake_ns == EG_TIME_NONE)
        bench->wake_ns = G_MAXINT64;
    else
        g_assert_cmpint(bench->wake_ns, >, bench->now_ns);
}

void bench_advance(Bench *bench, gint64 since_ns)
{
    gint64 until_ns = BENCH_ORIGIN_NS + since_ns;

    while (bench->wake_ns <= until_ns) {
        bench->now_ns = MAX(bench->now_ns, bench->wake_ns);
        bench_run(bench);
    }
    bench->now_ns = MAX(bench->now_ns, until_ns);
}

void bench_push_picture(Bench *bench, EgPacerInput *input, gint64 since_ns, guint32 id)
{
    GstBuffer *picture = new_picture(id);

    GST_BUFFER_PTS(picture) = (GstClockTime)(BENCH_ORIGIN_NS + since_ns);
    eg_pacer_input_push(input, picture);
    bench_run(bench);
}

void bench_push_sound(Bench *bench, EgPacerInput *input, gint64 since_ns, const float *samples,
                      gsize frames)
{
    GstBuffer *buffer = gst_buffer_new_memdup(samples, frames * 2 * sizeof(float));

    GST_BUFFER_PTS(buffer) = (GstClockTime)(BENCH_ORIGIN_NS + since_ns);
    eg_pacer_input_push(input, buffer);
    bench_run(bench);
}

float bench_tone(gint64 frame, guint rate_hz, double hz, float level)
{
    return level * (float)sin(2 * G_PI * hz * (double)frame / rate_hz);
}

void bench_push_tone(Bench *bench, EgPacerInput *input, gint64 since_ns, gint64 first_frame,
                     gsize frames, double hz, float level)
{
    float *samples = g_new(float, 2 * frames);

    for (gsize i = 0; i < frames; i++) {
        samples[2 * i] = bench_tone(first_frame + (gint64)i, bench->params.rate_hz, hz, level);
        samples[2 * i + 1] = samples[2 * i];
    }
    bench_push_sound(bench, input, since_ns, samples, frames);
    g_free(samples);
}

const BenchPicture *bench_picture(const Bench *bench, guint index)
{
    g_assert_cmpuint(index, <, bench->pictures->len);
    return &g_array_index(bench->pictures, BenchPicture, index);
}

float bench_left(const Bench *bench, gint64 frame)
{
    g_assert_cmpint(frame, <, bench->frames);
    return g_array_index(bench->sound, float, (guint)(2 * frame));
}

float bench_right(const Bench *bench, gint64 frame)
{
    g_assert_cmpint(frame, <, bench->frames);
    return g_array_index(bench->sound, float, (guint)(2 * frame + 1));
}

EgPacerStats bench_stats(const Bench *bench)
{
    EgPacerStats stats;
    eg_pacer_get_stats(bench->pacer, &stats);
    return stats;
}
