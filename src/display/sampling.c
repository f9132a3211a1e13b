#include "display/sampling.h"

#include <gst/gst.h>

#include "base/time.h"

/* What changes within this is one change: it is told in pieces. */
#define ONE_CHANGE_NS (4 * EG_NS_PER_MS)

/* Of a change so near to a look, nobody knows whether that sees it; the next one may be different.
 * Such a change counts as so much of a lost one. */
#define MARGIN_NS (2 * EG_NS_PER_MS)
#define RISK      0.25

/* What averages go over, about: what was lost counts for some seconds, as it seldom happens. */
#define LOST_CHANGES 64
#define AGE_CHANGES  4

/* A frame that is lost is as bad as one that is seen so many pictures later. */
#define COST_OF_LOST 4

/* Changes come before the instants that show them by about so much, in pictures. */
#define USUAL_LEAD 0.3

/* More than two of those, soon after each other, are not chance. */
#define TOO_MANY_LOST (2.5 / LOST_CHANGES)

static gint64 phases_ns(const EgSampling *sampling, gint64 n_phases)
{
    return n_phases * EG_NS_PER_S / ((gint64)sampling->fps * sampling->n_phases);
}

/* The number of the first look of a phase that is not before. */
static gint64 look_from(const EgSampling *sampling, guint phase, gint64 from_ns)
{
    gint64 after_ns = MAX(0, from_ns - phases_ns(sampling, phase));
    return (gint64)gst_util_uint64_scale_ceil((guint64)after_ns, sampling->fps,
                                              (guint64)EG_NS_PER_S);
}

static gint64 look_ns(const EgSampling *sampling, guint phase, gint64 look)
{
    guint64 pictures = gst_util_uint64_scale((guint64)look, (guint64)EG_NS_PER_S, sampling->fps);
    return (gint64)pictures + phases_ns(sampling, phase);
}

void eg_sampling_init(EgSampling *sampling, guint fps, guint n_phases)
{
    g_assert(fps > 0 && n_phases > 0 && n_phases <= EG_SAMPLING_MAX_PHASES);
    *sampling = (EgSampling){.fps = fps, .n_phases = n_phases, .changed_ns = EG_TIME_NONE};
    for (guint i = 0; i < n_phases; i++)
        sampling->phases[i].look = -1;
}

static void count(const EgSampling *sampling, guint phase, gint64 at_ns, EgSamplingPhase *counted)
{
    gint64 look = look_from(sampling, phase, at_ns + MARGIN_NS);
    double period_ns = (double)EG_NS_PER_S / sampling->fps;
    double age_ns = (double)(look_ns(sampling, phase, look) - at_ns);
    double age = age_ns / period_ns;
    double risk = age_ns > period_ns - MARGIN_NS ? RISK : 0;
    double lost = look == counted->look ? 1 : risk;
    counted->lost += (lost - counted->lost) / LOST_CHANGES;
    counted->age += (age - counted->age) / AGE_CHANGES;
    counted->look = look;
}

void eg_sampling_changed(EgSampling *sampling, gint64 at_ns)
{
    bool is_piece =
        sampling->changed_ns != EG_TIME_NONE && at_ns - sampling->changed_ns < ONE_CHANGE_NS;
    if (is_piece)
        return;
    sampling->changed_ns = at_ns;
    for (guint i = 0; i < sampling->n_phases; i++)
        count(sampling, i, at_ns, &sampling->phases[i]);
}

static double cost(const EgSamplingPhase *phase)
{
    return COST_OF_LOST * phase->lost + phase->age;
}

guint eg_sampling_find(const EgSampling *sampling)
{
    guint best = 0;
    for (guint i = 1; i < sampling->n_phases; i++) {
        if (cost(&sampling->phases[i]) < cost(&sampling->phases[best]))
            best = i;
    }
    return best;
}

guint eg_sampling_phase(const EgSampling *sampling, guint base, gint shift)
{
    gint n_phases = (gint)sampling->n_phases;
    return (guint)(((gint)base + shift + n_phases) % n_phases);
}

static const EgSamplingPhase *phase_at(const EgSampling *sampling, guint base, gint shift)
{
    return &sampling->phases[eg_sampling_phase(sampling, base, shift)];
}

/* By how many pictures a change comes before the instant, not the look, that shows it. */
static double lead(const EgSampling *sampling, double age, gint shift)
{
    return age - (double)shift / sampling->n_phases;
}

gint eg_sampling_keep(const EgSampling *sampling, guint base, gint shift)
{
    const EgSamplingPhase *kept = phase_at(sampling, base, shift);
    double too_many = sampling->phases[eg_sampling_find(sampling)].lost + TOO_MANY_LOST;
    if (kept->lost <= too_many)
        return shift;
    gint half = (gint)sampling->n_phases / 2;
    double least = G_MAXDOUBLE;
    for (gint other = -half; other <= half; other++) {
        const EgSamplingPhase *phase = phase_at(sampling, base, other);
        double unusual = ABS(lead(sampling, phase->age, other) - USUAL_LEAD);
        double its_cost = COST_OF_LOST * phase->lost + unusual;
        if (phase->lost <= too_many && its_cost < least) {
            least = its_cost;
            shift = other;
        }
    }
    return shift;
}

gint64 eg_sampling_next_ns(const EgSampling *sampling, guint phase, gint64 from_ns)
{
    return look_ns(sampling, phase, look_from(sampling, phase, from_ns));
}

gint64 eg_sampling_shift_ns(const EgSampling *sampling, gint shift)
{
    return phases_ns(sampling, shift);
}
