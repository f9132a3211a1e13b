/* JSON and the bytes on the wire, as requests and reports come: what could be read is written and
 * read again, and stays what it is. The first byte says which message the others are. */
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "livekit_egress.pb-c.h"
#include "proto/json.h"
#include "proto/redact.h"
#include "rpc_egress.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ProtobufCMessage *parse(const char *json, gsize size,
                               const ProtobufCMessageDescriptor *descriptor)
{
    g_autoptr(GError) error = NULL;
    ProtobufCMessage *message = eg_proto_from_json(json, size, descriptor, &error);
    g_assert_cmpint(message == NULL, ==, error != NULL);
    if (error != NULL) {
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
    return message;
}

/* All styles are the same message. `is_exact`: its strings are UTF-8, so that all of it comes
 * back. */
static void check_styles(const ProtobufCMessage *message, bool is_exact)
{
    g_autoptr(GBytes) bytes = eg_proto_pack(message);
    g_autofree char *canonical = eg_proto_to_json(message);
    for (int style = EG_JSON_CANONICAL; style <= EG_JSON_TWIRP; style++) {
        g_autofree char *json = eg_proto_to_json_styled(message, (EgJsonStyle)style);
        g_assert_true(g_utf8_validate(json, -1, NULL));
        g_autoptr(ProtobufCMessage) again = parse(json, strlen(json), message->descriptor);
        g_assert_nonnull(again);
        g_autofree char *canonical_again = eg_proto_to_json(again);
        g_assert_cmpstr(canonical_again, ==, canonical);
        g_autoptr(GBytes) bytes_again = eg_proto_pack(again);
        g_assert_true(!is_exact || g_bytes_equal(bytes_again, bytes));
    }
}

/* A copy is the same, and redacting it twice is as once. */
static void check_copy(const ProtobufCMessage *message)
{
    g_autoptr(ProtobufCMessage) copy = eg_proto_copy(message);
    g_autoptr(GBytes) bytes = eg_proto_pack(message);
    g_autoptr(GBytes) bytes_of_copy = eg_proto_pack(copy);
    g_assert_true(g_bytes_equal(bytes_of_copy, bytes));
    eg_redact_message(copy);
    g_autofree char *redacted = eg_proto_to_json(copy);
    eg_redact_message(copy);
    g_autofree char *again = eg_proto_to_json(copy);
    g_assert_cmpstr(again, ==, redacted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const ProtobufCMessageDescriptor *descriptor = g_ascii_tolower((char)data[0]) == 'e'
                                                       ? &livekit__egress_info__descriptor
                                                       : &rpc__start_egress_request__descriptor;
    bool is_wire = g_ascii_islower((char)data[0]);
    g_autoptr(ProtobufCMessage) message = is_wire
                                              ? eg_proto_unpack(descriptor, data + 1, size - 1)
                                              : parse((const char *)data + 1, size - 1, descriptor);
    if (message == NULL)
        return 0;
    check_styles(message, !is_wire);
    check_copy(message);
    return 0;
}
