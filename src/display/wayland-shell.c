/* xdg_wm_base and xdg_surface: how a surface becomes a window, in four steps (made, told its size,
 * acknowledged, drawn). */
#include "display/wayland-shell.h"
#include "xdg-shell-protocol.h"

/* Enough for popups that change their place. */
#define SHELL_VERSION 3

EgWaylandWindow *eg_wayland_window_get(struct wl_resource *resource)
{
    return wl_resource_get_user_data(resource);
}

bool eg_wayland_window_is_in_line(const EgWaylandWindow *window, const EgWaylandWindow *descendant)
{
    for (; descendant != NULL; descendant = descendant->parent) {
        if (descendant == window)
            return true;
    }
    return false;
}

static EgWaylandRect get_geometry(const EgWaylandWindow *window)
{
    if (window->geometry.width > 0)
        return window->geometry;
    if (window->surface == NULL)
        return (EgWaylandRect){0, 0, 0, 0};
    return (EgWaylandRect){0, 0, window->surface->width, window->surface->height};
}

/* Popups and dialogs that it is the parent of lose or change it. */
static void leave_children(EgWaylandWindow *window)
{
    EgWaylandWindow *child;
    wl_list_for_each(child, &window->wayland->windows, link)
    {
        if (child->parent == window)
            child->parent = child->kind == EG_WAYLAND_WINDOW_TOPLEVEL ? window->parent : NULL;
    }
}

/* To be seen again, it has to begin anew. */
static void unmap(EgWaylandWindow *window)
{
    if (window->state == EG_WAYLAND_WINDOW_MAPPED) {
        leave_children(window);
        window->wayland->has_changed = true;
    }
    window->state = EG_WAYLAND_WINDOW_NEW;
}

/* The newest one is above the others. */
static void map(EgWaylandWindow *window)
{
    window->state = EG_WAYLAND_WINDOW_MAPPED;
    wl_list_remove(&window->link);
    wl_list_insert(window->wayland->windows.prev, &window->link);
}

static void configure(EgWaylandWindow *window)
{
    static void (*const configures[])(EgWaylandWindow *) = {
        [EG_WAYLAND_WINDOW_TOPLEVEL] = eg_wayland_toplevel_configure,
        [EG_WAYLAND_WINDOW_POPUP] = eg_wayland_popup_configure,
    };
    window->state = EG_WAYLAND_WINDOW_CONFIGURED;
    configures[window->kind](window);
}

static void commit_picture(EgWaylandWindow *window)
{
    if (window->state == EG_WAYLAND_WINDOW_MAPPED)
        return;
    if (window->state == EG_WAYLAND_WINDOW_READY)
        map(window);
    else
        wl_resource_post_error(window->resource, XDG_SURFACE_ERROR_UNCONFIGURED_BUFFER,
                               "a buffer before the first configure was acknowledged");
}

static void on_committed(gpointer object)
{
    EgWaylandWindow *window = object;
    window->geometry = window->pending_geometry;
    if (window->surface->current.buffer != NULL)
        commit_picture(window);
    else if (window->state == EG_WAYLAND_WINDOW_MAPPED)
        unmap(window);
    else if (window->state == EG_WAYLAND_WINDOW_NEW)
        configure(window);
}

static const EgWaylandRole roles[] = {
    [EG_WAYLAND_WINDOW_TOPLEVEL] = {.committed = on_committed},
    [EG_WAYLAND_WINDOW_POPUP] = {.committed = on_committed},
};

bool eg_wayland_window_set_kind(EgWaylandWindow *window, EgWaylandWindowKind kind,
                                struct wl_resource *role)
{
    if (window->role != NULL || window->surface == NULL ||
        !eg_wayland_surface_set_role(window->surface, &roles[kind], window)) {
        wl_resource_post_error(window->resource, XDG_SURFACE_ERROR_ALREADY_CONSTRUCTED,
                               "it has a role, or its surface has had another one");
        return false;
    }
    window->kind = kind;
    window->role = role;
    return true;
}

void eg_wayland_window_unset_role(EgWaylandWindow *window)
{
    unmap(window);
    leave_children(window);
    window->role = NULL;
    window->parent = NULL;
    if (window->surface != NULL)
        window->surface->object = NULL;
}

void eg_wayland_window_send_configure(EgWaylandWindow *window)
{
    window->sent_serial = wl_display_next_serial(window->wayland->display);
    xdg_surface_send_configure(window->resource, window->sent_serial);
}

/* The page: the oldest window that belongs to no other one. Those that come beside it, as a page
 * can have them, are not shown. */
static const EgWaylandWindow *find_page(const EgWayland *wayland)
{
    EgWaylandWindow *window;
    wl_list_for_each(window, &wayland->windows, link)
    {
        if (window->kind == EG_WAYLAND_WINDOW_TOPLEVEL && window->parent == NULL &&
            window->state == EG_WAYLAND_WINDOW_MAPPED)
            return window;
    }
    return NULL;
}

/* Adds where its window geometry is in that of its parent, or on the output: windows are in the
 * middle, which is 0, 0 for one that has the size it was told, or at the left or top where they are
 * larger. */
static void add_place(const EgWaylandWindow *window, gint64 *x, gint64 *y)
{
    if (window->kind == EG_WAYLAND_WINDOW_POPUP) {
        *x += window->place.x;
        *y += window->place.y;
        return;
    }
    EgWaylandRect own = get_geometry(window);
    EgWaylandRect around = {0, 0, window->wayland->width, window->wayland->height};
    if (window->parent != NULL)
        around = get_geometry(window->parent);
    *x += MAX((gint64)around.width - own.width, 0) / 2;
    *y += MAX((gint64)around.height - own.height, 0) / 2;
}

bool eg_wayland_window_locate(const EgWaylandWindow *window, gint64 *x, gint64 *y)
{
    EgWaylandRect geometry = get_geometry(window);
    const EgWaylandWindow *page = find_page(window->wayland);
    *x = -(gint64)geometry.x;
    *y = -(gint64)geometry.y;
    for (; window != NULL && window->state == EG_WAYLAND_WINDOW_MAPPED; window = window->parent) {
        add_place(window, x, y);
        if (window == page)
            return true;
    }
    return false;
}

static void on_destroy(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    if (window->role != NULL)
        wl_resource_post_error(
            resource, XDG_SURFACE_ERROR_DEFUNCT_ROLE_OBJECT, "%s@%u has to be destroyed first",
            wl_resource_get_class(window->role), wl_resource_get_id(window->role));
    else
        wl_resource_destroy(resource);
}

static void on_set_window_geometry(struct wl_client *client, struct wl_resource *resource, gint32 x,
                                   gint32 y, gint32 width, gint32 height)
{
    (void)client;
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    if (width < 1 || height < 1) {
        wl_resource_post_error(resource, XDG_SURFACE_ERROR_INVALID_SIZE,
                               "the geometry %dx%d is not positive", width, height);
        return;
    }
    window->pending_geometry = (EgWaylandRect){x, y, width, height};
}

static bool is_after(guint32 serial, guint32 other)
{
    return (gint32)(serial - other) > 0;
}

static void on_ack_configure(struct wl_client *client, struct wl_resource *resource, guint32 serial)
{
    (void)client;
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    if (!is_after(serial, window->acked_serial) || is_after(serial, window->sent_serial)) {
        wl_resource_post_error(resource, XDG_SURFACE_ERROR_INVALID_SERIAL,
                               "no configure with serial %u waits for its acknowledgement", serial);
        return;
    }
    window->acked_serial = serial;
    if (window->state == EG_WAYLAND_WINDOW_CONFIGURED)
        window->state = EG_WAYLAND_WINDOW_READY;
    if (!is_after(window->place_serial, serial)) {
        window->place = window->pending_place;
        window->wayland->has_changed = true;
    }
}

static const struct xdg_surface_interface surface_requests = {
    .destroy = on_destroy,
    .get_toplevel = eg_wayland_toplevel_create,
    .get_popup = eg_wayland_popup_create,
    .set_window_geometry = on_set_window_geometry,
    .ack_configure = on_ack_configure,
};

static void on_surface_destroyed(struct wl_listener *listener, void *data)
{
    (void)data;
    EgWaylandWindow *window = wl_container_of(listener, window, surface_destroyed);
    unmap(window);
    wl_list_remove(&window->surface_destroyed.link);
    wl_list_init(&window->surface_destroyed.link);
    window->surface = NULL;
}

static void on_window_destroyed(struct wl_resource *resource)
{
    EgWaylandWindow *window = wl_resource_get_user_data(resource);
    /* The object of the role outlives it only if all of the client goes. */
    if (window->role != NULL)
        wl_resource_set_user_data(window->role, NULL);
    eg_wayland_window_unset_role(window);
    wl_list_remove(&window->surface_destroyed.link);
    wl_list_remove(&window->link);
    g_free(window);
}

/* Whether it may become a window; tells the client if not. */
static bool check_surface(EgWayland *wayland, struct wl_resource *shell, EgWaylandSurface *surface)
{
    EgWaylandWindow *window;
    bool is_role = surface->role == NULL || surface->role == &roles[EG_WAYLAND_WINDOW_TOPLEVEL] ||
                   surface->role == &roles[EG_WAYLAND_WINDOW_POPUP];
    wl_list_for_each(window, &wayland->windows, link) is_role &= window->surface != surface;
    if (!is_role)
        wl_resource_post_error(shell, XDG_WM_BASE_ERROR_ROLE,
                               "wl_surface@%u has another role, or an xdg_surface",
                               wl_resource_get_id(surface->resource));
    else if (surface->pending.buffer != NULL || surface->current.buffer != NULL)
        wl_resource_post_error(shell, XDG_WM_BASE_ERROR_INVALID_SURFACE_STATE,
                               "wl_surface@%u has a buffer already",
                               wl_resource_get_id(surface->resource));
    else
        return true;
    return false;
}

static void on_get_xdg_surface(struct wl_client *client, struct wl_resource *resource, guint32 id,
                               struct wl_resource *surface_resource)
{
    EgWayland *wayland = wl_resource_get_user_data(resource);
    EgWaylandSurface *surface = wl_resource_get_user_data(surface_resource);
    if (!check_surface(wayland, resource, surface))
        return;
    EgWaylandWindow *window = g_new0(EgWaylandWindow, 1);
    window->resource =
        eg_wayland_add_resource(client, &xdg_surface_interface, wl_resource_get_version(resource),
                                id, &surface_requests, window, on_window_destroyed);
    if (window->resource == NULL) {
        g_free(window);
        return;
    }
    window->wayland = wayland;
    window->shell = resource;
    window->surface = surface;
    window->surface_destroyed.notify = on_surface_destroyed;
    wl_resource_add_destroy_listener(surface_resource, &window->surface_destroyed);
    wl_list_insert(wayland->windows.prev, &window->link);
}

static void on_shell_destroy(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    EgWayland *wayland = wl_resource_get_user_data(resource);
    EgWaylandWindow *window;
    wl_list_for_each(window, &wayland->windows, link)
    {
        if (window->shell != resource)
            continue;
        wl_resource_post_error(resource, XDG_WM_BASE_ERROR_DEFUNCT_SURFACES,
                               "xdg_surface@%u has to be destroyed first",
                               wl_resource_get_id(window->resource));
        return;
    }
    wl_resource_destroy(resource);
}

/* No client is asked whether it is alive: its owner knows that better. */
static void on_pong(struct wl_client *client, struct wl_resource *resource, guint32 serial)
{
    (void)client;
    (void)resource;
    (void)serial;
}

static const struct xdg_wm_base_interface shell_requests = {
    .destroy = on_shell_destroy,
    .create_positioner = eg_wayland_positioner_create,
    .get_xdg_surface = on_get_xdg_surface,
    .pong = on_pong,
};

static void bind_shell(struct wl_client *client, void *user, guint32 version, guint32 id)
{
    eg_wayland_add_resource(client, &xdg_wm_base_interface, (int)version, id, &shell_requests, user,
                            NULL);
}

struct wl_global *eg_wayland_add_shell(EgWayland *wayland)
{
    return wl_global_create(wayland->display, &xdg_wm_base_interface, SHELL_VERSION, wayland,
                            bind_shell);
}
