#include "service/process-tree.h"

#include <string.h>
#include <unistd.h>

/* Fields of /proc/PID/stat behind the name, from 0. */
enum {
    STAT_PARENT = 1,
    STAT_USER_TICKS = 11, /* then system, and the same of children that were waited for */
    STAT_START_TICKS = 19,
    STAT_RSS_PAGES = 21,
    N_STAT_FIELDS,
};

typedef struct {
    int pid;
    int parent;
    guint64 cpu_ticks;
    guint64 start_ticks; /* tells apart processes that had the same pid one after the other */
    gint64 rss_bytes;
} Process;

/* One of ours. */
typedef struct {
    int top; /* that was added */
    guint64 start_ticks;
} Member;

struct _EgProcessTree {
    char *proc;
    GHashTable *members;   /* pid -> Member */
    GHashTable *strangers; /* pids of others: such cannot become ours */
    GHashTable *usages;    /* added pid -> EgProcessUsage */
};

EgProcessTree *eg_process_tree_new(const char *root)
{
    EgProcessTree *tree = g_new0(EgProcessTree, 1);
    tree->proc = g_strconcat(root, "/proc", NULL);
    tree->members = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    tree->strangers = g_hash_table_new(NULL, NULL);
    tree->usages = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    return tree;
}

void eg_process_tree_free(EgProcessTree *tree)
{
    if (tree == NULL)
        return;
    g_hash_table_unref(tree->members);
    g_hash_table_unref(tree->strangers);
    g_hash_table_unref(tree->usages);
    g_free(tree->proc);
    g_free(tree);
}

static void add_member(EgProcessTree *tree, int pid, int top, guint64 start_ticks)
{
    Member *member = g_new0(Member, 1);
    *member = (Member){.top = top, .start_ticks = start_ticks};
    g_hash_table_insert(tree->members, GINT_TO_POINTER(pid), member);
}

static const Member *find_member(const EgProcessTree *tree, int pid)
{
    return g_hash_table_lookup(tree->members, GINT_TO_POINTER(pid));
}

/* Of "1234 (a name, which may have ) and blanks) S 1 ...". */
static bool parse_stat(const char *text, Process *process)
{
    const char *rest = strrchr(text, ')');
    if (rest == NULL || rest[1] != ' ')
        return false;
    g_auto(GStrv) fields = g_strsplit(rest + 2, " ", N_STAT_FIELDS + 1);
    if (g_strv_length(fields) < N_STAT_FIELDS)
        return false;
    process->parent = (int)g_ascii_strtoll(fields[STAT_PARENT], NULL, 10);
    process->cpu_ticks = 0;
    for (guint i = 0; i < 4; i++)
        process->cpu_ticks += g_ascii_strtoull(fields[STAT_USER_TICKS + i], NULL, 10);
    process->start_ticks = g_ascii_strtoull(fields[STAT_START_TICKS], NULL, 10);
    process->rss_bytes = g_ascii_strtoll(fields[STAT_RSS_PAGES], NULL, 10) * getpagesize();
    return true;
}

static bool read_process(const EgProcessTree *tree, const char *name, Process *process)
{
    g_autofree char *path = g_build_filename(tree->proc, name, "stat", NULL);
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) && parse_stat(text, process);
}

void eg_process_tree_add(EgProcessTree *tree, int pid)
{
    g_autofree char *name = g_strdup_printf("%d", pid);
    Process process = {0};
    read_process(tree, name, &process);
    add_member(tree, pid, pid, process.start_ticks);
    g_hash_table_insert(tree->usages, GINT_TO_POINTER(pid), g_new0(EgProcessUsage, 1));
    /* It, and children that it has already, may have been seen as such. */
    g_hash_table_remove_all(tree->strangers);
}

static gboolean is_below(gpointer pid, gpointer member, gpointer top)
{
    (void)pid;
    return ((const Member *)member)->top == GPOINTER_TO_INT(top);
}

void eg_process_tree_remove(EgProcessTree *tree, int pid)
{
    g_hash_table_foreach_remove(tree->members, is_below, GINT_TO_POINTER(pid));
    g_hash_table_remove(tree->usages, GINT_TO_POINTER(pid));
}

/* All processes of which it is not known yet that they are strangers; `strangers` gets those that
 * are still there. */
static GArray *read_candidates(const EgProcessTree *tree, GHashTable *strangers)
{
    GArray *processes = g_array_new(FALSE, FALSE, sizeof(Process));
    g_autoptr(GDir) folder = g_dir_open(tree->proc, 0, NULL);
    const char *name;
    while (folder != NULL && (name = g_dir_read_name(folder)) != NULL) {
        if (!g_ascii_isdigit(*name))
            continue;
        Process process = {.pid = (int)g_ascii_strtoll(name, NULL, 10)};
        if (g_hash_table_contains(tree->strangers, GINT_TO_POINTER(process.pid)))
            g_hash_table_add(strangers, GINT_TO_POINTER(process.pid));
        else if (read_process(tree, name, &process))
            g_array_append_val(processes, process);
    }
    return processes;
}

/* Forgets members that are gone, also where another process has their pid now. */
static void drop_gone(EgProcessTree *tree, const GArray *processes)
{
    g_autoptr(GHashTable) alive = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < processes->len; i++) {
        const Process *process = &g_array_index(processes, Process, i);
        const Member *member = find_member(tree, process->pid);
        if (member != NULL && member->start_ticks == process->start_ticks)
            g_hash_table_add(alive, GINT_TO_POINTER(process->pid));
    }
    GHashTableIter iter;
    gpointer pid;
    g_hash_table_iter_init(&iter, tree->members);
    while (g_hash_table_iter_next(&iter, &pid, NULL)) {
        if (!g_hash_table_contains(alive, pid))
            g_hash_table_iter_remove(&iter);
    }
}

/* The list is in no useful order, so it is gone through until nobody's child is found any more. */
static void add_children(EgProcessTree *tree, const GArray *processes)
{
    bool has_changed = true;
    while (has_changed) {
        has_changed = false;
        for (guint i = 0; i < processes->len; i++) {
            const Process *process = &g_array_index(processes, Process, i);
            const Member *parent = find_member(tree, process->parent);
            if (parent == NULL || find_member(tree, process->pid) != NULL)
                continue;
            add_member(tree, process->pid, parent->top, process->start_ticks);
            has_changed = true;
        }
    }
}

static void sum_up(EgProcessTree *tree, const GArray *processes, GHashTable *strangers)
{
    GHashTableIter iter;
    gpointer usage;
    g_hash_table_iter_init(&iter, tree->usages);
    while (g_hash_table_iter_next(&iter, NULL, &usage))
        *(EgProcessUsage *)usage = (EgProcessUsage){0};
    for (guint i = 0; i < processes->len; i++) {
        const Process *process = &g_array_index(processes, Process, i);
        const Member *member = find_member(tree, process->pid);
        if (member == NULL) {
            g_hash_table_add(strangers, GINT_TO_POINTER(process->pid));
            continue;
        }
        EgProcessUsage *of_top = g_hash_table_lookup(tree->usages, GINT_TO_POINTER(member->top));
        of_top->cpu_ticks += process->cpu_ticks;
        of_top->rss_bytes += process->rss_bytes;
        of_top->n_processes++;
    }
}

void eg_process_tree_scan(EgProcessTree *tree)
{
    GHashTable *strangers = g_hash_table_new(NULL, NULL);
    g_autoptr(GArray) processes = read_candidates(tree, strangers);
    drop_gone(tree, processes);
    add_children(tree, processes);
    sum_up(tree, processes, strangers);
    g_hash_table_unref(tree->strangers);
    tree->strangers = strangers;
}

EgProcessUsage eg_process_tree_usage(const EgProcessTree *tree, int pid)
{
    const EgProcessUsage *usage = g_hash_table_lookup(tree->usages, GINT_TO_POINTER(pid));
    return usage != NULL ? *usage : (EgProcessUsage){0};
}

gint64 eg_process_tree_own_rss_bytes(const EgProcessTree *tree)
{
    Process process = {0};
    return read_process(tree, "self", &process) ? process.rss_bytes : 0;
}
