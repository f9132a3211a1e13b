/* What stores answer in XML: whatever comes, there is a text or none. */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "storage/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {
        "Error",
        "Error/Code",
        "Error/Message",
        "ErrorResponse/Error/Code",
        "LocationConstraint",
        "InitiateMultipartUploadResult/UploadId",
        "CompleteMultipartUploadResult",
        "AssumeRoleResponse/AssumeRoleResult/Credentials/SessionToken",
    };
    g_autoptr(GBytes) body = g_bytes_new(data, size);
    for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
        g_autofree char *text = eg_xml_find(body, paths[i]);
        if (text == NULL)
            continue;
        g_assert_true(g_utf8_validate(text, -1, NULL));
        g_assert_cmpuint(strlen(text), <=, size);
        g_assert_false(g_ascii_isspace(*text));
    }
    return 0;
}
