#pragma once

#include "base/loop.h"
#include "livekit_egress.pb-c.h"
#include "service/state.h"

/* All egresses that this service knows, running and ended, for ListEgress: what livekit-server
 * keeps in Redis where there is one. Ended ones are kept for 24 hours, over restarts (on disk).
 * Loop's thread only. */
typedef struct _EgArchive EgArchive;

/* `root` as of eg_state_new(): the archive has its own folder there, of which two services share
 * none. */
EgArchive *eg_archive_new(EgLoop *loop, const char *root, GError **error);
void eg_archive_free(EgArchive *archive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgArchive, eg_archive_free)

/* An error: it is known, but was not written to the disk. */
bool eg_archive_put(EgArchive *archive, const Livekit__EgressInfo *info, GError **error);
const Livekit__EgressInfo *eg_archive_find(const EgArchive *archive, const char *egress_id);

/* Those that the request asks for (room_name, egress_id, active), newest first. Page by page:
 * `request->page_token` and the response's next_page_token. Freed with
 * livekit__list_egress_response__free_unpacked(). Unknown egress_id: not_found. */
Livekit__ListEgressResponse *eg_archive_list(const EgArchive *archive,
                                             const Livekit__ListEgressRequest *request,
                                             GError **error);
