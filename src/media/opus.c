#include "media/opus.h"

#include <string.h>

#include "base/time.h"
#include "media/frame.h"

/* Durations of one frame by the configuration in the upper five bits (table 2), in 2.5 ms. */
static const guint8 frame_units[32] = {
    4, 8, 16, 24, 4, 8, 16, 24, 4, 8, 16, 24,             /* SILK */
    4, 8, 4,  8,                                          /* hybrid */
    1, 2, 4,  8,  1, 2, 4,  8,  1, 2, 4,  8,  1, 2, 4, 8, /* CELT */
};

#define UNIT_NS   (2500 * EG_NS_PER_US)
#define MAX_UNITS 48

gint64 eg_opus_duration_ns(const guint8 *data, gsize size_bytes)
{
    if (size_bytes == 0)
        return 0;
    guint units = frame_units[data[0] >> 3];
    guint frames = 1;
    if ((data[0] & 3) == 1 || (data[0] & 3) == 2)
        frames = 2;
    if ((data[0] & 3) == 3) {
        if (size_bytes < 2)
            return 0;
        frames = data[1] & 0x3f;
    }
    return frames * units > MAX_UNITS ? 0 : frames * units * UNIT_NS;
}

/* CELT, full band, mono: silence of 2.5, 5, 10 and 20 ms. */
static const guint8 silences[4][3] = {
    {0xe0, 0xff, 0xfe},
    {0xe8, 0xff, 0xfe},
    {0xf0, 0xff, 0xfe},
    {0xf8, 0xff, 0xfe},
};

bool eg_opus_is_silence(const guint8 *data, gsize size_bytes)
{
    gsize length = sizeof silences[0];
    if (size_bytes < length || memcmp(data, silences[3], length) != 0)
        return false;
    for (gsize i = length; i < size_bytes; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

gint64 eg_opus_fill(gint64 start_ns, gint64 end_ns, EgOpusFunc emit, gpointer user)
{
    int size = 3;
    while (size >= 0) {
        gint64 duration_ns = UNIT_NS << size;
        if (end_ns - start_ns < duration_ns) {
            size--;
            continue;
        }
        GstBuffer *packet = gst_buffer_new_memdup(silences[size], sizeof silences[size]);
        eg_frame_set_times(packet, start_ns, start_ns);
        GST_BUFFER_DURATION(packet) = (GstClockTime)duration_ns;
        emit(user, packet);
        start_ns += duration_ns;
    }
    return start_ns;
}
