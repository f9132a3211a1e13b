/* URLs of outputs: nothing of a secret shows but its ends, and what is redacted stays as it is. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "proto/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET_CORE "cr3t-0123456789-s3cr"
#define SECRET      "0s3" SECRET_CORE "3t0"

static void check_hidden(const char *format, const char *text)
{
    g_autoptr(GString) url = g_string_new(format);
    g_string_replace(url, "KEY", SECRET, 1);
    g_string_replace(url, "TEXT", text, 1);
    g_autofree char *redacted = eg_redact_url(url->str);
    g_assert_null(strstr(redacted, SECRET_CORE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *redacted = eg_redact_url(text);
    g_autofree char *again = eg_redact_url(redacted);
    g_assert_cmpstr(again, ==, redacted);
    g_assert_cmpint(*text == '\0', ==, *redacted == '\0');
    if (g_utf8_validate(text, -1, NULL))
        g_assert_true(g_utf8_validate(redacted, -1, NULL));

    if (strstr(text, SECRET_CORE) != NULL)
        return 0;
    /* Whatever else is in the URL. */
    static const char *const formats[] = {
        // clang-format off
        "rtmp://TEXT/KEY", "rtmps://host/TEXT/KEY live=1", "rtmp://host/app/KEY?TEXT",
        "rtmp://host/app/TEXT?k=KEY", "mux://KEYTEXT", "twitch://TEXTKEY", "srt://host?k=KEYTEXT",
        "srt://TEXT?KEY", "wss://host/TEXT?a=b&k=KEY", "wss://TEXT#KEY", "wss://user:KEY@host/TEXT",
        "KEY",
        // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++)
        check_hidden(formats[i], text);
    return 0;
}
