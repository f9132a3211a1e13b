/* What both ways through the graph share: per track a timeline and a depacketizer before them, the
 * gate after them. */
#include "media/graph.h"

#include "base/error.h"
#include "base/time.h"
#include "media/elements.h"
#include "media/graph-private.h"
#include "media/gst-util.h"
#include "media/opus.h"

static void on_caps(gpointer user, GstCaps *caps)
{
    EgGraphTrack *track = user;
    track->graph->class->caps(track, caps);
}

static void on_frame(gpointer user, GstBuffer *frame)
{
    EgGraphTrack *track = user;
    track->graph->class->frame(track, frame);
}

static void on_wants_key_frame(gpointer user, bool wants)
{
    EgGraphTrack *track = user;
    track->graph->events.wants_key_frame(track->graph->user, track->user, wants);
}

static void on_depacketizer_failed(gpointer user, const GError *error)
{
    EgGraphTrack *track = user;
    eg_graph_fail(track->graph, g_error_copy(error));
}

static const EgDepacketizerEvents depacketizer_events = {
    .caps = on_caps,
    .frame = on_frame,
    .wants_key_frame = on_wants_key_frame,
    .failed = on_depacketizer_failed,
};

/* A failure is told from the loop, where nobody is in the middle of something. */
static void report_failure(gpointer user)
{
    EgGraph *graph = user;
    graph->events.failed(graph->user, graph->failure);
}

EgGraph *eg_graph_new(EgLoop *loop, const EgGraphParams *params, const EgLog *log,
                      const EgGraphEvents *events, gpointer user, GError **error)
{
    static const EgGraphClass *const classes[] = {
        [EG_PROCESSING_PASSTHROUGH] = &eg_graph_passthrough,
        [EG_PROCESSING_ENCODE] = &eg_graph_encode,
    };
    if (!eg_gst_init(error))
        return NULL;
    EgGraph *graph = g_new0(EgGraph, 1);
    graph->loop = loop;
    graph->params = *params;
    graph->log = log;
    graph->events = *events;
    graph->user = user;
    graph->class = classes[params->processing];
    graph->timeline = eg_timeline_new();
    graph->tracks = g_ptr_array_new();
    graph->origin_ns = EG_TIME_NONE;
    graph->failure_timer = eg_timer_new(loop, report_failure, graph);
    if (!graph->class->init(graph, error)) {
        eg_graph_free(graph);
        return NULL;
    }
    return graph;
}

static void free_track(EgGraphTrack *track)
{
    g_free(track->participant);
    g_free(track);
}

void eg_graph_free(EgGraph *graph)
{
    if (graph == NULL)
        return;
    while (graph->tracks->len > 0)
        eg_graph_track_remove(graph->tracks->pdata[graph->tracks->len - 1]);
    graph->class->finish(graph);
    for (int media = 0; media < EG_N_MEDIA; media++) {
        gst_clear_caps(&graph->gate.caps[media]);
        g_queue_clear_full(&graph->gate.held[media], (GDestroyNotify)gst_buffer_unref);
    }
    g_ptr_array_unref(graph->tracks);
    eg_timeline_free(graph->timeline);
    eg_timer_free(graph->failure_timer);
    g_clear_error(&graph->failure);
    g_free(graph);
}

EgGraphTrack *eg_graph_add_track(EgGraph *graph, const EgGraphTrackParams *params,
                                 gpointer track_user)
{
    eg_loop_assert_owner(graph->loop);
    if (params->codec != EG_CODEC_NONE)
        eg_elements_load(params->codec, graph->params.processing == EG_PROCESSING_ENCODE);
    EgGraphTrack *track = g_new0(EgGraphTrack, 1);
    track->graph = graph;
    track->participant = g_strdup(params->participant);
    track->media = params->media;
    track->announced_codec = params->codec;
    track->is_muted = params->is_muted;
    track->route = params->route;
    track->rank = params->rank;
    track->user = track_user;
    g_ptr_array_add(graph->tracks, track);
    return track;
}

EgGraphTrack *eg_graph_add_raw(EgGraph *graph, EgMedia media, guint rate_hz)
{
    eg_loop_assert_owner(graph->loop);
    g_assert(graph->class->raw_added != NULL);
    EgGraphTrack *track = g_new0(EgGraphTrack, 1);
    track->graph = graph;
    track->media = media;
    track->route = EG_ROUTE_BOTH;
    g_ptr_array_add(graph->tracks, track);
    graph->class->raw_added(track, rate_hz);
    return track;
}

void eg_graph_push_raw(EgGraphTrack *track, GstBuffer *buffer)
{
    track->graph->class->raw(track, buffer);
}

void eg_graph_track_start(EgGraphTrack *track, EgCodec codec, guint clock_rate_hz)
{
    eg_loop_assert_owner(track->graph->loop);
    eg_graph_track_end(track);

    g_autoptr(GError) error = NULL;
    track->codec = codec;
    track->depacketizer = eg_depacketizer_new(codec, &depacketizer_events, track, &error);
    if (track->depacketizer == NULL || !track->graph->class->stream_started(track, &error)) {
        eg_graph_fail(track->graph, g_steal_pointer(&error));
        return;
    }
    track->timeline = eg_timeline_track_new(track->graph->timeline, track->participant,
                                            track->media, clock_rate_hz);
}

/* Silence is what an output has anyway where nothing comes. */
static bool is_made_up(const EgGraphTrack *track, const EgPacket *packet)
{
    return track->codec == EG_CODEC_OPUS &&
           eg_opus_is_silence(packet->data + packet->payload_offset,
                              packet->size_bytes - packet->payload_offset);
}

void eg_graph_track_push(EgGraphTrack *track, EgPacket *packet)
{
    if (track->timeline == NULL || is_made_up(track, packet))
        return;
    gint64 instant_ns = eg_timeline_track_map(track->timeline, packet);
    eg_depacketizer_push(track->depacketizer, packet, instant_ns);
}

void eg_graph_track_report(EgGraphTrack *track, const EgSenderReport *report)
{
    if (track->timeline != NULL)
        eg_timeline_track_report(track->timeline, report);
}

void eg_graph_track_end(EgGraphTrack *track)
{
    eg_loop_assert_owner(track->graph->loop);
    if (track->variant == NULL && track->codec == EG_CODEC_NONE)
        return;
    if (track->depacketizer != NULL) {
        EgDepacketizerStats stats;
        eg_depacketizer_get_stats(track->depacketizer, &stats);
        track->graph->dropped_frames += stats.dropped;
    }
    track->graph->class->stream_ended(track);
    g_clear_pointer(&track->depacketizer, eg_depacketizer_free);
    g_clear_pointer(&track->timeline, eg_timeline_track_free);
    track->codec = EG_CODEC_NONE;
}

void eg_graph_track_set_muted(EgGraphTrack *track, bool is_muted)
{
    eg_loop_assert_owner(track->graph->loop);
    track->is_muted = is_muted;
    track->graph->class->muted(track);
}

void eg_graph_track_remove(EgGraphTrack *track)
{
    eg_loop_assert_owner(track->graph->loop);
    eg_graph_track_end(track);
    g_ptr_array_remove(track->graph->tracks, track);
    free_track(track);
}

void eg_graph_start(EgGraph *graph)
{
    eg_loop_assert_owner(graph->loop);
    graph->class->start(graph);
}

void eg_graph_set_end(EgGraph *graph, gint64 end_ns)
{
    eg_loop_assert_owner(graph->loop);
    if (graph->class->set_end != NULL)
        graph->class->set_end(graph, end_ns);
}

void eg_graph_finish(EgGraph *graph, gint64 end_ns)
{
    eg_loop_assert_owner(graph->loop);
    graph->class->end(graph, end_ns);
}

void eg_graph_get_stats(const EgGraph *graph, EgGraphStats *stats)
{
    *stats = (EgGraphStats){.dropped_frames = graph->dropped_frames};
    for (guint i = 0; i < graph->tracks->len; i++) {
        const EgGraphTrack *track = graph->tracks->pdata[i];
        if (track->depacketizer == NULL)
            continue;
        EgDepacketizerStats depacketizer;
        eg_depacketizer_get_stats(track->depacketizer, &depacketizer);
        stats->dropped_frames += depacketizer.dropped;
    }
    graph->class->get_stats(graph, stats);
}

char *eg_graph_describe(const EgGraph *graph)
{
    GString *text = g_string_new(NULL);
    if (graph->class->describe != NULL)
        graph->class->describe(graph, text);
    return g_string_free(text, FALSE);
}

/* The gate. */

void eg_graph_expect(EgGraph *graph, EgMedia media, EgCodec codec)
{
    graph->gate.is_expected[media] = true;
    graph->gate.codecs[media] = codec;
}

static void open_gate(EgGraph *graph)
{
    EgGate *gate = &graph->gate;
    if (graph->origin_ns == EG_TIME_NONE) /* raw sound says what it is before there is any */
        return;
    for (int media = 0; media < EG_N_MEDIA; media++) {
        if (gate->is_expected[media] && gate->caps[media] == NULL)
            return;
    }
    gate->is_open = true;
    EgGraphOutput output = {
        .audio_codec = gate->codecs[EG_MEDIA_AUDIO],
        .video_codec = gate->codecs[EG_MEDIA_VIDEO],
        .audio_caps = gate->caps[EG_MEDIA_AUDIO],
        .video_caps = gate->caps[EG_MEDIA_VIDEO],
        .origin_ns = graph->origin_ns,
    };
    graph->events.ready(graph->user, &output);
    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        GstBuffer *frame;
        while ((frame = g_queue_pop_head(&gate->held[media])) != NULL)
            graph->events.frame(graph->user, media, frame);
    }
}

void eg_graph_put_caps(EgGraph *graph, EgMedia media, GstCaps *caps)
{
    gst_caps_replace(&graph->gate.caps[media], caps);
    if (!graph->gate.is_open)
        open_gate(graph);
}

void eg_graph_put_frame(EgGraph *graph, EgMedia media, GstBuffer *frame)
{
    if (graph->gate.is_open) {
        graph->events.frame(graph->user, media, frame);
        return;
    }
    g_queue_push_tail(&graph->gate.held[media], frame);
    open_gate(graph);
}

void eg_graph_put_nothing(EgGraph *graph)
{
    if (!graph->gate.is_open)
        open_gate(graph);
}

void eg_graph_fail(EgGraph *graph, GError *error)
{
    if (graph->failure != NULL) {
        g_error_free(error);
        return;
    }
    graph->failure = error;
    eg_timer_set(graph->failure_timer, 0);
}
