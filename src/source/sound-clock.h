#pragma once

#include <glib.h>
#include <stdbool.h>

/* When the samples of a steady stream are heard: a line through measured instants. A measurement
 * may be late by whatever held up the threads that took part in it, never early, so the earliest of
 * the last few counts. The line follows slowly, and jumps only when samples are missing. Any one
 * thread. */
typedef struct _EgSoundClock EgSoundClock;

/* For `rate_hz` samples a second. */
EgSoundClock *eg_sound_clock_new(guint rate_hz);
void eg_sound_clock_free(EgSoundClock *clock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSoundClock, eg_sound_clock_free)

/* Sample number `sample` was found to be heard at `at_ns`. True if the line has jumped. */
bool eg_sound_clock_measure(EgSoundClock *clock, gint64 sample, gint64 at_ns);

/* Has seen enough, and nothing odd since. If not, measure soon. */
bool eg_sound_clock_is_settled(const EgSoundClock *clock);

/* When `sample` is heard; once a settled clock was seen. Asked with rising numbers: the line bends
 * by what has passed since the last one. */
gint64 eg_sound_clock_instant_ns(EgSoundClock *clock, gint64 sample);
