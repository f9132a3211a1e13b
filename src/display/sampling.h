#pragma once

#include <glib.h>

/* When a screen is looked at. A picture's time has a few phases, equally far apart, at each of
 * which that can be. What is shown changes in a rhythm of its own, and never quite regularly: where
 * a look falls together with the changes, some of them come just after it and the next ones just
 * before, so that one frame is seen twice and another never, although the rates are the same. So
 * changes are watched, and what each phase would have seen of them. */

#define EG_SAMPLING_MAX_PHASES 8

typedef struct {
    gint64 look; /* that sees the last change */
    double lost; /* of the last changes, the part that no look would have seen */
    double age;  /* of the last changes when they are seen, in pictures */
} EgSamplingPhase;

typedef struct {
    guint fps;
    guint n_phases;
    gint64 changed_ns;
    EgSamplingPhase phases[EG_SAMPLING_MAX_PHASES];
} EgSampling;

/* Times are ns since an instant of phase 0, which is 0. At most EG_SAMPLING_MAX_PHASES. */
void eg_sampling_init(EgSampling *sampling, guint fps, guint n_phases);

/* What is shown has changed; never before the last time. */
void eg_sampling_changed(EgSampling *sampling, gint64 at_ns);

/* The phase to begin with: that loses least, and of equal ones that sees changes soonest. */
guint eg_sampling_find(const EgSampling *sampling);

/* Looks come `shift` phases after those of the phase `base`, or before them if it is negative: at
 * most half a picture. Returns the shift to go on with: the same one, unless that loses frames and
 * another does not; then the one by which frames come as long before the looks of `base`, which
 * are the instants that show them, as they usually do. */
gint eg_sampling_keep(const EgSampling *sampling, guint base, gint shift);

/* The phase of the looks that come `shift` phases after those of the phase `base`. */
guint eg_sampling_phase(const EgSampling *sampling, guint base, gint shift);

/* The first instant of a phase that is not before. */
gint64 eg_sampling_next_ns(const EgSampling *sampling, guint phase, gint64 from_ns);

/* What a shift is in ns. */
gint64 eg_sampling_shift_ns(const EgSampling *sampling, gint shift);
