#include "room/ice-relay.h"

#include "room/ice-server.h"

#include <string.h>

#define MAX_TURN_SERVERS 8

typedef struct {
    NiceRelayType type;
    char *host;
    guint16 port;
    char *username;
    char *credential;
    EgTurnTunnel *tunnel; /* that host and port are those of; NULL: none */
} Relay;

struct _EgIceRelays {
    EgLoop *loop;
    const EgLog *log;
    GArray *list; /* Relay */
};

static void clear_relay(gpointer data)
{
    Relay *relay = data;
    g_free(relay->host);
    g_free(relay->username);
    g_free(relay->credential);
    eg_turn_tunnel_free(relay->tunnel);
}

EgIceRelays *eg_ice_relays_new(EgLoop *loop, const EgLog *log)
{
    EgIceRelays *relays = g_new0(EgIceRelays, 1);
    relays->loop = loop;
    relays->log = log;
    relays->list = g_array_new(FALSE, FALSE, sizeof(Relay));
    g_array_set_clear_func(relays->list, clear_relay);
    return relays;
}

void eg_ice_relays_free(EgIceRelays *relays)
{
    if (relays == NULL)
        return;
    g_array_unref(relays->list);
    g_free(relays);
}

/* libnice knows no TLS. */
static bool add_tunnel(EgIceRelays *relays, Relay *relay)
{
    g_autoptr(GError) error = NULL;
    relay->tunnel = eg_turn_tunnel_new(relays->loop, relays->log, relay->host, relay->port, &error);
    if (relay->tunnel == NULL) {
        eg_warn(relays->log, "turn server ignored", EG_STR("error", error->message));
        return false;
    }
    g_free(relay->host);
    relay->host = g_strdup("127.0.0.1");
    relay->port = eg_turn_tunnel_port(relay->tunnel);
    return true;
}

/* Takes the host. */
static void add_turn(EgIceRelays *relays, const EgIceServer *server, const EgIceServerUrl *url)
{
    static const NiceRelayType types[] = {
        [EG_ICE_SERVER_TURN_UDP] = NICE_RELAY_TYPE_TURN_UDP,
        [EG_ICE_SERVER_TURN_TCP] = NICE_RELAY_TYPE_TURN_TCP,
        [EG_ICE_SERVER_TURN_TLS] = NICE_RELAY_TYPE_TURN_TCP,
    };
    if (relays->list->len == MAX_TURN_SERVERS) {
        g_free(url->host);
        return;
    }
    Relay relay = {
        .type = types[url->type],
        .host = url->host,
        .port = url->port,
        .username = g_strdup(server->username != NULL ? server->username : ""),
        .credential = g_strdup(server->credential != NULL ? server->credential : ""),
    };
    if (url->type == EG_ICE_SERVER_TURN_TLS && !add_tunnel(relays, &relay))
        clear_relay(&relay);
    else
        g_array_append_val(relays->list, relay);
}

void eg_ice_relays_add(EgIceRelays *relays, NiceAgent *agent, const EgIceServer *server)
{
    EgIceServerUrl url;
    if (server->url == NULL || !eg_ice_server_parse(server->url, &url)) {
        eg_warn(relays->log, "ice server ignored", EG_STR("url", server->url));
        return;
    }
    if (url.type != EG_ICE_SERVER_STUN) {
        add_turn(relays, server, &url);
        return;
    }
    /* libnice takes one; the last wins, and one is as good as another. */
    g_object_set(agent, "stun-server", url.host, "stun-server-port", (guint)url.port, NULL);
    g_free(url.host);
}

bool eg_ice_relays_is_empty(const EgIceRelays *relays)
{
    return relays->list->len == 0;
}

void eg_ice_relays_use(const EgIceRelays *relays, NiceAgent *agent, guint stream, guint component)
{
    for (guint i = 0; i < relays->list->len; i++) {
        const Relay *relay = &g_array_index(relays->list, Relay, i);
        nice_agent_set_relay_info(agent, stream, component, relay->host, relay->port,
                                  relay->username, relay->credential, relay->type);
    }
}

/* A pair is named by its foundations, which remote candidates of one address may share. */
static bool is_only_one(NiceAgent *agent, guint stream, guint component,
                        const NiceCandidate *remote)
{
    guint n = 0;
    GSList *all = nice_agent_get_remote_candidates(agent, stream, component);
    for (const GSList *item = all; item != NULL; item = item->next)
        n += strcmp(((const NiceCandidate *)item->data)->foundation, remote->foundation) == 0;
    g_slist_free_full(all, (GDestroyNotify)nice_candidate_free);
    return n == 1;
}

bool eg_ice_relays_ask_again(NiceAgent *agent, guint stream, guint component)
{
    NiceCandidate *local;
    NiceCandidate *remote;
    /* It does so for each pair that is chosen, though it were the one that is in use. */
    return nice_agent_get_selected_pair(agent, stream, component, &local, &remote) &&
           local->type == NICE_CANDIDATE_TYPE_RELAYED &&
           is_only_one(agent, stream, component, remote) &&
           nice_agent_set_selected_pair(agent, stream, component, local->foundation,
                                        remote->foundation);
}
