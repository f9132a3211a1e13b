/* Raw pictures become images: when, of what size, in which colours, under which names. */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "media/picture.h"
#include "media/sink-fixture.h"

#define FPS 10

#define WALL_NS (G_GINT64_CONSTANT(1795969800) * EG_NS_PER_S)

static const EgVideoEncoding encoding = {.width = 320, .height = 180, .fps = FPS};

static const struct {
    EgImageFormat format;
    const char *extension;
    const char *decoder;
} formats[] = {
    {EG_IMAGE_JPEG, ".jpeg", "jpegdec"},
    {EG_IMAGE_PNG,  ".png",  "pngdec" },
    {EG_IMAGE_WEBP, ".webp", "webpdec"},
};

typedef struct {
    SinkFixture base;
    char *prefix;
} Shots;

static Shots *shots_new(const char *name)
{
    g_autoptr(GPtrArray) warm_up = fixture_samples("videotestsrc num-buffers=1 ! appsink name=out");
    Shots *shots = g_new0(Shots, 1);
    sink_fixture_set_up(&shots->base);
    shots->prefix = g_build_filename(shots->base.folder, name, NULL);
    return shots;
}

static void shots_free(Shots *shots)
{
    sink_fixture_tear_down(&shots->base);
    g_free(shots->prefix);
    g_free(shots);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Shots, shots_free)

typedef struct {
    guint format; /* in formats */
    EgSuffix suffix;
    guint width;
    guint height;
} Wish;

static void open_shots(Shots *shots, const Wish *wish)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GstCaps) caps = eg_picture_caps(&encoding);
    const EgSinkParams params = {
        .series = {.prefix = shots->prefix,
                   .ending = formats[wish->format].extension,
                   .suffix = wish->suffix},
        .origin_wall_ns = WALL_NS,
        .images = { .format = formats[wish->format].format,
                   .interval_ns = EG_NS_PER_S,
                   .width = wish->width,
                   .height = wish->height},
        .pictures = caps,
    };
    shots->base.sink =
        eg_sink_new(EG_SINK_IMAGES, shots->base.loop, &params, &sink_fixture_events, shots, &error);
    g_assert_no_error(error);
}

static GstBuffer *make_picture(const char *colour)
{
    g_autofree char *pipeline = g_strdup_printf(
        "videotestsrc num-buffers=1 pattern=solid-color foreground-color=%s ! "
        "video/x-raw,format=I420,width=320,height=180,colorimetry=bt709 ! appsink name=out",
        colour);
    g_autoptr(GPtrArray) samples = fixture_samples(pipeline);
    return gst_buffer_copy(gst_sample_get_buffer(g_ptr_array_index(samples, 0)));
}

static guint64 count(const Shots *shots)
{
    EgSinkStats stats;
    eg_sink_get_stats(shots->base.sink, &stats);
    return stats.n_files;
}

/* The n-th picture; waits for its image if one is made of it. */
static void push_picture(Shots *shots, GstBuffer *picture, gint64 pts_ns, bool is_taken)
{
    guint64 before = count(shots);
    GstBuffer *copy = gst_buffer_copy(picture);
    GST_BUFFER_PTS(copy) = (GstClockTime)pts_ns;
    GST_BUFFER_DURATION(copy) = EG_NS_PER_S / FPS;
    eg_sink_push_picture(shots->base.sink, copy);
    while (is_taken && count(shots) == before && !shots->base.has_ended) {
        eg_loop_iterate(shots->base.loop, false);
        g_usleep(1000);
    }
}

static void push_pictures(Shots *shots, GstBuffer *picture, guint n)
{
    for (guint i = 0; i < n; i++)
        push_picture(shots, picture, (gint64)i * EG_NS_PER_S / FPS, i % FPS == 0);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void expect_names(const Shots *shots, const char *names)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) folder = g_dir_open(shots->base.folder, 0, NULL);
    for (const char *name = g_dir_read_name(folder); name != NULL; name = g_dir_read_name(folder))
        g_ptr_array_add(found, g_strdup(name));
    g_ptr_array_sort(found, compare_names);
    g_ptr_array_add(found, NULL);
    g_autofree char *text = g_strjoinv(" ", (char **)found->pdata);
    g_assert_cmpstr(text, ==, names);
}

/* Decoded, as RGB. */
static GstSample *decode(const Shots *shots, const Wish *wish, const char *name)
{
    g_autofree char *pipeline =
        g_strdup_printf("filesrc location=%s/%s ! %s ! videoconvert ! video/x-raw,format=RGB ! "
                        "appsink name=out",
                        shots->base.folder, name, formats[wish->format].decoder);
    g_autoptr(GPtrArray) samples = fixture_samples(pipeline);
    g_assert_cmpuint(samples->len, ==, 1);
    return gst_sample_ref(g_ptr_array_index(samples, 0));
}

static void expect_size(GstSample *image, int width, int height)
{
    int found_width = 0;
    int found_height = 0;
    const GstStructure *caps = gst_caps_get_structure(gst_sample_get_caps(image), 0);
    gst_structure_get_int(caps, "width", &found_width);
    gst_structure_get_int(caps, "height", &found_height);
    g_assert_cmpint(found_width, ==, width);
    g_assert_cmpint(found_height, ==, height);
}

static void expect_colour(GstSample *image, int x, int y, const guint8 *colour)
{
    int width = 0;
    GstMapInfo map;
    gst_structure_get_int(gst_caps_get_structure(gst_sample_get_caps(image), 0), "width", &width);
    g_assert_true(gst_buffer_map(gst_sample_get_buffer(image), &map, GST_MAP_READ));
    const guint8 *pixel = map.data + y * ((width * 3 + 3) / 4 * 4) + x * 3;
    g_test_message("%u %u %u", pixel[0], pixel[1], pixel[2]);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpint(ABS(pixel[i] - colour[i]), <=, 6);
    gst_buffer_unmap(gst_sample_get_buffer(image), &map);
}

/* In every format a picture has the colours that it had. */
static void test_colours(void)
{
    static const guint8 colour[] = {200, 40, 90};
    static const char *const names[] = {"x_00000.jpeg", "x_00000.png", "x_00000.webp"};
    g_autoptr(GstBuffer) picture = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(formats); i++) {
        const Wish wish = {.format = i, .suffix = EG_SUFFIX_INDEX};
        g_autoptr(Shots) shots = shots_new("x_");
        g_clear_pointer(&picture, gst_buffer_unref);
        picture = make_picture("0xffc8285a");
        open_shots(shots, &wish);
        push_pictures(shots, picture, 1);
        sink_fixture_drain(&shots->base);
        g_assert_no_error(shots->base.error);
        g_autoptr(GstSample) image = decode(shots, &wish, names[i]);
        expect_size(image, 320, 180);
        expect_colour(image, 100, 90, colour);
    }
}

/* The shape is kept: what is missing is black. */
static void test_size(void)
{
    static const guint8 colour[] = {200, 40, 90};
    static const guint8 black[] = {0, 0, 0};
    static const struct {
        guint width;
        guint height;
        int found_width;
        int found_height;
        bool has_borders;
    } cases[] = {
        {160, 160, 160, 160, true },
        {160, 0,   160, 90,  false},
        {0,   45,  80,  45,  false},
        {640, 360, 640, 360, false},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Wish wish = {
            .suffix = EG_SUFFIX_INDEX, .width = cases[i].width, .height = cases[i].height};
        g_autoptr(Shots) shots = shots_new("");
        g_autoptr(GstBuffer) picture = make_picture("0xffc8285a");
        g_free(shots->prefix);
        shots->prefix = g_strconcat(shots->base.folder, "/", NULL);
        open_shots(shots, &wish);
        push_pictures(shots, picture, 1);
        sink_fixture_drain(&shots->base);
        g_autoptr(GstSample) image = decode(shots, &wish, "00000.jpeg");
        expect_size(image, cases[i].found_width, cases[i].found_height);
        expect_colour(image, 40, cases[i].found_height / 2, colour);
        if (cases[i].has_borders)
            expect_colour(image, 40, 4, black);
    }
}

/* The first picture, and then one each second. */
static void test_interval(void)
{
    static const struct {
        EgSuffix suffix;
        const char *names;
    } cases[] = {
        {EG_SUFFIX_INDEX, "x_00000.jpeg x_00001.jpeg x_00002.jpeg"         },
        {EG_SUFFIX_TIME,  "x_20261129163000000.jpeg x_20261129163001000.jpeg "
                         "x_20261129163002000.jpeg"},
        {EG_SUFFIX_NONE,  "x_.jpeg"                                        },
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Wish wish = {.suffix = cases[i].suffix};
        g_autoptr(Shots) shots = shots_new("x_");
        g_autoptr(GstBuffer) picture = make_picture("0xffffffff");
        open_shots(shots, &wish);
        push_pictures(shots, picture, 2 * FPS + 5);
        g_assert_cmpuint(count(shots), ==, 3);
        sink_fixture_drain(&shots->base);
        g_assert_no_error(shots->base.error);
        expect_names(shots, cases[i].names);
    }
}

/* Pictures that were skipped shift nothing. */
static void test_skipped(void)
{
    static const gint64 times_ms[] = {100, 900, 1900, 2000, 2900, 4500, 4900, 5000};
    static const bool is_taken[] = {true, false, true, true, false, true, false, true};
    const Wish wish = {.suffix = EG_SUFFIX_TIME};
    g_autoptr(Shots) shots = shots_new("x_");
    g_autoptr(GstBuffer) picture = make_picture("0xffffffff");
    open_shots(shots, &wish);
    for (guint i = 0; i < G_N_ELEMENTS(times_ms); i++)
        push_picture(shots, picture, times_ms[i] * EG_NS_PER_MS, is_taken[i]);
    sink_fixture_drain(&shots->base);
    expect_names(shots, "x_20261129163000100.jpeg x_20261129163001900.jpeg "
                        "x_20261129163002000.jpeg x_20261129163004500.jpeg "
                        "x_20261129163005000.jpeg");
}

/* More than can be encoded at once: some are dropped, none is waited for. */
static void test_too_many(void)
{
    const Wish wish = {.suffix = EG_SUFFIX_INDEX};
    g_autoptr(Shots) shots = shots_new("x_");
    g_autoptr(GstBuffer) picture = make_picture("0xffffffff");
    open_shots(shots, &wish);
    for (guint i = 0; i < 20; i++)
        push_picture(shots, picture, i * EG_NS_PER_S, false);
    sink_fixture_drain(&shots->base);
    g_assert_no_error(shots->base.error);
    expect_names(shots, "x_00000.jpeg x_00001.jpeg x_00002.jpeg");
}

/* The folder goes while it is in use. */
static void test_lost_folder(void)
{
    const Wish wish = {.suffix = EG_SUFFIX_INDEX};
    g_autoptr(Shots) shots = shots_new("x_");
    g_autoptr(GstBuffer) picture = make_picture("0xffffffff");
    open_shots(shots, &wish);
    push_picture(shots, picture, 0, true);
    fixture_remove_folder(shots->base.folder);
    push_picture(shots, picture, EG_NS_PER_S, true);
    fixture_run_until(shots->base.loop, &shots->base.has_ended);
    g_assert_cmpint(eg_error_blame(shots->base.error), ==, EG_BLAME_DESTINATION);
    g_assert_nonnull(strstr(shots->base.error->message, "x_00001.jpeg"));
}

static void test_none(void)
{
    const Wish wish = {.suffix = EG_SUFFIX_INDEX};
    g_autoptr(Shots) shots = shots_new("x_");
    open_shots(shots, &wish);
    sink_fixture_drain(&shots->base);
    g_assert_error(shots->base.error, EG_ERROR, EG_ERROR_FAILED_PRECONDITION);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/images/colours", test_colours);
    g_test_add_func("/images/size", test_size);
    g_test_add_func("/images/interval", test_interval);
    g_test_add_func("/images/skipped", test_skipped);
    g_test_add_func("/images/too-many", test_too_many);
    g_test_add_func("/images/lost-folder", test_lost_folder);
    g_test_add_func("/images/none", test_none);
    return g_test_run();
}
