#pragma once

#include <glib.h>

/* What is on a screen (four bytes a pixel: blue, green, red, anything) as I420: BT.709, limited
 * range, the colour of 2 x 2 pixels averaged. Width and height are even; strides in bytes. Any
 * thread. */
void eg_convert_bgrx_to_i420(const guint8 *pixels, gsize stride, guint width, guint height,
                             guint8 *const planes[3], const gsize strides[3]);
