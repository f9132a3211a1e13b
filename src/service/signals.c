#include "service/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <unistd.h>

#include "base/error.h"

/* As many as a handler can be for. */
#define MAX_SIGNALS 8

struct _EgSignals {
    void (*received)(gpointer user, int number);
    gpointer user;
    int numbers[MAX_SIGNALS + 1];
    int fds[2]; /* the handler writes into the second */
    GSource *reader;
};

static volatile sig_atomic_t handler_fd = -1;

/* If the pipe is full, there are more than enough of them in it. */
static void handle(int number)
{
    int saved = errno;
    guint8 byte = (guint8)number;
    ssize_t ignored = write(handler_fd, &byte, sizeof(byte));
    (void)ignored;
    errno = saved;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer user)
{
    EgSignals *signals = user;
    guint8 byte;
    (void)condition;
    if (read(fd, &byte, sizeof(byte)) == (ssize_t)sizeof(byte))
        signals->received(signals->user, byte);
    return G_SOURCE_CONTINUE;
}

static void set_handler(const EgSignals *signals, void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (const int *number = signals->numbers; *number != 0; number++)
        sigaction(*number, &action, NULL);
}

EgSignals *eg_signals_new(EgLoop *loop, const int *numbers,
                          void (*received)(gpointer user, int number), gpointer user,
                          GError **error)
{
    int fds[2];
    g_assert(handler_fd == -1);
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "no pipe: %s", g_strerror(errno));
        return NULL;
    }
    EgSignals *signals = g_new0(EgSignals, 1);
    *signals = (EgSignals){
        .received = received, .user = user, .fds = {fds[0], fds[1]}
    };
    for (guint i = 0; numbers[i] != 0; i++) {
        g_assert(i < MAX_SIGNALS);
        signals->numbers[i] = numbers[i];
    }
    signals->reader = g_unix_fd_source_new(fds[0], G_IO_IN);
    g_source_set_callback(signals->reader, G_SOURCE_FUNC(on_readable), signals, NULL);
    g_source_attach(signals->reader, eg_loop_context(loop));
    handler_fd = fds[1];
    set_handler(signals, handle);
    return signals;
}

void eg_signals_free(EgSignals *signals)
{
    if (signals == NULL)
        return;
    set_handler(signals, SIG_DFL);
    handler_fd = -1;
    g_source_destroy(signals->reader);
    g_source_unref(signals->reader);
    close(signals->fds[0]);
    close(signals->fds[1]);
    g_free(signals);
}
