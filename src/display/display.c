#include "display/display.h"

#include <gst/video/video.h>

#include "base/error.h"
#include "base/time.h"
#include "display/display-class.h"
#include "display/display-wayland.h"
#include "display/display-x11.h"

/* Pictures that the user may hold, beyond those of a second: if it holds more, instants are missed.
 * Of the memory that comes back, this much is kept. */
#define MORE_PICTURES   16
#define N_FREE_MEMORIES 4

/* An X server has to compile its keyboard, and the machine may be busy. */
#define START_TIMEOUT_NS (30 * EG_NS_PER_S)

/* So that what converts writes whole cache lines. */
#define ALIGN_MASK 63

typedef struct {
    const char *name;
    const EgDisplayClass *class;
} Row;

static const Row rows[EG_N_DISPLAYS] = {
    [EG_DISPLAY_X11] = {"x11",     &eg_display_x11    },
    [EG_DISPLAY_WAYLAND] = {"wayland", &eg_display_wayland},
};

EgDisplayKind eg_display_kind_from_name(const char *name)
{
    for (guint kind = 0; kind < EG_N_DISPLAYS; kind++) {
        if (rows[kind].name != NULL && g_str_equal(rows[kind].name, name))
            return (EgDisplayKind)kind;
    }
    return EG_DISPLAY_NONE;
}

const char *eg_display_kind_name(EgDisplayKind kind)
{
    return rows[kind].name;
}

/* The memory of pictures. A GstBufferPool would not do: it throws memory away that another buffer
 * still shares when its own one comes back, which is so whenever a picture was repeated. */

static bool is_free(GstMemory *memory)
{
    return GST_MINI_OBJECT_REFCOUNT_VALUE(memory) == 1;
}

static void unref_memory(gpointer data)
{
    gst_memory_unref(data);
}

/* One that nobody else has (transfer none), or NULL if there would be too many. */
static GstMemory *get_free_memory(EgDisplay *display)
{
    GstMemory *found = NULL;
    guint n_free = 0;
    for (guint i = display->memories->len; i > 0; i--) {
        GstMemory *memory = display->memories->pdata[i - 1];
        if (!is_free(memory))
            continue;
        if (++n_free > N_FREE_MEMORIES)
            g_ptr_array_remove_index_fast(display->memories, i - 1);
        else
            found = memory;
    }
    if (found != NULL || display->memories->len >= display->params.fps + MORE_PICTURES)
        return found;
    GstAllocationParams params = {.align = ALIGN_MASK};
    found = gst_allocator_alloc(NULL, display->picture_bytes, &params);
    g_ptr_array_add(display->memories, found);
    return found;
}

static void set_newest(EgDisplay *display, GstMemory *memory)
{
    gst_memory_ref(memory);
    if (display->newest != NULL)
        gst_memory_unref(display->newest);
    display->newest = memory;
}

/* False: there was no memory for it. `has_changed` is not set then. */
static bool capture(EgDisplay *display, bool *has_changed)
{
    GstMemory *memory = get_free_memory(display);
    GstMapInfo map;
    if (memory == NULL)
        return false;
    bool is_mapped = gst_memory_map(memory, &map, GST_MAP_WRITE);
    g_assert(is_mapped);
    guint8 *planes[3];
    for (guint i = 0; i < G_N_ELEMENTS(planes); i++)
        planes[i] = map.data + display->plane_offsets[i];
    *has_changed = display->class->capture(display, planes, display->strides);
    gst_memory_unmap(memory, &map);
    if (*has_changed)
        set_newest(display, memory);
    g_assert(display->newest != NULL);
    return true;
}

/* Instants. */

static gint64 instant(const EgDisplay *display, guint64 tick)
{
    guint64 after_ns =
        gst_util_uint64_scale(tick, (guint64)EG_NS_PER_S, (guint64)display->params.fps);
    return display->origin_ns + (gint64)after_ns;
}

gint64 eg_display_get_look(const EgDisplay *display)
{
    return display->looked_ns;
}

guint eg_display_get_phase(const EgDisplay *display)
{
    return eg_sampling_phase(&display->sampling, display->base_phase, display->shift);
}

/* How long after its instant a picture is taken; before, if negative. */
static gint64 look_offset_ns(const EgDisplay *display)
{
    return eg_sampling_shift_ns(&display->sampling, display->shift);
}

static void set_tick_timer(EgDisplay *display)
{
    eg_timer_set(display->tick_timer, instant(display, display->tick) + look_offset_ns(display));
}

/* From the next instant of the best phase on. What was seen so far says which that is; until the
 * page loses frames by it, pictures are taken at their very instants. */
static void start_ticks(EgDisplay *display)
{
    const EgSampling *sampling = &display->sampling;
    display->base_phase = eg_sampling_find(sampling);
    display->shift = 0;
    display->origin_ns = display->sampling_origin_ns +
                         eg_sampling_next_ns(sampling, display->base_phase,
                                             eg_now_ns() - display->sampling_origin_ns);
    display->tick = 0;
    set_tick_timer(display);
}

void eg_display_set_phases(EgDisplay *display, guint n_phases)
{
    eg_sampling_init(&display->sampling, display->params.fps,
                     MIN(n_phases, EG_SAMPLING_MAX_PHASES));
}

void eg_display_put_changed(EgDisplay *display)
{
    if (display->state == EG_DISPLAY_STATE_READY || display->state == EG_DISPLAY_STATE_SHOWING)
        eg_sampling_changed(&display->sampling, eg_now_ns() - display->sampling_origin_ns);
}

/* The newest instant that has passed is what is seen now; those before it are lost. */
static void skip_late(EgDisplay *display)
{
    gint64 first_ns = display->origin_ns + look_offset_ns(display);
    guint64 passed_ns = (guint64)MAX(0, eg_now_ns() - first_ns);
    guint64 tick = gst_util_uint64_scale(passed_ns, display->params.fps, (guint64)EG_NS_PER_S);
    if (tick <= display->tick)
        return;
    if (display->state == EG_DISPLAY_STATE_SHOWING)
        display->stats.missed += tick - display->tick;
    display->tick = tick;
}

/* (transfer full); NULL: the user holds too many. */
static GstBuffer *make_picture(EgDisplay *display)
{
    bool has_changed = false;
    if (!capture(display, &has_changed)) {
        display->stats.missed++;
        return NULL;
    }
    display->stats.pictures++;
    display->stats.unchanged += !has_changed;
    GstBuffer *picture = gst_buffer_new();
    gst_buffer_append_memory(picture, gst_memory_ref(display->newest));
    gint64 pts_ns = instant(display, display->tick);
    GST_BUFFER_PTS(picture) = (GstClockTime)pts_ns;
    GST_BUFFER_DURATION(picture) = (GstClockTime)(instant(display, display->tick + 1) - pts_ns);
    return picture;
}

static void on_tick(gpointer user)
{
    EgDisplay *display = user;
    GstBuffer *picture = NULL;
    skip_late(display);
    if (display->state == EG_DISPLAY_STATE_SHOWING)
        picture = make_picture(display);
    display->looked_ns = instant(display, display->tick) + look_offset_ns(display);
    display->tick++;
    if (display->class->ticked != NULL)
        display->class->ticked(display);
    display->shift = eg_sampling_keep(&display->sampling, display->base_phase, display->shift);
    set_tick_timer(display);
    if (picture != NULL)
        display->events.picture(display->user, picture);
}

/* News. */

static void on_news(gpointer user)
{
    EgDisplay *display = user;
    if (display->state == EG_DISPLAY_STATE_FAILED) {
        display->events.failed(display->user, display->error);
        return;
    }
    if (display->state == EG_DISPLAY_STATE_READY)
        start_ticks(display);
    display->events.ready(display->user);
}

void eg_display_put_ready(EgDisplay *display)
{
    if (display->state == EG_DISPLAY_STATE_FAILED)
        return;
    g_assert(display->state == EG_DISPLAY_STATE_NONE);
    display->state = EG_DISPLAY_STATE_READY;
    display->sampling_origin_ns = eg_now_ns();
    eg_timer_clear(display->start_timer);
    eg_timer_set(display->news_timer, 0);
}

void eg_display_put_failed(EgDisplay *display, const GError *error)
{
    if (display->state == EG_DISPLAY_STATE_FAILED)
        return;
    display->state = EG_DISPLAY_STATE_FAILED;
    display->error = g_error_copy(error);
    eg_timer_clear(display->start_timer);
    eg_timer_clear(display->tick_timer);
    eg_timer_set(display->news_timer, 0);
}

static void on_start_late(gpointer user)
{
    EgDisplay *display = user;
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                 "the display has not started within %.0f s",
                 (double)display->params.start_timeout_ns / (double)EG_NS_PER_S);
    eg_display_put_failed(display, error);
}

/* Lists of strings that end with NULL. */

static void add_string(GPtrArray *list, char *string)
{
    g_ptr_array_insert(list, (gint)list->len - 1, string);
}

void eg_display_add_environment(EgDisplay *display, const char *name, const char *value)
{
    add_string(display->environment, g_strconcat(name, "=", value, NULL));
}

void eg_display_add_browser_flag(EgDisplay *display, const char *flag)
{
    add_string(display->flags, g_strdup(flag));
}

static GPtrArray *new_list(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(list, NULL);
    return list;
}

static void set_layout(EgDisplay *display)
{
    GstVideoInfo info;
    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_I420, display->params.width,
                              display->params.height);
    display->picture_bytes = info.size;
    for (guint i = 0; i < G_N_ELEMENTS(display->strides); i++) {
        display->plane_offsets[i] = info.offset[i];
        display->strides[i] = (gsize)info.stride[i];
    }
}

EgDisplay *eg_display_new_of_class(EgLoop *loop, const EgDisplayClass *class,
                                   const EgDisplayParams *params, const EgDisplayEvents *events,
                                   gpointer user, GError **error)
{
    eg_loop_assert_owner(loop);
    g_assert(params->width > 0 && params->width % 2 == 0);
    g_assert(params->height > 0 && params->height % 2 == 0);
    g_assert(params->fps > 0);
    g_autoptr(EgDisplay) display = g_new0(EgDisplay, 1);
    display->class = class;
    display->loop = loop;
    display->params = *params;
    display->params.environment = (const char *const *)g_strdupv((char **)params->environment);
    display->events = *events;
    display->user = user;
    display->environment = new_list();
    display->flags = new_list();
    if (display->params.start_timeout_ns == 0)
        display->params.start_timeout_ns = START_TIMEOUT_NS;
    display->start_timer = eg_timer_new(loop, on_start_late, display);
    display->news_timer = eg_timer_new(loop, on_news, display);
    display->tick_timer = eg_timer_new(loop, on_tick, display);
    display->memories = g_ptr_array_new_with_free_func(unref_memory);
    set_layout(display);
    eg_display_set_phases(display, 1);
    eg_timer_set_after(display->start_timer, display->params.start_timeout_ns);
    return class->open(display, error) ? g_steal_pointer(&display) : NULL;
}

EgDisplay *eg_display_new(EgLoop *loop, const EgDisplayParams *params,
                          const EgDisplayEvents *events, gpointer user, GError **error)
{
    g_assert(params->kind < EG_N_DISPLAYS && rows[params->kind].class != NULL);
    return eg_display_new_of_class(loop, rows[params->kind].class, params, events, user, error);
}

void eg_display_free(EgDisplay *display)
{
    if (display == NULL)
        return;
    display->class->close(display);
    g_clear_pointer(&display->newest, gst_memory_unref);
    g_ptr_array_unref(display->memories);
    eg_timer_free(display->start_timer);
    eg_timer_free(display->tick_timer);
    eg_timer_free(display->news_timer);
    g_clear_error(&display->error);
    g_ptr_array_unref(display->flags);
    g_ptr_array_unref(display->environment);
    g_strfreev((char **)display->params.environment);
    g_free(display);
}

const char *const *eg_display_environment(const EgDisplay *display)
{
    return (const char *const *)display->environment->pdata;
}

const char *const *eg_display_browser_flags(const EgDisplay *display)
{
    return (const char *const *)display->flags->pdata;
}

void eg_display_start(EgDisplay *display)
{
    eg_loop_assert_owner(display->loop);
    if (display->state == EG_DISPLAY_STATE_FAILED)
        return;
    g_assert(display->state == EG_DISPLAY_STATE_READY);
    display->state = EG_DISPLAY_STATE_SHOWING;
    start_ticks(display);
}

void eg_display_stop(EgDisplay *display)
{
    eg_loop_assert_owner(display->loop);
    if (display->state == EG_DISPLAY_STATE_SHOWING)
        display->state = EG_DISPLAY_STATE_READY;
}

void eg_display_get_stats(const EgDisplay *display, EgDisplayStats *stats)
{
    *stats = display->stats;
}
