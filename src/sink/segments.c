/* Files of some seconds each, and playlists of them (HLS). */
#include "base/error.h"
#include "media/frame.h"
#include "sink/file-name.h"
#include "sink/playlist-file.h"
#include "sink/segmenter.h"
#include "sink/segments-recover.h"
#include "sink/sink-class.h"
#include "sink/worker.h"

#define QUEUE_BYTES (32 * 1024 * 1024)

typedef struct {
    EgSink base;
    EgSegmenter *segmenter; /* the worker's, but for its statistics */
    EgWorker *worker;
} SegmentSink;

typedef struct {
    EgMedia media;
    GstBuffer *buffer;
} Frame;

/* The worker's thread. */

static bool work(gpointer user, gpointer item, GError **error)
{
    Frame *frame = item;
    EgMedia media = frame->media;
    GstBuffer *buffer = frame->buffer;
    g_free(frame);
    return eg_segmenter_push(user, media, buffer, error);
}

static bool finish(gpointer user, GError **error)
{
    return eg_segmenter_finish(user, error);
}

static void unload(gpointer item)
{
    Frame *frame = item;
    gst_buffer_unref(frame->buffer);
    g_free(frame);
}

static void destroy(gpointer user)
{
    eg_segmenter_free(user);
}

static const EgWorkerClass worker_class = {
    .name = "segments",
    .limit_bytes = QUEUE_BYTES,
    .unload = unload,
    .work = work,
    .finish = finish,
    .destroy = destroy,
    .ended = eg_sink_tell_ended,
};

/* The loop's. */

/* NULL is fine. Who writes the same playlist writes the same segments, too. */
static bool check_playlist(const char *path, GError **error)
{
    if (path == NULL)
        return true;
    if (!eg_file_check_destination(path, error))
        return false;
    if (!eg_playlist_is_being_written(path))
        return true;
    eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_REQUEST,
                 "%s is being written by another recording", path);
    return false;
}

static bool check_paths(const EgSinkParams *params, GError **error)
{
    /* The first is as good as any. */
    g_autofree char *segment = eg_file_series_path(&params->series, 0, params->origin_wall_ns);
    return eg_file_check_destination(segment, error) &&
           check_playlist(params->segments.playlist, error) &&
           check_playlist(params->segments.live_playlist, error);
}

static bool open_sink(EgSink *base, const EgSinkParams *params, GError **error)
{
    SegmentSink *sink = (SegmentSink *)base;
    if (!check_paths(params, error))
        return false;
    const EgSegmenterParams segmenter = {
        .series = params->series,
        .playlist = params->segments.playlist,
        .live_playlist = params->segments.live_playlist,
        .live_segments = params->segments.live_segments,
        .duration_ns = params->segments.duration_ns,
        .origin_wall_ns = params->origin_wall_ns,
        .teller = base->teller,
        .audio = params->audio,
        .video = params->video,
    };
    sink->segmenter = eg_segmenter_new(&segmenter);
    sink->worker =
        eg_worker_new(base->loop, &worker_class, params->segments.playlist, sink->segmenter, base);
    return true;
}

static void push(EgSink *base, EgMedia media, GstBuffer *buffer)
{
    SegmentSink *sink = (SegmentSink *)base;
    gsize size_bytes = gst_buffer_get_size(buffer);
    Frame *frame = g_new(Frame, 1);
    *frame = (Frame){.media = media, .buffer = buffer};
    eg_worker_push(sink->worker, frame, size_bytes);
}

static void drain(EgSink *base)
{
    eg_worker_finish(((SegmentSink *)base)->worker);
}

static void get_stats(const EgSink *base, EgSinkStats *stats)
{
    EgSegmenterStats segmenter;
    eg_segmenter_get_stats(((const SegmentSink *)base)->segmenter, &segmenter);
    *stats = (EgSinkStats){
        .size_bytes = segmenter.size_bytes,
        .duration_ns = segmenter.duration_ns,
        .n_files = segmenter.n_segments,
    };
}

static void free_sink(EgSink *base)
{
    eg_worker_free(((SegmentSink *)base)->worker);
}

static void recover(const EgSinkParams *params, const gint *is_canceled, EgSinkRemains *remains)
{
    (void)is_canceled;
    eg_segments_recover(params, remains);
}

const EgSinkClass eg_sink_segments = {
    .name = "segments",
    .instance_bytes = sizeof(SegmentSink),
    .open = open_sink,
    .push = push,
    .drain = drain,
    .get_stats = get_stats,
    .free = free_sink,
    .recover = recover,
};
