#pragma once

#include <glib.h>
#include <stdbool.h>

#include "request/codec.h"

/* What has to be known of the payload of a video packet before a depayloader sees it. Pure; for
 * whatever bytes the network has. */
typedef struct {
    bool starts_frame;  /* certainly the first packet of its frame (of its superframe, VP9) */
    bool is_key;        /* part of a key frame; known of the first packet, H264: of any */
    gsize header_bytes; /* of the payload descriptor, VP8 and VP9 */

    /* VP9. */
    guint layer;       /* spatial */
    bool starts_layer; /* begins the frame of its layer */
    guint n_layers;    /* whose sizes are announced in this packet, or 0 */
    struct {
        guint width;
        guint height;
    } layers[8];
} EgRtpPayload;

/* VP8: RFC 7741. VP9: RFC 9628. H264: RFC 6184, packetization modes 0 and 1. False if the payload
 * is malformed or of a kind that is not taken; such a packet must not go on. */
bool eg_rtp_payload_parse(EgCodec codec, const guint8 *data, gsize size_bytes,
                          EgRtpPayload *payload);

/* The size of the pictures from the first bytes of a VP8 (RFC 6386, 9.1) or VP9 (uncompressed
 * header) key frame. False if there is none in them. */
bool eg_vp8_picture_size(const guint8 *data, gsize size_bytes, guint *width, guint *height);
bool eg_vp9_picture_size(const guint8 *data, gsize size_bytes, guint *width, guint *height);
