#include "config/config-yaml.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "config/keys.h"
#include "config/value.h"

typedef struct {
    EgConfig *config; /* for its warnings */
    const char *source;
    const EgConfigTable *table;
    void *owner;        /* where the keys of the table go */
    const char *prefix; /* what is in front of their paths: "", "storage." */
} Reader;

G_GNUC_PRINTF(3, 4)
static void warn(Reader *reader, const EgYamlNode *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_ptr_array_add(reader->config->warnings,
                    g_strdup_printf("%s:%u: %s", reader->source, node->line, text));
}

static bool fail(Reader *reader, const EgYamlNode *node, const EgConfigKey *key, GError **error)
{
    g_autofree char *wanted = eg_config_value_wanted(key);
    g_autofree char *value = NULL;
    if (node->kind == EG_YAML_SCALAR && eg_config_value_is_public(key))
        value = eg_yaml_shown(node->text);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "%s:%u: %s%s must be %s%s%s",
                 reader->source, node->line, reader->prefix, key->path, wanted,
                 value != NULL ? ", not " : "", value != NULL ? value : "");
    return false;
}

/* What has names that nobody but the user knows. */
static bool is_open_section(const EgConfigKey *key)
{
    return key->kind == EG_KEY_FLAGS || key->kind == EG_KEY_PAIRS;
}

static void add_entry(const EgConfigKey *key, const EgYamlNode *node, guint i, GPtrArray *texts)
{
    const EgYamlNode *value = node->values->pdata[i];
    if (key->kind == EG_KEY_PAIRS) {
        g_ptr_array_add(texts, g_strdup(node->keys->pdata[i]));
        g_ptr_array_add(texts, g_strdup(eg_yaml_is_null(value) ? "" : value->text));
    } else if (key->kind == EG_KEY_FLAGS) {
        const char *text = eg_yaml_is_null(value) ? "true" : value->text;
        g_ptr_array_add(texts, g_strconcat(node->keys->pdata[i], "=", text, NULL));
    } else if (*value->text != '\0' || key->kind == EG_KEY_TEXTS) {
        g_ptr_array_add(texts, g_strdup(value->text));
    }
}

static bool read_list(Reader *reader, const EgConfigKey *key, const EgYamlNode *node,
                      GError **error)
{
    if (node->kind != (is_open_section(key) ? EG_YAML_SECTION : EG_YAML_LIST))
        return fail(reader, node, key, error);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < node->values->len; i++) {
        const EgYamlNode *value = node->values->pdata[i];
        if (value->kind != EG_YAML_SCALAR)
            return fail(reader, value, key, error);
        add_entry(key, node, i, texts);
    }
    g_ptr_array_add(texts, NULL);
    char **list = (char **)g_ptr_array_steal(texts, NULL);
    return eg_config_value_set_list(reader->owner, key, list) || fail(reader, node, key, error);
}

/* What is not used is worth a word only where it asks for something. */
static void warn_if_unused(Reader *reader, const EgConfigKey *key, const EgYamlNode *node)
{
    if (key->unused_because == NULL)
        return;
    bool is_standard = node->kind == EG_YAML_SCALAR &&
                       (*node->text == '\0' || g_strcmp0(node->text, key->standard) == 0);
    bool is_empty = node->kind != EG_YAML_SCALAR && node->values->len == 0;
    if (!is_standard && !is_empty)
        warn(reader, node, "%s: %s", key->path, key->unused_because);
}

static bool read_storage(Reader *reader, const EgConfigKey *key, const EgYamlNode *node,
                         GError **error);

static bool read_value(Reader *reader, const EgConfigKey *key, const EgYamlNode *node,
                       GError **error)
{
    if (eg_yaml_is_null(node))
        return true;
    warn_if_unused(reader, key, node);
    if (key->kind == EG_KEY_ANYTHING)
        return true;
    if (key->kind == EG_KEY_STORAGE)
        return read_storage(reader, key, node, error);
    if (eg_config_key_is_list(key))
        return read_list(reader, key, node, error);
    return (node->kind == EG_YAML_SCALAR && eg_config_value_set(reader->owner, key, node->text)) ||
           fail(reader, node, key, error);
}

static void warn_unknown(Reader *reader, const char *path, const EgYamlNode *node)
{
    const char *prefix = reader->prefix;
    g_autofree char *name = eg_yaml_shown(path);
    g_autofree char *nearest = eg_config_key_nearest(reader->table, path);
    if (g_strcmp0(nearest, path) == 0)
        warn(reader, node, "unknown key with a dot: %s%s is a key below its section", prefix, name);
    else if (nearest != NULL)
        warn(reader, node, "unknown key %s%s: is %s%s meant?", prefix, name, prefix, nearest);
    else
        warn(reader, node, "unknown key %s%s", prefix, name);
}

/* Goes as deep as the table does, whatever aliases the document has. `path` is "" at the root. */
static bool read_section(Reader *reader, const EgYamlNode *section, const char *path,
                         GError **error)
{
    if (eg_yaml_is_null(section))
        return true;
    if (section->kind != EG_YAML_SECTION) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "%s:%u: %s%s must have keys below it", reader->source, section->line,
                     reader->prefix, *path != '\0' ? path : "the configuration");
        return false;
    }
    for (guint i = 0; i < section->keys->len; i++) {
        const char *name = section->keys->pdata[i];
        const EgYamlNode *node = section->values->pdata[i];
        g_autofree char *below = g_strconcat(path, *path != '\0' ? "." : "", name, NULL);
        /* Not the path as we write it, but one key. */
        const EgConfigKey *key =
            strchr(name, '.') == NULL ? eg_config_key_find(reader->table, below) : NULL;
        bool is_section =
            strchr(name, '.') == NULL && eg_config_key_is_section(reader->table, below);
        if (key != NULL && !read_value(reader, key, node, error))
            return false;
        if (is_section && !read_section(reader, node, below, error))
            return false;
        if (key == NULL && !is_section)
            warn_unknown(reader, below, node);
    }
    return true;
}

/* The one of which there is a section; LOCAL if there is none. */
static bool find_store(Reader *reader, const EgConfigKey *key, const EgYamlNode *node,
                       EgStoreKind *store, GError **error)
{
    *store = EG_STORE_LOCAL;
    for (EgStoreKind i = EG_STORE_LOCAL + 1; i < EG_N_STORES; i++) {
        const EgYamlNode *section = eg_yaml_get(node, eg_store_kind_name(i));
        if (section == NULL || eg_yaml_is_null(section))
            continue;
        if (*store != EG_STORE_LOCAL) {
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                         "%s:%u: %s can be one store: %s or %s", reader->source, section->line,
                         key->path, eg_store_kind_name(*store), eg_store_kind_name(i));
            return false;
        }
        *store = i;
    }
    return true;
}

static bool read_storage(Reader *reader, const EgConfigKey *key, const EgYamlNode *node,
                         GError **error)
{
    EgStoreKind store;
    if (node->kind != EG_YAML_SECTION)
        return fail(reader, node, key, error);
    if (!find_store(reader, key, node, &store, error))
        return false;
    g_autoptr(EgStorage) storage = eg_storage_new(store);
    g_autofree char *prefix = g_strconcat(key->path, ".", NULL);
    Reader inner = *reader;
    inner.table = eg_storage_keys();
    inner.owner = storage;
    inner.prefix = prefix;
    if (!read_section(&inner, node, "", error))
        return false;
    /* A section without anything in it says nothing. */
    if (store != EG_STORE_LOCAL || storage->prefix != NULL || storage->generate_presigned_url)
        G_STRUCT_MEMBER(EgStorage *, reader->owner, key->offset) = g_steal_pointer(&storage);
    return true;
}

bool eg_config_read_yaml(EgConfig *config, const EgYaml *yaml, const char *source, GError **error)
{
    Reader reader = {
        .config = config,
        .source = source,
        .table = eg_config_keys(),
        .owner = config,
        .prefix = "",
    };
    const EgYamlNode *root = eg_yaml_root(yaml);
    return root == NULL || read_section(&reader, root, "", error);
}
