#include "sink/file-series.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "sink/file-name.h"

char *eg_file_series_path(const EgFileSeries *series, guint64 index, gint64 wall_ns)
{
    if (series->suffix == EG_SUFFIX_NONE)
        return g_strconcat(series->prefix, series->ending, NULL);
    if (series->suffix == EG_SUFFIX_INDEX)
        return g_strdup_printf("%s%05" G_GUINT64_FORMAT "%s", series->prefix, index,
                               series->ending);
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(wall_ns / EG_NS_PER_S);
    g_autofree char *seconds = g_date_time_format(date, "%Y%m%d%H%M%S");
    return g_strdup_printf("%s%s%03d%s", series->prefix, seconds,
                           (int)(wall_ns % EG_NS_PER_S / EG_NS_PER_MS), series->ending);
}

static gint compare_paths(gconstpointer a, gconstpointer b)
{
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;
    /* Indices have five digits, and more when these are not enough. */
    gsize length_x = strlen(x);
    gsize length_y = strlen(y);
    if (length_x != length_y)
        return length_x < length_y ? -1 : 1;
    return strcmp(x, y);
}

/* What is between prefix and ending: what tells files of a series from each other, but not what
 * files are called on their way. */
static bool is_in_series(const EgFileSeries *series, const char *path)
{
    gsize length = strlen(path);
    gsize prefix = strlen(series->prefix);
    gsize ending = strlen(series->ending);
    if (length < prefix + ending || !g_str_has_prefix(path, series->prefix) ||
        !g_str_has_suffix(path, series->ending))
        return false;
    g_autofree char *middle = g_strndup(path + prefix, length - prefix - ending);
    return strspn(middle, "0123456789") == strlen(middle) &&
           (*middle == '\0') == (series->suffix == EG_SUFFIX_NONE);
}

void eg_file_series_list(const EgFileSeries *series, GPtrArray *paths)
{
    g_autofree char *folder = g_path_get_dirname(series->prefix);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (is_in_series(series, path))
            g_ptr_array_add(found, g_steal_pointer(&path));
    }
    g_ptr_array_sort(found, compare_paths);
    g_ptr_array_extend_and_steal(paths, g_steal_pointer(&found));
}

static bool write_all(int fd, const char *data, gsize size_bytes)
{
    while (size_bytes > 0) {
        gssize written = write(fd, data, size_bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        data += written;
        size_bytes -= (gsize)written;
    }
    return true;
}

/* Network folders may know no locks. */
static int finish_file(int fd, int *lock_fd)
{
    if (lock_fd == NULL)
        return close(fd) == 0 ? 0 : errno;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno != EOPNOTSUPP && errno != ENOLCK)
        return errno;
    return 0;
}

bool eg_file_replace(const char *path, gconstpointer data, gsize size_bytes, int *lock_fd,
                     GError **error)
{
    g_autofree char *beside = eg_file_finishing_name(path);
    int fd = g_open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        eg_error_set_errno(error, errno, "write", path);
        return false;
    }
    int failure = write_all(fd, data, size_bytes) ? 0 : errno;
    int finished = finish_file(fd, lock_fd);
    if (failure == 0)
        failure = finished;
    if (failure == 0 && g_rename(beside, path) != 0)
        failure = errno;
    if (lock_fd != NULL) {
        int unlocked = failure == 0 ? *lock_fd : fd;
        if (failure == 0)
            *lock_fd = fd;
        if (unlocked >= 0)
            close(unlocked);
    }
    if (failure == 0)
        return true;
    g_unlink(beside);
    eg_error_set_errno(error, failure, "write", path);
    return false;
}
