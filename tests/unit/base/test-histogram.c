#include "base/histogram.h"

static const double bounds[] = {1, 10, 100};

static void test_ranges(void)
{
    static const struct {
        double value;
        guint range;
    } cases[] = {
        {-5,    0},
        {0,     0},
        {1,     0},
        {1.001, 1},
        {10,    1},
        {99,    2},
        {100,   2},
        {100.5, 3},
        {1e300, 3},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgHistogram histogram;
        eg_histogram_init(&histogram, bounds, G_N_ELEMENTS(bounds));
        eg_histogram_add(&histogram, cases[i].value);
        for (guint range = 0; range <= G_N_ELEMENTS(bounds); range++)
            g_assert_cmpuint(histogram.counts[range], ==, range == cases[i].range ? 1 : 0);
        g_assert_cmpfloat(histogram.sum, ==, cases[i].value);
    }
}

static void test_many(void)
{
    EgHistogram histogram;
    eg_histogram_init(&histogram, bounds, G_N_ELEMENTS(bounds));
    for (int i = 1; i <= 200; i++)
        eg_histogram_add(&histogram, i);
    g_assert_cmpuint(histogram.n_values, ==, 200);
    g_assert_cmpfloat(histogram.sum, ==, 200 * 201 / 2);
    const guint64 counts[] = {1, 9, 90, 100};
    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++)
        g_assert_cmpuint(histogram.counts[i], ==, counts[i]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/histogram/ranges", test_ranges);
    g_test_add_func("/base/histogram/many", test_many);
    return g_test_run();
}
