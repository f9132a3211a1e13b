#include "room/reception.h"

#include "base/time.h"
#include "room/reorder.h"

void eg_reception_init(EgReception *reception, guint clock_rate_hz)
{
    *reception = (EgReception){.clock_rate_hz = clock_rate_hz};
}

static void restart(EgReception *reception, guint16 sequence)
{
    reception->is_started = true;
    reception->base = sequence;
    reception->highest = sequence;
    reception->received = 0;
    reception->expected_before = 0;
    reception->received_before = 0;
    reception->has_jump = false;
    reception->has_transit = false;
}

/* A jump counts as a restart of the sender when a second packet confirms it. */
static bool update_sequence(EgReception *reception, guint16 sequence)
{
    if (!reception->is_started)
        restart(reception, sequence);

    gint distance = (gint16)(guint16)(sequence - (guint16)(reception->highest & 0xffff));
    if (ABS(distance) > EG_REORDER_MAX_JUMP) {
        bool is_confirmed = reception->has_jump && sequence == reception->jump_sequence;
        reception->has_jump = true;
        reception->jump_sequence = (guint16)(sequence + 1);
        if (!is_confirmed)
            return false;
        restart(reception, sequence);
        distance = 0;
    }
    if (distance > 0)
        reception->highest += (guint)distance;
    reception->received++;
    return true;
}

/* RFC 3550, A.8, with arrival in units of the timestamp. */
static void update_jitter(EgReception *reception, guint32 timestamp, gint64 now_ns)
{
    guint64 seconds = (guint64)(now_ns / EG_NS_PER_S);
    guint64 rest_ns = (guint64)(now_ns % EG_NS_PER_S);
    guint64 arrival = seconds * reception->clock_rate_hz +
                      rest_ns * reception->clock_rate_hz / (guint64)EG_NS_PER_S;
    guint32 transit = (guint32)(arrival & G_MAXUINT32) - timestamp;
    if (reception->has_transit) {
        gint32 difference = (gint32)(transit - reception->transit);
        guint32 size = difference < 0 ? 0U - (guint32)difference : (guint32)difference;
        /* More than that is a jump of the sender's clock, not jitter. */
        if (size < reception->clock_rate_hz * 10)
            reception->jitter_x16 += size - ((reception->jitter_x16 + 8) >> 4);
    }
    reception->transit = transit;
    reception->has_transit = true;
}

void eg_reception_packet(EgReception *reception, guint16 sequence, guint32 timestamp,
                         bool has_timing, gint64 now_ns)
{
    if (update_sequence(reception, sequence) && has_timing)
        update_jitter(reception, timestamp, now_ns);
}

void eg_reception_sender_report(EgReception *reception, guint64 ntp, gint64 now_ns)
{
    reception->has_sender_report = true;
    reception->last_sr = (guint32)(ntp >> 16 & G_MAXUINT32);
    reception->last_sr_ns = now_ns;
}

static guint8 take_fraction_lost(EgReception *reception, guint64 expected)
{
    guint64 expected_now = expected - reception->expected_before;
    guint64 received_now = reception->received - reception->received_before;
    reception->expected_before = expected;
    reception->received_before = reception->received;
    if (expected_now == 0 || received_now >= expected_now)
        return 0;
    return (guint8)MIN(255, ((expected_now - received_now) << 8) / expected_now);
}

bool eg_reception_report(EgReception *reception, gint64 now_ns, EgReportBlock *block)
{
    if (!reception->is_started)
        return false;
    guint64 expected = reception->highest - reception->base + 1;
    gint64 lost = (gint64)expected - (gint64)reception->received;
    *block = (EgReportBlock){
        .fraction_lost = take_fraction_lost(reception, expected),
        .cumulative_lost = (gint32)CLAMP(lost, -0x800000, 0x7fffff),
        .highest_sequence = (guint32)(reception->highest & G_MAXUINT32),
        .jitter = reception->jitter_x16 >> 4,
    };
    if (reception->has_sender_report) {
        guint64 delay_us = (guint64)(now_ns - reception->last_sr_ns) / (guint64)EG_NS_PER_US;
        block->last_sr = reception->last_sr;
        block->delay_since_last_sr = (guint32)MIN((delay_us << 16) / 1000000, G_MAXUINT32);
    }
    return true;
}
