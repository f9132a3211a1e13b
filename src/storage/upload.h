#pragma once

#include "storage/upload-call.h"
#include "storage/upload-retry.h"

/* How far one object has come on its way to a store: which call is to be made next. Knows no time
 * and makes none. Owner's thread only. */
typedef struct _EgUpload EgUpload;

typedef struct {
    guint output;
    guint64 order;    /* of its coming, among all */
    const char *name; /* its key in the spool */
    const char *path;
    const char *unfinished; /* where the file is while it grows; NULL: it is complete */
    const char *content_type;
    GBytes *content; /* NULL: the file's */
    guint64 size_bytes;
} EgUploadParams;

EgUpload *eg_upload_new(const EgUploadParams *params);
void eg_upload_free(EgUpload *upload);

const EgUploadParams *eg_upload_params(const EgUpload *upload);

/* Whether it is of a file that is not complete. Such a one is uploaded in parts, as they become
 * whole; its last is not among them. */
bool eg_upload_grows(const EgUpload *upload);

/* What is there of the file by now, and stays as it is from `stable_from` on. */
void eg_upload_grow(EgUpload *upload, guint64 stable_from, guint64 size_bytes);

/* The file is complete, with that size. False: what was uploaded of it is of no use, since it has
 * more parts than the store takes, or is another one. */
bool eg_upload_complete(EgUpload *upload, guint64 size_bytes);

/* Goes on with parts that were begun, if they are of this very file. */
void eg_upload_resume(EgUpload *upload, const EgSpoolUpload *begun);

/* Whether there is a call that can be made now, of a store with these limits. `is_part`: it is one
 * that takes long. */
bool eg_upload_has_next(const EgUpload *upload, const EgStoreLimits *limits, bool *is_part);

/* That call. Store, key and who it is for are left to the caller. */
EgUploadCall *eg_upload_next(EgUpload *upload, const EgStoreLimits *limits);

typedef enum {
    EG_UPLOAD_STEP_NONE, /* the call was one of an earlier try */
    EG_UPLOAD_STEP_DONE,
    EG_UPLOAD_STEP_STORED, /* the last */
    EG_UPLOAD_STEP_FAILED,
} EgUploadStep;

/* How a call has ended. */
EgUploadStep eg_upload_done(EgUpload *upload, EgUploadCall *call);

/* The parts are of no use any more: begins anew. */
void eg_upload_restart(EgUpload *upload);

/* Whether what has been achieved may be what is in the way: an upload in parts that the store does
 * not know any more. False after the first time. */
bool eg_upload_may_restart(const EgUpload *upload);

/* What the store calls the parts that were begun; NULL: there are none. */
const char *eg_upload_begun(const EgUpload *upload);

guint eg_upload_running(const EgUpload *upload);
guint64 eg_upload_stored_bytes(const EgUpload *upload);
