#pragma once

#include "room/bytes.h"

#include <string.h>

/* Makes RTP packets for tests. Returns the size. */
typedef struct {
    guint8 payload_type;
    bool marker;
    guint16 sequence;
    guint32 timestamp;
    guint32 ssrc;
    const void *payload;
    gsize payload_bytes;
    guint8 padding_bytes;
} RtpMaker;

static inline gsize make_rtp(const RtpMaker *maker, guint8 *data, gsize capacity_bytes)
{
    gsize size_bytes = 12 + maker->payload_bytes + maker->padding_bytes;
    g_assert_cmpuint(size_bytes, <=, capacity_bytes);
    data[0] = maker->padding_bytes > 0 ? 0xa0 : 0x80;
    data[1] = (guint8)(maker->payload_type | (maker->marker ? 0x80 : 0));
    eg_put_u16(data + 2, maker->sequence);
    eg_put_u32(data + 4, maker->timestamp);
    eg_put_u32(data + 8, maker->ssrc);
    if (maker->payload_bytes > 0)
        memcpy(data + 12, maker->payload, maker->payload_bytes);
    if (maker->padding_bytes > 0) {
        memset(data + 12 + maker->payload_bytes, 0, maker->padding_bytes);
        data[size_bytes - 1] = maker->padding_bytes;
    }
    return size_bytes;
}

/* The same packet as a retransmission (RFC 4588) on another SSRC. */
static inline gsize make_rtx(const RtpMaker *maker, guint8 payload_type, guint32 ssrc,
                             guint16 sequence, guint8 *data, gsize capacity_bytes)
{
    guint8 payload[1500];
    g_assert_cmpuint(maker->payload_bytes + 2, <=, sizeof(payload));
    eg_put_u16(payload, maker->sequence);
    if (maker->payload_bytes > 0)
        memcpy(payload + 2, maker->payload, maker->payload_bytes);
    RtpMaker rtx = *maker;
    rtx.payload_type = payload_type;
    rtx.ssrc = ssrc;
    rtx.sequence = sequence;
    rtx.payload = payload;
    rtx.payload_bytes += 2;
    return make_rtp(&rtx, data, capacity_bytes);
}
