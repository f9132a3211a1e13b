#pragma once

#include "base/log.h"
#include "base/loop.h"

/* The processes of the egresses. They are forked from one that has everything loaded and nothing
 * running (the fork server, `egress run`), which makes them start within milliseconds and share
 * their memory, and keeps threads and secrets of the service out of them. Loop's thread only;
 * callbacks never come from inside a call. */
typedef struct _EgForkServer EgForkServer;

typedef struct {
    void (*started)(gpointer user, const char *egress_id, int pid);
    /* It has ended and was reaped; status as waitpid(2) gives it. */
    void (*exited)(gpointer user, const char *egress_id, int status);
    /* Instead of both: it could not be started, or (if its socket does not close) it was, and
     * nobody knows as which process. */
    void (*lost)(gpointer user, const char *egress_id, const char *reason);
} EgForkServerEvents;

/* What may be in an egress id, which becomes the name of a process and of files. */
#define EG_FORK_ID_MAX_LENGTH 63

EgForkServer *eg_fork_server_new(EgLoop *loop, const EgLog *log, const EgForkServerEvents *events,
                                 gpointer user, GError **error);

/* The egresses live on. */
void eg_fork_server_free(EgForkServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgForkServer, eg_fork_server_free)

/* Starts the process of an egress and returns the socket that leads to it (see bus/channel.h), or
 * -1 and an error. A fork server that has died is replaced. */
int eg_fork_server_start(EgForkServer *server, const char *egress_id, GError **error);

/* If it has no process yet, the fork server is what hangs, and is killed in its place. */
void eg_fork_server_kill(EgForkServer *server, const char *egress_id);

/* The other side: serves `control_fd` until the service has gone. `child` is called in each new
 * process, which exits with what it returns. Returns an exit code; the caller has one thread. */
int eg_fork_server_run(int control_fd, int (*child)(int channel_fd));

/* The variables that are the service's own (borrowed), to be handed on by other ways: its secrets
 * are not in the environment of its children, which every process of the same user can read. */
GPtrArray *eg_fork_server_kept(const char *const *environment);

/* All others, of this process; a new list. */
char **eg_fork_server_others(void);
