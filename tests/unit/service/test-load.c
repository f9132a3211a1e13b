/* A folder that looks like /proc and /sys/fs/cgroup, of which each test says what is in it. */
#include "service/load.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "service/cgroup.h"
#include "service/process-tree.h"

#define MB (G_GINT64_CONSTANT(1024) * 1024)
#define GB (1024 * MB)

typedef struct {
    char *root;
    long ticks_per_s;
    long page_bytes;
} Machine;

G_GNUC_PRINTF(3, 4)
static void put(const Machine *machine, const char *path, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_autofree char *file = g_build_filename(machine->root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(file);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_autoptr(GError) error = NULL;
    /* Not waiting for the disk; that way, GLib does not shorten a file that is there. */
    g_unlink(file);
    g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
}

static void take_away(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    const char *name;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        take_away(child);
    }
    g_assert_cmpint(g_remove(path), ==, 0);
}

static void kill_process(const Machine *machine, int pid)
{
    g_autofree char *path = g_strdup_printf("%s/proc/%d", machine->root, pid);
    take_away(path);
}

/* `cpu_ms` with those of children that were waited for; the name is as nasty as they get. */
static void put_process(const Machine *machine, const char *pid, int parent, guint64 start,
                        guint cpu_ms, gint64 rss_bytes)
{
    g_autofree char *path = g_strdup_printf("proc/%s/stat", pid);
    g_assert_cmpint(rss_bytes % machine->page_bytes, ==, 0);
    guint ticks = cpu_ms * (guint)machine->ticks_per_s / 1000;
    put(machine, path,
        "%s (a ) S 1 (b) S %d 1 1 0 -1 4194560 1 2 3 4 %u %u %u %u 20 0 1 0 %" G_GUINT64_FORMAT
        " 9999999 %" G_GINT64_FORMAT " 18446744073709551615 1 1 0 0\n",
        strcmp(pid, "self") == 0 ? "1" : pid, parent, ticks / 2, ticks - ticks / 2, 0u, 0u, start,
        rss_bytes / machine->page_bytes);
}

/* `busy_ms` of `all_ms`, of each of four CPUs. */
static void put_cpus(const Machine *machine, const guint busy_ms[4], guint all_ms)
{
    GString *text = g_string_new("cpu  1 2 3 4 5 6 7 8 0 0\n");
    for (guint i = 0; i < 4; i++) {
        guint busy = busy_ms[i] / 10;
        guint idle = all_ms / 10 - busy;
        /* Some of each kind: user, nice, system, idle, iowait, irq, softirq, steal, guest. */
        g_string_append_printf(text, "cpu%u %u 1 2 %u 3 4 5 6 77 0\n", i, 1000 + busy, 1000 + idle);
    }
    g_string_append(text, "intr 1 2 3\nctxt 5\n");
    put(machine, "proc/stat", "%s", text->str);
    g_string_free(text, TRUE);
}

static void make_machine(Machine *machine, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    machine->root = g_dir_make_tmp("egress-load-XXXXXX", &error);
    g_assert_no_error(error);
    machine->ticks_per_s = sysconf(_SC_CLK_TCK);
    machine->page_bytes = sysconf(_SC_PAGESIZE);
    put_cpus(machine, (guint[4]){0}, 0);
    put(machine, "proc/meminfo", "MemTotal:       8388608 kB\nMemFree:  1 kB\n");
    put(machine, "proc/self/status", "Name:\tegress\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n");
    put_process(machine, "self", 1, 1, 0, 10 * MB);
}

static void remove_machine(Machine *machine, gconstpointer unused)
{
    (void)unused;
    take_away(machine->root);
    g_free(machine->root);
}

static void put_groups(const Machine *machine, const char *groups, const char *mounts)
{
    put(machine, "proc/self/cgroup", "%s", groups);
    put(machine, "proc/self/mountinfo", "%s", mounts);
}

static const char v2_mount[] =
    "22 1 0:20 / /proc rw - proc proc rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

static void test_cores(Machine *machine, gconstpointer unused)
{
    (void)unused;
    g_autoptr(EgLoadMonitor) monitor = eg_load_monitor_new(machine->root, false);
    const EgLoad *load = eg_load_monitor_read(monitor, EG_NS_PER_S);
    g_assert_cmpfloat(load->n_cores, ==, 4);
    g_assert_cmpfloat(load->used_cores, ==, 0);
    g_assert_cmpuint(load->n_processes, ==, 0);

    put_cpus(machine, (guint[4]){1000, 500, 0, 250}, 1000);
    load = eg_load_monitor_read(monitor, 2 * EG_NS_PER_S);
    g_assert_cmpfloat_with_epsilon(load->used_cores, 1.75, 1e-9);

    /* At once again: the same. */
    put_cpus(machine, (guint[4]){1050, 550, 50, 300}, 1050);
    load = eg_load_monitor_read(monitor, 2 * EG_NS_PER_S + 50 * EG_NS_PER_MS);
    g_assert_cmpfloat_with_epsilon(load->used_cores, 1.75, 1e-9);

    /* Since the last measurement, not since that. */
    put_cpus(machine, (guint[4]){1000, 500, 0, 250}, 2000);
    load = eg_load_monitor_read(monitor, 3 * EG_NS_PER_S);
    g_assert_cmpfloat_with_epsilon(load->used_cores, 0, 1e-9);
}

/* Only the CPUs on which we may run count. */
static void test_affinity(Machine *machine, gconstpointer unused)
{
    (void)unused;
    static const struct {
        const char *list;
        double n_cores;
        double used_cores;
    } cases[] = {
        {"0-3",        4, 1.75},
        {"0",          1, 1   },
        {"1,3",        2, 0.75},
        {"0-1,3",      3, 1.75},
        {"2-5",        2, 0.25},
        {"3-99999999", 1, 0.25},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].list);
        put(machine, "proc/self/status", "Name:\tx\nCpus_allowed_list:\t%s\nMems:\t1\n",
            cases[i].list);
        put_cpus(machine, (guint[4]){0}, 0);
        g_autoptr(EgLoadMonitor) monitor = eg_load_monitor_new(machine->root, false);
        eg_load_monitor_read(monitor, 0);
        put_cpus(machine, (guint[4]){1000, 500, 0, 250}, 1000);
        const EgLoad *load = eg_load_monitor_read(monitor, EG_NS_PER_S);
        g_assert_cmpfloat(load->n_cores, ==, cases[i].n_cores);
        g_assert_cmpfloat_with_epsilon(load->used_cores, cases[i].used_cores, 1e-9);
    }
}

/* Nothing to read: as many cores as GLib knows, nothing used. */
static void test_nothing(Machine *machine, gconstpointer unused)
{
    (void)unused;
    g_autofree char *root = g_build_filename(machine->root, "nothing", NULL);
    g_autoptr(EgLoadMonitor) monitor = eg_load_monitor_new(root, true);
    eg_load_monitor_add(monitor, "EG_1", 7);
    for (gint64 second = 0; second < 3; second++) {
        const EgLoad *load = eg_load_monitor_read(monitor, second * EG_NS_PER_S);
        g_assert_cmpfloat(load->n_cores, >=, 1);
        g_assert_cmpfloat(load->used_cores, ==, 0);
        g_assert_cmpint(load->memory_bytes, ==, 0);
        g_assert_cmpint(load->used_bytes, ==, 0);
        g_assert_cmpint(load->cgroup_bytes, ==, -1);
        g_assert_cmpuint(load->n_processes, ==, 0);
    }
}

static void test_quota_v2(Machine *machine, gconstpointer unused)
{
    (void)unused;
    put_groups(machine, "0::/system.slice/egress.service\n", v2_mount);
    put(machine, "sys/fs/cgroup/system.slice/egress.service/cpu.max", "150000 100000\n");
    put(machine, "sys/fs/cgroup/system.slice/egress.service/cpu.stat",
        "usage_usec 5000000\nuser_usec 1\n");
    put(machine, "sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
    g_autoptr(EgLoadMonitor) monitor = eg_load_monitor_new(machine->root, false);
    const EgLoad *load = eg_load_monitor_read(monitor, 0);
    g_assert_cmpfloat(load->n_cores, ==, 1.5);
    g_assert_cmpfloat(load->used_cores, ==, 0);

    /* What the group used. */
    put(machine, "sys/fs/cgroup/system.slice/egress.service/cpu.stat", "usage_usec 6000000\n");
    put_cpus(machine, (guint[4]){500, 0, 0, 0}, 2000);
    load = eg_load_monitor_read(monitor, 2 * EG_NS_PER_S);
    g_assert_cmpfloat_with_epsilon(load->used_cores, 0.5, 1e-9);

    /* The machine has less left than the group may use. */
    put_cpus(machine, (guint[4]){2500, 2000, 2000, 1000}, 4000);
    load = eg_load_monitor_read(monitor, 4 * EG_NS_PER_S);
    g_assert_cmpfloat_with_epsilon(load->used_cores, 1.5 - 0.5, 1e-9);

    /* A quota that was set in the meantime, further up. */
    put(machine, "sys/fs/cgroup/system.slice/cpu.max", "50000 100000\n");
    put(machine, "sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 1\n");
    load = eg_load_monitor_read(monitor, 6 * EG_NS_PER_S);
    g_assert_cmpfloat(load->n_cores, ==, 0.5);
}

static void test_quota_v1(Machine *machine, gconstpointer unused)
{
    (void)unused;
    put_groups(machine, "5:cpuacct:/a\n4:cpu:/a/b\n3:memory:/m\n1:name=systemd:/\n0::/\n",
               "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
               "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
               "33 31 0:30 / /sys/fs/cgroup/acct rw - cgroup cgroup rw,cpuacct\n"
               "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
               "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    put(machine, "sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
    put(machine, "sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
    put(machine, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "250000\n");
    put(machine, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    put(machine, "sys/fs/cgroup/acct/a/cpuacct.usage", "1000000000\n");
    put(machine, "sys/fs/cgroup/memory/m/memory.limit_in_bytes", "1073741824\n");
    put(machine, "sys/fs/cgroup/memory/m/memory.usage_in_bytes", "104857600\n");
    put(machine, "sys/fs/cgroup/memory/m/memory.stat",
        "inactive_file 1\ntotal_inactive_file 52428800\n");
    put(machine, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    g_autoptr(EgLoadMonitor) monitor = eg_load_monitor_new(machine->root, true);
    const EgLoad *load = eg_load_monitor_read(monitor, 0);
    g_assert_cmpfloat(load->n_cores, ==, 2.5);
    g_assert_cmpint(load->memory_bytes, ==, GB);
    g_assert_cmpint(load->cgroup_bytes, ==, 50 * MB);
    g_assert_cmpint(load->used_bytes, ==, 50 * MB);
    g_assert_cmpint(load->rss_bytes, ==, 10 * MB);

    put(machine, "sys/fs/cgroup/acct/a/cpuacct.usage", "3000000000\n");
    put_cpus(machine, (guint[4]){0}, 1000);
    load = eg_load_monitor_read(monitor, EG_NS_PER_S);
    g_assert_cmpfloat_with_epsilon(load->used_cores, 2, 1e-9);
}

/* In containers, what /proc says of groups is not where they are mounted. */
static void test_containers(Machine *machine, gconstpointer unused)
{
    (void)unused;
    static const struct {
        const char *groups;
        const char *mounts;
        const char *file; /* which counts */
    } cases[] = {
  /* With a namespace of its own. */
        {"0::/\n",               v2_mount,                                                          "sys/fs/cgroup/cpu.max"  },
        {"0::/../other\n",       v2_mount,                                                          "sys/fs/cgroup/cpu.max"  },
        {"0::/gone/group\n",     v2_mount,                                                          "sys/fs/cgroup/cpu.max"  },
        {"0::/docker/12ab\n",    "31 23 0:28 /docker/12ab /sys/fs/cgroup ro - cgroup2 cgroup ro\n",
         "sys/fs/cgroup/cpu.max"                                                                                             },
        {"0::/docker/12ab/x\n",  "31 23 0:28 /docker/12ab /sys/fs/cgroup ro - cgroup2 cgroup ro\n",
         "sys/fs/cgroup/x/cpu.max"                                                                                           },
        {"0::/docker/12\n",      "31 23 0:28 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup ro\n",
         "sys/fs/cgroup/cpu.max"                                                                                             },
        {"0::/a\n",              "31 23 0:28 / /sys/fs/c\\040group ro - cgroup2 cgroup ro\n",
         "sys/fs/c group/a/cpu.max"                                                                                          },
        {"no colon\n:\n0::/a\n",
         "short\n31 23 - cgroup2 cgroup ro\n31 23 0:28 / /sys/fs/cgroup ro - cgroup2 cgroup ro",    "sys/fs/cgroup/a/cpu.max"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s in %s", cases[i].groups, cases[i].mounts);
        put_groups(machine, cases[i].groups, cases[i].mounts);
        put(machine, cases[i].file, "70000 100000\n");
        g_autoptr(EgCgroup) cgroup = eg_cgroup_new(machine->root);
        double quota_cores;
        gint64 used_ns;
        g_assert_true(eg_cgroup_read_cpu(cgroup, &quota_cores, &used_ns));
        g_assert_cmpfloat_with_epsilon(quota_cores, 0.7, 1e-9);
        put(machine, cases[i].file, "max 100000\n");
        g_assert_false(eg_cgroup_read_cpu(cgroup, &quota_cores, &used_ns));
    }
}

static void test_memory_v2(Machine *machine, gconstpointer unused)
{
    (void)unused;
    put_groups(machine, "0::/a/b\n", v2_mount);
    put(machine, "sys/fs/cgroup/a/b/memory.max", "max\n");
    put(machine, "sys/fs/cgroup/a/b/memory.current", "209715200\n");
    put(machine, "sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 104857600\n");
    put(machine, "sys/fs/cgroup/a/memory.max", "4294967296\n");
    g_autoptr(EgLoadMonitor) of_group = eg_load_monitor_new(machine->root, true);
    const EgLoad *load = eg_load_monitor_read(of_group, 0);
    g_assert_cmpint(load->memory_bytes, ==, 4 * GB);
    g_assert_cmpint(load->used_bytes, ==, 100 * MB);
    g_autoptr(EgLoadMonitor) of_processes = eg_load_monitor_new(machine->root, false);
    load = eg_load_monitor_read(of_processes, 0);
    g_assert_cmpint(load->memory_bytes, ==, 4 * GB);
    g_assert_cmpint(load->used_bytes, ==, 10 * MB);
    g_assert_cmpint(load->cgroup_bytes, ==, 100 * MB);
}

static void test_processes(Machine *machine, gconstpointer unused)
{
    (void)unused;
    put_process(machine, "1", 0, 1, 90000, 100 * MB);
    put_process(machine, "50", 1, 40, 500, 20 * MB);
    put_process(machine, "60", 1, 41, 0, 30 * MB);
    put_process(machine, "61", 60, 42, 0, 5 * MB);
    g_autoptr(EgLoadMonitor) monitor = eg_load_monitor_new(machine->root, false);
    eg_load_monitor_add(monitor, "EG_a", 50);
    eg_load_monitor_add(monitor, "EG_b", 60);
    const EgLoad *load = eg_load_monitor_read(monitor, 0);
    g_assert_cmpuint(load->n_processes, ==, 2);
    g_assert_cmpstr(load->processes[0].egress_id, ==, "EG_a");
    g_assert_cmpfloat(load->processes[0].cores, ==, 0);
    g_assert_cmpint(load->processes[1].rss_bytes, ==, 35 * MB);
    g_assert_cmpint(load->used_bytes, ==, (10 + 20 + 35) * MB);
    g_assert_cmpint(load->memory_bytes, ==, 8 * GB);

    put_process(machine, "50", 1, 40, 1500, 20 * MB);
    put_process(machine, "60", 1, 41, 200, 30 * MB);
    put_process(machine, "61", 60, 42, 300, 5 * MB);
    load = eg_load_monitor_read(monitor, 2 * EG_NS_PER_S);
    g_assert_cmpfloat_with_epsilon(load->processes[0].cores, 0.5, 1e-9);
    g_assert_cmpfloat_with_epsilon(load->processes[1].cores, 0.25, 1e-9);

    eg_load_monitor_remove(monitor, "EG_a");
    eg_load_monitor_remove(monitor, "EG_unknown");
    load = eg_load_monitor_read(monitor, 3 * EG_NS_PER_S);
    g_assert_cmpuint(load->n_processes, ==, 1);
    g_assert_cmpstr(load->processes[0].egress_id, ==, "EG_b");
    kill_process(machine, 60);
    kill_process(machine, 61);
    load = eg_load_monitor_read(monitor, 4 * EG_NS_PER_S);
    g_assert_cmpuint(load->n_processes, ==, 0);
}

static guint count(EgProcessTree *tree, int pid)
{
    eg_process_tree_scan(tree);
    return eg_process_tree_usage(tree, pid).n_processes;
}

/* Children come, go, lose their parents; pids are used again. */
static void test_tree(Machine *machine, gconstpointer unused)
{
    (void)unused;
    put_process(machine, "1", 0, 1, 0, 0);
    put_process(machine, "900", 1, 10, 0, 0);
    put_process(machine, "33", 900, 11, 0, 0); /* a child with a smaller pid */
    put_process(machine, "34", 33, 12, 0, 0);
    put_process(machine, "35", 1, 12, 0, 0);
    g_autoptr(EgProcessTree) tree = eg_process_tree_new(machine->root);
    g_assert_cmpuint(count(tree, 900), ==, 0);
    eg_process_tree_add(tree, 900);
    g_assert_cmpuint(count(tree, 900), ==, 3);

    put_process(machine, "40", 34, 20, 0, 0);
    g_assert_cmpuint(count(tree, 900), ==, 4);

    /* Its parent is gone, and it still belongs to us; so do its own children. */
    kill_process(machine, 34);
    put_process(machine, "40", 1, 20, 0, 0);
    g_assert_cmpuint(count(tree, 900), ==, 3);
    put_process(machine, "41", 40, 21, 0, 0);
    g_assert_cmpuint(count(tree, 900), ==, 4);

    /* Another process has the pid of one of ours. */
    put_process(machine, "40", 1, 99, 0, 0);
    g_assert_cmpuint(count(tree, 900), ==, 3);

    /* One that was a stranger's has a child of ours. */
    kill_process(machine, 35);
    g_assert_cmpuint(count(tree, 900), ==, 3);
    put_process(machine, "35", 41, 120, 0, 0);
    g_assert_cmpuint(count(tree, 900), ==, 4);

    put(machine, "proc/35/stat", "35 (no");
    g_assert_cmpuint(count(tree, 900), ==, 3);
    put(machine, "proc/35/stat", "35 (x) S 41 1");
    g_assert_cmpuint(count(tree, 900), ==, 3);

    eg_process_tree_remove(tree, 900);
    g_assert_cmpuint(count(tree, 900), ==, 0);
}

/* The machine that this runs on. */
static void test_here(void)
{
    g_autoptr(EgLoadMonitor) monitor = eg_load_monitor_new("", false);
    eg_load_monitor_add(monitor, "EG_self", getpid());
    const EgLoad *load = eg_load_monitor_read(monitor, 0);
    g_assert_cmpfloat(load->n_cores, >, 0);
    g_assert_cmpfloat(load->n_cores, <=, g_get_num_processors());
    g_assert_cmpint(load->memory_bytes, >, 16 * MB);
    g_assert_cmpint(load->rss_bytes, >, MB / 2);
    g_assert_cmpuint(load->n_processes, ==, 1);
    g_assert_cmpint(load->processes[0].rss_bytes, >, MB / 2);
    g_assert_cmpint(load->processes[0].rss_bytes, <, load->memory_bytes);
}

#define ADD(name, test) g_test_add(name, Machine, NULL, make_machine, test, remove_machine)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/service/load/cores", test_cores);
    ADD("/service/load/affinity", test_affinity);
    ADD("/service/load/nothing", test_nothing);
    ADD("/service/load/quota-v2", test_quota_v2);
    ADD("/service/load/quota-v1", test_quota_v1);
    ADD("/service/load/containers", test_containers);
    ADD("/service/load/memory-v2", test_memory_v2);
    ADD("/service/load/processes", test_processes);
    ADD("/service/load/tree", test_tree);
    g_test_add_func("/service/load/here", test_here);
    return g_test_run();
}
