/* What a client of a SOCKS5 proxy says, byte by byte. */
#include "source/socks.h"

#include <string.h>

typedef gsize (*SizeFunc)(const guint8 *data, gsize size);

/* However much has come, what is asked for is never more than the message, and leads to it. */
static void check_size(SizeFunc size_of, const guint8 *data, gsize size)
{
    gsize have = 0;
    while (size_of(data, have) > have)
        have = size_of(data, have);
    g_assert_cmpuint(have, ==, size);
    for (have = 0; have < size; have++) {
        g_assert_cmpuint(size_of(data, have), >, have);
        g_assert_cmpuint(size_of(data, have), <=, size);
    }
}

static void test_greeting(void)
{
    static const struct {
        const char *data;
        gsize size;
        EgSocksCode code;
    } rows[] = {
        {"\5\1\0",   3, EG_SOCKS_OK     },
        {"\5\2\2\0", 4, EG_SOCKS_OK     },
        {"\5\1\2",   3, EG_SOCKS_FAILURE},
        {"\5\0",     2, EG_SOCKS_FAILURE},
        {"\4\1",     2, EG_SOCKS_FAILURE},
        {"GE",       2, EG_SOCKS_FAILURE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const guint8 *data = (const guint8 *)rows[i].data;
        check_size(eg_socks_greeting_size, data, rows[i].size);
        g_assert_cmpint(eg_socks_greeting_check(data, rows[i].size), ==, rows[i].code);
    }
    guint8 answer[EG_SOCKS_GREETING_ANSWER_SIZE];
    eg_socks_greeting_answer(EG_SOCKS_OK, answer);
    g_assert_cmpint(memcmp(answer, "\5\0", sizeof(answer)), ==, 0);
    eg_socks_greeting_answer(EG_SOCKS_FAILURE, answer);
    g_assert_cmpint(memcmp(answer, "\5\377", sizeof(answer)), ==, 0);
}

static void test_request(void)
{
    static const struct {
        const char *data;
        gsize size;
        const char *host;
        guint16 port;
    } rows[] = {
        {"\5\1\0\1\177\0\0\1\0\120",                       10, "127.0.0.1",   80  },
        {"\5\1\0\3\13example.com\1\273",                   18, "example.com", 443 },
        {"\5\1\0\3\1a\37\220",                             8,  "a",           8080},
        {"\5\1\0\3\3::1\0\120",                            10, "::1",         80  },
        {"\5\1\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\120", 22, "::1",         80  },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const guint8 *data = (const guint8 *)rows[i].data;
        EgSocksRequest request;
        check_size(eg_socks_request_size, data, rows[i].size);
        g_assert_cmpint(eg_socks_request_parse(data, rows[i].size, &request), ==, EG_SOCKS_OK);
        g_assert_cmpstr(request.host, ==, rows[i].host);
        g_assert_cmpint(request.port, ==, rows[i].port);
    }
}

static void test_bad_request(void)
{
    static const struct {
        const char *data;
        gsize size;
        EgSocksCode code;
    } rows[] = {
        {"\4\1\0\1\177\0\0\1\0\120",  10, EG_SOCKS_FAILURE         }, /* SOCKS4 */
        {"\5\2\0\1\177\0\0\1\0\120",  10, EG_SOCKS_BAD_COMMAND     }, /* BIND */
        {"\5\3\0\1\177\0\0\1\0\120",  10, EG_SOCKS_BAD_COMMAND     }, /* UDP */
        {"\5\1\0\2\177\0\0\1\0\120",  10, EG_SOCKS_BAD_ADDRESS_TYPE},
        {"\5\1\0\1\177\0\0\1\0\0",    10, EG_SOCKS_FAILURE         }, /* port 0 */
        {"\5\1\0\1\177\0\0\1\0",      9,  EG_SOCKS_FAILURE         },
        {"\5\1\0\1\177\0\0\1\0\120x", 11, EG_SOCKS_FAILURE         },
        {"\5\1\0\3\0\0\120",          7,  EG_SOCKS_FAILURE         }, /* no name */
        {"\5\1\0\3\3a\0b\0\120",      10, EG_SOCKS_FAILURE         }, /* NUL in it */
        {"\5\1\0\3\3a\nb\0\120",      10, EG_SOCKS_FAILURE         },
        {"\5\1\0\3\3a%b\0\120",       10, EG_SOCKS_FAILURE         },
        {"\5\1\0\3\3a\303\266\0\120", 10, EG_SOCKS_FAILURE         },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        EgSocksRequest request;
        g_assert_cmpint(
            eg_socks_request_parse((const guint8 *)rows[i].data, rows[i].size, &request), ==,
            rows[i].code);
    }
}

static void test_longest(void)
{
    guint8 data[EG_SOCKS_MAX_SIZE] = {5, 1, 0, 3, 255};
    EgSocksRequest request;
    memset(data + 5, 'a', 255);
    data[261] = 80;
    check_size(eg_socks_request_size, data, sizeof(data));
    g_assert_cmpint(eg_socks_request_parse(data, sizeof(data), &request), ==, EG_SOCKS_OK);
    g_assert_cmpuint(strlen(request.host), ==, 255);
    g_assert_cmpint(request.port, ==, 80);
}

static void test_answer(void)
{
    guint8 answer[EG_SOCKS_ANSWER_SIZE];
    eg_socks_answer(EG_SOCKS_NOT_ALLOWED, answer);
    g_assert_cmpint(memcmp(answer, "\5\2\0\1\0\0\0\0\0\0", sizeof(answer)), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/socks/greeting", test_greeting);
    g_test_add_func("/socks/request", test_request);
    g_test_add_func("/socks/bad-request", test_bad_request);
    g_test_add_func("/socks/longest", test_longest);
    g_test_add_func("/socks/answer", test_answer);
    return g_test_run();
}
