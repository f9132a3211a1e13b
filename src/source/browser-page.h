#pragma once

#include <jansson.h>

#include "source/browser.h"
#include "source/devtools.h"

/* The one page of a browser, over its DevTools session: how it is loaded, what it says, how it
 * ends. Its callbacks come from inside of eg_browser_page_handle() and from the loop, and may free
 * it. */
typedef struct _EgBrowserPage EgBrowserPage;

typedef struct {
    EgDevtools *devtools; /* freed before the page */
    const char *session;
    const char *target; /* also the name of its main frame */
    gint64 load_timeout_ns;
    bool logs_console;
    const EgLog *log;
} EgBrowserPageParams;

/* `ready` is not called. */
EgBrowserPage *eg_browser_page_new(EgLoop *loop, const EgBrowserPageParams *params,
                                   const EgBrowserEvents *events, gpointer user);
void eg_browser_page_free(EgBrowserPage *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgBrowserPage, eg_browser_page_free)

void eg_browser_page_open(EgBrowserPage *page, const char *url);

/* An event of its session, or one of the browser that is about its target. */
void eg_browser_page_handle(EgBrowserPage *page, const char *method, const json_t *params);

const char *eg_browser_page_session(const EgBrowserPage *page);
const char *eg_browser_page_target(const EgBrowserPage *page);
