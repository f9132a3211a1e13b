/* What a browser says over its DevTools socket, in any pieces: pages decide much of it. The input
 * is the browser's side of the conversation; its first byte says how large the pieces are. Besides
 * the protocol itself, what is made of its messages is tried: the console, and a page that loads.
 */
#include "browser/devtools.h"

#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "browser/browser-page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define N_CALLS 3

typedef struct {
    EgLoop *loop;
    EgDevtools *devtools;
    EgBrowserPage *page;
    guint n_replies;
    bool has_failed;
} Browser;

static void on_event(gpointer user, const char *session, const char *method, const json_t *params)
{
    Browser *browser = user;
    g_assert_nonnull(method);
    g_assert_true(json_is_object(params));
    (void)session;
    if (!browser->has_failed)
        eg_browser_page_handle(browser->page, method, params);
}

static void on_closed(gpointer user, const GError *error)
{
    (void)user;
    g_assert_nonnull(error);
}

static void on_reply(gpointer user, const json_t *result, const GError *error)
{
    Browser *browser = user;
    g_assert_true((result == NULL) != (error == NULL));
    g_assert_true(result == NULL || json_is_object(result));
    g_assert_cmpuint(++browser->n_replies, <=, N_CALLS);
}

static void on_loaded(gpointer user)
{
    g_assert_false(((Browser *)user)->has_failed);
}

static void on_signaled(gpointer user, EgBrowserSignal signal, const char *value)
{
    (void)user;
    g_assert_cmpint(signal, >, EG_BROWSER_SIGNAL_NONE);
    g_assert_cmpint(signal, <, EG_N_BROWSER_SIGNALS);
    g_assert_true((signal == EG_BROWSER_SIGNAL_LAYOUT) == (value != NULL));
    g_assert_true(value == NULL || g_utf8_validate(value, -1, NULL));
}

static void on_crashed(gpointer user, const GError *error)
{
    (void)user;
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void on_failed(gpointer user, const GError *error)
{
    Browser *browser = user;
    g_assert_false(browser->has_failed);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    browser->has_failed = true;
}

static void drain(Browser *browser)
{
    while (eg_loop_iterate(browser->loop, false))
        continue;
}

static void say(Browser *browser, int fd, const uint8_t *data, size_t size)
{
    const size_t piece = size > 0 ? (size_t)data[0] * 16 + 1 : 1;
    for (size_t at = 1; at < size; at += piece) {
        const size_t length = MIN(piece, size - at);
        g_assert_cmpint(send(fd, data + at, length, MSG_NOSIGNAL), ==, (gssize)length);
        drain(browser);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const EgDevtoolsEvents events = {.event = on_event, .closed = on_closed};
    static const EgBrowserEvents page_events = {
        .loaded = on_loaded,
        .signaled = on_signaled,
        .crashed = on_crashed,
        .failed = on_failed,
    };
    int fds[2];
    eg_log_setup(EG_LOG_NONE, false);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    Browser browser = {.loop = eg_loop_new()};
    browser.devtools = eg_devtools_new(browser.loop, fds[0], NULL, &events, &browser);
    const EgBrowserPageParams params = {
        .devtools = browser.devtools, .session = "S", .target = "T", .logs_console = true};
    browser.page = eg_browser_page_new(browser.loop, &params, &page_events, &browser);
    for (guint i = 0; i < N_CALLS; i++)
        eg_devtools_call(browser.devtools, NULL, "A.b", NULL, 60 * EG_NS_PER_S, on_reply, &browser);
    eg_browser_page_open(browser.page, "http://127.0.0.1/x?token=y");
    say(&browser, fds[1], data, size);
    close(fds[1]);
    drain(&browser);
    eg_devtools_free(browser.devtools);
    eg_browser_page_free(browser.page);
    eg_loop_free(browser.loop);
    return 0;
}
