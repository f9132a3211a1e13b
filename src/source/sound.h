#pragma once

#include <gst/gst.h>

#include "base/log.h"
#include "base/loop.h"

/* A private sound daemon (PulseAudio) with one sink, and what is played to it. Session thread only;
 * callbacks come from the loop.
 *
 * The sink has no device that could play a sample sooner or later: a sample is heard when the sink
 * takes it in, by the sink's own count, which follows the monotonic clock. That is the instant that
 * programs learn from the daemon as well, and a page from AudioContext.getOutputTimestamp(). */
typedef struct _EgSound EgSound;

#define EG_SOUND_RATE_HZ 48000

typedef struct {
    const char *folder;             /* private; its socket goes there. Outlives the sound */
    const char *const *environment; /* of programs in it (eg_run_folder_environment()) */
    const EgLog *log;
} EgSoundParams;

typedef struct {
    /* Once: programs can connect, and what they play is heard. */
    void (*ready)(gpointer user);
    /* What is heard (transfer full): interleaved F32LE, stereo, EG_SOUND_RATE_HZ, some ms at a
     * time. PTS is the instant (monotonic ns) at which the first sample is heard, which may be 20
     * ms from now. One buffer begins where the one before ends, but for some us, unless samples
     * were lost. Also silence comes. Between eg_sound_start() and eg_sound_stop(); must not free
     * the sound. */
    void (*sound)(gpointer user, GstBuffer *sound);
    /* It is gone. The last one. */
    void (*failed)(gpointer user, const GError *error);
} EgSoundEvents;

EgSound *eg_sound_new(EgLoop *loop, const EgSoundParams *params, const EgSoundEvents *events,
                      gpointer user, GError **error);
void eg_sound_free(EgSound *sound);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSound, eg_sound_free)

/* What a program needs to find it, "NAME=value", ends with NULL; the sound's. A program may be
 * started before `ready`: it waits for the daemon when it connects. */
const char *const *eg_sound_environment(const EgSound *sound);

/* After `ready`. */
void eg_sound_start(EgSound *sound);
void eg_sound_stop(EgSound *sound);
