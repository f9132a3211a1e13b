/* What Google's servers answer, in any of the places where it is read, and files of credentials:
 * text that goes on into headers has no line ends, errors are one line of bounded length, and
 * numbers fit. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "storage/crc.h"
#include "storage/gcs-credentials.h"
#include "storage/gcs-reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_ERROR_BYTES 1000

static void check_error(const GError *error)
{
    g_assert_nonnull(error);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strpbrk(error->message, "\r\n"));
    g_assert_cmpuint(strlen(error->message), <, MAX_ERROR_BYTES);
}

static void try_answers(GBytes *body)
{
    gint64 valid_ns = 0;
    g_autofree char *token = eg_gcs_token_parse(body, &valid_ns);
    if (token != NULL) {
        g_assert_null(strpbrk(token, "\r\n"));
        g_assert_cmpint(valid_ns, >=, 0);
    }
    EgGcsObject object;
    if (eg_gcs_object_parse(body, &object)) {
        g_assert_cmpuint(object.n_bytes, <=, G_MAXINT64);
        g_assert_cmpuint(object.crc, <=, G_MAXUINT32);
    }
    static const guint statuses[] = {200, 400, 503};
    for (gsize i = 0; i < G_N_ELEMENTS(statuses); i++) {
        g_auto(EgHttpReply) reply = {
            .status = statuses[i],
            .headers = g_hash_table_new(g_str_hash, g_str_equal),
            .body = g_bytes_ref(body),
        };
        g_autoptr(GError) error = NULL;
        eg_gcs_set_error(&error, "put x", &reply);
        check_error(error);
        g_assert_true(eg_error_is_retryable(error) == (statuses[i] == 503));
    }
}

static void try_text(const char *text, gsize length)
{
    guint64 n_bytes;
    if (eg_gcs_range_parse(text, &n_bytes))
        g_assert_cmpuint(n_bytes, <=, G_MAXINT64);
    EgCrcSum sum = {0};
    if (eg_crc_add(&eg_crc64, &sum, text))
        g_assert_cmpuint(sum.n_bytes, <=, G_MAXINT64);

    g_auto(EgGcsCredentials) credentials = {0};
    g_autoptr(GError) error = NULL;
    if (eg_gcs_credentials_parse(&credentials, text, length, &error))
        g_assert_nonnull(credentials.token_uri);
    else
        check_error(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) body = g_bytes_new(data, size);
    g_autofree char *text = g_strndup((const char *)data, size);
    try_answers(body);
    try_text(text, strlen(text));
    return 0;
}
