#include <math.h>
#include <string.h>

#include "proto/json.h"
#include "proto/reflect.h"

typedef struct {
    GString *out;
    EgJsonStyle style;
} Writer;

static void write_message(const Writer *writer, const ProtobufCMessage *message);

static void write_string(const Writer *writer, const char *text)
{
    /* What came over the network may be no UTF-8, which JSON cannot hold. */
    g_autofree char *valid = g_utf8_make_valid(text != NULL ? text : "", -1);
    g_string_append_c(writer->out, '"');
    for (const char *c = valid; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            g_string_append_printf(writer->out, "\\%c", *c);
        else if (*c == '\n')
            g_string_append(writer->out, "\\n");
        else if (g_ascii_iscntrl(*c))
            g_string_append_printf(writer->out, "\\u%04x", (guint)*c);
        else
            g_string_append_c(writer->out, *c);
    }
    g_string_append_c(writer->out, '"');
}

/* With as few digits as say which number it is. */
static void write_real(const Writer *writer, double value, bool is_float)
{
    if (isnan(value)) {
        g_string_append(writer->out, "\"NaN\"");
        return;
    }
    if (isinf(value)) {
        g_string_append(writer->out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    bool is_exact = false;
    for (int digits = is_float ? 6 : 15; !is_exact && digits <= 17; digits++) {
        char format[8];
        g_snprintf(format, sizeof(format), "%%.%dg", digits);
        g_ascii_formatd(text, sizeof(text), format, value);
        double read = g_ascii_strtod(text, NULL);
        is_exact = is_float ? (float)read == (float)value : read == value;
    }
    /* "-0" alone would be read as an integer, which has no such zero. */
    g_string_append(writer->out, strcmp(text, "-0") == 0 ? "-0.0" : text);
}

static void write_enum(const Writer *writer, const ProtobufCFieldDescriptor *field, gint32 number)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(field->descriptor, number);
    if (value != NULL)
        write_string(writer, value->name);
    else
        g_string_append_printf(writer->out, "%d", number);
}

static void write_bytes(const Writer *writer, const ProtobufCBinaryData *bytes)
{
    g_autofree char *text = bytes->len > 0 ? g_base64_encode(bytes->data, bytes->len) : NULL;
    write_string(writer, text);
}

static void write_nested(const Writer *writer, const ProtobufCMessage *message)
{
    if (message != NULL)
        write_message(writer, message);
    else
        g_string_append(writer->out, "null");
}

/* One value of the field's type at `at`. */
static void write_value(const Writer *writer, const ProtobufCFieldDescriptor *field, const void *at)
{
    union {
        gint32 i32;
        guint32 u32;
        gint64 i64;
        guint64 u64;
        float real;
        double number;
        ProtobufCBinaryData bytes;
    } value = {0};
    memcpy(&value, at, eg_reflect_size(field));

    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        g_string_append_printf(writer->out, "%d", value.i32);
        break;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        g_string_append_printf(writer->out, "%u", value.u32);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        g_string_append_printf(writer->out, "\"%" G_GINT64_FORMAT "\"", value.i64);
        break;
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        g_string_append_printf(writer->out, "\"%" G_GUINT64_FORMAT "\"", value.u64);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        write_real(writer, (double)value.real, true);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        write_real(writer, value.number, false);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        g_string_append(writer->out, value.i32 != 0 ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(writer, field, value.i32);
        break;
    case PROTOBUF_C_TYPE_STRING:
        write_string(writer, eg_reflect_pointer(at));
        break;
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(writer, &value.bytes);
        break;
    case PROTOBUF_C_TYPE_MESSAGE:
        write_nested(writer, eg_reflect_pointer(at));
        break;
    }
}

static void write_list(const Writer *writer, const ProtobufCFieldDescriptor *field,
                       const char *values, gsize n_values)
{
    g_string_append_c(writer->out, '[');
    for (gsize i = 0; i < n_values; i++) {
        if (i > 0)
            g_string_append_c(writer->out, ',');
        write_value(writer, field, values + i * eg_reflect_size(field));
    }
    g_string_append_c(writer->out, ']');
}

/* Keys are strings in JSON, whatever they are in the map. */
static char *make_key(const Writer *writer, const ProtobufCFieldDescriptor *field, const void *at)
{
    Writer inner = {g_string_new(NULL), writer->style};
    write_value(&inner, field, at);
    if (inner.out->str[0] != '"') {
        g_string_prepend_c(inner.out, '"');
        g_string_append_c(inner.out, '"');
    }
    return g_string_free(inner.out, FALSE);
}

/* On the wire a key may come several times; the last one counts. */
static void write_map(const Writer *writer, const ProtobufCFieldDescriptor *field,
                      const char *values, gsize n_values)
{
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    const ProtobufCFieldDescriptor *parts = descriptor->fields;
    g_autoptr(GPtrArray) keys = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) last = g_hash_table_new(g_str_hash, g_str_equal);
    for (gsize i = 0; i < n_values; i++) {
        const void *entry = eg_reflect_pointer(values + i * sizeof(gpointer));
        g_ptr_array_add(keys, make_key(writer, &parts[0], eg_reflect_at(&parts[0], entry)));
        g_hash_table_insert(last, g_ptr_array_index(keys, i), GSIZE_TO_POINTER(i));
    }

    bool is_first = true;
    g_string_append_c(writer->out, '{');
    for (gsize i = 0; i < n_values; i++) {
        const char *key = g_ptr_array_index(keys, i);
        if (GPOINTER_TO_SIZE(g_hash_table_lookup(last, key)) != i)
            continue;
        const void *entry = eg_reflect_pointer(values + i * sizeof(gpointer));
        g_string_append_printf(writer->out, "%s%s:", is_first ? "" : ",", key);
        write_value(writer, &parts[1], eg_reflect_at(&parts[1], entry));
        is_first = false;
    }
    g_string_append_c(writer->out, '}');
}

static void write_name(const Writer *writer, const char *name)
{
    g_string_append_c(writer->out, '"');
    for (const char *c = name; *c != '\0'; c++) {
        if (writer->style == EG_JSON_CANONICAL && *c == '_' && c[1] != '\0')
            g_string_append_c(writer->out, g_ascii_toupper(*++c));
        else
            g_string_append_c(writer->out, *c);
    }
    g_string_append(writer->out, "\":");
}

/* A oneof is written only if it is the one, whatever becomes of defaults. */
static bool is_written(const Writer *writer, const ProtobufCFieldDescriptor *field,
                       const void *message)
{
    if (writer->style == EG_JSON_TWIRP && !eg_reflect_is_oneof(field))
        return true;
    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return eg_reflect_is_set(field, message);
    gsize n_values = 0;
    eg_reflect_values(field, message, &n_values);
    return n_values > 0;
}

static void write_field(const Writer *writer, const ProtobufCFieldDescriptor *field,
                        const void *message)
{
    write_name(writer, field->name);
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        write_value(writer, field, eg_reflect_at(field, message));
        return;
    }
    gsize n_values = 0;
    const char *values = eg_reflect_values(field, message, &n_values);
    if (eg_reflect_is_map(field))
        write_map(writer, field, values, n_values);
    else
        write_list(writer, field, values, n_values);
}

static void write_message(const Writer *writer, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    bool is_first = true;
    g_string_append_c(writer->out, '{');
    for (guint i = 0; i < descriptor->n_fields; i++) {
        if (!is_written(writer, &descriptor->fields[i], message))
            continue;
        if (!is_first)
            g_string_append_c(writer->out, ',');
        is_first = false;
        write_field(writer, &descriptor->fields[i], message);
    }
    g_string_append_c(writer->out, '}');
}

char *eg_proto_to_json_styled(const ProtobufCMessage *message, EgJsonStyle style)
{
    Writer writer = {g_string_new(NULL), style};
    write_message(&writer, message);
    return g_string_free(writer.out, FALSE);
}

char *eg_proto_to_json(const ProtobufCMessage *message)
{
    return eg_proto_to_json_styled(message, EG_JSON_CANONICAL);
}
