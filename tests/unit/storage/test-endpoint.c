#include "base/error.h"
#include "storage/endpoint.h"

#include <string.h>

static void test_parts(void)
{
    static const struct {
        const char *text;
        const char *scheme;
        const char *authority;
        const char *path;
        bool is_address;
    } cases[] = {
        {"oss-eu-central-1.aliyuncs.com", "https", "oss-eu-central-1.aliyuncs.com", "",       false},
        {"https://Blob.Example.com/",     "https", "blob.example.com",              "",       false},
        {"http://store:9000",             "http",  "store:9000",                    "",       false},
        {"store:9000",                    "https", "store:9000",                    "",       false},
        {"127.0.0.1:10000",               "https", "127.0.0.1:10000",               "",       true },
        {"http://localhost:1/a%20b//",    "http",  "localhost:1",                   "/a%20b", true },
        {"http://[::1]:80/x",             "http",  "[::1]:80",                      "/x",     true },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(EgEndpoint) endpoint = {0};
        g_autoptr(GError) error = NULL;
        g_assert_true(eg_endpoint_parse(&endpoint, cases[i].text, &error));
        g_assert_no_error(error);
        g_assert_cmpstr(endpoint.scheme, ==, cases[i].scheme);
        g_assert_cmpstr(endpoint.authority, ==, cases[i].authority);
        g_assert_cmpstr(endpoint.path, ==, cases[i].path);
        g_assert_true(endpoint.is_address == cases[i].is_address);
    }
}

static void test_errors(void)
{
    static const char *const cases[] = {
        "",
        "ftp://host",
        "https://",
        "https://user:geheim@host",
        "host?geheim",
        "host#geheim",
        "https:///path",
        "host:port",
        "a b",
        "https://ho%2fst",
        "host:99999",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(EgEndpoint) endpoint = {0};
        g_autoptr(GError) error = NULL;
        g_test_message("%s", cases[i]);
        g_assert_false(eg_endpoint_parse(&endpoint, cases[i], &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
        g_assert_null(strstr(error->message, "geheim"));
        g_assert_null(endpoint.authority);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/endpoint/parts", test_parts);
    g_test_add_func("/storage/endpoint/errors", test_errors);
    return g_test_run();
}
