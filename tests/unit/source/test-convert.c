/* Pixels to I420: within 1 of the formula of BT.709, at any size and stride. */
#include "source/convert.h"

#include <math.h>
#include <string.h>

#define MAX_ERROR 1

typedef struct {
    guint width;
    guint height;
    gsize more_bytes;  /* of a row of pixels, beyond its pixels */
    gsize more_stride; /* of planes */
} Size;

static const Size sizes[] = {
    {16,   16,   0,  0 },
    {16,   16,   3,  1 },
    {2,    2,    0,  0 },
    {18,   4,    5,  7 },
    {34,   30,   64, 3 },
    {638,  362,  1,  13},
    {1280, 720,  64, 0 },
    {1920, 1080, 64, 0 },
};

typedef struct {
    guint8 *pixels;
    gsize stride;
    guint8 *planes[3];
    gsize strides[3];
} Picture;

static Picture make_picture(const Size *size)
{
    Picture picture = {.stride = (gsize)size->width * 4 + size->more_bytes};
    picture.pixels = g_malloc(picture.stride * size->height);
    for (guint i = 0; i < 3; i++) {
        guint shift = i > 0 ? 1 : 0;
        picture.strides[i] = (size->width >> shift) + size->more_stride;
        picture.planes[i] = g_malloc0(picture.strides[i] * (size->height >> shift));
    }
    return picture;
}

static void free_picture(Picture *picture)
{
    g_free(picture->pixels);
    for (guint i = 0; i < 3; i++)
        g_free(picture->planes[i]);
}

static void convert(const Picture *picture, const Size *size)
{
    eg_convert_bgrx_to_i420(picture->pixels, picture->stride, size->width, size->height,
                            picture->planes, picture->strides);
}

/* Blue, green and red from 0 to 1, averaged over a block. */
static void average(const Picture *picture, guint x, guint y, guint side, double bgr[3])
{
    for (guint c = 0; c < 3; c++) {
        double sum = 0;
        for (guint i = 0; i < side * side; i++)
            sum += picture->pixels[(y + i / side) * picture->stride + (x + i % side) * 4 + c];
        bgr[c] = sum / (255.0 * side * side);
    }
}

static void reference(const double bgr[3], double yuv[3])
{
    double luma = 0.2126 * bgr[2] + 0.7152 * bgr[1] + 0.0722 * bgr[0];
    yuv[0] = 16 + 219 * luma;
    yuv[1] = 128 + 224 * (bgr[0] - luma) / (2 * (1 - 0.0722));
    yuv[2] = 128 + 224 * (bgr[2] - luma) / (2 * (1 - 0.2126));
}

static void check_sample(const Picture *picture, guint plane, guint x, guint y)
{
    guint side = plane > 0 ? 2 : 1;
    double bgr[3];
    double yuv[3];
    average(picture, x * side, y * side, side, bgr);
    reference(bgr, yuv);
    guint8 sample = picture->planes[plane][y * picture->strides[plane] + x];
    if (fabs(sample - yuv[plane]) > MAX_ERROR)
        g_error("plane %u, column %u, row %u: %u instead of %.2f", plane, x, y, sample, yuv[plane]);
}

static void check(const Picture *picture, const Size *size)
{
    for (guint plane = 0; plane < 3; plane++) {
        guint side = plane > 0 ? 2 : 1;
        for (guint y = 0; y < size->height / side; y++) {
            for (guint x = 0; x < size->width / side; x++)
                check_sample(picture, plane, x, y);
            const guint8 *end = picture->planes[plane] + y * picture->strides[plane];
            for (gsize i = size->width / side; i < picture->strides[plane]; i++)
                g_assert_cmpuint(end[i], ==, 0);
        }
    }
}

static void test_random(gconstpointer data)
{
    const Size *size = data;
    Picture picture = make_picture(size);
    g_autoptr(GRand) random = g_rand_new_with_seed(size->width);
    for (gsize i = 0; i < picture.stride * size->height; i++)
        picture.pixels[i] = (guint8)g_rand_int(random);
    convert(&picture, size);
    check(&picture, size);
    free_picture(&picture);
}

static void fill(const Picture *picture, const Size *size, guint8 blue, guint8 green, guint8 red)
{
    for (guint y = 0; y < size->height; y++) {
        guint8 *row = picture->pixels + y * picture->stride;
        for (guint x = 0; x < size->width; x++)
            memcpy(row + (gsize)x * 4, (guint8[]){blue, green, red, (guint8)x}, 4);
    }
}

static void test_extremes(void)
{
    const Size size = {32, 2, 0, 0};
    Picture picture = make_picture(&size);
    for (guint bits = 0; bits < 8; bits++) {
        fill(&picture, &size, bits & 1 ? 255 : 0, bits & 2 ? 255 : 0, bits & 4 ? 255 : 0);
        convert(&picture, &size);
        check(&picture, &size);
    }
    free_picture(&picture);
}

/* Grey has no colour, black and white are exact. */
static void test_grey(void)
{
    const Size size = {32, 2, 0, 0};
    Picture picture = make_picture(&size);
    for (guint level = 0; level < 256; level++) {
        fill(&picture, &size, (guint8)level, (guint8)level, (guint8)level);
        convert(&picture, &size);
        check(&picture, &size);
        g_assert_cmpuint(picture.planes[1][0], ==, 128);
        g_assert_cmpuint(picture.planes[2][0], ==, 128);
        if (level == 0)
            g_assert_cmpuint(picture.planes[0][0], ==, 16);
        if (level == 255)
            g_assert_cmpuint(picture.planes[0][0], ==, 235);
    }
    free_picture(&picture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree char *path = g_strdup_printf("/convert/random/%ux%u+%zu", sizes[i].width,
                                                sizes[i].height, sizes[i].more_bytes);
        g_test_add_data_func(path, &sizes[i], test_random);
    }
    g_test_add_func("/convert/extremes", test_extremes);
    g_test_add_func("/convert/grey", test_grey);
    return g_test_run();
}
