#include "service/guard.h"

#include "base/time.h"

#define GB (G_GINT64_CONSTANT(1024) * 1024 * 1024)
#define S  EG_NS_PER_S

/* A machine of 4 cores with egresses "a", "b" and "c", each of which was given one. */
typedef struct {
    EgConfig *config;
    EgGuard *guard;
    gint64 now_ns;
    EgProcessLoad processes[3];
    EgLoad load;
} Machine;

static void make_machine(Machine *machine, gconstpointer yaml)
{
    static const char *const ids[] = {"a", "b", "c"};
    g_autoptr(GError) error = NULL;
    machine->config = eg_config_parse(yaml != NULL ? yaml : "", "x", NULL, &error);
    g_assert_no_error(error);
    machine->guard = eg_guard_new(machine->config);
    machine->now_ns = 1000 * S;
    for (gsize i = 0; i < G_N_ELEMENTS(ids); i++) {
        machine->processes[i] =
            (EgProcessLoad){.egress_id = ids[i], .cores = 1, .rss_bytes = GB / 10};
        eg_guard_add(machine->guard, ids[i], 1);
    }
    machine->load = (EgLoad){.n_cores = 4, .used_cores = 3, .processes = machine->processes};
    machine->load.n_processes = G_N_ELEMENTS(ids);
}

static void free_machine(Machine *machine, gconstpointer unused)
{
    (void)unused;
    eg_guard_free(machine->guard);
    eg_config_free(machine->config);
}

static void set_cores(Machine *machine, double a, double b, double c)
{
    machine->processes[0].cores = a;
    machine->processes[1].cores = b;
    machine->processes[2].cores = c;
}

static void set_gigabytes(Machine *machine, double a, double b, double c, double used)
{
    machine->processes[0].rss_bytes = (gint64)(a * (double)GB);
    machine->processes[1].rss_bytes = (gint64)(b * (double)GB);
    machine->processes[2].rss_bytes = (gint64)(c * (double)GB);
    machine->load.used_bytes = (gint64)(used * (double)GB);
}

static EgGuardOrder update(Machine *machine)
{
    machine->now_ns += S;
    return eg_guard_update(machine->guard, &machine->load, machine->now_ns);
}

static void assert_nothing(Machine *machine, guint n_updates)
{
    for (guint i = 0; i < n_updates; i++) {
        EgGuardOrder order = update(machine);
        g_assert_cmpint(order.act, ==, EG_GUARD_NOTHING);
    }
}

/* In the next update. */
static void assert_cpu(Machine *machine, EgGuardAct act, const char *egress_id, double cores)
{
    EgGuardOrder order = update(machine);
    g_assert_cmpint(order.act, ==, act);
    g_assert_cmpstr(order.egress_id, ==, egress_id);
    g_assert_cmpfloat_with_epsilon(order.used_cores, cores, 1e-9);
}

static void assert_memory(Machine *machine, const char *egress_id, double gigabytes)
{
    EgGuardOrder order = update(machine);
    g_assert_cmpint(order.act, ==, EG_GUARD_KILL_MEMORY);
    g_assert_cmpstr(order.egress_id, ==, egress_id);
    g_assert_cmpint(order.used_bytes, ==, (gint64)(gigabytes * (double)GB));
}

/* CPU. */

static void test_stop(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 1.2, 1.5, 0.9);
    machine->load.used_cores = 3.9;
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "b", 1.5);
    /* It is waited for, not stopped again, nor anybody else. */
    assert_nothing(machine, 29);
    eg_guard_remove(machine->guard, "b");
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", 1.2);
}

/* By what was given, not by what is used. */
static void test_by_cost(Machine *machine, gconstpointer unused)
{
    (void)unused;
    eg_guard_add(machine->guard, "b", 2);
    set_cores(machine, 1.2, 2.1, 0.6);
    machine->load.used_cores = 3.9;
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", 1.2);
}

/* By all the time, not by the last second. */
static void test_by_mean(Machine *machine, gconstpointer unused)
{
    (void)unused;
    machine->load.used_cores = 4;
    set_cores(machine, 1.2, 0.8, 1);
    assert_nothing(machine, 9);
    set_cores(machine, 1, 2, 1);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", (9 * 1.2 + 1) / 10);
}

/* The default is above 95 %. */
static void test_threshold(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 2, 0.9, 0.8);
    machine->load.used_cores = 3.8;
    assert_nothing(machine, 20);
    machine->load.used_cores = 3.801;
    assert_nothing(machine, 9);
    machine->load.used_cores = 3.8; /* a breath */
    assert_nothing(machine, 1);
    machine->load.used_cores = 3.801;
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", 2);
}

/* 0.96 is given away: above 98 %. */
static void test_high_threshold(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 2, 0.9, 0.8);
    machine->load.used_cores = 3.91;
    assert_nothing(machine, 20);
    machine->load.used_cores = 3.93;
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", 2);
}

/* More is given away than there is. */
static void test_off(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 2, 1, 1);
    machine->load.used_cores = 4;
    assert_nothing(machine, 100);
}

/* Who is alone may use the machine. */
static void test_alone(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 3, 0.5, 0.5);
    machine->load.used_cores = 4;
    eg_guard_remove(machine->guard, "b");
    eg_guard_set_ending(machine->guard, "c");
    assert_nothing(machine, 20);
    eg_guard_add(machine->guard, "b", 1);
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", 3);
}

/* Others use what is missing. */
static void test_all_within_cost(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 1, 0.5, 0.9);
    machine->load.used_cores = 4;
    assert_nothing(machine, 30);
    set_cores(machine, 1, 1.1, 0.9);
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "b", 1.1);
}

static void test_ending_spared(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 2, 1.5, 0.5);
    machine->load.used_cores = 4;
    eg_guard_set_ending(machine->guard, "a");
    eg_guard_set_ending(machine->guard, "nobody");
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "b", 1.5);
}

/* Whether the machine is still busy or not. */
static void test_kill(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 0.5, 2, 1.5);
    machine->load.used_cores = 4;
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "b", 2);
    eg_guard_set_ending(machine->guard, "b");
    machine->load.used_cores = 1;
    set_cores(machine, 0.5, 0, 0.5);
    assert_nothing(machine, 29);
    assert_cpu(machine, EG_GUARD_KILL_CPU, "b", 2);
    /* It is waited for. */
    set_cores(machine, 0.5, 0, 3);
    machine->load.used_cores = 4;
    assert_nothing(machine, 100);
    eg_guard_remove(machine->guard, "b");
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "c", 3);
}

static void test_kill_without_grace(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 2, 1, 1);
    machine->load.used_cores = 4;
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", 2);
    assert_cpu(machine, EG_GUARD_KILL_CPU, "a", 2);
    assert_nothing(machine, 20);
}

/* Memory. */

static void test_memory_off(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_gigabytes(machine, 100, 1, 1, 1000);
    assert_nothing(machine, 20);
}

static void test_memory(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_gigabytes(machine, 0.5, 2.5, 1, 4);
    assert_nothing(machine, 20);
    set_gigabytes(machine, 0.5, 2.5, 1, 4.001);
    assert_memory(machine, "b", 2.5);
    /* Until it is gone, its memory is. */
    assert_nothing(machine, 20);
    eg_guard_remove(machine->guard, "b");
    assert_memory(machine, "c", 1);
    eg_guard_remove(machine->guard, "c");
    assert_memory(machine, "a", 0.5);
    eg_guard_remove(machine->guard, "a");
    assert_nothing(machine, 20);
}

static void test_memory_grace(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_gigabytes(machine, 3, 1, 1, 5);
    assert_nothing(machine, 3);
    machine->load.used_bytes = 4 * GB; /* it was for a moment */
    assert_nothing(machine, 1);
    machine->load.used_bytes = 5 * GB;
    assert_nothing(machine, 3);
    assert_memory(machine, "a", 3);
    eg_guard_remove(machine->guard, "a");
    assert_nothing(machine, 3);
    set_gigabytes(machine, 0, 1, 1.5, 5);
    assert_memory(machine, "c", 1.5);
}

/* Memory does not wait for one that is stopped, but does not have it killed twice. */
static void test_both(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_cores(machine, 2, 1, 1);
    machine->load.used_cores = 4;
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "a", 2);
    set_gigabytes(machine, 3, 1, 1, 5);
    assert_memory(machine, "a", 3);
    assert_nothing(machine, 100);
    eg_guard_remove(machine->guard, "a");
    set_gigabytes(machine, 0, 1, 1, 2);
    set_cores(machine, 0, 1, 3);
    assert_nothing(machine, 9);
    assert_cpu(machine, EG_GUARD_STOP_CPU, "c", 3);
}

/* Of a killed one nothing remains that another of its name could inherit. */
static void test_again(Machine *machine, gconstpointer unused)
{
    (void)unused;
    set_gigabytes(machine, 3, 1, 1, 5);
    assert_memory(machine, "a", 3);
    eg_guard_remove(machine->guard, "a");
    eg_guard_remove(machine->guard, "a");
    eg_guard_add(machine->guard, "a", 1);
    assert_memory(machine, "a", 3);
}

#define ADD(name, yaml, function)                                                                  \
    g_test_add("/service/guard/" name, Machine, yaml, make_machine, function, free_machine)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("stop", NULL, test_stop);
    ADD("by-cost", NULL, test_by_cost);
    ADD("by-mean", NULL, test_by_mean);
    ADD("threshold", NULL, test_threshold);
    ADD("high-threshold", "cpu_cost: {max_cpu_utilization: 0.96}", test_high_threshold);
    ADD("off", "cpu_cost: {max_cpu_utilization: 1.5}", test_off);
    ADD("off-at-1", "cpu_cost: {max_cpu_utilization: 1}", test_off);
    ADD("alone", NULL, test_alone);
    ADD("all-within-cost", NULL, test_all_within_cost);
    ADD("ending-spared", NULL, test_ending_spared);
    ADD("kill", NULL, test_kill);
    ADD("kill-without-grace", "cpu_cost: {cpu_kill_grace_sec: 0}", test_kill_without_grace);
    ADD("memory-off", NULL, test_memory_off);
    ADD("memory", "cpu_cost: {max_memory: 4}", test_memory);
    ADD("memory-grace", "cpu_cost: {max_memory: 4, memory_kill_grace_sec: 3}", test_memory_grace);
    ADD("both", "cpu_cost: {max_memory: 4}", test_both);
    ADD("again", "cpu_cost: {max_memory: 4}", test_again);
    return g_test_run();
}
