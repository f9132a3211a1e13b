#include "source/helper.h"

#include <gio/gio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"

/* How long after its end what a program wrote last is waited for: what it has started may hold the
 * pipe open. */
#define LAST_WORDS_NS (200 * EG_NS_PER_MS)

struct _EgHelper {
    char *name;
    char *noise;
    const EgLog *log;
    EgHelperEvents events;
    gpointer user;
    GSubprocess *process;
    GDataInputStream *errors; /* NULL when it has ended */
    GCancellable *cancellable;
    GPid pid;
    bool has_exited;
    EgTimer *exit_timer; /* tells `exited` */
    char *last_line;     /* of its standard error; NULL: none */
};

/* Between fork and exec. That the thread which starts it ends is no matter: it is the main one. */
static void setup_process(gpointer parent)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != GPOINTER_TO_INT(parent))
        _exit(1);
}

static void on_exit_due(gpointer user)
{
    EgHelper *helper = user;
    g_autoptr(GError) error = NULL;
    g_autofree char *how =
        g_subprocess_get_if_exited(helper->process)
            ? g_strdup_printf("exit code %d", g_subprocess_get_exit_status(helper->process))
            : g_strdup_printf("signal %d", g_subprocess_get_term_sig(helper->process));
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s has ended (%s)%s%s", helper->name,
                 how, helper->last_line != NULL ? ": " : "",
                 helper->last_line != NULL ? helper->last_line : "");
    helper->events.exited(helper->user, error);
}

static void on_exited(GObject *object, GAsyncResult *result, gpointer user)
{
    EgHelper *helper = user;
    g_autoptr(GError) error = NULL;
    g_subprocess_wait_finish(G_SUBPROCESS(object), result, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    helper->has_exited = true;
    kill(-helper->pid, SIGKILL);
    eg_timer_set_after(helper->exit_timer, helper->errors != NULL ? LAST_WORDS_NS : 0);
}

static void read_line(EgHelper *helper);

static void on_line(GObject *object, GAsyncResult *result, gpointer user)
{
    EgHelper *helper = user;
    g_autoptr(GError) error = NULL;
    g_autofree char *line =
        g_data_input_stream_read_line_finish(G_DATA_INPUT_STREAM(object), result, NULL, &error);
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    if (line == NULL) {
        g_clear_object(&helper->errors);
        if (helper->has_exited)
            eg_timer_set(helper->exit_timer, 0);
        return;
    }
    g_autofree char *text = g_utf8_make_valid(line, -1);
    read_line(helper);
    if (helper->noise != NULL && strstr(text, helper->noise) != NULL)
        return;
    eg_debug(helper->log, "helper says", EG_STR("program", helper->name), EG_STR("line", text));
    if (*text != '\0') {
        g_free(helper->last_line);
        helper->last_line = g_strdup(text);
    }
    if (helper->events.line != NULL)
        helper->events.line(helper->user, text);
}

static void read_line(EgHelper *helper)
{
    g_data_input_stream_read_line_async(helper->errors, G_PRIORITY_DEFAULT, helper->cancellable,
                                        on_line, helper);
}

static GSubprocess *start(const EgHelperParams *params, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GError) cause = NULL;
    g_subprocess_launcher_set_environ(launcher, (char **)params->environment);
    g_subprocess_launcher_set_cwd(launcher, "/");
    g_subprocess_launcher_set_child_setup(launcher, setup_process, GINT_TO_POINTER(getpid()), NULL);
    for (guint i = 0; i < params->n_fds; i++)
        g_subprocess_launcher_take_fd(launcher, dup(params->fds[i].fd), params->fds[i].target);
    GSubprocess *process = g_subprocess_launcher_spawnv(launcher, params->argv, &cause);
    if (process == NULL)
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot start %s: %s",
                     params->name, cause->message);
    return process;
}

EgHelper *eg_helper_new(EgLoop *loop, const EgHelperParams *params, const EgHelperEvents *events,
                        gpointer user, GError **error)
{
    eg_loop_assert_owner(loop);
    GSubprocess *process = start(params, error);
    if (process == NULL)
        return NULL;
    EgHelper *helper = g_new0(EgHelper, 1);
    helper->name = g_strdup(params->name);
    helper->noise = g_strdup(params->noise);
    helper->log = params->log;
    helper->events = *events;
    helper->user = user;
    helper->process = process;
    helper->pid = (GPid)g_ascii_strtoll(g_subprocess_get_identifier(process), NULL, 10);
    helper->errors = g_data_input_stream_new(g_subprocess_get_stderr_pipe(process));
    helper->cancellable = g_cancellable_new();
    helper->exit_timer = eg_timer_new(loop, on_exit_due, helper);
    read_line(helper);
    g_subprocess_wait_async(process, helper->cancellable, on_exited, helper);
    return helper;
}

void eg_helper_free(EgHelper *helper)
{
    if (helper == NULL)
        return;
    g_cancellable_cancel(helper->cancellable);
    kill(-helper->pid, SIGKILL);
    g_subprocess_wait(helper->process, NULL, NULL);
    g_clear_object(&helper->errors);
    g_object_unref(helper->cancellable);
    g_object_unref(helper->process);
    eg_timer_free(helper->exit_timer);
    g_free(helper->last_line);
    g_free(helper->noise);
    g_free(helper->name);
    g_free(helper);
}

GPid eg_helper_pid(const EgHelper *helper)
{
    return helper->pid;
}
