#include "config/config.h"

#include "base/time.h"

static const char *const names[] = {
    "LIVEKIT_API_KEY",
    "LIVEKIT_API_SECRET",
    "LIVEKIT_URL",
    "LIVEKIT_WS_URL",
};

static void clear_environment(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        g_unsetenv(names[i]);
}

static void test_defaults(void)
{
    clear_environment();
    g_autoptr(EgConfig) config = eg_config_new();
    g_assert_null(config->api_key);
    g_assert_null(config->api_secret);
    g_assert_null(config->ws_url);
    g_assert_cmpuint(config->video_encoder_threads, ==, 0);
    g_assert_cmpint(config->latency_ns, >=, 100 * EG_NS_PER_MS);
    g_assert_cmpint(config->latency_ns, <=, EG_NS_PER_S);
    g_assert_cmpint(config->log_level, ==, EG_LOG_INFO);
    g_assert_false(config->log_json);
}

static void test_environment(void)
{
    static const struct {
        const char *values[4]; /* of `names`; NULL: not set */
        const char *api_key;
        const char *api_secret;
        const char *ws_url;
    } cases[] = {
        {{"k", "s", "ws://a", "ws://b"}, "k",  "s",  "ws://a"},
        {{"k", NULL, NULL, "ws://b"},    "k",  NULL, "ws://b"},
        {{"", "", "", ""},               NULL, NULL, NULL    },
        {{NULL, "s", "", "ws://b"},      NULL, "s",  "ws://b"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        clear_environment();
        for (gsize n = 0; n < G_N_ELEMENTS(names); n++) {
            if (cases[i].values[n] != NULL)
                g_setenv(names[n], cases[i].values[n], TRUE);
        }
        g_autoptr(EgConfig) config = eg_config_new();
        g_assert_cmpstr(config->api_key, ==, cases[i].api_key);
        g_assert_cmpstr(config->api_secret, ==, cases[i].api_secret);
        g_assert_cmpstr(config->ws_url, ==, cases[i].ws_url);
    }
    clear_environment();
}

static void test_free_null(void)
{
    eg_config_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/environment", test_environment);
    g_test_add_func("/config/free-null", test_free_null);
    return g_test_run();
}
