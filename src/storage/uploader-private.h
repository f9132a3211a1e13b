#pragma once

#include "storage/upload.h"
#include "storage/uploader.h"

/* What the files of the uploader share. */

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
} EgUploaderTarget;

typedef struct {
    EgUploadTarget targets;
    bool is_finishing;
    bool is_finished;
    GError *error;
    GPtrArray *snapshots; /* char *: paths of what is replaced, which goes at the end */
} EgUploaderOutput;

typedef enum {
    EG_UPLOADER_OBJECT_NONE,
    EG_UPLOADER_OBJECT_OPEN,     /* goes on its way, or grows on it */
    EG_UPLOADER_OBJECT_HELD,     /* grows, and has to wait until it is complete */
    EG_UPLOADER_OBJECT_DROPPED,  /* is given up when no call of it is under way any more */
    EG_UPLOADER_OBJECT_ABORTING, /* the store is told */
} EgUploaderObjectState;

typedef struct {
    EgUpload *upload;
    EgUploaderObjectState state;
    bool is_snapshot;
    bool uses_backup;
    gint64 first_ns; /* when it was tried first; EG_TIME_NONE: not yet */
    gint64 next_ns;
    EgUploadRetry retry;
    GError *primary_error; /* why it uses the backup */
} EgUploaderObject;

struct _EgUploader {
    EgLoop *loop;
    EgUploaderParams params;
    EgUploaderEvents events;
    gpointer user;
    EgUploadCalls *calls; /* NULL until there is one */
    guint n_running;
    GArray *outputs;    /* EgUploaderOutput */
    GPtrArray *targets; /* EgUploaderTarget */
    GPtrArray *objects; /* EgUploaderObject, in the order of their coming */
    bool has_dropped;   /* some of them are given up */
    guint64 order;
    EgTimer *timer;
    guint64 stored_bytes; /* of objects that are gone from the list */
    bool has_used_backup;
};

/* In uploader.c. */

/* One more, not to be uploaded before what is in the list. */
EgUploaderObject *eg_uploader_add_object(EgUploader *uploader, const EgUploadParams *params);

/* In uploader-grow.c. */

/* What grows and has this name; NULL: nothing does. */
EgUploaderObject *eg_uploader_find_growing(const EgUploader *uploader, guint output,
                                           const char *name);

/* What grew is complete. False: what was uploaded of it cannot be used. */
bool eg_uploader_complete(EgUploader *uploader, EgUploaderObject *object, guint64 size_bytes);

/* The store does not take it while it grows. */
void eg_uploader_hold(EgUploader *uploader, EgUploaderObject *object, const GError *error);

/* In uploader-target.c. */

EgUploaderOutput *eg_uploader_output(const EgUploader *uploader, guint output);

/* The store that an object is to go to now, and whether there is another one. */
EgUploaderTarget *eg_uploader_target(EgUploader *uploader, const EgUploaderObject *object);
bool eg_uploader_has_backup(const EgUploader *uploader, const EgUploaderObject *object);

/* What an object is called in a store: a new string. */
char *eg_uploader_key(const EgStorage *storage, const char *name);

/* Opens a store; how that went. */
void eg_uploader_open(EgUploader *uploader, EgUploaderTarget *target);
void eg_uploader_opened(EgUploader *uploader, EgUploadCall *call);

/* A call of an object has failed: tries again, or... */
void eg_uploader_failed(EgUploader *uploader, EgUploaderObject *object, const EgUploadCall *call);

/* ...it goes to another store, or its output has failed. */
void eg_uploader_give_up(EgUploader *uploader, EgUploaderObject *object, const GError *cause);

/* The store is told to forget the parts that it has. False: there are none, or no store. */
bool eg_uploader_abort(EgUploader *uploader, const EgUploaderObject *object);

/* Tells whoever counts. */
void eg_uploader_count(EgUploader *uploader, const EgUploaderObject *object, bool is_stored);

/* A store works. */
void eg_uploader_note_up(const EgUploader *uploader, EgUploaderTarget *target);
