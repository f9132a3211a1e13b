#include "storage/s3-process.h"

#include "base/error.h"

#define TIMEOUT_S 60

typedef struct {
    GCancellable *cancellable; /* by whoever asks, or by the time */
    bool is_late;
    bool is_over;
    char *printed;
    GError *error;
} Run;

static gboolean on_late(gpointer user)
{
    Run *run = user;
    run->is_late = true;
    g_cancellable_cancel(run->cancellable);
    return G_SOURCE_REMOVE;
}

static void on_read(GObject *object, GAsyncResult *result, gpointer user)
{
    Run *run = user;
    run->is_over = true;
    g_subprocess_communicate_utf8_finish(G_SUBPROCESS(object), result, &run->printed, NULL,
                                         &run->error);
}

static void on_canceled(GCancellable *cancellable, gpointer own)
{
    (void)cancellable;
    g_cancellable_cancel(own);
}

/* Until it has closed its output, or its time is over. */
static void read_all(GSubprocess *process, Run *run)
{
    g_autoptr(GMainContext) context = g_main_context_new();
    g_autoptr(GSource) late = g_timeout_source_new_seconds(TIMEOUT_S);
    g_main_context_push_thread_default(context);
    g_source_set_callback(late, on_late, run, NULL);
    g_source_attach(late, context);
    g_subprocess_communicate_utf8_async(process, NULL, run->cancellable, on_read, run);
    while (!run->is_over)
        g_main_context_iteration(context, TRUE);
    g_source_destroy(late);
    g_main_context_pop_thread_default(context);
}

static EgS3Key *refuse(const char *program, const char *why, GError **error)
{
    eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST, "credential_process: %s %s",
                 program, why);
    return NULL;
}

static EgS3Key *take_key(const char *program, GSubprocess *process, const Run *run, GError **error)
{
    if (run->is_late)
        return refuse(program, "takes longer than a minute", error);
    if (run->error != NULL && g_error_matches(run->error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        eg_error_set(error, EG_ERROR_CANCELED, EG_BLAME_DESTINATION, "canceled");
        return NULL;
    }
    if (run->error != NULL)
        return refuse(program, run->error->message, error);
    if (!g_subprocess_get_successful(process))
        return refuse(program, "has failed", error);
    EgS3Key *key = eg_s3_key_parse(run->printed);
    return key != NULL ? key : refuse(program, "has printed no key", error);
}

EgS3Key *eg_s3_process_fetch(const char *command, GCancellable *cancellable, GError **error)
{
    g_auto(GStrv) argv = NULL;
    g_autoptr(GError) cause = NULL;
    if (!g_shell_parse_argv(command, NULL, &argv, &cause))
        return refuse("the command", cause->message, error);
    g_autoptr(GSubprocess) process =
        g_subprocess_newv((const char *const *)argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE, &cause);
    if (process == NULL)
        return refuse(argv[0], cause->message, error);
    Run run = {.cancellable = g_cancellable_new()};
    gulong handler = cancellable != NULL
                         ? g_cancellable_connect(cancellable, G_CALLBACK(on_canceled),
                                                 g_object_ref(run.cancellable), g_object_unref)
                         : 0;
    read_all(process, &run);
    if (handler != 0)
        g_cancellable_disconnect(cancellable, handler);
    if (run.error != NULL)
        g_subprocess_force_exit(process);
    EgS3Key *key = take_key(argv[0], process, &run, error);
    g_object_unref(run.cancellable);
    g_clear_error(&run.error);
    g_free(run.printed);
    return key;
}
