#include "proto/redact.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

#include "livekit_egress.pb-c.h"
#include "proto/message.h"
#include "proto/reflect.h"
#include "rpc_egress.pb-c.h"

/* For what is not worth, or too short for, showing its ends. */
#define HIDDEN "{...}"

typedef char *(*HideFunc)(const char *url);

static char *hide_user(const char *url);

/* A secret is replaced by a text that is the same for all, or treated as a URL. */
static const struct {
    const ProtobufCMessageDescriptor *message;
    const char *field;
    const char *text;
    HideFunc hide;
} secrets[] = {
  // clang-format off
    {&livekit__s3_upload__descriptor, "access_key", "{access_key}", NULL},
    {&livekit__s3_upload__descriptor, "secret", "{secret}", NULL},
    {&livekit__s3_upload__descriptor, "session_token", "{session_token}", NULL},
    {&livekit__s3_upload__descriptor, "assume_role_external_id", "{external_id}", NULL},
    {&livekit__gcpupload__descriptor, "credentials", "{credentials}", NULL},
    {&livekit__azure_blob_upload__descriptor, "account_name", "{account_name}", NULL},
    {&livekit__azure_blob_upload__descriptor, "account_key", "{account_key}", NULL},
    {&livekit__azure_blob_upload__descriptor, "sas_token", "{sas_token}", NULL},
    {&livekit__ali_ossupload__descriptor, "access_key", "{access_key}", NULL},
    {&livekit__ali_ossupload__descriptor, "secret", "{secret}", NULL},
    {&livekit__proxy_config__descriptor, "url", NULL, eg_redact_url},
    {&livekit__proxy_config__descriptor, "username", "{username}", NULL},
    {&livekit__proxy_config__descriptor, "password", "{password}", NULL},
    {&livekit__stream_output__descriptor, "urls", NULL, eg_redact_url},
    {&livekit__stream_destination__descriptor, "url", NULL, eg_redact_url},
    {&livekit__stream_info__descriptor, "url", NULL, eg_redact_url},
    {&livekit__track_egress_request__descriptor, "websocket_url", NULL, eg_redact_url},
    {&livekit__update_stream_request__descriptor, "add_output_urls", NULL, eg_redact_url},
    {&livekit__update_stream_request__descriptor, "remove_output_urls", NULL, eg_redact_url},
    {&rpc__start_egress_request__descriptor, "token", "{token}", NULL},
    {&rpc__start_egress_request__descriptor, "ws_url", NULL, eg_redact_url},
    /* Pages that are recorded: clients tell egresses apart by them. */
    {&livekit__room_composite_egress_request__descriptor, "custom_base_url", NULL, hide_user},
    {&livekit__template_source__descriptor, "custom_base_url", NULL, hide_user},
    {&livekit__web_egress_request__descriptor, "url", NULL, hide_user},
    {&livekit__web_source__descriptor, "url", NULL, hide_user},
  // clang-format on
};

/* How much of each end of a secret shows. */
static glong count_shown(glong n_chars)
{
    static const struct {
        glong min_chars;
        glong shown_chars;
    } steps[] = {
        {9, 3},
        {6, 2},
        {3, 1},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
        if (n_chars >= steps[i].min_chars)
            return steps[i].shown_chars;
    }
    return 0;
}

/* "{...}", "{abc...xyz}": nothing is left to hide. */
static bool is_abbreviated(const char *key, glong n_chars)
{
    glong n_shown = (n_chars - (glong)strlen(HIDDEN)) / 2;
    if (n_chars % 2 == 0 || n_shown < 0 || n_shown > 3)
        return false;
    return *key == '{' && g_str_has_suffix(key, "}") &&
           g_str_has_prefix(g_utf8_offset_to_pointer(key, 1 + n_shown), "...");
}

static char *abbreviate(const char *key)
{
    if (*key == '\0')
        return g_strdup("");
    /* Neither half a character nor half a path shows. */
    if (strchr(key, '/') != NULL || !g_utf8_validate(key, -1, NULL))
        return g_strdup(HIDDEN);
    glong n_chars = g_utf8_strlen(key, -1);
    if (is_abbreviated(key, n_chars))
        return g_strdup(key);
    glong n_shown = count_shown(n_chars);
    g_autofree char *first = g_utf8_substring(key, 0, n_shown);
    g_autofree char *last = g_utf8_substring(key, n_chars - n_shown, n_chars);
    return g_strdup_printf("{%s...%s}", first, last);
}

/* A URL without its scheme. */
typedef struct {
    const char *rest;     /* behind "://" */
    const char *host;     /* behind the user information */
    const char *path;     /* at the first of "/?#" or the end */
    const char *query;    /* at "?" or where it would be */
    const char *fragment; /* at "#" or the end */
} Parts;

static Parts split(const char *rest)
{
    Parts parts = {.rest = rest, .host = rest};
    parts.path = rest + strcspn(rest, "/?#");
    for (const char *c = rest; c < parts.path; c++) {
        if (*c == '@')
            parts.host = c + 1;
    }
    parts.query = parts.path + strcspn(parts.path, "?#");
    parts.fragment = parts.query + strcspn(parts.query, "#");
    return parts;
}

static void append_start(GString *out, const char *url, const Parts *parts)
{
    g_string_append_len(out, url, parts->rest - url);
    if (parts->host > parts->rest)
        g_string_append(out, HIDDEN "@");
}

/* Values, and words that have no name: they may be the secret itself. */
static void append_query(GString *out, const Parts *parts)
{
    if (parts->query == parts->fragment)
        return;
    g_string_append_c(out, '?');
    g_autofree char *query =
        g_strndup(parts->query + 1, (gsize)(parts->fragment - parts->query - 1));
    g_auto(GStrv) words = g_strsplit(query, "&", -1);
    for (char **word = words; *word != NULL; word++) {
        const char *value = strchr(*word, '=');
        gsize name_length = value != NULL ? (gsize)(value + 1 - *word) : 0;
        if (word > words)
            g_string_append_c(out, '&');
        g_string_append_len(out, *word, (gssize)name_length);
        if ((*word)[name_length] != '\0')
            g_string_append(out, HIDDEN);
    }
}

static char *hide_values(const char *url, const Parts *parts)
{
    GString *out = g_string_new(NULL);
    append_start(out, url, parts);
    g_string_append_len(out, parts->host, parts->query - parts->host);
    append_query(out, parts);
    if (*parts->fragment != '\0')
        g_string_append(out, parts->fragment[1] != '\0' ? "#" HIDDEN : "#");
    return g_string_free(out, FALSE);
}

/* The key is the last element of the path with all that follows, but for the one option that such
 * URLs may have. */
static char *hide_stream_key(const char *url, const Parts *parts)
{
    static const char option[] = " live=1";
    const char *key = parts->query;
    while (key > parts->path && key[-1] != '/')
        key--;
    const char *end = key + strlen(key);
    if (g_str_has_suffix(key, option))
        end -= strlen(option);
    g_autofree char *secret = g_strndup(key, (gsize)(end - key));
    g_autofree char *abbreviated = abbreviate(secret);

    GString *out = g_string_new(NULL);
    append_start(out, url, parts);
    g_string_append_len(out, parts->host, key - parts->host);
    g_string_append(out, abbreviated);
    g_string_append(out, end);
    return g_string_free(out, FALSE);
}

char *eg_redact_url(const char *url)
{
    const char *mark = strstr(url, "://");
    if (mark == NULL)
        return abbreviate(url);
    g_autofree char *scheme = g_ascii_strdown(url, mark - url);
    const char *rest = mark + strlen("://");
    if (strcmp(scheme, "mux") == 0 || strcmp(scheme, "twitch") == 0) {
        g_autofree char *key = abbreviate(rest);
        return g_strconcat(scheme, "://", key, NULL);
    }
    Parts parts = split(rest);
    bool has_key = *parts.path == '/';
    if (has_key && (strcmp(scheme, "rtmp") == 0 || strcmp(scheme, "rtmps") == 0))
        return hide_stream_key(url, &parts);
    return hide_values(url, &parts);
}

static char *hide_user(const char *url)
{
    const char *mark = strstr(url, "://");
    Parts parts = split(mark != NULL ? mark + strlen("://") : url);
    GString *out = g_string_new(NULL);
    append_start(out, url, &parts);
    g_string_append(out, parts.host);
    return g_string_free(out, FALSE);
}

static void redact_string(const ProtobufCFieldDescriptor *field,
                          const ProtobufCMessageDescriptor *message, char **string)
{
    if (*string == NULL || **string == '\0')
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(secrets); i++) {
        if (secrets[i].message != message || strcmp(secrets[i].field, field->name) != 0)
            continue;
        g_autofree char *text =
            secrets[i].hide != NULL ? secrets[i].hide(*string) : g_strdup(secrets[i].text);
        eg_proto_set_string(string, text);
    }
}

static void redact_message(ProtobufCMessage *message);

static void redact_value(const ProtobufCFieldDescriptor *field,
                         const ProtobufCMessageDescriptor *message, void *at)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        redact_string(field, message, at);
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE && eg_reflect_pointer(at) != NULL)
        redact_message(eg_reflect_pointer(at));
}

static void redact_message(ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (guint i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            gsize n_values = 0;
            char *values = (char *)(guintptr)eg_reflect_values(field, message, &n_values);
            for (gsize j = 0; j < n_values; j++)
                redact_value(field, descriptor, values + j * eg_reflect_size(field));
        } else if (eg_reflect_is_set(field, message)) {
            redact_value(field, descriptor, eg_reflect_at_mutable(field, message));
        }
    }
}

void eg_redact_message(ProtobufCMessage *message)
{
    eg_proto_drop_unknown(message);
    redact_message(message);
}
