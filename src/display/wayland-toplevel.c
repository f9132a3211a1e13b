/* xdg_toplevel: the page's window, which fills the output whatever it asks for, and dialogs. */
#include "display/wayland-shell.h"
#include "xdg-shell-protocol.h"

static void add_state(struct wl_array *states, guint32 state)
{
    guint32 *added = wl_array_add(states, sizeof(state));
    g_assert(added != NULL);
    *added = state;
}

/* A dialog chooses its size. */
void eg_wayland_toplevel_configure(EgWaylandWindow *window)
{
    bool fills = window->parent == NULL;
    struct wl_array states;
    wl_array_init(&states);
    add_state(&states, XDG_TOPLEVEL_STATE_ACTIVATED);
    if (fills)
        add_state(&states, XDG_TOPLEVEL_STATE_FULLSCREEN);
    xdg_toplevel_send_configure(window->role, fills ? window->wayland->width : 0,
                                fills ? window->wayland->height : 0, &states);
    wl_array_release(&states);
    eg_wayland_window_send_configure(window);
}

/* It wants another state, which it does not get: it is told what it has. */
static void answer(struct wl_resource *resource)
{
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    if (window != NULL && window->surface != NULL && window->state != EG_WAYLAND_WINDOW_NEW)
        eg_wayland_toplevel_configure(window);
}

static void on_set_state(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    answer(resource);
}

static void on_set_fullscreen(struct wl_client *client, struct wl_resource *resource,
                              struct wl_resource *output)
{
    (void)client;
    (void)output;
    answer(resource);
}

static void on_set_parent(struct wl_client *client, struct wl_resource *resource,
                          struct wl_resource *parent_resource)
{
    (void)client;
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    EgWaylandWindow *parent =
        parent_resource != NULL ? wl_resource_get_user_data(parent_resource) : NULL;
    if (window == NULL)
        return;
    if (eg_wayland_window_is_in_line(window, parent)) {
        wl_resource_post_error(resource, XDG_TOPLEVEL_ERROR_INVALID_PARENT,
                               "it would be its own parent");
        return;
    }
    /* One that is not mapped cannot be a parent. */
    window->parent = parent != NULL && parent->state == EG_WAYLAND_WINDOW_MAPPED ? parent : NULL;
    window->wayland->has_changed = true;
}

static void on_set_size_limit(struct wl_client *client, struct wl_resource *resource, gint32 width,
                              gint32 height)
{
    (void)client;
    if (width < 0 || height < 0)
        wl_resource_post_error(resource, XDG_TOPLEVEL_ERROR_INVALID_SIZE,
                               "the size limit %dx%d is negative", width, height);
}

static void ignore_text(struct wl_client *client, struct wl_resource *resource, const char *text)
{
    (void)client;
    (void)resource;
    (void)text;
}

static void ignore(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    (void)resource;
}

/* Those below need a seat, of which there is none. */
static void ignore_menu(struct wl_client *client, struct wl_resource *resource,
                        struct wl_resource *seat, guint32 serial, gint32 x, gint32 y)
{
    (void)client;
    (void)resource;
    (void)seat;
    (void)serial;
    (void)x;
    (void)y;
}

static void ignore_move(struct wl_client *client, struct wl_resource *resource,
                        struct wl_resource *seat, guint32 serial)
{
    (void)client;
    (void)resource;
    (void)seat;
    (void)serial;
}

static void ignore_resize(struct wl_client *client, struct wl_resource *resource,
                          struct wl_resource *seat, guint32 serial, guint32 edges)
{
    (void)client;
    (void)resource;
    (void)seat;
    (void)serial;
    (void)edges;
}

static const struct xdg_toplevel_interface requests = {
    .destroy = eg_wayland_destroy_request,
    .set_parent = on_set_parent,
    .set_title = ignore_text,
    .set_app_id = ignore_text,
    .show_window_menu = ignore_menu,
    .move = ignore_move,
    .resize = ignore_resize,
    .set_max_size = on_set_size_limit,
    .set_min_size = on_set_size_limit,
    .set_maximized = on_set_state,
    .unset_maximized = on_set_state,
    .set_fullscreen = on_set_fullscreen,
    .unset_fullscreen = on_set_state,
    .set_minimized = ignore,
};

static void on_destroyed(struct wl_resource *resource)
{
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    if (window != NULL)
        eg_wayland_window_unset_role(window);
}

void eg_wayland_toplevel_create(struct wl_client *client, struct wl_resource *resource, guint32 id)
{
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    struct wl_resource *toplevel =
        eg_wayland_add_resource(client, &xdg_toplevel_interface, wl_resource_get_version(resource),
                                id, &requests, NULL, on_destroyed);
    if (toplevel == NULL ||
        !eg_wayland_window_set_kind(window, EG_WAYLAND_WINDOW_TOPLEVEL, toplevel))
        return;
    wl_resource_set_user_data(toplevel, window);
}
