#include "sink/playlist-text.h"

#include <math.h>
#include <string.h>

#include "base/time.h"

/* Longer than any segment, and before any that there is. */
#define MAX_DURATION_S 86400.0
#define MAX_WALL_S     (G_MAXINT64 / EG_NS_PER_S - 86400)

typedef struct {
    EgPlaylistHeader *header;
    EgPlaylistEntryFunc func;
    gpointer user;
    GString *text; /* of the entry so far */
    EgPlaylistEntry entry;
} Reading;

static const char *value_of(const char *line, const char *tag)
{
    return g_str_has_prefix(line, tag) ? line + strlen(tag) : NULL;
}

/* 0: it is none. */
static gint64 read_duration(const char *text)
{
    double seconds = g_ascii_strtod(text, NULL);
    return isfinite(seconds) ? llrint(CLAMP(seconds, 0, MAX_DURATION_S) * (double)EG_NS_PER_S) : 0;
}

/* 0: it is none. */
static gint64 read_date(const char *text)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_iso8601(text, NULL);
    if (date == NULL)
        return 0;
    gint64 seconds = CLAMP(g_date_time_to_unix(date), 0, MAX_WALL_S);
    return seconds * EG_NS_PER_S + g_date_time_get_microsecond(date) * EG_NS_PER_US;
}

/* True if it says something of all. */
static bool read_header(EgPlaylistHeader *header, const char *line)
{
    const char *value;
    if ((value = value_of(line, "#EXT-X-TARGETDURATION:")) != NULL)
        header->target_s = g_ascii_strtoll(value, NULL, 10);
    else if ((value = value_of(line, "#EXT-X-MEDIA-SEQUENCE:")) != NULL)
        header->sequence = g_ascii_strtoull(value, NULL, 10);
    else if ((value = value_of(line, "#EXT-X-DISCONTINUITY-SEQUENCE:")) != NULL)
        header->discontinuity = g_ascii_strtoull(value, NULL, 10);
    else if (strcmp(line, EG_PLAYLIST_END) == 0)
        header->is_ended = true;
    else
        return false;
    return true;
}

/* True if it says something of the next segment. */
static bool read_tag(EgPlaylistEntry *entry, const char *line)
{
    const char *value;
    if (strcmp(line, "#EXT-X-DISCONTINUITY") == 0)
        entry->is_discontinuous = true;
    else if ((value = value_of(line, "#EXT-X-PROGRAM-DATE-TIME:")) != NULL)
        entry->wall_ns = read_date(value);
    else if ((value = value_of(line, "#EXTINF:")) != NULL)
        entry->duration_ns = read_duration(value);
    else
        return false;
    return true;
}

static void read_line(Reading *reading, const char *line)
{
    bool is_uri = *line != '#' && *line != '\0';
    if (read_header(reading->header, line) || (!read_tag(&reading->entry, line) && !is_uri))
        return;
    g_string_append_printf(reading->text, "%s\n", line);
    if (!is_uri)
        return;
    reading->entry.text = reading->text->str;
    reading->entry.uri = line;
    reading->func(reading->user, &reading->entry);
    g_string_truncate(reading->text, 0);
    reading->entry.duration_ns = 0;
    reading->entry.is_discontinuous = false;
}

void eg_playlist_text_read(const char *text, EgPlaylistHeader *header, EgPlaylistEntryFunc func,
                           gpointer user)
{
    *header = (EgPlaylistHeader){0};
    Reading reading = {.header = header, .func = func, .user = user, .text = g_string_new(NULL)};
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        read_line(&reading, *line);
    g_string_free(reading.text, TRUE);
}
