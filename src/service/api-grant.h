#pragma once

#include <glib.h>
#include <stdbool.h>

/* Whether an Authorization header ("Bearer TOKEN"; may be NULL) allows to use the Egress API: a JWT
 * (RFC 7519) signed with HS256 by `api_secret`, issued by `api_key`, valid at `now_ns` (since the
 * Unix epoch), with the grant video.roomRecord. Else unauthenticated, with LiveKit's texts
 * ("permissions denied"). */
bool eg_api_grant_check(const char *authorization, const char *api_key, const char *api_secret,
                        gint64 now_ns, GError **error);
