#include "base/locked-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_NAME "lock"

/* Open at the same time while a tree is removed. */
#define MAX_FDS 16

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

void eg_folder_remove(const char *path)
{
    nftw(path, remove_entry, MAX_FDS, FTW_DEPTH | FTW_PHYS);
}

int eg_folder_lock(const char *path)
{
    g_autofree char *lock = g_build_filename(path, LOCK_NAME, NULL);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    int errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

int eg_folder_make_locked(const char *root, const char *prefix, const char *name, char **path)
{
    g_autofree char *template = g_strconcat(".", prefix, "XXXXXX", NULL);
    g_autofree char *hidden = g_build_filename(root, template, NULL);
    if (g_mkdtemp_full(hidden, 0700) == NULL)
        return -1;
    int fd = eg_folder_lock(hidden);
    *path = g_build_filename(root, name != NULL ? name : strrchr(hidden, '/') + 2, NULL);
    if (fd >= 0 && g_rename(hidden, *path) == 0)
        return fd;
    int errnum = errno;
    eg_folder_remove(hidden);
    if (fd >= 0)
        close(fd);
    g_clear_pointer(path, g_free);
    errno = errnum;
    return -1;
}
