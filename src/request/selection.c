#include "request/selection.h"

#include <string.h>

static void clear_rule(gpointer data)
{
    EgRule *rule = data;
    g_free(rule->track_id);
    g_free(rule->identity);
}

static GArray *new_rules(void)
{
    GArray *rules = g_array_new(FALSE, TRUE, sizeof(EgRule));
    g_array_set_clear_func(rules, clear_rule);
    return rules;
}

const char *eg_track_source_name(EgTrackSource source)
{
    static const char *const names[] = {
        [EG_TRACK_SOURCE_UNKNOWN] = "unknown",
        [EG_TRACK_SOURCE_CAMERA] = "camera",
        [EG_TRACK_SOURCE_MICROPHONE] = "microphone",
        [EG_TRACK_SOURCE_SCREEN_SHARE] = "screen_share",
        [EG_TRACK_SOURCE_SCREEN_SHARE_AUDIO] = "screen_share_audio",
    };
    return names[source];
}

void eg_selection_init(EgSelection *selection)
{
    *selection = (EgSelection){.audio = new_rules(), .video = new_rules()};
}

void eg_selection_clear(EgSelection *selection)
{
    g_clear_pointer(&selection->audio, g_array_unref);
    g_clear_pointer(&selection->video, g_array_unref);
    g_clear_pointer(&selection->identity, g_free);
    selection->lifetime = EG_LIFETIME_NONE;
}

static GArray *rules_of(const EgSelection *selection, EgMedia media)
{
    g_assert(media == EG_MEDIA_AUDIO || media == EG_MEDIA_VIDEO);
    return media == EG_MEDIA_AUDIO ? selection->audio : selection->video;
}

EgRule *eg_selection_add(EgSelection *selection, EgMedia media, EgRoute route)
{
    GArray *rules = rules_of(selection, media);
    const EgRule rule = {.kind = EG_KIND_ANY, .share = EG_SHARE_ANY, .route = route};
    g_array_append_val(rules, rule);
    return &g_array_index(rules, EgRule, rules->len - 1);
}

static bool is_share(EgTrackSource source)
{
    return source == EG_TRACK_SOURCE_SCREEN_SHARE || source == EG_TRACK_SOURCE_SCREEN_SHARE_AUDIO;
}

static bool is_match(const EgRule *rule, const EgCandidate *candidate)
{
    if (rule->track_id != NULL && g_strcmp0(rule->track_id, candidate->track_id) != 0)
        return false;
    if (rule->identity != NULL && g_strcmp0(rule->identity, candidate->identity) != 0)
        return false;
    if (rule->kind != EG_KIND_ANY && rule->kind != candidate->kind)
        return false;
    return rule->share == EG_SHARE_ANY ||
           (rule->share == EG_SHARE_YES) == is_share(candidate->source);
}

const EgRule *eg_selection_match(const EgSelection *selection, const EgCandidate *candidate,
                                 guint *rank)
{
    if (candidate->media != EG_MEDIA_AUDIO && candidate->media != EG_MEDIA_VIDEO)
        return NULL;
    const GArray *rules = rules_of(selection, candidate->media);
    for (guint i = 0; i < rules->len; i++) {
        const EgRule *rule = &g_array_index(rules, EgRule, i);
        if (!is_match(rule, candidate))
            continue;
        if (rank != NULL)
            *rank = i;
        return rule;
    }
    return NULL;
}

bool eg_selection_has(const EgSelection *selection, EgMedia media)
{
    return rules_of(selection, media)->len > 0;
}

bool eg_selection_is_open(const EgSelection *selection, EgMedia media)
{
    const GArray *rules = rules_of(selection, media);
    for (guint i = 0; i < rules->len; i++) {
        if (g_array_index(rules, EgRule, i).track_id == NULL)
            return true;
    }
    return false;
}

const char **eg_selection_named_tracks(const EgSelection *selection)
{
    const GArray *both[] = {selection->audio, selection->video};
    GPtrArray *named = g_ptr_array_new();
    for (gsize i = 0; i < G_N_ELEMENTS(both); i++) {
        for (guint j = 0; j < both[i]->len; j++) {
            char *track_id = g_array_index(both[i], EgRule, j).track_id;
            if (track_id != NULL &&
                !g_ptr_array_find_with_equal_func(named, track_id, g_str_equal, NULL))
                g_ptr_array_add(named, track_id);
        }
    }
    g_ptr_array_add(named, NULL);
    return (const char **)g_ptr_array_free(named, FALSE);
}
