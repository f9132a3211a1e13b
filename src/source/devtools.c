#include "source/devtools.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"

#define READ_BYTES (64 * 1024)

/* What the other side has not read yet: more means that it hangs. */
#define MAX_UNSENT_BYTES (16 * 1024 * 1024)

#define MAX_ERROR_CHARS 300

#define CLOSED "it has closed it"

typedef struct {
    gint64 id;
    char *method;
    gint64 timeout_ns;
    gint64 deadline_ns;
    EgDevtoolsReply reply;
    gpointer user;
} Call;

struct _EgDevtools {
    EgLoop *loop;
    const EgLog *log;
    EgDevtoolsEvents events;
    gpointer user;
    int fd;
    GSource *read_source;
    GSource *write_source; /* NULL: nothing waits to be sent */
    GByteArray *received;  /* the beginning of a message */
    bool is_skipping;      /* the rest of a message that is too long */
    bool has_left_out;     /* a message, and said so */
    GByteArray *unsent;
    gint64 last_id;
    GHashTable *calls;       /* id -> Call */
    EgTimer *deadline_timer; /* of the call that is due first */
    EgTimer *closed_timer;   /* tells `closed` */
    GError *closed_error;
    bool *was_freed; /* tells a function that is calling back */
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static void free_call(gpointer data)
{
    Call *call = data;
    g_free(call->method);
    g_free(call);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Call, free_call)

const json_t *eg_devtools_get(const json_t *object, const char *path)
{
    g_auto(GStrv) keys = g_strsplit(path, ".", -1);
    for (char **key = keys; *key != NULL && object != NULL; key++)
        object = json_object_get(object, *key);
    return object;
}

const char *eg_devtools_get_string(const json_t *object, const char *path)
{
    const char *text = json_string_value(eg_devtools_get(object, path));
    return text != NULL ? text : "";
}

gint64 eg_devtools_get_integer(const json_t *object, const char *path)
{
    const json_t *value = eg_devtools_get(object, path);
    return json_is_real(value) ? (gint64)CLAMP(json_real_value(value), -1e15, 1e15)
                               : json_integer_value(value);
}

static void drop_source(GSource **source)
{
    if (*source != NULL)
        g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

/* Nothing is read or sent any more; `closed` follows. */
static void close_with(EgDevtools *devtools, const char *reason)
{
    if (devtools->closed_error != NULL)
        return;
    eg_error_set(&devtools->closed_error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                 "the connection to the browser is lost: %s", reason);
    drop_source(&devtools->read_source);
    drop_source(&devtools->write_source);
    eg_timer_clear(devtools->deadline_timer);
    eg_timer_set(devtools->closed_timer, 0);
}

/* Reset: with something that it had not read. */
static const char *describe_errno(void)
{
    return errno == ECONNRESET || errno == EPIPE ? CLOSED : g_strerror(errno);
}

static void on_closed_due(gpointer user)
{
    EgDevtools *devtools = user;
    g_autoptr(GError) error = g_error_copy(devtools->closed_error);
    devtools->events.closed(devtools->user, error);
}

static void set_deadline_timer(EgDevtools *devtools)
{
    GHashTableIter iter;
    Call *call;
    gint64 first_ns = G_MAXINT64;
    g_hash_table_iter_init(&iter, devtools->calls);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&call))
        first_ns = MIN(first_ns, call->deadline_ns);
    if (first_ns == G_MAXINT64)
        eg_timer_clear(devtools->deadline_timer);
    else
        eg_timer_set(devtools->deadline_timer, first_ns);
}

/* Takes a call that waits out of the table; NULL: none that waits. */
static Call *take_call(EgDevtools *devtools, gint64 id)
{
    Call *call = g_hash_table_lookup(devtools->calls, &id);
    if (call == NULL)
        return NULL;
    g_hash_table_steal(devtools->calls, &id);
    set_deadline_timer(devtools);
    return call;
}

/* False: freed by what was called. */
static bool end_call(EgDevtools *devtools, Call *call, const json_t *result, const GError *error)
{
    if (call->reply == NULL) {
        if (error != NULL)
            eg_debug(devtools->log, "the browser refuses", EG_STR("error", error->message));
        return true;
    }
    bool was_freed = false;
    devtools->was_freed = &was_freed;
    call->reply(call->user, result, error);
    if (!was_freed)
        devtools->was_freed = NULL;
    return !was_freed;
}

static Call *take_late_call(EgDevtools *devtools)
{
    GHashTableIter iter;
    Call *call;
    g_hash_table_iter_init(&iter, devtools->calls);
    while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&call)) {
        if (call->deadline_ns <= eg_now_ns())
            return take_call(devtools, call->id);
    }
    set_deadline_timer(devtools);
    return NULL;
}

static void on_deadline(gpointer user)
{
    EgDevtools *devtools = user;
    Call *late;
    bool is_alive = true;
    while (is_alive && (late = take_late_call(devtools)) != NULL) {
        g_autoptr(Call) call = late;
        g_autoptr(GError) error = NULL;
        eg_error_set(&error, EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_SERVICE,
                     "the browser does not answer %s within %.1f s", call->method,
                     (double)call->timeout_ns / (double)EG_NS_PER_S);
        is_alive = end_call(devtools, call, NULL, error);
    }
}

static bool handle_reply(EgDevtools *devtools, const json_t *message)
{
    g_autoptr(Call) call = take_call(devtools, eg_devtools_get_integer(message, "id"));
    if (call == NULL)
        return true;
    g_autoptr(GError) error = NULL;
    const json_t *result = json_object_get(message, "result");
    if (json_is_object(result))
        return end_call(devtools, call, result, NULL);
    const char *text = eg_devtools_get_string(message, "error.message");
    g_autofree char *reason =
        g_utf8_substring(text, 0, MIN(g_utf8_strlen(text, -1), MAX_ERROR_CHARS));
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s: %s", call->method,
                 *reason != '\0' ? reason : "an answer without a result");
    return end_call(devtools, call, NULL, error);
}

static bool handle_event(EgDevtools *devtools, const json_t *message)
{
    const char *method = json_string_value(json_object_get(message, "method"));
    const json_t *params = json_object_get(message, "params");
    g_autoptr(json_t) none = json_object();
    if (method == NULL)
        return true;
    bool was_freed = false;
    devtools->was_freed = &was_freed;
    devtools->events.event(devtools->user, json_string_value(json_object_get(message, "sessionId")),
                           method, json_is_object(params) ? params : none);
    if (!was_freed)
        devtools->was_freed = NULL;
    return !was_freed;
}

static void leave_out(EgDevtools *devtools, const char *why)
{
    if (!devtools->has_left_out)
        eg_warn(devtools->log, "a message of the browser is left out", EG_STR("reason", why));
    devtools->has_left_out = true;
}

/* False: freed by what was called. */
static bool handle_message(EgDevtools *devtools, const guint8 *data, gsize size_bytes)
{
    json_error_t why;
    g_autoptr(json_t) message = json_loadb((const char *)data, size_bytes, JSON_ALLOW_NUL, &why);
    if (!json_is_object(message)) {
        leave_out(devtools, message == NULL ? why.text : "it is no object");
        return true;
    }
    return json_is_integer(json_object_get(message, "id")) ? handle_reply(devtools, message)
                                                           : handle_event(devtools, message);
}

/* Adds what was read to the message that is not complete yet; false if that is too long. */
static void append(EgDevtools *devtools, const guint8 *data, gsize size_bytes)
{
    if (devtools->is_skipping)
        return;
    if (devtools->received->len + size_bytes <= EG_DEVTOOLS_MAX_MESSAGE_BYTES) {
        g_byte_array_append(devtools->received, data, (guint)size_bytes);
        return;
    }
    leave_out(devtools, "it is too long");
    devtools->is_skipping = true;
    g_byte_array_set_size(devtools->received, 0);
}

/* The message whose end was read; what was received is empty then. */
static GByteArray *complete(EgDevtools *devtools)
{
    GByteArray *message = devtools->received;
    devtools->received = g_byte_array_new();
    devtools->is_skipping = false;
    return message;
}

/* False: freed by what was called. */
static bool handle_data(EgDevtools *devtools, const guint8 *data, gsize size_bytes)
{
    const guint8 *end = data + size_bytes;
    const guint8 *stop;
    while (devtools->closed_error == NULL &&
           (stop = memchr(data, 0, (gsize)(end - data))) != NULL) {
        const gsize length = (gsize)(stop - data);
        bool is_alive = true;
        if (devtools->received->len == 0 && !devtools->is_skipping) {
            is_alive = handle_message(devtools, data, length);
        } else {
            append(devtools, data, length);
            const bool is_whole = !devtools->is_skipping;
            g_autoptr(GByteArray) message = complete(devtools);
            is_alive = !is_whole || handle_message(devtools, message->data, message->len);
        }
        if (!is_alive)
            return false;
        data = stop + 1;
    }
    append(devtools, data, (gsize)(end - data));
    return true;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user)
{
    (void)condition;
    EgDevtools *devtools = user;
    guint8 data[READ_BYTES];
    const gssize n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
    if (n > 0)
        return handle_data(devtools, data, (gsize)n) && devtools->read_source != NULL;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    close_with(devtools, n == 0 ? CLOSED : describe_errno());
    return G_SOURCE_REMOVE;
}

static GSource *watch(EgDevtools *devtools, GIOCondition condition, GUnixFDSourceFunc func)
{
    GSource *source = g_unix_fd_source_new(devtools->fd, condition);
    g_source_set_callback(source, G_SOURCE_FUNC(func), devtools, NULL);
    g_source_attach(source, eg_loop_context(devtools->loop));
    return source;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer user);

/* Sends what can be sent now. */
static void flush(EgDevtools *devtools)
{
    GByteArray *unsent = devtools->unsent;
    const gssize n = send(devtools->fd, unsent->data, unsent->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        close_with(devtools, describe_errno());
        return;
    }
    if (n > 0)
        g_byte_array_remove_range(unsent, 0, (guint)n);
    if (unsent->len == 0)
        drop_source(&devtools->write_source);
    else if (devtools->write_source == NULL)
        devtools->write_source = watch(devtools, G_IO_OUT, on_writable);
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer user)
{
    (void)fd;
    (void)condition;
    EgDevtools *devtools = user;
    flush(devtools);
    return devtools->write_source != NULL;
}

EgDevtools *eg_devtools_new(EgLoop *loop, int fd, const EgLog *log, const EgDevtoolsEvents *events,
                            gpointer user)
{
    eg_loop_assert_owner(loop);
    EgDevtools *devtools = g_new0(EgDevtools, 1);
    devtools->loop = loop;
    devtools->log = log;
    devtools->events = *events;
    devtools->user = user;
    devtools->fd = fd;
    devtools->received = g_byte_array_new();
    devtools->unsent = g_byte_array_new();
    devtools->calls = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_call);
    devtools->deadline_timer = eg_timer_new(loop, on_deadline, devtools);
    devtools->closed_timer = eg_timer_new(loop, on_closed_due, devtools);
    devtools->read_source = watch(devtools, G_IO_IN, on_readable);
    return devtools;
}

void eg_devtools_free(EgDevtools *devtools)
{
    if (devtools == NULL)
        return;
    eg_loop_assert_owner(devtools->loop);
    if (devtools->was_freed != NULL)
        *devtools->was_freed = true;
    drop_source(&devtools->read_source);
    drop_source(&devtools->write_source);
    close(devtools->fd);
    eg_timer_free(devtools->deadline_timer);
    eg_timer_free(devtools->closed_timer);
    g_hash_table_unref(devtools->calls);
    g_byte_array_unref(devtools->received);
    g_byte_array_unref(devtools->unsent);
    g_clear_error(&devtools->closed_error);
    g_free(devtools);
}

static void send_message(EgDevtools *devtools, const json_t *message)
{
    char *text = json_dumps(message, JSON_COMPACT);
    g_assert(text != NULL);
    g_byte_array_append(devtools->unsent, (const guint8 *)text, (guint)strlen(text) + 1);
    free(text);
    if (devtools->write_source == NULL)
        flush(devtools);
    if (devtools->unsent->len > MAX_UNSENT_BYTES)
        close_with(devtools, "it does not read");
}

gint64 eg_devtools_call(EgDevtools *devtools, const char *session, const char *method,
                        json_t *params, gint64 timeout_ns, EgDevtoolsReply reply, gpointer user)
{
    eg_loop_assert_owner(devtools->loop);
    g_autoptr(json_t) message =
        json_pack("{s:I, s:s, s:o}", "id", (json_int_t)++devtools->last_id, "method", method,
                  "params", params != NULL ? params : json_object());
    g_assert(message != NULL);
    if (session != NULL)
        json_object_set_new(message, "sessionId", json_string(session));
    if (devtools->closed_error != NULL)
        return devtools->last_id;
    Call *call = g_new(Call, 1);
    *call = (Call){.id = devtools->last_id,
                   .method = g_strdup(method),
                   .timeout_ns = timeout_ns,
                   .deadline_ns = eg_now_ns() + timeout_ns,
                   .reply = reply,
                   .user = user};
    g_hash_table_insert(devtools->calls, &call->id, call);
    set_deadline_timer(devtools);
    send_message(devtools, message);
    return devtools->last_id;
}

void eg_devtools_forget(EgDevtools *devtools, gint64 call)
{
    eg_loop_assert_owner(devtools->loop);
    g_autoptr(Call) forgotten = take_call(devtools, call);
}
