#include "display/wayland.h"

#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "display/wayland-surface.h"

/* That a surface may commit between two pictures; more wait. For a client that only waits for being
 * asked, and would draw without end. */
#define MAX_FRAMES 8

/* What is counted for a client. */
typedef struct {
    guint n_objects; /* not fewer than it has */
    struct wl_listener resource_created;
    struct wl_listener destroyed;
} Client;

static enum wl_iterator_result count_resource(struct wl_resource *resource, void *user)
{
    (void)resource;
    guint *n = user;
    (*n)++;
    return WL_ITERATOR_CONTINUE;
}

/* Objects that go are not counted; all are when there seem to be too many. */
static void on_resource_created(struct wl_listener *listener, void *data)
{
    Client *counted = wl_container_of(listener, counted, resource_created);
    if (++counted->n_objects <= EG_WAYLAND_MAX_OBJECTS)
        return;
    struct wl_client *client = wl_resource_get_client(data);
    counted->n_objects = 0;
    wl_client_for_each_resource(client, count_resource, &counted->n_objects);
    if (counted->n_objects > EG_WAYLAND_MAX_OBJECTS / 2)
        wl_client_post_implementation_error(client, "more than %d objects",
                                            EG_WAYLAND_MAX_OBJECTS / 2);
}

static void on_client_destroyed(struct wl_listener *listener, void *data)
{
    (void)data;
    Client *client = wl_container_of(listener, client, destroyed);
    wl_list_remove(&client->resource_created.link);
    wl_list_remove(&client->destroyed.link);
    g_free(client);
}

static void on_client_created(struct wl_listener *listener, void *data)
{
    (void)listener;
    Client *client = g_new0(Client, 1);
    client->resource_created.notify = on_resource_created;
    wl_client_add_resource_created_listener(data, &client->resource_created);
    client->destroyed.notify = on_client_destroyed;
    wl_client_add_destroy_listener(data, &client->destroyed);
}

static bool add_globals(EgWayland *wayland)
{
    static struct wl_global *(*const adders[])(EgWayland *) = {
        eg_wayland_add_compositor, eg_wayland_add_subcompositor, eg_wayland_add_shell,
        eg_wayland_add_output,     eg_wayland_add_viewporter,    eg_wayland_add_presentation,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(adders); i++) {
        if (adders[i](wayland) == NULL)
            return false;
    }
    return wl_display_init_shm(wayland->display) == 0;
}

bool eg_wayland_init(EgWayland *wayland, int fd, GError **error)
{
    wl_list_init(&wayland->surfaces);
    wl_list_init(&wayland->windows);
    wl_list_init(&wayland->outputs);
    wayland->display = wl_display_create();
    if (wayland->display == NULL || wl_display_add_socket_fd(wayland->display, fd) != 0) {
        close(fd);
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot make a Wayland display");
        return false;
    }
    if (!add_globals(wayland)) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot make Wayland's globals");
        return false;
    }
    wayland->client_created.notify = on_client_created;
    wl_display_add_client_created_listener(wayland->display, &wayland->client_created);
    wayland->has_changed = true;
    return true;
}

void eg_wayland_finish(EgWayland *wayland)
{
    if (wayland->display == NULL)
        return;
    wl_display_destroy_clients(wayland->display);
    wl_display_destroy(wayland->display);
    wayland->display = NULL;
}

gint32 eg_wayland_refresh_hz(guint fps)
{
    gint32 hz = (gint32)fps;
    return hz * MAX(1, (EG_WAYLAND_REFRESH_HZ + hz / 2) / hz);
}

/* Clients begin to draw just after each look: so the last frame before the next one has as much
 * time as there can be, and it is always the same one that is seen. With a quarter of a refresh
 * instead, one in ten was late on a busy machine.
 *
 * Chromium (156) that draws at every other refresh keeps to those that it has begun with, unless it
 * is told of instants that are off by more than a twentieth of a refresh. So they are when looks
 * have moved on by one refresh, and all is drawn just after looks again. */
gint64 eg_wayland_seen_after_ns(gint32 refresh_hz, guint phase)
{
    return EG_NS_PER_S / refresh_hz / 16 * (1 + phase % 2);
}

static void send_frames(EgWayland *wayland)
{
    EgWaylandSurface *surface;
    wl_list_for_each(surface, &wayland->surfaces, link)
    {
        struct wl_resource *callback;
        struct wl_resource *next;
        if (surface->n_frames >= MAX_FRAMES)
            continue;
        surface->n_frames += !wl_list_empty(&surface->current.frames);
        wl_resource_for_each_safe(callback, next, &surface->current.frames)
        {
            wl_callback_send_done(callback, (guint32)(eg_now_ns() / EG_NS_PER_MS));
            wl_resource_destroy(callback);
        }
    }
}

void eg_wayland_tick(EgWayland *wayland, gint64 seen_ns)
{
    EgWaylandSurface *surface;
    wl_list_for_each(surface, &wayland->surfaces, link)
    {
        surface->n_frames = 0;
        eg_wayland_presentation_seen(surface, seen_ns);
    }
    wayland->ticks++;
    send_frames(wayland);
    wl_display_flush_clients(wayland->display);
}

/* Frames are asked for at once: what a browser draws when is decided by the instants of the
 * presentation, and a frame that waited would be late. */
bool eg_wayland_dispatch(EgWayland *wayland)
{
    bool had_changed = wayland->has_changed;
    wayland->has_changed = false;
    wl_event_loop_dispatch(wl_display_get_event_loop(wayland->display), 0);
    send_frames(wayland);
    wl_display_flush_clients(wayland->display);
    bool has_changed = wayland->has_changed;
    wayland->has_changed |= had_changed;
    return has_changed;
}

struct wl_resource *eg_wayland_add_resource(struct wl_client *client,
                                            const struct wl_interface *interface, int version,
                                            guint32 id, const void *requests, gpointer user,
                                            wl_resource_destroy_func_t destroyed)
{
    struct wl_resource *resource = wl_resource_create(client, interface, version, id);
    if (resource == NULL)
        wl_client_post_no_memory(client);
    else
        wl_resource_set_implementation(resource, requests, user, destroyed);
    return resource;
}

void eg_wayland_destroy_request(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    wl_resource_destroy(resource);
}
