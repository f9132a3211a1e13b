#include "plan-text.h"

#define ROOM(rest)        "{'roomComposite':{'roomName':'r'," rest "}}"
#define WEB(rest)         "{'web':{" rest "}}"
#define PARTICIPANT(rest) "{'participant':{'roomName':'r','identity':'alice'," rest "}}"
#define COMPOSITE(rest)   "{'trackComposite':{'roomName':'r'," rest "}}"
#define TRACK(rest)       "{'track':{'roomName':'r','trackId':'TR_1'," rest "}}"
#define FILE(path)        "'fileOutputs':[{'filepath':'" path "'}]"

static void test_room_composite(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {ROOM("'audioOnly':true," FILE("x")),
         "room_composite: room audio *>both encode ogg Opus file:x", 0.75},
        {ROOM("'audioOnly':true," FILE("x.mp4")),
         "room_composite: room audio *>both encode mp4 AAC file:x.mp4", 0.75},
        {ROOM("'audioOnly':true,'fileOutputs':[{'filepath':'x.mp4','fileType':'MP3'}]"),
         "room_composite: room audio *>both encode mp3 MP3 file:x.mp4", 0.75},
        {ROOM("'audioOnly':true,'file':{'filepath':'old.ogg'}"),
         "room_composite: room audio *>both encode ogg Opus file:old.ogg", 0.75},
        {ROOM("'audioOnly':true,'audioMixing':'DUAL_CHANNEL_AGENT'," FILE("x")),
         "room_composite: room audio kind4>left,*>right encode ogg Opus file:x", 0.75},
        {ROOM("'audioOnly':true,'audioMixing':'DUAL_CHANNEL_ALTERNATE'," FILE("x")),
         "room_composite: room audio *>alternate encode ogg Opus file:x", 0.75},
        {ROOM("'audioOnly':true,'advanced':{'audioCodec':'AAC'}," FILE("x")),
         "room_composite: room audio *>both encode mp4 AAC file:x", 0.75},
        {ROOM("'audioOnly':true,'preset':'H264_1080P_60'," FILE("x.webm")),
         "room_composite: room audio *>both encode webm Opus file:x.webm", 0.75},
        {ROOM("'audioOnly':true,"
              "'streamOutputs':[{'protocol':'WEBSOCKET','urls':['wss://x/y']}]"),
         "room_composite: room audio *>both encode raw PCM websocket:wss://x/y", 0.75},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

static void test_participant(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {PARTICIPANT(FILE("x")),
         "participant: participant(alice) audio @alice-share>both video @alice-share encode mp4 AAC H264 file:x",
         2},
        {PARTICIPANT("'screenShare':true," FILE("x.webm")),
         "participant: participant(alice) audio @alice+share>both video @alice+share encode webm Opus VP8 "
         "file:x.webm", 2},
        {PARTICIPANT("'preset':'PASSTHROUGH'," FILE("x.mp4")),
         "participant: participant(alice) audio @alice-share>both video @alice-share passthrough mp4 file:x.mp4",
         2},
        /* what has no place for pictures takes the sound */
        {PARTICIPANT("'preset':'PASSTHROUGH'," FILE("x.ogg")),
         "participant: participant(alice) audio @alice-share>both passthrough ogg file:x.ogg", 2},
        {PARTICIPANT("'streamOutputs':[{'urls':['ws://x']}]"),
         "participant: participant(alice) audio @alice-share>both encode raw PCM websocket:ws://x", 2},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

static void test_tracks(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {COMPOSITE("'audioTrackId':'TR_a','videoTrackId':'TR_v'," FILE("x")),
         "track_composite: tracks audio TR_a>both video TR_v encode mp4 AAC H264 file:x", 1},
        {COMPOSITE("'audioTrackId':'TR_a','videoTrackId':'TR_v','preset':'PASSTHROUGH'," FILE("x")),
         "track_composite: tracks audio TR_a>both video TR_v passthrough none file:x", 1},
        {COMPOSITE("'audioTrackId':'TR_a','file':{'filepath':'old'}"),
         "track_composite: tracks audio TR_a>both encode ogg Opus file:old", 1},
        {COMPOSITE("'audioTrackId':'TR_a'," FILE("new") ",'file':{'filepath':'old'}"),
         "track_composite: tracks audio TR_a>both encode ogg Opus file:new", 1},
        {COMPOSITE("'videoTrackId':'TR_v'," FILE("x")),
         "track_composite: tracks video TR_v encode mp4 H264 file:x", 1},
        {COMPOSITE("'audioTrackId':'TR_a','stream':{'urls':['ws://x']}"),
         "track_composite: tracks audio TR_a>both encode raw PCM websocket:ws://x", 1},
        {TRACK("'file':{'filepath':'x'}"),
         "track: tracks audio TR_1>both video TR_1 passthrough none file:x", 0.5},
        /* the format is the codec's, whatever the name says */
        {TRACK("'file':{'filepath':'x.mp4'}"),
         "track: tracks audio TR_1>both video TR_1 passthrough none file:x.mp4", 0.5},
        {TRACK("'file':{}"),
         "track: tracks audio TR_1>both video TR_1 passthrough none file:", 0.5},
        {TRACK("'websocketUrl':'wss://u:p@x:81/y?key=%FF'"),
         "track: tracks audio TR_1>both encode raw PCM websocket:wss://u:p@x:81/y?key=%FF", 0.5},
        {TRACK("'websocketUrl':'WS://[::1]/'"),
         "track: tracks audio TR_1>both encode raw PCM websocket:WS://[::1]/", 0.5},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

/* What raw sound is. */
static void test_raw(void)
{
    const EgConfig config = make_config();
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = plan_of_json(TRACK("'websocketUrl':'ws://x'"), &config, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(plan->audio.rate_hz, ==, 48000);
    g_assert_cmpuint(plan->audio.channels, ==, 2);
    g_assert_cmpuint(plan->audio.bitrate_bps, ==, 1536000);
    g_assert_cmpint(plan->limit_duration_ns, ==, config.limits.stream_duration_ns);
    g_assert_cmpint(plan->limit_size_bytes, ==, 0);
    g_assert_null(plan->outputs[0].path_template);
}

static void test_subject(void)
{
    static const struct {
        const char *json;
        const char *subject;
    } cases[] = {
        {ROOM("'audioOnly':true," FILE("")),                                 "r"    },
        {PARTICIPANT(FILE("")),                                              "alice"},
        {COMPOSITE("'audioTrackId':'TR_a'," FILE("")),                       "r"    },
        {TRACK("'file':{}"),                                                 "TR_1" },
        {"{'roomName':'s','track':{'trackId':'TR_2','file':{}}}",            "TR_2" },
        {"{'roomName':'s','roomComposite':{'audioOnly':true," FILE("") "}}", "s"    },
    };
    const EgConfig config = make_config();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of_json(cases[i].json, &config, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(eg_plan_subject(plan), ==, cases[i].subject);
    }
}

static void test_costs(void)
{
    const EgConfig config = make_config();
    static const struct {
        const char *json;
        double cpu_cost;
        gint64 memory_bytes;
    } cases[] = {
        {ROOM("'audioOnly':true," FILE("")),                                             0.75, 50 * MIB },
        {PARTICIPANT(FILE("")),                                                          2,    100 * MIB},
        {TRACK("'file':{}"),                                                             0.5,  100 * MIB},
        {"{'estimatedCpu':0.25,'track':{'roomName':'r','trackId':'T','file':{}}}",       0.25, 100 * MIB},
        {"{'estimatedCpu':-1,'track':{'roomName':'r','trackId':'T','file':{}}}",         0.5,  100 * MIB},
        {"{'estimatedCpu':'NaN','track':{'roomName':'r','trackId':'T','file':{}}}",      0.5,  100 * MIB},
        {"{'estimatedCpu':'Infinity','track':{'roomName':'r','trackId':'T','file':{}}}", 0.5,
         100 * MIB                                                                                      },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].json);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of_json(cases[i].json, &config, &error);
        g_assert_no_error(error);
        g_assert_cmpfloat(plan->cpu_cost, ==, cases[i].cpu_cost);
        g_assert_cmpint(plan->memory_cost_bytes, ==, cases[i].memory_bytes);
    }
}

static void test_invalid(void)
{
    static const BadCase cases[] = {
  // clang-format off
        {"{}", EG_ERROR_INVALID_ARGUMENT, INVALID "request"},
        {ROOM("'audioOnly':true,'videoOnly':true," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "audio_only and video_only"},
        {ROOM("'audioOnly':true"), EG_ERROR_INVALID_ARGUMENT, INVALID "output"},
        {ROOM("'audioOnly':true,'audioMixing':7," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "audio_mixing (7 is none)"},
        {ROOM("'customBaseUrl':'no url'," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "template base url"},
        {ROOM("'audioOnly':true,'preset':'PASSTHROUGH'," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough (what is sent in a room is mixed"},
        {ROOM("'audioOnly':true,'advanced':{'audioCodec':'AAC'}," FILE("x.ogg")),
         EG_ERROR_INVALID_ARGUMENT, "format ogg incompatible with codec AAC"},
        {ROOM("'audioOnly':true,'imageOutputs':[{}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "audio_only images"},
        {"{'roomComposite':{'audioOnly':true," FILE("x") "}}",
         EG_ERROR_INVALID_ARGUMENT, INVALID "room_name"},
        {ROOM("'layout':'grid'"), EG_ERROR_INVALID_ARGUMENT, INVALID "output"},
        {ROOM("'advanced':{'width':3}," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "width"},
        {ROOM(FILE("../x")), EG_ERROR_INVALID_ARGUMENT, INVALID "filepath"},
        {WEB(FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "web url"},
        {WEB("'url':'x'," FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "web url"},
        {WEB("'url':'file:///etc/passwd'," FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "web url"},
        {WEB("'url':'chrome://version'," FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "web url"},
        {WEB("'url':'https:///x'," FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "web url"},
        {ROOM("'customBaseUrl':'file:///x'," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "template base url"},
        {WEB("'url':'http://x','preset':'PASSTHROUGH'," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "passthrough"},
        {WEB("'url':'http://x'," FILE("x.ogg")), EG_ERROR_INVALID_ARGUMENT,
         "no supported codec is compatible with all outputs: format ogg holds Opus"},
        {WEB("'url':'http://x','audioOnly':true,'videoOnly':true," FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "audio_only and video_only"},
        {WEB("'url':'http://x'"), EG_ERROR_INVALID_ARGUMENT, INVALID "output"},
        {"{'participant':{'roomName':'r'," FILE("x") "}}",
         EG_ERROR_INVALID_ARGUMENT, INVALID "identity"},
        {PARTICIPANT("'screenShare':true"), EG_ERROR_INVALID_ARGUMENT, INVALID "output"},
        {COMPOSITE(FILE("x")),
         EG_ERROR_INVALID_ARGUMENT, INVALID "audio_track_id or video_track_id"},
        {"{'track':{'roomName':'r','file':{}}}", EG_ERROR_INVALID_ARGUMENT, INVALID "track_id"},
        {"{'track':{'roomName':'r','trackId':'T'}}", EG_ERROR_INVALID_ARGUMENT, INVALID "output"},
        {TRACK("'websocketUrl':''"), EG_ERROR_INVALID_ARGUMENT, "invalid url "},
        {TRACK("'websocketUrl':'nonsense'"), EG_ERROR_INVALID_ARGUMENT, "invalid url "},
        {TRACK("'websocketUrl':'http://x'"),
         EG_ERROR_INVALID_ARGUMENT, "invalid url http://x: invalid scheme"},
        {TRACK("'websocketUrl':'ws:///path'"), EG_ERROR_INVALID_ARGUMENT, "invalid url "},
        {TRACK("'websocketUrl':'ws://x:99999'"), EG_ERROR_INVALID_ARGUMENT, "invalid url "},
  // clang-format on
    };
    const EgConfig config = make_config();
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);
}

#define OURS "page(http://localhost:7980/ layout="

static void test_pages(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {ROOM(FILE("x")),
         "room_composite: room " OURS " 1280x720 awaits trusted own) audio *>both video * encode mp4 AAC H264 file:x",
         4},
        {ROOM("'layout':'speaker-light','preset':'PORTRAIT_H264_1080P_60'," FILE("x.webm")),
         "room_composite: room " OURS "speaker-light 1080x1920 awaits trusted own) audio *>both video * "
         "encode webm Opus VP8 file:x.webm", 4},
        {ROOM("'videoOnly':true,'customBaseUrl':'https://t.example/a?b=1'," FILE("x")),
         "room_composite: room page(https://t.example/a?b=1 layout= 1280x720 awaits trusted) video * "
         "encode mp4 H264 file:x", 4},
        {ROOM("'audioOnly':true,'layout':'grid'," FILE("x")),
         "room_composite: room " OURS "grid 1280x720 awaits trusted own) audio *>both encode ogg Opus file:x", 1.25},
        {ROOM("'audioOnly':true,'customBaseUrl':'http://x'," FILE("x.mp3")),
         "room_composite: room page(http://x layout= 1280x720 awaits trusted) audio *>both encode mp3 MP3 "
         "file:x.mp3", 1.25},
        {WEB("'url':'https://example.org/a b?c=d#e'," FILE("x")),
         "web: room page(https://example.org/a b?c=d#e 1280x720) audio *>both video * encode mp4 AAC H264 file:x",
         3.5},
        {WEB("'url':'http://x','audioOnly':true,'awaitStartSignal':true," FILE("x")),
         "web: room page(http://x 1280x720 awaits) audio *>both encode ogg Opus file:x", 1.5},
        {WEB("'url':'http://x','advanced':{'width':853,'height':481}," FILE("x")),
         "web: room page(http://x 854x482) audio *>both video * encode mp4 AAC H264 file:x", 3.5},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

/* Odd sizes are changed, and somebody is told. */
static void test_odd_size(void)
{
    const EgConfig config = make_config();
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = plan_of_json(
        WEB("'url':'http://x','advanced':{'width':853,'height':480}," FILE("x")), &config, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(plan->warnings->len, ==, 1);
    g_assert_cmpstr(plan->warnings->pdata[0], ==, "width must be even: 854 instead of 853");
    g_assert_cmpuint(plan->video.width, ==, 854);
}

static void test_template_base(void)
{
    EgConfig config = make_config();
    config.template_base = text_of("https://templates.example/");
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = plan_of_json(ROOM(FILE("x")), &config, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(plan->page.url, ==, "https://templates.example/");

    static const BadCase cases[] = {
        {ROOM(FILE("x")), EG_ERROR_INVALID_ARGUMENT, INVALID "template base url (there is none"},
    };
    config.template_base = NULL;
    config.template_port = 0;
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);
}

static void test_unimplemented(void)
{
    static const BadCase cases[] = {
        {"{'replay':{}}", EG_ERROR_UNIMPLEMENTED, "replay: "},
    };
    const EgConfig config = make_config();
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);
}

/* A page is no room: it takes neither token nor server. */
static void test_web_without_server(void)
{
    const EgConfig config = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = plan_of_json(WEB("'url':'http://x'," FILE("x")), &config, &error);
    g_assert_no_error(error);
    g_assert_null(plan->room_name);
    g_assert_null(plan->ws_url);
    g_assert_cmpstr(eg_plan_subject(plan), ==, "web");
}

/* Secrets of a URL do not come back in what is told of it. */
static void test_no_secrets(void)
{
    const EgConfig config = make_config();
    static const char *const urls[] = {
        "http://user:geheim@x/?key=geheim",
        "geheim://x?key=geheim",
        "ws://x:bad?key=geheim",
        "wss://u:geheim@:1/",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(urls); i++) {
        g_autofree char *json = g_strdup_printf(
            "{'track':{'roomName':'r','trackId':'T','websocketUrl':'%s'}}", urls[i]);
        g_autoptr(GError) error = NULL;
        g_assert_null(plan_of_json(json, &config, &error));
        g_test_message("%s", error->message);
        const char *found = strstr(error->message, "geheim");
        /* a scheme is none */
        g_assert_true(found == NULL || g_str_has_prefix(found, "geheim:"));
        g_assert_true(found == NULL || strstr(found + 1, "geheim") == NULL);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/plan-kinds/room-composite", test_room_composite);
    g_test_add_func("/request/plan-kinds/participant", test_participant);
    g_test_add_func("/request/plan-kinds/tracks", test_tracks);
    g_test_add_func("/request/plan-kinds/raw", test_raw);
    g_test_add_func("/request/plan-kinds/subject", test_subject);
    g_test_add_func("/request/plan-kinds/costs", test_costs);
    g_test_add_func("/request/plan-kinds/invalid", test_invalid);
    g_test_add_func("/request/plan-kinds/pages", test_pages);
    g_test_add_func("/request/plan-kinds/odd-size", test_odd_size);
    g_test_add_func("/request/plan-kinds/template-base", test_template_base);
    g_test_add_func("/request/plan-kinds/unimplemented", test_unimplemented);
    g_test_add_func("/request/plan-kinds/web-without-server", test_web_without_server);
    g_test_add_func("/request/plan-kinds/no-secrets", test_no_secrets);
    return g_test_run();
}
