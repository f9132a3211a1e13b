/* wp_presentation: tells clients when a frame was seen, and when the next instant is. */
#include "source/wayland-surface.h"

#include <time.h>

#include "base/time.h"
#include "presentation-time-protocol.h"

static void on_report_destroyed(struct wl_resource *resource)
{
    wl_list_remove(wl_resource_get_link(resource));
}

static void on_feedback(struct wl_client *client, struct wl_resource *resource,
                        struct wl_resource *surface_resource, guint32 id)
{
    EgWaylandSurface *surface = wl_resource_get_user_data(surface_resource);
    struct wl_resource *report = eg_wayland_add_resource(
        client, &wp_presentation_feedback_interface, wl_resource_get_version(resource), id, NULL,
        surface, on_report_destroyed);
    if (report != NULL)
        wl_list_insert(surface->pending.reports.prev, wl_resource_get_link(report));
}

static const struct wp_presentation_interface requests = {
    .destroy = eg_wayland_destroy_request,
    .feedback = on_feedback,
};

static void send_presented(struct wl_resource *report, const EgWayland *wayland, gint64 now_ns)
{
    struct wl_client *client = wl_resource_get_client(report);
    guint64 second = (guint64)(now_ns / EG_NS_PER_S);
    struct wl_resource *output;
    wl_resource_for_each(output, &wayland->outputs)
    {
        if (wl_resource_get_client(output) == client)
            wp_presentation_feedback_send_sync_output(report, output);
    }
    wp_presentation_feedback_send_presented(
        report, (guint32)(second >> 32), (guint32)second, (guint32)(now_ns % EG_NS_PER_S),
        (guint32)(EG_NS_PER_S / wayland->fps), (guint32)(wayland->ticks >> 32),
        (guint32)wayland->ticks, WP_PRESENTATION_FEEDBACK_KIND_VSYNC);
}

void eg_wayland_presentation_seen(EgWaylandSurface *surface, gint64 now_ns)
{
    struct wl_resource *report;
    struct wl_resource *next;
    wl_resource_for_each_safe(report, next, &surface->current.reports)
    {
        send_presented(report, surface->wayland, now_ns);
        wl_resource_destroy(report);
    }
}

void eg_wayland_presentation_discard(struct wl_list *reports)
{
    struct wl_resource *report;
    struct wl_resource *next;
    wl_resource_for_each_safe(report, next, reports)
    {
        wp_presentation_feedback_send_discarded(report);
        wl_resource_destroy(report);
    }
}

static void bind_presentation(struct wl_client *client, void *user, guint32 version, guint32 id)
{
    struct wl_resource *presentation = eg_wayland_add_resource(
        client, &wp_presentation_interface, (int)version, id, &requests, user, NULL);
    if (presentation != NULL)
        wp_presentation_send_clock_id(presentation, CLOCK_MONOTONIC);
}

struct wl_global *eg_wayland_add_presentation(EgWayland *wayland)
{
    return wl_global_create(wayland->display, &wp_presentation_interface, 1, wayland,
                            bind_presentation);
}
