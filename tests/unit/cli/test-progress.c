#include "cli/progress.h"

#include <string.h>

#include "base/time.h"

/* What was written to the stream since the last call. */
static char *written(FILE *stream)
{
    long position = ftell(stream);
    g_assert_cmpint(position, >=, 0);
    gsize size = (gsize)position;
    char *text = g_malloc0(size + 1);
    rewind(stream);
    g_assert_cmpuint(fread(text, 1, size, stream), ==, size);
    rewind(stream);
    return text;
}

#define ASSERT_WRITTEN(stream, text_)                                                              \
    do {                                                                                           \
        g_autofree char *written_ = written(stream);                                               \
        g_assert_cmpstr(written_, ==, text_);                                                      \
    } while (0)

static void test_format(void)
{
    static const struct {
        EgSessionProgress status;
        guint64 bitrate_bps;
        guint columns;
        const char *text;
    } cases[] = {
  // clang-format off
        {{.state = EG_SESSION_STARTING}, 0, 0, "waiting for picture and sound"},
        {{.state = EG_SESSION_ACTIVE, .recorded_ns = 65 * EG_NS_PER_S, .size_bytes = 3700000,
          .description = "alice: camera H264"},
         2950000, 0, "00:01:05  3.7 MB  3.0 Mbit/s  alice: camera H264"},
        {{.state = EG_SESSION_ACTIVE, .lost_packets = 3, .skipped_pictures = 4}, 0, 0,
         "00:00:00  0.0 kB  3 packets lost  4 pictures skipped"},
        {{.state = EG_SESSION_ENDING, .description = "x\ny"}, 0, 0, "finishing the file  x?y"},
        {{.state = EG_SESSION_STARTING}, 0, 7, "waiting"},
        /* wide letters take two columns, combining ones none */
        {{.state = EG_SESSION_ENDING, .description = "\xe6\x97\xa5\xe6\x9c\xac"}, 0, 23,
         "finishing the file  \xe6\x97\xa5"},
        {{.state = EG_SESSION_ENDING, .description = "e\xcc\x81\xcc\x81z"}, 0, 21,
         "finishing the file  e\xcc\x81\xcc\x81"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text =
            eg_progress_format(&cases[i].status, cases[i].bitrate_bps, cases[i].columns);
        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void test_units(void)
{
    static const struct {
        guint64 size_bytes;
        const char *text;
    } sizes[] = {
        {0,           "0.0 kB"     },
        {999,         "1.0 kB"     },
        {99949,       "99.9 kB"    },
        {99950,       "100 kB"     },
        {999499,      "999 kB"     },
        {999500,      "1.0 MB"     },
        {3700000,     "3.7 MB"     },
        {12345678901, "12.3 GB"    },
        {G_MAXUINT64, "18446744 TB"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *text = eg_format_size(sizes[i].size_bytes);
        g_assert_cmpstr(text, ==, sizes[i].text);
    }
    g_autofree char *rate = eg_format_bitrate(128000);
    g_assert_cmpstr(rate, ==, "128 kbit/s");
    g_autofree char *clock = eg_format_clock(G_GINT64_CONSTANT(360059) * EG_NS_PER_S);
    g_assert_cmpstr(clock, ==, "100:00:59");
    g_autofree char *none = eg_format_clock(EG_TIME_NONE);
    g_assert_cmpstr(none, ==, "00:00:00");
}

/* One line that is redrawn, with the log above it. */
static void test_terminal(void)
{
    FILE *stream = tmpfile();
    g_assert_nonnull(stream);
    g_autoptr(EgProgress) progress =
        eg_progress_new(&(EgProgressParams){.stream = stream, .is_terminal = true});
    EgSessionProgress status = {.state = EG_SESSION_ENDING};

    eg_log_setup(EG_LOG_INFO, true);
    eg_warn(NULL, "before");
    g_autofree char *before = written(stream);
    g_assert_true(g_str_has_prefix(before, "{\"level\":\"warn\""));

    eg_progress_show(progress, &status, 0);
    ASSERT_WRITTEN(stream, "\r\033[Kfinishing the file");
    eg_progress_show(progress, &status, EG_NS_PER_MS);
    ASSERT_WRITTEN(stream, "\r\033[Kfinishing the file");

    eg_warn(NULL, "meanwhile");
    g_autofree char *meanwhile = written(stream);
    g_assert_true(g_str_has_prefix(meanwhile, "\r\033[K{"));
    g_assert_true(g_str_has_suffix(meanwhile, "}\nfinishing the file"));

    g_clear_pointer(&progress, eg_progress_free);
    ASSERT_WRITTEN(stream, "\r\033[K");
    fclose(stream);
}

/* A line at each change of state and every ten seconds. */
static void test_plain(void)
{
    FILE *stream = tmpfile();
    g_assert_nonnull(stream);
    g_autoptr(EgProgress) progress = eg_progress_new(&(EgProgressParams){.stream = stream});
    EgSessionProgress status = {.state = EG_SESSION_STARTING};

    eg_progress_show(progress, &status, 0);
    ASSERT_WRITTEN(stream, "waiting for picture and sound\n");
    eg_progress_show(progress, &status, 9 * EG_NS_PER_S);
    ASSERT_WRITTEN(stream, "");
    eg_progress_show(progress, &status, 10 * EG_NS_PER_S);
    ASSERT_WRITTEN(stream, "waiting for picture and sound\n");

    status = (EgSessionProgress){.state = EG_SESSION_ACTIVE};
    eg_progress_show(progress, &status, 11 * EG_NS_PER_S);
    ASSERT_WRITTEN(stream, "00:00:00  0.0 kB\n");
    status.recorded_ns = 10 * EG_NS_PER_S;
    status.size_bytes = 1250000;
    eg_progress_show(progress, &status, 21 * EG_NS_PER_S);
    ASSERT_WRITTEN(stream, "00:00:10  1.2 MB  1.0 Mbit/s\n");

    /* The result follows at once. */
    status.state = EG_SESSION_COMPLETE;
    eg_progress_show(progress, &status, 22 * EG_NS_PER_S);
    ASSERT_WRITTEN(stream, "");

    g_clear_pointer(&progress, eg_progress_free);
    ASSERT_WRITTEN(stream, "");
    fclose(stream);
}

static void test_quiet(void)
{
    FILE *stream = tmpfile();
    g_assert_nonnull(stream);
    g_autoptr(EgProgress) progress = eg_progress_new(
        &(EgProgressParams){.stream = stream, .is_terminal = true, .is_quiet = true});
    eg_progress_show(progress, &(EgSessionProgress){.state = EG_SESSION_ACTIVE}, 0);
    g_clear_pointer(&progress, eg_progress_free);
    ASSERT_WRITTEN(stream, "");
    fclose(stream);
}

/* The rate is that of the last seconds, not of the whole. */
static void test_bitrate(void)
{
    FILE *stream = tmpfile();
    g_assert_nonnull(stream);
    g_autoptr(EgProgress) progress =
        eg_progress_new(&(EgProgressParams){.stream = stream, .is_terminal = true});
    EgSessionProgress status = {.state = EG_SESSION_ACTIVE, .size_bytes = 100000000};
    for (int i = 0; i <= 40; i++) {
        /* 125 kB in half a second are 2 Mbit/s, in the first half of the time nothing comes. */
        if (i > 20)
            status.size_bytes += 125000;
        eg_progress_show(progress, &status, i * EG_NS_PER_S / 2);
    }
    g_autofree char *all = written(stream);
    g_assert_true(g_str_has_suffix(all, "2.0 Mbit/s"));
    g_clear_pointer(&progress, eg_progress_free);
    fclose(stream);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/progress/format", test_format);
    g_test_add_func("/cli/progress/units", test_units);
    g_test_add_func("/cli/progress/terminal", test_terminal);
    g_test_add_func("/cli/progress/plain", test_plain);
    g_test_add_func("/cli/progress/quiet", test_quiet);
    g_test_add_func("/cli/progress/bitrate", test_bitrate);
    return g_test_run();
}
