/* The browser's process, and its one page. Whatever else it opens is closed. */
#include "browser/browser.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/helper.h"
#include "base/time.h"
#include "browser/browser-command.h"
#include "browser/browser-login.h"
#include "browser/browser-page.h"
#include "browser/devtools.h"

/* From its start until it has a page; and the time that a call may take. */
#define START_TIMEOUT_NS (30 * EG_NS_PER_S)
#define CALL_TIMEOUT_NS  (30 * EG_NS_PER_S)

/* A window of Chromium is not narrower; a page can be, at its left. */
#define LEAST_WINDOW_WIDTH 500

/* Dialogs would be drawn before they are answered: their answers are the same as those of
 * browser-page.c, which still come for what no script can take the place of. */
#define DIALOG_SCRIPT                                                                              \
    "alert = () => {}; confirm = () => false; prompt = () => null; print = () => {};"

/* The end of its process, which says more, comes this long after that of the connection at most. */
#define END_TIMEOUT_NS (1 * EG_NS_PER_S)

typedef enum {
    BROWSER_NONE,
    BROWSER_STARTING,
    BROWSER_RUNNING,
    BROWSER_ENDING, /* it has closed the connection */
    BROWSER_FAILED,
    N_BROWSER_STATES,
} BrowserState;

static const bool transitions[N_BROWSER_STATES][N_BROWSER_STATES] = {
    [BROWSER_STARTING] =
        {[BROWSER_RUNNING] = true, [BROWSER_ENDING] = true, [BROWSER_FAILED] = true},
    [BROWSER_RUNNING] = {[BROWSER_ENDING] = true, [BROWSER_FAILED] = true},
    [BROWSER_ENDING] = {[BROWSER_FAILED] = true },
};

struct _EgBrowser {
    EgLoop *loop;
    const EgLog *log;
    EgBrowserEvents events;
    gpointer user;
    gint64 load_timeout_ns;
    bool awaits_signal;
    bool logs_console;
    guint width;
    guint height;

    BrowserState state;
    guint n_vital; /* calls without whose answer it is not ready */
    gint64 started_ns;
    EgHelper *helper;
    EgDevtools *devtools;
    EgBrowserLogin *login; /* NULL: nobody knows one */
    EgBrowserPage *page;   /* NULL until there is one */
    EgTimer *timer;        /* of STARTING and ENDING */
    GQueue unwanted;       /* names of pages that are to be closed */
    GError *closed_error;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static void set_state(EgBrowser *browser, BrowserState state)
{
    g_assert(transitions[browser->state][state]);
    browser->state = state;
}

/* Tells the user, who may free the browser. */
static void fail(EgBrowser *browser, const char *reason)
{
    if (browser->state == BROWSER_FAILED)
        return;
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "chrome error: %s", reason);
    eg_timer_clear(browser->timer);
    set_state(browser, BROWSER_FAILED);
    browser->events.failed(browser->user, error);
}

static void on_exited(gpointer user, const GError *error)
{
    fail(user, error->message);
}

static void on_closed(gpointer user, const GError *error)
{
    EgBrowser *browser = user;
    if (browser->state == BROWSER_FAILED)
        return;
    browser->closed_error = g_error_copy(error);
    set_state(browser, BROWSER_ENDING);
    eg_timer_set_after(browser->timer, END_TIMEOUT_NS);
}

static void on_timer(gpointer user)
{
    EgBrowser *browser = user;
    fail(browser, browser->state == BROWSER_ENDING ? browser->closed_error->message
                                                   : "Chromium has not started within 30 s");
}

/* Its page's events are its own, until it has failed: what was asked may still be answered. */
static void on_page_loaded(gpointer user)
{
    EgBrowser *browser = user;
    if (browser->state != BROWSER_FAILED)
        browser->events.loaded(browser->user);
}

static void on_page_signaled(gpointer user, EgBrowserSignal signal, const char *value)
{
    EgBrowser *browser = user;
    if (browser->state != BROWSER_FAILED)
        browser->events.signaled(browser->user, signal, value);
}

static void on_page_painted(gpointer user)
{
    EgBrowser *browser = user;
    if (browser->state != BROWSER_FAILED)
        browser->events.painted(browser->user);
}

static void on_page_crashed(gpointer user, const GError *error)
{
    EgBrowser *browser = user;
    if (browser->state != BROWSER_FAILED)
        browser->events.crashed(browser->user, error);
}

static void on_page_failed(gpointer user, const GError *error)
{
    EgBrowser *browser = user;
    if (browser->state == BROWSER_FAILED)
        return;
    eg_timer_clear(browser->timer);
    set_state(browser, BROWSER_FAILED);
    browser->events.failed(browser->user, error);
}

static const char *on_page_proxy_error(gpointer user, const char *host)
{
    EgBrowser *browser = user;
    return browser->events.proxy_error != NULL ? browser->events.proxy_error(browser->user, host)
                                               : NULL;
}

static const EgBrowserEvents page_events = {
    .loaded = on_page_loaded,
    .signaled = on_page_signaled,
    .painted = on_page_painted,
    .crashed = on_page_crashed,
    .failed = on_page_failed,
    .proxy_error = on_page_proxy_error,
};

static void be_ready(EgBrowser *browser)
{
    eg_timer_clear(browser->timer);
    set_state(browser, BROWSER_RUNNING);
    eg_debug(browser->log, "browser started",
             EG_INT("ms", (eg_now_ns() - browser->started_ns) / EG_NS_PER_MS));
    browser->events.ready(browser->user);
}

static void on_vital_reply(gpointer user, const json_t *result, const GError *error)
{
    EgBrowser *browser = user;
    (void)result;
    browser->n_vital--;
    if (error != NULL)
        fail(browser, error->message);
    else if (browser->n_vital == 0 && browser->page != NULL && browser->state == BROWSER_STARTING)
        be_ready(browser);
}

static void call(EgBrowser *browser, const char *session, const char *method, json_t *params)
{
    eg_devtools_call(browser->devtools, session, method, params, CALL_TIMEOUT_NS, NULL, NULL);
}

/* One without which nothing works. */
static void call_vital(EgBrowser *browser, const char *session, const char *method, json_t *params)
{
    browser->n_vital++;
    eg_devtools_call(browser->devtools, session, method, params, CALL_TIMEOUT_NS, on_vital_reply,
                     browser);
}

/* Pages are attached to as they come: the first is ours. */
static void set_up_browser(EgBrowser *browser)
{
    call_vital(browser, NULL, "Target.setAutoAttach",
               json_pack("{s:b, s:b, s:b, s:[{s:s}]}", "autoAttach", 1, "waitForDebuggerOnStart", 1,
                         "flatten", 1, "filter", "type", "page"));
    call_vital(browser, NULL, "Target.setDiscoverTargets",
               json_pack("{s:b, s:[{s:s}]}", "discover", 1, "filter", "type", "page"));
    call(browser, NULL, "Browser.setDownloadBehavior", json_pack("{s:s}", "behavior", "deny"));
    /* All that is not in the list is refused without asking. */
    call(browser, NULL, "Browser.grantPermissions",
         json_pack("{s:[s, s]}", "permissions", "wakeLockScreen", "storageAccess"));
}

/* Before all is done, the page must not be opened: about:blank would have no place in its history,
 * so that it could close its window; and events of a page that loads quickly would be lost. */
static void set_up_page(EgBrowser *browser, const char *session)
{
    call_vital(browser, session, "Page.enable", NULL);
    call_vital(browser, session, "Runtime.enable", NULL);
    call(browser, session, "Page.setInterceptFileChooserDialog", json_pack("{s:b}", "enabled", 1));
    call_vital(browser, session, "Page.addScriptToEvaluateOnNewDocument",
               json_pack("{s:s}", "source", DIALOG_SCRIPT));
    if (browser->width < LEAST_WINDOW_WIDTH)
        call_vital(browser, session, "Emulation.setDeviceMetricsOverride",
                   json_pack("{s:i, s:i, s:i, s:b}", "width", (int)browser->width, "height",
                             (int)browser->height, "deviceScaleFactor", 1, "mobile", 0));
    if (browser->login != NULL)
        call_vital(browser, session, "Fetch.enable", eg_browser_login_filter(browser->login));
    /* There is no keyboard that it could have: some pages rest without. */
    call(browser, session, "Emulation.setFocusEmulationEnabled", json_pack("{s:b}", "enabled", 1));
}

static void take_page(EgBrowser *browser, const char *session, const char *target)
{
    const EgBrowserPageParams params = {
        .devtools = browser->devtools,
        .session = session,
        .target = target,
        .load_timeout_ns = browser->load_timeout_ns,
        .awaits_signal = browser->awaits_signal,
        .logs_console = browser->logs_console,
        .log = browser->log,
    };
    browser->page = eg_browser_page_new(browser->loop, &params, &page_events, browser);
    set_up_page(browser, session);
}

static void on_unwanted_runs(gpointer user, const json_t *result, const GError *error)
{
    EgBrowser *browser = user;
    (void)result;
    (void)error;
    g_autofree char *target = g_queue_pop_head(&browser->unwanted);
    call(browser, NULL, "Target.closeTarget", json_pack("{s:s}", "targetId", target));
}

/* It is in the process of our page, which would hang if it were closed before it runs. */
static void close_unwanted(EgBrowser *browser, const char *session, const char *target)
{
    eg_debug(browser->log, "a window that the page opened is closed");
    g_queue_push_tail(&browser->unwanted, g_strdup(target));
    eg_devtools_call(browser->devtools, session, "Runtime.runIfWaitingForDebugger", NULL,
                     CALL_TIMEOUT_NS, on_unwanted_runs, browser);
}

static void on_attached(EgBrowser *browser, const json_t *params)
{
    const char *target = eg_devtools_get_string(params, "targetInfo.targetId");
    const char *session = eg_devtools_get_string(params, "sessionId");
    if (browser->page == NULL)
        take_page(browser, session, target);
    else
        close_unwanted(browser, session, target);
}

static void on_detached(EgBrowser *browser, const json_t *params)
{
    if (strcmp(eg_devtools_get_string(params, "sessionId"),
               eg_browser_page_session(browser->page)) == 0)
        fail(browser, "the page was closed");
}

static void on_target_crashed(EgBrowser *browser, const json_t *params)
{
    if (strcmp(eg_devtools_get_string(params, "targetId"), eg_browser_page_target(browser->page)) ==
        0)
        eg_browser_page_handle(browser->page, "Target.targetCrashed", params);
}

static void on_page_event(EgBrowser *browser, const char *session, const char *method,
                          const json_t *params)
{
    if (browser->login == NULL ||
        !eg_browser_login_handle(browser->login, browser->devtools, session, method, params))
        eg_browser_page_handle(browser->page, method, params);
}

static void on_event(gpointer user, const char *session, const char *method, const json_t *params)
{
    EgBrowser *browser = user;
    if (browser->state == BROWSER_FAILED)
        return;
    if (session != NULL) {
        if (browser->page != NULL && strcmp(session, eg_browser_page_session(browser->page)) == 0)
            on_page_event(browser, session, method, params);
    } else if (strcmp(method, "Target.attachedToTarget") == 0) {
        on_attached(browser, params);
    } else if (browser->page == NULL) {
        return;
    } else if (strcmp(method, "Target.detachedFromTarget") == 0) {
        on_detached(browser, params);
    } else if (strcmp(method, "Target.targetCrashed") == 0) {
        on_target_crashed(browser, params);
    }
}

/* The process, with a socket for its pipes; -1 or our end of it. */
static int start(EgBrowser *browser, const EgBrowserParams *params, GError **error)
{
    static const EgHelperEvents events = {.exited = on_exited};
    /* There is neither D-Bus nor a GPU, which it says, and which ends nothing; and the process that
     * others are forked from may find the browser gone, after that has said why. */
    static const char *const noise[] = {"dbus/", "drmGetDevices", "write: Broken pipe", NULL};
    g_auto(GStrv) command = eg_browser_command_new(params, error);
    const char *origin = browser->login != NULL ? eg_browser_login_origin(browser->login) : NULL;
    if (command == NULL || !eg_browser_profile_write(params, origin, error))
        return -1;
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                     "cannot make a socket for the browser: %s", g_strerror(errno));
        return -1;
    }
    const EgHelperFd given[] = {
        {fds[1], 3}, /* it reads from this one */
        {fds[1], 4}, /* and writes to this */
    };
    const EgHelperParams helper = {
        .name = "Chromium",
        .argv = (const char *const *)command,
        .environment = params->environment,
        .fds = given,
        .n_fds = G_N_ELEMENTS(given),
        .log = params->log,
        .noise = noise,
    };
    browser->helper = eg_helper_new(browser->loop, &helper, &events, browser, error);
    close(fds[1]);
    if (browser->helper != NULL)
        return fds[0];
    close(fds[0]);
    return -1;
}

EgBrowser *eg_browser_new(EgLoop *loop, const EgBrowserParams *params,
                          const EgBrowserEvents *events, gpointer user, GError **error)
{
    static const EgDevtoolsEvents devtools_events = {.event = on_event, .closed = on_closed};
    eg_loop_assert_owner(loop);
    g_autoptr(EgBrowser) browser = g_new0(EgBrowser, 1);
    browser->loop = loop;
    browser->log = params->log;
    browser->events = *events;
    browser->user = user;
    browser->load_timeout_ns = params->load_timeout_ns;
    browser->awaits_signal = params->awaits_signal;
    browser->logs_console = params->logs_console;
    browser->login = params->login_url != NULL ? eg_browser_login_new(params->login_url) : NULL;
    browser->width = params->width;
    browser->height = params->height;
    browser->state = BROWSER_STARTING;
    browser->started_ns = eg_now_ns();
    browser->timer = eg_timer_new(loop, on_timer, browser);
    const int fd = start(browser, params, error);
    if (fd < 0)
        return NULL;
    browser->devtools = eg_devtools_new(loop, fd, params->log, &devtools_events, browser);
    set_up_browser(browser);
    eg_timer_set_after(browser->timer, START_TIMEOUT_NS);
    return g_steal_pointer(&browser);
}

void eg_browser_free(EgBrowser *browser)
{
    if (browser == NULL)
        return;
    eg_loop_assert_owner(browser->loop);
    eg_helper_free(browser->helper);
    eg_devtools_free(browser->devtools);
    eg_browser_page_free(browser->page);
    eg_browser_login_free(browser->login);
    eg_timer_free(browser->timer);
    g_queue_clear_full(&browser->unwanted, g_free);
    g_clear_error(&browser->closed_error);
    g_free(browser);
}

void eg_browser_open(EgBrowser *browser, const char *url)
{
    eg_loop_assert_owner(browser->loop);
    g_assert(browser->page != NULL);
    g_autofree char *stripped = eg_browser_login_strip(url);
    if (browser->state == BROWSER_RUNNING)
        eg_browser_page_open(browser->page, stripped);
}

void eg_browser_await_painted(EgBrowser *browser)
{
    eg_loop_assert_owner(browser->loop);
    if (browser->state == BROWSER_RUNNING)
        eg_browser_page_await_painted(browser->page);
}
