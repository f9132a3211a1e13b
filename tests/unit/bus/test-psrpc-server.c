#include "base/error.h"
#include "base/time.h"
#include "livekit_egress.pb-c.h"
#include "unit/bus/psrpc-fixture.h"
#include "unit/bus/psrpc-samples.h"

#include <math.h>
#include <string.h>

/* The test plays the client CLI_test. */
#define START_REQ    "EgressInternal|StartEgress|REQ"
#define START_RCLAIM "EgressInternal|StartEgress|RCLAIM"
#define START_CLAIM  "EgressInternal|CLI_test|CLAIM"
#define START_RES    "EgressInternal|CLI_test|RES"
#define STOP_REQ     "EgressHandler|StopEgress|EG_x|REQ"
#define STOP_RCLAIM  "EgressHandler|StopEgress|EG_x|RCLAIM"
#define STOP_CLAIM   "EgressHandler|CLI_test|CLAIM"
#define STOP_RES     "EgressHandler|CLI_test|RES"

static void ask(PsrpcFixture *f, const char *channel, const char *request_id, gint64 ttl_ns)
{
    g_autoptr(GBytes) payload = psrpc_request(request_id, ttl_ns, "\n\4EG_x");
    mock_redis_publish(channel, payload);
    psrpc_drain(f);
}

/* The id and affinity of who has bid last. */
static char *last_bidder(const char *channel, float *affinity)
{
    g_autoptr(ProtobufCMessage) message = psrpc_last(channel, &internal__claim_request__descriptor);
    const Internal__ClaimRequest *claim = (const Internal__ClaimRequest *)message;
    if (affinity != NULL)
        *affinity = claim->affinity;
    return g_strdup(claim->server_id);
}

static void award(PsrpcFixture *f, const char *channel, const char *request_id,
                  const char *server_id)
{
    psrpc_award(channel, request_id, server_id);
    psrpc_drain(f);
}

static guint64 n_expired(PsrpcFixture *f)
{
    guint n;
    const EgPsrpcStats *stats = eg_psrpc_server_get_stats(f->server, &n);
    return n > 0 ? stats[0].expired : 0;
}

static guint64 n_claims(PsrpcFixture *f, EgPsrpcClaim outcome)
{
    guint n;
    const EgPsrpcStats *stats = eg_psrpc_server_get_stats(f->server, &n);
    return n > 0 ? stats[0].claim_ms[outcome].n_values : 0;
}

/* Awards before requests, and nothing is promised before both are confirmed. */
static void test_registered(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    mock_redis_hold_subscriptions(true);
    psrpc_add(f->server, &psrpc_start, "", &peer);
    g_auto(GStrv) channels = mock_redis_channels();
    g_assert_cmpuint(g_strv_length(channels), ==, 2);
    g_assert_cmpstr(channels[0], ==, START_RCLAIM);
    g_assert_cmpstr(channels[1], ==, START_REQ);
    psrpc_drain(f);
    g_assert_cmpuint(peer.n_registered, ==, 0);

    mock_redis_hold_subscriptions(false);
    eg_loop_iterate(f->loop, false);
    g_assert_cmpuint(peer.n_registered, ==, 0);
    psrpc_drain(f);
    g_assert_cmpuint(peer.n_registered, ==, 1);

    mock_redis_set_connected(f->redis, false);
    mock_redis_set_connected(f->redis, true);
    psrpc_drain(f);
    g_assert_cmpuint(peer.n_registered, ==, 1);
    ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
    g_assert_cmpuint(mock_redis_count(START_CLAIM), ==, 1);
    eg_psrpc_handler_remove(peer.handler);

    PsrpcPeer plain = {.affinity = 1};
    psrpc_add(f->server, &psrpc_list, NULL, &plain);
    g_auto(GStrv) plain_channels = mock_redis_channels();
    g_assert_cmpuint(g_strv_length(plain_channels), ==, 1);
    psrpc_drain(f);
    g_assert_cmpuint(plain.n_registered, ==, 1);
    eg_psrpc_handler_remove(plain.handler);
}

/* Byte for byte what another implementation has sent, but for ids and the time. */
static void test_bytes(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 0.5F, .keeps_call = true};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    g_autoptr(GBytes) payload = psrpc_request("REQ_r8AEbxvpW4lC", EG_NS_PER_S, "");
    mock_redis_publish(START_REQ, payload);
    psrpc_drain(f);

    g_autoptr(ProtobufCMessage) claim =
        psrpc_last(START_CLAIM, &internal__claim_request__descriptor);
    Internal__ClaimRequest *bid = (Internal__ClaimRequest *)claim;
    g_autofree char *server_id = g_strdup(bid->server_id);
    g_assert_true(g_str_has_prefix(server_id, "SRV_") && strlen(server_id) == 16);
    memcpy(bid->server_id, "SRV_PV5qdba77DFL", 16);
    g_autoptr(GBytes) claim_bytes = eg_psrpc_encode(claim);
    g_autoptr(GBytes) claim_sample = sample_bytes(SAMPLE_START_CLAIM);
    g_assert_true(g_bytes_equal(claim_bytes, claim_sample));

    award(f, START_RCLAIM, "REQ_r8AEbxvpW4lC", server_id);
    g_assert_nonnull(peer.call);
    g_autoptr(GBytes) sample = sample_bytes(SAMPLE_START_RESPONSE);
    g_autoptr(ProtobufCMessage) expected = eg_psrpc_decode(&internal__response__descriptor, sample);
    g_autoptr(ProtobufCMessage) info = eg_psrpc_unpack(
        &livekit__egress_info__descriptor, &((const Internal__Response *)expected)->raw_response);
    eg_psrpc_call_reply(g_steal_pointer(&peer.call), info);
    g_autoptr(ProtobufCMessage) message = psrpc_last(START_RES, &internal__response__descriptor);
    Internal__Response *response = (Internal__Response *)message;
    g_assert_cmpstr(response->server_id, ==, server_id);
    g_assert_cmpint(ABS(response->sent_at - eg_wall_now_ns()), <, 60 * EG_NS_PER_S);
    memcpy(response->server_id, "SRV_PV5qdba77DFL", 16);
    response->sent_at = ((const Internal__Response *)expected)->sent_at;
    g_autoptr(GBytes) bytes = eg_psrpc_encode(message);
    g_assert_true(g_bytes_equal(bytes, sample));
    eg_psrpc_handler_remove(peer.handler);
}

/* As livekit-server chooses: the one that wants it most; the other forgets it. */
static void test_two_servers(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer idle = {.affinity = 0.5F};
    PsrpcPeer busy = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &idle);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
    float affinity;
    g_autofree char *idle_id = last_bidder(START_CLAIM, &affinity);
    g_assert_cmpfloat(affinity, ==, 0.5F);

    psrpc_add(f->other, &psrpc_start, "", &busy);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_2", EG_NS_PER_S);
    g_assert_cmpuint(mock_redis_count(START_CLAIM), ==, 3);
    g_autofree char *busy_id = last_bidder(START_CLAIM, &affinity);
    g_assert_cmpfloat(affinity, ==, 1);
    g_assert_cmpstr(busy_id, !=, idle_id);

    award(f, START_RCLAIM, "REQ_2", busy_id);
    g_assert_cmpuint(busy.n_handled, ==, 1);
    g_assert_cmpstr(busy.egress_id, ==, "EG_x");
    g_assert_cmpuint(mock_redis_count(START_RES), ==, 1);
    award(f, START_RCLAIM, "REQ_2", idle_id);
    g_assert_cmpuint(idle.n_handled, ==, 0);

    /* An award is good once. */
    award(f, START_RCLAIM, "REQ_1", idle_id);
    award(f, START_RCLAIM, "REQ_1", idle_id);
    g_assert_cmpuint(idle.n_handled, ==, 1);
    g_assert_cmpuint(mock_redis_count(START_RES), ==, 2);
    g_assert_cmpuint(n_claims(f, EG_PSRPC_CLAIM_GRANTED), ==, 1);
    g_assert_cmpuint(n_claims(f, EG_PSRPC_CLAIM_LOST), ==, 1);
    eg_psrpc_handler_remove(idle.handler);
    eg_psrpc_handler_remove(busy.handler);
}

static void test_no_bid(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    const float affinities[] = {0, -1, -0.0F, NAN};
    PsrpcPeer peer = {0};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    for (guint i = 0; i < G_N_ELEMENTS(affinities); i++) {
        peer.affinity = affinities[i];
        ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
        g_assert_cmpuint(peer.n_asked, ==, i + 1);
    }
    g_assert_cmpuint(mock_redis_count("*CLI_test*"), ==, 0);
    eg_psrpc_handler_remove(peer.handler);
}

static void test_expired(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_1", 0);
    ask(f, START_REQ, "REQ_1", -EG_NS_PER_S);
    g_assert_cmpuint(peer.n_asked, ==, 0);
    g_assert_cmpuint(n_expired(f), ==, 2);

    ask(f, START_REQ, "REQ_other", 3600 * EG_NS_PER_S);
    g_autofree char *id = last_bidder(START_CLAIM, NULL);

    /* What is not awarded in time is forgotten. */
    ask(f, START_REQ, "REQ_2", 20 * EG_NS_PER_MS);
    PSRPC_WAIT(f, n_claims(f, EG_PSRPC_CLAIM_TIMED_OUT) == 1);
    g_assert_cmpuint(n_expired(f), ==, 2);
    award(f, START_RCLAIM, "REQ_2", id);
    g_assert_cmpuint(peer.n_handled, ==, 0);

    /* A time that no clock reaches is no trouble. */
    g_autoptr(GBytes) payload =
        psrpc_request("REQ_3", G_MAXINT64 - eg_wall_now_ns() - EG_NS_PER_S, "");
    mock_redis_publish(START_REQ, payload);
    psrpc_drain(f);
    award(f, START_RCLAIM, "REQ_3", id);
    g_assert_cmpuint(peer.n_handled, ==, 1);
    eg_psrpc_handler_remove(peer.handler);
}

/* Answered at once, without a bid. */
static void test_malformed_request(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    const char *raws[] = {"\n\5EG_x", "\xFF", "\n\1\xC0"};
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    for (guint i = 0; i < G_N_ELEMENTS(raws); i++) {
        g_autoptr(GBytes) payload = psrpc_request("REQ_1", EG_NS_PER_S, raws[i]);
        mock_redis_publish(START_REQ, payload);
        psrpc_drain(f);
        g_assert_cmpuint(mock_redis_count(START_RES), ==, i + 1);
        g_autoptr(ProtobufCMessage) message =
            psrpc_last(START_RES, &internal__response__descriptor);
        const Internal__Response *response = (const Internal__Response *)message;
        g_assert_cmpstr(response->request_id, ==, "REQ_1");
        g_assert_cmpstr(response->code, ==, "malformed_request");
        g_assert_cmpstr(response->error, !=, "");
    }
    g_assert_cmpuint(mock_redis_count(START_CLAIM), ==, 0);
    g_assert_cmpuint(peer.n_asked, ==, 0);
    eg_psrpc_handler_remove(peer.handler);
}

/* Of the servers of one queue, one takes what was published, and it does so once. */
static void test_lock(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peers[2] = {{.affinity = 1}, {.affinity = 1}};
    psrpc_add(f->server, &psrpc_stop, "EG_x", &peers[0]);
    psrpc_add(f->other, &psrpc_stop, "EG_x", &peers[1]);
    psrpc_drain(f);
    g_autoptr(GBytes) payload = psrpc_request("REQ_1", EG_NS_PER_S, "\n\4EG_x");
    for (int i = 0; i < 3; i++)
        g_assert_cmpuint(mock_redis_publish(STOP_REQ, payload), ==, 2);
    psrpc_drain(f);
    g_autofree char *key = eg_psrpc_lock_key(payload);
    g_assert_true(mock_redis_has_lock(key));
    g_assert_cmpuint(mock_redis_n_locks(), ==, 1);
    g_assert_cmpuint(mock_redis_count(STOP_CLAIM), ==, 1);

    g_autofree char *id = last_bidder(STOP_CLAIM, NULL);
    award(f, STOP_RCLAIM, "REQ_1", id);
    g_assert_cmpuint(peers[0].n_handled + peers[1].n_handled, ==, 1);
    g_assert_cmpuint(mock_redis_count(STOP_RES), ==, 1);

    /* The lock's answer comes when its handler is gone. */
    g_autoptr(GBytes) late = psrpc_request("REQ_2", EG_NS_PER_S, "\n\4EG_x");
    mock_redis_publish(STOP_REQ, late);
    while (mock_redis_n_locks() < 2)
        eg_loop_iterate(f->loop, false);
    eg_psrpc_handler_remove(peers[0].handler);
    eg_psrpc_handler_remove(peers[1].handler);
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_count(STOP_CLAIM), ==, 1);
}

/* Without a queue, the id of the request is what there is. */
static void test_duplicate(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
    ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
    g_assert_cmpuint(mock_redis_count(START_CLAIM), ==, 1);
    g_assert_cmpuint(mock_redis_n_locks(), ==, 0);
    eg_psrpc_handler_remove(peer.handler);
}

static void test_topics(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer x = {.affinity = 1};
    PsrpcPeer y = {.affinity = 1};
    PsrpcPeer cluster = {.affinity = 1};
    psrpc_add(f->server, &psrpc_stop, "EG_x", &x);
    psrpc_add(f->server, &psrpc_stop, "EG_y", &y);
    psrpc_add(f->server, &psrpc_start, "eu-west", &cluster);
    psrpc_drain(f);
    ask(f, STOP_REQ, "REQ_1", EG_NS_PER_S);
    g_autofree char *id = last_bidder(STOP_CLAIM, NULL);
    award(f, STOP_RCLAIM, "REQ_1", id);
    g_assert_cmpuint(x.n_handled, ==, 1);
    g_assert_cmpuint(y.n_asked, ==, 0);
    ask(f, START_REQ, "REQ_2", EG_NS_PER_S);
    g_assert_cmpuint(cluster.n_asked, ==, 0);
    ask(f, "EgressInternal|StartEgress|euu+002dwest|REQ", "REQ_3", EG_NS_PER_S);
    g_assert_cmpuint(cluster.n_asked, ==, 1);

    /* One row in the statistics for all topics. */
    guint n;
    const EgPsrpcStats *stats = eg_psrpc_server_get_stats(f->server, &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_true(stats[0].method == &psrpc_stop);
    g_assert_true(stats[1].method == &psrpc_start);
    g_assert_cmpuint(stats[0].received, ==, 1);
    g_assert_cmpuint(stats[0].request_ms.n_values, ==, 1);
    eg_psrpc_handler_remove(x.handler);
    eg_psrpc_handler_remove(y.handler);
    eg_psrpc_handler_remove(cluster.handler);
}

/* All servers answer. */
static void test_without_claim(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peers[2] = {0};
    psrpc_add(f->server, &psrpc_list, "", &peers[0]);
    psrpc_add(f->other, &psrpc_list, "", &peers[1]);
    psrpc_drain(f);
    ask(f, "EgressInternal|ListActiveEgress|REQ", "REQ_1", EG_NS_PER_S);
    g_assert_cmpuint(mock_redis_count(START_RES), ==, 2);
    g_assert_cmpuint(mock_redis_count(START_CLAIM), ==, 0);
    eg_psrpc_handler_remove(peers[0].handler);
    eg_psrpc_handler_remove(peers[1].handler);
}

/* A reply without a connection is lost, and nothing else is. */
static void test_disconnected(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1, .keeps_call = true};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
    g_autofree char *id = last_bidder(START_CLAIM, NULL);
    award(f, START_RCLAIM, "REQ_1", id);
    mock_redis_set_connected(f->redis, false);
    psrpc_reply(&peer, "EG_x");
    psrpc_drain(f);
    mock_redis_set_connected(f->redis, true);
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_count(START_RES), ==, 0);

    ask(f, START_REQ, "REQ_2", EG_NS_PER_S);
    award(f, START_RCLAIM, "REQ_2", id);
    psrpc_reply(&peer, "EG_x");
    g_assert_cmpuint(mock_redis_count(START_RES), ==, 1);
    eg_psrpc_handler_remove(peer.handler);
}

/* Handlers may go in any of their callbacks; what was awarded is still answered. */
static void test_lifetimes(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer shy = {.affinity = 1, .removes_itself_when_asked = true};
    psrpc_add(f->server, &psrpc_start, "", &shy);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
    g_assert_cmpuint(shy.n_asked, ==, 1);
    g_assert_cmpuint(mock_redis_count(START_CLAIM), ==, 0);

    PsrpcPeer peer = {.affinity = 1, .keeps_call = true, .removes_itself_when_called = true};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_2", EG_NS_PER_S);
    ask(f, START_REQ, "REQ_3", EG_NS_PER_S);
    g_autofree char *id = last_bidder(START_CLAIM, NULL);
    award(f, START_RCLAIM, "REQ_2", id);
    award(f, START_RCLAIM, "REQ_3", id);
    g_assert_cmpuint(peer.n_handled, ==, 1);
    psrpc_reply(&peer, "EG_x");
    g_assert_cmpuint(mock_redis_count(START_RES), ==, 1);

    PsrpcPeer last = {.affinity = 1, .keeps_call = true};
    psrpc_add(f->server, &psrpc_start, "", &last);
    psrpc_drain(f);
    ask(f, START_REQ, "REQ_4", EG_NS_PER_S);
    award(f, START_RCLAIM, "REQ_4", id);
    eg_psrpc_handler_remove(last.handler);
    g_clear_pointer(&f->server, eg_psrpc_server_free);
    psrpc_reply(&last, "EG_x");
    g_assert_cmpuint(mock_redis_count(START_RES), ==, 1);
    eg_psrpc_handler_remove(NULL);
    eg_psrpc_server_free(NULL);
}

/* Nobody's words change nothing. */
static void test_garbage(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    const char *channels[] = {START_REQ, START_RCLAIM};
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    g_autoptr(GBytes) empty = g_bytes_new_static("", 0);
    g_autoptr(GBytes) noise = g_bytes_new_static("\xFF\xFF\xFF", 3);
    g_autoptr(GBytes) nameless = psrpc_request("", EG_NS_PER_S, "");
    g_autoptr(GBytes) claim = sample_bytes(SAMPLE_START_CLAIM);
    GBytes *payloads[] = {empty, noise, nameless, claim};
    for (gsize i = 0; i < G_N_ELEMENTS(channels); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(payloads); j++)
            mock_redis_publish(channels[i], payloads[j]);
    }
    psrpc_drain(f);
    g_assert_cmpuint(peer.n_asked, ==, 0);
    g_assert_cmpuint(mock_redis_messages()->len, ==,
                     G_N_ELEMENTS(channels) * G_N_ELEMENTS(payloads));
    ask(f, START_REQ, "REQ_1", EG_NS_PER_S);
    g_assert_cmpuint(peer.n_asked, ==, 1);
    eg_psrpc_handler_remove(peer.handler);
}

/* A flood of requests that nobody awards is bounded. */
static void test_flood(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_drain(f);
    for (int i = 0; i < 1100; i++) {
        g_autofree char *request_id = g_strdup_printf("REQ_%d", i);
        ask(f, START_REQ, request_id, 3600 * EG_NS_PER_S);
    }
    g_assert_cmpuint(mock_redis_count(START_CLAIM), ==, 1024);
    eg_psrpc_handler_remove(peer.handler);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func)                                                                            \
    g_test_add("/bus/psrpc-server/" path, PsrpcFixture, NULL, psrpc_set_up, func, psrpc_tear_down)
    ADD("registered", test_registered);
    ADD("bytes", test_bytes);
    ADD("two-servers", test_two_servers);
    ADD("no-bid", test_no_bid);
    ADD("expired", test_expired);
    ADD("malformed-request", test_malformed_request);
    ADD("lock", test_lock);
    ADD("duplicate", test_duplicate);
    ADD("topics", test_topics);
    ADD("without-claim", test_without_claim);
    ADD("disconnected", test_disconnected);
    ADD("lifetimes", test_lifetimes);
    ADD("garbage", test_garbage);
    ADD("flood", test_flood);
#undef ADD
    return g_test_run();
}
