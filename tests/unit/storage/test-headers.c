#include "storage/headers.h"

#include "base/time.h"

#define TIME_NS (G_GINT64_CONSTANT(1795978679) * EG_NS_PER_S + 999)

static void test_times(void)
{
    g_autofree char *date = eg_header_date(TIME_NS);
    g_assert_cmpstr(date, ==, "Sun, 29 Nov 2026 18:57:59 GMT");
    g_autofree char *epoch = eg_header_date(0);
    g_assert_cmpstr(epoch, ==, "Thu, 01 Jan 1970 00:00:00 GMT");
    g_autofree char *time = eg_header_time(TIME_NS, "%Y-%m-%dT%H:%M:%SZ");
    g_assert_cmpstr(time, ==, "2026-11-29T18:57:59Z");
}

/* RFC 1321, A.5. */
static void test_md5(void)
{
    g_autoptr(GBytes) nothing = g_bytes_new(NULL, 0);
    g_autofree char *of_nothing = eg_header_md5(nothing);
    g_assert_cmpstr(of_nothing, ==, "1B2M2Y8AsgTpgAmY7PhCfg==");
    g_autoptr(GBytes) abc = g_bytes_new("abc", 3);
    g_autofree char *of_abc = eg_header_md5(abc);
    g_assert_cmpstr(of_abc, ==, "kAFQmDzST7DWlj99KOF/cg==");
}

static void test_canonical(void)
{
    static const char *const headers[] = {"x-b-two: 2", "Content-Type: text/html", "X-B-One: a: b",
                                          "x-c: 3", NULL};
    g_autofree char *text = eg_header_canonical(headers, "x-b-");
    g_assert_cmpstr(text, ==, "x-b-one:a: b\nx-b-two:2\n");
    g_assert_cmpstr(eg_header_find(headers, "content-type"), ==, "text/html");
    g_assert_null(eg_header_find(headers, "content"));
}

static void test_query(void)
{
    static const char *const query[] = {"a", "1 +/", "uploads", "", "c d", "\xc3\xbc", NULL};
    g_autofree char *text = eg_header_query(query);
    g_assert_cmpstr(text, ==, "?a=1%20%2B%2F&uploads&c%20d=%C3%BC");
    g_autofree char *nothing = eg_header_query(NULL);
    g_assert_cmpstr(nothing, ==, "");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/headers/times", test_times);
    g_test_add_func("/storage/headers/md5", test_md5);
    g_test_add_func("/storage/headers/canonical", test_canonical);
    g_test_add_func("/storage/headers/query", test_query);
    return g_test_run();
}
