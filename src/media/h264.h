#pragma once

#include <gst/gst.h>

/* The sequence parameter sets (ITU-T H.264, 7.3.2.1) that a frame of length-prefixed NAL units
 * (ISO/IEC 14496-15, four bytes each) carries: they change with the size of the pictures. NULL: it
 * has none. The caller unrefs them. */
GBytes *eg_h264_parameters(const GstBuffer *frame);
