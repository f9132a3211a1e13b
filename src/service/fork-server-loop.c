/* The fork server's own side: one thread that waits for orders and for children that end. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/fork-message.h"

typedef struct {
    int control_fd;
    int signal_fd;
    sigset_t old_signals;
    GHashTable *ids; /* pid -> egress id */
    int (*child)(int channel_fd);
} ForkServer;

/* In the new process. What was prepared before the fork must not make it the twin of another. */
static void run_child(const ForkServer *server, const EgForkMessage *order, int channel_fd)
{
    guint32 seed;
    close(server->control_fd);
    close(server->signal_fd);
    sigprocmask(SIG_SETMASK, &server->old_signals, NULL);
    if (getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed))
        g_random_set_seed(seed);
    prctl(PR_SET_NAME, order->egress_id);
    exit(server->child(channel_fd));
}

static void start(ForkServer *server, const EgForkMessage *order, int channel_fd)
{
    EgForkMessage answer = *order;
    answer.type = EG_FORK_STARTED;
    answer.pid = fork();
    if (answer.pid == 0)
        run_child(server, order, channel_fd);
    close(channel_fd);
    if (answer.pid > 0)
        g_hash_table_insert(server->ids, GINT_TO_POINTER(answer.pid), g_strdup(order->egress_id));
    else
        answer.status = errno;
    eg_fork_message_send(server->control_fd, &answer, -1);
}

static void reap(ForkServer *server)
{
    struct signalfd_siginfo ignored;
    EgForkMessage exited = {.type = EG_FORK_EXITED};
    if (read(server->signal_fd, &ignored, sizeof(ignored)) < 0)
        return;
    /* One signal may stand for several children. */
    while ((exited.pid = waitpid(-1, &exited.status, WNOHANG)) > 0) {
        const char *id = g_hash_table_lookup(server->ids, GINT_TO_POINTER(exited.pid));
        if (id == NULL)
            continue;
        g_strlcpy(exited.egress_id, id, sizeof(exited.egress_id));
        g_hash_table_remove(server->ids, GINT_TO_POINTER(exited.pid));
        eg_fork_message_send(server->control_fd, &exited, -1);
    }
}

int eg_fork_server_run(int control_fd, int (*child)(int channel_fd))
{
    ForkServer server = {.control_fd = control_fd, .child = child};
    sigset_t child_signal;
    sigemptyset(&child_signal);
    sigaddset(&child_signal, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_signal, &server.old_signals);
    server.signal_fd = signalfd(-1, &child_signal, SFD_CLOEXEC | SFD_NONBLOCK);
    server.ids = g_hash_table_new_full(NULL, NULL, NULL, g_free);

    while (true) {
        struct pollfd ready[] = {
            {.fd = control_fd,       .events = POLLIN},
            {.fd = server.signal_fd, .events = POLLIN},
        };
        if (poll(ready, G_N_ELEMENTS(ready), -1) < 0)
            continue;
        if (ready[1].revents != 0)
            reap(&server);
        if (ready[0].revents != 0) {
            EgForkMessage order;
            int channel_fd;
            if (!eg_fork_message_receive(control_fd, &order, &channel_fd))
                break;
            start(&server, &order, channel_fd);
        }
    }
    g_hash_table_unref(server.ids);
    close(server.signal_fd);
    return EXIT_SUCCESS;
}
