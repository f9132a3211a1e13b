/* Flags that a browser is given for some pages and not for others. */
#include "browser/browser-command.h"

#include <glib.h>

/* A browser for a page that the user wants recorded: with sound, in Chromium's sandbox. */
static const EgBrowserParams plain = {
    .folder = "/tmp/browser",
    .width = 1280,
    .height = 720,
    .has_sound = true,
};

static EgBrowserParams without_sound(void)
{
    EgBrowserParams params = plain;
    params.has_sound = false;
    return params;
}

static EgBrowserParams insecure(void)
{
    EgBrowserParams params = plain;
    params.is_insecure = true;
    return params;
}

static EgBrowserParams proxied(void)
{
    EgBrowserParams params = plain;
    params.proxy = "socks5://127.0.0.1:1";
    return params;
}

static EgBrowserParams at_refreshes(void)
{
    EgBrowserParams params = plain;
    params.decodes_at_refreshes = true;
    return params;
}

static const struct {
    const char *name;
    EgBrowserParams (*params)(void);
    const char *flags[4]; /* that only these params have */
} rows[] = {
    {"without-sound", without_sound, {"--disable-audio-output"}                                               },
    {"insecure",      insecure,      {"--ignore-certificate-errors", "--disable-web-security"}                },
    {"proxied",
     proxied,                        {"--proxy-server=socks5://127.0.0.1:1",
      "--webrtc-ip-handling-policy=disable_non_proxied_udp"}                                     },
    {"at-refreshes",
     at_refreshes,                   {"--enable-features=VSyncDecoding", "--disable-rtc-smoothness-algorithm"}},
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
    EgBrowserParams params = rows[row].params();
    g_auto(GStrv) command = command_of(&params);
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
    EgBrowserParams params = at_refreshes();
    params.extra_flags = chosen;
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
