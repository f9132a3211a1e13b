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
    if (format != EG_FORMAT_MP4)
        return move(recording, path, error);
    return remux_into_place(recording, path, format, hints, progress, is_canceled, error);
}

void eg_file_leftover_free(EgFileLeftover *leftover)
{
    if (leftover == NULL)
        return;
    g_free(leftover->recording);
    g_free(leftover->path);
    g_free(leftover);
}

static bool has_content(const char *path)
{
    GStatBuf status;
    return g_stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0;
}

EgFileLeftover *eg_file_claim_leftover(const char *path, EgFormat format, GError **error)
{
    g_autofree char *recording = eg_file_recording_name(path);
    if (!has_content(recording))
        return NULL;
    int lock = eg_file_lock_recording(recording, error);
    if (lock < 0)
        return NULL;

    g_autoptr(EgFileLeftover) leftover = g_new0(EgFileLeftover, 1);
    leftover->format = format;
    leftover->path = eg_file_recovered_name(path);
    leftover->recording = eg_file_recording_name(leftover->path);
    bool is_moved = move(recording, leftover->recording, error);
    close(lock);
    return is_moved ? g_steal_pointer(&leftover) : NULL;
}

bool eg_file_recover(const EgFileLeftover *leftover, const EgLog *log, const gint *is_canceled,
                     GError **error)
{
    if (!remux_into_place(leftover->recording, leftover->path, leftover->format, NULL, NULL,
                          is_canceled, error))
        return false;
    eg_info(log, "unfinished recording recovered", EG_STR("path", leftover->path));
    return true;
}
