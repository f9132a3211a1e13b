#pragma once

#include "display/wayland-surface.h"

/* Windows: what xdg-shell makes of surfaces. */

typedef struct {
    gint32 x;
    gint32 y;
    gint32 width;
    gint32 height;
} EgWaylandRect;

/* What an xdg_positioner says. */
typedef struct {
    gint32 width; /* of the popup; 0: not set */
    gint32 height;
    EgWaylandRect anchor_rect; /* in the parent's window geometry; width -1: not set */
    guint32 anchor;            /* enum xdg_positioner_anchor */
    guint32 gravity;           /* enum xdg_positioner_gravity */
    guint32 adjustment;        /* enum xdg_positioner_constraint_adjustment */
    gint32 x;                  /* offset */
    gint32 y;
} EgWaylandPositioner;

/* An xdg_wm_base's request. */
void eg_wayland_positioner_create(struct wl_client *client, struct wl_resource *resource,
                                  guint32 id);

/* NULL if it lacks something. */
const EgWaylandPositioner *eg_wayland_positioner_get(struct wl_resource *resource);

/* Where the popup goes, so that it stays in `bounds` as far as the positioner lets it; both in the
 * parent's window geometry. */
EgWaylandRect eg_wayland_positioner_place(const EgWaylandPositioner *positioner,
                                          EgWaylandRect bounds);

typedef enum {
    EG_WAYLAND_WINDOW_NONE, /* an xdg_surface without a role */
    EG_WAYLAND_WINDOW_TOPLEVEL,
    EG_WAYLAND_WINDOW_POPUP,
} EgWaylandWindowKind;

typedef enum {
    EG_WAYLAND_WINDOW_NEW,        /* or unmapped: a commit without a buffer begins it */
    EG_WAYLAND_WINDOW_CONFIGURED, /* has been told its size */
    EG_WAYLAND_WINDOW_READY,      /* has acknowledged that */
    EG_WAYLAND_WINDOW_MAPPED,     /* has a picture */
} EgWaylandWindowState;

/* An xdg_surface and its role. */
typedef struct _EgWaylandWindow EgWaylandWindow;

struct _EgWaylandWindow {
    EgWayland *wayland;
    struct wl_list link;
    EgWaylandSurface *surface; /* NULL: gone */
    struct wl_listener surface_destroyed;
    struct wl_resource *shell; /* xdg_wm_base; NULL: gone */
    struct wl_resource *resource;
    EgWaylandWindowKind kind;
    struct wl_resource *role; /* xdg_toplevel or xdg_popup; NULL: none */
    EgWaylandWindow *parent;  /* of a popup or a dialog; NULL: none */

    EgWaylandRect geometry; /* in the surface; width 0: all of it */
    EgWaylandRect pending_geometry;
    guint32 sent_serial;  /* of the last configure */
    guint32 acked_serial; /* of the last one that was acknowledged */
    EgWaylandWindowState state;

    EgWaylandPositioner positioner; /* of a popup */
    EgWaylandRect place;            /* of a popup, in the parent's window geometry */
    EgWaylandRect pending_place;
    guint32 place_serial; /* whose acknowledgement makes it count */
};

EgWaylandWindow *eg_wayland_window_get(struct wl_resource *resource); /* of an xdg_surface */

/* Gives its surface the role. False: the client was told of an error. */
bool eg_wayland_window_set_kind(EgWaylandWindow *window, EgWaylandWindowKind kind,
                                struct wl_resource *role);

/* The object of the role is gone. */
void eg_wayland_window_unset_role(EgWaylandWindow *window);

/* Whether it is the other one (NULL: none) or one of its parents: a line of these must end. */
bool eg_wayland_window_is_in_line(const EgWaylandWindow *window, const EgWaylandWindow *descendant);

/* Ends a sequence of configure events. */
void eg_wayland_window_send_configure(EgWaylandWindow *window);

/* Requests of xdg_surface, and the events before it is configured. */
void eg_wayland_toplevel_create(struct wl_client *client, struct wl_resource *resource, guint32 id);
void eg_wayland_toplevel_configure(EgWaylandWindow *window);
void eg_wayland_popup_create(struct wl_client *client, struct wl_resource *resource, guint32 id,
                             struct wl_resource *parent, struct wl_resource *positioner);
void eg_wayland_popup_configure(EgWaylandWindow *window);

/* Where its surface is on the output. False: it is not seen. */
bool eg_wayland_window_locate(const EgWaylandWindow *window, gint64 *x, gint64 *y);
