/* A stream to a real receiver of SRT, to servers that are not there or say nothing. */
#include <gio/gio.h>
#include <glib/gstdio.h>

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "media/sink-fixture.h"

#define FPS     30
#define SECONDS 3

#define PICTURES                                                                                   \
    "videotestsrc pattern=ball num-buffers=90 ! "                                                  \
    "video/x-raw,format=I420,width=320,height=180,framerate=30/1 ! "                               \
    "x264enc tune=zerolatency bitrate=300 key-int-max=300 option-string=scenecut=0 ! "             \
    "video/x-h264,profile=main,stream-format=avc,alignment=au ! appsink name=out"
#define SOUND                                                                                      \
    "audiotestsrc num-buffers=140 samplesperbuffer=1024 ! "                                        \
    "audio/x-raw,rate=48000,channels=2,format=F32LE ! avenc_aac ! appsink name=out"

typedef struct {
    SinkFixture base;
    bool has_changed;
} Stream;

static void on_changed(gpointer user)
{
    ((Stream *)user)->has_changed = true;
}

static Stream *stream_new(const char *url)
{
    static const EgSinkEvents events = {.drained = sink_fixture_on_drained,
                                        .failed = sink_fixture_on_failed,
                                        .changed = on_changed};
    g_autoptr(GError) error = NULL;
    Stream *stream = g_new0(Stream, 1);
    sink_fixture_set_up(&stream->base);
    stream->base.samples[EG_MEDIA_VIDEO] = fixture_samples(PICTURES);
    stream->base.samples[EG_MEDIA_AUDIO] = fixture_samples(SOUND);
    const EgSinkParams params = {
        .url = url,
        .audio = gst_sample_get_caps(stream->base.samples[EG_MEDIA_AUDIO]->pdata[0]),
        .video = gst_sample_get_caps(stream->base.samples[EG_MEDIA_VIDEO]->pdata[0]),
    };
    stream->base.sink =
        eg_sink_new(EG_SINK_STREAM, stream->base.loop, &params, &events, stream, &error);
    g_assert_no_error(error);
    return stream;
}

static void stream_free(Stream *stream)
{
    sink_fixture_tear_down(&stream->base);
    g_free(stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)

static gint64 time_of(EgMedia media, guint i)
{
    return media == EG_MEDIA_VIDEO ? (gint64)i * EG_NS_PER_S / FPS
                                   : ((gint64)i - 1) * 1024 * EG_NS_PER_S / 48000;
}

static void push_all(Stream *stream)
{
    for (EgMedia media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        const GPtrArray *samples = stream->base.samples[media];
        for (guint i = 0; samples != NULL && i < samples->len; i++) {
            GstBuffer *frame = gst_buffer_copy(gst_sample_get_buffer(samples->pdata[i]));
            eg_frame_set_times(frame, time_of(media, i), time_of(media, i));
            GST_BUFFER_DURATION(frame) = (GstClockTime)(time_of(media, i + 1) - time_of(media, i));
            eg_sink_push(stream->base.sink, media, frame);
        }
    }
}

/* One that is free now. */
static guint16 take_port(void)
{
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    return g_socket_listener_add_any_inet_port(listener, NULL, NULL);
}

static void test_srt(void)
{
    g_autofree char *url =
        g_strdup_printf("srt://127.0.0.1:%u?passphrase=a-long-passphrase", take_port());
    g_autofree char *receiver_url = g_strconcat(url, "&mode=listener", NULL);
    g_autoptr(Stream) stream = stream_new(url);
    g_autofree char *path = g_build_filename(stream->base.folder, "out.ts", NULL);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_subprocess_launcher_set_stdout_file_path(launcher, path);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) receiver = g_subprocess_launcher_spawn(
        launcher, &error, "srt-live-transmit", "-q", "-a:no", receiver_url, "file://con", NULL);
    g_assert_no_error(error);
    fixture_run_until(stream->base.loop, &stream->has_changed);
    push_all(stream);
    eg_sink_drain(stream->base.sink);
    fixture_run_until(stream->base.loop, &stream->base.has_ended);
    g_assert_no_error(stream->base.error);
    EgSinkStats stats;
    eg_sink_get_stats(stream->base.sink, &stats);
    g_assert_cmpint(stats.started_ns, >, 0);
    g_assert_cmpuint(stats.retries, ==, 0);
    g_assert_cmpfloat_with_epsilon((double)stats.duration_ns / 1e9, SECONDS, 0.05);
    g_subprocess_force_exit(receiver);
    g_subprocess_wait(receiver, NULL, NULL);
    g_autoptr(FixtureMedia) media = fixture_decode(path);
    g_assert_nonnull(media);
    g_assert_cmpstr(media->video_codec, ==, "h264");
    g_assert_cmpstr(media->audio_codec, ==, "aac");
    g_assert_cmpuint(media->errors, ==, 0);
    g_assert_cmpuint(media->pictures->len, ==, SECONDS * FPS);
}

static void test_refused(void)
{
    g_autofree char *url = g_strdup_printf("rtmp://127.0.0.1:%u/live/secretkey", take_port());
    g_autoptr(Stream) stream = stream_new(url);
    push_all(stream);
    fixture_run_until(stream->base.loop, &stream->base.has_ended);
    g_assert_error(stream->base.error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_cmpint(eg_error_blame(stream->base.error), ==, EG_BLAME_DESTINATION);
    g_assert_true(
        g_str_has_suffix(stream->base.error->message, "/{sec...key}: Connection refused"));
    g_assert_null(strstr(stream->base.error->message, "secretkey"));
    g_assert_false(stream->has_changed);
}

typedef struct {
    GSocketConnection *connection;
    bool is_there;
} Peer;

static void on_accepted(GObject *source, GAsyncResult *result, gpointer user)
{
    Peer *peer = user;
    peer->connection =
        g_socket_listener_accept_finish(G_SOCKET_LISTENER(source), result, NULL, NULL);
    peer->is_there = true;
}

/* Whoever waits for a server that says nothing can be let go of. */
static void test_silent(void)
{
    g_autoptr(GSocketListener) listener = g_socket_listener_new();
    guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
    g_autofree char *url = g_strdup_printf("rtmp://127.0.0.1:%u/live/secretkey", port);
    Stream *stream = stream_new(url);
    Peer peer = {0};
    g_socket_listener_accept_async(listener, NULL, on_accepted, &peer);
    fixture_run_until(stream->base.loop, &peer.is_there);
    g_assert_nonnull(peer.connection);
    push_all(stream);
    stream_free(stream);
    /* Its end: nothing comes but the handshake that it began with. */
    GInputStream *input = g_io_stream_get_input_stream(G_IO_STREAM(peer.connection));
    char bytes[4096];
    gssize n;
    do
        n = g_input_stream_read(input, bytes, sizeof bytes, NULL, NULL);
    while (n > 0);
    g_assert_cmpint(n, <=, 0);
    g_object_unref(peer.connection);
}

static void test_bad_url(void)
{
    g_autoptr(EgLoop) loop = eg_loop_new();
    g_autoptr(GError) error = NULL;
    const EgSinkParams params = {.url = "rtmp://x/secretkey"};
    g_assert_null(eg_sink_new(EG_SINK_STREAM, loop, &params, &sink_fixture_events, NULL, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
}

int main(int argc, char **argv)
{
    gst_init(NULL, NULL);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sink/stream/srt", test_srt);
    g_test_add_func("/sink/stream/refused", test_refused);
    g_test_add_func("/sink/stream/silent", test_silent);
    g_test_add_func("/sink/stream/bad-url", test_bad_url);
    return g_test_run();
}
