/* What comes to the proxy of a page: a greeting, a request, and what follows. Whatever it is, no
 * byte behind a message is asked for, and a host is one that can be logged. */
#include "source/socks.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef gsize (*SizeFunc)(const guint8 *data, gsize size);

/* The size of the message at the beginning; 0: it is not whole. */
static gsize read_message(SizeFunc size_of, const uint8_t *data, size_t size)
{
    gsize have = 0;
    while (size_of(data, have) > have) {
        have = size_of(data, have);
        g_assert_cmpuint(have, <=, EG_SOCKS_MAX_SIZE);
        if (have > size)
            return 0;
    }
    return have;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gsize greeting = read_message(eg_socks_greeting_size, data, size);
    if (greeting == 0 || eg_socks_greeting_check(data, greeting) != EG_SOCKS_OK)
        return 0;
    data += greeting;
    gsize length = read_message(eg_socks_request_size, data, size - greeting);
    if (length == 0)
        return 0;
    EgSocksRequest request;
    EgSocksCode code = eg_socks_request_parse(data, length, &request);
    g_assert_cmpint(code, <=, EG_SOCKS_BAD_ADDRESS_TYPE);
    if (code != EG_SOCKS_OK)
        return 0;
    g_assert_cmpuint(strlen(request.host), >, 0);
    g_assert_cmpint(request.port, !=, 0);
    for (const char *at = request.host; *at != '\0'; at++)
        g_assert_true(g_ascii_isalnum(*at) || strchr("-_.:", *at) != NULL);
    return 0;
}
