#include "source/convert.h"

#include <string.h>

/* The machine decides which is taken. */
#define FOR_THIS_MACHINE __attribute__((target_clones("avx2", "default")))

/* BT.709 in limited range: luma 16 + 219 (0.2126 R + 0.7152 G + 0.0722 B), chroma 128 + 224 x the
 * difference to blue and red, with R, G and B from 0 to 1. Here R, G and B are bytes, and the
 * factors those of 256 and, for the sum of four, of 2^16. Of a grey pixel the chroma is exactly
 * 128, and the luma of white exactly 235. */
#define LUMA_RED      47
#define LUMA_GREEN    157
#define LUMA_BLUE     16
#define LUMA_OFFSET   ((16 << 8) + (1 << 7))
#define CHROMA_OWN    7196 /* blue for Cb, red for Cr */
#define CB_RED        1649
#define CB_GREEN      5547
#define CR_GREEN      6536
#define CR_BLUE       660
#define CHROMA_OFFSET ((128 << 16) + (1 << 15))

static inline guint32 pixel(const guint8 *row, gsize i)
{
    guint32 value;
    memcpy(&value, row + 4 * i, sizeof(value));
    return GUINT32_FROM_LE(value);
}

FOR_THIS_MACHINE
static void convert_luma(const guint8 *restrict row, guint8 *restrict luma, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        guint32 value = pixel(row, i);
        guint32 blue = value & 0xff;
        guint32 green = (value >> 8) & 0xff;
        guint32 red = (value >> 16) & 0xff;
        luma[i] =
            (guint8)((LUMA_RED * red + LUMA_GREEN * green + LUMA_BLUE * blue + LUMA_OFFSET) >> 8);
    }
}

/* Two channels at a time, 16 bits for each. */
FOR_THIS_MACHINE
static void convert_chroma(const guint8 *restrict upper, const guint8 *restrict lower,
                           guint8 *restrict cb, guint8 *restrict cr, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        guint32 a = pixel(upper, 2 * i);
        guint32 b = pixel(upper, 2 * i + 1);
        guint32 c = pixel(lower, 2 * i);
        guint32 d = pixel(lower, 2 * i + 1);
        guint32 others = (a & 0xff00ff) + (b & 0xff00ff) + (c & 0xff00ff) + (d & 0xff00ff);
        gint32 green =
            (gint32)(((a >> 8) & 0xff) + ((b >> 8) & 0xff) + ((c >> 8) & 0xff) + ((d >> 8) & 0xff));
        gint32 blue = (gint32)(others & 0xffff);
        gint32 red = (gint32)(others >> 16);
        cb[i] =
            (guint8)((CHROMA_OWN * blue - CB_GREEN * green - CB_RED * red + CHROMA_OFFSET) >> 16);
        cr[i] =
            (guint8)((CHROMA_OWN * red - CR_GREEN * green - CR_BLUE * blue + CHROMA_OFFSET) >> 16);
    }
}

void eg_convert_bgrx_to_i420(const guint8 *pixels, gsize stride, guint width, guint height,
                             guint8 *const planes[3], const gsize strides[3])
{
    for (gsize y = 0; y < height; y += 2) {
        const guint8 *upper = pixels + y * stride;
        const guint8 *lower = upper + stride;
        convert_luma(upper, planes[0] + y * strides[0], width);
        convert_luma(lower, planes[0] + (y + 1) * strides[0], width);
        convert_chroma(upper, lower, planes[1] + y / 2 * strides[1], planes[2] + y / 2 * strides[2],
                       width / 2);
    }
}
