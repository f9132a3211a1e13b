/* The line of a sound's instants: late measurements do not move it, drift is followed slowly, and
 * samples that are missing leave a gap in time. */
#include "source/sound-clock.h"

#include "base/time.h"

#define RATE_HZ  48000
#define START_NS (1000 * EG_NS_PER_S)
#define ENOUGH   8 /* measurements, for a clock to settle */

static gint64 samples_ns(gint64 n)
{
    return n * EG_NS_PER_S / RATE_HZ;
}

/* Each second once; measured `late_ns` too late. */
static bool measure_seconds(EgSoundClock *clock, gint64 *second, guint n, gint64 late_ns)
{
    bool has_jumped = false;
    for (guint i = 0; i < n; i++, (*second)++) {
        gint64 at_ns = START_NS + *second * EG_NS_PER_S + late_ns;
        has_jumped |= eg_sound_clock_measure(clock, *second * RATE_HZ, at_ns);
    }
    return has_jumped;
}

static gint64 off_ns(EgSoundClock *clock, gint64 sample)
{
    return eg_sound_clock_instant_ns(clock, sample) - START_NS - samples_ns(sample);
}

static void test_settles(void)
{
    g_autoptr(EgSoundClock) clock = eg_sound_clock_new(RATE_HZ);
    gint64 second = 0;
    measure_seconds(clock, &second, ENOUGH - 1, 3 * EG_NS_PER_MS);
    g_assert_false(eg_sound_clock_is_settled(clock));
    measure_seconds(clock, &second, 1, 0);
    g_assert_true(eg_sound_clock_is_settled(clock));
    g_assert_cmpint(off_ns(clock, second * RATE_HZ), ==, 0);
}

static void test_late_measurements(void)
{
    g_autoptr(EgSoundClock) clock = eg_sound_clock_new(RATE_HZ);
    gint64 second = 0;
    measure_seconds(clock, &second, ENOUGH, 0);
    for (guint i = 0; i < 100; i++) {
        g_assert_false(measure_seconds(clock, &second, ENOUGH - 1, 200 * EG_NS_PER_MS));
        g_assert_false(eg_sound_clock_is_settled(clock));
        g_assert_false(measure_seconds(clock, &second, 1, 0));
        g_assert_true(eg_sound_clock_is_settled(clock));
        g_assert_cmpint(off_ns(clock, second * RATE_HZ), ==, 0);
    }
}

/* Of one piece after the other, as they are asked for. */
static gint64 max_step_off_ns(EgSoundClock *clock, gint64 from, gint64 to)
{
    gint64 piece = RATE_HZ / 50;
    gint64 max_ns = 0;
    gint64 last_ns = eg_sound_clock_instant_ns(clock, from);
    for (gint64 sample = from + piece; sample < to; sample += piece) {
        gint64 at_ns = eg_sound_clock_instant_ns(clock, sample);
        max_ns = MAX(max_ns, ABS(at_ns - last_ns - samples_ns(piece)));
        last_ns = at_ns;
    }
    return max_ns;
}

static void test_drift(void)
{
    g_autoptr(EgSoundClock) clock = eg_sound_clock_new(RATE_HZ);
    gint64 second = 0;
    measure_seconds(clock, &second, ENOUGH, 0);
    for (gint64 i = 1; i <= 600; i++) {
        g_assert_false(measure_seconds(clock, &second, 1, -i * 50 * EG_NS_PER_US));
        gint64 step_ns = max_step_off_ns(clock, (second - 1) * RATE_HZ, second * RATE_HZ);
        g_assert_cmpint(step_ns, <=, 4 * EG_NS_PER_US);
    }
    g_assert_cmpint(off_ns(clock, second * RATE_HZ), ==, -600 * 50 * EG_NS_PER_US);
}

static void test_missing_samples(void)
{
    g_autoptr(EgSoundClock) clock = eg_sound_clock_new(RATE_HZ);
    gint64 second = 0;
    gint64 gap_ns = 700 * EG_NS_PER_MS;
    measure_seconds(clock, &second, ENOUGH, 0);
    g_assert_cmpint(off_ns(clock, second * RATE_HZ), ==, 0);
    g_assert_false(measure_seconds(clock, &second, ENOUGH - 1, gap_ns));
    g_assert_false(eg_sound_clock_is_settled(clock));
    g_assert_true(measure_seconds(clock, &second, 1, gap_ns));
    g_assert_true(eg_sound_clock_is_settled(clock));
    g_assert_cmpint(off_ns(clock, second * RATE_HZ), ==, gap_ns);
    g_assert_false(measure_seconds(clock, &second, ENOUGH, gap_ns));
}

/* None is measured too early: one is enough. */
static void test_surplus_samples(void)
{
    g_autoptr(EgSoundClock) clock = eg_sound_clock_new(RATE_HZ);
    gint64 second = 0;
    measure_seconds(clock, &second, ENOUGH, 0);
    g_assert_cmpint(off_ns(clock, second * RATE_HZ), ==, 0);
    g_assert_true(measure_seconds(clock, &second, 1, -300 * EG_NS_PER_MS));
    g_assert_cmpint(off_ns(clock, second * RATE_HZ), ==, -300 * EG_NS_PER_MS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sound-clock/settles", test_settles);
    g_test_add_func("/sound-clock/late-measurements", test_late_measurements);
    g_test_add_func("/sound-clock/drift", test_drift);
    g_test_add_func("/sound-clock/missing-samples", test_missing_samples);
    g_test_add_func("/sound-clock/surplus-samples", test_surplus_samples);
    return g_test_run();
}
