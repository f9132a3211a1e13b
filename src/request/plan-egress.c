/* The request of the second generation, livekit.StartEgressRequest, and what both have in common of
 * rooms and pages as a whole. */
#include "request/plan-private.h"

#include "request/invalid.h"

void eg_plan_select_track(EgPlan *plan, EgMedia media, const char *track_id)
{
    if (!eg_plan_is_empty(track_id))
        eg_selection_add(&plan->selection, media, EG_ROUTE_BOTH)->track_id = g_strdup(track_id);
}

static bool check_exclusive(bool is_audio_only, bool is_video_only, GError **error)
{
    if (!is_audio_only || !is_video_only)
        return true;
    eg_request_invalid(error, "audio_only and video_only", NULL);
    return false;
}

/* All that there is of the media that are asked for. */
static void select_all(EgPlan *plan, bool is_audio_only, bool is_video_only)
{
    plan->selection.lifetime = EG_LIFETIME_ROOM;
    if (!is_video_only)
        eg_selection_add(&plan->selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH);
    if (!is_audio_only)
        eg_selection_add(&plan->selection, EG_MEDIA_VIDEO, EG_ROUTE_BOTH);
}

static bool select_mixed(EgPlan *plan, Livekit__AudioMixing mixing, GError **error)
{
    EgRule *agents;
    plan->selection.lifetime = EG_LIFETIME_ROOM;
    switch (mixing) {
    case LIVEKIT__AUDIO_MIXING__DEFAULT_MIXING:
        eg_selection_add(&plan->selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH);
        return true;
    case LIVEKIT__AUDIO_MIXING__DUAL_CHANNEL_AGENT:
        agents = eg_selection_add(&plan->selection, EG_MEDIA_AUDIO, EG_ROUTE_LEFT);
        agents->kind = LIVEKIT__PARTICIPANT_INFO__KIND__AGENT;
        eg_selection_add(&plan->selection, EG_MEDIA_AUDIO, EG_ROUTE_RIGHT);
        return true;
    case LIVEKIT__AUDIO_MIXING__DUAL_CHANNEL_ALTERNATE:
        eg_selection_add(&plan->selection, EG_MEDIA_AUDIO, EG_ROUTE_ALTERNATE);
        return true;
    case _LIVEKIT__AUDIO_MIXING_IS_INT_SIZE:
    default:
        eg_request_invalid(error, "audio_mixing", "%d is none", (int)mixing);
        return false;
    }
}

/* What is looked at is of the web: nothing that lies on this machine, and nothing of the browser's
 * own. */
static bool is_page(const char *url)
{
    static const char *const schemes[] = {"http", "https", NULL};
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_ENCODED, NULL);
    return uri != NULL && g_strv_contains(schemes, g_uri_get_scheme(uri)) &&
           !eg_plan_is_empty(g_uri_get_host(uri));
}

static char *make_template_base(const EgConfig *config)
{
    return config->template_base != NULL
               ? g_strdup(config->template_base)
               : g_strdup_printf("http://localhost:%u/", config->template_port);
}

bool eg_plan_select_template(const EgPlanTemplate *template, const EgConfig *config,
                             EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    if (!check_exclusive(template->is_audio_only, template->is_video_only, error))
        return false;
    if (!eg_plan_is_empty(template->custom_base_url) && !is_page(template->custom_base_url)) {
        eg_request_invalid(error, "template base url", "it is written https://host/path");
        return false;
    }
    const EgCostConfig *cost = &config->cost;
    if (template->is_audio_only && eg_plan_is_empty(template->layout) &&
        eg_plan_is_empty(template->custom_base_url)) {
        draft->cpu_cost = cost->sdk_audio_room_composite;
        draft->memory_cost_bytes = cost->sdk_audio_room_composite_memory_bytes;
        return select_mixed(plan, template->mixing, error);
    }
    bool is_custom = !eg_plan_is_empty(template->custom_base_url);
    if (!is_custom && config->template_base == NULL && config->template_port == 0) {
        eg_request_invalid(error, "template base url",
                           "there is none: custom_base_url is not set, and the service has neither "
                           "template_base nor template_port");
        return false;
    }
    draft->cpu_cost = template->is_audio_only ? cost->audio_room_composite : cost->room_composite;
    plan->source = EG_SOURCE_PAGE;
    plan->page = (EgPage){
        .url = is_custom ? g_strdup(template->custom_base_url) : make_template_base(config),
        .layout = g_strdup(template->layout != NULL ? template->layout : ""),
        .awaits_signal = true,
        .is_trusted = true,
        .is_own = !is_custom && config->template_base == NULL,
    };
    select_all(plan, template->is_audio_only, template->is_video_only);
    return true;
}

static bool may_reach_all(const EgConfig *config)
{
    return config->web_allow != NULL &&
           g_strv_contains((const char *const *)config->web_allow, "*");
}

bool eg_plan_select_web(const EgPlanWeb *web, const EgConfig *config, EgPlanDraft *draft,
                        EgPlan *plan, GError **error)
{
    if (eg_plan_is_empty(web->url) || !is_page(web->url)) {
        eg_request_invalid(error, "web url", "it is written https://host/path");
        return false;
    }
    if (!check_exclusive(web->is_audio_only, web->is_video_only, error))
        return false;
    draft->has_no_room = true;
    draft->cpu_cost = web->is_audio_only ? config->cost.audio_web : config->cost.web;
    plan->source = EG_SOURCE_PAGE;
    plan->subject = "web";
    plan->page = (EgPage){
        .url = g_strdup(web->url),
        .awaits_signal = web->awaits_signal,
        .reloads_crashed = config->reloads_crashed,
        .is_trusted = may_reach_all(config),
    };
    select_all(plan, web->is_audio_only, web->is_video_only);
    return true;
}

/* A single source: tracks of a room. */

static bool select_video(const Livekit__MediaSource *media, EgPlan *plan, GError **error)
{
    if (media->video_case == LIVEKIT__MEDIA_SOURCE__VIDEO_VIDEO_TRACK_ID) {
        if (eg_plan_is_empty(media->video_track_id)) {
            eg_request_invalid(error, "video_track_id", NULL);
            return false;
        }
        eg_plan_select_track(plan, EG_MEDIA_VIDEO, media->video_track_id);
    } else if (media->video_case == LIVEKIT__MEDIA_SOURCE__VIDEO_PARTICIPANT_VIDEO) {
        const Livekit__ParticipantVideo *video = media->participant_video;
        if (eg_plan_is_empty(video->identity)) {
            eg_request_invalid(error, "identity", NULL);
            return false;
        }
        for (int i = video->prefer_screen_share ? 0 : 1; i < 2; i++) {
            EgRule *rule = eg_selection_add(&plan->selection, EG_MEDIA_VIDEO, EG_ROUTE_BOTH);
            rule->identity = g_strdup(video->identity);
            rule->share = i == 0 ? EG_SHARE_YES : EG_SHARE_NO;
        }
    }
    return true;
}

static EgRoute route_of(Livekit__AudioChannel channel)
{
    switch (channel) {
    case LIVEKIT__AUDIO_CHANNEL__AUDIO_CHANNEL_BOTH:
        return EG_ROUTE_BOTH;
    case LIVEKIT__AUDIO_CHANNEL__AUDIO_CHANNEL_LEFT:
        return EG_ROUTE_LEFT;
    case LIVEKIT__AUDIO_CHANNEL__AUDIO_CHANNEL_RIGHT:
        return EG_ROUTE_RIGHT;
    case _LIVEKIT__AUDIO_CHANNEL_IS_INT_SIZE:
    default:
        return EG_ROUTE_NONE;
    }
}

static bool select_route(const Livekit__AudioRoute *route, EgPlan *plan, GError **error)
{
    EgRoute to = route_of(route->channel);
    if (to == EG_ROUTE_NONE) {
        eg_request_invalid(error, "channel", "%d is none", (int)route->channel);
        return false;
    }
    EgRule *rule = eg_selection_add(&plan->selection, EG_MEDIA_AUDIO, to);
    const char *field = NULL;
    switch (route->match_case) {
    case LIVEKIT__AUDIO_ROUTE__MATCH_TRACK_ID:
        rule->track_id = g_strdup(route->track_id);
        field = eg_plan_is_empty(route->track_id) ? "track_id" : NULL;
        break;
    case LIVEKIT__AUDIO_ROUTE__MATCH_PARTICIPANT_IDENTITY:
        rule->identity = g_strdup(route->participant_identity);
        field = eg_plan_is_empty(route->participant_identity) ? "participant_identity" : NULL;
        break;
    case LIVEKIT__AUDIO_ROUTE__MATCH_PARTICIPANT_KIND:
        rule->kind = (gint)route->participant_kind;
        field = rule->kind < 0 ? "participant_kind" : NULL;
        break;
    case LIVEKIT__AUDIO_ROUTE__MATCH__NOT_SET:
    case _LIVEKIT__AUDIO_ROUTE__MATCH__CASE_IS_INT_SIZE:
    default:
        field = "track_id, participant_identity or participant_kind";
    }
    if (field != NULL)
        eg_request_invalid(error, field, "of an audio route");
    return field == NULL;
}

static bool select_audio(const Livekit__AudioConfig *audio, EgPlan *plan, GError **error)
{
    for (gsize i = 0; audio != NULL && i < audio->n_routes; i++) {
        if (!select_route(audio->routes[i], plan, error))
            return false;
    }
    if (audio != NULL && audio->capture_all)
        eg_selection_add(&plan->selection, EG_MEDIA_AUDIO, EG_ROUTE_BOTH);
    return true;
}

/* Nothing is mixed and no picture chosen: it takes one track, or one of each. */
static bool check_passthrough(const EgPlan *plan, GError **error)
{
    const EgSelection *selection = &plan->selection;
    if (eg_selection_is_open(selection, EG_MEDIA_AUDIO) ||
        eg_selection_is_open(selection, EG_MEDIA_VIDEO) || selection->audio->len > 1) {
        eg_request_invalid(error, "passthrough",
                           "it takes one track by id, or one audio and one video track: neither "
                           "participants, kinds nor capture_all");
        return false;
    }
    if (selection->audio->len > 0 &&
        g_array_index(selection->audio, EgRule, 0).route != EG_ROUTE_BOTH) {
        eg_request_invalid(error, "passthrough", "it leaves the channels as they are");
        return false;
    }
    return true;
}

static bool select_media(const Livekit__MediaSource *media, const EgConfig *config,
                         EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    EgSelection *selection = &plan->selection;
    selection->lifetime = EG_LIFETIME_ROOM;
    draft->cpu_cost = config->cost.participant;
    if (!select_video(media, plan, error) || !select_audio(media->audio, plan, error))
        return false;
    if (selection->audio->len == 0 && selection->video->len == 0) {
        eg_request_invalid(error, "audio or video", NULL);
        return false;
    }
    if (!draft->encoding.has_preset ||
        draft->encoding.preset != LIVEKIT__ENCODING_OPTIONS_PRESET__PASSTHROUGH)
        return true;
    if (!check_passthrough(plan, error))
        return false;
    selection->lifetime = EG_LIFETIME_TRACKS;
    draft->cpu_cost = config->cost.track;
    if (selection->audio->len + selection->video->len == 1) {
        const GArray *rules = selection->audio->len > 0 ? selection->audio : selection->video;
        plan->subject = g_array_index(rules, EgRule, 0).track_id;
        draft->encoding.is_by_codec = true;
    }
    return true;
}

bool eg_plan_parse_egress(const Rpc__StartEgressRequest *request, const EgConfig *config,
                          EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    const Livekit__StartEgressRequest *egress = request->egress;
    if (egress->encoding_case == LIVEKIT__START_EGRESS_REQUEST__ENCODING_PRESET) {
        draft->encoding.has_preset = true;
        draft->encoding.preset = egress->preset;
    } else if (egress->encoding_case == LIVEKIT__START_EGRESS_REQUEST__ENCODING_ADVANCED) {
        draft->encoding.advanced = egress->advanced;
    }
    eg_plan_read_outputs(egress, &draft->outputs);
    draft->room_name = egress->room_name;

    switch (egress->source_case) {
    case LIVEKIT__START_EGRESS_REQUEST__SOURCE_TEMPLATE: {
        plan->type = "template";
        const EgPlanTemplate template = {
            .is_audio_only = egress->template_->audio_only,
            .is_video_only = egress->template_->video_only,
            .layout = egress->template_->layout,
            .custom_base_url = egress->template_->custom_base_url,
            .mixing = LIVEKIT__AUDIO_MIXING__DEFAULT_MIXING,
        };
        return eg_plan_select_template(&template, config, draft, plan, error);
    }
    case LIVEKIT__START_EGRESS_REQUEST__SOURCE_WEB: {
        plan->type = "web";
        const EgPlanWeb web = {
            .url = egress->web->url,
            .is_audio_only = egress->web->audio_only,
            .is_video_only = egress->web->video_only,
            .awaits_signal = egress->web->await_start_signal,
        };
        return eg_plan_select_web(&web, config, draft, plan, error);
    }
    case LIVEKIT__START_EGRESS_REQUEST__SOURCE_MEDIA:
        plan->type = "media";
        return select_media(egress->media, config, draft, plan, error);
    case LIVEKIT__START_EGRESS_REQUEST__SOURCE__NOT_SET:
    case _LIVEKIT__START_EGRESS_REQUEST__SOURCE__CASE_IS_INT_SIZE:
    default:
        eg_request_invalid(error, "source", NULL);
        return false;
    }
}
