#include "webrtc-peer.h"

#include "room/bytes.h"
#include "rtp-maker.h"

#include <nice/agent.h>
#include <nice/interfaces.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <srtp2/srtp.h>

#define COMPONENT 1
#define MAX_BYTES 1500

typedef struct {
    guint8 data[MAX_BYTES];
    gsize size_bytes;
} Kept;

struct _Peer {
    GMainContext *context;
    PeerOptions options;
    NiceAgent *agent;
    guint stream;
    char *ufrag;
    char *password;
    char *fingerprint;
    char *remote_fingerprint;
    void (*candidate)(gpointer user, const char *candidate);
    gpointer candidate_user;
    bool has_gathered;
    bool is_silent;

    BIO_METHOD *method;
    SSL_CTX *ssl_context;
    SSL *ssl;
    const guint8 *received;
    gsize received_bytes;
    bool is_connected;
    bool has_verified;

    srtp_t send;
    srtp_t receive;
    GHashTable *kept; /* SSRC << 16 | sequence -> Kept */
    guint32 rtx_ssrc;
    guint8 rtx_payload_type;
    guint16 rtx_sequence;
    PeerSeen seen;
};

static void send_bytes(Peer *peer, const guint8 *data, gsize size_bytes)
{
    if (!peer->is_silent)
        nice_agent_send(peer->agent, peer->stream, COMPONENT, (guint)size_bytes,
                        (const gchar *)data);
}

static int bio_write(BIO *bio, const char *data, int size)
{
    send_bytes(BIO_get_data(bio), (const guint8 *)data, (gsize)size);
    return size;
}

static int bio_read(BIO *bio, char *data, int capacity)
{
    Peer *peer = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (peer->received == NULL) {
        BIO_set_retry_read(bio);
        return -1;
    }
    gsize n = MIN(peer->received_bytes, (gsize)capacity);
    memcpy(data, peer->received, n);
    peer->received = NULL;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static int accept_certificate(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static char *fingerprint_of(const X509 *certificate)
{
    unsigned char digest[32];
    unsigned int size = sizeof(digest);
    g_assert_true(X509_digest(certificate, EVP_sha256(), digest, &size));
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < size; i++)
        g_string_append_printf(text, "%s%02x", i == 0 ? "" : ":", digest[i]);
    return g_string_free(text, FALSE);
}

static void set_up_certificate(Peer *peer)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    g_assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    g_assert_true(SSL_CTX_use_certificate(peer->ssl_context, certificate));
    g_assert_true(SSL_CTX_use_PrivateKey(peer->ssl_context, key));
    peer->fingerprint = fingerprint_of(certificate);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void set_up_dtls(Peer *peer)
{
    peer->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "peer");
    BIO_meth_set_write(peer->method, bio_write);
    BIO_meth_set_read(peer->method, bio_read);
    BIO_meth_set_ctrl(peer->method, bio_ctrl);
    BIO_meth_set_create(peer->method, bio_create);
    peer->ssl_context = SSL_CTX_new(DTLS_server_method());
    set_up_certificate(peer);
    SSL_CTX_set_verify(peer->ssl_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       accept_certificate);
    const char *profiles = peer->options.profile != NULL
                               ? peer->options.profile
                               : "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80";
    g_assert_cmpint(SSL_CTX_set_tlsext_use_srtp(peer->ssl_context, profiles), ==, 0);
    SSL_CTX_set_options(peer->ssl_context, SSL_OP_NO_QUERY_MTU);
    peer->ssl = SSL_new(peer->ssl_context);
    BIO *bio = BIO_new(peer->method);
    BIO_set_data(bio, peer);
    SSL_set_bio(peer->ssl, bio, bio);
    SSL_set_mtu(peer->ssl, 1200);
    SSL_set_accept_state(peer->ssl);
}

static srtp_t new_session(bool is_gcm, const guint8 *key, const guint8 *salt, bool inbound)
{
    guint8 both[16 + 14];
    srtp_policy_t policy = {
        .ssrc = {.type = inbound ? ssrc_any_inbound : ssrc_any_outbound},
        .key = both,
        .window_size = 1024,
        .allow_repeat_tx = 1,
    };
    memcpy(both, key, 16);
    memcpy(both + 16, salt, is_gcm ? 12 : 14);
    if (is_gcm) {
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
        srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
    } else {
        srtp_crypto_policy_set_rtp_default(&policy.rtp);
        srtp_crypto_policy_set_rtcp_default(&policy.rtcp);
    }
    srtp_t session;
    g_assert_cmpint(srtp_create(&session, &policy), ==, srtp_err_status_ok);
    return session;
}

static void set_up_srtp(Peer *peer)
{
    bool is_gcm = SSL_get_selected_srtp_profile(peer->ssl)->id == SRTP_AEAD_AES_128_GCM;
    gsize salt = is_gcm ? 12 : 14;
    guint8 m[2 * (16 + 14)];
    g_assert_cmpint(SSL_export_keying_material(peer->ssl, m, 2 * (16 + salt), "EXTRACTOR-dtls_srtp",
                                               19, NULL, 0, 0),
                    ==, 1);
    peer->receive = new_session(is_gcm, m, m + 32, true);
    peer->send = new_session(is_gcm, m + 16, m + 32 + salt, false);
}

static void receive_dtls(Peer *peer, const guint8 *data, gsize size_bytes)
{
    guint8 buffer[2048];
    ERR_clear_error();
    peer->received = data;
    peer->received_bytes = size_bytes;
    if (!peer->is_connected && SSL_do_handshake(peer->ssl) == 1) {
        peer->is_connected = true;
        X509 *certificate = SSL_get1_peer_certificate(peer->ssl);
        g_autofree char *fingerprint = fingerprint_of(certificate);
        X509_free(certificate);
        peer->has_verified = g_ascii_strcasecmp(fingerprint, peer->remote_fingerprint) == 0;
        set_up_srtp(peer);
    }
    if (peer->is_connected && SSL_read(peer->ssl, buffer, sizeof(buffer)) <= 0)
        ERR_clear_error();
    if ((SSL_get_shutdown(peer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
        peer->seen.has_said_goodbye = true;
    peer->received = NULL;
}

static gpointer kept_key(guint32 ssrc, guint16 sequence)
{
    return GSIZE_TO_POINTER((gsize)ssrc << 16 | sequence);
}

static void protect_and_send(Peer *peer, const guint8 *data, gsize size_bytes)
{
    guint8 buffer[MAX_BYTES + SRTP_MAX_TRAILER_LEN];
    int size = (int)size_bytes;
    memcpy(buffer, data, size_bytes);
    g_assert_cmpint(srtp_protect(peer->send, buffer, &size), ==, srtp_err_status_ok);
    send_bytes(peer, buffer, (gsize)size);
}

static void retransmit(Peer *peer, guint32 ssrc, guint16 sequence)
{
    peer->seen.nacked++;
    const Kept *kept = g_hash_table_lookup(peer->kept, kept_key(ssrc, sequence));
    if (kept == NULL)
        return;
    if (peer->rtx_ssrc == 0) {
        protect_and_send(peer, kept->data, kept->size_bytes);
        return;
    }
    guint8 rtx[MAX_BYTES];
    RtpMaker maker = {
        .marker = (kept->data[1] & 0x80) != 0,
        .sequence = sequence,
        .timestamp = eg_get_u32(kept->data + 4),
        .payload = kept->data + 12,
        .payload_bytes = kept->size_bytes - 12,
    };
    gsize size = make_rtx(&maker, peer->rtx_payload_type, peer->rtx_ssrc, peer->rtx_sequence++, rtx,
                          sizeof(rtx));
    protect_and_send(peer, rtx, size);
}

static void read_nack(Peer *peer, const guint8 *body, gsize size_bytes)
{
    guint32 ssrc = eg_get_u32(body + 4);
    for (gsize i = 8; i + 4 <= size_bytes; i += 4) {
        guint16 first = eg_get_u16(body + i);
        guint16 mask = eg_get_u16(body + i + 2);
        retransmit(peer, ssrc, first);
        for (guint bit = 0; bit < 16; bit++) {
            if ((mask & (1U << bit)) != 0)
                retransmit(peer, ssrc, (guint16)(first + bit + 1));
        }
    }
}

static void read_rtcp_part(Peer *peer, const guint8 *part, gsize size_bytes)
{
    guint count = part[0] & 0x1f;
    const guint8 *body = part + 4;
    if (part[1] == 201 && count > 0) {
        peer->seen.reports++;
        peer->seen.fraction_lost = body[8];
        guint32 lost = eg_get_u32(body + 8) & 0xffffff;
        peer->seen.cumulative_lost = (gint32)(lost << 8) >> 8;
        peer->seen.highest_sequence = eg_get_u32(body + 12);
    } else if (part[1] == 202) {
        peer->seen.cnames++;
    } else if (part[1] == 203) {
        peer->seen.byes++;
    } else if (part[1] == 205 && count == 1) {
        read_nack(peer, body, size_bytes - 4);
    } else if (part[1] == 206 && count == 1) {
        peer->seen.plis++;
    }
}

static void receive_rtcp(Peer *peer, guint8 *data, gsize size_bytes)
{
    int size = (int)size_bytes;
    g_assert_nonnull(peer->receive);
    g_assert_cmpint(srtp_unprotect_rtcp(peer->receive, data, &size), ==, srtp_err_status_ok);
    while (size >= 4) {
        gint part = (eg_get_u16(data + 2) + 1) * 4;
        g_assert_cmpint(part, <=, size);
        read_rtcp_part(peer, data, (gsize)part);
        data += part;
        size -= part;
    }
    g_assert_cmpint(size, ==, 0);
}

static void on_receive(NiceAgent *agent, guint stream, guint component, guint size_bytes,
                       gchar *buffer, gpointer user)
{
    (void)agent;
    (void)stream;
    (void)component;
    Peer *peer = user;
    guint8 *data = (guint8 *)buffer;
    if (data[0] >= 20 && data[0] <= 63)
        receive_dtls(peer, data, size_bytes);
    else
        receive_rtcp(peer, data, size_bytes);
}

static void on_new_candidate(NiceAgent *agent, NiceCandidate *candidate, gpointer user)
{
    Peer *peer = user;
    g_autofree char *line = nice_agent_generate_local_candidate_sdp(agent, candidate);
    if (peer->candidate != NULL)
        peer->candidate(peer->candidate_user, line + strlen("a="));
}

static void add_stream(Peer *peer)
{
    g_clear_pointer(&peer->ufrag, g_free);
    g_clear_pointer(&peer->password, g_free);
    peer->stream = nice_agent_add_stream(peer->agent, 1);
    nice_agent_attach_recv(peer->agent, peer->stream, COMPONENT, peer->context, on_receive, peer);
    nice_agent_get_local_credentials(peer->agent, peer->stream, &peer->ufrag, &peer->password);
}

Peer *peer_new(GMainContext *context, const PeerOptions *options)
{
    Peer *peer = g_new0(Peer, 1);
    peer->context = context;
    peer->options = *options;
    peer->kept = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    /* Fails if the transport has done it before. */
    srtp_init();
    set_up_dtls(peer);
    peer->agent =
        nice_agent_new_full(context, NICE_COMPATIBILITY_RFC5245, NICE_AGENT_OPTION_ICE_TRICKLE);
    g_object_set(peer->agent, "controlling-mode", FALSE, "upnp", FALSE, "ice-udp",
                 !options->only_tcp, "ice-tcp", options->only_tcp, NULL);
    g_signal_connect(peer->agent, "new-candidate-full", G_CALLBACK(on_new_candidate), peer);
    GList *addresses = nice_interfaces_get_local_ips(FALSE);
    NiceAddress loopback;
    nice_address_init(&loopback);
    if (addresses == NULL && nice_address_set_from_string(&loopback, "127.0.0.1"))
        nice_agent_add_local_address(peer->agent, &loopback);
    g_list_free_full(addresses, g_free);
    add_stream(peer);
    return peer;
}

void peer_free(Peer *peer)
{
    g_signal_handlers_disconnect_by_data(peer->agent, peer);
    g_object_unref(peer->agent);
    SSL_free(peer->ssl);
    SSL_CTX_free(peer->ssl_context);
    BIO_meth_free(peer->method);
    if (peer->send != NULL) {
        srtp_dealloc(peer->send);
        srtp_dealloc(peer->receive);
    }
    g_hash_table_unref(peer->kept);
    g_free(peer->ufrag);
    g_free(peer->password);
    g_free(peer->fingerprint);
    g_free(peer->remote_fingerprint);
    g_free(peer);
}

const char *peer_ufrag(const Peer *peer)
{
    return peer->ufrag;
}

const char *peer_password(const Peer *peer)
{
    return peer->password;
}

const char *peer_fingerprint(const Peer *peer)
{
    return peer->fingerprint;
}

void peer_on_candidate(Peer *peer, void (*func)(gpointer user, const char *candidate),
                       gpointer user)
{
    peer->candidate = func;
    peer->candidate_user = user;
}

void peer_set_remote(Peer *peer, const char *ufrag, const char *password, const char *fingerprint)
{
    g_free(peer->remote_fingerprint);
    peer->remote_fingerprint = g_strdup(fingerprint);
    g_assert_true(nice_agent_set_remote_credentials(peer->agent, peer->stream, ufrag, password));
    if (!peer->has_gathered) {
        peer->has_gathered = true;
        g_assert_true(nice_agent_gather_candidates(peer->agent, peer->stream));
        return;
    }
    /* The sockets stay at a restart, so their candidates are announced again. */
    GSList *candidates = nice_agent_get_local_candidates(peer->agent, peer->stream, COMPONENT);
    for (GSList *c = candidates; c != NULL; c = c->next)
        on_new_candidate(peer->agent, c->data, peer);
    g_slist_free_full(candidates, (GDestroyNotify)nice_candidate_free);
}

void peer_add_candidate(Peer *peer, const char *text)
{
    g_autofree char *line = g_strconcat("a=", text, NULL);
    NiceCandidate *candidate =
        nice_agent_parse_remote_candidate_sdp(peer->agent, peer->stream, line);
    g_assert_nonnull(candidate);
    GSList list = {.data = candidate};
    nice_agent_set_remote_candidates(peer->agent, peer->stream, COMPONENT, &list);
    nice_candidate_free(candidate);
}

void peer_restart_ice(Peer *peer)
{
    g_assert_true(nice_agent_restart_stream(peer->agent, peer->stream));
    g_clear_pointer(&peer->ufrag, g_free);
    g_clear_pointer(&peer->password, g_free);
    nice_agent_get_local_credentials(peer->agent, peer->stream, &peer->ufrag, &peer->password);
}

bool peer_is_connected(const Peer *peer)
{
    return peer->is_connected;
}

bool peer_can_send(const Peer *peer)
{
    NiceComponentState state = nice_agent_get_component_state(peer->agent, peer->stream, COMPONENT);
    return state == NICE_COMPONENT_STATE_CONNECTED || state == NICE_COMPONENT_STATE_READY;
}

bool peer_has_verified(const Peer *peer)
{
    return peer->has_verified;
}

void peer_send_rtp(Peer *peer, const guint8 *data, gsize size_bytes, bool lose)
{
    Kept *kept = g_new0(Kept, 1);
    g_assert_cmpuint(size_bytes, <=, sizeof(kept->data));
    memcpy(kept->data, data, size_bytes);
    kept->size_bytes = size_bytes;
    g_hash_table_insert(peer->kept, kept_key(eg_get_u32(data + 8), eg_get_u16(data + 2)), kept);
    if (!lose)
        protect_and_send(peer, data, size_bytes);
}

void peer_send_rtcp(Peer *peer, const guint8 *data, gsize size_bytes)
{
    guint8 buffer[MAX_BYTES + SRTP_MAX_TRAILER_LEN + 4];
    int size = (int)size_bytes;
    memcpy(buffer, data, size_bytes);
    g_assert_cmpint(srtp_protect_rtcp(peer->send, buffer, &size), ==, srtp_err_status_ok);
    send_bytes(peer, buffer, (gsize)size);
}

void peer_send_raw(Peer *peer, const guint8 *data, gsize size_bytes)
{
    send_bytes(peer, data, size_bytes);
}

void peer_send_application_data(Peer *peer, const guint8 *data, gsize size_bytes)
{
    g_assert_cmpint(SSL_write(peer->ssl, data, (int)size_bytes), ==, (int)size_bytes);
}

void peer_set_rtx(Peer *peer, guint32 ssrc, guint8 payload_type)
{
    peer->rtx_ssrc = ssrc;
    peer->rtx_payload_type = payload_type;
}

void peer_go_silent(Peer *peer)
{
    peer->is_silent = true;
    nice_agent_remove_stream(peer->agent, peer->stream);
}

void peer_come_back(Peer *peer)
{
    peer->is_silent = false;
    peer->has_gathered = false;
    add_stream(peer);
}

void peer_say_goodbye(Peer *peer)
{
    SSL_shutdown(peer->ssl);
}

const PeerSeen *peer_seen(const Peer *peer)
{
    return &peer->seen;
}
