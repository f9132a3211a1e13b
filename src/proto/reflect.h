#pragma once

#include <glib.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* What protobuf-c's descriptors do not say outright. Messages are given as the memory of their
 * struct. */

/* Of one value in memory. */
gsize eg_reflect_size(const ProtobufCFieldDescriptor *field);

/* Whether a repeated message stands for a map; its descriptor's first field is the key then, the
 * second the value. */
bool eg_reflect_is_map(const ProtobufCFieldDescriptor *field);

bool eg_reflect_is_oneof(const ProtobufCFieldDescriptor *field);

/* Whether a field that is not repeated has another value than its default; of a oneof, whether it
 * is the one. */
bool eg_reflect_is_set(const ProtobufCFieldDescriptor *field, const void *message);

/* Where the value or the pointer to the values is. */
const void *eg_reflect_at(const ProtobufCFieldDescriptor *field, const void *message);
void *eg_reflect_at_mutable(const ProtobufCFieldDescriptor *field, void *message);

/* The values of a repeated field: `*n_values` of eg_reflect_size() each. */
const char *eg_reflect_values(const ProtobufCFieldDescriptor *field, const void *message,
                              gsize *n_values);

/* The string or message that is pointed to at `at`; may be NULL. */
gpointer eg_reflect_pointer(const void *at);
