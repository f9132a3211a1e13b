#pragma once

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

/* A message in the JSON of protobuf (proto3 JSON mapping) as LiveKit's API writes it: names as in
 * the .proto files, 64-bit numbers as strings, enums by name, what is not set left out. Maps, bytes
 * and unknown fields do not occur in reports and are left out. A new reference. */
json_t *eg_message_to_json(const ProtobufCMessage *message);
