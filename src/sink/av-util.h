#pragma once

#include <glib.h>
#include <libavformat/avformat.h>
#include <stdbool.h>

#include "request/format.h"

/* Keeps libav from writing to standard error: what goes wrong is returned. */
void eg_av_init(void);

/* What libav says of errors in this thread is appended to that, for what its codes do not tell;
 * NULL: nowhere. */
void eg_av_capture_log(GString *text);

/* The one translation of libav's errors: those of the system as eg_error_set_errno() does, others
 * as internal ones. `doing` and `path` as there. */
void eg_av_error_set(GError **error, int averror, const char *doing, const char *path);

/* How long what can be played of a file is; 0: nothing can. Reads all of it; one that cannot be
 * read to its end is an error. */
bool eg_av_read_duration(const char *path, gint64 *duration_ns, GError **error);

/* libavformat's name of the format: "matroska" would be another than "webm". */
const char *eg_av_muxer_name(EgFormat format);

/* Opens `path` for `context` (created, truncated), whose interrupt callback is asked before each
 * piece that is written. A path is never taken for a URL. */
int eg_av_open_output(AVFormatContext *context, const char *path);

/* Closes it; returns an AVERROR if anything could not be written. */
int eg_av_close_output(AVFormatContext *context);
