#include "bus/psrpc-message.h"

#include "base/time.h"
#include "proto/message.h"
#include "proto/reflect.h"

#include <string.h>

#define TYPE_URL_PREFIX "type.googleapis.com/"
#define MAX_ID_CHARS    128

/* Letters that every broker takes stay; the others become their number. */
static void append_sanitized(GString *channel, const char *part)
{
    for (const char *at = part; *at != '\0';) {
        gunichar rune = g_utf8_get_char_validated(at, -1);
        if (rune == (gunichar)-1 || rune == (gunichar)-2) {
            rune = 0xFFFD;
            at++;
        } else {
            at = g_utf8_next_char(at);
        }
        if (rune < 0x80 && (g_ascii_isalnum((char)rune) || rune == '_'))
            g_string_append_c(channel, (char)rune);
        else
            g_string_append_printf(channel, rune < 0x10000 ? "u+%04x" : "U+%08x", rune);
    }
}

char *eg_psrpc_channel(const char *service, const char *name, const char *topic, const char *kind)
{
    const char *parts[] = {service, name, topic, kind};
    GString *channel = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i] == NULL || *parts[i] == '\0')
            continue;
        if (channel->len > 0)
            g_string_append_c(channel, '|');
        append_sanitized(channel, parts[i]);
    }
    return g_string_free(channel, FALSE);
}

bool eg_psrpc_id_is_valid(const char *id)
{
    return *id != '\0' && strnlen(id, MAX_ID_CHARS + 1) <= MAX_ID_CHARS;
}

GBytes *eg_psrpc_encode(const ProtobufCMessage *message)
{
    g_autoptr(GBytes) value = eg_proto_pack(message);
    g_autofree char *type_url = g_strconcat(TYPE_URL_PREFIX, message->descriptor->name, NULL);
    Internal__Msg envelope = INTERNAL__MSG__INIT;
    envelope.type_url = type_url;
    envelope.value.data = (guint8 *)g_bytes_get_data(value, &envelope.value.len);
    return eg_proto_pack(&envelope.base);
}

/* Recursion ends where the types do: none of ours contains itself. */
static bool is_utf8(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        gsize n_values = 1;
        const char *values = field->label == PROTOBUF_C_LABEL_REPEATED
                                 ? eg_reflect_values(field, message, &n_values)
                                 : eg_reflect_at(field, message);
        if (eg_reflect_is_oneof(field) && !eg_reflect_is_set(field, message))
            n_values = 0;
        for (gsize j = 0; j < n_values; j++) {
            const void *value = eg_reflect_pointer(values + j * eg_reflect_size(field));
            if (value == NULL)
                continue;
            if (field->type == PROTOBUF_C_TYPE_STRING ? !g_utf8_validate(value, -1, NULL)
                                                      : !is_utf8(value))
                return false;
        }
    }
    return true;
}

ProtobufCMessage *eg_psrpc_unpack(const ProtobufCMessageDescriptor *descriptor,
                                  const ProtobufCBinaryData *bytes)
{
    if (descriptor == NULL)
        return NULL;
    ProtobufCMessage *message = eg_proto_unpack(descriptor, bytes->data, bytes->len);
    if (message != NULL && !is_utf8(message))
        g_clear_pointer(&message, eg_proto_free);
    return message;
}

ProtobufCMessage *eg_psrpc_decode(const ProtobufCMessageDescriptor *descriptor, GBytes *payload)
{
    ProtobufCBinaryData bytes;
    bytes.data = (guint8 *)g_bytes_get_data(payload, &bytes.len);
    if (bytes.len > EG_PSRPC_MAX_MESSAGE_BYTES)
        return NULL;
    g_autoptr(ProtobufCMessage) message = eg_psrpc_unpack(&internal__msg__descriptor, &bytes);
    if (message == NULL)
        return NULL;
    const Internal__Msg *envelope = (const Internal__Msg *)message;
    const char *slash = strrchr(envelope->type_url, '/');
    const char *type = slash != NULL ? slash + 1 : envelope->type_url;
    if (strcmp(type, descriptor->name) != 0)
        return NULL;
    return eg_psrpc_unpack(descriptor, &envelope->value);
}

char *eg_psrpc_lock_key(GBytes *payload)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    gsize size_bytes;
    const guint8 *data = g_bytes_get_data(payload, &size_bytes);
    g_checksum_update(checksum, data, (gssize)size_bytes);
    guint8 digest[32];
    gsize digest_bytes = sizeof digest;
    g_checksum_get_digest(checksum, digest, &digest_bytes);
    return g_base64_encode(digest, digest_bytes);
}

/* In milliseconds, the same for every LiveKit service, so that they can be added up. */
static const double request_bounds[] = {10, 50, 100, 300, 500, 1000, 1500, 2000, 5000, 10000};
static const double claim_bounds[] = {1, 5, 10, 25, 50, 100, 250, 500, 1000, 3000};

EgPsrpcStats *eg_psrpc_stats_of(GArray *stats, const EgPsrpcMethod *method)
{
    for (guint i = 0; i < stats->len; i++) {
        EgPsrpcStats *row = &g_array_index(stats, EgPsrpcStats, i);
        if (row->method == method)
            return row;
    }
    EgPsrpcStats row = {.method = method};
    eg_histogram_init(&row.request_ms, request_bounds, G_N_ELEMENTS(request_bounds));
    for (guint i = 0; i < EG_N_PSRPC_CLAIMS; i++)
        eg_histogram_init(&row.claim_ms[i], claim_bounds, G_N_ELEMENTS(claim_bounds));
    g_array_append_val(stats, row);
    return &g_array_index(stats, EgPsrpcStats, stats->len - 1);
}

double eg_psrpc_ms_since(gint64 since_ns)
{
    return (double)(eg_now_ns() - since_ns) / (double)EG_NS_PER_MS;
}
