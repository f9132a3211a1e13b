#include "sink/sink-class.h"

static const EgSinkClass *const classes[EG_N_SINKS] = {
    [EG_SINK_FILE] = &eg_sink_file,     [EG_SINK_SEGMENTS] = &eg_sink_segments,
    [EG_SINK_STREAM] = &eg_sink_stream, [EG_SINK_WEBSOCKET] = &eg_sink_websocket,
    [EG_SINK_IMAGES] = &eg_sink_images, [EG_SINK_NULL] = &eg_sink_null,
};

struct _EgSinkTeller {
    EgLoop *loop;
    EgSink *sink; /* loop's thread only; NULL: it has gone */
};

typedef struct {
    EgSinkTeller *teller;
    char *path;
    GBytes *content;
    char *unfinished; /* of one that has grown; NULL: it is complete */
    guint64 stable_from;
    guint64 size_bytes;
} Message;

static void free_message(gpointer data)
{
    Message *message = data;
    eg_sink_teller_unref(message->teller);
    g_free(message->path);
    g_clear_pointer(&message->content, g_bytes_unref);
    g_free(message->unfinished);
    g_free(message);
}

static void on_completed(gpointer data)
{
    const Message *message = data;
    const EgSink *sink = message->teller->sink;
    const EgSinkFile file = {.path = message->path, .content = message->content};
    if (sink != NULL)
        sink->events.completed(sink->user, &file);
}

void eg_sink_tell_completed(EgSinkTeller *teller, const char *path, GBytes *content)
{
    if (teller == NULL)
        return;
    Message *message = g_new(Message, 1);
    *message = (Message){
        .teller = eg_sink_teller_ref(teller),
        .path = g_strdup(path),
        .content = content != NULL ? g_bytes_ref(content) : NULL,
    };
    eg_loop_post(teller->loop, on_completed, message, free_message);
}

static void on_grown(gpointer data)
{
    const Message *message = data;
    const EgSink *sink = message->teller->sink;
    const EgSinkGrowth growth = {
        .path = message->path,
        .unfinished = message->unfinished,
        .stable_from = message->stable_from,
        .size_bytes = message->size_bytes,
    };
    if (sink != NULL && sink->events.grown != NULL)
        sink->events.grown(sink->user, &growth);
}

void eg_sink_tell_grown(EgSinkTeller *teller, const EgSinkGrowth *growth)
{
    if (teller == NULL)
        return;
    Message *message = g_new(Message, 1);
    *message = (Message){
        .teller = eg_sink_teller_ref(teller),
        .path = g_strdup(growth->path),
        .unfinished = g_strdup(growth->unfinished),
        .stable_from = growth->stable_from,
        .size_bytes = growth->size_bytes,
    };
    eg_loop_post(teller->loop, on_grown, message, free_message);
}

EgSinkTeller *eg_sink_teller_ref(EgSinkTeller *teller)
{
    return teller != NULL ? g_atomic_rc_box_acquire(teller) : NULL;
}

void eg_sink_teller_unref(EgSinkTeller *teller)
{
    if (teller != NULL)
        g_atomic_rc_box_release(teller);
}

void eg_sink_tell_ended(gpointer sink, const GError *error)
{
    const EgSink *ended = sink;
    eg_loop_assert_owner(ended->loop);
    if (error != NULL)
        ended->events.failed(ended->user, error);
    else
        ended->events.drained(ended->user);
}

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
    if (events->completed != NULL) {
        sink->teller = g_atomic_rc_box_new0(EgSinkTeller);
        *sink->teller = (EgSinkTeller){.loop = loop, .sink = sink};
    }
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
    if (sink->teller != NULL)
        sink->teller->sink = NULL;
    eg_sink_teller_unref(sink->teller);
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

void eg_sink_remains_clear(EgSinkRemains *remains)
{
    g_clear_pointer(&remains->files, g_ptr_array_unref);
    g_clear_pointer(&remains->replaced, g_ptr_array_unref);
}

void eg_sink_recover(EgSinkKind kind, const EgSinkParams *params, const gint *is_canceled,
                     EgSinkRemains *remains)
{
    g_assert(kind > EG_SINK_NONE && kind < EG_N_SINKS);
    *remains = (EgSinkRemains){
        .files = g_ptr_array_new_with_free_func(g_free),
        .replaced = g_ptr_array_new_with_free_func(g_free),
    };
    if (classes[kind]->recover != NULL)
        classes[kind]->recover(params, is_canceled, remains);
}
