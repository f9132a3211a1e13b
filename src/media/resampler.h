#pragma once

#include <glib.h>
#include <stdbool.h>

/* Stereo sound at another rate, or a little longer or shorter than it came (windowed sinc, about
 * 90 dB clean); when nothing is to be changed, what goes in comes out bit for bit. For the pacer.
 */

#define EG_RESAMPLER_HALF 24 /* frames it looks back and ahead */

typedef struct {
    float *own_taps; /* NULL: the common ones, which cut nothing */
    float *work;     /* frames: some already put out, then those that were not */
    gsize work_capacity;
    gsize n_work;
    gsize whole; /* the next frame to put out lies at work[whole] + part */
    double part;
} EgResampler;

/* A zeroed one is ready for steps near or below 1. For others (a lower rate comes out) this cuts
 * what that rate cannot hold. */
void eg_resampler_set_step(EgResampler *resampler, double step);
void eg_resampler_clear(EgResampler *resampler);

/* How many frames went in and have not come out yet, at most EG_RESAMPLER_HALF + 1. */
double eg_resampler_pending(const EgResampler *resampler);

/* Whether it is not between two frames, and holds none back. */
bool eg_resampler_is_exact(const EgResampler *resampler);

/* The most frames that `frames`, or a flush, can become. */
gsize eg_resampler_bound(const EgResampler *resampler, gsize frames, double step);

/* Puts `frames` of `in` in, `step` of which become one of `out` (1: no change; it first gets back
 * to whole frames, if it is between two). Returns how many were put out. */
gsize eg_resampler_process(EgResampler *resampler, const float *in, gsize frames, double step,
                           float *out);

/* Puts out what it holds back, and begins anew. */
gsize eg_resampler_flush(EgResampler *resampler, double step, float *out);
