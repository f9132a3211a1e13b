#include "cli/progress.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/time.h"
#include "cli/outcome.h"

#define PLAIN_INTERVAL_NS (10 * EG_NS_PER_S)
#define SAMPLE_NS         (400 * EG_NS_PER_MS)
#define N_SAMPLES         12 /* about five seconds: files grow in steps of a second */

#define CLEAR_LINE "\r\033[K"
#define GO_UP      "\033[A"

typedef struct {
    gint64 at_ns;
    guint64 size_bytes;
} Sample;

struct _EgProgress {
    /* const after new */
    EgProgressParams params;

    /* the thread that made it */
    EgSessionState shown_state;
    gint64 shown_ns;
    Sample samples[N_SAMPLES]; /* the oldest first */
    guint n_samples;

    /* any thread: lock */
    GMutex lock;
    char *line; /* what stands on the terminal now; may be several */
};

/* How it ended is said by the result, or the error, that comes next. */
static const char *const state_texts[EG_N_SESSION_STATES] = {
    [EG_SESSION_STARTING] = "waiting for picture and sound",
    [EG_SESSION_ACTIVE] = "recording",
    [EG_SESSION_ENDING] = "finishing the file",
};

/* Takes away what stands there; with the lock. */
static void clear(const EgProgress *progress)
{
    FILE *stream = progress->params.stream;
    if (progress->line == NULL)
        return;
    fputs(CLEAR_LINE, stream);
    for (const char *c = progress->line; (c = strchr(c, '\n')) != NULL; c++)
        fputs(GO_UP CLEAR_LINE, stream);
}

static void write_log_line(const char *line, gpointer user)
{
    EgProgress *progress = user;
    g_mutex_lock(&progress->lock);
    clear(progress);
    fprintf(progress->params.stream, "%s\n", line);
    if (progress->line != NULL)
        fputs(progress->line, progress->params.stream);
    fflush(progress->params.stream);
    g_mutex_unlock(&progress->lock);
}

EgProgress *eg_progress_new(const EgProgressParams *params)
{
    EgProgress *progress = g_new0(EgProgress, 1);
    progress->params = *params;
    g_mutex_init(&progress->lock);
    eg_log_set_writer(write_log_line, progress);
    return progress;
}

/* The line that stands there is replaced; NULL takes it away. */
static void redraw(EgProgress *progress, char *line)
{
    g_mutex_lock(&progress->lock);
    clear(progress);
    if (line != NULL)
        fprintf(progress->params.stream, "%s%s", progress->line == NULL ? CLEAR_LINE : "", line);
    fflush(progress->params.stream);
    g_free(progress->line);
    progress->line = line;
    g_mutex_unlock(&progress->lock);
}

void eg_progress_free(EgProgress *progress)
{
    if (progress == NULL)
        return;
    eg_log_set_writer(NULL, NULL);
    redraw(progress, NULL);
    g_mutex_clear(&progress->lock);
    g_free(progress);
}

static guint count_columns(const EgProgress *progress)
{
    struct winsize size = {0};
    if (ioctl(fileno(progress->params.stream), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* Of the last seconds: what a viewer would take for the rate now. */
static guint64 measure_bitrate(EgProgress *progress, const EgSessionProgress *status, gint64 now_ns)
{
    guint n = progress->n_samples;
    if (n == 0 || now_ns - progress->samples[n - 1].at_ns >= SAMPLE_NS) {
        if (n == N_SAMPLES)
            memmove(progress->samples, progress->samples + 1, --n * sizeof(Sample));
        progress->samples[n] = (Sample){.at_ns = now_ns, .size_bytes = status->size_bytes};
        progress->n_samples = n + 1;
    }
    const Sample *oldest = &progress->samples[0];
    if (now_ns <= oldest->at_ns || status->size_bytes <= oldest->size_bytes)
        return 0;
    double seconds = (double)(now_ns - oldest->at_ns) / (double)EG_NS_PER_S;
    return (guint64)((double)(status->size_bytes - oldest->size_bytes) * 8 / seconds);
}

/* Cut so that the terminal does not wrap it, which could not be undone. */
static void cut(GString *line, guint columns)
{
    guint used = 0;
    for (const char *c = line->str; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar letter = g_utf8_get_char(c);
        if (!g_unichar_iszerowidth(letter))
            used += g_unichar_iswide(letter) ? 2 : 1;
        if (used > columns) {
            g_string_truncate(line, (gsize)(c - line->str));
            return;
        }
    }
}

/* With a line for each output, where there are several, or a stream. */
static char *format_lines(const EgSessionProgress *status, guint64 bitrate_bps, guint columns)
{
    g_autofree char *first = eg_progress_format(status, bitrate_bps, columns);
    GString *lines = g_string_new(first);
    for (guint i = 0; status->outputs != NULL && i < status->outputs->len; i++) {
        g_autofree char *text = eg_printable(status->outputs->pdata[i]);
        GString *line = g_string_new("  ");
        g_string_append(line, text);
        cut(line, columns);
        g_string_append_printf(lines, "\n%s", line->str);
        g_string_free(line, TRUE);
    }
    return g_string_free(lines, FALSE);
}

void eg_progress_show(EgProgress *progress, const EgSessionProgress *status, gint64 now_ns)
{
    if (progress->params.is_quiet || state_texts[status->state] == NULL)
        return;
    guint64 bitrate_bps =
        status->state == EG_SESSION_ACTIVE ? measure_bitrate(progress, status, now_ns) : 0;
    if (progress->params.is_terminal) {
        redraw(progress, format_lines(status, bitrate_bps, count_columns(progress) - 1));
        return;
    }
    if (status->state == progress->shown_state && now_ns - progress->shown_ns < PLAIN_INTERVAL_NS)
        return;
    progress->shown_state = status->state;
    progress->shown_ns = now_ns;
    g_autofree char *line = eg_progress_format(status, bitrate_bps, 0);
    g_mutex_lock(&progress->lock);
    fprintf(progress->params.stream, "%s\n", line);
    fflush(progress->params.stream);
    g_mutex_unlock(&progress->lock);
}

bool eg_progress_is_terminal(FILE *stream)
{
    return isatty(fileno(stream)) && g_strcmp0(g_getenv("TERM"), "dumb") != 0;
}

char *eg_progress_format(const EgSessionProgress *status, guint64 bitrate_bps, guint columns)
{
    GString *line = g_string_new(NULL);
    if (status->state == EG_SESSION_ACTIVE) {
        g_autofree char *clock = eg_format_clock(status->recorded_ns);
        g_autofree char *size = eg_format_size(status->size_bytes);
        g_string_append_printf(line, "%s  %s", clock, size);
    } else if (status->state == EG_SESSION_ENDING && status->upload_bytes > 0) {
        g_string_append_printf(line, "uploading %d %%",
                               (int)(100 * status->uploaded_bytes / status->upload_bytes));
    } else {
        g_string_append(line, state_texts[status->state]);
    }
    if (bitrate_bps > 0) {
        g_autofree char *bitrate = eg_format_bitrate(bitrate_bps);
        g_string_append_printf(line, "  %s", bitrate);
    }
    if (status->description != NULL && *status->description != '\0') {
        g_autofree char *description = eg_printable(status->description);
        g_string_append_printf(line, "  %s", description);
    }
    if (status->lost_packets > 0)
        g_string_append_printf(line, "  %" G_GUINT64_FORMAT " packets lost", status->lost_packets);
    if (status->skipped_pictures > 0)
        g_string_append_printf(line, "  %" G_GUINT64_FORMAT " pictures skipped",
                               status->skipped_pictures);
    if (columns > 0)
        cut(line, columns);
    return g_string_free(line, FALSE);
}

char *eg_format_clock(gint64 duration_ns)
{
    gint64 seconds = MAX(duration_ns, 0) / EG_NS_PER_S;
    return g_strdup_printf("%02d:%02d:%02d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                           (int)(seconds % 60));
}

/* Three digits or so, in steps of a thousand. */
static char *format_scaled(double value, const char *const *units)
{
    while (value >= 999.5 && units[1] != NULL) {
        value /= 1000;
        units++;
    }
    return g_strdup_printf("%.*f %s", value < 99.95 ? 1 : 0, value, *units);
}

char *eg_format_size(guint64 size_bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB", NULL};
    return format_scaled((double)size_bytes / 1000, units);
}

char *eg_format_bitrate(guint64 bitrate_bps)
{
    static const char *const units[] = {"kbit/s", "Mbit/s", "Gbit/s", NULL};
    return format_scaled((double)bitrate_bps / 1000, units);
}
