#include "base/error.h"
#include "room/room-private.h"

#include <string.h>

/* What the user asked for is `subscriptions`, what the server knows of it is `told`; the difference
 * goes out once per turn of the loop. */

void eg_room_subscribe_free(gpointer data)
{
    RoomSubscription *subscription = data;
    if (subscription->receiver != NULL)
        eg_transport_remove_receiver(subscription->room->transport, subscription->receiver);
    g_clear_error(&subscription->error);
    g_free(subscription->sid);
    g_free(subscription);
}

static void flush_soon(EgRoom *room)
{
    eg_timer_set(room->flush_timer, 0);
}

/* Why the publication can never be received; NULL if it can. */
static GError *check_publication(EgRoom *room, const char *sid)
{
    const EgPublication *publication = g_hash_table_lookup(room->publications, sid);
    GError *error = NULL;
    if (publication == NULL)
        eg_error_set(&error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "track %s not found", sid);
    else if (publication->media == EG_MEDIA_NONE)
        eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "track %s is neither audio nor video", sid);
    else if (publication->is_encrypted)
        eg_error_set(&error, EG_ERROR_UNIMPLEMENTED, EG_BLAME_REQUEST,
                     "track %s is end-to-end encrypted: it cannot be recorded without its key",
                     sid);
    else if (publication->codec == EG_CODEC_NONE && *publication->mime != '\0')
        eg_error_set(&error, EG_ERROR_UNIMPLEMENTED, EG_BLAME_REQUEST,
                     "track %s is sent as %s, which is not supported", sid, publication->mime);
    return error;
}

void eg_room_subscribe(EgRoom *room, const char *track_sid, gpointer track)
{
    eg_loop_assert_owner(room->loop);
    RoomSubscription *subscription = g_hash_table_lookup(room->subscriptions, track_sid);
    if (subscription != NULL) {
        subscription->track = track;
        return;
    }
    subscription = g_new0(RoomSubscription, 1);
    subscription->room = room;
    subscription->sid = g_strdup(track_sid);
    subscription->track = track;
    subscription->error = check_publication(room, track_sid);
    g_hash_table_insert(room->subscriptions, subscription->sid, subscription);
    flush_soon(room);
}

/* To be freed when nothing of it can be running any more. */
static void bury(EgRoom *room, RoomSubscription *subscription)
{
    subscription->is_dropped = true;
    g_hash_table_steal(room->subscriptions, subscription->sid);
    g_ptr_array_add(room->dropped, subscription);
    flush_soon(room);
}

void eg_room_unsubscribe(EgRoom *room, const char *track_sid)
{
    eg_loop_assert_owner(room->loop);
    RoomSubscription *subscription = g_hash_table_lookup(room->subscriptions, track_sid);
    if (subscription != NULL)
        bury(room, subscription);
}

void eg_room_subscribe_drop(EgRoom *room, RoomSubscription *subscription)
{
    eg_room_media_detach(room, subscription);
    subscription->is_dropped = true;
}

void eg_room_subscribe_forget(EgRoom *room, const char *track_sid)
{
    g_hash_table_remove(room->told, track_sid);
    g_hash_table_remove(room->streams, track_sid);
    RoomSubscription *subscription = g_hash_table_lookup(room->subscriptions, track_sid);
    if (subscription != NULL)
        bury(room, subscription);
}

void eg_room_set_wants_key_frame(EgRoom *room, const char *track_sid, bool wants)
{
    eg_loop_assert_owner(room->loop);
    RoomSubscription *subscription = g_hash_table_lookup(room->subscriptions, track_sid);
    if (subscription == NULL)
        return;
    subscription->wants_key_frame = wants;
    if (subscription->receiver != NULL)
        eg_receiver_set_wants_key_frame(subscription->receiver, wants);
}

bool eg_room_get_stats(EgRoom *room, const char *track_sid, EgReceiverStats *stats)
{
    eg_loop_assert_owner(room->loop);
    const RoomSubscription *subscription = g_hash_table_lookup(room->subscriptions, track_sid);
    if (subscription == NULL || !subscription->had_receiver)
        return false;
    *stats = subscription->past_stats;
    if (subscription->receiver != NULL)
        eg_room_media_add_stats(stats, subscription->receiver);
    return true;
}

static void fail(EgRoom *room, RoomSubscription *subscription)
{
    eg_room_subscribe_drop(room, subscription);
    eg_warn(room->log, "subscription failed", EG_STR("trackID", subscription->sid),
            EG_STR("error", subscription->error->message));
    ROOM_EMIT(room, subscription_failed, subscription->track, subscription->error);
    /* Unless the user has unsubscribed meanwhile. */
    if (g_hash_table_lookup(room->subscriptions, subscription->sid) == subscription)
        bury(room, subscription);
}

static void report_failures(EgRoom *room)
{
    g_autoptr(GPtrArray) failed = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->subscriptions);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        RoomSubscription *subscription = value;
        if (subscription->error != NULL)
            g_ptr_array_add(failed, subscription);
    }
    for (guint i = 0; i < failed->len; i++) {
        RoomSubscription *subscription = g_ptr_array_index(failed, i);
        if (!subscription->is_dropped)
            fail(room, subscription);
    }
}

static void send_subscription(EgRoom *room, const GPtrArray *sids, bool subscribe)
{
    if (sids->len == 0)
        return;
    Livekit__UpdateSubscription update = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    update.n_track_sids = sids->len;
    update.track_sids = (char **)sids->pdata;
    update.subscribe = subscribe;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
    request.subscription = &update;
    eg_signal_send(room->signal, &request);
}

/* Of simulcast the best there is. */
static void send_settings(EgRoom *room, const GPtrArray *sids)
{
    g_autoptr(GPtrArray) videos = g_ptr_array_new();
    for (guint i = 0; i < sids->len; i++) {
        const EgPublication *publication =
            g_hash_table_lookup(room->publications, g_ptr_array_index(sids, i));
        if (publication != NULL && publication->media == EG_MEDIA_VIDEO)
            g_ptr_array_add(videos, g_ptr_array_index(sids, i));
    }
    if (videos->len == 0)
        return;
    Livekit__UpdateTrackSettings settings = LIVEKIT__UPDATE_TRACK_SETTINGS__INIT;
    settings.n_track_sids = videos->len;
    settings.track_sids = (char **)videos->pdata;
    settings.quality = LIVEKIT__VIDEO_QUALITY__HIGH;
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_TRACK_SETTING;
    request.track_setting = &settings;
    eg_signal_send(room->signal, &request);
}

static GPtrArray *collect_missing(GHashTable *from, GHashTable *in)
{
    GPtrArray *missing = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer key = NULL;
    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (!g_hash_table_contains(in, key))
            g_ptr_array_add(missing, g_strdup(key));
    return missing;
}

static void tell_server(EgRoom *room)
{
    g_autoptr(GPtrArray) unwanted = collect_missing(room->told, room->subscriptions);
    g_autoptr(GPtrArray) wanted = collect_missing(room->subscriptions, room->told);
    send_subscription(room, unwanted, false);
    send_subscription(room, wanted, true);
    send_settings(room, wanted);
    for (guint i = 0; i < unwanted->len; i++) {
        g_hash_table_remove(room->told, g_ptr_array_index(unwanted, i));
        /* It flushes and ends, and if it is asked for again, another offer comes. */
        g_hash_table_remove(room->streams, g_ptr_array_index(unwanted, i));
    }
    for (guint i = 0; i < wanted->len; i++)
        g_hash_table_add(room->told, g_strdup(g_ptr_array_index(wanted, i)));
}

void eg_room_subscribe_on_flush(gpointer user)
{
    EgRoom *room = user;
    g_ptr_array_set_size(room->dropped, 0);
    report_failures(room);
    if (!room->is_signal_ready)
        return;
    tell_server(room);
    /* What was unsubscribed and subscribed again in the same turn, the server has never known of.
     */
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->subscriptions);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        eg_room_media_attach(room, value);
}

void eg_room_subscribe_forget_told(EgRoom *room)
{
    g_hash_table_remove_all(room->told);
    flush_soon(room);
}

static Livekit__SessionDescription make_description(const char *type, const char *sdp)
{
    Livekit__SessionDescription description = LIVEKIT__SESSION_DESCRIPTION__INIT;
    description.type = (char *)type;
    description.sdp = (char *)sdp;
    return description;
}

void eg_room_subscribe_sync(EgRoom *room)
{
    g_autoptr(GHashTable) nothing = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) wanted = collect_missing(room->subscriptions, nothing);
    Livekit__UpdateSubscription subscription = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
    subscription.n_track_sids = wanted->len;
    subscription.track_sids = (char **)wanted->pdata;
    subscription.subscribe = true;
    Livekit__SessionDescription offer = make_description("offer", room->offer);
    Livekit__SessionDescription answer = make_description("answer", room->answer);
    Livekit__SyncState sync = LIVEKIT__SYNC_STATE__INIT;
    sync.subscription = &subscription;
    if (room->offer != NULL && room->answer != NULL) {
        sync.offer = &offer;
        sync.answer = &answer;
    }
    Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
    request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SYNC_STATE;
    request.sync_state = &sync;
    eg_signal_send(room->signal, &request);
    /* What the lost connection was still to unsubscribe stays in `told`, and is next. */
    for (guint i = 0; i < wanted->len; i++)
        g_hash_table_add(room->told, g_strdup(g_ptr_array_index(wanted, i)));
    flush_soon(room);
}

/* Reported from the loop like all failures; the first reason counts. */
static RoomSubscription *find_healthy(EgRoom *room, const char *sid)
{
    RoomSubscription *subscription = g_hash_table_lookup(room->subscriptions, sid);
    return subscription != NULL && subscription->error == NULL ? subscription : NULL;
}

void eg_room_subscribe_refused(EgRoom *room, const Livekit__SubscriptionResponse *response)
{
    RoomSubscription *subscription = find_healthy(room, response->track_sid);
    if (subscription == NULL)
        return;
    const EgPublication *publication = g_hash_table_lookup(room->publications, response->track_sid);
    if (response->err == LIVEKIT__SUBSCRIPTION_ERROR__SE_CODEC_UNSUPPORTED)
        eg_error_set(&subscription->error, EG_ERROR_UNIMPLEMENTED, EG_BLAME_REQUEST,
                     "track %s is sent as %s, which is not supported", response->track_sid,
                     publication != NULL ? publication->mime : "an unknown codec");
    else if (response->err == LIVEKIT__SUBSCRIPTION_ERROR__SE_TRACK_NOTFOUND)
        eg_error_set(&subscription->error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST,
                     "track %s not found", response->track_sid);
    else
        eg_error_set(&subscription->error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                     "the server cannot send track %s", response->track_sid);
    flush_soon(room);
}

void eg_room_subscribe_permission(EgRoom *room, const Livekit__SubscriptionPermissionUpdate *update)
{
    RoomSubscription *subscription = find_healthy(room, update->track_sid);
    if (update->allowed || subscription == NULL)
        return;
    eg_error_set(&subscription->error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_REQUEST,
                 "its participant does not allow us to receive track %s", update->track_sid);
    flush_soon(room);
}
