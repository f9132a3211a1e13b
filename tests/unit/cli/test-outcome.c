#include "cli/outcome.h"

#include "base/error.h"

static void test_exit(void)
{
    static const struct {
        EgErrorCode code;
        EgBlame blame;
        EgExit early;
        EgExit late; /* after the recording had begun */
    } cases[] = {
        // clang-format off
        {EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, EG_EXIT_USAGE, EG_EXIT_FAILED},
        {EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST, EG_EXIT_USAGE, EG_EXIT_FAILED},
        {EG_ERROR_UNIMPLEMENTED, EG_BLAME_REQUEST, EG_EXIT_USAGE, EG_EXIT_FAILED},
        {EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST, EG_EXIT_ROOM, EG_EXIT_FAILED},
        {EG_ERROR_PERMISSION_DENIED, EG_BLAME_REQUEST, EG_EXIT_ROOM, EG_EXIT_FAILED},
        {EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE, EG_EXIT_ROOM, EG_EXIT_FAILED},
        {EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_SERVICE, EG_EXIT_ROOM, EG_EXIT_FAILED},
        {EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, EG_EXIT_NOT_FOUND, EG_EXIT_FAILED},
        {EG_ERROR_NOT_FOUND, EG_BLAME_DESTINATION, EG_EXIT_DESTINATION, EG_EXIT_DESTINATION},
        {EG_ERROR_PERMISSION_DENIED, EG_BLAME_DESTINATION, EG_EXIT_DESTINATION,
         EG_EXIT_DESTINATION},
        {EG_ERROR_RESOURCE_EXHAUSTED, EG_BLAME_DESTINATION, EG_EXIT_DESTINATION,
         EG_EXIT_DESTINATION},
        {EG_ERROR_ALREADY_EXISTS, EG_BLAME_DESTINATION, EG_EXIT_DESTINATION, EG_EXIT_DESTINATION},
        {EG_ERROR_CANCELED, EG_BLAME_REQUEST, EG_EXIT_GIVEN_UP, EG_EXIT_GIVEN_UP},
        {EG_ERROR_INTERNAL, EG_BLAME_SERVICE, EG_EXIT_FAILED, EG_EXIT_FAILED},
        {EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, EG_EXIT_FAILED, EG_EXIT_FAILED},
    };
    // clang-format on
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_autoptr(GError) error = NULL;
        eg_error_set(&error, cases[i].code, cases[i].blame, "x");
        g_assert_cmpint(eg_exit_for_error(error, false), ==, cases[i].early);
        g_assert_cmpint(eg_exit_for_error(error, true), ==, cases[i].late);
    }
    g_assert_cmpint(eg_exit_for_error(NULL, false), ==, EG_EXIT_FINISHED);
    g_assert_cmpint(eg_exit_for_error(NULL, true), ==, EG_EXIT_FINISHED);
}

static void test_line(void)
{
    static const struct {
        const char *message;
        const char *line;
    } cases[] = {
        // clang-format off
        {"participant bob not found", "egress: participant bob not found"},
        {"cannot write x.mp4: it exists",
         "egress: cannot write x.mp4: it exists; --overwrite replaces it"},
        {"two\nlines \x1b[31m", "egress: two?lines ?[31m"},
        {"request has missing or invalid field: room_name",
         "egress: request has missing or invalid field: room_name: see --room"},
        {"request has missing or invalid field: width (1; it must be even)",
         "egress: request has missing or invalid field: width (1; it must be even): see --width"},
        {"request has missing or invalid field: track_id",
         "egress: request has missing or invalid field: track_id: see --track"},
        {"request has missing or invalid field: token (it is not a JWT)",
         "egress: request has missing or invalid field: token (it is not a JWT): see --token"},
        {"request has missing or invalid field: widths",
         "egress: request has missing or invalid field: widths"},
    };
    // clang-format on
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s", cases[i].message);
        g_autofree char *line = eg_error_line(error);
        g_assert_cmpstr(line, ==, cases[i].line);
    }
}

static void test_printable(void)
{
    static const struct {
        const char *text;
        const char *printable;
    } cases[] = {
        {"caf\xc3\xa9 \xe6\x97\xa5", "caf\xc3\xa9 \xe6\x97\xa5"},
        {"a\tb\x7f\x01", "a?b??"},
        {"\xc2\x9b"
         "31m",
         "?31m"},
        {"\xff", "\xef\xbf\xbd"},
        {"", ""},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *printable = eg_printable(cases[i].text);
        g_assert_cmpstr(printable, ==, cases[i].printable);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/outcome/exit", test_exit);
    g_test_add_func("/cli/outcome/line", test_line);
    g_test_add_func("/cli/outcome/printable", test_printable);
    return g_test_run();
}
