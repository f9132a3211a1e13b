#include "unit/source/wayland-fixture.h"

#include <glib/gstdio.h>
#include <math.h>

static void on_ready(gpointer user)
{
    Fixture *f = user;
    f->socket = strchr(eg_display_environment(f->display)[0], '=') + 1;
    eg_display_start(f->display);
}

static void on_picture(gpointer user, GstBuffer *picture)
{
    Fixture *f = user;
    gst_clear_buffer(&f->newest);
    f->newest = picture;
}

static void on_failed(gpointer user, const GError *error)
{
    (void)user;
    g_error("%s", error->message);
}

void wayland_set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    static const EgDisplayEvents events = {on_ready, on_picture, on_failed};
    g_autoptr(GError) error = NULL;
    g_mutex_init(&f->lock);
    g_cond_init(&f->looked);
    f->loop = eg_loop_new();
    f->folder = g_dir_make_tmp("wayland-XXXXXX", NULL);
    const EgDisplayParams params = {
        .kind = eg_display_kind_from_name("wayland"),
        .width = OUTPUT_WIDTH,
        .height = OUTPUT_HEIGHT,
        .fps = OUTPUT_FPS,
        .folder = f->folder,
    };
    f->display = eg_display_new(f->loop, &params, &events, f, &error);
    g_assert_no_error(error);
    while (f->newest == NULL)
        eg_loop_iterate(f->loop, true);
}

void wayland_tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_display_stop(f->display);
    eg_display_free(f->display);
    gst_clear_buffer(&f->newest);
    gst_clear_buffer(&f->picture);
    eg_loop_free(f->loop);
    /* Empty: the socket is gone. */
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_cond_clear(&f->looked);
    g_mutex_clear(&f->lock);
}

static void finish(gpointer user)
{
    Fixture *f = user;
    f->is_done = true;
}

static gpointer run(gpointer user)
{
    Fixture *f = user;
    f->program(f);
    eg_loop_post(f->loop, finish, f, NULL);
    return NULL;
}

void wayland_run(Fixture *f, void (*program)(gpointer fixture))
{
    f->program = program;
    f->is_done = false;
    GThread *thread = g_thread_new("client", run, f);
    while (!f->is_done)
        eg_loop_iterate(f->loop, true);
    g_thread_join(thread);
}

static void look(gpointer user)
{
    Fixture *f = user;
    g_mutex_lock(&f->lock);
    gst_buffer_replace(&f->picture, f->newest);
    eg_display_get_stats(f->display, &f->stats);
    f->is_looking = false;
    g_cond_signal(&f->looked);
    g_mutex_unlock(&f->lock);
}

void wayland_look(Fixture *f)
{
    g_mutex_lock(&f->lock);
    f->is_looking = true;
    eg_loop_post(f->loop, look, f, NULL);
    while (f->is_looking)
        g_cond_wait(&f->looked, &f->lock);
    g_mutex_unlock(&f->lock);
}

/* BT.709, limited range. */
static void to_yuv(guint32 colour, guint8 yuv[3])
{
    double red = (colour >> 16 & 255) / 255.0;
    double green = (colour >> 8 & 255) / 255.0;
    double blue = (colour & 255) / 255.0;
    double luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    yuv[0] = (guint8)lround(16 + 219 * luma);
    yuv[1] = (guint8)lround(128 + 224 * (blue - luma) / 1.8556);
    yuv[2] = (guint8)lround(128 + 224 * (red - luma) / 1.5748);
}

void wayland_expect(Fixture *f, guint x, guint y, guint32 colour)
{
    guint8 yuv[3];
    GstMapInfo map;
    wayland_look(f);
    g_assert_nonnull(f->picture);
    g_assert_true(gst_buffer_map(f->picture, &map, GST_MAP_READ));
    g_assert_cmpuint(map.size, ==, OUTPUT_WIDTH * OUTPUT_HEIGHT * 3 / 2);
    const guint8 *chroma = map.data + OUTPUT_WIDTH * OUTPUT_HEIGHT;
    guint at = y / 2 * OUTPUT_WIDTH / 2 + x / 2;
    to_yuv(colour, yuv);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpfloat_with_epsilon(
            map.data[(y / 2 * 2 + i / 2) * OUTPUT_WIDTH + x / 2 * 2 + i % 2], yuv[0], 1.5);
    g_assert_cmpfloat_with_epsilon(chroma[at], yuv[1], 1.5);
    g_assert_cmpfloat_with_epsilon(chroma[OUTPUT_WIDTH * OUTPUT_HEIGHT / 4 + at], yuv[2], 1.5);
    gst_buffer_unmap(f->picture, &map);
}

Page *page_new(Fixture *f, guint32 colour)
{
    Page *page = g_new0(Page, 1);
    page->client = client_new(f->socket);
    page->window = window_new(page->client, NULL);
    page->buffer =
        buffer_new(page->client, OUTPUT_WIDTH, OUTPUT_HEIGHT, WL_SHM_FORMAT_XRGB8888, colour);
    client_show(page->client, page->window->surface, page->buffer);
    return page;
}

void page_free(Page *page)
{
    buffer_free(page->buffer);
    window_free(page->window);
    client_free(page->client);
    g_free(page);
}
