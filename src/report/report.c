#include "report/report.h"

#include <string.h>

#include "base/error.h"

struct _EgReport {
    Livekit__EgressInfo *info;
};

/* protobuf-c frees with free(), which is what g_free() is; an unset string is its shared "". */
static void set_string(char **field, const char *value)
{
    if (*field != protobuf_c_empty_string)
        g_free(*field);
    *field = value != NULL && *value != '\0' ? g_strdup(value) : (char *)protobuf_c_empty_string;
}

/* A deep copy, by the way of the wire. */
static ProtobufCMessage *copy_message(const ProtobufCMessage *message)
{
    gsize size = protobuf_c_message_get_packed_size(message);
    g_autofree guint8 *bytes = g_malloc(size);
    protobuf_c_message_pack(message, bytes);
    return protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
}

static const struct {
    Rpc__StartEgressRequest__RequestCase in;
    Livekit__EgressInfo__RequestCase out;
} request_cases[] = {
    {RPC__START_EGRESS_REQUEST__REQUEST_PARTICIPANT,     LIVEKIT__EGRESS_INFO__REQUEST_PARTICIPANT},
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK_COMPOSITE,
     LIVEKIT__EGRESS_INFO__REQUEST_TRACK_COMPOSITE                                                },
    {RPC__START_EGRESS_REQUEST__REQUEST_TRACK,           LIVEKIT__EGRESS_INFO__REQUEST_TRACK      },
};

static void echo_request(Livekit__EgressInfo *info, const Rpc__StartEgressRequest *request)
{
    for (gsize i = 0; i < G_N_ELEMENTS(request_cases); i++) {
        if (request->request_case != request_cases[i].in)
            continue;
        /* The members of both unions are message pointers, so any of them stands for all. */
        info->request_case = request_cases[i].out;
        info->participant = (Livekit__ParticipantEgressRequest *)(gpointer)copy_message(
            &request->participant->base);
    }
}

static Livekit__FileInfo *file_of(EgReport *report)
{
    return report->info->file_results[0];
}

EgReport *eg_report_new(const EgPlan *plan, const Rpc__StartEgressRequest *request, gint64 now_ns)
{
    EgReport *report = g_new0(EgReport, 1);
    Livekit__EgressInfo *info = g_new(Livekit__EgressInfo, 1);
    livekit__egress_info__init(info);
    report->info = info;
    set_string(&info->egress_id, plan->egress_id);
    set_string(&info->room_id, plan->room_id);
    set_string(&info->room_name, plan->room_name);
    info->status = LIVEKIT__EGRESS_STATUS__EGRESS_STARTING;
    info->source_type = LIVEKIT__EGRESS_SOURCE_TYPE__EGRESS_SOURCE_TYPE_SDK;
    info->retry_count = (gint32)plan->retry_count;
    info->started_at = now_ns;
    info->updated_at = now_ns;
    echo_request(info, request);

    info->n_file_results = 1;
    info->file_results = g_new(Livekit__FileInfo *, 1);
    info->file_results[0] = g_new(Livekit__FileInfo, 1);
    livekit__file_info__init(info->file_results[0]);
    set_string(&info->file_results[0]->filename, plan->file.path_template);
    return report;
}

void eg_report_free(EgReport *report)
{
    if (report == NULL)
        return;
    livekit__egress_info__free_unpacked(report->info, NULL);
    g_free(report);
}

const Livekit__EgressInfo *eg_report_info(const EgReport *report)
{
    return report->info;
}

void eg_report_set_room(EgReport *report, const char *room_name, const char *room_sid)
{
    set_string(&report->info->room_name, room_name);
    set_string(&report->info->room_id, room_sid);
}

void eg_report_set_file(EgReport *report, const char *path)
{
    set_string(&file_of(report)->filename, path);
    set_string(&file_of(report)->location, path);
}

void eg_report_set_active(EgReport *report, gint64 now_ns)
{
    report->info->status = LIVEKIT__EGRESS_STATUS__EGRESS_ACTIVE;
    report->info->updated_at = now_ns;
    file_of(report)->started_at = now_ns;
}

void eg_report_set_file_size(EgReport *report, guint64 size_bytes, gint64 duration_ns)
{
    file_of(report)->size = (gint64)size_bytes;
    file_of(report)->duration = duration_ns;
}

static void set_reason(Livekit__EgressInfo *info, EgEndReason reason)
{
    if (reason == EG_END_NONE)
        return;
    g_autofree char *details = g_strdup_printf("End reason: %s", eg_end_reason_name(reason));
    set_string(&info->details, details);
}

void eg_report_set_ending(EgReport *report, EgEndReason reason, gint64 now_ns)
{
    report->info->status = LIVEKIT__EGRESS_STATUS__EGRESS_ENDING;
    report->info->updated_at = now_ns;
    if (file_of(report)->started_at != 0)
        file_of(report)->ended_at = now_ns;
    set_reason(report->info, reason);
}

void eg_report_set_ended(EgReport *report, Livekit__EgressStatus status, EgEndReason reason,
                         const GError *error, gint64 now_ns)
{
    Livekit__EgressInfo *info = report->info;
    info->status = status;
    info->updated_at = now_ns;
    info->ended_at = now_ns;
    if (file_of(report)->started_at != 0 && file_of(report)->ended_at == 0)
        file_of(report)->ended_at = now_ns;
    set_reason(info, reason);
    if (error != NULL) {
        set_string(&info->error, error->message);
        info->error_code = eg_error_http_status(eg_error_code(error));
    }
}
