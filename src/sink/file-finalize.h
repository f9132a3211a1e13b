#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "sink/muxer.h"

/* Puts a complete file in its place, as it is or, with `hints`, an MP4 as a copy: what was recorded
 * as `recording` appears at `path` at once and whole, and `recording` is gone; or, on failure,
 * `recording` is as it was and `path` is untouched. Takes as long as copying the file. The others
 * as in eg_remux(). Any thread.
 */
bool eg_file_finalize(const char *recording, const char *path, EgFormat format,
                      const EgRemuxHints *hints, gint *progress, const gint *is_canceled,
                      GError **error);

/* Makes a complete file of an unfinished one that a crash has left; one line in the log. Where it
 * goes is eg_file_recovered_name(). Nothing happens while another process writes it. Any thread. */
bool eg_file_recover(const char *recording, const char *recovered, EgFormat format,
                     const EgLog *log, const gint *is_canceled, GError **error);

/* Takes what crashes have left of recordings to `path` out of the way, so that nothing overwrites
 * it, and recovers it in a thread of its own. NULL if there is nothing, or (with an error) if
 * another process is recording to `path`. */
typedef struct _EgFileRecovery EgFileRecovery;
EgFileRecovery *eg_file_recovery_start(const char *path, EgFormat format, const EgLog *log,
                                       GError **error);

/* What has not been recovered is next time. NULL is fine. */
void eg_file_recovery_free(EgFileRecovery *recovery);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgFileRecovery, eg_file_recovery_free)
