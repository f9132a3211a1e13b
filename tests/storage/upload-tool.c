/* The uploader for tests and measurements in Python: a file on its way from a spool to a store, and
 * what it took. Two lines of JSON in, one out:
 *
 *     a storage (description.h)
 *     {"spool": …, "key": …, "file": …}    also "type" (of the content), "calls" (at a time; 4)
 *
 * The file is linked into a folder of the spool, which goes when the file is stored. With
 * "recording" in place of "file", it is an unfinished one of ours, which is finished there first,
 * and gone then. Answers: {"error": null or text, "location": …, "size": …, "finish_ms": …,
 * "upload_ms": …, "peak_kb": …}, the memory that was resident at most. Ends with 1 if there was an
 * error.
 *
 * With "growing" in place of "file" it is one that grows, and is all there but for its end. It does
 * not grow any more until there is a third line: "complete" or "drop", from which on time counts.
 * Its first "head" bytes are different ones until it is complete. */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "request/format.h"
#include "sink/file-finalize.h"
#include "storage/description.h"
#include "storage/store.h"
#include "storage/uploader.h"

#define DEFAULT_CALLS 4 /* as upload_parallel */
#define N_BATCHES     40

typedef struct {
    EgLoop *loop;
    EgUploader *uploader;
    char *path;
    char *type;
    char *growing;
    char *location;
    guint64 size_bytes;
    char *error;
    gint64 begin_ns; /* of the upload; of one that grows, when nothing more came */
    gint64 finish_ns;
    gint64 upload_ns;
} Outcome;

static void on_stored(gpointer user, const EgUploaded *stored)
{
    Outcome *outcome = user;
    g_free(outcome->location);
    outcome->location = g_strdup(stored->location);
    outcome->size_bytes = stored->size_bytes;
}

static void on_finished(gpointer user, guint output, const GError *error)
{
    Outcome *outcome = user;
    (void)output;
    outcome->error = error != NULL ? g_strdup(error->message) : NULL;
    eg_loop_quit(outcome->loop);
}

static json_t *read_line(void)
{
    char *line = NULL;
    size_t room = 0;
    json_t *value =
        getline(&line, &room, stdin) > 0 ? json_loads(line, JSON_DECODE_ANY, NULL) : NULL;
    free(line);
    if (value == NULL)
        g_error("no line of JSON");
    return value;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static EgSpool *make_spool(const char *root)
{
    Rpc__StartEgressRequest request = RPC__START_EGRESS_REQUEST__INIT;
    request.egress_id = (char *)"EG_upload";
    const EgSpoolParams params = {
        .root = root,
        .owner = "",
        .request = &request,
        .requested_ns = eg_wall_now_ns(),
    };
    g_autoptr(GError) error = NULL;
    EgSpool *spool = eg_spool_new(&params, &error);
    if (spool == NULL)
        g_error("%s", error->message);
    return spool;
}

/* As at the end of a recording. */
static bool finish(const char *recording, const char *path, Outcome *outcome)
{
    const gint64 begin_ns = eg_now_ns();
    const EgRemuxHints hints = {0};
    const gint is_canceled = 0;
    g_autoptr(GError) error = NULL;
    if (!eg_file_finalize(recording, path, eg_format_from_filename(path), &hints, NULL,
                          &is_canceled, &error))
        outcome->error = g_strdup(error->message);
    outcome->finish_ns = eg_now_ns() - begin_ns;
    return outcome->error == NULL;
}

static bool place(const json_t *job, const char *path, Outcome *outcome)
{
    const char *recording = text_of(job, "recording");
    g_autofree char *folder = g_path_get_dirname(path);
    g_mkdir_with_parents(folder, 0700);
    if (recording != NULL)
        return finish(recording, path, outcome);
    if (link(text_of(job, "file"), path) != 0)
        outcome->error = g_strdup_printf("%s: %s", path, g_strerror(errno));
    return outcome->error == NULL;
}

/* But for the last byte, which nobody can know. */
static goffset copy_unfinished(const char *from, const char *to, gsize head)
{
    g_autoptr(GFile) source = g_file_new_for_path(from);
    g_autoptr(GFile) copy = g_file_new_for_path(to);
    g_autoptr(GError) error = NULL;
    g_autofree char *other = g_strnfill(head, '?');
    GStatBuf status;
    if (!g_file_copy(source, copy, G_FILE_COPY_NONE, NULL, NULL, NULL, &error))
        g_error("%s", error->message);
    int fd = g_open(to, O_WRONLY | O_CLOEXEC);
    if (g_stat(to, &status) != 0 || status.st_size <= (goffset)head ||
        ftruncate(fd, status.st_size - 1) != 0 || pwrite(fd, other, head, 0) != (gssize)head)
        g_error("cannot write %s", to);
    close(fd);
    return status.st_size - 1;
}

static void begin_growth(Outcome *outcome, const json_t *job)
{
    g_autofree char *unfinished = g_strconcat(outcome->path, ".recording", NULL);
    g_autofree char *folder = g_path_get_dirname(outcome->path);
    const gsize head = (gsize)json_integer_value(json_object_get(job, "head"));
    g_mkdir_with_parents(folder, 0700);
    const guint64 size_bytes = (guint64)copy_unfinished(outcome->growing, unfinished, head);
    /* Bit by bit, as it would be written. */
    for (gsize i = 1; i <= N_BATCHES; i++) {
        const EgUploadGrowth growth = {
            .path = outcome->path,
            .unfinished = unfinished,
            .content_type = outcome->type,
            .stable_from = head,
            .size_bytes = head + (size_bytes - head) * i / N_BATCHES,
        };
        eg_uploader_grow(outcome->uploader, &growth);
        eg_loop_iterate(outcome->loop, false);
    }
}

static void end_growth(gpointer user, bool is_complete)
{
    Outcome *outcome = user;
    g_autofree char *unfinished = g_strconcat(outcome->path, ".recording", NULL);
    outcome->begin_ns = eg_now_ns();
    g_unlink(unfinished);
    if (!is_complete)
        eg_uploader_drop_growing(outcome->uploader, 0);
    else if (link(outcome->growing, outcome->path) != 0)
        g_error("%s: %s", outcome->path, g_strerror(errno));
    const EgUploadObject object = {.path = outcome->path, .content_type = outcome->type};
    if (is_complete)
        eg_uploader_add(outcome->uploader, &object);
    eg_uploader_finish(outcome->uploader, 0);
}

static void on_complete(gpointer user)
{
    end_growth(user, true);
}

static void on_drop(gpointer user)
{
    end_growth(user, false);
}

static gpointer wait_for_end(gpointer data)
{
    const Outcome *outcome = data;
    json_t *line = read_line();
    const char *word = json_string_value(line);
    const bool is_complete = g_strcmp0(word, "complete") == 0;
    json_decref(line);
    eg_loop_post(outcome->loop, is_complete ? on_complete : on_drop, data, NULL);
    return NULL;
}

static void grow(Outcome *outcome, const json_t *job)
{
    begin_growth(outcome, job);
    GThread *reader = g_thread_new("input", wait_for_end, outcome);
    eg_loop_run(outcome->loop);
    g_thread_join(reader);
}

static void upload(EgStorage *storage, EgSpool *spool, const json_t *job, Outcome *outcome)
{
    static const EgUploaderEvents events = {.stored = on_stored, .finished = on_finished};
    const EgUploadTarget target = {.storage = storage};
    const json_int_t n_calls = json_integer_value(json_object_get(job, "calls"));
    const EgUploaderParams params = {
        .spool = spool,
        .targets = &target,
        .n_targets = 1,
        .patience_ns = EG_NS_PER_S,
        .max_calls = n_calls > 0 ? (guint)n_calls : DEFAULT_CALLS,
        .opener = eg_store_new,
    };
    g_autofree char *path = eg_spool_path(spool, 0, text_of(job, "key"));
    outcome->growing = g_strdup(text_of(job, "growing"));
    if (outcome->growing == NULL && !place(job, path, outcome))
        return;
    outcome->begin_ns = eg_now_ns();
    const EgUploadObject object = {.path = path, .content_type = text_of(job, "type")};
    g_autoptr(EgUploader) uploader = eg_uploader_new(outcome->loop, &params, &events, outcome);
    outcome->uploader = uploader;
    outcome->path = g_strdup(path);
    outcome->type = g_strdup(text_of(job, "type"));
    if (outcome->growing != NULL) {
        grow(outcome, job);
    } else {
        eg_uploader_add(uploader, &object);
        eg_uploader_finish(uploader, 0);
        eg_loop_run(outcome->loop);
    }
    outcome->upload_ns = eg_now_ns() - outcome->begin_ns;
}

/* Not ru_maxrss, which begins with that of the parent. */
static json_int_t peak_kb(void)
{
    g_autofree char *status = NULL;
    if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL))
        return 0;
    return g_ascii_strtoll(strstr(status, "VmHWM:") + strlen("VmHWM:"), NULL, 10);
}

static void answer(const Outcome *outcome)
{
    json_t *line =
        json_pack("{s:s?, s:s?, s:I, s:I, s:I, s:I}", "error", outcome->error, "location",
                  outcome->location, "size", (json_int_t)outcome->size_bytes, "finish_ms",
                  (json_int_t)(outcome->finish_ns / EG_NS_PER_MS), "upload_ms",
                  (json_int_t)(outcome->upload_ns / EG_NS_PER_MS), "peak_kb", peak_kb());
    json_dumpf(line, stdout, 0);
    puts("");
    json_decref(line);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    eg_log_setup(EG_LOG_INFO, false);
    json_t *description = read_line();
    json_t *job = read_line();
    g_autoptr(EgStorage) storage = description_read(description);
    g_autoptr(EgLoop) loop = eg_loop_new();
    Outcome outcome = {.loop = loop};
    EgSpool *spool = make_spool(text_of(job, "spool"));
    g_autofree char *folder = g_strdup(eg_spool_folder(spool));
    upload(storage, spool, job, &outcome);
    eg_spool_free(spool);
    const bool is_stored = outcome.error == NULL;
    if (is_stored)
        eg_spool_remove(folder);
    answer(&outcome);
    g_free(outcome.location);
    g_free(outcome.error);
    g_free(outcome.path);
    g_free(outcome.type);
    g_free(outcome.growing);
    json_decref(description);
    json_decref(job);
    return is_stored ? 0 : 1;
}
