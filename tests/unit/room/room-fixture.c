#include "unit/room/room-fixture.h"

#include "base/error.h"
#include "base/time.h"

#include <string.h>

const EgRoomTiming fixture_timing = {
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
    g_autofree char *kind = publication->participant_kind != 0
                                ? g_strdup_printf(" kind=%u", publication->participant_kind)
                                : NULL;
    add_event(user, "published %s %s %s source=%d codec=%d%s%s%s", publication->sid,
              publication->identity, eg_media_name(publication->media), (int)publication->source,
              (int)publication->codec, publication->is_muted ? " muted" : "",
              publication->is_encrypted ? " encrypted" : "", kind != NULL ? kind : "");
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

void fixture_set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->loop = eg_loop_new();
    fixture->server = mock_livekit_new(fixture->loop);
    g_queue_init(&fixture->events);
}

void fixture_tear_down(Fixture *fixture, gconstpointer data)
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

void new_room(Fixture *fixture, const EgRoomTiming *patience)
{
    const EgRoomParams params = {.url = mock_livekit_url(fixture->server),
                                 .token = "token0",
                                 .give_up_ns = 123,
                                 .timing = patience};
    fixture->room = eg_room_new(fixture->loop, NULL, &params, &events, fixture);
}

bool has_event(gpointer user)
{
    return !g_queue_is_empty(&((Fixture *)user)->events);
}

void expect(Fixture *fixture, const char *event)
{
    mock_run_until(fixture->loop, has_event, fixture);
    g_autofree char *next = g_queue_pop_head(&fixture->events);
    g_assert_cmpstr(next, ==, event);
}

void expect_silence(Fixture *fixture)
{
    while (eg_loop_iterate(fixture->loop, false))
        ;
    g_assert_cmpstr(g_queue_peek_head(&fixture->events), ==, NULL);
}

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

Livekit__ParticipantInfo *make_participant(Participant *participant, const char *sid,
                                           const char *identity)
{
    livekit__participant_info__init(&participant->info);
    participant->info.sid = (char *)sid;
    participant->info.identity = (char *)identity;
    participant->info.state = LIVEKIT__PARTICIPANT_INFO__STATE__ACTIVE;
    participant->info.tracks = participant->list;
    return &participant->info;
}

Livekit__TrackInfo *add_track(Participant *participant, const char *sid,
                              Livekit__TrackSource source, const char *mime)
{
    Track *track = &participant->tracks[participant->info.n_tracks];
    make_track(track, sid, source, mime);
    participant->list[participant->info.n_tracks++] = &track->info;
    return &track->info;
}

void make_alice(Participant *alice)
{
    make_participant(alice, "PA_alice", "alice");
    alice->info.version = 5;
    add_track(alice, "TR_cam", LIVEKIT__TRACK_SOURCE__CAMERA, "video/VP8");
    add_track(alice, "TR_mic", LIVEKIT__TRACK_SOURCE__MICROPHONE, "audio/opus");
}

void send_join(Fixture *fixture, Livekit__ParticipantInfo **others, gsize n_others)
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

void send_update(Fixture *fixture, Livekit__ParticipantInfo *info)
{
    Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
    update.participants = &info;
    update.n_participants = info != NULL ? 1 : 0;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE;
    response.update = &update;
    mock_livekit_send(fixture->server, &response);
}

void send_leave(Fixture *fixture, Livekit__DisconnectReason reason,
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

void send_refusal(Fixture *fixture, const char *sid, Livekit__SubscriptionError err)
{
    Livekit__SubscriptionResponse refusal = LIVEKIT__SUBSCRIPTION_RESPONSE__INIT;
    refusal.track_sid = (char *)sid;
    refusal.err = err;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_RESPONSE;
    response.subscription_response = &refusal;
    mock_livekit_send(fixture->server, &response);
}

void send_token(Fixture *fixture, const char *token)
{
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
    response.refresh_token = (char *)token;
    mock_livekit_send(fixture->server, &response);
}

void send_room_update(Fixture *fixture)
{
    Livekit__RoomUpdate update = LIVEKIT__ROOM_UPDATE__INIT;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE;
    response.room_update = &update;
    mock_livekit_send(fixture->server, &response);
}

void send_reconnect(Fixture *fixture)
{
    Livekit__ReconnectResponse reconnect = LIVEKIT__RECONNECT_RESPONSE__INIT;
    Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
    response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT;
    response.reconnect = &reconnect;
    mock_livekit_send(fixture->server, &response);
}

#define OFFER_DATA                                                                                 \
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\na=ice-ufrag:%s\r\n"            \
    "a=ice-pwd:server\r\na=candidate:1 1 udp 1 10.0.0.1 7882 typ host\r\n"
#define OFFER_VIDEO                                                                                \
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97 125 35\r\na=mid:1\r\na=%s\r\na=rtpmap:96 VP8/90000\r\n"     \
    "a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"  \
    "a=rtpmap:125 H264/90000\r\na=rtpmap:35 AV1/90000\r\n%s"
#define OFFER_AUDIO                                                                                \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:2\r\na=%s\r\na=rtpmap:111 opus/48000/2\r\n%s"

void send_sdp(Fixture *fixture, const char *sdp, guint32 id)
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

void offer(Fixture *fixture, guint32 id, const char *ufrag, guint32 video, guint32 audio)
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

void join_with_alice(Fixture *fixture)
{
    new_room(fixture, &fixture_timing);
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

void expect_subscription(Fixture *fixture, bool subscribe, guint n, const char *contained)
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

void expect_settings(Fixture *fixture, const char *sid)
{
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING);
    g_assert_cmpuint(request->track_setting->n_track_sids, ==, 1);
    g_assert_cmpstr(request->track_setting->track_sids[0], ==, sid);
    g_assert_cmpint(request->track_setting->quality, ==, LIVEKIT__VIDEO_QUALITY__HIGH);
    livekit__signal_request__free_unpacked(request, NULL);
}

void subscribe_to_alice(Fixture *fixture)
{
    eg_room_subscribe(fixture->room, "TR_cam", (gpointer) "cam");
    eg_room_subscribe(fixture->room, "TR_mic", (gpointer) "mic");
    expect_subscription(fixture, true, 2, "TR_cam");
    expect_settings(fixture, "TR_cam");
}

void receive_alice(Fixture *fixture)
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

void expect_leave(Fixture *fixture)
{
    Livekit__SignalRequest *request =
        mock_livekit_receive(fixture->server, LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE);
    g_assert_cmpint(request->leave->reason, ==, LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED);
    livekit__signal_request__free_unpacked(request, NULL);
}
