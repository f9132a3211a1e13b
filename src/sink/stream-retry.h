#pragma once

#include <glib.h>
#include <stdbool.h>

/* When a stream that was lost is tried again. A value that its owner keeps; times are monotonic. */
typedef struct {
    gint64 patience_ns;  /* for how long; 0: for ever */
    gint64 lost_ns;      /* since when it has not worked; EG_TIME_NONE: it works, or never has */
    gint64 connected_ns; /* the last time; EG_TIME_NONE: never */
    bool is_connected;
    gint64 backoff_ns; /* before the next try */
} EgStreamRetry;

void eg_stream_retry_init(EgStreamRetry *retry, gint64 patience_ns);

void eg_stream_retry_connected(EgStreamRetry *retry, gint64 now_ns);

/* A connection is lost, or cannot be made. The instant of the next try; EG_TIME_NONE: there is
 * none. What never worked is not tried again. */
gint64 eg_stream_retry_failed(EgStreamRetry *retry, gint64 now_ns);
