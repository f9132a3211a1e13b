#include "base/error.h"
#include "room/room-private.h"

#include <string.h>

void eg_room_model_free_participant(gpointer data)
{
    RoomParticipant *participant = data;
    g_free(participant->info.sid);
    g_free(participant->info.identity);
    g_free(participant->info.name);
    g_free(participant);
}

void eg_room_model_free_publication(gpointer data)
{
    EgPublication *publication = data;
    g_free(publication->sid);
    g_free(publication->name);
    g_free(publication->participant_sid);
    g_free(publication->identity);
    g_free(publication->mime);
    g_free(publication);
}

static void set_text(char **field, const char *value)
{
    if (*field != NULL && strcmp(*field, value) == 0)
        return;
    g_free(*field);
    *field = g_utf8_make_valid(value, -1);
}

static EgMedia media_of(Livekit__TrackType type)
{
    switch (type) {
    case LIVEKIT__TRACK_TYPE__AUDIO:
        return EG_MEDIA_AUDIO;
    case LIVEKIT__TRACK_TYPE__VIDEO:
        return EG_MEDIA_VIDEO;
    case LIVEKIT__TRACK_TYPE__DATA:
    case _LIVEKIT__TRACK_TYPE_IS_INT_SIZE:
    default:
        return EG_MEDIA_NONE;
    }
}

/* A publisher may send the same in several codecs, the first is its favourite; the server gives a
 * subscriber the first one that it takes. */
static EgCodec choose_codec(const Livekit__TrackInfo *info, const char **mime)
{
    *mime = info->mime_type;
    EgCodec codec = eg_codec_from_mime(info->mime_type);
    for (gsize i = 0; codec == EG_CODEC_NONE && i < info->n_codecs; i++) {
        codec = eg_codec_from_mime(info->codecs[i]->mime_type);
        if (codec != EG_CODEC_NONE)
            *mime = info->codecs[i]->mime_type;
    }
    return codec;
}

static void fill_publication(EgPublication *publication, const Livekit__TrackInfo *info)
{
    const char *mime = NULL;
    publication->codec = choose_codec(info, &mime);
    set_text(&publication->mime, mime);
    set_text(&publication->name, info->name);
    publication->media = media_of(info->type);
    publication->source = info->source <= LIVEKIT__TRACK_SOURCE__SCREEN_SHARE_AUDIO
                              ? (EgTrackSource)info->source
                              : EG_TRACK_SOURCE_UNKNOWN;
    publication->width = info->width;
    publication->height = info->height;
    publication->is_encrypted = info->encryption != LIVEKIT__ENCRYPTION__TYPE__NONE;
}

static void publish(EgRoom *room, const EgParticipant *participant, const Livekit__TrackInfo *info)
{
    EgPublication *publication = g_new0(EgPublication, 1);
    publication->sid = g_strdup(info->sid);
    publication->participant_sid = g_strdup(participant->sid);
    publication->identity = g_strdup(participant->identity);
    publication->participant_kind = participant->kind;
    publication->is_muted = info->muted;
    fill_publication(publication, info);
    g_hash_table_insert(room->publications, publication->sid, publication);
    eg_debug(room->log, "published", EG_STR("trackID", publication->sid),
             EG_STR("participant", publication->identity), EG_STR("mime", publication->mime));
    ROOM_EMIT(room, published, publication);
}

static void unpublish(EgRoom *room, EgPublication *publication, bool is_lost)
{
    publication->is_lost = is_lost;
    eg_debug(room->log, "unpublished", EG_STR("trackID", publication->sid),
             EG_STR("participant", publication->identity));
    RoomSubscription *subscription = g_hash_table_lookup(room->subscriptions, publication->sid);
    if (subscription != NULL)
        eg_room_subscribe_drop(room, subscription);
    ROOM_EMIT(room, unpublished, publication);
    eg_room_subscribe_forget(room, publication->sid);
    g_hash_table_remove(room->publications, publication->sid);
}

/* What belongs to a participant (NULL: everything) and is not in `kept`, a set of sids (NULL: an
 * empty one). A list of its own, since callbacks follow. */
static GPtrArray *collect_publications(EgRoom *room, const char *participant_sid, GHashTable *kept)
{
    GPtrArray *found = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->publications);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        EgPublication *publication = value;
        if (strcmp(publication->participant_sid, participant_sid) == 0 &&
            (kept == NULL || !g_hash_table_contains(kept, publication->sid)))
            g_ptr_array_add(found, publication);
    }
    return found;
}

static void unpublish_missing(EgRoom *room, const char *participant_sid, GHashTable *kept,
                              bool is_lost)
{
    g_autoptr(GPtrArray) gone = collect_publications(room, participant_sid, kept);
    for (guint i = 0; i < gone->len; i++)
        unpublish(room, g_ptr_array_index(gone, i), is_lost);
}

/* Whether somebody went on purpose, and nobody should wait for a return. */
static bool is_farewell(guint reason)
{
    return reason == LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED ||
           reason == LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED ||
           reason == LIVEKIT__DISCONNECT_REASON__ROOM_DELETED ||
           reason == LIVEKIT__DISCONNECT_REASON__ROOM_CLOSED;
}

static void remove_participant(EgRoom *room, RoomParticipant *participant, guint reason)
{
    participant->info.disconnect_reason = reason;
    unpublish_missing(room, participant->info.sid, NULL, !is_farewell(reason));
    eg_debug(room->log, "participant left", EG_STR("participant", participant->info.identity),
             EG_STR("pID", participant->info.sid), EG_INT("reason", reason));
    ROOM_EMIT(room, participant_left, &participant->info);
    g_hash_table_remove(room->participants, participant->info.sid);
}

/* An identity is in the room once: whoever had it before is gone. */
static void remove_predecessor(EgRoom *room, const char *identity)
{
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->participants);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        RoomParticipant *participant = value;
        if (strcmp(participant->info.identity, identity) == 0) {
            remove_participant(room, participant, LIVEKIT__DISCONNECT_REASON__DUPLICATE_IDENTITY);
            return;
        }
    }
}

static RoomParticipant *add_participant(EgRoom *room, const Livekit__ParticipantInfo *info)
{
    remove_predecessor(room, info->identity);
    RoomParticipant *participant = g_new0(RoomParticipant, 1);
    participant->info.sid = g_strdup(info->sid);
    participant->info.identity = g_utf8_make_valid(info->identity, -1);
    participant->info.name = g_utf8_make_valid(info->name, -1);
    participant->info.kind = (guint)info->kind;
    g_hash_table_insert(room->participants, participant->info.sid, participant);
    eg_debug(room->log, "participant joined", EG_STR("participant", info->identity),
             EG_STR("pID", info->sid));
    ROOM_EMIT(room, participant_joined, &participant->info);
    return participant;
}

static void update_publication(EgRoom *room, EgPublication *publication,
                               const Livekit__TrackInfo *info)
{
    fill_publication(publication, info);
    if (publication->is_muted == (bool)info->muted)
        return;
    publication->is_muted = info->muted;
    ROOM_EMIT(room, muted, publication);
}

static bool is_usable_sid(const char *sid)
{
    return *sid != '\0' && g_utf8_validate(sid, -1, NULL);
}

static void update_tracks(EgRoom *room, const EgParticipant *participant,
                          const Livekit__ParticipantInfo *info)
{
    g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);
    for (gsize i = 0; i < info->n_tracks; i++)
        g_hash_table_add(named, info->tracks[i]->sid);
    unpublish_missing(room, participant->sid, named, false);

    for (gsize i = 0; i < info->n_tracks; i++) {
        const Livekit__TrackInfo *track = info->tracks[i];
        if (!is_usable_sid(track->sid))
            continue;
        EgPublication *publication = g_hash_table_lookup(room->publications, track->sid);
        if (publication != NULL && strcmp(publication->participant_sid, participant->sid) != 0) {
            unpublish(room, publication, false);
            publication = NULL;
        }
        if (publication != NULL)
            update_publication(room, publication, track);
        else
            publish(room, participant, track);
    }
}

static bool is_self(const EgRoom *room, const Livekit__ParticipantInfo *info)
{
    return g_strcmp0(info->sid, room->sid) == 0 || g_strcmp0(info->identity, room->identity) == 0;
}

static void update_participant(EgRoom *room, const Livekit__ParticipantInfo *info)
{
    if (!is_usable_sid(info->sid) || is_self(room, info))
        return;
    RoomParticipant *participant = g_hash_table_lookup(room->participants, info->sid);
    if (info->state == LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED) {
        if (participant != NULL)
            remove_participant(room, participant, (guint)info->disconnect_reason);
        return;
    }
    /* Updates may overtake each other on their way through the server. */
    if (participant != NULL && info->version < participant->version)
        return;
    if (participant == NULL)
        participant = add_participant(room, info);
    participant->version = info->version;
    participant->is_confirmed = true;
    set_text(&participant->info.name, info->name);
    update_tracks(room, &participant->info, info);
}

void eg_room_model_update(EgRoom *room, Livekit__ParticipantInfo *const *infos, gsize n_infos)
{
    for (gsize i = 0; i < n_infos; i++)
        update_participant(room, infos[i]);
}

void eg_room_model_confirm_begin(EgRoom *room)
{
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->participants);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((RoomParticipant *)value)->is_confirmed = false;
    room->is_confirming = true;
}

void eg_room_model_confirm_end(EgRoom *room)
{
    if (!room->is_confirming)
        return;
    room->is_confirming = false;
    g_autoptr(GPtrArray) gone = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->participants);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (!((RoomParticipant *)value)->is_confirmed)
            g_ptr_array_add(gone, value);
    for (guint i = 0; i < gone->len; i++)
        remove_participant(room, g_ptr_array_index(gone, i),
                           LIVEKIT__DISCONNECT_REASON__UNKNOWN_REASON);
}

void eg_room_model_replace(EgRoom *room, Livekit__ParticipantInfo *const *infos, gsize n_infos)
{
    eg_room_model_confirm_begin(room);
    /* A new session counts versions anew. */
    GHashTableIter iter;
    gpointer value = NULL;
    g_hash_table_iter_init(&iter, room->participants);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        ((RoomParticipant *)value)->version = 0;
    eg_room_model_update(room, infos, n_infos);
    eg_room_model_confirm_end(room);
}
