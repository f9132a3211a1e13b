#pragma once

#include <glib.h>
#include <stdbool.h>

/* A decrypted RTP packet (RFC 3550) that the receiver has put in order. Immutable and shared by
 * reference between threads. */
typedef struct {
    const guint8 *data; /* the whole packet, header included, without padding */
    gsize size_bytes;
    gsize payload_offset;
    guint64 sequence; /* extended: never wraps, one more for each packet that carries media; the one
                       * in `data` is its low 16 bits */
    guint32 timestamp;
    guint32 ssrc;
    guint8 payload_type;
    bool marker;
    bool is_recovered; /* came as a retransmission: its arrival says nothing about timing */
    gint64 arrival_ns; /* monotonic */
} EgPacket;

/* A packet of `size_bytes` bytes, which `*data` points to, and all else zero: both for its maker to
 * fill in before anybody else holds it. */
EgPacket *eg_packet_new(gsize size_bytes, guint8 **data);

/* Any thread. Both take NULL. */
EgPacket *eg_packet_ref(EgPacket *packet);
void eg_packet_unref(EgPacket *packet);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPacket, eg_packet_unref)

/* What a sender report (RFC 3550, 6.4.1) says: this RTP timestamp was that instant of the sender's
 * clock. */
typedef struct {
    gint64 ntp_ns; /* of the sender's wall clock, since the Unix epoch */
    guint32 rtp_timestamp;
    gint64 arrival_ns; /* monotonic */
} EgSenderReport;
