#include "media/fixture.h"

#include <ftw.h>
#include <gst/app/gstappsink.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "media/gst-util.h"

GPtrArray *fixture_samples(const char *description)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(eg_gst_init(&error));
    GstElement *pipeline = gst_parse_launch(description, &error);
    g_assert_no_error(error);
    g_autoptr(GstElement) out = gst_bin_get_by_name(GST_BIN(pipeline), "out");
    g_object_set(out, "sync", FALSE, NULL);
    gst_element_set_state(pipeline, GST_STATE_PLAYING);

    GPtrArray *samples = g_ptr_array_new_with_free_func((GDestroyNotify)gst_sample_unref);
    for (;;) {
        GstSample *sample = gst_app_sink_pull_sample(GST_APP_SINK(out));
        if (sample == NULL)
            break;
        g_ptr_array_add(samples, sample);
    }
    g_assert_true(gst_app_sink_is_eos(GST_APP_SINK(out)));
    gst_element_set_state(pipeline, GST_STATE_NULL);
    gst_object_unref(pipeline);
    g_assert_cmpuint(samples->len, >, 0);
    return samples;
}

EgPacket *fixture_packet(const guint8 *data, gsize size_bytes, guint64 sequence)
{
    g_assert_cmpuint(size_bytes, >=, 12);
    guint8 *bytes;
    EgPacket *packet = eg_packet_new(size_bytes, &bytes);
    memcpy(bytes, data, size_bytes);
    GST_WRITE_UINT16_BE(bytes + 2, (guint16)(sequence & 0xffff));
    packet->payload_offset = 12;
    packet->sequence = sequence;
    packet->payload_type = bytes[1] & 0x7f;
    packet->marker = (bytes[1] & 0x80) != 0;
    packet->timestamp = GST_READ_UINT32_BE(bytes + 4);
    packet->ssrc = GST_READ_UINT32_BE(bytes + 8);
    return packet;
}

GPtrArray *fixture_packets(const char *pipeline, guint64 first_sequence)
{
    g_autofree char *description = g_strconcat(pipeline, " ! appsink name=out", NULL);
    g_autoptr(GPtrArray) samples = fixture_samples(description);
    GPtrArray *packets = g_ptr_array_new_with_free_func((GDestroyNotify)eg_packet_unref);
    for (guint i = 0; i < samples->len; i++) {
        GstBuffer *buffer = gst_sample_get_buffer(g_ptr_array_index(samples, i));
        GstMapInfo map;
        g_assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
        g_ptr_array_add(packets, fixture_packet(map.data, map.size, first_sequence + i));
        gst_buffer_unmap(buffer, &map);
    }
    return packets;
}

gint64 fixture_instant_ns(const GPtrArray *packets, const EgPacket *packet, guint clock_rate_hz)
{
    const EgPacket *first = g_ptr_array_index(packets, 0);
    guint32 ticks = packet->timestamp - first->timestamp;
    return (gint64)ticks * EG_NS_PER_S / clock_rate_hz;
}

static void give_up(gpointer user)
{
    (void)user;
    g_error("nothing happened for a minute");
}

void fixture_run_until(EgLoop *loop, const bool *flag)
{
    g_autoptr(EgTimer) timer = eg_timer_new(loop, give_up, NULL);
    eg_timer_set_after(timer, 60 * EG_NS_PER_S);
    while (!*flag)
        eg_loop_iterate(loop, true);
}

static void clear_picture(gpointer data)
{
    g_free(((FixturePicture *)data)->gray);
}

static void take_picture(FixtureMedia *media, const AVStream *stream, const AVFrame *frame)
{
    FixturePicture picture = {
        .pts_ns = av_rescale_q(frame->best_effort_timestamp, stream->time_base,
                               (AVRational){1, EG_NS_PER_S}),
        .width = (guint)frame->width,
        .height = (guint)frame->height,
        .is_key = frame->key_frame,
        .gray = g_malloc((gsize)frame->width * (gsize)frame->height),
    };
    double sum = 0;
    for (int y = 0; y < frame->height; y++) {
        const guint8 *row = frame->data[0] + (ptrdiff_t)y * frame->linesize[0];
        memcpy(picture.gray + (gsize)y * picture.width, row, picture.width);
        for (int x = 0; x < frame->width; x++)
            sum += row[x];
    }
    picture.luma = sum / frame->width / frame->height;
    g_array_append_val(media->pictures, picture);
}

static float sample_of(const AVFrame *frame, int channel, int i)
{
    const float *planar = (gconstpointer)frame->extended_data[channel];
    const float *interleaved = (gconstpointer)frame->data[0];
    const gint16 *shorts = (gconstpointer)frame->extended_data[channel];
    const gint16 *interleaved_shorts = (gconstpointer)frame->data[0];
    if (frame->format == AV_SAMPLE_FMT_FLTP)
        return planar[i];
    if (frame->format == AV_SAMPLE_FMT_FLT)
        return interleaved[i * frame->ch_layout.nb_channels + channel];
    if (frame->format == AV_SAMPLE_FMT_S16)
        return interleaved_shorts[i * frame->ch_layout.nb_channels + channel] / 32768.0f;
    g_assert_cmpint(frame->format, ==, AV_SAMPLE_FMT_S16P);
    return shorts[i] / 32768.0f;
}

static void take_sound(FixtureMedia *media, const AVStream *stream, const AVFrame *frame)
{
    gint64 pts_ns =
        av_rescale_q(frame->best_effort_timestamp, stream->time_base, (AVRational){1, EG_NS_PER_S});
    if (media->sound->len == 0) {
        media->sound_start_ns = pts_ns;
        media->rate_hz = (guint)frame->sample_rate;
    }
    double expected_s =
        (double)media->sound_start_ns / 1e9 + (double)media->sound->len / (double)media->rate_hz;
    double hole_s = fabs((double)pts_ns / 1e9 - expected_s);
    media->largest_hole_s = MAX(media->largest_hole_s, hole_s);
    for (int i = 0; i < frame->nb_samples; i++) {
        float sum = 0;
        for (int c = 0; c < frame->ch_layout.nb_channels; c++)
            sum += sample_of(frame, c, i);
        sum /= (float)frame->ch_layout.nb_channels;
        g_array_append_val(media->sound, sum);
    }
}

static AVCodecContext *open_decoder(const AVStream *stream)
{
    const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
    g_assert_nonnull(codec);
    AVCodecContext *context = avcodec_alloc_context3(codec);
    g_assert_cmpint(avcodec_parameters_to_context(context, stream->codecpar), >=, 0);
    context->thread_count = 1;
    context->pkt_timebase = stream->time_base;
    g_assert_cmpint(avcodec_open2(context, codec, NULL), ==, 0);
    return context;
}

static void decode(FixtureMedia *media, const AVStream *stream, AVCodecContext *context,
                   const AVPacket *packet)
{
    if (avcodec_send_packet(context, packet) < 0)
        media->errors++;
    AVFrame *frame = av_frame_alloc();
    while (avcodec_receive_frame(context, frame) >= 0) {
        if (context->codec_type == AVMEDIA_TYPE_VIDEO)
            take_picture(media, stream, frame);
        else
            take_sound(media, stream, frame);
    }
    av_frame_free(&frame);
}

static void decode_all(FixtureMedia *media, AVFormatContext *input)
{
    AVCodecContext *decoders[2] = {NULL};
    g_assert_cmpuint(input->nb_streams, <=, 2);
    for (guint i = 0; i < input->nb_streams; i++) {
        const AVCodecParameters *parameters = input->streams[i]->codecpar;
        const char *name = avcodec_get_name(parameters->codec_id);
        decoders[i] = open_decoder(input->streams[i]);
        if (parameters->codec_type == AVMEDIA_TYPE_VIDEO)
            media->video_codec = g_strdup(name);
        else
            media->audio_codec = g_strdup(name);
    }
    AVPacket *packet = av_packet_alloc();
    while (av_read_frame(input, packet) >= 0) {
        int i = packet->stream_index;
        decode(media, input->streams[i], decoders[i], packet);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    for (guint i = 0; i < input->nb_streams; i++) {
        decode(media, input->streams[i], decoders[i], NULL);
        avcodec_free_context(&decoders[i]);
    }
}

FixtureMedia *fixture_decode(const char *path)
{
    AVFormatContext *input = NULL;
    if (avformat_open_input(&input, path, NULL, NULL) < 0)
        return NULL;
    if (avformat_find_stream_info(input, NULL) < 0) {
        avformat_close_input(&input);
        return NULL;
    }
    FixtureMedia *media = g_new0(FixtureMedia, 1);
    media->format = g_strdup(input->iformat->name);
    media->duration_s = (double)input->duration / AV_TIME_BASE;
    media->pictures = g_array_new(FALSE, FALSE, sizeof(FixturePicture));
    g_array_set_clear_func(media->pictures, clear_picture);
    media->sound = g_array_new(FALSE, FALSE, sizeof(float));
    decode_all(media, input);
    /* MP3 knows no times: what remains after the priming was skipped begins at 0. */
    if (g_str_equal(media->format, "mp3"))
        media->sound_start_ns = 0;
    avformat_close_input(&input);
    return media;
}

void fixture_media_free(FixtureMedia *media)
{
    if (media == NULL)
        return;
    g_array_unref(media->pictures);
    g_array_unref(media->sound);
    g_free(media->format);
    g_free(media->video_codec);
    g_free(media->audio_codec);
    g_free(media);
}

double fixture_flash_s(const FixtureMedia *media, double luma)
{
    for (guint i = 0; i < media->pictures->len; i++) {
        const FixturePicture *picture = &g_array_index(media->pictures, FixturePicture, i);
        if (picture->luma > luma)
            return (double)picture->pts_ns / 1e9;
    }
    return -1;
}

double fixture_beep_s(const FixtureMedia *media, double level)
{
    for (guint i = 0; i < media->sound->len; i++) {
        if (fabsf(g_array_index(media->sound, float, i)) > (float)level)
            return (double)media->sound_start_ns / 1e9 + (double)i / media->rate_hz;
    }
    return -1;
}

char *fixture_make_folder(void)
{
    g_autoptr(GError) error = NULL;
    char *path = g_dir_make_tmp("egress-test-XXXXXX", &error);
    g_assert_no_error(error);
    return path;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void fixture_remove_folder(const char *path)
{
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

guint fixture_count_files(const char *path, const char *part)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    guint count = 0;
    while ((name = g_dir_read_name(folder)) != NULL)
        count += strstr(name, part) != NULL ? 1 : 0;
    return count;
}
