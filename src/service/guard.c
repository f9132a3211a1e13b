#include "service/guard.h"

#include "base/time.h"

/* For how many updates the machine must be too busy: a second of it harms nobody. */
#define N_BUSY_UPDATES 10

/* However little may be given away, a machine that has this much left is not too busy. */
#define MIN_BUSY_SHARE 0.95

typedef struct {
    char *id;
    double cost_cores;
    double sum_cores; /* what it used in the updates in which the machine was too busy */
    bool is_ending;
    bool is_killed;
} Egress;

struct _EgGuard {
    double busy_share; /* of the cores */
    gint64 cpu_grace_ns;
    gint64 max_memory_bytes; /* 0: not watched */
    gint64 memory_grace_ns;
    GHashTable *egresses; /* id -> Egress */
    guint n_killed;       /* of these */
    guint n_busy;         /* updates */
    Egress *stopped;      /* for its CPU, and is still there */
    double stopped_cores;
    gint64 stopped_at_ns;
    gint64 full_since_ns; /* EG_TIME_NONE: there is memory */
};

static void free_egress(gpointer data)
{
    Egress *egress = data;
    g_free(egress->id);
    g_free(egress);
}

EgGuard *eg_guard_new(const EgConfig *config)
{
    const EgCostConfig *cost = &config->cost;
    EgGuard *guard = g_new0(EgGuard, 1);
    guard->busy_share = MAX(MIN_BUSY_SHARE, (1 + cost->max_cpu_utilization) / 2);
    guard->cpu_grace_ns = cost->cpu_kill_grace_ns;
    guard->max_memory_bytes = cost->max_memory_bytes;
    guard->memory_grace_ns = cost->memory_kill_grace_ns;
    guard->egresses = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_egress);
    guard->full_since_ns = EG_TIME_NONE;
    return guard;
}

void eg_guard_free(EgGuard *guard)
{
    if (guard == NULL)
        return;
    g_hash_table_unref(guard->egresses);
    g_free(guard);
}

void eg_guard_add(EgGuard *guard, const char *egress_id, double cost_cores)
{
    eg_guard_remove(guard, egress_id);
    Egress *egress = g_new0(Egress, 1);
    *egress = (Egress){.id = g_strdup(egress_id), .cost_cores = cost_cores};
    g_hash_table_insert(guard->egresses, egress->id, egress);
}

void eg_guard_remove(EgGuard *guard, const char *egress_id)
{
    const Egress *egress = g_hash_table_lookup(guard->egresses, egress_id);
    if (egress == NULL)
        return;
    if (egress->is_killed)
        guard->n_killed--;
    if (egress == guard->stopped)
        guard->stopped = NULL;
    g_hash_table_remove(guard->egresses, egress_id);
}

void eg_guard_set_ending(EgGuard *guard, const char *egress_id)
{
    Egress *egress = g_hash_table_lookup(guard->egresses, egress_id);
    if (egress != NULL)
        egress->is_ending = true;
}

static void mark_killed(EgGuard *guard, Egress *egress)
{
    egress->is_killed = true;
    guard->n_killed++;
}

/* Memory. */

static Egress *find_largest(const EgGuard *guard, const EgLoad *load, gint64 *rss_bytes)
{
    Egress *largest = NULL;
    *rss_bytes = -1;
    for (guint i = 0; i < load->n_processes; i++) {
        const EgProcessLoad *process = &load->processes[i];
        Egress *egress = g_hash_table_lookup(guard->egresses, process->egress_id);
        if (egress == NULL || process->rss_bytes <= *rss_bytes)
            continue;
        largest = egress;
        *rss_bytes = process->rss_bytes;
    }
    return largest;
}

static bool watch_memory(EgGuard *guard, const EgLoad *load, gint64 now_ns, EgGuardOrder *order)
{
    bool is_full = guard->max_memory_bytes > 0 && load->used_bytes > guard->max_memory_bytes;
    if (!is_full || guard->n_killed > 0) {
        guard->full_since_ns = EG_TIME_NONE;
        return false;
    }
    if (guard->full_since_ns == EG_TIME_NONE)
        guard->full_since_ns = now_ns;
    if (now_ns - guard->full_since_ns < guard->memory_grace_ns)
        return false;
    gint64 rss_bytes;
    Egress *egress = find_largest(guard, load, &rss_bytes);
    if (egress == NULL)
        return false;
    mark_killed(guard, egress);
    guard->full_since_ns = EG_TIME_NONE;
    *order = (EgGuardOrder){
        .act = EG_GUARD_KILL_MEMORY, .egress_id = egress->id, .used_bytes = rss_bytes};
    return true;
}

/* CPU. */

static bool watch_stopped(EgGuard *guard, gint64 now_ns, EgGuardOrder *order)
{
    Egress *egress = guard->stopped;
    if (egress == NULL || egress->is_killed || now_ns - guard->stopped_at_ns < guard->cpu_grace_ns)
        return false;
    mark_killed(guard, egress);
    *order = (EgGuardOrder){
        .act = EG_GUARD_KILL_CPU, .egress_id = egress->id, .used_cores = guard->stopped_cores};
    return true;
}

static guint count_running(const EgGuard *guard)
{
    guint n = 0;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, guard->egresses);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        n += ((const Egress *)value)->is_ending ? 0 : 1;
    return n;
}

static void forget_busy(EgGuard *guard)
{
    guard->n_busy = 0;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, guard->egresses);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((Egress *)value)->sum_cores = 0;
}

static void note_busy(EgGuard *guard, const EgLoad *load)
{
    guard->n_busy++;
    for (guint i = 0; i < load->n_processes; i++) {
        Egress *egress = g_hash_table_lookup(guard->egresses, load->processes[i].egress_id);
        if (egress != NULL)
            egress->sum_cores += load->processes[i].cores;
    }
}

/* NULL: all keep to what they were given. */
static Egress *find_greediest(const EgGuard *guard)
{
    Egress *greediest = NULL;
    double most_cores = 0;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, guard->egresses);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Egress *egress = value;
        double excess_cores = egress->sum_cores / guard->n_busy - egress->cost_cores;
        if (egress->is_ending || excess_cores <= most_cores)
            continue;
        greediest = egress;
        most_cores = excess_cores;
    }
    return greediest;
}

static void watch_cpu(EgGuard *guard, const EgLoad *load, gint64 now_ns, EgGuardOrder *order)
{
    bool is_busy = load->used_cores > guard->busy_share * load->n_cores;
    if (!is_busy || guard->stopped != NULL || guard->n_killed > 0 || count_running(guard) < 2) {
        forget_busy(guard);
        return;
    }
    note_busy(guard, load);
    if (guard->n_busy < N_BUSY_UPDATES)
        return;
    Egress *egress = find_greediest(guard);
    if (egress != NULL) {
        guard->stopped = egress;
        guard->stopped_cores = egress->sum_cores / guard->n_busy;
        guard->stopped_at_ns = now_ns;
        egress->is_ending = true;
        *order = (EgGuardOrder){
            .act = EG_GUARD_STOP_CPU, .egress_id = egress->id, .used_cores = guard->stopped_cores};
    }
    forget_busy(guard);
}

EgGuardOrder eg_guard_update(EgGuard *guard, const EgLoad *load, gint64 now_ns)
{
    EgGuardOrder order = {.act = EG_GUARD_NOTHING};
    if (!watch_memory(guard, load, now_ns, &order) && !watch_stopped(guard, now_ns, &order))
        watch_cpu(guard, load, now_ns, &order);
    return order;
}
