#include "sink/playlist.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "sink/file-series.h"
#include "sink/playlist-text.h"

typedef struct {
    char *text; /* its lines */
    char *uri;
    gint64 end_wall_ns;
    bool is_discontinuous;
} Entry;

struct _EgPlaylist {
    char *path;
    guint window;
    gint64 target_s;
    GQueue entries;        /* Entry */
    guint64 sequence;      /* of the first entry (4.3.3.2) */
    guint64 discontinuity; /* how many there were before it (4.3.3.3) */
    int lock_fd;           /* -1 before it is written */
};

/* A target is kept when all durations are no longer, rounded to whole seconds (4.3.3.1). */
static gint64 round_s(gint64 ns)
{
    return (ns + EG_NS_PER_S / 2) / EG_NS_PER_S;
}

static void free_entry(gpointer data)
{
    Entry *entry = data;
    g_free(entry->text);
    g_free(entry->uri);
    g_free(entry);
}

EgPlaylist *eg_playlist_new(const EgPlaylistParams *params)
{
    EgPlaylist *playlist = g_new0(EgPlaylist, 1);
    playlist->path = g_strdup(params->path);
    playlist->window = params->window;
    playlist->target_s = MAX(round_s(params->target_ns), 1);
    g_queue_init(&playlist->entries);
    playlist->lock_fd = -1;
    return playlist;
}

void eg_playlist_free(EgPlaylist *playlist)
{
    if (playlist == NULL)
        return;
    g_queue_clear_full(&playlist->entries, free_entry);
    if (playlist->lock_fd >= 0)
        close(playlist->lock_fd);
    g_free(playlist->path);
    g_free(playlist);
}

/* Relative to the playlist, so that the folder can be moved and served as it is. Text that would
 * mean something else in a URI is escaped. */
static char *make_uri(const EgPlaylist *playlist, const char *path)
{
    g_autofree char *folder = g_path_get_dirname(playlist->path);
    gsize length = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    const char *name = path;
    if (strncmp(path, folder, length) == 0 && path[length] == '/')
        name = path + length + strspn(path + length, "/");
    return g_uri_escape_string(name, "/!$&'()*+,;=@", TRUE);
}

static char *format_date(gint64 wall_ns)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(wall_ns / EG_NS_PER_S);
    g_autofree char *seconds = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%03dZ", seconds, (int)(wall_ns % EG_NS_PER_S / EG_NS_PER_MS));
}

static void add_entry(EgPlaylist *playlist, Entry *entry)
{
    g_queue_push_tail(&playlist->entries, entry);
    while (playlist->window > 0 && playlist->entries.length > playlist->window) {
        Entry *oldest = g_queue_pop_head(&playlist->entries);
        playlist->sequence++;
        playlist->discontinuity += oldest->is_discontinuous;
        free_entry(oldest);
    }
}

void eg_playlist_add(EgPlaylist *playlist, const EgPlaylistSegment *segment)
{
    g_autofree char *date = format_date(segment->wall_ns);
    char *uri = make_uri(playlist, segment->path);
    gint64 ms = (segment->duration_ns + EG_NS_PER_MS / 2) / EG_NS_PER_MS;
    Entry *entry = g_new(Entry, 1);
    *entry = (Entry){
        .uri = uri,
        .end_wall_ns = segment->wall_ns + segment->duration_ns,
        .is_discontinuous = segment->is_discontinuous,
        .text = g_strdup_printf("%s#EXT-X-PROGRAM-DATE-TIME:%s\n"
                                "#EXTINF:%" G_GINT64_FORMAT ".%03d,\n%s\n",
                                segment->is_discontinuous ? "#EXT-X-DISCONTINUITY\n" : "", date,
                                ms / 1000, (int)(ms % 1000), uri),
    };
    add_entry(playlist, entry);
    playlist->target_s = MAX(playlist->target_s, round_s(segment->duration_ns));
}

static void on_entry(gpointer user, const EgPlaylistEntry *read)
{
    Entry *entry = g_new(Entry, 1);
    *entry = (Entry){
        .text = g_strdup(read->text),
        .uri = g_strdup(read->uri),
        .end_wall_ns = read->wall_ns + read->duration_ns,
        .is_discontinuous = read->is_discontinuous,
    };
    add_entry(user, entry);
}

bool eg_playlist_load(EgPlaylist *playlist, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) failure = NULL;
    EgPlaylistHeader header;
    if (!g_file_get_contents(playlist->path, &text, NULL, &failure)) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return true;
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_DESTINATION, "%s", failure->message);
        return false;
    }
    eg_playlist_text_read(text, &header, on_entry, playlist);
    playlist->target_s = MAX(playlist->target_s, header.target_s);
    playlist->sequence += header.sequence;
    playlist->discontinuity += header.discontinuity;
    return true;
}

bool eg_playlist_has(const EgPlaylist *playlist, const char *path)
{
    g_autofree char *uri = make_uri(playlist, path);
    for (const GList *link = playlist->entries.head; link != NULL; link = link->next) {
        if (strcmp(((const Entry *)link->data)->uri, uri) == 0)
            return true;
    }
    return false;
}

gint64 eg_playlist_end_wall_ns(const EgPlaylist *playlist)
{
    const Entry *last = g_queue_peek_tail((GQueue *)&playlist->entries);
    return last != NULL ? last->end_wall_ns : EG_TIME_NONE;
}

const char *eg_playlist_path(const EgPlaylist *playlist)
{
    return playlist->path;
}

char *eg_playlist_text(const EgPlaylist *playlist, bool is_ended)
{
    GString *text = g_string_new("#EXTM3U\n#EXT-X-VERSION:4\n");
    if (playlist->window == 0)
        g_string_append(text, "#EXT-X-PLAYLIST-TYPE:EVENT\n");
    g_string_append_printf(text,
                           "#EXT-X-ALLOW-CACHE:NO\n"
                           "#EXT-X-TARGETDURATION:%" G_GINT64_FORMAT "\n"
                           "#EXT-X-MEDIA-SEQUENCE:%" G_GUINT64_FORMAT "\n",
                           playlist->target_s, playlist->sequence);
    if (playlist->discontinuity > 0)
        g_string_append_printf(text, "#EXT-X-DISCONTINUITY-SEQUENCE:%" G_GUINT64_FORMAT "\n",
                               playlist->discontinuity);
    for (const GList *link = playlist->entries.head; link != NULL; link = link->next)
        g_string_append(text, ((const Entry *)link->data)->text);
    if (is_ended)
        g_string_append(text, EG_PLAYLIST_END "\n");
    return g_string_free(text, FALSE);
}

GBytes *eg_playlist_write(EgPlaylist *playlist, bool is_ended, GError **error)
{
    char *text = eg_playlist_text(playlist, is_ended);
    gsize length = strlen(text);
    g_autoptr(GBytes) content = g_bytes_new_take(text, length);
    if (!eg_file_replace(playlist->path, text, length, &playlist->lock_fd, error))
        return NULL;
    return g_steal_pointer(&content);
}
