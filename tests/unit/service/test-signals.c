#include "service/signals.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    EgLoop *loop;
    GArray *received; /* int */
} Fixture;

static void on_signal(gpointer user, int number)
{
    Fixture *f = user;
    g_array_append_val(f->received, number);
}

static void wait_received(Fixture *f, guint n)
{
    while (f->received->len < n)
        eg_loop_iterate(f->loop, true);
}

/* SIGQUIT too, in their order, from whatever thread they hit. */
static void test_received(void)
{
    static const int numbers[] = {SIGTERM, SIGQUIT, SIGINT, 0};
    Fixture f = {.loop = eg_loop_new(), .received = g_array_new(FALSE, FALSE, sizeof(int))};
    EgSignals *signals = eg_signals_new(f.loop, numbers, on_signal, &f, NULL);
    g_assert_nonnull(signals);
    for (guint i = 0; numbers[i] != 0; i++) {
        kill(getpid(), numbers[i]);
        wait_received(&f, i + 1);
        g_assert_cmpint(g_array_index(f.received, int, i), ==, numbers[i]);
    }
    g_assert_cmpuint(f.received->len, ==, 3);
    eg_signals_free(signals);
    g_array_unref(f.received);
    eg_loop_free(f.loop);
}

/* A program that is started meanwhile, and this one afterwards, end by them as any other. */
static void test_default_elsewhere(void)
{
    static const int numbers[] = {SIGTERM, 0};
    static const char *const args[] = {"sleep", "60", NULL};
    Fixture f = {.loop = eg_loop_new(), .received = g_array_new(FALSE, FALSE, sizeof(int))};
    EgSignals *signals = eg_signals_new(f.loop, numbers, on_signal, &f, NULL);
    GPid pid;
    int status;
    g_assert_true(g_spawn_async(NULL, (char **)args, NULL,
                                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &pid,
                                NULL));
    kill(pid, SIGTERM);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    g_assert_cmpuint(f.received->len, ==, 0);
    eg_signals_free(signals);

    struct sigaction action;
    g_assert_cmpint(sigaction(SIGTERM, NULL, &action), ==, 0);
    g_assert_true(action.sa_handler == SIG_DFL);
    g_array_unref(f.received);
    eg_loop_free(f.loop);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/signals/received", test_received);
    g_test_add_func("/signals/default-elsewhere", test_default_elsewhere);
    return g_test_run();
}
