#include "room/dtls.h"

#include "base/error.h"
#include "base/time.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

/* Fits every way that UDP takes, TURN included; a longer flight is fragmented by DTLS. */
#define MTU_BYTES 1200

#define FINGERPRINT_BYTES 32
#define VALID_BEFORE_S    (24 * 3600)
#define VALID_AFTER_S     (365 * 24 * 3600)

struct _EgDtls {
    void (*send)(gpointer user, const guint8 *data, gsize size_bytes);
    gpointer user;
    EgDtlsState state;

    BIO_METHOD *bio_method;
    SSL_CTX *context;
    SSL *ssl;
    char *fingerprint;
    guint8 peer_fingerprint[FINGERPRINT_BYTES];
    bool has_peer_fingerprint;

    const guint8 *received; /* the datagram that OpenSSL has not read yet; NULL: none */
    gsize received_bytes;
};

static void set_ssl_error(GError **error, const char *doing)
{
    char text[256];
    unsigned long code = ERR_peek_last_error();
    ERR_error_string_n(code, text, sizeof(text));
    eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "%s: %s", doing,
                 code != 0 ? text : "unknown error");
    ERR_clear_error();
}

/* A BIO of our own, since one of OpenSSL's in memory would join the datagrams of a flight. */

static int bio_write(BIO *bio, const char *data, int size)
{
    EgDtls *dtls = BIO_get_data(bio);
    if (size > 0)
        dtls->send(dtls->user, (const guint8 *)data, (gsize)size);
    return size;
}

static int bio_read(BIO *bio, char *data, int capacity)
{
    EgDtls *dtls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (dtls->received == NULL) {
        BIO_set_retry_read(bio);
        return -1;
    }
    gsize n = MIN(dtls->received_bytes, (gsize)MAX(capacity, 0));
    memcpy(data, dtls->received, n);
    dtls->received = NULL;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_FLUSH)
        return 1;
    if (command == BIO_CTRL_DGRAM_QUERY_MTU)
        return MTU_BYTES;
    return 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *new_bio_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_ctrl(method, bio_ctrl);
    BIO_meth_set_create(method, bio_create);
    return method;
}

static X509 *new_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    guint64 serial;
    if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1 ||
        !ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) ||
        !X509_set_version(certificate, 2) ||
        X509_gmtime_adj(X509_getm_notBefore(certificate), -VALID_BEFORE_S) == NULL ||
        X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_AFTER_S) == NULL ||
        !X509_set_pubkey(certificate, key)) {
        X509_free(certificate);
        return NULL;
    }
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"egress", -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    if (!X509_sign(certificate, key, EVP_sha256())) {
        X509_free(certificate);
        return NULL;
    }
    return certificate;
}

static char *make_fingerprint(const X509 *certificate)
{
    unsigned char digest[FINGERPRINT_BYTES];
    unsigned int size = sizeof(digest);
    if (!X509_digest(certificate, EVP_sha256(), digest, &size))
        return NULL;
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < size; i++)
        g_string_append_printf(text, "%s%02X", i == 0 ? "" : ":", digest[i]);
    return g_string_free(text, FALSE);
}

static bool set_certificate(EgDtls *dtls)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key != NULL ? new_certificate(key) : NULL;
    bool ok = certificate != NULL && SSL_CTX_use_certificate(dtls->context, certificate) == 1 &&
              SSL_CTX_use_PrivateKey(dtls->context, key) == 1 &&
              (dtls->fingerprint = make_fingerprint(certificate)) != NULL;
    X509_free(certificate);
    EVP_PKEY_free(key);
    return ok;
}

/* Certificates are self-signed here; the fingerprint decides, after the handshake. */
static int accept_certificate(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static bool set_up(EgDtls *dtls)
{
    dtls->bio_method = new_bio_method();
    dtls->context = SSL_CTX_new(DTLS_client_method());
    if (dtls->context == NULL || !SSL_CTX_set_min_proto_version(dtls->context, DTLS1_2_VERSION) ||
        !set_certificate(dtls) ||
        /* This one returns 0 when all is well. */
        SSL_CTX_set_tlsext_use_srtp(dtls->context,
                                    "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80") != 0)
        return false;
    SSL_CTX_set_verify(dtls->context, SSL_VERIFY_PEER, accept_certificate);
    SSL_CTX_set_options(dtls->context,
                        SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(dtls->context, SSL_SESS_CACHE_OFF);

    dtls->ssl = SSL_new(dtls->context);
    BIO *bio = dtls->ssl != NULL ? BIO_new(dtls->bio_method) : NULL;
    if (bio == NULL)
        return false;
    BIO_set_data(bio, dtls);
    SSL_set_bio(dtls->ssl, bio, bio);
    SSL_set_mtu(dtls->ssl, MTU_BYTES);
    SSL_set_connect_state(dtls->ssl);
    return true;
}

EgDtls *eg_dtls_new(void (*send)(gpointer user, const guint8 *data, gsize size_bytes),
                    gpointer user, GError **error)
{
    g_autoptr(EgDtls) dtls = g_new0(EgDtls, 1);
    dtls->send = send;
    dtls->user = user;
    ERR_clear_error();
    if (!set_up(dtls)) {
        set_ssl_error(error, "cannot set up DTLS");
        return NULL;
    }
    return g_steal_pointer(&dtls);
}

void eg_dtls_free(EgDtls *dtls)
{
    if (dtls == NULL)
        return;
    SSL_free(dtls->ssl);
    SSL_CTX_free(dtls->context);
    BIO_meth_free(dtls->bio_method);
    g_free(dtls->fingerprint);
    OPENSSL_cleanse(dtls, sizeof(*dtls));
    g_free(dtls);
}

const char *eg_dtls_fingerprint(const EgDtls *dtls)
{
    return dtls->fingerprint;
}

bool eg_dtls_set_peer_fingerprint(EgDtls *dtls, const char *fingerprint)
{
    guint8 bytes[FINGERPRINT_BYTES];
    if (strlen(fingerprint) != FINGERPRINT_BYTES * 3 - 1)
        return false;
    for (gsize i = 0; i < FINGERPRINT_BYTES; i++) {
        const char *digits = fingerprint + i * 3;
        if (!g_ascii_isxdigit(digits[0]) || !g_ascii_isxdigit(digits[1]) ||
            (i + 1 < FINGERPRINT_BYTES && digits[2] != ':'))
            return false;
        bytes[i] = (guint8)(g_ascii_xdigit_value(digits[0]) << 4 | g_ascii_xdigit_value(digits[1]));
    }
    memcpy(dtls->peer_fingerprint, bytes, sizeof(bytes));
    dtls->has_peer_fingerprint = true;
    return true;
}

EgDtlsState eg_dtls_state(const EgDtls *dtls)
{
    return dtls->state;
}

static bool check_peer(EgDtls *dtls)
{
    X509 *certificate = SSL_get1_peer_certificate(dtls->ssl);
    guint8 digest[FINGERPRINT_BYTES];
    unsigned int size = sizeof(digest);
    bool ok = certificate != NULL && X509_digest(certificate, EVP_sha256(), digest, &size) &&
              memcmp(digest, dtls->peer_fingerprint, sizeof(digest)) == 0;
    X509_free(certificate);
    return ok;
}

static bool fail(EgDtls *dtls, EgErrorCode code, const char *message, GError **error)
{
    dtls->state = EG_DTLS_FAILED;
    eg_error_set(error, code, EG_BLAME_SERVICE, "%s", message);
    return false;
}

static bool shake_hands(EgDtls *dtls, GError **error)
{
    ERR_clear_error();
    int result = SSL_do_handshake(dtls->ssl);
    if (result != 1) {
        if (SSL_get_error(dtls->ssl, result) == SSL_ERROR_WANT_READ)
            return true;
        dtls->state = EG_DTLS_FAILED;
        set_ssl_error(error, "the peer refused DTLS");
        return false;
    }
    if (!check_peer(dtls))
        return fail(dtls, EG_ERROR_PERMISSION_DENIED,
                    "the peer's certificate is not the one that it announced", error);
    if (SSL_get_selected_srtp_profile(dtls->ssl) == NULL)
        return fail(dtls, EG_ERROR_UNIMPLEMENTED, "the peer knows no SRTP profile of ours", error);
    dtls->state = EG_DTLS_CONNECTED;
    return true;
}

bool eg_dtls_start(EgDtls *dtls, GError **error)
{
    if (dtls->state != EG_DTLS_NONE)
        return true;
    g_assert(dtls->has_peer_fingerprint);
    dtls->state = EG_DTLS_CONNECTING;
    return shake_hands(dtls, error);
}

/* Data channels, which nobody here opens, and the peer's goodbye. */
static void discard(EgDtls *dtls)
{
    guint8 buffer[2048];
    ERR_clear_error();
    for (guint i = 0; i < 64 && SSL_read(dtls->ssl, buffer, sizeof(buffer)) > 0; i++)
        continue;
    if ((SSL_get_shutdown(dtls->ssl) & SSL_RECEIVED_SHUTDOWN) != 0)
        dtls->state = EG_DTLS_CLOSED;
    ERR_clear_error();
}

bool eg_dtls_receive(EgDtls *dtls, const guint8 *data, gsize size_bytes, GError **error)
{
    bool ok = true;
    dtls->received = data;
    dtls->received_bytes = size_bytes;
    if (dtls->state == EG_DTLS_CONNECTING)
        ok = shake_hands(dtls, error);
    if (dtls->state == EG_DTLS_CONNECTED)
        discard(dtls);
    dtls->received = NULL;
    return ok;
}

bool eg_dtls_handle_timeout(EgDtls *dtls, GError **error)
{
    if (dtls->state != EG_DTLS_CONNECTING && dtls->state != EG_DTLS_CONNECTED)
        return true;
    ERR_clear_error();
    if (DTLSv1_handle_timeout(dtls->ssl) >= 0)
        return true;
    ERR_clear_error();
    return fail(dtls, EG_ERROR_UNAVAILABLE, "the peer does not answer DTLS", error);
}

gint64 eg_dtls_timeout_ns(EgDtls *dtls)
{
    struct timeval left;
    if ((dtls->state != EG_DTLS_CONNECTING && dtls->state != EG_DTLS_CONNECTED) ||
        DTLSv1_get_timeout(dtls->ssl, &left) != 1)
        return -1;
    return (gint64)left.tv_sec * EG_NS_PER_S + (gint64)left.tv_usec * EG_NS_PER_US;
}

bool eg_dtls_get_keys(EgDtls *dtls, EgSrtpKeys *keys, GError **error)
{
    static const char label[] = "EXTRACTOR-dtls_srtp";
    g_assert(dtls->state == EG_DTLS_CONNECTED);
    bool is_gcm = SSL_get_selected_srtp_profile(dtls->ssl)->id == SRTP_AEAD_AES_128_GCM;
    gsize key = 16;
    gsize salt = is_gcm ? 12 : 14;

    /* Client key, server key, client salt, server salt (RFC 5764, 4.2). */
    guint8 material[2 * EG_DTLS_MAX_KEY_BYTES];
    if (SSL_export_keying_material(dtls->ssl, material, 2 * (key + salt), label, strlen(label),
                                   NULL, 0, 0) != 1) {
        set_ssl_error(error, "cannot derive SRTP keys");
        return false;
    }
    *keys = (EgSrtpKeys){
        .profile = is_gcm ? EG_SRTP_AEAD_AES_128_GCM : EG_SRTP_AES128_CM_SHA1_80,
        .key_bytes = key + salt,
    };
    memcpy(keys->send, material, key);
    memcpy(keys->send + key, material + 2 * key, salt);
    memcpy(keys->receive, material + key, key);
    memcpy(keys->receive + key, material + 2 * key + salt, salt);
    OPENSSL_cleanse(material, sizeof(material));
    return true;
}

void eg_dtls_close(EgDtls *dtls)
{
    if (dtls->state != EG_DTLS_CONNECTED)
        return;
    SSL_shutdown(dtls->ssl);
    ERR_clear_error();
    dtls->state = EG_DTLS_CLOSED;
}
