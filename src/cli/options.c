#include "cli/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "cli/request.h"
#include "config/value.h"

static const char summary[] =
    "Records a LiveKit room, a participant or tracks of it, or a web page, into a file, or streams it.";

static const char description[] =
    "Examples:\n"
    "  egress record --room standup -o standup.mp4\n"
    "  egress record --room standup --participant alice -o alice.mp4\n"
    "  egress record --room standup --track TR_AMxxxxxxxxxxxx -o '{track_source}-{time}'\n"
    "  egress record --room standup --participant alice --passthrough -o alice.webm\n"
    "  egress record --room standup -o rtmp://live.example.org/app/key -o standup.mp4\n"
    "  egress record --room standup --participant alice -o hls/alice.m3u8 -o 'shots/%05d.jpg'\n"
    "  egress record --web https://example.org/ --duration 1m -o page.mp4\n"
    "\n"
    "The first Ctrl-C finishes the file, the second gives up. LIVEKIT_URL, LIVEKIT_API_KEY and\n"
    "LIVEKIT_API_SECRET stand in for the options of the same name. See egress(1).\n";

/* All strings are taken as they are, whatever the locale; check_text() looks at them. */
#define TEXT(long_name, letter, target, help, value)                                               \
    {                                                                                              \
        long_name, letter, 0, G_OPTION_ARG_FILENAME, target, help, value                           \
    }
#define LIST(long_name, letter, target, help, value)                                               \
    {                                                                                              \
        long_name, letter, 0, G_OPTION_ARG_FILENAME_ARRAY, target, help, value                     \
    }
#define FLAG(long_name, letter, target, help)                                                      \
    {                                                                                              \
        long_name, letter, 0, G_OPTION_ARG_NONE, target, help, NULL                                \
    }
#define NUMBER(long_name, target, help, value)                                                     \
    {                                                                                              \
        long_name, 0, 0, G_OPTION_ARG_INT, target, help, value                                     \
    }
#define REAL(long_name, target, help, value)                                                       \
    {                                                                                              \
        long_name, 0, 0, G_OPTION_ARG_DOUBLE, target, help, value                                  \
    }
#define REST(target)                                                                               \
    {                                                                                              \
        G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, target, NULL, NULL                  \
    }

static GOptionContext *make_context(EgRecordArguments *a)
{
    const GOptionEntry entries[] = {
        TEXT("url", 0, &a->url, "The LiveKit server", "WS://HOST:PORT"),
        TEXT("api-key", 0, &a->api_key, "Key that joins the room", "KEY"),
        TEXT("api-secret", 0, &a->api_secret, "Its secret; better given as LIVEKIT_API_SECRET",
             "SECRET"),
        TEXT("token", 0, &a->token, "Token that joins the room, in place of key and secret", "JWT"),
        TEXT("room", 0, &a->room,
             "Name of the room; with none of the options that follow, all of it is recorded",
             "ROOM"),
        TEXT("layout", 0, &a->layout,
             "Record the room in this layout: grid, speaker or single-speaker, with -light "
             "after it if it shall be light, or one that the template knows",
             "LAYOUT"),
        TEXT("template", 0, &a->template_url, "Record the room as this page shows it", "URL"),
        TEXT("web", 0, &a->web, "Record this page", "URL"),
        FLAG("await-start-signal", 0, &a->awaits_signal,
             "Begin when the page writes START_RECORDING to its console"),
        TEXT("participant", 0, &a->participant, "Record camera and microphone of this participant",
             "IDENTITY"),
        FLAG("screen-share", 0, &a->is_screen_share, "Record the participant's screen instead"),
        TEXT("track", 0, &a->track, "Record this one track as it is", "TR_..."),
        TEXT("audio-track", 0, &a->audio_track, "Record this track's sound", "TR_..."),
        TEXT("video-track", 0, &a->video_track, "Record this track's picture", "TR_..."),
        LIST(
            "output", 'o', &a->outputs,
            "File: .mp4, .webm, .mkv, .ogg, .mp3 or .wav; may have {room_name}, {time} and the like. Or "
            "segments with a playlist: .m3u8. Or images: .jpg, .png or .webp, with %05d for their "
            "number. Or "
            "stream: rtmp://, rtmps://, srt://, mux://KEY, twitch://KEY; several are possible. Files "
            "can go to a store: s3://BUCKET/NAME, gs://, az://, oss://",
            "FILE|URL"),
        TEXT("image-interval", 0, &a->image_interval, "Time from image to image; 10s by default",
             "TIME"),
        FLAG("overwrite", 0, &a->may_overwrite, "Replace a file that is there already"),
        TEXT("duration", 0, &a->duration, "Stop after this time, as in 90s or 1h30m", "TIME"),
        FLAG("passthrough", 0, &a->is_passthrough, "Do not transcode: codecs as they are sent"),
        TEXT("preset", 0, &a->preset,
             "720p30 (the default), 720p60, 1080p30, 1080p60, or portrait- and one of these",
             "PRESET"),
        NUMBER("width", &a->width, "Width of the picture", "PIXELS"),
        NUMBER("height", &a->height, "Height of the picture", "PIXELS"),
        NUMBER("framerate", &a->framerate, "Pictures in a second", "N"),
        NUMBER("video-bitrate", &a->video_bitrate, "Bit rate of the picture", "KBIT/S"),
        NUMBER("audio-bitrate", &a->audio_bitrate, "Bit rate of the sound", "KBIT/S"),
        NUMBER("audio-frequency", &a->audio_frequency, "Sampling rate of the sound", "HZ"),
        TEXT("video-codec", 0, &a->video_codec, "h264, h264-baseline, h264-high, vp8 or vp9",
             "CODEC"),
        TEXT("audio-codec", 0, &a->audio_codec, "aac, opus or mp3", "CODEC"),
        TEXT("h264-encoder", 0, &a->h264_encoder, "x264 (the default), openh264, va or nvenc",
             "ENCODER"),
        TEXT("encoder-preset", 0, &a->encoder_preset,
             "Of x264: ultrafast to veryslow; veryfast by default", "PRESET"),
        TEXT("rate-control", 0, &a->rate_control,
             "variable (the default), constant or quality: then the bit rate is a limit", "MODE"),
        REAL("key-frame-interval", &a->key_frame_interval_s, "Time from key frame to key frame",
             "SECONDS"),
        FLAG("json", 0, &a->is_json, "Print the result as JSON on standard output"),
        FLAG("quiet", 'q', &a->is_quiet, "Print nothing but errors"),
        TEXT("log-level", 0, &a->log_level,
             "error, warn (the default), info (with --log-json) or debug", "LEVEL"),
        FLAG("log-json", 0, &a->is_log_json, "Write the log as JSON"),
        FLAG("help", 'h', &a->is_help, "Show this text"),
        REST(&a->rest),
        G_OPTION_ENTRY_NULL,
    };
    GOptionContext *context = g_option_context_new(NULL);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_summary(context, summary);
    g_option_context_set_description(context, description);
    g_option_context_add_main_entries(context, entries, NULL);
    return context;
}

static void clear_arguments(EgRecordArguments *a)
{
    char **const texts[] = {
        &a->url,          &a->api_key,        &a->api_secret,   &a->token,
        &a->room,         &a->layout,         &a->template_url, &a->web,
        &a->participant,  &a->track,          &a->audio_track,  &a->video_track,
        &a->preset,       &a->video_codec,    &a->audio_codec,  &a->duration,
        &a->log_level,    &a->image_interval, &a->h264_encoder, &a->encoder_preset,
        &a->rate_control,
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_clear_pointer(texts[i], g_free);
    g_clear_pointer(&a->outputs, g_strfreev);
    g_clear_pointer(&a->rest, g_strfreev);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EgRecordArguments, clear_arguments)

static bool check_text(const char *const *args, GError **error)
{
    for (; *args != NULL; args++) {
        if (g_utf8_validate(*args, -1, NULL))
            continue;
        g_autofree char *valid = g_utf8_make_valid(*args, -1);
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "not UTF-8: %s", valid);
        return false;
    }
    return true;
}

/* In place of GLib's own texts and domain. */
static bool parse_arguments(GOptionContext *context, const char *const *args, EgRecordArguments *a,
                            GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(all, g_strdup("egress record"));
    for (; *args != NULL; args++)
        g_ptr_array_add(all, g_strdup(*args));
    g_ptr_array_add(all, NULL);
    /* Parsing moves pointers around in the list that it is given, but frees none. */
    g_autofree char **list = g_memdup2(all->pdata, all->len * sizeof(char *));

    g_autoptr(GError) failure = NULL;
    int n_args = (int)all->len - 1;
    if (!g_option_context_parse(context, &n_args, &list, &failure)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "%s; egress record --help shows what there is", failure->message);
        return false;
    }
    if (a->rest != NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "unexpected argument %s; the file is given with -o", a->rest[0]);
        return false;
    }
    return true;
}

/* Credentials on the command line are a choice for this run; what is left in the environment does
 * not count beside them. */
static bool apply_credentials(const EgRecordArguments *a, EgConfig *config, GError **error)
{
    if (a->token != NULL && (a->api_key != NULL || a->api_secret != NULL)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "--token stands in for --api-key and --api-secret: give one or the other");
        return false;
    }
    if (a->api_key != NULL) {
        g_free(config->api_key);
        config->api_key = g_strdup(a->api_key);
    }
    if (a->api_secret != NULL) {
        g_free(config->api_secret);
        config->api_secret = g_strdup(a->api_secret);
    }
    return true;
}

/* What the service is told by its configuration. */
static bool apply_encoder(const EgRecordArguments *a, EgConfig *config, GError **error)
{
    const struct {
        const char *option;
        const char *text;
        const char *key;
    } rows[] = {
        {"h264-encoder",   a->h264_encoder,   "video_encoder.h264"        },
        {"encoder-preset", a->encoder_preset, "video_encoder.preset"      },
        {"rate-control",   a->rate_control,   "video_encoder.rate_control"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const EgConfigKey *key = eg_config_key_find(eg_config_keys(), rows[i].key);
        if (rows[i].text == NULL || eg_config_value_set(config, key, rows[i].text))
            continue;
        g_autofree char *wanted = eg_config_value_wanted(key);
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "--%s: %s is not %s",
                     rows[i].option, rows[i].text, wanted);
        return false;
    }
    return true;
}

static bool apply_run(const EgRecordArguments *a, EgRecordOptions *options, GError **error)
{
    EgConfig *config = options->config;
    /* Who names a page here may see what this machine sees. */
    static const char *const all[] = {"*", NULL};
    config->web_allow = g_strdupv((char **)all);
    /* People see the progress; who asks for JSON wants the log. */
    config->log_level = a->is_log_json ? EG_LOG_INFO : EG_LOG_WARNING;
    config->log_json = a->is_log_json;
    if (a->log_level != NULL && !eg_log_level_parse(a->log_level, &config->log_level)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "--log-level: %s is none of error, warn, info, debug", a->log_level);
        return false;
    }
    if (a->duration != NULL &&
        (!eg_duration_parse(a->duration, &options->duration_ns) || options->duration_ns == 0)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "--duration: %s is no time; it is written 90s, 15m or 1h30m", a->duration);
        return false;
    }
    options->may_overwrite = a->may_overwrite;
    options->is_json = a->is_json;
    options->is_quiet = a->is_quiet;
    return true;
}

EgRecordOptions *eg_record_options_parse(const char *const *args, GError **error)
{
    g_auto(EgRecordArguments) arguments = {
        .width = EG_OPTION_UNSET,
        .height = EG_OPTION_UNSET,
        .framerate = EG_OPTION_UNSET,
        .video_bitrate = EG_OPTION_UNSET,
        .audio_bitrate = EG_OPTION_UNSET,
        .audio_frequency = EG_OPTION_UNSET,
        .key_frame_interval_s = EG_OPTION_UNSET,
    };
    g_autoptr(GOptionContext) context = make_context(&arguments);
    if (!check_text(args, error) || !parse_arguments(context, args, &arguments, error))
        return NULL;

    g_autoptr(EgRecordOptions) options = g_new0(EgRecordOptions, 1);
    g_auto(GStrv) environment = g_get_environ();
    options->config = eg_config_new((const char *const *)environment);
    if (arguments.is_help) {
        g_set_prgname("egress record");
        options->help = g_option_context_get_help(context, TRUE, NULL);
        return g_steal_pointer(&options);
    }
    if (!apply_run(&arguments, options, error) ||
        !apply_credentials(&arguments, options->config, error) ||
        !apply_encoder(&arguments, options->config, error))
        return NULL;
    options->request = eg_record_request_new(&arguments, error);
    return options->request != NULL ? g_steal_pointer(&options) : NULL;
}

void eg_record_options_free(EgRecordOptions *options)
{
    if (options == NULL)
        return;
    eg_config_free(options->config);
    eg_record_request_free(options->request);
    g_free(options->help);
    g_free(options);
}
