#pragma once

#include "livekit_egress.pb-c.h"

/* Says in `info` where what there is of its files on this machine really is, which may be under an
 * unfinished name, or nowhere; ends playlists that nobody writes any more. What is in a store is
 * left as it is. Looks at the disk. */
void eg_locate_files(Livekit__EgressInfo *info);
