/* Configurations: whatever the text, there is a configuration within its bounds, or an error that
 * names a line. */
#include "config/config.h"

#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* "fuzz:12: ...", on one line that a terminal can show. */
static void check_message(const char *message)
{
    g_assert_true(g_str_has_prefix(message, "fuzz:"));
    g_assert_cmpint(g_ascii_strtoll(message + strlen("fuzz:"), NULL, 10), >, 0);
    g_assert_true(g_utf8_validate(message, -1, NULL));
    for (const char *c = message; *c != '\0'; c++)
        g_assert_false(g_ascii_iscntrl(*c));
}

static void check_storage(const EgStorage *storage)
{
    gsize member = 0;
    const char *wanted = NULL;
    if (storage == NULL)
        return;
    g_assert_cmpint(storage->kind, !=, EG_STORE_NONE);
    g_assert_true(eg_storage_check(storage, &member, &wanted));
    g_assert_cmpuint(storage->max_attempts, >=, 1);
    g_assert_true(storage->min_retry_delay_ns > 0 &&
                  storage->min_retry_delay_ns <= storage->max_retry_delay_ns);
    g_assert_cmpint(storage->kind != EG_STORE_LOCAL, ==, storage->bucket != NULL);
}

static void check_config(const EgConfig *config)
{
    g_assert_cmpuint(config->http_port, >=, 1);
    g_assert_cmpuint(config->http_port, <=, 65535);
    g_assert_cmpuint(config->health_port, <=, 65535);
    g_assert_cmpint(config->io_create_timeout_ns, >, 0);
    g_assert_cmpint(config->limits.file_duration_ns, >=, 0);
    g_assert_cmpint(config->latency_ns, >=, 100 * EG_NS_PER_MS);
    g_assert_true(config->cost.max_cpu_utilization > 0 && config->cost.max_cpu_utilization <= 1);
    g_assert_true(config->cost.track > 0 && config->cost.track <= 1024);
    g_assert_cmpint(config->cost.max_memory_bytes, >=, 0);
    check_storage(config->storage);
    check_storage(config->backup);
    if (config->has_redis) {
        g_assert_true(config->redis.address != NULL || config->redis.cluster_addresses != NULL ||
                      config->redis.sentinel_master_name != NULL);
    }
    for (guint i = 0; i < config->warnings->len; i++)
        check_message(config->warnings->pdata[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(EgConfig) config = eg_config_parse(text, "fuzz", NULL, &error);
    g_assert_cmpint(config == NULL, ==, error != NULL);
    if (config != NULL) {
        check_config(config);
    } else {
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        check_message(error->message);
    }
    return 0;
}
