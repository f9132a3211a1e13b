/* Playlists that somebody has left: the input is the file. */
#include <glib/gstdio.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "sink/playlist-file.h"
#include "sink/playlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(const char *path, const char *text, gssize size)
{
    g_unlink(path); /* or it stays as long as it was */
    g_assert_true(g_file_set_contents_full(path, text, size, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

/* What is written of what was read. */
static char *load(const char *path)
{
    const EgPlaylistParams params = {.path = path, .target_ns = G_GINT64_CONSTANT(4000000000)};
    g_autoptr(EgPlaylist) playlist = eg_playlist_new(&params);
    g_assert_true(eg_playlist_load(playlist, NULL));
    eg_playlist_has(playlist, "segment.ts");
    eg_playlist_end_wall_ns(playlist);
    return eg_playlist_text(playlist, false);
}

static guint count_lines(const char *text, const char *line)
{
    guint n = 0;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **at = lines; *at != NULL; at++)
        n += strcmp(*at, line) == 0;
    return n;
}

/* What was read once is read the same again, and what is ended is ended once. */
static void check(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *first = load(path);
    put(path, first, -1);
    g_autofree char *second = load(path);
    g_assert_cmpstr(first, ==, second);

    EgPlaylistTotals totals;
    EgPlaylistTotals again;
    g_assert_true(eg_playlist_recover(path, &totals, &error));
    g_assert_cmpint(totals.duration_ns, >=, 0);
    g_assert_true(eg_playlist_recover(path, &again, &error));
    g_assert_cmpuint(totals.n_segments, ==, again.n_segments);
    g_assert_cmpint(totals.duration_ns, ==, again.duration_ns);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, &error));
    g_assert_cmpuint(count_lines(text, "#EXT-X-ENDLIST"), ==, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *folder = g_dir_make_tmp("egress-fuzz-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "p.m3u8", NULL);
    EgPlaylistTotals totals;
    put(path, (const char *)data, (gssize)size);
    eg_playlist_recover(path, &totals, NULL);
    check(path);
    g_unlink(path);
    g_rmdir(folder);
    return 0;
}
