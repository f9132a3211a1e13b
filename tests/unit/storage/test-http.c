#include "storage/http.h"

#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "mock/http-server.h"
#include "storage/http-error.h"

#define OK_HEAD "200 OK\r\n"

typedef struct {
    MockHttp *server;
    EgHttp *http;
    EgHttpReply reply;
    GError *error;
} Fixture;

static EgStorage *make_storage(void)
{
    return eg_storage_new(EG_STORE_S3);
}

static void make(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(EgStorage) storage = make_storage();
    f->server = mock_http_new();
    f->http = eg_http_new(storage);
}

static void clear(Fixture *f, gconstpointer unused)
{
    (void)unused;
    eg_http_reply_clear(&f->reply);
    g_clear_error(&f->error);
    eg_http_free(f->http);
    mock_http_free(f->server);
}

/* PATH of the server; `body` NULL: none. */
static bool perform(Fixture *f, const char *method, const char *path, const char *const *headers,
                    const char *body, GCancellable *cancellable)
{
    g_autofree char *url = g_strconcat(mock_http_url(f->server), path, NULL);
    g_autoptr(GBytes) bytes = body != NULL ? g_bytes_new(body, strlen(body)) : NULL;
    EgHttpRequest request = {.method = method, .url = url, .headers = headers, .body = bytes};
    eg_http_reply_clear(&f->reply);
    g_clear_error(&f->error);
    return eg_http_perform(f->http, &request, &f->reply, cancellable, &f->error);
}

static void assert_has(const char *request, const char *line)
{
    if (strstr(request, line) == NULL)
        g_error("no '%s' in:\n%s", line, request);
}

static void test_put(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const headers[] = {"X-Some: a value", "X-Empty: ", NULL};
    mock_http_answer_body(f->server, OK_HEAD "ETag: \"x\"\r\n", "done");
    g_assert_true(perform(f, "PUT", "/a/./b//c%20d?x=%2F", headers, "content", NULL));
    g_assert_no_error(f->error);
    g_assert_cmpuint(f->reply.status, ==, 200);
    g_assert_cmpstr(g_hash_table_lookup(f->reply.headers, "etag"), ==, "\"x\"");
    g_assert_cmpuint(g_bytes_get_size(f->reply.body), ==, 4);

    g_autofree char *request = mock_http_take(f->server);
    g_assert_true(g_str_has_prefix(request, "PUT /a/./b//c%20d?x=%2F HTTP/1.1\r\n"));
    g_assert_true(g_str_has_suffix(request, "\r\n\r\ncontent"));
    g_autofree char *host = eg_http_host(mock_http_url(f->server));
    g_autofree char *host_line = g_strdup_printf("\r\nHost: %s\r\n", host);
    assert_has(request, host_line);
    assert_has(request, "\r\nX-Some: a value\r\n");
    assert_has(request, "\r\nX-Empty:\r\n");
    assert_has(request, "\r\nContent-Length: 7\r\n");
    g_assert_null(strstr(request, "Expect"));
    g_assert_null(strstr(request, "Transfer-Encoding"));
}

/* Each with the body that its method has, on one connection. */
static void test_methods(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const struct {
        const char *method;
        const char *body;
        const char *length; /* NULL: no such header */
    } cases[] = {
        {"GET",    NULL,   NULL},
        {"PUT",    "",     "0" },
        {"POST",   NULL,   "0" },
        {"POST",   "body", "4" },
        {"DELETE", NULL,   NULL},
        {"PUT",    NULL,   "0" },
        {"GET",    NULL,   NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        mock_http_answer_body(f->server, OK_HEAD, "");
        g_assert_true(perform(f, cases[i].method, "/", NULL, cases[i].body, NULL));
        g_autofree char *request = mock_http_take(f->server);
        g_autofree char *start = g_strconcat(cases[i].method, " / HTTP/1.1\r\n", NULL);
        g_assert_true(g_str_has_prefix(request, start));
        g_autofree char *length =
            g_strdup_printf("Content-Length: %s\r\n", cases[i].length ? cases[i].length : "");
        g_assert_cmpint(strstr(request, "Content-Length:") != NULL, ==, cases[i].length != NULL);
        g_assert_true(cases[i].length == NULL || strstr(request, length) != NULL);
        g_assert_null(strstr(request, "Content-Type"));
    }
    g_assert_cmpuint(mock_http_connections(f->server), ==, 1);
}

static void test_head(Fixture *f, gconstpointer unused)
{
    (void)unused;
    mock_http_answer(f->server, "HTTP/1.1 200 OK\r\nX-Length: 10\r\nContent-Length: 10\r\n\r\n");
    g_assert_true(perform(f, "HEAD", "/", NULL, NULL, NULL));
    g_assert_cmpuint(g_bytes_get_size(f->reply.body), ==, 0);
    g_assert_cmpstr(g_hash_table_lookup(f->reply.headers, "x-length"), ==, "10");
}

static void test_redirection(Fixture *f, gconstpointer unused)
{
    (void)unused;
    mock_http_answer_body(f->server, "301 Moved\r\nLocation: /else\r\n", "");
    g_assert_true(perform(f, "PUT", "/", NULL, "x", NULL));
    g_assert_cmpuint(f->reply.status, ==, 301);
    g_autofree char *first = mock_http_take(f->server);
    g_assert_null(mock_http_take(f->server));
}

static void test_bounded(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *body = g_strnfill(3 * 1024 * 1024, 'x');
    mock_http_answer_body(f->server, OK_HEAD, body);
    g_assert_true(perform(f, "GET", "/", NULL, NULL, NULL));
    g_assert_cmpuint(g_bytes_get_size(f->reply.body), ==, 1024 * 1024);

    /* Headers without end are no answer. */
    GString *headers = g_string_new("HTTP/1.1 200 OK\r\n");
    for (guint i = 0; i < 10000; i++)
        g_string_append_printf(headers, "X-Header-%u: %0100u\r\n", i, i);
    mock_http_answer(f->server, "%sContent-Length: 0\r\n\r\n", headers->str);
    g_string_free(headers, TRUE);
    g_assert_false(perform(f, "GET", "/", NULL, NULL, NULL));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
}

/* What may be tried again, and blames the other side. */
static void test_broken(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const answers[] = {
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
        "220 this is a mail server\r\n",
        "\001\002\003",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
        mock_http_answer(f->server, "%s", answers[i]);
        g_assert_false(perform(f, "PUT", "/", NULL, "content", NULL));
        g_assert_true(eg_error_is_retryable(f->error));
        g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_DESTINATION);
        g_assert_error(f->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
        g_free(mock_http_take(f->server));
    }
}

static void test_no_server(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *url = g_strdup(mock_http_url(f->server));
    g_clear_pointer(&f->server, mock_http_free);
    EgHttpRequest request = {.method = "GET", .url = url};
    g_assert_false(eg_http_perform(f->http, &request, &f->reply, NULL, &f->error));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_true(eg_error_is_retryable(f->error));

    g_clear_error(&f->error);
    request.url = "file:///etc/passwd";
    g_assert_false(eg_http_perform(f->http, &request, &f->reply, NULL, &f->error));
    g_assert_nonnull(f->error);
}

static void test_bad_header(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const headers[] = {"X-Meta: a\r\nX-Other: b", NULL};
    g_assert_false(perform(f, "PUT", "/", headers, "x", NULL));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_REQUEST);
    g_assert_cmpuint(mock_http_connections(f->server), ==, 0);
}

/* What is wrong with a proxy is told without its password. */
static void test_bad_proxy(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const urls[] = {"gopher://user:secret@127.0.0.1:1",
                                       "http://user:secret@:::", "http://user:secret@127.0.0.1:1"};
    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autoptr(EgStorage) storage = make_storage();
        storage->proxy.url = g_strdup(urls[i]);
        eg_http_free(f->http);
        f->http = eg_http_new(storage);
        g_assert_false(perform(f, "GET", "/", NULL, NULL, NULL));
        g_assert_null(strstr(f->error->message, "secret"));
        g_test_message("%s", f->error->message);
    }
    g_assert_cmpuint(mock_http_connections(f->server), ==, 0);
}

static gpointer cancel_when_asked(gpointer user)
{
    Fixture *f = ((gpointer *)user)[0];
    char *request;
    while ((request = mock_http_take(f->server)) == NULL)
        g_usleep(1000);
    g_free(request);
    g_cancellable_cancel(((gpointer *)user)[1]);
    return NULL;
}

static void test_cancel(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    GThread *thread =
        g_thread_new("cancel", cancel_when_asked, (gpointer[]){f, cancellable}); /* no answer */
    g_assert_false(perform(f, "PUT", "/", NULL, "content", cancellable));
    g_thread_join(thread);
    g_assert_error(f->error, EG_ERROR, EG_ERROR_CANCELED);
    g_assert_false(eg_error_is_retryable(f->error));

    /* Before it has begun, nothing is sent. */
    guint n = mock_http_connections(f->server);
    g_assert_false(perform(f, "PUT", "/", NULL, "content", cancellable));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_CANCELED);
    g_assert_cmpuint(mock_http_connections(f->server), ==, n);
}

/* The limit holds for bulk, and for nothing else. */
static void test_rate(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *content = g_strnfill(100000, 'x');
    g_autoptr(GBytes) bytes = g_bytes_new(content, 100000);
    for (guint is_bulk = 0; is_bulk < 2; is_bulk++) {
        EgHttpRequest request = {.method = "PUT",
                                 .url = mock_http_url(f->server),
                                 .body = bytes,
                                 .is_bulk = is_bulk == 1};
        mock_http_answer_body(f->server, OK_HEAD, "");
        eg_http_set_rate_limit(is_bulk == 1 ? 200000 : 1);
        gint64 start_ns = eg_now_ns();
        eg_http_reply_clear(&f->reply);
        g_assert_true(eg_http_perform(f->http, &request, &f->reply, NULL, &f->error));
        if (is_bulk == 1)
            g_assert_cmpint(eg_now_ns() - start_ns, >=, 440 * EG_NS_PER_MS);
    }
    eg_http_set_rate_limit(0);
}

static void test_host(void)
{
    static const char *const cases[][2] = {
        {"https://bucket.example.com/a",     "bucket.example.com"   },
        {"https://bucket.example.com:443/a", "bucket.example.com"   },
        {"https://bucket.example.com:80/a",  "bucket.example.com:80"},
        {"http://bucket.example.com:80?x",   "bucket.example.com"   },
        {"http://127.0.0.1:9000",            "127.0.0.1:9000"       },
        {"http://[::1]:9000/",               "[::1]:9000"           },
        {"http://user:pass@host:1/",         "host:1"               },
        {"not a url at all",                 ""                     },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *host = eg_http_host(cases[i][0]);
        g_assert_cmpstr(host, ==, cases[i][1]);
    }
}

static void test_escape(void)
{
    g_autofree char *path = eg_http_escape("a b/\xc3\xa4+(~)'*%41.-_", "/");
    g_assert_cmpstr(path, ==, "a%20b/%C3%A4%2B%28~%29%27%2A%2541.-_");
    g_autofree char *value = eg_http_escape("a/b", NULL);
    g_assert_cmpstr(value, ==, "a%2Fb");
}

static void test_retry_after(void)
{
    static const char date[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    g_assert_cmpint(eg_http_retry_after_ns(NULL, date), ==, 0);
    g_assert_cmpint(eg_http_retry_after_ns("7", date), ==, 7 * EG_NS_PER_S);
    g_assert_cmpint(eg_http_retry_after_ns("0", date), ==, 0);
    g_assert_cmpint(eg_http_retry_after_ns("99999999999999", date), ==, 3600 * EG_NS_PER_S);
    g_assert_cmpint(eg_http_retry_after_ns("Sun, 06 Nov 1994 08:50:07 GMT", date), ==,
                    30 * EG_NS_PER_S);
    g_assert_cmpint(eg_http_retry_after_ns("Sun, 06 Nov 1994 08:40:00 GMT", date), ==, 0);
    g_assert_cmpint(eg_http_retry_after_ns("Sun, 06 Nov 1994 08:50:07 GMT", NULL), ==, 0);
    g_assert_cmpint(eg_http_retry_after_ns("soon", date), ==, 0);
    g_assert_cmpint(eg_http_retry_after_ns("-3", date), ==, 0);
}

static void test_error(void)
{
    g_autoptr(GHashTable) headers = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_insert(headers, (gpointer) "retry-after", (gpointer) "2");
    EgHttpReply reply = {.status = 503, .headers = headers};
    g_autoptr(GError) error = NULL;
    g_assert_true(eg_http_is_retryable(503));
    eg_http_set_error(&error, "put a.mp4", &reply, "SlowDown", "please\r\nwait \xff", true);
    g_assert_error(error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_cmpstr(error->message, ==,
                    "cannot put a.mp4: HTTP status 503, SlowDown: please  wait \xef\xbf\xbd");
    g_assert_true(eg_error_is_retryable(error));
    g_assert_cmpint(eg_error_retry_after_ns(error), ==, 2 * EG_NS_PER_S);

    g_clear_error(&error);
    g_hash_table_remove_all(headers);
    reply.status = 403;
    g_assert_false(eg_http_is_retryable(403));
    g_autofree char *longest = g_strnfill(100000, 'x');
    eg_http_set_error(&error, "put a.mp4", &reply, NULL, longest, false);
    g_assert_error(error, EG_ERROR, EG_ERROR_PERMISSION_DENIED);
    g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_DESTINATION);
    g_assert_false(eg_error_is_retryable(error));
    g_assert_cmpint(eg_error_retry_after_ns(error), ==, 0);
    g_assert_cmpuint(strlen(error->message), <, 1000);
}

#define ADD(name) g_test_add("/http/" #name, Fixture, NULL, make, test_##name, clear)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    ADD(put);
    ADD(methods);
    ADD(head);
    ADD(redirection);
    ADD(bounded);
    ADD(broken);
    ADD(no_server);
    ADD(bad_header);
    ADD(bad_proxy);
    ADD(cancel);
    ADD(rate);
    g_test_add_func("/http/host", test_host);
    g_test_add_func("/http/escape", test_escape);
    g_test_add_func("/http/retry-after", test_retry_after);
    g_test_add_func("/http/error", test_error);
    return g_test_run();
}
