#pragma once

#include "bus/psrpc.h"
#include "proto/message.h"
#include "psrpc_internal.pb-c.h"

/* What the two sides of psrpc share: names of channels, ids, the envelope. Any thread. */

/* Larger messages are ignored. An egress request has a few kilobytes. */
#define EG_PSRPC_MAX_MESSAGE_BYTES (1024 * 1024)

/* "EgressHandler|StopEgress|EG_x|REQ": `name` is the method or the id of a client; `topic` may be
 * NULL or "". A new string. */
char *eg_psrpc_channel(const char *service, const char *name, const char *topic, const char *kind);

/* One of the messages of package internal, as it is published: in its envelope. */
GBytes *eg_psrpc_encode(const ProtobufCMessage *message);

/* What eg_psrpc_encode() makes, or NULL if it is malformed, too large or something else. */
ProtobufCMessage *eg_psrpc_decode(const ProtobufCMessageDescriptor *descriptor, GBytes *payload);

/* A bare message; NULL if it is malformed, as it is for the other implementations when a string is
 * not UTF-8. `descriptor` NULL: of google.protobuf.Empty, returns NULL too. */
ProtobufCMessage *eg_psrpc_unpack(const ProtobufCMessageDescriptor *descriptor,
                                  const ProtobufCBinaryData *bytes);

/* Whether an id that came with a message can be kept and made a channel of. */
bool eg_psrpc_id_is_valid(const char *id);

/* The key that servers lock who share a queue, by what was published. A new string. */
char *eg_psrpc_lock_key(GBytes *payload);

/* The row of a method in an array of EgPsrpcStats, which is added if there is none; valid until
 * the next call. */
EgPsrpcStats *eg_psrpc_stats_of(GArray *stats, const EgPsrpcMethod *method);

/* For its histograms, from an instant of eg_now_ns() on. */
double eg_psrpc_ms_since(gint64 since_ns);
