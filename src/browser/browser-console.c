#include "browser/browser-console.h"

#include <string.h>

#include "base/time.h"
#include "browser/devtools.h"

#define MAX_LINE_BYTES  1000
#define MAX_LINES_PER_S 100

/* Of what a page may say with a signal. */
#define MAX_VALUE_BYTES  64
#define MAX_VALUES_PER_S 20

struct _EgBrowserConsole {
    const EgLog *log;
    bool logs_all;
    gint64 second_ns; /* when the second began, of which are */
    guint n_lines;
    guint n_values;
    guint n_left_out;
};

static const struct {
    const char *text;
    EgBrowserSignal signal;
    bool has_value; /* then it is the first argument, and the value the second */
} signals[] = {
    {"START_RECORDING", EG_BROWSER_SIGNAL_START,  false},
    {"END_RECORDING",   EG_BROWSER_SIGNAL_END,    false},
    {"LAYOUT",          EG_BROWSER_SIGNAL_LAYOUT, true },
};

EgBrowserConsole *eg_browser_console_new(const EgLog *log, bool logs_all)
{
    EgBrowserConsole *console = g_new0(EgBrowserConsole, 1);
    console->log = log;
    console->logs_all = logs_all;
    console->second_ns = EG_TIME_NONE;
    return console;
}

void eg_browser_console_free(EgBrowserConsole *console)
{
    g_free(console);
}

/* A new second: what was left out in the last one is told. */
static void begin_second(EgBrowserConsole *console, gint64 now_ns)
{
    if (console->n_left_out > 0)
        eg_info(console->log, "lines of the console were left out",
                EG_INT("lines", console->n_left_out));
    console->second_ns = now_ns;
    console->n_lines = 0;
    console->n_values = 0;
    console->n_left_out = 0;
}

/* One more of those that are counted in `n`. */
static bool may_take(EgBrowserConsole *console, guint *n, guint most, gint64 now_ns)
{
    if (console->second_ns == EG_TIME_NONE || now_ns - console->second_ns >= EG_NS_PER_S)
        begin_second(console, now_ns);
    if (*n >= most) {
        console->n_left_out++;
        return false;
    }
    (*n)++;
    return true;
}

static void write_line(EgBrowserConsole *console, const char *type, const char *text, gint64 now_ns)
{
    if (!may_take(console, &console->n_lines, MAX_LINES_PER_S, now_ns))
        return;
    g_autofree char *cut = g_strndup(text, MAX_LINE_BYTES);
    g_autofree char *line = g_utf8_make_valid(cut, -1);
    EG_LOG_AT(console->log, console->logs_all ? EG_LOG_INFO : EG_LOG_DEBUG, "console",
              EG_STR("type", type), EG_STR("line", line));
}

/* As the console would show it. */
static void append_argument(GString *line, const json_t *argument)
{
    const json_t *value = json_object_get(argument, "value");
    if (json_is_string(value)) {
        g_string_append_len(line, json_string_value(value),
                            (gssize)MIN(json_string_length(value), MAX_LINE_BYTES));
    } else if (value != NULL) {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        g_string_append_len(line, text, (gssize)strnlen(text, MAX_LINE_BYTES));
        free(text);
    } else {
        const char *text = eg_devtools_get_string(argument, "description");
        const char *shown = *text != '\0' ? text : eg_devtools_get_string(argument, "type");
        g_string_append_len(line, shown, (gssize)strnlen(shown, MAX_LINE_BYTES));
    }
}

/* NULL: it is no string, or has a NUL in it. Valid UTF-8, as all that is JSON. */
static const char *text_of(const json_t *argument)
{
    const json_t *value = json_object_get(argument, "value");
    const char *text = json_string_value(value);
    return text != NULL && strlen(text) == json_string_length(value) ? text : NULL;
}

static const char *value_in(const json_t *arguments)
{
    const char *text = text_of(json_array_get(arguments, 1));
    return text != NULL && *text != '\0' && strlen(text) <= MAX_VALUE_BYTES ? text : NULL;
}

/* That the n-th argument is. */
static EgBrowserSignal signal_of(const json_t *arguments, gsize n, const char **value)
{
    const char *text = text_of(json_array_get(arguments, n));
    for (gsize i = 0; text != NULL && i < G_N_ELEMENTS(signals); i++) {
        if (strcmp(text, signals[i].text) != 0)
            continue;
        if (!signals[i].has_value)
            return signals[i].signal;
        *value = n == 0 ? value_in(arguments) : NULL;
        return *value != NULL ? signals[i].signal : EG_BROWSER_SIGNAL_NONE;
    }
    return EG_BROWSER_SIGNAL_NONE;
}

static bool is_complaint(const char *type)
{
    return strcmp(type, "warning") == 0 || strcmp(type, "error") == 0 ||
           strcmp(type, "assert") == 0;
}

EgBrowserSignal eg_browser_console_call(EgBrowserConsole *console, const json_t *params,
                                        gint64 now_ns, const char **value)
{
    const json_t *arguments = json_object_get(params, "args");
    const char *type = eg_devtools_get_string(params, "type");
    const bool is_logged = console->logs_all || is_complaint(type);
    EgBrowserSignal signal = EG_BROWSER_SIGNAL_NONE;
    g_autoptr(GString) line = g_string_new(NULL);
    *value = NULL;
    for (gsize i = 0; i < json_array_size(arguments); i++) {
        if (signal == EG_BROWSER_SIGNAL_NONE)
            signal = signal_of(arguments, i, value);
        if (!is_logged || line->len > MAX_LINE_BYTES)
            continue;
        if (i > 0)
            g_string_append_c(line, ' ');
        append_argument(line, json_array_get(arguments, i));
    }
    if (is_logged)
        write_line(console, type, line->str, now_ns);
    if (*value != NULL && !may_take(console, &console->n_values, MAX_VALUES_PER_S, now_ns))
        return EG_BROWSER_SIGNAL_NONE;
    return signal;
}

void eg_browser_console_throw(EgBrowserConsole *console, const json_t *params, gint64 now_ns)
{
    const char *what = eg_devtools_get_string(params, "exceptionDetails.exception.description");
    const char *text = eg_devtools_get_string(params, "exceptionDetails.text");
    g_autofree char *line = g_strdup_printf("%s%s%s", text, *what != '\0' ? ": " : "", what);
    write_line(console, "exception", line, now_ns);
}
