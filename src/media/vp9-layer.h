#pragma once

#include <glib.h>

/* Copies the VP9 frame of a lower layer so that it is decoded but not shown. RTP has all layers of
 * a superframe say that they are to be shown, and decoders that know of layers show the last one;
 * players that do not would show each of them, in its size.
 *
 * `width` is that of the frame, 0 if it is not known; it is needed where the header does not say
 * it. `hidden` has room for size_bytes + 1. Returns how many bytes it now has; 0 if the frame
 * cannot be hidden, or need not be. Pure; for whatever bytes the network has. */
gsize eg_vp9_hide_layer(const guint8 *data, gsize size_bytes, guint width, guint8 *hidden);
