#pragma once

#include <glib.h>
#include <stdbool.h>

/* RTCP (RFC 3550, 6), feedback (RFC 4585) in reduced-size packets too (RFC 5506). Pure functions
 * on bytes. */
typedef enum {
    EG_RTCP_NONE,
    EG_RTCP_SENDER_REPORT,
    EG_RTCP_BYE,
    EG_RTCP_OTHER,
} EgRtcpType;

typedef struct {
    EgRtcpType type;
    guint32 ssrc; /* sender report: of the sender; BYE: the first that leaves; other: 0 */

    /* Of a sender report. */
    guint64 ntp; /* 32.32 bits, seconds since 1900 (or since 2036, see eg_rtcp_ntp_to_unix_ns()) */
    guint32 rtp_timestamp;
    guint32 packets;
    guint32 bytes;
} EgRtcpPacket;

/* A compound packet that is read part by part. */
typedef struct {
    const guint8 *data;
    gsize size_bytes;
    bool is_malformed; /* what came before the error has been read and may be used */
} EgRtcpReader;

void eg_rtcp_reader_init(EgRtcpReader *reader, const guint8 *data, gsize size_bytes);

/* The next part; false at the end and at the first error. */
bool eg_rtcp_reader_next(EgRtcpReader *reader, EgRtcpPacket *packet);

/* Nanoseconds since the Unix epoch, to the nanosecond. Seconds before 1968 are those of the second
 * NTP era, after 2036 (RFC 4330, 3). */
gint64 eg_rtcp_ntp_to_unix_ns(guint64 ntp);

typedef struct {
    guint32 ssrc;
    guint8 fraction_lost;
    gint32 cumulative_lost; /* 24 bits with sign */
    guint32 highest_sequence;
    guint32 jitter;
    guint32 last_sr;
    guint32 delay_since_last_sr; /* in 1/65536 s */
} EgReportBlock;

#define EG_RTCP_MAX_BLOCKS 31

/* A packet that is being written into memory of the caller. */
typedef struct {
    guint8 *data;
    gsize capacity_bytes;
    gsize size_bytes;
} EgRtcpWriter;

/* Each appends one part, or nothing and returns false if there is no room for it. */
bool eg_rtcp_write_receiver_report(EgRtcpWriter *writer, guint32 sender_ssrc,
                                   const EgReportBlock *blocks, gsize n_blocks);
bool eg_rtcp_write_cname(EgRtcpWriter *writer, guint32 sender_ssrc, const char *cname);
bool eg_rtcp_write_pli(EgRtcpWriter *writer, guint32 sender_ssrc, guint32 media_ssrc);
bool eg_rtcp_write_bye(EgRtcpWriter *writer, guint32 sender_ssrc);

/* A generic NACK (RFC 4585, 6.2.1) for as many of `sequences` (ascending, modulo 2^16) as there is
 * room for; returns how many that is. */
gsize eg_rtcp_write_nack(EgRtcpWriter *writer, guint32 sender_ssrc, guint32 media_ssrc,
                         const guint16 *sequences, gsize n_sequences);
