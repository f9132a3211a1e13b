#pragma once

#include "browser/browser-console.h"
#include "browser/browser-page.h"

/* For browser-page.c, which loads the page, and browser-page-events.c, which hears what becomes of
 * it. */

typedef enum {
    EG_BROWSER_PAGE_NONE,
    EG_BROWSER_PAGE_IDLE,       /* nothing was opened yet */
    EG_BROWSER_PAGE_NAVIGATING, /* until the browser has an answer of the server, or an error */
    EG_BROWSER_PAGE_LOADING,    /* until the page says that it has loaded */
    EG_BROWSER_PAGE_CHECKING,   /* whether it shows an error */
    EG_BROWSER_PAGE_RETRYING,   /* soon */
    EG_BROWSER_PAGE_LOADED,
    EG_BROWSER_PAGE_CRASHED,
    EG_BROWSER_PAGE_FAILED,
    EG_N_BROWSER_PAGE_STATES,
} EgBrowserPageState;

/* The newest answer of a server to a request for the main frame's document. */
typedef struct {
    char *loader;
    gint64 status; /* of HTTP; 0: none yet */
    char *status_text;
    char *error; /* why there was no answer */
} EgBrowserDocument;

struct _EgBrowserPage {
    /* const after new */
    EgDevtools *devtools;
    char *session;
    char *target;
    gint64 load_timeout_ns;
    const EgLog *log;
    EgBrowserEvents events;
    gpointer user;

    EgBrowserPageState state;
    EgBrowserConsole *console;
    char *url;
    guint n_tries;
    EgBrowserDocument document;
    char *shown_loader; /* of the document that the main frame shows since the last try; or NULL */
    bool has_loaded;    /* ... which says that it has loaded */
    gint64 call;        /* that the state waits for; 0: none */
    gint64 paint_call;  /* of eg_browser_page_await_painted(); 0: none */
    gint64 paint_deadline_ns;
    EgTimer *paint_timer; /* asks again */
    EgTimer *load_timer;
    EgTimer *retry_timer;
    EgTimer *signal_timer;
    EgTimer *watch_timer; /* until the page is ready, if that is awaited */
    guint n_hangs;        /* answers that did not come since then, one after the other */
    bool awaits_signal;
    guint signals; /* 1 << EgBrowserSignal: still to be told */
};

void eg_browser_page_set_state(EgBrowserPage *page, EgBrowserPageState state);

/* Of which nobody waits for the answer. */
void eg_browser_page_call(EgBrowserPage *page, const char *method, json_t *params);

/* For messages: without what may be secret in it. NULL: it is no URL. */
char *eg_browser_page_describe_url(const char *url);

void eg_browser_page_clear_document(EgBrowserPage *page);

/* What the last try waits for does not matter any more. */
void eg_browser_page_end_try(EgBrowserPage *page);

/* It has loaded: whether it shows an error. While it is LOADING. */
void eg_browser_page_check(EgBrowserPage *page);

/* It is ready, and may show what it likes. */
void eg_browser_page_stop_watching(EgBrowserPage *page);

/* These may tell the user that it has failed, who may free the page. */

/* While it is opening. */
void eg_browser_page_try_again(EgBrowserPage *page, const char *reason);

/* Of the network; that the server has answered with an error says more. */
void eg_browser_page_end_with_net_error(EgBrowserPage *page, const char *text);

/* True: the server's answer was an error, and the page, which was LOADING, has ended with it. */
bool eg_browser_page_end_with_bad_status(EgBrowserPage *page);

/* While it is CHECKING, it has gone to another page, which will load. False: it has ended with the
 * server's answer to that. */
bool eg_browser_page_go_on(EgBrowserPage *page);
