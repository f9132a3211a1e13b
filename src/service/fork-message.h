#pragma once

#include <glib.h>
#include <stdbool.h>

#include "service/fork-server.h"

/* What the service and its fork server, the same program, say over a SOCK_SEQPACKET socket. */
typedef enum {
    EG_FORK_NONE,
    EG_FORK_START,   /* to the fork server, with the process's channel (SCM_RIGHTS) */
    EG_FORK_STARTED, /* from it, with the pid; -1: it could not */
    EG_FORK_EXITED,  /* from it, with the pid and the status of waitpid(2) */
} EgForkMessageType;

typedef struct {
    EgForkMessageType type;
    int pid;
    int status;
    char egress_id[EG_FORK_ID_MAX_LENGTH + 1];
} EgForkMessage;

/* `passed_fd` -1: none. Both return false when the other side has gone; receiving waits. */
bool eg_fork_message_send(int fd, const EgForkMessage *message, int passed_fd);
bool eg_fork_message_receive(int fd, EgForkMessage *message, int *passed_fd);
