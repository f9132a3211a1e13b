#include "base/histogram.h"

void eg_histogram_init(EgHistogram *histogram, const double *bounds, guint n_bounds)
{
    g_assert(n_bounds <= EG_HISTOGRAM_MAX_BOUNDS);
    *histogram = (EgHistogram){.bounds = bounds, .n_bounds = n_bounds};
}

void eg_histogram_add(EgHistogram *histogram, double value)
{
    guint range = 0;
    while (range < histogram->n_bounds && value > histogram->bounds[range])
        range++;
    histogram->counts[range]++;
    histogram->n_values++;
    histogram->sum += value;
}
