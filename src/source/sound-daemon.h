#pragma once

#include "source/helper.h"

/* The daemon that a sound has for itself: PulseAudio with a sink that plays to nobody, at
 * EG_SOUND_RATE_HZ. It finds nothing of the machine's own sound, and writes nothing outside its
 * folder. Session thread only. */
typedef struct _EgSoundDaemon EgSoundDaemon;

typedef struct {
    const char *folder;             /* private; its files go there */
    const char *const *environment; /* of programs in it */
    const EgLog *log;
} EgSoundDaemonParams;

/* Starts it. Its socket exists when this returns: who connects before the daemon is there waits.
 * `exited` as in source/helper.h. */
EgSoundDaemon *eg_sound_daemon_new(EgLoop *loop, const EgSoundDaemonParams *params,
                                   void (*exited)(gpointer user, const GError *error),
                                   gpointer user, GError **error);
void eg_sound_daemon_free(EgSoundDaemon *daemon);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgSoundDaemon, eg_sound_daemon_free)

GPid eg_sound_daemon_pid(const EgSoundDaemon *daemon);

/* "unix:/path", for libpulse. */
const char *eg_sound_daemon_server(const EgSoundDaemon *daemon);

/* A file with nothing secret in it: libpulse must have one, and would make it in $HOME. */
const char *eg_sound_daemon_cookie_path(const EgSoundDaemon *daemon);

/* What a client needs to find it, and nothing else; "NAME=value", ends with NULL. */
const char *const *eg_sound_daemon_client_environment(const EgSoundDaemon *daemon);

/* "name" of the sink in libpulse. */
#define EG_SOUND_DAEMON_SINK "egress"
