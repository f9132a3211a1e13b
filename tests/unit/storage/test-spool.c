/* The spool folder of an egress, and its journal: whatever is torn off, the rest is read. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/locked-folder.h"
#include "storage/journal.h"
#include "storage/spool.h"

static char *make_root(void)
{
    char *root = g_dir_make_tmp("egress-spool-XXXXXX", NULL);
    g_assert_nonnull(root);
    return root;
}

static EgSpool *make_spool(const char *root, GError **error)
{
    Rpc__StartEgressRequest request = RPC__START_EGRESS_REQUEST__INIT;
    request.egress_id = (char *)"EG_1";
    request.token = (char *)"secret";
    const EgSpoolParams params = {
        .root = root, .owner = "me", .request = &request, .requested_ns = 42};
    return eg_spool_new(&params, error);
}

static void note_upload(EgSpool *spool, const char *path, const char *upload)
{
    Egress__SpoolUpload begun = EGRESS__SPOOL_UPLOAD__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    begun.path = (char *)path;
    begun.upload = (char *)upload;
    begun.part_bytes = 10;
    begun.size_bytes = 35;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_UPLOAD;
    record.upload = &begun;
    g_assert_true(eg_spool_note(spool, &record, false, NULL));
}

static void note_part(EgSpool *spool, const char *path, guint index)
{
    Egress__SpoolPart part = EGRESS__SPOOL_PART__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    part.path = (char *)path;
    part.index = index;
    part.tag = (char *)"tag";
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_PART;
    record.part = &part;
    g_assert_true(eg_spool_note(spool, &record, true, NULL));
}

static void note_stored(EgSpool *spool, const char *path)
{
    Egress__SpoolStored stored = EGRESS__SPOOL_STORED__INIT;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    stored.path = (char *)path;
    record.record_case = EGRESS__SPOOL_RECORD__RECORD_STORED;
    record.stored = &stored;
    g_assert_true(eg_spool_note(spool, &record, false, NULL));
}

static void test_is_private(void)
{
    g_autofree char *root = make_root();
    g_autoptr(EgSpool) spool = make_spool(root, NULL);
    g_autofree char *journal = g_build_filename(eg_spool_folder(spool), "journal", NULL);
    GStatBuf status;
    g_assert_cmpint(g_stat(journal, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
    g_assert_cmpint(g_stat(eg_spool_folder(spool), &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0700);
    eg_folder_remove(root);
}

static void test_belongs_to_one(void)
{
    g_autofree char *root = make_root();
    g_autoptr(EgSpool) spool = make_spool(root, NULL);
    g_autofree char *folder = g_strdup(eg_spool_folder(spool));
    g_autoptr(GError) error = NULL;
    g_assert_null(make_spool(root, &error));
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_ALREADY_EXISTS);
    g_clear_error(&error);
    g_assert_true(eg_spool_is_in_use(folder));
    g_assert_null(eg_spool_open(folder, &error));
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_ALREADY_EXISTS);
    g_clear_pointer(&spool, eg_spool_free);
    g_assert_false(eg_spool_is_in_use(folder));
    g_autofree char *owner = eg_spool_owner(folder);
    g_assert_cmpstr(owner, ==, "me");
    g_autoptr(EgSpool) again = eg_spool_open(folder, NULL);
    g_assert_nonnull(again);
    eg_folder_remove(root);
}

static void test_remembers(void)
{
    g_autofree char *root = make_root();
    g_autoptr(EgSpool) spool = make_spool(root, NULL);
    g_autofree char *folder = g_strdup(eg_spool_folder(spool));
    note_upload(spool, "a.mp4", "one");
    note_part(spool, "a.mp4", 2);
    note_part(spool, "a.mp4", 4);
    note_upload(spool, "b.mp4", "two");
    note_stored(spool, "b.mp4");
    g_clear_pointer(&spool, eg_spool_free);
    g_autoptr(EgSpool) again = eg_spool_open(folder, NULL);
    const EgSpoolPast *past = eg_spool_past(again);
    g_assert_cmpstr(past->request->token, ==, "secret");
    g_assert_cmpint(past->requested_ns, ==, 42);
    g_assert_cmpuint(past->stored->len, ==, 1);
    g_assert_cmpuint(g_hash_table_size(past->uploads), ==, 1);
    const EgSpoolUpload *upload = g_hash_table_lookup(past->uploads, "0/a.mp4");
    g_assert_cmpstr(upload->upload, ==, "one");
    /* There is no fifth part of 35 bytes. */
    g_assert_cmpuint(upload->tags->len, ==, 3);
    g_assert_null(upload->tags->pdata[0]);
    g_assert_cmpstr(upload->tags->pdata[2], ==, "tag");
    eg_folder_remove(root);
}

/* Cut at each byte, and with garbage behind: what was whole before is read, and what is written
 * afterwards, too. */
static void test_torn(void)
{
    g_autofree char *root = make_root();
    g_autoptr(EgSpool) spool = make_spool(root, NULL);
    g_autofree char *folder = g_strdup(eg_spool_folder(spool));
    g_autofree char *journal = g_build_filename(folder, "journal", NULL);
    GStatBuf before;
    g_assert_cmpint(g_stat(journal, &before), ==, 0);
    note_upload(spool, "a.mp4", "one");
    g_clear_pointer(&spool, eg_spool_free);
    g_autofree char *data = NULL;
    gsize size = 0;
    g_assert_true(g_file_get_contents(journal, &data, &size, NULL));
    for (gsize length = 0; length <= size; length++) {
        for (guint garbage = 0; garbage < 3; garbage++) {
            g_autoptr(GByteArray) torn = g_byte_array_new();
            g_byte_array_append(torn, (const guint8 *)data, (guint)length);
            guint8 rest[12];
            memset(rest, garbage == 1 ? 0 : 0xa5, sizeof(rest));
            if (garbage > 0)
                g_byte_array_append(torn, rest, sizeof(rest));
            g_assert_true(g_file_set_contents(journal, (const char *)torn->data, torn->len, NULL));
            g_autoptr(EgSpool) opened = eg_spool_open(folder, NULL);
            const EgSpoolPast *past = eg_spool_past(opened);
            g_assert_cmpint(past->request != NULL, ==, (goffset)length >= before.st_size);
            g_assert_cmpuint(g_hash_table_size(past->uploads), ==, length == size ? 1 : 0);
            note_stored(opened, "c.mp4");
            g_clear_pointer(&opened, eg_spool_free);
            g_autoptr(EgSpoolPast) later = eg_spool_read(folder);
            g_assert_cmpuint(later->stored->len, ==, 1);
        }
    }
    eg_folder_remove(root);
}

static void refuse(gpointer user, const Egress__SpoolRecord *record)
{
    (void)user;
    (void)record;
    g_assert_not_reached();
}

/* What cannot be read is not taken for empty. The memory of this process has nothing at 0. */
static void test_unreadable(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(eg_journal_open("/proc/self/mem", refuse, NULL, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_INTERNAL);
    g_assert_nonnull(strstr(error->message, g_strerror(EIO)));
    g_assert_false(eg_journal_read("/proc/self/mem", refuse, NULL));
}

static void test_names(void)
{
    g_autofree char *root = make_root();
    g_autoptr(EgSpool) spool = make_spool(root, NULL);
    g_autofree char *path = eg_spool_path(spool, 1, "/rooms/a.mp4");
    g_assert_cmpstr(eg_spool_key(spool, 1, path), ==, "rooms/a.mp4");
    g_assert_null(eg_spool_key(spool, 0, path));
    g_assert_false(eg_spool_has_files(eg_spool_folder(spool)));
    g_autofree char *folder = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_false(eg_spool_has_files(eg_spool_folder(spool)));
    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
    g_assert_true(eg_spool_has_files(eg_spool_folder(spool)));
    eg_folder_remove(root);
}

static void test_list(void)
{
    g_autofree char *root = make_root();
    g_autoptr(EgSpool) spool = make_spool(root, NULL);
    g_autofree char *hidden = g_build_filename(root, ".EG_2.abc", NULL);
    g_assert_cmpint(g_mkdir(hidden, 0700), ==, 0);
    const struct timespec long_ago[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    g_assert_cmpint(utimensat(AT_FDCWD, hidden, long_ago, 0), ==, 0);
    g_autoptr(GPtrArray) folders = eg_spool_list(root);
    g_assert_cmpuint(folders->len, ==, 1);
    g_assert_cmpstr(folders->pdata[0], ==, eg_spool_folder(spool));
    g_assert_false(g_file_test(hidden, G_FILE_TEST_EXISTS));
    g_autofree char *nowhere = g_build_filename(root, "nowhere", NULL);
    g_autoptr(GPtrArray) none = eg_spool_list(nowhere);
    g_assert_cmpuint(none->len, ==, 0);
    eg_folder_remove(root);
}

static void make_old_folder(const char *root, const char *path)
{
    const struct timespec long_ago[] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    g_autofree char *folder = g_build_filename(root, path, NULL);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_cmpint(utimensat(AT_FDCWD, folder, long_ago, 0), ==, 0);
}

static void make_file(const char *root, const char *path)
{
    g_autofree char *file = g_build_filename(root, path, NULL);
    g_autofree char *folder = g_path_get_dirname(file);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "x", 1, NULL));
}

static bool is_there(const char *root, const char *path)
{
    g_autofree char *entry = g_build_filename(root, path, NULL);
    return g_file_test(entry, G_FILE_TEST_EXISTS);
}

/* A root in which somebody else has things, too: they stay, as do recordings without a journal. */
static void test_list_leaves_others_alone(void)
{
    static const char *const others[] = {"recordings/2026/a.mp4", ".cache.d/b", "lock.d/lock.mp4",
                                         "EG_3/0/c.mp4", "EG_3/lock"};
    static const char *const folders[] = {"recordings", ".cache.d", "lock.d", "EG_3", "empty"};
    g_autofree char *root = make_root();
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        make_file(root, others[i]);
    make_file(root, "EG_4/lock");
    make_file(root, ".EG_5.abc/journal");
    for (gsize i = 0; i < G_N_ELEMENTS(folders); i++)
        make_old_folder(root, folders[i]);
    make_old_folder(root, "EG_4");
    make_old_folder(root, ".EG_5.abc");
    g_autoptr(GPtrArray) listed = eg_spool_list(root);
    g_assert_cmpuint(listed->len, ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        g_assert_true(is_there(root, others[i]));
    g_assert_true(is_there(root, "empty"));
    g_assert_false(is_there(root, "EG_4"));
    g_assert_false(is_there(root, ".EG_5.abc"));
    eg_folder_remove(root);
}

/* No file more can be opened, until the limit is as it was. */
static struct rlimit allow_no_files(void)
{
    struct rlimit old;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &old), ==, 0);
    const struct rlimit limit = {.rlim_cur = (rlim_t)fd, .rlim_max = old.rlim_max};
    close(fd);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    return old;
}

/* What cannot be looked into is not empty. */
static void test_unreadable_folder(void)
{
    g_autofree char *root = make_root();
    g_autoptr(EgSpool) spool = make_spool(root, NULL);
    const char *folder = eg_spool_folder(spool);
    g_assert_false(eg_spool_has_files(folder));
    struct rlimit old = allow_no_files();
    bool has_files = eg_spool_has_files(folder);
    setrlimit(RLIMIT_NOFILE, &old);
    g_assert_true(has_files);
    eg_folder_remove(root);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spool/is-private", test_is_private);
    g_test_add_func("/spool/belongs-to-one", test_belongs_to_one);
    g_test_add_func("/spool/remembers", test_remembers);
    g_test_add_func("/spool/torn", test_torn);
    g_test_add_func("/spool/names", test_names);
    g_test_add_func("/spool/list", test_list);
    g_test_add_func("/spool/list-leaves-others-alone", test_list_leaves_others_alone);
    g_test_add_func("/spool/unreadable-folder", test_unreadable_folder);
    g_test_add_func("/spool/unreadable", test_unreadable);
    return g_test_run();
}
