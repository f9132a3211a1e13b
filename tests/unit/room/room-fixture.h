#pragma once

#include "mock/mock-livekit.h"
#include "mock/mock-transport.h"
#include "room/room.h"

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

/* Short delays, since the tests that need them wait for them. */
extern const EgRoomTiming fixture_timing;

typedef struct {
    Livekit__TrackInfo info;
    Livekit__SimulcastCodecInfo backup;
    Livekit__SimulcastCodecInfo *codecs[1];
} Track;

typedef struct {
    Livekit__ParticipantInfo info;
    Track tracks[4];
    Livekit__TrackInfo *list[4];
} Participant;

#define OFFER_HEAD                                                                                 \
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 11:22\r\n"

/* fixture_tear_down() fails if an event was not expected. */
void fixture_set_up(Fixture *fixture, gconstpointer data);
void fixture_tear_down(Fixture *fixture, gconstpointer data);

/* With a token "token0". */
void new_room(Fixture *fixture, const EgRoomTiming *patience);

/* Runs until an event comes, which must be this one. */
void expect(Fixture *fixture, const char *event);

/* Lets everything happen that is to happen without anybody's doing, and sees that it is nothing. */
void expect_silence(Fixture *fixture);

/* For mock_run_until(). */
bool has_event(gpointer user);

Livekit__ParticipantInfo *make_participant(Participant *participant, const char *sid,
                                           const char *identity);
Livekit__TrackInfo *add_track(Participant *participant, const char *sid,
                              Livekit__TrackSource source, const char *mime);

/* With a camera TR_cam and a microphone TR_mic. */
void make_alice(Participant *alice);

/* What the server says. */
void send_join(Fixture *fixture, Livekit__ParticipantInfo **others, gsize n_others);
void send_update(Fixture *fixture, Livekit__ParticipantInfo *info);
void send_leave(Fixture *fixture, Livekit__DisconnectReason reason,
                Livekit__LeaveRequest__Action action);
void send_refusal(Fixture *fixture, const char *sid, Livekit__SubscriptionError err);
void send_token(Fixture *fixture, const char *token);
void send_room_update(Fixture *fixture);
void send_reconnect(Fixture *fixture);
void send_sdp(Fixture *fixture, const char *sdp, guint32 id);

/* An offer with the camera's SSRC (0: inactive) and the microphone's, answered. */
void offer(Fixture *fixture, guint32 id, const char *ufrag, guint32 video, guint32 audio);

/* What it is told. */
void expect_subscription(Fixture *fixture, bool subscribe, guint n, const char *contained);
void expect_settings(Fixture *fixture, const char *sid);
void expect_leave(Fixture *fixture);

/* Longer ways in one step. */
void join_with_alice(Fixture *fixture);
void subscribe_to_alice(Fixture *fixture);

/* Up and running: both tracks are being received. */
void receive_alice(Fixture *fixture);
