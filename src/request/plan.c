#include "request/plan-private.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "request/grant.h"
#include "request/invalid.h"

/* A token that ends this much earlier by our clock may still be good by the server's. */
#define CLOCK_LEEWAY_NS (60 * EG_NS_PER_S)

typedef struct {
    Rpc__StartEgressRequest__RequestCase request_case;
    const char *type; /* NULL: by what the request says of its source */
    EgPlanParse parse;
} Kind;

static const Kind kinds[] = {
    {RPC__START_EGRESS_REQUEST__REQUEST_ROOM_COMPOSITE,  "room_composite",
     eg_plan_parse_room_composite                                                                    },
    {RPC__START_EGRESS_REQUEST__REQUEST_WEB,             "web",             eg_plan_parse_web        },
    {RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT,     "participant",     eg_plan_parse_participant},
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE, "track_composite",
     eg_plan_parse_track_composite                                                                   },
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK,           "track",           eg_plan_parse_track      },
    {RPC__START_EGRESS_REQUEST__REQUEST_EGRESS,          NULL,              eg_plan_parse_egress     },
    {RPC__START_EGRESS_REQUEST__REQUEST_REPLAY,          NULL,              eg_plan_parse_replay     },
};

static const Kind *find_kind(Rpc__StartEgressRequest__RequestCase request_case)
{
    for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].request_case == request_case)
            return &kinds[i];
    }
    return NULL;
}

/* NULL for what proto3 calls not set. */
static char *dup_set(const char *text)
{
    return eg_plan_is_empty(text) ? NULL : g_strdup(text);
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

static bool settle_room_name(const Rpc__StartEgressRequest *request, const EgPlanDraft *draft,
                             const EgGrant *grant, EgPlan *plan, GError **error)
{
    if (!eg_plan_is_empty(draft->room_name))
        plan->room_name = g_strdup(draft->room_name);
    else if (!eg_plan_is_empty(request->room_name))
        plan->room_name = g_strdup(request->room_name);
    else if (grant != NULL)
        plan->room_name = dup_set(grant->room);
    if (plan->room_name != NULL)
        return true;
    eg_request_invalid(error, "room_name", NULL);
    return false;
}

static bool settle_token(const Rpc__StartEgressRequest *request, const EgPlanDraft *draft,
                         const EgConfig *config, EgPlan *plan, GError **error)
{
    if (eg_plan_is_empty(request->token)) {
        if (eg_plan_is_empty(config->api_key) || eg_plan_is_empty(config->api_secret)) {
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
    const char *url = !eg_plan_is_empty(request->ws_url) ? request->ws_url : config->ws_url;
    if (eg_plan_is_empty(url)) {
        eg_request_invalid(error, "ws_url", NULL);
        return false;
    }
    g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
    if (uri == NULL || !g_strv_contains(schemes, g_uri_get_scheme(uri)) ||
        eg_plan_is_empty(g_uri_get_host(uri))) {
        eg_request_invalid(error, "ws_url", "%s; it is written ws://host:port or wss://host", url);
        return false;
    }
    plan->ws_url = g_strdup(url);
    return true;
}

static bool settle_room(const Rpc__StartEgressRequest *request, const EgPlanDraft *draft,
                        const EgConfig *config, EgPlan *plan, GError **error)
{
    return draft->has_no_room || (settle_token(request, draft, config, plan, error) &&
                                  settle_url(request, config, plan, error));
}

static bool settle_retry(const Rpc__StartEgressRequest *request, EgPlan *plan, GError **error)
{
    if (request->retry_count < 0) {
        eg_request_invalid(error, "retry_count", "%d", request->retry_count);
        return false;
    }
    plan->retry_count = (guint)request->retry_count;
    return true;
}

static void settle_costs(const Rpc__StartEgressRequest *request, const EgPlanDraft *draft,
                         EgPlan *plan)
{
    bool is_estimated = isfinite(request->estimated_cpu) && request->estimated_cpu > 0;
    plan->cpu_cost = is_estimated ? request->estimated_cpu : draft->cpu_cost;
    plan->memory_cost_bytes = draft->memory_cost_bytes;
}

static bool settle(const Rpc__StartEgressRequest *request, const EgConfig *config,
                   EgPlanDraft *draft, EgPlan *plan, GError **error)
{
    const Kind *kind = find_kind(request->request_case);
    if (kind == NULL) {
        eg_request_invalid(error, "request", NULL);
        return false;
    }
    plan->type = kind->type;
    if (!settle_retry(request, plan, error) || !kind->parse(request, config, draft, plan, error) ||
        !settle_room(request, draft, config, plan, error) ||
        !eg_plan_settle_outputs(draft, config, plan, error) ||
        !eg_encoding_settle(&draft->encoding, plan, error))
        return false;
    settle_costs(request, draft, plan);
    return true;
}

EgPlan *eg_plan_new(const Rpc__StartEgressRequest *request, const EgConfig *config, GError **error)
{
    if (eg_plan_is_empty(request->egress_id)) {
        eg_request_invalid(error, "egressID", NULL);
        return NULL;
    }
    g_autoptr(EgPlan) plan = g_new0(EgPlan, 1);
    eg_selection_init(&plan->selection);
    plan->source = EG_SOURCE_ROOM;
    plan->warnings = g_ptr_array_new_with_free_func(g_free);
    plan->egress_id = g_strdup(request->egress_id);
    plan->room_id = dup_set(request->room_id);
    EgPlanDraft draft = {
        .memory_cost_bytes = config->cost.memory_bytes,
        .outputs = {.requests = g_array_new(FALSE, TRUE, sizeof(EgOutputRequest))},
    };
    bool is_settled = settle(request, config, &draft, plan, error);
    g_array_unref(draft.outputs.requests);
    return is_settled ? g_steal_pointer(&plan) : NULL;
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
    g_free(plan->page.url);
    g_free(plan->page.layout);
    g_ptr_array_unref(plan->warnings);
    eg_selection_clear(&plan->selection);
    for (guint i = 0; i < plan->n_outputs; i++) {
        g_free(plan->outputs[i].path_template);
        g_free(plan->outputs[i].url);
        g_free(plan->outputs[i].id);
        g_free(plan->outputs[i].segments.playlist_template);
        g_free(plan->outputs[i].segments.live_playlist_template);
        eg_storage_unref(plan->outputs[i].storage);
        eg_storage_unref(plan->outputs[i].backup);
    }
    g_free(plan->outputs);
    g_free(plan);
}

const char *eg_plan_subject(const EgPlan *plan)
{
    return plan->subject != NULL ? plan->subject : plan->room_name;
}
