/* Raw sound to a WebSocket (RFC 6455): a binary message for each buffer, and between them a text
 * message where the track is muted or not any more. Pings are answered by libsoup. */
#include <jansson.h>
#include <libsoup/soup.h>

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "proto/redact.h"
#include "sink/sink-class.h"

/* A listener that was lost is looked for that long; what it misses is kept for it. */
#define RETRY_NS         (30 * EG_NS_PER_S)
#define FIRST_BACKOFF_NS (250 * EG_NS_PER_MS)
#define MAX_BACKOFF_NS   (4 * EG_NS_PER_S)
#define CONNECT_NS       (10 * EG_NS_PER_S)
#define CLOSE_NS         (5 * EG_NS_PER_S)

/* Of S16LE, 48 kHz stereo: as much as RETRY_NS holds, and some. */
#define MAX_HELD_BYTES (8 * 1024 * 1024)

/* Pings go out in this interval, behind what is still to be sent; a listener that answers none for
 * that long does not take what it is sent. */
#define PING_INTERVAL_S 5
#define SILENT_NS       (20 * EG_NS_PER_S)

typedef enum {
    STATE_NONE,
    STATE_CONNECTING,
    STATE_OPEN,
    STATE_WAITING, /* for the next try */
    STATE_CLOSING, /* drained: for the other side's goodbye */
    STATE_ENDED,
} State;

typedef struct {
    EgSink base;
    State state;
    GUri *uri;
    char *name; /* for people: the URL without its secrets */
    SoupSession *session;
    GCancellable *cancellable; /* of the try to connect */
    SoupWebsocketConnection *socket;
    EgTimer *timer;       /* the deadline of the state */
    EgTimer *alive_timer; /* looks whether pings are answered */
    GQueue held;          /* Message: what could not be sent yet */
    gsize held_bytes;
    GQueue marks;    /* Mark: of instants that sound has not come to yet */
    gint64 lost_ns;  /* when the connection was lost; 0: it never was */
    gint64 alive_ns; /* when the listener was last heard of */
    gint64 backoff_ns;
    GError *error; /* of the last try */
    EgSinkStats stats;
    gint64 first_ns; /* PTS */
    bool has_first;
    bool has_connected;
    bool is_muted; /* at the place in the sound that has been sent */
    bool is_draining;
} WebSocket;

typedef struct {
    GBytes *sound; /* NULL: says whether it is muted from here on */
    bool is_muted;
} Message;

typedef struct {
    gint64 from_ns; /* PTS */
    bool is_muted;
} Mark;

/* What runs in the background may end after the sink is gone. */
typedef struct {
    WebSocket *sink; /* not owned; gone if cancelled */
    GCancellable *cancellable;
} Attempt;

static void end_with(WebSocket *sink, GError *error)
{
    g_autoptr(GError) own = error;
    sink->state = STATE_ENDED;
    eg_timer_clear(sink->timer);
    eg_timer_clear(sink->alive_timer);
    eg_sink_tell_ended(sink, error);
}

static void drop_socket(WebSocket *sink)
{
    if (sink->socket == NULL)
        return;
    g_signal_handlers_disconnect_by_data(sink->socket, sink);
    g_io_stream_close(soup_websocket_connection_get_io_stream(sink->socket), NULL, NULL);
    g_clear_object(&sink->socket);
}

/* `cause` may be NULL: closed in order. Tries again while there is time. */
static void lose(WebSocket *sink, const GError *cause)
{
    gint64 now_ns = eg_now_ns();
    drop_socket(sink);
    eg_timer_clear(sink->alive_timer);
    if (sink->lost_ns == 0)
        sink->lost_ns = now_ns;
    const char *text = cause != NULL ? cause->message : "the listener has closed it";
    if (!sink->has_connected || now_ns - sink->lost_ns >= RETRY_NS) {
        GError *error = NULL;
        eg_error_set(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION, "%s to %s: %s",
                     sink->has_connected ? "connection lost" : "cannot connect", sink->name, text);
        end_with(sink, error);
        return;
    }
    if (sink->state == STATE_OPEN)
        eg_warn(sink->base.log, "connection to listener lost, trying again",
                EG_STR("url", sink->name), EG_STR("error", text));
    sink->state = STATE_WAITING;
    eg_timer_set_after(sink->timer, sink->backoff_ns);
    sink->backoff_ns = MIN(2 * sink->backoff_ns, MAX_BACKOFF_NS);
}

static void send_muted(WebSocket *sink)
{
    json_t *message = json_pack("{s:b}", "muted", (int)sink->is_muted);
    char *json = json_dumps(message, JSON_COMPACT);
    soup_websocket_connection_send_text(sink->socket, json);
    free(json);
    json_decref(message);
}

static void free_message(gpointer data)
{
    Message *message = data;
    g_clear_pointer(&message->sound, g_bytes_unref);
    g_free(message);
}

/* Out of the queue; a mark counts from here on, sent or not. */
static Message *take_message(WebSocket *sink)
{
    Message *message = g_queue_pop_head(&sink->held);
    if (message->sound != NULL)
        sink->held_bytes -= g_bytes_get_size(message->sound);
    else
        sink->is_muted = message->is_muted;
    return message;
}

static void send_held(WebSocket *sink)
{
    while (sink->state == STATE_OPEN && !g_queue_is_empty(&sink->held)) {
        Message *message = take_message(sink);
        if (message->sound != NULL)
            soup_websocket_connection_send_message(sink->socket, SOUP_WEBSOCKET_DATA_BINARY,
                                                   message->sound);
        else
            send_muted(sink);
        free_message(message);
    }
}

/* `sound` is (transfer full), NULL for a mark. The oldest goes when there is too much. */
static void hold(WebSocket *sink, GBytes *sound, bool is_muted)
{
    Message *message = g_new(Message, 1);
    *message = (Message){.sound = sound, .is_muted = is_muted};
    g_queue_push_tail(&sink->held, message);
    sink->held_bytes += sound != NULL ? g_bytes_get_size(sound) : 0;
    while (sink->held_bytes > MAX_HELD_BYTES)
        free_message(take_message(sink));
}

/* Those of before the instant. */
static void hold_marks(WebSocket *sink, gint64 until_ns)
{
    Mark *mark;
    while ((mark = g_queue_peek_head(&sink->marks)) != NULL && mark->from_ns <= until_ns) {
        hold(sink, NULL, mark->is_muted);
        g_free(g_queue_pop_head(&sink->marks));
    }
}

static void close_in_order(WebSocket *sink)
{
    sink->state = STATE_CLOSING;
    eg_timer_clear(sink->alive_timer);
    eg_timer_set_after(sink->timer, CLOSE_NS);
    soup_websocket_connection_close(sink->socket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
}

static void on_pong(SoupWebsocketConnection *socket, GBytes *bytes, gpointer user)
{
    (void)socket;
    (void)bytes;
    ((WebSocket *)user)->alive_ns = eg_now_ns();
}

static void on_alive_due(gpointer user)
{
    WebSocket *sink = user;
    if (eg_now_ns() - sink->alive_ns < SILENT_NS) {
        eg_timer_set(sink->alive_timer, sink->alive_ns + SILENT_NS);
        return;
    }
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION,
                 "the listener does not answer any more");
    lose(sink, error);
}

/* May come from inside a call that sends; `closed` follows from the loop. */
static void on_socket_error(SoupWebsocketConnection *socket, GError *error, gpointer user)
{
    (void)socket;
    WebSocket *sink = user;
    g_clear_error(&sink->error);
    sink->error = g_error_copy(error);
}

static void on_socket_closed(SoupWebsocketConnection *socket, gpointer user)
{
    (void)socket;
    WebSocket *sink = user;
    if (sink->state == STATE_CLOSING)
        end_with(sink, NULL);
    else if (sink->state == STATE_OPEN)
        lose(sink, sink->error);
}

static void open_stream(WebSocket *sink, SoupWebsocketConnection *socket)
{
    sink->socket = socket;
    sink->state = STATE_OPEN;
    sink->alive_ns = eg_now_ns();
    sink->lost_ns = 0;
    sink->backoff_ns = FIRST_BACKOFF_NS;
    g_clear_error(&sink->error);
    eg_timer_clear(sink->timer);
    soup_websocket_connection_set_keepalive_interval(socket, PING_INTERVAL_S);
    g_signal_connect(socket, "pong", G_CALLBACK(on_pong), sink);
    g_signal_connect(socket, "error", G_CALLBACK(on_socket_error), sink);
    g_signal_connect(socket, "closed", G_CALLBACK(on_socket_closed), sink);
    eg_timer_set_after(sink->alive_timer, SILENT_NS);
    eg_info(sink->base.log, sink->has_connected ? "listener is back" : "listener connected",
            EG_STR("url", sink->name));
    sink->has_connected = true;
    if (sink->is_muted)
        send_muted(sink);
    send_held(sink);
    if (sink->is_draining)
        close_in_order(sink);
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer user)
{
    Attempt *attempt = user;
    g_autoptr(GError) error = NULL;
    SoupWebsocketConnection *socket =
        soup_session_websocket_connect_finish(SOUP_SESSION(source), result, &error);
    bool is_over = g_cancellable_is_cancelled(attempt->cancellable);
    WebSocket *sink = attempt->sink;
    g_object_unref(attempt->cancellable);
    g_free(attempt);
    if (is_over) {
        g_clear_object(&socket);
        return;
    }
    g_clear_object(&sink->cancellable);
    if (socket != NULL)
        open_stream(sink, socket);
    else
        lose(sink, error);
}

static void cancel_attempt(WebSocket *sink)
{
    g_cancellable_cancel(sink->cancellable);
    g_clear_object(&sink->cancellable);
}

static void connect_socket(WebSocket *sink)
{
    g_autoptr(SoupMessage) message = soup_message_new_from_uri(SOUP_METHOD_GET, sink->uri);
    soup_message_headers_replace(soup_message_get_request_headers(message), "Content-Type",
                                 "audio/x-raw");
    sink->state = STATE_CONNECTING;
    sink->cancellable = g_cancellable_new();
    Attempt *attempt = g_new(Attempt, 1);
    *attempt = (Attempt){.sink = sink, .cancellable = g_object_ref(sink->cancellable)};
    eg_timer_set_after(sink->timer, CONNECT_NS);
    soup_session_websocket_connect_async(sink->session, message, NULL, NULL, G_PRIORITY_DEFAULT,
                                         sink->cancellable, on_connected, attempt);
}

static void on_due(gpointer user)
{
    WebSocket *sink = user;
    g_autoptr(GError) error = NULL;
    switch (sink->state) {
    case STATE_WAITING:
        connect_socket(sink);
        break;
    case STATE_CONNECTING:
        cancel_attempt(sink);
        eg_error_set(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION, "no answer");
        lose(sink, error);
        break;
    case STATE_CLOSING:
        end_with(sink, NULL);
        break;
    case STATE_NONE:
    case STATE_OPEN:
    case STATE_ENDED:
        break;
    }
}

static bool open_sink(EgSink *base, const EgSinkParams *params, GError **error)
{
    WebSocket *sink = (WebSocket *)base;
    g_autoptr(GError) cause = NULL;
    sink->timer = eg_timer_new(base->loop, on_due, sink);
    sink->alive_timer = eg_timer_new(base->loop, on_alive_due, sink);
    sink->name = eg_redact_url(params->url);
    g_queue_init(&sink->held);
    g_queue_init(&sink->marks);
    sink->uri = g_uri_parse(params->url, SOUP_HTTP_URI_FLAGS, &cause);
    if (sink->uri == NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "invalid url %s: %s",
                     sink->name, cause->message);
        return false;
    }
    sink->session = soup_session_new_with_options("timeout", 0, NULL);
    sink->backoff_ns = FIRST_BACKOFF_NS;
    connect_socket(sink);
    return true;
}

static void count(WebSocket *sink, GstBuffer *frame)
{
    gint64 pts_ns = eg_frame_pts(frame);
    if (!sink->has_first)
        sink->first_ns = pts_ns;
    sink->has_first = true;
    sink->stats.size_bytes += gst_buffer_get_size(frame);
    if (GST_BUFFER_DURATION_IS_VALID(frame))
        sink->stats.duration_ns = pts_ns + (gint64)GST_BUFFER_DURATION(frame) - sink->first_ns;
}

static GBytes *bytes_of(GstBuffer *frame)
{
    gpointer data = NULL;
    gsize size_bytes = 0;
    gst_buffer_extract_dup(frame, 0, gst_buffer_get_size(frame), &data, &size_bytes);
    return g_bytes_new_take(data, size_bytes);
}

static void push(EgSink *base, EgMedia media, GstBuffer *frame)
{
    WebSocket *sink = (WebSocket *)base;
    if (media == EG_MEDIA_AUDIO && sink->state != STATE_ENDED) {
        count(sink, frame);
        hold_marks(sink, eg_frame_pts(frame));
        hold(sink, bytes_of(frame), false);
        send_held(sink);
    }
    gst_buffer_unref(frame);
}

static void set_muted(EgSink *base, bool is_muted, gint64 from_ns)
{
    WebSocket *sink = (WebSocket *)base;
    Mark *mark = g_new(Mark, 1);
    *mark = (Mark){.from_ns = from_ns, .is_muted = is_muted};
    g_queue_push_tail(&sink->marks, mark);
}

static void drain(EgSink *base)
{
    WebSocket *sink = (WebSocket *)base;
    sink->is_draining = true;
    hold_marks(sink, G_MAXINT64);
    send_held(sink);
    if (sink->state == STATE_OPEN)
        close_in_order(sink);
}

static void get_stats(const EgSink *base, EgSinkStats *stats)
{
    *stats = ((const WebSocket *)base)->stats;
}

static void free_sink(EgSink *base)
{
    WebSocket *sink = (WebSocket *)base;
    cancel_attempt(sink);
    drop_socket(sink);
    eg_timer_free(sink->timer);
    eg_timer_free(sink->alive_timer);
    g_queue_clear_full(&sink->held, free_message);
    g_queue_clear_full(&sink->marks, g_free);
    g_clear_object(&sink->session);
    g_clear_error(&sink->error);
    g_clear_pointer(&sink->uri, g_uri_unref);
    g_free(sink->name);
}

const EgSinkClass eg_sink_websocket = {
    .name = "websocket",
    .instance_bytes = sizeof(WebSocket),
    .open = open_sink,
    .push = push,
    .set_muted = set_muted,
    .drain = drain,
    .get_stats = get_stats,
    .free = free_sink,
};
