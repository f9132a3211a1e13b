#include "base/error.h"
#include "base/time.h"
#include "room/token.h"

#include <jansson.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "a secret that is long enough for HS256"

static jwt_t *decode(const char *token, const char *secret)
{
    jwt_t *jwt = NULL;
    const int failure = jwt_decode(&jwt, token, (const unsigned char *)secret, (int)strlen(secret));
    return failure == 0 ? jwt : NULL;
}

static void test_claims(void)
{
    g_autoptr(GError) error = NULL;
    const long before_s = (long)(eg_wall_now_ns() / EG_NS_PER_S);
    g_autofree char *token = eg_token_new("key", SECRET, "stand \"up\"", "EG_1", &error);
    g_assert_no_error(error);
    jwt_t *jwt = decode(token, SECRET);
    g_assert_nonnull(jwt);
    g_assert_cmpint(jwt_get_alg(jwt), ==, JWT_ALG_HS256);
    g_assert_cmpstr(jwt_get_grant(jwt, "iss"), ==, "key");
    g_assert_cmpstr(jwt_get_grant(jwt, "sub"), ==, "EG_1");
    g_assert_cmpstr(jwt_get_grant(jwt, "identity"), ==, "EG_1");
    g_assert_cmpstr(jwt_get_grant(jwt, "kind"), ==, "egress");
    const long from_s = jwt_get_grant_int(jwt, "nbf");
    g_assert_cmpint(from_s, >=, before_s);
    g_assert_cmpint(from_s, <=, before_s + 60);
    g_assert_cmpint(jwt_get_grant_int(jwt, "iat"), ==, from_s);
    g_assert_cmpint(jwt_get_grant_int(jwt, "exp"), ==, from_s + 24 * 60 * 60);
    jwt_free(jwt);
}

static void test_grants(void)
{
    g_autofree char *token = eg_token_new("key", SECRET, "stand \"up\" é", "EG_1", NULL);
    jwt_t *jwt = decode(token, SECRET);
    char *text = jwt_get_grants_json(jwt, "video");
    json_t *grants = json_loads(text, 0, NULL);
    json_t *expected = json_pack("{s:b,s:s,s:b,s:b,s:b,s:b,s:b}", "roomJoin", 1, "room",
                                 "stand \"up\" é", "canSubscribe", 1, "canPublish", 0,
                                 "canPublishData", 0, "hidden", 1, "recorder", 1);
    g_assert_true(json_equal(grants, expected));
    json_decref(grants);
    json_decref(expected);
    free(text);
    jwt_free(jwt);
}

static void test_signature(void)
{
    g_autofree char *token = eg_token_new("key", SECRET, "room", "EG_1", NULL);
    g_assert_null(decode(token, "another secret, also long enough"));
}

static void test_errors(void)
{
    static const struct {
        const char *key;
        const char *secret;
        const char *room;
        const char *identity;
        const char *text;
    } cases[] = {
        {"",   "s",  "r",       "i",  "*api key and an api secret*"},
        {NULL, "s",  "r",       "i",  "*api key and an api secret*"},
        {"k",  "",   "r",       "i",  "*api key and an api secret*"},
        {"k",  NULL, "r",       "i",  "*api key and an api secret*"},
        {"k",  "s",  "",        "i",  "*room*"                     },
        {"k",  "s",  "bad\xff", "i",  "*room*"                     },
        {"k",  "s",  "r",       NULL, "*identity*"                 },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *token =
            eg_token_new(cases[i].key, cases[i].secret, cases[i].room, cases[i].identity, &error);
        g_assert_null(token);
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_true(g_pattern_match_simple(cases[i].text, error->message));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/room/token/claims", test_claims);
    g_test_add_func("/room/token/grants", test_grants);
    g_test_add_func("/room/token/signature", test_signature);
    g_test_add_func("/room/token/errors", test_errors);
    return g_test_run();
}
