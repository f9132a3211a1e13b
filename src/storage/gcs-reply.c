#include "storage/gcs-reply.h"

#include <jansson.h>
#include <string.h>

#include "base/time.h"

#define RANGE_START "bytes=0-"
#define MAX_VALID_S (24 * 60 * 60)
#define CRC_BYTES   4

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

bool eg_gcs_range_parse(const char *range, guint64 *n_bytes)
{
    *n_bytes = 0;
    if (range == NULL)
        return true;
    guint64 last;
    if (!g_str_has_prefix(range, RANGE_START) ||
        !g_ascii_string_to_unsigned(range + strlen(RANGE_START), 10, 0, G_MAXINT64 - 1, &last,
                                    NULL))
        return false;
    *n_bytes = last + 1;
    return true;
}

static json_t *parse(GBytes *body)
{
    gsize n_bytes;
    const char *bytes = g_bytes_get_data(body, &n_bytes);
    return n_bytes > 0 ? json_loadb(bytes, n_bytes, 0, NULL) : NULL;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool parse_crc(const char *text, guint64 *crc)
{
    gsize n_bytes = 0;
    g_autofree guint8 *bytes = text != NULL ? g_base64_decode(text, &n_bytes) : NULL;
    if (n_bytes != CRC_BYTES)
        return false;
    *crc = 0;
    for (gsize i = 0; i < n_bytes; i++)
        *crc = *crc << 8 | bytes[i];
    return true;
}

bool eg_gcs_object_parse(GBytes *body, EgGcsObject *object)
{
    g_autoptr(json_t) root = parse(body);
    const char *size = text_of(root, "size");
    *object = (EgGcsObject){0};
    if (size == NULL ||
        !g_ascii_string_to_unsigned(size, 10, 0, G_MAXINT64, &object->n_bytes, NULL))
        return false;
    object->has_crc = parse_crc(text_of(root, "crc32c"), &object->crc);
    return true;
}

char *eg_gcs_token_parse(GBytes *body, gint64 *valid_ns)
{
    g_autoptr(json_t) root = parse(body);
    const char *token = text_of(root, "access_token");
    if (token == NULL || *token == '\0' || strpbrk(token, "\r\n") != NULL)
        return NULL;
    const json_int_t valid_s = json_integer_value(json_object_get(root, "expires_in"));
    *valid_ns = (gint64)CLAMP(valid_s, 0, MAX_VALID_S) * EG_NS_PER_S;
    return g_strdup(token);
}

/* {"error": {"message": …}} of the store, or {"error": code, "error_description": …} of a token
 * server; and some answers of the store are a plain line. */
void eg_gcs_set_error(GError **error, const char *doing, const EgHttpReply *reply)
{
    g_autoptr(json_t) root = parse(reply->body);
    const json_t *said = json_object_get(root, "error");
    const char *code = json_string_value(said);
    const char *message = text_of(said, "message");
    if (message == NULL)
        message = text_of(root, "error_description");
    gsize n_bytes;
    const char *bytes = g_bytes_get_data(reply->body, &n_bytes);
    g_autofree char *plain =
        root == NULL && n_bytes > 0 && *bytes != '<' ? g_strndup(bytes, n_bytes) : NULL;
    eg_http_set_error(error, doing, reply, code, message != NULL ? message : plain,
                      eg_http_is_retryable(reply->status));
}
