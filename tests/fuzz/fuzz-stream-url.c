/* URLs of streams, as requests name them. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "proto/redact.h"
#include "request/stream-url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const EgStreamUrl *url)
{
    g_assert_nonnull(url->server);
    g_assert_true(g_utf8_validate(url->server, -1, NULL));
    for (const char *c = url->server; *c != '\0'; c++)
        g_assert_false(g_ascii_iscntrl(*c) || *c == ' ');
    if (url->format == EG_FORMAT_FLV) {
        g_assert_nonnull(url->app);
        g_assert_nonnull(url->key);
        return;
    }
    g_assert_cmpint(url->format, ==, EG_FORMAT_TS);
    g_assert_nonnull(url->ignored);
    /* What SRT takes. */
    if (url->passphrase != NULL) {
        g_assert_cmpuint(strlen(url->passphrase), >=, 10);
        g_assert_cmpuint(strlen(url->passphrase), <=, 79);
    }
    if (url->stream_id != NULL)
        g_assert_cmpuint(strlen(url->stream_id), <=, 512);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(EgStreamUrl) url = eg_stream_url_parse(text, &error);
    g_assert_cmpint(url == NULL, ==, error != NULL);
    if (url != NULL)
        check(url);
    else
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
    /* A key is not shown, whether it is a URL or not. */
    g_autofree char *shown = eg_redact_url(text);
    g_assert_nonnull(shown);
    if (url != NULL && url->key != NULL && strlen(url->key) > 12)
        g_assert_null(strstr(shown, url->key));
    if (url != NULL && url->passphrase != NULL)
        g_assert_null(strstr(shown, url->passphrase));
    return 0;
}
