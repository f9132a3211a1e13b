#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/azure-sign.h"
#include "storage/endpoint.h"
#include "storage/headers.h"
#include "storage/http.h"
#include "storage/store-class.h"
#include "storage/xml.h"

/* Azure Blob Storage: block blobs. https://learn.microsoft.com/rest/api/storageservices */

#define MIB                ((gsize)1024 * 1024)
#define READABLE_FOR_NS    (7 * 24 * 3600 * EG_NS_PER_S)
#define VENDOR_HOST        "blob.core.windows.net"
#define MAX_ACCOUNT_LENGTH 63
#define UPLOAD_ID_LENGTH   16

typedef struct {
    EgStore store;
    EgHttp *http;
    char *account;
    GBytes *key;     /* this, or… */
    char *sas;       /* …this, without its ? */
    char *origin;    /* "https://account.blob.core.windows.net" */
    char *container; /* its path in URLs, escaped */
    bool is_vendors; /* no other endpoint was asked for */
} EgStoreAzure;

/* Damaged on the way. */
static const char *const retryable_codes[] = {"Md5Mismatch", NULL};

static bool set_invalid(GError **error, const char *what)
{
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "azure: %s", what);
    return false;
}

static bool is_account(const char *text)
{
    const gsize length = strlen(text);
    for (gsize i = 0; i < length; i++) {
        if (!g_ascii_islower(text[i]) && !g_ascii_isdigit(text[i]) && text[i] != '-')
            return false;
    }
    return length > 0 && length <= MAX_ACCOUNT_LENGTH;
}

static bool decode_key(EgStoreAzure *azure, const char *text, GError **error)
{
    gsize n_bytes;
    g_autofree guint8 *bytes = g_base64_decode(text, &n_bytes);
    g_autofree char *again = g_base64_encode(bytes, n_bytes);
    if (n_bytes == 0 || strcmp(again, text) != 0)
        return set_invalid(error, "account_key is not base64, as the keys of accounts are");
    azure->key = g_bytes_new(bytes, n_bytes);
    return true;
}

static bool take_credentials(EgStoreAzure *azure, GError **error)
{
    const EgStorageAzure *settings = &azure->store.storage->azure;
    azure->account = g_strdup(settings->account_name);
    if (azure->account == NULL)
        return set_invalid(error, "account_name is missing");
    if (!is_account(azure->account))
        return set_invalid(error, "account_name has other characters than a-z, 0-9");

    if (settings->account_key == NULL && settings->sas_token != NULL) {
        azure->sas = g_strdup(settings->sas_token + strspn(settings->sas_token, "?"));
        if (strstr(azure->sas, "sig=") == NULL || strpbrk(azure->sas, " #\r\n") != NULL)
            return set_invalid(error, "sas_token is none: it is a query with sig= in it");
        if (azure->store.storage->generate_presigned_url)
            return set_invalid(error, "generate_presigned_url needs account_key: a sas_token "
                                      "cannot sign");
        return true;
    }
    if (settings->account_key == NULL)
        return set_invalid(error, "account_key and sas_token are missing");
    return decode_key(azure, settings->account_key, error);
}

/* A domain of Azure's own, also of other clouds, gets the account in front; one that somebody has
 * given to an account is taken as it is; and where there are no names, as with Azurite, the account
 * is the first folder. */
static bool take_endpoint(EgStoreAzure *azure, GError **error)
{
    const EgStorage *settings = azure->store.storage;
    if (settings->bucket == NULL)
        return set_invalid(error, "container_name is missing");
    g_autofree char *container = eg_http_escape(settings->bucket, NULL);
    g_auto(EgEndpoint) endpoint = {0};
    azure->is_vendors = settings->endpoint == NULL;
    if (!eg_endpoint_parse(&endpoint, azure->is_vendors ? VENDOR_HOST : settings->endpoint, error))
        return false;
    const bool has_account = *endpoint.path != '\0';
    const char *host_account = g_str_has_prefix(endpoint.authority, "blob.") ? azure->account : "";
    azure->origin = g_strdup_printf("%s://%s%s%s", endpoint.scheme, host_account,
                                    *host_account != '\0' ? "." : "", endpoint.authority);
    if (endpoint.is_address && !has_account)
        azure->container = g_strdup_printf("/%s/%s", azure->account, container);
    else
        azure->container = g_strdup_printf("%s/%s", endpoint.path, container);
    return true;
}

static bool azure_open(EgStore *store, GError **error)
{
    EgStoreAzure *azure = (EgStoreAzure *)store;
    if (!take_credentials(azure, error) || !take_endpoint(azure, error))
        return false;
    azure->http = eg_http_new(store->storage);
    return true;
}

static void azure_free(EgStore *store)
{
    EgStoreAzure *azure = (EgStoreAzure *)store;
    eg_http_free(azure->http);
    g_free(azure->account);
    g_clear_pointer(&azure->key, g_bytes_unref);
    g_free(azure->sas);
    g_free(azure->origin);
    g_free(azure->container);
}

static char *path_of(const EgStoreAzure *azure, const char *key)
{
    g_autofree char *escaped = eg_http_escape(key, "/");
    return g_strdup_printf("%s/%s", azure->container, escaped);
}

typedef struct {
    const char *what; /* "put" */
    const char *key;
    const char *const *query;
    const char *header; /* one more; NULL: none */
    const char *type;   /* of the blob; NULL: not told */
    GBytes *body;
    bool is_bulk;
} Write;

/* All writes are PUTs that are answered with 201. */
static char **make_headers(const EgStoreAzure *azure, const Write *write, const char *path)
{
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *md5 = eg_header_md5(write->body);
    g_autofree char *date = eg_header_date(eg_wall_now_ns());
    g_ptr_array_add(headers, g_strconcat("Content-MD5: ", md5, NULL));
    g_ptr_array_add(headers, g_strconcat("x-ms-date: ", date, NULL));
    g_ptr_array_add(headers, g_strdup("x-ms-version: " EG_AZURE_VERSION));
    if (write->header != NULL)
        g_ptr_array_add(headers, g_strdup(write->header));
    if (write->type != NULL)
        g_ptr_array_add(headers, g_strconcat("x-ms-blob-content-type: ", write->type, NULL));
    g_ptr_array_add(headers, NULL);
    if (azure->key != NULL) {
        const EgAzureRequest request = {
            .method = "PUT",
            .path = path,
            .query = write->query,
            .headers = (const char *const *)headers->pdata,
            .content_bytes = g_bytes_get_size(write->body),
        };
        g_autofree char *signature = eg_azure_authorization(azure->account, azure->key, &request);
        g_ptr_array_insert(headers, 0, g_strconcat("Authorization: ", signature, NULL));
    }
    g_ptr_array_set_free_func(headers, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&headers), FALSE);
}

static bool send(EgStoreAzure *azure, const Write *write, GCancellable *cancellable, GError **error)
{
    g_autofree char *path = path_of(azure, write->key);
    g_autofree char *query = eg_header_query(write->query);
    g_autofree char *url = g_strdup_printf("%s%s%s%s%s", azure->origin, path, query,
                                           azure->sas == NULL ? "" : (*query != '\0' ? "&" : "?"),
                                           azure->sas != NULL ? azure->sas : "");
    g_auto(GStrv) headers = make_headers(azure, write, path);
    const EgHttpRequest request = {
        .method = "PUT",
        .url = url,
        .headers = (const char *const *)headers,
        .body = write->body,
        .is_bulk = write->is_bulk,
    };
    g_auto(EgHttpReply) reply = {0};
    if (!eg_http_perform(azure->http, &request, &reply, cancellable, error))
        return false;
    if (reply.status == 201)
        return true;
    g_autofree char *doing = g_strdup_printf("%s %s", write->what, write->key);
    eg_xml_set_error(error, doing, &reply, retryable_codes);
    return false;
}

static bool azure_put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                      GCancellable *cancellable, GError **error)
{
    const Write write = {
        .what = "put",
        .key = key,
        .header = "x-ms-blob-type: BlockBlob",
        .type = content_type,
        .body = content,
        .is_bulk = true,
    };
    return send((EgStoreAzure *)store, &write, cancellable, error);
}

/* An upload is nothing that Azure knows: blocks that wait belong to the name. Its id keeps the
 * blocks of two uploads to one name apart, and what is told with the last call is kept in it. */
static char *azure_begin(EgStore *store, const char *key, const char *content_type,
                         GCancellable *cancellable, GError **error)
{
    (void)store;
    (void)key;
    (void)cancellable;
    (void)error;
    return g_strdup_printf("%08x%08x %s", g_random_int(), g_random_int(), content_type);
}

static bool check_upload(const char *upload, GError **error)
{
    if (strlen(upload) > UPLOAD_ID_LENGTH && upload[UPLOAD_ID_LENGTH] == ' ')
        return true;
    return set_invalid(error, "this is no name of an upload");
}

static char *azure_put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                            GCancellable *cancellable, GError **error)
{
    if (!check_upload(part->upload, error))
        return NULL;
    /* All ids of a blob have to be of the same length. */
    g_autofree char *name =
        g_strdup_printf("%.*s-%06u", UPLOAD_ID_LENGTH, part->upload, part->index);
    g_autofree char *id = g_base64_encode((const guint8 *)name, strlen(name));
    const char *const query[] = {"blockid", id, "comp", "block", NULL};
    const Write write = {
        .what = "put a part of",
        .key = part->key,
        .query = query,
        .body = content,
        .is_bulk = true,
    };
    return send((EgStoreAzure *)store, &write, cancellable, error) ? g_steal_pointer(&id) : NULL;
}

/* May be said again: "Latest" also finds blocks that are in the blob already. */
static bool azure_complete(EgStore *store, const char *key, const char *upload,
                           const char *const *tags, GCancellable *cancellable, GError **error)
{
    if (!check_upload(upload, error))
        return false;
    GString *list = g_string_new("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for (; *tags != NULL; tags++) {
        g_autofree char *block = g_markup_printf_escaped("<Latest>%s</Latest>", *tags);
        g_string_append(list, block);
    }
    g_string_append(list, "</BlockList>");
    g_autoptr(GBytes) body = g_string_free_to_bytes(list);
    static const char *const query[] = {"comp", "blocklist", NULL};
    const Write write = {
        .what = "complete",
        .key = key,
        .query = query,
        .header = "Content-Type: application/xml",
        .type = upload + UPLOAD_ID_LENGTH + 1,
        .body = body,
    };
    return send((EgStoreAzure *)store, &write, cancellable, error);
}

/* Azure forgets blocks that nobody wants after a week; there is no call for it that would not touch
 * the blob. */
static void azure_abort(EgStore *store, const char *key, const char *upload)
{
    (void)store;
    (void)key;
    (void)upload;
}

static char *azure_location(EgStore *store, const char *key, GError **error)
{
    (void)error;
    const EgStoreAzure *azure = (const EgStoreAzure *)store;
    const EgStorage *settings = store->storage;
    g_autofree char *path = path_of(azure, key);
    if (!settings->generate_presigned_url) {
        return azure->is_vendors ? g_strdup_printf("%s/%s/%s", azure->origin, settings->bucket, key)
                                 : g_strconcat(azure->origin, path, NULL);
    }
    g_autofree char *query = eg_azure_read_query(azure->account, azure->key, settings->bucket, key,
                                                 eg_wall_now_ns() + READABLE_FOR_NS,
                                                 g_str_has_prefix(azure->origin, "https:"));
    return g_strconcat(azure->origin, path, query, NULL);
}

const EgStoreClass eg_store_azure = {
    .instance_bytes = sizeof(EgStoreAzure),
    .limits =
        {
                 .part_bytes = 4 * MIB,
                 .step_bytes = 1,
                 .max_parts = 50000,
                 .max_put_bytes = 256 * MIB,
                 .parallel_parts = 5,
                 },
    .open = azure_open,
    .put = azure_put,
    .begin = azure_begin,
    .put_part = azure_put_part,
    .complete = azure_complete,
    .abort = azure_abort,
    .location = azure_location,
    .free = azure_free,
};
