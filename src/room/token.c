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

/* May see and hear everything, is seen and heard by nobody. */
static char *format_grants(const char *room_name)
{
    g_autoptr(json_t) grants = json_pack("{s:{s:b,s:s,s:b,s:b,s:b,s:b,s:b}}", "video", "roomJoin",
                                         1, "room", room_name, "canSubscribe", 1, "canPublish", 0,
                                         "canPublishData", 0, "hidden", 1, "recorder", 1);
    return grants != NULL ? json_dumps(grants, JSON_COMPACT) : NULL;
}

static bool is_usable(const char *text)
{
    return text != NULL && *text != '\0' && g_utf8_validate(text, -1, NULL);
}

char *eg_token_new(const char *api_key, const char *api_secret, const char *room_name,
                   const char *identity, GError **error)
{
    if (!is_usable(api_key) || !is_usable(api_secret)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "a token needs an api key and an api secret");
        return NULL;
    }
    if (!is_usable(room_name) || !is_usable(identity)) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "a token needs the name of a room and an identity");
        return NULL;
    }

    /* Plain malloc() memory, like everything from libjwt and jansson. */
    char *grants = format_grants(room_name);
    g_autoptr(jwt_t) jwt = NULL;
    const long now_s = (long)(eg_wall_now_ns() / EG_NS_PER_S);
    const bool is_built =
        grants != NULL && jwt_new(&jwt) == 0 && jwt_add_grant(jwt, "iss", api_key) == 0 &&
        jwt_add_grant(jwt, "sub", identity) == 0 && jwt_add_grant(jwt, "identity", identity) == 0 &&
        jwt_add_grant_int(jwt, "iat", now_s) == 0 && jwt_add_grant_int(jwt, "nbf", now_s) == 0 &&
        jwt_add_grant_int(jwt, "exp", now_s + VALID_S) == 0 &&
        jwt_add_grant(jwt, "kind", "egress") == 0 && jwt_add_grants_json(jwt, grants) == 0 &&
        jwt_set_alg(jwt, JWT_ALG_HS256, (const unsigned char *)api_secret,
                    (int)strlen(api_secret)) == 0;
    free(grants);
    char *signed_token = is_built ? jwt_encode_str(jwt) : NULL;
    if (signed_token == NULL) {
        eg_error_set(error, EG_ERROR_INTERNAL, EG_BLAME_SERVICE, "the token could not be made");
        return NULL;
    }
    char *token = g_strdup(signed_token);
    free(signed_token);
    return token;
}
