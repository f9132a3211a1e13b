#include "base/loop.h"

#include "base/time.h"

typedef struct {
    EgLoop *loop;
    GString *calls;
    EgTimer *timer;
    int n_left;
    gint64 due_ns;
} Fixture;

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    f->loop = eg_loop_new();
    f->calls = g_string_new(NULL);
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_timer_free(f->timer);
    eg_loop_free(f->loop);
    g_string_free(f->calls, TRUE);
}

static void drain(Fixture *f)
{
    while (eg_loop_iterate(f->loop, false)) {
    }
}

typedef struct {
    Fixture *fixture;
    char letter;
} Letter;

static void append(gpointer user)
{
    Letter *letter = user;
    g_string_append_c(letter->fixture->calls, letter->letter);
}

static void append_upper(gpointer user)
{
    Letter *letter = user;
    g_string_append_c(letter->fixture->calls, g_ascii_toupper(letter->letter));
}

static void test_post(Fixture *f, gconstpointer user)
{
    (void)user;
    Letter a = {f, 'a'};
    Letter b = {f, 'b'};
    g_assert_false(eg_loop_iterate(f->loop, false));
    eg_loop_post(f->loop, append, &a, NULL);
    eg_loop_post(f->loop, append, &b, append_upper);
    eg_loop_post(f->loop, append, &a, append_upper);
    g_assert_cmpstr(f->calls->str, ==, ""); /* never inside of the call */
    drain(f);
    g_assert_cmpstr(f->calls->str, ==, "abBaA");
}

static void post_again(gpointer user)
{
    Letter *letter = user;
    g_string_append_c(letter->fixture->calls, '(');
    eg_loop_post(letter->fixture->loop, append, letter, NULL);
    g_string_append_c(letter->fixture->calls, ')');
}

static void test_post_nested(Fixture *f, gconstpointer user)
{
    (void)user;
    Letter x = {f, 'x'};
    eg_loop_post(f->loop, post_again, &x, NULL);
    /* In a later turn, so that it cannot keep others waiting. */
    g_assert_true(eg_loop_iterate(f->loop, false));
    g_assert_cmpstr(f->calls->str, ==, "()");
    drain(f);
    g_assert_cmpstr(f->calls->str, ==, "()x");
}

static void quit(gpointer user)
{
    Fixture *f = user;
    g_assert_true(g_main_context_is_owner(eg_loop_context(f->loop)));
    eg_loop_quit(f->loop);
}

static gpointer post_from_thread(gpointer data)
{
    Fixture *f = data;
    static Letter letters[26];
    for (guint i = 0; i < G_N_ELEMENTS(letters); i++) {
        letters[i] = (Letter){f, (char)('a' + i)};
        eg_loop_post(f->loop, append, &letters[i], NULL);
    }
    eg_loop_post(f->loop, quit, f, NULL);
    return NULL;
}

static void test_threads(Fixture *f, gconstpointer user)
{
    (void)user;
    GThread *thread = g_thread_new("poster", post_from_thread, f);
    eg_loop_run(f->loop);
    g_thread_join(thread);
    g_assert_cmpstr(f->calls->str, ==, "abcdefghijklmnopqrstuvwxyz");
}

/* What was posted and has not run is dropped, its data destroyed. */
static void test_free_posted(Fixture *f, gconstpointer user)
{
    (void)user;
    Letter a = {f, 'a'};
    eg_loop_post(f->loop, append, &a, append_upper);
    g_clear_pointer(&f->loop, eg_loop_free);
    g_assert_cmpstr(f->calls->str, ==, "A");
}

static void test_default_context(Fixture *f, gconstpointer user)
{
    (void)user;
    g_assert_true(g_main_context_get_thread_default() == eg_loop_context(f->loop));
    g_clear_pointer(&f->loop, eg_loop_free);
    g_assert_null(g_main_context_get_thread_default());
    eg_loop_free(NULL);
}

static void on_due(gpointer user)
{
    Fixture *f = user;
    g_assert_cmpint(eg_now_ns(), >=, f->due_ns);
    g_string_append_c(f->calls, 't');
    if (--f->n_left > 0) {
        f->due_ns = eg_now_ns() + EG_NS_PER_MS;
        eg_timer_set(f->timer, f->due_ns);
    }
}

static void test_timer(Fixture *f, gconstpointer user)
{
    (void)user;
    f->timer = eg_timer_new(f->loop, on_due, f);
    g_assert_false(eg_loop_iterate(f->loop, false)); /* not running yet */

    /* Never early; again when set in its own callback. */
    f->n_left = 3;
    f->due_ns = eg_now_ns() + EG_NS_PER_MS;
    eg_timer_set(f->timer, f->due_ns);
    while (f->n_left > 0)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->calls->str, ==, "ttt");
    g_assert_false(eg_loop_iterate(f->loop, false)); /* once only */

    /* What has passed is due at once, but not inside of the call. */
    f->due_ns = 0;
    f->n_left = 1;
    eg_timer_set(f->timer, 0);
    g_assert_cmpint(f->n_left, ==, 1);
    eg_loop_iterate(f->loop, false);
    g_assert_cmpint(f->n_left, ==, 0);

    /* Cleared or replaced it does not fire. */
    f->n_left = 1;
    eg_timer_set(f->timer, 0);
    eg_timer_clear(f->timer);
    g_assert_false(eg_loop_iterate(f->loop, false));
    eg_timer_set(f->timer, 0);
    eg_timer_set_after(f->timer, 3600 * EG_NS_PER_S);
    g_assert_false(eg_loop_iterate(f->loop, false));
    g_assert_cmpint(f->n_left, ==, 1);
}

static void free_itself(gpointer user)
{
    Fixture *f = user;
    g_clear_pointer(&f->timer, eg_timer_free);
    g_string_append_c(f->calls, 'f');
}

static void test_timer_frees_itself(Fixture *f, gconstpointer user)
{
    (void)user;
    f->timer = eg_timer_new(f->loop, free_itself, f);
    eg_timer_set(f->timer, 0);
    drain(f);
    g_assert_cmpstr(f->calls->str, ==, "f");
    g_assert_null(f->timer);

    f->timer = eg_timer_new(f->loop, free_itself, f);
    eg_timer_set(f->timer, 0);
    g_clear_pointer(&f->timer, eg_timer_free);
    g_assert_false(eg_loop_iterate(f->loop, false));
    eg_timer_free(NULL);
}

typedef struct {
    Fixture *fixture;
    EgTimer *timers[2];
    void (*stop)(EgTimer *timer);
} Pair;

static void stop_both(gpointer user)
{
    Pair *pair = user;
    g_string_append_c(pair->fixture->calls, 's');
    for (guint i = 0; i < G_N_ELEMENTS(pair->timers); i++)
        pair->stop(pair->timers[i]);
}

static void put_off(EgTimer *timer)
{
    eg_timer_set_after(timer, 3600 * EG_NS_PER_S);
}

/* Of two that are due at the same time, the first takes the other away. */
static void test_timer_stops_another(Fixture *f, gconstpointer user)
{
    (void)user;
    void (*const stops[])(EgTimer *) = {eg_timer_clear, put_off};
    for (guint i = 0; i < G_N_ELEMENTS(stops); i++) {
        Pair pair = {.fixture = f, .stop = stops[i]};
        for (guint n = 0; n < G_N_ELEMENTS(pair.timers); n++) {
            pair.timers[n] = eg_timer_new(f->loop, stop_both, &pair);
            eg_timer_set(pair.timers[n], 0);
        }
        g_string_truncate(f->calls, 0);
        drain(f);
        g_assert_cmpstr(f->calls->str, ==, "s");
        for (guint n = 0; n < G_N_ELEMENTS(pair.timers); n++)
            eg_timer_free(pair.timers[n]);
    }
}

static gpointer post_one(gpointer data)
{
    static Letter letter;
    letter = (Letter){data, 'p'};
    eg_loop_post(letter.fixture->loop, append, &letter, NULL);
    return NULL;
}

/* What is posted ends a rest: this one would take longer than any test may. */
static void test_rest_ends_by_post(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_loop_rest(f->loop, 3600 * EG_NS_PER_S);
    GThread *thread = g_thread_new("poster", post_one, f);
    eg_loop_iterate(f->loop, true);
    g_thread_join(thread);
    g_assert_cmpstr(f->calls->str, ==, "p");

    /* Also what was posted before it began. */
    eg_loop_rest(f->loop, 3600 * EG_NS_PER_S);
    post_one(f);
    eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->calls->str, ==, "pp");
}

/* Nothing else does, and there is only one. */
static void test_rest(Fixture *f, gconstpointer user)
{
    (void)user;
    f->timer = eg_timer_new(f->loop, on_due, f);
    f->n_left = 1;
    eg_timer_set(f->timer, 0);
    f->due_ns = eg_now_ns() + 2 * EG_NS_PER_MS;
    eg_loop_rest(f->loop, 3600 * EG_NS_PER_S);
    eg_loop_rest(f->loop, 2 * EG_NS_PER_MS);
    g_assert_true(eg_loop_iterate(f->loop, false));
    g_assert_cmpstr(f->calls->str, ==, "t");
}

static gpointer assert_owner(gpointer data)
{
    eg_loop_assert_owner(data);
    return NULL;
}

static void test_owner(Fixture *f, gconstpointer user)
{
    (void)user;
    if (g_test_subprocess()) {
        g_thread_join(g_thread_new("stranger", assert_owner, f->loop));
        return;
    }
    eg_loop_assert_owner(f->loop);
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*loop->owner == g_thread_self()*");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func) g_test_add("/base/loop/" path, Fixture, NULL, set_up, func, tear_down)
    ADD("post", test_post);
    ADD("post-nested", test_post_nested);
    ADD("threads", test_threads);
    ADD("free-posted", test_free_posted);
    ADD("default-context", test_default_context);
    ADD("timer", test_timer);
    ADD("timer-frees-itself", test_timer_frees_itself);
    ADD("timer-stops-another", test_timer_stops_another);
    ADD("rest", test_rest);
    ADD("rest-ends-by-post", test_rest_ends_by_post);
    ADD("owner", test_owner);
#undef ADD
    return g_test_run();
}
