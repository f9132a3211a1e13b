#include "request/selection.h"

#define SELECT(selection_)                                                                         \
    EgSelection selection_;                                                                        \
    eg_selection_init(&selection_)

static const EgCandidate microphone = {
    "TR_mic", "alice", 0, EG_MEDIA_AUDIO, EG_TRACK_SOURCE_MICROPHONE,
};
static const EgCandidate shared_sound = {
    "TR_sound", "alice", 0, EG_MEDIA_AUDIO, EG_TRACK_SOURCE_SCREEN_SHARE_AUDIO,
};
static const EgCandidate agent = {
    "TR_agent", "bot", 4, EG_MEDIA_AUDIO, EG_TRACK_SOURCE_UNKNOWN,
};
static const EgCandidate camera = {
    "TR_cam", "alice", 0, EG_MEDIA_VIDEO, EG_TRACK_SOURCE_CAMERA,
};
static const EgCandidate screen = {
    "TR_screen", "alice", 0, EG_MEDIA_VIDEO, EG_TRACK_SOURCE_SCREEN_SHARE,
};
static const EgCandidate other_camera = {
    "TR_bob", "bob", 0, EG_MEDIA_VIDEO, EG_TRACK_SOURCE_CAMERA,
};
static const EgCandidate data = {
    "TR_data", "alice", 0, EG_MEDIA_NONE, EG_TRACK_SOURCE_UNKNOWN,
};

/* The place of the rule that matches, -1 for none. */
static int rank_of(const EgSelection *selection, const EgCandidate *candidate)
{
    guint rank = G_MAXUINT;
    const EgRule *rule = eg_selection_match(selection, candidate, &rank);
    g_assert_true(eg_selection_match(selection, candidate, NULL) == rule);
    if (rule == NULL) {
        g_assert_cmpuint(rank, ==, G_MAXUINT);
        return -1;
    }
    const GArray *rules = candidate->media == EG_MEDIA_AUDIO ? selection->audio : selection->video;
    g_assert_true(rule == &g_array_index(rules, EgRule, rank));
    return (int)rank;
}

static void test_empty(void)
{
    SELECT(selection);
    const EgCandidate *const all[] = {&microphone, &camera, &screen, &data};
    for (gsize i = 0; i < G_N_ELEMENTS(all); i++)
        g_assert_cmpint(rank_of(&selection, all[i]), ==, -1);
    g_assert_false(eg_selection_has(&selection, EG_MEDIA_AUDIO));
    g_assert_false(eg_selection_has(&selection, EG_MEDIA_VIDEO));
    g_assert_false(eg_selection_is_open(&selection, EG_MEDIA_AUDIO));
    g_autofree const char **named = eg_selection_named_tracks(&selection);
    g_assert_null(named[0]);
    eg_selection_clear(&selection);
}

static void test_everything(void)
{
    SELECT(selection);
    const EgRule *rule = eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_ALTERNATE);
    g_assert_cmpint(rule->route, ==, EG_ROUTE_ALTERNATE);
    g_assert_cmpint(rank_of(&selection, &microphone), ==, 0);
    g_assert_cmpint(rank_of(&selection, &shared_sound), ==, 0);
    g_assert_cmpint(rank_of(&selection, &agent), ==, 0);
    g_assert_cmpint(rank_of(&selection, &camera), ==, -1);
    g_assert_cmpint(rank_of(&selection, &data), ==, -1);
    g_assert_true(eg_selection_has(&selection, EG_MEDIA_AUDIO));
    g_assert_false(eg_selection_has(&selection, EG_MEDIA_VIDEO));
    g_assert_true(eg_selection_is_open(&selection, EG_MEDIA_AUDIO));
    eg_selection_clear(&selection);
}

/* Of those that match the first counts; each narrows by what is set in it, all of it. */
static void test_order(void)
{
    SELECT(selection);
    eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_LEFT)->kind = 4;
    EgRule *rule = eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_RIGHT);
    rule->identity = g_strdup("alice");
    rule->track_id = g_strdup("TR_sound");
    eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH)->identity = g_strdup("alice");
    eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH)->identity = g_strdup("bot");
    g_assert_cmpint(rank_of(&selection, &agent), ==, 0);
    g_assert_cmpint(rank_of(&selection, &shared_sound), ==, 1);
    g_assert_cmpint(rank_of(&selection, &microphone), ==, 2);

    EgCandidate stranger = shared_sound;
    stranger.identity = "mallory";
    g_assert_cmpint(rank_of(&selection, &stranger), ==, -1);
    stranger.kind = 4;
    g_assert_cmpint(rank_of(&selection, &stranger), ==, 0);
    stranger.identity = NULL;
    stranger.track_id = NULL;
    stranger.kind = 0;
    g_assert_cmpint(rank_of(&selection, &stranger), ==, -1);
    eg_selection_clear(&selection);
}

/* The picture that is preferred, and the one that is shown without it. */
static void test_share(void)
{
    SELECT(selection);
    EgRule *shared = eg_selection_add(&selection, EG_MEDIA_VIDEO, EG_ROUTE_BOTH);
    shared->identity = g_strdup("alice");
    shared->share = EG_SHARE_YES;
    EgRule *rest = eg_selection_add(&selection, EG_MEDIA_VIDEO, EG_ROUTE_BOTH);
    rest->identity = g_strdup("alice");
    rest->share = EG_SHARE_NO;
    g_assert_cmpint(rank_of(&selection, &screen), ==, 0);
    g_assert_cmpint(rank_of(&selection, &camera), ==, 1);
    g_assert_cmpint(rank_of(&selection, &other_camera), ==, -1);

    EgCandidate unknown = camera;
    unknown.source = EG_TRACK_SOURCE_UNKNOWN;
    g_assert_cmpint(rank_of(&selection, &unknown), ==, 1);

    eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH)->share = EG_SHARE_YES;
    g_assert_cmpint(rank_of(&selection, &shared_sound), ==, 0);
    g_assert_cmpint(rank_of(&selection, &microphone), ==, -1);
    eg_selection_clear(&selection);
}

static void test_named(void)
{
    SELECT(selection);
    const char *const audio[] = {"TR_a", "TR_b", "TR_a"};
    for (gsize i = 0; i < G_N_ELEMENTS(audio); i++)
        eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH)->track_id = g_strdup(audio[i]);
    eg_selection_add(&selection, EG_MEDIA_VIDEO, EG_ROUTE_BOTH)->track_id = g_strdup("TR_b");
    eg_selection_add(&selection, EG_MEDIA_VIDEO, EG_ROUTE_BOTH)->track_id = g_strdup("TR_v");
    g_autofree const char **named = eg_selection_named_tracks(&selection);
    g_assert_cmpstr(named[0], ==, "TR_a");
    g_assert_cmpstr(named[1], ==, "TR_b");
    g_assert_cmpstr(named[2], ==, "TR_v");
    g_assert_null(named[3]);
    g_assert_false(eg_selection_is_open(&selection, EG_MEDIA_AUDIO));
    g_assert_false(eg_selection_is_open(&selection, EG_MEDIA_VIDEO));
    eg_selection_add(&selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH)->kind = 4;
    g_assert_true(eg_selection_is_open(&selection, EG_MEDIA_AUDIO));
    g_assert_false(eg_selection_is_open(&selection, EG_MEDIA_VIDEO));
    eg_selection_clear(&selection);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/selection/empty", test_empty);
    g_test_add_func("/request/selection/everything", test_everything);
    g_test_add_func("/request/selection/order", test_order);
    g_test_add_func("/request/selection/share", test_share);
    g_test_add_func("/request/selection/named", test_named);
    return g_test_run();
}
