#include "room/token.h"

#include "base/error.h"
#include "base/time.h"

#include <jansson.h>
#include <jwt.h>
#include <stdlib.h>
#include <string.h>

/* The server hands out fresh ones over the signal connection to who stays longer. */
#define VALID_S (24 * 60 * 60)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(jwt_t, jwt_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

static bool is_usable(const char *text)
{
    return text != NULL && *text != '\0' && g_utf8_validate(text, -1, NULL);
}

char *eg_token_sign(const char *api_key, const char *api_secret, const char *claims, guint valid_s,
                    GError **error)
{
    if (!is_usable(api_key) || !is_usable(api_secret)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "a token needs an api key and an api secret");
        return NULL;
    }
    g_autoptr(jwt_t) jwt = NULL;
    const long now_s = (long)(eg_wall_now_ns() / EG_NS_PER_S);
    const bool is_built = jwt_new(&jwt) == 0 && jwt_add_grants_json(jwt, claims) == 0 &&
                          jwt_add_grant(jwt, "iss", api_key) == 0 &&
                          jwt_add_grant_int(jwt, "iat", now_s) == 0 &&
                          jwt_add_grant_int(jwt, "nbf", now_s) == 0 &&
                          jwt_add_grant_int(jwt, "exp", now_s + (long)valid_s) == 0 &&
                          jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)api_secret,
                                      (int)strlen(api_secret)) == 0;
    /* Plain malloc() memory, like everything from libjwt and jansson. */
    char *signed_token = is_built ? jwt_encode_str(jwt) : NULL;
    if (signed_token == NULL) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "the token could not be made");
        return NULL;
    }
    char *token = g_strdup(signed_token);
    free(signed_token);
    return token;
}

/* May see and hear everything, is seen and heard by nobody. */
char *eg_token_new(const char *api_key, const char *api_secret, const char *room_name,
                   const char *identity, GError **error)
{
    if (!is_usable(room_name) || !is_usable(identity)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "a token needs the name of a room and an identity");
        return NULL;
    }
    g_autoptr(json_t) claims = json_pack(
        "{s:s, s:s, s:s, s:{s:b, s:s, s:b, s:b, s:b, s:b, s:b}}", "sub", identity, "identity",
        identity, "kind", "egress", "video", "roomJoin", 1, "room", room_name, "canSubscribe", 1,
        "canPublish", 0, "canPublishData", 0, "hidden", 1, "recorder", 1);
    char *text = json_dumps(claims, JSON_COMPACT);
    char *token = eg_token_sign(api_key, api_secret, text, VALID_S, error);
    free(text);
    return token;
}
