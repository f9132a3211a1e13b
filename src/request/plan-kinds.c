/* The requests of the first generation: one function for each kind. */
#include "request/plan-private.h"

#include "request/invalid.h"

/* What the oneof `options` says, which every encoding kind has, and under the same names. */
#define READ_ENCODING(encoding, request, KIND)                                                     \
    do {                                                                                           \
        if ((request)->options_case == LIVEKIT__##KIND##_EGRESS_REQUEST__OPTIONS_PRESET) {         \
            (encoding)->has_preset = true;                                                         \
            (encoding)->preset = (request)->preset;                                                \
        } else if ((request)->options_case ==                                                      \
                   LIVEKIT__##KIND##_EGRESS_REQUEST__OPTIONS_ADVANCED) {                           \
            (encoding)->advanced = (request)->advanced;                                            \
        }                                                                                          \
    } while (0)

/* The lists of outputs, likewise. */
#define LISTS(request)                                                                             \
    .files = (request)->file_outputs, .n_files = (request)->n_file_outputs,                        \
    .streams = (request)->stream_outputs, .n_streams = (request)->n_stream_outputs,                \
    .segment_lists = (request)->segment_outputs, .n_segment_lists = (request)->n_segment_outputs,  \
    .images = (request)->image_outputs, .n_images = (request)->n_image_outputs

/* The single outputs that some kinds had before there were lists: each counts if its list is empty.
 */
#define READ_SINGLE(lists, request, KIND)                                                          \
    do {                                                                                           \
        if ((request)->output_case == LIVEKIT__##KIND##_EGRESS_REQUEST__OUTPUT_FILE)               \
            (lists)->file = (request)->file;                                                       \
        else if ((request)->output_case == LIVEKIT__##KIND##_EGRESS_REQUEST__OUTPUT_STREAM)        \
            (lists)->stream = (request)->stream;                                                   \
        else if ((request)->output_case == LIVEKIT__##KIND##_EGRESS_REQUEST__OUTPUT_SEGMENTS)      \
            (lists)->segments = (request)->segments;                                               \
    } while (0)

bool eg_plan_parse_room_composite(const Rpc__StartEgressRequest *request, const EgConfig *config,
                                  EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    const Livekit__RoomCompositeEgressRequest *composite = request->room_composite;
    EgPlanOutputLists lists = {LISTS(composite)};
    READ_SINGLE(&lists, composite, ROOM_COMPOSITE);
    READ_ENCODING(&draft->encoding, composite, ROOM_COMPOSITE);
    eg_plan_read_lists(&lists, &draft->outputs);
    draft->room_name = composite->room_name;

    const EgPlanTemplate template = {
        .is_audio_only = composite->audio_only,
        .is_video_only = composite->video_only,
        .layout = composite->layout,
        .custom_base_url = composite->custom_base_url,
        .mixing = composite->audio_mixing,
    };
    return eg_plan_select_template(&template, config, draft, plan, error);
}

bool eg_plan_parse_web(const Rpc__StartEgressRequest *request, const EgConfig *config,
                       EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    const Livekit__WebEgressRequest *web = request->web;
    EgPlanOutputLists lists = {LISTS(web)};
    READ_SINGLE(&lists, web, WEB);
    READ_ENCODING(&draft->encoding, web, WEB);
    eg_plan_read_lists(&lists, &draft->outputs);
    const EgPlanWeb page = {
        .url = web->url,
        .is_audio_only = web->audio_only,
        .is_video_only = web->video_only,
        .awaits_signal = web->await_start_signal,
    };
    return eg_plan_select_web(&page, config, draft, plan, error);
}

bool eg_plan_parse_participant(const Rpc__StartEgressRequest *request, const EgConfig *config,
                               EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    const Livekit__ParticipantEgressRequest *participant = request->participant;
    if (eg_plan_is_empty(participant->identity)) {
        eg_request_invalid(error, "identity", NULL);
        return false;
    }
    plan->selection.lifetime = EG_LIFETIME_PARTICIPANT;
    plan->selection.identity = g_strdup(participant->identity);
    plan->subject = plan->selection.identity;
    for (EgMedia media = EG_MEDIA_AUDIO; media <= EG_MEDIA_VIDEO; media++) {
        EgRule *rule = eg_selection_add(&plan->selection, media, EG_ROUTE_BOTH);
        rule->identity = g_strdup(participant->identity);
        rule->share = participant->screen_share ? EG_SHARE_YES : EG_SHARE_NO;
    }
    const EgPlanOutputLists lists = {LISTS(participant)};
    READ_ENCODING(&draft->encoding, participant, PARTICIPANT);
    eg_plan_read_lists(&lists, &draft->outputs);
    draft->room_name = participant->room_name;
    draft->cpu_cost = config->cost.participant;
    return true;
}

bool eg_plan_parse_track_composite(const Rpc__StartEgressRequest *request, const EgConfig *config,
                                   EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    const Livekit__TrackCompositeEgressRequest *composite = request->track_composite;
    if (eg_plan_is_empty(composite->audio_track_id) &&
        eg_plan_is_empty(composite->video_track_id)) {
        eg_request_invalid(error, "audio_track_id or video_track_id", NULL);
        return false;
    }
    plan->selection.lifetime = EG_LIFETIME_TRACKS;
    eg_plan_select_track(plan, EG_MEDIA_AUDIO, composite->audio_track_id);
    eg_plan_select_track(plan, EG_MEDIA_VIDEO, composite->video_track_id);

    EgPlanOutputLists lists = {LISTS(composite)};
    READ_SINGLE(&lists, composite, TRACK_COMPOSITE);
    READ_ENCODING(&draft->encoding, composite, TRACK_COMPOSITE);
    eg_plan_read_lists(&lists, &draft->outputs);
    draft->room_name = composite->room_name;
    draft->cpu_cost = config->cost.track_composite;
    return true;
}

bool eg_plan_parse_track(const Rpc__StartEgressRequest *request, const EgConfig *config,
                         EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    const Livekit__TrackEgressRequest *track = request->track;
    if (eg_plan_is_empty(track->track_id)) {
        eg_request_invalid(error, "track_id", NULL);
        return false;
    }
    plan->selection.lifetime = EG_LIFETIME_TRACKS;
    eg_plan_select_track(plan, EG_MEDIA_AUDIO, track->track_id);
    plan->subject = g_array_index(plan->selection.audio, EgRule, 0).track_id;
    eg_plan_read_track(track, &draft->outputs);
    draft->room_name = track->room_name;
    draft->cpu_cost = config->cost.track;
    /* A WebSocket carries sound; a file whichever the track turns out to be, as it is. */
    if (draft->outputs.counts[EG_OUTPUT_STREAM] == 0) {
        eg_plan_select_track(plan, EG_MEDIA_VIDEO, track->track_id);
        plan->processing = EG_PROCESSING_PASSTHROUGH;
        draft->encoding.is_by_codec = true;
    }
    return true;
}

bool eg_plan_parse_replay(const Rpc__StartEgressRequest *request, const EgConfig *config,
                          EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    (void)request;
    (void)config;
    (void)draft;
    (void)plan;
    eg_request_unimplemented(error, "replay: there are no replays here; a room can be recorded "
                                    "while it lasts");
    return false;
}
