#include "room/ice.h"

#include "base/error.h"
#include "base/time.h"
#include "room/ice-relay.h"
#include "room/ice-server.h"

#include <nice/agent.h>
#include <nice/interfaces.h>
#include <string.h>
#include <sys/socket.h>

#define COMPONENT 1

/* A peer that is there answers within a round trip; this is for the slow ways (TURN over TCP). */
#define CONNECT_TIMEOUT_NS (20 * EG_NS_PER_S)

/* A burst of packets (a key frame, retransmissions after an outage) waits here while the thread is
 * busy. */
#define RECEIVE_BUFFER_BYTES (2 * 1024 * 1024)

/* The peer goes on sending over the old way until it has seen that the new one works. */
#define RETIRE_NS (5 * EG_NS_PER_S)

/* Media over TCP stops for every packet that is lost, so TCP is only tried when UDP has had its
 * chance. */
#define UDP_ONLY_NS (1500 * EG_NS_PER_MS)

/* libnice wakes up every 20 ms until it has had nothing to do for this long: while it connects, an
 * answer may take so long to come; afterwards there is nothing to wait for. */
#define CONNECTING_IDLE_MS 5000
#define READY_IDLE_MS      50

/* libnice asks a TURN server for a channel three times, within two seconds, and then forgets it. A
 * server whose answers were lost, or late, sends everything on that channel, and libnice drops it.
 * So who hears nothing when that is over asks for it again, a few times. */
#define CHANNEL_ASKED_NS   (2200 * EG_NS_PER_MS)
#define CHANNEL_SILENCE_NS (600 * EG_NS_PER_MS)
#define CHANNEL_CONFIRM_NS (200 * EG_NS_PER_MS)
#define MAX_CHANNEL_CHECKS 3

#define MAX_REMOTE_CANDIDATES 64

typedef enum {
    STATE_NONE,
    STATE_CONNECTING,
    STATE_CONNECTED,
    STATE_LOST,
} State;

struct _EgIce {
    const EgLog *log;
    EgIceEvents events;
    gpointer user;
    GMainContext *context;

    NiceAgent *agent;
    EgIceRelays *relays;
    guint stream;  /* the newest; checks go on here */
    guint sending; /* the stream that datagrams go out on; 0: none yet */
    guint retired; /* the one before, which still receives; 0: none */
    char *ufrag;   /* of ours, of `stream` */
    char *password;
    char *remote_ufrag; /* NULL: not started */
    char *remote_password;
    GPtrArray *remote_candidates; /* as text, of this generation */

    State state;                /* as last told to the user */
    State new_state;            /* as libnice has it */
    GQueue *local_candidates;   /* to be told: char* */
    const GSource *last_source; /* that brought a datagram; only to be compared */
    EgTimer *tell_timer;
    EgTimer *connect_timer;
    EgTimer *retire_timer;
    EgTimer *tcp_timer;
    bool may_use_tcp;
    EgTimer *channel_timer;
    guint n_channel_checks;
    bool seems_silent;
    gint64 heard_ns; /* when the last datagram came */
};

/* libnice emits signals from inside calls; what they say is told later. */
static void tell_later(EgIce *ice)
{
    eg_timer_set(ice->tell_timer, 0);
}

static void remove_stream(EgIce *ice, guint stream)
{
    nice_agent_attach_recv(ice->agent, stream, COMPONENT, ice->context, NULL, NULL);
    nice_agent_remove_stream(ice->agent, stream);
}

static void remove_retired(gpointer user)
{
    EgIce *ice = user;
    if (ice->retired != 0)
        remove_stream(ice, ice->retired);
    ice->retired = 0;
}

static void apply_text(gpointer text, gpointer user);

static void allow_tcp(gpointer user)
{
    EgIce *ice = user;
    ice->may_use_tcp = true;
    g_ptr_array_foreach(ice->remote_candidates, apply_text, ice);
}

static void check_channel(gpointer user)
{
    EgIce *ice = user;
    if (ice->state != STATE_CONNECTED)
        return;
    bool is_silent = eg_now_ns() - ice->heard_ns >= CHANNEL_SILENCE_NS;
    if (is_silent && !ice->seems_silent) {
        /* It may be we who did not get to listen: what has come is read first. */
        ice->seems_silent = true;
        eg_timer_set_after(ice->channel_timer, CHANNEL_CONFIRM_NS);
        return;
    }
    ice->seems_silent = false;
    if (is_silent && eg_ice_relays_ask_again(ice->agent, ice->sending, COMPONENT)) {
        eg_info(ice->log, "nothing comes from the turn server, asking for its channel again");
        /* The pair is checked anew. */
        g_object_set(ice->agent, "idle-timeout", CONNECTING_IDLE_MS, NULL);
    }
    ice->n_channel_checks++;
    if (ice->n_channel_checks < MAX_CHANNEL_CHECKS)
        eg_timer_set_after(ice->channel_timer, CHANNEL_ASKED_NS);
}

static void become_connected(EgIce *ice)
{
    eg_debug(ice->log, "network path found");
    eg_timer_clear(ice->connect_timer);
    eg_timer_clear(ice->tcp_timer);
    if (ice->sending != 0 && ice->sending != ice->stream) {
        remove_retired(ice);
        ice->retired = ice->sending;
        eg_timer_set_after(ice->retire_timer, RETIRE_NS);
    }
    ice->sending = ice->stream;
    ice->n_channel_checks = 0;
    if (!eg_ice_relays_is_empty(ice->relays))
        eg_timer_set_after(ice->channel_timer, CHANNEL_ASKED_NS);
    ice->events.connected(ice->user);
}

static void tell(gpointer user)
{
    EgIce *ice = user;
    /* One at a time: the user may free us inside. */
    if (!g_queue_is_empty(ice->local_candidates) || ice->new_state != ice->state)
        tell_later(ice);
    if (!g_queue_is_empty(ice->local_candidates)) {
        g_autofree char *candidate = g_queue_pop_head(ice->local_candidates);
        ice->events.candidate(ice->user, candidate);
        return;
    }
    if (ice->new_state == ice->state)
        return;
    ice->state = ice->new_state;
    if (ice->state == STATE_CONNECTED)
        become_connected(ice);
    else if (ice->state == STATE_LOST)
        ice->events.lost(ice->user);
}

static void on_connect_timeout(gpointer user)
{
    EgIce *ice = user;
    if (ice->new_state != STATE_CONNECTING)
        return;
    ice->new_state = STATE_LOST;
    tell_later(ice);
}

static void on_state_changed(NiceAgent *agent, guint stream, guint component, guint state,
                             gpointer user)
{
    (void)component;
    EgIce *ice = user;
    if (stream != ice->stream)
        return;
    /* Nothing better can be found any more. */
    if (state == NICE_COMPONENT_STATE_READY)
        g_object_set(agent, "idle-timeout", READY_IDLE_MS, NULL);
    if (state == NICE_COMPONENT_STATE_CONNECTED || state == NICE_COMPONENT_STATE_READY)
        ice->new_state = STATE_CONNECTED;
    /* Before it is connected this only says that no candidate known so far has worked. */
    else if (state == NICE_COMPONENT_STATE_FAILED && ice->new_state == STATE_CONNECTED)
        ice->new_state = STATE_LOST;
    if (ice->new_state != ice->state)
        tell_later(ice);
}

/* Such an address means nothing without the name of an interface of ours. */
static bool is_link_local(const NiceAddress *address)
{
    char text[NICE_ADDRESS_STRING_LEN];
    nice_address_to_string(address, text);
    g_autoptr(GInetAddress) inet = g_inet_address_new_from_string(text);
    return inet == NULL || g_inet_address_get_is_link_local(inet);
}

static void on_new_candidate(NiceAgent *agent, NiceCandidate *candidate, gpointer user)
{
    EgIce *ice = user;
    /* Over TCP we call, nobody calls us. */
    if (candidate->stream_id != ice->stream ||
        candidate->transport == NICE_CANDIDATE_TRANSPORT_TCP_PASSIVE ||
        is_link_local(&candidate->addr))
        return;
    g_autofree char *line = nice_agent_generate_local_candidate_sdp(agent, candidate);
    const char *text = g_str_has_prefix(line, "a=") ? line + 2 : line;
    g_queue_push_tail(ice->local_candidates, g_strdup(text));
    tell_later(ice);
}

/* GLib takes the socket of a source that must not recurse out of the set that it polls while the
 * source runs, and puts it back, for which it wakes itself up twice: four system calls a packet.
 * Nobody recurses here, so it may. */
static void spare_wakeups(EgIce *ice)
{
    GSource *source = g_main_current_source();
    if (source == ice->last_source || source == NULL)
        return;
    g_source_set_can_recurse(source, TRUE);
    ice->last_source = source;
}

static void on_receive(NiceAgent *agent, guint stream, guint component, guint size_bytes,
                       gchar *data, gpointer user)
{
    (void)agent;
    (void)stream;
    (void)component;
    EgIce *ice = user;
    spare_wakeups(ice);
    ice->heard_ns = eg_now_ns();
    ice->events.datagram(ice->user, (guint8 *)data, size_bytes);
}

/* A stream of its own for each start and restart: fresh sockets on the interfaces as they now are,
 * while the old ones go on receiving. */
static bool add_stream(EgIce *ice, GError **error)
{
    ice->stream = nice_agent_add_stream(ice->agent, 1);
    eg_ice_relays_use(ice->relays, ice->agent, ice->stream, COMPONENT);
    g_clear_pointer(&ice->ufrag, g_free);
    g_clear_pointer(&ice->password, g_free);
    if (!nice_agent_attach_recv(ice->agent, ice->stream, COMPONENT, ice->context, on_receive,
                                ice) ||
        !nice_agent_get_local_credentials(ice->agent, ice->stream, &ice->ufrag, &ice->password)) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot set up ICE");
        return false;
    }
    return true;
}

/* It warns of what is wrong with one of several ways (a STUN server whose name is not known), while
 * others work. That none does is told by on_connect_timeout(). */
static void log_library(const char *domain, GLogLevelFlags flags, const char *message,
                        gpointer user)
{
    (void)flags;
    (void)user;
    eg_debug(NULL, message, EG_STR("library", domain));
}

static void quieten_library(void)
{
    static gsize once = 0;
    if (g_once_init_enter(&once)) {
        g_log_set_handler("libnice", G_LOG_LEVEL_WARNING, log_library, NULL);
        g_once_init_leave(&once, 1);
    }
}

EgIce *eg_ice_new(EgLoop *loop, const EgLog *log, const EgIceServer *servers, gsize n_servers,
                  const EgIceEvents *events, gpointer user, GError **error)
{
    quieten_library();
    g_autoptr(EgIce) ice = g_new0(EgIce, 1);
    ice->log = log;
    ice->events = *events;
    ice->user = user;
    ice->context = g_main_context_ref(eg_loop_context(loop));
    ice->relays = eg_ice_relays_new(loop, log);
    ice->remote_candidates = g_ptr_array_new_with_free_func(g_free);
    ice->local_candidates = g_queue_new();
    ice->tell_timer = eg_timer_new(loop, tell, ice);
    ice->connect_timer = eg_timer_new(loop, on_connect_timeout, ice);
    ice->retire_timer = eg_timer_new(loop, remove_retired, ice);
    ice->tcp_timer = eg_timer_new(loop, allow_tcp, ice);
    ice->channel_timer = eg_timer_new(loop, check_channel, ice);

    ice->agent =
        nice_agent_new_full(ice->context, NICE_COMPATIBILITY_RFC5245,
                            NICE_AGENT_OPTION_REGULAR_NOMINATION | NICE_AGENT_OPTION_ICE_TRICKLE |
                                NICE_AGENT_OPTION_CONSENT_FRESHNESS);
    g_object_set(ice->agent, "controlling-mode", TRUE, "upnp", FALSE, NULL);
    g_signal_connect(ice->agent, "component-state-changed", G_CALLBACK(on_state_changed), ice);
    g_signal_connect(ice->agent, "new-candidate-full", G_CALLBACK(on_new_candidate), ice);
    for (gsize i = 0; i < n_servers; i++)
        eg_ice_relays_add(ice->relays, ice->agent, &servers[i]);
    if (!add_stream(ice, error))
        return NULL;
    return g_steal_pointer(&ice);
}

static void on_agent_closed(GObject *agent, GAsyncResult *result, gpointer user)
{
    (void)result;
    (void)user;
    g_object_unref(agent);
}

static void free_agent(EgIce *ice)
{
    g_signal_handlers_disconnect_by_data(ice->agent, ice);
    const guint streams[] = {ice->stream, ice->sending, ice->retired};
    for (gsize i = 0; i < G_N_ELEMENTS(streams); i++) {
        if (streams[i] != 0)
            nice_agent_attach_recv(ice->agent, streams[i], COMPONENT, ice->context, NULL, NULL);
    }
    /* TURN servers are told that their allocations can go, which takes a round trip. */
    if (!eg_ice_relays_is_empty(ice->relays))
        nice_agent_close_async(ice->agent, on_agent_closed, NULL);
    else
        g_object_unref(ice->agent);
}

void eg_ice_free(EgIce *ice)
{
    if (ice == NULL)
        return;
    free_agent(ice);
    eg_timer_free(ice->tell_timer);
    eg_timer_free(ice->connect_timer);
    eg_timer_free(ice->retire_timer);
    eg_timer_free(ice->tcp_timer);
    eg_timer_free(ice->channel_timer);
    g_queue_free_full(ice->local_candidates, g_free);
    g_ptr_array_unref(ice->remote_candidates);
    eg_ice_relays_free(ice->relays);
    g_main_context_unref(ice->context);
    g_free(ice->ufrag);
    g_free(ice->password);
    g_free(ice->remote_ufrag);
    g_free(ice->remote_password);
    g_free(ice);
}

const char *eg_ice_ufrag(const EgIce *ice)
{
    return ice->ufrag;
}

const char *eg_ice_password(const EgIce *ice)
{
    return ice->password;
}

/* The kernel's limit for all may be lower; a process with the right to may go beyond. */
static void enlarge_buffers(EgIce *ice)
{
    g_autoptr(GPtrArray) sockets = nice_agent_get_sockets(ice->agent, ice->stream, COMPONENT);
    for (guint i = 0; sockets != NULL && i < sockets->len; i++) {
        GSocket *gsocket = g_ptr_array_index(sockets, i);
        if (g_socket_get_socket_type(gsocket) != G_SOCKET_TYPE_DATAGRAM)
            continue;
        if (!g_socket_set_option(gsocket, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES, NULL))
            g_socket_set_option(gsocket, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES, NULL);
    }
}

/* libnice leaves the loopback interface out. Where there is no other, the peer can only be on it.
 */
static void use_loopback_if_alone(EgIce *ice)
{
    GList *addresses = nice_interfaces_get_local_ips(FALSE);
    NiceAddress loopback;
    nice_address_init(&loopback);
    if (addresses == NULL && nice_address_set_from_string(&loopback, "127.0.0.1"))
        nice_agent_add_local_address(ice->agent, &loopback);
    g_list_free_full(addresses, g_free);
}

static bool start(EgIce *ice, GError **error)
{
    g_object_set(ice->agent, "idle-timeout", CONNECTING_IDLE_MS, NULL);
    use_loopback_if_alone(ice);
    if (!nice_agent_set_remote_credentials(ice->agent, ice->stream, ice->remote_ufrag,
                                           ice->remote_password) ||
        !nice_agent_gather_candidates(ice->agent, ice->stream)) {
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "ICE found no network interface to use");
        return false;
    }
    enlarge_buffers(ice);
    ice->state = STATE_CONNECTING;
    ice->new_state = STATE_CONNECTING;
    eg_timer_set_after(ice->connect_timer, CONNECT_TIMEOUT_NS);
    ice->may_use_tcp = false;
    eg_timer_set_after(ice->tcp_timer, UDP_ONLY_NS);
    return true;
}

static void apply_candidate(EgIce *ice, const EgCandidateLine *line)
{
    static const NiceCandidateType types[] = {
        [EG_CANDIDATE_HOST] = NICE_CANDIDATE_TYPE_HOST,
        [EG_CANDIDATE_SERVER_REFLEXIVE] = NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE,
        [EG_CANDIDATE_PEER_REFLEXIVE] = NICE_CANDIDATE_TYPE_PEER_REFLEXIVE,
        [EG_CANDIDATE_RELAYED] = NICE_CANDIDATE_TYPE_RELAYED,
    };
    if (!line->is_udp && !ice->may_use_tcp)
        return;
    /* One that names its generation belongs to no other. */
    if (line->ufrag[0] != '\0' && strcmp(line->ufrag, ice->remote_ufrag) != 0)
        return;
    NiceCandidate *candidate = nice_candidate_new(types[line->type]);
    candidate->component_id = COMPONENT;
    candidate->stream_id = ice->stream;
    candidate->transport =
        line->is_udp ? NICE_CANDIDATE_TRANSPORT_UDP : NICE_CANDIDATE_TRANSPORT_TCP_PASSIVE;
    candidate->priority = line->priority;
    g_strlcpy(candidate->foundation, line->foundation, sizeof(candidate->foundation));
    if (nice_address_set_from_string(&candidate->addr, line->address)) {
        nice_address_set_port(&candidate->addr, line->port);
        GSList list = {.data = candidate};
        nice_agent_set_remote_candidates(ice->agent, ice->stream, COMPONENT, &list);
    }
    nice_candidate_free(candidate);
}

static void apply_text(gpointer text, gpointer user)
{
    EgCandidateLine line;
    if (eg_candidate_parse(text, &line))
        apply_candidate(user, &line);
}

static bool restart(EgIce *ice, GError **error)
{
    /* Another restart while the last one has not connected: that one is of no use any more. */
    if (ice->stream != ice->sending)
        remove_stream(ice, ice->stream);
    g_queue_clear_full(ice->local_candidates, g_free);
    return add_stream(ice, error);
}

bool eg_ice_set_remote(EgIce *ice, const char *ufrag, const char *password, GError **error)
{
    bool is_first = ice->remote_ufrag == NULL;
    if (!is_first && strcmp(ufrag, ice->remote_ufrag) == 0 &&
        strcmp(password, ice->remote_password) == 0)
        return true;
    if (!is_first && !restart(ice, error))
        return false;
    if (!is_first)
        g_ptr_array_set_size(ice->remote_candidates, 0);

    g_free(ice->remote_ufrag);
    g_free(ice->remote_password);
    ice->remote_ufrag = g_strdup(ufrag);
    ice->remote_password = g_strdup(password);
    if (!start(ice, error))
        return false;
    g_ptr_array_foreach(ice->remote_candidates, apply_text, ice);
    return true;
}

bool eg_ice_add_candidate(EgIce *ice, const char *candidate, GError **error)
{
    /* The end of candidates (RFC 8838, 8.2) comes as nothing. */
    if (*candidate == '\0')
        return true;
    EgCandidateLine line;
    if (strlen(candidate) > 1024 || !eg_candidate_parse(candidate, &line)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "the peer sent a malformed ICE candidate");
        return false;
    }
    /* Offers repeat them. */
    if (line.component != COMPONENT || !line.has_literal_address || line.port == 0 ||
        (!line.is_udp && !line.is_tcp_passive) ||
        ice->remote_candidates->len >= MAX_REMOTE_CANDIDATES ||
        g_ptr_array_find_with_equal_func(ice->remote_candidates, candidate, g_str_equal, NULL))
        return true;
    g_ptr_array_add(ice->remote_candidates, g_strdup(candidate));
    if (ice->remote_ufrag != NULL)
        apply_candidate(ice, &line);
    return true;
}

bool eg_ice_send(EgIce *ice, const guint8 *data, gsize size_bytes)
{
    return ice->sending != 0 && nice_agent_send(ice->agent, ice->sending, COMPONENT,
                                                (guint)size_bytes, (const gchar *)data) >= 0;
}
