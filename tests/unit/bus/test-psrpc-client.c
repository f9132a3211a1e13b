#include "base/error.h"
#include "base/time.h"
#include "livekit_egress.pb-c.h"
#include "unit/bus/psrpc-fixture.h"
#include "unit/bus/psrpc-samples.h"

#include <math.h>
#include <string.h>

/* Against our own server, or the test plays the server SRV_test. */
#define LONG_NS    (60 * EG_NS_PER_S)
#define MEDIUM_NS  (500 * EG_NS_PER_MS) /* something else happens before */
#define SHORT_NS   (20 * EG_NS_PER_MS)
#define START_REQ  "EgressInternal|StartEgress|REQ"
#define CREATE_REQ "IOInfo|CreateEgress|REQ"

/* The request that was sent last, with its ids. */
static ProtobufCMessage *last_request(const char *channel)
{
    return psrpc_last(channel, &internal__request__descriptor);
}

static const char *request_id(const ProtobufCMessage *request)
{
    return ((const Internal__Request *)request)->request_id;
}

/* The client's own channel of a kind. */
static char *channel_of(const char *service, const ProtobufCMessage *request, const char *kind)
{
    return eg_psrpc_channel(service, ((const Internal__Request *)request)->client_id, NULL, kind);
}

static void respond(PsrpcFixture *f, const char *channel, const ProtobufCMessage *request,
                    Internal__Response response)
{
    response.request_id = (char *)request_id(request);
    response.server_id = (char *)"SRV_test";
    psrpc_publish(channel, &response.base);
    psrpc_drain(f);
}

static void assert_error(PsrpcResult *result, EgErrorCode code, const char *message,
                         bool is_retryable)
{
    g_assert_true(result->is_done);
    g_assert_error(result->error, EG_ERROR, (int)code);
    g_assert_cmpstr(result->error->message, ==, message);
    g_assert_cmpint(eg_error_is_retryable(result->error), ==, is_retryable);
    g_clear_error(&result->error);
    result->is_done = false;
}

static void test_call(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 0.5F};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_make_client(f, "EgressInternal");
    PsrpcResult results[3] = {0};
    for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
        g_autofree char *egress_id = g_strdup_printf("EG_%zu", i);
        psrpc_call(f, &psrpc_start, NULL, egress_id, LONG_NS, 0, &results[i]);
    }
    psrpc_drain(f);
    for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
        g_autofree char *egress_id = g_strdup_printf("EG_%zu", i);
        g_assert_true(results[i].is_done);
        g_assert_no_error(results[i].error);
        g_assert_cmpstr(results[i].egress_id, ==, egress_id);
    }
    g_assert_cmpuint(peer.n_handled, ==, 3);

    guint n;
    const EgPsrpcStats *stats = eg_psrpc_client_get_stats(f->client, &n);
    g_assert_cmpuint(n, ==, 1);
    g_assert_true(stats[0].method == &psrpc_start);
    g_assert_cmpuint(stats[0].request_ms.n_values, ==, 3);
    g_assert_cmpuint(psrpc_n_errors(&stats[0]), ==, 0);
    /* An egress id of four letters, there and back. */
    g_assert_cmpuint(stats[0].sent_bytes, ==, 3 * 6);
    g_assert_cmpuint(stats[0].received_bytes, ==, 3 * 6);
    stats = eg_psrpc_server_get_stats(f->server, &n);
    g_assert_cmpuint(n, ==, 1);
    g_assert_cmpuint(stats[0].received, ==, 3);
    g_assert_cmpuint(stats[0].request_ms.n_values, ==, 3);
    g_assert_cmpuint(stats[0].received_bytes, ==, 3 * 6);
    g_assert_cmpuint(stats[0].sent_bytes, ==, 3 * 6);
    g_assert_cmpuint(stats[0].claim_ms[EG_PSRPC_CLAIM_GRANTED].n_values, ==, 3);
    eg_psrpc_handler_remove(peer.handler);
}

/* Topic, lock; and no claim, where the first answer counts. */
static void test_kinds(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer stop = {.affinity = 1};
    PsrpcPeer list[2] = {0};
    psrpc_add(f->server, &psrpc_stop, "EG_x", &stop);
    psrpc_add(f->server, &psrpc_list, "", &list[0]);
    psrpc_add(f->other, &psrpc_list, "", &list[1]);
    PsrpcResult result = {0};
    psrpc_make_client(f, "EgressHandler");
    psrpc_call(f, &psrpc_stop, "EG_x", "EG_x", LONG_NS, 0, &result);
    psrpc_drain(f);
    g_assert_true(result.is_done);
    g_assert_cmpstr(result.egress_id, ==, "EG_x");
    g_assert_cmpuint(mock_redis_n_locks(), ==, 1);
    eg_psrpc_client_free(f->client);

    psrpc_make_client(f, "EgressInternal");
    PsrpcResult listed = {0};
    psrpc_call(f, &psrpc_list, NULL, "", LONG_NS, 0, &listed);
    psrpc_drain(f);
    g_assert_true(listed.is_done);
    g_assert_no_error(listed.error);
    g_assert_cmpuint(list[0].n_handled + list[1].n_handled, ==, 2);
    eg_psrpc_handler_remove(stop.handler);
    eg_psrpc_handler_remove(list[0].handler);
    eg_psrpc_handler_remove(list[1].handler);
}

/* Byte for byte what another implementation has sent, but for ids and times. */
static void test_bytes(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    g_autoptr(GBytes) sample = sample_bytes(SAMPLE_CREATE_REQUEST);
    g_autoptr(ProtobufCMessage) expected = eg_psrpc_decode(&internal__request__descriptor, sample);
    const Internal__Request *expected_request = (const Internal__Request *)expected;
    g_autoptr(ProtobufCMessage) info =
        eg_psrpc_unpack(&livekit__egress_info__descriptor, &expected_request->raw_request);
    psrpc_make_client(f, "IOInfo");
    psrpc_drain(f);
    PsrpcResult result = {0};
    psrpc_call_with(f, &psrpc_create, NULL, info, 15 * EG_NS_PER_S, 0, &result);

    g_autoptr(ProtobufCMessage) message = last_request(CREATE_REQ);
    Internal__Request *request = (Internal__Request *)message;
    g_assert_cmpint(ABS(request->sent_at - eg_wall_now_ns()), <, LONG_NS);
    const gint64 ttl_ns = request->expiry - request->sent_at;
    g_assert_true(ttl_ns > 14 * EG_NS_PER_S && ttl_ns <= 15 * EG_NS_PER_S);
    g_autofree char *claims = channel_of("IOInfo", message, "CLAIM");
    g_autofree char *responses = channel_of("IOInfo", message, "RES");
    g_autofree char *own_id = g_strdup(request->request_id);
    psrpc_claim(claims, own_id, "SRV_9jQV9lT8L69p", 1);
    psrpc_drain(f);

    g_autoptr(ProtobufCMessage) award =
        psrpc_last("IOInfo|CreateEgress|RCLAIM", &internal__claim_response__descriptor);
    Internal__ClaimResponse *awarded = (Internal__ClaimResponse *)award;
    g_assert_cmpstr(awarded->request_id, ==, own_id);
    memcpy(awarded->request_id, expected_request->request_id, 16);
    g_autoptr(GBytes) award_bytes = eg_psrpc_encode(award);
    g_autoptr(GBytes) award_sample = sample_bytes(SAMPLE_CREATE_AWARD);
    g_assert_true(g_bytes_equal(award_bytes, award_sample));

    /* An answer without any field is Empty's. */
    g_assert_false(result.is_done);
    Internal__Response response = INTERNAL__RESPONSE__INIT;
    respond(f, responses, message, response);
    g_assert_true(result.is_done);
    g_assert_no_error(result.error);

    memcpy(request->request_id, expected_request->request_id, 16);
    memcpy(request->client_id, expected_request->client_id, 16);
    request->sent_at = expected_request->sent_at;
    request->expiry = expected_request->expiry;
    g_autoptr(GBytes) bytes = eg_psrpc_encode(message);
    g_assert_true(g_bytes_equal(bytes, sample));
}

/* Nothing is asked before the answer could come back. */
static void test_subscribes_first(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    mock_redis_hold_subscriptions(true);
    psrpc_make_client(f, "EgressInternal");
    PsrpcResult results[2] = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_a", LONG_NS, 0, &results[0]);
    psrpc_call(f, &psrpc_start, NULL, "EG_b", LONG_NS, 0, &results[1]);
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_messages()->len, ==, 0);

    mock_redis_hold_subscriptions(false);
    eg_loop_iterate(f->loop, false); /* the first of two */
    g_assert_cmpuint(mock_redis_messages()->len, ==, 0);
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_count(START_REQ), ==, 2);
    g_autoptr(ProtobufCMessage) second = last_request(START_REQ);
    const ProtobufCBinaryData *raw = &((const Internal__Request *)second)->raw_request;
    g_assert_cmpuint(raw->len, ==, 6);
    g_assert_true(memcmp(raw->data, "\n\4EG_b", 6) == 0);
}

static void test_no_bid(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = -1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_make_client(f, "EgressInternal");
    psrpc_drain(f);
    PsrpcResult result = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, SHORT_NS, &result);
    PSRPC_WAIT(f, result.is_done);
    assert_error(&result, EG_ERROR_UNAVAILABLE, "no response from servers", true);

    /* Without a time of its own for the bids, the whole. */
    psrpc_call(f, &psrpc_start, NULL, "EG_x", SHORT_NS, 0, &result);
    PSRPC_WAIT(f, result.is_done);
    assert_error(&result, EG_ERROR_UNAVAILABLE, "no response from servers", true);

    /* Bids of those who do not want. */
    const float affinities[] = {0, -1, NAN};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, MEDIUM_NS, &result);
    g_autoptr(ProtobufCMessage) request = last_request(START_REQ);
    g_autofree char *claims = channel_of("EgressInternal", request, "CLAIM");
    for (gsize i = 0; i < G_N_ELEMENTS(affinities); i++)
        psrpc_claim(claims, request_id(request), "SRV_test", affinities[i]);
    PSRPC_WAIT(f, result.is_done);
    assert_error(&result, EG_ERROR_UNAVAILABLE, "no servers available (received 3 responses)",
                 true);
    g_assert_cmpuint(mock_redis_count("*|RCLAIM"), ==, 0);

    guint n;
    const EgPsrpcStats *stats = eg_psrpc_client_get_stats(f->client, &n);
    g_assert_cmpuint(stats[0].errors[EG_ERROR_UNAVAILABLE], ==, 3);
    g_assert_cmpuint(psrpc_n_errors(&stats[0]), ==, 3);
    g_assert_cmpuint(stats[0].request_ms.n_values, ==, 0);
    eg_psrpc_handler_remove(peer.handler);
}

/* The first bid wins; what comes after it, or from nobody, changes nothing. */
static void test_first_bid(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    psrpc_make_client(f, "EgressInternal");
    psrpc_drain(f);
    PsrpcResult result = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &result);
    g_autoptr(ProtobufCMessage) request = last_request(START_REQ);
    g_autofree char *claims = channel_of("EgressInternal", request, "CLAIM");
    psrpc_claim(claims, "REQ_of_another", "SRV_test", 1);
    psrpc_claim(claims, request_id(request), "", 1);
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_count("*|RCLAIM"), ==, 0);
    psrpc_claim(claims, request_id(request), "SRV_a", 0.1F);
    psrpc_claim(claims, request_id(request), "SRV_b", 1);
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_count("*|RCLAIM"), ==, 1);
    g_autoptr(ProtobufCMessage) award =
        psrpc_last("*|RCLAIM", &internal__claim_response__descriptor);
    g_assert_cmpstr(((const Internal__ClaimResponse *)award)->server_id, ==, "SRV_a");
    g_assert_false(result.is_done);
}

static void test_lost_award(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_make_client(f, "EgressInternal");
    psrpc_drain(f);
    mock_redis_lose("*|RCLAIM", 1);
    PsrpcResult result = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", MEDIUM_NS, 0, &result);
    PSRPC_WAIT(f, result.is_done);
    assert_error(&result, EG_ERROR_DEADLINE_EXCEEDED, "request timed out", true);
    g_assert_cmpuint(peer.n_handled, ==, 0);

    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &result);
    psrpc_drain(f);
    g_assert_true(result.is_done);
    g_assert_no_error(result.error);
    eg_psrpc_handler_remove(peer.handler);
}

/* The time for bids ends with the award. */
static void test_late_answer(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1, .keeps_call = true};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_make_client(f, "EgressInternal");
    psrpc_drain(f);
    PsrpcResult result = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, MEDIUM_NS, &result);
    psrpc_drain(f);
    g_assert_nonnull(peer.call);
    PsrpcResult later = {0}; /* nobody serves it */
    psrpc_call(f, &psrpc_list, NULL, "", MEDIUM_NS, 0, &later);
    PSRPC_WAIT(f, later.is_done);
    assert_error(&later, EG_ERROR_DEADLINE_EXCEEDED, "request timed out", true);
    g_assert_false(result.is_done);
    psrpc_reply(&peer, "EG_x");
    psrpc_drain(f);
    g_assert_true(result.is_done);
    g_assert_no_error(result.error);
    eg_psrpc_handler_remove(peer.handler);
}

/* A request that nobody has heard is repeated to the byte, which the lock makes one; unless there
 * is none. */
static void test_repeat(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_stop, "EG_x", &peer);
    psrpc_make_client(f, "EgressHandler");
    psrpc_drain(f);
    mock_redis_lose("*|CLAIM", 1);
    PsrpcResult result = {0};
    psrpc_call(f, &psrpc_stop, "EG_x", "EG_x", LONG_NS, 0, &result);
    psrpc_drain(f);
    const GBytes *first = mock_redis_find("*|REQ")->payload;
    PSRPC_WAIT(f, mock_redis_count("*|REQ") == 2);
    g_assert_true(g_bytes_equal(mock_redis_find("*|REQ")->payload, first));
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_n_locks(), ==, 1);
    g_assert_cmpuint(mock_redis_count("*|CLAIM"), ==, 1);

    PsrpcResult heard = {0};
    mock_redis_lose("*|REQ", 1);
    psrpc_call(f, &psrpc_stop, "EG_x", "EG_x", LONG_NS, 0, &heard);
    PSRPC_WAIT(f, heard.is_done);
    g_assert_no_error(heard.error);
    g_assert_cmpuint(peer.n_handled, ==, 1);
    g_assert_false(result.is_done);
    eg_psrpc_handler_remove(peer.handler);
    g_clear_pointer(&f->client, eg_psrpc_client_free);

    const guint n_requests = mock_redis_count("*|REQ");
    psrpc_make_client(f, "EgressInternal");
    PsrpcResult single = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 3 * MEDIUM_NS, &single);
    PSRPC_WAIT(f, single.is_done);
    assert_error(&single, EG_ERROR_UNAVAILABLE, "no response from servers", true);
    g_assert_cmpuint(mock_redis_count("*|REQ"), ==, n_requests + 1);
}

/* What the server says arrives with its code; whether to try again goes by that. */
static void test_error_codes(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_make_client(f, "EgressInternal");
    for (EgErrorCode code = EG_ERROR_NONE + 1; code < EG_N_ERRORS; code++) {
        g_autoptr(GError) error = NULL;
        eg_error_set(&error, code, EG_BLAME_SERVICE, "not %d%%", (int)code);
        peer.error = error;
        PsrpcResult result = {0};
        psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &result);
        psrpc_drain(f);
        const bool is_retryable =
            code == EG_ERROR_UNAVAILABLE || code == EG_ERROR_DEADLINE_EXCEEDED;
        assert_error(&result, code, error->message, is_retryable);
    }

    /* A foreign error, and texts that would not arrive. */
    static const struct {
        const char *text;
        const char *told;
    } cases[] = {
        {"disk",  "disk"         },
        {"",      "internal"     },
        {"\xFFx", "\xEF\xBF\xBDx"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = g_error_new_literal(G_FILE_ERROR, 1, cases[i].text);
        peer.error = error;
        PsrpcResult result = {0};
        psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &result);
        psrpc_drain(f);
        assert_error(&result, EG_ERROR_INTERNAL, cases[i].told, false);
    }
    guint n;
    const guint n_failed = EG_N_ERRORS - 1 + G_N_ELEMENTS(cases);
    const EgPsrpcStats *server = &eg_psrpc_server_get_stats(f->server, &n)[0];
    const EgPsrpcStats *client = &eg_psrpc_client_get_stats(f->client, &n)[0];
    g_assert_cmpuint(psrpc_n_errors(server), ==, n_failed);
    g_assert_cmpuint(psrpc_n_errors(client), ==, n_failed);
    for (guint code = 0; code < EG_N_ERRORS; code++)
        g_assert_cmpuint(client->errors[code], ==, server->errors[code]);
    g_assert_cmpuint(server->errors[EG_ERROR_NOT_FOUND], ==, 1);
    eg_psrpc_handler_remove(peer.handler);
}

/* As others may answer, also without a bid. */
static void test_responses(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    static const struct {
        const char *error;
        const char *code;
        const char *raw;
        EgErrorCode expected;
    } cases[] = {
        {"egress does not exist", "not_found",             "",         EG_ERROR_NOT_FOUND        },
        {"what",                  "",                      "",         EG_ERROR_UNKNOWN          },
        {"what",                  "upstream_server_error", "",         EG_ERROR_UNKNOWN          },
        {"proto: cannot parse",   "malformed_request",     "",         EG_ERROR_MALFORMED_REQUEST},
        {"",                      "not_found",             "\n\4EG_x", EG_ERROR_NONE             }, /* a code alone is none */
        {"",                      "",                      "",         EG_ERROR_NONE             },
        {"",                      "",                      "\n\5EG_x", EG_ERROR_MALFORMED_RESULT },
    };
    psrpc_make_client(f, "EgressInternal");
    psrpc_drain(f);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        PsrpcResult result = {0};
        psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &result);
        g_autoptr(ProtobufCMessage) request = last_request(START_REQ);
        g_autofree char *responses = channel_of("EgressInternal", request, "RES");
        Internal__Response response = INTERNAL__RESPONSE__INIT;
        response.error = (char *)cases[i].error;
        response.code = (char *)cases[i].code;
        response.raw_response =
            (ProtobufCBinaryData){.data = (guint8 *)cases[i].raw, .len = strlen(cases[i].raw)};
        respond(f, responses, request, response);
        g_assert_true(result.is_done);
        g_assert_cmpint(eg_error_code(result.error), ==, cases[i].expected);
        if (*cases[i].error != '\0')
            g_assert_cmpstr(result.error->message, ==, cases[i].error);
        g_clear_error(&result.error);
        respond(f, responses, request, response); /* twice is once */
    }
}

static void test_garbage(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    psrpc_make_client(f, "EgressInternal");
    psrpc_drain(f);
    PsrpcResult result = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &result);
    g_autoptr(ProtobufCMessage) request = last_request(START_REQ);
    g_autofree char *responses = channel_of("EgressInternal", request, "RES");
    g_autofree char *claims = channel_of("EgressInternal", request, "CLAIM");
    const char *channels[] = {responses, claims};
    g_autoptr(GBytes) empty = g_bytes_new_static("", 0);
    g_autoptr(GBytes) noise = g_bytes_new_static("\xFF\xFF\xFF", 3);
    g_autoptr(GBytes) foreign = sample_bytes(SAMPLE_CREATE_RESPONSE);
    GBytes *payloads[] = {empty, noise, foreign};
    for (gsize i = 0; i < G_N_ELEMENTS(channels); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(payloads); j++)
            mock_redis_publish(channels[i], payloads[j]);
    }
    psrpc_drain(f);
    g_assert_false(result.is_done);
    g_assert_cmpuint(mock_redis_count("*|RCLAIM"), ==, 0);
}

/* Without a connection it waits for one, as long as it may. */
static void test_disconnected(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_make_client(f, "EgressInternal");
    psrpc_drain(f);
    mock_redis_set_connected(f->client_redis, false);
    psrpc_drain(f);
    PsrpcResult late = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", SHORT_NS, 0, &late);
    PSRPC_WAIT(f, late.is_done);
    assert_error(&late, EG_ERROR_UNAVAILABLE, "no connection to Redis", true);

    PsrpcResult result = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &result);
    psrpc_drain(f);
    g_assert_cmpuint(mock_redis_messages()->len, ==, 0);
    mock_redis_set_connected(f->client_redis, true);
    psrpc_drain(f);
    g_assert_true(result.is_done);
    g_assert_no_error(result.error);
    g_assert_cmpuint(peer.n_handled, ==, 1);

    /* One that is under way when the connection goes ends by its time. */
    peer.keeps_call = true;
    PsrpcResult cut = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", MEDIUM_NS, 0, &cut);
    PSRPC_WAIT(f, peer.call != NULL || cut.is_done);
    g_assert_nonnull(peer.call);
    mock_redis_set_connected(f->client_redis, false);
    psrpc_reply(&peer, "EG_x");
    PSRPC_WAIT(f, cut.is_done);
    assert_error(&cut, EG_ERROR_DEADLINE_EXCEEDED, "request timed out", true);
    eg_psrpc_handler_remove(peer.handler);
}

static void free_client(gpointer user, const ProtobufCMessage *response, const GError *error)
{
    (void)response;
    PsrpcFixture *f = user;
    g_assert_no_error(error);
    g_clear_pointer(&f->client, eg_psrpc_client_free);
}

/* Calls under way are never told; the client may go in what one is told. */
static void test_lifetimes(PsrpcFixture *f, gconstpointer user)
{
    (void)user;
    PsrpcPeer peer = {.affinity = 1};
    psrpc_add(f->server, &psrpc_start, "", &peer);
    psrpc_make_client(f, "EgressInternal");
    PsrpcResult results[2] = {0};
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &results[0]);
    g_clear_pointer(&f->client, eg_psrpc_client_free);
    psrpc_drain(f);
    g_assert_false(results[0].is_done);

    psrpc_make_client(f, "EgressInternal");
    const ProtobufCBinaryData nothing = {0};
    g_autoptr(ProtobufCMessage) request = eg_psrpc_unpack(psrpc_start.request, &nothing);
    const EgPsrpcOptions options = {.timeout_ns = LONG_NS};
    eg_psrpc_client_call(f->client, &psrpc_start, &options, request, free_client, f);
    psrpc_call(f, &psrpc_start, NULL, "EG_x", LONG_NS, 0, &results[1]);
    psrpc_drain(f);
    g_assert_null(f->client);
    g_assert_false(results[1].is_done);
    eg_psrpc_client_free(NULL);
    eg_psrpc_handler_remove(peer.handler);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, func)                                                                            \
    g_test_add("/bus/psrpc-client/" path, PsrpcFixture, NULL, psrpc_set_up, func, psrpc_tear_down)
    ADD("call", test_call);
    ADD("kinds", test_kinds);
    ADD("bytes", test_bytes);
    ADD("subscribes-first", test_subscribes_first);
    ADD("no-bid", test_no_bid);
    ADD("first-bid", test_first_bid);
    ADD("lost-award", test_lost_award);
    ADD("late-answer", test_late_answer);
    ADD("repeat", test_repeat);
    ADD("error-codes", test_error_codes);
    ADD("responses", test_responses);
    ADD("garbage", test_garbage);
    ADD("disconnected", test_disconnected);
    ADD("lifetimes", test_lifetimes);
#undef ADD
    return g_test_run();
}
