#pragma once

#include "base/log.h"

/* The configuration of the process, made once, immutable afterwards. */
typedef struct {
    char *api_key;               /* NULL if not set */
    char *api_secret;            /* NULL if not set */
    char *ws_url;                /* NULL if not set */
    guint video_encoder_threads; /* 0: the encoder decides */
    gint64 latency_ns; /* how long a late picture or sound is waited for before it is filled */
    EgLogLevel log_level;
    bool log_json;
} EgConfig;

/* The defaults, and over them LIVEKIT_API_KEY, LIVEKIT_API_SECRET and LIVEKIT_URL (also
 * LIVEKIT_WS_URL) of the environment. */
EgConfig *eg_config_new(void);
void eg_config_free(EgConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgConfig, eg_config_free)
