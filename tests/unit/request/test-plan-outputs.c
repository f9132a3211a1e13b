#include "plan-text.h"

#define TRACK(file)     "{'track':{'roomName':'r','trackId':'T','file':{" file "}}}"
#define ROOM(outputs)   "{'roomComposite':{'roomName':'r','audioOnly':true," outputs "}}"
#define PERSON(outputs) "{'participant':{'roomName':'r','identity':'a'," outputs "}}"
#define EGRESS(outputs)                                                                            \
    "{'egress':{'roomName':'r','media':{'videoTrackId':'V'},'outputs':[" outputs "]}}"
#define MIXED(outputs)                                                                             \
    "{'egress':{'roomName':'r','template':{'audioOnly':true},'outputs':[" outputs "]}}"

static void test_invalid(void)
{
    static const BadCase cases[] = {
  // clang-format off
        {ROOM("'fileOutputs':[{},{}]"), EG_ERROR_INVALID_ARGUMENT, INVALID "multiple file outputs"},
        {ROOM("'streamOutputs':[{},{}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "multiple stream outputs"},
        {ROOM("'segmentOutputs':[{},{}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "multiple segmented file outputs"},
        {ROOM("'fileOutputs':[{'filepath':'x.mp4'}],'streamOutputs':[{'urls':['ws://x']}]"),
         EG_ERROR_INVALID_ARGUMENT, "no supported codec is compatible with all outputs: mp4 holds "
         "AAC, H264, Opus; raw holds PCM"},
        {EGRESS("{'file':{'filepath':'a.mp4'}},{'file':{'filepath':'b.webm'}}"),
         EG_ERROR_INVALID_ARGUMENT, "no supported codec is compatible with all outputs: mp4 holds "
         "AAC, H264, Opus; webm holds Opus, VP8, VP9"},
        {EGRESS("{'file':{}},{}"), EG_ERROR_INVALID_ARGUMENT, INVALID "output config"},
        {MIXED("{'file':{}},{'images':{}}"), EG_ERROR_INVALID_ARGUMENT, INVALID "audio_only images"},
        {ROOM("'streamOutputs':[{}]"), EG_ERROR_INVALID_ARGUMENT, INVALID "stream url"},
        {ROOM("'streamOutputs':[{'destinations':[{'id':'a'}]}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "stream protocol"},
        {ROOM("'streamOutputs':[{'destinations':[{'id':'a','url':'rtmp://x/app/key'},"
              "{'id':'a','url':'rtmp://y/app/key'}]}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "stream id"},
        {ROOM("'streamOutputs':[{'protocol':'WEBSOCKET'}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "stream url"},
        {ROOM("'streamOutputs':[{'urls':['http://x']}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "stream protocol"},
        {ROOM("'streamOutputs':[{'protocol':9,'urls':['ws://x']}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "stream protocol"},
        {ROOM("'streamOutputs':[{'protocol':'WEBSOCKET','urls':['rtmp://x/app/key']}]"),
         EG_ERROR_INVALID_ARGUMENT, "invalid url rtmp://x/app/"},
        {EGRESS("{'stream':{'protocol':'SRT','urls':['x']}}"),
         EG_ERROR_INVALID_ARGUMENT, "invalid url {...}: "},
        {EGRESS("{'stream':{'protocol':'SRT','urls':['rtmp://x/app/key']}}"),
         EG_ERROR_INVALID_ARGUMENT, "invalid url rtmp://x/app/{k...y}: invalid scheme; it must be srt"},
        {ROOM("'streamOutputs':[{'protocol':'RTMP','urls':['srt://x:1']}]"),
         EG_ERROR_INVALID_ARGUMENT, "invalid url srt://x:1: invalid scheme; it must be rtmp, "},
        {PERSON("'preset':'PASSTHROUGH','streamOutputs':[{'urls':['rtmp://x/app/key']}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "preset (PASSTHROUGH into flv, which holds AAC, H264, "},
        {PERSON("'fileOutputs':[{'filepath':'x.webm'}],'streamOutputs':[{'urls':['srt://x:1']}]"),
         EG_ERROR_INVALID_ARGUMENT, "no supported codec is compatible with all outputs: webm holds "
         "Opus, VP8, VP9; ts holds AAC, H264, MP3"},
        {ROOM("'fileOutputs':[{'fileType':7}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "file_type (7 is none)"},
        {TRACK("'filepath':'a/../b'"), EG_ERROR_INVALID_ARGUMENT, INVALID "filepath (may not"},
        {TRACK("'filepath':'{nonsense}'"), EG_ERROR_INVALID_ARGUMENT, INVALID "filepath (unknown"},
        {TRACK("'filepath':'a\\nb'"), EG_ERROR_INVALID_ARGUMENT, INVALID "filepath (has control"},
  // clang-format on
    };
    const EgConfig config = make_config();
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);
}

/* One encode for all of them. */
static void test_several(void)
{
    static const GoodCase cases[] = {
  // clang-format off
        {EGRESS("{'file':{'filepath':'a.mp4'}},{'file':{'filepath':'b'}}"),
         "media: room video V encode mp4+mp4 H264 file:a.mp4 file:b", 2},
        {MIXED("{'file':{'filepath':'a.ogg'}},{'file':{'filepath':'b.mp4'}}"),
         "template: room audio *>both encode ogg+mp4 Opus file:a.ogg file:b.mp4", 0.75},
        {MIXED("{'file':{'filepath':'b.mp4'}},{'file':{'filepath':'a.ogg'}}"),
         "template: room audio *>both encode mp4+ogg Opus file:b.mp4 file:a.ogg", 0.75},
        {MIXED("{'stream':{'urls':['ws://x','ws://y']}}"),
         "template: room audio *>both encode raw+raw PCM websocket:ws://x websocket:ws://y", 0.75},
  // clang-format on
    };
    expect_plans(cases, G_N_ELEMENTS(cases));
}

static void test_retry(void)
{
    static const BadCase bad[] = {
        {"{'retryCount':1,'track':{'roomName':'r','trackId':'T','file':{'filepath':'x'}}}",
         EG_ERROR_FAILED_PRECONDITION, "output configuration does not support retry"},
        {"{'retryCount':-1,'track':{'roomName':'r','trackId':'T','file':{}}}",
         EG_ERROR_INVALID_ARGUMENT,    INVALID "retry_count"                        },
    };
    EgConfig config = make_config();
    config.local_root = text_of("/srv/{retry}");
    expect_refusals(bad, G_N_ELEMENTS(bad), &config);
    /* A stream has no name that could be taken. */
    static const GoodCase good[] = {
        {"{'retryCount':1,'track':{'roomName':'r','trackId':'T','websocketUrl':'ws://x'}}",
         "track: tracks audio T>both encode raw PCM websocket:ws://x", 0.5},
    };
    expect_plans(good, G_N_ELEMENTS(good));
}

static void test_local_root(void)
{
    static const struct {
        const char *root;
        const char *filepath;
        const char *path;
    } cases[] = {
        {NULL,       "/abs/x",     "/abs/x"         },
        {NULL,       "x",          "x"              },
        {"/srv/rec", "",           "/srv/rec/"      },
        {"/srv/rec", "x.mp4",      "/srv/rec/x.mp4" },
        {"/srv/rec", "a/b/",       "/srv/rec/a/b/"  },
        {"/srv/rec", "/etc/x",     "/srv/rec/etc/x" },
        {"/srv/rec", "///etc/x",   "/srv/rec/etc/x" },
        {"/srv/rec", "/",          "/srv/rec/"      },
        {"/srv/rec", "./x",        "/srv/rec/./x"   },
        {"/srv//",   "{track_id}", "/srv/{track_id}"},
        {"/",        "/x",         "/x"             },
        {"rec",      "/x",         "rec/x"          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgConfig config = make_config();
        config.local_root = text_of(cases[i].root);
        g_autofree char *json = g_strdup_printf(
            "{'track':{'roomName':'r','trackId':'T','file':{'filepath':'%s'}}}", cases[i].filepath);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgPlan) plan = plan_of_json(json, &config, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(plan->outputs[0].path_template, ==, cases[i].path);
    }
}

static void test_outside_root(void)
{
    static const char *const paths[] = {
        "..", "../x", "/../x", "a/../../x", "a/..", "{room_name}/../x", "/srv/rec/../x",
    };
    EgConfig config = make_config();
    config.local_root = text_of("/srv/rec");
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *json = g_strdup_printf(TRACK("'filepath':'%s'"), paths[i]);
        const BadCase bad = {json, EG_ERROR_INVALID_ARGUMENT, INVALID "filepath (may not contain"};
        expect_refusals(&bad, 1, &config);
    }
    /* Only together they are too long. */
    g_autofree char *root = g_strnfill(4000, 'r');
    root[0] = '/';
    for (gsize i = 200; i < strlen(root); i += 200)
        root[i] = '/';
    config.local_root = root;
    g_autofree char *json = g_strdup_printf(TRACK("'filepath':'%0100d'"), 7);
    const BadCase bad = {json, EG_ERROR_INVALID_ARGUMENT, INVALID "filepath (is too long"};
    expect_refusals(&bad, 1, &config);
}

static void test_no_local_storage(void)
{
    EgConfig config = make_config();
    config.disallow_local_storage = true;
    static const BadCase cases[] = {
        {TRACK(""),                  EG_ERROR_INVALID_ARGUMENT, INVALID "output (a file without storage"},
        {ROOM("'fileOutputs':[{}]"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "output (a file without storage"                                                       },
        {EGRESS("{'file':{}}"),      EG_ERROR_INVALID_ARGUMENT,
         INVALID "output (a file without storage"                                                       },
    };
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);

    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = plan_of_json(
        "{'track':{'roomName':'r','trackId':'T','websocketUrl':'ws://x'}}", &config, &error);
    g_assert_no_error(error);
    g_assert_nonnull(plan);
}

static void test_limits(void)
{
    EgConfig config = make_config();
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) file = plan_of_json(TRACK(""), &config, &error);
    g_assert_no_error(error);
    g_assert_cmpint(file->limit_duration_ns, ==, 60 * EG_NS_PER_S);
    g_assert_cmpint(file->limit_size_bytes, ==, MIB);

    config.limits = (EgLimitConfig){.segment_duration_ns = 1, .image_duration_ns = 1};
    g_autoptr(EgPlan) endless = plan_of_json(TRACK(""), &config, &error);
    g_assert_no_error(error);
    g_assert_cmpint(endless->limit_duration_ns, ==, 0);
    g_assert_cmpint(endless->limit_size_bytes, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/plan-outputs/invalid", test_invalid);
    g_test_add_func("/request/plan-outputs/several", test_several);
    g_test_add_func("/request/plan-outputs/retry", test_retry);
    g_test_add_func("/request/plan-outputs/local-root", test_local_root);
    g_test_add_func("/request/plan-outputs/outside-root", test_outside_root);
    g_test_add_func("/request/plan-outputs/no-local-storage", test_no_local_storage);
    g_test_add_func("/request/plan-outputs/limits", test_limits);
    return g_test_run();
}
