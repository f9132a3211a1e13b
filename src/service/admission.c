#include "service/admission.h"

#include "base/error.h"
#include "base/time.h"

/* How long an egress takes at most until what is measured of it is what it needs. */
#define HOLD_NS (15 * EG_NS_PER_S)

/* Kept free of the memory that may be used, for what grows and for what is not foreseen. */
#define MAX_HEADROOM_BYTES (G_GINT64_CONSTANT(1) << 30)

/* Half of the last digit that texts have: who reads "needs 2.00, free 2.00" must have been taken.
 */
#define ROUNDING_CORES 0.005

#define BYTES_PER_GB (1024.0 * 1024.0 * 1024.0)

typedef struct {
    double cost_cores;
    gint64 cost_bytes;
    gint64 held_until_ns;
    bool is_measured; /* by the latest measurement */
    double used_cores;
    gint64 used_bytes;
} Egress;

struct _EgAdmission {
    EgCostConfig cost;
    GHashTable *egresses; /* id -> Egress */
    double n_cores;
    double other_cores; /* used by others than these, as by egresses that were released */
    gint64 used_bytes;
};

EgAdmission *eg_admission_new(const EgConfig *config)
{
    EgAdmission *admission = g_new0(EgAdmission, 1);
    admission->cost = config->cost;
    admission->egresses = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return admission;
}

void eg_admission_free(EgAdmission *admission)
{
    if (admission == NULL)
        return;
    g_hash_table_unref(admission->egresses);
    g_free(admission);
}

bool eg_admission_check_machine(const EgAdmission *admission, double n_cores, GError **error)
{
    const EgCostConfig *cost = &admission->cost;
    const struct {
        const char *key;
        double cores;
    } kinds[] = {
        {"track_cpu_cost",                    cost->track                   },
        {"track_composite_cpu_cost",          cost->track_composite         },
        {"participant_cpu_cost",              cost->participant             },
        {"sdk_audio_room_composite_cpu_cost", cost->sdk_audio_room_composite},
        {"audio_room_composite_cpu_cost",     cost->audio_room_composite    },
        {"room_composite_cpu_cost",           cost->room_composite          },
        {"audio_web_cpu_cost",                cost->audio_web               },
        {"web_cpu_cost",                      cost->web                     },
    };
    gsize cheapest = 0;
    for (gsize i = 1; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].cores < kinds[cheapest].cores)
            cheapest = i;
    }
    if (n_cores + ROUNDING_CORES >= kinds[cheapest].cores)
        return true;
    eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE,
                 "not enough cpu: there are %.2f cores, and the cheapest egress needs %.2f "
                 "(cpu_cost.%s)",
                 n_cores, kinds[cheapest].cores, kinds[cheapest].key);
    return false;
}

void eg_admission_set_load(EgAdmission *admission, const EgLoad *load, gint64 now_ns)
{
    (void)now_ns;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, admission->egresses);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((Egress *)value)->is_measured = false;

    double egress_cores = 0;
    for (guint i = 0; i < load->n_processes; i++) {
        const EgProcessLoad *process = &load->processes[i];
        Egress *egress = g_hash_table_lookup(admission->egresses, process->egress_id);
        if (egress == NULL)
            continue;
        egress_cores += process->cores;
        egress->is_measured = true;
        egress->used_cores = process->cores;
        egress->used_bytes = process->rss_bytes;
    }
    admission->n_cores = load->n_cores;
    admission->other_cores = MAX(load->used_cores - egress_cores, 0);
    admission->used_bytes = load->used_bytes;
}

/* One of which nothing is known can only be taken at its word. */
static bool is_held(const Egress *egress, gint64 now_ns)
{
    return now_ns < egress->held_until_ns || !egress->is_measured;
}

double eg_admission_free_cores(const EgAdmission *admission, gint64 now_ns)
{
    if (eg_admission_n_running(admission) == 0)
        return admission->n_cores;
    double free_cores =
        admission->n_cores * admission->cost.max_cpu_utilization - admission->other_cores;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, admission->egresses);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Egress *egress = value;
        double used_cores = egress->is_measured ? egress->used_cores : 0;
        if (is_held(egress, now_ns))
            used_cores = MAX(used_cores, egress->cost_cores);
        free_cores -= used_cores;
    }
    return free_cores;
}

/* Memory that was promised to egresses that do not use it yet. */
static gint64 promised_bytes(const EgAdmission *admission, gint64 now_ns)
{
    gint64 bytes = 0;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, admission->egresses);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Egress *egress = value;
        gint64 used_bytes = egress->is_measured ? egress->used_bytes : 0;
        if (is_held(egress, now_ns))
            bytes += MAX(egress->cost_bytes - used_bytes, 0);
    }
    return bytes;
}

static gint64 free_bytes_with(const EgAdmission *admission, gint64 used_bytes, gint64 now_ns)
{
    gint64 max_bytes = admission->cost.max_memory_bytes;
    return max_bytes - MIN(MAX_HEADROOM_BYTES, max_bytes / 4) - used_bytes -
           promised_bytes(admission, now_ns);
}

bool eg_admission_has_memory(const EgAdmission *admission, gint64 used_bytes, gint64 memory_bytes,
                             gint64 now_ns)
{
    gint64 free_bytes = free_bytes_with(admission, used_bytes, now_ns);
    return admission->cost.max_memory_bytes == 0 || (free_bytes >= memory_bytes && free_bytes > 0);
}

static bool check_memory(const EgAdmission *admission, gint64 memory_bytes, gint64 now_ns,
                         GError **error)
{
    if (eg_admission_has_memory(admission, admission->used_bytes, memory_bytes, now_ns))
        return true;
    gint64 max_bytes = admission->cost.max_memory_bytes;
    gint64 free_bytes = free_bytes_with(admission, admission->used_bytes, now_ns);
    guint n_running = eg_admission_n_running(admission);
    eg_error_set_retryable(
        error, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_SERVICE,
        "not enough memory: needs %.2f GB, free %.2f of %.2f GB (%u egress%s running)",
        (double)memory_bytes / BYTES_PER_GB, (double)MAX(free_bytes, 0) / BYTES_PER_GB,
        (double)max_bytes / BYTES_PER_GB, n_running, n_running == 1 ? "" : "es");
    return false;
}

bool eg_admission_check(const EgAdmission *admission, double cpu_cost, gint64 memory_bytes,
                        gint64 now_ns, GError **error)
{
    double free_cores = eg_admission_free_cores(admission, now_ns);
    if (free_cores + ROUNDING_CORES >= cpu_cost)
        return check_memory(admission, memory_bytes, now_ns, error);
    guint n_running = eg_admission_n_running(admission);
    eg_error_set_retryable(
        error, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_SERVICE,
        "not enough CPU: needs %.2f cores, free %.2f of %.2f (%u egress%s running)", cpu_cost,
        MAX(free_cores, 0), admission->n_cores, n_running, n_running == 1 ? "" : "es");
    return false;
}

void eg_admission_hold(EgAdmission *admission, const char *egress_id, double cpu_cost,
                       gint64 memory_bytes, gint64 now_ns)
{
    Egress *egress = g_new0(Egress, 1);
    *egress = (Egress){
        .cost_cores = cpu_cost, .cost_bytes = memory_bytes, .held_until_ns = now_ns + HOLD_NS};
    g_hash_table_insert(admission->egresses, g_strdup(egress_id), egress);
}

void eg_admission_release(EgAdmission *admission, const char *egress_id)
{
    g_hash_table_remove(admission->egresses, egress_id);
}

guint eg_admission_n_running(const EgAdmission *admission)
{
    return g_hash_table_size(admission->egresses);
}
