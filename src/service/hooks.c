#include "service/hooks.h"

#include <jansson.h>
#include <string.h>

#include "base/error.h"
#include "base/helper.h"
#include "base/id.h"
#include "base/time.h"
#include "proto/json.h"
#include "service/fork-server.h"
#include "service/webhooks.h"

/* At the same time; the others wait. */
#define MAX_RUNNING 4

/* The newest that do not fit are left out. */
#define MAX_WAITING 1000

typedef struct {
    EgHooks *hooks;
    char *egress_id;
    char *event;
    GBytes *body;
    EgHelper *helper; /* NULL: it waits */
    EgTimer *timer;
} Call;

struct _EgHooks {
    EgLoop *loop;
    const EgConfig *config;
    const EgLog *log;
    EgWebhooks *webhooks;
    void (*done)(gpointer user, const char *egress_id);
    gpointer user;
    GHashTable *open;   /* egress id -> how many calls are not over */
    char **environment; /* of the command */
    GQueue waiting;     /* Call */
    GPtrArray *running; /* Call */
    EgTimer *next_timer;
};

static void free_call(gpointer data)
{
    Call *call = data;
    eg_helper_free(call->helper);
    eg_timer_free(call->timer);
    g_free(call->egress_id);
    g_free(call->event);
    g_bytes_unref(call->body);
    g_free(call);
}

static void on_next_due(gpointer user);

/* One call more, or one less. */
static void count(EgHooks *hooks, const char *egress_id, int change)
{
    int n = GPOINTER_TO_INT(g_hash_table_lookup(hooks->open, egress_id)) + change;
    if (n > 0) {
        g_hash_table_replace(hooks->open, g_strdup(egress_id), GINT_TO_POINTER(n));
        return;
    }
    g_hash_table_remove(hooks->open, egress_id);
    hooks->done(hooks->user, egress_id);
}

static void on_posted(gpointer user, const char *egress_id)
{
    count(user, egress_id, -1);
}

EgHooks *eg_hooks_new(EgLoop *loop, const EgConfig *config, const EgLog *log,
                      void (*done)(gpointer user, const char *egress_id), gpointer user)
{
    EgHooks *hooks = g_new0(EgHooks, 1);
    hooks->loop = loop;
    hooks->config = config;
    hooks->log = log;
    hooks->done = done;
    hooks->user = user;
    hooks->open = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hooks->webhooks = eg_webhooks_new(loop, config, log);
    eg_webhooks_set_done(hooks->webhooks, on_posted, hooks);
    hooks->environment = eg_fork_server_others();
    hooks->running = g_ptr_array_new_with_free_func(free_call);
    hooks->next_timer = eg_timer_new(loop, on_next_due, hooks);
    return hooks;
}

void eg_hooks_free(EgHooks *hooks)
{
    if (hooks == NULL)
        return;
    g_ptr_array_unref(hooks->running);
    g_queue_clear_full(&hooks->waiting, free_call);
    eg_timer_free(hooks->next_timer);
    eg_webhooks_free(hooks->webhooks);
    g_hash_table_unref(hooks->open);
    g_strfreev(hooks->environment);
    g_free(hooks);
}

/* The command. */

static void end_call(Call *call)
{
    EgHooks *hooks = call->hooks;
    eg_timer_set(hooks->next_timer, 0);
    count(hooks, call->egress_id, -1);
    g_ptr_array_remove(hooks->running, call);
}

static void on_exited(gpointer user, const GError *error)
{
    Call *call = user;
    const EgHooks *hooks = call->hooks;
    if (eg_helper_exit_code(call->helper) == 0)
        eg_info(hooks->log, "hook has run", EG_STR("egressID", call->egress_id),
                EG_STR("event", call->event));
    else
        eg_warn(hooks->log, "hook has failed", EG_STR("egressID", call->egress_id),
                EG_STR("event", call->event), EG_STR("error", error->message));
    end_call(call);
}

static void on_timeout(gpointer user)
{
    Call *call = user;
    eg_warn(call->hooks->log, "hook takes too long and is killed",
            EG_STR("egressID", call->egress_id), EG_STR("event", call->event));
    end_call(call);
}

/* False, and a line in the log: it cannot be started. */
static bool run(Call *call)
{
    static const EgHelperEvents events = {.exited = on_exited};
    EgHooks *hooks = call->hooks;
    g_autoptr(GError) error = NULL;
    const EgHelperParams params = {
        .name = hooks->config->hooks.command[0],
        .argv = (const char *const *)hooks->config->hooks.command,
        .environment = (const char *const *)hooks->environment,
        .input = call->body,
        .log = hooks->log,
    };
    call->helper = eg_helper_new(hooks->loop, &params, &events, call, &error);
    if (call->helper == NULL) {
        eg_warn(hooks->log, "hook has failed", EG_STR("egressID", call->egress_id),
                EG_STR("event", call->event), EG_STR("error", error->message));
        return false;
    }
    call->timer = eg_timer_new(hooks->loop, on_timeout, call);
    eg_timer_set_after(call->timer, hooks->config->hooks.timeout_ns);
    return true;
}

static void on_next_due(gpointer user)
{
    EgHooks *hooks = user;
    while (hooks->running->len < MAX_RUNNING && !g_queue_is_empty(&hooks->waiting)) {
        Call *call = g_queue_pop_head(&hooks->waiting);
        if (run(call)) {
            g_ptr_array_add(hooks->running, call);
            continue;
        }
        count(hooks, call->egress_id, -1);
        free_call(call);
    }
}

static void add_call(EgHooks *hooks, const Livekit__EgressInfo *info, const char *event,
                     GBytes *body)
{
    if (g_queue_get_length(&hooks->waiting) >= MAX_WAITING) {
        eg_warn(hooks->log, "hook is left out: too many wait", EG_STR("egressID", info->egress_id),
                EG_STR("event", event));
        return;
    }
    Call *call = g_new0(Call, 1);
    call->hooks = hooks;
    call->egress_id = g_strdup(info->egress_id);
    call->event = g_strdup(event);
    call->body = g_bytes_ref(body);
    g_queue_push_tail(&hooks->waiting, call);
    count(hooks, call->egress_id, 1);
    eg_timer_set(hooks->next_timer, 0);
}

/* What is told. */

static json_t *to_json(const ProtobufCMessage *message)
{
    g_autofree char *text = eg_proto_to_json(message);
    return json_loads(text, 0, NULL);
}

static GBytes *make_body(const Livekit__EgressInfo *info, const char *event, const char *kind,
                         const ProtobufCMessage *result)
{
    g_autofree char *id = eg_id_new("EV_");
    json_t *object = json_object();
    json_object_set_new(object, "event", json_string(event));
    json_object_set_new(object, "id", json_string(id));
    json_object_set_new(object, "createdAt", json_integer(eg_wall_now_ns() / EG_NS_PER_S));
    json_object_set_new(object, kind, to_json(result));
    json_object_set_new(object, "egressInfo", to_json(&info->base));
    char *text = json_dumps(object, JSON_COMPACT);
    GBytes *body = g_bytes_new(text, strlen(text));
    free(text);
    json_decref(object);
    return body;
}

static void call_for(EgHooks *hooks, const Livekit__EgressInfo *info, const char *kind,
                     const ProtobufCMessage *result)
{
    const EgHookConfig *config = &hooks->config->hooks;
    g_autofree char *event = g_strconcat(kind, "_finished", NULL);
    g_autoptr(GBytes) body = make_body(info, event, kind, result);
    if (config->command != NULL)
        add_call(hooks, info, event, body);
    for (char **url = config->urls; url != NULL && *url != NULL; url++) {
        if (eg_webhooks_post(hooks->webhooks, *url, event, info->egress_id, body))
            count(hooks, info->egress_id, 1);
    }
}

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

/* What has no place was never written. */
bool eg_hooks_call(EgHooks *hooks, const Livekit__EgressInfo *info)
{
    eg_loop_assert_owner(hooks->loop);
    if (hooks->config->hooks.command == NULL && hooks->config->hooks.urls == NULL)
        return false;
    for (gsize i = 0; i < info->n_file_results; i++) {
        if (is_set(info->file_results[i]->location))
            call_for(hooks, info, "file", &info->file_results[i]->base);
    }
    for (gsize i = 0; i < info->n_segment_results; i++) {
        if (is_set(info->segment_results[i]->playlist_location))
            call_for(hooks, info, "segments", &info->segment_results[i]->base);
    }
    for (gsize i = 0; i < info->n_image_results; i++) {
        if (info->image_results[i]->image_count > 0)
            call_for(hooks, info, "images", &info->image_results[i]->base);
    }
    return g_hash_table_contains(hooks->open, info->egress_id);
}

guint eg_hooks_pending(const EgHooks *hooks)
{
    return g_queue_get_length((GQueue *)&hooks->waiting) + hooks->running->len +
           eg_webhooks_pending(hooks->webhooks);
}
