#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the kernel's control groups allow this process and have counted of it: cgroup v1, v2, and
 * both side by side. See cgroups(7). */
typedef struct _EgCgroup EgCgroup;

/* `root` is "" or, in tests, a folder that holds proc/ and sys/. */
EgCgroup *eg_cgroup_new(const char *root);
void eg_cgroup_free(EgCgroup *cgroup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgCgroup, eg_cgroup_free)

/* The smallest quota of the group and those above it, in cores, and what the group that has it used
 * so far. False if there is none. */
bool eg_cgroup_read_cpu(const EgCgroup *cgroup, double *quota_cores, gint64 *used_ns);

/* The smallest limit of the group and those above it; 0: none. */
gint64 eg_cgroup_memory_limit(const EgCgroup *cgroup);

/* What the group holds, less the cached files that nobody uses; -1 if that is not known. */
gint64 eg_cgroup_memory_used(const EgCgroup *cgroup);
