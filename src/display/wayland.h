#pragma once

#include <glib.h>
#include <stdbool.h>
#include <wayland-server.h>

/* A small Wayland compositor: what display-wayland.c is made of. It has one output and no input;
 * what it shows is one window that fills the output, its subsurfaces, its popups and dialogs.
 * Pixels come in shared memory. Session thread only.
 *
 * Clients are browsers that run strangers' pages. What they may not do is a protocol error, after
 * which libwayland disconnects them; every size is checked before it is used, and what they can
 * have us keep is bounded. Objects can go in any order. */

#define EG_WAYLAND_MAX_OBJECTS  16384 /* of one client */
#define EG_WAYLAND_MAX_SURFACES 256   /* of all clients; they are walked recursively */

/* A picture is taken `fps` times a second, but clients are told of a screen with about this rate,
 * which is a multiple of it. Chromium has up to three frames under way: at 30 Hz a page was seen 60
 * to 130 ms after it was drawn, at 60 Hz after 25. */
#define EG_WAYLAND_REFRESH_HZ 60

typedef struct {
    struct wl_display *display;
    gint32 width; /* of the output, in pixels */
    gint32 height;
    gint32 refresh_hz;

    struct wl_list surfaces; /* EgWaylandSurface.link: all */
    guint n_surfaces;
    struct wl_list outputs; /* wl_resource of wl_output */
    struct wl_list windows; /* EgWaylandWindow.link: all; mapped ones in the order of mapping */
    guint64 ticks;
    bool has_changed; /* what is seen, since it was drawn */
    struct wl_listener client_created;
} EgWayland;

/* Clients come through the listening socket `fd` (transfer full, on failure too). */
bool eg_wayland_init(EgWayland *wayland, int fd, GError **error);

/* All clients are gone then. Fine after an init() that failed, or with all zeros. */
void eg_wayland_finish(EgWayland *wayland);

/* Tells all clients that what they have committed was seen at this instant (monotonic ns), which is
 * what they count refreshes from. */
void eg_wayland_tick(EgWayland *wayland, gint64 seen_ns);

/* Handles what clients have sent, and what there is to tell them. Whether what is seen has changed.
 */
bool eg_wayland_dispatch(EgWayland *wayland);

/* The rate of a screen of which `fps` pictures a second are taken. */
gint32 eg_wayland_refresh_hz(guint fps);

/* How long after a look clients are told that its frame was seen. `phase`: how many refreshes after
 * a picture's first one it was taken. */
gint64 eg_wayland_seen_after_ns(gint32 refresh_hz, guint phase);

/* Draws what is seen as I420. `staging` has room for the output in BGRx; it is used if what is seen
 * is more than one surface. */
void eg_wayland_draw(EgWayland *wayland, guint8 *staging, guint8 *const planes[3],
                     const gsize strides[3]);

/* The globals: wl_compositor, wl_subcompositor, xdg_wm_base, wl_output, wp_viewporter,
 * wp_presentation. NULL: no memory. */
struct wl_global *eg_wayland_add_compositor(EgWayland *wayland);
struct wl_global *eg_wayland_add_subcompositor(EgWayland *wayland);
struct wl_global *eg_wayland_add_shell(EgWayland *wayland);
struct wl_global *eg_wayland_add_output(EgWayland *wayland);
struct wl_global *eg_wayland_add_viewporter(EgWayland *wayland);
struct wl_global *eg_wayland_add_presentation(EgWayland *wayland);

/* A resource that a client has asked for; NULL: no memory, and the client was told. `destroyed` may
 * be NULL; it is not called then. */
struct wl_resource *eg_wayland_add_resource(struct wl_client *client,
                                            const struct wl_interface *interface, int version,
                                            guint32 id, const void *requests, gpointer user,
                                            wl_resource_destroy_func_t destroyed);

/* For requests that only destroy their object. */
void eg_wayland_destroy_request(struct wl_client *client, struct wl_resource *resource);
