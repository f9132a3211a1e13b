#include "sink/stream-writer.h"

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "proto/redact.h"
#include "sink/stream-connection.h"
#include "sink/stream-retry.h"

/* How long one that is let go of is waited for: looking up a name cannot be broken off. */
#define LEAVE_NS EG_NS_PER_S

typedef enum {
    WRITER_NONE,
    WRITER_OPEN,
    WRITER_FINISHING, /* no more frames; what there is, is sent */
    WRITER_ENDED,     /* the thread is over */
} WriterState;

/* Shared by the loop and the writer's own thread, which may outlive both. */
struct _EgStreamWriter {
    char *name; /* the URL without its secrets */
    char *ca_cert_file;
    EgStreamUrl *url;
    GstCaps *caps[EG_N_MEDIA];
    EgStreamConnectionParams params;
    gint is_canceled; /* atomic */

    /* Loop's thread only. */
    EgStreamWriterEvents events;
    gpointer user;
    bool is_abandoned;

    GMutex lock; /* for these */
    GCond changed;
    EgLoop *loop; /* NULL when nothing is to be told any more */
    WriterState state;
    bool is_connected;
    EgStreamQueue *queue;
    EgSinkStats stats;  /* of what was sent */
    guint64 sent_bytes; /* by connections that are over */
    bool has_first;
    gint64 first_ns; /* PTS */

    /* Writer's thread only. */
    EgStreamRetry retry;
};

typedef enum {
    NEWS_NONE,
    NEWS_CONNECTED,
    NEWS_RETRYING,
    NEWS_ENDED,
} News;

typedef struct {
    EgStreamWriter *writer;
    News news;
    GError *error;
} Message;

static void clear_writer(gpointer data)
{
    EgStreamWriter *writer = data;
    for (guint media = 0; media < EG_N_MEDIA; media++)
        gst_clear_caps(&writer->caps[media]);
    eg_stream_queue_free(writer->queue);
    eg_stream_url_free(writer->url);
    g_mutex_clear(&writer->lock);
    g_cond_clear(&writer->changed);
    g_free(writer->ca_cert_file);
    g_free(writer->name);
}

static void unref_writer(EgStreamWriter *writer)
{
    g_atomic_rc_box_release_full(writer, clear_writer);
}

static void free_message(gpointer data)
{
    Message *message = data;
    unref_writer(message->writer);
    g_clear_error(&message->error);
    g_free(message);
}

static void on_message(gpointer data)
{
    const Message *message = data;
    EgStreamWriter *writer = message->writer;
    if (writer->is_abandoned)
        return;
    switch (message->news) {
    case NEWS_CONNECTED:
        writer->events.connected(writer->user);
        break;
    case NEWS_RETRYING:
        writer->events.retrying(writer->user, message->error);
        break;
    case NEWS_ENDED:
        writer->events.ended(writer->user, message->error);
        break;
    case NEWS_NONE:
        break;
    }
}

/* Writer's thread; takes the error. */
static void post(EgStreamWriter *writer, News news, GError *error)
{
    Message *message = g_new(Message, 1);
    *message = (Message){.writer = g_atomic_rc_box_acquire(writer), .news = news, .error = error};
    g_mutex_lock(&writer->lock);
    if (writer->loop != NULL)
        eg_loop_post(writer->loop, on_message, message, free_message);
    else
        free_message(message);
    g_mutex_unlock(&writer->lock);
}

static void wait_changed(EgStreamWriter *writer, gint64 until_ns)
{
    if (until_ns == EG_TIME_NONE)
        g_cond_wait(&writer->changed, &writer->lock);
    else
        g_cond_wait_until(&writer->changed, &writer->lock, until_ns / EG_NS_PER_US);
}

/* NULL when there will be none. */
static GstBuffer *wait_frame(EgStreamWriter *writer, EgMedia *media)
{
    GstBuffer *frame = NULL;
    gint64 next_ns = EG_TIME_NONE;
    g_mutex_lock(&writer->lock);
    while (g_atomic_int_get(&writer->is_canceled) == 0) {
        bool is_last = writer->state == WRITER_FINISHING;
        frame = eg_stream_queue_take(writer->queue, is_last, eg_now_ns(), media, &next_ns);
        if (frame != NULL || is_last)
            break;
        wait_changed(writer, next_ns);
    }
    g_mutex_unlock(&writer->lock);
    return frame;
}

static void count(EgStreamWriter *writer, const GstBuffer *frame, guint64 size_bytes)
{
    gint64 pts_ns = MAX(eg_frame_pts(frame), 0);
    gint64 end_ns = pts_ns;
    if (GST_BUFFER_DURATION_IS_VALID(frame))
        end_ns = eg_frame_pts(frame) + (gint64)GST_BUFFER_DURATION(frame);
    g_mutex_lock(&writer->lock);
    if (!writer->has_first)
        writer->first_ns = pts_ns;
    writer->has_first = true;
    writer->stats.duration_ns = MAX(writer->stats.duration_ns, end_ns - writer->first_ns);
    writer->stats.size_bytes = writer->sent_bytes + size_bytes;
    g_mutex_unlock(&writer->lock);
}

/* Until everything is sent (true) or the connection is lost. */
static bool send_frames(EgStreamWriter *writer, EgStreamConnection *connection, GError **error)
{
    EgMedia media = EG_MEDIA_AUDIO;
    GstBuffer *frame;
    bool is_good = true;
    while (is_good && (frame = wait_frame(writer, &media)) != NULL) {
        is_good = eg_stream_connection_write(connection, media, frame, error);
        if (is_good)
            count(writer, frame, eg_stream_connection_size_bytes(connection));
        gst_buffer_unref(frame);
    }
    if (is_good)
        is_good = eg_stream_connection_finish(connection, error);
    writer->sent_bytes += eg_stream_connection_size_bytes(connection);
    return is_good;
}

static void set_connected(EgStreamWriter *writer, bool is_connected)
{
    g_mutex_lock(&writer->lock);
    writer->is_connected = is_connected;
    g_mutex_unlock(&writer->lock);
}

/* One connection, from its beginning to its end. */
static bool run_connection(EgStreamWriter *writer, GError **error)
{
    g_autoptr(EgStreamConnection) connection = eg_stream_connection_open(&writer->params, error);
    if (connection == NULL)
        return false;
    eg_stream_retry_connected(&writer->retry, eg_now_ns());
    set_connected(writer, true);
    post(writer, NEWS_CONNECTED, NULL);
    bool is_done = send_frames(writer, connection, error);
    set_connected(writer, false);
    g_mutex_lock(&writer->lock);
    eg_stream_queue_restart(writer->queue);
    g_mutex_unlock(&writer->lock);
    return is_done;
}

/* Until it is time for the next try; false: there is to be none. */
static bool wait_retry(EgStreamWriter *writer, gint64 next_ns)
{
    g_mutex_lock(&writer->lock);
    while (writer->state == WRITER_OPEN && g_atomic_int_get(&writer->is_canceled) == 0 &&
           eg_now_ns() < next_ns)
        wait_changed(writer, next_ns);
    bool is_open = writer->state == WRITER_OPEN && g_atomic_int_get(&writer->is_canceled) == 0;
    g_mutex_unlock(&writer->lock);
    return is_open;
}

/* Ends with an error only what could have gone on. */
static void end(EgStreamWriter *writer, GError *error)
{
    g_mutex_lock(&writer->lock);
    bool is_open = writer->state == WRITER_OPEN;
    g_mutex_unlock(&writer->lock);
    bool has_worked = writer->retry.connected_ns != EG_TIME_NONE;
    if (!is_open && has_worked)
        g_clear_error(&error);
    post(writer, NEWS_ENDED, error);
    g_mutex_lock(&writer->lock);
    writer->state = WRITER_ENDED;
    g_cond_broadcast(&writer->changed);
    g_mutex_unlock(&writer->lock);
}

static gpointer run(gpointer data)
{
    EgStreamWriter *writer = data;
    GError *error = NULL;
    while (!run_connection(writer, &error)) {
        gint64 next_ns = eg_stream_retry_failed(&writer->retry, eg_now_ns());
        if (next_ns == EG_TIME_NONE)
            break;
        post(writer, NEWS_RETRYING, g_error_copy(error));
        if (!wait_retry(writer, next_ns))
            break;
        g_clear_error(&error);
    }
    end(writer, error);
    unref_writer(writer);
    return NULL;
}

/* Times before 0, of what a codec puts in front, are not for streams. */
#define SHIFT_NS (200 * EG_NS_PER_MS)

static void fill(EgStreamWriter *writer, const EgSinkParams *params)
{
    writer->name = eg_redact_url(params->url);
    writer->ca_cert_file = g_strdup(params->ca_cert_file);
    gst_caps_replace(&writer->caps[EG_MEDIA_AUDIO], params->audio);
    gst_caps_replace(&writer->caps[EG_MEDIA_VIDEO], params->video);
    writer->queue = eg_stream_queue_new(params->audio != NULL, params->video != NULL);
    eg_stream_retry_init(&writer->retry, params->retry_ns);
    writer->params = (EgStreamConnectionParams){
        .url = writer->url,
        .name = writer->name,
        .audio = writer->caps[EG_MEDIA_AUDIO],
        .video = writer->caps[EG_MEDIA_VIDEO],
        .shift_ns = SHIFT_NS,
        .ca_cert_file = writer->ca_cert_file,
        .takes_any_certificate = params->takes_any_certificate,
        .is_canceled = &writer->is_canceled,
    };
}

EgStreamWriter *eg_stream_writer_new(EgLoop *loop, const EgSinkParams *params,
                                     const EgStreamWriterEvents *events, gpointer user,
                                     GError **error)
{
    EgStreamUrl *url = eg_stream_url_parse(params->url, error);
    if (url == NULL)
        return NULL;
    EgStreamWriter *writer = g_atomic_rc_box_new0(EgStreamWriter);
    writer->loop = loop;
    writer->url = url;
    writer->events = *events;
    writer->user = user;
    writer->state = WRITER_OPEN;
    g_mutex_init(&writer->lock);
    g_cond_init(&writer->changed);
    fill(writer, params);
    g_thread_unref(g_thread_new("stream", run, g_atomic_rc_box_acquire(writer)));
    return writer;
}

void eg_stream_writer_free(EgStreamWriter *writer)
{
    if (writer == NULL)
        return;
    writer->is_abandoned = true;
    eg_stream_writer_cancel(writer);
    gint64 end_us = (eg_now_ns() + LEAVE_NS) / EG_NS_PER_US;
    g_mutex_lock(&writer->lock);
    writer->loop = NULL;
    while (writer->state != WRITER_ENDED &&
           g_cond_wait_until(&writer->changed, &writer->lock, end_us))
        continue;
    g_mutex_unlock(&writer->lock);
    unref_writer(writer);
}

bool eg_stream_writer_push(EgStreamWriter *writer, EgMedia media, GstBuffer *frame)
{
    g_mutex_lock(&writer->lock);
    guint64 n_dropped = eg_stream_queue_dropped(writer->queue);
    if (writer->state == WRITER_OPEN) {
        eg_stream_queue_push(writer->queue, media, frame, eg_now_ns());
        g_cond_broadcast(&writer->changed);
        frame = NULL;
    }
    bool is_slow = eg_stream_queue_dropped(writer->queue) > n_dropped;
    g_mutex_unlock(&writer->lock);
    if (frame != NULL)
        gst_buffer_unref(frame);
    return is_slow;
}

void eg_stream_writer_finish(EgStreamWriter *writer)
{
    g_mutex_lock(&writer->lock);
    if (writer->state == WRITER_OPEN)
        writer->state = WRITER_FINISHING;
    /* Nobody may ever come. */
    if (writer->url->is_listener && !writer->is_connected)
        g_atomic_int_set(&writer->is_canceled, 1);
    g_cond_broadcast(&writer->changed);
    g_mutex_unlock(&writer->lock);
}

void eg_stream_writer_cancel(EgStreamWriter *writer)
{
    g_atomic_int_set(&writer->is_canceled, 1);
    eg_stream_writer_finish(writer);
}

void eg_stream_writer_get_stats(EgStreamWriter *writer, EgSinkStats *stats)
{
    g_mutex_lock(&writer->lock);
    *stats = writer->stats;
    stats->dropped_frames = eg_stream_queue_dropped(writer->queue);
    g_mutex_unlock(&writer->lock);
}
