#include "room/rtp.h"

#include "rtp-maker.h"

typedef struct {
    const char *name;
    guint8 data[40];
    gsize size_bytes;
    bool is_rtp;
    EgRtpHeader header;
} Case;

#define FIXED(first, second) first, second, 0xff, 0xfe, 0, 0, 0, 7, 0xde, 0xad, 0xbe, 0xef

static const Case cases[] = {
    {
     .name = "plain",
     .data = {FIXED(0x80, 0xe0), 'a', 'b'},
     .size_bytes = 14,
     .is_rtp = true,
     .header = {.marker = true, .payload_type = 96, .header_bytes = 12, .payload_bytes = 2},
     },
    {
     .name = "no payload",
     .data = {FIXED(0x80, 0x6f)},
     .size_bytes = 12,
     .is_rtp = true,
     .header = {.payload_type = 111, .header_bytes = 12},
     },
    {
     .name = "CSRCs",
     .data = {FIXED(0x82, 0), 1, 2, 3, 4, 5, 6, 7, 8, 'a'},
     .size_bytes = 21,
     .is_rtp = true,
     .header = {.header_bytes = 20, .payload_bytes = 1},
     },
    {
     .name = "extension",
     .data = {FIXED(0x90, 0), 0xbe, 0xde, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 'a'},
     .size_bytes = 25,
     .is_rtp = true,
     .header = {.header_bytes = 24, .payload_bytes = 1},
     },
    {
     .name = "CSRC, empty extension, padding",
     .data = {FIXED(0xb1, 0), 1, 2, 3, 4, 0xbe, 0xde, 0, 0, 'a', 0, 0, 3},
     .size_bytes = 24,
     .is_rtp = true,
     .header = {.header_bytes = 20, .payload_bytes = 1},
     },
    {
     .name = "nothing but padding",
     .data = {FIXED(0xa0, 0), 0, 0, 0, 4},
     .size_bytes = 16,
     .is_rtp = true,
     .header = {.header_bytes = 12},
     },
    {.name = "nothing",                                                                          .size_bytes = 0                 },
    {.name = "short header",                                                .data = {FIXED(0x80, 0)}, .size_bytes = 11                                                                                                                                                                  },
    {.name = "version 1",                                     .data = {FIXED(0x40, 0)},                                                                    .size_bytes = 12                                                                                                                                                   },
    {.name = "version 3",                                                    .data = {FIXED(0xc0, 0)},                                                     .size_bytes = 12                                                                                                                                                                        },
    {.name = "CSRCs cut off",                                                                                       .data = {FIXED(0x82, 0), 1, 2, 3, 4, 5, 6, 7},                                                                          .size_bytes = 19                                                                                                                                                     },
    {.name = "extension without length",                                                                                       .data = {FIXED(0x90, 0), 0xbe, 0xde, 0},                            .size_bytes = 15                                                                                                                                                      },
    {
     .name = "extension cut off",
     .data = {FIXED(0x90, 0), 0xbe, 0xde, 0, 1, 1, 2, 3},
     .size_bytes = 19,
     },
    {
     .name = "extension longer than any packet",
     .data = {FIXED(0x90, 0), 0xbe, 0xde, 0xff, 0xff},
     .size_bytes = 16,
     },
    {.name = "padding of zero",                                                                                       .data = {FIXED(0xa0, 0), 'a', 0},                                            .size_bytes = 14},
    {.name = "padding into the header",                                                                                       .data = {FIXED(0xa0, 0), 'a', 3},                                 .size_bytes = 14                                                                                                                },
    {.name = "padding without room",                                                                                       .data = {FIXED(0xa0, 0)},                                          .size_bytes = 12                                                                                                                         },
};

static void test_parse(gconstpointer data)
{
    const Case *c = data;
    /* Exactly as long as it is said to be, so that a sanitizer sees who reads on. */
    g_autofree guint8 *copy = g_malloc(MAX(1, c->size_bytes));
    memcpy(copy, c->data, c->size_bytes);
    EgRtpHeader header;
    g_assert_cmpint(eg_rtp_parse(copy, c->size_bytes, &header), ==, c->is_rtp);
    if (!c->is_rtp)
        return;
    g_assert_cmpint(header.marker, ==, c->header.marker);
    g_assert_cmpuint(header.payload_type, ==, c->header.payload_type);
    g_assert_cmpuint(header.sequence, ==, 0xfffe);
    g_assert_cmpuint(header.timestamp, ==, 7);
    g_assert_cmpuint(header.ssrc, ==, 0xdeadbeef);
    g_assert_cmpuint(header.header_bytes, ==, c->header.header_bytes);
    g_assert_cmpuint(header.payload_bytes, ==, c->header.payload_bytes);

    /* A copy is the same packet without padding. */
    g_autoptr(EgPacket) packet = eg_rtp_copy(copy, &header);
    EgRtpHeader again;
    g_assert_true(eg_rtp_parse(packet->data, packet->size_bytes, &again));
    g_assert_cmpuint(packet->size_bytes, ==, header.header_bytes + header.payload_bytes);
    g_assert_cmpuint(packet->payload_offset, ==, header.header_bytes);
    g_assert_cmpint(again.marker, ==, header.marker);
    g_assert_cmpuint(again.payload_type, ==, header.payload_type);
    g_assert_cmpuint(again.payload_bytes, ==, header.payload_bytes);
    g_assert_cmpuint(again.header_bytes, ==, header.header_bytes);
    g_assert_true(memcmp(packet->data + 1, copy + 1, packet->size_bytes - 1) == 0);
}

static void test_is_rtcp(void)
{
    for (guint second = 0; second < 256; second++) {
        const guint8 data[2] = {0x80, (guint8)second};
        g_assert_cmpint(eg_rtp_is_rtcp(data, 2), ==, second >= 192 && second <= 223);
    }
    const guint8 one = 0x80;
    g_assert_false(eg_rtp_is_rtcp(&one, 1));
}

static gsize make(guint8 *data, gsize capacity, const char *payload, guint8 padding_bytes)
{
    return make_rtp(&(RtpMaker){.payload_type = 97,
                                .marker = true,
                                .sequence = 1,
                                .timestamp = 2,
                                .ssrc = 3,
                                .payload = payload,
                                .payload_bytes = strlen(payload),
                                .padding_bytes = padding_bytes},
                    data, capacity);
}

static void test_unwrap_rtx(void)
{
    static const struct {
        const char *payload;
        guint8 padding_bytes;
        const char *original; /* NULL: none */
    } rtx[] = {
        {"XYmedia", 0,   "media"},
        {"XYmedia", 9,   "media"},
        {"XYm",     0,   "m"    },
        {"XY",      0,   NULL   },
        {"XY",      4,   NULL   },
        {"X",       0,   NULL   },
        {"",        0,   NULL   },
        {"",        200, NULL   },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rtx); i++) {
        guint8 data[300];
        EgRtpHeader header;
        gsize size = make(data, sizeof(data), rtx[i].payload, rtx[i].padding_bytes);
        g_assert_true(eg_rtp_parse(data, size, &header));
        guint16 sequence = 0;
        g_autoptr(EgPacket) packet = eg_rtp_unwrap_rtx(data, &header, 0xcafe, 96, &sequence);
        g_assert_cmpint(packet != NULL, ==, rtx[i].original != NULL);
        if (packet == NULL)
            continue;
        g_assert_cmpuint(sequence, ==, 'X' << 8 | 'Y');
        g_assert_cmpuint(packet->payload_type, ==, 96);
        g_assert_cmpuint(packet->ssrc, ==, 0xcafe);
        g_assert_cmpuint(packet->timestamp, ==, 2);
        g_assert_true(packet->marker);
        g_assert_true(packet->is_recovered);

        eg_rtp_set_sequence(packet, G_GUINT64_CONSTANT(0x1234567890));
        g_assert_cmpuint(packet->sequence, ==, G_GUINT64_CONSTANT(0x1234567890));
        EgRtpHeader inner;
        g_assert_true(eg_rtp_parse(packet->data, packet->size_bytes, &inner));
        g_assert_cmpuint(inner.sequence, ==, 0x7890);
        g_assert_cmpuint(inner.ssrc, ==, 0xcafe);
        g_assert_cmpuint(inner.payload_type, ==, 96);
        g_assert_true(inner.marker);
        g_assert_cmpuint(inner.payload_bytes, ==, strlen(rtx[i].original));
        g_assert_true(
            memcmp(packet->data + inner.header_bytes, rtx[i].original, inner.payload_bytes) == 0);
    }
}

static void test_packet_refs(void)
{
    guint8 *data;
    EgPacket *packet = eg_packet_new(3, &data);
    memcpy(data, "abc", 3);
    g_assert_true(packet->data == data);
    g_assert_cmpuint(packet->size_bytes, ==, 3);
    g_assert_cmpuint(packet->sequence, ==, 0);
    g_assert_true(eg_packet_ref(packet) == packet);
    eg_packet_unref(packet);
    g_assert_true(memcmp(packet->data, "abc", 3) == 0);
    eg_packet_unref(packet);
    g_assert_null(eg_packet_ref(NULL));
    eg_packet_unref(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/room/rtp/parse/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_parse);
    }
    g_test_add_func("/room/rtp/is-rtcp", test_is_rtcp);
    g_test_add_func("/room/rtp/unwrap-rtx", test_unwrap_rtx);
    g_test_add_func("/room/rtp/packet-refs", test_packet_refs);
    return g_test_run();
}
