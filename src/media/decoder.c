#include "media/decoder.h"

#include "base/time.h"
#include "media/chain.h"
#include "media/elements.h"

/* Frames that wait for the decoder: two seconds of either kind. What comes when they are used up
 * is dropped, since it would only ever be late. */
#define QUEUED_PICTURES_MAX 60
#define QUEUED_SOUNDS_MAX   100

/* Decoded pictures that wait for the loop: each is 1.4 MB at 720p. */
#define DECODED_PICTURES_MAX 4
#define DECODED_SOUNDS_MAX   100

/* A shorter hole in the sound is concealed by the decoder, a longer one is silence. */
#define CONCEALED_MAX_NS (100 * EG_NS_PER_MS)

struct _EgDecoder {
    EgLoop *loop;
    EgMedia media;
    EgDecoderEvents events;
    gpointer user;
    EgChain *chain;
    gint is_tagged; /* atomic: the stream says what its colours mean */
    bool waits_for_key;
    guint64 dropped;
    gint64 sound_end_ns; /* of what was pushed; EG_TIME_NONE before */
    EgLoopFunc drained;
    gpointer drained_user;
};

static void on_sample(gpointer user, GstSample *sample)
{
    EgDecoder *decoder = user;
    GstBuffer *buffer = gst_buffer_ref(gst_sample_get_buffer(sample));
    gst_sample_unref(sample);
    decoder->events.decoded(decoder->user, buffer);
}

static void on_ended(gpointer user)
{
    EgDecoder *decoder = user;
    if (decoder->drained != NULL)
        decoder->drained(decoder->drained_user);
}

static void on_failed(gpointer user, const GError *error)
{
    EgDecoder *decoder = user;
    decoder->events.failed(decoder->user, error);
}

/* GStreamer takes untagged small pictures for BT.601 and would convert their colours. What WebRTC
 * sends untagged counts as BT.709, so that it costs nothing. Streaming thread. */
static GstPadProbeReturn tag_colours(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
    (void)pad;
    EgDecoder *decoder = user;
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
    if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS || g_atomic_int_get(&decoder->is_tagged))
        return GST_PAD_PROBE_OK;

    GstCaps *caps;
    gst_event_parse_caps(event, &caps);
    g_autoptr(GstCaps) tagged = gst_caps_copy(caps);
    gst_caps_set_simple(tagged, "colorimetry", G_TYPE_STRING, "bt709", NULL);
    GST_PAD_PROBE_INFO_DATA(info) = gst_event_new_caps(tagged);
    gst_event_unref(event);
    return GST_PAD_PROBE_OK;
}

static void watch_colours(EgDecoder *decoder)
{
    g_autoptr(GstElement) convert = eg_chain_get_element(decoder->chain, "convert");
    g_autoptr(GstPad) sink = gst_element_get_static_pad(convert, "sink");
    g_autoptr(GstPad) source = gst_pad_get_peer(sink);
    gst_pad_add_probe(source, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, tag_colours, decoder, NULL);
}

static char *describe(const EgDecoderParams *params)
{
    const char *decoder = eg_elements(params->codec)->decoder;
    if (eg_codec_info(params->codec)->media == EG_MEDIA_VIDEO)
        return g_strdup_printf("%s ! videoconvertscale name=convert n-threads=1 add-borders=true ! "
                               "capsfilter caps=video/x-raw,format=I420,width=%u,height=%u,"
                               "pixel-aspect-ratio=1/1,colorimetry=bt709",
                               decoder, params->width, params->height);
    return g_strdup_printf(
        "%s ! audioconvert ! audioresample quality=4 ! "
        "capsfilter caps=audio/x-raw,format=F32LE,layout=interleaved,channels=2,rate=%u",
        decoder, params->rate_hz);
}

EgDecoder *eg_decoder_new(EgLoop *loop, const EgDecoderParams *params,
                          const EgDecoderEvents *events, gpointer user, GError **error)
{
    static const EgChainEvents chain_events = {
        .sample = on_sample, .ended = on_ended, .failed = on_failed};
    const EgCodecInfo *info = eg_codec_info(params->codec);

    g_autoptr(EgDecoder) decoder = g_new0(EgDecoder, 1);
    decoder->loop = loop;
    decoder->media = info->media;
    decoder->events = *events;
    decoder->user = user;
    decoder->sound_end_ns = EG_TIME_NONE;

    bool is_video = info->media == EG_MEDIA_VIDEO;
    g_autofree char *elements = describe(params);
    g_autofree char *doing = g_strdup_printf("decode %s", info->name);
    EgChainParams chain_params = {
        .elements = elements,
        .doing = doing,
        .max_samples_out = is_video ? DECODED_PICTURES_MAX : DECODED_SOUNDS_MAX,
    };
    decoder->chain = eg_chain_new(loop, &chain_params, &chain_events, decoder, error);
    if (decoder->chain == NULL)
        return NULL;
    if (is_video)
        watch_colours(decoder);
    return g_steal_pointer(&decoder);
}

void eg_decoder_free(EgDecoder *decoder)
{
    if (decoder == NULL)
        return;
    eg_chain_free(decoder->chain);
    g_free(decoder);
}

void eg_decoder_set_caps(EgDecoder *decoder, GstCaps *caps)
{
    const GstStructure *structure = gst_caps_get_structure(caps, 0);
    g_atomic_int_set(&decoder->is_tagged, gst_structure_has_field(structure, "colorimetry"));
    eg_chain_set_caps(decoder->chain, caps);
}

/* Lets the decoder conceal what is missing before `pts_ns`. */
static void announce_gap(EgDecoder *decoder, gint64 pts_ns)
{
    if (decoder->sound_end_ns == EG_TIME_NONE)
        return;
    gint64 gap_ns = pts_ns - decoder->sound_end_ns;
    if (gap_ns < EG_NS_PER_MS || gap_ns > CONCEALED_MAX_NS)
        return;
    eg_chain_push_event(decoder->chain, gst_event_new_gap((GstClockTime)decoder->sound_end_ns,
                                                          (GstClockTime)gap_ns));
}

static void push_sound(EgDecoder *decoder, GstBuffer *frame)
{
    if (eg_chain_queued(decoder->chain) >= QUEUED_SOUNDS_MAX) {
        decoder->dropped++;
        gst_buffer_unref(frame);
        return;
    }
    gint64 pts_ns = (gint64)GST_BUFFER_PTS(frame);
    announce_gap(decoder, pts_ns);
    decoder->sound_end_ns = EG_TIME_NONE;
    if (GST_BUFFER_DURATION_IS_VALID(frame))
        decoder->sound_end_ns = pts_ns + (gint64)GST_BUFFER_DURATION(frame);
    eg_chain_push(decoder->chain, frame);
}

static void push_picture(EgDecoder *decoder, GstBuffer *frame)
{
    if (!GST_BUFFER_FLAG_IS_SET(frame, GST_BUFFER_FLAG_DELTA_UNIT))
        decoder->waits_for_key = false;
    bool is_full = eg_chain_queued(decoder->chain) >= QUEUED_PICTURES_MAX;
    bool is_news = is_full && !decoder->waits_for_key;
    decoder->waits_for_key |= is_full;
    if (is_news && decoder->events.wants_key_frame != NULL)
        decoder->events.wants_key_frame(decoder->user);
    if (decoder->waits_for_key) {
        decoder->dropped++;
        gst_buffer_unref(frame);
        return;
    }
    eg_chain_push(decoder->chain, frame);
}

void eg_decoder_push(EgDecoder *decoder, GstBuffer *frame)
{
    eg_loop_assert_owner(decoder->loop);
    if (decoder->media == EG_MEDIA_VIDEO)
        push_picture(decoder, frame);
    else
        push_sound(decoder, frame);
}

void eg_decoder_drain(EgDecoder *decoder, EgLoopFunc done, gpointer user)
{
    eg_loop_assert_owner(decoder->loop);
    decoder->drained = done;
    decoder->drained_user = user;
    eg_chain_end(decoder->chain);
}

guint64 eg_decoder_dropped(const EgDecoder *decoder)
{
    return decoder->dropped;
}

void eg_decoder_describe(const EgDecoder *decoder, GString *text)
{
    eg_chain_describe(decoder->chain, text);
}
