#include "storage/rate-limit.h"

#include "base/time.h"

/* What one gets at a time: short enough that others, and who cancels, don't wait for long. */
#define PIECE_NS (50 * EG_NS_PER_MS)

void eg_rate_limit_set(EgRateLimit *limit, guint64 bytes_per_s)
{
    g_mutex_lock(&limit->lock);
    limit->bytes_per_s = bytes_per_s;
    limit->free_at_ns = 0;
    g_mutex_unlock(&limit->lock);
}

gsize eg_rate_limit_take(EgRateLimit *limit, gsize wanted, gint64 now_ns, gint64 *from_ns)
{
    *from_ns = now_ns;
    g_mutex_lock(&limit->lock);
    if (limit->bytes_per_s > 0) {
        double bytes_per_s = (double)limit->bytes_per_s;
        double piece = bytes_per_s * (double)PIECE_NS / (double)EG_NS_PER_S;
        if ((double)wanted > piece)
            wanted = MAX((gsize)piece, 1);
        *from_ns = MAX(now_ns, limit->free_at_ns);
        limit->free_at_ns = *from_ns + (gint64)((double)wanted * (double)EG_NS_PER_S / bytes_per_s);
    }
    g_mutex_unlock(&limit->lock);
    return wanted;
}
