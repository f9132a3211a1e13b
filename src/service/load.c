#include "service/load.h"

#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "service/cgroup.h"
#include "service/process-tree.h"

/* The kernel counts in ticks of 10 ms; over less than this, they say nothing. */
#define MIN_INTERVAL_NS (100 * EG_NS_PER_MS)

/* More CPUs than any machine has: bounds what a list "0-..." can make us do. */
#define MAX_CPUS 8192

typedef struct {
    guint64 busy_ticks;
    guint64 all_ticks;
} CpuTimes;

typedef struct {
    char *id; /* a GRefString */
    int pid;
    guint64 cpu_ticks; /* at the last measurement */
} Egress;

struct _EgLoadMonitor {
    char *root;
    bool uses_cgroup_memory;
    EgCgroup *cgroup;
    EgProcessTree *tree;
    GArray *egresses;  /* Egress, in the order in which they came */
    GArray *cpu_times; /* CpuTimes by the number of the CPU, at the last measurement */
    gint64 group_used_ns;
    gint64 measured_at_ns; /* EG_TIME_NONE before the first */
    GArray *processes;     /* EgProcessLoad, what `load` points to; its ids are references */
    EgLoad load;
};

static void clear_egress(gpointer egress)
{
    g_ref_string_release(((Egress *)egress)->id);
}

static void clear_process(gpointer process)
{
    g_ref_string_release((char *)((EgProcessLoad *)process)->egress_id);
}

EgLoadMonitor *eg_load_monitor_new(const char *root, bool uses_cgroup_memory)
{
    EgLoadMonitor *monitor = g_new0(EgLoadMonitor, 1);
    monitor->root = g_strdup(root);
    monitor->uses_cgroup_memory = uses_cgroup_memory;
    monitor->cgroup = eg_cgroup_new(root);
    monitor->tree = eg_process_tree_new(root);
    monitor->egresses = g_array_new(FALSE, FALSE, sizeof(Egress));
    g_array_set_clear_func(monitor->egresses, clear_egress);
    monitor->cpu_times = g_array_new(FALSE, TRUE, sizeof(CpuTimes));
    monitor->processes = g_array_new(FALSE, FALSE, sizeof(EgProcessLoad));
    g_array_set_clear_func(monitor->processes, clear_process);
    monitor->measured_at_ns = EG_TIME_NONE;
    return monitor;
}

void eg_load_monitor_free(EgLoadMonitor *monitor)
{
    if (monitor == NULL)
        return;
    eg_cgroup_free(monitor->cgroup);
    eg_process_tree_free(monitor->tree);
    g_array_unref(monitor->egresses);
    g_array_unref(monitor->cpu_times);
    g_array_unref(monitor->processes);
    g_free(monitor->root);
    g_free(monitor);
}

void eg_load_monitor_add(EgLoadMonitor *monitor, const char *egress_id, int pid)
{
    Egress egress = {.id = g_ref_string_new(egress_id), .pid = pid};
    g_array_append_val(monitor->egresses, egress);
    eg_process_tree_add(monitor->tree, pid);
}

void eg_load_monitor_remove(EgLoadMonitor *monitor, const char *egress_id)
{
    for (guint i = 0; i < monitor->egresses->len; i++) {
        const Egress *egress = &g_array_index(monitor->egresses, Egress, i);
        if (strcmp(egress->id, egress_id) != 0)
            continue;
        eg_process_tree_remove(monitor->tree, egress->pid);
        g_array_remove_index(monitor->egresses, i);
        return;
    }
}

/* The lines of a file below /proc; none if it cannot be read. */
static char **read_lines(const EgLoadMonitor *monitor, const char *name)
{
    g_autofree char *path = g_strconcat(monitor->root, "/proc/", name, NULL);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_new0(char *, 1);
    return g_strsplit(text, "\n", -1);
}

/* The value of a line "Key:   value", or NULL. */
static const char *find_value(char **lines, const char *key)
{
    gsize length = strlen(key);
    for (char **line = lines; *line != NULL; line++) {
        if (strncmp(*line, key, length) == 0 && (*line)[length] == ':')
            return g_strchug(*line + length + 1);
    }
    return NULL;
}

/* The numbers of the CPUs on which we may run, of "0-3,8"; all of them if that cannot be read. */
static bool *read_allowed(const EgLoadMonitor *monitor)
{
    bool *allowed = g_new0(bool, MAX_CPUS);
    g_auto(GStrv) lines = read_lines(monitor, "self/status");
    const char *list = find_value(lines, "Cpus_allowed_list");
    g_auto(GStrv) ranges = g_strsplit(list != NULL ? list : "0-8191", ",", -1);
    for (char **range = ranges; *range != NULL; range++) {
        char *end;
        guint64 first = g_ascii_strtoull(*range, &end, 10);
        guint64 last = *end == '-' ? g_ascii_strtoull(end + 1, NULL, 10) : first;
        for (guint64 cpu = first; cpu <= last && cpu < MAX_CPUS; cpu++)
            allowed[cpu] = true;
    }
    return allowed;
}

/* Of "cpu3 user nice system idle iowait irq softirq steal ...": all but idle and iowait is busy.
 * The rest of the line is in user and nice already. */
static bool parse_cpu(const char *line, guint64 *cpu, CpuTimes *times)
{
    if (strncmp(line, "cpu", 3) != 0 || !g_ascii_isdigit(line[3]))
        return false;
    char *at;
    *cpu = g_ascii_strtoull(line + 3, &at, 10);
    *times = (CpuTimes){0};
    for (guint i = 0; i < 8; i++) {
        guint64 ticks = g_ascii_strtoull(at, &at, 10);
        times->all_ticks += ticks;
        if (i != 3 && i != 4)
            times->busy_ticks += ticks;
    }
    return *cpu < MAX_CPUS;
}

/* How many of the allowed CPUs there are, and how many of these were busy since the last time. */
static guint measure_cpus(EgLoadMonitor *monitor, double *busy)
{
    g_autofree bool *allowed = read_allowed(monitor);
    g_auto(GStrv) lines = read_lines(monitor, "stat");
    guint n_cpus = 0;
    *busy = 0;
    for (char **line = lines; *line != NULL; line++) {
        guint64 cpu;
        CpuTimes now;
        if (!parse_cpu(*line, &cpu, &now) || !allowed[cpu])
            continue;
        n_cpus++;
        if (cpu >= monitor->cpu_times->len)
            g_array_set_size(monitor->cpu_times, (guint)cpu + 1);
        CpuTimes *before = &g_array_index(monitor->cpu_times, CpuTimes, cpu);
        /* One that was switched off in between may count from anywhere. */
        bool has_run = before->all_ticks > 0 && now.all_ticks > before->all_ticks &&
                       now.busy_ticks >= before->busy_ticks;
        if (has_run)
            *busy += (double)(now.busy_ticks - before->busy_ticks) /
                     (double)(now.all_ticks - before->all_ticks);
        *before = now;
    }
    return n_cpus;
}

/* `interval_s` is 0 the first time. */
static void measure_cores(EgLoadMonitor *monitor, double interval_s)
{
    EgLoad *load = &monitor->load;
    double busy;
    guint n_cpus = measure_cpus(monitor, &busy);
    load->n_cores = n_cpus > 0 ? n_cpus : g_get_num_processors();
    double free_cores = load->n_cores - busy;

    double quota_cores = 0;
    gint64 used_ns = 0;
    if (eg_cgroup_read_cpu(monitor->cgroup, &quota_cores, &used_ns)) {
        double group_cores = 0;
        if (interval_s > 0 && used_ns > monitor->group_used_ns)
            group_cores = (double)(used_ns - monitor->group_used_ns) / EG_NS_PER_S / interval_s;
        load->n_cores = MIN(load->n_cores, quota_cores);
        free_cores = MIN(free_cores, quota_cores - group_cores);
    }
    monitor->group_used_ns = used_ns;
    load->used_cores = CLAMP(load->n_cores - free_cores, 0, load->n_cores);
}

static void measure_processes(EgLoadMonitor *monitor, double interval_s)
{
    EgLoad *load = &monitor->load;
    const double ticks_per_s = (double)sysconf(_SC_CLK_TCK);
    g_array_set_size(monitor->processes, 0);
    load->rss_bytes = eg_process_tree_own_rss_bytes(monitor->tree);
    eg_process_tree_scan(monitor->tree);
    for (guint i = 0; i < monitor->egresses->len; i++) {
        Egress *egress = &g_array_index(monitor->egresses, Egress, i);
        EgProcessUsage usage = eg_process_tree_usage(monitor->tree, egress->pid);
        if (usage.n_processes == 0)
            continue;
        EgProcessLoad process = {.egress_id = g_ref_string_acquire(egress->id),
                                 .rss_bytes = usage.rss_bytes};
        /* What a process used that nobody waited for is lost with it. */
        if (interval_s > 0 && usage.cpu_ticks > egress->cpu_ticks)
            process.cores =
                (double)(usage.cpu_ticks - egress->cpu_ticks) / ticks_per_s / interval_s;
        egress->cpu_ticks = usage.cpu_ticks;
        load->rss_bytes += usage.rss_bytes;
        g_array_append_val(monitor->processes, process);
    }
    load->processes = (const EgProcessLoad *)(void *)monitor->processes->data;
    load->n_processes = monitor->processes->len;
}

static void measure_memory(EgLoadMonitor *monitor)
{
    EgLoad *load = &monitor->load;
    g_auto(GStrv) lines = read_lines(monitor, "meminfo");
    const char *total = find_value(lines, "MemTotal");
    load->memory_bytes = total != NULL ? g_ascii_strtoll(total, NULL, 10) * 1024 : 0;
    gint64 limit_bytes = eg_cgroup_memory_limit(monitor->cgroup);
    if (limit_bytes > 0 && (load->memory_bytes == 0 || limit_bytes < load->memory_bytes))
        load->memory_bytes = limit_bytes;
    load->cgroup_bytes = eg_cgroup_memory_used(monitor->cgroup);
    bool is_of_cgroup = monitor->uses_cgroup_memory && load->cgroup_bytes >= 0;
    load->used_bytes = is_of_cgroup ? load->cgroup_bytes : load->rss_bytes;
}

const EgLoad *eg_load_monitor_read(EgLoadMonitor *monitor, gint64 now_ns)
{
    bool is_first = monitor->measured_at_ns == EG_TIME_NONE;
    if (!is_first && now_ns - monitor->measured_at_ns < MIN_INTERVAL_NS)
        return &monitor->load;
    double interval_s =
        is_first ? 0 : (double)(now_ns - monitor->measured_at_ns) / (double)EG_NS_PER_S;
    measure_cores(monitor, interval_s);
    measure_processes(monitor, interval_s);
    measure_memory(monitor);
    monitor->measured_at_ns = now_ns;
    return &monitor->load;
}
