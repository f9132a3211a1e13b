#include "service/cgroup.h"

#include <string.h>

/* v1 says "no limit" with the largest number of pages. */
#define UNLIMITED_BYTES (G_GINT64_CONSTANT(1) << 60)

/* Where one controller has our group. */
typedef struct {
    char *mount;  /* the folder of the topmost group that can be seen; NULL: no such controller */
    char *folder; /* that of ours, at or below it */
    bool is_v2;
} Place;

struct _EgCgroup {
    Place cpu;
    Place accounting; /* of v1, where it may be another folder */
    Place memory;
};

static char *read_text(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

/* -1 if there is no such file, or no number in it ("max"). */
static gint64 read_number(const char *folder, const char *name)
{
    g_autofree char *text = read_text(folder, name);
    if (text == NULL || !g_ascii_isdigit(*text))
        return -1;
    return g_ascii_strtoll(text, NULL, 10);
}

/* The number behind `key` in a file of lines "key number"; -1 if there is none. */
static gint64 read_keyed(const char *folder, const char *name, const char *key)
{
    g_autofree char *text = read_text(folder, name);
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
    gsize length = strlen(key);
    for (char **line = lines; *line != NULL; line++) {
        if (strncmp(*line, key, length) == 0 && (*line)[length] == ' ')
            return g_ascii_strtoll(*line + length + 1, NULL, 10);
    }
    return -1;
}

static bool list_has(const char *list, const char *name)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);
    return g_strv_contains((const char *const *)names, name);
}

/* The path of our group by /proc/self/cgroup, whose lines are "4:cpu,cpuacct:/path". `controller`
 * is NULL for v2. */
static char *find_path(const char *groups, const char *controller)
{
    g_auto(GStrv) lines = g_strsplit(groups, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_auto(GStrv) parts = g_strsplit(*line, ":", 3);
        if (g_strv_length(parts) != 3)
            continue;
        bool is_it = controller != NULL ? list_has(parts[1], controller)
                                        : strcmp(parts[0], "0") == 0 && *parts[1] == '\0';
        if (is_it)
            return g_strdup(parts[2]);
    }
    return NULL;
}

/* Of /proc/self/mountinfo: "31 23 0:28 /root /mount/point rw - cgroup cgroup rw,cpu", the root
 * and the mount point. See proc(5). */
static bool find_mount(const char *mounts, const char *controller, char **root, char **point)
{
    g_auto(GStrv) lines = g_strsplit(mounts, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        char *rest = strstr(*line, " - ");
        if (rest == NULL)
            continue;
        *rest = '\0';
        g_auto(GStrv) end = g_strsplit(rest + 3, " ", -1);
        g_auto(GStrv) start = g_strsplit(*line, " ", 6);
        if (g_strv_length(end) < 3 || g_strv_length(start) < 6)
            continue;
        bool is_it = controller != NULL
                         ? strcmp(end[0], "cgroup") == 0 && list_has(end[2], controller)
                         : strcmp(end[0], "cgroup2") == 0;
        if (is_it) {
            *root = g_strcompress(start[3]);
            *point = g_strcompress(start[4]);
            return true;
        }
    }
    return false;
}

/* The part of `path` below `root`. A container sees the path of its host, and a mount that shows
 * its own group alone; a path that cannot be seen is taken as that. */
static const char *path_below(const char *path, const char *root)
{
    if (strstr(path, "/..") != NULL)
        return "";
    if (strcmp(root, "/") == 0)
        return path;
    gsize length = strlen(root);
    bool is_below = strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
    return is_below ? path + length : "";
}

static bool find_place(Place *place, const char *file_root, const char *groups, const char *mounts,
                       const char *controller)
{
    g_autofree char *root = NULL;
    g_autofree char *point = NULL;
    g_autofree char *path = find_path(groups, controller);
    if (path == NULL || !find_mount(mounts, controller, &root, &point))
        return false;
    place->is_v2 = controller == NULL;
    place->mount = g_strconcat(file_root, point, NULL);
    place->folder = g_strconcat(place->mount, path_below(path, root), NULL);
    gsize length = strlen(place->folder);
    if (length > strlen(place->mount) && place->folder[length - 1] == '/')
        place->folder[length - 1] = '\0';
    if (!g_file_test(place->folder, G_FILE_TEST_IS_DIR)) {
        g_free(place->folder);
        place->folder = g_strdup(place->mount);
    }
    return true;
}

EgCgroup *eg_cgroup_new(const char *root)
{
    EgCgroup *cgroup = g_new0(EgCgroup, 1);
    g_autofree char *proc = g_strconcat(root, "/proc/self", NULL);
    g_autofree char *groups = read_text(proc, "cgroup");
    g_autofree char *mounts = read_text(proc, "mountinfo");
    if (groups == NULL || mounts == NULL)
        return cgroup;
    find_place(&cgroup->accounting, root, groups, mounts, "cpuacct");
    if (!find_place(&cgroup->cpu, root, groups, mounts, "cpu"))
        find_place(&cgroup->cpu, root, groups, mounts, NULL);
    if (!find_place(&cgroup->memory, root, groups, mounts, "memory"))
        find_place(&cgroup->memory, root, groups, mounts, NULL);
    return cgroup;
}

static void clear_place(Place *place)
{
    g_free(place->mount);
    g_free(place->folder);
}

void eg_cgroup_free(EgCgroup *cgroup)
{
    if (cgroup == NULL)
        return;
    clear_place(&cgroup->cpu);
    clear_place(&cgroup->accounting);
    clear_place(&cgroup->memory);
    g_free(cgroup);
}

/* Makes the folder of a group that of the one above it; false if that cannot be seen. */
static bool go_up(const Place *place, char *folder)
{
    if (strlen(folder) <= strlen(place->mount))
        return false;
    *strrchr(folder, '/') = '\0';
    return true;
}

/* In cores; 0: none. */
static double read_quota(const Place *place, const char *folder)
{
    if (!place->is_v2) {
        gint64 quota_us = read_number(folder, "cpu.cfs_quota_us");
        gint64 period_us = read_number(folder, "cpu.cfs_period_us");
        return quota_us > 0 && period_us > 0 ? (double)quota_us / (double)period_us : 0;
    }
    g_autofree char *text = read_text(folder, "cpu.max");
    if (text == NULL || !g_ascii_isdigit(*text))
        return 0;
    char *end;
    gint64 quota_us = g_ascii_strtoll(text, &end, 10);
    gint64 period_us = g_ascii_strtoll(end, NULL, 10);
    return quota_us > 0 && period_us > 0 ? (double)quota_us / (double)period_us : 0;
}

static gint64 read_used_ns(const EgCgroup *cgroup, const char *folder)
{
    if (cgroup->cpu.is_v2)
        return MAX(read_keyed(folder, "cpu.stat", "usage_usec"), 0) * 1000;
    gint64 used_ns = read_number(folder, "cpuacct.usage");
    if (used_ns < 0 && cgroup->accounting.folder != NULL)
        used_ns = read_number(cgroup->accounting.folder, "cpuacct.usage");
    return MAX(used_ns, 0);
}

bool eg_cgroup_read_cpu(const EgCgroup *cgroup, double *quota_cores, gint64 *used_ns)
{
    if (cgroup->cpu.folder == NULL)
        return false;
    g_autofree char *folder = g_strdup(cgroup->cpu.folder);
    g_autofree char *tightest = NULL;
    *quota_cores = 0;
    do {
        double quota = read_quota(&cgroup->cpu, folder);
        if (quota > 0 && (tightest == NULL || quota < *quota_cores)) {
            *quota_cores = quota;
            g_free(tightest);
            tightest = g_strdup(folder);
        }
    } while (go_up(&cgroup->cpu, folder));
    if (tightest == NULL)
        return false;
    *used_ns = read_used_ns(cgroup, tightest);
    return true;
}

gint64 eg_cgroup_memory_limit(const EgCgroup *cgroup)
{
    const Place *place = &cgroup->memory;
    if (place->folder == NULL)
        return 0;
    const char *name = place->is_v2 ? "memory.max" : "memory.limit_in_bytes";
    g_autofree char *folder = g_strdup(place->folder);
    gint64 limit_bytes = 0;
    do {
        gint64 bytes = read_number(folder, name);
        if (bytes > 0 && bytes < UNLIMITED_BYTES && (limit_bytes == 0 || bytes < limit_bytes))
            limit_bytes = bytes;
    } while (go_up(place, folder));
    return limit_bytes;
}

gint64 eg_cgroup_memory_used(const EgCgroup *cgroup)
{
    const Place *place = &cgroup->memory;
    if (place->folder == NULL)
        return -1;
    gint64 used =
        read_number(place->folder, place->is_v2 ? "memory.current" : "memory.usage_in_bytes");
    gint64 cached = read_keyed(place->folder, "memory.stat",
                               place->is_v2 ? "inactive_file" : "total_inactive_file");
    return used < 0 ? -1 : MAX(used - MAX(cached, 0), 0);
}
