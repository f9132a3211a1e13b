#pragma once

#include <glib.h>
#include <stdbool.h>

/* One line per life-cycle event: a fixed lower-case message and fields. Error: a person should
 * act; warning: degraded; info: life cycle; debug: decisions. Nothing per packet.
 *
 *     eg_info(log, "track subscribed", EG_STR("trackID", sid), EG_INT("width", width));
 */
typedef enum {
    EG_LOG_NONE,
    EG_LOG_ERROR,
    EG_LOG_WARNING,
    EG_LOG_INFO,
    EG_LOG_DEBUG,
} EgLogLevel;

typedef enum {
    EG_LOG_FIELD_END,
    EG_LOG_FIELD_STRING,
    EG_LOG_FIELD_INTEGER,
    EG_LOG_FIELD_REAL,
} EgLogFieldType;

typedef struct {
    EgLogFieldType type;
    const char *key;
    const char *string;
    gint64 integer;
    double real;
} EgLogField;

#define EG_STR(k, v)                                                                               \
    (EgLogField)                                                                                   \
    {                                                                                              \
        .type = EG_LOG_FIELD_STRING, .key = (k), .string = (v)                                     \
    }
#define EG_INT(k, v)                                                                               \
    (EgLogField)                                                                                   \
    {                                                                                              \
        .type = EG_LOG_FIELD_INTEGER, .key = (k), .integer = (gint64)(v)                           \
    }
#define EG_REAL(k, v)                                                                              \
    (EgLogField)                                                                                   \
    {                                                                                              \
        .type = EG_LOG_FIELD_REAL, .key = (k), .real = (v)                                         \
    }

/* A context: every line written through it carries its fields and those of its parent. A NULL
 * context is the root, without fields. Immutable, so any thread may use it. */
typedef struct _EgLog EgLog;

/* A child of `parent` (not owned, must outlive the child) with one more field; strings copied. */
EgLog *eg_log_new(const EgLog *parent, const char *key, const char *value);
void eg_log_free(EgLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgLog, eg_log_free)

/* Settings of the whole process, made once before threads start: what is written to standard
 * error, and whether as JSON. The start-up setting is info, plain. Also routes g_log() here. */
void eg_log_setup(EgLogLevel level, bool as_json);
bool eg_log_level_parse(const char *name, EgLogLevel *level);

/* Called with each finished line instead of writing it to standard error, from any thread, one at
 * a time; for a terminal that shows a progress line below the log. NULL restores the default. */
void eg_log_set_writer(void (*writer)(const char *line, gpointer user), gpointer user);

/* Any thread. `fields` ends with EG_LOG_FIELD_END. A NULL string is left out. */
void eg_log_write(const EgLog *log, EgLogLevel level, const char *message,
                  const EgLogField *fields);

#define EG_LOG_AT(log, level, message, ...)                                                        \
    eg_log_write((log), (level), (message),                                                        \
                 (const EgLogField[]){__VA_ARGS__ __VA_OPT__(, ){.type = EG_LOG_FIELD_END}})
#define eg_error_log(log, message, ...)                                                            \
    EG_LOG_AT(log, EG_LOG_ERROR, message __VA_OPT__(, ) __VA_ARGS__)
#define eg_warn(log, message, ...)                                                                 \
    EG_LOG_AT(log, EG_LOG_WARNING, message __VA_OPT__(, ) __VA_ARGS__)
#define eg_info(log, message, ...)  EG_LOG_AT(log, EG_LOG_INFO, message __VA_OPT__(, ) __VA_ARGS__)
#define eg_debug(log, message, ...) EG_LOG_AT(log, EG_LOG_DEBUG, message __VA_OPT__(, ) __VA_ARGS__)
