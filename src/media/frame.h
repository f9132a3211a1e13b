#pragma once

#include <gst/gst.h>
#include <stdbool.h>

/* The times of a coded frame on its way from an encoder or depacketizer to the sinks. They are
 * signed: what an audio codec puts in front of the sound (priming) and the decoding times before
 * reordered pictures lie before 0. In a GstBuffer they are kept as two's complement; -1 ns is
 * GST_CLOCK_TIME_NONE and is never used. GStreamer's own elements never see such a buffer. */

static inline gint64 eg_frame_pts(const GstBuffer *frame)
{
    return (gint64)GST_BUFFER_PTS(frame);
}

/* The PTS where no decoding time is known: frames come in the order of presentation. */
static inline gint64 eg_frame_dts(const GstBuffer *frame)
{
    if (GST_BUFFER_DTS(frame) == GST_CLOCK_TIME_NONE)
        return eg_frame_pts(frame);
    return (gint64)GST_BUFFER_DTS(frame);
}

/* The frame must be writable. */
static inline void eg_frame_set_times(GstBuffer *frame, gint64 pts_ns, gint64 dts_ns)
{
    GST_BUFFER_PTS(frame) = (GstClockTime)(pts_ns == -1 ? 0 : pts_ns);
    GST_BUFFER_DTS(frame) = (GstClockTime)(dts_ns == -1 ? 0 : dts_ns);
}

static inline bool eg_frame_is_key(const GstBuffer *frame)
{
    return !GST_BUFFER_FLAG_IS_SET(frame, GST_BUFFER_FLAG_DELTA_UNIT);
}
