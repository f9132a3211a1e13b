#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "room/bytes.h"
#include "sink/av-util.h"
#include "sink/muxer.h"

#define MAX_STREAMS 2

/* Takes a slow disk some seconds. */
#define SYNC_BYTES (64 * 1024 * 1024)

/* The last packet of a stream so far: its duration is known by the next. */
typedef struct {
    AVPacket *packet; /* in the output's time base; empty before the first */
    gint64 duration;  /* of the one before */
} Held;

typedef struct {
    const char *from;
    const char *to;
    AVFormatContext *input;
    AVFormatContext *output;
    AVPacket *packet;
    Held held[MAX_STREAMS];
    const EgRemuxHints *hints;
    gint *progress;
    const gint *is_canceled;
} Remux;

static int check_canceled(void *user)
{
    const gint *is_canceled = user;
    return is_canceled != NULL && g_atomic_int_get(is_canceled);
}

/* Asked by libav before each piece that it writes, also while it moves an MP4's index to the front,
 * which takes as long as the copy. */
static int note_alive(void *user)
{
    Remux *remux = user;
    if (remux->progress != NULL)
        g_atomic_int_inc(remux->progress);
    return check_canceled((gpointer)remux->is_canceled);
}

/* Half of a fragment's head at the end, where the process was killed while it was written, would
 * keep the file from being opened. Boxes: ISO/IEC 14496-12, 4.2. */
static void drop_broken_head(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    guint8 head[16] = {0};
    off_t at = 0;
    ssize_t got = 0;
    while (at < size && (got = pread(fd, head, sizeof head, at)) >= 8) {
        guint64 box = eg_get_u32(head);
        if (box == 1)
            box = eg_get_u64(head + 8);
        if (box < 8 || box > (guint64)(size - at))
            break;
        at += (off_t)box;
    }
    bool is_unread = got < (ssize_t)MIN(8, size - at);
    bool is_whole =
        at == 0 || at >= size || is_unread || (size - at >= 8 && memcmp(head + 4, "mdat", 4) == 0);
    /* What cannot be mended is reported by whoever reads it. */
    if (!is_whole && ftruncate(fd, at) != 0)
        g_debug("%s: %s", path, g_strerror(errno));
    if (fd >= 0)
        close(fd);
}

static bool open_input(Remux *remux, GError **error)
{
    g_autofree char *url = g_strconcat("file:", remux->from, NULL);
    remux->input = avformat_alloc_context();
    remux->input->interrupt_callback =
        (AVIOInterruptCB){.callback = check_canceled, .opaque = (gpointer)remux->is_canceled};
    /* The headers of our own files say everything: nothing needs to be guessed by decoding. */
    int result = avformat_open_input(&remux->input, url, NULL, NULL);
    if (result >= 0 && remux->input->nb_streams > MAX_STREAMS)
        result = AVERROR_INVALIDDATA;
    if (result >= 0)
        return true;
    eg_av_error_set(error, result, "read", remux->from);
    return false;
}

static bool open_output(Remux *remux, EgFormat format, GError **error)
{
    int result =
        avformat_alloc_output_context2(&remux->output, NULL, eg_av_muxer_name(format), NULL);
    if (result >= 0)
        remux->output->interrupt_callback =
            (AVIOInterruptCB){.callback = note_alive, .opaque = remux};
    for (guint i = 0; result >= 0 && i < remux->input->nb_streams; i++) {
        const AVStream *from = remux->input->streams[i];
        AVStream *to = avformat_new_stream(remux->output, NULL);
        result = avcodec_parameters_copy(to->codecpar, from->codecpar);
        to->codecpar->codec_tag = 0;
        to->time_base = from->time_base;
        to->avg_frame_rate = from->avg_frame_rate;
    }
    if (result >= 0)
        result = eg_av_open_output(remux->output, remux->to);
    AVDictionary *options = NULL;
    if (format == EG_FORMAT_MP4)
        av_dict_set(&options, "movflags", "faststart", 0);
    else if (format == EG_FORMAT_MP3)
        av_dict_set(&options, "id3v2_version", "0", 0);
    else if (format == EG_FORMAT_WAV)
        av_dict_set(&options, "rf64", "auto", 0);
    if (result >= 0)
        result = avformat_write_header(remux->output, &options);
    av_dict_free(&options);
    if (result >= 0)
        return true;
    eg_av_error_set(error, result, "write", remux->to);
    return false;
}

static int write_held(Remux *remux, guint i, gint64 duration)
{
    Held *held = &remux->held[i];
    if (held->packet->size == 0)
        return 0;
    held->duration = held->packet->duration = duration;
    note_alive(remux);
    return av_interleaved_write_frame(remux->output, held->packet);
}

static int copy_packet(Remux *remux)
{
    guint i = (guint)remux->packet->stream_index;
    Held *held = &remux->held[i];
    av_packet_rescale_ts(remux->packet, remux->input->streams[i]->time_base,
                         remux->output->streams[i]->time_base);
    remux->packet->pos = -1;
    gint64 duration = held->packet->size > 0 ? remux->packet->dts - held->packet->dts : 0;
    int result = write_held(remux, i, duration);
    av_packet_move_ref(held->packet, remux->packet);
    return result;
}

static int write_last(Remux *remux, guint i)
{
    const AVStream *stream = remux->output->streams[i];
    bool is_video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO;
    gint64 duration = 0;
    if (remux->hints != NULL)
        duration =
            av_rescale_q(remux->hints->last_duration_ns[is_video ? EG_MEDIA_VIDEO : EG_MEDIA_AUDIO],
                         (AVRational){1, EG_NS_PER_S}, stream->time_base);
    return write_held(remux, i, duration > 0 ? duration : remux->held[i].duration);
}

static void set_canceled(const Remux *remux, GError **error)
{
    eg_error_set(error, EG_ERROR_CANCELED, EG_BLAME_SERVICE, "not finished: %s", remux->to);
}

/* Why the last packet was the last. A file that ends anywhere ends with an error of its last
 * fragment, and what was before is all that there is; one that cannot be read is not at its end. */
static bool is_at_end(const Remux *remux, GError **error)
{
    int failure = remux->input->pb->error;
    if (check_canceled((gpointer)remux->is_canceled))
        set_canceled(remux, error);
    else if (failure < 0 && failure != AVERROR_EOF)
        eg_av_error_set(error, failure, "read", remux->from);
    else
        return true;
    return false;
}

static int read_packet(Remux *remux)
{
    return check_canceled((gpointer)remux->is_canceled)
               ? AVERROR_EXIT
               : av_read_frame(remux->input, remux->packet);
}

static bool copy_packets(Remux *remux, GError **error)
{
    int result = 0;
    while (result >= 0 && read_packet(remux) >= 0)
        result = copy_packet(remux);
    if (result >= 0 && !is_at_end(remux, error))
        return false;
    for (guint i = 0; result >= 0 && i < remux->input->nb_streams; i++)
        result = write_last(remux, i);
    if (result >= 0)
        result = av_write_trailer(remux->output);
    int closed = eg_av_close_output(remux->output);
    if (result >= 0)
        result = closed;
    if (result >= 0)
        return true;
    if (result == AVERROR_EXIT)
        set_canceled(remux, error);
    else
        eg_av_error_set(error, result, "write", remux->to);
    return false;
}

/* Piece by piece, so that it is seen that something moves; where that is not possible, all of it is
 * left to fsync(). */
static void sync_pieces(Remux *remux, int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 0; at < size && note_alive(remux) == 0; at += SYNC_BYTES)
        sync_file_range(fd, at, SYNC_BYTES,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                            SYNC_FILE_RANGE_WAIT_AFTER);
}

static bool sync_file(Remux *remux, GError **error)
{
    int fd = open(remux->to, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        sync_pieces(remux, fd);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (!is_synced)
        eg_error_set_errno(error, errno, "write", remux->to);
    if (fd >= 0)
        close(fd);
    return is_synced;
}

bool eg_remux(const char *from, const char *to, EgFormat format, const EgRemuxHints *hints,
              gint *progress, const gint *is_canceled, GError **error)
{
    eg_av_init();
    if (format == EG_FORMAT_MP4)
        drop_broken_head(from);
    Remux remux = {
        .from = from,
        .to = to,
        .packet = av_packet_alloc(),
        .hints = hints,
        .progress = progress,
        .is_canceled = is_canceled,
    };
    for (guint i = 0; i < MAX_STREAMS; i++)
        remux.held[i].packet = av_packet_alloc();
    bool is_done = open_input(&remux, error) && open_output(&remux, format, error) &&
                   copy_packets(&remux, error) && sync_file(&remux, error);
    if (remux.output != NULL)
        eg_av_close_output(remux.output);
    avformat_free_context(remux.output);
    avformat_close_input(&remux.input);
    av_packet_free(&remux.packet);
    for (guint i = 0; i < MAX_STREAMS; i++)
        av_packet_free(&remux.held[i].packet);
    if (!is_done)
        g_unlink(to);
    return is_done;
}
