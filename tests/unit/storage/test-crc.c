#include "storage/crc.h"

#include <string.h>

static guint64 crc_of(EgCrc *kind, const void *bytes, gsize n_bytes)
{
    g_autoptr(GBytes) content = g_bytes_new(bytes, n_bytes);
    return eg_crc(kind, content);
}

/* RFC 3720, B.4, and the check values of the catalogue of CRCs. */
static void test_vectors(void)
{
    guint8 bytes[32] = {0};
    g_assert_cmphex(crc_of(&eg_crc32c, bytes, sizeof bytes), ==, 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    g_assert_cmphex(crc_of(&eg_crc32c, bytes, sizeof bytes), ==, 0x62a8ab43);
    for (guint8 i = 0; i < sizeof bytes; i++)
        bytes[i] = i;
    g_assert_cmphex(crc_of(&eg_crc32c, bytes, sizeof bytes), ==, 0x46dd794e);
    g_assert_cmphex(crc_of(&eg_crc32c, "123456789", 9), ==, 0xe3069283);
    g_assert_cmphex(crc_of(&eg_crc32c, "", 0), ==, 0);
    g_assert_cmphex(crc_of(&eg_crc64, "123456789", 9), ==, G_GUINT64_CONSTANT(0x995dc9bbdf1939fa));
    g_assert_cmphex(crc_of(&eg_crc64, "", 0), ==, 0);
}

static void check_join(EgCrc *kind, const guint8 *bytes, gsize first, gsize second)
{
    const guint64 joined =
        eg_crc_join(kind, crc_of(kind, bytes, first), crc_of(kind, bytes + first, second), second);
    g_assert_cmphex(joined, ==, crc_of(kind, bytes, first + second));
}

static void test_join(void)
{
    static const gsize lengths[] = {0, 1, 2, 3, 255, 256, 5000, 65536};
    g_autofree guint8 *bytes = g_malloc(2 * 65536);
    for (gsize i = 0; i < (gsize)2 * 65536; i++)
        bytes[i] = (guint8)g_test_rand_int();
    for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(lengths); j++) {
            check_join(&eg_crc32c, bytes, lengths[i], lengths[j]);
            check_join(&eg_crc64, bytes, lengths[i], lengths[j]);
        }
    }
}

static void test_tags(void)
{
    g_autofree char *first = eg_crc_tag(crc_of(&eg_crc64, "12345", 5), 5);
    g_autofree char *second = eg_crc_tag(crc_of(&eg_crc64, "6789", 4), 4);
    g_autofree char *more = g_strconcat(second, " \"etag-1\"", NULL);
    EgCrcSum sum = {0};
    g_assert_true(eg_crc_add(&eg_crc64, &sum, first));
    g_assert_true(eg_crc_add(&eg_crc64, &sum, more));
    g_assert_cmphex(sum.crc, ==, G_GUINT64_CONSTANT(0x995dc9bbdf1939fa));
    g_assert_cmpuint(sum.n_bytes, ==, 9);

    static const char *const wrong[] = {
        "", "-", "12", "x-1", "12-", "12-x", "12 -1", "-1-1", "123456789012345678-1"};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_false(eg_crc_add(&eg_crc64, &sum, wrong[i]));
        g_assert_cmpuint(sum.n_bytes, ==, 9);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/crc/vectors", test_vectors);
    g_test_add_func("/storage/crc/join", test_join);
    g_test_add_func("/storage/crc/tags", test_tags);
    return g_test_run();
}
