#include "session/outputs-private.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "media/picture.h"
#include "proto/redact.h"
#include "request/stream-url.h"

/* How often it is told that streams are tried again. */
#define RETRIES_TOLD_NS (60 * EG_NS_PER_S)

static guint count(const EgOutputs *outputs, EgMemberState state)
{
    guint n = 0;
    for (guint i = 0; i < outputs->members->len; i++)
        n += ((const EgMember *)outputs->members->pdata[i])->state == state;
    return n;
}

/* One has ended alone: if it was the last, there is nothing to record for any more. */
static void end_if_empty(EgOutputs *outputs)
{
    if (!outputs->is_draining && count(outputs, EG_MEMBER_OPEN) == 0)
        outputs->events.emptied(outputs->user);
}

/* When nothing is left to wait for. */
static void end_if_over(EgOutputs *outputs)
{
    if (outputs->has_ended ||
        count(outputs, EG_MEMBER_OPEN) + count(outputs, EG_MEMBER_UPLOADING) > 0 ||
        !eg_outputs_write_manifest(outputs))
        return;
    outputs->has_ended = true;
    if (outputs->upload_error != NULL)
        outputs->events.failed(outputs->user, outputs->upload_error);
    else if (outputs->is_draining &&
             count(outputs, EG_MEMBER_DRAINED) + count(outputs, EG_MEMBER_REMOVED) > 0)
        outputs->events.drained(outputs->user);
    else
        outputs->events.failed(outputs->user, outputs->error);
}

static void on_end_due(gpointer user)
{
    end_if_over(user);
}

void eg_member_get_stats(const EgMember *member, EgSinkStats *stats)
{
    if (member->sink != NULL)
        eg_sink_get_stats(member->sink, stats);
    else
        *stats = member->stats;
}

static void update_progress(const EgMember *member)
{
    EgSinkStats stats;
    eg_member_get_stats(member, &stats);
    eg_report_set_progress(member->owner->params.report, member->output, &stats);
}

static void on_removed(EgMember *member)
{
    EgOutputs *outputs = member->owner;
    member->state = EG_MEMBER_REMOVED;
    update_progress(member);
    eg_report_set_finished(outputs->params.report, member->output, eg_wall_now_ns());
    outputs->events.changed(outputs->user);
    end_if_empty(outputs);
}

static void on_drained(gpointer user)
{
    EgMember *member = user;
    EgOutputs *outputs = member->owner;
    if (member->state != EG_MEMBER_OPEN)
        return;
    if (member->is_removing) {
        on_removed(member);
    } else if (member->is_stored) {
        member->state = EG_MEMBER_UPLOADING;
        eg_uploads_finish(outputs->uploads, member->output);
        eg_timer_set(outputs->rest_timer, 0);
    } else {
        member->state = EG_MEMBER_DRAINED;
    }
    if (outputs->is_draining)
        end_if_over(outputs);
    else if (member->is_leaving)
        end_if_empty(outputs);
}

void eg_member_set_failed(EgMember *member, const GError *error)
{
    EgOutputs *outputs = member->owner;
    const EgOutputsParams *params = &outputs->params;
    eg_warn(params->log, "output has failed", EG_INT("output", member->output),
            EG_STR("error", error->message));
    eg_report_set_failed(params->report, member->output, error, eg_wall_now_ns());
    if (outputs->error == NULL)
        outputs->error = g_error_copy(error);
}

static void on_failed(gpointer user, const GError *error)
{
    EgMember *member = user;
    EgOutputs *outputs = member->owner;
    if (member->state != EG_MEMBER_OPEN)
        return;
    eg_member_set_failed(member, error);
    if (member->is_stored) {
        /* Its sink goes first: we are in the middle of it. */
        member->state = EG_MEMBER_UPLOADING;
        member->error = g_error_copy(error);
        eg_timer_set(outputs->rest_timer, 0);
        return;
    }
    member->state = EG_MEMBER_FAILED;
    /* The others may have nothing left but to be uploaded. */
    eg_timer_set(outputs->rest_timer, 0);
    if (count(outputs, EG_MEMBER_OPEN) > 0)
        outputs->events.changed(outputs->user);
    else
        end_if_over(outputs);
}

/* Uploads. */

static void on_completed(gpointer user, const EgSinkFile *file)
{
    const EgMember *member = user;
    if (member->is_stored)
        eg_uploads_add(member->owner->uploads, member->output, file);
    else
        eg_member_note_file(member, file);
}

static void on_grown(gpointer user, const EgSinkGrowth *growth)
{
    const EgMember *member = user;
    if (member->is_stored)
        eg_uploads_grow(member->owner->uploads, member->output, growth);
}

static void recover(EgMember *member)
{
    EgOutputs *outputs = member->owner;
    eg_member_get_stats(member, &member->stats);
    g_clear_pointer(&member->sink, eg_sink_free);
    eg_uploads_recover(outputs->uploads, member->output, &member->keys, member->format);
}

/* What sinks that have failed have left is worth as much as all else. */
static void on_rest_due(gpointer user)
{
    EgOutputs *outputs = user;
    for (guint i = 0; i < outputs->members->len; i++) {
        EgMember *member = outputs->members->pdata[i];
        if (member->state == EG_MEMBER_UPLOADING && member->error != NULL && member->sink != NULL)
            recover(member);
    }
    bool is_waiting = count(outputs, EG_MEMBER_UPLOADING) > 0;
    if (outputs->has_ended || outputs->has_told_recorded || !is_waiting ||
        count(outputs, EG_MEMBER_OPEN) > 0)
        return;
    outputs->has_told_recorded = true;
    bool is_well = count(outputs, EG_MEMBER_DRAINED) + count(outputs, EG_MEMBER_REMOVED) > 0;
    for (guint i = 0; i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        is_well = is_well || (member->state == EG_MEMBER_UPLOADING && member->error == NULL);
    }
    outputs->events.recorded(outputs->user, is_well ? NULL : outputs->error);
}

static void on_uploaded(gpointer user, guint output, const GError *error)
{
    EgOutputs *outputs = user;
    EgMember *member = outputs->members->pdata[output];
    bool is_recording = member->state == EG_MEMBER_OPEN;
    if (error != NULL) {
        eg_member_set_failed(member, error);
        if (outputs->upload_error == NULL)
            outputs->upload_error = g_error_copy(error);
    }
    member->state = error != NULL || member->error != NULL ? EG_MEMBER_FAILED : EG_MEMBER_DRAINED;
    if (is_recording && count(outputs, EG_MEMBER_OPEN) > 0)
        outputs->events.changed(outputs->user);
    end_if_over(outputs);
}

static void on_counted(gpointer user, const EgUploadResult *result)
{
    EgOutputs *outputs = user;
    if (outputs->events.counted != NULL)
        outputs->events.counted(outputs->user, result);
}

static void on_manifest_uploaded(gpointer user, const char *location, const GError *error)
{
    eg_outputs_note_manifest(user, location, error);
    end_if_over(user);
}

static const EgUploadsEvents upload_events = {
    .finished = on_uploaded,
    .counted = on_counted,
    .manifest = on_manifest_uploaded,
};

/* Of a stream. */
static void on_changed(gpointer user)
{
    EgMember *member = user;
    EgOutputs *outputs = member->owner;
    EgSinkStats stats;
    eg_sink_get_stats(member->sink, &stats);
    eg_report_set_progress(outputs->params.report, member->output, &stats);
    gint64 now_ns = eg_now_ns();
    bool is_start = !member->has_started;
    bool is_told = member->retry_told_ns != 0 && now_ns - member->retry_told_ns < RETRIES_TOLD_NS;
    member->has_started = true;
    if (!is_start && (stats.is_connected || is_told))
        return;
    if (!is_start)
        member->retry_told_ns = now_ns;
    eg_report_set_updated(outputs->params.report, eg_wall_now_ns());
    outputs->events.changed(outputs->user);
}

static const EgSinkEvents member_events = {
    .drained = on_drained, .failed = on_failed, .changed = on_changed};

static const EgSinkEvents file_events = {
    .drained = on_drained,
    .failed = on_failed,
    .changed = on_changed,
    .completed = on_completed,
    .grown = on_grown,
};

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

static bool expand_names(const EgOutputsParams *params, const EgOutput *planned, EgFormat format,
                         EgOutputNames *names, GError **error)
{
    EgFilenameFacts facts;
    eg_description_get_facts(params->description, &facts);
    facts.subject = eg_plan_subject(params->plan);
    facts.retry_count = params->plan->retry_count;
    facts.wall_ns = eg_wall_now_ns();
    if (!eg_output_names_expand(planned, format, &facts, names, error))
        return false;
    if (names->path != NULL && eg_filename_is_renamed(planned->path_template, format))
        eg_warn(params->log, "the file is named by the format that the codecs need",
                EG_STR("path", names->path));
    return true;
}

/* Where it is written: in the spool if it goes to a store. */
static bool place(EgMember *member, EgFormat format, EgOutputNames *names, GError **error)
{
    EgSpool *spool = member->owner->params.spool;
    if (!member->is_stored)
        return true;
    member->keys = *names;
    eg_output_names_in_spool(&member->keys, spool, member->output, names);
    return eg_output_names_note(&member->keys, format, spool, member->output, error);
}

static void report_names(const EgMember *member, const EgOutputNames *names)
{
    const EgOutputNames *told = member->is_stored ? &member->keys : names;
    const EgReportNames reported = {
        .path = told->path,
        .prefix = told->prefix,
        .playlist = told->playlist,
        .live_playlist = told->live_playlist,
        .is_stored = member->is_stored,
    };
    eg_report_set_names(member->owner->params.report, member->output, &reported);
}

/* A format without pictures takes the sound of what has both. */
static bool takes_video(EgFormat format, const EgGraphOutput *output)
{
    return output->audio_codec == EG_CODEC_NONE ||
           eg_format_default_codec(format, EG_MEDIA_VIDEO) != EG_CODEC_NONE;
}

static bool open_member(EgMember *member, const EgOutput *planned, GError **error)
{
    const EgOutputsParams *params = &member->owner->params;
    const EgGraphOutput *output = &member->owner->output;
    EgFormat format = format_of(planned, output);
    bool has_frames = planned->kind != EG_OUTPUT_IMAGES;
    bool has_video = has_frames && takes_video(format, output);
    g_auto(EgOutputNames) names = {0};
    member->is_stored = planned->storage != NULL;
    if ((has_frames && !check_codec(format, output->audio_codec, error)) ||
        (has_video && !check_codec(format, output->video_codec, error)) ||
        !expand_names(params, planned, format, &names, error) ||
        !place(member, format, &names, error))
        return false;
    g_autoptr(GstCaps) pictures = has_frames ? NULL : eg_picture_caps(&params->plan->video);
    EgSinkParams sink = eg_output_sink_params(planned, format, &names);
    sink.log = params->log;
    sink.is_fragmented = params->config->fragmented_mp4;
    sink.audio = has_frames ? output->audio_caps : NULL;
    sink.video = has_video ? output->video_caps : NULL;
    sink.pictures = pictures;
    sink.origin_wall_ns = eg_wall_now_ns() - (eg_now_ns() - output->origin_ns);
    sink.retry_ns = params->config->stream_retry_ns;
    sink.ca_cert_file = params->config->stream_ca_cert_file;
    sink.takes_any_certificate = params->config->is_browser_insecure;
    member->sink = eg_sink_new(eg_output_sink_kind(planned->kind), member->owner->loop, &sink,
                               planned->storage != NULL || planned->has_manifest ? &file_events
                                                                                 : &member_events,
                               member, error);
    if (member->sink == NULL)
        return false;
    member->state = EG_MEMBER_OPEN;
    member->takes[EG_MEDIA_AUDIO] = sink.audio != NULL;
    member->takes[EG_MEDIA_VIDEO] = sink.video != NULL;
    member->takes_pictures = pictures != NULL;
    member->format = format;
    member->written = g_strdup(names.path != NULL ? names.path : names.prefix);
    if (planned->path_template != NULL) {
        report_names(member, &names);
        member->folder = eg_output_names_folder(member->is_stored ? &member->keys : &names);
    }
    member->name = eg_output_names_describe(planned, member->is_stored ? &member->keys : &names);
    return true;
}

static void free_member(gpointer data)
{
    EgMember *member = data;
    eg_sink_free(member->sink);
    g_free(member->url);
    g_free(member->id);
    g_free(member->name);
    g_free(member->written);
    g_free(member->folder);
    eg_output_names_clear(&member->keys);
    g_clear_error(&member->error);
    g_free(member);
}

EgMember *eg_outputs_add(EgOutputs *outputs, const EgOutput *planned, GError **error)
{
    EgMember *member = g_new0(EgMember, 1);
    member->owner = outputs;
    member->kind = planned->kind;
    member->output = outputs->members->len;
    if (planned->kind == EG_OUTPUT_STREAM) {
        g_autoptr(EgStreamUrl) url = eg_stream_url_parse(planned->url, NULL);
        member->url = g_strdup(planned->url);
        member->id = g_strdup(planned->id);
        member->is_listener = url != NULL && url->is_listener;
    }
    if (!open_member(member, planned, error)) {
        free_member(member);
        return NULL;
    }
    g_ptr_array_add(outputs->members, member);
    return member;
}

static void keep_output(EgOutputs *outputs, const EgGraphOutput *output)
{
    outputs->output = *output;
    outputs->output.audio_caps = NULL;
    outputs->output.video_caps = NULL;
    gst_caps_replace(&outputs->output.audio_caps, output->audio_caps);
    gst_caps_replace(&outputs->output.video_caps, output->video_caps);
}

EgOutputs *eg_outputs_new(EgLoop *loop, const EgOutputsParams *params, const EgGraphOutput *output,
                          const EgOutputsEvents *events, gpointer user, GError **error)
{
    const EgPlan *plan = params->plan;
    g_autoptr(EgOutputs) outputs = g_new0(EgOutputs, 1);
    outputs->params = *params;
    outputs->events = *events;
    outputs->user = user;
    outputs->loop = loop;
    outputs->end_timer = eg_timer_new(loop, on_end_due, outputs);
    outputs->members = g_ptr_array_new_with_free_func(free_member);
    keep_output(outputs, output);
    if (params->spool != NULL) {
        const EgUploadsParams uploads = {
            .plan = plan,
            .spool = params->spool,
            .report = params->report,
            .config = params->config,
            .log = params->log,
            .manifest = params->manifest,
        };
        outputs->uploads = eg_uploads_new(loop, &uploads, &upload_events, outputs);
    }
    outputs->rest_timer = eg_timer_new(loop, on_rest_due, outputs);
    outputs->tells_muted =
        !eg_selection_is_open(&plan->selection, EG_MEDIA_AUDIO) && plan->selection.audio->len == 1;
    for (guint i = 0; i < plan->n_outputs; i++) {
        if (eg_outputs_add(outputs, &plan->outputs[i], error) == NULL)
            return NULL;
    }
    return g_steal_pointer(&outputs);
}

void eg_outputs_free(EgOutputs *outputs)
{
    if (outputs == NULL)
        return;
    g_ptr_array_unref(outputs->members);
    eg_uploads_free(outputs->uploads);
    eg_timer_free(outputs->end_timer);
    eg_timer_free(outputs->rest_timer);
    g_clear_error(&outputs->upload_error);
    gst_clear_caps(&outputs->output.audio_caps);
    gst_clear_caps(&outputs->output.video_caps);
    g_clear_error(&outputs->error);
    g_free(outputs);
}

void eg_outputs_push(EgOutputs *outputs, EgMedia media, GstBuffer *frame)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        if (member->state == EG_MEMBER_OPEN && member->takes[media])
            eg_sink_push(member->sink, media, gst_buffer_ref(frame));
    }
    gst_buffer_unref(frame);
}

void eg_outputs_push_picture(EgOutputs *outputs, GstBuffer *picture)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        if (member->state == EG_MEMBER_OPEN && member->takes_pictures)
            eg_sink_push_picture(member->sink, gst_buffer_ref(picture));
    }
    gst_buffer_unref(picture);
}

void eg_outputs_set_muted(EgOutputs *outputs, bool is_muted)
{
    for (guint i = 0; outputs->tells_muted && i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        if (member->sink == NULL)
            continue;
        eg_sink_set_muted(member->sink, is_muted, eg_now_ns() - outputs->output.origin_ns);
    }
}

void eg_outputs_drain(EgOutputs *outputs)
{
    outputs->is_draining = true;
    for (guint i = 0; i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        if (member->state == EG_MEMBER_OPEN)
            eg_sink_drain(member->sink);
    }
    if (count(outputs, EG_MEMBER_OPEN) == 0)
        eg_timer_set(outputs->end_timer, 0);
}

void eg_outputs_disown(EgOutputs *outputs)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        EgMember *member = outputs->members->pdata[i];
        if (!member->is_stored)
            continue;
        eg_member_get_stats(member, &member->stats);
        member->state = EG_MEMBER_REMOVED;
        g_clear_pointer(&member->sink, eg_sink_free);
    }
    if (outputs->uploads != NULL)
        eg_uploads_abandon(outputs->uploads);
    g_clear_pointer(&outputs->uploads, eg_uploads_free);
}

void eg_outputs_get_upload_stats(const EgOutputs *outputs, EgUploaderStats *stats)
{
    *stats = (EgUploaderStats){0};
    if (outputs->uploads != NULL)
        eg_uploads_get_stats(outputs->uploads, stats);
}

void eg_outputs_get_stats(EgOutputs *outputs, EgOutputsStats *stats)
{
    *stats = (EgOutputsStats){0};
    for (guint i = 0; i < outputs->members->len; i++) {
        const EgMember *member = outputs->members->pdata[i];
        EgSinkStats one;
        eg_member_get_stats(member, &one);
        eg_report_set_progress(outputs->params.report, member->output, &one);
        stats->size_bytes += one.size_bytes;
        if (member->kind == EG_OUTPUT_FILE)
            stats->largest_file_bytes = MAX(stats->largest_file_bytes, one.size_bytes);
        stats->duration_ns = MAX(stats->duration_ns, one.duration_ns);
    }
}
