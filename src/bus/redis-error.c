#include "bus/redis-error.h"

#include <string.h>

#define MAX_REASON_BYTES 200

char *eg_redis_clean_reason(const char *text, gsize length)
{
    g_autofree char *given = g_strndup(text, length);
    /* "ERR unknown command `AUTH`, with args beginning with: `the password`" */
    char *args = strstr(given, ", with args");
    if (args != NULL)
        *args = '\0';
    char *valid = g_utf8_make_valid(given, -1);
    for (char *at = valid; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = ' ';
    if (strlen(valid) > MAX_REASON_BYTES)
        *g_utf8_find_prev_char(valid, valid + MAX_REASON_BYTES + 1) = '\0';
    return g_strchomp(valid);
}
