#include "storage/gcs-sign.h"

#include <jansson.h>
#include <jwt.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/time.h"
#include "storage/gcs-reply.h"

#define NOW_NS (G_GINT64_CONSTANT(1795978679) * EG_NS_PER_S)

static json_t *read_data(const char *name)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "storage", name, NULL);
    json_t *root = json_load_file(path, 0, NULL);
    g_assert_nonnull(root);
    return root;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

/* Some of Google's conformance tests for V4 signatures, with the account that they are made for. */
static void test_read_query(void)
{
    json_t *account = read_data("google-service-account.json");
    json_t *vectors = read_data("google-v4.json");
    size_t i;
    const json_t *vector;
    json_array_foreach(vectors, i, vector)
    {
        g_autoptr(GDateTime) from = g_date_time_new_from_iso8601(text_of(vector, "from"), NULL);
        const EgGcsReading reading = {
            .host = text_of(vector, "host"),
            .path = text_of(vector, "path"),
            .from_wall_ns = g_date_time_to_unix(from) * EG_NS_PER_S,
            .valid_ns = json_integer_value(json_object_get(vector, "valid_s")) * EG_NS_PER_S,
        };
        g_autofree char *query = eg_gcs_read_query(text_of(account, "client_email"),
                                                   text_of(account, "private_key"), &reading);
        g_assert_cmpstr(query, ==, text_of(vector, "query"));
    }
    g_assert_cmpuint(i, ==, 3);
    json_decref(vectors);
    json_decref(account);
}

static char *public_key(const char *private_key)
{
    BIO *in = BIO_new_mem_buf(private_key, -1);
    BIO *out = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    g_assert_cmpint(PEM_write_bio_PUBKEY(out, key), ==, 1);
    char *text;
    const long length = BIO_get_mem_data(out, &text);
    char *pem = g_strndup(text, (gsize)length);
    EVP_PKEY_free(key);
    BIO_free(out);
    BIO_free(in);
    return pem;
}

static void test_assertion(void)
{
    json_t *account = read_data("google-service-account.json");
    g_autofree char *assertion =
        eg_gcs_assertion(text_of(account, "client_email"), text_of(account, "private_key"),
                         "https://oauth2.googleapis.com/token", NOW_NS);
    g_autofree char *key = public_key(text_of(account, "private_key"));
    jwt_t *jwt = NULL;
    g_assert_cmpint(jwt_decode(&jwt, assertion, (const unsigned char *)key, (int)strlen(key)), ==,
                    0);
    g_assert_cmpint(jwt_get_alg(jwt), ==, JWT_ALG_RS256);
    g_assert_cmpstr(jwt_get_grant(jwt, "iss"), ==, text_of(account, "client_email"));
    g_assert_cmpstr(jwt_get_grant(jwt, "aud"), ==, "https://oauth2.googleapis.com/token");
    g_assert_cmpstr(jwt_get_grant(jwt, "scope"), ==,
                    "https://www.googleapis.com/auth/devstorage.read_write");
    g_assert_cmpint(jwt_get_grant_int(jwt, "exp"), ==, 1795978679 + 3600);
    jwt_free(jwt);
    json_decref(account);
}

/* Of no use, and one that would have to be asked for a password. */
static void test_bad_keys(void)
{
    static const char *const keys[] = {
        "",
        "geheim",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
        "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgRgQyS0rS1jgICCAAw\n"
        "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFz5Qb2nCIgGSEoKBhTFCKEEQJ7i\n"
        "-----END ENCRYPTED PRIVATE KEY-----\n",
    };
    const EgGcsReading reading = {.host = "h", .path = "/p", .valid_ns = EG_NS_PER_S};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_assert_false(eg_gcs_key_is_usable(keys[i]));
        g_assert_null(eg_gcs_read_query("a@b", keys[i], &reading));
    }
}

static void test_ranges(void)
{
    static const struct {
        const char *range;
        bool is_good;
        guint64 n_bytes;
    } cases[] = {
        {NULL,                              true,  0         },
        {"bytes=0-0",                       true,  1         },
        {"bytes=0-262143",                  true,  262144    },
        {"bytes=0-9223372036854775806",     true,  G_MAXINT64},
        {"bytes=0-9223372036854775807",     false, 0         },
        {"bytes=0-99999999999999999999999", false, 0         },
        {"bytes=1-5",                       false, 0         },
        {"bytes=0-",                        false, 0         },
        {"bytes=0--1",                      false, 0         },
        {"0-5",                             false, 0         },
        {"",                                false, 0         },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint64 n_bytes;
        g_assert_true(eg_gcs_range_parse(cases[i].range, &n_bytes) == cases[i].is_good);
        g_assert_cmpuint(n_bytes, ==, cases[i].n_bytes);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/gcs/read-query", test_read_query);
    g_test_add_func("/storage/gcs/assertion", test_assertion);
    g_test_add_func("/storage/gcs/bad-keys", test_bad_keys);
    g_test_add_func("/storage/gcs/ranges", test_ranges);
    return g_test_run();
}
