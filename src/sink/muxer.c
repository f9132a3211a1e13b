#include "sink/muxer.h"

#include <libavutil/opt.h>

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "media/opus.h"
#include "sink/av-util.h"

/* In MPEG-TS, how long before its time a picture is there at the latest: what the custom of the
 * field gives a decoder's buffer. All times are later by that, and so are none below 0. */
#define TS_DELAY_US 700000

/* Ticks per second of video: fine enough for every frame rate, and the custom of the field. */
#define VIDEO_CLOCK_HZ 90000

typedef struct {
    AVStream *stream; /* NULL: there is none of this kind */
    gint64 last_dts;  /* in the stream's time base; AV_NOPTS_VALUE before the first */
    gint64 shift_ns;  /* added to all times */
} Track;

struct _EgMuxer {
    char *path;
    EgFormat format;
    AVFormatContext *context;
    AVPacket *packet;
    Track tracks[EG_N_MEDIA];
    bool has_flushed;
    guint64 head_bytes; /* what was flushed first */
    guint64 size_bytes; /* after the file was closed */
};

static bool set_extradata(AVCodecParameters *parameters, const guint8 *data, gsize size_bytes)
{
    parameters->extradata = av_mallocz(size_bytes + AV_INPUT_BUFFER_PADDING_SIZE);
    memcpy(parameters->extradata, data, size_bytes);
    parameters->extradata_size = (int)size_bytes;
    return true;
}

/* The decoder's set-up: codec_data, or the first of the stream's headers (Opus). */
static bool copy_header(AVCodecParameters *parameters, const GstStructure *caps)
{
    const GValue *value = gst_structure_get_value(caps, "codec_data");
    const GValue *headers = gst_structure_get_value(caps, "streamheader");
    if (value == NULL && headers != NULL && GST_VALUE_HOLDS_ARRAY(headers) &&
        gst_value_array_get_size(headers) > 0)
        value = gst_value_array_get_value(headers, 0);
    if (value == NULL || !GST_VALUE_HOLDS_BUFFER(value))
        return false;
    GstBuffer *buffer = gst_value_get_buffer(value);
    GstMapInfo map;
    if (buffer == NULL || !gst_buffer_map(buffer, &map, GST_MAP_READ))
        return false;
    set_extradata(parameters, map.data, map.size);
    gst_buffer_unmap(buffer, &map);
    return true;
}

/* RFC 7845, 5.1. What a room sends has no such header: two channels, since a packet of a single one
 * is decoded to both, and nothing to skip. */
static void set_opus_header(AVCodecParameters *parameters, const GstStructure *caps)
{
    static const guint8 plain[19] = {'O', 'p', 'u',  's',  'H', 'e', 'a', 'd', 1, 2,
                                     0,   0,   0x80, 0xbb, 0,   0,   0,   0,   0};
    if (!copy_header(parameters, caps) || parameters->extradata_size < (int)sizeof plain) {
        av_freep(&parameters->extradata);
        set_extradata(parameters, plain, sizeof plain);
    }
    const guint8 *head = parameters->extradata;
    parameters->initial_padding = head[10] | head[11] << 8;
    parameters->seek_preroll = 3840; /* 80 ms, RFC 7845, 4.6 */
    parameters->sample_rate = 48000;
    av_channel_layout_default(&parameters->ch_layout, head[9]);
}

typedef struct {
    const char *caps; /* the name of the structure */
    int version;      /* "mpegversion", 0 if it has none */
    enum AVCodecID id;
    int frame_size;
    int priming; /* as in media/elements.c */
} Mapping;

static const Mapping mappings[] = {
    {"video/x-h264", 0, AV_CODEC_ID_H264,      0,    0   },
    {"video/x-vp8",  0, AV_CODEC_ID_VP8,       0,    0   },
    {"video/x-vp9",  0, AV_CODEC_ID_VP9,       0,    0   },
    {"audio/x-opus", 0, AV_CODEC_ID_OPUS,      960,  0   },
    {"audio/mpeg",   4, AV_CODEC_ID_AAC,       1024, 1024},
    {"audio/mpeg",   1, AV_CODEC_ID_MP3,       1152, 1105},
    {"audio/x-raw",  0, AV_CODEC_ID_PCM_S16LE, 0,    0   },
};

static const Mapping *find_mapping(const GstStructure *caps)
{
    int version = 0;
    gst_structure_get_int(caps, "mpegversion", &version);
    for (gsize i = 0; i < G_N_ELEMENTS(mappings); i++) {
        if (gst_structure_has_name(caps, mappings[i].caps) && mappings[i].version == version)
            return &mappings[i];
    }
    return NULL;
}

static void set_video(AVStream *stream, const GstStructure *caps)
{
    AVCodecParameters *parameters = stream->codecpar;
    parameters->codec_type = AVMEDIA_TYPE_VIDEO;
    gst_structure_get_int(caps, "width", &parameters->width);
    gst_structure_get_int(caps, "height", &parameters->height);
    parameters->format = AV_PIX_FMT_YUV420P;
    const char *colorimetry = gst_structure_get_string(caps, "colorimetry");
    if (g_strcmp0(colorimetry, "bt709") == 0) {
        parameters->color_range = AVCOL_RANGE_MPEG;
        parameters->color_primaries = AVCOL_PRI_BT709;
        parameters->color_trc = AVCOL_TRC_BT709;
        parameters->color_space = AVCOL_SPC_BT709;
    }
    stream->time_base = (AVRational){1, VIDEO_CLOCK_HZ};
    int numerator = 0;
    int denominator = 0;
    if (gst_structure_get_fraction(caps, "framerate", &numerator, &denominator) && numerator > 0)
        stream->avg_frame_rate = (AVRational){numerator, denominator};
    copy_header(parameters, caps);
}

static void set_audio(AVStream *stream, const GstStructure *caps, const Mapping *mapping)
{
    AVCodecParameters *parameters = stream->codecpar;
    parameters->codec_type = AVMEDIA_TYPE_AUDIO;
    parameters->frame_size = mapping->frame_size;
    parameters->initial_padding = mapping->priming;
    parameters->format = AV_SAMPLE_FMT_FLTP;
    if (mapping->id == AV_CODEC_ID_OPUS) {
        set_opus_header(parameters, caps);
    } else {
        int channels = 2;
        parameters->sample_rate = 48000;
        gst_structure_get_int(caps, "rate", &parameters->sample_rate);
        gst_structure_get_int(caps, "channels", &channels);
        av_channel_layout_default(&parameters->ch_layout, channels);
        copy_header(parameters, caps);
    }
    stream->time_base = (AVRational){1, parameters->sample_rate};
}

static bool add_track(EgMuxer *muxer, EgMedia media, const GstCaps *caps, GError **error)
{
    muxer->tracks[media].last_dts = AV_NOPTS_VALUE;
    if (caps == NULL)
        return true;
    const GstStructure *structure = gst_caps_get_structure(caps, 0);
    const Mapping *mapping = find_mapping(structure);
    if (mapping == NULL) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot write %s to a file",
                     gst_structure_get_name(structure));
        return false;
    }
    AVStream *stream = avformat_new_stream(muxer->context, NULL);
    stream->codecpar->codec_id = mapping->id;
    if (media == EG_MEDIA_VIDEO)
        set_video(stream, structure);
    else
        set_audio(stream, structure, mapping);
    muxer->tracks[media].stream = stream;
    return true;
}

/* Matroska has no times below 0. What is to be thrown away of the beginning of Opus it says, as
 * CodecDelay, which is subtracted from the times by whoever reads it; of others libavformat does
 * not write it, so the priming is heard, and everything else is later by as much. */
static void shift_for_priming(EgMuxer *muxer)
{
    const AVStream *audio = muxer->tracks[EG_MEDIA_AUDIO].stream;
    if ((muxer->format != EG_FORMAT_WEBM && muxer->format != EG_FORMAT_MKV) || audio == NULL)
        return;
    const AVCodecParameters *parameters = audio->codecpar;
    gint64 priming_ns =
        av_rescale(parameters->initial_padding, EG_NS_PER_S, parameters->sample_rate);
    muxer->tracks[EG_MEDIA_AUDIO].shift_ns = priming_ns;
    if (parameters->codec_id != AV_CODEC_ID_OPUS)
        muxer->tracks[EG_MEDIA_VIDEO].shift_ns = priming_ns;
}

static AVDictionary *options_for(EgFormat format)
{
    AVDictionary *options = NULL;
    if (format == EG_FORMAT_MP4) {
        /* The index is written with the first fragment, so that it can say where sound and
         * pictures begin; a fragment is cut when we flush. */
        av_dict_set(&options, "movflags", "frag_custom+delay_moov+default_base_moof+skip_trailer",
                    0);
    } else if (format == EG_FORMAT_MP3) {
        av_dict_set(&options, "id3v2_version", "0", 0);
    } else if (format == EG_FORMAT_WAV) {
        /* After six hours of 48 kHz its numbers of 32 bits are not enough. */
        av_dict_set(&options, "rf64", "auto", 0);
    } else if (format == EG_FORMAT_TS) {
        /* Each part begins with what it holds (PAT, PMT), and can be read alone. */
        av_dict_set(&options, "mpegts_flags", "resend_headers", 0);
    } else if (format == EG_FORMAT_FLV) {
        /* Nothing that is known only at the end. */
        av_dict_set(&options, "flvflags", "no_duration_filesize", 0);
    }
    return options;
}

static bool open_file(EgMuxer *muxer, GError **error)
{
    int result = eg_av_open_output(muxer->context, muxer->path);
    if (result >= 0)
        return true;
    eg_av_error_set(error, result, "create", muxer->path);
    return false;
}

static bool write_header(EgMuxer *muxer, GError **error)
{
    AVDictionary *options = options_for(muxer->format);
    int result = avformat_write_header(muxer->context, &options);
    av_dict_free(&options);
    if (result < 0) {
        eg_av_error_set(error, result, "begin", muxer->path);
        return false;
    }
    return true;
}

static EgMuxer *new_muxer(const char *path, EgFormat format, const GstCaps *audio,
                          const GstCaps *video, GError **error)
{
    eg_av_init();
    g_autoptr(EgMuxer) muxer = g_new0(EgMuxer, 1);
    muxer->path = g_strdup(path);
    muxer->format = format;
    muxer->packet = av_packet_alloc();
    int result =
        avformat_alloc_output_context2(&muxer->context, NULL, eg_av_muxer_name(format), NULL);
    if (result < 0) {
        eg_av_error_set(error, result, "make a muxer for", path);
        return NULL;
    }
    /* We flush, at points from which the file can be played. */
    muxer->context->flush_packets = 0;
    /* Times before 0 are meant; each container has its own way of saying them. */
    muxer->context->avoid_negative_ts = 0;
    if (format == EG_FORMAT_TS)
        muxer->context->max_delay = TS_DELAY_US;
    if (!add_track(muxer, EG_MEDIA_VIDEO, video, error) ||
        !add_track(muxer, EG_MEDIA_AUDIO, audio, error))
        return NULL;
    shift_for_priming(muxer);
    return g_steal_pointer(&muxer);
}

EgMuxer *eg_muxer_new(const char *path, EgFormat format, const GstCaps *audio, const GstCaps *video,
                      GError **error)
{
    g_autoptr(EgMuxer) muxer = new_muxer(path, format, audio, video, error);
    if (muxer == NULL || !open_file(muxer, error) || !write_header(muxer, error))
        return NULL;
    return g_steal_pointer(&muxer);
}

EgMuxer *eg_muxer_new_live(void *io, const char *name, EgFormat format, const GstCaps *audio,
                           const GstCaps *video, gint64 shift_ns, GError **error)
{
    AVIOContext *context = io;
    g_autoptr(EgMuxer) muxer = new_muxer(name, format, audio, video, error);
    if (muxer == NULL) {
        avio_close(context);
        return NULL;
    }
    muxer->context->pb = context;
    /* Each frame is on its way when it is written. */
    muxer->context->flush_packets = 1;
    for (guint media = 0; media < EG_N_MEDIA; media++)
        muxer->tracks[media].shift_ns += shift_ns;
    return write_header(muxer, error) ? g_steal_pointer(&muxer) : NULL;
}

void eg_muxer_free(EgMuxer *muxer)
{
    if (muxer == NULL)
        return;
    if (muxer->context != NULL)
        eg_av_close_output(muxer->context);
    avformat_free_context(muxer->context);
    av_packet_free(&muxer->packet);
    g_free(muxer->path);
    g_free(muxer);
}

static gint64 to_ticks(const Track *track, gint64 ns)
{
    return av_rescale_q_rnd(ns + track->shift_ns, (AVRational){1, EG_NS_PER_S},
                            track->stream->time_base, AV_ROUND_NEAR_INF);
}

/* What a decoder is to throw away of a packet's sound: the priming of the first, the filling of the
 * last. MP4 says the one by its edit list, the other by the duration. */
static void mark_padding(const EgMuxer *muxer, const Track *track, gint64 duration_ns,
                         AVPacket *packet)
{
    const AVCodecParameters *parameters = track->stream->codecpar;
    bool is_first = track->last_dts == AV_NOPTS_VALUE;
    gint64 skipped = is_first && muxer->format == EG_FORMAT_MP3 ? parameters->initial_padding : 0;
    gint64 frames = av_rescale(duration_ns, parameters->sample_rate, EG_NS_PER_S);
    gint64 full = parameters->frame_size;
    if (parameters->codec_id == AV_CODEC_ID_OPUS)
        full = av_rescale(eg_opus_duration_ns(packet->data, (gsize)packet->size),
                          parameters->sample_rate, EG_NS_PER_S);
    gint64 filling = MAX(full - frames, 0);
    if (frames == 0 || muxer->format == EG_FORMAT_MP4 || (skipped == 0 && filling == 0))
        return;
    guint8 *data = av_packet_new_side_data(packet, AV_PKT_DATA_SKIP_SAMPLES, 10);
    GST_WRITE_UINT32_LE(data, (guint32)skipped);
    GST_WRITE_UINT32_LE(data + 4, (guint32)filling);
    GST_WRITE_UINT16_LE(data + 8, 0);
}

static void fill_packet(EgMuxer *muxer, Track *track, GstBuffer *frame, const GstMapInfo *map)
{
    AVPacket *packet = muxer->packet;
    gint64 pts_ns = eg_frame_pts(frame);
    packet->stream_index = track->stream->index;
    packet->data = map->data;
    packet->size = (int)map->size;
    packet->pts = to_ticks(track, pts_ns);
    packet->dts = to_ticks(track, eg_frame_dts(frame));
    gint64 duration_ns =
        GST_BUFFER_DURATION_IS_VALID(frame) ? (gint64)GST_BUFFER_DURATION(frame) : 0;
    packet->duration = to_ticks(track, pts_ns + duration_ns) - packet->pts;
    packet->flags = eg_frame_is_key(frame) ? AV_PKT_FLAG_KEY : 0;
    if (track->stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO)
        mark_padding(muxer, track, duration_ns, packet);

    /* No container takes frames that go back in time. */
    if (track->last_dts != AV_NOPTS_VALUE && packet->dts <= track->last_dts)
        packet->dts = track->last_dts + 1;
    packet->pts = MAX(packet->pts, packet->dts);
    track->last_dts = packet->dts;
}

bool eg_muxer_write(EgMuxer *muxer, EgMedia media, GstBuffer *frame, GError **error)
{
    Track *track = &muxer->tracks[media];
    g_assert(track->stream != NULL);
    GstMapInfo map;
    if (!gst_buffer_map(frame, &map, GST_MAP_READ)) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "a frame cannot be read");
        return false;
    }
    fill_packet(muxer, track, frame, &map);
    int result = av_write_frame(muxer->context, muxer->packet);
    av_packet_unref(muxer->packet);
    gst_buffer_unmap(frame, &map);
    if (result >= 0)
        return true;
    eg_av_error_set(error, result, "write", muxer->path);
    return false;
}

/* By itself libavformat has a fragment begin where the one before ends, as long as that said that
 * its last frame was; what comes after a gap begins at its own time. */
static int let_next_fragment_begin_anywhere(EgMuxer *muxer)
{
    if (muxer->format != EG_FORMAT_MP4)
        return 0;
    return av_opt_set(muxer->context->priv_data, "movflags", "+frag_discont", 0);
}

bool eg_muxer_flush(EgMuxer *muxer, GError **error)
{
    int result = av_write_frame(muxer->context, NULL);
    /* The first time that wrote the index of an MP4, and no fragment. */
    if (result >= 0 && !muxer->has_flushed)
        result = av_write_frame(muxer->context, NULL);
    if (result >= 0)
        result = let_next_fragment_begin_anywhere(muxer);
    avio_flush(muxer->context->pb);
    if (!muxer->has_flushed)
        muxer->head_bytes = eg_muxer_size_bytes(muxer);
    muxer->has_flushed = true;
    if (result >= 0)
        result = muxer->context->pb->error;
    if (result >= 0)
        return true;
    eg_av_error_set(error, result, "write", muxer->path);
    return false;
}

bool eg_muxer_end_part(EgMuxer *muxer, GError **error)
{
    bool is_flushed = eg_muxer_flush(muxer, error);
    muxer->size_bytes = eg_muxer_size_bytes(muxer);
    int result = eg_av_close_output(muxer->context);
    if (!is_flushed || result >= 0)
        return is_flushed;
    eg_av_error_set(error, result, "write", muxer->path);
    return false;
}

bool eg_muxer_begin_part(EgMuxer *muxer, const char *path, GError **error)
{
    g_free(muxer->path);
    muxer->path = g_strdup(path);
    int result = eg_av_open_output(muxer->context, path);
    if (result >= 0)
        result = av_opt_set(muxer->context->priv_data, "mpegts_flags", "resend_headers", 0);
    if (result >= 0)
        return true;
    eg_av_error_set(error, result, "create", path);
    return false;
}

bool eg_muxer_finish(EgMuxer *muxer, GError **error)
{
    int result = av_write_trailer(muxer->context);
    muxer->size_bytes = eg_muxer_size_bytes(muxer);
    int closed = eg_av_close_output(muxer->context);
    if (result >= 0)
        result = closed;
    if (result >= 0)
        return true;
    eg_av_error_set(error, result, "write", muxer->path);
    return false;
}

guint64 eg_muxer_size_bytes(const EgMuxer *muxer)
{
    if (muxer->context->pb == NULL)
        return muxer->size_bytes;
    return (guint64)MAX(avio_tell(muxer->context->pb), 0);
}

guint64 eg_muxer_stable_from(const EgMuxer *muxer)
{
    bool is_appended = muxer->format == EG_FORMAT_OGG || muxer->format == EG_FORMAT_MP4;
    /* The others write durations, sizes and where their index is into their head. */
    return is_appended ? 0 : muxer->head_bytes;
}
