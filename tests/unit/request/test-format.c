#include "request/format.h"

/* Which combinations exist is what users are promised. */
static void test_holds(void)
{
    static const struct {
        EgFormat format;
        const char *codecs;
    } cases[] = {
        {EG_FORMAT_MP4,  "AAC, H264, Opus"               },
        {EG_FORMAT_WEBM, "Opus, VP8, VP9"                },
        {EG_FORMAT_MKV,  "Opus, H264, AAC, MP3, VP8, VP9"},
        {EG_FORMAT_OGG,  "Opus"                          },
        {EG_FORMAT_WAV,  "PCM"                           },
        {EG_FORMAT_MP3,  "MP3"                           },
        {EG_FORMAT_RAW,  "PCM"                           },
        {EG_FORMAT_NONE, "nothing"                       },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *codecs = eg_format_describe_codecs(cases[i].format);
        g_assert_cmpstr(codecs, ==, cases[i].codecs);

        g_auto(GStrv) names = g_strsplit(codecs, ", ", -1);
        for (guint c = EG_CODEC_NONE + 1; c < EG_N_CODECS; c++) {
            bool is_listed =
                g_strv_contains((const char *const *)names, eg_codec_info((EgCodec)c)->name);
            g_assert_cmpint(eg_format_holds(cases[i].format, (EgCodec)c), ==, is_listed);
        }
        g_assert_false(eg_format_holds(cases[i].format, EG_CODEC_NONE));
    }
}

static void test_holds_sent(void)
{
    static const struct {
        EgFormat format;
        bool has_audio;
        bool has_video;
    } cases[] = {
        {EG_FORMAT_MP4,  true,  true },
        {EG_FORMAT_WEBM, true,  true },
        {EG_FORMAT_MKV,  true,  true },
        {EG_FORMAT_OGG,  true,  false},
        {EG_FORMAT_WAV,  false, false},
        {EG_FORMAT_MP3,  false, false},
        {EG_FORMAT_RAW,  false, false},
        {EG_FORMAT_NONE, false, false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(eg_format_holds_sent(cases[i].format, EG_MEDIA_AUDIO), ==,
                        cases[i].has_audio);
        g_assert_cmpint(eg_format_holds_sent(cases[i].format, EG_MEDIA_VIDEO), ==,
                        cases[i].has_video);
    }
}

static void test_default_codec(void)
{
    static const struct {
        EgFormat format;
        EgCodec audio;
        EgCodec video;
    } cases[] = {
        {EG_FORMAT_MP4,  EG_CODEC_AAC,  EG_CODEC_H264},
        {EG_FORMAT_WEBM, EG_CODEC_OPUS, EG_CODEC_VP8 },
        {EG_FORMAT_MKV,  EG_CODEC_OPUS, EG_CODEC_H264},
        {EG_FORMAT_OGG,  EG_CODEC_OPUS, EG_CODEC_NONE},
        {EG_FORMAT_WAV,  EG_CODEC_PCM,  EG_CODEC_NONE},
        {EG_FORMAT_MP3,  EG_CODEC_MP3,  EG_CODEC_NONE},
        {EG_FORMAT_RAW,  EG_CODEC_PCM,  EG_CODEC_NONE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpint(eg_format_default_codec(cases[i].format, EG_MEDIA_AUDIO), ==,
                        cases[i].audio);
        g_assert_cmpint(eg_format_default_codec(cases[i].format, EG_MEDIA_VIDEO), ==,
                        cases[i].video);
    }
}

static void test_from_filename(void)
{
    static const struct {
        const char *filename;
        EgFormat format;
    } cases[] = {
        {"out.mp4",       EG_FORMAT_MP4 },
        {"a/b.c/OUT.MP4", EG_FORMAT_MP4 },
        {"x.webm",        EG_FORMAT_WEBM},
        {"x.ogg",         EG_FORMAT_OGG },
        {".mp3",          EG_FORMAT_MP3 },
        {"x.mp4.mp3",     EG_FORMAT_MP3 },
        {"mp4",           EG_FORMAT_NONE},
        {"x.mp4/",        EG_FORMAT_NONE},
        {"x.mp4/y",       EG_FORMAT_NONE},
        {"x.mp",          EG_FORMAT_NONE},
        {"x.mp4a",        EG_FORMAT_NONE},
        {"x.",            EG_FORMAT_NONE},
        {"x.Mkv",         EG_FORMAT_MKV },
        {"x.wav",         EG_FORMAT_WAV },
        {"x.ts",          EG_FORMAT_NONE},
        {"x.raw",         EG_FORMAT_NONE},
        {"",              EG_FORMAT_NONE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].filename);
        g_assert_cmpint(eg_format_from_filename(cases[i].filename), ==, cases[i].format);
    }
}

/* What is said where a codec does not fit. */
static void test_holders(void)
{
    static const struct {
        EgCodec codec;
        const char *formats;
    } cases[] = {
        {EG_CODEC_OPUS, "mp4, webm, mkv, ogg"},
        {EG_CODEC_H264, "mp4, mkv"           },
        {EG_CODEC_VP9,  "webm, mkv"          },
        {EG_CODEC_MP3,  "mkv, mp3"           },
        {EG_CODEC_PCM,  "wav"                },
        {EG_CODEC_PCMU, "none"               },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *formats = eg_format_describe_holders(cases[i].codec);
        g_assert_cmpstr(formats, ==, cases[i].formats);
    }
}

/* Nobody gets MKV or WAV who has not named it. */
static void test_chosen(void)
{
    for (guint i = 0; i < EG_N_FORMATS; i++) {
        bool is_chosen =
            i == EG_FORMAT_MP4 || i == EG_FORMAT_WEBM || i == EG_FORMAT_OGG || i == EG_FORMAT_MP3;
        g_assert_cmpint(eg_format_is_chosen((EgFormat)i), ==, is_chosen);
    }
}

static void test_for_codecs(void)
{
    static const struct {
        EgCodec audio;
        EgCodec video;
        EgFormat format;
    } cases[] = {
        {EG_CODEC_OPUS, EG_CODEC_NONE, EG_FORMAT_OGG },
        {EG_CODEC_NONE, EG_CODEC_H264, EG_FORMAT_MP4 },
        {EG_CODEC_OPUS, EG_CODEC_H264, EG_FORMAT_MP4 },
        {EG_CODEC_NONE, EG_CODEC_VP8,  EG_FORMAT_WEBM},
        {EG_CODEC_NONE, EG_CODEC_VP9,  EG_FORMAT_WEBM},
        {EG_CODEC_OPUS, EG_CODEC_VP9,  EG_FORMAT_WEBM},
        {EG_CODEC_AAC,  EG_CODEC_NONE, EG_FORMAT_MP4 },
        {EG_CODEC_MP3,  EG_CODEC_NONE, EG_FORMAT_MP3 },
        {EG_CODEC_AAC,  EG_CODEC_VP8,  EG_FORMAT_NONE},
        {EG_CODEC_PCMU, EG_CODEC_NONE, EG_FORMAT_NONE},
        {EG_CODEC_PCMA, EG_CODEC_H264, EG_FORMAT_NONE},
        {EG_CODEC_PCM,  EG_CODEC_NONE, EG_FORMAT_NONE},
        {EG_CODEC_NONE, EG_CODEC_NONE, EG_FORMAT_NONE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_assert_cmpint(eg_format_for_codecs(cases[i].audio, cases[i].video), ==, cases[i].format);
    }
}

static void test_for_encoding(void)
{
    static const struct {
        bool has_audio;
        EgCodec audio;
        bool has_video;
        EgCodec video;
        EgFormat format;
    } cases[] = {
        {true,  EG_CODEC_NONE, false, EG_CODEC_NONE, EG_FORMAT_OGG },
        {true,  EG_CODEC_OPUS, false, EG_CODEC_NONE, EG_FORMAT_OGG },
        {true,  EG_CODEC_AAC,  false, EG_CODEC_NONE, EG_FORMAT_MP4 },
        {true,  EG_CODEC_MP3,  false, EG_CODEC_NONE, EG_FORMAT_MP3 },
        {true,  EG_CODEC_NONE, true,  EG_CODEC_NONE, EG_FORMAT_MP4 },
        {true,  EG_CODEC_OPUS, true,  EG_CODEC_NONE, EG_FORMAT_MP4 },
        {true,  EG_CODEC_OPUS, true,  EG_CODEC_VP8,  EG_FORMAT_WEBM},
        {true,  EG_CODEC_NONE, true,  EG_CODEC_VP8,  EG_FORMAT_WEBM},
        {false, EG_CODEC_NONE, true,  EG_CODEC_NONE, EG_FORMAT_MP4 },
        {false, EG_CODEC_MP3,  true,  EG_CODEC_VP8,  EG_FORMAT_WEBM},
        {true,  EG_CODEC_AAC,  true,  EG_CODEC_VP8,  EG_FORMAT_NONE},
        {true,  EG_CODEC_MP3,  true,  EG_CODEC_NONE, EG_FORMAT_NONE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_assert_cmpint(eg_format_for_encoding(cases[i].has_audio, cases[i].audio,
                                               cases[i].has_video, cases[i].video),
                        ==, cases[i].format);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/format/holds", test_holds);
    g_test_add_func("/request/format/holds-sent", test_holds_sent);
    g_test_add_func("/request/format/default-codec", test_default_codec);
    g_test_add_func("/request/format/from-filename", test_from_filename);
    g_test_add_func("/request/format/holders", test_holders);
    g_test_add_func("/request/format/chosen", test_chosen);
    g_test_add_func("/request/format/for-codecs", test_for_codecs);
    g_test_add_func("/request/format/for-encoding", test_for_encoding);
    return g_test_run();
}
