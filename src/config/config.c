#include "config/config.h"

#include "base/time.h"

/* Two rounds of retransmission over a long line; a recording does not mind being late. */
#define DEFAULT_LATENCY_NS (500 * EG_NS_PER_MS)

/* An empty variable counts as not set: that is how containers switch one off. */
static char *dup_env(const char *name)
{
    const char *value = g_getenv(name);
    return value != NULL && *value != '\0' ? g_strdup(value) : NULL;
}

EgConfig *eg_config_new(void)
{
    EgConfig *config = g_new0(EgConfig, 1);
    config->api_key = dup_env("LIVEKIT_API_KEY");
    config->api_secret = dup_env("LIVEKIT_API_SECRET");
    config->ws_url = dup_env("LIVEKIT_URL");
    if (config->ws_url == NULL)
        config->ws_url = dup_env("LIVEKIT_WS_URL");
    config->latency_ns = DEFAULT_LATENCY_NS;
    config->log_level = EG_LOG_INFO;
    return config;
}

void eg_config_free(EgConfig *config)
{
    if (config == NULL)
        return;
    g_free(config->api_key);
    g_free(config->api_secret);
    g_free(config->ws_url);
    g_free(config);
}
