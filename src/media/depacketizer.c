#include "media/depacketizer.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "media/depayloader.h"
#include "media/elements.h"
#include "media/frame.h"
#include "media/gst-util.h"
#include "media/opus.h"
#include "media/rtp-payload.h"
#include "media/vp9-layer.h"

/* A frame that needs more packets is none: 4096 packets are 5 MB. */
#define FRAME_PACKETS_MAX 4096

/* No publisher sends smaller pictures; the server's blank ones are 8x8 and 2x2. */
#define PICTURE_SIZE_MIN 16

/* A depayloader that has broken is made anew, so many times without a frame in between. */
#define REBUILDS_MAX 20

#define LAYERS_MAX      8
#define INDEX_BYTES_MAX (2 + 4 * LAYERS_MAX)

/* A packet of the frame that is being gathered. */
typedef struct {
    EgPacket *packet;
    gsize offset; /* of what belongs to the frame */
} Part;

struct _EgDepacketizer {
    EgCodec codec;
    EgMedia media;
    EgDepacketizerEvents events;
    gpointer user;
    EgDepacketizerStats stats;

    /* H264 only: the others' frames are what is in their packets. */
    EgDepayloader *depayloader;
    guint rebuilds;

    bool has_sequence;
    guint64 next_sequence;

    /* Video: the packets of one frame are held until it is whole. */
    GArray *parts; /* Part */
    guint32 timestamp;
    gint64 instant_ns;
    bool is_whole; /* so far */
    bool is_key;
    bool waits_for_key;
    bool has_told_wish;

    /* VP9: what the frame's layers are. */
    guint n_layers; /* of which something was received */
    guint layers[LAYERS_MAX];
    guint layer_bytes[LAYERS_MAX];
    guint top_layer;
    guint announced_width[LAYERS_MAX];
    guint announced_height[LAYERS_MAX];

    GstCaps *caps; /* of what comes out */
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

static void wait_for_key(EgDepacketizer *depacketizer)
{
    depacketizer->waits_for_key = true;
    depacketizer->was_lost = true;
}

static void take_caps(EgDepacketizer *depacketizer, GstCaps *caps)
{
    if (depacketizer->caps != NULL && gst_caps_is_equal(depacketizer->caps, caps))
        return;
    gst_caps_replace(&depacketizer->caps, caps);
    depacketizer->has_told_caps = false;
}

/* Takes the frame. */
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

static void drop_frame(EgDepacketizer *depacketizer)
{
    if (depacketizer->parts->len > 0)
        depacketizer->stats.dropped++;
    g_array_set_size(depacketizer->parts, 0);
}

/* Sound */

static gint64 sound_duration_ns(EgCodec codec, const guint8 *data, gsize size_bytes)
{
    if (codec == EG_CODEC_OPUS)
        return eg_opus_duration_ns(data, size_bytes);
    /* G.711: a byte is a sample. */
    return (gint64)size_bytes * EG_NS_PER_S / eg_codec_info(codec)->clock_rate_hz;
}

static void push_sound(EgDepacketizer *depacketizer, EgPacket *packet, gint64 instant_ns)
{
    gsize size_bytes = packet->size_bytes - packet->payload_offset;
    gint64 duration_ns =
        sound_duration_ns(depacketizer->codec, packet->data + packet->payload_offset, size_bytes);
    if (duration_ns <= 0) {
        depacketizer->was_lost = true;
        depacketizer->stats.dropped++;
        return;
    }
    GstBuffer *frame = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, (gpointer)packet->data, packet->size_bytes,
        packet->payload_offset, size_bytes, eg_packet_ref(packet), (GDestroyNotify)eg_packet_unref);
    GST_BUFFER_DURATION(frame) = (GstClockTime)duration_ns;
    depacketizer->instant_ns = instant_ns;
    put_out(depacketizer, frame);
}

/* Pictures */

static bool is_blank(const GstCaps *caps)
{
    int width = 0;
    int height = 0;
    const GstStructure *structure = gst_caps_get_structure(caps, 0);
    return gst_structure_get_int(structure, "width", &width) &&
           gst_structure_get_int(structure, "height", &height) &&
           (width < PICTURE_SIZE_MIN || height < PICTURE_SIZE_MIN);
}

static void put_out_picture(EgDepacketizer *depacketizer, GstBuffer *frame)
{
    /* A depayloader may split what belongs together; all of a picture comes first. */
    if (depacketizer->caps == NULL || is_blank(depacketizer->caps) || depacketizer->has_put_out) {
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

/* A VP9 superframe of several layers needs its index at the end (bitstream specification, annex B),
 * without which most decoders would stop after the lowest layer; RTP goes without. */
static gsize make_vp9_index(const EgDepacketizer *depacketizer, guint8 *index)
{
    guint8 marker = (guint8)(0xc0 | 3 << 3 | (depacketizer->n_layers - 1));
    gsize at = 0;
    index[at++] = marker;
    for (guint i = 0; i < depacketizer->n_layers; i++) {
        for (guint shift = 0; shift < 32; shift += 8) /* little endian */
            index[at++] = (guint8)(depacketizer->layer_bytes[i] >> shift & 0xff);
    }
    index[at++] = marker;
    return at;
}

/* The size of the pictures that begin with this key frame. Of several VP9 layers the upper ones say
 * theirs only in the first packet's announcement, which lists more layers than the server may
 * have passed on. */
static bool find_picture_size(const EgDepacketizer *depacketizer, const guint8 *data,
                              gsize size_bytes, guint *width, guint *height)
{
    if (depacketizer->codec == EG_CODEC_VP8)
        return eg_vp8_picture_size(data, size_bytes, width, height);
    *width = depacketizer->announced_width[depacketizer->top_layer];
    *height = depacketizer->announced_height[depacketizer->top_layer];
    if (depacketizer->n_layers > 1 && *width > 0 && *height > 0)
        return true;
    return eg_vp9_picture_size(data, size_bytes, width, height);
}

static bool take_vpx_caps(EgDepacketizer *depacketizer, const guint8 *data, gsize size_bytes)
{
    guint width;
    guint height;
    if (!find_picture_size(depacketizer, data, size_bytes, &width, &height))
        return false;
    g_autoptr(GstCaps) caps = gst_caps_from_string(eg_elements(depacketizer->codec)->frame_caps);
    gst_caps_set_simple(caps, "width", G_TYPE_INT, (int)width, "height", G_TYPE_INT, (int)height,
                        NULL);
    take_caps(depacketizer, caps);
    return true;
}

static gsize part_bytes(const Part *part)
{
    return part->packet->size_bytes - part->offset;
}

/* Takes the data of a picture of several VP9 layers; returns it as a superframe that shows the top
 * layer. */
static guint8 *make_superframe(EgDepacketizer *depacketizer, guint8 *data, gsize *size_bytes)
{
    guint8 *superframe = g_malloc(*size_bytes + depacketizer->n_layers + INDEX_BYTES_MAX);
    gsize from = *size_bytes;
    gsize to = 0;
    for (guint i = 0; i < depacketizer->n_layers; i++)
        from -= depacketizer->layer_bytes[i];
    for (guint i = 0; i < depacketizer->n_layers; i++) {
        gsize layer_bytes = depacketizer->layer_bytes[i];
        guint width = depacketizer->announced_width[depacketizer->layers[i]];
        gsize hidden_bytes = 0;
        if (i + 1 < depacketizer->n_layers)
            hidden_bytes = eg_vp9_hide_layer(data + from, layer_bytes, width, superframe + to);
        if (hidden_bytes == 0)
            memcpy(superframe + to, data + from, layer_bytes);
        else
            depacketizer->layer_bytes[i] = (guint)hidden_bytes;
        from += layer_bytes;
        to += depacketizer->layer_bytes[i];
    }
    *size_bytes = to + make_vp9_index(depacketizer, superframe + to);
    g_free(data);
    return superframe;
}

/* VP8 and VP9: one piece after the other. */
static void join_parts(EgDepacketizer *depacketizer)
{
    gsize size_bytes = 0;
    for (guint i = 0; i < depacketizer->parts->len; i++)
        size_bytes += part_bytes(&g_array_index(depacketizer->parts, Part, i));

    guint8 *data = g_malloc(size_bytes);
    gsize at = 0;
    for (guint i = 0; i < depacketizer->parts->len; i++) {
        const Part *part = &g_array_index(depacketizer->parts, Part, i);
        memcpy(data + at, part->packet->data + part->offset, part_bytes(part));
        at += part_bytes(part);
    }
    bool is_known = !depacketizer->is_key || take_vpx_caps(depacketizer, data, size_bytes);
    if (depacketizer->codec == EG_CODEC_VP9 && depacketizer->n_layers > 1)
        data = make_superframe(depacketizer, data, &size_bytes);
    GstBuffer *frame = gst_buffer_new_wrapped(data, size_bytes);
    if (is_known)
        put_out_picture(depacketizer, frame);
    else
        gst_buffer_unref(frame);
}

static void on_depayloader_caps(gpointer user, GstCaps *caps)
{
    take_caps(user, caps);
}

static void on_depayloader_frame(gpointer user, GstBuffer *frame)
{
    put_out_picture(user, frame);
}

static bool make_depayloader(EgDepacketizer *depacketizer, GError **error)
{
    static const EgDepayloaderEvents events = {.caps = on_depayloader_caps,
                                               .frame = on_depayloader_frame};
    depacketizer->depayloader =
        eg_depayloader_new(depacketizer->codec, &events, depacketizer, error);
    return depacketizer->depayloader != NULL;
}

/* Takes the error of a depayloader that has broken on what the network brought. */
static void replace_depayloader(EgDepacketizer *depacketizer, GError *failure)
{
    g_clear_pointer(&depacketizer->depayloader, eg_depayloader_free);
    g_autoptr(GError) error = failure;
    if (depacketizer->rebuilds++ < REBUILDS_MAX) {
        g_clear_error(&error);
        if (make_depayloader(depacketizer, &error))
            return;
    }
    depacketizer->events.failed(depacketizer->user, error);
}

/* Depayloaders take the marker for the end of a frame; a sender that sets none is forgiven. */
static EgPacket *with_marker(EgPacket *packet)
{
    if (packet->marker)
        return eg_packet_ref(packet);
    guint8 *data;
    EgPacket *copy = eg_packet_new(packet->size_bytes, &data);
    memcpy(data, packet->data, packet->size_bytes);
    data[1] |= 0x80;
    return copy;
}

static void depayload_parts(EgDepacketizer *depacketizer)
{
    GError *error = NULL;
    for (guint i = 0; i < depacketizer->parts->len && error == NULL; i++) {
        bool is_last = i + 1 == depacketizer->parts->len;
        EgPacket *packet = g_array_index(depacketizer->parts, Part, i).packet;
        g_autoptr(EgPacket) pushed = is_last ? with_marker(packet) : eg_packet_ref(packet);
        if (depacketizer->depayloader != NULL)
            eg_depayloader_push(depacketizer->depayloader, pushed, &error);
    }
    if (error != NULL)
        replace_depayloader(depacketizer, error);
}

static void finish_picture(EgDepacketizer *depacketizer)
{
    if (depacketizer->parts->len == 0)
        return;
    if (!depacketizer->is_whole)
        wait_for_key(depacketizer);
    if (depacketizer->waits_for_key && !(depacketizer->is_key && depacketizer->is_whole)) {
        drop_frame(depacketizer);
        return;
    }
    depacketizer->has_put_out = false;
    if (depacketizer->codec == EG_CODEC_H264)
        depayload_parts(depacketizer);
    else
        join_parts(depacketizer);
    if (!depacketizer->has_put_out) {
        /* Blank, or not what it seemed to be: what follows cannot refer to it. */
        wait_for_key(depacketizer);
        drop_frame(depacketizer);
    }
    g_array_set_size(depacketizer->parts, 0);
}

static void begin_picture(EgDepacketizer *depacketizer, const EgPacket *packet, gint64 instant_ns,
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
    if (payload->starts_layer && depacketizer->n_layers < LAYERS_MAX) {
        depacketizer->layers[depacketizer->n_layers] = payload->layer;
        depacketizer->layer_bytes[depacketizer->n_layers++] = 0;
    }
    if (depacketizer->n_layers == 0)
        return;
    depacketizer->layer_bytes[depacketizer->n_layers - 1] +=
        (guint)(size_bytes - payload->header_bytes);
    depacketizer->top_layer = MAX(depacketizer->top_layer, payload->layer);
}

static void add_part(EgDepacketizer *depacketizer, EgPacket *packet, gsize offset)
{
    if (depacketizer->parts->len >= FRAME_PACKETS_MAX) {
        depacketizer->is_whole = false;
        return;
    }
    Part part = {.packet = eg_packet_ref(packet), .offset = offset};
    g_array_append_val(depacketizer->parts, part);
}

static void push_picture(EgDepacketizer *depacketizer, EgPacket *packet, gint64 instant_ns,
                         bool has_gap)
{
    EgRtpPayload payload;
    gsize size_bytes = packet->size_bytes - packet->payload_offset;
    if (!eg_rtp_payload_parse(depacketizer->codec, packet->data + packet->payload_offset,
                              size_bytes, &payload)) {
        /* Like a lost one: its frame cannot be whole. */
        payload = (EgRtpPayload){0};
        has_gap = true;
    }
    if (has_gap) {
        depacketizer->is_whole = false;
        wait_for_key(depacketizer);
    }
    if (depacketizer->parts->len == 0 || depacketizer->timestamp != packet->timestamp) {
        finish_picture(depacketizer);
        begin_picture(depacketizer, packet, instant_ns, !has_gap || payload.starts_frame);
    }
    depacketizer->is_key |= payload.is_key;
    note_layers(depacketizer, &payload, size_bytes);
    add_part(depacketizer, packet, packet->payload_offset + payload.header_bytes);
    if (packet->marker)
        finish_picture(depacketizer);
    tell_wish(depacketizer);
}

static void clear_part(gpointer data)
{
    eg_packet_unref(((Part *)data)->packet);
}

EgDepacketizer *eg_depacketizer_new(EgCodec codec, const EgDepacketizerEvents *events,
                                    gpointer user, GError **error)
{
    if (!eg_gst_init(error))
        return NULL;
    const EgElements *elements = eg_elements(codec);
    g_autoptr(EgDepacketizer) depacketizer = g_new0(EgDepacketizer, 1);
    depacketizer->codec = codec;
    depacketizer->media = eg_codec_info(codec)->media;
    depacketizer->events = *events;
    depacketizer->user = user;
    depacketizer->parts = g_array_new(FALSE, FALSE, sizeof(Part));
    g_array_set_clear_func(depacketizer->parts, clear_part);
    depacketizer->waits_for_key = depacketizer->media == EG_MEDIA_VIDEO;
    if (depacketizer->media == EG_MEDIA_AUDIO)
        depacketizer->caps = gst_caps_from_string(elements->frame_caps);
    if (elements->depayloader != NULL && !make_depayloader(depacketizer, error))
        return NULL;
    return g_steal_pointer(&depacketizer);
}

void eg_depacketizer_free(EgDepacketizer *depacketizer)
{
    if (depacketizer == NULL)
        return;
    eg_depayloader_free(depacketizer->depayloader);
    gst_clear_caps(&depacketizer->caps);
    g_array_unref(depacketizer->parts);
    g_free(depacketizer);
}

void eg_depacketizer_push(EgDepacketizer *depacketizer, EgPacket *packet, gint64 instant_ns)
{
    if (depacketizer->has_sequence && packet->sequence < depacketizer->next_sequence)
        return; /* a repetition */
    /* What came before the first packet is as good as lost. */
    bool has_gap = !depacketizer->has_sequence || packet->sequence > depacketizer->next_sequence;
    depacketizer->has_sequence = true;
    depacketizer->next_sequence = packet->sequence + 1;
    bool is_padding = packet->payload_offset >= packet->size_bytes;

    if (depacketizer->media == EG_MEDIA_VIDEO && !is_padding) {
        push_picture(depacketizer, packet, instant_ns, has_gap);
        return;
    }
    if (has_gap) {
        depacketizer->is_whole = false;
        wait_for_key(depacketizer);
        tell_wish(depacketizer);
    }
    if (!is_padding)
        push_sound(depacketizer, packet, instant_ns);
}

void eg_depacketizer_get_stats(const EgDepacketizer *depacketizer, EgDepacketizerStats *stats)
{
    *stats = depacketizer->stats;
}
