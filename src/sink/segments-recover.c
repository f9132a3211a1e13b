#include "sink/segments-recover.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"
#include "sink/av-util.h"
#include "sink/file-name.h"
#include "sink/playlist.h"

/* Of MPEG-TS: what is less than that at the end is none. */
#define PACKET_BYTES 188

/* Removed only if it is certain that there is nothing to be played in it. */
static bool complete(const char *unfinished, const char *path, GError **error)
{
    GStatBuf status;
    gint64 duration_ns;
    if (g_stat(unfinished, &status) != 0 ||
        truncate(unfinished, status.st_size - status.st_size % PACKET_BYTES) != 0) {
        eg_error_set_errno(error, errno, "complete", unfinished);
        return false;
    }
    if (!eg_av_read_duration(unfinished, &duration_ns, error))
        return false;
    if ((duration_ns > 0 ? g_rename(unfinished, path) : g_unlink(unfinished)) == 0)
        return true;
    eg_error_set_errno(error, errno, "complete", unfinished);
    return false;
}

/* The one that was being written. */
static void complete_last(const EgSinkParams *params)
{
    g_autofree char *ending = g_strconcat(".recording", params->series.ending, NULL);
    const EgFileSeries unfinished = {
        .prefix = params->series.prefix,
        .ending = ending,
        .suffix = params->series.suffix,
    };
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    eg_file_series_list(&unfinished, paths);
    for (guint i = 0; i < paths->len; i++) {
        const char *path = paths->pdata[i];
        g_autoptr(GError) error = NULL;
        g_autofree char *stem = g_strndup(path, strlen(path) - strlen(ending));
        g_autofree char *finished = g_strconcat(stem, params->series.ending, NULL);
        if (!complete(path, finished, &error))
            eg_warn(params->log, "unfinished segment not recovered", EG_STR("path", path),
                    EG_STR("error", error->message));
    }
}

/* Where it begins, if nothing is in front of it: by when it was written last. */
static gint64 begin_wall_ns(const char *path, gint64 duration_ns)
{
    GStatBuf status;
    return g_stat(path, &status) == 0 ? status.st_mtime * EG_NS_PER_S - duration_ns : 0;
}

static void name_segments(EgPlaylist *playlist, const GPtrArray *paths)
{
    /* Of those that are there, all behind the last that it names. */
    guint first = paths->len;
    while (first > 0 && !eg_playlist_has(playlist, paths->pdata[first - 1]))
        first--;
    for (guint i = first; i < paths->len; i++) {
        gint64 duration_ns = 0;
        eg_av_read_duration(paths->pdata[i], &duration_ns, NULL);
        gint64 end_wall_ns = eg_playlist_end_wall_ns(playlist);
        const EgPlaylistSegment segment = {
            .path = paths->pdata[i],
            .duration_ns = duration_ns,
            .wall_ns = end_wall_ns != EG_TIME_NONE ? end_wall_ns
                                                   : begin_wall_ns(paths->pdata[i], duration_ns),
        };
        eg_playlist_add(playlist, &segment);
    }
}

static void end_playlist(const EgSinkParams *params, const char *path, guint window,
                         EgSinkRemains *remains)
{
    const EgPlaylistParams playlist_params = {
        .path = path, .target_ns = params->segments.duration_ns, .window = window};
    g_autoptr(EgPlaylist) playlist = eg_playlist_new(&playlist_params);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) content = NULL;
    if (eg_playlist_load(playlist, &error)) {
        name_segments(playlist, remains->files);
        if (eg_playlist_end_wall_ns(playlist) == EG_TIME_NONE)
            return;
        content = eg_playlist_write(playlist, true, &error);
    }
    if (content == NULL) {
        eg_warn(params->log, "playlist not ended", EG_STR("error", error->message));
        return;
    }
    g_ptr_array_add(remains->replaced, g_strdup(path));
}

void eg_segments_recover(const EgSinkParams *params, EgSinkRemains *remains)
{
    complete_last(params);
    eg_file_series_list(&params->series, remains->files);
    end_playlist(params, params->segments.playlist, 0, remains);
    if (params->segments.live_playlist != NULL)
        end_playlist(params, params->segments.live_playlist, params->segments.live_segments,
                     remains);
}
