/* Joining, resuming, reconnecting and giving up. */
#include "unit/room/room-fixture.h"

#include "base/error.h"
#include "base/time.h"

#include <string.h>

static void test_resume(Fixture *fixture, gconstpointer data)
{
    (void)data;
    receive_alice(fixture);
    send_token(fixture, "token1");
    offer(fixture, 2, "srv", 1000, 2000);
    mock_livekit_cut(fixture->server);
    expect(fixture, "reconnecting");
    /* Media goes on meanwhile. */
    mock_receiver_packet(mock_receiver(1000), 96, 2);
    expect(fixture, "packet cam 2");
    /* Not yet told to the server: */
    eg_room_unsubscribe(fixture->room, "TR_mic");

    mock_livekit_accept(fixture->server);
    g_assert_cmpstr(mock_livekit_query(fixture->server, "reconnect"), ==, "1");
    g_assert_cmpstr(mock_livekit_query(fixture->server, "sid"), ==, "PA_self");
    g_assert_cmpstr(mock_livekit_authorization(fixture->server), ==, "Bearer token1");
    send_reconnect(fixture);
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE);
    g_assert_true(request->sync_state->subscription->subscribe);
    g_assert_cmpuint(request->sync_state->subscription->n_track_sids, ==, 1);
    g_assert_cmpstr(request->sync_state->subscription->track_sids[0], ==, "TR_cam");
    g_assert_cmpstr(request->sync_state->offer->type, ==, "offer");
    g_assert_nonnull(strstr(request->sync_state->offer->sdp, "a=ssrc:1000"));
    g_assert_cmpstr(request->sync_state->answer->type, ==, "answer");
    g_assert_nonnull(strstr(request->sync_state->answer->sdp, "a=setup:active"));
    livekit__signal_request__free_unpacked(request, NULL);
    expect(fixture, "reconnected");
    expect_subscription(fixture, false, 1, "TR_mic");

    /* The server restarts ICE; the transport stays. */
    const guint n_transports = mock_transport_count();
    offer(fixture, 3, "srv2", 1000, 0);
    g_assert_cmpstr(mock_transport_remote_ufrag(), ==, "srv2");
    g_assert_cmpuint(mock_transport_count(), ==, n_transports);
    mock_receiver_packet(mock_receiver(1000), 96, 3);
    expect(fixture, "packet cam 3");
}

/* Who left while we were away is not in the list that follows a resume. */
static void test_resume_finds_changes(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    mock_transport_connect();
    mock_livekit_cut(fixture->server);
    expect(fixture, "reconnecting");
    mock_livekit_accept(fixture->server);
    send_reconnect(fixture);
    expect(fixture, "reconnected");
    livekit__signal_request__free_unpacked(
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE), NULL);
    Participant bob = {0};
    send_update(fixture, make_participant(&bob, "PA_bob", "bob"));
    expect(fixture, "+bob PA_bob kind=0");
    expect_silence(fixture);
    send_room_update(fixture);
    for (int i = 0; i < 2; i++) {
        mock_run_until(fixture->loop, has_event, fixture);
        g_autofree char *event = g_queue_pop_head(&fixture->events);
        g_assert_true(g_str_has_suffix(event, " lost"));
    }
    expect(fixture, "-alice PA_alice reason=0");
    /* Any later one means nothing. */
    send_room_update(fixture);
    offer(fixture, 1, "srv", 0, 0);
    expect_silence(fixture);
}

static void test_resume_refused(Fixture *fixture, gconstpointer data)
{
    (void)data;
    receive_alice(fixture);
    mock_livekit_cut(fixture->server);
    expect(fixture, "reconnecting");
    mock_livekit_accept(fixture->server);
    /* "I do not know you" */
    send_leave(fixture, LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH,
               LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    for (int i = 0; i < 2; i++) {
        mock_run_until(fixture->loop, has_event, fixture);
        g_autofree char *event = g_queue_pop_head(&fixture->events);
        g_assert_true(g_str_has_suffix(event, " ended"));
    }
    mock_livekit_accept(fixture->server);
    g_assert_null(mock_livekit_query(fixture->server, "reconnect"));
}

/* The server has restarted and knows nobody: alice is back with another sid, her camera too. */
static void test_full_reconnect(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    eg_room_subscribe(fixture->room, "TR_cam", (gpointer) "cam");
    expect_subscription(fixture, true, 1, "TR_cam");
    expect_settings(fixture, "TR_cam");
    mock_transport_connect();
    const guint n_transports = mock_transport_count();
    send_leave(fixture, LIVEKIT__DISCONNECT_REASON__SERVER_SHUTDOWN,
               LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    expect(fixture, "reconnecting");
    g_assert_null(mock_transport());

    mock_livekit_accept(fixture->server);
    Participant alice = {0};
    make_participant(&alice, "PA_alice9", "alice")->version = 1;
    add_track(&alice, "TR_cam9", LIVEKIT__TRACK_SOURCE__CAMERA, "video/VP8");
    Livekit__ParticipantInfo *others[] = {&alice.info};
    send_join(fixture, others, 1);
    for (int i = 0; i < 2; i++) {
        mock_run_until(fixture->loop, has_event, fixture);
        g_autofree char *event = g_queue_pop_head(&fixture->events);
        g_assert_true(g_str_has_suffix(event, " lost"));
    }
    expect(fixture, "-alice PA_alice reason=2");
    expect(fixture, "+alice PA_alice9 kind=0");
    expect(fixture, "published TR_cam9 alice video source=1 codec=6");
    g_assert_cmpuint(mock_transport_count(), ==, n_transports + 1);
    expect_silence(fixture);
    mock_transport_connect();
    expect(fixture, "reconnected");
}

/* The server wants a new session, but the room is the same. */
static void test_full_reconnect_same_room(Fixture *fixture, gconstpointer data)
{
    (void)data;
    receive_alice(fixture);
    send_leave(fixture, LIVEKIT__DISCONNECT_REASON__MIGRATION,
               LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT);
    for (int i = 0; i < 2; i++) {
        mock_run_until(fixture->loop, has_event, fixture);
        g_autofree char *event = g_queue_pop_head(&fixture->events);
        g_assert_true(g_str_has_suffix(event, " ended"));
    }
    expect(fixture, "reconnecting");
    mock_livekit_accept(fixture->server);
    Participant alice = {0};
    make_alice(&alice);
    alice.info.version = 1;
    Livekit__ParticipantInfo *others[] = {&alice.info};
    send_join(fixture, others, 1);
    expect_subscription(fixture, true, 2, "TR_mic");
    expect_settings(fixture, "TR_cam");
    expect_silence(fixture);
    offer(fixture, 1, "other", 1000, 2000);
    mock_transport_connect();
    expect(fixture, "reconnected");
    mock_receiver_packet(mock_receiver(1000), 96, 1);
    expect(fixture, "stream cam VP8/90000");
    expect(fixture, "packet cam 1");
    EgReceiverStats stats;
    g_assert_true(eg_room_get_stats(fixture->room, "TR_cam", &stats));
    g_assert_cmpuint(stats.packets, ==, 2);
}

static void test_leave(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        Livekit__DisconnectReason reason;
        Livekit__LeaveRequest__Action action;
        const char *event;
    } cases[] = {
        {LIVEKIT__DISCONNECT_REASON__ROOM_DELETED,        LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT,
         "ended 1"                                                                                             },
        {LIVEKIT__DISCONNECT_REASON__ROOM_CLOSED,         LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT,
         "ended 1"                                                                                             },
        {LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED,
         LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT,                                                  "ended 1"},
        {LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY,  LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT,
         "ended 2"                                                                                             },
        {LIVEKIT__DISCONNECT_REASON__UNKNOWN_REASON,      LIVEKIT__LEAVE_REQUEST__ACTION__RESUME,
         "reconnecting"                                                                                        },
        {LIVEKIT__DISCONNECT_REASON__CONNECTION_TIMEOUT,  LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT,
         "reconnecting"                                                                                        },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        join_with_alice(fixture);
        send_leave(fixture, cases[i].reason, cases[i].action);
        expect(fixture, cases[i].event);
        g_assert_null(fixture->error);
        g_clear_pointer(&fixture->room, eg_room_free);
    }
}

static void test_media_lost(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    mock_transport_connect();
    mock_transport_disconnect();
    expect(fixture, "reconnecting");
    mock_livekit_accept(fixture->server);
    g_assert_cmpstr(mock_livekit_query(fixture->server, "reconnect"), ==, "1");
    send_reconnect(fixture);
    livekit__signal_request__free_unpacked(
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE), NULL);
    expect_silence(fixture);
    mock_transport_connect();
    expect(fixture, "reconnected");
}

static void test_media_failed(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    const guint n_transports = mock_transport_count();
    mock_transport_fail("wrong fingerprint");
    expect(fixture, "reconnecting");
    mock_livekit_accept(fixture->server);
    g_assert_null(mock_livekit_query(fixture->server, "reconnect"));
    Participant alice = {0};
    make_alice(&alice);
    Livekit__ParticipantInfo *others[] = {&alice.info};
    send_join(fixture, others, 1);
    offer(fixture, 1, "srv", 0, 0);
    g_assert_cmpuint(mock_transport_count(), ==, n_transports + 1);
}

/* The server hangs up on media, and says why a moment later. */
static void test_late_reason(Fixture *fixture, gconstpointer data)
{
    (void)data;
    EgRoomTiming patient = fixture_timing;
    patient.reason_ns = 5 * EG_NS_PER_S;
    new_room(fixture, &patient);
    mock_livekit_accept(fixture->server);
    send_join(fixture, NULL, 0);
    expect(fixture, "joined standup RM_1");
    mock_transport_connect();
    mock_transport_fail("the peer has closed the connection");
    send_leave(fixture, LIVEKIT__DISCONNECT_REASON__ROOM_DELETED,
               LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT);
    expect(fixture, "ended 1");
}

/* Neither the resume nor the new session brings media back. */
static void test_media_never_back(Fixture *fixture, gconstpointer data)
{
    (void)data;
    EgRoomTiming hasty = fixture_timing;
    hasty.media_ns = 1 * EG_NS_PER_MS;
    hasty.give_up_ns = 0;
    new_room(fixture, &hasty);
    mock_livekit_accept(fixture->server);
    send_join(fixture, NULL, 0);
    expect(fixture, "joined standup RM_1");
    expect(fixture, "reconnecting");
    mock_livekit_accept(fixture->server);
    send_join(fixture, NULL, 0);
    expect(fixture, "ended 3");
    g_assert_nonnull(
        strstr(fixture->error->message, "connection to room failed: no media connection"));
}

static void test_offer_not_usable(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const char *const offers[] = {
        "", "not sdp", OFFER_HEAD,
        OFFER_HEAD
        "m=application 9 UDP/DTLS/SCTP x\r\na=mid:0\r\na=ice-ufrag:bad\r\na=ice-pwd:p\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(offers); i++) {
        join_with_alice(fixture);
        send_sdp(fixture, offers[i], 1);
        expect(fixture, "reconnecting");
        g_clear_pointer(&fixture->room, eg_room_free);
    }
}

static void test_join_refused(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        guint status;
        const char *body;
        guint n_requests;
        EgErrorCode code;
    } cases[] = {
        {401, "invalid API key: k",            1, EG_ERROR_UNAUTHENTICATED },
        {404, "requested room does not exist", 1, EG_ERROR_NOT_FOUND       },
        {404, "404 page not found",            1, EG_ERROR_INVALID_ARGUMENT},
        {503, "no node",                       3, EG_ERROR_UNAVAILABLE     },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const guint before = mock_livekit_requests(fixture->server);
        mock_livekit_refuse(fixture->server, cases[i].status, cases[i].body);
        new_room(fixture, &fixture_timing);
        expect(fixture, "ended 3");
        g_assert_error(fixture->error, EG_ERROR, (int)cases[i].code);
        g_assert_null(strstr(fixture->error->message, "connection to room failed"));
        g_assert_cmpuint(mock_livekit_requests(fixture->server) - before, ==, cases[i].n_requests);
        g_clear_pointer(&fixture->room, eg_room_free);
    }
}

static void test_server_gone(Fixture *fixture, gconstpointer data)
{
    (void)data;
    EgRoomTiming hasty = fixture_timing;
    hasty.give_up_ns = 20 * EG_NS_PER_MS;
    new_room(fixture, &hasty);
    mock_livekit_accept(fixture->server);
    send_join(fixture, NULL, 0);
    expect(fixture, "joined standup RM_1");
    mock_livekit_cut(fixture->server);
    mock_livekit_stop_listening(fixture->server);
    expect(fixture, "reconnecting");
    expect(fixture, "ended 3");
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_true(g_str_has_prefix(fixture->error->message,
                                   "connection to room failed: cannot reach ws://127.0.0.1:"));
}

static void test_rejoin_refused(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        guint status;
        const char *body;
        const char *event;
    } cases[] = {
        {404, "requested room does not exist",       "ended 1"},
        {401, "invalid token, error: it is expired", "ended 3"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        mock_livekit_refuse(fixture->server, 0, "");
        join_with_alice(fixture);
        mock_livekit_refuse(fixture->server, cases[i].status, cases[i].body);
        mock_livekit_cut(fixture->server);
        expect(fixture, "reconnecting");
        expect(fixture, cases[i].event);
        g_clear_pointer(&fixture->room, eg_room_free);
    }
}

static void test_transport_not_made(Fixture *fixture, gconstpointer data)
{
    (void)data;
    new_room(fixture, &fixture_timing);
    mock_livekit_accept(fixture->server);
    mock_transport_fail_next();
    send_join(fixture, NULL, 0);
    expect(fixture, "ended 3");
    g_assert_cmpstr(fixture->error->message, ==, "no transport today");
}

static void test_moved(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    Livekit__Room room = LIVEKIT__ROOM__INIT;
    room.name = (char *)"lounge";
    Participant self = {0};
    Participant bob = {0};
    Livekit__ParticipantInfo *others[] = {make_participant(&bob, "PA_bob", "bob")};
    Livekit__RoomMovedResponse moved = LIVEKIT__ROOM_MOVED_RESPONSE__INIT;
    moved.room = &room;
    moved.token = (char *)"token2";
    moved.participant = make_participant(&self, "PA_self2", "EG_1");
    moved.other_participants = others;
    moved.n_other_participants = 1;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_MOVED;
    response.room_moved = &moved;
    mock_livekit_send(fixture->server, &response);
    expect(fixture, "+bob PA_bob kind=0");
    for (int i = 0; i < 2; i++) {
        mock_run_until(fixture->loop, has_event, fixture);
        g_autofree char *event = g_queue_pop_head(&fixture->events);
        g_assert_true(g_str_has_prefix(event, "unpublished TR_"));
    }
    expect(fixture, "-alice PA_alice reason=0");
    mock_transport_connect();
    mock_livekit_cut(fixture->server);
    expect(fixture, "reconnecting");
    mock_livekit_accept(fixture->server);
    g_assert_cmpstr(mock_livekit_authorization(fixture->server), ==, "Bearer token2");
    g_assert_cmpstr(mock_livekit_query(fixture->server, "sid"), ==, "PA_self2");
}

#define ADD(name, function)                                                                        \
    g_test_add("/room/room-connect/" name, Fixture, NULL, fixture_set_up, function,                \
               fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("resume", test_resume);
    ADD("resume-finds-changes", test_resume_finds_changes);
    ADD("resume-refused", test_resume_refused);
    ADD("full-reconnect", test_full_reconnect);
    ADD("full-reconnect-same-room", test_full_reconnect_same_room);
    ADD("leave", test_leave);
    ADD("media-lost", test_media_lost);
    ADD("media-failed", test_media_failed);
    ADD("late-reason", test_late_reason);
    ADD("media-never-back", test_media_never_back);
    ADD("offer-not-usable", test_offer_not_usable);
    ADD("join-refused", test_join_refused);
    ADD("server-gone", test_server_gone);
    ADD("rejoin-refused", test_rejoin_refused);
    ADD("transport-not-made", test_transport_not_made);
    ADD("moved", test_moved);
    return g_test_run();
}
