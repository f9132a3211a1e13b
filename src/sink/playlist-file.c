#include "sink/playlist-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "sink/file-series.h"
#include "sink/playlist-text.h"

bool eg_playlist_is_being_written(const char *path)
{
    int fd = g_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool is_locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_locked;
}

static guint64 size_of(const char *path, const char *uri)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_uri_unescape_string(uri, NULL);
    g_autofree char *segment = name != NULL ? g_build_filename(folder, name, NULL) : NULL;
    GStatBuf status;
    return segment != NULL && g_stat(segment, &status) == 0 ? (guint64)status.st_size : 0;
}

typedef struct {
    const char *path;
    EgPlaylistTotals *totals;
} Count;

static void count(gpointer user, const EgPlaylistEntry *entry)
{
    const Count *counting = user;
    counting->totals->n_segments++;
    counting->totals->duration_ns += entry->duration_ns;
    counting->totals->size_bytes += size_of(counting->path, entry->uri);
}

bool eg_playlist_recover(const char *path, EgPlaylistTotals *totals, GError **error)
{
    g_autofree char *text = NULL;
    gsize size_bytes = 0;
    *totals = (EgPlaylistTotals){0};
    bool is_left = !eg_playlist_is_being_written(path);
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &text, &size_bytes, &failure)) {
        eg_error_set(error, EG_ERROR_NOT_FOUND, EG_BLAME_DESTINATION, "%s", failure->message);
        return false;
    }
    Count counting = {.path = path, .totals = totals};
    EgPlaylistHeader header;
    eg_playlist_text_read(text, &header, count, &counting);
    if (header.is_ended || !is_left)
        return true;
    g_autofree char *ended =
        g_strconcat(text, g_str_has_suffix(text, "\n") ? "" : "\n", EG_PLAYLIST_END "\n", NULL);
    return eg_file_replace(path, ended, strlen(ended), NULL, error);
}
