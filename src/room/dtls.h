#pragma once

#include <glib.h>
#include <stdbool.h>

/* The client's side of DTLS-SRTP (RFC 5764, 6347) over any carrier of datagrams, by OpenSSL, with a
 * self-signed certificate of its own. What the peer sends inside the session is thrown away. */
typedef struct _EgDtls EgDtls;

#define EG_DTLS_MAX_KEY_BYTES (32 + 14)

typedef enum {
    EG_SRTP_NONE,
    EG_SRTP_AES128_CM_SHA1_80,
    EG_SRTP_AEAD_AES_128_GCM,
} EgSrtpProfile;

/* Master key, then master salt, as libsrtp wants them. */
typedef struct {
    EgSrtpProfile profile;
    gsize key_bytes;
    guint8 send[EG_DTLS_MAX_KEY_BYTES];
    guint8 receive[EG_DTLS_MAX_KEY_BYTES];
} EgSrtpKeys;

/* `send(user)` is called for each datagram to go out, from inside the functions below but
 * eg_dtls_new(). */
EgDtls *eg_dtls_new(void (*send)(gpointer user, const guint8 *data, gsize size_bytes),
                    gpointer user, GError **error);
void eg_dtls_free(EgDtls *dtls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgDtls, eg_dtls_free)

/* "AB:CD:...", SHA-256 over our certificate (RFC 8122). */
const char *eg_dtls_fingerprint(const EgDtls *dtls);

/* The same of the peer's certificate, which the handshake insists on. False if it is malformed.
 * Must be known before eg_dtls_start(). */
bool eg_dtls_set_peer_fingerprint(EgDtls *dtls, const char *fingerprint);

typedef enum {
    EG_DTLS_NONE, /* not started */
    EG_DTLS_CONNECTING,
    EG_DTLS_CONNECTED,
    EG_DTLS_CLOSED, /* the peer said goodbye */
    EG_DTLS_FAILED,
} EgDtlsState;

EgDtlsState eg_dtls_state(const EgDtls *dtls);

/* These return false with an error when they make the state FAILED. Nothing happens in a state in
 * which they have no meaning. */
bool eg_dtls_start(EgDtls *dtls, GError **error);
bool eg_dtls_receive(EgDtls *dtls, const guint8 *data, gsize size_bytes, GError **error);
bool eg_dtls_handle_timeout(EgDtls *dtls, GError **error);

/* When eg_dtls_handle_timeout() has something to repeat, relative to now; -1: never. */
gint64 eg_dtls_timeout_ns(EgDtls *dtls);

/* Only when CONNECTED. */
bool eg_dtls_get_keys(EgDtls *dtls, EgSrtpKeys *keys, GError **error);

/* Says goodbye if there is a session; the state is CLOSED then. */
void eg_dtls_close(EgDtls *dtls);
