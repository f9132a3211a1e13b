/* When a screen is looked at, with changes that are made up: how many frames no look sees. */
#include "display/sampling.h"

#include "base/time.h"

#define FPS       30
#define PERIOD_NS (EG_NS_PER_S / FPS)
#define SECONDS   60

/* Frames that are drawn `fps` times a second. */
typedef struct {
    const char *name;
    guint fps;
    double phase;     /* of the first, in pictures */
    double jitter_ms; /* either way */
    double drift_ppm; /* they come slower */
    guint n_phases;
    guint max_lost; /* in SECONDS, with the phase that is kept */
    guint min_lost; /* of phase 0 */
} Row;

static const Row rows[] = {
    {"steady",             30, 0.50, 1, 0,   2, 0,    0   },
    {"at the looks",       30, 0.00, 4, 0,   2, 6,    300 },
    {"hardly beside them", 30, 0.00, 1, 0,   2, 6,    300 },
    {"at the looks, of 4", 30, 0.00, 4, 0,   4, 6,    300 },
    {"between phases",     30, 0.25, 6, 0,   4, 6,    0   },
    {"at the other phase", 30, 0.50, 6, 0,   2, 0,    0   },
    {"much jitter",        30, 0.00, 7, 0,   2, 12,   300 },
    {"drifts",             30, 0.90, 4, 300, 4, 30,   100 },
    {"slower",             25, 0.00, 4, 0,   2, 0,    0   },
    {"twice as fast",      60, 0.00, 4, 0,   2, 1810, 1790},
};

/* Frames that nobody saw: with the phase that is kept, and with phase 0. */
typedef struct {
    EgSampling sampling;
    gint shift; /* from phase 0 */
    guint n_switches;
    gint64 seen[2]; /* the look that saw the last frame */
    guint lost[2];
} Run;

static void look_at(Run *run, guint which, guint phase, gint64 drawn_ns)
{
    gint64 look_ns = eg_sampling_next_ns(&run->sampling, phase, drawn_ns);
    run->lost[which] += look_ns == run->seen[which];
    run->seen[which] = look_ns;
}

static void draw(Run *run, gint64 drawn_ns)
{
    guint n_phases = run->sampling.n_phases;
    look_at(run, 0, ((guint)run->shift + n_phases) % n_phases, drawn_ns);
    look_at(run, 1, 0, drawn_ns);
    eg_sampling_changed(&run->sampling, drawn_ns);
    gint kept = eg_sampling_keep(&run->sampling, 0, run->shift);
    g_assert_cmpint(ABS(kept), <=, n_phases / 2);
    run->n_switches += kept != run->shift;
    run->shift = kept;
}

static void test_frames(gconstpointer data)
{
    const Row *row = data;
    Run run = {0};
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    eg_sampling_init(&run.sampling, FPS, row->n_phases);
    run.seen[0] = run.seen[1] = -1;
    for (guint i = 0; i < SECONDS * row->fps; i++) {
        double at_s = (row->phase + 2) / FPS + i * (1 + row->drift_ppm / 1e6) / row->fps;
        at_s += g_rand_double_range(random, -row->jitter_ms, row->jitter_ms) / 1e3;
        draw(&run, (gint64)(at_s * (double)EG_NS_PER_S));
    }
    g_test_message("lost %u, with phase 0 %u; %u switches", run.lost[0], run.lost[1],
                   run.n_switches);
    g_assert_cmpuint(run.lost[0], <=, row->max_lost);
    g_assert_cmpuint(run.lost[1], >=, row->min_lost);
    /* Not to and fro. */
    g_assert_cmpuint(run.n_switches, <=, row->drift_ppm > 0 ? 3 : 1);
}

/* To begin with, frames are to be seen soon after they come. */
static void test_find(void)
{
    for (guint n_phases = 1; n_phases <= EG_SAMPLING_MAX_PHASES; n_phases++) {
        for (guint best = 0; best < n_phases; best++) {
            EgSampling sampling;
            eg_sampling_init(&sampling, FPS, n_phases);
            g_assert_cmpuint(eg_sampling_find(&sampling), ==, 0);
            gint64 soonest_ns = eg_sampling_next_ns(&sampling, best, 0) + PERIOD_NS;
            for (gint64 i = 0; i < 20; i++)
                eg_sampling_changed(&sampling, soonest_ns + i * PERIOD_NS - 3 * EG_NS_PER_MS);
            g_assert_cmpuint(eg_sampling_find(&sampling), ==, best);
        }
    }
}

/* What is drawn just before a look may be late the next time. */
static void test_margin(void)
{
    EgSampling sampling;
    eg_sampling_init(&sampling, FPS, 2);
    for (gint64 i = 1; i <= 20; i++)
        eg_sampling_changed(&sampling, i * PERIOD_NS - EG_NS_PER_MS);
    g_assert_cmpuint(eg_sampling_find(&sampling), ==, 1);
}

/* A frame that is drawn in pieces is one change. */
static void test_pieces(void)
{
    EgSampling sampling;
    eg_sampling_init(&sampling, FPS, 2);
    for (gint64 i = 1; i <= 100; i++) {
        for (gint64 piece = 0; piece < 3; piece++)
            eg_sampling_changed(&sampling, i * PERIOD_NS + (5 + piece) * EG_NS_PER_MS);
    }
    g_assert_cmpfloat(sampling.phases[0].lost, ==, 0);
    g_assert_cmpfloat(sampling.phases[1].lost, ==, 0);
}

static void test_instants(void)
{
    EgSampling sampling;
    eg_sampling_init(&sampling, FPS, 4);
    g_assert_cmpint(eg_sampling_next_ns(&sampling, 0, 0), ==, 0);
    g_assert_cmpint(eg_sampling_next_ns(&sampling, 0, 1), ==, 33333333);
    g_assert_cmpint(eg_sampling_next_ns(&sampling, 2, 0), ==, 16666666);
    g_assert_cmpint(eg_sampling_next_ns(&sampling, 2, 16666667), ==, 33333333 + 16666666);
    /* Exact for ever. */
    g_assert_cmpint(eg_sampling_next_ns(&sampling, 0, 3600 * EG_NS_PER_S), ==, 3600 * EG_NS_PER_S);
    g_assert_cmpint(eg_sampling_shift_ns(&sampling, 0), ==, 0);
    g_assert_cmpint(eg_sampling_shift_ns(&sampling, 1), ==, 8333333);
    g_assert_cmpint(eg_sampling_shift_ns(&sampling, -2), ==, -16666666);
}

/* Frames that came some ms before a look come right at it from now on. They are still to be shown
 * at its instant: looks are later. */
static void test_stay(void)
{
    for (guint base = 0; base < 4; base++) {
        EgSampling sampling;
        eg_sampling_init(&sampling, FPS, 4);
        gint64 look_ns = eg_sampling_next_ns(&sampling, base, 0) + PERIOD_NS;
        gint shift = 0;
        for (gint64 n = 0; n < 200; n++) {
            gint64 before_ns = n < 100 ? 6 * EG_NS_PER_MS : 0;
            eg_sampling_changed(&sampling, look_ns + n * PERIOD_NS - before_ns);
            shift = eg_sampling_keep(&sampling, base, shift);
            if (n < 100)
                g_assert_cmpint(shift, ==, 0);
        }
        g_assert_cmpint(shift, >, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/sampling/frames/%s", rows[i].name);
        g_test_add_data_func(path, &rows[i], test_frames);
    }
    g_test_add_func("/sampling/find", test_find);
    g_test_add_func("/sampling/margin", test_margin);
    g_test_add_func("/sampling/pieces", test_pieces);
    g_test_add_func("/sampling/instants", test_instants);
    g_test_add_func("/sampling/stay", test_stay);
    return g_test_run();
}
