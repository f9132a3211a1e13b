#include "session/uploads.h"

#include <glib/gstdio.h>

#include "base/time.h"
#include "storage/content-type.h"
#include "storage/http.h"

/* The completion of what a sink has left, in a thread of its own. Shared with the message that
 * carries it back. */
typedef struct {
    EgUploads *owner; /* NULL: nobody waits for it any more. Loop's thread only */
    EgLoop *loop;
    guint output;
    EgSinkKind kind;
    EgOutputNames names;
    GThread *thread;
    gint is_canceled; /* atomic */
    EgSinkParams params;
    EgSinkRemains remains;
} Recovery;

struct _EgUploads {
    EgLoop *loop;
    EgUploadsParams params;
    EgUploadsEvents events;
    gpointer user;
    EgUploader *uploader;
    GPtrArray *recoveries; /* Recovery */
    GArray *stats;         /* EgSinkStats by output: of what is stored */
    char *manifest_location;
};

static void count(EgUploads *uploads, guint output, guint64 size_bytes)
{
    EgSinkStats *stats = &g_array_index(uploads->stats, EgSinkStats, output);
    stats->n_files++;
    stats->size_bytes += size_bytes;
    if (uploads->params.is_resumed)
        eg_report_set_recovered(uploads->params.report, output, stats);
}

/* `wall_ns` is 0 where it is not known any more. */
static void note_file(EgUploads *uploads, guint output, const char *key, const char *location,
                      gint64 wall_ns)
{
    const EgManifestFile file = {
        .kind = uploads->params.plan->outputs[output].kind,
        .output = output,
        .filename = key,
        .location = location,
    };
    const EgManifestTime now = {.now_ns = eg_now_ns(), .wall_ns = wall_ns};
    if (uploads->params.manifest != NULL && file.kind != EG_OUTPUT_FILE)
        eg_manifest_add_file(uploads->params.manifest, &file, now);
}

static void on_stored(gpointer user, const EgUploaded *stored)
{
    EgUploads *uploads = user;
    if (stored->output >= uploads->params.plan->n_outputs) {
        uploads->manifest_location = g_strdup(stored->location);
        return;
    }
    if (!stored->is_snapshot)
        note_file(uploads, stored->output, stored->key, stored->location, eg_wall_now_ns());
    eg_report_set_stored(uploads->params.report, stored->output, stored->key, stored->location,
                         stored->is_backup);
    if (!stored->is_snapshot)
        count(uploads, stored->output, stored->size_bytes);
    eg_debug(uploads->params.log, "uploaded", EG_STR("location", stored->location),
             EG_INT("bytes", stored->size_bytes));
}

static void on_finished(gpointer user, guint output, const GError *error)
{
    EgUploads *uploads = user;
    if (output >= uploads->params.plan->n_outputs)
        uploads->events.manifest(uploads->user, uploads->manifest_location, error);
    else
        uploads->events.finished(uploads->user, output, error);
}

static void on_counted(gpointer user, const EgUploadResult *result)
{
    EgUploads *uploads = user;
    if (uploads->events.counted != NULL)
        uploads->events.counted(uploads->user, result);
}

static void clear_recovery(gpointer data)
{
    Recovery *recovery = data;
    eg_output_names_clear(&recovery->names);
    eg_sink_remains_clear(&recovery->remains);
}

static void unref_recovery(gpointer recovery)
{
    g_atomic_rc_box_release_full(recovery, clear_recovery);
}

static void end_recovery(gpointer data)
{
    Recovery *recovery = data;
    g_atomic_int_set(&recovery->is_canceled, 1);
    g_thread_join(recovery->thread);
    recovery->owner = NULL;
    unref_recovery(recovery);
}

EgUploads *eg_uploads_new(EgLoop *loop, const EgUploadsParams *params,
                          const EgUploadsEvents *events, gpointer user)
{
    static const EgUploaderEvents uploader_events = {
        .stored = on_stored, .finished = on_finished, .counted = on_counted};
    const EgPlan *plan = params->plan;
    /* A manifest is an output of its own behind all others, so that nothing depends on it. */
    g_autofree EgUploadTarget *targets = g_new0(EgUploadTarget, 2 * plan->n_outputs);
    for (guint i = 0; i < plan->n_outputs; i++)
        targets[i] = targets[plan->n_outputs + i] =
            (EgUploadTarget){plan->outputs[i].storage, plan->outputs[i].backup};
    const EgUploaderParams uploader = {
        .log = params->log,
        .spool = params->spool,
        .targets = targets,
        .n_targets = 2 * plan->n_outputs,
        .patience_ns = params->config->max_upload_queue_ns,
        .max_calls = params->config->upload_parallel,
        .opener = eg_store_new,
    };
    EgUploads *uploads = g_new0(EgUploads, 1);
    eg_http_set_rate_limit((guint64)params->config->upload_bytes_per_s);
    uploads->loop = loop;
    uploads->params = *params;
    uploads->events = *events;
    uploads->user = user;
    uploads->stats = g_array_new(FALSE, TRUE, sizeof(EgSinkStats));
    g_array_set_size(uploads->stats, plan->n_outputs);
    uploads->recoveries = g_ptr_array_new_with_free_func(end_recovery);
    uploads->uploader = eg_uploader_new(loop, &uploader, &uploader_events, uploads);
    return uploads;
}

void eg_uploads_free(EgUploads *uploads)
{
    if (uploads == NULL)
        return;
    g_ptr_array_unref(uploads->recoveries);
    eg_uploader_free(uploads->uploader);
    g_array_unref(uploads->stats);
    g_free(uploads->manifest_location);
    g_free(uploads);
}

void eg_uploads_abandon(EgUploads *uploads)
{
    eg_uploader_abandon(uploads->uploader);
}

void eg_uploads_add(EgUploads *uploads, guint output, const EgSinkFile *file)
{
    const EgUploadObject object = {
        .output = output,
        .path = file->path,
        .content_type = eg_content_type(file->path),
        .content = file->content,
    };
    eg_uploader_add(uploads->uploader, &object);
}

void eg_uploads_grow(EgUploads *uploads, guint output, const EgSinkGrowth *growth)
{
    const EgUploadGrowth grown = {
        .output = output,
        .path = growth->path,
        .unfinished = growth->unfinished,
        .content_type = eg_content_type(growth->path),
        .stable_from = growth->stable_from,
        .size_bytes = growth->size_bytes,
    };
    eg_uploader_grow(uploads->uploader, &grown);
}

void eg_uploads_finish(EgUploads *uploads, guint output)
{
    eg_uploader_finish(uploads->uploader, output);
}

void eg_uploads_add_manifest(EgUploads *uploads, guint output, const char *key, GBytes *content)
{
    guint own = uploads->params.plan->n_outputs + output;
    g_autofree char *path = eg_spool_path(uploads->params.spool, own, key);
    const EgSinkFile file = {.path = path, .content = content};
    eg_uploads_add(uploads, own, &file);
    eg_uploads_finish(uploads, own);
}

/* What was left. */

static void add_remains(EgUploads *uploads, guint output, const EgSinkRemains *remains)
{
    for (guint i = 0; i < remains->files->len; i++) {
        /* It may have been on its way already, and have arrived. */
        const EgSinkFile file = {.path = remains->files->pdata[i]};
        if (g_file_test(file.path, G_FILE_TEST_EXISTS))
            eg_uploads_add(uploads, output, &file);
    }
    for (guint i = 0; i < remains->replaced->len; i++) {
        const char *path = remains->replaced->pdata[i];
        g_autoptr(GError) error = NULL;
        char *data = NULL;
        gsize size_bytes = 0;
        if (!g_file_get_contents(path, &data, &size_bytes, &error)) {
            if (!g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
                eg_warn(uploads->params.log, "left-over not uploaded",
                        EG_STR("error", error->message));
            continue;
        }
        g_autoptr(GBytes) content = g_bytes_new_take(data, size_bytes);
        const EgSinkFile file = {.path = path, .content = content};
        eg_uploads_add(uploads, output, &file);
    }
}

static void on_recovered(gpointer data)
{
    Recovery *recovery = data;
    EgUploads *uploads = recovery->owner;
    guint output = recovery->output;
    if (uploads == NULL)
        return;
    add_remains(uploads, output, &recovery->remains);
    g_array_index(uploads->stats, EgSinkStats, output).duration_ns = recovery->remains.duration_ns;
    g_ptr_array_remove(uploads->recoveries, recovery);
    eg_uploads_finish(uploads, output);
}

static gpointer recover(gpointer data)
{
    Recovery *recovery = data;
    eg_sink_recover(recovery->kind, &recovery->params, &recovery->is_canceled, &recovery->remains);
    eg_loop_post(recovery->loop, on_recovered, g_atomic_rc_box_acquire(recovery), unref_recovery);
    return NULL;
}

void eg_uploads_recover(EgUploads *uploads, guint output, const EgOutputNames *keys,
                        EgFormat format)
{
    const EgOutput *planned = &uploads->params.plan->outputs[output];
    /* What is made of an unfinished file is another one. */
    eg_uploader_drop_growing(uploads->uploader, output);
    Recovery *recovery = g_atomic_rc_box_new0(Recovery);
    recovery->owner = uploads;
    recovery->loop = uploads->loop;
    recovery->output = output;
    recovery->kind = eg_output_sink_kind(planned->kind);
    eg_output_names_in_spool(keys, uploads->params.spool, output, &recovery->names);
    recovery->params = eg_output_sink_params(planned, format, &recovery->names);
    recovery->params.log = uploads->params.log;
    g_ptr_array_add(uploads->recoveries, recovery);
    recovery->thread = g_thread_new("recovery", recover, recovery);
}

void eg_uploads_remember(EgUploads *uploads)
{
    const GPtrArray *stored = eg_spool_past(uploads->params.spool)->stored;
    for (guint i = 0; i < stored->len; i++) {
        const Egress__SpoolStored *one = stored->pdata[i];
        if (one->output >= uploads->params.plan->n_outputs) {
            eg_report_set_manifest(uploads->params.report, one->location);
            continue;
        }
        eg_report_set_stored(uploads->params.report, one->output, one->path, one->location,
                             one->is_backup);
        if (g_str_has_suffix(one->path, EG_PLAYLIST_EXTENSION))
            continue;
        note_file(uploads, one->output, one->path, one->location, 0);
        count(uploads, one->output, one->size_bytes);
    }
}

void eg_uploads_get_stats(const EgUploads *uploads, EgUploaderStats *stats)
{
    eg_uploader_get_stats(uploads->uploader, stats);
}
