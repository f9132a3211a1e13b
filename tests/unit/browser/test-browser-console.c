#include "browser/browser-console.h"

#include <string.h>

#include "base/time.h"

typedef struct {
    EgBrowserConsole *console;
    json_t *params; /* of the last call */
    const char *value;
} Fixture;

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->console = eg_browser_console_new(NULL, false);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    json_decref(f->params);
    eg_browser_console_free(f->console);
}

/* `args` is the JSON of their list. */
static EgBrowserSignal say(Fixture *f, const char *args, gint64 now_ns)
{
    json_decref(f->params);
    f->params = json_pack("{s:s, s:o}", "type", "log", "args",
                          json_loads(args, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL));
    g_assert_nonnull(f->params);
    return eg_browser_console_call(f->console, f->params, now_ns, &f->value);
}

#define TEXT(text)   "{\"type\": \"string\", \"value\": \"" text "\"}"
#define SIXTY        "123456789 123456789 123456789 123456789 123456789 123456789 "
#define LAYOUT(rest) "[" TEXT("LAYOUT") ", " rest "]"

static void test_signals(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *args;
        EgBrowserSignal signal;
        const char *value;
    } cases[] = {
        {"[" TEXT("START_RECORDING") "]",                      EG_BROWSER_SIGNAL_START,  NULL           },
        {"[" TEXT("x") ", " TEXT("END_RECORDING") "]",         EG_BROWSER_SIGNAL_END,    NULL           },
        {"[" TEXT("start_recording") "]",                      EG_BROWSER_SIGNAL_NONE,   NULL           },
        {LAYOUT(TEXT("grid-light")),                           EG_BROWSER_SIGNAL_LAYOUT, "grid-light"   },
        {LAYOUT(TEXT("grid") ", " TEXT("more")),               EG_BROWSER_SIGNAL_LAYOUT, "grid"         },
        {LAYOUT(TEXT("END_RECORDING")),                        EG_BROWSER_SIGNAL_LAYOUT, "END_RECORDING"},
        {LAYOUT(TEXT("\xc3\xa9toile \xe6\xa0\xbc")),           EG_BROWSER_SIGNAL_LAYOUT,
         "\xc3\xa9toile \xe6\xa0\xbc"                                                                   },
        {LAYOUT(TEXT(SIXTY "1234")),                           EG_BROWSER_SIGNAL_LAYOUT, SIXTY "1234"   },
        {LAYOUT(TEXT(SIXTY "12345")),                          EG_BROWSER_SIGNAL_NONE,   NULL           },
        {LAYOUT(TEXT(SIXTY "123\xc3\xa9")),                    EG_BROWSER_SIGNAL_NONE,   NULL           },
        {LAYOUT(TEXT("")),                                     EG_BROWSER_SIGNAL_NONE,   NULL           },
        {LAYOUT(TEXT("grid\\u0000")),                          EG_BROWSER_SIGNAL_NONE,   NULL           },
        {LAYOUT("{\"type\": \"number\", \"value\": 1}"),       EG_BROWSER_SIGNAL_NONE,   NULL           },
        {LAYOUT("{\"type\": \"object\"}"),                     EG_BROWSER_SIGNAL_NONE,   NULL           },
        {LAYOUT("7"),                                          EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"[" TEXT("LAYOUT") "]",                               EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"[" TEXT("LAYOUT grid") "]",                          EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"[" TEXT("LAYOUT\\u0000") ", " TEXT("grid") "]",      EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"[" TEXT("layout") ", " TEXT("grid") "]",             EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"[" TEXT("x") ", " TEXT("LAYOUT") ", " TEXT("y") "]", EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"[]",                                                 EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"{}",                                                 EG_BROWSER_SIGNAL_NONE,   NULL           },
        {"null",                                               EG_BROWSER_SIGNAL_NONE,   NULL           },
    };
    (void)data;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].args);
        g_assert_cmpint(say(f, cases[i].args, (gint64)i * EG_NS_PER_S), ==, cases[i].signal);
        g_assert_cmpstr(f->value, ==, cases[i].value);
    }
}

/* What has a value is no flood; what has none always counts. */
static void test_flood(Fixture *f, gconstpointer data)
{
    (void)data;
    guint n = 0;
    for (guint i = 0; i < 1000; i++)
        n += say(f, LAYOUT(TEXT("grid")), i * EG_NS_PER_MS) == EG_BROWSER_SIGNAL_LAYOUT;
    g_assert_cmpuint(n, ==, 20);
    g_assert_cmpint(say(f, "[" TEXT("END_RECORDING") "]", 999 * EG_NS_PER_MS), ==,
                    EG_BROWSER_SIGNAL_END);
    g_assert_cmpint(say(f, LAYOUT(TEXT("grid")), EG_NS_PER_S), ==, EG_BROWSER_SIGNAL_LAYOUT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
    ADD("/browser/console/signals", test_signals);
    ADD("/browser/console/flood", test_flood);
#undef ADD
    return g_test_run();
}
