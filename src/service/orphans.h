#pragma once

#include "base/log.h"
#include "base/loop.h"
#include "livekit_egress.pb-c.h"

/* Egresses that a service which was killed has left. Their processes finish their files by
 * themselves, which may take a while; each is reported when nobody writes its files any more, so
 * that the report says where they are. Loop's thread only. */
typedef struct _EgOrphans EgOrphans;

/* `ended` is given the final report of each, once, from the loop. */
EgOrphans *eg_orphans_new(EgLoop *loop, const EgLog *log,
                          void (*ended)(gpointer user, const Livekit__EgressInfo *info),
                          gpointer user);

/* Those that are left are another's. */
void eg_orphans_free(EgOrphans *orphans);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgOrphans, eg_orphans_free)

/* What the final report of each says. */
GError *eg_orphans_error(void);

/* Copies it. */
void eg_orphans_add(EgOrphans *orphans, const Livekit__EgressInfo *info);

guint eg_orphans_count(const EgOrphans *orphans);
