#include "storage/headers.h"

#include <string.h>

#include "base/time.h"
#include "storage/http.h"

char *eg_header_time(gint64 wall_ns, const char *format)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall_ns / EG_NS_PER_S);
    return g_date_time_format(time, format);
}

char *eg_header_date(gint64 wall_ns)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(wall_ns / EG_NS_PER_S);
    return g_strdup_printf(
        "%s, %02d %s %04d %02d:%02d:%02d GMT", days[g_date_time_get_day_of_week(time) - 1],
        g_date_time_get_day_of_month(time), months[g_date_time_get_month(time) - 1],
        g_date_time_get_year(time), g_date_time_get_hour(time), g_date_time_get_minute(time),
        g_date_time_get_second(time));
}

char *eg_header_md5(GBytes *content)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_MD5);
    gsize n_bytes;
    const guint8 *bytes = g_bytes_get_data(content, &n_bytes);
    if (n_bytes > 0)
        g_checksum_update(checksum, bytes, (gssize)n_bytes);
    guint8 digest[16];
    gsize digest_bytes = sizeof digest;
    g_checksum_get_digest(checksum, digest, &digest_bytes);
    return g_base64_encode(digest, digest_bytes);
}

char *eg_header_hmac(GChecksumType type, gconstpointer key, gsize key_bytes, const char *text)
{
    g_autoptr(GHmac) hmac = g_hmac_new(type, key, key_bytes);
    g_hmac_update(hmac, (const guchar *)text, -1);
    guint8 digest[64];
    gsize digest_bytes = sizeof digest;
    g_hmac_get_digest(hmac, digest, &digest_bytes);
    return g_base64_encode(digest, digest_bytes);
}

static const char *value_of(const char *header)
{
    const char *value = strchr(header, ':');
    g_assert(value != NULL);
    return value + 1 + strspn(value + 1, " ");
}

const char *eg_header_find(const char *const *headers, const char *name)
{
    const gsize length = strlen(name);
    for (; *headers != NULL; headers++) {
        if (g_ascii_strncasecmp(*headers, name, length) == 0 && (*headers)[length] == ':')
            return value_of(*headers);
    }
    return NULL;
}

static int compare(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char *eg_header_canonical(const char *const *headers, const char *prefix)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (; *headers != NULL; headers++) {
        if (g_ascii_strncasecmp(*headers, prefix, strlen(prefix)) != 0)
            continue;
        g_autofree char *name = g_ascii_strdown(*headers, strchr(*headers, ':') - *headers);
        g_ptr_array_add(lines, g_strdup_printf("%s:%s\n", name, value_of(*headers)));
    }
    g_ptr_array_sort(lines, compare);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv(NULL, (char **)lines->pdata);
}

char *eg_header_query(const char *const *query)
{
    GString *text = g_string_new(NULL);
    for (; query != NULL && *query != NULL; query += 2) {
        g_autofree char *name = eg_http_escape(query[0], NULL);
        g_autofree char *value = eg_http_escape(query[1], NULL);
        g_string_append_printf(text, "%c%s%s%s", text->len > 0 ? '&' : '?', name,
                               *value != '\0' ? "=" : "", value);
    }
    return g_string_free(text, FALSE);
}
