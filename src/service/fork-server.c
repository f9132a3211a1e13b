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
#include "service/process-children.h"

/* Where `egress run` finds its socket. */
#define CONTROL_FD 3

/* Of a process's name (prctl(2), PR_SET_NAME). */
#define MAX_NAME_LENGTH 15

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
    GHashTable *strays;  /* pid -> GSource that waits for it: of nobody */
};

/* What belongs to the service; the rest (paths, proxies, locale) is every program's. */
static const char *const own_prefixes[] = {
    "LIVEKIT_", "EGRESS_CONFIG_", "EGRESS_TEMPLATE_", "AWS_", "AZURE_", "GOOGLE_", "OSS_",
};

static bool keeps(const char *variable)
{
    for (gsize i = 0; i < G_N_ELEMENTS(own_prefixes); i++) {
        if (g_str_has_prefix(variable, own_prefixes[i]))
            return true;
    }
    return false;
}

GPtrArray *eg_fork_server_kept(const char *const *environment)
{
    GPtrArray *kept = g_ptr_array_new();
    for (gsize i = 0; environment[i] != NULL; i++) {
        if (keeps(environment[i]))
            g_ptr_array_add(kept, (gpointer)environment[i]);
    }
    return kept;
}

char **eg_fork_server_others(void)
{
    g_auto(GStrv) all = g_get_environ();
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (char **variable = all; *variable != NULL; variable++) {
        if (!keeps(*variable))
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

static void tell_start(EgForkServer *server, const char *egress_id, int pid)
{
    g_hash_table_remove(server->ordered, egress_id);
    g_hash_table_insert(server->pids, g_strdup(egress_id), GINT_TO_POINTER(pid));
    server->events.started(server->user, egress_id, pid);
}

static void destroy_source(gpointer source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

static bool is_known(const EgForkServer *server, int pid)
{
    GHashTableIter iter;
    gpointer known;
    if (g_hash_table_contains(server->strays, GINT_TO_POINTER(pid)) ||
        (server->control_fd >= 0 && pid == server->pid))
        return true;
    g_hash_table_iter_init(&iter, server->pids);
    while (g_hash_table_iter_next(&iter, NULL, &known)) {
        if (GPOINTER_TO_INT(known) == pid)
            return true;
    }
    return false;
}

/* The egress whose start is not answered, and which has a process of this name: that is its id, as
 * far as the kernel keeps it. NULL: none. */
static char *find_ordered(const EgForkServer *server, const char *name)
{
    GHashTableIter iter;
    gpointer id;
    g_hash_table_iter_init(&iter, server->ordered);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        if (*name != '\0' && strncmp(id, name, MAX_NAME_LENGTH) == 0)
            return g_strdup(id);
    }
    return NULL;
}

static void on_stray_exited(GPid pid, gint status, gpointer user);

/* We inherit the children of all that die below us (PR_SET_CHILD_SUBREAPER). They are egresses, if
 * a fork server has died before it told of them, or what an egress has left; whoever they are,
 * nobody else will wait for them. */
static void adopt_unknown(EgForkServer *server)
{
    /* One of them may be an egress of which the fork server has told already, unread. */
    if (server->control_fd >= 0 && g_hash_table_size(server->ordered) > 0)
        return;
    g_autoptr(GArray) children = eg_process_children(getpid());
    for (guint i = 0; i < children->len; i++) {
        const EgProcessChild *child = &g_array_index(children, EgProcessChild, i);
        if (is_known(server, child->pid))
            continue;
        g_autofree char *id = find_ordered(server, child->name);
        if (id != NULL) {
            tell_start(server, id, child->pid);
            continue;
        }
        GSource *source = g_child_watch_source_new(child->pid);
        g_source_set_callback(source, G_SOURCE_FUNC(on_stray_exited), server, NULL);
        g_source_attach(source, eg_loop_context(server->loop));
        g_hash_table_insert(server->strays, GINT_TO_POINTER(child->pid), source);
    }
}

/* It may have had children, too. */
static void on_stray_exited(GPid pid, gint status, gpointer user)
{
    EgForkServer *server = user;
    (void)status;
    g_hash_table_remove(server->strays, GINT_TO_POINTER(pid));
    adopt_unknown(server);
}

static void tell_exit(EgForkServer *server, const char *egress_id, int status)
{
    g_autofree char *id = g_strdup(egress_id);
    g_hash_table_remove(server->pids, id);
    g_hash_table_remove(server->orphans, id);
    adopt_unknown(server);
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

/* The egresses of a fork server that has died are waited for here. */
static void adopt_egresses(EgForkServer *server)
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

/* What was ordered and has no process. */
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
    if (message->pid > 0) {
        tell_start(server, message->egress_id, message->pid);
    } else {
        g_hash_table_remove(server->ordered, message->egress_id);
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
    adopt_unknown(server);
    adopt_egresses(server);
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
    g_auto(GStrv) environment = eg_fork_server_others();
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
    server->strays = g_hash_table_new_full(NULL, NULL, NULL, destroy_source);
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
    g_hash_table_unref(server->strays);
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
    else if (g_hash_table_contains(server->ordered, egress_id))
        kill(server->pid, SIGKILL);
}
