#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "storage/spool.h"
#include "storage/upload-call.h"

/* Brings the objects of one egress to their stores: some calls at a time, again and again where
 * that may help, and removes files when they are acknowledged and not before. Loop's thread only;
 * callbacks never come from inside a call. */
typedef struct _EgUploader EgUploader;

/* Of the plan. */
typedef struct {
    EgStorage *storage; /* NULL: the output uploads nothing. Borrowed */
    EgStorage *backup;  /* NULL: none */
} EgUploadTarget;

typedef struct {
    const EgLog *log;
    EgSpool *spool;                /* both must outlive the uploader */
    const EgUploadTarget *targets; /* by output; copied */
    guint n_targets;
    gint64 patience_ns;   /* for how long a store that takes nothing is tried; 0: for ever */
    guint max_calls;      /* at a time; each holds a part in memory */
    EgStoreOpener opener; /* eg_store_new() */
} EgUploaderParams;

typedef struct {
    guint output;
    const char *key; /* in the spool */
    const char *location;
    guint64 size_bytes;
    bool is_backup;
    bool is_snapshot;
} EgUploaded;

/* What has become of the attempt to bring an object to one store, for those who count. */
typedef struct {
    const char *content_type;
    bool is_stored;
    bool is_backup;
    bool has_endpoint; /* of its own, in place of the vendor's */
    gint64 elapsed_ns; /* since it was first tried */
} EgUploadResult;

typedef struct {
    /* An object is in its store. */
    void (*stored)(gpointer user, const EgUploaded *stored);
    /* All objects of an output are, after eg_uploader_finish(); or one cannot be, and what is left
     * of the output stays in the spool. Once for each output. */
    void (*finished)(gpointer user, guint output, const GError *error);
    /* May be NULL. */
    void (*counted)(gpointer user, const EgUploadResult *result);
} EgUploaderEvents;

EgUploader *eg_uploader_new(EgLoop *loop, const EgUploaderParams *params,
                            const EgUploaderEvents *events, gpointer user);

/* What is not stored stays in the spool. Waits for calls that are under way to be canceled. */
void eg_uploader_free(EgUploader *uploader);

/* Nothing of all this is wanted any more: the stores are told to forget the parts that they have,
 * which is waited for. After that it can only be freed. */
void eg_uploader_abandon(EgUploader *uploader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgUploader, eg_uploader_free)

typedef struct {
    guint output;
    const char *path; /* in the spool */
    const char *content_type;
    /* NULL: that of the file, which is complete and goes when it is stored. Else the object is one
     * that is replaced by newer ones of its name: it waits until all files that were added before
     * are stored, and if a newer one comes before its turn, that takes its place. */
    GBytes *content;
} EgUploadObject;

/* A file that is being written. */
typedef struct {
    guint output;
    const char *path;       /* in the spool, when it is complete... */
    const char *unfinished; /* ...and until then */
    const char *content_type;
    guint64 stable_from; /* from here on to `size_bytes` it stays as it is */
    guint64 size_bytes;  /* that are on the disk */
} EgUploadGrowth;

/* How much there is of a file that will be added when it is complete. What is more than a part of
 * it is uploaded before, where the store can do that. Whatever fails until then is tried again or
 * left for later, and has no other consequences. */
void eg_uploader_grow(EgUploader *uploader, const EgUploadGrowth *growth);

/* What has grown of an output, also in the process that has died, will not be completed as it is:
 * the stores are told to forget it. */
void eg_uploader_drop_growing(EgUploader *uploader, guint output);

/* A file that is on its way already is not added again. An upload in parts that the spool's journal
 * knows goes on where it was. */
void eg_uploader_add(EgUploader *uploader, const EgUploadObject *object);

/* No more will be added of this output: `finished` comes when it is. */
void eg_uploader_finish(EgUploader *uploader, guint output);

typedef struct {
    guint64 stored_bytes;
    guint64 total_bytes;
    guint waiting;           /* objects that are complete, and not stored... */
    guint waiting_snapshots; /* ...of which so many are replaced by newer ones */
    bool has_used_backup;
} EgUploaderStats;
void eg_uploader_get_stats(const EgUploader *uploader, EgUploaderStats *stats);
