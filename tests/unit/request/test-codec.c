#include "request/codec.h"

static void test_info(void)
{
    g_assert_null(eg_codec_info(EG_CODEC_NONE));
    for (guint i = EG_CODEC_NONE + 1; i < EG_N_CODECS; i++) {
        const EgCodecInfo *info = eg_codec_info((EgCodec)i);
        g_assert_nonnull(info->name);
        g_assert_cmpint(info->media, !=, EG_MEDIA_NONE);
        /* Either a room carries it, then both are known, or none. */
        g_assert_cmpint(info->mime != NULL, ==, info->clock_rate_hz != 0);
        if (info->mime != NULL) {
            g_assert_true(g_str_has_prefix(info->mime, eg_media_name(info->media)));
            g_assert_cmpint(eg_codec_from_mime(info->mime), ==, i);
        }
    }
}

static void test_from_mime(void)
{
    static const struct {
        const char *mime;
        EgCodec codec;
    } cases[] = {
        {"audio/opus",      EG_CODEC_OPUS},
        {"AUDIO/OPUS",      EG_CODEC_OPUS},
        {"audio/red",       EG_CODEC_OPUS},
        {"audio/PCMU",      EG_CODEC_PCMU},
        {"audio/pcma",      EG_CODEC_PCMA},
        {"video/vp8",       EG_CODEC_VP8 },
        {"video/VP9",       EG_CODEC_VP9 },
        {"video/h264",      EG_CODEC_H264},
        {"video/AV1",       EG_CODEC_NONE},
        {"video/H265",      EG_CODEC_NONE},
        {"audio/h264",      EG_CODEC_NONE},
        {"audio/aac",       EG_CODEC_NONE},
        {"video/h264 ",     EG_CODEC_NONE},
        {"video/",          EG_CODEC_NONE},
        {"",                EG_CODEC_NONE},
        {"application/ogg", EG_CODEC_NONE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].mime);
        g_assert_cmpint(eg_codec_from_mime(cases[i].mime), ==, cases[i].codec);
    }
}

static void test_media_name(void)
{
    g_assert_cmpstr(eg_media_name(EG_MEDIA_AUDIO), ==, "audio");
    g_assert_cmpstr(eg_media_name(EG_MEDIA_VIDEO), ==, "video");
    g_assert_cmpstr(eg_media_name(EG_MEDIA_NONE), ==, "none");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/codec/info", test_info);
    g_test_add_func("/request/codec/from-mime", test_from_mime);
    g_test_add_func("/request/codec/media-name", test_media_name);
    return g_test_run();
}
