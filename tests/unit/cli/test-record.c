/* `egress record` against a session that does what the test wants. Each case runs in a process of
 * its own, whose output and exit status are looked at. */
#include "cli/record.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "session/session.h"

typedef enum {
    CASE_NONE,
    CASE_ENDS,         /* the room closes */
    CASE_SIGNAL,       /* one signal while recording */
    CASE_SIGNAL_TWICE, /* one, which came by two ways */
    CASE_TWO_SIGNALS,  /* the second while the file is being finished */
    CASE_EARLY_SIGNAL, /* before there is any media */
    CASE_NOT_FOUND,    /* nobody comes */
    CASE_CLOSED_EARLY, /* the room closes before there is any media */
    CASE_DISK_FULL,    /* while recording */
    CASE_LOST,         /* the connection, while recording */
    CASE_NOT_STARTED,  /* an error at once */
} Case;

struct _EgSession {
    EgLoop *loop;
    EgSessionEvents events;
    gpointer user;
    EgSessionState state;
    GError *error;
    EgTimer *timer; /* for what a person needs some time for */
    Livekit__EgressInfo info;
    Livekit__FileInfo file;
    Livekit__FileInfo *files[1];
};

static Case wanted;
static char *file_path;
static gint64 limit_ns;

static void advance(EgSession *session, EgSessionState state)
{
    session->state = state;
    session->events.changed(session->user, state);
}

static void tell_ended(gpointer user)
{
    EgSession *session = user;
    session->events.ended(session->user);
}

static void end(EgSession *session, EgSessionState state)
{
    advance(session, state);
    eg_loop_post(session->loop, tell_ended, session, NULL);
}

static void complete(gpointer user)
{
    EgSession *session = user;
    if (session->state != EG_SESSION_ENDING)
        return;
    session->info.status = LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE;
    session->file.size = 3700000;
    session->file.duration = 10 * EG_NS_PER_S;
    g_assert_true(g_file_set_contents(file_path, "x", 1, NULL));
    end(session, EG_SESSION_COMPLETE);
}

static void fail(EgSession *session, EgErrorCode code, EgBlame blame, const char *text)
{
    eg_error_set(&session->error, code, blame, "%s", text);
    session->info.status = LIVEKIT__EGRESS_STATUS__EGRESS_FAILED;
    end(session, EG_SESSION_FAILED);
}

static void record(gpointer user)
{
    EgSession *session = user;
    if (wanted == CASE_NOT_FOUND) {
        fail(session, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "participant alice not found");
        return;
    }
    if (wanted == CASE_CLOSED_EARLY) {
        eg_error_set(&session->error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                     "Source closed");
        end(session, EG_SESSION_ABORTED);
        return;
    }
    if (wanted == CASE_EARLY_SIGNAL) {
        raise(SIGINT);
        return;
    }
    advance(session, EG_SESSION_ACTIVE);
    session->file.filename = file_path;
    if (wanted == CASE_SIGNAL)
        raise(SIGTERM);
    else if (wanted == CASE_TWO_SIGNALS || wanted == CASE_SIGNAL_TWICE)
        raise(SIGINT);
    else if (wanted == CASE_DISK_FULL)
        fail(session, EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_DESTINATION, "cannot write: disk full");
    else if (wanted == CASE_LOST)
        fail(session, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE, "connection to room failed");
    else
        eg_session_stop(session, EG_END_SOURCE_CLOSED);
}

static void on_timer(gpointer user)
{
    if (wanted == CASE_TWO_SIGNALS)
        raise(SIGINT);
    else
        complete(user);
}

EgSession *eg_session_new(EgLoop *loop, const EgSessionParams *params,
                          const EgSessionEvents *events, gpointer user)
{
    EgSession *session = g_new0(EgSession, 1);
    session->loop = loop;
    session->events = *events;
    session->user = user;
    session->timer = eg_timer_new(loop, on_timer, session);
    livekit__egress_info__init(&session->info);
    livekit__file_info__init(&session->file);
    session->info.egress_id = params->plan->egress_id;
    session->info.n_file_results = 1;
    session->info.file_results = session->files;
    session->files[0] = &session->file;
    return session;
}

void eg_session_free(EgSession *session)
{
    eg_timer_free(session->timer);
    g_clear_error(&session->error);
    g_free(session);
}

void eg_session_set_limit(EgSession *session, gint64 duration_ns, EgEndReason reason)
{
    (void)session;
    g_assert_cmpint(reason, ==, EG_END_STOPPED);
    limit_ns = duration_ns;
}

bool eg_session_start(EgSession *session, GError **error)
{
    if (wanted == CASE_NOT_STARTED) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "GStreamer is broken");
        return false;
    }
    advance(session, EG_SESSION_STARTING);
    eg_loop_post(session->loop, record, session, NULL);
    return true;
}

void eg_session_stop(EgSession *session, EgEndReason reason)
{
    (void)reason;
    if (session->state == EG_SESSION_STARTING) {
        eg_error_set(&session->error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                     "Stop called before pipeline could start");
        end(session, EG_SESSION_ABORTED);
        return;
    }
    advance(session, EG_SESSION_ENDING);
    if (wanted == CASE_SIGNAL_TWICE) {
        raise(SIGINT);
        eg_timer_set_after(session->timer, 100 * EG_NS_PER_MS);
    } else if (wanted == CASE_TWO_SIGNALS) {
        eg_timer_set_after(session->timer, 300 * EG_NS_PER_MS);
    } else {
        eg_loop_post(session->loop, complete, session, NULL);
    }
}

void eg_session_abort(EgSession *session)
{
    eg_error_set(&session->error, EG_ERROR_CANCELED, EG_BLAME_REQUEST, "recording given up");
    end(session, EG_SESSION_FAILED);
}

EgSessionState eg_session_state(const EgSession *session)
{
    return session->state;
}

const Livekit__EgressInfo *eg_session_info(const EgSession *session)
{
    return &session->info;
}

const GError *eg_session_error(const EgSession *session)
{
    return session->error;
}

void eg_session_get_progress(EgSession *session, EgSessionProgress *progress)
{
    *progress = (EgSessionProgress){
        .state = session->state,
        .path = session->state > EG_SESSION_STARTING ? file_path : NULL,
        .description = session->state == EG_SESSION_ACTIVE ? "alice: camera VP8" : "",
    };
}

static void run(Case which, const char *more)
{
    g_autofree char *folder = g_dir_make_tmp("egress-test-XXXXXX", NULL);
    file_path = g_build_filename(folder, "x.mp4", NULL);
    wanted = which;
    const char *const args[] = {
        "--url=ws://h", "--api-key=k",         "--api-secret=s", "--room=r", "-o",
        file_path,      "--participant=alice", "--duration=7",   more,       NULL};
    int status = eg_record_main(args);
    printf("exit %d\n", status);
    fflush(stdout);
    g_remove(file_path);
    g_rmdir(folder);
    g_free(file_path);
}

/* In the child runs the case, in the parent true once it has. */
static bool has_run(Case which, const char *more)
{
    if (g_test_subprocess()) {
        run(which, more);
        return false;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    return true;
}

static void test_ends(void)
{
    if (!has_run(CASE_ENDS, NULL))
        return;
    g_test_trap_assert_stdout("*x.mp4  10.0 s  3.7 MB  H264 1280x720, AAC  (alice: camera VP8)\n"
                              "exit 0\n*");
    g_test_trap_assert_stderr("waiting for picture and sound\n"
                              "00:00:00  0.0 kB  alice: camera VP8\n"
                              "finishing the file\n");
}

static void test_json(void)
{
    if (!has_run(CASE_ENDS, "--json"))
        return;
    g_test_trap_assert_stdout("*{\"egress_id\":\"EG_*\",\"status\":\"EGRESS_COMPLETE\","
                              "\"file_results\":[{\"filename\":\"*x.mp4\",\"size\":\"3700000\","
                              "\"duration\":\"10000000000\"}]}\nexit 0\n*");
}

static void test_quiet(void)
{
    if (!has_run(CASE_ENDS, "--quiet"))
        return;
    g_test_trap_assert_stdout("*exit 0\n*");
    g_test_trap_assert_stdout_unmatched("*MB*");
    g_test_trap_assert_stderr("");
}

static void test_signal(void)
{
    if (!has_run(CASE_SIGNAL, NULL))
        return;
    g_test_trap_assert_stdout("*x.mp4  10.0 s*exit 0\n*");
}

static void test_signal_twice(void)
{
    if (!has_run(CASE_SIGNAL_TWICE, NULL))
        return;
    g_test_trap_assert_stdout("*x.mp4  10.0 s*exit 0\n*");
}

static void test_two_signals(void)
{
    if (!has_run(CASE_TWO_SIGNALS, NULL))
        return;
    g_test_trap_assert_stdout("*exit 130\n*");
    g_test_trap_assert_stdout_unmatched("*MB*");
    g_test_trap_assert_stderr("*egress: recording given up\n");
}

static void test_failures(void)
{
    static const struct {
        const char *path;
        Case which;
        const char *out;
        const char *err;
    } cases[] = {
        // clang-format off
        {"early-signal", CASE_EARLY_SIGNAL, "*exit 130\n*",
         "*egress: Stop called before pipeline could start\n"},
        {"not-found", CASE_NOT_FOUND, "*exit 4\n*", "*egress: participant alice not found\n"},
        {"closed-early", CASE_CLOSED_EARLY, "*exit 1\n*", "*egress: Source closed\n"},
        {"disk-full", CASE_DISK_FULL, "*exit 5\n*", "*egress: cannot write: disk full\n"},
        {"lost", CASE_LOST, "*exit 1\n*", "*egress: connection to room failed\n"},
        {"not-started", CASE_NOT_STARTED, "*exit 1\n*", "egress: GStreamer is broken\n"},
    };
    // clang-format on
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/cli/record/failure/subprocess/", cases[i].path, NULL);
        g_test_trap_subprocess(path, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stdout(cases[i].out);
        g_test_trap_assert_stderr(cases[i].err);
    }
}

static void run_case(gconstpointer data)
{
    run((Case)GPOINTER_TO_INT(data), NULL);
}

static void test_limit(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        return;
    }
    run(CASE_ENDS, NULL);
    g_assert_cmpint(limit_ns, ==, 7 * EG_NS_PER_S);
}

/* What is known at once is said at once, and no session is made. */
static void test_refused_at_once(void)
{
    static const struct {
        const char *args[8];
        int status;
    } cases[] = {
        // clang-format off
        {{"--bogus", NULL}, 2},
        {{"--room=r", "--participant=a", NULL}, 2},
        {{"--url=ws://h", "--api-key=k", "--api-secret=s", "--room=r", "--track=t",
          "--token=t", NULL}, 2},
        {{"--url=ws://h", "--token=e30.eyJleHAiOjEsInZpZGVvIjp7InJvb21Kb2luIjp0cnVlfX0.c2ln",
          "--room=r", "--track=t", NULL}, 3},
        {{"--url=ws://h", "--api-key=k", "--api-secret=s", "--room=r", "--track=t",
          "-o", "/nonexistent/x.mp4", NULL}, 5},
        {{"--help", NULL}, 0},
    };
    // clang-format on
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_passed();
        g_test_trap_assert_stdout("*Usage:*egress record*--participant=IDENTITY*");
        g_test_trap_assert_stderr("egress: Unknown option --bogus*\n"
                                  "egress: *token or api key/secret: see --api-key and*\n"
                                  "egress: --token stands in for*\n"
                                  "egress: token has expired at 1970-01-01T00:00:01Z\n"
                                  "egress: cannot write into /nonexistent: No such file*\n");
        return;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpint(eg_record_main(cases[i].args), ==, cases[i].status);
}

int main(int argc, char **argv)
{
    static const char *const variables[] = {"LIVEKIT_URL", "LIVEKIT_WS_URL", "LIVEKIT_API_KEY",
                                            "LIVEKIT_API_SECRET"};
    for (gsize i = 0; i < G_N_ELEMENTS(variables); i++)
        g_unsetenv(variables[i]);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/record/ends", test_ends);
    g_test_add_func("/cli/record/json", test_json);
    g_test_add_func("/cli/record/quiet", test_quiet);
    g_test_add_func("/cli/record/signal", test_signal);
    g_test_add_func("/cli/record/signal-twice", test_signal_twice);
    g_test_add_func("/cli/record/two-signals", test_two_signals);
    g_test_add_func("/cli/record/failures", test_failures);
    g_test_add_func("/cli/record/limit", test_limit);
    g_test_add_func("/cli/record/refused-at-once", test_refused_at_once);
    static const struct {
        const char *path;
        Case which;
    } children[] = {
        {"early-signal", CASE_EARLY_SIGNAL},
        {"not-found", CASE_NOT_FOUND},
        {"closed-early", CASE_CLOSED_EARLY},
        {"disk-full", CASE_DISK_FULL},
        {"lost", CASE_LOST},
        {"not-started", CASE_NOT_STARTED},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(children); i++) {
        g_autofree char *path =
            g_strconcat("/cli/record/failure/subprocess/", children[i].path, NULL);
        g_test_add_data_func(path, GINT_TO_POINTER(children[i].which), run_case);
    }
    return g_test_run();
}
