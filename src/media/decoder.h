#pragma once

#include <gst/gst.h>

#include "base/loop.h"
#include "request/codec.h"

/* Frames of one stream -> pictures (I420, letterboxed into the output's size, BT.709 limited) or
 * sound (F32LE interleaved stereo). A small pipeline of its own without a clock; one decoder
 * thread. What comes out is posted to the loop, in order. */
typedef struct _EgDecoder EgDecoder;

/* On the loop's thread. */
typedef struct {
    /* Pictures or sound, (transfer full), PTS as pushed. Pictures are laid out as their
     * GstVideoMeta says, if they have one: they may be the decoder's own, not copied. */
    void (*decoded)(gpointer user, GstBuffer *buffer);
    /* May be NULL. It has fallen behind and drops all up to the next key frame. From inside
     * eg_decoder_push(). */
    void (*wants_key_frame)(gpointer user);
    void (*failed)(gpointer user, const GError *error);
} EgDecoderEvents;

typedef struct {
    EgCodec codec;
    guint width; /* of the pictures that come out; 0 for sound */
    guint height;
    guint rate_hz; /* of the sound that comes out, best the codec's own; 0 for pictures */
} EgDecoderParams;

EgDecoder *eg_decoder_new(EgLoop *loop, const EgDecoderParams *params,
                          const EgDecoderEvents *events, gpointer user, GError **error);

/* No callback comes afterwards; what was not decoded is dropped. */
void eg_decoder_free(EgDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgDecoder, eg_decoder_free)

void eg_decoder_set_caps(EgDecoder *decoder, GstCaps *caps);

/* (transfer full). When the decoder falls behind more than its bounded queue, frames up to the next
 * key frame are dropped and counted. */
void eg_decoder_push(EgDecoder *decoder, GstBuffer *frame);

/* Everything that was pushed is decoded and delivered, then `done` is called, on the loop. */
void eg_decoder_drain(EgDecoder *decoder, EgLoopFunc done, gpointer user);

guint64 eg_decoder_dropped(const EgDecoder *decoder);

/* Appends its pipeline in the language of Graphviz. */
void eg_decoder_describe(const EgDecoder *decoder, GString *text);
