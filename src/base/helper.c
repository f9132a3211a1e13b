#include "base/helper.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixinputstream.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"

/* How long after its end what a program wrote last is waited for: what it has started may hold the
 * pipe open. */
#define LAST_WORDS_NS (200 * EG_NS_PER_MS)

struct _EgHelper {
    char *name;
    char **noise;
    const EgLog *log;
    EgHelperEvents events;
    gpointer user;
    GPid pid; /* not reaped before its group was killed: nobody else has this id */
    int pidfd;
    GSource *exit_source;     /* NULL when it has ended */
    int status;               /* as waitpid() has it, then */
    GDataInputStream *errors; /* NULL when all was read */
    GCancellable *cancellable;
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
    /* Whatever still holds the pipe has no say in it. */
    g_cancellable_cancel(helper->cancellable);
    g_autoptr(GError) error = NULL;
    g_autofree char *how = WIFEXITED(helper->status)
                               ? g_strdup_printf("exit code %d", WEXITSTATUS(helper->status))
                               : g_strdup_printf("signal %d", WTERMSIG(helper->status));
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s has ended (%s)%s%s", helper->name,
                 how, helper->last_line != NULL ? ": " : "",
                 helper->last_line != NULL ? helper->last_line : "");
    helper->events.exited(helper->user, error);
}

/* What it has started goes with it. */
static void reap(EgHelper *helper)
{
    kill(-helper->pid, SIGKILL);
    while (waitpid(helper->pid, &helper->status, 0) < 0 && errno == EINTR)
        continue;
    g_source_destroy(helper->exit_source);
    g_clear_pointer(&helper->exit_source, g_source_unref);
}

static gboolean on_exited(int pidfd, GIOCondition condition, gpointer user)
{
    EgHelper *helper = user;
    (void)pidfd;
    (void)condition;
    reap(helper);
    eg_timer_set_after(helper->exit_timer, helper->errors != NULL ? LAST_WORDS_NS : 0);
    return G_SOURCE_REMOVE;
}

static void read_line(EgHelper *helper);

static bool is_noise(const EgHelper *helper, const char *line)
{
    for (char **part = helper->noise; part != NULL && *part != NULL; part++) {
        if (strstr(line, *part) != NULL)
            return true;
    }
    return false;
}

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
        if (helper->exit_source == NULL)
            eg_timer_set(helper->exit_timer, 0);
        return;
    }
    g_autofree char *text = g_utf8_make_valid(line, -1);
    read_line(helper);
    if (is_noise(helper, text))
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

/* A file without a name that has it all: nothing has to be written while the program reads. -1 and
 * an error; or -1 if there is nothing. */
static int make_input(GBytes *input, GError **error)
{
    if (input == NULL)
        return -1;
    gsize size = 0;
    const char *data = g_bytes_get_data(input, &size);
    int fd = memfd_create("input", MFD_CLOEXEC);
    for (gsize done = 0; fd >= 0 && done < size;) {
        gssize written = write(fd, data + done, size - done);
        if (written < 0 && errno != EINTR) {
            close(fd);
            fd = -1;
        } else if (written > 0) {
            done += (gsize)written;
        }
    }
    if (fd < 0)
        eg_error_set_errno(error, errno, "keep", "the input of a program");
    else
        lseek(fd, 0, SEEK_SET);
    return fd;
}

/* Starts it; its standard error is to be read from `*errors_fd`. */
static bool start(const EgHelperParams *params, GPid *pid, int *errors_fd, GError **error)
{
    g_autofree int *sources = g_new(int, params->n_fds);
    g_autofree int *targets = g_new(int, params->n_fds);
    g_autoptr(GError) cause = NULL;
    int input_fd = make_input(params->input, error);
    if (params->input != NULL && input_fd < 0)
        return false;
    for (guint i = 0; i < params->n_fds; i++) {
        sources[i] = params->fds[i].fd;
        targets[i] = params->fds[i].target;
    }
    bool is_started = g_spawn_async_with_pipes_and_fds(
        "/", params->argv, params->environment,
        G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, setup_process,
        GINT_TO_POINTER(getpid()), input_fd, -1, -1, sources, targets, params->n_fds, pid, NULL,
        NULL, errors_fd, &cause);
    if (input_fd >= 0)
        close(input_fd);
    if (is_started)
        return true;
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "cannot start %s: %s", params->name,
                 cause->message);
    return false;
}

static void watch_exit(EgHelper *helper, EgLoop *loop)
{
    int fd = pidfd_open(helper->pid, 0);
    if (fd < 0)
        g_error("pidfd_open: %s", g_strerror(errno));
    helper->exit_source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(helper->exit_source, G_SOURCE_FUNC(on_exited), helper, NULL);
    g_source_attach(helper->exit_source, eg_loop_context(loop));
    helper->pidfd = fd;
}

EgHelper *eg_helper_new(EgLoop *loop, const EgHelperParams *params, const EgHelperEvents *events,
                        gpointer user, GError **error)
{
    GPid pid;
    int errors_fd;
    eg_loop_assert_owner(loop);
    if (!start(params, &pid, &errors_fd, error))
        return NULL;
    EgHelper *helper = g_new0(EgHelper, 1);
    helper->name = g_strdup(params->name);
    helper->noise = g_strdupv((char **)params->noise);
    helper->log = params->log;
    helper->events = *events;
    helper->user = user;
    helper->pid = pid;
    g_autoptr(GInputStream) stream = g_unix_input_stream_new(errors_fd, TRUE);
    helper->errors = g_data_input_stream_new(stream);
    helper->cancellable = g_cancellable_new();
    helper->exit_timer = eg_timer_new(loop, on_exit_due, helper);
    watch_exit(helper, loop);
    read_line(helper);
    return helper;
}

void eg_helper_free(EgHelper *helper)
{
    if (helper == NULL)
        return;
    g_cancellable_cancel(helper->cancellable);
    if (helper->exit_source != NULL)
        reap(helper);
    close(helper->pidfd);
    g_clear_object(&helper->errors);
    g_object_unref(helper->cancellable);
    eg_timer_free(helper->exit_timer);
    g_free(helper->last_line);
    g_strfreev(helper->noise);
    g_free(helper->name);
    g_free(helper);
}

int eg_helper_exit_code(const EgHelper *helper)
{
    return WIFEXITED(helper->status) ? WEXITSTATUS(helper->status) : -1;
}

GPid eg_helper_pid(const EgHelper *helper)
{
    return helper->pid;
}
