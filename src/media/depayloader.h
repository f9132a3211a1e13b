#pragma once

#include <gst/gst.h>

#include "request/codec.h"
#include "room/packet.h"

/* GStreamer's depayloader and parser of a codec (media/elements.h), pushed to in the caller's
 * thread: no pipeline, no queue, no clock. */
typedef struct _EgDepayloader EgDepayloader;

/* From inside eg_depayloader_push(). */
typedef struct {
    void (*caps)(gpointer user, GstCaps *caps);     /* borrowed; before the first frame */
    void (*frame)(gpointer user, GstBuffer *frame); /* (transfer full), writable */
} EgDepayloaderEvents;

EgDepayloader *eg_depayloader_new(EgCodec codec, const EgDepayloaderEvents *events, gpointer user,
                                  GError **error);
void eg_depayloader_free(EgDepayloader *depayloader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgDepayloader, eg_depayloader_free)

/* A packet of a whole frame; the last one has the marker. False: the elements have broken on what
 * they got, and take nothing more. */
bool eg_depayloader_push(EgDepayloader *depayloader, EgPacket *packet, GError **error);
