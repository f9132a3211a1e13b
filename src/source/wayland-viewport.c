/* wp_viewporter: a part of a buffer, in another size. */
#include "source/wayland-surface.h"
#include "viewporter-protocol.h"

/* Of source[] and destination[] when nothing is set. */
#define UNSET -1

static bool has_source(const EgWaylandState *state)
{
    return state->source[2] != wl_fixed_from_int(UNSET);
}

static void unset(EgWaylandState *state)
{
    state->source[2] = wl_fixed_from_int(UNSET);
    state->destination[0] = UNSET;
}

bool eg_wayland_viewport_apply(const EgWaylandSurface *surface, gint32 *width, gint32 *height)
{
    const EgWaylandState *state = &surface->current;
    const wl_fixed_t *source = state->source;
    bool is_scaled = state->destination[0] != UNSET;
    if (surface->viewport == NULL || *width == 0)
        return true;
    if (has_source(state) &&
        ((gint64)source[0] + source[2] > (gint64)*width * wl_fixed_from_int(1) ||
         (gint64)source[1] + source[3] > (gint64)*height * wl_fixed_from_int(1))) {
        wl_resource_post_error(surface->viewport, WP_VIEWPORT_ERROR_OUT_OF_BUFFER,
                               "the source is not within the %dx%d of the surface", *width,
                               *height);
        return false;
    }
    if (has_source(state) && !is_scaled &&
        (source[2] % wl_fixed_from_int(1) != 0 || source[3] % wl_fixed_from_int(1) != 0)) {
        wl_resource_post_error(surface->viewport, WP_VIEWPORT_ERROR_BAD_SIZE,
                               "a source without a destination must have a whole size");
        return false;
    }
    if (is_scaled) {
        *width = state->destination[0];
        *height = state->destination[1];
    } else if (has_source(state)) {
        *width = wl_fixed_to_int(source[2]);
        *height = wl_fixed_to_int(source[3]);
    }
    return true;
}

/* Tells the client if its surface is gone. */
static EgWaylandSurface *get_surface(struct wl_resource *resource)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (surface == NULL)
        wl_resource_post_error(resource, WP_VIEWPORT_ERROR_NO_SURFACE, "its surface is gone");
    return surface;
}

static void on_set_source(struct wl_client *client, struct wl_resource *resource, wl_fixed_t x,
                          wl_fixed_t y, wl_fixed_t width, wl_fixed_t height)
{
    (void)client;
    const wl_fixed_t none = wl_fixed_from_int(UNSET);
    EgWaylandSurface *surface = get_surface(resource);
    if (surface == NULL)
        return;
    bool is_none = x == none && y == none && width == none && height == none;
    if (!is_none && (x < 0 || y < 0 || width <= 0 || height <= 0)) {
        wl_resource_post_error(resource, WP_VIEWPORT_ERROR_BAD_VALUE,
                               "the source must have a size, and no negative position");
        return;
    }
    wl_fixed_t source[] = {x, y, width, height};
    memcpy(surface->pending.source, source, sizeof(source));
}

static void on_set_destination(struct wl_client *client, struct wl_resource *resource, gint32 width,
                               gint32 height)
{
    (void)client;
    EgWaylandSurface *surface = get_surface(resource);
    if (surface == NULL)
        return;
    if (!(width == UNSET && height == UNSET) && (width <= 0 || height <= 0)) {
        wl_resource_post_error(resource, WP_VIEWPORT_ERROR_BAD_VALUE,
                               "the destination %dx%d is not positive", width, height);
        return;
    }
    surface->pending.destination[0] = width;
    surface->pending.destination[1] = height;
}

static const struct wp_viewport_interface viewport_requests = {
    .destroy = eg_wayland_destroy_request,
    .set_source = on_set_source,
    .set_destination = on_set_destination,
};

/* With the surface's next commit. */
static void on_viewport_destroyed(struct wl_resource *resource)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (surface == NULL)
        return;
    surface->viewport = NULL;
    unset(&surface->pending);
}

static void on_get_viewport(struct wl_client *client, struct wl_resource *resource, guint32 id,
                            struct wl_resource *surface_resource)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(surface_resource);
    if (surface->viewport != NULL) {
        wl_resource_post_error(resource, WP_VIEWPORTER_ERROR_VIEWPORT_EXISTS,
                               "wl_surface@%u has a viewport",
                               wl_resource_get_id(surface_resource));
        return;
    }
    surface->viewport =
        eg_wayland_add_resource(client, &wp_viewport_interface, wl_resource_get_version(resource),
                                id, &viewport_requests, surface, on_viewport_destroyed);
}

static const struct wp_viewporter_interface requests = {
    .destroy = eg_wayland_destroy_request,
    .get_viewport = on_get_viewport,
};

static void bind_viewporter(struct wl_client *client, void *user, guint32 version, guint32 id)
{
    eg_wayland_add_resource(client, &wp_viewporter_interface, (int)version, id, &requests, user,
                            NULL);
}

struct wl_global *eg_wayland_add_viewporter(EgWayland *wayland)
{
    return wl_global_create(wayland->display, &wp_viewporter_interface, 1, wayland,
                            bind_viewporter);
}
