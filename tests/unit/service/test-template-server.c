#include "service/template-server.h"

#include <libsoup/soup.h>
#include <string.h>

#include "base/error.h"

typedef struct {
    EgLoop *loop;
    EgTemplateServer *server;
    SoupSession *session;
    GBytes *body; /* of the last answer */
} Fixture;

static void make(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    f->loop = eg_loop_new();
    f->server = eg_template_server_new(f->loop, 0, &error);
    g_assert_no_error(error);
    f->session = soup_session_new();
}

static void dispose(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_bytes_unref(f->body);
    g_object_unref(f->session);
    eg_template_server_free(f->server);
    eg_loop_free(f->loop);
}

static void on_answered(GObject *source, GAsyncResult *result, gpointer user)
{
    Fixture *f = user;
    g_autoptr(GError) error = NULL;
    f->body = soup_session_send_and_read_finish(SOUP_SESSION(source), result, &error);
    g_assert_no_error(error);
}

/* The answer to a request, to be unreferenced; its body is in the fixture. */
static SoupMessage *ask(Fixture *f, const char *method, const char *path)
{
    g_autofree char *url =
        g_strdup_printf("http://127.0.0.1:%u%s", eg_template_server_port(f->server), path);
    /* As it is: what is not a proper path must get to the server, too. */
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
    SoupMessage *message = soup_message_new_from_uri(method, uri);
    g_clear_pointer(&f->body, g_bytes_unref);
    soup_session_send_and_read_async(f->session, message, G_PRIORITY_DEFAULT, NULL, on_answered, f);
    while (f->body == NULL)
        eg_loop_iterate(f->loop, true);
    return message;
}

static bool has(const Fixture *f, const char *text)
{
    gsize size;
    const char *body = g_bytes_get_data(f->body, &size);
    return size > 0 && g_strstr_len(body, (gssize)size, text) != NULL;
}

static const char *header(SoupMessage *message, const char *name)
{
    return soup_message_headers_get_one(soup_message_get_response_headers(message), name);
}

static void test_page(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const struct {
        const char *path;
        const char *type;
        const char *text;
    } rows[] = {
        {"/",                                     "text/html; charset=utf-8",       "<script src=\"page.js\""},
        {"/?layout=grid&token=t&url=ws://host:1", "text/html; charset=utf-8",
         "<main id=\"stage\">"                                                                               },
        {"/page.css",                             "text/css; charset=utf-8",        ".tile"                  },
        {"/page.js",                              "text/javascript; charset=utf-8", "START_RECORDING"        },
        {"/licenses.txt",                         "text/plain; charset=utf-8",      "Apache License"         },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(SoupMessage) message = ask(f, "GET", rows[i].path);
        g_assert_cmpuint(soup_message_get_status(message), ==, SOUP_STATUS_OK);
        g_assert_cmpstr(header(message, "Content-Type"), ==, rows[i].type);
        g_assert_true(has(f, rows[i].text));
    }
}

/* Whatever the page loads is served, and nothing of it needs anybody else. */
static void test_whole(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(SoupMessage) page = ask(f, "GET", "/");
    g_autofree char *html = g_strndup(g_bytes_get_data(f->body, NULL), g_bytes_get_size(f->body));
    g_autoptr(GRegex) reference =
        g_regex_new("(?:src|href)=\"(?!data:)([^\"]*)\"", G_REGEX_DEFAULT, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    guint n_found = 0;
    for (g_regex_match(reference, html, 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL)) {
        g_autofree char *name = g_match_info_fetch(match, 1);
        g_autofree char *path = g_strconcat("/", name, NULL);
        g_autoptr(SoupMessage) message = ask(f, "GET", path);
        g_assert_cmpuint(soup_message_get_status(message), ==, SOUP_STATUS_OK);
        n_found++;
    }
    g_assert_cmpuint(n_found, ==, 2);
}

static void test_headers(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const paths[] = {"/", "/page.js", "/nothing"};
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(SoupMessage) message = ask(f, "GET", paths[i]);
        const char *policy = header(message, "Content-Security-Policy");
        g_assert_nonnull(policy);
        g_assert_true(g_str_has_prefix(policy, "default-src 'none'; "));
        g_assert_nonnull(strstr(policy, "connect-src ws: wss: http: https:;"));
        g_assert_null(strstr(policy, "unsafe"));
        g_assert_cmpstr(header(message, "Referrer-Policy"), ==, "no-referrer");
        g_assert_cmpstr(header(message, "X-Content-Type-Options"), ==, "nosniff");
        g_assert_cmpstr(header(message, "Cache-Control"), ==, "no-cache");
        g_assert_null(header(message, "Access-Control-Allow-Origin"));
    }
}

static void test_nothing_else(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const paths[] = {
        "/index.html/", "/page.js/",         "//page.js",     "/page.j",
        "/page.jss",    "/../../etc/passwd", "/etc/passwd",   "/%2e%2e/%2e%2e/etc/passwd",
        "/.git/config", "/src/main.ts",      "/page/page.js", "/PAGE.JS",
        "/page.js%00",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autoptr(SoupMessage) message = ask(f, "GET", paths[i]);
        guint status = soup_message_get_status(message);
        g_assert_true(status == SOUP_STATUS_NOT_FOUND || status == SOUP_STATUS_BAD_REQUEST);
        g_assert_false(has(f, "root:"));
    }
}

static void test_methods(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS"};
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        g_autoptr(SoupMessage) message = ask(f, methods[i], "/");
        g_assert_cmpuint(soup_message_get_status(message), ==, SOUP_STATUS_METHOD_NOT_ALLOWED);
        g_assert_cmpstr(header(message, "Allow"), ==, "GET, HEAD");
    }
    g_autoptr(SoupMessage) head = ask(f, "HEAD", "/");
    g_assert_cmpuint(soup_message_get_status(head), ==, SOUP_STATUS_OK);
    g_assert_cmpuint(g_bytes_get_size(f->body), ==, 0);
}

static void test_port(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    guint port = eg_template_server_port(f->server);
    g_assert_cmpuint(port, >, 0);
    g_assert_null(eg_template_server_new(f->loop, port, &error));
    g_autofree char *expected = g_strdup_printf("template_port: cannot listen on %u: ", port);
    g_assert_true(g_str_has_prefix(error->message, expected));
    g_assert_cmpint((int)eg_error_code(error), ==, EG_ERROR_UNAVAILABLE);

    /* Free again once the server is gone. */
    eg_template_server_free(f->server);
    g_clear_error(&error);
    f->server = eg_template_server_new(f->loop, port, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(eg_template_server_port(f->server), ==, port);
    g_autoptr(SoupMessage) message = ask(f, "GET", "/");
    g_assert_cmpuint(soup_message_get_status(message), ==, SOUP_STATUS_OK);
}

/* Not to be reached from other machines, that is, by another address than the loopback's. */
static void test_loopback(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    g_autoptr(EgTemplateServer) server = eg_template_server_new(f->loop, 0, &error);
    g_assert_no_error(error);
    /* Who listens on every address takes the port from all; on the loopback only, the others are
     * free. */
    g_autoptr(GSocket) other =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
    g_assert_no_error(error);
    g_autoptr(GInetAddress) second = g_inet_address_new_from_string("127.0.0.2");
    g_autoptr(GSocketAddress) address =
        g_inet_socket_address_new(second, (guint16)eg_template_server_port(server));
    g_assert_true(g_socket_bind(other, address, FALSE, &error));
    g_assert_no_error(error);
    g_autoptr(SoupMessage) message = ask(f, "GET", "/");
    g_assert_cmpuint(soup_message_get_status(message), ==, SOUP_STATUS_OK);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    static const struct {
        const char *path;
        void (*run)(Fixture *f, gconstpointer unused);
    } tests[] = {
        {"/template-server/page",         test_page        },
        {"/template-server/whole",        test_whole       },
        {"/template-server/headers",      test_headers     },
        {"/template-server/nothing-else", test_nothing_else},
        {"/template-server/methods",      test_methods     },
        {"/template-server/port",         test_port        },
        {"/template-server/loopback",     test_loopback    },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, NULL, make, tests[i].run, dispose);
    return g_test_run();
}
