#pragma once

#include <glib.h>
#include <stdbool.h>

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
