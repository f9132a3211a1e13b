#pragma once

#include "service/archive.h"
#include "service/egresses.h"

/* LiveKit's Egress API over HTTP where there is no livekit-server in front of us: POST
 * /twirp/livekit.Egress/METHOD, JSON or protobuf by Content-Type, a JWT of the config's key with
 * the grant roomRecord. UpdateLayout goes to the room server's API. Loop's thread only. */
typedef struct _EgTwirp EgTwirp;

EgTwirp *eg_twirp_new(EgLoop *loop, const EgConfig *config, EgEgresses *egresses,
                      EgArchive *archive, const EgLog *log, GError **error);

/* When the loop has ended: calls under way lose their connections. */
void eg_twirp_free(EgTwirp *twirp);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgTwirp, eg_twirp_free)

guint eg_twirp_port(const EgTwirp *twirp); /* that it listens on */
