#pragma once

#include "config/config.h"
#include "service/load.h"

/* Who may still be taken: what is free of the machine, less what the running egresses use or are
 * promised. Knows no clock and no files: both come in.
 *
 * While nothing runs, all cores are free, so that one egress of any kind can always be taken by a
 * machine that is large enough for it. Otherwise max_cpu_utilization of them is, less what others
 * use, and less for each egress what it uses, in its first 15 seconds at least its cost. */
typedef struct _EgAdmission EgAdmission;

EgAdmission *eg_admission_new(const EgConfig *config);
void eg_admission_free(EgAdmission *admission);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgAdmission, eg_admission_free)

/* Error (at the start) if the machine is too small for the cheapest kind: "not enough cpu ...". */
bool eg_admission_check_machine(const EgAdmission *admission, double n_cores, GError **error);

/* The latest measurement; once a second. Before the first, nothing is free. */
void eg_admission_set_load(EgAdmission *admission, const EgLoad *load, gint64 now_ns);

/* Whether this can be taken now. resource_exhausted, retryable: "not enough CPU: needs 2.00 cores,
 * free 0.60 of 2.00 (3 egresses running)"; the same for memory. */
bool eg_admission_check(const EgAdmission *admission, double cpu_cost, gint64 memory_bytes,
                        gint64 now_ns, GError **error);

/* Whether there would be enough memory if `used_bytes` were what is used of it; always if it is not
 * limited. */
bool eg_admission_has_memory(const EgAdmission *admission, gint64 used_bytes, gint64 memory_bytes,
                             gint64 now_ns);

/* Holds the cost of a new egress: for 15 s what was promised counts if that is more than what is
 * measured. */
void eg_admission_hold(EgAdmission *admission, const char *egress_id, double cpu_cost,
                       gint64 memory_bytes, gint64 now_ns);

/* It is over, or nearly: what it still uses counts as what any other program does. */
void eg_admission_release(EgAdmission *admission, const char *egress_id);

/* May be below 0: more is used than may be. */
double eg_admission_free_cores(const EgAdmission *admission, gint64 now_ns);
guint eg_admission_n_running(const EgAdmission *admission);
