/* wl_subcompositor and wl_subsurface: surfaces that are part of another one. A synchronized one
 * keeps what it commits until its parent's next commit. */
#include "source/wayland-surface.h"

/* The resource of its wl_subsurface is inert from now on. */
static void on_surface_gone(gpointer object)
{
    wl_resource_set_user_data(object, NULL);
}

static const EgWaylandRole role = {.destroyed = on_surface_gone};

bool eg_wayland_surface_is_synchronized(const EgWaylandSurface *surface)
{
    for (; surface != NULL; surface = surface->parent) {
        if (surface->parent != NULL && surface->is_synchronized)
            return true;
    }
    return false;
}

static void apply_cached(EgWaylandSurface *surface)
{
    if (!surface->is_cached)
        return;
    surface->is_cached = false;
    eg_wayland_surface_apply(surface, &surface->cached);
}

void eg_wayland_surface_apply_children(EgWaylandSurface *surface)
{
    g_ptr_array_set_size(surface->stack, 0);
    for (guint i = 0; i < surface->pending_stack->len; i++) {
        EgWaylandSurface *child = surface->pending_stack->pdata[i];
        g_ptr_array_add(surface->stack, child);
        if (child == surface)
            continue;
        child->x = child->pending_x;
        child->y = child->pending_y;
        apply_cached(child);
    }
}

static void leave_parent(EgWaylandSurface *surface)
{
    if (surface->parent == NULL)
        return;
    surface->wayland->has_changed = true;
    g_ptr_array_remove(surface->parent->stack, surface);
    g_ptr_array_remove(surface->parent->pending_stack, surface);
    surface->parent = NULL;
}

void eg_wayland_surface_leave_family(EgWaylandSurface *surface)
{
    leave_parent(surface);
    for (guint i = 0; i < surface->pending_stack->len; i++) {
        EgWaylandSurface *child = surface->pending_stack->pdata[i];
        if (child != surface)
            child->parent = NULL;
    }
}

/* NULL: one of them is gone, and the request is for nothing. */
static EgWaylandSurface *get_child(struct wl_resource *resource)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    return surface != NULL && surface->parent != NULL ? surface : NULL;
}

static void on_set_position(struct wl_client *client, struct wl_resource *resource, gint32 x,
                            gint32 y)
{
    (void)client;
    EgWaylandSurface *surface = get_child(resource);
    if (surface == NULL)
        return;
    surface->pending_x = x;
    surface->pending_y = y;
    surface->wayland->has_changed = true;
}

/* `distance`: 1 above the other one, 0 below it. */
static void place(struct wl_resource *resource, struct wl_resource *other_resource, guint distance)
{
    EgWaylandSurface *surface = get_child(resource);
    EgWaylandSurface *other = wl_resource_get_user_data(other_resource);
    guint index;
    if (surface == NULL)
        return;
    GPtrArray *stack = surface->parent->pending_stack;
    if (other == surface || !g_ptr_array_find(stack, other, NULL)) {
        wl_resource_post_error(resource, WL_SUBSURFACE_ERROR_BAD_SURFACE,
                               "wl_surface@%u is neither parent nor sibling",
                               wl_resource_get_id(other_resource));
        return;
    }
    g_ptr_array_remove(stack, surface);
    g_ptr_array_find(stack, other, &index);
    g_ptr_array_insert(stack, (gint)(index + distance), surface);
    surface->wayland->has_changed = true;
}

static void on_place_above(struct wl_client *client, struct wl_resource *resource,
                           struct wl_resource *other)
{
    (void)client;
    place(resource, other, 1);
}

static void on_place_below(struct wl_client *client, struct wl_resource *resource,
                           struct wl_resource *other)
{
    (void)client;
    place(resource, other, 0);
}

static void on_set_sync(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (surface != NULL)
        surface->is_synchronized = true;
}

static void on_set_desync(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (surface == NULL)
        return;
    surface->is_synchronized = false;
    if (!eg_wayland_surface_is_synchronized(surface))
        apply_cached(surface);
}

static const struct wl_subsurface_interface subsurface_requests = {
    .destroy = eg_wayland_destroy_request,
    .set_position = on_set_position,
    .place_above = on_place_above,
    .place_below = on_place_below,
    .set_sync = on_set_sync,
    .set_desync = on_set_desync,
};

static void on_subsurface_destroyed(struct wl_resource *resource)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(resource);
    if (surface == NULL)
        return;
    leave_parent(surface);
    surface->object = NULL;
}

static bool is_in_line(const EgWaylandSurface *surface, const EgWaylandSurface *descendant)
{
    for (; descendant != NULL; descendant = descendant->parent) {
        if (descendant == surface)
            return true;
    }
    return false;
}

static void on_get_subsurface(struct wl_client *client, struct wl_resource *resource, guint32 id,
                              struct wl_resource *surface_resource,
                              struct wl_resource *parent_resource)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(surface_resource);
    EgWaylandSurface *parent = wl_resource_get_user_data(parent_resource);
    struct wl_resource *subsurface =
        eg_wayland_add_resource(client, &wl_subsurface_interface, wl_resource_get_version(resource),
                                id, &subsurface_requests, NULL, on_subsurface_destroyed);
    if (subsurface == NULL)
        return;
    if (is_in_line(surface, parent) || !eg_wayland_surface_set_role(surface, &role, subsurface)) {
        wl_resource_post_error(resource, WL_SUBCOMPOSITOR_ERROR_BAD_SURFACE,
                               "wl_surface@%u has a role, or is its own parent",
                               wl_resource_get_id(surface_resource));
        return;
    }
    wl_resource_set_user_data(subsurface, surface);
    surface->parent = parent;
    surface->is_synchronized = true;
    surface->x = surface->pending_x = 0;
    surface->y = surface->pending_y = 0;
    g_ptr_array_add(parent->pending_stack, surface);
}

static const struct wl_subcompositor_interface subcompositor_requests = {
    .destroy = eg_wayland_destroy_request,
    .get_subsurface = on_get_subsurface,
};

static void bind_subcompositor(struct wl_client *client, void *user, guint32 version, guint32 id)
{
    eg_wayland_add_resource(client, &wl_subcompositor_interface, (int)version, id,
                            &subcompositor_requests, user, NULL);
}

struct wl_global *eg_wayland_add_subcompositor(EgWayland *wayland)
{
    return wl_global_create(wayland->display, &wl_subcompositor_interface, 1, wayland,
                            bind_subcompositor);
}
