#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "request/codec.h"

/* The coded frames that wait for a server: always something that can be shown from its beginning,
 * never more than some seconds. What a slow server costs is pictures up to the next key frame, not
 * memory. No lock and no thread of its own; times as in media/frame.h. */
typedef struct _EgStreamQueue EgStreamQueue;

EgStreamQueue *eg_stream_queue_new(bool has_audio, bool has_video);
void eg_stream_queue_free(EgStreamQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgStreamQueue, eg_stream_queue_free)

/* (transfer full); `now_ns` is monotonic. */
void eg_stream_queue_push(EgStreamQueue *queue, EgMedia media, GstBuffer *frame, gint64 now_ns);

/* Nobody takes frames now: only what a viewer needs who comes next is kept, from the last key frame
 * on. It stays so until the first frame is taken. */
void eg_stream_queue_restart(EgStreamQueue *queue);

/* The next in the order of decoding (transfer full). NULL: there is none yet; it is worth asking
 * again at `*next_ns`, EG_TIME_NONE: when something was pushed. With `is_last` nothing more is
 * waited for. */
GstBuffer *eg_stream_queue_take(EgStreamQueue *queue, bool is_last, gint64 now_ns, EgMedia *media,
                                gint64 *next_ns);

guint64 eg_stream_queue_dropped(const EgStreamQueue *queue); /* because it was full */
