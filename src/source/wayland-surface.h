#pragma once

#include "source/wayland.h"

/* Surfaces, their buffers, and what clients commit. */

/* A client's wl_buffer, however many surfaces use it. */
typedef struct _EgWaylandBuffer EgWaylandBuffer;

typedef struct {
    const guint8 *data; /* BGRx, or BGRA with premultiplied alpha; 4-byte aligned */
    gint32 stride;      /* bytes; a multiple of 4, and not less than the width needs */
    gint32 width;
    gint32 height;
    bool has_alpha;
} EgWaylandPixels;

/* One use of it, given back by unuse(); the last one tells the client that it may draw in it again.
 * NULL: it cannot be used, and the client was told. */
EgWaylandBuffer *eg_wayland_buffer_use(struct wl_resource *resource);
void eg_wayland_buffer_unuse(EgWaylandBuffer *buffer);

/* 0 x 0 if the client has destroyed it. */
void eg_wayland_buffer_get_size(const EgWaylandBuffer *buffer, gint32 *width, gint32 *height);

/* The pixels, until eg_wayland_buffer_end(); false if the client has destroyed them. Memory that
 * the client has cut off reads as zeros, and costs it the connection. */
bool eg_wayland_buffer_begin(const EgWaylandBuffer *buffer, EgWaylandPixels *pixels);
void eg_wayland_buffer_end(const EgWaylandBuffer *buffer);

/* What the client sets and commits. */
typedef struct {
    EgWaylandBuffer *buffer; /* one use; NULL: none */
    bool is_attached;        /* `buffer` is new, also if it is none */
    bool is_damaged;
    gint32 scale;
    gint32 transform;       /* enum wl_output_transform */
    wl_fixed_t source[4];   /* of the viewport: x, y, width, height; width -1: all */
    gint32 destination[2];  /* of the viewport: width, height; width -1: as the source */
    struct wl_list frames;  /* wl_resource of wl_callback */
    struct wl_list reports; /* wl_resource of wp_presentation_feedback */
} EgWaylandState;

void eg_wayland_state_init(EgWaylandState *state);
void eg_wayland_state_finish(EgWaylandState *state);

/* `to` becomes what it would be if both had been committed one after the other; `from` has nothing
 * new any more. */
void eg_wayland_state_merge(EgWaylandState *to, EgWaylandState *from);

/* What a surface is for: set once for all by the protocol that makes use of it. */
typedef struct {
    /* Its state has become current. Not called while the surface has no object of the role. May be
     * NULL. */
    void (*committed)(gpointer object);
    /* The surface is gone: forget it. May be NULL. */
    void (*destroyed)(gpointer object);
} EgWaylandRole;

typedef struct _EgWaylandSurface EgWaylandSurface;

struct _EgWaylandSurface {
    EgWayland *wayland;
    struct wl_list link;
    struct wl_resource *resource;
    const EgWaylandRole *role;    /* NULL: none yet */
    gpointer object;              /* of the role; NULL: none, or it was destroyed */
    struct wl_resource *viewport; /* NULL: none */

    EgWaylandState pending; /* until commit */
    EgWaylandState cached;  /* until the parent's commit, if it is a synchronized subsurface */
    EgWaylandState current;
    bool is_cached;
    gint32 width; /* in surface coordinates; 0: nothing to see */
    gint32 height;

    /* EgWaylandSurface: itself and, below and above, its subsurfaces; from bottom to top. */
    GPtrArray *stack;
    GPtrArray *pending_stack;

    /* Of a subsurface. */
    EgWaylandSurface *parent; /* NULL: none, or gone */
    gint32 x;                 /* in the parent */
    gint32 y;
    gint32 pending_x;
    gint32 pending_y;
    bool is_synchronized;
};

/* False, and the surface is as it was: it has another role, or an object of this role. */
bool eg_wayland_surface_set_role(EgWaylandSurface *surface, const EgWaylandRole *role,
                                 gpointer object);

/* `state`, which is its pending or cached one, becomes current, and with it what its subsurfaces
 * have cached. */
void eg_wayland_surface_apply(EgWaylandSurface *surface, EgWaylandState *state);

/* Subsurfaces (wayland-subsurface.c): whether its commits wait for those of a surface that it is
 * part of; the parent's part of a commit; parent and children forget it. */
bool eg_wayland_surface_is_synchronized(const EgWaylandSurface *surface);
void eg_wayland_surface_apply_children(EgWaylandSurface *surface);
void eg_wayland_surface_leave_family(EgWaylandSurface *surface);

/* The viewport's part of a commit: the size of a surface whose buffer, scaled and turned, has this
 * one. False: the client was told of an error. */
bool eg_wayland_viewport_apply(const EgWaylandSurface *surface, gint32 *width, gint32 *height);

/* Feedback of wp_presentation (wayland-presentation.c): was seen, or never will be. */
void eg_wayland_presentation_seen(EgWaylandSurface *surface, gint64 now_ns);
void eg_wayland_presentation_discard(struct wl_list *reports);
