#pragma once

#include <glib.h>
#include <stdbool.h>

#include "request/plan.h"

/* The files of an output that makes one after the other: segments, images. */
typedef struct {
    const char *prefix; /* what all paths begin with */
    const char *ending; /* ".ts" */
    EgSuffix suffix;    /* what comes between */
} EgFileSeries;

/* The path of the n-th, which begins at the instant `wall_ns` (since the Unix epoch): with an
 * index of five digits or more, or with that instant in UTC, to the millisecond:
 * "cam_00003.ts", "cam_20261129163000250.ts". A new string. */
char *eg_file_series_path(const EgFileSeries *series, guint64 index, gint64 wall_ns);

/* Appends the paths (char *) of all its files that are there and complete, in their order. */
void eg_file_series_list(const EgFileSeries *series, GPtrArray *paths);

/* Makes `path` a file with this content, at once and whole; what was there is replaced. Any
 * thread. `*lock_fd` (NULL: no lock) keeps it locked, from before it has its name: -1 at first,
 * then what was left there, which is closed. */
bool eg_file_replace(const char *path, gconstpointer data, gsize size_bytes, int *lock_fd,
                     GError **error);
