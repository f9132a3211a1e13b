#include "service/api-grant.h"

#include <jwt.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"

#define NOW_S  1800000000L
#define KEY    "key"
#define SECRET "a-secret-that-is-long-enough-for-it"

typedef struct {
    const char *name;
    const char *video; /* JSON; NULL: no such claim */
    long expires_s;    /* from now; 0: no such claim */
    long begins_s;     /* likewise */
    const char *key;   /* NULL: no issuer */
    const char *secret;
    jwt_alg_t algorithm;
    bool is_allowed;
} Case;

#define RECORD "{\"roomRecord\": true}"

static const Case cases[] = {
    {"good",              RECORD,                                    600, 0,  KEY,     SECRET,     JWT_ALG_HS256, true },
    {"good-among-others", "{\"roomRecord\": true, \"room\": \"a\"}", 600, 0,  KEY,     SECRET,
     JWT_ALG_HS256,                                                                                               true },
    {"just-expired",      RECORD,                                    -59, 0,  KEY,     SECRET,     JWT_ALG_HS256, true },
    {"expired",           RECORD,                                    -60, 0,  KEY,     SECRET,     JWT_ALG_HS256, false},
    {"begins-soon",       RECORD,                                    600, 60, KEY,     SECRET,     JWT_ALG_HS256, true },
    {"begins-later",      RECORD,                                    600, 61, KEY,     SECRET,     JWT_ALG_HS256, false},
    {"no-end",            RECORD,                                    0,   0,  KEY,     SECRET,     JWT_ALG_HS256, false},
    {"no-grants",         NULL,                                      600, 0,  KEY,     SECRET,     JWT_ALG_HS256, false},
    {"another-grant",     "{\"roomAdmin\": true}",                   600, 0,  KEY,     SECRET,     JWT_ALG_HS256, false},
    {"grant-is-false",    "{\"roomRecord\": false}",                 600, 0,  KEY,     SECRET,     JWT_ALG_HS256, false},
    {"grant-is-text",     "{\"roomRecord\": \"true\"}",              600, 0,  KEY,     SECRET,     JWT_ALG_HS256, false},
    {"grants-are-a-list", "[\"roomRecord\"]",                        600, 0,  KEY,     SECRET,     JWT_ALG_HS256, false},
    {"another-key",       RECORD,                                    600, 0,  "other", SECRET,     JWT_ALG_HS256, false},
    {"no-issuer",         RECORD,                                    600, 0,  NULL,    SECRET,     JWT_ALG_HS256, false},
    {"another-secret",    RECORD,                                    600, 0,  KEY,     SECRET "x", JWT_ALG_HS256, false},
    {"another-algorithm", RECORD,                                    600, 0,  KEY,     SECRET,     JWT_ALG_HS512, false},
    {"no-algorithm",      RECORD,                                    600, 0,  KEY,     NULL,       JWT_ALG_NONE,  false},
};

static char *make_token(const Case *test)
{
    jwt_t *jwt = NULL;
    g_assert_cmpint(jwt_new(&jwt), ==, 0);
    if (test->key != NULL)
        jwt_add_grant(jwt, "iss", test->key);
    if (test->expires_s != 0)
        jwt_add_grant_int(jwt, "exp", NOW_S + test->expires_s);
    if (test->begins_s != 0)
        jwt_add_grant_int(jwt, "nbf", NOW_S + test->begins_s);
    if (test->video != NULL) {
        g_autofree char *claims = g_strdup_printf("{\"video\": %s}", test->video);
        g_assert_cmpint(jwt_add_grants_json(jwt, claims), ==, 0);
    }
    const char *secret = test->secret != NULL ? test->secret : "";
    g_assert_cmpint(jwt_set_alg(jwt, test->algorithm,
                                test->secret != NULL ? (const unsigned char *)secret : NULL,
                                (int)strlen(secret)),
                    ==, 0);
    char *encoded = jwt_encode_str(jwt);
    char *token = g_strdup(encoded);
    free(encoded);
    jwt_free(jwt);
    return token;
}

static bool is_allowed(const char *authorization, const char *key, const char *secret)
{
    g_autoptr(GError) error = NULL;
    bool may = eg_api_grant_check(authorization, key, secret, NOW_S * EG_NS_PER_S, &error);
    g_assert_true(may == (error == NULL));
    if (error != NULL)
        g_assert_cmpint((int)eg_error_code(error), ==, EG_ERROR_UNAUTHENTICATED);
    return may;
}

static void test_case(gconstpointer data)
{
    const Case *test = data;
    g_autofree char *token = make_token(test);
    g_autofree char *authorization = g_strconcat("Bearer ", token, NULL);
    g_assert_true(is_allowed(authorization, KEY, SECRET) == test->is_allowed);
}

/* Whoever has set no key takes no calls, instead of all. */
static void test_without_key(void)
{
    g_autofree char *token = make_token(&cases[0]);
    g_autofree char *authorization = g_strconcat("Bearer ", token, NULL);
    g_assert_false(is_allowed(authorization, NULL, NULL));
    g_assert_false(is_allowed(authorization, KEY, NULL));
    g_assert_false(is_allowed(authorization, KEY, ""));
    g_assert_false(is_allowed(authorization, "", SECRET));
}

static void test_header(void)
{
    g_autofree char *token = make_token(&cases[0]);
    g_autofree char *basic = g_strconcat("Basic ", token, NULL);
    g_autofree char *cut = g_strdup_printf("Bearer %.*s", (int)strlen(token) - 2, token);
    g_assert_false(is_allowed(NULL, KEY, SECRET));
    g_assert_false(is_allowed("", KEY, SECRET));
    g_assert_false(is_allowed("Bearer ", KEY, SECRET));
    g_assert_false(is_allowed("Bearer ..", KEY, SECRET));
    g_assert_false(is_allowed(token, KEY, SECRET));
    g_assert_false(is_allowed(basic, KEY, SECRET));
    g_assert_false(is_allowed(cut, KEY, SECRET));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/api-grant/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/api-grant/without-key", test_without_key);
    g_test_add_func("/api-grant/header", test_header);
    return g_test_run();
}
