/* How far a session is, and what it has counted. */
#include "session/session-private.h"

#include "base/time.h"

/* Of the file, as it is called when it is finished or `as_it_is`, else of the playlist; NULL if
 * neither is known. */
const char *eg_session_path(const EgSession *session, bool as_it_is)
{
    const Livekit__EgressInfo *info = eg_report_info(session->report);
    if (info->n_file_results > 0 && *info->file_results[0]->location != '\0')
        return as_it_is ? info->file_results[0]->location : info->file_results[0]->filename;
    if (info->n_segment_results > 0 && *info->segment_results[0]->playlist_location != '\0')
        return info->segment_results[0]->playlist_location;
    return NULL;
}

/* For lack of time, by the encoder or by whoever looks at a page. Of what the encoder has left out
 * nothing is seen, looked at or not; for the rest, the picture before was shown again. */
static guint64 left_out_pictures(const EgSession *session)
{
    const EgPacerStats *pacer = &session->graph_stats.pacer;
    return pacer->skipped + MIN(session->source_stats.missed_pictures, pacer->repeated);
}

void eg_session_collect_stats(EgSession *session)
{
    if (session->source != NULL)
        eg_source_get_stats(session->source, &session->source_stats);
    if (session->graph != NULL)
        eg_graph_get_stats(session->graph, &session->graph_stats);
    if (session->outputs != NULL)
        eg_outputs_get_stats(session->outputs, &session->sink_stats);
    eg_manifest_note_skipped(session->manifest, left_out_pictures(session), eg_session_now());
    if (session->outputs != NULL)
        eg_outputs_get_upload_stats(session->outputs, &session->upload_stats);
}

void eg_session_log_stats(EgSession *session)
{
    const EgReceiverStats *receiver = &session->source_stats.receiver;
    const EgPacerStats *pacer = &session->graph_stats.pacer;
    eg_info(session->log, "media statistics", EG_INT("packets", receiver->packets),
            EG_INT("lost", receiver->lost), EG_INT("recovered", receiver->recovered),
            EG_INT("droppedFrames", session->graph_stats.dropped_frames),
            EG_INT("pictures", pacer->pictures), EG_INT("repeated", pacer->repeated),
            EG_INT("black", pacer->black), EG_INT("skipped", pacer->skipped),
            EG_INT("missed", session->source_stats.missed_pictures),
            EG_INT("silentFrames", pacer->silent_frames),
            EG_REAL("duration", (double)session->sink_stats.duration_ns / (double)EG_NS_PER_S));
}

bool eg_session_get_waiting(EgSession *session, EgUploaderStats *stats)
{
    eg_loop_assert_owner(session->loop);
    if (session->outputs != NULL)
        eg_outputs_get_upload_stats(session->outputs, stats);
    return session->outputs != NULL && session->spool != NULL;
}

void eg_session_get_progress(EgSession *session, EgSessionProgress *progress)
{
    eg_loop_assert_owner(session->loop);
    eg_session_collect_stats(session);
    g_clear_pointer(&session->output_lines, g_ptr_array_unref);
    if (session->outputs != NULL)
        session->output_lines = eg_outputs_describe(session->outputs);
    *progress = (EgSessionProgress){
        .state = session->state,
        .recorded_ns = session->sink_stats.duration_ns,
        .size_bytes = session->sink_stats.size_bytes,
        .lost_packets = session->source_stats.receiver.lost,
        .skipped_pictures = left_out_pictures(session),
        .uploaded_bytes = session->upload_stats.stored_bytes,
        .upload_bytes = session->upload_stats.total_bytes,
        .path = eg_session_path(session, false),
        .description = eg_description_text(session->description),
        .outputs = session->output_lines,
    };
}
