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

/* How long the first frames are looked at before recording begins with them: they often come late
 * and all at once, and only those that follow show when they were captured. */
#define SETTLE_NS        (300 * EG_NS_PER_MS)
#define SETTLED_PICTURES 5

/* How often sound that does not come is filled. */
#define FILL_NS (250 * EG_NS_PER_MS)

/* Sound whose instant strays less than this from the end of the packet before is continuous: the
 * mapping of instants is still settling, or the clocks drift. It is followed by a little per
 * packet. Sound that is earlier cannot be moved: when it is so by a packet, that is left out. */
#define CONTINUOUS_NS (40 * EG_NS_PER_MS)
#define EARLIER_NS    (20 * EG_NS_PER_MS)
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
    bool is_silent;    /* what was put out last is silence of ours */
    bool is_continued; /* something was put out, up to: */
    gint64 next_ns;    /* on the output's time */
    gint64 key_ns;     /* the instant of the last key frame */
    bool asks_for_key; /* for another one */
} Line;

typedef struct {
    Phase phase;
    Line lines[EG_N_MEDIA];
    EgTimer *timer;   /* the start's limit, then silence, then the end */
    bool is_settling; /* nothing more is awaited: recording begins soon */
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
    gint64 from_ns = line->next_ns;
    line->next_ns = eg_opus_fill(line->next_ns, until_ns, put_silence, graph);
    line->is_silent |= line->next_ns > from_ns;
    pass->recorded_ns = MAX(pass->recorded_ns, line->next_ns);
    line->is_continued = true;
}

static void put_audio(EgGraph *graph, Line *line, GstBuffer *frame, gint64 pts_ns)
{
    Pass *pass = graph->variant;
    gint64 stray_ns = pts_ns - line->next_ns;
    gint64 duration_ns = (gint64)GST_BUFFER_DURATION(frame);
    /* Sound that goes on cannot be moved much; behind silence it begins where it belongs: what the
     * silence has covered is left out. */
    gint64 late_ns = line->is_silent ? duration_ns / 2 : MAX(duration_ns, EARLIER_NS);
    if (line->is_continued && stray_ns <= -late_ns) {
        pass->late_frames++;
        gst_buffer_unref(frame);
        return;
    }
    if (!line->is_continued || line->is_silent || stray_ns >= CONTINUOUS_NS)
        fill_silence(graph, line, pts_ns);
    else
        pts_ns = line->next_ns + CLAMP(stray_ns, 0, FOLLOW_NS);
    line->is_silent = false;
    pts_ns = MAX(pts_ns, line->next_ns);
    line->next_ns = pts_ns + duration_ns;
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

/* How far apart the newest of the held pictures are; 0 if there are too few to say. */
static gint64 picture_interval_ns(const Line *line)
{
    gint64 sorted[SETTLED_PICTURES];
    const GList *newest = line->held.tail;

    if (line->held.length <= SETTLED_PICTURES)
        return 0;
    for (guint i = 0; i < SETTLED_PICTURES; i++, newest = newest->prev) {
        gint64 interval_ns = eg_frame_pts(newest->data) - eg_frame_pts(newest->prev->data);
        guint at = i;
        for (; at > 0 && sorted[at - 1] > interval_ns; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = interval_ns;
    }
    return sorted[SETTLED_PICTURES / 2];
}

/* The first frames, if they came late and all at once, are closer together than they can have been
 * captured: they are spread to before those that came later. */
static void spread_held(Pass *pass, EgMedia media)
{
    Line *line = &pass->lines[media];
    gint64 interval_ns = picture_interval_ns(line);

    for (GList *next = line->held.tail; next != NULL && next->prev != NULL; next = next->prev) {
        GstBuffer *frame = next->prev->data;
        gint64 pts_ns = eg_frame_pts(frame);
        gint64 tolerance_ns = interval_ns / 2;
        if (media == EG_MEDIA_AUDIO) {
            interval_ns = (gint64)GST_BUFFER_DURATION(frame);
            tolerance_ns = 0;
        }
        gint64 due_ns = eg_frame_pts(next->data) - interval_ns;
        if (pts_ns - due_ns <= tolerance_ns)
            continue;
        next->prev->data = gst_buffer_make_writable(frame);
        eg_frame_set_times(next->prev->data, due_ns, due_ns);
    }
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
    spread_held(pass, EG_MEDIA_AUDIO);
    spread_held(pass, EG_MEDIA_VIDEO);
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
    if (!pass->is_settling)
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
    line->asks_for_key = false;
    if (pass->phase == PHASE_WAITING)
        g_queue_clear_full(&line->held, (GDestroyNotify)gst_buffer_unref);
}

static void stream_caps(EgGraphTrack *track, GstCaps *caps)
{
    Pass *pass = track->graph->variant;
    Line *line = &pass->lines[track->media];
    if (line->owner != track)
        return;
    /* The server may begin with a small layer of simulcast, until the one that was asked for has
     * its key frame. Players go by the first picture's size, so the file begins with the latter. */
    if (pass->phase == PHASE_WAITING)
        g_queue_clear_full(&line->held, (GDestroyNotify)gst_buffer_unref);
    gst_caps_replace(&line->caps, caps);
    if (line->is_used)
        eg_graph_put_caps(track->graph, track->media, caps);
}

/* Whoever joins a stream, or a server that has lost it, can only begin with a key frame, and
 * nothing in a room asks for one regularly. */
static void watch_key_frames(const EgGraphTrack *track, Line *line, const GstBuffer *frame)
{
    const EgGraph *graph = track->graph;
    gint64 now_ns = eg_frame_pts(frame);
    bool is_key = eg_frame_is_key(frame);
    if (graph->params.key_frame_interval_ns == 0)
        return;
    if (is_key)
        line->key_ns = now_ns;
    bool asks = !is_key && now_ns - line->key_ns >= graph->params.key_frame_interval_ns;
    if (asks == line->asks_for_key)
        return;
    line->asks_for_key = asks;
    graph->events.wants_key_frame(graph->user, track->user, asks);
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
        if (track->media == EG_MEDIA_VIDEO)
            watch_key_frames(track, line, frame);
        put(graph, track->media, frame);
    } else {
        g_queue_push_tail(&line->held, frame);
        if (!pass->is_settling && !is_awaited(graph)) {
            pass->is_settling = true;
            eg_timer_set_after(pass->timer, SETTLE_NS);
        }
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
