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

static void append_file(GString *lines, const Livekit__FileInfo *file)
{
    if (file->filename == NULL || *file->filename == '\0')
        return;
    g_autofree char *path = eg_printable(file->filename);
    g_autofree char *size = eg_format_size((guint64)MAX(file->size, 0));
    g_string_append_printf(lines, "%s  %.1f s  %s", path,
                           (double)file->duration / (double)EG_NS_PER_S, size);
}

static void append_stream(GString *lines, const Livekit__StreamInfo *stream)
{
    g_autofree char *url = eg_printable(stream->url);
    if (lines->len > 0)
        g_string_append_c(lines, '\n');
    g_string_append_printf(lines, "%s  %.1f s", url,
                           (double)stream->duration / (double)EG_NS_PER_S);
    if (stream->status == LIVEKIT__STREAM_INFO__STATUS__FAILED)
        g_string_append(lines, "  failed");
    else if (stream->retries > 0)
        g_string_append_printf(lines, "  tried again %u times", stream->retries);
}

char *eg_result_summary(const Livekit__EgressInfo *info, const EgPlan *plan,
                        const char *description)
{
    GString *lines = g_string_new(NULL);
    gsize n_told = 0;
    if (info->n_file_results > 0)
        append_file(lines, info->file_results[0]);
    if (lines->len == 0 && info->n_stream_results > 0)
        append_stream(lines, info->stream_results[n_told++]);
    if (lines->len == 0) {
        g_string_free(lines, TRUE);
        return NULL;
    }
    append_codecs(lines, plan);
    if (description != NULL && *description != '\0') {
        g_autofree char *recorded = eg_printable(description);
        g_string_append_printf(lines, "  (%s)", recorded);
    }
    while (n_told < info->n_stream_results)
        append_stream(lines, info->stream_results[n_told++]);
    return g_string_free(lines, FALSE);
}
