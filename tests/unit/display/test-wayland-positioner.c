/* What of the compositor is arithmetic: its rate; and where popups go: what a positioner says, and
 * where on an axis of 100 pixels that is. */
#include "base/time.h"
#include "display/wayland-shell.h"
#include "xdg-shell-protocol.h"

#define SIZE 100

/* Both axes in turn: left and top are the same side, right and bottom too. */
typedef enum {
    MIDDLE,
    START,
    END,
} Side;

typedef enum {
    FLIP = 1,
    SLIDE = 2,
    RESIZE = 4,
} Adjustment;

typedef struct {
    const char *name;
    gint32 rect_start;
    gint32 rect_size;
    gint32 size;
    gint32 offset;
    Side anchor;
    Side gravity;
    guint32 adjustments;
    gint32 start; /* expected */
    gint32 placed_size;
} Row;

static const Row rows[] = {
    {"after",            40, 10, 20,  0,  END,    END,    0,                     50,  20 },
    {"before",           40, 10, 20,  0,  START,  START,  0,                     20,  20 },
    {"middle",           40, 10, 20,  0,  MIDDLE, MIDDLE, 0,                     35,  20 },
    {"aligned",          40, 10, 20,  0,  START,  END,    0,                     40,  20 },
    {"offset",           40, 10, 20,  3,  END,    END,    0,                     53,  20 },
    {"outside",          90, 10, 20,  0,  END,    END,    0,                     100, 20 },
    {"flip",             85, 10, 20,  0,  END,    END,    FLIP,                  65,  20 },
    {"flip back",        5,  10, 20,  0,  START,  START,  FLIP,                  15,  20 },
    {"flip for nothing", 45, 10, 60,  0,  END,    END,    FLIP,                  55,  60 },
    {"flip, then slide", 45, 10, 60,  0,  END,    END,    FLIP | SLIDE,          40,  60 },
    {"no need to flip",  40, 10, 20,  0,  END,    END,    FLIP | SLIDE | RESIZE, 50,  20 },
    {"slide",            90, 10, 20,  0,  END,    END,    SLIDE,                 80,  20 },
    {"slide on",         5,  10, 20,  0,  START,  START,  SLIDE,                 0,   20 },
    {"slide too large",  40, 10, 99,  50, END,    END,    SLIDE,                 1,   99 },
    {"keeps its start",  40, 10, 120, 0,  END,    END,    SLIDE,                 0,   120},
    {"keeps its end",    40, 10, 120, 0,  START,  START,  SLIDE,                 -20, 120},
    {"resize",           90, 5,  20,  0,  END,    END,    RESIZE,                95,  5  },
    {"resize to all",    40, 10, 120, 0,  START,  START,  SLIDE | RESIZE,        0,   100},
    {"nothing left",     99, 10, 20,  0,  END,    END,    RESIZE,                109, 20 },
};

static void test_x(gconstpointer data)
{
    static const guint32 anchors[] = {XDG_POSITIONER_ANCHOR_NONE, XDG_POSITIONER_ANCHOR_LEFT,
                                      XDG_POSITIONER_ANCHOR_RIGHT};
    static const guint32 gravities[] = {XDG_POSITIONER_GRAVITY_NONE, XDG_POSITIONER_GRAVITY_LEFT,
                                        XDG_POSITIONER_GRAVITY_RIGHT};
    const Row *row = data;
    guint32 adjustment = 0;
    if (row->adjustments & FLIP)
        adjustment |= XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_FLIP_X;
    if (row->adjustments & SLIDE)
        adjustment |= XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_X;
    if (row->adjustments & RESIZE)
        adjustment |= XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_RESIZE_X;
    const EgWaylandPositioner positioner = {
        .width = row->size,
        .height = 10,
        .anchor_rect = {row->rect_start, 0, row->rect_size, 10},
        .anchor = anchors[row->anchor],
        .gravity = gravities[row->gravity],
        .adjustment = adjustment,
        .x = row->offset,
    };
    EgWaylandRect place =
        eg_wayland_positioner_place(&positioner, (EgWaylandRect){0, 0, SIZE, SIZE});
    g_assert_cmpint(place.x, ==, row->start);
    g_assert_cmpint(place.width, ==, row->placed_size);
    g_assert_cmpint(place.y, ==, 0);
    g_assert_cmpint(place.height, ==, 10);
}

static void test_y(gconstpointer data)
{
    static const guint32 anchors[] = {XDG_POSITIONER_ANCHOR_NONE, XDG_POSITIONER_ANCHOR_TOP,
                                      XDG_POSITIONER_ANCHOR_BOTTOM};
    static const guint32 gravities[] = {XDG_POSITIONER_GRAVITY_NONE, XDG_POSITIONER_GRAVITY_TOP,
                                        XDG_POSITIONER_GRAVITY_BOTTOM};
    const Row *row = data;
    guint32 adjustment = 0;
    if (row->adjustments & FLIP)
        adjustment |= XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_FLIP_Y;
    if (row->adjustments & SLIDE)
        adjustment |= XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_SLIDE_Y;
    if (row->adjustments & RESIZE)
        adjustment |= XDG_POSITIONER_CONSTRAINT_ADJUSTMENT_RESIZE_Y;
    /* The output begins at -7 of the parent here. */
    const EgWaylandPositioner positioner = {
        .width = 10,
        .height = row->size,
        .anchor_rect = {0, row->rect_start - 7, 10, row->rect_size},
        .anchor = anchors[row->anchor],
        .gravity = gravities[row->gravity],
        .adjustment = adjustment,
        .y = row->offset,
    };
    EgWaylandRect place =
        eg_wayland_positioner_place(&positioner, (EgWaylandRect){0, -7, SIZE, SIZE});
    g_assert_cmpint(place.y, ==, row->start - 7);
    g_assert_cmpint(place.height, ==, row->placed_size);
    g_assert_cmpint(place.x, ==, 0);
    g_assert_cmpint(place.width, ==, 10);
}

static void test_refresh(void)
{
    static const struct {
        guint fps;
        gint32 hz;
    } rates[] = {
        {1,   60 },
        {10,  60 },
        {15,  60 },
        {24,  72 },
        {25,  50 },
        {30,  60 },
        {50,  50 },
        {60,  60 },
        {120, 120},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rates); i++)
        g_assert_cmpint(eg_wayland_refresh_hz(rates[i].fps), ==, rates[i].hz);
}

/* Looks that have moved on by a refresh are noticed by clients that draw at every other one. */
static void test_seen(void)
{
    static const gint32 rates_hz[] = {48, 50, 60, 72, 120};
    for (gsize i = 0; i < G_N_ELEMENTS(rates_hz); i++) {
        gint64 refresh_ns = EG_NS_PER_S / rates_hz[i];
        for (guint phase = 0; phase < 8; phase++) {
            gint64 after_ns = eg_wayland_seen_after_ns(rates_hz[i], phase);
            gint64 moved_ns = eg_wayland_seen_after_ns(rates_hz[i], phase + 1) - after_ns;
            g_assert_cmpint(after_ns, >, 0);
            g_assert_cmpint(after_ns, <, refresh_ns / 4);
            g_assert_cmpint(ABS(moved_ns), >, refresh_ns / 20);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wayland/refresh", test_refresh);
    g_test_add_func("/wayland/seen", test_seen);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *x = g_strconcat("/wayland-positioner/x/", rows[i].name, NULL);
        g_autofree char *y = g_strconcat("/wayland-positioner/y/", rows[i].name, NULL);
        g_test_add_data_func(x, &rows[i], test_x);
        g_test_add_data_func(y, &rows[i], test_y);
    }
    return g_test_run();
}
