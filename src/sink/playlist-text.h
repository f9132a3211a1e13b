#pragma once

#include <glib.h>
#include <stdbool.h>

/* What the text of a playlist of ours says (RFC 8216). It lies on a disk, and is not to be trusted.
 */

#define EG_PLAYLIST_END "#EXT-X-ENDLIST"

typedef struct {
    gint64 target_s;
    guint64 sequence;      /* of the first entry (4.3.3.2) */
    guint64 discontinuity; /* how many there were before it (4.3.3.3) */
    bool is_ended;
} EgPlaylistHeader;

typedef struct {
    const char *text; /* its lines, that of the URI too */
    const char *uri;
    gint64 duration_ns; /* at most a day; 0: it says none */
    gint64 wall_ns;     /* of its beginning; 0: none was said yet */
    bool is_discontinuous;
} EgPlaylistEntry;

typedef void (*EgPlaylistEntryFunc)(gpointer user, const EgPlaylistEntry *entry);

/* `func` is called for each segment that is named, in their order. */
void eg_playlist_text_read(const char *text, EgPlaylistHeader *header, EgPlaylistEntryFunc func,
                           gpointer user);
