/* Which store an object goes to, and what becomes of it when that does not take it. */
#include "storage/uploader-private.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"

/* As errors name the kinds of stores. */
static const char *const labels[EG_N_STORES] = {
    [EG_STORE_NONE] = "",   [EG_STORE_LOCAL] = "Local", [EG_STORE_S3] = "S3",
    [EG_STORE_GCS] = "GCP", [EG_STORE_AZURE] = "Azure", [EG_STORE_ALIOSS] = "AliOSS",
};

EgUploaderOutput *eg_uploader_output(const EgUploader *uploader, guint output)
{
    g_assert(output < uploader->outputs->len);
    return &g_array_index(uploader->outputs, EgUploaderOutput, output);
}

static EgUploaderTarget *target_for(EgUploader *uploader, EgStorage *storage)
{
    for (guint i = 0; i < uploader->targets->len; i++) {
        EgUploaderTarget *target = uploader->targets->pdata[i];
        if (target->storage == storage)
            return target;
    }
    EgUploaderTarget *target = g_new0(EgUploaderTarget, 1);
    target->storage = eg_storage_ref(storage);
    g_ptr_array_add(uploader->targets, target);
    return target;
}

EgUploaderTarget *eg_uploader_target(EgUploader *uploader, const EgUploaderObject *object)
{
    const EgUploadTarget *targets =
        &eg_uploader_output(uploader, eg_upload_params(object->upload)->output)->targets;
    return target_for(uploader, object->uses_backup ? targets->backup : targets->storage);
}

/* The prefix of the local disk is the folder itself, and the store's matter. */
char *eg_uploader_key(const EgStorage *storage, const char *name)
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

static void drop_objects(EgUploader *uploader, guint output)
{
    for (guint i = uploader->objects->len; i > 0; i--) {
        const EgUploaderObject *object = uploader->objects->pdata[i - 1];
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
    EgUploaderOutput *output = eg_uploader_output(uploader, index);
    drop_objects(uploader, index);
    if (output->error != NULL) {
        g_error_free(error);
        return;
    }
    output->error = error;
    note_given_up(uploader, index, error);
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

static GError *describe_failure(const EgUploaderTarget *target, const GError *cause)
{
    GError *error = NULL;
    eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_DESTINATION, "%s upload failed: %s",
                 labels[target->storage->kind], cause->message);
    return error;
}

bool eg_uploader_has_backup(const EgUploader *uploader, const EgUploaderObject *object)
{
    guint output = eg_upload_params(object->upload)->output;
    return !object->uses_backup && eg_uploader_output(uploader, output)->targets.backup != NULL;
}

bool eg_uploader_abort(EgUploader *uploader, const EgUploaderObject *object)
{
    const EgUploaderTarget *target = eg_uploader_target(uploader, object);
    const char *begun = eg_upload_begun(object->upload);
    if (begun == NULL || target->store == NULL)
        return false;
    EgUploadCall *call = eg_upload_call_new(EG_UPLOAD_ABORT);
    call->storage = eg_storage_ref(target->storage);
    call->store = target->store;
    call->key = eg_uploader_key(target->storage, eg_upload_params(object->upload)->name);
    call->upload = g_strdup(begun);
    call->order = eg_upload_params(object->upload)->order;
    uploader->n_running++;
    eg_upload_calls_make(uploader->calls, call);
    return true;
}

static void use_backup(EgUploader *uploader, EgUploaderObject *object, const GError *error)
{
    EgUploaderTarget *target = eg_uploader_target(uploader, object);
    if (target->failure == NULL) {
        eg_warn(uploader->params.log, "the backup storage takes over",
                EG_STR("error", error->message));
        target->failure = g_error_copy(error);
    }
    eg_uploader_abort(uploader, object);
    eg_upload_restart(object->upload);
    object->uses_backup = true;
    object->retry = (EgUploadRetry){0};
    object->next_ns = 0;
    g_clear_error(&object->primary_error);
    object->primary_error = describe_failure(target, error);
}

void eg_uploader_count(EgUploader *uploader, const EgUploaderObject *object, bool is_stored)
{
    const EgStorage *storage = eg_uploader_target(uploader, object)->storage;
    const EgUploadResult result = {
        .content_type = eg_upload_params(object->upload)->content_type,
        .is_stored = is_stored,
        .is_backup = object->uses_backup,
        .has_endpoint = storage->endpoint != NULL,
        .elapsed_ns = object->first_ns != EG_TIME_NONE ? eg_now_ns() - object->first_ns : 0,
    };
    if (uploader->events.counted != NULL)
        uploader->events.counted(uploader->user, &result);
}

/* Nothing more can be done with this store. */
void eg_uploader_give_up(EgUploader *uploader, EgUploaderObject *object, const GError *cause)
{
    eg_uploader_count(uploader, object, false);
    if (eg_uploader_has_backup(uploader, object)) {
        use_backup(uploader, object, cause);
        return;
    }
    g_autoptr(GError) own = describe_failure(eg_uploader_target(uploader, object), cause);
    GError *error = NULL;
    if (object->primary_error != NULL)
        eg_error_set(&error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_DESTINATION,
                     "primary: %s\nbackup: %s", object->primary_error->message, own->message);
    else
        error = g_steal_pointer(&own);
    fail_output(uploader, eg_upload_params(object->upload)->output, error);
}

static void note_down(const EgUploader *uploader, EgUploaderTarget *target, const GError *error)
{
    if (!target->is_down)
        eg_warn(uploader->params.log, "storage does not take what is uploaded, trying again",
                EG_STR("storage", eg_store_kind_name(target->storage->kind)),
                EG_STR("error", error->message));
    target->is_down = true;
}

void eg_uploader_note_up(const EgUploader *uploader, EgUploaderTarget *target)
{
    if (target->is_down)
        eg_info(uploader->params.log, "storage takes uploads again",
                EG_STR("storage", eg_store_kind_name(target->storage->kind)));
    target->is_down = false;
}

void eg_uploader_failed(EgUploader *uploader, EgUploaderObject *object, const EgUploadCall *call)
{
    EgUploaderTarget *target = eg_uploader_target(uploader, object);
    gint64 now_ns = eg_now_ns();
    bool grows = eg_upload_grows(object->upload);
    if (!eg_error_is_retryable(call->error)) {
        if (grows)
            eg_uploader_hold(uploader, object, call->error);
        else if (eg_upload_may_restart(object->upload) && call->kind != EG_UPLOAD_BEGIN)
            eg_upload_restart(object->upload);
        else
            eg_uploader_give_up(uploader, object, call->error);
        return;
    }
    note_down(uploader, target, call->error);
    bool may_change = !grows && eg_uploader_has_backup(uploader, object);
    EgUploadPolicy policy = policy_of(uploader, target->storage, may_change);
    if (grows)
        policy.patience_ns = 0;
    gint64 retry_after_ns = eg_store_retry_after_ns(call->error);
    gint64 next_ns = eg_upload_retry_failed(&object->retry, &policy, call->began_ns, retry_after_ns,
                                            g_random_double(), now_ns);
    if (next_ns == EG_TIME_NONE || (may_change && target->failure != NULL)) {
        eg_uploader_give_up(uploader, object, call->error);
        return;
    }
    object->next_ns = next_ns;
    /* Who wants to be left alone is, by all. */
    if (retry_after_ns > 0)
        target->not_before_ns = MAX(target->not_before_ns, next_ns);
}

/* Stores. */

void eg_uploader_open(EgUploader *uploader, EgUploaderTarget *target)
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

void eg_uploader_opened(EgUploader *uploader, EgUploadCall *call)
{
    EgUploaderTarget *target = call->owner;
    target->is_opening = false;
    if (call->error == NULL) {
        target->store = g_steal_pointer(&call->opened);
        eg_uploader_note_up(uploader, target);
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
