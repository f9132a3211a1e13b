#include "cli/result.h"

#include "base/time.h"
#include "cli/outcome.h"
#include "cli/progress.h"
#include "proto/json.h"

char *eg_result_json(const Livekit__EgressInfo *info)
{
    return eg_proto_to_json_styled(&info->base, EG_JSON_ORIGINAL_NAMES);
}

static void append_codecs(GString *line, const EgPlan *plan)
{
    const EgVideoEncoding *video = &plan->video;
    const EgAudioEncoding *audio = &plan->audio;
    if (plan->processing == EG_PROCESSING_PASSTHROUGH)
        g_string_append(line, "  as sent");
    if (video->codec != EG_CODEC_NONE)
        g_string_append_printf(line, "  %s %ux%u", eg_codec_info(video->codec)->name, video->width,
                               video->height);
    if (audio->codec != EG_CODEC_NONE)
        g_string_append_printf(line, "%s%s", video->codec != EG_CODEC_NONE ? ", " : "  ",
                               eg_codec_info(audio->codec)->name);
}

/* "out.mp4  10.0 s  3.7 MB", on a line of its own. */
static void append_output(GString *lines, const char *path, gint64 duration_ns, gint64 size_bytes)
{
    g_autofree char *shown = eg_printable(path);
    g_autofree char *size = eg_format_size((guint64)MAX(size_bytes, 0));
    g_string_append_printf(lines, "%s%s  %.1f s  %s", lines->len > 0 ? "\n" : "", shown,
                           (double)duration_ns / (double)EG_NS_PER_S, size);
}

static void append_images(GString *lines, const Livekit__ImagesInfo *images)
{
    g_autofree char *shown = eg_printable(images->filename_prefix);
    g_string_append_printf(lines, "%s%s…  %" G_GINT64_FORMAT " image%s", lines->len > 0 ? "\n" : "",
                           shown, images->image_count, images->image_count == 1 ? "" : "s");
}

static void append_description(GString *line, const char *description)
{
    if (description == NULL || *description == '\0')
        return;
    g_autofree char *recorded = eg_printable(description);
    g_string_append_printf(line, "  (%s)", recorded);
}

static bool is_set(const char *text)
{
    return text != NULL && *text != '\0';
}

char *eg_result_summary(const Livekit__EgressInfo *info, const EgPlan *plan,
                        const char *description)
{
    g_autoptr(GString) lines = g_string_new(NULL);
    for (gsize i = 0; i < info->n_file_results; i++) {
        const Livekit__FileInfo *file = info->file_results[i];
        if (is_set(file->filename))
            append_output(lines, file->filename, file->duration, file->size);
    }
    for (gsize i = 0; i < info->n_segment_results; i++) {
        const Livekit__SegmentsInfo *segments = info->segment_results[i];
        if (is_set(segments->playlist_name))
            append_output(lines, segments->playlist_name, segments->duration, segments->size);
    }
    if (lines->len > 0)
        append_codecs(lines, plan);
    for (gsize i = 0; i < info->n_image_results; i++)
        append_images(lines, info->image_results[i]);
    if (lines->len == 0)
        return NULL;
    append_description(lines, description);
    return g_strdup(lines->str);
}
