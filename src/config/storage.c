#include "config/storage.h"

#include <gio/gio.h>
#include <stddef.h>
#include <string.h>

#include "base/time.h"

#define MAX_ATTEMPTS       5
#define MIN_RETRY_DELAY_NS (100 * EG_NS_PER_MS)
#define MAX_RETRY_DELAY_NS (5 * EG_NS_PER_S)

/* By EgStoreKind. */
static const char *const kind_names[EG_N_STORES] = {
    [EG_STORE_NONE] = "",   [EG_STORE_LOCAL] = "local", [EG_STORE_S3] = "s3",
    [EG_STORE_GCS] = "gcp", [EG_STORE_AZURE] = "azure", [EG_STORE_ALIOSS] = "alioss",
};

#define AT(member) offsetof(EgStorage, member)

/* All that is a char *. */
static const gsize texts[] = {
    AT(prefix),
    AT(bucket),
    AT(endpoint),
    AT(ca_cert_file),
    AT(proxy.url),
    AT(proxy.username),
    AT(proxy.password),
    AT(s3.access_key),
    AT(s3.secret),
    AT(s3.session_token),
    AT(s3.assume_role_arn),
    AT(s3.assume_role_external_id),
    AT(s3.region),
    AT(s3.tagging),
    AT(s3.content_disposition),
    AT(s3.server_side_encryption),
    AT(s3.kms_key_id),
    AT(s3.storage_class),
    AT(gcs.credentials_json),
    AT(azure.account_name),
    AT(azure.account_key),
    AT(azure.sas_token),
    AT(alioss.access_key),
    AT(alioss.secret),
};

EgStorage *eg_storage_new(EgStoreKind kind)
{
    EgStorage *storage = g_new0(EgStorage, 1);
    storage->kind = kind;
    storage->max_attempts = MAX_ATTEMPTS;
    storage->min_retry_delay_ns = MIN_RETRY_DELAY_NS;
    storage->max_retry_delay_ns = MAX_RETRY_DELAY_NS;
    storage->n_refs = 1;
    return storage;
}

EgStorage *eg_storage_ref(EgStorage *storage)
{
    g_atomic_int_inc(&storage->n_refs);
    return storage;
}

static const char *text_at(const EgStorage *storage, gsize member)
{
    return G_STRUCT_MEMBER(const char *, storage, member);
}

void eg_storage_unref(EgStorage *storage)
{
    if (storage == NULL || !g_atomic_int_dec_and_test(&storage->n_refs))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(G_STRUCT_MEMBER(char *, storage, texts[i]));
    g_strfreev(storage->s3.metadata);
    g_free(storage);
}

static void drop_trailing_slashes(char *text)
{
    gsize length = strlen(text);
    while (length > 0 && text[length - 1] == '/')
        text[--length] = '\0';
}

void eg_storage_normalize(EgStorage *storage)
{
    if (storage->endpoint != NULL)
        drop_trailing_slashes(storage->endpoint);
    if (storage->kind == EG_STORE_LOCAL || storage->prefix == NULL)
        return;
    char *prefix = storage->prefix;
    drop_trailing_slashes(prefix);
    gsize n_slashes = strspn(prefix, "/");
    memmove(prefix, prefix + n_slashes, strlen(prefix + n_slashes) + 1);
    if (*prefix == '\0')
        g_clear_pointer(&storage->prefix, g_free);
}

/* What may be told of a text. */

static bool has_only(const char *text, const char *also)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (!g_ascii_isalnum(*c) && strchr(also, *c) == NULL)
            return false;
    }
    return *text != '\0';
}

/* It becomes part of a host name or a path. */
static bool is_bucket(const char *text)
{
    return has_only(text, ".-_$") && strstr(text, "..") == NULL;
}

static bool is_region(const char *text)
{
    return has_only(text, "-");
}

static bool is_account(const char *text)
{
    return has_only(text, "-");
}

static bool is_base64(const char *text)
{
    return has_only(text, "+/=");
}

static bool is_url(const char *text, const char *const *schemes)
{
    g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_NONE, NULL);
    return uri != NULL && g_strv_contains(schemes, g_uri_get_scheme(uri)) &&
           g_uri_get_host(uri) != NULL && *g_uri_get_host(uri) != '\0';
}

static bool is_endpoint(const char *text)
{
    static const char *const schemes[] = {"http", "https", NULL};
    if (strchr(text, '@') != NULL || strchr(text, '?') != NULL || strchr(text, '#') != NULL)
        return false;
    if (strstr(text, "://") != NULL)
        return is_url(text, schemes);
    g_autofree char *url = g_strconcat("https://", text, NULL);
    return strchr(text, '/') == NULL && is_url(url, schemes);
}

static bool is_proxy(const char *text)
{
    static const char *const schemes[] = {"http", "https", "socks5", "socks5h", NULL};
    return is_url(text, schemes);
}

static bool is_path(const char *text)
{
    return g_path_is_absolute(text);
}

static bool stays_below(const char *text)
{
    g_auto(GStrv) elements = g_strsplit(text, "/", -1);
    return !g_strv_contains((const char *const *)elements, "..");
}

/* One row for each thing that a kind asks of a member. */
typedef struct {
    EgStoreKind kind; /* NONE: all */
    gsize member;
    bool is_needed;
    bool (*fits)(const char *text);
    const char *wanted;
} Rule;

#define BUCKET_RULE "a name of letters, digits, dots and dashes"

static const Rule rules[] = {
    {EG_STORE_NONE,   AT(prefix),             false, stays_below, "a folder without .."                     },
    {EG_STORE_NONE,   AT(proxy.url),          false, is_proxy,    "an http, https or socks5 URL"            },
    {EG_STORE_NONE,   AT(endpoint),           false, is_endpoint, "host, host:port, or an http or https URL"},
    {EG_STORE_NONE,   AT(ca_cert_file),       false, is_path,     "a path that begins with /"               },
    {EG_STORE_S3,     AT(bucket),             true,  is_bucket,   BUCKET_RULE                               },
    {EG_STORE_S3,     AT(s3.region),          false, is_region,   "letters, digits and dashes"              },
    {EG_STORE_GCS,    AT(bucket),             true,  is_bucket,   BUCKET_RULE                               },
    {EG_STORE_AZURE,  AT(azure.account_name), true,  is_account,  "letters and digits"                      },
    {EG_STORE_AZURE,  AT(bucket),             true,  is_bucket,   BUCKET_RULE                               },
    {EG_STORE_AZURE,  AT(azure.account_key),  false, is_base64,   "in base64"                               },
    {EG_STORE_ALIOSS, AT(alioss.access_key),  true,  NULL,        NULL                                      },
    {EG_STORE_ALIOSS, AT(alioss.secret),      true,  NULL,        NULL                                      },
    {EG_STORE_ALIOSS, AT(endpoint),           true,  NULL,        NULL                                      },
    {EG_STORE_ALIOSS, AT(bucket),             true,  is_bucket,   BUCKET_RULE                               },
};

static bool keeps_rule(const EgStorage *storage, const Rule *rule, const char **wanted)
{
    const char *text = text_at(storage, rule->member);
    *wanted = text != NULL ? rule->wanted : NULL;
    if (text == NULL)
        return !rule->is_needed;
    return rule->fits == NULL || rule->fits(text);
}

static bool has_control(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c))
            return true;
    }
    return !g_utf8_validate(text, -1, NULL);
}

static bool check_texts(const EgStorage *storage, gsize *member, const char **wanted)
{
    *wanted = "text without control characters";
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        const char *text = text_at(storage, texts[i]);
        *member = texts[i];
        if (texts[i] != AT(gcs.credentials_json) && text != NULL && has_control(text))
            return false;
    }
    return true;
}

/* Each becomes a header, its name a part of the header's. */
static bool check_metadata(const EgStorage *storage, gsize *member, const char **wanted)
{
    *member = AT(s3.metadata);
    *wanted = "names of letters, digits, - and _, each with text without control characters";
    for (char **pair = storage->s3.metadata; pair != NULL && *pair != NULL; pair += 2) {
        if (!has_only(pair[0], "-_") || has_control(pair[1]))
            return false;
    }
    return true;
}

/* What is there only together with something else. */
static bool check_pairs(const EgStorage *storage, gsize *member, const char **wanted)
{
    const struct {
        bool is_wrong;
        gsize member;
    } pairs[] = {
        {storage->s3.access_key != NULL && storage->s3.secret == NULL,  AT(s3.secret)    },
        {storage->s3.access_key == NULL && storage->s3.secret != NULL,  AT(s3.access_key)},
        {storage->kind == EG_STORE_AZURE && storage->azure.account_key == NULL &&
             storage->azure.sas_token == NULL,
         AT(azure.account_key)                                                           },
        {storage->proxy.url == NULL && storage->proxy.username != NULL, AT(proxy.url)    },
    };
    *wanted = NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        *member = pairs[i].member;
        if (pairs[i].is_wrong)
            return false;
    }
    return true;
}

bool eg_storage_check(const EgStorage *storage, gsize *member, const char **wanted)
{
    if (!check_texts(storage, member, wanted))
        return false;
    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
        *member = rules[i].member;
        if ((rules[i].kind == EG_STORE_NONE || rules[i].kind == storage->kind) &&
            !keeps_rule(storage, &rules[i], wanted))
            return false;
    }
    return check_metadata(storage, member, wanted) && check_pairs(storage, member, wanted);
}

const char *eg_store_kind_name(EgStoreKind kind)
{
    return kind_names[kind];
}
