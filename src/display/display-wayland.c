#include "display/display-wayland.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "display/wayland.h"

#define SOCKET_NAME "wayland"

/* Until Chromium hears from us that its window fills the output, its page is smaller than the
 * window that it was told, by a frame and its shadow. A page should not see that its size changes.
 */
#define FRAME_WIDTH  32
#define FRAME_HEIGHT 42

/* Connections that wait to be accepted. */
#define BACKLOG 16

typedef struct {
    EgWayland wayland;
    char *path;      /* of the socket; NULL: there is none */
    GSource *source; /* of what clients send */
    guint8 *staging;
} Variant;

/* What libwayland says about clients that it disconnects, and of errors. */
static void log_line(const char *format, va_list arguments)
{
    g_autofree char *line = g_strdup_vprintf(format, arguments);
    eg_debug(NULL, "libwayland says", EG_STR("line", g_strchomp(line)));
}

/* The folder is for this user alone, and so is what is in it. */
static int listen_at(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
        eg_error_set_errno(error, ENAMETOOLONG, "make a socket at", path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    eg_error_set_errno(error, errno, "make a socket at", path);
    if (fd >= 0)
        close(fd);
    return -1;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    EgDisplay *display = user;
    Variant *variant = display->variant;
    if (eg_wayland_dispatch(&variant->wayland))
        eg_display_put_changed(display);
    return G_SOURCE_CONTINUE;
}

static void watch_clients(EgDisplay *display)
{
    Variant *variant = display->variant;
    int fd = wl_event_loop_get_fd(wl_display_get_event_loop(variant->wayland.display));
    variant->source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(variant->source, G_SOURCE_FUNC(on_readable), display, NULL);
    g_source_attach(variant->source, eg_loop_context(display->loop));
}

/* Chromium takes its own window for as large as it was told at first, until the display says more.
 */
static void add_for_programs(EgDisplay *display)
{
    const Variant *variant = display->variant;
    g_autofree char *size =
        g_strdup_printf("--window-size=%u,%u", display->params.width + FRAME_WIDTH,
                        display->params.height + FRAME_HEIGHT);
    eg_display_add_environment(display, "WAYLAND_DISPLAY", variant->path);
    eg_display_add_browser_flag(display, "--ozone-platform=wayland");
    eg_display_add_browser_flag(display, size);
}

static bool open_display(EgDisplay *display, GError **error)
{
    const EgDisplayParams *params = &display->params;
    Variant *variant = g_new0(Variant, 1);
    display->variant = variant;
    wl_log_set_handler_server(log_line);
    g_autofree char *path = g_build_filename(params->folder, SOCKET_NAME, NULL);
    int fd = listen_at(path, error);
    if (fd < 0)
        return false;
    variant->path = g_steal_pointer(&path);
    variant->staging = g_malloc((gsize)params->width * params->height * 4);
    variant->wayland = (EgWayland){
        .width = (gint32)params->width,
        .height = (gint32)params->height,
        .refresh_hz = eg_wayland_refresh_hz(params->fps),
    };
    if (!eg_wayland_init(&variant->wayland, fd, error))
        return false;
    /* Between refreshes, since at each of them clients draw at once. */
    eg_display_set_phases(display, (guint)variant->wayland.refresh_hz / params->fps);
    watch_clients(display);
    add_for_programs(display);
    eg_display_put_ready(display);
    return true;
}

static void close_display(EgDisplay *display)
{
    Variant *variant = display->variant;
    if (variant->source != NULL) {
        g_source_destroy(variant->source);
        g_source_unref(variant->source);
    }
    eg_wayland_finish(&variant->wayland);
    if (variant->path != NULL)
        unlink(variant->path);
    g_free(variant->path);
    g_free(variant->staging);
    g_free(variant);
}

static bool capture(EgDisplay *display, guint8 *const planes[3], const gsize strides[3])
{
    Variant *variant = display->variant;
    if (!variant->wayland.has_changed)
        return false;
    eg_wayland_draw(&variant->wayland, variant->staging, planes, strides);
    return true;
}

static void tick(EgDisplay *display)
{
    Variant *variant = display->variant;
    gint64 after_ns =
        eg_wayland_seen_after_ns(variant->wayland.refresh_hz, eg_display_get_phase(display));
    eg_wayland_tick(&variant->wayland, eg_display_get_look(display) + after_ns);
}

const EgDisplayClass eg_display_wayland = {
    .open = open_display,
    .close = close_display,
    .capture = capture,
    .ticked = tick,
};
