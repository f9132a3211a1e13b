/* xdg_popup: menus, drop-downs, tooltips. Without input nothing of ours dismisses them. */
#include "display/wayland-shell.h"
#include "xdg-shell-protocol.h"

/* The output, in the parent's window geometry. */
static EgWaylandRect get_bounds(const EgWaylandWindow *window)
{
    gint64 x;
    gint64 y;
    const EgWaylandWindow *parent = window->parent;
    if (parent == NULL || !eg_wayland_window_locate(parent, &x, &y))
        return (EgWaylandRect){0, 0, window->wayland->width, window->wayland->height};
    x += parent->geometry.x;
    y += parent->geometry.y;
    return (EgWaylandRect){
        .x = (gint32)CLAMP(-x, G_MININT32, G_MAXINT32),
        .y = (gint32)CLAMP(-y, G_MININT32, G_MAXINT32),
        .width = window->wayland->width,
        .height = window->wayland->height,
    };
}

static void send_place(EgWaylandWindow *window)
{
    const EgWaylandRect *place = &window->pending_place;
    xdg_popup_send_configure(window->role, place->x, place->y, place->width, place->height);
    eg_wayland_window_send_configure(window);
    window->place_serial = window->sent_serial;
}

void eg_wayland_popup_configure(EgWaylandWindow *window)
{
    if (window->parent == NULL) {
        wl_resource_post_error(window->shell, XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT,
                               "xdg_popup@%u has no parent", wl_resource_get_id(window->role));
        return;
    }
    window->pending_place = eg_wayland_positioner_place(&window->positioner, get_bounds(window));
    send_place(window);
}

static bool has_popups(const EgWaylandWindow *window)
{
    EgWaylandWindow *other;
    wl_list_for_each(other, &window->wayland->windows, link)
    {
        if (other->parent == window && other->kind == EG_WAYLAND_WINDOW_POPUP)
            return true;
    }
    return false;
}

static void on_destroy(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    if (window != NULL && has_popups(window))
        wl_resource_post_error(window->shell, XDG_WM_BASE_ERROR_NOT_THE_TOPMOST_POPUP,
                               "xdg_popup@%u has popups of its own", wl_resource_get_id(resource));
    else
        wl_resource_destroy(resource);
}

/* There is no seat that could be named here. */
static void on_grab(struct wl_client *client, struct wl_resource *resource,
                    struct wl_resource *seat, guint32 serial)
{
    (void)client;
    (void)resource;
    (void)seat;
    (void)serial;
}

static void on_reposition(struct wl_client *client, struct wl_resource *resource,
                          struct wl_resource *positioner_resource, guint32 token)
{
    (void)client;
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    const EgWaylandPositioner *positioner = eg_wayland_positioner_get(positioner_resource);
    if (window == NULL)
        return;
    if (positioner == NULL) {
        wl_resource_post_error(window->shell, XDG_WM_BASE_ERROR_INVALID_POSITIONER,
                               "the positioner lacks its size or its anchor rectangle");
        return;
    }
    window->positioner = *positioner;
    if (window->state == EG_WAYLAND_WINDOW_NEW)
        return;
    window->pending_place = eg_wayland_positioner_place(positioner, get_bounds(window));
    xdg_popup_send_repositioned(resource, token);
    send_place(window);
}

static const struct xdg_popup_interface requests = {
    .destroy = on_destroy,
    .grab = on_grab,
    .reposition = on_reposition,
};

static void on_destroyed(struct wl_resource *resource)
{
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    if (window != NULL)
        eg_wayland_window_unset_role(window);
}

void eg_wayland_popup_create(struct wl_client *client, struct wl_resource *resource, guint32 id,
                             struct wl_resource *parent, struct wl_resource *positioner_resource)
{
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    EgWaylandWindow *parent_window = parent != NULL ? eg_wayland_window_get(parent) : NULL;
    const EgWaylandPositioner *positioner = eg_wayland_positioner_get(positioner_resource);
    if (positioner == NULL) {
        wl_resource_post_error(window->shell, XDG_WM_BASE_ERROR_INVALID_POSITIONER,
                               "the positioner lacks its size or its anchor rectangle");
        return;
    }
    if (eg_wayland_window_is_in_line(window, parent_window)) {
        wl_resource_post_error(window->shell, XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT,
                               "xdg_popup@%u would be its own parent", id);
        return;
    }
    struct wl_resource *popup =
        eg_wayland_add_resource(client, &xdg_popup_interface, wl_resource_get_version(resource), id,
                                &requests, NULL, on_destroyed);
    if (popup == NULL || !eg_wayland_window_set_kind(window, EG_WAYLAND_WINDOW_POPUP, popup))
        return;
    wl_resource_set_user_data(popup, window);
    window->positioner = *positioner;
    window->parent = parent_window;
}
