#include "service/api-grant.h"

#include <jwt.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"

#include <jansson.h>

/* Clocks of servers differ. */
#define LEEWAY_S 60

#define SCHEME "Bearer "

G_DEFINE_AUTOPTR_CLEANUP_FUNC(jwt_t, jwt_free)

static bool has_room_record(jwt_t *jwt)
{
    char *text = jwt_get_grants_json(jwt, "video");
    json_t *video = text != NULL ? json_loads(text, 0, NULL) : NULL;
    bool may = json_is_true(json_object_get(video, "roomRecord"));
    json_decref(video);
    free(text);
    return may;
}

static bool is_valid_at(jwt_t *jwt, long now_s)
{
    long expires_s = jwt_get_grant_int(jwt, "exp");
    long not_before_s = jwt_get_grant_int(jwt, "nbf");
    return expires_s != 0 && now_s < expires_s + LEEWAY_S && now_s >= not_before_s - LEEWAY_S;
}

/* The algorithm of the token is what the sender says: only ours counts (RFC 8725, 3.1). */
static const char *find_fault(const char *token, const char *api_key, const char *api_secret,
                              gint64 now_ns)
{
    g_autoptr(jwt_t) jwt = NULL;
    if (jwt_decode(&jwt, token, (const unsigned char *)api_secret, (int)strlen(api_secret)) != 0 ||
        jwt_get_alg(jwt) != JWT_ALG_HS256)
        return "invalid authorization token";
    if (g_strcmp0(jwt_get_grant(jwt, "iss"), api_key) != 0)
        return "invalid API key";
    if (!is_valid_at(jwt, (long)(now_ns / EG_NS_PER_S)))
        return "invalid authorization token: it has expired or is not valid yet";
    return has_room_record(jwt) ? NULL : "permissions denied: the token needs the grant roomRecord";
}

bool eg_api_grant_check(const char *authorization, const char *api_key, const char *api_secret,
                        gint64 now_ns, GError **error)
{
    const char *fault;
    if (api_key == NULL || *api_key == '\0' || api_secret == NULL || *api_secret == '\0')
        fault = "permissions denied: this service has no api_key and api_secret";
    else if (authorization == NULL || !g_str_has_prefix(authorization, SCHEME))
        fault = "permissions denied: there is no \"Authorization: Bearer TOKEN\"";
    else
        fault = find_fault(authorization + strlen(SCHEME), api_key, api_secret, now_ns);
    if (fault == NULL)
        return true;
    eg_error_set(error, EG_ERROR_UNAUTHENTICATED, EG_BLAME_REQUEST, "%s", fault);
    return false;
}
