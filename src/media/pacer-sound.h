#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "media/pacer.h"

/* The sound of one track, laid out on the timeline. For the pacer; frame 0 is at the origin. */
typedef struct _EgSoundInput EgSoundInput;

/* Counts in `stats`, which must live as long. */
EgSoundInput *eg_sound_input_new(guint rate_hz, gint64 latency_ns, EgPacerStats *stats);
void eg_sound_input_free(EgSoundInput *sound);

/* See eg_pacer_input_set_rate(). */
void eg_sound_input_set_rate(EgSoundInput *sound, guint rate_hz);

/* What was pushed before is put in place now. */
void eg_sound_input_start(EgSoundInput *sound, gint64 origin_ns, gint64 first_frame);
void eg_sound_input_push(EgSoundInput *sound, GstBuffer *buffer); /* (transfer full) */
void eg_sound_input_set_live(EgSoundInput *sound, bool is_live);
bool eg_sound_input_is_live(const EgSoundInput *sound);

/* Whether all is there up to the frame `end`, and will not be moved any more. */
bool eg_sound_input_is_complete(const EgSoundInput *sound, gint64 end);

/* Nothing but silence from the frame `from` on. */
bool eg_sound_input_is_silent(const EgSoundInput *sound, gint64 from);

/* The frames [from, from + frames) are needed now: what is missing is silence. */
void eg_sound_input_settle(EgSoundInput *sound, gint64 from, gint64 frames);

/* Sound from the frame `from` on, as many of `frames` as lie together (at least one). */
const float *eg_sound_input_peek(const EgSoundInput *sound, gint64 from, gint64 frames,
                                 gint64 *together);

/* The frames before `end` were put out. */
void eg_sound_input_release(EgSoundInput *sound, gint64 end);
