/* When a call to a store is made again: a table, with a clock that the test has. */
#include "base/time.h"
#include "storage/upload-retry.h"

#define MS EG_NS_PER_MS

static const EgUploadPolicy alone = {
    .max_attempts = 3,
    .min_delay_ns = 100 * MS,
    .max_delay_ns = 400 * MS,
    .patience_ns = 600 * EG_NS_PER_S,
};

static void test_delays_double(void)
{
    static const gint64 delays_ms[] = {100,  200,   400,   800,   1600, 3200,
                                       6400, 12800, 25600, 30000, 30000};
    EgUploadRetry retry = {0};
    gint64 now_ns = EG_NS_PER_S;
    for (gsize i = 0; i < G_N_ELEMENTS(delays_ms); i++) {
        gint64 next_ns = eg_upload_retry_failed(&retry, &alone, now_ns, 0, 1, now_ns);
        g_assert_cmpint(next_ns - now_ns, ==, delays_ms[i] * MS);
        now_ns = next_ns;
    }
    eg_upload_retry_succeeded(&retry);
    g_assert_cmpint(eg_upload_retry_failed(&retry, &alone, now_ns, 0, 1, now_ns) - now_ns, ==,
                    100 * MS);
}

static void test_random_half(void)
{
    static const struct {
        double random;
        gint64 delay_ns;
    } rows[] = {
        {0,   50 * MS },
        {0.5, 75 * MS },
        {1,   100 * MS},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        EgUploadRetry retry = {0};
        g_assert_cmpint(eg_upload_retry_failed(&retry, &alone, 0, 0, rows[i].random, 0), ==,
                        rows[i].delay_ns);
    }
}

static void test_retry_after(void)
{
    EgUploadRetry retry = {0};
    g_assert_cmpint(eg_upload_retry_failed(&retry, &alone, 0, 7 * EG_NS_PER_S, 0, 0), ==,
                    7 * EG_NS_PER_S);
    /* Within reason. */
    EgUploadRetry other = {0};
    g_assert_cmpint(eg_upload_retry_failed(&other, &alone, 0, 86400 * EG_NS_PER_S, 0, 0), ==,
                    300 * EG_NS_PER_S);
}

static void test_patience_ends(void)
{
    EgUploadRetry retry = {0};
    gint64 now_ns = 5 * EG_NS_PER_S;
    guint n = 0;
    gint64 next_ns;
    while ((next_ns = eg_upload_retry_failed(&retry, &alone, now_ns, 0, 1, now_ns)) !=
           EG_TIME_NONE) {
        now_ns = next_ns;
        g_assert_cmpuint(++n, <, 1000);
    }
    gint64 outage_ns = now_ns - 5 * EG_NS_PER_S;
    g_assert_cmpint(outage_ns, <=, alone.patience_ns);
    g_assert_cmpint(outage_ns, >, alone.patience_ns - 31 * EG_NS_PER_S);
}

static void test_no_end(void)
{
    EgUploadPolicy endless = alone;
    EgUploadRetry retry = {0};
    endless.patience_ns = 0;
    gint64 now_ns = 0;
    for (guint i = 0; i < 100000; i++) {
        now_ns = eg_upload_retry_failed(&retry, &endless, now_ns, 0, 1, now_ns);
        g_assert_cmpint(now_ns, !=, EG_TIME_NONE);
    }
}

static void test_backup_takes_over(void)
{
    EgUploadPolicy policy = alone;
    EgUploadRetry retry = {0};
    policy.has_backup = true;
    g_assert_cmpint(eg_upload_retry_failed(&retry, &policy, 0, 0, 1, 0), !=, EG_TIME_NONE);
    g_assert_cmpint(eg_upload_retry_failed(&retry, &policy, 1, 0, 1, 1), !=, EG_TIME_NONE);
    g_assert_cmpint(eg_upload_retry_failed(&retry, &policy, 2, 0, 1, 2), ==, EG_TIME_NONE);
}

/* Four parts that fail together are one failure. */
static void test_together(void)
{
    EgUploadRetry retry = {0};
    for (guint i = 0; i < 4; i++)
        eg_upload_retry_failed(&retry, &alone, 10 * MS, 0, 1, (20 + i) * MS);
    g_assert_cmpuint(retry.attempts, ==, 1);
    eg_upload_retry_failed(&retry, &alone, 200 * MS, 0, 1, 210 * MS);
    g_assert_cmpuint(retry.attempts, ==, 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/upload-retry/delays-double", test_delays_double);
    g_test_add_func("/upload-retry/random-half", test_random_half);
    g_test_add_func("/upload-retry/retry-after", test_retry_after);
    g_test_add_func("/upload-retry/patience-ends", test_patience_ends);
    g_test_add_func("/upload-retry/no-end", test_no_end);
    g_test_add_func("/upload-retry/backup-takes-over", test_backup_takes_over);
    g_test_add_func("/upload-retry/together", test_together);
    return g_test_run();
}
