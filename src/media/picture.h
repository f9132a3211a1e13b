#pragma once

#include <gst/gst.h>

#include "request/plan.h"

/* What raw pictures are everywhere here: I420, BT.709 limited range, in the size and rate of the
 * encoding. (transfer full) */
GstCaps *eg_picture_caps(const EgVideoEncoding *encoding);

/* A black picture: I420, BT.709 limited range, in GStreamer's default layout. (transfer full) */
GstBuffer *eg_picture_new_black(guint width, guint height);
