#include "media/rtp-payload.h"

#include "room/bytes.h"

/* RFC 7741, 4.2. */
static bool parse_vp8(const guint8 *data, gsize size, EgRtpPayload *payload)
{
    gsize at = 1;
    if (size < 2)
        return false;
    if (data[0] & 0x80) { /* X */
        guint8 extensions = data[1];
        at = 2;
        if (extensions & 0x80) { /* I: picture id of 7 or 15 bits */
            if (at >= size)
                return false;
            at += data[at] & 0x80 ? 2 : 1;
        }
        if (extensions & 0x40) /* L */
            at++;
        if (extensions & 0x30) /* T, K */
            at++;
    }
    if (at >= size)
        return false;
    payload->header_bytes = at;
    payload->starts_frame = (data[0] & 0x10) != 0 && (data[0] & 0x0f) == 0;
    payload->is_key = payload->starts_frame && (data[at] & 0x01) == 0;
    return true;
}

/* The scalability structure (RFC 9628, 4.2.1): returns where it ends, or 0. */
static gsize parse_vp9_structure(const guint8 *data, gsize size, gsize at, EgRtpPayload *payload)
{
    if (at >= size)
        return 0;
    guint8 flags = data[at++];
    if (flags & 0x10) { /* Y: sizes of all layers */
        payload->n_layers = (flags >> 5) + 1u;
        if (size - at < (gsize)payload->n_layers * 4)
            return 0;
        for (guint i = 0; i < payload->n_layers; i++, at += 4) {
            payload->layers[i].width = eg_get_u16(data + at);
            payload->layers[i].height = eg_get_u16(data + at + 2);
        }
    }
    if ((flags & 0x08) == 0) /* G: pictures of a group */
        return at;
    if (at >= size)
        return 0;
    for (guint pictures = data[at++]; pictures > 0; pictures--) {
        if (at >= size)
            return 0;
        at += 1 + ((data[at] >> 2) & 3u);
    }
    return at;
}

/* RFC 9628, 4.2. */
static bool parse_vp9(const guint8 *data, gsize size, EgRtpPayload *payload)
{
    if (size < 2)
        return false;
    bool is_predicted = (data[0] & 0x40) != 0;
    bool is_flexible = (data[0] & 0x10) != 0;
    bool depends_on_lower = false;
    gsize at = 1;
    if (data[0] & 0x80) /* I: picture id of 7 or 15 bits */
        at += data[at] & 0x80 ? 2 : 1;
    if (data[0] & 0x20) { /* L */
        if (at >= size)
            return false;
        payload->layer = (data[at] >> 1) & 7;
        depends_on_lower = (data[at] & 1) != 0;
        at += is_flexible ? 1 : 2;
    }
    if (is_predicted && is_flexible) {
        guint references = 0;
        bool more = true;
        while (more && references++ < 3) {
            if (at >= size)
                return false;
            more = (data[at++] & 1) != 0;
        }
        if (more)
            return false;
    }
    if (data[0] & 0x02) { /* V */
        at = parse_vp9_structure(data, size, at, payload);
        if (at == 0)
            return false;
    }
    if (at >= size)
        return false;
    payload->header_bytes = at;
    payload->starts_layer = (data[0] & 0x08) != 0;
    payload->starts_frame = payload->starts_layer && payload->layer == 0 && !depends_on_lower;
    payload->is_key = payload->starts_frame && !is_predicted;
    return true;
}

/* Certain to be the first of its picture are only a delimiter (9) and a sequence parameter set (7):
 * before anything else one of these may be missing. */
static void look_at_nal(guint type, bool is_first, EgRtpPayload *payload)
{
    if (type == 5)
        payload->is_key = true;
    if (is_first)
        payload->starts_frame = type == 7 || type == 9;
}

static bool parse_h264(const guint8 *data, gsize size, EgRtpPayload *payload)
{
    if (size < 2)
        return false;
    guint type = data[0] & 0x1f;
    if (type >= 1 && type <= 23) {
        look_at_nal(type, true, payload);
        return true;
    }
    if (type == 28) { /* FU-A */
        if (size < 3)
            return false;
        bool is_start = (data[1] & 0x80) != 0;
        look_at_nal(data[1] & 0x1f, is_start, payload);
        return true;
    }
    if (type != 24) /* STAP-A; the others belong to packetization mode 2 */
        return false;
    bool is_first = true;
    for (gsize at = 1; at < size; is_first = false) {
        if (size - at < 2)
            return false;
        gsize nal_bytes = (gsize)(data[at] << 8 | data[at + 1]);
        at += 2;
        if (nal_bytes == 0 || nal_bytes > size - at)
            return false;
        look_at_nal(data[at] & 0x1f, is_first, payload);
        at += nal_bytes;
    }
    return true;
}

bool eg_rtp_payload_parse(EgCodec codec, const guint8 *data, gsize size_bytes,
                          EgRtpPayload *payload)
{
    *payload = (EgRtpPayload){0};
    switch (codec) {
    case EG_CODEC_VP8:
        return parse_vp8(data, size_bytes, payload);
    case EG_CODEC_VP9:
        return parse_vp9(data, size_bytes, payload);
    case EG_CODEC_H264:
        return parse_h264(data, size_bytes, payload);
    case EG_CODEC_NONE:
    case EG_CODEC_OPUS:
    case EG_CODEC_PCMU:
    case EG_CODEC_PCMA:
    case EG_CODEC_AAC:
    case EG_CODEC_MP3:
    case EG_CODEC_PCM:
    case EG_N_CODECS:
        break;
    }
    g_assert_not_reached();
}

bool eg_vp8_picture_size(const guint8 *data, gsize size_bytes, guint *width, guint *height)
{
    if (size_bytes < 10 || (data[0] & 1) != 0 || data[3] != 0x9d || data[4] != 0x01 ||
        data[5] != 0x2a)
        return false;
    *width = (guint)(data[6] | data[7] << 8) & 0x3fff;
    *height = (guint)(data[8] | data[9] << 8) & 0x3fff;
    return *width > 0 && *height > 0;
}

typedef struct {
    const guint8 *data;
    gsize size_bits;
    gsize at;
} Bits;

/* 0 beyond the end; bits_are_left() tells. */
static guint take_bits(Bits *bits, guint count)
{
    guint value = 0;
    for (; count > 0; count--, bits->at++) {
        guint bit = 0;
        if (bits->at < bits->size_bits)
            bit = (guint)bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1u;
        value = value << 1 | bit;
    }
    return value;
}

/* The uncompressed header of the VP9 bitstream specification, 6.2, as far as the frame size. */
bool eg_vp9_picture_size(const guint8 *data, gsize size_bytes, guint *width, guint *height)
{
    Bits bits = {.data = data, .size_bits = size_bytes * 8};
    if (take_bits(&bits, 2) != 2)
        return false;
    guint profile = take_bits(&bits, 1);
    profile |= take_bits(&bits, 1) << 1;
    if (profile == 3)
        take_bits(&bits, 1);
    bool shows_existing = take_bits(&bits, 1) != 0;
    bool is_key = take_bits(&bits, 1) == 0;
    take_bits(&bits, 2); /* show_frame, error_resilient_mode */
    if (shows_existing || !is_key || take_bits(&bits, 24) != 0x498342)
        return false;
    if (profile >= 2)
        take_bits(&bits, 1);
    guint color_space = take_bits(&bits, 3);
    if (color_space != 7) {
        take_bits(&bits, profile == 1 || profile == 3 ? 4 : 1);
    } else if (profile == 1 || profile == 3) {
        take_bits(&bits, 1);
    }
    *width = take_bits(&bits, 16) + 1;
    *height = take_bits(&bits, 16) + 1;
    return bits.at <= bits.size_bits;
}
