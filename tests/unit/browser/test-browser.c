/* A real Chromium, whatever pages and people do to it. */
#include "browser/browser.h"

#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "browser-fixture.h"

/* Two pages and their ends; what is written before a page of ours is shown does not count. */
static void test_loads(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/signals");
    fixture_wait(f, "ready loaded START END ");
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START END loaded START ");
}

/* What is shown is told as it comes, before the page has loaded, too. */
static void test_layouts(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/layouts");
    fixture_wait(f, "ready LAYOUT:grid loaded START ");
    fixture_open_gate(f);
    fixture_wait(f, "ready LAYOUT:grid loaded START LAYOUT:speaker ");
}

static void test_not_quite_signals(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/not-quite");
    fixture_wait(f, "ready loaded END ");
}

/* The same page again, also if only its fragment says where. */
static void test_opens_again(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/late#there");
    fixture_wait(f, "ready loaded START ");
    fixture_open(f, "/late#there");
    fixture_wait(f, "ready loaded START loaded START ");
    fixture_open(f, "/unload");
    fixture_wait(f, "ready loaded START loaded START loaded ");
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START loaded START loaded loaded START ");
}

/* The second counts, before the first has come to anything. */
static void test_opens_another(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/endless");
    fixture_wait_for_request(f, "/never");
    fixture_open(f, "/still");
    fixture_wait(f, "ready loaded ");
    fixture_open(f, "/late");
    fixture_open(f, "/signals");
    fixture_wait(f, "ready loaded loaded START END ");
}

typedef struct {
    const char *path;    /* or a whole URL */
    const char *message; /* without the page's address, which is the %s */
} Failure;

static const Failure failures[] = {
    {"/missing",                                 "page load error: HTTP status 404 Not Found at %s"          },
    {"/missing-empty",                           "page load error: HTTP status 404 Not Found at %s"          },
    {"/broken",                                  "page load error: HTTP status 503 Service Unavailable at %s"},
    {"/password",                                "page load error: HTTP status 401 Unauthorized at %s"       },
    {"/file",                                    "page load error: it is a download, not a page at %s"       },
    {"/forwards-nowhere",                        "page load error: net::ERR_UNSAFE_PORT at %s"               },
    {"/template-error",                          "template error: could not connect\xe2\x80\xa6"             },
    {"http://127.0.0.1:2/x?token=secret#secret",
     "page load error: net::ERR_CONNECTION_REFUSED at http://127.0.0.1:2/x"                                  },
    {"http://user:secret@nowhere.invalid/",
     "page load error: net::ERR_NAME_NOT_RESOLVED at http://nowhere.invalid/"                                },
    {"http://[secret/",                          "page load error: Cannot navigate to invalid URL"           },
    {"nonsense?token=secret",                    "page load error: Cannot navigate to invalid URL"           },
    {"",                                         "page load error: Cannot navigate to invalid URL"           },
    {"http://\xff\xfe/",                         "page load error: Cannot navigate to invalid URL"           },
};

static void test_failure(Fixture *f, gconstpointer data)
{
    const Failure *failure = data;
    fixture_start(f);
    if (*failure->path == '/') {
        g_autofree char *url = fixture_url(f, failure->path);
        g_autofree char *secret = g_strconcat(url, "?token=secret", NULL);
        g_auto(GStrv) parts = g_strsplit(failure->message, "%s", 2);
        g_autofree char *message = g_strjoinv(url, parts);
        eg_browser_open(f->browser, secret);
        fixture_wait(f, "ready failed ");
        g_assert_cmpstr(f->error->message, ==, message);
    } else {
        eg_browser_open(f->browser, failure->path);
        fixture_wait(f, "ready failed ");
        g_assert_cmpstr(f->error->message, ==, failure->message);
    }
    g_assert_cmpint(eg_error_code(f->error), ==, EG_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_REQUEST);
    g_assert_null(strstr(f->lines->str, "secret"));
}

static void test_redirects(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/forwards");
    while (strstr(f->events->str, "START") == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_true(g_str_has_prefix(f->events->str, "ready loaded START "));
    fixture_open(f, "/template-fine");
    fixture_wait(f, "ready loaded START loaded ");
}

/* It has loaded, and is on its way to another one before it was looked at. */
static void test_leaves(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/leaves");
    fixture_wait(f, "ready failed ");
    g_assert_nonnull(strstr(f->error->message, "HTTP status 404 Not Found"));
}

static void test_painted(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/still");
    fixture_wait(f, "ready loaded ");
    eg_browser_await_painted(f->browser);
    fixture_wait(f, "ready loaded painted ");
    /* One that draws nothing holds up nobody. */
    fixture_open(f, "/hangs-later");
    fixture_wait(f, "ready loaded painted loaded START ");
    fixture_open_gate(f);
    eg_browser_await_painted(f->browser);
    fixture_wait(f, "ready loaded painted loaded START painted ");
}

/* It draws nothing before the next page comes in its place: that is waited for. */
static void test_goes_on_unpainted(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/goes-on");
    fixture_wait(f, "ready loaded ");
    fixture_wait_for_request(f, "/gate");
    eg_browser_await_painted(f->browser);
    fixture_open_gate(f);
    fixture_wait(f, "ready loaded START painted ");
}

/* A template that cannot connect says so when it knows; any other page may show what it likes. */
static void test_late_error(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.awaits_signal = true;
    fixture_start(f);
    fixture_open(f, "/template-error-late");
    fixture_wait(f, "ready loaded ");
    fixture_open_gate(f);
    fixture_wait(f, "ready loaded failed ");
    g_assert_cmpstr(f->error->message, ==, "template error: no room");
}

static void test_bad_certificate(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *url = fixture_tls_url(f, "/still");
    g_autofree char *message =
        g_strdup_printf("page load error: net::ERR_CERT_AUTHORITY_INVALID at %s", url);
    fixture_start(f);
    eg_browser_open(f->browser, url);
    fixture_wait(f, "ready failed ");
    g_assert_cmpstr(f->error->message, ==, message);
}

static void test_insecure(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *url = fixture_tls_url(f, "/signals");
    f->params.is_insecure = true;
    fixture_start(f);
    eg_browser_open(f->browser, url);
    fixture_wait(f, "ready loaded START END ");
}

static guint count(const char *text, const char *part)
{
    guint n = 0;
    for (const char *found = strstr(text, part); found != NULL; n++)
        found = strstr(found + 1, part);
    return n;
}

static void wait_for_requests(Fixture *f, const char *path, guint n)
{
    while (count(f->requests->str, path) < n)
        eg_loop_iterate(f->loop, true);
}

static void test_endless(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *url = fixture_url(f, "/endless");
    g_autofree char *message =
        g_strdup_printf("page load error: the page has not loaded within 2 s at %s", url);
    f->params.load_timeout_ns = 2 * EG_NS_PER_S;
    fixture_start(f);
    eg_browser_open(f->browser, url);
    fixture_wait(f, "ready failed ");
    g_assert_cmpstr(f->error->message, ==, message);
    g_assert_cmpuint(count(f->requests->str, "/endless "), ==, 3);
}

static void test_hangs(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.load_timeout_ns = 2 * EG_NS_PER_S;
    fixture_start(f);
    fixture_open(f, "/hangs");
    fixture_wait(f, "ready failed ");
    g_assert_true(g_str_has_prefix(f->error->message, "page load error: the page "));
}

/* It is no end; only another page cannot be opened in its place. */
static void test_hangs_later(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.load_timeout_ns = 2 * EG_NS_PER_S;
    fixture_start(f);
    fixture_open(f, "/hangs-later");
    fixture_wait(f, "ready loaded START ");
    fixture_open_gate(f);
    fixture_open(f, "/still");
    while (strlen(f->events->str) <= strlen("ready loaded START "))
        eg_loop_iterate(f->loop, true);
    g_assert_true(strcmp(f->events->str, "ready loaded START failed ") == 0 ||
                  strcmp(f->events->str, "ready loaded START loaded ") == 0);
}

/* Unless it is still to say that it is ready, which it never will. */
static void test_hangs_waiting(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.load_timeout_ns = 2 * EG_NS_PER_S;
    f->params.awaits_signal = true;
    fixture_start(f);
    fixture_open(f, "/hangs-waiting");
    fixture_wait(f, "ready loaded ");
    fixture_open_gate(f);
    fixture_wait(f, "ready loaded failed ");
    g_assert_nonnull(strstr(f->error->message, "page load error: the page hangs at "));
    g_assert_cmpint(eg_error_code(f->error), ==, EG_ERROR_INVALID_ARGUMENT);
}

static void test_dialogs(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.logs_console = true;
    fixture_start(f);
    fixture_open(f, "/dialogs");
    fixture_wait(f, "ready loaded START ");
    fixture_wait_for_line(f, "confirm false");
    fixture_wait_for_line(f, "prompt null");
}

/* Neither windows come up nor does the page close its own. */
static void test_windows(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.logs_console = true;
    fixture_start(f);
    fixture_open(f, "/windows");
    fixture_wait(f, "ready loaded START ");
    fixture_wait_for_line(f, "window null");
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START loaded START ");
    g_assert_null(strstr(f->requests->str, "/opened"));
}

/* With a flag that lets them come up: they are closed. */
static void test_windows_allowed(Fixture *f, gconstpointer data)
{
    static const char *const flags[] = {"disable-popup-blocking", NULL};
    (void)data;
    f->params.extra_flags = flags;
    f->params.logs_console = true;
    fixture_start(f);
    fixture_open(f, "/windows");
    fixture_wait(f, "ready loaded START ");
    fixture_wait_for_line(f, "a window that the page opened is closed");
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START loaded START ");
}

static void test_prompts(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.logs_console = true;
    fixture_start(f);
    fixture_open(f, "/prompts");
    fixture_wait(f, "ready loaded START ");
    fixture_wait_for_line(f, "answers 1,denied,denied,denied,NotAllowedError,TypeError,401");
}

static void test_download(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/download");
    fixture_wait(f, "ready loaded START ");
    fixture_wait_for_request(f, "/file");
    g_autofree char *folder = g_build_filename(eg_run_folder_path(f->folder), "Downloads", NULL);
    g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
}

/* Lines are bounded in number and length, and one that is too long for a message is left out. */
static void test_console(Fixture *f, gconstpointer data)
{
    (void)data;
    f->params.logs_console = true;
    fixture_start(f);
    fixture_open(f, "/floods");
    fixture_wait(f, "ready loaded START ");
    g_assert_cmpuint(count(f->lines->str, "INFO  console "), >, 50);
    g_assert_cmpuint(count(f->lines->str, "INFO  console "), <, 450);
    g_assert_nonnull(strstr(f->lines->str, "a message of the browser is left out"));
    g_assert_cmpuint(f->lines->len, <, 1 << 20);
}

static int renderer_of(Fixture *f)
{
    g_autoptr(GArray) pids = fixture_processes(eg_run_folder_path(f->folder), "renderer");
    g_assert_cmpuint(pids->len, >=, 1);
    return g_array_index(pids, int, 0);
}

/* All of them: which one is the page's is not written on them. */
static void kill_renderers(Fixture *f, int sig)
{
    renderer_of(f);
    g_autoptr(GArray) pids = fixture_processes(eg_run_folder_path(f->folder), "renderer");
    for (guint i = 0; i < pids->len; i++)
        kill(g_array_index(pids, int, i), sig);
}

static void test_killed(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START ");
    kill_renderers(f, SIGKILL);
    fixture_wait(f, "ready loaded START crashed ");
    g_assert_cmpstr(f->error->message, ==,
                    "chrome error: the page's process was killed (signal 9); the machine may be "
                    "out of memory");
    g_assert_cmpint(eg_error_code(f->error), ==, EG_ERROR_INTERNAL);
    fixture_open(f, "/signals");
    fixture_wait(f, "ready loaded START crashed loaded START END ");
    kill_renderers(f, SIGSEGV);
    fixture_wait(f, "ready loaded START crashed loaded START END crashed ");
    g_assert_cmpstr(f->error->message, ==,
                    "chrome error: the page's process has crashed (signal 11)");
}

/* What is not on the display will not be. Stopped, it cannot draw before it is killed. */
static void test_killed_before_painted(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START ");
    kill_renderers(f, SIGSTOP);
    eg_browser_await_painted(f->browser);
    kill_renderers(f, SIGKILL);
    fixture_wait(f, "ready loaded START crashed ");
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START crashed loaded START ");
    eg_browser_await_painted(f->browser);
    fixture_wait(f, "ready loaded START crashed loaded START painted ");
}

static void test_killed_while_loading(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/endless");
    for (guint n = 1; n <= 3; n++) {
        wait_for_requests(f, "/never ", n);
        kill_renderers(f, SIGKILL);
    }
    fixture_wait(f, "ready failed ");
    g_assert_true(g_str_has_prefix(f->error->message, "page load error: the page's process "));
}

static void test_browser_killed(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_start(f);
    fixture_open(f, "/late");
    fixture_wait(f, "ready loaded START ");
    g_autoptr(GArray) pids = fixture_processes(eg_run_folder_path(f->folder), NULL);
    for (guint i = 0; i < pids->len; i++)
        kill(g_array_index(pids, int, i), SIGKILL);
    while (strstr(f->events->str, "failed") == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_true(
        g_str_has_prefix(f->error->message, "chrome error: Chromium has ended (signal 9)"));
    g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_SERVICE);
}

static void test_does_not_start(Fixture *f, gconstpointer data)
{
    static const char *const flags[] = {"--ozone-platform=x11", NULL};
    (void)data;
    f->params.display_flags = flags;
    g_autoptr(GError) error = NULL;
    fixture_try_to_start(f);
    fixture_wait(f, "failed ");
    g_assert_true(g_str_has_prefix(f->error->message, "chrome error: Chromium has ended ("));
    g_assert_nonnull(strstr(f->error->message, "failed to initialize"));
}

/* Freed at once, and while it loads. */
static void test_free_early(Fixture *f, gconstpointer data)
{
    (void)data;
    fixture_try_to_start(f);
    g_clear_pointer(&f->browser, eg_browser_free);
    fixture_start(f);
    fixture_open(f, "/endless");
    fixture_wait_for_request(f, "/never");
}

static void test_secrets(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *url = fixture_url(f, "/late?token=very-secret-token");
    fixture_start(f);
    eg_browser_open(f->browser, url);
    fixture_wait(f, "ready loaded START ");
    g_autoptr(GArray) all = fixture_processes(eg_run_folder_path(f->folder), NULL);
    g_assert_cmpuint(all->len, >=, 2);
    g_autoptr(GArray) telling = fixture_processes("very-secret-token", NULL);
    g_assert_cmpuint(telling->len, ==, 0);
    g_assert_null(strstr(f->lines->str, "very-secret-token"));
}

/* http://LOGIN@127.0.0.1:PORT/private/late */
static char *login_url(Fixture *f, const char *login)
{
    g_autofree char *url = fixture_url(f, "/private/late");
    return g_strdup_printf("http://%s@%s", login, url + strlen("http://"));
}

/* For the page's server, and no other. */
static void test_login(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *url = login_url(f, "j%C3%B6rg:pass%40login-of-a-page:word");
    f->params.login_url = url;
    fixture_start(f);
    eg_browser_open(f->browser, url);
    fixture_wait(f, "ready loaded START ");
    g_assert_cmpuint(count(f->requests->str, "/private/also "), ==, 1);
    /* A word that nobody else on the machine has. */
    g_autoptr(GArray) telling = fixture_processes("login-of-a-page", NULL);
    g_assert_cmpuint(telling->len, ==, 0);
    g_assert_null(strstr(f->lines->str, "login-of-a-page"));
}

static void test_wrong_login(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *url = login_url(f, "joe:secret");
    f->params.login_url = url;
    fixture_start(f);
    eg_browser_open(f->browser, url);
    fixture_wait(f, "ready failed ");
    g_autofree char *shown = fixture_url(f, "/private/late");
    g_autofree char *text =
        g_strdup_printf("page load error: HTTP status 401 Unauthorized at %s", shown);
    g_assert_cmpstr(f->error->message, ==, text);
    g_assert_null(strstr(f->lines->str, "secret"));
}

static void test_several(Fixture *f, gconstpointer data)
{
    (void)data;
    Fixture others[2];
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        fixture_set_up_beside(&others[i], f);
    fixture_try_to_start(f);
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        fixture_try_to_start(&others[i]);
    fixture_wait(f, "ready ");
    fixture_open(f, "/late");
    for (guint i = 0; i < G_N_ELEMENTS(others); i++) {
        fixture_wait(&others[i], "ready ");
        fixture_open(&others[i], "/late");
        fixture_wait(&others[i], "ready loaded START ");
    }
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        fixture_tear_down_beside(&others[i]);
    fixture_wait(f, "ready loaded START ");
    fixture_open(f, "/signals");
    fixture_wait(f, "ready loaded START loaded START END ");
}

static void test_flags(Fixture *f, gconstpointer data)
{
    static const char *const flags[] = {"--lang=de", "hide-scrollbars=false", "no-pings=true",
                                        NULL};
    (void)data;
    f->params.extra_flags = flags;
    f->params.proxy = "socks5://127.0.0.1:1";
    fixture_start(f);
    const char *folder = eg_run_folder_path(f->folder);
    g_autoptr(GArray) all = fixture_processes(folder, NULL);
    g_assert_cmpuint(all->len, >=, 2);
    g_autoptr(GArray) german = fixture_processes(" --lang=de ", NULL);
    g_assert_cmpuint(german->len, >=, 1);
    fixture_open(f, "/still");
    fixture_wait(f, "ready failed ");
    g_assert_nonnull(strstr(f->error->message, "net::ERR_PROXY_CONNECTION_FAILED"));
    g_assert_cmpstr(f->requests->str, ==, "");
}

/* Chromium only knows that it was the proxy. */
static void test_guarded(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPageGuard) guard =
        eg_page_guard_new(f->loop, &(EgPageGuardParams){.log = f->log}, &error);
    g_assert_no_error(error);
    f->guard = guard;
    f->params.proxy = eg_page_guard_proxy(guard);
    fixture_start(f);
    fixture_open(f, "/still");
    fixture_wait(f, "ready failed ");
    g_assert_nonnull(strstr(f->error->message, "net::ERR_NETWORK_ACCESS_DENIED (web_allow "));
    g_assert_cmpstr(f->requests->str, ==, "");
}

static void test_own_flags(Fixture *f, gconstpointer data)
{
    static const char *const flags[] = {"user-data-dir=/tmp/x", NULL};
    (void)data;
    f->params.extra_flags = flags;
    g_autoptr(GError) error = NULL;
    g_assert_null(eg_browser_new(f->loop, &f->params, &(EgBrowserEvents){0}, NULL, &error));
    g_assert_cmpstr(error->message, ==, "the browser's flag \"user-data-dir\" cannot be chosen");
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD_DATA(path, test, data)                                                                 \
    g_test_add(path, Fixture, data, fixture_set_up, test, fixture_tear_down)
#define ADD(path, test) ADD_DATA(path, test, NULL)
    ADD("/browser/loads", test_loads);
    ADD("/browser/layouts", test_layouts);
    ADD("/browser/not-quite-signals", test_not_quite_signals);
    ADD("/browser/opens-again", test_opens_again);
    ADD("/browser/opens-another", test_opens_another);
    ADD("/browser/redirects", test_redirects);
    ADD("/browser/leaves", test_leaves);
    ADD("/browser/painted", test_painted);
    ADD("/browser/goes-on-unpainted", test_goes_on_unpainted);
    ADD("/browser/late-error", test_late_error);
    for (gsize i = 0; i < G_N_ELEMENTS(failures); i++) {
        g_autofree char *path = g_strdup_printf("/browser/failure/%zu", i);
        ADD_DATA(path, test_failure, &failures[i]);
    }
    ADD("/browser/bad-certificate", test_bad_certificate);
    ADD("/browser/insecure", test_insecure);
    ADD("/browser/endless", test_endless);
    ADD("/browser/hangs", test_hangs);
    ADD("/browser/hangs-later", test_hangs_later);
    ADD("/browser/hangs-waiting", test_hangs_waiting);
    ADD("/browser/dialogs", test_dialogs);
    ADD("/browser/windows", test_windows);
    ADD("/browser/windows-allowed", test_windows_allowed);
    ADD("/browser/prompts", test_prompts);
    ADD("/browser/download", test_download);
    ADD("/browser/console", test_console);
    ADD("/browser/killed", test_killed);
    ADD("/browser/killed-before-painted", test_killed_before_painted);
    ADD("/browser/killed-while-loading", test_killed_while_loading);
    ADD("/browser/browser-killed", test_browser_killed);
    ADD("/browser/does-not-start", test_does_not_start);
    ADD("/browser/free-early", test_free_early);
    ADD("/browser/secrets", test_secrets);
    ADD("/browser/login", test_login);
    ADD("/browser/wrong-login", test_wrong_login);
    ADD("/browser/several", test_several);
    ADD("/browser/flags", test_flags);
    ADD("/browser/guarded", test_guarded);
    ADD("/browser/own-flags", test_own_flags);
#undef ADD
#undef ADD_DATA
    return g_test_run();
}
