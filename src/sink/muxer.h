#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "request/format.h"

/* Writes one container file, by libavformat. No queue and no thread: whoever calls waits for the
 * disk. One thread at a time. */
typedef struct _EgMuxer EgMuxer;

/* `audio` and `video`: caps of the coded frames (NULL: none). An MP4 is written in fragments, so
 * that it can be played up to the last eg_muxer_flush() whatever happens. */
EgMuxer *eg_muxer_new(const char *path, EgFormat format, const GstCaps *audio, const GstCaps *video,
                      GError **error);

/* Into what is open already; `name` is for errors. `io` is an AVIOContext, taken also on failure
 * and closed with the muxer. `shift_ns` is added to all times. */
EgMuxer *eg_muxer_new_live(void *io, const char *name, EgFormat format, const GstCaps *audio,
                           const GstCaps *video, gint64 shift_ns, GError **error);

/* Closes the file as it is. NULL is fine. */
void eg_muxer_free(EgMuxer *muxer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgMuxer, eg_muxer_free)

/* Times as in media/frame.h. Frames of one kind in decoding order; either kind may be missing for
 * as long as it likes. The frame stays the caller's. */
bool eg_muxer_write(EgMuxer *muxer, EgMedia media, GstBuffer *frame, GError **error);

/* What was written until now can be played from now on. */
bool eg_muxer_flush(EgMuxer *muxer, GError **error);

/* MPEG-TS only: closes the file, which is complete, and goes on in another one. A frame is written
 * to the part that is open; between the two calls there is none. */
bool eg_muxer_end_part(EgMuxer *muxer, GError **error);
bool eg_muxer_begin_part(EgMuxer *muxer, const char *path, GError **error);

/* Completes the file and closes it. Nothing is written afterwards. */
bool eg_muxer_finish(EgMuxer *muxer, GError **error);

guint64 eg_muxer_size_bytes(const EgMuxer *muxer);

/* From where on what was flushed is not written again by eg_muxer_finish(). */
guint64 eg_muxer_stable_from(const EgMuxer *muxer);

/* How long the last frame of each kind is, which a file that was written in fragments does not say
 * to its reader; 0: as long as the one before. */
typedef struct {
    gint64 last_duration_ns[EG_N_MEDIA];
} EgRemuxHints;

/* Copies the streams of a file of ours, which may end anywhere, into an ordinary one with the index
 * in front (MP4) or complete (the others). `*progress` (atomic, may be NULL) rises while it works;
 * it gives up when `*is_canceled` (atomic, may be NULL) becomes true. A failure leaves no file at
 * `to`. Any thread. */
bool eg_remux(const char *from, const char *to, EgFormat format, const EgRemuxHints *hints,
              gint *progress, const gint *is_canceled, GError **error);
