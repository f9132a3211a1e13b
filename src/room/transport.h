#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "request/codec.h"
#include "room/packet.h"

/* The subscriber's peer connection: ICE (RFC 8445), DTLS-SRTP (RFC 5764), RTP and RTCP with
 * feedback (RFC 3550, 4585), retransmission (RFC 4588). One bundle, we are the answerer, DTLS
 * client and controlling agent. Everything happens on the session thread; callbacks never come from
 * inside a call. */
typedef struct _EgTransport EgTransport;

/* One received RTP stream: reordering, loss recovery and statistics. */
typedef struct _EgReceiver EgReceiver;

typedef struct {
    /* A local candidate to be trickled, "candidate:..." as in SDP. */
    void (*candidate)(gpointer user, const char *candidate);
    /* ICE and DTLS are up; again after an ICE restart. */
    void (*connected)(gpointer user);
    /* ICE has lost its pairs (10 s without an answer), or has not found any in 20 s; an ICE restart
     * may repair it. */
    void (*disconnected)(gpointer user);
    /* For good: DTLS refused, wrong fingerprint; or, with a retryable error, the peer has ended
     * DTLS or never answered. Another transport is needed. */
    void (*failed)(gpointer user, const GError *error);
} EgTransportEvents;

typedef struct {
    /* stun:host:port, turn:host:port?transport=udp|tcp, turns:... (RFC 7064, 7065) */
    const char *url;
    const char *username;
    const char *credential;
} EgIceServer;

/* `servers` are copied. */
EgTransport *eg_transport_new(EgLoop *loop, const EgLog *log, const EgIceServer *servers,
                              gsize n_servers, const EgTransportEvents *events, gpointer user,
                              GError **error);
void eg_transport_free(EgTransport *transport);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgTransport, eg_transport_free)

/* For the answer: "AB:CD:..." of SHA-256 over our certificate (RFC 8122). */
const char *eg_transport_fingerprint(const EgTransport *transport);

/* Our ICE credentials; new ones after eg_transport_set_remote() saw new ones of the peer. */
const char *eg_transport_ufrag(const EgTransport *transport);
const char *eg_transport_password(const EgTransport *transport);

/* What an offer says of the peer. New ICE credentials are an ICE restart: local credentials change
 * and gathering begins again, DTLS and SRTP go on. The first call starts everything. */
bool eg_transport_set_remote(EgTransport *transport, const char *ufrag, const char *password,
                             const char *fingerprint_sha256, GError **error);

/* A candidate of the peer, from the offer or trickled; of another component or of a kind that we
 * do not use it is ignored. An error only if it is malformed. */
bool eg_transport_add_candidate(EgTransport *transport, const char *candidate, GError **error);

typedef struct {
    guint32 ssrc;
    guint32 rtx_ssrc; /* 0: none */
    EgMedia media;
    guint clock_rate_hz;
    bool has_nack;
    bool has_pli;
    gint64 give_up_ns; /* how long a missing packet is waited for */
} EgReceiverParams;

typedef struct {
    /* In order of sequence, gaps are losses for good. The packet is the receiver's: ref to keep. */
    void (*packet)(gpointer user, EgPacket *packet);
    void (*sender_report)(gpointer user, const EgSenderReport *report);
} EgReceiverEvents;

typedef struct {
    guint64 packets;
    guint64 bytes;
    guint64 lost;      /* for good */
    guint64 recovered; /* by retransmission */
    guint64 nacks;
    guint64 plis;
} EgReceiverStats;

/* Adds a stream as the offer describes it; it belongs to the transport and lives until
 * eg_transport_remove_receiver() or eg_transport_free(). NULL if one of its SSRCs is that of
 * another one. */
EgReceiver *eg_transport_add_receiver(EgTransport *transport, const EgReceiverParams *params,
                                      const EgReceiverEvents *events, gpointer user);

/* No callback comes afterwards. */
void eg_transport_remove_receiver(EgTransport *transport, EgReceiver *receiver);

/* Which payload types of the streams are retransmissions and of what (from the answer): `apt` is
 * the payload type of the original (RFC 4588). */
void eg_transport_set_rtx_payload_type(EgTransport *transport, guint8 payload_type, guint8 apt);

/* While true, picture loss indications are sent (at once, then again and again) until false. */
void eg_receiver_set_wants_key_frame(EgReceiver *receiver, bool wants);
void eg_receiver_get_stats(const EgReceiver *receiver, EgReceiverStats *stats);
