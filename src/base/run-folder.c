#include "base/run-folder.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locked-folder.h"

/* Folders are PREFIX + user id + "-XXXXXX". */
#define PREFIX "egress-run-"

struct _EgRunFolder {
    char *path;
    int lock_fd;
};

/* What killed processes have left. */
static void remove_left_overs(const char *root, const char *prefix)
{
    g_autoptr(GDir) dir = g_dir_open(root, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_prefix(name, prefix))
            continue;
        g_autofree char *path = g_build_filename(root, name, NULL);
        int fd = eg_folder_lock(path);
        if (fd < 0)
            continue;
        eg_folder_remove(path);
        close(fd);
    }
}

EgRunFolder *eg_run_folder_new(const char *root, GError **error)
{
    if (root == NULL)
        root = g_get_tmp_dir();
    g_autofree char *prefix = g_strdup_printf(PREFIX "%u-", getuid());
    remove_left_overs(root, prefix);
    char *path = NULL;
    int fd = eg_folder_make_locked(root, prefix, NULL, &path);
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
    eg_folder_remove(folder->path);
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
