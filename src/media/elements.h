#pragma once

#include <stdbool.h>

#include "request/codec.h"

/* An encoder of GStreamer's. */
typedef struct {
    const char *element; /* its factory; in a pipeline it is named "encoder" */
    const char *settings;
    /* Frames of sound that it puts in front of what it was given, after its packets were decoded by
     * the usual decoders. */
    gint priming_frames;
} EgEncoderElement;

/* How the bit rate may behave, as the configuration names it: "variable", "constant", "quality". */
typedef enum {
    EG_RATE_VARIABLE, /* on average what is asked for */
    EG_RATE_CONSTANT, /* filled up where there is nothing to say, if the encoder can */
    EG_RATE_QUALITY,  /* as much as is needed, at most what is asked for */
    EG_N_RATES,
} EgRate;

/* An encoder of pictures: what its properties are called. */
typedef struct {
    const char *name; /* in the configuration; several elements may have the same, best first */
    const char *element;
    const char *settings;
    const char *bitrate;
    guint bitrate_unit_bps;
    const char *key_frames;        /* most pictures from one to the next */
    const char *threads;           /* NULL: none */
    const char *preset;            /* NULL: none */
    const char *rates[EG_N_RATES]; /* settings; "": by itself */
    /* x264's own: a property with a list of options, and the one that is for an interval of key
     * frames that is asked for. */
    const char *options;
    const char *options_key_frames;
    const char *options_constant;
    const char *raw_caps; /* of the pictures that it takes; NULL: as they are */
    bool is_byte_stream;  /* its frames are made those of files by a parser */
} EgVideoEncoderElement;

/* Which of GStreamer's elements handle which codec and how they are set, in gst-launch notation:
 * one table. NULL or 0 where a codec is only ever received, or only ever made. */
typedef struct {
    const char *frame_caps;       /* of what is in the packets of a room, less the size */
    const char *rtp_caps;         /* of the packets, and */
    const char *depayloader;      /* packets -> frames in the form that files hold; NULL where
                                   * that is no more than joining them */
    const char *decoder;          /* frames -> raw, on one thread */
    EgEncoderElement encoders[2]; /* of sound: raw -> frames, best first */
    const EgVideoEncoderElement *video_encoders; /* of pictures, ended by one without a name */
    const char *encoded_caps;                    /* what the encoder is to make */
    guint block_frames;                          /* of sound in each packet of the encoder */
} EgElements;

/* Never NULL for a codec of the enum but EG_CODEC_NONE. */
const EgElements *eg_elements(EgCodec codec);

/* Loads what the codec's packets (and with `decodes`, its frames) need, which takes some tens of
 * milliseconds the first time and otherwise would when the first packet has come. */
void eg_elements_load(EgCodec codec, bool decodes);
