#include "cli/result.h"

#include <string.h>

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

static void add_file(GPtrArray *lines, const char *path, gint64 duration_ns, gint64 size_bytes)
{
    if (path == NULL || *path == '\0')
        return;
    g_autofree char *shown = eg_printable(path);
    g_autofree char *size = eg_format_size((guint64)MAX(size_bytes, 0));
    g_ptr_array_add(lines, g_strdup_printf("%s  %.1f s  %s", shown,
                                           (double)duration_ns / (double)EG_NS_PER_S, size));
}

/* In a store it has a URL; on this machine it is where it was to be. */
static const char *place_of(const char *name, const char *location)
{
    return strstr(location, "://") != NULL ? location : name;
}

static void add_images(GPtrArray *lines, const Livekit__ImagesInfo *images)
{
    g_autofree char *shown = eg_printable(images->filename_prefix);
    g_ptr_array_add(lines,
                    g_strdup_printf("%s…  %" G_GINT64_FORMAT " image%s", shown, images->image_count,
                                    images->image_count == 1 ? "" : "s"));
}

static void add_stream(GPtrArray *lines, const Livekit__StreamInfo *stream)
{
    g_autofree char *url = eg_printable(stream->url);
    GString *line = g_string_new(url);
    g_string_append_printf(line, "  %.1f s", (double)stream->duration / (double)EG_NS_PER_S);
    if (stream->status == LIVEKIT__STREAM_INFO__STATUS__FAILED)
        g_string_append(line, "  failed");
    else if (stream->retries > 0)
        g_string_append_printf(line, "  tried again %u times", stream->retries);
    g_ptr_array_add(lines, g_string_free(line, FALSE));
}

char *eg_result_summary(const Livekit__EgressInfo *info, const EgPlan *plan,
                        const char *description)
{
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (gsize i = 0; i < info->n_file_results; i++) {
        const Livekit__FileInfo *file = info->file_results[i];
        add_file(lines, place_of(file->filename, file->location), file->duration, file->size);
    }
    for (gsize i = 0; i < info->n_segment_results; i++) {
        const Livekit__SegmentsInfo *segments = info->segment_results[i];
        add_file(lines, place_of(segments->playlist_name, segments->playlist_location),
                 segments->duration, segments->size);
    }
    for (gsize i = 0; i < info->n_stream_results; i++)
        add_stream(lines, info->stream_results[i]);
    for (gsize i = 0; i < info->n_image_results; i++)
        add_images(lines, info->image_results[i]);
    if (lines->len == 0)
        return NULL;

    /* What is the same for all is said of the first. */
    GString *text = g_string_new(lines->pdata[0]);
    append_codecs(text, plan);
    if (description != NULL && *description != '\0') {
        g_autofree char *recorded = eg_printable(description);
        g_string_append_printf(text, "  (%s)", recorded);
    }
    for (guint i = 1; i < lines->len; i++)
        g_string_append_printf(text, "\n%s", (const char *)lines->pdata[i]);
    return g_string_free(text, FALSE);
}
