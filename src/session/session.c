/* One egress: the state machine and what hangs on its transitions. */
#include "session/session-private.h"

#include "base/error.h"
#include "base/time.h"
#include "media/gst-util.h"
#include "room/token.h"

/* Longer than this nothing that works needs to put out what is in flight. What is put out then is
 * finished as it is, which may take as long as it takes (an MP4 is copied). */
#define DRAIN_NS (30 * EG_NS_PER_S)

/* How often the size of the file is looked at, if it is limited, and the room that there is. */
#define SIZE_INTERVAL_NS EG_NS_PER_S

/* How often it is looked how much is skipped. */
#define WATCH_INTERVAL_NS EG_NS_PER_S

static const struct {
    const char *name;
    Livekit__EgressStatus status;
    bool is_final;
    guint next; /* set of states that may follow */
} states[EG_N_SESSION_STATES] = {
#define TO(s) (1u << EG_SESSION_##s)
    [EG_SESSION_NONE] = {"none",          0,                                            false, TO(STARTING)},
    [EG_SESSION_STARTING] = {"starting",      LIVEKIT__EGRESS_STATUS__EGRESS_STARTING,      false,
                         TO(ACTIVE) | TO(FAILED) | TO(ABORTED)                                             },
    [EG_SESSION_ACTIVE] = {"active",        LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE,        false,
                         TO(ENDING) | TO(FAILED)                                                           },
    [EG_SESSION_ENDING] = {"ending",        LIVEKIT__EGRESS_STATUS__EGRESS_ENDING,        false,
                         TO(COMPLETE) | TO(FAILED) | TO(LIMIT_REACHED)                                     },
    [EG_SESSION_COMPLETE] = {"complete",      LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE,      true,  0           },
    [EG_SESSION_FAILED] = {"failed",        LIVEKIT__EGRESS_STATUS__EGRESS_FAILED,        true,  0           },
    [EG_SESSION_ABORTED] = {"aborted",       LIVEKIT__EGRESS_STATUS__EGRESS_ABORTED,       true,  0           },
    [EG_SESSION_LIMIT_REACHED] = {"limit reached", LIVEKIT__EGRESS_STATUS__EGRESS_LIMIT_REACHED,
                         true,                                                                 0           },
#undef TO
};

const char *eg_session_state_name(EgSessionState state)
{
    g_assert(state < EG_N_SESSION_STATES);
    return states[state].name;
}

static bool is_final(const EgSession *session)
{
    return states[session->state].is_final;
}

/* The one place where the state changes. */
static void advance(EgSession *session, EgSessionState next)
{
    g_assert((states[session->state].next & (1u << next)) != 0);
    session->state = next;
    eg_info(session->log, eg_session_state_name(next),
            EG_STR("error", session->error != NULL ? session->error->message : NULL),
            EG_STR("path", states[next].is_final ? eg_session_path(session, true) : NULL));
    if (states[next].is_final)
        eg_timer_set(session->ended_timer, 0);
    if (session->spool != NULL)
        eg_session_note(session, eg_report_info(session->report),
                        states[next].is_final ? EGRESS__SPOOL_RECORD__RECORD_FINAL
                                              : EGRESS__SPOOL_RECORD__RECORD_INFO);
    session->events.changed(session->user, next);
}

static void release(EgSession *session)
{
    eg_session_collect_stats(session);
    eg_timer_clear(session->limit_timer);
    eg_timer_clear(session->size_timer);
    eg_timer_clear(session->watch_timer);
    eg_timer_clear(session->drain_timer);
    eg_timer_clear(session->end_timer);
    g_clear_pointer(&session->source, eg_source_free);
    g_clear_pointer(&session->graph, eg_graph_free);
    g_clear_pointer(&session->outputs, eg_outputs_free);
}

/* Everything is over: lets go of all parts and reports the final state. */
static void end(EgSession *session, EgSessionState final)
{
    release(session);
    eg_session_log_stats(session);
    if (final == EG_SESSION_FAILED)
        eg_report_locate_files(session->report);
    eg_report_set_ended(session->report, states[final].status, session->end_reason, session->error,
                        eg_wall_now_ns());
    advance(session, final);
}

/* The final state by the reason of the end. */
static EgSessionState final_state(const EgSession *session)
{
    if (session->error != NULL)
        return EG_SESSION_FAILED;
    return session->end_reason == EG_END_LIMIT ? EG_SESSION_LIMIT_REACHED : EG_SESSION_COMPLETE;
}

static void end_in_order(EgSession *session)
{
    end(session, final_state(session));
}

/* There is no output to finish. */
static void end_unstarted(EgSession *session)
{
    if (session->error != NULL) {
        end(session, EG_SESSION_FAILED);
        return;
    }
    const char *text = "Stop called before pipeline could start";
    if (session->plan->page.awaits_signal)
        text = "Start signal not received";
    else if (session->end_reason == EG_END_SOURCE_CLOSED)
        text = "Source closed before anything could be recorded";
    eg_error_set(&session->error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST, "%s", text);
    end(session, EG_SESSION_ABORTED);
}

/* What is cut short by the end of the service is a failure, however well it was finished. */
static void note_kill(EgSession *session, EgEndReason reason)
{
    if (reason == EG_END_KILLED && session->error == NULL)
        eg_error_set(&session->error, EG_ERROR_PERMISSION_DENIED, EG_BLAME_SERVICE,
                     "server is shutting down");
}

/* Whoever has taken over this egress uploads to the same names: what is ours must not replace that.
 */
static void disown(EgSession *session)
{
    if (session->outputs != NULL)
        eg_outputs_disown(session->outputs);
    eg_session_drop_spool(session);
}

/* Has all that is on the way put out up to the instant `end_ns`, the output finished, and then the
 * final state. */
static void begin_ending(EgSession *session, EgEndReason reason, gint64 end_ns)
{
    if (session->state != EG_SESSION_STARTING && session->state != EG_SESSION_ACTIVE)
        return;
    session->end_reason = reason;
    note_kill(session, reason);
    if (reason == EG_END_DUPLICATE_IDENTITY)
        disown(session);
    if (session->state == EG_SESSION_STARTING) {
        end_unstarted(session);
        return;
    }
    eg_report_set_ending(session->report, reason, eg_wall_now_ns());
    eg_manifest_add_event(session->manifest, EG_MANIFEST_ENDING, eg_session_now());
    advance(session, EG_SESSION_ENDING);
    if (session->graph != NULL) {
        eg_timer_set_after(session->drain_timer, DRAIN_NS);
        eg_graph_finish(session->graph, end_ns);
    } else {
        eg_outputs_drain(session->outputs);
    }
}

void eg_session_end_soon(EgSession *session, EgEndReason reason, const GError *error)
{
    if (is_final(session) || session->end_reason != EG_END_NONE)
        return;
    session->end_reason = reason;
    if (error != NULL)
        session->error = g_error_copy(error);
    eg_timer_set(session->end_timer, 0);
}

static void on_end_due(gpointer user)
{
    EgSession *session = user;
    begin_ending(session, session->end_reason, eg_now_ns());
}

static void on_limit_due(gpointer user)
{
    EgSession *session = user;
    begin_ending(session, session->limit_reason, session->origin_ns + session->limit_ns);
}

static bool is_too_large(EgSession *session)
{
    EgOutputsStats stats;
    if (session->plan->limit_size_bytes == 0)
        return false;
    eg_outputs_get_stats(session->outputs, &stats);
    return stats.largest_file_bytes >= (guint64)session->plan->limit_size_bytes;
}

/* Before the disk is full, while everything can still be finished in order. */
static void end_for_disk(EgSession *session, const GError *error)
{
    eg_warn(session->log, "recording ends", EG_STR("error", error->message));
    if (session->config->fails_on_full_disk && session->error == NULL)
        session->error = g_error_copy(error);
    begin_ending(session, session->error != NULL ? EG_END_FAILURE : EG_END_LIMIT, eg_now_ns());
}

static void on_size_due(gpointer user)
{
    EgSession *session = user;
    g_autoptr(GError) error = NULL;
    if (is_too_large(session))
        begin_ending(session, EG_END_LIMIT, eg_now_ns());
    else if (!eg_outputs_leave_full_disks(session->outputs, &error))
        end_for_disk(session, error);
    else
        eg_timer_set_after(session->size_timer, SIZE_INTERVAL_NS);
}

static void on_watch_due(gpointer user)
{
    EgSession *session = user;
    eg_session_collect_stats(session);
    eg_session_keep_manifest(session, false);
    eg_timer_set_after(session->watch_timer, WATCH_INTERVAL_NS);
}

static void on_ended_due(gpointer user)
{
    EgSession *session = user;
    session->events.ended(session->user);
}

/* The outputs' side. */

static void on_outputs_drained(gpointer user)
{
    end_in_order(user);
}

static void on_outputs_failed(gpointer user, const GError *error)
{
    EgSession *session = user;
    if (session->error == NULL)
        session->error = g_error_copy(error);
    /* Why it was ending stands if it is the uploads that have failed, or if it is another's now. */
    if ((session->state != EG_SESSION_ENDING || session->spool == NULL) &&
        session->end_reason != EG_END_DUPLICATE_IDENTITY)
        session->end_reason = EG_END_FAILURE;
    end(session, EG_SESSION_FAILED);
}

/* Room and browser are let go of; what is left may take a while, and whoever finds it when this
 * process has died knows what it would have said. */
static void on_outputs_recorded(gpointer user, const GError *error)
{
    EgSession *session = user;
    if (error != NULL && session->error == NULL)
        session->error = g_error_copy(error);
    eg_session_collect_stats(session);
    eg_timer_clear(session->drain_timer);
    eg_timer_clear(session->limit_timer);
    eg_timer_clear(session->size_timer);
    eg_timer_clear(session->end_timer);
    g_clear_pointer(&session->source, eg_source_free);
    g_clear_pointer(&session->graph, eg_graph_free);
    if (session->state == EG_SESSION_ACTIVE) {
        session->end_reason = EG_END_FAILURE;
        eg_report_set_ending(session->report, session->end_reason, eg_wall_now_ns());
        advance(session, EG_SESSION_ENDING);
    }
    g_autoptr(EgReport) recorded =
        eg_report_new_from_info(eg_report_info(session->report), session->plan);
    eg_report_set_ended(recorded, states[final_state(session)].status, session->end_reason,
                        session->error, eg_wall_now_ns());
    eg_session_keep_manifest(session, true);
    eg_session_note(session, eg_report_info(recorded), EGRESS__SPOOL_RECORD__RECORD_RECORDED);
    if (session->events.recorded != NULL)
        session->events.recorded(session->user);
}

static void on_outputs_emptied(gpointer user)
{
    begin_ending(user, EG_END_STREAMS_STOPPED, eg_now_ns());
}

/* What is told of its end says the same. */
void eg_session_outputs_changed(gpointer user)
{
    EgSession *session = user;
    if (session->state == EG_SESSION_ACTIVE)
        session->events.changed(session->user, EG_SESSION_ACTIVE);
}

static void on_counted(gpointer user, const EgUploadResult *result)
{
    EgSession *session = user;
    if (session->events.counted != NULL)
        session->events.counted(session->user, result);
}

static const EgOutputsEvents output_events = {
    .counted = on_counted,
    .drained = on_outputs_drained,
    .failed = on_outputs_failed,
    .recorded = on_outputs_recorded,
    .emptied = on_outputs_emptied,
    .changed = eg_session_outputs_changed,
};

/* The graph's side. */

static bool open_outputs(EgSession *session, const EgGraphOutput *output, GError **error)
{
    const EgOutputsParams params = {
        .plan = session->plan,
        .description = session->description,
        .report = session->report,
        .manifest = session->manifest,
        .config = session->config,
        .log = session->log,
        .spool = session->spool,
    };
    session->outputs =
        eg_outputs_new(session->loop, &params, output, &output_events, session, error);
    return session->outputs != NULL;
}

static void on_ready(gpointer user, const EgGraphOutput *output)
{
    EgSession *session = user;
    g_autoptr(GError) error = NULL;
    if (session->state != EG_SESSION_STARTING)
        return;
    if (!open_outputs(session, output, &error)) {
        eg_session_end_soon(session, EG_END_FAILURE, error);
        return;
    }
    eg_report_set_active(session->report, eg_wall_now_ns());
    session->origin_ns = output->origin_ns;
    EgManifestTime origin = eg_session_now();
    origin.wall_ns -= origin.now_ns - output->origin_ns;
    origin.now_ns = output->origin_ns;
    eg_manifest_set_origin(session->manifest, origin);
    eg_timer_set_after(session->watch_timer, WATCH_INTERVAL_NS);
    if (session->limit_ns > 0) {
        eg_graph_set_end(session->graph, session->origin_ns + session->limit_ns);
        eg_timer_set(session->limit_timer, session->origin_ns + session->limit_ns);
    }
    if (session->plan->limit_size_bytes > 0 || session->config->min_free_disk_bytes > 0)
        eg_timer_set_after(session->size_timer, SIZE_INTERVAL_NS);
    advance(session, EG_SESSION_ACTIVE);
}

static void on_frame(gpointer user, EgMedia media, GstBuffer *frame)
{
    EgSession *session = user;
    if (session->outputs != NULL)
        eg_outputs_push(session->outputs, media, frame);
    else
        gst_buffer_unref(frame);
}

static void on_picture(gpointer user, GstBuffer *picture)
{
    EgSession *session = user;
    if (session->outputs != NULL)
        eg_outputs_push_picture(session->outputs, picture);
    else
        gst_buffer_unref(picture);
}

static void on_wants_key_frame(gpointer user, gpointer track, bool wants)
{
    (void)user;
    eg_source_track_set_wants_key_frame(track, wants);
}

static void on_graph_drained(gpointer user)
{
    EgSession *session = user;
    /* Outputs see by themselves that they get on, however long it takes. */
    eg_timer_clear(session->drain_timer);
    eg_outputs_drain(session->outputs);
}

/* What the graph has put out until now is still worth finishing. */
static void on_graph_failed(gpointer user, const GError *error)
{
    EgSession *session = user;
    if (session->error == NULL)
        session->error = g_error_copy(error);
    eg_session_collect_stats(session);
    g_clear_pointer(&session->source, eg_source_free);
    g_clear_pointer(&session->graph, eg_graph_free);
    eg_timer_clear(session->drain_timer);
    if (session->state == EG_SESSION_ENDING)
        eg_outputs_drain(session->outputs);
    else
        begin_ending(session, EG_END_FAILURE, eg_now_ns());
}

static void on_drain_timeout(gpointer user)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "pipeline frozen");
    on_graph_failed(user, error);
}

const EgGraphEvents eg_session_graph_events = {
    .ready = on_ready,
    .frame = on_frame,
    .picture = on_picture,
    .wants_key_frame = on_wants_key_frame,
    .drained = on_graph_drained,
    .failed = on_graph_failed,
};

EgSession *eg_session_new(EgLoop *loop, const EgSessionParams *params,
                          const EgSessionEvents *events, gpointer user)
{
    EgSession *session = g_new0(EgSession, 1);
    session->loop = loop;
    session->plan = params->plan;
    session->config = params->config;
    session->log = params->log;
    session->request = params->request;
    session->requested_ns = params->requested_ns;
    session->spool_root = g_strdup(params->spool_root);
    session->spool_owner = g_strdup(params->spool_owner);
    session->events = *events;
    session->user = user;
    session->report = eg_report_new(params->plan, params->request, params->requested_ns);
    session->manifest = eg_manifest_new(params->plan);
    session->description = eg_description_new();
    session->limit_ns = params->plan->limit_duration_ns;
    session->limit_reason = EG_END_LIMIT;
    session->limit_timer = eg_timer_new(loop, on_limit_due, session);
    session->size_timer = eg_timer_new(loop, on_size_due, session);
    session->watch_timer = eg_timer_new(loop, on_watch_due, session);
    session->end_timer = eg_timer_new(loop, on_end_due, session);
    session->drain_timer = eg_timer_new(loop, on_drain_timeout, session);
    session->ended_timer = eg_timer_new(loop, on_ended_due, session);
    return session;
}

void eg_session_free(EgSession *session)
{
    if (session == NULL)
        return;
    release(session);
    eg_timer_free(session->limit_timer);
    eg_timer_free(session->size_timer);
    eg_timer_free(session->watch_timer);
    eg_timer_free(session->end_timer);
    eg_timer_free(session->drain_timer);
    eg_timer_free(session->ended_timer);
    g_clear_pointer(&session->output_lines, g_ptr_array_unref);
    eg_spool_free(session->spool);
    g_free(session->spool_root);
    g_free(session->spool_owner);
    eg_description_free(session->description);
    eg_report_free(session->report);
    eg_manifest_free(session->manifest);
    g_clear_error(&session->error);
    g_free(session);
}

/* That which joins the room. */
static bool make_token(const EgSession *session, char **token, GError **error)
{
    const EgPlan *plan = session->plan;
    const EgConfig *config = session->config;
    *token = plan->token != NULL ? g_strdup(plan->token)
                                 : eg_token_new(config->api_key, config->api_secret,
                                                plan->room_name, plan->egress_id, error);
    return *token != NULL;
}

bool eg_session_start(EgSession *session, GError **error)
{
    eg_loop_assert_owner(session->loop);
    const EgPlan *plan = session->plan;
    g_autofree char *token = NULL;
    for (guint i = 0; i < plan->warnings->len; i++)
        eg_warn(session->log, plan->warnings->pdata[i]);
    if ((plan->room_name != NULL && !make_token(session, &token, error)) ||
        !eg_session_open_spool(session, error))
        return false;
    const EgSourceParams source = {
        .loop = session->loop,
        .plan = plan,
        .config = session->config,
        .token = token,
        .log = session->log,
        .events = eg_session_source_events,
        .user = session,
    };
    session->source = eg_source_new(&source, error);
    if (session->source == NULL)
        return false;
    /* While the server is being reached: it takes some tens of milliseconds. */
    if (!eg_gst_init(error))
        return false;
    advance(session, EG_SESSION_STARTING);
    return true;
}

void eg_session_set_limit(EgSession *session, gint64 duration_ns, EgEndReason reason)
{
    if (duration_ns == 0 || (session->limit_ns != 0 && session->limit_ns <= duration_ns))
        return;
    session->limit_ns = duration_ns;
    session->limit_reason = reason;
}

void eg_session_fail(EgSession *session, const GError *error)
{
    eg_loop_assert_owner(session->loop);
    if (session->state == EG_SESSION_NONE)
        advance(session, EG_SESSION_STARTING);
    eg_session_end_soon(session, EG_END_FAILURE, error);
}

void eg_session_stop(EgSession *session, EgEndReason reason)
{
    eg_loop_assert_owner(session->loop);
    begin_ending(session, reason, eg_now_ns());
}

void eg_session_abort(EgSession *session)
{
    eg_loop_assert_owner(session->loop);
    if (is_final(session) || session->state == EG_SESSION_NONE)
        return;
    session->end_reason = EG_END_KILLED;
    if (session->error == NULL)
        eg_error_set(&session->error, EG_ERROR_CANCELED, EG_BLAME_REQUEST, "recording given up");
    end(session, session->state == EG_SESSION_STARTING ? EG_SESSION_ABORTED : EG_SESSION_FAILED);
}

bool eg_session_is_connecting(const EgSession *session)
{
    return session->outputs != NULL && eg_outputs_are_connecting(session->outputs);
}

EgSessionState eg_session_state(const EgSession *session)
{
    return session->state;
}

bool eg_session_is_final(const EgSession *session)
{
    return is_final(session);
}

EgEndReason eg_session_end_reason(const EgSession *session)
{
    return session->end_reason;
}

char *eg_session_describe_graph(const EgSession *session)
{
    return session->graph != NULL ? eg_graph_describe(session->graph) : g_strdup("");
}

const Livekit__EgressInfo *eg_session_info(const EgSession *session)
{
    return eg_report_info(session->report);
}

const GError *eg_session_error(const EgSession *session)
{
    return session->error;
}
