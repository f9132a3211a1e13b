#pragma once

#include <gst/gst.h>
#include <stdbool.h>

/* Opus packets (RFC 6716, section 3). */

/* How long the sound of a packet is, by its table-of-contents byte; 0 if the packet is malformed.
 * At most 120 ms. */
gint64 eg_opus_duration_ns(const guint8 *data, gsize size_bytes);

/* Whether it is the packet of digital silence with which the server goes on for a second when a
 * microphone is muted or gone. Those are stamped out of step with the microphone's own. */
bool eg_opus_is_silence(const guint8 *data, gsize size_bytes);

typedef void (*EgOpusFunc)(gpointer user, GstBuffer *packet);

/* Gives `emit` packets of silence, (transfer full), with PTS and duration set, that follow each
 * other from `start_ns` up to at most `end_ns`. A room sends nothing for a muted microphone or for
 * a lost packet, but a file's sound must not be early after it. What cannot be filled, since the
 * shortest packet is 2.5 ms long, is left at the end. Returns where the silence ends. */
gint64 eg_opus_fill(gint64 start_ns, gint64 end_ns, EgOpusFunc emit, gpointer user);
