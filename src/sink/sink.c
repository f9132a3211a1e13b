#include "sink/sink-class.h"

static const EgSinkClass *const classes[EG_N_SINKS] = {
    [EG_SINK_FILE] = &eg_sink_file,     [EG_SINK_SEGMENTS] = &eg_sink_segments,
    [EG_SINK_STREAM] = &eg_sink_stream, [EG_SINK_WEBSOCKET] = &eg_sink_websocket,
    [EG_SINK_IMAGES] = &eg_sink_images, [EG_SINK_NULL] = &eg_sink_null,
};

EgSink *eg_sink_new(EgSinkKind kind, EgLoop *loop, const EgSinkParams *params,
                    const EgSinkEvents *events, gpointer user, GError **error)
{
    eg_loop_assert_owner(loop);
    g_assert(kind > EG_SINK_NONE && kind < EG_N_SINKS);
    const EgSinkClass *class = classes[kind];

    EgSink *sink = g_malloc0(class->instance_bytes);
    sink->class = class;
    sink->loop = loop;
    sink->log = params->log;
    sink->events = *events;
    sink->user = user;
    if (class->open(sink, params, error))
        return sink;
    eg_sink_free(sink);
    return NULL;
}

void eg_sink_free(EgSink *sink)
{
    if (sink == NULL)
        return;
    eg_loop_assert_owner(sink->loop);
    sink->class->free(sink);
    g_free(sink);
}

void eg_sink_push(EgSink *sink, EgMedia media, GstBuffer *frame)
{
    sink->class->push(sink, media, frame);
}

void eg_sink_push_picture(EgSink *sink, GstBuffer *picture)
{
    eg_loop_assert_owner(sink->loop);
    if (sink->class->push_picture != NULL)
        sink->class->push_picture(sink, picture);
    else
        gst_buffer_unref(picture);
}

void eg_sink_set_muted(EgSink *sink, bool is_muted, gint64 from_ns)
{
    eg_loop_assert_owner(sink->loop);
    if (sink->class->set_muted != NULL)
        sink->class->set_muted(sink, is_muted, from_ns);
}

void eg_sink_drain(EgSink *sink)
{
    eg_loop_assert_owner(sink->loop);
    sink->class->drain(sink);
}

void eg_sink_get_stats(const EgSink *sink, EgSinkStats *stats)
{
    sink->class->get_stats(sink, stats);
}
