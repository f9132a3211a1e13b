#pragma once

#include <glib.h>
#include <stdbool.h>
#include <wayland-client.h>

#include "presentation-time-client-protocol.h"
#include "viewporter-client-protocol.h"
#include "xdg-shell-client-protocol.h"

/* A small Wayland client. Calls wait for the display's answer, so they belong in a thread of their
 * own. */
typedef struct {
    struct wl_display *display;
    struct wl_registry *registry;
    struct wl_compositor *compositor;
    struct wl_subcompositor *subcompositor;
    struct wl_shm *shm;
    struct xdg_wm_base *shell;
    struct wl_output *output;
    struct wp_viewporter *viewporter;
    struct wp_presentation *presentation;
    GPtrArray *windows; /* Window: their memory, for tests that leave some behind */
} Client;

Client *client_new(const char *socket);
void client_free(Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

/* True if all that was sent was taken. */
bool client_sync(Client *client);

/* Shared memory of the client, and a buffer that fills it. */
typedef struct {
    int fd;
    guint32 *pixels; /* ARGB */
    gsize bytes;
    gint32 width;
    gint32 height;
    struct wl_buffer *buffer;
    bool is_released;
} Buffer;

Buffer *buffer_new(Client *client, gint32 width, gint32 height, guint32 format, guint32 colour);
void buffer_fill(Buffer *buffer, gint32 x, gint32 y, gint32 width, gint32 height, guint32 colour);
void buffer_free(Buffer *buffer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Buffer, buffer_free)

/* What became of frames. */
typedef struct {
    guint n_presented;
    guint n_discarded;
    guint32 refresh_ns; /* as it was told last */
} Reports;

/* Of the surface's next commit; `reports` must live until it has come. */
void client_ask_for_report(Client *client, struct wl_surface *surface, Reports *reports);

/* Commits the buffer (NULL: none), and waits until it has been seen. */
void client_show(Client *client, struct wl_surface *surface, Buffer *buffer);

typedef struct {
    struct wl_surface *surface;
    struct xdg_surface *xdg;
    struct xdg_toplevel *toplevel; /* NULL if it is a popup */
    struct xdg_popup *popup;       /* NULL if it is a toplevel */
    gint32 x;                      /* as it was told */
    gint32 y;
    gint32 width;
    gint32 height;
    bool is_fullscreen;
} Window;

/* Told its size, and acknowledged. */
Window *window_new(Client *client, struct xdg_toplevel *parent);
Window *popup_new(Client *client, const Window *parent, struct xdg_positioner *positioner);
void window_free(Window *window);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Window, window_free)

/* Its corner is at x, y of the parent, unless it has to move to be on the output. */
struct xdg_positioner *positioner_new(Client *client, gint32 x, gint32 y, gint32 width,
                                      gint32 height);
