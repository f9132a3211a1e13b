#include <glib/gstdio.h>

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "sink/av-util.h"
#include "sink/file-finalize.h"
#include "sink/file-name.h"
#include "sink/file-writer.h"
#include "sink/sink-class.h"

/* While a file is completed, how long it may stand still: copying may take minutes, but something
 * moves all the time. */
#define STALL_NS (60 * EG_NS_PER_S)

/* No fragment is that small but the first, half of it. */
#define EMPTY_BYTES (1024 * 1024)

typedef struct {
    EgSink base;
    char *path;
    EgFileWriter *writer;
    EgTimer *stall_timer;
    gint last_progress;
    bool has_ended; /* drained or failed */

    GMutex lock; /* for these */
    bool has_first;
    gint64 first_ns;
    gint64 end_ns;
} FileSink;

static void on_ended(gpointer user, const GError *error)
{
    FileSink *file = user;
    file->has_ended = true;
    eg_timer_clear(file->stall_timer);
    const EgSinkFile completed = {.path = file->path};
    if (error == NULL && file->base.events.completed != NULL)
        file->base.events.completed(file->base.user, &completed);
    eg_sink_tell_ended(file, error);
}

static void on_stall_timer(gpointer user)
{
    FileSink *file = user;
    gint progress = eg_file_writer_progress(file->writer);
    if (progress != file->last_progress) {
        file->last_progress = progress;
        eg_timer_set_after(file->stall_timer, STALL_NS);
        return;
    }
    file->has_ended = true;
    eg_file_writer_abandon(file->writer);
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_DESTINATION,
                 "%s cannot be completed: nothing was written for %d s", file->path,
                 (int)(STALL_NS / EG_NS_PER_S));
    eg_sink_tell_ended(file, error);
}

static bool open_sink(EgSink *sink, const EgSinkParams *params, GError **error)
{
    FileSink *file = (FileSink *)sink;
    g_mutex_init(&file->lock);
    file->path = g_strdup(params->path);
    file->stall_timer = eg_timer_new(sink->loop, on_stall_timer, file);
    EgFileWriterParams writer_params = {
        .log = params->log,
        .path = params->path,
        .format = params->format,
        .audio = params->audio,
        .video = params->video,
        .is_fragmented = params->is_fragmented,
        .teller = sink->teller,
    };
    file->writer = eg_file_writer_new(sink->loop, &writer_params, on_ended, file, error);
    return file->writer != NULL;
}

/* Priming, before 0, is not part of what is seen and heard. */
static void note_times(FileSink *file, const GstBuffer *frame)
{
    gint64 pts_ns = eg_frame_pts(frame);
    gint64 end_ns = pts_ns;
    if (GST_BUFFER_DURATION_IS_VALID(frame))
        end_ns += (gint64)GST_BUFFER_DURATION(frame);
    pts_ns = MAX(pts_ns, 0);
    g_mutex_lock(&file->lock);
    file->first_ns = file->has_first ? MIN(file->first_ns, pts_ns) : pts_ns;
    file->end_ns = file->has_first ? MAX(file->end_ns, end_ns) : end_ns;
    file->has_first = true;
    g_mutex_unlock(&file->lock);
}

static void push(EgSink *sink, EgMedia media, GstBuffer *frame)
{
    FileSink *file = (FileSink *)sink;
    note_times(file, frame);
    eg_file_writer_push(file->writer, media, frame);
}

static void drain(EgSink *sink)
{
    FileSink *file = (FileSink *)sink;
    if (file->has_ended)
        return;
    file->last_progress = eg_file_writer_progress(file->writer);
    eg_timer_set_after(file->stall_timer, STALL_NS);
    eg_file_writer_finish(file->writer);
}

static void get_stats(const EgSink *sink, EgSinkStats *stats)
{
    FileSink *file = (FileSink *)sink;
    *stats = (EgSinkStats){0};
    stats->size_bytes = eg_file_writer_size_bytes(file->writer);
    g_mutex_lock(&file->lock);
    stats->duration_ns = MAX(file->end_ns - file->first_ns, 0);
    g_mutex_unlock(&file->lock);
}

static void free_sink(EgSink *sink)
{
    FileSink *file = (FileSink *)sink;
    eg_file_writer_free(file->writer);
    eg_timer_free(file->stall_timer);
    g_mutex_clear(&file->lock);
    g_free(file->path);
}

/* Who was killed before the first fragment was whole has recorded nothing. What is larger is kept:
 * somebody may know better. */
static bool has_nothing(const char *recording)
{
    GStatBuf status;
    gint64 duration_ns;
    return g_stat(recording, &status) == 0 && status.st_size < EMPTY_BYTES &&
           eg_av_read_duration(recording, &duration_ns, NULL) && duration_ns == 0;
}

/* Under its name it is complete, whatever else is there. */
static void recover(const EgSinkParams *params, const gint *is_canceled, EgSinkRemains *remains)
{
    g_autofree char *recording = eg_file_recording_name(params->path);
    g_autofree char *finishing = eg_file_finishing_name(params->path);
    g_autoptr(GError) error = NULL;
    g_unlink(finishing);
    bool is_complete = g_file_test(params->path, G_FILE_TEST_EXISTS);
    if (is_complete)
        g_unlink(recording);
    else if (!g_file_test(recording, G_FILE_TEST_EXISTS))
        return;
    else if ((is_complete = eg_file_recover(recording, params->path, params->format, params->log,
                                            is_canceled, &error)))
        eg_av_read_duration(params->path, &remains->duration_ns, NULL);
    if (is_complete) {
        g_ptr_array_add(remains->files, g_strdup(params->path));
        return;
    }
    if (!g_atomic_int_get(is_canceled))
        eg_warn(params->log, "unfinished recording not recovered", EG_STR("path", recording),
                EG_STR("error", error->message));
    if (has_nothing(recording))
        g_unlink(recording);
}

const EgSinkClass eg_sink_file = {
    .name = "file",
    .instance_bytes = sizeof(FileSink),
    .open = open_sink,
    .push = push,
    .drain = drain,
    .get_stats = get_stats,
    .free = free_sink,
    .recover = recover,
};
