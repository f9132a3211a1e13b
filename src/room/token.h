#pragma once

#include <glib.h>

/* The token that joins a room as the hidden recorder `identity` (the egress id), valid for 24
 * hours: a JWT signed with HS256 (RFC 7519). Returns a new string; NULL and an error if the key or
 * secret is empty. */
char *eg_token_new(const char *api_key, const char *api_secret, const char *room_name,
                   const char *identity, GError **error);

/* A token of any kind: signs `claims` (a JSON object) with the issuer `api_key`, valid for
 * `valid_s` seconds from now. Returns a new string; NULL and an error as above. */
char *eg_token_sign(const char *api_key, const char *api_secret, const char *claims, guint valid_s,
                    GError **error);
