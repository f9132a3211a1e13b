/* Flags that a browser is given for some pages and not for others. */
#include "browser/browser-command.h"

#include <glib.h>

/* What all browsers here have. */
#define ANY .folder = "/tmp/browser", .width = 1280, .height = 720

static const EgBrowserParams plain = {ANY, .has_sound = true};

static const struct {
    const char *name;
    EgBrowserParams params;
    const char *flags[3]; /* that `plain` has not */
} rows[] = {
    {"without-sound", {ANY},                                    {"--disable-audio-output"}},
    {"insecure",
     {ANY, .has_sound = true, .is_insecure = true},
     {"--ignore-certificate-errors", "--disable-web-security"}                            },
    {"proxied",
     {ANY, .has_sound = true, .proxy = "socks5://127.0.0.1:1"},
     {"--proxy-server=socks5://127.0.0.1:1"}                                              },
    {"at-refreshes",
     {ANY, .has_sound = true, .decodes_at_refreshes = true},
     {"--enable-features=VSyncDecoding", "--disable-rtc-smoothness-algorithm"}            },
};

static char **command_of(const EgBrowserParams *params)
{
    g_autoptr(GError) error = NULL;
    char **command = eg_browser_command_new(params, &error);
    g_assert_no_error(error);
    return command;
}

static void test_flags(gconstpointer data)
{
    gsize row = GPOINTER_TO_SIZE(data);
    g_auto(GStrv) command = command_of(&rows[row].params);
    g_auto(GStrv) plain_command = command_of(&plain);
    for (gsize i = 0; rows[row].flags[i] != NULL; i++) {
        const char *flag = rows[row].flags[i];
        g_test_message("%s", flag);
        g_assert_true(g_strv_contains((const char *const *)command, flag));
        g_assert_false(g_strv_contains((const char *const *)plain_command, flag));
    }
}

/* What the configuration says counts, whatever we would say. */
static void test_chosen(void)
{
    const char *const chosen[] = {"enable-features=Other", NULL};
    const EgBrowserParams params = {ANY, .decodes_at_refreshes = true, .extra_flags = chosen};
    g_auto(GStrv) command = command_of(&params);
    g_assert_true(g_strv_contains((const char *const *)command, "--enable-features=Other"));
    g_assert_false(
        g_strv_contains((const char *const *)command, "--enable-features=VSyncDecoding"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/browser-command/%s", rows[i].name);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_flags);
    }
    g_test_add_func("/browser-command/chosen", test_chosen);
    return g_test_run();
}
