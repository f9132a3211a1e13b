#pragma once

#include "room/rtcp.h"
#include "room/rtp.h"
#include "room/transport.h"

/* The inside of EgReceiver, for the transport: pure logic that is handed packets and the time and
 * says what feedback is to be sent and when. Its events are called from within eg_receiver_push(),
 * eg_receiver_push_rtx(), eg_receiver_push_sender_report() and eg_receiver_poll() only. */

/* `wake(wake_user)` is called when eg_receiver_due_ns() has become earlier by a call of the user.
 */
EgReceiver *eg_receiver_new(const EgReceiverParams *params, const EgReceiverEvents *events,
                            gpointer user, EgLoopFunc wake, gpointer wake_user);
void eg_receiver_free(EgReceiver *receiver);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgReceiver, eg_receiver_free)

/* No event comes afterwards, not even in a call that is running. */
void eg_receiver_close(EgReceiver *receiver);

const EgReceiverParams *eg_receiver_params(const EgReceiver *receiver);

/* A packet of the stream's SSRC, or of its retransmission SSRC; `payload_type` is what the original
 * of the latter had. */
void eg_receiver_push(EgReceiver *receiver, const guint8 *data, const EgRtpHeader *header,
                      gint64 now_ns);
void eg_receiver_push_rtx(EgReceiver *receiver, const guint8 *data, const EgRtpHeader *header,
                          guint8 payload_type, gint64 now_ns);
void eg_receiver_push_sender_report(EgReceiver *receiver, guint64 ntp, guint32 rtp_timestamp,
                                    gint64 now_ns);

/* When eg_receiver_poll() has something to do; G_MAXINT64 for never. */
gint64 eg_receiver_due_ns(const EgReceiver *receiver);

#define EG_RECEIVER_MAX_NACKS 256

typedef struct {
    guint16 nacks[EG_RECEIVER_MAX_NACKS]; /* ascending, modulo 2^16 */
    gsize n_nacks;
    bool wants_pli;
} EgFeedback;

/* Gives up what has been missing too long and fills in what is to be sent. */
void eg_receiver_poll(EgReceiver *receiver, gint64 now_ns, EgFeedback *feedback);

/* For a receiver report, which begins a new interval; false if nothing has been received. */
bool eg_receiver_report(EgReceiver *receiver, gint64 now_ns, EgReportBlock *block);
