#include "storage/alioss-sign.h"

#include <string.h>

#include "base/time.h"
#include "storage/headers.h"

/* `date` is that of the Date header, or the time until which a URL is good. */
static char *sign(const char *secret, const EgAliossRequest *request, const char *date)
{
    static const char *const no_headers[] = {NULL};
    const char *const *headers = request->headers != NULL ? request->headers : no_headers;
    const char *md5 = eg_header_find(headers, "content-md5");
    const char *type = eg_header_find(headers, "content-type");
    g_autofree char *ours = eg_header_canonical(headers, "x-oss-");
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "%s\n%s\n%s\n%s\n%s/%s/%s", request->method,
                           md5 != NULL ? md5 : "", type != NULL ? type : "", date, ours,
                           request->bucket, request->key);
    char separator = '?';
    for (const char *const *query = request->query; query != NULL && *query != NULL; query += 2) {
        g_string_append_printf(text, "%c%s%s%s", separator, query[0], *query[1] != '\0' ? "=" : "",
                               query[1]);
        separator = '&';
    }
    return eg_header_hmac(G_CHECKSUM_SHA1, secret, strlen(secret), text->str);
}

char *eg_alioss_authorization(const char *access_key, const char *secret,
                              const EgAliossRequest *request)
{
    const char *date = eg_header_find(request->headers, "date");
    g_assert(date != NULL);
    g_autofree char *signature = sign(secret, request, date);
    return g_strdup_printf("OSS %s:%s", access_key, signature);
}

char *eg_alioss_read_query(const char *access_key, const char *secret, const char *bucket,
                           const char *key, gint64 until_wall_ns)
{
    g_autofree char *until = g_strdup_printf("%" G_GINT64_FORMAT, until_wall_ns / EG_NS_PER_S);
    const EgAliossRequest request = {.method = "GET", .bucket = bucket, .key = key};
    g_autofree char *signature = sign(secret, &request, until);
    const char *const query[] = {
        "OSSAccessKeyId", access_key, "Expires", until, "Signature", signature, NULL,
    };
    return eg_header_query(query);
}
