/* The DevTools protocol, with a test at the browser's end of the socket. */
#include "source/devtools.h"

#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"

#define LONG_NS (60 * EG_NS_PER_S)

typedef struct {
    EgLoop *loop;
    EgDevtools *devtools;
    int peer;
    GString *happened; /* a line for each callback */
    bool frees;        /* the next callback frees it */
} Fixture;

static void free_if_told(Fixture *f)
{
    if (f->frees)
        g_clear_pointer(&f->devtools, eg_devtools_free);
}

static void on_event(gpointer user, const char *session, const char *method, const json_t *params)
{
    Fixture *f = user;
    g_string_append_printf(f->happened, "event %s %s %s\n", session != NULL ? session : "-", method,
                           eg_devtools_get_string(params, "a.b"));
    free_if_told(f);
}

static void on_closed(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_string_append_printf(f->happened, "closed: %s\n", error->message);
    free_if_told(f);
}

static void on_reply(gpointer user, const json_t *result, const GError *error)
{
    Fixture *f = user;
    g_assert_true((result == NULL) != (error == NULL));
    if (error != NULL)
        g_string_append_printf(f->happened, "error: %s\n", error->message);
    else
        g_string_append_printf(f->happened, "reply %d\n",
                               (int)eg_devtools_get_integer(result, "n"));
    free_if_told(f);
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const EgDevtoolsEvents events = {.event = on_event, .closed = on_closed};
    (void)data;
    int fds[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    f->loop = eg_loop_new();
    f->happened = g_string_new(NULL);
    f->devtools = eg_devtools_new(f->loop, fds[0], NULL, &events, f);
    f->peer = fds[1];
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_devtools_free(f->devtools);
    if (f->peer >= 0)
        close(f->peer);
    g_string_free(f->happened, TRUE);
    eg_loop_free(f->loop);
}

static void wait_for(Fixture *f, const char *happened)
{
    while (f->happened->len < strlen(happened))
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->happened->str, ==, happened);
}

/* The browser writes, while it is read from. */
static void say_bytes(Fixture *f, const char *data, gsize size_bytes)
{
    while (size_bytes > 0) {
        const gssize n = send(f->peer, data, size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            eg_loop_iterate(f->loop, true);
            continue;
        }
        data += n;
        size_bytes -= (gsize)n;
    }
}

static void say(Fixture *f, const char *message)
{
    say_bytes(f, message, strlen(message) + 1);
}

/* What the browser has been sent so far. */
static char *hear(Fixture *f)
{
    static char data[4096];
    const gssize n = recv(f->peer, data, sizeof(data), 0);
    g_assert_cmpint(n, >, 0);
    for (gssize i = 0; i < n; i++)
        if (data[i] == '\0')
            data[i] = '\n';
    return g_strndup(data, (gsize)n);
}

static void test_call(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, LONG_NS, on_reply, f);
    eg_devtools_call(f->devtools, "S", "C.d", json_pack("{s:i}", "x", 1), LONG_NS, on_reply, f);
    g_autofree char *heard = hear(f);
    g_assert_cmpstr(heard, ==,
                    "{\"id\":1,\"method\":\"A.b\",\"params\":{}}\n"
                    "{\"id\":2,\"method\":\"C.d\",\"params\":{\"x\":1},\"sessionId\":\"S\"}\n");
    say(f, "{\"id\":2,\"result\":{\"n\":20},\"sessionId\":\"S\"}");
    say(f, "{\"id\":1,\"result\":{\"n\":10.9}}");
    wait_for(f, "reply 20\nreply 10\n");
}

static void test_error(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, LONG_NS, on_reply, f);
    eg_devtools_call(f->devtools, NULL, "C.d", NULL, LONG_NS, on_reply, f);
    eg_devtools_call(f->devtools, NULL, "E.f", NULL, LONG_NS, NULL, NULL);
    say(f, "{\"id\":1,\"error\":{\"code\":-32000,\"message\":\"not here\"}}");
    say(f, "{\"id\":3,\"error\":{\"message\":\"nobody hears\"}}");
    say(f, "{\"id\":2}");
    wait_for(f, "error: A.b: not here\nerror: C.d: an answer without a result\n");
}

/* Nothing is said of an answer that comes after it was given up, or of one nobody asked for. */
static void test_deadline(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_devtools_call(f->devtools, NULL, "Slow.er", NULL, LONG_NS, on_reply, f);
    eg_devtools_call(f->devtools, NULL, "Late.one", NULL, EG_NS_PER_MS, on_reply, f);
    wait_for(f, "error: the browser does not answer Late.one within 0.0 s\n");
    say(f, "{\"id\":2,\"result\":{}}");
    say(f, "{\"id\":99,\"result\":{}}");
    say(f, "{\"id\":1,\"result\":{\"n\":1}}");
    wait_for(f, "error: the browser does not answer Late.one within 0.0 s\nreply 1\n");
}

static void test_forget(Fixture *f, gconstpointer data)
{
    (void)data;
    const gint64 call = eg_devtools_call(f->devtools, NULL, "A.b", NULL, LONG_NS, on_reply, f);
    eg_devtools_forget(f->devtools, call);
    eg_devtools_forget(f->devtools, 77);
    say(f, "{\"id\":1,\"result\":{}}");
    say(f, "{\"method\":\"M.n\"}");
    wait_for(f, "event - M.n \n");
}

static void test_event(Fixture *f, gconstpointer data)
{
    (void)data;
    say(f, "{\"method\":\"M.n\",\"params\":{\"a\":{\"b\":\"text\"}}}");
    say(f, "{\"method\":\"M.o\",\"params\":{\"a\":{\"b\":7}},\"sessionId\":\"S\"}");
    say(f, "{\"method\":\"M.p\",\"params\":[1]}");
    wait_for(f, "event - M.n text\nevent S M.o \nevent - M.p \n");
}

static void test_pieces(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char both[] = "{\"method\":\"M.n\"}\0{\"method\":\"M.o\"}";
    for (gsize i = 0; i < sizeof(both); i++) {
        say_bytes(f, both + i, 1);
        while (eg_loop_iterate(f->loop, false))
            continue;
    }
    wait_for(f, "event - M.n \nevent - M.o \n");
}

/* Pages can make Chromium write what is no JSON for others: half of a surrogate pair. */
static void test_malformed(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char *const messages[] = {
        "",
        "{",
        "no",
        "[]",
        "17",
        "{\"method\":5}",
        "{\"id\":\"1\"}",
        "{\"method\":\"\xff\"}",
        "{\"method\":\"M.n\",\"params\":{\"a\":\"\\ud800\"}}",
        "{\"id\":1e99}",
        "{\"id\":123456789012345678901234567890}",
        "{}",
    };
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, LONG_NS, on_reply, f);
    for (gsize i = 0; i < G_N_ELEMENTS(messages); i++)
        say(f, messages[i]);
    say(f, "{\"id\":1,\"result\":{\"n\":1}}");
    wait_for(f, "reply 1\n");
}

static void test_deep(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *deep = g_strnfill(1000000, '[');
    say(f, deep);
    say(f, "{\"method\":\"M.n\"}");
    wait_for(f, "event - M.n \n");
}

/* As long as may be, and longer: with and without the end in the same piece. */
static void test_long(Fixture *f, gconstpointer data)
{
    (void)data;
    static const char head[] = "{\"method\":\"M.n\",\"params\":{\"a\":{\"b\":\"";
    static const char tail[] = "\"}}}";
    const gsize fits = EG_DEVTOOLS_MAX_MESSAGE_BYTES - strlen(head) - strlen(tail);
    g_autofree char *filling = g_strnfill(2 * fits, 'x');
    const gsize lengths[] = {fits, fits + 1, 2 * fits};
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        say_bytes(f, head, strlen(head));
        say_bytes(f, filling, lengths[i]);
        say(f, tail);
    }
    say(f, "{\"method\":\"M.o\"}");
    while (strstr(f->happened->str, "M.o") == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpuint(f->happened->len, ==,
                     strlen("event - M.n \n") + fits + strlen("event - M.o \n"));
}

static void test_end(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, LONG_NS, on_reply, f);
    say(f, "{\"method\":\"M.n\"}");
    say_bytes(f, "{\"half", 6);
    close(f->peer);
    f->peer = -1;
    wait_for(f, "event - M.n \n"
                "closed: the connection to the browser is lost: it has closed it\n");
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, EG_NS_PER_MS, on_reply, f);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_cmpstr(strchr(f->happened->str, '\n') + 1, ==,
                    "closed: the connection to the browser is lost: it has closed it\n");
}

static void test_end_before_call(Fixture *f, gconstpointer data)
{
    (void)data;
    close(f->peer);
    f->peer = -1;
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, LONG_NS, on_reply, f);
    g_assert_cmpstr(f->happened->str, ==, "");
    wait_for(f, "closed: the connection to the browser is lost: it has closed it\n");
}

/* It does not read: what waits for it is bounded. */
static void test_does_not_read(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *text = g_strnfill(1 << 20, 'x');
    for (guint i = 0; i < 30; i++)
        eg_devtools_call(f->devtools, NULL, "A.b", json_pack("{s:s}", "text", text), LONG_NS, NULL,
                         NULL);
    wait_for(f, "closed: the connection to the browser is lost: it does not read\n");
}

/* More than fits into the socket is sent when there is room. */
static void test_much(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *text = g_strnfill(4 << 20, 'x');
    eg_devtools_call(f->devtools, NULL, "A.b", json_pack("{s:s}", "text", text), LONG_NS, on_reply,
                     f);
    gsize n_received = 0;
    char piece[65536];
    gssize n;
    do {
        n = recv(f->peer, piece, sizeof(piece), MSG_DONTWAIT);
        if (n > 0)
            n_received += (gsize)n;
        else
            eg_loop_iterate(f->loop, true);
    } while (n <= 0 || piece[n - 1] != '\0');
    g_assert_cmpuint(n_received, >, strlen(text));
    say(f, "{\"id\":1,\"result\":{\"n\":1}}");
    wait_for(f, "reply 1\n");
}

/* Every callback may free it, with more messages behind. */
static void test_free_in_event(Fixture *f, gconstpointer data)
{
    (void)data;
    f->frees = true;
    say(f, "{\"method\":\"M.n\"}");
    say(f, "{\"method\":\"M.o\"}");
    wait_for(f, "event - M.n \n");
    g_assert_null(f->devtools);
}

static void test_free_in_reply(Fixture *f, gconstpointer data)
{
    (void)data;
    f->frees = true;
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, LONG_NS, on_reply, f);
    say(f, "{\"id\":1,\"result\":{}}");
    say(f, "{\"method\":\"M.o\"}");
    wait_for(f, "reply 0\n");
    g_assert_null(f->devtools);
}

static void test_free_in_deadline(Fixture *f, gconstpointer data)
{
    (void)data;
    f->frees = true;
    eg_devtools_call(f->devtools, NULL, "A.b", NULL, 0, on_reply, f);
    eg_devtools_call(f->devtools, NULL, "C.d", NULL, 0, on_reply, f);
    while (f->devtools != NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_nonnull(strstr(f->happened->str, "does not answer"));
}

static void test_free_in_closed(Fixture *f, gconstpointer data)
{
    (void)data;
    f->frees = true;
    close(f->peer);
    f->peer = -1;
    wait_for(f, "closed: the connection to the browser is lost: it has closed it\n");
    g_assert_null(f->devtools);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
    ADD("/devtools/call", test_call);
    ADD("/devtools/error", test_error);
    ADD("/devtools/deadline", test_deadline);
    ADD("/devtools/forget", test_forget);
    ADD("/devtools/event", test_event);
    ADD("/devtools/pieces", test_pieces);
    ADD("/devtools/malformed", test_malformed);
    ADD("/devtools/deep", test_deep);
    ADD("/devtools/long", test_long);
    ADD("/devtools/end", test_end);
    ADD("/devtools/end-before-call", test_end_before_call);
    ADD("/devtools/does-not-read", test_does_not_read);
    ADD("/devtools/much", test_much);
    ADD("/devtools/free-in-event", test_free_in_event);
    ADD("/devtools/free-in-reply", test_free_in_reply);
    ADD("/devtools/free-in-deadline", test_free_in_deadline);
    ADD("/devtools/free-in-closed", test_free_in_closed);
#undef ADD
    return g_test_run();
}
