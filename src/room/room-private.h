#pragma once

#include "livekit_rtc.pb-c.h"
#include "room/room.h"
#include "room/signal.h"

/* What the files of the room share:
 *   room.c            life, the server's messages, the calls of the user
 *   room-connect.c    the state machine: join, resume, full reconnect, end
 *   room-model.c      who is there and publishes what
 *   room-subscribe.c  what was asked for, told to the server in batches
 *   room-media.c      offers and answers, streams and their packets */

typedef enum {
    ROOM_NONE,
    ROOM_JOINING,   /* for the first time, up to the join response */
    ROOM_CONNECTED, /* the server is there; media is, or is on its way for the first time */
    ROOM_RESUMING,  /* the same session on another WebSocket, media goes on if it can */
    ROOM_REJOINING, /* a new session and a new transport */
    ROOM_ENDED,
    ROOM_N_STATES,
} RoomState;

typedef struct {
    EgParticipant info; /* first: it is what the user sees */
    guint32 version;
    bool is_confirmed; /* named by the server since the last reconnect */
} RoomParticipant;

/* What the last offer says of a track. */
typedef struct {
    guint32 ssrc;
    guint32 rtx_ssrc;
    EgMedia media;
    guint clock_rate_hz;
    bool has_nack;
    bool has_pli;
} RoomStream;

typedef struct {
    EgRoom *room;
    char *sid;
    gpointer track;
    bool wants_key_frame;
    bool is_dropped; /* nothing of it is delivered any more; freed from the loop */
    GError *error;   /* subscription_failed is due with it */

    EgReceiver *receiver; /* NULL: no stream */
    guint32 ssrc;
    guint32 rtx_ssrc;
    bool is_started; /* stream_started was delivered */
    EgCodec codec;   /* of the stream that was started */
    bool has_report;
    EgSenderReport report; /* came before the first packet */

    bool had_receiver;
    EgReceiverStats past_stats; /* of earlier receivers */
} RoomSubscription;

struct _EgRoom {
    /* const after new */
    EgLoop *loop;
    const EgLog *log;
    EgRoomEvents events;
    gpointer user;
    char *url;
    gint64 packet_give_up_ns;
    EgRoomTiming timing;

    /* life */
    guint depth;    /* of callbacks to the user that are running */
    bool is_silent; /* freed from inside a callback: no event comes any more */

    /* connection */
    RoomState state;
    char *token; /* the newest */
    char *sid;   /* our own */
    char *identity;
    char *name;
    char *room_sid;
    EgSignal *signal;
    bool is_signal_ready; /* the server has answered on it */
    guint attempt;        /* to connect, since the last success */
    gint64 give_up_at_ns;
    EgTimer *retry_timer;
    gint64 ping_interval_ns;
    gint64 ping_timeout_ns;

    /* media */
    EgTransport *transport;
    bool is_media_up;
    bool was_media_up; /* ever, with this transport */
    EgTimer *media_timer;
    GError *media_error; /* why this transport is of no use any more */
    char *offer;         /* the last one, */
    char *answer;        /* and ours to it */
    guint64 sdp_session_id;
    guint64 sdp_version;
    EgCodec codecs[128]; /* by payload type */
    GHashTable *streams; /* track sid -> RoomStream, of the last offer */

    /* model */
    GHashTable *participants; /* sid -> RoomParticipant */
    GHashTable *publications; /* sid -> EgPublication */
    bool is_confirming;       /* after a resume, until the server has named everybody */

    /* subscriptions */
    GHashTable *subscriptions; /* sid -> RoomSubscription */
    GHashTable *told;          /* set of sids that the server was told to send */
    GPtrArray *dropped;        /* of RoomSubscription, to be freed */
    EgTimer *flush_timer;
};

/* Calls back to the user. After it everything may be different, but the room is still there. */
#define ROOM_EMIT(room, event, ...)                                                                \
    do {                                                                                           \
        if (!(room)->is_silent && (room)->events.event != NULL) {                                  \
            (room)->depth++;                                                                       \
            (room)->events.event((room)->user __VA_OPT__(, ) __VA_ARGS__);                         \
            (room)->depth--;                                                                       \
        }                                                                                          \
    } while (0)

/* room.c */
void eg_room_dispatch(EgRoom *room, const Livekit__SignalResponse *response);

/* room-connect.c */
void eg_room_connect(EgRoom *room);
void eg_room_connect_joined(EgRoom *room, const Livekit__JoinResponse *join);
void eg_room_connect_resumed(EgRoom *room);
void eg_room_connect_moved(EgRoom *room, const Livekit__RoomMovedResponse *moved);
void eg_room_connect_leave(EgRoom *room, const Livekit__LeaveRequest *leave);
/* Media has come up, gone, or cannot go on with this transport. */
void eg_room_connect_media_up(EgRoom *room);
void eg_room_connect_media_lost(EgRoom *room);
void eg_room_connect_media_failed(EgRoom *room, const GError *error);
void eg_room_connect_on_retry(gpointer user);
void eg_room_connect_on_media_timeout(gpointer user);

/* room-model.c */
void eg_room_model_update(EgRoom *room, Livekit__ParticipantInfo *const *infos, gsize n_infos);
/* Everybody who is there; whoever is not named is gone. */
void eg_room_model_replace(EgRoom *room, Livekit__ParticipantInfo *const *infos, gsize n_infos);
/* After a resume: from now on it is noted who is named, until eg_room_model_confirm_end() drops the
 * others. */
void eg_room_model_confirm_begin(EgRoom *room);
void eg_room_model_confirm_end(EgRoom *room);
void eg_room_model_free_participant(gpointer data);
void eg_room_model_free_publication(gpointer data);

/* room-subscribe.c */
/* The server knows nothing of what was asked for: a new session. */
void eg_room_subscribe_forget_told(EgRoom *room);
void eg_room_subscribe_sync(EgRoom *room);
void eg_room_subscribe_refused(EgRoom *room, const Livekit__SubscriptionResponse *response);
void eg_room_subscribe_permission(EgRoom *room,
                                  const Livekit__SubscriptionPermissionUpdate *update);
/* Ends the stream; nothing of the subscription is delivered any more. It stays in the table, for
 * eg_room_get_stats(), until eg_room_subscribe_forget(). */
void eg_room_subscribe_drop(EgRoom *room, RoomSubscription *subscription);
/* Removes the subscription to a publication that is gone (none is fine). */
void eg_room_subscribe_forget(EgRoom *room, const char *track_sid);
void eg_room_subscribe_on_flush(gpointer user);
void eg_room_subscribe_free(gpointer data);

/* room-media.c */
bool eg_room_media_start(EgRoom *room, Livekit__ICEServer *const *servers, gsize n_servers,
                         GError **error);
/* All streams end and the transport goes. */
void eg_room_media_stop(EgRoom *room);
void eg_room_media_offer(EgRoom *room, const Livekit__SessionDescription *offer);
void eg_room_media_candidate(EgRoom *room, const Livekit__TrickleRequest *trickle);
/* Gives the subscription the stream that the last offer has for it, if any. */
void eg_room_media_attach(EgRoom *room, RoomSubscription *subscription);
void eg_room_media_detach(EgRoom *room, RoomSubscription *subscription);
void eg_room_media_add_stats(EgReceiverStats *sum, const EgReceiver *receiver);
