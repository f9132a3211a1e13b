#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "config/config.h"
#include "livekit_egress.pb-c.h"

/* What the configuration has called when an egress is over, once for each of its outputs that has
 * files: a command, which reads the result as JSON, and URLs, which are sent the same as webhooks
 * are. Never in the way of an egress; what fails is logged. Loop's thread only. */
typedef struct _EgHooks EgHooks;

/* Config and log must outlive it. `done`: all that was called for an egress is over, however it
 * went; from the loop. */
EgHooks *eg_hooks_new(EgLoop *loop, const EgConfig *config, const EgLog *log,
                      void (*done)(gpointer user, const char *egress_id), gpointer user);

/* Commands that run are killed; nothing is told of them. */
void eg_hooks_free(EgHooks *hooks);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgHooks, eg_hooks_free)

/* `info` is final. False: nothing is to be called for it, and `done` does not come. */
bool eg_hooks_call(EgHooks *hooks, const Livekit__EgressInfo *info);

/* Calls that are not over. */
guint eg_hooks_pending(const EgHooks *hooks);
