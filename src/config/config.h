#pragma once

#include "base/log.h"
#include "config/storage.h"

/* The configuration of the process, made once, immutable afterwards. Strings are NULL if not set;
 * durations of 0 and sizes of 0 mean no limit where they are limits. Keys are LiveKit's
 * (docs/CONFIG.md); what is ours alone is marked there. */

typedef struct {
    bool is_enabled;
    bool is_insecure; /* takes any certificate */
    char *server_name;
    char *ca_cert_file;
    char *client_cert_file;
    char *client_key_file;
} EgTlsConfig;

typedef struct {
    char *address; /* host:port */
    char *username;
    char *password;
    guint db;
    EgTlsConfig tls;
    char *sentinel_master_name; /* set: addresses are asked of the sentinels */
    char *sentinel_username;
    char *sentinel_password;
    char **sentinel_addresses;
    char **cluster_addresses; /* set: a cluster */
    gint64 dial_timeout_ns;
    guint max_redirects;
} EgRedisConfig;

/* In cores, but the memory in bytes. */
typedef struct {
    double max_cpu_utilization; /* share of the machine that may be given away */
    gint64 max_memory_bytes;    /* 0: not watched */
    gint64 memory_bytes;        /* of one egress */
    double room_composite;
    double audio_room_composite;
    double sdk_audio_room_composite;
    gint64 sdk_audio_room_composite_memory_bytes;
    double web;
    double audio_web;
    double participant;
    double track_composite;
    double track;
    bool uses_cgroup_memory; /* memory_source */
    gint64 cpu_kill_grace_ns;
    gint64 memory_kill_grace_ns;
} EgCostConfig;

/* How long or large an egress may become, by what it puts out. */
typedef struct {
    gint64 file_duration_ns;
    gint64 file_size_bytes;
    gint64 stream_duration_ns;
    gint64 segment_duration_ns;
    gint64 image_duration_ns;
} EgLimitConfig;

/* How pictures are encoded; what they become is the plan's. Words of config/keys.c, static; NULL:
 * the first choice. */
typedef struct {
    const char *h264;         /* which encoder: "x264", "va". Ours */
    const char *preset;       /* of x264. Ours */
    const char *rate_control; /* "variable", "constant", "quality". Ours */
    guint threads;            /* 0: the encoder decides */
} EgVideoEncoderConfig;

/* Of requests that name a store of S3: the role where they name none, and the keys of our own that
 * may assume a role where they have none. */
typedef struct {
    char *access_key;
    char *secret;
    char *arn;
    char *external_id;
} EgAssumeRoleConfig;

/* What is called with each output that is finished. */
typedef struct {
    char **command; /* a program and its arguments; NULL: none */
    char **urls;    /* NULL: none */
    gint64 timeout_ns;
} EgHookConfig;

typedef struct {
    char *api_key;
    char *api_secret;
    char *ws_url;
    bool has_redis;
    EgRedisConfig redis;
    char *cluster_id;          /* "" or NULL: none */
    guint http_port;           /* of the Twirp API without Redis. Ours */
    char *http_address;        /* that it listens on; NULL: loopback. Ours */
    guint template_port;       /* of our own templates, on the loopback interface; 0: off */
    char *template_base;       /* URL of the templates; NULL: that of our own */
    bool is_browser_sandboxed; /* by Chromium's own sandbox */
    bool is_browser_insecure;  /* takes any certificate, mixes https with http */
    char **browser_flags; /* "name=value"; true: without a value, false: not at all. NULL: none */
    bool logs_console;    /* of the page */
    bool uses_x11;        /* a browser's display: Xvfb in place of our compositor. Ours */
    bool reloads_crashed; /* a web page that has crashed is loaded again. Ours */
    char **web_allow; /* what a web page may reach though it is private: host, host:port or network,
                         "*": everything; NULL: nothing. Ours */
    guint health_port;
    guint prometheus_port;
    guint debug_handler_port;
    char *state_dir; /* what must survive a crash of the service; NULL: by the environment. Ours */
    char **webhook_urls; /* without Redis, what livekit-server's webhook.urls are. Ours */
    EgHookConfig hooks;  /* ours */
    gint64 io_create_timeout_ns;
    gint64 io_update_timeout_ns;
    gint64 io_selection_timeout_ns; /* 0: the whole timeout */
    bool disallow_local_storage;
    char *local_root;   /* file paths of requests are relative to it and stay in it; NULL: anywhere.
                           Ours */
    EgStorage *storage; /* of requests that name none; NULL or LOCAL: the local disk. Prefix and
                           presigned URLs are those of all stores, also of those of requests */
    EgStorage *backup;  /* takes over when the other fails; NULL: none */
    EgAssumeRoleConfig s3_assume_role;
    gint64 max_upload_queue_ns;   /* how much of a recording may wait to be uploaded */
    char *spool_dir;              /* see eg_config_spool_dir() */
    gint64 upload_bytes_per_s;    /* of an egress; 0: no limit. Ours */
    gint64 min_free_disk_bytes;   /* below that nothing is recorded any more; 0: never. Ours */
    bool fails_on_full_disk;      /* an egress that is ended for that has failed. Ours */
    bool fragmented_mp4;          /* an MP4 stays as it was recorded. Ours */
    guint upload_parallel;        /* transfers of an egress at the same time. Ours */
    guint live_playlist_segments; /* how many a live playlist names. Ours */
    EgCostConfig cost;
    EgLimitConfig limits;
    gint64 frozen_ns; /* a process that says nothing for so long has hung. Ours */
    EgVideoEncoderConfig video_encoder;
    gint64 stream_retry_ns;    /* a stream that was lost is tried again for so long. Ours */
    char *stream_ca_cert_file; /* of RTMPS; NULL: what the system trusts. Ours */
    gint64 latency_ns; /* how long a late picture or sound is waited for before it is filled */
    EgLogLevel log_level;
    bool log_json;
    GPtrArray *warnings; /* char *: keys that are not known or not supported, for the log */
} EgConfig;

/* The defaults, and over them LIVEKIT_API_KEY, LIVEKIT_API_SECRET and LIVEKIT_URL (also
 * LIVEKIT_WS_URL) of `environment` (as g_get_environ() gives it). What a store has to be told and
 * does not look for by itself is taken from there, too. */
EgConfig *eg_config_new(const char *const *environment);

/* The same, and over that the YAML text `body`; `source` names it in errors ("egress.yaml"). An
 * error names the key, the line and what would be right; a key that is not known or does nothing
 * here is only a warning. */
EgConfig *eg_config_parse(const char *body, const char *source, const char *const *environment,
                          GError **error);
void eg_config_free(EgConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgConfig, eg_config_free)

/* Where what must survive a crash is: state_dir, else $STATE_DIRECTORY (systemd), else
 * $XDG_STATE_HOME/egress, else ~/.local/state/egress. A new string. */
char *eg_config_state_dir(const EgConfig *config, const char *const *environment);

/* Where recordings wait until their store has them: spool_dir, else the folder "spool" in the
 * former. A new string. */
char *eg_config_spool_dir(const EgConfig *config, const char *const *environment);

/* The text of the service's configuration: `body`, else what is in the file `path`; with neither
 * (both NULL) what EGRESS_CONFIG_BODY holds, else what is in the file that EGRESS_CONFIG_FILE
 * names, else nothing if there is at least LIVEKIT_API_KEY. Sets `*source` to where it came from,
 * for eg_config_parse() (both to be freed). NULL and an error if there is none. */
char *eg_config_find(const char *path, const char *body, const char *const *environment,
                     char **source, GError **error);
