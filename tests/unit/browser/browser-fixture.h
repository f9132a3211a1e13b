#pragma once

#include <libsoup/soup.h>

#include "base/run-folder.h"
#include "browser/browser.h"
#include "browser/page-guard.h"

/* A real browser without a screen, and a server on loopback with the pages of a test. What happens
 * is written down as words: "ready loaded START LAYOUT:grid END crashed
 * failed". */
typedef struct {
    EgLoop *loop;
    EgLog *log;
    EgRunFolder *folder;
    char **environment;
    SoupServer *server;
    SoupServer *tls_server;  /* with a certificate of nobody */
    SoupServerMessage *gate; /* the request for /gate, which waits */
    EgPageGuard *guard;      /* of the test, asked why its proxy has failed; NULL: none */
    EgBrowser *browser;
    GString *events;
    GError *error;     /* of the last `crashed` or `failed` */
    GString *requests; /* their paths, "/one /two " */
    GString *lines;    /* of the log */
    EgBrowserParams params;
} Fixture;

void fixture_set_up(Fixture *f, gconstpointer data);
void fixture_tear_down(Fixture *f, gconstpointer data);

/* Another browser, with the loop and the server of the first. */
void fixture_set_up_beside(Fixture *f, const Fixture *beside);
void fixture_tear_down_beside(Fixture *f);

/* Starts it, as f->params say; and waits for `ready`. */
void fixture_try_to_start(Fixture *f);
void fixture_start(Fixture *f);

/* http://127.0.0.1:PORT/PATH; or https of the other server. Free with g_free(). */
char *fixture_url(Fixture *f, const char *path);
char *fixture_tls_url(Fixture *f, const char *path);

/* Opens a path of the server. */
void fixture_open(Fixture *f, const char *path);

/* Waits for a request for /gate, and answers it. */
void fixture_open_gate(Fixture *f);

/* Until so many words have been written down, counted from the beginning, or this is in what the
 * browser asked for, or the page's console said. */
void fixture_wait(Fixture *f, const char *events);
void fixture_wait_for_request(Fixture *f, const char *path);
void fixture_wait_for_line(Fixture *f, const char *text);

/* Processes that have `text` on their command line; of type --type=TYPE if that is not NULL. */
GArray *fixture_processes(const char *text, const char *type);
