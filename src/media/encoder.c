#include "media/encoder.h"

#include <gst/video/gstvideoencoder.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "media/chain.h"
#include "media/elements.h"
#include "media/frame.h"
#include "media/gst-util.h"
#include "media/picture.h"

/* Raw pictures that wait for the encoder; each is 1.4 MB at 720p. */
#define QUEUED_PICTURES_MAX 8

/* Of the rounding of a picture's time. */
#define KEY_TOLERANCE_NS EG_NS_PER_MS

/* Coded frames that wait for the loop. */
#define ENCODED_FRAMES_MAX 16

struct _EgEncoder {
    EgLoop *loop;
    EgEncoderEvents events;
    gpointer user;
    EgChain *chain;

    /* Sound: packets are numbered, so that no rounding adds up. */
    guint rate_hz; /* 0 for pictures */
    guint bytes_per_frame;
    guint block_frames;
    gint64 priming_frames;
    gint64 first_ns; /* of what was pushed; EG_TIME_NONE before */
    gint64 pushed_frames;
    gint64 packets; /* that came out */

    /* Pictures: a key frame at each multiple of this, whatever was skipped before; 0: as the
     * encoder likes. */
    gint64 key_interval_ns;
    gint64 key_number; /* of the last multiple that was asked for */

    GstCaps *caps; /* as told; NULL before */
};

static void tell_caps(EgEncoder *encoder, GstCaps *caps)
{
    if (encoder->caps != NULL && gst_caps_is_equal(encoder->caps, caps))
        return;
    gst_caps_replace(&encoder->caps, caps);
    encoder->events.caps(encoder->user, caps);
}

static gint64 frames_to_ns(const EgEncoder *encoder, gint64 frames)
{
    guint64 ns = gst_util_uint64_scale_round((guint64)ABS(frames), EG_NS_PER_S, encoder->rate_hz);
    return frames < 0 ? -(gint64)ns : (gint64)ns;
}

/* The sound is gapless, so the n-th packet begins n blocks after the first, which begins with what
 * the codec puts in front. The last ends with the sound, though the codec has filled it up with
 * silence. False if there is nothing of the sound in it. */
static bool stamp_sound(EgEncoder *encoder, GstBuffer *frame)
{
    gint64 start = encoder->packets * encoder->block_frames - encoder->priming_frames;
    gint64 end = MIN(start + encoder->block_frames, encoder->pushed_frames);
    encoder->packets++;
    if (start >= end)
        return false;
    gint64 start_ns = frames_to_ns(encoder, start);
    eg_frame_set_times(frame, encoder->first_ns + start_ns, encoder->first_ns + start_ns);
    GST_BUFFER_DURATION(frame) = (GstClockTime)(frames_to_ns(encoder, end) - start_ns);
    return true;
}

static gint64 running_time(const GstSegment *segment, GstClockTime time)
{
    guint64 distance = 0;
    int sign = gst_segment_to_running_time_full(segment, GST_FORMAT_TIME, time, &distance);
    return sign * (gint64)distance;
}

/* x264enc counts from 1000 hours, so that its decoding times are not negative; its segment says
 * so. */
static void stamp_picture(GstBuffer *frame, const GstSegment *segment)
{
    gint64 pts_ns = running_time(segment, GST_BUFFER_PTS(frame));
    gint64 dts_ns = pts_ns;
    if (GST_BUFFER_DTS_IS_VALID(frame))
        dts_ns = running_time(segment, GST_BUFFER_DTS(frame));
    eg_frame_set_times(frame, pts_ns, dts_ns);
}

static void on_caps(gpointer user, GstCaps *caps)
{
    tell_caps(user, caps);
}

static void on_sample(gpointer user, GstSample *sample)
{
    EgEncoder *encoder = user;
    GstSegment segment = *gst_sample_get_segment(sample);
    GstBuffer *frame = gst_buffer_ref(gst_sample_get_buffer(sample));
    gst_sample_unref(sample);

    frame = gst_buffer_make_writable(frame);
    if (encoder->rate_hz == 0)
        stamp_picture(frame, &segment);
    if (encoder->rate_hz == 0 || stamp_sound(encoder, frame))
        encoder->events.frame(encoder->user, frame);
    else
        gst_buffer_unref(frame);
}

static void on_ended(gpointer user)
{
    EgEncoder *encoder = user;
    encoder->events.drained(encoder->user);
}

static void on_failed(gpointer user, const GError *error)
{
    EgEncoder *encoder = user;
    encoder->events.failed(encoder->user, error);
}

static bool is_installed(const char *element)
{
    g_autoptr(GstElementFactory) factory = gst_element_factory_find(element);
    return factory != NULL;
}

/* The best encoder of sound that is installed. */
static const EgEncoderElement *choose_element(EgCodec codec)
{
    const EgElements *elements = eg_elements(codec);
    for (guint i = 0; i < G_N_ELEMENTS(elements->encoders); i++) {
        const char *name = elements->encoders[i].element;
        if (name != NULL && is_installed(name))
            return &elements->encoders[i];
    }
    return &elements->encoders[0];
}

/* "x264, openh264": what this machine has. */
static char *describe_installed(const EgVideoEncoderElement *elements)
{
    GString *text = g_string_new(NULL);
    const char *last = NULL;
    for (const EgVideoEncoderElement *e = elements; e->name != NULL; e++) {
        if (g_strcmp0(e->name, last) == 0 || !is_installed(e->element))
            continue;
        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", e->name);
        last = e->name;
    }
    if (text->len == 0)
        g_string_append(text, "none");
    return g_string_free(text, FALSE);
}

/* That which the configuration names; the first if it names none. */
static const EgVideoEncoderElement *
choose_video_element(EgCodec codec, const EgVideoEncoderConfig *config, GError **error)
{
    const EgVideoEncoderElement *elements = eg_elements(codec)->video_encoders;
    const char *wanted = codec == EG_CODEC_H264 ? config->h264 : NULL;
    if (wanted == NULL)
        wanted = elements->name;
    GString *tried = g_string_new(NULL);
    for (const EgVideoEncoderElement *e = elements; e->name != NULL; e++) {
        if (strcmp(e->name, wanted) != 0)
            continue;
        if (is_installed(e->element)) {
            g_string_free(tried, TRUE);
            return e;
        }
        g_string_append_printf(tried, "%s%s", tried->len > 0 ? ", " : "", e->element);
    }
    g_autofree char *installed = describe_installed(elements);
    eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE,
                 "this machine cannot encode %s with %s (GStreamer's %s); it has: %s",
                 eg_codec_info(codec)->name, wanted, tried->str, installed);
    g_string_free(tried, TRUE);
    return NULL;
}

bool eg_encoder_check(EgCodec codec, const EgVideoEncoderConfig *config, GError **error)
{
    return eg_gst_init(error) && choose_video_element(codec, config, error) != NULL;
}

static const char *profile_name(EgProfile profile)
{
    switch (profile) {
    case EG_PROFILE_BASELINE:
        return "constrained-baseline";
    case EG_PROFILE_HIGH:
        return "high";
    case EG_PROFILE_NONE:
    case EG_PROFILE_MAIN:
        break;
    }
    return "main";
}

static EgRate find_rate(const EgVideoEncoding *encoding, const EgVideoEncoderConfig *config)
{
    static const char *const names[EG_N_RATES] = {
        [EG_RATE_VARIABLE] = "variable",
        [EG_RATE_CONSTANT] = "constant",
        [EG_RATE_QUALITY] = "quality",
    };
    guint rate = EG_RATE_VARIABLE;
    for (guint i = 0; config->rate_control != NULL && i < EG_N_RATES; i++) {
        if (strcmp(config->rate_control, names[i]) == 0)
            rate = i;
    }
    return encoding->is_constant_rate ? EG_RATE_CONSTANT : (EgRate)rate;
}

static void append_key_frames(GString *text, const EgVideoEncoding *encoding,
                              const EgVideoEncoderElement *element)
{
    if (encoding->key_frame_interval_s > 0)
        g_string_append_printf(
            text, " %s=%u", element->key_frames,
            (guint)MAX(lrint(encoding->key_frame_interval_s * encoding->fps), 1));
}

static void append_options(GString *text, bool has_key_frames, EgRate rate,
                           const EgVideoEncoderElement *element)
{
    const char *const options[] = {
        has_key_frames ? element->options_key_frames : NULL,
        rate == EG_RATE_CONSTANT ? element->options_constant : NULL,
    };
    if (element->options == NULL || (options[0] == NULL && options[1] == NULL))
        return;
    g_string_append_printf(
        text, " %s=\"%s%s%s\"", element->options, options[0] != NULL ? options[0] : "",
        options[0] != NULL && options[1] != NULL ? ":" : "", options[1] != NULL ? options[1] : "");
}

static void append_encoder(GString *text, const EgVideoEncoding *encoding,
                           const EgVideoEncoderElement *element, const EgVideoEncoderConfig *config)
{
    EgRate rate = find_rate(encoding, config);
    if (element->raw_caps != NULL)
        g_string_append_printf(text, "videoconvert n-threads=1 ! capsfilter caps=%s ! ",
                               element->raw_caps);
    g_string_append_printf(text, "%s name=encoder %s %s %s=%u", element->element, element->settings,
                           element->rates[rate], element->bitrate,
                           MAX(encoding->bitrate_bps / element->bitrate_unit_bps, 1));
    if (element->preset != NULL)
        g_string_append_printf(text, " %s=%s", element->preset,
                               config->preset != NULL ? config->preset : "veryfast");
    if (element->threads != NULL && config->threads > 0)
        g_string_append_printf(text, " %s=%u", element->threads, config->threads);
    append_key_frames(text, encoding, element);
    append_options(text, encoding->key_frame_interval_s > 0, rate, element);
}

static char *describe_video(const EgVideoEncoding *encoding, const EgVideoEncoderElement *element,
                            const EgVideoEncoderConfig *config)
{
    const char *caps = eg_elements(encoding->codec)->encoded_caps;
    GString *text = g_string_new(NULL);
    append_encoder(text, encoding, element, config);
    const char *profile = encoding->codec == EG_CODEC_H264 ? profile_name(encoding->profile) : NULL;
    if (element->is_byte_stream)
        g_string_append_printf(text, " ! capsfilter caps=video/x-h264,profile=%s ! h264parse",
                               profile);
    g_string_append_printf(text, " ! capsfilter caps=%s", caps);
    if (profile != NULL && !element->is_byte_stream)
        g_string_append_printf(text, ",profile=%s", profile);
    return g_string_free(text, FALSE);
}

/* MP3 knows only these, in kbit/s (MPEG-1, layer 3). */
static guint mp3_bitrate_kbps(guint bitrate_bps)
{
    static const guint rates[] = {32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
    guint best = rates[0];
    for (guint i = 1; i < G_N_ELEMENTS(rates); i++) {
        if (rates[i] * 1000 <= bitrate_bps)
            best = rates[i];
    }
    return best;
}

static char *describe_sound(const EgAudioEncoding *encoding, const EgEncoderElement *element)
{
    guint bitrate = encoding->bitrate_bps;
    if (encoding->codec == EG_CODEC_MP3)
        bitrate = mp3_bitrate_kbps(bitrate);
    g_autofree char *rate =
        encoding->codec != EG_CODEC_PCM ? g_strdup_printf("bitrate=%u", bitrate) : g_strdup("");
    return g_strdup_printf("audioconvert ! %s name=encoder %s %s ! capsfilter caps=%s",
                           element->element, element->settings, rate,
                           eg_elements(encoding->codec)->encoded_caps);
}

/* Streaming thread. By itself an encoder says what it makes with the first picture that comes out,
 * which is half a second after the first that goes in. */
static GstPadProbeReturn say_caps(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    (void)pad;
    (void)info;
    gst_video_encoder_negotiate(GST_VIDEO_ENCODER(user));
    return GST_PAD_PROBE_REMOVE;
}

static void have_caps_said_early(EgEncoder *encoder)
{
    g_autoptr(GstElement) element = eg_chain_get_element(encoder->chain, "encoder");
    if (!GST_IS_VIDEO_ENCODER(element))
        return;
    g_autoptr(GstPad) pad = gst_element_get_static_pad(element, "sink");
    gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER, say_caps, element, NULL);
}

static EgEncoder *new_encoder(EgLoop *loop, EgCodec codec, const char *elements, GstCaps *caps,
                              const EgEncoderEvents *events, gpointer user, GError **error)
{
    static const EgChainEvents chain_events = {
        .sample = on_sample, .caps = on_caps, .ended = on_ended, .failed = on_failed};
    g_autoptr(EgEncoder) encoder = g_new0(EgEncoder, 1);
    encoder->loop = loop;
    encoder->events = *events;
    encoder->user = user;

    g_autofree char *doing = g_strdup_printf("encode %s", eg_codec_info(codec)->name);
    EgChainParams params = {
        .elements = elements, .doing = doing, .caps = caps, .max_samples_out = ENCODED_FRAMES_MAX};
    encoder->chain = eg_chain_new(loop, &params, &chain_events, encoder, error);
    if (encoder->chain == NULL)
        return NULL;
    return g_steal_pointer(&encoder);
}

EgEncoder *eg_encoder_new_video(EgLoop *loop, const EgVideoEncoding *encoding,
                                const EgVideoEncoderConfig *config, const EgEncoderEvents *events,
                                gpointer user, GError **error)
{
    if (!eg_gst_init(error))
        return NULL;
    const EgVideoEncoderElement *element = choose_video_element(encoding->codec, config, error);
    if (element == NULL)
        return NULL;
    g_autofree char *elements = describe_video(encoding, element, config);
    g_autoptr(GstCaps) caps = eg_picture_caps(encoding);
    EgEncoder *encoder = new_encoder(loop, encoding->codec, elements, caps, events, user, error);
    if (encoder == NULL)
        return NULL;
    encoder->key_interval_ns = llrint(encoding->key_frame_interval_s * (double)EG_NS_PER_S);
    /* What a parser says of it, it says with the first frame. */
    if (!element->is_byte_stream)
        have_caps_said_early(encoder);
    return encoder;
}

EgEncoder *eg_encoder_new_audio(EgLoop *loop, const EgAudioEncoding *encoding,
                                const EgEncoderEvents *events, gpointer user, GError **error)
{
    if (!eg_gst_init(error))
        return NULL;
    const EgEncoderElement *element = choose_element(encoding->codec);
    g_autofree char *elements = describe_sound(encoding, element);
    g_autoptr(GstCaps) caps = gst_caps_new_simple(
        "audio/x-raw", "format", G_TYPE_STRING, "F32LE", "layout", G_TYPE_STRING, "interleaved",
        "rate", G_TYPE_INT, (int)encoding->rate_hz, "channels", G_TYPE_INT, (int)encoding->channels,
        "channel-mask", GST_TYPE_BITMASK,
        encoding->channels == 2 ? G_GUINT64_CONSTANT(3) : G_GUINT64_CONSTANT(0), NULL);
    EgEncoder *encoder = new_encoder(loop, encoding->codec, elements, caps, events, user, error);
    if (encoder == NULL)
        return NULL;
    encoder->rate_hz = encoding->rate_hz;
    encoder->bytes_per_frame = encoding->channels * (guint)sizeof(float);
    encoder->block_frames = eg_elements(encoding->codec)->block_frames;
    encoder->priming_frames = element->priming_frames;
    encoder->first_ns = EG_TIME_NONE;
    return encoder;
}

void eg_encoder_free(EgEncoder *encoder)
{
    if (encoder == NULL)
        return;
    eg_chain_free(encoder->chain);
    gst_clear_caps(&encoder->caps);
    g_free(encoder);
}

/* By itself an encoder counts pictures, and one that was skipped would shift all that follow. */
static void ask_for_key_frame(EgEncoder *encoder, gint64 pts_ns)
{
    gint64 number = (pts_ns + KEY_TOLERANCE_NS) / encoder->key_interval_ns;
    if (number == encoder->key_number)
        return;
    encoder->key_number = number;
    eg_chain_push_event(encoder->chain, gst_video_event_new_downstream_force_key_unit(
                                            GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE,
                                            GST_CLOCK_TIME_NONE, FALSE, (guint)number));
}

void eg_encoder_push(EgEncoder *encoder, GstBuffer *buffer)
{
    eg_loop_assert_owner(encoder->loop);
    if (encoder->rate_hz > 0) {
        if (encoder->first_ns == EG_TIME_NONE)
            encoder->first_ns = (gint64)GST_BUFFER_PTS(buffer);
        encoder->pushed_frames += (gint64)(gst_buffer_get_size(buffer) / encoder->bytes_per_frame);
    }
    if (encoder->key_interval_ns > 0)
        ask_for_key_frame(encoder, (gint64)GST_BUFFER_PTS(buffer));
    eg_chain_push(encoder->chain, buffer);
}

bool eg_encoder_has_room(const EgEncoder *encoder)
{
    return eg_chain_queued(encoder->chain) < QUEUED_PICTURES_MAX;
}

guint eg_encoder_block_frames(EgCodec codec)
{
    return eg_elements(codec)->block_frames;
}

/* Not every element gives out by itself what it holds back, as long as its priming; what comes of
 * the silence is dropped by stamp_sound(). */
static void push_silence(EgEncoder *encoder)
{
    gsize frames = (gsize)encoder->priming_frames + encoder->block_frames;
    gsize size_bytes = frames * encoder->bytes_per_frame;
    GstBuffer *silence = gst_buffer_new_wrapped(g_malloc0(size_bytes), size_bytes);
    gint64 end_ns = encoder->first_ns + frames_to_ns(encoder, encoder->pushed_frames);
    GST_BUFFER_PTS(silence) = (GstClockTime)end_ns;
    eg_chain_push(encoder->chain, silence);
}

void eg_encoder_drain(EgEncoder *encoder)
{
    eg_loop_assert_owner(encoder->loop);
    if (encoder->pushed_frames > 0)
        push_silence(encoder);
    eg_chain_end(encoder->chain);
}

void eg_encoder_describe(const EgEncoder *encoder, GString *text)
{
    eg_chain_describe(encoder->chain, text);
}
