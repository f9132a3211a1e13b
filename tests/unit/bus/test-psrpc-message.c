#include "base/id.h"
#include "bus/psrpc-message.h"

#include "rpc_egress.pb-c.h"
#include "unit/bus/psrpc-samples.h"

#include <string.h>

static ProtobufCMessage *decode(const ProtobufCMessageDescriptor *descriptor, const char *hex)
{
    g_autoptr(GBytes) payload = sample_bytes(hex);
    return eg_psrpc_decode(descriptor, payload);
}

/* What others have sent is encoded by us to the same bytes. */
static void test_samples(void)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *hex;
    } cases[] = {
        {&internal__request__descriptor,        SAMPLE_START_REQUEST  },
        {&internal__claim_request__descriptor,  SAMPLE_START_CLAIM    },
        {&internal__claim_response__descriptor, SAMPLE_START_AWARD    },
        {&internal__response__descriptor,       SAMPLE_START_RESPONSE },
        {&internal__request__descriptor,        SAMPLE_CREATE_REQUEST },
        {&internal__claim_request__descriptor,  SAMPLE_CREATE_CLAIM   },
        {&internal__claim_response__descriptor, SAMPLE_CREATE_AWARD   },
        {&internal__response__descriptor,       SAMPLE_CREATE_RESPONSE},
        {&internal__request__descriptor,        SAMPLE_STOP_REQUEST   },
        {&internal__response__descriptor,       SAMPLE_ERROR_RESPONSE },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GBytes) payload = sample_bytes(cases[i].hex);
        g_autoptr(ProtobufCMessage) message = eg_psrpc_decode(cases[i].descriptor, payload);
        g_assert_nonnull(message);
        g_autoptr(GBytes) encoded = eg_psrpc_encode(message);
        g_assert_true(g_bytes_equal(encoded, payload));
        for (gsize j = 0; j < G_N_ELEMENTS(cases); j++) {
            if (cases[j].descriptor != cases[i].descriptor)
                g_assert_null(eg_psrpc_decode(cases[j].descriptor, payload));
        }
    }
}

static void test_request(void)
{
    g_autoptr(ProtobufCMessage) message =
        decode(&internal__request__descriptor, SAMPLE_START_REQUEST);
    const Internal__Request *request = (const Internal__Request *)message;
    g_assert_cmpstr(request->request_id, ==, "REQ_r8AEbxvpW4lC");
    g_assert_cmpstr(request->client_id, ==, "CLI_agXzsR1JZb27");
    g_assert_cmpint(request->expiry - request->sent_at, ==, G_GINT64_CONSTANT(10000000000));

    g_autoptr(ProtobufCMessage) inner =
        eg_psrpc_unpack(&rpc__start_egress_request__descriptor, &request->raw_request);
    const Rpc__StartEgressRequest *start = (const Rpc__StartEgressRequest *)inner;
    g_assert_cmpstr(start->egress_id, ==, "EG_TvREVTtvu4k2");
    g_assert_cmpstr(start->room_id, ==, "RM_t6FBrnuuGksa");
    g_assert_cmpint(start->request_case, ==, RPC__START_EGRESS_REQUEST__REQUEST_ROOM_COMPOSITE);
    g_assert_cmpstr(start->room_composite->room_name, ==, "r1");
}

static void test_response(void)
{
    g_autoptr(ProtobufCMessage) claim =
        decode(&internal__claim_request__descriptor, SAMPLE_START_CLAIM);
    g_assert_cmpfloat(((const Internal__ClaimRequest *)claim)->affinity, ==, 0.5F);

    g_autoptr(ProtobufCMessage) message =
        decode(&internal__response__descriptor, SAMPLE_ERROR_RESPONSE);
    const Internal__Response *response = (const Internal__Response *)message;
    g_assert_cmpstr(response->error, ==, "egress does not exist");
    g_assert_cmpstr(response->code, ==, "not_found");
    g_assert_cmpuint(response->raw_response.len, ==, 0);
}

static void test_lock_key(void)
{
    g_autoptr(GBytes) payload = sample_bytes(SAMPLE_CREATE_REQUEST);
    g_autofree char *key = eg_psrpc_lock_key(payload);
    g_assert_cmpstr(key, ==, SAMPLE_CREATE_LOCK);
}

static void test_channels(void)
{
    static const struct {
        const char *topic;
        const char *channel;
    } cases[] = {
        {NULL,                   "S|M|REQ"             },
        {"",                     "S|M|REQ"             },
        {"EG_aZ09",              "S|M|EG_aZ09|REQ"     },
        {"a-b",                  "S|M|au+002db|REQ"    },
        {"|",                    "S|M|u+007c|REQ"      },
        {"\xC3\xA9\xE2\x82\xAC", "S|M|u+00e9u+20ac|REQ"},
        {"x\xF0\x9F\x98\x80",    "S|M|xU+0001f600|REQ" },
        {"\xFF\xC3",             "S|M|u+fffdu+fffd|REQ"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *channel = eg_psrpc_channel("S", "M", cases[i].topic, "REQ");
        g_assert_cmpstr(channel, ==, cases[i].channel);
    }
}

static void test_ids(void)
{
    g_autoptr(GHashTable) ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (int i = 0; i < 100; i++) {
        char *id = eg_id_new("CLI_");
        g_assert_true(g_regex_match_simple("^CLI_[a-zA-Z0-9]{12}$", id, 0, 0));
        g_assert_true(eg_psrpc_id_is_valid(id));
        g_assert_true(g_hash_table_add(ids, id));
    }
    g_autofree char *longest = g_strnfill(128, 'x');
    g_autofree char *too_long = g_strnfill(129, 'x');
    g_assert_true(eg_psrpc_id_is_valid(longest));
    g_assert_false(eg_psrpc_id_is_valid(too_long));
    g_assert_false(eg_psrpc_id_is_valid(""));
}

static GBytes *encode_envelope(const char *type_url, const void *data, gsize size_bytes)
{
    Internal__Msg envelope = INTERNAL__MSG__INIT;
    envelope.type_url = (char *)type_url;
    envelope.value = (ProtobufCBinaryData){.data = (guint8 *)data, .len = size_bytes};
    const gsize packed_bytes = internal__msg__get_packed_size(&envelope);
    guint8 *packed = g_malloc(packed_bytes);
    internal__msg__pack(&envelope, packed);
    return g_bytes_new_take(packed, packed_bytes);
}

/* Award: {1: "r", 2: "s"}, and what may come with it. */
static void test_envelopes(void)
{
    static const struct {
        const char *type_url;
        const char *value;
        bool is_accepted;
    } cases[] = {
        {"type.googleapis.com/internal.ClaimResponse", "\x0a\x01r\x12\x01s",          true },
        {"internal.ClaimResponse",                     "\x0a\x01r\x12\x01s",          true },
        {"x/y/internal.ClaimResponse",                 "\x0a\x01r\x12\x01s",          true },
        {"internal.ClaimResponse",                     "\x0a\x01r\x12\x01s\x4a\x01x", true }, /* 9 */
        {"internal.ClaimResponse",                     "\x0a\x01r\x12\x02s",          false},
        {"internal.ClaimResponse",                     "\x0a\x01r\x12\x01\xFF",       false},
        {"internal.ClaimRequest",                      "\x0a\x01r\x12\x01s",          false},
        {"internal.ClaimResponse/",                    "\x0a\x01r\x12\x01s",          false},
        {"",                                           "\x0a\x01r\x12\x01s",          false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GBytes) payload =
            encode_envelope(cases[i].type_url, cases[i].value, strlen(cases[i].value));
        g_autoptr(ProtobufCMessage) message =
            eg_psrpc_decode(&internal__claim_response__descriptor, payload);
        g_assert_cmpint(message != NULL, ==, cases[i].is_accepted);
        if (message != NULL)
            g_assert_cmpstr(((const Internal__ClaimResponse *)message)->server_id, ==, "s");
    }
}

/* Not a byte more than the limit. */
static void test_size(void)
{
    static const char type_url[] = "internal.Request";
    for (gsize excess_bytes = 0; excess_bytes < 2; excess_bytes++) {
        /* The envelope: two tags, a length of one byte and one of three; and of {8: …} likewise. */
        const gsize value_bytes =
            EG_PSRPC_MAX_MESSAGE_BYTES - 2 - (sizeof type_url - 1) - 4 + excess_bytes;
        const gsize raw_bytes = value_bytes - 4;
        g_autofree guint8 *value = g_malloc0(value_bytes);
        value[0] = 8 << 3 | 2;
        value[1] = (guint8)(raw_bytes | 0x80);
        value[2] = (guint8)(raw_bytes >> 7 | 0x80);
        value[3] = (guint8)(raw_bytes >> 14);
        g_autoptr(GBytes) payload = encode_envelope(type_url, value, value_bytes);
        g_assert_cmpuint(g_bytes_get_size(payload), ==, EG_PSRPC_MAX_MESSAGE_BYTES + excess_bytes);
        g_autoptr(ProtobufCMessage) message =
            eg_psrpc_decode(&internal__request__descriptor, payload);
        g_assert_cmpint(message != NULL, ==, excess_bytes == 0);
    }
}

/* Also deep inside, in lists and in alternatives. */
static void test_utf8(void)
{
    static const struct {
        const char *bytes;
        bool is_valid;
    } cases[] = {
        {"\x0a\x02\xC3\xA9",                               true },
        {"\x0a\x02\xC3\x28",                               false},
        {"\x2a\x04\x0a\x02r1",                             true }, /* room_composite.room_name */
        {"\x2a\x04\x0a\x02r\xFE",                          false},
        {"\x2a\x06\x5a\x04\x12\x02/x",                     true }, /* .file_outputs[0].filepath */
        {"\x2a\x0b\x5a\x04\x12\x02/x\x5a\x03\x12\x01\xFF", false},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const ProtobufCBinaryData bytes = {.data = (guint8 *)cases[i].bytes,
                                           .len = strlen(cases[i].bytes)};
        g_autoptr(ProtobufCMessage) message =
            eg_psrpc_unpack(&rpc__start_egress_request__descriptor, &bytes);
        g_assert_cmpint(message != NULL, ==, cases[i].is_valid);
    }
    const ProtobufCBinaryData none = {0};
    g_assert_null(eg_psrpc_unpack(NULL, &none));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bus/psrpc-message/samples", test_samples);
    g_test_add_func("/bus/psrpc-message/request", test_request);
    g_test_add_func("/bus/psrpc-message/response", test_response);
    g_test_add_func("/bus/psrpc-message/lock-key", test_lock_key);
    g_test_add_func("/bus/psrpc-message/channels", test_channels);
    g_test_add_func("/bus/psrpc-message/ids", test_ids);
    g_test_add_func("/bus/psrpc-message/envelopes", test_envelopes);
    g_test_add_func("/bus/psrpc-message/size", test_size);
    g_test_add_func("/bus/psrpc-message/utf8", test_utf8);
    return g_test_run();
}
