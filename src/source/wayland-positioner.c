/* xdg_positioner: rules for where a popup goes. */
#include "source/wayland-shell.h"
#include "xdg-shell-protocol.h"

/* Along one axis; a side is -1 (left or top), 0 (the middle) or 1. */
typedef struct {
    gint64 rect_start; /* of the anchor rectangle */
    gint64 rect_size;
    gint64 size; /* of the popup */
    gint64 offset;
    gint64 start; /* of what it should stay in */
    gint64 end;
    int anchor_side;
    int gravity_side;
    bool can_flip;
    bool can_slide;
    bool can_resize;
} Axis;

/* By xdg_positioner_anchor and xdg_positioner_gravity, which have the same values: none, top,
 * bottom, left, right, top left, bottom left, top right, bottom right. */
static const int x_sides[] = {0, 0, 0, -1, 1, -1, -1, 1, 1};
static const int y_sides[] = {0, -1, 1, 0, 0, -1, 1, -1, 1};

static gint64 get_start(const Axis *axis, int direction)
{
    int anchor_side = direction * axis->anchor_side;
    int gravity_side = direction * axis->gravity_side;
    return axis->rect_start + (axis->rect_size * (anchor_side + 1)) / 2 + axis->offset +
           (axis->size * (gravity_side - 1)) / 2;
}

static bool fits(const Axis *axis, gint64 at)
{
    return at >= axis->start && at + axis->size <= axis->end;
}

/* What does not fit at all keeps the edge that the gravity comes from. */
static gint64 slide(const Axis *axis, gint64 at)
{
    gint64 last = axis->end - axis->size;
    if (axis->gravity_side < 0)
        return MIN(MAX(at, axis->start), last);
    return MAX(MIN(at, last), axis->start);
}

static void place(const Axis *axis, gint32 *start, gint32 *size)
{
    gint64 at = get_start(axis, 1);
    gint64 end;
    if (axis->can_flip && !fits(axis, at) && fits(axis, get_start(axis, -1)))
        at = get_start(axis, -1);
    if (axis->can_slide && !fits(axis, at))
        at = slide(axis, at);
    end = at + axis->size;
    if (axis->can_resize && at < axis->end && end > axis->start) {
        at = MAX(at, axis->start);
        end = MIN(end, axis->end);
    }
    *start = (gint32)CLAMP(at, G_MININT32, G_MAXINT32);
    *size = (gint32)(end - at);
}

EgWaylandRect eg_wayland_positioner_place(const EgWaylandPositioner *positioner,
                                          EgWaylandRect bounds)
{
    guint32 adjustment = positioner->adjustment;
    Axis x = {
        .rect_start = positioner->anchor_rect.x,
        .rect_size = positioner->anchor_rect.width,
        .size = positioner->width,
        .offset = positioner->x,
        .start = bounds.x,
        .end = (gint64)bounds.x + bounds.width,
        .anchor_side = x_sides[positioner->anchor],
        .gravity_side = x_sides[positioner->gravity],
        .can_flip = (adjustment & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_FLIP_X) != 0,
        .can_slide = (adjustment & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_X) != 0,
        .can_resize = (adjustment & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_RESIZE_X) != 0,
    };
    Axis y = {
        .rect_start = positioner->anchor_rect.y,
        .rect_size = positioner->anchor_rect.height,
        .size = positioner->height,
        .offset = positioner->y,
        .start = bounds.y,
        .end = (gint64)bounds.y + bounds.height,
        .anchor_side = y_sides[positioner->anchor],
        .gravity_side = y_sides[positioner->gravity],
        .can_flip = (adjustment & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_FLIP_Y) != 0,
        .can_slide = (adjustment & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_Y) != 0,
        .can_resize = (adjustment & XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_RESIZE_Y) != 0,
    };
    EgWaylandRect rect;
    place(&x, &rect.x, &rect.width);
    place(&y, &rect.y, &rect.height);
    return rect;
}

static void post_invalid(struct wl_resource *resource, const char *what)
{
    wl_resource_post_error(resource, XDG_POSITIONER_ERROR_INVALID_INPUT, "%s", what);
}

static void on_set_size(struct wl_client *client, struct wl_resource *resource, gint32 width,
                        gint32 height)
{
    (void)client;
    EgWaylandPositioner *positioner = wl_resource_get_user_data(resource);
    if (width < 1 || height < 1) {
        post_invalid(resource, "the size must be positive");
        return;
    }
    positioner->width = width;
    positioner->height = height;
}

static void on_set_anchor_rect(struct wl_client *client, struct wl_resource *resource, gint32 x,
                               gint32 y, gint32 width, gint32 height)
{
    (void)client;
    EgWaylandPositioner *positioner = wl_resource_get_user_data(resource);
    if (width < 0 || height < 0)
        post_invalid(resource, "the size of the anchor rectangle must not be negative");
    else
        positioner->anchor_rect = (EgWaylandRect){x, y, width, height};
}

static void on_set_anchor(struct wl_client *client, struct wl_resource *resource, guint32 anchor)
{
    (void)client;
    EgWaylandPositioner *positioner = wl_resource_get_user_data(resource);
    if (anchor >= G_N_ELEMENTS(x_sides))
        post_invalid(resource, "there is no such anchor");
    else
        positioner->anchor = anchor;
}

static void on_set_gravity(struct wl_client *client, struct wl_resource *resource, guint32 gravity)
{
    (void)client;
    EgWaylandPositioner *positioner = wl_resource_get_user_data(resource);
    if (gravity >= G_N_ELEMENTS(x_sides))
        post_invalid(resource, "there is no such gravity");
    else
        positioner->gravity = gravity;
}

static void on_set_constraint_adjustment(struct wl_client *client, struct wl_resource *resource,
                                         guint32 adjustment)
{
    (void)client;
    EgWaylandPositioner *positioner = wl_resource_get_user_data(resource);
    positioner->adjustment = adjustment;
}

static void on_set_offset(struct wl_client *client, struct wl_resource *resource, gint32 x,
                          gint32 y)
{
    (void)client;
    EgWaylandPositioner *positioner = wl_resource_get_user_data(resource);
    positioner->x = x;
    positioner->y = y;
}

/* The output never changes, nor does a window that fills it: popups need not be placed again by
 * themselves, and the parent's size is known. */
static void on_set_reactive(struct wl_client *client, struct wl_resource *resource)
{
    (void)client;
    (void)resource;
}

static void on_set_parent_size(struct wl_client *client, struct wl_resource *resource, gint32 width,
                               gint32 height)
{
    (void)client;
    (void)resource;
    (void)width;
    (void)height;
}

static void on_set_parent_configure(struct wl_client *client, struct wl_resource *resource,
                                    guint32 serial)
{
    (void)client;
    (void)resource;
    (void)serial;
}

static const struct xdg_positioner_interface requests = {
    .destroy = eg_wayland_destroy_request,
    .set_size = on_set_size,
    .set_anchor_rect = on_set_anchor_rect,
    .set_anchor = on_set_anchor,
    .set_gravity = on_set_gravity,
    .set_constraint_adjustment = on_set_constraint_adjustment,
    .set_offset = on_set_offset,
    .set_reactive = on_set_reactive,
    .set_parent_size = on_set_parent_size,
    .set_parent_configure = on_set_parent_configure,
};

static void on_destroyed(struct wl_resource *resource)
{
    g_free(wl_resource_get_user_data(resource));
}

void eg_wayland_positioner_create(struct wl_client *client, struct wl_resource *resource,
                                  guint32 id)
{
    EgWaylandPositioner *positioner = g_new0(EgWaylandPositioner, 1);
    positioner->anchor_rect.width = -1;
    if (eg_wayland_add_resource(client, &xdg_positioner_interface,
                                wl_resource_get_version(resource), id, &requests, positioner,
                                on_destroyed) == NULL)
        g_free(positioner);
}

const EgWaylandPositioner *eg_wayland_positioner_get(struct wl_resource *resource)
{
    const EgWaylandPositioner *positioner = wl_resource_get_user_data(resource);
    return positioner->width > 0 && positioner->anchor_rect.width >= 0 ? positioner : NULL;
}
