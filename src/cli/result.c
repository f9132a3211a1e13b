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

char *eg_result_summary(const Livekit__EgressInfo *info, const EgPlan *plan,
                        const char *description)
{
    if (info->n_file_results == 0)
        return NULL;
    const Livekit__FileInfo *file = info->file_results[0];
    if (file->filename == NULL || *file->filename == '\0')
        return NULL;

    g_autofree char *path = eg_printable(file->filename);
    g_autofree char *size = eg_format_size((guint64)MAX(file->size, 0));
    GString *line = g_string_new(path);
    g_string_append_printf(line, "  %.1f s  %s", (double)file->duration / (double)EG_NS_PER_S,
                           size);
    append_codecs(line, plan);
    if (description != NULL && *description != '\0') {
        g_autofree char *recorded = eg_printable(description);
        g_string_append_printf(line, "  (%s)", recorded);
    }
    return g_string_free(line, FALSE);
}
