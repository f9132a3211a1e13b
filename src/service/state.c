#include "service/state.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"
#include "proto/message.h"

#define FOLDER_PREFIX "worker-"
#define LOCK_NAME     "lock"

/* As many services on one machine as anybody could want. */
#define MAX_FOLDERS 256

/* What is still to be done is in the names of files, so that it changes in one step. */
static const struct {
    const char *suffix;
    guint owed; /* if the report is final */
} rows[] = {
    {".egress", EG_STATE_REPORT | EG_STATE_HOOKS},
    {".report", EG_STATE_REPORT                 },
    {".hooks",  EG_STATE_HOOKS                  },
};

struct _EgState {
    char *root;
    char *folder;
    int lock_fd;
};

/* The lock of a folder, or -1 if another process has it. */
static int lock_folder(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, LOCK_NAME, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    close(fd);
    return -1;
}

static char *folder_path(const char *root, guint n)
{
    g_autofree char *name = g_strdup_printf(FOLDER_PREFIX "%u", n);
    return g_build_filename(root, name, NULL);
}

EgState *eg_state_new(const char *root, GError **error)
{
    for (guint n = 1; n <= MAX_FOLDERS; n++) {
        g_autofree char *folder = folder_path(root, n);
        if (g_mkdir_with_parents(folder, 0700) != 0) {
            eg_error_set_errno(error, errno, "keep the state of egresses in", folder);
            return NULL;
        }
        int fd = lock_folder(folder);
        if (fd < 0 && errno != EWOULDBLOCK) {
            eg_error_set_errno(error, errno, "keep the state of egresses in", folder);
            return NULL;
        }
        if (fd < 0)
            continue;
        EgState *state = g_new0(EgState, 1);
        state->root = g_strdup(root);
        state->folder = g_steal_pointer(&folder);
        state->lock_fd = fd;
        return state;
    }
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE,
                 "cannot keep the state of egresses in %s: %d services do already", root,
                 MAX_FOLDERS);
    return NULL;
}

void eg_state_free(EgState *state)
{
    if (state == NULL)
        return;
    close(state->lock_fd);
    g_free(state->root);
    g_free(state->folder);
    g_free(state);
}

const char *eg_state_folder(const EgState *state)
{
    return state->folder;
}

bool eg_state_is_alive(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, LOCK_NAME, NULL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_locked = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return is_locked;
}

static char *path_in(const char *folder, const char *egress_id, gsize row)
{
    g_autofree char *name = g_strconcat(egress_id, rows[row].suffix, NULL);
    return g_build_filename(folder, name, NULL);
}

/* The row of its file; their number if there is none. */
static gsize find_row(const char *folder, const char *egress_id)
{
    gsize row = 0;
    for (; row < G_N_ELEMENTS(rows); row++) {
        g_autofree char *path = path_in(folder, egress_id, row);
        if (g_file_test(path, G_FILE_TEST_EXISTS))
            break;
    }
    return row;
}

bool eg_state_has(const char *folder, const char *egress_id)
{
    return find_row(folder, egress_id) < G_N_ELEMENTS(rows);
}

guint eg_state_owed(const EgState *state, const char *egress_id)
{
    gsize row = find_row(state->folder, egress_id);
    return row < G_N_ELEMENTS(rows) ? rows[row].owed : 0;
}

void eg_state_settle(EgState *state, const char *egress_id, EgStateOwed done)
{
    gsize row = find_row(state->folder, egress_id);
    if (row == G_N_ELEMENTS(rows) || (rows[row].owed & done) == 0)
        return;
    guint left = rows[row].owed & ~(guint)done;
    g_autofree char *path = path_in(state->folder, egress_id, row);
    if (left == 0) {
        g_unlink(path);
        return;
    }
    for (gsize next = 0; next < G_N_ELEMENTS(rows); next++) {
        g_autofree char *renamed = path_in(state->folder, egress_id, next);
        if (rows[next].owed == left)
            g_rename(path, renamed);
    }
}

bool eg_state_put(EgState *state, const Livekit__EgressInfo *info, GError **error)
{
    g_autofree char *path = path_in(state->folder, info->egress_id, 0);
    g_autoptr(GBytes) bytes = eg_proto_pack(&info->base);
    g_autoptr(GError) cause = NULL;
    if (g_file_set_contents_full(path, g_bytes_get_data(bytes, NULL),
                                 (gssize)g_bytes_get_size(bytes), G_FILE_SET_CONTENTS_CONSISTENT,
                                 0600, &cause))
        return true;
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s", cause->message);
    return false;
}

void eg_state_remove(EgState *state, const char *egress_id)
{
    for (gsize row = 0; row < G_N_ELEMENTS(rows); row++) {
        g_autofree char *path = path_in(state->folder, egress_id, row);
        g_unlink(path);
    }
}

static Livekit__EgressInfo *read_info(const char *data, gsize size_bytes)
{
    Livekit__EgressInfo *info = (Livekit__EgressInfo *)(gpointer)eg_proto_unpack(
        &livekit__egress_info__descriptor, (const guint8 *)data, size_bytes);
    if (info != NULL && *info->egress_id != '\0')
        return info;
    if (info != NULL)
        livekit__egress_info__free_unpacked(info, NULL);
    return NULL;
}

typedef void (*Take)(gpointer user, const Livekit__EgressInfo *info);

static void adopt_file(EgState *state, const char *path, Take take, gpointer user)
{
    g_autofree char *data = NULL;
    gsize size_bytes = 0;
    if (!g_file_get_contents(path, &data, &size_bytes, NULL))
        return;
    Livekit__EgressInfo *info = read_info(data, size_bytes);
    if (info == NULL) {
        g_autofree char *aside = g_strconcat(path, ".broken", NULL);
        g_rename(path, aside);
        return;
    }
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *own = g_build_filename(state->folder, name, NULL);
    g_rename(path, own);
    take(user, info);
    livekit__egress_info__free_unpacked(info, NULL);
}

static bool is_state(const char *name)
{
    bool is_one = false;
    for (gsize row = 0; row < G_N_ELEMENTS(rows); row++)
        is_one = is_one || g_str_has_suffix(name, rows[row].suffix);
    return is_one;
}

static void adopt_folder(EgState *state, const char *folder, Take take, gpointer user)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (is_state(name))
            g_ptr_array_add(paths, g_build_filename(folder, name, NULL));
    }
    for (guint i = 0; i < paths->len; i++)
        adopt_file(state, paths->pdata[i], take, user);
}

void eg_state_adopt(EgState *state, Take take, gpointer user)
{
    adopt_folder(state, state->folder, take, user);
    for (guint n = 1; n <= MAX_FOLDERS; n++) {
        g_autofree char *folder = folder_path(state->root, n);
        if (strcmp(folder, state->folder) == 0)
            continue;
        if (!g_file_test(folder, G_FILE_TEST_IS_DIR))
            break;
        int fd = lock_folder(folder);
        if (fd < 0)
            continue;
        adopt_folder(state, folder, take, user);
        close(fd);
    }
}
