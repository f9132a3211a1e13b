#include "plan-text.h"

#define EGRESS(rest)      "{'egress':{'roomName':'r'," rest "}}"
#define FILE(path)        "'outputs':[{'file':{'filepath':'" path "'}}]"
#define MEDIA(media)      EGRESS("'media':{" media "}," FILE("x"))
#define PASSTHROUGH(rest) EGRESS("'preset':'PASSTHROUGH','media':{" rest "}," FILE("x"))
#define ROUTES(routes)    "'audio':{'routes':[" routes "]}"

static void test_template(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {EGRESS("'template':{'audioOnly':true}," FILE("x")),
         "template: room audio *>both encode ogg Opus file:x", 0.75},
        {EGRESS("'template':{'audioOnly':true},"
                "'outputs':[{'file':{'filepath':'x','fileType':'MP4'}}]"),
         "template: room audio *>both encode mp4 AAC file:x", 0.75},
        {EGRESS("'template':{'audioOnly':true},"
                "'outputs':[{'stream':{'protocol':'WEBSOCKET','urls':['ws://x']}}]"),
         "template: room audio *>both encode raw PCM websocket:ws://x", 0.75},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

static void test_media(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {MEDIA("'videoTrackId':'TR_v'"),
         "media: room video TR_v encode mp4 H264 file:x", 2},
        {MEDIA("'participantVideo':{'identity':'alice'}"),
         "media: room video @alice-share encode mp4 H264 file:x", 2},
        {MEDIA("'participantVideo':{'identity':'alice','preferScreenShare':true}"),
         "media: room video @alice+share,@alice-share encode mp4 H264 file:x", 2},
        {MEDIA("'audio':{'captureAll':true}"),
         "media: room audio *>both encode ogg Opus file:x", 2},
        {MEDIA("'videoTrackId':'TR_v','audio':{'captureAll':true}"),
         "media: room audio *>both video TR_v encode mp4 AAC H264 file:x", 2},
        {MEDIA(ROUTES("{'trackId':'TR_a'},{'participantIdentity':'bob','channel':"
                      "'AUDIO_CHANNEL_LEFT'},{'participantKind':'AGENT','channel':"
                      "'AUDIO_CHANNEL_RIGHT'}")),
         "media: room audio TR_a>both,@bob>left,kind4>right encode ogg Opus file:x", 2},
        {MEDIA("'audio':{'captureAll':true,'routes':[{'participantKind':'STANDARD','channel':"
               "'AUDIO_CHANNEL_LEFT'},{'participantKind':99}]}"),
         "media: room audio kind0>left,kind99>both,*>both encode ogg Opus file:x", 2},
        {EGRESS("'media':{'audio':{'captureAll':true}},"
                "'outputs':[{'stream':{'urls':['wss://x']}}]"),
         "media: room audio *>both encode raw PCM websocket:wss://x", 2},
        {EGRESS("'media':{'videoTrackId':'TR_v'},'advanced':{'videoCodec':'VP8'}," FILE("x")),
         "media: room video TR_v encode webm VP8 file:x", 2},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

static void test_passthrough(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {PASSTHROUGH("'videoTrackId':'TR_v'"),
         "media: tracks video TR_v passthrough none file:x", 0.5},
        {PASSTHROUGH(ROUTES("{'trackId':'TR_a'}")),
         "media: tracks audio TR_a>both passthrough none file:x", 0.5},
        {PASSTHROUGH("'videoTrackId':'TR_v'," ROUTES("{'trackId':'TR_a'}")),
         "media: tracks audio TR_a>both video TR_v passthrough none file:x", 0.5},
        /* one track alone is named by its codec, two by what holds both */
        {EGRESS("'preset':'PASSTHROUGH','media':{'videoTrackId':'TR_v'}," FILE("x.mp4")),
         "media: tracks video TR_v passthrough none file:x.mp4", 0.5},
        {EGRESS("'preset':'PASSTHROUGH','media':{'videoTrackId':'TR_v'},"
                "'outputs':[{'file':{'filepath':'x','fileType':'MP4'}}]"),
         "media: tracks video TR_v passthrough mp4 file:x", 0.5},
        {EGRESS("'preset':'PASSTHROUGH','media':{'videoTrackId':'TR_v',"
                ROUTES("{'trackId':'TR_a'}") "}," FILE("x.mp4")),
         "media: tracks audio TR_a>both video TR_v passthrough mp4 file:x.mp4", 0.5},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));

    const EgConfig config = make_config();
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) one = plan_of_json(cases[0].json, &config, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(eg_plan_subject(one), ==, "TR_v");
    g_autoptr(EgPlan) two = plan_of_json(cases[2].json, &config, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(eg_plan_subject(two), ==, "r");
}

static void test_invalid(void)
{
    static const BadCase cases[] = {
  // clang-format off
        {EGRESS(FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "source"},
        {EGRESS("'template':{'audioOnly':true}"), EG_ERROR_INVALID_ARGUMENT, INVALID "output"},
        {EGRESS("'template':{'audioOnly':true},'outputs':[{}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "output config"},
        {EGRESS("'template':{'audioOnly':true,'videoOnly':true}," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "audio_only and video_only"},
        {EGRESS("'template':{'customBaseUrl':':'}," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "template base url"},
        {EGRESS("'web':{}," FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "web url"},
        {MEDIA("'audio':{}"), EG_ERROR_INVALID_ARGUMENT, INVALID "audio or video"},
        {EGRESS("'media':{}," FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "audio or video"},
        {MEDIA("'videoTrackId':''"), EG_ERROR_INVALID_ARGUMENT, INVALID "video_track_id"},
        {MEDIA("'participantVideo':{}"), EG_ERROR_INVALID_ARGUMENT, INVALID "identity"},
        {MEDIA(ROUTES("{}")), EG_ERROR_INVALID_ARGUMENT,
         INVALID "track_id, participant_identity or participant_kind (of an audio route)"},
        {MEDIA(ROUTES("{'trackId':''}")), EG_ERROR_INVALID_ARGUMENT, INVALID "track_id"},
        {MEDIA(ROUTES("{'participantIdentity':''}")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "participant_identity"},
        /* what would stand for all kinds */
        {MEDIA(ROUTES("{'participantKind':-1}")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "participant_kind"},
        {MEDIA(ROUTES("{'trackId':'TR_a','channel':3}")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "channel (3 is none)"},
        {EGRESS("'media':{'videoTrackId':'TR_v'}," FILE("x.ogg")), EG_ERROR_INVALID_ARGUMENT,
         "no supported codec is compatible with all outputs: format ogg holds Opus"},
        {EGRESS("'media':{'participantVideo':{'identity':'a'},'audio':{'captureAll':true}},"
                "'outputs':[{'stream':{'urls':['ws://x']}}]"),
         EG_ERROR_INVALID_ARGUMENT,
         "no supported codec is compatible with all outputs: format raw holds PCM"},
        {PASSTHROUGH("'participantVideo':{'identity':'a'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough"},
        {PASSTHROUGH("'audio':{'captureAll':true}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough"},
        {PASSTHROUGH(ROUTES("{'trackId':'a'},{'trackId':'b'}")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough"},
        {PASSTHROUGH(ROUTES("{'participantIdentity':'a'}")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough"},
        {PASSTHROUGH(ROUTES("{'trackId':'a','channel':'AUDIO_CHANNEL_LEFT'}")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough (it leaves the channels as they are)"},
        {EGRESS("'preset':'PASSTHROUGH','template':{'audioOnly':true}," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough"},
        {EGRESS("'preset':'PASSTHROUGH','media':{" ROUTES("{'trackId':'a'}") "},"
                "'outputs':[{'stream':{'urls':['ws://x']}}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "preset (PASSTHROUGH into raw, which holds PCM"},
        {EGRESS("'preset':42,'template':{'audioOnly':true}," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "preset (42 is none)"},
        {"{'egress':{'template':{'audioOnly':true}," FILE("x") "}}",
         EG_ERROR_INVALID_ARGUMENT, INVALID "room_name"},
  // clang-format on
    };
    const EgConfig config = make_config();
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);
}

static void test_pages(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {EGRESS("'template':{}," FILE("x")),
         "template: room page(http://localhost:7980/ layout= 1280x720 awaits trusted own) audio *>both video * "
         "encode mp4 AAC H264 file:x", 4},
        {EGRESS("'template':{'layout':'speaker','audioOnly':true}," FILE("x")),
         "template: room page(http://localhost:7980/ layout=speaker 1280x720 awaits trusted own) audio *>both "
         "encode ogg Opus file:x", 1.25},
        {EGRESS("'web':{'url':'http://x','videoOnly':true,'awaitStartSignal':true}," FILE("x")),
         "web: room page(http://x 1280x720 awaits) video * encode mp4 H264 file:x", 3.5},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/plan-egress/template", test_template);
    g_test_add_func("/request/plan-egress/media", test_media);
    g_test_add_func("/request/plan-egress/passthrough", test_passthrough);
    g_test_add_func("/request/plan-egress/invalid", test_invalid);
    g_test_add_func("/request/plan-egress/pages", test_pages);
    return g_test_run();
}
