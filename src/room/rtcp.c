#include "room/rtcp.h"

#include "base/time.h"
#include "room/bytes.h"

#include <string.h>

#define VERSION 2

#define TYPE_SR    200
#define TYPE_RR    201
#define TYPE_SDES  202
#define TYPE_BYE   203
#define TYPE_RTPFB 205
#define TYPE_PSFB  206

#define FORMAT_NACK 1
#define FORMAT_PLI  1
#define ITEM_CNAME  1

#define HEADER_BYTES      4
#define SENDER_INFO_BYTES 24 /* with the SSRC */
#define BLOCK_BYTES       24
#define NTP_UNIX_OFFSET_S G_GINT64_CONSTANT(2208988800)

void eg_rtcp_reader_init(EgRtcpReader *reader, const guint8 *data, gsize size_bytes)
{
    *reader = (EgRtcpReader){.data = data, .size_bytes = size_bytes};
}

static bool parse_sender_report(const guint8 *body, gsize body_bytes, guint n_blocks,
                                EgRtcpPacket *packet)
{
    if (body_bytes < SENDER_INFO_BYTES + (gsize)n_blocks * BLOCK_BYTES)
        return false;
    *packet = (EgRtcpPacket){
        .type = EG_RTCP_SENDER_REPORT,
        .ssrc = eg_get_u32(body),
        .ntp = eg_get_u64(body + 4),
        .rtp_timestamp = eg_get_u32(body + 12),
        .packets = eg_get_u32(body + 16),
        .bytes = eg_get_u32(body + 20),
    };
    return true;
}

static bool parse_part(const guint8 *data, gsize size_bytes, EgRtcpPacket *packet)
{
    guint count = data[0] & 0x1f;
    const guint8 *body = data + HEADER_BYTES;
    gsize body_bytes = size_bytes - HEADER_BYTES;

    if (data[1] == TYPE_SR)
        return parse_sender_report(body, body_bytes, count, packet);
    *packet = (EgRtcpPacket){.type = EG_RTCP_OTHER};
    if (data[1] == TYPE_BYE && count > 0) {
        if (body_bytes < (gsize)count * 4)
            return false;
        *packet = (EgRtcpPacket){.type = EG_RTCP_BYE, .ssrc = eg_get_u32(body)};
    }
    return true;
}

bool eg_rtcp_reader_next(EgRtcpReader *reader, EgRtcpPacket *packet)
{
    if (reader->is_malformed || reader->size_bytes == 0)
        return false;
    reader->is_malformed = true;
    if (reader->size_bytes < HEADER_BYTES || reader->data[0] >> 6 != VERSION)
        return false;
    gsize part_bytes = ((gsize)eg_get_u16(reader->data + 2) + 1) * 4;
    if (part_bytes > reader->size_bytes || !parse_part(reader->data, part_bytes, packet))
        return false;

    reader->is_malformed = false;
    reader->data += part_bytes;
    reader->size_bytes -= part_bytes;
    return true;
}

gint64 eg_rtcp_ntp_to_unix_ns(guint64 ntp)
{
    gint64 seconds = (gint64)(ntp >> 32);
    if ((ntp >> 63) == 0)
        seconds += G_GINT64_CONSTANT(1) << 32;
    guint64 fraction_ns = ((ntp & G_MAXUINT32) * (guint64)EG_NS_PER_S + (1U << 31)) >> 32;
    return (seconds - NTP_UNIX_OFFSET_S) * EG_NS_PER_S + (gint64)fraction_ns;
}

/* Room for a part of `body_bytes` (a multiple of four), its header written; NULL if there is none.
 */
static guint8 *begin_part(EgRtcpWriter *writer, guint count_or_format, guint8 type,
                          gsize body_bytes)
{
    gsize part_bytes = HEADER_BYTES + body_bytes;
    if (part_bytes > writer->capacity_bytes - writer->size_bytes)
        return NULL;
    guint8 *part = writer->data + writer->size_bytes;
    part[0] = (guint8)(VERSION << 6 | count_or_format);
    part[1] = type;
    eg_put_u16(part + 2, (guint16)(part_bytes / 4 - 1));
    writer->size_bytes += part_bytes;
    return part + HEADER_BYTES;
}

static void put_block(guint8 *bytes, const EgReportBlock *block)
{
    gint32 lost = CLAMP(block->cumulative_lost, -0x800000, 0x7fffff);
    eg_put_u32(bytes, block->ssrc);
    eg_put_u32(bytes + 4, (guint32)block->fraction_lost << 24 | ((guint32)lost & 0xffffff));
    eg_put_u32(bytes + 8, block->highest_sequence);
    eg_put_u32(bytes + 12, block->jitter);
    eg_put_u32(bytes + 16, block->last_sr);
    eg_put_u32(bytes + 20, block->delay_since_last_sr);
}

bool eg_rtcp_write_receiver_report(EgRtcpWriter *writer, guint32 sender_ssrc,
                                   const EgReportBlock *blocks, gsize n_blocks)
{
    g_assert(n_blocks <= EG_RTCP_MAX_BLOCKS);
    guint8 *body = begin_part(writer, (guint)n_blocks, TYPE_RR, 4 + n_blocks * BLOCK_BYTES);
    if (body == NULL)
        return false;
    eg_put_u32(body, sender_ssrc);
    for (gsize i = 0; i < n_blocks; i++)
        put_block(body + 4 + i * BLOCK_BYTES, &blocks[i]);
    return true;
}

bool eg_rtcp_write_cname(EgRtcpWriter *writer, guint32 sender_ssrc, const char *cname)
{
    gsize length = strlen(cname);
    g_assert(length <= 255);
    /* The list of items ends with one to four zero bytes. */
    gsize body_bytes = (4 + 2 + length) / 4 * 4 + 4;
    guint8 *body = begin_part(writer, 1, TYPE_SDES, body_bytes);
    if (body == NULL)
        return false;
    memset(body, 0, body_bytes);
    eg_put_u32(body, sender_ssrc);
    body[4] = ITEM_CNAME;
    body[5] = (guint8)length;
    g_strlcpy((char *)body + 6, cname, length + 1);
    return true;
}

bool eg_rtcp_write_pli(EgRtcpWriter *writer, guint32 sender_ssrc, guint32 media_ssrc)
{
    guint8 *body = begin_part(writer, FORMAT_PLI, TYPE_PSFB, 8);
    if (body == NULL)
        return false;
    eg_put_u32(body, sender_ssrc);
    eg_put_u32(body + 4, media_ssrc);
    return true;
}

bool eg_rtcp_write_bye(EgRtcpWriter *writer, guint32 sender_ssrc)
{
    guint8 *body = begin_part(writer, 1, TYPE_BYE, 4);
    if (body == NULL)
        return false;
    eg_put_u32(body, sender_ssrc);
    return true;
}

/* One entry: a sequence number and a bit for each of the 16 after it. Returns how many it took. */
static gsize make_nack_entry(const guint16 *sequences, gsize n_sequences, guint32 *entry)
{
    guint16 mask = 0;
    gsize n = 1;
    for (; n < n_sequences; n++) {
        guint16 distance = (guint16)(sequences[n] - sequences[0]);
        if (distance == 0 || distance > 16)
            break;
        mask = (guint16)(mask | 1U << (distance - 1));
    }
    *entry = (guint32)sequences[0] << 16 | mask;
    return n;
}

gsize eg_rtcp_write_nack(EgRtcpWriter *writer, guint32 sender_ssrc, guint32 media_ssrc,
                         const guint16 *sequences, gsize n_sequences)
{
    gsize start = writer->size_bytes;
    guint8 *body = begin_part(writer, FORMAT_NACK, TYPE_RTPFB, 8);
    if (body == NULL)
        return 0;
    eg_put_u32(body, sender_ssrc);
    eg_put_u32(body + 4, media_ssrc);

    gsize n_done = 0;
    while (n_done < n_sequences && writer->capacity_bytes - writer->size_bytes >= 4) {
        guint32 entry;
        n_done += make_nack_entry(sequences + n_done, n_sequences - n_done, &entry);
        eg_put_u32(writer->data + writer->size_bytes, entry);
        writer->size_bytes += 4;
    }
    if (n_done == 0) {
        writer->size_bytes = start;
        return 0;
    }
    eg_put_u16(writer->data + start + 2, (guint16)((writer->size_bytes - start) / 4 - 1));
    return n_done;
}
