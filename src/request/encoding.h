#pragma once

#include "request/plan.h"

/* From what a request says of encoding and output to what the plan holds. Only for plan*.c. */
typedef struct {
    /* As the request has it. */
    bool has_preset;
    Livekit__EncodingOptionsPreset preset;
    const Livekit__EncodingOptions *advanced; /* or NULL */
    bool is_by_codec;                         /* the name of the file says nothing of its format */
} EgEncodingRequest;

/* Settles processing, formats that are open, codecs and numbers of `plan`, whose selection, outputs
 * and (for what is never transcoded) processing are set. */
bool eg_encoding_settle(const EgEncodingRequest *request, EgPlan *plan, GError **error);
