#pragma once

#include <gst/gst.h>

#include "base/loop.h"
#include "config/config.h"
#include "request/plan.h"

/* Pictures or sound of the pacer -> coded frames. A small pipeline of its own without a clock. */
typedef struct _EgEncoder EgEncoder;

/* All on the loop's thread (posted), in this order. */
typedef struct {
    /* Borrowed; before the first frame and when they change. */
    void (*caps)(gpointer user, GstCaps *caps);
    /* (transfer full), PTS and DTS as in media/frame.h: they may be below 0. */
    void (*frame)(gpointer user, GstBuffer *frame);
    /* After eg_encoder_drain(), after the last frame. */
    void (*drained)(gpointer user);
    void (*failed)(gpointer user, const GError *error);
} EgEncoderEvents;

/* Whether this machine has the encoder of pictures that the configuration asks for; the error says
 * which it has. Any thread. */
bool eg_encoder_check(EgCodec codec, const EgVideoEncoderConfig *config, GError **error);

EgEncoder *eg_encoder_new_video(EgLoop *loop, const EgVideoEncoding *encoding,
                                const EgVideoEncoderConfig *config, const EgEncoderEvents *events,
                                gpointer user, GError **error);
EgEncoder *eg_encoder_new_audio(EgLoop *loop, const EgAudioEncoding *encoding,
                                const EgEncoderEvents *events, gpointer user, GError **error);
void eg_encoder_free(EgEncoder *encoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgEncoder, eg_encoder_free)

/* Raw data, (transfer full): I420 of the encoding's size; F32LE stereo of its rate. */
void eg_encoder_push(EgEncoder *encoder, GstBuffer *buffer);

/* False while the bounded queue of raw pictures is full. */
bool eg_encoder_has_room(const EgEncoder *encoder);

/* The frames of sound that the codec puts into one packet (AAC 1024, Opus 960, MP3 1152): blocks
 * of that size cost it no re-blocking. */
guint eg_encoder_block_frames(EgCodec codec);

/* No more is pushed: what is inside comes out, then `drained`. What the codec puts in front of
 * sound (priming) has PTS before that of the first block, so that the sound itself is where it was;
 * the last packet's duration ends with the sound. */
void eg_encoder_drain(EgEncoder *encoder);

/* Appends its pipeline in the language of Graphviz. */
void eg_encoder_describe(const EgEncoder *encoder, GString *text);
