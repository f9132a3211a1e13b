#pragma once

#include "request/format.h"

/* Filename templates of LiveKit: {room_name} {room_id} {time} {utc} {track_id} {track_type}
 * {track_source} {publisher_identity} {retry}. */
typedef struct {
    const char *room_name;
    const char *room_id;
    const char *publisher_identity; /* NULL if not known: the placeholder becomes empty */
    const char *track_id;
    const char *track_type;
    const char *track_source;
    /* What a made-up name begins with, eg_plan_subject(); NULL: the first of track id, identity and
     * room name that there is. */
    const char *subject;
    guint retry_count; /* 0: the first try; {retry} is then "0" and a made-up name has no number */
    gint64 wall_ns;    /* the instant that {time} (2006-01-02T150405, local) and {utc} name */
} EgFilenameFacts;

/* Checks a template without facts: unknown placeholders, `..`, control characters, what is not
 * UTF-8, over-long names. Errors blame the request, and name the field. */
bool eg_filename_check(const char *template, GError **error);
bool eg_filename_check_field(const char *template, const char *field, GError **error);

/* Expands a template to a path whose last element carries the format's extension; a wrong one that
 * is known as such is replaced. An empty template or one that ends in "/" gets a made-up name,
 * <subject>-<time>. What facts bring in can neither add folders nor leave them ("/" and ".." in a
 * room name become "_") and is shortened where a name would be too long for a file system.
 * Returns a new string, or NULL and an error. */
char *eg_filename_expand(const char *template, EgFormat format, const EgFilenameFacts *facts,
                         GError **error);

/* The same of a playlist, ".m3u8". */
#define EG_PLAYLIST_EXTENSION ".m3u8"
char *eg_filename_expand_playlist(const char *template, const EgFilenameFacts *facts,
                                  GError **error);

/* What the names of several files begin with, up to their number or time: "cam_" of "cam". A
 * template that ends in EG_FILENAME_INDEX says so exactly: "cam-" of "cam-%05d". */
#define EG_FILENAME_INDEX "%05d"
char *eg_filename_expand_prefix(const char *template, const EgFilenameFacts *facts, GError **error);

/* Whether eg_filename_expand() replaces an extension that the template has. */
bool eg_filename_is_renamed(const char *template, EgFormat format);

/* Whether every fact that the template asks for is there: its path is known now. */
bool eg_filename_is_known(const char *template, const EgFilenameFacts *facts);

/* The folder that the template names in so many words, before any placeholder: "/rec" of
 * "/rec/{room_name}/x.mp4", "." if there is none. A new string. */
char *eg_filename_fixed_folder(const char *template);
