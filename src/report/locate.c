#include "report/locate.h"

#include <glib/gstdio.h>
#include <string.h>

#include "proto/message.h"
#include "sink/file-name.h"
#include "sink/playlist-file.h"

/* What is in a store is not looked for on the disk. */
static bool is_on_disk(const char *location, const char *name)
{
    g_autofree char *recording = eg_file_recording_name(name);
    return *location != '\0' && (strcmp(location, name) == 0 || strcmp(location, recording) == 0);
}

/* An unfinished file first: a finished one beside it is of another recording. */
static void locate_file(Livekit__FileInfo *file)
{
    g_autofree char *recording = eg_file_recording_name(file->filename);
    const char *const candidates[] = {recording, file->filename};
    GStatBuf status;
    for (gsize i = 0; i < G_N_ELEMENTS(candidates); i++) {
        if (g_stat(candidates[i], &status) == 0) {
            eg_proto_set_string(&file->location, candidates[i]);
            file->size = status.st_size;
            return;
        }
    }
    eg_proto_set_string(&file->location, "");
    file->size = 0;
}

/* A playlist that was never written is nowhere; of one that was, players should not wait for more.
 * What it says is there, whatever was reported last. */
static bool locate_playlist(char **location, const char *name, EgPlaylistTotals *totals)
{
    g_autoptr(GError) error = NULL;
    if (!is_on_disk(*location, name))
        return false;
    if (eg_playlist_recover(*location, totals, &error))
        return true;
    if (!g_file_test(*location, G_FILE_TEST_EXISTS))
        eg_proto_set_string(location, "");
    return false;
}

static void locate_segments(Livekit__SegmentsInfo *segments)
{
    EgPlaylistTotals totals;
    locate_playlist(&segments->live_playlist_location, segments->live_playlist_name, &totals);
    if (!locate_playlist(&segments->playlist_location, segments->playlist_name, &totals))
        return;
    segments->segment_count = (gint64)totals.n_segments;
    segments->duration = totals.duration_ns;
    segments->size = (gint64)totals.size_bytes;
}

void eg_locate_files(Livekit__EgressInfo *info)
{
    for (gsize i = 0; i < info->n_file_results; i++) {
        if (is_on_disk(info->file_results[i]->location, info->file_results[i]->filename))
            locate_file(info->file_results[i]);
    }
    for (gsize i = 0; i < info->n_segment_results; i++)
        locate_segments(info->segment_results[i]);
}
