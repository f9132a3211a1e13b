#include "media/picture.h"

#include <gst/video/video.h>
#include <stdbool.h>
#include <string.h>

#define BLACK_LUMA   16
#define BLACK_CHROMA 128

GstCaps *eg_picture_caps(const EgVideoEncoding *encoding)
{
    return gst_caps_new_simple(
        "video/x-raw", "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT, (int)encoding->width,
        "height", G_TYPE_INT, (int)encoding->height, "framerate", GST_TYPE_FRACTION,
        (int)encoding->fps, 1, "pixel-aspect-ratio", GST_TYPE_FRACTION, 1, 1, "colorimetry",
        G_TYPE_STRING, "bt709", "interlace-mode", G_TYPE_STRING, "progressive", NULL);
}

GstBuffer *eg_picture_new_black(guint width, guint height)
{
    GstVideoInfo info;
    GstVideoFrame frame;
    gst_video_info_set_format(&info, GST_VIDEO_FORMAT_I420, width, height);
    GstBuffer *picture = gst_buffer_new_allocate(NULL, info.size, NULL);
    bool is_mapped = gst_video_frame_map(&frame, &info, picture, GST_MAP_WRITE);
    g_assert(is_mapped);
    for (guint plane = 0; plane < GST_VIDEO_FRAME_N_PLANES(&frame); plane++) {
        gsize size_bytes = (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(&frame, plane) *
                           (gsize)GST_VIDEO_FRAME_COMP_HEIGHT(&frame, plane);
        memset(GST_VIDEO_FRAME_PLANE_DATA(&frame, plane), plane == 0 ? BLACK_LUMA : BLACK_CHROMA,
               size_bytes);
    }
    gst_video_frame_unmap(&frame);
    return picture;
}
