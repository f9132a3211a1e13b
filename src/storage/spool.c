#include "storage/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locked-folder.h"
#include "proto/message.h"

#define JOURNAL_NAME  "journal"
#define OWNER_NAME    "owner"
#define LOCK_NAME     "lock"
#define MANIFEST_NAME "manifest"

/* What is being made gets its lock and its name within milliseconds. */
#define UNFINISHED_S 60

struct _EgSpool {
    char *folder;
    int lock_fd;
    EgJournal *journal;
    EgSpoolPast *past;
};

/* What a journal says. */

static void free_upload(gpointer data)
{
    EgSpoolUpload *upload = data;
    g_free(upload->upload);
    g_ptr_array_unref(upload->tags);
    g_free(upload);
}

static void free_message(gpointer message)
{
    eg_proto_free(message);
}

static EgSpoolPast *new_past(void)
{
    EgSpoolPast *past = g_new0(EgSpoolPast, 1);
    past->outputs = g_ptr_array_new_with_free_func(free_message);
    past->stored = g_ptr_array_new_with_free_func(free_message);
    past->uploads = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_upload);
    return past;
}

void eg_spool_past_free(EgSpoolPast *past)
{
    if (past == NULL)
        return;
    free_message(past->request);
    free_message(past->info);
    free_message(past->recorded);
    free_message(past->final);
    g_ptr_array_unref(past->outputs);
    g_ptr_array_unref(past->stored);
    g_hash_table_unref(past->uploads);
    g_free(past);
}

static char *object_name(guint output, const char *key)
{
    return g_strdup_printf("%u/%s", output, key);
}

static void note_start(EgSpoolPast *past, const Egress__SpoolStart *start)
{
    if (past->request != NULL || start->request == NULL)
        return;
    past->request = (Rpc__StartEgressRequest *)(gpointer)eg_proto_copy(&start->request->base);
    past->requested_ns = start->requested_at;
}

static void note_upload(EgSpoolPast *past, const Egress__SpoolUpload *begun)
{
    EgSpoolUpload *upload = g_new(EgSpoolUpload, 1);
    *upload = (EgSpoolUpload){
        .upload = g_strdup(begun->upload),
        .part_bytes = begun->part_bytes,
        .size_bytes = begun->size_bytes,
        .is_backup = begun->is_backup,
        .tags = g_ptr_array_new_with_free_func(g_free),
    };
    g_hash_table_replace(past->uploads, object_name(begun->output, begun->path), upload);
}

static void note_part(EgSpoolPast *past, const Egress__SpoolPart *part)
{
    g_autofree char *name = object_name(part->output, part->path);
    EgSpoolUpload *upload = g_hash_table_lookup(past->uploads, name);
    guint64 n_parts = upload != NULL && upload->part_bytes > 0
                          ? (upload->size_bytes + upload->part_bytes - 1) / upload->part_bytes
                          : 0;
    if (part->index >= n_parts)
        return;
    if (part->index >= upload->tags->len)
        g_ptr_array_set_size(upload->tags, (gint)part->index + 1);
    g_free(upload->tags->pdata[part->index]);
    upload->tags->pdata[part->index] = g_strdup(part->tag);
}

static void note_stored(EgSpoolPast *past, const Egress__SpoolStored *stored)
{
    g_autofree char *name = object_name(stored->output, stored->path);
    g_hash_table_remove(past->uploads, name);
    g_ptr_array_add(past->stored, eg_proto_copy(&stored->base));
}

static void replace_info(Livekit__EgressInfo **old, const Livekit__EgressInfo *info)
{
    free_message(*old);
    *old = (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
}

static void on_record(gpointer user, const Egress__SpoolRecord *record)
{
    EgSpoolPast *past = user;
    switch (record->record_case) {
    case EGRESS__SPOOL_RECORD__RECORD_START:
        note_start(past, record->start);
        break;
    case EGRESS__SPOOL_RECORD__RECORD_OUTPUT:
        g_ptr_array_add(past->outputs, eg_proto_copy(&record->output->base));
        break;
    case EGRESS__SPOOL_RECORD__RECORD_UPLOAD:
        note_upload(past, record->upload);
        break;
    case EGRESS__SPOOL_RECORD__RECORD_PART:
        note_part(past, record->part);
        break;
    case EGRESS__SPOOL_RECORD__RECORD_STORED:
        note_stored(past, record->stored);
        break;
    case EGRESS__SPOOL_RECORD__RECORD_INFO:
        replace_info(&past->info, record->info);
        break;
    case EGRESS__SPOOL_RECORD__RECORD_RECORDED:
        replace_info(&past->recorded, record->recorded);
        break;
    case EGRESS__SPOOL_RECORD__RECORD_FINAL:
        replace_info(&past->final, record->final);
        break;
    case EGRESS__SPOOL_RECORD__RECORD_GIVEN_UP:
        past->has_given_up = true;
        break;
    case EGRESS__SPOOL_RECORD__RECORD__NOT_SET:
    case _EGRESS__SPOOL_RECORD__RECORD__CASE_IS_INT_SIZE:
    default:
        break;
    }
}

EgSpoolPast *eg_spool_read(const char *folder)
{
    EgSpoolPast *past = new_past();
    g_autofree char *path = g_build_filename(folder, JOURNAL_NAME, NULL);
    eg_journal_read(path, on_record, past);
    return past;
}

/* One folder. */

static EgSpool *open_folder(const char *folder, int lock_fd, GError **error)
{
    g_autofree char *path = g_build_filename(folder, JOURNAL_NAME, NULL);
    EgSpool *spool = g_new0(EgSpool, 1);
    spool->folder = g_strdup(folder);
    spool->lock_fd = lock_fd;
    spool->past = new_past();
    spool->journal = eg_journal_open(path, on_record, spool->past, error);
    if (spool->journal == NULL)
        g_clear_pointer(&spool, eg_spool_free);
    return spool;
}

static bool note_request(EgSpool *spool, const EgSpoolParams *params, GError **error)
{
    Egress__SpoolStart start = EGRESS__SPOOL_START__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    start.request = (Rpc__StartEgressRequest *)params->request;
    start.requested_at = params->requested_ns;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_START;
    record.start = &start;
    return eg_journal_append(spool->journal, &record, true, error);
}

EgSpool *eg_spool_new(const EgSpoolParams *params, GError **error)
{
    const char *id = params->request->egress_id;
    if (g_mkdir_with_parents(params->root, 0700) != 0) {
        eg_error_set_errno(error, errno, "make the folder", params->root);
        return NULL;
    }
    g_autofree char *prefix = g_strconcat(id, ".", NULL);
    g_autofree char *folder = NULL;
    int fd = eg_folder_make_locked(params->root, prefix, id, &folder);
    if (fd < 0 && (errno == EEXIST || errno == ENOTEMPTY)) {
        eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_REQUEST,
                     "an egress %s was recorded already; what of it was not uploaded is in %s/%s",
                     id, params->root, id);
        return NULL;
    }
    if (fd < 0) {
        eg_error_set_errno(error, errno, "make a folder in", params->root);
        return NULL;
    }
    g_autoptr(EgSpool) spool = open_folder(folder, fd, error);
    if (spool != NULL && eg_spool_set_owner(folder, params->owner, error) &&
        note_request(spool, params, error))
        return g_steal_pointer(&spool);
    eg_folder_remove(folder);
    return NULL;
}

EgSpool *eg_spool_open(const char *folder, GError **error)
{
    int fd = eg_folder_lock(folder);
    if (fd >= 0)
        return open_folder(folder, fd, error);
    if (errno == EWOULDBLOCK)
        eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_SERVICE,
                     "another process is working on %s", folder);
    else
        eg_error_set_errno(error, errno, "open", folder);
    return NULL;
}

void eg_spool_free(EgSpool *spool)
{
    if (spool == NULL)
        return;
    eg_journal_free(spool->journal);
    eg_spool_past_free(spool->past);
    close(spool->lock_fd);
    g_free(spool->folder);
    g_free(spool);
}

const char *eg_spool_folder(const EgSpool *spool)
{
    return spool->folder;
}

/* Keys have no slash in front: an absolute path is in the folder, too. */
char *eg_spool_path(const EgSpool *spool, guint output, const char *key)
{
    return g_strdup_printf("%s/%u/%s", spool->folder, output, key + strspn(key, "/"));
}

const char *eg_spool_key(const EgSpool *spool, guint output, const char *path)
{
    g_autofree char *folder = g_strdup_printf("%s/%u/", spool->folder, output);
    return g_str_has_prefix(path, folder) ? path + strlen(folder) : NULL;
}

bool eg_spool_note(EgSpool *spool, const Egress__SpoolRecord *record, bool is_synced,
                   GError **error)
{
    return eg_journal_append(spool->journal, record, is_synced, error);
}

/* Not synced, as whoever calls must not wait for the disk: without it little is lost. */
bool eg_spool_keep_manifest(const EgSpool *spool, const char *json, GError **error)
{
    g_autofree char *path = g_build_filename(spool->folder, MANIFEST_NAME, NULL);
    g_autofree char *next = g_strconcat(path, ".new", NULL);
    g_autoptr(GError) cause = NULL;
    if (!g_file_set_contents_full(next, json, -1, G_FILE_SET_CONTENTS_NONE, 0600, &cause)) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s", cause->message);
        return false;
    }
    if (g_rename(next, path) == 0)
        return true;
    eg_error_set_errno(error, errno, "write", path);
    return false;
}

char *eg_spool_manifest(const EgSpool *spool)
{
    g_autofree char *path = g_build_filename(spool->folder, MANIFEST_NAME, NULL);
    char *json = NULL;
    return g_file_get_contents(path, &json, NULL, NULL) ? json : NULL;
}

const EgSpoolPast *eg_spool_past(const EgSpool *spool)
{
    return spool->past;
}

/* Folders, by their path. */

char *eg_spool_folder_of(const char *root, const char *egress_id)
{
    return g_build_filename(root, egress_id, NULL);
}

bool eg_spool_exists(const char *folder)
{
    g_autofree char *journal = g_build_filename(folder, JOURNAL_NAME, NULL);
    return g_file_test(journal, G_FILE_TEST_EXISTS);
}

bool eg_spool_is_in_use(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, LOCK_NAME, NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    bool is_locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_locked;
}

/* Whether one of the entries is such; also where not all of them can be seen: what is nothing but
 * unreadable must not be taken for empty. */
static bool has_entry(const char *path, bool (*is_such)(const char *path, const char *name))
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) folder = g_dir_open(path, 0, &error);
    if (folder == NULL)
        return !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    for (;;) {
        errno = 0;
        const char *name = g_dir_read_name(folder);
        if (name == NULL)
            return errno != 0;
        if (is_such(path, name))
            return true;
    }
}

/* At any depth. */
static bool is_or_has_file(const char *path, const char *name)
{
    g_autofree char *entry = g_build_filename(path, name, NULL);
    bool is_folder =
        g_file_test(entry, G_FILE_TEST_IS_DIR) && !g_file_test(entry, G_FILE_TEST_IS_SYMLINK);
    return !is_folder || has_entry(entry, is_or_has_file);
}

static bool is_output_with_files(const char *path, const char *name)
{
    return g_ascii_isdigit(*name) && is_or_has_file(path, name);
}

bool eg_spool_has_files(const char *folder)
{
    return has_entry(folder, is_output_with_files);
}

char *eg_spool_owner(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, OWNER_NAME, NULL);
    char *owner = NULL;
    g_file_get_contents(path, &owner, NULL, NULL);
    return owner;
}

bool eg_spool_set_owner(const char *folder, const char *owner, GError **error)
{
    g_autofree char *path = g_build_filename(folder, OWNER_NAME, NULL);
    g_autoptr(GError) cause = NULL;
    if (g_file_set_contents_full(path, owner, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, &cause))
        return true;
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s", cause->message);
    return false;
}

void eg_spool_remove(const char *folder)
{
    eg_folder_remove(folder);
}

bool eg_spool_remove_if_empty(const char *folder)
{
    if (eg_spool_is_in_use(folder) || eg_spool_has_files(folder))
        return false;
    eg_spool_remove(folder);
    return true;
}

/* What is there before anything is recorded; of the owner also what is being written. */
static bool is_recorded(const char *path, const char *name)
{
    (void)path;
    return strcmp(name, LOCK_NAME) != 0 && strcmp(name, JOURNAL_NAME) != 0 &&
           !g_str_has_prefix(name, OWNER_NAME);
}

/* Whoever has chosen the root may have other things in it, which are none of our business: removed
 * is what has a name as we make them, and nothing in it but what we begin with. */
static bool is_unfinished(const char *path, const char *name)
{
    g_autofree char *lock = g_build_filename(path, LOCK_NAME, NULL);
    bool is_ours =
        *name == '.' ? strrchr(name, '.') != name : g_file_test(lock, G_FILE_TEST_IS_REGULAR);
    return is_ours && g_file_test(path, G_FILE_TEST_IS_DIR) &&
           !g_file_test(path, G_FILE_TEST_IS_SYMLINK) && !has_entry(path, is_recorded);
}

static void remove_unfinished(const char *path)
{
    GStatBuf status;
    if (g_stat(path, &status) != 0 ||
        g_get_real_time() / G_USEC_PER_SEC - status.st_mtime < UNFINISHED_S)
        return;
    int fd = eg_folder_lock(path);
    if (fd < 0)
        return;
    eg_folder_remove(path);
    close(fd);
}

int eg_spool_lock_root(const char *root)
{
    g_autofree char *path = g_build_filename(root, LOCK_NAME, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX) != 0 && errno == EINTR)
        continue;
    return fd;
}

GPtrArray *eg_spool_list(const char *root)
{
    GPtrArray *folders = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) dir = g_dir_open(root, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(root, name, NULL);
        if (eg_spool_exists(path) && *name != '.')
            g_ptr_array_add(folders, g_steal_pointer(&path));
        else if (is_unfinished(path, name))
            remove_unfinished(path);
    }
    return folders;
}
