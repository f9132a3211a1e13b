#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "request/selection.h"

/* Keeps time for what is encoded: picture n at exactly n / fps after the origin, sound in whole
 * blocks, both gapless for ever, whatever the tracks do. Passive: the caller says what time it is.
 * Session thread only; outputs come from inside eg_pacer_run() and eg_pacer_finish(). Instants are
 * those of the timeline (monotonic ns); outputs are stamped from the origin (PTS 0). */
typedef struct _EgPacer EgPacer;

/* One track's decoded pictures or sound on their way to the output. */
typedef struct _EgPacerInput EgPacerInput;

typedef struct {
    /* A picture or a block of sound, (transfer full), with PTS and duration set. */
    void (*picture)(gpointer user, GstBuffer *picture);
    void (*sound)(gpointer user, GstBuffer *block);
    /* Asked before each picture: false while the encoder's queue is full. A picture that has waited
     * for room half a second longer than for its source is skipped and counted, and its time is a
     * hole that the previous one fills; sound goes on. Not asked by eg_pacer_finish(). */
    bool (*picture_has_room)(gpointer user);
} EgPacerEvents;

typedef struct {
    guint fps;          /* 0: no video */
    GstBuffer *black;   /* the picture shown when there is none; reffed; NULL without video */
    guint rate_hz;      /* 0: no audio. Interleaved stereo floats (F32LE) */
    guint block_frames; /* of a block of sound, e.g. 1024 (an AAC frame) or 960 */
    gint64 latency_ns;  /* how long a tick waits for what may still come */
    gint64 hold_ns;     /* how long the last picture stays when nothing comes, before black */
} EgPacerParams;

typedef struct {
    guint64 pictures;      /* ticks put out */
    guint64 repeated;      /* ... that showed the picture before again */
    guint64 black;         /* ... that were black */
    guint64 late_pictures; /* that came after their tick: shown at the next, if none is newer; by
                            * more than 100 ms: only if nothing better comes for a second */
    guint64
        surplus_pictures; /* never shown for a newer one: the source is faster than the output */
    guint64 skipped;      /* ticks not put out since the encoder had no room */
    guint64 blocks;
    guint64 silent_frames; /* frames that a live track should have had and had not, of all tracks */
    guint64 late_frames;   /* frames of sound that came after their block */
} EgPacerStats;

EgPacer *eg_pacer_new(const EgPacerParams *params, const EgPacerEvents *events, gpointer user);
void eg_pacer_free(EgPacer *pacer); /* with its inputs */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPacer, eg_pacer_free)

/* Sets the instant of picture 0 and of the first sample. Once; nothing is put out before. Inputs
 * may be added and pushed to before and after. */
void eg_pacer_start(EgPacer *pacer, gint64 origin_ns);

/* A track. Pictures: of the inputs that have some, that of the lowest rank is shown, of several
 * such the newest added (one track fills the frame). Sound: all inputs are mixed, by their routes.
 */
EgPacerInput *eg_pacer_add_video(EgPacer *pacer, guint rank);
EgPacerInput *eg_pacer_add_audio(EgPacer *pacer, EgRoute route);

/* No more will be pushed: what was pushed is still put out at its time, then the pacer frees the
 * input (at the latest in eg_pacer_free()). The caller forgets it. */
void eg_pacer_input_end(EgPacerInput *input);

/* The rate of the sound that will be pushed, before any is; the output's if nobody says. What
 * decoders put out is best pushed as it is: a resampler before the pacer stamps what it puts out by
 * counting (audioresample is off by up to 31 ms, and then jumps). */
void eg_pacer_input_set_rate(EgPacerInput *input, guint rate_hz);

/* A decoded picture in the output's size, or interleaved F32LE stereo sound of the input's rate;
 * (transfer full); PTS = instant of its first sample. `duration` of sound is by its size. */
void eg_pacer_input_push(EgPacerInput *input, GstBuffer *buffer);

/* Whether more may come: a muted or ended track is not waited for. Muting a video input shows black
 * after what was captured up to now (that of the last eg_pacer_run()). A new input is live. */
void eg_pacer_input_set_live(EgPacerInput *input, bool is_live);

/* Puts out everything that is complete or due at `now_ns`. A tick is complete when the track that
 * is shown has a picture for a later one; sound when all live tracks have the block's. Everything
 * else (also what no live track has: one may still come) is due after the latency, and so is the
 * beginning of a track's sound, while its place is not certain. Returns when to call again at the
 * latest (EG_TIME_NONE before eg_pacer_start()). Call it after pushes, too. */
gint64 eg_pacer_run(EgPacer *pacer, gint64 now_ns);

/* The instant up to which everything (sound and pictures, whichever has come less far) was put out;
 * the origin before anything was, EG_TIME_NONE before eg_pacer_start(). */
gint64 eg_pacer_position(const EgPacer *pacer);

/* Nothing of the instant `end_ns` or later will be put out by eg_pacer_run(). After
 * eg_pacer_start(). */
void eg_pacer_set_end(EgPacer *pacer, gint64 end_ns);

/* Whether all that there can be up to that instant was put out by eg_pacer_run(), or waits for
 * eg_pacer_finish(): the last, shorter block of sound. */
bool eg_pacer_has_reached_end(const EgPacer *pacer);

/* Puts out everything up to the instant `end_ns`, waiting for nothing: the end of audio and video
 * agree to the sample (the last block and the last picture may be shorter than the others: their
 * durations say so). */
void eg_pacer_finish(EgPacer *pacer, gint64 end_ns);

void eg_pacer_get_stats(const EgPacer *pacer, EgPacerStats *stats);
