#pragma once

#include "config/config.h"
#include "service/load.h"

/* Ends an egress before too many of them spoil each other, or the system kills one of its choice.
 * Says only whom; knows no clock and no files: both come in.
 *
 * CPU: when more than max(0.95, (1 + max_cpu_utilization) / 2) of the cores was used in each of 10
 * updates, by whomever, and more than one egress runs, the one that was most above its cost on the
 * average of these updates is to be stopped, and after cpu_kill_grace_sec to be killed. Where none
 * is above its cost, none is ended. With a max_cpu_utilization of 1 or more this is never reached.
 *
 * Memory: when more than max_memory has been used for memory_kill_grace_sec, the largest egress is
 * to be killed.
 *
 * Each is stopped once at most and killed once at most; and as long as one is there that was to be
 * ended for its CPU or its memory, no other is to be for the same. */
typedef struct _EgGuard EgGuard;

typedef enum {
    EG_GUARD_NOTHING,
    EG_GUARD_STOP_CPU, /* is to end in order */
    EG_GUARD_KILL_CPU,
    EG_GUARD_KILL_MEMORY,
} EgGuardAct;

typedef struct {
    EgGuardAct act;
    const char *egress_id; /* valid until it is removed */
    double used_cores;     /* by it, when it was chosen for its CPU */
    gint64 used_bytes;     /* the same of memory */
} EgGuardOrder;

EgGuard *eg_guard_new(const EgConfig *config);
void eg_guard_free(EgGuard *guard);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgGuard, eg_guard_free)

/* From the start of its process to its end. Ids that are not known are ignored. */
void eg_guard_add(EgGuard *guard, const char *egress_id, double cost_cores);
void eg_guard_remove(EgGuard *guard, const char *egress_id);

/* It is ending already, so there is no use in stopping it. */
void eg_guard_set_ending(EgGuard *guard, const char *egress_id);

/* The latest measurement, once a second. What is ordered counts as done. */
EgGuardOrder eg_guard_update(EgGuard *guard, const EgLoad *load, gint64 now_ns);
