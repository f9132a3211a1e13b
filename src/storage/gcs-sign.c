#include "storage/gcs-sign.h"

#include <jwt.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "storage/headers.h"

#define SCOPE           "https://www.googleapis.com/auth/devstorage.read_write"
#define ASSERTION_S     3600
#define MIN_KEY_BITS    1024
#define MAX_DIGEST_SIZE 1024

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(jwt_t, jwt_free)

/* Nobody is asked for one. */
static int no_password(char *buffer, int size, int is_writing, void *user)
{
    (void)buffer;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

static EVP_PKEY *read_key(const char *pem)
{
    g_autoptr(BIO) bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    if (key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
        EVP_PKEY_get_bits(key) >= MIN_KEY_BITS)
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

bool eg_gcs_key_is_usable(const char *pem)
{
    g_autoptr(EVP_PKEY) key = read_key(pem);
    return key != NULL;
}

char *eg_gcs_assertion(const char *email, const char *pem, const char *audience, gint64 wall_ns)
{
    g_autoptr(jwt_t) jwt = NULL;
    const long now_s = (long)(wall_ns / EG_NS_PER_S);
    const bool is_built =
        jwt_new(&jwt) == 0 && jwt_add_grant(jwt, "iss", email) == 0 &&
        jwt_add_grant(jwt, "aud", audience) == 0 && jwt_add_grant(jwt, "scope", SCOPE) == 0 &&
        jwt_add_grant_int(jwt, "iat", now_s) == 0 &&
        jwt_add_grant_int(jwt, "exp", now_s + ASSERTION_S) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_RS256, (const unsigned char *)pem, (int)strlen(pem)) == 0;
    char *text = is_built ? jwt_encode_str(jwt) : NULL; /* plain malloc() memory */
    char *assertion = g_strdup(text);
    free(text);
    return assertion;
}

/* RSA with SHA-256, in hexadecimal. */
static char *sign(const char *pem, const char *text)
{
    g_autoptr(EVP_PKEY) key = read_key(pem);
    g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
    guint8 signature[MAX_DIGEST_SIZE];
    gsize n_bytes = sizeof signature;
    if (key == NULL || EVP_PKEY_get_size(key) > MAX_DIGEST_SIZE ||
        EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(context, signature, &n_bytes, (const guint8 *)text, strlen(text)) != 1)
        return NULL;
    GString *hex = g_string_new(NULL);
    for (gsize i = 0; i < n_bytes; i++)
        g_string_append_printf(hex, "%02x", signature[i]);
    return g_string_free(hex, FALSE);
}

char *eg_gcs_read_query(const char *email, const char *pem, const EgGcsReading *reading)
{
    g_autofree char *time = eg_header_time(reading->from_wall_ns, "%Y%m%dT%H%M%SZ");
    g_autofree char *scope = g_strdup_printf("%.8s/auto/storage/goog4_request", time);
    g_autofree char *who = g_strconcat(email, "/", scope, NULL);
    g_autofree char *valid = g_strdup_printf("%" G_GINT64_FORMAT, reading->valid_ns / EG_NS_PER_S);
    const char *const pairs[] = {
        "X-Goog-Algorithm",
        "GOOG4-RSA-SHA256",
        "X-Goog-Credential",
        who,
        "X-Goog-Date",
        time,
        "X-Goog-Expires",
        valid,
        "X-Goog-SignedHeaders",
        "host",
        NULL,
    };
    g_autofree char *query = eg_header_query(pairs);
    g_autofree char *canonical = g_strdup_printf("GET\n%s\n%s\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD",
                                                 reading->path, query + 1, reading->host);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, canonical, -1);
    g_autofree char *text = g_strdup_printf("GOOG4-RSA-SHA256\n%s\n%s\n%s", time, scope, digest);
    g_autofree char *signature = sign(pem, text);
    return signature != NULL ? g_strconcat(query, "&X-Goog-Signature=", signature, NULL) : NULL;
}
