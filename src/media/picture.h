#pragma once

#include <gst/gst.h>

/* A black picture: I420, BT.709 limited range, in GStreamer's default layout. (transfer full) */
GstBuffer *eg_picture_new_black(guint width, guint height);
