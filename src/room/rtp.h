#pragma once

#include "room/packet.h"

/* The RTP header (RFC 3550, 5.1) and retransmission payloads (RFC 4588). Pure functions on bytes
 * from the network: what is malformed is refused, never trusted. */
typedef struct {
    bool marker;
    guint8 payload_type;
    guint16 sequence;
    guint32 timestamp;
    guint32 ssrc;
    gsize header_bytes;  /* with CSRCs and extension */
    gsize payload_bytes; /* without padding; 0: nothing but padding */
} EgRtpHeader;

#define EG_RTP_MIN_BYTES 12

/* RFC 5761, 4: RTP and RTCP share a port and differ in the second byte. */
bool eg_rtp_is_rtcp(const guint8 *data, gsize size_bytes);

/* False if it is not a whole RTP packet. Padding is checked. */
bool eg_rtp_parse(const guint8 *data, gsize size_bytes, EgRtpHeader *header);

/* A copy of the packet without its padding. The caller sets `sequence` and what it knows of its
 * arrival, and eg_rtp_set_sequence() if that changes. */
EgPacket *eg_rtp_copy(const guint8 *data, const EgRtpHeader *header);

/* The original that a retransmission carries (RFC 4588, 4), with the SSRC and payload type that it
 * had; its sequence number goes to `sequence`. NULL if it carries none: a probe. */
EgPacket *eg_rtp_unwrap_rtx(const guint8 *data, const EgRtpHeader *header, guint32 ssrc,
                            guint8 payload_type, guint16 *sequence);

/* Gives a packet that nobody else holds its place in the stream, in the header too. */
void eg_rtp_set_sequence(EgPacket *packet, guint64 sequence);
