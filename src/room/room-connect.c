#include "base/error.h"
#include "base/time.h"
#include "room/room-private.h"

/* For the first time only little patience: somebody is waiting for an answer, and "connection
 * refused" is one. */
#define JOIN_ATTEMPTS 3

/* Which state may follow which. Trying again stays in the same state. */
static const bool transitions[ROOM_N_STATES][ROOM_N_STATES] = {
    [ROOM_NONE] = {[ROOM_JOINING] = true   },
    [ROOM_JOINING] = {                        [ROOM_CONNECTED] = true,     [ROOM_ENDED] = true},
    [ROOM_CONNECTED] = {                        [ROOM_RESUMING] = true, [ROOM_REJOINING] = true, [ROOM_ENDED] = true},
    [ROOM_RESUMING] = {     [ROOM_CONNECTED] = true,  [ROOM_REJOINING] = true, [ROOM_ENDED] = true},
    [ROOM_REJOINING] = {[ROOM_CONNECTED] = true,                        [ROOM_ENDED] = true},
};

static const char *const state_names[ROOM_N_STATES] = {
    [ROOM_NONE] = "none",         [ROOM_JOINING] = "joining",     [ROOM_CONNECTED] = "connected",
    [ROOM_RESUMING] = "resuming", [ROOM_REJOINING] = "rejoining", [ROOM_ENDED] = "ended",
};

static void set_state(EgRoom *room, RoomState state)
{
    g_assert(transitions[room->state][state]);
    eg_debug(room->log, "room state", EG_STR("from", state_names[room->state]),
             EG_STR("to", state_names[state]));
    room->state = state;
}

static bool is_reconnecting(const EgRoom *room)
{
    return room->state == ROOM_RESUMING || room->state == ROOM_REJOINING;
}

static void close_signal(EgRoom *room)
{
    g_clear_pointer(&room->signal, eg_signal_free);
    room->is_signal_ready = false;
    eg_timer_clear(room->retry_timer);
}

static void end(EgRoom *room, EgRoomEnd how, const GError *error)
{
    set_state(room, ROOM_ENDED);
    close_signal(room);
    eg_timer_clear(room->media_timer);
    eg_timer_clear(room->flush_timer);
    eg_room_media_stop(room);
    ROOM_EMIT(room, ended, how, error);
}

/* For good, as LiveKit's service words it. */
static void end_lost(EgRoom *room, const GError *cause)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, eg_error_code(cause), eg_error_blame(cause),
                 "connection to room failed: %s", cause->message);
    end(room, EG_ROOM_END_FAILED, error);
}

static void on_message(gpointer user, const Livekit__SignalResponse *response)
{
    eg_room_dispatch(user, response);
}

static void on_closed(gpointer user, const GError *error);

static void open_signal(EgRoom *room)
{
    static const EgSignalEvents events = {.message = on_message, .closed = on_closed};
    const EgSignalParams params = {
        .url = room->url,
        .token = room->token,
        .resume_sid = room->state == ROOM_RESUMING ? room->sid : NULL,
        .connect_ns = room->timing.connect_ns,
    };
    room->signal = eg_signal_new(room->loop, room->log, &params, &events, room);
}

void eg_room_connect(EgRoom *room)
{
    set_state(room, ROOM_JOINING);
    open_signal(room);
}

/* Another attempt of the same kind, later; the end if that would be too late. */
static void retry(EgRoom *room, const GError *error)
{
    close_signal(room);
    gint64 delay_ns = room->timing.first_backoff_ns;
    for (guint i = 0; i < room->attempt && delay_ns < room->timing.max_backoff_ns; i++)
        delay_ns *= 2;
    delay_ns = MIN(delay_ns, room->timing.max_backoff_ns);
    room->attempt++;

    const gint64 at_ns = eg_now_ns() + delay_ns;
    if (is_reconnecting(room) && at_ns >= room->give_up_at_ns) {
        end_lost(room, error);
        return;
    }
    eg_info(room->log, "connecting failed, trying again", EG_STR("error", error->message),
            EG_STR("state", state_names[room->state]), EG_INT("attempt", room->attempt),
            EG_INT("delay_ms", delay_ns / EG_NS_PER_MS));
    eg_timer_set(room->retry_timer, at_ns);
}

void eg_room_connect_on_retry(gpointer user)
{
    open_signal(user);
}

/* From a connection that worked, or half worked, to one of the two ways back. */
static void reconnect(EgRoom *room, RoomState state, const GError *error)
{
    const bool was_connected = room->state == ROOM_CONNECTED;
    if (room->state == state) {
        /* Rejoined, but without success. */
        eg_room_media_stop(room);
        eg_timer_clear(room->media_timer);
        retry(room, error);
        return;
    }
    eg_warn(room->log, "connection to room lost", EG_STR("error", error->message),
            EG_STR("next", state_names[state]));
    set_state(room, state);
    close_signal(room);
    eg_timer_clear(room->media_timer);
    if (state == ROOM_REJOINING)
        eg_room_media_stop(room);
    room->attempt = 0;
    if (was_connected)
        room->give_up_at_ns = eg_now_ns() + room->timing.give_up_ns;
    eg_timer_set(room->retry_timer, 0);
    if (was_connected)
        ROOM_EMIT(room, reconnecting);
}

static void on_join_failed(EgRoom *room, const GError *error)
{
    if (eg_error_is_retryable(error) && room->attempt + 1 < JOIN_ATTEMPTS)
        retry(room, error);
    else
        end(room, EG_ROOM_END_FAILED, error);
}

/* The server's answer, not the way to it, is why it failed. */
static bool is_refusal(const GError *error)
{
    const EgErrorCode code = eg_error_code(error);
    return code == EG_ERROR_UNAUTHENTICATED || code == EG_ERROR_PERMISSION_DENIED ||
           code == EG_ERROR_NOT_FOUND;
}

static void on_rejoin_failed(EgRoom *room, const GError *error)
{
    if (eg_error_code(error) == EG_ERROR_NOT_FOUND)
        end(room, EG_ROOM_END_CLOSED, NULL); /* the room was closed meanwhile */
    else if (is_refusal(error))
        end_lost(room, error);
    else
        reconnect(room, ROOM_REJOINING, error);
}

static void on_resume_failed(EgRoom *room, const GError *error)
{
    if (is_refusal(error))
        reconnect(room, ROOM_REJOINING, error);
    else
        retry(room, error);
}

static void on_closed(gpointer user, const GError *error)
{
    EgRoom *room = user;
    switch (room->state) {
    case ROOM_JOINING:
        on_join_failed(room, error);
        break;
    case ROOM_CONNECTED:
        reconnect(room, ROOM_RESUMING, error);
        break;
    case ROOM_RESUMING:
        on_resume_failed(room, error);
        break;
    case ROOM_REJOINING:
        on_rejoin_failed(room, error);
        break;
    case ROOM_NONE:
    case ROOM_ENDED:
    case ROOM_N_STATES:
    default:
        g_assert_not_reached();
    }
}

/* A reconnect has succeeded when the server and the media are there. */
static void settle(EgRoom *room)
{
    if (!is_reconnecting(room) || !room->is_signal_ready || !room->is_media_up)
        return;
    set_state(room, ROOM_CONNECTED);
    room->attempt = 0;
    eg_info(room->log, "reconnected");
    ROOM_EMIT(room, reconnected);
}

static void start_ping(EgRoom *room)
{
    eg_signal_set_ping(room->signal, room->ping_interval_ns, room->ping_timeout_ns);
}

static void replace(char **field, const char *value)
{
    g_free(*field);
    *field = g_utf8_make_valid(value, -1);
}

void eg_room_connect_joined(EgRoom *room, const Livekit__JoinResponse *join)
{
    if (room->is_signal_ready || join->participant == NULL || join->room == NULL ||
        (room->state != ROOM_JOINING && room->state != ROOM_REJOINING)) {
        eg_warn(room->log, "unexpected join response ignored");
        return;
    }
    const bool is_first = room->state == ROOM_JOINING;
    replace(&room->sid, join->participant->sid);
    replace(&room->identity, join->participant->identity);
    replace(&room->name, join->room->name);
    replace(&room->room_sid, join->room->sid);
    if (join->ping_interval > 0 && join->ping_timeout > 0) {
        room->ping_interval_ns = join->ping_interval * EG_NS_PER_S;
        room->ping_timeout_ns = join->ping_timeout * EG_NS_PER_S;
    }

    g_autoptr(GError) error = NULL;
    if (!eg_room_media_start(room, join->ice_servers, join->n_ice_servers, &error)) {
        end(room, EG_ROOM_END_FAILED, error);
        return;
    }
    room->is_signal_ready = true;
    start_ping(room);
    eg_timer_set_after(room->media_timer, room->timing.media_ns);
    eg_room_subscribe_forget_told(room);
    eg_info(room->log, is_first ? "joined room" : "rejoined room", EG_STR("roomName", room->name),
            EG_STR("roomID", room->room_sid), EG_STR("participantID", room->sid),
            EG_STR("serverVersion", join->server_version));
    if (is_first)
        set_state(room, ROOM_CONNECTED);
    eg_room_model_replace(room, join->other_participants, join->n_other_participants);
    if (is_first)
        ROOM_EMIT(room, joined, room->name, room->room_sid);
}

void eg_room_connect_resumed(EgRoom *room)
{
    if (room->state != ROOM_RESUMING || room->is_signal_ready) {
        eg_warn(room->log, "unexpected reconnect response ignored");
        return;
    }
    room->is_signal_ready = true;
    start_ping(room);
    eg_room_subscribe_sync(room);
    eg_room_model_confirm_begin(room);
    if (!room->is_media_up)
        eg_timer_set_after(room->media_timer, room->timing.media_ns);
    settle(room);
}

void eg_room_connect_moved(EgRoom *room, const Livekit__RoomMovedResponse *moved)
{
    if (moved->room == NULL || moved->participant == NULL)
        return;
    eg_warn(room->log, "moved to another room", EG_STR("roomName", moved->room->name));
    replace(&room->sid, moved->participant->sid);
    replace(&room->name, moved->room->name);
    replace(&room->room_sid, moved->room->sid);
    if (*moved->token != '\0')
        replace(&room->token, moved->token);
    eg_room_model_replace(room, moved->other_participants, moved->n_other_participants);
}

/* What the reason alone decides. */
static EgRoomEnd end_of_reason(Livekit__DisconnectReason reason)
{
    static const struct {
        Livekit__DisconnectReason reason;
        EgRoomEnd end;
    } ends[] = {
        {LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED,    EG_ROOM_END_CLOSED            },
        {LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED, EG_ROOM_END_CLOSED            },
        {LIVEKIT__DISCONNECT_REASON__ROOM_DELETED,        EG_ROOM_END_CLOSED            },
        {LIVEKIT__DISCONNECT_REASON__ROOM_CLOSED,         EG_ROOM_END_CLOSED            },
        {LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY,  EG_ROOM_END_DUPLICATE_IDENTITY},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(ends); i++)
        if (ends[i].reason == reason)
            return ends[i].end;
    return EG_ROOM_END_NONE;
}

void eg_room_connect_leave(EgRoom *room, const Livekit__LeaveRequest *leave)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(
        &livekit__disconnect_reason__descriptor, (int)leave->reason);
    const char *reason = value != NULL ? value->name : "unknown";
    eg_info(room->log, "the server ends the connection", EG_STR("reason", reason),
            EG_INT("action", leave->action));

    const EgRoomEnd how = end_of_reason(leave->reason);
    if (how != EG_ROOM_END_NONE) {
        end(room, how, NULL);
        return;
    }
    g_autoptr(GError) error = NULL;
    eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                           "the server ended the connection (%s)", reason);
    if (room->state == ROOM_JOINING) {
        on_join_failed(room, error);
        return;
    }
    /* The session is over but for RESUME; whatever else the server wishes, a recording tries to go
     * on in a new one. */
    const bool may_resume =
        leave->action == LIVEKIT__LEAVE_REQUEST__ACTION__RESUME && room->state == ROOM_CONNECTED;
    reconnect(room, may_resume ? ROOM_RESUMING : ROOM_REJOINING, error);
}

void eg_room_connect_media_up(EgRoom *room)
{
    if (room->media_error != NULL)
        return;
    eg_debug(room->log, "media connection up");
    room->is_media_up = true;
    room->was_media_up = true;
    eg_timer_clear(room->media_timer);
    settle(room);
}

void eg_room_connect_media_lost(EgRoom *room)
{
    eg_debug(room->log, "media connection down");
    room->is_media_up = false;
    if (room->state == ROOM_CONNECTED && room->was_media_up && room->media_error == NULL)
        eg_timer_set_after(room->media_timer, room->timing.lost_ns);
}

/* When the server ends the session, its farewell over the other connection may come a moment later:
 * whether to come back at all depends on it. */
void eg_room_connect_media_failed(EgRoom *room, const GError *error)
{
    room->is_media_up = false;
    if (room->media_error != NULL)
        return;
    room->media_error = g_error_copy(error);
    eg_timer_set_after(room->media_timer, room->timing.reason_ns);
}

static void make_media_error(EgRoom *room, GError **error)
{
    if (room->media_error != NULL)
        g_propagate_error(error, g_steal_pointer(&room->media_error));
    else if (room->was_media_up)
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "the media connection to the server is lost");
    else
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "no media connection to the server (are its UDP ports reachable?)");
}

void eg_room_connect_on_media_timeout(gpointer user)
{
    EgRoom *room = user;
    const bool may_resume =
        room->state == ROOM_CONNECTED && room->was_media_up && room->media_error == NULL;
    g_autoptr(GError) error = NULL;
    make_media_error(room, &error);
    reconnect(room, may_resume ? ROOM_RESUMING : ROOM_REJOINING, error);
}
