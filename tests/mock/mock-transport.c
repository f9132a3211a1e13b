#include "mock/mock-transport.h"

#include "base/error.h"

struct _EgTransport {
    EgTransportEvents events;
    gpointer user;
    char *remote_ufrag;
    GPtrArray *candidates;
    GPtrArray *receivers;
    guint8 apt[128];
    guint restarts;
    char ufrag[16];
};

struct _EgReceiver {
    EgReceiverParams params;
    EgReceiverEvents events;
    gpointer user;
    bool wants_key_frame;
    EgReceiverStats stats;
};

static EgTransport *current;
static guint n_made;
static bool fails_next;

EgTransport *eg_transport_new(EgLoop *loop, const EgLog *log, const EgIceServer *servers,
                              gsize n_servers, const EgTransportEvents *events, gpointer user,
                              GError **error)
{
    (void)log;
    eg_loop_assert_owner(loop);
    for (gsize i = 0; i < n_servers; i++)
        g_assert_nonnull(servers[i].url);
    if (fails_next) {
        fails_next = false;
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "no transport today");
        return NULL;
    }
    g_assert_null(current);
    current = g_new0(EgTransport, 1);
    current->events = *events;
    current->user = user;
    current->candidates = g_ptr_array_new_with_free_func(g_free);
    current->receivers = g_ptr_array_new_with_free_func(g_free);
    n_made++;
    return current;
}

void eg_transport_free(EgTransport *transport)
{
    if (transport == NULL)
        return;
    g_assert_true(transport == current);
    g_free(transport->remote_ufrag);
    g_ptr_array_unref(transport->candidates);
    g_ptr_array_unref(transport->receivers);
    g_free(transport);
    current = NULL;
}

const char *eg_transport_fingerprint(const EgTransport *transport)
{
    g_assert_nonnull(transport);
    return "AA:BB:CC";
}

const char *eg_transport_ufrag(const EgTransport *transport)
{
    return transport->ufrag;
}

const char *eg_transport_password(const EgTransport *transport)
{
    g_assert_nonnull(transport);
    return "ourpassword";
}

bool eg_transport_set_remote(EgTransport *transport, const char *ufrag, const char *password,
                             const char *fingerprint_sha256, GError **error)
{
    if (g_str_has_prefix(ufrag, "bad") || *password == '\0' || *fingerprint_sha256 == '\0') {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "bad credentials");
        return false;
    }
    if (g_strcmp0(transport->remote_ufrag, ufrag) == 0)
        return true;
    g_free(transport->remote_ufrag);
    transport->remote_ufrag = g_strdup(ufrag);
    g_snprintf(transport->ufrag, sizeof transport->ufrag, "our%u", transport->restarts++);
    return true;
}

bool eg_transport_add_candidate(EgTransport *transport, const char *candidate, GError **error)
{
    if (!g_str_has_prefix(candidate, "candidate:")) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE, "malformed candidate");
        return false;
    }
    g_ptr_array_add(transport->candidates, g_strdup(candidate));
    return true;
}

EgReceiver *eg_transport_add_receiver(EgTransport *transport, const EgReceiverParams *params,
                                      const EgReceiverEvents *events, gpointer user)
{
    for (guint i = 0; i < transport->receivers->len; i++) {
        const EgReceiver *other = g_ptr_array_index(transport->receivers, i);
        g_assert_cmpuint(other->params.ssrc, !=, params->ssrc);
    }
    EgReceiver *receiver = g_new0(EgReceiver, 1);
    receiver->params = *params;
    receiver->events = *events;
    receiver->user = user;
    g_ptr_array_add(transport->receivers, receiver);
    return receiver;
}

void eg_transport_remove_receiver(EgTransport *transport, EgReceiver *receiver)
{
    g_assert_true(transport == current);
    g_assert_true(g_ptr_array_remove(transport->receivers, receiver));
}

void eg_transport_set_rtx_payload_type(EgTransport *transport, guint8 payload_type, guint8 apt)
{
    g_assert_cmpuint(payload_type, <, 128);
    transport->apt[payload_type] = apt;
}

void eg_receiver_set_wants_key_frame(EgReceiver *receiver, bool wants)
{
    receiver->wants_key_frame = wants;
}

void eg_receiver_get_stats(const EgReceiver *receiver, EgReceiverStats *stats)
{
    *stats = receiver->stats;
}

EgTransport *mock_transport(void)
{
    return current;
}

guint mock_transport_count(void)
{
    return n_made;
}

void mock_transport_fail_next(void)
{
    fails_next = true;
}

const char *mock_transport_remote_ufrag(void)
{
    return current != NULL ? current->remote_ufrag : NULL;
}

GPtrArray *mock_transport_candidates(void)
{
    return current->candidates;
}

guint8 mock_transport_apt(guint8 rtx_payload_type)
{
    return current->apt[rtx_payload_type];
}

guint mock_transport_receivers(void)
{
    return current != NULL ? current->receivers->len : 0;
}

EgReceiver *mock_receiver(guint32 ssrc)
{
    for (guint i = 0; current != NULL && i < current->receivers->len; i++) {
        EgReceiver *receiver = g_ptr_array_index(current->receivers, i);
        if (receiver->params.ssrc == ssrc)
            return receiver;
    }
    return NULL;
}

const EgReceiverParams *mock_receiver_params(const EgReceiver *receiver)
{
    return &receiver->params;
}

bool mock_receiver_wants_key_frame(const EgReceiver *receiver)
{
    return receiver->wants_key_frame;
}

void mock_transport_connect(void)
{
    current->events.connected(current->user);
}

void mock_transport_disconnect(void)
{
    current->events.disconnected(current->user);
}

void mock_transport_fail(const char *message)
{
    g_autoptr(GError) error = NULL;
    eg_error_set(&error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s", message);
    current->events.failed(current->user, error);
}

void mock_transport_candidate(const char *candidate)
{
    current->events.candidate(current->user, candidate);
}

void mock_receiver_packet(EgReceiver *receiver, guint8 payload_type, guint64 sequence)
{
    static const guint8 data[13] = {0x80};
    EgPacket packet = {
        .data = data,
        .size_bytes = sizeof data,
        .payload_offset = 12,
        .sequence = sequence,
        .ssrc = receiver->params.ssrc,
        .payload_type = payload_type,
    };
    receiver->stats.packets++;
    receiver->events.packet(receiver->user, &packet);
}

void mock_receiver_report(EgReceiver *receiver, gint64 ntp_ns)
{
    const EgSenderReport report = {.ntp_ns = ntp_ns};
    receiver->events.sender_report(receiver->user, &report);
}
