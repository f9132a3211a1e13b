#include "request/filename.h"

#include <limits.h>
#include <string.h>

#include "base/time.h"
#include "request/invalid.h"

/* Left of NAME_MAX for what the file is called while it is being written. */
#define NAME_RESERVE 16
#define NAME_LIMIT   (NAME_MAX - NAME_RESERVE)
/* ... and for the number or the time and the extension, of what names begin with. */
#define PREFIX_LIMIT (NAME_LIMIT - 24)

#define PATH_LIMIT (PATH_MAX - 1 - NAME_RESERVE)

/* What a placeholder may bring in, in bytes: all, and less where a name became too long. */
static const gsize fact_limits[] = {NAME_LIMIT, 96, 32, 16};

/* Extensions that LiveKit takes for a mistake when they are not the format's own. */
static const char *const replaced_extensions[] = {
    ".raw", ".ogg", ".mp3", ".ivf", ".mp4", ".ts", ".webm", ".m3u8", ".jpeg",
};

static char *format_time(const EgFilenameFacts *facts)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(facts->wall_ns / EG_NS_PER_S);
    return g_date_time_format(date, "%Y-%m-%dT%H%M%S");
}

static char *format_utc(const EgFilenameFacts *facts)
{
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(facts->wall_ns / EG_NS_PER_S);
    g_autofree char *seconds = g_date_time_format(date, "%Y%m%d%H%M%S");
    return g_strdup_printf("%s%03d", seconds, (int)(facts->wall_ns % EG_NS_PER_S / EG_NS_PER_MS));
}

static char *format_retry(const EgFilenameFacts *facts)
{
    return g_strdup_printf("%u", facts->retry_count);
}

/* Where a placeholder gets its text: a string of the facts, or a function. */
typedef struct {
    const char *name;
    glong offset;
    char *(*format)(const EgFilenameFacts *facts);
    bool is_time;
} Placeholder;

#define FACT(field) G_STRUCT_OFFSET(EgFilenameFacts, field)

static const Placeholder placeholders[] = {
    {"room_name",          FACT(room_name),          NULL,         false},
    {"room_id",            FACT(room_id),            NULL,         false},
    {"publisher_identity", FACT(publisher_identity), NULL,         false},
    {"track_id",           FACT(track_id),           NULL,         false},
    {"track_type",         FACT(track_type),         NULL,         false},
    {"track_source",       FACT(track_source),       NULL,         false},
    {"time",               0,                        format_time,  true },
    {"utc",                0,                        format_utc,   true },
    {"retry",              0,                        format_retry, false},
};

static const char *string_fact(const EgFilenameFacts *facts, const Placeholder *placeholder)
{
    const char *text = NULL;
    memcpy(&text, (const char *)facts + placeholder->offset, sizeof(text));
    return text;
}

static const Placeholder *find_placeholder(const char *name, gsize length)
{
    for (gsize i = 0; i < G_N_ELEMENTS(placeholders); i++) {
        if (strlen(placeholders[i].name) == length &&
            strncmp(placeholders[i].name, name, length) == 0)
            return &placeholders[i];
    }
    return NULL;
}

/* The next "{words}" in `text`: where it begins, and how long the word is. Other braces are text.
 */
static const char *next_placeholder(const char *text, gsize *length)
{
    for (const char *brace = strchr(text, '{'); brace != NULL; brace = strchr(brace + 1, '{')) {
        *length = strspn(brace + 1, "abcdefghijklmnopqrstuvwxyz_");
        if (*length > 0 && brace[1 + *length] == '}')
            return brace;
    }
    return NULL;
}

static bool wants_made_up_name(const char *template)
{
    return *template == '\0' || g_str_has_suffix(template, "/");
}

static bool check_placeholders(const char *template, const char *field, GError **error)
{
    gsize length = 0;
    for (const char *at = next_placeholder(template, &length); at != NULL;
         at = next_placeholder(at + length + 2, &length)) {
        if (find_placeholder(at + 1, length) != NULL)
            continue;
        g_autoptr(GString) known = g_string_new(NULL);
        for (gsize i = 0; i < G_N_ELEMENTS(placeholders); i++)
            g_string_append_printf(known, " {%s}", placeholders[i].name);
        eg_request_invalid(error, field, "unknown placeholder {%.*s}; there are%s", (int)length,
                           at + 1, known->str);
        return false;
    }
    return true;
}

/* How long an element is at least: its text without the placeholders. */
static gsize fixed_length(const char *element)
{
    gsize total = strlen(element);
    gsize length = 0;
    for (const char *at = next_placeholder(element, &length); at != NULL;
         at = next_placeholder(at + length + 2, &length))
        total -= length + 2;
    return total;
}

bool eg_filename_check_field(const char *template, const char *field, GError **error)
{
    const char *reason = NULL;
    bool has_control = false;
    for (const char *c = template; *c != '\0'; c++)
        has_control = has_control || g_ascii_iscntrl(*c);
    if (!g_utf8_validate(template, -1, NULL))
        reason = "is not UTF-8";
    else if (has_control)
        reason = "has control characters";
    else if (strlen(template) > PATH_LIMIT)
        reason = "is too long";

    g_auto(GStrv) elements = g_strsplit(template, "/", -1);
    for (char **element = elements; *element != NULL && reason == NULL; element++) {
        if (strcmp(*element, "..") == 0)
            reason = "may not contain ..";
        else if (fixed_length(*element) > NAME_LIMIT)
            reason = "has a name that is too long";
    }
    if (reason != NULL) {
        eg_request_invalid(error, field, "%s", reason);
        return false;
    }
    return check_placeholders(template, field, error);
}

bool eg_filename_check(const char *template, GError **error)
{
    return eg_filename_check_field(template, "filepath", error);
}

/* What a fact brings in can only ever be part of a name. */
static void append_fact(GString *out, const char *fact, gsize limit)
{
    g_autofree char *text = g_utf8_make_valid(fact, -1);
    gsize length = 0;
    while (text[length] != '\0') {
        gsize next = (gsize)(g_utf8_next_char(text + length) - text);
        if (next > limit)
            break;
        length = next;
    }
    for (const char *c = text; c < text + length; c++) {
        if (c[0] == '.' && c + 1 < text + length && c[1] == '.') {
            g_string_append_c(out, '_');
            c++;
        } else {
            g_string_append_c(out, *c == '/' || g_ascii_iscntrl(*c) ? '_' : *c);
        }
    }
}

static void append_placeholder(GString *out, const Placeholder *placeholder,
                               const EgFilenameFacts *facts, gsize limit)
{
    if (placeholder->format != NULL) {
        g_autofree char *text = placeholder->format(facts);
        g_string_append(out, text);
        return;
    }
    const char *fact = string_fact(facts, placeholder);
    if (fact != NULL)
        append_fact(out, fact, limit);
}

static char *expand_element(const char *element, const EgFilenameFacts *facts, gsize limit)
{
    GString *out = g_string_new(NULL);
    gsize length = 0;
    for (const char *at = next_placeholder(element, &length); at != NULL;
         at = next_placeholder(element, &length)) {
        g_string_append_len(out, element, at - element);
        append_placeholder(out, find_placeholder(at + 1, length), facts, limit);
        element = at + length + 2;
    }
    g_string_append(out, element);
    /* A folder whose name came to nothing would make the path another one. */
    if (out->len == 0 || strcmp(out->str, ".") == 0 || strcmp(out->str, "..") == 0)
        g_string_assign(out, "_");
    return g_string_free(out, FALSE);
}

static char *make_name(const EgFilenameFacts *facts, gsize limit)
{
    const char *subjects[] = {facts->subject, facts->track_id, facts->publisher_identity,
                              facts->room_name, "recording"};
    gsize i = 0;
    while (subjects[i] == NULL || *subjects[i] == '\0')
        i++;
    GString *name = g_string_new(NULL);
    append_fact(name, subjects[i], limit);
    g_autofree char *time = format_time(facts);
    g_string_append_printf(name, "-%s", time);
    if (facts->retry_count > 0)
        g_string_append_printf(name, "-%u", facts->retry_count);
    return g_string_free(name, FALSE);
}

/* The length of a name without an extension that is known, but not the one that it is to have. */
static gsize replaced_at(const char *name, const char *extension)
{
    const char *dot = strrchr(name, '.');
    if (dot == NULL || g_ascii_strcasecmp(dot, extension) == 0)
        return strlen(name);
    for (gsize i = 0; i < G_N_ELEMENTS(replaced_extensions); i++) {
        if (g_ascii_strcasecmp(dot, replaced_extensions[i]) == 0)
            return (gsize)(dot - name);
    }
    return strlen(name);
}

/* Consumes `name`. No extension: the name is only what others begin with. */
static char *with_extension(char *name, const char *extension)
{
    g_autofree char *owned = name;
    const char *dot = strrchr(owned, '.');
    if (extension == NULL || (dot != NULL && g_ascii_strcasecmp(dot, extension) == 0))
        return g_steal_pointer(&owned);
    owned[replaced_at(owned, extension)] = '\0';
    return g_strconcat(owned, extension, NULL);
}

/* NULL if a name became too long. */
static char *try_expand(const char *template, const char *extension, const EgFilenameFacts *facts,
                        gsize limit)
{
    gsize name_limit = extension != NULL ? NAME_LIMIT : PREFIX_LIMIT;
    g_auto(GStrv) elements = g_strsplit(template, "/", -1);
    guint n_elements = g_strv_length(elements);
    g_autoptr(GString) path = g_string_new(*template == '/' ? "/" : NULL);

    /* An empty template has no elements at all; one that ends in "/" a last one that is empty. */
    for (guint i = 0; i < MAX(n_elements, 1); i++) {
        bool is_last = i + 1 >= n_elements;
        g_autofree char *name = NULL;
        if (is_last && wants_made_up_name(template))
            name = with_extension(make_name(facts, limit), extension);
        else if (is_last)
            name = with_extension(expand_element(elements[i], facts, limit), extension);
        else if (*elements[i] != '\0' && strcmp(elements[i], ".") != 0)
            name = expand_element(elements[i], facts, limit);
        else
            continue;
        if (strlen(name) > (is_last ? name_limit : NAME_LIMIT))
            return NULL;
        if (path->len > 0 && path->str[path->len - 1] != '/')
            g_string_append_c(path, '/');
        g_string_append(path, name);
    }
    return path->len <= PATH_LIMIT ? g_strdup(path->str) : NULL;
}

static char *expand(const char *template, const char *extension, const EgFilenameFacts *facts,
                    GError **error)
{
    if (!eg_filename_check(template, error))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(fact_limits); i++) {
        char *path = try_expand(template, extension, facts, fact_limits[i]);
        if (path != NULL)
            return path;
    }
    eg_request_invalid(error, "filepath", "has a name that is too long");
    return NULL;
}

char *eg_filename_expand(const char *template, EgFormat format, const EgFilenameFacts *facts,
                         GError **error)
{
    return expand(template, eg_format_info(format)->extension, facts, error);
}

char *eg_filename_expand_playlist(const char *template, const EgFilenameFacts *facts,
                                  GError **error)
{
    return expand(template, EG_PLAYLIST_EXTENSION, facts, error);
}

char *eg_filename_expand_prefix(const char *template, const EgFilenameFacts *facts, GError **error)
{
    g_autofree char *path = expand(template, NULL, facts, error);
    if (path != NULL && g_str_has_suffix(path, EG_FILENAME_INDEX))
        return g_strndup(path, strlen(path) - strlen(EG_FILENAME_INDEX));
    return path != NULL ? g_strconcat(path, "_", NULL) : NULL;
}

bool eg_filename_is_renamed(const char *template, EgFormat format)
{
    const char *slash = strrchr(template, '/');
    const char *name = slash != NULL ? slash + 1 : template;
    return replaced_at(name, eg_format_info(format)->extension) < strlen(name);
}

bool eg_filename_is_known(const char *template, const EgFilenameFacts *facts)
{
    if (wants_made_up_name(template) && facts->wall_ns == 0)
        return false;
    gsize length = 0;
    for (const char *at = next_placeholder(template, &length); at != NULL;
         at = next_placeholder(at + length + 2, &length)) {
        const Placeholder *placeholder = find_placeholder(at + 1, length);
        if (placeholder == NULL || (placeholder->is_time && facts->wall_ns == 0) ||
            (placeholder->format == NULL && string_fact(facts, placeholder) == NULL))
            return false;
    }
    return true;
}

char *eg_filename_fixed_folder(const char *template)
{
    gsize length = 0;
    const char *placeholder = next_placeholder(template, &length);
    const char *end = placeholder != NULL ? placeholder : template + strlen(template);
    while (end > template && end[-1] != '/')
        end--;
    if (end == template)
        return g_strdup(".");
    while (end > template + 1 && end[-1] == '/')
        end--;
    return g_strndup(template, (gsize)(end - template));
}
