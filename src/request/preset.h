#pragma once

#include <glib.h>

#include "livekit_egress.pb-c.h"

/* LiveKit's sizes and rates of encoded video: one table. All are H264 main. */
typedef struct {
    const char *name; /* "portrait-720p30" */
    Livekit__EncodingOptionsPreset preset;
    guint width;
    guint height;
    guint fps;
    guint bitrate_bps;
} EgPreset;

/* NULL if there is no such preset; PASSTHROUGH is none. */
const EgPreset *eg_preset_find(Livekit__EncodingOptionsPreset preset);
const EgPreset *eg_preset_from_name(const char *name);

/* "720p30, 720p60, ...": for help and error texts. A new string. */
char *eg_preset_names(void);
