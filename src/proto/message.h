#pragma once

#include <glib.h>
#include <protobuf-c/protobuf-c.h>

/* What protobuf-c leaves to its users. Messages are on the heap, as it unpacks them. */

/* From the bytes on the wire, without the fields that are not known; NULL if they are no such
 * message. */
ProtobufCMessage *eg_proto_unpack(const ProtobufCMessageDescriptor *descriptor, const void *data,
                                  gsize size);

/* Frees, at any depth, what protobuf-c has kept of fields that it did not know. */
void eg_proto_drop_unknown(ProtobufCMessage *message);

/* A deep copy, without the fields that are not known: nobody knows whether they are valid or
 * secret. */
ProtobufCMessage *eg_proto_copy(const ProtobufCMessage *message);

/* Of a message of any kind that was copied, unpacked or parsed; NULL is fine. */
void eg_proto_free(ProtobufCMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ProtobufCMessage, eg_proto_free)

/* The bytes on the wire. */
GBytes *eg_proto_pack(const ProtobufCMessage *message);

/* Sets a string field: frees what it held, copies `value`; NULL is "". */
void eg_proto_set_string(char **field, const char *value);
