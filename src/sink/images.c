/* A picture now and then, as an image file. Pictures are scaled and encoded by a small pipeline of
 * their own, and written by a thread; neither is ever waited for. */
#include <gst/video/video.h>

#include "base/error.h"
#include "base/time.h"
#include "media/chain.h"
#include "media/frame.h"
#include "media/gst-util.h"
#include "sink/file-name.h"
#include "sink/sink-class.h"
#include "sink/worker.h"

/* Pictures that wait for the encoder, and images that wait for the disk. One that comes when there
 * are more is dropped: the next one is not far. */
#define WAITING_MAX 3

#define QUEUE_BYTES (64 * 1024 * 1024)

/* What the decoders of the formats expect: JPEG is BT.601 in full range (JFIF), WebP in limited. */
static const struct {
    const char *name;
    const char *caps;
    const char *element;
} encoders[EG_N_IMAGES] = {
    [EG_IMAGE_JPEG] = {"JPEG", "format=I420,colorimetry=1:4:5:1", "jpegenc quality=88"        },
    [EG_IMAGE_PNG] = {"PNG",  "format=RGB",                      "pngenc snapshot=false"     },
    [EG_IMAGE_WEBP] = {"WebP", "format=I420,colorimetry=bt601",   "webpenc quality=85 speed=2"},
};

/* What the writing thread has. */
typedef struct {
    EgFileSeries series;
    char *prefix;
    gint64 origin_wall_ns;
    EgSinkTeller *teller;
    GMutex lock; /* for these */
    guint64 n_images;
    guint64 size_bytes;
} Writer;

typedef struct {
    EgSink base;
    EgChain *chain;
    EgWorker *worker;
    Writer *writer; /* the worker's, but for what its lock guards */
    gint64 interval_ns;
    gint64 next_ns; /* PTS at or after which the next picture is taken */
    gint64 end_ns;  /* of the pictures so far */
    guint waiting;  /* for the encoder, or in it */
    guint64 dropped;
    bool is_draining;
    bool has_ended;
} ImageSink;

/* The writing thread. */

static void tell_image(const Writer *writer, const char *path, const GstMapInfo *map)
{
    bool is_replaced = writer->series.suffix == EG_SUFFIX_NONE && writer->teller != NULL;
    g_autoptr(GBytes) content = is_replaced ? g_bytes_new(map->data, map->size) : NULL;
    eg_sink_tell_completed(writer->teller, path, content);
}

static bool write_image(gpointer user, gpointer item, GError **error)
{
    Writer *writer = user;
    g_autoptr(GstBuffer) image = item;
    g_autofree char *path = eg_file_series_path(&writer->series, writer->n_images,
                                                writer->origin_wall_ns + eg_frame_pts(image));
    GstMapInfo map;
    if (!gst_buffer_map(image, &map, GST_MAP_READ)) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "an image cannot be read");
        return false;
    }
    bool is_written = eg_file_replace(path, map.data, map.size, NULL, error);
    if (is_written)
        tell_image(writer, path, &map);
    g_mutex_lock(&writer->lock);
    writer->n_images += is_written;
    writer->size_bytes += is_written ? map.size : 0;
    g_mutex_unlock(&writer->lock);
    gst_buffer_unmap(image, &map);
    return is_written;
}

static bool finish_images(gpointer user, GError **error)
{
    Writer *writer = user;
    if (writer->n_images > 0)
        return true;
    eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                 "nothing was recorded for %s", writer->prefix);
    return false;
}

static void unload_image(gpointer item)
{
    gst_buffer_unref(item);
}

static void destroy_writer(gpointer user)
{
    Writer *writer = user;
    g_mutex_clear(&writer->lock);
    eg_sink_teller_unref(writer->teller);
    g_free(writer->prefix);
    g_free(writer);
}

/* The loop's. */

static void end(ImageSink *sink, const GError *error)
{
    if (sink->has_ended)
        return;
    sink->has_ended = true;
    if (sink->dropped > 0)
        eg_warn(sink->base.log, "images were dropped", EG_INT("dropped", sink->dropped));
    eg_sink_tell_ended(sink, error);
}

static void on_written(gpointer owner, const GError *error)
{
    end(owner, error);
}

static void on_encoded(gpointer user, GstSample *sample)
{
    ImageSink *sink = user;
    GstBuffer *image = gst_buffer_ref(gst_sample_get_buffer(sample));
    gsize size_bytes = gst_buffer_get_size(image);
    gst_sample_unref(sample);
    sink->waiting--;
    eg_worker_push(sink->worker, image, size_bytes);
}

static void on_encoder_ended(gpointer user)
{
    eg_worker_finish(((ImageSink *)user)->worker);
}

static void on_encoder_failed(gpointer user, const GError *error)
{
    end(user, error);
}

/* Black borders where the shape differs, as with all that is scaled here: before the colours are
 * converted, since a converter to full range draws them grey. */
static char *describe(const EgSinkParams *params)
{
    gint width = 0;
    gint height = 0;
    const GstStructure *picture = gst_caps_get_structure(params->pictures, 0);
    gst_structure_get_int(picture, "width", &width);
    gst_structure_get_int(picture, "height", &height);
    guint wanted_width = params->images.width;
    guint wanted_height = params->images.height;
    if (wanted_width == 0 && wanted_height > 0)
        wanted_width = MAX(wanted_height * (guint)width / (guint)height, 1);
    else if (wanted_height == 0 && wanted_width > 0)
        wanted_height = MAX(wanted_width * (guint)height / (guint)width, 1);
    return g_strdup_printf("videoscale n-threads=1 add-borders=true ! capsfilter caps="
                           "video/x-raw,width=%u,height=%u,pixel-aspect-ratio=1/1 ! "
                           "videoconvert n-threads=1 ! capsfilter caps=video/x-raw,%s ! %s",
                           wanted_width > 0 ? wanted_width : (guint)width,
                           wanted_height > 0 ? wanted_height : (guint)height,
                           encoders[params->images.format].caps,
                           encoders[params->images.format].element);
}

static const EgWorkerClass worker_class = {
    .name = "images",
    .limit_bytes = QUEUE_BYTES,
    .unload = unload_image,
    .work = write_image,
    .finish = finish_images,
    .destroy = destroy_writer,
    .ended = on_written,
};

static bool open_chain(ImageSink *sink, const EgSinkParams *params, GError **error)
{
    static const EgChainEvents events = {
        .sample = on_encoded, .ended = on_encoder_ended, .failed = on_encoder_failed};
    g_autofree char *elements = describe(params);
    g_autofree char *doing = g_strdup_printf("encode %s", encoders[params->images.format].name);
    const EgChainParams chain = {
        .elements = elements,
        .doing = doing,
        .caps = params->pictures,
        .max_samples_out = WAITING_MAX,
    };
    sink->chain = eg_chain_new(sink->base.loop, &chain, &events, sink, error);
    return sink->chain != NULL;
}

static bool open_sink(EgSink *base, const EgSinkParams *params, GError **error)
{
    ImageSink *sink = (ImageSink *)base;
    g_autofree char *path = eg_file_series_path(&params->series, 0, params->origin_wall_ns);
    sink->interval_ns = params->images.interval_ns;
    if (!eg_file_check_destination(path, error) || !open_chain(sink, params, error))
        return false;
    Writer *writer = g_new0(Writer, 1);
    writer->series = params->series;
    writer->series.prefix = writer->prefix = g_strdup(params->series.prefix);
    writer->origin_wall_ns = params->origin_wall_ns;
    writer->teller = eg_sink_teller_ref(base->teller);
    g_mutex_init(&writer->lock);
    sink->writer = writer;
    sink->worker = eg_worker_new(base->loop, &worker_class, params->series.prefix, writer, base);
    return true;
}

static void push(EgSink *base, EgMedia media, GstBuffer *frame)
{
    (void)base;
    (void)media;
    gst_buffer_unref(frame);
}

/* The first at or after each multiple of the interval. */
static bool is_due(ImageSink *sink, GstBuffer *picture)
{
    gint64 pts_ns = (gint64)GST_BUFFER_PTS(picture);
    sink->end_ns = pts_ns;
    if (GST_BUFFER_DURATION_IS_VALID(picture))
        sink->end_ns += (gint64)GST_BUFFER_DURATION(picture);
    if (pts_ns < sink->next_ns || sink->has_ended || sink->is_draining)
        return false;
    sink->next_ns = (pts_ns / sink->interval_ns + 1) * sink->interval_ns;
    return true;
}

static void push_picture(EgSink *base, GstBuffer *picture)
{
    ImageSink *sink = (ImageSink *)base;
    if (!is_due(sink, picture)) {
        gst_buffer_unref(picture);
        return;
    }
    if (sink->waiting + eg_worker_waiting(sink->worker) >= WAITING_MAX) {
        sink->dropped++;
        gst_buffer_unref(picture);
        return;
    }
    sink->waiting++;
    eg_chain_push(sink->chain, picture);
}

static void drain(EgSink *base)
{
    ImageSink *sink = (ImageSink *)base;
    if (sink->has_ended || sink->is_draining)
        return;
    sink->is_draining = true;
    eg_chain_end(sink->chain);
}

static void get_stats(const EgSink *base, EgSinkStats *stats)
{
    const ImageSink *sink = (const ImageSink *)base;
    g_mutex_lock(&sink->writer->lock);
    *stats = (EgSinkStats){
        .size_bytes = sink->writer->size_bytes,
        .duration_ns = sink->end_ns,
        .n_files = sink->writer->n_images,
    };
    g_mutex_unlock(&sink->writer->lock);
}

static void free_sink(EgSink *base)
{
    ImageSink *sink = (ImageSink *)base;
    eg_chain_free(sink->chain);
    eg_worker_free(sink->worker);
}

/* Each was complete when it got its name. */
static void recover(const EgSinkParams *params, const gint *is_canceled, EgSinkRemains *remains)
{
    (void)is_canceled;
    eg_file_series_list(&params->series, params->series.suffix == EG_SUFFIX_NONE ? remains->replaced
                                                                                 : remains->files);
}

const EgSinkClass eg_sink_images = {
    .name = "images",
    .instance_bytes = sizeof(ImageSink),
    .open = open_sink,
    .push = push,
    .push_picture = push_picture,
    .drain = drain,
    .get_stats = get_stats,
    .free = free_sink,
    .recover = recover,
};
