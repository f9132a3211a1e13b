/* A real Xvfb: what a client draws is what pictures show, nobody else connects, nothing is left. */
#include "display/display.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xcb/xcb.h>

#include "base/error.h"
#include "base/run-folder.h"

#define WIDTH    320
#define HEIGHT   180
#define FPS      50
#define N_COLORS 8

typedef struct {
    EgLoop *loop;
    EgRunFolder *folder;
    char **environment;
    EgDisplay *display;
    bool is_ready;
    GstBuffer *picture; /* the newest */
    GError *error;
} Fixture;

static void on_ready(gpointer user)
{
    Fixture *f = user;
    g_assert_false(f->is_ready);
    f->is_ready = true;
}

static void on_picture(gpointer user, GstBuffer *picture)
{
    Fixture *f = user;
    gst_clear_buffer(&f->picture);
    f->picture = picture;
}

static void on_failed(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_assert_null(f->error);
    f->error = g_error_copy(error);
}

static void open_display(Fixture *f)
{
    static const EgDisplayEvents events = {on_ready, on_picture, on_failed};
    const EgDisplayParams params = {
        .kind = EG_DISPLAY_X11,
        .width = WIDTH,
        .height = HEIGHT,
        .fps = FPS,
        .folder = eg_run_folder_path(f->folder),
        .environment = (const char *const *)f->environment,
    };
    g_autoptr(GError) error = NULL;
    f->display = eg_display_new(f->loop, &params, &events, f, &error);
    g_assert_no_error(error);
    g_assert_nonnull(f->display);
}

/* Its folder is below `root`; NULL: where all are. */
static void prepare(Fixture *f, EgLoop *loop, const char *root)
{
    g_autoptr(GError) error = NULL;
    f->loop = loop;
    f->folder = eg_run_folder_new(root, &error);
    g_assert_no_error(error);
    f->environment = eg_run_folder_environment(f->folder);
}

static void finish(Fixture *f)
{
    eg_display_free(f->display);
    gst_clear_buffer(&f->picture);
    g_clear_error(&f->error);
    g_strfreev(f->environment);
    eg_run_folder_free(f->folder);
}

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    prepare(f, eg_loop_new(), NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    EgLoop *loop = f->loop;
    finish(f);
    eg_loop_free(loop);
}

static void wait_ready(Fixture *f)
{
    while (!f->is_ready) {
        eg_loop_iterate(f->loop, true);
        g_assert_no_error(f->error);
    }
}

static void wait_picture(Fixture *f)
{
    GstBuffer *last = f->picture;
    while (f->picture == last)
        eg_loop_iterate(f->loop, true);
}

static void open_and_start(Fixture *f)
{
    open_display(f);
    wait_ready(f);
    eg_display_start(f->display);
    wait_picture(f);
}

/* As a program in the display does; its colormap has no other colors than the pixel's bytes. */
static xcb_connection_t *connect_client(Fixture *f)
{
    const char *const *environment = eg_display_environment(f->display);
    for (guint i = 0; environment[i] != NULL; i++) {
        g_auto(GStrv) pair = g_strsplit(environment[i], "=", 2);
        g_setenv(pair[0], pair[1], TRUE);
    }
    return xcb_connect(NULL, NULL);
}

static void fill(Fixture *f, guint32 color, xcb_rectangle_t area)
{
    xcb_connection_t *client = connect_client(f);
    g_assert_cmpint(xcb_connection_has_error(client), ==, 0);
    xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(client)).data;
    g_assert_cmpuint(screen->width_in_pixels, >, WIDTH);
    g_assert_cmpuint(screen->height_in_pixels, >, HEIGHT);
    xcb_gcontext_t gc = xcb_generate_id(client);
    xcb_create_gc(client, gc, screen->root, XCB_GC_FOREGROUND, &color);
    xcb_void_cookie_t drawn = xcb_poly_fill_rectangle_checked(client, screen->root, gc, 1, &area);
    g_assert_null(xcb_request_check(client, drawn));
    xcb_disconnect(client);
}

/* Whether all samples of a plane between two columns are within 1 of `expected`. */
static bool plane_is(GstBuffer *picture, guint plane, guint from, guint until, double expected)
{
    static const gsize offsets[] = {0, WIDTH * HEIGHT, WIDTH * HEIGHT * 5 / 4};
    guint stride = plane > 0 ? WIDTH / 2 : WIDTH;
    guint height = plane > 0 ? HEIGHT / 2 : HEIGHT;
    GstMapInfo map;
    bool is_same = true;
    g_assert_true(gst_buffer_map(picture, &map, GST_MAP_READ));
    g_assert_cmpuint(map.size, ==, WIDTH * HEIGHT * 3 / 2);
    for (guint y = 0; y < height; y++) {
        const guint8 *row = map.data + offsets[plane] + y * stride;
        for (guint x = from; x < until; x++)
            is_same &= row[x] >= expected - 1 && row[x] <= expected + 1;
    }
    gst_buffer_unmap(picture, &map);
    return is_same;
}

static bool columns_are(GstBuffer *picture, guint from, guint until, guint32 color)
{
    double red = (color >> 16 & 0xff) / 255.0;
    double green = (color >> 8 & 0xff) / 255.0;
    double blue = (color & 0xff) / 255.0;
    double luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    return plane_is(picture, 0, from, until, 16 + 219 * luma) &&
           plane_is(picture, 1, from / 2, until / 2, 128 + 224 * (blue - luma) / 1.8556) &&
           plane_is(picture, 2, from / 2, until / 2, 128 + 224 * (red - luma) / 1.5748);
}

/* Until the memory of the newest picture is that of the one before. */
static void wait_unchanged(Fixture *f)
{
    GstMemory *memory;
    do {
        memory = gst_buffer_peek_memory(f->picture, 0);
        wait_picture(f);
    } while (gst_buffer_peek_memory(f->picture, 0) != memory);
}

static void wait_color(Fixture *f, guint32 color)
{
    while (!columns_are(f->picture, 0, WIDTH, color))
        wait_picture(f);
}

/* The program that the test process has started. */
static pid_t server_pid(void)
{
    g_autofree char *children = NULL;
    g_autofree char *path =
        g_strdup_printf("/proc/%d/task/%d/children", (int)getpid(), (int)getpid());
    g_assert_true(g_file_get_contents(path, &children, NULL, NULL));
    return atoi(children);
}

static void test_colors(Fixture *f, gconstpointer data)
{
    (void)data;
    static const guint32 colors[N_COLORS] = {0xffffff, 0xffff00, 0x00ffff, 0x00ff00,
                                             0xff00ff, 0xff0000, 0x0000ff, 0x000000};
    open_and_start(f);
    g_assert_true(columns_are(f->picture, 0, WIDTH, 0));
    for (guint i = 0; i < N_COLORS; i++) {
        gint16 left = (gint16)(i * WIDTH / N_COLORS);
        fill(f, colors[i], (xcb_rectangle_t){left, 0, WIDTH / N_COLORS, HEIGHT});
    }
    for (guint i = 0; i < N_COLORS; i++) {
        while (
            !columns_are(f->picture, i * WIDTH / N_COLORS, (i + 1) * WIDTH / N_COLORS, colors[i]))
            wait_picture(f);
    }
}

static void test_unchanged(Fixture *f, gconstpointer data)
{
    (void)data;
    EgDisplayStats before;
    EgDisplayStats after;
    open_and_start(f);
    fill(f, 0x336699, (xcb_rectangle_t){0, 0, WIDTH, HEIGHT});
    wait_color(f, 0x336699);
    wait_unchanged(f);
    GstMemory *memory = gst_buffer_peek_memory(f->picture, 0);
    eg_display_get_stats(f->display, &before);
    wait_picture(f);
    wait_picture(f);
    g_assert_true(gst_buffer_peek_memory(f->picture, 0) == memory);
    eg_display_get_stats(f->display, &after);
    g_assert_cmpuint(after.pictures - before.pictures, ==, 2);
    g_assert_cmpuint(after.unchanged - before.unchanged, ==, 2);

    /* What is drawn beside what is seen is no change. */
    fill(f, 0xffffff, (xcb_rectangle_t){WIDTH, 0, 1, HEIGHT});
    wait_picture(f);
    wait_picture(f);
    g_assert_true(gst_buffer_peek_memory(f->picture, 0) == memory);
}

/* Who has not read the cookie does not get in, and there is no file for others to find. */
static void test_stranger(Fixture *f, gconstpointer data)
{
    (void)data;
    open_display(f);
    wait_ready(f);
    xcb_disconnect(connect_client(f));
    g_autofree char *path = g_strconcat("/tmp/.X11-unix/X", g_getenv("DISPLAY") + 1, NULL);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_setenv("XAUTHORITY", "/dev/null", TRUE);
    xcb_connection_t *client = xcb_connect(NULL, NULL);
    g_assert_cmpint(xcb_connection_has_error(client), !=, 0);
    xcb_disconnect(client);
}

static void test_two(Fixture *f, gconstpointer data)
{
    (void)data;
    Fixture other = {0};
    prepare(&other, f->loop, NULL);
    open_display(f);
    open_display(&other);
    wait_ready(f);
    wait_ready(&other);
    eg_display_start(f->display);
    eg_display_start(other.display);
    wait_picture(f);
    wait_picture(&other);
    fill(f, 0xff0000, (xcb_rectangle_t){0, 0, WIDTH, HEIGHT});
    fill(&other, 0x00ff00, (xcb_rectangle_t){0, 0, WIDTH, HEIGHT});
    wait_color(f, 0xff0000);
    wait_color(&other, 0x00ff00);
    g_assert_true(columns_are(f->picture, 0, WIDTH, 0xff0000));
    finish(&other);
}

static void test_killed(Fixture *f, gconstpointer data)
{
    (void)data;
    open_and_start(f);
    kill(server_pid(), SIGKILL);
    while (f->error == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_true(g_str_has_prefix(f->error->message, "Xvfb has ended (signal 9)"));
    EgDisplayStats before;
    EgDisplayStats after;
    eg_display_get_stats(f->display, &before);
    while (eg_loop_iterate(f->loop, false))
        continue;
    eg_display_get_stats(f->display, &after);
    g_assert_cmpuint(after.pictures, ==, before.pictures);
}

static void test_missing(Fixture *f, gconstpointer data)
{
    (void)data;
    f->environment = g_environ_setenv(f->environment, "PATH", "/nowhere", TRUE);
    open_display(f);
    while (f->error == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_false(f->is_ready);
    g_assert_true(g_str_has_prefix(f->error->message, "Xvfb has ended (exit code 127)"));
    g_assert_nonnull(strstr(f->error->message, "not found"));
    g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_SERVICE);
}

static void test_freed_early(Fixture *f, gconstpointer data)
{
    (void)data;
    open_display(f);
    g_clear_pointer(&f->display, eg_display_free);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_false(f->is_ready);
}

/* Whether the kernel still has a piece of shared memory that this process has made. */
static bool has_segment(pid_t creator)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents("/proc/sysvipc/shm", &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 1; lines[i] != NULL; i++) {
        int pid;
        if (sscanf(lines[i], "%*d %*d %*o %*u %d", &pid) == 1 && pid == creator)
            return true;
    }
    return false;
}

typedef struct {
    pid_t server;
    char folder[256];
} Left;

static void run_parent(bool waits_ready, const char *root, int fd)
{
    Fixture f = {0};
    Left left = {0};
    prepare(&f, eg_loop_new(), root);
    open_display(&f);
    left.server = server_pid();
    g_strlcpy(left.folder, eg_run_folder_path(f.folder), sizeof(left.folder));
    if (waits_ready)
        wait_ready(&f);
    if (write(fd, &left, sizeof(left)) != sizeof(left))
        _exit(1);
    pause();
}

/* A process that is killed, also while its server starts, leaves no server and no memory behind,
 * and its folder is removed by the next one. */
static void test_parent_killed(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *root = g_dir_make_tmp("egress-test-XXXXXX", &error);
    int fds[2];
    Left left;
    g_assert_no_error(error);
    g_assert_cmpint(pipe(fds), ==, 0);
    pid_t parent = fork();
    if (parent == 0)
        run_parent(GPOINTER_TO_INT(data), root, fds[1]);
    close(fds[1]);
    g_assert_cmpint(read(fds[0], &left, sizeof(left)), ==, sizeof(left));
    close(fds[0]);
    g_assert_cmpint(left.server, >, 1);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    while (kill(left.server, 0) == 0)
        g_thread_yield();
    g_assert_false(has_segment(left.server));
    g_assert_true(g_file_test(left.folder, G_FILE_TEST_IS_DIR));
    eg_run_folder_free(eg_run_folder_new(root, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(left.folder, G_FILE_TEST_IS_DIR));
    g_assert_cmpint(g_rmdir(root), ==, 0);
}

/* Its framebuffer has no name: neither for the kernel nor on a disk. */
static void test_memory(Fixture *f, gconstpointer data)
{
    (void)data;
    open_and_start(f);
    g_assert_false(has_segment(server_pid()));
    g_autoptr(GDir) folder = g_dir_open(eg_run_folder_path(f->folder), 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(eg_run_folder_path(f->folder), name, NULL);
        GStatBuf info;
        g_assert_cmpint(g_lstat(path, &info), ==, 0);
        g_assert_cmpint(info.st_size, <, WIDTH * HEIGHT);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    gst_init(NULL, NULL);
    g_test_add_data_func("/display-x11/parent-killed", GINT_TO_POINTER(true), test_parent_killed);
    g_test_add_data_func("/display-x11/parent-killed-early", GINT_TO_POINTER(false),
                         test_parent_killed);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
    ADD("/display-x11/colors", test_colors);
    ADD("/display-x11/unchanged", test_unchanged);
    ADD("/display-x11/stranger", test_stranger);
    ADD("/display-x11/two", test_two);
    ADD("/display-x11/killed", test_killed);
    ADD("/display-x11/memory", test_memory);
    ADD("/display-x11/missing", test_missing);
    ADD("/display-x11/freed-early", test_freed_early);
#undef ADD
    return g_test_run();
}
