/* wl_compositor, wl_surface and wl_region. What regions say is of no use here: there is no input,
 * and what is opaque is seen in the pixels. */
#include "source/wayland-surface.h"

#define COMPOSITOR_VERSION 4

static void ignore_rectangle(struct wl_client *client, struct wl_resource *resource, gint32 x,
                             gint32 y, gint32 width, gint32 height)
{
    (void)client;
    (void)resource;
    (void)x;
    (void)y;
    (void)width;
    (void)height;
}

static const struct wl_region_interface region_requests = {
    .destroy = eg_wayland_destroy_request,
    .add = ignore_rectangle,
    .subtract = ignore_rectangle,
};

/* Positions that come with buffers are for those who draw cursors. */
static void on_attach(struct wl_client *client, struct wl_resource *resource,
                      struct wl_resource *buffer_resource, gint32 x, gint32 y)
{
    (void)client;
    (void)x;
    (void)y;
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    EgWaylandBuffer *buffer = NULL;
    if (buffer_resource != NULL && (buffer = eg_wayland_buffer_use(buffer_resource)) == NULL)
        return;
    eg_wayland_buffer_unuse(surface->pending.buffer);
    surface->pending.buffer = buffer;
    surface->pending.is_attached = true;
}

static void on_damage(struct wl_client *client, struct wl_resource *resource, gint32 x, gint32 y,
                      gint32 width, gint32 height)
{
    (void)client;
    (void)x;
    (void)y;
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (width > 0 && height > 0)
        surface->pending.is_damaged = true;
}

static void on_frame_destroyed(struct wl_resource *callback)
{
    wl_list_remove(wl_resource_get_link(callback));
}

static void on_frame(struct wl_client *client, struct wl_resource *resource, guint32 id)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    struct wl_resource *callback = eg_wayland_add_resource(client, &wl_callback_interface, 1, id,
                                                           NULL, NULL, on_frame_destroyed);
    if (callback != NULL)
        wl_list_insert(surface->pending.frames.prev, wl_resource_get_link(callback));
}

static void ignore_region(struct wl_client *client, struct wl_resource *resource,
                          struct wl_resource *region)
{
    (void)client;
    (void)resource;
    (void)region;
}

static void on_set_buffer_transform(struct wl_client *client, struct wl_resource *resource,
                                    gint32 transform)
{
    (void)client;
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (transform < WL_OUTPUT_TRANSFORM_NORMAL || transform > WL_OUTPUT_TRANSFORM_FLIPPED_270)
        wl_resource_post_error(resource, WL_SURFACE_ERROR_INVALID_TRANSFORM,
                               "there is no transform %d", transform);
    else
        surface->pending.transform = transform;
}

static void on_set_buffer_scale(struct wl_client *client, struct wl_resource *resource,
                                gint32 scale)
{
    (void)client;
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (scale < 1)
        wl_resource_post_error(resource, WL_SURFACE_ERROR_INVALID_SCALE, "scale %d: at least 1",
                               scale);
    else
        surface->pending.scale = scale;
}

/* The size that its buffer, scaled and turned, has. False: the client was told of an error. */
static bool get_buffer_size(EgWaylandSurface *surface, gint32 *width, gint32 *height)
{
    const EgWaylandState *state = &surface->current;
    *width = 0;
    *height = 0;
    if (state->buffer == NULL)
        return true;
    eg_wayland_buffer_get_size(state->buffer, width, height);
    if (*width % state->scale != 0 || *height % state->scale != 0) {
        wl_resource_post_error(surface->resource, WL_SURFACE_ERROR_INVALID_SIZE,
                               "a buffer of %dx%d is no multiple of scale %d", *width, *height,
                               state->scale);
        return false;
    }
    *width /= state->scale;
    *height /= state->scale;
    /* Of 8 transforms, the odd ones lay it on its side. */
    if (state->transform % 2 == 1) {
        gint32 was_width = *width;
        *width = *height;
        *height = was_width;
    }
    return true;
}

void eg_wayland_surface_apply(EgWaylandSurface *surface, EgWaylandState *state)
{
    gint32 width;
    gint32 height;
    eg_wayland_state_merge(&surface->current, state);
    if (surface->current.is_attached || surface->current.is_damaged)
        surface->wayland->has_changed = true;
    surface->current.is_attached = false;
    surface->current.is_damaged = false;
    if (!get_buffer_size(surface, &width, &height) ||
        !eg_wayland_viewport_apply(surface, &width, &height))
        return;
    surface->width = width;
    surface->height = height;
    if (surface->object != NULL && surface->role->committed != NULL)
        surface->role->committed(surface->object);
    eg_wayland_surface_apply_children(surface);
}

static void on_commit(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    bool was_cached = surface->is_cached;
    bool is_synchronized = eg_wayland_surface_is_synchronized(surface);
    if (is_synchronized || was_cached) {
        eg_wayland_state_merge(&surface->cached, &surface->pending);
        surface->is_cached = is_synchronized;
    }
    if (!is_synchronized)
        eg_wayland_surface_apply(surface, was_cached ? &surface->cached : &surface->pending);
}

static const struct wl_surface_interface surface_requests = {
    .destroy = eg_wayland_destroy_request,
    .attach = on_attach,
    .damage = on_damage,
    .frame = on_frame,
    .set_opaque_region = ignore_region,
    .set_input_region = ignore_region,
    .commit = on_commit,
    .set_buffer_transform = on_set_buffer_transform,
    .set_buffer_scale = on_set_buffer_scale,
    .damage_buffer = on_damage,
};

static void on_surface_destroyed(struct wl_resource *resource)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    surface->wayland->has_changed = true;
    surface->wayland->n_surfaces--;
    if (surface->object != NULL && surface->role->destroyed != NULL)
        surface->role->destroyed(surface->object);
    if (surface->viewport != NULL)
        wl_resource_set_user_data(surface->viewport, NULL);
    eg_wayland_surface_leave_family(surface);
    eg_wayland_state_finish(&surface->pending);
    eg_wayland_state_finish(&surface->cached);
    eg_wayland_state_finish(&surface->current);
    wl_list_remove(&surface->link);
    g_ptr_array_unref(surface->stack);
    g_ptr_array_unref(surface->pending_stack);
    g_free(surface);
}

bool eg_wayland_surface_set_role(EgWaylandSurface *surface, const EgWaylandRole *role,
                                 gpointer object)
{
    if (surface->object != NULL || (surface->role != NULL && surface->role != role))
        return false;
    surface->role = role;
    surface->object = object;
    return true;
}

static void on_create_surface(struct wl_client *client, struct wl_resource *resource, guint32 id)
{
    EgWayland *wayland = wl_resource_get_user_data(resource);
    if (wayland->n_surfaces >= EG_WAYLAND_MAX_SURFACES) {
        wl_client_post_implementation_error(client, "more than %d surfaces",
                                            EG_WAYLAND_MAX_SURFACES);
        return;
    }
    EgWaylandSurface *surface = g_new0(EgWaylandSurface, 1);
    surface->resource =
        eg_wayland_add_resource(client, &wl_surface_interface, wl_resource_get_version(resource),
                                id, &surface_requests, surface, on_surface_destroyed);
    if (surface->resource == NULL) {
        g_free(surface);
        return;
    }
    surface->wayland = wayland;
    eg_wayland_state_init(&surface->pending);
    eg_wayland_state_init(&surface->cached);
    eg_wayland_state_init(&surface->current);
    surface->stack = g_ptr_array_new();
    surface->pending_stack = g_ptr_array_new();
    g_ptr_array_add(surface->stack, surface);
    g_ptr_array_add(surface->pending_stack, surface);
    wl_list_insert(wayland->surfaces.prev, &surface->link);
    wayland->n_surfaces++;
}

static void on_create_region(struct wl_client *client, struct wl_resource *resource, guint32 id)
{
    eg_wayland_add_resource(client, &wl_region_interface, wl_resource_get_version(resource), id,
                            &region_requests, NULL, NULL);
}

static const struct wl_compositor_interface compositor_requests = {
    .create_surface = on_create_surface,
    .create_region = on_create_region,
};

static void bind_compositor(struct wl_client *client, void *user, guint32 version, guint32 id)
{
    eg_wayland_add_resource(client, &wl_compositor_interface, (int)version, id,
                            &compositor_requests, user, NULL);
}

struct wl_global *eg_wayland_add_compositor(EgWayland *wayland)
{
    return wl_global_create(wayland->display, &wl_compositor_interface, COMPOSITOR_VERSION, wayland,
                            bind_compositor);
}
