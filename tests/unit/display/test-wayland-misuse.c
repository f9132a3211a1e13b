/* Clients that do what they may not, or in an order that nobody does: they lose their connection at
 * the most, and the display lives. */
#include "unit/display/wayland-fixture.h"

#include <sys/mman.h>
#include <unistd.h>

#define GREEN 0x00ff00U

typedef struct {
    const char *name;
    void (*misuse)(Page *page);
    const struct wl_interface *interface; /* of the protocol error; NULL: none is due */
    guint32 code;
} Misuse;

static struct wl_surface *new_surface(Page *page)
{
    return wl_compositor_create_surface(page->client->compositor);
}

/* Of one page of memory. */
static struct wl_buffer *new_buffer(Page *page, gint32 offset, gint32 width, gint32 height,
                                    gint32 stride)
{
    int fd = memfd_create("small", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    struct wl_shm_pool *pool = wl_shm_create_pool(page->client->shm, fd, 4096);
    close(fd);
    return wl_shm_pool_create_buffer(pool, offset, width, height, stride, WL_SHM_FORMAT_ARGB8888);
}

static void show_buffer(Page *page, struct wl_buffer *buffer)
{
    wl_surface_attach(page->window->surface, buffer, 0, 0);
    wl_surface_commit(page->window->surface);
}

static void use_large_buffer(Page *page)
{
    show_buffer(page, new_buffer(page, 0, OUTPUT_WIDTH, OUTPUT_HEIGHT, OUTPUT_WIDTH * 4));
}

static void use_absurd_buffer(Page *page)
{
    show_buffer(page, new_buffer(page, 0, G_MAXINT32, G_MAXINT32, G_MAXINT32));
}

static void use_late_buffer(Page *page)
{
    show_buffer(page, new_buffer(page, G_MAXINT32, 1, 1, 4));
}

/* What libwayland takes, since it does not know what a pixel needs: the last row would end beyond
 * the pool. */
static void use_narrow_rows(Page *page)
{
    show_buffer(page, new_buffer(page, 0, 1024, 4, 1024));
}

static void use_odd_offset(Page *page)
{
    show_buffer(page, new_buffer(page, 1, 4, 4, 16));
}

/* Of the smallest height it is as wide as a pool can be. */
static void use_long_buffer(Page *page)
{
    show_buffer(page, new_buffer(page, 0, 1024, 1, 4096));
}

static void grow_pool(Page *page)
{
    int fd = memfd_create("small", MFD_CLOEXEC);
    struct wl_shm_pool *pool = wl_shm_create_pool(page->client->shm, fd, 4096);
    close(fd);
    wl_shm_pool_resize(pool, G_MAXINT32);
    show_buffer(page,
                wl_shm_pool_create_buffer(pool, G_MAXINT32 - 4, 1, 1, 4, WL_SHM_FORMAT_ARGB8888));
}

static void truncate_pool(Page *page)
{
    g_assert_cmpint(ftruncate(page->buffer->fd, 0), ==, 0);
    show_buffer(page, page->buffer->buffer);
}

static void truncate_shown_popup(Page *page)
{
    struct xdg_positioner *positioner = positioner_new(page->client, 0, 0, 16, 16);
    Window *popup = popup_new(page->client, page->window, positioner);
    int fd = memfd_create("small", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, 1024), ==, 0);
    struct wl_shm_pool *pool = wl_shm_create_pool(page->client->shm, fd, 1024);
    struct wl_buffer *buffer =
        wl_shm_pool_create_buffer(pool, 0, 16, 16, 64, WL_SHM_FORMAT_ARGB8888);
    g_assert_true(client_sync(page->client));
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    close(fd);
    wl_surface_attach(popup->surface, buffer, 0, 0);
    wl_surface_commit(popup->surface);
}

static void scale_by_nothing(Page *page)
{
    wl_surface_set_buffer_scale(page->window->surface, 0);
}

static void scale_beyond_size(Page *page)
{
    wl_surface_set_buffer_scale(page->window->surface, G_MAXINT32);
    wl_surface_commit(page->window->surface);
}

static void turn_unknown(Page *page)
{
    wl_surface_set_buffer_transform(page->window->surface, 8);
}

static void map_unconfigured(Page *page)
{
    struct xdg_surface *xdg = xdg_wm_base_get_xdg_surface(page->client->shell, new_surface(page));
    (void)xdg;
    struct wl_surface *surface = new_surface(page);
    xdg = xdg_wm_base_get_xdg_surface(page->client->shell, surface);
    xdg_surface_get_toplevel(xdg);
    wl_surface_attach(surface, page->buffer->buffer, 0, 0);
    wl_surface_commit(surface);
}

static void make_window_twice(Page *page)
{
    xdg_wm_base_get_xdg_surface(page->client->shell, page->window->surface);
}

static void make_window_of_drawn(Page *page)
{
    struct wl_surface *surface = new_surface(page);
    wl_surface_attach(surface, page->buffer->buffer, 0, 0);
    xdg_wm_base_get_xdg_surface(page->client->shell, surface);
}

static void make_toplevel_twice(Page *page)
{
    xdg_surface_get_toplevel(page->window->xdg);
}

static void acknowledge_nothing(Page *page)
{
    xdg_surface_ack_configure(page->window->xdg, 12345);
}

static void set_no_geometry(Page *page)
{
    xdg_surface_set_window_geometry(page->window->xdg, 0, 0, 0, 10);
}

static void be_own_parent(Page *page)
{
    xdg_toplevel_set_parent(page->window->toplevel, page->window->toplevel);
}

static void limit_negative(Page *page)
{
    xdg_toplevel_set_max_size(page->window->toplevel, -1, 5);
}

static void destroy_shell_first(Page *page)
{
    struct xdg_wm_base *shell = page->client->shell;
    struct wl_proxy *wrapper = wl_proxy_create_wrapper(shell);
    wl_proxy_marshal_flags(wrapper, XDG_WM_BASE_DESTROY, NULL, 3, 0);
    wl_proxy_wrapper_destroy(wrapper);
}

static void destroy_window_first(Page *page)
{
    struct wl_proxy *wrapper = wl_proxy_create_wrapper(page->window->xdg);
    wl_proxy_marshal_flags(wrapper, XDG_SURFACE_DESTROY, NULL, 3, 0);
    wl_proxy_wrapper_destroy(wrapper);
}

static void pop_up_incomplete(Page *page)
{
    struct xdg_positioner *positioner = xdg_wm_base_create_positioner(page->client->shell);
    struct xdg_surface *xdg = xdg_wm_base_get_xdg_surface(page->client->shell, new_surface(page));
    xdg_surface_get_popup(xdg, page->window->xdg, positioner);
}

static void pop_up_nowhere(Page *page)
{
    struct xdg_positioner *positioner = positioner_new(page->client, 0, 0, 1, 1);
    struct wl_surface *surface = new_surface(page);
    struct xdg_surface *xdg = xdg_wm_base_get_xdg_surface(page->client->shell, surface);
    xdg_surface_get_popup(xdg, NULL, positioner);
    wl_surface_commit(surface);
}

static void pop_up_from_itself(Page *page)
{
    struct xdg_positioner *positioner = positioner_new(page->client, 0, 0, 1, 1);
    struct xdg_surface *xdg = xdg_wm_base_get_xdg_surface(page->client->shell, new_surface(page));
    xdg_surface_get_popup(xdg, xdg, positioner);
}

static void pop_up_in_a_ring(Page *page)
{
    struct xdg_positioner *positioner = positioner_new(page->client, 0, 0, 1, 1);
    struct xdg_surface *xdg = xdg_wm_base_get_xdg_surface(page->client->shell, new_surface(page));
    struct xdg_surface *other = xdg_wm_base_get_xdg_surface(page->client->shell, new_surface(page));
    xdg_surface_get_popup(xdg, other, positioner);
    xdg_surface_get_popup(other, xdg, positioner);
}

static void pop_down_lower(Page *page)
{
    struct xdg_positioner *positioner = positioner_new(page->client, 0, 0, 1, 1);
    Window *lower = popup_new(page->client, page->window, positioner);
    popup_new(page->client, lower, positioner);
    xdg_popup_destroy(lower->popup);
}

static void position_without_size(Page *page)
{
    struct xdg_positioner *positioner = xdg_wm_base_create_positioner(page->client->shell);
    xdg_positioner_set_size(positioner, 0, 1);
}

static void position_unknown(Page *page)
{
    struct xdg_positioner *positioner = xdg_wm_base_create_positioner(page->client->shell);
    xdg_positioner_set_anchor(positioner, 9);
}

/* All that can be as large as it can be, and nothing to complain about. */
static void position_far_away(Page *page)
{
    struct xdg_positioner *positioner =
        positioner_new(page->client, G_MAXINT32, G_MININT32, G_MAXINT32, G_MAXINT32);
    xdg_positioner_set_anchor_rect(positioner, G_MAXINT32, G_MININT32, G_MAXINT32, G_MAXINT32);
    xdg_positioner_set_offset(positioner, G_MAXINT32, G_MININT32);
    for (guint32 adjustment = 0; adjustment < 64; adjustment++) {
        xdg_positioner_set_constraint_adjustment(positioner, adjustment);
        Window *popup = popup_new(page->client, page->window, positioner);
        xdg_surface_set_window_geometry(popup->xdg, G_MININT32, G_MAXINT32, 1, 1);
        Buffer *buffer = buffer_new(page->client, 16, 16, WL_SHM_FORMAT_ARGB8888, GREEN);
        client_show(page->client, popup->surface, buffer);
        buffer_free(buffer);
        window_free(popup);
    }
}

static void be_own_part(Page *page)
{
    struct wl_surface *surface = new_surface(page);
    wl_subcompositor_get_subsurface(page->client->subcompositor, surface, surface);
}

static void be_part_of_part(Page *page)
{
    struct wl_surface *one = new_surface(page);
    struct wl_surface *two = new_surface(page);
    wl_subcompositor_get_subsurface(page->client->subcompositor, two, one);
    wl_subcompositor_get_subsurface(page->client->subcompositor, one, two);
}

static void make_part_of_window(Page *page)
{
    wl_subcompositor_get_subsurface(page->client->subcompositor, page->window->surface,
                                    new_surface(page));
}

static void place_beside_stranger(Page *page)
{
    struct wl_subsurface *sub = wl_subcompositor_get_subsurface(
        page->client->subcompositor, new_surface(page), page->window->surface);
    wl_subsurface_place_above(sub, new_surface(page));
}

static struct wp_viewport *new_viewport(Page *page)
{
    return wp_viewporter_get_viewport(page->client->viewporter, page->window->surface);
}

static void have_two_viewports(Page *page)
{
    new_viewport(page);
    new_viewport(page);
}

static void view_nothing(Page *page)
{
    wp_viewport_set_source(new_viewport(page), 0, 0, 0, 0);
}

static void view_beyond(Page *page)
{
    wp_viewport_set_source(new_viewport(page), G_MAXINT32, 0, G_MAXINT32, 256);
    wl_surface_commit(page->window->surface);
}

static void view_fraction(Page *page)
{
    wp_viewport_set_source(new_viewport(page), 0, 0, 128, 256);
    wl_surface_commit(page->window->surface);
}

static void view_in_no_size(Page *page)
{
    wp_viewport_set_destination(new_viewport(page), 0, 5);
}

static void view_nowhere(Page *page)
{
    struct wl_surface *surface = new_surface(page);
    struct wp_viewport *viewport = wp_viewporter_get_viewport(page->client->viewporter, surface);
    wl_surface_destroy(surface);
    wp_viewport_set_destination(viewport, 5, 5);
}

/* As large as it can be: what is seen is a corner of it. */
static void view_enormous(Page *page)
{
    wp_viewport_set_destination(new_viewport(page), G_MAXINT32, G_MAXINT32);
    client_show(page->client, page->window->surface, page->buffer);
    xdg_surface_set_window_geometry(page->window->xdg, G_MAXINT32, G_MAXINT32, G_MAXINT32,
                                    G_MAXINT32);
    client_show(page->client, page->window->surface, page->buffer);
}

static void add_surfaces(Page *page)
{
    for (guint i = 0; i < 300; i++)
        new_surface(page);
}

static void add_regions(Page *page)
{
    for (guint i = 0; i < 20000; i++) {
        wl_compositor_create_region(page->client->compositor);
        if (i % 100 == 0 && !client_sync(page->client))
            return;
    }
}

/* Many, but never many at once. */
static void add_and_remove_regions(Page *page)
{
    for (guint i = 0; i < 40000; i++) {
        wl_region_destroy(wl_compositor_create_region(page->client->compositor));
        if (i % 100 == 0)
            g_assert_true(client_sync(page->client));
    }
}

static void nest_parts(Page *page)
{
    struct wl_surface *parent = page->window->surface;
    for (guint i = 0; i < 200; i++) {
        struct wl_surface *surface = new_surface(page);
        struct wl_subsurface *sub =
            wl_subcompositor_get_subsurface(page->client->subcompositor, surface, parent);
        wl_subsurface_set_position(sub, G_MAXINT32, G_MAXINT32);
        wl_subsurface_set_desync(sub);
        wl_surface_attach(surface, page->buffer->buffer, 0, 0);
        wl_surface_commit(surface);
        wl_surface_commit(parent);
        parent = surface;
    }
    client_show(page->client, page->window->surface, page->buffer);
}

static void destroy_shown_buffer(Page *page)
{
    Buffer *buffer =
        buffer_new(page->client, OUTPUT_WIDTH, OUTPUT_HEIGHT, WL_SHM_FORMAT_ARGB8888, GREEN);
    client_show(page->client, page->window->surface, buffer);
    wl_surface_damage(page->window->surface, 0, 0, 1, 1);
    buffer_free(buffer);
    client_show(page->client, page->window->surface, NULL);
    client_show(page->client, page->window->surface, page->buffer);
}

static void destroy_attached_buffer(Page *page)
{
    Buffer *buffer =
        buffer_new(page->client, OUTPUT_WIDTH, OUTPUT_HEIGHT, WL_SHM_FORMAT_ARGB8888, GREEN);
    wl_surface_attach(page->window->surface, buffer->buffer, 0, 0);
    buffer_free(buffer);
    client_show(page->client, page->window->surface, NULL);
}

/* With its role, its parts, its viewport and what was asked about it left behind. */
static void destroy_surfaces_first(Page *page)
{
    struct xdg_positioner *positioner = positioner_new(page->client, 0, 0, 16, 16);
    Window *window = window_new(page->client, NULL);
    Window *popup = popup_new(page->client, window, positioner);
    struct wl_surface *part = new_surface(page);
    struct wl_subsurface *sub =
        wl_subcompositor_get_subsurface(page->client->subcompositor, part, window->surface);
    struct wl_surface *child = new_surface(page);
    struct wl_subsurface *child_sub =
        wl_subcompositor_get_subsurface(page->client->subcompositor, child, part);
    struct wp_viewport *viewport = wp_viewporter_get_viewport(page->client->viewporter, part);
    client_show(page->client, window->surface, page->buffer);
    client_show(page->client, popup->surface, page->buffer);
    wl_surface_frame(window->surface);
    wp_presentation_feedback(page->client->presentation, window->surface);
    wl_surface_commit(window->surface);
    wl_surface_destroy(window->surface);
    wl_surface_commit(child);
    wl_surface_destroy(part);
    wl_surface_destroy(popup->surface);
    g_assert_true(client_sync(page->client));
    wl_subsurface_set_position(sub, 1, 1);
    wl_subsurface_set_position(child_sub, 1, 1);
    wl_subsurface_place_above(child_sub, child);
    wl_subsurface_set_desync(child_sub);
    wl_subsurface_set_desync(sub);
    wl_subsurface_destroy(sub);
    wl_subsurface_destroy(child_sub);
    xdg_toplevel_set_fullscreen(window->toplevel, NULL);
    xdg_popup_reposition(popup->popup, positioner, 7);
    xdg_toplevel_destroy(window->toplevel);
    xdg_popup_destroy(popup->popup);
    xdg_surface_destroy(popup->xdg);
    xdg_surface_destroy(window->xdg);
    wp_viewport_destroy(viewport);
}

// clang-format off
static const Misuse misuses[] = {
    {"large-buffer", use_large_buffer, &wl_shm_pool_interface, WL_SHM_ERROR_INVALID_STRIDE},
    {"absurd-buffer", use_absurd_buffer, &wl_shm_pool_interface, WL_SHM_ERROR_INVALID_STRIDE},
    {"late-buffer", use_late_buffer, &wl_shm_pool_interface, WL_SHM_ERROR_INVALID_STRIDE},
    {"narrow-rows", use_narrow_rows, &wl_buffer_interface, WL_SHM_ERROR_INVALID_STRIDE},
    {"odd-offset", use_odd_offset, &wl_buffer_interface, WL_SHM_ERROR_INVALID_STRIDE},
    {"long-buffer", use_long_buffer, NULL, 0},
    {"grown-pool", grow_pool, &wl_buffer_interface, WL_SHM_ERROR_INVALID_STRIDE},
    {"truncated-pool", truncate_pool, &wl_buffer_interface, WL_SHM_ERROR_INVALID_FD},
    {"truncated-popup", truncate_shown_popup, &wl_buffer_interface, WL_SHM_ERROR_INVALID_FD},
    {"no-scale", scale_by_nothing, &wl_surface_interface, WL_SURFACE_ERROR_INVALID_SCALE},
    {"scale-beyond-size", scale_beyond_size, &wl_surface_interface, WL_SURFACE_ERROR_INVALID_SIZE},
    {"unknown-transform", turn_unknown, &wl_surface_interface, WL_SURFACE_ERROR_INVALID_TRANSFORM},
    {"unconfigured", map_unconfigured,
     &xdg_surface_interface, XDG_SURFACE_ERROR_UNCONFIGURED_BUFFER},
    {"window-twice", make_window_twice, &xdg_wm_base_interface, XDG_WM_BASE_ERROR_ROLE},
    {"window-of-drawn", make_window_of_drawn,
     &xdg_wm_base_interface, XDG_WM_BASE_ERROR_INVALID_SURFACE_STATE},
    {"toplevel-twice", make_toplevel_twice,
     &xdg_surface_interface, XDG_SURFACE_ERROR_ALREADY_CONSTRUCTED},
    {"no-configure", acknowledge_nothing, &xdg_surface_interface, XDG_SURFACE_ERROR_INVALID_SERIAL},
    {"no-geometry", set_no_geometry, &xdg_surface_interface, XDG_SURFACE_ERROR_INVALID_SIZE},
    {"own-parent", be_own_parent, &xdg_toplevel_interface, XDG_TOPLEVEL_ERROR_INVALID_PARENT},
    {"negative-limit", limit_negative, &xdg_toplevel_interface, XDG_TOPLEVEL_ERROR_INVALID_SIZE},
    {"shell-first", destroy_shell_first,
     &xdg_wm_base_interface, XDG_WM_BASE_ERROR_DEFUNCT_SURFACES},
    {"window-first", destroy_window_first,
     &xdg_surface_interface, XDG_SURFACE_ERROR_DEFUNCT_ROLE_OBJECT},
    {"popup-incomplete", pop_up_incomplete,
     &xdg_wm_base_interface, XDG_WM_BASE_ERROR_INVALID_POSITIONER},
    {"popup-nowhere", pop_up_nowhere,
     &xdg_wm_base_interface, XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT},
    {"popup-own-parent", pop_up_from_itself,
     &xdg_wm_base_interface, XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT},
    {"popup-ring", pop_up_in_a_ring,
     &xdg_wm_base_interface, XDG_WM_BASE_ERROR_INVALID_POPUP_PARENT},
    {"popup-below", pop_down_lower,
     &xdg_wm_base_interface, XDG_WM_BASE_ERROR_NOT_THE_TOPMOST_POPUP},
    {"positioner-size", position_without_size,
     &xdg_positioner_interface, XDG_POSITIONER_ERROR_INVALID_INPUT},
    {"positioner-anchor", position_unknown,
     &xdg_positioner_interface, XDG_POSITIONER_ERROR_INVALID_INPUT},
    {"positioner-far", position_far_away, NULL, 0},
    {"own-part", be_own_part, &wl_subcompositor_interface, WL_SUBCOMPOSITOR_ERROR_BAD_SURFACE},
    {"part-of-part", be_part_of_part,
     &wl_subcompositor_interface, WL_SUBCOMPOSITOR_ERROR_BAD_SURFACE},
    {"window-as-part", make_part_of_window,
     &wl_subcompositor_interface, WL_SUBCOMPOSITOR_ERROR_BAD_SURFACE},
    {"beside-stranger", place_beside_stranger,
     &wl_subsurface_interface, WL_SUBSURFACE_ERROR_BAD_SURFACE},
    {"two-viewports", have_two_viewports,
     &wp_viewporter_interface, WP_VIEWPORTER_ERROR_VIEWPORT_EXISTS},
    {"view-nothing", view_nothing, &wp_viewport_interface, WP_VIEWPORT_ERROR_BAD_VALUE},
    {"view-beyond", view_beyond, &wp_viewport_interface, WP_VIEWPORT_ERROR_OUT_OF_BUFFER},
    {"view-fraction", view_fraction, &wp_viewport_interface, WP_VIEWPORT_ERROR_BAD_SIZE},
    {"view-no-size", view_in_no_size, &wp_viewport_interface, WP_VIEWPORT_ERROR_BAD_VALUE},
    {"view-nowhere", view_nowhere, &wp_viewport_interface, WP_VIEWPORT_ERROR_NO_SURFACE},
    {"view-enormous", view_enormous, NULL, 0},
    {"many-surfaces", add_surfaces, &wl_display_interface, WL_DISPLAY_ERROR_IMPLEMENTATION},
    {"many-objects", add_regions, &wl_display_interface, WL_DISPLAY_ERROR_IMPLEMENTATION},
    {"many-short-lived", add_and_remove_regions, NULL, 0},
    {"nested-parts", nest_parts, NULL, 0},
    {"shown-buffer-destroyed", destroy_shown_buffer, NULL, 0},
    {"attached-buffer-destroyed", destroy_attached_buffer, NULL, 0},
    {"surfaces-first", destroy_surfaces_first, NULL, 0},
};
// clang-format on

static const Misuse *misuse;

static void run_misuse(gpointer fixture)
{
    Fixture *f = fixture;
    const struct wl_interface *interface = NULL;
    Page *page = page_new(f, 0);
    misuse->misuse(page);
    while (misuse->interface != NULL && client_sync(page->client))
        continue;
    g_assert_true(client_sync(page->client) == (misuse->interface == NULL));
    if (misuse->interface != NULL) {
        guint32 code = wl_display_get_protocol_error(page->client->display, &interface, NULL);
        g_assert_cmpstr(interface->name, ==, misuse->interface->name);
        g_assert_cmpuint(code, ==, misuse->code);
    }
    page_free(page);
    page = page_new(f, GREEN);
    wayland_expect(f, 0, 0, GREEN);
    page_free(page);
}

static void test_misuse(Fixture *f, gconstpointer data)
{
    misuse = data;
    wayland_run(f, run_misuse);
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(misuses); i++) {
        g_autofree char *path = g_strconcat("/wayland-misuse/", misuses[i].name, NULL);
        g_test_add(path, Fixture, &misuses[i], wayland_set_up, test_misuse, wayland_tear_down);
    }
    return g_test_run();
}
