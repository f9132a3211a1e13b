#include "storage/upload-retry.h"

#include "base/time.h"

/* A store that has been down for a while is not asked more often than that. */
#define MAX_OUTAGE_DELAY_NS (30 * EG_NS_PER_S)

/* A store may ask for any patience; ours has an end. */
#define MAX_RETRY_AFTER_NS (5 * 60 * EG_NS_PER_S)

void eg_upload_retry_succeeded(EgUploadRetry *retry)
{
    retry->attempts = 0;
}

/* Up to the store's own limit for its attempts; beyond them it is an outage. */
static gint64 delay_ns(const EgUploadRetry *retry, const EgUploadPolicy *policy)
{
    gint64 limit_ns = policy->max_delay_ns;
    if (retry->attempts >= policy->max_attempts)
        limit_ns = MAX(limit_ns, MAX_OUTAGE_DELAY_NS);
    gint64 delay_ns = MAX(policy->min_delay_ns, EG_NS_PER_MS);
    for (guint i = 1; i < retry->attempts && delay_ns < limit_ns; i++)
        delay_ns *= 2;
    return MIN(delay_ns, limit_ns);
}

gint64 eg_upload_retry_failed(EgUploadRetry *retry, const EgUploadPolicy *policy, gint64 began_ns,
                              gint64 retry_after_ns, double random, gint64 now_ns)
{
    if (retry->attempts == 0 || began_ns >= retry->last_ns) {
        retry->since_ns = retry->attempts == 0 ? began_ns : retry->since_ns;
        retry->last_ns = now_ns;
        retry->attempts++;
    }
    if (policy->has_backup && retry->attempts >= policy->max_attempts)
        return EG_TIME_NONE;
    gint64 wait_ns = delay_ns(retry, policy);
    wait_ns = wait_ns / 2 + (gint64)((double)(wait_ns - wait_ns / 2) * random);
    gint64 next_ns = now_ns + MAX(wait_ns, MIN(retry_after_ns, MAX_RETRY_AFTER_NS));
    bool is_over = policy->patience_ns > 0 && next_ns - retry->since_ns > policy->patience_ns;
    return is_over && !policy->has_backup ? EG_TIME_NONE : next_ns;
}
