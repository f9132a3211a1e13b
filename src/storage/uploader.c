#include "storage/uploader-private.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"

/* Parts. */

static void free_target(gpointer data)
{
    EgUploaderTarget *target = data;
    eg_store_free(target->store);
    eg_storage_unref(target->storage);
    g_clear_error(&target->open_error);
    g_clear_error(&target->failure);
    g_free(target);
}

static void free_object(gpointer data)
{
    EgUploaderObject *object = data;
    eg_upload_free(object->upload);
    g_clear_error(&object->primary_error);
    g_free(object);
}

static void clear_output(gpointer data)
{
    EgUploaderOutput *output = data;
    eg_storage_unref(output->targets.storage);
    eg_storage_unref(output->targets.backup);
    g_clear_error(&output->error);
    g_ptr_array_unref(output->snapshots);
}

/* Ends. */

static bool has_objects(const EgUploader *uploader, guint output)
{
    for (guint i = 0; i < uploader->objects->len; i++) {
        const EgUploaderObject *object = uploader->objects->pdata[i];
        if (eg_upload_params(object->upload)->output == output)
            return true;
    }
    return false;
}

static void remove_snapshots(EgUploaderOutput *output)
{
    for (guint i = 0; i < output->snapshots->len; i++)
        g_unlink(output->snapshots->pdata[i]);
    g_ptr_array_set_size(output->snapshots, 0);
}

/* May be the last thing that happens: the owner may free us in it. */
static void tell_finished(EgUploader *uploader)
{
    for (guint i = 0; i < uploader->outputs->len; i++) {
        EgUploaderOutput *output = eg_uploader_output(uploader, i);
        if (output->is_finished ||
            (output->error == NULL && (!output->is_finishing || has_objects(uploader, i))))
            continue;
        output->is_finished = true;
        if (output->error == NULL)
            remove_snapshots(output);
        eg_timer_set(uploader->timer, 0);
        uploader->events.finished(uploader->user, i, output->error);
        return;
    }
}

static void on_stored(EgUploader *uploader, EgUploaderObject *object, const EgUploadCall *call)
{
    const EgUploaded stored = {
        .output = call->output,
        .key = call->name,
        .location = call->text,
        .size_bytes = call->size_bytes,
        .is_backup = object->uses_backup,
        .is_snapshot = object->is_snapshot,
    };
    uploader->has_used_backup = uploader->has_used_backup || object->uses_backup;
    eg_uploader_count(uploader, object, true);
    if (!object->is_snapshot)
        uploader->stored_bytes += call->size_bytes;
    g_ptr_array_remove(uploader->objects, object);
    uploader->events.stored(uploader->user, &stored);
}

/* NULL: it was dropped meanwhile. */
static EgUploaderObject *find_object(const EgUploader *uploader, guint64 order)
{
    for (guint i = 0; i < uploader->objects->len; i++) {
        EgUploaderObject *object = uploader->objects->pdata[i];
        if (eg_upload_params(object->upload)->order == order)
            return object;
    }
    return NULL;
}

static void on_object_done(EgUploader *uploader, EgUploadCall *call)
{
    EgUploaderObject *object = find_object(uploader, call->order);
    if (object == NULL)
        return;
    if (call->kind == EG_UPLOAD_ABORT) {
        if (object->state == EG_UPLOADER_OBJECT_ABORTING)
            g_ptr_array_remove(uploader->objects, object);
        return;
    }
    if (object->state == EG_UPLOADER_OBJECT_DROPPED) {
        eg_upload_done(object->upload, call);
        return;
    }
    switch (eg_upload_done(object->upload, call)) {
    case EG_UPLOAD_STEP_DONE:
        eg_upload_retry_succeeded(&object->retry);
        eg_uploader_note_up(uploader, eg_uploader_target(uploader, object));
        break;
    case EG_UPLOAD_STEP_STORED:
        eg_uploader_note_up(uploader, eg_uploader_target(uploader, object));
        on_stored(uploader, object, call);
        break;
    case EG_UPLOAD_STEP_FAILED:
        eg_uploader_failed(uploader, object, call);
        break;
    case EG_UPLOAD_STEP_NONE:
    default:
        break;
    }
}

/* What next. */

static bool is_dropped(const EgUploaderObject *object)
{
    return object->state == EG_UPLOADER_OBJECT_DROPPED ||
           object->state == EG_UPLOADER_OBJECT_ABORTING;
}

/* What is replaced is uploaded after all that it may name, and after what it replaces; and nothing
 * while something of its name is given up. */
static bool must_wait(const EgUploader *uploader, const EgUploaderObject *object)
{
    const EgUploadParams *own = eg_upload_params(object->upload);
    if (!object->is_snapshot && !uploader->has_dropped)
        return false;
    for (guint i = 0; i < uploader->objects->len; i++) {
        const EgUploaderObject *other = uploader->objects->pdata[i];
        const EgUploadParams *params = eg_upload_params(other->upload);
        if (params->order >= own->order || params->output != own->output)
            continue;
        bool is_same = strcmp(params->name, own->name) == 0;
        if ((is_same && is_dropped(other)) ||
            (object->is_snapshot && (is_same || !other->is_snapshot)))
            return true;
    }
    return false;
}

typedef enum {
    NEXT_NOTHING,
    NEXT_OPEN,
    NEXT_CALL,
    NEXT_PART,
    NEXT_GIVE_UP,
    NEXT_ABORT,
} Next;

/* Whether it has to wait until it is complete: whoever cannot be opened is asked again then. */
static bool is_held(const EgUploaderObject *object, const EgUploaderTarget *target)
{
    bool is_closed =
        target->store == NULL && (target->open_error != NULL || target->failure != NULL);
    return object->state == EG_UPLOADER_OBJECT_HELD ||
           (is_closed && eg_upload_grows(object->upload));
}

/* Of what is given up: a store that is not open yet is opened to be told, unless that is hopeless.
 */
static Next next_of_dropped(EgUploader *uploader, const EgUploaderObject *object, gint64 now_ns,
                            gint64 *wake_ns)
{
    const EgUploaderTarget *target = eg_uploader_target(uploader, object);
    if (object->state == EG_UPLOADER_OBJECT_ABORTING || eg_upload_running(object->upload) > 0)
        return NEXT_NOTHING;
    if (target->store != NULL || target->open_error != NULL || target->failure != NULL ||
        eg_upload_begun(object->upload) == NULL)
        return NEXT_ABORT;
    if (target->not_before_ns <= now_ns)
        return target->is_opening ? NEXT_NOTHING : NEXT_OPEN;
    *wake_ns = MIN(*wake_ns, target->not_before_ns);
    return NEXT_NOTHING;
}

/* Wakes at `*wake_ns` if it is only time that is missing. */
static Next next_of(EgUploader *uploader, EgUploaderObject *object, gint64 now_ns, gint64 *wake_ns)
{
    if (is_dropped(object))
        return next_of_dropped(uploader, object, now_ns, wake_ns);
    EgUploaderTarget *target = eg_uploader_target(uploader, object);
    if (is_held(object, target) || must_wait(uploader, object))
        return NEXT_NOTHING;
    if (target->open_error != NULL)
        return NEXT_GIVE_UP;
    if (target->failure != NULL && eg_uploader_has_backup(uploader, object))
        return eg_upload_running(object->upload) == 0 ? NEXT_GIVE_UP : NEXT_NOTHING;
    gint64 due_ns = MAX(object->next_ns, target->not_before_ns);
    if (due_ns > now_ns) {
        *wake_ns = MIN(*wake_ns, due_ns);
        return NEXT_NOTHING;
    }
    if (target->store == NULL)
        return target->is_opening ? NEXT_NOTHING : NEXT_OPEN;
    bool is_part;
    if (!eg_upload_has_next(object->upload, eg_store_limits(target->store), &is_part))
        return NEXT_NOTHING;
    return is_part ? NEXT_PART : NEXT_CALL;
}

static void start_call(EgUploader *uploader, EgUploaderObject *object)
{
    EgUploaderTarget *target = eg_uploader_target(uploader, object);
    EgUploadCall *call = eg_upload_next(object->upload, eg_store_limits(target->store));
    call->storage = eg_storage_ref(target->storage);
    call->store = target->store;
    call->spool = uploader->params.spool;
    call->log = uploader->params.log;
    call->is_backup = object->uses_backup;
    call->key = eg_uploader_key(target->storage, call->name);
    if (object->first_ns == EG_TIME_NONE)
        object->first_ns = eg_now_ns();
    uploader->n_running++;
    eg_upload_calls_make(uploader->calls, call);
}

static void act(EgUploader *uploader, EgUploaderObject *object, Next next)
{
    EgUploaderTarget *target = eg_uploader_target(uploader, object);
    if (next == NEXT_OPEN)
        eg_uploader_open(uploader, target);
    else if (next == NEXT_CALL || next == NEXT_PART)
        start_call(uploader, object);
    else if (next == NEXT_ABORT && eg_uploader_abort(uploader, object))
        object->state = EG_UPLOADER_OBJECT_ABORTING;
    else if (next == NEXT_ABORT)
        g_ptr_array_remove(uploader->objects, object);
    else
        eg_uploader_give_up(uploader, object,
                            target->open_error != NULL ? target->open_error : target->failure);
}

static void note_dropped(EgUploader *uploader)
{
    uploader->has_dropped = false;
    for (guint i = 0; i < uploader->objects->len && !uploader->has_dropped; i++)
        uploader->has_dropped = is_dropped(uploader->objects->pdata[i]);
}

/* Small calls first: what a long file takes its time for holds up nobody. */
static bool start_one(EgUploader *uploader, gint64 *wake_ns)
{
    gint64 now_ns = eg_now_ns();
    EgUploaderObject *part = NULL;
    note_dropped(uploader);
    for (guint i = 0; i < uploader->objects->len; i++) {
        EgUploaderObject *object = uploader->objects->pdata[i];
        Next next = next_of(uploader, object, now_ns, wake_ns);
        if (next == NEXT_PART && part == NULL)
            part = object;
        if (next == NEXT_NOTHING || next == NEXT_PART)
            continue;
        act(uploader, object, next);
        return true;
    }
    if (part != NULL)
        act(uploader, part, NEXT_PART);
    return part != NULL;
}

static void go_on(EgUploader *uploader)
{
    gint64 wake_ns = G_MAXINT64;
    while (uploader->n_running < uploader->params.max_calls && start_one(uploader, &wake_ns))
        continue;
    if (wake_ns != G_MAXINT64)
        eg_timer_set(uploader->timer, wake_ns);
    tell_finished(uploader);
}

static void on_due(gpointer user)
{
    go_on(user);
}

static void on_call_done(gpointer user, EgUploadCall *call)
{
    EgUploader *uploader = user;
    g_autoptr(EgUploadCall) own = call;
    uploader->n_running--;
    if (call->kind == EG_UPLOAD_OPEN)
        eg_uploader_opened(uploader, call);
    else
        on_object_done(uploader, call);
    go_on(uploader);
}

/* From outside. */

EgUploader *eg_uploader_new(EgLoop *loop, const EgUploaderParams *params,
                            const EgUploaderEvents *events, gpointer user)
{
    EgUploader *uploader = g_new0(EgUploader, 1);
    uploader->loop = loop;
    uploader->params = *params;
    uploader->params.targets = NULL;
    uploader->events = *events;
    uploader->user = user;
    uploader->timer = eg_timer_new(loop, on_due, uploader);
    uploader->targets = g_ptr_array_new_with_free_func(free_target);
    uploader->objects = g_ptr_array_new_with_free_func(free_object);
    uploader->outputs = g_array_new(FALSE, TRUE, sizeof(EgUploaderOutput));
    g_array_set_clear_func(uploader->outputs, clear_output);
    for (guint i = 0; i < params->n_targets; i++) {
        const EgUploadTarget *targets = &params->targets[i];
        EgUploaderOutput output = {.snapshots = g_ptr_array_new_with_free_func(g_free)};
        if (targets->storage != NULL)
            output.targets.storage = eg_storage_ref(targets->storage);
        if (targets->backup != NULL)
            output.targets.backup = eg_storage_ref(targets->backup);
        g_array_append_val(uploader->outputs, output);
    }
    return uploader;
}

void eg_uploader_free(EgUploader *uploader)
{
    if (uploader == NULL)
        return;
    eg_loop_assert_owner(uploader->loop);
    eg_upload_calls_free(uploader->calls);
    eg_timer_free(uploader->timer);
    g_ptr_array_unref(uploader->objects);
    g_ptr_array_unref(uploader->targets);
    g_array_unref(uploader->outputs);
    g_free(uploader);
}

void eg_uploader_abandon(EgUploader *uploader)
{
    eg_loop_assert_owner(uploader->loop);
    g_clear_pointer(&uploader->calls, eg_upload_calls_free);
    for (guint i = 0; i < uploader->objects->len; i++) {
        const EgUploaderObject *object = uploader->objects->pdata[i];
        const EgUploaderTarget *target = eg_uploader_target(uploader, object);
        const char *begun = eg_upload_begun(object->upload);
        if (begun == NULL || target->store == NULL)
            continue;
        g_autofree char *key =
            eg_uploader_key(target->storage, eg_upload_params(object->upload)->name);
        eg_store_abort(target->store, key, begun);
    }
}

/* Of one name there is what is being uploaded, what waits for its turn, and the newest: so one
 * always gets on, and the newest is never far. */
static void drop_replaced(EgUploader *uploader, const EgUploadParams *params)
{
    const EgUploaderObject *newest = NULL;
    guint n_waiting = 0;
    for (guint i = 0; i < uploader->objects->len; i++) {
        const EgUploaderObject *object = uploader->objects->pdata[i];
        const EgUploadParams *other = eg_upload_params(object->upload);
        if (object->first_ns != EG_TIME_NONE || other->output != params->output ||
            strcmp(other->name, params->name) != 0)
            continue;
        newest = object;
        n_waiting++;
    }
    if (n_waiting > 1)
        g_ptr_array_remove(uploader->objects, (gpointer)newest);
}

static bool is_known(const EgUploader *uploader, guint output, const char *name)
{
    for (guint i = 0; i < uploader->objects->len; i++) {
        const EgUploaderObject *object = uploader->objects->pdata[i];
        const EgUploadParams *params = eg_upload_params(object->upload);
        if (!object->is_snapshot && !is_dropped(object) && params->output == output &&
            strcmp(params->name, name) == 0)
            return true;
    }
    return false;
}

static void keep_path(EgUploaderOutput *output, const char *path)
{
    for (guint i = 0; i < output->snapshots->len; i++) {
        if (strcmp(output->snapshots->pdata[i], path) == 0)
            return;
    }
    g_ptr_array_add(output->snapshots, g_strdup(path));
}

static guint64 size_of(const EgUploadObject *object)
{
    GStatBuf status;
    if (object->content != NULL)
        return g_bytes_get_size(object->content);
    return g_stat(object->path, &status) == 0 ? (guint64)status.st_size : 0;
}

/* What the journal knows of it. */
static void resume(EgUploader *uploader, EgUploaderObject *object)
{
    const EgSpoolPast *past = eg_spool_past(uploader->params.spool);
    const EgUploadParams *params = eg_upload_params(object->upload);
    g_autofree char *name = g_strdup_printf("%u/%s", params->output, params->name);
    const EgSpoolUpload *begun = g_hash_table_lookup(past->uploads, name);
    if (begun == NULL || (begun->is_backup && !eg_uploader_has_backup(uploader, object)))
        return;
    object->uses_backup = begun->is_backup;
    eg_upload_resume(object->upload, begun);
}

EgUploaderObject *eg_uploader_add_object(EgUploader *uploader, const EgUploadParams *params)
{
    EgUploaderObject *object = g_new0(EgUploaderObject, 1);
    object->upload = eg_upload_new(params);
    object->state = EG_UPLOADER_OBJECT_OPEN;
    object->is_snapshot = params->content != NULL;
    object->first_ns = EG_TIME_NONE;
    g_ptr_array_add(uploader->objects, object);
    if (uploader->calls == NULL)
        uploader->calls =
            eg_upload_calls_new(uploader->loop, uploader->params.max_calls, on_call_done, uploader);
    eg_timer_set(uploader->timer, 0);
    return object;
}

void eg_uploader_add(EgUploader *uploader, const EgUploadObject *object)
{
    eg_loop_assert_owner(uploader->loop);
    EgUploaderOutput *output = eg_uploader_output(uploader, object->output);
    const char *name = eg_spool_key(uploader->params.spool, object->output, object->path);
    g_assert(output->targets.storage != NULL && name != NULL && !output->is_finishing);
    if (output->error != NULL)
        return;
    EgUploaderObject *growing =
        object->content == NULL ? eg_uploader_find_growing(uploader, object->output, name) : NULL;
    if (growing != NULL && eg_uploader_complete(uploader, growing, size_of(object)))
        return;
    if (object->content == NULL && is_known(uploader, object->output, name))
        return;
    const EgUploadParams params = {
        .output = object->output,
        .order = uploader->order++,
        .name = name,
        .path = object->path,
        .content_type = object->content_type,
        .content = object->content,
        .size_bytes = size_of(object),
    };
    if (object->content != NULL) {
        drop_replaced(uploader, &params);
        keep_path(output, object->path);
    }
    resume(uploader, eg_uploader_add_object(uploader, &params));
}

void eg_uploader_finish(EgUploader *uploader, guint output)
{
    eg_loop_assert_owner(uploader->loop);
    eg_uploader_output(uploader, output)->is_finishing = true;
    eg_timer_set(uploader->timer, 0);
}

void eg_uploader_get_stats(const EgUploader *uploader, EgUploaderStats *stats)
{
    *stats = (EgUploaderStats){
        .stored_bytes = uploader->stored_bytes,
        .total_bytes = uploader->stored_bytes,
        .has_used_backup = uploader->has_used_backup,
    };
    for (guint i = 0; i < uploader->objects->len; i++) {
        const EgUploaderObject *object = uploader->objects->pdata[i];
        if (is_dropped(object))
            continue;
        stats->waiting += !eg_upload_grows(object->upload);
        stats->waiting_snapshots += object->is_snapshot;
        if (object->is_snapshot)
            continue;
        stats->stored_bytes += eg_upload_stored_bytes(object->upload);
        stats->total_bytes += eg_upload_params(object->upload)->size_bytes;
    }
}
