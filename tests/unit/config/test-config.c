#include "config/config.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"

#define GB (G_GINT64_CONSTANT(1024) * 1024 * 1024)

static void test_defaults(void)
{
    g_autoptr(EgConfig) config = eg_config_new(NULL);
    g_assert_null(config->api_key);
    g_assert_null(config->api_secret);
    g_assert_null(config->ws_url);
    g_assert_false(config->has_redis);
    g_assert_null(config->redis.address);
    g_assert_cmpint(config->redis.dial_timeout_ns, ==, 2 * EG_NS_PER_S);
    g_assert_cmpuint(config->redis.max_redirects, ==, 2);
    g_assert_null(config->cluster_id);
    g_assert_cmpuint(config->http_port, ==, 7981);
    g_assert_cmpuint(config->template_port, ==, 7980);
    g_assert_cmpuint(config->health_port, ==, 0);
    g_assert_cmpuint(config->prometheus_port, ==, 0);
    g_assert_cmpuint(config->debug_handler_port, ==, 0);
    g_assert_cmpint(config->io_create_timeout_ns, ==, 15 * EG_NS_PER_S);
    g_assert_cmpint(config->io_update_timeout_ns, ==, 30 * EG_NS_PER_S);
    g_assert_cmpint(config->io_selection_timeout_ns, ==, 0);
    g_assert_cmpint(config->limits.file_duration_ns, ==, 0);
    g_assert_cmpint(config->limits.file_size_bytes, ==, 0);
    g_assert_cmpuint(config->video_encoder.threads, ==, 0);
    g_assert_cmpint(config->latency_ns, ==, 2 * EG_NS_PER_S);
    g_assert_cmpint(config->log_level, ==, EG_LOG_INFO);
    g_assert_false(config->log_json);
    g_assert_cmpuint(config->warnings->len, ==, 0);
}

static void test_default_costs(void)
{
    g_autoptr(EgConfig) config = eg_config_new(NULL);
    const EgCostConfig *cost = &config->cost;
    g_assert_cmpfloat(cost->max_cpu_utilization, ==, 0.8);
    g_assert_cmpfloat(cost->room_composite, ==, 4);
    g_assert_cmpfloat(cost->audio_room_composite, ==, 1);
    g_assert_cmpfloat(cost->sdk_audio_room_composite, ==, 1);
    g_assert_cmpfloat(cost->web, ==, 4);
    g_assert_cmpfloat(cost->audio_web, ==, 1);
    g_assert_cmpfloat(cost->participant, ==, 2);
    g_assert_cmpfloat(cost->track_composite, ==, 1);
    g_assert_cmpfloat(cost->track, ==, 0.5);
    g_assert_cmpint(cost->max_memory_bytes, ==, 0);
    g_assert_cmpint(cost->memory_bytes, ==, 0);
    g_assert_false(cost->uses_cgroup_memory);
    g_assert_cmpint(cost->cpu_kill_grace_ns, ==, 30 * EG_NS_PER_S);
    g_assert_cmpint(cost->memory_kill_grace_ns, ==, 0);
}

/* What a kind costs follows from another key, where nothing is said about it. */
static void test_dependent_costs(void)
{
    static const struct {
        const char *yaml;
        double cores;
        gint64 bytes;
    } cases[] = {
        {"cpu_cost: {audio_room_composite_cpu_cost: 3, memory_cost: 2}",         3,   2 * GB},
        {"cpu_cost: {audio_room_composite_cpu_cost: 3, sdk_audio_room_composite_cpu_cost: 0.2,"
         " memory_cost: 2, sdk_audio_room_composite_memory_cost: 0.5}", 0.2, GB / 2},
        {"cpu_cost: {audio_room_composite_cpu_cost: 3, sdk_audio_room_composite_cpu_cost: 0,"
         " memory_cost: 2, sdk_audio_room_composite_memory_cost: 0}",   3,   2 * GB},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EgConfig) config = eg_config_parse(cases[i].yaml, "x", NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpfloat(config->cost.sdk_audio_room_composite, ==, cases[i].cores);
        g_assert_cmpint(config->cost.sdk_audio_room_composite_memory_bytes, ==, cases[i].bytes);
    }
}

static void test_environment(void)
{
    static const struct {
        const char *environment[5];
        const char *yaml;
        const char *api_key;
        const char *api_secret;
        const char *ws_url;
    } cases[] = {
        {{"LIVEKIT_API_KEY=k", "LIVEKIT_API_SECRET=s", "LIVEKIT_URL=ws://a",
          "LIVEKIT_WS_URL=ws://b"},
         "",                                                                                 "k",
         "s",                                                                                            "ws://a"},
        {{"LIVEKIT_API_KEY=k", "LIVEKIT_WS_URL=ws://b"},                                 "", "k",  NULL, "ws://b"},
        {{"LIVEKIT_API_KEY=", "LIVEKIT_API_SECRET=", "LIVEKIT_URL=", "LIVEKIT_WS_URL="},
         "",                                                                                 NULL,
         NULL,                                                                                           NULL    },
        {{"LIVEKIT_API_SECRET=s", "LIVEKIT_URL=", "LIVEKIT_WS_URL=ws://b"},
         "",                                                                                 NULL,
         "s",                                                                                            "ws://b"},
        {{"LIVEKIT_API_KEY=k", "LIVEKIT_API_SECRET=s", "LIVEKIT_URL=ws://a"},
         "api_key: y\nws_url: ws://y\napi_secret: ''\n",                                     "y",
         "s",                                                                                            "ws://y"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(EgConfig) config =
            eg_config_parse(cases[i].yaml, "x", cases[i].environment, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(config->api_key, ==, cases[i].api_key);
        g_assert_cmpstr(config->api_secret, ==, cases[i].api_secret);
        g_assert_cmpstr(config->ws_url, ==, cases[i].ws_url);
    }
}

static void test_free_null(void)
{
    eg_config_free(NULL);
}

typedef struct {
    char *folder;
    char *path;     /* holds "api_key: file" */
    char *env_file; /* that as a variable */
} Files;

static void make_files(Files *files, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    files->folder = g_dir_make_tmp("egress-config-XXXXXX", &error);
    g_assert_no_error(error);
    files->path = g_build_filename(files->folder, "egress.yaml", NULL);
    files->env_file = g_strconcat("EGRESS_CONFIG_FILE=", files->path, NULL);
    g_file_set_contents(files->path, "api_key: file\n", -1, &error);
    g_assert_no_error(error);
}

static void remove_files(Files *files, gconstpointer unused)
{
    (void)unused;
    g_assert_cmpint(g_remove(files->path), ==, 0);
    g_assert_cmpint(g_rmdir(files->folder), ==, 0);
    g_free(files->folder);
    g_free(files->path);
    g_free(files->env_file);
}

static void test_find(Files *files, gconstpointer unused)
{
    (void)unused;
    const char *const env_both[] = {files->env_file, "EGRESS_CONFIG_BODY=api_key: env", NULL};
    const char *const env_path[] = {files->env_file, "EGRESS_CONFIG_BODY=", NULL};
    const struct {
        const char *path;
        const char *body;
        const char *const *environment;
        const char *text;
        const char *source;
    } cases[] = {
        {NULL,        NULL,              env_both, "api_key: env",    "EGRESS_CONFIG_BODY"},
        {NULL,        NULL,              env_path, "api_key: file\n", files->path         },
        {files->path, NULL,              env_both, "api_key: file\n", files->path         },
        {NULL,        "api_key: option", env_both, "api_key: option", "--config-body"     },
        {files->path, "api_key: option", NULL,     "api_key: option", "--config-body"     },
        {"/no/file",  "",                NULL,     "",                "--config-body"     },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *source = NULL;
        g_autofree char *text =
            eg_config_find(cases[i].path, cases[i].body, cases[i].environment, &source, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(text, ==, cases[i].text);
        g_assert_cmpstr(source, ==, cases[i].source);
    }
}

static void test_not_found(Files *files, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) write_error = NULL;
    g_file_set_contents(files->path, "api_key\0: x", 11, &write_error);
    g_assert_no_error(write_error);
    const struct {
        const char *path;
        const char *text;
    } cases[] = {
        {NULL,          "no configuration: give --config"},
        {"/no/file",    "/no/file"                       },
        {files->folder, files->folder                    },
        {files->path,   "binary"                         },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *source = NULL;
        g_assert_null(eg_config_find(cases[i].path, NULL, NULL, &source, &error));
        g_assert_null(source);
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, cases[i].text));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/default-costs", test_default_costs);
    g_test_add_func("/config/dependent-costs", test_dependent_costs);
    g_test_add_func("/config/environment", test_environment);
    g_test_add_func("/config/free-null", test_free_null);
    g_test_add("/config/find", Files, NULL, make_files, test_find, remove_files);
    g_test_add("/config/not-found", Files, NULL, make_files, test_not_found, remove_files);
    return g_test_run();
}
