/* Files that are uploaded while they are recorded. */
#include "storage/uploader-private.h"

#include <string.h>

#include "base/time.h"

EgUploaderObject *eg_uploader_find_growing(const EgUploader *uploader, guint output,
                                           const char *name)
{
    for (guint i = 0; i < uploader->objects->len; i++) {
        EgUploaderObject *object = uploader->objects->pdata[i];
        const EgUploadParams *params = eg_upload_params(object->upload);
        if (object->state != EG_UPLOADER_OBJECT_DROPPED && eg_upload_grows(object->upload) &&
            params->output == output && strcmp(params->name, name) == 0)
            return object;
    }
    return NULL;
}

void eg_uploader_grow(EgUploader *uploader, const EgUploadGrowth *growth)
{
    eg_loop_assert_owner(uploader->loop);
    EgUploaderOutput *output = eg_uploader_output(uploader, growth->output);
    const char *name = eg_spool_key(uploader->params.spool, growth->output, growth->path);
    g_assert(output->targets.storage != NULL && name != NULL && !output->is_finishing);
    if (output->error != NULL)
        return;
    EgUploaderObject *object = eg_uploader_find_growing(uploader, growth->output, name);
    if (object == NULL) {
        const EgUploadParams params = {
            .output = growth->output,
            .order = uploader->order++,
            .name = name,
            .path = growth->path,
            .unfinished = growth->unfinished,
            .content_type = growth->content_type,
        };
        object = eg_uploader_add_object(uploader, &params);
    }
    eg_upload_grow(object->upload, growth->stable_from, growth->size_bytes);
    eg_timer_set(uploader->timer, 0);
}

/* Parts that were uploaded hold from now on, whatever happens. */
static void note_completed(EgUploader *uploader, const EgUploaderObject *object)
{
    const EgUploadParams *params = eg_upload_params(object->upload);
    Egress__SpoolCompleted completed = EGRESS__SPOOL_COMPLETED__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    g_autoptr(GError) error = NULL;
    completed.output = params->output;
    completed.path = (char *)params->name;
    completed.size_bytes = params->size_bytes;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_COMPLETED;
    record.completed = &completed;
    if (!eg_spool_note(uploader->params.spool, &record, false, &error))
        eg_warn(uploader->params.log, "progress of an upload is not kept",
                EG_STR("error", error->message));
}

/* Failures count from now on; those that have been do not. */
static void begin_anew(EgUploader *uploader, EgUploaderObject *object)
{
    EgUploaderTarget *target = eg_uploader_target(uploader, object);
    object->state = EG_UPLOADER_OBJECT_OPEN;
    object->retry = (EgUploadRetry){0};
    object->next_ns = 0;
    object->first_ns = EG_TIME_NONE;
    if (target->store != NULL)
        return;
    g_clear_error(&target->open_error);
    g_clear_error(&target->failure);
    target->open_retry = (EgUploadRetry){0};
    target->not_before_ns = 0;
}

bool eg_uploader_complete(EgUploader *uploader, EgUploaderObject *object, guint64 size_bytes)
{
    eg_timer_set(uploader->timer, 0);
    begin_anew(uploader, object);
    if (!eg_upload_complete(object->upload, size_bytes)) {
        object->state = EG_UPLOADER_OBJECT_DROPPED;
        return false;
    }
    if (eg_upload_begun(object->upload) != NULL)
        note_completed(uploader, object);
    return true;
}

void eg_uploader_hold(EgUploader *uploader, EgUploaderObject *object, const GError *error)
{
    EgUploadParams params = *eg_upload_params(object->upload);
    eg_warn(uploader->params.log, "upload goes on when the file is complete",
            EG_STR("path", params.path), EG_STR("error", error->message));
    object->state = EG_UPLOADER_OBJECT_DROPPED;
    params.order = uploader->order++;
    EgUploaderObject *held = eg_uploader_add_object(uploader, &params);
    held->state = EG_UPLOADER_OBJECT_HELD;
    held->uses_backup = object->uses_backup;
    held->primary_error = g_steal_pointer(&object->primary_error);
}

/* What an earlier process had begun. */
static void drop_past(EgUploader *uploader, guint output)
{
    GHashTableIter iter;
    gpointer name;
    gpointer value;
    g_autofree char *prefix = g_strdup_printf("%u/", output);
    const EgUploaderOutput *own = eg_uploader_output(uploader, output);
    g_hash_table_iter_init(&iter, eg_spool_past(uploader->params.spool)->uploads);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const EgSpoolUpload *begun = value;
        if (begun->size_bytes != 0 || !g_str_has_prefix(name, prefix) ||
            (begun->is_backup && own->targets.backup == NULL))
            continue;
        const EgUploadParams params = {
            .output = output,
            .order = uploader->order++,
            .name = (const char *)name + strlen(prefix),
        };
        EgUploaderObject *object = eg_uploader_add_object(uploader, &params);
        eg_upload_resume(object->upload, begun);
        object->uses_backup = begun->is_backup;
        object->state = EG_UPLOADER_OBJECT_DROPPED;
    }
}

void eg_uploader_drop_growing(EgUploader *uploader, guint output)
{
    eg_loop_assert_owner(uploader->loop);
    for (guint i = 0; i < uploader->objects->len; i++) {
        EgUploaderObject *object = uploader->objects->pdata[i];
        if (eg_upload_params(object->upload)->output == output && eg_upload_grows(object->upload))
            object->state = EG_UPLOADER_OBJECT_DROPPED;
    }
    drop_past(uploader, output);
    eg_timer_set(uploader->timer, 0);
}
