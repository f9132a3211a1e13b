#pragma once

#include <glib.h>
#include <stdbool.h>

/* A playlist of ours that somebody else has written, as it lies on the disk. Any thread. */

/* Whether its writer is there, and may go on. */
bool eg_playlist_is_being_written(const char *path);

/* What it names. */
typedef struct {
    guint64 n_segments;
    gint64 duration_ns;
    guint64 size_bytes; /* of those files that are there */
} EgPlaylistTotals;

/* Ends a playlist whose writer has died, so that players do not wait for more, and says what there
 * is. One that is being written, or has ended, is only read. */
bool eg_playlist_recover(const char *path, EgPlaylistTotals *totals, GError **error);
