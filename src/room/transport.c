#include "room/transport.h"

#include "base/error.h"
#include "base/time.h"
#include "room/bytes.h"
#include "room/dtls.h"
#include "room/ice.h"
#include "room/receiver.h"
#include "room/srtp.h"

#include <string.h>

#define REPORT_INTERVAL_NS (1 * EG_NS_PER_S)
#define DTLS_TIMEOUT_NS    (30 * EG_NS_PER_S)
#define MAX_RTCP_BYTES     1200

/* Most of what a packet costs is to wake up for it, so once a while has passed since the streams
 * began, packets are collected for as long as one of sound lasts. Before, the instants at which
 * they arrive are what time is made of. A burst is taken as it comes, for it would fill the buffer
 * of the socket. */
#define COLLECT_NS       (20 * EG_NS_PER_MS)
#define COLLECT_AFTER_NS (5 * EG_NS_PER_S)
#define BURST_PACKETS    64

#define N_PAYLOAD_TYPES    128
#define NO_PAYLOAD_TYPE    0xff
#define MAX_UFRAG_CHARS    256
#define MIN_UFRAG_CHARS    4
#define MIN_PASSWORD_CHARS 22

struct _EgTransport {
    EgLoop *loop;
    const EgLog *log;
    EgTransportEvents events;
    gpointer user;

    EgIce *ice;
    EgDtls *dtls;
    EgSrtp *srtp; /* NULL until DTLS has keys */
    char *peer_fingerprint;
    bool is_ice_connected;
    bool has_failed;
    gint64 dtls_deadline_ns;

    GPtrArray *receivers;
    GHashTable *routes; /* SSRC, also of retransmissions -> EgReceiver, not owned */
    guint8 apt[N_PAYLOAD_TYPES];
    guint32 ssrc; /* ours, as the sender of RTCP */
    char *cname;
    gint64 report_due_ns;
    gint64 collect_from_ns; /* see COLLECT_NS */
    guint n_collected;      /* packets since `collected_ns` */
    gint64 collected_ns;

    GSource *prepare_source;

    EgTimer *timer;
    gint64 timer_ns; /* when it will fire */

    /* The user may free the transport and its receivers inside an event, when there is still code
     * of ours below that uses them. */
    guint depth;
    bool is_freed;
    GPtrArray *removed;

    guint64 n_ignored; /* datagrams that are of no known kind or stream, or malformed */
    guint64 n_unauthentic;
};

static void destroy(EgTransport *transport);

static void enter(EgTransport *transport)
{
    transport->depth++;
}

static void leave(EgTransport *transport)
{
    transport->depth--;
    if (transport->depth > 0)
        return;
    g_ptr_array_set_size(transport->removed, 0);
    if (transport->is_freed)
        destroy(transport);
}

static void wake_at(EgTransport *transport, gint64 at_ns)
{
    if (at_ns >= transport->timer_ns)
        return;
    transport->timer_ns = at_ns;
    eg_timer_set(transport->timer, at_ns);
}

static void wake_now(gpointer user)
{
    wake_at(user, 0);
}

/* Looks at everything that waits for its time. */
static void rearm(EgTransport *transport, gint64 now_ns)
{
    gint64 at_ns = G_MAXINT64;
    gint64 timeout_ns = eg_dtls_timeout_ns(transport->dtls);
    if (timeout_ns >= 0)
        at_ns = now_ns + timeout_ns;
    if (eg_dtls_state(transport->dtls) == EG_DTLS_CONNECTING)
        at_ns = MIN(at_ns, transport->dtls_deadline_ns);
    if (transport->srtp != NULL && transport->receivers->len > 0)
        at_ns = MIN(at_ns, transport->report_due_ns);
    for (guint i = 0; transport->srtp != NULL && i < transport->receivers->len; i++)
        at_ns = MIN(at_ns, eg_receiver_due_ns(transport->receivers->pdata[i]));

    if (at_ns == transport->timer_ns)
        return;
    transport->timer_ns = at_ns;
    if (at_ns == G_MAXINT64)
        eg_timer_clear(transport->timer);
    else
        eg_timer_set(transport->timer, at_ns);
}

/* RTCP out */

static void send_rtcp(EgTransport *transport, guint8 *data, gsize size_bytes)
{
    if (eg_srtp_protect_rtcp(transport->srtp, data, &size_bytes))
        eg_ice_send(transport->ice, data, size_bytes);
}

static void send_feedback(EgTransport *transport, guint32 media_ssrc, const EgFeedback *feedback)
{
    gsize n_done = 0;
    bool wants_pli = feedback->wants_pli;
    while (n_done < feedback->n_nacks || wants_pli) {
        guint8 data[MAX_RTCP_BYTES + EG_SRTP_OVERHEAD_BYTES];
        EgRtcpWriter writer = {.data = data, .capacity_bytes = MAX_RTCP_BYTES};
        if (wants_pli)
            eg_rtcp_write_pli(&writer, transport->ssrc, media_ssrc);
        wants_pli = false;
        if (n_done < feedback->n_nacks)
            n_done += eg_rtcp_write_nack(&writer, transport->ssrc, media_ssrc,
                                         feedback->nacks + n_done, feedback->n_nacks - n_done);
        send_rtcp(transport, data, writer.size_bytes);
    }
}

static void send_report(EgTransport *transport, const EgReportBlock *blocks, gsize n_blocks,
                        bool is_last)
{
    guint8 data[MAX_RTCP_BYTES + EG_SRTP_OVERHEAD_BYTES];
    EgRtcpWriter writer = {.data = data, .capacity_bytes = MAX_RTCP_BYTES};
    eg_rtcp_write_receiver_report(&writer, transport->ssrc, blocks, n_blocks);
    eg_rtcp_write_cname(&writer, transport->ssrc, transport->cname);
    if (is_last)
        eg_rtcp_write_bye(&writer, transport->ssrc);
    send_rtcp(transport, data, writer.size_bytes);
}

static void send_reports(EgTransport *transport, gint64 now_ns)
{
    EgReportBlock blocks[EG_RTCP_MAX_BLOCKS];
    gsize n_blocks = 0;
    for (guint i = 0; i < transport->receivers->len; i++) {
        if (n_blocks == G_N_ELEMENTS(blocks)) {
            send_report(transport, blocks, n_blocks, false);
            n_blocks = 0;
        }
        if (eg_receiver_report(transport->receivers->pdata[i], now_ns, &blocks[n_blocks]))
            n_blocks++;
    }
    send_report(transport, blocks, n_blocks, false);
}

/* DTLS */

static void tell_failed(EgTransport *transport, const GError *error)
{
    if (transport->has_failed || transport->is_freed)
        return;
    transport->has_failed = true;
    transport->events.failed(transport->user, error);
}

static void tell_connected(EgTransport *transport)
{
    if (!transport->is_freed && transport->is_ice_connected && transport->srtp != NULL)
        transport->events.connected(transport->user);
}

static void take_keys(EgTransport *transport, gint64 now_ns, GError **error)
{
    EgSrtpKeys keys;
    if (!eg_dtls_get_keys(transport->dtls, &keys, error))
        return;
    transport->srtp = eg_srtp_new(&keys, error);
    memset(&keys, 0, sizeof(keys));
    if (transport->srtp == NULL)
        return;
    transport->report_due_ns = now_ns + REPORT_INTERVAL_NS;
    eg_debug(transport->log, "dtls connected");
    tell_connected(transport);
}

/* What has become of DTLS after it was given something to do. */
static void look_at_dtls(EgTransport *transport, gint64 now_ns, GError *problem)
{
    g_autoptr(GError) error = problem;
    EgDtlsState state = eg_dtls_state(transport->dtls);
    if (state == EG_DTLS_CONNECTED && transport->srtp == NULL)
        take_keys(transport, now_ns, &error);
    if (state == EG_DTLS_CLOSED && error == NULL)
        eg_error_set_retryable(&error, EG_ERROR_UNAVAILABLE, EG_BLAME_SERVICE,
                               "the peer has closed the connection");
    if (error != NULL)
        tell_failed(transport, error);
    if (!transport->is_freed)
        rearm(transport, now_ns);
}

static void send_dtls(gpointer user, const guint8 *data, gsize size_bytes)
{
    EgTransport *transport = user;
    eg_ice_send(transport->ice, data, size_bytes);
}

/* RTP and RTCP in */

static void receive_rtp(EgTransport *transport, guint8 *data, gsize size_bytes, gint64 now_ns)
{
    /* What belongs to no stream is not worth decrypting, and libsrtp would remember its SSRC. */
    EgReceiver *receiver = NULL;
    if (size_bytes >= EG_RTP_MIN_BYTES)
        receiver = g_hash_table_lookup(transport->routes, GUINT_TO_POINTER(eg_get_u32(data + 8)));
    if (receiver == NULL) {
        transport->n_ignored++;
        return;
    }
    if (!eg_srtp_unprotect_rtp(transport->srtp, data, &size_bytes)) {
        transport->n_unauthentic++;
        return;
    }
    EgRtpHeader header;
    if (!eg_rtp_parse(data, size_bytes, &header)) {
        transport->n_ignored++;
        return;
    }
    if (header.ssrc == eg_receiver_params(receiver)->ssrc)
        eg_receiver_push(receiver, data, &header, now_ns);
    else if (transport->apt[header.payload_type] != NO_PAYLOAD_TYPE)
        eg_receiver_push_rtx(receiver, data, &header, transport->apt[header.payload_type], now_ns);
    else
        transport->n_ignored++;
    wake_at(transport, eg_receiver_due_ns(receiver));
}

static void receive_rtcp(EgTransport *transport, guint8 *data, gsize size_bytes, gint64 now_ns)
{
    if (!eg_srtp_unprotect_rtcp(transport->srtp, data, &size_bytes)) {
        transport->n_unauthentic++;
        return;
    }
    EgRtcpReader reader;
    EgRtcpPacket packet;
    eg_rtcp_reader_init(&reader, data, size_bytes);
    while (eg_rtcp_reader_next(&reader, &packet)) {
        if (packet.type != EG_RTCP_SENDER_REPORT)
            continue;
        EgReceiver *receiver =
            g_hash_table_lookup(transport->routes, GUINT_TO_POINTER(packet.ssrc));
        if (receiver != NULL && packet.ssrc == eg_receiver_params(receiver)->ssrc)
            eg_receiver_push_sender_report(receiver, packet.ntp, packet.rtp_timestamp, now_ns);
    }
    if (reader.is_malformed)
        transport->n_ignored++;
}

static void collect(EgTransport *transport, gint64 now_ns)
{
    if (now_ns < transport->collect_from_ns)
        return;
    if (now_ns - transport->collected_ns >= COLLECT_NS / 2) {
        transport->collected_ns = now_ns;
        transport->n_collected = 0;
    }
    transport->n_collected++;
    eg_loop_rest(transport->loop, transport->n_collected < BURST_PACKETS ? COLLECT_NS : 0);
}

/* RFC 7983 tells apart what shares the port; STUN has been taken out by ICE. */
static void on_datagram(gpointer user, guint8 *data, gsize size_bytes)
{
    EgTransport *transport = user;
    gint64 now_ns = eg_now_ns();
    enter(transport);
    if (size_bytes > 0 && data[0] >= 20 && data[0] <= 63) {
        GError *error = NULL;
        eg_dtls_receive(transport->dtls, data, size_bytes, &error);
        look_at_dtls(transport, now_ns, error);
    } else if (size_bytes > 0 && data[0] >= 128 && data[0] <= 191 && transport->srtp != NULL) {
        if (eg_rtp_is_rtcp(data, size_bytes))
            receive_rtcp(transport, data, size_bytes, now_ns);
        else
            receive_rtp(transport, data, size_bytes, now_ns);
        collect(transport, now_ns);
    } else {
        transport->n_ignored++;
    }
    leave(transport);
}

static void on_candidate(gpointer user, const char *candidate)
{
    EgTransport *transport = user;
    enter(transport);
    transport->events.candidate(transport->user, candidate);
    leave(transport);
}

static void on_ice_connected(gpointer user)
{
    EgTransport *transport = user;
    gint64 now_ns = eg_now_ns();
    enter(transport);
    transport->is_ice_connected = true;
    if (eg_dtls_state(transport->dtls) == EG_DTLS_NONE) {
        GError *error = NULL;
        transport->dtls_deadline_ns = now_ns + DTLS_TIMEOUT_NS;
        eg_dtls_start(transport->dtls, &error);
        look_at_dtls(transport, now_ns, error);
    } else {
        tell_connected(transport);
    }
    leave(transport);
}

static void on_ice_lost(gpointer user)
{
    EgTransport *transport = user;
    enter(transport);
    transport->is_ice_connected = false;
    transport->events.disconnected(transport->user);
    leave(transport);
}

static void poll_receivers(EgTransport *transport, gint64 now_ns)
{
    /* Feedback waits until it can be sent. Events inside may add and remove receivers; one that is
     * passed over because of that is due at once. */
    for (guint i = 0; transport->srtp != NULL && i < transport->receivers->len; i++) {
        EgReceiver *receiver = transport->receivers->pdata[i];
        if (eg_receiver_due_ns(receiver) > now_ns)
            continue;
        EgFeedback feedback;
        eg_receiver_poll(receiver, now_ns, &feedback);
        if (transport->is_freed)
            return;
        send_feedback(transport, eg_receiver_params(receiver)->ssrc, &feedback);
    }
}

static void on_timer(gpointer user)
{
    EgTransport *transport = user;
    gint64 now_ns = eg_now_ns();
    enter(transport);
    transport->timer_ns = G_MAXINT64;
    poll_receivers(transport, now_ns);
    if (!transport->is_freed && transport->srtp != NULL && now_ns >= transport->report_due_ns) {
        transport->report_due_ns = now_ns + REPORT_INTERVAL_NS;
        if (transport->receivers->len > 0)
            send_reports(transport, now_ns);
    }
    if (!transport->is_freed && !transport->has_failed) {
        GError *error = NULL;
        if (eg_dtls_handle_timeout(transport->dtls, &error) &&
            eg_dtls_state(transport->dtls) == EG_DTLS_CONNECTING &&
            now_ns >= transport->dtls_deadline_ns)
            eg_error_set_retryable(&error, EG_ERROR_DEADLINE_EXCEEDED, EG_BLAME_SERVICE,
                                   "the peer does not answer DTLS");
        look_at_dtls(transport, now_ns, error);
    }
    leave(transport);
}

/* When there is nothing else to do, which there is not until the server's offer has come. */
static gboolean prepare_srtp(gpointer user)
{
    (void)user;
    eg_srtp_prepare();
    return G_SOURCE_REMOVE;
}

/* What the user calls */

EgTransport *eg_transport_new(EgLoop *loop, const EgLog *log, const EgIceServer *servers,
                              gsize n_servers, const EgTransportEvents *events, gpointer user,
                              GError **error)
{
    static const EgIceEvents ice_events = {
        .candidate = on_candidate,
        .connected = on_ice_connected,
        .lost = on_ice_lost,
        .datagram = on_datagram,
    };
    eg_loop_assert_owner(loop);
    g_autoptr(EgTransport) transport = g_new0(EgTransport, 1);
    transport->loop = loop;
    transport->log = log;
    transport->events = *events;
    transport->user = user;
    transport->receivers = g_ptr_array_new_with_free_func((GDestroyNotify)eg_receiver_free);
    transport->removed = g_ptr_array_new_with_free_func((GDestroyNotify)eg_receiver_free);
    transport->routes = g_hash_table_new(NULL, NULL);
    memset(transport->apt, NO_PAYLOAD_TYPE, sizeof(transport->apt));
    transport->ssrc = g_random_int();
    transport->cname = g_strdup_printf("%08x%08x", g_random_int(), g_random_int());
    transport->timer = eg_timer_new(loop, on_timer, transport);
    transport->timer_ns = G_MAXINT64;
    transport->prepare_source = g_idle_source_new();
    g_source_set_callback(transport->prepare_source, prepare_srtp, NULL, NULL);
    g_source_attach(transport->prepare_source, eg_loop_context(loop));

    transport->dtls = eg_dtls_new(send_dtls, transport, error);
    if (transport->dtls == NULL)
        return NULL;
    transport->ice = eg_ice_new(loop, log, servers, n_servers, &ice_events, transport, error);
    if (transport->ice == NULL)
        return NULL;
    return g_steal_pointer(&transport);
}

static void destroy(EgTransport *transport)
{
    g_source_destroy(transport->prepare_source);
    g_source_unref(transport->prepare_source);
    eg_timer_free(transport->timer);
    eg_ice_free(transport->ice);
    eg_dtls_free(transport->dtls);
    eg_srtp_free(transport->srtp);
    g_ptr_array_unref(transport->receivers);
    g_ptr_array_unref(transport->removed);
    g_hash_table_unref(transport->routes);
    g_free(transport->peer_fingerprint);
    g_free(transport->cname);
    g_free(transport);
}

static void say_goodbye(EgTransport *transport)
{
    if (transport->srtp != NULL)
        send_report(transport, NULL, 0, true);
    if (transport->dtls != NULL)
        eg_dtls_close(transport->dtls);
}

void eg_transport_free(EgTransport *transport)
{
    if (transport == NULL)
        return;
    eg_loop_assert_owner(transport->loop);
    say_goodbye(transport);
    eg_debug(transport->log, "transport closed", EG_INT("ignored", transport->n_ignored),
             EG_INT("unauthentic", transport->n_unauthentic));
    transport->is_freed = true;
    for (guint i = 0; i < transport->receivers->len; i++)
        eg_receiver_close(transport->receivers->pdata[i]);
    if (transport->depth == 0)
        destroy(transport);
}

const char *eg_transport_fingerprint(const EgTransport *transport)
{
    return eg_dtls_fingerprint(transport->dtls);
}

const char *eg_transport_ufrag(const EgTransport *transport)
{
    return eg_ice_ufrag(transport->ice);
}

const char *eg_transport_password(const EgTransport *transport)
{
    return eg_ice_password(transport->ice);
}

static bool set_peer_fingerprint(EgTransport *transport, const char *fingerprint, GError **error)
{
    if (transport->peer_fingerprint != NULL) {
        if (g_ascii_strcasecmp(fingerprint, transport->peer_fingerprint) == 0)
            return true;
        eg_error_set(error, EG_ERROR_FAILED_PRECONDITION, EG_BLAME_SERVICE,
                     "the peer has changed its certificate");
        return false;
    }
    if (!eg_dtls_set_peer_fingerprint(transport->dtls, fingerprint)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "the peer sent a malformed fingerprint");
        return false;
    }
    transport->peer_fingerprint = g_strdup(fingerprint);
    return true;
}

bool eg_transport_set_remote(EgTransport *transport, const char *ufrag, const char *password,
                             const char *fingerprint_sha256, GError **error)
{
    eg_loop_assert_owner(transport->loop);
    gsize n_ufrag = strlen(ufrag);
    gsize n_password = strlen(password);
    if (n_ufrag < MIN_UFRAG_CHARS || n_ufrag > MAX_UFRAG_CHARS || n_password < MIN_PASSWORD_CHARS ||
        n_password > MAX_UFRAG_CHARS) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_SERVICE,
                     "the peer sent malformed ICE credentials");
        return false;
    }
    return set_peer_fingerprint(transport, fingerprint_sha256, error) &&
           eg_ice_set_remote(transport->ice, ufrag, password, error);
}

bool eg_transport_add_candidate(EgTransport *transport, const char *candidate, GError **error)
{
    eg_loop_assert_owner(transport->loop);
    return eg_ice_add_candidate(transport->ice, candidate, error);
}

EgReceiver *eg_transport_add_receiver(EgTransport *transport, const EgReceiverParams *params,
                                      const EgReceiverEvents *events, gpointer user)
{
    eg_loop_assert_owner(transport->loop);
    gpointer ssrc = GUINT_TO_POINTER(params->ssrc);
    gpointer rtx_ssrc = GUINT_TO_POINTER(params->rtx_ssrc);
    bool has_rtx = params->rtx_ssrc != 0 && params->rtx_ssrc != params->ssrc;
    if (g_hash_table_contains(transport->routes, ssrc) ||
        (has_rtx && g_hash_table_contains(transport->routes, rtx_ssrc)))
        return NULL;
    EgReceiver *receiver = eg_receiver_new(params, events, user, wake_now, transport);
    g_ptr_array_add(transport->receivers, receiver);
    transport->collect_from_ns = eg_now_ns() + COLLECT_AFTER_NS;
    g_hash_table_insert(transport->routes, ssrc, receiver);
    if (has_rtx)
        g_hash_table_insert(transport->routes, rtx_ssrc, receiver);
    if (transport->srtp != NULL) {
        if (transport->receivers->len == 1)
            transport->report_due_ns = eg_now_ns() + REPORT_INTERVAL_NS;
        wake_at(transport, transport->report_due_ns);
    }
    return receiver;
}

void eg_transport_remove_receiver(EgTransport *transport, EgReceiver *receiver)
{
    eg_loop_assert_owner(transport->loop);
    const EgReceiverParams *params = eg_receiver_params(receiver);
    g_hash_table_remove(transport->routes, GUINT_TO_POINTER(params->ssrc));
    if (params->rtx_ssrc != 0)
        g_hash_table_remove(transport->routes, GUINT_TO_POINTER(params->rtx_ssrc));
    eg_receiver_close(receiver);
    guint index;
    if (!g_ptr_array_find(transport->receivers, receiver, &index))
        g_assert_not_reached();
    g_ptr_array_add(transport->removed, g_ptr_array_steal_index(transport->receivers, index));
    if (transport->depth == 0)
        g_ptr_array_set_size(transport->removed, 0);
}

void eg_transport_set_rtx_payload_type(EgTransport *transport, guint8 payload_type, guint8 apt)
{
    eg_loop_assert_owner(transport->loop);
    if (payload_type < N_PAYLOAD_TYPES && apt < N_PAYLOAD_TYPES)
        transport->apt[payload_type] = apt;
}
