#include "session/disk.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "request/filename.h"

#define BYTES_PER_MB 1e6

/* Of the nearest folder that exists: the others will be made in it. */
static bool get_free(const char *path, guint64 *free_bytes)
{
    g_autofree char *folder = g_strdup(path);
    struct statvfs disk;
    while (statvfs(folder, &disk) != 0) {
        if ((errno != ENOENT && errno != ENOTDIR) || strcmp(folder, "/") == 0 ||
            strcmp(folder, ".") == 0)
            return false;
        char *above = g_path_get_dirname(folder);
        g_free(folder);
        folder = above;
    }
    *free_bytes = (guint64)disk.f_bavail * disk.f_frsize;
    return true;
}

bool eg_disk_check(const char *path, const EgConfig *config, guint64 size_bytes, GError **error)
{
    guint64 free_bytes;
    guint64 least_bytes = (guint64)config->min_free_disk_bytes;
    /* What cannot be looked at is no reason to stop. */
    if (least_bytes == 0 || !get_free(path, &free_bytes) || free_bytes >= least_bytes + size_bytes)
        return true;
    eg_error_set_retryable(error, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_SERVICE,
                           "the disk of %s is nearly full: %.0f MB are free, %.0f MB must stay so",
                           path, (double)free_bytes / BYTES_PER_MB,
                           (double)(least_bytes + size_bytes) / BYTES_PER_MB);
    return false;
}

bool eg_disk_check_plan(const EgPlan *plan, const EgConfig *config, const char *spool_root,
                        GError **error)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        const EgOutput *output = &plan->outputs[i];
        if (output->path_template == NULL)
            continue;
        g_autofree char *folder = output->storage != NULL
                                      ? g_strdup(spool_root)
                                      : eg_filename_fixed_folder(output->path_template);
        if (!eg_disk_check(folder, config, 0, error))
            return false;
    }
    return true;
}
