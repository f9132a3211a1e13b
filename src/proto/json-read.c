#include <float.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "proto/json.h"
#include "proto/reflect.h"

/* Of what is quoted in errors. */
#define MAX_QUOTED_CHARS 64

typedef struct {
    GString *path; /* "fileOutputs[0].fileType", names as they were written */
    GError **error;
} Reader;

static bool read_message(const Reader *reader, const json_t *object, ProtobufCMessage *message);

/* Always false. */
G_GNUC_PRINTF(2, 3)
static bool fail(const Reader *reader, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    const char *path = reader->path->str;
    eg_error_set(reader->error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST, "%s%s%s", path,
                 *path != '\0' ? ": " : "", text);
    return false;
}

static bool read_signed(const Reader *reader, const json_t *value, gint64 min, gint64 max,
                        gint64 *number)
{
    bool is_good = false;
    if (json_is_integer(value)) {
        *number = json_integer_value(value);
        is_good = *number >= min && *number <= max;
    } else if (json_is_real(value)) {
        /* 2^63 itself is out of range, and the next smaller double is well in it. */
        double real = json_real_value(value);
        is_good = real >= (double)min && real < 0x1p63 && floor(real) == real;
        *number = is_good ? (gint64)real : 0;
        is_good = is_good && *number <= max;
    } else if (json_is_string(value)) {
        is_good = g_ascii_string_to_signed(json_string_value(value), 10, min, max, number, NULL);
    }
    return is_good ||
           fail(reader, "must be a whole number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                min, max);
}

static bool read_unsigned(const Reader *reader, const json_t *value, guint64 max, guint64 *number)
{
    bool is_good = false;
    if (json_is_integer(value)) {
        *number = (guint64)json_integer_value(value);
        is_good = json_integer_value(value) >= 0 && *number <= max;
    } else if (json_is_real(value)) {
        double real = json_real_value(value);
        is_good = real >= 0 && real < 0x1p64 && floor(real) == real;
        *number = is_good ? (guint64)real : 0;
        is_good = is_good && *number <= max;
    } else if (json_is_string(value)) {
        is_good = g_ascii_string_to_unsigned(json_string_value(value), 10, 0, max, number, NULL);
    }
    return is_good || fail(reader, "must be a whole number from 0 to %" G_GUINT64_FORMAT, max);
}

static bool read_real_text(const char *text, double *number)
{
    static const struct {
        const char *name;
        double number;
    } names[] = {
        {"NaN",       (double)NAN      },
        {"Infinity",  (double)INFINITY },
        {"-Infinity", -(double)INFINITY},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *number = names[i].number;
            return true;
        }
    }
    /* Only what JSON knows: g_ascii_strtod() takes more. */
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    char *end = NULL;
    *number = g_ascii_strtod(text, &end);
    return *end == '\0' && isfinite(*number);
}

static bool read_real(const Reader *reader, const json_t *value, double max, double *number)
{
    bool is_good = false;
    if (json_is_number(value)) {
        *number = json_number_value(value);
        is_good = true;
    } else if (json_is_string(value)) {
        is_good = read_real_text(json_string_value(value), number);
    }
    if (!is_good)
        return fail(reader, "must be a number");
    return !isfinite(*number) || fabs(*number) <= max || fail(reader, "is too large a number");
}

static bool read_int32(const Reader *reader, const ProtobufCFieldDescriptor *field,
                       const json_t *value, void *at)
{
    (void)field;
    gint64 number = 0;
    bool is_good = read_signed(reader, value, G_MININT32, G_MAXINT32, &number);
    *(gint32 *)at = (gint32)number;
    return is_good;
}

static bool read_uint32(const Reader *reader, const ProtobufCFieldDescriptor *field,
                        const json_t *value, void *at)
{
    (void)field;
    guint64 number = 0;
    bool is_good = read_unsigned(reader, value, G_MAXUINT32, &number);
    *(guint32 *)at = (guint32)number;
    return is_good;
}

static bool read_int64(const Reader *reader, const ProtobufCFieldDescriptor *field,
                       const json_t *value, void *at)
{
    (void)field;
    return read_signed(reader, value, G_MININT64, G_MAXINT64, at);
}

static bool read_uint64(const Reader *reader, const ProtobufCFieldDescriptor *field,
                        const json_t *value, void *at)
{
    (void)field;
    return read_unsigned(reader, value, G_MAXUINT64, at);
}

static bool read_float(const Reader *reader, const ProtobufCFieldDescriptor *field,
                       const json_t *value, void *at)
{
    (void)field;
    double number = 0;
    bool is_good = read_real(reader, value, (double)FLT_MAX, &number);
    *(float *)at = is_good ? (float)number : 0;
    return is_good;
}

static bool read_double(const Reader *reader, const ProtobufCFieldDescriptor *field,
                        const json_t *value, void *at)
{
    (void)field;
    return read_real(reader, value, DBL_MAX, at);
}

static bool read_bool(const Reader *reader, const ProtobufCFieldDescriptor *field,
                      const json_t *value, void *at)
{
    (void)field;
    *(protobuf_c_boolean *)at = json_is_true(value);
    return json_is_boolean(value) || fail(reader, "must be true or false");
}

static bool read_string(const Reader *reader, const ProtobufCFieldDescriptor *field,
                        const json_t *value, void *at)
{
    (void)field;
    if (!json_is_string(value))
        return fail(reader, "must be a string");
    *(char **)at = g_strdup(json_string_value(value));
    return true;
}

/* The standard and the URL alphabet, with and without padding. */
static bool read_bytes(const Reader *reader, const ProtobufCFieldDescriptor *field,
                       const json_t *value, void *at)
{
    (void)field;
    ProtobufCBinaryData *bytes = at;
    if (!json_is_string(value))
        return fail(reader, "must be a string");
    g_autofree char *text = g_strdup(json_string_value(value));
    g_strdelimit(text, "-", '+');
    g_strdelimit(text, "_", '/');
    gsize n_digits =
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    gsize n_padding = strspn(text + n_digits, "=");
    if (text[n_digits + n_padding] != '\0' || n_padding > 2 || n_digits % 4 == 1 ||
        (n_padding > 0 && (n_digits + n_padding) % 4 != 0))
        return fail(reader, "is no base64");
    if (n_digits == 0)
        return true;
    static const char *const paddings[] = {"", NULL, "==", "="};
    text[n_digits] = '\0';
    g_autofree char *padded = g_strconcat(text, paddings[n_digits % 4], NULL);
    bytes->data = g_base64_decode(padded, &bytes->len);
    return true;
}

static char *list_enum_names(const ProtobufCEnumDescriptor *descriptor)
{
    GString *names = g_string_new(NULL);
    for (guint i = 0; i < descriptor->n_values; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", descriptor->values[i].name);
    return g_string_free(names, FALSE);
}

static bool read_enum(const Reader *reader, const ProtobufCFieldDescriptor *field,
                      const json_t *value, void *at)
{
    if (!json_is_string(value))
        return read_int32(reader, field, value, at);
    const ProtobufCEnumDescriptor *descriptor = field->descriptor;
    const char *name = json_string_value(value);
    const ProtobufCEnumValue *known =
        protobuf_c_enum_descriptor_get_value_by_name(descriptor, name);
    if (known != NULL) {
        *(gint32 *)at = known->value;
        return true;
    }
    g_autofree char *names = list_enum_names(descriptor);
    g_autofree char *quoted =
        g_utf8_substring(name, 0, MIN(g_utf8_strlen(name, -1), MAX_QUOTED_CHARS));
    return fail(reader, "%s is none of %s", *quoted != '\0' ? quoted : "\"\"", names);
}

static ProtobufCMessage *new_message(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = g_malloc0(descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

static bool read_nested(const Reader *reader, const ProtobufCFieldDescriptor *field,
                        const json_t *value, void *at)
{
    ProtobufCMessage *message = new_message(field->descriptor);
    memcpy(at, &message, sizeof(message));
    return read_message(reader, value, message);
}

/* One value of the field's type into `at`, which is zero. What is stored there belongs to the
 * message that it is in, so that it is freed with it after a failure. */
static const struct {
    bool (*read)(const Reader *reader, const ProtobufCFieldDescriptor *field, const json_t *value,
                 void *at);
} types[] = {
    [PROTOBUF_C_TYPE_INT32] = {read_int32},    [PROTOBUF_C_TYPE_SINT32] = {read_int32},
    [PROTOBUF_C_TYPE_SFIXED32] = {read_int32}, [PROTOBUF_C_TYPE_INT64] = {read_int64},
    [PROTOBUF_C_TYPE_SINT64] = {read_int64},   [PROTOBUF_C_TYPE_SFIXED64] = {read_int64},
    [PROTOBUF_C_TYPE_UINT32] = {read_uint32},  [PROTOBUF_C_TYPE_FIXED32] = {read_uint32},
    [PROTOBUF_C_TYPE_UINT64] = {read_uint64},  [PROTOBUF_C_TYPE_FIXED64] = {read_uint64},
    [PROTOBUF_C_TYPE_FLOAT] = {read_float},    [PROTOBUF_C_TYPE_DOUBLE] = {read_double},
    [PROTOBUF_C_TYPE_BOOL] = {read_bool},      [PROTOBUF_C_TYPE_ENUM] = {read_enum},
    [PROTOBUF_C_TYPE_STRING] = {read_string},  [PROTOBUF_C_TYPE_BYTES] = {read_bytes},
    [PROTOBUF_C_TYPE_MESSAGE] = {read_nested},
};

static bool read_value(const Reader *reader, const ProtobufCFieldDescriptor *field,
                       const json_t *value, void *at)
{
    if (json_is_string(value) &&
        memchr(json_string_value(value), '\0', json_string_length(value)) != NULL)
        return fail(reader, "has a NUL character");
    return types[field->type].read(reader, field, value, at);
}

/* Room for all values of a repeated field. They count, and are freed with the message, from
 * set_count() on. */
static char *new_values(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message,
                        gsize n_values)
{
    char *values = g_malloc0_n(n_values, eg_reflect_size(field));
    memcpy(eg_reflect_at_mutable(field, message), &values, sizeof(values));
    return values;
}

static void set_count(const ProtobufCFieldDescriptor *field, ProtobufCMessage *message, gsize n)
{
    memcpy((char *)message + field->quantifier_offset, &n, sizeof(n));
}

static bool read_list(const Reader *reader, const ProtobufCFieldDescriptor *field,
                      const json_t *array, ProtobufCMessage *message)
{
    if (!json_is_array(array))
        return fail(reader, "must be an array");
    gsize n_values = json_array_size(array);
    if (n_values == 0)
        return true;
    gsize length = reader->path->len;
    char *values = new_values(field, message, n_values);
    for (gsize i = 0; i < n_values; i++) {
        g_string_append_printf(reader->path, "[%" G_GSIZE_FORMAT "]", i);
        bool is_good = read_value(reader, field, json_array_get(array, i),
                                  values + i * eg_reflect_size(field));
        set_count(field, message, i + 1);
        if (!is_good)
            return false;
        g_string_truncate(reader->path, length);
    }
    return true;
}

static bool read_entry(const Reader *reader, const ProtobufCMessageDescriptor *descriptor,
                       const char *key, const json_t *value, ProtobufCMessage *entry)
{
    const ProtobufCFieldDescriptor *parts = descriptor->fields;
    json_t *key_value = json_string(key);
    bool is_good =
        read_value(reader, &parts[0], key_value, eg_reflect_at_mutable(&parts[0], entry)) &&
        read_value(reader, &parts[1], value, eg_reflect_at_mutable(&parts[1], entry));
    json_decref(key_value);
    return is_good;
}

static bool read_map(const Reader *reader, const ProtobufCFieldDescriptor *field, json_t *object,
                     ProtobufCMessage *message)
{
    if (!json_is_object(object))
        return fail(reader, "must be an object");
    if (json_object_size(object) == 0)
        return true;
    const ProtobufCMessageDescriptor *descriptor = field->descriptor;
    gsize length = reader->path->len;
    char *values = new_values(field, message, json_object_size(object));
    gsize n = 0;
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        g_string_append_printf(reader->path, "[%" G_GSIZE_FORMAT "]", n);
        ProtobufCMessage *entry = new_message(descriptor);
        memcpy(values + n * sizeof(entry), &entry, sizeof(entry));
        set_count(field, message, ++n);
        if (!read_entry(reader, descriptor, key, value, entry))
            return false;
        g_string_truncate(reader->path, length);
    }
    return true;
}

static bool read_single(const Reader *reader, const ProtobufCFieldDescriptor *field,
                        const json_t *value, ProtobufCMessage *message)
{
    if (eg_reflect_is_oneof(field)) {
        char *which = (char *)message + field->quantifier_offset;
        guint32 other = 0;
        memcpy(&other, which, sizeof(other));
        if (other != 0) {
            const ProtobufCFieldDescriptor *first =
                protobuf_c_message_descriptor_get_field(message->descriptor, other);
            return fail(reader, "excludes %s, which is given too", first->name);
        }
        memcpy(which, &field->id, sizeof(field->id));
    }
    return read_value(reader, field, value, eg_reflect_at_mutable(field, message));
}

/* By the name as it is in the .proto file, or as JSON has it. */
static bool is_named(const ProtobufCFieldDescriptor *field, const char *key)
{
    const char *name = field->name;
    if (strcmp(name, key) == 0)
        return true;
    for (; *name != '\0'; name++, key++) {
        bool is_upper = *name == '_' && name[1] != '\0';
        if (is_upper)
            name++;
        if (*key != (is_upper ? g_ascii_toupper(*name) : *name))
            return false;
    }
    return *key == '\0';
}

static const ProtobufCFieldDescriptor *find_field(const ProtobufCMessageDescriptor *descriptor,
                                                  const char *key)
{
    for (guint i = 0; i < descriptor->n_fields; i++) {
        if (is_named(&descriptor->fields[i], key))
            return &descriptor->fields[i];
    }
    return NULL;
}

static bool read_field(const Reader *reader, const ProtobufCFieldDescriptor *field, json_t *value,
                       ProtobufCMessage *message)
{
    if (eg_reflect_is_map(field))
        return read_map(reader, field, value, message);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_list(reader, field, value, message);
    return read_single(reader, field, value, message);
}

static bool read_message(const Reader *reader, const json_t *object, ProtobufCMessage *message)
{
    if (!json_is_object(object))
        return fail(reader, "must be an object");
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    g_autofree bool *is_seen = g_new0(bool, descriptor->n_fields);
    gsize length = reader->path->len;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(guintptr)object, key, value)
    {
        const ProtobufCFieldDescriptor *field = find_field(descriptor, key);
        if (field == NULL || json_is_null(value))
            continue;
        g_string_append_printf(reader->path, "%s%s", length > 0 ? "." : "", key);
        gsize index = (gsize)(field - descriptor->fields);
        if (is_seen[index])
            return fail(reader, "is given twice");
        is_seen[index] = true;
        if (!read_field(reader, field, value, message))
            return false;
        g_string_truncate(reader->path, length);
    }
    return true;
}

static json_t *parse_text(const char *json, gsize size, GError **error)
{
    if (size > EG_JSON_MAX_BYTES) {
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "JSON of more than %" G_GSIZE_FORMAT " bytes", EG_JSON_MAX_BYTES);
        return NULL;
    }
    json_error_t syntax;
    json_t *root =
        json_loadb(size > 0 ? json : "", size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &syntax);
    if (root == NULL) {
        /* jansson goes on with what stands there, which may be a secret. */
        char *near = strstr(syntax.text, " near ");
        if (near != NULL)
            *near = '\0';
        eg_error_set(error, EG_ERROR_INVALID_ARGUMENT, EG_BLAME_REQUEST,
                     "no valid JSON: line %d, column %d: %s", syntax.line, syntax.column,
                     syntax.text);
    }
    return root;
}

ProtobufCMessage *eg_proto_from_json(const char *json, gsize size,
                                     const ProtobufCMessageDescriptor *descriptor, GError **error)
{
    json_t *root = parse_text(json, size, error);
    if (root == NULL)
        return NULL;
    g_autoptr(GString) path = g_string_new(NULL);
    Reader reader = {path, error};
    g_autoptr(ProtobufCMessage) message = new_message(descriptor);
    bool is_good = read_message(&reader, root, message);
    json_decref(root);
    return is_good ? g_steal_pointer(&message) : NULL;
}
