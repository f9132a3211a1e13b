/* How surfaces become one picture. Usually it is one surface as large as the output, which is
 * converted straight from the client's memory. Otherwise they are laid over each other first, from
 * bottom to top, on black; what is beneath everything is taken as opaque, which on black is the
 * same. */
#include "source/convert.h"
#include "source/wayland-shell.h"

#define BYTES_PER_PIXEL 4

/* A surface on the output. */
typedef struct {
    const EgWaylandSurface *surface;
    gint64 x;
    gint64 y;
} Layer;

/* Not deeper than there may be surfaces. */
static void add_layers(GArray *layers, const EgWaylandSurface *surface, gint64 x, gint64 y)
{
    if (surface->current.buffer == NULL)
        return;
    for (guint i = 0; i < surface->stack->len; i++) {
        const EgWaylandSurface *part = surface->stack->pdata[i];
        Layer layer = {surface, x, y};
        if (part == surface)
            g_array_append_val(layers, layer);
        else
            add_layers(layers, part, x + part->x, y + part->y);
    }
}

static GArray *find_layers(const EgWayland *wayland)
{
    GArray *layers = g_array_new(FALSE, FALSE, sizeof(Layer));
    EgWaylandWindow *window;
    wl_list_for_each(window, &wayland->windows, link)
    {
        gint64 x;
        gint64 y;
        if (eg_wayland_window_locate(window, &x, &y))
            add_layers(layers, window->surface, x, y);
    }
    return layers;
}

/* Where the pixels of one axis of the surface come from. */
typedef struct {
    double start; /* in the buffer */
    double step;
    gint32 last; /* of the buffer */
} Axis;

static gsize pick(const Axis *axis, gint64 at)
{
    double from = axis->start + ((double)at + 0.5) * axis->step;
    return (gsize)CLAMP(from, 0, axis->last);
}

/* The buffer's axes for x and y of the surface. It is `is_on_side` if x goes along its height. */
static bool find_axes(const EgWaylandSurface *surface, const EgWaylandPixels *pixels, Axis axes[2])
{
    /* By wl_output_transform, which turns counterclockwise; for x and y: from the buffer's other
     * end. */
    static const bool is_reversed[8][2] = {
        {false, false},
        {true,  false},
        {true,  true },
        {false, true },
        {true,  false},
        {false, false},
        {false, true },
        {true,  true },
    };
    const EgWaylandState *state = &surface->current;
    bool is_on_side = state->transform % 2 == 1;
    const gint32 sizes[] = {is_on_side ? pixels->height : pixels->width,
                            is_on_side ? pixels->width : pixels->height};
    const gint32 shown[] = {surface->width, surface->height};
    bool has_source = state->source[2] > 0;
    for (guint i = 0; i < 2; i++) {
        double start = has_source ? wl_fixed_to_double(state->source[i]) * state->scale : 0;
        double length =
            has_source ? wl_fixed_to_double(state->source[i + 2]) * state->scale : sizes[i];
        axes[i] = (Axis){start, length / shown[i], sizes[i] - 1};
        if (is_reversed[state->transform][i]) {
            axes[i].start = sizes[i] - start;
            axes[i].step = -axes[i].step;
        }
    }
    return is_on_side;
}

static guint8 blend_channel(guint8 below, guint8 above, guint32 rest)
{
    guint32 product = below * rest + 128;
    guint32 sum = above + ((product + (product >> 8)) >> 8);
    return (guint8)MIN(sum, 255);
}

static void blend(guint8 *below, const guint8 *above)
{
    guint32 rest = 255U - above[3];
    for (guint i = 0; i < 3; i++)
        below[i] = blend_channel(below[i], above[i], rest);
}

static void lay_row(guint8 *below, const guint8 *above, gsize n_pixels, bool is_opaque)
{
    if (is_opaque) {
        memcpy(below, above, n_pixels * BYTES_PER_PIXEL);
        return;
    }
    for (gsize i = 0; i < n_pixels; i++)
        blend(below + i * BYTES_PER_PIXEL, above + i * BYTES_PER_PIXEL);
}

/* What is seen of a layer, in coordinates of the output. */
static bool clip(const EgWayland *wayland, const Layer *layer, EgWaylandRect *rect)
{
    gint64 left = MAX(layer->x, 0);
    gint64 top = MAX(layer->y, 0);
    gint64 right = MIN(layer->x + layer->surface->width, wayland->width);
    gint64 bottom = MIN(layer->y + layer->surface->height, wayland->height);
    if (left >= right || top >= bottom)
        return false;
    *rect =
        (EgWaylandRect){(gint32)left, (gint32)top, (gint32)(right - left), (gint32)(bottom - top)};
    return true;
}

/* Picks each pixel: scaled, turned and flipped ones are all the same then. */
static void lay_pixels(const Layer *layer, const EgWaylandPixels *pixels, const EgWaylandRect *rect,
                       guint8 *staging, gsize stride)
{
    Axis axes[2];
    bool is_on_side = find_axes(layer->surface, pixels, axes);
    gsize x_step = is_on_side ? (gsize)pixels->stride : BYTES_PER_PIXEL;
    gsize y_step = is_on_side ? BYTES_PER_PIXEL : (gsize)pixels->stride;
    g_autofree gsize *columns = g_new(gsize, rect->width);
    g_autofree guint8 *row = g_malloc((gsize)rect->width * BYTES_PER_PIXEL);
    for (gint32 x = 0; x < rect->width; x++)
        columns[x] = pick(&axes[0], rect->x + x - layer->x) * x_step;
    for (gint32 y = 0; y < rect->height; y++) {
        const guint8 *from = pixels->data + pick(&axes[1], rect->y + y - layer->y) * y_step;
        for (gint32 x = 0; x < rect->width; x++)
            memcpy(row + (gsize)x * BYTES_PER_PIXEL, from + columns[x], BYTES_PER_PIXEL);
        lay_row(staging + (gsize)y * stride, row, (gsize)rect->width, !pixels->has_alpha);
    }
}

static void lay_rows(const Layer *layer, const EgWaylandPixels *pixels, const EgWaylandRect *rect,
                     guint8 *staging, gsize stride)
{
    const guint8 *from = pixels->data + (rect->y - layer->y) * pixels->stride +
                         (rect->x - layer->x) * BYTES_PER_PIXEL;
    for (gint32 y = 0; y < rect->height; y++)
        lay_row(staging + (gsize)y * stride, from + (gsize)y * (gsize)pixels->stride,
                (gsize)rect->width, !pixels->has_alpha);
}

/* A pixel of the buffer is one of the surface. */
static bool is_plain(const EgWaylandSurface *surface, const EgWaylandPixels *pixels)
{
    const EgWaylandState *state = &surface->current;
    return state->transform == WL_OUTPUT_TRANSFORM_NORMAL && state->source[2] < 0 &&
           surface->width == pixels->width && surface->height == pixels->height;
}

static void lay(const EgWayland *wayland, const Layer *layer, guint8 *staging)
{
    gsize stride = (gsize)wayland->width * BYTES_PER_PIXEL;
    EgWaylandPixels pixels;
    EgWaylandRect rect;
    if (!clip(wayland, layer, &rect) ||
        !eg_wayland_buffer_begin(layer->surface->current.buffer, &pixels))
        return;
    guint8 *to = staging + (gsize)rect.y * stride + (gsize)rect.x * BYTES_PER_PIXEL;
    if (is_plain(layer->surface, &pixels))
        lay_rows(layer, &pixels, &rect, to, stride);
    else
        lay_pixels(layer, &pixels, &rect, to, stride);
    eg_wayland_buffer_end(layer->surface->current.buffer);
}

/* Straight from the client's memory; false if it is not as simple as that. */
static bool convert_alone(const EgWayland *wayland, const GArray *layers, guint8 *const planes[3],
                          const gsize strides[3])
{
    const Layer *layer = &g_array_index(layers, Layer, 0);
    EgWaylandPixels pixels;
    if (layers->len != 1 || layer->x != 0 || layer->y != 0 ||
        !eg_wayland_buffer_begin(layer->surface->current.buffer, &pixels))
        return false;
    bool is_alone = is_plain(layer->surface, &pixels) && pixels.width == wayland->width &&
                    pixels.height == wayland->height;
    if (is_alone)
        eg_convert_bgrx_to_i420(pixels.data, (gsize)pixels.stride, (guint)pixels.width,
                                (guint)pixels.height, planes, strides);
    eg_wayland_buffer_end(layer->surface->current.buffer);
    return is_alone;
}

void eg_wayland_draw(EgWayland *wayland, guint8 *staging, guint8 *const planes[3],
                     const gsize strides[3])
{
    gsize stride = (gsize)wayland->width * BYTES_PER_PIXEL;
    g_autoptr(GArray) layers = find_layers(wayland);
    wayland->has_changed = false;
    if (convert_alone(wayland, layers, planes, strides))
        return;
    memset(staging, 0, stride * (gsize)wayland->height);
    for (guint i = 0; i < layers->len; i++)
        lay(wayland, &g_array_index(layers, Layer, i), staging);
    eg_convert_bgrx_to_i420(staging, stride, (guint)wayland->width, (guint)wayland->height, planes,
                            strides);
}
