#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "config/config.h"
#include "config/yaml-tree.h"

#define GB (G_GINT64_CONSTANT(1024) * 1024 * 1024)

static EgConfig *parse(const char *yaml)
{
    g_autoptr(GError) error = NULL;
    EgConfig *config = eg_config_parse(yaml, "x.yaml", NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(config);
    return config;
}

static void test_top(void)
{
    g_autoptr(EgConfig) config = parse("api_key: key\n"
                                       "api_secret: 0123456\n"
                                       "ws_url: wss://livekit.example.com\n"
                                       "cluster_id: 'null'\n"
                                       "http_address: '::'\n"
                                       "http_port: 1\n"
                                       "health_port: 9090\n"
                                       "prometheus_port: '9091'\n"
                                       "debug_handler_port: 65535\n"
                                       "webhook:\n"
                                       "  urls:\n"
                                       "  - http://a/x\n"
                                       "  - https://b:1\n"
                                       "state_dir: /var/lib/egress\n"
                                       "local_root: /out\n"
                                       "disallow_local_storage: true\n"
                                       "io_create_timeout: 1m30s\n"
                                       "io_update_timeout: 250ms\n"
                                       "io_selection_timeout: 1s\n"
                                       "video_encoder_threads: 3\n"
                                       "video_encoder: {h264: openh264, preset: slow}\n"
                                       "latency: {max_wait: 1.5s}\n"
                                       "logging: {level: DEBUG, json: yes}\n");
    g_assert_cmpuint(config->warnings->len, ==, 0);
    g_assert_false(config->has_redis);
    g_assert_cmpstr(config->api_key, ==, "key");
    g_assert_cmpstr(config->api_secret, ==, "0123456");
    g_assert_cmpstr(config->ws_url, ==, "wss://livekit.example.com");
    g_assert_cmpstr(config->cluster_id, ==, "null");
    g_assert_cmpstr(config->http_address, ==, "::");
    g_assert_cmpuint(config->http_port, ==, 1);
    g_assert_cmpuint(config->health_port, ==, 9090);
    g_assert_cmpuint(config->prometheus_port, ==, 9091);
    g_assert_cmpuint(config->debug_handler_port, ==, 65535);
    g_assert_cmpuint(g_strv_length(config->webhook_urls), ==, 2);
    g_assert_cmpstr(config->webhook_urls[0], ==, "http://a/x");
    g_assert_cmpstr(config->webhook_urls[1], ==, "https://b:1");
    g_assert_cmpstr(config->state_dir, ==, "/var/lib/egress");
    g_assert_cmpstr(config->local_root, ==, "/out");
    g_assert_true(config->disallow_local_storage);
    g_assert_cmpint(config->io_create_timeout_ns, ==, 90 * EG_NS_PER_S);
    g_assert_cmpint(config->io_update_timeout_ns, ==, 250 * EG_NS_PER_MS);
    g_assert_cmpint(config->io_selection_timeout_ns, ==, EG_NS_PER_S);
    g_assert_cmpuint(config->video_encoder.threads, ==, 3);
    g_assert_cmpstr(config->video_encoder.h264, ==, "openh264");
    g_assert_cmpstr(config->video_encoder.preset, ==, "slow");
    g_assert_cmpstr(config->video_encoder.rate_control, ==, "variable");
    g_assert_cmpint(config->latency_ns, ==, 1500 * EG_NS_PER_MS);
    g_assert_cmpint(config->log_level, ==, EG_LOG_DEBUG);
    g_assert_true(config->log_json);
}

static void test_redis(void)
{
    g_autoptr(EgConfig) config = parse("redis:\n"
                                       "  address: '[::1]:6379'\n"
                                       "  username: user\n"
                                       "  password: 12\n"
                                       "  db: 7\n"
                                       "  tls:\n"
                                       "    enabled: true\n"
                                       "    insecure: on\n"
                                       "    server_name: redis.example\n"
                                       "    ca_cert_file: /ca\n"
                                       "    client_cert_file: /cert\n"
                                       "    client_key_file: /key\n"
                                       "  sentinel_master_name: main\n"
                                       "  sentinel_username: su\n"
                                       "  sentinel_password: sp\n"
                                       "  sentinel_addresses: [a:1, b.c:26379]\n"
                                       "  cluster_addresses:\n"
                                       "  - 10.0.0.1:7000\n"
                                       "  dial_timeout: 500\n"
                                       "  max_redirects: 5\n");
    const EgRedisConfig *redis = &config->redis;
    g_assert_cmpuint(config->warnings->len, ==, 0);
    g_assert_true(config->has_redis);
    g_assert_cmpstr(redis->address, ==, "[::1]:6379");
    g_assert_cmpstr(redis->username, ==, "user");
    g_assert_cmpstr(redis->password, ==, "12");
    g_assert_cmpuint(redis->db, ==, 7);
    g_assert_true(redis->tls.is_enabled);
    g_assert_true(redis->tls.is_insecure);
    g_assert_cmpstr(redis->tls.server_name, ==, "redis.example");
    g_assert_cmpstr(redis->tls.ca_cert_file, ==, "/ca");
    g_assert_cmpstr(redis->tls.client_cert_file, ==, "/cert");
    g_assert_cmpstr(redis->tls.client_key_file, ==, "/key");
    g_assert_cmpstr(redis->sentinel_master_name, ==, "main");
    g_assert_cmpstr(redis->sentinel_username, ==, "su");
    g_assert_cmpstr(redis->sentinel_password, ==, "sp");
    g_assert_cmpuint(g_strv_length(redis->sentinel_addresses), ==, 2);
    g_assert_cmpstr(redis->sentinel_addresses[1], ==, "b.c:26379");
    g_assert_cmpuint(g_strv_length(redis->cluster_addresses), ==, 1);
    g_assert_cmpstr(redis->cluster_addresses[0], ==, "10.0.0.1:7000");
    g_assert_cmpint(redis->dial_timeout_ns, ==, 500 * EG_NS_PER_MS);
    g_assert_cmpuint(redis->max_redirects, ==, 5);
}

/* What makes it a service with Redis, and which of two keys turns TLS on. */
static void test_redis_variants(void)
{
    static const struct {
        const char *yaml;
        bool has_redis;
        bool has_tls;
    } cases[] = {
        {"redis: {address: 'r:1'}",                                       true,  false},
        {"redis: {address: 'r:1', use_tls: true}",                        true,  true },
        {"redis: {address: 'r:1', use_tls: true, tls: {enabled: false}}", true,  true },
        {"redis: {address: 'r:1', tls: {enabled: false}, use_tls: true}", true,  true },
        {"redis: {address: 'r:1', use_tls: false, tls: {enabled: true}}", true,  true },
        {"redis: {address: 'r:1', tls: , use_tls: false}",                true,  false},
        {"redis: {cluster_addresses: ['r:1']}",                           true,  false},
        {"redis: {sentinel_master_name: m, sentinel_addresses: ['s:1']}", true,  false},
        {"redis:",                                                        false, false},
        {"redis: {}",                                                     false, false},
        {"redis: null",                                                   false, false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].yaml);
        g_autoptr(EgConfig) config = parse(cases[i].yaml);
        g_assert_cmpint(config->has_redis, ==, cases[i].has_redis);
        g_assert_cmpint(config->redis.tls.is_enabled, ==, cases[i].has_tls);
    }
}

static void test_costs_and_limits(void)
{
    g_autoptr(EgConfig) config = parse("cpu_cost:\n"
                                       "  max_cpu_utilization: 1\n"
                                       "  max_memory: 7.5\n"
                                       "  memory_cost: 1\n"
                                       "  room_composite_cpu_cost: 1.1\n"
                                       "  audio_room_composite_cpu_cost: 1.2\n"
                                       "  sdk_audio_room_composite_cpu_cost: 1.3\n"
                                       "  sdk_audio_room_composite_memory_cost: 2\n"
                                       "  web_cpu_cost: 1.4\n"
                                       "  audio_web_cpu_cost: 1.5\n"
                                       "  participant_cpu_cost: 1.6\n"
                                       "  track_composite_cpu_cost: 1.7\n"
                                       "  track_cpu_cost: 1e-2\n"
                                       "  memory_source: cgroup\n"
                                       "  memory_kill_grace_sec: 2\n"
                                       "  cpu_kill_grace_sec: 0\n"
                                       "session_limits:\n"
                                       "  file_output_max_duration: 90m\n"
                                       "  file_output_max_size: 9000000000\n"
                                       "  stream_output_max_duration: 2h\n"
                                       "  segment_output_max_duration: 3h\n"
                                       "  image_output_max_duration: 4h\n");
    const EgCostConfig *cost = &config->cost;
    g_assert_cmpuint(config->warnings->len, ==, 0);
    g_assert_cmpfloat(cost->max_cpu_utilization, ==, 1);
    g_assert_cmpint(cost->max_memory_bytes, ==, 15 * GB / 2);
    g_assert_cmpint(cost->memory_bytes, ==, GB);
    g_assert_cmpfloat(cost->room_composite, ==, 1.1);
    g_assert_cmpfloat(cost->audio_room_composite, ==, 1.2);
    g_assert_cmpfloat(cost->sdk_audio_room_composite, ==, 1.3);
    g_assert_cmpint(cost->sdk_audio_room_composite_memory_bytes, ==, 2 * GB);
    g_assert_cmpfloat(cost->web, ==, 1.4);
    g_assert_cmpfloat(cost->audio_web, ==, 1.5);
    g_assert_cmpfloat(cost->participant, ==, 1.6);
    g_assert_cmpfloat(cost->track_composite, ==, 1.7);
    g_assert_cmpfloat(cost->track, ==, 0.01);
    g_assert_true(cost->uses_cgroup_memory);
    g_assert_cmpint(cost->memory_kill_grace_ns, ==, 2 * EG_NS_PER_S);
    g_assert_cmpint(cost->cpu_kill_grace_ns, ==, 0);
    const gint64 hour_ns = 3600 * EG_NS_PER_S;
    g_assert_cmpint(config->limits.file_duration_ns, ==, hour_ns * 3 / 2);
    g_assert_cmpint(config->limits.file_size_bytes, ==, G_GINT64_CONSTANT(9000000000));
    g_assert_cmpint(config->limits.stream_duration_ns, ==, 2 * hour_ns);
    g_assert_cmpint(config->limits.segment_duration_ns, ==, 3 * hour_ns);
    g_assert_cmpint(config->limits.image_duration_ns, ==, 4 * hour_ns);
}

/* Nothing said in so many words. */
static void test_empty(void)
{
    static const char *const cases[] = {
        "",
        "\n",
        "# nothing\n",
        "---\n",
        "--- ~\n...\n",
        "null",
        "{}",
        "\xef\xbb\xbf# with a byte order mark\n",
        "io_create_timeout:\nio_update_timeout: ''\nlogging: ~\ncpu_cost: {web_cpu_cost: }\n",
        "io_create_timeout: 0\nio_update_timeout: 0s\nredis: {dial_timeout: 0, address: 'r:1'}",
        "cpu_cost: {web_cpu_cost: 0, max_cpu_utilization: 0.0}",
        "webhook: {urls: []}",
        "webhook: {urls: ['']}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i]);
        g_autoptr(EgConfig) config = parse(cases[i]);
        g_assert_cmpuint(config->warnings->len, ==, 0);
        g_assert_null(config->webhook_urls);
        g_assert_cmpint(config->io_create_timeout_ns, ==, 15 * EG_NS_PER_S);
        g_assert_cmpint(config->io_update_timeout_ns, ==, 30 * EG_NS_PER_S);
        g_assert_cmpint(config->redis.dial_timeout_ns, ==, 2 * EG_NS_PER_S);
        g_assert_cmpfloat(config->cost.web, ==, 4);
        g_assert_cmpfloat(config->cost.max_cpu_utilization, ==, 0.8);
    }
}

/* Aliases, flow style, block texts: YAML is more than lines with a colon. */
static void test_yaml_features(void)
{
    g_autoptr(EgConfig) config = parse("api_key: &name devkey\n"
                                       "api_secret: >-\n"
                                       "  folded\n"
                                       "  text\n"
                                       "cluster_id: *name\n"
                                       "session_limits: {file_output_max_duration: &long 1h,\n"
                                       "                 stream_output_max_duration: *long}\n"
                                       "\"health_port\": !!int 9090 # why not\n");
    g_assert_cmpuint(config->warnings->len, ==, 0);
    g_assert_cmpstr(config->api_key, ==, "devkey");
    g_assert_cmpstr(config->api_secret, ==, "folded text");
    g_assert_cmpstr(config->cluster_id, ==, "devkey");
    g_assert_cmpint(config->limits.file_duration_ns, ==, 3600 * EG_NS_PER_S);
    g_assert_cmpint(config->limits.stream_duration_ns, ==, 3600 * EG_NS_PER_S);
    g_assert_cmpuint(config->health_port, ==, 9090);
}

/* Flags of the browser have names that no table knows. */
static void test_flags(void)
{
    g_autoptr(EgConfig) config =
        parse("chrome_flags:\n  lang: de\n  disable-gpu: false\n"
              "  mute-audio: true\n  empty:\n"
              "display: x11\n"
              "web_allow: [10.0.0.0/8, 'fd00::/8', intern.example:8080]\n");
    g_autofree char *flags = g_strjoinv(" ", config->browser_flags);
    g_assert_cmpstr(flags, ==, "lang=de disable-gpu=false mute-audio=true empty=true");
    g_assert_true(config->uses_x11);
    g_assert_cmpuint(g_strv_length(config->web_allow), ==, 3);
    g_assert_cmpuint(config->warnings->len, ==, 0);
}

static void test_warnings(void)
{
    static const struct {
        const char *yaml;
        const char *warning; /* NULL: none */
    } cases[] = {
        {"\nhelth_port: 1",                               "x.yaml:2: unknown key helth_port: is health_port meant?"        },
        {"Api-Key: x",                                    "x.yaml:1: unknown key Api-Key: is api_key meant?"               },
        {"redis: {address: 'r:1',\n adress: x}",
         "x.yaml:2: unknown key redis.adress: is redis.address meant?"                                                     },
        {"redis: {address: 'r:1', tsl: {enabled: true}}",
         "x.yaml:1: unknown key redis.tsl: is redis.tls meant?"                                                            },
        {"logging: {colour: x}",                          "x.yaml:1: unknown key logging.colour"                           },
        {"sesion_limits: {file_output_max_duration: 1h}",
         "x.yaml:1: unknown key sesion_limits: is session_limits meant?"                                                   },
        {"max_memory: 1",                                 "x.yaml:1: unknown key max_memory: is cpu_cost.max_memory meant?"},
        {"redis.address: r:1",
         "x.yaml:1: unknown key with a dot: redis.address is a key below its section"                                      },
        {"entirely_different: [1, {2: 3}]",               "x.yaml:1: unknown key entirely_different"                       },
        {"'a\\x1b\"\xc3\xa9': 1",                         "x.yaml:1: unknown key a\\x1b\"\xc3\xa9"                         },
        {"\"a\\e[1m\": 1",                                "x.yaml:1: unknown key a?[1m"                                    },
        {"enable_chrome_sandbox: true",                   NULL                                                             },
        {"template_port: 7980",                           NULL                                                             },
        {"template_port: 80",                             NULL                                                             },
        {"pulse_sink_reap_grace_sec: 5",
         "x.yaml:1: pulse_sink_reap_grace_sec: has no effect: each egress has a sound daemon of its own"                   },
        {"chrome_flags: {}",                              NULL                                                             },
        {"backup_storage: /x",
         "x.yaml:1: backup_storage: has no effect: its name is backup, with the keys of a store"                           },
        {"storage:",                                      NULL                                                             },
        {"debug: {enable_profiling: true}",
         "x.yaml:1: debug.enable_profiling: not supported: debug_handler_port shows what there is"                         },
        {"latency: {jitter_buffer_latency: 4s}",
         "x.yaml:1: latency.jitter_buffer_latency: has no effect: latency.max_wait is the only wait"                       },
        {"io_workers: 9",
         "x.yaml:1: io_workers: has no effect: no update waits for another egress's"                                       },
        {"s3_assume_role_secret: hidden",                 NULL                                                             },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].yaml);
        g_autoptr(EgConfig) config = parse(cases[i].yaml);
        g_assert_cmpuint(config->warnings->len, ==, cases[i].warning != NULL ? 1 : 0);
        if (cases[i].warning != NULL)
            g_assert_cmpstr(config->warnings->pdata[0], ==, cases[i].warning);
    }
}

static void test_long_key(void)
{
    g_autofree char *name = g_strnfill(1000, 'n');
    g_autofree char *yaml = g_strdup_printf("? %s\n: 1\n", name);
    g_autoptr(EgConfig) config = parse(yaml);
    g_assert_cmpuint(config->warnings->len, ==, 1);
    g_assert_cmpuint(strlen(config->warnings->pdata[0]), <, 120);
}

static void assert_refused(const char *yaml, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(eg_config_parse(yaml, "x.yaml", NULL, &error));
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, text);
}

static void test_wrong_values(void)
{
    static const struct {
        const char *yaml;
        const char *text;
    } cases[] = {
        {"\n\nhealth_port: eighty",
         "x.yaml:3: health_port must be a whole number, from 0 to 65535, not eighty"                                            },
        {"health_port: 65536",
         "x.yaml:1: health_port must be a whole number, from 0 to 65535, not 65536"                                             },
        {"health_port: -1",
         "x.yaml:1: health_port must be a whole number, from 0 to 65535, not -1"                                                },
        {"health_port: 1.5",
         "x.yaml:1: health_port must be a whole number, from 0 to 65535, not 1.5"                                               },
        {"health_port: 0x50",
         "x.yaml:1: health_port must be a whole number, from 0 to 65535, not 0x50"                                              },
        {"health_port: 99999999999999999999",
         "x.yaml:1: health_port must be a whole number, from 0 to 65535, not 99999999999999999999"                              },
        {"health_port:\n - 1",                              "x.yaml:2: health_port must be a whole number, from 0 to 65535"     },
        {"http_port: 0",                                    "x.yaml:1: http_port must be a whole number, from 1 to 65535, not 0"},
        {"video_encoder: {h264: qsv}",
         "x.yaml:1: video_encoder.h264 must be one of x264, openh264, va, nvenc, not qsv"                                       },
        {"disallow_local_storage: maybe",
         "x.yaml:1: disallow_local_storage must be true or false, not maybe"                                                    },
        {"disallow_local_storage: 1",
         "x.yaml:1: disallow_local_storage must be true or false, not 1"                                                        },
        {"io_create_timeout: 15",
         "x.yaml:1: io_create_timeout must be a time like 500ms, 15s or 1h30m, from 0.001 to "
         "3600s, not 15"                                                                                                        },
        {"io_create_timeout: -1s",
         "x.yaml:1: io_create_timeout must be a time like 500ms, 15s or 1h30m, from 0.001 to "
         "3600s, not -1s"                                                                                                       },
        {"session_limits: {file_output_max_duration: -1h}",
         "x.yaml:1: session_limits.file_output_max_duration must be a time like 500ms, 15s or "
         "1h30m, at least 0s, not -1h"                                                                                          },
        {"session_limits: {file_output_max_size: -1}",
         "x.yaml:1: session_limits.file_output_max_size must be a whole number, at least 0 "
         "(bytes), not -1"                                                                                                      },
        {"latency: {max_wait: 20ms}",
         "x.yaml:1: latency.max_wait must be a time like 500ms, 15s or 1h30m, from 0.1 to 10s, "
         "not 20ms"                                                                                                             },
        {"latency: 2s",                                     "x.yaml:1: latency must have keys below it"                         },
        {"redis: r:6379",                                   "x.yaml:1: redis must have keys below it"                           },
        {"- a",                                             "x.yaml:1: the configuration must have keys below it"               },
        {"a",                                               "x.yaml:1: the configuration must have keys below it"               },
        {"cpu_cost: {web_cpu_cost: nan}",
         "x.yaml:1: cpu_cost.web_cpu_cost must be a number, from 0.001 to 1024, not nan"                                        },
        {"cpu_cost: {web_cpu_cost: -2}",
         "x.yaml:1: cpu_cost.web_cpu_cost must be a number, from 0.001 to 1024, not -2"                                         },
        {"cpu_cost: {max_cpu_utilization: 80}",
         "x.yaml:1: cpu_cost.max_cpu_utilization must be a number, from 0.01 to 10, not 80"                                     },
        {"cpu_cost: {max_memory: 1e300}",
         "x.yaml:1: cpu_cost.max_memory must be a number, at least 0 (GB), not 1e300"                                           },
        {"cpu_cost: {memory_source: rss}",
         "x.yaml:1: cpu_cost.memory_source must be one of proc_rss, cgroup, not rss"                                            },
        {"cpu_cost: {cpu_kill_grace_sec: 1h}",
         "x.yaml:1: cpu_cost.cpu_kill_grace_sec must be a whole number, from 0 to 3600 (seconds), "
         "not 1h"                                                                                                               },
        {"logging: {level: loud}",
         "x.yaml:1: logging.level must be one of error, warn, info, debug, not loud"                                            },
        {"template_base: ws://x",                           "x.yaml:1: template_base must be an http or https URL"              },
        {"display: mir",                                    "x.yaml:1: display must be one of wayland, x11, not mir"            },
        {"web_allow: [10.0.0.0/99]",
         "x.yaml:1: web_allow must be a list of host, host:port, networks like 10.0.0.0/8, or *"                                },
        {"chrome_flags: [a]",
         "x.yaml:1: chrome_flags must be names of flags without dashes, each with a value, true or false"                       },
        {"chrome_flags: {'--a': b}",
         "x.yaml:1: chrome_flags must be names of flags without dashes, each with a value, true or false"                       },
        {"ws_url: localhost:7880",                          "x.yaml:1: ws_url must be a ws, wss, http or https URL"             },
        {"ws_url: 'ws://'",                                 "x.yaml:1: ws_url must be a ws, wss, http or https URL"             },
        {"webhook: {urls: http://a}",
         "x.yaml:1: webhook.urls must be a list of http or https URLs"                                                          },
        {"webhook: {urls: [http://a, 'ws://b']}",
         "x.yaml:1: webhook.urls must be a list of http or https URLs"                                                          },
        {"http_address: 0.0.0.0:7981",
         "x.yaml:1: http_address must be a host name or address without port"                                                   },
        {"local_root: recordings",                          "x.yaml:1: local_root must be a path that begins with /"            },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].yaml);
        assert_refused(cases[i].yaml, cases[i].text);
    }
}

/* The service must not take itself for one without Redis because of a slip. */
static void test_wrong_redis(void)
{
    static const struct {
        const char *yaml;
        const char *text;
    } cases[] = {
        {"redis: {address: redis}",                               "x.yaml:1: redis.address must be host:port"},
        {"redis: {address: 'redis:0'}",                           "x.yaml:1: redis.address must be host:port"},
        {"redis: {address: 'redis:+1'}",                          "x.yaml:1: redis.address must be host:port"},
        {"redis: {address: '::1:6379'}",                          "x.yaml:1: redis.address must be host:port"},
        {"redis: {address: ':6379'}",                             "x.yaml:1: redis.address must be host:port"},
        {"redis: {address: 'redis://u:pw@redis:6379'}",
         "x.yaml:1: redis.address must be host:port"                                                         },
        {"redis: {cluster_addresses: [a]}",
         "x.yaml:1: redis.cluster_addresses must be a list of host:port"                                     },
        {"\nredis:\n  adress: 'r:1'\n",
         "x.yaml:3: redis needs address, sentinel_addresses or cluster_addresses; without Redis "
         "there must be no such section"                                                                     },
        {"redis: {address: ''}",
         "x.yaml:1: redis needs address, sentinel_addresses or cluster_addresses; without Redis "
         "there must be no such section"                                                                     },
        {"redis: {sentinel_addresses: ['r:1']}",
         "x.yaml:1: redis.sentinel_addresses needs redis.sentinel_master_name"                               },
        {"redis: {address: 'r:1', tls: {client_key_file: /key}}",
         "x.yaml:1: redis.tls.client_cert_file and client_key_file belong together"                          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].yaml);
        assert_refused(cases[i].yaml, cases[i].text);
    }
}

/* What an error says may end up in a log. */
static void test_secrets_stay(void)
{
    static const char *const cases[] = {
        "api_secret: [hidden]",
        "api_secret: {a: hidden}",
        "redis: {password: [hidden]}",
        "redis: {address: 'redis://:hidden@redis'}",
        "ws_url: ftp://user:hidden@host",
        "api_secret: hidden: x",
        "api_secret: 'hidden",
        "api_secret: hidden\napi_secret: hidden\n",
        "api_secret: *hidden",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i]);
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_config_parse(cases[i], "x.yaml", NULL, &error));
        g_assert_null(strstr(error->message, "hidden"));
    }
}

static void test_no_yaml(void)
{
    static const struct {
        const char *yaml;
        const char *text;
    } cases[] = {
        {"a: b: c",                    "x.yaml:1: mapping values are not allowed in this context"},
        {"a:\n\tb: 1",                 "x.yaml:2: found character that cannot start any token"   },
        {"a: 1\na: 2\n",               "x.yaml:2: a is there twice, first in line 1"             },
        {"redis:\n  db: 1\n  'db': 2", "x.yaml:3: db is there twice, first in line 2"            },
        {"a: *b",                      "x.yaml:1: an alias of nothing above it"                  },
        {"a: &b [*b]",                 "x.yaml:1: an alias inside of what it names"              },
        {"a: &b {c: *b}",              "x.yaml:1: an alias inside of what it names"              },
        {"[a]: b",                     "x.yaml:1: a key must be a word"                          },
        {"d: &d {a: 1}\ne:\n  <<: *d",
         "x.yaml:3: merging with << is not supported: write the keys out"                        },
        {"a: \"x\\0y\"",               "x.yaml:1: a NUL inside of a value"                       },
        {"a: 1\nb: \xff\n",            "x.yaml:2: not UTF-8"                                     },
        {"a: 1\n---\nb: 2\n",          "x.yaml:2: a second document: there may be one only"      },
        {"a: \x01",                    "x.yaml:1: control characters are not allowed"            },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        assert_refused(cases[i].yaml, cases[i].text);
    }
}

static char *repeat(const char *what, gsize n)
{
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < n; i++)
        g_string_append(text, what);
    return g_string_free(text, FALSE);
}

/* What is meant to exhaust: it is refused, before it has cost much. */
static void test_hostile(void)
{
    static const struct {
        const char *what;
        gsize n;
        const char *text;
    } cases[] = {
        {"[",           200000, "nested too deeply"          },
        {"{a: ",        50000,  "nested too deeply"          },
        {"- ",          100000, "nested too deeply"          },
        {"? ",          100000, "nested too deeply"          },
        {"- &a a\n",    30000,  "too many values"            },
        {"- a\n",       60000,  "too many values"            },
        {"a: b\n",      50000,  "a is there twice"           },
        {"a",           300000, "too long: more than 256 KiB"},
        {"# comment\n", 30000,  "too long: more than 256 KiB"},
        {"---\n",       50000,  "a second document"          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].text);
        g_autofree char *yaml = repeat(cases[i].what, cases[i].n);
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_config_parse(yaml, "x.yaml", NULL, &error));
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, cases[i].text));
    }
}

/* Each line names the one before ten times over: written out, it would fill any memory. */
static void test_alias_bomb(void)
{
    GString *yaml = g_string_new("a0: &a0 [x]\n");
    for (guint i = 1; i < 100; i++) {
        g_string_append_printf(yaml, "a%u: &a%u [", i, i);
        for (guint n = 0; n < 10; n++)
            g_string_append_printf(yaml, "*a%u, ", i - 1);
        g_string_append(yaml, "]\n");
    }
    g_autoptr(EgConfig) config = parse(yaml->str);
    g_assert_cmpuint(config->warnings->len, ==, 100);
    g_string_append(yaml, "webhook: {urls: *a99}\n");
    assert_refused(yaml->str, "x.yaml:99: webhook.urls must be a list of http or https URLs");
    g_string_free(yaml, TRUE);
}

static void test_tree(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(EgYaml) yaml = eg_yaml_parse("a: [1, '~', ~]\nb: {c: d}\n", "x.yaml", &error);
    g_assert_no_error(error);
    const EgYamlNode *root = eg_yaml_root(yaml);
    const EgYamlNode *list = eg_yaml_get(root, "a");
    g_assert_cmpint(list->kind, ==, EG_YAML_LIST);
    g_assert_cmpuint(list->values->len, ==, 3);
    g_assert_false(eg_yaml_is_null(list));
    g_assert_false(eg_yaml_is_null(list->values->pdata[1]));
    g_assert_true(eg_yaml_is_null(list->values->pdata[2]));
    const EgYamlNode *leaf = eg_yaml_get(eg_yaml_get(root, "b"), "c");
    g_assert_cmpstr(leaf->text, ==, "d");
    g_assert_cmpuint(leaf->line, ==, 2);
    g_assert_null(eg_yaml_get(root, "c"));
    g_assert_null(eg_yaml_get(list, "c"));
    g_assert_null(eg_yaml_get(NULL, "c"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/yaml/top", test_top);
    g_test_add_func("/config/yaml/redis", test_redis);
    g_test_add_func("/config/yaml/redis-variants", test_redis_variants);
    g_test_add_func("/config/yaml/costs-and-limits", test_costs_and_limits);
    g_test_add_func("/config/yaml/empty", test_empty);
    g_test_add_func("/config/yaml/features", test_yaml_features);
    g_test_add_func("/config/yaml/flags", test_flags);
    g_test_add_func("/config/yaml/warnings", test_warnings);
    g_test_add_func("/config/yaml/long-key", test_long_key);
    g_test_add_func("/config/yaml/wrong-values", test_wrong_values);
    g_test_add_func("/config/yaml/wrong-redis", test_wrong_redis);
    g_test_add_func("/config/yaml/secrets-stay", test_secrets_stay);
    g_test_add_func("/config/yaml/no-yaml", test_no_yaml);
    g_test_add_func("/config/yaml/hostile", test_hostile);
    g_test_add_func("/config/yaml/alias-bomb", test_alias_bomb);
    g_test_add_func("/config/yaml/tree", test_tree);
    return g_test_run();
}
