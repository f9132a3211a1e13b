#include "storage/description.h"

#include <stddef.h>

typedef struct {
    const char *path; /* "s3.region" */
    gsize offset;
} TextField;

#define TEXT(member)                                                                               \
    {                                                                                              \
#member, offsetof(EgStorage, member)                                                       \
    }

static const TextField text_fields[] = {
    TEXT(prefix),
    TEXT(bucket),
    TEXT(endpoint),
    TEXT(ca_cert_file),
    TEXT(proxy.url),
    TEXT(proxy.username),
    TEXT(proxy.password),
    TEXT(s3.access_key),
    TEXT(s3.secret),
    TEXT(s3.session_token),
    TEXT(s3.assume_role_arn),
    TEXT(s3.assume_role_external_id),
    TEXT(s3.region),
    TEXT(s3.tagging),
    TEXT(s3.content_disposition),
    TEXT(s3.server_side_encryption),
    TEXT(s3.kms_key_id),
    TEXT(s3.storage_class),
    TEXT(gcs.credentials_json),
    TEXT(azure.account_name),
    TEXT(azure.account_key),
    TEXT(azure.sas_token),
    TEXT(alioss.access_key),
    TEXT(alioss.secret),
};

static json_t *find(json_t *root, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    for (char **name = names; *name != NULL; name++)
        root = json_object_get(root, *name);
    return root;
}

static EgStoreKind kind_of(const char *name)
{
    for (EgStoreKind kind = EG_STORE_NONE + 1; kind < EG_N_STORES; kind++) {
        if (g_strcmp0(eg_store_kind_name(kind), name) == 0)
            return kind;
    }
    g_error("no kind of store: %s", name);
}

EgStorage *description_read(json_t *root)
{
    EgStorage *storage = eg_storage_new(kind_of(json_string_value(json_object_get(root, "kind"))));
    for (gsize i = 0; i < G_N_ELEMENTS(text_fields); i++) {
        const char *value = json_string_value(find(root, text_fields[i].path));
        *(char **)((char *)storage + text_fields[i].offset) = g_strdup(value);
    }
    storage->generate_presigned_url = json_is_true(json_object_get(root, "generate_presigned_url"));
    storage->s3.force_path_style = json_is_true(find(root, "s3.force_path_style"));
    g_autoptr(GPtrArray) pairs = g_ptr_array_new();
    const char *name;
    json_t *value;
    json_object_foreach(find(root, "s3.metadata"), name, value)
    {
        g_ptr_array_add(pairs, g_strdup(name));
        g_ptr_array_add(pairs, g_strdup(json_string_value(value)));
    }
    if (pairs->len > 0) {
        g_ptr_array_add(pairs, NULL);
        storage->s3.metadata = (char **)g_ptr_array_steal(pairs, NULL);
    }
    return storage;
}
