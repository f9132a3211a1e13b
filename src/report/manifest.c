#include "report/manifest.h"

#include <jansson.h>
#include <string.h>

#include "base/time.h"
#include "proto/redact.h"

/* Of everything together, and of one of many. */
#define MAX_EVENTS       20000
#define MAX_TRACK_EVENTS 1000
#define MAX_LAYOUTS      1000
#define MAX_TRACKS       2000
#define MAX_PARTICIPANTS 2000
#define MAX_FILES        50000

/* What sends at all sends more often: DTX every 400 ms, a still screen share once a second. */
#define GAP_NS (1500 * EG_NS_PER_MS)

/* Pictures that are left out in one go, with pauses shorter than this. */
#define SKIP_PAUSE_NS (2 * EG_NS_PER_S)

typedef struct {
    const char *type;
    EgManifestTime at;
    gint64 until_ns; /* of what lasts; 0: it does not */
    guint64 pictures;
    const char *layout; /* NULL: it is about none */
} Event;

typedef struct {
    char *id;
    char *identity;
    const char *kind;
    const char *source;
    const char *codec;
    GArray *events; /* Event */
    guint left_out;
    EgManifestTime last; /* when something came; 0: nothing yet, or it is muted */
    bool is_muted;
} Track;

typedef struct {
    char *identity;
    GArray *events;
    guint left_out;
} Participant;

typedef struct {
    EgOutputKind kind;
    guint output;
    char *filename;
    char *location;
    gint64 wall_ns;
} File;

struct _EgManifest {
    const EgPlan *plan;
    char *identity;
    char *track_id;
    const char *track_kind;
    const char *track_source;
    EgManifestTime origin; /* 0: nothing was put out yet */
    EgManifestTime ending; /* 0: it goes on */
    GArray *events;        /* Event: of the egress as a whole */
    GStringChunk *layouts; /* names of those that events are about */
    const char *layout;    /* the last one of them; NULL: none yet */
    guint n_layouts;
    GPtrArray *tracks;  /* Track */
    GHashTable *by_key; /* key -> Track */
    GPtrArray *participants;
    GHashTable *by_identity; /* identity -> Participant */
    GPtrArray *files;        /* File */
    guint64 skipped;
    guint n_events;
    guint events_left_out;
    guint tracks_left_out;
    guint participants_left_out;
    guint files_left_out;
    json_t *past; /* what another process has written of this; NULL: there was none */
};

/* By EgManifestEvent. */
static const char *const event_names[EG_N_MANIFEST_EVENTS] = {
    [EG_MANIFEST_NONE] = "",
    [EG_MANIFEST_RECONNECTING] = "reconnecting",
    [EG_MANIFEST_RECONNECTED] = "reconnected",
    [EG_MANIFEST_ENDING] = "ending",
};

static void free_track(gpointer data)
{
    Track *track = data;
    g_free(track->id);
    g_free(track->identity);
    g_array_unref(track->events);
    g_free(track);
}

static void free_participant(gpointer data)
{
    Participant *participant = data;
    g_free(participant->identity);
    g_array_unref(participant->events);
    g_free(participant);
}

static void free_file(gpointer data)
{
    File *file = data;
    g_free(file->filename);
    g_free(file->location);
    g_free(file);
}

EgManifest *eg_manifest_new(const EgPlan *plan)
{
    EgManifest *manifest = g_new0(EgManifest, 1);
    manifest->plan = plan;
    manifest->events = g_array_new(FALSE, FALSE, sizeof(Event));
    manifest->layouts = g_string_chunk_new(256);
    manifest->tracks = g_ptr_array_new_with_free_func(free_track);
    manifest->by_key = g_hash_table_new(NULL, NULL);
    manifest->participants = g_ptr_array_new_with_free_func(free_participant);
    manifest->by_identity = g_hash_table_new(g_str_hash, g_str_equal);
    manifest->files = g_ptr_array_new_with_free_func(free_file);
    return manifest;
}

void eg_manifest_free(EgManifest *manifest)
{
    if (manifest == NULL)
        return;
    g_hash_table_unref(manifest->by_key);
    g_hash_table_unref(manifest->by_identity);
    g_ptr_array_unref(manifest->tracks);
    g_ptr_array_unref(manifest->participants);
    g_ptr_array_unref(manifest->files);
    g_array_unref(manifest->events);
    g_string_chunk_free(manifest->layouts);
    g_free(manifest->identity);
    g_free(manifest->track_id);
    json_decref(manifest->past);
    g_free(manifest);
}

void eg_manifest_set_facts(EgManifest *manifest, const EgSourceFacts *facts)
{
    const EgPublication *publication = facts->publication;
    g_free(manifest->identity);
    manifest->identity = g_strdup(facts->identity);
    if (publication == NULL)
        return;
    g_free(manifest->track_id);
    manifest->track_id = g_strdup(publication->sid);
    manifest->track_kind = eg_media_name(publication->media);
    manifest->track_source = eg_track_source_name(publication->source);
}

void eg_manifest_set_origin(EgManifest *manifest, EgManifestTime at)
{
    manifest->origin = at;
}

/* Into one of the lists; `left_out` counts beside it. */
static void add(EgManifest *manifest, GArray *events, const Event *event, guint *left_out)
{
    bool is_whole = events == manifest->events;
    if (manifest->ending.now_ns != 0)
        return;
    if (manifest->n_events >= MAX_EVENTS || (!is_whole && events->len >= MAX_TRACK_EVENTS)) {
        (*left_out)++;
        return;
    }
    manifest->n_events++;
    g_array_append_val(events, *event);
}

static void add_plain(EgManifest *manifest, GArray *events, const char *type, EgManifestTime at,
                      guint *left_out)
{
    const Event event = {.type = type, .at = at};
    add(manifest, events, &event, left_out);
}

void eg_manifest_add_event(EgManifest *manifest, EgManifestEvent event, EgManifestTime at)
{
    add_plain(manifest, manifest->events, event_names[event], at, &manifest->events_left_out);
    if (event == EG_MANIFEST_ENDING && manifest->ending.now_ns == 0)
        manifest->ending = at;
}

void eg_manifest_set_layout(EgManifest *manifest, const char *name, EgManifestTime at)
{
    if (manifest->ending.now_ns != 0 || g_strcmp0(manifest->layout, name) == 0)
        return;
    if (manifest->n_layouts >= MAX_LAYOUTS) {
        manifest->events_left_out++;
        return;
    }
    manifest->n_layouts++;
    manifest->layout = g_string_chunk_insert_const(manifest->layouts, name);
    const Event event = {.type = "layout", .at = at, .layout = manifest->layout};
    add(manifest, manifest->events, &event, &manifest->events_left_out);
}

void eg_manifest_set_participant(EgManifest *manifest, const char *identity, bool is_there,
                                 EgManifestTime at)
{
    Participant *participant = g_hash_table_lookup(manifest->by_identity, identity);
    if (manifest->ending.now_ns != 0)
        return;
    if (participant == NULL && manifest->participants->len >= MAX_PARTICIPANTS) {
        manifest->participants_left_out++;
        return;
    }
    if (participant == NULL) {
        participant = g_new0(Participant, 1);
        participant->identity = g_strdup(identity);
        participant->events = g_array_new(FALSE, FALSE, sizeof(Event));
        g_ptr_array_add(manifest->participants, participant);
        g_hash_table_insert(manifest->by_identity, participant->identity, participant);
    }
    add_plain(manifest, participant->events, is_there ? "joined" : "left", at,
              &participant->left_out);
}

void eg_manifest_add_track(EgManifest *manifest, gconstpointer key,
                           const EgPublication *publication, EgManifestTime at)
{
    if (manifest->ending.now_ns != 0)
        return;
    if (manifest->tracks->len >= MAX_TRACKS) {
        manifest->tracks_left_out++;
        return;
    }
    Track *track = g_new0(Track, 1);
    track->id = g_strdup(publication->sid);
    track->identity = g_strdup(publication->identity);
    track->kind = eg_media_name(publication->media);
    track->source = eg_track_source_name(publication->source);
    if (publication->codec != EG_CODEC_NONE)
        track->codec = eg_codec_info(publication->codec)->name;
    track->events = g_array_new(FALSE, FALSE, sizeof(Event));
    track->is_muted = publication->is_muted;
    g_ptr_array_add(manifest->tracks, track);
    g_hash_table_insert(manifest->by_key, (gpointer)key, track);
    add_plain(manifest, track->events, "published", at, &track->left_out);
    if (track->is_muted)
        add_plain(manifest, track->events, "muted", at, &track->left_out);
}

/* What has come to an end with this. */
static void end_gap(EgManifest *manifest, Track *track, EgManifestTime at)
{
    if (track->last.now_ns == 0 || at.now_ns - track->last.now_ns < GAP_NS)
        return;
    const Event event = {.type = "gap", .at = track->last, .until_ns = at.now_ns};
    add(manifest, track->events, &event, &track->left_out);
}

void eg_manifest_set_muted(EgManifest *manifest, gconstpointer key, bool is_muted,
                           EgManifestTime at)
{
    Track *track = g_hash_table_lookup(manifest->by_key, key);
    if (track == NULL || track->is_muted == is_muted || manifest->ending.now_ns != 0)
        return;
    if (is_muted)
        end_gap(manifest, track, at);
    track->is_muted = is_muted;
    track->last = is_muted ? (EgManifestTime){0} : at;
    add_plain(manifest, track->events, is_muted ? "muted" : "unmuted", at, &track->left_out);
}

void eg_manifest_note_packet(EgManifest *manifest, gconstpointer key, EgManifestTime at)
{
    Track *track = g_hash_table_lookup(manifest->by_key, key);
    if (track == NULL || track->is_muted || manifest->ending.now_ns != 0)
        return;
    end_gap(manifest, track, at);
    track->last = at;
}

void eg_manifest_remove_track(EgManifest *manifest, gconstpointer key, bool is_lost,
                              EgManifestTime at)
{
    Track *track = g_hash_table_lookup(manifest->by_key, key);
    if (track == NULL)
        return;
    if (manifest->ending.now_ns == 0) {
        end_gap(manifest, track, at);
        track->last = (EgManifestTime){0};
    }
    add_plain(manifest, track->events, is_lost ? "lost" : "unpublished", at, &track->left_out);
    g_hash_table_remove(manifest->by_key, key);
}

void eg_manifest_note_skipped(EgManifest *manifest, guint64 pictures, EgManifestTime at)
{
    if (pictures <= manifest->skipped)
        return;
    guint64 more = pictures - manifest->skipped;
    manifest->skipped = pictures;
    for (guint i = manifest->events->len; i > 0; i--) {
        Event *last = &g_array_index(manifest->events, Event, i - 1);
        if (last->pictures == 0)
            continue;
        if (at.now_ns - last->until_ns > SKIP_PAUSE_NS)
            break;
        last->until_ns = at.now_ns;
        last->pictures += more;
        return;
    }
    const Event event = {
        .type = "pictures_skipped", .at = at, .until_ns = at.now_ns, .pictures = more};
    add(manifest, manifest->events, &event, &manifest->events_left_out);
}

void eg_manifest_add_file(EgManifest *manifest, const EgManifestFile *file, EgManifestTime at)
{
    if (manifest->files->len >= MAX_FILES) {
        manifest->files_left_out++;
        return;
    }
    File *entry = g_new(File, 1);
    *entry = (File){
        .kind = file->kind,
        .output = file->output,
        .filename = g_strdup(file->filename),
        .location = g_strdup(file->location),
        .wall_ns = at.wall_ns,
    };
    g_ptr_array_add(manifest->files, entry);
}

/* JSON. Names of the network may be anything but valid. */

static void set_text(json_t *object, const char *name, const char *text)
{
    if (text == NULL || *text == '\0')
        return;
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    json_object_set_new(object, name, json_string(valid));
}

static void set_int(json_t *object, const char *name, gint64 value)
{
    if (value != 0)
        json_object_set_new(object, name, json_integer(value));
}

static void set_list(json_t *object, const char *name, json_t *list)
{
    if (json_array_size(list) > 0)
        json_object_set_new(object, name, list);
    else
        json_decref(list);
}

static json_t *make_event(const EgManifest *manifest, const Event *event)
{
    gint64 origin_ns = manifest->origin.now_ns;
    json_t *object = json_object();
    set_text(object, "type", event->type);
    set_text(object, "layout", event->layout);
    /* Before anything was put out there is no such time. */
    if (origin_ns != 0)
        json_object_set_new(object, "time_ns", json_integer(event->at.now_ns - origin_ns));
    json_object_set_new(object, "at", json_integer(event->at.wall_ns));
    if (event->until_ns != 0)
        json_object_set_new(object, "duration_ns",
                            json_integer(event->until_ns - event->at.now_ns));
    set_int(object, "pictures", (gint64)event->pictures);
    return object;
}

static json_t *make_events(const EgManifest *manifest, const GArray *events)
{
    json_t *list = json_array();
    for (guint i = 0; i < events->len; i++)
        json_array_append_new(list, make_event(manifest, &g_array_index(events, Event, i)));
    return list;
}

/* One that goes on to the end is one, too. */
static json_t *make_track(const EgManifest *manifest, const Track *track, EgManifestTime end)
{
    json_t *object = json_object();
    set_text(object, "track_id", track->id);
    set_text(object, "participant_identity", track->identity);
    set_text(object, "kind", track->kind);
    set_text(object, "source", track->source);
    set_text(object, "codec", track->codec);
    json_t *events = make_events(manifest, track->events);
    if (track->last.now_ns != 0 && end.now_ns - track->last.now_ns >= GAP_NS) {
        const Event gap = {.type = "gap", .at = track->last, .until_ns = end.now_ns};
        json_array_append_new(events, make_event(manifest, &gap));
    }
    json_object_set_new(object, "events", events);
    set_int(object, "events_left_out", track->left_out);
    return object;
}

static json_t *make_participant(const EgManifest *manifest, const Participant *participant)
{
    json_t *object = json_object();
    set_text(object, "identity", participant->identity);
    json_object_set_new(object, "events", make_events(manifest, participant->events));
    set_int(object, "events_left_out", participant->left_out);
    return object;
}

static json_t *make_timeline(const EgManifest *manifest, EgManifestTime end)
{
    json_t *timeline = json_object();
    json_t *tracks = json_array();
    json_t *participants = json_array();
    json_object_set_new(timeline, "version", json_integer(1));
    if (manifest->origin.now_ns != 0) {
        set_int(timeline, "zero_at", manifest->origin.wall_ns);
        set_int(timeline, "duration_ns", end.now_ns - manifest->origin.now_ns);
    }
    if (manifest->plan->page.layout != NULL)
        json_object_set_new(timeline, "layout", json_string(manifest->plan->page.layout));
    for (guint i = 0; i < manifest->participants->len; i++)
        json_array_append_new(participants,
                              make_participant(manifest, manifest->participants->pdata[i]));
    for (guint i = 0; i < manifest->tracks->len; i++)
        json_array_append_new(tracks, make_track(manifest, manifest->tracks->pdata[i], end));
    set_list(timeline, "participants", participants);
    set_list(timeline, "tracks", tracks);
    set_list(timeline, "events", make_events(manifest, manifest->events));
    set_int(timeline, "pictures_skipped", (gint64)manifest->skipped);
    set_int(timeline, "participants_left_out", manifest->participants_left_out);
    set_int(timeline, "tracks_left_out", manifest->tracks_left_out);
    set_int(timeline, "events_left_out", manifest->events_left_out);
    set_int(timeline, "files_left_out", manifest->files_left_out);
    return timeline;
}

static json_t *make_file(const char *filename, const char *location)
{
    json_t *object = json_object();
    set_text(object, "filename", filename);
    set_text(object, "location", location);
    return object;
}

static json_t *make_files(const Livekit__EgressInfo *info)
{
    json_t *list = json_array();
    for (gsize i = 0; i < info->n_file_results; i++) {
        const Livekit__FileInfo *file = info->file_results[i];
        json_array_append_new(list, make_file(file->filename, file->location));
    }
    return list;
}

/* Results are in the order of the plan: the n-th of all that is of segments. */
static json_t *make_segments(const EgManifest *manifest, gsize n)
{
    json_t *list = json_array();
    guint output = 0;
    for (gsize seen = 0; output < manifest->plan->n_outputs; output++) {
        if (manifest->plan->outputs[output].kind == EG_OUTPUT_SEGMENTS && seen++ == n)
            break;
    }
    for (guint i = 0; i < manifest->files->len; i++) {
        const File *file = manifest->files->pdata[i];
        if (file->kind == EG_OUTPUT_SEGMENTS && file->output == output)
            json_array_append_new(list, make_file(file->filename, file->location));
    }
    return list;
}

static json_t *make_playlists(const EgManifest *manifest, const Livekit__EgressInfo *info)
{
    json_t *list = json_array();
    for (gsize i = 0; i < info->n_segment_results; i++) {
        json_t *playlist = json_object();
        set_text(playlist, "location", info->segment_results[i]->playlist_location);
        set_list(playlist, "segments", make_segments(manifest, i));
        json_array_append_new(list, playlist);
    }
    return list;
}

/* NULL: nobody knows when. */
static char *format_time(gint64 wall_ns)
{
    if (wall_ns == 0)
        return NULL;
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(wall_ns / EG_NS_PER_S);
    g_autofree char *seconds = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
    return g_strdup_printf("%s.%03dZ", seconds, (int)(wall_ns % EG_NS_PER_S / EG_NS_PER_MS));
}

static json_t *make_images(const EgManifest *manifest)
{
    json_t *list = json_array();
    for (guint i = 0; i < manifest->files->len; i++) {
        const File *file = manifest->files->pdata[i];
        if (file->kind != EG_OUTPUT_IMAGES)
            continue;
        g_autofree char *timestamp = format_time(file->wall_ns);
        json_t *image = make_file(file->filename, file->location);
        set_text(image, "timestamp", timestamp);
        json_array_append_new(list, image);
    }
    return list;
}

static const char *named_track(const GArray *rules)
{
    return rules->len == 1 ? g_array_index(rules, EgRule, 0).track_id : NULL;
}

static void set_source(const EgManifest *manifest, json_t *object)
{
    const EgPlan *plan = manifest->plan;
    if (plan->source == EG_SOURCE_PAGE && plan->page.layout == NULL) {
        g_autofree char *url = eg_redact_user(plan->page.url);
        set_text(object, "url", url);
    }
    set_text(object, "publisher_identity", manifest->identity);
    set_text(object, "track_id", manifest->track_id);
    set_text(object, "track_kind", manifest->track_kind);
    set_text(object, "track_source", manifest->track_source);
    if (manifest->track_id == NULL) {
        set_text(object, "audio_track_id", named_track(plan->selection.audio));
        set_text(object, "video_track_id", named_track(plan->selection.video));
    }
}

/* Whoever goes on for another has seen nothing of what was recorded. */
static void set_timeline(const EgManifest *manifest, json_t *object, EgManifestTime end)
{
    json_t *past = json_object_get(manifest->past, "timeline");
    if (json_is_object(past))
        json_object_set(object, "timeline", past);
    else
        json_object_set_new(object, "timeline", make_timeline(manifest, end));
    if (manifest->past != NULL)
        json_object_update_missing(object, manifest->past);
}

void eg_manifest_set_past(EgManifest *manifest, const char *json)
{
    json_t *past = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    json_decref(manifest->past);
    manifest->past = json_is_object(past) ? json_incref(past) : NULL;
    json_decref(past);
}

guint eg_manifest_n_events(const EgManifest *manifest)
{
    return manifest->n_events;
}

char *eg_manifest_to_json(const EgManifest *manifest, const Livekit__EgressInfo *info,
                          EgManifestTime now)
{
    EgManifestTime end = manifest->ending.now_ns != 0 ? manifest->ending : now;
    json_t *object = json_object();
    set_text(object, "egress_id", info->egress_id);
    set_text(object, "room_id", info->room_id);
    set_text(object, "room_name", info->room_name);
    set_int(object, "started_at", info->started_at);
    set_int(object, "ended_at", now.wall_ns);
    set_source(manifest, object);
    set_list(object, "files", make_files(info));
    set_list(object, "playlists", make_playlists(manifest, info));
    set_list(object, "images", make_images(manifest));
    set_text(object, "error", info->error);
    set_timeline(manifest, object, end);
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    char *copy = g_strconcat(text, "\n", NULL);
    free(text);
    json_decref(object);
    return copy;
}
