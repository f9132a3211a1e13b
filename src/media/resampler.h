#pragma once

#include <glib.h>
#include <stdbool.h>

/* Makes stereo sound a little longer or shorter, up to a per cent, unheard (windowed sinc, about
 * 90 dB clean); when nothing is to be changed, what goes in comes out bit for bit. For the pacer.
 */

#define EG_RESAMPLER_HALF 16 /* frames it looks back and ahead */

typedef struct {
    float *work; /* frames: some already put out, then those that were not */
    gsize work_capacity;
    gsize n_work;
    gsize whole; /* the next frame to put out lies at work[whole] + part */
    double part;
} EgResampler;

/* A zeroed one is ready. */
void eg_resampler_clear(EgResampler *resampler);

/* Forgets what went in and did not come out. */
void eg_resampler_reset(EgResampler *resampler);

/* How many frames went in and have not come out yet, at most EG_RESAMPLER_HALF + 1. */
double eg_resampler_pending(const EgResampler *resampler);

/* Whether it is between two frames, or holds some back. */
bool eg_resampler_is_exact(const EgResampler *resampler);

/* The most frames that `frames` can become. */
gsize eg_resampler_bound(const EgResampler *resampler, gsize frames);

/* Puts `frames` of `in` in, `step` of which become one of `out` (1: no change; it first gets back
 * to whole frames, if it is between two). Returns how many were put out. */
gsize eg_resampler_process(EgResampler *resampler, const float *in, gsize frames, double step,
                           float *out);

/* Puts out what it holds back, not resampled. */
gsize eg_resampler_flush(EgResampler *resampler, float *out);
