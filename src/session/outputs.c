#include "session/outputs.h"

#include "base/error.h"
#include "base/time.h"
#include "request/filename.h"

typedef enum {
    MEMBER_NONE,
    MEMBER_OPEN,
    MEMBER_DRAINED,
    MEMBER_FAILED,
} MemberState;

typedef struct {
    EgOutputs *owner;
    guint output; /* in the plan, and in the report */
    EgSink *sink;
    bool takes[EG_N_MEDIA];
    MemberState state;
} Member;

struct _EgOutputs {
    EgOutputsParams params;
    EgSinkEvents events;
    gpointer user;
    Member *members;
    guint n_members;
    bool is_draining;
    bool has_ended; /* drained or failed, all of them */
    GError *error;  /* of the first that has failed */
    gint64 origin_ns;
    bool tells_muted; /* one track alone is heard */
};

/* By EgOutputKind. */
static const EgSinkKind sink_kinds[EG_N_OUTPUTS] = {
    [EG_OUTPUT_FILE] = EG_SINK_FILE,
    [EG_OUTPUT_WEBSOCKET] = EG_SINK_WEBSOCKET,
};

static guint count(const EgOutputs *outputs, MemberState state)
{
    guint n = 0;
    for (guint i = 0; i < outputs->n_members; i++)
        n += outputs->members[i].state == state;
    return n;
}

/* When nothing is left to wait for. */
static void end_if_over(EgOutputs *outputs)
{
    if (outputs->has_ended || count(outputs, MEMBER_OPEN) > 0)
        return;
    bool is_drained = count(outputs, MEMBER_DRAINED) > 0;
    if (is_drained && !outputs->is_draining)
        return;
    outputs->has_ended = true;
    if (is_drained)
        outputs->events.drained(outputs->user);
    else
        outputs->events.failed(outputs->user, outputs->error);
}

static void on_drained(gpointer user)
{
    Member *member = user;
    member->state = MEMBER_DRAINED;
    end_if_over(member->owner);
}

static void on_failed(gpointer user, const GError *error)
{
    Member *member = user;
    EgOutputs *outputs = member->owner;
    const EgOutputsParams *params = &outputs->params;
    member->state = MEMBER_FAILED;
    eg_warn(params->log, "output has failed", EG_INT("output", member->output),
            EG_STR("error", error->message));
    eg_report_set_failed(params->report, member->output, error, eg_wall_now_ns());
    if (outputs->error == NULL)
        outputs->error = g_error_copy(error);
    end_if_over(outputs);
}

static const EgSinkEvents member_events = {.drained = on_drained, .failed = on_failed};

static bool check_codec(EgFormat format, EgCodec codec, GError **error)
{
    if (codec == EG_CODEC_NONE || eg_format_holds(format, codec))
        return true;
    g_autofree char *holds = eg_format_describe_codecs(format);
    eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                 "format %s incompatible with codec %s: it holds %s", eg_format_info(format)->name,
                 eg_codec_info(codec)->name, holds);
    return false;
}

static EgFormat format_of(const EgOutput *planned, const EgGraphOutput *output)
{
    if (planned->format != EG_FORMAT_NONE)
        return planned->format;
    return eg_format_for_codecs(output->audio_codec, output->video_codec);
}

static char *expand_path(const EgOutputsParams *params, const EgOutput *planned, EgFormat format,
                         GError **error)
{
    EgFilenameFacts facts;
    eg_description_get_facts(params->description, &facts);
    facts.subject = eg_plan_subject(params->plan);
    facts.retry_count = params->plan->retry_count;
    facts.wall_ns = eg_wall_now_ns();
    return eg_filename_expand(planned->path_template, format, &facts, error);
}

/* A format without pictures takes the sound of what has both. */
static bool takes_video(EgFormat format, const EgGraphOutput *output)
{
    return output->audio_codec == EG_CODEC_NONE ||
           eg_format_default_codec(format, EG_MEDIA_VIDEO) != EG_CODEC_NONE;
}

static bool open_member(EgLoop *loop, Member *member, const EgOutput *planned,
                        const EgGraphOutput *output, GError **error)
{
    const EgOutputsParams *params = &member->owner->params;
    EgFormat format = format_of(planned, output);
    bool has_video = takes_video(format, output);
    g_autofree char *path = NULL;
    if (!check_codec(format, output->audio_codec, error) ||
        (has_video && !check_codec(format, output->video_codec, error)))
        return false;
    if (planned->kind == EG_OUTPUT_FILE) {
        path = expand_path(params, planned, format, error);
        if (path == NULL)
            return false;
        if (eg_filename_is_renamed(planned->path_template, format))
            eg_warn(params->log, "the file is named by the format that the codecs need",
                    EG_STR("path", path));
    }
    const EgSinkParams sink = {
        .log = params->log,
        .format = format,
        .path = path,
        .url = planned->url,
        .audio = output->audio_caps,
        .video = has_video ? output->video_caps : NULL,
    };
    member->sink =
        eg_sink_new(sink_kinds[planned->kind], loop, &sink, &member_events, member, error);
    if (member->sink == NULL)
        return false;
    member->state = MEMBER_OPEN;
    member->takes[EG_MEDIA_AUDIO] = sink.audio != NULL;
    member->takes[EG_MEDIA_VIDEO] = sink.video != NULL;
    if (path != NULL)
        eg_report_set_path(params->report, member->output, path);
    return true;
}

EgOutputs *eg_outputs_new(EgLoop *loop, const EgOutputsParams *params, const EgGraphOutput *output,
                          const EgSinkEvents *events, gpointer user, GError **error)
{
    const EgPlan *plan = params->plan;
    g_autoptr(EgOutputs) outputs = g_new0(EgOutputs, 1);
    outputs->params = *params;
    outputs->events = *events;
    outputs->user = user;
    outputs->origin_ns = output->origin_ns;
    outputs->tells_muted =
        !eg_selection_is_open(&plan->selection, EG_MEDIA_AUDIO) && plan->selection.audio->len == 1;
    outputs->n_members = plan->n_outputs;
    outputs->members = g_new0(Member, outputs->n_members);
    for (guint i = 0; i < outputs->n_members; i++) {
        Member *member = &outputs->members[i];
        member->owner = outputs;
        member->output = i;
        if (!open_member(loop, member, &plan->outputs[i], output, error))
            return NULL;
    }
    return g_steal_pointer(&outputs);
}

void eg_outputs_free(EgOutputs *outputs)
{
    if (outputs == NULL)
        return;
    for (guint i = 0; i < outputs->n_members; i++)
        eg_sink_free(outputs->members[i].sink);
    g_clear_error(&outputs->error);
    g_free(outputs->members);
    g_free(outputs);
}

void eg_outputs_push(EgOutputs *outputs, EgMedia media, GstBuffer *frame)
{
    for (guint i = 0; i < outputs->n_members; i++) {
        const Member *member = &outputs->members[i];
        if (member->state == MEMBER_OPEN && member->takes[media])
            eg_sink_push(member->sink, media, gst_buffer_ref(frame));
    }
    gst_buffer_unref(frame);
}

void eg_outputs_set_muted(EgOutputs *outputs, bool is_muted)
{
    for (guint i = 0; outputs->tells_muted && i < outputs->n_members; i++)
        eg_sink_set_muted(outputs->members[i].sink, is_muted, eg_now_ns() - outputs->origin_ns);
}

void eg_outputs_drain(EgOutputs *outputs)
{
    outputs->is_draining = true;
    for (guint i = 0; i < outputs->n_members; i++) {
        if (outputs->members[i].state == MEMBER_OPEN)
            eg_sink_drain(outputs->members[i].sink);
    }
}

void eg_outputs_get_stats(EgOutputs *outputs, EgSinkStats *stats)
{
    *stats = (EgSinkStats){0};
    for (guint i = 0; i < outputs->n_members; i++) {
        EgSinkStats one;
        eg_sink_get_stats(outputs->members[i].sink, &one);
        eg_report_set_progress(outputs->params.report, outputs->members[i].output, &one);
        stats->size_bytes += one.size_bytes;
        stats->duration_ns = MAX(stats->duration_ns, one.duration_ns);
    }
}
