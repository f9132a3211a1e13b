#include "browser/page-guard.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "browser/page-rules.h"
#include "browser/socks.h"

/* A page begins with many connections at once; those beyond the backlog would wait for a second. */
#define BACKLOG 128

#define MAX_CONNECTIONS  512
#define MAX_HANDSHAKE_NS (10 * EG_NS_PER_S)
#define MAX_CONNECT_NS   (30 * EG_NS_PER_S)

/* A host that has many addresses is tried at the first few; one that does not answer is given up
 * for the next. */
#define MAX_ADDRESSES 6
#define MAX_TRY_NS    (3 * EG_NS_PER_S)

/* How long a target may go on when the browser has closed its side, which may well mean that it
 * has forgotten the connection. */
#define MAX_LINGER_NS (60 * EG_NS_PER_S)

/* Hosts whose refusal is logged: a page can make up names without end. */
#define MAX_LOGGED_HOSTS 32

/* A page can ask for any number of hosts; what it says itself that it cannot reach came just now.
 */
#define MAX_ERRORS 256

typedef enum {
    STATE_NONE,
    STATE_GREETING,
    STATE_REQUEST,
    STATE_CONNECTING, /* resolving, too */
    STATE_ANSWERING,
    STATE_CARRYING,
    STATE_CLOSED,
} State;

struct _EgPageGuard {
    EgLoop *loop;
    const EgLog *log;
    EgPageRules *rules;
    GResolver *resolver;
    GSocketClient *client;
    GSocketService *service;
    char *proxy;
    guint16 port;
    guint max_connections;
    gint64 max_handshake_ns;
    gint64 max_connect_ns;
    GPtrArray *connections;   /* Connection, open ones */
    GHashTable *logged_hosts; /* set of char * */
    const char *error;        /* of the last connection that came to nothing; NULL: none */
    GHashTable *errors;       /* the same by host, which is char * */
    EgPageGuardStats stats;
};

/* Lives until it is closed and nothing of it is under way. */
typedef struct {
    EgPageGuard *guard; /* while it is open */
    State state;
    guint n_pending;           /* operations under way */
    GCancellable *cancellable; /* of these; another one for each step */
    EgTimer *timer;            /* of the step */
    gint64 deadline_ns;        /* for being connected */
    GIOStream *near;
    GIOStream *far;
    guint8 message[EG_SOCKS_MAX_SIZE];
    gsize size;
    guint8 answer[EG_SOCKS_ANSWER_SIZE];
    EgSocksCode code; /* that is answered */
    EgSocksRequest request;
    GPtrArray *addresses; /* GInetAddress, that may be reached */
    guint next_address;
    guint n_directions; /* that are open */
} Connection;

static void free_connection(Connection *connection)
{
    g_clear_object(&connection->near);
    g_clear_object(&connection->far);
    g_clear_object(&connection->cancellable);
    g_clear_pointer(&connection->addresses, g_ptr_array_unref);
    eg_timer_free(connection->timer);
    g_free(connection);
}

/* The last thing that its caller does with it. */
static void close_connection(Connection *connection)
{
    g_assert(connection->guard != NULL);
    if (connection->state < STATE_ANSWERING)
        connection->guard->stats.failed++;
    g_ptr_array_remove_fast(connection->guard->connections, connection);
    connection->guard = NULL;
    connection->state = STATE_CLOSED;
    eg_timer_clear(connection->timer);
    g_cancellable_cancel(connection->cancellable);
    if (connection->n_pending == 0)
        free_connection(connection);
}

/* The cancellable for an operation that begins. */
static GCancellable *begin(Connection *connection)
{
    connection->n_pending++;
    return connection->cancellable;
}

/* False if the connection was closed meanwhile; then it may be gone. */
static bool resume(Connection *connection)
{
    connection->n_pending--;
    if (connection->state != STATE_CLOSED)
        return true;
    if (connection->n_pending == 0)
        free_connection(connection);
    return false;
}

static void renew_cancellable(Connection *connection)
{
    g_clear_object(&connection->cancellable);
    connection->cancellable = g_cancellable_new();
}

/* A connection gets far in which nothing is left to send, and still receives. */
static void on_direction_ended(GObject *object, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    GOutputStream *output = G_OUTPUT_STREAM(object);
    bool is_to_far =
        connection->far != NULL && output == g_io_stream_get_output_stream(connection->far);
    gssize size = g_output_stream_splice_finish(output, result, NULL);
    if (!resume(connection))
        return;
    connection->n_directions--;
    if (size < 0 || connection->n_directions == 0) {
        close_connection(connection);
        return;
    }
    if (is_to_far)
        eg_timer_set_after(connection->timer, MAX_LINGER_NS);
    GIOStream *target = is_to_far ? connection->far : connection->near;
    g_socket_shutdown(g_socket_connection_get_socket(G_SOCKET_CONNECTION(target)), FALSE, TRUE,
                      NULL);
}

static void carry_direction(Connection *connection, GIOStream *from, GIOStream *to)
{
    connection->n_directions++;
    g_output_stream_splice_async(g_io_stream_get_output_stream(to),
                                 g_io_stream_get_input_stream(from), G_OUTPUT_STREAM_SPLICE_NONE,
                                 G_PRIORITY_DEFAULT, begin(connection), on_direction_ended,
                                 connection);
}

static void carry(Connection *connection)
{
    connection->state = STATE_CARRYING;
    connection->guard->stats.carried++;
    eg_timer_clear(connection->timer);
    renew_cancellable(connection);
    carry_direction(connection, connection->near, connection->far);
    carry_direction(connection, connection->far, connection->near);
}

static void on_answered(GObject *object, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    bool is_sent = g_output_stream_write_all_finish(G_OUTPUT_STREAM(object), result, NULL, NULL);
    if (!resume(connection))
        return;
    if (is_sent && connection->code == EG_SOCKS_OK)
        carry(connection);
    else
        close_connection(connection);
}

static void send_answer(Connection *connection, gsize size, GAsyncReadyCallback on_sent)
{
    renew_cancellable(connection);
    g_output_stream_write_all_async(g_io_stream_get_output_stream(connection->near),
                                    connection->answer, size, G_PRIORITY_DEFAULT, begin(connection),
                                    on_sent, connection);
}

static const char *name_of(const Connection *connection, EgSocksCode code)
{
    static const char *const names[] = {
        [EG_SOCKS_FAILURE] = "net::ERR_CONNECTION_FAILED",
        [EG_SOCKS_NOT_ALLOWED] = "net::ERR_NETWORK_ACCESS_DENIED (web_allow does not allow it)",
        [EG_SOCKS_NETWORK_UNREACHABLE] = "net::ERR_ADDRESS_UNREACHABLE",
        [EG_SOCKS_HOST_UNREACHABLE] = "net::ERR_ADDRESS_UNREACHABLE",
        [EG_SOCKS_REFUSED] = "net::ERR_CONNECTION_REFUSED",
        [EG_SOCKS_TIMED_OUT] = "net::ERR_CONNECTION_TIMED_OUT",
    };
    if (code == EG_SOCKS_HOST_UNREACHABLE && connection->addresses == NULL)
        return "net::ERR_NAME_NOT_RESOLVED";
    return code < G_N_ELEMENTS(names) && names[code] != NULL ? names[code]
                                                             : names[EG_SOCKS_FAILURE];
}

static void note_error(Connection *connection, const char *error)
{
    EgPageGuard *guard = connection->guard;
    if (g_hash_table_size(guard->errors) >= MAX_ERRORS)
        g_hash_table_remove_all(guard->errors);
    g_hash_table_replace(guard->errors, g_ascii_strdown(connection->request.host, -1),
                         (gpointer)error);
    guard->error = error;
}

static void answer(Connection *connection, EgSocksCode code)
{
    EgPageGuardStats *stats = &connection->guard->stats;
    if (code != EG_SOCKS_OK)
        note_error(connection, name_of(connection, code));
    connection->state = STATE_ANSWERING;
    connection->code = code;
    if (code == EG_SOCKS_NOT_ALLOWED)
        stats->refused++;
    else if (code != EG_SOCKS_OK)
        stats->failed++;
    eg_socks_answer(code, connection->answer);
    eg_timer_set_after(connection->timer, connection->guard->max_handshake_ns);
    send_answer(connection, EG_SOCKS_ANSWER_SIZE, on_answered);
}

/* The one translation of what can happen to what SOCKS can tell. */
static EgSocksCode code_of(const GError *error)
{
    static const struct {
        GIOErrorEnum from;
        EgSocksCode to;
    } codes[] = {
        {G_IO_ERROR_CONNECTION_REFUSED,  EG_SOCKS_REFUSED            },
        {G_IO_ERROR_NETWORK_UNREACHABLE, EG_SOCKS_NETWORK_UNREACHABLE},
        {G_IO_ERROR_HOST_UNREACHABLE,    EG_SOCKS_HOST_UNREACHABLE   },
        {G_IO_ERROR_TIMED_OUT,           EG_SOCKS_TIMED_OUT          },
        {G_IO_ERROR_CANCELLED,           EG_SOCKS_TIMED_OUT          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (g_error_matches(error, G_IO_ERROR, (gint)codes[i].from))
            return codes[i].to;
    }
    return error->domain == G_RESOLVER_ERROR ? EG_SOCKS_HOST_UNREACHABLE : EG_SOCKS_FAILURE;
}

static void try_next_address(Connection *connection);

static void set_socket_options(GIOStream *stream)
{
    GSocket *socket = g_socket_connection_get_socket(G_SOCKET_CONNECTION(stream));
    g_socket_set_keepalive(socket, TRUE);
    g_socket_set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
}

static void on_far_connected(GObject *client, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) far =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result, &error);
    if (!resume(connection))
        return;
    if (far == NULL) {
        connection->code = code_of(error);
        try_next_address(connection);
        return;
    }
    connection->far = G_IO_STREAM(g_steal_pointer(&far));
    set_socket_options(connection->far);
    answer(connection, EG_SOCKS_OK);
}

/* Not the name: it could have another address by now. */
static void try_next_address(Connection *connection)
{
    gint64 now_ns = eg_now_ns();
    if (connection->next_address == connection->addresses->len ||
        now_ns >= connection->deadline_ns) {
        answer(connection, connection->code);
        return;
    }
    GInetAddress *address = connection->addresses->pdata[connection->next_address++];
    bool is_last = connection->next_address == connection->addresses->len;
    gint64 try_until_ns = is_last ? G_MAXINT64 : now_ns + MAX_TRY_NS;
    g_autoptr(GSocketAddress) target = g_inet_socket_address_new(address, connection->request.port);
    renew_cancellable(connection);
    eg_timer_set(connection->timer, MIN(try_until_ns, connection->deadline_ns));
    g_socket_client_connect_async(connection->guard->client, G_SOCKET_CONNECTABLE(target),
                                  begin(connection), on_far_connected, connection);
}

static void log_refusal(EgPageGuard *guard, const EgSocksRequest *request, GInetAddress *address,
                        const char *reason)
{
    if (g_hash_table_size(guard->logged_hosts) == MAX_LOGGED_HOSTS ||
        !g_hash_table_add(guard->logged_hosts, g_strdup(request->host)))
        return;
    g_autofree char *text = g_inet_address_to_string(address);
    eg_warn(guard->log, "page must not reach host", EG_STR("host", request->host),
            EG_INT("port", request->port), EG_STR("address", text), EG_STR("reason", reason));
}

/* Those that may be reached. If there are none, `reason` is that of the first. */
static GPtrArray *choose_addresses(const Connection *connection, GList *found, const char **reason)
{
    const EgSocksRequest *request = &connection->request;
    GPtrArray *chosen = g_ptr_array_new_with_free_func(g_object_unref);
    for (GList *at = found; at != NULL && chosen->len < MAX_ADDRESSES; at = at->next) {
        const char *refusal =
            eg_page_rules_refusal(connection->guard->rules, request->host, at->data, request->port);
        if (refusal == NULL)
            g_ptr_array_add(chosen, eg_page_rules_plain_address(at->data));
        else if (*reason == NULL)
            *reason = refusal;
    }
    return chosen;
}

static void on_resolved(GObject *resolver, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    g_autoptr(GError) error = NULL;
    GList *found = g_resolver_lookup_by_name_finish(G_RESOLVER(resolver), result, &error);
    if (!resume(connection)) {
        g_resolver_free_addresses(found);
        return;
    }
    if (found == NULL) {
        answer(connection, error != NULL ? code_of(error) : EG_SOCKS_HOST_UNREACHABLE);
        return;
    }
    const char *reason = NULL;
    connection->addresses = choose_addresses(connection, found, &reason);
    if (connection->addresses->len > 0) {
        connection->code = EG_SOCKS_TIMED_OUT;
        try_next_address(connection);
    } else {
        log_refusal(connection->guard, &connection->request, found->data, reason);
        answer(connection, EG_SOCKS_NOT_ALLOWED);
    }
    g_resolver_free_addresses(found);
}

/* Addresses are names that are their own. */
static void resolve(Connection *connection)
{
    connection->state = STATE_CONNECTING;
    connection->deadline_ns = eg_now_ns() + connection->guard->max_connect_ns;
    eg_timer_set(connection->timer, connection->deadline_ns);
    renew_cancellable(connection);
    g_resolver_lookup_by_name_async(connection->guard->resolver, connection->request.host,
                                    begin(connection), on_resolved, connection);
}

static void read_message(Connection *connection);

static void on_greeting_answered(GObject *object, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    bool is_sent = g_output_stream_write_all_finish(G_OUTPUT_STREAM(object), result, NULL, NULL);
    if (!resume(connection))
        return;
    if (!is_sent || connection->code != EG_SOCKS_OK) {
        close_connection(connection);
        return;
    }
    connection->state = STATE_REQUEST;
    connection->size = 0;
    read_message(connection);
}

static void take_message(Connection *connection)
{
    if (connection->state == STATE_GREETING) {
        connection->code = eg_socks_greeting_check(connection->message, connection->size);
        eg_socks_greeting_answer(connection->code, connection->answer);
        send_answer(connection, EG_SOCKS_GREETING_ANSWER_SIZE, on_greeting_answered);
        return;
    }
    EgSocksCode code =
        eg_socks_request_parse(connection->message, connection->size, &connection->request);
    if (code == EG_SOCKS_OK)
        resolve(connection);
    else
        answer(connection, code);
}

static void on_read(GObject *input, GAsyncResult *result, gpointer user)
{
    Connection *connection = user;
    gssize size = g_input_stream_read_finish(G_INPUT_STREAM(input), result, NULL);
    if (!resume(connection))
        return;
    if (size <= 0) {
        close_connection(connection);
        return;
    }
    connection->size += (gsize)size;
    read_message(connection);
}

/* No more than the message: what follows is for the target. */
static void read_message(Connection *connection)
{
    gsize size = connection->state == STATE_GREETING
                     ? eg_socks_greeting_size(connection->message, connection->size)
                     : eg_socks_request_size(connection->message, connection->size);
    if (connection->size >= size) {
        take_message(connection);
        return;
    }
    g_input_stream_read_async(g_io_stream_get_input_stream(connection->near),
                              connection->message + connection->size, size - connection->size,
                              G_PRIORITY_DEFAULT, begin(connection), on_read, connection);
}

/* While it connects, only the try has failed. */
static void on_timer(gpointer user)
{
    Connection *connection = user;
    if (connection->state == STATE_CONNECTING)
        g_cancellable_cancel(connection->cancellable);
    else
        close_connection(connection);
}

static gboolean on_incoming(GSocketService *service, GSocketConnection *near, GObject *source,
                            gpointer user)
{
    (void)service;
    (void)source;
    EgPageGuard *guard = user;
    guard->stats.connections++;
    if (guard->connections->len == guard->max_connections) {
        guard->stats.failed++;
        return TRUE;
    }
    Connection *connection = g_new0(Connection, 1);
    connection->guard = guard;
    connection->state = STATE_GREETING;
    connection->near = G_IO_STREAM(g_object_ref(near));
    connection->cancellable = g_cancellable_new();
    connection->timer = eg_timer_new(guard->loop, on_timer, connection);
    g_ptr_array_add(guard->connections, connection);
    set_socket_options(connection->near);
    eg_timer_set_after(connection->timer, guard->max_handshake_ns);
    read_message(connection);
    return TRUE;
}

static bool listen_on_loopback(EgPageGuard *guard, GError **error)
{
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) actual = NULL;
    g_autoptr(GError) cause = NULL;
    g_socket_listener_set_backlog(G_SOCKET_LISTENER(guard->service), BACKLOG);
    if (!g_socket_listener_add_address(G_SOCKET_LISTENER(guard->service), address,
                                       G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &actual,
                                       &cause)) {
        eg_error_set(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                     "cannot listen on the loopback interface: %s", cause->message);
        return false;
    }
    guard->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(actual));
    guard->proxy = g_strdup_printf("socks5://127.0.0.1:%u", guard->port);
    return true;
}

EgPageGuard *eg_page_guard_new(EgLoop *loop, const EgPageGuardParams *params, GError **error)
{
    /* GIO takes the default context of the thread, which is that of its loop. */
    eg_loop_assert_owner(loop);
    g_autoptr(EgPageGuard) guard = g_new0(EgPageGuard, 1);
    guard->loop = loop;
    guard->log = params->log;
    guard->max_connections =
        params->max_connections != 0 ? params->max_connections : MAX_CONNECTIONS;
    guard->max_handshake_ns =
        params->max_handshake_ns != 0 ? params->max_handshake_ns : MAX_HANDSHAKE_NS;
    guard->max_connect_ns = params->max_connect_ns != 0 ? params->max_connect_ns : MAX_CONNECT_NS;
    guard->resolver =
        params->resolver != NULL ? g_object_ref(params->resolver) : g_resolver_get_default();
    guard->client = g_socket_client_new();
    g_socket_client_set_enable_proxy(guard->client, FALSE);
    guard->connections = g_ptr_array_new();
    guard->logged_hosts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    guard->errors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    guard->service = g_socket_service_new();
    g_signal_connect(guard->service, "incoming", G_CALLBACK(on_incoming), guard);
    guard->rules = eg_page_rules_new(params->allowed, error);
    if (guard->rules == NULL || !listen_on_loopback(guard, error))
        return NULL;
    g_socket_service_start(guard->service);
    return g_steal_pointer(&guard);
}

void eg_page_guard_free(EgPageGuard *guard)
{
    if (guard == NULL)
        return;
    g_signal_handlers_disconnect_by_data(guard->service, guard);
    g_socket_service_stop(guard->service);
    g_socket_listener_close(G_SOCKET_LISTENER(guard->service));
    while (guard->connections->len > 0)
        close_connection(guard->connections->pdata[0]);
    g_ptr_array_unref(guard->connections);
    g_hash_table_unref(guard->logged_hosts);
    g_hash_table_unref(guard->errors);
    g_object_unref(guard->service);
    g_object_unref(guard->client);
    g_object_unref(guard->resolver);
    eg_page_rules_free(guard->rules);
    g_free(guard->proxy);
    g_free(guard);
}

guint16 eg_page_guard_port(const EgPageGuard *guard)
{
    return guard->port;
}

const char *eg_page_guard_proxy(const EgPageGuard *guard)
{
    return guard->proxy;
}

const char *eg_page_guard_error(const EgPageGuard *guard, const char *host)
{
    g_autofree char *key = g_ascii_strdown(host, -1);
    const char *error = g_hash_table_lookup(guard->errors, key);
    return error != NULL ? error : guard->error;
}

void eg_page_guard_get_stats(const EgPageGuard *guard, EgPageGuardStats *stats)
{
    *stats = guard->stats;
    stats->open = guard->connections->len;
}
