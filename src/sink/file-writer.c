#include "sink/file-writer.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "media/opus.h"
#include "sink/file-finalize.h"
#include "sink/file-name.h"
#include "sink/muxer.h"

/* How long frames are gathered; no more than that is lost when the process dies. */
#define BATCH_NS (400 * EG_NS_PER_MS)

/* The first of them waits that long for something of each kind: with it goes the index of an MP4,
 * which says where each kind begins. An encoder of few pictures a second puts out its first late.
 */
#define FIRST_BATCH_NS (10 * EG_NS_PER_S)

#define BATCH_BYTES    (512 * 1024)
#define QUEUE_BYTES    (32 * 1024 * 1024)
#define OPUS_PACKET_NS (20 * EG_NS_PER_MS)

typedef struct {
    EgMedia media;
    GstBuffer *frame;
} Item;

typedef enum {
    WRITER_NONE,
    WRITER_OPEN,
    WRITER_FINISHING, /* no more frames; the file is completed */
    WRITER_CLOSING,   /* no more frames; the file is closed as it is */
} WriterState;

/* Shared by the loop, the threads that push and the writer's own. */
struct _EgFileWriter {
    EgLoop *loop;
    const EgLog *log;
    char *path;
    char *recording;
    EgFormat format;
    bool is_copied; /* when it is complete */
    GThread *thread;
    gint is_canceled; /* atomic */
    gint progress;    /* atomic */

    /* Loop's thread only. */
    EgFileWriterFunc ended; /* NULL when it was called, or must not be */
    gpointer user;
    bool is_abandoned;
    EgFileRecovery *recovery;

    GMutex lock; /* for these */
    GCond changed;
    GQueue queue; /* Item */
    gsize queued_bytes;
    bool lacks[EG_N_MEDIA]; /* kinds of which nothing was pushed yet */
    WriterState state;
    bool has_failed; /* what is pushed is thrown away */
    guint64 size_bytes;

    /* Writer's thread only. */
    EgMuxer *muxer;
    EgSinkTeller *teller;
    int lock_fd;
    bool is_opus;
    gint64 opus_end_ns; /* of the sound written; EG_TIME_NONE before */
    EgRemuxHints hints;
    GError *error;
};

typedef struct {
    EgFileWriter *writer;
    GError *error;
} Ending;

static void free_item(gpointer data)
{
    Item *item = data;
    gst_buffer_unref(item->frame);
    g_free(item);
}

static void clear_writer(gpointer data)
{
    EgFileWriter *writer = data;
    eg_muxer_free(writer->muxer);
    eg_sink_teller_unref(writer->teller);
    g_queue_clear_full(&writer->queue, free_item);
    g_clear_error(&writer->error);
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    g_mutex_clear(&writer->lock);
    g_cond_clear(&writer->changed);
    g_free(writer->path);
    g_free(writer->recording);
}

static void unref_writer(EgFileWriter *writer)
{
    g_atomic_rc_box_release_full(writer, clear_writer);
}

static void on_ended(gpointer user)
{
    Ending *ending = user;
    EgFileWriter *writer = ending->writer;
    EgFileWriterFunc ended = writer->ended;
    writer->ended = NULL;
    if (ended != NULL)
        ended(writer->user, ending->error);
}

static void free_ending(gpointer data)
{
    Ending *ending = data;
    unref_writer(ending->writer);
    g_clear_error(&ending->error);
    g_free(ending);
}

/* Any thread. Takes the error. */
static void post_ended(EgFileWriter *writer, GError *error)
{
    Ending *ending = g_new0(Ending, 1);
    ending->writer = g_atomic_rc_box_acquire(writer);
    ending->error = error;
    eg_loop_post(writer->loop, on_ended, ending, free_ending);
}

static gint64 batch_ns(const EgFileWriter *writer)
{
    bool is_first = writer->size_bytes == 0;
    bool lacks_kind = writer->lacks[EG_MEDIA_AUDIO] || writer->lacks[EG_MEDIA_VIDEO];
    return is_first && lacks_kind ? FIRST_BATCH_NS : BATCH_NS;
}

/* Waits until there is a batch, and takes it. False: there will be none. */
static bool take_batch(EgFileWriter *writer, GQueue *batch)
{
    g_mutex_lock(&writer->lock);
    while (writer->state == WRITER_OPEN && writer->queue.length == 0)
        g_cond_wait(&writer->changed, &writer->lock);
    gint64 begin_ns = eg_now_ns();
    while (writer->state == WRITER_OPEN && writer->queued_bytes < BATCH_BYTES &&
           g_cond_wait_until(&writer->changed, &writer->lock,
                             (begin_ns + batch_ns(writer)) / EG_NS_PER_US))
        continue;
    *batch = writer->queue;
    g_queue_init(&writer->queue);
    writer->queued_bytes = 0;
    g_mutex_unlock(&writer->lock);
    return batch->length > 0;
}

static int compare_items(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    gint64 dts_a = eg_frame_dts(((const Item *)a)->frame);
    gint64 dts_b = eg_frame_dts(((const Item *)b)->frame);
    return (dts_a > dts_b) - (dts_a < dts_b);
}

static void write_frame(EgFileWriter *writer, EgMedia media, GstBuffer *frame)
{
    if (writer->error != NULL || !eg_muxer_write(writer->muxer, media, frame, &writer->error))
        return;
    writer->hints.last_duration_ns[media] =
        GST_BUFFER_DURATION_IS_VALID(frame) ? (gint64)GST_BUFFER_DURATION(frame) : 0;
}

static void write_silence(gpointer user, GstBuffer *packet)
{
    EgFileWriter *writer = user;
    write_frame(writer, EG_MEDIA_AUDIO, packet);
    gst_buffer_unref(packet);
    g_atomic_int_inc(&writer->progress);
}

/* Many players play Opus packet after packet whatever their times are: the sound has to be without
 * holes and overlaps. Less than a packet is left to the times. */
static void write_opus(EgFileWriter *writer, GstBuffer *frame)
{
    gint64 pts_ns = eg_frame_pts(frame);
    if (writer->opus_end_ns != EG_TIME_NONE) {
        if (pts_ns <= writer->opus_end_ns - OPUS_PACKET_NS)
            return;
        if (pts_ns >= writer->opus_end_ns + OPUS_PACKET_NS)
            eg_opus_fill(writer->opus_end_ns, pts_ns, write_silence, writer);
    }
    write_frame(writer, EG_MEDIA_AUDIO, frame);
    writer->opus_end_ns = pts_ns + OPUS_PACKET_NS;
    if (GST_BUFFER_DURATION_IS_VALID(frame))
        writer->opus_end_ns = pts_ns + (gint64)GST_BUFFER_DURATION(frame);
}

static void set_size(EgFileWriter *writer, guint64 size_bytes)
{
    g_mutex_lock(&writer->lock);
    writer->size_bytes = size_bytes;
    g_mutex_unlock(&writer->lock);
}

/* A disk that is full takes half a fragment, and with half of a fragment's head at its end a file
 * cannot be opened by most players. */
static void drop_broken_end(EgFileWriter *writer)
{
    g_clear_pointer(&writer->muxer, eg_muxer_free);
    if (ftruncate(writer->lock_fd, (off_t)writer->size_bytes) != 0)
        eg_warn(writer->log, "the end of an unfinished recording is broken",
                EG_STR("path", writer->recording), EG_STR("error", g_strerror(errno)));
}

/* The last page of an Ogg file carries the mark of its end (RFC 3533, 6), without which players do
 * not cut what fills up the last packet: it is left to eg_muxer_finish(). */
static bool keeps_last_page(EgFileWriter *writer)
{
    g_mutex_lock(&writer->lock);
    bool is_finishing = writer->state == WRITER_FINISHING;
    g_mutex_unlock(&writer->lock);
    return is_finishing && writer->format == EG_FORMAT_OGG;
}

static bool flush(EgFileWriter *writer)
{
    if (!eg_muxer_flush(writer->muxer, &writer->error))
        return false;
    const EgSinkGrowth growth = {
        .path = writer->path,
        .unfinished = writer->recording,
        .stable_from = eg_muxer_stable_from(writer->muxer),
        .size_bytes = eg_muxer_size_bytes(writer->muxer),
    };
    if (!writer->is_copied)
        eg_sink_tell_grown(writer->teller, &growth);
    return true;
}

static void write_batch(EgFileWriter *writer, GQueue *batch)
{
    /* Sound and pictures come from different threads; players like them in the order of time. */
    g_queue_sort(batch, compare_items, NULL);
    for (GList *link = batch->head; link != NULL && writer->error == NULL; link = link->next) {
        const Item *item = link->data;
        if (item->media == EG_MEDIA_AUDIO && writer->is_opus)
            write_opus(writer, item->frame);
        else
            write_frame(writer, item->media, item->frame);
        g_atomic_int_inc(&writer->progress);
    }
    if (writer->error == NULL && (keeps_last_page(writer) || flush(writer)))
        set_size(writer, eg_muxer_size_bytes(writer->muxer));
    else
        drop_broken_end(writer);
}

static void fail(EgFileWriter *writer)
{
    g_mutex_lock(&writer->lock);
    writer->has_failed = true;
    g_mutex_unlock(&writer->lock);

    GError *error = NULL;
    if (writer->size_bytes > 0)
        eg_error_set(&error, eg_error_code(writer->error), eg_error_blame(writer->error),
                     "%s; what was recorded is kept in %s", writer->error->message,
                     writer->recording);
    else
        error = g_error_copy(writer->error);
    post_ended(writer, error);
}

static void complete(EgFileWriter *writer)
{
    if (writer->size_bytes == 0) {
        eg_error_set(&writer->error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                     "nothing was recorded for %s", writer->path);
        return;
    }
    if (!eg_muxer_finish(writer->muxer, &writer->error)) {
        drop_broken_end(writer);
        return;
    }
    GStatBuf status;
    if (eg_file_finalize(writer->recording, writer->path, writer->format,
                         writer->is_copied ? &writer->hints : NULL, &writer->progress,
                         &writer->is_canceled, &writer->error) &&
        g_stat(writer->path, &status) == 0)
        set_size(writer, (guint64)status.st_size);
}

static gpointer run(gpointer data)
{
    EgFileWriter *writer = data;
    GQueue batch = G_QUEUE_INIT;
    while (writer->error == NULL && take_batch(writer, &batch)) {
        write_batch(writer, &batch);
        g_queue_clear_full(&batch, free_item);
    }
    g_mutex_lock(&writer->lock);
    bool is_finishing = writer->state == WRITER_FINISHING && !writer->has_failed;
    g_mutex_unlock(&writer->lock);

    if (writer->error == NULL && is_finishing)
        complete(writer);
    else if (writer->error == NULL && !eg_muxer_finish(writer->muxer, NULL))
        drop_broken_end(writer);
    if (writer->size_bytes == 0)
        g_unlink(writer->recording);

    if (writer->error != NULL)
        fail(writer);
    else if (is_finishing)
        post_ended(writer, NULL);
    unref_writer(writer);
    return NULL;
}

static bool is_opus(const GstCaps *caps)
{
    return caps != NULL && gst_structure_has_name(gst_caps_get_structure(caps, 0), "audio/x-opus");
}

static bool open_file(EgFileWriter *writer, const EgFileWriterParams *params, GError **error)
{
    if (!eg_file_check_destination(writer->path, error))
        return false;
    GError *failure = NULL;
    writer->recovery = eg_file_recovery_start(writer->path, writer->format, params->log, &failure);
    if (failure != NULL) {
        g_propagate_error(error, failure);
        return false;
    }
    writer->lock_fd = eg_file_lock_recording(writer->recording, error);
    if (writer->lock_fd < 0)
        return false;
    writer->muxer =
        eg_muxer_new(writer->recording, writer->format, params->audio, params->video, error);
    if (writer->muxer == NULL)
        g_unlink(writer->recording);
    return writer->muxer != NULL;
}

EgFileWriter *eg_file_writer_new(EgLoop *loop, const EgFileWriterParams *params,
                                 EgFileWriterFunc ended, gpointer user, GError **error)
{
    EgFileWriter *writer = g_atomic_rc_box_new0(EgFileWriter);
    writer->loop = loop;
    writer->log = params->log;
    writer->path = g_strdup(params->path);
    writer->recording = eg_file_recording_name(params->path);
    writer->format = params->format;
    writer->is_copied = params->format == EG_FORMAT_MP4 && !params->is_fragmented;
    writer->teller = eg_sink_teller_ref(params->teller);
    writer->ended = ended;
    writer->user = user;
    g_mutex_init(&writer->lock);
    g_cond_init(&writer->changed);
    g_queue_init(&writer->queue);
    writer->state = WRITER_OPEN;
    writer->lock_fd = -1;
    writer->is_opus = is_opus(params->audio);
    writer->lacks[EG_MEDIA_AUDIO] = params->audio != NULL;
    writer->lacks[EG_MEDIA_VIDEO] = params->video != NULL;
    writer->opus_end_ns = EG_TIME_NONE;
    if (!open_file(writer, params, error)) {
        g_clear_pointer(&writer->recovery, eg_file_recovery_free);
        unref_writer(writer);
        return NULL;
    }
    writer->thread = g_thread_new("file", run, g_atomic_rc_box_acquire(writer));
    return writer;
}

static void set_state(EgFileWriter *writer, WriterState state)
{
    g_mutex_lock(&writer->lock);
    if (writer->state == WRITER_OPEN)
        writer->state = state;
    g_cond_signal(&writer->changed);
    g_mutex_unlock(&writer->lock);
}

void eg_file_writer_free(EgFileWriter *writer)
{
    if (writer == NULL)
        return;
    eg_loop_assert_owner(writer->loop);
    writer->ended = NULL;
    g_atomic_int_set(&writer->is_canceled, 1);
    set_state(writer, WRITER_CLOSING);
    g_clear_pointer(&writer->recovery, eg_file_recovery_free);
    if (writer->is_abandoned)
        g_thread_unref(writer->thread);
    else
        g_thread_join(writer->thread);
    unref_writer(writer);
}

void eg_file_writer_push(EgFileWriter *writer, EgMedia media, GstBuffer *frame)
{
    gsize size_bytes = gst_buffer_get_size(frame);
    bool is_full = false;
    g_mutex_lock(&writer->lock);
    bool is_taken = writer->state == WRITER_OPEN && !writer->has_failed;
    if (is_taken && writer->queued_bytes + size_bytes > QUEUE_BYTES) {
        is_full = true;
        is_taken = false;
        writer->has_failed = true;
    }
    if (is_taken) {
        Item *item = g_new(Item, 1);
        *item = (Item){.media = media, .frame = frame};
        g_queue_push_tail(&writer->queue, item);
        writer->queued_bytes += size_bytes;
        if (writer->queue.length == 1 || writer->queued_bytes >= BATCH_BYTES ||
            writer->lacks[media])
            g_cond_signal(&writer->changed);
        writer->lacks[media] = false;
    }
    g_mutex_unlock(&writer->lock);
    if (!is_taken)
        gst_buffer_unref(frame);
    if (!is_full)
        return;
    GError *error = NULL;
    eg_error_set(&error, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_DESTINATION,
                 "the disk is too slow for %s; what was recorded is kept in %s", writer->path,
                 writer->recording);
    post_ended(writer, error);
}

void eg_file_writer_finish(EgFileWriter *writer)
{
    set_state(writer, WRITER_FINISHING);
}

gint eg_file_writer_progress(const EgFileWriter *writer)
{
    return g_atomic_int_get(&writer->progress);
}

void eg_file_writer_abandon(EgFileWriter *writer)
{
    writer->is_abandoned = true;
    writer->ended = NULL;
}

guint64 eg_file_writer_size_bytes(const EgFileWriter *writer)
{
    EgFileWriter *shared = (EgFileWriter *)writer;
    g_mutex_lock(&shared->lock);
    guint64 size_bytes = shared->size_bytes;
    g_mutex_unlock(&shared->lock);
    return size_bytes;
}
