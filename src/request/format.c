#include "request/format.h"

#include <string.h>

static const EgFormatInfo formats[EG_N_FORMATS] = {
    [EG_FORMAT_NONE] = {"none", "",      false, {EG_CODEC_NONE}                             },
    [EG_FORMAT_MP4] = {"mp4",  ".mp4",  true,  {EG_CODEC_AAC, EG_CODEC_H264, EG_CODEC_OPUS}},
    [EG_FORMAT_WEBM] = {"webm", ".webm", true,  {EG_CODEC_OPUS, EG_CODEC_VP8, EG_CODEC_VP9} },
    [EG_FORMAT_MKV] = {"mkv",
                        ".mkv",          true,
                        {EG_CODEC_OPUS, EG_CODEC_H264, EG_CODEC_AAC, EG_CODEC_MP3, EG_CODEC_VP8,
                        EG_CODEC_VP9}                                                       },
    [EG_FORMAT_OGG] = {"ogg",  ".ogg",  true,  {EG_CODEC_OPUS}                             },
    [EG_FORMAT_MP3] = {"mp3",  ".mp3",  true,  {EG_CODEC_MP3}                              },
    [EG_FORMAT_WAV] = {"wav",  ".wav",  true,  {EG_CODEC_PCM}                              },
    [EG_FORMAT_FLV] = {"flv",  "",      false, {EG_CODEC_AAC, EG_CODEC_H264}               },
    [EG_FORMAT_TS] = {"ts",   ".ts",   false, {EG_CODEC_AAC, EG_CODEC_H264, EG_CODEC_MP3} },
    [EG_FORMAT_RAW] = {"raw",  "",      false, {EG_CODEC_PCM}                              },
};

/* Which one is taken when several would do. */
static const EgFormat preference[] = {
    EG_FORMAT_OGG,
    EG_FORMAT_MP4,
    EG_FORMAT_WEBM,
    EG_FORMAT_MP3,
};

const EgFormatInfo *eg_format_info(EgFormat format)
{
    g_assert(format < EG_N_FORMATS);
    return &formats[format];
}

bool eg_format_holds(EgFormat format, EgCodec codec)
{
    if (codec == EG_CODEC_NONE)
        return false;
    for (const EgCodec *c = eg_format_info(format)->codecs; *c != EG_CODEC_NONE; c++) {
        if (*c == codec)
            return true;
    }
    return false;
}

bool eg_format_holds_sent(EgFormat format, EgMedia media)
{
    for (const EgCodec *c = eg_format_info(format)->codecs; *c != EG_CODEC_NONE; c++) {
        const EgCodecInfo *info = eg_codec_info(*c);
        if (info->media == media && info->mime != NULL)
            return true;
    }
    return false;
}

bool eg_format_is_chosen(EgFormat format)
{
    for (gsize i = 0; i < G_N_ELEMENTS(preference); i++) {
        if (preference[i] == format)
            return true;
    }
    return false;
}

EgCodec eg_format_default_codec(EgFormat format, EgMedia media)
{
    for (const EgCodec *c = eg_format_info(format)->codecs; *c != EG_CODEC_NONE; c++) {
        if (eg_codec_info(*c)->media == media)
            return *c;
    }
    return EG_CODEC_NONE;
}

EgFormat eg_format_from_filename(const char *filename)
{
    const char *extension = strrchr(filename, '.');
    if (extension == NULL)
        return EG_FORMAT_NONE;
    for (guint i = EG_FORMAT_NONE + 1; i < EG_N_FORMATS; i++) {
        if (formats[i].is_file && g_ascii_strcasecmp(extension, formats[i].extension) == 0)
            return (EgFormat)i;
    }
    return EG_FORMAT_NONE;
}

EgFormat eg_format_for_codecs(EgCodec audio, EgCodec video)
{
    if (audio == EG_CODEC_NONE && video == EG_CODEC_NONE)
        return EG_FORMAT_NONE;
    for (gsize i = 0; i < G_N_ELEMENTS(preference); i++) {
        if ((audio == EG_CODEC_NONE || eg_format_holds(preference[i], audio)) &&
            (video == EG_CODEC_NONE || eg_format_holds(preference[i], video)))
            return preference[i];
    }
    return EG_FORMAT_NONE;
}

static bool can_encode(EgFormat format, EgMedia media, EgCodec wanted)
{
    return wanted != EG_CODEC_NONE ? eg_format_holds(format, wanted)
                                   : eg_format_default_codec(format, media) != EG_CODEC_NONE;
}

EgFormat eg_format_for_encoding(bool has_audio, EgCodec audio, bool has_video, EgCodec video)
{
    for (gsize i = 0; i < G_N_ELEMENTS(preference); i++) {
        if ((!has_audio || can_encode(preference[i], EG_MEDIA_AUDIO, audio)) &&
            (!has_video || can_encode(preference[i], EG_MEDIA_VIDEO, video)))
            return preference[i];
    }
    return EG_FORMAT_NONE;
}

char *eg_format_describe_codecs(EgFormat format)
{
    GString *text = g_string_new(NULL);
    for (const EgCodec *c = eg_format_info(format)->codecs; *c != EG_CODEC_NONE; c++)
        g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", eg_codec_info(*c)->name);
    if (text->len == 0)
        g_string_append(text, "nothing");
    return g_string_free(text, FALSE);
}

char *eg_format_describe_holders(EgCodec codec)
{
    GString *text = g_string_new(NULL);
    for (guint i = EG_FORMAT_NONE + 1; i < EG_N_FORMATS; i++) {
        if (formats[i].is_file && eg_format_holds((EgFormat)i, codec))
            g_string_append_printf(text, "%s%s", text->len > 0 ? ", " : "", formats[i].name);
    }
    if (text->len == 0)
        g_string_append(text, "none");
    return g_string_free(text, FALSE);
}
