#include "room/sdp.h"

static bool has_our_codec(const EgSdpMedia *media)
{
    for (guint i = 0; i < media->codecs->len; i++)
        if (g_array_index(media->codecs, EgSdpCodec, i).codec != EG_CODEC_NONE)
            return true;
    return false;
}

static bool is_accepted(const EgSdpMedia *media)
{
    return !media->is_rejected && media->mid != NULL && (media->is_data || has_our_codec(media));
}

/* Everything on this m-line is in the bundle, so each repeats the one transport (RFC 9143). */
static void add_transport(GString *sdp, const EgSdpMedia *media, const EgSdpLocal *local)
{
    g_string_append_printf(sdp,
                           "c=IN IP4 0.0.0.0\r\n"
                           "a=mid:%s\r\n"
                           "a=ice-ufrag:%s\r\n"
                           "a=ice-pwd:%s\r\n"
                           "a=ice-options:trickle\r\n"
                           "a=fingerprint:sha-256 %s\r\n"
                           "a=setup:active\r\n",
                           media->mid, local->ufrag, local->password, local->fingerprint_sha256);
}

/* SCTP itself is not spoken, but a bundle whose first m-line is rejected has no transport. */
static void add_data(GString *sdp, const EgSdpMedia *media, const EgSdpLocal *local)
{
    g_string_append_printf(sdp, "m=application 9 %s webrtc-datachannel\r\n", media->protocol);
    add_transport(sdp, media, local);
    g_string_append(sdp, "a=sctp-port:5000\r\n");
}

static void add_codec(GString *sdp, const EgSdpCodec *codec)
{
    g_string_append_printf(sdp, "a=rtpmap:%u %s\r\n", codec->payload_type, codec->encoding);
    if (codec->parameters != NULL)
        g_string_append_printf(sdp, "a=fmtp:%u %s\r\n", codec->payload_type, codec->parameters);
    if (codec->has_nack)
        g_string_append_printf(sdp, "a=rtcp-fb:%u nack\r\n", codec->payload_type);
    if (codec->has_pli)
        g_string_append_printf(sdp, "a=rtcp-fb:%u nack pli\r\n", codec->payload_type);
    if (codec->has_fir)
        g_string_append_printf(sdp, "a=rtcp-fb:%u ccm fir\r\n", codec->payload_type);
    if (codec->rtx_payload_type != 0)
        g_string_append_printf(sdp, "a=rtpmap:%u rtx/%u\r\na=fmtp:%u apt=%u\r\n",
                               codec->rtx_payload_type, eg_codec_info(codec->codec)->clock_rate_hz,
                               codec->rtx_payload_type, codec->payload_type);
}

static void add_stream(GString *sdp, const EgSdpMedia *media, const EgSdpLocal *local)
{
    g_string_append_printf(sdp, "m=%s 9 %s", media->kind, media->protocol);
    for (guint i = 0; i < media->codecs->len; i++) {
        const EgSdpCodec *codec = &g_array_index(media->codecs, EgSdpCodec, i);
        if (codec->codec == EG_CODEC_NONE)
            continue;
        g_string_append_printf(sdp, " %u", codec->payload_type);
        if (codec->rtx_payload_type != 0)
            g_string_append_printf(sdp, " %u", codec->rtx_payload_type);
    }
    g_string_append(sdp, "\r\n");
    add_transport(sdp, media, local);
    g_string_append(sdp, media->is_sending ? "a=recvonly\r\n" : "a=inactive\r\n");
    g_string_append(sdp, "a=rtcp-mux\r\na=rtcp-rsize\r\n");
    for (guint i = 0; i < media->codecs->len; i++) {
        const EgSdpCodec *codec = &g_array_index(media->codecs, EgSdpCodec, i);
        if (codec->codec != EG_CODEC_NONE)
            add_codec(sdp, codec);
    }
}

/* RFC 3264, 6: port 0, and formats that mean nothing then. */
static void add_rejected(GString *sdp, const EgSdpMedia *media)
{
    g_string_append_printf(sdp, "m=%s 0 %s 0\r\nc=IN IP4 0.0.0.0\r\n", media->kind,
                           media->protocol);
    if (media->mid != NULL)
        g_string_append_printf(sdp, "a=mid:%s\r\n", media->mid);
    g_string_append(sdp, "a=inactive\r\n");
}

char *eg_sdp_answer_format(const EgSdpOffer *offer, const EgSdpLocal *local)
{
    GString *sdp = g_string_new(NULL);
    g_string_append_printf(sdp,
                           "v=0\r\n"
                           "o=- %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " IN IP4 0.0.0.0\r\n"
                           "s=-\r\n"
                           "t=0 0\r\n"
                           "a=group:BUNDLE",
                           local->session_id, local->version);
    for (guint i = 0; i < offer->media->len; i++) {
        const EgSdpMedia *media = g_ptr_array_index(offer->media, i);
        if (is_accepted(media))
            g_string_append_printf(sdp, " %s", media->mid);
    }
    g_string_append(sdp, "\r\n");

    for (guint i = 0; i < offer->media->len; i++) {
        const EgSdpMedia *media = g_ptr_array_index(offer->media, i);
        if (!is_accepted(media))
            add_rejected(sdp, media);
        else if (media->is_data)
            add_data(sdp, media, local);
        else
            add_stream(sdp, media, local);
    }
    return g_string_free(sdp, FALSE);
}
