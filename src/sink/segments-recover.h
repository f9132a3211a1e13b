#pragma once

#include "sink/sink.h"

/* What a sink of segments has left: those that are complete, the last one up to where it breaks
 * off, and playlists that name all of them and are ended. Any thread. */
void eg_segments_recover(const EgSinkParams *params, EgSinkRemains *remains);
