#include "media/mixer.h"

#include <math.h>

void eg_mixer_add(float *out, const float *in, gsize frames, EgRoute route)
{
    switch (route) {
    case EG_ROUTE_NONE:
        break;
    case EG_ROUTE_BOTH:
        for (gsize i = 0; i < 2 * frames; i++)
            out[i] += in[i];
        break;
    case EG_ROUTE_LEFT:
        for (gsize i = 0; i < frames; i++)
            out[2 * i] += 0.5F * (in[2 * i] + in[2 * i + 1]);
        break;
    case EG_ROUTE_RIGHT:
        for (gsize i = 0; i < frames; i++)
            out[2 * i + 1] += 0.5F * (in[2 * i] + in[2 * i + 1]);
        break;
    case EG_ROUTE_ALTERNATE: /* a side was chosen when the track was added */
    default:
        g_assert_not_reached();
    }
}

static bool is_any_beyond(const float *samples, gsize n_samples, float limit)
{
    int beyond = 0;

    for (gsize i = 0; i < n_samples; i++)
        beyond |= fabsf(samples[i]) > limit;
    return beyond != 0;
}

void eg_mixer_limit(float *samples, gsize n_samples, float knee, float limit)
{
    if (!is_any_beyond(samples, n_samples, limit))
        return;
    float room = 1 - knee;

    for (gsize i = 0; i < n_samples; i++) {
        float level = fabsf(samples[i]);
        if (level > knee)
            samples[i] = copysignf(knee + room * tanhf((level - knee) / room), samples[i]);
    }
}
