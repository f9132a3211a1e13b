#pragma once

#include <glib.h>
#include <stdbool.h>

#include "livekit_egress.pb-c.h"

/* Whom an egress is reported to: livekit-server over IOInfo, or our own store without one. One of a
 * table of functions; loop's thread only. */
typedef struct {
    /* Tells of a new egress (`is_new`), or how one is now. `done` is called once, never from
     * inside, with an error if it was not taken: retryable, or for good. `info` is valid during the
     * call. */
    void (*publish)(gpointer publisher, const Livekit__EgressInfo *info, bool is_new,
                    void (*done)(gpointer user, const GError *error), gpointer user);
} EgPublisherClass;

typedef struct {
    const EgPublisherClass *class;
    gpointer publisher;
} EgPublisher;
