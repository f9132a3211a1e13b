#pragma once

#include <glib.h>

/* A private folder for what one source needs while it runs: sockets, a browser's profile. Folders
 * of processes that were killed are found by their free lock, and removed by the next one. */
typedef struct _EgRunFolder EgRunFolder;

/* Below `root` (NULL: the folder for temporary files), for this user alone. */
EgRunFolder *eg_run_folder_new(const char *root, GError **error);

/* Removes it with all that is in it. */
void eg_run_folder_free(EgRunFolder *folder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRunFolder, eg_run_folder_free)

const char *eg_run_folder_path(const EgRunFolder *folder);

/* The environment of programs that live in it: HOME, TMPDIR and XDG_RUNTIME_DIR lead into it; PATH,
 * locale and time zone are ours, nothing else is. "NAME=value", ends with NULL; g_strfreev(). */
char **eg_run_folder_environment(const EgRunFolder *folder);
