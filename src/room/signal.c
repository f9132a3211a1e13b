#include "room/signal.h"

#include "base/error.h"
#include "base/time.h"
#include "room/signal-url.h"

#include <libsoup/soup.h>

/* The largest message is the join response of a big room: some kilobytes per participant. */
#define MAX_MESSAGE_BYTES (16 * 1024 * 1024)
#define MAX_REASON_BYTES  4096

typedef enum {
    SIGNAL_NONE,
    SIGNAL_CONNECTING, /* also while a refusal's reason is asked for */
    SIGNAL_OPEN,       /* the handshake is made; nothing has come yet */
    SIGNAL_LIVE,
    SIGNAL_CLOSED,
} SignalState;

struct _EgSignal {
    /* const after new */
    EgLoop *loop;
    const EgLog *log;
    EgSignalEvents events;
    gpointer user;
    GUri *uri; /* NULL: what was given is none */
    char *token;
    gint64 connect_ns;

    SignalState state;
    SoupSession *session;
    GCancellable *cancellable;
    SoupWebsocketConnection *socket;
    EgTimer *deadline_timer;
    EgTimer *ping_timer;
    GError *error; /* why it will be closed */
    gint64 ping_interval_ns;
    gint64 ping_timeout_ns;
    gint64 received_at_ns;
    gint64 round_trip_ms;
};

/* What runs in the background may end after the signal is gone. */
typedef struct {
    EgSignal *signal; /* not owned, valid unless cancelled */
    GCancellable *cancellable;
    SoupMessage *message;
    GInputStream *body;
} Request;

static Request *request_new(EgSignal *signal, SoupMessage *message)
{
    Request *request = g_new0(Request, 1);
    request->signal = signal;
    request->cancellable = g_object_ref(signal->cancellable);
    request->message = message;
    return request;
}

static void request_free(Request *request)
{
    g_clear_object(&request->body);
    g_object_unref(request->cancellable);
    g_object_unref(request->message);
    g_free(request);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Request, request_free)

static bool request_is_cancelled(const Request *request)
{
    return g_cancellable_is_cancelled(request->cancellable);
}

/* The server's close frame is waited for by libsoup (for 5 s at most); until then the connection
 * belongs to itself. */
static void on_farewell(SoupWebsocketConnection *socket, gpointer user)
{
    (void)user;
    g_object_unref(socket);
}

static void close_socket(EgSignal *signal)
{
    if (signal->socket == NULL)
        return;
    SoupWebsocketConnection *socket = g_steal_pointer(&signal->socket);
    g_signal_handlers_disconnect_by_data(socket, signal);
    if (soup_websocket_connection_get_state(socket) == SOUP_WEBSOCKET_STATE_CLOSED) {
        g_object_unref(socket);
        return;
    }
    g_signal_connect(socket, "closed", G_CALLBACK(on_farewell), NULL);
    if (soup_websocket_connection_get_state(socket) == SOUP_WEBSOCKET_STATE_OPEN)
        soup_websocket_connection_close(socket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
}

/* Last: the signal may be gone after it. */
static void fail(EgSignal *signal, GError *error)
{
    g_autoptr(GError) own = error;
    g_assert(signal->state != SIGNAL_CLOSED);
    signal->state = SIGNAL_CLOSED;
    g_cancellable_cancel(signal->cancellable);
    eg_timer_clear(signal->deadline_timer);
    eg_timer_clear(signal->ping_timer);
    close_socket(signal);
    signal->events.closed(signal->user, own);
}

static void on_deadline(gpointer user)
{
    EgSignal *signal = user;
    GError *error = g_steal_pointer(&signal->error);
    if (error == NULL) {
        g_autofree char *address = eg_signal_uri_describe(signal->uri);
        eg_error_set_retryable(&error, EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_SERVICE,
                               signal->state == SIGNAL_OPEN ? "%s does not answer after connecting"
                                                            : "cannot reach %s: no answer",
                               address);
    }
    fail(signal, error);
}

static void on_ping_timer(gpointer user)
{
    EgSignal *signal = user;
    const gint64 now_ns = eg_now_ns();
    if (now_ns - signal->received_at_ns >= signal->ping_timeout_ns) {
        GError *error = NULL;
        eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "the server does not answer any more");
        fail(signal, error);
        return;
    }
    Livekit__Ping ping = LIVEKIT__PING__INIT;
    ping.timestamp = eg_wall_now_ns() / EG_NS_PER_MS;
    ping.rtt = signal->round_trip_ms;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ;
    request.ping_req = &ping;
    eg_signal_send(signal, &request);
    eg_timer_set(signal->ping_timer, MIN(now_ns + signal->ping_interval_ns,
                                         signal->received_at_ns + signal->ping_timeout_ns));
}

static void on_message(SoupWebsocketConnection *socket, gint type, GBytes *bytes, gpointer user)
{
    (void)socket;
    EgSignal *signal = user;
    signal->received_at_ns = eg_now_ns();
    gsize size_bytes = 0;
    const guint8 *data = g_bytes_get_data(bytes, &size_bytes);
    Livekit__SignalResponse *response =
        type == SOUP_WEBSOCKET_DATA_BINARY
            ? livekit__signal_response__unpack(NULL, size_bytes, data)
            : NULL;
    if (response == NULL) {
        eg_warn(signal->log, "malformed signalling message ignored", EG_INT("bytes", size_bytes));
        return;
    }
    if (signal->state == SIGNAL_OPEN) {
        signal->state = SIGNAL_LIVE;
        eg_timer_clear(signal->deadline_timer);
    }
    if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP)
        signal->round_trip_ms =
            eg_wall_now_ns() / EG_NS_PER_MS - response->pong_resp->last_ping_timestamp;
    signal->events.message(signal->user, response);
    livekit__signal_response__free_unpacked(response, NULL);
}

/* May come from inside a call that sends; `closed` follows from the loop. */
static void on_socket_error(SoupWebsocketConnection *socket, GError *error, gpointer user)
{
    (void)socket;
    EgSignal *signal = user;
    if (signal->error == NULL)
        eg_error_set_retryable(&signal->error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "the connection to the server broke: %s", error->message);
}

static void on_socket_closed(SoupWebsocketConnection *socket, gpointer user)
{
    (void)socket;
    EgSignal *signal = user;
    GError *error = g_steal_pointer(&signal->error);
    if (error == NULL)
        eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "the server has closed the connection");
    fail(signal, error);
}

static void on_reason_read(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(Request) request = user;
    g_autoptr(GBytes) bytes =
        g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, NULL);
    if (request_is_cancelled(request))
        return;
    EgSignal *signal = request->signal;
    g_autofree char *body = bytes != NULL && g_bytes_get_size(bytes) > 0
                                ? g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes))
                                : NULL;
    GError *error = NULL;
    eg_signal_error_set_status(&error, signal->uri, soup_message_get_status(request->message), body,
                               signal->token);
    fail(signal, error);
}

static void on_validated(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(Request) request = user;
    request->body = soup_session_send_finish(SOUP_SESSION(source), result, NULL);
    if (request_is_cancelled(request))
        return;
    EgSignal *signal = request->signal;
    const guint status = soup_message_get_status(request->message);
    if (request->body == NULL || SOUP_STATUS_IS_SUCCESSFUL(status)) {
        /* No reason then; what the handshake said is kept in the error. */
        fail(signal, g_steal_pointer(&signal->error));
        return;
    }
    GInputStream *body = request->body;
    GCancellable *cancellable = request->cancellable;
    g_input_stream_read_bytes_async(body, MAX_REASON_BYTES, G_PRIORITY_DEFAULT, cancellable,
                                    on_reason_read, g_steal_pointer(&request));
}

static SoupMessage *message_new(EgSignal *signal, GUri *uri)
{
    SoupMessage *message = soup_message_new_from_uri(SOUP_METHOD_GET, uri);
    g_autofree char *authorization = g_strconcat("Bearer ", signal->token, NULL);
    soup_message_headers_replace(soup_message_get_request_headers(message), "Authorization",
                                 authorization);
    /* The token is for this server alone. */
    soup_message_add_flags(message, SOUP_MESSAGE_NO_REDIRECT | SOUP_MESSAGE_DO_NOT_USE_AUTH_CACHE);
    return message;
}

/* A refused handshake has no body that libsoup would hand out, so the reason is asked for. */
static void ask_reason(EgSignal *signal, guint status)
{
    eg_signal_error_set_status(&signal->error, signal->uri, status, NULL, signal->token);
    g_autoptr(GUri) uri = eg_signal_uri_new_validate(signal->uri);
    SoupMessage *message = message_new(signal, uri);
    soup_session_send_async(signal->session, message, G_PRIORITY_DEFAULT, signal->cancellable,
                            on_validated, request_new(signal, message));
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer user)
{
    g_autoptr(Request) request = user;
    g_autoptr(GError) cause = NULL;
    SoupWebsocketConnection *socket =
        soup_session_websocket_connect_finish(SOUP_SESSION(source), result, &cause);
    if (request_is_cancelled(request)) {
        g_clear_object(&socket);
        return;
    }
    EgSignal *signal = request->signal;
    const guint status = soup_message_get_status(request->message);
    if (socket == NULL && status != SOUP_STATUS_NONE && status != SOUP_STATUS_SWITCHING_PROTOCOLS) {
        ask_reason(signal, status);
        return;
    }
    if (socket == NULL) {
        GError *error = NULL;
        eg_signal_error_set_connect(&error, signal->uri, cause);
        fail(signal, error);
        return;
    }
    signal->socket = socket;
    signal->state = SIGNAL_OPEN;
    soup_websocket_connection_set_max_incoming_payload_size(socket, MAX_MESSAGE_BYTES);
    g_signal_connect(socket, "message", G_CALLBACK(on_message), signal);
    g_signal_connect(socket, "error", G_CALLBACK(on_socket_error), signal);
    g_signal_connect(socket, "closed", G_CALLBACK(on_socket_closed), signal);
    eg_timer_set_after(signal->deadline_timer, signal->connect_ns);
}

static void connect_socket(EgSignal *signal)
{
    /* Direct: media could not follow through an HTTP proxy anyway. No timeout of libsoup's, since
     * there are the deadline and pings. */
    signal->session = soup_session_new_with_options("proxy-resolver", NULL, "timeout", 0, NULL);
    SoupMessage *message = message_new(signal, signal->uri);
    soup_session_websocket_connect_async(signal->session, message, NULL, NULL, G_PRIORITY_DEFAULT,
                                         signal->cancellable, on_connected,
                                         request_new(signal, message));
}

/* It goes into a header as it is. */
static bool check_token(const char *token, GError **error)
{
    for (const char *at = token; *at != '\0'; at++) {
        if (!g_ascii_isgraph(*at)) {
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                         "the token is malformed: it has characters that no token has");
            return false;
        }
    }
    return true;
}

EgSignal *eg_signal_new(EgLoop *loop, const EgLog *log, const EgSignalParams *params,
                        const EgSignalEvents *events, gpointer user)
{
    eg_loop_assert_owner(loop);
    EgSignal *signal = g_new0(EgSignal, 1);
    signal->loop = loop;
    signal->log = log;
    signal->events = *events;
    signal->user = user;
    signal->token = g_strdup(params->token != NULL ? params->token : "");
    signal->connect_ns = params->connect_ns;
    signal->state = SIGNAL_CONNECTING;
    signal->cancellable = g_cancellable_new();
    signal->deadline_timer = eg_timer_new(loop, on_deadline, signal);
    signal->ping_timer = eg_timer_new(loop, on_ping_timer, signal);
    signal->uri = eg_signal_uri_new(params->url, params->resume_sid, &signal->error);
    if (signal->uri != NULL && check_token(signal->token, &signal->error)) {
        connect_socket(signal);
        eg_timer_set_after(signal->deadline_timer, params->connect_ns);
    } else {
        eg_timer_set_after(signal->deadline_timer, 0);
    }
    return signal;
}

void eg_signal_free(EgSignal *signal)
{
    if (signal == NULL)
        return;
    eg_loop_assert_owner(signal->loop);
    g_cancellable_cancel(signal->cancellable);
    close_socket(signal);
    g_clear_object(&signal->session);
    g_object_unref(signal->cancellable);
    eg_timer_free(signal->deadline_timer);
    eg_timer_free(signal->ping_timer);
    g_clear_error(&signal->error);
    g_clear_pointer(&signal->uri, g_uri_unref);
    g_free(signal->token);
    g_free(signal);
}

bool eg_signal_send(EgSignal *signal, const Livekit__SignalRequest *request)
{
    if (signal->socket == NULL ||
        soup_websocket_connection_get_state(signal->socket) != SOUP_WEBSOCKET_STATE_OPEN)
        return false;
    const gsize size_bytes = livekit__signal_request__get_packed_size(request);
    g_autofree guint8 *data = g_malloc(size_bytes);
    livekit__signal_request__pack(request, data);
    soup_websocket_connection_send_binary(signal->socket, data, size_bytes);
    return true;
}

void eg_signal_set_ping(EgSignal *signal, gint64 interval_ns, gint64 timeout_ns)
{
    signal->ping_interval_ns = interval_ns;
    signal->ping_timeout_ns = timeout_ns;
    signal->received_at_ns = eg_now_ns();
    eg_timer_set_after(signal->ping_timer, interval_ns);
}
