#include "storage/s3-address.h"

#include <string.h>

#include "base/error.h"
#include "storage/http.h"
#include "storage/s3-source.h"

#define MAX_REGION_BYTES 63
#define MIN_LABEL_BYTES  3
#define MAX_LABEL_BYTES  63

/* Where AWS tells about buckets of all regions. */
#define FIRST_REGION "us-east-1"

/* A part of a host name between dots. A bucket with dots in its name would not be covered by the
 * certificate of AWS. */
static bool is_label(const char *text)
{
    gsize bytes = strlen(text);
    return bytes > 0 && text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0' &&
           text[0] != '-' && text[bytes - 1] != '-';
}

static bool can_be_in_host(const char *bucket)
{
    gsize bytes = strlen(bucket);
    return bytes >= MIN_LABEL_BYTES && bytes <= MAX_LABEL_BYTES && is_label(bucket);
}

/* Other stores than AWS are free to name theirs. */
bool eg_s3_is_region(const char *region)
{
    const char *c = region;
    while (g_ascii_isalnum(*c) || (*c != '\0' && strchr("-._", *c) != NULL))
        c++;
    return c > region && *c == '\0' && c - region <= MAX_REGION_BYTES;
}

const char *eg_s3_endpoint(const EgStorage *storage)
{
    if (storage->endpoint != NULL && *storage->endpoint != '\0')
        return storage->endpoint;
    const char *said = eg_s3_variable("AWS_ENDPOINT_URL_S3");
    return said != NULL ? said : eg_s3_variable("AWS_ENDPOINT_URL");
}

bool eg_s3_address_init(EgS3Address *address, const EgStorage *storage, GError **error)
{
    const char *bucket = storage->bucket;
    if (bucket == NULL || *bucket == '\0' || strchr(bucket, '/') != NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "the bucket of s3 is %s; it is the name of a bucket",
                     bucket != NULL && *bucket != '\0' ? bucket : "missing");
        return false;
    }
    const char *endpoint = eg_s3_endpoint(storage);
    if (endpoint != NULL && !eg_endpoint_parse(&address->endpoint, endpoint, error))
        return false;
    address->bucket = g_strdup(bucket);
    address->is_path_style =
        storage->s3.force_path_style || address->endpoint.is_address || !can_be_in_host(bucket);
    return true;
}

void eg_s3_address_clear(EgS3Address *address)
{
    eg_endpoint_clear(&address->endpoint);
    g_clear_pointer(&address->bucket, g_free);
}

/* For endpoint and bucket; the path of the endpoint is between. */
static char *make_base(const char *scheme, const char *authority, const char *path,
                       const char *bucket, bool is_path_style)
{
    if (!is_path_style)
        return g_strdup_printf("%s://%s.%s%s", scheme, bucket, authority, path);
    return g_strdup_printf("%s://%s%s/%s", scheme, authority, path, bucket);
}

static char *aws_host(const char *region)
{
    return g_strdup_printf("s3.%s.amazonaws.com%s", region,
                           g_str_has_prefix(region, "cn-") ? ".cn" : "");
}

char *eg_s3_address_url(const EgS3Address *address, const char *region, const char *key,
                        const char *query)
{
    const EgEndpoint *endpoint = &address->endpoint;
    g_autofree char *host = aws_host(region);
    g_autofree char *bucket = eg_http_escape(address->bucket, NULL);
    g_autofree char *path = eg_http_escape(key != NULL ? key : "", "/");
    bool is_custom = endpoint->scheme != NULL;
    g_autofree char *base =
        make_base(is_custom ? endpoint->scheme : "https", is_custom ? endpoint->authority : host,
                  is_custom ? endpoint->path : "", bucket, address->is_path_style);
    return g_strconcat(base, key != NULL || !address->is_path_style ? "/" : "", path,
                       query != NULL ? "?" : "", query, NULL);
}

char *eg_s3_address_region_url(const EgS3Address *address)
{
    g_autofree char *host = aws_host(FIRST_REGION);
    g_autofree char *bucket = eg_http_escape(address->bucket, NULL);
    return g_strdup_printf("https://%s/%s?location=", host, bucket);
}

char *eg_s3_address_location(const EgS3Address *address, const char *key)
{
    const EgEndpoint *endpoint = &address->endpoint;
    bool is_custom = endpoint->scheme != NULL;
    g_autofree char *base =
        make_base(is_custom ? endpoint->scheme : "https",
                  is_custom ? endpoint->authority : "s3.amazonaws.com",
                  is_custom ? endpoint->path : "", address->bucket, address->is_path_style);
    return g_strconcat(base, "/", key, NULL);
}
