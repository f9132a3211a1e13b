#include "media/h264.h"

#include "room/bytes.h"

#define NAL_TYPE_MASK 0x1f
#define NAL_SPS       7

GBytes *eg_h264_parameters(const GstBuffer *frame)
{
    GstMapInfo map;
    if (!gst_buffer_map((GstBuffer *)frame, &map, GST_MAP_READ))
        return NULL;
    GByteArray *found = g_byte_array_new();
    gsize at = 0;
    while (map.size - at > 4) {
        guint32 length = eg_get_u32(map.data + at);
        at += 4;
        if (length == 0 || length > map.size - at)
            break;
        if ((map.data[at] & NAL_TYPE_MASK) == NAL_SPS)
            g_byte_array_append(found, map.data + at, length);
        at += length;
    }
    gst_buffer_unmap((GstBuffer *)frame, &map);
    if (found->len > 0)
        return g_byte_array_free_to_bytes(found);
    g_byte_array_unref(found);
    return NULL;
}
