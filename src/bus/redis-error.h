#pragma once

#include <glib.h>

/* What a server says when it refuses, fit for errors and logs: one line of at most 200 bytes of
 * valid text, without the arguments of commands, which may be secret. Free with g_free(). */
char *eg_redis_clean_reason(const char *text, gsize length);
