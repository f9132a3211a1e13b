#include "sink/file-name.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

/* "a/b.c/out.mp4" + "-x" -> "a/b.c/out-x.mp4". */
static char *with_infix(const char *path, const char *infix)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const char *dot = strrchr(name, '.');
    if (dot == NULL || dot == name)
        return g_strconcat(path, infix, NULL);
    return g_strdup_printf("%.*s%s%s", (int)(dot - path), path, infix, dot);
}

char *eg_file_recording_name(const char *path)
{
    return with_infix(path, ".recording");
}

char *eg_file_finishing_name(const char *path)
{
    return with_infix(path, ".finishing");
}

static bool is_taken(const char *path)
{
    g_autofree char *recording = eg_file_recording_name(path);
    return g_file_test(path, G_FILE_TEST_EXISTS) || g_file_test(recording, G_FILE_TEST_EXISTS);
}

char *eg_file_recovered_name(const char *path, guint n)
{
    if (n == 1)
        return with_infix(path, "-recovered");
    if (n > 1) {
        g_autofree char *infix = g_strdup_printf("-recovered-%u", n);
        return with_infix(path, infix);
    }
    for (n = 1;; n++) {
        g_autofree char *name = eg_file_recovered_name(path, n);
        if (!is_taken(name))
            return g_steal_pointer(&name);
    }
}

static bool check_names(const char *path, GError **error)
{
    g_autofree char *recording = eg_file_recording_name(path);
    g_autofree char *name = g_path_get_basename(recording);
    if (strlen(name) <= NAME_MAX && strlen(recording) < PATH_MAX)
        return true;
    eg_error_set_errno(error, ENAMETOOLONG, "write", path);
    return false;
}

bool eg_file_check_destination(const char *path, GError **error)
{
    if (path[0] == '\0' || g_str_has_suffix(path, "/")) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "the path \"%s\" names no file", path);
        return false;
    }
    if (!check_names(path, error))
        return false;
    g_autofree char *folder = g_path_get_dirname(path);
    if (g_mkdir_with_parents(folder, 0755) != 0) {
        eg_error_set_errno(error, errno, "create the folder", folder);
        return false;
    }
    if (access(folder, W_OK | X_OK) != 0) {
        eg_error_set_errno(error, errno, "write to the folder", folder);
        return false;
    }
    GStatBuf status;
    if (g_stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        if (S_ISDIR(status.st_mode)) {
            eg_error_set_errno(error, EISDIR, "write", path);
        } else {
            eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_DESTINATION,
                         "cannot write %s: it exists and is no ordinary file", path);
        }
        return false;
    }
    return true;
}

int eg_file_lock_recording(const char *recording, GError **error)
{
    int fd = g_open(recording, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        eg_error_set_errno(error, errno, "write", recording);
        return -1;
    }
    /* Network folders may know no locks. */
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
        return fd;
    eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_REQUEST,
                 "%s is being written by another recording", recording);
    close(fd);
    return -1;
}
