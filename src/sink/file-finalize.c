#include "sink/file-finalize.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/error.h"
#include "sink/file-name.h"
#include "sink/muxer.h"

/* The new name survives a power cut. Where folders cannot be synced there is nothing to be done. */
static void sync_folder(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

static bool move(const char *from, const char *to, GError **error)
{
    if (g_rename(from, to) == 0) {
        sync_folder(to);
        return true;
    }
    eg_error_set_errno(error, errno, "write", to);
    return false;
}

static bool remux_into_place(const char *recording, const char *path, EgFormat format,
                             const EgRemuxHints *hints, gint *progress, const gint *is_canceled,
                             GError **error)
{
    g_autofree char *finishing = eg_file_finishing_name(path);
    if (!eg_remux(recording, finishing, format, hints, progress, is_canceled, error))
        return false;
    if (!move(finishing, path, error)) {
        g_unlink(finishing);
        return false;
    }
    g_unlink(recording);
    return true;
}

bool eg_file_finalize(const char *recording, const char *path, EgFormat format,
                      const EgRemuxHints *hints, gint *progress, const gint *is_canceled,
                      GError **error)
{
    /* The others were completed by their muxer. */
    if (format != EG_FORMAT_MP4 || hints == NULL)
        return move(recording, path, error);
    return remux_into_place(recording, path, format, hints, progress, is_canceled, error);
}

static bool has_content(const char *path)
{
    GStatBuf status;
    return g_stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
}

bool eg_file_recover(const char *recording, const char *recovered, EgFormat format,
                     const EgLog *log, const gint *is_canceled, GError **error)
{
    int lock = eg_file_lock_recording(recording, error);
    if (lock < 0)
        return false;
    bool is_done = remux_into_place(recording, recovered, format, NULL, NULL, is_canceled, error);
    close(lock);
    if (is_done)
        eg_info(log, "unfinished recording recovered", EG_STR("path", recovered));
    return is_done;
}

struct _EgFileRecovery {
    GThread *thread;
    GPtrArray *paths; /* of what is to be; the unfinished files have their recording names */
    EgFormat format;
    const EgLog *log;
    gint is_canceled; /* atomic */
};

static gpointer recover_all(gpointer data)
{
    EgFileRecovery *recovery = data;
    for (guint i = 0; i < recovery->paths->len; i++) {
        const char *path = g_ptr_array_index(recovery->paths, i);
        g_autofree char *recording = eg_file_recording_name(path);
        g_autoptr(GError) error = NULL;
        if (!eg_file_recover(recording, path, recovery->format, recovery->log,
                             &recovery->is_canceled, &error) &&
            !g_atomic_int_get(&recovery->is_canceled))
            eg_warn(recovery->log, "unfinished recording not recovered", EG_STR("path", recording),
                    EG_STR("error", error->message));
    }
    return NULL;
}

/* The unfinished file of `path` itself gets the next free name. */
static bool move_away(const char *path, GError **error)
{
    g_autofree char *recording = eg_file_recording_name(path);
    if (!has_content(recording))
        return true;
    int lock = eg_file_lock_recording(recording, error);
    if (lock < 0)
        return false;
    g_autofree char *recovered = eg_file_recovered_name(path, 0);
    g_autofree char *moved = eg_file_recording_name(recovered);
    bool is_moved = move(recording, moved, error);
    close(lock);
    return is_moved;
}

EgFileRecovery *eg_file_recovery_start(const char *path, EgFormat format, const EgLog *log,
                                       GError **error)
{
    if (!move_away(path, error))
        return NULL;
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 1;; i++) {
        g_autofree char *recovered = eg_file_recovered_name(path, i);
        g_autofree char *recording = eg_file_recording_name(recovered);
        if (has_content(recording))
            g_ptr_array_add(paths, g_steal_pointer(&recovered));
        else if (!g_file_test(recovered, G_FILE_TEST_EXISTS))
            break;
    }
    if (paths->len == 0)
        return NULL;
    EgFileRecovery *recovery = g_new0(EgFileRecovery, 1);
    recovery->paths = g_steal_pointer(&paths);
    recovery->format = format;
    recovery->log = log;
    recovery->thread = g_thread_new("recovery", recover_all, recovery);
    return recovery;
}

void eg_file_recovery_free(EgFileRecovery *recovery)
{
    if (recovery == NULL)
        return;
    g_atomic_int_set(&recovery->is_canceled, 1);
    g_thread_join(recovery->thread);
    g_ptr_array_unref(recovery->paths);
    g_free(recovery);
}
