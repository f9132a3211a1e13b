#pragma once

#include "report/publisher.h"
#include "service/archive.h"
#include "service/webhooks.h"

/* What livekit-server does with reports where there is one, done here: kept in the archive, told to
 * webhooks. Takes everything at once. */
typedef struct _EgStandalone EgStandalone;

EgStandalone *eg_standalone_new(EgLoop *loop, EgArchive *archive, EgWebhooks *webhooks,
                                const EgLog *log);
void eg_standalone_free(EgStandalone *standalone);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgStandalone, eg_standalone_free)

EgPublisher eg_standalone_publisher(EgStandalone *standalone);
