#pragma once

#include <glib.h>
#include <stdbool.h>

/* The names of a file on its way: `out.recording.mp4` while it is written, `out.mp4` when it is
 * complete, `out-recovered.mp4` for what a crash has left. All in one folder, so that a rename is
 * all that it takes. The caller frees them. */
char *eg_file_recording_name(const char *path);

/* Where a complete file is made before it takes its place. */
char *eg_file_finishing_name(const char *path);

/* The n-th of `out-recovered.mp4`, `out-recovered-2.mp4`, ...; 0: the first that nothing has. */
char *eg_file_recovered_name(const char *path, guint n);

/* Whether a file can be written at `path`: makes its folder, and says what is wrong. */
bool eg_file_check_destination(const char *path, GError **error);

/* Opens (or creates) the unfinished file and locks it for this process: returns a descriptor to be
 * closed, or -1 with an error if another process is writing it. */
int eg_file_lock_recording(const char *recording, GError **error);
