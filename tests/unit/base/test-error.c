#include "base/error.h"

#include <errno.h>
#include <string.h>

static void test_set(void)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "participant %s not found", "bob");
    g_assert_error(error, EG_ERROR, EG_ERROR_NOT_FOUND);
    g_assert_cmpstr(error->message, ==, "participant bob not found");
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_NOT_FOUND);
    g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
    g_assert_false(eg_error_is_retryable(error));

    /* Nobody wants to know. */
    eg_error_set(NULL, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "x");
}

static void test_retryable(void)
{
    g_autoptr(GError) error = NULL;
    eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE, "later");
    g_assert_true(eg_error_is_retryable(error));

    /* What was said about an error goes with its copies, also with a prefix. */
    g_autoptr(GError) copy = g_error_copy(error);
    g_prefix_error(&copy, "upload: ");
    g_assert_cmpstr(copy->message, ==, "upload: later");
    g_assert_cmpint(eg_error_code(copy), ==, EG_ERROR_UNAVAILABLE);
    g_assert_cmpint(eg_error_blame(copy), ==, EG_BLAME_SERVICE);
    g_assert_true(eg_error_is_retryable(copy));

    g_autoptr(GError) outer = NULL;
    g_propagate_error(&outer, g_steal_pointer(&copy));
    g_assert_true(eg_error_is_retryable(outer));
}

static void test_foreign(void)
{
    g_autoptr(GError) error = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOENT, "x");
    g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INTERNAL);
    g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_SERVICE);
    g_assert_false(eg_error_is_retryable(error));

    g_assert_cmpint(eg_error_code(NULL), ==, EG_ERROR_NONE);
    g_assert_cmpint(eg_error_blame(NULL), ==, EG_BLAME_NONE);
    g_assert_false(eg_error_is_retryable(NULL));
}

/* The names and numbers go on the wire. */
static void test_codes(void)
{
    static const struct {
        EgErrorCode code;
        const char *name;
        int http_status;
    } cases[] = {
        {EG_ERROR_NONE,                 "",                     0  },
        {EG_ERROR_CANCELED,             "canceled",             503},
        {EG_ERROR_INVALID_ARGUMENT,     "invalid_argument",     400},
        {EG_ERROR_NOT_FOUND,            "not_found",            404},
        {EG_ERROR_ALREADY_EXISTS,       "already_exists",       409},
        {EG_ERROR_PERMISSION_DENIED,    "permission_denied",    403},
        {EG_ERROR_UNAUTHENTICATED,      "unauthenticated",      401},
        {EG_ERROR_RESOURCE_EXHAUSTED,   "resource_exhausted",   429},
        {EG_ERROR_FAILED_PRECONDITION,  "failed_precondition",  412},
        {EG_ERROR_ABORTED,              "aborted",              409},
        {EG_ERROR_UNIMPLEMENTED,        "unimplemented",        501},
        {EG_ERROR_UNAVAILABLE,          "unavailable",          503},
        {EG_ERROR_DEADLINE_EXCEEDED,    "deadline_exceeded",    503},
        {EG_ERROR_DATA_LOSS,            "data_loss",            500},
        {EG_ERROR_INTERNAL,             "internal",             500},
        {EG_ERROR_MALFORMED_REQUEST,    "malformed_request",    400},
        {EG_ERROR_MALFORMED_RESULT,     "malformed_result",     500},
        {EG_ERROR_NOT_ACCEPTABLE,       "not_acceptable",       406},
        {EG_ERROR_OUT_OF_RANGE,         "out_of_range",         416},
        {EG_ERROR_UNPROCESSABLE_ENTITY, "unprocessable_entity", 422},
        {EG_ERROR_UNKNOWN,              "unknown",              0  },
    };
    g_assert_cmpuint(G_N_ELEMENTS(cases), ==, EG_N_ERRORS);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpstr(eg_error_code_name(cases[i].code), ==, cases[i].name);
        g_assert_cmpint(eg_error_http_status(cases[i].code), ==, cases[i].http_status);
        const EgErrorCode read = eg_error_code_from_name(cases[i].name);
        g_assert_cmpint(read, ==,
                        cases[i].code == EG_ERROR_NONE ? EG_ERROR_UNKNOWN : cases[i].code);
    }
    g_assert_cmpint(eg_error_code_from_name("upstream_server_error"), ==, EG_ERROR_UNKNOWN);
}

static void test_errno(void)
{
    static const struct {
        int errnum;
        EgErrorCode code;
    } cases[] = {
        {EACCES,       EG_ERROR_PERMISSION_DENIED },
        {EROFS,        EG_ERROR_PERMISSION_DENIED },
        {ENOENT,       EG_ERROR_NOT_FOUND         },
        {ENOTDIR,      EG_ERROR_NOT_FOUND         },
        {EEXIST,       EG_ERROR_ALREADY_EXISTS    },
        {EISDIR,       EG_ERROR_ALREADY_EXISTS    },
        {ENOSPC,       EG_ERROR_RESOURCE_EXHAUSTED},
        {EDQUOT,       EG_ERROR_RESOURCE_EXHAUSTED},
        {ENAMETOOLONG, EG_ERROR_INVALID_ARGUMENT  },
        {EIO,          EG_ERROR_INTERNAL          },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        eg_error_set_errno(&error, cases[i].errnum, "write", "/rec/x.mp4");
        g_assert_cmpint(eg_error_code(error), ==, cases[i].code);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_DESTINATION);
        g_autofree char *text =
            g_strdup_printf("cannot write /rec/x.mp4: %s", g_strerror(cases[i].errnum));
        g_assert_cmpstr(error->message, ==, text);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/error/set", test_set);
    g_test_add_func("/base/error/retryable", test_retryable);
    g_test_add_func("/base/error/foreign", test_foreign);
    g_test_add_func("/base/error/codes", test_codes);
    g_test_add_func("/base/error/errno", test_errno);
    return g_test_run();
}
