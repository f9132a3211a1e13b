#include "proto/json.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "livekit_egress.pb-c.h"
#include "psrpc_internal.pb-c.h"
#include "rpc_egress.pb-c.h"

static char *str(const char *text)
{
    return (char *)(guintptr)text;
}

static void assert_bytes(const guint8 *a, gsize a_size, const guint8 *b, gsize b_size)
{
    g_assert_cmpuint(a_size, ==, b_size);
    g_assert_true(memcmp(a, b, a_size) == 0);
}

/* JSON that is written with ' instead of ". */
static char *quoted(const char *json)
{
    return g_strdelimit(g_strdup(json), "'", '"');
}

static void assert_json(const ProtobufCMessage *message, EgJsonStyle style, const char *expected)
{
    g_autofree char *text = eg_proto_to_json_styled(message, style);
    g_autofree char *json = quoted(expected);
    g_assert_cmpstr(text, ==, json);
}

static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *descriptor, const char *json)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = quoted(json);
    ProtobufCMessage *message = eg_proto_from_json(text, strlen(text), descriptor, &error);
    g_assert_no_error(error);
    g_assert_nonnull(message);
    return message;
}

static void test_styles(void)
{
    Livekit__FileInfo file = LIVEKIT__FILE_INFO__INIT;
    file.started_at = G_GINT64_CONSTANT(9007199254740993);
    Livekit__FileInfo *files[] = {&file};
    Livekit__TrackEgressRequest track = LIVEKIT__TRACK_EGRESS_REQUEST__INIT;
    track.output_case = LIVEKIT__TRACK_EGRESS_REQUEST__OUTPUT_WEBSOCKET_URL;
    track.websocket_url = str("");
    Livekit__EgressInfo info = LIVEKIT__EGRESS_INFO__INIT;
    info.egress_id = str("EG_1");
    info.n_file_results = 1;
    info.file_results = files;
    info.request_case = LIVEKIT__EGRESS_INFO__REQUEST_TRACK;
    info.track = &track;
    info.source_type = LIVEKIT__EGRESS_SOURCE_TYPE__EGRESS_SOURCE_TYPE_SDK;

    assert_json(&info.base, EG_JSON_CANONICAL,
                "{'egressId':'EG_1','track':{'websocketUrl':''},"
                "'fileResults':[{'startedAt':'9007199254740993'}],"
                "'sourceType':'EGRESS_SOURCE_TYPE_SDK'}");
    assert_json(&info.base, EG_JSON_ORIGINAL_NAMES,
                "{'egress_id':'EG_1','track':{'websocket_url':''},"
                "'file_results':[{'started_at':'9007199254740993'}],"
                "'source_type':'EGRESS_SOURCE_TYPE_SDK'}");
    assert_json(&info.base, EG_JSON_TWIRP,
                "{'egress_id':'EG_1','room_id':'','status':'EGRESS_STARTING',"
                "'track':{'room_name':'','track_id':'','websocket_url':'','webhooks':[]},"
                "'error':'','started_at':'0','ended_at':'0','room_name':'','stream_results':[],"
                "'file_results':[{'filename':'','started_at':'9007199254740993','ended_at':'0',"
                "'size':'0','location':'','duration':'0'}],'segment_results':[],'updated_at':'0',"
                "'image_results':[],'details':'','error_code':0,'manifest_location':'',"
                "'backup_storage_used':false,'source_type':'EGRESS_SOURCE_TYPE_SDK',"
                "'retry_count':0}");

    Livekit__ListEgressResponse list = LIVEKIT__LIST_EGRESS_RESPONSE__INIT;
    assert_json(&list.base, EG_JSON_CANONICAL, "{}");
    assert_json(&list.base, EG_JSON_TWIRP, "{'items':[],'next_page_token':null}");
}

static void test_numbers(void)
{
    static const struct {
        double interval;
        const char *text;
    } cases[] = {
  // clang-format off
        {0, "{'width':-3,'videoCodec':77}"},
        {2.5, "{'width':-3,'videoCodec':77,'keyFrameInterval':2.5}"},
        {2.1, "{'width':-3,'videoCodec':77,'keyFrameInterval':2.1}"},
        {4, "{'width':-3,'videoCodec':77,'keyFrameInterval':4}"},
        {1.0 / 3, "{'width':-3,'videoCodec':77,'keyFrameInterval':0.3333333333333333}"},
        {-0.0, "{'width':-3,'videoCodec':77,'keyFrameInterval':-0.0}"},
        {1e300, "{'width':-3,'videoCodec':77,'keyFrameInterval':1e+300}"},
        {(double)INFINITY, "{'width':-3,'videoCodec':77,'keyFrameInterval':'Infinity'}"},
        {-(double)INFINITY, "{'width':-3,'videoCodec':77,'keyFrameInterval':'-Infinity'}"},
        {(double)NAN, "{'width':-3,'videoCodec':77,'keyFrameInterval':'NaN'}"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Livekit__EncodingOptions options = LIVEKIT__ENCODING_OPTIONS__INIT;
        options.width = -3;
        options.video_codec = 77; /* unknown numbers stay numbers */
        options.key_frame_interval = cases[i].interval;
        assert_json(&options.base, EG_JSON_CANONICAL, cases[i].text);

        g_autoptr(ProtobufCMessage) read =
            parse(&livekit__encoding_options__descriptor, cases[i].text);
        assert_json(read, EG_JSON_CANONICAL, cases[i].text);
        double interval = ((Livekit__EncodingOptions *)read)->key_frame_interval;
        g_assert_true(interval == cases[i].interval || isnan(cases[i].interval));
    }

    Internal__ClaimRequest claim = INTERNAL__CLAIM_REQUEST__INIT;
    claim.affinity = 0.1F;
    assert_json(&claim.base, EG_JSON_CANONICAL, "{'affinity':0.1}");
}

static void test_strings_and_bytes(void)
{
    Internal__Response response = INTERNAL__RESPONSE__INIT;
    response.error = str("a\"b\\c\n\x01 \xc3\xbc \xff\x7f");
    static guint8 bytes[] = {0xfb, 0xff, 0x00, 0x10};
    response.raw_response.data = bytes;
    response.raw_response.len = sizeof(bytes);
    g_autofree char *text = eg_proto_to_json(&response.base);
    g_assert_cmpstr(text, ==,
                    "{\"error\":\"a\\\"b\\\\c\\n\\u0001 \xc3\xbc \xef\xbf\xbd\\u007f\","
                    "\"rawResponse\":\"+/8AEA==\"}");

    /* Any alphabet, with padding and without. */
    static const char *const spellings[] = {"+/8AEA==", "-_8AEA==", "+_8AEA"};
    for (gsize i = 0; i < G_N_ELEMENTS(spellings); i++) {
        g_autofree char *json = g_strdup_printf("{'rawResponse':'%s'}", spellings[i]);
        g_autoptr(ProtobufCMessage) read = parse(&internal__response__descriptor, json);
        const ProtobufCBinaryData *data = &((Internal__Response *)read)->raw_response;
        assert_bytes(data->data, data->len, bytes, sizeof(bytes));
    }
}

/* What is read, and what is written of it. */
static void test_read(void)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *json;
        const char *canonical;
    } cases[] = {
  // clang-format off
        {&livekit__egress_info__descriptor, "{}", "{}"},
        {&livekit__egress_info__descriptor, " {\n} ", "{}"},
        /* Both names. */
        {&livekit__egress_info__descriptor, "{'egress_id':'a','roomId':'b'}",
         "{'egressId':'a','roomId':'b'}"},
        /* Unknown fields, null, defaults. */
        {&livekit__egress_info__descriptor,
         "{'no_such':{'x':[1,{}]},'egressId':null,'egress_id':'a','status':'EGRESS_STARTING',"
         "'track':null,'web':{},'fileResults':null,'errorCode':0,'EgressId':'b'}",
         "{'egressId':'a','web':{}}"},
        /* Enums by name and number, also unknown ones. */
        {&livekit__egress_info__descriptor, "{'status':'EGRESS_FAILED','sourceType':1}",
         "{'status':'EGRESS_FAILED','sourceType':'EGRESS_SOURCE_TYPE_SDK'}"},
        {&livekit__egress_info__descriptor, "{'status':-9}", "{'status':-9}"},
        /* Integers as they are written by all sorts of clients. */
        {&livekit__egress_info__descriptor,
         "{'startedAt':1795403761566000001,'endedAt':'-9223372036854775808','errorCode':'404',"
         "'retryCount':2.0,'updatedAt':1e3}",
         "{'startedAt':'1795403761566000001','endedAt':'-9223372036854775808',"
         "'updatedAt':'1000','errorCode':404,'retryCount':2}"},
        {&livekit__segmented_file_output__descriptor, "{'segmentDuration':4294967295}",
         "{'segmentDuration':4294967295}"},
        {&livekit__encoding_options__descriptor, "{'keyFrameInterval':'2.5e1'}",
         "{'keyFrameInterval':25}"},
        /* The one name that is no snake_case. */
        {&livekit__storage_config__descriptor, "{'aliOSS':{'accessKey':'k'}}",
         "{'aliOSS':{'accessKey':'k'}}"},
        /* Maps, nested ones too. */
        {&livekit__storage_config__descriptor,
         "{'s3':{'metadata':{'b':'1','a':'','':'x'},'forcePathStyle':true}}",
         "{'s3':{'forcePathStyle':true,'metadata':{'b':'1','a':'','':'x'}}}"},
        {&livekit__s3_upload__descriptor, "{'metadata':{}}", "{}"},
        /* A oneof that has its default is still the one. */
        {&livekit__audio_route__descriptor, "{'participantKind':'STANDARD'}",
         "{'participantKind':'STANDARD'}"},
        {&livekit__audio_route__descriptor, "{'trackId':''}", "{'trackId':''}"},
        {&livekit__stream_output__descriptor, "{'protocol':'RTMP','urls':['a','','b']}",
         "{'protocol':'RTMP','urls':['a','','b']}"},
        {&rpc__start_egress_request__descriptor,
         "{'egress':{'media':{'participantVideo':{'identity':'a'},'audio':{'routes':["
         "{'participantIdentity':'b','channel':'AUDIO_CHANNEL_LEFT'},{}]}},"
         "'outputs':[{'stream':{'urls':['srt://h']},'storage':{'gcp':{'bucket':'x'}}}]}}",
         "{'egress':{'media':{'participantVideo':{'identity':'a'},'audio':{'routes':["
         "{'participantIdentity':'b','channel':'AUDIO_CHANNEL_LEFT'},{}]}},"
         "'outputs':[{'stream':{'urls':['srt://h']},'storage':{'gcp':{'bucket':'x'}}}]}}"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].json);
        g_autoptr(ProtobufCMessage) message = parse(cases[i].descriptor, cases[i].json);
        assert_json(message, EG_JSON_CANONICAL, cases[i].canonical);

        /* Whatever the style, it is the same message. */
        for (int style = EG_JSON_CANONICAL; style <= EG_JSON_TWIRP; style++) {
            g_autofree char *json = eg_proto_to_json_styled(message, (EgJsonStyle)style);
            g_autoptr(ProtobufCMessage) again = parse(cases[i].descriptor, json);
            g_autoptr(GBytes) bytes = eg_proto_pack(message);
            g_autoptr(GBytes) bytes_again = eg_proto_pack(again);
            g_assert_true(g_bytes_equal(bytes, bytes_again));
        }
    }
}

static void test_refused(void)
{
    static const struct {
        const char *json;
        const char *error;
    } cases[] = {
  // clang-format off
        {"", "no valid JSON: line 1, column 0: '[' or '{' expected"},
        {"{'egress_id':'sec", "no valid JSON: line 1, column 17: premature end of input"},
        {"{'egress_id':sec}", "no valid JSON: line 1, column 16: invalid token"},
        {"{} {}", "no valid JSON: line 1, column 4: end of file expected"},
        {"{'a':1,'a':1}", "no valid JSON: line 1, column 10: duplicate object key"},
        {"[]", "must be an object"},
        {"{'egress_id':7}", "egress_id: must be a string"},
        {"{'egress_id':'a\\u0000b'}", "egress_id: has a NUL character"},
        {"{'egress_id':'a','egressId':'a'}", "egressId: is given twice"},
        {"{'participant':[]}", "participant: must be an object"},
        {"{'participant':{'fileOutputs':{}}}", "participant.fileOutputs: must be an array"},
        {"{'participant':{'file_outputs':[{},{'fileType':'FOO'}]}}",
         "participant.file_outputs[1].fileType: FOO is none of DEFAULT_FILETYPE, MP4, OGG, MP3"},
        {"{'participant':{'file_outputs':[{'fileType':''}]}}",
         "participant.file_outputs[0].fileType: \"\" is none of DEFAULT_FILETYPE, MP4, OGG, MP3"},
        {"{'participant':{'fileOutputs':[null]}}",
         "participant.fileOutputs[0]: must be an object"},
        {"{'participant':{'fileOutputs':[{'s3':{'metadata':{'a':'b','c':null}}}]}}",
         "participant.fileOutputs[0].s3.metadata[1]: must be a string"},
        {"{'participant':{'fileOutputs':[{'s3':{'metadata':['a']}}]}}",
         "participant.fileOutputs[0].s3.metadata: must be an object"},
        {"{'participant':{'preset':'PASSTHROUGH','advanced':{}}}",
         "participant.advanced: excludes preset, which is given too"},
        {"{'track':{},'web':{}}", "web: excludes track, which is given too"},
        {"{'participant':{'screenShare':1}}", "participant.screenShare: must be true or false"},
        {"{'participant':{'advanced':{'width':2147483648}}}",
         "participant.advanced.width: must be a whole number from -2147483648 to 2147483647"},
        {"{'participant':{'advanced':{'width':1.5}}}",
         "participant.advanced.width: must be a whole number from -2147483648 to 2147483647"},
        {"{'participant':{'advanced':{'width':' 5'}}}",
         "participant.advanced.width: must be a whole number from -2147483648 to 2147483647"},
        {"{'participant':{'preset':1e10}}",
         "participant.preset: must be a whole number from -2147483648 to 2147483647"},
        {"{'participant':{'segmentOutputs':[{'segmentDuration':-1}]}}",
         "participant.segmentOutputs[0].segmentDuration: "
         "must be a whole number from 0 to 4294967295"},
        {"{'replay':{'startOffsetMs':9223372036854775808.0}}",
         "replay.startOffsetMs: "
         "must be a whole number from -9223372036854775808 to 9223372036854775807"},
        {"{'estimatedCpu':'0x10'}", "estimatedCpu: must be a number"},
        {"{'estimatedCpu':'1e999'}", "estimatedCpu: must be a number"},
        {"{'estimatedCpu':true}", "estimatedCpu: must be a number"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].json);
        g_autoptr(GError) error = NULL;
        g_autofree char *json = quoted(cases[i].json);
        g_assert_null(
            eg_proto_from_json(json, strlen(json), &rpc__start_egress_request__descriptor, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
        g_assert_cmpstr(error->message, ==, cases[i].error);
    }
}

static void test_refused_other_types(void)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *json;
        const char *error;
    } cases[] = {
  // clang-format off
        {&internal__claim_request__descriptor, "{'affinity':1e39}",
         "affinity: is too large a number"},
        {&internal__msg__descriptor, "{'value':'a'}", "value: is no base64"},
        {&internal__msg__descriptor, "{'value':'YQ='}", "value: is no base64"},
        {&internal__msg__descriptor, "{'value':'YW%j'}", "value: is no base64"},
        {&internal__msg__descriptor, "{'value':'YWJj===='}", "value: is no base64"},
        {&internal__msg__descriptor, "{'value':7}", "value: must be a string"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].json);
        g_autoptr(GError) error = NULL;
        g_autofree char *json = quoted(cases[i].json);
        g_assert_null(eg_proto_from_json(json, strlen(json), cases[i].descriptor, &error));
        g_assert_cmpstr(error->message, ==, cases[i].error);
    }
}

/* Texts that only mean harm. */
static void test_bounds(void)
{
    gsize size = EG_JSON_MAX_BYTES + 1;
    g_autofree char *text = g_malloc(size);
    memset(text, ' ', size);
    memcpy(text, "{}", 2);
    g_autoptr(GError) error = NULL;
    const ProtobufCMessageDescriptor *descriptor = &livekit__egress_info__descriptor;
    g_autoptr(ProtobufCMessage) message = eg_proto_from_json(text, size - 1, descriptor, &error);
    g_assert_no_error(error);
    g_assert_nonnull(message);
    g_assert_null(eg_proto_from_json(text, size, descriptor, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
    g_assert_cmpstr(error->message, ==, "JSON of more than 4194304 bytes");
    g_clear_error(&error);

    memset(text, '[', size - 1);
    g_assert_null(eg_proto_from_json(text, size - 1, descriptor, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);

    for (gsize i = 0; i + 5 < size; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    g_clear_error(&error);
    g_assert_null(eg_proto_from_json(text, size - 1, descriptor, &error));
    g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);

    /* An enum's name is quoted only so far. */
    g_clear_error(&error);
    memset(text, 'A', size - 1);
    memcpy(text, "{\"status\":\"", 11);
    memcpy(text + size - 3, "\"}", 2);
    g_assert_null(eg_proto_from_json(text, size - 1, descriptor, &error));
    g_assert_true(g_str_has_prefix(error->message, "status: AAAA"));
    g_assert_cmpuint(strlen(error->message), <, 300);
}

static GBytes *from_hex(const char *hex)
{
    GByteArray *bytes = g_byte_array_new();
    for (; *hex != '\0'; hex += 2) {
        guint8 byte = (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
        g_byte_array_append(bytes, &byte, 1);
    }
    return g_byte_array_free_to_bytes(bytes);
}

/* A StartEgress as livekit-server 1.13.4 published it. */
static void test_wire(void)
{
    g_autoptr(GBytes) bytes = from_hex(
        "0a24747970652e676f6f676c65617069732e636f6d2f696e7465726e616c2e5265717565737412760a10524551"
        "5f723841456278767057346c431210434c495f6167587a7352314a5a62323718aab7a5a8dec195f51820aaffd4"
        "c883c295f518423c0a0f45475f547652455654747675346b321a0f524d5f74364642726e7575476b73612a180a"
        "0272311204677269645a0c120a2f746d702f782e6d7034");
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    Internal__Msg *envelope = internal__msg__unpack(NULL, size, data);
    g_assert_nonnull(envelope);
    g_assert_cmpstr(envelope->type_url, ==, "type.googleapis.com/internal.Request");
    Internal__Request *request =
        internal__request__unpack(NULL, envelope->value.len, envelope->value.data);
    g_assert_nonnull(request);
    assert_json(&request->base, EG_JSON_CANONICAL,
                "{'requestId':'REQ_r8AEbxvpW4lC','clientId':'CLI_agXzsR1JZb27',"
                "'sentAt':'1795342019137723306','expiry':'1795342029137723306',"
                "'rawRequest':'Cg9FR19UdlJFVlR0dnU0azIaD1JNX3Q2RkJybnV1R2tzYSoYCgJyMRIEZ3JpZFoMEgov"
                "dG1wL3gubXA0'}");

    Rpc__StartEgressRequest *start = rpc__start_egress_request__unpack(
        NULL, request->raw_request.len, request->raw_request.data);
    g_assert_nonnull(start);
    static const char expected[] = "{'egressId':'EG_TvREVTtvu4k2','roomId':'RM_t6FBrnuuGksa',"
                                   "'roomComposite':{'roomName':'r1','layout':'grid',"
                                   "'fileOutputs':[{'filepath':'/tmp/x.mp4'}]}}";
    assert_json(&start->base, EG_JSON_CANONICAL, expected);

    /* And back, down to the byte. */
    g_autoptr(ProtobufCMessage) read = parse(&rpc__start_egress_request__descriptor, expected);
    g_autoptr(GBytes) packed = eg_proto_pack(read);
    gsize packed_size = 0;
    const guint8 *packed_data = g_bytes_get_data(packed, &packed_size);
    assert_bytes(packed_data, packed_size, request->raw_request.data, request->raw_request.len);

    rpc__start_egress_request__free_unpacked(start, NULL);
    internal__request__free_unpacked(request, NULL);
    internal__msg__free_unpacked(envelope, NULL);
}

/* On the wire a map is a list. */
static void test_map_with_key_twice(void)
{
    static const guint8 bytes[] = "\x3a\x06\x0a\x01"
                                  "a\x12\x01"
                                  "b\x3a\x03\x0a\x01"
                                  "c\x3a\x06\x0a\x01"
                                  "a\x12\x01"
                                  "d";
    g_autoptr(ProtobufCMessage) message =
        protobuf_c_message_unpack(&livekit__s3_upload__descriptor, NULL, sizeof(bytes) - 1, bytes);
    g_assert_nonnull(message);
    assert_json(message, EG_JSON_CANONICAL, "{'metadata':{'c':'','a':'d'}}");
}

/* protobuf-c reads a field of number 0 and writes what it does not read again. */
static void test_unknown_fields(void)
{
    static const guint8 bytes[] = "\x82\x00\x00\x22\x03\x82\x00\x00\x0a\x04"
                                  "EG_1";
    const ProtobufCMessageDescriptor *descriptor = &livekit__egress_info__descriptor;
    ProtobufCMessage *kept = protobuf_c_message_unpack(descriptor, NULL, sizeof(bytes) - 1, bytes);
    g_assert_nonnull(kept);
    g_assert_cmpuint(kept->n_unknown_fields, ==, 1);
    g_autoptr(ProtobufCMessage) copy = eg_proto_copy(kept);
    protobuf_c_message_free_unpacked(kept, NULL);
    g_autoptr(ProtobufCMessage) dropped = eg_proto_unpack(descriptor, bytes, sizeof(bytes) - 1);
    g_assert_nonnull(dropped);

    g_autoptr(GBytes) expected = g_bytes_new_static("\x0a\x04"
                                                    "EG_1\x22\x00",
                                                    8);
    g_autoptr(GBytes) bytes_of_copy = eg_proto_pack(copy);
    g_autoptr(GBytes) bytes_of_dropped = eg_proto_pack(dropped);
    g_assert_true(g_bytes_equal(bytes_of_copy, expected));
    g_assert_true(g_bytes_equal(bytes_of_dropped, expected));

    g_assert_null(eg_proto_unpack(descriptor, bytes, sizeof(bytes) - 2));
}

static void test_message(void)
{
    g_autoptr(ProtobufCMessage) message =
        parse(&livekit__stream_output__descriptor, "{'urls':['a','b']}");
    g_autoptr(ProtobufCMessage) copy = eg_proto_copy(message);
    Livekit__StreamOutput *output = (Livekit__StreamOutput *)copy;
    eg_proto_set_string(&output->urls[0], output->urls[1]);
    eg_proto_set_string(&output->urls[1], "c");
    assert_json(copy, EG_JSON_CANONICAL, "{'urls':['b','c']}");
    assert_json(message, EG_JSON_CANONICAL, "{'urls':['a','b']}");

    Internal__Msg envelope = INTERNAL__MSG__INIT;
    static guint8 bytes[] = {0, 1, 2};
    envelope.value.data = bytes;
    envelope.value.len = sizeof(bytes);
    g_autoptr(ProtobufCMessage) envelope_copy = eg_proto_copy(&envelope.base);
    const ProtobufCBinaryData *value = &((Internal__Msg *)envelope_copy)->value;
    assert_bytes(value->data, value->len, bytes, sizeof(bytes));
    g_assert_true(value->data != bytes);

    g_autoptr(ProtobufCMessage) empty = parse(&livekit__file_info__descriptor, "{}");
    g_autoptr(ProtobufCMessage) empty_copy = eg_proto_copy(empty);
    Livekit__FileInfo *file = (Livekit__FileInfo *)empty_copy;
    eg_proto_set_string(&file->filename, "x");
    eg_proto_set_string(&file->filename, file->filename);
    eg_proto_set_string(&file->location, "y");
    eg_proto_set_string(&file->location, NULL);
    assert_json(empty_copy, EG_JSON_CANONICAL, "{'filename':'x'}");
    eg_proto_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proto/json/styles", test_styles);
    g_test_add_func("/proto/json/numbers", test_numbers);
    g_test_add_func("/proto/json/strings-and-bytes", test_strings_and_bytes);
    g_test_add_func("/proto/json/read", test_read);
    g_test_add_func("/proto/json/refused", test_refused);
    g_test_add_func("/proto/json/refused-other-types", test_refused_other_types);
    g_test_add_func("/proto/json/bounds", test_bounds);
    g_test_add_func("/proto/json/wire", test_wire);
    g_test_add_func("/proto/json/map-with-key-twice", test_map_with_key_twice);
    g_test_add_func("/proto/json/unknown-fields", test_unknown_fields);
    g_test_add_func("/proto/json/message", test_message);
    return g_test_run();
}
