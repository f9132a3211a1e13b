#include "media/vp9-layer.h"

#include <stdbool.h>
#include <string.h>

/* The parts of the uncompressed header, named as in the VP9 bitstream specification, 6.2 and 7.2.
 * Each takes its bits, so that the header's end is found. Reading beyond the end gives 0, and is
 * noticed at the end. */

typedef struct {
    const guint8 *data;
    gsize size_bits;
    gsize at;
} Bits;

static guint take(Bits *bits, guint count)
{
    guint value = 0;
    for (; count > 0; count--, bits->at++) {
        value <<= 1;
        if (bits->at < bits->size_bits)
            value |= (guint)bits->data[bits->at / 8] >> (7 - bits->at % 8) & 1u;
    }
    return value;
}

static bool take_flag(Bits *bits)
{
    return take(bits, 1) != 0;
}

/* A value that is there if the flag before it says so. */
static void take_optional(Bits *bits, guint count)
{
    if (take_flag(bits))
        take(bits, count);
}

static void take_optionals(Bits *bits, guint n, guint count)
{
    for (; n > 0; n--)
        take_optional(bits, count);
}

static void take_frame_size_with_refs(Bits *bits, guint *width)
{
    bool is_as_reference = false;
    for (guint i = 0; i < 3 && !is_as_reference; i++)
        is_as_reference = take_flag(bits);
    if (!is_as_reference) {
        *width = take(bits, 16) + 1;
        take(bits, 16);
    }
    take_optional(bits, 32); /* render_size */
}

static void take_loop_filter(Bits *bits)
{
    take(bits, 6 + 3);
    bool has_deltas = take_flag(bits);
    if (has_deltas && take_flag(bits))
        take_optionals(bits, 4 + 2, 7);
}

static void take_quantization(Bits *bits)
{
    take(bits, 8);
    take_optionals(bits, 3, 5);
}

static void take_segmentation(Bits *bits)
{
    static const guint feature_bits[] = {8 + 1, 6 + 1, 2, 0}; /* with their signs */
    if (!take_flag(bits))
        return;
    if (take_flag(bits)) { /* update_map */
        take_optionals(bits, 7, 8);
        if (take_flag(bits)) /* temporal_update */
            take_optionals(bits, 3, 8);
    }
    if (!take_flag(bits)) /* update_data */
        return;
    take(bits, 1);
    for (guint segment = 0; segment < 8; segment++) {
        for (guint i = 0; i < G_N_ELEMENTS(feature_bits); i++)
            take_optional(bits, feature_bits[i]);
    }
}

static void take_tiles(Bits *bits, guint width)
{
    guint superblocks = (width + 63) / 64;
    guint log2 = 0;
    while (64u << log2 < superblocks)
        log2++;
    guint max_log2 = 1;
    while (superblocks >> max_log2 >= 4)
        max_log2++;
    max_log2--;
    while (log2 < max_log2 && take_flag(bits))
        log2++;
    take_optional(bits, 1); /* rows */
}

/* What comes after error_resilient_mode in a frame that is shown and no key frame. False if its
 * end cannot be found. */
static bool take_rest(Bits *bits, bool is_resilient, guint width)
{
    if (!is_resilient)
        take(bits, 2);           /* reset_frame_context */
    take(bits, 8 + 3 * (3 + 1)); /* refresh_frame_flags, references and their signs */
    take_frame_size_with_refs(bits, &width);
    if (width == 0)
        return false;
    take(bits, 1);        /* allow_high_precision_mv */
    if (!take_flag(bits)) /* is_filter_switchable */
        take(bits, 2);
    if (!is_resilient)
        take(bits, 2); /* refresh_frame_context, frame_parallel_decoding_mode */
    take(bits, 2);     /* frame_context_idx */
    take_loop_filter(bits);
    take_quantization(bits);
    take_segmentation(bits);
    take_tiles(bits, width);
    take(bits, 16); /* header_size_in_bytes */
    return bits->at < bits->size_bits;
}

static void set_bit(guint8 *data, gsize at, bool value)
{
    guint8 mask = (guint8)(0x80 >> at % 8);
    data[at / 8] = (guint8)(value ? data[at / 8] | mask : data[at / 8] & ~mask);
}

/* A frame that is not shown says whether it is intra_only, with one more bit. */
static gsize insert_bit(const guint8 *data, gsize size_bytes, gsize at, gsize header_bits,
                        guint8 *hidden)
{
    Bits bits = {.data = data, .size_bits = header_bits, .at = at};
    gsize header_bytes = (header_bits + 7) / 8;
    gsize new_bytes = (header_bits + 1 + 7) / 8;
    memset(hidden + at / 8 + 1, 0, new_bytes - at / 8 - 1);
    set_bit(hidden, at, false);
    while (bits.at < header_bits) {
        gsize to = bits.at + 1;
        set_bit(hidden, to, take_flag(&bits));
    }
    memcpy(hidden + new_bytes, data + header_bytes, size_bytes - header_bytes);
    return new_bytes + size_bytes - header_bytes;
}

gsize eg_vp9_hide_layer(const guint8 *data, gsize size_bytes, guint width, guint8 *hidden)
{
    Bits bits = {.data = data, .size_bits = size_bytes * 8};
    if (take(&bits, 2) != 2)
        return 0;
    if (take(&bits, 2) == 3) /* profile */
        take(&bits, 1);
    bool shows_existing = take_flag(&bits);
    bool is_key = !take_flag(&bits);
    gsize show_frame_at = bits.at;
    bool is_shown = take_flag(&bits);
    if (shows_existing || !is_shown)
        return 0;
    bool is_resilient = take_flag(&bits);
    gsize intra_only_at = bits.at;
    if (!is_key && !take_rest(&bits, is_resilient, width))
        return 0;

    memcpy(hidden, data, size_bytes);
    set_bit(hidden, show_frame_at, false);
    if (is_key)
        return size_bytes;
    return insert_bit(data, size_bytes, intra_only_at, bits.at, hidden);
}
