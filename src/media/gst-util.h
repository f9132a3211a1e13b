#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "base/loop.h"

/* What is shared by everything that uses GStreamer. */

/* Initialises GStreamer for the process; later calls do nothing. Any thread. */
bool eg_gst_init(GError **error);

/* The one translation of GStreamer's errors: a full disk, a missing right and the like blame the
 * destination, a missing element names itself, everything else is an internal error. `doing` is
 * what went wrong for people, "decode H264". */
void eg_gst_error_translate(GError **error, const GError *from, const char *doing);

/* A bin of elements in gst-launch notation, with ghost pads "sink" and "src" where its ends are
 * open. Floating. */
GstElement *eg_gst_bin_new(const char *description, const char *doing, GError **error);
