#pragma once

#include <glib.h>
#include <stdbool.h>

/* When a call that a store has not answered well is made again. A value that its owner keeps; times
 * are monotonic. */
typedef struct {
    guint max_attempts; /* after so many in a row another store may take over */
    gint64 min_delay_ns;
    gint64 max_delay_ns;
    gint64 patience_ns; /* without another store: for how long nothing may succeed */
    bool has_backup;
} EgUploadPolicy;

typedef struct {
    guint attempts;  /* that have failed since the last success */
    gint64 since_ns; /* the first of them */
    gint64 last_ns;
} EgUploadRetry;

void eg_upload_retry_succeeded(EgUploadRetry *retry);

/* A call that was made at `began_ns` has failed now, in a way that may pass. The instant of the
 * next attempt, or EG_TIME_NONE: there is none. The delay doubles from attempt to attempt, and is
 * between half of it and the whole by `random` (0 to 1); at least `retry_after_ns`. Calls that
 * fail together count once. */
gint64 eg_upload_retry_failed(EgUploadRetry *retry, const EgUploadPolicy *policy, gint64 began_ns,
                              gint64 retry_after_ns, double random, gint64 now_ns);
