/* Programs that a source runs: they are given what they need, are killed with all that they start,
 * and leave nothing behind. */
#include "base/helper.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/run-folder.h"

typedef struct {
    EgLoop *loop;
    GString *lines;
    GError *error; /* of `exited` */
} Fixture;

static void on_line(gpointer user, const char *line)
{
    Fixture *f = user;
    g_string_append_printf(f->lines, "%s\n", line);
}

static void on_exited(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_assert_null(f->error);
    f->error = g_error_copy(error);
}

static const EgHelperEvents events = {.line = on_line, .exited = on_exited};

static void set_up(Fixture *f, gconstpointer data)
{
    (void)data;
    f->loop = eg_loop_new();
    f->lines = g_string_new(NULL);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    g_clear_error(&f->error);
    g_string_free(f->lines, TRUE);
    eg_loop_free(f->loop);
}

static EgHelper *run_shell(Fixture *f, const char *script, int fd)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", "WORD=hello", NULL};
    static const char *const noise[] = {"chatter", "babble", NULL};
    const EgHelperFd fds[] = {
        {fd, 3}
    };
    const EgHelperParams params = {
        .name = "shell",
        .argv = argv,
        .environment = environment,
        .fds = fds,
        .n_fds = fd >= 0 ? 1 : 0,
        .noise = noise,
    };
    g_autoptr(GError) error = NULL;
    EgHelper *helper = eg_helper_new(f->loop, &params, &events, f, &error);
    g_assert_no_error(error);
    return helper;
}

static void wait_for_exit(Fixture *f)
{
    while (f->error == NULL)
        eg_loop_iterate(f->loop, true);
}

static void wait_for_lines(Fixture *f)
{
    while (f->lines->len == 0)
        eg_loop_iterate(f->loop, true);
}

/* Of a process that is not ours to reap. */
static void wait_for_end(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0) {
        g_assert_cmpint(errno, ==, ESRCH);
        return;
    }
    struct pollfd event = {.fd = fd, .events = POLLIN};
    g_assert_cmpint(poll(&event, 1, 30000), ==, 1);
    close(fd);
}

static void test_exit(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(EgHelper) helper = run_shell(f, "echo one >&2; echo $WORD $HOME >&2; exit 3", -1);
    wait_for_exit(f);
    g_assert_cmpstr(f->lines->str, ==, "one\nhello\n");
    g_assert_cmpstr(f->error->message, ==, "shell has ended (exit code 3): hello");
}

/* Of what is said only for the sake of saying it, nothing is the last word. */
static void test_noise(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(EgHelper) helper =
        run_shell(f, "echo one >&2; echo more chatter >&2; echo babble >&2; exit 3", -1);
    wait_for_exit(f);
    g_assert_cmpstr(f->lines->str, ==, "one\n");
    g_assert_cmpstr(f->error->message, ==, "shell has ended (exit code 3): one");
}

static void test_signal(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(EgHelper) helper = run_shell(f, "kill -11 $$", -1);
    wait_for_exit(f);
    g_assert_cmpstr(f->error->message, ==, "shell has ended (signal 11)");
}

/* What it has started holds its standard error open, and is killed. */
static void test_children(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autoptr(EgHelper) helper = run_shell(f, "sleep 1000 & echo $! >&2; exit 0", -1);
    wait_for_exit(f);
    pid_t child = atoi(f->lines->str);
    g_assert_cmpint(child, >, 1);
    wait_for_end(child);
}

/* Somebody in a session of his own keeps the pipe open, and writes when its end was told. */
static void test_told_once(Fixture *f, gconstpointer data)
{
    (void)data;
    int fds[2];
    char byte;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), ==, 0);
    g_autoptr(EgHelper) helper =
        run_shell(f, "setsid sh -c 'echo up >&2; cat <&3; echo late >&2' & wait", fds[0]);
    close(fds[0]);
    wait_for_lines(f);
    kill(eg_helper_pid(helper), SIGKILL);
    wait_for_exit(f);
    shutdown(fds[1], SHUT_WR);
    g_assert_cmpint(read(fds[1], &byte, 1), ==, 0); /* he has ended */
    close(fds[1]);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_cmpstr(f->lines->str, ==, "up\n");
}

static void test_free_kills(Fixture *f, gconstpointer data)
{
    (void)data;
    EgHelper *helper = run_shell(f, "trap '' TERM; echo ready >&2; sleep 1000", -1);
    wait_for_lines(f);
    pid_t pid = eg_helper_pid(helper);
    eg_helper_free(helper);
    g_assert_cmpint(kill(pid, 0), ==, -1);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_null(f->error);
}

static void test_fd(Fixture *f, gconstpointer data)
{
    (void)data;
    int fds[2];
    g_assert_cmpint(pipe(fds), ==, 0);
    g_assert_cmpint(write(fds[1], "word\n", 5), ==, 5);
    close(fds[1]);
    g_autoptr(EgHelper) helper = run_shell(f, "read line <&3; echo got $line >&2", fds[0]);
    close(fds[0]);
    wait_for_exit(f);
    g_assert_cmpstr(f->lines->str, ==, "got word\n");
}

static void test_missing(Fixture *f, gconstpointer data)
{
    (void)data;
    const char *const argv[] = {"no-such-program-here", NULL};
    const char *const environment[] = {"PATH=/usr/bin:/bin", NULL};
    const EgHelperParams params = {.name = "Nothing", .argv = argv, .environment = environment};
    g_autoptr(GError) error = NULL;
    g_assert_null(eg_helper_new(f->loop, &params, &events, f, &error));
    g_assert_true(g_str_has_prefix(error->message, "cannot start Nothing: "));
    g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_SERVICE);
}

/* A process that is killed takes its helper with it. */
static void test_parent_killed(Fixture *f, gconstpointer data)
{
    (void)data;
    int fds[2];
    pid_t pid = -1;
    g_assert_cmpint(pipe(fds), ==, 0);
    pid_t parent = fork();
    if (parent == 0) {
        EgHelper *helper = run_shell(f, "sleep 1000", -1);
        pid = eg_helper_pid(helper);
        if (write(fds[1], &pid, sizeof(pid)) != sizeof(pid))
            _exit(1);
        pause();
    }
    close(fds[1]);
    g_assert_cmpint(read(fds[0], &pid, sizeof(pid)), ==, sizeof(pid));
    g_assert_cmpint(pid, >, 1);
    kill(parent, SIGKILL);
    waitpid(parent, NULL, 0);
    wait_for_end(pid);
    close(fds[0]);
}

static void test_folder(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *root = g_dir_make_tmp("egress-test-XXXXXX", NULL);
    EgRunFolder *one = eg_run_folder_new(root, &error);
    g_assert_no_error(error);
    EgRunFolder *two = eg_run_folder_new(root, &error);
    g_assert_no_error(error);
    g_assert_true(g_file_test(eg_run_folder_path(one), G_FILE_TEST_IS_DIR));
    g_assert_cmpstr(eg_run_folder_path(one), !=, eg_run_folder_path(two));

    GStatBuf info;
    g_assert_cmpint(g_stat(eg_run_folder_path(one), &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0700);
    g_auto(GStrv) environment = eg_run_folder_environment(one);
    g_assert_cmpstr(g_environ_getenv(environment, "HOME"), ==, eg_run_folder_path(one));

    g_autofree char *path = g_strdup(eg_run_folder_path(one));
    g_autofree char *deep = g_build_filename(path, "a", "b", NULL);
    g_assert_cmpint(g_mkdir_with_parents(deep, 0700), ==, 0);
    eg_run_folder_free(one);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    eg_run_folder_free(two);
    g_assert_cmpint(g_rmdir(root), ==, 0);
}

static void test_folder_left_over(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *root = g_dir_make_tmp("egress-test-XXXXXX", NULL);
    pid_t child = fork();
    if (child == 0) {
        eg_run_folder_new(root, NULL);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    g_autoptr(GDir) before = g_dir_open(root, 0, NULL);
    g_assert_nonnull(g_dir_read_name(before));
    eg_run_folder_free(eg_run_folder_new(root, &error));
    g_assert_no_error(error);
    g_assert_cmpint(g_rmdir(root), ==, 0);
}

static void test_folder_missing_root(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(eg_run_folder_new("/nowhere/at/all", &error));
    g_assert_nonnull(strstr(error->message, "/nowhere/at/all"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, test) g_test_add(path, Fixture, NULL, set_up, test, tear_down)
    ADD("/helper/exit", test_exit);
    ADD("/helper/noise", test_noise);
    ADD("/helper/signal", test_signal);
    ADD("/helper/children", test_children);
    ADD("/helper/told-once", test_told_once);
    ADD("/helper/free-kills", test_free_kills);
    ADD("/helper/fd", test_fd);
    ADD("/helper/missing", test_missing);
    ADD("/helper/parent-killed", test_parent_killed);
#undef ADD
    g_test_add_func("/run-folder/use", test_folder);
    g_test_add_func("/run-folder/left-over", test_folder_left_over);
    g_test_add_func("/run-folder/missing-root", test_folder_missing_root);
    return g_test_run();
}
