/* What passthrough asks of the sender. */
#include "base/log.h"
#include "base/time.h"
#include "media/fixture.h"
#include "media/graph.h"

#define CLOCK_HZ 90000
#define SECONDS  4

/* Four seconds with a key frame every three. */
#define PICTURES                                                                                   \
    "videotestsrc num-buffers=120 ! video/x-raw,format=I420,width=64,height=64,framerate=30/1 ! "  \
    "x264enc tune=zerolatency bitrate=100 key-int-max=90 option-string=scenecut=0 ! "              \
    "video/x-h264,profile=baseline ! rtph264pay config-interval=-1"

typedef struct {
    GString *asked; /* "+" when key frames are asked for, "-" when not any more */
    bool is_ready;
} Sender;

static void on_ready(gpointer user, const EgGraphOutput *output)
{
    g_assert_cmpint(output->video_codec, ==, EG_CODEC_H264);
    ((Sender *)user)->is_ready = true;
}

static void on_frame(gpointer user, EgMedia media, GstBuffer *frame)
{
    (void)user;
    (void)media;
    gst_buffer_unref(frame);
}

static void on_wants_key_frame(gpointer user, gpointer track, bool wants)
{
    (void)track;
    g_string_append_c(((Sender *)user)->asked, wants ? '+' : '-');
}

static void on_failed(gpointer user, const GError *error)
{
    (void)user;
    g_assert_no_error(error);
}

/* What was asked for once the recording has begun, until all pictures have come. */
static char *ask(gint64 key_frame_interval_ns)
{
    static const EgGraphEvents events = {
        .ready = on_ready,
        .frame = on_frame,
        .wants_key_frame = on_wants_key_frame,
        .failed = on_failed,
    };
    g_autoptr(EgLoop) loop = eg_loop_new();
    g_autoptr(GPtrArray) packets = fixture_packets(PICTURES, 1);
    g_autoptr(GError) error = NULL;
    Sender sender = {.asked = g_string_new(NULL)};
    const EgGraphParams params = {
        .processing = EG_PROCESSING_PASSTHROUGH,
        .key_frame_interval_ns = key_frame_interval_ns,
    };
    g_autoptr(EgGraph) graph = eg_graph_new(loop, &params, NULL, &events, &sender, &error);
    g_assert_no_error(error);
    const EgGraphTrackParams track_params = {
        .participant = "alice", .media = EG_MEDIA_VIDEO, .codec = EG_CODEC_H264};
    EgGraphTrack *track = eg_graph_add_track(graph, &track_params, NULL);
    eg_graph_start(graph);
    eg_graph_track_start(track, EG_CODEC_H264, CLOCK_HZ);
    guint i = 0;
    gint64 begin_ns = eg_now_ns() - SECONDS * EG_NS_PER_S;
    for (guint n = 0; n < packets->len; n++) {
        EgPacket *packet = packets->pdata[n];
        packet->arrival_ns = begin_ns + fixture_instant_ns(packets, packet, CLOCK_HZ);
    }
    gint64 first_ns = fixture_instant_ns(packets, packets->pdata[0], CLOCK_HZ);
    while (fixture_instant_ns(packets, packets->pdata[i], CLOCK_HZ) < first_ns + EG_NS_PER_S / 2)
        eg_graph_track_push(track, packets->pdata[i++]);
    fixture_run_until(loop, &sender.is_ready);
    g_string_truncate(sender.asked, 0);
    for (; i < packets->len; i++)
        eg_graph_track_push(track, packets->pdata[i]);
    return g_string_free(sender.asked, FALSE);
}

static void test_key_frames(void)
{
    g_autofree char *asked = ask(EG_NS_PER_S);
    g_assert_cmpstr(asked, ==, "+-");
}

/* Of a file nobody joins in the middle. */
static void test_no_key_frames(void)
{
    g_autofree char *asked = ask(0);
    g_assert_cmpstr(asked, ==, "");
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/media/graph-passthrough/key-frames", test_key_frames);
    g_test_add_func("/media/graph-passthrough/no-key-frames", test_no_key_frames);
    return g_test_run();
}
