/* The text of playlists, and the names of files in a series. */
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "sink/file-series.h"
#include "sink/playlist-file.h"
#include "sink/playlist.h"

/* 2026-11-29T16:30:00Z */
#define WALL_NS (G_GINT64_CONSTANT(1795969800) * EG_NS_PER_S)

static void add(EgPlaylist *playlist, const char *path, double start_s, double duration_s,
                bool is_discontinuous)
{
    const EgPlaylistSegment segment = {
        .path = path,
        .duration_ns = (gint64)(duration_s * 1e9),
        .wall_ns = WALL_NS + (gint64)(start_s * 1e9),
        .is_discontinuous = is_discontinuous,
    };
    eg_playlist_add(playlist, &segment);
}

static void expect_text(const EgPlaylist *playlist, bool is_ended, const char *expected)
{
    g_autofree char *text = eg_playlist_text(playlist, is_ended);
    g_assert_cmpstr(text, ==, expected);
}

static void test_event(void)
{
    const EgPlaylistParams params = {.path = "d/list.m3u8", .target_ns = 4 * EG_NS_PER_S};
    g_autoptr(EgPlaylist) playlist = eg_playlist_new(&params);
    expect_text(playlist, false,
                "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-ALLOW-CACHE:NO\n"
                "#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n");
    add(playlist, "d/seg_00000.ts", 0, 4, false);
    add(playlist, "d/sub/seg_00001.ts", 4, 4.0004, false);
    add(playlist, "d/seg_00002.ts", 60.25, 0.0333, true);
    expect_text(playlist, true,
                "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-ALLOW-CACHE:NO\n"
                "#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:0\n"
                "#EXT-X-PROGRAM-DATE-TIME:2026-11-29T16:30:00.000Z\n#EXTINF:4.000,\nseg_00000.ts\n"
                "#EXT-X-PROGRAM-DATE-TIME:2026-11-29T16:30:04.000Z\n#EXTINF:4.000,\n"
                "sub/seg_00001.ts\n"
                "#EXT-X-DISCONTINUITY\n"
                "#EXT-X-PROGRAM-DATE-TIME:2026-11-29T16:31:00.250Z\n#EXTINF:0.033,\nseg_00002.ts\n"
                "#EXT-X-ENDLIST\n");
}

static void test_live(void)
{
    const EgPlaylistParams params = {
        .path = "live.m3u8", .target_ns = 2 * EG_NS_PER_S, .window = 3};
    g_autoptr(EgPlaylist) playlist = eg_playlist_new(&params);
    const char *const names[] = {"0.ts", "1.ts", "2.ts", "3.ts", "4.ts"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        add(playlist, names[i], 2 * i, 2, i == 1);
    expect_text(playlist, false,
                "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-ALLOW-CACHE:NO\n"
                "#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:2\n"
                "#EXT-X-DISCONTINUITY-SEQUENCE:1\n"
                "#EXT-X-PROGRAM-DATE-TIME:2026-11-29T16:30:04.000Z\n#EXTINF:2.000,\n2.ts\n"
                "#EXT-X-PROGRAM-DATE-TIME:2026-11-29T16:30:06.000Z\n#EXTINF:2.000,\n3.ts\n"
                "#EXT-X-PROGRAM-DATE-TIME:2026-11-29T16:30:08.000Z\n#EXTINF:2.000,\n4.ts\n");
}

/* Each duration, rounded to a whole second, is at most the target (RFC 8216, 4.3.3.1). */
static void test_target(void)
{
    static const struct {
        double target_s;
        double duration_s;
        const char *line;
    } cases[] = {
        {4,    4.499, "#EXT-X-TARGETDURATION:4\n" },
        {4,    4.5,   "#EXT-X-TARGETDURATION:5\n" },
        {4,    11.2,  "#EXT-X-TARGETDURATION:11\n"},
        {4,    0.1,   "#EXT-X-TARGETDURATION:4\n" },
        {0.25, 0.25,  "#EXT-X-TARGETDURATION:1\n" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const EgPlaylistParams params = {.path = "x.m3u8",
                                         .target_ns = (gint64)(cases[i].target_s * 1e9)};
        g_autoptr(EgPlaylist) playlist = eg_playlist_new(&params);
        add(playlist, "x.ts", 0, cases[i].duration_s, false);
        g_autofree char *text = eg_playlist_text(playlist, false);
        g_assert_nonnull(strstr(text, cases[i].line));
    }
}

/* What would mean something else in a URI. */
static void test_uris(void)
{
    static const struct {
        const char *playlist;
        const char *path;
        const char *uri;
    } cases[] = {
        {"/d/x.m3u8", "/d/a b.ts",         "a%20b.ts"      },
        {"/d/x.m3u8", "/d/50%.ts",         "50%25.ts"      },
        {"/d/x.m3u8", "/d/#1?.ts",         "%231%3F.ts"    },
        {"/d/x.m3u8", "/d/a:b.ts",         "a%3Ab.ts"      },
        {"/d/x.m3u8", "/d/caf\xc3\xa9.ts", "caf\xc3\xa9.ts"},
        {"/d/x.m3u8", "/d/a@b,(c)+~.ts",   "a@b,(c)+~.ts"  },
        {"x.m3u8",    "sub/y.ts",          "sub/y.ts"      },
        {"x.m3u8",    "y.ts",              "y.ts"          },
        {"/x.m3u8",   "/y.ts",             "y.ts"          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const EgPlaylistParams params = {.path = cases[i].playlist, .target_ns = EG_NS_PER_S};
        g_autoptr(EgPlaylist) playlist = eg_playlist_new(&params);
        add(playlist, cases[i].path, 0, 1, false);
        g_autofree char *text = eg_playlist_text(playlist, false);
        g_autofree char *line = g_strdup_printf(",\n%s\n", cases[i].uri);
        g_test_message("%s", cases[i].path);
        g_assert_true(g_str_has_suffix(text, line));
    }
}

static void test_write(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp(NULL, &error);
    g_assert_no_error(error);
    g_autofree char *path = g_build_filename(folder, "x.m3u8", NULL);
    const EgPlaylistParams params = {.path = path, .target_ns = EG_NS_PER_S};
    g_autoptr(EgPlaylist) playlist = eg_playlist_new(&params);
    for (guint i = 0; i < 2; i++) {
        add(playlist, "x.ts", i, 1, false);
        g_autoptr(GBytes) content = eg_playlist_write(playlist, i == 1, &error);
        g_assert_no_error(error);
        g_autofree char *written = NULL;
        g_assert_true(g_file_get_contents(path, &written, NULL, NULL));
        g_autofree char *text = eg_playlist_text(playlist, i == 1);
        g_assert_cmpstr(written, ==, text);
        g_autoptr(GBytes) expected = g_bytes_new(text, strlen(text));
        g_assert_true(g_bytes_equal(content, expected));
    }
    g_assert_cmpint(g_unlink(path), ==, 0);
    g_assert_cmpint(g_rmdir(folder), ==, 0); /* nothing else was left in it */

    g_assert_null(eg_playlist_write(playlist, true, &error));
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_NOT_FOUND);
    g_assert_nonnull(strstr(error->message, path));
}

/* Of a writer that is there, then of one that is gone. */
static void test_recover(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *folder = g_dir_make_tmp(NULL, &error);
    g_autofree char *path = g_build_filename(folder, "x.m3u8", NULL);
    g_autofree char *segment = g_build_filename(folder, "a b.ts", NULL);
    const EgPlaylistParams params = {.path = path, .target_ns = EG_NS_PER_S};
    EgPlaylist *playlist = eg_playlist_new(&params);
    EgPlaylistTotals totals;
    g_assert_false(eg_playlist_is_being_written(path));
    g_assert_false(eg_playlist_recover(path, &totals, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_NOT_FOUND);
    g_clear_error(&error);

    g_assert_true(g_file_set_contents(segment, "12345", 5, NULL));
    for (guint i = 0; i < 2; i++) {
        add(playlist, i == 0 ? segment : "gone.ts", i, 1.25, false);
        g_bytes_unref(eg_playlist_write(playlist, false, &error));
        g_assert_no_error(error);
        g_assert_true(eg_playlist_is_being_written(path));
    }
    for (guint round = 0; round < 3; round++) {
        if (round == 1)
            g_clear_pointer(&playlist, eg_playlist_free);
        g_assert_true(eg_playlist_recover(path, &totals, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(totals.n_segments, ==, 2);
        g_assert_cmpint(totals.duration_ns, ==, 2500 * EG_NS_PER_MS);
        g_assert_cmpuint(totals.size_bytes, ==, 5);
        g_autofree char *text = NULL;
        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
        const char *end = strstr(text, "#EXT-X-ENDLIST\n");
        g_assert_cmpint(end != NULL, ==, round > 0);
        g_assert_true(end == NULL || end[strlen("#EXT-X-ENDLIST\n")] == '\0');
        g_assert_cmpint(eg_playlist_is_being_written(path), ==, round == 0);
    }
    g_unlink(path);
    g_unlink(segment);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

/* What another process has written is gone on with as if it were our own. */
static void test_load(void)
{
    static const guint windows[] = {0, 3};
    for (gsize w = 0; w < G_N_ELEMENTS(windows); w++) {
        g_autofree char *folder = g_dir_make_tmp(NULL, NULL);
        g_autofree char *path = g_build_filename(folder, "x.m3u8", NULL);
        const EgPlaylistParams params = {
            .path = path, .target_ns = EG_NS_PER_S, .window = windows[w]};
        g_autoptr(EgPlaylist) whole = eg_playlist_new(&params);
        g_autoptr(EgPlaylist) loaded = eg_playlist_new(&params);
        g_autofree char *last = NULL;
        for (guint i = 0; i < 8; i++) {
            g_autofree char *name = g_strdup_printf("%s/a b_%u.ts", folder, i);
            add(whole, name, 4 * i, i == 2 ? 5.25 : 4, i % 3 == 1);
            if (i == 4)
                g_bytes_unref(eg_playlist_write(whole, true, NULL));
            if (i == 4)
                g_assert_true(eg_playlist_load(loaded, NULL));
            if (i > 4)
                add(loaded, name, 4 * i, 4, i % 3 == 1);
            g_free(g_steal_pointer(&last));
            last = g_steal_pointer(&name);
        }
        g_autofree char *text = eg_playlist_text(whole, true);
        expect_text(loaded, true, text);
        g_assert_true(eg_playlist_has(loaded, last));
        g_assert_false(eg_playlist_has(loaded, "other.ts"));
        g_assert_cmpint(eg_playlist_end_wall_ns(loaded), ==, WALL_NS + 32 * EG_NS_PER_S);
        g_unlink(path);
        g_rmdir(folder);
    }
}

static void test_series(void)
{
    static const struct {
        EgSuffix suffix;
        guint64 index;
        const char *path;
    } cases[] = {
        {EG_SUFFIX_INDEX, 0,       "d/x_00000.ts"            },
        {EG_SUFFIX_INDEX, 99999,   "d/x_99999.ts"            },
        {EG_SUFFIX_INDEX, 1234567, "d/x_1234567.ts"          },
        {EG_SUFFIX_TIME,  5,       "d/x_20261129163000025.ts"},
        {EG_SUFFIX_NONE,  5,       "d/x_.ts"                 },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const EgFileSeries series = {.prefix = "d/x_", .ending = ".ts", .suffix = cases[i].suffix};
        g_autofree char *path =
            eg_file_series_path(&series, cases[i].index, WALL_NS + 25 * EG_NS_PER_MS);
        g_assert_cmpstr(path, ==, cases[i].path);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sink/playlist/event", test_event);
    g_test_add_func("/sink/playlist/live", test_live);
    g_test_add_func("/sink/playlist/target", test_target);
    g_test_add_func("/sink/playlist/uris", test_uris);
    g_test_add_func("/sink/playlist/load", test_load);
    g_test_add_func("/sink/playlist/write", test_write);
    g_test_add_func("/sink/playlist/recover", test_recover);
    g_test_add_func("/sink/playlist/series", test_series);
    return g_test_run();
}
