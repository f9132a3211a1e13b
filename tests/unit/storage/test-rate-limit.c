#include "storage/rate-limit.h"

#include "base/time.h"

static void test_none(void)
{
    EgRateLimit limit = {0};
    gint64 from_ns;
    g_assert_cmpuint(eg_rate_limit_take(&limit, 1000000, 5, &from_ns), ==, 1000000);
    g_assert_cmpint(from_ns, ==, 5);
}

/* Whoever asks, and whatever for: what goes in 10 s is what may go in 10 s. */
static void test_shared(void)
{
    EgRateLimit limit = {0};
    eg_rate_limit_set(&limit, 1000000);
    gsize n_bytes = 0;
    for (gint64 now_ns = EG_NS_PER_S; now_ns < 11 * EG_NS_PER_S;) {
        gint64 from_ns;
        gsize n = eg_rate_limit_take(&limit, n_bytes % 2 == 0 ? 300001 : 1234, now_ns, &from_ns);
        g_assert_cmpuint(n, >, 0);
        g_assert_cmpuint(n, <=, 50000);
        g_assert_cmpint(from_ns, >=, now_ns);
        g_assert_cmpint(from_ns, <=, now_ns + 50 * EG_NS_PER_MS);
        n_bytes += n;
        now_ns = from_ns;
    }
    g_assert_cmpuint(n_bytes, >=, 9900000);
    g_assert_cmpuint(n_bytes, <=, 10100000);
}

/* A pause is not made up for later. */
static void test_idle(void)
{
    EgRateLimit limit = {0};
    gint64 from_ns;
    eg_rate_limit_set(&limit, 1000);
    eg_rate_limit_take(&limit, 50, 0, &from_ns);
    g_assert_cmpint(from_ns, ==, 0);
    eg_rate_limit_take(&limit, 50, 100 * EG_NS_PER_S, &from_ns);
    g_assert_cmpint(from_ns, ==, 100 * EG_NS_PER_S);
    eg_rate_limit_take(&limit, 50, 100 * EG_NS_PER_S, &from_ns);
    g_assert_cmpint(from_ns, ==, 100 * EG_NS_PER_S + 50 * EG_NS_PER_MS);
}

/* So low that a piece is less than a byte. */
static void test_tiny(void)
{
    EgRateLimit limit = {0};
    gint64 from_ns;
    eg_rate_limit_set(&limit, 1);
    g_assert_cmpuint(eg_rate_limit_take(&limit, 100, 0, &from_ns), ==, 1);
    g_assert_cmpuint(eg_rate_limit_take(&limit, 100, 0, &from_ns), ==, 1);
    g_assert_cmpint(from_ns, ==, EG_NS_PER_S);
    eg_rate_limit_set(&limit, 0);
    g_assert_cmpuint(eg_rate_limit_take(&limit, 100, 7, &from_ns), ==, 100);
    g_assert_cmpint(from_ns, ==, 7);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rate-limit/none", test_none);
    g_test_add_func("/rate-limit/shared", test_shared);
    g_test_add_func("/rate-limit/idle", test_idle);
    g_test_add_func("/rate-limit/tiny", test_tiny);
    return g_test_run();
}
