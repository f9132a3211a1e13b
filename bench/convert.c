/* What it costs to make I420 of a screen, and what videoconvert would take (its converter is in
 * GStreamer's video library). CPU time for a picture; run with `meson test --benchmark -v`. */
#include <gst/video/video.h>
#include <time.h>

#include "source/convert.h"

#define N_PICTURES  300
#define MORE_PIXELS 16 /* of the screen, right of what is seen */

typedef struct {
    guint width;
    guint height;
} Size;

static const Size sizes[] = {
    {640,  360 },
    {1280, 720 },
    {1920, 1080},
};

static double cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static GstBuffer *make_screen(const GstVideoInfo *info)
{
    GstBuffer *screen = gst_buffer_new_allocate(NULL, info->size, NULL);
    GstMapInfo map;
    gboolean is_mapped = gst_buffer_map(screen, &map, GST_MAP_WRITE);
    g_assert_true(is_mapped);
    for (gsize i = 0; i < map.size; i++)
        map.data[i] = (guint8)g_random_int();
    gst_buffer_unmap(screen, &map);
    return screen;
}

static double time_ours(GstVideoFrame *screen, GstVideoFrame *picture)
{
    guint8 *planes[3];
    gsize strides[3];
    for (guint i = 0; i < 3; i++) {
        planes[i] = GST_VIDEO_FRAME_PLANE_DATA(picture, i);
        strides[i] = (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(picture, i);
    }
    double before_ms = cpu_ms();
    for (guint i = 0; i < N_PICTURES; i++)
        eg_convert_bgrx_to_i420(GST_VIDEO_FRAME_PLANE_DATA(screen, 0),
                                (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(screen, 0),
                                (guint)GST_VIDEO_FRAME_WIDTH(picture),
                                (guint)GST_VIDEO_FRAME_HEIGHT(picture), planes, strides);
    return (cpu_ms() - before_ms) / N_PICTURES;
}

static double time_theirs(GstVideoFrame *screen, GstVideoFrame *picture)
{
    GstVideoConverter *converter = gst_video_converter_new(
        &screen->info, &picture->info,
        gst_structure_new("config", GST_VIDEO_CONVERTER_OPT_SRC_WIDTH, G_TYPE_INT,
                          GST_VIDEO_FRAME_WIDTH(picture), NULL));
    double before_ms = cpu_ms();
    for (guint i = 0; i < N_PICTURES; i++)
        gst_video_converter_frame(converter, screen, picture);
    double ms = (cpu_ms() - before_ms) / N_PICTURES;
    gst_video_converter_free(converter);
    return ms;
}

static void measure(const Size *size)
{
    GstVideoInfo screen_info;
    GstVideoInfo picture_info;
    gst_video_info_set_format(&screen_info, GST_VIDEO_FORMAT_BGRx, size->width + MORE_PIXELS,
                              size->height);
    gst_video_info_set_format(&picture_info, GST_VIDEO_FORMAT_I420, size->width, size->height);
    gst_video_colorimetry_from_string(&picture_info.colorimetry, GST_VIDEO_COLORIMETRY_BT709);
    g_autoptr(GstBuffer) screen = make_screen(&screen_info);
    g_autoptr(GstBuffer) picture = gst_buffer_new_allocate(NULL, picture_info.size, NULL);
    GstVideoFrame from;
    GstVideoFrame into;
    gboolean is_mapped = gst_video_frame_map(&from, &screen_info, screen, GST_MAP_READ) &&
                         gst_video_frame_map(&into, &picture_info, picture, GST_MAP_WRITE);
    g_assert_true(is_mapped);
    double theirs_ms = time_theirs(&from, &into);
    double ours_ms = time_ours(&from, &into);
    g_print("%ux%u: %.3f ms a picture; videoconvert %.3f ms, %.1f times as much\n", size->width,
            size->height, ours_ms, theirs_ms, theirs_ms / ours_ms);
    gst_video_frame_unmap(&into);
    gst_video_frame_unmap(&from);
}

int main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
        measure(&sizes[i]);
    return 0;
}
