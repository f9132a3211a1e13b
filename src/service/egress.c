#include "service/egress.h"

#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/time.h"
#include "bus/channel.h"
#include "egress_ipc.pb-c.h"
#include "proto/message.h"
#include "report/report.h"
#include "service/callers.h"
#include "service/pulse.h"

/* A process that has nothing more to say and does not end is ended. */
#define EXIT_NS (10 * EG_NS_PER_S)

/* The longest that a caller of StopEgress waits to see its egress ending: the server asks again
 * after 3 s. */
#define STOP_NS (2 * EG_NS_PER_S)

typedef enum {
    PHASE_NONE,
    PHASE_STARTING, /* until it is created and its process has answered */
    PHASE_RUNNING,
    PHASE_FINAL, /* has its final report; its process is about to end */
} Phase;

struct _EgEgress {
    const EgEgressContext *context;
    Phase phase;
    const char *type; /* static */
    double cpu_cost;
    char *id;
    Rpc__StartEgressRequest *request;
    Livekit__EgressInfo *info; /* the last */
    EgChannel *channel;
    EgPulse *pulse;      /* of its process */
    EgTimer *stop_timer; /* tells the stoppers in any case */
    EgTimer *exit_timer;
    EgCallers *starters;
    EgCallers *stoppers;
    EgCallers *updaters;
    GArray *describers; /* Describer */
    int pid;            /* 0 until it is known */
    int exit_status;
    EgEndReason stop_reason; /* the first that it was told; NONE */
    GError *kill_error;      /* NULL: nobody has killed it */
    EgEndReason kill_reason;
    const char *kill_result;
    const char *result; /* NULL: as its process has ended */
    char *loss;         /* why nobody knows how it has ended */
    bool is_created;    /* its creation was acknowledged... */
    bool is_refused;    /* ...or not taken: nothing more is reported */
    bool has_answered;
    bool is_disowned;
    bool has_exited;
    bool has_uploads;
    guint n_waiting_files;
    guint n_waiting_playlists;
    bool is_recorded;
    bool is_ended_by_service;
};

typedef struct {
    void (*done)(gpointer user, const char *graph);
    gpointer user;
} Describer;

static bool is_final(const Livekit__EgressInfo *info)
{
    return info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE;
}

static Livekit__EgressInfo *copy_info(const Livekit__EgressInfo *info)
{
    return (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
}

/* To its process. */

static void send_command(EgEgress *egress, const Egress__Command *command)
{
    if (egress->channel != NULL)
        eg_channel_send(egress->channel, &command->base);
}

static void send_start(EgEgress *egress)
{
    const EgEgressesParams *params = egress->context->params;
    g_autoptr(GPtrArray) environment = eg_fork_server_kept(params->environment);
    Egress__Start start = EGRESS__START__INIT;
    Egress__Command command = EGRESS__COMMAND__INIT;
    start.request = egress->request;
    start.config_body = (char *)params->config_body;
    start.n_environment = environment->len;
    start.environment = (char **)environment->pdata;
    start.started_at = egress->info->started_at;
    start.spool_root = (char *)params->spool_root;
    start.spool_owner = (char *)params->spool_owner;
    command.command_case = EGRESS__COMMAND__COMMAND_START;
    command.start = &start;
    send_command(egress, &command);
}

static void send_stop(EgEgress *egress, EgEndReason reason)
{
    static const Egress__Stop__Reason reasons[EG_N_ENDS] = {
        [EG_END_STOPPED] = EGRESS__STOP__REASON__REQUESTED,
        [EG_END_KILLED] = EGRESS__STOP__REASON__KILLED,
        [EG_END_CPU] = EGRESS__STOP__REASON__CPU,
    };
    Egress__Stop stop = EGRESS__STOP__INIT;
    Egress__Command command = EGRESS__COMMAND__INIT;
    stop.reason = reasons[reason];
    command.command_case = EGRESS__COMMAND__COMMAND_STOP;
    command.stop = &stop;
    send_command(egress, &command);
}

static void send_ping(gpointer user)
{
    Egress__Ping ping = EGRESS__PING__INIT;
    Egress__Command command = EGRESS__COMMAND__INIT;
    command.command_case = EGRESS__COMMAND__COMMAND_PING;
    command.ping = &ping;
    send_command(user, &command);
}

/* What becomes of it. */

static void answer_describers(EgEgress *egress, const char *graph)
{
    for (guint i = 0; i < egress->describers->len; i++) {
        const Describer *describer = &g_array_index(egress->describers, Describer, i);
        describer->done(describer->user, graph);
    }
    g_array_set_size(egress->describers, 0);
}

static void answer_stoppers(EgEgress *egress)
{
    eg_timer_clear(egress->stop_timer);
    eg_callers_answer(egress->stoppers, egress->info, NULL);
}

static void answer_updaters(EgEgress *egress)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                 "the egress has ended: it cannot be updated");
    eg_callers_answer(egress->updaters, NULL, error);
}

static void begin_final(EgEgress *egress)
{
    egress->phase = PHASE_FINAL;
    eg_pulse_stop(egress->pulse);
    answer_stoppers(egress);
    eg_timer_set_after(egress->exit_timer, EXIT_NS);
}

/* Replaces what is known of it, and passes it on. */
static void set_info(EgEgress *egress, const Livekit__EgressInfo *info)
{
    const EgEgressContext *context = egress->context;
    livekit__egress_info__free_unpacked(egress->info, NULL);
    egress->info = copy_info(info);
    if (egress->is_refused)
        return;
    context->events->changed(context->user, egress->info);
    eg_reporter_update(context->params->reporter, egress->info);
}

/* Its process could not say it itself. */
static void set_failed(EgEgress *egress, EgEndReason reason, const GError *error)
{
    g_autoptr(EgReport) report = eg_report_new_from_info(egress->info, NULL);
    eg_report_locate_files(report);
    eg_report_set_ended(report, LIVEKIT__EGRESS_STATUS__EGRESS_FAILED, reason, error,
                        eg_wall_now_ns());
    set_info(egress, eg_report_info(report));
}

/* What it has left is brought where it belongs before anybody says how it has ended. */
static bool hand_over(EgEgress *egress, EgEndReason reason, const GError *error)
{
    const EgEgressContext *context = egress->context;
    const EgLeftoversEnding ending = {.info = egress->info, .reason = reason, .error = error};
    if (egress->is_refused || !context->events->left(context->user, egress->id, &ending))
        return false;
    if (egress->info->status < LIVEKIT__EGRESS_STATUS__EGRESS_ENDING) {
        g_autoptr(EgReport) report = eg_report_new_from_info(egress->info, NULL);
        eg_report_set_ending(report, reason, eg_wall_now_ns());
        set_info(egress, eg_report_info(report));
    }
    return true;
}

static void end_start(EgEgress *egress, const GError *error)
{
    eg_callers_answer(egress->starters, egress->info, error);
    if (error == NULL && egress->phase == PHASE_STARTING)
        egress->phase = PHASE_RUNNING;
}

static void end_start_if_complete(EgEgress *egress)
{
    if (egress->is_created && egress->has_answered)
        end_start(egress, NULL);
}

static char *describe_exit(const EgEgress *egress)
{
    int status = egress->exit_status;
    if (egress->loss != NULL)
        return g_strdup(egress->loss);
    if (WIFSIGNALED(status))
        return g_strdup_printf("egress process was killed by signal %d (%s)", WTERMSIG(status),
                               g_strsignal(WTERMSIG(status)));
    return g_strdup_printf("egress process ended with code %d", WEXITSTATUS(status));
}

static void warn_of_exit(const EgEgress *egress, const char *what)
{
    g_autofree char *text = describe_exit(egress);
    eg_warn(egress->context->params->log, what, EG_STR("egressID", egress->id),
            EG_STR("error", text));
}

/* It has ended without a final report. */
static void fail(EgEgress *egress)
{
    EgEndReason reason = EG_END_FAILURE;
    g_autoptr(GError) error = NULL;
    if (egress->kill_error != NULL) {
        reason = egress->kill_reason;
        error = g_error_copy(egress->kill_error);
        egress->result = egress->kill_result;
    } else {
        g_autofree char *text = describe_exit(egress);
        eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s", text);
        warn_of_exit(egress, "egress process died");
    }
    if (!hand_over(egress, reason, error))
        set_failed(egress, reason, error);
    answer_stoppers(egress);
    end_start(egress, error);
}

/* The process is gone, and what it had to say was read: its socket gives it all before its end. */
static void finish_if_gone(EgEgress *egress)
{
    if (!egress->has_exited || egress->channel != NULL)
        return;
    const EgEgressContext *context = egress->context;
    if (egress->phase != PHASE_FINAL)
        fail(egress);
    else if (egress->exit_status != 0)
        warn_of_exit(egress, "egress process died after its end");
    answer_describers(egress, NULL);
    answer_updaters(egress);
    context->gone(context->owner, egress);
}

/* From its process. */

static void on_info(EgEgress *egress, const Livekit__EgressInfo *info)
{
    if (egress->phase == PHASE_FINAL || strcmp(info->egress_id, egress->id) != 0)
        return;
    /* The first says what the creation has said. */
    bool is_news = egress->has_answered || info->status != egress->info->status;
    egress->has_answered = true;
    if (is_news)
        set_info(egress, info);
    end_start_if_complete(egress);
    if (is_final(info))
        begin_final(egress);
    else if (info->status == LIVEKIT__EGRESS_STATUS__EGRESS_ENDING)
        answer_stoppers(egress);
}

static void on_stream_updated(EgEgress *egress, const Egress__StreamUpdated *updated)
{
    g_autoptr(GError) error = NULL;
    if (*updated->error != '\0')
        eg_error_set(&error, eg_error_code_from_name(updated->code), EG_BLAME_REQUEST, "%s",
                     updated->error);
    else if (updated->info == NULL)
        eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "egress process said nothing");
    eg_callers_answer_first(egress->updaters, updated->info, error);
}

static void on_pong(EgEgress *egress, const Egress__Pong *pong)
{
    if (pong->waiting == NULL)
        return;
    egress->has_uploads = true;
    egress->n_waiting_files = pong->waiting->files;
    egress->n_waiting_playlists = pong->waiting->playlists;
}

static void on_message(gpointer user, const ProtobufCMessage *message)
{
    EgEgress *egress = user;
    const Egress__Event *event = (const Egress__Event *)(gconstpointer)message;
    eg_pulse_heard(egress->pulse);
    switch (event->event_case) {
    case EGRESS__EVENT__EVENT_INFO:
        on_info(egress, event->info);
        break;
    case EGRESS__EVENT__EVENT_DISOWNED:
        egress->is_disowned = true;
        begin_final(egress);
        break;
    case EGRESS__EVENT__EVENT_GRAPH:
        answer_describers(egress, event->graph);
        break;
    case EGRESS__EVENT__EVENT_STREAM_UPDATED:
        on_stream_updated(egress, event->stream_updated);
        break;
    case EGRESS__EVENT__EVENT_UPLOAD:
        egress->context->events->uploaded(egress->context->user, event->upload);
        break;
    case EGRESS__EVENT__EVENT_RECORDED:
        egress->is_recorded = true;
        egress->context->recorded(egress->context->owner, egress);
        break;
    case EGRESS__EVENT__EVENT_PONG:
        on_pong(egress, event->pong);
        break;
    case EGRESS__EVENT__EVENT_RESUMED:
    case EGRESS__EVENT__EVENT__NOT_SET:
    case _EGRESS__EVENT__EVENT__CASE_IS_INT_SIZE:
    default:
        break;
    }
}

static void on_closed(gpointer user)
{
    EgEgress *egress = user;
    g_clear_pointer(&egress->channel, eg_channel_free);
    finish_if_gone(egress);
}

static const EgChannelEvents channel_events = {.message = on_message, .closed = on_closed};

/* Of one that cannot say it itself; NONE: what it has said stands. */
static EgEndReason reason_of_end(const EgEgress *egress)
{
    if (*egress->info->details != '\0')
        return EG_END_NONE;
    if (egress->stop_reason != EG_END_NONE)
        return egress->stop_reason;
    return egress->is_ended_by_service ? EG_END_KILLED : EG_END_FAILURE;
}

static void on_silent(gpointer user)
{
    EgEgress *egress = user;
    g_autoptr(GError) error = NULL;
    eg_warn(egress->context->params->log, "egress process does not answer, killing it",
            EG_STR("egressID", egress->id));
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "pipeline frozen");
    const EgEgressKill kill = {
        .reason = reason_of_end(egress),
        .result = "process_error",
        .error = error,
    };
    eg_egress_kill(egress, &kill);
}

static const EgPulseEvents pulse_events = {.ask = send_ping, .silent = on_silent};

static void on_exit_due(gpointer user)
{
    EgEgress *egress = user;
    eg_warn(egress->context->params->log, "egress process does not end, killing it",
            EG_STR("egressID", egress->id));
    eg_fork_server_kill(egress->context->fork_server, egress->id);
}

static void on_stop_due(gpointer user)
{
    answer_stoppers(user);
}

static EgEgress *new_egress(const EgEgressContext *context, const Rpc__StartEgressRequest *request,
                            const EgPlan *plan)
{
    g_autoptr(EgReport) report = eg_report_new(plan, request, eg_wall_now_ns());
    EgEgress *egress = g_new0(EgEgress, 1);
    egress->context = context;
    egress->phase = PHASE_STARTING;
    egress->type = plan->type;
    egress->cpu_cost = plan->cpu_cost;
    egress->id = g_strdup(request->egress_id);
    egress->request = (Rpc__StartEgressRequest *)(gpointer)eg_proto_copy(&request->base);
    egress->info = copy_info(eg_report_info(report));
    egress->stop_timer = eg_timer_new(context->loop, on_stop_due, egress);
    egress->exit_timer = eg_timer_new(context->loop, on_exit_due, egress);
    egress->pulse =
        eg_pulse_new(context->loop, context->params->config->frozen_ns, &pulse_events, egress);
    egress->starters = eg_callers_new(context->loop);
    egress->stoppers = eg_callers_new(context->loop);
    egress->updaters = eg_callers_new(context->loop);
    egress->describers = g_array_new(FALSE, FALSE, sizeof(Describer));
    return egress;
}

EgEgress *eg_egress_new(const EgEgressContext *context, const Rpc__StartEgressRequest *request,
                        const EgPlan *plan, GError **error)
{
    g_autoptr(EgEgress) egress = new_egress(context, request, plan);
    int fd = eg_fork_server_start(context->fork_server, egress->id, error);
    if (fd < 0)
        return NULL;
    egress->channel =
        eg_channel_new(context->loop, fd, &egress__event__descriptor, &channel_events, egress);
    send_start(egress);
    return g_steal_pointer(&egress);
}

void eg_egress_free(EgEgress *egress)
{
    if (egress == NULL)
        return;
    eg_channel_free(egress->channel);
    eg_pulse_free(egress->pulse);
    eg_timer_free(egress->stop_timer);
    eg_timer_free(egress->exit_timer);
    eg_callers_free(egress->starters);
    eg_callers_free(egress->stoppers);
    eg_callers_free(egress->updaters);
    g_array_unref(egress->describers);
    rpc__start_egress_request__free_unpacked(egress->request, NULL);
    livekit__egress_info__free_unpacked(egress->info, NULL);
    g_clear_error(&egress->kill_error);
    g_free(egress->loss);
    g_free(egress->id);
    g_free(egress);
}

const char *eg_egress_id(const EgEgress *egress)
{
    return egress->id;
}

void eg_egress_get_view(const EgEgress *egress, EgEgressView *view)
{
    *view = (EgEgressView){
        .info = egress->info,
        .request = egress->request,
        .type = egress->type,
        .pid = egress->pid,
        .cpu_cost = egress->cpu_cost,
        .has_uploads = egress->has_uploads,
        .n_waiting_files = egress->n_waiting_files,
        .n_waiting_playlists = egress->n_waiting_playlists,
    };
}

bool eg_egress_is_recording(const EgEgress *egress)
{
    return !egress->is_recorded && egress->phase != PHASE_FINAL;
}

static const char *result_of(const EgEgress *egress)
{
    if (egress->pid == 0)
        return NULL;
    if (egress->is_disowned)
        return "duplicate_identity";
    if (egress->result != NULL)
        return egress->result;
    if (egress->is_ended_by_service)
        return "killed_shutdown";
    bool has_crashed = egress->exit_status != 0 && egress->kill_error == NULL;
    if (!is_final(egress->info) || has_crashed || egress->loss != NULL)
        return "process_error";
    if (egress->stop_reason == EG_END_CPU)
        return "stopped_cpu";
    return egress->info->status == LIVEKIT__EGRESS_STATUS__EGRESS_ABORTED ? "aborted" : "completed";
}

void eg_egress_get_end(const EgEgress *egress, EgEgressEnd *end)
{
    *end = (EgEgressEnd){
        .egress_id = egress->id,
        .type = egress->type,
        .result = result_of(egress),
        .is_reported = !egress->is_refused && !egress->is_disowned,
    };
}

void eg_egress_set_created(EgEgress *egress, const GError *error)
{
    egress->is_created = error == NULL;
    egress->is_refused = error != NULL;
    if (error == NULL) {
        end_start_if_complete(egress);
        return;
    }
    eg_warn(egress->context->params->log, "egress could not be reported, not started",
            EG_STR("egressID", egress->id), EG_STR("error", error->message));
    end_start(egress, error);
    send_stop(egress, EG_END_KILLED);
}

void eg_egress_set_process(EgEgress *egress, int pid)
{
    egress->pid = pid;
}

void eg_egress_set_exited(EgEgress *egress, int status)
{
    egress->has_exited = true;
    egress->exit_status = status;
    finish_if_gone(egress);
}

void eg_egress_set_unwatched(EgEgress *egress, const char *reason)
{
    egress->has_exited = true;
    egress->loss = g_strdup(reason);
    finish_if_gone(egress);
}

void eg_egress_wait_started(EgEgress *egress, EgEgressDone done, gpointer user)
{
    if (egress->phase == PHASE_STARTING)
        eg_callers_add(egress->starters, done, user);
    else
        eg_callers_answer_one(egress->context->loop, done, user, egress->info, NULL);
}

void eg_egress_stop(EgEgress *egress, EgEndReason reason, EgEgressDone done, gpointer user)
{
    if (egress->phase == PHASE_FINAL ||
        egress->info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_ENDING) {
        eg_callers_answer_one(egress->context->loop, done, user, egress->info, NULL);
        return;
    }
    eg_callers_add(egress->stoppers, done, user);
    eg_timer_set_after(egress->stop_timer, STOP_NS);
    if (egress->stop_reason == EG_END_NONE)
        egress->stop_reason = reason;
    send_stop(egress, reason);
}

void eg_egress_update_stream(EgEgress *egress, const Livekit__UpdateStreamRequest *request,
                             EgEgressDone done, gpointer user)
{
    Egress__Command command = EGRESS__COMMAND__INIT;
    command.command_case = EGRESS__COMMAND__COMMAND_UPDATE_STREAM;
    command.update_stream = (Livekit__UpdateStreamRequest *)request;
    eg_callers_add(egress->updaters, done, user);
    if (egress->channel != NULL && egress->phase != PHASE_FINAL)
        send_command(egress, &command);
    else
        answer_updaters(egress);
}

void eg_egress_kill(EgEgress *egress, const EgEgressKill *kill)
{
    if (egress->phase == PHASE_FINAL || egress->kill_error != NULL)
        return;
    egress->kill_error = g_error_copy(kill->error);
    egress->kill_reason = kill->reason;
    egress->kill_result = kill->result;
    eg_fork_server_kill(egress->context->fork_server, egress->id);
}

void eg_egress_end(EgEgress *egress)
{
    if (egress->phase == PHASE_FINAL ||
        egress->info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_ENDING)
        return;
    egress->is_ended_by_service = true;
    send_stop(egress, EG_END_KILLED);
}

void eg_egress_describe_graph(EgEgress *egress, void (*done)(gpointer user, const char *graph),
                              gpointer user)
{
    Describer describer = {.done = done, .user = user};
    Egress__DescribeGraph describe = EGRESS__DESCRIBE_GRAPH__INIT;
    Egress__Command command = EGRESS__COMMAND__INIT;
    command.command_case = EGRESS__COMMAND__COMMAND_DESCRIBE_GRAPH;
    command.describe_graph = &describe;
    g_array_append_val(egress->describers, describer);
    send_command(egress, &command);
}
