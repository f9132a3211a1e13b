#include "sink/av-util.h"

#include <errno.h>

#include "base/error.h"

static const AVRational nanoseconds = {1, 1000000000};

static GPrivate captured = G_PRIVATE_INIT(NULL);

/* Any thread. */
static void on_log(void *context, int level, const char *format, va_list args)
{
    (void)context;
    GString *text = g_private_get(&captured);
    if (text == NULL || level > AV_LOG_ERROR)
        return;
    g_string_append_vprintf(text, format, args);
}

void eg_av_init(void)
{
    av_log_set_callback(on_log);
}

void eg_av_capture_log(GString *text)
{
    g_private_set(&captured, text);
}

void eg_av_error_set(GError **error, int averror, const char *doing, const char *path)
{
    /* libav's own codes are tags of four letters, far from any errno. */
    int errnum = AVUNERROR(averror);
    if (errnum > 0 && errnum < 4096 && errnum != EINVAL && errnum != ENOMEM) {
        eg_error_set_errno(error, errnum, doing, path);
        return;
    }
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(averror, text, sizeof text);
    eg_error_set(error, averror == AVERROR_INVALIDDATA ? EG_ERROR_DATA_LOSS : EG_ERROR_INTERNAL,
                 EG_BLAME_SERVICE, "cannot %s %s: %s", doing, path, text);
}

/* From the first to the end of the last packet. */
static gint64 read_duration_ns(AVFormatContext *context)
{
    gint64 first_ns = G_MAXINT64;
    gint64 end_ns = G_MININT64;
    AVPacket *packet = av_packet_alloc();
    while (av_read_frame(context, packet) >= 0) {
        AVRational base = context->streams[packet->stream_index]->time_base;
        if (packet->pts != AV_NOPTS_VALUE) {
            first_ns = MIN(first_ns, av_rescale_q(packet->pts, base, nanoseconds));
            end_ns = MAX(end_ns, av_rescale_q(packet->pts + packet->duration, base, nanoseconds));
        }
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    return end_ns > first_ns ? end_ns - first_ns : 0;
}

bool eg_av_read_duration(const char *path, gint64 *duration_ns, GError **error)
{
    g_autofree char *url = g_strconcat("file:", path, NULL);
    AVIOContext *io = NULL;
    *duration_ns = 0;
    eg_av_init();
    int result = avio_open(&io, url, AVIO_FLAG_READ);
    if (result < 0) {
        eg_av_error_set(error, result, "read", path);
        return false;
    }
    AVFormatContext *context = avformat_alloc_context();
    context->pb = io;
    if (avformat_open_input(&context, url, NULL, NULL) >= 0 &&
        avformat_find_stream_info(context, NULL) >= 0)
        *duration_ns = read_duration_ns(context);
    /* Demuxers take what cannot be read for the end, or for nonsense. */
    int failure = io->error;
    avformat_close_input(&context);
    avio_closep(&io);
    if (failure >= 0 || failure == AVERROR_EOF)
        return true;
    eg_av_error_set(error, failure, "read", path);
    return false;
}

const char *eg_av_muxer_name(EgFormat format)
{
    static const char *const names[EG_N_FORMATS] = {
        [EG_FORMAT_MP4] = "mp4",      [EG_FORMAT_WEBM] = "webm", [EG_FORMAT_OGG] = "ogg",
        [EG_FORMAT_MKV] = "matroska", [EG_FORMAT_WAV] = "wav",   [EG_FORMAT_MP3] = "mp3",
        [EG_FORMAT_FLV] = "flv",      [EG_FORMAT_TS] = "mpegts",
    };
    return names[format];
}

int eg_av_open_output(AVFormatContext *context, const char *path)
{
    g_autofree char *url = g_strconcat("file:", path, NULL);
    /* The MP4 muxer opens the file a second time to move the index to its front. */
    av_freep(&context->url);
    context->url = av_strdup(url);
    return avio_open2(&context->pb, url, AVIO_FLAG_WRITE, &context->interrupt_callback, NULL);
}

int eg_av_close_output(AVFormatContext *context)
{
    if (context->pb == NULL)
        return 0;
    avio_flush(context->pb);
    int failure = context->pb->error;
    int closing = avio_closep(&context->pb);
    return failure < 0 ? failure : closing;
}
