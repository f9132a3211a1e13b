#include "room/ice-server.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void test_url(void)
{
    static const struct {
        const char *url;
        EgIceServerType type; /* NONE: refused */
        const char *host;
        guint16 port;
    } cases[] = {
        {"stun:stun.example.com",                 EG_ICE_SERVER_STUN,     "stun.example.com", 3478 },
        {"stun:stun.example.com:19302",           EG_ICE_SERVER_STUN,     "stun.example.com", 19302},
        {"STUN:192.0.2.1:1",                      EG_ICE_SERVER_STUN,     "192.0.2.1",        1    },
        {"turn:t.example.com",                    EG_ICE_SERVER_TURN_UDP, "t.example.com",    3478 },
        {"turn:t.example.com:443?transport=udp",  EG_ICE_SERVER_TURN_UDP, "t.example.com",    443  },
        {"turn:t.example.com:443?transport=tcp",  EG_ICE_SERVER_TURN_TCP, "t.example.com",    443  },
        {"turn:t.example.com?transport=TCP",      EG_ICE_SERVER_TURN_TCP, "t.example.com",    3478 },
        {"turns:t.example.com",                   EG_ICE_SERVER_TURN_TLS, "t.example.com",    5349 },
        {"turns:t.example.com:443?transport=tcp", EG_ICE_SERVER_TURN_TLS, "t.example.com",    443  },
        {"turn:[2001:db8::1]:3479?transport=udp", EG_ICE_SERVER_TURN_UDP, "2001:db8::1",      3479 },
        {"stun:[2001:db8::1]",                    EG_ICE_SERVER_STUN,     "2001:db8::1",      3478 },
        {"turns:t.example.com?transport=udp",     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"turn:t.example.com?transport=sctp",     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"turn:t.example.com?",                   EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stuns:t.example.com",                   EG_ICE_SERVER_NONE,     NULL,               0    },
        {"http://t.example.com",                  EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:",                                 EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun::3478",                            EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:",                               EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:0",                              EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:65536",                          EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:a:x",                              EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:[::1",                             EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:[::1]1",                           EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun:[]:1",                             EG_ICE_SERVER_NONE,     NULL,               0    },
        {"stun",                                  EG_ICE_SERVER_NONE,     NULL,               0    },
        {":",                                     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"?",                                     EG_ICE_SERVER_NONE,     NULL,               0    },
        {"",                                      EG_ICE_SERVER_NONE,     NULL,               0    },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgIceServerUrl url = {0};
        g_test_message("%s", cases[i].url);
        bool ok = eg_ice_server_parse(cases[i].url, &url);
        g_assert_cmpint(ok, ==, cases[i].type != EG_ICE_SERVER_NONE);
        if (ok) {
            g_assert_cmpint(url.type, ==, cases[i].type);
            g_assert_cmpstr(url.host, ==, cases[i].host);
            g_assert_cmpuint(url.port, ==, cases[i].port);
        }
        g_free(url.host);
    }
}

static void test_candidate(void)
{
    EgCandidateLine line;
    g_assert_true(eg_candidate_parse("candidate:9 1 UDP 2130706431 192.0.2.7 40123 typ srflx raddr "
                                     "10.0.0.1 rport 5000 generation 0 ufrag Xy/9 network-id 1",
                                     &line));
    g_assert_cmpint(line.type, ==, EG_CANDIDATE_SERVER_REFLEXIVE);
    g_assert_cmpstr(line.foundation, ==, "9");
    g_assert_cmpuint(line.component, ==, 1);
    g_assert_true(line.is_udp);
    g_assert_false(line.is_tcp_passive);
    g_assert_cmpuint(line.priority, ==, 2130706431);
    g_assert_cmpstr(line.address, ==, "192.0.2.7");
    g_assert_true(line.has_literal_address);
    g_assert_cmpuint(line.port, ==, 40123);
    g_assert_cmpstr(line.ufrag, ==, "Xy/9");

    g_assert_true(eg_candidate_parse("a=candidate:1 1 tcp 1 2001:db8::7 7881 typ host tcptype "
                                     "passive\r\n",
                                     &line));
    g_assert_true(line.is_tcp_passive);
    g_assert_false(line.is_udp);
    g_assert_cmpstr(line.address, ==, "2001:db8::7");
    g_assert_cmpstr(line.ufrag, ==, "");

    g_assert_true(eg_candidate_parse("candidate:1 1 udp 1 some.local 1 typ host", &line));
    g_assert_false(line.has_literal_address);
}

/* A TLS server on 127.0.0.1 that sends back what it gets, and a client that goes to it through a
 * tunnel. */
typedef struct {
    EgLoop *loop;
    char *trusted_path;
    GTlsCertificate *certificate;
    GSocketService *service;
    guint16 port;
    EgTurnTunnel *tunnel;
    GSocketConnection *client;
    char answer[16];
    gssize n_answer; /* -2: not yet */
} Fixture;

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    g_assert_nonnull(extension);
    g_assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

/* A certificate of its own authority for 127.0.0.1, and its key. */
static char *new_pem(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const guint8 *)"test", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509_set_pubkey(certificate, key);
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate, NID_subject_alt_name, "IP:127.0.0.1");
    g_assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);

    BIO *bio = BIO_new(BIO_s_mem());
    g_assert_true(PEM_write_bio_X509(bio, certificate));
    g_assert_true(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL));
    char *text;
    long size = BIO_get_mem_data(bio, &text);
    char *pem = g_strndup(text, (gsize)size);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return pem;
}

/* What the whole process trusts from now on. Returns the file, which must stay as long as that. */
static char *trust(const char *pem)
{
    char *path = NULL;
    int file = g_file_open_tmp("trust-XXXXXX.pem", &path, NULL);
    g_assert_cmpint(file, !=, -1);
    g_assert_true(g_close(file, NULL));
    g_assert_true(g_file_set_contents(path, pem, -1, NULL));
    g_autoptr(GError) error = NULL;
    g_autoptr(GTlsDatabase) database = g_tls_file_database_new(path, &error);
    g_assert_no_error(error);
    g_tls_backend_set_default_database(g_tls_backend_get_default(), database);
    return path;
}

static void on_echo_ended(GObject *output, GAsyncResult *result, gpointer user)
{
    g_output_stream_splice_finish(G_OUTPUT_STREAM(output), result, NULL);
    g_object_unref(user);
}

static gboolean on_server_incoming(GSocketService *service, GSocketConnection *connection,
                                   GObject *source, gpointer user)
{
    (void)service;
    (void)source;
    Fixture *f = user;
    g_autoptr(GError) error = NULL;
    GIOStream *tls = g_tls_server_connection_new(G_IO_STREAM(connection), f->certificate, &error);
    g_assert_no_error(error);
    g_output_stream_splice_async(
        g_io_stream_get_output_stream(tls), g_io_stream_get_input_stream(tls),
        G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
        G_PRIORITY_DEFAULT, NULL, on_echo_ended, tls);
    return TRUE;
}

static void on_answer(GObject *input, GAsyncResult *result, gpointer user)
{
    Fixture *f = user;
    f->n_answer = g_input_stream_read_finish(G_INPUT_STREAM(input), result, NULL);
}

static void on_client_connected(GObject *client, GAsyncResult *result, gpointer user)
{
    Fixture *f = user;
    g_autoptr(GError) error = NULL;
    f->client = g_socket_client_connect_to_host_finish(G_SOCKET_CLIENT(client), result, &error);
    g_assert_no_error(error);
}

static void set_up(Fixture *f, const char *pem, const char *trusted_pem)
{
    g_autoptr(GError) error = NULL;
    *f = (Fixture){.loop = eg_loop_new(), .n_answer = -2};
    f->trusted_path = trust(trusted_pem);
    f->certificate = g_tls_certificate_new_from_pem(pem, -1, &error);
    g_assert_no_error(error);
    f->service = g_socket_service_new();
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, 0);
    g_autoptr(GSocketAddress) address = NULL;
    g_assert_true(g_socket_listener_add_address(G_SOCKET_LISTENER(f->service), any,
                                                G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL,
                                                &address, NULL));
    f->port = g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(address));
    g_signal_connect(f->service, "incoming", G_CALLBACK(on_server_incoming), f);
    g_socket_service_start(f->service);
    f->tunnel = eg_turn_tunnel_new(f->loop, NULL, "127.0.0.1", f->port, &error);
    g_assert_no_error(error);
}

static void connect_client(Fixture *f)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_socket_client_connect_to_host_async(client, "127.0.0.1", eg_turn_tunnel_port(f->tunnel), NULL,
                                          on_client_connected, f);
    while (f->client == NULL)
        eg_loop_iterate(f->loop, true);
    g_input_stream_read_async(g_io_stream_get_input_stream(G_IO_STREAM(f->client)), f->answer,
                              sizeof(f->answer), G_PRIORITY_DEFAULT, NULL, on_answer, f);
}

static void wait_for_answer(Fixture *f)
{
    while (f->n_answer == -2)
        eg_loop_iterate(f->loop, true);
}

static void tear_down(Fixture *f)
{
    eg_turn_tunnel_free(f->tunnel);
    g_clear_object(&f->client);
    g_socket_service_stop(f->service);
    g_socket_listener_close(G_SOCKET_LISTENER(f->service));
    g_object_unref(f->service);
    g_object_unref(f->certificate);
    g_unlink(f->trusted_path);
    g_free(f->trusted_path);
    while (eg_loop_iterate(f->loop, false))
        continue;
    eg_loop_free(f->loop);
}

static void test_tunnel(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    g_autofree char *pem = new_pem();
    set_up(f, pem, pem);
    connect_client(f);
    g_autoptr(GError) error = NULL;
    g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(f->client)), "through", 7,
                              NULL, NULL, &error);
    g_assert_no_error(error);
    wait_for_answer(f);
    g_assert_cmpint(f->n_answer, ==, 7);
    g_assert_true(memcmp(f->answer, "through", 7) == 0);

    /* The end of the tunnel is that of what goes through it. */
    f->n_answer = -2;
    g_input_stream_read_async(g_io_stream_get_input_stream(G_IO_STREAM(f->client)), f->answer,
                              sizeof(f->answer), G_PRIORITY_DEFAULT, NULL, on_answer, f);
    g_clear_pointer(&f->tunnel, eg_turn_tunnel_free);
    wait_for_answer(f);
    g_assert_cmpint(f->n_answer, <=, 0);
    tear_down(f);
}

/* Nothing goes to a server whose certificate nobody vouches for. */
static void test_tunnel_untrusted(void)
{
    Fixture fixture;
    Fixture *f = &fixture;
    g_autofree char *pem = new_pem();
    g_autofree char *other = new_pem();
    set_up(f, pem, other);
    connect_client(f);
    wait_for_answer(f);
    g_assert_cmpint(f->n_answer, <=, 0);
    tear_down(f);
}

/* What GnuTLS keeps per thread makes gcc's leak checker itself crash; addresses are still checked.
 */
__attribute__((visibility("default"))) int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/room/ice-server/url", test_url);
    g_test_add_func("/room/ice-server/candidate", test_candidate);
    g_test_add_func("/room/ice-server/tunnel", test_tunnel);
    g_test_add_func("/room/ice-server/tunnel-untrusted", test_tunnel_untrusted);
    return g_test_run();
}
