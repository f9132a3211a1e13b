#include "config/config-yaml.h"

#include <stdarg.h>
#include <string.h>

#include "base/error.h"
#include "config/keys.h"
#include "config/value.h"

typedef struct {
    EgConfig *config;
    const char *source;
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
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "%s:%u: %s must be %s%s%s",
                 reader->source, node->line, key->path, wanted, value != NULL ? ", not " : "",
                 value != NULL ? value : "");
    return false;
}

/* Flags are a section whose keys nobody but the user knows: kept as a list of "name=value". */
static char *list_entry(const EgYamlNode *node, guint i)
{
    const EgYamlNode *value = node->values->pdata[i];
    if (node->kind == EG_YAML_LIST)
        return g_strdup(value->text);
    const char *text = eg_yaml_is_null(value) ? "true" : value->text;
    return g_strconcat(node->keys->pdata[i], "=", text, NULL);
}

static bool read_list(Reader *reader, const EgConfigKey *key, const EgYamlNode *node,
                      GError **error)
{
    if (node->kind != (key->kind == EG_KEY_FLAGS ? EG_YAML_SECTION : EG_YAML_LIST))
        return fail(reader, node, key, error);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < node->values->len; i++) {
        const EgYamlNode *value = node->values->pdata[i];
        if (value->kind != EG_YAML_SCALAR)
            return fail(reader, value, key, error);
        g_autofree char *text = list_entry(node, i);
        if (*text != '\0')
            g_ptr_array_add(texts, g_steal_pointer(&text));
    }
    g_ptr_array_add(texts, NULL);
    char **list = (char **)g_ptr_array_steal(texts, NULL);
    return eg_config_value_set_list(reader->config, key, list) || fail(reader, node, key, error);
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

static bool read_value(Reader *reader, const EgConfigKey *key, const EgYamlNode *node,
                       GError **error)
{
    if (eg_yaml_is_null(node))
        return true;
    warn_if_unused(reader, key, node);
    if (key->kind == EG_KEY_ANYTHING)
        return true;
    if (eg_config_key_is_list(key))
        return read_list(reader, key, node, error);
    return (node->kind == EG_YAML_SCALAR && eg_config_value_set(reader->config, key, node->text)) ||
           fail(reader, node, key, error);
}

static void warn_unknown(Reader *reader, const char *path, const EgYamlNode *node)
{
    g_autofree char *name = eg_yaml_shown(path);
    g_autofree char *nearest = eg_config_key_nearest(path);
    if (g_strcmp0(nearest, path) == 0)
        warn(reader, node, "unknown key with a dot: %s is a key below its section", name);
    else if (nearest != NULL)
        warn(reader, node, "unknown key %s: is %s meant?", name, nearest);
    else
        warn(reader, node, "unknown key %s", name);
}

/* Goes as deep as the table does, whatever aliases the document has. `path` is "" at the root. */
static bool read_section(Reader *reader, const EgYamlNode *section, const char *path,
                         GError **error)
{
    if (eg_yaml_is_null(section))
        return true;
    if (section->kind != EG_YAML_SECTION) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "%s:%u: %s must have keys below it", reader->source, section->line,
                     *path != '\0' ? path : "the configuration");
        return false;
    }
    for (guint i = 0; i < section->keys->len; i++) {
        const char *name = section->keys->pdata[i];
        const EgYamlNode *node = section->values->pdata[i];
        g_autofree char *below = g_strconcat(path, *path != '\0' ? "." : "", name, NULL);
        /* Not the path as we write it, but one key. */
        const EgConfigKey *key = strchr(name, '.') == NULL ? eg_config_key_find(below) : NULL;
        bool is_section = strchr(name, '.') == NULL && eg_config_key_is_section(below);
        if (key != NULL && !read_value(reader, key, node, error))
            return false;
        if (is_section && !read_section(reader, node, below, error))
            return false;
        if (key == NULL && !is_section)
            warn_unknown(reader, below, node);
    }
    return true;
}

bool eg_config_read_yaml(EgConfig *config, const EgYaml *yaml, const char *source, GError **error)
{
    Reader reader = {.config = config, .source = source};
    const EgYamlNode *root = eg_yaml_root(yaml);
    return root == NULL || read_section(&reader, root, "", error);
}
