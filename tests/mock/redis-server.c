#include "mock/redis-server.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define MAX_TRIES   5

struct _RedisServer {
    char *folder;
    char *socket_path;   /* for commands of the test */
    char *sentinel_path; /* its configuration; NULL: an ordinary server */
    char **arguments;
    char *password; /* of the default user; NULL: none */
    char *address;
    guint16 port;
    guint16 bus_port; /* of a cluster */
    GPid pid;         /* 0: not running */
    int log_fd;
    GString *log; /* read and not waited for yet */
    redisContext *control;
};

static guint16 find_port(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, &error);
    g_assert_no_error(error);
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
    g_socket_bind(socket, any, FALSE, &error);
    g_assert_no_error(error);
    g_autoptr(GSocketAddress) address = g_socket_get_local_address(socket, &error);
    g_assert_no_error(error);
    return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address));
}

static const char *find_argument(char *const *arguments, const char *name)
{
    for (char *const *at = arguments; *at != NULL; at++)
        if (strcmp(*at, name) == 0)
            return at[1];
    return NULL;
}

static void add(GPtrArray *line, const char *name, const char *value)
{
    g_ptr_array_add(line, g_strdup(name));
    if (value != NULL)
        g_ptr_array_add(line, g_strdup(value));
}

static GPtrArray *make_command_line(RedisServer *server)
{
    g_autofree char *port = g_strdup_printf("%u", server->port);
    g_autofree char *bus_port = g_strdup_printf("%u", server->bus_port);
    const bool is_tls = find_argument(server->arguments, "--tls-cert-file") != NULL;
    GPtrArray *line = g_ptr_array_new_with_free_func(g_free);
    add(line, "redis-server", server->sentinel_path);
    if (server->sentinel_path != NULL)
        add(line, "--sentinel", NULL);
    add(line, "--port", is_tls ? "0" : port);
    if (is_tls)
        add(line, "--tls-port", port);
    add(line, "--bind", "127.0.0.1");
    add(line, "--unixsocket", server->socket_path);
    add(line, "--dir", server->folder);
    if (server->sentinel_path == NULL) {
        add(line, "--save", "");
        add(line, "--appendonly", "no");
    }
    if (find_argument(server->arguments, "--cluster-enabled") != NULL)
        add(line, "--cluster-port", bus_port);
    for (char **at = server->arguments; *at != NULL; at++)
        add(line, *at, NULL);
    g_ptr_array_add(line, NULL);
    return line;
}

/* A test that aborts leaves no server behind. */
static void die_with_test(gpointer user)
{
    (void)user;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static bool read_log(RedisServer *server, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = server->log_fd, .events = POLLIN};
    if (poll(&poll_fd, 1, timeout_ms) <= 0)
        return false;
    char buffer[4096];
    const ssize_t n = read(server->log_fd, buffer, sizeof(buffer));
    if (n <= 0)
        return false;
    g_string_append_len(server->log, buffer, n);
    return true;
}

/* False at its end. */
static bool find_log(RedisServer *server, const char *text)
{
    const gint64 end_us = g_get_monotonic_time() + PATIENCE_MS * G_TIME_SPAN_MILLISECOND;
    for (;;) {
        const char *found = strstr(server->log->str, text);
        const char *line_end = found != NULL ? strchr(found, '\n') : NULL;
        if (line_end != NULL) {
            g_string_erase(server->log, 0, line_end + 1 - server->log->str);
            return true;
        }
        const gint64 left_us = end_us - g_get_monotonic_time();
        if (left_us <= 0)
            g_error("'%s' is not in the log of redis: %s", text, server->log->str);
        if (!read_log(server, (int)(left_us / 1000) + 1) &&
            waitpid(server->pid, NULL, WNOHANG) == server->pid) {
            server->pid = 0;
            return false;
        }
    }
}

static bool try_start(RedisServer *server)
{
    g_autoptr(GPtrArray) line = make_command_line(server);
    g_autoptr(GError) error = NULL;
    g_string_truncate(server->log, 0);
    g_spawn_async_with_pipes(NULL, (char **)line->pdata, NULL,
                             G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, die_with_test, NULL,
                             &server->pid, NULL, &server->log_fd, NULL, &error);
    g_assert_no_error(error);
    const char *ready =
        server->sentinel_path != NULL ? "+monitor master" : "Ready to accept connections";
    if (find_log(server, ready))
        return true;
    g_test_message("redis-server ended: %s", server->log->str);
    close(server->log_fd);
    return false;
}

static void connect_control(RedisServer *server)
{
    const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    server->control = redisConnectUnixWithTimeout(server->socket_path, patience);
    g_assert_nonnull(server->control);
    g_assert_cmpstr(server->control->errstr, ==, "");
    redisSetTimeout(server->control, patience);
    if (server->password != NULL) {
        g_autofree char *answer = redis_server_command(server, "AUTH %s", server->password);
        g_assert_cmpstr(answer, ==, "OK");
    }
}

/* Somebody may take the port between its choice and its use. */
static void start(RedisServer *server)
{
    for (guint i = 0; i < MAX_TRIES; i++) {
        if (server->port == 0 || i > 0) {
            server->port = find_port();
            server->bus_port = find_port();
        }
        if (!try_start(server))
            continue;
        g_free(server->address);
        server->address = g_strdup_printf("127.0.0.1:%u", server->port);
        return;
    }
    g_error("redis-server does not start");
}

static RedisServer *server_new(void)
{
    g_autoptr(GError) error = NULL;
    RedisServer *server = g_new0(RedisServer, 1);
    server->folder = g_dir_make_tmp("redis-XXXXXX", &error);
    g_assert_no_error(error);
    server->socket_path = g_build_filename(server->folder, "socket", NULL);
    server->log = g_string_new(NULL);
    return server;
}

RedisServer *redis_server_new(const char *const *arguments)
{
    static const char *const none[] = {NULL};
    RedisServer *server = server_new();
    server->arguments = g_strdupv((char **)(arguments != NULL ? arguments : none));
    server->password = g_strdup(find_argument(server->arguments, "--requirepass"));
    start(server);
    connect_control(server);
    return server;
}

RedisServer *redis_server_new_sentinel(RedisServer *master, const char *name, const char *password)
{
    RedisServer *server = server_new();
    server->sentinel_path = g_build_filename(server->folder, "sentinel.conf", NULL);
    server->arguments = g_new0(char *, 1);
    server->password = g_strdup(password);
    g_autofree char *text =
        g_strdup_printf("sentinel monitor %s 127.0.0.1 %u 1\n"
                        "sentinel down-after-milliseconds %s 300\n"
                        "sentinel failover-timeout %s 3000\n"
                        "%s%s\n",
                        name, master->port, name, name, password != NULL ? "requirepass " : "",
                        password != NULL ? password : "");
    g_autoptr(GError) error = NULL;
    g_file_set_contents(server->sentinel_path, text, -1, &error);
    g_assert_no_error(error);
    start(server);
    connect_control(server);
    /* It looks at the servers every 10 s else. */
    g_autofree char *answer =
        redis_server_command(server, "SENTINEL DEBUG info-period 100 ping-period 100");
    g_assert_cmpstr(answer, ==, "OK");
    return server;
}

void redis_server_kill(RedisServer *server)
{
    g_clear_pointer(&server->control, redisFree);
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    server->pid = 0;
    close(server->log_fd);
}

void redis_server_restart(RedisServer *server)
{
    redis_server_kill(server);
    g_unlink(server->socket_path);
    if (!try_start(server))
        g_error("redis-server does not start again");
    connect_control(server);
}

static void remove_folder(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_unlink(file);
    }
    g_rmdir(path);
}

void redis_server_free(RedisServer *server)
{
    if (server == NULL)
        return;
    redis_server_kill(server);
    remove_folder(server->folder);
    g_free(server->folder);
    g_free(server->socket_path);
    g_free(server->sentinel_path);
    g_strfreev(server->arguments);
    g_free(server->address);
    g_free(server->password);
    g_string_free(server->log, TRUE);
    g_free(server);
}

guint16 redis_server_port(const RedisServer *server)
{
    return server->port;
}

const char *redis_server_address(const RedisServer *server)
{
    return server->address;
}

const char *redis_server_socket(const RedisServer *server)
{
    return server->socket_path;
}

void redis_server_freeze(RedisServer *server)
{
    g_assert_cmpint(kill(server->pid, SIGSTOP), ==, 0);
}

void redis_server_thaw(RedisServer *server)
{
    g_assert_cmpint(kill(server->pid, SIGCONT), ==, 0);
}

static void append_reply(GString *text, const redisReply *reply)
{
    switch (reply->type) {
    case REDIS_REPLY_ARRAY:
        for (size_t i = 0; i < reply->elements; i++) {
            if (i > 0)
                g_string_append_c(text, '\n');
            append_reply(text, reply->element[i]);
        }
        break;
    case REDIS_REPLY_INTEGER:
        g_string_append_printf(text, "%lld", reply->integer);
        break;
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        g_string_append_len(text, reply->str, (gssize)reply->len);
        break;
    default:
        break;
    }
}

static redisReply *run(RedisServer *server, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    if (server->control == NULL)
        connect_control(server);
    redisReply *reply = redisvCommand(server->control, format, args);
    if (reply == NULL) {
        /* Sentinels have the connections of a server cut whose role they change. */
        g_clear_pointer(&server->control, redisFree);
        connect_control(server);
        reply = redisvCommand(server->control, format, again);
    }
    va_end(again);
    if (reply == NULL)
        g_error("redis does not answer: %s", server->control->errstr);
    return reply;
}

char *redis_server_command(RedisServer *server, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    redisReply *reply = run(server, format, args);
    va_end(args);
    if (reply->type == REDIS_REPLY_ERROR)
        g_error("redis refuses '%s': %s", format, reply->str);
    GString *text = g_string_new(NULL);
    append_reply(text, reply);
    freeReplyObject(reply);
    return g_string_free(text, FALSE);
}

void redis_server_insist(RedisServer *server, const char *format, ...)
{
    const gint64 end_us = g_get_monotonic_time() + PATIENCE_MS * G_TIME_SPAN_MILLISECOND;
    bool is_refused = true;
    while (is_refused) {
        va_list args;
        va_start(args, format);
        redisReply *reply = run(server, format, args);
        va_end(args);
        is_refused = reply->type == REDIS_REPLY_ERROR;
        if (is_refused && g_get_monotonic_time() > end_us)
            g_error("redis refuses '%s': %s", format, reply->str);
        freeReplyObject(reply);
        if (is_refused)
            g_usleep(10 * G_TIME_SPAN_MILLISECOND);
    }
}

guint redis_server_publish(RedisServer *server, const char *channel, const char *message)
{
    g_autofree char *answer = redis_server_command(server, "PUBLISH %s %s", channel, message);
    return (guint)g_ascii_strtoull(answer, NULL, 10);
}

void redis_server_meet(RedisServer *server, const RedisServer *other)
{
    g_autofree char *answer = redis_server_command(server, "CLUSTER MEET 127.0.0.1 %d %d",
                                                   (int)other->port, (int)other->bus_port);
    g_assert_cmpstr(answer, ==, "OK");
}

void redis_server_wait_log(RedisServer *server, const char *text)
{
    if (!find_log(server, text))
        g_error("redis-server ended: %s", server->log->str);
}
