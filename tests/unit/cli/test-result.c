#include "cli/result.h"

#include "base/time.h"

static char *str(const char *text)
{
    return (char *)(guintptr)text;
}

static void test_json(void)
{
    Livekit__FileInfo file = LIVEKIT__FILE_INFO__INIT;
    file.filename = str("a \"b\".mp4");
    file.size = G_GINT64_CONSTANT(5000000000);
    Livekit__FileInfo *files[] = {&file};
    Livekit__ParticipantEgressRequest participant = LIVEKIT__PARTICIPANT_EGRESS_REQUEST__INIT;
    participant.identity = str("al\xffice");
    participant.screen_share = true;
    participant.options_case = LIVEKIT__PARTICIPANT_EGRESS_REQUEST__OPTIONS_PRESET;

    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = str("EG_1");
    info.status = LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE;
    info.error_code = 404;
    info.n_file_results = 1;
    info.file_results = files;
    info.request_case = LIVEKIT__EGRESS_INFO__REQUEST_PARTICIPANT;
    info.participant = &participant;

    /* Nothing that is not set, but the member of a oneof that is the one. */
    g_autofree char *text = eg_result_json(&info);
    g_autofree char *expected =
        g_strdelimit(g_strdup("{'egress_id':'EG_1','status':'EGRESS_COMPLETE',"
                              "'file_results':[{'filename':'a \\'b\\'.mp4','size':'5000000000'}],"
                              "'participant':{'identity':'al\xef\xbf\xbdice','screen_share':true,"
                              "'preset':'H264_720P_30'},"
                              "'error_code':404}"),
                     "'", '"');
    g_assert_cmpstr(text, ==, expected);
}

static void test_summary(void)
{
    EgPlan encode = {
        .processing = EG_PROCESSING_ENCODE,
        .video = {.codec = EG_CODEC_H264, .width = 1280, .height = 720},
        .audio = {.codec = EG_CODEC_AAC        },
    };
    EgPlan sound = {.processing = EG_PROCESSING_ENCODE, .audio = {.codec = EG_CODEC_OPUS}};
    EgPlan passthrough = {.processing = EG_PROCESSING_PASSTHROUGH};
    const struct {
        const EgPlan *plan;
        const char *description;
        const char *text;
    } cases[] = {
        // clang-format off
        {&encode, "al\nice: camera",
         "x.mp4  10.0 s  3.7 MB  H264 1280x720, AAC  (al?ice: camera)"},
        {&sound, NULL, "x.mp4  10.0 s  3.7 MB  Opus"},
        {&passthrough, "", "x.mp4  10.0 s  3.7 MB  as sent"},
    };
    // clang-format on
    Livekit__FileInfo file = LIVEKIT__FILE_INFO__INIT;
    Livekit__FileInfo *files[] = {&file};
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    g_assert_null(eg_result_summary(&info, &encode, NULL));
    info.n_file_results = 1;
    info.file_results = files;
    g_assert_null(eg_result_summary(&info, &encode, NULL));

    file.filename = str("x.mp4");
    file.size = 3700000;
    file.duration = 10 * EG_NS_PER_S;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = eg_result_summary(&info, cases[i].plan, cases[i].description);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

/* Each in a line of its own, behind the file if there is one. */
static void test_streams(void)
{
    EgPlan plan = {.processing = EG_PROCESSING_ENCODE, .audio = {.codec = EG_CODEC_AAC}};
    Livekit__FileInfo file = LIVEKIT__FILE_INFO__INIT;
    Livekit__FileInfo *files[] = {&file};
    Livekit__StreamInfo good = LIVEKIT__STREAM_INFO__INIT;
    Livekit__StreamInfo bad = LIVEKIT__STREAM_INFO__INIT;
    Livekit__StreamInfo *streams[] = {&good, &bad};
    file.filename = str("x.mp4");
    file.duration = 10 * EG_NS_PER_S;
    file.size = 3700000;
    good.url = str("srt://x:1");
    good.duration = 9 * EG_NS_PER_S;
    good.retries = 2;
    bad.url = str("rtmp://x/live/{k...y}");
    bad.status = LIVEKIT__STREAM_INFO__STATUS__FAILED;
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.n_stream_results = G_N_ELEMENTS(streams);
    info.stream_results = streams;
    g_autofree char *alone = eg_result_summary(&info, &plan, "alice: camera");
    g_assert_cmpstr(alone, ==,
                    "srt://x:1  9.0 s  tried again 2 times  AAC  (alice: camera)\n"
                    "rtmp://x/live/{k...y}  0.0 s  failed");
    info.n_file_results = 1;
    info.file_results = files;
    g_autofree char *beside = eg_result_summary(&info, &plan, NULL);
    g_assert_cmpstr(beside, ==,
                    "x.mp4  10.0 s  3.7 MB  AAC\n"
                    "srt://x:1  9.0 s  tried again 2 times\n"
                    "rtmp://x/live/{k...y}  0.0 s  failed");
}

/* A line for each output; what is the same for all is said of the first. */
static void test_series(void)
{
    const EgPlan plan = {
        .processing = EG_PROCESSING_ENCODE,
        .video = {.codec = EG_CODEC_H264, .width = 1280, .height = 720},
        .audio = {.codec = EG_CODEC_AAC},
    };
    Livekit__SegmentsInfo segments = LIVEKIT__SEGMENTS_INFO__INIT;
    segments.playlist_name = str("d/x.m3u8");
    segments.duration = 12 * EG_NS_PER_S;
    segments.size = 3700000;
    Livekit__SegmentsInfo *segment_results[] = {&segments};
    Livekit__ImagesInfo images = LIVEKIT__IMAGES_INFO__INIT;
    images.filename_prefix = str("d/shot");
    images.image_count = 1;
    Livekit__ImagesInfo *image_results[] = {&images};
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.n_segment_results = 1;
    info.segment_results = segment_results;
    info.n_image_results = 1;
    info.image_results = image_results;
    g_autofree char *text = eg_result_summary(&info, &plan, "alice: camera");
    g_assert_cmpstr(text, ==,
                    "d/x.m3u8  12.0 s  3.7 MB  H264 1280x720, AAC  (alice: camera)\n"
                    "d/shot\xe2\x80\xa6  1 image");

    const EgPlan alone = {.processing = EG_PROCESSING_ENCODE};
    info.n_segment_results = 0;
    images.image_count = 3;
    g_autofree char *line = eg_result_summary(&info, &alone, NULL);
    g_assert_cmpstr(line, ==, "d/shot\xe2\x80\xa6  3 images");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/result/json", test_json);
    g_test_add_func("/cli/result/summary", test_summary);
    g_test_add_func("/cli/result/series", test_series);
    g_test_add_func("/cli/result/streams", test_streams);
    return g_test_run();
}
