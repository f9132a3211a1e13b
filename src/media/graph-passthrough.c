/* The way through the graph that changes nothing: the frames of the room go into the output as they
 * are. There is at most one line of sound and one of pictures; which there are is settled when
 * recording begins, and a later track can only continue a line of its codec. */
#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "media/graph-private.h"
#include "media/opus.h"

/* How long a track that is there and not muted, or may just be being published, is waited for
 * before recording begins without it. Nothing is lost by it: what comes meanwhile is held. */
#define FIRST_FRAMES_NS (3 * EG_NS_PER_S)

/* How often sound that does not come is filled. */
#define FILL_NS (250 * EG_NS_PER_MS)

/* Sound whose instant strays less than this from the end of the packet before is continuous: the
 * mapping of instants is still settling, or the clocks drift. It is followed by a little per
 * packet. */
#define CONTINUOUS_NS (40 * EG_NS_PER_MS)
#define FOLLOW_NS     (100 * EG_NS_PER_US)

/* Frames that are held until recording begins; more than three seconds of any codec's. */
#define MAX_HELD 1024

typedef enum {
    PHASE_NONE,
    PHASE_WAITING, /* for the first frames of all lines */
    PHASE_RUNNING,
    PHASE_ENDED,
} Phase;

typedef struct {
    EgGraphTrack *owner; /* whose frames it takes now; NULL between tracks */
    EgCodec codec;
    GstCaps *caps;
    GQueue held;       /* GstBuffer, until recording begins */
    bool is_used;      /* is part of the output */
    bool is_continued; /* something was put out, up to: */
    gint64 next_ns;    /* on the output's time */
} Line;

typedef struct {
    Phase phase;
    Line lines[EG_N_MEDIA];
    EgTimer *timer; /* the start's limit, then silence, then the end */
    guint64 late_frames;
    gint64 recorded_ns;
} Pass;

static bool has_track(const EgGraph *graph, EgMedia media)
{
    for (guint i = 0; i < graph->tracks->len; i++) {
        const EgGraphTrack *track = graph->tracks->pdata[i];
        if (track->media == media)
            return true;
    }
    return false;
}

/* Whether a line's first frame is still to come, for all that is known. */
static bool is_awaited(const EgGraph *graph)
{
    const Pass *pass = graph->variant;
    for (guint i = 0; i < graph->tracks->len; i++) {
        const EgGraphTrack *track = graph->tracks->pdata[i];
        if (!track->is_muted && g_queue_is_empty((GQueue *)&pass->lines[track->media].held))
            return true;
    }
    return (graph->params.may_have_audio && !has_track(graph, EG_MEDIA_AUDIO)) ||
           (graph->params.may_have_video && !has_track(graph, EG_MEDIA_VIDEO));
}

static void put_frame(EgGraph *graph, EgMedia media, GstBuffer *frame, gint64 pts_ns)
{
    Pass *pass = graph->variant;
    pass->lines[media].is_continued = true;
    pass->recorded_ns = MAX(pass->recorded_ns, pass->lines[media].next_ns);
    eg_frame_set_times(frame, pts_ns, pts_ns); /* WebRTC has no reordered frames */
    eg_graph_put_frame(graph, media, frame);
}

static void put_video(EgGraph *graph, Line *line, GstBuffer *frame, gint64 pts_ns)
{
    /* One that the timeline has put before the one ahead of it keeps its place in the order. */
    if (line->is_continued)
        pts_ns = MAX(pts_ns, line->next_ns);
    line->next_ns = pts_ns + EG_NS_PER_MS;
    put_frame(graph, EG_MEDIA_VIDEO, frame, pts_ns);
}

static void put_silence(gpointer user, GstBuffer *packet)
{
    eg_graph_put_frame(user, EG_MEDIA_AUDIO, packet);
}

/* A file's sound has no holes: what a muted microphone or the network left out is silence. */
static void fill_silence(EgGraph *graph, Line *line, gint64 until_ns)
{
    Pass *pass = graph->variant;
    line->next_ns = eg_opus_fill(line->next_ns, until_ns, put_silence, graph);
    pass->recorded_ns = MAX(pass->recorded_ns, line->next_ns);
    line->is_continued = true;
}

static void put_audio(EgGraph *graph, Line *line, GstBuffer *frame, gint64 pts_ns)
{
    Pass *pass = graph->variant;
    gint64 stray_ns = pts_ns - line->next_ns;
    if (line->is_continued && stray_ns <= -CONTINUOUS_NS) {
        pass->late_frames++;
        gst_buffer_unref(frame);
        return;
    }
    if (!line->is_continued || stray_ns >= CONTINUOUS_NS)
        fill_silence(graph, line, pts_ns);
    else
        pts_ns = line->next_ns + CLAMP(stray_ns, 0, FOLLOW_NS);
    pts_ns = MAX(pts_ns, line->next_ns);
    line->next_ns = pts_ns + (gint64)GST_BUFFER_DURATION(frame);
    put_frame(graph, EG_MEDIA_AUDIO, frame, pts_ns);
}

/* (transfer full); PTS is the instant. */
static void put(EgGraph *graph, EgMedia media, GstBuffer *frame)
{
    Pass *pass = graph->variant;
    Line *line = &pass->lines[media];
    gint64 pts_ns = eg_frame_pts(frame) - graph->origin_ns;
    if (pts_ns < 0) {
        gst_buffer_unref(frame);
        return;
    }
    frame = gst_buffer_make_writable(frame);
    if (media == EG_MEDIA_VIDEO)
        put_video(graph, line, frame, pts_ns);
    else
        put_audio(graph, line, frame, pts_ns);
}

/* Recording begins with the first picture, or, so that sound need not begin in the middle of a
 * packet, with the packet of sound in which that falls. */
static gint64 find_origin(Pass *pass)
{
    GList *sound = pass->lines[EG_MEDIA_AUDIO].held.head;
    const GList *picture = pass->lines[EG_MEDIA_VIDEO].held.head;
    if (picture == NULL)
        return eg_frame_pts(sound->data);
    gint64 first_ns = eg_frame_pts(picture->data);
    gint64 origin_ns = first_ns;
    for (; sound != NULL && eg_frame_pts(sound->data) <= first_ns; sound = sound->next) {
        gint64 start_ns = eg_frame_pts(sound->data);
        if (start_ns + (gint64)GST_BUFFER_DURATION((GstBuffer *)sound->data) > first_ns)
            origin_ns = start_ns;
    }
    return origin_ns;
}

/* A microphone that is muted sends nothing, but may any time: its line is silence until then. */
static bool has_muted_opus(const EgGraph *graph)
{
    for (guint i = 0; i < graph->tracks->len; i++) {
        const EgGraphTrack *track = graph->tracks->pdata[i];
        if (track->is_muted && track->announced_codec == EG_CODEC_OPUS)
            return true;
    }
    return false;
}

static void settle_lines(EgGraph *graph)
{
    Pass *pass = graph->variant;
    Line *sound = &pass->lines[EG_MEDIA_AUDIO];
    Line *picture = &pass->lines[EG_MEDIA_VIDEO];
    sound->is_used = !g_queue_is_empty(&sound->held);
    picture->is_used = !g_queue_is_empty(&picture->held);
    if (!sound->is_used && has_muted_opus(graph)) {
        sound->is_used = true;
        sound->codec = EG_CODEC_OPUS;
        sound->caps =
            gst_caps_new_simple("audio/x-opus", "channel-mapping-family", G_TYPE_INT, 0, "channels",
                                G_TYPE_INT, 2, "rate", G_TYPE_INT, 48000, NULL);
    }
}

static void begin(EgGraph *graph)
{
    Pass *pass = graph->variant;
    GstBuffer *frame;
    graph->origin_ns = find_origin(pass);
    pass->phase = PHASE_RUNNING;
    eg_timer_set_after(pass->timer, FILL_NS);

    settle_lines(graph);
    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        if (pass->lines[media].is_used)
            eg_graph_expect(graph, media, pass->lines[media].codec);
    }
    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        if (pass->lines[media].is_used)
            eg_graph_put_caps(graph, media, pass->lines[media].caps);
    }
    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        while ((frame = g_queue_pop_head(&pass->lines[media].held)) != NULL)
            put(graph, media, frame);
    }
}

static bool has_frames(const Pass *pass)
{
    return !g_queue_is_empty((GQueue *)&pass->lines[EG_MEDIA_AUDIO].held) ||
           !g_queue_is_empty((GQueue *)&pass->lines[EG_MEDIA_VIDEO].held);
}

static void fill_what_is_due(EgGraph *graph)
{
    Pass *pass = graph->variant;
    Line *line = &pass->lines[EG_MEDIA_AUDIO];
    if (line->is_used)
        fill_silence(graph, line, eg_now_ns() - graph->params.latency_ns - graph->origin_ns);
    eg_timer_set_after(pass->timer, FILL_NS);
}

static void on_due(gpointer user)
{
    EgGraph *graph = user;
    Pass *pass = graph->variant;
    if (pass->phase == PHASE_ENDED)
        graph->events.drained(graph->user);
    else if (pass->phase == PHASE_RUNNING)
        fill_what_is_due(graph);
    else if (has_frames(pass))
        begin(graph);
    else
        eg_timer_set_after(pass->timer, FILL_NS);
}

static bool init_pass(EgGraph *graph, GError **error)
{
    (void)error;
    Pass *pass = g_new0(Pass, 1);
    graph->variant = pass;
    pass->phase = PHASE_WAITING;
    pass->timer = eg_timer_new(graph->loop, on_due, graph);
    return true;
}

static void finish_pass(EgGraph *graph)
{
    Pass *pass = graph->variant;
    eg_timer_free(pass->timer);
    for (int media = 0; media < EG_N_MEDIA; media++) {
        gst_clear_caps(&pass->lines[media].caps);
        g_queue_clear_full(&pass->lines[media].held, (GDestroyNotify)gst_buffer_unref);
    }
    g_free(pass);
}

static void start_pass(EgGraph *graph)
{
    Pass *pass = graph->variant;
    eg_timer_set_after(pass->timer, FIRST_FRAMES_NS);
}

static void end_pass(EgGraph *graph, gint64 end_ns)
{
    (void)end_ns; /* nothing that has come is from later */
    Pass *pass = graph->variant;
    pass->phase = PHASE_ENDED;
    eg_timer_set(pass->timer, 0);
}

static bool stream_started(EgGraphTrack *track, GError **error)
{
    (void)error;
    Pass *pass = track->graph->variant;
    Line *line = &pass->lines[track->media];
    bool is_fitting =
        pass->phase == PHASE_WAITING || (line->is_used && line->codec == track->codec);
    if (line->owner != NULL || !is_fitting) {
        eg_warn(track->graph->log, "track left out: without transcoding it does not fit in",
                EG_STR("codec", eg_codec_info(track->codec)->name),
                EG_STR("identity", track->participant));
        return true;
    }
    line->owner = track;
    line->codec = track->codec;
    return true;
}

static void stream_ended(EgGraphTrack *track)
{
    Pass *pass = track->graph->variant;
    Line *line = &pass->lines[track->media];
    if (line->owner != track)
        return;
    line->owner = NULL;
    if (pass->phase == PHASE_WAITING)
        g_queue_clear_full(&line->held, (GDestroyNotify)gst_buffer_unref);
}

static void stream_caps(EgGraphTrack *track, GstCaps *caps)
{
    Pass *pass = track->graph->variant;
    Line *line = &pass->lines[track->media];
    if (line->owner != track)
        return;
    gst_caps_replace(&line->caps, caps);
    if (line->is_used)
        eg_graph_put_caps(track->graph, track->media, caps);
}

static void stream_frame(EgGraphTrack *track, GstBuffer *frame)
{
    EgGraph *graph = track->graph;
    Pass *pass = graph->variant;
    Line *line = &pass->lines[track->media];
    if (line->owner != track || pass->phase == PHASE_ENDED ||
        (pass->phase == PHASE_WAITING && line->held.length >= MAX_HELD)) {
        gst_buffer_unref(frame);
    } else if (pass->phase == PHASE_RUNNING) {
        put(graph, track->media, frame);
    } else {
        g_queue_push_tail(&line->held, frame);
        if (!is_awaited(graph))
            begin(graph);
    }
}

static void nothing(EgGraphTrack *track)
{
    (void)track;
}

static void get_stats(const EgGraph *graph, EgGraphStats *stats)
{
    const Pass *pass = graph->variant;
    stats->dropped_frames += pass->late_frames;
    stats->recorded_ns = pass->recorded_ns;
}

const EgGraphClass eg_graph_passthrough = {
    .init = init_pass,
    .finish = finish_pass,
    .start = start_pass,
    .end = end_pass,
    .stream_started = stream_started,
    .stream_ended = stream_ended,
    .caps = stream_caps,
    .frame = stream_frame,
    .muted = nothing,
    .get_stats = get_stats,
};
