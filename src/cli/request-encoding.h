#pragma once

#include <stdbool.h>

#include "cli/request.h"
#include "livekit_egress.pb-c.h"

/* A request has either a preset or numbers; a preset that is changed by options becomes numbers. */
typedef struct {
    bool has_preset;
    Livekit__EncodingOptionsPreset preset;
    Livekit__EncodingOptions *advanced; /* NULL: none */
} EgRecordEncoding;

/* `advanced` is the caller's. An error names the option and what would be right. */
bool eg_record_encoding_parse(const EgRecordArguments *arguments, EgRecordEncoding *encoding,
                              GError **error);
