#pragma once

#include "request/codec.h"

/* Session descriptions (RFC 8866) as livekit-server offers them to a subscriber (RFC 8829), and the
 * answers to them. Pure functions; what they are given may be anything. */

typedef struct {
    guint8 payload_type;
    guint8 rtx_payload_type; /* of its retransmissions (RFC 4588); 0: none */
    EgCodec codec;           /* NONE: one that we do not take */
    char *encoding;          /* "VP8/90000" */
    char *parameters;        /* of a=fmtp, or NULL */
    bool has_nack;
    bool has_pli;
    bool has_fir;
} EgSdpCodec;

/* One m-line. */
typedef struct {
    EgMedia media; /* NONE: data channels, or what we do not know */
    bool is_data;  /* data channels */
    bool is_rejected;
    bool is_sending; /* the server's direction */
    char *kind;      /* the m-line's first and third word: "video", "UDP/TLS/RTP/SAVPF" */
    char *protocol;
    char *mid;
    char *track_sid;  /* second word of a=msid, or NULL */
    guint32 ssrc;     /* 0: none */
    guint32 rtx_ssrc; /* 0: none */
    GArray *codecs;   /* of EgSdpCodec, in the server's order */
} EgSdpMedia;

typedef struct {
    char *ufrag;
    char *password;
    char *fingerprint_sha256;
    GPtrArray *candidates; /* of char *, "candidate:..." */
    GPtrArray *media;      /* of EgSdpMedia * */
} EgSdpOffer;

/* What of the answer is ours. */
typedef struct {
    const char *ufrag;
    const char *password;
    const char *fingerprint_sha256;
    guint64 session_id;
    guint64 version; /* one more for each answer of the session */
} EgSdpLocal;

/* An error for what is not SDP, breaks the bounds (1024 m-lines, 4 MiB) or has no ICE credentials
 * and SHA-256 fingerprint. */
EgSdpOffer *eg_sdp_offer_parse(const char *text, GError **error);
void eg_sdp_offer_free(EgSdpOffer *offer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSdpOffer, eg_sdp_offer_free)

/* The answer that receives everything we know how to receive, in one bundle, as DTLS client, with
 * retransmission and key frame requests and without header extensions. All our codecs are in it,
 * not only those that are sent now: what the first video m-line leaves out, the server never offers
 * again. Returns a new string. */
char *eg_sdp_answer_format(const EgSdpOffer *offer, const EgSdpLocal *local);
