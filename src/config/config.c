#include "config/config.h"

#include <string.h>

#include "base/error.h"
#include "config/config-storage.h"
#include "config/config-yaml.h"
#include "config/keys.h"
#include "config/value.h"

/* An empty variable counts as not set: that is how containers switch one off. */
static const char *get_env(const char *const *environment, const char *name)
{
    const char *value = g_environ_getenv((char **)environment, name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static EgConfig *new_standard(const char *const *environment)
{
    EgConfig *config = g_new0(EgConfig, 1);
    config->warnings = g_ptr_array_new_with_free_func(g_free);
    const EgConfigTable *table = eg_config_keys();
    for (guint i = 0; i < table->n_keys; i++) {
        const EgConfigKey *key = &table->keys[i];
        if (key->standard != NULL && !eg_config_value_set(config, key, key->standard))
            g_error("%s: no such default", key->path);
    }
    config->api_key = g_strdup(get_env(environment, "LIVEKIT_API_KEY"));
    config->api_secret = g_strdup(get_env(environment, "LIVEKIT_API_SECRET"));
    config->ws_url = g_strdup(get_env(environment, "LIVEKIT_URL"));
    if (config->ws_url == NULL)
        config->ws_url = g_strdup(get_env(environment, "LIVEKIT_WS_URL"));
    config->template_base = g_strdup(get_env(environment, "EGRESS_TEMPLATE_BASE"));
    return config;
}

/* What follows from other keys where nothing was said. */
static void settle(EgConfig *config)
{
    EgCostConfig *cost = &config->cost;
    if (cost->sdk_audio_room_composite == 0)
        cost->sdk_audio_room_composite = cost->audio_room_composite;
    if (cost->sdk_audio_room_composite_memory_bytes == 0)
        cost->sdk_audio_room_composite_memory_bytes = cost->memory_bytes;
    const EgRedisConfig *redis = &config->redis;
    config->has_redis = redis->address != NULL || redis->sentinel_addresses != NULL ||
                        redis->cluster_addresses != NULL;
}

/* A section that says something about Redis, but not where it is, must not turn the service into
 * one without. */
static bool check_redis(const EgConfig *config, const EgYamlNode *section, const char *source,
                        GError **error)
{
    const EgRedisConfig *redis = &config->redis;
    const char *problem = NULL;
    if (section == NULL || section->kind != EG_YAML_SECTION || section->keys->len == 0)
        return true;
    if (!config->has_redis)
        problem = "redis needs address, sentinel_addresses or cluster_addresses; without Redis "
                  "there must be no such section";
    else if (redis->sentinel_addresses != NULL && redis->sentinel_master_name == NULL)
        problem = "redis.sentinel_addresses needs redis.sentinel_master_name";
    else if ((redis->tls.client_cert_file == NULL) != (redis->tls.client_key_file == NULL))
        problem = "redis.tls.client_cert_file and client_key_file belong together";
    if (problem == NULL)
        return true;
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "%s:%u: %s", source,
                 section->line, problem);
    return false;
}

static bool check_hooks(const EgConfig *config, const EgYamlNode *section, const char *source,
                        GError **error)
{
    if (config->hooks.command == NULL || *config->hooks.command[0] != '\0')
        return true;
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                 "%s:%u: hooks.command must begin with a program", source, section->line);
    return false;
}

EgConfig *eg_config_new(const char *const *environment)
{
    EgConfig *config = new_standard(environment);
    settle(config);
    return config;
}

EgConfig *eg_config_parse(const char *body, const char *source, const char *const *environment,
                          GError **error)
{
    g_autoptr(EgYaml) yaml = eg_yaml_parse(body, source, error);
    if (yaml == NULL)
        return NULL;
    g_autoptr(EgConfig) config = new_standard(environment);
    if (!eg_config_read_yaml(config, yaml, source, error))
        return NULL;
    settle(config);
    if (!check_redis(config, eg_yaml_get(eg_yaml_root(yaml), "redis"), source, error) ||
        !check_hooks(config, eg_yaml_get(eg_yaml_root(yaml), "hooks"), source, error) ||
        !eg_config_settle_storage(config, yaml, source, environment, error))
        return NULL;
    return g_steal_pointer(&config);
}

void eg_config_free(EgConfig *config)
{
    if (config == NULL)
        return;
    const EgConfigTable *table = eg_config_keys();
    for (guint i = 0; i < table->n_keys; i++)
        eg_config_value_clear(config, &table->keys[i]);
    g_ptr_array_unref(config->warnings);
    g_free(config);
}

char *eg_config_state_dir(const EgConfig *config, const char *const *environment)
{
    if (config->state_dir != NULL)
        return g_strdup(config->state_dir);
    const char *systemd = get_env(environment, "STATE_DIRECTORY");
    if (systemd != NULL)
        return g_strdup(systemd);
    const char *state = get_env(environment, "XDG_STATE_HOME");
    if (state != NULL)
        return g_build_filename(state, "egress", NULL);
    return g_build_filename(g_get_home_dir(), ".local", "state", "egress", NULL);
}

char *eg_config_spool_dir(const EgConfig *config, const char *const *environment)
{
    if (config->spool_dir != NULL)
        return g_strdup(config->spool_dir);
    g_autofree char *state_dir = eg_config_state_dir(config, environment);
    return g_build_filename(state_dir, "spool", NULL);
}

static char *read_file(const char *path, GError **error)
{
    g_autofree char *body = NULL;
    gsize size;
    g_autoptr(GError) failure = NULL;
    if (!g_file_get_contents(path, &body, &size, &failure)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "%s", failure->message);
        return NULL;
    }
    if (strlen(body) != size) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "%s: no text, but binary",
                     path);
        return NULL;
    }
    return g_steal_pointer(&body);
}

char *eg_config_find(const char *path, const char *body, const char *const *environment,
                     char **source, GError **error)
{
    const char *body_source = "--config-body";
    if (path == NULL && body == NULL) {
        path = get_env(environment, "EGRESS_CONFIG_FILE");
        body = get_env(environment, "EGRESS_CONFIG_BODY");
        body_source = "EGRESS_CONFIG_BODY";
    }
    /* Enough to serve the API without Redis. */
    if (path == NULL && body == NULL && get_env(environment, "LIVEKIT_API_KEY") != NULL) {
        body = "";
        body_source = "environment";
    }
    if (body == NULL && path == NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "no configuration: give --config FILE, or set EGRESS_CONFIG_FILE, "
                     "EGRESS_CONFIG_BODY or at least LIVEKIT_API_KEY");
        return NULL;
    }
    char *text = body != NULL ? g_strdup(body) : read_file(path, error);
    *source = text != NULL ? g_strdup(body != NULL ? body_source : path) : NULL;
    return text;
}
