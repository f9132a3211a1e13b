/* Offers of livekit-server 1.13.4 as they came over the wire, and the answers to them; both are in
 * tests/data/sdp (G_TEST_SRCDIR is tests/data). */
#include "base/error.h"
#include "room/sdp.h"

#include <string.h>

#define HEAD                                                                                       \
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 11:22\r\n"             \
    "a=ice-ufrag:srv\r\na=ice-pwd:secret\r\n"

static const EgSdpLocal local = {
    .ufrag = "us",
    .password = "ourpassword",
    .fingerprint_sha256 = "AA:BB:CC",
    .session_id = 42,
    .version = 7,
};

static char *load(const char *name, const char *kind)
{
    g_autofree char *file = g_strdup_printf("%s.%s.sdp", name, kind);
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "sdp", file, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static EgSdpOffer *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    EgSdpOffer *offer = eg_sdp_offer_parse(text, &error);
    g_assert_no_error(error);
    return offer;
}

static void test_answers(void)
{
    static const char *const names[] = {"data-only",   "first-video", "first-audio",
                                        "unpublished", "republished", "ice-lite-twcc"};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *text = load(names[i], "offer");
        g_autoptr(EgSdpOffer) offer = parse(text);
        g_autofree char *answer = eg_sdp_answer_format(offer, &local);
        g_autofree char *expected = load(names[i], "answer");
        g_assert_cmpstr(answer, ==, expected);
    }
}

static void test_transport(void)
{
    g_autofree char *text = load("data-only", "offer");
    g_autoptr(EgSdpOffer) offer = parse(text);
    g_assert_cmpuint(strlen(offer->ufrag), ==, 16);
    g_assert_cmpuint(strlen(offer->password), ==, 32);
    g_assert_cmpuint(strlen(offer->fingerprint_sha256), ==, 32 * 3 - 1);
    g_assert_cmpuint(offer->media->len, ==, 1);
    const EgSdpMedia *data = g_ptr_array_index(offer->media, 0);
    g_assert_true(data->is_data);
    g_assert_cmpint(data->media, ==, EG_MEDIA_NONE);

    g_autofree char *with_candidates = load("unpublished", "offer");
    g_autoptr(EgSdpOffer) later = parse(with_candidates);
    g_assert_cmpuint(later->candidates->len, ==, 4);
    g_assert_true(g_str_has_prefix(g_ptr_array_index(later->candidates, 0), "candidate:"));
}

static void test_streams(void)
{
    g_autofree char *text = load("first-audio", "offer");
    g_autoptr(EgSdpOffer) offer = parse(text);
    g_assert_cmpuint(offer->media->len, ==, 3);
    const EgSdpMedia *video = g_ptr_array_index(offer->media, 1);
    g_assert_cmpint(video->media, ==, EG_MEDIA_VIDEO);
    g_assert_cmpstr(video->mid, ==, "1");
    g_assert_true(video->is_sending);
    g_assert_cmpuint(video->ssrc, ==, 3659513155);
    g_assert_cmpuint(video->rtx_ssrc, ==, 2815692917);
    g_assert_cmpstr(video->track_sid, ==, "TR_VCs5PJfjXi5p5s");
    const EgSdpMedia *audio = g_ptr_array_index(offer->media, 2);
    g_assert_cmpint(audio->media, ==, EG_MEDIA_AUDIO);
    g_assert_cmpuint(audio->ssrc, ==, 904818862);
    g_assert_cmpuint(audio->rtx_ssrc, ==, 0);
    g_assert_cmpstr(audio->track_sid, ==, "TR_AMycMvYUm5nTYd");

    g_autofree char *later_text = load("unpublished", "offer");
    g_autoptr(EgSdpOffer) later = parse(later_text);
    const EgSdpMedia *gone = g_ptr_array_index(later->media, 1);
    g_assert_false(gone->is_sending);
    g_assert_cmpuint(gone->ssrc, ==, 0);
    g_assert_null(gone->track_sid);
}

static const EgSdpCodec *find(const EgSdpMedia *media, guint payload_type)
{
    for (guint i = 0; i < media->codecs->len; i++) {
        const EgSdpCodec *codec = &g_array_index(media->codecs, EgSdpCodec, i);
        if (codec->payload_type == payload_type)
            return codec;
    }
    g_assert_not_reached();
}

static void test_codecs(void)
{
    static const struct {
        guint payload_type;
        EgCodec codec;
        guint rtx;
    } expected[] = {
        {96,  EG_CODEC_VP8,  97 },
        {98,  EG_CODEC_VP9,  99 },
        {100, EG_CODEC_VP9,  101},
        {125, EG_CODEC_H264, 126},
        {108, EG_CODEC_H264, 109},
        {35,  EG_CODEC_NONE, 0  }, /* AV1 */
        {116, EG_CODEC_NONE, 0  }, /* H265 */
        {97,  EG_CODEC_NONE, 0  }, /* a retransmission itself */
    };
    g_autofree char *text = load("first-video", "offer");
    g_autoptr(EgSdpOffer) offer = parse(text);
    const EgSdpMedia *video = g_ptr_array_index(offer->media, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        const EgSdpCodec *codec = find(video, expected[i].payload_type);
        g_assert_cmpint(codec->codec, ==, expected[i].codec);
        g_assert_cmpuint(codec->rtx_payload_type, ==, expected[i].rtx);
    }
    g_assert_true(find(video, 96)->has_nack && find(video, 96)->has_pli &&
                  find(video, 96)->has_fir);

    g_autofree char *audio_text = load("first-audio", "offer");
    g_autoptr(EgSdpOffer) audio_offer = parse(audio_text);
    const EgSdpMedia *audio = g_ptr_array_index(audio_offer->media, 2);
    g_assert_cmpint(find(audio, 111)->codec, ==, EG_CODEC_OPUS);
    g_assert_cmpint(find(audio, 63)->codec, ==, EG_CODEC_NONE); /* RED */
    g_assert_cmpint(find(audio, 0)->codec, ==, EG_CODEC_PCMU);
    g_assert_cmpint(find(audio, 8)->codec, ==, EG_CODEC_PCMA);
}

/* One codec line at a time: what we take of it. */
static void test_codec_variants(void)
{
    static const struct {
        const char *lines;
        EgCodec codec;
    } cases[] = {
        {"a=rtpmap:99 h264/90000\r\n",                                        EG_CODEC_H264},
        {"a=rtpmap:99 H264/90000\r\na=fmtp:99 packetization-mode=2\r\n",      EG_CODEC_NONE},
        {"a=rtpmap:99 H264/90000\r\na=fmtp:99 a=b; packetization-mode=1\r\n", EG_CODEC_H264},
        {"a=rtpmap:99 VP9/90000\r\na=fmtp:99 profile-id=2\r\n",               EG_CODEC_NONE},
        {"a=rtpmap:99 VP9/90000\r\n",                                         EG_CODEC_VP9 },
        {"a=rtpmap:99 VP8/48000\r\n",                                         EG_CODEC_NONE},
        {"a=rtpmap:99 opus/48000/2\r\n",                                      EG_CODEC_NONE},
        {"a=rtpmap:99 VP8\r\n",                                               EG_CODEC_NONE},
        {"a=rtpmap:98 VP8/90000\r\n",                                         EG_CODEC_NONE},
        {"a=rtpmap:99VP8/90000\r\n",                                          EG_CODEC_NONE},
        {"",                                                                  EG_CODEC_NONE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            g_strconcat(HEAD "m=video 9 UDP/TLS/RTP/SAVPF 99\r\na=mid:v\r\n", cases[i].lines, NULL);
        g_autoptr(EgSdpOffer) offer = parse(text);
        const EgSdpMedia *media = g_ptr_array_index(offer->media, 0);
        g_assert_cmpint(find(media, 99)->codec, ==, cases[i].codec);
        /* Without a codec there is nothing to accept. */
        g_autofree char *answer = eg_sdp_answer_format(offer, &local);
        const bool is_rejected = strstr(answer, "m=video 0 ") != NULL;
        g_assert_cmpint(is_rejected, ==, cases[i].codec == EG_CODEC_NONE);
    }
}

static void test_rejected(void)
{
    g_autoptr(EgSdpOffer) offer = parse(HEAD "m=video 0 UDP/TLS/RTP/SAVPF 96\n"
                                             "a=rtpmap:96 VP8/90000\n"
                                             "m=text 9 RTP/AVP 98\n"
                                             "a=mid:t\n"
                                             "m=audio 9 UDP/TLS/RTP/SAVPF 8\n"
                                             "a=mid:a\n"
                                             "a=inactive\n"
                                             "a=rtpmap:8 PCMA/8000\n");
    g_autofree char *answer = eg_sdp_answer_format(offer, &local);
    g_assert_nonnull(strstr(answer, "a=group:BUNDLE a\r\n"));
    g_assert_nonnull(strstr(answer, "m=video 0 UDP/TLS/RTP/SAVPF 0\r\n"));
    g_assert_nonnull(strstr(answer, "m=text 0 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\na=mid:t\r\n"));
    g_assert_nonnull(strstr(answer, "m=audio 9 UDP/TLS/RTP/SAVPF 8\r\n"));
    g_assert_nonnull(strstr(answer, "a=inactive\r\na=rtcp-mux\r\n"));
}

static void test_malformed(void)
{
    static const char *const texts[] = {
        "",
        "hello",
        HEAD,
        HEAD "m=video 9\r\na=mid:1\r\n",
        HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
        HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:\x01\r\n",
        HEAD "m=video\xff 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n",
        "v=0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\nm=audio 9 RTP/SAVPF 0\r\na=mid:0\r\n",
        "v=0\r\na=fingerprint:sha-1 11\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
        "m=audio 9 RTP/SAVPF 0\r\na=mid:0\r\n",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_sdp_offer_parse(texts[i], &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
    }
}

static void test_bounds(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) many = g_string_new(HEAD);
    for (int i = 0; i < 1025; i++)
        g_string_append(many, "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:x\r\n");
    g_assert_null(eg_sdp_offer_parse(many->str, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_RESOURCE_EXHAUSTED);
    g_clear_error(&error);

    g_autoptr(GString) candidates =
        g_string_new(HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:x\r\n");
    for (int i = 0; i < 1000; i++)
        g_string_append_printf(candidates, "a=candidate:%d 1 udp 1 10.0.0.1 1 typ host\r\n", i);
    g_autoptr(EgSdpOffer) offer = parse(candidates->str);
    g_assert_cmpuint(offer->candidates->len, ==, 64);

    g_autofree char *huge = g_strnfill(5 * 1024 * 1024, 'a');
    g_assert_null(eg_sdp_offer_parse(huge, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/room/sdp/answers", test_answers);
    g_test_add_func("/room/sdp/transport", test_transport);
    g_test_add_func("/room/sdp/streams", test_streams);
    g_test_add_func("/room/sdp/codecs", test_codecs);
    g_test_add_func("/room/sdp/codec-variants", test_codec_variants);
    g_test_add_func("/room/sdp/rejected", test_rejected);
    g_test_add_func("/room/sdp/malformed", test_malformed);
    g_test_add_func("/room/sdp/bounds", test_bounds);
    return g_test_run();
}
