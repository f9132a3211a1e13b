#include "base/run-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

/* Folders are PREFIX + user id + "-XXXXXX". */
#define PREFIX    "egress-run-"
#define LOCK_NAME "lock"

/* Open at the same time while a tree is removed. */
#define MAX_FDS 16

struct _EgRunFolder {
    char *path;
    int lock_fd;
};

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

/* Does not follow links. */
static void remove_tree(const char *path)
{
    nftw(path, remove_entry, MAX_FDS, FTW_DEPTH | FTW_PHYS);
}

/* The lock of a folder, or -1: another process has it, or the folder is not one of ours. */
static int lock_folder(const char *path)
{
    g_autofree char *lock = g_build_filename(path, LOCK_NAME, NULL);
    int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* What killed processes have left. */
static void remove_left_overs(const char *root, const char *prefix)
{
    g_autoptr(GDir) dir = g_dir_open(root, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_prefix(name, prefix))
            continue;
        g_autofree char *path = g_build_filename(root, name, NULL);
        int fd = lock_folder(path);
        if (fd < 0)
            continue;
        remove_tree(path);
        close(fd);
    }
}

/* A folder gets its name only when it is locked, so that nobody takes it for a left-over. The lock
 * or -1, with errno. */
static int make_folder(const char *root, const char *prefix, char **path)
{
    g_autofree char *name = g_strconcat(".", prefix, "XXXXXX", NULL);
    g_autofree char *hidden = g_build_filename(root, name, NULL);
    if (g_mkdtemp_full(hidden, 0700) == NULL)
        return -1;
    int fd = lock_folder(hidden);
    *path = g_build_filename(root, strrchr(hidden, '/') + 2, NULL);
    if (fd >= 0 && g_rename(hidden, *path) == 0)
        return fd;
    int errnum = errno;
    remove_tree(hidden);
    if (fd >= 0)
        close(fd);
    g_clear_pointer(path, g_free);
    errno = errnum;
    return -1;
}

EgRunFolder *eg_run_folder_new(const char *root, GError **error)
{
    if (root == NULL)
        root = g_get_tmp_dir();
    g_autofree char *prefix = g_strdup_printf(PREFIX "%u-", getuid());
    remove_left_overs(root, prefix);
    char *path = NULL;
    int fd = make_folder(root, prefix, &path);
    if (fd < 0) {
        eg_error_set_errno(error, errno, "make a folder for a browser in", root);
        return NULL;
    }
    EgRunFolder *folder = g_new(EgRunFolder, 1);
    *folder = (EgRunFolder){.path = path, .lock_fd = fd};
    return folder;
}

void eg_run_folder_free(EgRunFolder *folder)
{
    if (folder == NULL)
        return;
    remove_tree(folder->path);
    close(folder->lock_fd);
    g_free(folder->path);
    g_free(folder);
}

const char *eg_run_folder_path(const EgRunFolder *folder)
{
    return folder->path;
}

char **eg_run_folder_environment(const EgRunFolder *folder)
{
    static const char *const own[] = {"HOME", "TMPDIR", "XDG_RUNTIME_DIR"};
    static const char *const kept[] = {"PATH", "LANG", "LC_ALL", "LANGUAGE", "TZ"};
    char **environment = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(own); i++)
        environment = g_environ_setenv(environment, own[i], folder->path, TRUE);
    for (gsize i = 0; i < G_N_ELEMENTS(kept); i++) {
        const char *value = g_getenv(kept[i]);
        if (value != NULL)
            environment = g_environ_setenv(environment, kept[i], value, TRUE);
    }
    return environment;
}
