#include "report/report.h"

#include <string.h>

#include "base/error.h"
#include "proto/message.h"
#include "proto/redact.h"
#include "report/locate.h"

/* What LiveKit says of an egress that has reached its limit; psrpc has no code for it. */
#define LIMIT_TEXT        "Session limit reached"
#define LIMIT_HTTP_STATUS 413

typedef struct {
    EgOutputKind kind;
    union {
        Livekit__FileInfo *file;
        Livekit__StreamInfo *stream;
        Livekit__SegmentsInfo *segments;
        Livekit__ImagesInfo *images;
    };
} Result;

struct _EgReport {
    Livekit__EgressInfo *info;
    GArray *results; /* Result, by the outputs of the plan: parts of the info */
};

static const struct {
    Rpc__StartEgressRequest__RequestCase in;
    Livekit__EgressInfo__RequestCase out;
} request_cases[] = {
    {RPC__START_EGRESS_REQUEST__REQUEST_ROOM_COMPOSITE,
     LIVEKIT__EGRESS_INFO__REQUEST_ROOM_COMPOSITE                                                 },
    {RPC__START_EGRESS_REQUEST__REQUEST_WEB,             LIVEKIT__EGRESS_INFO__REQUEST_WEB        },
    {RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT,     LIVEKIT__EGRESS_INFO__REQUEST_PARTICIPANT},
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE,
     LIVEKIT__EGRESS_INFO__REQUEST_TRACK_COMPOSITE                                                },
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK,           LIVEKIT__EGRESS_INFO__REQUEST_TRACK      },
    {RPC__START_EGRESS_REQUEST__REQUEST_EGRESS,          LIVEKIT__EGRESS_INFO__REQUEST_EGRESS     },
    {RPC__START_EGRESS_REQUEST__REQUEST_REPLAY,          LIVEKIT__EGRESS_INFO__REQUEST_REPLAY     },
};

static void echo_request(Livekit__EgressInfo *info, const Rpc__StartEgressRequest *request)
{
    for (gsize i = 0; i < G_N_ELEMENTS(request_cases); i++) {
        if (request->request_case != request_cases[i].in)
            continue;
        /* The members of both unions are message pointers, so any of them stands for all. */
        ProtobufCMessage *echo = eg_proto_copy(&request->participant->base);
        eg_redact_message(echo);
        info->request_case = request_cases[i].out;
        info->participant = (Livekit__ParticipantEgressRequest *)(gpointer)echo;
    }
}

static void add_file(Livekit__EgressInfo *info, const EgOutput *output, Result *result)
{
    Livekit__FileInfo *file = g_new(Livekit__FileInfo, 1);
    livekit__file_info__init(file);
    eg_proto_set_string(&file->filename, output->path_template);
    info->file_results = g_renew(Livekit__FileInfo *, info->file_results, info->n_file_results + 1);
    info->file_results[info->n_file_results++] = file;
    result->file = file;
}

static void add_stream(Livekit__EgressInfo *info, const EgOutput *output, Result *result)
{
    Livekit__StreamInfo *stream = g_new(Livekit__StreamInfo, 1);
    g_autofree char *url = eg_redact_url(output->url);
    livekit__stream_info__init(stream);
    eg_proto_set_string(&stream->url, url);
    eg_proto_set_string(&stream->id, output->id);
    info->stream_results =
        g_renew(Livekit__StreamInfo *, info->stream_results, info->n_stream_results + 1);
    info->stream_results[info->n_stream_results++] = stream;
    result->stream = stream;
}

static void add_segments(Livekit__EgressInfo *info, const EgOutput *output, Result *result)
{
    Livekit__SegmentsInfo *segments = g_new(Livekit__SegmentsInfo, 1);
    livekit__segments_info__init(segments);
    eg_proto_set_string(&segments->playlist_name, output->segments.playlist_template);
    eg_proto_set_string(&segments->live_playlist_name, output->segments.live_playlist_template);
    info->segment_results =
        g_renew(Livekit__SegmentsInfo *, info->segment_results, info->n_segment_results + 1);
    info->segment_results[info->n_segment_results++] = segments;
    result->segments = segments;
}

static void add_images(Livekit__EgressInfo *info, const EgOutput *output, Result *result)
{
    Livekit__ImagesInfo *images = g_new(Livekit__ImagesInfo, 1);
    livekit__images_info__init(images);
    eg_proto_set_string(&images->filename_prefix, output->path_template);
    info->image_results =
        g_renew(Livekit__ImagesInfo *, info->image_results, info->n_image_results + 1);
    info->image_results[info->n_image_results++] = images;
    result->images = images;
}

static void set_file_names(Result *result, const EgReportNames *names)
{
    eg_proto_set_string(&result->file->filename, names->path);
    eg_proto_set_string(&result->file->location, names->is_stored ? "" : names->path);
}

static void set_segment_names(Result *result, const EgReportNames *names)
{
    Livekit__SegmentsInfo *segments = result->segments;
    eg_proto_set_string(&segments->playlist_name, names->playlist);
    eg_proto_set_string(&segments->live_playlist_name, names->live_playlist);
    if (names->is_stored)
        return;
    eg_proto_set_string(&segments->playlist_location, names->playlist);
    eg_proto_set_string(&segments->live_playlist_location, names->live_playlist);
}

/* Whether this is the object that the report says the location of. */
static bool is_named(const char *name, const char *key)
{
    return strcmp(name + strspn(name, "/"), key) == 0;
}

static void set_file_stored(Result *result, const char *key, const char *location)
{
    if (is_named(result->file->filename, key))
        eg_proto_set_string(&result->file->location, location);
}

static void set_segments_stored(Result *result, const char *key, const char *location)
{
    Livekit__SegmentsInfo *segments = result->segments;
    if (is_named(segments->playlist_name, key))
        eg_proto_set_string(&segments->playlist_location, location);
    if (is_named(segments->live_playlist_name, key))
        eg_proto_set_string(&segments->live_playlist_location, location);
}

/* Without what parts it from the number. */
static void set_image_names(Result *result, const EgReportNames *names)
{
    gsize length = strlen(names->prefix);
    g_autofree char *prefix =
        g_strndup(names->prefix, length - (g_str_has_suffix(names->prefix, "_") ? 1 : 0));
    eg_proto_set_string(&result->images->filename_prefix, prefix);
}

static void set_segment_progress(Result *result, const EgSinkStats *stats)
{
    result->segments->size = (gint64)stats->size_bytes;
    result->segments->duration = stats->duration_ns;
    result->segments->segment_count = (gint64)stats->n_files;
}

static void set_image_progress(Result *result, const EgSinkStats *stats)
{
    result->images->image_count = (gint64)stats->n_files;
}

static void set_file_progress(Result *result, const EgSinkStats *stats)
{
    result->file->size = (gint64)stats->size_bytes;
    result->file->duration = stats->duration_ns;
}

static void set_websocket_progress(Result *result, const EgSinkStats *stats)
{
    result->stream->duration = stats->duration_ns;
}

static void set_stream_progress(Result *result, const EgSinkStats *stats)
{
    Livekit__StreamInfo *stream = result->stream;
    stream->duration = stats->duration_ns;
    stream->started_at = stats->started_ns;
    stream->last_retry_at = stats->last_retry_ns;
    stream->retries = stats->retries;
}

static void fail_stream(Livekit__EgressInfo *info, Result *result, const GError *error,
                        gint64 now_ns)
{
    (void)info;
    result->stream->status = LIVEKIT__STREAM_INFO__STATUS__FAILED;
    result->stream->ended_at = now_ns;
    eg_proto_set_string(&result->stream->error, error->message);
}

/* A file has no place for what went wrong with it. */
static void set_error(Livekit__EgressInfo *info, const GError *error)
{
    eg_proto_set_string(&info->error, error->message);
    info->error_code = eg_error_http_status(eg_error_code(error));
}

static void fail_file(Livekit__EgressInfo *info, Result *result, const GError *error, gint64 now_ns)
{
    result->file->ended_at = now_ns;
    set_error(info, error);
}

static void fail_segments(Livekit__EgressInfo *info, Result *result, const GError *error,
                          gint64 now_ns)
{
    result->segments->ended_at = now_ns;
    set_error(info, error);
}

static void fail_images(Livekit__EgressInfo *info, Result *result, const GError *error,
                        gint64 now_ns)
{
    result->images->ended_at = now_ns;
    set_error(info, error);
}

#define FIND(name, member, list, length)                                                           \
    static bool name(Livekit__EgressInfo *info, gsize n, Result *result)                           \
    {                                                                                              \
        if (n >= info->length)                                                                     \
            return false;                                                                          \
        result->member = info->list[n];                                                            \
        return true;                                                                               \
    }
FIND(find_file, file, file_results, n_file_results)
FIND(find_stream, stream, stream_results, n_stream_results)
FIND(find_segments, segments, segment_results, n_segment_results)
FIND(find_images, images, image_results, n_image_results)
#undef FIND

/* By EgOutputKind. */
static const struct {
    void (*add)(Livekit__EgressInfo *info, const EgOutput *output, Result *result);
    void (*set_names)(Result *result, const EgReportNames *names); /* NULL: it has none */
    void (*set_progress)(Result *result, const EgSinkStats *stats);
    void (*fail)(Livekit__EgressInfo *info, Result *result, const GError *error, gint64 now_ns);
    /* NULL: nothing is said of where its objects are. */
    void (*set_stored)(Result *result, const char *key, const char *location);
    bool (*find)(Livekit__EgressInfo *info, gsize n, Result *result); /* the n-th of its kind */
} rows[EG_N_OUTPUTS] = {
    [EG_OUTPUT_FILE] = {add_file,     set_file_names,    set_file_progress,      fail_file,     set_file_stored,
                        find_file                                                                                             },
    [EG_OUTPUT_SEGMENTS] = {add_segments, set_segment_names, set_segment_progress,   fail_segments,
                        set_segments_stored,                                                                     find_segments},
    [EG_OUTPUT_STREAM] = {add_stream,   NULL,              set_stream_progress,    fail_stream,   NULL,            find_stream  },
    [EG_OUTPUT_WEBSOCKET] = {add_stream,   NULL,              set_websocket_progress, fail_stream,   NULL,
                        find_stream                                                                                           },
    [EG_OUTPUT_IMAGES] = {add_images,   set_image_names,   set_image_progress,     fail_images,   NULL,
                        find_images                                                                                           },
};

/* Old clients read the one result that there is from another field. */
static void mirror_result(Livekit__EgressInfo *info)
{
    switch (info->result_case) {
    case LIVEKIT__EGRESS_INFO__RESULT_FILE:
        livekit__file_info__free_unpacked(info->file, NULL);
        break;
    case LIVEKIT__EGRESS_INFO__RESULT_STREAM:
        livekit__stream_info_list__free_unpacked(info->stream, NULL);
        break;
    case LIVEKIT__EGRESS_INFO__RESULT_SEGMENTS:
        livekit__segments_info__free_unpacked(info->segments, NULL);
        break;
    case LIVEKIT__EGRESS_INFO__RESULT__NOT_SET:
    case _LIVEKIT__EGRESS_INFO__RESULT__CASE_IS_INT_SIZE:
    default:
        break;
    }
    info->result_case = LIVEKIT__EGRESS_INFO__RESULT__NOT_SET;
    int n_kinds = (info->n_file_results > 0) + (info->n_stream_results > 0) +
                  (info->n_segment_results > 0) + (info->n_image_results > 0);
    if (n_kinds != 1)
        return;
    if (info->n_file_results == 1) {
        info->result_case = LIVEKIT__EGRESS_INFO__RESULT_FILE;
        info->file = (Livekit__FileInfo *)(gpointer)eg_proto_copy(&info->file_results[0]->base);
    } else if (info->n_segment_results == 1) {
        info->result_case = LIVEKIT__EGRESS_INFO__RESULT_SEGMENTS;
        info->segments =
            (Livekit__SegmentsInfo *)(gpointer)eg_proto_copy(&info->segment_results[0]->base);
    } else if (info->n_stream_results > 0) {
        Livekit__StreamInfoList list = LIVEKIT__STREAM_INFO_LIST__INIT;
        list.n_info = info->n_stream_results;
        list.info = info->stream_results;
        info->result_case = LIVEKIT__EGRESS_INFO__RESULT_STREAM;
        info->stream = (Livekit__StreamInfoList *)(gpointer)eg_proto_copy(&list.base);
    }
}

EgReport *eg_report_new(const EgPlan *plan, const Rpc__StartEgressRequest *request, gint64 now_ns)
{
    EgReport *report = g_new0(EgReport, 1);
    Livekit__EgressInfo *info = g_new(Livekit__EgressInfo, 1);
    livekit__egress_info__init(info);
    report->info = info;
    eg_proto_set_string(&info->egress_id, plan->egress_id);
    eg_proto_set_string(&info->room_id, plan->room_id);
    eg_proto_set_string(&info->room_name, plan->room_name);
    info->status = LIVEKIT__EGRESS_STATUS__EGRESS_STARTING;
    info->source_type = plan->source == EG_SOURCE_PAGE
                            ? LIVEKIT__EGRESS_SOURCE_TYPE__EGRESS_SOURCE_TYPE_WEB
                            : LIVEKIT__EGRESS_SOURCE_TYPE__EGRESS_SOURCE_TYPE_SDK;
    info->retry_count = (gint32)plan->retry_count;
    info->started_at = now_ns;
    info->updated_at = now_ns;
    echo_request(info, request);
    report->results = g_array_new(FALSE, TRUE, sizeof(Result));
    for (guint i = 0; i < plan->n_outputs; i++) {
        Result result = {.kind = plan->outputs[i].kind};
        rows[result.kind].add(info, &plan->outputs[i], &result);
        g_array_append_val(report->results, result);
    }
    mirror_result(info);
    return report;
}

/* How many outputs before this one have their results in the same list. */
static gsize place_of(const EgPlan *plan, guint output)
{
    gsize n = 0;
    for (guint i = 0; i < output; i++)
        n += rows[plan->outputs[i].kind].find == rows[plan->outputs[output].kind].find;
    return n;
}

EgReport *eg_report_new_from_info(const Livekit__EgressInfo *info, const EgPlan *plan)
{
    EgReport *report = g_new0(EgReport, 1);
    report->info = (Livekit__EgressInfo *)(gpointer)eg_proto_copy(&info->base);
    report->results = g_array_new(FALSE, TRUE, sizeof(Result));
    for (guint i = 0; plan != NULL && i < plan->n_outputs; i++) {
        Result result = {.kind = plan->outputs[i].kind};
        if (!rows[result.kind].find(report->info, place_of(plan, i), &result))
            result.kind = EG_OUTPUT_NONE;
        g_array_append_val(report->results, result);
    }
    return report;
}

void eg_report_free(EgReport *report)
{
    if (report == NULL)
        return;
    livekit__egress_info__free_unpacked(report->info, NULL);
    g_array_unref(report->results);
    g_free(report);
}

const Livekit__EgressInfo *eg_report_info(const EgReport *report)
{
    return report->info;
}

void eg_report_set_room(EgReport *report, const char *room_name, const char *room_sid)
{
    eg_proto_set_string(&report->info->room_name, room_name);
    eg_proto_set_string(&report->info->room_id, room_sid);
}

static Result *result_of(EgReport *report, guint output)
{
    g_assert(output < report->results->len);
    return &g_array_index(report->results, Result, output);
}

void eg_report_set_names(EgReport *report, guint output, const EgReportNames *names)
{
    Result *result = result_of(report, output);
    if (rows[result->kind].set_names == NULL)
        return;
    rows[result->kind].set_names(result, names);
    mirror_result(report->info);
}

void eg_report_set_progress(EgReport *report, guint output, const EgSinkStats *stats)
{
    Result *result = result_of(report, output);
    rows[result->kind].set_progress(result, stats);
    mirror_result(report->info);
}

void eg_report_set_failed(EgReport *report, guint output, const GError *error, gint64 now_ns)
{
    Result *result = result_of(report, output);
    rows[result->kind].fail(report->info, result, error, now_ns);
    report->info->updated_at = now_ns;
    mirror_result(report->info);
}

void eg_report_set_stored(EgReport *report, guint output, const char *key, const char *location,
                          bool is_backup)
{
    Result *result = result_of(report, output);
    if (rows[result->kind].set_stored != NULL)
        rows[result->kind].set_stored(result, key, location);
    if (is_backup)
        report->info->backup_storage_used = true;
    mirror_result(report->info);
}

void eg_report_set_recovered(EgReport *report, guint output, const EgSinkStats *stats)
{
    Result *result = result_of(report, output);
    EgSinkStats known = *stats;
    if (rows[result->kind].set_progress == NULL)
        return;
    if (known.duration_ns == 0 && result->kind == EG_OUTPUT_FILE)
        known.duration_ns = result->file->duration;
    if (known.duration_ns == 0 && result->kind == EG_OUTPUT_SEGMENTS)
        known.duration_ns = result->segments->duration;
    rows[result->kind].set_progress(result, &known);
    mirror_result(report->info);
}

void eg_report_set_finished(EgReport *report, guint output, gint64 now_ns)
{
    const Result *result = result_of(report, output);
    result->stream->status = LIVEKIT__STREAM_INFO__STATUS__FINISHED;
    result->stream->ended_at = now_ns;
    report->info->updated_at = now_ns;
    mirror_result(report->info);
}

void eg_report_set_manifest(EgReport *report, const char *location)
{
    eg_proto_set_string(&report->info->manifest_location, location);
}

void eg_report_set_updated(EgReport *report, gint64 now_ns)
{
    report->info->updated_at = now_ns;
}

guint eg_report_add_stream(EgReport *report, const EgOutput *output, gint64 now_ns)
{
    Result result = {.kind = output->kind};
    rows[output->kind].add(report->info, output, &result);
    g_array_append_val(report->results, result);
    report->info->updated_at = now_ns;
    mirror_result(report->info);
    return report->results->len - 1;
}

void eg_report_locate_files(EgReport *report)
{
    eg_locate_files(report->info);
    mirror_result(report->info);
}

/* When an output began and ended, of whichever kind. */
typedef struct {
    gint64 *started_at;
    gint64 *ended_at;
    bool is_stream;
} Span;

/* Of the n-th of all results; false: there is none. */
static bool get_span(Livekit__EgressInfo *info, gsize n, Span *span)
{
#define SPAN(list, length, is_stream)                                                              \
    do {                                                                                           \
        if (n < (length)) {                                                                        \
            *span = (Span){&(list)[n]->started_at, &(list)[n]->ended_at, is_stream};               \
            return true;                                                                           \
        }                                                                                          \
        n -= (length);                                                                             \
    } while (0)
    SPAN(info->file_results, info->n_file_results, false);
    SPAN(info->stream_results, info->n_stream_results, true);
    SPAN(info->segment_results, info->n_segment_results, false);
    SPAN(info->image_results, info->n_image_results, false);
#undef SPAN
    return false;
}

void eg_report_set_active(EgReport *report, gint64 now_ns)
{
    Livekit__EgressInfo *info = report->info;
    info->status = LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE;
    info->updated_at = now_ns;
    Span span;
    for (guint i = 0; get_span(info, i, &span); i++) {
        if (!span.is_stream)
            *span.started_at = now_ns;
    }
    /* One to a server has begun when that says so. */
    for (guint i = 0; i < report->results->len; i++) {
        const Result *result = result_of(report, i);
        if (result->kind == EG_OUTPUT_WEBSOCKET)
            result->stream->started_at = now_ns;
    }
    mirror_result(info);
}

/* Of outputs that have begun and not ended. */
static void end_results(Livekit__EgressInfo *info, gint64 now_ns)
{
    Span span;
    for (guint i = 0; get_span(info, i, &span); i++) {
        if (*span.started_at != 0 && *span.ended_at == 0)
            *span.ended_at = now_ns;
    }
}

static void set_reason(Livekit__EgressInfo *info, EgEndReason reason)
{
    if (reason == EG_END_NONE)
        return;
    g_autofree char *details = g_strdup_printf("End reason: %s", eg_end_reason_name(reason));
    eg_proto_set_string(&info->details, details);
}

void eg_report_set_ending(EgReport *report, EgEndReason reason, gint64 now_ns)
{
    report->info->status = LIVEKIT__EGRESS_STATUS__EGRESS_ENDING;
    report->info->updated_at = now_ns;
    end_results(report->info, now_ns);
    set_reason(report->info, reason);
    mirror_result(report->info);
}

void eg_report_set_ended(EgReport *report, Livekit__EgressStatus status, EgEndReason reason,
                         const GError *error, gint64 now_ns)
{
    Livekit__EgressInfo *info = report->info;
    bool is_failed = status == LIVEKIT__EGRESS_STATUS__EGRESS_FAILED;
    info->status = status;
    info->updated_at = now_ns;
    info->ended_at = now_ns;
    end_results(info, now_ns);
    set_reason(info, reason);
    for (gsize i = 0; i < info->n_stream_results; i++) {
        if (info->stream_results[i]->status != LIVEKIT__STREAM_INFO__STATUS__ACTIVE)
            continue;
        info->stream_results[i]->status = is_failed ? LIVEKIT__STREAM_INFO__STATUS__FAILED
                                                    : LIVEKIT__STREAM_INFO__STATUS__FINISHED;
        if (is_failed && error != NULL)
            eg_proto_set_string(&info->stream_results[i]->error, error->message);
    }
    if (error != NULL) {
        set_error(info, error);
    } else if (status == LIVEKIT__EGRESS_STATUS__EGRESS_LIMIT_REACHED) {
        eg_proto_set_string(&info->error, LIMIT_TEXT);
        info->error_code = LIMIT_HTTP_STATUS;
    }
    mirror_result(info);
}
