#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/crc.h"
#include "storage/endpoint.h"
#include "storage/gcs-credentials.h"
#include "storage/gcs-reply.h"
#include "storage/gcs-sign.h"
#include "storage/gcs-token.h"
#include "storage/headers.h"
#include "storage/http.h"
#include "storage/store-class.h"

/* Google Cloud Storage, by its JSON API. An object in parts is a resumable upload: a session that
 * is sent one part after the other, and whose URL is all that it takes to go on with it, so it is a
 * secret. https://cloud.google.com/storage/docs/performing-resumable-uploads
 *
 * Unlike elsewhere the object exists with its last part. It is whole then. */

#define KIB             ((gsize)1024)
#define MIB             (1024 * KIB)
#define READABLE_FOR_NS (7 * 24 * 3600 * EG_NS_PER_S)
#define VENDOR_HOST     "storage.googleapis.com"

#define STATUS_INCOMPLETE 308

typedef struct {
    EgStore store;
    EgHttp *http;
    EgGcsCredentials credentials;
    EgGcsToken *token;
    char *origin;    /* "https://storage.googleapis.com" */
    char *bucket;    /* escaped */
    bool is_vendors; /* no other endpoint was asked for */

    GMutex lock;
    GHashTable *uploads; /* how much of each the store has, where that is certain; locked */
} EgStoreGcs;

static bool set_invalid(GError **error, const char *what)
{
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "gcp: %s", what);
    return false;
}

static bool take_endpoint(EgStoreGcs *gcs, const char *emulator, GError **error)
{
    const EgStorage *settings = gcs->store.storage;
    if (settings->bucket == NULL)
        return set_invalid(error, "bucket is missing");
    gcs->bucket = eg_http_escape(settings->bucket, NULL);
    g_autofree char *plain = emulator != NULL && strstr(emulator, "://") == NULL
                                 ? g_strconcat("http://", emulator, NULL)
                                 : g_strdup(emulator);
    const char *asked = settings->endpoint != NULL ? settings->endpoint : plain;
    gcs->is_vendors = asked == NULL;
    g_auto(EgEndpoint) endpoint = {0};
    if (!eg_endpoint_parse(&endpoint, gcs->is_vendors ? VENDOR_HOST : asked, error))
        return false;
    gcs->origin = g_strdup_printf("%s://%s%s", endpoint.scheme, endpoint.authority, endpoint.path);
    return true;
}

static bool take_credentials(EgStoreGcs *gcs, bool is_emulator, GError **error)
{
    const EgStorage *settings = gcs->store.storage;
    const char *json = settings->gcs.credentials_json;
    if (json != NULL) {
        if (!eg_gcs_credentials_parse(&gcs->credentials, json, strlen(json), error))
            return false;
    } else if (is_emulator) {
        gcs->credentials.kind = EG_GCS_EMULATOR;
    } else if (!eg_gcs_credentials_find(&gcs->credentials, error)) {
        return false;
    }
    if (settings->generate_presigned_url && gcs->credentials.kind != EG_GCS_SERVICE_ACCOUNT)
        return set_invalid(error, "generate_presigned_url needs the key of a service account");
    return true;
}

/* Whether there is such a server shows when it is asked. */
static bool check_metadata(EgStoreGcs *gcs, GError **error)
{
    if (gcs->credentials.kind != EG_GCS_METADATA)
        return true;
    g_autofree char *token = eg_gcs_token_get(gcs->token, NULL, error);
    if (token != NULL)
        return true;
    g_prefix_error(error, "gcp: credentials_json and GOOGLE_APPLICATION_CREDENTIALS are missing, "
                          "and this machine has none either: ");
    return false;
}

static bool gcs_open(EgStore *store, GError **error)
{
    EgStoreGcs *gcs = (EgStoreGcs *)store;
    g_mutex_init(&gcs->lock);
    gcs->uploads = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const char *emulator = g_getenv("STORAGE_EMULATOR_HOST");
    if (!take_endpoint(gcs, emulator, error) || !take_credentials(gcs, emulator != NULL, error))
        return false;
    gcs->http = eg_http_new(store->storage);
    gcs->token = eg_gcs_token_new(gcs->http, &gcs->credentials);
    return check_metadata(gcs, error);
}

static void gcs_free(EgStore *store)
{
    EgStoreGcs *gcs = (EgStoreGcs *)store;
    eg_gcs_token_free(gcs->token);
    eg_http_free(gcs->http);
    eg_gcs_credentials_clear(&gcs->credentials);
    g_free(gcs->origin);
    g_free(gcs->bucket);
    g_hash_table_unref(gcs->uploads);
    g_mutex_clear(&gcs->lock);
}

typedef struct {
    const char *method;
    const char *url;
    const char *header; /* NULL: none */
    const char *type;   /* NULL: not told */
    GBytes *body;
    bool is_bulk;
} Call;

static bool perform(EgStoreGcs *gcs, const Call *call, const char *token, EgHttpReply *reply,
                    GCancellable *cancellable, GError **error)
{
    /* Where a session is, the store says: somewhere else nobody needs to know our token. */
    const bool is_ours = *token != '\0' && g_str_has_prefix(call->url, gcs->origin) &&
                         call->url[strlen(gcs->origin)] == '/';
    g_autofree char *authorization = g_strconcat("Authorization: Bearer ", token, NULL);
    g_autofree char *type = g_strconcat("Content-Type: ", call->type, NULL);
    const char *headers[4] = {NULL};
    guint n = 0;
    if (is_ours)
        headers[n++] = authorization;
    if (call->type != NULL)
        headers[n++] = type;
    if (call->header != NULL)
        headers[n++] = call->header;
    const EgHttpRequest request = {
        .method = call->method,
        .url = call->url,
        .headers = headers,
        .body = call->body,
        .is_bulk = call->is_bulk,
    };
    return eg_http_perform(gcs->http, &request, reply, cancellable, error);
}

/* A token may end before its time, for instance when an account is changed: then once more, with a
 * new one. */
static bool send(EgStoreGcs *gcs, const Call *call, EgHttpReply *reply, GCancellable *cancellable,
                 GError **error)
{
    for (bool is_second = false;; is_second = true) {
        g_autofree char *token = eg_gcs_token_get(gcs->token, cancellable, error);
        if (token == NULL || !perform(gcs, call, token, reply, cancellable, error))
            return false;
        if (reply->status != 401 || *token == '\0')
            return true;
        eg_gcs_token_forget(gcs->token, token);
        if (is_second)
            return true;
        eg_http_reply_clear(reply);
    }
}

static bool is_done(const EgHttpReply *reply)
{
    return reply->status == 200 || reply->status == 201;
}

static void set_strange(GError **error, const char *what, const char *key)
{
    eg_error_set_retryable(error, EG_ERROR_MALFORMED_RESULT, EG_BLAME_DESTINATION,
                           "cannot %s %s: the store's answer makes no sense", what, key);
}

static void set_refused(GError **error, const char *what, const char *key, const EgHttpReply *reply)
{
    g_autofree char *doing = g_strdup_printf("%s %s", what, key);
    eg_gcs_set_error(error, doing, reply);
}

static char *new_object_url(const EgStoreGcs *gcs, const char *key, const char *upload_type)
{
    g_autofree char *name = eg_http_escape(key, NULL);
    return g_strdup_printf("%s/upload/storage/v1/b/%s/o?uploadType=%s&name=%s", gcs->origin,
                           gcs->bucket, upload_type, name);
}

/* Big-endian, in base64. */
static char *format_crc(guint64 crc)
{
    const guint32 bytes = GUINT32_TO_BE((guint32)crc);
    return g_base64_encode((const guchar *)&bytes, sizeof bytes);
}

static char *metadata_of(const char *content_type, GBytes *content)
{
    json_t *object = json_object();
    json_object_set_new(object, "contentType", json_string(content_type));
    if (content != NULL) {
        g_autofree char *md5 = eg_header_md5(content);
        g_autofree char *crc = format_crc(eg_crc(&eg_crc32c, content));
        json_object_set_new(object, "md5Hash", json_string(md5));
        json_object_set_new(object, "crc32c", json_string(crc));
    }
    char *text = json_dumps(object, JSON_COMPACT); /* plain malloc() memory */
    json_decref(object);
    char *metadata = g_strdup(text);
    free(text);
    return metadata;
}

/* Metadata and content in one body: so the store gets the checksums with it, and refuses what does
 * not match. */
static GBytes *make_related(const char *boundary, const char *content_type, GBytes *content)
{
    g_autofree char *metadata = metadata_of(content_type, content);
    g_autofree char *head =
        g_strdup_printf("--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n"
                        "--%s\r\nContent-Type: %s\r\n\r\n",
                        boundary, metadata, boundary, content_type);
    g_autofree char *tail = g_strdup_printf("\r\n--%s--\r\n", boundary);
    gsize n_bytes;
    const guint8 *bytes = g_bytes_get_data(content, &n_bytes);
    GByteArray *body = g_byte_array_sized_new((guint)(strlen(head) + n_bytes + strlen(tail)));
    g_byte_array_append(body, (const guint8 *)head, (guint)strlen(head));
    g_byte_array_append(body, bytes, (guint)n_bytes);
    g_byte_array_append(body, (const guint8 *)tail, (guint)strlen(tail));
    return g_byte_array_free_to_bytes(body);
}

#define DIFFERENT "cannot %s %s: what the store has is not what it was sent"

/* What the store says it has, against what it was sent. */
static bool is_same(const EgGcsObject *object, const EgCrcSum *sum)
{
    return object->n_bytes == sum->n_bytes && (!object->has_crc || object->crc == sum->crc);
}

static bool gcs_put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                    GCancellable *cancellable, GError **error)
{
    EgStoreGcs *gcs = (EgStoreGcs *)store;
    g_autofree char *boundary = g_uuid_string_random();
    g_autofree char *type = g_strconcat("multipart/related; boundary=", boundary, NULL);
    g_autofree char *url = new_object_url(gcs, key, "multipart");
    g_autoptr(GBytes) body = make_related(boundary, content_type, content);
    const Call call = {
        .method = "POST",
        .url = url,
        .type = type,
        .body = body,
        .is_bulk = true,
    };
    g_auto(EgHttpReply) reply = {0};
    if (!send(gcs, &call, &reply, cancellable, error))
        return false;
    if (!is_done(&reply)) {
        set_refused(error, "put", key, &reply);
        return false;
    }
    const EgCrcSum sum = {eg_crc(&eg_crc32c, content), g_bytes_get_size(content)};
    EgGcsObject object;
    if (!eg_gcs_object_parse(reply.body, &object))
        set_strange(error, "put", key);
    else if (is_same(&object, &sum))
        return true;
    else
        eg_error_set_retryable(error, EG_ERROR_DATA_LOSS, EG_BLAME_DESTINATION, DIFFERENT, "put",
                               key);
    return false;
}

static void remember(EgStoreGcs *gcs, const char *upload, guint64 n_bytes)
{
    guint64 *kept = g_new(guint64, 1);
    *kept = n_bytes;
    g_mutex_lock(&gcs->lock);
    g_hash_table_replace(gcs->uploads, g_strdup(upload), kept);
    g_mutex_unlock(&gcs->lock);
}

static void forget(EgStoreGcs *gcs, const char *upload)
{
    g_mutex_lock(&gcs->lock);
    g_hash_table_remove(gcs->uploads, upload);
    g_mutex_unlock(&gcs->lock);
}

static bool is_remembered(EgStoreGcs *gcs, const char *upload, guint64 n_bytes)
{
    g_mutex_lock(&gcs->lock);
    const guint64 *kept = g_hash_table_lookup(gcs->uploads, upload);
    const bool is_so = kept != NULL && *kept == n_bytes;
    g_mutex_unlock(&gcs->lock);
    return is_so;
}

static char *gcs_begin(EgStore *store, const char *key, const char *content_type,
                       GCancellable *cancellable, GError **error)
{
    EgStoreGcs *gcs = (EgStoreGcs *)store;
    g_autofree char *url = new_object_url(gcs, key, "resumable");
    g_autofree char *metadata = metadata_of(content_type, NULL);
    g_autofree char *header = g_strconcat("X-Upload-Content-Type: ", content_type, NULL);
    g_autoptr(GBytes) body = g_bytes_new(metadata, strlen(metadata));
    const Call call = {
        .method = "POST",
        .url = url,
        .header = header,
        .type = "application/json; charset=UTF-8",
        .body = body,
    };
    g_auto(EgHttpReply) reply = {0};
    if (!send(gcs, &call, &reply, cancellable, error))
        return NULL;
    if (!is_done(&reply)) {
        set_refused(error, "begin", key, &reply);
        return NULL;
    }
    const char *upload = g_hash_table_lookup(reply.headers, "location");
    if (upload == NULL || !g_str_has_prefix(upload, "http")) {
        set_strange(error, "begin", key);
        return NULL;
    }
    remember(gcs, upload, 0);
    return g_strdup(upload);
}

/* Sends a piece of a session, or nothing and only asks. `range` is what goes into Content-Range.
 * True when the store has said how far it is: `n_bytes`, or `is_whole`, then the reply says what it
 * has made. */
typedef struct {
    EgHttpReply reply;
    guint64 n_bytes;
    bool is_whole;
} Progress;

static bool send_piece(EgStoreGcs *gcs, const EgStorePart *part, GBytes *piece, const char *range,
                       Progress *progress, GCancellable *cancellable, GError **error)
{
    static const char what[] = "put a part of";
    g_autofree char *header = g_strconcat("Content-Range: ", range, NULL);
    const Call call = {
        .method = "PUT",
        .url = part->upload,
        .header = header,
        .body = piece,
        .is_bulk = piece != NULL,
    };
    if (!send(gcs, &call, &progress->reply, cancellable, error))
        return false;
    progress->is_whole = is_done(&progress->reply);
    if (progress->is_whole)
        return true;
    if (progress->reply.status != STATUS_INCOMPLETE) {
        set_refused(error, what, part->key, &progress->reply);
        return false;
    }
    const char *there = g_hash_table_lookup(progress->reply.headers, "range");
    if (eg_gcs_range_parse(there, &progress->n_bytes))
        return true;
    set_strange(error, what, part->key);
    return false;
}

/* How much the store has before this part is sent: what is not certain is asked for. */
static bool find_start(EgStoreGcs *gcs, const EgStorePart *part, guint64 end, guint64 *start,
                       GCancellable *cancellable, GError **error)
{
    *start = part->offset;
    if (is_remembered(gcs, part->upload, part->offset))
        return true;
    Progress progress = {0};
    const bool is_known = send_piece(gcs, part, NULL, "bytes */*", &progress, cancellable, error);
    eg_http_reply_clear(&progress.reply);
    if (!is_known)
        return false;
    *start = progress.is_whole ? end : progress.n_bytes;
    if (*start >= part->offset)
        return true;
    eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_DESTINATION,
                 "cannot put a part of %s: the store has lost what was sent before", part->key);
    return false;
}

static char *format_range(const EgStorePart *part, guint64 start, guint64 end)
{
    g_autofree char *total =
        part->is_last ? g_strdup_printf("%" G_GUINT64_FORMAT, end) : g_strdup("*");
    if (start >= end)
        return g_strconcat("bytes */", total, NULL);
    return g_strdup_printf("bytes %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT "/%s", start, end - 1,
                           total);
}

/* What of the part the store does not have yet. */
static bool send_rest(EgStoreGcs *gcs, const EgStorePart *part, GBytes *content, guint64 start,
                      GCancellable *cancellable, GError **error)
{
    const guint64 end = part->offset + g_bytes_get_size(content);
    if (start >= end && !part->is_last)
        return true;
    const gsize skipped = (gsize)(MIN(start, end) - part->offset);
    g_autoptr(GBytes) rest =
        g_bytes_new_from_bytes(content, skipped, g_bytes_get_size(content) - skipped);
    g_autofree char *range = format_range(part, start, end);
    Progress progress = {0};
    bool is_sent = send_piece(gcs, part, rest, range, &progress, cancellable, error);
    if (is_sent && !progress.is_whole && progress.n_bytes < end) {
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_DESTINATION,
                               "cannot put a part of %s: the store has not taken all of it",
                               part->key);
        is_sent = false;
    }
    eg_http_reply_clear(&progress.reply);
    return is_sent;
}

static char *gcs_put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                          GCancellable *cancellable, GError **error)
{
    EgStoreGcs *gcs = (EgStoreGcs *)store;
    const gsize n_bytes = g_bytes_get_size(content);
    const guint64 end = part->offset + n_bytes;
    guint64 start;
    if (!find_start(gcs, part, end, &start, cancellable, error))
        return NULL;
    forget(gcs, part->upload);
    if (!send_rest(gcs, part, content, start, cancellable, error))
        return NULL;
    if (!part->is_last)
        remember(gcs, part->upload, MAX(start, end));
    return eg_crc_tag(eg_crc(&eg_crc32c, content), n_bytes);
}

/* Asks for what became of the session; with the object's length, so that it ends now if it has not
 * yet. */
static bool gcs_complete(EgStore *store, const char *key, const char *upload,
                         const char *const *tags, GCancellable *cancellable, GError **error)
{
    EgStoreGcs *gcs = (EgStoreGcs *)store;
    EgCrcSum sum = {0};
    for (; *tags != NULL; tags++) {
        if (!eg_crc_add(&eg_crc32c, &sum, *tags))
            return set_invalid(error, "this is no tag of a part");
    }
    forget(gcs, upload);
    g_autofree char *header =
        g_strdup_printf("Content-Range: bytes */%" G_GUINT64_FORMAT, sum.n_bytes);
    const Call call = {.method = "PUT", .url = upload, .header = header};
    g_auto(EgHttpReply) reply = {0};
    if (!send(gcs, &call, &reply, cancellable, error))
        return false;
    EgGcsObject object;
    const bool is_whole = is_done(&reply);
    if (is_whole && !eg_gcs_object_parse(reply.body, &object))
        set_strange(error, "complete", key);
    else if (is_whole && is_same(&object, &sum))
        return true;
    else if (is_whole)
        eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_DESTINATION, DIFFERENT, "complete", key);
    else if (reply.status == STATUS_INCOMPLETE)
        eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_DESTINATION,
                     "cannot complete %s: the store has lost a part", key);
    else
        set_refused(error, "complete", key, &reply);
    return false;
}

static void gcs_abort(EgStore *store, const char *key, const char *upload)
{
    (void)key;
    EgStoreGcs *gcs = (EgStoreGcs *)store;
    forget(gcs, upload);
    const Call call = {.method = "DELETE", .url = upload};
    g_auto(EgHttpReply) reply = {0};
    send(gcs, &call, &reply, NULL, NULL);
}

static char *make_presigned(const EgStoreGcs *gcs, const char *key, GError **error)
{
    g_autofree char *name = eg_http_escape(key, "/");
    g_autofree char *url = g_strdup_printf("%s/%s/%s", gcs->origin, gcs->bucket, name);
    g_autofree char *host = eg_http_host(url);
    const EgGcsReading reading = {
        .host = host,
        .path = strchr(strstr(url, "://") + strlen("://"), '/'),
        .from_wall_ns = eg_wall_now_ns(),
        .valid_ns = READABLE_FOR_NS,
    };
    g_autofree char *query =
        eg_gcs_read_query(gcs->credentials.client_email, gcs->credentials.private_key, &reading);
    if (query != NULL)
        return g_strconcat(url, query, NULL);
    set_invalid(error, "the private_key of the credentials cannot sign");
    return NULL;
}

static char *gcs_location(EgStore *store, const char *key, GError **error)
{
    const EgStoreGcs *gcs = (const EgStoreGcs *)store;
    if (store->storage->generate_presigned_url)
        return make_presigned(gcs, key, error);
    if (gcs->is_vendors)
        return g_strdup_printf("https://%s." VENDOR_HOST "/%s", store->storage->bucket, key);
    return g_strdup_printf("%s/%s/%s", gcs->origin, store->storage->bucket, key);
}

const EgStoreClass eg_store_gcs = {
    .instance_bytes = sizeof(EgStoreGcs),
    .limits =
        {
                 .part_bytes = 16 * MIB,
                 .step_bytes = 256 * KIB,
                 .max_parts = 1000000,
                 .max_put_bytes = 16 * MIB,
                 .parallel_parts = 1,
                 },
    .open = gcs_open,
    .put = gcs_put,
    .begin = gcs_begin,
    .put_part = gcs_put_part,
    .complete = gcs_complete,
    .abort = gcs_abort,
    .location = gcs_location,
    .free = gcs_free,
};
