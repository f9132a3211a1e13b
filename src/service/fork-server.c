#include "service/fork-server.h"

#include <errno.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "service/fork-message.h"

/* Where `egress run` finds its socket. */
#define CONTROL_FD 3

struct _EgForkServer {
    EgLoop *loop;
    const EgLog *log;
    EgForkServerEvents events;
    gpointer user;
    int control_fd; /* -1: none is running */
    GPid pid;
    GSource *reader;
    GHashTable *ordered; /* set of egress ids: starts that are not answered */
    GHashTable *pids;    /* egress id -> pid, of what is running */
    GHashTable *orphans; /* egress id -> GSource that waits for it: its fork server has died */
};

/* What belongs to the service; the rest (paths, proxies, locale) is every program's. */
static const char *const own_prefixes[] = {
    "LIVEKIT_", "EGRESS_CONFIG_", "EGRESS_TEMPLATE_", "AWS_", "AZURE_", "GOOGLE_", "OSS_",
};

bool eg_fork_server_keeps(const char *variable)
{
    for (gsize i = 0; i < G_N_ELEMENTS(own_prefixes); i++) {
        if (g_str_has_prefix(variable, own_prefixes[i]))
            return true;
    }
    return false;
}

static char **make_child_environment(void)
{
    g_auto(GStrv) all = g_get_environ();
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (char **variable = all; *variable != NULL; variable++) {
        if (!eg_fork_server_keeps(*variable))
            g_strv_builder_add(builder, *variable);
    }
    return g_strv_builder_end(builder);
}

/* Between fork and exec. A Ctrl-C in the service's terminal is the service's matter. */
static void setup_process(gpointer user)
{
    (void)user;
    setsid();
}

static void tell_exit(EgForkServer *server, const char *egress_id, int status)
{
    g_autofree char *id = g_strdup(egress_id);
    g_hash_table_remove(server->pids, id);
    g_hash_table_remove(server->orphans, id);
    server->events.exited(server->user, id, status);
}

typedef struct {
    EgForkServer *server;
    char *egress_id;
} Orphan;

static void free_orphan(gpointer data)
{
    Orphan *orphan = data;
    g_free(orphan->egress_id);
    g_free(orphan);
}

static void on_orphan_exited(GPid pid, gint status, gpointer user)
{
    Orphan *orphan = user;
    (void)pid;
    tell_exit(orphan->server, orphan->egress_id, status);
}

static void destroy_source(gpointer source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

/* The children of a fork server that has died are ours now (PR_SET_CHILD_SUBREAPER). */
static void adopt_children(EgForkServer *server)
{
    GHashTableIter iter;
    gpointer id, pid;
    g_hash_table_iter_init(&iter, server->pids);
    while (g_hash_table_iter_next(&iter, &id, &pid)) {
        if (g_hash_table_contains(server->orphans, id))
            continue;
        Orphan *orphan = g_new(Orphan, 1);
        *orphan = (Orphan){.server = server, .egress_id = g_strdup(id)};
        GSource *source = g_child_watch_source_new(GPOINTER_TO_INT(pid));
        g_source_set_callback(source, G_SOURCE_FUNC(on_orphan_exited), orphan, free_orphan);
        g_source_attach(source, eg_loop_context(server->loop));
        g_hash_table_insert(server->orphans, g_strdup(id), source);
    }
}

/* What was ordered and not answered may have been forked or not: its socket will tell. */
static void lose_ordered(EgForkServer *server)
{
    g_autoptr(GHashTable) ordered = g_steal_pointer(&server->ordered);
    server->ordered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, ordered);
    while (g_hash_table_iter_next(&iter, &id, NULL))
        server->events.lost(server->user, id, "fork server has died");
}

static void close_control(EgForkServer *server)
{
    if (server->control_fd < 0)
        return;
    destroy_source(g_steal_pointer(&server->reader));
    close(server->control_fd);
    server->control_fd = -1;
}

static void on_message(EgForkServer *server, const EgForkMessage *message)
{
    if (message->type == EG_FORK_EXITED) {
        tell_exit(server, message->egress_id, message->status);
        return;
    }
    g_hash_table_remove(server->ordered, message->egress_id);
    if (message->pid > 0) {
        g_hash_table_insert(server->pids, g_strdup(message->egress_id),
                            GINT_TO_POINTER(message->pid));
        server->events.started(server->user, message->egress_id, message->pid);
    } else {
        g_autofree char *reason =
            g_strdup_printf("egress process could not be started: %s", g_strerror(message->status));
        server->events.lost(server->user, message->egress_id, reason);
    }
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer user)
{
    EgForkServer *server = user;
    EgForkMessage message;
    int passed_fd;
    (void)condition;
    if (eg_fork_message_receive(fd, &message, &passed_fd)) {
        on_message(server, &message);
        return G_SOURCE_CONTINUE;
    }
    eg_warn(server->log, "fork server has died");
    close_control(server);
    waitpid(server->pid, NULL, 0);
    adopt_children(server);
    lose_ordered(server);
    return G_SOURCE_CONTINUE;
}

static bool spawn(EgForkServer *server, GError **error)
{
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "no socket: %s",
                     g_strerror(errno));
        return false;
    }
    /* This very program, also when its file was replaced by an update. */
    const char *const args[] = {"/proc/self/exe", "run", NULL};
    const int source_fds[] = {fds[1]};
    const int target_fds[] = {CONTROL_FD};
    g_auto(GStrv) environment = make_child_environment();
    bool done = g_spawn_async_with_pipes_and_fds(
        NULL, args, (const char *const *)environment, G_SPAWN_DO_NOT_REAP_CHILD, setup_process,
        NULL, -1, -1, -1, source_fds, target_fds, 1, &server->pid, NULL, NULL, NULL, error);
    close(fds[1]);
    if (!done) {
        close(fds[0]);
        return false;
    }
    server->control_fd = fds[0];
    server->reader = g_unix_fd_source_new(fds[0], G_IO_IN);
    g_source_set_callback(server->reader, G_SOURCE_FUNC(on_readable), server, NULL);
    g_source_attach(server->reader, eg_loop_context(server->loop));
    return true;
}

EgForkServer *eg_fork_server_new(EgLoop *loop, const EgLog *log, const EgForkServerEvents *events,
                                 gpointer user, GError **error)
{
    EgForkServer *server = g_new0(EgForkServer, 1);
    server->loop = loop;
    server->log = log;
    server->events = *events;
    server->user = user;
    server->control_fd = -1;
    server->ordered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    server->pids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    server->orphans = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, destroy_source);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!spawn(server, error))
        g_clear_pointer(&server, eg_fork_server_free);
    return server;
}

void eg_fork_server_free(EgForkServer *server)
{
    if (server == NULL)
        return;
    if (server->control_fd >= 0) {
        close_control(server);
        waitpid(server->pid, NULL, 0);
    }
    g_hash_table_unref(server->ordered);
    g_hash_table_unref(server->pids);
    g_hash_table_unref(server->orphans);
    g_free(server);
}

int eg_fork_server_start(EgForkServer *server, const char *egress_id, GError **error)
{
    EgForkMessage order = {.type = EG_FORK_START};
    int fds[2];
    g_assert(strlen(egress_id) <= EG_FORK_ID_MAX_LENGTH);
    g_strlcpy(order.egress_id, egress_id, sizeof(order.egress_id));
    if (server->control_fd < 0 && !spawn(server, error))
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "no socket: %s",
                     g_strerror(errno));
        return -1;
    }
    bool sent = eg_fork_message_send(server->control_fd, &order, fds[1]);
    close(fds[1]);
    if (!sent) {
        close(fds[0]);
        eg_error_set_retryable(error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "fork server has died");
        return -1;
    }
    g_hash_table_add(server->ordered, g_strdup(egress_id));
    return fds[0];
}

void eg_fork_server_kill(EgForkServer *server, const char *egress_id)
{
    gpointer pid = g_hash_table_lookup(server->pids, egress_id);
    if (pid != NULL)
        kill(GPOINTER_TO_INT(pid), SIGKILL);
}
