#include "sink/stream-retry.h"

#include "base/time.h"

#define FIRST_BACKOFF_NS (500 * EG_NS_PER_MS)
#define MAX_BACKOFF_NS   (5 * EG_NS_PER_S)

/* What breaks sooner has not worked: a server may take a stream and throw it out at once. */
#define STABLE_NS (10 * EG_NS_PER_S)

void eg_stream_retry_init(EgStreamRetry *retry, gint64 patience_ns)
{
    *retry = (EgStreamRetry){
        .patience_ns = patience_ns,
        .lost_ns = EG_TIME_NONE,
        .connected_ns = EG_TIME_NONE,
        .backoff_ns = FIRST_BACKOFF_NS,
    };
}

void eg_stream_retry_connected(EgStreamRetry *retry, gint64 now_ns)
{
    retry->connected_ns = now_ns;
    retry->is_connected = true;
}

gint64 eg_stream_retry_failed(EgStreamRetry *retry, gint64 now_ns)
{
    if (retry->connected_ns == EG_TIME_NONE)
        return EG_TIME_NONE;
    bool was_stable = retry->is_connected && now_ns - retry->connected_ns >= STABLE_NS;
    retry->is_connected = false;
    if (retry->lost_ns == EG_TIME_NONE || was_stable) {
        retry->lost_ns = now_ns;
        retry->backoff_ns = FIRST_BACKOFF_NS;
    }
    gint64 next_ns = now_ns + retry->backoff_ns;
    retry->backoff_ns = MIN(2 * retry->backoff_ns, MAX_BACKOFF_NS);
    if (retry->patience_ns > 0 && next_ns - retry->lost_ns > retry->patience_ns)
        return EG_TIME_NONE;
    return next_ns;
}
