#include "media/vp9-layer.h"

#include <stdbool.h>
#include <string.h>

/* Writes frames as the VP9 bitstream specification, 6.2, has them, once to be shown and once not.
 */
typedef struct {
    guint8 bytes[256];
    gsize at;
    GRand *random;
} Frame;

static void put(Frame *frame, guint value, guint count)
{
    for (; count > 0; count--, frame->at++) {
        if (value >> (count - 1) & 1u)
            frame->bytes[frame->at / 8] |= (guint8)(0x80 >> frame->at % 8);
    }
}

static guint put_any(Frame *frame, guint count)
{
    guint value = g_rand_int(frame->random) & (guint)((1ull << count) - 1);
    put(frame, value, count);
    return value;
}

static void put_optional(Frame *frame, guint count)
{
    if (put_any(frame, 1) != 0)
        put_any(frame, count);
}

static void put_segmentation(Frame *frame)
{
    static const guint bits[] = {9, 7, 2, 0};
    if (put_any(frame, 1) == 0)
        return;
    if (put_any(frame, 1) != 0) {
        for (guint i = 0; i < 7; i++)
            put_optional(frame, 8);
        if (put_any(frame, 1) != 0) {
            for (guint i = 0; i < 3; i++)
                put_optional(frame, 8);
        }
    }
    if (put_any(frame, 1) == 0)
        return;
    put_any(frame, 1);
    for (guint i = 0; i < 8 * 4; i++)
        put_optional(frame, bits[i % 4]);
}

static void put_loop_filter(Frame *frame)
{
    put_any(frame, 9);
    if (put_any(frame, 1) == 0 || put_any(frame, 1) == 0)
        return;
    for (guint i = 0; i < 6; i++)
        put_optional(frame, 7);
}

/* Of the columns of tiles at least 1 << min. */
static void put_tiles(Frame *frame, guint width)
{
    guint superblocks = (width + 63) / 64;
    guint max = 0;
    while (superblocks >> (max + 1) >= 4)
        max++;
    guint min = 0;
    while (64u << min < superblocks)
        min++;
    for (guint i = min; i < max && put_any(frame, 1) != 0; i++)
        ;
    put_optional(frame, 1);
}

static void put_size(Frame *frame, guint width, bool has_size)
{
    if (has_size) {
        put(frame, 0, 3);
        put(frame, width - 1, 16);
        put_any(frame, 16);
    } else {
        guint reference = (guint)g_rand_int_range(frame->random, 0, 3);
        put(frame, 1, reference + 1);
    }
    put_optional(frame, 32);
}

/* An inter frame; the same seed makes the same one. */
static gsize make_inter(Frame *frame, guint32 seed, bool is_shown, guint width, bool has_size)
{
    memset(frame, 0, sizeof *frame);
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    frame->random = random;
    guint profile = seed % 4;
    put(frame, 2, 2);
    put(frame, (profile & 1) << 1 | profile >> 1, 2);
    if (profile == 3)
        put(frame, 0, 1);
    put(frame, 1, 2); /* show_existing_frame 0, frame_type inter */
    put(frame, is_shown, 1);
    bool is_resilient = put_any(frame, 1) != 0;
    if (!is_shown)
        put(frame, 0, 1); /* intra_only */
    if (!is_resilient)
        put_any(frame, 2);
    put_any(frame, 20);
    put_size(frame, width, has_size);
    put_any(frame, 1);
    if (put_any(frame, 1) == 0)
        put_any(frame, 2);
    if (!is_resilient)
        put_any(frame, 2);
    put_any(frame, 2);
    put_loop_filter(frame);
    put_any(frame, 8);
    for (guint i = 0; i < 3; i++)
        put_optional(frame, 5);
    put_segmentation(frame);
    put_tiles(frame, width);
    put_any(frame, 16);
    frame->at = (frame->at + 7) / 8 * 8;
    put_any(frame, 32); /* what is coded */
    put_any(frame, 32);
    return frame->at / 8;
}

static void test_inter(void)
{
    static const guint widths[] = {160, 240, 640, 960, 1280, 3840, 8192};
    guint grown = 0;
    for (guint32 seed = 0; seed < 4000; seed++) {
        Frame shown;
        Frame wanted;
        guint8 hidden[sizeof shown.bytes + 1];
        guint width = widths[seed / 4 % G_N_ELEMENTS(widths)];
        bool has_size = seed % 3 != 0;
        gsize size_bytes = make_inter(&shown, seed, true, width, has_size);
        gsize wanted_bytes = make_inter(&wanted, seed, false, width, has_size);
        gsize hidden_bytes = eg_vp9_hide_layer(shown.bytes, size_bytes, width, hidden);
        g_assert_cmpuint(hidden_bytes, ==, wanted_bytes);
        g_assert_cmpint(memcmp(hidden, wanted.bytes, wanted_bytes), ==, 0);
        grown += hidden_bytes > size_bytes;
        /* It is hidden already. */
        g_assert_cmpuint(eg_vp9_hide_layer(wanted.bytes, wanted_bytes, width, hidden), ==, 0);
    }
    g_assert_cmpuint(grown, >, 0);
    g_assert_cmpuint(grown, <, 4000);
}

static void test_width_unknown(void)
{
    Frame shown;
    guint8 hidden[sizeof shown.bytes + 1];
    gsize size_bytes = make_inter(&shown, 1, true, 640, false);
    g_assert_cmpuint(eg_vp9_hide_layer(shown.bytes, size_bytes, 0, hidden), ==, 0);
    size_bytes = make_inter(&shown, 1, true, 640, true);
    g_assert_cmpuint(eg_vp9_hide_layer(shown.bytes, size_bytes, 0, hidden), >=, size_bytes);
}

static void test_key(void)
{
    static const guint8 key[] = {0x83, 0x49, 0x83, 0x42, 0x00, 0x0e, 0xf0, 0x08};
    static const guint8 wanted[] = {0x81, 0x49, 0x83, 0x42, 0x00, 0x0e, 0xf0, 0x08};
    guint8 hidden[sizeof key + 1];
    gsize hidden_bytes = eg_vp9_hide_layer(key, sizeof key, 0, hidden);
    g_assert_cmpuint(hidden_bytes, ==, sizeof wanted);
    g_assert_cmpint(memcmp(hidden, wanted, sizeof wanted), ==, 0);
}

static void test_cut_short(void)
{
    for (guint32 seed = 0; seed < 200; seed++) {
        Frame shown;
        gsize size_bytes = make_inter(&shown, seed, true, 640, true);
        for (gsize cut_bytes = 0; cut_bytes < size_bytes; cut_bytes++) {
            g_autofree guint8 *data = g_memdup2(shown.bytes, cut_bytes);
            g_autofree guint8 *hidden = g_malloc(cut_bytes + 1);
            gsize hidden_bytes = eg_vp9_hide_layer(data, cut_bytes, 640, hidden);
            g_assert_cmpuint(hidden_bytes, <=, cut_bytes + 1);
        }
    }
}

static void test_others(void)
{
    guint8 hidden[8];
    static const guint8 existing[] = {0x88, 0x00};
    static const guint8 no_frame[] = {0x42, 0x00};
    g_assert_cmpuint(eg_vp9_hide_layer(existing, sizeof existing, 640, hidden), ==, 0);
    g_assert_cmpuint(eg_vp9_hide_layer(no_frame, sizeof no_frame, 640, hidden), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vp9-layer/inter", test_inter);
    g_test_add_func("/vp9-layer/width-unknown", test_width_unknown);
    g_test_add_func("/vp9-layer/key", test_key);
    g_test_add_func("/vp9-layer/cut-short", test_cut_short);
    g_test_add_func("/vp9-layer/others", test_others);
    return g_test_run();
}
