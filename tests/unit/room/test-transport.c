#include "room/transport.h"

#include "base/error.h"
#include "base/time.h"
#include "rtp-maker.h"
#include "webrtc-peer.h"

#define SSRC       0x10203040
#define RTX_SSRC   0x50607080
#define PT         96
#define RTX_PT     97
#define PATIENCE_S 60

/* A transport and a peer in one loop, connected by the machine's own network interfaces. */
typedef struct {
    EgLoop *loop;
    GSource *watchdog;
    EgTransport *transport;
    EgReceiver *receiver;
    Peer *peer;
    PeerOptions options;
    const char *only; /* candidates of the transport that have this text in them; NULL: all */
    guint n_candidates;
    guint n_connected;
    guint n_disconnected;
    bool may_fail;
    GError *failure;
    bool free_at_connected;

    guint n_packets;
    guint64 next_sequence;
    guint n_gaps;
    guint n_recovered;
    bool remove_at_packet;
    bool free_at_packet;
    EgSenderReport report;
    guint n_reports;
} Fixture;

static gboolean on_watchdog(gpointer user)
{
    (void)user;
    g_error("what the test waits for has not happened");
    return G_SOURCE_REMOVE;
}

static void on_candidate(gpointer user, const char *candidate)
{
    Fixture *f = user;
    g_assert_true(g_str_has_prefix(candidate, "candidate:"));
    f->n_candidates++;
    if (f->only == NULL || strstr(candidate, f->only) != NULL)
        peer_add_candidate(f->peer, candidate);
}

static void on_peer_candidate(gpointer user, const char *candidate)
{
    Fixture *f = user;
    g_autoptr(GError) error = NULL;
    if (f->transport == NULL)
        return;
    g_assert_true(eg_transport_add_candidate(f->transport, candidate, &error));
    g_assert_no_error(error);
}

static void on_connected(gpointer user)
{
    Fixture *f = user;
    f->n_connected++;
    if (f->free_at_connected)
        g_clear_pointer(&f->transport, eg_transport_free);
}

static void on_disconnected(gpointer user)
{
    Fixture *f = user;
    f->n_disconnected++;
}

static void on_failed(gpointer user, const GError *error)
{
    Fixture *f = user;
    g_assert_null(f->failure);
    f->failure = g_error_copy(error);
    if (!f->may_fail)
        g_assert_no_error(error);
}

static void on_packet(gpointer user, EgPacket *packet)
{
    Fixture *f = user;
    if (f->n_packets > 0 && packet->sequence != f->next_sequence)
        f->n_gaps++;
    f->next_sequence = packet->sequence + 1;
    f->n_packets++;
    f->n_recovered += packet->is_recovered ? 1 : 0;
    g_assert_cmpuint(packet->size_bytes, ==, packet->payload_offset + 4);
    /* Each packet carries its own number, which started at 1. */
    g_assert_cmpuint(eg_get_u32(packet->data + packet->payload_offset), ==,
                     packet->timestamp / 3000);
    if (f->remove_at_packet) {
        eg_transport_remove_receiver(f->transport, f->receiver);
        f->receiver = NULL;
    }
    if (f->free_at_packet)
        g_clear_pointer(&f->transport, eg_transport_free);
}

static void on_sender_report(gpointer user, const EgSenderReport *report)
{
    Fixture *f = user;
    f->report = *report;
    f->n_reports++;
}

static void set_up(Fixture *f, PeerOptions options)
{
    static const EgTransportEvents events = {
        .candidate = on_candidate,
        .connected = on_connected,
        .disconnected = on_disconnected,
        .failed = on_failed,
    };
    g_autoptr(GError) error = NULL;
    *f = (Fixture){.loop = eg_loop_new(), .options = options};
    f->watchdog = g_timeout_source_new_seconds(PATIENCE_S);
    g_source_set_callback(f->watchdog, on_watchdog, f, NULL);
    g_source_attach(f->watchdog, eg_loop_context(f->loop));
    f->transport = eg_transport_new(f->loop, NULL, NULL, 0, &events, f, &error);
    g_assert_no_error(error);
    f->peer = peer_new(eg_loop_context(f->loop), &f->options);
    peer_on_candidate(f->peer, on_peer_candidate, f);
    g_assert_nonnull(eg_transport_fingerprint(f->transport));
}

static void tear_down(Fixture *f)
{
    eg_transport_free(f->transport);
    peer_free(f->peer);
    g_clear_error(&f->failure);
    g_source_destroy(f->watchdog);
    g_source_unref(f->watchdog);
    /* What libnice still has to do about its streams and sockets. */
    while (eg_loop_iterate(f->loop, false))
        continue;
    eg_loop_free(f->loop);
}

/* Offer and answer. */
static void negotiate(Fixture *f, const char *fingerprint)
{
    g_autoptr(GError) error = NULL;
    eg_transport_set_remote(f->transport, peer_ufrag(f->peer), peer_password(f->peer), fingerprint,
                            &error);
    g_assert_no_error(error);
    peer_set_remote(f->peer, eg_transport_ufrag(f->transport), eg_transport_password(f->transport),
                    eg_transport_fingerprint(f->transport));
}

#define WAIT_FOR(condition)                                                                        \
    while (!(condition))                                                                           \
    eg_loop_iterate(f->loop, true)

static void connect_both(Fixture *f)
{
    negotiate(f, peer_fingerprint(f->peer));
    WAIT_FOR(f->n_connected == 1 && peer_is_connected(f->peer));
    g_assert_true(peer_has_verified(f->peer));
    g_assert_no_error(f->failure);
}

static void add_receiver(Fixture *f, gint64 give_up_ns)
{
    static const EgReceiverEvents events = {
        .packet = on_packet,
        .sender_report = on_sender_report,
    };
    EgReceiverParams params = {
        .ssrc = SSRC,
        .rtx_ssrc = RTX_SSRC,
        .media = EG_MEDIA_VIDEO,
        .clock_rate_hz = 90000,
        .has_nack = true,
        .has_pli = true,
        .give_up_ns = give_up_ns,
    };
    f->receiver = eg_transport_add_receiver(f->transport, &params, &events, f);
    g_assert_nonnull(f->receiver);
    eg_transport_set_rtx_payload_type(f->transport, RTX_PT, PT);
    peer_set_rtx(f->peer, RTX_SSRC, RTX_PT);
}

static void send_one(Fixture *f, guint number, bool lose)
{
    guint8 payload[4];
    guint8 data[100];
    eg_put_u32(payload, number);
    RtpMaker maker = {
        .payload_type = PT,
        .sequence = (guint16)(65500 + number), /* wraps around on the way */
        .timestamp = number * 3000,
        .ssrc = SSRC,
        .payload = payload,
        .payload_bytes = sizeof(payload),
    };
    peer_send_rtp(f->peer, data, make_rtp(&maker, data, sizeof(data)), lose);
}

static void test_connect(gconstpointer profile)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){.profile = profile});
    connect_both(f);
    g_assert_cmpuint(f->n_candidates, >, 0);
    add_receiver(f, EG_NS_PER_S);
    for (guint i = 1; i <= 100; i++)
        send_one(f, i, false);
    WAIT_FOR(f->n_packets == 100);
    g_assert_cmpuint(f->n_gaps, ==, 0);
    g_assert_cmpuint(f->n_recovered, ==, 0);
    EgReceiverStats stats;
    eg_receiver_get_stats(f->receiver, &stats);
    g_assert_cmpuint(stats.packets, ==, 100);
    g_assert_cmpuint(stats.bytes, ==, 1600);
    g_assert_cmpuint(stats.lost, ==, 0);
    g_assert_cmpuint(stats.nacks, ==, 0);

    WAIT_FOR(peer_seen(f->peer)->reports == 1);
    g_assert_cmpint(peer_seen(f->peer)->cumulative_lost, ==, 0);
    g_assert_cmpuint(peer_seen(f->peer)->highest_sequence, ==, 65600);
    g_assert_cmpuint(peer_seen(f->peer)->cnames, ==, 1);

    /* A clean end. */
    g_clear_pointer(&f->transport, eg_transport_free);
    WAIT_FOR(peer_seen(f->peer)->has_said_goodbye && peer_seen(f->peer)->byes == 1);
    g_assert_cmpuint(f->n_connected, ==, 1);
    g_assert_cmpuint(f->n_disconnected, ==, 0);
    tear_down(f);
}

static void send_with_loss(Fixture *f, guint n)
{
    for (guint i = 1; i <= n; i++) {
        send_one(f, i, i % 5 == 3 || (i > 50 && i < 70 && i % 2 == 0));
        while (eg_loop_iterate(f->loop, false))
            continue;
    }
}

static void test_loss(gconstpointer has_rtx)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, 30 * EG_NS_PER_S);
    if (has_rtx == NULL)
        peer_set_rtx(f->peer, 0, 0);
    send_with_loss(f, 200);
    WAIT_FOR(f->n_packets == 200);
    g_assert_cmpuint(f->n_gaps, ==, 0);
    EgReceiverStats stats;
    eg_receiver_get_stats(f->receiver, &stats);
    g_assert_cmpuint(stats.lost, ==, 0);
    g_assert_cmpuint(stats.recovered, ==, 40 + 7);
    g_assert_cmpuint(f->n_recovered, ==, 40 + 7);
    g_assert_cmpuint(stats.nacks, >=, 47);

    /* The sender is told what was lost on the way, recovered or not. */
    WAIT_FOR(peer_seen(f->peer)->highest_sequence == 65700);
    g_assert_cmpint(peer_seen(f->peer)->cumulative_lost, ==, 47);
    tear_down(f);
}

/* What cannot be recovered becomes a gap, and the rest goes on in order. */
static void test_give_up(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, 100 * EG_NS_PER_MS);
    send_one(f, 1, false);
    for (guint i = 4; i <= 10; i++)
        send_one(f, i, false);
    WAIT_FOR(f->n_packets == 8);
    g_assert_cmpuint(f->n_gaps, ==, 1);
    EgReceiverStats stats;
    eg_receiver_get_stats(f->receiver, &stats);
    g_assert_cmpuint(stats.lost, ==, 2);
    g_assert_cmpuint(stats.recovered, ==, 0);
    g_assert_cmpuint(peer_seen(f->peer)->nacked, >=, 2);
    tear_down(f);
}

static void test_pli(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    add_receiver(f, EG_NS_PER_S);
    /* Before there is a connection, it waits for one. */
    eg_receiver_set_wants_key_frame(f->receiver, true);
    connect_both(f);
    WAIT_FOR(peer_seen(f->peer)->plis == 3);
    eg_receiver_set_wants_key_frame(f->receiver, false);
    EgReceiverStats stats;
    eg_receiver_get_stats(f->receiver, &stats);
    g_assert_cmpuint(stats.plis, ==, 3);
    tear_down(f);
}

static void test_sender_report(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, EG_NS_PER_S);
    /* A compound packet of two senders, of which one is unknown. */
    guint8 data[56] = {0};
    for (gsize i = 0; i < 2; i++) {
        guint8 *part = data + i * 28;
        part[0] = 0x80;
        part[1] = 200;
        eg_put_u16(part + 2, 6);
        eg_put_u32(part + 4, i == 0 ? 0x99999999 : SSRC);
        eg_put_u32(part + 8, 2208988800U + 1700000000U);
        eg_put_u32(part + 12, 0x80000000U);
        eg_put_u32(part + 16, 4711);
    }
    peer_send_rtcp(f->peer, data, sizeof(data));
    WAIT_FOR(f->n_reports > 0);
    g_assert_cmpuint(f->n_reports, ==, 1);
    g_assert_cmpint(f->report.ntp_ns, ==, G_GINT64_CONSTANT(1700000000500000000));
    g_assert_cmpuint(f->report.rtp_timestamp, ==, 4711);
    tear_down(f);
}

static void test_wrong_fingerprint(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    g_autofree char *wrong = g_strdup(peer_fingerprint(f->peer));
    wrong[0] = wrong[0] == '0' ? '1' : '0';
    f->may_fail = true;
    negotiate(f, wrong);
    WAIT_FOR(f->failure != NULL);
    g_assert_error(f->failure, EG_ERROR, EG_ERROR_PERMISSION_DENIED);
    g_assert_false(eg_error_is_retryable(f->failure));
    g_assert_cmpuint(f->n_connected, ==, 0);
    tear_down(f);
}

static void test_bad_remote(void)
{
    static const struct {
        const char *ufrag;
        const char *password;
        const char *fingerprint;
    } cases[] = {
        {"abcd", "0123456789abcdef012345", ""       },
        {"abcd", "0123456789abcdef012345", "sha-256"},
        {"abc",  "0123456789abcdef012345",
         "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
         "00:00:00"                                 },
        {"abcd", "0123456789abcdef01234",
         "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
         "00:00:00"                                 },
        {"abcd", "0123456789abcdef012345",
         "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
         "00:00-00"                                 },
        {"abcd", "0123456789abcdef012345",
         "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
         "00:00:0g"                                 },
    };
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(eg_transport_set_remote(f->transport, cases[i].ufrag, cases[i].password,
                                               cases[i].fingerprint, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
    }
    connect_both(f);
    g_autoptr(GError) error = NULL;
    g_assert_false(eg_transport_set_remote(f->transport, peer_ufrag(f->peer),
                                           peer_password(f->peer), cases[2].fingerprint, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_FAILED_PRECONDITION);
    tear_down(f);
}

static void test_ice_restart(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, 30 * EG_NS_PER_S);
    for (guint i = 1; i <= 10; i++)
        send_one(f, i, false);
    WAIT_FOR(f->n_packets == 10);

    g_autofree char *old_ufrag = g_strdup(eg_transport_ufrag(f->transport));
    g_autofree char *old_password = g_strdup(eg_transport_password(f->transport));
    /* The same offer again changes nothing. */
    g_assert_true(eg_transport_set_remote(f->transport, peer_ufrag(f->peer), peer_password(f->peer),
                                          peer_fingerprint(f->peer), NULL));
    g_assert_cmpstr(eg_transport_ufrag(f->transport), ==, old_ufrag);

    peer_restart_ice(f->peer);
    negotiate(f, peer_fingerprint(f->peer));
    g_assert_cmpstr(eg_transport_ufrag(f->transport), !=, old_ufrag);
    g_assert_cmpstr(eg_transport_password(f->transport), !=, old_password);
    WAIT_FOR(f->n_connected == 2 && peer_can_send(f->peer));
    for (guint i = 11; i <= 20; i++)
        send_one(f, i, i == 15);
    WAIT_FOR(f->n_packets == 20);
    g_assert_cmpuint(f->n_gaps, ==, 0);
    g_assert_cmpuint(f->n_recovered, ==, 1);
    g_assert_cmpuint(f->n_disconnected, ==, 0);
    tear_down(f);
}

/* The way is gone, which only the missing answers to checks tell (RFC 7675), and another is found.
 */
static void test_lost_and_back(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, 30 * EG_NS_PER_S);
    send_one(f, 1, false);
    WAIT_FOR(f->n_packets == 1);
    peer_go_silent(f->peer);
    WAIT_FOR(f->n_disconnected == 1);
    g_assert_cmpuint(f->n_connected, ==, 1);

    peer_come_back(f->peer);
    negotiate(f, peer_fingerprint(f->peer));
    WAIT_FOR(f->n_connected == 2 && peer_can_send(f->peer));
    send_one(f, 2, true);
    send_one(f, 3, false);
    WAIT_FOR(f->n_packets == 3);
    g_assert_cmpuint(f->n_gaps, ==, 0);
    g_assert_no_error(f->failure);
    tear_down(f);
}

static void test_tcp(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){.only_tcp = true});
    f->only = "tcptype active";
    connect_both(f);
    add_receiver(f, EG_NS_PER_S);
    for (guint i = 1; i <= 20; i++)
        send_one(f, i, false);
    WAIT_FOR(f->n_packets == 20);
    WAIT_FOR(peer_seen(f->peer)->reports == 1);
    tear_down(f);
}

static void test_peer_leaves(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    f->may_fail = true;
    peer_say_goodbye(f->peer);
    WAIT_FOR(f->failure != NULL);
    g_assert_error(f->failure, EG_ERROR, EG_ERROR_UNAVAILABLE);
    g_assert_true(eg_error_is_retryable(f->failure));
    tear_down(f);
}

/* Datagrams that are nothing, of nobody, not authentic, repeated; and what SCTP would send. */
static void test_garbage(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, EG_NS_PER_S);
    guint8 data[200];
    for (guint first = 0; first < 256; first++) {
        for (gsize size = 1; size < sizeof(data); size = size * 2 + 1) {
            memset(data, (int)first, sizeof(data));
            peer_send_raw(f->peer, data, size);
            if (size > 12) {
                eg_put_u32(data + 4, SSRC);
                eg_put_u32(data + 8, SSRC);
                peer_send_raw(f->peer, data, size);
            }
        }
        while (eg_loop_iterate(f->loop, false))
            continue;
    }
    peer_send_application_data(f->peer, data, sizeof(data));
    /* Authentic, but no RTP: padding that is longer than the packet. */
    RtpMaker maker = {.payload_type = PT, .sequence = 1, .ssrc = SSRC, .padding_bytes = 20};
    gsize size = make_rtp(&maker, data, sizeof(data));
    data[size - 1] = 200;
    peer_send_rtp(f->peer, data, size, false);
    /* Authentic, but of a stream that was not announced. */
    maker.ssrc = 0x77777777;
    peer_send_rtp(f->peer, data, make_rtp(&maker, data, sizeof(data)), false);
    /* Of the retransmission stream, with a payload type that is none. */
    maker =
        (RtpMaker){.payload_type = 100, .ssrc = RTX_SSRC, .payload = "abcd", .payload_bytes = 4};
    peer_send_rtp(f->peer, data, make_rtp(&maker, data, sizeof(data)), false);
    send_one(f, 1, false);
    send_one(f, 1, false);
    send_one(f, 2, false);
    WAIT_FOR(f->n_packets == 2);
    g_assert_cmpuint(f->n_gaps, ==, 0);
    g_assert_no_error(f->failure);
    tear_down(f);
}

/* More SSRCs than are remembered: those in use stay. */
static void test_many_streams(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, EG_NS_PER_S);
    guint8 report[8] = {0x80, 201, 0, 1};
    for (guint i = 1; i <= 1500; i++) {
        eg_put_u32(report + 4, i);
        peer_send_rtcp(f->peer, report, sizeof(report));
        if (i % 100 == 0) {
            send_one(f, i / 100, false);
            WAIT_FOR(f->n_packets == i / 100);
        }
    }
    tear_down(f);
}

static void test_add_receiver_twice(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    add_receiver(f, EG_NS_PER_S);
    const struct {
        guint32 ssrc;
        guint32 rtx_ssrc;
    } taken[] = {
        {SSRC,     0       },
        {RTX_SSRC, 0       },
        {1,        RTX_SSRC},
        {1,        SSRC    },
    };
    EgReceiverEvents events = {.packet = on_packet};
    for (gsize i = 0; i < G_N_ELEMENTS(taken); i++) {
        EgReceiverParams params = {.ssrc = taken[i].ssrc, .rtx_ssrc = taken[i].rtx_ssrc};
        g_assert_null(eg_transport_add_receiver(f->transport, &params, &events, f));
    }
    EgReceiverParams params = {.ssrc = 1};
    EgReceiver *other = eg_transport_add_receiver(f->transport, &params, &events, f);
    g_assert_nonnull(other);
    eg_transport_remove_receiver(f->transport, f->receiver);
    params.ssrc = SSRC;
    g_assert_nonnull(eg_transport_add_receiver(f->transport, &params, &events, f));
    tear_down(f);
}

static void test_remove_inside_event(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    connect_both(f);
    add_receiver(f, 50 * EG_NS_PER_MS);
    f->remove_at_packet = true;
    send_one(f, 1, false);
    WAIT_FOR(f->receiver == NULL);
    g_assert_cmpuint(f->n_packets, ==, 1);

    /* And from the timer: the second packet is delivered when the first is given up. */
    f->remove_at_packet = false;
    add_receiver(f, 50 * EG_NS_PER_MS);
    send_one(f, 2, false);
    WAIT_FOR(f->n_packets == 2);
    send_one(f, 4, false);
    send_one(f, 5, false);
    f->remove_at_packet = true;
    WAIT_FOR(f->receiver == NULL);
    g_assert_cmpuint(f->n_packets, ==, 3);
    tear_down(f);
}

static void test_free_inside_event(gconstpointer when)
{
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    f->free_at_connected = strcmp(when, "connected") == 0;
    f->free_at_packet = !f->free_at_connected;
    if (f->free_at_connected) {
        negotiate(f, peer_fingerprint(f->peer));
    } else {
        connect_both(f);
        add_receiver(f, 50 * EG_NS_PER_MS);
        send_one(f, 1, false);
    }
    WAIT_FOR(f->transport == NULL);
    WAIT_FOR(peer_seen(f->peer)->has_said_goodbye);
    tear_down(f);
}

static void test_candidates(void)
{
    static const struct {
        const char *text;
        bool is_malformed;
    } cases[] = {
        {"",                                                                               false},
        {"candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host",                           false},
        {"a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host",                         false},
        {"candidate:1 1 UDP 2130706431 ::1 4000 typ host",                                 false},
        {"candidate:1 2 udp 2130706431 127.0.0.1 4000 typ host",                           false},
        {"candidate:1 1 tcp 2130706431 127.0.0.1 9 typ host tcptype active",               false},
        {"candidate:1 1 tcp 2130706431 127.0.0.1 4001 typ host tcptype passive",           false},
        {"candidate:1 1 tcp 2130706431 127.0.0.1 4001 typ host",                           false},
        {"candidate:1 1 ssltcp 2130706431 127.0.0.1 4001 typ host",                        false},
        {"candidate:1 1 udp 1 0a1b.local 4000 typ host",                                   false},
        {"candidate:1 1 udp 1 127.0.0.1 4002 typ srflx raddr 0.0.0.0 rport 0 ufrag other", false},
        {"candidate:1 1 udp 1 127.0.0.1 0 typ host",                                       false},
        {"candidate",                                                                      true },
        {"candidate:",                                                                     true },
        {"candidate:1 1 udp 1 127.0.0.1 4000",                                             true },
        {"candidate:1 1 udp 1 127.0.0.1 4000 typ",                                         true },
        {"candidate:1 1 udp 1 127.0.0.1 4000 typ guest",                                   true },
        {"candidate:1 x udp 1 127.0.0.1 4000 typ host",                                    true },
        {"candidate:1 1 udp 4294967296 127.0.0.1 4000 typ host",                           true },
        {"candidate:1 1 udp -1 127.0.0.1 4000 typ host",                                   true },
        {"candidate:1 1 udp 1 127.0.0.1 65536 typ host",                                   true },
        {"candidate:123456789012345678901234567890123 1 udp 1 127.0.0.1 1 typ host",       true },
    };
    Fixture fixture;
    Fixture *f = &fixture;
    set_up(f, (PeerOptions){0});
    /* Before and after it is known what they belong to. */
    for (guint round = 0; round < 2; round++) {
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_autoptr(GError) error = NULL;
            g_test_message("%s", cases[i].text);
            g_assert_cmpint(eg_transport_add_candidate(f->transport, cases[i].text, &error), ==,
                            !cases[i].is_malformed);
            g_assert_cmpint(error != NULL, ==, cases[i].is_malformed);
        }
        if (round == 0)
            connect_both(f);
    }
    tear_down(f);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/room/transport/connect/gcm", "SRTP_AEAD_AES_128_GCM", test_connect);
    g_test_add_data_func("/room/transport/connect/cm", "SRTP_AES128_CM_SHA1_80", test_connect);
    g_test_add_data_func("/room/transport/loss/rtx", "", test_loss);
    g_test_add_data_func("/room/transport/loss/no-rtx", NULL, test_loss);
    g_test_add_func("/room/transport/give-up", test_give_up);
    g_test_add_func("/room/transport/pli", test_pli);
    g_test_add_func("/room/transport/sender-report", test_sender_report);
    g_test_add_func("/room/transport/wrong-fingerprint", test_wrong_fingerprint);
    g_test_add_func("/room/transport/bad-remote", test_bad_remote);
    g_test_add_func("/room/transport/ice-restart", test_ice_restart);
    g_test_add_func("/room/transport/tcp", test_tcp);
    g_test_add_func("/room/transport/peer-leaves", test_peer_leaves);
    g_test_add_func("/room/transport/garbage", test_garbage);
    g_test_add_func("/room/transport/many-streams", test_many_streams);
    g_test_add_func("/room/transport/add-receiver-twice", test_add_receiver_twice);
    g_test_add_func("/room/transport/remove-inside-event", test_remove_inside_event);
    g_test_add_data_func("/room/transport/free-inside-event/connected", "connected",
                         test_free_inside_event);
    g_test_add_data_func("/room/transport/free-inside-event/packet", "packet",
                         test_free_inside_event);
    g_test_add_func("/room/transport/candidates", test_candidates);
    g_test_add_func("/room/transport/lost-and-back", test_lost_and_back);
    return g_test_run();
}
