#include "base/log.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

static GString *written;

static void collect(const char *line, gpointer user)
{
    (void)user;
    g_string_append_printf(written, "%s\n", line);
}

/* What was written since the last call, without the time at the start of a plain line. */
static char *take(void)
{
    char *text = g_strdup(written->str);
    g_string_truncate(written, 0);
    return text;
}

#define ASSERT_PLAIN(text_)                                                                        \
    do {                                                                                           \
        g_autofree char *line_ = take();                                                           \
        const char *blank_ = strchr(line_, ' ');                                                   \
        g_assert_nonnull(blank_);                                                                  \
        g_assert_cmpstr(blank_ + 1, ==, text_);                                                    \
    } while (0)

static void test_plain(void)
{
    eg_log_setup(EG_LOG_DEBUG, false);
    eg_info(NULL, "joined");
    ASSERT_PLAIN("INFO  joined\n");
    eg_warn(NULL, "numbers", EG_INT("n", -5), EG_REAL("x", 2.5), EG_STR("none", NULL));
    ASSERT_PLAIN("WARN  numbers n=-5 x=2.5\n");
    eg_error_log(NULL, "texts", EG_STR("a", "b=c"), EG_STR("d", "e f"), EG_STR("g", ""));
    ASSERT_PLAIN("ERROR texts a=b=c d=\"e f\" g=\"\"\n");
    eg_debug(NULL, "time");
    g_autofree char *line = take();
    g_assert_true(g_regex_match_simple("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z DEBUG",
                                       line, 0, 0));
}

/* What strangers choose neither breaks a line nor upsets a terminal. */
static void test_hostile(void)
{
    static const struct {
        const char *value;
        const char *text;
    } cases[] = {
        {"a\nb",         "\"a\\u000ab\""         },
        {"say \"x\\y\"", "\"say \\\"x\\\\y\\\"\""},
        {"\x1b[2J",      "\"\\u001b[2J\""        },
        {"\xc2\x9b"
         "2J",  "\"\\u009b2J\""         },
        {"caf\xc3\xa9",  "\"caf\xc3\xa9\""       },
        {"\xff",         "\"\xef\xbf\xbd\""      },
    };
    eg_log_setup(EG_LOG_INFO, false);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        eg_info(NULL, "m", EG_STR("k", cases[i].value));
        g_autofree char *expected = g_strdup_printf("INFO  m k=%s\n", cases[i].text);
        ASSERT_PLAIN(expected);
    }
}

static void test_context(void)
{
    eg_log_setup(EG_LOG_INFO, false);
    g_autoptr(EgLog) outer = eg_log_new(NULL, "egressID", "EG_1");
    g_autoptr(EgLog) inner = eg_log_new(outer, "trackID", "TR 2");
    g_autoptr(EgLog) unknown = eg_log_new(inner, "roomID", NULL);
    eg_info(unknown, "m", EG_INT("n", 1));
    ASSERT_PLAIN("INFO  m n=1 egressID=EG_1 trackID=\"TR 2\"\n");
    eg_log_free(NULL);

    eg_log_setup(EG_LOG_INFO, true);
    eg_info(unknown, "m");
    g_autofree char *line = take();
    json_t *object = json_loads(line, 0, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(object, "trackID")), ==, "TR 2");
    g_assert_cmpstr(json_string_value(json_object_get(object, "egressID")), ==, "EG_1");
    g_assert_null(json_object_get(object, "roomID"));
    json_decref(object);
}

static void test_json(void)
{
    eg_log_setup(EG_LOG_INFO, true);
    eg_warn(NULL, "m", EG_STR("s", "a\"\n\xff"), EG_INT("i", G_MAXINT64), EG_REAL("r", 0.5),
            EG_REAL("nan", (double)NAN), EG_STR("none", NULL));
    g_autofree char *line = take();
    json_t *object = json_loads(line, 0, NULL);
    g_assert_true(json_is_object(object));
    g_assert_cmpstr(json_string_value(json_object_get(object, "level")), ==, "warn");
    g_assert_cmpstr(json_string_value(json_object_get(object, "msg")), ==, "m");
    g_assert_true(json_is_string(json_object_get(object, "ts")));
    g_assert_cmpstr(json_string_value(json_object_get(object, "s")), ==, "a\"\n\xef\xbf\xbd");
    g_assert_cmpint(json_integer_value(json_object_get(object, "i")), ==, G_MAXINT64);
    g_assert_cmpfloat(json_real_value(json_object_get(object, "r")), ==, 0.5);
    g_assert_null(json_object_get(object, "none"));
    /* One line, whatever is in it. */
    g_assert_true(strchr(line, '\n') == line + strlen(line) - 1);
    json_decref(object);
}

static void test_levels(void)
{
    static const struct {
        const char *name;
        EgLogLevel level; /* NONE: no level */
    } cases[] = {
        {"error",   EG_LOG_ERROR  },
        {"warn",    EG_LOG_WARNING},
        {"Warning", EG_LOG_WARNING},
        {"INFO",    EG_LOG_INFO   },
        {"debug",   EG_LOG_DEBUG  },
        {"none",    EG_LOG_NONE   },
        {"",        EG_LOG_NONE   },
        {"loud",    EG_LOG_NONE   },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgLogLevel level = EG_LOG_NONE;
        bool is_level = eg_log_level_parse(cases[i].name, &level);
        g_assert_cmpint(is_level, ==, cases[i].level != EG_LOG_NONE);
        g_assert_cmpint(level, ==, cases[i].level);
    }

    eg_log_setup(EG_LOG_WARNING, false);
    eg_info(NULL, "not shown");
    eg_debug(NULL, "not shown");
    eg_warn(NULL, "shown");
    ASSERT_PLAIN("WARN  shown\n");
    eg_log_setup(EG_LOG_NONE, false);
    eg_error_log(NULL, "not shown");
    g_assert_cmpuint(written->len, ==, 0);
}

/* What libraries write goes the same way. */
static void test_libraries(void)
{
    eg_log_setup(EG_LOG_DEBUG, false);
    g_log_structured("Some", G_LOG_LEVEL_MESSAGE, "MESSAGE", "hello");
    ASSERT_PLAIN("DEBUG hello library=Some\n");
    g_log("Some", G_LOG_LEVEL_INFO, "hello");
    ASSERT_PLAIN("DEBUG hello library=Some\n");
}

static gpointer write_many(gpointer data)
{
    const EgLog *log = data;
    for (int i = 0; i < 200; i++)
        eg_info(log, "line");
    return NULL;
}

/* Any thread may write; lines come whole. */
static void test_threads(void)
{
    eg_log_setup(EG_LOG_INFO, false);
    g_autoptr(EgLog) log = eg_log_new(NULL, "k", "v");
    GThread *threads[4];
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("writer", write_many, log);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g_autofree char *text = take();
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 801);
    for (guint i = 0; i < 800; i++)
        g_assert_true(g_str_has_suffix(lines[i], " INFO  line k=v"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    written = g_string_new(NULL);
    eg_log_set_writer(collect, NULL);
    g_test_add_func("/base/log/plain", test_plain);
    g_test_add_func("/base/log/hostile", test_hostile);
    g_test_add_func("/base/log/context", test_context);
    g_test_add_func("/base/log/json", test_json);
    g_test_add_func("/base/log/levels", test_levels);
    g_test_add_func("/base/log/libraries", test_libraries);
    g_test_add_func("/base/log/threads", test_threads);
    int status = g_test_run();
    eg_log_set_writer(NULL, NULL);
    g_string_free(written, TRUE);
    return status;
}
