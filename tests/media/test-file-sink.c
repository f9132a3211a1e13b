/* Files of all formats: complete, interrupted, left over, and where they cannot be. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "media/frame.h"
#include "media/sink-fixture.h"
#include "sink/file-finalize.h"
#include "sink/muxer.h"

#define FPS 30

/* Coded frames of both kinds, as they come from a room. */
typedef struct {
    const char *name;
    EgFormat format;
    const char *video; /* gst-launch notation; NULL: none */
    const char *audio;
    bool is_thorough; /* goes through the slow tests, too */
    bool is_fragmented;
} Material;

#define H264(key)                                                                                  \
    "x264enc tune=zerolatency bitrate=300 key-int-max=" key " option-string=scenecut=0 ! "         \
    "video/x-h264,profile=baseline ! h264parse ! video/x-h264,stream-format=avc,alignment=au"
#define PCM "audioconvert ! audio/x-raw,format=S16LE"
#define VP8 "vp8enc deadline=1 cpu-used=8 target-bitrate=300000 keyframe-max-dist=30"

/* The key frames of "sparse" are ten seconds apart. */
static const Material materials[] = {
    {"mp4",       EG_FORMAT_MP4,  H264("30"),  "opusenc", true,  false},
    {"mp4-video", EG_FORMAT_MP4,  H264("30"),  NULL,      false, false},
    {"mp4-audio", EG_FORMAT_MP4,  NULL,        "opusenc", false, false},
    {"sparse",    EG_FORMAT_MP4,  H264("300"), "opusenc", true,  false},
    {"fragments", EG_FORMAT_MP4,  H264("30"),  "opusenc", true,  true },
    {"webm",      EG_FORMAT_WEBM, VP8,         "opusenc", true,  false},
    {"mkv",       EG_FORMAT_MKV,  H264("30"),  "opusenc", true,  false},
    {"ogg",       EG_FORMAT_OGG,  NULL,        "opusenc", true,  false},
    {"wav",       EG_FORMAT_WAV,  NULL,        PCM,       true,  false},
};

/* Has no times, and packets of another length. */
static const Material mp3 = {"mp3", EG_FORMAT_MP3, NULL, "lamemp3enc ! mpegaudioparse",
                             false, false};

typedef struct {
    SinkFixture base;
    guint pushed[EG_N_MEDIA];
    char *path;
    bool is_fragmented;
    GPtrArray *growths; /* Growth, of all that was said to stay */
} Recording;

typedef struct {
    guint64 from;
    char *bytes;
    gsize size;
} Growth;

static void free_growth(gpointer data)
{
    g_free(((Growth *)data)->bytes);
    g_free(data);
}

static GPtrArray *make_samples(const char *coder, bool is_video, guint seconds)
{
    g_autofree char *pipeline =
        is_video
            ? g_strdup_printf("videotestsrc pattern=ball num-buffers=%u ! "
                              "video/x-raw,format=I420,width=320,height=240,framerate=%u/1 ! %s ! "
                              "appsink name=out",
                              seconds * FPS, FPS, coder)
            : g_strdup_printf("audiotestsrc num-buffers=%u samplesperbuffer=960 ! "
                              "audio/x-raw,rate=48000,channels=2 ! %s ! appsink name=out",
                              seconds * 50, coder);
    return fixture_samples(pipeline);
}

static Recording *recording_new(const Material *material, guint seconds)
{
    Recording *recording = g_new0(Recording, 1);
    sink_fixture_set_up(&recording->base);
    recording->is_fragmented = material->is_fragmented;
    recording->growths = g_ptr_array_new_with_free_func(free_growth);
    g_autofree char *name = g_strconcat("out", eg_format_info(material->format)->extension, NULL);
    recording->path = g_build_filename(recording->base.folder, name, NULL);
    const char *coders[EG_N_MEDIA] = {
        [EG_MEDIA_AUDIO] = material->audio, [EG_MEDIA_VIDEO] = material->video};
    for (guint media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        if (coders[media] == NULL)
            continue;
        GPtrArray *samples = make_samples(coders[media], media == EG_MEDIA_VIDEO, seconds);
        /* Encoders put one in front. */
        guint n = MIN(samples->len, seconds * (media == EG_MEDIA_VIDEO ? FPS : 50));
        g_ptr_array_set_size(samples, (int)n);
        recording->base.samples[media] = samples;
    }
    return recording;
}

static void recording_free(Recording *recording)
{
    sink_fixture_tear_down(&recording->base);
    g_ptr_array_unref(recording->growths);
    g_free(recording->path);
    g_free(recording);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recording, recording_free)

static void on_completed(gpointer user, const EgSinkFile *file)
{
    const SinkFixture *fixture = user;
    g_assert_nonnull(file->path);
    g_assert_false(fixture->has_ended);
}

/* Keeps what is in the file now. */
static void on_grown(gpointer user, const EgSinkGrowth *growth)
{
    Recording *recording = user;
    g_autofree char *bytes = NULL;
    gsize size;
    if (!g_file_get_contents(growth->unfinished, &bytes, &size, NULL))
        return;
    g_assert_cmpuint(size, >=, growth->size_bytes);
    Growth *kept = g_new(Growth, 1);
    kept->from = growth->stable_from;
    kept->size = (gsize)(growth->size_bytes - growth->stable_from);
    kept->bytes = g_memdup2(bytes + growth->stable_from, kept->size);
    g_ptr_array_add(recording->growths, kept);
}

static EgSink *open_sink(Recording *recording, const char *path, EgFormat format, GError **error)
{
    static const EgSinkEvents events = {
        .drained = sink_fixture_on_drained,
        .failed = sink_fixture_on_failed,
        .completed = on_completed,
        .grown = on_grown,
    };
    EgSinkParams params = {
        .format = format,
        .path = path,
        .is_fragmented = recording->is_fragmented,
        .audio = sink_fixture_caps(&recording->base, EG_MEDIA_AUDIO),
        .video = sink_fixture_caps(&recording->base, EG_MEDIA_VIDEO),
    };
    return eg_sink_new(EG_SINK_FILE, recording->base.loop, &params, &events, recording, error);
}

static void open_recording(Recording *recording, EgFormat format)
{
    g_autoptr(GError) error = NULL;
    recording->base.sink = open_sink(recording, recording->path, format, &error);
    g_assert_no_error(error);
}

static gint64 time_of(EgMedia media, guint i)
{
    return (gint64)i * EG_NS_PER_S / (media == EG_MEDIA_VIDEO ? FPS : 50);
}

/* The i-th frame of a kind, as if it had come at its time + `shift_ns`. */
static void push_frame(Recording *recording, EgMedia media, guint i, gint64 shift_ns)
{
    GstBuffer *frame = gst_buffer_copy(
        gst_sample_get_buffer(g_ptr_array_index(recording->base.samples[media], i)));
    gint64 pts_ns = time_of(media, i) + shift_ns;
    eg_frame_set_times(frame, pts_ns, pts_ns);
    GST_BUFFER_DURATION(frame) = (GstClockTime)(time_of(media, i + 1) - time_of(media, i));
    eg_sink_push(recording->base.sink, media, frame);
}

/* Everything before `until_ns`. */
static void push_until(Recording *recording, gint64 until_ns)
{
    for (guint media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        const GPtrArray *samples = recording->base.samples[media];
        guint *i = &recording->pushed[media];
        for (; samples != NULL && *i < samples->len && time_of((EgMedia)media, *i) < until_ns;
             (*i)++)
            push_frame(recording, (EgMedia)media, *i, 0);
    }
}

static char *sibling(const Recording *recording, const char *name)
{
    return g_build_filename(recording->base.folder, name, NULL);
}

static guint64 size_of(const Recording *recording)
{
    EgSinkStats stats;
    eg_sink_get_stats(recording->base.sink, &stats);
    return stats.size_bytes;
}

/* Until the file is larger than `before`, or has failed. */
static guint64 wait_for_growth(const Recording *recording, guint64 before)
{
    while (size_of(recording) == before && !recording->base.has_ended) {
        g_usleep(1000);
        eg_loop_iterate(recording->base.loop, false);
    }
    return size_of(recording);
}

static guint count_files(const Recording *recording)
{
    return fixture_count_files(recording->base.folder, "");
}

static void assert_media(const FixtureMedia *media, const Material *material, double seconds)
{
    g_assert_nonnull(media);
    g_assert_cmpuint(media->errors, ==, 0);
    g_assert_cmpint(media->video_codec != NULL, ==, material->video != NULL);
    g_assert_cmpint(media->audio_codec != NULL, ==, material->audio != NULL);
    if (material->video != NULL)
        g_assert_cmpfloat_with_epsilon(media->pictures->len / (double)FPS, seconds, 0.05);
    if (material->audio != NULL)
        g_assert_cmpfloat_with_epsilon(media->sound->len / 48000.0, seconds, 0.05);
}

/* The index is in front of the data, and there are no fragments. */
static void assert_fast_start(const char *path)
{
    g_autofree char *data = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    const char *index = memmem(data, size, "moov", 4);
    const char *media = memmem(data, size, "mdat", 4);
    g_assert_nonnull(index);
    g_assert_nonnull(media);
    g_assert_true(index < media);
    g_assert_null(memmem(data, size, "moof", 4));
}

static void test_complete(gconstpointer data)
{
    const Material *material = data;
    g_autoptr(Recording) recording = recording_new(material, 3);
    open_recording(recording, material->format);
    push_until(recording, G_MAXINT64);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    g_assert_cmpuint(count_files(recording), ==, 1);
    g_autoptr(FixtureMedia) media = fixture_decode(recording->path);
    assert_media(media, material, 3);
    g_assert_cmpfloat_with_epsilon(media->duration_s, 3, 0.05);
    if (material->format == EG_FORMAT_MP4 && !material->is_fragmented)
        assert_fast_start(recording->path);

    EgSinkStats stats;
    GStatBuf status;
    eg_sink_get_stats(recording->base.sink, &stats);
    g_stat(recording->path, &status);
    g_assert_cmpuint(stats.size_bytes, ==, (guint64)status.st_size);
    g_assert_cmpfloat_with_epsilon((double)stats.duration_ns / 1e9, 3, 0.001);
}

/* What is left to push, later by `shift_ns`. */
static void push_later(Recording *recording, gint64 shift_ns)
{
    for (guint media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
        const GPtrArray *samples = recording->base.samples[media];
        for (guint i = recording->pushed[media]; samples != NULL && i < samples->len; i++)
            push_frame(recording, (EgMedia)media, i, shift_ns);
    }
}

static void check_gap(const Material *material, bool is_written_before)
{
    g_autoptr(Recording) recording = recording_new(material, 2);
    open_recording(recording, material->format);
    push_until(recording, EG_NS_PER_S);
    if (is_written_before)
        wait_for_growth(recording, 0);
    push_later(recording, 20 * EG_NS_PER_S);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    g_autoptr(FixtureMedia) media = fixture_decode(recording->path);
    g_assert_nonnull(media);
    g_assert_cmpfloat_with_epsilon(media->duration_s, 22, 0.1);
    if (material->video != NULL) {
        g_assert_cmpuint(media->pictures->len, ==, 2 * FPS);
        for (guint i = 0; i < media->pictures->len; i++) {
            const FixturePicture *picture = &g_array_index(media->pictures, FixturePicture, i);
            double expected_s = (double)time_of(EG_MEDIA_VIDEO, i) / 1e9 + (i >= FPS ? 20 : 0);
            g_assert_cmpfloat_with_epsilon((double)picture->pts_ns / 1e9, expected_s, 0.002);
        }
    }
    if (material->audio != NULL) {
        /* Silence was put in: whoever counts samples is right, too. */
        g_assert_cmpfloat_with_epsilon(media->sound->len / 48000.0, 22, 0.1);
        g_assert_cmpfloat(media->largest_hole_s, <, 0.021);
    }
}

/* One kind says nothing for a long time: neither is held up, and both are at their time. */
static void test_gap(gconstpointer data)
{
    check_gap(data, false);
}

/* What comes after the gap begins another fragment, as in real time. */
static void test_gap_between_fragments(gconstpointer data)
{
    check_gap(data, true);
}

static void write_frames(EgMuxer *muxer, const Recording *recording, EgMedia media, gint64 shift_ns)
{
    const GPtrArray *samples = recording->base.samples[media];
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < samples->len; i++) {
        g_autoptr(GstBuffer) frame =
            gst_buffer_copy(gst_sample_get_buffer(g_ptr_array_index(samples, i)));
        gint64 pts_ns = time_of(media, i) + shift_ns;
        eg_frame_set_times(frame, pts_ns, pts_ns);
        GST_BUFFER_DURATION(frame) = (GstClockTime)(time_of(media, i + 1) - time_of(media, i));
        eg_muxer_write(muxer, media, frame, &error);
        g_assert_no_error(error);
    }
}

/* One kind comes when there is a part of the file already, which knows nothing of its beginning. */
static void test_late_kind(gconstpointer data)
{
    EgMedia late = GPOINTER_TO_INT(data);
    EgMedia first = late == EG_MEDIA_AUDIO ? EG_MEDIA_VIDEO : EG_MEDIA_AUDIO;
    g_autoptr(Recording) recording = recording_new(&materials[0], 1);
    g_autoptr(GError) error = NULL;
    g_autoptr(EgMuxer) muxer = eg_muxer_new(
        recording->path, EG_FORMAT_MP4, sink_fixture_caps(&recording->base, EG_MEDIA_AUDIO),
        sink_fixture_caps(&recording->base, EG_MEDIA_VIDEO), &error);
    g_assert_no_error(error);
    write_frames(muxer, recording, first, 0);
    g_assert_true(eg_muxer_flush(muxer, NULL));
    write_frames(muxer, recording, late, 15 * EG_NS_PER_S);
    g_assert_true(eg_muxer_flush(muxer, NULL));
    g_assert_true(eg_muxer_finish(muxer, NULL));
    g_autoptr(FixtureMedia) media = fixture_decode(recording->path);
    g_assert_cmpuint(media->pictures->len, ==, FPS);
    const FixturePicture *picture = &g_array_index(media->pictures, FixturePicture, 0);
    double pictures_s = (double)picture->pts_ns / 1e9;
    double sound_s = (double)media->sound_start_ns / 1e9;
    g_assert_cmpfloat_with_epsilon(pictures_s, late == EG_MEDIA_VIDEO ? 15 : 0, 0.002);
    g_assert_cmpfloat_with_epsilon(sound_s, late == EG_MEDIA_AUDIO ? 15 : 0, 0.03);
}

/* Records in real time into `folder`, says so after 2.5 s, and goes on until it is killed. */
static int record_for_ever(const Material *material, const char *folder)
{
    g_autoptr(Recording) recording = recording_new(material, 8);
    g_autofree char *name = g_strconcat("out", eg_format_info(material->format)->extension, NULL);
    g_free(recording->path);
    recording->path = g_build_filename(folder, name, NULL);
    fixture_remove_folder(recording->base.folder);
    open_recording(recording, material->format);
    for (guint ms = 0; ms < 2500; ms += 20) {
        push_until(recording, (gint64)ms * EG_NS_PER_MS);
        g_usleep(20000);
    }
    if (write(STDOUT_FILENO, "x", 1) != 1)
        return 1;
    for (;;)
        pause();
}

/* The process dies between two frames: what was pushed a second before is there. */
static void test_kill(gconstpointer data)
{
    const Material *material = data;
    g_autofree char *folder = fixture_make_folder();
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) child =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "/proc/self/exe", "--record",
                         material->name, folder, NULL);
    g_assert_no_error(error);
    char byte;
    GInputStream *output = g_subprocess_get_stdout_pipe(child);
    g_assert_cmpint(g_input_stream_read(output, &byte, 1, NULL, NULL), ==, 1);
    g_subprocess_force_exit(child);
    g_assert_true(g_subprocess_wait(child, NULL, NULL));

    g_autofree char *name =
        g_strconcat("out.recording", eg_format_info(material->format)->extension, NULL);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_autoptr(FixtureMedia) media = fixture_decode(path);
    g_assert_nonnull(media);
    if (material->video != NULL)
        g_assert_cmpuint(media->pictures->len, >=, 45);
    if (material->audio != NULL)
        g_assert_cmpuint(media->sound->len, >=, 72000);
    g_test_message("%u pictures, %.2f s of sound", media->pictures->len,
                   media->sound->len / 48000.0);
    fixture_remove_folder(folder);
}

/* Half a second after the other, each of them a fragment. */
static void push_in_fragments(Recording *recording, guint seconds)
{
    for (guint ms = 500; ms <= seconds * 1000; ms += 500) {
        guint64 before = size_of(recording);
        push_until(recording, (gint64)ms * EG_NS_PER_MS);
        wait_for_growth(recording, before);
    }
}

/* What is said to stay as it is while a file grows is in the finished one. */
static void test_growth(gconstpointer data)
{
    const Material *material = data;
    g_autoptr(Recording) recording = recording_new(material, 4);
    open_recording(recording, material->format);
    push_in_fragments(recording, 3);
    push_until(recording, G_MAXINT64);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    g_autofree char *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(recording->path, &bytes, &size, NULL));
    bool is_copied = material->format == EG_FORMAT_MP4 && !material->is_fragmented;
    g_assert_cmpuint(recording->growths->len, >=, is_copied ? 0 : 5);
    g_assert_true(!is_copied || recording->growths->len == 0);
    for (guint i = 0; i < recording->growths->len; i++) {
        const Growth *growth = recording->growths->pdata[i];
        g_assert_cmpuint(growth->from, ==, ((Growth *)recording->growths->pdata[0])->from);
        g_assert_cmpuint(growth->from + growth->size, <=, size);
        g_assert_true(growth->size == 0 ||
                      memcmp(bytes + growth->from, growth->bytes, growth->size) == 0);
    }
}

/* Of the first `size` bytes of a file; returns how many pictures or packets of sound there are,
 * which must not be fewer than `last`. */
static guint assert_recovers(const Recording *recording, const Material *material,
                             const char *bytes, gsize size, guint last)
{
    g_autofree char *cut = sibling(recording, "cut");
    g_autofree char *recovered = sibling(recording, "recovered");
    g_assert_true(g_file_set_contents(cut, bytes, (gssize)size, NULL));
    g_autoptr(GError) error = NULL;
    eg_file_recover(cut, recovered, material->format, NULL, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(FixtureMedia) media = fixture_decode(recovered);
    g_assert_nonnull(media);
    guint units = material->video != NULL ? media->pictures->len : media->sound->len / 960;
    g_assert_cmpuint(units, >, 30);
    g_assert_cmpuint(units + 1, >=, last);
    return units;
}

/* A file that ends anywhere can be recovered: what was before the cut is there. */
static void test_cut(gconstpointer data)
{
    const Material *material = data;
    g_autoptr(Recording) recording = recording_new(material, 4);
    open_recording(recording, material->format);
    push_in_fragments(recording, 4);
    g_autofree char *name =
        g_strconcat("out.recording", eg_format_info(material->format)->extension, NULL);
    g_autofree char *unfinished = sibling(recording, name);
    g_clear_pointer(&recording->base.sink, eg_sink_free);
    g_autofree char *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(unfinished, &bytes, &size, NULL));

    /* At some places, and within the head of the last fragment. */
    guint last = 0;
    for (gsize at = size / 2; at < size; at += size / 14)
        last = assert_recovers(recording, material, bytes, at, last);
    const char *head = bytes + size / 2;
    while (head != NULL && (head = memmem(head, size - (gsize)(head - bytes), "moof", 4)) != NULL)
        assert_recovers(recording, material, bytes, (gsize)(head++ - bytes) + 20, 0);
    g_assert_cmpuint(last, >, material->video != NULL ? 3 * FPS : 150);
}

/* Freed without an end: everything is there, under the unfinished name, and the next recording to
 * the same place makes a file of it. */
static void test_leftover(gconstpointer data)
{
    const Material *material = data;
    const char *extension = eg_format_info(material->format)->extension;
    g_autoptr(Recording) recording = recording_new(material, 3);
    for (guint round = 1; round <= 3; round++) {
        open_recording(recording, material->format);
        memset(recording->pushed, 0, sizeof recording->pushed);
        push_until(recording, round * EG_NS_PER_S);
        if (round < 3)
            g_clear_pointer(&recording->base.sink, eg_sink_free);
    }
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    /* Until all are recovered. */
    while (fixture_count_files(recording->base.folder, ".recording") > 0 ||
           fixture_count_files(recording->base.folder, ".finishing") > 0)
        g_usleep(1000);

    const char *const names[] = {"out-recovered", "out-recovered-2", "out"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *name = g_strconcat(names[i], extension, NULL);
        g_autofree char *path = sibling(recording, name);
        g_autoptr(FixtureMedia) media = fixture_decode(path);
        assert_media(media, material, i + 1);
    }
}

/* A file whose pictures are larger than what a reader takes at once. */
static char *make_large(const char *folder, const char *muxer)
{
    g_autofree char *pipeline = g_strdup_printf(
        "videotestsrc pattern=snow num-buffers=10 ! video/x-raw,width=640,height=480 ! "
        "x264enc pass=quant quantizer=1 ! %s streamable=true ! appsink name=out",
        muxer);
    g_autoptr(GPtrArray) samples = fixture_samples(pipeline);
    char *path = g_build_filename(folder, "large", NULL);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    for (guint i = 0; i < samples->len; i++) {
        GstMapInfo map;
        GstBuffer *buffer = gst_sample_get_buffer(g_ptr_array_index(samples, i));
        g_assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
        g_byte_array_append(bytes, map.data, (guint)map.size);
        gst_buffer_unmap(buffer, &map);
    }
    g_assert_true(g_file_set_contents(path, (char *)bytes->data, (gssize)bytes->len, NULL));
    g_assert_cmpuint(bytes->len, >, 10 * 64 * 1024);
    return path;
}

/* What was read before somebody wanted it to end is not taken for all that there is. */
static void test_canceled(void)
{
    g_autofree char *folder = fixture_make_folder();
    g_autofree char *from = make_large(folder, "matroskamux");
    g_autofree char *to = g_build_filename(folder, "out.mkv", NULL);
    g_autoptr(GError) error = NULL;
    gint progress = 0; /* one that has begun is canceled */
    g_assert_false(eg_remux(from, to, EG_FORMAT_MKV, NULL, &progress, &progress, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_CANCELED);
    g_assert_cmpint(progress, <=,
                    2); /* each picture counts, and each piece that is written of it */
    g_assert_false(g_file_test(to, G_FILE_TEST_EXISTS));

    g_clear_error(&error);
    gint is_canceled = 0;
    g_assert_true(eg_remux(from, to, EG_FORMAT_MKV, NULL, &progress, &is_canceled, &error));
    g_assert_no_error(error);
    g_autoptr(FixtureMedia) media = fixture_decode(to);
    g_assert_cmpuint(media->pictures->len, ==, 10);
    fixture_remove_folder(folder);
}

/* The index of an MP4 is moved to its front when all is copied, which takes as long again: that
 * something moves is seen then, too. */
static void test_progress(void)
{
    static const EgFormat formats[] = {EG_FORMAT_MKV, EG_FORMAT_MP4};
    g_autofree char *folder = fixture_make_folder();
    g_autofree char *from = make_large(folder, "mp4mux fragment-duration=100");
    gint progress[G_N_ELEMENTS(formats)] = {0};
    GStatBuf status;
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *to = g_build_filename(folder, "out", NULL);
        eg_remux(from, to, formats[i], NULL, &progress[i], NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpint(g_stat(to, &status), ==, 0);
    }
    g_assert_cmpint(progress[1] - progress[0], >=, (gint)(status.st_size / (64 * 1024)));
    fixture_remove_folder(folder);
}

/* What is no MP4 from its beginning on is nothing of ours, and is not mended. */
static void test_foreign(void)
{
    g_autofree char *folder = fixture_make_folder();
    g_autofree char *from = make_large(folder, "matroskamux");
    g_autofree char *to = g_build_filename(folder, "out.mp4", NULL);
    GStatBuf before;
    GStatBuf after;
    g_assert_cmpint(g_stat(from, &before), ==, 0);
    g_assert_true(eg_remux(from, to, EG_FORMAT_MP4, NULL, NULL, NULL, NULL));
    g_assert_cmpint(g_stat(from, &after), ==, 0);
    g_assert_cmpint(after.st_size, ==, before.st_size);
    fixture_remove_folder(folder);
}

static void test_empty(void)
{
    g_autoptr(Recording) recording = recording_new(&materials[0], 1);
    open_recording(recording, EG_FORMAT_MP4);
    sink_fixture_drain(&recording->base);
    g_assert_error(recording->base.error, EG_ERROR, EG_ERROR_FAILED_PRECONDITION);
    g_clear_pointer(&recording->base.sink, eg_sink_free);
    g_assert_cmpuint(count_files(recording), ==, 0);
}

static void test_two_at_once(void)
{
    g_autoptr(Recording) recording = recording_new(&materials[0], 1);
    open_recording(recording, EG_FORMAT_MP4);
    push_until(recording, G_MAXINT64);
    wait_for_growth(recording, 0);
    g_autoptr(GError) error = NULL;
    EgSink *second = open_sink(recording, recording->path, EG_FORMAT_MP4, &error);
    g_assert_null(second);
    g_assert_error(error, EG_ERROR, EG_ERROR_ALREADY_EXISTS);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
}

static void assert_refused(Recording *recording, const char *path, EgErrorCode code, EgBlame blame)
{
    g_autoptr(GError) error = NULL;
    EgSink *sink = open_sink(recording, path, EG_FORMAT_MP4, &error);
    g_assert_null(sink);
    g_assert_error(error, EG_ERROR, (int)code);
    g_assert_cmpint(eg_error_blame(error), ==, blame);
    g_test_message("%s", error->message);
}

static void test_destination(void)
{
    g_autoptr(Recording) recording = recording_new(&materials[0], 1);
    assert_refused(recording, recording->base.folder, EG_ERROR_ALREADY_EXISTS,
                   EG_BLAME_DESTINATION);
    g_autofree char *slash = g_strconcat(recording->base.folder, "/", NULL);
    assert_refused(recording, slash, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST);
    assert_refused(recording, "", EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST);
    g_autofree char *many = g_strnfill(250, 'x');
    g_autofree char *too_long = sibling(recording, many);
    assert_refused(recording, too_long, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_DESTINATION);
    assert_refused(recording, "/proc/out.mp4", EG_ERROR_NOT_FOUND, EG_BLAME_DESTINATION);
    g_autofree char *file = sibling(recording, "file");
    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
    g_autofree char *below = g_build_filename(file, "out.mp4", NULL);
    assert_refused(recording, below, EG_ERROR_NOT_FOUND, EG_BLAME_DESTINATION);
    g_assert_cmpuint(count_files(recording), ==, 1);

    /* Folders are made. */
    g_autofree char *deep = sibling(recording, "a/b/c/out.mp4");
    g_autoptr(GError) error = NULL;
    recording->base.sink = open_sink(recording, deep, EG_FORMAT_MP4, &error);
    g_assert_no_error(error);
    push_until(recording, G_MAXINT64);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    g_assert_true(g_file_test(deep, G_FILE_TEST_IS_REGULAR));
}

/* No byte beyond the limit can be written: like a full disk, without being root. */
static void limit_file_size(guint64 bytes)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

static void test_full_while_recording(gconstpointer data)
{
    const Material *material = data;
    g_autoptr(Recording) recording = recording_new(material, 6);
    open_recording(recording, material->format);
    limit_file_size(material->format == EG_FORMAT_WAV ? 300000 : 30000);
    /* Fragment after fragment. */
    for (guint ms = 500; ms <= 6000 && !recording->base.has_ended; ms += 250) {
        push_until(recording, (gint64)ms * EG_NS_PER_MS);
        wait_for_growth(recording, size_of(recording));
    }
    limit_file_size(RLIM_INFINITY);
    g_assert_error(recording->base.error, EG_ERROR, EG_ERROR_RESOURCE_EXHAUSTED);
    g_assert_cmpint(eg_error_blame(recording->base.error), ==, EG_BLAME_DESTINATION);
    g_test_message("%s", recording->base.error->message);
    g_clear_pointer(&recording->base.sink, eg_sink_free);

    g_autofree char *name =
        g_strconcat("out.recording", eg_format_info(material->format)->extension, NULL);
    g_autofree char *unfinished = sibling(recording, name);
    g_assert_nonnull(strstr(recording->base.error->message, unfinished));
    g_autoptr(FixtureMedia) media = fixture_decode(unfinished);
    g_assert_nonnull(media);
    g_assert_cmpuint(media->pictures->len + media->sound->len, >, FPS / 2);
    g_assert_cmpuint(count_files(recording), ==, 1);
}

static void test_full_at_end(void)
{
    g_autoptr(Recording) recording = recording_new(&materials[0], 3);
    open_recording(recording, EG_FORMAT_MP4);
    push_until(recording, G_MAXINT64);
    guint64 size_bytes = wait_for_growth(recording, 0);
    limit_file_size(size_bytes / 2);
    sink_fixture_drain(&recording->base);
    limit_file_size(RLIM_INFINITY);
    g_assert_error(recording->base.error, EG_ERROR, EG_ERROR_RESOURCE_EXHAUSTED);
    g_test_message("%s", recording->base.error->message);
    g_autofree char *unfinished = sibling(recording, "out.recording.mp4");
    g_autoptr(FixtureMedia) media = fixture_decode(unfinished);
    assert_media(media, &materials[0], 3);
    g_assert_cmpuint(count_files(recording), ==, 1);
}

static guint resident_kb(void)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
    return (guint)g_ascii_strtoull(strstr(text, "VmRSS:") + 6, NULL, 10);
}

/* AddressSanitizer keeps what was freed, up to 256 MB of it. */
#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX_KB 300000
#else
#define GROWTH_MAX_KB 1000
#endif

/* Eight minutes of a file cost no more memory than one. */
static void test_memory(void)
{
    g_autoptr(Recording) recording = recording_new(&materials[0], 2);
    open_recording(recording, EG_FORMAT_MP4);
    guint early_kb = 0;
    for (guint round = 0; round < 240; round++) {
        gint64 shift_ns = round * 2 * EG_NS_PER_S;
        for (guint media = EG_MEDIA_AUDIO; media < EG_N_MEDIA; media++) {
            for (guint i = 0; i < (media == EG_MEDIA_VIDEO ? 2 * FPS : 100); i++)
                push_frame(recording, (EgMedia)media, i, shift_ns);
        }
        if (round % 8 == 7)
            wait_for_growth(recording, size_of(recording));
        if (round == 31)
            early_kb = resident_kb();
    }
    g_assert_cmpint((int)(resident_kb() - early_kb), <, GROWTH_MAX_KB);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
}

static const Material *find_material(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(materials); i++) {
        if (g_str_equal(materials[i].name, name))
            return &materials[i];
    }
    return NULL;
}

static void add_test(const Material *material, const char *name, GTestDataFunc func)
{
    g_autofree char *path = g_strdup_printf("/file-sink/%s/%s", material->name, name);
    g_test_add_data_func(path, material, func);
}

int main(int argc, char **argv)
{
    if (argc == 4 && g_str_equal(argv[1], "--record"))
        return record_for_ever(find_material(argv[2]), argv[3]);
    g_test_init(&argc, &argv, NULL);
    eg_log_setup(EG_LOG_ERROR, false);
    for (gsize i = 0; i < G_N_ELEMENTS(materials); i++) {
        add_test(&materials[i], "complete", test_complete);
        add_test(&materials[i], "growth", test_growth);
        /* What is encoded has none, and WAV no times. */
        if (materials[i].format != EG_FORMAT_WAV)
            add_test(&materials[i], "gap", test_gap);
        if (materials[i].format != EG_FORMAT_WAV)
            add_test(&materials[i], "gap-between-fragments", test_gap_between_fragments);
        if (!materials[i].is_thorough)
            continue;
        add_test(&materials[i], "kill", test_kill);
        add_test(&materials[i], "cut", test_cut);
        add_test(&materials[i], "leftover", test_leftover);
        add_test(&materials[i], "full", test_full_while_recording);
    }
    add_test(&mp3, "growth", test_growth);
    g_test_add_data_func("/file-sink/late-sound", GINT_TO_POINTER(EG_MEDIA_AUDIO), test_late_kind);
    g_test_add_data_func("/file-sink/late-pictures", GINT_TO_POINTER(EG_MEDIA_VIDEO),
                         test_late_kind);
    g_test_add_func("/file-sink/canceled", test_canceled);
    g_test_add_func("/file-sink/progress", test_progress);
    g_test_add_func("/file-sink/foreign", test_foreign);
    g_test_add_func("/file-sink/empty", test_empty);
    g_test_add_func("/file-sink/two-at-once", test_two_at_once);
    g_test_add_func("/file-sink/destination", test_destination);
    g_test_add_func("/file-sink/full-at-end", test_full_at_end);
    g_test_add_func("/file-sink/memory", test_memory);
    return g_test_run();
}
