#pragma once

#include <glib.h>

#define EG_HISTOGRAM_MAX_BOUNDS 16

/* How many values fell into each of some ranges. Part of the struct that owns it. One thread only.
 */
typedef struct {
    const double *bounds; /* the upper ends of the ranges, ascending; static */
    guint n_bounds;
    guint64 counts[EG_HISTOGRAM_MAX_BOUNDS + 1]; /* the one after the bounds: above all of them */
    guint64 n_values;
    double sum;
} EgHistogram;

void eg_histogram_init(EgHistogram *histogram, const double *bounds, guint n_bounds);

/* A value that is a bound belongs to the range that ends with it. */
void eg_histogram_add(EgHistogram *histogram, double value);
