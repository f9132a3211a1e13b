#include "config/config-storage.h"

#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "config/keys.h"

typedef struct {
    EgStorage *storage;
    const char *path; /* "storage" */
    const EgYamlNode *section;
    const char *source;
} Place;

/* What is not here is looked for by the stores themselves: AWS's and Google's SDKs know more places
 * than variables. */
static const struct {
    EgStoreKind kind;
    gsize member;
    const char *variable;
} variables[] = {
    {EG_STORE_AZURE,  offsetof(EgStorage, azure.account_name), "AZURE_STORAGE_ACCOUNT"  },
    {EG_STORE_AZURE,  offsetof(EgStorage, azure.account_key),  "AZURE_STORAGE_KEY"      },
    {EG_STORE_AZURE,  offsetof(EgStorage, azure.sas_token),    "AZURE_STORAGE_SAS_TOKEN"},
    {EG_STORE_ALIOSS, offsetof(EgStorage, alioss.access_key),  "OSS_ACCESS_KEY_ID"      },
    {EG_STORE_ALIOSS, offsetof(EgStorage, alioss.secret),      "OSS_ACCESS_KEY_SECRET"  },
};

/* Keys that belong together come from one place. */
static bool has_keys(const EgStorage *storage)
{
    return storage->azure.account_key != NULL || storage->azure.sas_token != NULL ||
           storage->alioss.access_key != NULL || storage->alioss.secret != NULL;
}

static void read_environment(EgStorage *storage, const char *const *environment)
{
    bool had_keys = has_keys(storage);
    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++) {
        const char *value = g_environ_getenv((char **)environment, variables[i].variable);
        char **to = &G_STRUCT_MEMBER(char *, storage, variables[i].member);
        bool is_key = variables[i].member != offsetof(EgStorage, azure.account_name);
        if (variables[i].kind == storage->kind && *to == NULL && !(is_key && had_keys) &&
            value != NULL && *value != '\0')
            *to = g_strdup(value);
    }
}

/* The key that leads to a member, of this kind of store. */
static const EgConfigKey *find_key(EgStoreKind kind, gsize member)
{
    const EgConfigTable *table = eg_storage_keys();
    g_autofree char *section = g_strconcat(eg_store_kind_name(kind), ".", NULL);
    for (guint i = 0; i < table->n_keys; i++) {
        const EgConfigKey *key = &table->keys[i];
        bool is_common = strchr(key->path, '.') == NULL;
        if (key->offset == member && (is_common || g_str_has_prefix(key->path, section)))
            return key;
    }
    g_assert_not_reached();
}

/* Where a key stands, or the nearest section above it that is there. */
static guint find_line(const Place *place, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    const EgYamlNode *node = place->section;
    for (char **name = names; *name != NULL; name++) {
        const EgYamlNode *below = eg_yaml_get(node, *name);
        if (below == NULL)
            break;
        node = below;
    }
    return node != NULL ? node->line : 1;
}

static bool fail(const Place *place, gsize member, const char *wanted, GError **error)
{
    const EgConfigKey *key = find_key(place->storage->kind, member);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "%s:%u: %s.%s %s%s",
                 place->source, find_line(place, key->path), place->path, key->path,
                 wanted != NULL ? "must be " : "is missing", wanted != NULL ? wanted : "");
    return false;
}

static bool settle(const Place *place, const char *const *environment, GError **error)
{
    EgStorage *storage = place->storage;
    gsize member = 0;
    const char *wanted = NULL;
    eg_storage_normalize(storage);
    read_environment(storage, environment);
    if (!eg_storage_check(storage, &member, &wanted))
        return fail(place, member, wanted, error);
    if (storage->min_retry_delay_ns > storage->max_retry_delay_ns)
        return fail(place, offsetof(EgStorage, min_retry_delay_ns), "at most max_retry_delay",
                    error);
    return true;
}

/* Whatever takes over has a place of its own. */
static bool check_backup(const Place *place, GError **error)
{
    const EgStorage *storage = place->storage;
    if (storage->kind != EG_STORE_LOCAL ||
        (storage->prefix != NULL && g_path_is_absolute(storage->prefix)))
        return true;
    return fail(place, offsetof(EgStorage, prefix),
                "a path that begins with /, where no store is named", error);
}

bool eg_config_settle_storage(EgConfig *config, const EgYaml *yaml, const char *source,
                              const char *const *environment, GError **error)
{
    const struct {
        const char *path;
        EgStorage *storage;
    } stores[] = {
        {"storage", config->storage},
        {"backup",  config->backup },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(stores); i++) {
        const Place place = {
            .storage = stores[i].storage,
            .path = stores[i].path,
            .section = eg_yaml_get(eg_yaml_root(yaml), stores[i].path),
            .source = source,
        };
        if (place.storage != NULL && !settle(&place, environment, error))
            return false;
        if (place.storage != NULL && place.storage == config->backup &&
            !check_backup(&place, error))
            return false;
    }
    return true;
}
