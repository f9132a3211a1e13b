/* What a session keeps of itself for whoever has to go on when its process dies. */
#include "session/session-private.h"

#include "base/error.h"
#include "base/time.h"

/* What is lost of a manifest when the process dies, at most. */
#define KEEP_MANIFEST_NS (10 * EG_NS_PER_S)

void eg_session_note(EgSession *session, const Livekit__EgressInfo *info,
                     Egress__SpoolRecord__RecordCase kind)
{
    g_autoptr(GError) error = NULL;
    Egress__SpoolRecord record = EGRESS__SPOOL_RECORD__INIT;
    record.record_case = kind;
    record.info = (Livekit__EgressInfo *)info; /* the others are the same type, in a union */
    if (!eg_spool_note(session->spool, &record, false, &error))
        eg_warn(session->log, "state of the egress is not kept", EG_STR("error", error->message));
}

void eg_session_keep_manifest(EgSession *session, bool is_last)
{
    gint64 now_ns = eg_now_ns();
    guint n_events = eg_manifest_n_events(session->manifest);
    bool is_due =
        session->manifest_kept_ns == 0 || (now_ns - session->manifest_kept_ns >= KEEP_MANIFEST_NS &&
                                           n_events != session->manifest_kept_events);
    if (session->spool == NULL || (!is_due && !is_last))
        return;
    g_autofree char *json =
        eg_manifest_to_json(session->manifest, eg_report_info(session->report), eg_session_now());
    g_autoptr(GError) error = NULL;
    if (!eg_spool_keep_manifest(session->spool, json, &error))
        eg_warn(session->log, "manifest is not kept", EG_STR("error", error->message));
    session->manifest_kept_ns = now_ns;
    session->manifest_kept_events = n_events;
}

bool eg_session_open_spool(EgSession *session, GError **error)
{
    bool is_needed = false;
    for (guint i = 0; i < session->plan->n_outputs; i++)
        is_needed = is_needed || session->plan->outputs[i].storage != NULL;
    if (!is_needed)
        return true;
    const EgSpoolParams params = {
        .root = session->spool_root,
        .owner = session->spool_owner,
        .request = session->request,
        .requested_ns = session->requested_ns,
    };
    session->spool = eg_spool_new(&params, error);
    return session->spool != NULL;
}

void eg_session_drop_spool(EgSession *session)
{
    if (session->spool == NULL)
        return;
    eg_spool_remove(eg_spool_folder(session->spool));
    g_clear_pointer(&session->spool, eg_spool_free);
}
