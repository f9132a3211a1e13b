#pragma once

#include <glib.h>
#include <stdbool.h>

/* A YAML document as a tree, small and safe: at most EG_YAML_MAX_BYTES of UTF-8, nested a few
 * levels, no key twice, no alias inside of what it names. An alias is the very node it names, so a
 * walk that follows a given path ends, but one through everything may take long. */

#define EG_YAML_MAX_BYTES (256 * 1024)

typedef enum {
    EG_YAML_NONE,
    EG_YAML_SCALAR,
    EG_YAML_LIST,
    EG_YAML_SECTION, /* a mapping */
} EgYamlKind;

typedef struct {
    EgYamlKind kind;
    guint line;        /* from 1 */
    char *text;        /* of a scalar */
    bool is_plain;     /* a scalar without quotes */
    GPtrArray *keys;   /* of a section: const char *, beside `values`; NULL else */
    GPtrArray *values; /* of a list or section: EgYamlNode *; NULL of a scalar */
} EgYamlNode;

typedef struct _EgYaml EgYaml;

/* `source` is what errors begin with ("egress.yaml:12: ..."). */
EgYaml *eg_yaml_parse(const char *text, const char *source, GError **error);
void eg_yaml_free(EgYaml *yaml);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgYaml, eg_yaml_free)

/* NULL if the document is empty. The document's. */
const EgYamlNode *eg_yaml_root(const EgYaml *yaml);

/* Nothing, "~" or "null": as if the key were not there. */
bool eg_yaml_is_null(const EgYamlNode *node);

/* What `key` of a section has, or NULL; NULL too if `node` is NULL or no section. */
const EgYamlNode *eg_yaml_get(const EgYamlNode *node, const char *key);

/* What stands in a document as messages can show it: one line, printable, not too long. A new
 * string. */
char *eg_yaml_shown(const char *text);
