#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "storage/store-class.h"

/* A folder of this machine. What is written has no name, or a hidden one beside its own, until it
 * is complete and on the disk: whoever looks finds whole files, whatever happens. */

#define MIB            ((gsize)1024 * 1024)
#define HIDDEN         ".egress-"
#define HIDDEN_PATTERN HIDDEN "XXXXXX"

typedef struct {
    EgStore store;
    char *folder; /* absolute */
} EgStoreLocal;

/* Within the folder, whatever it says. Symbolic links are whoever's who has made them. */
static char *path_of(const EgStoreLocal *local, const char *key, GError **error)
{
    g_auto(GStrv) names = g_strsplit(key, "/", -1);
    bool is_inside = *key != '\0';
    for (char **name = names; *name != NULL; name++)
        is_inside =
            is_inside && **name != '\0' && strcmp(*name, ".") != 0 && strcmp(*name, "..") != 0;
    if (is_inside)
        return g_build_filename(local->folder, key, NULL);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "cannot write %s: this is no path within the folder %s", key, local->folder);
    return NULL;
}

static char *hidden_path(const char *path, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(path);
    return g_build_filename(folder, name, NULL);
}

/* A new file beside `path`, with the rights that others get here. -1 if there is none. */
static int make_hidden(const char *path, char **hidden, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *made = hidden_path(path, HIDDEN_PATTERN);
    int fd = -1;
    if (g_mkdir_with_parents(folder, 0777) != 0)
        eg_error_set_errno(error, errno, "make the folder", folder);
    else if ((fd = g_mkstemp_full(made, O_RDWR | O_CLOEXEC, 0666)) < 0)
        eg_error_set_errno(error, errno, "write into", folder);
    else
        *hidden = g_steal_pointer(&made);
    return fd;
}

/* The same without a name (`hidden` NULL), where the file system can do that: whoever is killed
 * leaves nothing. */
static int make_nameless(const char *path, char **hidden, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    const int fd = g_mkdir_with_parents(folder, 0777) == 0
                       ? g_open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666)
                       : -1;
    return fd >= 0 ? fd : make_hidden(path, hidden, error);
}

/* A hidden name beside `path`; NULL, with errno, if it gets none. */
static char *give_name(int fd, const char *path)
{
    g_autofree char *own = g_strdup_printf("/proc/self/fd/%d", fd);
    for (;;) {
        g_autofree char *name = g_strdup_printf(HIDDEN "%08x", g_random_int());
        g_autofree char *hidden = hidden_path(path, name);
        if (linkat(AT_FDCWD, own, AT_FDCWD, hidden, AT_SYMLINK_FOLLOW) == 0)
            return g_steal_pointer(&hidden);
        if (errno != EEXIST)
            return NULL;
    }
}

static bool local_open(EgStore *store, GError **error)
{
    EgStoreLocal *local = (EgStoreLocal *)store;
    if (store->storage->prefix == NULL || *store->storage->prefix == '\0') {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "local storage: prefix, the path of a folder, is missing");
        return false;
    }
    local->folder = g_canonicalize_filename(store->storage->prefix, NULL);
    g_autofree char *any = g_build_filename(local->folder, "any", NULL);
    g_autofree char *hidden = NULL;
    int fd = make_hidden(any, &hidden, error);
    if (fd < 0)
        return false;
    close(fd);
    unlink(hidden);
    return true;
}

static void local_free(EgStore *store)
{
    g_free(((EgStoreLocal *)store)->folder);
}

static bool write_all(int fd, GBytes *content, guint64 offset, GCancellable *cancellable,
                      const char *path, GError **error)
{
    gsize left;
    const guint8 *next = g_bytes_get_data(content, &left);
    while (left > 0) {
        if (g_cancellable_is_cancelled(cancellable)) {
            eg_error_set(error, EG_ERROR_CANCELED, EG_BLAME_DESTINATION, "canceled");
            return false;
        }
        const ssize_t n = pwrite(fd, next, MIN(left, MIB), (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            eg_error_set_errno(error, errno, "write", path);
            return false;
        }
        next += n;
        offset += (guint64)n;
        left -= (gsize)n;
    }
    return true;
}

/* The name is on the disk when its folder is. */
static bool sync_folder(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    const int fd = g_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (!is_synced)
        eg_error_set_errno(error, errno, "write", folder);
    if (fd >= 0)
        close(fd);
    return is_synced;
}

/* `hidden` NULL: it has no name yet. */
static bool publish(int fd, char **hidden, const char *path, GError **error)
{
    bool is_there = fsync(fd) == 0;
    if (is_there && *hidden == NULL)
        *hidden = give_name(fd, path);
    is_there = is_there && *hidden != NULL && g_rename(*hidden, path) == 0;
    if (!is_there) {
        eg_error_set_errno(error, errno, "write", path);
        return false;
    }
    return sync_folder(path, error);
}

static bool local_put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                      GCancellable *cancellable, GError **error)
{
    (void)content_type;
    g_autofree char *path = path_of((EgStoreLocal *)store, key, error);
    g_autofree char *hidden = NULL;
    const int fd = path != NULL ? make_nameless(path, &hidden, error) : -1;
    if (fd < 0)
        return false;
    const bool is_put =
        write_all(fd, content, 0, cancellable, path, error) && publish(fd, &hidden, path, error);
    close(fd);
    if (!is_put && hidden != NULL)
        unlink(hidden);
    return is_put;
}

static char *local_begin(EgStore *store, const char *key, const char *content_type,
                         GCancellable *cancellable, GError **error)
{
    (void)content_type;
    (void)cancellable;
    g_autofree char *path = path_of((EgStoreLocal *)store, key, error);
    g_autofree char *hidden = NULL;
    const int fd = path != NULL ? make_hidden(path, &hidden, error) : -1;
    if (fd < 0)
        return NULL;
    close(fd);
    return g_path_get_basename(hidden);
}

/* The hidden file of an upload, open; -1 if there is none. */
static int open_upload(const EgStore *store, const char *key, const char *upload, char **path,
                       char **hidden, GError **error)
{
    *path = path_of((const EgStoreLocal *)store, key, error);
    if (*path == NULL)
        return -1;
    if (!g_str_has_prefix(upload, HIDDEN) || strchr(upload, '/') != NULL) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "cannot write %s: this is no name of an upload", key);
        return -1;
    }
    *hidden = hidden_path(*path, upload);
    const int fd = g_open(*hidden, O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0);
    if (fd < 0)
        eg_error_set_errno(error, errno, "write", *hidden);
    return fd;
}

static char *local_put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                            GCancellable *cancellable, GError **error)
{
    g_autofree char *path = NULL;
    g_autofree char *hidden = NULL;
    const int fd = open_upload(store, part->key, part->upload, &path, &hidden, error);
    if (fd < 0)
        return NULL;
    const bool is_written = write_all(fd, content, part->offset, cancellable, path, error);
    close(fd);
    return is_written ? g_strdup_printf("%" G_GSIZE_FORMAT, g_bytes_get_size(content)) : NULL;
}

/* How long all parts are. False for a tag that is not ours. */
static bool add_up(const char *const *tags, guint64 *length)
{
    *length = 0;
    for (; *tags != NULL; tags++) {
        guint64 n_bytes;
        if (!g_ascii_string_to_unsigned(*tags, 10, 0, G_MAXINT32, &n_bytes, NULL))
            return false;
        *length += n_bytes;
    }
    return true;
}

static bool has_length(const char *path, guint64 length)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && (guint64)info.st_size == length;
}

/* An upload that is gone, and its file there, was completed by an attempt that nobody heard of. */
static bool local_complete(EgStore *store, const char *key, const char *upload,
                           const char *const *tags, GCancellable *cancellable, GError **error)
{
    (void)cancellable;
    g_autofree char *path = NULL;
    g_autofree char *hidden = NULL;
    g_autoptr(GError) refusal = NULL;
    guint64 length;
    const bool is_ours = add_up(tags, &length);
    const int fd = open_upload(store, key, upload, &path, &hidden, &refusal);
    if (fd < 0 && is_ours && eg_error_code(refusal) == EG_ERROR_NOT_FOUND &&
        has_length(path, length))
        return sync_folder(path, error);
    if (fd < 0) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return false;
    }
    bool is_complete = is_ours && has_length(hidden, length);
    if (is_complete)
        is_complete = publish(fd, &hidden, path, error);
    else
        eg_error_set(error, EG_ERROR_DATA_LOSS, EG_BLAME_DESTINATION,
                     "cannot complete %s: it has not the length of its parts", path);
    close(fd);
    return is_complete;
}

static void local_abort(EgStore *store, const char *key, const char *upload)
{
    g_autofree char *path = NULL;
    g_autofree char *hidden = NULL;
    const int fd = open_upload(store, key, upload, &path, &hidden, NULL);
    if (fd < 0)
        return;
    close(fd);
    unlink(hidden);
}

static char *local_location(EgStore *store, const char *key, GError **error)
{
    return path_of((EgStoreLocal *)store, key, error);
}

const EgStoreClass eg_store_local = {
    .instance_bytes = sizeof(EgStoreLocal),
    .limits =
        {
                 .part_bytes = 8 * MIB,
                 .step_bytes = 1,
                 .max_parts = 1000000,
                 .max_put_bytes = 8 * MIB,
                 .parallel_parts = 1,
                 },
    .open = local_open,
    .put = local_put,
    .begin = local_begin,
    .put_part = local_put_part,
    .complete = local_complete,
    .abort = local_abort,
    .location = local_location,
    .free = local_free,
};
