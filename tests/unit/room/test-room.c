/* Who is there, what is subscribed to and received, and how it ends. */
#include "unit/room/room-fixture.h"

#include "base/error.h"
#include "base/time.h"

#include <string.h>

static void test_join(Fixture *fixture, gconstpointer data)
{
    (void)data;
    new_room(fixture, NULL);
    mock_livekit_accept(fixture->server);
    g_assert_cmpstr(mock_livekit_authorization(fixture->server), ==, "Bearer token0");
    Participant alice = {0};
    make_alice(&alice);
    alice.tracks[1].info.muted = true;
    Participant bob = {0};
    make_participant(&bob, "PA_bob", "bob")->kind = LIVEKIT__PARTICIPANT_INFO__KIND__AGENT;
    add_track(&bob, "TR_e2ee", LIVEKIT__TRACK_SOURCE__SCREEN_SHARE, "video/H264")->encryption =
        LIVEKIT__ENCRYPTION__TYPE__GCM;
    Participant self = {0};
    make_participant(&self, "PA_self", "EG_1");
    Livekit__ParticipantInfo *others[] = {&alice.info, &self.info, &bob.info};
    send_join(fixture, others, 3);
    expect(fixture, "+alice PA_alice kind=0");
    expect(fixture, "published TR_cam alice video source=1 codec=6");
    expect(fixture, "published TR_mic alice audio source=2 codec=1 muted");
    expect(fixture, "+bob PA_bob kind=4");
    expect(fixture, "published TR_e2ee bob video source=3 codec=8 encrypted kind=4");
    expect(fixture, "joined standup RM_1");

    mock_transport_candidate("candidate:9 1 udp 1 10.0.0.2 5000 typ host");
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRICKLE);
    g_assert_cmpint(request->trickle->target, ==, LIVEKIT__SIGNAL_TARGET__SUBSCRIBER);
    g_assert_nonnull(strstr(request->trickle->candidateinit,
                            "\"candidate\":\"candidate:9 1 udp 1 10.0.0.2 5000 typ host\""));
    livekit__signal_request__free_unpacked(request, NULL);

    g_clear_pointer(&fixture->room, eg_room_free);
    expect_leave(fixture);
    mock_livekit_wait_closed(fixture->server);
}

static void test_changes(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    Participant alice = {0};
    make_alice(&alice);
    alice.tracks[0].info.muted = true;
    send_update(fixture, &alice.info);
    expect(fixture, "muted TR_cam 1");
    send_update(fixture, &alice.info);

    /* An older update that was overtaken. */
    alice.tracks[0].info.muted = false;
    alice.info.version = 4;
    send_update(fixture, &alice.info);
    alice.info.version = 6;
    send_update(fixture, &alice.info);
    expect(fixture, "muted TR_cam 0");

    /* Published again, in another codec. */
    Participant again = {0};
    make_participant(&again, "PA_alice", "alice")->version = 7;
    add_track(&again, "TR_mic", LIVEKIT__TRACK_SOURCE__MICROPHONE, "audio/opus");
    add_track(&again, "TR_cam2", LIVEKIT__TRACK_SOURCE__CAMERA, "video/vp9");
    send_update(fixture, &again.info);
    expect(fixture, "unpublished TR_cam");
    expect(fixture, "published TR_cam2 alice video source=1 codec=7");

    again.info.state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
    again.info.disconnect_reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
    again.info.n_tracks = 1;
    again.info.version = 1;
    send_update(fixture, &again.info);
    for (int i = 0; i < 2; i++) {
        mock_run_until(fixture->loop, has_event, fixture);
        g_autofree char *event = g_queue_pop_head(&fixture->events);
        g_assert_true(strcmp(event, "unpublished TR_mic") == 0 ||
                      strcmp(event, "unpublished TR_cam2") == 0);
    }
    expect(fixture, "-alice PA_alice reason=1");
    send_update(fixture, &again.info);
    expect_silence(fixture);
}

/* The same identity joins from elsewhere: the server may be late with the old one's end. */
static void test_successor(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    Participant other = {0};
    send_update(fixture, make_participant(&other, "PA_alice2", "alice"));
    for (int i = 0; i < 2; i++) {
        mock_run_until(fixture->loop, has_event, fixture);
        g_autofree char *event = g_queue_pop_head(&fixture->events);
        g_assert_true(g_str_has_suffix(event, " lost"));
    }
    expect(fixture, "-alice PA_alice reason=2");
    expect(fixture, "+alice PA_alice2 kind=0");
}

static void test_subscribe(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    subscribe_to_alice(fixture);
    /* Changing one's mind within a turn of the loop is nobody's business. */
    eg_room_unsubscribe(fixture->room, "TR_mic");
    eg_room_subscribe(fixture->room, "TR_mic", (gpointer) "mic2");
    eg_room_unsubscribe(fixture->room, "TR_cam");
    expect_subscription(fixture, false, 1, "TR_cam");
    expect_silence(fixture);
    g_assert_cmpuint(mock_livekit_pending(fixture->server), ==, 0);

    EgReceiverStats stats;
    g_assert_false(eg_room_get_stats(fixture->room, "TR_mic", &stats));
    offer(fixture, 1, "srv", 1000, 2000);
    g_assert_cmpuint(mock_transport_receivers(), ==, 1);
    g_assert_nonnull(mock_receiver(2000));
    mock_receiver_packet(mock_receiver(2000), 111, 7);
    expect(fixture, "stream mic2 Opus/48000");
    expect(fixture, "packet mic2 7");
    g_assert_true(eg_room_get_stats(fixture->room, "TR_mic", &stats));
    g_assert_cmpuint(stats.packets, ==, 1);
}

static void test_streams(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    subscribe_to_alice(fixture);
    eg_room_set_wants_key_frame(fixture->room, "TR_cam", true);
    offer(fixture, 4, "srv", 1000, 2000);
    g_assert_cmpstr(mock_transport_remote_ufrag(), ==, "srv");
    g_assert_cmpuint(mock_transport_candidates()->len, ==, 1);
    g_assert_cmpuint(mock_transport_apt(97), ==, 96);

    EgReceiver *cam = mock_receiver(1000);
    const EgReceiverParams *params = mock_receiver_params(cam);
    g_assert_cmpuint(params->rtx_ssrc, ==, 1001);
    g_assert_cmpint(params->media, ==, EG_MEDIA_VIDEO);
    g_assert_cmpuint(params->clock_rate_hz, ==, 90000);
    g_assert_true(params->has_nack && params->has_pli);
    g_assert_cmpint(params->give_up_ns, ==, 123);
    g_assert_true(mock_receiver_wants_key_frame(cam));
    eg_room_set_wants_key_frame(fixture->room, "TR_cam", false);
    g_assert_false(mock_receiver_wants_key_frame(cam));

    /* A report that comes before the first packet waits for it. */
    mock_receiver_report(cam, 42);
    mock_receiver_packet(cam, 96, 1);
    mock_receiver_report(cam, 43);
    expect(fixture, "stream cam VP8/90000");
    expect(fixture, "report cam 42");
    expect(fixture, "packet cam 1");
    expect(fixture, "report cam 43");

    /* What was not accepted is not handed on; another codec is another stream. */
    mock_receiver_packet(cam, 35, 2);
    mock_receiver_packet(cam, 125, 3);
    expect(fixture, "stream cam ended");
    expect(fixture, "stream cam H264/90000");
    expect(fixture, "packet cam 3");

    /* Another SSRC, then none. */
    offer(fixture, 5, "srv", 3000, 2000);
    expect(fixture, "stream cam ended");
    g_assert_null(mock_receiver(1000));
    mock_receiver_packet(mock_receiver(3000), 96, 9);
    expect(fixture, "stream cam VP8/90000");
    expect(fixture, "packet cam 9");
    offer(fixture, 6, "srv", 0, 2000);
    expect(fixture, "stream cam ended");
    g_assert_cmpuint(mock_transport_receivers(), ==, 1);

    EgReceiverStats stats;
    g_assert_true(eg_room_get_stats(fixture->room, "TR_cam", &stats));
    g_assert_cmpuint(stats.packets, ==, 4);
}

static void test_candidates(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    static const struct {
        const char *init;
        Livekit__SignalTarget target;
        guint n_added;
    } cases[] = {
        {"{\"candidate\":\"candidate:1 1 udp 1 10.0.0.1 1 typ host\",\"sdpMid\":\"0\"}",
         LIVEKIT__SIGNAL_TARGET__SUBSCRIBER,                                                                                 1},
        {"{\"candidate\":\"candidate:2\"}",                                              LIVEKIT__SIGNAL_TARGET__PUBLISHER,  1},
        {"{\"candidate\":\"\"}",                                                         LIVEKIT__SIGNAL_TARGET__SUBSCRIBER, 1},
        {"{\"candidate\":[]}",                                                           LIVEKIT__SIGNAL_TARGET__SUBSCRIBER, 1},
        {"{\"candidate\":\"malformed\"}",                                                LIVEKIT__SIGNAL_TARGET__SUBSCRIBER, 1},
        {"not json",                                                                     LIVEKIT__SIGNAL_TARGET__SUBSCRIBER, 1},
        {"{\"candidate\":\"candidate:3\"}",                                              LIVEKIT__SIGNAL_TARGET__SUBSCRIBER, 2},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
        trickle.candidateinit = (char *)cases[i].init;
        trickle.target = cases[i].target;
        Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
        response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE;
        response.trickle = &trickle;
        mock_livekit_send(fixture->server, &response);
        /* What follows was handled after it. */
        offer(fixture, (guint32)i, "srv", 0, 0);
        /* Each offer brings one of its own. */
        g_assert_cmpuint(mock_transport_candidates()->len - (guint)i - 1, ==, cases[i].n_added);
    }
}

static void expect_failure(Fixture *fixture, const char *sid, EgErrorCode code, const char *text)
{
    eg_room_subscribe(fixture->room, sid, (gpointer)sid);
    g_assert_cmpstr(g_queue_peek_head(&fixture->events), ==, NULL);
    g_autofree char *event = g_strdup_printf("failed %s", sid);
    expect(fixture, event);
    g_assert_error(fixture->error, EG_ERROR, (int)code);
    g_assert_nonnull(strstr(fixture->error->message, text));
}

static void test_unsupported(Fixture *fixture, gconstpointer data)
{
    (void)data;
    join_with_alice(fixture);
    Participant bob = {0};
    make_participant(&bob, "PA_bob", "bob");
    add_track(&bob, "TR_av1", LIVEKIT__TRACK_SOURCE__CAMERA, "video/AV1");
    add_track(&bob, "TR_enc", LIVEKIT__TRACK_SOURCE__MICROPHONE, "audio/opus")->encryption =
        LIVEKIT__ENCRYPTION__TYPE__CUSTOM;
    add_track(&bob, "TR_data", LIVEKIT__TRACK_SOURCE__UNKNOWN, "")->type =
        LIVEKIT__TRACK_TYPE__DATA;
    /* With a second codec for those who do not take the first. */
    Livekit__TrackInfo *backup =
        add_track(&bob, "TR_two", LIVEKIT__TRACK_SOURCE__CAMERA, "video/H265");
    bob.tracks[3].backup.mime_type = (char *)"video/VP8";
    bob.tracks[3].codecs[0] = &bob.tracks[3].backup;
    backup->codecs = bob.tracks[3].codecs;
    backup->n_codecs = 1;
    send_update(fixture, &bob.info);
    expect(fixture, "+bob PA_bob kind=0");
    expect(fixture, "published TR_av1 bob video source=1 codec=0");
    expect(fixture, "published TR_enc bob audio source=2 codec=1 encrypted");
    expect(fixture, "published TR_data bob none source=0 codec=0");
    expect(fixture, "published TR_two bob video source=1 codec=6");

    expect_failure(fixture, "TR_av1", EG_ERROR_UNIMPLEMENTED, "video/AV1");
    expect_failure(fixture, "TR_enc", EG_ERROR_UNIMPLEMENTED, "encrypted");
    expect_failure(fixture, "TR_data", EG_ERROR_INVALID_ARGUMENT, "neither audio nor video");
    expect_failure(fixture, "TR_nobody", EG_ERROR_NOT_FOUND, "TR_nobody not found");
    eg_room_subscribe(fixture->room, "TR_two", (gpointer) "two");
    expect_subscription(fixture, true, 1, "TR_two");
}

static void test_refused_subscription(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const struct {
        Livekit__SubscriptionError err;
        EgErrorCode code;
        const char *text;
    } cases[] = {
        {LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED, EG_ERROR_UNIMPLEMENTED, "video/VP8"},
        {LIVEKIT__SUBSCRIPTION_ERROR__SE_TRACK_NOTFOUND,    EG_ERROR_NOT_FOUND,     "not found"},
        {LIVEKIT__SUBSCRIPTION_ERROR__SE_UNKNOWN,           EG_ERROR_INTERNAL,      "TR_cam"   },
    };
    join_with_alice(fixture);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        eg_room_subscribe(fixture->room, "TR_cam", (gpointer) "cam");
        expect_subscription(fixture, true, 1, "TR_cam");
        expect_settings(fixture, "TR_cam");
        send_refusal(fixture, "TR_cam", cases[i].err);
        send_refusal(fixture, "TR_cam", cases[i].err);
        expect(fixture, "failed cam");
        g_assert_error(fixture->error, EG_ERROR, (int)cases[i].code);
        g_assert_nonnull(strstr(fixture->error->message, cases[i].text));
        expect_subscription(fixture, false, 1, "TR_cam");
    }
    eg_room_subscribe(fixture->room, "TR_mic", (gpointer) "mic");
    expect_subscription(fixture, true, 1, "TR_mic");
    Livekit__SubscriptionPermissionUpdate update = LIVEKIT__SUBSCRIPTION_PERMISSION_UPDATE__INIT;
    update.track_sid = (char *)"TR_mic";
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_PERMISSION_UPDATE;
    response.subscription_permission_update = &update;
    mock_livekit_send(fixture->server, &response);
    expect(fixture, "failed mic");
    g_assert_error(fixture->error, EG_ERROR, EG_ERROR_PERMISSION_DENIED);
    expect_subscription(fixture, false, 1, "TR_mic");
}

/* What the server still sends of a track that has gone (its flush of black pictures and silence) is
 * nobody's. */
static void test_no_packet_after(Fixture *fixture, gconstpointer data)
{
    (void)data;
    receive_alice(fixture);
    Participant alice = {0};
    make_participant(&alice, "PA_alice", "alice")->version = 6;
    add_track(&alice, "TR_mic", LIVEKIT__TRACK_SOURCE__MICROPHONE, "audio/opus");
    send_update(fixture, &alice.info);
    expect(fixture, "stream cam ended");
    expect(fixture, "unpublished TR_cam");
    g_assert_true(fixture->has_stats);
    g_assert_cmpuint(fixture->stats.packets, ==, 1);
    g_assert_null(mock_receiver(1000));

    EgReceiver *mic = mock_receiver(2000);
    eg_room_unsubscribe(fixture->room, "TR_mic");
    mock_receiver_packet(mic, 111, 2);
    mock_receiver_report(mic, 1);
    expect_subscription(fixture, false, 1, "TR_mic");
    expect_silence(fixture);
    g_assert_cmpuint(mock_transport_receivers(), ==, 0);

    /* Asked for again, it waits for the server's next offer. */
    eg_room_subscribe(fixture->room, "TR_mic", (gpointer) "mic3");
    expect_subscription(fixture, true, 1, "TR_mic");
    g_assert_cmpuint(mock_transport_receivers(), ==, 0);
    offer(fixture, 2, "srv", 0, 5000);
    mock_receiver_packet(mock_receiver(5000), 111, 1);
    expect(fixture, "stream mic3 Opus/48000");
    expect(fixture, "packet mic3 1");
}

static void test_unexpected(Fixture *fixture, gconstpointer data)
{
    (void)data;
    new_room(fixture, &fixture_timing);
    mock_livekit_accept(fixture->server);
    send_sdp(fixture, "too early", 1);
    send_reconnect(fixture);
    mock_livekit_send_raw(fixture->server, "\xff", 1);
    mock_livekit_send_raw(fixture->server, "", 0);
    send_join(fixture, NULL, 0);
    expect(fixture, "joined standup RM_1");
    send_join(fixture, NULL, 0);
    send_reconnect(fixture);
    offer(fixture, 1, "srv", 0, 0);
    expect_silence(fixture);
}

/* In whichever callback: nothing comes after it, and the server is told. */
static void test_free_in_callback(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const char *const stops[] = {"+alice PA_alice kind=0",
                                        "published TR_cam alice video source=1 codec=6",
                                        "joined standup RM_1"};
    for (gsize i = 0; i < G_N_ELEMENTS(stops); i++) {
        fixture->free_at = stops[i];
        new_room(fixture, &fixture_timing);
        mock_livekit_accept(fixture->server);
        Participant alice = {0};
        make_alice(&alice);
        alice.info.n_tracks = 1;
        Livekit__ParticipantInfo *others[] = {&alice.info};
        send_join(fixture, others, 1);
        for (gsize j = 0; j <= i; j++)
            expect(fixture, stops[j]);
        g_assert_null(fixture->room);
        expect_leave(fixture);
        mock_livekit_wait_closed(fixture->server);
        expect_silence(fixture);
        g_assert_null(mock_transport());
    }
    fixture->free_at = "packet cam 2";
    receive_alice(fixture);
    mock_receiver_packet(mock_receiver(1000), 96, 2);
    mock_receiver_packet(mock_receiver(1000), 96, 3);
    expect(fixture, "packet cam 2");
    expect_leave(fixture);
    fixture->free_at = "ended 3";
    mock_livekit_refuse(fixture->server, 401, "no");
    new_room(fixture, &fixture_timing);
    expect(fixture, "ended 3");
}

static void test_free_early(Fixture *fixture, gconstpointer data)
{
    (void)data;
    new_room(fixture, &fixture_timing);
    g_clear_pointer(&fixture->room, eg_room_free);
    new_room(fixture, &fixture_timing);
    mock_livekit_accept(fixture->server);
    g_clear_pointer(&fixture->room, eg_room_free);
    expect_silence(fixture);
    g_assert_cmpuint(mock_livekit_pending(fixture->server), ==, 0);
}

#define ADD(name, function)                                                                        \
    g_test_add("/room/room/" name, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("join", test_join);
    ADD("changes", test_changes);
    ADD("successor", test_successor);
    ADD("subscribe", test_subscribe);
    ADD("streams", test_streams);
    ADD("candidates", test_candidates);
    ADD("unsupported", test_unsupported);
    ADD("refused-subscription", test_refused_subscription);
    ADD("no-packet-after", test_no_packet_after);
    ADD("unexpected", test_unexpected);
    ADD("free-in-callback", test_free_in_callback);
    ADD("free-early", test_free_early);
    return g_test_run();
}
