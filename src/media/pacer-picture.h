#pragma once

#include <gst/gst.h>
#include <stdbool.h>

#include "media/pacer.h"

/* The pictures of one track, each with the tick at which it is to be shown. For the pacer. */
typedef struct _EgPictureInput EgPictureInput;

typedef struct {
    GstBuffer *buffer;
    guint64 serial; /* of this picture among all of the pacer; 0: no picture */
    gint64 instant_ns;
} EgPicture;

/* At most `limit` pictures wait. Counts in `stats`, which must live as long. */
EgPictureInput *eg_picture_input_new(guint fps, gint64 hold_ns, guint limit, EgPacerStats *stats);
void eg_picture_input_free(EgPictureInput *input);

void eg_picture_input_start(EgPictureInput *input, gint64 origin_ns);

/* (transfer full). Serials rise; `next_tick`: the first one that was not put out yet. */
void eg_picture_input_push(EgPictureInput *input, GstBuffer *buffer, guint64 serial,
                           gint64 next_tick);

/* `now_ns`: when it ceased to be live, if it does. */
void eg_picture_input_set_live(EgPictureInput *input, bool is_live, gint64 now_ns);
bool eg_picture_input_is_live(const EgPictureInput *input);

/* The picture that would be shown at the tick (which is at `tick_ns`), borrowed; serial 0 if none:
 * nothing came yet, the last one was held long enough, or the track is muted or has ended. */
EgPicture eg_picture_input_at(const EgPictureInput *input, gint64 tick, gint64 tick_ns);

/* Whether there is a picture for a later tick already, so that none will come for this one. */
bool eg_picture_input_is_past(const EgPictureInput *input, gint64 tick);

/* The tick is over: drops what is not shown later. */
void eg_picture_input_release(EgPictureInput *input, gint64 tick);

/* Whether it has nothing to show at a tick at `tick_ns`, or later, unless something is pushed. */
bool eg_picture_input_is_empty(const EgPictureInput *input, gint64 tick_ns);
