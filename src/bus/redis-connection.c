#include "bus/redis-connection.h"

#include "base/error.h"
#include "base/time.h"
#include "bus/redis-error.h"
#include "bus/redis-reader.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#define READ_BYTES 16384
#define MAX_READS  16 /* in one go, so that one connection does not starve the loop */

typedef enum {
    CONNECTION_NONE,
    CONNECTION_OPENING,
    CONNECTION_GREETING, /* it is being told who we are */
    CONNECTION_READY,
    CONNECTION_CLOSED,
} ConnectionState;

/* Counted, since what runs in the background may end after its owner has freed it. */
struct _EgRedisConnection {
    EgRedisAddress *address;
    EgRedisConnectionParams params;
    EgRedisConnectionEvents events;
    gpointer user;
    GMainContext *context;

    ConnectionState state;
    GCancellable *cancellable;
    GSocketConnection *socket;
    GSource *input_source;
    GSource *output_source; /* NULL: all is sent */
    GByteArray *output;
    gsize blocked_bytes; /* TLS wants exactly these again; 0: none */
    redisReader *reader;
    GQueue pending; /* of Pending *: commands whose replies have not come */
    EgTimer *deadline_timer;
    EgTimer *ping_timer;
    GError *error; /* why it will be closed */
    gint64 received_at_ns;
    bool is_asked; /* for a sign of life, and nothing came since */
};

typedef struct {
    EgRedisReplyFunc done;
    gpointer user;
} Pending;

static void clear(gpointer data)
{
    EgRedisConnection *connection = data;
    eg_redis_address_unref(connection->address);
    g_object_unref(connection->cancellable);
    g_clear_error(&connection->error);
    if (connection->reader != NULL)
        redisReaderFree(connection->reader);
}

static void unref(EgRedisConnection *connection)
{
    g_rc_box_release_full(connection, clear);
}

static void destroy_source(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void release_socket(EgRedisConnection *connection)
{
    destroy_source(&connection->input_source);
    destroy_source(&connection->output_source);
    if (connection->socket == NULL)
        return;
    /* The socket first: TLS would wait until its farewell has gone out. */
    g_socket_close(g_socket_connection_get_socket(connection->socket), NULL);
    g_clear_object(&connection->socket);
}

/* After it only what is counted is left. */
static void shut(EgRedisConnection *connection)
{
    connection->state = CONNECTION_CLOSED;
    g_cancellable_cancel(connection->cancellable);
    release_socket(connection);
    g_clear_pointer(&connection->deadline_timer, eg_timer_free);
    g_clear_pointer(&connection->ping_timer, eg_timer_free);
    g_queue_clear_full(&connection->pending, g_free);
    g_clear_pointer(&connection->output, g_byte_array_unref);
}

/* Last: the connection may be gone after it. */
static void fail(EgRedisConnection *connection, GError *error)
{
    g_autoptr(GError) own = error;
    g_assert(connection->state != CONNECTION_CLOSED);
    shut(connection);
    connection->events.closed(connection->user, own);
}

/* From inside a call. */
static void fail_soon(EgRedisConnection *connection, GError *error)
{
    if (connection->error == NULL)
        connection->error = error;
    else
        g_error_free(error);
    destroy_source(&connection->output_source);
    eg_timer_set_after(connection->deadline_timer, 0);
}

G_GNUC_PRINTF(3, 4)
static GError *make_error(const EgRedisConnection *connection, EgErrorCode code, const char *format,
                          ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    GError *error = NULL;
    eg_error_set_retryable(&error, code, EG_BLAME_SERVICE, "%s at %s %s", connection->params.what,
                           connection->address->text, text);
    return error;
}

/* The error of a system call or of TLS, on a socket that was open. */
static GError *make_broken(const EgRedisConnection *connection, const GError *cause)
{
    g_autofree char *reason = connection->params.tls != NULL
                                  ? eg_redis_tls_describe(connection->params.tls, cause)
                                  : g_strdup(cause->message);
    return make_error(connection, EG_ERROR_UNAVAILABLE, "is lost: %s", reason);
}

static GError *make_refused(const EgRedisConnection *connection, EgErrorCode code, const char *what,
                            const redisReply *reply)
{
    g_autofree char *reason = eg_redis_clean_reason(reply->str, reply->len);
    return make_error(connection, code, "refuses %s: %s", what, reason);
}

static void on_deadline(gpointer user)
{
    EgRedisConnection *connection = user;
    GError *error = g_steal_pointer(&connection->error);
    /* A server without TLS waits for the end of what it takes for a line. */
    const bool is_in_tls =
        connection->params.tls != NULL && connection->state == CONNECTION_OPENING;
    if (error == NULL)
        error = make_error(connection, EG_ERROR_DEADLINE_EXCEEDED, "does not answer%s",
                           is_in_tls ? " in TLS" : "");
    fail(connection, error);
}

static gboolean on_writable(GObject *stream, gpointer user);

static void watch_output(EgRedisConnection *connection, GOutputStream *stream)
{
    if (connection->output_source != NULL)
        return;
    connection->output_source =
        g_pollable_output_stream_create_source(G_POLLABLE_OUTPUT_STREAM(stream), NULL);
    g_source_set_callback(connection->output_source, G_SOURCE_FUNC(on_writable), connection, NULL);
    g_source_attach(connection->output_source, connection->context);
}

/* Returns how much it could write. */
static gsize write_some(EgRedisConnection *connection, GOutputStream *stream)
{
    const GByteArray *output = connection->output;
    gsize n_written = 0;
    while (n_written < output->len) {
        const gsize size_bytes =
            connection->blocked_bytes > 0 ? connection->blocked_bytes : output->len - n_written;
        g_autoptr(GError) cause = NULL;
        const gssize n = g_pollable_output_stream_write_nonblocking(
            G_POLLABLE_OUTPUT_STREAM(stream), output->data + n_written, size_bytes, NULL, &cause);
        if (n < 0 && g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
            connection->blocked_bytes = size_bytes;
            break;
        }
        if (n < 0) {
            fail_soon(connection, make_broken(connection, cause));
            break;
        }
        connection->blocked_bytes = 0;
        n_written += (gsize)n;
    }
    return n_written;
}

/* Writes what it can, the rest when there is room again. */
static void flush(EgRedisConnection *connection)
{
    GOutputStream *stream = g_io_stream_get_output_stream(G_IO_STREAM(connection->socket));
    g_byte_array_remove_range(connection->output, 0, (guint)write_some(connection, stream));
    if (connection->output->len > 0 && connection->error == NULL)
        watch_output(connection, stream);
    else
        destroy_source(&connection->output_source);
}

static gboolean on_writable(GObject *stream, gpointer user)
{
    (void)stream;
    flush(user);
    return G_SOURCE_CONTINUE; /* or destroyed by then */
}

static bool send_command(EgRedisConnection *connection, int n_args, const char *const *args,
                         const gsize *lengths)
{
    char *command = NULL;
    const int size_bytes =
        redisFormatCommandArgv(&command, n_args, (const char **)args, (const size_t *)lengths);
    g_assert(size_bytes >= 0);
    const bool fits = connection->output->len + (gsize)size_bytes <= EG_REDIS_MAX_OUTPUT_BYTES;
    if (fits)
        g_byte_array_append(connection->output, (const guint8 *)command, (guint)size_bytes);
    redisFreeCommand(command);
    if (fits && connection->output_source == NULL && connection->error == NULL)
        flush(connection);
    return fits;
}

static void expect_reply(EgRedisConnection *connection, EgRedisReplyFunc done, gpointer user)
{
    Pending *pending = g_new(Pending, 1);
    *pending = (Pending){.done = done, .user = user};
    g_queue_push_tail(&connection->pending, pending);
}

/* Of our own, with arguments up to NULL. */
static void ask(EgRedisConnection *connection, EgRedisReplyFunc done, const char *const *args)
{
    send_command(connection, (int)g_strv_length((char **)args), args, NULL);
    expect_reply(connection, done, connection);
}

static void on_auth_reply(gpointer user, const redisReply *reply)
{
    EgRedisConnection *connection = user;
    if (reply->type == REDIS_REPLY_ERROR)
        fail(connection, make_refused(connection, EG_ERROR_UNAUTHENTICATED,
                                      connection->params.username != NULL ? "user and password"
                                                                          : "the password",
                                      reply));
}

static void on_select_reply(gpointer user, const redisReply *reply)
{
    EgRedisConnection *connection = user;
    if (reply->type == REDIS_REPLY_ERROR)
        fail(connection, make_refused(connection, EG_ERROR_UNAVAILABLE, "the database", reply));
}

/* A user who may not ask is believed to be at a master. */
static void on_role_reply(gpointer user, const redisReply *reply)
{
    EgRedisConnection *connection = user;
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
        return;
    const redisReply *role = reply->element[0];
    if (role->type != REDIS_REPLY_STRING || strcmp(role->str, "master") != 0)
        fail(connection, make_error(connection, EG_ERROR_UNAVAILABLE, "is not the master"));
}

static void on_ping_reply(gpointer user, const redisReply *reply)
{
    (void)user;
    (void)reply;
}

static void on_first_ping_reply(gpointer user, const redisReply *reply)
{
    EgRedisConnection *connection = user;
    if (reply->type == REDIS_REPLY_ERROR) {
        const bool is_auth = g_str_has_prefix(reply->str, "NOAUTH");
        fail(connection,
             make_refused(connection, is_auth ? EG_ERROR_UNAUTHENTICATED : EG_ERROR_UNAVAILABLE,
                          is_auth ? "us without a password" : "us", reply));
        return;
    }
    connection->state = CONNECTION_READY;
    eg_timer_clear(connection->deadline_timer);
    eg_redis_connection_set_ping(connection, connection->params.ping_interval_ns,
                                 connection->params.ping_timeout_ns);
    connection->events.ready(connection->user);
}

static void greet(EgRedisConnection *connection)
{
    const EgRedisConnectionParams *params = &connection->params;
    connection->state = CONNECTION_GREETING;
    if (params->password != NULL && params->username != NULL)
        ask(connection, on_auth_reply,
            (const char *const[]){"AUTH", params->username, params->password, NULL});
    else if (params->password != NULL)
        ask(connection, on_auth_reply, (const char *const[]){"AUTH", params->password, NULL});
    if (params->db != 0) {
        g_autofree char *db = g_strdup_printf("%u", params->db);
        ask(connection, on_select_reply, (const char *const[]){"SELECT", db, NULL});
    }
    if (params->must_be_master)
        ask(connection, on_role_reply, (const char *const[]){"ROLE", NULL});
    ask(connection, on_first_ping_reply, (const char *const[]){"PING", NULL});
}

static void on_ping_timer(gpointer user)
{
    static const char *const ping[] = {"PING", NULL};
    static const char *const role[] = {"ROLE", NULL};
    EgRedisConnection *connection = user;
    const EgRedisConnectionParams *params = &connection->params;
    const gint64 now_ns = eg_now_ns();
    const gint64 silence_ns = now_ns - connection->received_at_ns;
    if (connection->is_asked && silence_ns >= params->ping_timeout_ns) {
        fail(connection,
             make_error(connection, EG_ERROR_DEADLINE_EXCEEDED, "does not answer any more"));
        return;
    }
    /* Who must be a master is asked even if something always comes. */
    const bool asks_role = params->must_be_master && !params->is_subscriber;
    if (!connection->is_asked && (asks_role || silence_ns >= params->ping_interval_ns)) {
        connection->is_asked = true;
        if (params->is_subscriber)
            send_command(connection, 1, ping, NULL);
        else
            ask(connection, asks_role ? on_role_reply : on_ping_reply, asks_role ? role : ping);
    }
    eg_timer_set(connection->ping_timer,
                 connection->is_asked ? MIN(now_ns + params->ping_interval_ns,
                                            connection->received_at_ns + params->ping_timeout_ns)
                                      : now_ns + params->ping_interval_ns);
}

/* As a subscriber's it comes as an array, before its first subscription as a status. */
static bool is_pong(const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_STATUS)
        return strcmp(reply->str, "PONG") == 0;
    return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
           reply->element[0]->type == REDIS_REPLY_STRING &&
           strcmp(reply->element[0]->str, "pong") == 0;
}

static void dispatch(EgRedisConnection *connection, const redisReply *reply)
{
    Pending *pending = g_queue_pop_head(&connection->pending);
    if (pending != NULL) {
        const Pending copy = *pending;
        g_free(pending);
        copy.done(copy.user, reply);
    } else if (!connection->params.is_subscriber) {
        fail(connection, make_error(connection, EG_ERROR_UNAVAILABLE,
                                    "is no such server: it answers what was not asked"));
    } else if (!is_pong(reply)) {
        connection->events.received(connection->user, reply);
    }
}

/* False when it is closed. The connection must be held. */
static bool dispatch_all(EgRedisConnection *connection)
{
    while (connection->state != CONNECTION_CLOSED) {
        void *reply = NULL;
        if (redisReaderGetReply(connection->reader, &reply) != REDIS_OK) {
            fail(connection, make_error(connection, EG_ERROR_UNAVAILABLE,
                                        "is no such server: it does not speak the protocol"));
            return false;
        }
        if (reply == NULL)
            return true;
        dispatch(connection, reply);
        freeReplyObject(reply);
    }
    return false;
}

/* False when there is nothing more for now, or it is closed. */
static bool read_some(EgRedisConnection *connection)
{
    GInputStream *stream = g_io_stream_get_input_stream(G_IO_STREAM(connection->socket));
    char buffer[READ_BYTES];
    g_autoptr(GError) cause = NULL;
    const gssize n = g_pollable_input_stream_read_nonblocking(G_POLLABLE_INPUT_STREAM(stream),
                                                              buffer, sizeof(buffer), NULL, &cause);
    if (n < 0 && g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return false;
    if (n <= 0) {
        fail(connection,
             n < 0 ? make_broken(connection, cause)
                   : make_error(connection, EG_ERROR_UNAVAILABLE, "has closed the connection"));
        return false;
    }
    connection->received_at_ns = eg_now_ns();
    connection->is_asked = false;
    if (eg_redis_reader_feed(connection->reader, buffer, (gsize)n) != REDIS_OK) {
        fail(connection,
             make_error(connection, EG_ERROR_UNAVAILABLE, "sends more than any message has"));
        return false;
    }
    return dispatch_all(connection);
}

static gboolean on_readable(GObject *stream, gpointer user)
{
    (void)stream;
    EgRedisConnection *connection = g_rc_box_acquire(user);
    for (guint i = 0; i < MAX_READS && read_some(connection); i++)
        ;
    unref(connection);
    return G_SOURCE_CONTINUE; /* or destroyed by then */
}

/* GIO says "Could not connect to ADDRESS: REASON", and the address is said already. */
static GError *make_unreachable(const EgRedisConnection *connection, const GError *cause)
{
    g_autofree char *text = connection->params.tls != NULL
                                ? eg_redis_tls_describe(connection->params.tls, cause)
                                : g_strdup(cause->message);
    const char *colon = strrchr(text, ':');
    const bool is_wrapped = g_str_has_prefix(text, "Could not connect to ");
    return make_error(connection, EG_ERROR_UNAVAILABLE, "cannot be reached: %s",
                      is_wrapped && colon != NULL && colon[1] == ' ' ? colon + 2 : text);
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer user)
{
    EgRedisConnection *connection = user;
    g_autoptr(GError) cause = NULL;
    GSocketConnection *opened =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(source), result, &cause);
    if (connection->state == CONNECTION_CLOSED) {
        g_clear_object(&opened);
    } else if (opened == NULL) {
        fail(connection, make_unreachable(connection, cause));
    } else {
        connection->socket = opened;
        GSocket *socket = g_socket_connection_get_socket(opened);
        g_socket_set_keepalive(socket, TRUE);
        if (g_socket_get_family(socket) != G_SOCKET_FAMILY_UNIX)
            g_socket_set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, NULL);
        connection->input_source = g_pollable_input_stream_create_source(
            G_POLLABLE_INPUT_STREAM(g_io_stream_get_input_stream(G_IO_STREAM(opened))), NULL);
        g_source_set_callback(connection->input_source, G_SOURCE_FUNC(on_readable), connection,
                              NULL);
        g_source_attach(connection->input_source, connection->context);
        greet(connection);
    }
    unref(connection);
}

EgRedisConnection *eg_redis_connection_new(EgLoop *loop, EgRedisAddress *address,
                                           const EgRedisConnectionParams *params,
                                           const EgRedisConnectionEvents *events, gpointer user)
{
    eg_loop_assert_owner(loop);
    EgRedisConnection *connection = g_rc_box_new0(EgRedisConnection);
    connection->address = eg_redis_address_ref(address);
    connection->params = *params;
    connection->events = *events;
    connection->user = user;
    connection->context = eg_loop_context(loop);
    connection->state = CONNECTION_OPENING;
    connection->cancellable = g_cancellable_new();
    connection->output = g_byte_array_new();
    connection->reader = eg_redis_reader_new();
    g_queue_init(&connection->pending);
    connection->deadline_timer = eg_timer_new(loop, on_deadline, connection);
    connection->ping_timer = eg_timer_new(loop, on_ping_timer, connection);
    eg_timer_set_after(connection->deadline_timer, params->connect_ns);

    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_set_enable_proxy(client, FALSE);
    if (params->tls != NULL)
        eg_redis_tls_apply(params->tls, client);
    g_socket_client_connect_async(client, address->connectable, connection->cancellable,
                                  on_connected, g_rc_box_acquire(connection));
    return connection;
}

void eg_redis_connection_free(EgRedisConnection *connection)
{
    if (connection == NULL)
        return;
    if (connection->state != CONNECTION_CLOSED)
        shut(connection);
    unref(connection);
}

EgRedisAddress *eg_redis_connection_address(const EgRedisConnection *connection)
{
    return connection->address;
}

void eg_redis_connection_set_ping(EgRedisConnection *connection, gint64 interval_ns,
                                  gint64 timeout_ns)
{
    connection->params.ping_interval_ns = interval_ns;
    connection->params.ping_timeout_ns = timeout_ns;
    if (connection->state == CONNECTION_READY)
        eg_timer_set_after(connection->ping_timer, interval_ns);
}

bool eg_redis_connection_send(EgRedisConnection *connection, int n_args, const char *const *args,
                              const gsize *lengths, EgRedisReplyFunc done, gpointer user)
{
    if (connection->state != CONNECTION_READY || connection->error != NULL)
        return false;
    const bool is_subscriber = connection->params.is_subscriber;
    if (!send_command(connection, n_args, args, lengths)) {
        if (is_subscriber)
            fail_soon(connection, make_error(connection, EG_ERROR_UNAVAILABLE, "takes nothing in"));
        return false;
    }
    if (!is_subscriber)
        expect_reply(connection, done, user);
    return true;
}
