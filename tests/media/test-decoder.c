/* Decoders: size, colours, time and order of what comes out, without copies where none is due. */
#include <gst/video/video.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "media/decoder.h"
#include "media/fixture.h"

typedef struct {
    EgLoop *loop;
    EgDecoder *decoder;
    GPtrArray *decoded; /* GstBuffer */
    bool has_drained;
    bool has_failed;
} Decoding;

static void on_decoded(gpointer user, GstBuffer *buffer)
{
    g_ptr_array_add(((Decoding *)user)->decoded, buffer);
}

static void on_failed(gpointer user, const GError *error)
{
    g_test_message("%s", error->message);
    ((Decoding *)user)->has_failed = true;
}

static void on_drained(gpointer user)
{
    ((Decoding *)user)->has_drained = true;
}

static Decoding *decoding_new(EgCodec codec, guint width, guint height, guint rate_hz)
{
    static const EgDecoderEvents events = {.decoded = on_decoded, .failed = on_failed};
    Decoding *decoding = g_new0(Decoding, 1);
    decoding->loop = eg_loop_new();
    decoding->decoded = g_ptr_array_new_with_free_func((GDestroyNotify)gst_buffer_unref);
    EgDecoderParams params = {.codec = codec, .width = width, .height = height, .rate_hz = rate_hz};
    g_autoptr(GError) error = NULL;
    decoding->decoder = eg_decoder_new(decoding->loop, &params, &events, decoding, &error);
    g_assert_no_error(error);
    return decoding;
}

static void decoding_free(Decoding *decoding)
{
    eg_decoder_free(decoding->decoder);
    g_ptr_array_unref(decoding->decoded);
    eg_loop_free(decoding->loop);
    g_free(decoding);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Decoding, decoding_free)

/* All samples, no faster than the decoder takes them, their times moved by `shift_ns`. */
static void push(Decoding *decoding, const GPtrArray *samples, gint64 shift_ns)
{
    GstCaps *caps = gst_sample_get_caps(g_ptr_array_index(samples, 0));
    eg_decoder_set_caps(decoding->decoder, caps);
    guint before = decoding->decoded->len;
    for (guint i = 0; i < samples->len; i++) {
        while (i > decoding->decoded->len - before + 10)
            eg_loop_iterate(decoding->loop, true);
        GstBuffer *frame = gst_buffer_copy(gst_sample_get_buffer(g_ptr_array_index(samples, i)));
        GST_BUFFER_PTS(frame) += (GstClockTime)shift_ns;
        GST_BUFFER_DTS(frame) = GST_CLOCK_TIME_NONE;
        eg_decoder_push(decoding->decoder, frame);
    }
}

static void drain(Decoding *decoding)
{
    eg_decoder_drain(decoding->decoder, on_drained, decoding);
    fixture_run_until(decoding->loop, &decoding->has_drained);
    g_assert_false(decoding->has_failed);
}

static GstBuffer *decoded_at(const Decoding *decoding, guint i)
{
    g_assert_cmpuint(i, <, decoding->decoded->len);
    return g_ptr_array_index(decoding->decoded, i);
}

typedef struct {
    EgCodec codec;
    const char *coder;
} VideoCase;

static const VideoCase video_cases[] = {
    {EG_CODEC_VP8,  "vp8enc deadline=1 cpu-used=8 target-bitrate=2000000"           },
    {EG_CODEC_VP9,  "vp9enc deadline=1 cpu-used=8 target-bitrate=2000000"           },
    {EG_CODEC_H264, "x264enc tune=zerolatency bitrate=2000 key-int-max=30 ! h264parse ! "
                    "video/x-h264,stream-format=avc,alignment=au"},
};

static GPtrArray *make_pictures(const VideoCase *test, guint count, guint width, guint height)
{
    g_autofree char *pipeline = g_strdup_printf(
        "videotestsrc pattern=white num-buffers=%u ! "
        "video/x-raw,format=I420,width=%u,height=%u,framerate=30/1,colorimetry=bt709 ! %s ! "
        "appsink name=out",
        count, width, height, test->coder);
    GPtrArray *samples = fixture_samples(pipeline);
    /* The encoder of H264 counts from 1000 hours. */
    for (guint i = 0; i < samples->len; i++)
        GST_BUFFER_PTS(gst_sample_get_buffer(g_ptr_array_index(samples, i))) =
            gst_util_uint64_scale(i, GST_SECOND, 30);
    return samples;
}

/* The rectangle that is white on black of limited range, to the pixel, but for an edge that the
 * scaler may blend and the chroma's rounding to even numbers. */
static void assert_letterbox(GstBuffer *picture, guint width, guint height, guint left, guint top,
                             guint right, guint bottom)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_I420, width, height);
    g_assert_true(gst_video_frame_map(&frame, &info, picture, GST_MAP_READ));
    const guint8 *luma = GST_VIDEO_FRAME_PLANE_DATA(&frame, 0);
    for (guint y = 0; y < height; y++, luma += GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0)) {
        for (guint x = 0; x < width; x++) {
            bool is_inside = x >= left + 2 && x + 2 < right && y >= top + 2 && y + 2 < bottom;
            bool is_outside = x + 2 < left || x >= right + 2 || y + 2 < top || y >= bottom + 2;
            if (is_inside)
                g_assert_cmpint(abs(luma[x] - 235), <=, 3);
            else if (is_outside)
                g_assert_cmpint(luma[x], ==, 16);
        }
    }
    for (guint plane = 1; plane < 3; plane++) {
        const guint8 *chroma = GST_VIDEO_FRAME_PLANE_DATA(&frame, plane);
        for (guint y = 0; y < height / 2; y++) {
            for (guint x = 0; x < width / 2; x++)
                g_assert_cmpint(abs(chroma[x] - 128), <=, 2);
            chroma += GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane);
        }
    }
    gst_video_frame_unmap(&frame);
}

typedef struct {
    guint from_width;
    guint from_height;
    guint width;
    guint height;
    guint left;
    guint top;
    guint right;
    guint bottom;
} Box;

static const Box boxes[] = {
    {1280, 720, 1280, 720, 0,   0,  1280, 720}, /* as it is */
    {640,  360, 1280, 720, 0,   0,  1280, 720},
    {640,  480, 1280, 720, 160, 0,  1120, 720}, /* between pillars */
    {360,  640, 1280, 720, 437, 0,  842,  720},
    {1280, 544, 1280, 720, 0,   88, 1280, 632}, /* below a beam */
    {641,  363, 1280, 720, 4,   0,  1276, 720},
    {321,  181, 640,  360, 1,   0,  639,  360},
};

static void test_letterbox(gconstpointer data)
{
    const VideoCase *test = data;
    for (gsize i = 0; i < G_N_ELEMENTS(boxes); i++) {
        const Box *box = &boxes[i];
        bool is_odd = box->from_width % 2 != 0;
        if (is_odd && test->codec == EG_CODEC_H264)
            continue; /* x264 refuses odd sizes */
        g_autoptr(GPtrArray) samples = make_pictures(test, 3, box->from_width, box->from_height);
        g_autoptr(Decoding) decoding = decoding_new(test->codec, box->width, box->height, 0);
        push(decoding, samples, 0);
        drain(decoding);
        g_assert_cmpuint(decoding->decoded->len, ==, 3);
        for (guint k = 0; k < 3; k++)
            assert_letterbox(decoded_at(decoding, k), box->width, box->height, box->left, box->top,
                             box->right, box->bottom);
    }
}

/* Times of any size come out as they went in, in order; sizes change in between. */
static void test_pictures(gconstpointer data)
{
    const VideoCase *test = data;
    const gint64 start_ns = 1000000 * EG_NS_PER_S + 12345;
    g_autoptr(GPtrArray) large = make_pictures(test, 40, 640, 360);
    g_autoptr(GPtrArray) small = make_pictures(test, 40, 320, 240);
    g_autoptr(Decoding) decoding = decoding_new(test->codec, 640, 360, 0);
    push(decoding, large, start_ns);
    push(decoding, small, start_ns + 2 * EG_NS_PER_S);
    push(decoding, large, start_ns + 4 * EG_NS_PER_S);
    drain(decoding);
    g_assert_cmpuint(eg_decoder_dropped(decoding->decoder), ==, 0);
    g_assert_cmpuint(decoding->decoded->len, ==, 120);
    for (guint i = 0; i < 120; i++) {
        GstBuffer *picture = decoded_at(decoding, i);
        gint64 expected_ns = start_ns + i / 40 * 2 * EG_NS_PER_S +
                             (gint64)gst_util_uint64_scale(i % 40, GST_SECOND, 30);
        g_assert_cmpint((gint64)GST_BUFFER_PTS(picture), ==, expected_ns);
    }
    assert_letterbox(decoded_at(decoding, 5), 640, 360, 0, 0, 640, 360);
    assert_letterbox(decoded_at(decoding, 60), 640, 360, 80, 0, 560, 360);
    assert_letterbox(decoded_at(decoding, 119), 640, 360, 0, 0, 640, 360);
}

/* A decoder that is fed faster than it is read drops whole groups of pictures, and nothing grows.
 */
static void test_overload(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) samples = make_pictures(test, 30, 320, 240);
    g_autoptr(Decoding) decoding = decoding_new(test->codec, 320, 240, 0);
    eg_decoder_set_caps(decoding->decoder, gst_sample_get_caps(g_ptr_array_index(samples, 0)));
    for (guint round = 0; round < 20; round++) {
        for (guint i = 0; i < samples->len; i++) {
            GstBuffer *frame =
                gst_buffer_copy(gst_sample_get_buffer(g_ptr_array_index(samples, i)));
            GST_BUFFER_PTS(frame) += round * GST_SECOND;
            GST_BUFFER_DTS(frame) = GST_CLOCK_TIME_NONE;
            eg_decoder_push(decoding->decoder, frame);
        }
    }
    drain(decoding);
    guint64 dropped = eg_decoder_dropped(decoding->decoder);
    g_assert_cmpuint(dropped, >, 0);
    g_assert_cmpuint(dropped + decoding->decoded->len, ==, 600);
    g_assert_cmpuint(decoding->decoded->len, <=, 100);
}

/* Freed with pictures on their way: none arrives. */
static void test_free(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) samples = make_pictures(test, 30, 320, 240);
    for (guint pause_us = 0; pause_us < 20000; pause_us += 2000) {
        g_autoptr(Decoding) decoding = decoding_new(test->codec, 320, 240, 0);
        eg_decoder_set_caps(decoding->decoder, gst_sample_get_caps(g_ptr_array_index(samples, 0)));
        for (guint i = 0; i < samples->len; i++)
            eg_decoder_push(decoding->decoder,
                            gst_buffer_copy(gst_sample_get_buffer(g_ptr_array_index(samples, i))));
        g_usleep(pause_us);
        g_clear_pointer(&decoding->decoder, eg_decoder_free);
        while (eg_loop_iterate(decoding->loop, false))
            continue;
        g_assert_cmpuint(decoding->decoded->len, ==, 0);
    }
}

/* Broken frames cost pictures, never the decoder. */
static void test_garbage(gconstpointer data)
{
    const VideoCase *test = data;
    g_autoptr(GPtrArray) samples = make_pictures(test, 30, 320, 240);
    g_autoptr(Decoding) decoding = decoding_new(test->codec, 320, 240, 0);
    push(decoding, samples, 0);
    for (guint i = 0; i < 30; i++) {
        guint8 noise[400];
        for (gsize k = 0; k < sizeof noise; k++)
            noise[k] = (guint8)g_test_rand_int_range(0, 256);
        GstBuffer *frame = gst_buffer_new_memdup(noise, sizeof noise);
        GST_BUFFER_PTS(frame) = GST_SECOND + (GstClockTime)i * GST_MSECOND;
        eg_decoder_push(decoding->decoder, frame);
        while (eg_loop_iterate(decoding->loop, false))
            continue;
    }
    push(decoding, samples, 2 * EG_NS_PER_S);
    drain(decoding);
    g_assert_cmpuint(decoding->decoded->len, >=, 60);
    assert_letterbox(decoded_at(decoding, decoding->decoded->len - 1), 320, 240, 0, 0, 320, 240);
}

typedef struct {
    EgCodec codec;
    const char *coder;
    guint rate_hz; /* that comes out */
} AudioCase;

static const AudioCase audio_cases[] = {
    {EG_CODEC_OPUS, "audio/x-raw,rate=48000,channels=2 ! opusenc", 48000},
    {EG_CODEC_OPUS, "audio/x-raw,rate=48000,channels=1 ! opusenc", 44100},
    {EG_CODEC_PCMU, "audio/x-raw,rate=8000,channels=1 ! mulawenc", 48000},
    {EG_CODEC_PCMA, "audio/x-raw,rate=8000,channels=1 ! alawenc",  44100},
};

/* A tone of 440 Hz keeps its pitch and its length, in both channels. */
static void test_sound(gconstpointer data)
{
    const AudioCase *test = data;
    g_autofree char *pipeline =
        g_strdup_printf("audiotestsrc freq=440 volume=0.5 num-buffers=100 samplesperbuffer=480 ! "
                        "audio/x-raw,rate=24000 ! audioresample ! audioconvert ! %s ! "
                        "appsink name=out",
                        test->coder);
    g_autoptr(GPtrArray) samples = fixture_samples(pipeline);
    g_autoptr(Decoding) decoding = decoding_new(test->codec, 0, 0, test->rate_hz);
    const gint64 start_ns = 77 * EG_NS_PER_S;
    push(decoding, samples, start_ns);
    drain(decoding);
    g_assert_cmpint((gint64)GST_BUFFER_PTS(decoded_at(decoding, 0)), ==, start_ns);

    guint frames = 0;
    guint crossings = 0;
    float last = 0;
    for (guint i = 0; i < decoding->decoded->len; i++) {
        GstMapInfo map;
        g_assert_true(gst_buffer_map(decoded_at(decoding, i), &map, GST_MAP_READ));
        const float *values = (gconstpointer)map.data;
        for (gsize k = 0; k + 1 < map.size / sizeof(float); k += 2, frames++) {
            g_assert_cmpfloat(fabsf(values[k]), <=, 0.6f);
            g_assert_cmpfloat(fabsf(values[k] - values[k + 1]), <, 0.01f);
            crossings += (last < 0) != (values[k] < 0) ? 1 : 0;
            last = values[k];
        }
        gst_buffer_unmap(decoded_at(decoding, i), &map);
    }
    g_assert_cmpfloat_with_epsilon((double)frames / test->rate_hz, 2.0, 0.03);
    g_assert_cmpfloat_with_epsilon(crossings / 2.0 / 2.0, 440, 8);
}

/* A lost packet is concealed: no hole in the times, and no silence in the tone. */
static void test_concealment(void)
{
    g_autoptr(GPtrArray) samples =
        fixture_samples("audiotestsrc freq=440 num-buffers=50 samplesperbuffer=960 ! "
                        "audio/x-raw,rate=48000,channels=2 ! opusenc ! appsink name=out");
    for (guint i = 0; i < samples->len; i++) {
        GstBuffer *buffer = gst_sample_get_buffer(g_ptr_array_index(samples, i));
        GST_BUFFER_PTS(buffer) = i * 20 * GST_MSECOND;
        GST_BUFFER_DURATION(buffer) = 20 * GST_MSECOND;
    }
    g_ptr_array_remove_index(samples, 25);
    g_autoptr(Decoding) decoding = decoding_new(EG_CODEC_OPUS, 0, 0, 48000);
    push(decoding, samples, 0);
    drain(decoding);
    GstClockTime end = 0;
    double quietest = 1;
    for (guint i = 0; i < decoding->decoded->len; i++) {
        GstBuffer *block = decoded_at(decoding, i);
        if (i > 1) /* the first is shorter: opusenc says so in its header */
            g_assert_cmpint(labs((long)(GST_BUFFER_PTS(block) - end)), <, 1000000);
        end = GST_BUFFER_PTS(block) +
              gst_util_uint64_scale(gst_buffer_get_size(block) / 8, GST_SECOND, 48000);
        GstMapInfo map;
        g_assert_true(gst_buffer_map(block, &map, GST_MAP_READ));
        const float *values = (gconstpointer)map.data;
        double sum = 0;
        for (gsize k = 0; k < map.size / sizeof(float); k++)
            sum += (double)(values[k] * values[k]);
        if (i > 2 && i + 2 < decoding->decoded->len)
            quietest = MIN(quietest, sqrt(sum / ((double)map.size / sizeof(float))));
        gst_buffer_unmap(block, &map);
    }
    g_test_message("quietest block %f", quietest);
    g_assert_cmpfloat(quietest, >, 0.05);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    static const struct {
        const char *name;
        GTestDataFunc func;
    } video_tests[] = {
        {"letterbox", test_letterbox},
        {"pictures",  test_pictures },
        {"overload",  test_overload },
        {"free",      test_free     },
        {"garbage",   test_garbage  },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(video_cases); i++) {
        for (gsize k = 0; k < G_N_ELEMENTS(video_tests); k++) {
            g_autofree char *name = g_strdup_printf(
                "/decoder/%s/%s", eg_codec_info(video_cases[i].codec)->name, video_tests[k].name);
            g_test_add_data_func(name, &video_cases[i], video_tests[k].func);
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(audio_cases); i++) {
        g_autofree char *name =
            g_strdup_printf("/decoder/%s/sound-%u", eg_codec_info(audio_cases[i].codec)->name,
                            audio_cases[i].rate_hz);
        g_test_add_data_func(name, &audio_cases[i], test_sound);
    }
    g_test_add_func("/decoder/Opus/concealment", test_concealment);
    return g_test_run();
}
