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

/* Which of GStreamer's elements handle which codec and how they are set, in gst-launch notation:
 * one table. NULL or 0 where a codec is only ever received, or only ever made. */
typedef struct {
    const char *frame_caps;       /* of what is in the packets of a room, less the size */
    const char *rtp_caps;         /* of the packets, and */
    const char *depayloader;      /* packets -> frames in the form that files hold; NULL where
                                   * that is no more than joining them */
    const char *decoder;          /* frames -> raw, on one thread */
    EgEncoderElement encoders[2]; /* raw -> frames, best first */
    const char *encoded_caps;     /* what the encoder is to make */
    guint block_frames;           /* of sound in each packet of the encoder */
} EgElements;

/* Never NULL for a codec of the enum but EG_CODEC_NONE. */
const EgElements *eg_elements(EgCodec codec);

/* Loads what the codec's packets (and with `decodes`, its frames) need, which takes some tens of
 * milliseconds the first time and otherwise would when the first packet has come. */
void eg_elements_load(EgCodec codec, bool decodes);
