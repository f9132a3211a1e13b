#include "mock/http-server.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <string.h>

struct _MockHttp {
    GSocketListener *listener;
    GCancellable *cancellable;
    char *url;
    GThread *acceptor;
    GPtrArray *threads; /* GThread, of the acceptor until it has ended */
    GMutex lock;
    GQueue answers;  /* char */
    GQueue requests; /* char */
    guint n_connections;
};

typedef struct {
    MockHttp *mock;
    GSocketConnection *connection;
} Client;

/* Of the head of a message; 0 if it says nothing. */
static gsize content_length(const char *head)
{
    const char *header = strcasestr(head, "\r\ncontent-length:");
    return header != NULL
               ? (gsize)g_ascii_strtoull(header + strlen("\r\ncontent-length:"), NULL, 10)
               : 0;
}

static bool is_whole(const GString *message)
{
    const char *end = strstr(message->str, "\r\n\r\n");
    return end != NULL &&
           message->len >= (gsize)(end + 4 - message->str) + content_length(message->str);
}

/* One request, or NULL when there are no more. */
static char *read_request(MockHttp *mock, GInputStream *input)
{
    GString *request = g_string_new(NULL);
    while (!is_whole(request)) {
        char piece[4096];
        gssize n = g_input_stream_read(input, piece, sizeof(piece), mock->cancellable, NULL);
        if (n <= 0) {
            g_string_free(request, TRUE);
            return NULL;
        }
        g_string_append_len(request, piece, n);
    }
    return g_string_free(request, FALSE);
}

static char *next_answer(MockHttp *mock, char *request)
{
    g_mutex_lock(&mock->lock);
    g_queue_push_tail(&mock->requests, request);
    char *answer = g_queue_pop_head(&mock->answers);
    g_mutex_unlock(&mock->lock);
    return answer;
}

static gpointer serve(gpointer user)
{
    Client *client = user;
    MockHttp *mock = client->mock;
    GInputStream *input = g_io_stream_get_input_stream(G_IO_STREAM(client->connection));
    GOutputStream *output = g_io_stream_get_output_stream(G_IO_STREAM(client->connection));
    bool goes_on = true;
    for (char *request; goes_on && (request = read_request(mock, input)) != NULL;) {
        g_autofree char *answer = next_answer(mock, request);
        if (answer == NULL)
            continue; /* nothing comes any more until it is closed */
        g_autoptr(GString) sent = g_string_new(answer);
        g_output_stream_write_all(output, sent->str, sent->len, NULL, mock->cancellable, NULL);
        goes_on = strcasestr(answer, "\r\ncontent-length:") != NULL && is_whole(sent);
    }
    g_io_stream_close(G_IO_STREAM(client->connection), NULL, NULL);
    g_object_unref(client->connection);
    g_free(client);
    return NULL;
}

static gpointer accept_all(gpointer user)
{
    MockHttp *mock = user;
    for (GSocketConnection *connection;
         (connection = g_socket_listener_accept(mock->listener, NULL, mock->cancellable, NULL)) !=
         NULL;) {
        Client *client = g_new(Client, 1);
        *client = (Client){mock, connection};
        g_mutex_lock(&mock->lock);
        mock->n_connections++;
        g_mutex_unlock(&mock->lock);
        g_ptr_array_add(mock->threads, g_thread_new("mock-http", serve, client));
    }
    return NULL;
}

MockHttp *mock_http_new(void)
{
    MockHttp *mock = g_new0(MockHttp, 1);
    g_mutex_init(&mock->lock);
    mock->cancellable = g_cancellable_new();
    mock->threads = g_ptr_array_new();
    mock->listener = g_socket_listener_new();
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GError) error = NULL;
    g_socket_listener_add_address(mock->listener, any, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP,
                                  NULL, &address, &error);
    g_assert_no_error(error);
    mock->url = g_strdup_printf("http://127.0.0.1:%u",
                                g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address)));
    mock->acceptor = g_thread_new("mock-http", accept_all, mock);
    return mock;
}

void mock_http_free(MockHttp *mock)
{
    if (mock == NULL)
        return;
    g_cancellable_cancel(mock->cancellable);
    g_thread_join(mock->acceptor);
    for (guint i = 0; i < mock->threads->len; i++)
        g_thread_join(mock->threads->pdata[i]);
    g_ptr_array_unref(mock->threads);
    g_socket_listener_close(mock->listener);
    g_object_unref(mock->listener);
    g_object_unref(mock->cancellable);
    g_queue_clear_full(&mock->answers, g_free);
    g_queue_clear_full(&mock->requests, g_free);
    g_mutex_clear(&mock->lock);
    g_free(mock->url);
    g_free(mock);
}

const char *mock_http_url(const MockHttp *mock)
{
    return mock->url;
}

static void add_answer(MockHttp *mock, char *answer)
{
    g_mutex_lock(&mock->lock);
    g_queue_push_tail(&mock->answers, answer);
    g_mutex_unlock(&mock->lock);
}

void mock_http_answer(MockHttp *mock, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_answer(mock, g_strdup_vprintf(format, args));
    va_end(args);
}

void mock_http_answer_body(MockHttp *mock, const char *head, const char *body)
{
    add_answer(mock, g_strdup_printf("HTTP/1.1 %sContent-Length: %zu\r\n\r\n%s", head, strlen(body),
                                     body));
}

char *mock_http_take(MockHttp *mock)
{
    g_mutex_lock(&mock->lock);
    char *request = g_queue_pop_head(&mock->requests);
    g_mutex_unlock(&mock->lock);
    return request;
}

guint mock_http_connections(MockHttp *mock)
{
    g_mutex_lock(&mock->lock);
    guint n = mock->n_connections;
    g_mutex_unlock(&mock->lock);
    return n;
}
