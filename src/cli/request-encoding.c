/* What the command line says of encoding. */
#include "cli/request-encoding.h"

#include "base/error.h"
#include "request/preset.h"

static const struct {
    const char *name;
    Livekit__VideoCodec codec;
} video_codecs[] = {
    {"h264",          LIVEKIT__VIDEO_CODEC__H264_MAIN    },
    {"h264-baseline", LIVEKIT__VIDEO_CODEC__H264_BASELINE},
    {"h264-main",     LIVEKIT__VIDEO_CODEC__H264_MAIN    },
    {"h264-high",     LIVEKIT__VIDEO_CODEC__H264_HIGH    },
    {"vp8",           LIVEKIT__VIDEO_CODEC__VP8          },
    {"vp9",           LIVEKIT__VIDEO_CODEC__VP9          },
};

static const struct {
    const char *name;
    Livekit__AudioCodec codec;
} audio_codecs[] = {
    {"aac",  LIVEKIT__AUDIO_CODEC__AAC   },
    {"opus", LIVEKIT__AUDIO_CODEC__OPUS  },
    {"mp3",  LIVEKIT__AUDIO_CODEC__AC_MP3},
};

static void free_advanced(Livekit__EncodingOptions *advanced)
{
    if (advanced != NULL)
        livekit__encoding_options__free_unpacked(advanced, NULL);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Livekit__EncodingOptions, free_advanced)

typedef struct {
    const char *option;
    gint value;
    gint32 *target;
} Number;

static bool apply_numbers(const EgRecordArguments *a, Livekit__EncodingOptions *o, bool *any,
                          GError **error)
{
    const Number numbers[] = {
        {"width",           a->width,           &o->width          },
        {"height",          a->height,          &o->height         },
        {"framerate",       a->framerate,       &o->framerate      },
        {"video-bitrate",   a->video_bitrate,   &o->video_bitrate  },
        {"audio-bitrate",   a->audio_bitrate,   &o->audio_bitrate  },
        {"audio-frequency", a->audio_frequency, &o->audio_frequency},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (numbers[i].value == EG_OPTION_UNSET)
            continue;
        /* In a request 0 means not set. */
        if (numbers[i].value <= 0) {
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                         "--%s: %d is not greater than 0", numbers[i].option, numbers[i].value);
            return false;
        }
        *numbers[i].target = numbers[i].value;
        *any = true;
    }
    if (a->key_frame_interval_s != EG_OPTION_UNSET) {
        o->key_frame_interval = a->key_frame_interval_s;
        *any = true;
    }
    return true;
}

static bool apply_codecs(const EgRecordArguments *a, Livekit__EncodingOptions *o, bool *any,
                         GError **error)
{
    for (gsize i = 0; a->video_codec != NULL && i < G_N_ELEMENTS(video_codecs); i++) {
        if (g_ascii_strcasecmp(a->video_codec, video_codecs[i].name) == 0)
            o->video_codec = video_codecs[i].codec;
    }
    for (gsize i = 0; a->audio_codec != NULL && i < G_N_ELEMENTS(audio_codecs); i++) {
        if (g_ascii_strcasecmp(a->audio_codec, audio_codecs[i].name) == 0)
            o->audio_codec = audio_codecs[i].codec;
    }
    if (a->video_codec != NULL && o->video_codec == LIVEKIT__VIDEO_CODEC__DEFAULT_VC) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "--video-codec: %s is none of h264, h264-baseline, h264-high, vp8, vp9",
                     a->video_codec);
        return false;
    }
    if (a->audio_codec != NULL && o->audio_codec == LIVEKIT__AUDIO_CODEC__DEFAULT_AC) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "--audio-codec: %s is none of aac, opus, mp3", a->audio_codec);
        return false;
    }
    *any = *any || a->video_codec != NULL || a->audio_codec != NULL;
    return true;
}

static bool parse_preset(const EgRecordArguments *a, const EgPreset **preset, GError **error)
{
    *preset = NULL;
    if (a->preset == NULL)
        return true;
    *preset = eg_preset_from_name(a->preset);
    if (*preset != NULL)
        return true;
    g_autofree char *names = eg_preset_names();
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "--preset: %s is none of %s",
                 a->preset, names);
    return false;
}

bool eg_record_encoding_parse(const EgRecordArguments *a, EgRecordEncoding *encoding,
                              GError **error)
{
    const EgPreset *preset = NULL;
    if (!parse_preset(a, &preset, error))
        return false;

    g_autoptr(Livekit__EncodingOptions) advanced = g_new(Livekit__EncodingOptions, 1);
    livekit__encoding_options__init(advanced);
    if (preset != NULL) {
        advanced->width = (gint32)preset->width;
        advanced->height = (gint32)preset->height;
        advanced->framerate = (gint32)preset->fps;
        advanced->video_bitrate = (gint32)(preset->bitrate_bps / 1000);
    }
    bool any = false;
    if (!apply_numbers(a, advanced, &any, error) || !apply_codecs(a, advanced, &any, error))
        return false;

    if ((a->is_passthrough || a->track != NULL) && (any || preset != NULL)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "%s leaves codecs, size and rates as they are: it cannot be combined with "
                     "options of encoding",
                     a->is_passthrough ? "--passthrough" : "--track");
        return false;
    }
    encoding->has_preset = a->is_passthrough || (preset != NULL && !any);
    if (a->is_passthrough)
        encoding->preset = LIVEKIT__ENCODING_OPTIONS_PRESET__PASSTHROUGH;
    else if (preset != NULL)
        encoding->preset = preset->preset;
    if (any)
        encoding->advanced = g_steal_pointer(&advanced);
    return true;
}
