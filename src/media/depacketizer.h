#pragma once

#include <gst/gst.h>

#include "request/codec.h"
#include "room/packet.h"

/* RTP packets of one stream -> whole frames (access units), in the caller's thread: no pipeline, no
 * queue, no clock. The packets of a frame are held until it is whole; then they are joined, or,
 * H264, go through GStreamer's depayloader and parser. Nothing leaves before the first key frame;
 * after a loss frames are dropped until the next key frame. The blank frames with which the server
 * flushes a track's end (VP8 8x8, H264 2x2) never leave. Session thread only; events come from
 * inside eg_depacketizer_push(). */
typedef struct _EgDepacketizer EgDepacketizer;

typedef struct {
    /* What follows; also again when it changes (codec data, size). Caps are borrowed. */
    void (*caps)(gpointer user, GstCaps *caps);
    /* (transfer full), with PTS as given; GST_BUFFER_FLAG_DELTA_UNIT unless a key frame;
     * GST_BUFFER_FLAG_DISCONT after something was lost. */
    void (*frame)(gpointer user, GstBuffer *frame);
    /* Whether a key frame has to be asked for; told when it changes. */
    void (*wants_key_frame)(gpointer user, bool wants);
    void (*failed)(gpointer user, const GError *error);
} EgDepacketizerEvents;

typedef struct {
    guint64 frames;
    guint64 dropped; /* incomplete, waiting for a key frame, or blank */
} EgDepacketizerStats;

EgDepacketizer *eg_depacketizer_new(EgCodec codec, const EgDepacketizerEvents *events,
                                    gpointer user, GError **error);
void eg_depacketizer_free(EgDepacketizer *depacketizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgDepacketizer, eg_depacketizer_free)

/* `instant_ns` of eg_timeline_track_map(): the PTS of the frame that the packet belongs to. */
void eg_depacketizer_push(EgDepacketizer *depacketizer, EgPacket *packet, gint64 instant_ns);
void eg_depacketizer_get_stats(const EgDepacketizer *depacketizer, EgDepacketizerStats *stats);
