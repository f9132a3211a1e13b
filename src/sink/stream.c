/* A stream to a server that takes RTMP or SRT: what happens to it, as others see it. */
#include "base/error.h"
#include "base/time.h"
#include "proto/redact.h"
#include "sink/sink-class.h"
#include "sink/stream-writer.h"

/* At the end, for what is still to be sent. */
#define DRAIN_NS (10 * EG_NS_PER_S)

/* How often it is told that a server is too slow. */
#define SLOW_TOLD_NS (60 * EG_NS_PER_S)

typedef struct {
    EgSink base;
    char *name; /* for people: the URL without its secrets */
    EgStreamWriter *writer;
    EgTimer *drain_timer;
    bool is_connected;
    bool has_ended;
    gint64 started_ns;
    gint64 last_retry_ns;
    guint retries;
    gint64 slow_told_ns; /* monotonic; 0: never */
} Stream;

static void tell_changed(Stream *stream)
{
    if (stream->base.events.changed != NULL)
        stream->base.events.changed(stream->base.user);
}

static void on_connected(gpointer user)
{
    Stream *stream = user;
    bool is_first = stream->started_ns == 0;
    stream->is_connected = true;
    if (is_first)
        stream->started_ns = eg_wall_now_ns();
    eg_info(stream->base.log, is_first ? "stream started" : "stream goes on",
            EG_STR("url", stream->name));
    tell_changed(stream);
}

static void on_retrying(gpointer user, const GError *cause)
{
    Stream *stream = user;
    if (stream->is_connected)
        eg_warn(stream->base.log, "stream lost, trying again", EG_STR("url", stream->name),
                EG_STR("error", cause->message));
    stream->is_connected = false;
    stream->retries++;
    stream->last_retry_ns = eg_wall_now_ns();
    tell_changed(stream);
}

static void on_ended(gpointer user, const GError *error)
{
    Stream *stream = user;
    stream->has_ended = true;
    stream->is_connected = false;
    eg_timer_clear(stream->drain_timer);
    eg_sink_tell_ended(stream, error);
}

static void on_drain_due(gpointer user)
{
    Stream *stream = user;
    eg_warn(stream->base.log, "the end of a stream was not taken in time",
            EG_STR("url", stream->name));
    eg_stream_writer_cancel(stream->writer);
}

static bool open_sink(EgSink *base, const EgSinkParams *params, GError **error)
{
    static const EgStreamWriterEvents events = {
        .connected = on_connected, .retrying = on_retrying, .ended = on_ended};
    Stream *stream = (Stream *)base;
    stream->name = eg_redact_url(params->url);
    stream->drain_timer = eg_timer_new(base->loop, on_drain_due, stream);
    stream->writer = eg_stream_writer_new(base->loop, params, &events, stream, error);
    return stream->writer != NULL;
}

static void push(EgSink *base, EgMedia media, GstBuffer *frame)
{
    Stream *stream = (Stream *)base;
    gint64 now_ns = eg_now_ns();
    bool is_slow = eg_stream_writer_push(stream->writer, media, frame);
    if (!is_slow || (stream->slow_told_ns != 0 && now_ns - stream->slow_told_ns < SLOW_TOLD_NS))
        return;
    stream->slow_told_ns = now_ns;
    eg_warn(base->log, "server is too slow for a stream, leaving out pictures",
            EG_STR("url", stream->name));
}

static void drain(EgSink *base)
{
    Stream *stream = (Stream *)base;
    if (stream->has_ended)
        return;
    eg_timer_set_after(stream->drain_timer, DRAIN_NS);
    eg_stream_writer_finish(stream->writer);
}

static void get_stats(const EgSink *base, EgSinkStats *stats)
{
    const Stream *stream = (const Stream *)base;
    eg_stream_writer_get_stats(stream->writer, stats);
    stats->started_ns = stream->started_ns;
    stats->last_retry_ns = stream->last_retry_ns;
    stats->retries = stream->retries;
    stats->is_connected = stream->is_connected;
}

static void free_sink(EgSink *base)
{
    Stream *stream = (Stream *)base;
    eg_stream_writer_free(stream->writer);
    eg_timer_free(stream->drain_timer);
    g_free(stream->name);
}

const EgSinkClass eg_sink_stream = {
    .name = "stream",
    .instance_bytes = sizeof(Stream),
    .open = open_sink,
    .push = push,
    .drain = drain,
    .get_stats = get_stats,
    .free = free_sink,
};
