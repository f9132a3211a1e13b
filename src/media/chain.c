#include "media/chain.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>

#include "base/error.h"
#include "media/gst-util.h"

/* What the posts of streaming threads hold: it outlives the chain, and says whether the chain is
 * still there. */
typedef struct {
    EgChain *chain; /* NULL after eg_chain_free(); loop's thread only */
    gint wake_is_posted;
} Link;

typedef struct {
    Link *link;
    GError *error;
} Failure;

struct _EgChain {
    EgLoop *loop;
    EgChainEvents events;
    gpointer user;
    char *doing;
    GstElement *pipeline;
    GstAppSrc *source;
    GstAppSink *sink;
    Link *link;
    bool has_failed;
};

static void unref_link(gpointer data)
{
    g_atomic_rc_box_release(data);
}

static void deliver_event(EgChain *chain, GstEvent *event)
{
    GstCaps *caps = NULL;
    if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS && chain->events.caps != NULL) {
        gst_event_parse_caps(event, &caps);
        chain->events.caps(chain->user, caps);
    }
    gst_event_unref(event);
}

static void deliver(Link *link)
{
    while (link->chain != NULL) {
        EgChain *chain = link->chain;
        GstMiniObject *object = gst_app_sink_try_pull_object(chain->sink, 0);
        if (object == NULL)
            return;
        if (GST_IS_EVENT(object))
            deliver_event(chain, GST_EVENT(object));
        else
            chain->events.sample(chain->user, GST_SAMPLE(object));
    }
}

static void on_wake(gpointer user)
{
    Link *link = user;
    g_atomic_int_set(&link->wake_is_posted, 0);
    deliver(link);
}

static void on_ended(gpointer user)
{
    Link *link = user;
    deliver(link);
    if (link->chain != NULL && !link->chain->has_failed)
        link->chain->events.ended(link->chain->user);
}

static void on_failed(gpointer user)
{
    Failure *failure = user;
    EgChain *chain = failure->link->chain;
    if (chain == NULL || chain->has_failed)
        return;
    chain->has_failed = true;
    chain->events.failed(chain->user, failure->error);
}

static void free_failure(gpointer data)
{
    Failure *failure = data;
    unref_link(failure->link);
    g_error_free(failure->error);
    g_free(failure);
}

/* Streaming thread. */
static GstFlowReturn post_wake(GstAppSink *sink, gpointer user)
{
    (void)sink;
    EgChain *chain = user;
    if (g_atomic_int_compare_and_exchange(&chain->link->wake_is_posted, 0, 1))
        eg_loop_post(chain->loop, on_wake, g_atomic_rc_box_acquire(chain->link), unref_link);
    return GST_FLOW_OK;
}

/* Streaming thread. */
static gboolean post_event(GstAppSink *sink, gpointer user)
{
    post_wake(sink, user);
    return FALSE; /* it is to be handled as usual */
}

/* Streaming thread. */
static void post_ended(GstAppSink *sink, gpointer user)
{
    (void)sink;
    EgChain *chain = user;
    eg_loop_post(chain->loop, on_ended, g_atomic_rc_box_acquire(chain->link), unref_link);
}

/* Any thread. */
static GstBusSyncReply handle_message(GstBus *bus, GstMessage *message, gpointer user)
{
    (void)bus;
    EgChain *chain = user;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
        g_autoptr(GError) from = NULL;
        gst_message_parse_error(message, &from, NULL);
        Failure *failure = g_new0(Failure, 1);
        failure->link = g_atomic_rc_box_acquire(chain->link);
        eg_gst_error_translate(&failure->error, from, chain->doing);
        eg_loop_post(chain->loop, on_failed, failure, free_failure);
    }
    gst_message_unref(message);
    return GST_BUS_DROP;
}

static void set_up_ends(EgChain *chain, const EgChainParams *params)
{
    g_object_set(chain->source, "format", GST_FORMAT_TIME, "is-live", FALSE, "max-buffers",
                 G_GUINT64_CONSTANT(0), "max-bytes", G_GUINT64_CONSTANT(0), NULL);
    if (params->caps != NULL)
        gst_app_src_set_caps(chain->source, params->caps);

    /* Without a clock nothing may wait for one, and an element that waits for its first buffer must
     * not hold up the change of state. */
    g_object_set(chain->sink, "sync", FALSE, "async", FALSE, "qos", FALSE, "enable-last-sample",
                 FALSE, "max-buffers", params->max_samples_out, NULL);
    GstAppSinkCallbacks callbacks = {
        .new_sample = post_wake,
        .new_event = post_event,
        .eos = post_ended,
    };
    gst_app_sink_set_callbacks(chain->sink, &callbacks, chain, NULL);

    g_autoptr(GstBus) bus = gst_element_get_bus(chain->pipeline);
    gst_bus_set_sync_handler(bus, handle_message, chain, NULL);
    gst_pipeline_use_clock(GST_PIPELINE(chain->pipeline), NULL);
}

static bool build(EgChain *chain, const EgChainParams *params, GError **error)
{
    GstElement *elements = eg_gst_bin_new(params->elements, params->doing, error);
    if (elements == NULL)
        return false;
    GstElement *source = gst_element_factory_make("appsrc", NULL);
    GstElement *sink = gst_element_factory_make("appsink", NULL);
    if (source == NULL || sink == NULL) {
        gst_clear_object(&source);
        gst_clear_object(&sink);
        gst_object_unref(elements);
        eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE,
                     "cannot %s: GStreamer's app plugin is missing", params->doing);
        return false;
    }
    chain->pipeline = gst_object_ref_sink(gst_pipeline_new(NULL));
    chain->source = GST_APP_SRC(gst_object_ref(source));
    chain->sink = GST_APP_SINK(gst_object_ref(sink));
    gst_bin_add_many(GST_BIN(chain->pipeline), source, elements, sink, NULL);
    set_up_ends(chain, params);
    if (gst_element_link_many(source, elements, sink, NULL) &&
        gst_element_set_state(chain->pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE)
        return true;
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot %s: its pipeline is refused",
                 params->doing);
    return false;
}

EgChain *eg_chain_new(EgLoop *loop, const EgChainParams *params, const EgChainEvents *events,
                      gpointer user, GError **error)
{
    eg_loop_assert_owner(loop);
    if (!eg_gst_init(error))
        return NULL;
    EgChain *chain = g_new0(EgChain, 1);
    chain->loop = loop;
    chain->events = *events;
    chain->user = user;
    chain->doing = g_strdup(params->doing);
    chain->link = g_atomic_rc_box_new0(Link);
    chain->link->chain = chain;
    if (build(chain, params, error))
        return chain;
    eg_chain_free(chain);
    return NULL;
}

void eg_chain_free(EgChain *chain)
{
    if (chain == NULL)
        return;
    eg_loop_assert_owner(chain->loop);
    chain->link->chain = NULL;
    if (chain->pipeline != NULL) {
        /* Joins the streaming threads: none of our callbacks runs afterwards. */
        gst_element_set_state(chain->pipeline, GST_STATE_NULL);
        g_autoptr(GstBus) bus = gst_element_get_bus(chain->pipeline);
        gst_bus_set_sync_handler(bus, NULL, NULL, NULL);
        gst_object_unref(chain->source);
        gst_object_unref(chain->sink);
        gst_object_unref(chain->pipeline);
    }
    unref_link(chain->link);
    g_free(chain->doing);
    g_free(chain);
}

void eg_chain_set_caps(EgChain *chain, GstCaps *caps)
{
    gst_app_src_set_caps(chain->source, caps);
}

void eg_chain_push(EgChain *chain, GstBuffer *buffer)
{
    /* A chain that has failed refuses it; its owner has been told. */
    gst_app_src_push_buffer(chain->source, buffer);
}

void eg_chain_push_event(EgChain *chain, GstEvent *event)
{
    gst_element_send_event(GST_ELEMENT(chain->source), event);
}

guint eg_chain_queued(const EgChain *chain)
{
    return (guint)gst_app_src_get_current_level_buffers(chain->source);
}

void eg_chain_end(EgChain *chain)
{
    gst_app_src_end_of_stream(chain->source);
}

GstElement *eg_chain_get_element(EgChain *chain, const char *name)
{
    return gst_bin_get_by_name(GST_BIN(chain->pipeline), name);
}

void eg_chain_describe(const EgChain *chain, GString *text)
{
    g_autofree char *graph =
        gst_debug_bin_to_dot_data(GST_BIN(chain->pipeline), GST_DEBUG_GRAPH_SHOW_ALL);
    g_string_append(text, graph);
}
