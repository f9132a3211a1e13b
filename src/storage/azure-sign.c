#include "storage/azure-sign.h"

#include "storage/headers.h"

static char *sign(GBytes *key, const char *text)
{
    gsize n_bytes;
    const void *bytes = g_bytes_get_data(key, &n_bytes);
    return eg_header_hmac(G_CHECKSUM_SHA256, bytes, n_bytes, text);
}

/* The headers that are signed by their place. Those that we never send have an empty line. */
static void append_standard_headers(GString *text, const EgAzureRequest *request)
{
    static const char *const names[] = {
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-type",
        "date",
        "if-modified-since",
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "range",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        const char *value = eg_header_find(request->headers, names[i]);
        if (g_str_equal(names[i], "content-length") && request->content_bytes > 0)
            g_string_append_printf(text, "%" G_GSIZE_FORMAT, request->content_bytes);
        else if (value != NULL)
            g_string_append(text, value);
        g_string_append_c(text, '\n');
    }
}

char *eg_azure_authorization(const char *account, GBytes *key, const EgAzureRequest *request)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "%s\n", request->method);
    append_standard_headers(text, request);
    g_autofree char *ours = eg_header_canonical(request->headers, "x-ms-");
    g_string_append_printf(text, "%s/%s%s", ours, account, request->path);
    for (const char *const *query = request->query; query != NULL && *query != NULL; query += 2)
        g_string_append_printf(text, "\n%s:%s", query[0], query[1]);
    g_autofree char *signature = sign(key, text->str);
    return g_strdup_printf("SharedKey %s:%s", account, signature);
}

#define READ "r"
#define BLOB "b"

char *eg_azure_read_query(const char *account, GBytes *key, const char *container, const char *name,
                          gint64 until_wall_ns, bool is_secure)
{
    g_autofree char *until = eg_header_time(until_wall_ns, "%Y-%m-%dT%H:%M:%SZ");
    g_autofree char *resource = g_strdup_printf("/blob/%s/%s/%s", account, container, name);
    const char *protocol = is_secure ? "https" : "https,http";
    const char *const parts[] = {
        READ,     "", /* from now on */
        until,    resource,
        "", /* no stored policy */
        "", /* from any address */
        protocol, EG_AZURE_VERSION,
        BLOB,     "", /* no snapshot */
        "",           /* no encryption scope */
        "",           /* and with its headers: Cache-Control, */
        "",           /* Content-Disposition, */
        "",           /* Content-Encoding, */
        "",           /* Content-Language, */
        "",           /* Content-Type */
        NULL,
    };
    g_autofree char *text = g_strjoinv("\n", (char **)parts);
    g_autofree char *signature = sign(key, text);
    const char *const query[] = {
        "sv",  EG_AZURE_VERSION, "spr", protocol, "se", until, "sr", BLOB, "sp", READ,
        "sig", signature,        NULL,
    };
    return eg_header_query(query);
}
