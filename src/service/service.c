/* The parts of the service and how they hang together. */
#include "service/service.h"

#include <signal.h>
#include <unistd.h>

#include "base/error.h"
#include "base/id.h"
#include "base/time.h"
#include "bus/redis.h"
#include "report/io-info.h"
#include "service/archive.h"
#include "service/guard.h"
#include "service/hooks.h"
#include "service/leftovers.h"
#include "service/orphans.h"
#include "service/pages.h"
#include "service/rpc.h"
#include "service/signals.h"
#include "service/standalone.h"
#include "service/state.h"
#include "service/template-server.h"
#include "service/twirp.h"
#include "service/webhooks.h"
#include "storage/spool.h"

#define MEASURE_INTERVAL_NS EG_NS_PER_S

/* Within this time a request that was bid for is awarded. Who is not there any more to answer it
 * with an error keeps the caller waiting for 10 s. */
#define AWARD_NS EG_NS_PER_S

#define BYTES_PER_GB (1024.0 * 1024.0 * 1024.0)

typedef struct {
    EgLoop *loop;
    const EgConfig *config;
    EgLog *log;
    char *node_id;
    GError *failure; /* why it could not start */
    bool is_ending;
    bool is_interrupted;
    bool has_terminated; /* by SIGTERM */
    gint64 ends_at_ns;   /* not before */

    /* With Redis... */
    EgRedis *redis;
    EgPsrpcServer *psrpc;
    EgIoInfo *io_info;
    EgRpc *rpc;
    /* ...or without. */
    EgArchive *archive;
    EgWebhooks *webhooks;
    EgStandalone *standalone;
    EgTwirp *twirp;

    EgState *state;
    EgOrphans *orphans;
    char *spool_root;
    EgLeftovers *leftovers;
    EgReporter *reporter;
    EgLoadMonitor *load_monitor;
    EgAdmission *admission;
    EgGuard *guard;
    EgHooks *hooks;
    EgEgresses *egresses;
    EgMetrics *metrics;
    EgPages *pages;
    EgTemplateServer *templates; /* NULL: off */
    char **environment;          /* of egresses */
    EgTimer *measure_timer;
    EgTimer *ended_timer; /* looks whether everything is over */
} Service;

/* Drained: everything has ended, and everybody knows. */
static void on_ended_due(gpointer user)
{
    Service *service = user;
    if (eg_now_ns() < service->ends_at_ns) {
        eg_timer_set(service->ended_timer, service->ends_at_ns);
        return;
    }
    if (service->is_ending && eg_egresses_count(service->egresses) == 0 &&
        eg_orphans_count(service->orphans) == 0 && eg_leftovers_count(service->leftovers) == 0 &&
        eg_reporter_pending(service->reporter) == 0 && eg_hooks_pending(service->hooks) == 0 &&
        (service->webhooks == NULL || eg_webhooks_pending(service->webhooks) == 0))
        eg_loop_quit(service->loop);
}

/* Against overload. */

static void kill_egress(Service *service, const EgGuardOrder *order)
{
    g_autoptr(GError) error = NULL;
    bool is_for_memory = order->act == EG_GUARD_KILL_MEMORY;
    if (is_for_memory)
        eg_error_set(&error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_SERVICE, "OOM: %.2f GB used",
                     (double)order->used_bytes / BYTES_PER_GB);
    else
        eg_error_set(&error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_SERVICE,
                     "CPU exhausted: %.2f cores used", order->used_cores);
    const EgEgressKill kill = {
        .reason = is_for_memory ? EG_END_KILLED : EG_END_CPU,
        .result = is_for_memory ? "killed_oom" : "killed_cpu",
        .error = error,
    };
    eg_warn(service->log, "overload, killing egress", EG_STR("egressID", order->egress_id),
            EG_STR("error", error->message));
    eg_egresses_kill(service->egresses, order->egress_id, &kill);
}

/* What becomes of it, the guard sees. */
static void ignore_stopped(gpointer user, const Livekit__EgressInfo *info, const GError *error)
{
    (void)user;
    (void)info;
    (void)error;
}

static void obey(Service *service, const EgGuardOrder *order)
{
    if (order->act == EG_GUARD_NOTHING)
        return;
    if (order->act != EG_GUARD_STOP_CPU) {
        kill_egress(service, order);
        return;
    }
    eg_warn(service->log, "overload, stopping egress", EG_STR("egressID", order->egress_id),
            EG_REAL("cores", order->used_cores));
    eg_egresses_stop(service->egresses, order->egress_id, EG_END_CPU, ignore_stopped, NULL);
}

static void on_measure_due(gpointer user)
{
    Service *service = user;
    gint64 now_ns = eg_now_ns();
    const EgLoad *load = eg_load_monitor_read(service->load_monitor, now_ns);
    eg_admission_set_load(service->admission, load, now_ns);
    eg_metrics_set_load(service->metrics, load);
    EgGuardOrder order = eg_guard_update(service->guard, load, now_ns);
    obey(service, &order);
    eg_timer_set_after(service->measure_timer, MEASURE_INTERVAL_NS);
    on_ended_due(service);
}

/* The egresses' side. */

static void on_process_started(gpointer user, const char *egress_id, int pid)
{
    Service *service = user;
    EgEgressView view;
    eg_load_monitor_add(service->load_monitor, egress_id, pid);
    if (eg_egresses_find(service->egresses, egress_id, &view))
        eg_guard_add(service->guard, egress_id, view.cpu_cost);
}

static void on_hooks_done(gpointer user, const char *egress_id)
{
    Service *service = user;
    eg_state_settle(service->state, egress_id, EG_STATE_HOOKS);
    eg_timer_set(service->ended_timer, 0);
}

static void call_hooks(Service *service, const Livekit__EgressInfo *info)
{
    if (!eg_hooks_call(service->hooks, info))
        eg_state_settle(service->state, info->egress_id, EG_STATE_HOOKS);
}

static void on_changed(gpointer user, const Livekit__EgressInfo *info)
{
    Service *service = user;
    g_autoptr(GError) error = NULL;
    eg_info(service->log, "egress is now", EG_STR("egressID", info->egress_id),
            EG_STR("status", protobuf_c_enum_descriptor_get_value(
                                 &livekit__egress_status__descriptor, (int)info->status)
                                 ->name),
            EG_STR("roomName", info->room_name), EG_STR("error", info->error));
    if (info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_ENDING)
        eg_guard_set_ending(service->guard, info->egress_id);
    if (!eg_state_put(service->state, info, &error))
        eg_warn(service->log, "state could not be kept", EG_STR("error", error->message));
    if (info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE)
        call_hooks(service, info);
}

static void on_egress_ended(gpointer user, const EgEgressEnd *end)
{
    Service *service = user;
    eg_load_monitor_remove(service->load_monitor, end->egress_id);
    eg_guard_remove(service->guard, end->egress_id);
    if (end->result != NULL)
        eg_metrics_count_result(service->metrics, end->type, end->result);
    if (service->rpc != NULL)
        eg_rpc_forget(service->rpc, end->egress_id);
    if (!end->is_reported)
        eg_state_remove(service->state, end->egress_id);
    eg_leftovers_clean(service->leftovers, end->egress_id);
    eg_timer_set(service->ended_timer, 0);
}

static bool on_left(gpointer user, const char *egress_id, const EgLeftoversEnding *ending)
{
    Service *service = user;
    if (!eg_leftovers_has(service->leftovers, egress_id))
        return false;
    eg_leftovers_add(service->leftovers, egress_id, ending);
    return true;
}

static void on_uploaded(gpointer user, const Egress__Upload *upload)
{
    Service *service = user;
    eg_metrics_count_upload(service->metrics, upload);
}

static const EgEgressesEvents egresses_events = {
    .uploaded = on_uploaded,
    .process_started = on_process_started,
    .changed = on_changed,
    .left = on_left,
    .ended = on_egress_ended,
};

/* The reporter's side. */

static void on_delivered(gpointer user, const char *egress_id)
{
    Service *service = user;
    eg_state_settle(service->state, egress_id, EG_STATE_REPORT);
    eg_timer_set(service->ended_timer, 0);
}

static void on_healthy(gpointer user, bool is_healthy)
{
    Service *service = user;
    if (service->rpc != NULL)
        eg_rpc_set_healthy(service->rpc, is_healthy);
}

static const EgReporterEvents reporter_events = {
    .delivered = on_delivered,
    .healthy = on_healthy,
};

/* What a service that was killed has left: reports that were not delivered, and hooks that were not
 * called... */
static void take_over(gpointer user, const Livekit__EgressInfo *info)
{
    Service *service = user;
    if (info->status >= LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE) {
        guint owed = eg_state_owed(service->state, info->egress_id);
        if ((owed & EG_STATE_HOOKS) != 0)
            call_hooks(service, info);
        if ((owed & EG_STATE_REPORT) != 0)
            eg_reporter_update(service->reporter, info);
    } else if (eg_leftovers_has(service->leftovers, info->egress_id)) {
        g_autoptr(GError) error = eg_orphans_error();
        const EgLeftoversEnding ending = {.info = info, .reason = EG_END_FAILURE, .error = error};
        eg_leftovers_add(service->leftovers, info->egress_id, &ending);
    } else {
        eg_orphans_add(service->orphans, info);
    }
}

/* ...and egresses that were running. */
static void on_orphan_ended(gpointer user, const Livekit__EgressInfo *info)
{
    Service *service = user;
    on_changed(service, info);
    eg_reporter_update(service->reporter, info);
    eg_timer_set(service->ended_timer, 0);
}

static int start_for_leftovers(gpointer user, const char *egress_id, GError **error)
{
    Service *service = user;
    return eg_egresses_start_process(service->egresses, egress_id, error);
}

/* Who looks at the same time with the same root waits: what is one's, is not the other's. */
static void adopt(Service *service)
{
    int fd = eg_spool_lock_root(service->spool_root);
    eg_state_adopt(service->state, take_over, service);
    eg_leftovers_find(service->leftovers, service->state);
    if (fd >= 0)
        close(fd);
}

/* The way in. */

static void take_requests(Service *service)
{
    if (service->rpc == NULL)
        service->rpc = eg_rpc_new(service->psrpc, service->egresses, service->config);
}

static void on_redis_connected(gpointer user)
{
    Service *service = user;
    eg_info(service->log, "connected to Redis");
    if (!eg_egresses_is_closed(service->egresses))
        take_requests(service);
    eg_reporter_retry_now(service->reporter);
}

static void on_redis_disconnected(gpointer user, const GError *error)
{
    Service *service = user;
    eg_warn(service->log, "connection to Redis lost", EG_STR("error", error->message));
}

/* Wrong from the start is wrong in the configuration; later it is an outage. */
static void on_redis_unreachable(gpointer user, const GError *error)
{
    Service *service = user;
    if (service->rpc != NULL) {
        eg_warn(service->log, "Redis cannot be reached", EG_STR("error", error->message));
        return;
    }
    g_clear_error(&service->failure);
    service->failure = g_error_copy(error);
    g_prefix_error(&service->failure, "Redis cannot be reached: ");
    eg_loop_quit(service->loop);
}

static const EgRedisEvents redis_events = {
    .connected = on_redis_connected,
    .disconnected = on_redis_disconnected,
    .unreachable = on_redis_unreachable,
};

static bool open_redis(Service *service, GError **error)
{
    service->redis = eg_redis_new(service->loop, &service->config->redis, service->log,
                                  &redis_events, service, error);
    if (service->redis == NULL)
        return false;
    service->psrpc = eg_psrpc_server_new(service->loop, service->redis, service->log);
    service->io_info = eg_io_info_new(service->loop, service->redis, service->config, service->log);
    return true;
}

static bool open_archive(Service *service, const char *root, GError **error)
{
    service->archive = eg_archive_new(service->loop, root, error);
    if (service->archive == NULL)
        return false;
    service->webhooks = eg_webhooks_new(service->loop, service->config, service->log);
    service->standalone =
        eg_standalone_new(service->loop, service->archive, service->webhooks, service->log);
    return true;
}

static bool open_egresses(Service *service, const char *config_body, GError **error)
{
    const EgEgressesParams params = {
        .config = service->config,
        .config_body = config_body,
        .environment = (const char *const *)service->environment,
        .log = service->log,
        .reporter = service->reporter,
        .admission = service->admission,
        .spool_root = service->spool_root,
        .spool_owner = eg_state_folder(service->state),
    };
    const EgLeftoversParams leftovers = {
        .log = service->log,
        .root = service->spool_root,
        .owner = eg_state_folder(service->state),
        .config_body = config_body,
        .environment = (const char *const *)service->environment,
        .start = start_for_leftovers,
        .ended = on_orphan_ended,
        .uploaded = on_uploaded,
        .user = service,
    };
    service->leftovers = eg_leftovers_new(service->loop, &leftovers);
    service->egresses = eg_egresses_new(service->loop, &params, &egresses_events, service, error);
    return service->egresses != NULL;
}

static bool open_pages(Service *service, GError **error)
{
    const EgMetricsParams params = {
        .node_id = service->node_id,
        .cluster_id = service->config->cluster_id != NULL ? service->config->cluster_id : "",
        .egresses = service->egresses,
        .admission = service->admission,
        .web_cost = service->config->cost.web,
        .web_memory_bytes = service->config->cost.memory_bytes,
        .server = service->psrpc,
        .client = service->io_info != NULL ? eg_io_info_client(service->io_info) : NULL,
    };
    service->metrics = eg_metrics_new(&params);
    service->pages = eg_pages_new(service->loop, service->config, service->egresses,
                                  service->admission, service->metrics, error);
    return service->pages != NULL;
}

/* Where several services run on one machine, the port is taken by the first; the others have one of
 * their own, which egresses are told of. */
static bool open_templates(Service *service, GError **error)
{
    guint port = service->config->template_port;
    g_autoptr(GError) cause = NULL;
    if (port == 0)
        return true;
    service->templates = eg_template_server_new(service->loop, port, &cause);
    if (service->templates != NULL)
        return true;
    service->templates = eg_template_server_new(service->loop, 0, error);
    if (service->templates == NULL)
        return false;
    g_autofree char *base =
        g_strdup_printf("http://localhost:%u/", eg_template_server_port(service->templates));
    eg_info(NULL, "layouts are served at another port", EG_STR("url", base),
            EG_STR("reason", cause->message));
    service->environment =
        g_environ_setenv(service->environment, "EGRESS_TEMPLATE_BASE", base, FALSE);
    return true;
}

/* From the bottom up: whoever takes requests comes last. */
static bool open_parts(Service *service, const char *config_body, GError **error)
{
    const EgConfig *config = service->config;
    g_autofree char *root = eg_config_state_dir(config, (const char *const *)service->environment);
    service->spool_root = eg_config_spool_dir(config, (const char *const *)service->environment);
    service->load_monitor = eg_load_monitor_new("", config->cost.uses_cgroup_memory);
    service->admission = eg_admission_new(config);
    service->hooks = eg_hooks_new(service->loop, config, service->log, on_hooks_done, service);
    service->guard = eg_guard_new(config);
    const EgLoad *load = eg_load_monitor_read(service->load_monitor, eg_now_ns());
    if (!eg_admission_check_machine(service->admission, load->n_cores, error))
        return false;
    service->state = eg_state_new(root, error);
    if (service->state == NULL ||
        !(config->has_redis ? open_redis(service, error) : open_archive(service, root, error)))
        return false;
    EgPublisher publisher = config->has_redis ? eg_io_info_publisher(service->io_info)
                                              : eg_standalone_publisher(service->standalone);
    service->reporter =
        eg_reporter_new(service->loop, publisher, service->log, &reporter_events, service);
    service->orphans = eg_orphans_new(service->loop, service->log, on_orphan_ended, service);
    if (!open_templates(service, error) || !open_egresses(service, config_body, error) ||
        !open_pages(service, error))
        return false;
    adopt(service);
    if (config->has_redis)
        return true;
    service->twirp = eg_twirp_new(service->loop, config, service->egresses, service->archive,
                                  service->log, error);
    return service->twirp != NULL;
}

static void close_parts(Service *service)
{
    eg_timer_free(service->measure_timer);
    eg_timer_free(service->ended_timer);
    eg_twirp_free(service->twirp);
    eg_rpc_free(service->rpc);
    eg_template_server_free(service->templates);
    eg_pages_free(service->pages);
    eg_metrics_free(service->metrics);
    eg_leftovers_free(service->leftovers);
    eg_egresses_free(service->egresses);
    eg_orphans_free(service->orphans);
    eg_reporter_free(service->reporter);
    eg_hooks_free(service->hooks);
    eg_standalone_free(service->standalone);
    eg_webhooks_free(service->webhooks);
    eg_archive_free(service->archive);
    eg_io_info_free(service->io_info);
    eg_psrpc_server_free(service->psrpc);
    eg_redis_free(service->redis);
    eg_state_free(service->state);
    eg_guard_free(service->guard);
    eg_admission_free(service->admission);
    eg_load_monitor_free(service->load_monitor);
}

/* Signals. */

/* Those that run are still served. */
static void begin_ending(Service *service, const char *message)
{
    eg_info(service->log, message, EG_INT("running", eg_egresses_count(service->egresses)));
    service->is_ending = true;
    eg_egresses_close(service->egresses);
    eg_timer_set(service->ended_timer, 0);
}

static void on_signal(gpointer user, int number)
{
    Service *service = user;
    if (number == SIGTERM && service->has_terminated &&
        eg_egresses_n_recording(service->egresses) == 0) {
        eg_info(service->log, "uploads are left to the next start",
                EG_INT("running", eg_egresses_count(service->egresses)));
        eg_loop_quit(service->loop);
        return;
    }
    service->has_terminated = service->has_terminated || number == SIGTERM;
    if (number != SIGINT) {
        service->ends_at_ns = service->rpc != NULL ? eg_now_ns() + AWARD_NS : 0;
        begin_ending(service, "draining: no more requests are taken");
    } else if (!service->is_interrupted) {
        service->is_interrupted = true;
        service->ends_at_ns = 0;
        begin_ending(service, "ending everything");
        eg_egresses_end_all(service->egresses);
    } else {
        eg_loop_quit(service->loop);
    }
}

static void run(Service *service)
{
    static const int numbers[] = {SIGTERM, SIGQUIT, SIGHUP, SIGINT, 0};
    g_autoptr(EgSignals) signals =
        eg_signals_new(service->loop, numbers, on_signal, service, &service->failure);
    if (signals == NULL)
        return;
    eg_timer_set(service->measure_timer, 0);
    eg_loop_run(service->loop);
}

bool eg_service_run(const EgConfig *config, const char *config_body, const char *const *environment,
                    GError **error)
{
    g_autoptr(EgLoop) loop = eg_loop_new();
    Service service = {
        .loop = loop,
        .config = config,
        .environment = g_strdupv((char **)environment),
        .node_id = eg_id_new("NE_"),
    };
    service.log = eg_log_new(NULL, "nodeID", service.node_id);
    service.measure_timer = eg_timer_new(loop, on_measure_due, &service);
    service.ended_timer = eg_timer_new(loop, on_ended_due, &service);
    if (open_parts(&service, config_body, &service.failure))
        run(&service);
    close_parts(&service);
    eg_log_free(service.log);
    g_free(service.spool_root);
    g_free(service.node_id);
    g_strfreev(service.environment);
    if (service.failure == NULL)
        return true;
    g_propagate_error(error, service.failure);
    return false;
}
