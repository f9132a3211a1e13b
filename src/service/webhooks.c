#include "service/webhooks.h"

#include <jansson.h>
#include <libsoup/soup.h>
#include <string.h>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "proto/json.h"
#include "proto/redact.h"
#include "room/token.h"

#define TOKEN_VALID_S    300
#define TIMEOUT_S        10
#define FIRST_BACKOFF_NS EG_NS_PER_S
#define MAX_BACKOFF_NS   (30 * EG_NS_PER_S)
#define GIVE_UP_NS       (5 * 60 * EG_NS_PER_S)

/* Of one URL; the oldest go when it does not take them. */
#define MAX_EVENTS 10000

typedef struct {
    GBytes *body;
    char *name; /* "egress_ended" */
    char *egress_id;
    gint64 since_ns; /* when it happened */
} Event;

typedef struct {
    EgWebhooks *webhooks;
    char *url;
    char *shown_url; /* without secrets */
    GQueue events;   /* Event; the head is under way or waits for its next try */
    EgTimer *timer;
    gint64 backoff_ns;
    bool is_busy; /* sending, or waiting to */
} Target;

struct _EgWebhooks {
    EgLoop *loop;
    const EgConfig *config;
    const EgLog *log;
    SoupSession *session;
    GCancellable *cancellable;
    GHashTable *targets; /* URL -> Target */
    void (*done)(gpointer user, const char *egress_id);
    gpointer user;
};

/* What runs in the background may end after the webhooks are gone. */
typedef struct {
    Target *target;
    GCancellable *cancellable;
    SoupMessage *message;
} Request;

static void send_next(Target *target);

static void free_event(Event *event)
{
    g_bytes_unref(event->body);
    g_free(event->name);
    g_free(event->egress_id);
    g_free(event);
}

static void free_target(gpointer data)
{
    Target *target = data;
    g_queue_clear_full(&target->events, (GDestroyNotify)free_event);
    eg_timer_free(target->timer);
    g_free(target->url);
    g_free(target->shown_url);
    g_free(target);
}

/* Takes the event. */
static void end_event(EgWebhooks *webhooks, Event *event)
{
    if (webhooks->done != NULL)
        webhooks->done(webhooks->user, event->egress_id);
    free_event(event);
}

static void take_next(Target *target)
{
    end_event(target->webhooks, g_queue_pop_head(&target->events));
    target->is_busy = false;
    target->backoff_ns = FIRST_BACKOFF_NS;
    send_next(target);
}

static void try_again(Target *target, const char *why)
{
    const EgWebhooks *webhooks = target->webhooks;
    const Event *event = g_queue_peek_head(&target->events);
    if (eg_now_ns() - event->since_ns >= GIVE_UP_NS) {
        eg_warn(webhooks->log, "webhook given up", EG_STR("url", target->shown_url),
                EG_STR("event", event->name), EG_STR("egressID", event->egress_id),
                EG_STR("error", why));
        take_next(target);
        return;
    }
    eg_debug(webhooks->log, "webhook not taken, trying again", EG_STR("url", target->shown_url),
             EG_STR("error", why));
    eg_timer_set_after(target->timer, target->backoff_ns);
    target->backoff_ns = MIN(2 * target->backoff_ns, MAX_BACKOFF_NS);
}

static void on_sent(GObject *source, GAsyncResult *result, gpointer user)
{
    Request *request = user;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) body =
        soup_session_send_and_read_finish(SOUP_SESSION(source), result, &error);
    bool is_over = g_cancellable_is_cancelled(request->cancellable);
    guint status = soup_message_get_status(request->message);
    Target *target = request->target;
    g_object_unref(request->message);
    g_object_unref(request->cancellable);
    g_free(request);
    if (is_over)
        return;
    if (body != NULL && SOUP_STATUS_IS_SUCCESSFUL(status)) {
        take_next(target);
        return;
    }
    g_autofree char *why =
        body != NULL ? g_strdup_printf("HTTP status %u", status) : g_strdup(error->message);
    try_again(target, why);
}

/* The receiver checks that the body is ours by its hash in the token. */
static char *make_authorization(const EgConfig *config, GBytes *body)
{
    guint8 digest[32];
    gsize digest_bytes = sizeof(digest);
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    g_checksum_update(checksum, g_bytes_get_data(body, NULL), (gssize)g_bytes_get_size(body));
    g_checksum_get_digest(checksum, digest, &digest_bytes);
    g_autofree char *hash = g_base64_encode(digest, digest_bytes);
    json_t *claims = json_pack("{s:s}", "sha256", hash);
    char *text = json_dumps(claims, JSON_COMPACT);
    char *token = eg_token_sign(config->api_key, config->api_secret, text, TOKEN_VALID_S, NULL);
    free(text);
    json_decref(claims);
    return token;
}

static void send_next(Target *target)
{
    EgWebhooks *webhooks = target->webhooks;
    const Event *event = g_queue_peek_head(&target->events);
    if (event == NULL || target->is_busy)
        return;
    target->is_busy = true;
    g_autofree char *authorization = make_authorization(webhooks->config, event->body);
    Request *request = g_new(Request, 1);
    *request = (Request){
        .target = target,
        .cancellable = g_object_ref(webhooks->cancellable),
        .message = soup_message_new(SOUP_METHOD_POST, target->url),
    };
    if (authorization != NULL)
        soup_message_headers_replace(soup_message_get_request_headers(request->message),
                                     "Authorization", authorization);
    soup_message_set_request_body_from_bytes(request->message, "application/webhook+json",
                                             event->body);
    soup_session_send_and_read_async(webhooks->session, request->message, G_PRIORITY_DEFAULT,
                                     webhooks->cancellable, on_sent, request);
}

static void on_due(gpointer user)
{
    Target *target = user;
    target->is_busy = false;
    send_next(target);
}

static bool is_url(const char *url)
{
    g_autoptr(GUri) uri = g_uri_parse(url, SOUP_HTTP_URI_FLAGS, NULL);
    if (uri == NULL || g_uri_get_host(uri) == NULL || *g_uri_get_host(uri) == '\0')
        return false;
    return strcmp(g_uri_get_scheme(uri), "http") == 0 ||
           strcmp(g_uri_get_scheme(uri), "https") == 0;
}

static Target *find_target(EgWebhooks *webhooks, const char *url)
{
    Target *target = g_hash_table_lookup(webhooks->targets, url);
    if (target != NULL || !is_url(url))
        return target;
    target = g_new0(Target, 1);
    target->webhooks = webhooks;
    target->url = g_strdup(url);
    target->shown_url = eg_redact_url(url);
    target->timer = eg_timer_new(webhooks->loop, on_due, target);
    target->backoff_ns = FIRST_BACKOFF_NS;
    g_hash_table_insert(webhooks->targets, target->url, target);
    return target;
}

void eg_webhooks_set_done(EgWebhooks *webhooks, void (*done)(gpointer user, const char *egress_id),
                          gpointer user)
{
    webhooks->done = done;
    webhooks->user = user;
}

bool eg_webhooks_post(EgWebhooks *webhooks, const char *url, const char *name,
                      const char *egress_id, GBytes *body)
{
    Target *target = find_target(webhooks, url);
    if (target == NULL) {
        eg_warn(webhooks->log, "webhook has no url that can be used",
                EG_STR("egressID", egress_id));
        return false;
    }
    Event *event = g_new(Event, 1);
    *event = (Event){
        .body = g_bytes_ref(body),
        .name = g_strdup(name),
        .egress_id = g_strdup(egress_id),
        .since_ns = eg_now_ns(),
    };
    if (g_queue_get_length(&target->events) >= MAX_EVENTS)
        end_event(webhooks, g_queue_pop_nth(&target->events, 1));
    g_queue_push_tail(&target->events, event);
    send_next(target);
    return true;
}

EgWebhooks *eg_webhooks_new(EgLoop *loop, const EgConfig *config, const EgLog *log)
{
    EgWebhooks *webhooks = g_new0(EgWebhooks, 1);
    webhooks->loop = loop;
    webhooks->config = config;
    webhooks->log = log;
    webhooks->session = soup_session_new_with_options("timeout", TIMEOUT_S, NULL);
    webhooks->cancellable = g_cancellable_new();
    webhooks->targets = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_target);
    return webhooks;
}

void eg_webhooks_free(EgWebhooks *webhooks)
{
    if (webhooks == NULL)
        return;
    g_cancellable_cancel(webhooks->cancellable);
    g_object_unref(webhooks->cancellable);
    g_hash_table_unref(webhooks->targets);
    g_object_unref(webhooks->session);
    g_free(webhooks);
}

static const char *event_name(const Livekit__EgressInfo *info, bool is_new)
{
    if (is_new)
        return "egress_started";
    if (info->status == LIVEKIT__EGRESS_STATUS__EGRESS_STARTING)
        return NULL;
    return info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE ? "egress_ended"
                                                                   : "egress_updated";
}

static GBytes *make_body(const Livekit__EgressInfo *info, const char *name)
{
    g_autofree char *id = eg_id_new("EV_");
    Livekit__WebhookEvent event = LIVEKIT__WEBHOOK_EVENT__INIT;
    event.event = (char *)name;
    event.id = id;
    event.created_at = eg_wall_now_ns() / EG_NS_PER_S;
    event.egress_info = (Livekit__EgressInfo *)info;
    char *text = eg_proto_to_json(&event.base);
    return g_bytes_new_take(text, strlen(text));
}

static bool contains(char *const *list, gsize n, const char *text)
{
    for (gsize i = 0; i < n; i++) {
        if (strcmp(list[i], text) == 0)
            return true;
    }
    return false;
}

static bool is_wanted(const Livekit__FilterParams *filter, const char *name)
{
    if (filter == NULL)
        return true;
    return (filter->n_include_events == 0 ||
            contains(filter->include_events, filter->n_include_events, name)) &&
           !contains(filter->exclude_events, filter->n_exclude_events, name);
}

/* Where each kind of request has its webhooks. */
static const struct {
    Livekit__EgressInfo__RequestCase request_case;
    gsize n_offset;
    gsize list_offset;
} request_webhooks[] = {
#define ROW(which, type)                                                                           \
    {                                                                                              \
        LIVEKIT__EGRESS_INFO__REQUEST_##which, G_STRUCT_OFFSET(Livekit__##type, n_webhooks),       \
            G_STRUCT_OFFSET(Livekit__##type, webhooks)                                             \
    }
    ROW(ROOM_COMPOSITE, RoomCompositeEgressRequest),
    ROW(WEB, WebEgressRequest),
    ROW(PARTICIPANT, ParticipantEgressRequest),
    ROW(TRACK_COMPOSITE, TrackCompositeEgressRequest),
    ROW(TRACK, TrackEgressRequest),
    ROW(EGRESS, StartEgressRequest),
#undef ROW
};

/* Who expects another key than ours to have signed would not believe what comes. */
static bool has_key(const EgWebhooks *webhooks, const Livekit__WebhookConfig *own,
                    const char *egress_id)
{
    if (*own->signing_key == '\0' || g_strcmp0(own->signing_key, webhooks->config->api_key) == 0)
        return true;
    eg_warn(webhooks->log, "webhook not sent: its signing key is not known",
            EG_STR("egressID", egress_id), EG_STR("signingKey", own->signing_key));
    return false;
}

/* Those that its request asks for. */
static void add_own_events(EgWebhooks *webhooks, const Livekit__EgressInfo *info, const char *name,
                           GBytes *body)
{
    for (gsize r = 0; r < G_N_ELEMENTS(request_webhooks); r++) {
        if (request_webhooks[r].request_case != info->request_case)
            continue;
        /* The members of the union are message pointers, so any of them stands for all. */
        const void *request = info->participant;
        gsize n = G_STRUCT_MEMBER(gsize, request, request_webhooks[r].n_offset);
        Livekit__WebhookConfig *const *own =
            G_STRUCT_MEMBER(Livekit__WebhookConfig **, request, request_webhooks[r].list_offset);
        for (gsize i = 0; i < n; i++) {
            if (is_wanted(own[i]->filter_params, name) &&
                has_key(webhooks, own[i], info->egress_id))
                eg_webhooks_post(webhooks, own[i]->url, name, info->egress_id, body);
        }
    }
}

void eg_webhooks_send(EgWebhooks *webhooks, const Livekit__EgressInfo *info, bool is_new)
{
    eg_loop_assert_owner(webhooks->loop);
    const char *name = event_name(info, is_new);
    if (name == NULL)
        return;
    g_autoptr(GBytes) body = make_body(info, name);
    for (gsize i = 0;
         webhooks->config->webhook_urls != NULL && webhooks->config->webhook_urls[i] != NULL; i++)
        eg_webhooks_post(webhooks, webhooks->config->webhook_urls[i], name, info->egress_id, body);
    add_own_events(webhooks, info, name, body);
}

guint eg_webhooks_pending(const EgWebhooks *webhooks)
{
    GHashTableIter iter;
    gpointer target;
    guint n = 0;
    g_hash_table_iter_init(&iter, webhooks->targets);
    while (g_hash_table_iter_next(&iter, NULL, &target))
        n += g_queue_get_length(&((Target *)target)->events);
    return n;
}
