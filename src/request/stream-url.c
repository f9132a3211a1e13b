#include "request/stream-url.h"

#include <string.h>

#include "base/error.h"
#include "proto/redact.h"

/* What libavformat keeps such a part in has 1024. */
#define MAX_BYTES 1000

#define RTMP_FORM                                                                                  \
    "rtmp urls must be of format rtmp(s)://{host}(/{path})/{app}/{stream_key}( live=1)"
#define SRT_FORM "srt urls must be of format srt://{host}:{port}(?{option}={value}&...)"

/* Where the providers take streams, encrypted. */
static const struct {
    const char *scheme;
    const char *server;
    const char *app;
} providers[] = {
    {"mux",    "rtmps://global-live.mux.com:443",                     "app"},
    {"twitch", "rtmps://ingest.global-contribute.live-video.net:443", "app"},
};

static bool fail(GError **error, const char *url, const char *reason)
{
    g_autofree char *shown = eg_redact_url(url);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "invalid url %s: %s", shown,
                 reason);
    return false;
}

static bool has_blank(const char *text)
{
    for (; *text != '\0'; text++) {
        if (g_ascii_isspace(*text) || g_ascii_iscntrl(*text))
            return true;
    }
    return false;
}

/* "rtmp://user:password@host:1935" */
static bool is_server(const char *server)
{
    g_autoptr(GUri) uri = g_uri_parse(server, G_URI_FLAGS_HAS_PASSWORD | G_URI_FLAGS_ENCODED, NULL);
    return uri != NULL && g_uri_get_host(uri) != NULL && *g_uri_get_host(uri) != '\0' &&
           g_uri_get_port(uri) != 0;
}

static bool parse_rtmp(const char *url, EgStreamUrl *parsed, GError **error)
{
    static const char option[] = " live=1";
    g_autofree char *plain = g_strdup(url);
    if (g_str_has_suffix(plain, option))
        plain[strlen(plain) - strlen(option)] = '\0';
    char *path = strchr(strstr(plain, "://") + 3, '/');
    if (path == NULL || has_blank(plain))
        return fail(error, url, RTMP_FORM);
    char *key = path + strcspn(path, "?");
    while (key[-1] != '/')
        key--;
    if (key - 1 <= path + 1)
        return fail(error, url, RTMP_FORM);
    parsed->server = g_strndup(plain, (gsize)(path - plain));
    parsed->app = g_strndup(path + 1, (gsize)(key - 1 - (path + 1)));
    parsed->key = g_strdup(key);
    parsed->format = EG_FORMAT_FLV;
    if (!is_server(parsed->server))
        return fail(error, url, RTMP_FORM);
    if (strlen(parsed->server) + strlen(parsed->app) > MAX_BYTES)
        return fail(error, url, "it is too long");
    return true;
}

static bool expand(const char *url, const char *key, gsize provider, EgStreamUrl *parsed,
                   GError **error)
{
    if (*key == '\0' || has_blank(key))
        return fail(error, url, "it is {provider}://{stream_key}");
    parsed->server = g_strdup(providers[provider].server);
    parsed->app = g_strdup(providers[provider].app);
    parsed->key = g_strdup(key);
    parsed->format = EG_FORMAT_FLV;
    return true;
}

static bool set_mode(EgStreamUrl *parsed, const char *value)
{
    parsed->is_listener = strcmp(value, "listener") == 0;
    return parsed->is_listener || strcmp(value, "caller") == 0;
}

static bool set_passphrase(EgStreamUrl *parsed, const char *value)
{
    parsed->passphrase = g_strdup(value);
    return strlen(value) >= 10 && strlen(value) <= 79;
}

static bool set_key_length(EgStreamUrl *parsed, const char *value)
{
    guint64 bytes = 0;
    if (!g_ascii_string_to_unsigned(value, 10, 0, 32, &bytes, NULL))
        return false;
    parsed->key_length_bytes = (int)bytes;
    return bytes == 0 || bytes == 16 || bytes == 24 || bytes == 32;
}

static bool set_latency(EgStreamUrl *parsed, const char *value)
{
    guint64 ms = 0;
    bool is_number = g_ascii_string_to_unsigned(value, 10, 0, 60000, &ms, NULL);
    parsed->latency_ms = (gint64)ms;
    return is_number;
}

static bool set_stream_id(EgStreamUrl *parsed, const char *value)
{
    parsed->stream_id = g_strdup(value);
    return strlen(value) <= 512;
}

/* Those of GStreamer's and srt-live-transmit's URLs. */
static const struct {
    const char *name;
    bool (*set)(EgStreamUrl *parsed, const char *value);
    const char *rule;
} srt_options[] = {
    {"mode",       set_mode,       "mode is caller or listener"             },
    {"passphrase", set_passphrase, "passphrase has from 10 to 79 characters"},
    {"pbkeylen",   set_key_length, "pbkeylen is 0, 16, 24 or 32"            },
    {"latency",    set_latency,    "latency is from 0 to 60000 milliseconds"},
    {"streamid",   set_stream_id,  "streamid has at most 512 characters"    },
};

static bool set_option(const char *url, EgStreamUrl *parsed, const char *name, const char *value,
                       GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(srt_options); i++) {
        if (strcmp(srt_options[i].name, name) != 0)
            continue;
        return srt_options[i].set(parsed, value) || fail(error, url, srt_options[i].rule);
    }
    g_ptr_array_add(parsed->ignored, g_strdup(name));
    return true;
}

static bool set_options(const char *url, EgStreamUrl *parsed, const char *query, GError **error)
{
    GUriParamsIter iter;
    char *name = NULL;
    char *value = NULL;
    bool is_good = true;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GError) cause = NULL;
    g_uri_params_iter_init(&iter, query, -1, "&", G_URI_PARAMS_NONE);
    while (is_good && g_uri_params_iter_next(&iter, &name, &value, &cause)) {
        is_good = g_hash_table_add(seen, g_strdup(name))
                      ? set_option(url, parsed, name, value, error)
                      : fail(error, url, "an option is there twice");
        g_free(name);
        g_free(value);
    }
    if (is_good && cause != NULL)
        return fail(error, url, SRT_FORM);
    return is_good;
}

static bool parse_srt(const char *url, EgStreamUrl *parsed, GError **error)
{
    parsed->format = EG_FORMAT_TS;
    const char *query = strchr(url, '?');
    gsize length = query != NULL ? (gsize)(query - url) : strlen(url);
    g_autofree char *server = g_strndup(url, length);
    const char *authority = strstr(server, "://") + 3;
    if (g_str_has_suffix(server, "/"))
        server[--length] = '\0';
    if (query != NULL && !set_options(url, parsed, query + 1, error))
        return false;
    /* A listener may leave the address open. */
    bool is_open = *authority == ':' && parsed->is_listener;
    parsed->server =
        is_open ? g_strconcat("srt://0.0.0.0", authority, NULL) : g_steal_pointer(&server);
    g_autoptr(GUri) uri = g_uri_parse(parsed->server, G_URI_FLAGS_NONE, NULL);
    if (uri == NULL || g_uri_get_port(uri) <= 0 || !is_server(parsed->server) ||
        *g_uri_get_path(uri) != '\0' || g_uri_get_userinfo(uri) != NULL ||
        g_uri_get_fragment(uri) != NULL)
        return fail(error, url, SRT_FORM);
    if (strlen(parsed->server) > MAX_BYTES)
        return fail(error, url, "it is too long");
    return true;
}

static bool parse(const char *url, EgStreamUrl *parsed, GError **error)
{
    const char *mark = strstr(url, "://");
    if (mark == NULL || !g_utf8_validate(url, -1, NULL))
        return fail(error, url, RTMP_FORM);
    g_autofree char *scheme = g_ascii_strdown(url, mark - url);
    for (gsize i = 0; i < G_N_ELEMENTS(providers); i++) {
        if (strcmp(scheme, providers[i].scheme) == 0)
            return expand(url, mark + 3, i, parsed, error);
    }
    if (strcmp(scheme, "rtmp") == 0 || strcmp(scheme, "rtmps") == 0)
        return parse_rtmp(url, parsed, error);
    if (strcmp(scheme, "srt") == 0)
        return parse_srt(url, parsed, error);
    return fail(error, url, "invalid scheme; it must be rtmp, rtmps, mux, twitch or srt");
}

EgStreamUrl *eg_stream_url_parse(const char *url, GError **error)
{
    g_autoptr(EgStreamUrl) parsed = g_new0(EgStreamUrl, 1);
    parsed->key_length_bytes = -1;
    parsed->latency_ms = -1;
    parsed->ignored = g_ptr_array_new_with_free_func(g_free);
    return parse(url, parsed, error) ? g_steal_pointer(&parsed) : NULL;
}

void eg_stream_url_free(EgStreamUrl *url)
{
    if (url == NULL)
        return;
    g_ptr_array_unref(url->ignored);
    g_free(url->server);
    g_free(url->app);
    g_free(url->key);
    g_free(url->passphrase);
    g_free(url->stream_id);
    g_free(url);
}
