/* Segments of real frames: cut where they are meant to be, complete, and told in playlists. */
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

#define FPS     30
#define RATE_HZ 48000

#define WALL_NS (G_GINT64_CONSTANT(1795969800) * EG_NS_PER_S)

/* With B pictures, so that the order of decoding is another one. */
#define VIDEO(pictures, size, key)                                                                       \
    "videotestsrc pattern=ball num-buffers=" pictures " ! video/x-raw,format=I420," size                 \
    ",framerate=30/1 ! x264enc speed-preset=ultrafast bframes=2 bitrate=300 key-int-max=" key            \
    " option-string=scenecut=0:open-gop=0 ! video/x-h264,profile=main ! h264parse config-interval=-1 ! " \
    "video/x-h264,stream-format=avc,alignment=au ! appsink name=out"
#define SMALL_SIZE "width=160,height=120"
#define AUDIO(blocks)                                                                              \
    "audiotestsrc num-buffers=" blocks " samplesperbuffer=1024 ! "                                 \
    "audio/x-raw,rate=48000,channels=2 ! avenc_aac ! appsink name=out"

typedef struct {
    SinkFixture base;
    char *playlist;
    char *live;
    char *prefix;
} Recording;

static Recording *recording_new(const char *video, const char *audio)
{
    Recording *recording = g_new0(Recording, 1);
    sink_fixture_set_up(&recording->base);
    recording->playlist = g_build_filename(recording->base.folder, "list.m3u8", NULL);
    recording->live = g_build_filename(recording->base.folder, "live.m3u8", NULL);
    recording->prefix = g_build_filename(recording->base.folder, "seg_", NULL);
    if (video != NULL)
        recording->base.samples[EG_MEDIA_VIDEO] = fixture_samples(video);
    if (audio != NULL)
        recording->base.samples[EG_MEDIA_AUDIO] = fixture_samples(audio);
    return recording;
}

static void recording_free(Recording *recording)
{
    sink_fixture_tear_down(&recording->base);
    g_free(recording->playlist);
    g_free(recording->live);
    g_free(recording->prefix);
    g_free(recording);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Recording, recording_free)

static EgSinkParams params_of(const Recording *recording, gint64 duration_ns)
{
    return (EgSinkParams){
        .format = EG_FORMAT_TS,
        .series = {.prefix = recording->prefix,      .ending = ".ts", .suffix = EG_SUFFIX_INDEX},
        .origin_wall_ns = WALL_NS,
        .segments = { .playlist = recording->playlist,
                   .live_playlist = recording->live,
                   .live_segments = 3,
                   .duration_ns = duration_ns},
        .audio = sink_fixture_caps(&recording->base, EG_MEDIA_AUDIO),
        .video = sink_fixture_caps(&recording->base, EG_MEDIA_VIDEO),
    };
}

static bool open_recording(Recording *recording, gint64 duration_ns, GError **error)
{
    const EgSinkParams params = params_of(recording, duration_ns);
    recording->base.sink = eg_sink_new(EG_SINK_SEGMENTS, recording->base.loop, &params,
                                       &sink_fixture_events, recording, error);
    return recording->base.sink != NULL;
}

static void open_good(Recording *recording, gint64 duration_ns)
{
    g_autoptr(GError) error = NULL;
    open_recording(recording, duration_ns, &error);
    g_assert_no_error(error);
}

/* The i-th frame with the times that its encoder has given it, but later by `shift_ns`. */
static void push_frame(Recording *recording, EgMedia media, guint i, gint64 shift_ns)
{
    GstSample *sample = g_ptr_array_index(recording->base.samples[media], i);
    GstBuffer *frame = gst_buffer_copy(gst_sample_get_buffer(sample));
    const GstSegment *segment = gst_sample_get_segment(sample);
    gint64 origin_ns = (gint64)segment->start;
    gint64 pts_ns = (gint64)GST_BUFFER_PTS(frame) - origin_ns;
    gint64 dts_ns = pts_ns;
    if (GST_BUFFER_DTS_IS_VALID(frame))
        dts_ns = (gint64)GST_BUFFER_DTS(frame) - origin_ns;
    eg_frame_set_times(frame, pts_ns + shift_ns, dts_ns + shift_ns);
    eg_sink_push(recording->base.sink, media, frame);
}

/* Sound far ahead of the pictures, as encoders put them out. */
static void push_all(Recording *recording)
{
    guint n_audio = recording->base.samples[EG_MEDIA_AUDIO]->len;
    guint n_video = recording->base.samples[EG_MEDIA_VIDEO]->len;
    guint audio = 0;
    for (guint video = 0; video < n_video; video++) {
        for (; audio < n_audio && audio < 40 + video * 47 / FPS; audio++)
            push_frame(recording, EG_MEDIA_AUDIO, audio, 0);
        push_frame(recording, EG_MEDIA_VIDEO, video, 0);
    }
    for (; audio < n_audio; audio++)
        push_frame(recording, EG_MEDIA_AUDIO, audio, 0);
}

/* What a playlist says of a segment. */
typedef struct {
    char *path;
    double duration_s;
    bool is_discontinuous;
} Segment;

static void clear_segment(gpointer data)
{
    g_free(((Segment *)data)->path);
}

static GArray *read_playlist(const Recording *recording, const char *path, bool is_ended)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_test_message("%s", text);
    g_assert_cmpint(g_str_has_suffix(text, "#EXT-X-ENDLIST\n"), ==, is_ended);
    GArray *segments = g_array_new(FALSE, TRUE, sizeof(Segment));
    g_array_set_clear_func(segments, clear_segment);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Segment segment = {0};
    for (char **line = lines; *line != NULL; line++) {
        segment.is_discontinuous |= strcmp(*line, "#EXT-X-DISCONTINUITY") == 0;
        if (g_str_has_prefix(*line, "#EXTINF:"))
            segment.duration_s = g_ascii_strtod(*line + strlen("#EXTINF:"), NULL);
        if (**line == '\0' || **line == '#')
            continue;
        segment.path = g_build_filename(recording->base.folder, *line, NULL);
        g_array_append_val(segments, segment);
        segment = (Segment){0};
    }
    return segments;
}

static FixtureMedia *decode(const GArray *segments, guint i)
{
    FixtureMedia *media = fixture_decode(g_array_index(segments, Segment, i).path);
    g_assert_nonnull(media);
    g_assert_cmpuint(media->errors, ==, 0);
    return media;
}

static char *join(const Recording *recording, const GArray *segments)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    for (guint i = 0; i < segments->len; i++) {
        g_autofree char *bytes = NULL;
        gsize size = 0;
        g_assert_true(
            g_file_get_contents(g_array_index(segments, Segment, i).path, &bytes, &size, NULL));
        g_byte_array_append(all, (const guint8 *)bytes, (guint)size);
    }
    char *path = g_build_filename(recording->base.folder, "joined.ts", NULL);
    g_assert_true(g_file_set_contents(path, (const char *)all->data, (gssize)all->len, NULL));
    return path;
}

/* Key frames each second, segments of two: each can be played alone, and all of them are the
 * whole. */
static void test_cut(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("225", SMALL_SIZE, "30"), AUDIO("352"));
    open_good(recording, 2 * EG_NS_PER_S);
    push_all(recording);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);

    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
    g_assert_cmpuint(segments->len, ==, 4);
    gint64 last_start_ns = 0;
    for (guint i = 0; i < segments->len; i++) {
        g_autoptr(FixtureMedia) media = decode(segments, i);
        const FixturePicture *first = &g_array_index(media->pictures, FixturePicture, 0);
        double expected_s = i < 3 ? 2 : 1.5;
        g_assert_true(first->is_key);
        g_assert_cmpuint(media->pictures->len, ==, (guint)(expected_s * FPS));
        /* The last block of sound ends after the last picture. */
        g_assert_cmpfloat_with_epsilon(g_array_index(segments, Segment, i).duration_s, expected_s,
                                       i < 3 ? 0.0001 : 0.04);
        /* Sound begins with the pictures: its first block is the first that begins within. */
        g_assert_cmpfloat((double)(media->sound_start_ns - first->pts_ns) / 1e9, <, 0.022);
        g_assert_cmpfloat((double)(media->sound_start_ns - first->pts_ns) / 1e9, >, -0.045);
        if (i > 0)
            g_assert_cmpint(ABS(first->pts_ns - last_start_ns - 2 * EG_NS_PER_S), <, EG_NS_PER_MS);
        last_start_ns = first->pts_ns;
    }
    g_autofree char *joined = join(recording, segments);
    g_autoptr(FixtureMedia) whole = fixture_decode(joined);
    g_assert_cmpuint(whole->errors, ==, 0);
    g_assert_cmpuint(whole->pictures->len, ==, 225);
    g_assert_cmpfloat(whole->largest_hole_s, <, 0.001);

    g_autoptr(GArray) live = read_playlist(recording, recording->live, true);
    g_assert_cmpuint(live->len, ==, 3);
    g_assert_cmpstr(g_array_index(live, Segment, 0).path, ==,
                    g_array_index(segments, Segment, 1).path);

    EgSinkStats stats;
    eg_sink_get_stats(recording->base.sink, &stats);
    g_assert_cmpuint(stats.n_files, ==, 4);
    g_assert_cmpfloat_with_epsilon((double)stats.duration_ns / 1e9, 7.5, 0.04);
    guint64 size_bytes = 0;
    for (guint i = 0; i < segments->len; i++) {
        GStatBuf status;
        g_assert_cmpint(g_stat(g_array_index(segments, Segment, i).path, &status), ==, 0);
        size_bytes += (guint64)status.st_size;
    }
    g_assert_cmpuint(stats.size_bytes, ==, size_bytes);
    g_assert_cmpuint(fixture_count_files(recording->base.folder, ".recording"), ==, 0);
}

static void test_sound_alone(void)
{
    g_autoptr(Recording) recording = recording_new(NULL, AUDIO("235"));
    open_good(recording, 2 * EG_NS_PER_S);
    for (guint i = 0; i < recording->base.samples[EG_MEDIA_AUDIO]->len; i++)
        push_frame(recording, EG_MEDIA_AUDIO, i, 0);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
    g_assert_cmpuint(segments->len, ==, 3);
    for (guint i = 0; i < segments->len; i++) {
        g_autoptr(FixtureMedia) media = decode(segments, i);
        g_assert_cmpstr(media->audio_codec, ==, "aac");
        double duration_s = g_array_index(segments, Segment, i).duration_s;
        g_assert_cmpfloat_with_epsilon(duration_s, i < 2 ? 2 : 1.03, 0.03);
    }
    g_autofree char *joined = join(recording, segments);
    g_autoptr(FixtureMedia) whole = fixture_decode(joined);
    g_assert_cmpfloat(whole->largest_hole_s, <, 0.001);
    g_assert_cmpfloat_with_epsilon(whole->sound->len / (double)RATE_HZ, 235 * 1024.0 / RATE_HZ,
                                   0.05);
}

/* Key frames as they like, every five seconds: longer segments, and a target that says so. */
static void test_sparse_key_frames(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("400", SMALL_SIZE, "150"), NULL);
    open_good(recording, 2 * EG_NS_PER_S);
    for (guint i = 0; i < recording->base.samples[EG_MEDIA_VIDEO]->len; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, 0);
    sink_fixture_drain(&recording->base);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(recording->playlist, &text, NULL, NULL));
    g_assert_nonnull(strstr(text, "#EXT-X-TARGETDURATION:5\n"));
    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
    g_assert_cmpuint(segments->len, ==, 3);
    for (guint i = 0; i < segments->len; i++) {
        g_autoptr(FixtureMedia) media = decode(segments, i);
        g_assert_true(g_array_index(media->pictures, FixturePicture, 0).is_key);
    }
}

/* A camera that was off for ten seconds: the segment ends where it went off, and the next one does
 * not go on there. */
static void test_hole(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("120", SMALL_SIZE, "30"), NULL);
    open_good(recording, 4 * EG_NS_PER_S);
    for (guint i = 0; i < recording->base.samples[EG_MEDIA_VIDEO]->len; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, i < 60 ? 0 : 10 * EG_NS_PER_S);
    sink_fixture_drain(&recording->base);
    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
    g_assert_cmpuint(segments->len, ==, 2);
    g_assert_false(g_array_index(segments, Segment, 0).is_discontinuous);
    g_assert_true(g_array_index(segments, Segment, 1).is_discontinuous);
    for (guint i = 0; i < segments->len; i++) {
        g_autoptr(FixtureMedia) media = decode(segments, i);
        g_assert_cmpuint(media->pictures->len, ==, 60);
        g_assert_cmpfloat_with_epsilon(g_array_index(segments, Segment, i).duration_s, 2, 0.001);
    }
}

/* Another size of the pictures begins another segment. */
static void test_new_size(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("45", SMALL_SIZE, "30"), NULL);
    g_autoptr(Recording) other = recording_new(VIDEO("45", "width=320,height=240", "30"), NULL);
    open_good(recording, 4 * EG_NS_PER_S);
    for (guint i = 0; i < 45; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, 0);
    g_ptr_array_extend_and_steal(recording->base.samples[EG_MEDIA_VIDEO],
                                 g_steal_pointer(&other->base.samples[EG_MEDIA_VIDEO]));
    for (guint i = 45; i < 90; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, 1500 * EG_NS_PER_MS);
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
    g_assert_cmpuint(segments->len, ==, 2);
    g_assert_true(g_array_index(segments, Segment, 1).is_discontinuous);
    for (guint i = 0; i < segments->len; i++) {
        g_autoptr(FixtureMedia) media = decode(segments, i);
        g_assert_cmpuint(g_array_index(media->pictures, FixturePicture, 0).width, ==,
                         i == 0 ? 160 : 320);
    }
}

static void wait_for_segments(Recording *recording, guint n)
{
    EgSinkStats stats = {0};
    while (stats.n_files < n && !recording->base.has_ended) {
        g_usleep(1000);
        eg_loop_iterate(recording->base.loop, false);
        eg_sink_get_stats(recording->base.sink, &stats);
    }
}

/* The disk is full in the middle of the third. */
static void test_full_disk(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("225", SMALL_SIZE, "30"), AUDIO("352"));
    open_good(recording, 2 * EG_NS_PER_S);
    guint audio = 0;
    guint video = 0;
    for (; video < 150; video++) {
        for (; audio < video * 47 / FPS; audio++)
            push_frame(recording, EG_MEDIA_AUDIO, audio, 0);
        push_frame(recording, EG_MEDIA_VIDEO, video, 0);
    }
    wait_for_segments(recording, 2);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 4000, .rlim_max = RLIM_INFINITY};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    for (; video < 225; video++) {
        for (; audio < video * 47 / FPS; audio++)
            push_frame(recording, EG_MEDIA_AUDIO, audio, 0);
        push_frame(recording, EG_MEDIA_VIDEO, video, 0);
    }
    fixture_run_until(recording->base.loop, &recording->base.has_ended);
    limit.rlim_cur = RLIM_INFINITY;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);

    g_assert_nonnull(recording->base.error);
    g_test_message("%s", recording->base.error->message);
    g_assert_cmpint(eg_error_blame(recording->base.error), ==, EG_BLAME_DESTINATION);
    g_assert_nonnull(strstr(recording->base.error->message, "the 2 segments before are kept"));
    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
    g_assert_cmpuint(segments->len, ==, 2);
    for (guint i = 0; i < segments->len; i++) {
        g_autoptr(FixtureMedia) media = decode(segments, i);
        g_assert_cmpuint(media->pictures->len, ==, 60);
    }
    g_assert_cmpuint(fixture_count_files(recording->base.folder, ".ts"), ==, 2);
}

/* Freed without an end: the playlists are open, and the last segment is there under another name.
 */
static void test_given_up(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("150", SMALL_SIZE, "30"), NULL);
    open_good(recording, 2 * EG_NS_PER_S);
    for (guint i = 0; i < 150; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, 0);
    g_clear_pointer(&recording->base.sink, eg_sink_free);
    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, false);
    g_assert_cmpuint(segments->len, ==, 2);
    g_autofree char *unfinished =
        g_build_filename(recording->base.folder, "seg_00002.recording.ts", NULL);
    g_autoptr(FixtureMedia) media = fixture_decode(unfinished);
    g_assert_nonnull(media);
    g_assert_cmpuint(media->pictures->len, ==, 30);
}

/* What the store has already is not here any more, but is still named; the last one breaks off in
 * the middle of a packet; of the one before, the playlist does not know yet. */
static void test_recovered(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("150", SMALL_SIZE, "30"), NULL);
    open_good(recording, EG_NS_PER_S);
    for (guint i = 0; i < 150; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, 0);
    g_clear_pointer(&recording->base.sink, eg_sink_free);
    g_autofree char *first = g_build_filename(recording->base.folder, "seg_00000.ts", NULL);
    g_assert_cmpint(g_unlink(first), ==, 0);
    g_autofree char *unfinished =
        g_build_filename(recording->base.folder, "seg_00004.recording.ts", NULL);
    GStatBuf status;
    g_assert_cmpint(g_stat(unfinished, &status), ==, 0);
    g_assert_cmpint(truncate(unfinished, status.st_size - 100), ==, 0);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(recording->playlist, &text, NULL, NULL));
    char *last = strstr(text, "#EXT-X-PROGRAM-DATE-TIME:2026-11-29T16:30:03");
    g_assert_nonnull(last);
    *last = '\0';
    g_assert_true(g_file_set_contents(recording->playlist, text, -1, NULL));

    const EgSinkParams params = params_of(recording, EG_NS_PER_S);
    gint is_canceled = 0;
    for (guint again = 0; again < 2; again++) {
        g_auto(EgSinkRemains) remains = {0};
        eg_sink_recover(EG_SINK_SEGMENTS, &params, &is_canceled, &remains);
        g_assert_cmpuint(remains.files->len, ==, 4);
        for (guint i = 0; i < remains.files->len; i++) {
            g_autofree char *name = g_path_get_basename(remains.files->pdata[i]);
            g_autofree char *expected = g_strdup_printf("seg_%05u.ts", i + 1);
            g_assert_cmpstr(name, ==, expected);
        }
        g_assert_cmpuint(remains.replaced->len, ==, 2);
        g_assert_cmpstr(remains.replaced->pdata[0], ==, recording->playlist);
        g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
        g_autoptr(GArray) live = read_playlist(recording, recording->live, true);
        g_assert_cmpuint(segments->len, ==, 5);
        g_assert_cmpuint(live->len, ==, 3);
        g_assert_cmpfloat_with_epsilon(g_array_index(segments, Segment, 3).duration_s, 1, 0.01);
        g_assert_cmpfloat_with_epsilon(g_array_index(segments, Segment, 4).duration_s, 1, 0.1);
    }
    g_assert_false(g_file_test(unfinished, G_FILE_TEST_EXISTS));
}

/* Nothing at all is no error. */
static void test_nothing_left(void)
{
    g_autoptr(Recording) recording = recording_new(NULL, NULL);
    const EgSinkParams params = params_of(recording, EG_NS_PER_S);
    gint is_canceled = 0;
    g_auto(EgSinkRemains) remains = {0};
    eg_sink_recover(EG_SINK_SEGMENTS, &params, &is_canceled, &remains);
    g_assert_cmpuint(remains.files->len + remains.replaced->len, ==, 0);
}

/* Something is where the third should be: it keeps the name that it had while it was written. */
static void test_taken_name(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("150", SMALL_SIZE, "30"), NULL);
    open_good(recording, EG_NS_PER_S);
    g_autofree char *taken = g_build_filename(recording->base.folder, "seg_00002.ts", NULL);
    g_assert_cmpint(g_mkdir(taken, 0755), ==, 0);
    for (guint i = 0; i < 150; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, 0);
    fixture_run_until(recording->base.loop, &recording->base.has_ended);
    g_assert_error(recording->base.error, EG_ERROR, EG_ERROR_ALREADY_EXISTS);
    g_assert_nonnull(strstr(recording->base.error->message, taken));
    g_autoptr(GArray) segments = read_playlist(recording, recording->playlist, true);
    g_assert_cmpuint(segments->len, ==, 2);
    g_autofree char *unnamed =
        g_build_filename(recording->base.folder, "seg_00002.recording.ts", NULL);
    g_autoptr(FixtureMedia) media = fixture_decode(unnamed);
    g_assert_nonnull(media);
    g_assert_cmpuint(media->pictures->len, ==, 30);
}

/* Into the same playlist: the second is refused while the first writes. */
static void test_two_at_once(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("90", SMALL_SIZE, "30"), NULL);
    open_good(recording, EG_NS_PER_S);
    for (guint i = 0; i < 90; i++)
        push_frame(recording, EG_MEDIA_VIDEO, i, 0);
    wait_for_segments(recording, 2);
    g_autofree char *elsewhere = g_build_filename(recording->base.folder, "other.m3u8", NULL);
    const char *const playlists[] = {recording->playlist, elsewhere};
    const char *const taken[] = {recording->playlist, recording->live};
    for (guint i = 0; i < G_N_ELEMENTS(playlists); i++) {
        g_autoptr(GError) error = NULL;
        EgSinkParams params = params_of(recording, EG_NS_PER_S);
        params.segments.playlist = playlists[i];
        g_assert_null(eg_sink_new(EG_SINK_SEGMENTS, recording->base.loop, &params,
                                  &sink_fixture_events, NULL, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_ALREADY_EXISTS);
        g_assert_nonnull(strstr(error->message, taken[i]));
    }
    sink_fixture_drain(&recording->base);
    g_assert_no_error(recording->base.error);
    g_clear_pointer(&recording->base.sink, eg_sink_free);
    recording->base.has_ended = false;
    open_good(recording, EG_NS_PER_S);
}

static void test_empty(void)
{
    g_autoptr(Recording) recording = recording_new(VIDEO("30", SMALL_SIZE, "30"), NULL);
    open_good(recording, 2 * EG_NS_PER_S);
    sink_fixture_drain(&recording->base);
    g_assert_error(recording->base.error, EG_ERROR, EG_ERROR_FAILED_PRECONDITION);
    g_assert_cmpuint(fixture_count_files(recording->base.folder, ""), ==, 0);
}

static void test_nowhere(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Recording) recording = recording_new(VIDEO("30", SMALL_SIZE, "30"), NULL);
    g_assert_cmpint(g_mkdir(recording->playlist, 0755), ==, 0);
    g_assert_false(open_recording(recording, EG_NS_PER_S, &error));
    g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_DESTINATION);
    g_assert_nonnull(strstr(error->message, recording->playlist));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/segments/cut", test_cut);
    g_test_add_func("/segments/sound-alone", test_sound_alone);
    g_test_add_func("/segments/sparse-key-frames", test_sparse_key_frames);
    g_test_add_func("/segments/hole", test_hole);
    g_test_add_func("/segments/new-size", test_new_size);
    g_test_add_func("/segments/full-disk", test_full_disk);
    g_test_add_func("/segments/given-up", test_given_up);
    g_test_add_func("/segments/recovered", test_recovered);
    g_test_add_func("/segments/nothing-left", test_nothing_left);
    g_test_add_func("/segments/taken-name", test_taken_name);
    g_test_add_func("/segments/two-at-once", test_two_at_once);
    g_test_add_func("/segments/empty", test_empty);
    g_test_add_func("/segments/nowhere", test_nowhere);
    return g_test_run();
}
