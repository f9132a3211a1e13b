/* Frames are pictures every 100 ms (K: key frames) and sound every 50 ms; what comes out is written
 * as "v300": the picture of 300 ms. The clock is the test's. */
#include "sink/stream-queue.h"

#include "base/time.h"
#include "media/frame.h"

static GstBuffer *frame_of(gint64 ms, bool is_key, gsize size_bytes)
{
    GstBuffer *frame = gst_buffer_new_allocate(NULL, size_bytes, NULL);
    eg_frame_set_times(frame, ms * EG_NS_PER_MS, ms * EG_NS_PER_MS);
    if (!is_key)
        GST_BUFFER_FLAG_SET(frame, GST_BUFFER_FLAG_DELTA_UNIT);
    return frame;
}

static void picture(EgStreamQueue *queue, gint64 ms, bool is_key)
{
    eg_stream_queue_push(queue, EG_MEDIA_VIDEO, frame_of(ms, is_key, 100), ms * EG_NS_PER_MS);
}

static void sound(EgStreamQueue *queue, gint64 ms)
{
    eg_stream_queue_push(queue, EG_MEDIA_AUDIO, frame_of(ms, true, 10), ms * EG_NS_PER_MS);
}

/* All that can be taken at this time. */
static char *take_all(EgStreamQueue *queue, bool is_last, gint64 now_ms)
{
    GString *text = g_string_new(NULL);
    EgMedia media;
    gint64 next_ns;
    GstBuffer *frame;
    while ((frame = eg_stream_queue_take(queue, is_last, now_ms * EG_NS_PER_MS, &media,
                                         &next_ns)) != NULL) {
        g_string_append_printf(text, "%s%c%d", text->len > 0 ? " " : "",
                               media == EG_MEDIA_VIDEO ? 'v' : 'a',
                               (int)(eg_frame_pts(frame) / EG_NS_PER_MS));
        gst_buffer_unref(frame);
    }
    return g_string_free(text, FALSE);
}

static void expect(EgStreamQueue *queue, bool is_last, gint64 now_ms, const char *expected)
{
    g_autofree char *text = take_all(queue, is_last, now_ms);
    g_assert_cmpstr(text, ==, expected);
}

/* Sound comes earlier than the pictures of the same time, and waits for them. */
static void test_order(void)
{
    g_autoptr(EgStreamQueue) queue = eg_stream_queue_new(true, true);
    sound(queue, 0);
    sound(queue, 50);
    sound(queue, 100);
    expect(queue, false, 100, "");
    picture(queue, 0, true);
    picture(queue, 100, false);
    expect(queue, false, 150, "v0 a0 a50 v100");
    sound(queue, 150);
    expect(queue, false, 2099, "");
    expect(queue, false, 2149, "a100");
    expect(queue, false, 2150, "a150");
    sound(queue, 2200);
    expect(queue, true, 2200, "a2200");
}

/* Whoever begins in the middle begins with a key frame, and with the sound from there on. */
static void test_begin(void)
{
    g_autoptr(EgStreamQueue) queue = eg_stream_queue_new(true, true);
    for (gint64 ms = 1000; ms < 2000; ms += 50)
        sound(queue, ms);
    for (gint64 ms = 1000; ms < 2000; ms += 100)
        picture(queue, ms, ms == 1800);
    expect(queue, true, 2000, "v1800 a1800 a1850 v1900 a1900 a1950");
    g_assert_cmpuint(eg_stream_queue_dropped(queue), ==, 0);
}

/* While nobody takes anything, what is kept begins with the last key frame. */
static void test_restart(void)
{
    g_autoptr(EgStreamQueue) queue = eg_stream_queue_new(true, true);
    picture(queue, 0, true);
    sound(queue, 0);
    expect(queue, true, 0, "v0 a0");
    picture(queue, 100, false);
    eg_stream_queue_restart(queue);
    picture(queue, 200, false);
    picture(queue, 300, true);
    sound(queue, 250);
    sound(queue, 300);
    picture(queue, 400, false);
    expect(queue, true, 500, "v300 a300 v400");
}

/* Lost in the middle of what waits: it begins with the key frame that is in it. */
static void test_restart_with_key(void)
{
    g_autoptr(EgStreamQueue) queue = eg_stream_queue_new(false, true);
    EgMedia media;
    gint64 next_ns;
    picture(queue, 0, true);
    gst_buffer_unref(eg_stream_queue_take(queue, false, 0, &media, &next_ns));
    for (gint64 ms = 100; ms < 800; ms += 100)
        picture(queue, ms, ms == 500);
    eg_stream_queue_restart(queue);
    expect(queue, true, 1000, "v500 v600 v700");
}

/* What does not fit costs pictures up to a key frame, and never the sound. */
static void test_slow(void)
{
    g_autoptr(EgStreamQueue) queue = eg_stream_queue_new(true, true);
    picture(queue, 0, true);
    sound(queue, 0);
    expect(queue, true, 0, "v0 a0");
    for (gint64 ms = 100; ms <= 6200; ms += 100)
        picture(queue, ms, false);
    g_assert_cmpuint(eg_stream_queue_dropped(queue), >, 60);
    guint64 dropped = eg_stream_queue_dropped(queue);
    sound(queue, 6200);
    picture(queue, 6300, false);
    g_assert_cmpuint(eg_stream_queue_dropped(queue), ==, dropped + 1);
    picture(queue, 6400, true);
    expect(queue, true, 6400, "a6200 v6400");
}

/* Sound alone that does not get through loses its oldest. */
static void test_slow_sound(void)
{
    g_autoptr(EgStreamQueue) queue = eg_stream_queue_new(true, false);
    sound(queue, 0);
    expect(queue, false, 0, "a0");
    for (gint64 ms = 1000; ms <= 15000; ms += 1000)
        sound(queue, ms);
    g_assert_cmpuint(eg_stream_queue_dropped(queue), ==, 2);
    expect(queue, false, 15000,
           "a3000 a4000 a5000 a6000 a7000 a8000 a9000 a10000 a11000 a12000 a13000 a14000 a15000");
}

static void test_bytes(void)
{
    g_autoptr(EgStreamQueue) queue = eg_stream_queue_new(true, true);
    picture(queue, 0, true);
    expect(queue, true, 0, "v0");
    for (gint64 ms = 1; ms <= 20; ms++)
        eg_stream_queue_push(queue, EG_MEDIA_VIDEO, frame_of(ms, false, 1024 * 1024),
                             ms * EG_NS_PER_MS);
    sound(queue, 20);
    g_assert_cmpuint(eg_stream_queue_dropped(queue), ==, 20);
    expect(queue, true, 20, "a20");
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sink/stream-queue/order", test_order);
    g_test_add_func("/sink/stream-queue/begin", test_begin);
    g_test_add_func("/sink/stream-queue/restart", test_restart);
    g_test_add_func("/sink/stream-queue/restart-with-key", test_restart_with_key);
    g_test_add_func("/sink/stream-queue/slow", test_slow);
    g_test_add_func("/sink/stream-queue/slow-sound", test_slow_sound);
    g_test_add_func("/sink/stream-queue/bytes", test_bytes);
    return g_test_run();
}
