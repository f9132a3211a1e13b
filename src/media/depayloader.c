#include "media/depayloader.h"

#include "base/error.h"
#include "media/elements.h"
#include "media/gst-util.h"

struct _EgDepayloader {
    EgCodec codec;
    char *doing;
    EgDepayloaderEvents events;
    gpointer user;
    GstElement *elements;
    GstPad *in;  /* ours, in front of the elements */
    GstPad *out; /* ours, behind them */
    GstBus *bus;
};

static GstFlowReturn take_frame(GstPad *pad, GstObject *parent, GstBuffer *frame)
{
    (void)parent;
    EgDepayloader *depayloader = gst_pad_get_element_private(pad);
    depayloader->events.frame(depayloader->user, gst_buffer_make_writable(frame));
    return GST_FLOW_OK;
}

static gboolean take_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
    (void)parent;
    EgDepayloader *depayloader = gst_pad_get_element_private(pad);
    if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
        GstCaps *caps;
        gst_event_parse_caps(event, &caps);
        depayloader->events.caps(depayloader->user, caps);
    }
    gst_event_unref(event);
    return TRUE;
}

/* A pad without a template takes no other caps than its first. */
static GstStaticPadTemplate any_frames =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS_ANY);

static void make_pads(EgDepayloader *depayloader)
{
    depayloader->in = gst_object_ref_sink(gst_pad_new(NULL, GST_PAD_SRC));
    depayloader->out = gst_object_ref_sink(gst_pad_new_from_static_template(&any_frames, NULL));
    gst_pad_set_element_private(depayloader->out, depayloader);
    gst_pad_set_chain_function(depayloader->out, take_frame);
    gst_pad_set_event_function(depayloader->out, take_event);
    gst_pad_set_active(depayloader->out, TRUE);
    gst_pad_set_active(depayloader->in, TRUE);
}

static bool link_and_start(EgDepayloader *depayloader)
{
    g_autoptr(GstPad) sink = gst_element_get_static_pad(depayloader->elements, "sink");
    g_autoptr(GstPad) source = gst_element_get_static_pad(depayloader->elements, "src");
    return sink != NULL && source != NULL &&
           gst_pad_link(depayloader->in, sink) == GST_PAD_LINK_OK &&
           gst_pad_link(source, depayloader->out) == GST_PAD_LINK_OK &&
           gst_element_set_state(depayloader->elements, GST_STATE_PLAYING) !=
               GST_STATE_CHANGE_FAILURE;
}

static void send_first_events(const EgDepayloader *depayloader)
{
    gst_pad_push_event(depayloader->in, gst_event_new_stream_start("packets"));
    g_autoptr(GstCaps) caps = gst_caps_from_string(eg_elements(depayloader->codec)->rtp_caps);
    gst_pad_push_event(depayloader->in, gst_event_new_caps(caps));
    GstSegment segment;
    gst_segment_init(&segment, GST_FORMAT_TIME);
    gst_pad_push_event(depayloader->in, gst_event_new_segment(&segment));
}

EgDepayloader *eg_depayloader_new(EgCodec codec, const EgDepayloaderEvents *events, gpointer user,
                                  GError **error)
{
    g_autoptr(EgDepayloader) depayloader = g_new0(EgDepayloader, 1);
    depayloader->codec = codec;
    depayloader->events = *events;
    depayloader->user = user;
    depayloader->doing = g_strdup_printf("take %s from its packets", eg_codec_info(codec)->name);
    GstElement *elements =
        eg_gst_bin_new(eg_elements(codec)->depayloader, depayloader->doing, error);
    if (elements == NULL)
        return NULL;
    depayloader->elements = gst_object_ref_sink(elements);
    depayloader->bus = gst_bus_new();
    gst_element_set_bus(elements, depayloader->bus);
    make_pads(depayloader);
    if (!link_and_start(depayloader)) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                     "cannot %s: its elements are refused", depayloader->doing);
        return NULL;
    }
    send_first_events(depayloader);
    return g_steal_pointer(&depayloader);
}

void eg_depayloader_free(EgDepayloader *depayloader)
{
    if (depayloader == NULL)
        return;
    if (depayloader->elements != NULL) {
        gst_element_set_state(depayloader->elements, GST_STATE_NULL);
        gst_pad_set_active(depayloader->in, FALSE);
        gst_pad_set_active(depayloader->out, FALSE);
        gst_element_set_bus(depayloader->elements, NULL);
    }
    gst_clear_object(&depayloader->in);
    gst_clear_object(&depayloader->out);
    gst_clear_object(&depayloader->elements);
    gst_clear_object(&depayloader->bus);
    g_free(depayloader->doing);
    g_free(depayloader);
}

bool eg_depayloader_push(EgDepayloader *depayloader, EgPacket *packet, GError **error)
{
    GstBuffer *buffer = gst_buffer_new_wrapped_full(
        GST_MEMORY_FLAG_READONLY, (gpointer)packet->data, packet->size_bytes, 0, packet->size_bytes,
        eg_packet_ref(packet), (GDestroyNotify)eg_packet_unref);
    /* The parser wants some time to go by; whoever gets the frame knows the right one. */
    GST_BUFFER_PTS(buffer) = 0;
    if (gst_pad_push(depayloader->in, buffer) == GST_FLOW_OK)
        return true;

    g_autoptr(GstMessage) message = gst_bus_pop_filtered(depayloader->bus, GST_MESSAGE_ERROR);
    g_autoptr(GError) from = NULL;
    if (message != NULL)
        gst_message_parse_error(message, &from, NULL);
    eg_gst_error_translate(error, from, depayloader->doing);
    return false;
}
