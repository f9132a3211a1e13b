/* What a session keeps of itself for whoever has to go on when its process dies. */
#include "session/session-private.h"

#include "base/error.h"

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
