#include "service/egresses.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "request/destination.h"
#include "request/plan.h"
#include "service/callers.h"
#include "service/egress.h"
#include "session/disk.h"

struct _EgEgresses {
    EgLoop *loop;
    EgEgressesParams params;
    EgEgressesEvents events;
    gpointer user;
    EgForkServer *fork_server;
    EgEgressContext context;
    GPtrArray *all; /* EgEgress */
    bool is_closed;
};

static EgEgress *find(const EgEgresses *egresses, const char *egress_id)
{
    for (guint i = 0; i < egresses->all->len; i++) {
        EgEgress *egress = egresses->all->pdata[i];
        if (strcmp(eg_egress_id(egress), egress_id) == 0)
            return egress;
    }
    return NULL;
}

/* Others need not wait for a store that is slow: what uploads take is measured. */
static void on_recorded(gpointer owner, const EgEgress *egress)
{
    const EgEgresses *egresses = owner;
    eg_admission_release(egresses->params.admission, eg_egress_id(egress));
}

static void on_gone(gpointer owner, EgEgress *egress)
{
    EgEgresses *egresses = owner;
    EgEgressEnd end;
    eg_egress_get_end(egress, &end);
    eg_admission_release(egresses->params.admission, end.egress_id);
    egresses->events.ended(egresses->user, &end);
    g_ptr_array_remove(egresses->all, egress);
}

/* The fork server's side. */

static void on_process_started(gpointer user, const char *egress_id, int pid)
{
    EgEgresses *egresses = user;
    EgEgress *egress = find(egresses, egress_id);
    if (egress == NULL)
        return;
    eg_egress_set_process(egress, pid);
    egresses->events.process_started(egresses->user, egress_id, pid);
}

static void on_process_exited(gpointer user, const char *egress_id, int status)
{
    EgEgress *egress = find(user, egress_id);
    if (egress != NULL)
        eg_egress_set_exited(egress, status);
}

static void on_process_lost(gpointer user, const char *egress_id, const char *reason)
{
    EgEgress *egress = find(user, egress_id);
    if (egress != NULL)
        eg_egress_set_unwatched(egress, reason);
}

static const EgForkServerEvents fork_server_events = {
    .started = on_process_started,
    .exited = on_process_exited,
    .lost = on_process_lost,
};

static void free_egress(gpointer egress)
{
    eg_egress_free(egress);
}

EgEgresses *eg_egresses_new(EgLoop *loop, const EgEgressesParams *params,
                            const EgEgressesEvents *events, gpointer user, GError **error)
{
    g_autoptr(EgEgresses) egresses = g_new0(EgEgresses, 1);
    egresses->loop = loop;
    egresses->params = *params;
    egresses->events = *events;
    egresses->user = user;
    egresses->all = g_ptr_array_new_with_free_func(free_egress);
    egresses->fork_server =
        eg_fork_server_new(loop, params->log, &fork_server_events, egresses, error);
    if (egresses->fork_server == NULL)
        return NULL;
    egresses->context = (EgEgressContext){
        .loop = loop,
        .params = &egresses->params,
        .events = &egresses->events,
        .user = user,
        .fork_server = egresses->fork_server,
        .recorded = on_recorded,
        .gone = on_gone,
        .owner = egresses,
    };
    return g_steal_pointer(&egresses);
}

void eg_egresses_free(EgEgresses *egresses)
{
    if (egresses == NULL)
        return;
    g_ptr_array_unref(egresses->all);
    eg_fork_server_free(egresses->fork_server);
    g_free(egresses);
}

/* Starting. */

static bool check_id(const char *egress_id, GError **error)
{
    static const char allowed[] = G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-";
    gsize length = strlen(egress_id);
    if (length > 0 && length <= EG_FORK_ID_MAX_LENGTH && strspn(egress_id, allowed) == length)
        return true;
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "request has missing or invalid field: egressID (letters, digits, _ and -, at "
                 "most %d)",
                 EG_FORK_ID_MAX_LENGTH);
    return false;
}

/* The plan of what would be taken now. */
static EgPlan *plan_if_possible(EgEgresses *egresses, const Rpc__StartEgressRequest *request,
                                GError **error)
{
    const EgEgressesParams *params = &egresses->params;
    if (egresses->is_closed) {
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "server is shutting down");
        return NULL;
    }
    if (!check_id(request->egress_id, error))
        return NULL;
    g_autoptr(EgPlan) plan = eg_plan_new(request, params->config, error);
    if (plan == NULL || !eg_destination_check(plan, EG_DESTINATION_MAY_MAKE_FOLDERS, error) ||
        !eg_disk_check_plan(plan, params->config, params->spool_root, error) ||
        !eg_admission_check(params->admission, plan->cpu_cost, plan->memory_cost_bytes, eg_now_ns(),
                            error))
        return NULL;
    return g_steal_pointer(&plan);
}

bool eg_egresses_check(EgEgresses *egresses, const Rpc__StartEgressRequest *request, GError **error)
{
    if (find(egresses, request->egress_id) != NULL)
        return true;
    g_autoptr(EgPlan) plan = plan_if_possible(egresses, request, error);
    return plan != NULL;
}

/* Whose creation is under way; it may be over before that. */
typedef struct {
    EgEgresses *egresses;
    char *id;
} Creation;

static void on_created(gpointer user, const GError *error)
{
    Creation *creation = user;
    EgEgress *egress = find(creation->egresses, creation->id);
    g_free(creation->id);
    g_free(creation);
    if (egress != NULL)
        eg_egress_set_created(egress, error);
}

/* Makes it known: to the admission, on disk and to the world. */
static void add(EgEgresses *egresses, EgEgress *egress, const EgPlan *plan)
{
    const EgEgressesParams *params = &egresses->params;
    EgEgressView view;
    eg_egress_get_view(egress, &view);
    g_ptr_array_add(egresses->all, egress);
    eg_admission_hold(params->admission, eg_egress_id(egress), plan->cpu_cost,
                      plan->memory_cost_bytes, eg_now_ns());
    egresses->events.changed(egresses->user, view.info);
    Creation *creation = g_new(Creation, 1);
    *creation = (Creation){.egresses = egresses, .id = g_strdup(eg_egress_id(egress))};
    eg_reporter_create(params->reporter, view.info, on_created, creation);
}

void eg_egresses_start(EgEgresses *egresses, const Rpc__StartEgressRequest *request,
                       EgEgressDone done, gpointer user)
{
    eg_loop_assert_owner(egresses->loop);
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = NULL;
    EgEgress *egress = find(egresses, request->egress_id);
    if (egress == NULL) {
        plan = plan_if_possible(egresses, request, &error);
        if (plan != NULL)
            egress = eg_egress_new(&egresses->context, request, plan, &error);
        if (egress == NULL) {
            eg_info(egresses->context.params->log, "request refused",
                    EG_STR("egressID", request->egress_id),
                    EG_STR("code", eg_error_code_name(eg_error_code(error))),
                    EG_STR("error", error->message));
            eg_callers_answer_one(egresses->loop, done, user, NULL, error);
            return;
        }
        add(egresses, egress, plan);
    }
    eg_egress_wait_started(egress, done, user);
}

/* Asking. */

/* NULL: the caller is told so. */
static EgEgress *find_for(EgEgresses *egresses, const char *egress_id, EgEgressDone done,
                          gpointer user)
{
    eg_loop_assert_owner(egresses->loop);
    EgEgress *egress = find(egresses, egress_id);
    if (egress != NULL)
        return egress;
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "egress not found");
    eg_callers_answer_one(egresses->loop, done, user, NULL, error);
    return NULL;
}

void eg_egresses_stop(EgEgresses *egresses, const char *egress_id, EgEndReason reason,
                      EgEgressDone done, gpointer user)
{
    EgEgress *egress = find_for(egresses, egress_id, done, user);
    if (egress != NULL)
        eg_egress_stop(egress, reason, done, user);
}

void eg_egresses_kill(EgEgresses *egresses, const char *egress_id, const EgEgressKill *kill)
{
    eg_loop_assert_owner(egresses->loop);
    EgEgress *egress = find(egresses, egress_id);
    if (egress != NULL)
        eg_egress_kill(egress, kill);
}

void eg_egresses_update_stream(EgEgresses *egresses, const Livekit__UpdateStreamRequest *request,
                               EgEgressDone done, gpointer user)
{
    EgEgress *egress = find_for(egresses, request->egress_id, done, user);
    if (egress != NULL)
        eg_egress_update_stream(egress, request, done, user);
}

typedef struct {
    void (*done)(gpointer user, const char *graph);
    gpointer user;
} Undescribed;

static void answer_undescribed(gpointer data)
{
    const Undescribed *undescribed = data;
    undescribed->done(undescribed->user, NULL);
}

void eg_egresses_describe_graph(EgEgresses *egresses, const char *egress_id,
                                void (*done)(gpointer user, const char *graph), gpointer user)
{
    eg_loop_assert_owner(egresses->loop);
    EgEgress *egress = find(egresses, egress_id);
    if (egress != NULL) {
        eg_egress_describe_graph(egress, done, user);
        return;
    }
    Undescribed *undescribed = g_new(Undescribed, 1);
    *undescribed = (Undescribed){.done = done, .user = user};
    eg_loop_post(egresses->loop, answer_undescribed, undescribed, g_free);
}

int eg_egresses_start_process(EgEgresses *egresses, const char *egress_id, GError **error)
{
    eg_loop_assert_owner(egresses->loop);
    return eg_fork_server_start(egresses->fork_server, egress_id, error);
}

void eg_egresses_close(EgEgresses *egresses)
{
    egresses->is_closed = true;
}

bool eg_egresses_is_closed(const EgEgresses *egresses)
{
    return egresses->is_closed;
}

void eg_egresses_end_all(EgEgresses *egresses)
{
    for (guint i = 0; i < egresses->all->len; i++)
        eg_egress_end(egresses->all->pdata[i]);
}

guint eg_egresses_count(const EgEgresses *egresses)
{
    return egresses->all->len;
}

guint eg_egresses_n_recording(const EgEgresses *egresses)
{
    guint n = 0;
    for (guint i = 0; i < egresses->all->len; i++)
        n += eg_egress_is_recording(egresses->all->pdata[i]);
    return n;
}

void eg_egresses_get(const EgEgresses *egresses, guint index, EgEgressView *view)
{
    eg_egress_get_view(egresses->all->pdata[index], view);
}

bool eg_egresses_find(const EgEgresses *egresses, const char *egress_id, EgEgressView *view)
{
    const EgEgress *egress = find(egresses, egress_id);
    if (egress != NULL)
        eg_egress_get_view(egress, view);
    return egress != NULL;
}
