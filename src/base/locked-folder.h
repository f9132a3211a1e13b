#pragma once

#include <glib.h>

/* Folders of which each belongs to one process while that lives, by a lock in them; one whose lock
 * is free is what a process that was killed has left. */

/* Takes a folder: a descriptor, to be closed, or -1 if another process has it (errno EWOULDBLOCK),
 * or if it is none of ours. */
int eg_folder_lock(const char *path);

/* Makes `<root>/<name>` (mode 0700), which appears when it is locked and not before, so that nobody
 * takes it for a left-over. Without a name it gets one that begins with `prefix`; with one, there
 * must be none yet (EEXIST, ENOTEMPTY). The descriptor of the lock, or -1 with errno. */
int eg_folder_make_locked(const char *root, const char *prefix, const char *name, char **path);

/* With all that is in it; does not follow links. */
void eg_folder_remove(const char *path);
