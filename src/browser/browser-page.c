#include "browser/browser-page.h"

#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "browser/browser-console.h"

/* As many as LiveKit's service makes. */
#define MAX_TRIES 3

#define DEFAULT_LOAD_TIMEOUT_NS (30 * EG_NS_PER_S)
#define RETRY_DELAY_NS          (500 * EG_NS_PER_MS)

/* Of calls that the browser answers by itself, and of one that the page must answer. */
#define CALL_TIMEOUT_NS  (30 * EG_NS_PER_S)
#define CHECK_TIMEOUT_NS (10 * EG_NS_PER_S)

/* How often a page is looked at that has loaded, but not yet said that it is ready. */
#define WATCH_INTERVAL_NS (500 * EG_NS_PER_MS)

/* What a template shows when it cannot go on: the text of its first div.error. */
#define CHECK_SCRIPT                                                                               \
    "(() => { const e = document.querySelector('div.error');"                                      \
    " return e ? String(e.innerText).trim().slice(0, 500).toWellFormed() : ''; })()"

/* Chromium has at most three frames on the way to the display. */
#define PAINT_SCRIPT                                                                               \
    "new Promise(done => { let n = 4;"                                                             \
    " const next = () => n-- > 0 ? requestAnimationFrame(next) : done(); next(); })"
#define PAINT_TIMEOUT_NS EG_NS_PER_S

typedef enum {
    PAGE_NONE,
    PAGE_IDLE,       /* nothing was opened yet */
    PAGE_NAVIGATING, /* until the browser has an answer of the server, or an error */
    PAGE_LOADING,    /* until the page says that it has loaded */
    PAGE_CHECKING,   /* whether it shows an error */
    PAGE_RETRYING,   /* soon */
    PAGE_LOADED,
    PAGE_CRASHED,
    PAGE_FAILED,
    N_PAGE_STATES,
} PageState;

static const bool transitions[N_PAGE_STATES][N_PAGE_STATES] = {
    [PAGE_IDLE] = {[PAGE_NAVIGATING] = true},
    [PAGE_NAVIGATING] = {[PAGE_NAVIGATING] = true,
                   [PAGE_LOADING] = true,
                   [PAGE_RETRYING] = true,
                   [PAGE_FAILED] = true},
    [PAGE_LOADING] = {[PAGE_NAVIGATING] = true,
                   [PAGE_CHECKING] = true,
                   [PAGE_RETRYING] = true,
                   [PAGE_FAILED] = true},
    [PAGE_CHECKING] = {[PAGE_NAVIGATING] = true,
                   [PAGE_LOADING] = true,
                   [PAGE_RETRYING] = true,
                   [PAGE_LOADED] = true,
                   [PAGE_FAILED] = true},
    [PAGE_RETRYING] = {[PAGE_NAVIGATING] = true,   [PAGE_FAILED] = true},
    [PAGE_LOADED] = {[PAGE_NAVIGATING] = true,     [PAGE_CRASHED] = true, [PAGE_FAILED] = true},
    [PAGE_CRASHED] = {[PAGE_NAVIGATING] = true},
};

/* The newest answer of a server to a request for the main frame's document. */
typedef struct {
    char *loader;
    gint64 status; /* of HTTP; 0: none yet */
    char *status_text;
    char *error; /* why there was no answer */
} Document;

struct _EgBrowserPage {
    /* const after new */
    EgDevtools *devtools;
    char *session;
    char *target;
    gint64 load_timeout_ns;
    const EgLog *log;
    EgBrowserEvents events;
    gpointer user;

    PageState state;
    EgBrowserConsole *console;
    char *url;
    guint n_tries;
    Document document;
    char *shown_loader; /* of the document that the main frame shows since the last try; or NULL */
    bool has_loaded;    /* ... which says that it has loaded */
    gint64 call;        /* that the state waits for; 0: none */
    gint64 paint_call;  /* of eg_browser_page_await_painted(); 0: none */
    EgTimer *load_timer;
    EgTimer *retry_timer;
    EgTimer *signal_timer;
    EgTimer *watch_timer; /* until the page is ready, if that is awaited */
    bool awaits_signal;
    guint signals; /* 1 << EgBrowserSignal: still to be told */
};

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

static void set_state(EgBrowserPage *page, PageState state)
{
    g_assert(transitions[page->state][state]);
    page->state = state;
}

static bool is_opening(const EgBrowserPage *page)
{
    return page->state == PAGE_NAVIGATING || page->state == PAGE_LOADING ||
           page->state == PAGE_CHECKING || page->state == PAGE_RETRYING;
}

/* For messages: without what may be secret in it. NULL: it is no URL. */
static char *describe_url(const char *url)
{
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_ENCODED, NULL);
    if (uri == NULL || g_uri_get_host(uri) == NULL)
        return NULL;
    g_autofree char *text =
        g_uri_to_string_partial(uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);
    return g_utf8_make_valid(text, -1);
}

static void clear_document(Document *document)
{
    g_free(document->loader);
    g_free(document->status_text);
    g_free(document->error);
    *document = (Document){0};
}

static void call(EgBrowserPage *page, const char *method, json_t *params)
{
    eg_devtools_call(page->devtools, page->session, method, params, CALL_TIMEOUT_NS, NULL, NULL);
}

/* What the last try waits for does not matter any more. */
static void end_try(EgBrowserPage *page)
{
    eg_devtools_forget(page->devtools, page->call);
    eg_devtools_forget(page->devtools, page->paint_call);
    page->call = 0;
    page->paint_call = 0;
    eg_timer_clear(page->load_timer);
    eg_timer_clear(page->retry_timer);
    eg_timer_clear(page->signal_timer);
    eg_timer_clear(page->watch_timer);
    page->signals = 0;
    clear_document(&page->document);
    g_clear_pointer(&page->shown_loader, g_free);
    page->has_loaded = false;
}

/* Tells the user, who may free the page. */
static void fail(EgBrowserPage *page, const char *kind, const char *reason)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "%s: %s", kind, reason);
    end_try(page);
    set_state(page, PAGE_FAILED);
    page->events.failed(page->user, error);
}

static void fail_loading(EgBrowserPage *page, const char *reason)
{
    g_autofree char *url = describe_url(page->url);
    g_autofree char *text =
        url != NULL ? g_strdup_printf("%s at %s", reason, url) : g_strdup(reason);
    fail(page, "page load error", text);
}

static void try_again_or_fail(EgBrowserPage *page, const char *reason)
{
    if (page->n_tries >= MAX_TRIES) {
        fail_loading(page, reason);
        return;
    }
    eg_warn(page->log, "the page could not be loaded, trying again", EG_STR("reason", reason),
            EG_INT("tries", page->n_tries));
    end_try(page);
    set_state(page, PAGE_RETRYING);
    eg_timer_set_after(page->retry_timer, RETRY_DELAY_NS);
}

static void end_with_net_error(EgBrowserPage *page, const char *text)
{
    const Document *document = &page->document;
    if (document->status >= 400) {
        g_autofree char *reason =
            g_strdup_printf("HTTP status %d%s%s", (int)document->status,
                            *document->status_text != '\0' ? " " : "", document->status_text);
        fail_loading(page, reason);
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(passing_errors); i++) {
        if (strcmp(text, passing_errors[i]) == 0) {
            try_again_or_fail(page, text);
            return;
        }
    }
    fail_loading(page, text);
}

/* True: the server's answer was an error, and the page has ended with it. */
static bool end_with_bad_status(EgBrowserPage *page)
{
    if (page->state != PAGE_LOADING || page->document.status < 400)
        return false;
    end_with_net_error(page, "");
    return true;
}

static void on_load_late(gpointer user)
{
    EgBrowserPage *page = user;
    g_autofree char *reason = g_strdup_printf("the page has not loaded within %.0f s",
                                              (double)page->load_timeout_ns / (double)EG_NS_PER_S);
    try_again_or_fail(page, reason);
}

static void on_check_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowserPage *page = user;
    page->call = 0;
    if (g_error_matches(error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED)) {
        try_again_or_fail(page, "the page hangs");
        return;
    }
    if (error != NULL) {
        /* It has gone to another page meanwhile, which will load. */
        eg_debug(page->log, "the page went on while it loaded", EG_STR("error", error->message));
        set_state(page, PAGE_LOADING);
        return;
    }
    const char *text = eg_devtools_get_string(result, "result.value");
    if (*text != '\0') {
        fail(page, "template error", text);
        return;
    }
    eg_timer_clear(page->load_timer);
    set_state(page, PAGE_LOADED);
    /* Frames of WebSockets, pieces of videos: of no use any more. */
    call(page, "Network.disable", NULL);
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

static void check(EgBrowserPage *page)
{
    set_state(page, PAGE_CHECKING);
    evaluate(page, on_check_reply);
}

/* A page that connects to a room may find out seconds later that it cannot. */
static void on_watch_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowserPage *page = user;
    page->call = 0;
    const char *text = error == NULL ? eg_devtools_get_string(result, "result.value") : "";
    if (*text != '\0')
        fail(page, "template error", text);
    else
        eg_timer_set_after(page->watch_timer, WATCH_INTERVAL_NS);
}

static void on_watch_due(gpointer user)
{
    evaluate(user, on_watch_reply);
}

/* It is ready, and may show what it likes. */
static void stop_watching(EgBrowserPage *page)
{
    eg_timer_clear(page->watch_timer);
    eg_devtools_forget(page->devtools, page->call);
    page->call = 0;
}

/* The document may have been shown, and have loaded, before the answer comes. */
static void go_on_loading(EgBrowserPage *page, const char *loader)
{
    set_state(page, PAGE_LOADING);
    if (g_strcmp0(page->shown_loader, loader) != 0) {
        g_clear_pointer(&page->shown_loader, g_free);
        page->has_loaded = false;
        page->signals = 0;
    }
    /* The page is there already, and differs in the fragment at most. */
    if (*loader == '\0')
        call(page, "Page.reload", NULL);
    else if (!end_with_bad_status(page) && page->has_loaded)
        check(page);
}

static void on_navigate_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowserPage *page = user;
    page->call = 0;
    if (error != NULL) {
        const char *colon = strstr(error->message, ": ");
        const char *reason = colon != NULL ? colon + 2 : error->message;
        if (strcmp(reason, "Target crashed") == 0)
            try_again_or_fail(page, "the page's process has ended");
        else
            fail_loading(page, reason);
        return;
    }
    const char *text = eg_devtools_get_string(result, "errorText");
    if (json_is_true(json_object_get(result, "isDownload")))
        fail_loading(page, "it is a download, not a page");
    else if (*text != '\0')
        end_with_net_error(page, text);
    else
        go_on_loading(page, eg_devtools_get_string(result, "loaderId"));
}

static void begin_try(EgBrowserPage *page)
{
    g_autofree char *url = g_utf8_make_valid(page->url, -1);
    end_try(page);
    set_state(page, PAGE_NAVIGATING);
    page->n_tries++;
    eg_timer_set_after(page->load_timer, page->load_timeout_ns);
    call(page, "Network.enable",
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

/* Events. */

static bool is_main_frame(const EgBrowserPage *page, const char *frame)
{
    return strcmp(frame, page->target) == 0;
}

static void on_response(EgBrowserPage *page, const json_t *params)
{
    if (strcmp(eg_devtools_get_string(params, "type"), "Document") != 0 ||
        !is_main_frame(page, eg_devtools_get_string(params, "frameId")))
        return;
    clear_document(&page->document);
    page->document.loader = g_strdup(eg_devtools_get_string(params, "loaderId"));
    page->document.status = eg_devtools_get_integer(params, "response.status");
    page->document.status_text = g_strdup(eg_devtools_get_string(params, "response.statusText"));
    end_with_bad_status(page);
}

/* The names of a request for a document and of its loader are the same. */
static void on_loading_failed(EgBrowserPage *page, const json_t *params)
{
    if (strcmp(eg_devtools_get_string(params, "type"), "Document") != 0)
        return;
    if (page->document.status >= 400)
        return;
    clear_document(&page->document);
    page->document.loader = g_strdup(eg_devtools_get_string(params, "requestId"));
    page->document.error = g_strdup(eg_devtools_get_string(params, "errorText"));
}

static void on_frame_navigated(EgBrowserPage *page, const json_t *params)
{
    if (!is_main_frame(page, eg_devtools_get_string(params, "frame.id")))
        return;
    const char *loader = eg_devtools_get_string(params, "frame.loaderId");
    g_free(page->shown_loader);
    page->shown_loader = g_strdup(loader);
    page->has_loaded = false;
    if (page->state == PAGE_NAVIGATING)
        page->signals = 0;
    const char *unreachable = eg_devtools_get_string(params, "frame.unreachableUrl");
    if (*unreachable == '\0')
        return;
    if (page->state == PAGE_LOADING) {
        const bool is_known =
            page->document.error != NULL && g_strcmp0(page->document.loader, loader) == 0;
        g_autofree char *reason =
            g_strdup(is_known ? page->document.error : "the page went to one that is not there");
        end_with_net_error(page, reason);
    } else if (page->state == PAGE_LOADED) {
        g_autofree char *url = describe_url(unreachable);
        eg_warn(page->log, "the page went to one that cannot be loaded", EG_STR("url", url));
    }
}

static void on_load_event(EgBrowserPage *page, const json_t *params)
{
    (void)params;
    page->has_loaded = page->shown_loader != NULL;
    if (page->state == PAGE_LOADING && page->has_loaded)
        check(page);
}

static void on_console(EgBrowserPage *page, const json_t *params)
{
    const char *value;
    const EgBrowserSignal signal =
        eg_browser_console_call(page->console, params, eg_now_ns(), &value);
    const bool is_ours = page->state == PAGE_LOADED || page->shown_loader != NULL;
    if (signal == EG_BROWSER_SIGNAL_NONE || !is_ours)
        return;
    if (value != NULL || (page->state == PAGE_LOADED && page->signals == 0)) {
        if (signal == EG_BROWSER_SIGNAL_START)
            stop_watching(page);
        page->events.signaled(page->user, signal, value);
        return;
    }
    page->signals |= 1u << signal;
}

static void on_exception(EgBrowserPage *page, const json_t *params)
{
    eg_browser_console_throw(page->console, params, eg_now_ns());
}

/* Nobody is there to answer: what asks is told no, except that the page may be left. */
static void on_dialog(EgBrowserPage *page, const json_t *params)
{
    static const char *const accepted[] = {"alert", "beforeunload", NULL};
    const char *type = eg_devtools_get_string(params, "type");
    eg_debug(page->log, "the page shows a dialog", EG_STR("type", type));
    call(page, "Page.handleJavaScriptDialog",
         json_pack("{s:b}", "accept", g_strv_contains(accepted, type)));
}

/* Chromium ends itself by SIGTRAP where it gives up: mostly since scripts have filled their heap.
 */
static char *describe_crash(const json_t *params)
{
    const int signal = (int)eg_devtools_get_integer(params, "errorCode");
    if (strcmp(eg_devtools_get_string(params, "status"), "crashed") != 0)
        return g_strdup_printf(
            "the page's process was killed (signal %d); the machine may be out of memory", signal);
    return g_strdup_printf("the page's process has crashed (signal %d)%s", signal,
                           signal == SIGTRAP ? "; it may have used up the memory of its scripts"
                                             : "");
}

/* An event of the browser: that of the session does not say how. */
static void on_crashed(EgBrowserPage *page, const json_t *params)
{
    g_autofree char *reason = describe_crash(params);
    if (is_opening(page)) {
        if (page->state != PAGE_RETRYING)
            try_again_or_fail(page, reason);
        return;
    }
    if (page->state != PAGE_LOADED)
        return;
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "chrome error: %s", reason);
    end_try(page);
    set_state(page, PAGE_CRASHED);
    page->events.crashed(page->user, error);
}

static const struct {
    const char *method;
    void (*handle)(EgBrowserPage *page, const json_t *params);
} handlers[] = {
    {"Network.responseReceived",     on_response       },
    {"Network.loadingFailed",        on_loading_failed },
    {"Page.frameNavigated",          on_frame_navigated},
    {"Page.loadEventFired",          on_load_event     },
    {"Page.javascriptDialogOpening", on_dialog         },
    {"Runtime.consoleAPICalled",     on_console        },
    {"Runtime.exceptionThrown",      on_exception      },
    {"Target.targetCrashed",         on_crashed        },
};

void eg_browser_page_handle(EgBrowserPage *page, const char *method, const json_t *params)
{
    for (gsize i = 0; i < G_N_ELEMENTS(handlers); i++) {
        if (strcmp(handlers[i].method, method) == 0) {
            handlers[i].handle(page, params);
            return;
        }
    }
}

void eg_browser_page_open(EgBrowserPage *page, const char *url)
{
    g_assert(page->state != PAGE_FAILED);
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
    if (error != NULL)
        eg_debug(page->log, "the page does not draw", EG_STR("error", error->message));
    page->events.painted(page->user);
}

void eg_browser_page_await_painted(EgBrowserPage *page)
{
    if (page->state != PAGE_LOADED)
        return;
    eg_devtools_forget(page->devtools, page->paint_call);
    page->paint_call = eg_devtools_call(
        page->devtools, page->session, "Runtime.evaluate",
        json_pack("{s:s, s:b, s:b}", "expression", PAINT_SCRIPT, "awaitPromise", 1, "silent", 1),
        PAINT_TIMEOUT_NS, on_paint_reply, page);
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
    page->state = PAGE_IDLE;
    page->console = eg_browser_console_new(params->log, params->logs_console);
    page->load_timer = eg_timer_new(loop, on_load_late, page);
    page->retry_timer = eg_timer_new(loop, on_retry_due, page);
    page->signal_timer = eg_timer_new(loop, on_signal_due, page);
    page->watch_timer = eg_timer_new(loop, on_watch_due, page);
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
    clear_document(&page->document);
    eg_browser_console_free(page->console);
    g_free(page->shown_loader);
    g_free(page->url);
    g_free(page->target);
    g_free(page->session);
    g_free(page);
}
