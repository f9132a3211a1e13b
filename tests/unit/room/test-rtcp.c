#include "room/rtcp.h"

#include "base/time.h"
#include "room/bytes.h"

#include <string.h>

/* Bytes as hexadecimal digits, blanks where they help. */
static guint8 *unhex(const char *hex, gsize *size_bytes)
{
    guint8 *data = g_malloc(strlen(hex) / 2 + 1);
    *size_bytes = 0;
    for (const char *c = hex; *c != '\0'; c++) {
        if (*c == ' ')
            continue;
        data[(*size_bytes)++] =
            (guint8)(g_ascii_xdigit_value(c[0]) << 4 | g_ascii_xdigit_value(c[1]));
        c++;
    }
    /* Not a byte more, so that a sanitizer sees who reads on. */
    return g_realloc(data, MAX(1, *size_bytes));
}

static char *to_hex(const EgRtcpWriter *writer)
{
    GString *hex = g_string_new(NULL);
    for (gsize i = 0; i < writer->size_bytes; i++)
        g_string_append_printf(hex, "%s%02x", i > 0 && i % 4 == 0 ? " " : "", writer->data[i]);
    return g_string_free(hex, FALSE);
}

#define SR "80c80006 11223344 e0000000 80000000 00001000 00000002 00000300"
#define SR_WITH_BLOCK                                                                              \
    "81c8000c 11223344 e0000000 80000000 00001000 00000002 00000300 "                              \
    "00000001 00000000 00000000 00000000 00000000 00000000"
#define SDES "81ca0003 11223344 01036162 63000000"
#define BYE  "81cb0001 11223344"

static const struct {
    const char *name;
    const char *hex;
    const char *seen; /* s: sender report, b: BYE, o: other, !: malformed */
} parse_cases[] = {
    {"sender report",                  SR,                                                      "s"  },
    {"with a block",                   SR_WITH_BLOCK,                                           "s"  },
    {"compound",                       SR " " SDES " " BYE,                                     "sob"},
    {"several senders",                SR " " SR_WITH_BLOCK " " SDES,                           "sso"},
    {"receiver report",                "80c90001 11223344",                                     "o"  },
    {"feedback",                       "81cd0003 00000001 00000002 00010000",                   "o"  },
    {"unknown type",                   "80df0000",                                              "o"  },
    {"BYE of nobody",                  "80cb0000",                                              "o"  },
    {"nothing",                        "",                                                      ""   },
    {"one byte",                       "80",                                                    "!"  },
    {"header cut off",                 "80c800",                                                "!"  },
    {"version 1",                      "40c90001 11223344",                                     "!"  },
    {"longer than it is",              "80c90002 11223344",                                     "!"  },
    {"sender report too short",        "80c80005 11223344 e0000000 80000000 00001000 00000002", "!"  },
    {"blocks missing",
     "82c8000c 11223344 e0000000 80000000 00001000 00000002 00000300 "
     "00000001 00000000 00000000 00000000 00000000 00000000",                                   "!"  },
    {"BYE without SSRC",               "81cb0000",                                              "!"  },
    {"what is before an error counts", SR " 80c9ffff 11223344",                                 "s!" },
    {"a rest",                         SR " 80c9",                                              "s!" },
};

static void test_parse(gconstpointer user)
{
    gsize index = GPOINTER_TO_SIZE(user);
    gsize size;
    g_autofree guint8 *data = unhex(parse_cases[index].hex, &size);
    g_autoptr(GString) seen = g_string_new(NULL);
    EgRtcpReader reader;
    EgRtcpPacket packet;
    eg_rtcp_reader_init(&reader, data, size);
    while (eg_rtcp_reader_next(&reader, &packet)) {
        g_assert_cmpint(packet.type, !=, EG_RTCP_NONE);
        g_string_append_c(seen, " sbo"[packet.type]);
        if (packet.type != EG_RTCP_OTHER)
            g_assert_cmphex(packet.ssrc, ==, 0x11223344);
        if (packet.type == EG_RTCP_SENDER_REPORT) {
            g_assert_cmphex(packet.ntp, ==, G_GUINT64_CONSTANT(0xe000000080000000));
            g_assert_cmphex(packet.rtp_timestamp, ==, 0x1000);
            g_assert_cmpuint(packet.packets, ==, 2);
            g_assert_cmpuint(packet.bytes, ==, 0x300);
        }
    }
    g_string_append(seen, reader.is_malformed ? "!" : "");
    g_assert_cmpstr(seen->str, ==, parse_cases[index].seen);
}

static void test_ntp(void)
{
    static const struct {
        guint64 ntp;
        gint64 unix_ns;
    } cases[] = {
  /* The Unix epoch. */
        {G_GUINT64_CONSTANT(2208988800) << 32,              0                       },
 /* Half a second; one nanosecond, as near as it comes; the last one of a second. */
        {G_GUINT64_CONSTANT(2208988800) << 32 | 0x80000000, 500000000               },
        {G_GUINT64_CONSTANT(2208988800) << 32 | 4,          1                       },
        {G_GUINT64_CONSTANT(2208988800) << 32 | 0xfffffffb, 999999999               },
 /* 2026-11-23 00:00:00.123456789 */
        {G_GUINT64_CONSTANT(4004380800) << 32 | 530242871,  1795392000123456789     },
 /* The last second of the first era, and the first of the second: 2036-02-07 06:28:16. */
        {G_GUINT64_CONSTANT(0xffffffff) << 32,              2085978495 * EG_NS_PER_S},
        {0,                                                 2085978496 * EG_NS_PER_S},
        {G_GUINT64_CONSTANT(1) << 32,                       2085978497 * EG_NS_PER_S},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        g_assert_cmpint(eg_rtcp_ntp_to_unix_ns(cases[i].ntp), ==, cases[i].unix_ns);
}

static void test_receiver_report(void)
{
    guint8 data[200];
    EgRtcpWriter writer = {.data = data, .capacity_bytes = sizeof(data)};
    const EgReportBlock blocks[2] = {
        {
         .ssrc = 0xaabbccdd,
         .fraction_lost = 0x33,
         .cumulative_lost = 5,
         .highest_sequence = 0x0001fffe,
         .jitter = 0x77,
         .last_sr = 0x12345678,
         .delay_since_last_sr = 0x10000,
         },
        {.ssrc = 1, .cumulative_lost = -2       },
    };
    g_assert_true(eg_rtcp_write_receiver_report(&writer, 0x01020304, blocks, 2));
    g_autofree char *hex = to_hex(&writer);
    g_assert_cmpstr(hex, ==,
                    "82c9000d 01020304 "
                    "aabbccdd 33000005 0001fffe 00000077 12345678 00010000 "
                    "00000001 00fffffe 00000000 00000000 00000000 00000000");
    writer.size_bytes = 0;
    g_assert_true(eg_rtcp_write_receiver_report(&writer, 0x01020304, NULL, 0));
    g_autofree char *empty = to_hex(&writer);
    g_assert_cmpstr(empty, ==, "80c90001 01020304");
}

static void test_lost_limits(void)
{
    static const struct {
        gint32 lost;
        guint32 written;
    } cases[] = {
        {0x7fffff,   0x7fffff},
        {0x800000,   0x7fffff},
        {G_MAXINT32, 0x7fffff},
        {-1,         0xffffff},
        {-0x800000,  0x800000},
        {G_MININT32, 0x800000},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint8 data[100];
        EgRtcpWriter writer = {.data = data, .capacity_bytes = sizeof(data)};
        EgReportBlock block = {.fraction_lost = 1, .cumulative_lost = cases[i].lost};
        g_assert_true(eg_rtcp_write_receiver_report(&writer, 1, &block, 1));
        g_assert_cmphex(eg_get_u32(data + 12), ==, 0x1000000 | cases[i].written);
    }
}

static void test_cname(void)
{
    static const struct {
        const char *cname;
        const char *hex;
    } cases[] = {
        {"",      "81ca0002 00000007 01000000"         },
        {"a",     "81ca0002 00000007 01016100"         },
        {"ab",    "81ca0003 00000007 01026162 00000000"},
        {"abc",   "81ca0003 00000007 01036162 63000000"},
        {"abcde", "81ca0003 00000007 01056162 63646500"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint8 data[100];
        memset(data, 0xee, sizeof(data));
        EgRtcpWriter writer = {.data = data, .capacity_bytes = sizeof(data)};
        g_assert_true(eg_rtcp_write_cname(&writer, 7, cases[i].cname));
        g_autofree char *hex = to_hex(&writer);
        g_assert_cmpstr(hex, ==, cases[i].hex);
    }
}

static void test_compound(void)
{
    guint8 data[100];
    EgRtcpWriter writer = {.data = data, .capacity_bytes = sizeof(data)};
    g_assert_true(eg_rtcp_write_receiver_report(&writer, 1, NULL, 0));
    g_assert_true(eg_rtcp_write_pli(&writer, 1, 2));
    g_assert_true(eg_rtcp_write_bye(&writer, 1));
    g_autofree char *hex = to_hex(&writer);
    g_assert_cmpstr(hex, ==, "80c90001 00000001 81ce0002 00000001 00000002 81cb0001 00000001");
}

static const struct {
    const char *name;
    guint16 sequences[40];
    gsize n;
    const char *entries;
} nack_cases[] = {
    {"one",              {7},                                                        1,  "00070000"         },
    {"neighbours",       {7, 8},                                                     2,  "00070001"         },
    {"last bit",         {7, 23},                                                    2,  "00078000"         },
    {"beyond the bits",  {7, 24},                                                    2,  "00070000 00180000"},
    {"wrap around",      {65534, 65535, 0, 14},                                      4,  "fffe8003"         },
    {"wrap around, two", {65535, 16},                                                2,  "ffff0000 00100000"},
    {"same twice",       {7, 7},                                                     2,  "00070000 00070000"},
    {"seventeen",        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 17, "0000ffff"         },
    {"eighteen",
     {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17},
     18,                                                                                 "0000ffff 00110000"},
};

static void test_nack(gconstpointer user)
{
    gsize index = GPOINTER_TO_SIZE(user);
    guint8 data[100];
    EgRtcpWriter writer = {.data = data, .capacity_bytes = sizeof(data)};
    g_assert_cmpuint(
        eg_rtcp_write_nack(&writer, 1, 2, nack_cases[index].sequences, nack_cases[index].n), ==,
        nack_cases[index].n);
    g_autofree char *hex = to_hex(&writer);
    gsize words = (strlen(nack_cases[index].entries) + 1) / 9;
    g_autofree char *expected = g_strdup_printf("81cd%04x 00000001 00000002 %s", (guint)(2 + words),
                                                nack_cases[index].entries);
    g_assert_cmpstr(hex, ==, expected);
}

/* What does not fit is left out, and nothing is written beyond the end. */
static void test_capacity(void)
{
    const guint16 sequences[3] = {10, 100, 1000};
    const EgReportBlock block = {.ssrc = 1};
    for (gsize capacity = 0; capacity <= 32; capacity++) {
        g_autofree guint8 *data = g_malloc(MAX(1, capacity));
        EgRtcpWriter writer = {.data = data, .capacity_bytes = capacity};
        gsize expected = capacity < 16 ? 0 : MIN(3, (capacity - 12) / 4);
        g_assert_cmpuint(eg_rtcp_write_nack(&writer, 1, 2, sequences, 3), ==, expected);
        g_assert_cmpuint(writer.size_bytes, ==, expected == 0 ? 0 : 12 + expected * 4);
        if (expected > 0)
            g_assert_cmpuint(eg_get_u16(data + 2), ==, 2 + expected);

        writer.size_bytes = 0;
        g_assert_cmpint(eg_rtcp_write_receiver_report(&writer, 1, &block, 1), ==, capacity >= 32);
        writer.size_bytes = 0;
        g_assert_cmpint(eg_rtcp_write_pli(&writer, 1, 2), ==, capacity >= 12);
        writer.size_bytes = 0;
        g_assert_cmpint(eg_rtcp_write_bye(&writer, 1), ==, capacity >= 8);
        writer.size_bytes = 0;
        g_assert_cmpint(eg_rtcp_write_cname(&writer, 1, "abc"), ==, capacity >= 16);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(parse_cases); i++) {
        g_autofree char *path = g_strdup_printf("/room/rtcp/parse/%s", parse_cases[i].name);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_parse);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(nack_cases); i++) {
        g_autofree char *path = g_strdup_printf("/room/rtcp/nack/%s", nack_cases[i].name);
        g_test_add_data_func(path, GSIZE_TO_POINTER(i), test_nack);
    }
    g_test_add_func("/room/rtcp/ntp", test_ntp);
    g_test_add_func("/room/rtcp/receiver-report", test_receiver_report);
    g_test_add_func("/room/rtcp/lost-limits", test_lost_limits);
    g_test_add_func("/room/rtcp/cname", test_cname);
    g_test_add_func("/room/rtcp/compound", test_compound);
    g_test_add_func("/room/rtcp/capacity", test_capacity);
    return g_test_run();
}
