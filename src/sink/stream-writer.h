#pragma once

#include "sink/sink.h"
#include "sink/stream-queue.h"

/* The thread of one stream: connects, sends what is pushed, connects again when that breaks. */
typedef struct _EgStreamWriter EgStreamWriter;

/* On the loop's thread, never from inside a call. */
typedef struct {
    void (*connected)(gpointer user); /* the server takes the stream, at first or again */
    /* It is tried again, after a pause; `cause`: why that is necessary. */
    void (*retrying)(gpointer user, const GError *cause);
    /* The last: everything is sent, or (with an error) it cannot go on. */
    void (*ended)(gpointer user, const GError *error);
} EgStreamWriterEvents;

/* Connects at once; only a URL that is none is an error here. */
EgStreamWriter *eg_stream_writer_new(EgLoop *loop, const EgSinkParams *params,
                                     const EgStreamWriterEvents *events, gpointer user,
                                     GError **error);

/* Gives up what is under way. */
void eg_stream_writer_free(EgStreamWriter *writer);

/* Whether something was left out for it, because the server is too slow. */
bool eg_stream_writer_push(EgStreamWriter *writer, EgMedia media, GstBuffer *frame);

/* Sends what is left, and ends. One that is not connected (any more) just ends. */
void eg_stream_writer_finish(EgStreamWriter *writer);

/* Ends it whatever is left. */
void eg_stream_writer_cancel(EgStreamWriter *writer);

/* Bytes, duration and dropped frames of what was sent; any thread. */
void eg_stream_writer_get_stats(EgStreamWriter *writer, EgSinkStats *stats);
