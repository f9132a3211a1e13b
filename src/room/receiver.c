#include "room/receiver.h"

#include "base/time.h"
#include "room/reception.h"
#include "room/reorder.h"

/* Servers act on one loss indication per layer in half a second or more, so one may go unheeded.
 * One that is wanted anew must not follow the last one at once either. */
#define REPEAT_PLI_NS (500 * EG_NS_PER_MS)
#define MIN_PLI_NS    (200 * EG_NS_PER_MS)

struct _EgReceiver {
    EgReceiverParams params;
    EgReceiverEvents events;
    gpointer user;
    EgLoopFunc wake;
    gpointer wake_user;
    bool is_closed;

    EgReorder *reorder;
    EgReception reception;
    EgReceiverStats stats; /* but for what the reordering counts */

    bool wants_key_frame;
    gint64 last_pli_ns;
    gint64 next_pli_ns;
};

EgReceiver *eg_receiver_new(const EgReceiverParams *params, const EgReceiverEvents *events,
                            gpointer user, EgLoopFunc wake, gpointer wake_user)
{
    EgReceiver *receiver = g_new0(EgReceiver, 1);
    receiver->params = *params;
    receiver->events = *events;
    receiver->user = user;
    receiver->wake = wake;
    receiver->wake_user = wake_user;
    receiver->last_pli_ns = -MIN_PLI_NS;
    receiver->reorder = eg_reorder_new(params->give_up_ns, params->has_nack);
    eg_reception_init(&receiver->reception, params->clock_rate_hz);
    return receiver;
}

void eg_receiver_free(EgReceiver *receiver)
{
    if (receiver == NULL)
        return;
    eg_reorder_free(receiver->reorder);
    g_free(receiver);
}

void eg_receiver_close(EgReceiver *receiver)
{
    receiver->is_closed = true;
}

const EgReceiverParams *eg_receiver_params(const EgReceiver *receiver)
{
    return &receiver->params;
}

static void deliver(EgReceiver *receiver, gint64 now_ns)
{
    while (!receiver->is_closed) {
        g_autoptr(EgPacket) packet = eg_reorder_pop(receiver->reorder, now_ns);
        if (packet == NULL)
            return;
        receiver->stats.packets++;
        receiver->stats.bytes += packet->size_bytes;
        receiver->events.packet(receiver->user, packet);
    }
}

void eg_receiver_push(EgReceiver *receiver, const guint8 *data, const EgRtpHeader *header,
                      gint64 now_ns)
{
    if (receiver->is_closed)
        return;
    EgPacket *packet = NULL;
    if (header->payload_bytes > 0) {
        packet = eg_rtp_copy(data, header);
        packet->arrival_ns = now_ns;
    }
    bool has_media = packet != NULL;
    EgReorderResult result =
        eg_reorder_push(receiver->reorder, header->sequence, packet, false, now_ns);
    if (result != EG_REORDER_DUPLICATE && result != EG_REORDER_RECOVERED)
        eg_reception_packet(&receiver->reception, header->sequence, header->timestamp, has_media,
                            now_ns);
    deliver(receiver, now_ns);
}

void eg_receiver_push_rtx(EgReceiver *receiver, const guint8 *data, const EgRtpHeader *header,
                          guint8 payload_type, gint64 now_ns)
{
    /* Before the first packet nothing says where a retransmission belongs. */
    if (receiver->is_closed || !eg_reorder_is_started(receiver->reorder))
        return;
    guint16 sequence;
    EgPacket *packet =
        eg_rtp_unwrap_rtx(data, header, receiver->params.ssrc, payload_type, &sequence);
    if (packet == NULL)
        return;
    packet->arrival_ns = now_ns;
    eg_reorder_push(receiver->reorder, sequence, packet, true, now_ns);
    deliver(receiver, now_ns);
}

void eg_receiver_push_sender_report(EgReceiver *receiver, guint64 ntp, guint32 rtp_timestamp,
                                    gint64 now_ns)
{
    if (receiver->is_closed)
        return;
    eg_reception_sender_report(&receiver->reception, ntp, now_ns);
    /* RFC 3550, 6.4.1: zero means that the sender has no wall clock. */
    if (ntp == 0 || receiver->events.sender_report == NULL)
        return;
    receiver->events.sender_report(receiver->user, &(EgSenderReport){
                                                       .ntp_ns = eg_rtcp_ntp_to_unix_ns(ntp),
                                                       .rtp_timestamp = rtp_timestamp,
                                                       .arrival_ns = now_ns,
                                                   });
}

gint64 eg_receiver_due_ns(const EgReceiver *receiver)
{
    if (receiver->is_closed)
        return G_MAXINT64;
    gint64 due_ns = eg_reorder_due_ns(receiver->reorder);
    return receiver->wants_key_frame ? MIN(due_ns, receiver->next_pli_ns) : due_ns;
}

void eg_receiver_poll(EgReceiver *receiver, gint64 now_ns, EgFeedback *feedback)
{
    feedback->n_nacks = 0;
    feedback->wants_pli = false;
    deliver(receiver, now_ns);
    if (receiver->is_closed)
        return;
    feedback->n_nacks = eg_reorder_take_nacks(receiver->reorder, now_ns, feedback->nacks,
                                              G_N_ELEMENTS(feedback->nacks));
    receiver->stats.nacks += feedback->n_nacks;
    if (receiver->wants_key_frame && now_ns >= receiver->next_pli_ns) {
        feedback->wants_pli = true;
        receiver->last_pli_ns = now_ns;
        receiver->next_pli_ns = now_ns + REPEAT_PLI_NS;
        receiver->stats.plis++;
    }
}

bool eg_receiver_report(EgReceiver *receiver, gint64 now_ns, EgReportBlock *block)
{
    if (!eg_reception_report(&receiver->reception, now_ns, block))
        return false;
    block->ssrc = receiver->params.ssrc;
    return true;
}

void eg_receiver_set_wants_key_frame(EgReceiver *receiver, bool wants)
{
    if (!receiver->params.has_pli || wants == receiver->wants_key_frame)
        return;
    receiver->wants_key_frame = wants;
    receiver->next_pli_ns = receiver->last_pli_ns + MIN_PLI_NS;
    if (wants)
        receiver->wake(receiver->wake_user);
}

void eg_receiver_get_stats(const EgReceiver *receiver, EgReceiverStats *stats)
{
    *stats = receiver->stats;
    stats->lost = eg_reorder_lost(receiver->reorder);
    stats->recovered = eg_reorder_recovered(receiver->reorder);
}
