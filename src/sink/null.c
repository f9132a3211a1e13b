#include "media/frame.h"
#include "sink/sink-class.h"

/* Takes everything, keeps nothing. */
typedef struct {
    EgSink base;
    EgTimer *drain_timer;
    GMutex lock; /* for all below */
    EgSinkStats stats;
    gint64 first_ns;
    bool has_first;
} NullSink;

static void on_drained(gpointer user)
{
    EgSink *sink = user;
    sink->events.drained(sink->user);
}

static bool open_sink(EgSink *sink, const EgSinkParams *params, GError **error)
{
    (void)params;
    (void)error;
    NullSink *null = (NullSink *)sink;
    g_mutex_init(&null->lock);
    null->drain_timer = eg_timer_new(sink->loop, on_drained, sink);
    return true;
}

static void push(EgSink *sink, EgMedia media, GstBuffer *frame)
{
    (void)media;
    NullSink *null = (NullSink *)sink;
    gint64 pts_ns = eg_frame_pts(frame);
    gint64 end_ns = pts_ns;
    if (GST_BUFFER_DURATION_IS_VALID(frame))
        end_ns += (gint64)GST_BUFFER_DURATION(frame);

    g_mutex_lock(&null->lock);
    if (!null->has_first)
        null->first_ns = pts_ns;
    null->has_first = true;
    null->stats.size_bytes += gst_buffer_get_size(frame);
    null->stats.duration_ns = MAX(null->stats.duration_ns, end_ns - null->first_ns);
    g_mutex_unlock(&null->lock);
    gst_buffer_unref(frame);
}

static void drain(EgSink *sink)
{
    /* Never from inside the call that asks for it. */
    eg_timer_set(((NullSink *)sink)->drain_timer, 0);
}

static void get_stats(const EgSink *sink, EgSinkStats *stats)
{
    NullSink *null = (NullSink *)sink;
    g_mutex_lock(&null->lock);
    *stats = null->stats;
    g_mutex_unlock(&null->lock);
}

static void free_sink(EgSink *sink)
{
    NullSink *null = (NullSink *)sink;
    eg_timer_free(null->drain_timer);
    g_mutex_clear(&null->lock);
}

const EgSinkClass eg_sink_null = {
    .name = "null",
    .instance_bytes = sizeof(NullSink),
    .open = open_sink,
    .push = push,
    .drain = drain,
    .get_stats = get_stats,
    .free = free_sink,
};
