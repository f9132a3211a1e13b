#include "request/plan.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "request/encoding.h"
#include "request/filename.h"
#include "request/grant.h"
#include "request/invalid.h"

/* A token that ends this much earlier by our clock may still be good by the server's. */
#define CLOCK_LEEWAY_NS (60 * EG_NS_PER_S)

/* What the kinds of requests have in common; strings belong to the request. */
typedef struct {
    const char *room_name;
    bool has_output;
    const char *filepath;
    EgEncodingRequest encoding;
} Draft;

typedef struct {
    Rpc__StartEgressRequest__RequestCase request_case;
    double cpu_cost;
    /* Fills the draft and the plan's selection. */
    bool (*parse)(const Rpc__StartEgressRequest *request, Draft *draft, EgPlan *plan,
                  GError **error);
} Kind;

static bool is_empty(const char *text)
{
    return text == NULL || *text == '\0';
}

/* NULL for what proto3 calls not set. */
static char *dup_set(const char *text)
{
    return is_empty(text) ? NULL : g_strdup(text);
}

/* `file` is the deprecated single output, used when the list is empty. */
static bool parse_files(Livekit__EncodedFileOutput *const *files, gsize n_files,
                        const Livekit__EncodedFileOutput *file, Draft *draft, GError **error)
{
    if (n_files > 1) {
        eg_request_invalid(error, "multiple file outputs", NULL);
        return false;
    }
    if (n_files == 1)
        file = files[0];
    if (file == NULL)
        return true;
    draft->has_output = true;
    draft->filepath = file->filepath;
    draft->encoding.file_type = file->file_type;
    return true;
}

static bool parse_participant(const Rpc__StartEgressRequest *request, Draft *draft, EgPlan *plan,
                              GError **error)
{
    const Livekit__ParticipantEgressRequest *participant = request->participant;
    if (is_empty(participant->identity)) {
        eg_request_invalid(error, "identity", NULL);
        return false;
    }
    plan->selection.identity = g_strdup(participant->identity);
    plan->selection.screen_share = participant->screen_share;
    plan->selection.has_audio = true;
    plan->selection.has_video = true;

    draft->room_name = participant->room_name;
    if (participant->options_case == LIVEKIT__PARTICIPANT_EGRESS_REQUEST__OPTIONS_PRESET) {
        draft->encoding.has_preset = true;
        draft->encoding.preset = participant->preset;
    } else if (participant->options_case == LIVEKIT__PARTICIPANT_EGRESS_REQUEST__OPTIONS_ADVANCED) {
        draft->encoding.advanced = participant->advanced;
    }
    return parse_files(participant->file_outputs, participant->n_file_outputs, NULL, draft, error);
}

static bool parse_track_composite(const Rpc__StartEgressRequest *request, Draft *draft,
                                  EgPlan *plan, GError **error)
{
    const Livekit__TrackCompositeEgressRequest *composite = request->track_composite;
    plan->selection.audio_track_id = dup_set(composite->audio_track_id);
    plan->selection.video_track_id = dup_set(composite->video_track_id);
    plan->selection.has_audio = plan->selection.audio_track_id != NULL;
    plan->selection.has_video = plan->selection.video_track_id != NULL;
    if (!plan->selection.has_audio && !plan->selection.has_video) {
        eg_request_invalid(error, "audio_track_id or video_track_id", NULL);
        return false;
    }

    draft->room_name = composite->room_name;
    if (composite->options_case == LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OPTIONS_PRESET) {
        draft->encoding.has_preset = true;
        draft->encoding.preset = composite->preset;
    } else if (composite->options_case ==
               LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OPTIONS_ADVANCED) {
        draft->encoding.advanced = composite->advanced;
    }
    const Livekit__EncodedFileOutput *file =
        composite->output_case == LIVEKIT__TRACK_COMPOSITE_EGRESS_REQUEST__OUTPUT_FILE
            ? composite->file
            : NULL;
    return parse_files(composite->file_outputs, composite->n_file_outputs, file, draft, error);
}

static bool parse_track(const Rpc__StartEgressRequest *request, Draft *draft, EgPlan *plan,
                        GError **error)
{
    const Livekit__TrackEgressRequest *track = request->track;
    if (is_empty(track->track_id)) {
        eg_request_invalid(error, "track_id", NULL);
        return false;
    }
    if (track->output_case == LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_WEBSOCKET_URL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "websocket_url is not yet supported");
        return false;
    }
    plan->selection.track_id = g_strdup(track->track_id);
    plan->selection.has_audio = true;
    plan->selection.has_video = true;
    plan->processing = EG_PROCESSING_PASSTHROUGH;

    draft->room_name = track->room_name;
    draft->has_output = track->output_case == LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_FILE;
    if (draft->has_output)
        draft->filepath = track->file->filepath;
    return true;
}

static const Kind kinds[] = {
    {RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT,     2.0, parse_participant    },
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE, 1.0, parse_track_composite},
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK,           0.5, parse_track          },
};

static const Kind *find_kind(Rpc__StartEgressRequest__RequestCase request_case)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].request_case == request_case)
            return &kinds[i];
    }
    return NULL;
}

/* A retry must not write over what the try before it has left. */
static bool settle_file(const Draft *draft, EgPlan *plan, GError **error)
{
    if (!draft->has_output) {
        eg_request_invalid(error, "output", NULL);
        return false;
    }
    plan->file.path_template = g_strdup(draft->filepath != NULL ? draft->filepath : "");
    const char *template = plan->file.path_template;
    if (plan->retry_count > 0 && *template != '\0' && !g_str_has_suffix(template, "/") &&
        strstr(template, "{retry}") == NULL) {
        eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                     "output configuration does not support retry: filepath needs {retry}");
        return false;
    }
    return eg_filename_check(template, error);
}

static bool check_grant(const EgGrant *grant, const EgPlan *plan, GError **error)
{
    if (grant->expires_ns != 0 && grant->expires_ns + CLOCK_LEEWAY_NS < eg_wall_now_ns()) {
        g_autoptr(GDateTime) date = g_date_time_new_from_unix_utc(grant->expires_ns / EG_NS_PER_S);
        g_autofree char *text = g_date_time_format(date, "%Y-%m-%dT%H:%M:%SZ");
        eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST, "token has expired at %s",
                     text);
        return false;
    }
    if (!grant->can_join || !grant->can_subscribe) {
        eg_error_set(error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_REQUEST,
                     "token does not allow to join a room and subscribe; it needs the grants "
                     "roomJoin and canSubscribe");
        return false;
    }
    if (grant->room != NULL && strcmp(grant->room, plan->room_name) != 0) {
        eg_request_invalid(error, "token", "it is for room %s, not for %s", grant->room,
                           plan->room_name);
        return false;
    }
    return true;
}

static bool settle_room_name(const Rpc__StartEgressRequest *request, const Draft *draft,
                             const EgGrant *grant, EgPlan *plan, GError **error)
{
    if (!is_empty(draft->room_name))
        plan->room_name = g_strdup(draft->room_name);
    else if (!is_empty(request->room_name))
        plan->room_name = g_strdup(request->room_name);
    else if (grant != NULL)
        plan->room_name = dup_set(grant->room);
    if (plan->room_name != NULL)
        return true;
    eg_request_invalid(error, "room_name", NULL);
    return false;
}

static bool settle_token(const Rpc__StartEgressRequest *request, const Draft *draft,
                         const EgConfig *config, EgPlan *plan, GError **error)
{
    if (is_empty(request->token)) {
        if (is_empty(config->api_key) || is_empty(config->api_secret)) {
            eg_request_invalid(error, "token or api key/secret", NULL);
            return false;
        }
        return settle_room_name(request, draft, NULL, plan, error);
    }
    g_autoptr(EgGrant) grant = eg_grant_parse(request->token, error);
    if (grant == NULL)
        return false;
    plan->token = g_strdup(request->token);
    return settle_room_name(request, draft, grant, plan, error) && check_grant(grant, plan, error);
}

static bool settle_url(const Rpc__StartEgressRequest *request, const EgConfig *config, EgPlan *plan,
                       GError **error)
{
    static const char *const schemes[] = {"ws", "wss", "http", "https", NULL};
    const char *url = !is_empty(request->ws_url) ? request->ws_url : config->ws_url;
    if (is_empty(url)) {
        eg_request_invalid(error, "ws_url", NULL);
        return false;
    }
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    if (uri == NULL || !g_strv_contains(schemes, g_uri_get_scheme(uri)) ||
        is_empty(g_uri_get_host(uri))) {
        eg_request_invalid(error, "ws_url", "%s; it is written ws://host:port or wss://host", url);
        return false;
    }
    plan->ws_url = g_strdup(url);
    return true;
}

static bool settle_numbers(const Rpc__StartEgressRequest *request, const Kind *kind, EgPlan *plan,
                           GError **error)
{
    if (request->retry_count < 0) {
        eg_request_invalid(error, "retry_count", "%d", request->retry_count);
        return false;
    }
    plan->retry_count = (guint)request->retry_count;
    plan->cpu_cost = request->estimated_cpu > 0 ? request->estimated_cpu : kind->cpu_cost;
    return true;
}

EgPlan *eg_plan_new(const Rpc__StartEgressRequest *request, const EgConfig *config, GError **error)
{
    if (is_empty(request->egress_id)) {
        eg_request_invalid(error, "egressID", NULL);
        return NULL;
    }
    const Kind *kind = find_kind(request->request_case);
    if (kind == NULL) {
        eg_request_invalid(error, "request", NULL);
        return NULL;
    }
    g_autoptr(EgPlan) plan = g_new0(EgPlan, 1);
    plan->egress_id = g_strdup(request->egress_id);
    plan->room_id = dup_set(request->room_id);

    Draft draft = {0};
    if (!settle_numbers(request, kind, plan, error) || !kind->parse(request, &draft, plan, error) ||
        !settle_file(&draft, plan, error) || !settle_token(request, &draft, config, plan, error) ||
        !settle_url(request, config, plan, error) ||
        !eg_encoding_settle(&draft.encoding, plan, error))
        return NULL;
    return g_steal_pointer(&plan);
}

void eg_plan_free(EgPlan *plan)
{
    if (plan == NULL)
        return;
    g_free(plan->egress_id);
    g_free(plan->room_name);
    g_free(plan->room_id);
    g_free(plan->ws_url);
    g_free(plan->token);
    g_free(plan->selection.identity);
    g_free(plan->selection.audio_track_id);
    g_free(plan->selection.video_track_id);
    g_free(plan->selection.track_id);
    g_free(plan->file.path_template);
    g_free(plan);
}

const char *eg_plan_subject(const EgPlan *plan)
{
    if (plan->selection.identity != NULL)
        return plan->selection.identity;
    return plan->selection.track_id != NULL ? plan->selection.track_id : plan->room_name;
}
