#include "unit/display/wayland-client.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    const char *name;
    const struct wl_interface *interface;
    guint32 version;
    gsize offset; /* in Client */
} Global;

static const Global globals[] = {
    {"wl_compositor",    &wl_compositor_interface,    4, offsetof(Client, compositor)   },
    {"wl_subcompositor", &wl_subcompositor_interface, 1, offsetof(Client, subcompositor)},
    {"wl_shm",           &wl_shm_interface,           1, offsetof(Client, shm)          },
    {"xdg_wm_base",      &xdg_wm_base_interface,      3, offsetof(Client, shell)        },
    {"wl_output",        &wl_output_interface,        4, offsetof(Client, output)       },
    {"wp_viewporter",    &wp_viewporter_interface,    1, offsetof(Client, viewporter)   },
    {"wp_presentation",  &wp_presentation_interface,  1, offsetof(Client, presentation) },
};

static void on_global(void *user, struct wl_registry *registry, guint32 id, const char *interface,
                      guint32 version)
{
    for (gsize i = 0; i < G_N_ELEMENTS(globals); i++) {
        if (!g_str_equal(globals[i].name, interface))
            continue;
        g_assert_cmpuint(version, >=, globals[i].version);
        *(void **)((char *)user + globals[i].offset) =
            wl_registry_bind(registry, id, globals[i].interface, globals[i].version);
    }
}

static void on_global_remove(void *user, struct wl_registry *registry, guint32 id)
{
    (void)user;
    (void)registry;
    (void)id;
}

static const struct wl_registry_listener registry_listener = {on_global, on_global_remove};

Client *client_new(const char *socket)
{
    Client *client = g_new0(Client, 1);
    client->windows = g_ptr_array_new_with_free_func(g_free);
    client->display = wl_display_connect(socket);
    g_assert_nonnull(client->display);
    client->registry = wl_display_get_registry(client->display);
    wl_registry_add_listener(client->registry, &registry_listener, client);
    g_assert_true(client_sync(client));
    for (gsize i = 0; i < G_N_ELEMENTS(globals); i++)
        g_assert_nonnull(*(void **)((char *)client + globals[i].offset));
    return client;
}

void client_free(Client *client)
{
    for (gsize i = 0; i < G_N_ELEMENTS(globals); i++)
        wl_proxy_destroy(*(struct wl_proxy **)((char *)client + globals[i].offset));
    wl_registry_destroy(client->registry);
    wl_display_disconnect(client->display);
    g_ptr_array_unref(client->windows);
    g_free(client);
}

bool client_sync(Client *client)
{
    return wl_display_roundtrip(client->display) >= 0;
}

static void on_release(void *user, struct wl_buffer *wl_buffer)
{
    (void)wl_buffer;
    Buffer *buffer = user;
    buffer->is_released = true;
}

static const struct wl_buffer_listener buffer_listener = {on_release};

Buffer *buffer_new(Client *client, gint32 width, gint32 height, guint32 format, guint32 colour)
{
    Buffer *buffer = g_new0(Buffer, 1);
    buffer->width = width;
    buffer->height = height;
    buffer->bytes = (gsize)width * (gsize)height * sizeof(guint32);
    buffer->fd = memfd_create("buffer", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(buffer->fd, (off_t)buffer->bytes), ==, 0);
    buffer->pixels = mmap(NULL, buffer->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->fd, 0);
    g_assert_true(buffer->pixels != MAP_FAILED);
    struct wl_shm_pool *pool = wl_shm_create_pool(client->shm, buffer->fd, (gint32)buffer->bytes);
    buffer->buffer = wl_shm_pool_create_buffer(pool, 0, width, height, width * 4, format);
    wl_buffer_add_listener(buffer->buffer, &buffer_listener, buffer);
    wl_shm_pool_destroy(pool);
    buffer_fill(buffer, 0, 0, width, height, colour);
    return buffer;
}

void buffer_fill(Buffer *buffer, gint32 x, gint32 y, gint32 width, gint32 height, guint32 colour)
{
    for (gint32 row = y; row < y + height; row++) {
        for (gint32 column = x; column < x + width; column++)
            buffer->pixels[row * buffer->width + column] = colour;
    }
}

void buffer_free(Buffer *buffer)
{
    wl_buffer_destroy(buffer->buffer);
    munmap(buffer->pixels, buffer->bytes);
    close(buffer->fd);
    g_free(buffer);
}

static void on_sync_output(void *user, struct wp_presentation_feedback *report,
                           struct wl_output *output)
{
    (void)user;
    (void)report;
    (void)output;
}

static void on_presented(void *user, struct wp_presentation_feedback *report, guint32 second_high,
                         guint32 second_low, guint32 ns, guint32 refresh_ns, guint32 count_high,
                         guint32 count_low, guint32 flags)
{
    (void)second_high;
    (void)second_low;
    (void)ns;
    (void)count_high;
    (void)count_low;
    (void)flags;
    Reports *reports = user;
    reports->n_presented++;
    reports->refresh_ns = refresh_ns;
    wp_presentation_feedback_destroy(report);
}

static void on_discarded(void *user, struct wp_presentation_feedback *report)
{
    Reports *reports = user;
    reports->n_discarded++;
    wp_presentation_feedback_destroy(report);
}

void client_ask_for_report(Client *client, struct wl_surface *surface, Reports *reports)
{
    static const struct wp_presentation_feedback_listener listener = {
        .sync_output = on_sync_output,
        .presented = on_presented,
        .discarded = on_discarded,
    };
    wp_presentation_feedback_add_listener(wp_presentation_feedback(client->presentation, surface),
                                          &listener, reports);
}

void client_show(Client *client, struct wl_surface *surface, Buffer *buffer)
{
    Reports reports = {0};
    client_ask_for_report(client, surface, &reports);
    if (buffer != NULL) {
        buffer->is_released = false;
        wl_surface_attach(surface, buffer->buffer, 0, 0);
        wl_surface_damage_buffer(surface, 0, 0, G_MAXINT32, G_MAXINT32);
    }
    wl_surface_commit(surface);
    while (reports.n_presented == 0) {
        g_assert_cmpint(wl_display_dispatch(client->display), >=, 0);
        g_assert_cmpuint(reports.n_discarded, ==, 0);
    }
}

static void on_configure(void *user, struct xdg_surface *xdg, guint32 serial)
{
    (void)user;
    xdg_surface_ack_configure(xdg, serial);
}

static const struct xdg_surface_listener xdg_listener = {on_configure};

static void on_toplevel_configure(void *user, struct xdg_toplevel *toplevel, gint32 width,
                                  gint32 height, struct wl_array *states)
{
    (void)toplevel;
    Window *window = user;
    const guint32 *state;
    window->width = width;
    window->height = height;
    window->is_fullscreen = false;
    wl_array_for_each(state, states) window->is_fullscreen |=
        *state == XDG_TOPLEVEL_STATE_FULLSCREEN;
}

static void on_close(void *user, struct xdg_toplevel *toplevel)
{
    (void)user;
    (void)toplevel;
}

static const struct xdg_toplevel_listener toplevel_listener = {
    .configure = on_toplevel_configure,
    .close = on_close,
};

static void on_popup_configure(void *user, struct xdg_popup *popup, gint32 x, gint32 y,
                               gint32 width, gint32 height)
{
    (void)popup;
    Window *window = user;
    window->x = x;
    window->y = y;
    window->width = width;
    window->height = height;
}

static void on_popup_done(void *user, struct xdg_popup *popup)
{
    (void)user;
    (void)popup;
}

static void on_repositioned(void *user, struct xdg_popup *popup, guint32 token)
{
    (void)user;
    (void)popup;
    (void)token;
}

static const struct xdg_popup_listener popup_listener = {
    .configure = on_popup_configure,
    .popup_done = on_popup_done,
    .repositioned = on_repositioned,
};

static Window *make_window(Client *client)
{
    Window *window = g_new0(Window, 1);
    g_ptr_array_add(client->windows, window);
    window->surface = wl_compositor_create_surface(client->compositor);
    window->xdg = xdg_wm_base_get_xdg_surface(client->shell, window->surface);
    xdg_surface_add_listener(window->xdg, &xdg_listener, window);
    return window;
}

Window *window_new(Client *client, struct xdg_toplevel *parent)
{
    Window *window = make_window(client);
    window->toplevel = xdg_surface_get_toplevel(window->xdg);
    xdg_toplevel_add_listener(window->toplevel, &toplevel_listener, window);
    xdg_toplevel_set_parent(window->toplevel, parent);
    wl_surface_commit(window->surface);
    g_assert_true(client_sync(client));
    return window;
}

Window *popup_new(Client *client, const Window *parent, struct xdg_positioner *positioner)
{
    Window *window = make_window(client);
    window->popup = xdg_surface_get_popup(window->xdg, parent->xdg, positioner);
    xdg_popup_add_listener(window->popup, &popup_listener, window);
    wl_surface_commit(window->surface);
    g_assert_true(client_sync(client));
    return window;
}

void window_free(Window *window)
{
    if (window->toplevel != NULL)
        xdg_toplevel_destroy(window->toplevel);
    if (window->popup != NULL)
        xdg_popup_destroy(window->popup);
    xdg_surface_destroy(window->xdg);
    wl_surface_destroy(window->surface);
}

struct xdg_positioner *positioner_new(Client *client, gint32 x, gint32 y, gint32 width,
                                      gint32 height)
{
    struct xdg_positioner *positioner = xdg_wm_base_create_positioner(client->shell);
    xdg_positioner_set_anchor_rect(positioner, x, y, 1, 1);
    xdg_positioner_set_size(positioner, width, height);
    xdg_positioner_set_anchor(positioner, XDG_POSITIONER_ANCHOR_TOP_LEFT);
    xdg_positioner_set_gravity(positioner, XDG_POSITIONER_GRAVITY_BOTTOM_RIGHT);
    xdg_positioner_set_constraint_adjustment(positioner,
                                             XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_X |
                                                 XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_Y);
    return positioner;
}
