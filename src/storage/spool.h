#pragma once

#include "rpc_egress.pb-c.h"
#include "storage/journal.h"

/* The folder in which the outputs of one egress that go to a store are recorded, and wait there
 * until the store has acknowledged them: `<root>/<egress id>`, for this user alone. It belongs to
 * one process at a time, by a lock; what a process that has died leaves can be taken over. Beside
 * it is known which service it belongs to (its owner), so that of two with the same root only that
 * one does.
 *
 * `<folder>/<n>/` holds the files of output n of the plan, by their keys. */
typedef struct _EgSpool EgSpool;

typedef struct {
    const char *root;
    const char *owner; /* whoever goes on with it: a folder that is locked while that lives; "":
                          whoever comes next */
    const Rpc__StartEgressRequest *request; /* is kept with its secrets, in a file of mode 0600 */
    gint64 requested_ns;
} EgSpoolParams;

/* Makes and locks it; already_exists: somebody records, or has recorded, an egress of this id. */
EgSpool *eg_spool_new(const EgSpoolParams *params, GError **error);

/* Takes over what another process has left; already_exists: that lives. */
EgSpool *eg_spool_open(const char *folder, GError **error);

/* Lets go of it. The folder stays. */
void eg_spool_free(EgSpool *spool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSpool, eg_spool_free)

const char *eg_spool_folder(const EgSpool *spool);

/* Where output n writes an object: a new string. The reverse, in place: NULL if the path is none of
 * that output. */
char *eg_spool_path(const EgSpool *spool, guint output, const char *key);
const char *eg_spool_key(const EgSpool *spool, guint output, const char *path);

/* What is to be remembered. The journal may be written by any thread; errors of these are logged by
 * the caller. */
bool eg_spool_note(EgSpool *spool, const Egress__SpoolRecord *record, bool is_synced,
                   GError **error);

/* A text that is replaced as a whole, for whoever goes on: the manifest as it is by now. Survives
 * this process. The reverse: a new string, or NULL. */
bool eg_spool_keep_manifest(const EgSpool *spool, const char *json, GError **error);
char *eg_spool_manifest(const EgSpool *spool);

/* An upload in parts that was begun. */
typedef struct {
    char *upload;
    guint64 part_bytes;
    guint64 size_bytes;
    bool is_backup;
    GPtrArray *tags; /* char *, by part; NULL: not acknowledged */
} EgSpoolUpload;

/* What the journal of a folder said when it was opened. */
typedef struct {
    Rpc__StartEgressRequest *request; /* NULL: it says nothing */
    gint64 requested_ns;
    GPtrArray *outputs;        /* Egress__SpoolOutput */
    GHashTable *uploads;       /* "<n>/<key>" -> EgSpoolUpload */
    GPtrArray *stored;         /* Egress__SpoolStored, in the order of time */
    Livekit__EgressInfo *info; /* the last of each kind; NULL: none */
    Livekit__EgressInfo *recorded;
    Livekit__EgressInfo *final;
    bool has_given_up;
} EgSpoolPast;
const EgSpoolPast *eg_spool_past(const EgSpool *spool);

/* The same of a folder that is another's; free it with eg_spool_past_free(). */
EgSpoolPast *eg_spool_read(const char *folder);
void eg_spool_past_free(EgSpoolPast *past);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSpoolPast, eg_spool_past_free)

/* Folders, by their path. */
char *eg_spool_folder_of(const char *root, const char *egress_id); /* a new string */
bool eg_spool_exists(const char *folder);
bool eg_spool_is_in_use(const char *folder); /* a process has it */
/* That are not uploaded; also where that cannot be found out. */
bool eg_spool_has_files(const char *folder);
char *eg_spool_owner(const char *folder); /* a new string; NULL: nobody knows */
bool eg_spool_set_owner(const char *folder, const char *owner, GError **error);
void eg_spool_remove(const char *folder);

/* If nobody has it, and nothing in it is left to be uploaded. */
bool eg_spool_remove_if_empty(const char *folder);

/* Held by whoever looks for folders to take over; waits for others, who do not take long. A
 * descriptor, or -1: there is no such root. */
int eg_spool_lock_root(const char *root);

/* All that are below a root: char *, their paths. Removes what was begun and never became one,
 * and nothing else. */
GPtrArray *eg_spool_list(const char *root);
