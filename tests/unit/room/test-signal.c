#include "base/error.h"
#include "base/time.h"
#include "mock/mock-livekit.h"
#include "room/signal-url.h"
#include "room/signal.h"

#include <gio/gio.h>
#include <string.h>

#define JOIN "auto_subscribe=0&adaptive_stream=0&protocol=15&sdk=go&version=2.4.0"

typedef struct {
    EgLoop *loop;
    MockLivekit *server;
    EgSignal *signal;
    GError *error; /* of `closed` */
    guint n_messages;
    gsize size_bytes; /* of the last token that was refreshed */
    bool frees_itself;
} Fixture;

static void on_message(gpointer user, const Livekit__SignalResponse *response)
{
    Fixture *fixture = user;
    fixture->n_messages++;
    if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN)
        fixture->size_bytes = strlen(response->refresh_token);
    if (fixture->frees_itself)
        g_clear_pointer(&fixture->signal, eg_signal_free);
}

static void on_closed(gpointer user, const GError *error)
{
    Fixture *fixture = user;
    g_assert_null(fixture->error);
    fixture->error = g_error_copy(error);
    g_clear_pointer(&fixture->signal, eg_signal_free);
}

static const EgSignalEvents events = {.message = on_message, .closed = on_closed};

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->loop = eg_loop_new();
    fixture->server = mock_livekit_new(fixture->loop);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    eg_signal_free(fixture->signal);
    mock_livekit_free(fixture->server);
    while (eg_loop_iterate(fixture->loop, false))
        ;
    eg_loop_free(fixture->loop);
    g_clear_error(&fixture->error);
}

static void open_at(Fixture *fixture, const char *url, gint64 connect_ns)
{
    const EgSignalParams params = {
        .url = url, .token = "the.secret.token", .connect_ns = connect_ns};
    fixture->signal = eg_signal_new(fixture->loop, NULL, &params, &events, fixture);
}

static void open_signal(Fixture *fixture)
{
    open_at(fixture, mock_livekit_url(fixture->server), 5 * EG_NS_PER_S);
}

static bool is_closed(gpointer user)
{
    return ((Fixture *)user)->error != NULL;
}

static bool has_message(gpointer user)
{
    return ((Fixture *)user)->n_messages > 0;
}

static void wait_closed(Fixture *fixture)
{
    mock_run_until(fixture->loop, is_closed, fixture);
}

static void send_token(Fixture *fixture, gsize size_bytes)
{
    g_autofree char *token = g_strnfill(size_bytes, 'x');
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
    response.refresh_token = token;
    mock_livekit_send(fixture->server, &response);
}

static void wait_message(Fixture *fixture)
{
    fixture->n_messages = 0;
    mock_run_until(fixture->loop, has_message, fixture);
}

static void test_url(void)
{
    static const struct {
        const char *given;
        const char *sid;
        const char *used; /* NULL: an error */
        const char *described;
    } cases[] = {
        {"ws://host:7880",        NULL,    "ws://host:7880/rtc?" JOIN,                       "ws://host:7880"    },
        {"http://host:7880",      NULL,    "ws://host:7880/rtc?" JOIN,                       "ws://host:7880"    },
        {"https://host/",         NULL,    "wss://host/rtc?" JOIN,                           "wss://host:443"    },
        {"wss://host/a/b//",      NULL,    "wss://host/a/b/rtc?" JOIN,                       "wss://host:443/a/b"},
        {"WS://[::1]:81/x?y=1#z", NULL,    "ws://[::1]:81/x/rtc?" JOIN,                      "ws://[::1]:81/x"   },
        {"ws://u:p@host",         NULL,    "ws://host/rtc?" JOIN,                            "ws://host:80"      },
        {"ws://host",             "PA_&1", "ws://host/rtc?" JOIN "&reconnect=1&sid=PA_%261", "ws://host:80"      },
        {"host:7880",             NULL,    NULL,                                             NULL                },
        {"ftp://host",            NULL,    NULL,                                             NULL                },
        {"ws://",                 NULL,    NULL,                                             NULL                },
        {"",                      NULL,    NULL,                                             NULL                },
        {NULL,                    NULL,    NULL,                                             NULL                },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GUri) uri = eg_signal_uri_new(cases[i].given, cases[i].sid, &error);
        if (cases[i].used == NULL) {
            g_assert_null(uri);
            g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
            g_assert_nonnull(strstr(error->message, "ws://host:port"));
            continue;
        }
        g_assert_no_error(error);
        g_autofree char *text = g_uri_to_string(uri);
        g_assert_cmpstr(text, ==, cases[i].used);
        g_autofree char *described = eg_signal_uri_describe(uri);
        g_assert_cmpstr(described, ==, cases[i].described);
    }
}

static void test_status(void)
{
    static const struct {
        guint status;
        const char *body;
        EgErrorCode code;
        bool is_retryable;
        const char *message;
    } cases[] = {
        {401, "invalid API key: k",                                  EG_ERROR_UNAUTHENTICATED,   false,
         "the server refused the token: invalid API key: k (check api key and secret)"                                                                                                   },
        {401, "invalid token: a.b.c, error: token is expired (exp)", EG_ERROR_UNAUTHENTICATED,
         false,                                                                                         "the server refused the token: token is expired (exp) (check api key and secret)"},
        {401, "a.b.c",                                               EG_ERROR_UNAUTHENTICATED,   false,
         "the server refused the token: Unauthorized (check api key and secret)"                                                                                                         },
        {403, NULL,                                                  EG_ERROR_PERMISSION_DENIED, false,
         "the server refused to let us in: Forbidden"                                                                                                                                    },
        {404, "requested room does not exist\nmore",                 EG_ERROR_NOT_FOUND,         false,
         "the server refused to join: requested room does not exist"                                                                                                                     },
        {404, "404 page not found",                                  EG_ERROR_INVALID_ARGUMENT,  false,
         "no LiveKit server at ws://h:1: it answered 404 Not Found"                                                                                                                      },
        {404, "<html>a room</html>",                                 EG_ERROR_INVALID_ARGUMENT,  false,
         "no LiveKit server at ws://h:1: it answered 404 Not Found"                                                                                                                      },
        {200, NULL,                                                  EG_ERROR_INVALID_ARGUMENT,  false,
         "no LiveKit server at ws://h:1: it answered 200 OK"                                                                                                                             },
        {503, "draining",                                            EG_ERROR_UNAVAILABLE,       true,
         "the server at ws://h:1 failed: 503 draining"                                                                                                                                   },
        {502, "<html>",                                              EG_ERROR_UNAVAILABLE,       true,
         "the server at ws://h:1 failed: 502 Bad Gateway"                                                                                                                                },
    };
    g_autoptr(GUri) uri = eg_signal_uri_new("ws://h:1", NULL, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        eg_signal_error_set_status(&error, uri, cases[i].status, cases[i].body, "a.b.c");
        g_assert_error(error, EG_ERROR, (int)cases[i].code);
        g_assert_cmpint(eg_error_is_retryable(error), ==, cases[i].is_retryable);
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

static void test_messages(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    g_assert_false(eg_signal_send(fixture->signal, &request));
    mock_livekit_accept(fixture->server);
    g_assert_cmpstr(mock_livekit_authorization(fixture->server), ==, "Bearer the.secret.token");
    g_assert_null(mock_livekit_query(fixture->server, "reconnect"));
    g_assert_cmpstr(mock_livekit_query(fixture->server, "auto_subscribe"), ==, "0");

    /* More than libsoup takes unasked. */
    send_token(fixture, 300000);
    wait_message(fixture);
    g_assert_cmpuint(fixture->size_bytes, ==, 300000);

    Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE;
    request.trickle = &trickle;
    trickle.candidateinit = (char *)"{}";
    g_assert_true(eg_signal_send(fixture->signal, &request));
    Livekit__SignalRequest *received =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE);
    g_assert_cmpstr(received->trickle->candidateinit, ==, "{}");
    livekit__signal_request__free_unpacked(received, NULL);
}

static void test_malformed(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    mock_livekit_accept(fixture->server);
    mock_livekit_send_raw(fixture->server, "\xff\xff\xff", 3);
    send_token(fixture, 7);
    wait_message(fixture);
    g_assert_cmpuint(fixture->size_bytes, ==, 7);
    g_assert_null(fixture->error);
}

static void test_too_large(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    mock_livekit_accept(fixture->server);
    send_token(fixture, 17 * 1024 * 1024);
    wait_closed(fixture);
    g_assert_cmpuint(fixture->n_messages, ==, 0);
    g_assert_true(eg_error_is_retryable(fixture->error));
}

static void test_freed_in_callback(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    mock_livekit_accept(fixture->server);
    fixture->frees_itself = true;
    send_token(fixture, 1);
    wait_message(fixture);
    g_assert_null(fixture->signal);
    mock_livekit_wait_closed(fixture->server);
}

static void test_freed_while_connecting(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    g_clear_pointer(&fixture->signal, eg_signal_free);
    while (eg_loop_iterate(fixture->loop, false))
        ;
    g_assert_null(fixture->error);
}

/* What was sent last arrives though the loop of the sender never runs again. */
static void test_farewell(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    mock_livekit_accept(fixture->server);
    send_token(fixture, 1);
    wait_message(fixture);
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    request.leave = &leave;
    eg_signal_send(fixture->signal, &request);
    g_clear_pointer(&fixture->signal, eg_signal_free);
    livekit__signal_request__free_unpacked(
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE), NULL);
    mock_livekit_wait_closed(fixture->server);
    g_assert_null(fixture->error);
}

static void test_cut(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    mock_livekit_accept(fixture->server);
    send_token(fixture, 1);
    wait_message(fixture);
    mock_livekit_cut(fixture->server);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_true(eg_error_is_retryable(fixture->error));
}

static void test_refused_token(Fixture *fixture, gconstpointer data)
{
    (void)data;
    mock_livekit_refuse(fixture->server, 401,
                        "invalid token: the.secret.token, error: token is expired (exp)");
    open_signal(fixture);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_UNAUTHENTICATED);
    g_assert_cmpstr(fixture->error->message, ==,
                    "the server refused the token: token is expired (exp) (check api key and "
                    "secret)");
}

static void test_failing_server(Fixture *fixture, gconstpointer data)
{
    (void)data;
    mock_livekit_refuse(fixture->server, 503, "no node is available");
    open_signal(fixture);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_true(eg_error_is_retryable(fixture->error));
    g_assert_nonnull(strstr(fixture->error->message, "503 no node is available"));
}

static void test_connection_refused(Fixture *fixture, gconstpointer data)
{
    (void)data;
    mock_livekit_stop_listening(fixture->server);
    open_signal(fixture);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_false(eg_error_is_retryable(fixture->error));
    g_autofree char *expected =
        g_strdup_printf("cannot reach %s: Connection refused", mock_livekit_url(fixture->server));
    g_assert_cmpstr(fixture->error->message, ==, expected);
}

static void test_bad_arguments(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_at(fixture, "not a url", EG_NS_PER_S);
    g_assert_null(fixture->error);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
    g_clear_error(&fixture->error);

    const EgSignalParams params = {.url = mock_livekit_url(fixture->server),
                                   .token = "with\r\nHeader: injected",
                                   .connect_ns = EG_NS_PER_S};
    fixture->signal = eg_signal_new(fixture->loop, NULL, &params, &events, fixture);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
    g_assert_cmpuint(mock_livekit_requests(fixture->server), ==, 0);
}

/* A port that takes connections and never says anything. */
static void test_silent_server(Fixture *fixture, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    const guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, &error);
    g_assert_no_error(error);
    g_autofree char *url = g_strdup_printf("ws://127.0.0.1:%u", port);
    open_at(fixture, url, 50 * EG_NS_PER_MS);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED);
    g_assert_true(eg_error_is_retryable(fixture->error));
    g_socket_listener_close(listener);
}

/* A server that opens the WebSocket and never says anything. */
static void test_no_first_message(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_at(fixture, mock_livekit_url(fixture->server), 200 * EG_NS_PER_MS);
    mock_livekit_accept(fixture->server);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED);
}

static bool has_three_pings(gpointer user)
{
    return mock_livekit_pings(((Fixture *)user)->server) >= 3;
}

static void test_ping(Fixture *fixture, gconstpointer data)
{
    (void)data;
    open_signal(fixture);
    mock_livekit_accept(fixture->server);
    send_token(fixture, 1);
    wait_message(fixture);
    eg_signal_set_ping(fixture->signal, 5 * EG_NS_PER_MS, 10 * EG_NS_PER_S);
    mock_run_until(fixture->loop, has_three_pings, fixture);
    g_assert_null(fixture->error);
    /* It does not answer. */
    eg_signal_set_ping(fixture->signal, 5 * EG_NS_PER_MS, 30 * EG_NS_PER_MS);
    wait_closed(fixture);
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_nonnull(strstr(fixture->error->message, "does not answer"));
}

#define ADD(name, function)                                                                        \
    g_test_add("/room/signal/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/room/signal/url", test_url);
    g_test_add_func("/room/signal/status", test_status);
    ADD("messages", test_messages);
    ADD("malformed", test_malformed);
    ADD("too-large", test_too_large);
    ADD("freed-in-callback", test_freed_in_callback);
    ADD("freed-while-connecting", test_freed_while_connecting);
    ADD("farewell", test_farewell);
    ADD("cut", test_cut);
    ADD("refused-token", test_refused_token);
    ADD("failing-server", test_failing_server);
    ADD("connection-refused", test_connection_refused);
    ADD("bad-arguments", test_bad_arguments);
    ADD("silent-server", test_silent_server);
    ADD("no-first-message", test_no_first_message);
    ADD("ping", test_ping);
    return g_test_run();
}
