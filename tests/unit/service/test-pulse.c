#include "service/pulse.h"

#include "base/time.h"

/* The test plays the process that is asked. */
#define SILENCE_NS (5 * EG_NS_PER_MS)

typedef struct {
    EgLoop *loop;
    EgPulse *pulse;
    guint n_asked;
    guint n_answers; /* that are still to be given */
    guint n_silent;
    bool is_freed_when_silent;
} Fixture;

static void on_ask(gpointer user)
{
    Fixture *f = user;
    f->n_asked++;
    if (f->n_answers == 0)
        return;
    f->n_answers--;
    eg_pulse_heard(f->pulse);
}

static void on_silent(gpointer user)
{
    Fixture *f = user;
    f->n_silent++;
    if (f->is_freed_when_silent)
        g_clear_pointer(&f->pulse, eg_pulse_free);
}

static void set_up(Fixture *f, gconstpointer data)
{
    static const EgPulseEvents events = {.ask = on_ask, .silent = on_silent};
    (void)data;
    f->loop = eg_loop_new();
    f->pulse = eg_pulse_new(f->loop, SILENCE_NS, &events, f);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_pulse_free(f->pulse);
    eg_loop_free(f->loop);
}

static void wait_silent(Fixture *f)
{
    while (f->n_silent == 0)
        eg_loop_iterate(f->loop, true);
}

static void on_other(gpointer user)
{
    *(bool *)user = true;
}

/* Runs a loop until a timer in it has fired that is due long after the pulse's. */
static void run_past(EgLoop *loop)
{
    bool is_due = false;
    g_autoptr(EgTimer) timer = eg_timer_new(loop, on_other, &is_due);
    eg_timer_set_after(timer, 2 * SILENCE_NS);
    while (!is_due)
        eg_loop_iterate(loop, true);
}

static void test_silent(Fixture *f, gconstpointer data)
{
    (void)data;
    wait_silent(f);
    g_assert_cmpuint(f->n_asked, ==, 5);
    run_past(f->loop);
    g_assert_cmpuint(f->n_asked, ==, 5);
    g_assert_cmpuint(f->n_silent, ==, 1);
}

/* As long as there are answers, nothing happens; then five questions go without one. */
static void test_answers(Fixture *f, gconstpointer data)
{
    (void)data;
    f->n_answers = 20;
    wait_silent(f);
    g_assert_cmpuint(f->n_asked, ==, 20 + 5);
}

/* One answer is enough for all questions before it. */
static void test_late_answer(Fixture *f, gconstpointer data)
{
    (void)data;
    while (f->n_asked < 4)
        eg_loop_iterate(f->loop, true);
    eg_pulse_heard(f->pulse);
    wait_silent(f);
    g_assert_cmpuint(f->n_asked, ==, 4 + 5);
}

/* Who asks was away for long: it is but one question. */
static void test_asker_was_away(Fixture *f, gconstpointer data)
{
    (void)data;
    EgLoop *elsewhere = eg_loop_new();
    run_past(elsewhere);
    eg_loop_free(elsewhere);
    g_assert_cmpuint(f->n_asked, ==, 0);
    while (f->n_asked == 0)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpuint(f->n_asked, ==, 1);
    g_assert_cmpuint(f->n_silent, ==, 0);
    f->n_answers = 1;
    wait_silent(f);
    g_assert_cmpuint(f->n_asked, ==, 2 + 5);
}

static void test_stopped(Fixture *f, gconstpointer data)
{
    (void)data;
    while (f->n_asked == 0)
        eg_loop_iterate(f->loop, true);
    eg_pulse_stop(f->pulse);
    run_past(f->loop);
    g_assert_cmpuint(f->n_asked, ==, 1);
    g_assert_cmpuint(f->n_silent, ==, 0);
}

static void test_freed_when_silent(Fixture *f, gconstpointer data)
{
    (void)data;
    f->is_freed_when_silent = true;
    wait_silent(f);
    g_assert_null(f->pulse);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func) g_test_add("/service/pulse/" path, Fixture, NULL, set_up, func, tear_down)
    ADD("silent", test_silent);
    ADD("answers", test_answers);
    ADD("late-answer", test_late_answer);
    ADD("asker-was-away", test_asker_was_away);
    ADD("stopped", test_stopped);
    ADD("freed-when-silent", test_freed_when_silent);
#undef ADD
    return g_test_run();
}
