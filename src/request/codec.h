#pragma once

#include <glib.h>
#include <stdbool.h>

/* The codecs that come out of a room or go into an output: one table. */
typedef enum {
    EG_MEDIA_NONE,
    EG_MEDIA_AUDIO,
    EG_MEDIA_VIDEO,
    EG_N_MEDIA,
} EgMedia;

typedef enum {
    EG_CODEC_NONE,
    EG_CODEC_OPUS,
    EG_CODEC_PCMU,
    EG_CODEC_PCMA,
    EG_CODEC_AAC,
    EG_CODEC_MP3,
    EG_CODEC_VP8,
    EG_CODEC_VP9,
    EG_CODEC_H264,
    EG_CODEC_PCM, /* S16LE; as it is streamed: 48 kHz stereo */
    EG_N_CODECS,
} EgCodec;

typedef struct {
    const char *name; /* for people: "H264" */
    EgMedia media;
    const char *mime;    /* as LiveKit names it, "video/H264"; NULL if no room carries it */
    guint clock_rate_hz; /* of its RTP timestamps; 0 if no room carries it */
} EgCodecInfo;

/* NULL for EG_CODEC_NONE only. */
const EgCodecInfo *eg_codec_info(EgCodec codec);

/* "video/vp8" in any case -> EG_CODEC_VP8; EG_CODEC_NONE for what we do not take (AV1, H265).
 * "audio/red" is Opus: the server unwraps it for subscribers that do not offer RED. */
EgCodec eg_codec_from_mime(const char *mime);

/* "audio", "video"; "none". */
const char *eg_media_name(EgMedia media);
