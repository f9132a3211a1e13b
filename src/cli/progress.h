#pragma once

#include <stdio.h>

#include "session/session.h"

/* How far a recording is, for people: on a terminal one line that is redrawn below the log, else a
 * plain line at each change and every ten seconds. One thread; only the log may be written by
 * others meanwhile. */
typedef struct _EgProgress EgProgress;

typedef struct {
    FILE *stream;     /* where log and progress go: standard error */
    bool is_terminal; /* eg_progress_is_terminal() */
    bool is_quiet;    /* shows nothing */
} EgProgressParams;

/* Takes over the writing of log lines until it is freed. */
EgProgress *eg_progress_new(const EgProgressParams *params);

/* Removes the line that is being redrawn. */
void eg_progress_free(EgProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgProgress, eg_progress_free)

/* Shows how things are at `now_ns` (monotonic), in states before the final ones; call it at each
 * change of state and about twice a second. */
void eg_progress_show(EgProgress *progress, const EgSessionProgress *status, gint64 now_ns);

/* Whether lines on the stream can be redrawn. */
bool eg_progress_is_terminal(FILE *stream);

/* "00:01:05  3.7 MB  3.0 Mbit/s  alice: camera H264 1280x720, microphone Opus", cut to `columns`
 * (0: not cut); of a state that is not final. A new string. */
char *eg_progress_format(const EgSessionProgress *status, guint64 bitrate_bps, guint columns);

/* "00:01:05", "3.7 MB", "3.0 Mbit/s". New strings. */
char *eg_format_clock(gint64 duration_ns);
char *eg_format_size(guint64 size_bytes);
char *eg_format_bitrate(guint64 bitrate_bps);
