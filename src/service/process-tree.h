#pragma once

#include <glib.h>
#include <stdbool.h>

/* Processes with all that descend from them, as /proc shows them; see proc(5). A descendant whose
 * parents are gone still counts. */
typedef struct _EgProcessTree EgProcessTree;

typedef struct {
    guint64 cpu_ticks; /* so far, of those that ended too, if they were waited for */
    gint64 rss_bytes;  /* now */
    guint n_processes; /* 0: all are gone */
} EgProcessUsage;

/* `root` is "" or, in tests, a folder that holds proc/. */
EgProcessTree *eg_process_tree_new(const char *root);
void eg_process_tree_free(EgProcessTree *tree);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgProcessTree, eg_process_tree_free)

void eg_process_tree_add(EgProcessTree *tree, int pid);
void eg_process_tree_remove(EgProcessTree *tree, int pid);

/* Reads /proc: the list of all processes, and more only of ours and those that are new. */
void eg_process_tree_scan(EgProcessTree *tree);

/* Of the process that was added and its descendants, by the last scan. */
EgProcessUsage eg_process_tree_usage(const EgProcessTree *tree, int pid);

/* That of this very process. */
gint64 eg_process_tree_own_rss_bytes(const EgProcessTree *tree);
