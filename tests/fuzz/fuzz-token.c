/* Authorization headers of the Egress API: only what was signed with our secret, and says
 * roomRecord, may come in. The input is a whole header, or with "CLAIMS " in front of it JSON that
 * is signed with our secret (good) and with another (bad). */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/time.h"
#include "request/grant.h"
#include "room/token.h"
#include "service/api-grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY    "devkey"
#define SECRET "a-secret-that-is-long-enough-for-hs256"
#define SIGNED "CLAIMS "

static bool is_allowed(const char *header, const char *secret)
{
    g_autoptr(GError) error = NULL;
    bool may = eg_api_grant_check(header, KEY, secret, eg_wall_now_ns(), &error);
    g_assert_true(may == (error == NULL));
    return may;
}

static void try_claims(const char *claims)
{
    g_autofree char *token = eg_token_sign(KEY, SECRET, claims, 60, NULL);
    if (token == NULL)
        return;
    g_autofree char *header = g_strconcat("Bearer ", token, NULL);
    is_allowed(header, SECRET);
    g_assert_false(is_allowed(header, SECRET "-another"));
    g_autoptr(EgGrant) grant = eg_grant_parse(token, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(EgGrant) grant = eg_grant_parse(text, NULL);
    /* Nobody who does not know the secret can have signed it. */
    g_assert_false(is_allowed(text, SECRET));
    if (g_str_has_prefix(text, SIGNED))
        try_claims(text + strlen(SIGNED));
    return 0;
}
