#include <string.h>

#include "base/error.h"
#include "storage/http.h"
#include "storage/s3-client.h"
#include "storage/store-class.h"
#include "storage/xml.h"

#define MEBIBYTE       ((gsize)1024 * 1024)
#define PART_BYTES     (5 * MEBIBYTE)
#define MAX_PUT_BYTES  (5 * 1024 * MEBIBYTE)
#define MAX_PARTS      10000
#define PARALLEL_PARTS 5
#define PRESIGNED_S    (7 * 24 * 3600)

#define ROOT_NAMESPACE "http://s3.amazonaws.com/doc/2006-03-01/"

typedef struct {
    EgStore base;
    EgS3Client *client;
    GPtrArray *headers; /* of what makes an object, but for its type */
} S3Store;

static S3Store *s3_of(EgStore *store)
{
    return (S3Store *)store;
}

static bool is_token(const char *text)
{
    const char *c = text;
    while (g_ascii_isalnum(*c) || (*c != '\0' && strchr("!#$%&'*+-.^_`|~", *c) != NULL))
        c++;
    return c > text && *c == '\0';
}

/* Signatures of other characters differ from store to store. */
static bool is_ascii(const char *text)
{
    const char *c = text;
    while (*c != '\0' && g_ascii_isprint(*c))
        c++;
    return *c == '\0';
}

/* `field`: what the settings call it. NULL values are left out. */
static bool add_header(GPtrArray *headers, const char *field, const char *name, const char *value,
                       GError **error)
{
    if (value == NULL || *value == '\0')
        return true;
    if (!is_ascii(value)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "%s of s3 cannot be a header; it is one line of ASCII", field);
        return false;
    }
    g_ptr_array_add(headers, g_strdup_printf("%s: %s", name, value));
    return true;
}

/* As S3 itself tells values that are not ASCII (RFC 2047). */
static char *encode_value(const char *value)
{
    if (is_ascii(value))
        return g_strdup(value);
    g_autofree char *encoded = g_base64_encode((const guint8 *)value, strlen(value));
    return g_strdup_printf("=?UTF-8?B?%s?=", encoded);
}

static bool add_metadata(GPtrArray *headers, char *const *metadata, GError **error)
{
    for (char *const *pair = metadata; pair != NULL && *pair != NULL; pair += 2) {
        if (!is_token(pair[0])) {
            g_autofree char *escaped = g_strescape(pair[0], NULL);
            eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                         "metadata of s3: '%s' cannot be the name of a header; it is letters, "
                         "digits and dashes",
                         escaped);
            return false;
        }
        g_autofree char *value = encode_value(pair[1]);
        g_ptr_array_add(headers, g_strdup_printf("x-amz-meta-%s: %s", pair[0], value));
    }
    return true;
}

static bool make_headers(S3Store *s3, GError **error)
{
    const EgStorageS3 *settings = &s3->base.storage->s3;
    const char *disposition = settings->content_disposition;
    const char *encryption = settings->server_side_encryption;
    if (disposition == NULL || *disposition == '\0')
        disposition = "inline";
    if (settings->kms_key_id != NULL && encryption == NULL)
        encryption = "aws:kms";
    const char *const rows[][3] = {
        {"content_disposition",    "Content-Disposition",                         disposition            },
        {"tagging",                "x-amz-tagging",                               settings->tagging      },
        {"server_side_encryption", "x-amz-server-side-encryption",                encryption             },
        {"kms_key_id",             "x-amz-server-side-encryption-aws-kms-key-id", settings->kms_key_id   },
        {"storage_class",          "x-amz-storage-class",                         settings->storage_class},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!add_header(s3->headers, rows[i][0], rows[i][1], rows[i][2], error))
            return false;
    }
    return add_metadata(s3->headers, settings->metadata, error);
}

static bool s3_open(EgStore *store, GError **error)
{
    S3Store *s3 = s3_of(store);
    const EgStorageS3 *settings = &store->storage->s3;
    s3->headers = g_ptr_array_new_with_free_func(g_free);
    if ((settings->access_key == NULL) != (settings->secret == NULL)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "%s of s3 is missing; access_key and secret go together",
                     settings->secret == NULL ? "secret" : "access_key");
        return false;
    }
    if (!make_headers(s3, error))
        return false;
    s3->client = eg_s3_client_new(store->storage, store->log, error);
    return s3->client != NULL;
}

static void s3_free(EgStore *store)
{
    S3Store *s3 = s3_of(store);
    eg_s3_client_free(s3->client);
    g_clear_pointer(&s3->headers, g_ptr_array_unref);
}

/* A request that makes an object, with all that is said about it. */
static bool create(S3Store *s3, const EgS3Call *call, const char *content_type, EgHttpReply *reply,
                   GCancellable *cancellable, GError **error)
{
    g_autoptr(GPtrArray) headers = g_ptr_array_new();
    g_autofree char *type = content_type != NULL
                                ? g_strconcat("Content-Type: ", content_type, NULL)
                                : g_strdup("Content-Type: application/octet-stream");
    g_ptr_array_add(headers, type);
    for (guint i = 0; i < s3->headers->len; i++)
        g_ptr_array_add(headers, s3->headers->pdata[i]);
    g_ptr_array_add(headers, NULL);
    EgS3Call full = *call;
    full.headers = (const char *const *)headers->pdata;
    return eg_s3_client_call(s3->client, &full, reply, cancellable, error);
}

static bool s3_put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                   GCancellable *cancellable, GError **error)
{
    g_autofree char *doing = g_strdup_printf("put %s", key);
    EgS3Call call = {.doing = doing, .method = "PUT", .key = key, .body = content, .is_bulk = true};
    g_auto(EgHttpReply) reply = {0};
    return create(s3_of(store), &call, content_type, &reply, cancellable, error);
}

/* An answer of 200 that does not say what it should. */
static void set_no_answer(GError **error, const char *doing)
{
    eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION,
                           "cannot %s: the store's answer is not that of S3", doing);
}

static char *s3_begin(EgStore *store, const char *key, const char *content_type,
                      GCancellable *cancellable, GError **error)
{
    g_autofree char *doing = g_strdup_printf("begin %s", key);
    EgS3Call call = {.doing = doing, .method = "POST", .key = key, .query = "uploads="};
    g_auto(EgHttpReply) reply = {0};
    if (!create(s3_of(store), &call, content_type, &reply, cancellable, error))
        return NULL;
    char *upload = eg_xml_find(reply.body, "InitiateMultipartUploadResult/UploadId");
    if (upload == NULL)
        set_no_answer(error, doing);
    return upload;
}

static char *upload_query(const char *upload, const char *before)
{
    g_autofree char *escaped = eg_http_escape(upload, NULL);
    return g_strconcat(before, "uploadId=", escaped, NULL);
}

static char *s3_put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                         GCancellable *cancellable, GError **error)
{
    g_autofree char *number = g_strdup_printf("partNumber=%u&", part->index + 1);
    g_autofree char *query = upload_query(part->upload, number);
    g_autofree char *doing = g_strdup_printf("put part %u of %s", part->index + 1, part->key);
    EgS3Call call = {.doing = doing,
                     .method = "PUT",
                     .key = part->key,
                     .query = query,
                     .body = content,
                     .is_bulk = true};
    g_auto(EgHttpReply) reply = {0};
    if (!eg_s3_client_call(s3_of(store)->client, &call, &reply, cancellable, error))
        return NULL;
    const char *tag = g_hash_table_lookup(reply.headers, "etag");
    if (tag == NULL)
        set_no_answer(error, doing);
    return g_strdup(tag);
}

static GBytes *make_list(const char *const *tags)
{
    GString *list = g_string_new("<CompleteMultipartUpload xmlns=\"" ROOT_NAMESPACE "\">");
    for (guint i = 0; tags[i] != NULL; i++) {
        g_autofree char *part = g_markup_printf_escaped(
            "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", i + 1, tags[i]);
        g_string_append(list, part);
    }
    g_string_append(list, "</CompleteMultipartUpload>");
    return g_string_free_to_bytes(list);
}

/* The tag of an object of these parts: a hash of their hashes, and how many there are. NULL where
 * tags are no hashes, as with encryption by KMS. */
static char *tag_of_parts(const char *const *tags)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_MD5);
    guint n = 0;
    for (; tags[n] != NULL; n++) {
        const char *digits = tags[n] + (*tags[n] == '"' ? 1 : 0);
        if (strspn(digits, "0123456789abcdefABCDEF") != 32)
            return NULL;
        for (guint i = 0; i < 32; i += 2) {
            guint8 byte = (guint8)(g_ascii_xdigit_value(digits[i]) * 16 +
                                   g_ascii_xdigit_value(digits[i + 1]));
            g_checksum_update(checksum, &byte, 1);
        }
    }
    return g_strdup_printf("\"%s-%u\"", g_checksum_get_string(checksum), n);
}

/* An upload that is not there any more may have been completed by an attempt whose answer was lost.
 * Where that cannot be found out now, it may be by another one: an error of its own. */
static bool is_complete(S3Store *s3, const char *key, const char *const *tags,
                        GCancellable *cancellable, GError **error)
{
    EgS3Call call = {.doing = "look what was completed", .method = "HEAD", .key = key};
    g_auto(EgHttpReply) reply = {0};
    g_autoptr(GError) failure = NULL;
    g_autofree char *expected = tag_of_parts(tags);
    if (expected == NULL)
        return false;
    if (eg_s3_client_call(s3->client, &call, &reply, cancellable, &failure))
        return g_strcmp0(g_hash_table_lookup(reply.headers, "etag"), expected) == 0;
    if (eg_error_is_retryable(failure) || eg_error_code(failure) == EG_ERROR_CANCELED)
        g_propagate_error(error, g_steal_pointer(&failure));
    return false;
}

static bool s3_complete(EgStore *store, const char *key, const char *upload,
                        const char *const *tags, GCancellable *cancellable, GError **error)
{
    g_autofree char *doing = g_strdup_printf("complete %s", key);
    g_autofree char *query = upload_query(upload, "");
    g_autoptr(GBytes) list = make_list(tags);
    static const char *const headers[] = {"Content-Type: application/xml", NULL};
    EgS3Call call = {.doing = doing,
                     .method = "POST",
                     .key = key,
                     .query = query,
                     .headers = headers,
                     .body = list,
                     .is_told_late = true};
    g_auto(EgHttpReply) reply = {0};
    g_autoptr(GError) reason = NULL;
    g_autoptr(GError) open = NULL;
    if (eg_s3_client_call(s3_of(store)->client, &call, &reply, cancellable, &reason)) {
        g_autofree char *result = eg_xml_find(reply.body, "CompleteMultipartUploadResult");
        if (result == NULL)
            set_no_answer(error, doing);
        return result != NULL;
    }
    if (reply.status == 404 && is_complete(s3_of(store), key, tags, cancellable, &open))
        return true;
    g_propagate_error(error, open != NULL ? g_steal_pointer(&open) : g_steal_pointer(&reason));
    return false;
}

static void s3_abort(EgStore *store, const char *key, const char *upload)
{
    g_autofree char *query = upload_query(upload, "");
    EgS3Call call = {.doing = "give up an upload", .method = "DELETE", .key = key, .query = query};
    g_auto(EgHttpReply) reply = {0};
    g_autoptr(GError) error = NULL;
    if (!eg_s3_client_call(s3_of(store)->client, &call, &reply, NULL, &error))
        eg_debug(store->log, "upload not given up", EG_STR("error", error->message));
}

static char *s3_location(EgStore *store, const char *key, GError **error)
{
    S3Store *s3 = s3_of(store);
    return store->storage->generate_presigned_url
               ? eg_s3_client_presign(s3->client, key, PRESIGNED_S, error)
               : eg_s3_client_location(s3->client, key);
}

const EgStoreClass eg_store_s3 = {
    .instance_bytes = sizeof(S3Store),
    .limits =
        {
                 .part_bytes = PART_BYTES,
                 .step_bytes = 1,
                 .max_parts = MAX_PARTS,
                 .max_put_bytes = MAX_PUT_BYTES,
                 .parallel_parts = PARALLEL_PARTS,
                 },
    .open = s3_open,
    .put = s3_put,
    .begin = s3_begin,
    .put_part = s3_put_part,
    .complete = s3_complete,
    .abort = s3_abort,
    .location = s3_location,
    .free = s3_free,
};
