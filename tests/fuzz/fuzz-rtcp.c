/* Compound RTCP as it comes from the network; and the same bytes as sequence numbers that are asked
 * for, which must come back as they went in. */
#include <stdint.h>
#include <string.h>

#include "room/bytes.h"
#include "room/rtcp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const guint8 *data, gsize size)
{
    EgRtcpReader reader;
    EgRtcpPacket packet;
    gsize n = 0;
    eg_rtcp_reader_init(&reader, data, size);
    while (eg_rtcp_reader_next(&reader, &packet)) {
        g_assert_cmpint(packet.type, !=, EG_RTCP_NONE);
        if (packet.type == EG_RTCP_SENDER_REPORT)
            g_assert_cmpint(eg_rtcp_ntp_to_unix_ns(packet.ntp), >=,
                            -G_GINT64_CONSTANT(63072000) * 1000000000);
        n++;
    }
    g_assert_cmpuint(n, <=, size / 4);
    g_assert_true(reader.is_malformed || reader.size_bytes == 0);
}

static bool is_asked_for(const guint8 *nack, gsize size, guint16 sequence)
{
    for (gsize i = 12; i < size; i += 4) {
        guint16 distance = (guint16)(sequence - eg_get_u16(nack + i));
        if (distance == 0 ||
            (distance <= 16 && (eg_get_u16(nack + i + 2) & 1U << (distance - 1)) != 0))
            return true;
    }
    return false;
}

static void write_nack(const guint8 *data, gsize size)
{
    guint16 sequences[64];
    guint8 nack[80];
    gsize n = MIN(size / 2, G_N_ELEMENTS(sequences));
    for (gsize i = 0; i < n; i++)
        sequences[i] = eg_get_u16(data + i * 2);
    EgRtcpWriter writer = {.data = nack, .capacity_bytes = MIN(size, sizeof(nack))};
    gsize n_done = eg_rtcp_write_nack(&writer, 1, 2, sequences, n);
    g_assert_cmpuint(n_done, <=, n);
    g_assert_cmpuint(writer.size_bytes, <=, writer.capacity_bytes);
    for (gsize i = 0; i < n_done; i++)
        g_assert_true(is_asked_for(nack, writer.size_bytes, sequences[i]));
    read_all(nack, writer.size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all(data, size);
    write_nack(data, size);
    return 0;
}
