#pragma once

#include "base/log.h"
#include "base/loop.h"

/* Chromium with one window that shows one page, driven over the DevTools pipe. Session thread only;
 * callbacks come from the loop. Every call has a deadline, so that each open ends in `loaded` or
 * `failed`, whatever the page does. */
typedef struct _EgBrowser EgBrowser;

typedef struct {
    const char *folder; /* private; the profile goes there. Outlives the browser */
    guint width;        /* of the page, in pixels */
    guint height;
    const char *const *environment;   /* all of it: folder's, display's and sound's */
    const char *const *display_flags; /* eg_display_browser_flags() */
    const char *const *extra_flags;   /* of the configuration, without "--"; NULL: none */
    const char *proxy; /* "socks5://127.0.0.1:port": all that the page loads goes through it, and it
                          names no addresses itself; NULL: none */
    const char *login_url; /* user and password in it are for the server that it leads to, if that
                              asks; NULL: none */
    bool has_sound;
    bool is_sandboxed;  /* Chromium's own sandbox */
    bool is_insecure;   /* takes any certificate, mixes https with http */
    bool awaits_signal; /* a page that shows an error (div.error), or hangs, before START has failed
                         */
    /* The page sees to it that WebRTC's pictures are due between refreshes, and that none is lost.
     * Of other pages, Chromium (156) may stop decoding for good: one that owes a video frame
     * callback to a player whose pictures have ended waits for a refresh that does not come. */
    bool decodes_at_refreshes;
    bool logs_console;      /* what the page writes to its console goes to the log */
    gint64 load_timeout_ns; /* of one try to load the page; 0: 30 seconds */
    const EgLog *log;
} EgBrowserParams;

typedef enum {
    EG_BROWSER_SIGNAL_NONE,
    EG_BROWSER_SIGNAL_START,  /* START_RECORDING on the console */
    EG_BROWSER_SIGNAL_END,    /* END_RECORDING */
    EG_BROWSER_SIGNAL_LAYOUT, /* LAYOUT, and the name of that which is shown now: the value */
    EG_N_BROWSER_SIGNALS,
} EgBrowserSignal;

typedef struct {
    /* Once: it takes orders. */
    void (*ready)(gpointer user);
    /* The page is there, with all that it loads at its beginning; also after it was loaded again.
     */
    void (*loaded)(gpointer user);
    /* Those without a value (NULL) only after `loaded`. */
    void (*signaled)(gpointer user, EgBrowserSignal signal, const char *value);
    /* After eg_browser_await_painted(), once for each call unless `crashed` comes first: what the
     * page showed then, or that to which it went on, is on the display; or it has drawn nothing,
     * for a second while it was idle, for ten while it was not. */
    void (*painted)(gpointer user);
    /* The page's process has crashed, or was killed. The browser lives: the page can be opened
     * again. */
    void (*crashed)(gpointer user, const GError *error);
    /* The page cannot be loaded, or the browser is gone. The last one. */
    void (*failed)(gpointer user, const GError *error);
    /* Asked when the proxy has failed it: why, on the way to this host, as "net::ERR_…"; NULL: who
     * knows. May be NULL. */
    const char *(*proxy_error)(gpointer user, const char *host);
} EgBrowserEvents;

EgBrowser *eg_browser_new(EgLoop *loop, const EgBrowserParams *params,
                          const EgBrowserEvents *events, gpointer user, GError **error);

/* Ends it at once. */
void eg_browser_free(EgBrowser *browser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgBrowser, eg_browser_free)

/* Loads the page, which may have secrets in its URL (of user and password, those of login_url
 * count); after `ready`. Again: loads it anew. */
void eg_browser_open(EgBrowser *browser, const char *url);

/* After `loaded`. */
void eg_browser_await_painted(EgBrowser *browser);
