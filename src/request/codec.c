#include "request/codec.h"

static const EgCodecInfo codecs[EG_N_CODECS] = {
    [EG_CODEC_OPUS] = {"Opus", EG_MEDIA_AUDIO, "audio/opus", 48000},
    [EG_CODEC_PCMU] = {"PCMU", EG_MEDIA_AUDIO, "audio/PCMU", 8000 },
    [EG_CODEC_PCMA] = {"PCMA", EG_MEDIA_AUDIO, "audio/PCMA", 8000 },
    [EG_CODEC_AAC] = {"AAC",  EG_MEDIA_AUDIO, NULL,         0    },
    [EG_CODEC_MP3] = {"MP3",  EG_MEDIA_AUDIO, NULL,         0    },
    [EG_CODEC_VP8] = {"VP8",  EG_MEDIA_VIDEO, "video/VP8",  90000},
    [EG_CODEC_VP9] = {"VP9",  EG_MEDIA_VIDEO, "video/VP9",  90000},
    [EG_CODEC_H264] = {"H264", EG_MEDIA_VIDEO, "video/H264", 90000},
    [EG_CODEC_PCM] = {"PCM",  EG_MEDIA_AUDIO, NULL,         0    },
};

static const char *const media_names[EG_N_MEDIA] = {
    [EG_MEDIA_NONE] = "none",
    [EG_MEDIA_AUDIO] = "audio",
    [EG_MEDIA_VIDEO] = "video",
};

const EgCodecInfo *eg_codec_info(EgCodec codec)
{
    g_assert(codec < EG_N_CODECS);
    return codec != EG_CODEC_NONE ? &codecs[codec] : NULL;
}

EgCodec eg_codec_from_mime(const char *mime)
{
    /* Redundant audio (RFC 2198) as browsers publish it: a subscriber that does not offer RED is
     * sent the Opus inside. */
    if (g_ascii_strcasecmp(mime, "audio/red") == 0)
        return EG_CODEC_OPUS;
    for (guint i = EG_CODEC_NONE + 1; i < EG_N_CODECS; i++) {
        if (codecs[i].mime != NULL && g_ascii_strcasecmp(mime, codecs[i].mime) == 0)
            return (EgCodec)i;
    }
    return EG_CODEC_NONE;
}

const char *eg_media_name(EgMedia media)
{
    g_assert(media < EG_N_MEDIA);
    return media_names[media];
}
