/* Outputs of many files: what LiveKit's fields become as names, and what is refused. */
#include "plan-text.h"
#include "request/filename.h"

#define SEGMENTS(fields)                                                                           \
    "{'participant':{'roomName':'r','identity':'a','segmentOutputs':[{" fields "}]}}"
#define IMAGES(fields)                                                                             \
    "{'participant':{'roomName':'r','identity':'a','imageOutputs':[{" fields "}]}}"
#define ENCODED(fields)                                                                            \
    "{'participant':{'roomName':'r','identity':'a','advanced':{" fields "},'segmentOutputs':[{}]}}"

static const EgFilenameFacts facts = {
    .room_name = "r",
    .publisher_identity = "a.b",
    .subject = "a.b",
    .wall_ns = G_GINT64_CONSTANT(1700000000) * EG_NS_PER_S,
};

static EgPlan *good_plan(const char *json, const EgConfig *config)
{
    g_autoptr(GError) error = NULL;
    g_test_message("%s", json);
    EgPlan *plan = plan_of_json(json, config, &error);
    g_assert_no_error(error);
    return plan;
}

/* What names of segments begin with, then the playlists, as they are on the disk. */
static char *segment_names(const EgOutput *output)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *prefix = eg_filename_expand_prefix(output->path_template, &facts, &error);
    g_assert_no_error(error);
    g_autofree char *playlist =
        eg_filename_expand_playlist(output->segments.playlist_template, &facts, &error);
    g_assert_no_error(error);
    if (output->segments.live_playlist_template == NULL)
        return g_strdup_printf("%s %s", prefix, playlist);
    g_autofree char *live =
        eg_filename_expand_playlist(output->segments.live_playlist_template, &facts, &error);
    g_assert_no_error(error);
    return g_strdup_printf("%s %s %s", prefix, playlist, live);
}

static void test_segment_names(void)
{
    static const struct {
        const char *fields;
        const char *names;
    } cases[] = {
  // clang-format off
        {"'filenamePrefix':'seg'", "seg_ seg.m3u8"},
        {"'filenamePrefix':'d/seg'", "d/seg_ d/seg.m3u8"},
        {"'filenamePrefix':'/d/e/seg'", "/d/e/seg_ /d/e/seg.m3u8"},
        {"'playlistName':'list.m3u8'", "list_ list.m3u8"},
        {"'playlistName':'d/list.m3u8'", "d/list_ d/list.m3u8"},
        {"'playlistName':'list'", "list_ list.m3u8"},
        {"'playlistName':'list.mp4'", "list_ list.m3u8"},
        {"'playlistName':'v1.2'", "v1_ v1.m3u8"},
        {"'playlistName':'.m3u8','filenamePrefix':'x'", "x_ x.m3u8"},
        {"'playlistName':'list','filenamePrefix':'seg'", "seg_ list.m3u8"},
        /* the folder of the playlist counts for both; if it has none, that of the prefix */
        {"'playlistName':'d/list','filenamePrefix':'seg'", "d/seg_ d/list.m3u8"},
        {"'playlistName':'d/list','filenamePrefix':'d/seg'", "d/seg_ d/list.m3u8"},
        {"'playlistName':'list','filenamePrefix':'d/seg'", "d/seg_ d/list.m3u8"},
        {"'playlistName':'d/list','filenamePrefix':'e/seg'", "d/e/seg_ d/list.m3u8"},
        {"'playlistName':'d/list','filenamePrefix':'d/e/seg'", "d/d/e/seg_ d/list.m3u8"},
        {"'playlistName':'d/list','filenamePrefix':'d/'", "d/list_ d/list.m3u8"},
        {"'playlistName':'./d//list','filenamePrefix':'d/./seg'", "d/seg_ d/list.m3u8"},
        {"'playlistName':'d/list','filenamePrefix':'seg','livePlaylistName':'live.m3u8'",
         "d/seg_ d/list.m3u8 d/live.m3u8"},
        {"'playlistName':'d/list','livePlaylistName':'d/live'",
         "d/list_ d/list.m3u8 d/live.m3u8"},
        {"'filenamePrefix':'d/seg','livePlaylistName':'live'",
         "d/seg_ d/seg.m3u8 d/live.m3u8"},
        /* templates; a dot in what they bring in is no extension */
        {"'filenamePrefix':'{room_name}/{publisher_identity}'", "r/a.b_ r/a.b.m3u8"},
        /* a prefix that is said exactly */
        {"'playlistName':'list','filenamePrefix':'seg-%05d'", "seg- list.m3u8"},
  // clang-format on
    };
    const EgConfig config = make_config();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json = g_strdup_printf(SEGMENTS("%s"), cases[i].fields);
        g_autoptr(EgPlan) plan = good_plan(json, &config);
        g_autofree char *names = segment_names(&plan->outputs[0]);
        g_assert_cmpstr(names, ==, cases[i].names);
    }
}

/* With nothing said, both are named alike: by what is recorded, and when. */
static void test_made_up_names(void)
{
    static const char *const fields[] = {"", "'playlistName':''", "'filenamePrefix':''"};
    const EgConfig config = make_config();
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *json = g_strdup_printf(SEGMENTS("%s"), fields[i]);
        g_autoptr(EgPlan) plan = good_plan(json, &config);
        g_autofree char *names = segment_names(&plan->outputs[0]);
        g_test_message("%s", names);
        g_assert_true(
            g_regex_match_simple("^(a\\.b-2023-11-1[45]T\\d{6})_ \\1\\.m3u8$", names, 0, 0));
    }
    g_autoptr(EgPlan) plan = good_plan(SEGMENTS("'filenamePrefix':'d/'"), &config);
    g_autofree char *names = segment_names(&plan->outputs[0]);
    g_assert_true(
        g_regex_match_simple("^d/(a\\.b-2023-11-1[45]T\\d{6})_ d/\\1\\.m3u8$", names, 0, 0));
}

static void test_local_root(void)
{
    EgConfig config = make_config();
    config.local_root = text_of("/srv");
    g_autoptr(EgPlan) plan = good_plan(
        SEGMENTS("'playlistName':'/d/list','filenamePrefix':'seg','livePlaylistName':'live'"),
        &config);
    g_autofree char *names = segment_names(&plan->outputs[0]);
    g_assert_cmpstr(names, ==, "/srv/d/seg_ /srv/d/list.m3u8 /srv/d/live.m3u8");
    g_autoptr(EgPlan) images = good_plan(IMAGES("'filenamePrefix':'/x'"), &config);
    g_assert_cmpstr(images->outputs[0].path_template, ==, "/srv/x");
}

static void test_segments(void)
{
    EgConfig config = make_config();
    config.live_playlist_segments = 7;
    g_autoptr(EgPlan) plan = good_plan(SEGMENTS(""), &config);
    const EgOutput *output = &plan->outputs[0];
    g_assert_cmpint(output->kind, ==, EG_OUTPUT_SEGMENTS);
    g_assert_cmpint(output->suffix, ==, EG_SUFFIX_INDEX);
    g_assert_cmpint(output->segments.duration_ns, ==, 4 * EG_NS_PER_S);
    g_assert_cmpuint(output->segments.live_segments, ==, 7);
    g_assert_cmpint(plan->limit_duration_ns, ==, 10 * EG_NS_PER_S);
    g_assert_cmpint(plan->video.codec, ==, EG_CODEC_H264);
    g_assert_cmpint(plan->audio.codec, ==, EG_CODEC_AAC);

    g_autoptr(EgPlan) other = good_plan(
        SEGMENTS("'protocol':'HLS_PROTOCOL','filenameSuffix':'TIMESTAMP','segmentDuration':6"),
        &config);
    g_assert_cmpint(other->outputs[0].suffix, ==, EG_SUFFIX_TIME);
    g_assert_cmpint(other->outputs[0].segments.duration_ns, ==, 6 * EG_NS_PER_S);

    /* Sound alone has segments as well. */
    g_autoptr(EgPlan) sound =
        good_plan("{'roomComposite':{'roomName':'r','audioOnly':true,'segments':{}}}", &config);
    g_assert_cmpint(sound->audio.codec, ==, EG_CODEC_AAC);
    g_assert_cmpint(sound->video.codec, ==, EG_CODEC_NONE);
}

/* Key frames at each multiple of the duration. */
static void test_key_frames(void)
{
    static const struct {
        const char *options;
        double interval_s;
        bool is_warned;
    } cases[] = {
        {"'width':320",                           4,         false},
        {"'keyFrameInterval':2",                  2,         false},
        {"'keyFrameInterval':4",                  4,         false},
        {"'keyFrameInterval':10",                 4,         true },
        {"'keyFrameInterval':3",                  2,         true },
        {"'keyFrameInterval':0.9",                24.0 / 30, true },
        {"'keyFrameInterval':0.01",               1.0 / 30,  true },
        {"'framerate':1,'keyFrameInterval':0.25", 1,         true },
        {"'framerate':25,'keyFrameInterval':0.8", 0.8,       false},
    };
    const EgConfig config = make_config();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json = g_strdup_printf(ENCODED("%s"), cases[i].options);
        g_autoptr(EgPlan) plan = good_plan(json, &config);
        g_assert_cmpfloat_with_epsilon(plan->video.key_frame_interval_s, cases[i].interval_s, 1e-9);
        g_assert_cmpuint(plan->warnings->len, ==, cases[i].is_warned ? 1 : 0);
    }
    /* Of several, at those of each. */
    g_autoptr(EgPlan) plan =
        good_plan("{'egress':{'roomName':'r','media':{'videoTrackId':'V'},'outputs':["
                  "{'segments':{'segmentDuration':6}},{'segments':{'segmentDuration':4}}]}}",
                  &config);
    g_assert_cmpfloat(plan->video.key_frame_interval_s, ==, 2);
    /* Beside a stream, which wants one every four seconds at least. */
    static const struct {
        const char *fields;
        double interval_s;
    } streams[] = {
        {"'segmentDuration':6", 3},
        {"'segmentDuration':8", 4},
        {"'segmentDuration':2", 2},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(streams); i++) {
        g_autofree char *json = g_strdup_printf(
            "{'egress':{'roomName':'r','media':{'videoTrackId':'V'},'outputs':[{'segments':{%s}},"
            "{'stream':{'urls':['srt://h:1']}}]}}",
            streams[i].fields);
        g_autoptr(EgPlan) beside = good_plan(json, &config);
        g_assert_cmpfloat(beside->video.key_frame_interval_s, ==, streams[i].interval_s);
        g_assert_cmpuint(beside->warnings->len, ==, 0);
    }
    g_autoptr(EgPlan) slow = good_plan("{'egress':{'roomName':'r','media':{'videoTrackId':'V'},"
                                       "'advanced':{'keyFrameInterval':10},'outputs':["
                                       "{'stream':{'urls':['srt://h:1']}}]}}",
                                       &config);
    g_assert_cmpuint(slow->warnings->len, ==, 1);
    g_assert_true(
        g_str_has_prefix(slow->warnings->pdata[0], "key_frame_interval is 10 s; services"));
    /* As it is sent, they are asked for. */
    g_autoptr(EgPlan) sent =
        good_plan("{'trackComposite':{'roomName':'r','videoTrackId':'V','preset':'PASSTHROUGH',"
                  "'segmentOutputs':[{'segmentDuration':6}]}}",
                  &config);
    g_assert_cmpint(sent->processing, ==, EG_PROCESSING_PASSTHROUGH);
    g_assert_cmpfloat(sent->video.key_frame_interval_s, ==, 6);
}

static void test_images(void)
{
    static const struct {
        const char *fields;
        const char *prefix;
        const char *extension;
        EgImageFormat format;
        EgSuffix suffix;
    } cases[] = {
  // clang-format off
        {"'filenamePrefix':'d/x'", "d/x_", ".jpeg", EG_IMAGE_JPEG, EG_SUFFIX_INDEX},
        {"'filenamePrefix':'x','filenameSuffix':'IMAGE_SUFFIX_TIMESTAMP'",
         "x_", ".jpeg", EG_IMAGE_JPEG, EG_SUFFIX_TIME},
        {"'filenamePrefix':'x','filenameSuffix':'IMAGE_SUFFIX_NONE_OVERWRITE'",
         "x_", ".jpeg", EG_IMAGE_JPEG, EG_SUFFIX_NONE},
        {"'filenamePrefix':'x','imageCodec':'IC_JPEG'",
         "x_", ".jpeg", EG_IMAGE_JPEG, EG_SUFFIX_INDEX},
        {"'filenamePrefix':'v1.2'", "v1.2_", ".jpeg", EG_IMAGE_JPEG, EG_SUFFIX_INDEX},
        {"'filenamePrefix':'x.jpg'", "x_", ".jpg", EG_IMAGE_JPEG, EG_SUFFIX_INDEX},
        {"'filenamePrefix':'x.PNG'", "x_", ".png", EG_IMAGE_PNG, EG_SUFFIX_INDEX},
        {"'filenamePrefix':'d/%05d.webp'", "d/", ".webp", EG_IMAGE_WEBP, EG_SUFFIX_INDEX},
        {"'filenamePrefix':'%05d.jpg'", "", ".jpg", EG_IMAGE_JPEG, EG_SUFFIX_INDEX},
        {"'filenamePrefix':'d/{room_name}-%05d.jpg'",
         "d/r-", ".jpg", EG_IMAGE_JPEG, EG_SUFFIX_INDEX},
  // clang-format on
    };
    const EgConfig config = make_config();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *json = g_strdup_printf(IMAGES("%s"), cases[i].fields);
        g_autoptr(EgPlan) plan = good_plan(json, &config);
        const EgOutput *output = &plan->outputs[0];
        g_autofree char *prefix = eg_filename_expand_prefix(output->path_template, &facts, NULL);
        g_assert_cmpstr(prefix, ==, cases[i].prefix);
        g_assert_cmpstr(output->images.extension, ==, cases[i].extension);
        g_assert_cmpint(output->images.format, ==, cases[i].format);
        g_assert_cmpint(output->suffix, ==, cases[i].suffix);
        g_assert_cmpint(output->images.interval_ns, ==, 10 * EG_NS_PER_S);
        /* Nothing is encoded but images. */
        g_assert_cmpint(plan->video.codec, ==, EG_CODEC_NONE);
        g_assert_cmpuint(plan->video.width, ==, 1280);
        g_assert_cmpuint(plan->selection.audio->len, ==, 0);
        g_assert_cmpint(plan->limit_duration_ns, ==, 20 * EG_NS_PER_S);
    }
    g_autoptr(EgPlan) plan =
        good_plan(IMAGES("'captureInterval':3,'width':64,'height':48"), &config);
    g_assert_cmpint(plan->outputs[0].images.interval_ns, ==, 3 * EG_NS_PER_S);
    g_assert_cmpuint(plan->outputs[0].images.width, ==, 64);
    g_assert_cmpuint(plan->outputs[0].images.height, ==, 48);
}

static void test_refused(void)
{
    static const BadCase cases[] = {
  // clang-format off
        {SEGMENTS("'playlistName':'d/l','livePlaylistName':'e/v'"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "live_playlist_name must be in same directory as playlist_name"},
        {SEGMENTS("'filenamePrefix':'d/l','livePlaylistName':'d/v'"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "live_playlist_name must be in same directory as playlist_name"},
        {SEGMENTS("'playlistName':'l','livePlaylistName':'l.m3u8'"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "live_playlist_name cannot be identical to playlist_name"},
        {SEGMENTS("'playlistName':'../l'"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "playlist_name (may not contain ..)"},
        {SEGMENTS("'playlistName':'l','filenamePrefix':'{x}'"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "filename_prefix (unknown placeholder {x}"},
        {SEGMENTS("'segmentDuration':3601"), EG_ERROR_INVALID_ARGUMENT, INVALID "segment_duration"},
        {SEGMENTS("'filenameSuffix':2"), EG_ERROR_INVALID_ARGUMENT, INVALID "filename_suffix"},
        {SEGMENTS("'protocol':'HLS_FMP4_PROTOCOL'"), EG_ERROR_UNIMPLEMENTED,
         "protocol: HLS_FMP4_PROTOCOL is not possible yet; HLS_PROTOCOL is"},
        {SEGMENTS("'protocol':3"), EG_ERROR_INVALID_ARGUMENT, INVALID "protocol"},
        {SEGMENTS("'s3':{}"), EG_ERROR_INVALID_ARGUMENT, INVALID "s3.bucket"},
        {ENCODED("'videoCodec':'VP8'"), EG_ERROR_INVALID_ARGUMENT,
         "format ts incompatible with codec VP8"},
        {ENCODED("'audioCodec':'OPUS'"), EG_ERROR_INVALID_ARGUMENT,
         "format ts incompatible with codec Opus"},
        {"{'participant':{'roomName':'r','identity':'a','preset':'PASSTHROUGH',"
         "'segmentOutputs':[{}]}}", EG_ERROR_INVALID_ARGUMENT,
         INVALID "preset (PASSTHROUGH into ts, which holds AAC, H264, MP3, but rooms send Opus"},
        {"{'participant':{'roomName':'r','identity':'a','preset':'PASSTHROUGH',"
         "'imageOutputs':[{}]}}", EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough (images are made"},
        {IMAGES("'filenameSuffix':3"), EG_ERROR_INVALID_ARGUMENT, INVALID "filename_suffix"},
        {IMAGES("'filenamePrefix':'x.png','imageCodec':'IC_JPEG'"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "image_codec (JPEG, but filename_prefix ends in .png"},
        {IMAGES("'imageCodec':2"), EG_ERROR_INVALID_ARGUMENT, INVALID "image_codec"},
        {IMAGES("'width':8"), EG_ERROR_INVALID_ARGUMENT, INVALID "width (8; it must be from 16"},
        {IMAGES("'height':-1"), EG_ERROR_INVALID_ARGUMENT, INVALID "height"},
        {IMAGES("'captureInterval':100000"), EG_ERROR_INVALID_ARGUMENT, INVALID "capture_interval"},
        {IMAGES("'filenamePrefix':'a/../b'"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "filename_prefix (may not"},
  // clang-format on
    };
    const EgConfig config = make_config();
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);
    static const BadCase retries[] = {
        {"{'retryCount':1,'participant':{'roomName':'r','identity':'a','segmentOutputs':"
         "[{'filenamePrefix':'x'}]}}", EG_ERROR_FAILED_PRECONDITION,
         "output configuration does not support retry: playlist_name needs {retry}"  },
        {"{'retryCount':1,'participant':{'roomName':'r','identity':'a','imageOutputs':"
         "[{'filenamePrefix':'x'}]}}", EG_ERROR_FAILED_PRECONDITION,
         "output configuration does not support retry: filename_prefix needs {retry}"},
    };
    expect_refusals(retries, G_N_ELEMENTS(retries), &config);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/plan-series/segment-names", test_segment_names);
    g_test_add_func("/request/plan-series/made-up-names", test_made_up_names);
    g_test_add_func("/request/plan-series/local-root", test_local_root);
    g_test_add_func("/request/plan-series/segments", test_segments);
    g_test_add_func("/request/plan-series/key-frames", test_key_frames);
    g_test_add_func("/request/plan-series/images", test_images);
    g_test_add_func("/request/plan-series/refused", test_refused);
    return g_test_run();
}
