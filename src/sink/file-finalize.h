#pragma once

#include <stdbool.h>

#include "base/log.h"
#include "sink/muxer.h"

/* Puts a complete file in its place: what was recorded as `recording` appears at `path` at once and
 * whole, and `recording` is gone; or, on failure, `recording` is as it was and `path` is untouched.
 * Takes as long as copying the file. The others as in eg_remux(). Any thread.
 */
bool eg_file_finalize(const char *recording, const char *path, EgFormat format,
                      const EgRemuxHints *hints, gint *progress, const gint *is_canceled,
                      GError **error);

/* An unfinished file that a crash has left. */
typedef struct {
    char *recording; /* renamed, so that nothing overwrites it */
    char *path;      /* what it will be */
    EgFormat format;
} EgFileLeftover;

/* Takes what a crash has left of a recording to `path` out of the way. NULL if there is nothing, or
 * (with an error) if another process is at it. The caller frees it. */
EgFileLeftover *eg_file_claim_leftover(const char *path, EgFormat format, GError **error);
void eg_file_leftover_free(EgFileLeftover *leftover);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgFileLeftover, eg_file_leftover_free)

/* Makes a complete file of it; one line in the log. Any thread. */
bool eg_file_recover(const EgFileLeftover *leftover, const EgLog *log, const gint *is_canceled,
                     GError **error);
