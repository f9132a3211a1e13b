/* What a page's DevTools session tells of it: documents, console, dialogs, crashes. */
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "browser/browser-page-private.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static bool is_opening(const EgBrowserPage *page)
{
    return page->state == EG_BROWSER_PAGE_NAVIGATING || page->state == EG_BROWSER_PAGE_LOADING ||
           page->state == EG_BROWSER_PAGE_CHECKING || page->state == EG_BROWSER_PAGE_RETRYING;
}

static bool is_main_frame(const EgBrowserPage *page, const char *frame)
{
    return strcmp(frame, page->target) == 0;
}

static void on_response(EgBrowserPage *page, const json_t *params)
{
    if (strcmp(eg_devtools_get_string(params, "type"), "Document") != 0 ||
        !is_main_frame(page, eg_devtools_get_string(params, "frameId")))
        return;
    eg_browser_page_clear_document(page);
    page->document.loader = g_strdup(eg_devtools_get_string(params, "loaderId"));
    page->document.status = eg_devtools_get_integer(params, "response.status");
    page->document.status_text = g_strdup(eg_devtools_get_string(params, "response.statusText"));
    eg_browser_page_end_with_bad_status(page);
}

/* The names of a request for a document and of its loader are the same. */
static void on_loading_failed(EgBrowserPage *page, const json_t *params)
{
    if (strcmp(eg_devtools_get_string(params, "type"), "Document") != 0)
        return;
    if (page->document.status >= 400)
        return;
    eg_browser_page_clear_document(page);
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
    if (page->state == EG_BROWSER_PAGE_NAVIGATING)
        page->signals = 0;
    if (page->state == EG_BROWSER_PAGE_CHECKING && !eg_browser_page_go_on(page))
        return;
    const char *unreachable = eg_devtools_get_string(params, "frame.unreachableUrl");
    if (*unreachable == '\0')
        return;
    if (page->state == EG_BROWSER_PAGE_LOADING) {
        const bool is_known =
            page->document.error != NULL && g_strcmp0(page->document.loader, loader) == 0;
        g_autofree char *reason =
            g_strdup(is_known ? page->document.error : "the page went to one that is not there");
        eg_browser_page_end_with_net_error(page, reason);
    } else if (page->state == EG_BROWSER_PAGE_LOADED) {
        g_autofree char *url = eg_browser_page_describe_url(unreachable);
        eg_warn(page->log, "the page went to one that cannot be loaded", EG_STR("url", url));
    }
}

static void on_load_event(EgBrowserPage *page, const json_t *params)
{
    (void)params;
    page->has_loaded = page->shown_loader != NULL;
    if (page->state == EG_BROWSER_PAGE_LOADING && page->has_loaded)
        eg_browser_page_check(page);
}

static void on_console(EgBrowserPage *page, const json_t *params)
{
    const char *value;
    const EgBrowserSignal signal =
        eg_browser_console_call(page->console, params, eg_now_ns(), &value);
    const bool is_ours = page->state == EG_BROWSER_PAGE_LOADED || page->shown_loader != NULL;
    if (signal == EG_BROWSER_SIGNAL_NONE || !is_ours)
        return;
    if (value != NULL || (page->state == EG_BROWSER_PAGE_LOADED && page->signals == 0)) {
        if (signal == EG_BROWSER_SIGNAL_START)
            eg_browser_page_stop_watching(page);
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
    eg_browser_page_call(page, "Page.handleJavaScriptDialog",
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
        if (page->state != EG_BROWSER_PAGE_RETRYING)
            eg_browser_page_try_again(page, reason);
        return;
    }
    if (page->state != EG_BROWSER_PAGE_LOADED)
        return;
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "chrome error: %s", reason);
    eg_browser_page_end_try(page);
    eg_browser_page_set_state(page, EG_BROWSER_PAGE_CRASHED);
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
