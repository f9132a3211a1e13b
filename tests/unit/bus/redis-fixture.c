#include "unit/bus/redis-fixture.h"

#include "base/time.h"

#include <gio/gio.h>
#include <string.h>

#define PATIENCE_NS (60 * EG_NS_PER_S)

static void end_if(Fixture *fixture, const char *event)
{
    if (g_strcmp0(fixture->free_at, event) != 0)
        return;
    g_clear_pointer(&fixture->redis, eg_redis_free);
    fixture->n_freed++;
}

static void on_connected(gpointer user)
{
    Fixture *fixture = user;
    fixture->n_connected++;
    g_assert_true(eg_redis_is_connected(fixture->redis));
    end_if(fixture, "connected");
}

static void keep_error(Fixture *fixture, const GError *error)
{
    g_assert_false(eg_redis_is_connected(fixture->redis));
    g_assert_true(eg_error_is_retryable(error));
    g_test_message("%s", error->message);
    g_clear_error(&fixture->error);
    fixture->error = g_error_copy(error);
}

static void on_disconnected(gpointer user, const GError *error)
{
    Fixture *fixture = user;
    fixture->n_disconnected++;
    keep_error(fixture, error);
    end_if(fixture, "disconnected");
}

static void on_unreachable(gpointer user, const GError *error)
{
    Fixture *fixture = user;
    fixture->n_unreachable++;
    keep_error(fixture, error);
    end_if(fixture, "unreachable");
}

void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->loop = eg_loop_new();
    fixture->config.max_redirects = 2;
    /* Nothing is late but what a test makes late. */
    fixture->config.dial_timeout_ns = PATIENCE_NS / 2;
}

void fixture_tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    eg_redis_free(fixture->redis);
    while (eg_loop_iterate(fixture->loop, false))
        ;
    eg_loop_free(fixture->loop);
    g_clear_error(&fixture->error);
}

void fixture_open(Fixture *fixture)
{
    static const EgRedisEvents events = {
        .connected = on_connected,
        .disconnected = on_disconnected,
        .unreachable = on_unreachable,
    };
    g_autoptr(GError) error = NULL;
    fixture->redis = eg_redis_new(fixture->loop, &fixture->config, NULL, &events, fixture, &error);
    g_assert_no_error(error);
    g_assert_false(eg_redis_is_connected(fixture->redis));
}

void fixture_connect(Fixture *fixture, const char *address)
{
    fixture->config.address = (char *)address;
    fixture_open(fixture);
    fixture_wait(fixture, &fixture->n_connected, 1);
}

static void mark(gpointer user)
{
    *(bool *)user = true;
}

void fixture_wait(Fixture *fixture, const guint *counter, guint n)
{
    bool is_late = false;
    g_autoptr(EgTimer) timer = eg_timer_new(fixture->loop, mark, &is_late);
    eg_timer_set_after(timer, PATIENCE_NS);
    while (*counter < n) {
        if (is_late)
            g_error("still waiting; the last error: %s",
                    fixture->error != NULL ? fixture->error->message : "none");
        eg_loop_iterate(fixture->loop, true);
    }
}

void fixture_expect_unreachable(Fixture *fixture, EgErrorCode code, const char *text)
{
    fixture_open(fixture);
    for (guint i = 1; i <= 2; i++) {
        fixture_wait(fixture, &fixture->n_unreachable, i);
        g_assert_cmpuint(fixture->n_connected, ==, 0);
        g_assert_error(fixture->error, EG_ERROR, (int)code);
        if (strstr(fixture->error->message, text) == NULL)
            g_error("'%s' is not in '%s'", text, fixture->error->message);
    }
}

static void end_listener_if(Listener *listener, const char *event)
{
    if (g_strcmp0(listener->end_at, event) == 0) {
        g_clear_pointer(&listener->subscription, eg_redis_unsubscribe);
        g_clear_pointer(&listener->also, eg_redis_unsubscribe);
    }
    end_if(listener->fixture, event);
}

static void on_subscribed(gpointer user)
{
    Listener *listener = user;
    listener->n_subscribed++;
    end_listener_if(listener, "subscribed");
}

static void on_message(gpointer user, GBytes *payload)
{
    Listener *listener = user;
    g_assert_cmpuint(listener->n_subscribed, >, 0);
    listener->n_messages++;
    g_free(listener->last);
    gsize size_bytes = 0;
    const char *data = g_bytes_get_data(payload, &size_bytes);
    listener->last = g_strndup(data != NULL ? data : "", size_bytes);
    end_listener_if(listener, "message");
}

void listener_add(Listener *listener, Fixture *fixture, const char *channel)
{
    static const EgRedisSubscriber events = {.subscribed = on_subscribed, .message = on_message};
    listener->fixture = fixture;
    listener->subscription = eg_redis_subscribe(fixture->redis, channel, &events, listener);
    g_assert_cmpuint(listener->n_subscribed, ==, 0);
}

void listener_start(Listener *listener, Fixture *fixture, const char *channel)
{
    listener_add(listener, fixture, channel);
    fixture_wait(fixture, &listener->n_subscribed, 1);
}

void listener_stop(Listener *listener)
{
    g_clear_pointer(&listener->subscription, eg_redis_unsubscribe);
    g_clear_pointer(&listener->last, g_free);
}

void listener_expect(Listener *listener, RedisServer *server, const char *channel,
                     const char *message)
{
    const guint n = listener->n_messages;
    g_assert_cmpuint(redis_server_publish(server, channel, message), <=, 1);
    fixture_wait(listener->fixture, &listener->n_messages, n + 1);
    g_assert_cmpstr(listener->last, ==, message);
}

static void on_lock(gpointer user, bool is_acquired)
{
    Fixture *fixture = user;
    fixture->n_locks++;
    fixture->is_acquired = is_acquired;
    end_if(fixture, "lock");
}

void fixture_ask_lock(Fixture *fixture, const char *key)
{
    const guint n = fixture->n_locks;
    eg_redis_lock(fixture->redis, key, 60, on_lock, fixture);
    g_assert_cmpuint(fixture->n_locks, ==, n);
}

bool fixture_lock(Fixture *fixture, const char *key)
{
    const guint n = fixture->n_locks;
    fixture_ask_lock(fixture, key);
    fixture_wait(fixture, &fixture->n_locks, n + 1);
    g_assert_cmpuint(fixture->n_locks, ==, n + 1);
    return fixture->is_acquired;
}

struct _FakeServer {
    GSocketService *service;
    GCancellable *cancellable; /* of what goes on when it ends */
    const char *const *replies;
    char *address;
};

typedef struct {
    const char *const *next; /* reply */
    GSocketConnection *connection;
    GCancellable *cancellable;
    char told[4096];
} Conversation;

static void listen_on(Conversation *conversation);

static void hang_up(Conversation *conversation)
{
    g_object_unref(conversation->connection);
    g_object_unref(conversation->cancellable);
    g_free(conversation);
}

static void on_answered(GObject *stream, GAsyncResult *result, gpointer user)
{
    Conversation *conversation = user;
    conversation->next++;
    if (g_output_stream_write_all_finish(G_OUTPUT_STREAM(stream), result, NULL, NULL) &&
        !g_cancellable_is_cancelled(conversation->cancellable))
        listen_on(conversation);
    else
        hang_up(conversation);
}

static void on_told(GObject *stream, GAsyncResult *result, gpointer user)
{
    Conversation *conversation = user;
    const gssize n = g_input_stream_read_finish(G_INPUT_STREAM(stream), result, NULL);
    if (n <= 0 || g_cancellable_is_cancelled(conversation->cancellable) ||
        *conversation->next == NULL) {
        hang_up(conversation);
        return;
    }
    g_output_stream_write_all_async(
        g_io_stream_get_output_stream(G_IO_STREAM(conversation->connection)), *conversation->next,
        strlen(*conversation->next), G_PRIORITY_DEFAULT, conversation->cancellable, on_answered,
        conversation);
}

static void listen_on(Conversation *conversation)
{
    g_input_stream_read_async(g_io_stream_get_input_stream(G_IO_STREAM(conversation->connection)),
                              conversation->told, sizeof(conversation->told), G_PRIORITY_DEFAULT,
                              NULL, on_told, conversation);
}

static gboolean on_incoming(GSocketService *service, GSocketConnection *connection, GObject *source,
                            gpointer user)
{
    (void)service;
    (void)source;
    FakeServer *fake = user;
    Conversation *conversation = g_new0(Conversation, 1);
    conversation->next = fake->replies;
    conversation->connection = g_object_ref(connection);
    conversation->cancellable = g_object_ref(fake->cancellable);
    listen_on(conversation);
    return TRUE;
}

FakeServer *fake_server_new(const char *const *replies)
{
    FakeServer *fake = g_new0(FakeServer, 1);
    fake->replies = replies;
    fake->cancellable = g_cancellable_new();
    fake->service = g_socket_service_new();
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) actual = NULL;
    g_autoptr(GError) error = NULL;
    g_socket_listener_add_address(G_SOCKET_LISTENER(fake->service), any, G_SOCKET_TYPE_STREAM,
                                  G_SOCKET_PROTOCOL_TCP, NULL, &actual, &error);
    g_assert_no_error(error);
    fake->address = g_strdup_printf("127.0.0.1:%u",
                                    g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(actual)));
    g_signal_connect(fake->service, "incoming", G_CALLBACK(on_incoming), fake);
    g_socket_service_start(fake->service);
    return fake;
}

const char *fake_server_address(const FakeServer *fake)
{
    return fake->address;
}

void fake_server_free(FakeServer *fake)
{
    g_signal_handlers_disconnect_by_data(fake->service, fake);
    g_cancellable_cancel(fake->cancellable);
    g_object_unref(fake->cancellable);
    g_socket_service_stop(fake->service);
    g_socket_listener_close(G_SOCKET_LISTENER(fake->service));
    g_object_unref(fake->service);
    g_free(fake->address);
    g_free(fake);
}
