#include "session/outputs.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "media/picture.h"
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
    bool takes_pictures; /* raw ones */
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
    [EG_OUTPUT_SEGMENTS] = EG_SINK_SEGMENTS,
    [EG_OUTPUT_IMAGES] = EG_SINK_IMAGES,
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

static void get_facts(const EgOutputsParams *params, EgFilenameFacts *facts)
{
    eg_description_get_facts(params->description, facts);
    facts->subject = eg_plan_subject(params->plan);
    facts->retry_count = params->plan->retry_count;
    facts->wall_ns = eg_wall_now_ns();
}

/* What a sink is told of where it writes. */
typedef struct {
    char *path;   /* of a file */
    char *prefix; /* of segments and images */
    char *playlist;
    char *live_playlist;
} Names;

static void clear_names(Names *names)
{
    g_free(names->path);
    g_free(names->prefix);
    g_free(names->playlist);
    g_free(names->live_playlist);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Names, clear_names)

static bool expand_file(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                        Names *names, GError **error)
{
    names->path = eg_filename_expand(planned->path_template, format, facts, error);
    return names->path != NULL;
}

static bool expand_segments(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                            Names *names, GError **error)
{
    (void)format;
    const char *live = planned->segments.live_playlist_template;
    names->prefix = eg_filename_expand_prefix(planned->path_template, facts, error);
    if (names->prefix == NULL)
        return false;
    names->playlist =
        eg_filename_expand_playlist(planned->segments.playlist_template, facts, error);
    if (names->playlist == NULL || live == NULL)
        return names->playlist != NULL;
    names->live_playlist = eg_filename_expand_playlist(live, facts, error);
    return names->live_playlist != NULL;
}

static bool expand_images(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                          Names *names, GError **error)
{
    (void)format;
    names->prefix = eg_filename_expand_prefix(planned->path_template, facts, error);
    if (names->prefix == NULL)
        return false;
    /* One file that is replaced has nothing to be told from. */
    if (planned->suffix == EG_SUFFIX_NONE && g_str_has_suffix(names->prefix, "_"))
        names->prefix[strlen(names->prefix) - 1] = '\0';
    return true;
}

typedef bool (*ExpandFunc)(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                           Names *names, GError **error);

/* By EgOutputKind; NULL: it has no names. */
static const ExpandFunc expand_funcs[EG_N_OUTPUTS] = {
    [EG_OUTPUT_FILE] = expand_file,
    [EG_OUTPUT_SEGMENTS] = expand_segments,
    [EG_OUTPUT_IMAGES] = expand_images,
};

static bool expand_names(const EgOutputsParams *params, const EgOutput *planned, EgFormat format,
                         Names *names, GError **error)
{
    EgFilenameFacts facts;
    get_facts(params, &facts);
    if (expand_funcs[planned->kind] == NULL)
        return true;
    if (!expand_funcs[planned->kind](planned, format, &facts, names, error))
        return false;
    if (names->path != NULL && eg_filename_is_renamed(planned->path_template, format))
        eg_warn(params->log, "the file is named by the format that the codecs need",
                EG_STR("path", names->path));
    return true;
}

static EgSinkParams sink_params(const EgOutput *planned, const Names *names)
{
    return (EgSinkParams){
        .path = names->path,
        .url = planned->url,
        .series =
            {
                     .prefix = names->prefix,
                     .ending = planned->kind == EG_OUTPUT_IMAGES
                              ? planned->images.extension
                              : eg_format_info(planned->format)->extension,
                     .suffix = planned->suffix,
                     },
        .segments =
            {
                     .playlist = names->playlist,
                     .live_playlist = names->live_playlist,
                     .live_segments = planned->segments.live_segments,
                     .duration_ns = planned->segments.duration_ns,
                     },
        .images =
            {
                     .format = planned->images.format,
                     .interval_ns = planned->images.interval_ns,
                     .width = planned->images.width,
                     .height = planned->images.height,
                     },
    };
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
    bool has_frames = planned->kind != EG_OUTPUT_IMAGES;
    bool has_video = has_frames && takes_video(format, output);
    g_auto(Names) names = {0};
    if ((has_frames && !check_codec(format, output->audio_codec, error)) ||
        (has_video && !check_codec(format, output->video_codec, error)) ||
        !expand_names(params, planned, format, &names, error))
        return false;
    g_autoptr(GstCaps) pictures = has_frames ? NULL : eg_picture_caps(&params->plan->video);
    EgSinkParams sink = sink_params(planned, &names);
    sink.log = params->log;
    sink.format = format;
    sink.audio = has_frames ? output->audio_caps : NULL;
    sink.video = has_video ? output->video_caps : NULL;
    sink.pictures = pictures;
    sink.origin_wall_ns = eg_wall_now_ns() - (eg_now_ns() - output->origin_ns);
    member->sink =
        eg_sink_new(sink_kinds[planned->kind], loop, &sink, &member_events, member, error);
    if (member->sink == NULL)
        return false;
    member->state = MEMBER_OPEN;
    member->takes[EG_MEDIA_AUDIO] = sink.audio != NULL;
    member->takes[EG_MEDIA_VIDEO] = sink.video != NULL;
    member->takes_pictures = pictures != NULL;
    const EgReportNames reported = {
        .path = names.path,
        .prefix = names.prefix,
        .playlist = names.playlist,
        .live_playlist = names.live_playlist,
    };
    eg_report_set_names(params->report, member->output, &reported);
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

void eg_outputs_push_picture(EgOutputs *outputs, GstBuffer *picture)
{
    for (guint i = 0; i < outputs->n_members; i++) {
        const Member *member = &outputs->members[i];
        if (member->state == MEMBER_OPEN && member->takes_pictures)
            eg_sink_push_picture(member->sink, gst_buffer_ref(picture));
    }
    gst_buffer_unref(picture);
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
