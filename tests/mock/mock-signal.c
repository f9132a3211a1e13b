#include "mock/mock-signal.h"

#include "base/error.h"

struct _EgSignal {
    EgSignalEvents events;
    gpointer user;
};

static EgSignal *current;

EgSignal *eg_signal_new(EgLoop *loop, const EgLog *log, const EgSignalParams *params,
                        const EgSignalEvents *events, gpointer user)
{
    (void)log;
    eg_loop_assert_owner(loop);
    g_assert_null(current);
    g_assert_nonnull(params->url);
    current = g_new0(EgSignal, 1);
    current->events = *events;
    current->user = user;
    return current;
}

void eg_signal_free(EgSignal *signal)
{
    if (signal == NULL)
        return;
    g_assert_true(signal == current);
    g_free(signal);
    current = NULL;
}

bool eg_signal_send(EgSignal *signal, const Livekit__SignalRequest *request)
{
    g_assert_true(signal == current);
    g_autofree guint8 *data = g_malloc(livekit__signal_request__get_packed_size(request));
    livekit__signal_request__pack(request, data);
    return true;
}

void eg_signal_set_ping(EgSignal *signal, gint64 interval_ns, gint64 timeout_ns)
{
    g_assert_true(signal == current);
    g_assert_cmpint(interval_ns, >, 0);
    g_assert_cmpint(timeout_ns, >, 0);
}

bool mock_signal_deliver(const guint8 *data, gsize size_bytes)
{
    if (current == NULL)
        return false;
    Livekit__SignalResponse *response = livekit__signal_response__unpack(NULL, size_bytes, data);
    if (response == NULL)
        return false;
    current->events.message(current->user, response);
    livekit__signal_response__free_unpacked(response, NULL);
    return true;
}

bool mock_signal_close(EgErrorCode code)
{
    if (current == NULL)
        return false;
    g_autoptr(GError) error = NULL;
    eg_error_set_retryable(&error, code, EG_BLAME_SERVICE, "broken");
    current->events.closed(current->user, error);
    return true;
}
