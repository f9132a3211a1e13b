#pragma once

#include "room/rtcp.h"

/* What receiver reports say of one stream (RFC 3550, 6.4.1, A.1, A.3, A.8). Only what came on the
 * stream's own SSRC counts: a packet that a retransmission stream (RFC 4588) brings was lost on the
 * way, which is what the sender has to know. */
typedef struct {
    guint clock_rate_hz;
    bool is_started;

    guint64 base; /* extended sequence numbers: the first, the highest */
    guint64 highest;
    guint64 received;
    guint64 expected_before; /* at the last report */
    guint64 received_before;

    bool has_jump;
    guint16 jump_sequence;

    bool has_transit;
    guint32 transit;
    guint32 jitter_x16;

    bool has_sender_report;
    guint32 last_sr;
    gint64 last_sr_ns;
} EgReception;

void eg_reception_init(EgReception *reception, guint clock_rate_hz);

/* A packet that was not there before. `has_timing`: it came when it was sent, with new media. */
void eg_reception_packet(EgReception *reception, guint16 sequence, guint32 timestamp,
                         bool has_timing, gint64 now_ns);
void eg_reception_sender_report(EgReception *reception, guint64 ntp, gint64 now_ns);

/* Fills all but the SSRC, and begins the next interval of the fraction lost. False: nothing has
 * come yet. */
bool eg_reception_report(EgReception *reception, gint64 now_ns, EgReportBlock *block);
