/* The uploader, against a store in memory that fails as it is told. */
#include "storage/uploader.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/locked-folder.h"
#include "base/time.h"
#include "unit/storage/fake-store.h"

#define N_OUTPUTS 2

typedef struct {
    char *root;
    EgLoop *loop;
    FakeStore *primary;
    FakeStore *backup;
    EgSpool *spool;
    EgUploader *uploader;
    bool has_backup;
    gint64 patience_ns;
    GPtrArray *stored; /* char *: "location size" */
    guint n_finished;
    guint n_counted[2];      /* failed, stored */
    char *errors[N_OUTPUTS]; /* "": finished well */
} Fixture;

static void on_stored(gpointer user, const EgUploaded *stored)
{
    Fixture *f = user;
    g_ptr_array_add(f->stored,
                    g_strdup_printf("%s%s %" G_GUINT64_FORMAT, stored->is_backup ? "backup " : "",
                                    stored->location, stored->size_bytes));
}

static void on_finished(gpointer user, guint output, const GError *error)
{
    Fixture *f = user;
    g_assert_null(f->errors[output]);
    f->errors[output] = g_strdup(error != NULL ? error->message : "");
    f->n_finished++;
    if (error != NULL)
        g_assert_cmpint(eg_error_http_status(eg_error_code(error)), ==, 400);
}

static void on_counted(gpointer user, const EgUploadResult *result)
{
    Fixture *f = user;
    g_assert_cmpint(result->elapsed_ns, >=, 0);
    g_assert_cmpstr(result->content_type, ==, "text/plain");
    f->n_counted[result->is_stored]++;
}

static void open_uploader(Fixture *f)
{
    static const EgUploaderEvents events = {
        .stored = on_stored, .finished = on_finished, .counted = on_counted};
    const EgUploadTarget target = {
        .storage = fake_store_storage(f->primary),
        .backup = f->has_backup ? fake_store_storage(f->backup) : NULL,
    };
    const EgUploadTarget targets[N_OUTPUTS] = {target, target};
    const EgUploaderParams params = {
        .spool = f->spool,
        .targets = targets,
        .n_targets = N_OUTPUTS,
        .patience_ns = f->patience_ns,
        .max_calls = 4,
        .opener = fake_store_open,
    };
    f->uploader = eg_uploader_new(f->loop, &params, &events, f);
}

static void set_up(Fixture *f, gconstpointer data)
{
    Rpc__StartEgressRequest request = RPC__START_EGRESS_REQUEST__INIT;
    request.egress_id = (char *)"EG_1";
    (void)data;
    f->root = g_dir_make_tmp("egress-uploader-XXXXXX", NULL);
    f->loop = eg_loop_new();
    f->primary = fake_store_new();
    f->backup = fake_store_new();
    fake_store_storage(f->backup)->kind = EG_STORE_GCS;
    f->patience_ns = 0;
    const EgSpoolParams params = {.root = f->root, .owner = "", .request = &request};
    f->spool = eg_spool_new(&params, NULL);
    f->stored = g_ptr_array_new_with_free_func(g_free);
}

static void tear_down(Fixture *f, gconstpointer data)
{
    (void)data;
    eg_uploader_free(f->uploader);
    eg_spool_free(f->spool);
    eg_loop_free(f->loop);
    fake_store_free(f->primary);
    fake_store_free(f->backup);
    g_ptr_array_unref(f->stored);
    for (guint i = 0; i < N_OUTPUTS; i++)
        g_free(f->errors[i]);
    eg_folder_remove(f->root);
    g_free(f->root);
}

static char *write_file(Fixture *f, guint output, const char *key, const char *text)
{
    char *path = eg_spool_path(f->spool, output, key);
    g_autofree char *folder = g_path_get_dirname(path);
    g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void add_file(Fixture *f, guint output, const char *key, const char *text)
{
    g_autofree char *path = write_file(f, output, key, text);
    const EgUploadObject object = {.output = output, .path = path, .content_type = "text/plain"};
    eg_uploader_add(f->uploader, &object);
}

static void add_snapshot(Fixture *f, const char *key, const char *text)
{
    g_autofree char *path = write_file(f, 0, key, text);
    g_autoptr(GBytes) content = g_bytes_new(text, strlen(text));
    const EgUploadObject object = {.path = path, .content_type = "text/plain", .content = content};
    eg_uploader_add(f->uploader, &object);
}

static void finish(Fixture *f, guint n_outputs)
{
    for (guint i = 0; i < n_outputs; i++)
        eg_uploader_finish(f->uploader, i);
    while (f->n_finished < n_outputs)
        eg_loop_iterate(f->loop, true);
}

static void assert_object(FakeStore *fake, const char *key, const char *text)
{
    g_autofree char *object = fake_store_get(fake, key);
    g_assert_cmpstr(object, ==, text);
}

static bool has_file(const Fixture *f, guint output, const char *key)
{
    g_autofree char *path = eg_spool_path(f->spool, output, key);
    return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void test_put(Fixture *f, gconstpointer data)
{
    (void)data;
    fake_store_storage(f->primary)->prefix = g_strdup("/all/");
    open_uploader(f);
    add_file(f, 0, "rooms/a.txt", "hello");
    add_file(f, 1, "empty", "");
    finish(f, 2);
    assert_object(f->primary, "all/rooms/a.txt", "hello");
    assert_object(f->primary, "all/empty", "");
    g_assert_cmpuint(f->stored->len, ==, 2);
    g_assert_cmpstr(f->errors[0], ==, "");
    g_assert_false(eg_spool_has_files(eg_spool_folder(f->spool)));
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_OPEN), ==, 1);
    EgUploaderStats stats;
    eg_uploader_get_stats(f->uploader, &stats);
    g_assert_cmpuint(stats.stored_bytes, ==, 5);
    g_assert_cmpuint(stats.waiting, ==, 0);
}

static const char long_text[] = "0123456789abcdefghijABCDEFGHIJ-----";

static void test_parts(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    add_file(f, 0, "long", long_text);
    finish(f, 1);
    assert_object(f->primary, "long", long_text);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 4);
    g_assert_cmpstr(f->stored->pdata[0], ==, "https://fake/long 35");
}

/* What is not as it was completed is neither put nor removed. */
static void test_other_size(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    add_file(f, 0, "a.txt", "");
    g_free(write_file(f, 0, "a.txt", "hello"));
    finish(f, 1);
    g_assert_nonnull(strstr(f->errors[0], "has not the size"));
    g_assert_null(fake_store_get(f->primary, "a.txt"));
    g_assert_true(has_file(f, 0, "a.txt"));
}

/* More bytes than there may be standard parts: they grow. */
static void test_large_parts(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *text = g_strnfill(2345, 'x');
    open_uploader(f);
    add_file(f, 0, "long", text);
    finish(f, 1);
    assert_object(f->primary, "long", text);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 98);
}

static void test_passing_failures(Fixture *f, gconstpointer data)
{
    (void)data;
    static const FakeCall calls[] = {FAKE_OPEN, FAKE_PUT, FAKE_BEGIN, FAKE_PART, FAKE_COMPLETE};
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++)
        fake_store_fail(f->primary, calls[i], 5, EG_ERROR_UNAVAILABLE, true);
    open_uploader(f);
    add_file(f, 0, "short", "hello");
    add_file(f, 0, "long", long_text);
    finish(f, 1);
    assert_object(f->primary, "short", "hello");
    assert_object(f->primary, "long", long_text);
    g_assert_cmpstr(f->errors[0], ==, "");
}

static void test_refused(Fixture *f, gconstpointer data)
{
    (void)data;
    fake_store_fail(f->primary, FAKE_PUT, 1, EG_ERROR_PERMISSION_DENIED, false);
    open_uploader(f);
    add_file(f, 0, "a", "hello");
    add_file(f, 1, "b", long_text);
    finish(f, 2);
    g_assert_cmpstr(f->errors[0], ==, "S3 upload failed: not allowed");
    g_assert_cmpstr(f->errors[1], ==, "");
    g_assert_true(has_file(f, 0, "a"));
    assert_object(f->primary, "b", long_text);
    g_autoptr(EgSpoolPast) past = eg_spool_read(eg_spool_folder(f->spool));
    g_assert_true(past->has_given_up);
}

static void test_cannot_open(Fixture *f, gconstpointer data)
{
    (void)data;
    fake_store_fail(f->primary, FAKE_OPEN, 1, EG_ERROR_INVALID_ARGUMENT, false);
    open_uploader(f);
    add_file(f, 0, "a", "hello");
    finish(f, 1);
    g_assert_cmpstr(f->errors[0], ==, "S3 upload failed: not allowed");
    g_assert_true(has_file(f, 0, "a"));
}

static void test_patience(Fixture *f, gconstpointer data)
{
    (void)data;
    f->patience_ns = 40 * EG_NS_PER_MS;
    fake_store_fail(f->primary, FAKE_PART, G_MAXUINT, EG_ERROR_UNAVAILABLE, true);
    open_uploader(f);
    add_file(f, 0, "long", long_text);
    finish(f, 1);
    g_assert_cmpstr(f->errors[0], ==, "S3 upload failed: no luck");
    g_assert_true(has_file(f, 0, "long"));
}

static void test_backup(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = true;
    fake_store_fail(f->primary, FAKE_PART, G_MAXUINT, EG_ERROR_UNAVAILABLE, true);
    open_uploader(f);
    add_file(f, 0, "long", long_text);
    while (f->stored->len < 1)
        eg_loop_iterate(f->loop, true);
    assert_object(f->backup, "long", long_text);
    guint n_puts = fake_store_count(f->primary, FAKE_PUT);
    add_file(f, 1, "later", "hello");
    finish(f, 2);
    assert_object(f->backup, "later", "hello");
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PUT), ==, n_puts);
    g_assert_cmpstr(f->stored->pdata[0], ==, "backup https://fake/long 35");
    g_assert_cmpstr(f->errors[0], ==, "");
    g_assert_cmpuint(f->n_counted[true], ==, 2);
    g_assert_cmpuint(f->n_counted[false], ==, 2);
    EgUploaderStats stats;
    eg_uploader_get_stats(f->uploader, &stats);
    g_assert_true(stats.has_used_backup);
}

static void test_backup_for_store_that_cannot_be_opened(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = true;
    fake_store_fail(f->primary, FAKE_OPEN, 1, EG_ERROR_INVALID_ARGUMENT, false);
    open_uploader(f);
    add_file(f, 0, "a", "hello");
    add_file(f, 0, "b", "hello");
    finish(f, 1);
    assert_object(f->backup, "a", "hello");
    assert_object(f->backup, "b", "hello");
}

static void test_backup_for_store_that_is_away(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = true;
    fake_store_fail(f->primary, FAKE_OPEN, G_MAXUINT, EG_ERROR_UNAVAILABLE, true);
    open_uploader(f);
    add_file(f, 0, "a", "hello");
    finish(f, 1);
    assert_object(f->backup, "a", "hello");
}

static void test_both_fail(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = true;
    fake_store_fail(f->primary, FAKE_PUT, G_MAXUINT, EG_ERROR_PERMISSION_DENIED, false);
    fake_store_fail(f->backup, FAKE_PUT, G_MAXUINT, EG_ERROR_PERMISSION_DENIED, false);
    open_uploader(f);
    add_file(f, 0, "a", "hello");
    finish(f, 1);
    g_assert_cmpstr(f->errors[0], ==,
                    "primary: S3 upload failed: not allowed\n"
                    "backup: GCP upload failed: not allowed");
    g_assert_true(has_file(f, 0, "a"));
}

/* The fake store checks that all that a playlist names is there. */
static void test_playlist_waits(Fixture *f, gconstpointer data)
{
    (void)data;
    GString *playlist = g_string_new(NULL);
    open_uploader(f);
    fake_store_fail(f->primary, FAKE_PUT, 20, EG_ERROR_UNAVAILABLE, true);
    for (guint i = 0; i < 30; i++) {
        g_autofree char *name = g_strdup_printf("s%02u.ts", i);
        add_file(f, 0, name, i % 3 == 0 ? long_text : "short");
        g_string_append_printf(playlist, "%s\n", name);
        add_snapshot(f, "p.m3u8", playlist->str);
        if (i % 4 == 0)
            eg_loop_iterate(f->loop, true);
    }
    /* More than is put at once, and yet not in parts. */
    g_assert_cmpuint(playlist->len, >, 25);
    g_string_truncate(playlist, 0);
    g_string_append(playlist, "s29.ts\n");
    add_snapshot(f, "p.m3u8", playlist->str);
    finish(f, 1);
    assert_object(f->primary, "p.m3u8", "s29.ts\n");
    g_assert_false(eg_spool_has_files(eg_spool_folder(f->spool)));
    g_string_free(playlist, TRUE);
}

static void test_newest_replaces_waiting(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    fake_store_hold(f->primary, "a.ts");
    add_file(f, 0, "a.ts", "a");
    for (guint i = 0; i < 20; i++) {
        g_autofree char *text = g_strdup_printf("a.ts\n%s", i == 19 ? "b.ts\n" : "");
        if (i == 19)
            add_file(f, 0, "b.ts", "b");
        add_snapshot(f, "p.m3u8", text);
    }
    fake_store_release(f->primary);
    finish(f, 1);
    assert_object(f->primary, "p.m3u8", "a.ts\nb.ts\n");
    /* Two segments, the first playlist that waited, and the newest. */
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PUT), ==, 4);
}

static void reopen(Fixture *f)
{
    g_autofree char *folder = g_strdup(eg_spool_folder(f->spool));
    g_clear_pointer(&f->uploader, eg_uploader_free);
    g_clear_pointer(&f->spool, eg_spool_free);
    f->spool = eg_spool_open(folder, NULL);
    open_uploader(f);
}

static void interrupt(Fixture *f)
{
    open_uploader(f);
    fake_store_fail(f->primary, FAKE_COMPLETE, G_MAXUINT, EG_ERROR_UNAVAILABLE, true);
    add_file(f, 0, "long", long_text);
    while (fake_store_count(f->primary, FAKE_COMPLETE) == 0)
        eg_loop_iterate(f->loop, true);
    g_clear_pointer(&f->uploader, eg_uploader_free);
    g_assert_true(has_file(f, 0, "long"));
    fake_store_fail(f->primary, FAKE_COMPLETE, 0, EG_ERROR_NONE, false);
}

static void test_goes_on(Fixture *f, gconstpointer data)
{
    (void)data;
    interrupt(f);
    reopen(f);
    add_file(f, 0, "long", long_text);
    finish(f, 1);
    assert_object(f->primary, "long", long_text);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_BEGIN), ==, 1);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 4);
    g_assert_false(has_file(f, 0, "long"));
}

static void test_forgotten_parts(Fixture *f, gconstpointer data)
{
    (void)data;
    interrupt(f);
    fake_store_forget(f->primary);
    reopen(f);
    add_file(f, 0, "long", long_text);
    finish(f, 1);
    assert_object(f->primary, "long", long_text);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_BEGIN), ==, 2);
}

/* Another file of the same name has nothing to do with the parts of the old one. */
static void test_other_file(Fixture *f, gconstpointer data)
{
    (void)data;
    interrupt(f);
    reopen(f);
    add_file(f, 0, "long", "another text of another length");
    finish(f, 1);
    assert_object(f->primary, "long", "another text of another length");
}

static void test_canceled(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    fake_store_hold(f->primary, "a");
    add_file(f, 0, "a", "hello");
    add_file(f, 0, "b", "hello");
    while (f->stored->len == 0)
        eg_loop_iterate(f->loop, true);
    fake_store_wait_held(f->primary);
    g_clear_pointer(&f->uploader, eg_uploader_free);
    while (eg_loop_iterate(f->loop, false))
        continue;
    g_assert_true(has_file(f, 0, "a"));
    g_assert_false(has_file(f, 0, "b"));
    g_assert_cmpuint(f->n_finished, ==, 0);
}

static void test_nothing_to_upload(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    eg_uploader_finish(f->uploader, 1);
    g_assert_cmpuint(f->n_finished, ==, 0);
    while (f->n_finished == 0)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->errors[1], ==, "");
}

/* What has gone from the disk cannot be uploaded, nor can it hang. */
static void test_file_is_gone(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *path = eg_spool_path(f->spool, 0, "gone");
    const EgUploadObject object = {.path = path, .content_type = "text/plain"};
    open_uploader(f);
    eg_uploader_add(f->uploader, &object);
    finish(f, 1);
    g_assert_nonnull(strstr(f->errors[0], "gone"));
}

/* What grows. */

/* The first `size` bytes of a file that is being written; only from `from` on they stay. */
static void grow(Fixture *f, const char *text, gsize size, guint64 from)
{
    g_autofree char *path = eg_spool_path(f->spool, 0, "long");
    g_autofree char *written = g_strndup(text, size);
    for (gsize i = 0; i < from; i++)
        written[i] = '?';
    g_autofree char *unfinished = write_file(f, 0, "long.recording", written);
    const EgUploadGrowth growth = {
        .path = path,
        .unfinished = unfinished,
        .content_type = "text/plain",
        .stable_from = from,
        .size_bytes = size,
    };
    eg_uploader_grow(f->uploader, &growth);
}

static void complete(Fixture *f, const char *text)
{
    g_autofree char *unfinished = eg_spool_path(f->spool, 0, "long.recording");
    g_unlink(unfinished);
    add_file(f, 0, "long", text);
}

static void wait_for(Fixture *f, FakeStore *fake, FakeCall call, guint times)
{
    while (fake_store_count(fake, call) < times)
        eg_loop_iterate(f->loop, true);
}

/* Something else has arrived: whatever could have been done about the rest was begun. */
static void let_go_on(Fixture *f)
{
    static guint n;
    guint n_stored = f->stored->len;
    g_autofree char *name = g_strdup_printf("other-%u", n++);
    add_file(f, 1, name, "hello");
    while (f->stored->len == n_stored)
        eg_loop_iterate(f->loop, true);
}

static void assert_arrived(Fixture *f, FakeStore *fake, const char *text, guint n_begun)
{
    finish(f, 1);
    g_assert_cmpstr(f->errors[0], ==, "");
    assert_object(fake, "long", text);
    g_assert_cmpuint(fake_store_count(fake, FAKE_BEGIN), ==, n_begun);
    g_assert_cmpuint(fake_store_uploads(f->primary), ==, 0);
    g_assert_cmpuint(fake_store_uploads(f->backup), ==, 0);
    g_assert_false(has_file(f, 0, "long"));
}

static void test_growth(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, long_text, 10, 0);
    let_go_on(f);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_BEGIN), ==, 0);
    grow(f, long_text, 11, 0);
    wait_for(f, f->primary, FAKE_PART, 1);
    grow(f, long_text, 30, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    let_go_on(f);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 2);
    g_assert_null(fake_store_get(f->primary, "long"));
    complete(f, long_text);
    assert_arrived(f, f->primary, long_text, 1);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 4);
    g_assert_cmpuint(f->n_counted[true], ==, 3);
    g_assert_cmpuint(f->n_counted[false], ==, 0);
}

/* Of what nobody wants any more, no store keeps parts. */
static void test_abandoned(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, long_text, 30, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    g_assert_cmpuint(fake_store_uploads(f->primary), ==, 1);
    eg_uploader_abandon(f->uploader);
    g_assert_cmpuint(fake_store_uploads(f->primary), ==, 0);
    g_assert_null(fake_store_get(f->primary, "long"));
}

/* It ends where a part does. */
static void test_growth_of_whole_parts(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, long_text, 30, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    g_autofree char *text = g_strndup(long_text, 30);
    complete(f, text);
    assert_arrived(f, f->primary, text, 1);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 3);
}

static void test_growth_with_head(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, long_text, 20, 3);
    let_go_on(f);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_BEGIN), ==, 0);
    grow(f, long_text, 31, 3);
    wait_for(f, f->primary, FAKE_PART, 2);
    let_go_on(f);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 2);
    complete(f, long_text);
    assert_arrived(f, f->primary, long_text, 1);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 4);
}

static void test_growth_of_little(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, "0123", 4, 0);
    let_go_on(f);
    complete(f, "0123456789");
    assert_arrived(f, f->primary, "0123456789", 0);
}

static void test_growth_in_order(Fixture *f, gconstpointer data)
{
    (void)data;
    fake_store_set_ordered(f->primary);
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    complete(f, long_text);
    assert_arrived(f, f->primary, long_text, 1);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 4);
}

static void test_growth_in_order_with_head(Fixture *f, gconstpointer data)
{
    (void)data;
    fake_store_set_ordered(f->primary);
    open_uploader(f);
    grow(f, long_text, 33, 1);
    let_go_on(f);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_BEGIN), ==, 0);
    complete(f, long_text);
    assert_arrived(f, f->primary, long_text, 1);
}

/* The file has got its name before a part of it was read. */
static void test_growth_renamed(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, long_text, 25, 0);
    g_autofree char *unfinished = eg_spool_path(f->spool, 0, "long.recording");
    g_autofree char *path = eg_spool_path(f->spool, 0, "long");
    g_assert_true(g_file_set_contents(path, long_text, -1, NULL));
    g_unlink(unfinished);
    wait_for(f, f->primary, FAKE_PART, 2);
    complete(f, long_text);
    assert_arrived(f, f->primary, long_text, 1);
}

/* A store that is away for a while is not given up for it, although there is another one. */
static void test_growth_while_store_is_away(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = true;
    fake_store_fail(f->primary, FAKE_PART, 20, EG_ERROR_UNAVAILABLE, true);
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 10);
    fake_store_fail(f->primary, FAKE_PART, 0, EG_ERROR_NONE, false);
    complete(f, long_text);
    assert_arrived(f, f->primary, long_text, 1);
    g_assert_cmpuint(fake_store_count(f->backup, FAKE_OPEN), ==, 0);
}

/* What is refused while it grows may be taken when it is complete. */
static void test_growth_refused(Fixture *f, gconstpointer data)
{
    (void)data;
    fake_store_fail(f->primary, FAKE_PART, 1, EG_ERROR_PERMISSION_DENIED, false);
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 1);
    while (fake_store_uploads(f->primary) > 0)
        eg_loop_iterate(f->loop, true);
    grow(f, long_text, 33, 0);
    let_go_on(f);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_BEGIN), ==, 1);
    g_assert_cmpuint(f->n_finished, ==, 0);
    complete(f, long_text);
    assert_arrived(f, f->primary, long_text, 2);
    g_assert_cmpuint(f->n_counted[false], ==, 0);
}

static void test_growth_refused_to_the_end(Fixture *f, gconstpointer data)
{
    (void)data;
    fake_store_fail(f->primary, FAKE_BEGIN, G_MAXUINT, EG_ERROR_PERMISSION_DENIED, false);
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_BEGIN, 1);
    let_go_on(f);
    g_assert_null(f->errors[0]);
    complete(f, long_text);
    finish(f, 1);
    g_assert_cmpstr(f->errors[0], ==, "S3 upload failed: not allowed");
    g_assert_true(has_file(f, 0, "long"));
}

static void test_growth_then_backup(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = true;
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    fake_store_fail(f->primary, FAKE_PART, G_MAXUINT, EG_ERROR_UNAVAILABLE, true);
    complete(f, long_text);
    while (f->stored->len == 0 || fake_store_uploads(f->primary) > 0)
        eg_loop_iterate(f->loop, true);
    assert_arrived(f, f->backup, long_text, 1);
}

/* Others have shown that the first store is of no use: it grows in the other. */
static void test_growth_goes_to_backup(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = true;
    fake_store_fail(f->primary, FAKE_PUT, G_MAXUINT, EG_ERROR_UNAVAILABLE, true);
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    let_go_on(f);
    wait_for(f, f->backup, FAKE_PART, 2);
    complete(f, long_text);
    assert_arrived(f, f->backup, long_text, 1);
}

/* It is opened once more for the file that is complete. */
static void test_growth_while_store_cannot_be_opened(Fixture *f, gconstpointer data)
{
    (void)data;
    f->has_backup = GPOINTER_TO_INT(data);
    fake_store_fail(f->primary, FAKE_OPEN, 1, EG_ERROR_INVALID_ARGUMENT, false);
    open_uploader(f);
    grow(f, long_text, 25, 0);
    /* What is complete knows what has become of it. */
    add_file(f, 1, "other", "hello");
    while (f->errors[1] == NULL && f->stored->len == 0)
        eg_loop_iterate(f->loop, true);
    grow(f, long_text, 30, 0);
    complete(f, long_text);
    eg_uploader_finish(f->uploader, 0);
    while (f->errors[0] == NULL)
        eg_loop_iterate(f->loop, true);
    g_assert_cmpstr(f->errors[0], ==, "");
    assert_object(f->primary, "long", long_text);
}

/* The recording has failed: nothing of it stays, and what could be saved is another file. */
static void test_growth_dropped(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    eg_uploader_drop_growing(f->uploader, 0);
    add_file(f, 0, "long", "what could be saved, which is longer");
    assert_arrived(f, f->primary, "what could be saved, which is longer", 2);
    g_assert_cmpuint(f->stored->len, ==, 1);
}

static void test_growth_dropped_for_nothing(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    fake_store_hold(f->primary, "long");
    grow(f, long_text, 25, 0);
    let_go_on(f);
    fake_store_wait_held(f->primary);
    eg_uploader_drop_growing(f->uploader, 0);
    fake_store_release(f->primary);
    finish(f, 1);
    g_assert_cmpstr(f->errors[0], ==, "");
    g_assert_cmpuint(fake_store_uploads(f->primary), ==, 0);
    assert_object(f->primary, "long", NULL);
}

/* The process dies while it records: its parts are not those of what is recovered, if anything is.
 */
static void test_growth_interrupted(Fixture *f, gconstpointer data)
{
    const char *rest = data;
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    reopen(f);
    g_assert_cmpuint(fake_store_uploads(f->primary), ==, 1);
    eg_uploader_drop_growing(f->uploader, 0);
    if (rest != NULL)
        add_file(f, 0, "long", rest);
    finish(f, 1);
    g_assert_cmpstr(f->errors[0], ==, "");
    assert_object(f->primary, "long", rest);
    g_assert_cmpuint(fake_store_uploads(f->primary), ==, 0);
}

/* It dies when the file is complete: the parts are those of this very file. */
static void test_growth_goes_on(Fixture *f, gconstpointer data)
{
    (void)data;
    open_uploader(f);
    grow(f, long_text, 25, 0);
    wait_for(f, f->primary, FAKE_PART, 2);
    fake_store_fail(f->primary, FAKE_COMPLETE, G_MAXUINT, EG_ERROR_UNAVAILABLE, true);
    complete(f, long_text);
    wait_for(f, f->primary, FAKE_COMPLETE, 1);
    fake_store_fail(f->primary, FAKE_COMPLETE, 0, EG_ERROR_NONE, false);
    reopen(f);
    eg_uploader_drop_growing(f->uploader, 0);
    add_file(f, 0, "long", long_text);
    assert_arrived(f, f->primary, long_text, 1);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 4);
}

/* More parts of the size that was chosen than there may be: with larger ones, from its beginning.
 */
static void test_growth_of_too_much(Fixture *f, gconstpointer data)
{
    (void)data;
    g_autofree char *text = g_strnfill(2345, 'x');
    open_uploader(f);
    grow(f, text, 1500, 0);
    wait_for(f, f->primary, FAKE_PART, 100);
    complete(f, text);
    assert_arrived(f, f->primary, text, 2);
    g_assert_cmpuint(fake_store_count(f->primary, FAKE_PART), ==, 198);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) g_test_add("/uploader/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("put", test_put);
    ADD("parts", test_parts);
    ADD("other-size", test_other_size);
    ADD("large-parts", test_large_parts);
    ADD("passing-failures", test_passing_failures);
    ADD("refused", test_refused);
    ADD("cannot-open", test_cannot_open);
    ADD("patience", test_patience);
    ADD("backup", test_backup);
    ADD("backup-for-store-that-cannot-be-opened", test_backup_for_store_that_cannot_be_opened);
    ADD("backup-for-store-that-is-away", test_backup_for_store_that_is_away);
    ADD("both-fail", test_both_fail);
    ADD("playlist-waits", test_playlist_waits);
    ADD("newest-replaces-waiting", test_newest_replaces_waiting);
    ADD("goes-on", test_goes_on);
    ADD("forgotten-parts", test_forgotten_parts);
    ADD("other-file", test_other_file);
    ADD("canceled", test_canceled);
    ADD("nothing-to-upload", test_nothing_to_upload);
    ADD("file-is-gone", test_file_is_gone);
    ADD("abandoned", test_abandoned);
    ADD("growth", test_growth);
    ADD("growth-of-whole-parts", test_growth_of_whole_parts);
    ADD("growth-with-head", test_growth_with_head);
    ADD("growth-of-little", test_growth_of_little);
    ADD("growth-in-order", test_growth_in_order);
    ADD("growth-in-order-with-head", test_growth_in_order_with_head);
    ADD("growth-renamed", test_growth_renamed);
    ADD("growth-while-store-is-away", test_growth_while_store_is_away);
    ADD("growth-refused", test_growth_refused);
    ADD("growth-refused-to-the-end", test_growth_refused_to_the_end);
    ADD("growth-then-backup", test_growth_then_backup);
    ADD("growth-goes-to-backup", test_growth_goes_to_backup);
    ADD("growth-dropped", test_growth_dropped);
    ADD("growth-dropped-for-nothing", test_growth_dropped_for_nothing);
    ADD("growth-goes-on", test_growth_goes_on);
    ADD("growth-of-too-much", test_growth_of_too_much);
#undef ADD
#define ADD(name, data, func)                                                                      \
    g_test_add("/uploader/growth-" name, Fixture, data, set_up, func, tear_down)
    ADD("while-store-cannot-be-opened", NULL, test_growth_while_store_cannot_be_opened);
    ADD("while-store-cannot-be-opened-but-another", GINT_TO_POINTER(1),
        test_growth_while_store_cannot_be_opened);
    ADD("interrupted", "another text of another length", test_growth_interrupted);
    ADD("interrupted-same-size", "0123456789ABCDEFGHIJabcdefghij=====", test_growth_interrupted);
    ADD("interrupted-for-nothing", NULL, test_growth_interrupted);
#undef ADD
    return g_test_run();
}
