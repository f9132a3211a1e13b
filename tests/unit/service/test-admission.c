#include "service/admission.h"

#include "base/error.h"
#include "base/time.h"

#define GB (G_GINT64_CONSTANT(1024) * 1024 * 1024)
#define S  EG_NS_PER_S

typedef struct {
    EgConfig *config;
    EgAdmission *admission;
    gint64 now_ns;
    EgProcessLoad processes[4];
} Worker;

static void make_worker(Worker *worker, gconstpointer yaml)
{
    g_autoptr(GError) error = NULL;
    worker->config = eg_config_parse(yaml != NULL ? yaml : "", "x", NULL, &error);
    g_assert_no_error(error);
    worker->admission = eg_admission_new(worker->config);
    worker->now_ns = 1000 * S;
}

static void free_worker(Worker *worker, gconstpointer unused)
{
    (void)unused;
    eg_admission_free(worker->admission);
    eg_config_free(worker->config);
}

/* `cores` of egresses "0", "1", ...; ends with a negative one. */
static void measure(Worker *worker, double n_cores, double used_cores, const double *cores,
                    gint64 rss_bytes)
{
    static const char *const ids[] = {"0", "1", "2", "3"};
    EgLoad load = {.n_cores = n_cores, .used_cores = used_cores, .processes = worker->processes};
    for (; cores != NULL && cores[load.n_processes] >= 0; load.n_processes++) {
        worker->processes[load.n_processes] = (EgProcessLoad){
            .egress_id = ids[load.n_processes],
            .cores = cores[load.n_processes],
            .rss_bytes = rss_bytes,
        };
        load.used_bytes += rss_bytes;
    }
    eg_admission_set_load(worker->admission, &load, worker->now_ns);
}

static void hold(Worker *worker, const char *id, double cores)
{
    eg_admission_hold(worker->admission, id, cores, 0, worker->now_ns);
}

static void assert_free(const Worker *worker, double cores)
{
    g_assert_cmpfloat_with_epsilon(eg_admission_free_cores(worker->admission, worker->now_ns),
                                   cores, 1e-9);
}

static void assert_taken(const Worker *worker, double cores, gint64 memory_bytes)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(
        eg_admission_check(worker->admission, cores, memory_bytes, worker->now_ns, &error));
    g_assert_no_error(error);
}

static void assert_refused(const Worker *worker, double cores, gint64 memory_bytes,
                           const char *text)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(
        eg_admission_check(worker->admission, cores, memory_bytes, worker->now_ns, &error));
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_RESOURCE_EXHAUSTED);
    g_assert_true(eg_error_is_retryable(error));
    g_assert_cmpstr(error->message, ==, text);
}

/* All of it, whatever else runs on the machine. */
static void test_idle(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 4, 1.5, NULL, 0);
    assert_free(worker, 4);
    g_assert_cmpuint(eg_admission_n_running(worker->admission), ==, 0);
    assert_taken(worker, 4, 0);
    assert_refused(worker, 5, 0,
                   "not enough CPU: needs 5.00 cores, free 4.00 of 4.00 (0 egresses running)");
}

static void test_unmeasured(Worker *worker, gconstpointer unused)
{
    (void)unused;
    assert_refused(worker, 0.5, 0,
                   "not enough CPU: needs 0.50 cores, free 0.00 of 0.00 (0 egresses running)");
}

/* 0.8 of the cores, less what was promised, then less what is used. */
static void test_hold(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 4, 0, NULL, 0);
    hold(worker, "0", 2);
    assert_free(worker, 3.2 - 2);
    assert_taken(worker, 1.2, 0);
    assert_refused(worker, 1.3, 0,
                   "not enough CPU: needs 1.30 cores, free 1.20 of 4.00 (1 egress running)");

    /* Less is used than was promised: that counts for 15 seconds still. */
    measure(worker, 4, 0.5, (double[]){0.5, -1}, 0);
    assert_free(worker, 3.2 - 2);
    worker->now_ns += 15 * S - 1;
    assert_free(worker, 3.2 - 2);
    worker->now_ns += 1;
    assert_free(worker, 3.2 - 0.5);

    /* More is used: that counts at once. */
    hold(worker, "1", 0.1);
    measure(worker, 4, 1.5, (double[]){0.5, 1, -1}, 0);
    assert_free(worker, 3.2 - 1.5);
    eg_admission_release(worker->admission, "1");
    assert_free(worker, 3.2 - 0.5);
    eg_admission_release(worker->admission, "0");
    eg_admission_release(worker->admission, "0");
    assert_free(worker, 4);
}

/* What was promised counts on as long as nothing is known of the process. */
static void test_unseen_process(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 4, 0, NULL, 0);
    hold(worker, "0", 2);
    worker->now_ns += 60 * S;
    assert_free(worker, 3.2 - 2);
    measure(worker, 4, 0.25, (double[]){0.25, -1}, 0);
    assert_free(worker, 3.2 - 0.25);
    measure(worker, 4, 0, NULL, 0);
    assert_free(worker, 3.2 - 2);
}

/* Once something runs, what others use is not ours to give. */
static void test_others(Worker *worker, gconstpointer unused)
{
    (void)unused;
    hold(worker, "0", 0.5);
    worker->now_ns += 20 * S;
    measure(worker, 4, 1.5, (double[]){0.5, -1}, 0);
    assert_free(worker, 3.2 - 1 - 0.5);
    /* The two do not come from the same instant. */
    measure(worker, 4, 0.4, (double[]){0.5, -1}, 0);
    assert_free(worker, 3.2 - 0.5);
    /* One that was released goes on using what it used, until it is gone. */
    hold(worker, "1", 0.5);
    eg_admission_release(worker->admission, "0");
    measure(worker, 4, 1.5, (double[]){0.5, 0.5, -1}, 0);
    assert_free(worker, 3.2 - 1 - 0.5);
}

static void test_overload(Worker *worker, gconstpointer unused)
{
    (void)unused;
    hold(worker, "0", 1);
    measure(worker, 2, 2, (double[]){1.9, -1}, 0);
    assert_free(worker, 1.6 - 1.9 - 0.1);
    assert_refused(worker, 0.01, 0,
                   "not enough CPU: needs 0.01 cores, free 0.00 of 2.00 (1 egress running)");
}

/* What is said and what is done are the same also in the last digit. */
static void test_rounding(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 2, 0, NULL, 0);
    hold(worker, "0", 0.602);
    assert_taken(worker, 1, 0);
    assert_refused(worker, 1.01, 0,
                   "not enough CPU: needs 1.01 cores, free 1.00 of 2.00 (1 egress running)");
    measure(worker, 1.996, 0, NULL, 0);
    eg_admission_release(worker->admission, "0");
    assert_taken(worker, 2, 0);
}

static void test_fraction(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 0.7, 0, NULL, 0);
    assert_free(worker, 0.7);
    hold(worker, "0", 0.5);
    assert_refused(worker, 0.5, 0,
                   "not enough CPU: needs 0.50 cores, free 0.06 of 0.70 (1 egress running)");
}

static void test_memory_off(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 4, 0, (double[]){0, -1}, 1000 * GB);
    assert_taken(worker, 1, 1000 * GB);
}

static void test_memory(Worker *worker, gconstpointer unused)
{
    (void)unused;
    /* 1 of 8 GB is kept free. */
    measure(worker, 4, 0, NULL, 0);
    assert_taken(worker, 1, 7 * GB);
    assert_refused(worker, 1, 7 * GB + 1,
                   "not enough memory: needs 7.00 GB, free 7.00 of 8.00 GB (0 egresses running)");
    eg_admission_hold(worker->admission, "0", 0.1, 2 * GB, worker->now_ns);
    assert_taken(worker, 1, 5 * GB);
    assert_refused(worker, 1, 6 * GB,
                   "not enough memory: needs 6.00 GB, free 5.00 of 8.00 GB (1 egress running)");
    /* Part of what was promised is used: it counts once. */
    measure(worker, 4, 0, (double[]){0.1, -1}, GB);
    assert_taken(worker, 1, 5 * GB);
    assert_refused(worker, 1, 6 * GB,
                   "not enough memory: needs 6.00 GB, free 5.00 of 8.00 GB (1 egress running)");
    worker->now_ns += 15 * S;
    assert_taken(worker, 1, 6 * GB);
    measure(worker, 4, 0, (double[]){0.1, -1}, 9 * GB);
    assert_refused(worker, 1, 0,
                   "not enough memory: needs 0.00 GB, free 0.00 of 8.00 GB (1 egress running)");
}

/* If something else than what counts were what counts. */
static void test_other_memory(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 4, 0, NULL, 0);
    eg_admission_hold(worker->admission, "0", 0.1, 2 * GB, worker->now_ns);
    g_assert_true(eg_admission_has_memory(worker->admission, 3 * GB, 2 * GB, worker->now_ns));
    g_assert_false(eg_admission_has_memory(worker->admission, 3 * GB, 2 * GB + 1, worker->now_ns));
    g_assert_false(eg_admission_has_memory(worker->admission, 5 * GB, 0, worker->now_ns));
}

/* Of less than 4 GB, a quarter. */
static void test_little_memory(Worker *worker, gconstpointer unused)
{
    (void)unused;
    measure(worker, 4, 0, NULL, 0);
    assert_taken(worker, 1, 3 * GB / 4);
    assert_refused(worker, 1, GB,
                   "not enough memory: needs 1.00 GB, free 0.75 of 1.00 GB (0 egresses running)");
}

static void test_machine(void)
{
    static const struct {
        const char *yaml;
        double n_cores;
        const char *text; /* NULL: large enough */
    } cases[] = {
        {"",                                                                  2,    NULL},
        {"",                                                                  0.5,  NULL},
        {"",                                                                  0.4,
         "not enough cpu: there are 0.40 cores, and the cheapest egress needs 0.50 "
         "(cpu_cost.track_cpu_cost)"                                                    },
        {"cpu_cost: {track_cpu_cost: 0.01}",                                  0.05, NULL},
        {"cpu_cost: {track_cpu_cost: 3, track_composite_cpu_cost: 3, participant_cpu_cost: 2, "
         "audio_room_composite_cpu_cost: 3, audio_web_cpu_cost: 3}", 1,
         "not enough cpu: there are 1.00 cores, and the cheapest egress needs 2.00 "
         "(cpu_cost.participant_cpu_cost)"                                              },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Worker worker = {0};
        make_worker(&worker, cases[i].yaml);
        g_autoptr(GError) error = NULL;
        bool is_large_enough =
            eg_admission_check_machine(worker.admission, cases[i].n_cores, &error);
        g_assert_cmpint(is_large_enough, ==, cases[i].text == NULL);
        if (cases[i].text != NULL)
            g_assert_cmpstr(error->message, ==, cases[i].text);
        free_worker(&worker, NULL);
    }
    eg_admission_free(NULL);
}

#define ADD(name, yaml, test) g_test_add(name, Worker, yaml, make_worker, test, free_worker)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/service/admission/idle", NULL, test_idle);
    ADD("/service/admission/unmeasured", NULL, test_unmeasured);
    ADD("/service/admission/hold", NULL, test_hold);
    ADD("/service/admission/unseen-process", NULL, test_unseen_process);
    ADD("/service/admission/others", NULL, test_others);
    ADD("/service/admission/overload", NULL, test_overload);
    ADD("/service/admission/rounding", NULL, test_rounding);
    ADD("/service/admission/fraction", NULL, test_fraction);
    ADD("/service/admission/memory-off", NULL, test_memory_off);
    ADD("/service/admission/memory", "cpu_cost: {max_memory: 8}", test_memory);
    ADD("/service/admission/other-memory", "cpu_cost: {max_memory: 8}", test_other_memory);
    ADD("/service/admission/little-memory", "cpu_cost: {max_memory: 1}", test_little_memory);
    g_test_add_func("/service/admission/machine", test_machine);
    return g_test_run();
}
