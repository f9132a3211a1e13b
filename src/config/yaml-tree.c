#include "config/yaml-tree.h"

#include <string.h>
#include <yaml.h>

#include "base/error.h"

#define MAX_DEPTH 16
#define MAX_NODES 4096
#define MAX_SHOWN 64

struct _EgYaml {
    GPtrArray *nodes; /* all there are */
    const EgYamlNode *root;
};

/* The events of libyaml are read, not its document: it nests without end and takes time in the
 * square of it. */
typedef struct {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    const char *source;
    EgYaml *yaml;
    GHashTable *anchors; /* name -> EgYamlNode, or NULL while that is being read */
    guint depth;
    GError **error;
} Reader;

static EgYamlNode *read_node(Reader *reader);

static void free_node(gpointer data)
{
    EgYamlNode *node = data;
    g_free(node->text);
    g_clear_pointer(&node->keys, g_ptr_array_unref);
    g_clear_pointer(&node->values, g_ptr_array_unref);
    g_free(node);
}

static void fail(Reader *reader, guint line, const char *problem)
{
    eg_error_set(reader->error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "%s:%u: %s",
                 reader->source, line, problem);
}

static guint event_line(const Reader *reader)
{
    return (guint)reader->event.start_mark.line + 1;
}

static bool next_event(Reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event))
        return true;
    const char *problem = reader->parser.problem;
    fail(reader, (guint)reader->parser.problem_mark.line + 1,
         problem != NULL ? problem : "no YAML");
    return false;
}

static bool next_events(Reader *reader, guint n)
{
    for (guint i = 0; i < n; i++) {
        if (!next_event(reader))
            return false;
    }
    return true;
}

static EgYamlNode *add_node(Reader *reader, EgYamlKind kind)
{
    if (reader->yaml->nodes->len >= MAX_NODES) {
        fail(reader, event_line(reader), "too many values");
        return NULL;
    }
    EgYamlNode *node = g_new0(EgYamlNode, 1);
    node->kind = kind;
    node->line = event_line(reader);
    g_ptr_array_add(reader->yaml->nodes, node);
    return node;
}

static EgYamlNode *read_scalar(Reader *reader)
{
    const char *text = (const char *)reader->event.data.scalar.value;
    if (strlen(text) != reader->event.data.scalar.length) {
        fail(reader, event_line(reader), "a NUL inside of a value");
        return NULL;
    }
    EgYamlNode *node = add_node(reader, EG_YAML_SCALAR);
    if (node == NULL)
        return NULL;
    node->text = g_strdup(text);
    node->is_plain = reader->event.data.scalar.plain_implicit &&
                     reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return node;
}

static EgYamlNode *read_list(Reader *reader)
{
    EgYamlNode *node = add_node(reader, EG_YAML_LIST);
    if (node == NULL)
        return NULL;
    node->values = g_ptr_array_new();
    for (;;) {
        if (!next_event(reader))
            return NULL;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return node;
        EgYamlNode *value = read_node(reader);
        if (value == NULL)
            return NULL;
        g_ptr_array_add(node->values, value);
    }
}

/* A key that can be asked for: a word, not a list, and there once. */
static bool check_key(Reader *reader, const EgYamlNode *key, GHashTable *lines)
{
    if (key->kind != EG_YAML_SCALAR) {
        fail(reader, key->line, "a key must be a word");
        return false;
    }
    if (key->is_plain && strcmp(key->text, "<<") == 0) {
        fail(reader, key->line, "merging with << is not supported: write the keys out");
        return false;
    }
    gpointer first;
    if (g_hash_table_lookup_extended(lines, key->text, NULL, &first)) {
        g_autofree char *shown = eg_yaml_shown(key->text);
        g_autofree char *problem =
            g_strdup_printf("%s is there twice, first in line %u", shown, GPOINTER_TO_UINT(first));
        fail(reader, key->line, problem);
        return false;
    }
    g_hash_table_insert(lines, key->text, GUINT_TO_POINTER(key->line));
    return true;
}

static EgYamlNode *read_section(Reader *reader)
{
    EgYamlNode *node = add_node(reader, EG_YAML_SECTION);
    if (node == NULL)
        return NULL;
    node->keys = g_ptr_array_new();
    node->values = g_ptr_array_new();
    g_autoptr(GHashTable) lines = g_hash_table_new(g_str_hash, g_str_equal);
    for (;;) {
        if (!next_event(reader))
            return NULL;
        if (reader->event.type == YAML_MAPPING_END_EVENT)
            return node;
        EgYamlNode *key = read_node(reader);
        if (key == NULL || !check_key(reader, key, lines) || !next_event(reader))
            return NULL;
        EgYamlNode *value = read_node(reader);
        if (value == NULL)
            return NULL;
        g_ptr_array_add(node->keys, key->text);
        g_ptr_array_add(node->values, value);
    }
}

static EgYamlNode *read_alias(Reader *reader)
{
    const char *name = (const char *)reader->event.data.alias.anchor;
    gpointer node = NULL;
    if (!g_hash_table_lookup_extended(reader->anchors, name, NULL, &node)) {
        fail(reader, event_line(reader), "an alias of nothing above it");
        return NULL;
    }
    if (node == NULL)
        fail(reader, event_line(reader), "an alias inside of what it names");
    return node;
}

/* The name by which an alias may come back to this value, or NULL. */
static const yaml_char_t *anchor_of(const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        return event->data.scalar.anchor;
    if (event->type == YAML_SEQUENCE_START_EVENT)
        return event->data.sequence_start.anchor;
    if (event->type == YAML_MAPPING_START_EVENT)
        return event->data.mapping_start.anchor;
    return NULL;
}

static EgYamlNode *read_content(Reader *reader)
{
    if (reader->event.type == YAML_SCALAR_EVENT)
        return read_scalar(reader);
    if (reader->event.type == YAML_SEQUENCE_START_EVENT)
        return read_list(reader);
    g_assert(reader->event.type == YAML_MAPPING_START_EVENT);
    return read_section(reader);
}

/* The value that the current event begins. */
static EgYamlNode *read_node(Reader *reader)
{
    if (reader->event.type == YAML_ALIAS_EVENT)
        return read_alias(reader);
    if (reader->depth == MAX_DEPTH) {
        fail(reader, event_line(reader), "nested too deeply");
        return NULL;
    }
    char *anchor = g_strdup((const char *)anchor_of(&reader->event));
    if (anchor != NULL)
        g_hash_table_insert(reader->anchors, g_strdup(anchor), NULL);
    reader->depth++;
    EgYamlNode *node = read_content(reader);
    reader->depth--;
    if (anchor != NULL)
        g_hash_table_insert(reader->anchors, anchor, node);
    return node;
}

static bool read_document(Reader *reader)
{
    /* The start of the stream, then of the document, if there is one. */
    if (!next_events(reader, 2))
        return false;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return true;
    if (!next_event(reader))
        return false;
    reader->yaml->root = read_node(reader);
    /* The end of the document, and what is behind it. */
    if (reader->yaml->root == NULL || !next_events(reader, 2))
        return false;
    if (reader->event.type != YAML_STREAM_END_EVENT) {
        fail(reader, event_line(reader), "a second document: there may be one only");
        return false;
    }
    return true;
}

/* Lines up to where `end` is, from 1. */
static guint count_lines(const char *text, const char *end)
{
    guint n = 1;
    for (; text < end; text++)
        n += *text == '\n';
    return n;
}

static bool check_text(Reader *reader, const char *text)
{
    const char *end;
    if (!g_utf8_validate(text, -1, &end)) {
        fail(reader, count_lines(text, end), "not UTF-8");
        return false;
    }
    if (strlen(text) > EG_YAML_MAX_BYTES) {
        fail(reader, 1, "too long: more than 256 KiB");
        return false;
    }
    return true;
}

EgYaml *eg_yaml_parse(const char *text, const char *source, GError **error)
{
    g_autoptr(EgYaml) yaml = g_new0(EgYaml, 1);
    yaml->nodes = g_ptr_array_new_with_free_func(free_node);
    Reader reader = {.source = source, .yaml = yaml, .error = error};
    if (!check_text(&reader, text))
        return NULL;

    g_autoptr(GHashTable) anchors = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    reader.anchors = anchors;
    if (!yaml_parser_initialize(&reader.parser))
        g_error("out of memory");
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, strlen(text));
    bool is_read = read_document(&reader);
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    return is_read ? g_steal_pointer(&yaml) : NULL;
}

void eg_yaml_free(EgYaml *yaml)
{
    if (yaml == NULL)
        return;
    g_ptr_array_unref(yaml->nodes);
    g_free(yaml);
}

const EgYamlNode *eg_yaml_root(const EgYaml *yaml)
{
    return yaml->root;
}

bool eg_yaml_is_null(const EgYamlNode *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    return node->kind == EG_YAML_SCALAR && node->is_plain && g_strv_contains(nulls, node->text);
}

const EgYamlNode *eg_yaml_get(const EgYamlNode *node, const char *key)
{
    if (node == NULL || node->kind != EG_YAML_SECTION)
        return NULL;
    for (guint i = 0; i < node->keys->len; i++) {
        if (strcmp(node->keys->pdata[i], key) == 0)
            return node->values->pdata[i];
    }
    return NULL;
}

char *eg_yaml_shown(const char *text)
{
    GString *result = g_string_new(NULL);
    guint n = 0;
    for (; *text != '\0' && n < MAX_SHOWN; text = g_utf8_next_char(text), n++) {
        gunichar letter = g_utf8_get_char(text);
        g_string_append_unichar(result, g_unichar_isprint(letter) ? letter : '?');
    }
    if (*text != '\0')
        g_string_append(result, "...");
    return g_string_free(result, FALSE);
}
