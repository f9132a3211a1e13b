#pragma once

#include "base/loop.h"
#include "storage/spool.h"
#include "storage/store.h"

/* One call to a store, made on a thread of its own kind: few, of low priority. Its result comes
 * back on the loop. What was achieved is in the spool's journal by then. */
typedef enum {
    EG_UPLOAD_NONE,
    EG_UPLOAD_OPEN,     /* the store itself */
    EG_UPLOAD_PUT,      /* the whole object */
    EG_UPLOAD_BEGIN,    /* in parts */
    EG_UPLOAD_PART,     /* one of them */
    EG_UPLOAD_COMPLETE, /* of all parts */
    EG_UPLOAD_ABORT,    /* forgets the parts; nobody hears how it went */
    EG_N_UPLOAD_CALLS,
} EgUploadCallKind;

typedef EgStore *(*EgStoreOpener)(EgStorage *storage, const EgLog *log, GError **error);

typedef struct {
    EgUploadCallKind kind;
    EgStorage *storage;
    EgStore *store; /* NULL for OPEN */
    EgStoreOpener opener;
    EgSpool *spool;
    const EgLog *log;
    bool is_backup;

    /* Of the object. */
    guint output;
    char *name; /* its key in the spool */
    char *key;  /* in the store */
    char *path;
    char *unfinished; /* its path until it is complete; NULL: it is */
    char *content_type;
    GBytes *content;    /* NULL: the file's, which goes when it is stored */
    guint64 size_bytes; /* 0: it still grows */
    char *upload;
    guint64 part_bytes;
    EgStorePart part;
    gsize length; /* of the part */
    char **tags;

    /* The result. */
    gint64 began_ns;
    GError *error;
    EgStore *opened;
    char *text; /* upload, tag or location */

    /* Of who makes it. */
    gpointer owner;
    guint64 order;
    guint generation;
} EgUploadCall;

EgUploadCall *eg_upload_call_new(EgUploadCallKind kind);
void eg_upload_call_free(EgUploadCall *call);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgUploadCall, eg_upload_call_free)

/* The threads. */
typedef struct _EgUploadCalls EgUploadCalls;

/* `done` is given each call when it is over, on the loop; it owns it. */
EgUploadCalls *eg_upload_calls_new(EgLoop *loop, guint n_threads,
                                   void (*done)(gpointer user, EgUploadCall *call), gpointer user);

/* Cancels those that are under way, and waits for them; `done` does not come any more. */
void eg_upload_calls_free(EgUploadCalls *calls);

/* (transfer full). */
void eg_upload_calls_make(EgUploadCalls *calls, EgUploadCall *call);
