#include "storage/crc.h"

#include <string.h>

/* Polynomials over GF(2) with the lowest power in the highest bit, as both have it; both begin with
 * all bits set, and end inverted. */
struct _EgCrc {
    const guint n_bits;
    const guint64 polynomial; /* without its highest power */
    gsize is_ready;           /* g_once_init_enter() */
    guint64 table[256];
};

EgCrc eg_crc32c = {.n_bits = 32, .polynomial = G_GUINT64_CONSTANT(0x82f63b78)};
EgCrc eg_crc64 = {.n_bits = 64, .polynomial = G_GUINT64_CONSTANT(0xc96c5795d7870f42)};

static guint64 times_x(const EgCrc *kind, guint64 value)
{
    return (value & 1) != 0 ? (value >> 1) ^ kind->polynomial : value >> 1;
}

static void fill_table(EgCrc *kind)
{
    for (guint byte = 0; byte < G_N_ELEMENTS(kind->table); byte++) {
        guint64 value = byte;
        for (guint bit = 0; bit < 8; bit++)
            value = times_x(kind, value);
        kind->table[byte] = value;
    }
}

guint64 eg_crc(EgCrc *kind, GBytes *content)
{
    if (g_once_init_enter(&kind->is_ready)) {
        fill_table(kind);
        g_once_init_leave(&kind->is_ready, 1);
    }
    const guint64 all = G_MAXUINT64 >> (64 - kind->n_bits);
    gsize n_bytes;
    const guint8 *bytes = g_bytes_get_data(content, &n_bytes);
    guint64 value = all;
    for (gsize i = 0; i < n_bytes; i++)
        value = kind->table[(value ^ bytes[i]) & 0xff] ^ (value >> 8);
    return value ^ all;
}

static guint64 multiply(const EgCrc *kind, guint64 a, guint64 b)
{
    guint64 product = 0;
    for (guint64 bit = G_GUINT64_CONSTANT(1) << (kind->n_bits - 1); bit != 0; bit >>= 1) {
        if ((a & bit) != 0)
            product ^= b;
        b = times_x(kind, b);
    }
    return product;
}

/* The first piece, followed by so many zeros, plus the second: what both begin and end with cancels
 * out. */
guint64 eg_crc_join(const EgCrc *kind, guint64 first, guint64 second, guint64 second_bytes)
{
    const guint64 one = G_GUINT64_CONSTANT(1) << (kind->n_bits - 1);
    guint64 shift = one;
    guint64 power = one >> 8; /* of a byte, of two, of four … */
    for (; second_bytes != 0; second_bytes >>= 1) {
        if ((second_bytes & 1) != 0)
            shift = multiply(kind, shift, power);
        power = multiply(kind, power, power);
    }
    return multiply(kind, shift, first) ^ second;
}

char *eg_crc_tag(guint64 crc, gsize n_bytes)
{
    return g_strdup_printf("%016" G_GINT64_MODIFIER "x-%" G_GSIZE_FORMAT, crc, n_bytes);
}

bool eg_crc_add(const EgCrc *kind, EgCrcSum *sum, const char *tag)
{
    g_autofree char *own = g_strndup(tag, strcspn(tag, " "));
    char *length = strchr(own, '-');
    if (length == NULL)
        return false;
    *length++ = '\0';
    guint64 crc;
    guint64 n_bytes;
    if (!g_ascii_string_to_unsigned(own, 16, 0, G_MAXUINT64, &crc, NULL) ||
        !g_ascii_string_to_unsigned(length, 10, 0, G_MAXINT64, &n_bytes, NULL))
        return false;
    sum->crc = eg_crc_join(kind, sum->crc, crc, n_bytes);
    sum->n_bytes += n_bytes;
    return true;
}
