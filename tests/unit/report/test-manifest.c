#include "report/manifest.h"

#include <jansson.h>
#include <string.h>

#include "base/time.h"
#include "proto/message.h"

#define S EG_NS_PER_S

typedef struct {
    EgPlan plan;
    EgOutput outputs[2];
    EgManifest *manifest;
    Livekit__EgressInfo info;
} Fixture;

static char *text_of(const char *text)
{
    return (char *)(guintptr)text;
}

/* Seconds since the origin. */
static EgManifestTime at(double seconds)
{
    gint64 ns = (gint64)(seconds * (double)S);
    return (EgManifestTime){.now_ns = 1000 * S + ns, .wall_ns = 1600000000 * S + ns};
}

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_selection_init(&f->plan.selection);
    f->plan.outputs = f->outputs;
    f->plan.n_outputs = G_N_ELEMENTS(f->outputs);
    f->outputs[0].kind = EG_OUTPUT_SEGMENTS;
    f->outputs[1].kind = EG_OUTPUT_IMAGES;
    f->manifest = eg_manifest_new(&f->plan);
    livekit__egress_info__init(&f->info);
    f->info.egress_id = text_of("EG_1");
    f->info.room_name = text_of("standup");
    f->info.started_at = 7;
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_manifest_free(f->manifest);
    eg_selection_clear(&f->plan.selection);
}

static json_t *read_back(const Fixture *f, double end)
{
    g_autofree char *text = eg_manifest_to_json(f->manifest, &f->info, at(end));
    json_t *json = json_loads(text, 0, NULL);
    g_assert_nonnull(json);
    return json;
}

static void add_track(const Fixture *f, const void *key, EgMedia media, EgTrackSource source,
                      bool is_muted, double seconds)
{
    const EgPublication publication = {
        .sid = text_of("TR_1"),
        .identity = text_of("alice"),
        .media = media,
        .source = source,
        .codec = media == EG_MEDIA_AUDIO ? EG_CODEC_OPUS : EG_CODEC_VP8,
        .is_muted = is_muted,
    };
    eg_manifest_add_track(f->manifest, key, &publication, at(seconds));
}

/* "published 0, gap 2.5+3": the events of an object's list. */
static char *events_of(json_t *object)
{
    GString *out = g_string_new(NULL);
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(object, "events"), i, event)
    {
        json_t *time = json_object_get(event, "time_ns");
        json_t *duration = json_object_get(event, "duration_ns");
        g_string_append_printf(out, "%s%s", i > 0 ? ", " : "",
                               json_string_value(json_object_get(event, "type")));
        if (time != NULL)
            g_string_append_printf(out, " %g", (double)json_integer_value(time) / (double)S);
        if (duration != NULL)
            g_string_append_printf(out, "+%g", (double)json_integer_value(duration) / (double)S);
        /* Both clocks say the same. */
        if (time != NULL)
            g_assert_cmpint(json_integer_value(json_object_get(event, "at")) -
                                json_integer_value(time),
                            ==, 1600000000 * S);
    }
    return g_string_free(out, FALSE);
}

static void assert_events(json_t *object, const char *expected)
{
    g_autofree char *events = events_of(object);
    g_assert_cmpstr(events, ==, expected);
}

static json_t *track_of(json_t *json, size_t i)
{
    json_t *timeline = json_object_get(json, "timeline");
    return json_array_get(json_object_get(timeline, "tracks"), i);
}

static void assert_text(json_t *object, const char *name, const char *expected)
{
    g_assert_cmpstr(json_string_value(json_object_get(object, name)), ==, expected);
}

static void test_tracks(Fixture *f, gconstpointer user)
{
    (void)user;
    int keys[2] = {0};
    add_track(f, &keys[0], EG_MEDIA_AUDIO, EG_TRACK_SOURCE_MICROPHONE, false, -1);
    eg_manifest_set_origin(f->manifest, at(0));
    eg_manifest_note_packet(f->manifest, &keys[0], at(0));
    eg_manifest_note_packet(f->manifest, &keys[0], at(1));
    eg_manifest_note_packet(f->manifest, &keys[0], at(4));
    eg_manifest_set_muted(f->manifest, &keys[0], true, at(5));
    eg_manifest_set_muted(f->manifest, &keys[0], true, at(6));
    eg_manifest_note_packet(f->manifest, &keys[0], at(7));
    eg_manifest_set_muted(f->manifest, &keys[0], false, at(10));
    eg_manifest_note_packet(f->manifest, &keys[0], at(10.5));
    eg_manifest_remove_track(f->manifest, &keys[0], true, at(13));
    /* Of nobody any more. */
    eg_manifest_note_packet(f->manifest, &keys[0], at(20));
    add_track(f, &keys[1], EG_MEDIA_VIDEO, EG_TRACK_SOURCE_SCREEN_SHARE, true, 14);
    eg_manifest_set_muted(f->manifest, &keys[1], false, at(15));
    json_t *json = read_back(f, 18);
    json_t *audio = track_of(json, 0);
    assert_text(audio, "track_id", "TR_1");
    assert_text(audio, "participant_identity", "alice");
    assert_text(audio, "kind", "audio");
    assert_text(audio, "source", "microphone");
    assert_text(audio, "codec", "Opus");
    assert_events(audio, "published -1, gap 1+3, muted 5, unmuted 10, gap 10.5+2.5, lost 13");
    json_t *video = track_of(json, 1);
    assert_text(video, "source", "screen_share");
    assert_events(video, "published 14, muted 14, unmuted 15, gap 15+3");
    json_decref(json);
}

static void test_room(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_manifest_set_participant(f->manifest, "alice", true, at(-2));
    eg_manifest_set_origin(f->manifest, at(0));
    eg_manifest_set_participant(f->manifest, "b\xff", true, at(1));
    eg_manifest_set_participant(f->manifest, "alice", false, at(2));
    eg_manifest_add_event(f->manifest, EG_MANIFEST_RECONNECTING, at(3));
    eg_manifest_add_event(f->manifest, EG_MANIFEST_RECONNECTED, at(4));
    eg_manifest_note_skipped(f->manifest, 0, at(5));
    eg_manifest_note_skipped(f->manifest, 4, at(6));
    eg_manifest_note_skipped(f->manifest, 10, at(7));
    eg_manifest_note_skipped(f->manifest, 10, at(10));
    eg_manifest_note_skipped(f->manifest, 11, at(11));
    eg_manifest_add_event(f->manifest, EG_MANIFEST_ENDING, at(12));
    /* Of what is not recorded any more, nothing is said. */
    eg_manifest_set_participant(f->manifest, "carol", true, at(13));
    eg_manifest_add_event(f->manifest, EG_MANIFEST_RECONNECTING, at(13));
    json_t *json = read_back(f, 14);
    g_assert_cmpint(json_integer_value(json_object_get(json, "ended_at")), ==, 1600000014 * S);
    json_t *timeline = json_object_get(json, "timeline");
    g_assert_cmpint(json_integer_value(json_object_get(timeline, "version")), ==, 1);
    g_assert_cmpint(json_integer_value(json_object_get(timeline, "zero_at")), ==, 1600000000 * S);
    g_assert_cmpint(json_integer_value(json_object_get(timeline, "duration_ns")), ==, 12 * S);
    assert_events(timeline, "reconnecting 3, reconnected 4, pictures_skipped 6+1, "
                            "pictures_skipped 11+0, ending 12");
    g_assert_cmpint(json_integer_value(json_object_get(timeline, "pictures_skipped")), ==, 11);
    json_t *participants = json_object_get(timeline, "participants");
    g_assert_cmpuint(json_array_size(participants), ==, 2);
    assert_text(json_array_get(participants, 0), "identity", "alice");
    assert_events(json_array_get(participants, 0), "joined -2, left 2");
    assert_text(json_array_get(participants, 1), "identity", "b\xef\xbf\xbd");
    json_decref(json);
}

static void test_layouts(Fixture *f, gconstpointer user)
{
    (void)user;
    char name[] = "grid";
    eg_manifest_set_layout(f->manifest, name, at(-2));
    eg_manifest_set_origin(f->manifest, at(0));
    eg_manifest_set_layout(f->manifest, "grid", at(1));
    eg_manifest_add_event(f->manifest, EG_MANIFEST_RECONNECTING, at(2));
    /* Its own now. */
    memset(name, 'x', strlen(name));
    eg_manifest_set_layout(f->manifest, "speaker-light", at(3));
    eg_manifest_set_layout(f->manifest, "grid", at(4));
    eg_manifest_add_event(f->manifest, EG_MANIFEST_ENDING, at(5));
    eg_manifest_set_layout(f->manifest, "speaker", at(6));
    json_t *json = read_back(f, 7);
    json_t *timeline = json_object_get(json, "timeline");
    assert_events(timeline, "layout -2, reconnecting 2, layout 3, layout 4, ending 5");
    static const char *const names[] = {"grid", NULL, "speaker-light", "grid", NULL};
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
        assert_text(json_array_get(json_object_get(timeline, "events"), i), "layout", names[i]);
    json_decref(json);
}

/* A page that cannot make up its mind has no more than its share, and what it says is counted. */
static void test_many_layouts(Fixture *f, gconstpointer user)
{
    (void)user;
    for (int i = 0; i < 5000; i++) {
        g_autofree char *name = g_strdup_printf("layout %d", i);
        eg_manifest_set_layout(f->manifest, name, at(i));
    }
    eg_manifest_add_event(f->manifest, EG_MANIFEST_ENDING, at(5000));
    json_t *json = read_back(f, 5000);
    json_t *timeline = json_object_get(json, "timeline");
    json_t *events = json_object_get(timeline, "events");
    g_assert_cmpuint(json_array_size(events), ==, 1001);
    assert_text(json_array_get(events, 999), "layout", "layout 999");
    assert_text(json_array_get(events, 1000), "type", "ending");
    g_assert_cmpint(json_integer_value(json_object_get(timeline, "events_left_out")), ==, 4000);
    json_decref(json);
}

/* LiveKit's names. */
static void test_head(Fixture *f, gconstpointer user)
{
    (void)user;
    const EgPublication publication = {
        .sid = text_of("TR_9"),
        .media = EG_MEDIA_AUDIO,
        .source = EG_TRACK_SOURCE_MICROPHONE,
    };
    const EgSourceFacts facts = {.identity = "alice", .publication = &publication};
    Livekit__FileInfo file = LIVEKIT__FILE_INFO__INIT;
    Livekit__FileInfo *files[] = {&file};
    Livekit__SegmentsInfo segments = LIVEKIT__SEGMENTS_INFO__INIT;
    Livekit__SegmentsInfo *lists[] = {&segments};
    file.filename = text_of("a.ogg");
    file.location = text_of("https://b/a.ogg");
    segments.playlist_location = text_of("/hls/p.m3u8");
    f->info.file_results = files;
    f->info.n_file_results = 1;
    f->info.segment_results = lists;
    f->info.n_segment_results = 1;
    eg_manifest_set_facts(f->manifest, &facts);
    const EgManifestFile segment = {EG_OUTPUT_SEGMENTS, 0, "p_00000.ts", "/hls/p_00000.ts"};
    const EgManifestFile image = {EG_OUTPUT_IMAGES, 1, "i_00000.jpeg", "/i_00000.jpeg"};
    eg_manifest_add_file(f->manifest, &segment, at(4));
    eg_manifest_add_file(f->manifest, &image, at(1.25));
    g_autofree char *text = eg_manifest_to_json(f->manifest, &f->info, at(8));
    g_assert_cmpstr(text, ==,
                    "{\n"
                    "  \"egress_id\": \"EG_1\",\n"
                    "  \"room_name\": \"standup\",\n"
                    "  \"started_at\": 7,\n"
                    "  \"ended_at\": 1600000008000000000,\n"
                    "  \"publisher_identity\": \"alice\",\n"
                    "  \"track_id\": \"TR_9\",\n"
                    "  \"track_kind\": \"audio\",\n"
                    "  \"track_source\": \"microphone\",\n"
                    "  \"files\": [\n"
                    "    {\n"
                    "      \"filename\": \"a.ogg\",\n"
                    "      \"location\": \"https://b/a.ogg\"\n"
                    "    }\n"
                    "  ],\n"
                    "  \"playlists\": [\n"
                    "    {\n"
                    "      \"location\": \"/hls/p.m3u8\",\n"
                    "      \"segments\": [\n"
                    "        {\n"
                    "          \"filename\": \"p_00000.ts\",\n"
                    "          \"location\": \"/hls/p_00000.ts\"\n"
                    "        }\n"
                    "      ]\n"
                    "    }\n"
                    "  ],\n"
                    "  \"images\": [\n"
                    "    {\n"
                    "      \"filename\": \"i_00000.jpeg\",\n"
                    "      \"location\": \"/i_00000.jpeg\",\n"
                    "      \"timestamp\": \"2020-09-13T12:26:41.250Z\"\n"
                    "    }\n"
                    "  ],\n"
                    "  \"timeline\": {\n"
                    "    \"version\": 1\n"
                    "  }\n"
                    "}\n");
}

static void test_source(Fixture *f, gconstpointer user)
{
    (void)user;
    f->plan.source = EG_SOURCE_PAGE;
    f->plan.page.url = text_of("https://u:p@h/x?a=b");
    json_t *web = read_back(f, 0);
    assert_text(web, "url", "https://{...}@h/x?a=b");
    json_decref(web);
    f->plan.page.layout = text_of("speaker");
    json_t *room = read_back(f, 0);
    g_assert_null(json_object_get(room, "url"));
    assert_text(json_object_get(room, "timeline"), "layout", "speaker");
    json_decref(room);
    f->plan.source = EG_SOURCE_ROOM;
    eg_selection_add(&f->plan.selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH)->track_id = g_strdup("A");
    eg_selection_add(&f->plan.selection, EG_MEDIA_VIDEO, EG_ROUTE_BOTH)->track_id = g_strdup("V");
    json_t *tracks = read_back(f, 0);
    assert_text(tracks, "audio_track_id", "A");
    assert_text(tracks, "video_track_id", "V");
    json_decref(tracks);
}

/* Whatever somebody does all day long. */
static void test_bounds(Fixture *f, gconstpointer user)
{
    (void)user;
    eg_manifest_set_origin(f->manifest, at(0));
    int key;
    add_track(f, &key, EG_MEDIA_AUDIO, EG_TRACK_SOURCE_MICROPHONE, false, 0);
    for (int i = 0; i < 100000; i++)
        eg_manifest_set_muted(f->manifest, &key, i % 2 == 0, at(i));
    for (int i = 0; i < 100000; i++) {
        eg_manifest_set_participant(f->manifest, "bob", i % 2 == 0, at(i));
        eg_manifest_add_event(f->manifest, EG_MANIFEST_RECONNECTED, at(i));
    }
    g_autofree int *keys = g_new(int, 3000);
    for (int i = 0; i < 3000; i++) {
        g_autofree char *identity = g_strdup_printf("p%d", i);
        eg_manifest_set_participant(f->manifest, identity, true, at(0));
        add_track(f, &keys[i], EG_MEDIA_VIDEO, EG_TRACK_SOURCE_CAMERA, false, 0);
    }
    const EgManifestFile segment = {EG_OUTPUT_SEGMENTS, 0, "s", "s"};
    for (int i = 0; i < 60000; i++)
        eg_manifest_add_file(f->manifest, &segment, at(0));
    json_t *json = read_back(f, 100000);
    json_t *timeline = json_object_get(json, "timeline");
    static const struct {
        const char *name;
        json_int_t count;
    } expected[] = {
        {"participants_left_out", 3001 - 2000   },
        {"tracks_left_out",       3001 - 2000   },
        {"events_left_out",       100000 - 18000},
        {"files_left_out",        60000 - 50000 },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_test_message("%s", expected[i].name);
        g_assert_cmpint(json_integer_value(json_object_get(timeline, expected[i].name)), ==,
                        expected[i].count);
    }
    json_t *track = track_of(json, 0);
    g_assert_cmpuint(json_array_size(json_object_get(track, "events")), ==, 1000);
    g_assert_cmpint(json_integer_value(json_object_get(track, "events_left_out")), ==,
                    100001 - 1000);
    json_decref(json);
}

/* Whoever goes on for a process that has died knows where the files are, and that what was seen and
 * heard. */
static void test_past(Fixture *f, gconstpointer user)
{
    (void)user;
    const EgManifestFile first = {EG_OUTPUT_IMAGES, 1, "a.jpeg", "http://a.jpeg"};
    eg_manifest_set_origin(f->manifest, at(0));
    eg_manifest_add_event(f->manifest, EG_MANIFEST_RECONNECTING, at(1));
    eg_manifest_add_file(f->manifest, &first, at(2));
    f->info.room_id = text_of("RM_1");
    g_autofree char *kept = eg_manifest_to_json(f->manifest, &f->info, at(3));

    g_autoptr(EgManifest) next = eg_manifest_new(&f->plan);
    eg_manifest_free(g_steal_pointer(&f->manifest));
    f->manifest = g_steal_pointer(&next);
    eg_manifest_set_past(f->manifest, kept);
    eg_manifest_add_file(f->manifest, &first, (EgManifestTime){0});
    f->info.room_id = text_of("");
    f->info.error = text_of("killed");
    json_t *json = read_back(f, 9);
    json_t *image = json_array_get(json_object_get(json, "images"), 0);
    g_assert_cmpuint(json_array_size(json_object_get(json, "images")), ==, 1);
    g_assert_cmpstr(json_string_value(json_object_get(image, "location")), ==, "http://a.jpeg");
    g_assert_null(json_object_get(image, "timestamp"));
    g_assert_cmpstr(json_string_value(json_object_get(json, "room_id")), ==, "RM_1");
    g_assert_cmpstr(json_string_value(json_object_get(json, "error")), ==, "killed");
    g_assert_cmpint(json_integer_value(json_object_get(json, "ended_at")), ==, at(9).wall_ns);
    g_autofree char *events = events_of(json_object_get(json, "timeline"));
    g_assert_nonnull(strstr(events, "reconnecting 1"));
    json_decref(json);

    static const char *const wrong[] = {"", "[]", "{", "{\"timeline\": 3}"};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        eg_manifest_set_past(f->manifest, wrong[i]);
        json = read_back(f, 9);
        g_assert_true(json_is_object(json_object_get(json, "timeline")));
        json_decref(json);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/report/manifest/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("tracks", test_tracks);
    ADD("room", test_room);
    ADD("layouts", test_layouts);
    ADD("many-layouts", test_many_layouts);
    ADD("head", test_head);
    ADD("source", test_source);
    ADD("bounds", test_bounds);
    ADD("past", test_past);
#undef ADD
    return g_test_run();
}
