#include "cli/options.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "request/plan.h"

#define NEEDED "--url=ws://h", "--api-key=k", "--api-secret=s", "--room=r"

static EgRecordOptions *parse(const char *const *args, GError **error)
{
    return eg_record_options_parse(args, error);
}

static EgPlan *plan_of(const EgRecordOptions *options)
{
    g_autoptr(GError) error = NULL;
    EgPlan *plan = eg_plan_new(options->request, options->config, &error);
    g_assert_no_error(error);
    return plan;
}

static void test_participant(void)
{
    static const char *const args[] = {NEEDED, "--participant", "alice", "-o", "out.mp4", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) options = parse(args, &error);
    g_assert_no_error(error);
    g_assert_null(options->help);
    g_assert_cmpint(options->duration_ns, ==, 0);
    g_assert_false(options->may_overwrite || options->is_json || options->is_quiet);
    g_assert_cmpint(options->config->log_level, ==, EG_LOG_WARNING);

    g_autoptr(EgPlan) plan = plan_of(options);
    g_assert_true(g_str_has_prefix(plan->egress_id, "EG_"));
    g_assert_cmpuint(strlen(plan->egress_id), ==, 15);
    g_assert_cmpstr(plan->ws_url, ==, "ws://h");
    g_assert_cmpstr(plan->room_name, ==, "r");
    g_assert_cmpstr(plan->selection.identity, ==, "alice");
    g_assert_cmpint(g_array_index(plan->selection.video, EgRule, 0).share, ==, EG_SHARE_NO);
    g_assert_cmpint(plan->outputs[0].format, ==, EG_FORMAT_MP4);
    g_assert_cmpint(plan->processing, ==, EG_PROCESSING_ENCODE);
    g_assert_cmpuint(plan->video.height, ==, 720);
}

static void test_kinds(void)
{
    static const struct {
        const char *args[12];
        Rpc__StartEgressRequest__RequestCase request_case;
        EgProcessing processing;
    } cases[] = {
        {{NEEDED, "--participant=a", "--screen-share", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT,                                                                                 EG_PROCESSING_ENCODE     },
        {{NEEDED, "--participant=a", "--passthrough", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT,                                                                                 EG_PROCESSING_PASSTHROUGH},
        {{NEEDED, "--track=TR_1", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_TRACK,                                                                                       EG_PROCESSING_PASSTHROUGH},
        {{NEEDED, "--track=TR_1", "--passthrough", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_TRACK,                                                                                       EG_PROCESSING_PASSTHROUGH},
        {{NEEDED, "--audio-track=TR_1", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE,                                                                             EG_PROCESSING_ENCODE     },
        {{NEEDED, "--audio-track=TR_1", "--video-track=TR_2", "--passthrough", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE,                                                                             EG_PROCESSING_PASSTHROUGH},
        {{NEEDED, NULL},                                                              RPC__START_EGRESS_REQUEST__REQUEST_ROOM_COMPOSITE, EG_PROCESSING_ENCODE     },
        {{NEEDED, "--layout=speaker", "--template=https://t.example", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_ROOM_COMPOSITE,                                                                              EG_PROCESSING_ENCODE     },
        {{"--web=https://example.org", "--await-start-signal", NULL},
         RPC__START_EGRESS_REQUEST__REQUEST_WEB,                                                                                         EG_PROCESSING_ENCODE     },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgRecordOptions) options = parse(cases[i].args, &error);
        g_assert_no_error(error);
        g_assert_cmpint(options->request->request_case, ==, cases[i].request_case);
        g_autoptr(EgPlan) plan = plan_of(options);
        g_assert_cmpint(plan->processing, ==, cases[i].processing);
        if (plan->selection.identity != NULL)
            g_assert_cmpint(g_array_index(plan->selection.video, EgRule, 0).share, ==,
                            i == 0 ? EG_SHARE_YES : EG_SHARE_NO);
    }
}

/* Into a format without pictures the sound alone; of a room without a browser, if no layout is
 * asked for. */
static void test_sound_only(void)
{
    static const struct {
        const char *args[12];
        EgSourceKind source;
        bool has_video;
    } cases[] = {
        {{NEEDED, "-o", "x.ogg", NULL},                  EG_SOURCE_ROOM, false},
        {{NEEDED, "-o", "x.mp3", "--layout=grid", NULL}, EG_SOURCE_PAGE, false},
        {{NEEDED, "-o", "x.webm", NULL},                 EG_SOURCE_PAGE, true },
        {{NEEDED, NULL},                                 EG_SOURCE_PAGE, true },
        {{"--web=http://x", "-o", "x.ogg", NULL},        EG_SOURCE_PAGE, false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgRecordOptions) options = parse(cases[i].args, &error);
        g_assert_no_error(error);
        g_autoptr(EgPlan) plan = plan_of(options);
        g_assert_cmpint(plan->source, ==, cases[i].source);
        g_assert_cmpint(plan->video.codec != EG_CODEC_NONE, ==, cases[i].has_video);
    }
}

static const EgOutput *output_of(const EgPlan *plan, EgOutputKind kind)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].kind == kind)
            return &plan->outputs[i];
    }
    return NULL;
}

/* By the extension. */
static void test_series(void)
{
    static const char *const args[] = {
        NEEDED,        "--participant=a",     "-o", "x.mp4", "-o", "hls/../y.m3u8", "-o",
        "s/%05d.webp", "--image-interval=1m", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) options = parse(args, &error);
    g_assert_no_error(error);
    g_autoptr(EgPlan) plan = plan_of(options);
    g_assert_cmpuint(plan->n_outputs, ==, 3);
    const EgOutput *segments = output_of(plan, EG_OUTPUT_SEGMENTS);
    g_assert_true(g_str_has_suffix(segments->segments.playlist_template, "/y"));
    const EgOutput *images = output_of(plan, EG_OUTPUT_IMAGES);
    g_assert_cmpstr(images->path_template, ==, "s/%05d");
    g_assert_cmpstr(images->images.extension, ==, ".webp");
    g_assert_cmpint(images->suffix, ==, EG_SUFFIX_INDEX);
    g_assert_cmpint(images->images.interval_ns, ==, 60 * EG_NS_PER_S);

    /* Alone; images of a room need pictures, and so a browser. */
    static const char *const replaced[] = {NEEDED, "-o", "now.JPG", NULL};
    g_autoptr(EgRecordOptions) other = parse(replaced, &error);
    g_assert_no_error(error);
    g_autoptr(EgPlan) room = plan_of(other);
    g_assert_cmpuint(room->n_outputs, ==, 1);
    g_assert_cmpint(room->source, ==, EG_SOURCE_PAGE);
    g_assert_cmpint(room->outputs[0].suffix, ==, EG_SUFFIX_NONE);
    g_assert_cmpint(room->outputs[0].images.interval_ns, ==, 10 * EG_NS_PER_S);
}

static void test_series_refused(void)
{
    static const struct {
        const char *args[14];
        const char *text;
    } cases[] = {
        {{NEEDED, "--participant=a", "-o", "x.m3u8", "-o", "y.m3u8", NULL},
         "--output: there can be several streams"                                                              },
        {{NEEDED, "--participant=a", "-o", "x.jpg", "-o", "y.png", NULL},
         "--output: there can be several streams"                                                              },
        {{NEEDED, "--participant=a", "-o", "x.mp4", "--image-interval=5s", NULL},
         "--image-interval goes with images"                                                                   },
        {{NEEDED, "--participant=a", "-o", "x.jpg", "--image-interval=0", NULL},
         "--image-interval: 0 is no number"                                                                    },
        {{NEEDED, "--participant=a", "-o", "x.jpg", "--image-interval=1.5", NULL},
         "--image-interval: 1.5 is no number"                                                                  },
        {{NEEDED, "--track=TR_1", "-o", "x.m3u8", NULL},                           "--track goes into one file"},
        {{NEEDED, "--participant=a", "-o", "x.gif", NULL},
         "--output: there is no format .gif; there are .mp4, .webm, .mkv, .ogg, .mp3 and .wav, .m3u8"          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(cases[i].args, &error));
        g_test_message("%s", error->message);
        g_assert_true(g_str_has_prefix(error->message, cases[i].text));
    }
}

static void test_encoding(void)
{
    /* A preset that single options change. */
    static const char *const args[] = {
        NEEDED,
        "--participant=a",
        "--preset=Portrait-1080p60",
        "--video-bitrate=2500",
        "--audio-bitrate=96",
        "--audio-frequency=48000",
        "--key-frame-interval=2",
        "--video-codec=h264-baseline",
        "--audio-codec=opus",
        NULL,
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) options = parse(args, &error);
    g_assert_no_error(error);
    g_autoptr(EgPlan) plan = plan_of(options);
    g_assert_cmpuint(plan->video.width, ==, 1080);
    g_assert_cmpuint(plan->video.height, ==, 1920);
    g_assert_cmpuint(plan->video.fps, ==, 60);
    g_assert_cmpuint(plan->video.bitrate_bps, ==, 2500000);
    g_assert_cmpfloat(plan->video.key_frame_interval_s, ==, 2);
    g_assert_cmpint(plan->video.profile, ==, EG_PROFILE_BASELINE);
    g_assert_cmpint(plan->audio.codec, ==, EG_CODEC_OPUS);
    g_assert_cmpuint(plan->audio.bitrate_bps, ==, 96000);

    static const char *const preset_only[] = {NEEDED, "--audio-track=a", "--video-track=v",
                                              "--preset=720p60", NULL};
    g_autoptr(EgRecordOptions) simple = parse(preset_only, &error);
    g_assert_no_error(error);
    g_assert_cmpint(simple->request->track_composite->options_case, ==,
                    LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OPTIONS_PRESET);
    g_assert_cmpint(simple->request->track_composite->preset, ==,
                    LIVEKIT__ENCODING_OPTIONS_PRESET__H264_720P_60);

    static const char *const size_only[] = {NEEDED,         "--video-track=v", "--width=640",
                                            "--height=360", "--framerate=25",  NULL};
    g_autoptr(EgRecordOptions) sized = parse(size_only, &error);
    g_assert_no_error(error);
    g_autoptr(EgPlan) small = plan_of(sized);
    g_assert_cmpuint(small->video.width, ==, 640);
    g_assert_cmpuint(small->video.height, ==, 360);
    g_assert_cmpuint(small->video.fps, ==, 25);
}

static void test_run(void)
{
    static const char *const args[] = {NEEDED,   "--track=t",         "--duration=1m30s",
                                       "--json", "--log-level=debug", "--log-json",
                                       "-q",     "--overwrite",       NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) options = parse(args, &error);
    g_assert_no_error(error);
    g_assert_cmpint(options->duration_ns, ==, 90 * EG_NS_PER_S);
    g_assert_true(options->is_json && options->is_quiet && options->may_overwrite);
    g_assert_cmpint(options->config->log_level, ==, EG_LOG_DEBUG);
    g_assert_true(options->config->log_json);

    static const char *const json[] = {NEEDED, "--track=t", "--log-json", NULL};
    g_autoptr(EgRecordOptions) log_json = parse(json, &error);
    g_assert_no_error(error);
    g_assert_cmpint(log_json->config->log_level, ==, EG_LOG_INFO);
}

static void test_environment(void)
{
    static const char *const args[] = {"--room=r", "--track=t", NULL};
    g_setenv("LIVEKIT_URL", "wss://env", TRUE);
    g_setenv("LIVEKIT_API_KEY", "env-key", TRUE);
    g_setenv("LIVEKIT_API_SECRET", "env-secret", TRUE);
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) from_env = parse(args, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(from_env->config->api_key, ==, "env-key");
    g_assert_cmpstr(from_env->config->api_secret, ==, "env-secret");
    g_autoptr(EgPlan) plan = plan_of(from_env);
    g_assert_cmpstr(plan->ws_url, ==, "wss://env");

    /* What is given goes before it. */
    static const char *const given[] = {NEEDED, "--track=t", NULL};
    g_autoptr(EgRecordOptions) from_args = parse(given, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(from_args->config->api_key, ==, "k");
    g_assert_cmpstr(from_args->config->api_secret, ==, "s");
    g_autoptr(EgPlan) other = plan_of(from_args);
    g_assert_cmpstr(other->ws_url, ==, "ws://h");

    static const char *const token[] = {"--room=r", "--track=t", "--token=jwt", NULL};
    g_autoptr(EgRecordOptions) with_token = parse(token, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(with_token->request->token, ==, "jwt");
    g_unsetenv("LIVEKIT_URL");
    g_unsetenv("LIVEKIT_API_KEY");
    g_unsetenv("LIVEKIT_API_SECRET");
}

static void test_output(void)
{
    g_autofree char *folder = g_get_current_dir();
    g_autofree char *parent = g_path_get_dirname(folder);
    g_autofree char *beside = g_build_filename(parent, "x.mp4", NULL);
    g_autofree char *into = g_strconcat(parent, "/", NULL);
    g_autofree char *here = g_strconcat(folder, "/", NULL);
    const struct {
        const char *output; /* NULL: not given */
        const char *filepath;
    } cases[] = {
        {NULL,                ""                 },
        {"x.mp4",             "x.mp4"            },
        {"./rec/{time}.webm", "./rec/{time}.webm"},
        {"rec/",              "rec/"             },
        {"/abs/x",            "/abs/x"           },
        {"caf\xc3\xa9.ogg",   "caf\xc3\xa9.ogg"  },
        {"../x.mp4",          beside             },
        {"..",                into               },
        {"a/../",             here               },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *args[] = {NEEDED, "--participant=a", "-o", cases[i].output, NULL};
        if (cases[i].output == NULL)
            args[5] = NULL;
        g_autoptr(GError) error = NULL;
        g_autoptr(EgRecordOptions) options = parse(args, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(options->request->participant->file_outputs[0]->filepath, ==,
                        cases[i].filepath);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *args; /* after NEEDED */
        const char *text;
    } cases[] = {
        {"--participant=a --web=http://x",              "these exclude each other"                        },
        {"--participant=a --layout=grid",               "--layout and --template are for whole"           },
        {"--web=http://x --template=http://y",          "--layout and --template are for whole"           },
        {"--participant=a --await-start-signal",        "--await-start-signal goes with --web"            },
        {"--participant=a --track=b",                   "these exclude each other"                        },
        {"--track=a --audio-track=b",                   "these exclude each other"                        },
        {"--track=a --screen-share",                    "--screen-share goes with"                        },
        {"--participant=a --bogus",                     "Unknown option --bogus"                          },
        {"--participant",                               "Missing argument"                                },
        {"--participant=a out.mp4",                     "unexpected argument out"                         },
        {"--participant=a --width=big",                 "Cannot parse integer"                            },
        {"--participant=a --width=0",                   "--width: 0 is not greater"                       },
        {"--participant=a --width=-1",                  "--width: -1 is not greater"                      },
        {"--participant=a --preset=4k",                 "--preset: 4k is none of 720p30, 720p60"          },
        {"--participant=a --video-codec=av1",           "av1 is none of h264"                             },
        {"--participant=a --audio-codec=flac",          "flac is none of aac"                             },
        {"--participant=a --duration=soon",             "--duration: soon is no time"                     },
        {"--participant=a --duration=0",                "--duration: 0 is no time"                        },
        {"--participant=a --log-level=loud",            "loud is none of error"                           },
        {"--participant=a --token=t",                   "--token stands in for --api-key"                 },
        {"--participant=a -o x.avi",                    "there is no format .avi"                         },
        {"--participant=a --h264-encoder=qsv",          "--h264-encoder: qsv is not one of x264, openh264"},
        {"--participant=a --encoder-preset=best",       "--encoder-preset: best is not one of ultrafast"  },
        {"--participant=a --rate-control=vbr",          "--rate-control: vbr is not one of variable"      },
        {"--participant=a -o -",                        "cannot go to standard output"                    },
        {"--participant=\xff",                          "not UTF-8: --participant="                       },
        {"--track=t --width=640",                       "--track leaves codecs, size and rates"           },
        {"--track=t --preset=720p30",                   "--track leaves codecs"                           },
        {"--participant=a --passthrough --framerate=5", "--passthrough leaves codecs"                     },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        static const char *const needed[] = {NEEDED};
        for (gsize n = 0; n < G_N_ELEMENTS(needed); n++)
            g_strv_builder_add(builder, needed[n]);
        g_auto(GStrv) more = g_strsplit(cases[i].args, " ", -1);
        g_strv_builder_addv(builder, (const char **)more);
        g_auto(GStrv) args = g_strv_builder_end(builder);
        g_autoptr(GError) error = NULL;
        g_autoptr(EgRecordOptions) options = parse((const char *const *)args, &error);
        g_assert_null(options);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].text));
        g_assert_null(strchr(error->message, '\n'));
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
    }
}

static void test_help(void)
{
    static const char *const args[] = {"--help", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) options = parse(args, &error);
    g_assert_no_error(error);
    g_assert_nonnull(strstr(options->help, "--participant=IDENTITY"));
    g_assert_nonnull(strstr(options->help, "LIVEKIT_API_SECRET"));
    g_assert_null(options->request);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_unsetenv("LIVEKIT_URL");
    g_unsetenv("LIVEKIT_WS_URL");
    g_unsetenv("LIVEKIT_API_KEY");
    g_unsetenv("LIVEKIT_API_SECRET");
    g_test_add_func("/cli/options/participant", test_participant);
    g_test_add_func("/cli/options/kinds", test_kinds);
    g_test_add_func("/cli/options/sound-only", test_sound_only);
    g_test_add_func("/cli/options/series", test_series);
    g_test_add_func("/cli/options/series-refused", test_series_refused);
    g_test_add_func("/cli/options/encoding", test_encoding);
    g_test_add_func("/cli/options/run", test_run);
    g_test_add_func("/cli/options/environment", test_environment);
    g_test_add_func("/cli/options/output", test_output);
    g_test_add_func("/cli/options/refused", test_refused);
    g_test_add_func("/cli/options/help", test_help);
    return g_test_run();
}
