/* The way through the graph that decodes and encodes: per stream a decoder, one pacer for all, one
 * encoder per kind of media. Audio and video are both put out all the time if the plan has both: a
 * participant without camera is black, one without microphone silent. */
#include "base/error.h"
#include "base/time.h"
#include "media/decoder.h"
#include "media/encoder.h"
#include "media/frame.h"
#include "media/graph-private.h"
#include "media/picture.h"

/* How long the first sound waits for the first picture, so that a recording begins with both: of a
 * camera that is on, and of one that may just be being published. */
#define FIRST_PICTURE_NS     (2 * EG_NS_PER_S)
#define FIRST_PUBLICATION_NS EG_NS_PER_S

/* How long the first pictures are looked at before recording begins with the first of them: the
 * very first packets of a stream often come late, and where the ticks lie to the pictures is
 * settled for good. Less than the latency, so that nothing waits for it. */
#define SETTLE_NS (300 * EG_NS_PER_MS)

/* How long the last picture of a track stays when nothing comes, before black. */
#define HOLD_NS (2 * EG_NS_PER_S)

typedef enum {
    PHASE_NONE,
    PHASE_WAITING, /* for the first media */
    PHASE_RUNNING,
    PHASE_ENDING,   /* on the way to the end instant */
    PHASE_DRAINING, /* the encoders */
} Phase;

typedef struct {
    EgGraph *graph;
    EgMedia media;
    EgEncoder *encoder; /* NULL: the plan has none of this kind */
} Output;

typedef struct {
    Phase phase;
    EgPacer *pacer;
    EgTimer *pacer_timer;
    EgTimer *start_timer;
    EgTimer *drained_timer;  /* where there is no encoder that could say so */
    GstBuffer *held_picture; /* the first one, until the gate is open */
    Output outputs[EG_N_MEDIA];
    guint n_draining;
    gint64 first_sound_ns; /* instants; EG_TIME_NONE before they came */
    gint64 first_picture_ns;
    gint64 last_picture_ns; /* until recording begins */
    gint64 end_ns;
    GPtrArray *ending; /* Stream: what is still being decoded of streams that have ended */
    guint64 dropped_frames;
} Encode;

/* One stream on its way to the pacer. It outlives the track's until all of it is decoded. */
typedef struct {
    EgGraph *graph;
    EgMedia media;
    EgGraphTrack *track; /* NULL when the stream has ended */
    EgPacerInput *input;
    EgDecoder *decoder;    /* NULL: it comes raw */
    bool awaits_key_frame; /* the decoder has fallen behind */
} Stream;

static void run_pacer(EgGraph *graph);

static bool has_pictures(const EgGraph *graph)
{
    return graph->params.video.codec != EG_CODEC_NONE || graph->params.wants_pictures;
}

/* How long it is worth waiting for a first picture; 0: none will come. */
static gint64 picture_wait_ns(const EgGraph *graph)
{
    bool has_camera = false;
    if (!has_pictures(graph))
        return 0;
    for (guint i = 0; i < graph->tracks->len; i++) {
        const EgGraphTrack *track = graph->tracks->pdata[i];
        if (track->media == EG_MEDIA_VIDEO && !track->is_muted)
            return FIRST_PICTURE_NS;
        has_camera = has_camera || track->media == EG_MEDIA_VIDEO;
    }
    return graph->params.may_have_video && !has_camera ? FIRST_PUBLICATION_NS : 0;
}

static void begin(EgGraph *graph, gint64 origin_ns)
{
    Encode *encode = graph->variant;
    encode->phase = PHASE_RUNNING;
    graph->origin_ns = origin_ns;
    eg_timer_clear(encode->start_timer);
    eg_pacer_start(encode->pacer, origin_ns);
}

/* The first picture's instant as those after it show it. */
static gint64 settled_first_picture_ns(const EgGraph *graph)
{
    const Encode *encode = graph->variant;
    gint64 frame_ns = EG_NS_PER_S / graph->params.video.fps;
    gint64 stray_ns = (encode->last_picture_ns - encode->first_picture_ns) % frame_ns;
    if (stray_ns > frame_ns / 2)
        stray_ns -= frame_ns;
    return encode->first_picture_ns + stray_ns;
}

static void on_start_due(gpointer user)
{
    EgGraph *graph = user;
    Encode *encode = graph->variant;
    if (encode->first_picture_ns != EG_TIME_NONE)
        begin(graph, settled_first_picture_ns(graph));
    else
        begin(graph, encode->first_sound_ns);
    run_pacer(graph);
}

/* The recording begins with the first picture if one is to come, else with the first sound. */
static void look_for_origin(EgGraph *graph, EgMedia media, gint64 instant_ns)
{
    Encode *encode = graph->variant;
    bool has_picture = encode->first_picture_ns != EG_TIME_NONE;
    if (media == EG_MEDIA_VIDEO) {
        encode->last_picture_ns = instant_ns;
        if (has_picture)
            return;
        encode->first_picture_ns = instant_ns;
        eg_timer_set_after(encode->start_timer, SETTLE_NS);
    } else if (!has_picture && encode->first_sound_ns == EG_TIME_NONE) {
        encode->first_sound_ns = instant_ns;
        eg_timer_set_after(encode->start_timer, picture_wait_ns(graph));
    }
}

static void on_decoded(gpointer user, GstBuffer *buffer)
{
    Stream *stream = user;
    EgGraph *graph = stream->graph;
    Encode *encode = graph->variant;
    if (encode->phase == PHASE_WAITING)
        look_for_origin(graph, stream->media, (gint64)GST_BUFFER_PTS(buffer));
    eg_pacer_input_push(stream->input, buffer);
    run_pacer(graph);
}

static void set_awaits_key_frame(Stream *stream, bool awaits)
{
    if (stream->track == NULL || stream->awaits_key_frame == awaits)
        return;
    stream->awaits_key_frame = awaits;
    stream->graph->events.wants_key_frame(stream->graph->user, stream->track->user, awaits);
}

static void on_decoder_behind(gpointer user)
{
    set_awaits_key_frame(user, true);
}

static void on_decoder_failed(gpointer user, const GError *error)
{
    Stream *stream = user;
    eg_graph_fail(stream->graph, g_error_copy(error));
}

static void free_stream(gpointer data)
{
    Stream *stream = data;
    Encode *encode = stream->graph->variant;
    if (stream->decoder != NULL)
        encode->dropped_frames += eg_decoder_dropped(stream->decoder);
    eg_decoder_free(stream->decoder);
    eg_pacer_input_end(stream->input);
    g_free(stream);
}

static void on_stream_drained(gpointer user)
{
    Stream *stream = user;
    EgGraph *graph = stream->graph;
    Encode *encode = graph->variant;
    g_ptr_array_remove_fast(encode->ending, stream);
    run_pacer(graph);
}

/* The pacer's side. */

/* The very first is worth being held until somebody is there to take it. */
static void hand_out(EgGraph *graph, GstBuffer *picture)
{
    Encode *encode = graph->variant;
    eg_graph_put_nothing(graph);
    if (!graph->gate.is_open) {
        if (encode->held_picture == NULL)
            encode->held_picture = gst_buffer_ref(picture);
        return;
    }
    if (encode->held_picture != NULL)
        graph->events.picture(graph->user, g_steal_pointer(&encode->held_picture));
    graph->events.picture(graph->user, gst_buffer_ref(picture));
}

static void on_picture(gpointer user, GstBuffer *picture)
{
    EgGraph *graph = user;
    Encode *encode = graph->variant;
    if (graph->params.wants_pictures)
        hand_out(graph, picture);
    if (encode->outputs[EG_MEDIA_VIDEO].encoder != NULL)
        eg_encoder_push(encode->outputs[EG_MEDIA_VIDEO].encoder, picture);
    else
        gst_buffer_unref(picture);
}

static void on_sound(gpointer user, GstBuffer *block)
{
    Encode *encode = ((EgGraph *)user)->variant;
    eg_encoder_push(encode->outputs[EG_MEDIA_AUDIO].encoder, block);
}

static bool picture_has_room(gpointer user)
{
    Encode *encode = ((EgGraph *)user)->variant;
    const EgEncoder *encoder = encode->outputs[EG_MEDIA_VIDEO].encoder;
    return encoder == NULL || eg_encoder_has_room(encoder);
}

static const EgPacerEvents pacer_events = {
    .picture = on_picture,
    .sound = on_sound,
    .picture_has_room = picture_has_room,
};

static void drain_encoders(EgGraph *graph)
{
    Encode *encode = graph->variant;
    encode->phase = PHASE_DRAINING;
    for (int media = 0; media < EG_N_MEDIA; media++) {
        if (encode->outputs[media].encoder == NULL)
            continue;
        encode->n_draining++;
        eg_encoder_drain(encode->outputs[media].encoder);
    }
    if (encode->n_draining == 0)
        eg_timer_set(encode->drained_timer, 0);
}

static void on_drained_due(gpointer user)
{
    EgGraph *graph = user;
    graph->events.drained(graph->user);
}

static void end_if_complete(EgGraph *graph)
{
    Encode *encode = graph->variant;
    if (encode->phase != PHASE_ENDING || !eg_pacer_has_reached_end(encode->pacer))
        return;
    eg_pacer_finish(encode->pacer, encode->end_ns);
    eg_timer_clear(encode->pacer_timer);
    drain_encoders(graph);
}

static void run_pacer(EgGraph *graph)
{
    Encode *encode = graph->variant;
    if (encode->phase != PHASE_RUNNING && encode->phase != PHASE_ENDING)
        return;
    gint64 next_ns = eg_pacer_run(encode->pacer, eg_now_ns());
    eg_timer_set(encode->pacer_timer, next_ns);
    end_if_complete(graph);
}

static void on_pacer_due(gpointer user)
{
    run_pacer(user);
}

/* The encoders' side. */

static void on_caps(gpointer user, GstCaps *caps)
{
    Output *output = user;
    eg_graph_put_caps(output->graph, output->media, caps);
}

static void on_frame(gpointer user, GstBuffer *frame)
{
    Output *output = user;
    eg_graph_put_frame(output->graph, output->media, frame);
}

static void on_drained(gpointer user)
{
    Output *output = user;
    Encode *encode = output->graph->variant;
    if (--encode->n_draining == 0)
        output->graph->events.drained(output->graph->user);
}

static void on_encoder_failed(gpointer user, const GError *error)
{
    Output *output = user;
    eg_graph_fail(output->graph, g_error_copy(error));
}

static const EgEncoderEvents encoder_events = {
    .caps = on_caps,
    .frame = on_frame,
    .drained = on_drained,
    .failed = on_encoder_failed,
};

static bool open_encoders(EgGraph *graph, GError **error)
{
    Encode *encode = graph->variant;
    const EgGraphParams *params = &graph->params;
    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++)
        encode->outputs[media] = (Output){.graph = graph, .media = media};
    if (params->video.codec != EG_CODEC_NONE) {
        Output *output = &encode->outputs[EG_MEDIA_VIDEO];
        output->encoder = eg_encoder_new_video(graph->loop, &params->video, &params->video_encoder,
                                               &encoder_events, output, error);
        if (output->encoder == NULL)
            return false;
        eg_graph_expect(graph, EG_MEDIA_VIDEO, params->video.codec);
    }
    if (params->audio.codec != EG_CODEC_NONE) {
        Output *output = &encode->outputs[EG_MEDIA_AUDIO];
        output->encoder =
            eg_encoder_new_audio(graph->loop, &params->audio, &encoder_events, output, error);
        if (output->encoder == NULL)
            return false;
        eg_graph_expect(graph, EG_MEDIA_AUDIO, params->audio.codec);
    }
    return true;
}

static bool init_encode(EgGraph *graph, GError **error)
{
    const EgGraphParams *params = &graph->params;
    Encode *encode = g_new0(Encode, 1);
    graph->variant = encode;
    encode->phase = PHASE_WAITING;
    encode->first_sound_ns = EG_TIME_NONE;
    encode->first_picture_ns = EG_TIME_NONE;
    encode->ending = g_ptr_array_new_with_free_func(free_stream);
    encode->pacer_timer = eg_timer_new(graph->loop, on_pacer_due, graph);
    encode->start_timer = eg_timer_new(graph->loop, on_start_due, graph);
    encode->drained_timer = eg_timer_new(graph->loop, on_drained_due, graph);

    bool has_video = has_pictures(graph);
    bool has_audio = params->audio.codec != EG_CODEC_NONE;
    g_autoptr(GstBuffer) black =
        has_video ? eg_picture_new_black(params->video.width, params->video.height) : NULL;
    EgPacerParams pacer = {
        .fps = has_video ? params->video.fps : 0,
        .black = black,
        .rate_hz = has_audio ? params->audio.rate_hz : 0,
        .block_frames = has_audio ? eg_encoder_block_frames(params->audio.codec) : 0,
        .latency_ns = params->latency_ns,
        .hold_ns = HOLD_NS,
    };
    encode->pacer = eg_pacer_new(&pacer, &pacer_events, graph);
    return open_encoders(graph, error);
}

static void finish_encode(EgGraph *graph)
{
    Encode *encode = graph->variant;
    g_ptr_array_unref(encode->ending);
    eg_timer_free(encode->pacer_timer);
    eg_timer_free(encode->start_timer);
    eg_timer_free(encode->drained_timer);
    gst_clear_buffer(&encode->held_picture);
    for (int media = 0; media < EG_N_MEDIA; media++)
        eg_encoder_free(encode->outputs[media].encoder);
    eg_pacer_free(encode->pacer);
    g_free(encode);
}

static void start_encode(EgGraph *graph)
{
    (void)graph; /* the first media starts it */
}

static void set_end(EgGraph *graph, gint64 end_ns)
{
    Encode *encode = graph->variant;
    if (encode->phase == PHASE_RUNNING)
        eg_pacer_set_end(encode->pacer, end_ns);
}

static void end_encode(EgGraph *graph, gint64 end_ns)
{
    Encode *encode = graph->variant;
    if (encode->phase == PHASE_WAITING) {
        drain_encoders(graph);
        return;
    }
    encode->phase = PHASE_ENDING;
    encode->end_ns = MAX(end_ns, graph->origin_ns);
    eg_pacer_set_end(encode->pacer, encode->end_ns);
    run_pacer(graph);
}

/* The tracks' side. */

static void set_live(EgGraphTrack *track)
{
    Stream *stream = track->variant;
    if (stream != NULL)
        eg_pacer_input_set_live(stream->input, !track->is_muted);
}

static const EgDecoderEvents decoder_events = {
    .decoded = on_decoded,
    .wants_key_frame = on_decoder_behind,
    .failed = on_decoder_failed,
};

static Stream *new_stream(EgGraphTrack *track, guint rate_hz)
{
    EgGraph *graph = track->graph;
    Encode *encode = graph->variant;
    Stream *stream = g_new0(Stream, 1);
    stream->graph = graph;
    stream->media = track->media;
    stream->track = track;
    if (track->media == EG_MEDIA_VIDEO) {
        stream->input = eg_pacer_add_video(encode->pacer, track->rank);
    } else {
        stream->input = eg_pacer_add_audio(encode->pacer, track->route);
        eg_pacer_input_set_rate(stream->input, rate_hz);
    }
    return stream;
}

static void raw_added(EgGraphTrack *track, guint rate_hz)
{
    track->variant = new_stream(track, rate_hz);
}

static void raw_came(EgGraphTrack *track, GstBuffer *buffer)
{
    on_decoded(track->variant, buffer);
}

static bool stream_started(EgGraphTrack *track, GError **error)
{
    EgGraph *graph = track->graph;
    const EgGraphParams *params = &graph->params;
    bool is_video = track->media == EG_MEDIA_VIDEO;
    /* The pacer resamples it: a resampler before it would count time by itself. */
    guint rate_hz = eg_codec_info(track->codec)->clock_rate_hz;
    EgDecoderParams decoder = {
        .codec = track->codec,
        .width = is_video ? params->video.width : 0,
        .height = is_video ? params->video.height : 0,
        .rate_hz = is_video ? 0 : rate_hz,
    };
    Stream *stream = new_stream(track, rate_hz);
    stream->decoder = eg_decoder_new(graph->loop, &decoder, &decoder_events, stream, error);
    if (stream->decoder == NULL) {
        free_stream(stream);
        return false;
    }
    track->variant = stream;
    set_live(track);
    return true;
}

static void stream_ended(EgGraphTrack *track)
{
    Stream *stream = g_steal_pointer(&track->variant);
    if (stream == NULL)
        return;
    Encode *encode = track->graph->variant;
    if (stream->decoder == NULL) {
        free_stream(stream);
        return;
    }
    stream->track = NULL;
    eg_pacer_input_set_live(stream->input, false);
    g_ptr_array_add(encode->ending, stream);
    eg_decoder_drain(stream->decoder, on_stream_drained, stream);
}

static void stream_caps(EgGraphTrack *track, GstCaps *caps)
{
    Stream *stream = track->variant;
    eg_decoder_set_caps(stream->decoder, caps);
}

static void stream_frame(EgGraphTrack *track, GstBuffer *frame)
{
    Stream *stream = track->variant;
    if (eg_frame_is_key(frame))
        set_awaits_key_frame(stream, false);
    eg_decoder_push(stream->decoder, frame);
}

static void get_stats(const EgGraph *graph, EgGraphStats *stats)
{
    const Encode *encode = graph->variant;
    eg_pacer_get_stats(encode->pacer, &stats->pacer);
    stats->dropped_frames += encode->dropped_frames;
    if (graph->origin_ns != EG_TIME_NONE)
        stats->recorded_ns = eg_pacer_position(encode->pacer) - graph->origin_ns;
}

static void describe(const EgGraph *graph, GString *text)
{
    const Encode *encode = graph->variant;
    for (guint i = 0; i < graph->tracks->len; i++) {
        const EgGraphTrack *track = graph->tracks->pdata[i];
        const Stream *stream = track->variant;
        if (stream != NULL && stream->decoder != NULL)
            eg_decoder_describe(stream->decoder, text);
    }
    for (int media = 0; media < EG_N_MEDIA; media++) {
        if (encode->outputs[media].encoder != NULL)
            eg_encoder_describe(encode->outputs[media].encoder, text);
    }
}

const EgGraphClass eg_graph_encode = {
    .init = init_encode,
    .finish = finish_encode,
    .start = start_encode,
    .set_end = set_end,
    .end = end_encode,
    .stream_started = stream_started,
    .stream_ended = stream_ended,
    .raw_added = raw_added,
    .raw = raw_came,
    .caps = stream_caps,
    .frame = stream_frame,
    .muted = set_live,
    .get_stats = get_stats,
    .describe = describe,
};
