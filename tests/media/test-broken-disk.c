/* What is left of a recording on a disk that cannot be read any more: it stays as it is, and is
 * completed when the disk is there again. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/time.h"
#include "media/frame.h"
#include "media/sink-fixture.h"
#include "mock/broken-disk.h"

#define FPS     30
#define SECONDS 4

#define VIDEO(format)                                                                              \
    "videotestsrc pattern=ball num-buffers=120 ! "                                                 \
    "video/x-raw,format=I420,width=320,height=240,framerate=30/1 ! "                               \
    "x264enc tune=zerolatency bitrate=300 key-int-max=30 option-string=scenecut=0 ! "              \
    "video/x-h264,profile=baseline ! h264parse config-interval=-1 ! "                              \
    "video/x-h264,stream-format=" format ",alignment=au ! appsink name=out"

typedef struct {
    SinkFixture base;
    EgSinkKind kind;
    char *path; /* of the file, or the playlist */
    char *prefix;
    char *unfinished;
} Left;

static EgSinkParams params_of(const Left *left)
{
    return (EgSinkParams){
        .format = left->kind == EG_SINK_FILE ? EG_FORMAT_MP4 : EG_FORMAT_TS,
        .path = left->path,
        .series = {.prefix = left->prefix, .ending = ".ts", .suffix = EG_SUFFIX_INDEX},
        .segments = {.playlist = left->path,                      .duration_ns = EG_NS_PER_S               },
        .video = sink_fixture_caps(&left->base, EG_MEDIA_VIDEO),
    };
}

static void push_second(Left *left, guint second)
{
    for (guint i = second * FPS; i < (second + 1) * FPS; i++) {
        GstSample *sample = left->base.samples[EG_MEDIA_VIDEO]->pdata[i];
        GstBuffer *frame = gst_buffer_copy(gst_sample_get_buffer(sample));
        gint64 pts_ns = (gint64)i * EG_NS_PER_S / FPS;
        eg_frame_set_times(frame, pts_ns, pts_ns);
        GST_BUFFER_DURATION(frame) = EG_NS_PER_S / FPS;
        eg_sink_push(left->base.sink, EG_MEDIA_VIDEO, frame);
    }
}

static guint64 size_bytes(const Left *left)
{
    EgSinkStats stats;
    eg_sink_get_stats(left->base.sink, &stats);
    return stats.size_bytes;
}

/* Second after second, and then whoever wrote is gone. */
static Left *left_new(EgSinkKind kind)
{
    g_autoptr(GError) error = NULL;
    Left *left = g_new0(Left, 1);
    left->kind = kind;
    sink_fixture_set_up(&left->base);
    bool is_file = kind == EG_SINK_FILE;
    left->path = g_build_filename(left->base.folder, is_file ? "out.mp4" : "list.m3u8", NULL);
    left->prefix = g_build_filename(left->base.folder, "seg_", NULL);
    left->unfinished = g_build_filename(
        left->base.folder, is_file ? "out.recording.mp4" : "seg_00003.recording.ts", NULL);
    left->base.samples[EG_MEDIA_VIDEO] =
        fixture_samples(is_file ? VIDEO("avc") : VIDEO("byte-stream"));
    const EgSinkParams params = params_of(left);
    left->base.sink =
        eg_sink_new(kind, left->base.loop, &params, &sink_fixture_events, left, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < SECONDS; i++) {
        guint64 before = size_bytes(left);
        push_second(left, i);
        while (size_bytes(left) == before)
            g_usleep(1000);
    }
    g_clear_pointer(&left->base.sink, eg_sink_free);
    return left;
}

static void left_free(Left *left)
{
    broken_disk_set(NULL, 0);
    sink_fixture_tear_down(&left->base);
    g_free(left->path);
    g_free(left->prefix);
    g_free(left->unfinished);
    g_free(left);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Left, left_free)

static GBytes *read_file(const char *path)
{
    char *data = NULL;
    gsize size = 0;
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    return g_bytes_new_take(data, size);
}

/* Returns how many files are complete. */
static guint recover(const Left *left)
{
    const EgSinkParams params = params_of(left);
    gint is_canceled = 0;
    g_auto(EgSinkRemains) remains = {0};
    eg_sink_recover(left->kind, &params, &is_canceled, &remains);
    return remains.files->len;
}

static guint count_pictures(const char *path)
{
    g_autoptr(FixtureMedia) media = fixture_decode(path);
    g_assert_nonnull(media);
    return media->pictures->len;
}

/* From its beginning on; between two fragments; in the middle of one. */
static void test_file(void)
{
    g_autoptr(Left) left = left_new(EG_SINK_FILE);
    g_autoptr(GBytes) bytes = read_file(left->unfinished);
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    const char *fragment = memmem(data + size / 2, size / 2, "moof", 4);
    g_assert_nonnull(fragment);
    const goffset offsets[] = {0, fragment - 4 - data, fragment + 200 - data};
    for (gsize i = 0; i < G_N_ELEMENTS(offsets); i++) {
        broken_disk_set(left->unfinished, offsets[i]);
        g_assert_cmpuint(recover(left), ==, 0);
        broken_disk_set(NULL, 0);
        g_autoptr(GBytes) after = read_file(left->unfinished);
        g_assert_true(g_bytes_equal(after, bytes));
        g_assert_cmpuint(fixture_count_files(left->base.folder, ""), ==, 1);
    }
    g_assert_cmpuint(recover(left), ==, 1);
    g_assert_cmpuint(count_pictures(left->path), ==, SECONDS * FPS);
}

static void test_segment(void)
{
    g_autoptr(Left) left = left_new(EG_SINK_SEGMENTS);
    g_autoptr(GBytes) bytes = read_file(left->unfinished);
    const goffset offsets[] = {0, (goffset)g_bytes_get_size(bytes) / 2};
    for (gsize i = 0; i < G_N_ELEMENTS(offsets); i++) {
        broken_disk_set(left->unfinished, offsets[i]);
        g_assert_cmpuint(recover(left), ==, SECONDS - 1);
        broken_disk_set(NULL, 0);
        g_autoptr(GBytes) after = read_file(left->unfinished);
        g_assert_true(g_bytes_equal(after, bytes));
    }
    g_assert_cmpuint(recover(left), ==, SECONDS);
    g_autofree char *finished = g_build_filename(left->base.folder, "seg_00003.ts", NULL);
    g_assert_cmpuint(count_pictures(finished), ==, FPS);
}

/* It names what is in a store, and not here any more. */
static void test_playlist(void)
{
    g_autoptr(Left) left = left_new(EG_SINK_SEGMENTS);
    g_autofree char *first = g_build_filename(left->base.folder, "seg_00000.ts", NULL);
    g_assert_cmpint(g_unlink(first), ==, 0);
    g_autoptr(GBytes) bytes = read_file(left->path);
    broken_disk_set(left->path, 0);
    recover(left);
    broken_disk_set(NULL, 0);
    g_autoptr(GBytes) after = read_file(left->path);
    g_assert_true(g_bytes_equal(after, bytes));

    recover(left);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(left->path, &text, NULL, NULL));
    for (guint i = 0; i < SECONDS; i++) {
        g_autofree char *name = g_strdup_printf("\nseg_%05u.ts\n", i);
        g_assert_nonnull(strstr(text, name));
    }
    g_assert_true(g_str_has_suffix(text, "#EXT-X-ENDLIST\n"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/broken-disk/file", test_file);
    g_test_add_func("/broken-disk/segment", test_segment);
    g_test_add_func("/broken-disk/playlist", test_playlist);
    return g_test_run();
}
