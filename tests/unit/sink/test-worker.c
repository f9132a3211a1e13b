/* A thread behind a bounded queue: what it is given is worked off, and a thread that hangs hangs
 * nobody else. */
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "sink/worker.h"

#define LIMIT_BYTES 10

/* What the thread sees; it may outlive the test's function, but not the test. */
typedef struct {
    GMutex lock; /* for these */
    GCond changed;
    GString *calls;
    bool is_held; /* what works waits */

    GMainContext *context;
    gint is_destroyed; /* atomic */
} Disk;

typedef struct {
    EgLoop *loop;
    EgWorker *worker;
    Disk *disk;
    guint n_ended;
    GError *error;
    guint n_unloaded; /* atomic */
} Fixture;

static Fixture *current;

static void note(Disk *disk, char call)
{
    g_mutex_lock(&disk->lock);
    g_string_append_c(disk->calls, call);
    g_cond_broadcast(&disk->changed);
    while (disk->is_held)
        g_cond_wait(&disk->changed, &disk->lock);
    g_mutex_unlock(&disk->lock);
}

static bool work(gpointer user, gpointer item, GError **error)
{
    char letter = (char)GPOINTER_TO_INT(item);
    note(user, letter);
    if (letter != '!')
        return true;
    eg_error_set(error, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_DESTINATION, "full");
    return false;
}

static bool finish(gpointer user, GError **error)
{
    (void)error;
    note(user, '.');
    return true;
}

static void unload(gpointer item)
{
    (void)item;
    g_atomic_int_inc(&current->n_unloaded);
}

static void destroy(gpointer user)
{
    Disk *disk = user;
    g_autoptr(GMainContext) context = g_main_context_ref(disk->context);
    g_atomic_int_set(&disk->is_destroyed, 1); /* it may be gone from here on */
    g_main_context_wakeup(context);
}

static void on_ended(gpointer owner, const GError *error)
{
    Fixture *f = owner;
    f->n_ended++;
    f->error = error != NULL ? g_error_copy(error) : NULL;
}

static const EgWorkerClass patient = {
    .name = "patient",
    .limit_bytes = LIMIT_BYTES,
    .unload = unload,
    .work = work,
    .finish = finish,
    .destroy = destroy,
    .ended = on_ended,
};

static const EgWorkerClass impatient = {
    .name = "impatient",
    .limit_bytes = LIMIT_BYTES,
    .stall_ns = 20 * EG_NS_PER_MS,
    .unload = unload,
    .work = work,
    .finish = finish,
    .destroy = destroy,
    .ended = on_ended,
};

static void set_up(Fixture *f, gconstpointer class)
{
    current = f;
    f->disk = g_new0(Disk, 1);
    g_mutex_init(&f->disk->lock);
    g_cond_init(&f->disk->changed);
    f->disk->calls = g_string_new(NULL);
    f->loop = eg_loop_new();
    f->disk->context = g_main_context_ref(eg_loop_context(f->loop));
    f->worker = eg_worker_new(f->loop, class, "d/x", f->disk, f);
}

static void hold(Fixture *f, bool is_held)
{
    g_mutex_lock(&f->disk->lock);
    f->disk->is_held = is_held;
    g_cond_broadcast(&f->disk->changed);
    g_mutex_unlock(&f->disk->lock);
}

/* Until it has begun with so much. */
static void wait_calls(Fixture *f, gsize n)
{
    g_mutex_lock(&f->disk->lock);
    while (f->disk->calls->len < n)
        g_cond_wait(&f->disk->changed, &f->disk->lock);
    g_mutex_unlock(&f->disk->lock);
}

static void tear_down(Fixture *f, gconstpointer class)
{
    (void)class;
    eg_worker_free(f->worker);
    hold(f, false);
    /* What is on the way to the loop may be the last to hold it. */
    while (g_atomic_int_get(&f->disk->is_destroyed) == 0)
        eg_loop_iterate(f->loop, true);
    g_string_free(f->disk->calls, TRUE);
    g_mutex_clear(&f->disk->lock);
    g_cond_clear(&f->disk->changed);
    g_main_context_unref(f->disk->context);
    g_free(f->disk);
    g_clear_error(&f->error);
    eg_loop_free(f->loop);
}

static void push(Fixture *f, char letter)
{
    eg_worker_push(f->worker, GINT_TO_POINTER((gint)letter), LIMIT_BYTES / 2);
}

static void wait_ended(Fixture *f)
{
    while (f->n_ended == 0)
        eg_loop_iterate(f->loop, true);
}

static void test_order(Fixture *f, gconstpointer class)
{
    (void)class;
    push(f, 'a');
    wait_calls(f, 1);
    push(f, 'b');
    eg_worker_finish(f->worker);
    wait_ended(f);
    push(f, 'c');
    g_assert_no_error(f->error);
    g_assert_cmpstr(f->disk->calls->str, ==, "ab.");
    g_assert_cmpint(g_atomic_int_get(&f->n_unloaded), ==, 1);
}

/* What was pushed is worked off, but nothing is completed, and nobody is told. */
static void test_given_up(Fixture *f, gconstpointer class)
{
    (void)class;
    push(f, 'a');
    push(f, 'b');
    g_clear_pointer(&f->worker, eg_worker_free);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_cmpstr(f->disk->calls->str, ==, "ab");
    g_assert_cmpuint(f->n_ended, ==, 0);
}

static void test_failed(Fixture *f, gconstpointer class)
{
    (void)class;
    hold(f, true);
    push(f, '!');
    wait_calls(f, 1);
    push(f, 'b');
    hold(f, false);
    wait_ended(f);
    eg_worker_finish(f->worker);
    g_clear_pointer(&f->worker, eg_worker_free);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_error(f->error, EG_ERROR, EG_ERROR_RESOURCE_EXHAUSTED);
    g_assert_cmpstr(f->disk->calls->str, ==, "!");
    g_assert_cmpint(g_atomic_int_get(&f->n_unloaded), ==, 1);
    g_assert_cmpuint(f->n_ended, ==, 1);
}

/* Two fit while one is worked on. What has fitted is completed. */
static void test_too_slow(Fixture *f, gconstpointer class)
{
    (void)class;
    hold(f, true);
    push(f, 'a');
    wait_calls(f, 1);
    for (const char *letter = "bcd"; *letter != '\0'; letter++)
        push(f, *letter);
    g_assert_cmpuint(eg_worker_waiting(f->worker), ==, 3);
    wait_ended(f);
    g_assert_error(f->error, EG_ERROR, EG_ERROR_RESOURCE_EXHAUSTED);
    g_assert_nonnull(strstr(f->error->message, "the disk is too slow for d/x"));
    g_assert_cmpint(g_atomic_int_get(&f->n_unloaded), ==, 1);
    hold(f, false);
    wait_calls(f, 4);
    push(f, 'e');
    g_clear_pointer(&f->worker, eg_worker_free);
    g_assert_cmpstr(f->disk->calls->str, ==, "abc.");
    g_assert_cmpuint(f->n_ended, ==, 1);
}

/* It hangs while it completes: that ends, and is not waited for. */
static void test_stalled(Fixture *f, gconstpointer class)
{
    (void)class;
    push(f, 'a');
    wait_calls(f, 1);
    hold(f, true);
    eg_worker_finish(f->worker);
    wait_ended(f);
    g_assert_error(f->error, EG_ERROR, EG_ERROR_DEADLINE_EXCEEDED);
    g_assert_nonnull(strstr(f->error->message, "d/x cannot be completed"));
    g_clear_pointer(&f->worker, eg_worker_free);
    g_assert_cmpint(g_atomic_int_get(&f->disk->is_destroyed), ==, 0);
    hold(f, false);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, class, test)                                                                     \
    g_test_add("/sink/worker/" name, Fixture, &(class), set_up, test, tear_down)
    ADD("order", patient, test_order);
    ADD("given-up", patient, test_given_up);
    ADD("failed", patient, test_failed);
    ADD("too-slow", patient, test_too_slow);
    ADD("stalled", impatient, test_stalled);
#undef ADD
    return g_test_run();
}
