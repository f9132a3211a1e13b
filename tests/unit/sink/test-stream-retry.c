/* With a clock of its own. */
#include "sink/stream-retry.h"

#include "base/time.h"

#define S EG_NS_PER_S

static void test_never_worked(void)
{
    EgStreamRetry retry;
    eg_stream_retry_init(&retry, 0);
    g_assert_cmpint(eg_stream_retry_failed(&retry, 5 * S), ==, EG_TIME_NONE);
}

static void test_backoff(void)
{
    static const gint64 pauses_ms[] = {500, 1000, 2000, 4000, 5000, 5000, 5000};
    EgStreamRetry retry;
    gint64 now_ns = 100 * S;
    eg_stream_retry_init(&retry, 0);
    eg_stream_retry_connected(&retry, now_ns);
    for (gsize i = 0; i < G_N_ELEMENTS(pauses_ms); i++) {
        gint64 next_ns = eg_stream_retry_failed(&retry, now_ns);
        g_assert_cmpint(next_ns - now_ns, ==, pauses_ms[i] * EG_NS_PER_MS);
        now_ns = next_ns;
    }
}

static void test_patience(void)
{
    EgStreamRetry retry;
    gint64 lost_ns = 100 * S;
    gint64 now_ns = lost_ns;
    gint64 last_ns = lost_ns;
    eg_stream_retry_init(&retry, 30 * S);
    eg_stream_retry_connected(&retry, 50 * S);
    while ((now_ns = eg_stream_retry_failed(&retry, now_ns)) != EG_TIME_NONE)
        last_ns = now_ns;
    g_assert_cmpint(last_ns, >, lost_ns + 25 * S);
    g_assert_cmpint(last_ns, <=, lost_ns + 30 * S);
}

/* A server that takes a stream and ends it at once has not worked. */
static void test_thrown_out(void)
{
    EgStreamRetry retry;
    gint64 now_ns = 100 * S;
    guint n_tries = 0;
    eg_stream_retry_init(&retry, 30 * S);
    eg_stream_retry_connected(&retry, now_ns);
    while ((now_ns = eg_stream_retry_failed(&retry, now_ns)) != EG_TIME_NONE) {
        eg_stream_retry_connected(&retry, now_ns);
        n_tries++;
        g_assert_cmpuint(n_tries, <, 20);
    }
}

static void test_worked_again(void)
{
    EgStreamRetry retry;
    eg_stream_retry_init(&retry, 30 * S);
    eg_stream_retry_connected(&retry, 100 * S);
    gint64 next_ns = eg_stream_retry_failed(&retry, 200 * S);
    next_ns = eg_stream_retry_failed(&retry, next_ns);
    eg_stream_retry_connected(&retry, next_ns);
    g_assert_cmpint(eg_stream_retry_failed(&retry, 300 * S), ==, 300 * S + S / 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sink/stream-retry/never-worked", test_never_worked);
    g_test_add_func("/sink/stream-retry/backoff", test_backoff);
    g_test_add_func("/sink/stream-retry/patience", test_patience);
    g_test_add_func("/sink/stream-retry/thrown-out", test_thrown_out);
    g_test_add_func("/sink/stream-retry/worked-again", test_worked_again);
    return g_test_run();
}
