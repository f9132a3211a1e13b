#include "config/keys.h"

#include <stddef.h>
#include <string.h>

/* The offset of a member, which must be of this type. */
#define AT(type, member)                                                                           \
    (offsetof(EgConfig, member) + 0 * sizeof((type *)NULL == &((EgConfig *)NULL)->member))

#define ROW(key_path, key_kind, type, member, ...)                                                 \
    {                                                                                              \
        .path = (key_path), .kind = (key_kind), .offset = AT(type, member), __VA_ARGS__            \
    }
#define TEXT(path, member, ...) ROW(path, EG_KEY_TEXT, char *, member, __VA_ARGS__)
#define ADDRESSES(path, member) ROW(path, EG_KEY_ADDRESSES, char **, member, )
#define SWITCH(path, member)    ROW(path, EG_KEY_SWITCH, bool, member, .standard = "false")
#define SWITCH_OF_OURS(path, member)                                                               \
    ROW(path, EG_KEY_SWITCH, bool, member, .standard = "false", .is_ours = true)
#define NUMBER(path, member, ...)    ROW(path, EG_KEY_NUMBER, guint, member, __VA_ARGS__)
#define PORT(path, member, ...)      NUMBER(path, member, .max = 65535, __VA_ARGS__)
#define LIMIT(path, kind, member)    ROW(path, kind, gint64, member, .standard = "0")
#define DURATION(path, member, ...)  ROW(path, EG_KEY_DURATION, gint64, member, __VA_ARGS__)
#define GIBIBYTES(path, member, ...) ROW(path, EG_KEY_GIBIBYTES, gint64, member, __VA_ARGS__)
#define GRACE(path, member, ...)     ROW(path, EG_KEY_SECONDS, gint64, member, .max = 3600, __VA_ARGS__)
#define COST(path, member, ...)                                                                    \
    ROW(path, EG_KEY_REAL, double, member, .min = 0.001, .max = 1024, .zero_is_standard = true,    \
        __VA_ARGS__)
#define UNUSED(key_path, key_standard, because)                                                    \
    {                                                                                              \
        .path = (key_path), .kind = EG_KEY_ANYTHING, .standard = (key_standard),                   \
        .unused_because = (because)                                                                \
    }

#define WORD(path, member, ...)                                                                    \
    ROW(path, EG_KEY_WORD, const char *, member, .is_ours = true, __VA_ARGS__)

#define NO_SINKS   "has no effect: each egress has a sound daemon of its own"
#define NO_DEBUG   "not supported: debug_handler_port shows what there is"
#define NO_POOL    "has no effect: there are two connections, and nothing waits for them"
#define NO_SAMPLES "has no effect: every line is written"
#define NO_LATENCY "has no effect: latency.max_wait is the only wait"

static const char *const h264_encoders[] = {"x264", "openh264", "va", "nvenc", NULL};
static const char *const x264_presets[] = {"ultrafast", "superfast", "veryfast", "faster",   "fast",
                                           "medium",    "slow",      "slower",   "veryslow", NULL};
static const char *const rate_controls[] = {"variable", "constant", "quality", NULL};

static const EgConfigKey keys[] = {
    TEXT("api_key", api_key),
    TEXT("api_secret", api_secret),
    ROW("ws_url", EG_KEY_URL, char *, ws_url, ),

    ROW("redis.address", EG_KEY_ADDRESS, char *, redis.address, ),
    TEXT("redis.username", redis.username),
    TEXT("redis.password", redis.password),
    NUMBER("redis.db", redis.db, .standard = "0", .max = 65535),
    SWITCH("redis.use_tls", redis.tls.is_enabled),
    SWITCH("redis.tls.enabled", redis.tls.is_enabled),
    SWITCH("redis.tls.insecure", redis.tls.is_insecure),
    TEXT("redis.tls.server_name", redis.tls.server_name),
    TEXT("redis.tls.ca_cert_file", redis.tls.ca_cert_file),
    TEXT("redis.tls.client_cert_file", redis.tls.client_cert_file),
    TEXT("redis.tls.client_key_file", redis.tls.client_key_file),
    TEXT("redis.sentinel_master_name", redis.sentinel_master_name),
    TEXT("redis.sentinel_username", redis.sentinel_username),
    TEXT("redis.sentinel_password", redis.sentinel_password),
    ADDRESSES("redis.sentinel_addresses", redis.sentinel_addresses),
    ADDRESSES("redis.cluster_addresses", redis.cluster_addresses),
    ROW("redis.dial_timeout", EG_KEY_MILLISECONDS, gint64, redis.dial_timeout_ns,
        .standard = "2000", .min = 0.001, .max = 600, .zero_is_standard = true),
    NUMBER("redis.max_redirects", redis.max_redirects, .standard = "2", .max = 100),
    UNUSED("redis.read_timeout", "0", NO_POOL),
    UNUSED("redis.write_timeout", "0", NO_POOL),
    UNUSED("redis.pool_timeout", "0", NO_POOL),
    UNUSED("redis.pool_size", "0", NO_POOL),

    TEXT("cluster_id", cluster_id),
    DURATION("io_create_timeout", io_create_timeout_ns, .standard = "15s", .min = 0.001,
             .max = 3600, .zero_is_standard = true),
    DURATION("io_update_timeout", io_update_timeout_ns, .standard = "30s", .min = 0.001,
             .max = 3600, .zero_is_standard = true),
    DURATION("io_selection_timeout", io_selection_timeout_ns, .standard = "0", .max = 3600),
    UNUSED("io_workers", "5", "has no effect: no update waits for another egress's"),

    ROW("http_address", EG_KEY_HOST, char *, http_address, .is_ours = true),
    NUMBER("http_port", http_port, .standard = "7981", .min = 1, .max = 65535, .is_ours = true),
    ROW("webhook.urls", EG_KEY_WEB_URLS, char **, webhook_urls, .is_ours = true),
    ROW("hooks.command", EG_KEY_TEXTS, char **, hooks.command, .is_ours = true),
    ROW("hooks.urls", EG_KEY_WEB_URLS, char **, hooks.urls, .is_ours = true),
    DURATION("hooks.timeout", hooks.timeout_ns, .standard = "60s", .min = 1, .max = 86400,
             .is_ours = true),
    ROW("state_dir", EG_KEY_PATH, char *, state_dir, .is_ours = true),
    ROW("local_root", EG_KEY_PATH, char *, local_root, .is_ours = true),
    SWITCH("disallow_local_storage", disallow_local_storage),
    NUMBER("live_playlist_segments", live_playlist_segments, .standard = "5", .min = 3, .max = 1000,
           .is_ours = true),

    PORT("health_port", health_port, .standard = "0"),
    PORT("prometheus_port", prometheus_port, .standard = "0"),
    PORT("debug_handler_port", debug_handler_port, .standard = "0"),

    ROW("logging.level", EG_KEY_LOG_LEVEL, EgLogLevel, log_level, .standard = "info"),
    SWITCH("logging.json", log_json),
    UNUSED("logging.component_levels", NULL, "has no effect: there is one level"),
    UNUSED("logging.sample", "false", NO_SAMPLES),
    UNUSED("logging.sample_initial", "0", NO_SAMPLES),
    UNUSED("logging.sample_interval", "0", NO_SAMPLES),
    UNUSED("logging.item_sample_seconds", "0", NO_SAMPLES),
    UNUSED("logging.item_sample_initial", "0", NO_SAMPLES),
    UNUSED("logging.item_sample_interval", "0", NO_SAMPLES),

    LIMIT("session_limits.file_output_max_duration", EG_KEY_DURATION, limits.file_duration_ns),
    LIMIT("session_limits.file_output_max_size", EG_KEY_BYTES, limits.file_size_bytes),
    LIMIT("session_limits.stream_output_max_duration", EG_KEY_DURATION, limits.stream_duration_ns),
    LIMIT("session_limits.segment_output_max_duration", EG_KEY_DURATION,
          limits.segment_duration_ns),
    LIMIT("session_limits.image_output_max_duration", EG_KEY_DURATION, limits.image_duration_ns),
    DURATION("frozen_after", frozen_ns, .standard = "30s", .min = 1, .max = 86400, .is_ours = true),

    ROW("cpu_cost.max_cpu_utilization", EG_KEY_REAL, double, cost.max_cpu_utilization,
        .standard = "0.8", .min = 0.01, .max = 10, .zero_is_standard = true),
    COST("cpu_cost.room_composite_cpu_cost", cost.room_composite, .standard = "4"),
    COST("cpu_cost.audio_room_composite_cpu_cost", cost.audio_room_composite, .standard = "1"),
    COST("cpu_cost.sdk_audio_room_composite_cpu_cost", cost.sdk_audio_room_composite, ),
    COST("cpu_cost.web_cpu_cost", cost.web, .standard = "4"),
    COST("cpu_cost.audio_web_cpu_cost", cost.audio_web, .standard = "1"),
    COST("cpu_cost.participant_cpu_cost", cost.participant, .standard = "2"),
    COST("cpu_cost.track_composite_cpu_cost", cost.track_composite, .standard = "1"),
    COST("cpu_cost.track_cpu_cost", cost.track, .standard = "0.5"),
    GRACE("cpu_cost.cpu_kill_grace_sec", cost.cpu_kill_grace_ns, .standard = "30"),
    GIBIBYTES("cpu_cost.max_memory", cost.max_memory_bytes, .standard = "0"),
    GIBIBYTES("cpu_cost.memory_cost", cost.memory_bytes, .standard = "0"),
    GIBIBYTES("cpu_cost.sdk_audio_room_composite_memory_cost",
              cost.sdk_audio_room_composite_memory_bytes),
    ROW("cpu_cost.memory_source", EG_KEY_CHOICE, bool, cost.uses_cgroup_memory,
        .standard = "proc_rss", .choices = {"proc_rss", "cgroup"}),
    GRACE("cpu_cost.memory_kill_grace_sec", cost.memory_kill_grace_ns, .standard = "0"),
    UNUSED("cpu_cost.max_pulse_clients", "60", NO_SINKS),

    DURATION("stream_retry", stream_retry_ns, .standard = "30s", .max = 604800, .is_ours = true),
    ROW("stream_ca_cert_file", EG_KEY_PATH, char *, stream_ca_cert_file, .is_ours = true),

    WORD("video_encoder.h264", video_encoder.h264, .standard = "x264", .words = h264_encoders),
    WORD("video_encoder.preset", video_encoder.preset, .standard = "veryfast",
         .words = x264_presets),
    WORD("video_encoder.rate_control", video_encoder.rate_control, .standard = "variable",
         .words = rate_controls),
    NUMBER("video_encoder_threads", video_encoder.threads, .standard = "0", .max = 256),
    DURATION("latency.max_wait", latency_ns, .standard = "2s", .min = 0.1, .max = 10,
             .is_ours = true),
    UNUSED("latency.jitter_buffer_latency", NULL, NO_LATENCY),
    UNUSED("latency.audio_mixer_latency", NULL, NO_LATENCY),
    UNUSED("latency.pipeline_latency", NULL, NO_LATENCY),
    UNUSED("latency.old_packet_threshold", NULL, NO_LATENCY),
    UNUSED("latency.rtpmaxallowedtsdiff", NULL, NO_LATENCY),
    UNUSED("latency.rtpmaxdriftadjustment", NULL, NO_LATENCY),
    UNUSED("latency.rtpdriftadjustmentwindowpercent", NULL, NO_LATENCY),
    UNUSED("latency_overrides", NULL, NO_LATENCY),
    UNUSED("audio_tempo_controller", NULL,
           "has no effect: sound always follows its sender's clock"),
    UNUSED("enable_sync_engine", "false", "has no effect: there is one timeline for everything"),
    UNUSED("enable_one_shot_sender_report_sync", "false",
           "has no effect: every sender report counts"),

    ROW("storage", EG_KEY_STORAGE, EgStorage *, storage, ),
    ROW("backup", EG_KEY_STORAGE, EgStorage *, backup, ),
    UNUSED("backup_storage", NULL, "has no effect: its name is backup, with the keys of a store"),
    TEXT("s3_assume_role_key", s3_assume_role.access_key),
    TEXT("s3_assume_role_secret", s3_assume_role.secret),
    TEXT("s3_assume_role_arn", s3_assume_role.arn),
    TEXT("s3_assume_role_external_id", s3_assume_role.external_id),
    ROW("max_upload_queue", EG_KEY_MINUTES, gint64, max_upload_queue_ns, .standard = "60",
        .min = 60, .max = 604800, .zero_is_standard = true),
    ROW("spool_dir", EG_KEY_PATH, char *, spool_dir, .is_ours = true),
    ROW("upload_rate_limit", EG_KEY_BYTES, gint64, upload_bytes_per_s, .standard = "0",
        .is_ours = true),
    ROW("min_free_disk", EG_KEY_BYTES, gint64, min_free_disk_bytes, .standard = "268435456",
        .is_ours = true),
    SWITCH_OF_OURS("fail_on_full_disk", fails_on_full_disk),
    SWITCH_OF_OURS("fragmented_mp4", fragmented_mp4),
    NUMBER("upload_parallel", upload_parallel, .standard = "4", .min = 1, .max = 64,
           .is_ours = true),
    SWITCH("debug.enable_chrome_logging", logs_console),
    UNUSED("debug.enable_profiling", "false", NO_DEBUG),
    UNUSED("debug.enable_track_logging", "false", NO_DEBUG),
    UNUSED("debug.enable_stream_logging", "false", NO_DEBUG),
    UNUSED("debug.prefix", NULL, NO_DEBUG),
    UNUSED("debug.s3", NULL, NO_DEBUG),
    UNUSED("debug.azure", NULL, NO_DEBUG),
    UNUSED("debug.gcp", NULL, NO_DEBUG),
    UNUSED("debug.alioss", NULL, NO_DEBUG),

    PORT("template_port", template_port, .standard = "7980"),
    ROW("template_base", EG_KEY_WEB_URL, char *, template_base, ),
    SWITCH("enable_chrome_sandbox", is_browser_sandboxed),
    SWITCH("insecure", is_browser_insecure),
    ROW("chrome_flags", EG_KEY_FLAGS, char **, browser_flags, ),
    ROW("display", EG_KEY_CHOICE, bool, uses_x11, .standard = "wayland",
        .choices = {"wayland", "x11"}, .is_ours = true),
    SWITCH_OF_OURS("web_reload_crashed", reloads_crashed),
    ROW("web_allow", EG_KEY_NETWORKS, char **, web_allow, .is_ours = true),
    UNUSED("pulse_sink_reap_grace_sec", "30", NO_SINKS),
    UNUSED("test_overrides", NULL, "not supported"),
};

const EgConfigTable *eg_config_keys(void)
{
    static const EgConfigTable table = {keys, G_N_ELEMENTS(keys)};
    return &table;
}

const EgConfigKey *eg_config_key_find(const EgConfigTable *table, const char *path)
{
    for (guint i = 0; i < table->n_keys; i++) {
        if (strcmp(table->keys[i].path, path) == 0)
            return &table->keys[i];
    }
    return NULL;
}

bool eg_config_key_is_section(const EgConfigTable *table, const char *path)
{
    gsize length = strlen(path);
    for (guint i = 0; i < table->n_keys; i++) {
        const char *known = table->keys[i].path;
        if (strncmp(known, path, length) == 0 && known[length] == '.')
            return true;
    }
    return false;
}

#define MAX_NAME 64

/* How many letters must be put in, taken out or changed to make `b`, which has small letters only,
 * of `a`; each of at most MAX_NAME bytes. */
static guint edit_distance(const char *a, const char *b)
{
    guint row[MAX_NAME + 1];
    guint n = (guint)strlen(b);
    for (guint i = 0; i <= n; i++)
        row[i] = i;
    for (; *a != '\0'; a++) {
        guint diagonal = row[0]++;
        for (guint i = 1; i <= n; i++) {
            guint change = diagonal + (g_ascii_tolower(*a) != b[i - 1]);
            diagonal = row[i];
            row[i] = MIN(change, MIN(row[i], row[i - 1]) + 1);
        }
    }
    return row[n];
}

typedef struct {
    char *path;
    guint distance;
} Candidate;

static void consider(Candidate *best, const char *path, gsize length, guint distance)
{
    if (distance >= best->distance)
        return;
    g_free(best->path);
    best->path = g_strndup(path, length);
    best->distance = distance;
}

char *eg_config_key_nearest(const EgConfigTable *table, const char *path)
{
    const char *dot = strrchr(path, '.');
    const char *name = dot != NULL ? dot + 1 : path;
    gsize section_length = (gsize)(name - path);
    gsize name_length = strlen(name);
    if (name_length > MAX_NAME)
        return NULL;

    /* A slip of the pen in the same section, else the very name in another one. */
    Candidate best = {.distance = MAX(3, (guint)name_length / 3 + 1)};
    for (guint i = 0; i < table->n_keys; i++) {
        if (strncmp(table->keys[i].path, path, section_length) != 0)
            continue;
        const char *known = table->keys[i].path + section_length;
        gsize length = strcspn(known, ".");
        g_autofree char *known_name = g_strndup(known, length);
        consider(&best, table->keys[i].path, section_length + length,
                 edit_distance(name, known_name));
    }
    for (guint i = 0; i < table->n_keys && best.path == NULL; i++) {
        const char *last = strrchr(table->keys[i].path, '.');
        if (strcmp(last != NULL ? last + 1 : table->keys[i].path, name) == 0)
            consider(&best, table->keys[i].path, strlen(table->keys[i].path), 0);
    }
    return best.path;
}
