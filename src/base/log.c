#include "base/log.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

struct _EgLog {
    const EgLog *parent;
    char *key;
    char *value;
};

static const struct {
    const char *name;
    const char *label;
} levels[] = {
    [EG_LOG_NONE] = {"none",  ""     },
      [EG_LOG_ERROR] = {"error", "ERROR"},
    [EG_LOG_WARNING] = {"warn",  "WARN" },
      [EG_LOG_INFO] = {"info",  "INFO" },
    [EG_LOG_DEBUG] = {"debug", "DEBUG"},
};

static GMutex write_lock;
static EgLogLevel threshold = EG_LOG_INFO;
static bool json;
static void (*line_writer)(const char *line, gpointer user);
static gpointer line_writer_user;

EgLog *eg_log_new(const EgLog *parent, const char *key, const char *value)
{
    EgLog *log = g_new0(EgLog, 1);
    log->parent = parent;
    log->key = g_strdup(key);
    log->value = g_strdup(value);
    return log;
}

void eg_log_free(EgLog *log)
{
    if (log == NULL)
        return;
    g_free(log->key);
    g_free(log->value);
    g_free(log);
}

bool eg_log_level_parse(const char *name, EgLogLevel *level)
{
    if (g_ascii_strcasecmp(name, "warning") == 0)
        name = "warn";
    for (guint i = EG_LOG_ERROR; i < G_N_ELEMENTS(levels); i++) {
        if (g_ascii_strcasecmp(name, levels[i].name) == 0) {
            *level = (EgLogLevel)i;
            return true;
        }
    }
    return false;
}

static json_t *field_to_json(const EgLogField *field)
{
    if (field->type == EG_LOG_FIELD_INTEGER)
        return json_integer(field->integer);
    if (field->type == EG_LOG_FIELD_REAL)
        return json_real(field->real);
    /* What came over the network may be no UTF-8, which JSON cannot hold. */
    g_autofree char *text = g_utf8_make_valid(field->string, -1);
    return json_string(text);
}

static void add_context_json(json_t *object, const EgLog *log)
{
    if (log == NULL)
        return;
    add_context_json(object, log->parent);
    if (log->value != NULL)
        json_object_set_new(object, log->key, field_to_json(&EG_STR(log->key, log->value)));
}

static char *format_json(const EgLog *log, EgLogLevel level, const char *now, const char *message,
                         const EgLogField *fields)
{
    json_t *object = json_object();
    json_object_set_new(object, "level", json_string(levels[level].name));
    json_object_set_new(object, "ts", json_string(now));
    json_object_set_new(object, "msg", field_to_json(&EG_STR("msg", message)));
    add_context_json(object, log);
    for (; fields->type != EG_LOG_FIELD_END; fields++) {
        if (fields->type != EG_LOG_FIELD_STRING || fields->string != NULL)
            json_object_set_new(object, fields->key, field_to_json(fields));
    }
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(object);
    char *line = g_strdup(text);
    free(text);
    return line;
}

/* A value with blanks or the like is quoted and what is not printable escaped, so that a line stays
 * a line and a terminal is not upset. */
static void append_text(GString *line, const char *key, const char *value)
{
    g_string_append_printf(line, " %s=", key);
    bool is_plain = *value != '\0';
    for (const char *c = value; *c != '\0'; c++)
        is_plain = is_plain && g_ascii_isgraph(*c) && *c != '"';
    if (is_plain) {
        g_string_append(line, value);
        return;
    }
    g_autofree char *valid = g_utf8_make_valid(value, -1);
    g_string_append_c(line, '"');
    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar letter = g_utf8_get_char(c);
        if (*c == '"' || *c == '\\')
            g_string_append_printf(line, "\\%c", *c);
        else if (g_unichar_isprint(letter))
            g_string_append_unichar(line, letter);
        else
            g_string_append_printf(line, "\\u%04x", letter);
    }
    g_string_append_c(line, '"');
}

static void append_context(GString *line, const EgLog *log)
{
    if (log == NULL)
        return;
    append_context(line, log->parent);
    if (log->value != NULL)
        append_text(line, log->key, log->value);
}

static char *format_plain(const EgLog *log, EgLogLevel level, const char *now, const char *message,
                          const EgLogField *fields)
{
    GString *line = g_string_new(now);
    g_string_append_printf(line, " %-5s %s", levels[level].label, message);
    for (; fields->type != EG_LOG_FIELD_END; fields++) {
        if (fields->type == EG_LOG_FIELD_INTEGER)
            g_string_append_printf(line, " %s=%" G_GINT64_FORMAT, fields->key, fields->integer);
        else if (fields->type == EG_LOG_FIELD_REAL)
            g_string_append_printf(line, " %s=%.6g", fields->key, fields->real);
        else if (fields->string != NULL)
            append_text(line, fields->key, fields->string);
    }
    append_context(line, log);
    return g_string_free(line, FALSE);
}

static void write_line(const char *line)
{
    g_mutex_lock(&write_lock);
    if (line_writer != NULL)
        line_writer(line, line_writer_user);
    else
        fprintf(stderr, "%s\n", line);
    g_mutex_unlock(&write_lock);
}

void eg_log_write(const EgLog *log, EgLogLevel level, const char *message, const EgLogField *fields)
{
    if (level > threshold)
        return;
    g_autoptr(GDateTime) date = g_date_time_new_now_utc();
    g_autofree char *seconds = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
    g_autofree char *now =
        g_strdup_printf("%s.%03dZ", seconds, g_date_time_get_microsecond(date) / 1000);
    g_autofree char *line = json ? format_json(log, level, now, message, fields)
                                 : format_plain(log, level, now, message, fields);
    write_line(line);
}

static GLogWriterOutput write_glib_log(GLogLevelFlags flags, const GLogField *fields,
                                       gsize n_fields, gpointer user)
{
    (void)user;
    const char *message = NULL;
    const char *domain = NULL;
    for (gsize i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].key, "MESSAGE") == 0)
            message = fields[i].value;
        else if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            domain = fields[i].value;
    }
    EgLogLevel level = EG_LOG_DEBUG;
    if ((flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) != 0)
        level = EG_LOG_ERROR;
    else if ((flags & G_LOG_LEVEL_WARNING) != 0)
        level = EG_LOG_WARNING;
    eg_log_write(NULL, level, message != NULL ? message : "message without text",
                 (const EgLogField[]){EG_STR("library", domain), {.type = EG_LOG_FIELD_END}});
    return G_LOG_WRITER_HANDLED;
}

void eg_log_setup(EgLogLevel level, bool as_json)
{
    threshold = level;
    json = as_json;
    /* GLib aborts if it is told twice. */
    static gsize is_routed = 0;
    if (g_once_init_enter(&is_routed)) {
        g_log_set_writer_func(write_glib_log, NULL, NULL);
        g_once_init_leave(&is_routed, 1);
    }
}

void eg_log_set_writer(void (*writer)(const char *line, gpointer user), gpointer user)
{
    g_mutex_lock(&write_lock);
    line_writer = writer;
    line_writer_user = user;
    g_mutex_unlock(&write_lock);
}
