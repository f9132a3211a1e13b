/* Many minutes of a test pattern through the graph and real outputs (a file, segments, a stream to
 * a server), as fast as the machine can: whether memory grows, and what comes out. Media are pushed
 * ahead of the clock, so that the pacer, which puts out what is complete, never waits for it.
 *
 *     long-run SECONDS FOLDER RTMP-URL
 *
 * Prints JSON: memory at each tenth of the way, and how the outputs ended. */
#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/time.h"
#include "media/gst-util.h"
#include "proto/json.h"
#include "proto/message.h"
#include "request/plan.h"
#include "rpc_egress.pb-c.h"
#include "session/outputs.h"

#define WIDTH   160
#define HEIGHT  90
#define FPS     10
#define RATE_HZ 48000

/* How far what is pushed may be ahead of what the encoders, and the stream, have put out. */
#define AHEAD_PICTURES  6
#define AHEAD_SOUND_NS  (2 * EG_NS_PER_S)
#define AHEAD_STREAM_NS (3 * EG_NS_PER_S)

/* Nothing moves for so long: it has failed. */
#define STALL_NS (60 * EG_NS_PER_S)

#define CONFIG                                                                                     \
    "{api_key: key, api_secret: secret, ws_url: 'ws://localhost', video_encoder_threads: 1, "      \
    "video_encoder: {preset: ultrafast}}"

typedef struct {
    EgLoop *loop;
    const EgConfig *config;
    const EgPlan *plan;
    EgReport *report;
    EgDescription *description;
    EgGraph *graph;
    EgOutputs *outputs;
    gint64 origin_ns; /* of what is pushed */
    guint64 pictures_out;
    gint64 sound_out_ns;
    bool has_drained;
    bool has_ended;
    GError *error;
} LongRun;

static void fail(LongRun *run, const GError *error)
{
    if (run->error == NULL)
        run->error = g_error_copy(error);
    run->has_drained = run->has_ended = true;
}

static void on_outputs_drained(gpointer user)
{
    ((LongRun *)user)->has_ended = true;
}

static void on_failed(gpointer user, const GError *error)
{
    fail(user, error);
}

static void nothing(gpointer user)
{
    (void)user;
}

static void on_ready(gpointer user, const EgGraphOutput *output)
{
    static const EgOutputsEvents events = {
        .drained = on_outputs_drained, .failed = on_failed, .emptied = nothing, .changed = nothing};
    LongRun *run = user;
    const EgOutputsParams params = {
        .plan = run->plan,
        .description = run->description,
        .report = run->report,
        .config = run->config,
    };
    g_autoptr(GError) error = NULL;
    run->outputs = eg_outputs_new(run->loop, &params, output, &events, run, &error);
    if (run->outputs == NULL)
        fail(run, error);
}

static void on_frame(gpointer user, EgMedia media, GstBuffer *frame)
{
    LongRun *run = user;
    if (media == EG_MEDIA_VIDEO)
        run->pictures_out++;
    else
        run->sound_out_ns = (gint64)GST_BUFFER_PTS(frame);
    if (run->outputs != NULL)
        eg_outputs_push(run->outputs, media, frame);
    else
        gst_buffer_unref(frame);
}

static void on_gap(gpointer user, EgMedia media, gint64 until_ns)
{
    (void)user;
    (void)media;
    (void)until_ns;
}

static void on_graph_drained(gpointer user)
{
    ((LongRun *)user)->has_drained = true;
}

/* Something that moves, so that there is something to encode. */
static GstBuffer *make_picture(guint64 n)
{
    gsize luma = WIDTH * HEIGHT;
    GstBuffer *picture = gst_buffer_new_allocate(NULL, luma * 3 / 2, NULL);
    GstMapInfo map;
    if (!gst_buffer_map(picture, &map, GST_MAP_WRITE))
        abort();
    for (gsize i = 0; i < luma; i++)
        map.data[i] = (guint8)(16 + (i % WIDTH + i / WIDTH + 3 * n) % 220);
    memset(map.data + luma, 128, luma / 2);
    gst_buffer_unmap(picture, &map);
    return picture;
}

static GstBuffer *make_sound(guint64 first)
{
    guint frames = RATE_HZ / FPS;
    float *samples = g_new(float, 2 * frames);
    for (guint i = 0; i < frames; i++)
        samples[2 * i] = samples[2 * i + 1] =
            (float)(0.25 * sin((double)(first + i) * 2 * G_PI * 440 / RATE_HZ));
    return gst_buffer_new_wrapped(samples, 2 * frames * sizeof(float));
}

static guint64 resident_kb(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/status", &text, NULL, NULL))
        return 0;
    return g_ascii_strtoull(strstr(text, "VmRSS:") + strlen("VmRSS:"), NULL, 10);
}

/* What is allocated at this moment; the resident memory is more by what the heap keeps free. */
static guint64 used_kb(void)
{
    struct mallinfo2 info = mallinfo2();
    return (info.uordblks + info.hblkhd) / 1024;
}

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* How far the stream has come; where there is none, for ever. */
static gint64 streamed_ns(LongRun *run)
{
    EgOutputsStats stats;
    if (run->outputs == NULL)
        return 0;
    eg_outputs_get_stats(run->outputs, &stats);
    const Livekit__StreamInfo *stream = eg_report_info(run->report)->stream_results[0];
    return stream->status == LIVEKIT__STREAM_INFO__STATUS__ACTIVE ? stream->duration
                                                                  : G_MAXINT64 / 2;
}

static bool may_push(LongRun *run, guint64 n)
{
    gint64 at_ns = (gint64)(n * EG_NS_PER_S / FPS);
    return n <= run->pictures_out + AHEAD_PICTURES && at_ns <= run->sound_out_ns + AHEAD_SOUND_NS &&
           (n % FPS != 0 || at_ns <= streamed_ns(run) + AHEAD_STREAM_NS);
}

/* Until the flag, or the condition; an error if nothing happens. */
static void wait_for(LongRun *run, const bool *flag, guint64 n)
{
    gint64 deadline_ns = eg_now_ns() + STALL_NS;
    while (flag != NULL ? !*flag : !run->has_drained && !may_push(run, n)) {
        if (!eg_loop_iterate(run->loop, false))
            g_usleep(200);
        if (eg_now_ns() < deadline_ns)
            continue;
        g_autoptr(GError) error = NULL;
        eg_error_set(&error, EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_SERVICE,
                     "nothing moves at picture %" G_GUINT64_FORMAT, n);
        fail(run, error);
    }
}

static void push(const LongRun *run, EgGraphTrack *const *tracks, guint64 n)
{
    GstBuffer *block = make_sound(n * (RATE_HZ / FPS));
    GstBuffer *picture = make_picture(n);
    GST_BUFFER_PTS(block) = GST_BUFFER_PTS(picture) =
        (GstClockTime)(run->origin_ns + (gint64)(n * EG_NS_PER_S / FPS));
    eg_graph_push_raw(tracks[EG_MEDIA_AUDIO], block);
    eg_graph_push_raw(tracks[EG_MEDIA_VIDEO], picture);
}

static void push_all(LongRun *run, guint seconds, json_t *result)
{
    EgGraphTrack *const tracks[EG_N_MEDIA] = {
        [EG_MEDIA_VIDEO] = eg_graph_add_raw(run->graph, EG_MEDIA_VIDEO, 0),
        [EG_MEDIA_AUDIO] = eg_graph_add_raw(run->graph, EG_MEDIA_AUDIO, RATE_HZ),
    };
    eg_graph_start(run->graph);
    run->origin_ns = eg_now_ns();
    json_t *used = json_array();
    json_t *resident = json_array();
    json_object_set_new(result, "used_kb", used);
    json_object_set_new(result, "resident_kb", resident);
    guint64 total = (guint64)seconds * FPS;
    for (guint64 n = 0; n < total && run->error == NULL; n++) {
        wait_for(run, NULL, n);
        push(run, tracks, n);
        if ((n + 1) * 10 / total == n * 10 / total)
            continue;
        json_array_append_new(used, json_integer((json_int_t)used_kb()));
        json_array_append_new(resident, json_integer((json_int_t)resident_kb()));
    }
    /* What is there beyond the end says that everything before it has come. */
    gint64 end_ns = run->origin_ns + (gint64)seconds * EG_NS_PER_S;
    eg_graph_set_end(run->graph, end_ns);
    for (guint64 n = total; n < total + AHEAD_PICTURES; n++)
        push(run, tracks, n);
    eg_graph_finish(run->graph, end_ns);
    wait_for(run, &run->has_drained, total);
}

static Rpc__StartEgressRequest *make_request(const char *folder, const char *url, GError **error)
{
    json_t *json = json_pack(
        "{s:s, s:{s:s, s:{}, s:{s:i, s:i, s:i, s:i, s:i}, s:[{s:{s:o}}, {s:{s:o, s:i}}, "
        "{s:{s:[s]}}]}}",
        "egressId", "EG_long", "egress", "roomName", "long", "template", "advanced", "width", WIDTH,
        "height", HEIGHT, "framerate", FPS, "videoBitrate", 100, "audioBitrate", 64, "outputs",
        "file", "filepath", json_sprintf("%s/long.mp4", folder), "segments", "playlistName",
        json_sprintf("%s/hls/long.m3u8", folder), "segmentDuration", 4, "stream", "urls", url);
    g_autofree char *text = json_dumps(json, 0);
    json_decref(json);
    return (Rpc__StartEgressRequest *)(gpointer)eg_proto_from_json(
        text, strlen(text), &rpc__start_egress_request__descriptor, error);
}

static bool run_graph(LongRun *run, guint seconds, json_t *result, GError **error)
{
    static const EgGraphEvents events = {.ready = on_ready,
                                         .frame = on_frame,
                                         .gap = on_gap,
                                         .drained = on_graph_drained,
                                         .failed = on_failed};
    const EgGraphParams params = {
        .processing = run->plan->processing,
        .video = run->plan->video,
        .audio = run->plan->audio,
        .video_encoder = run->config->video_encoder,
        .latency_ns = run->plan->latency_ns,
    };
    run->graph = eg_graph_new(run->loop, &params, NULL, &events, run, error);
    if (run->graph == NULL)
        return false;
    gint64 begin_ns = eg_now_ns();
    push_all(run, seconds, result);
    if (run->error == NULL) {
        EgOutputsStats stats;
        eg_outputs_drain(run->outputs);
        wait_for(run, &run->has_ended, 0);
        eg_outputs_get_stats(run->outputs, &stats);
    }
    json_object_set_new(result, "seconds",
                        json_real((double)(eg_now_ns() - begin_ns) / (double)EG_NS_PER_S));
    json_object_set_new(result, "cpu_s", json_real(cpu_s()));
    json_object_set_new(result, "pictures", json_integer((json_int_t)run->pictures_out));
    if (run->error != NULL)
        g_propagate_error(error, g_error_copy(run->error));
    return run->error == NULL;
}

static bool run_long(const char *const *args, json_t *result, GError **error)
{
    g_autoptr(EgConfig) config = eg_config_parse(CONFIG, "long-run", NULL, error);
    g_autoptr(ProtobufCMessage) message = NULL;
    if (config == NULL || !eg_gst_init(error))
        return false;
    Rpc__StartEgressRequest *request = make_request(args[1], args[2], error);
    if (request == NULL)
        return false;
    message = &request->base;
    g_autoptr(EgPlan) plan = eg_plan_new(request, config, error);
    if (plan == NULL)
        return false;
    g_autoptr(EgLoop) loop = eg_loop_new();
    g_autoptr(EgReport) report = eg_report_new(plan, request, eg_wall_now_ns());
    g_autoptr(EgDescription) description = eg_description_new();
    LongRun run = {
        .loop = loop, .config = config, .plan = plan, .report = report, .description = description};
    bool is_done = run_graph(&run, (guint)g_ascii_strtoull(args[0], NULL, 10), result, error);
    eg_graph_free(run.graph);
    eg_outputs_free(run.outputs);
    g_clear_error(&run.error);
    g_autofree char *info = eg_proto_to_json(&eg_report_info(report)->base);
    json_object_set_new(result, "info", json_loads(info, 0, NULL));
    return is_done;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("long-run SECONDS FOLDER RTMP-URL\n", stderr);
        return EXIT_FAILURE;
    }
    eg_log_setup(EG_LOG_WARNING, false);
    /* At this pace the heap comes to keep some MB more free between blocks of all sizes; in real
     * time it does not (4.5 Mbit/s stay within 0.1 MB), where a threshold that is set costs 2 % of
     * a core: pages are mapped anew for each picture. So the product sets none. */
    mallopt(M_MMAP_THRESHOLD, 256 * 1024);
    g_autoptr(GError) error = NULL;
    json_t *result = json_object();
    bool is_done = run_long((const char *const *)argv + 1, result, &error);
    if (!is_done)
        json_object_set_new(result, "error", json_string(error->message));
    json_dumpf(result, stdout, JSON_INDENT(1));
    json_decref(result);
    return is_done ? EXIT_SUCCESS : EXIT_FAILURE;
}
