#include <math.h>

#include "base/error.h"
#include "request/preset.h"
#include "short-request.h"

static void test_presets(void)
{
    static const struct {
        int preset;
        guint width, height, fps, bitrate_bps;
    } cases[] = {
        {0,                              1280, 720,  30, 3000000},
        {PRESET(H264_720P_30),           1280, 720,  30, 3000000},
        {PRESET(H264_720P_60),           1280, 720,  60, 4500000},
        {PRESET(H264_1080P_30),          1920, 1080, 30, 4500000},
        {PRESET(H264_1080P_60),          1920, 1080, 60, 6000000},
        {PRESET(PORTRAIT_H264_720P_30),  720,  1280, 30, 3000000},
        {PRESET(PORTRAIT_H264_720P_60),  720,  1280, 60, 4500000},
        {PRESET(PORTRAIT_H264_1080P_30), 1080, 1920, 30, 4500000},
        {PRESET(PORTRAIT_H264_1080P_60), 1080, 1920, 60, 6000000},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of(
            &(Short){.identity = "alice", .preset = cases[i].preset, .filepath = "x.mp4"}, &error);
        g_assert_no_error(error);
        g_assert_cmpint(plan->processing, ==, EG_PROCESSING_ENCODE);
        g_assert_cmpuint(plan->video.width, ==, cases[i].width);
        g_assert_cmpuint(plan->video.height, ==, cases[i].height);
        g_assert_cmpuint(plan->video.fps, ==, cases[i].fps);
        g_assert_cmpuint(plan->video.bitrate_bps, ==, cases[i].bitrate_bps);
        g_assert_cmpint(plan->video.codec, ==, EG_CODEC_H264);
        g_assert_cmpint(plan->video.profile, ==, EG_PROFILE_MAIN);
        g_assert_cmpfloat(plan->video.key_frame_interval_s, ==, 0);
        g_assert_cmpint(plan->audio.codec, ==, EG_CODEC_AAC);
        g_assert_cmpuint(plan->audio.bitrate_bps, ==, 128000);
        g_assert_cmpuint(plan->audio.rate_hz, ==, 44100);
        g_assert_cmpuint(plan->audio.channels, ==, 2);
    }
}

static void test_preset_names(void)
{
    g_autofree char *names = eg_preset_names();
    g_auto(GStrv) list = g_strsplit(names, ", ", -1);
    g_assert_cmpuint(g_strv_length(list), ==, 8);
    for (char **name = list; *name != NULL; name++) {
        const EgPreset *preset = eg_preset_from_name(*name);
        g_assert_nonnull(preset);
        g_assert_true(eg_preset_find(preset->preset) == preset);
    }
    g_assert_null(eg_preset_from_name("4k"));
    g_assert_null(eg_preset_find(LIVEKIT__ENCODING_OPTIONS_PRESET__PASSTHROUGH));
}

static void test_advanced(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = plan_of(
        &(Short){
            .identity = "alice",
            .filepath = "x.mp4",
            .advanced =
                ADVANCED(.width = 640, .height = 360, .depth = 24, .framerate = 15,
                         .video_bitrate = 700, .audio_bitrate = 64, .audio_frequency = 32000,
                         .key_frame_interval = 2.5, .video_codec = VIDEO_CODEC(H264_HIGH),
                         .audio_codec = AUDIO_CODEC(AAC)),
        },
        &error);
    g_assert_no_error(error);
    g_assert_cmpuint(plan->video.width, ==, 640);
    g_assert_cmpuint(plan->video.height, ==, 360);
    g_assert_cmpuint(plan->video.fps, ==, 15);
    g_assert_cmpuint(plan->video.bitrate_bps, ==, 700000);
    g_assert_cmpfloat(plan->video.key_frame_interval_s, ==, 2.5);
    g_assert_cmpint(plan->video.profile, ==, EG_PROFILE_HIGH);
    g_assert_cmpuint(plan->audio.bitrate_bps, ==, 64000);
    g_assert_cmpuint(plan->audio.rate_hz, ==, 32000);
}

/* Which format and codecs come out, by what is asked for and what the file is to be called. */
static void test_formats(void)
{
    const struct {
        Short request;
        EgFormat format;
        EgCodec audio;
        EgCodec video;
        guint rate_hz;
    } cases[] = {
        // clang-format off
        /* participants */
        {{.identity = "a", .filepath = ""},
         EG_FORMAT_MP4, EG_CODEC_AAC, EG_CODEC_H264, 44100},
        {{.identity = "a", .filepath = "x.avi"},
         EG_FORMAT_MP4, EG_CODEC_AAC, EG_CODEC_H264, 44100},
        {{.identity = "a", .filepath = "x.webm"},
         EG_FORMAT_WEBM, EG_CODEC_OPUS, EG_CODEC_VP8, 48000},
        {{.identity = "a", .filepath = "x.ogg"},
         EG_FORMAT_OGG, EG_CODEC_OPUS, 0, 48000},
        {{.identity = "a", .filepath = "x.mp3"},
         EG_FORMAT_MP3, EG_CODEC_MP3, 0, 44100},
        {{.identity = "a", .filepath = "x.mkv"},
         EG_FORMAT_MKV, EG_CODEC_OPUS, EG_CODEC_H264, 48000},
        {{.identity = "a", .filepath = "x.mkv",
          .advanced = ADVANCED(.video_codec = VIDEO_CODEC(VP9), .audio_codec = AUDIO_CODEC(AC_MP3))},
         EG_FORMAT_MKV, EG_CODEC_MP3, EG_CODEC_VP9, 44100},
        {{.identity = "a", .filepath = "x.webm",
          .advanced = ADVANCED(.video_codec = VIDEO_CODEC(VP9))},
         EG_FORMAT_WEBM, EG_CODEC_OPUS, EG_CODEC_VP9, 48000},
        {{.identity = "a", .filepath = "",
          .advanced = ADVANCED(.video_codec = VIDEO_CODEC(VP9))},
         EG_FORMAT_WEBM, EG_CODEC_OPUS, EG_CODEC_VP9, 48000},
        {{.identity = "a", .filepath = "x.wav"},
         EG_FORMAT_WAV, EG_CODEC_PCM, 0, 48000},
        {{.identity = "a", .filepath = "x.wav", .advanced = ADVANCED(.audio_frequency = 16000)},
         EG_FORMAT_WAV, EG_CODEC_PCM, 0, 16000},
        {{.identity = "a", .filepath = "x.mkv", .file_type = FILE_TYPE(MP4)},
         EG_FORMAT_MP4, EG_CODEC_AAC, EG_CODEC_H264, 44100},
        {{.identity = "a", .filepath = "x", .file_type = FILE_TYPE(MP3)},
         EG_FORMAT_MP3, EG_CODEC_MP3, 0, 44100},
        /* the type wins over the name */
        {{.identity = "a", .filepath = "x.ogg", .file_type = FILE_TYPE(MP4)},
         EG_FORMAT_MP4, EG_CODEC_AAC, EG_CODEC_H264, 44100},
        {{.identity = "a", .filepath = "x.mp4",
          .advanced = ADVANCED(.audio_codec = AUDIO_CODEC(OPUS), .audio_frequency = 44100)},
         EG_FORMAT_MP4, EG_CODEC_OPUS, EG_CODEC_H264, 48000},
        {{.identity = "a", .filepath = "",
          .advanced = ADVANCED(.video_codec = VIDEO_CODEC(VP8))},
         EG_FORMAT_WEBM, EG_CODEC_OPUS, EG_CODEC_VP8, 48000},
        /* track composites */
        {{.audio_track_id = "A", .video_track_id = "V", .filepath = "x"},
         EG_FORMAT_MP4, EG_CODEC_AAC, EG_CODEC_H264, 44100},
        {{.audio_track_id = "A", .filepath = "x"},
         EG_FORMAT_OGG, EG_CODEC_OPUS, 0, 48000},
        {{.audio_track_id = "A", .filepath = "x.mp4"},
         EG_FORMAT_MP4, EG_CODEC_AAC, 0, 44100},
        {{.audio_track_id = "A", .filepath = "x",
          .advanced = ADVANCED(.audio_codec = AUDIO_CODEC(AC_MP3))},
         EG_FORMAT_MP3, EG_CODEC_MP3, 0, 44100},
        {{.audio_track_id = "A", .filepath = "x",
          .advanced = ADVANCED(.audio_codec = AUDIO_CODEC(AAC))},
         EG_FORMAT_MP4, EG_CODEC_AAC, 0, 44100},
        {{.video_track_id = "V", .filepath = "x"},
         EG_FORMAT_MP4, 0, EG_CODEC_H264, 0},
        {{.video_track_id = "V", .filepath = "x.webm"},
         EG_FORMAT_WEBM, 0, EG_CODEC_VP8, 0},
        /* passthrough: codecs are the room's, and without an extension they decide */
        {{.identity = "a", .filepath = "x.mp4", .preset = PRESET(PASSTHROUGH)},
         EG_FORMAT_MP4, 0, 0, 0},
        {{.identity = "a", .filepath = "x", .preset = PRESET(PASSTHROUGH)},
         EG_FORMAT_NONE, 0, 0, 0},
        /* a track alone: they always do */
        {{.track_id = "T", .filepath = "x.mp4"},
         EG_FORMAT_NONE, 0, 0, 0},
        {{.track_id = "T", .filepath = "x"},
         EG_FORMAT_NONE, 0, 0, 0},
        {{.track_id = "T", .filepath = "x.wav"},
         EG_FORMAT_NONE, 0, 0, 0},
        /* but for what holds them all */
        {{.track_id = "T", .filepath = "x.mkv"},
         EG_FORMAT_MKV, 0, 0, 0},
        {{.identity = "a", .filepath = "x.mkv", .preset = PRESET(PASSTHROUGH)},
         EG_FORMAT_MKV, 0, 0, 0},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of(&cases[i].request, &error);
        g_assert_no_error(error);
        g_assert_cmpint(plan->outputs[0].format, ==, cases[i].format);
        g_assert_cmpint(plan->audio.codec, ==, cases[i].audio);
        g_assert_cmpint(plan->video.codec, ==, cases[i].video);
        g_assert_cmpuint(plan->audio.rate_hz, ==, cases[i].rate_hz);
        g_assert_cmpint(plan->video.profile != EG_PROFILE_NONE, ==,
                        cases[i].video == EG_CODEC_H264);
        g_assert_cmpstr(plan->outputs[0].path_template, ==, cases[i].request.filepath);
    }
}

static void test_refused(void)
{
    const struct {
        Short request;
        const char *text;
    } cases[] = {
  // clang-format off
        {{.identity = "", .filepath = "x"}, INVALID "identity"},
        {{.filepath = "x"}, INVALID "audio_track_id or video_track_id"},
        {{.track_id = "", .filepath = "x"}, INVALID "track_id"},
        {{.identity = "a"}, INVALID "output"},
        {{.track_id = "T"}, INVALID "output"},
        {{.identity = "a", .filepath = "../x"}, INVALID "filepath (may not contain ..)"},
        {{.identity = "a", .filepath = "x", .preset = 43}, INVALID "preset (42 is none)"},
        {{.identity = "a", .filepath = "x", .file_type = 9}, INVALID "file_type (9 is none)"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.width = 7682)},
         INVALID "width (7682; it must be from 16 to 7680)"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.width = -2)},
         INVALID "width"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.height = 14)},
         INVALID "height"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.height = G_MAXINT32 - 1)},
         INVALID "height"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.framerate = 121)},
         INVALID "framerate"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.depth = 10)},
         INVALID "depth (10; it must be 8, 16 or 24)"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.video_bitrate = 3000000)},
         INVALID "video_bitrate"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.audio_bitrate = 128000)},
         INVALID "audio_bitrate"},
        {{.identity = "a", .filepath = "x.mp3", .advanced = ADVANCED(.audio_bitrate = 400)},
         INVALID "audio_bitrate (MP3 ends at 320)"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.audio_frequency = 44000)},
         INVALID "audio_frequency"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.key_frame_interval = -1)},
         INVALID "key_frame_interval"},
        {{.identity = "a", .filepath = "x",
          .advanced = ADVANCED(.key_frame_interval = (double)INFINITY)},
         INVALID "key_frame_interval"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.audio_codec = 7)},
         INVALID "audio_codec"},
        {{.identity = "a", .filepath = "x", .advanced = ADVANCED(.video_codec = 7)},
         INVALID "video_codec"},
        {{.identity = "a", .filepath = "x.webm",
          .advanced = ADVANCED(.audio_codec = AUDIO_CODEC(AAC))},
         "format webm incompatible with codec AAC (audio_codec): webm holds Opus, VP8, VP9; "
         "files that hold AAC: mp4, mkv"},
        {{.identity = "a", .filepath = "x.wav",
          .advanced = ADVANCED(.audio_codec = AUDIO_CODEC(OPUS))},
         "format wav incompatible with codec Opus (audio_codec): wav holds PCM; "
         "files that hold Opus: mp4, webm, mkv, ogg"},
        {{.identity = "a", .filepath = "x.mp4",
          .advanced = ADVANCED(.video_codec = VIDEO_CODEC(VP8))},
         "format mp4 incompatible with codec VP8 (video_codec)"},
        {{.identity = "a", .filepath = "x.ogg",
          .advanced = ADVANCED(.video_codec = VIDEO_CODEC(H264_MAIN))},
         "format ogg incompatible with codec H264 (video_codec)"},
        {{.identity = "a", .filepath = "x",
          .advanced = ADVANCED(.audio_codec = AUDIO_CODEC(AC_MP3))},
         "no supported file output type is compatible with the selected codecs: no format holds "
         "both MP3 and video"},
        {{.audio_track_id = "A", .video_track_id = "V", .filepath = "x",
          .advanced = ADVANCED(.audio_codec = AUDIO_CODEC(AAC), .video_codec = VIDEO_CODEC(VP8))},
         "no supported file output type is compatible with the selected codecs: no format holds "
         "both AAC and VP8"},
        {{.audio_track_id = "A", .video_track_id = "V", .filepath = "x.ogg"},
         "no supported codec is compatible with all outputs: format ogg holds Opus"},
        {{.video_track_id = "V", .filepath = "x.ogg", .preset = PRESET(PASSTHROUGH)},
         "no supported codec is compatible with all outputs: format ogg holds Opus"},
        {{.identity = "a", .filepath = "x.mp3", .preset = PRESET(PASSTHROUGH)},
         INVALID "preset (PASSTHROUGH into mp3, which holds MP3"},
        {{.identity = "a", .filepath = "x.wav", .preset = PRESET(PASSTHROUGH)},
         INVALID "preset (PASSTHROUGH into wav, which holds PCM, but rooms send Opus; "
         "files that hold that: mp4, webm, mkv, ogg)"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of(&cases[i].request, &error);
        g_assert_null(plan);
        g_test_message("%s", error->message);
        g_assert_true(g_str_has_prefix(error->message, cases[i].text));
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/encoding/presets", test_presets);
    g_test_add_func("/request/encoding/preset-names", test_preset_names);
    g_test_add_func("/request/encoding/advanced", test_advanced);
    g_test_add_func("/request/encoding/formats", test_formats);
    g_test_add_func("/request/encoding/refused", test_refused);
    return g_test_run();
}
