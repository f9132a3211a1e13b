#include "room/ice-server.h"

#include <gio/gio.h>
#include <string.h>

#define DEFAULT_PORT     3478
#define DEFAULT_TLS_PORT 5349

static bool parse_number(const char *text, guint64 max, guint64 *value)
{
    return g_ascii_string_to_unsigned(text, 10, 0, max, value, NULL);
}

static bool set_type(const char *scheme, const char *query, EgIceServerType *type)
{
    bool is_tcp = query != NULL && g_ascii_strcasecmp(query, "transport=tcp") == 0;
    bool is_udp = query != NULL && g_ascii_strcasecmp(query, "transport=udp") == 0;
    if (query != NULL && !is_tcp && !is_udp)
        return false;
    if (g_ascii_strcasecmp(scheme, "stun") == 0)
        *type = EG_ICE_SERVER_STUN;
    else if (g_ascii_strcasecmp(scheme, "turn") == 0)
        *type = is_tcp ? EG_ICE_SERVER_TURN_TCP : EG_ICE_SERVER_TURN_UDP;
    else if (g_ascii_strcasecmp(scheme, "turns") == 0 && !is_udp)
        *type = EG_ICE_SERVER_TURN_TLS;
    else
        return false;
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port". */
static bool set_host(const char *text, EgIceServerUrl *parsed)
{
    bool is_bracketed = *text == '[';
    const char *host = is_bracketed ? text + 1 : text;
    gsize length = strcspn(host, is_bracketed ? "]" : ":");
    const char *rest = host + length;
    if (is_bracketed) {
        if (*rest != ']')
            return false;
        rest++;
    }

    guint64 port = parsed->type == EG_ICE_SERVER_TURN_TLS ? DEFAULT_TLS_PORT : DEFAULT_PORT;
    if (*rest != '\0' && (*rest != ':' || !parse_number(rest + 1, G_MAXUINT16, &port)))
        return false;
    if (length == 0 || length > 253 || port == 0)
        return false;
    parsed->host = g_strndup(host, length);
    parsed->port = (guint16)port;
    return true;
}

bool eg_ice_server_parse(const char *url, EgIceServerUrl *parsed)
{
    g_auto(GStrv) parts = g_strsplit(url, "?", 2);
    if (parts[0] == NULL)
        return false;
    const char *colon = strchr(parts[0], ':');
    if (colon == NULL)
        return false;
    g_autofree char *scheme = g_strndup(parts[0], (gsize)(colon - parts[0]));
    *parsed = (EgIceServerUrl){0};
    return set_type(scheme, parts[1], &parsed->type) && set_host(colon + 1, parsed);
}

static bool set_address(const char *address, const char *port_text, EgCandidateLine *line)
{
    guint64 port;
    if (!parse_number(port_text, G_MAXUINT16, &port))
        return false;
    line->port = (guint16)port;
    line->has_literal_address = g_hostname_is_ip_address(address);
    return g_strlcpy(line->address, address, sizeof(line->address)) < sizeof(line->address) ||
           !line->has_literal_address;
}

static EgCandidateType type_from_name(const char *name)
{
    static const char *const names[] = {
        [EG_CANDIDATE_HOST] = "host",
        [EG_CANDIDATE_SERVER_REFLEXIVE] = "srflx",
        [EG_CANDIDATE_PEER_REFLEXIVE] = "prflx",
        [EG_CANDIDATE_RELAYED] = "relay",
    };
    for (guint i = EG_CANDIDATE_HOST; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return (EgCandidateType)i;
    }
    return EG_CANDIDATE_NONE;
}

static bool set_extensions(char **words, gsize n_words, EgCandidateLine *line)
{
    for (gsize i = 0; i + 1 < n_words; i += 2) {
        if (strcmp(words[i], "typ") == 0)
            line->type = type_from_name(words[i + 1]);
        else if (strcmp(words[i], "tcptype") == 0)
            line->is_tcp_passive = !line->is_udp && strcmp(words[i + 1], "passive") == 0;
        else if (strcmp(words[i], "ufrag") == 0 &&
                 g_strlcpy(line->ufrag, words[i + 1], sizeof(line->ufrag)) >= sizeof(line->ufrag))
            return false;
    }
    return line->type != EG_CANDIDATE_NONE;
}

bool eg_candidate_parse(const char *text, EgCandidateLine *line)
{
    if (g_str_has_prefix(text, "a="))
        text += 2;
    if (!g_str_has_prefix(text, "candidate:"))
        return false;
    g_autofree char *copy = g_strstrip(g_strdup(text + strlen("candidate:")));
    g_auto(GStrv) words = g_strsplit(copy, " ", 64);
    gsize n_words = g_strv_length(words);
    if (n_words < 8 || n_words >= 64)
        return false;

    *line = (EgCandidateLine){.is_udp = g_ascii_strcasecmp(words[2], "udp") == 0};
    guint64 component;
    guint64 priority;
    if (g_strlcpy(line->foundation, words[0], sizeof(line->foundation)) >=
            sizeof(line->foundation) ||
        !parse_number(words[1], 256, &component) || !parse_number(words[3], G_MAXUINT32, &priority))
        return false;
    line->component = (guint)component;
    line->priority = (guint32)priority;
    return set_address(words[4], words[5], line) && set_extensions(words + 6, n_words - 6, line);
}
