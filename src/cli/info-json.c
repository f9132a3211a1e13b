#include "cli/info-json.h"

#include <glib.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static json_t *enum_to_json(const ProtobufCFieldDescriptor *field, gint32 number)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(field->descriptor, number);
    return value != NULL ? json_string(value->name) : json_integer(number);
}

/* What came over the network may be no UTF-8, which JSON cannot hold. */
static json_t *string_to_json(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text != NULL ? text : "", -1);
    return json_string(valid);
}

/* JSON has no other numbers than finite ones; the mapping writes them as strings. */
static json_t *real_to_json(double value)
{
    if (isfinite(value))
        return json_real(value);
    if (isnan(value))
        return json_string("NaN");
    return json_string(value > 0 ? "Infinity" : "-Infinity");
}

static json_t *int64_to_json(gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    return json_string(text);
}

static json_t *uint64_to_json(guint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);
    return json_string(text);
}

/* One value of the field's type at `at`. NULL for types that do not occur. */
static json_t *value_to_json(const ProtobufCFieldDescriptor *field, const void *at)
{
    union {
        gint32 i32;
        guint32 u32;
        gint64 i64;
        guint64 u64;
        float real;
        double number;
        const char *text;
        const void *message;
    } value = {0};

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        memcpy(&value.i32, at, sizeof(value.i32));
        return json_integer(value.i32);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        memcpy(&value.u32, at, sizeof(value.u32));
        return json_integer(value.u32);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        memcpy(&value.i64, at, sizeof(value.i64));
        return int64_to_json(value.i64);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        memcpy(&value.u64, at, sizeof(value.u64));
        return uint64_to_json(value.u64);
    case PROTOBUF_C_TYPE_FLOAT:
        memcpy(&value.real, at, sizeof(value.real));
        return real_to_json((double)value.real);
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(&value.number, at, sizeof(value.number));
        return real_to_json(value.number);
    case PROTOBUF_C_TYPE_BOOL:
        memcpy(&value.i32, at, sizeof(value.i32));
        return json_boolean(value.i32 != 0);
    case PROTOBUF_C_TYPE_ENUM:
        memcpy(&value.i32, at, sizeof(value.i32));
        return enum_to_json(field, value.i32);
    case PROTOBUF_C_TYPE_STRING:
        memcpy(&value.text, at, sizeof(value.text));
        return string_to_json(value.text);
    case PROTOBUF_C_TYPE_MESSAGE:
        memcpy(&value.message, at, sizeof(value.message));
        return value.message != NULL ? eg_message_to_json(value.message) : NULL;
    case PROTOBUF_C_TYPE_BYTES:
        break;
    }
    return NULL;
}

static gsize value_size(const ProtobufCFieldDescriptor *field)
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

static json_t *repeated_to_json(const ProtobufCFieldDescriptor *field, const char *message)
{
    size_t n_values = 0;
    const char *values = NULL;
    memcpy(&n_values, message + field->quantifier_offset, sizeof(n_values));
    memcpy(&values, message + field->offset, sizeof(values));
    if (n_values == 0)
        return NULL;
    json_t *array = json_array();
    for (size_t i = 0; i < n_values; i++) {
        json_t *value = value_to_json(field, values + i * value_size(field));
        if (value != NULL)
            json_array_append_new(array, value);
    }
    return array;
}

/* proto3: a plain field that has its default is not set; one of a oneof is, if it is the one. */
static bool is_set(const ProtobufCFieldDescriptor *field, const char *message)
{
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        guint32 which = 0;
        memcpy(&which, message + field->quantifier_offset, sizeof(which));
        return which == field->id;
    }
    const char *at = message + field->offset;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = NULL;
        memcpy(&text, at, sizeof(text));
        return text != NULL && *text != '\0';
    }
    static const char zero[sizeof(ProtobufCBinaryData)];
    return memcmp(at, zero, value_size(field)) != 0;
}

json_t *eg_message_to_json(const ProtobufCMessage *message)
{
    json_t *object = json_object();
    for (guint i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *base = (const char *)message;
        json_t *value = NULL;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            value = repeated_to_json(field, base);
        else if (is_set(field, base))
            value = value_to_json(field, base + field->offset);
        if (value != NULL)
            json_object_set_new(object, field->name, value);
    }
    return object;
}
