#include "room/ice-server.h"

#include "base/error.h"

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

/* One for each local address and attempt is what ICE makes. */
#define MAX_CONNECTIONS 32

/* What is going on in the background holds this, and finds it closed when the tunnel is gone. */
typedef struct {
    gint refs;
    const EgLog *log;
    char *host;
    guint16 port;
    guint16 local_port;
    GSocketService *service;
    GSocketClient *client;
    GCancellable *cancellable;
    guint n_connections;
} Shared;

struct _EgTurnTunnel {
    Shared *shared;
};

typedef struct {
    Shared *shared;
    GIOStream *near;
    GIOStream *far;
    guint n_running; /* directions */
} Connection;

static void shared_unref(Shared *shared)
{
    if (--shared->refs > 0)
        return;
    g_object_unref(shared->service);
    g_object_unref(shared->client);
    g_object_unref(shared->cancellable);
    g_free(shared->host);
    g_free(shared);
}

static void free_connection(Connection *connection)
{
    connection->shared->n_connections--;
    shared_unref(connection->shared);
    g_object_unref(connection->near);
    g_clear_object(&connection->far);
    g_free(connection);
}

/* The end of one direction is that of the other too: TURN has no half-closed connections. */
static void on_direction_ended(GObject *output, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    g_output_stream_splice_finish(G_OUTPUT_STREAM(output), result, NULL);
    connection->n_running--;
    if (connection->n_running > 0) {
        g_socket_shutdown(g_socket_connection_get_socket(G_SOCKET_CONNECTION(connection->near)),
                          TRUE, TRUE, NULL);
        return;
    }
    free_connection(connection);
}

static void carry(Connection *connection, GIOStream *from, GIOStream *to)
{
    connection->n_running++;
    g_output_stream_splice_async(
        g_io_stream_get_output_stream(to), g_io_stream_get_input_stream(from),
        G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
        G_PRIORITY_DEFAULT, connection->shared->cancellable, on_direction_ended, connection);
}

static void on_far_connected(GObject *client, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    Shared *shared = connection->shared;
    g_autoptr(GError) error = NULL;
    connection->far = G_IO_STREAM(
        g_socket_client_connect_to_host_finish(G_SOCKET_CLIENT(client), result, &error));
    if (connection->far == NULL) {
        if (!g_cancellable_is_cancelled(shared->cancellable))
            eg_warn(shared->log, "cannot connect to turn server", EG_STR("host", shared->host),
                    EG_INT("port", shared->port), EG_STR("error", error->message));
        free_connection(connection);
        return;
    }
    g_tcp_connection_set_graceful_disconnect(G_TCP_CONNECTION(connection->near), FALSE);
    carry(connection, connection->near, connection->far);
    carry(connection, connection->far, connection->near);
}

static gboolean on_incoming(GSocketService *service, GSocketConnection *near, GObject *source,
                            gpointer user)
{
    (void)service;
    (void)source;
    Shared *shared = user;
    if (shared->n_connections == MAX_CONNECTIONS)
        return TRUE;
    Connection *connection = g_new0(Connection, 1);
    connection->shared = shared;
    shared->refs++;
    shared->n_connections++;
    connection->near = G_IO_STREAM(g_object_ref(near));
    g_socket_client_connect_to_host_async(shared->client, shared->host, shared->port,
                                          shared->cancellable, on_far_connected, connection);
    return TRUE;
}

static bool listen_on_loopback(Shared *shared, GError **error)
{
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) actual = NULL;
    g_autoptr(GError) cause = NULL;
    if (!g_socket_listener_add_address(G_SOCKET_LISTENER(shared->service), address,
                                       G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &actual,
                                       &cause)) {
        eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                     "cannot listen on the loopback interface: %s", cause->message);
        return false;
    }
    shared->local_port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(actual));
    return true;
}

EgTurnTunnel *eg_turn_tunnel_new(EgLoop *loop, const EgLog *log, const char *host, guint16 port,
                                 GError **error)
{
    /* GIO takes the default context of the thread, which is that of its loop. */
    eg_loop_assert_owner(loop);
    g_autoptr(EgTurnTunnel) tunnel = g_new0(EgTurnTunnel, 1);
    Shared *shared = g_new0(Shared, 1);
    tunnel->shared = shared;
    shared->refs = 1;
    shared->log = log;
    shared->host = g_strdup(host);
    shared->port = port;
    shared->cancellable = g_cancellable_new();
    shared->client = g_socket_client_new();
    g_socket_client_set_tls(shared->client, TRUE);
    shared->service = g_socket_service_new();
    g_signal_connect(shared->service, "incoming", G_CALLBACK(on_incoming), shared);
    if (!listen_on_loopback(shared, error))
        return NULL;
    g_socket_service_start(shared->service);
    return g_steal_pointer(&tunnel);
}

void eg_turn_tunnel_free(EgTurnTunnel *tunnel)
{
    if (tunnel == NULL)
        return;
    Shared *shared = tunnel->shared;
    g_signal_handlers_disconnect_by_data(shared->service, shared);
    g_socket_service_stop(shared->service);
    g_socket_listener_close(G_SOCKET_LISTENER(shared->service));
    g_cancellable_cancel(shared->cancellable);
    shared_unref(shared);
    g_free(tunnel);
}

guint16 eg_turn_tunnel_port(const EgTurnTunnel *tunnel)
{
    return tunnel->shared->local_port;
}
