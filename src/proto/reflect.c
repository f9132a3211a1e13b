#include "proto/reflect.h"

#include <string.h>

gsize eg_reflect_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(gint64);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(gpointer);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_BOOL:
    case PROTOBUF_C_TYPE_ENUM:
        break;
    }
    return sizeof(gint32);
}

/* "metadata" and "MetadataEntry", "user_data" and "UserDataEntry". */
static bool is_entry_name(const char *entry, const char *name)
{
    bool is_upper = true;
    for (; *name != '\0'; name++) {
        if (*name == '_') {
            is_upper = true;
            continue;
        }
        char expected = is_upper ? g_ascii_toupper(*name) : *name;
        is_upper = false;
        if (*entry++ != expected)
            return false;
    }
    return strcmp(entry, "Entry") == 0;
}

bool eg_reflect_is_map(const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    /* The descriptor does not say so, but a message of this name can be nothing else: the compiler
     * makes it, and refuses another one beside it. */
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    const char *dot = strrchr(entry->name, '.');
    return entry->n_fields == 2 && strcmp(entry->fields[0].name, "key") == 0 &&
           strcmp(entry->fields[1].name, "value") == 0 &&
           is_entry_name(dot != NULL ? dot + 1 : entry->name, field->name);
}

bool eg_reflect_is_oneof(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

const void *eg_reflect_at(const ProtobufCFieldDescriptor *field, const void *message)
{
    return (const char *)message + field->offset;
}

void *eg_reflect_at_mutable(const ProtobufCFieldDescriptor *field, void *message)
{
    return (char *)message + field->offset;
}

bool eg_reflect_is_set(const ProtobufCFieldDescriptor *field, const void *message)
{
    if (eg_reflect_is_oneof(field)) {
        guint32 which = 0;
        memcpy(&which, (const char *)message + field->quantifier_offset, sizeof(which));
        return which == field->id;
    }
    const void *at = eg_reflect_at(field, message);
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = eg_reflect_pointer(at);
        return text != NULL && *text != '\0';
    }
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        ProtobufCBinaryData bytes;
        memcpy(&bytes, at, sizeof(bytes));
        return bytes.len > 0;
    }
    static const char zero[sizeof(gint64)];
    return memcmp(at, zero, eg_reflect_size(field)) != 0;
}

const char *eg_reflect_values(const ProtobufCFieldDescriptor *field, const void *message,
                              gsize *n_values)
{
    memcpy(n_values, (const char *)message + field->quantifier_offset, sizeof(*n_values));
    return eg_reflect_pointer(eg_reflect_at(field, message));
}

gpointer eg_reflect_pointer(const void *at)
{
    gpointer pointer = NULL;
    memcpy(&pointer, at, sizeof(pointer));
    return pointer;
}
