#include "storage/s3-sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <string.h>

#include "base/time.h"
#include "storage/headers.h"
#include "storage/http.h"

#define ALGORITHM    "AWS4-HMAC-SHA256"
#define DIGEST_BYTES 32

typedef struct {
    char date[9];  /* "20130524" */
    char time[17]; /* "20130524T000000Z" */
    char *credential_scope;
} Stamp;

static void clear_stamp(Stamp *stamp)
{
    g_free(stamp->credential_scope);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Stamp, clear_stamp)

static Stamp make_stamp(const EgS3Scope *scope)
{
    Stamp stamp = {0};
    g_autofree char *time = eg_header_time(scope->now_s * EG_NS_PER_S, "%Y%m%dT%H%M%SZ");
    g_strlcpy(stamp.time, time, sizeof(stamp.time));
    g_strlcpy(stamp.date, time, sizeof(stamp.date));
    stamp.credential_scope =
        g_strdup_printf("%s/%s/%s/aws4_request", stamp.date, scope->region, scope->service);
    return stamp;
}

static char *hex(const guint8 digest[static DIGEST_BYTES])
{
    GString *text = g_string_sized_new(2 * DIGEST_BYTES + 1);
    for (gsize i = 0; i < DIGEST_BYTES; i++)
        g_string_append_printf(text, "%02x", digest[i]);
    return g_string_free(text, FALSE);
}

/* OpenSSL's is several times faster than GLib's, which counts for files. */
static char *hash(const void *data, gsize bytes)
{
    guint8 digest[DIGEST_BYTES];
    g_assert(EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL) == 1);
    return hex(digest);
}

static void hmac(const void *key, gsize key_bytes, const char *text,
                 guint8 digest[static DIGEST_BYTES])
{
    g_assert(HMAC(EVP_sha256(), key, (int)key_bytes, (const guint8 *)text, strlen(text), digest,
                  NULL) != NULL);
}

static char *make_signature(const EgS3Scope *scope, const Stamp *stamp, const char *canonical)
{
    g_autofree char *canonical_hash = hash(canonical, strlen(canonical));
    g_autofree char *to_sign = g_strdup_printf(ALGORITHM "\n%s\n%s\n%s", stamp->time,
                                               stamp->credential_scope, canonical_hash);
    g_autofree char *first_key = g_strconcat("AWS4", scope->key->secret, NULL);
    guint8 digest[DIGEST_BYTES];
    hmac(first_key, strlen(first_key), stamp->date, digest);
    const char *const steps[] = {scope->region, scope->service, "aws4_request", to_sign};
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
        hmac(digest, DIGEST_BYTES, steps[i], digest);
    return hex(digest);
}

/* Stands between name and value while they are sorted: before all that a name may have in it. */
#define SEPARATOR '\001'

static int compare_texts(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "a=1&b=" of "b&a=1", escaped as it is. */
static char *canonical_query(const char *query)
{
    g_auto(GStrv) pairs = g_strsplit(query, "&", -1);
    g_autoptr(GPtrArray) sorted = g_ptr_array_new_with_free_func(g_free);
    for (char **pair = pairs; *pair != NULL; pair++) {
        if (**pair == '\0')
            continue;
        char *text = strchr(*pair, '=') != NULL ? g_strdup(*pair) : g_strconcat(*pair, "=", NULL);
        *strchr(text, '=') = SEPARATOR;
        g_ptr_array_add(sorted, text);
    }
    g_ptr_array_sort(sorted, compare_texts);
    for (guint i = 0; i < sorted->len; i++)
        *strchr(sorted->pdata[i], SEPARATOR) = '=';
    g_ptr_array_add(sorted, NULL);
    return g_strjoinv("&", (char **)sorted->pdata);
}

/* Path and query of a URL, as they are signed. */
static void split_url(const char *url, char **path, char **query)
{
    const char *authority = strstr(url, "://");
    g_assert(authority != NULL);
    const char *start = authority + strlen("://");
    start += strcspn(start, "/?");
    gsize path_bytes = strcspn(start, "?");
    *path = path_bytes > 0 ? g_strndup(start, path_bytes) : g_strdup("/");
    *query = canonical_query(start[path_bytes] == '?' ? start + path_bytes + 1 : "");
}

/* Of "Name:  some  value " the small name and the value with single spaces. */
static char *canonical_header(const char *header)
{
    const char *colon = strchr(header, ':');
    g_assert(colon != NULL);
    g_autofree char *name = g_ascii_strdown(header, colon - header);
    GString *text = g_string_new(name);
    g_string_append_c(text, SEPARATOR);
    g_auto(GStrv) words = g_strsplit(colon + 1, " ", -1);
    bool is_first = true;
    for (char **word = words; *word != NULL; word++) {
        if (**word == '\0')
            continue;
        if (!is_first)
            g_string_append_c(text, ' ');
        g_string_append(text, *word);
        is_first = false;
    }
    return g_string_free(text, FALSE);
}

/* "name:value\n" of all, in order, and "name;name". */
static char *canonical_headers(const GPtrArray *headers, const char *host, char **names)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *host_header = g_strconcat("Host:", host, NULL);
    g_ptr_array_add(lines, canonical_header(host_header));
    for (guint i = 0; i < headers->len; i++)
        g_ptr_array_add(lines, canonical_header(headers->pdata[i]));
    g_ptr_array_sort(lines, compare_texts);
    GString *text = g_string_new(NULL);
    GString *all_names = g_string_new(NULL);
    for (guint i = 0; i < lines->len; i++) {
        char *name = lines->pdata[i];
        char *value = strchr(name, SEPARATOR);
        *value++ = '\0';
        g_string_append_printf(text, "%s:%s\n", name, value);
        g_string_append_printf(all_names, "%s%s", i > 0 ? ";" : "", name);
    }
    *names = g_string_free(all_names, FALSE);
    return g_string_free(text, FALSE);
}

void eg_s3_sign(const EgS3Scope *scope, const char *method, const char *url, GBytes *body,
                GPtrArray *headers)
{
    g_auto(Stamp) stamp = make_stamp(scope);
    gsize bytes = 0;
    const void *data = body != NULL ? g_bytes_get_data(body, &bytes) : NULL;
    g_autofree char *body_hash = hash(data != NULL ? data : "", bytes);
    g_ptr_array_add(headers, g_strdup_printf("X-Amz-Date: %s", stamp.time));
    if (strcmp(scope->service, "s3") == 0)
        g_ptr_array_add(headers, g_strdup_printf("X-Amz-Content-Sha256: %s", body_hash));
    if (scope->key->session_token != NULL)
        g_ptr_array_add(headers,
                        g_strdup_printf("X-Amz-Security-Token: %s", scope->key->session_token));

    g_autofree char *path = NULL;
    g_autofree char *query = NULL;
    split_url(url, &path, &query);
    g_autofree char *host = eg_http_host(url);
    g_autofree char *names = NULL;
    g_autofree char *lines = canonical_headers(headers, host, &names);
    g_autofree char *canonical =
        g_strdup_printf("%s\n%s\n%s\n%s\n%s\n%s", method, path, query, lines, names, body_hash);
    g_autofree char *signature = make_signature(scope, &stamp, canonical);
    g_ptr_array_add(headers, g_strdup_printf("Authorization: " ALGORITHM
                                             " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                                             scope->key->access_key, stamp.credential_scope, names,
                                             signature));
}

static void add_parameter(GString *url, const char *name, const char *value)
{
    g_autofree char *escaped = eg_http_escape(value, NULL);
    g_string_append_printf(url, "%c%s=%s", strchr(url->str, '?') != NULL ? '&' : '?', name,
                           escaped);
}

char *eg_s3_presign(const EgS3Scope *scope, const char *url, guint valid_s)
{
    g_auto(Stamp) stamp = make_stamp(scope);
    g_autofree char *credential =
        g_strdup_printf("%s/%s", scope->key->access_key, stamp.credential_scope);
    g_autofree char *valid = g_strdup_printf("%u", valid_s);
    GString *signed_url = g_string_new(url);
    add_parameter(signed_url, "X-Amz-Algorithm", ALGORITHM);
    add_parameter(signed_url, "X-Amz-Credential", credential);
    add_parameter(signed_url, "X-Amz-Date", stamp.time);
    add_parameter(signed_url, "X-Amz-Expires", valid);
    if (scope->key->session_token != NULL)
        add_parameter(signed_url, "X-Amz-Security-Token", scope->key->session_token);
    add_parameter(signed_url, "X-Amz-SignedHeaders", "host");

    g_autofree char *path = NULL;
    g_autofree char *query = NULL;
    split_url(signed_url->str, &path, &query);
    g_autofree char *host = eg_http_host(url);
    g_autofree char *canonical =
        g_strdup_printf("GET\n%s\n%s\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD", path, query, host);
    g_autofree char *signature = make_signature(scope, &stamp, canonical);
    add_parameter(signed_url, "X-Amz-Signature", signature);
    return g_string_free(signed_url, FALSE);
}
