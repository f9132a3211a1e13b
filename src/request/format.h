#pragma once

#include "request/codec.h"

/* The file formats and which codec fits which: one table. */
typedef enum {
    EG_FORMAT_NONE,
    EG_FORMAT_MP4,
    EG_FORMAT_WEBM,
    EG_FORMAT_MKV,
    EG_FORMAT_OGG,
    EG_FORMAT_MP3,
    EG_FORMAT_WAV,
    EG_FORMAT_FLV, /* no file: what RTMP carries */
    EG_FORMAT_TS,  /* no file of its own: MPEG-TS, of SRT and HLS */
    EG_FORMAT_RAW, /* no file: sound as it is streamed, without a container */
    EG_N_FORMATS,
} EgFormat;

typedef struct {
    const char *name;      /* "mp4" */
    const char *extension; /* ".mp4"; "" if it is of no file */
    bool is_file;          /* files are recorded in it */
    /* What it can hold, ended by EG_CODEC_NONE; what is encoded to when the codec is free is the
     * first of its kind. */
    EgCodec codecs[8];
} EgFormatInfo;

/* Never NULL; EG_FORMAT_NONE is called "none" and holds nothing. */
const EgFormatInfo *eg_format_info(EgFormat format);
bool eg_format_holds(EgFormat format, EgCodec codec);

/* Whether it holds a codec of that kind that rooms send. */
bool eg_format_holds_sent(EgFormat format, EgMedia media);

/* Whether it may be what eg_format_for_codecs() and eg_format_for_encoding() choose. */
bool eg_format_is_chosen(EgFormat format);

/* The codec to encode to; EG_CODEC_NONE if the format has none of that kind (video in OGG). */
EgCodec eg_format_default_codec(EgFormat format, EgMedia media);

/* By the extension of a file name, in any case; EG_FORMAT_NONE if it is that of no format that
 * files are recorded in. */
EgFormat eg_format_from_filename(const char *filename);

/* The format that takes these codecs as they are (either may be NONE): Opus -> OGG, H264 -> MP4,
 * VP8 and VP9 -> WebM. EG_FORMAT_NONE if there is none. MKV and WAV are never chosen: they are
 * recorded by those who name them. */
EgFormat eg_format_for_codecs(EgCodec audio, EgCodec video);

/* The format to encode to when nothing names one: what can hold both, as LiveKit chooses (sound
 * alone OGG, with pictures MP4). A codec that is NONE is free. EG_FORMAT_NONE if no format holds
 * them. */
EgFormat eg_format_for_encoding(bool has_audio, EgCodec audio, bool has_video, EgCodec video);

/* "Opus, VP8, VP9": what the format can hold, for error texts. The caller frees it. */
char *eg_format_describe_codecs(EgFormat format);

/* "mp4, mkv": the formats of files that hold the codec, for error texts. The caller frees it. */
char *eg_format_describe_holders(EgCodec codec);
