#pragma once

#include "base/log.h"
#include "base/loop.h"

/* A program that we run: a display, a sound daemon, a browser, a hook. It ends at the
 * latest with this process, also when that is killed, and what it has started ends with it. */
typedef struct _EgHelper EgHelper;

/* A descriptor of ours that the program gets as number `target`. */
typedef struct {
    int fd;
    int target;
} EgHelperFd;

typedef struct {
    const char *name;               /* in errors and the log: "Xvfb" */
    const char *const *argv;        /* ends with NULL; [0] is looked up on PATH */
    const char *const *environment; /* "NAME=value", ends with NULL: all that it gets */
    const EgHelperFd *fds;          /* borrowed: the caller closes its own */
    guint n_fds;
    GBytes *input;    /* what it reads from its standard input; NULL: nothing */
    const EgLog *log; /* lines of its standard error are logged at debug */
    /* Lines with one of these in them do not count; ends with NULL. NULL: all do. */
    const char *const *noise;
} EgHelperParams;

typedef struct {
    /* A line that it wrote to its standard error, without the line's end. May be NULL. */
    void (*line)(gpointer user, const char *line);
    /* It has ended by itself; the error says how, and its last words. Once, and the last one. */
    void (*exited)(gpointer user, const GError *error);
} EgHelperEvents;

/* Starts it, as the leader of a session of its own. Callbacks come from the loop. */
EgHelper *eg_helper_new(EgLoop *loop, const EgHelperParams *params, const EgHelperEvents *events,
                        gpointer user, GError **error);

/* Kills it, and what it has started, without asking, and reaps it. */
void eg_helper_free(EgHelper *helper);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgHelper, eg_helper_free)

GPid eg_helper_pid(const EgHelper *helper);

/* In `exited`: how it has ended; -1: by a signal. */
int eg_helper_exit_code(const EgHelper *helper);
