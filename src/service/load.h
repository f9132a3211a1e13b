#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the machine and the egress processes use, read from /proc and the cgroup (v1 and v2). */
typedef struct {
    const char *egress_id;
    double cores; /* of the process and its children, over the last interval */
    gint64 rss_bytes;
} EgProcessLoad;

typedef struct {
    double n_cores;      /* that we may use: affinity and cgroup quota counted */
    double used_cores;   /* of these, by whomever; at most n_cores */
    gint64 memory_bytes; /* that we may use */
    gint64 used_bytes;   /* cgroup_bytes or rss_bytes, as the config has it */
    gint64 rss_bytes;    /* of this process and the egresses' */
    gint64 cgroup_bytes; /* -1: not known */
    const EgProcessLoad *processes;
    guint n_processes;
} EgLoad;

typedef struct _EgLoadMonitor EgLoadMonitor;

/* `root` is "" or, in tests, a folder that holds proc/ and sys/. */
EgLoadMonitor *eg_load_monitor_new(const char *root, bool uses_cgroup_memory);
void eg_load_monitor_free(EgLoadMonitor *monitor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgLoadMonitor, eg_load_monitor_free)

/* To be told right after the process has started. */
void eg_load_monitor_add(EgLoadMonitor *monitor, const char *egress_id, int pid);
void eg_load_monitor_remove(EgLoadMonitor *monitor, const char *egress_id);

/* Measures since the call before; nothing new if that was less than 100 ms ago. What the first call
 * finds is used by nobody yet. Processes that are gone are not in it. Valid until the next call. */
const EgLoad *eg_load_monitor_read(EgLoadMonitor *monitor, gint64 now_ns);
