#include "service/webhooks.h"

#include <jansson.h>
#include <libsoup/soup.h>
#include <string.h>

#include "base/time.h"

/* The test listens: each URL is a path of one server. */
typedef struct {
    EgLoop *loop;
    EgConfig *config;
    EgLog *log;
    EgWebhooks *webhooks;
    SoupServer *server;
    GString *received; /* "/path:event:status " each */
    guint n_refused;   /* so many are still to be answered with an error */
} Fixture;

static void on_request(SoupServer *server, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer user)
{
    Fixture *f = user;
    (void)server;
    (void)query;
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    if (f->n_refused > 0) {
        f->n_refused--;
        soup_server_message_set_status(message, SOUP_STATUS_INTERNAL_SERVER_ERROR, NULL);
        return;
    }
    g_autoptr(GBytes) body =
        soup_message_body_flatten(soup_server_message_get_request_body(message));
    json_t *event = json_loadb(g_bytes_get_data(body, NULL), g_bytes_get_size(body), 0, NULL);
    const json_t *info = json_object_get(event, "egressInfo");
    const char *status = json_string_value(json_object_get(info, "status"));
    g_string_append_printf(f->received, "%s:%s:%s ", path,
                           json_string_value(json_object_get(event, "event")),
                           status != NULL ? status : "EGRESS_STARTING");
    json_decref(event);
    g_assert_cmpstr(soup_message_headers_get_content_type(headers, NULL), ==,
                    "application/webhook+json");
    soup_server_message_set_status(message, SOUP_STATUS_OK, NULL);
}

static char *url_of(const Fixture *f, const char *path)
{
    GSList *uris = soup_server_get_uris(f->server);
    g_autofree char *base = g_uri_to_string(uris->data);
    g_slist_free_full(uris, (GDestroyNotify)g_uri_unref);
    return g_strconcat(base, path + 1, NULL);
}

static void make(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    f->loop = eg_loop_new();
    f->log = eg_log_new(NULL, NULL, NULL);
    f->received = g_string_new(NULL);
    f->server = soup_server_new(NULL, NULL);
    soup_server_add_handler(f->server, NULL, on_request, f, NULL);
    soup_server_listen_local(f->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
    g_assert_no_error(error);
    f->config = eg_config_parse("api_key: key\napi_secret: secret\n", "x", NULL, &error);
    g_assert_no_error(error);
    f->webhooks = eg_webhooks_new(f->loop, f->config, f->log);
}

static void clear(Fixture *f, gconstpointer unused)
{
    (void)unused;
    eg_webhooks_free(f->webhooks);
    soup_server_disconnect(f->server);
    g_object_unref(f->server);
    eg_config_free(f->config);
    g_string_free(f->received, TRUE);
    eg_log_free(f->log);
    eg_loop_free(f->loop);
}

static void deliver(Fixture *f)
{
    while (eg_webhooks_pending(f->webhooks) > 0)
        eg_loop_iterate(f->loop, true);
}

static void send_all(Fixture *f, Livekit__EgressInfo *info)
{
    info->egress_id = (char *)"EG_1";
    info->status = LIVEKIT__EGRESS_STATUS__EGRESS_STARTING;
    eg_webhooks_send(f->webhooks, info, true);
    eg_webhooks_send(f->webhooks, info, false); /* nothing new */
    info->status = LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE;
    eg_webhooks_send(f->webhooks, info, false);
    info->status = LIVEKIT__EGRESS_STATUS__EGRESS_LIMIT_REACHED;
    eg_webhooks_send(f->webhooks, info, false);
}

#define STARTED "/a:egress_started:EGRESS_STARTING "
#define UPDATED "/a:egress_updated:EGRESS_ACTIVE "
#define ENDED   "/a:egress_ended:EGRESS_LIMIT_REACHED "

typedef struct {
    const char *name;
    const char *include; /* with spaces between; NULL: none */
    const char *exclude;
    const char *signing_key;
    const char *received;
} Filter;

static const Filter filters[] = {
    {"none",        NULL,                          NULL,             "key",   STARTED UPDATED ENDED},
    {"no-key-said", NULL,                          NULL,             "",      STARTED UPDATED ENDED},
    {"include-one", "egress_ended",                NULL,             "key",   ENDED                },
    {"include-two", "egress_ended egress_started", NULL,             "key",   STARTED ENDED        },
    {"exclude",     NULL,                          "egress_updated", "key",   STARTED ENDED        },
    {"both",        "egress_ended egress_updated", "egress_updated", "key",   ENDED                },
    {"other-event", "room_started",                NULL,             "key",   ""                   },
 /* Nobody could check what another key than the one it was promised has signed. */
    {"other-key",   NULL,                          NULL,             "other", ""                   },
};

static void test_filter(Fixture *f, gconstpointer data)
{
    const Filter *filter = data;
    g_autofree char *url = url_of(f, "/a");
    g_auto(GStrv) include = g_strsplit(filter->include != NULL ? filter->include : "", " ", 0);
    g_auto(GStrv) exclude = g_strsplit(filter->exclude != NULL ? filter->exclude : "", " ", 0);
    Livekit__FilterParams params = LIVEKIT__FILTER_PARAMS__INIT;
    params.include_events = include;
    params.n_include_events = g_strv_length(include);
    params.exclude_events = exclude;
    params.n_exclude_events = g_strv_length(exclude);
    Livekit__WebhookConfig webhook = LIVEKIT__WEBHOOK_CONFIG__INIT;
    webhook.url = url;
    webhook.signing_key = (char *)filter->signing_key;
    webhook.filter_params = &params;
    Livekit__WebhookConfig *webhooks[] = {&webhook};
    Livekit__ParticipantEgressRequest request = LIVEKIT__PARTICIPANT_EGRESS_REQUEST__INIT;
    request.webhooks = webhooks;
    request.n_webhooks = 1;
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.request_case = LIVEKIT__EGRESS_INFO__REQUEST_PARTICIPANT;
    info.participant = &request;
    send_all(f, &info);
    deliver(f);
    g_assert_cmpstr(f->received->str, ==, filter->received);
}

/* Every kind of request has its webhooks. */
static void test_kinds(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *url = url_of(f, "/a");
    Livekit__WebhookConfig webhook = LIVEKIT__WEBHOOK_CONFIG__INIT;
    webhook.url = url;
    Livekit__WebhookConfig *webhooks[] = {&webhook};
#define CHECK(which, member, INIT, type)                                                           \
    do {                                                                                           \
        Livekit__##type request = LIVEKIT__##INIT##__INIT;                                         \
        request.webhooks = webhooks;                                                               \
        request.n_webhooks = 1;                                                                    \
        Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;                                     \
        info.request_case = LIVEKIT__EGRESS_INFO__REQUEST_##which;                                 \
        info.member = &request;                                                                    \
        send_all(f, &info);                                                                        \
        deliver(f);                                                                                \
        g_assert_cmpstr(f->received->str, ==, STARTED UPDATED ENDED);                              \
        g_string_truncate(f->received, 0);                                                         \
    } while (0)
    CHECK(ROOM_COMPOSITE, room_composite, ROOM_COMPOSITE_EGRESS_REQUEST,
          RoomCompositeEgressRequest);
    CHECK(WEB, web, WEB_EGRESS_REQUEST, WebEgressRequest);
    CHECK(PARTICIPANT, participant, PARTICIPANT_EGRESS_REQUEST, ParticipantEgressRequest);
    CHECK(TRACK_COMPOSITE, track_composite, TRACK_COMPOSITE_EGRESS_REQUEST,
          TrackCompositeEgressRequest);
    CHECK(TRACK, track, TRACK_EGRESS_REQUEST, TrackEgressRequest);
    CHECK(EGRESS, egress, START_EGRESS_REQUEST, StartEgressRequest);
#undef CHECK
}

/* Tried again, and nothing overtakes it. */
static void test_refused_at_first(Fixture *f, gconstpointer unused)
{
    (void)unused;
    char *urls[] = {url_of(f, "/a"), NULL};
    f->config->webhook_urls = urls;
    f->n_refused = 2;
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    send_all(f, &info);
    deliver(f);
    f->config->webhook_urls = NULL;
    g_free(urls[0]);
    g_assert_cmpuint(f->n_refused, ==, 0);
    g_assert_cmpstr(f->received->str, ==, STARTED UPDATED ENDED);
}

/* What is no URL costs nothing but itself. */
static void test_bad_urls(Fixture *f, gconstpointer unused)
{
    (void)unused;
    char *urls[] = {(char *)"",        (char *)"file:///etc/passwd",
                    (char *)"http://", (char *)"httpx://a/",
                    url_of(f, "/a"),   NULL};
    f->config->webhook_urls = urls;
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    send_all(f, &info);
    deliver(f);
    f->config->webhook_urls = NULL;
    g_free(urls[4]);
    g_assert_cmpstr(f->received->str, ==, STARTED UPDATED ENDED);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(filters); i++) {
        g_autofree char *path = g_strconcat("/webhooks/filter/", filters[i].name, NULL);
        g_test_add(path, Fixture, &filters[i], make, test_filter, clear);
    }
    g_test_add("/webhooks/kinds", Fixture, NULL, make, test_kinds, clear);
    g_test_add("/webhooks/refused-at-first", Fixture, NULL, make, test_refused_at_first, clear);
    g_test_add("/webhooks/bad-urls", Fixture, NULL, make, test_bad_urls, clear);
    return g_test_run();
}
