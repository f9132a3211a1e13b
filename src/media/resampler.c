#include "media/resampler.h"

#include <math.h>
#include <string.h>

#define HALF     EG_RESAMPLER_HALF
#define TAPS     (2 * HALF)
#define PHASES   256
#define LANES    8 /* floats that are summed at once: four frames */
#define BETA     8.0
#define CUTOFF   0.97
#define GENTLEST 0.0002 /* how it gets back to whole frames when there is nothing else to do */

/* Taps by phase, each twice, once for either channel, so that frames and taps are multiplied float
 * by float. One phase more than there are, to interpolate towards. */
#define PHASE_FLOATS (TAPS * 2)
#define TABLE_FLOATS ((PHASES + 1) * PHASE_FLOATS)

static float common_taps[TABLE_FLOATS];

/* The modified Bessel function of order 0, by its power series. */
static double bessel0(double x)
{
    double sum = 1;
    double term = 1;

    for (int k = 1; k < 40; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

static double tap_at(double distance, double cutoff)
{
    double edge = distance / HALF;

    if (fabs(edge) >= 1)
        return 0;
    double window = bessel0(BETA * sqrt(1 - edge * edge)) / bessel0(BETA);
    double x = G_PI * cutoff * distance;
    return window * cutoff * (fabs(x) < 1e-9 ? 1 : sin(x) / x);
}

/* Each phase is scaled to pass a constant unchanged, else its level would flutter. */
static void make_taps(float *taps, double cutoff)
{
    for (int phase = 0; phase <= PHASES; phase++) {
        float *row = taps + (gsize)phase * PHASE_FLOATS;
        double values[TAPS];
        double sum = 0;
        for (int i = 0; i < TAPS; i++) {
            values[i] = tap_at(i - (HALF - 1) - (double)phase / PHASES, cutoff);
            sum += values[i];
        }
        for (int i = 0; i < TAPS; i++)
            row[2 * i] = row[2 * i + 1] = (float)(values[i] / sum);
    }
}

static const float *get_taps(const EgResampler *resampler)
{
    static gsize is_made;

    if (resampler->own_taps != NULL)
        return resampler->own_taps;
    if (g_once_init_enter(&is_made)) {
        make_taps(common_taps, CUTOFF);
        g_once_init_leave(&is_made, 1);
    }
    return common_taps;
}

void eg_resampler_set_step(EgResampler *resampler, double step)
{
    g_clear_pointer(&resampler->own_taps, g_free);
    if (step <= 1)
        return;
    resampler->own_taps = g_new(float, TABLE_FLOATS);
    make_taps(resampler->own_taps, CUTOFF / step);
}

void eg_resampler_clear(EgResampler *resampler)
{
    g_free(resampler->own_taps);
    g_free(resampler->work);
    *resampler = (EgResampler){0};
}

double eg_resampler_pending(const EgResampler *resampler)
{
    return (double)(resampler->n_work - resampler->whole) - resampler->part;
}

bool eg_resampler_is_exact(const EgResampler *resampler)
{
    return resampler->part == 0 && resampler->whole == resampler->n_work;
}

gsize eg_resampler_bound(const EgResampler *resampler, gsize frames, double step)
{
    gsize all = frames + resampler->n_work + HALF;
    double least_step = MIN(step, 1 - GENTLEST);

    return (gsize)((double)all / least_step) + 2;
}

static void take_in(EgResampler *resampler, const float *in, gsize frames)
{
    /* Before the first frame there was silence. */
    gsize silent = resampler->n_work == 0 ? HALF - 1 : 0;
    gsize needed = resampler->n_work + silent + frames;

    if (needed > resampler->work_capacity) {
        resampler->work_capacity = needed + needed / 2;
        resampler->work = g_renew(float, resampler->work, resampler->work_capacity * 2);
    }
    if (silent > 0) {
        memset(resampler->work, 0, silent * 2 * sizeof(float));
        resampler->n_work = silent;
        resampler->whole = silent;
    }
    memcpy(resampler->work + 2 * resampler->n_work, in, frames * 2 * sizeof(float));
    resampler->n_work += frames;
}

/* Drops what no output looks back at any more. */
static void drop_history(EgResampler *resampler)
{
    if (resampler->whole < HALF)
        return;
    gsize gone = resampler->whole - (HALF - 1);

    resampler->n_work -= gone;
    resampler->whole -= gone;
    memmove(resampler->work, resampler->work + 2 * gone, resampler->n_work * 2 * sizeof(float));
}

static void interpolate(const EgResampler *resampler, const float *taps, float *out)
{
    double phase = resampler->part * PHASES;
    int below = (int)phase;
    float above_share = (float)(phase - below);
    const float *low = taps + (gsize)below * PHASE_FLOATS;
    const float *high = low + PHASE_FLOATS;
    const float *frames = resampler->work + 2 * (resampler->whole - (HALF - 1));
    float sums[LANES] = {0};

    for (int i = 0; i < PHASE_FLOATS; i += LANES) {
        for (int lane = 0; lane < LANES; lane++) {
            float tap = low[i + lane] + above_share * (high[i + lane] - low[i + lane]);
            sums[lane] += tap * frames[i + lane];
        }
    }
    out[0] = sums[0] + sums[2] + sums[4] + sums[6];
    out[1] = sums[1] + sums[3] + sums[5] + sums[7];
}

static void move_on(EgResampler *resampler, double step)
{
    double part = resampler->part + step;

    resampler->whole += (gsize)part;
    resampler->part = part - floor(part);
}

static gsize copy_rest(EgResampler *resampler, float *out)
{
    gsize frames = resampler->n_work - resampler->whole;

    if (frames == 0)
        return 0;
    memcpy(out, resampler->work + 2 * resampler->whole, frames * 2 * sizeof(float));
    resampler->whole = resampler->n_work;
    drop_history(resampler);
    return frames;
}

/* At most one step away from a whole frame: from there on nothing needs resampling. */
static bool snap(EgResampler *resampler, double step)
{
    double off = fabs(step - 1);

    if (resampler->part > off && resampler->part < 1 - off)
        return false;
    if (resampler->part > 0.5)
        resampler->whole++;
    resampler->part = 0;
    return true;
}

gsize eg_resampler_process(EgResampler *resampler, const float *in, gsize frames, double step,
                           float *out)
{
    bool wants_exact = step == 1;
    gsize n_out = 0;

    take_in(resampler, in, frames);
    if (wants_exact && resampler->part == 0)
        return copy_rest(resampler, out);
    const float *taps = get_taps(resampler);
    if (wants_exact)
        step = resampler->part > 0.5 ? 1 + GENTLEST : 1 - GENTLEST;
    while (resampler->whole + HALF < resampler->n_work) {
        if (wants_exact && snap(resampler, step))
            return n_out + copy_rest(resampler, out + 2 * n_out);
        interpolate(resampler, taps, out + 2 * n_out);
        n_out++;
        move_on(resampler, step);
    }
    drop_history(resampler);
    return n_out;
}

/* The end is taken to go on mirrored, so that it does not drop to nothing before it is reached. */
gsize eg_resampler_flush(EgResampler *resampler, double step, float *out)
{
    float mirrored[2 * HALF];
    gsize n_real = resampler->n_work;
    gsize n_out = 0;

    if (resampler->part == 0 && step == 1) {
        n_out = copy_rest(resampler, out);
    } else if (n_real >= HALF) {
        const float *taps = get_taps(resampler);
        for (gsize i = 0; i < HALF; i++)
            memcpy(mirrored + 2 * i, resampler->work + 2 * (n_real - 1 - i), 2 * sizeof(float));
        take_in(resampler, mirrored, HALF);
        for (; resampler->whole < n_real; n_out++) {
            interpolate(resampler, taps, out + 2 * n_out);
            move_on(resampler, step);
        }
    }
    resampler->n_work = 0;
    resampler->whole = 0;
    resampler->part = 0;
    return n_out;
}
