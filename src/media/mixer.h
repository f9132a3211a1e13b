#pragma once

#include <glib.h>

#include "media/pacer.h"

/* Sums of interleaved stereo floats. For the pacer. */

/* Adds `frames` of `in` to `out`; left and right are sent the mean of both channels. */
void eg_mixer_add(float *out, const float *in, gsize frames, EgRoute route);

/* Bends samples beyond `knee` (below 1) towards full scale, which they never pass, if any is beyond
 * `limit`; else nothing is touched. */
void eg_mixer_limit(float *samples, gsize n_samples, float knee, float limit);
