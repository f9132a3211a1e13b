#include "room/room.h"

#include "base/error.h"
#include "base/time.h"
#include "room/room-private.h"

#include <string.h>

/* connect: a person is waiting, and three attempts are made. media: gathering, checks and DTLS take
 * a third of a second, some seconds over TURN. lost: ICE often finds its way back by itself.
 * give_up: a server restarts in seconds, a load balancer or a DNS name moves within a minute; after
 * that the room has long been closed without us. backoff: as LiveKit's own clients do. */
const EgRoomTiming eg_room_default_timing = {
    .connect_ns = 10 * EG_NS_PER_S,
    .media_ns = 15 * EG_NS_PER_S,
    .lost_ns = 3 * EG_NS_PER_S,
    .reason_ns = 500 * EG_NS_PER_MS,
    .first_backoff_ns = 300 * EG_NS_PER_MS,
    .max_backoff_ns = 7 * EG_NS_PER_S,
    .give_up_ns = 60 * EG_NS_PER_S,
};

/* Until the server says otherwise: its own defaults. */
#define PING_INTERVAL_NS (5 * EG_NS_PER_S)
#define PING_TIMEOUT_NS  (15 * EG_NS_PER_S)

EgRoom *eg_room_new(EgLoop *loop, const EgLog *log, const EgRoomParams *params,
                    const EgRoomEvents *events, gpointer user)
{
    eg_loop_assert_owner(loop);
    EgRoom *room = g_new0(EgRoom, 1);
    room->loop = loop;
    room->log = log;
    room->events = *events;
    room->user = user;
    room->url = g_strdup(params->url);
    room->token = g_strdup(params->token);
    room->packet_give_up_ns = params->give_up_ns;
    room->timing = params->timing != NULL ? *params->timing : eg_room_default_timing;
    room->ping_interval_ns = PING_INTERVAL_NS;
    room->ping_timeout_ns = PING_TIMEOUT_NS;
    room->retry_timer = eg_timer_new(loop, eg_room_connect_on_retry, room);
    room->media_timer = eg_timer_new(loop, eg_room_connect_on_media_timeout, room);
    room->flush_timer = eg_timer_new(loop, eg_room_subscribe_on_flush, room);
    room->streams = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    room->participants =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, eg_room_model_free_participant);
    room->publications =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, eg_room_model_free_publication);
    room->subscriptions =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, eg_room_subscribe_free);
    room->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    room->dropped = g_ptr_array_new_with_free_func(eg_room_subscribe_free);
    eg_room_connect(room);
    return room;
}

static void say_goodbye(EgRoom *room)
{
    Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
    leave.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
    request.leave = &leave;
    eg_signal_send(room->signal, &request);
}

static void destroy(gpointer data)
{
    EgRoom *room = data;
    g_hash_table_unref(room->subscriptions);
    g_ptr_array_unref(room->dropped);
    eg_transport_free(room->transport);
    eg_timer_free(room->retry_timer);
    eg_timer_free(room->media_timer);
    eg_timer_free(room->flush_timer);
    g_hash_table_unref(room->told);
    g_hash_table_unref(room->streams);
    g_hash_table_unref(room->publications);
    g_hash_table_unref(room->participants);
    g_free(room->url);
    g_free(room->token);
    g_free(room->sid);
    g_free(room->identity);
    g_free(room->name);
    g_free(room->room_sid);
    g_free(room->offer);
    g_free(room->answer);
    g_clear_error(&room->media_error);
    g_free(room);
}

static void do_nothing(gpointer user)
{
    (void)user;
}

void eg_room_free(EgRoom *room)
{
    if (room == NULL)
        return;
    eg_loop_assert_owner(room->loop);
    g_assert(!room->is_silent);
    room->is_silent = true;
    if (room->is_signal_ready)
        say_goodbye(room);
    room->is_signal_ready = false;
    g_clear_pointer(&room->signal, eg_signal_free);
    eg_timer_clear(room->retry_timer);
    eg_timer_clear(room->media_timer);
    eg_timer_clear(room->flush_timer);
    if (room->depth == 0)
        destroy(room);
    else /* Inside one of its own callbacks: when that has returned. */
        eg_loop_post(room->loop, do_nothing, room, destroy);
}

static void replace(char **field, const char *value)
{
    g_free(*field);
    *field = g_utf8_make_valid(value, -1);
}

static void on_room_update(EgRoom *room, const Livekit__RoomUpdate *update)
{
    if (update->room != NULL && *update->room->sid != '\0')
        replace(&room->room_sid, update->room->sid);
    /* After a resume the server sends everybody who is there, then this. */
    eg_room_model_confirm_end(room);
}

static void on_stream_states(EgRoom *room, const Livekit__StreamStateUpdate *update)
{
    for (gsize i = 0; i < update->n_stream_states; i++)
        eg_debug(room->log, "stream state", EG_STR("trackID", update->stream_states[i]->track_sid),
                 EG_INT("state", update->stream_states[i]->state));
}

/* What comes before the server's first word, or is not for us, is ignored. */
static void dispatch_ready(EgRoom *room, const Livekit__SignalResponse *response)
{
    switch (response->message_case) {
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER:
        eg_room_media_offer(room, response->offer);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE:
        eg_room_media_candidate(room, response->trickle);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE:
        eg_room_model_update(room, response->update->participants,
                             response->update->n_participants);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_UPDATE:
        on_room_update(room, response->room_update);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ROOM_MOVED:
        eg_room_connect_moved(room, response->room_moved);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN:
        replace(&room->token, response->refresh_token);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_RESPONSE:
        eg_room_subscribe_refused(room, response->subscription_response);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_PERMISSION_UPDATE:
        eg_room_subscribe_permission(room, response->subscription_permission_update);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_STREAM_STATE_UPDATE:
        on_stream_states(room, response->stream_state_update);
        break;
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE__NOT_SET:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MUTE:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_UNPUBLISHED:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG:
    case LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP:
    case _LIVEKIT__SIGNAL_RESPONSE__MESSAGE__CASE_IS_INT_SIZE:
    default:
        break;
    }
}

void eg_room_dispatch(EgRoom *room, const Livekit__SignalResponse *response)
{
    if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN)
        eg_room_connect_joined(room, response->join);
    else if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_RECONNECT)
        eg_room_connect_resumed(room);
    else if (response->message_case == LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE)
        eg_room_connect_leave(room, response->leave);
    else if (room->is_signal_ready)
        dispatch_ready(room, response);
}
