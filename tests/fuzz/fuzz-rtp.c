/* A receiver that is handed packets and time. The input is a list of steps: a byte that says what
 * happens, one with the milliseconds that pass before, and what the step needs. */
#include <stdint.h>
#include <string.h>

#include "base/time.h"
#include "room/bytes.h"
#include "room/receiver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SSRC         1
#define PAYLOAD_TYPE 96

typedef struct {
    const guint8 *at;
    gsize left;
} Input;

typedef struct {
    EgReceiver *receiver;
    gint64 now_ns;
    guint64 last_sequence;
    guint64 n_packets;
    guint64 n_nacks;
    bool close_soon;
} Run;

static guint8 take_byte(Input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

/* In order, once each, and what the fields say is what the bytes say. */
static void on_packet(gpointer user, EgPacket *packet)
{
    Run *run = user;
    EgRtpHeader header;
    g_assert_true(eg_rtp_parse(packet->data, packet->size_bytes, &header));
    g_assert_cmpuint(packet->sequence, >, run->last_sequence);
    g_assert_cmpuint(header.sequence, ==, packet->sequence & 0xffff);
    g_assert_cmpuint(header.timestamp, ==, packet->timestamp);
    g_assert_cmpuint(header.ssrc, ==, packet->ssrc);
    g_assert_cmpuint(header.payload_type, ==, packet->payload_type);
    g_assert_cmpuint(header.header_bytes, ==, packet->payload_offset);
    g_assert_cmpuint(header.payload_bytes, ==, packet->size_bytes - packet->payload_offset);
    g_assert_cmpuint(header.payload_bytes, >, 0);
    g_assert_cmpint(packet->arrival_ns, <=, run->now_ns);
    run->last_sequence = packet->sequence;
    run->n_packets++;
    if (run->close_soon)
        eg_receiver_close(run->receiver);
}

static void on_sender_report(gpointer user, const EgSenderReport *report)
{
    Run *run = user;
    g_assert_cmpint(report->arrival_ns, ==, run->now_ns);
}

static void on_wake(gpointer user)
{
    (void)user;
}

static void poll_due(Run *run)
{
    for (guint n = 0; eg_receiver_due_ns(run->receiver) <= run->now_ns; n++) {
        EgFeedback feedback;
        eg_receiver_poll(run->receiver, run->now_ns, &feedback);
        g_assert_cmpuint(feedback.n_nacks, <=, EG_RECEIVER_MAX_NACKS);
        run->n_nacks += feedback.n_nacks;
        /* Polling comes to an end. */
        g_assert_cmpuint(n, <, 100);
    }
}

/* The rest of the packet as it is. */
static void push_raw(Run *run, Input *input, bool is_rtx)
{
    guint8 wanted = take_byte(input);
    gsize size = MIN(wanted, input->left);
    EgRtpHeader header;
    if (eg_rtp_parse(input->at, size, &header)) {
        if (is_rtx)
            eg_receiver_push_rtx(run->receiver, input->at, &header, PAYLOAD_TYPE, run->now_ns);
        else
            eg_receiver_push(run->receiver, input->at, &header, run->now_ns);
    }
    input->at += size;
    input->left -= size;
}

/* A valid packet with a sequence number near the last one or, every so often, anywhere. */
static void push_made(Run *run, Input *input, guint16 *sequence, bool is_rtx)
{
    guint8 packet[20] = {0x80, PAYLOAD_TYPE};
    guint8 step = take_byte(input);
    *sequence = (guint16)(*sequence + (gint8)step);
    if (step == 0x80)
        *sequence = (guint16)(take_byte(input) << 8 | take_byte(input));
    eg_put_u16(packet + 2, *sequence);
    eg_put_u32(packet + 4, (guint32)take_byte(input) << 8);
    eg_put_u32(packet + 8, SSRC);
    /* Two bytes of a retransmission say what it is; no payload at all is padding. */
    gsize size = 12 + (gsize)(take_byte(input) & 7);
    eg_put_u16(packet + 12, *sequence);
    EgRtpHeader header;
    g_assert_true(eg_rtp_parse(packet, size, &header));
    if (is_rtx)
        eg_receiver_push_rtx(run->receiver, packet, &header, PAYLOAD_TYPE, run->now_ns);
    else
        eg_receiver_push(run->receiver, packet, &header, run->now_ns);
}

static void run_step(Run *run, Input *input, guint16 *sequence)
{
    guint8 what = take_byte(input);
    run->now_ns += take_byte(input) * EG_NS_PER_MS;
    poll_due(run);
    switch (what % 9) {
    case 0:
        push_raw(run, input, false);
        break;
    case 1:
        push_raw(run, input, true);
        break;
    case 2:
    case 3:
    case 4:
        push_made(run, input, sequence, false);
        break;
    case 5:
        push_made(run, input, sequence, true);
        break;
    case 6:
        eg_receiver_push_sender_report(run->receiver,
                                       (guint64)take_byte(input) << 56 | take_byte(input),
                                       take_byte(input), run->now_ns);
        break;
    case 7:
        eg_receiver_set_wants_key_frame(run->receiver, (take_byte(input) & 1) != 0);
        break;
    default:
        run->close_soon = take_byte(input) == 0x5a;
        break;
    }
    EgReportBlock block;
    if ((what & 0x80) != 0 && eg_receiver_report(run->receiver, run->now_ns, &block))
        g_assert_cmpuint(block.ssrc, ==, SSRC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const EgReceiverEvents events = {
        .packet = on_packet,
        .sender_report = on_sender_report,
    };
    Input input = {.at = data, .left = size};
    Run run = {.now_ns = EG_NS_PER_S};
    guint8 options = take_byte(&input);
    EgReceiverParams params = {
        .ssrc = SSRC,
        .rtx_ssrc = 2,
        .clock_rate_hz = (options & 1) != 0 ? 90000 : 8000,
        .has_nack = (options & 2) != 0,
        .has_pli = (options & 4) != 0,
        .give_up_ns = (options >> 3) * 20 * EG_NS_PER_MS,
    };
    g_autoptr(EgReceiver) receiver = eg_receiver_new(&params, &events, &run, on_wake, NULL);
    run.receiver = receiver;
    guint16 sequence = 0xff00;
    while (input.left > 0)
        run_step(&run, &input, &sequence);

    /* Nothing waits for ever. */
    run.now_ns += params.give_up_ns;
    poll_due(&run);
    EgReceiverStats stats;
    eg_receiver_get_stats(receiver, &stats);
    g_assert_cmpuint(stats.packets, ==, run.n_packets);
    g_assert_cmpuint(stats.nacks, ==, run.n_nacks);
    return 0;
}
