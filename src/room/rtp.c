#include "room/rtp.h"

#include "room/bytes.h"

#include <string.h>

#define VERSION        2
#define FLAG_PADDING   0x20
#define FLAG_EXTENSION 0x10
#define FLAG_MARKER    0x80
#define OSN_BYTES      2

bool eg_rtp_is_rtcp(const guint8 *data, gsize size_bytes)
{
    return size_bytes >= 2 && data[1] >= 192 && data[1] <= 223;
}

bool eg_rtp_parse(const guint8 *data, gsize size_bytes, EgRtpHeader *header)
{
    if (size_bytes < EG_RTP_MIN_BYTES || data[0] >> 6 != VERSION)
        return false;

    gsize header_bytes = EG_RTP_MIN_BYTES + (gsize)(data[0] & 0x0f) * 4;
    if ((data[0] & FLAG_EXTENSION) != 0) {
        if (size_bytes < header_bytes + 4)
            return false;
        header_bytes += 4 + (gsize)eg_get_u16(data + header_bytes + 2) * 4;
    }
    if (size_bytes < header_bytes)
        return false;

    gsize padding_bytes = 0;
    if ((data[0] & FLAG_PADDING) != 0) {
        padding_bytes = data[size_bytes - 1];
        if (padding_bytes == 0 || padding_bytes > size_bytes - header_bytes)
            return false;
    }

    *header = (EgRtpHeader){
        .marker = (data[1] & FLAG_MARKER) != 0,
        .payload_type = data[1] & 0x7f,
        .sequence = eg_get_u16(data + 2),
        .timestamp = eg_get_u32(data + 4),
        .ssrc = eg_get_u32(data + 8),
        .header_bytes = header_bytes,
        .payload_bytes = size_bytes - header_bytes - padding_bytes,
    };
    return true;
}

/* The header goes over as it is, but for what padding says: there is none any more. */
static EgPacket *copy_parts(const guint8 *data, const EgRtpHeader *header, gsize skip_bytes)
{
    gsize payload_bytes = header->payload_bytes - skip_bytes;
    guint8 *bytes;
    EgPacket *packet = eg_packet_new(header->header_bytes + payload_bytes, &bytes);
    memcpy(bytes, data, header->header_bytes);
    memcpy(bytes + header->header_bytes, data + header->header_bytes + skip_bytes, payload_bytes);
    bytes[0] = (guint8)(bytes[0] & ~FLAG_PADDING);

    packet->payload_offset = header->header_bytes;
    packet->timestamp = header->timestamp;
    packet->ssrc = header->ssrc;
    packet->payload_type = header->payload_type;
    packet->marker = header->marker;
    return packet;
}

EgPacket *eg_rtp_copy(const guint8 *data, const EgRtpHeader *header)
{
    return copy_parts(data, header, 0);
}

EgPacket *eg_rtp_unwrap_rtx(const guint8 *data, const EgRtpHeader *header, guint32 ssrc,
                            guint8 payload_type, guint16 *sequence)
{
    if (header->payload_bytes <= OSN_BYTES)
        return NULL;

    EgPacket *packet = copy_parts(data, header, OSN_BYTES);
    *sequence = eg_get_u16(data + header->header_bytes);
    packet->ssrc = ssrc;
    packet->payload_type = payload_type;
    packet->is_recovered = true;

    guint8 *bytes = (guint8 *)packet->data;
    bytes[1] = (guint8)((bytes[1] & FLAG_MARKER) | payload_type);
    eg_put_u32(bytes + 8, ssrc);
    return packet;
}

void eg_rtp_set_sequence(EgPacket *packet, guint64 sequence)
{
    packet->sequence = sequence;
    eg_put_u16((guint8 *)packet->data + 2, (guint16)(sequence & 0xffff));
}
