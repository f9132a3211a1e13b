#pragma once

#include "livekit_egress.pb-c.h"
#include "request/plan.h"

/* The report as one line of JSON, as LiveKit's API writes an EgressInfo. A new string. */
char *eg_result_json(const Livekit__EgressInfo *info);

/* A line for each output on the disk:
 * "standup.mp4  10.0 s  3.7 MB  H264 1280x720, AAC  (alice: camera VP8, microphone Opus)";
 * `description` (may be NULL) says what was recorded. NULL if there is nothing. A new string. */
char *eg_result_summary(const Livekit__EgressInfo *info, const EgPlan *plan,
                        const char *description);
