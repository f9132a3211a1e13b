/* The table of keys against the pages that people read: docs/CONFIG.md and docs/egress.yaml. */
#include "config/keys.h"

#include <string.h>

#include "config/value.h"

static char *read_doc(const char *name)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "..", "docs", name, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

/* path -> char ** of the cells default, read, meaning. Of the rows `| `path` | ... |` of tables
 * with four columns. */
static GHashTable *read_rows(void)
{
    GHashTable *rows =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_strfreev);
    g_autofree char *text = read_doc("CONFIG.md");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++) {
        g_auto(GStrv) cells = g_strsplit(*line, "|", -1);
        if (!g_str_has_prefix(*line, "| `") || g_strv_length(cells) != 6)
            continue;
        for (char **cell = cells; *cell != NULL; cell++)
            g_strstrip(*cell);
        gsize length = strlen(cells[1]);
        g_assert_cmpint(cells[1][length - 1], ==, '`');
        char *path = g_strndup(cells[1] + 1, length - 2);
        g_test_message("row %s", path);
        g_assert_true(g_hash_table_insert(rows, path, g_strdupv(cells + 2)));
    }
    return rows;
}

static void check_documented(const EgConfigTable *table, const char *prefix, GHashTable *rows)
{
    for (guint i = 0; i < table->n_keys; i++) {
        const EgConfigKey *key = &table->keys[i];
        g_autofree char *path = g_strconcat(prefix, key->path, NULL);
        g_test_message("key %s", path);
        char **cells = g_hash_table_lookup(rows, path);
        g_assert_nonnull(cells);
        g_assert_cmpstr(cells[0], ==, key->standard != NULL ? key->standard : "");
        const char *read = key->is_ours ? "new" : "yes";
        g_assert_cmpstr(cells[1], ==, key->unused_because != NULL ? "no" : read);
    }
}

static void test_documented(void)
{
    g_autoptr(GHashTable) rows = read_rows();
    check_documented(eg_config_keys(), "", rows);
    check_documented(eg_storage_keys(), "storage.", rows);
    g_assert_cmpuint(g_hash_table_size(rows), ==,
                     eg_config_keys()->n_keys + eg_storage_keys()->n_keys);
}

static void test_sample(void)
{
    g_autofree char *yaml = read_doc("egress.yaml");
    g_autoptr(GError) error = NULL;
    g_autoptr(EgConfig) config = eg_config_parse(yaml, "egress.yaml", NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(config->warnings->len, ==, 0);
    g_assert_true(config->has_redis);
    g_assert_cmpstr(config->redis.address, ==, "localhost:6379");
    g_assert_cmpstr(config->ws_url, ==, "ws://localhost:7880");
    g_assert_cmpstr(config->api_key, ==, "devkey");
    g_assert_cmpstr(config->api_secret, ==, "secret");
}

/* The store that a key is of; what all have in common is of none. */
static char *store_of(const char *path)
{
    const char *dot = strchr(path, '.');
    return g_strndup(path, dot != NULL ? (gsize)(dot - path) : 0);
}

/* Every block of YAML is a configuration whose keys are known, and there is one for each store. */
static void test_examples(void)
{
    static const char fence[] = "\n```yaml\n";
    bool has_example[EG_N_STORES] = {false};
    g_autofree char *text = read_doc("CONFIG.md");
    for (const char *block = text; (block = strstr(block, fence)) != NULL;) {
        block += strlen(fence);
        g_autofree char *example = g_strndup(block, (gsize)(strstr(block, "```") - block));
        g_autofree char *yaml =
            g_strconcat("ws_url: ws://localhost\napi_key: k\napi_secret: s\n", example, NULL);
        g_autoptr(GError) error = NULL;
        g_test_message("%s", example);
        g_autoptr(EgConfig) config = eg_config_parse(yaml, "CONFIG.md", NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(config->warnings->len, ==, 0);
        if (config->storage != NULL)
            has_example[config->storage->kind] = true;
    }
    for (EgStoreKind kind = EG_STORE_S3; kind < EG_N_STORES; kind++)
        g_assert_true(has_example[kind]);
}

/* A row that is found once, at no other's place, and says why it is not used or where it goes. */
static void check_table(const EgConfigTable *table, bool is_of_stores)
{
    g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < table->n_keys; i++) {
        const EgConfigKey *key = &table->keys[i];
        g_test_message("key %s", key->path);
        g_assert_true(eg_config_key_find(table, key->path) == key);
        g_assert_false(eg_config_key_is_section(table, key->path));
        g_assert_cmpint(key->kind, !=, EG_KEY_NONE);
        if (key->kind == EG_KEY_ANYTHING) {
            g_assert_nonnull(key->unused_because);
            continue;
        }
        g_autofree char *store = is_of_stores ? store_of(key->path) : g_strdup("");
        char *place = g_strdup_printf("%s %zu", store, key->offset);
        bool is_second = strcmp(key->path, "redis.tls.enabled") == 0;
        g_assert_cmpint(g_hash_table_add(places, place), !=, is_second);
    }
}

static void test_table(void)
{
    const EgConfigTable *table = eg_config_keys();
    check_table(table, false);
    check_table(eg_storage_keys(), true);
    g_assert_true(eg_config_key_is_section(table, "redis"));
    g_assert_true(eg_config_key_is_section(table, "redis.tls"));
    g_assert_false(eg_config_key_is_section(table, "red"));
    g_assert_false(eg_config_key_is_section(table, ""));
    g_assert_null(eg_config_key_find(table, "redis"));
    g_assert_true(eg_config_key_is_section(eg_storage_keys(), "s3.proxy_config"));
}

/* What the table says is taken is what a new store has. */
static void test_store_standards(void)
{
    const EgConfigTable *table = eg_storage_keys();
    g_autoptr(EgStorage) fresh = eg_storage_new(EG_STORE_S3);
    g_autoptr(EgStorage) set = eg_storage_new(EG_STORE_S3);
    set->max_attempts = 0;
    set->min_retry_delay_ns = set->max_retry_delay_ns = 0;
    for (guint i = 0; i < table->n_keys; i++) {
        if (table->keys[i].standard != NULL)
            g_assert_true(eg_config_value_set(set, &table->keys[i], table->keys[i].standard));
    }
    g_assert_cmpuint(set->max_attempts, ==, fresh->max_attempts);
    g_assert_cmpint(set->min_retry_delay_ns, ==, fresh->min_retry_delay_ns);
    g_assert_cmpint(set->max_retry_delay_ns, ==, fresh->max_retry_delay_ns);
}

static void test_nearest(void)
{
    static const struct {
        const char *path;
        const char *nearest;
    } cases[] = {
        {"api_kay",                             "api_key"                                },
        {"apikey",                              "api_key"                                },
        {"reddis",                              "redis"                                  },
        {"redis.tls.enable",                    "redis.tls.enabled"                      },
        {"cpu_cost.track_cpu_cots",             "cpu_cost.track_cpu_cost"                },
        {"cpu_cost.participant",                NULL                                     },
        {"level",                               "logging.level"                          },
        {"redis.tls.address",                   "redis.address"                          },
        {"x",                                   NULL                                     },
        {"",                                    NULL                                     },
        {"completely_other",                    NULL                                     },
        {"session_limits.file_output_duration", "session_limits.file_output_max_duration"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].path);
        g_autofree char *nearest = eg_config_key_nearest(eg_config_keys(), cases[i].path);
        g_assert_cmpstr(nearest, ==, cases[i].nearest);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/keys/documented", test_documented);
    g_test_add_func("/config/keys/sample", test_sample);
    g_test_add_func("/config/keys/examples", test_examples);
    g_test_add_func("/config/keys/table", test_table);
    g_test_add_func("/config/keys/store-standards", test_store_standards);
    g_test_add_func("/config/keys/nearest", test_nearest);
    return g_test_run();
}
