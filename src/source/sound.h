#pragma once

#include <gst/gst.h>

#include "base/log.h"
#include "base/loop.h"

/* A private sound daemon (PulseAudio) with one sink, and what is played to it. Session thread only;
 * callbacks come from the loop. */
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
    /* What is heard (transfer full): interleaved F32LE, stereo, EG_SOUND_RATE_HZ. PTS is the
     * instant (monotonic ns) at which the first sample is heard; also silence comes. Between
     * eg_sound_start() and eg_sound_stop(). */
    void (*sound)(gpointer user, GstBuffer *sound);
    /* It is gone. The last one. */
    void (*failed)(gpointer user, const GError *error);
} EgSoundEvents;

EgSound *eg_sound_new(EgLoop *loop, const EgSoundParams *params, const EgSoundEvents *events,
                      gpointer user, GError **error);
void eg_sound_free(EgSound *sound);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSound, eg_sound_free)

/* What a program needs to find it, "NAME=value", ends with NULL; the sound's, valid from `ready`
 * on.
 */
const char *const *eg_sound_environment(const EgSound *sound);

void eg_sound_start(EgSound *sound);
void eg_sound_stop(EgSound *sound);
