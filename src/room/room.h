#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "request/plan.h"
#include "room/packet.h"
#include "room/transport.h"

/* A LiveKit room as a hidden subscriber sees it: joins, knows participants and what they publish,
 * receives what was asked for, and stays connected (resume, full reconnect) without its user
 * noticing more than a gap. Session thread only; callbacks never come from inside a call. Any
 * function may be called in any callback. */
typedef struct _EgRoom EgRoom;

typedef struct {
    char *sid;
    char *identity;
    char *name;
    guint kind;              /* livekit.ParticipantInfo.Kind */
    guint disconnect_reason; /* livekit.DisconnectReason, when it has left; 0 if not known */
} EgParticipant;

/* What somebody publishes. Belongs to the room; valid from `published` to the end of `unpublished`.
 */
typedef struct {
    char *sid; /* TR_... */
    char *name;
    char *participant_sid;
    char *identity;
    guint participant_kind; /* livekit.ParticipantInfo.Kind */
    EgMedia media;          /* NONE: data */
    EgTrackSource source;
    EgCodec codec; /* that will be sent to us; NONE: none that we take, `mime` names it, or not
                      known yet, then `mime` is empty */
    char *mime;
    guint width;
    guint height;
    bool is_muted;
    bool is_encrypted;
    bool is_lost; /* in `unpublished`: with a broken connection (ours, or its participant's), so
                     that the same may come back with another sid */
} EgPublication;

typedef enum {
    EG_ROOM_END_NONE,
    EG_ROOM_END_CLOSED,             /* room closed or deleted, or we were removed */
    EG_ROOM_END_DUPLICATE_IDENTITY, /* another one has taken over this egress */
    EG_ROOM_END_FAILED,             /* the connection is lost for good; with an error */
} EgRoomEnd;

typedef struct {
    /* Once, after everything that is in the room was announced by the two events below. */
    void (*joined)(gpointer user, const char *room_name, const char *room_sid);
    void (*participant_joined)(gpointer user, const EgParticipant *participant);
    void (*participant_left)(gpointer user, const EgParticipant *participant);
    void (*published)(gpointer user, const EgPublication *publication);
    void (*unpublished)(gpointer user, const EgPublication *publication);
    void (*muted)(gpointer user, const EgPublication *publication); /* is_muted has changed */

    /* Of subscribed publications only; `track` is what was given to eg_room_subscribe(). A stream
     * starts with its first packet, whose payload type says which codec is really sent. It may end
     * and another start (resubscription, reconnect, another codec): timestamps then start anew. */
    void (*stream_started)(gpointer user, gpointer track, EgCodec codec, guint clock_rate_hz);
    void (*packet)(gpointer user, gpointer track, EgPacket *packet);
    void (*sender_report)(gpointer user, gpointer track, const EgSenderReport *report);
    void (*stream_ended)(gpointer user, gpointer track);
    /* The server or we cannot (codec not supported, not allowed, encrypted, no such track); it is
     * not tried again: as after eg_room_unsubscribe(). */
    void (*subscription_failed)(gpointer user, gpointer track, const GError *error);

    void (*reconnecting)(gpointer user);
    void (*reconnected)(gpointer user);
    /* The last event. `error` is NULL but for EG_ROOM_END_FAILED. */
    void (*ended)(gpointer user, EgRoomEnd end, const GError *error);
} EgRoomEvents;

/* How patient the room is. */
typedef struct {
    gint64 connect_ns;       /* for one attempt to connect, and then for the server's first word */
    gint64 media_ns;         /* from joining or resuming until media can flow */
    gint64 lost_ns;          /* how long the media path may be gone before a resume */
    gint64 reason_ns;        /* how long after hanging up on media the server may say why */
    gint64 first_backoff_ns; /* between two attempts, doubling... */
    gint64 max_backoff_ns;   /* ...up to this */
    gint64 give_up_ns;       /* how long a lost connection is fought for */
} EgRoomTiming;

extern const EgRoomTiming eg_room_default_timing;

typedef struct {
    const char *url;            /* ws://, wss://, http:// or https:// of the server */
    const char *token;          /* that joins */
    gint64 give_up_ns;          /* how long a missing packet is waited for (EgReceiverParams) */
    const EgRoomTiming *timing; /* NULL: the default */
} EgRoomParams;

/* Connects in the background; what fails for good before `joined` (unreachable, 401, unknown room)
 * comes by `ended` with an error that says what is wrong and what would be right. */
EgRoom *eg_room_new(EgLoop *loop, const EgLog *log, const EgRoomParams *params,
                    const EgRoomEvents *events, gpointer user);

/* Says goodbye if connected; no callback comes afterwards. What is left to do (the close of the
 * WebSocket) goes on in the background while the loop runs. */
void eg_room_free(EgRoom *room);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgRoom, eg_room_free)

/* Asks for the media of a publication, at the highest quality. Lasts until eg_room_unsubscribe() or
 * `unpublished`; survives reconnects. After eg_room_unsubscribe() nothing comes of it any more. */
void eg_room_subscribe(EgRoom *room, const char *track_sid, gpointer track);
void eg_room_unsubscribe(EgRoom *room, const char *track_sid);

/* See eg_receiver_set_wants_key_frame(); kept over a change of streams. */
void eg_room_set_wants_key_frame(EgRoom *room, const char *track_sid, bool wants);

/* Sums over the streams that a subscription has had, still in its `unpublished` and
 * `subscription_failed`. False if it has had none. */
bool eg_room_get_stats(EgRoom *room, const char *track_sid, EgReceiverStats *stats);
