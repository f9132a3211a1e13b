#include "base/error.h"
#include "base/time.h"
#include "mock/mock-livekit.h"
#include "mock/mock-transport.h"
#include "room/room.h"

#include <string.h>

/* The room against a server that says what the test wants it to say, and a transport that does what
 * the test tells it. Every event becomes a line of text, in order. */

typedef struct {
    EgLoop *loop;
    MockLivekit *server;
    EgRoom *room;
    GQueue events; /* of char * */
    EgReceiverStats stats;
    bool has_stats;
    const char *free_at; /* the event in which the room is freed */
    GError *error;       /* of the last event that had one */
} Fixture;

/* Short, since the tests that need them wait for them. */
static const EgRoomTiming timing = {
    .connect_ns = 5 * EG_NS_PER_S,
    .media_ns = 5 * EG_NS_PER_S,
    .lost_ns = 1 * EG_NS_PER_MS,
    .reason_ns = 1 * EG_NS_PER_MS,
    .first_backoff_ns = 1 * EG_NS_PER_MS,
    .max_backoff_ns = 4 * EG_NS_PER_MS,
    .give_up_ns = 5 * EG_NS_PER_S,
};

static void add_event(Fixture *fixture, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add_event(Fixture *fixture, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *event = g_strdup_vprintf(format, args);
    va_end(args);
    g_queue_push_tail(&fixture->events, event);
    if (fixture->free_at != NULL && strcmp(event, fixture->free_at) == 0)
        g_clear_pointer(&fixture->room, eg_room_free);
}

static void keep_error(Fixture *fixture, const GError *error)
{
    g_clear_error(&fixture->error);
    fixture->error = error != NULL ? g_error_copy(error) : NULL;
}

static void on_joined(gpointer user, const char *room_name, const char *room_sid)
{
    add_event(user, "joined %s %s", room_name, room_sid);
}

static void on_participant_joined(gpointer user, const EgParticipant *participant)
{
    add_event(user, "+%s %s kind=%u", participant->identity, participant->sid, participant->kind);
}

static void on_participant_left(gpointer user, const EgParticipant *participant)
{
    add_event(user, "-%s %s reason=%u", participant->identity, participant->sid,
              participant->disconnect_reason);
}

static void on_published(gpointer user, const EgPublication *publication)
{
    add_event(user, "published %s %s %s source=%d codec=%d%s%s", publication->sid,
              publication->identity, eg_media_name(publication->media), (int)publication->source,
              (int)publication->codec, publication->is_muted ? " muted" : "",
              publication->is_encrypted ? " encrypted" : "");
}

static void on_unpublished(gpointer user, const EgPublication *publication)
{
    Fixture *fixture = user;
    fixture->has_stats = eg_room_get_stats(fixture->room, publication->sid, &fixture->stats);
    add_event(user, "unpublished %s%s", publication->sid, publication->is_lost ? " lost" : "");
}

static void on_muted(gpointer user, const EgPublication *publication)
{
    add_event(user, "muted %s %d", publication->sid, publication->is_muted);
}

static void on_stream_started(gpointer user, gpointer track, EgCodec codec, guint clock_rate_hz)
{
    add_event(user, "stream %s %s/%u", (char *)track, eg_codec_info(codec)->name, clock_rate_hz);
}

static void on_packet(gpointer user, gpointer track, EgPacket *packet)
{
    add_event(user, "packet %s %u", (char *)track, (guint)packet->sequence);
}

static void on_sender_report(gpointer user, gpointer track, const EgSenderReport *report)
{
    add_event(user, "report %s %d", (char *)track, (int)report->ntp_ns);
}

static void on_stream_ended(gpointer user, gpointer track)
{
    add_event(user, "stream %s ended", (char *)track);
}

static void on_subscription_failed(gpointer user, gpointer track, const GError *error)
{
    keep_error(user, error);
    add_event(user, "failed %s", (char *)track);
}

static void on_reconnecting(gpointer user)
{
    add_event(user, "reconnecting");
}

static void on_reconnected(gpointer user)
{
    add_event(user, "reconnected");
}

static void on_ended(gpointer user, EgRoomEnd end, const GError *error)
{
    keep_error(user, error);
    add_event(user, "ended %d", (int)end);
}

static const EgRoomEvents events = {
    .joined = on_joined,
    .participant_joined = on_participant_joined,
    .participant_left = on_participant_left,
    .published = on_published,
    .unpublished = on_unpublished,
    .muted = on_muted,
    .stream_started = on_stream_started,
    .packet = on_packet,
    .sender_report = on_sender_report,
    .stream_ended = on_stream_ended,
    .subscription_failed = on_subscription_failed,
    .reconnecting = on_reconnecting,
    .reconnected = on_reconnected,
    .ended = on_ended,
};

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->loop = eg_loop_new();
    fixture->server = mock_livekit_new(fixture->loop);
    g_queue_init(&fixture->events);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    eg_room_free(fixture->room);
    mock_livekit_free(fixture->server);
    while (eg_loop_iterate(fixture->loop, false))
        ;
    g_assert_null(mock_transport());
    /* Every event was expected. */
    g_assert_cmpstr(g_queue_peek_head(&fixture->events), ==, NULL);
    eg_loop_free(fixture->loop);
    g_clear_error(&fixture->error);
}

static void new_room(Fixture *fixture, const EgRoomTiming *patience)
{
    const EgRoomParams params = {.url = mock_livekit_url(fixture->server),
                                 .token = "token0",
                                 .give_up_ns = 123,
                                 .timing = patience};
    fixture->room = eg_room_new(fixture->loop, NULL, &params, &events, fixture);
}

static bool has_event(gpointer user)
{
    return !g_queue_is_empty(&((Fixture *)user)->events);
}

static void expect(Fixture *fixture, const char *event)
{
    mock_run_until(fixture->loop, has_event, fixture);
    g_autofree char *next = g_queue_pop_head(&fixture->events);
    g_assert_cmpstr(next, ==, event);
}

/* Lets everything happen that is to happen without anybody's doing, and sees that it is nothing. */
static void expect_silence(Fixture *fixture)
{
    while (eg_loop_iterate(fixture->loop, false))
        ;
    g_assert_cmpstr(g_queue_peek_head(&fixture->events), ==, NULL);
}

/* What the server says: */

typedef struct {
    Livekit__TrackInfo info;
    Livekit__SimulcastCodecInfo backup;
    Livekit__SimulcastCodecInfo *codecs[1];
} Track;

static void make_track(Track *track, const char *sid, Livekit__TrackSource source, const char *mime)
{
    livekit__track_info__init(&track->info);
    livekit__simulcast_codec_info__init(&track->backup);
    track->info.sid = (char *)sid;
    track->info.type =
        g_str_has_prefix(mime, "video/") ? LIVEKIT__TRACK_TYPE__VIDEO : LIVEKIT__TRACK_TYPE__AUDIO;
    track->info.source = source;
    track->info.mime_type = (char *)mime;
}

typedef struct {
    Livekit__ParticipantInfo info;
    Track tracks[4];
    Livekit__TrackInfo *list[4];
} Participant;

static Livekit__ParticipantInfo *make_participant(Participant *participant, const char *sid,
                                                  const char *identity)
{
    livekit__participant_info__init(&participant->info);
    participant->info.sid = (char *)sid;
    participant->info.identity = (char *)identity;
    participant->info.state = LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE;
    participant->info.tracks = participant->list;
    return &participant->info;
}

static Livekit__TrackInfo *add_track(Participant *participant, const char *sid,
                                     Livekit__TrackSource source, const char *mime)
{
    Track *track = &participant->tracks[participant->info.n_tracks];
    make_track(track, sid, source, mime);
    participant->list[participant->info.n_tracks++] = &track->info;
    return &track->info;
}

static void make_alice(Participant *alice)
{
    make_participant(alice, "PA_alice", "alice");
    alice->info.version = 5;
    add_track(alice, "TR_cam", LIVEKIT__TRACK_SOURCE__CAMERA, "video/VP8");
    add_track(alice, "TR_mic", LIVEKIT__TRACK_SOURCE__MICROPHONE, "audio/opus");
}

static void send_join(Fixture *fixture, Livekit__ParticipantInfo **others, gsize n_others)
{
    Livekit__Room room = LIVEKIT__ROOM__INIT;
    room.name = (char *)"standup";
    room.sid = (char *)"RM_1";
    Livekit__ParticipantInfo self = LIVEKIT__PARTICIPANT_INFO__INIT;
    self.sid = (char *)"PA_self";
    self.identity = (char *)"EG_1";
    char *urls[] = {(char *)"stun:stun.example:3478"};
    Livekit__ICEServer ice = LIVEKIT__ICESERVER__INIT;
    ice.urls = urls;
    ice.n_urls = 1;
    Livekit__ICEServer *ices[] = {&ice};
    Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
    join.room = &room;
    join.participant = &self;
    join.other_participants = others;
    join.n_other_participants = n_others;
    join.ice_servers = ices;
    join.n_ice_servers = 1;
    join.ping_interval = 5;
    join.ping_timeout = 15;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN;
    response.join = &join;
    mock_livekit_send(fixture->server, &response);
}

static void send_update(Fixture *fixture, Livekit__ParticipantInfo *info)
{
    Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
    update.participants = &info;
    update.n_participants = info != NULL ? 1 : 0;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE;
    response.update = &update;
    mock_livekit_send(fixture->server, &response);
}

static void send_leave(Fixture *fixture, Livekit__DisconnectReason reason,
                       Livekit__LeaveRequest__Action action)
{
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    leave.reason = reason;
    leave.action = action;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE;
    response.leave = &leave;
    mock_livekit_send(fixture->server, &response);
}

static void send_refusal(Fixture *fixture, const char *sid, Livekit__SubscriptionError err)
{
    Livekit__SubscriptionResponse refusal = LIVEKIT__SUBSCRIPTION_RESPONSE__INIT;
    refusal.track_sid = (char *)sid;
    refusal.err = err;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_RESPONSE;
    response.subscription_response = &refusal;
    mock_livekit_send(fixture->server, &response);
}

static void send_token(Fixture *fixture, const char *token)
{
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
    response.refresh_token = (char *)token;
    mock_livekit_send(fixture->server, &response);
}

static void send_room_update(Fixture *fixture)
{
    Livekit__RoomUpdate update = LIVEKIT__ROOM_UPDATE__INIT;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE;
    response.room_update = &update;
    mock_livekit_send(fixture->server, &response);
}

static void send_reconnect(Fixture *fixture)
{
    Livekit__ReconnectResponse reconnect = LIVEKIT__RECONNECT_RESPONSE__INIT;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT;
    response.reconnect = &reconnect;
    mock_livekit_send(fixture->server, &response);
}

#define OFFER_HEAD                                                                                 \
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 11:22\r\n"
#define OFFER_DATA                                                                                 \
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=ice-ufrag:%s\r\n"            \
    "a=ice-pwd:server\r\na=candidate:1 1 udp 1 10.0.0.1 7882 typ host\r\n"
#define OFFER_VIDEO                                                                                \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 125 35\r\na=mid:1\r\na=%s\r\na=rtpmap:96 VP8/90000\r\n"     \
    "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"  \
    "a=rtpmap:125 H264/90000\r\na=rtpmap:35 AV1/90000\r\n%s"
#define OFFER_AUDIO                                                                                \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:2\r\na=%s\r\na=rtpmap:111 opus/48000/2\r\n%s"

static void send_sdp(Fixture *fixture, const char *sdp, guint32 id)
{
    Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
    offer.type = (char *)"offer";
    offer.sdp = (char *)sdp;
    offer.id = id;
    /* The video track is named here, the sound track in the SDP, as older servers do. */
    Livekit__SessionDescription__MidToTrackIdEntry entry =
        LIVEKIT__SESSION_DESCRIPTION__MID_TO_TRACK_ID_ENTRY__INIT;
    entry.key = (char *)"1";
    entry.value = (char *)"TR_cam";
    Livekit__SessionDescription__MidToTrackIdEntry *entries[] = {&entry};
    offer.mid_to_track_id = entries;
    offer.n_mid_to_track_id = 1;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER;
    response.offer = &offer;
    mock_livekit_send(fixture->server, &response);
}

static void expect_answer(Fixture *fixture, guint32 id)
{
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_ANSWER);
    g_assert_cmpstr(request->answer->type, ==, "answer");
    g_assert_cmpuint(request->answer->id, ==, id);
    g_assert_true(g_str_has_prefix(request->answer->sdp, "v=0\r\n"));
    livekit__signal_request__free_unpacked(request, NULL);
}

/* An offer with the camera's SSRC (0: inactive) and the microphone's, answered. */
static void offer(Fixture *fixture, guint32 id, const char *ufrag, guint32 video, guint32 audio)
{
    g_autofree char *video_lines =
        g_strdup_printf("a=ssrc-group:FID %u %u\r\na=ssrc:%u cname:x\r\n", video, video + 1, video);
    g_autofree char *audio_lines =
        g_strdup_printf("a=msid:PA_alice|TR_mic TR_mic\r\na=ssrc:%u cname:x\r\n", audio);
    g_autofree char *sdp =
        g_strdup_printf(OFFER_HEAD OFFER_DATA OFFER_VIDEO OFFER_AUDIO, ufrag,
                        video != 0 ? "sendrecv" : "recvonly", video != 0 ? video_lines : "",
                        audio != 0 ? "sendonly" : "inactive", audio != 0 ? audio_lines : "");
    send_sdp(fixture, sdp, id);
    expect_answer(fixture, id);
}

static void join_with_alice(Fixture *fixture)
{
    new_room(fixture, &timing);
    mock_livekit_accept(fixture->server);
    Participant alice = {0};
    make_alice(&alice);
    Livekit__ParticipantInfo *others[] = {&alice.info};
    send_join(fixture, others, 1);
    expect(fixture, "+alice PA_alice kind=0");
    expect(fixture, "published TR_cam alice video source=1 codec=6");
    expect(fixture, "published TR_mic alice audio source=2 codec=1");
    expect(fixture, "joined standup RM_1");
}

static void expect_subscription(Fixture *fixture, bool subscribe, guint n, const char *contained)
{
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION);
    g_assert_cmpint(request->subscription->subscribe, ==, subscribe);
    g_assert_cmpuint(request->subscription->n_track_sids, ==, n);
    bool is_contained = false;
    for (guint i = 0; i < n; i++)
        is_contained |= strcmp(request->subscription->track_sids[i], contained) == 0;
    g_assert_true(is_contained);
    livekit__signal_request__free_unpacked(request, NULL);
}

static void expect_settings(Fixture *fixture, const char *sid)
{
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING);
    g_assert_cmpuint(request->track_setting->n_track_sids, ==, 1);
    g_assert_cmpstr(request->track_setting->track_sids[0], ==, sid);
    g_assert_cmpint(request->track_setting->quality, ==, LIVEKIT__VIDEO_QUALITY__HIGH);
    livekit__signal_request__free_unpacked(request, NULL);
}

static void subscribe_to_alice(Fixture *fixture)
{
    eg_room_subscribe(fixture->room, "TR_cam", (gpointer) "cam");
    eg_room_subscribe(fixture->room, "TR_mic", (gpointer) "mic");
    expect_subscription(fixture, true, 2, "TR_cam");
    expect_settings(fixture, "TR_cam");
}

/* Up and running: both tracks are being received. */
static void receive_alice(Fixture *fixture)
{
    join_with_alice(fixture);
    subscribe_to_alice(fixture);
    offer(fixture, 1, "srv", 1000, 2000);
    mock_transport_connect();
    mock_receiver_packet(mock_receiver(1000), 96, 1);
    mock_receiver_packet(mock_receiver(2000), 111, 1);
    expect(fixture, "stream cam VP8/90000");
    expect(fixture, "packet cam 1");
    expect(fixture, "stream mic Opus/48000");
    expect(fixture, "packet mic 1");
}

static void expect_leave(Fixture *fixture)
{
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE);
    g_assert_cmpint(request->leave->reason, ==, LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED);
    livekit__signal_request__free_unpacked(request, NULL);
}

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
    expect(fixture, "published TR_e2ee bob video source=3 codec=8 encrypted");
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
    EgRoomTiming patient = timing;
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
    EgRoomTiming hasty = timing;
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
        new_room(fixture, &timing);
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
    EgRoomTiming hasty = timing;
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
    new_room(fixture, &timing);
    mock_livekit_accept(fixture->server);
    mock_transport_fail_next();
    send_join(fixture, NULL, 0);
    expect(fixture, "ended 3");
    g_assert_cmpstr(fixture->error->message, ==, "no transport today");
}

static void test_unexpected(Fixture *fixture, gconstpointer data)
{
    (void)data;
    new_room(fixture, &timing);
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

/* In whichever callback: nothing comes after it, and the server is told. */
static void test_free_in_callback(Fixture *fixture, gconstpointer data)
{
    (void)data;
    static const char *const stops[] = {"+alice PA_alice kind=0",
                                        "published TR_cam alice video source=1 codec=6",
                                        "joined standup RM_1"};
    for (gsize i = 0; i < G_N_ELEMENTS(stops); i++) {
        fixture->free_at = stops[i];
        new_room(fixture, &timing);
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
    new_room(fixture, &timing);
    expect(fixture, "ended 3");
}

static void test_free_early(Fixture *fixture, gconstpointer data)
{
    (void)data;
    new_room(fixture, &timing);
    g_clear_pointer(&fixture->room, eg_room_free);
    new_room(fixture, &timing);
    mock_livekit_accept(fixture->server);
    g_clear_pointer(&fixture->room, eg_room_free);
    expect_silence(fixture);
    g_assert_cmpuint(mock_livekit_pending(fixture->server), ==, 0);
}

#define ADD(name, function)                                                                        \
    g_test_add("/room/room/" name, Fixture, NULL, set_up, function, tear_down)

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
    ADD("unexpected", test_unexpected);
    ADD("moved", test_moved);
    ADD("free-in-callback", test_free_in_callback);
    ADD("free-early", test_free_early);
    return g_test_run();
}
