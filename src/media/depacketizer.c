#include "media/depacketizer.h"

#include "base/error.h"
#include "base/time.h"
#include "media/elements.h"
#include "media/frame.h"
#include "media/gst-util.h"
#include "media/opus.h"
#include "media/rtp-payload.h"

/* A frame that needs more packets is none: 4096 packets are 5 MB. */
#define FRAME_PACKETS_MAX 4096

/* No publisher sends smaller pictures; the server's blank ones are 8x8 and 2x2. */
#define PICTURE_SIZE_MIN 16

/* Elements that failed are built anew, so many times without a frame in between. */
#define REBUILDS_MAX 20

#define LAYERS_MAX 8

struct _EgDepacketizer {
    EgCodec codec;
    EgMedia media;
    EgDepacketizerEvents events;
    gpointer user;
    EgDepacketizerStats stats;

    /* The elements, and our ends of them: packets go in and frames come out in the same call. */
    GstElement *elements;
    GstPad *in;
    GstPad *out;
    GstBus *bus;
    guint rebuilds;

    guint64 next_sequence;
    bool has_sequence;

    /* Video: the packets of one frame are held until it is whole, so that the elements never see
     * one with a hole. */
    GPtrArray *packets; /* EgPacket */
    guint32 timestamp;
    gint64 instant_ns;
    bool is_whole; /* so far */
    bool is_key;
    bool waits_for_key;
    bool has_told_wish;

    /* VP9: what the frame's layers are. */
    guint n_layers; /* of which something was received */
    guint layer_bytes[LAYERS_MAX];
    guint top_layer;
    guint announced_width[LAYERS_MAX];
    guint announced_height[LAYERS_MAX];

    GstCaps *caps; /* of the frames that come out of the elements */
    bool has_told_caps;
    bool was_lost; /* something before the next frame */
    bool has_put_out;
};

static void tell_wish(EgDepacketizer *depacketizer)
{
    if (depacketizer->media != EG_MEDIA_VIDEO ||
        depacketizer->has_told_wish == depacketizer->waits_for_key)
        return;
    depacketizer->has_told_wish = depacketizer->waits_for_key;
    depacketizer->events.wants_key_frame(depacketizer->user, depacketizer->waits_for_key);
}

static void set_waits_for_key(EgDepacketizer *depacketizer)
{
    depacketizer->waits_for_key = true;
    depacketizer->was_lost = true;
}

/* The depayloader knows nothing of the size of VP9 pictures, or only that of a layer that the
 * server may have held back. */
static GstCaps *with_vp9_size(EgDepacketizer *depacketizer, GstBuffer *frame)
{
    guint width = depacketizer->announced_width[depacketizer->top_layer];
    guint height = depacketizer->announced_height[depacketizer->top_layer];
    if (depacketizer->n_layers <= 1 || width == 0 || height == 0) {
        GstMapInfo map;
        if (!gst_buffer_map(frame, &map, GST_MAP_READ))
            return NULL;
        bool is_known = eg_vp9_picture_size(map.data, map.size, &width, &height);
        gst_buffer_unmap(frame, &map);
        if (!is_known)
            return NULL;
    }
    return gst_caps_new_simple("video/x-vp9", "width", G_TYPE_INT, (int)width, "height", G_TYPE_INT,
                               (int)height, NULL);
}

/* A VP9 superframe of several layers needs its index at the end (bitstream specification, annex B),
 * without which most decoders would stop after the lowest layer; RTP goes without. */
static GstBuffer *with_vp9_index(const EgDepacketizer *depacketizer, GstBuffer *frame)
{
    if (depacketizer->n_layers <= 1)
        return frame;
    guint8 index[2 + 4 * LAYERS_MAX];
    guint8 marker = (guint8)(0xc0 | 3 << 3 | (depacketizer->n_layers - 1));
    gsize at = 0;
    index[at++] = marker;
    for (guint i = 0; i < depacketizer->n_layers; i++, at += 4)
        GST_WRITE_UINT32_LE(index + at, depacketizer->layer_bytes[i]);
    index[at++] = marker;
    return gst_buffer_append(frame, gst_buffer_new_memdup(index, at));
}

static bool is_blank(const GstCaps *caps)
{
    int width = 0;
    int height = 0;
    const GstStructure *structure = gst_caps_get_structure(caps, 0);
    return gst_structure_get_int(structure, "width", &width) &&
           gst_structure_get_int(structure, "height", &height) &&
           (width < PICTURE_SIZE_MIN || height < PICTURE_SIZE_MIN);
}

static void take_caps(EgDepacketizer *depacketizer, GstCaps *caps)
{
    if (depacketizer->caps != NULL && gst_caps_is_equal(depacketizer->caps, caps))
        return;
    gst_caps_replace(&depacketizer->caps, caps);
    depacketizer->has_told_caps = false;
}

static void put_out(EgDepacketizer *depacketizer, GstBuffer *frame)
{
    if (!depacketizer->has_told_caps) {
        depacketizer->has_told_caps = true;
        depacketizer->events.caps(depacketizer->user, depacketizer->caps);
    }
    if (depacketizer->was_lost && depacketizer->stats.frames > 0)
        gst_buffer_set_flags(frame, GST_BUFFER_FLAG_DISCONT);
    else
        gst_buffer_unset_flags(frame, GST_BUFFER_FLAG_DISCONT);
    depacketizer->was_lost = false;
    depacketizer->rebuilds = 0;
    depacketizer->stats.frames++;
    eg_frame_set_times(frame, depacketizer->instant_ns, depacketizer->instant_ns);
    depacketizer->events.frame(depacketizer->user, frame);
}

static gint64 sound_duration_ns(EgCodec codec, GstBuffer *frame)
{
    gsize size = gst_buffer_get_size(frame);
    if (codec != EG_CODEC_OPUS) /* G.711: a byte is a sample */
        return (gint64)size * EG_NS_PER_S / eg_codec_info(codec)->clock_rate_hz;
    guint8 head[2];
    return eg_opus_duration_ns(head, gst_buffer_extract(frame, 0, head, sizeof head));
}

static void handle_sound(EgDepacketizer *depacketizer, GstBuffer *frame)
{
    gint64 duration_ns = sound_duration_ns(depacketizer->codec, frame);
    if (duration_ns <= 0 || depacketizer->caps == NULL) {
        depacketizer->stats.dropped++;
        gst_buffer_unref(frame);
        return;
    }
    GST_BUFFER_DURATION(frame) = (GstClockTime)duration_ns;
    gst_buffer_unset_flags(frame, GST_BUFFER_FLAG_DELTA_UNIT);
    put_out(depacketizer, frame);
}

static void handle_picture(EgDepacketizer *depacketizer, GstBuffer *frame)
{
    if (depacketizer->codec == EG_CODEC_VP9) {
        if (depacketizer->is_key) {
            g_autoptr(GstCaps) caps = with_vp9_size(depacketizer, frame);
            if (caps != NULL)
                take_caps(depacketizer, caps);
        }
        frame = with_vp9_index(depacketizer, frame);
    }
    bool has_size = depacketizer->caps != NULL &&
                    gst_structure_has_field(gst_caps_get_structure(depacketizer->caps, 0), "width");
    if (!has_size || is_blank(depacketizer->caps)) {
        /* What comes next cannot refer to it. */
        set_waits_for_key(depacketizer);
        depacketizer->stats.dropped++;
        gst_buffer_unref(frame);
        return;
    }
    if (depacketizer->is_key) {
        depacketizer->waits_for_key = false;
        gst_buffer_unset_flags(frame, GST_BUFFER_FLAG_DELTA_UNIT);
    } else {
        gst_buffer_set_flags(frame, GST_BUFFER_FLAG_DELTA_UNIT);
    }
    GST_BUFFER_DURATION(frame) = GST_CLOCK_TIME_NONE;
    depacketizer->has_put_out = true;
    put_out(depacketizer, frame);
}

static GstFlowReturn take_frame(GstPad *pad, GstObject *parent, GstBuffer *frame)
{
    (void)parent;
    EgDepacketizer *depacketizer = gst_pad_get_element_private(pad);
    frame = gst_buffer_make_writable(frame);
    if (depacketizer->media == EG_MEDIA_VIDEO)
        handle_picture(depacketizer, frame);
    else
        handle_sound(depacketizer, frame);
    return GST_FLOW_OK;
}

static gboolean take_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    (void)parent;
    EgDepacketizer *depacketizer = gst_pad_get_element_private(pad);
    if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS && depacketizer->codec != EG_CODEC_VP9) {
        GstCaps *caps;
        gst_event_parse_caps(event, &caps);
        take_caps(depacketizer, caps);
    }
    gst_event_unref(event);
    return TRUE;
}

static void tear_down(EgDepacketizer *depacketizer)
{
    if (depacketizer->elements == NULL)
        return;
    gst_element_set_state(depacketizer->elements, GST_STATE_NULL);
    gst_pad_set_active(depacketizer->in, FALSE);
    gst_pad_set_active(depacketizer->out, FALSE);
    gst_element_set_bus(depacketizer->elements, NULL);
    gst_clear_object(&depacketizer->in);
    gst_clear_object(&depacketizer->out);
    gst_clear_object(&depacketizer->elements);
    gst_clear_object(&depacketizer->bus);
}

static void send_first_events(const EgDepacketizer *depacketizer)
{
    gst_pad_push_event(depacketizer->in, gst_event_new_stream_start("packets"));
    g_autoptr(GstCaps) caps = gst_caps_from_string(eg_elements(depacketizer->codec)->rtp_caps);
    gst_pad_push_event(depacketizer->in, gst_event_new_caps(caps));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(depacketizer->in, gst_event_new_segment(&segment));
}

static bool build(EgDepacketizer *depacketizer, GError **error)
{
    const char *name = eg_codec_info(depacketizer->codec)->name;
    g_autofree char *doing = g_strdup_printf("take %s from its packets", name);
    const char *description = eg_elements(depacketizer->codec)->depayloader;
    GstElement *elements = eg_gst_bin_new(description, doing, error);
    if (elements == NULL)
        return false;
    depacketizer->elements = gst_object_ref_sink(elements);
    depacketizer->bus = gst_bus_new();
    gst_element_set_bus(elements, depacketizer->bus);

    depacketizer->in = gst_object_ref_sink(gst_pad_new(NULL, GST_PAD_SRC));
    depacketizer->out = gst_object_ref_sink(gst_pad_new(NULL, GST_PAD_SINK));
    gst_pad_set_element_private(depacketizer->out, depacketizer);
    gst_pad_set_chain_function(depacketizer->out, take_frame);
    gst_pad_set_event_function(depacketizer->out, take_event);

    g_autoptr(GstPad) sink = gst_element_get_static_pad(elements, "sink");
    g_autoptr(GstPad) source = gst_element_get_static_pad(elements, "src");
    gst_pad_set_active(depacketizer->out, TRUE);
    gst_pad_set_active(depacketizer->in, TRUE);
    if (sink == NULL || source == NULL || gst_pad_link(depacketizer->in, sink) != GST_PAD_LINK_OK ||
        gst_pad_link(source, depacketizer->out) != GST_PAD_LINK_OK ||
        gst_element_set_state(elements, GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot %s: %s is refused", doing,
                     description);
        return false;
    }
    send_first_events(depacketizer);
    return true;
}

EgDepacketizer *eg_depacketizer_new(EgCodec codec, const EgDepacketizerEvents *events,
                                    gpointer user, GError **error)
{
    if (!eg_gst_init(error))
        return NULL;
    g_autoptr(EgDepacketizer) depacketizer = g_new0(EgDepacketizer, 1);
    depacketizer->codec = codec;
    depacketizer->media = eg_codec_info(codec)->media;
    depacketizer->events = *events;
    depacketizer->user = user;
    depacketizer->packets = g_ptr_array_new_with_free_func((GDestroyNotify)eg_packet_unref);
    depacketizer->waits_for_key = depacketizer->media == EG_MEDIA_VIDEO;
    if (!build(depacketizer, error))
        return NULL;
    return g_steal_pointer(&depacketizer);
}

void eg_depacketizer_free(EgDepacketizer *depacketizer)
{
    if (depacketizer == NULL)
        return;
    tear_down(depacketizer);
    gst_clear_caps(&depacketizer->caps);
    g_ptr_array_unref(depacketizer->packets);
    g_free(depacketizer);
}

/* The elements refused what they got: after that they are unusable. */
static void recover(EgDepacketizer *depacketizer)
{
    g_autoptr(GstMessage) message = gst_bus_pop_filtered(depacketizer->bus, GST_MESSAGE_ERROR);
    g_autoptr(GError) from = NULL;
    if (message != NULL)
        gst_message_parse_error(message, &from, NULL);

    set_waits_for_key(depacketizer);
    tear_down(depacketizer);
    g_autoptr(GError) error = NULL;
    if (depacketizer->rebuilds++ < REBUILDS_MAX) {
        if (build(depacketizer, &error))
            return;
        tear_down(depacketizer);
    } else {
        g_autofree char *doing =
            g_strdup_printf("take %s from its packets", eg_codec_info(depacketizer->codec)->name);
        eg_gst_error_translate(&error, from, doing);
    }
    depacketizer->events.failed(depacketizer->user, error);
}

static GstBuffer *wrap(EgPacket *packet, gint64 instant_ns)
{
    GstBuffer *buffer = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, (gpointer)packet->data, packet->size_bytes, 0, packet->size_bytes,
        eg_packet_ref(packet), (GDestroyNotify)eg_packet_unref);
    GST_BUFFER_PTS(buffer) = (GstClockTime)instant_ns;
    return buffer;
}

/* False if the elements are broken. */
static bool push_packet(EgDepacketizer *depacketizer, EgPacket *packet)
{
    if (depacketizer->elements == NULL)
        return false;
    GstFlowReturn flow = gst_pad_push(depacketizer->in, wrap(packet, depacketizer->instant_ns));
    return flow == GST_FLOW_OK;
}

static void drop_frame(EgDepacketizer *depacketizer)
{
    if (depacketizer->packets->len > 0)
        depacketizer->stats.dropped++;
    g_ptr_array_set_size(depacketizer->packets, 0);
}

static void finish_frame(EgDepacketizer *depacketizer)
{
    if (depacketizer->packets->len == 0)
        return;
    if (!depacketizer->is_whole)
        set_waits_for_key(depacketizer);
    if (!depacketizer->is_whole || (depacketizer->waits_for_key && !depacketizer->is_key)) {
        drop_frame(depacketizer);
        return;
    }
    depacketizer->has_put_out = false;
    guint64 dropped = depacketizer->stats.dropped;
    bool is_fine = true;
    for (guint i = 0; i < depacketizer->packets->len && is_fine; i++)
        is_fine = push_packet(depacketizer, g_ptr_array_index(depacketizer->packets, i));
    g_ptr_array_set_size(depacketizer->packets, 0);
    if (depacketizer->has_put_out)
        return;
    /* The elements made nothing of it: what follows refers to it in vain. */
    set_waits_for_key(depacketizer);
    if (depacketizer->stats.dropped == dropped)
        depacketizer->stats.dropped++;
    if (!is_fine)
        recover(depacketizer);
}

static void begin_frame(EgDepacketizer *depacketizer, const EgPacket *packet, gint64 instant_ns,
                        bool is_whole)
{
    depacketizer->timestamp = packet->timestamp;
    depacketizer->instant_ns = instant_ns;
    depacketizer->is_whole = is_whole;
    depacketizer->is_key = false;
    depacketizer->n_layers = 0;
    depacketizer->top_layer = 0;
}

static void note_layers(EgDepacketizer *depacketizer, const EgRtpPayload *payload, gsize size_bytes)
{
    for (guint i = 0; i < payload->n_layers; i++) {
        depacketizer->announced_width[i] = payload->layers[i].width;
        depacketizer->announced_height[i] = payload->layers[i].height;
    }
    if (payload->starts_layer && depacketizer->n_layers < LAYERS_MAX)
        depacketizer->layer_bytes[depacketizer->n_layers++] = 0;
    if (depacketizer->n_layers == 0)
        return;
    depacketizer->layer_bytes[depacketizer->n_layers - 1] +=
        (guint)(size_bytes - payload->header_bytes);
    depacketizer->top_layer = MAX(depacketizer->top_layer, payload->layer);
}

static void push_video(EgDepacketizer *depacketizer, EgPacket *packet, gint64 instant_ns,
                       bool has_gap)
{
    EgRtpPayload payload;
    gsize size_bytes = packet->size_bytes - packet->payload_offset;
    if (!eg_rtp_payload_parse(depacketizer->codec, packet->data + packet->payload_offset,
                              size_bytes, &payload)) {
        /* Like a lost one; its frame cannot be whole. */
        payload = (EgRtpPayload){0};
        has_gap = true;
    }
    bool is_new = depacketizer->packets->len == 0 || depacketizer->timestamp != packet->timestamp;
    if (has_gap) {
        depacketizer->is_whole = false;
        set_waits_for_key(depacketizer);
    }
    if (is_new) {
        finish_frame(depacketizer);
        begin_frame(depacketizer, packet, instant_ns, !has_gap || payload.starts_frame);
    }
    depacketizer->is_key |= payload.is_key;
    note_layers(depacketizer, &payload, size_bytes);
    if (depacketizer->packets->len >= FRAME_PACKETS_MAX)
        depacketizer->is_whole = false;
    else
        g_ptr_array_add(depacketizer->packets, eg_packet_ref(packet));
    if (packet->marker)
        finish_frame(depacketizer);
    tell_wish(depacketizer);
}

static void push_audio(EgDepacketizer *depacketizer, EgPacket *packet, gint64 instant_ns,
                       bool has_gap)
{
    depacketizer->instant_ns = instant_ns;
    depacketizer->was_lost |= has_gap;
    if (!push_packet(depacketizer, packet)) {
        depacketizer->stats.dropped++;
        recover(depacketizer);
    }
}

void eg_depacketizer_push(EgDepacketizer *depacketizer, EgPacket *packet, gint64 instant_ns)
{
    if (depacketizer->has_sequence && packet->sequence < depacketizer->next_sequence)
        return; /* a repetition */
    bool has_gap = depacketizer->has_sequence && packet->sequence > depacketizer->next_sequence;
    depacketizer->has_sequence = true;
    depacketizer->next_sequence = packet->sequence + 1;
    if (packet->payload_offset >= packet->size_bytes) {
        /* Padding: nothing of a frame, but what was lost before it may have been. */
        if (has_gap && depacketizer->media == EG_MEDIA_VIDEO) {
            depacketizer->is_whole = false;
            set_waits_for_key(depacketizer);
            tell_wish(depacketizer);
        }
        return;
    }
    if (depacketizer->media == EG_MEDIA_VIDEO)
        push_video(depacketizer, packet, instant_ns, has_gap);
    else
        push_audio(depacketizer, packet, instant_ns, has_gap);
}

void eg_depacketizer_get_stats(const EgDepacketizer *depacketizer, EgDepacketizerStats *stats)
{
    *stats = depacketizer->stats;
}
