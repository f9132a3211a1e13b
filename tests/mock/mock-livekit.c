#include "mock/mock-livekit.h"

#include "base/time.h"

#include <libsoup/soup.h>

#define PATIENCE_NS (10 * EG_NS_PER_S)

struct _MockLivekit {
    EgLoop *loop;
    SoupServer *soup;
    char *url;
    SoupWebsocketConnection *socket;
    guint n_accepted;
    guint n_seen; /* of them by the test */
    guint n_requests;
    guint n_pings;
    bool is_closed;
    GHashTable *query;
    char *authorization;
    guint refuse_status;
    char *refuse_body;
    GQueue received; /* of Livekit__SignalRequest * */
};

static void mark(gpointer user)
{
    *(bool *)user = true;
}

void mock_run_until(EgLoop *loop, bool (*is_done)(gpointer user), gpointer user)
{
    bool is_late = false;
    g_autoptr(EgTimer) timer = eg_timer_new(loop, mark, &is_late);
    eg_timer_set_after(timer, PATIENCE_NS);
    while (!is_done(user)) {
        g_assert_false(is_late);
        eg_loop_iterate(loop, true);
    }
}

static void on_message(SoupWebsocketConnection *socket, gint type, GBytes *bytes, gpointer user)
{
    (void)socket;
    MockLivekit *server = user;
    g_assert_cmpint(type, ==, SOUP_WEBSOCKET_DATA_BINARY);
    Livekit__SignalRequest *request = livekit__signal_request__unpack(
        NULL, g_bytes_get_size(bytes), g_bytes_get_data(bytes, NULL));
    g_assert_nonnull(request);
    if (request->message_case == LIVEKIT__SIGNAL_REQUEST__MESSAGE_PING_REQ) {
        server->n_pings++;
        livekit__signal_request__free_unpacked(request, NULL);
        return;
    }
    g_queue_push_tail(&server->received, request);
}

static void on_closed(SoupWebsocketConnection *socket, gpointer user)
{
    MockLivekit *server = user;
    if (soup_websocket_connection_get_close_code(socket) == SOUP_WEBSOCKET_CLOSE_NORMAL)
        server->is_closed = true;
}

static void drop_socket(MockLivekit *server)
{
    if (server->socket != NULL)
        g_signal_handlers_disconnect_by_data(server->socket, server);
    g_clear_object(&server->socket);
}

static void on_websocket(SoupServer *soup, SoupServerMessage *message, const char *path,
                         SoupWebsocketConnection *socket, gpointer user)
{
    (void)soup;
    (void)message;
    (void)path;
    MockLivekit *server = user;
    drop_socket(server);
    server->socket = g_object_ref(socket);
    server->is_closed = false;
    server->n_accepted++;
    g_signal_connect(socket, "message", G_CALLBACK(on_message), server);
    g_signal_connect(socket, "closed", G_CALLBACK(on_closed), server);
}

static void note_request(MockLivekit *server, SoupServerMessage *message)
{
    GUri *uri = soup_server_message_get_uri(message);
    g_clear_pointer(&server->query, g_hash_table_unref);
    server->query = soup_form_decode(g_uri_get_query(uri) != NULL ? g_uri_get_query(uri) : "");
    g_free(server->authorization);
    server->authorization = g_strdup(soup_message_headers_get_one(
        soup_server_message_get_request_headers(message), "Authorization"));
}

static void refuse(MockLivekit *server, SoupServerMessage *message)
{
    soup_server_message_set_status(message, server->refuse_status, NULL);
    soup_server_message_set_response(message, "text/plain", SOUP_MEMORY_COPY, server->refuse_body,
                                     strlen(server->refuse_body));
}

/* Before the handshake. */
static void on_request(SoupServer *soup, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    (void)soup;
    (void)query;
    MockLivekit *server = user;
    if (g_str_has_suffix(path, "/rtc"))
        server->n_requests++;
    note_request(server, message);
    if (server->refuse_status != 0)
        refuse(server, message);
}

MockLivekit *mock_livekit_new(EgLoop *loop)
{
    MockLivekit *server = g_new0(MockLivekit, 1);
    server->loop = loop;
    server->soup = soup_server_new(NULL, NULL);
    soup_server_add_early_handler(server->soup, NULL, on_request, server, NULL);
    soup_server_add_websocket_handler(server->soup, NULL, NULL, NULL, on_websocket, server, NULL);
    g_autoptr(GError) error = NULL;
    soup_server_listen_local(server->soup, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
    g_assert_no_error(error);
    GSList *uris = soup_server_get_uris(server->soup);
    server->url = g_strdup_printf("ws://127.0.0.1:%d", g_uri_get_port(uris->data));
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    return server;
}

void mock_livekit_free(MockLivekit *server)
{
    if (server == NULL)
        return;
    drop_socket(server);
    soup_server_disconnect(server->soup);
    g_object_unref(server->soup);
    g_clear_pointer(&server->query, g_hash_table_unref);
    while (!g_queue_is_empty(&server->received))
        livekit__signal_request__free_unpacked(g_queue_pop_head(&server->received), NULL);
    g_free(server->url);
    g_free(server->authorization);
    g_free(server->refuse_body);
    g_free(server);
}

const char *mock_livekit_url(MockLivekit *server)
{
    return server->url;
}

static bool has_accepted(gpointer user)
{
    const MockLivekit *server = user;
    return server->n_accepted > server->n_seen;
}

void mock_livekit_accept(MockLivekit *server)
{
    mock_run_until(server->loop, has_accepted, server);
    server->n_seen++;
}

const char *mock_livekit_query(MockLivekit *server, const char *name)
{
    return server->query != NULL ? g_hash_table_lookup(server->query, name) : NULL;
}

const char *mock_livekit_authorization(MockLivekit *server)
{
    return server->authorization;
}

guint mock_livekit_requests(MockLivekit *server)
{
    return server->n_requests;
}

void mock_livekit_refuse(MockLivekit *server, guint status, const char *body)
{
    server->refuse_status = status;
    g_free(server->refuse_body);
    server->refuse_body = g_strdup(body);
}

void mock_livekit_send_raw(MockLivekit *server, const void *data, gsize size_bytes)
{
    g_assert_nonnull(server->socket);
    soup_websocket_connection_send_binary(server->socket, data, size_bytes);
}

void mock_livekit_send(MockLivekit *server, const Livekit__SignalResponse *response)
{
    g_autofree guint8 *data = g_malloc(livekit__signal_response__get_packed_size(response));
    mock_livekit_send_raw(server, data, livekit__signal_response__pack(response, data));
}

static bool has_received(gpointer user)
{
    return !g_queue_is_empty(&((MockLivekit *)user)->received);
}

Livekit__SignalRequest *mock_livekit_receive(MockLivekit *server,
                                             Livekit__SignalRequest__MessageCase kind)
{
    mock_run_until(server->loop, has_received, server);
    Livekit__SignalRequest *request = g_queue_pop_head(&server->received);
    g_assert_cmpint(request->message_case, ==, kind);
    return request;
}

guint mock_livekit_pending(MockLivekit *server)
{
    return server->received.length;
}

guint mock_livekit_pings(MockLivekit *server)
{
    return server->n_pings;
}

static bool is_closed(gpointer user)
{
    return ((MockLivekit *)user)->is_closed;
}

void mock_livekit_wait_closed(MockLivekit *server)
{
    mock_run_until(server->loop, is_closed, server);
}

void mock_livekit_cut(MockLivekit *server)
{
    GIOStream *stream = soup_websocket_connection_get_io_stream(server->socket);
    g_autoptr(GIOStream) base = NULL;
    if (G_IS_SOCKET_CONNECTION(stream))
        base = g_object_ref(stream);
    else
        g_object_get(stream, "base-iostream", &base, NULL);
    g_socket_shutdown(g_socket_connection_get_socket(G_SOCKET_CONNECTION(base)), TRUE, TRUE, NULL);
    drop_socket(server);
}

void mock_livekit_stop_listening(MockLivekit *server)
{
    drop_socket(server);
    soup_server_disconnect(server->soup);
}
