#pragma once

#include "proto/message.h"

/* protobuf messages as JSON, by the rules of proto3's JSON mapping: 64-bit integers are strings,
 * enums go by name (by number if it has none), bytes are base64, maps objects, and "NaN",
 * "Infinity" and "-Infinity" stand for the numbers that JSON does not have. */

/* Longer texts are refused; what is nested deeper than 2048 levels too. */
#define EG_JSON_MAX_BYTES ((gsize)4 << 20)

typedef enum {
    EG_JSON_CANONICAL,      /* lowerCamelCase, defaults left out: webhooks */
    EG_JSON_ORIGINAL_NAMES, /* snake_case, defaults left out: the command line */
    EG_JSON_TWIRP,          /* snake_case, defaults written: what livekit-server's API answers */
} EgJsonStyle;

/* Canonical. A new string of valid UTF-8. */
char *eg_proto_to_json(const ProtobufCMessage *message);

/* The same in another style. */
char *eg_proto_to_json_styled(const ProtobufCMessage *message, EgJsonStyle style);

/* Takes any style, also numbers for enums and 64-bit integers, and null for what is not set;
 * ignores fields that it does not know, as LiveKit's Twirp servers do. NULL and an error
 * (invalid_argument) that names the field: "fileOutputs[0].fileType: FOO is none of ...". Errors
 * quote nothing of the text but numbers and enums. */
ProtobufCMessage *eg_proto_from_json(const char *json, gsize size,
                                     const ProtobufCMessageDescriptor *descriptor, GError **error);
