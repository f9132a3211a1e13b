#pragma once

#include <glib.h>

/* So many bytes per second for all threads together, which wait in line for small pieces. All zero:
 * no limit. */
typedef struct {
    GMutex lock;
    guint64 bytes_per_s;
    gint64 free_at_ns; /* when what was given out so far has been sent */
} EgRateLimit;

/* Any thread, at any time; 0: no limit. */
void eg_rate_limit_set(EgRateLimit *limit, guint64 bytes_per_s);

/* How many of `wanted` bytes the caller may send, at least one of them, and from when on. Those are
 * taken. Any thread. */
gsize eg_rate_limit_take(EgRateLimit *limit, gsize wanted, gint64 now_ns, gint64 *from_ns);
