/* User and password in a URL: whose they are, and who is told. */
#include "browser/browser-login.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_urls(void)
{
    static const struct {
        const char *url;
        const char *origin; /* NULL: there is no login in it */
        const char *stripped;
    } cases[] = {
        {"http://example.com/a",                NULL,                           "http://example.com/a"            },
        {"http://example.com/a@b?c=d@e#f@g",    NULL,                           "http://example.com/a@b?c=d@e#f@g"},
        {"http://example.com?a@b",              NULL,                           "http://example.com?a@b"          },
        {"about:blank",                         NULL,                           "about:blank"                     },
        {"u:p@example.com",                     NULL,                           "u:p@example.com"                 },
        {"http://u:p@example.com/a@b",          "http://example.com",           "http://example.com/a@b"          },
        {"https://u@Example.COM:443/?x",        "https://example.com",          "https://Example.COM:443/?x"      },
        {"https://u:p@example.com:80/",         "https://example.com:80",       "https://example.com:80/"         },
        {"http://u%40v:p%2fq@example.com:8080", "http://example.com:8080",
         "http://example.com:8080"                                                                                },
        {"http://u:p@[::1]:81/",                "http://[::1]:81",              "http://[::1]:81/"                },
        {"http://u:p@b\xc3\xbc"
         "cher.example/",              "http://xn--bcher-kva.example",
         "http://b\xc3\xbc"
         "cher.example/"                                                                                          },
        {"http://:p@example.com/",              "http://example.com",           "http://example.com/"             },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(EgBrowserLogin) login = eg_browser_login_new(cases[i].url);
        g_autofree char *stripped = eg_browser_login_strip(cases[i].url);
        g_assert_cmpstr(login != NULL ? eg_browser_login_origin(login) : NULL, ==, cases[i].origin);
        g_assert_cmpstr(stripped, ==, cases[i].stripped);
    }
}

typedef struct {
    EgLoop *loop;
    EgDevtools *devtools;
    EgBrowserLogin *login;
    int peer;
} Fixture;

static void on_closed(gpointer user, const GError *error)
{
    (void)user;
    (void)error;
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const EgDevtoolsEvents events = {.closed = on_closed};
    (void)data;
    int fds[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    f->loop = eg_loop_new();
    f->devtools = eg_devtools_new(f->loop, fds[0], NULL, &events, f);
    f->peer = fds[1];
    f->login = eg_browser_login_new("http://us%20er:pass:word@example.com/");
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_browser_login_free(f->login);
    eg_devtools_free(f->devtools);
    close(f->peer);
    eg_loop_free(f->loop);
}

/* What the browser is told then. */
static char *handle(Fixture *f, const char *method, json_t *params)
{
    char told[4096];
    g_assert_true(eg_browser_login_handle(f->login, f->devtools, "S", method, params));
    json_decref(params);
    const gssize n = recv(f->peer, told, sizeof(told), 0);
    g_assert_cmpint(n, >, 0);
    return g_strndup(told, (gsize)n);
}

static void expect_answer(Fixture *f, const char *request, const char *origin, const char *source,
                          const char *answer)
{
    g_autofree char *told = handle(f, "Fetch.authRequired",
                                   json_pack("{s:s, s:{s:s, s:s}}", "requestId", request,
                                             "authChallenge", "origin", origin, "source", source));
    g_assert_nonnull(strstr(told, "\"Fetch.continueWithAuth\""));
    g_assert_nonnull(strstr(told, request));
    g_assert_nonnull(strstr(told, answer));
    g_assert_true((strstr(told, "pass") != NULL) == (strcmp(answer, "ProvideCredentials") == 0));
}

static void test_answers(Fixture *f, gconstpointer data)
{
    (void)data;
    expect_answer(f, "r1", "http://example.com", "Server", "ProvideCredentials");
    expect_answer(f, "r2", "http://example.com", "Server", "ProvideCredentials");
    expect_answer(f, "r1", "http://example.com", "Server", "CancelAuth");
    expect_answer(f, "r3", "http://example.org", "Server", "CancelAuth");
    expect_answer(f, "r4", "https://example.com", "Server", "CancelAuth");
    expect_answer(f, "r5", "http://example.com:8080", "Server", "CancelAuth");
    expect_answer(f, "r6", "http://example.com", "Proxy", "CancelAuth");
    expect_answer(f, "r7", "", "", "CancelAuth");
    g_autofree char *right = handle(f, "Fetch.authRequired",
                                    json_pack("{s:s, s:{s:s}}", "requestId", "r8", "authChallenge",
                                              "origin", "http://example.com"));
    g_assert_nonnull(strstr(right, "\"us er\""));
    g_assert_nonnull(strstr(right, "\"pass:word\""));
}

/* They are wrong, and the page asks again and again. */
static void test_many(Fixture *f, gconstpointer data)
{
    (void)data;
    guint n_answered = 0;
    for (guint i = 0; i < 200; i++) {
        g_autofree char *request = g_strdup_printf("r%u", i);
        g_autofree char *told = handle(f, "Fetch.authRequired",
                                       json_pack("{s:s, s:{s:s}}", "requestId", request,
                                                 "authChallenge", "origin", "http://example.com"));
        n_answered += strstr(told, "ProvideCredentials") != NULL;
    }
    g_assert_cmpuint(n_answered, ==, 100);
}

static void test_others(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *told = handle(f, "Fetch.requestPaused", json_pack("{s:s}", "requestId", "r1"));
    g_assert_nonnull(strstr(told, "\"Fetch.continueRequest\""));
    json_t *params = json_object();
    g_assert_false(
        eg_browser_login_handle(f->login, f->devtools, "S", "Page.loadEventFired", params));
    json_decref(params);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/browser-login/urls", test_urls);
    g_test_add("/browser-login/answers", Fixture, NULL, set_up, test_answers, tear_down);
    g_test_add("/browser-login/many", Fixture, NULL, set_up, test_many, tear_down);
    g_test_add("/browser-login/others", Fixture, NULL, set_up, test_others, tear_down);
    return g_test_run();
}
