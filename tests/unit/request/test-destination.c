#include "request/destination.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

typedef struct {
    char *folder;
    char *start; /* where the test began */
} Fixture;

static void make(const char *path)
{
    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
}

static void set_up(Fixture *f, gconstpointer user)
{
    (void)user;
    g_autoptr(GError) error = NULL;
    f->start = g_get_current_dir();
    f->folder = g_dir_make_tmp("egress-test-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chdir(f->folder), ==, 0);
    make("there.mp4");
    make("a.ogg");
    g_assert_cmpint(g_mkdir("rec", 0755), ==, 0);
    g_assert_cmpint(g_mkdir("sub.mp4", 0755), ==, 0);
    g_assert_cmpint(mkfifo("pipe.mp4", 0600), ==, 0);
    make("rec/alice.mp4");
}

static void tear_down(Fixture *f, gconstpointer user)
{
    (void)user;
    static const char *const paths[] = {"rec/alice.mp4", "rec",   "sub.mp4",
                                        "there.mp4",     "a.ogg", "pipe.mp4"};
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++)
        g_assert_cmpint(g_remove(paths[i]), ==, 0);
    g_assert_cmpint(g_chdir(f->start), ==, 0);
    g_assert_cmpint(g_rmdir(f->folder), ==, 0);
    g_free(f->folder);
    g_free(f->start);
}

static bool check(const char *template, EgFormat format, EgDestinationRule rule, GError **error)
{
    EgOutput output = {
        .kind = EG_OUTPUT_FILE,
        .format = format,
        .path_template = (char *)(guintptr) template,
    };
    EgPlan plan = {
        .room_name = (char *)(guintptr) "standup",
        .outputs = &output,
        .n_outputs = 1,
    };
    eg_selection_init(&plan.selection);
    plan.selection.identity = g_strdup("alice");
    bool is_good = eg_destination_check(&plan, rule, error);
    eg_selection_clear(&plan.selection);
    return is_good;
}

static void test_good(Fixture *f, gconstpointer user)
{
    (void)user;
    g_autofree char *absolute = g_build_filename(f->folder, "x.mp4", NULL);
    const struct {
        const char *template;
        EgFormat format;
        EgDestinationRule rule;
    } cases[] = {
        {"new.mp4",                      EG_FORMAT_MP4,  EG_DESTINATION_NEW},
        {absolute,                       EG_FORMAT_MP4,  EG_DESTINATION_NEW},
        {"there.mp4",                    EG_FORMAT_MP4,  EG_DESTINATION_ANY},
        {"there.mp4",                    EG_FORMAT_WEBM, EG_DESTINATION_NEW},
        {"new",                          EG_FORMAT_NONE, EG_DESTINATION_NEW},
        {"",                             EG_FORMAT_MP4,  EG_DESTINATION_NEW},
        {"rec/",                         EG_FORMAT_MP4,  EG_DESTINATION_NEW},
        {"rec/{room_name}/x",            EG_FORMAT_MP4,  EG_DESTINATION_NEW},
        {"there-{time}.mp4",             EG_FORMAT_MP4,  EG_DESTINATION_NEW},
        {"rec/{publisher_identity}.ogg", EG_FORMAT_OGG,  EG_DESTINATION_NEW},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].template);
        g_autoptr(GError) error = NULL;
        g_assert_true(check(cases[i].template, cases[i].format, cases[i].rule, &error));
        g_assert_no_error(error);
    }
}

static void test_refused(Fixture *f, gconstpointer user)
{
    (void)f;
    (void)user;
    static const struct {
        const char *template;
        EgFormat format;
        EgErrorCode code;
        const char *text;
    } cases[] = {
  // clang-format off
        {"there.mp4", EG_FORMAT_MP4, EG_ERROR_ALREADY_EXISTS, "cannot write there.mp4: it exists"},
        {"there.ogg", EG_FORMAT_MP4, EG_ERROR_ALREADY_EXISTS, "cannot write there.mp4: it exists"},
        {"rec/{publisher_identity}", EG_FORMAT_MP4, EG_ERROR_ALREADY_EXISTS,
         "cannot write rec/alice.mp4: it exists"},
        /* whichever format the codecs will choose */
        {"a", EG_FORMAT_NONE, EG_ERROR_ALREADY_EXISTS, "cannot write a.ogg: it exists"},
        {"sub.mp4", EG_FORMAT_MP4, EG_ERROR_ALREADY_EXISTS,
         "cannot write sub.mp4: it is a directory"},
        {"pipe.mp4", EG_FORMAT_MP4, EG_ERROR_ALREADY_EXISTS,
         "cannot write pipe.mp4: it is no ordinary file"},
        {"rec", EG_FORMAT_MP4, EG_ERROR_ALREADY_EXISTS, "cannot write rec: it is a directory"},
        {"missing/x.mp4", EG_FORMAT_MP4, EG_ERROR_NOT_FOUND,
         "cannot write into missing: No such file or directory"},
        {"missing/", EG_FORMAT_MP4, EG_ERROR_NOT_FOUND, "cannot write into missing:"},
        {"missing/{time}/x.mp4", EG_FORMAT_MP4, EG_ERROR_NOT_FOUND, "cannot write into missing:"},
        {"there.mp4/x.mp4", EG_FORMAT_MP4, EG_ERROR_NOT_FOUND,
         "cannot write into there.mp4: Not a directory"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(check(cases[i].template, cases[i].format, EG_DESTINATION_NEW, &error));
        g_test_message("%s", error->message);
        g_assert_true(g_str_has_prefix(error->message, cases[i].text));
        g_assert_cmpint(eg_error_code(error), ==, cases[i].code);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_DESTINATION);
    }
}

/* The service makes the folders that a request names. */
static void test_missing_folders(Fixture *f, gconstpointer user)
{
    (void)f;
    (void)user;
    static const char *const good[] = {"missing/x.mp4", "missing/", "missing/{time}/x.mp4",
                                       "rec/a/b/c/x.mp4"};
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(check(good[i], EG_FORMAT_MP4, EG_DESTINATION_MAY_MAKE_FOLDERS, &error));
        g_assert_no_error(error);
    }
    g_assert_false(g_file_test("missing", G_FILE_TEST_EXISTS));
    g_autoptr(GError) error = NULL;
    g_assert_false(
        check("there.mp4/x.mp4", EG_FORMAT_MP4, EG_DESTINATION_MAY_MAKE_FOLDERS, &error));
    g_assert_cmpstr(error->message, ==, "cannot write into there.mp4: Not a directory");
}

/* Root may write everywhere: for this one check the test is somebody else. */
static void test_read_only(Fixture *f, gconstpointer user)
{
    (void)user;
    g_assert_cmpint(g_chmod(f->folder, 0755), ==, 0);
    g_assert_cmpint(g_chmod("rec", 0555), ==, 0);
    bool is_root = geteuid() == 0;
    if (is_root)
        g_assert_cmpint(seteuid(65534), ==, 0);
    g_autoptr(GError) error = NULL;
    bool is_good = check("rec/x.mp4", EG_FORMAT_MP4, EG_DESTINATION_NEW, &error);
    if (is_root)
        g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_cmpint(g_chmod("rec", 0755), ==, 0);

    g_assert_false(is_good);
    g_assert_cmpstr(error->message, ==, "cannot write into rec: Permission denied");
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_PERMISSION_DENIED);
    g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_DESTINATION);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/request/destination/good", Fixture, NULL, set_up, test_good, tear_down);
    g_test_add("/request/destination/refused", Fixture, NULL, set_up, test_refused, tear_down);
    g_test_add("/request/destination/missing-folders", Fixture, NULL, set_up, test_missing_folders,
               tear_down);
    g_test_add("/request/destination/read-only", Fixture, NULL, set_up, test_read_only, tear_down);
    return g_test_run();
}
