/* One egress in the foreground: options -> plan -> session, signals, progress and the result. */
#include "cli/record.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/time.h"
#include "cli/options.h"
#include "cli/outcome.h"
#include "cli/progress.h"
#include "cli/rest.h"
#include "cli/result.h"
#include "media/encoder.h"
#include "request/destination.h"
#include "service/template-server.h"
#include "session/session.h"
#include "storage/spool.h"

#define SHOW_INTERVAL_NS (500 * EG_NS_PER_MS)

/* timeout(1) and other wrappers send a signal to us and to the group that we are in. */
#define SAME_SIGNAL_NS (200 * EG_NS_PER_MS)

typedef struct {
    const EgRecordOptions *options;
    EgLoop *loop;
    EgSession *session;
    EgProgress *progress;
    EgTimer *show_timer;
    char *description; /* the last that was not empty: at the end everything has gone */
    bool has_recorded;
    bool is_stopping;
    gint64 stopped_ns;
} Recording;

static void show(Recording *recording)
{
    EgSessionProgress status;
    eg_session_get_progress(recording->session, &status);
    if (status.description != NULL && *status.description != '\0') {
        g_free(recording->description);
        recording->description = g_strdup(status.description);
    }
    eg_progress_show(recording->progress, &status, eg_now_ns());
}

static void on_show_due(gpointer user)
{
    Recording *recording = user;
    show(recording);
    eg_timer_set_after(recording->show_timer, SHOW_INTERVAL_NS);
}

static void on_changed(gpointer user, EgSessionState state)
{
    Recording *recording = user;
    if (state == EG_SESSION_ACTIVE)
        recording->has_recorded = true;
    show(recording);
}

static void on_ended(gpointer user)
{
    Recording *recording = user;
    eg_loop_quit(recording->loop);
}

static const EgSessionEvents session_events = {
    .changed = on_changed,
    .ended = on_ended,
};

/* The first finishes the file, the second gives up: not if it comes together with the first. */
static gboolean on_signal(gpointer user)
{
    Recording *recording = user;
    gint64 now_ns = eg_now_ns();
    if (!recording->is_stopping) {
        recording->is_stopping = true;
        recording->stopped_ns = now_ns;
        eg_session_stop(recording->session, EG_END_STOPPED);
    } else if (now_ns - recording->stopped_ns >= SAME_SIGNAL_NS) {
        eg_session_abort(recording->session);
    }
    return G_SOURCE_CONTINUE;
}

static GSource *watch_signal(Recording *recording, int number)
{
    GSource *source = g_unix_signal_source_new(number);
    g_source_set_callback(source, on_signal, recording, NULL);
    g_source_attach(source, eg_loop_context(recording->loop));
    return source;
}

static void print_error(const GError *error)
{
    g_autofree char *line = eg_error_line(error);
    fprintf(stderr, "%s\n", line);
}

static EgExit fail(const GError *error)
{
    print_error(error);
    return eg_exit_for_error(error, false);
}

/* Ended before there was anything: on our side or on the room's. */
static EgExit exit_for_aborted(const Recording *recording)
{
    return recording->is_stopping ? EG_EXIT_GIVEN_UP : EG_EXIT_FAILED;
}

static bool is_stored(const EgPlan *plan)
{
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (plan->outputs[i].storage != NULL)
            return true;
    }
    return false;
}

/* What goes to standard output, or NULL. */
static char *make_result(const Recording *recording, const EgPlan *plan)
{
    const Livekit__EgressInfo *info = eg_session_info(recording->session);
    if (recording->options->is_json)
        return eg_result_json(info);
    EgSessionProgress status;
    eg_session_get_progress(recording->session, &status);
    /* What was not finished has another name; what is in a store is there, or there was an error.
     */
    bool has_file =
        status.path != NULL && (g_file_test(status.path, G_FILE_TEST_EXISTS) || is_stored(plan));
    bool has_others = (info->n_stream_results > 0 || info->n_image_results > 0) &&
                      eg_session_error(recording->session) == NULL;
    bool has_result = recording->has_recorded && (has_file || has_others);
    if (!has_result || recording->options->is_quiet)
        return NULL;
    return eg_result_summary(info, plan, recording->description);
}

/* While others went on. */
static bool has_failed_stream(const Livekit__EgressInfo *info)
{
    for (gsize i = 0; i < info->n_stream_results; i++) {
        if (info->stream_results[i]->status == LIVEKIT__STREAM_INFO__STATUS__FAILED)
            return true;
    }
    return false;
}

static EgExit report(const Recording *recording, const EgPlan *plan)
{
    const GError *error = eg_session_error(recording->session);
    if (error != NULL)
        print_error(error);

    g_autofree char *text = make_result(recording, plan);
    if (text != NULL)
        printf("%s\n", text);
    if (eg_session_state(recording->session) == EG_SESSION_ABORTED)
        return exit_for_aborted(recording);
    if (error == NULL && has_failed_stream(eg_session_info(recording->session)))
        return EG_EXIT_DESTINATION;
    return eg_exit_for_error(error, recording->has_recorded);
}

/* What could not be uploaded. */
static void tell_rest(const char *root, const EgPlan *plan)
{
    g_autofree char *folder = eg_spool_folder_of(root, plan->egress_id);
    if (eg_spool_exists(folder) && !eg_spool_remove_if_empty(folder))
        fprintf(stderr,
                "egress: what is not uploaded is kept in %s; the next egress record tries again\n",
                folder);
}

static EgExit run(EgLoop *loop, const EgRecordOptions *options, const EgPlan *plan)
{
    g_auto(GStrv) environment = g_get_environ();
    /* Nobody else is on this disk whom it has to leave something. */
    options->config->min_free_disk_bytes = 0;
    g_autofree char *spool_root =
        eg_config_spool_dir(options->config, (const char *const *)environment);
    g_autoptr(EgLog) log = eg_log_new(NULL, "egressID", plan->egress_id);
    const EgProgressParams params = {
        .stream = stderr,
        .is_terminal = eg_progress_is_terminal(stderr),
        .is_quiet = options->is_quiet,
    };
    Recording recording = {.options = options, .loop = loop};
    g_autoptr(EgProgress) progress = eg_progress_new(&params);
    recording.progress = progress;
    g_autoptr(EgTimer) show_timer = eg_timer_new(loop, on_show_due, &recording);
    recording.show_timer = show_timer;
    const EgSessionParams session_params = {
        .plan = plan,
        .request = options->request,
        .config = options->config,
        .log = log,
        .requested_ns = eg_wall_now_ns(),
        .spool_root = spool_root,
        .spool_owner = "",
    };
    g_autoptr(EgSession) session =
        eg_session_new(loop, &session_params, &session_events, &recording);
    recording.session = session;
    eg_session_set_limit(session, options->duration_ns, EG_END_STOPPED);

    g_autoptr(GError) error = NULL;
    if (!eg_session_start(session, &error)) {
        g_clear_pointer(&progress, eg_progress_free);
        g_free(recording.description);
        return fail(error);
    }
    g_autoptr(EgRest) rest = eg_rest_new(loop, spool_root, options->config, log);
    eg_timer_set_after(show_timer, SHOW_INTERVAL_NS);
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    GSource *sources[G_N_ELEMENTS(signals)];
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        sources[i] = watch_signal(&recording, signals[i]);
    eg_loop_run(loop);
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_source_destroy(sources[i]);
        g_source_unref(sources[i]);
    }

    g_clear_pointer(&progress, eg_progress_free);
    EgExit status = report(&recording, plan);
    g_free(recording.description);
    g_clear_pointer(&session, eg_session_free);
    tell_rest(spool_root, plan);
    return status;
}

static bool needs_layouts(const EgRecordOptions *options)
{
    return options->request->request_case == RPC__START_EGRESS_REQUEST__REQUEST_ROOM_COMPOSITE &&
           *options->request->room_composite->custom_base_url == '\0' &&
           options->config->template_base == NULL;
}

/* The service has a server of them; here is none. */
static bool serve_layouts(EgLoop *loop, EgConfig *config, EgTemplateServer **server, GError **error)
{
    *server = eg_template_server_new(loop, 0, error);
    if (*server == NULL)
        return false;
    config->template_port = eg_template_server_port(*server);
    return true;
}

int eg_record_main(const char *const *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(EgRecordOptions) options = eg_record_options_parse(args, &error);
    if (options == NULL)
        return (int)fail(error);
    if (options->help != NULL) {
        fputs(options->help, stdout);
        return EG_EXIT_FINISHED;
    }
    eg_log_setup(options->config->log_level, options->config->log_json);
    g_autoptr(EgLoop) loop = eg_loop_new();
    g_autoptr(EgTemplateServer) templates = NULL;
    if (needs_layouts(options) && !serve_layouts(loop, options->config, &templates, &error))
        return (int)fail(error);
    g_autoptr(EgPlan) plan = eg_plan_new(options->request, options->config, &error);
    if (plan != NULL && plan->video.codec == EG_CODEC_H264 &&
        !eg_encoder_check(EG_CODEC_H264, &options->config->video_encoder, &error))
        return (int)fail(error);
    EgDestinationRule rule = options->may_overwrite ? EG_DESTINATION_ANY : EG_DESTINATION_NEW;
    if (plan == NULL || !eg_destination_check(plan, rule, &error))
        return (int)fail(error);
    return (int)run(loop, options, plan);
}
