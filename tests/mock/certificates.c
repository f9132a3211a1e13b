#include "mock/certificates.h"

#include <glib.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#define VALID_S 3600

char *certificates_path(const char *folder, const char *name)
{
    return g_strdup_printf("%s/%s.pem", folder, name);
}

static FILE *open_file(const char *folder, const char *name, const char *suffix, const char *mode)
{
    g_autofree char *full = g_strconcat(name, suffix, NULL);
    g_autofree char *path = certificates_path(folder, full);
    FILE *file = fopen(path, mode);
    g_assert_nonnull(file);
    return file;
}

static X509 *read_certificate(const char *folder, const char *name)
{
    FILE *file = open_file(folder, name, "", "r");
    X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    g_assert_nonnull(certificate);
    return certificate;
}

static EVP_PKEY *read_key(const char *folder, const char *name)
{
    FILE *file = open_file(folder, name, "-key", "r");
    EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    g_assert_nonnull(key);
    return key;
}

static void add_extension(X509 *certificate, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    g_assert_nonnull(extension);
    g_assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

static X509 *new_certificate(const char *name, EVP_PKEY *key)
{
    static long serial;
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
}

/* Signs, writes and frees. */
static void finish(const char *folder, const char *name, X509 *certificate, EVP_PKEY *key,
                   EVP_PKEY *signer)
{
    g_assert_true(X509_sign(certificate, signer, EVP_sha256()) > 0);
    FILE *file = open_file(folder, name, "", "w");
    g_assert_true(PEM_write_X509(file, certificate));
    fclose(file);
    file = open_file(folder, name, "-key", "w");
    g_assert_true(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

void certificates_make_authority(const char *folder, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = new_certificate(name, key);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
    finish(folder, name, certificate, key, key);
}

void certificates_make(const char *folder, const char *name, const char *authority,
                       const char *alternative)
{
    X509 *issuer = read_certificate(folder, authority);
    EVP_PKEY *signer = read_key(folder, authority);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = new_certificate(name, key);
    X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
    add_extension(certificate, NID_subject_alt_name, alternative);
    finish(folder, name, certificate, key, signer);
    X509_free(issuer);
    EVP_PKEY_free(signer);
}
