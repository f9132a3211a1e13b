#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/alioss-sign.h"
#include "storage/crc.h"
#include "storage/endpoint.h"
#include "storage/headers.h"
#include "storage/http.h"
#include "storage/store-class.h"
#include "storage/xml.h"

/* Alibaba Cloud's Object Storage Service.
 * https://www.alibabacloud.com/help/en/oss/developer-reference */

#define MIB             ((gsize)1024 * 1024)
#define CRC_HEADER      "x-oss-hash-crc64ecma"
#define READABLE_FOR_NS (7 * 24 * 3600 * EG_NS_PER_S)

typedef struct {
    EgStore store;
    EgHttp *http;
    char *origin; /* "https://bucket.oss-eu-central-1.aliyuncs.com" */
    char *folder; /* in which keys are, in URLs: "" or "/bucket" */
} EgStoreAlioss;

/* Damaged on the way, or too slowly there. */
static const char *const retryable_codes[] = {"InvalidDigest", "RequestTimeout", NULL};

static bool set_missing(GError **error, const char *what)
{
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "alioss: %s is missing", what);
    return false;
}

/* It becomes a part of a host name. */
static bool is_bucket(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (!g_ascii_islower(*c) && !g_ascii_isdigit(*c) && *c != '-')
            return false;
    }
    return *text != '\0';
}

static bool alioss_open(EgStore *store, GError **error)
{
    EgStoreAlioss *alioss = (EgStoreAlioss *)store;
    const EgStorage *settings = store->storage;
    if (settings->alioss.access_key == NULL)
        return set_missing(error, "access_key");
    if (settings->alioss.secret == NULL)
        return set_missing(error, "secret");
    if (settings->endpoint == NULL)
        return set_missing(error, "endpoint");
    if (settings->bucket == NULL)
        return set_missing(error, "bucket");
    if (!is_bucket(settings->bucket)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "alioss: bucket has other characters than a-z, 0-9 and -");
        return false;
    }
    g_auto(EgEndpoint) endpoint = {0};
    if (!eg_endpoint_parse(&endpoint, settings->endpoint, error))
        return false;
    if (endpoint.is_address) {
        alioss->origin = g_strdup_printf("%s://%s", endpoint.scheme, endpoint.authority);
        alioss->folder = g_strconcat("/", settings->bucket, NULL);
    } else {
        alioss->origin =
            g_strdup_printf("%s://%s.%s", endpoint.scheme, settings->bucket, endpoint.authority);
        alioss->folder = g_strdup("");
    }
    alioss->http = eg_http_new(store->storage);
    return true;
}

static void alioss_free(EgStore *store)
{
    EgStoreAlioss *alioss = (EgStoreAlioss *)store;
    eg_http_free(alioss->http);
    g_free(alioss->origin);
    g_free(alioss->folder);
}

typedef struct {
    const char *what; /* "put" */
    const char *method;
    const char *key;
    const char *const *query;
    const char *type; /* of the content; NULL: not told */
    GBytes *body;     /* NULL: none */
    bool is_bulk;
} Call;

static char **make_headers(const EgStoreAlioss *alioss, const Call *call)
{
    const EgStorage *settings = alioss->store.storage;
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *date = eg_header_date(eg_wall_now_ns());
    g_ptr_array_add(headers, g_strconcat("Date: ", date, NULL));
    if (call->body != NULL) {
        g_autofree char *md5 = eg_header_md5(call->body);
        g_ptr_array_add(headers, g_strconcat("Content-MD5: ", md5, NULL));
    }
    if (call->type != NULL)
        g_ptr_array_add(headers, g_strconcat("Content-Type: ", call->type, NULL));
    g_ptr_array_add(headers, NULL);
    const EgAliossRequest request = {
        .method = call->method,
        .bucket = settings->bucket,
        .key = call->key,
        .query = call->query,
        .headers = (const char *const *)headers->pdata,
    };
    g_autofree char *signature =
        eg_alioss_authorization(settings->alioss.access_key, settings->alioss.secret, &request);
    g_ptr_array_insert(headers, 0, g_strconcat("Authorization: ", signature, NULL));
    g_ptr_array_set_free_func(headers, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&headers), FALSE);
}

static bool send(EgStoreAlioss *alioss, const Call *call, EgHttpReply *reply,
                 GCancellable *cancellable, GError **error)
{
    g_autofree char *key = eg_http_escape(call->key, "/");
    g_autofree char *query = eg_header_query(call->query);
    g_autofree char *url = g_strconcat(alioss->origin, alioss->folder, "/", key, query, NULL);
    g_auto(GStrv) headers = make_headers(alioss, call);
    const EgHttpRequest request = {
        .method = call->method,
        .url = url,
        .headers = (const char *const *)headers,
        .body = call->body,
        .is_bulk = call->is_bulk,
    };
    if (!eg_http_perform(alioss->http, &request, reply, cancellable, error))
        return false;
    if (reply->status >= 200 && reply->status < 300)
        return true;
    g_autofree char *doing = g_strdup_printf("%s %s", call->what, call->key);
    eg_xml_set_error(error, doing, reply, retryable_codes);
    return false;
}

static bool alioss_put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                       GCancellable *cancellable, GError **error)
{
    const Call call = {
        .what = "put",
        .method = "PUT",
        .key = key,
        .type = content_type,
        .body = content,
        .is_bulk = true,
    };
    g_auto(EgHttpReply) reply = {0};
    return send((EgStoreAlioss *)store, &call, &reply, cancellable, error);
}

/* An answer that does not say what it has to: something between us and the store has made it. */
static void set_strange(GError **error, const char *what, const char *key)
{
    eg_error_set_retryable(error, EG_ERROR_MALFORMED_RESULT, EG_BLAME_DESTINATION,
                           "cannot %s %s: the store's answer makes no sense", what, key);
}

static char *alioss_begin(EgStore *store, const char *key, const char *content_type,
                          GCancellable *cancellable, GError **error)
{
    static const char *const query[] = {"uploads", "", NULL};
    const Call call = {
        .what = "begin",
        .method = "POST",
        .key = key,
        .query = query,
        .type = content_type,
    };
    g_auto(EgHttpReply) reply = {0};
    if (!send((EgStoreAlioss *)store, &call, &reply, cancellable, error))
        return NULL;
    g_autofree char *upload = eg_xml_find(reply.body, "InitiateMultipartUploadResult/UploadId");
    if (upload == NULL || *upload == '\0') {
        set_strange(error, call.what, key);
        return NULL;
    }
    return g_steal_pointer(&upload);
}

/* A tag is what the store calls the part, and its checksum: of all of them comes the object's. */
static char *make_tag(const char *etag, GBytes *content)
{
    g_autofree char *crc = eg_crc_tag(eg_crc(&eg_crc64, content), g_bytes_get_size(content));
    return g_strdup_printf("%s %s", crc, etag);
}

static char *alioss_put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                             GCancellable *cancellable, GError **error)
{
    g_autofree char *number = g_strdup_printf("%u", part->index + 1);
    const char *const query[] = {"partNumber", number, "uploadId", part->upload, NULL};
    const Call call = {
        .what = "put a part of",
        .method = "PUT",
        .key = part->key,
        .query = query,
        .body = content,
        .is_bulk = true,
    };
    g_auto(EgHttpReply) reply = {0};
    if (!send((EgStoreAlioss *)store, &call, &reply, cancellable, error))
        return NULL;
    const char *etag = g_hash_table_lookup(reply.headers, "etag");
    if (etag == NULL) {
        set_strange(error, call.what, part->key);
        return NULL;
    }
    return make_tag(etag, content);
}

/* False for a tag that is not ours. */
static bool read_tags(const char *const *tags, GString *list, EgCrcSum *sum)
{
    g_string_append(list, "<CompleteMultipartUpload>");
    for (guint i = 0; tags[i] != NULL; i++) {
        const char *etag = strchr(tags[i], ' ');
        if (etag == NULL || !eg_crc_add(&eg_crc64, sum, tags[i]))
            return false;
        g_autofree char *part = g_markup_printf_escaped(
            "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", i + 1, etag + 1);
        g_string_append(list, part);
    }
    g_string_append(list, "</CompleteMultipartUpload>");
    return true;
}

static bool has_crc(const EgHttpReply *reply, const EgCrcSum *sum)
{
    const char *told = g_hash_table_lookup(reply->headers, CRC_HEADER);
    guint64 crc;
    return told != NULL && g_ascii_string_to_unsigned(told, 10, 0, G_MAXUINT64, &crc, NULL) &&
           crc == sum->crc;
}

/* An upload that the store does not know any more may have been completed by an earlier attempt, of
 * which only the answer was lost. Where that cannot be found out now, it may be by another one. */
static bool find_completed(EgStoreAlioss *alioss, const char *key, const EgCrcSum *sum,
                           GError *refusal, GCancellable *cancellable, GError **error)
{
    const Call call = {.what = "complete", .method = "HEAD", .key = key};
    g_auto(EgHttpReply) reply = {0};
    g_autoptr(GError) failure = NULL;
    if (send(alioss, &call, &reply, cancellable, &failure) && has_crc(&reply, sum))
        return true;
    const bool is_open =
        eg_error_is_retryable(failure) || eg_error_code(failure) == EG_ERROR_CANCELED;
    g_propagate_error(error, g_error_copy(is_open ? failure : refusal));
    return false;
}

static bool check_completed(const Call *call, const EgHttpReply *reply, const EgCrcSum *sum,
                            GError **error)
{
    g_autofree char *etag = eg_xml_find(reply->body, "CompleteMultipartUploadResult/ETag");
    if (etag == NULL) {
        set_strange(error, call->what, call->key);
        return false;
    }
    if (!g_hash_table_contains(reply->headers, CRC_HEADER) || has_crc(reply, sum))
        return true;
    eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_DESTINATION,
                 "cannot complete %s: what the store has is not what it was sent", call->key);
    return false;
}

static bool alioss_complete(EgStore *store, const char *key, const char *upload,
                            const char *const *tags, GCancellable *cancellable, GError **error)
{
    EgStoreAlioss *alioss = (EgStoreAlioss *)store;
    EgCrcSum sum = {0};
    GString *list = g_string_new(NULL);
    const bool is_ours = read_tags(tags, list, &sum);
    g_autoptr(GBytes) body = g_string_free_to_bytes(list);
    if (!is_ours) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "alioss: this is no tag of a part");
        return false;
    }
    const char *const query[] = {"uploadId", upload, NULL};
    const Call call = {
        .what = "complete",
        .method = "POST",
        .key = key,
        .query = query,
        .type = "application/xml",
        .body = body,
    };
    g_auto(EgHttpReply) reply = {0};
    g_autoptr(GError) refusal = NULL;
    if (send(alioss, &call, &reply, cancellable, &refusal))
        return check_completed(&call, &reply, &sum, error);
    if (reply.status == 404)
        return find_completed(alioss, key, &sum, refusal, cancellable, error);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return false;
}

static void alioss_abort(EgStore *store, const char *key, const char *upload)
{
    const char *const query[] = {"uploadId", upload, NULL};
    const Call call = {.what = "abort", .method = "DELETE", .key = key, .query = query};
    g_auto(EgHttpReply) reply = {0};
    send((EgStoreAlioss *)store, &call, &reply, NULL, NULL);
}

static char *alioss_location(EgStore *store, const char *key, GError **error)
{
    (void)error;
    const EgStoreAlioss *alioss = (const EgStoreAlioss *)store;
    const EgStorage *settings = store->storage;
    if (!settings->generate_presigned_url)
        return g_strconcat(alioss->origin, alioss->folder, "/", key, NULL);
    g_autofree char *escaped = eg_http_escape(key, "/");
    g_autofree char *query =
        eg_alioss_read_query(settings->alioss.access_key, settings->alioss.secret, settings->bucket,
                             key, eg_wall_now_ns() + READABLE_FOR_NS);
    return g_strconcat(alioss->origin, alioss->folder, "/", escaped, query, NULL);
}

const EgStoreClass eg_store_alioss = {
    .instance_bytes = sizeof(EgStoreAlioss),
    .limits =
        {
                 .part_bytes = 8 * MIB,
                 .step_bytes = 1,
                 .max_parts = 10000,
                 .max_put_bytes = 256 * MIB,
                 .parallel_parts = 4,
                 },
    .open = alioss_open,
    .put = alioss_put,
    .begin = alioss_begin,
    .put_part = alioss_put_part,
    .complete = alioss_complete,
    .abort = alioss_abort,
    .location = alioss_location,
    .free = alioss_free,
};
