#pragma once

#include "base/log.h"
#include "base/loop.h"

typedef enum {
    EG_ICE_SERVER_NONE,
    EG_ICE_SERVER_STUN,
    EG_ICE_SERVER_TURN_UDP,
    EG_ICE_SERVER_TURN_TCP,
    EG_ICE_SERVER_TURN_TLS,
} EgIceServerType;

typedef struct {
    EgIceServerType type;
    char *host;
    guint16 port;
} EgIceServerUrl;

/* Parses stun:, turn: and turns: (RFC 7064, 7065). On success `parsed->host` is the caller's to
 * free. False for what is malformed and for what there is no code for (stuns:, turns: over UDP). */
bool eg_ice_server_parse(const char *url, EgIceServerUrl *parsed);

/* What a candidate line says (RFC 8839, 5.1; RFC 6544, 4.5), as far as it is used. */
typedef enum {
    EG_CANDIDATE_NONE,
    EG_CANDIDATE_HOST,
    EG_CANDIDATE_SERVER_REFLEXIVE,
    EG_CANDIDATE_PEER_REFLEXIVE,
    EG_CANDIDATE_RELAYED,
} EgCandidateType;

typedef struct {
    EgCandidateType type;
    char foundation[33];
    guint component;
    bool is_udp;
    bool is_tcp_passive;
    guint32 priority;
    char address[64];
    bool has_literal_address; /* else a name */
    guint16 port;
    char ufrag[257]; /* empty if it says none */
} EgCandidateLine;

/* `text` is "candidate:...", with or without "a=" before it. */
bool eg_candidate_parse(const char *text, EgCandidateLine *line);

/* TURN over TLS (RFC 8656, 3.1), which libnice does not know: a port of the loopback interface that
 * carries each connection made to it on to the server inside TLS, the server's certificate verified
 * as usual. libnice is given that port as a TURN server over TCP. */
typedef struct _EgTurnTunnel EgTurnTunnel;

/* `log` must outlive it. The server is not talked to before somebody connects. */
EgTurnTunnel *eg_turn_tunnel_new(EgLoop *loop, const EgLog *log, const char *host, guint16 port,
                                 GError **error);

/* Connections end. */
void eg_turn_tunnel_free(EgTurnTunnel *tunnel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgTurnTunnel, eg_turn_tunnel_free)

/* On 127.0.0.1. */
guint16 eg_turn_tunnel_port(const EgTurnTunnel *tunnel);
