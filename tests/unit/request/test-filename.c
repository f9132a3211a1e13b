#include "request/filename.h"

#include <limits.h>
#include <string.h>

#include "base/error.h"

/* 2024-02-03 04:05:06.078 UTC */
#define WALL_NS G_GINT64_CONSTANT(1706933106078000000)

static const EgFilenameFacts facts = {
    .room_name = "standup",
    .room_id = "RM_1",
    .publisher_identity = "alice",
    .track_id = "TR_2",
    .track_type = "video",
    .track_source = "camera",
    .subject = "alice",
    .wall_ns = WALL_NS,
};

static void test_expand(void)
{
    static const struct {
        const char *template;
        EgFormat format;
        const char *path;
    } cases[] = {
        {"out.mp4",                     EG_FORMAT_MP4,  "out.mp4"                        },
        {"out",                         EG_FORMAT_MP4,  "out.mp4"                        },
        {"OUT.MP4",                     EG_FORMAT_MP4,  "OUT.MP4"                        },
        {"out.ogg",                     EG_FORMAT_MP4,  "out.mp4"                        },
        {"out.m3u8",                    EG_FORMAT_WEBM, "out.webm"                       },
        {"v1.2",                        EG_FORMAT_OGG,  "v1.2.ogg"                       },
        {"out.mkv",                     EG_FORMAT_MP4,  "out.mkv.mp4"                    },
        {"/{room_name}/{retry}",        EG_FORMAT_MP4,  "/standup/0.mp4"                 },
        {"{room_id}-{track_id}",        EG_FORMAT_WEBM, "RM_1-TR_2.webm"                 },
        {"{track_type}-{track_source}", EG_FORMAT_WEBM, "video-camera.webm"              },
        {"{publisher_identity}",        EG_FORMAT_MP4,  "alice.mp4"                      },
        {"{time}",                      EG_FORMAT_MP4,  "2024-02-03T040506.mp4"          },
        {"{utc}",                       EG_FORMAT_MP4,  "20240203040506078.mp4"          },
        {"x-{retry}",                   EG_FORMAT_MP3,  "x-0.mp3"                        },
        {"",                            EG_FORMAT_MP4,  "alice-2024-02-03T040506.mp4"    },
        {"rec/",                        EG_FORMAT_OGG,  "rec/alice-2024-02-03T040506.ogg"},
        {"/",                           EG_FORMAT_OGG,  "/alice-2024-02-03T040506.ogg"   },
        {"./a//b/./c",                  EG_FORMAT_MP4,  "a/b/c.mp4"                      },
        {"..a/b..",                     EG_FORMAT_MP4,  "..a/b...mp4"                    },
        {"{{room_name}}",               EG_FORMAT_MP4,  "{standup}.mp4"                  },
        {"{}{A}{a b}{",                 EG_FORMAT_MP4,  "{}{A}{a b}{.mp4"                },
        {"{room_name",                  EG_FORMAT_MP4,  "{room_name.mp4"                 },
        {"caf\xc3\xa9",                 EG_FORMAT_MP4,  "caf\xc3\xa9.mp4"                },
        {"~/x %s",                      EG_FORMAT_MP4,  "~/x %s.mp4"                     },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path =
            eg_filename_expand(cases[i].template, cases[i].format, &facts, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(path, ==, cases[i].path);
    }
}

static void test_refused(void)
{
    g_autofree char *long_name = g_strnfill(NAME_MAX, 'x');
    g_autofree char *deep = g_strnfill(PATH_MAX, '/');
    const struct {
        const char *template;
        const char *text;
    } cases[] = {
        {"../x",                  "may not contain .."                                         },
        {"a/../b",                "may not contain .."                                         },
        {"a/..",                  "may not contain .."                                         },
        {"a\nb",                  "control characters"                                         },
        {"a\x7f",                 "control characters"                                         },
        {"\xff.mp4",              "not UTF-8"                                                  },
        {"{room}.mp4",            "unknown placeholder {room}; there are {room_name} {room_id}"},
        {"{room_name}/{session}", "unknown placeholder {session}"                              },
        {long_name,               "name that is too long"                                      },
        {deep,                    "too long"                                                   },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(eg_filename_check(cases[i].template, &error));
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, cases[i].text));
        g_assert_true(
            g_str_has_prefix(error->message, "request has missing or invalid field: filepath ("));
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);

        g_autoptr(GError) again = NULL;
        g_assert_null(eg_filename_expand(cases[i].template, EG_FORMAT_MP4, &facts, &again));
        g_assert_cmpstr(again->message, ==, error->message);
    }
}

/* Room names and identities are chosen by strangers. */
static void test_hostile_facts(void)
{
    static const struct {
        const char *template;
        const char *room_name;
        const char *path;
    } cases[] = {
        {"rec/{room_name}/x.mp4",            "../../etc",   "rec/____etc/x.mp4"            },
        {"rec/{room_name}/x.mp4",            "..",          "rec/_/x.mp4"                  },
        {"rec/{room_name}/x.mp4",            ".",           "rec/_/x.mp4"                  },
        {"rec/{room_name}/x.mp4",            "",            "rec/_/x.mp4"                  },
        {"{room_name}/x.mp4",                "",            "_/x.mp4"                      },
        {"{room_name}/x.mp4",                NULL,          "_/x.mp4"                      },
        {"rec/.{room_name}/x.mp4",           ".",           "rec/_/x.mp4"                  },
        {"rec/{room_name}{room_name}/x.mp4", ".",           "rec/_/x.mp4"                  },
        {"rec/{room_name}",                  "..",          "rec/_.mp4"                    },
        {"{room_name}",                      "/",           "_.mp4"                        },
        {"{room_name}",                      "a\nb\x1b[2J", "a_b_[2J.mp4"                  },
        {"{room_name}",                      "{time}",      "{time}.mp4"                   },
        {"{room_name}",                      "\xffx",       "\xef\xbf\xbdx.mp4"            },
        {"{room_name}",                      "x.mp4",       "x.mp4"                        },
        {"{room_name}/",                     "a/b",         "a_b/a_b-2024-02-03T040506.mp4"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgFilenameFacts hostile = {.room_name = cases[i].room_name, .wall_ns = WALL_NS};
        g_autoptr(GError) error = NULL;
        g_autofree char *path =
            eg_filename_expand(cases[i].template, EG_FORMAT_MP4, &hostile, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(path, ==, cases[i].path);
    }
}

static void test_long_facts(void)
{
    /* Three bytes a letter: the cut must not go through one. */
    GString *name = g_string_new(NULL);
    for (int i = 0; i < 200; i++)
        g_string_append(name, "\xe2\x82\xac");
    EgFilenameFacts long_facts = {.room_name = name->str, .wall_ns = WALL_NS};
    static const char *const templates[] = {
        "",
        "{room_name}",
        "{room_name}-{room_name}-{room_name}/{room_name}",
        "{room_name}{room_name}{room_name}{room_name}{room_name}{room_name}{room_name}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(templates); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *path =
            eg_filename_expand(templates[i], EG_FORMAT_MP4, &long_facts, &error);
        g_assert_no_error(error);
        g_assert_true(g_utf8_validate(path, -1, NULL));
        g_assert_true(g_str_has_suffix(path, ".mp4"));
        g_auto(GStrv) elements = g_strsplit(path, "/", -1);
        for (char **element = elements; *element != NULL; element++)
            g_assert_cmpuint(strlen(*element), <, NAME_MAX);
    }

    /* Too much even when all is cut short. */
    g_autoptr(GString) template = g_string_new(NULL);
    for (int i = 0; i < 40; i++)
        g_string_append(template, "{room_name}");
    g_autoptr(GError) error = NULL;
    g_assert_null(eg_filename_expand(template->str, EG_FORMAT_MP4, &long_facts, &error));
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
    g_string_free(name, TRUE);
}

static void test_retry(void)
{
    EgFilenameFacts second = facts;
    second.retry_count = 2;
    g_autofree char *named = eg_filename_expand("x-{retry}.mp4", EG_FORMAT_MP4, &second, NULL);
    g_assert_cmpstr(named, ==, "x-2.mp4");
    g_autofree char *made_up = eg_filename_expand("rec/", EG_FORMAT_MP4, &second, NULL);
    g_assert_cmpstr(made_up, ==, "rec/alice-2024-02-03T040506-2.mp4");
}

/* A made-up name begins with the subject, or with the most particular fact. */
static void test_subject(void)
{
    static const struct {
        const char *subject;
        const char *track_id;
        const char *identity;
        const char *room_name;
        const char *path;
    } cases[] = {
        {"s",  "t",  "i",  "r",  "s-2024-02-03T040506.mp4"        },
        {NULL, "t",  "i",  "r",  "t-2024-02-03T040506.mp4"        },
        {NULL, NULL, "i",  "r",  "i-2024-02-03T040506.mp4"        },
        {"",   NULL, NULL, "r",  "r-2024-02-03T040506.mp4"        },
        {NULL, NULL, NULL, NULL, "recording-2024-02-03T040506.mp4"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgFilenameFacts some = {.subject = cases[i].subject,
                                .track_id = cases[i].track_id,
                                .publisher_identity = cases[i].identity,
                                .room_name = cases[i].room_name,
                                .wall_ns = WALL_NS};
        g_autofree char *path = eg_filename_expand("", EG_FORMAT_MP4, &some, NULL);
        g_assert_cmpstr(path, ==, cases[i].path);
    }
}

static void test_known(void)
{
    const EgFilenameFacts early = {.room_name = "r", .publisher_identity = "i"};
    static const struct {
        const char *template;
        bool is_known;
        const char *folder;
    } cases[] = {
        {"out.mp4",                  true,  "."   },
        {"/out.mp4",                 true,  "/"   },
        {"rec/out.mp4",              true,  "rec" },
        {"/a/b//{room_name}/x",      true,  "/a/b"},
        {"a/x-{publisher_identity}", true,  "a"   },
        {"x-{retry}",                true,  "."   },
        {"x-{time}",                 false, "."   },
        {"{track_id}/x",             false, "."   },
        {"",                         false, "."   },
        {"rec/",                     false, "rec" },
        {"{odd}/x",                  false, "."   },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].template);
        g_assert_cmpint(eg_filename_is_known(cases[i].template, &early), ==, cases[i].is_known);
        g_autofree char *folder = eg_filename_fixed_folder(cases[i].template);
        g_assert_cmpstr(folder, ==, cases[i].folder);
        g_assert_true(eg_filename_is_known(cases[i].template, &facts) ||
                      strcmp(cases[i].template, "{odd}/x") == 0);
    }
}

static void test_renamed(void)
{
    static const struct {
        const char *template;
        EgFormat format;
        bool is_renamed;
    } cases[] = {
        {"x.mp4",       EG_FORMAT_OGG, true },
        {"a/x.m3u8",    EG_FORMAT_MP4, true },
        {"{time}.WebM", EG_FORMAT_MP4, true },
        {"x.mp4",       EG_FORMAT_MP4, false},
        {"x.MP4",       EG_FORMAT_MP4, false},
        {"x.avi",       EG_FORMAT_MP4, false},
        {"x",           EG_FORMAT_MP4, false},
        {"a.ogg/x",     EG_FORMAT_MP4, false},
        {"a.ogg/",      EG_FORMAT_MP4, false},
        {"",            EG_FORMAT_MP4, false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].template);
        g_assert_cmpint(eg_filename_is_renamed(cases[i].template, cases[i].format), ==,
                        cases[i].is_renamed);
    }
}

int main(int argc, char **argv)
{
    g_setenv("TZ", "UTC", TRUE);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/filename/expand", test_expand);
    g_test_add_func("/request/filename/refused", test_refused);
    g_test_add_func("/request/filename/hostile-facts", test_hostile_facts);
    g_test_add_func("/request/filename/long-facts", test_long_facts);
    g_test_add_func("/request/filename/retry", test_retry);
    g_test_add_func("/request/filename/subject", test_subject);
    g_test_add_func("/request/filename/known", test_known);
    g_test_add_func("/request/filename/renamed", test_renamed);
    return g_test_run();
}
