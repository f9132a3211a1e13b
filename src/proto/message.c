#include "proto/message.h"

#include <string.h>

#include "proto/reflect.h"

ProtobufCMessage *eg_proto_unpack(const ProtobufCMessageDescriptor *descriptor, const void *data,
                                  gsize size)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, NULL, size, data);
    if (message != NULL)
        eg_proto_drop_unknown(message);
    return message;
}

static void drop_unknown_in(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        ProtobufCMessage *value = eg_reflect_is_set(field, message)
                                      ? eg_reflect_pointer(eg_reflect_at(field, message))
                                      : NULL;
        if (value != NULL)
            eg_proto_drop_unknown(value);
        return;
    }
    gsize n_values = 0;
    const char *values = eg_reflect_values(field, message, &n_values);
    for (gsize i = 0; i < n_values; i++)
        eg_proto_drop_unknown(eg_reflect_pointer(values + i * sizeof(gpointer)));
}

void eg_proto_drop_unknown(ProtobufCMessage *message)
{
    for (guint i = 0; i < message->n_unknown_fields; i++)
        g_free(message->unknown_fields[i].data);
    g_clear_pointer(&message->unknown_fields, g_free);
    message->n_unknown_fields = 0;

    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (guint i = 0; i < descriptor->n_fields; i++) {
        if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            drop_unknown_in(&descriptor->fields[i], message);
    }
}

static gpointer copy_pointed(const ProtobufCFieldDescriptor *field, gconstpointer pointer)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return pointer != NULL ? eg_proto_copy(pointer) : NULL;
    return g_strdup(pointer);
}

static void copy_value(const ProtobufCFieldDescriptor *field, const void *from, void *to)
{
    if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE) {
        gpointer pointer = copy_pointed(field, eg_reflect_pointer(from));
        memcpy(to, &pointer, sizeof(pointer));
    } else if (field->type == PROTOBUF_C_TYPE_BYTES) {
        ProtobufCBinaryData bytes;
        memcpy(&bytes, from, sizeof(bytes));
        bytes.data = g_memdup2(bytes.data, bytes.len);
        memcpy(to, &bytes, sizeof(bytes));
    } else {
        memcpy(to, from, eg_reflect_size(field));
    }
}

static void copy_field(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *from,
                       ProtobufCMessage *to)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        if (!eg_reflect_is_set(field, from))
            return;
        copy_value(field, eg_reflect_at(field, from), eg_reflect_at_mutable(field, to));
        if (eg_reflect_is_oneof(field))
            memcpy((char *)to + field->quantifier_offset, &field->id, sizeof(field->id));
        return;
    }
    gsize n_values = 0;
    const char *values = eg_reflect_values(field, from, &n_values);
    if (n_values == 0)
        return;
    gsize size = eg_reflect_size(field);
    char *copies = g_malloc0_n(n_values, size);
    for (gsize i = 0; i < n_values; i++)
        copy_value(field, values + i * size, copies + i * size);
    memcpy(eg_reflect_at_mutable(field, to), &copies, sizeof(copies));
    memcpy((char *)to + field->quantifier_offset, &n_values, sizeof(n_values));
}

ProtobufCMessage *eg_proto_copy(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    ProtobufCMessage *copy = g_malloc0(descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, copy);
    for (guint i = 0; i < descriptor->n_fields; i++)
        copy_field(&descriptor->fields[i], message, copy);
    return copy;
}

void eg_proto_free(ProtobufCMessage *message)
{
    if (message != NULL)
        protobuf_c_message_free_unpacked(message, NULL);
}

GBytes *eg_proto_pack(const ProtobufCMessage *message)
{
    gsize size = protobuf_c_message_get_packed_size(message);
    guint8 *data = g_malloc(size);
    protobuf_c_message_pack(message, data);
    return g_bytes_new_take(data, size);
}

void eg_proto_set_string(char **field, const char *value)
{
    /* protobuf-c frees with free(), which is what g_free() is; an unset string is its shared "". */
    char *old = *field;
    *field = value != NULL && *value != '\0' ? g_strdup(value) : (char *)protobuf_c_empty_string;
    if (old != protobuf_c_empty_string)
        g_free(old);
}
