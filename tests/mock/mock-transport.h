#pragma once

#include "room/transport.h"

/* The functions of room/transport.h without a network: linked instead of them, a test says what
 * ICE does and which packets come. There is one transport at a time. */

/* The transport that the code under test has made last, NULL if it is freed. */
EgTransport *mock_transport(void);
guint mock_transport_count(void); /* made so far */

/* The next eg_transport_new() fails. */
void mock_transport_fail_next(void);

const char *mock_transport_remote_ufrag(void);
GPtrArray *mock_transport_candidates(void); /* of char *, that were added */
guint8 mock_transport_apt(guint8 rtx_payload_type);
guint mock_transport_receivers(void);

/* The receiver of an SSRC, NULL if there is none. */
EgReceiver *mock_receiver(guint32 ssrc);
const EgReceiverParams *mock_receiver_params(const EgReceiver *receiver);
bool mock_receiver_wants_key_frame(const EgReceiver *receiver);

void mock_transport_connect(void);
void mock_transport_disconnect(void);
void mock_transport_fail(const char *message);
void mock_transport_candidate(const char *candidate);
void mock_receiver_packet(EgReceiver *receiver, guint8 payload_type, guint64 sequence);
void mock_receiver_report(EgReceiver *receiver, gint64 ntp_ns);
