#pragma once

#include <gio/gio.h>

#include "base/log.h"
#include "base/loop.h"

/* Keeps a page away from what it must not reach: networks behind the firewall, services of this
 * machine, the metadata of a cloud. A SOCKS5 proxy on 127.0.0.1 that the browser sends everything
 * through, and that resolves names itself: it connects to the very address that it has checked, so
 * neither redirects nor names whose address changes help. It does not see what is sent.
 *
 * It asks for no password, since Chromium knows none for SOCKS. So any program of this machine can
 * use it; but such a program can reach the network without it, and the rules let it go no farther.
 *
 * What a browser sends over UDP (WebRTC) does not come here. Session thread only. */
typedef struct _EgPageGuard EgPageGuard;

typedef struct {
    const char *const *allowed; /* besides the internet: browser/page-rules.h; NULL: nothing */
    GResolver *resolver;        /* NULL: the machine's */
    guint max_connections;      /* 0, here and below: the usual */
    gint64 max_handshake_ns;    /* from a connection to its whole request */
    gint64 max_connect_ns;      /* to resolve and to connect */
    const EgLog *log;
} EgPageGuardParams;

typedef struct {
    guint connections; /* that came */
    guint carried;     /* ... of these, that reached their target */
    guint refused;     /* ... that must not */
    guint failed;      /* ... that could not, or said nothing sensible */
    guint open;        /* now */
} EgPageGuardStats;

EgPageGuard *eg_page_guard_new(EgLoop *loop, const EgPageGuardParams *params, GError **error);

/* Cuts all connections; what is left of them ends in the next turns of the loop. */
void eg_page_guard_free(EgPageGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPageGuard, eg_page_guard_free)

guint16 eg_page_guard_port(const EgPageGuard *guard);

/* "socks5://127.0.0.1:port", the guard's: what a browser calls it. */
const char *eg_page_guard_proxy(const EgPageGuard *guard);

/* Why the last connection to this host that came to nothing did so, as Chromium would say it if
 * there were no proxy, of which it knows no more than that it failed. If there was none, of the
 * last to any host: the page may have been sent on. (Chromium has connections of its own, too.)
 * NULL: there was none. */
const char *eg_page_guard_error(const EgPageGuard *guard, const char *host);

void eg_page_guard_get_stats(const EgPageGuard *guard, EgPageGuardStats *stats);
