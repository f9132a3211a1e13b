#pragma once

#include <glib.h>
#include <stdbool.h>

/* The text of an HLS media playlist (RFC 8216), and its file. One thread at a time. */
typedef struct _EgPlaylist EgPlaylist;

typedef struct {
    const char *path;
    gint64 target_ns; /* how long segments are meant to be */
    guint window;     /* how many segments are named at a time; 0: all, for ever (type EVENT) */
} EgPlaylistParams;

EgPlaylist *eg_playlist_new(const EgPlaylistParams *params);
void eg_playlist_free(EgPlaylist *playlist);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgPlaylist, eg_playlist_free)

typedef struct {
    const char *path; /* of the complete file, in the playlist's folder or below it */
    gint64 duration_ns;
    gint64 wall_ns;        /* of its first picture, since the Unix epoch */
    bool is_discontinuous; /* it does not go on where the one before has ended */
} EgPlaylistSegment;

void eg_playlist_add(EgPlaylist *playlist, const EgPlaylistSegment *segment);

/* Goes on with what its file says, if there is one. One that cannot be read is an error. */
bool eg_playlist_load(EgPlaylist *playlist, GError **error);

/* Whether it names this file. */
bool eg_playlist_has(const EgPlaylist *playlist, const char *path);

/* When the last segment ends; EG_TIME_NONE: there is none. */
gint64 eg_playlist_end_wall_ns(const EgPlaylist *playlist);

const char *eg_playlist_path(const EgPlaylist *playlist);

/* `is_ended`: no more segments will come. A new string. */
char *eg_playlist_text(const EgPlaylist *playlist, bool is_ended);

/* Replaces its file at once and whole: nobody ever reads a part of it. Returns what it says. From
 * then on the file is locked until the playlist is freed. */
GBytes *eg_playlist_write(EgPlaylist *playlist, bool is_ended, GError **error);
