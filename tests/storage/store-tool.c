/* A store for tests in Python: lines of JSON in, a line of JSON out for each. The first line is an
 * EgStorage (members by their names, those of a kind in an object of its own), all others are what
 * to do:
 *
 *     {"do": "put", "key": …, "file": …}           also "type" (of the content), "attempts"
 *     {"do": "upload", "key": …, "file": …}        in parts; also "part_bytes", "type", "attempts"
 * (of each call), "keep": not given up on an error
 *     {"do": "complete", "key": …, "upload": …, "tags": […]}   also "attempts"
 *     {"do": "begin", "key": …}                    also "type"; for what "upload" does at once
 *     {"do": "put_part", "key": …, "upload": …, "file": …, "index": …, "offset": …, "length": …,
 *      "is_last": …}
 *     {"do": "abort", "key": …, "upload": …}
 *     {"do": "location", "key": …}
 *     {"do": "set_rate_limit", "bytes_per_s": …}
 *
 * Answers: {"ok": true, …}, or {"ok": false, "error": …, "code": …, "blame": …, "retryable": …,
 * "retry_after_ms": …}. Retries come at once: when to retry is not what is tested here. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "storage/http.h"
#include "storage/store.h"

typedef struct {
    const char *path; /* "s3.region" */
    gsize offset;
} TextField;

#define TEXT(member)                                                                               \
    {                                                                                              \
#member, offsetof(EgStorage, member)                                                       \
    }

static const TextField text_fields[] = {
    TEXT(prefix),
    TEXT(bucket),
    TEXT(endpoint),
    TEXT(ca_cert_file),
    TEXT(proxy.url),
    TEXT(proxy.username),
    TEXT(proxy.password),
    TEXT(s3.access_key),
    TEXT(s3.secret),
    TEXT(s3.session_token),
    TEXT(s3.assume_role_arn),
    TEXT(s3.assume_role_external_id),
    TEXT(s3.region),
    TEXT(s3.tagging),
    TEXT(s3.content_disposition),
    TEXT(s3.server_side_encryption),
    TEXT(s3.kms_key_id),
    TEXT(s3.storage_class),
    TEXT(gcs.credentials_json),
    TEXT(azure.account_name),
    TEXT(azure.account_key),
    TEXT(azure.sas_token),
    TEXT(alioss.access_key),
    TEXT(alioss.secret),
};

static json_t *find(json_t *root, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, ".", -1);
    for (char **name = names; *name != NULL; name++)
        root = json_object_get(root, *name);
    return root;
}

static EgStoreKind kind_of(const char *name)
{
    for (EgStoreKind kind = EG_STORE_NONE + 1; kind < EG_N_STORES; kind++) {
        if (g_strcmp0(eg_store_kind_name(kind), name) == 0)
            return kind;
    }
    g_error("no kind of store: %s", name);
}

static EgStorage *read_storage(json_t *root)
{
    EgStorage *storage = eg_storage_new(kind_of(json_string_value(json_object_get(root, "kind"))));
    for (gsize i = 0; i < G_N_ELEMENTS(text_fields); i++) {
        const char *value = json_string_value(find(root, text_fields[i].path));
        *(char **)((char *)storage + text_fields[i].offset) = g_strdup(value);
    }
    storage->generate_presigned_url = json_is_true(json_object_get(root, "generate_presigned_url"));
    storage->s3.force_path_style = json_is_true(find(root, "s3.force_path_style"));
    g_autoptr(GPtrArray) pairs = g_ptr_array_new();
    const char *name;
    json_t *value;
    json_object_foreach(find(root, "s3.metadata"), name, value)
    {
        g_ptr_array_add(pairs, g_strdup(name));
        g_ptr_array_add(pairs, g_strdup(json_string_value(value)));
    }
    if (pairs->len > 0) {
        g_ptr_array_add(pairs, NULL);
        storage->s3.metadata = (char **)g_ptr_array_steal(pairs, NULL);
    }
    return storage;
}

/* One call, as often as it may be tried. */
typedef struct {
    EgStore *store;
    const char *key;
    const char *type;
    json_int_t max_attempts;
    json_int_t n_attempts; /* of all calls */
} Caller;

static bool may_retry(const Caller *caller, json_int_t n, GError **error)
{
    if (!eg_error_is_retryable(*error) || n >= caller->max_attempts)
        return false;
    fprintf(stderr, "again: %s\n", (*error)->message);
    g_clear_error(error);
    return true;
}

/* `call` sets `*error` where it fails. */
#define TRY(caller, call)                                                                          \
    for (json_int_t n_ = 1; (caller)->n_attempts++, !(call) && may_retry((caller), n_, error);     \
         n_++)                                                                                     \
        ;

static json_t *answer(GError *error)
{
    static const char *const blames[] = {"none", "service", "request", "destination"};
    if (error == NULL)
        return json_pack("{s:b}", "ok", 1);
    json_t *failure =
        json_pack("{s:b, s:s, s:s, s:s, s:b, s:I}", "ok", 0, "error", error->message, "code",
                  eg_error_code_name(eg_error_code(error)), "blame", blames[eg_error_blame(error)],
                  "retryable", (int)eg_error_is_retryable(error), "retry_after_ms",
                  (json_int_t)(eg_store_retry_after_ns(error) / EG_NS_PER_MS));
    g_error_free(error);
    return failure;
}

static GBytes *read_file(const json_t *command)
{
    g_autoptr(GError) error = NULL;
    char *content;
    gsize bytes;
    if (!g_file_get_contents(json_string_value(json_object_get(command, "file")), &content, &bytes,
                             &error))
        g_error("%s", error->message);
    return g_bytes_new_take(content, bytes);
}

static void put(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    (void)result;
    g_autoptr(GBytes) content = read_file(command);
    TRY(caller, eg_store_put(caller->store, caller->key, caller->type, content, NULL, error));
}

static bool put_parts(Caller *caller, const char *upload, GBytes *content, gsize part_bytes,
                      GPtrArray *tags, GError **error)
{
    gsize bytes = g_bytes_get_size(content);
    for (gsize offset = 0; offset < bytes; offset += part_bytes) {
        gsize n = MIN(part_bytes, bytes - offset);
        g_autoptr(GBytes) piece = g_bytes_new_from_bytes(content, offset, n);
        EgStorePart part = {
            .key = caller->key,
            .upload = upload,
            .index = tags->len,
            .offset = offset,
            .is_last = offset + n == bytes,
        };
        char *tag = NULL;
        TRY(caller, (tag = eg_store_put_part(caller->store, &part, piece, NULL, error)) != NULL);
        if (tag == NULL)
            return false;
        g_ptr_array_add(tags, tag);
    }
    return true;
}

static void upload(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    g_autoptr(GBytes) content = read_file(command);
    g_autoptr(GPtrArray) tags = g_ptr_array_new_with_free_func(g_free);
    gsize part_bytes = (gsize)json_integer_value(json_object_get(command, "part_bytes"));
    g_autofree char *upload_id = NULL;
    TRY(caller, (upload_id = eg_store_begin(caller->store, caller->key, caller->type, NULL,
                                            error)) != NULL);
    if (upload_id == NULL)
        return;
    json_object_set_new(result, "upload", json_string(upload_id));
    if (part_bytes == 0)
        part_bytes = eg_store_limits(caller->store)->part_bytes;
    if (put_parts(caller, upload_id, content, part_bytes, tags, error)) {
        json_t *list = json_array();
        for (guint i = 0; i < tags->len; i++)
            json_array_append_new(list, json_string(tags->pdata[i]));
        json_object_set_new(result, "tags", list);
        g_ptr_array_add(tags, NULL);
        TRY(caller, eg_store_complete(caller->store, caller->key, upload_id,
                                      (const char *const *)tags->pdata, NULL, error));
    }
    if (*error != NULL && !json_is_true(json_object_get(command, "keep")))
        eg_store_abort(caller->store, caller->key, upload_id);
}

static const char *text_of(const json_t *command, const char *name)
{
    return json_string_value(json_object_get(command, name));
}

static void begin(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    (void)command;
    g_autofree char *upload_id = NULL;
    TRY(caller, (upload_id = eg_store_begin(caller->store, caller->key, caller->type, NULL,
                                            error)) != NULL);
    if (upload_id != NULL)
        json_object_set_new(result, "upload", json_string(upload_id));
}

static void put_part(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    g_autoptr(GBytes) content = read_file(command);
    EgStorePart part = {
        .key = caller->key,
        .upload = text_of(command, "upload"),
        .index = (guint)json_integer_value(json_object_get(command, "index")),
        .offset = (guint64)json_integer_value(json_object_get(command, "offset")),
        .is_last = json_is_true(json_object_get(command, "is_last")),
    };
    gsize length = (gsize)json_integer_value(json_object_get(command, "length"));
    g_autoptr(GBytes) piece = g_bytes_new_from_bytes(content, part.offset, length);
    g_autofree char *tag = NULL;
    TRY(caller, (tag = eg_store_put_part(caller->store, &part, piece, NULL, error)) != NULL);
    if (tag != NULL)
        json_object_set_new(result, "tag", json_string(tag));
}

static void abort_upload(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    (void)result;
    (void)error;
    eg_store_abort(caller->store, caller->key, text_of(command, "upload"));
}

static void complete(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    (void)result;
    g_autoptr(GPtrArray) tags = g_ptr_array_new();
    gsize i;
    json_t *tag;
    json_array_foreach(json_object_get(command, "tags"), i, tag)
        g_ptr_array_add(tags, (gpointer)json_string_value(tag));
    g_ptr_array_add(tags, NULL);
    const char *upload_id = text_of(command, "upload");
    TRY(caller, eg_store_complete(caller->store, caller->key, upload_id,
                                  (const char *const *)tags->pdata, NULL, error));
}

static void location(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    (void)command;
    g_autofree char *text = NULL;
    TRY(caller, (text = eg_store_location(caller->store, caller->key, error)) != NULL);
    if (text != NULL)
        json_object_set_new(result, "location", json_string(text));
}

static void set_rate_limit(Caller *caller, const json_t *command, json_t *result, GError **error)
{
    (void)caller;
    (void)result;
    (void)error;
    eg_http_set_rate_limit((guint64)json_integer_value(json_object_get(command, "bytes_per_s")));
}

static const struct {
    const char *name;
    void (*run)(Caller *caller, const json_t *command, json_t *result, GError **error);
} commands[] = {
    {"put",            put           },
    {"upload",         upload        },
    {"begin",          begin         },
    {"put_part",       put_part      },
    {"complete",       complete      },
    {"abort",          abort_upload  },
    {"location",       location      },
    {"set_rate_limit", set_rate_limit},
};

static void run_command(EgStore *store, const json_t *command)
{
    const char *name = json_string_value(json_object_get(command, "do"));
    Caller caller = {
        .store = store,
        .key = json_string_value(json_object_get(command, "key")),
        .type = json_string_value(json_object_get(command, "type")),
        .max_attempts = MAX(json_integer_value(json_object_get(command, "attempts")), 1),
    };
    json_t *details = json_object();
    GError *error = NULL;
    gsize i = 0;
    while (g_strcmp0(commands[i].name, name) != 0)
        g_assert(++i < G_N_ELEMENTS(commands));
    commands[i].run(&caller, command, details, &error);
    json_object_set_new(details, "attempts", json_integer(caller.n_attempts));
    json_t *result = answer(error);
    json_object_update(result, details);
    json_dumpf(result, stdout, 0);
    puts("");
    fflush(stdout);
    json_decref(result);
    json_decref(details);
}

static json_t *read_line(void)
{
    char *line = NULL;
    size_t room = 0;
    json_t *value = getline(&line, &room, stdin) > 0 ? json_loads(line, 0, NULL) : NULL;
    free(line);
    return value;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    eg_log_setup(EG_LOG_DEBUG, false);
    json_t *description = read_line();
    g_autoptr(EgStorage) storage = read_storage(description);
    json_decref(description);
    GError *error = NULL;
    g_autoptr(EgStore) store = eg_store_new(storage, NULL, &error);
    json_t *opened = answer(error);
    json_dumpf(opened, stdout, 0);
    puts("");
    fflush(stdout);
    json_decref(opened);
    if (store == NULL)
        return 1;
    for (json_t *command; (command = read_line()) != NULL; json_decref(command))
        run_command(store, command);
    return 0;
}
