/* Processes are made, watched and waited for, whatever becomes of the one that makes them. This
 * program is that one, too: it is started anew with the argument "run". */
#include "service/fork-server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/fork-message.h"
#include "service/process-children.h"

#define CONTROL_FD 3
#define MODE       "TEST_FORK_SERVER"
#define ID         "EG_0123456789ab"

/* Longer than what the kernel keeps of a name. */
#define LONG_ID "EG_0123456789abcdefghijkl"

/* The fork server's side. */

/* An egress: ends with the code that it is told, or 0 when nobody can tell it any more. */
static int wait_for_code(int fd)
{
    guint8 code;
    return read(fd, &code, 1) == 1 ? code : 0;
}

/* One that leaves another process behind. */
static int leave_child(int fd)
{
    if (fork() == 0)
        exit(wait_for_code(fd));
    return 5;
}

static void die(void)
{
    raise(SIGKILL);
}

static void make_child_and_die(const EgForkMessage *order, int channel_fd, bool has_name)
{
    int ready[2];
    char byte = 0;
    g_assert_cmpint(pipe(ready), ==, 0);
    if (fork() == 0) {
        close(CONTROL_FD);
        if (has_name)
            prctl(PR_SET_NAME, order->egress_id);
        g_assert_cmpint(write(ready[1], &byte, 1), ==, 1);
        exit(wait_for_code(channel_fd));
    }
    g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
    die();
}

static int run(void)
{
    const char *mode = getenv(MODE);
    EgForkMessage order;
    int channel_fd;
    if (strcmp(mode, "good") == 0)
        return eg_fork_server_run(CONTROL_FD, wait_for_code);
    if (strcmp(mode, "leaves") == 0)
        return eg_fork_server_run(CONTROL_FD, leave_child);
    if (!eg_fork_message_receive(CONTROL_FD, &order, &channel_fd))
        return EXIT_SUCCESS;
    if (strcmp(mode, "hangs") == 0)
        raise(SIGSTOP);
    if (strcmp(mode, "dies") == 0)
        die();
    make_child_and_die(&order, channel_fd, strcmp(mode, "dies-untold") == 0);
    return EXIT_FAILURE;
}

/* The service's side. */

typedef struct {
    EgLoop *loop;
    EgForkServer *server;
    int fd; /* to the egress */
    int pid;
    guint n_started;
    guint n_exited;
    int status;
    char *lost; /* why */
} Fixture;

static void on_started(gpointer user, const char *egress_id, int pid)
{
    Fixture *f = user;
    g_assert_true(g_str_has_prefix(egress_id, ID));
    f->n_started++;
    f->pid = pid;
}

static void on_exited(gpointer user, const char *egress_id, int status)
{
    Fixture *f = user;
    g_assert_true(g_str_has_prefix(egress_id, ID));
    f->n_exited++;
    f->status = status;
}

static void on_lost(gpointer user, const char *egress_id, const char *reason)
{
    Fixture *f = user;
    g_assert_cmpstr(egress_id, ==, ID);
    g_assert_null(f->lost);
    f->lost = g_strdup(reason);
}

static void set_up(Fixture *f, gconstpointer mode)
{
    static const EgForkServerEvents events = {
        .started = on_started,
        .exited = on_exited,
        .lost = on_lost,
    };
    g_autoptr(GError) error = NULL;
    g_assert_true(g_setenv(MODE, mode, TRUE));
    f->loop = eg_loop_new();
    f->server = eg_fork_server_new(f->loop, NULL, &events, f, &error);
    g_assert_no_error(error);
    f->fd = -1;
}

static void tear_down(Fixture *f, gconstpointer mode)
{
    (void)mode;
    eg_fork_server_free(f->server);
    g_free(f->lost);
    if (f->fd >= 0)
        close(f->fd);
    eg_loop_free(f->loop);
}

#define WAIT(f, condition)                                                                         \
    do {                                                                                           \
        while (!(condition))                                                                       \
            eg_loop_iterate((f)->loop, true);                                                      \
    } while (0)

static void start(Fixture *f, const char *egress_id)
{
    g_autoptr(GError) error = NULL;
    f->fd = eg_fork_server_start(f->server, egress_id, &error);
    g_assert_no_error(error);
}

static void end(Fixture *f, guint8 code)
{
    g_assert_cmpint(write(f->fd, &code, 1), ==, 1);
}

static guint n_children(void)
{
    g_autoptr(GArray) children = eg_process_children(getpid());
    return children->len;
}

static void test_good(Fixture *f, gconstpointer mode)
{
    (void)mode;
    start(f, ID);
    WAIT(f, f->n_started == 1);
    end(f, 7);
    WAIT(f, f->n_exited == 1);
    g_assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 7);
    g_assert_cmpuint(n_children(), ==, 1);
    close(f->fd);
    start(f, LONG_ID);
    WAIT(f, f->n_started == 2);
    eg_fork_server_kill(f->server, LONG_ID);
    WAIT(f, f->n_exited == 2);
    g_assert_true(WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGKILL);
    g_assert_null(f->lost);
}

/* It has made the process, and died before it could say so. */
static void test_untold(Fixture *f, gconstpointer mode)
{
    (void)mode;
    start(f, LONG_ID);
    WAIT(f, f->n_started == 1);
    end(f, 9);
    WAIT(f, f->n_exited == 1);
    g_assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 9);
    g_assert_cmpuint(n_children(), ==, 0);
    g_assert_null(f->lost);
}

static void test_untold_killed(Fixture *f, gconstpointer mode)
{
    (void)mode;
    start(f, ID);
    WAIT(f, f->n_started == 1);
    eg_fork_server_kill(f->server, ID);
    WAIT(f, f->n_exited == 1);
    g_assert_true(WIFSIGNALED(f->status) && WTERMSIG(f->status) == SIGKILL);
    g_assert_cmpuint(n_children(), ==, 0);
}

/* The process cannot be told from others yet: it is waited for all the same. */
static void test_nameless(Fixture *f, gconstpointer mode)
{
    (void)mode;
    start(f, ID);
    WAIT(f, f->lost != NULL);
    g_assert_cmpuint(n_children(), ==, 1);
    end(f, 9);
    WAIT(f, n_children() == 0);
    g_assert_cmpuint(f->n_started + f->n_exited, ==, 0);
}

static void test_dies(Fixture *f, gconstpointer mode)
{
    (void)mode;
    start(f, ID);
    WAIT(f, f->lost != NULL);
    g_assert_cmpstr(f->lost, ==, "fork server has died");
    g_assert_cmpuint(n_children(), ==, 0);
    /* The next one is made by another. */
    g_free(g_steal_pointer(&f->lost));
    close(f->fd);
    g_assert_true(g_setenv(MODE, "good", TRUE));
    start(f, ID);
    WAIT(f, f->n_started == 1);
    end(f, 0);
    WAIT(f, f->n_exited == 1);
}

static void test_hangs(Fixture *f, gconstpointer mode)
{
    (void)mode;
    start(f, ID);
    eg_fork_server_kill(f->server, ID);
    WAIT(f, f->lost != NULL);
    g_assert_cmpuint(n_children(), ==, 0);
}

/* What an egress leaves behind. */
static void test_leaves(Fixture *f, gconstpointer mode)
{
    (void)mode;
    start(f, ID);
    WAIT(f, f->n_exited == 1);
    g_assert_true(WIFEXITED(f->status) && WEXITSTATUS(f->status) == 5);
    g_assert_cmpuint(n_children(), ==, 2);
    end(f, 0);
    WAIT(f, n_children() == 1);
    g_assert_cmpuint(f->n_exited, ==, 1);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "run") == 0)
        return run();
    g_test_init(&argc, &argv, NULL);
    eg_log_setup(EG_LOG_NONE, false);
#define ADD(path, mode, func)                                                                      \
    g_test_add("/service/fork-server/" path, Fixture, mode, set_up, func, tear_down)
    ADD("good", "good", test_good);
    ADD("untold", "dies-untold", test_untold);
    ADD("untold-killed", "dies-untold", test_untold_killed);
    ADD("nameless", "dies-nameless", test_nameless);
    ADD("dies", "dies", test_dies);
    ADD("hangs", "hangs", test_hangs);
    ADD("leaves", "leaves", test_leaves);
#undef ADD
    return g_test_run();
}
