/* wl_output: the screen as its clients see it. It never changes. */
#include "source/wayland.h"

#define OUTPUT_VERSION 4

static const struct wl_output_interface requests = {.release = eg_wayland_destroy_request};

static void on_destroyed(struct wl_resource *resource)
{
    wl_list_remove(wl_resource_get_link(resource));
}

/* Events are of a version on. */
static void describe(const EgWayland *wayland, struct wl_resource *output)
{
    int version = wl_resource_get_version(output);
    /* No size in mm: what is drawn does not depend on it. */
    wl_output_send_geometry(output, 0, 0, 0, 0, WL_OUTPUT_SUBPIXEL_NONE, "egress", "recording",
                            WL_OUTPUT_TRANSFORM_NORMAL);
    wl_output_send_mode(output, WL_OUTPUT_MODE_CURRENT | WL_OUTPUT_MODE_PREFERRED, wayland->width,
                        wayland->height, wayland->fps * 1000);
    if (version >= WL_OUTPUT_SCALE_SINCE_VERSION)
        wl_output_send_scale(output, 1);
    if (version >= WL_OUTPUT_NAME_SINCE_VERSION)
        wl_output_send_name(output, "EGRESS-1");
    if (version >= WL_OUTPUT_DESCRIPTION_SINCE_VERSION)
        wl_output_send_description(output, "What is recorded");
    if (version >= WL_OUTPUT_DONE_SINCE_VERSION)
        wl_output_send_done(output);
}

static void bind_output(struct wl_client *client, void *user, guint32 version, guint32 id)
{
    EgWayland *wayland = user;
    struct wl_resource *output = eg_wayland_add_resource(client, &wl_output_interface, (int)version,
                                                         id, &requests, wayland, on_destroyed);
    if (output == NULL)
        return;
    wl_list_insert(&wayland->outputs, wl_resource_get_link(output));
    describe(wayland, output);
}

struct wl_global *eg_wayland_add_output(EgWayland *wayland)
{
    return wl_global_create(wayland->display, &wl_output_interface, OUTPUT_VERSION, wayland,
                            bind_output);
}
