#include "base/time.h"

static void test_duration(void)
{
    static const struct {
        const char *text;
        gint64 ns;
    } cases[] = {
        {"0",       0                                    },
        {"90",      90 * EG_NS_PER_S                     },
        {"0.5",     EG_NS_PER_S / 2                      },
        {"90s",     90 * EG_NS_PER_S                     },
        {"1h30m",   5400 * EG_NS_PER_S                   },
        {"1h1m1s",  3661 * EG_NS_PER_S                   },
        {"1.5h",    5400 * EG_NS_PER_S                   },
        {"250ms",   250 * EG_NS_PER_MS                   },
        {"7us",     7 * EG_NS_PER_US                     },
        {"7ns",     7                                    },
        {"1m500ms", 60 * EG_NS_PER_S + 500 * EG_NS_PER_MS},
        {".5s",     EG_NS_PER_S / 2                      },
        {"5.s",     5 * EG_NS_PER_S                      },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        gint64 ns = -1;
        g_assert_true(eg_duration_parse(cases[i].text, &ns));
        g_assert_cmpint(ns, ==, cases[i].ns);
    }
}

static void test_no_duration(void)
{
    static const char *const cases[] = {
        "",
        " ",
        "s",
        "-5s",
        "+5s",
        "5 s",
        "5x",
        "5d",
        "1h30",
        "30 ",
        "0x10s",
        "1e3s",
        "inf",
        "nan",
        "1.2.3s",
        ".",
        ".s",
        "1s2",
        "1hm",
        "ms",
        "5sms",
        "1000000h",
        "99999999999999999999s",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i]);
        gint64 ns = -1;
        g_assert_false(eg_duration_parse(cases[i], &ns));
        g_assert_cmpint(ns, ==, -1);
    }
}

static void test_clocks(void)
{
    gint64 before = eg_now_ns();
    gint64 after = eg_now_ns();
    g_assert_cmpint(before, >, 0);
    g_assert_cmpint(after, >=, before);
    /* Between 2020 and 2100. */
    g_assert_cmpint(eg_wall_now_ns(), >, G_GINT64_CONSTANT(1577836800) * EG_NS_PER_S);
    g_assert_cmpint(eg_wall_now_ns(), <, G_GINT64_CONSTANT(4102444800) * EG_NS_PER_S);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/time/duration", test_duration);
    g_test_add_func("/base/time/no-duration", test_no_duration);
    g_test_add_func("/base/time/clocks", test_clocks);
    return g_test_run();
}
