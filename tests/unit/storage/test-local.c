#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "storage/store.h"

typedef struct {
    char *root;   /* of the test */
    char *folder; /* of the store, in it */
    EgStore *store;
    GError *error;
} Fixture;

static EgStore *open_store(const char *prefix, GError **error)
{
    g_autoptr(EgStorage) storage = eg_storage_new(EG_STORE_LOCAL);
    storage->prefix = g_strdup(prefix);
    return eg_store_new(storage, NULL, error);
}

static void make(Fixture *f, gconstpointer unused)
{
    (void)unused;
    f->root = g_dir_make_tmp("egress-local-XXXXXX", NULL);
    f->folder = g_build_filename(f->root, "back", "up", NULL);
    f->store = open_store(f->folder, &f->error);
    g_assert_no_error(f->error);
}

static void remove_all(const char *path)
{
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    for (const char *name; folder != NULL && (name = g_dir_read_name(folder)) != NULL;) {
        g_autofree char *inner = g_build_filename(path, name, NULL);
        remove_all(inner);
    }
    g_remove(path);
}

static void clear(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_clear_error(&f->error);
    eg_store_free(f->store);
    remove_all(f->root);
    g_free(f->folder);
    g_free(f->root);
}

static GBytes *bytes_of(const char *text)
{
    return g_bytes_new(text, strlen(text));
}

static bool put(Fixture *f, const char *key, const char *text)
{
    g_autoptr(GBytes) content = bytes_of(text);
    g_clear_error(&f->error);
    return eg_store_put(f->store, key, "video/mp4", content, NULL, &f->error);
}

static char *put_part(Fixture *f, const char *upload, guint index, guint64 offset, const char *text)
{
    g_autoptr(GBytes) content = bytes_of(text);
    const EgStorePart part = {.key = "a/b.mp4", .upload = upload, .index = index, .offset = offset};
    g_clear_error(&f->error);
    return eg_store_put_part(f->store, &part, content, NULL, &f->error);
}

static void assert_file(Fixture *f, const char *key, const char *wanted)
{
    g_autofree char *path = g_build_filename(f->folder, key, NULL);
    g_autofree char *text = NULL;
    g_file_get_contents(path, &text, NULL, NULL);
    g_assert_cmpstr(text, ==, wanted);
}

static guint count_files(const char *path)
{
    guint n = 0;
    g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
    while (folder != NULL && g_dir_read_name(folder) != NULL)
        n++;
    return n;
}

static void assert_n_files(Fixture *f, const char *name, guint wanted)
{
    g_autofree char *path = g_build_filename(f->folder, name, NULL);
    g_assert_cmpuint(count_files(path), ==, wanted);
}

static void test_put(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const keys[] = {
        "a b/\xc3\xbc.mp4", "a+b=c&d?", "par(en)s!'*", ":@,;$", "%41", "..a/b..", "x"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_assert_true(put(f, keys[i], "first"));
        g_assert_no_error(f->error);
        assert_file(f, keys[i], "first");
        g_assert_true(put(f, keys[i], ""));
        assert_file(f, keys[i], "");
        g_autofree char *location = eg_store_location(f->store, keys[i], NULL);
        g_autofree char *wanted = g_build_filename(f->folder, keys[i], NULL);
        g_assert_cmpstr(location, ==, wanted);
    }
    assert_n_files(f, "a b", 1);
}

/* As other programs make files here: not readable for the owner alone. */
static void test_mode(Fixture *f, gconstpointer unused)
{
    (void)unused;
    const mode_t old = umask(027);
    g_assert_true(put(f, "x", "text"));
    umask(old);
    g_autofree char *path = g_build_filename(f->folder, "x", NULL);
    struct stat info;
    g_assert_cmpint(stat(path, &info), ==, 0);
    g_assert_cmpint(info.st_mode & 0777, ==, 0640);
}

static void test_keys(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const keys[] = {"",     "..", "../x", "a/../b", "a/..", "/etc/x",
                                       "a//b", "a/", ".",    "./a",    "a/./b"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_assert_false(put(f, keys[i], "text"));
        g_assert_error(f->error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_null(eg_store_begin(f->store, keys[i], "video/mp4", NULL, NULL));
        g_assert_null(eg_store_location(f->store, keys[i], NULL));
    }
    g_assert_cmpuint(count_files(f->folder), ==, 0);
}

static void test_parts(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_true(put(f, "a/b.mp4", "what was there before"));
    g_autofree char *upload = eg_store_begin(f->store, "a/b.mp4", "video/mp4", NULL, &f->error);
    g_assert_no_error(f->error);
    g_assert_true(g_str_has_prefix(upload, "."));
    g_autofree char *third = put_part(f, upload, 2, 10, "last");
    g_autofree char *wrong = put_part(f, upload, 0, 0, "xxxxx");
    g_autofree char *first = put_part(f, upload, 0, 0, "first");
    g_autofree char *second = put_part(f, upload, 1, 5, "other");
    g_assert_cmpstr(wrong, ==, first);
    assert_file(f, "a/b.mp4", "what was there before");

    /* Another process goes on with it. */
    eg_store_free(f->store);
    f->store = open_store(f->folder, NULL);
    const char *const tags[] = {first, second, third, NULL};
    g_assert_true(eg_store_complete(f->store, "a/b.mp4", upload, tags, NULL, &f->error));
    assert_file(f, "a/b.mp4", "firstotherlast");
    assert_n_files(f, "a", 1);

    /* Nobody heard of it; but a file of another length is another file. */
    g_assert_true(eg_store_complete(f->store, "a/b.mp4", upload, tags, NULL, &f->error));
    assert_file(f, "a/b.mp4", "firstotherlast");
    g_assert_true(put(f, "a/b.mp4", "newer"));
    g_assert_false(eg_store_complete(f->store, "a/b.mp4", upload, tags, NULL, &f->error));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_NOT_FOUND);
}

static void test_missing_part(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *upload = eg_store_begin(f->store, "a/b.mp4", "video/mp4", NULL, &f->error);
    g_autofree char *first = put_part(f, upload, 0, 0, "first");
    const char *const tags[] = {first, "7", NULL};
    g_assert_false(eg_store_complete(f->store, "a/b.mp4", upload, tags, NULL, &f->error));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_DATA_LOSS);
    assert_file(f, "a/b.mp4", NULL);
}

static void test_abort(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *upload = eg_store_begin(f->store, "a/b.mp4", "video/mp4", NULL, &f->error);
    g_autofree char *first = put_part(f, upload, 0, 0, "first");
    assert_n_files(f, "a", 1);
    eg_store_abort(f->store, "a/b.mp4", upload);
    assert_n_files(f, "a", 0);
    g_assert_null(put_part(f, upload, 0, 0, "first"));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_NOT_FOUND);
    eg_store_abort(f->store, "a/b.mp4", upload);
}

static void test_foreign_upload(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_true(put(f, "a/victim", "text"));
    static const char *const uploads[] = {"victim", "../x", ".egress-/../victim", ""};
    for (gsize i = 0; i < G_N_ELEMENTS(uploads); i++) {
        g_assert_null(put_part(f, uploads[i], 0, 0, "first"));
        eg_store_abort(f->store, "a/b.mp4", uploads[i]);
    }
    assert_file(f, "a/victim", "text");
}

static void test_canceled(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GBytes) content = bytes_of("text");
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_cancellable_cancel(cancellable);
    g_assert_false(eg_store_put(f->store, "a/b", "video/mp4", content, cancellable, &f->error));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_CANCELED);
    assert_n_files(f, "a", 0);
}

/* What was there before stays, and nothing else. */
static void test_full_disk(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_true(put(f, "a/b.mp4", "before"));
    g_autofree char *upload = eg_store_begin(f->store, "a/b.mp4", "video/mp4", NULL, &f->error);
    struct rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    const struct rlimit few = {.rlim_cur = 8, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &few);
    const bool is_put = put(f, "a/b.mp4", "more than that");
    const EgErrorCode code = eg_error_code(f->error);
    g_autofree char *tag = put_part(f, upload, 0, 0, "more than that");
    setrlimit(RLIMIT_FSIZE, &before);
    g_assert_false(is_put);
    g_assert_cmpint(code, ==, EG_ERROR_RESOURCE_EXHAUSTED);
    g_assert_null(tag);
    g_assert_error(f->error, EG_ERROR, EG_ERROR_RESOURCE_EXHAUSTED);
    eg_store_abort(f->store, "a/b.mp4", upload);
    assert_file(f, "a/b.mp4", "before");
    assert_n_files(f, "a", 1);
}

/* What is asked for is seen at the start, not when the first file is there. */
static void test_open(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_null(open_store(NULL, &f->error));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
    g_clear_error(&f->error);
    g_autofree char *file = g_build_filename(f->root, "file", NULL);
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_autofree char *below = g_build_filename(file, "folder", NULL);
    g_assert_null(open_store(below, &f->error));
    g_assert_nonnull(strstr(f->error->message, below));
    g_clear_error(&f->error);
    g_assert_null(open_store(file, &f->error));
    g_assert_nonnull(strstr(f->error->message, file));
    g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_DESTINATION);
}

/* Killed in the middle of a file, by the signal for one that is too long. */
static void put_and_die(Fixture *f)
{
    const struct rlimit no_core = {0};
    const struct rlimit short_file = {.rlim_cur = 4096, .rlim_max = 4096};
    g_autofree char *text = g_strnfill(8192, 'x');
    signal(SIGXFSZ, SIG_DFL);
    setrlimit(RLIMIT_CORE, &no_core);
    setrlimit(RLIMIT_FSIZE, &short_file);
    put(f, "a/long.mp4", text);
    put(f, "a/long.mp4", text);
    _exit(0);
}

static void test_killed(Fixture *f, gconstpointer unused)
{
    (void)unused;
    int status;
    g_assert_true(put(f, "a/b.mp4", "whole"));
    const pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        put_and_die(f);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    g_autofree char *folder = g_build_filename(f->folder, "a", NULL);
    g_autoptr(GDir) entries = g_dir_open(folder, 0, NULL);
    g_assert_cmpstr(g_dir_read_name(entries), ==, "b.mp4");
    g_assert_null(g_dir_read_name(entries));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGXFSZ, SIG_IGN);
#define ADD(name, function) g_test_add("/storage/local/" name, Fixture, NULL, make, function, clear)
    ADD("put", test_put);
    ADD("mode", test_mode);
    ADD("keys", test_keys);
    ADD("parts", test_parts);
    ADD("missing-part", test_missing_part);
    ADD("abort", test_abort);
    ADD("foreign-upload", test_foreign_upload);
    ADD("canceled", test_canceled);
    ADD("full-disk", test_full_disk);
    ADD("killed", test_killed);
    ADD("open", test_open);
    return g_test_run();
}
