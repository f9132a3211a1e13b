#include "storage/uploader.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/upload.h"

/* As errors name the kinds of stores. */
static const char *const labels[EG_N_STORES] = {
    [EG_STORE_NONE] = "",   [EG_STORE_LOCAL] = "Local", [EG_STORE_S3] = "S3",
    [EG_STORE_GCS] = "GCP", [EG_STORE_AZURE] = "Azure", [EG_STORE_ALIOSS] = "AliOSS",
};

/* One store, of whichever outputs use it. */
typedef struct {
    EgStorage *storage;
    EgStore *store; /* NULL until it is opened */
    bool is_opening;
    bool is_down; /* the last call has failed */
    EgUploadRetry open_retry;
    gint64 not_before_ns;
    GError *open_error; /* for good */
    GError *failure;    /* why whoever has a backup uses that; NULL: it has not come to that */
} Target;

typedef struct {
    EgUploadTarget targets;
    bool is_finishing;
    bool is_finished;
    GError *error;
    GPtrArray *snapshots; /* char *: paths of what is replaced, which goes at the end */
} Output;

typedef struct {
    EgUpload *upload;
    bool is_snapshot;
    bool uses_backup;
    gint64 first_ns; /* when it was tried first; EG_TIME_NONE: not yet */
    gint64 next_ns;
    EgUploadRetry retry;
    GError *primary_error; /* why it uses the backup */
} Object;

struct _EgUploader {
    EgLoop *loop;
    EgUploaderParams params;
    EgUploaderEvents events;
    gpointer user;
    EgUploadCalls *calls; /* NULL until there is one */
    guint n_running;
    GArray *outputs;    /* Output */
    GPtrArray *targets; /* Target */
    GPtrArray *objects; /* Object, in the order of their coming */
    guint64 order;
    EgTimer *timer;
    guint64 stored_bytes; /* of objects that are gone from the list */
    bool has_used_backup;
};

/* Parts. */

static void free_target(gpointer data)
{
    Target *target = data;
    eg_store_free(target->store);
    eg_storage_unref(target->storage);
    g_clear_error(&target->open_error);
    g_clear_error(&target->failure);
    g_free(target);
}

static void free_object(gpointer data)
{
    Object *object = data;
    eg_upload_free(object->upload);
    g_clear_error(&object->primary_error);
    g_free(object);
}

static void clear_output(gpointer data)
{
    Output *output = data;
    eg_storage_unref(output->targets.storage);
    eg_storage_unref(output->targets.backup);
    g_clear_error(&output->error);
    g_ptr_array_unref(output->snapshots);
}

static Output *output_of(const EgUploader *uploader, guint output)
{
    g_assert(output < uploader->outputs->len);
    return &g_array_index(uploader->outputs, Output, output);
}

static Target *target_for(EgUploader *uploader, EgStorage *storage)
{
    for (guint i = 0; i < uploader->targets->len; i++) {
        Target *target = uploader->targets->pdata[i];
        if (target->storage == storage)
            return target;
    }
    Target *target = g_new0(Target, 1);
    target->storage = eg_storage_ref(storage);
    g_ptr_array_add(uploader->targets, target);
    return target;
}

static Target *target_of(EgUploader *uploader, const Object *object)
{
    const EgUploadTarget *targets =
        &output_of(uploader, eg_upload_params(object->upload)->output)->targets;
    return target_for(uploader, object->uses_backup ? targets->backup : targets->storage);
}

/* The prefix of the local disk is the folder itself, and the store's matter. */
static char *key_in_store(const EgStorage *storage, const char *name)
{
    const char *prefix = storage->prefix != NULL ? storage->prefix : "";
    prefix += strspn(prefix, "/");
    gsize length = strlen(prefix);
    while (length > 0 && prefix[length - 1] == '/')
        length--;
    if (storage->kind == EG_STORE_LOCAL || length == 0)
        return g_strdup(name);
    return g_strdup_printf("%.*s/%s", (int)length, prefix, name);
}

/* Ends. */

static void drop_objects(EgUploader *uploader, guint output)
{
    for (guint i = uploader->objects->len; i > 0; i--) {
        const Object *object = uploader->objects->pdata[i - 1];
        if (eg_upload_params(object->upload)->output == output)
            g_ptr_array_remove_index(uploader->objects, i - 1);
    }
}

static void note_given_up(EgUploader *uploader, guint output, const GError *error)
{
    Egress__SpoolGivenUp given_up = EGRESS__SPOOL_GIVEN_UP__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    given_up.output = output;
    given_up.error = error->message;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_GIVEN_UP;
    record.given_up = &given_up;
    eg_spool_note(uploader->params.spool, &record, false, NULL);
    eg_error_log(uploader->params.log, "upload failed; the next start of the service tries again",
                 EG_INT("output", output), EG_STR("error", error->message),
                 EG_STR("folder", eg_spool_folder(uploader->params.spool)));
}

/* Takes the error. */
static void fail_output(EgUploader *uploader, guint index, GError *error)
{
    Output *output = output_of(uploader, index);
    drop_objects(uploader, index);
    if (output->error != NULL) {
        g_error_free(error);
        return;
    }
    output->error = error;
    note_given_up(uploader, index, error);
}

static bool has_objects(const EgUploader *uploader, guint output)
{
    for (guint i = 0; i < uploader->objects->len; i++) {
        const Object *object = uploader->objects->pdata[i];
        if (eg_upload_params(object->upload)->output == output)
            return true;
    }
    return false;
}

static void remove_snapshots(Output *output)
{
    for (guint i = 0; i < output->snapshots->len; i++)
        g_unlink(output->snapshots->pdata[i]);
    g_ptr_array_set_size(output->snapshots, 0);
}

/* May be the last thing that happens: the owner may free us in it. */
static void tell_finished(EgUploader *uploader)
{
    for (guint i = 0; i < uploader->outputs->len; i++) {
        Output *output = output_of(uploader, i);
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

/* What becomes of a failure. */

static EgUploadPolicy policy_of(const EgUploader *uploader, const EgStorage *storage,
                                bool has_backup)
{
    return (EgUploadPolicy){
        .max_attempts = storage->max_attempts,
        .min_delay_ns = storage->min_retry_delay_ns,
        .max_delay_ns = storage->max_retry_delay_ns,
        .patience_ns = uploader->params.patience_ns,
        .has_backup = has_backup,
    };
}

static GError *describe_failure(const Target *target, const GError *cause)
{
    GError *error = NULL;
    eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_DESTINATION, "%s upload failed: %s",
                 labels[target->storage->kind], cause->message);
    return error;
}

static bool has_backup(const EgUploader *uploader, const Object *object)
{
    guint output = eg_upload_params(object->upload)->output;
    return !object->uses_backup && output_of(uploader, output)->targets.backup != NULL;
}

static void give_parts_up(EgUploader *uploader, const Object *object, Target *target)
{
    const char *begun = eg_upload_begun(object->upload);
    if (begun == NULL || target->store == NULL)
        return;
    EgUploadCall *call = eg_upload_call_new(EG_UPLOAD_ABORT);
    call->storage = eg_storage_ref(target->storage);
    call->store = target->store;
    call->key = key_in_store(target->storage, eg_upload_params(object->upload)->name);
    call->upload = g_strdup(begun);
    uploader->n_running++;
    eg_upload_calls_make(uploader->calls, call);
}

static void use_backup(EgUploader *uploader, Object *object, const GError *error)
{
    Target *target = target_of(uploader, object);
    if (target->failure == NULL) {
        eg_warn(uploader->params.log, "the backup storage takes over",
                EG_STR("error", error->message));
        target->failure = g_error_copy(error);
    }
    give_parts_up(uploader, object, target);
    eg_upload_restart(object->upload);
    object->uses_backup = true;
    object->retry = (EgUploadRetry){0};
    object->next_ns = 0;
    g_clear_error(&object->primary_error);
    object->primary_error = describe_failure(target, error);
}

/* Nothing more can be done with this store. */
static void give_up(EgUploader *uploader, Object *object, const GError *cause)
{
    if (has_backup(uploader, object)) {
        use_backup(uploader, object, cause);
        return;
    }
    g_autoptr(GError) own = describe_failure(target_of(uploader, object), cause);
    GError *error = NULL;
    if (object->primary_error != NULL)
        eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_DESTINATION,
                     "primary: %s\nbackup: %s", object->primary_error->message, own->message);
    else
        error = g_steal_pointer(&own);
    fail_output(uploader, eg_upload_params(object->upload)->output, error);
}

static void note_down(const EgUploader *uploader, Target *target, const GError *error)
{
    if (!target->is_down)
        eg_warn(uploader->params.log, "storage does not take what is uploaded, trying again",
                EG_STR("storage", eg_store_kind_name(target->storage->kind)),
                EG_STR("error", error->message));
    target->is_down = true;
}

static void note_up(const EgUploader *uploader, Target *target)
{
    if (target->is_down)
        eg_info(uploader->params.log, "storage takes uploads again",
                EG_STR("storage", eg_store_kind_name(target->storage->kind)));
    target->is_down = false;
}

static void on_failed(EgUploader *uploader, Object *object, const EgUploadCall *call)
{
    Target *target = target_of(uploader, object);
    gint64 now_ns = eg_now_ns();
    if (!eg_error_is_retryable(call->error)) {
        if (eg_upload_may_restart(object->upload) && call->kind != EG_UPLOAD_BEGIN)
            eg_upload_restart(object->upload);
        else
            give_up(uploader, object, call->error);
        return;
    }
    note_down(uploader, target, call->error);
    bool may_change = has_backup(uploader, object);
    EgUploadPolicy policy = policy_of(uploader, target->storage, may_change);
    gint64 retry_after_ns = eg_store_retry_after_ns(call->error);
    gint64 next_ns = eg_upload_retry_failed(&object->retry, &policy, call->began_ns, retry_after_ns,
                                            g_random_double(), now_ns);
    if (next_ns == EG_TIME_NONE || (may_change && target->failure != NULL)) {
        give_up(uploader, object, call->error);
        return;
    }
    object->next_ns = next_ns;
    /* Who wants to be left alone is, by all. */
    if (retry_after_ns > 0)
        target->not_before_ns = MAX(target->not_before_ns, next_ns);
}

static void on_stored(EgUploader *uploader, Object *object, const EgUploadCall *call)
{
    const EgUploaded stored = {
        .output = call->output,
        .key = call->name,
        .location = call->text,
        .size_bytes = call->size_bytes,
        .elapsed_ns = eg_now_ns() - object->first_ns,
        .is_backup = object->uses_backup,
        .is_snapshot = object->is_snapshot,
    };
    uploader->has_used_backup = uploader->has_used_backup || object->uses_backup;
    if (!object->is_snapshot)
        uploader->stored_bytes += call->size_bytes;
    g_ptr_array_remove(uploader->objects, object);
    uploader->events.stored(uploader->user, &stored);
}

/* NULL: it was dropped meanwhile. */
static Object *find_object(const EgUploader *uploader, guint64 order)
{
    for (guint i = 0; i < uploader->objects->len; i++) {
        Object *object = uploader->objects->pdata[i];
        if (eg_upload_params(object->upload)->order == order)
            return object;
    }
    return NULL;
}

static void on_object_done(EgUploader *uploader, EgUploadCall *call)
{
    Object *object = find_object(uploader, call->order);
    if (call->kind == EG_UPLOAD_ABORT || object == NULL)
        return;
    switch (eg_upload_done(object->upload, call)) {
    case EG_UPLOAD_STEP_DONE:
        eg_upload_retry_succeeded(&object->retry);
        note_up(uploader, target_of(uploader, object));
        break;
    case EG_UPLOAD_STEP_STORED:
        note_up(uploader, target_of(uploader, object));
        on_stored(uploader, object, call);
        break;
    case EG_UPLOAD_STEP_FAILED:
        on_failed(uploader, object, call);
        break;
    case EG_UPLOAD_STEP_NONE:
    default:
        break;
    }
}

/* Stores. */

static void open_target(EgUploader *uploader, Target *target)
{
    EgUploadCall *call = eg_upload_call_new(EG_UPLOAD_OPEN);
    call->storage = eg_storage_ref(target->storage);
    call->opener = uploader->params.opener;
    call->log = uploader->params.log;
    call->owner = target;
    target->is_opening = true;
    uploader->n_running++;
    eg_upload_calls_make(uploader->calls, call);
}

static void on_opened(EgUploader *uploader, EgUploadCall *call)
{
    Target *target = call->owner;
    target->is_opening = false;
    if (call->error == NULL) {
        target->store = g_steal_pointer(&call->opened);
        note_up(uploader, target);
        return;
    }
    EgUploadPolicy policy = policy_of(uploader, target->storage, false);
    gint64 next_ns = EG_TIME_NONE;
    if (eg_error_is_retryable(call->error))
        next_ns = eg_upload_retry_failed(&target->open_retry, &policy, call->began_ns,
                                         eg_store_retry_after_ns(call->error), g_random_double(),
                                         eg_now_ns());
    note_down(uploader, target, call->error);
    target->not_before_ns = next_ns;
    /* Whoever has no backup goes on asking. */
    if (target->open_retry.attempts >= target->storage->max_attempts && target->failure == NULL)
        target->failure = g_error_copy(call->error);
    if (next_ns == EG_TIME_NONE)
        target->open_error = g_steal_pointer(&call->error);
}

/* What next. */

/* What is replaced is uploaded after all that it may name, and after what it replaces. */
static bool must_wait(const EgUploader *uploader, const Object *object)
{
    const EgUploadParams *own = eg_upload_params(object->upload);
    if (!object->is_snapshot)
        return false;
    for (guint i = 0; i < uploader->objects->len; i++) {
        const Object *other = uploader->objects->pdata[i];
        const EgUploadParams *params = eg_upload_params(other->upload);
        if (params->order < own->order && params->output == own->output &&
            (!other->is_snapshot || strcmp(params->name, own->name) == 0))
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
} Next;

/* Wakes at `*wake_ns` if it is only time that is missing. */
static Next next_of(EgUploader *uploader, Object *object, gint64 now_ns, gint64 *wake_ns)
{
    if (must_wait(uploader, object))
        return NEXT_NOTHING;
    Target *target = target_of(uploader, object);
    if (target->open_error != NULL)
        return NEXT_GIVE_UP;
    if (target->failure != NULL && has_backup(uploader, object))
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

static void start_call(EgUploader *uploader, Object *object)
{
    Target *target = target_of(uploader, object);
    EgUploadCall *call = eg_upload_next(object->upload, eg_store_limits(target->store));
    call->storage = eg_storage_ref(target->storage);
    call->store = target->store;
    call->spool = uploader->params.spool;
    call->log = uploader->params.log;
    call->is_backup = object->uses_backup;
    call->key = key_in_store(target->storage, call->name);
    if (object->first_ns == EG_TIME_NONE)
        object->first_ns = eg_now_ns();
    uploader->n_running++;
    eg_upload_calls_make(uploader->calls, call);
}

static void act(EgUploader *uploader, Object *object, Next next)
{
    Target *target = target_of(uploader, object);
    if (next == NEXT_OPEN)
        open_target(uploader, target);
    else if (next == NEXT_CALL || next == NEXT_PART)
        start_call(uploader, object);
    else
        give_up(uploader, object,
                target->open_error != NULL ? target->open_error : target->failure);
}

/* Small calls first: what a long file takes its time for holds up nobody. */
static bool start_one(EgUploader *uploader, gint64 *wake_ns)
{
    gint64 now_ns = eg_now_ns();
    Object *part = NULL;
    for (guint i = 0; i < uploader->objects->len; i++) {
        Object *object = uploader->objects->pdata[i];
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
        on_opened(uploader, call);
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
    uploader->outputs = g_array_new(FALSE, TRUE, sizeof(Output));
    g_array_set_clear_func(uploader->outputs, clear_output);
    for (guint i = 0; i < params->n_targets; i++) {
        const EgUploadTarget *targets = &params->targets[i];
        Output output = {.snapshots = g_ptr_array_new_with_free_func(g_free)};
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

/* Of one name there is what is being uploaded, what waits for its turn, and the newest: so one
 * always gets on, and the newest is never far. */
static void drop_replaced(EgUploader *uploader, const EgUploadParams *params)
{
    const Object *newest = NULL;
    guint n_waiting = 0;
    for (guint i = 0; i < uploader->objects->len; i++) {
        const Object *object = uploader->objects->pdata[i];
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
        const Object *object = uploader->objects->pdata[i];
        const EgUploadParams *params = eg_upload_params(object->upload);
        if (!object->is_snapshot && params->output == output && strcmp(params->name, name) == 0)
            return true;
    }
    return false;
}

static void keep_path(Output *output, const char *path)
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
static void resume(EgUploader *uploader, Object *object)
{
    const EgSpoolPast *past = eg_spool_past(uploader->params.spool);
    const EgUploadParams *params = eg_upload_params(object->upload);
    g_autofree char *name = g_strdup_printf("%u/%s", params->output, params->name);
    const EgSpoolUpload *begun = g_hash_table_lookup(past->uploads, name);
    if (begun == NULL || (begun->is_backup && !has_backup(uploader, object)))
        return;
    object->uses_backup = begun->is_backup;
    eg_upload_resume(object->upload, begun);
}

void eg_uploader_add(EgUploader *uploader, const EgUploadObject *added)
{
    eg_loop_assert_owner(uploader->loop);
    Output *output = output_of(uploader, added->output);
    const char *name = eg_spool_key(uploader->params.spool, added->output, added->path);
    g_assert(output->targets.storage != NULL && name != NULL && !output->is_finishing);
    if (output->error != NULL)
        return;
    if (added->content == NULL && is_known(uploader, added->output, name))
        return;
    const EgUploadParams params = {
        .output = added->output,
        .order = uploader->order++,
        .name = name,
        .path = added->path,
        .content_type = added->content_type,
        .content = added->content,
        .size_bytes = size_of(added),
    };
    if (added->content != NULL) {
        drop_replaced(uploader, &params);
        keep_path(output, added->path);
    }
    Object *object = g_new0(Object, 1);
    object->upload = eg_upload_new(&params);
    object->is_snapshot = added->content != NULL;
    object->first_ns = EG_TIME_NONE;
    resume(uploader, object);
    g_ptr_array_add(uploader->objects, object);
    if (uploader->calls == NULL)
        uploader->calls =
            eg_upload_calls_new(uploader->loop, uploader->params.max_calls, on_call_done, uploader);
    eg_timer_set(uploader->timer, 0);
}

void eg_uploader_finish(EgUploader *uploader, guint output)
{
    eg_loop_assert_owner(uploader->loop);
    output_of(uploader, output)->is_finishing = true;
    eg_timer_set(uploader->timer, 0);
}

void eg_uploader_get_stats(const EgUploader *uploader, EgUploaderStats *stats)
{
    *stats = (EgUploaderStats){
        .stored_bytes = uploader->stored_bytes,
        .total_bytes = uploader->stored_bytes,
        .waiting = uploader->objects->len,
        .has_used_backup = uploader->has_used_backup,
    };
    for (guint i = 0; i < uploader->objects->len; i++) {
        const Object *object = uploader->objects->pdata[i];
        if (object->is_snapshot)
            continue;
        stats->stored_bytes += eg_upload_stored_bytes(object->upload);
        stats->total_bytes += eg_upload_params(object->upload)->size_bytes;
    }
}
