/* The room as a source: finds the participant or the tracks that the plan names, subscribes to what
 * is to be recorded as it comes and goes, and knows when there is nothing left to wait for. */
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "livekit_models.pb-c.h"
#include "source/source-class.h"

/* How long a participant or track may take to appear, as LiveKit's service has it; also how long a
 * participant whose connection broke may take to come back. */
#define SEARCH_NS (30 * EG_NS_PER_S)

/* A packet that is missing longer than this is lost: the server keeps what it has sent for about
 * half a second of retransmissions. */
#define GIVE_UP_NS (400 * EG_NS_PER_MS)

/* One who publishes a camera that cannot be recorded may be about to publish a microphone. */
#define ALTERNATIVE_NS (3 * EG_NS_PER_S)

typedef enum {
    SEARCH_NONE,
    SEARCH_JOINING, /* not in the room yet */
    SEARCH_WAITING, /* in the room; not everything is there */
    SEARCH_FOUND,
    SEARCH_AWAY, /* was found; the participant's connection broke, it may come back */
    SEARCH_ENDED,
} Search;

typedef struct {
    EgLoop *loop;
    const EgPlan *plan;
    const EgLog *log;
    EgSourceEvents events;
    gpointer user;
    EgRoom *room;
    EgTimer *search_timer;
    EgTimer *refusal_timer; /* while nothing but what was refused is there */
    GError *refusal;        /* why the last of it was */
    Search search;
    char *room_name;
    char *room_sid;
    char *participant_sid;      /* of the identity, while it is in the room */
    GPtrArray *publications;    /* const EgPublication *: everything that is published */
    GHashTable *tracks;         /* sid -> EgSourceTrack: what is recorded */
    GHashTable *sides;          /* identity -> EgRoute: of those whose sides alternate */
    GPtrArray *lost;            /* Lost: tracks that went with a connection and may come back */
    bool has_received;          /* something of a track */
    EgReceiverStats past_stats; /* of tracks that are gone */
} RoomSource;

struct _EgSourceTrack {
    RoomSource *source;
    char *sid;
    gpointer user;
};

/* A track that vanished with a connection: for a viewer the next one of the same person and kind is
 * the same. */
typedef struct {
    char *identity;
    EgTrackSource kind;
    EgMedia media;
} Lost;

static void free_track(gpointer data)
{
    EgSourceTrack *track = data;
    g_free(track->sid);
    g_free(track);
}

static void free_lost(gpointer data)
{
    Lost *lost = data;
    g_free(lost->identity);
    g_free(lost);
}

static void end(RoomSource *source, EgEndReason reason, const GError *error)
{
    if (source->search == SEARCH_ENDED)
        return;
    source->search = SEARCH_ENDED;
    eg_timer_clear(source->search_timer);
    eg_timer_clear(source->refusal_timer);
    source->events.ended(source->user, reason, error);
}

/* Whether what is recorded is named track by track, and ends with the last of them. */
static bool is_by_track(const RoomSource *source)
{
    return source->plan->selection.lifetime == EG_LIFETIME_TRACKS;
}

/* The rule by which the plan names this publication; NULL if it does not. */
static const EgRule *find_rule(const RoomSource *source, const EgPublication *publication,
                               guint *rank)
{
    const EgCandidate candidate = {
        .track_id = publication->sid,
        .identity = publication->identity,
        .kind = (gint)publication->participant_kind,
        .media = publication->media,
        .source = publication->source,
    };
    return eg_selection_match(&source->plan->selection, &candidate, rank);
}

static bool is_selected(const RoomSource *source, const EgPublication *publication)
{
    return find_rule(source, publication, NULL) != NULL;
}

/* Left or right, by turns; somebody who comes back has the side that they had. */
static EgRoute alternate_side(RoomSource *source, const char *identity)
{
    gpointer side = g_hash_table_lookup(source->sides, identity);
    if (side == NULL) {
        bool is_left = g_hash_table_size(source->sides) % 2 == 0;
        side = GINT_TO_POINTER(is_left ? EG_ROUTE_LEFT : EG_ROUTE_RIGHT);
        g_hash_table_insert(source->sides, g_strdup(identity), side);
    }
    return (EgRoute)GPOINTER_TO_INT(side);
}

/* One that is not selected any more by a rule (it was lost and is back) goes where all would. */
static EgPlacement find_placement(RoomSource *source, const EgPublication *publication)
{
    EgPlacement placement = {.route = EG_ROUTE_BOTH};
    const EgRule *rule = find_rule(source, publication, &placement.rank);
    if (rule != NULL && rule->route == EG_ROUTE_ALTERNATE)
        placement.route = alternate_side(source, publication->identity);
    else if (rule != NULL && rule->route != EG_ROUTE_NONE)
        placement.route = rule->route;
    return placement;
}

static const EgPublication *find_publication(const RoomSource *source, const char *sid)
{
    for (guint i = 0; i < source->publications->len; i++) {
        const EgPublication *publication = source->publications->pdata[i];
        if (strcmp(publication->sid, sid) == 0)
            return publication;
    }
    return NULL;
}

/* The first thing that the plan names and that is not in the room, as text; NULL if all is there.
 */
static char *describe_missing(const RoomSource *source)
{
    const EgSelection *selection = &source->plan->selection;
    if (selection->identity != NULL && source->participant_sid == NULL)
        return g_strdup_printf("participant %s", selection->identity);
    g_autofree const char **sids = eg_selection_named_tracks(selection);
    for (gsize i = 0; sids[i] != NULL; i++) {
        if (find_publication(source, sids[i]) == NULL)
            return g_strdup_printf("track %s", sids[i]);
    }
    return NULL;
}

static void add_stats(EgReceiverStats *sum, EgRoom *room, const char *sid)
{
    EgReceiverStats stats;
    if (!eg_room_get_stats(room, sid, &stats))
        return;
    sum->packets += stats.packets;
    sum->bytes += stats.bytes;
    sum->lost += stats.lost;
    sum->recovered += stats.recovered;
    sum->nacks += stats.nacks;
    sum->plis += stats.plis;
}

static void add_track(RoomSource *source, const EgPublication *publication)
{
    EgSourceTrack *track = g_new0(EgSourceTrack, 1);
    track->source = source;
    track->sid = g_strdup(publication->sid);
    EgPlacement placement = find_placement(source, publication);
    track->user = source->events.track_added(source->user, track, publication, &placement);
    g_hash_table_insert(source->tracks, track->sid, track);
    eg_info(source->log, "track added", EG_STR("trackID", publication->sid),
            EG_STR("identity", publication->identity), EG_STR("mime", publication->mime));
    eg_room_subscribe(source->room, publication->sid, track);
}

static void remove_track(RoomSource *source, EgSourceTrack *track, const EgPublication *publication)
{
    add_stats(&source->past_stats, source->room, publication->sid);
    eg_info(source->log, "track gone", EG_STR("trackID", publication->sid),
            EG_STR("identity", publication->identity));
    source->events.track_removed(source->user, track->user, publication);
    g_hash_table_remove(source->tracks, publication->sid);
}

static void remember_lost(RoomSource *source, const EgPublication *publication)
{
    Lost *lost = g_new(Lost, 1);
    *lost = (Lost){
        .identity = g_strdup(publication->identity),
        .kind = publication->source,
        .media = publication->media,
    };
    g_ptr_array_add(source->lost, lost);
}

static bool was_lost(RoomSource *source, const EgPublication *publication)
{
    for (guint i = 0; i < source->lost->len; i++) {
        const Lost *lost = source->lost->pdata[i];
        if (lost->kind == publication->source && lost->media == publication->media &&
            strcmp(lost->identity, publication->identity) == 0) {
            g_ptr_array_remove_index(source->lost, i);
            return true;
        }
    }
    return false;
}

static void announce_found(RoomSource *source)
{
    const EgSelection *selection = &source->plan->selection;
    const EgPublication *audio = NULL;
    const EgPublication *video = NULL;
    for (guint i = 0; is_by_track(source) && i < source->publications->len; i++) {
        const EgPublication *publication = source->publications->pdata[i];
        if (is_selected(source, publication) && publication->media == EG_MEDIA_VIDEO)
            video = publication;
        else if (is_selected(source, publication))
            audio = publication;
    }
    const EgPublication *any = video != NULL ? video : audio;
    EgSourceFacts facts = {
        .room_name = source->room_name,
        .room_sid = source->room_sid,
        .identity = any != NULL ? any->identity : selection->identity,
        .publication = audio == NULL || video == NULL ? any : NULL,
    };
    if (audio != NULL && video != NULL && strcmp(audio->identity, video->identity) != 0)
        facts.identity = NULL;
    source->search = SEARCH_FOUND;
    eg_timer_clear(source->search_timer);
    source->events.found(source->user, &facts);
}

/* Sound that is asked of a camera would be waited for in vain. */
static bool check_media(const RoomSource *source, GError **error)
{
    g_autofree const char **sids = eg_selection_named_tracks(&source->plan->selection);
    for (gsize i = 0; sids[i] != NULL; i++) {
        const EgPublication *publication = find_publication(source, sids[i]);
        if (is_selected(source, publication))
            continue;
        bool is_video = publication->media == EG_MEDIA_VIDEO;
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "track %s is %s, and only its %s asked for", sids[i],
                     is_video ? "a video track" : "an audio track",
                     is_video ? "sound was" : "pictures were");
        return false;
    }
    return true;
}

/* Called when something has appeared: once all that the plan names is there, recording begins. */
static void look(RoomSource *source)
{
    g_autoptr(GError) error = NULL;
    if (source->search != SEARCH_WAITING)
        return;
    g_autofree char *missing = describe_missing(source);
    if (missing != NULL)
        return;
    if (!check_media(source, &error)) {
        end(source, EG_END_FAILURE, error);
        return;
    }
    announce_found(source);
    for (guint i = 0; source->search == SEARCH_FOUND && i < source->publications->len; i++) {
        const EgPublication *publication = source->publications->pdata[i];
        if (is_selected(source, publication))
            add_track(source, publication);
    }
    source->events.tracks_complete(source->user);
}

static void on_search_timeout(gpointer user)
{
    RoomSource *source = user;
    g_autoptr(GError) error = NULL;
    g_autofree char *missing = describe_missing(source);
    if (source->search == SEARCH_WAITING) {
        eg_error_set(&error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "%s not found", missing);
        end(source, EG_END_FAILURE, error);
    } else {
        end(source, EG_END_SOURCE_CLOSED, NULL);
    }
}

static void on_joined(gpointer user, const char *room_name, const char *room_sid)
{
    RoomSource *source = user;
    source->room_name = g_strdup(room_name);
    source->room_sid = g_strdup(room_sid);
    source->search = SEARCH_WAITING;
    eg_timer_set_after(source->search_timer, SEARCH_NS);
    look(source);
}

/* Whether all that was recorded is gone and only a reconnect could bring it back. */
static void wait_for_return(RoomSource *source)
{
    source->search = SEARCH_AWAY;
    eg_timer_set_after(source->search_timer, SEARCH_NS);
}

static void on_participant_joined(gpointer user, const EgParticipant *participant)
{
    RoomSource *source = user;
    source->events.participant(source->user, participant, true);
    if (g_strcmp0(participant->identity, source->plan->selection.identity) != 0)
        return;
    g_free(source->participant_sid);
    source->participant_sid = g_strdup(participant->sid);
    if (source->search == SEARCH_AWAY) {
        eg_info(source->log, "participant is back", EG_STR("identity", participant->identity));
        source->search = SEARCH_FOUND;
        eg_timer_clear(source->search_timer);
    }
    look(source);
}

static void on_participant_left(gpointer user, const EgParticipant *participant)
{
    RoomSource *source = user;
    source->events.participant(source->user, participant, false);
    if (g_strcmp0(participant->sid, source->participant_sid) != 0)
        return;
    g_clear_pointer(&source->participant_sid, g_free);
    if (source->search != SEARCH_FOUND)
        return;
    if (participant->disconnect_reason == LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED ||
        participant->disconnect_reason == LIVEKIT__DISCONNECT_REASON__PARTICIPANT_REMOVED) {
        end(source, EG_END_SOURCE_CLOSED, NULL);
        return;
    }
    eg_warn(source->log, "participant lost, waiting for its return",
            EG_STR("identity", participant->identity),
            EG_INT("reason", participant->disconnect_reason));
    wait_for_return(source);
}

static void on_published(gpointer user, const EgPublication *publication)
{
    RoomSource *source = user;
    g_ptr_array_add(source->publications, (gpointer)publication);
    if (source->search == SEARCH_WAITING) {
        look(source);
        return;
    }
    if (source->search != SEARCH_FOUND && source->search != SEARCH_AWAY)
        return;
    if (was_lost(source, publication)) {
        source->search = SEARCH_FOUND;
        eg_timer_clear(source->search_timer);
        add_track(source, publication);
    } else if (is_selected(source, publication)) {
        add_track(source, publication);
    }
}

static void on_unpublished(gpointer user, const EgPublication *publication)
{
    RoomSource *source = user;
    g_ptr_array_remove(source->publications, (gpointer)publication);
    EgSourceTrack *track = g_hash_table_lookup(source->tracks, publication->sid);
    if (track == NULL)
        return;
    remove_track(source, track, publication);
    if (!is_by_track(source) || source->search == SEARCH_ENDED)
        return;
    if (publication->is_lost)
        remember_lost(source, publication);
    if (g_hash_table_size(source->tracks) > 0)
        return;
    if (source->lost->len > 0)
        wait_for_return(source);
    else
        end(source, EG_END_SOURCE_CLOSED, NULL);
}

static void on_muted(gpointer user, const EgPublication *publication)
{
    RoomSource *source = user;
    EgSourceTrack *track = g_hash_table_lookup(source->tracks, publication->sid);
    if (track != NULL)
        source->events.muted(source->user, track->user, publication->is_muted);
}

static void on_stream_started(gpointer user, gpointer data, EgCodec codec, guint clock_rate_hz)
{
    RoomSource *source = user;
    EgSourceTrack *track = data;
    source->has_received = true;
    source->events.stream_started(source->user, track->user, codec, clock_rate_hz);
}

static void on_packet(gpointer user, gpointer data, EgPacket *packet)
{
    RoomSource *source = user;
    EgSourceTrack *track = data;
    source->events.packet(source->user, track->user, packet);
}

static void on_sender_report(gpointer user, gpointer data, const EgSenderReport *report)
{
    RoomSource *source = user;
    EgSourceTrack *track = data;
    source->events.sender_report(source->user, track->user, report);
}

static void on_stream_ended(gpointer user, gpointer data)
{
    RoomSource *source = user;
    EgSourceTrack *track = data;
    source->events.stream_ended(source->user, track->user);
}

/* One that cannot be recorded is left out, unless there is nothing else to record. */
static void on_subscription_failed(gpointer user, gpointer data, const GError *error)
{
    RoomSource *source = user;
    EgSourceTrack *track = data;
    const EgPublication *publication = find_publication(source, track->sid);
    eg_warn(source->log, "track cannot be recorded", EG_STR("trackID", track->sid),
            EG_STR("error", error->message));
    if (is_by_track(source)) {
        end(source, EG_END_FAILURE, error);
        return;
    }
    remove_track(source, track, publication);
    if (source->plan->selection.lifetime == EG_LIFETIME_PARTICIPANT && !source->has_received) {
        g_clear_error(&source->refusal);
        source->refusal = g_error_copy(error);
        eg_timer_set_after(source->refusal_timer, ALTERNATIVE_NS);
    }
}

static void on_refusal_due(gpointer user)
{
    RoomSource *source = user;
    if (!source->has_received && g_hash_table_size(source->tracks) == 0)
        end(source, EG_END_FAILURE, source->refusal);
}

static void on_reconnecting(gpointer user)
{
    RoomSource *source = user;
    eg_warn(source->log, "connection to room lost, reconnecting");
    source->events.reconnecting(source->user);
}

static void on_reconnected(gpointer user)
{
    RoomSource *source = user;
    eg_info(source->log, "connection to room restored");
    source->events.reconnected(source->user);
}

static void on_room_ended(gpointer user, EgRoomEnd room_end, const GError *error)
{
    static const EgEndReason reasons[] = {
        [EG_ROOM_END_NONE] = EG_END_NONE,
        [EG_ROOM_END_CLOSED] = EG_END_SOURCE_CLOSED,
        [EG_ROOM_END_DUPLICATE_IDENTITY] = EG_END_DUPLICATE_IDENTITY,
        [EG_ROOM_END_FAILED] = EG_END_FAILURE,
    };
    RoomSource *source = user;
    end(source, reasons[room_end], error);
}

static const EgRoomEvents room_events = {
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
    .ended = on_room_ended,
};

static gpointer open_room(const EgSourceParams *params, GError **error)
{
    (void)error;
    RoomSource *source = g_new0(RoomSource, 1);
    source->loop = params->loop;
    source->plan = params->plan;
    source->log = params->log;
    source->events = params->events;
    source->user = params->user;
    source->search = SEARCH_JOINING;
    source->search_timer = eg_timer_new(source->loop, on_search_timeout, source);
    source->refusal_timer = eg_timer_new(source->loop, on_refusal_due, source);
    source->publications = g_ptr_array_new();
    source->tracks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_track);
    source->sides = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    source->lost = g_ptr_array_new_with_free_func(free_lost);
    const EgRoomParams room = {
        .url = source->plan->ws_url, .token = params->token, .give_up_ns = GIVE_UP_NS};
    source->room = eg_room_new(source->loop, source->log, &room, &room_events, source);
    return source;
}

static void close_room(gpointer variant)
{
    RoomSource *source = variant;
    eg_room_free(source->room);
    eg_timer_free(source->search_timer);
    eg_timer_free(source->refusal_timer);
    g_clear_error(&source->refusal);
    g_hash_table_unref(source->tracks);
    g_hash_table_unref(source->sides);
    g_ptr_array_unref(source->lost);
    g_ptr_array_unref(source->publications);
    g_free(source->participant_sid);
    g_free(source->room_name);
    g_free(source->room_sid);
    g_free(source);
}

static void get_stats(gpointer variant, EgSourceStats *stats)
{
    RoomSource *source = variant;
    GHashTableIter iter;
    gpointer sid;
    stats->receiver = source->past_stats;
    g_hash_table_iter_init(&iter, source->tracks);
    while (g_hash_table_iter_next(&iter, &sid, NULL))
        add_stats(&stats->receiver, source->room, sid);
}

const EgSourceClass eg_source_room = {
    .open = open_room,
    .close = close_room,
    .get_stats = get_stats,
};

void eg_source_track_set_wants_key_frame(EgSourceTrack *track, bool wants)
{
    eg_room_set_wants_key_frame(track->source->room, track->sid, wants);
}
