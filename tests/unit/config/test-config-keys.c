/* The table of keys against the pages that people read: docs/CONFIG.md and docs/egress.yaml. */
#include "config/keys.h"

#include <string.h>

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

static void test_documented(void)
{
    g_autoptr(GHashTable) rows = read_rows();
    guint n_keys;
    const EgConfigKey *keys = eg_config_keys(&n_keys);
    for (guint i = 0; i < n_keys; i++) {
        g_test_message("key %s", keys[i].path);
        char **cells = g_hash_table_lookup(rows, keys[i].path);
        g_assert_nonnull(cells);
        const char *standard = keys[i].standard;
        g_assert_cmpstr(cells[0], ==, standard != NULL ? standard : "");
        const char *read = keys[i].is_ours ? "new" : "yes";
        g_assert_cmpstr(cells[1], ==, keys[i].unused_because != NULL ? "no" : read);
    }
    g_assert_cmpuint(g_hash_table_size(rows), ==, n_keys);
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

/* A row that is found once, at no other's place, and says why it is not used or where it goes. */
static void test_table(void)
{
    g_autoptr(GHashTable) offsets = g_hash_table_new(NULL, NULL);
    guint n_keys;
    const EgConfigKey *keys = eg_config_keys(&n_keys);
    for (guint i = 0; i < n_keys; i++) {
        g_test_message("key %s", keys[i].path);
        g_assert_true(eg_config_key_find(keys[i].path) == &keys[i]);
        g_assert_false(eg_config_key_is_section(keys[i].path));
        g_assert_cmpint(keys[i].kind, !=, EG_KEY_NONE);
        if (keys[i].kind == EG_KEY_ANYTHING) {
            g_assert_nonnull(keys[i].unused_because);
            continue;
        }
        bool is_second = strcmp(keys[i].path, "redis.tls.enabled") == 0;
        g_assert_cmpint(g_hash_table_add(offsets, GSIZE_TO_POINTER(keys[i].offset)), !=, is_second);
    }
    g_assert_true(eg_config_key_is_section("redis"));
    g_assert_true(eg_config_key_is_section("redis.tls"));
    g_assert_false(eg_config_key_is_section("red"));
    g_assert_false(eg_config_key_is_section(""));
    g_assert_null(eg_config_key_find("redis"));
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
        g_autofree char *nearest = eg_config_key_nearest(cases[i].path);
        g_assert_cmpstr(nearest, ==, cases[i].nearest);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/keys/documented", test_documented);
    g_test_add_func("/config/keys/sample", test_sample);
    g_test_add_func("/config/keys/table", test_table);
    g_test_add_func("/config/keys/nearest", test_nearest);
    return g_test_run();
}
