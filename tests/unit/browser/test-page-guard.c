/* The proxy that keeps a page away from what it must not reach, with real sockets and a made-up
 * resolver. */
#include "browser/page-guard.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "browser/socks.h"
#include "unit/browser/fake-resolver.h"

#define HELLO     "\5\1\0"
#define NO_LIMIT  (1000 * EG_NS_PER_S)
#define SOON_NS   (20 * EG_NS_PER_MS)
#define MANY      200
#define MUCH_SIZE (4 * 1024 * 1024)

typedef struct {
    EgLoop *loop;
    GResolver *resolver; /* a fake one */
    GSocket *target;     /* listens on 127.0.0.1 */
    guint16 target_port;
    EgPageGuard *guard;
} Fixture;

static GSocket *new_socket(void)
{
    g_autoptr(GError) error = NULL;
    GSocket *socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
    g_assert_no_error(error);
    return socket;
}

static GSocketAddress *local_address(guint16 port)
{
    return g_inet_socket_address_new_from_string("127.0.0.1", port);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    f->loop = eg_loop_new();
    f->resolver = fake_resolver_new();
    f->target = new_socket();
    g_autoptr(GSocketAddress) any = local_address(0);
    g_socket_set_listen_backlog(f->target, MANY);
    g_assert_true(g_socket_bind(f->target, any, TRUE, &error));
    g_assert_true(g_socket_listen(f->target, &error));
    g_autoptr(GSocketAddress) address = g_socket_get_local_address(f->target, &error);
    f->target_port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address));
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_page_guard_free(f->guard);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_object_unref(f->target);
    g_object_unref(f->resolver);
    eg_loop_free(f->loop);
}

/* "127.0.0.1" is allowed, since there is no public address to test with. */
static void start_guard(Fixture *f, const EgPageGuardParams *limits, const char *allowed)
{
    g_autoptr(GError) error = NULL;
    const char *const entries[] = {allowed, NULL};
    EgPageGuardParams params = *limits;
    params.allowed = entries;
    params.resolver = f->resolver;
    f->guard = eg_page_guard_new(f->loop, &params, &error);
    g_assert_no_error(error);
}

static void start_plain(Fixture *f)
{
    start_guard(f, &(EgPageGuardParams){.max_handshake_ns = NO_LIMIT}, "127.0.0.1");
}

static gboolean on_ready(GSocket *socket, GIOCondition condition, gpointer user)
{
    (void)socket;
    (void)condition;
    *(bool *)user = true;
    return G_SOURCE_REMOVE;
}

/* Runs the loop until the socket can be read. */
static void wait_for(Fixture *f, GSocket *socket, GIOCondition condition)
{
    bool is_ready = false;
    g_autoptr(GSource) source = g_socket_create_source(socket, condition, NULL);
    g_source_set_callback(source, G_SOURCE_FUNC(on_ready), &is_ready, NULL);
    g_source_attach(source, eg_loop_context(f->loop));
    while (!is_ready)
        eg_loop_iterate(f->loop, true);
}

static void send_bytes(GSocket *socket, const char *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(g_socket_send(socket, data, size, NULL, &error), ==, (gssize)size);
    g_assert_no_error(error);
}

static void assert_receives(Fixture *f, GSocket *socket, const char *expected, gsize size)
{
    char data[1024];
    g_assert_cmpuint(size, <=, sizeof(data));
    for (gsize have = 0; have < size;) {
        wait_for(f, socket, G_IO_IN);
        gssize n = g_socket_receive(socket, data + have, size - have, NULL, NULL);
        g_assert_cmpint(n, >, 0);
        have += (gsize)n;
    }
    g_assert_cmpint(memcmp(data, expected, size), ==, 0);
}

/* Also by a reset. */
static void assert_ends(Fixture *f, GSocket *socket)
{
    char byte;
    wait_for(f, socket, G_IO_IN);
    g_assert_cmpint(g_socket_receive(socket, &byte, 1, NULL, NULL), <=, 0);
}

static GSocket *connect_to_guard(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    GSocket *socket = new_socket();
    g_autoptr(GSocketAddress) address = local_address(eg_page_guard_port(f->guard));
    g_assert_true(g_socket_connect(socket, address, NULL, &error));
    g_assert_no_error(error);
    return socket;
}

static gsize format_request(char *data, const char *host, guint16 port)
{
    gsize length = strlen(host);
    memcpy(data, "\5\1\0\3", 4);
    data[4] = (char)length;
    memcpy(data + 5, host, length);
    data[5 + length] = (char)(port >> 8);
    data[6 + length] = (char)port;
    return length + 7;
}

static EgSocksCode receive_answer(Fixture *f, GSocket *socket)
{
    char answer[EG_SOCKS_ANSWER_SIZE];
    wait_for(f, socket, G_IO_IN);
    g_assert_cmpint(g_socket_receive(socket, answer, sizeof(answer), NULL, NULL), ==,
                    sizeof(answer));
    g_assert_cmpint(answer[0], ==, 5);
    return (EgSocksCode)answer[1];
}

/* The whole handshake. */
static EgSocksCode ask(Fixture *f, GSocket *socket, const char *host, guint16 port)
{
    char request[EG_SOCKS_MAX_SIZE];
    send_bytes(socket, HELLO, 3);
    assert_receives(f, socket, "\5\0", 2);
    send_bytes(socket, request, format_request(request, host, port));
    return receive_answer(f, socket);
}

static EgSocksCode ask_anew(Fixture *f, const char *host, guint16 port)
{
    g_autoptr(GSocket) socket = connect_to_guard(f);
    EgSocksCode code = ask(f, socket, host, port);
    if (code != EG_SOCKS_OK)
        assert_ends(f, socket);
    return code;
}

static GSocket *accept_at_target(Fixture *f)
{
    wait_for(f, f->target, G_IO_IN);
    GSocket *socket = g_socket_accept(f->target, NULL, NULL);
    g_assert_nonnull(socket);
    return socket;
}

/* A connection that the guard carries, and its other end. */
static GSocket *reach_target(Fixture *f, GSocket **client)
{
    *client = connect_to_guard(f);
    g_assert_cmpint(ask(f, *client, "127.0.0.1", f->target_port), ==, EG_SOCKS_OK);
    return accept_at_target(f);
}

static void assert_nobody_came(Fixture *f)
{
    g_assert_cmpint(g_socket_condition_check(f->target, G_IO_IN), ==, 0);
}

static EgPageGuardStats stats_of(Fixture *f)
{
    EgPageGuardStats stats;
    eg_page_guard_get_stats(f->guard, &stats);
    return stats;
}

static void wait_until_closed(Fixture *f)
{
    while (stats_of(f).open > 0)
        eg_loop_iterate(f->loop, true);
}

static void test_carries(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    g_autofree char *proxy = g_strdup_printf("socks5://127.0.0.1:%u", eg_page_guard_port(f->guard));
    g_assert_cmpstr(eg_page_guard_proxy(f->guard), ==, proxy);
    g_autoptr(GSocket) client = NULL;
    g_autoptr(GSocket) server = reach_target(f, &client);
    send_bytes(client, "question", 8);
    assert_receives(f, server, "question", 8);
    send_bytes(server, "answer", 6);
    assert_receives(f, client, "answer", 6);

    g_socket_shutdown(client, FALSE, TRUE, NULL);
    assert_ends(f, server);
    send_bytes(server, "more", 4);
    assert_receives(f, client, "more", 4);
    g_socket_close(server, NULL);
    assert_ends(f, client);
    wait_until_closed(f);
    EgPageGuardStats stats = stats_of(f);
    g_assert_cmpuint(stats.connections, ==, 1);
    g_assert_cmpuint(stats.carried, ==, 1);
    g_assert_cmpuint(stats.refused + stats.failed, ==, 0);
}

static void test_server_ends_first(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    g_autoptr(GSocket) client = NULL;
    g_autoptr(GSocket) server = reach_target(f, &client);
    g_socket_shutdown(server, FALSE, TRUE, NULL);
    assert_ends(f, client);
    send_bytes(client, "more", 4);
    assert_receives(f, server, "more", 4);
    g_socket_close(client, NULL);
    assert_ends(f, server);
    wait_until_closed(f);
}

/* Byte by byte, and on without waiting for the answer. */
static void test_pieces(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    char message[EG_SOCKS_MAX_SIZE] = HELLO;
    gsize size = 3 + format_request(message + 3, "127.0.0.1", f->target_port);
    memcpy(message + size, "early", 5);
    size += 5;
    g_autoptr(GSocket) client = connect_to_guard(f);
    for (gsize i = 0; i < size; i++) {
        send_bytes(client, message + i, 1);
        for (guint turn = 0; turn < 3; turn++)
            eg_loop_iterate(f->loop, false);
    }
    assert_receives(f, client, "\5\0", 2);
    g_assert_cmpint(receive_answer(f, client), ==, EG_SOCKS_OK);
    g_autoptr(GSocket) server = accept_at_target(f);
    assert_receives(f, server, "early", 5);
}

/* More than any buffer holds, against the other side's reading slowly. */
static void test_much(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    g_autoptr(GSocket) client = NULL;
    g_autoptr(GSocket) server = reach_target(f, &client);
    g_socket_set_blocking(server, FALSE);
    g_autofree char *sent = g_malloc(MUCH_SIZE);
    g_autofree char *received = g_malloc(MUCH_SIZE);
    for (gsize i = 0; i < MUCH_SIZE; i++)
        sent[i] = (char)(i * 7 + i / 256);
    gsize n_sent = 0;
    for (gsize n_received = 0; n_received < MUCH_SIZE;) {
        gssize n = g_socket_send(server, sent + n_sent, MUCH_SIZE - n_sent, NULL, NULL);
        n_sent += n > 0 ? (gsize)n : 0;
        wait_for(f, client, G_IO_IN);
        n = g_socket_receive(client, received + n_received, MIN(50000, MUCH_SIZE - n_received),
                             NULL, NULL);
        g_assert_cmpint(n, >, 0);
        n_received += (gsize)n;
    }
    g_assert_cmpint(memcmp(sent, received, MUCH_SIZE), ==, 0);
}

static void test_refused(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char *const hosts[] = {
        "127.0.0.1", "127.9.9.9",        "0.0.0.0",
        "10.0.0.1",  "169.254.169.254",  "::1",
        "::",        "::ffff:127.0.0.1", "::ffff:7f00:1",
        "fe80::1",   "64:ff9b::7f00:1",  "fd00:ec2::254",
    };
    start_guard(f, &(EgPageGuardParams){.max_handshake_ns = NO_LIMIT}, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
        g_test_message("%s", hosts[i]);
        g_assert_cmpint(ask_anew(f, hosts[i], f->target_port), ==, EG_SOCKS_NOT_ALLOWED);
    }
    g_assert_cmpuint(stats_of(f).refused, ==, G_N_ELEMENTS(hosts));
    g_assert_cmpstr(eg_page_guard_error(f->guard, "127.0.0.1"), ==,
                    "net::ERR_NETWORK_ACCESS_DENIED (web_allow does not allow it)");
    g_assert_cmpuint(fake_resolver_n_lookups(f->resolver), ==, 0);
    assert_nobody_came(f);
}

/* The machine's own resolver is asked, and no server: they are none, or lead here. */
static void test_odd_names(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char *const hosts[] = {
        "localhost",  "localhost.", "LOCALHOST",    "a.localhost", "0x7f.1",
        "0x7f000001", "127.1",      "2130706433",   "0177.0.0.1",  "017700000001",
        "0",          "127.0.0.1.", "127.0.0.1:80", ":",
    };
    g_autoptr(GError) error = NULL;
    const EgPageGuardParams params = {.max_handshake_ns = NO_LIMIT};
    f->guard = eg_page_guard_new(f->loop, &params, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
        EgSocksCode code = ask_anew(f, hosts[i], f->target_port);
        g_test_message("%s: %d", hosts[i], code);
        g_assert_true(code == EG_SOCKS_NOT_ALLOWED || code == EG_SOCKS_HOST_UNREACHABLE);
        g_assert_nonnull(eg_page_guard_error(f->guard, hosts[i]));
    }
    assert_nobody_came(f);
}

/* A name that has another address each time is looked at each time. */
static void test_rebinding(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    fake_resolver_add(f->resolver, "127.0.0.1");
    fake_resolver_add(f->resolver, "127.0.0.2");
    fake_resolver_add(f->resolver, "::ffff:127.0.0.1");
    g_assert_cmpint(ask_anew(f, "rebinding.test", f->target_port), ==, EG_SOCKS_OK);
    g_autoptr(GSocket) first = accept_at_target(f);
    g_assert_cmpuint(fake_resolver_n_lookups(f->resolver), ==, 1);
    g_assert_cmpint(ask_anew(f, "rebinding.test", f->target_port), ==, EG_SOCKS_NOT_ALLOWED);
    g_assert_cmpint(ask_anew(f, "rebinding.test", f->target_port), ==, EG_SOCKS_OK);
    g_autoptr(GSocket) third = accept_at_target(f);
    g_assert_cmpuint(fake_resolver_n_lookups(f->resolver), ==, 3);
}

/* Of several addresses, only those are tried that may be; with nobody at the first of them, the
 * next. */
static void test_mixed(Fixture *f, gconstpointer data)
{
    (void)data;
    start_guard(f, &(EgPageGuardParams){.max_handshake_ns = NO_LIMIT}, "127.1.0.0/16");
    fake_resolver_add(f->resolver, "127.0.0.1 10.0.0.1 127.1.0.1");
    g_assert_cmpint(ask_anew(f, "mixed.test", f->target_port), ==, EG_SOCKS_REFUSED);
    fake_resolver_add(f->resolver, "127.0.0.1 10.0.0.1");
    g_assert_cmpint(ask_anew(f, "mixed.test", f->target_port), ==, EG_SOCKS_NOT_ALLOWED);
    assert_nobody_came(f);
    eg_page_guard_free(f->guard);

    start_guard(f, &(EgPageGuardParams){.max_handshake_ns = NO_LIMIT}, "mixed.test");
    fake_resolver_add(f->resolver, "127.1.0.1 127.0.0.1");
    g_assert_cmpint(ask_anew(f, "mixed.test", f->target_port), ==, EG_SOCKS_OK);
    g_autoptr(GSocket) server = accept_at_target(f);
}

static void test_garbage(Fixture *f, gconstpointer data)
{
    (void)data;
    static const struct {
        const char *data;
        gsize size;
        const char *answer;
        gsize answer_size;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n",          18, "\5\377",                    2 },
        {"\4\1\0\120\177\0\0\1\0",          9,  "\5\377",                    2 },
        {"\5\1\2",                          3,  "\5\377",                    2 },
        {"\5\0",                            2,  "\5\377",                    2 },
        {"\26\3\1\2\0\1\0\1\374\3\3",       11, "\5\377",                    2 },
        {"\5\1\0\5\2\0\1\177\0\0\1\0\120",  13, "\5\0\5\7\0\1\0\0\0\0\0\0",  12},
        {"\5\1\0\5\3\0\1\177\0\0\1\0\120",  13, "\5\0\5\7\0\1\0\0\0\0\0\0",  12},
        {"\5\1\0\5\1\0\11\177\0\0\1\0\120", 13, "\5\0\5\10\0\1\0\0\0\0\0\0", 12},
        {"\5\1\0\5\1\0\3\0\0\120",          10, "\5\0\5\1\0\1\0\0\0\0\0\0",  12},
        {"\5\1\0\5\1\0\3\4a\0.b\0\120",     14, "\5\0\5\1\0\1\0\0\0\0\0\0",  12},
        {"\5\1\0\377\377\377\377\377\377",  9,  "\5\0\5\1\0\1\0\0\0\0\0\0",  12},
    };
    start_plain(f);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GSocket) client = connect_to_guard(f);
        send_bytes(client, rows[i].data, rows[i].size);
        assert_receives(f, client, rows[i].answer, rows[i].answer_size);
        assert_ends(f, client);
    }
    g_assert_cmpuint(stats_of(f).failed, ==, G_N_ELEMENTS(rows));
    assert_nobody_came(f);
}

static void test_gone(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    char message[EG_SOCKS_MAX_SIZE] = HELLO;
    gsize size = 3 + format_request(message + 3, "127.0.0.1", f->target_port);
    for (gsize i = 0; i < size; i++) {
        GSocket *client = connect_to_guard(f);
        send_bytes(client, message, i);
        g_object_unref(client);
    }
    while (stats_of(f).connections < size || stats_of(f).open > 0)
        eg_loop_iterate(f->loop, true);
}

static void test_slow_handshake(Fixture *f, gconstpointer data)
{
    (void)data;
    start_guard(f, &(EgPageGuardParams){.max_handshake_ns = SOON_NS}, "127.0.0.1");
    for (gsize size = 0; size < 3; size++) {
        g_autoptr(GSocket) client = connect_to_guard(f);
        send_bytes(client, HELLO, size);
        assert_ends(f, client);
    }
    g_assert_cmpuint(stats_of(f).failed, ==, 3);
}

static void test_slow_resolver(Fixture *f, gconstpointer data)
{
    (void)data;
    const EgPageGuardParams limits = {.max_handshake_ns = NO_LIMIT, .max_connect_ns = SOON_NS};
    start_guard(f, &limits, "127.0.0.1");
    g_assert_cmpint(ask_anew(f, "never.test", f->target_port), ==, EG_SOCKS_TIMED_OUT);
    g_assert_cmpstr(eg_page_guard_error(f->guard, "never.test"), ==,
                    "net::ERR_CONNECTION_TIMED_OUT");
}

static void test_nobody_there(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    g_assert_null(eg_page_guard_error(f->guard, "127.0.0.1"));
    g_socket_close(f->target, NULL);
    g_assert_cmpint(ask_anew(f, "127.0.0.1", f->target_port), ==, EG_SOCKS_REFUSED);
    g_assert_cmpstr(eg_page_guard_error(f->guard, "127.0.0.1"), ==, "net::ERR_CONNECTION_REFUSED");
    g_assert_cmpuint(stats_of(f).failed, ==, 1);

    /* What became of one host says nothing of another, and something of one that is not known. */
    g_assert_cmpint(ask_anew(f, "10.0.0.1", f->target_port), ==, EG_SOCKS_NOT_ALLOWED);
    g_assert_cmpstr(eg_page_guard_error(f->guard, "127.0.0.1"), ==, "net::ERR_CONNECTION_REFUSED");
    g_assert_true(
        g_str_has_prefix(eg_page_guard_error(f->guard, "a.test"), "net::ERR_NETWORK_ACC"));
}

static void test_many(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    g_autoptr(GPtrArray) sockets = g_ptr_array_new_with_free_func(g_object_unref);
    for (guint i = 0; i < MANY; i++) {
        GSocket *client = connect_to_guard(f);
        g_ptr_array_add(sockets, client);
        g_assert_cmpint(ask(f, client, "127.0.0.1", f->target_port), ==, EG_SOCKS_OK);
        g_ptr_array_add(sockets, accept_at_target(f));
    }
    for (guint i = 0; i < sockets->len; i++)
        send_bytes(sockets->pdata[i], (char *)&i, sizeof(i));
    for (guint i = 0; i < sockets->len; i++) {
        guint other = i ^ 1;
        assert_receives(f, sockets->pdata[i], (char *)&other, sizeof(other));
    }
    g_assert_cmpuint(stats_of(f).open, ==, MANY);
    g_ptr_array_set_size(sockets, 0);
    wait_until_closed(f);
}

static void test_too_many(Fixture *f, gconstpointer data)
{
    (void)data;
    const EgPageGuardParams limits = {.max_handshake_ns = NO_LIMIT, .max_connections = 2};
    start_guard(f, &limits, "127.0.0.1");
    GSocket *first = connect_to_guard(f);
    g_autoptr(GSocket) second = connect_to_guard(f);
    g_assert_cmpint(ask(f, first, "127.0.0.1", f->target_port), ==, EG_SOCKS_OK);
    g_assert_cmpint(ask(f, second, "127.0.0.1", f->target_port), ==, EG_SOCKS_OK);
    g_autoptr(GSocket) third = connect_to_guard(f);
    assert_ends(f, third);
    g_object_unref(first);
    g_object_unref(accept_at_target(f));
    while (stats_of(f).open > 1)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpint(ask_anew(f, "127.0.0.1", f->target_port), ==, EG_SOCKS_OK);
}

/* In whatever state a connection is. */
static void test_free(Fixture *f, gconstpointer data)
{
    (void)data;
    start_plain(f);
    char message[EG_SOCKS_MAX_SIZE] = HELLO;
    gsize size = 3 + format_request(message + 3, "never.test", f->target_port);
    g_autoptr(GSocket) silent = connect_to_guard(f);
    g_autoptr(GSocket) resolving = connect_to_guard(f);
    g_autoptr(GSocket) carried = connect_to_guard(f);
    send_bytes(resolving, message, size);
    assert_receives(f, resolving, "\5\0", 2);
    g_assert_cmpint(ask(f, carried, "127.0.0.1", f->target_port), ==, EG_SOCKS_OK);
    g_autoptr(GSocket) server = accept_at_target(f);
    g_clear_pointer(&f->guard, eg_page_guard_free);
    assert_ends(f, silent);
    assert_ends(f, resolving);
    assert_ends(f, carried);
    assert_ends(f, server);
}

static void count_refusals(const char *line, gpointer user)
{
    if (strstr(line, "page must not reach host") != NULL)
        (*(guint *)user)++;
}

static void test_log(Fixture *f, gconstpointer data)
{
    (void)data;
    guint n = 0;
    start_plain(f);
    eg_log_set_writer(count_refusals, &n);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(ask_anew(f, "10.0.0.1", 80), ==, EG_SOCKS_NOT_ALLOWED);
    g_assert_cmpuint(n, ==, 1);
    for (guint i = 0; i < 100; i++) {
        g_autofree char *host = g_strdup_printf("10.0.1.%u", i);
        g_assert_cmpint(ask_anew(f, host, 80), ==, EG_SOCKS_NOT_ALLOWED);
    }
    g_assert_cmpuint(n, ==, 32);
    g_assert_cmpuint(stats_of(f).refused, ==, 103);
    eg_log_set_writer(NULL, NULL);
}

static void test_bad_allowance(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    static const char *const allowed[] = {"10.0.0.0/99", NULL};
    const EgPageGuardParams params = {.allowed = allowed};
    g_assert_null(eg_page_guard_new(f->loop, &params, &error));
    g_assert_nonnull(strstr(error->message, "\"10.0.0.0/99\""));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add("/page-guard/" path, Fixture, NULL, set_up, test, tear_down)
    ADD("carries", test_carries);
    ADD("server-ends-first", test_server_ends_first);
    ADD("pieces", test_pieces);
    ADD("much", test_much);
    ADD("refused", test_refused);
    ADD("odd-names", test_odd_names);
    ADD("rebinding", test_rebinding);
    ADD("mixed", test_mixed);
    ADD("garbage", test_garbage);
    ADD("gone", test_gone);
    ADD("slow-handshake", test_slow_handshake);
    ADD("slow-resolver", test_slow_resolver);
    ADD("nobody-there", test_nobody_there);
    ADD("many", test_many);
    ADD("too-many", test_too_many);
    ADD("free", test_free);
    ADD("log", test_log);
    ADD("bad-allowance", test_bad_allowance);
#undef ADD
    return g_test_run();
}
