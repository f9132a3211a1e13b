/* A buffer may be attached to several surfaces, several times, and be destroyed while it is. */
#include "source/wayland-surface.h"

struct _EgWaylandBuffer {
    struct wl_resource *resource; /* NULL: the client has destroyed it */
    guint n_uses;
    struct wl_listener destroyed;
};

/* Lives until it is destroyed, and not used any more. */
static void on_destroyed(struct wl_listener *listener, void *data)
{
    (void)data;
    EgWaylandBuffer *buffer = wl_container_of(listener, buffer, destroyed);
    wl_list_remove(&buffer->destroyed.link);
    buffer->resource = NULL;
    if (buffer->n_uses == 0)
        g_free(buffer);
}

/* libwayland has checked that height * stride bytes lie in the pool, and not what a pixel takes. */
static bool check(struct wl_resource *resource)
{
    struct wl_shm_buffer *shm = wl_shm_buffer_get(resource);
    if (shm == NULL) {
        wl_client_post_implementation_error(wl_resource_get_client(resource),
                                            "only buffers of wl_shm can be shown");
        return false;
    }
    gint32 stride = wl_shm_buffer_get_stride(shm);
    guintptr address = (guintptr)wl_shm_buffer_get_data(shm);
    if (stride / 4 >= wl_shm_buffer_get_width(shm) && stride % 4 == 0 && address % 4 == 0)
        return true;
    wl_resource_post_error(resource, WL_SHM_ERROR_INVALID_STRIDE,
                           "stride %d, width %d: rows of 4-byte pixels do not fit, or are not "
                           "aligned",
                           stride, wl_shm_buffer_get_width(shm));
    return false;
}

EgWaylandBuffer *eg_wayland_buffer_use(struct wl_resource *resource)
{
    struct wl_listener *listener = wl_resource_get_destroy_listener(resource, on_destroyed);
    if (listener != NULL) {
        EgWaylandBuffer *known = wl_container_of(listener, known, destroyed);
        known->n_uses++;
        return known;
    }
    if (!check(resource))
        return NULL;
    EgWaylandBuffer *buffer = g_new0(EgWaylandBuffer, 1);
    buffer->resource = resource;
    buffer->n_uses = 1;
    buffer->destroyed.notify = on_destroyed;
    wl_resource_add_destroy_listener(resource, &buffer->destroyed);
    return buffer;
}

void eg_wayland_buffer_unuse(EgWaylandBuffer *buffer)
{
    if (buffer == NULL || --buffer->n_uses > 0)
        return;
    if (buffer->resource != NULL)
        wl_buffer_send_release(buffer->resource);
    else
        g_free(buffer);
}

void eg_wayland_buffer_get_size(const EgWaylandBuffer *buffer, gint32 *width, gint32 *height)
{
    struct wl_shm_buffer *shm =
        buffer->resource != NULL ? wl_shm_buffer_get(buffer->resource) : NULL;
    *width = shm != NULL ? wl_shm_buffer_get_width(shm) : 0;
    *height = shm != NULL ? wl_shm_buffer_get_height(shm) : 0;
}

bool eg_wayland_buffer_begin(const EgWaylandBuffer *buffer, EgWaylandPixels *pixels)
{
    if (buffer->resource == NULL)
        return false;
    struct wl_shm_buffer *shm = wl_shm_buffer_get(buffer->resource);
    wl_shm_buffer_begin_access(shm);
    *pixels = (EgWaylandPixels){
        .data = wl_shm_buffer_get_data(shm),
        .stride = wl_shm_buffer_get_stride(shm),
        .width = wl_shm_buffer_get_width(shm),
        .height = wl_shm_buffer_get_height(shm),
        .has_alpha = wl_shm_buffer_get_format(shm) == WL_SHM_FORMAT_ARGB8888,
    };
    return true;
}

void eg_wayland_buffer_end(const EgWaylandBuffer *buffer)
{
    wl_shm_buffer_end_access(wl_shm_buffer_get(buffer->resource));
}
