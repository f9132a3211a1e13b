#include "request/grant.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/time.h"
#include "request/invalid.h"

/* base64url without padding (RFC 4648, 5) -> bytes. */
static guchar *decode_part(const char *part, gsize *size)
{
    g_autoptr(GString) text = g_string_new(part);
    for (char *c = text->str; *c != '\0'; c++) {
        if (*c == '-')
            *c = '+';
        else if (*c == '_')
            *c = '/';
    }
    while (text->len % 4 != 0)
        g_string_append_c(text, '=');
    return g_base64_decode(text->str, size);
}

static json_t *load_claims(const char *token)
{
    g_auto(GStrv) parts = g_strsplit(token, ".", 4);
    if (g_strv_length(parts) != 3)
        return NULL;
    gsize size = 0;
    g_autofree guchar *payload = decode_part(parts[1], &size);
    json_t *claims = json_loadb((const char *)payload, size, 0, NULL);
    if (json_is_object(claims))
        return claims;
    json_decref(claims);
    return NULL;
}

EgGrant *eg_grant_parse(const char *token, GError **error)
{
    json_t *claims = load_claims(token);
    if (claims == NULL) {
        eg_request_invalid(error, "token", "it is not a JWT");
        return NULL;
    }
    const json_t *video = json_object_get(claims, "video");
    const json_t *subscribe = json_object_get(video, "canSubscribe");
    double expires_s = json_number_value(json_object_get(claims, "exp"));

    EgGrant *grant = g_new0(EgGrant, 1);
    grant->room = g_strdup(json_string_value(json_object_get(video, "room")));
    if (isfinite(expires_s) && expires_s > 0 && expires_s < 9e9)
        grant->expires_ns = (gint64)(expires_s * (double)EG_NS_PER_S);
    grant->can_join = json_is_true(json_object_get(video, "roomJoin"));
    /* Not said means allowed. */
    grant->can_subscribe = subscribe == NULL || json_is_true(subscribe);
    json_decref(claims);
    return grant;
}

void eg_grant_free(EgGrant *grant)
{
    if (grant == NULL)
        return;
    g_free(grant->room);
    g_free(grant);
}
