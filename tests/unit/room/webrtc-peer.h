#pragma once

#include <glib.h>
#include <stdbool.h>

/* The other end of a transport, as a server would be: ICE by libnice, the server's side of DTLS by
 * OpenSSL, SRTP by libsrtp2; nothing of it is the program's own code. It keeps what it has sent
 * and answers NACKs with retransmissions. */
typedef struct _Peer Peer;

typedef struct {
    bool only_tcp;       /* ICE without UDP candidates */
    const char *profile; /* "SRTP_AES128_CM_SHA1_80"; NULL: whatever the client wants */
} PeerOptions;

typedef struct {
    guint reports; /* receiver reports with at least one block */
    guint8 fraction_lost;
    gint32 cumulative_lost;
    guint32 highest_sequence;
    guint nacked; /* sequence numbers asked for */
    guint plis;
    guint byes;
    guint cnames;
    bool has_said_goodbye; /* DTLS close_notify */
} PeerSeen;

Peer *peer_new(GMainContext *context, const PeerOptions *options);
void peer_free(Peer *peer);

const char *peer_ufrag(const Peer *peer);
const char *peer_password(const Peer *peer);
const char *peer_fingerprint(const Peer *peer);

/* Called for each local candidate. */
void peer_on_candidate(Peer *peer, void (*func)(gpointer user, const char *candidate),
                       gpointer user);

/* What the transport answers: its credentials and fingerprint. Begins gathering. */
void peer_set_remote(Peer *peer, const char *ufrag, const char *password, const char *fingerprint);
void peer_add_candidate(Peer *peer, const char *candidate);

/* New credentials, as in an offer that restarts ICE. peer_set_remote() then goes on. */
void peer_restart_ice(Peer *peer);

bool peer_is_connected(const Peer *peer); /* DTLS too */
bool peer_can_send(const Peer *peer);     /* has found its way, also after a restart */
bool peer_has_verified(const Peer *peer); /* the certificate is the announced one */

/* Keeps an RTP packet for retransmission and sends it, or, if `lose`, only keeps it. */
void peer_send_rtp(Peer *peer, const guint8 *data, gsize size_bytes, bool lose);
void peer_send_rtcp(Peer *peer, const guint8 *data, gsize size_bytes);

/* As it is, without SRTP. */
void peer_send_raw(Peer *peer, const guint8 *data, gsize size_bytes);

/* Inside the DTLS session, as SCTP goes. */
void peer_send_application_data(Peer *peer, const guint8 *data, gsize size_bytes);

/* Answers NACKs with packets of this SSRC and payload type (RFC 4588); 0: on the original SSRC. */
void peer_set_rtx(Peer *peer, guint32 ssrc, guint8 payload_type);

/* Closes its sockets without a word, as if the network were gone; and opens others, with new ICE
 * credentials. peer_set_remote() then goes on. */
void peer_go_silent(Peer *peer);
void peer_come_back(Peer *peer);

/* DTLS close_notify. */
void peer_say_goodbye(Peer *peer);

const PeerSeen *peer_seen(const Peer *peer);
