#include "session/outputs.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "media/picture.h"
#include "proto/redact.h"
#include "request/stream-url.h"

/* How often it is told that streams are tried again. */
#define RETRIES_TOLD_NS (60 * EG_NS_PER_S)

typedef enum {
    MEMBER_NONE,
    MEMBER_OPEN,
    MEMBER_UPLOADING, /* recorded, or failed, and not all in its store */
    MEMBER_DRAINED,
    MEMBER_FAILED,
    MEMBER_REMOVED, /* drained alone */
} MemberState;

typedef struct {
    EgOutputs *owner;
    EgOutputKind kind;
    guint output;     /* in the report */
    char *url;        /* of a stream, as it was given; NULL: none */
    char *name;       /* of it for people, or the path */
    bool is_listener; /* of a stream: who wants it comes by themselves */
    EgSink *sink;
    bool takes[EG_N_MEDIA];
    bool takes_pictures; /* raw ones */
    MemberState state;
    char *folder; /* of its files, as they were asked for; NULL: it has none */
    bool is_removing;
    bool has_started;     /* of a stream: its server has taken it... */
    gint64 retry_told_ns; /* ...and was lost */

    /* Of one that goes to a store. */
    bool is_stored;
    EgFormat format;
    EgOutputNames keys;
    GError *error;     /* why its sink has failed: what it has left is uploaded */
    EgSinkStats stats; /* of a sink that is not there any more */
} Member;

struct _EgOutputs {
    EgOutputsParams params;
    EgOutputsEvents events;
    gpointer user;
    EgLoop *loop;
    EgGraphOutput output; /* with references to the caps */
    GPtrArray *members;   /* Member */
    EgUploads *uploads;   /* NULL: nothing goes to a store */
    EgTimer *end_timer;   /* tells the end if nothing is left to wait for */
    EgTimer *rest_timer; /* completes what sinks that have failed have left, and tells `recorded` */
    bool has_told_recorded;
    GError *upload_error; /* of the first that could not be uploaded */
    bool is_draining;
    bool has_ended;    /* drained or failed, all of them */
    GError *error;     /* of the first that has failed */
    bool has_manifest; /* it is written, or tried to; nothing is waited for but its upload */
    bool is_manifest_stored;
    bool tells_muted; /* one track alone is heard */
};

static guint count(const EgOutputs *outputs, MemberState state)
{
    guint n = 0;
    for (guint i = 0; i < outputs->members->len; i++)
        n += ((const Member *)outputs->members->pdata[i])->state == state;
    return n;
}

/* Whose folder has the manifest; the plan's, as streams may have been added. NULL: none is wanted.
 * LiveKit's exception: who looks for files in the backup needs it. */
static const Member *manifest_member(const EgOutputs *outputs)
{
    const Livekit__EgressInfo *info = eg_report_info(outputs->params.report);
    const EgPlan *plan = outputs->params.plan;
    for (guint i = 0; i < plan->n_outputs; i++) {
        const Member *member = outputs->members->pdata[i];
        bool is_wanted =
            plan->outputs[i].has_manifest || (member->is_stored && info->backup_storage_used);
        if (is_wanted && member->folder != NULL && member->state == MEMBER_DRAINED)
            return member;
    }
    return NULL;
}

/* Beside the files, in one step. It is worth less than these: that it cannot be written is no
 * failure. False: its upload is waited for. */
static bool write_manifest(EgOutputs *outputs)
{
    const EgOutputsParams *params = &outputs->params;
    if (outputs->has_manifest)
        return !outputs->is_manifest_stored;
    const Member *member = manifest_member(outputs);
    outputs->has_manifest = true;
    if (member == NULL || params->manifest == NULL)
        return true;
    const EgManifestTime now = {.now_ns = eg_now_ns(), .wall_ns = eg_wall_now_ns()};
    g_autofree char *json =
        eg_manifest_to_json(params->manifest, eg_report_info(params->report), now);
    g_autofree char *name = g_strconcat(params->plan->egress_id, ".json", NULL);
    bool is_here = strcmp(member->folder, ".") == 0;
    g_autofree char *path = is_here ? g_strdup(name) : g_build_filename(member->folder, name, NULL);
    if (member->is_stored) {
        g_autoptr(GBytes) content = g_bytes_new(json, strlen(json));
        outputs->is_manifest_stored = true;
        eg_uploads_add_manifest(outputs->uploads, member->output, path, content);
        return false;
    }
    g_autoptr(GError) error = NULL;
    if (g_file_set_contents_full(path, json, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, &error))
        eg_report_set_manifest(params->report, path);
    else
        eg_warn(params->log, "manifest is not written", EG_STR("error", error->message));
    return true;
}

/* When nothing is left to wait for. */
static void end_if_over(EgOutputs *outputs)
{
    if (outputs->has_ended || count(outputs, MEMBER_OPEN) + count(outputs, MEMBER_UPLOADING) > 0 ||
        !write_manifest(outputs))
        return;
    outputs->has_ended = true;
    if (outputs->upload_error != NULL)
        outputs->events.failed(outputs->user, outputs->upload_error);
    else if (outputs->is_draining &&
             count(outputs, MEMBER_DRAINED) + count(outputs, MEMBER_REMOVED) > 0)
        outputs->events.drained(outputs->user);
    else
        outputs->events.failed(outputs->user, outputs->error);
}

static void on_end_due(gpointer user)
{
    end_if_over(user);
}

static void get_stats(const Member *member, EgSinkStats *stats)
{
    if (member->sink != NULL)
        eg_sink_get_stats(member->sink, stats);
    else
        *stats = member->stats;
}

static void update_progress(const Member *member)
{
    EgSinkStats stats;
    get_stats(member, &stats);
    eg_report_set_progress(member->owner->params.report, member->output, &stats);
}

static void on_removed(Member *member)
{
    EgOutputs *outputs = member->owner;
    member->state = MEMBER_REMOVED;
    update_progress(member);
    eg_report_set_finished(outputs->params.report, member->output, eg_wall_now_ns());
    outputs->events.changed(outputs->user);
    if (!outputs->is_draining && count(outputs, MEMBER_OPEN) == 0)
        outputs->events.emptied(outputs->user);
}

static void on_drained(gpointer user)
{
    Member *member = user;
    EgOutputs *outputs = member->owner;
    if (member->state != MEMBER_OPEN)
        return;
    if (member->is_removing) {
        on_removed(member);
    } else if (member->is_stored) {
        member->state = MEMBER_UPLOADING;
        eg_uploads_finish(outputs->uploads, member->output);
        eg_timer_set(outputs->rest_timer, 0);
    } else {
        member->state = MEMBER_DRAINED;
    }
    if (outputs->is_draining)
        end_if_over(outputs);
}

static void set_failed(Member *member, const GError *error)
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
    Member *member = user;
    EgOutputs *outputs = member->owner;
    if (member->state != MEMBER_OPEN)
        return;
    set_failed(member, error);
    if (member->is_stored) {
        /* Its sink goes first: we are in the middle of it. */
        member->state = MEMBER_UPLOADING;
        member->error = g_error_copy(error);
        eg_timer_set(outputs->rest_timer, 0);
        return;
    }
    member->state = MEMBER_FAILED;
    if (count(outputs, MEMBER_OPEN) > 0)
        outputs->events.changed(outputs->user);
    else
        end_if_over(outputs);
    eg_timer_set(outputs->rest_timer, 0);
}

/* Uploads. */

/* What was written on this machine; a file's result says enough. */
static void note_file(const Member *member, const char *path, bool is_replaced)
{
    const EgManifestFile file = {
        .kind = member->kind,
        .output = member->output,
        .filename = path,
        .location = path,
    };
    const EgManifestTime now = {.now_ns = eg_now_ns(), .wall_ns = eg_wall_now_ns()};
    if (member->owner->params.manifest != NULL && member->kind != EG_OUTPUT_FILE && !is_replaced)
        eg_manifest_add_file(member->owner->params.manifest, &file, now);
}

static void on_completed(gpointer user, const EgSinkFile *file)
{
    const Member *member = user;
    if (member->is_stored)
        eg_uploads_add(member->owner->uploads, member->output, file);
    else
        note_file(member, file->path, file->content != NULL);
}

static void recover(Member *member)
{
    EgOutputs *outputs = member->owner;
    get_stats(member, &member->stats);
    g_clear_pointer(&member->sink, eg_sink_free);
    eg_uploads_recover(outputs->uploads, member->output, &member->keys, member->format);
}

/* What sinks that have failed have left is worth as much as all else. */
static void on_rest_due(gpointer user)
{
    EgOutputs *outputs = user;
    for (guint i = 0; i < outputs->members->len; i++) {
        Member *member = outputs->members->pdata[i];
        if (member->state == MEMBER_UPLOADING && member->error != NULL && member->sink != NULL)
            recover(member);
    }
    bool is_waiting = count(outputs, MEMBER_UPLOADING) > 0;
    if (outputs->has_ended || outputs->has_told_recorded || !is_waiting ||
        count(outputs, MEMBER_OPEN) > 0)
        return;
    outputs->has_told_recorded = true;
    bool is_well = count(outputs, MEMBER_DRAINED) + count(outputs, MEMBER_REMOVED) > 0;
    for (guint i = 0; i < outputs->members->len; i++) {
        const Member *member = outputs->members->pdata[i];
        is_well = is_well || (member->state == MEMBER_UPLOADING && member->error == NULL);
    }
    outputs->events.recorded(outputs->user, is_well ? NULL : outputs->error);
}

static void on_uploaded(gpointer user, guint output, const GError *error)
{
    EgOutputs *outputs = user;
    Member *member = outputs->members->pdata[output];
    bool is_recording = member->state == MEMBER_OPEN;
    if (error != NULL) {
        set_failed(member, error);
        if (outputs->upload_error == NULL)
            outputs->upload_error = g_error_copy(error);
    }
    member->state = error != NULL || member->error != NULL ? MEMBER_FAILED : MEMBER_DRAINED;
    if (is_recording && count(outputs, MEMBER_OPEN) > 0)
        outputs->events.changed(outputs->user);
    end_if_over(outputs);
}

static void on_manifest_uploaded(gpointer user, const char *location, const GError *error)
{
    EgOutputs *outputs = user;
    if (error != NULL)
        eg_warn(outputs->params.log, "manifest is not uploaded", EG_STR("error", error->message));
    else
        eg_report_set_manifest(outputs->params.report, location);
    outputs->is_manifest_stored = false;
    end_if_over(outputs);
}

static const EgUploadsEvents upload_events = {
    .finished = on_uploaded,
    .manifest = on_manifest_uploaded,
};

/* Of a stream. */
static void on_changed(gpointer user)
{
    Member *member = user;
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
static bool place(Member *member, EgFormat format, EgOutputNames *names, GError **error)
{
    EgSpool *spool = member->owner->params.spool;
    if (!member->is_stored)
        return true;
    member->format = format;
    member->keys = *names;
    eg_output_names_in_spool(&member->keys, spool, member->output, names);
    return eg_output_names_note(&member->keys, format, spool, member->output, error);
}

static void report_names(const Member *member, const EgOutputNames *names)
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

static char *folder_of(const EgOutputNames *names)
{
    const char *name = names->playlist != NULL ? names->playlist : names->prefix;
    return g_path_get_dirname(names->path != NULL ? names->path : name);
}

/* A format without pictures takes the sound of what has both. */
static bool takes_video(EgFormat format, const EgGraphOutput *output)
{
    return output->audio_codec == EG_CODEC_NONE ||
           eg_format_default_codec(format, EG_MEDIA_VIDEO) != EG_CODEC_NONE;
}

static bool open_member(Member *member, const EgOutput *planned, GError **error)
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
    member->state = MEMBER_OPEN;
    member->takes[EG_MEDIA_AUDIO] = sink.audio != NULL;
    member->takes[EG_MEDIA_VIDEO] = sink.video != NULL;
    member->takes_pictures = pictures != NULL;
    if (planned->path_template != NULL) {
        report_names(member, &names);
        member->folder = folder_of(member->is_stored ? &member->keys : &names);
    }
    member->name = eg_output_names_describe(planned, member->is_stored ? &member->keys : &names);
    return true;
}

static void free_member(gpointer data)
{
    Member *member = data;
    eg_sink_free(member->sink);
    g_free(member->url);
    g_free(member->name);
    g_free(member->folder);
    eg_output_names_clear(&member->keys);
    g_clear_error(&member->error);
    g_free(member);
}

/* In the list only when it is open. */
static Member *add_member(EgOutputs *outputs, const EgOutput *planned, GError **error)
{
    Member *member = g_new0(Member, 1);
    member->owner = outputs;
    member->kind = planned->kind;
    member->output = outputs->members->len;
    if (planned->kind == EG_OUTPUT_STREAM) {
        g_autoptr(EgStreamUrl) url = eg_stream_url_parse(planned->url, NULL);
        member->url = g_strdup(planned->url);
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
        if (add_member(outputs, &plan->outputs[i], error) == NULL)
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
        const Member *member = outputs->members->pdata[i];
        if (member->state == MEMBER_OPEN && member->takes[media])
            eg_sink_push(member->sink, media, gst_buffer_ref(frame));
    }
    gst_buffer_unref(frame);
}

void eg_outputs_push_picture(EgOutputs *outputs, GstBuffer *picture)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        const Member *member = outputs->members->pdata[i];
        if (member->state == MEMBER_OPEN && member->takes_pictures)
            eg_sink_push_picture(member->sink, gst_buffer_ref(picture));
    }
    gst_buffer_unref(picture);
}

void eg_outputs_set_muted(EgOutputs *outputs, bool is_muted)
{
    for (guint i = 0; outputs->tells_muted && i < outputs->members->len; i++) {
        const Member *member = outputs->members->pdata[i];
        if (member->sink == NULL)
            continue;
        eg_sink_set_muted(member->sink, is_muted, eg_now_ns() - outputs->output.origin_ns);
    }
}

/* Of those that have not ended; by its URL as it was given, or as it is shown. */
static Member *find_stream(const EgOutputs *outputs, const char *url)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        Member *member = outputs->members->pdata[i];
        if (member->url != NULL && member->state == MEMBER_OPEN && !member->is_removing &&
            (strcmp(member->url, url) == 0 || strcmp(member->name, url) == 0))
            return member;
    }
    return NULL;
}

bool eg_outputs_add_stream(EgOutputs *outputs, const char *url, GError **error)
{
    eg_loop_assert_owner(outputs->loop);
    g_autoptr(EgStreamUrl) parsed = eg_stream_url_parse(url, error);
    if (parsed == NULL)
        return false;
    const EgOutput planned = {
        .kind = EG_OUTPUT_STREAM, .format = parsed->format, .url = (char *)url};
    if (find_stream(outputs, url) != NULL) {
        g_autofree char *shown = eg_redact_url(url);
        eg_error_set(error, EG_ERROR_ALREADY_EXISTS, EG_BLAME_REQUEST, "stream %s is there already",
                     shown);
        return false;
    }
    if (add_member(outputs, &planned, error) == NULL)
        return false;
    eg_report_add_stream(outputs->params.report, &planned, eg_wall_now_ns());
    return true;
}

bool eg_outputs_remove_stream(EgOutputs *outputs, const char *url, GError **error)
{
    eg_loop_assert_owner(outputs->loop);
    Member *member = find_stream(outputs, url);
    if (member == NULL) {
        g_autofree char *shown = eg_redact_url(url);
        eg_error_set(error, EG_ERROR_NOT_FOUND, EG_BLAME_REQUEST, "stream %s not found", shown);
        return false;
    }
    member->is_removing = true;
    eg_sink_drain(member->sink);
    return true;
}

bool eg_outputs_are_connecting(const EgOutputs *outputs)
{
    for (guint i = 0; i < outputs->members->len; i++) {
        const Member *member = outputs->members->pdata[i];
        if (member->kind == EG_OUTPUT_STREAM && member->state == MEMBER_OPEN &&
            !member->has_started && !member->is_listener)
            return true;
    }
    return false;
}

static char *describe_stream(const Member *member)
{
    EgSinkStats stats;
    if (member->state != MEMBER_OPEN)
        return g_strdup(member->state == MEMBER_FAILED ? "failed" : "ended");
    eg_sink_get_stats(member->sink, &stats);
    GString *text = g_string_new("connecting");
    if (stats.is_connected)
        g_string_assign(text, "live");
    else if (stats.started_ns != 0)
        g_string_assign(text, "lost, trying again");
    if (stats.dropped_frames > 0)
        g_string_append_printf(text, ", %" G_GUINT64_FORMAT " frames left out",
                               stats.dropped_frames);
    return g_string_free(text, FALSE);
}

GPtrArray *eg_outputs_describe(const EgOutputs *outputs)
{
    bool has_streams = false;
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < outputs->members->len; i++) {
        const Member *member = outputs->members->pdata[i];
        g_autofree char *state =
            member->kind == EG_OUTPUT_STREAM
                ? describe_stream(member)
                : g_strdup(member->state == MEMBER_FAILED ? "failed" : "recording");
        has_streams = has_streams || member->kind == EG_OUTPUT_STREAM;
        g_ptr_array_add(lines, g_strdup_printf("%s: %s", member->name, state));
    }
    if (!has_streams)
        g_clear_pointer(&lines, g_ptr_array_unref);
    return lines;
}

void eg_outputs_drain(EgOutputs *outputs)
{
    outputs->is_draining = true;
    for (guint i = 0; i < outputs->members->len; i++) {
        const Member *member = outputs->members->pdata[i];
        if (member->state == MEMBER_OPEN)
            eg_sink_drain(member->sink);
    }
    if (count(outputs, MEMBER_OPEN) == 0)
        eg_timer_set(outputs->end_timer, 0);
}

void eg_outputs_get_upload_stats(const EgOutputs *outputs, EgUploaderStats *stats)
{
    *stats = (EgUploaderStats){0};
    if (outputs->uploads != NULL)
        eg_uploads_get_stats(outputs->uploads, stats);
}

void eg_outputs_get_stats(EgOutputs *outputs, EgSinkStats *stats)
{
    *stats = (EgSinkStats){0};
    for (guint i = 0; i < outputs->members->len; i++) {
        const Member *member = outputs->members->pdata[i];
        EgSinkStats one;
        get_stats(member, &one);
        eg_report_set_progress(outputs->params.report, member->output, &one);
        stats->size_bytes = MAX(stats->size_bytes, one.size_bytes);
        stats->duration_ns = MAX(stats->duration_ns, one.duration_ns);
    }
}
