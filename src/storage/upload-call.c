#include "storage/upload-call.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/time.h"

/* Recording comes first. The disk's: best effort, last of eight (ioprio_set(2)). */
#define NICENESS           10
#define IOPRIO_THREAD      1
#define IOPRIO_BEST_LOWEST ((2 << 13) | 7)

/* What the calls and their owner share. */
typedef struct {
    EgLoop *loop;
    GCancellable *cancellable;
    void (*done)(gpointer user, EgUploadCall *call); /* NULL: nobody listens. Loop's thread only */
    gpointer user;
} Line;

struct _EgUploadCalls {
    GThreadPool *pool;
    Line *line;
};

typedef struct {
    Line *line;
    EgUploadCall *call;
} Post;

EgUploadCall *eg_upload_call_new(EgUploadCallKind kind)
{
    EgUploadCall *call = g_new0(EgUploadCall, 1);
    call->kind = kind;
    return call;
}

void eg_upload_call_free(EgUploadCall *call)
{
    if (call == NULL)
        return;
    g_free(call->name);
    g_free(call->key);
    g_free(call->path);
    g_free(call->unfinished);
    g_free(call->content_type);
    g_clear_pointer(&call->content, g_bytes_unref);
    g_free(call->upload);
    g_strfreev(call->tags);
    g_clear_error(&call->error);
    eg_store_free(call->opened);
    eg_storage_unref(call->storage);
    g_free(call->text);
    g_free(call);
}

/* On the threads. */

/* What is completed meanwhile changes its name. */
static int open_file(const EgUploadCall *call)
{
    int fd = -1;
    if (call->unfinished != NULL)
        fd = g_open(call->unfinished, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : g_open(call->path, O_RDONLY | O_CLOEXEC);
}

/* `length` bytes of the file; what is not there (any more) is an error, and no shorter part. */
static GBytes *read_file(const EgUploadCall *call, guint64 offset, gsize length, GError **error)
{
    const char *path = call->path;
    int fd = open_file(call);
    if (fd < 0) {
        eg_error_set_errno(error, errno, "read", path);
        return NULL;
    }
    g_autofree guint8 *data = g_malloc(length > 0 ? length : 1);
    gsize n_read = 0;
    while (n_read < length) {
        gssize n = pread(fd, data + n_read, length - n_read, (off_t)(offset + n_read));
        if (n < 0 && errno == EINTR)
            continue;
        if (n > 0) {
            n_read += (gsize)n;
            continue;
        }
        if (n < 0)
            eg_error_set_errno(error, errno, "read", path);
        else
            eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_SERVICE,
                         "%s has become shorter while it was uploaded", path);
        close(fd);
        return NULL;
    }
    close(fd);
    return g_bytes_new_take(g_steal_pointer(&data), length);
}

/* A file of another size is not what was completed: it is not put, and so not removed. */
static GBytes *read_whole(const EgUploadCall *call, GError **error)
{
    GStatBuf status;
    if (call->content != NULL)
        return g_bytes_ref(call->content);
    g_autoptr(GBytes) content = read_file(call, 0, (gsize)call->size_bytes, error);
    if (content == NULL)
        return NULL;
    if (g_stat(call->path, &status) == 0 && (guint64)status.st_size == call->size_bytes)
        return g_steal_pointer(&content);
    eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_SERVICE,
                 "%s has not the size that it had when it was completed", call->path);
    return NULL;
}

static bool note(const EgUploadCall *call, const Egress__SpoolRecord *record, bool is_synced)
{
    g_autoptr(GError) error = NULL;
    if (eg_spool_note(call->spool, record, is_synced, &error))
        return true;
    eg_warn(call->log, "progress of an upload is not kept", EG_STR("error", error->message));
    return false;
}

/* Remembered first: a crash in between costs nothing but to look for a file that is not there. */
static void note_stored(EgUploadCall *call)
{
    Egress__SpoolStored stored = EGRESS__SPOOL_STORED__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    g_autoptr(GError) error = NULL;
    call->text = eg_store_location(call->store, call->key, &error);
    if (call->text == NULL) {
        eg_warn(call->log, "location of an upload is not known", EG_STR("key", call->key),
                EG_STR("error", error->message));
        call->text = g_strdup("");
    }
    stored.output = call->output;
    stored.path = call->name;
    stored.location = call->text;
    stored.size_bytes = call->size_bytes;
    stored.is_backup = call->is_backup;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_STORED;
    record.stored = &stored;
    if (note(call, &record, true) && call->content == NULL)
        g_unlink(call->path);
}

static bool run_open(EgUploadCall *call, GCancellable *cancellable, GError **error)
{
    (void)cancellable;
    call->opened = call->opener(call->storage, call->log, error);
    return call->opened != NULL;
}

static bool run_put(EgUploadCall *call, GCancellable *cancellable, GError **error)
{
    g_autoptr(GBytes) content = read_whole(call, error);
    if (content == NULL ||
        !eg_store_put(call->store, call->key, call->content_type, content, cancellable, error))
        return false;
    note_stored(call);
    return true;
}

static bool run_begin(EgUploadCall *call, GCancellable *cancellable, GError **error)
{
    call->text = eg_store_begin(call->store, call->key, call->content_type, cancellable, error);
    if (call->text == NULL)
        return false;
    Egress__SpoolUpload upload = EGRESS__SPOOL_UPLOAD__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    upload.output = call->output;
    upload.path = call->name;
    upload.upload = call->text;
    upload.part_bytes = call->part_bytes;
    upload.size_bytes = call->size_bytes;
    upload.is_backup = call->is_backup;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_UPLOAD;
    record.upload = &upload;
    note(call, &record, false);
    return true;
}

static bool run_part(EgUploadCall *call, GCancellable *cancellable, GError **error)
{
    g_autoptr(GBytes) content = read_file(call, call->part.offset, call->length, error);
    EgStorePart part = call->part;
    part.key = call->key;
    part.upload = call->upload;
    if (content == NULL)
        return false;
    call->text = eg_store_put_part(call->store, &part, content, cancellable, error);
    if (call->text == NULL)
        return false;
    Egress__SpoolPart acknowledged = EGRESS__SPOOL_PART__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    acknowledged.output = call->output;
    acknowledged.path = call->name;
    acknowledged.index = part.index;
    acknowledged.tag = call->text;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_PART;
    record.part = &acknowledged;
    note(call, &record, false);
    return true;
}

static bool run_complete(EgUploadCall *call, GCancellable *cancellable, GError **error)
{
    if (!eg_store_complete(call->store, call->key, call->upload, (const char *const *)call->tags,
                           cancellable, error))
        return false;
    note_stored(call);
    return true;
}

static bool run_abort(EgUploadCall *call, GCancellable *cancellable, GError **error)
{
    (void)cancellable;
    (void)error;
    eg_store_abort(call->store, call->key, call->upload);
    return true;
}

/* By EgUploadCallKind. */
static bool (*const runs[EG_N_UPLOAD_CALLS])(EgUploadCall *call, GCancellable *cancellable,
                                             GError **error) = {
    [EG_UPLOAD_OPEN] = run_open, [EG_UPLOAD_PUT] = run_put,           [EG_UPLOAD_BEGIN] = run_begin,
    [EG_UPLOAD_PART] = run_part, [EG_UPLOAD_COMPLETE] = run_complete, [EG_UPLOAD_ABORT] = run_abort,
};

/* The pool's threads are its own, so that this stays with them. */
static void step_back(void)
{
    static _Thread_local bool is_done;
    if (is_done)
        return;
    is_done = true;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    syscall(SYS_ioprio_set, IOPRIO_THREAD, 0, IOPRIO_BEST_LOWEST);
}

static void clear_line(gpointer data)
{
    Line *line = data;
    g_object_unref(line->cancellable);
}

static void free_post(gpointer data)
{
    Post *post = data;
    eg_upload_call_free(post->call);
    g_atomic_rc_box_release_full(post->line, clear_line);
    g_free(post);
}

static void tell_done(gpointer user)
{
    Post *post = user;
    if (post->line->done != NULL)
        post->line->done(post->line->user, g_steal_pointer(&post->call));
}

static void run_call(gpointer data, gpointer user)
{
    EgUploadCall *call = data;
    Line *line = user;
    step_back();
    if (!g_cancellable_is_cancelled(line->cancellable))
        runs[call->kind](call, line->cancellable, &call->error);
    else
        eg_error_set(&call->error, EG_ERROR_CANCELED, EG_BLAME_SERVICE, "canceled");
    Post *post = g_new(Post, 1);
    *post = (Post){.line = g_atomic_rc_box_acquire(line), .call = call};
    eg_loop_post(line->loop, tell_done, post, free_post);
}

/* On the loop's thread. */

EgUploadCalls *eg_upload_calls_new(EgLoop *loop, guint n_threads,
                                   void (*done)(gpointer user, EgUploadCall *call), gpointer user)
{
    EgUploadCalls *calls = g_new(EgUploadCalls, 1);
    calls->line = g_atomic_rc_box_new0(Line);
    *calls->line =
        (Line){.loop = loop, .cancellable = g_cancellable_new(), .done = done, .user = user};
    calls->pool = g_thread_pool_new(run_call, calls->line, (gint)n_threads, TRUE, NULL);
    return calls;
}

void eg_upload_calls_free(EgUploadCalls *calls)
{
    if (calls == NULL)
        return;
    calls->line->done = NULL;
    g_cancellable_cancel(calls->line->cancellable);
    g_thread_pool_free(calls->pool, FALSE, TRUE);
    g_atomic_rc_box_release_full(calls->line, clear_line);
    g_free(calls);
}

void eg_upload_calls_make(EgUploadCalls *calls, EgUploadCall *call)
{
    call->began_ns = eg_now_ns();
    g_thread_pool_push(calls->pool, call, NULL);
}
