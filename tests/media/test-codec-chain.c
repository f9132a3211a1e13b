/* Encoders, muxers and decoders as a whole: what goes in must come out, at its time. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "config/keys.h"
#include "media/depacketizer.h"
#include "media/elements.h"
#include "media/encoder.h"
#include "media/fixture.h"
#include "media/frame.h"
#include "sink/sink.h"

#define FPS         30
#define WIDTH       320
#define HEIGHT      240
#define SECONDS     3
#define FLASH_FRAME 31 /* no multiple of anything */
#define RATE_HZ     48000

/* Pictures and sound through encoders into a file. */
typedef struct {
    EgLoop *loop;
    EgSink *sink;
    EgEncoder *encoders[EG_N_MEDIA];
    GstCaps *caps[EG_N_MEDIA];
    GQueue frames[EG_N_MEDIA];
    bool has_drained[EG_N_MEDIA];
    bool sink_has_drained;
} Recording;

typedef struct {
    Recording *recording;
    EgMedia media;
} Output;

static void on_caps(gpointer user, GstCaps *caps)
{
    Output *output = user;
    gst_caps_replace(&output->recording->caps[output->media], caps);
}

static void on_frame(gpointer user, GstBuffer *frame)
{
    Output *output = user;
    g_queue_push_tail(&output->recording->frames[output->media], frame);
}

static void on_encoder_drained(gpointer user)
{
    Output *output = user;
    output->recording->has_drained[output->media] = true;
}

static void on_failed(gpointer user, const GError *error)
{
    (void)user;
    g_error("%s", error->message);
}

static void on_sink_drained(gpointer user)
{
    ((Recording *)user)->sink_has_drained = true;
}

static const EgEncoderEvents encoder_events = {
    .caps = on_caps, .frame = on_frame, .drained = on_encoder_drained, .failed = on_failed};

static GstBuffer *make_picture(guint n)
{
    gsize luma = WIDTH * HEIGHT;
    GstBuffer *picture = gst_buffer_new_allocate(NULL, luma * 3 / 2, NULL);
    bool is_flash = n >= FLASH_FRAME && n < FLASH_FRAME + 3;
    gst_buffer_memset(picture, 0, is_flash ? 235 : 16, luma);
    gst_buffer_memset(picture, luma, 128, luma / 2);
    GST_BUFFER_PTS(picture) = gst_util_uint64_scale(n, GST_SECOND, FPS);
    GST_BUFFER_DURATION(picture) =
        gst_util_uint64_scale(n + 1, GST_SECOND, FPS) - GST_BUFFER_PTS(picture);
    return picture;
}

/* Silence, and from the flash on a tone that begins with its peak. */
static GstBuffer *make_block(guint64 first, guint frames, guint rate_hz)
{
    g_autofree float *samples = g_new0(float, frames * 2);
    guint64 beep = gst_util_uint64_scale(FLASH_FRAME, rate_hz, FPS);
    for (guint i = 0; i < frames; i++) {
        if (first + i < beep || first + i >= beep + rate_hz / 10)
            continue;
        double phase = (double)(first + i - beep) * 2 * G_PI * 1000 / rate_hz;
        samples[2 * i] = samples[2 * i + 1] = (float)(0.5 * cos(phase));
    }
    GstBuffer *block = gst_buffer_new_memdup(samples, frames * 2 * sizeof(float));
    GST_BUFFER_PTS(block) = gst_util_uint64_scale(first, GST_SECOND, rate_hz);
    GST_BUFFER_DURATION(block) = gst_util_uint64_scale(frames, GST_SECOND, rate_hz);
    return block;
}

/* What no prediction helps with. */
static GstBuffer *make_noise(guint n)
{
    GstBuffer *picture = make_picture(n);
    GstMapInfo map;
    g_assert_true(gst_buffer_map(picture, &map, GST_MAP_WRITE));
    guint32 state = n + 1;
    for (gsize i = 0; i < WIDTH * HEIGHT; i++) {
        state = state * 1664525 + 1013904223;
        map.data[i] = (guint8)(state >> 24);
    }
    gst_buffer_unmap(picture, &map);
    return picture;
}

static void encode_pictures(Recording *recording, EgCodec codec, const EgVideoEncoderConfig *config,
                            GstBuffer *(*make)(guint n))
{
    EgVideoEncoding encoding = {
        .codec = codec,
        .profile = EG_PROFILE_MAIN,
        .width = WIDTH,
        .height = HEIGHT,
        .fps = FPS,
        .bitrate_bps = 500000,
    };
    Output output = {recording, EG_MEDIA_VIDEO};
    g_autoptr(GError) error = NULL;
    EgEncoder *encoder =
        eg_encoder_new_video(recording->loop, &encoding, config, &encoder_events, &output, &error);
    g_assert_no_error(error);
    for (guint n = 0; n < SECONDS * FPS; n++) {
        while (!eg_encoder_has_room(encoder)) {
            if (!eg_loop_iterate(recording->loop, false))
                g_thread_yield();
        }
        eg_encoder_push(encoder, make(n));
    }
    eg_encoder_drain(encoder);
    fixture_run_until(recording->loop, &recording->has_drained[EG_MEDIA_VIDEO]);
    eg_encoder_free(encoder);
}

static void encode_audio(Recording *recording, EgCodec codec, guint rate_hz)
{
    EgAudioEncoding encoding = {
        .codec = codec, .bitrate_bps = 128000, .rate_hz = rate_hz, .channels = 2};
    Output output = {recording, EG_MEDIA_AUDIO};
    g_autoptr(GError) error = NULL;
    EgEncoder *encoder =
        eg_encoder_new_audio(recording->loop, &encoding, &encoder_events, &output, &error);
    g_assert_no_error(error);
    guint block = eg_encoder_block_frames(codec);
    for (guint64 at = 0; at < SECONDS * rate_hz; at += block)
        eg_encoder_push(encoder,
                        make_block(at, (guint)MIN(block, SECONDS * rate_hz - at), rate_hz));
    eg_encoder_drain(encoder);
    fixture_run_until(recording->loop, &recording->has_drained[EG_MEDIA_AUDIO]);
    eg_encoder_free(encoder);
}

static char *write_file(Recording *recording, const char *folder, EgFormat format)
{
    g_autofree char *name = g_strconcat("out", eg_format_info(format)->extension, NULL);
    char *path = g_build_filename(folder, name, NULL);
    EgSinkParams params = {
        .format = format,
        .path = path,
        .audio = recording->caps[EG_MEDIA_AUDIO],
        .video = recording->caps[EG_MEDIA_VIDEO],
    };
    static const EgSinkEvents events = {.drained = on_sink_drained, .failed = on_failed};
    g_autoptr(GError) error = NULL;
    EgSink *sink = eg_sink_new(EG_SINK_FILE, recording->loop, &params, &events, recording, &error);
    g_assert_no_error(error);
    for (guint media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        GstBuffer *frame;
        while ((frame = g_queue_pop_head(&recording->frames[media])) != NULL)
            eg_sink_push(sink, (EgMedia)media, frame);
    }
    eg_sink_drain(sink);
    fixture_run_until(recording->loop, &recording->sink_has_drained);
    EgSinkStats stats;
    eg_sink_get_stats(sink, &stats);
    g_assert_cmpuint(stats.size_bytes, >, 1000);
    g_assert_cmpfloat_with_epsilon((double)stats.duration_ns / 1e9, SECONDS, 0.001);
    eg_sink_free(sink);
    return path;
}

typedef struct {
    EgFormat format;
    EgCodec audio;
    EgCodec video;
    guint rate_hz;
    guint lead_frames; /* of priming that is heard, before everything else */
    EgVideoEncoderConfig config;
} Case;

static void test_sync(gconstpointer data)
{
    const Case *test = data;
    Recording recording = {.loop = eg_loop_new()};
    g_autofree char *folder = fixture_make_folder();
    if (test->video != EG_CODEC_NONE)
        encode_pictures(&recording, test->video, &test->config, make_picture);
    if (test->audio != EG_CODEC_NONE)
        encode_audio(&recording, test->audio, test->rate_hz);
    g_autofree char *path = write_file(&recording, folder, test->format);

    g_autoptr(FixtureMedia) media = fixture_decode(path);
    g_assert_nonnull(media);
    g_assert_cmpuint(media->errors, ==, 0);
    double lead_s = (double)test->lead_frames / test->rate_hz;
    double due_s = (double)FLASH_FRAME / FPS + lead_s;
    g_test_message("%s flash %f beep %f start %f duration %f of %f, hole %f", media->format,
                   fixture_flash_s(media, 128), fixture_beep_s(media, 0.25),
                   (double)media->sound_start_ns / 1e9,
                   media->rate_hz > 0 ? media->sound->len / (double)media->rate_hz : 0,
                   media->duration_s, media->largest_hole_s);
    if (test->video != EG_CODEC_NONE) {
        g_assert_cmpuint(media->pictures->len, ==, SECONDS * FPS);
        g_assert_cmpfloat_with_epsilon(fixture_flash_s(media, 128), due_s, 0.0011);
        g_assert_cmpint(g_array_index(media->pictures, FixturePicture, 0).pts_ns / EG_NS_PER_MS, ==,
                        lrint(lead_s * 1000));
    }
    if (test->audio != EG_CODEC_NONE) {
        g_assert_cmpfloat_with_epsilon(fixture_beep_s(media, 0.25), due_s, 0.0015);
        g_assert_cmpfloat(media->largest_hole_s, <, 0.001);
        g_assert_cmpfloat_with_epsilon((double)media->sound_start_ns / 1e9, 0, 0.001);
        g_assert_cmpfloat_with_epsilon(media->sound->len / (double)media->rate_hz, SECONDS + lead_s,
                                       0.03);
    }
    g_assert_cmpfloat_with_epsilon(media->duration_s, SECONDS + lead_s, 0.04);

    fixture_remove_folder(folder);
    for (guint i = 0; i < EG_N_MEDIA; i++)
        gst_clear_caps(&recording.caps[i]);
    eg_loop_free(recording.loop);
}

typedef struct {
    EgCodec codec;
    EgFormat format;
    const char *coder;
} PassthroughCase;

static const PassthroughCase passthrough_cases[] = {
    {EG_CODEC_H264, EG_FORMAT_MP4,
     "x264enc tune=zerolatency bitrate=800 key-int-max=10 ! rtph264pay"       },
    {EG_CODEC_VP8,  EG_FORMAT_WEBM, "vp8enc deadline=1 cpu-used=8 ! rtpvp8pay"},
    {EG_CODEC_VP9,  EG_FORMAT_WEBM, "vp9enc deadline=1 cpu-used=8 ! rtpvp9pay"},
    {EG_CODEC_H264, EG_FORMAT_MKV,
     "x264enc tune=zerolatency bitrate=800 key-int-max=10 ! rtph264pay"       },
};

static void on_room_caps(gpointer user, GstCaps *caps)
{
    /* The file is opened with the first. */
    Output *output = user;
    if (output->recording->caps[output->media] == NULL)
        on_caps(user, caps);
}

static void on_wants_key_frame(gpointer user, bool wants)
{
    (void)user;
    (void)wants;
}

/* A publisher that changes its size, as simulcast does, into a file as it is. */
static void test_passthrough(gconstpointer data)
{
    static const EgDepacketizerEvents events = {
        .caps = on_room_caps,
        .frame = on_frame,
        .wants_key_frame = on_wants_key_frame,
        .failed = on_failed,
    };
    const PassthroughCase *test = data;
    Recording recording = {.loop = eg_loop_new()};
    g_autofree char *folder = fixture_make_folder();
    Output output = {&recording, EG_MEDIA_VIDEO};
    EgDepacketizer *depacketizer = eg_depacketizer_new(test->codec, &events, &output, NULL);
    guint64 sequence = 0;
    for (guint i = 0; i < SECONDS; i++) {
        g_autofree char *pipeline = g_strdup_printf(
            "videotestsrc num-buffers=%u ! "
            "video/x-raw,format=I420,width=%u,height=%u,framerate=%u/1 ! %s timestamp-offset=0",
            FPS, i == 1 ? 640 : 320, i == 1 ? 360 : 180, FPS, test->coder);
        g_autoptr(GPtrArray) packets = fixture_packets(pipeline, sequence);
        sequence += packets->len;
        for (guint k = 0; k < packets->len; k++) {
            EgPacket *packet = g_ptr_array_index(packets, k);
            eg_depacketizer_push(depacketizer, packet,
                                 i * EG_NS_PER_S + fixture_instant_ns(packets, packet, 90000));
        }
    }
    eg_depacketizer_free(depacketizer);
    GstBuffer *last = g_queue_peek_tail(&recording.frames[EG_MEDIA_VIDEO]);
    GST_BUFFER_DURATION(last) = GST_SECOND / FPS;
    g_autofree char *path = write_file(&recording, folder, test->format);

    g_autoptr(FixtureMedia) media = fixture_decode(path);
    g_assert_nonnull(media);
    g_assert_cmpuint(media->errors, ==, 0);
    g_assert_cmpuint(media->pictures->len, ==, SECONDS * FPS);
    for (guint i = 0; i < media->pictures->len; i++) {
        const FixturePicture *picture = &g_array_index(media->pictures, FixturePicture, i);
        g_assert_cmpuint(picture->width, ==, i / FPS == 1 ? 640 : 320);
        g_assert_cmpfloat_with_epsilon((double)picture->pts_ns / 1e9, (double)i / FPS, 0.0011);
    }
    fixture_remove_folder(folder);
    gst_clear_caps(&recording.caps[EG_MEDIA_VIDEO]);
    eg_loop_free(recording.loop);
}

static const Case cases[] = {
    {EG_FORMAT_MP4,  EG_CODEC_AAC,  EG_CODEC_H264, 48000, 0,    {0}                             },
    {EG_FORMAT_MP4,  EG_CODEC_AAC,  EG_CODEC_H264, 44100, 0,    {0}                             },
    {EG_FORMAT_MP4,  EG_CODEC_OPUS, EG_CODEC_H264, 48000, 0,    {0}                             },
    {EG_FORMAT_MP4,  EG_CODEC_AAC,  EG_CODEC_NONE, 48000, 0,    {0}                             },
    {EG_FORMAT_WEBM, EG_CODEC_OPUS, EG_CODEC_VP8,  48000, 0,    {0}                             },
    {EG_FORMAT_WEBM, EG_CODEC_OPUS, EG_CODEC_VP9,  48000, 0,    {0}                             },
    {EG_FORMAT_MKV,  EG_CODEC_AAC,  EG_CODEC_H264, 48000, 1024, {0}                             },
    {EG_FORMAT_MKV,  EG_CODEC_AAC,  EG_CODEC_H264, 44100, 1024, {0}                             },
    {EG_FORMAT_MKV,  EG_CODEC_OPUS, EG_CODEC_H264, 48000, 0,    {0}                             },
    {EG_FORMAT_MKV,  EG_CODEC_MP3,  EG_CODEC_VP8,  48000, 1105, {0}                             },
    {EG_FORMAT_MKV,  EG_CODEC_OPUS, EG_CODEC_VP9,  48000, 0,    {0}                             },
    {EG_FORMAT_OGG,  EG_CODEC_OPUS, EG_CODEC_NONE, 48000, 0,    {0}                             },
    {EG_FORMAT_WAV,  EG_CODEC_PCM,  EG_CODEC_NONE, 48000, 0,    {0}                             },
    {EG_FORMAT_WAV,  EG_CODEC_PCM,  EG_CODEC_NONE, 16000, 0,    {0}                             },
    {EG_FORMAT_MP3,  EG_CODEC_MP3,  EG_CODEC_NONE, 48000, 0,    {0}                             },
    {EG_FORMAT_MP3,  EG_CODEC_MP3,  EG_CODEC_NONE, 44100, 0,    {0}                             },
    {EG_FORMAT_MP4,  EG_CODEC_AAC,  EG_CODEC_H264, 48000, 0,    {.preset = "slow", .threads = 2}},
    {EG_FORMAT_MP4,
     EG_CODEC_AAC,                  EG_CODEC_H264,
     48000,                                               0,
     {.preset = "ultrafast", .rate_control = "quality"}                                         },
    {EG_FORMAT_MP4,  EG_CODEC_AAC,  EG_CODEC_H264, 48000, 0,    {.rate_control = "constant"}    },
    {EG_FORMAT_MP4,  EG_CODEC_AAC,  EG_CODEC_H264, 48000, 0,    {.h264 = "openh264"}            },
    {EG_FORMAT_MP4,
     EG_CODEC_AAC,                  EG_CODEC_H264,
     48000,                                               0,
     {.h264 = "openh264", .rate_control = "quality", .threads = 2}                              },
};

/* Each row of the table of keys is one that is known, and what is not there is told. */
static void test_encoders(void)
{
    const EgConfigKey *key = eg_config_key_find(eg_config_keys(), "video_encoder.h264");
    for (const char *const *name = key->words; *name != NULL; name++) {
        const EgVideoEncoderConfig config = {.h264 = *name};
        const EgVideoEncoderElement *row = eg_elements(EG_CODEC_H264)->video_encoders;
        while (row->name != NULL && !g_str_equal(row->name, *name))
            row++;
        g_assert_nonnull(row->name);
        g_autoptr(GError) error = NULL;
        bool has_it = eg_encoder_check(EG_CODEC_H264, &config, &error);
        g_test_message("%s: %s", *name, has_it ? "there" : error->message);
        g_assert_true(has_it || !g_str_equal(*name, "x264"));
        if (has_it)
            continue;
        g_assert_error(error, EG_ERROR, EG_ERROR_FAILED_PRECONDITION);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_SERVICE);
        g_assert_nonnull(strstr(error->message, row->element));
        g_assert_nonnull(strstr(error->message, "it has: x264"));
    }
}

/* How large three seconds of moving noise become: constant is filled up, quality saves. */
static gsize encoded_bytes(const char *rate_control, bool is_still)
{
    const EgVideoEncoderConfig config = {.rate_control = rate_control};
    Recording recording = {.loop = eg_loop_new()};
    encode_pictures(&recording, EG_CODEC_H264, &config, is_still ? make_picture : make_noise);
    gsize size_bytes = 0;
    GstBuffer *frame;
    while ((frame = g_queue_pop_head(&recording.frames[EG_MEDIA_VIDEO])) != NULL) {
        size_bytes += gst_buffer_get_size(frame);
        gst_buffer_unref(frame);
    }
    gst_clear_caps(&recording.caps[EG_MEDIA_VIDEO]);
    eg_loop_free(recording.loop);
    g_test_message("%s: %" G_GSIZE_FORMAT, rate_control, size_bytes);
    return size_bytes;
}

static void test_rate_control(void)
{
    const double wanted = 500000.0 / 8 * SECONDS;
    g_assert_cmpfloat_with_epsilon((double)encoded_bytes("constant", true), wanted, wanted / 5);
    g_assert_cmpfloat((double)encoded_bytes("variable", true), <, wanted / 10);
    g_assert_cmpfloat((double)encoded_bytes("variable", false), <, wanted * 1.5);
    g_assert_cmpfloat((double)encoded_bytes("quality", false), <, wanted * 1.5);
}

static const char *word(const char *text)
{
    return text != NULL ? text : "any";
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *test = &cases[i];
        g_autofree char *name = g_strdup_printf(
            "/codec-chain/sync/%s/%s-%s-%u-%s-%s-%s", eg_format_info(test->format)->name,
            test->video == EG_CODEC_NONE ? "none" : eg_codec_info(test->video)->name,
            test->audio == EG_CODEC_NONE ? "none" : eg_codec_info(test->audio)->name, test->rate_hz,
            word(test->config.h264), word(test->config.preset), word(test->config.rate_control));
        g_test_add_data_func(name, test, test_sync);
    }
    g_test_add_func("/codec-chain/encoders", test_encoders);
    g_test_add_func("/codec-chain/rate-control", test_rate_control);
    for (gsize i = 0; i < G_N_ELEMENTS(passthrough_cases); i++) {
        g_autofree char *name = g_strdup_printf("/codec-chain/passthrough/%s/%s",
                                                eg_format_info(passthrough_cases[i].format)->name,
                                                eg_codec_info(passthrough_cases[i].codec)->name);
        g_test_add_data_func(name, &passthrough_cases[i], test_passthrough);
    }
    return g_test_run();
}
