/* The browser's process, and its one page. Whatever else it opens is closed. */
#include "source/browser.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "source/browser-command.h"
#include "source/browser-page.h"
#include "source/devtools.h"
#include "source/helper.h"

/* From its start until it has a page; and the time that a call may take. */
#define START_TIMEOUT_NS (30 * EG_NS_PER_S)
#define CALL_TIMEOUT_NS  (30 * EG_NS_PER_S)

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
    bool logs_console;

    BrowserState state;
    gint64 started_ns;
    EgHelper *helper;
    EgDevtools *devtools;
    EgBrowserPage *page; /* NULL until there is one */
    EgTimer *timer;      /* of STARTING and ENDING */
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

/* Its page's events are its own. */
static void on_page_loaded(gpointer user)
{
    EgBrowser *browser = user;
    browser->events.loaded(browser->user);
}

static void on_page_signaled(gpointer user, EgBrowserSignal signal)
{
    EgBrowser *browser = user;
    browser->events.signaled(browser->user, signal);
}

static void on_page_crashed(gpointer user, const GError *error)
{
    EgBrowser *browser = user;
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

static const EgBrowserEvents page_events = {
    .loaded = on_page_loaded,
    .signaled = on_page_signaled,
    .crashed = on_page_crashed,
    .failed = on_page_failed,
};

/* Without these nothing works. */
static void on_vital_reply(gpointer user, const json_t *result, const GError *error)
{
    (void)result;
    if (error != NULL)
        fail(user, error->message);
}

static void call(EgBrowser *browser, const char *session, const char *method, json_t *params,
                 EgDevtoolsReply reply)
{
    eg_devtools_call(browser->devtools, session, method, params, CALL_TIMEOUT_NS, reply, browser);
}

/* Pages are attached to as they come: the first is ours. They wait until they are let go, so that
 * those that we do not want never run. */
static void set_up_browser(EgBrowser *browser)
{
    call(browser, NULL, "Target.setAutoAttach",
         json_pack("{s:b, s:b, s:b, s:[{s:s}]}", "autoAttach", 1, "waitForDebuggerOnStart", 0,
                   "flatten", 1, "filter", "type", "page"),
         on_vital_reply);
    call(browser, NULL, "Target.setDiscoverTargets",
         json_pack("{s:b, s:[{s:s}]}", "discover", 1, "filter", "type", "page"), on_vital_reply);
    call(browser, NULL, "Browser.setDownloadBehavior", json_pack("{s:s}", "behavior", "deny"),
         NULL);
    /* All that is not in the list is refused without asking. */
    call(browser, NULL, "Browser.grantPermissions",
         json_pack("{s:[s, s]}", "permissions", "wakeLockScreen", "storageAccess"), NULL);
}

/* Answers are not waited for: what follows is done in order. */
static void set_up_page(EgBrowser *browser, const char *session)
{
    call(browser, session, "Page.enable", NULL, on_vital_reply);
    call(browser, session, "Runtime.enable", NULL, on_vital_reply);
    call(browser, session, "Page.setInterceptFileChooserDialog", json_pack("{s:b}", "enabled", 1),
         NULL);
}

static void take_page(EgBrowser *browser, const char *session, const char *target)
{
    const EgBrowserPageParams params = {
        .devtools = browser->devtools,
        .session = session,
        .target = target,
        .load_timeout_ns = browser->load_timeout_ns,
        .logs_console = browser->logs_console,
        .log = browser->log,
    };
    browser->page = eg_browser_page_new(browser->loop, &params, &page_events, browser);
    set_up_page(browser, session);
    eg_timer_clear(browser->timer);
    set_state(browser, BROWSER_RUNNING);
    eg_debug(browser->log, "browser started",
             EG_INT("ms", (eg_now_ns() - browser->started_ns) / EG_NS_PER_MS));
    browser->events.ready(browser->user);
}

static void on_attached(EgBrowser *browser, const json_t *params)
{
    const char *target = eg_devtools_get_string(params, "targetInfo.targetId");
    const char *session = eg_devtools_get_string(params, "sessionId");
    if (browser->state == BROWSER_STARTING) {
        take_page(browser, session, target);
        return;
    }
    eg_debug(browser->log, "a window that the page opened is closed");
    call(browser, NULL, "Target.closeTarget", json_pack("{s:s}", "targetId", target), NULL);
    /* It may be in the page's process, which waits with it. */
    call(browser, session, "Runtime.runIfWaitingForDebugger", NULL, NULL);
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

static void on_event(gpointer user, const char *session, const char *method, const json_t *params)
{
    EgBrowser *browser = user;
    if (browser->state == BROWSER_FAILED)
        return;
    if (session != NULL) {
        if (browser->page != NULL && strcmp(session, eg_browser_page_session(browser->page)) == 0)
            eg_browser_page_handle(browser->page, method, params);
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
    g_auto(GStrv) command = eg_browser_command_new(params, error);
    if (command == NULL || !eg_browser_profile_write(params, error))
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
        .noise = "dbus/", /* there is no D-Bus, which it says again and again */
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
    browser->logs_console = params->logs_console;
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
    eg_timer_free(browser->timer);
    g_clear_error(&browser->closed_error);
    g_free(browser);
}

void eg_browser_open(EgBrowser *browser, const char *url)
{
    eg_loop_assert_owner(browser->loop);
    g_assert(browser->page != NULL);
    if (browser->state == BROWSER_RUNNING)
        eg_browser_page_open(browser->page, url);
}
