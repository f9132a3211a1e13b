#include "cli/store-url.h"

#include <gio/gio.h>
#include <string.h>

#include "base/error.h"
#include "livekit_egress.pb-c.h"
#include "proto/message.h"

#define MAX_OPTIONS   3
#define MAX_VARIABLES 2

/* What may stand behind the ?, and the variables that stand in for it, the first that is set. A
 * switch comes behind the endpoint. */
typedef struct {
    const char *name; /* NULL: no more */
    const char *field;
    const char *variables[MAX_VARIABLES];
    bool is_switch; /* "1" or "0"; on by itself where the endpoint asks for it */
} Option;

/* What comes from the environment alone. */
typedef struct {
    const char *field; /* NULL: no more */
    const char *variable;
    bool is_needed;
    bool is_file; /* the variable names a file that has it */
} Secret;

typedef struct {
    const char *scheme;
    const ProtobufCMessageDescriptor *message;
    const char *bucket; /* the field */
    Option options[MAX_OPTIONS + 1];
    Secret secrets[3];
} Scheme;

static const Scheme schemes[] = {
    {.scheme = "s3://",
     .message = &livekit__s3_upload__descriptor,
     .bucket = "bucket",
     .options = {{"endpoint", "endpoint", {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}, false},
                 {"region", "region", {"AWS_REGION", "AWS_DEFAULT_REGION"}, false},
                 {"path_style", "force_path_style", {NULL}, true}}              },
    { .scheme = "gs://",
     .message = &livekit__gcpupload__descriptor,
     .bucket = "bucket",
     .options = {{"endpoint", "endpoint", {NULL}, false}},
     .secrets = {{"credentials", "GOOGLE_APPLICATION_CREDENTIALS", false, true}}},
    { .scheme = "az://",
     .message = &livekit__azure_blob_upload__descriptor,
     .bucket = "container_name",
     .options = {{"endpoint", "endpoint", {NULL}, false},
                 {"account", "account_name", {"AZURE_STORAGE_ACCOUNT"}, false}},
     .secrets = {{"account_key", "AZURE_STORAGE_KEY", false, false},
                 {"sas_token", "AZURE_STORAGE_SAS_TOKEN", false, false}}},
    {         .scheme = "oss://",
     .message = &livekit__ali_ossupload__descriptor,
     .bucket = "bucket",
     .options = {{"endpoint", "endpoint", {"OSS_ENDPOINT"}, false}},
     .secrets = {{"access_key", "OSS_ACCESS_KEY_ID", true, false},
                 {"secret", "OSS_ACCESS_KEY_SECRET", true, false}}},
};

static const Scheme *find_scheme(const char *output)
{
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++) {
        gsize length = strlen(schemes[i].scheme);
        if (g_ascii_strncasecmp(output, schemes[i].scheme, length) == 0)
            return &schemes[i];
    }
    return NULL;
}

bool eg_store_url_is(const char *output)
{
    return find_scheme(output) != NULL;
}

G_GNUC_PRINTF(2, 3)
static bool fail(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "--output: %s", text);
    return false;
}

static void *field_at(ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    g_assert(field != NULL);
    return (char *)message + field->offset;
}

static void set_text(ProtobufCMessage *message, const char *field, const char *text)
{
    eg_proto_set_string(field_at(message, field), text);
}

static const char *get_variable(const char *name)
{
    const char *value = g_getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static bool set_switch(ProtobufCMessage *message, const Option *option, const char *value,
                       GError **error)
{
    bool is_on = strcmp(value, "1") == 0 || strcmp(value, "true") == 0;
    if (!is_on && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
        return fail(error, "%s must be 1 or 0, not %s", option->name, value);
    *(protobuf_c_boolean *)field_at(message, option->field) = is_on;
    return true;
}

static bool has_option(const Scheme *scheme, const char *name)
{
    for (const Option *option = scheme->options; option->name != NULL; option++) {
        if (strcmp(option->name, name) == 0)
            return true;
    }
    return false;
}

static bool fail_option(const Scheme *scheme, const char *name, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);
    for (const Option *option = scheme->options; option->name != NULL; option++)
        g_string_append_printf(known, "%s %s", known->len > 0 ? "," : "", option->name);
    return fail(error, "%s has no option %s; there are%s", scheme->scheme, name, known->str);
}

/* A host without a name of its own has no names below it. */
static bool is_nameless(const char *endpoint)
{
    const char *mark = strstr(endpoint, "://");
    g_autofree char *url = g_strconcat(mark != NULL ? "" : "https://", endpoint, NULL);
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
    return host != NULL && (g_hostname_is_ip_address(host) || strcmp(host, "localhost") == 0);
}

/* NULL: nothing is said. */
static const char *find_value(const Option *option, GHashTable *given, ProtobufCMessage *message)
{
    const char *value = g_hash_table_lookup(given, option->name);
    for (gsize i = 0; value == NULL && i < MAX_VARIABLES && option->variables[i] != NULL; i++)
        value = get_variable(option->variables[i]);
    if (value == NULL && option->is_switch &&
        is_nameless(*(char *const *)field_at(message, "endpoint")))
        return "1";
    return value;
}

static bool apply_options(const Scheme *scheme, const char *query, ProtobufCMessage *message,
                          GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(GHashTable) given = g_uri_parse_params(query, -1, "&", G_URI_PARAMS_NONE, &failure);
    if (given == NULL)
        return fail(error, "%s, behind the ?", failure->message);
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, given);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (!has_option(scheme, name))
            return fail_option(scheme, name, error);
    }
    for (const Option *option = scheme->options; option->name != NULL; option++) {
        const char *value = find_value(option, given, message);
        if (value != NULL && option->is_switch && !set_switch(message, option, value, error))
            return false;
        if (value != NULL && !option->is_switch)
            set_text(message, option->field, value);
    }
    return true;
}

static bool apply_secrets(const Scheme *scheme, ProtobufCMessage *message, GError **error)
{
    for (const Secret *secret = scheme->secrets; secret->field != NULL; secret++) {
        const char *value = get_variable(secret->variable);
        if (value == NULL && secret->is_needed)
            return fail(error, "%s needs %s in the environment", scheme->scheme, secret->variable);
        if (value == NULL)
            continue;
        g_autofree char *content = NULL;
        g_autoptr(GError) failure = NULL;
        if (secret->is_file && !g_file_get_contents(value, &content, NULL, &failure))
            return fail(error, "%s: %s", secret->variable, failure->message);
        set_text(message, secret->field, content != NULL ? content : value);
    }
    return true;
}

/* The last ? begins the options. */
static void split(const char *rest, char **bucket, char **key, char **query)
{
    const char *mark = strrchr(rest, '?');
    g_autofree char *path = mark != NULL ? g_strndup(rest, (gsize)(mark - rest)) : g_strdup(rest);
    const char *slash = strchr(path, '/');
    *query = g_strdup(mark != NULL ? mark + 1 : "");
    *bucket = slash != NULL ? g_strndup(path, (gsize)(slash - path)) : g_strdup(path);
    *key = g_strdup(slash != NULL ? slash + 1 : "");
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = g_malloc0(descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

bool eg_store_url_parse(const char *output, char **key, ProtobufCMessage **store, GError **error)
{
    const Scheme *scheme = find_scheme(output);
    g_assert(scheme != NULL);
    g_autofree char *bucket = NULL;
    g_autofree char *name = NULL;
    g_autofree char *query = NULL;
    split(output + strlen(scheme->scheme), &bucket, &name, &query);
    if (*bucket == '\0')
        return fail(error, "%s needs a bucket, as in %sbucket/folder/name.mp4", output,
                    scheme->scheme);
    g_autoptr(ProtobufCMessage) message = new_message(scheme->message);
    set_text(message, scheme->bucket, bucket);
    if (!apply_options(scheme, query, message, error) || !apply_secrets(scheme, message, error))
        return false;
    *key = g_steal_pointer(&name);
    *store = g_steal_pointer(&message);
    return true;
}
