/* The process of one egress: a session that is told what to do, and tells what becomes of it, over
 * the channel to the service. */
#include "cli/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/time.h"
#include "bus/channel.h"
#include "egress_ipc.pb-c.h"
#include "media/elements.h"
#include "media/gst-util.h"
#include "proto/message.h"
#include "service/fork-server.h"
#include "session/resume.h"
#include "session/session.h"

/* Where `egress serve` has put our socket. */
#define CONTROL_FD 3

typedef struct {
    EgLoop *loop;
    EgChannel *channel; /* NULL when the service has gone */
    EgConfig *config;
    EgLog *log;
    Rpc__StartEgressRequest *request;
    EgPlan *plan;
    EgSession *session;
    EgResume *resume; /* in place of a session */
} Run;

static void send_event(Run *run, const Egress__Event *event)
{
    if (run->channel != NULL)
        eg_channel_send(run->channel, &event->base);
}

static void send_info(Run *run, const Livekit__EgressInfo *info)
{
    Egress__Event event = EGRESS__EVENT__INIT;
    event.event_case = EGRESS__EVENT__EVENT_INFO;
    event.info = (Livekit__EgressInfo *)info;
    send_event(run, &event);
}

static void send_disowned(Run *run)
{
    Egress__Disowned disowned = EGRESS__DISOWNED__INIT;
    Egress__Event event = EGRESS__EVENT__INIT;
    event.event_case = EGRESS__EVENT__EVENT_DISOWNED;
    event.disowned = &disowned;
    send_event(run, &event);
}

/* That a limit is reached is told when it is all over, as LiveKit's service does it. */
static void on_changed(gpointer user, EgSessionState state)
{
    Run *run = user;
    EgEndReason reason = eg_session_end_reason(run->session);
    /* It is active when its streams are known to have begun, or not to. */
    if (state == EG_SESSION_ACTIVE && eg_session_is_connecting(run->session))
        return;
    if (reason == EG_END_DUPLICATE_IDENTITY && eg_session_is_final(run->session))
        send_disowned(run);
    else if (reason != EG_END_DUPLICATE_IDENTITY &&
             !(reason == EG_END_LIMIT && state == EG_SESSION_ENDING))
        send_info(run, eg_session_info(run->session));
}

static void on_recorded(gpointer user)
{
    Egress__Recorded recorded = EGRESS__RECORDED__INIT;
    Egress__Event event = EGRESS__EVENT__INIT;
    event.event_case = EGRESS__EVENT__EVENT_RECORDED;
    event.recorded = &recorded;
    send_event(user, &event);
}

static void on_ended(gpointer user)
{
    Run *run = user;
    eg_loop_quit(run->loop);
}

static void on_counted(gpointer user, const EgUploadResult *result)
{
    Egress__Upload upload = EGRESS__UPLOAD__INIT;
    Egress__Event event = EGRESS__EVENT__INIT;
    upload.content_type = (char *)result->content_type;
    upload.is_stored = result->is_stored;
    upload.is_backup = result->is_backup;
    upload.has_endpoint = result->has_endpoint;
    upload.elapsed_ms = (double)result->elapsed_ns / (double)EG_NS_PER_MS;
    event.event_case = EGRESS__EVENT__EVENT_UPLOAD;
    event.upload = &upload;
    send_event(user, &event);
}

static const EgSessionEvents session_events = {
    .changed = on_changed,
    .recorded = on_recorded,
    .ended = on_ended,
    .counted = on_counted,
};

/* With an end, which lists on the wire do not have. */
static char **dup_environment(char *const *environment, gsize n_environment)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (gsize i = 0; i < n_environment; i++)
        g_strv_builder_add(builder, environment[i]);
    return g_strv_builder_end(builder);
}

/* Where stores look for credentials. They are no part of what /proc tells of this process, and
 * programs that it runs get an environment of their own. There are no other threads yet. */
static void set_store_variables(char **environment)
{
    static const char *const prefixes[] = {"AWS_", "AZURE_", "GOOGLE_", "OSS_"};
    for (char **variable = environment; *variable != NULL; variable++) {
        const char *value = strchr(*variable, '=');
        for (gsize i = 0; value != NULL && i < G_N_ELEMENTS(prefixes); i++) {
            g_autofree char *name = g_strndup(*variable, (gsize)(value - *variable));
            if (g_str_has_prefix(name, prefixes[i]))
                g_setenv(name, value + 1, TRUE);
        }
    }
}

static bool configure(Run *run, const char *body, char *const *variables, gsize n_variables,
                      GError **error)
{
    g_auto(GStrv) environment = dup_environment(variables, n_variables);
    set_store_variables(environment);
    run->config = eg_config_parse(body, "configuration", (const char *const *)environment, error);
    if (run->config == NULL)
        return false;
    eg_log_setup(run->config->log_level, run->config->log_json);
    return true;
}

/* The service has made the same plan, so only what has changed since then can fail. */
static bool start(Run *run, const Egress__Start *order, GError **error)
{
    if (!configure(run, order->config_body, order->environment, order->n_environment, error))
        return false;
    run->request = (Rpc__StartEgressRequest *)(gpointer)eg_proto_copy(&order->request->base);
    run->log = eg_log_new(NULL, "egressID", run->request->egress_id);
    run->plan = eg_plan_new(run->request, run->config, error);
    if (run->plan == NULL)
        return false;
    const EgSessionParams params = {
        .plan = run->plan,
        .request = run->request,
        .config = run->config,
        .log = run->log,
        .requested_ns = order->started_at,
        .spool_root = order->spool_root,
        .spool_owner = order->spool_owner,
    };
    run->session = eg_session_new(run->loop, &params, &session_events, run);
    return eg_session_start(run->session, error);
}

static void on_start(Run *run, const Egress__Start *order)
{
    g_autoptr(GError) error = NULL;
    if (run->config != NULL || start(run, order, &error))
        return;
    eg_error_log(run->log, "egress cannot start", EG_STR("error", error->message));
    if (run->session != NULL)
        eg_session_fail(run->session, error);
    else
        eg_loop_quit(run->loop);
}

static void on_resumed(gpointer user, const Livekit__EgressInfo *info)
{
    Run *run = user;
    Egress__Resumed resumed = EGRESS__RESUMED__INIT;
    Egress__Event event = EGRESS__EVENT__INIT;
    if (info != NULL)
        send_info(run, info);
    event.event_case = EGRESS__EVENT__EVENT_RESUMED;
    event.resumed = &resumed;
    send_event(run, &event);
    eg_loop_quit(run->loop);
}

static void on_resume(Run *run, const Egress__Resume *order)
{
    static const EgResumeEvents events = {.ended = on_resumed, .counted = on_counted};
    g_autoptr(GError) error = NULL;
    if (run->config != NULL)
        return;
    if (configure(run, order->config_body, order->environment, order->n_environment, &error)) {
        g_autofree char *id = g_path_get_basename(order->folder);
        run->log = eg_log_new(NULL, "egressID", id);
        const EgResumeParams params = {
            .folder = order->folder,
            .ending = order->ending,
            .config = run->config,
            .log = run->log,
        };
        run->resume = eg_resume_new(run->loop, &params, &events, run, &error);
    }
    if (run->resume != NULL)
        return;
    eg_error_log(run->log, "left-overs cannot be uploaded", EG_STR("folder", order->folder),
                 EG_STR("error", error->message));
    eg_loop_quit(run->loop);
}

static void on_stop(Run *run, Egress__Stop__Reason reason)
{
    static const EgEndReason reasons[] = {
        [EGRESS__STOP__REASON__REQUESTED] = EG_END_STOPPED,
        [EGRESS__STOP__REASON__KILLED] = EG_END_KILLED,
        [EGRESS__STOP__REASON__CPU] = EG_END_CPU,
    };
    if (run->session != NULL && (guint)reason < G_N_ELEMENTS(reasons))
        eg_session_stop(run->session, reasons[reason]);
}

static void on_describe_graph(Run *run)
{
    g_autofree char *graph =
        run->session != NULL ? eg_session_describe_graph(run->session) : g_strdup("");
    Egress__Event event = EGRESS__EVENT__INIT;
    event.event_case = EGRESS__EVENT__EVENT_GRAPH;
    event.graph = graph;
    send_event(run, &event);
}

/* URLs, and those with an id. */
static GArray *read_destinations(const Livekit__UpdateStreamRequest *request)
{
    GArray *streams = g_array_new(FALSE, FALSE, sizeof(EgStreamDestination));
    for (gsize i = 0; i < request->n_add_output_urls; i++) {
        const EgStreamDestination stream = {.url = request->add_output_urls[i]};
        g_array_append_val(streams, stream);
    }
    for (gsize i = 0; i < request->n_add_destinations; i++) {
        const char *id = request->add_destinations[i]->id;
        const EgStreamDestination stream = {.url = request->add_destinations[i]->url,
                                            .id = *id != '\0' ? id : NULL};
        g_array_append_val(streams, stream);
    }
    return streams;
}

static void on_update_stream(Run *run, const Livekit__UpdateStreamRequest *request)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) added = read_destinations(request);
    const EgStreamUpdate update = {
        .add = (const EgStreamDestination *)(gpointer)added->data,
        .n_add = added->len,
        .remove = (const char *const *)request->remove_output_urls,
        .n_remove = request->n_remove_output_urls,
    };
    if (run->session == NULL)
        eg_error_set(&error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE,
                     "the egress has not started");
    else
        eg_session_update_streams(run->session, &update, &error);
    Egress__StreamUpdated updated = EGRESS__STREAM_UPDATED__INIT;
    Egress__Event event = EGRESS__EVENT__INIT;
    if (run->session != NULL)
        updated.info = (Livekit__EgressInfo *)eg_session_info(run->session);
    if (error != NULL) {
        updated.code = (char *)eg_error_code_name(eg_error_code(error));
        updated.error = error->message;
    }
    event.event_case = EGRESS__EVENT__EVENT_STREAM_UPDATED;
    event.stream_updated = &updated;
    send_event(run, &event);
}

static void on_ping(Run *run)
{
    Egress__Pong pong = EGRESS__PONG__INIT;
    Egress__Waiting waiting = EGRESS__WAITING__INIT;
    Egress__Event event = EGRESS__EVENT__INIT;
    EgUploaderStats stats;
    if (run->session != NULL && eg_session_get_waiting(run->session, &stats)) {
        waiting.files = stats.waiting - stats.waiting_snapshots;
        waiting.playlists = stats.waiting_snapshots;
        pong.waiting = &waiting;
    }
    event.event_case = EGRESS__EVENT__EVENT_PONG;
    event.pong = &pong;
    send_event(run, &event);
}

static void on_message(gpointer user, const ProtobufCMessage *message)
{
    Run *run = user;
    const Egress__Command *command = (const Egress__Command *)(gconstpointer)message;
    switch (command->command_case) {
    case EGRESS__COMMAND__COMMAND_START:
        on_start(run, command->start);
        break;
    case EGRESS__COMMAND__COMMAND_STOP:
        on_stop(run, command->stop->reason);
        break;
    case EGRESS__COMMAND__COMMAND_DESCRIBE_GRAPH:
        on_describe_graph(run);
        break;
    case EGRESS__COMMAND__COMMAND_UPDATE_STREAM:
        on_update_stream(run, command->update_stream);
        break;
    case EGRESS__COMMAND__COMMAND_RESUME:
        on_resume(run, command->resume);
        break;
    case EGRESS__COMMAND__COMMAND_PING:
        on_ping(run);
        break;
    case EGRESS__COMMAND__COMMAND__NOT_SET:
    case _EGRESS__COMMAND__COMMAND__CASE_IS_INT_SIZE:
    default:
        break;
    }
}

/* The service has died: nobody will stop this egress any more, so it finishes what it has. */
static void on_closed(gpointer user)
{
    Run *run = user;
    g_clear_pointer(&run->channel, eg_channel_free);
    eg_warn(run->log, "service has gone, finishing");
    if (run->session != NULL)
        eg_session_stop(run->session, EG_END_KILLED);
    else if (run->resume == NULL)
        eg_loop_quit(run->loop);
}

static const EgChannelEvents channel_events = {.message = on_message, .closed = on_closed};

static int run_egress(int channel_fd)
{
    Run run = {.loop = eg_loop_new()};
    run.channel =
        eg_channel_new(run.loop, channel_fd, &egress__command__descriptor, &channel_events, &run);
    eg_loop_run(run.loop);
    bool has_run = run.session != NULL || run.resume != NULL;
    g_clear_pointer(&run.session, eg_session_free);
    g_clear_pointer(&run.resume, eg_resume_free);
    if (run.channel != NULL)
        eg_channel_flush(run.channel);
    eg_channel_free(run.channel);
    eg_plan_free(run.plan);
    if (run.request != NULL)
        rpc__start_egress_request__free_unpacked(run.request, NULL);
    eg_log_free(run.log);
    eg_config_free(run.config);
    eg_loop_free(run.loop);
    return has_run ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Who stops a service may send the signal to all of its processes; but what becomes of an egress is
 * the service's to say. */
static void ignore_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &ignore, NULL);
}

int eg_run_main(const char *const *args)
{
    g_autoptr(GError) error = NULL;
    struct stat control;
    if (args[0] != NULL || fstat(CONTROL_FD, &control) != 0 || !S_ISSOCK(control.st_mode)) {
        fputs("egress run is started by egress serve, not by hand\n", stderr);
        return EXIT_FAILURE;
    }
    ignore_signals();
    /* What every egress needs is loaded once, before there are any. */
    if (!eg_gst_init(&error)) {
        fprintf(stderr, "%s\n", error->message);
        return EXIT_FAILURE;
    }
    for (guint codec = EG_CODEC_NONE + 1; codec < EG_N_CODECS; codec++)
        eg_elements_load((EgCodec)codec, true);
    return eg_fork_server_run(CONTROL_FD, run_egress);
}
