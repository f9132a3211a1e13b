/* How a page is loaded: what it takes to become LOADED, and to find out that it will not. */
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "browser/browser-page-private.h"

/* As many as LiveKit's service makes. */
#define MAX_TRIES 3

#define DEFAULT_LOAD_TIMEOUT_NS (30 * EG_NS_PER_S)
#define RETRY_DELAY_NS          (500 * EG_NS_PER_MS)
#define REPAINT_DELAY_NS        (20 * EG_NS_PER_MS)

/* Of calls that the browser answers by itself, and of one that the page must answer. */
#define CALL_TIMEOUT_NS  (30 * EG_NS_PER_S)
#define CHECK_TIMEOUT_NS (10 * EG_NS_PER_S)

/* How often a page is looked at that has loaded, but not yet said that it is ready. */
#define WATCH_INTERVAL_NS (500 * EG_NS_PER_MS)

/* What a template shows when it cannot go on: the text of its first div.error. */
#define CHECK_SCRIPT                                                                               \
    "(() => { const e = document.querySelector('div.error');"                                      \
    " return e ? String(e.innerText).trim().slice(0, 500).toWellFormed() : ''; })()"

/* Chromium has at most three frames on the way to the display. A page that is busy is waited for,
 * one that has nothing to do and draws nothing is not. */
#define PAINT_SCRIPT                                                                               \
    "new Promise(done => { let n = 4; setTimeout(done, 1000);"                                     \
    " const next = () => n-- > 0 ? requestAnimationFrame(next) : done(); next(); })"

static const bool transitions[EG_N_BROWSER_PAGE_STATES][EG_N_BROWSER_PAGE_STATES] = {
    [EG_BROWSER_PAGE_IDLE] = {[EG_BROWSER_PAGE_NAVIGATING] = true},
    [EG_BROWSER_PAGE_NAVIGATING] = {[EG_BROWSER_PAGE_NAVIGATING] = true,
                              [EG_BROWSER_PAGE_LOADING] = true,
                              [EG_BROWSER_PAGE_RETRYING] = true,
                              [EG_BROWSER_PAGE_FAILED] = true},
    [EG_BROWSER_PAGE_LOADING] = {[EG_BROWSER_PAGE_NAVIGATING] = true,
                              [EG_BROWSER_PAGE_CHECKING] = true,
                              [EG_BROWSER_PAGE_RETRYING] = true,
                              [EG_BROWSER_PAGE_FAILED] = true},
    [EG_BROWSER_PAGE_CHECKING] = {[EG_BROWSER_PAGE_NAVIGATING] = true,
                              [EG_BROWSER_PAGE_LOADING] = true,
                              [EG_BROWSER_PAGE_RETRYING] = true,
                              [EG_BROWSER_PAGE_LOADED] = true,
                              [EG_BROWSER_PAGE_FAILED] = true},
    [EG_BROWSER_PAGE_RETRYING] =
        {[EG_BROWSER_PAGE_NAVIGATING] = true,   [EG_BROWSER_PAGE_FAILED] = true},
    [EG_BROWSER_PAGE_LOADED] = {[EG_BROWSER_PAGE_NAVIGATING] = true,
                              [EG_BROWSER_PAGE_CRASHED] = true,
                              [EG_BROWSER_PAGE_FAILED] = true},
    [EG_BROWSER_PAGE_CRASHED] = {[EG_BROWSER_PAGE_NAVIGATING] = true},
};

/* Of which the proxy knows more. */
#define PROXY_ERRORS "net::ERR_SOCKS_"

/* Errors after which another try may succeed. */
static const char *const passing_errors[] = {
    "net::ERR_TIMED_OUT",
    "net::ERR_CONNECTION_TIMED_OUT",
    "net::ERR_CONNECTION_CLOSED",
    "net::ERR_CONNECTION_RESET",
    "net::ERR_CERT_VERIFIER_CHANGED",
    "net::ERR_NETWORK_CHANGED",
    "net::ERR_NAME_RESOLUTION_FAILED",
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

void eg_browser_page_set_state(EgBrowserPage *page, EgBrowserPageState state)
{
    g_assert(transitions[page->state][state]);
    page->state = state;
}

char *eg_browser_page_describe_url(const char *url)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_ENCODED, NULL);
    if (uri == NULL || g_uri_get_host(uri) == NULL)
        return NULL;
    g_autofree char *text =
        g_uri_to_string_partial(uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);
    return g_utf8_make_valid(text, -1);
}

void eg_browser_page_clear_document(EgBrowserPage *page)
{
    g_free(page->document.loader);
    g_free(page->document.status_text);
    g_free(page->document.error);
    page->document = (EgBrowserDocument){0};
}

void eg_browser_page_call(EgBrowserPage *page, const char *method, json_t *params)
{
    eg_devtools_call(page->devtools, page->session, method, params, CALL_TIMEOUT_NS, NULL, NULL);
}

void eg_browser_page_end_try(EgBrowserPage *page)
{
    eg_devtools_forget(page->devtools, page->call);
    eg_devtools_forget(page->devtools, page->paint_call);
    page->call = 0;
    page->paint_call = 0;
    eg_timer_clear(page->load_timer);
    eg_timer_clear(page->retry_timer);
    eg_timer_clear(page->signal_timer);
    eg_timer_clear(page->watch_timer);
    eg_timer_clear(page->paint_timer);
    page->signals = 0;
    page->n_hangs = 0;
    eg_browser_page_clear_document(page);
    g_clear_pointer(&page->shown_loader, g_free);
    page->has_loaded = false;
}

/* Tells the user, who may free the page. */
static void fail(EgBrowserPage *page, const char *kind, const char *reason)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "%s: %s", kind, reason);
    eg_browser_page_end_try(page);
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_FAILED);
    page->events.failed(page->user, error);
}

static void fail_loading(EgBrowserPage *page, const char *reason)
{
    g_autofree char *url = eg_browser_page_describe_url(page->url);
    g_autofree char *text =
        url != NULL ? g_strdup_printf("%s at %s", reason, url) : g_strdup(reason);
    fail(page, "page load error", text);
}

void eg_browser_page_try_again(EgBrowserPage *page, const char *reason)
{
    if (page->n_tries >= MAX_TRIES) {
        fail_loading(page, reason);
        return;
    }
    eg_warn(page->log, "the page could not be loaded, trying again", EG_STR("reason", reason),
            EG_INT("tries", page->n_tries));
    eg_browser_page_end_try(page);
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_RETRYING);
    eg_timer_set_after(page->retry_timer, RETRY_DELAY_NS);
}

static const char *ask_proxy(EgBrowserPage *page)
{
    g_autoptr(GUri) uri =
        g_uri_parse(page->url, G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_ENCODED, NULL);
    const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
    return host != NULL && page->events.proxy_error != NULL
               ? page->events.proxy_error(page->user, host)
               : NULL;
}

void eg_browser_page_end_with_net_error(EgBrowserPage *page, const char *text)
{
    const EgBrowserDocument *document = &page->document;
    const char *cause = NULL;
    if (g_str_has_prefix(text, PROXY_ERRORS))
        cause = ask_proxy(page);
    if (cause != NULL)
        text = cause;
    if (document->status >= 400) {
        g_autofree char *reason =
            g_strdup_printf("HTTP status %d%s%s", (int)document->status,
                            *document->status_text != '\0' ? " " : "", document->status_text);
        fail_loading(page, reason);
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(passing_errors); i++) {
        if (strcmp(text, passing_errors[i]) == 0) {
            eg_browser_page_try_again(page, text);
            return;
        }
    }
    fail_loading(page, text);
}

bool eg_browser_page_end_with_bad_status(EgBrowserPage *page)
{
    if (page->state != EG_BROWSER_PAGE_LOADING || page->document.status < 400)
        return false;
    eg_browser_page_end_with_net_error(page, "");
    return true;
}

static void on_load_late(gpointer user)
{
    EgBrowserPage *page = user;
    g_autofree char *reason = g_strdup_printf("the page has not loaded within %.0f s",
                                              (double)page->load_timeout_ns / (double)EG_NS_PER_S);
    eg_browser_page_try_again(page, reason);
}

static void on_check_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowserPage *page = user;
    page->call = 0;
    if (g_error_matches(error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED)) {
        eg_browser_page_try_again(page, "the page hangs");
        return;
    }
    if (error != NULL) {
        eg_debug(page->log, "the page went on while it loaded", EG_STR("error", error->message));
        eg_browser_page_go_on(page);
        return;
    }
    const char *text = eg_devtools_get_string(result, "result.value");
    if (*text != '\0') {
        fail(page, "template error", text);
        return;
    }
    eg_timer_clear(page->load_timer);
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_LOADED);
    /* Frames of WebSockets, pieces of videos: of no use any more. */
    eg_browser_page_call(page, "Network.disable", NULL);
    if (page->signals != 0)
        eg_timer_set(page->signal_timer, 0);
    if (page->awaits_signal && (page->signals & 1u << EG_BROWSER_SIGNAL_START) == 0)
        eg_timer_set_after(page->watch_timer, WATCH_INTERVAL_NS);
    page->events.loaded(page->user);
}

static void evaluate(EgBrowserPage *page, EgDevtoolsReply replied)
{
    page->call = eg_devtools_call(
        page->devtools, page->session, "Runtime.evaluate",
        json_pack("{s:s, s:b, s:b}", "expression", CHECK_SCRIPT, "returnByValue", 1, "silent", 1),
        MIN(CHECK_TIMEOUT_NS, page->load_timeout_ns), replied, page);
}

void eg_browser_page_check(EgBrowserPage *page)
{
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_CHECKING);
    evaluate(page, on_check_reply);
}

/* The other one's answer has come before. */
bool eg_browser_page_go_on(EgBrowserPage *page)
{
    eg_devtools_forget(page->devtools, page->call);
    page->call = 0;
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_LOADING);
    return !eg_browser_page_end_with_bad_status(page);
}

/* A page that connects to a room may find out seconds later that it cannot; and one that hangs, or
 * whose browser does, will never be ready. */
static void on_watch_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowserPage *page = user;
    page->call = 0;
    const bool hangs = g_error_matches(error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED);
    const char *text = error == NULL ? eg_devtools_get_string(result, "result.value") : "";
    page->n_hangs = hangs ? page->n_hangs + 1 : 0;
    if (*text != '\0')
        fail(page, "template error", text);
    else if (page->n_hangs >= MAX_TRIES)
        fail_loading(page, "the page hangs");
    else
        eg_timer_set_after(page->watch_timer, WATCH_INTERVAL_NS);
}

static void on_watch_due(gpointer user)
{
    evaluate(user, on_watch_reply);
}

void eg_browser_page_stop_watching(EgBrowserPage *page)
{
    eg_timer_clear(page->watch_timer);
    eg_devtools_forget(page->devtools, page->call);
    page->call = 0;
}

/* The document may have been shown, and have loaded, before the answer comes. */
static void go_on_loading(EgBrowserPage *page, const char *loader)
{
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_LOADING);
    if (g_strcmp0(page->shown_loader, loader) != 0) {
        g_clear_pointer(&page->shown_loader, g_free);
        page->has_loaded = false;
        page->signals = 0;
    }
    /* The page is there already, and differs in the fragment at most. */
    if (*loader == '\0')
        eg_browser_page_call(page, "Page.reload", NULL);
    else if (!eg_browser_page_end_with_bad_status(page) && page->has_loaded)
        eg_browser_page_check(page);
}

static void on_navigate_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowserPage *page = user;
    page->call = 0;
    if (error != NULL) {
        const char *colon = strstr(error->message, ": ");
        const char *reason = colon != NULL ? colon + 2 : error->message;
        if (strcmp(reason, "Target crashed") == 0)
            eg_browser_page_try_again(page, "the page's process has ended");
        else
            fail_loading(page, reason);
        return;
    }
    const char *text = eg_devtools_get_string(result, "errorText");
    if (json_is_true(json_object_get(result, "isDownload")))
        fail_loading(page, "it is a download, not a page");
    else if (*text != '\0')
        eg_browser_page_end_with_net_error(page, text);
    else
        go_on_loading(page, eg_devtools_get_string(result, "loaderId"));
}

static void begin_try(EgBrowserPage *page)
{
    g_autofree char *url = g_utf8_make_valid(page->url, -1);
    eg_browser_page_end_try(page);
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_NAVIGATING);
    page->n_tries++;
    eg_timer_set_after(page->load_timer, page->load_timeout_ns);
    eg_browser_page_call(
        page, "Network.enable",
        json_pack("{s:i, s:i}", "maxTotalBufferSize", 0, "maxResourceBufferSize", 0));
    page->call = eg_devtools_call(page->devtools, page->session, "Page.navigate",
                                  json_pack("{s:s}", "url", url), 2 * page->load_timeout_ns,
                                  on_navigate_reply, page);
}

static void on_retry_due(gpointer user)
{
    begin_try(user);
}

static void on_signal_due(gpointer user)
{
    EgBrowserPage *page = user;
    const EgBrowserSignal signal = (EgBrowserSignal)g_bit_nth_lsf(page->signals, -1);
    page->signals &= ~(1u << signal);
    if (page->signals != 0)
        eg_timer_set(page->signal_timer, 0);
    page->events.signaled(page->user, signal, NULL);
}

void eg_browser_page_open(EgBrowserPage *page, const char *url)
{
    g_assert(page->state != EG_BROWSER_PAGE_FAILED);
    g_free(page->url);
    page->url = g_strdup(url);
    page->n_tries = 0;
    begin_try(page);
}

static void on_paint_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowserPage *page = user;
    (void)result;
    page->paint_call = 0;
    const bool is_late = eg_now_ns() >= page->paint_deadline_ns;
    /* It has crashed, as will be told, or has gone on to another page: that has not drawn yet. */
    if (error != NULL && !is_late) {
        eg_debug(page->log, "the page went before it has drawn", EG_STR("error", error->message));
        eg_timer_set_after(page->paint_timer, REPAINT_DELAY_NS);
        return;
    }
    if (error != NULL)
        eg_warn(page->log, "the page does not draw", EG_STR("error", error->message));
    page->events.painted(page->user);
}

static void ask_painted(EgBrowserPage *page)
{
    page->paint_call = eg_devtools_call(
        page->devtools, page->session, "Runtime.evaluate",
        json_pack("{s:s, s:b, s:b}", "expression", PAINT_SCRIPT, "awaitPromise", 1, "silent", 1),
        MAX(page->paint_deadline_ns - eg_now_ns(), 0), on_paint_reply, page);
}

static void on_paint_due(gpointer user)
{
    ask_painted(user);
}

void eg_browser_page_await_painted(EgBrowserPage *page)
{
    if (page->state != EG_BROWSER_PAGE_LOADED)
        return;
    eg_devtools_forget(page->devtools, page->paint_call);
    eg_timer_clear(page->paint_timer);
    page->paint_deadline_ns = eg_now_ns() + MIN(CHECK_TIMEOUT_NS, page->load_timeout_ns);
    ask_painted(page);
}

const char *eg_browser_page_session(const EgBrowserPage *page)
{
    return page->session;
}

const char *eg_browser_page_target(const EgBrowserPage *page)
{
    return page->target;
}

EgBrowserPage *eg_browser_page_new(EgLoop *loop, const EgBrowserPageParams *params,
                                   const EgBrowserEvents *events, gpointer user)
{
    EgBrowserPage *page = g_new0(EgBrowserPage, 1);
    page->devtools = params->devtools;
    page->session = g_strdup(params->session);
    page->target = g_strdup(params->target);
    page->load_timeout_ns =
        params->load_timeout_ns > 0 ? params->load_timeout_ns : DEFAULT_LOAD_TIMEOUT_NS;
    page->log = params->log;
    page->events = *events;
    page->user = user;
    page->state = EG_BROWSER_PAGE_IDLE;
    page->console = eg_browser_console_new(params->log, params->logs_console);
    page->load_timer = eg_timer_new(loop, on_load_late, page);
    page->retry_timer = eg_timer_new(loop, on_retry_due, page);
    page->signal_timer = eg_timer_new(loop, on_signal_due, page);
    page->watch_timer = eg_timer_new(loop, on_watch_due, page);
    page->paint_timer = eg_timer_new(loop, on_paint_due, page);
    page->awaits_signal = params->awaits_signal;
    return page;
}

void eg_browser_page_free(EgBrowserPage *page)
{
    if (page == NULL)
        return;
    eg_timer_free(page->load_timer);
    eg_timer_free(page->retry_timer);
    eg_timer_free(page->signal_timer);
    eg_timer_free(page->watch_timer);
    eg_timer_free(page->paint_timer);
    eg_browser_page_clear_document(page);
    eg_browser_console_free(page->console);
    g_free(page->shown_loader);
    g_free(page->url);
    g_free(page->target);
    g_free(page->session);
    g_free(page);
}
