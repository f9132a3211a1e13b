/* What comes from the source goes into the graph, the description and the report. */
#include "base/time.h"
#include "session/session-private.h"

EgManifestTime eg_session_now(void)
{
    return (EgManifestTime){.now_ns = eg_now_ns(), .wall_ns = eg_wall_now_ns()};
}

static void on_found(gpointer user, const EgSourceFacts *facts)
{
    EgSession *session = user;
    g_autoptr(GError) error = NULL;
    eg_report_set_room(session->report, facts->room_name, facts->room_sid);
    eg_description_set_facts(session->description, facts);
    eg_manifest_set_facts(session->manifest, facts);
    if (!eg_session_open_graph(session, facts, &error))
        eg_session_end_soon(session, EG_END_FAILURE, error);
}

static gpointer on_track_added(gpointer user, EgSourceTrack *track,
                               const EgPublication *publication, const EgPlacement *placement)
{
    EgSession *session = user;
    eg_description_add(session->description, publication);
    if (session->graph == NULL)
        return NULL;
    const EgGraphTrackParams params = {
        .participant = publication->participant_sid,
        .media = publication->media,
        .codec = publication->codec,
        .is_muted = publication->is_muted,
        .route = placement->route,
        .rank = placement->rank,
    };
    EgGraphTrack *added = eg_graph_add_track(session->graph, &params, track);
    eg_manifest_add_track(session->manifest, added, publication, eg_session_now());
    return added;
}

static void on_participant(gpointer user, const EgParticipant *participant, bool is_there)
{
    EgSession *session = user;
    eg_manifest_set_participant(session->manifest, participant->identity, is_there,
                                eg_session_now());
}

static void on_layout_changed(gpointer user, const char *name)
{
    EgSession *session = user;
    eg_manifest_set_layout(session->manifest, name, eg_session_now());
}

static void on_reconnecting(gpointer user)
{
    EgSession *session = user;
    eg_manifest_add_event(session->manifest, EG_MANIFEST_RECONNECTING, eg_session_now());
}

static void on_reconnected(gpointer user)
{
    EgSession *session = user;
    eg_manifest_add_event(session->manifest, EG_MANIFEST_RECONNECTED, eg_session_now());
}

static gpointer on_raw_added(gpointer user, EgMedia media, guint rate_hz)
{
    EgSession *session = user;
    return session->graph != NULL ? eg_graph_add_raw(session->graph, media, rate_hz) : NULL;
}

static void on_raw(gpointer user, gpointer track, GstBuffer *buffer)
{
    (void)user;
    eg_graph_push_raw(track, buffer);
}

static void on_tracks_complete(gpointer user)
{
    EgSession *session = user;
    if (session->graph != NULL)
        eg_graph_start(session->graph);
}

static void on_stream_started(gpointer user, gpointer track, EgCodec codec, guint clock_rate_hz)
{
    (void)user;
    if (track != NULL)
        eg_graph_track_start(track, codec, clock_rate_hz);
}

static void on_packet(gpointer user, gpointer track, EgPacket *packet)
{
    EgSession *session = user;
    if (track == NULL)
        return;
    eg_manifest_note_packet(session->manifest, track, eg_session_now());
    eg_graph_track_push(track, packet);
}

static void on_sender_report(gpointer user, gpointer track, const EgSenderReport *report)
{
    (void)user;
    if (track != NULL)
        eg_graph_track_report(track, report);
}

static void on_stream_ended(gpointer user, gpointer track)
{
    (void)user;
    if (track != NULL)
        eg_graph_track_end(track);
}

static void on_muted(gpointer user, gpointer track, bool is_muted)
{
    EgSession *session = user;
    if (track != NULL)
        eg_graph_track_set_muted(track, is_muted);
    eg_manifest_set_muted(session->manifest, track, is_muted, eg_session_now());
    if (session->outputs != NULL)
        eg_outputs_set_muted(session->outputs, is_muted);
}

static void on_track_removed(gpointer user, gpointer track, const EgPublication *publication)
{
    EgSession *session = user;
    eg_description_remove(session->description, publication);
    eg_manifest_remove_track(session->manifest, track, publication->is_lost, eg_session_now());
    if (track != NULL)
        eg_graph_track_remove(track);
}

static void on_source_ended(gpointer user, EgEndReason reason, const GError *error)
{
    eg_session_end_soon(user, reason, error);
}

const EgSourceEvents eg_session_source_events = {
    .found = on_found,
    .track_added = on_track_added,
    .raw_added = on_raw_added,
    .raw = on_raw,
    .participant = on_participant,
    .layout_changed = on_layout_changed,
    .reconnecting = on_reconnecting,
    .reconnected = on_reconnected,
    .tracks_complete = on_tracks_complete,
    .stream_started = on_stream_started,
    .packet = on_packet,
    .sender_report = on_sender_report,
    .stream_ended = on_stream_ended,
    .muted = on_muted,
    .track_removed = on_track_removed,
    .ended = on_source_ended,
};
