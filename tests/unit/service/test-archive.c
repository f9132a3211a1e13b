#include "service/archive.h"

#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"

/* The archive, and the state on the disk that it is kept in. */

#define HOUR_NS (3600 * EG_NS_PER_S)

typedef struct {
    char *root;
    EgLoop *loop;
    EgArchive *archive;
} Fixture;

static void open_archive(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    f->archive = eg_archive_new(f->loop, f->root, &error);
    g_assert_no_error(error);
    eg_loop_iterate(f->loop, false); /* it sweeps once the loop runs */
}

static void make(Fixture *f, gconstpointer unused)
{
    (void)unused;
    f->root = g_dir_make_tmp("egress-test-XXXXXX", NULL);
    f->loop = eg_loop_new();
    open_archive(f);
}

static void remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);
        remove_tree(child);
    }
    g_remove(path);
}

static void clear(Fixture *f, gconstpointer unused)
{
    (void)unused;
    eg_archive_free(f->archive);
    eg_loop_free(f->loop);
    remove_tree(f->root);
    g_free(f->root);
}

/* As a service that ends, or crashes, and is started again. */
static void reopen(Fixture *f)
{
    eg_archive_free(f->archive);
    open_archive(f);
}

static void put(Fixture *f, const char *id, const char *room, Livekit__EgressStatus status,
                gint64 ended_ago_ns)
{
    g_autoptr(GError) error = NULL;
    static gint64 started_ns = 1;
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = (char *)id;
    info.room_name = (char *)room;
    info.status = status;
    info.started_at = started_ns++;
    info.ended_at = ended_ago_ns >= 0 ? eg_wall_now_ns() - ended_ago_ns : 0;
    g_assert_true(eg_archive_put(f->archive, &info, &error));
    g_assert_no_error(error);
}

#define RUNNING  LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE
#define COMPLETE LIVEKIT__EGRESS_STATUS__EGRESS_COMPLETE

/* Ids with spaces between. */
static void assert_lists(const Fixture *f, const char *room, const char *id, bool is_active,
                         const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) ids = g_string_new(NULL);
    Livekit__ListEgressRequest request = LIVEKIT__LIST_EGRESS_REQUEST__INIT;
    request.room_name = (char *)room;
    request.egress_id = (char *)id;
    request.active = is_active;
    Livekit__ListEgressResponse *response = eg_archive_list(f->archive, &request, &error);
    g_assert_no_error(error);
    g_assert_null(response->next_page_token);
    for (gsize i = 0; i < response->n_items; i++)
        g_string_append_printf(ids, "%s%s", i > 0 ? " " : "", response->items[i]->egress_id);
    livekit__list_egress_response__free_unpacked(response, NULL);
    g_assert_cmpstr(ids->str, ==, expected);
}

static void test_list(Fixture *f, gconstpointer unused)
{
    (void)unused;
    put(f, "EG_1", "one", COMPLETE, 0);
    put(f, "EG_2", "other", RUNNING, -1);
    put(f, "EG_3", "one", RUNNING, -1);
    put(f, "EG_4", "one", LIVEKIT__EGRESS_STATUS__EGRESS_ENDING, -1);
    for (int i = 0; i < 2; i++) {
        assert_lists(f, "", "", false, "EG_4 EG_3 EG_2 EG_1");
        assert_lists(f, "one", "", false, "EG_4 EG_3 EG_1");
        assert_lists(f, "one", "", true, "EG_4 EG_3");
        assert_lists(f, "", "", true, "EG_4 EG_3 EG_2");
        assert_lists(f, "none", "", false, "");
        assert_lists(f, "", "EG_2", false, "EG_2");
        assert_lists(f, "", "EG_1", true, "");
        assert_lists(f, "other", "EG_1", false, "");
        reopen(f);
    }
    g_assert_null(eg_archive_find(f->archive, "EG_5"));
    g_assert_cmpint((int)eg_archive_find(f->archive, "EG_1")->status, ==, COMPLETE);
}

static void test_unknown(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    Livekit__ListEgressRequest request = LIVEKIT__LIST_EGRESS_REQUEST__INIT;
    request.egress_id = (char *)"EG_x";
    g_assert_null(eg_archive_list(f->archive, &request, &error));
    g_assert_cmpint((int)eg_error_code(error), ==, EG_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==, "egress does not exist");

    g_clear_error(&error);
    Livekit__TokenPagination token = LIVEKIT__TOKEN_PAGINATION__INIT;
    token.token = (char *)"EG_x";
    request.egress_id = (char *)"";
    request.page_token = &token;
    g_assert_null(eg_archive_list(f->archive, &request, &error));
    g_assert_cmpint((int)eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
}

static void test_update(Fixture *f, gconstpointer unused)
{
    (void)unused;
    put(f, "EG_1", "one", RUNNING, -1);
    put(f, "EG_2", "one", RUNNING, -1);
    put(f, "EG_1", "one", COMPLETE, 0);
    assert_lists(f, "", "", false, "EG_2 EG_1"); /* in its place */
    assert_lists(f, "", "", true, "EG_2");
}

/* One that ended a day ago is forgotten; one that runs for longer is not. */
static void test_forgets(Fixture *f, gconstpointer unused)
{
    (void)unused;
    put(f, "EG_1", "one", RUNNING, -1);
    put(f, "EG_2", "one", COMPLETE, 23 * HOUR_NS);
    put(f, "EG_3", "one", COMPLETE, 25 * HOUR_NS);
    put(f, "EG_4", "one", LIVEKIT__EGRESS_STATUS__EGRESS_FAILED, 25 * HOUR_NS);
    reopen(f);
    assert_lists(f, "", "", false, "EG_2 EG_1");
    reopen(f);
    assert_lists(f, "", "", false, "EG_2 EG_1");
}

static void test_pages(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *token_text = g_strdup("");
    guint n_pages = 0;
    for (int i = 0; i < 1100; i++) {
        g_autofree char *id = g_strdup_printf("EG_%d", i);
        put(f, id, i % 10 == 0 ? "other" : "one", RUNNING, -1);
    }
    do {
        Livekit__ListEgressRequest request = LIVEKIT__LIST_EGRESS_REQUEST__INIT;
        Livekit__TokenPagination token = LIVEKIT__TOKEN_PAGINATION__INIT;
        token.token = token_text;
        request.page_token = &token;
        Livekit__ListEgressResponse *response = eg_archive_list(f->archive, &request, NULL);
        for (gsize i = 0; i < response->n_items; i++)
            g_assert_true(g_hash_table_add(seen, g_strdup(response->items[i]->egress_id)));
        g_free(token_text);
        token_text =
            g_strdup(response->next_page_token != NULL ? response->next_page_token->token : "");
        livekit__list_egress_response__free_unpacked(response, NULL);
        n_pages++;
    } while (*token_text != '\0');
    g_assert_cmpuint(n_pages, ==, 2);
    g_assert_cmpuint(g_hash_table_size(seen), ==, 1100);
}

/* A file that a failing disk has damaged hides nothing else. */
static void test_broken_file(Fixture *f, gconstpointer unused)
{
    (void)unused;
    put(f, "EG_1", "one", RUNNING, -1);
    put(f, "EG_2", "one", RUNNING, -1);
    g_autofree char *path = g_build_filename(f->root, "archive", "worker-1", "EG_1.egress", NULL);
    g_assert_true(g_file_set_contents(path, "\xff\xff", 2, NULL));
    reopen(f);
    assert_lists(f, "", "", false, "EG_2");
    reopen(f);
    assert_lists(f, "", "", false, "EG_2");
}

/* Two services never share what they keep; what one has left belongs to the next. */
static void test_two_services(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    put(f, "EG_1", "one", COMPLETE, 0);
    Fixture other = {.root = f->root, .loop = f->loop};
    open_archive(&other);
    put(&other, "EG_2", "one", COMPLETE, 0);
    assert_lists(&other, "", "", false, "EG_2");
    assert_lists(f, "", "", false, "EG_1");
    eg_archive_free(other.archive);
    reopen(f);
    assert_lists(f, "", "", false, "EG_2 EG_1");
    reopen(f);
    assert_lists(f, "", "", false, "EG_2 EG_1");
}

/* What cannot be written is an error, and is known all the same. */
static void test_disk_fails(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GError) error = NULL;
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = (char *)"EG_1";
    g_autofree char *folder = g_build_filename(f->root, "archive", NULL);
    remove_tree(folder);
    g_assert_false(eg_archive_put(f->archive, &info, &error));
    g_assert_nonnull(error);
    assert_lists(f, "", "", false, "EG_1");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/archive/list", Fixture, NULL, make, test_list, clear);
    g_test_add("/archive/unknown", Fixture, NULL, make, test_unknown, clear);
    g_test_add("/archive/update", Fixture, NULL, make, test_update, clear);
    g_test_add("/archive/forgets", Fixture, NULL, make, test_forgets, clear);
    g_test_add("/archive/pages", Fixture, NULL, make, test_pages, clear);
    g_test_add("/archive/broken-file", Fixture, NULL, make, test_broken_file, clear);
    g_test_add("/archive/two-services", Fixture, NULL, make, test_two_services, clear);
    g_test_add("/archive/disk-fails", Fixture, NULL, make, test_disk_fails, clear);
    return g_test_run();
}
