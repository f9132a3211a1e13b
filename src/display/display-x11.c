#include "display/display-x11.h"

#include <X11/XWDFile.h>
#include <X11/Xauth.h>
#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xcb/damage.h>
#include <xcb/xcb.h>
#include <xcb/xcbext.h>

#include "base/error.h"
#include "base/helper.h"
#include "display/convert.h"

/* A window as large as the screen is made a pixel smaller by Chromium, where there is no window
 * manager. */
#define MORE_PIXELS 16

/* Displays have numbers from here on, far from those that people use. */
#define FIRST_NUMBER 10000
#define N_NUMBERS    40000
#define MAX_TRIES    100

/* Where clients look for display N before they look for a file of that name. */
#define SOCKET_FORMAT "/tmp/.X11-unix/X%u"

#define COOKIE_NAME  "MIT-MAGIC-COOKIE-1"
#define COOKIE_BYTES 16

/* Of Xvfb: its listening socket as systemd hands them over, which must know its process id; where
 * it writes a line when it is ready; and the memory of its framebuffer. */
#define LISTEN_FD 3
#define READY_FD  4
#define MEMORY_FD 5
#define START     "export LISTEN_PID=$$ && exec \"$0\" \"$@\""

/* The file of the folder -fbdir in which it has its framebuffer. It leads to memory without a name:
 * nobody else finds that, it needs no disk, and it is gone with us and Xvfb, however we end. */
#define FRAMEBUFFER_NAME "Xvfb_screen0"
#define FRAMEBUFFER_LINK "/proc/self/fd/" G_STRINGIFY(MEMORY_FD)

/* What draws has a refresh of its own, which lies anyhow to our instants. */
#define N_PHASES 4

/* How long the server is waited for before a picture is taken anyway. */
#define HOLD_TIMEOUT_MS 5

typedef struct {
    EgDisplay *display;
    guint number;
    guint8 cookie[COOKIE_BYTES];
    char *cookie_path;
    EgHelper *server;
    GDataInputStream *answers; /* from READY_FD */
    GCancellable *cancellable;
    int memory_fd;        /* of the framebuffer */
    const guint8 *memory; /* the framebuffer with its head; NULL: not known yet */
    gsize memory_bytes;
    const guint8 *pixels;
    gsize stride;
    xcb_connection_t *connection; /* tells what is drawn */
    guint8 damage_event;
    GSource *source; /* of what it tells */
    bool is_dirty;   /* since the last capture */
} X11;

/* The socket that Xvfb will listen on. That a number is free is certain when it is bound. */
static GSocket *listen_as(guint number, GError **error)
{
    g_autofree char *path = g_strdup_printf(SOCKET_FORMAT, number);
    g_autoptr(GSocketAddress) address =
        g_unix_socket_address_new_with_type(path, -1, G_UNIX_SOCKET_ADDRESS_ABSTRACT);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
    if (socket == NULL || !g_socket_bind(socket, address, FALSE, error) ||
        !g_socket_listen(socket, error))
        return NULL;
    return g_steal_pointer(&socket);
}

static GSocket *listen_somewhere(X11 *x11, GError **error)
{
    g_autoptr(GError) cause = NULL;
    for (guint i = 0; i < MAX_TRIES; i++) {
        g_clear_error(&cause);
        x11->number = FIRST_NUMBER + (guint)g_random_int_range(0, N_NUMBERS);
        GSocket *socket = listen_as(x11->number, &cause);
        if (socket != NULL)
            return socket;
        if (!g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE))
            break;
    }
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot listen for a display: %s",
                 cause->message);
    return NULL;
}

/* For whatever display: who has the file may connect. */
static bool write_cookie(X11 *x11, GError **error)
{
    Xauth entry = {
        .family = FamilyWild,
        .name_length = strlen(COOKIE_NAME),
        .name = (char *)COOKIE_NAME,
        .data_length = COOKIE_BYTES,
        .data = (char *)x11->cookie,
    };
    if (getentropy(x11->cookie, COOKIE_BYTES) != 0) {
        eg_error_set_errno(error, errno, "get random bytes for", "a display");
        return false;
    }
    FILE *file = fopen(x11->cookie_path, "we");
    bool is_written = file != NULL && XauWriteAuth(file, &entry) != 0;
    if (file != NULL && fclose(file) != 0)
        is_written = false;
    if (!is_written)
        eg_error_set_errno(error, errno, "write", x11->cookie_path);
    return is_written;
}

static void fail(X11 *x11, const char *what)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot use Xvfb: %s", what);
    eg_display_put_failed(x11->display, error);
}

/* The framebuffer. */

static bool make_memory(X11 *x11, GError **error)
{
    g_autofree char *path = g_build_filename(x11->display->params.folder, FRAMEBUFFER_NAME, NULL);
    x11->memory_fd = memfd_create("framebuffer", MFD_CLOEXEC);
    if (x11->memory_fd >= 0 && symlink(FRAMEBUFFER_LINK, path) == 0)
        return true;
    eg_error_set_errno(error, errno, "make", "the framebuffer of a display");
    return false;
}

/* As large as Xvfb has made it. */
static bool map_memory(X11 *x11)
{
    struct stat info;
    if (fstat(x11->memory_fd, &info) != 0)
        return false;
    x11->memory_bytes = (gsize)info.st_size;
    void *memory = mmap(NULL, x11->memory_bytes, PROT_READ, MAP_SHARED, x11->memory_fd, 0);
    if (memory == MAP_FAILED)
        return false;
    x11->memory = memory;
    return true;
}

/* It begins with the head of an XWD file. */
static bool find_pixels(X11 *x11)
{
    const EgDisplayParams *params = &x11->display->params;
    XWDFileHeader head;
    if (x11->memory_bytes < sizeof(head))
        return false;
    memcpy(&head, x11->memory, sizeof(head));
    gsize offset = (gsize)GUINT32_FROM_BE(head.header_size) +
                   (gsize)GUINT32_FROM_BE(head.ncolors) * sizeof(XWDColor);
    x11->stride = GUINT32_FROM_BE(head.bytes_per_line);
    x11->pixels = x11->memory + offset;
    return GUINT32_FROM_BE(head.bits_per_pixel) == 32 && x11->stride / 4 >= params->width &&
           offset + x11->stride * params->height <= x11->memory_bytes;
}

/* What is drawn. With raw rectangles nothing has to be asked ever again, and since they are told
 * after the drawing, none is lost: what was not seen yet is told later. */

static bool watch_screen(X11 *x11)
{
    xcb_auth_info_t auth = {
        .namelen = strlen(COOKIE_NAME),
        .name = (char *)COOKIE_NAME,
        .datalen = COOKIE_BYTES,
        .data = (char *)x11->cookie,
    };
    g_autofree char *name = g_strdup_printf(":%u", x11->number);
    x11->connection = xcb_connect_to_display_with_auth_info(name, &auth, NULL);
    if (xcb_connection_has_error(x11->connection) != 0)
        return false;
    const xcb_query_extension_reply_t *damage =
        xcb_get_extension_data(x11->connection, &xcb_damage_id);
    if (damage == NULL || !damage->present)
        return false;
    x11->damage_event = damage->first_event + XCB_DAMAGE_NOTIFY;
    xcb_damage_query_version_cookie_t version = xcb_damage_query_version(
        x11->connection, XCB_DAMAGE_MAJOR_VERSION, XCB_DAMAGE_MINOR_VERSION);
    free(xcb_damage_query_version_reply(x11->connection, version, NULL));
    xcb_screen_t *screen = xcb_setup_roots_iterator(xcb_get_setup(x11->connection)).data;
    xcb_void_cookie_t created =
        xcb_damage_create_checked(x11->connection, xcb_generate_id(x11->connection), screen->root,
                                  XCB_DAMAGE_REPORT_LEVEL_RAW_RECTANGLES);
    xcb_generic_error_t *error = xcb_request_check(x11->connection, created);
    free(error);
    return error == NULL;
}

static void read_events(EgDisplay *display)
{
    X11 *x11 = display->variant;
    xcb_generic_event_t *event;
    while ((event = xcb_poll_for_event(x11->connection)) != NULL) {
        const xcb_damage_notify_event_t *damage = (const xcb_damage_notify_event_t *)event;
        if ((event->response_type & 0x7f) == x11->damage_event &&
            damage->area.x < (gint64)display->params.width &&
            damage->area.y < (gint64)display->params.height) {
            x11->is_dirty = true;
            eg_display_put_changed(display);
        }
        free(event);
    }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    EgDisplay *display = user;
    const X11 *x11 = display->variant;
    read_events(display);
    /* How the server ended is told by itself. */
    return xcb_connection_has_error(x11->connection) == 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void watch_events(X11 *x11)
{
    x11->source = g_unix_fd_source_new(xcb_get_file_descriptor(x11->connection), G_IO_IN);
    g_source_set_callback(x11->source, G_SOURCE_FUNC(on_readable), x11->display, NULL);
    g_source_attach(x11->source, eg_loop_context(x11->display->loop));
}

/* Until the server is let go, it draws nothing: no picture is half of one and half of the next.
 * It answers when it has done what it was doing; one that does not is not waited for. */
static void hold_server(X11 *x11)
{
    struct pollfd readable = {.fd = xcb_get_file_descriptor(x11->connection), .events = POLLIN};
    xcb_grab_server(x11->connection);
    xcb_get_input_focus_cookie_t request = xcb_get_input_focus_unchecked(x11->connection);
    xcb_flush(x11->connection);
    void *answer = NULL;
    bool has_answered = false;
    do
        has_answered = xcb_poll_for_reply(x11->connection, request.sequence, &answer, NULL) != 0;
    while (!has_answered && poll(&readable, 1, HOLD_TIMEOUT_MS) > 0);
    if (!has_answered)
        xcb_discard_reply(x11->connection, request.sequence);
    free(answer);
}

static void let_server_go(X11 *x11)
{
    xcb_ungrab_server(x11->connection);
    xcb_flush(x11->connection);
}

static bool capture(EgDisplay *display, guint8 *const planes[3], const gsize strides[3])
{
    X11 *x11 = display->variant;
    read_events(display);
    if (!x11->is_dirty)
        return false;
    hold_server(x11);
    read_events(display);
    x11->is_dirty = false;
    eg_convert_bgrx_to_i420(x11->pixels, x11->stride, display->params.width, display->params.height,
                            planes, strides);
    let_server_go(x11);
    return true;
}

/* The server. */

static void become_ready(X11 *x11)
{
    if (!map_memory(x11) || !find_pixels(x11)) {
        fail(x11, "its framebuffer is not as expected");
        return;
    }
    if (!watch_screen(x11)) {
        fail(x11, "cannot connect to it");
        return;
    }
    x11->is_dirty = true;
    watch_events(x11);
    eg_display_put_ready(x11->display);
}

static void on_exited(gpointer user, const GError *error)
{
    X11 *x11 = user;
    eg_display_put_failed(x11->display, error);
}

/* The number, which we know. */
static void on_answer(GObject *object, GAsyncResult *result, gpointer user)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *answer =
        g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(object), result, NULL, &error);
    if (answer == NULL) /* cancelled, or Xvfb has ended: which is told by on_exited() */
        return;
    become_ready(user);
}

static bool start_server(X11 *x11, GSocket *socket, int ready_fd, GError **error)
{
    static const EgHelperEvents events = {.exited = on_exited};
    const EgDisplayParams *params = &x11->display->params;
    g_autofree char *name = g_strdup_printf(":%u", x11->number);
    g_autofree char *screen =
        g_strdup_printf("%ux%ux24", params->width + MORE_PIXELS, params->height + MORE_PIXELS);
    // clang-format off
    const char *const argv[] = {
        "sh", "-c", START, "Xvfb", name,
        "-displayfd", G_STRINGIFY(READY_FD),
        "-auth", x11->cookie_path,
        "-screen", "0", screen,
        "-fbdir", params->folder,
        "-nocursor", "-br",
        "-s", "0", /* no screen saver */
        "-noreset",
        "-nolisten", "tcp", "-nolisten", "unix",
        NULL,
    };
    // clang-format on
    const EgHelperFd fds[] = {
        {g_socket_get_fd(socket), LISTEN_FD},
        {ready_fd,                READY_FD },
        {x11->memory_fd,          MEMORY_FD},
    };
    g_auto(GStrv) environment = g_strdupv((char **)params->environment);
    environment = g_environ_setenv(environment, "LISTEN_FDS", "1", TRUE);
    const EgHelperParams helper = {
        .name = "Xvfb",
        .argv = argv,
        .environment = (const char *const *)environment,
        .fds = fds,
        .n_fds = G_N_ELEMENTS(fds),
        .log = params->log,
    };
    x11->server = eg_helper_new(x11->display->loop, &helper, &events, x11, error);
    return x11->server != NULL;
}

static void add_for_programs(EgDisplay *display)
{
    const X11 *x11 = display->variant;
    g_autofree char *name = g_strdup_printf(":%u", x11->number);
    g_autofree char *size =
        g_strdup_printf("--window-size=%u,%u", display->params.width, display->params.height);
    eg_display_add_environment(display, "DISPLAY", name);
    eg_display_add_environment(display, "XAUTHORITY", x11->cookie_path);
    eg_display_add_browser_flag(display, "--ozone-platform=x11");
    eg_display_add_browser_flag(display, "--window-position=0,0");
    eg_display_add_browser_flag(display, size);
}

static bool open_display(EgDisplay *display, GError **error)
{
    X11 *x11 = g_new0(X11, 1);
    int ready_fds[2];
    display->variant = x11;
    x11->display = display;
    x11->memory_fd = -1;
    x11->cookie_path = g_build_filename(display->params.folder, "Xauthority", NULL);
    g_autoptr(GSocket) socket = listen_somewhere(x11, error);
    if (socket == NULL || !write_cookie(x11, error) || !make_memory(x11, error))
        return false;
    if (!g_unix_open_pipe(ready_fds, FD_CLOEXEC, error))
        return false;
    g_autoptr(GInputStream) answers = g_unix_input_stream_new(ready_fds[0], TRUE);
    bool is_started = start_server(x11, socket, ready_fds[1], error);
    close(ready_fds[1]);
    if (!is_started)
        return false;
    add_for_programs(display);
    eg_display_set_phases(display, N_PHASES);
    x11->answers = g_data_input_stream_new(answers);
    x11->cancellable = g_cancellable_new();
    g_data_input_stream_read_line_async(x11->answers, G_PRIORITY_DEFAULT, x11->cancellable,
                                        on_answer, x11);
    return true;
}

static void close_display(EgDisplay *display)
{
    X11 *x11 = display->variant;
    if (x11->cancellable != NULL)
        g_cancellable_cancel(x11->cancellable);
    if (x11->source != NULL) {
        g_source_destroy(x11->source);
        g_source_unref(x11->source);
    }
    if (x11->connection != NULL)
        xcb_disconnect(x11->connection);
    eg_helper_free(x11->server);
    if (x11->memory != NULL)
        munmap((void *)x11->memory, x11->memory_bytes);
    if (x11->memory_fd >= 0)
        close(x11->memory_fd);
    g_clear_object(&x11->answers);
    g_clear_object(&x11->cancellable);
    g_free(x11->cookie_path);
    g_free(x11);
}

const EgDisplayClass eg_display_x11 = {
    .open = open_display,
    .close = close_display,
    .capture = capture,
};
