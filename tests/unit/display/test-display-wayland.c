/* What clients commit, and what is seen of it then. */
#include "unit/display/wayland-fixture.h"

#define RED   0xff0000U
#define GREEN 0x00ff00U
#define BLUE  0x0000ffU
#define WHITE 0xffffffU
#define BLACK 0x000000U

#define OPAQUE      0xff000000U
#define HALF_BLUE   0x80000080U /* premultiplied */
#define PURPLE      0x7f0080U   /* ... over red */
#define TRANSPARENT 0U

static void show_bars(gpointer fixture)
{
    Fixture *f = fixture;
    static const guint32 bars[] = {RED, GREEN, BLUE, WHITE};
    const gint32 width = OUTPUT_WIDTH / 4;
    wayland_expect(f, 0, 0, BLACK);
    g_autoptr(Page) page = page_new(f, WHITE);
    g_assert_true(page->window->is_fullscreen);
    g_assert_cmpint(page->window->width, ==, OUTPUT_WIDTH);
    g_assert_cmpint(page->window->height, ==, OUTPUT_HEIGHT);
    wayland_expect(f, 0, 0, WHITE);
    wayland_expect(f, OUTPUT_WIDTH - 1, OUTPUT_HEIGHT - 1, WHITE);
    g_assert_false(page->buffer->is_released);

    g_autoptr(Buffer) other =
        buffer_new(page->client, OUTPUT_WIDTH, OUTPUT_HEIGHT, WL_SHM_FORMAT_ARGB8888, 0);
    for (guint i = 0; i < G_N_ELEMENTS(bars); i++)
        buffer_fill(other, (gint32)i * width, 0, width, OUTPUT_HEIGHT, OPAQUE | bars[i]);
    client_show(page->client, page->window->surface, other);
    g_assert_true(page->buffer->is_released);
    for (guint i = 0; i < G_N_ELEMENTS(bars); i++) {
        wayland_expect(f, i * (guint)width, 0, bars[i]);
        wayland_expect(f, (i + 1) * (guint)width - 1, OUTPUT_HEIGHT - 1, bars[i]);
    }
}

static void test_bars(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_bars);
}

/* A commit that changes nothing is one that only asks for the next frame. */
static void show_still(gpointer fixture)
{
    Fixture *f = fixture;
    g_autoptr(Page) page = page_new(f, RED);
    wayland_look(f);
    guint64 changed = f->stats.pictures - f->stats.unchanged;
    g_autoptr(GstMemory) memory = gst_buffer_get_memory(f->picture, 0);
    for (guint i = 0; i < 3; i++)
        client_show(page->client, page->window->surface, NULL);
    wayland_look(f);
    g_assert_cmpuint(f->stats.pictures - f->stats.unchanged, ==, changed);
    g_assert_true(gst_buffer_peek_memory(f->picture, 0) == memory);

    buffer_fill(page->buffer, 0, 0, OUTPUT_WIDTH, OUTPUT_HEIGHT, BLUE);
    client_show(page->client, page->window->surface, page->buffer);
    wayland_expect(f, 0, 0, BLUE);
    g_assert_cmpuint(f->stats.pictures - f->stats.unchanged, ==, changed + 1);
}

static void test_still(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_still);
}

static void show_popup(gpointer fixture)
{
    Fixture *f = fixture;
    g_autoptr(Page) page = page_new(f, RED);
    struct xdg_positioner *positioner = positioner_new(page->client, 16, 40, 16, 16);
    Window *popup = popup_new(page->client, page->window, positioner);
    g_assert_cmpint(popup->x, ==, 16);
    g_assert_cmpint(popup->y, ==, OUTPUT_HEIGHT - 16);
    g_assert_cmpint(popup->width, ==, 16);
    g_assert_cmpint(popup->height, ==, 16);

    /* With a shadow of 4 pixels, which does not count. */
    g_autoptr(Buffer) buffer =
        buffer_new(page->client, 24, 24, WL_SHM_FORMAT_ARGB8888, TRANSPARENT);
    buffer_fill(buffer, 4, 4, 8, 16, OPAQUE | GREEN);
    buffer_fill(buffer, 12, 4, 8, 16, HALF_BLUE);
    xdg_surface_set_window_geometry(popup->xdg, 4, 4, 16, 16);
    client_show(page->client, popup->surface, buffer);
    wayland_expect(f, 15, 32, RED);
    wayland_expect(f, 16, 30, RED);
    wayland_expect(f, 16, 32, GREEN);
    wayland_expect(f, 23, 47, GREEN);
    wayland_expect(f, 24, 32, PURPLE);
    wayland_expect(f, 31, 47, PURPLE);
    wayland_expect(f, 32, 47, RED);

    xdg_positioner_set_anchor_rect(positioner, 0, 0, 1, 1);
    xdg_popup_reposition(popup->popup, positioner, 1);
    g_assert_true(client_sync(page->client));
    g_assert_cmpint(popup->x, ==, 0);
    client_show(page->client, popup->surface, buffer);
    wayland_expect(f, 0, 0, GREEN);
    wayland_expect(f, 16, 32, RED);

    window_free(popup);
    client_show(page->client, page->window->surface, NULL);
    wayland_expect(f, 0, 0, RED);
    xdg_positioner_destroy(positioner);
}

static void test_popup(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_popup);
}

typedef struct {
    struct wl_surface *surface;
    struct wl_subsurface *sub;
    Buffer *buffer;
} Part;

/* 16 x 16, synchronized. */
static Part add_part(const Page *page, struct wl_surface *parent, gint32 x, gint32 y,
                     guint32 colour)
{
    Part part = {.surface = wl_compositor_create_surface(page->client->compositor)};
    part.sub = wl_subcompositor_get_subsurface(page->client->subcompositor, part.surface, parent);
    part.buffer = buffer_new(page->client, 16, 16, WL_SHM_FORMAT_ARGB8888, OPAQUE | colour);
    wl_subsurface_set_position(part.sub, x, y);
    wl_surface_attach(part.surface, part.buffer->buffer, 0, 0);
    wl_surface_commit(part.surface);
    return part;
}

static void free_part(Part *part)
{
    wl_subsurface_destroy(part->sub);
    wl_surface_destroy(part->surface);
    buffer_free(part->buffer);
}

static void show_subsurfaces(gpointer fixture)
{
    Fixture *f = fixture;
    g_autoptr(Page) page = page_new(f, RED);
    struct wl_surface *surface = page->window->surface;
    Part green = add_part(page, surface, 8, 8, GREEN);
    Part blue = add_part(page, surface, 16, 8, BLUE);
    Part inner = add_part(page, green.surface, -4, -4, WHITE);
    g_assert_true(client_sync(page->client));
    wayland_expect(f, 8, 8, RED); /* not yet */
    client_show(page->client, surface, NULL);
    wayland_expect(f, 8, 22, GREEN);
    wayland_expect(f, 20, 10, BLUE);
    wayland_expect(f, 4, 4, WHITE);
    wayland_expect(f, 18, 18, BLUE);

    wl_subsurface_place_above(green.sub, blue.surface);
    client_show(page->client, surface, NULL);
    wayland_expect(f, 18, 18, WHITE);
    wayland_expect(f, 22, 22, GREEN);
    wl_subsurface_place_below(blue.sub, surface);
    client_show(page->client, surface, NULL);
    wayland_expect(f, 30, 10, RED);

    wl_subsurface_set_desync(green.sub);
    buffer_fill(green.buffer, 0, 0, 16, 16, OPAQUE | BLUE);
    client_show(page->client, green.surface, green.buffer);
    wayland_expect(f, 22, 22, BLUE);
    wl_surface_attach(green.surface, NULL, 0, 0);
    client_show(page->client, green.surface, NULL);
    wayland_expect(f, 22, 22, RED);
    wayland_expect(f, 4, 4, RED); /* goes with it */
    free_part(&inner);
    free_part(&blue);
    free_part(&green);
}

static void test_subsurfaces(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_subsurfaces);
}

/* Its quarters, from left to right, then down; shown as large as the output. */
static void expect_quarters(Fixture *f, const guint32 colours[4])
{
    wayland_expect(f, 0, 0, colours[0]);
    wayland_expect(f, OUTPUT_WIDTH - 1, 0, colours[1]);
    wayland_expect(f, 0, OUTPUT_HEIGHT - 1, colours[2]);
    wayland_expect(f, OUTPUT_WIDTH - 1, OUTPUT_HEIGHT - 1, colours[3]);
}

static Buffer *make_quarters(Client *client, gint32 width, gint32 height)
{
    Buffer *buffer = buffer_new(client, width, height, WL_SHM_FORMAT_XRGB8888, RED);
    buffer_fill(buffer, width / 2, 0, width / 2, height / 2, GREEN);
    buffer_fill(buffer, 0, height / 2, width / 2, height / 2, BLUE);
    buffer_fill(buffer, width / 2, height / 2, width / 2, height / 2, WHITE);
    return buffer;
}

/* Where the quarters of a buffer are seen if the client has turned it so. */
static const guint32 turned[8][4] = {
    [WL_OUTPUT_TRANSFORM_NORMAL] = {RED,   GREEN, BLUE,  WHITE},
    [WL_OUTPUT_TRANSFORM_90] = {BLUE,  RED,   WHITE, GREEN},
    [WL_OUTPUT_TRANSFORM_180] = {WHITE, BLUE,  GREEN, RED  },
    [WL_OUTPUT_TRANSFORM_270] = {GREEN, WHITE, RED,   BLUE },
    [WL_OUTPUT_TRANSFORM_FLIPPED] = {GREEN, RED,   WHITE, BLUE },
    [WL_OUTPUT_TRANSFORM_FLIPPED_90] = {RED,   BLUE,  GREEN, WHITE},
    [WL_OUTPUT_TRANSFORM_FLIPPED_180] = {BLUE,  WHITE, RED,   GREEN},
    [WL_OUTPUT_TRANSFORM_FLIPPED_270] = {WHITE, GREEN, BLUE,  RED  },
};

static void show_turned(gpointer fixture)
{
    Fixture *f = fixture;
    g_autoptr(Page) page = page_new(f, RED);
    struct wl_surface *surface = page->window->surface;
    g_autoptr(Buffer) lying = make_quarters(page->client, OUTPUT_WIDTH * 2, OUTPUT_HEIGHT * 2);
    g_autoptr(Buffer) standing = make_quarters(page->client, OUTPUT_HEIGHT * 2, OUTPUT_WIDTH * 2);
    wl_surface_set_buffer_scale(surface, 2);
    for (gint32 i = 0; i < (gint32)G_N_ELEMENTS(turned); i++) {
        wl_surface_set_buffer_transform(surface, i);
        client_show(page->client, surface, i % 2 == 0 ? lying : standing);
        expect_quarters(f, turned[i]);
    }
}

static void test_turned(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_turned);
}

static void show_viewport(gpointer fixture)
{
    Fixture *f = fixture;
    static const guint32 all_white[] = {WHITE, WHITE, WHITE, WHITE};
    g_autoptr(Page) page = page_new(f, RED);
    struct wl_surface *surface = page->window->surface;
    g_autoptr(Buffer) small = make_quarters(page->client, 8, 8);
    struct wp_viewport *viewport = wp_viewporter_get_viewport(page->client->viewporter, surface);
    wp_viewport_set_destination(viewport, OUTPUT_WIDTH, OUTPUT_HEIGHT);
    client_show(page->client, surface, small);
    expect_quarters(f, turned[WL_OUTPUT_TRANSFORM_NORMAL]);
    wp_viewport_set_source(viewport, wl_fixed_from_int(4), wl_fixed_from_double(4.5),
                           wl_fixed_from_int(4), wl_fixed_from_double(3.5));
    client_show(page->client, surface, NULL);
    expect_quarters(f, all_white);
    wp_viewport_set_destination(viewport, -1, -1);
    wp_viewport_set_source(viewport, 0, 0, wl_fixed_from_int(8), wl_fixed_from_int(4));
    client_show(page->client, surface, NULL);
    wayland_expect(f, 28, 22, RED); /* in the middle */
    wayland_expect(f, 34, 24, GREEN);
    wayland_expect(f, 28, 26, BLACK);
    wp_viewport_destroy(viewport);
    client_show(page->client, surface, page->buffer);
    wayland_expect(f, 0, 0, RED);
}

static void test_viewport(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_viewport);
}

/* A window beside the page's is not seen, one that belongs to it is. */
static void show_windows(gpointer fixture)
{
    Fixture *f = fixture;
    Page *page = page_new(f, RED);
    g_autoptr(Page) beside = page_new(f, GREEN);
    wayland_expect(f, 0, 0, RED);
    Window *dialog = window_new(page->client, page->window->toplevel);
    g_assert_false(dialog->is_fullscreen);
    g_assert_cmpint(dialog->width, ==, 0);
    Buffer *buffer = buffer_new(page->client, 16, 16, WL_SHM_FORMAT_XRGB8888, BLUE);
    client_show(page->client, dialog->surface, buffer);
    wayland_expect(f, 24, 16, BLUE);
    wayland_expect(f, 39, 31, BLUE);
    wayland_expect(f, 22, 16, RED);
    buffer_free(buffer);
    window_free(dialog);
    page_free(page);
    client_show(beside->client, beside->window->surface, beside->buffer);
    wayland_expect(f, 0, 0, GREEN);
    /* Unmapped. */
    wl_surface_attach(beside->window->surface, NULL, 0, 0);
    client_show(beside->client, beside->window->surface, NULL);
    wayland_expect(f, 0, 0, BLACK);
}

static void test_windows(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_windows);
}

/* The browser is started again. */
static void show_again(gpointer fixture)
{
    Fixture *f = fixture;
    page_free(page_new(f, RED));
    do
        wayland_look(f);
    while (f->stats.pictures - f->stats.unchanged < 3); /* black, red, black */
    wayland_expect(f, 0, 0, BLACK);
    g_autoptr(Page) page = page_new(f, GREEN);
    wayland_expect(f, 0, 0, GREEN);
}

static void test_again(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, show_again);
}

/* Of two frames between two instants, one is seen. Both may as well be seen, so it is tried until
 * they come between two. */
static void report_frames(gpointer fixture)
{
    Fixture *f = fixture;
    Reports reports = {0};
    g_autoptr(Page) page = page_new(f, RED);
    struct wl_surface *surface = page->window->surface;
    guint n_frames = 0;
    while (reports.n_discarded == 0 || reports.n_presented == 0) {
        for (guint i = 0; i < 2; i++) {
            client_ask_for_report(page->client, surface, &reports);
            wl_surface_damage_buffer(surface, 0, 0, 1, 1);
            wl_surface_attach(surface, page->buffer->buffer, 0, 0);
            if (i == 0)
                wl_surface_commit(surface);
            n_frames++;
        }
        client_show(page->client, surface, page->buffer);
    }
    g_assert_cmpuint(reports.n_presented + reports.n_discarded, ==, n_frames);
    g_assert_cmpuint(reports.refresh_ns, ==, 1000000000 / OUTPUT_FPS);
}

static void test_reports(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, report_frames);
}

static void on_frame(void *user, struct wl_callback *callback, guint32 time_ms)
{
    (void)time_ms;
    guint *n_frames = user;
    (*n_frames)++;
    wl_callback_destroy(callback);
}

/* More than there may be between two pictures. */
static void ask_for_frames(gpointer fixture)
{
    Fixture *f = fixture;
    static const struct wl_callback_listener listener = {on_frame};
    const guint n_asked = 50;
    guint n_frames = 0;
    g_autoptr(Page) page = page_new(f, RED);
    for (guint i = 0; i < n_asked; i++) {
        wl_callback_add_listener(wl_surface_frame(page->window->surface), &listener, &n_frames);
        wl_surface_commit(page->window->surface);
        g_assert_true(client_sync(page->client));
    }
    while (n_frames < n_asked)
        g_assert_cmpint(wl_display_dispatch(page->client->display), >=, 0);
}

static void test_frames(Fixture *f, gconstpointer data)
{
    (void)data;
    wayland_run(f, ask_for_frames);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(Fixture *f, gconstpointer data);
    } tests[] = {
        {"bars",        test_bars       },
        {"still",       test_still      },
        {"popup",       test_popup      },
        {"subsurfaces", test_subsurfaces},
        {"turned",      test_turned     },
        {"viewport",    test_viewport   },
        {"windows",     test_windows    },
        {"again",       test_again      },
        {"reports",     test_reports    },
        {"frames",      test_frames     },
    };
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/display-wayland/", tests[i].name, NULL);
        g_test_add(path, Fixture, NULL, wayland_set_up, tests[i].test, wayland_tear_down);
    }
    return g_test_run();
}
