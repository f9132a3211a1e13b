/* Streams that come and go while an egress runs. */
#include "session/session-private.h"

#include "base/error.h"

static void append_line(GString *text, const GError *error)
{
    g_string_append_printf(text, "%s%s", text->len > 0 ? "\n" : "", error->message);
}

static bool can_update(const EgSession *session, GError **error)
{
    bool is_streaming = false;
    for (guint i = 0; i < session->plan->n_outputs; i++)
        is_streaming = is_streaming || session->plan->outputs[i].kind == EG_OUTPUT_STREAM;
    if (!is_streaming)
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "UpdateStream called on non-streaming egress");
    else if (session->state != EG_SESSION_ACTIVE)
        eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_REQUEST,
                     "an egress that is %s cannot be updated: it must be active",
                     eg_session_state_name(session->state));
    return is_streaming && session->state == EG_SESSION_ACTIVE;
}

bool eg_session_update_streams(EgSession *session, const EgStreamUpdate *update, GError **error)
{
    eg_loop_assert_owner(session->loop);
    EgErrorCode code = EG_ERROR_NONE;
    if (!can_update(session, error))
        return false;
    GString *text = g_string_new(NULL);
    for (gsize i = 0; i < update->n_add + update->n_remove; i++) {
        g_autoptr(GError) failure = NULL;
        bool is_done = i < update->n_add
                           ? eg_outputs_add_stream(session->outputs, &update->add[i], &failure)
                           : eg_outputs_remove_stream(session->outputs,
                                                      update->remove[i - update->n_add], &failure);
        if (is_done)
            continue;
        append_line(text, failure);
        if (code == EG_ERROR_NONE)
            code = eg_error_code(failure);
    }
    if (code != EG_ERROR_NONE)
        eg_error_set(error, code, EG_BLAME_REQUEST, "%s", text->str);
    g_string_free(text, TRUE);
    eg_session_outputs_changed(session);
    return code == EG_ERROR_NONE;
}
