#include "proto/redact.h"

#include <stdbool.h>
#include <string.h>

#include "livekit_egress.pb-c.h"
#include "proto/json.h"
#include "proto/reflect.h"
#include "rpc_egress.pb-c.h"

static void test_urls(void)
{
    static const struct {
        const char *url;
        const char *redacted;
    } cases[] = {
  // clang-format off
        {"", ""},
        /* Keys, by length. */
        {"rtmp://host/app/0123456789", "rtmp://host/app/{012...789}"},
        {"rtmp://host/app/012345678", "rtmp://host/app/{012...678}"},
        {"rtmp://host/app/01234567", "rtmp://host/app/{01...67}"},
        {"rtmp://host/app/012345", "rtmp://host/app/{01...45}"},
        {"rtmp://host/app/01234", "rtmp://host/app/{0...4}"},
        {"rtmp://host/app/012", "rtmp://host/app/{0...2}"},
        {"rtmp://host/app/01", "rtmp://host/app/{...}"},
        {"rtmp://host/app/", "rtmp://host/app/"},
        {"rtmps://host:443/a/b/app/0123456789", "rtmps://host:443/a/b/app/{012...789}"},
        {"rtmp://host/app/0123456789 live=1", "rtmp://host/app/{012...789} live=1"},
        {"rtmp://host/app/0123456789 live=2", "rtmp://host/app/{012...e=2}"},
        {"RTMP://host/app/0123456789", "RTMP://host/app/{012...789}"},
        {"rtmp://host/key456789", "rtmp://host/{key...789}"},
        {"rtmp://user:secret@host/app/0123456789", "rtmp://{...}@host/app/{012...789}"},
        /* Behind the key, all belongs to it. */
        {"rtmp://host/app/0123456789?a=b", "rtmp://host/app/{012...a=b}"},
        {"rtmp://host/app/0123456789?a=secret/b", "rtmp://host/app/{...}"},
        {"rtmp://host/app?auth=secret/key", "rtmp://host/{...}"},
        {"rtmp://host", "rtmp://host"},
        {"rtmp://host?key", "rtmp://host?{...}"},
        {"mux://0123456789", "mux://{012...789}"},
        {"twitch://0123/456789", "twitch://{...}"},
        /* Characters are not cut. */
        {"mux://\xc3\xa4\xc3\xb6\xc3\xbc", "mux://{\xc3\xa4...\xc3\xbc}"},
        {"mux://012345678\xff", "mux://{...}"},
        /* Others. */
        {"srt://host:7000?streamid=publish:x&passphrase=secret&mode=&latency=2",
         "srt://host:7000?streamid={...}&passphrase={...}&mode=&latency={...}"},
        {"srt://host:7000?secret", "srt://host:7000?{...}"},
        {"wss://user:se@cret@host/in?token=secret=#secret", "wss://{...}@host/in?token={...}#{...}"},
        {"wss://host/in@out/?#", "wss://host/in@out/?#"},
        {"wss://host/in?&&a=b", "wss://host/in?&&a={...}"},
        {"wss://host#secret", "wss://host#{...}"},
        {"wss://secret@", "wss://{...}@"},
        {"https://host/path", "https://host/path"},
        {"://?a=b", "://?a={...}"},
        /* No URL. */
        {"0123456789", "{012...789}"},
        {"host/app/key", "{...}"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("case %" G_GSIZE_FORMAT, i); /* not all are UTF-8 */
        g_autofree char *redacted = eg_redact_url(cases[i].url);
        g_assert_cmpstr(redacted, ==, cases[i].redacted);
        g_autofree char *again = eg_redact_url(redacted);
        g_assert_cmpstr(again, ==, redacted);
    }
}

/* What looks nearly as if it were redacted. */
static void test_near_misses(void)
{
    static const struct {
        const char *url;
        const char *redacted;
    } cases[] = {
        {"mux://{abcd...wxyz}", "mux://{{ab...yz}}"},
        {"mux://{ab...xyz}",    "mux://{{ab...yz}}"},
        {"mux://{abc.xyz}",     "mux://{{ab...yz}}"},
        {"mux://abc...xyz",     "mux://{abc...xyz}"},
        {"mux://{}",            "mux://{...}"      },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *redacted = eg_redact_url(cases[i].url);
        g_assert_cmpstr(redacted, ==, cases[i].redacted);
    }
}

static char *redact_json(const ProtobufCMessageDescriptor *descriptor, const char *json)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdelimit(g_strdup(json), "'", '"');
    g_autoptr(ProtobufCMessage) message =
        eg_proto_from_json(text, strlen(text), descriptor, &error);
    g_assert_no_error(error);
    eg_redact_message(message);
    g_autofree char *redacted = eg_proto_to_json(message);
    /* A second time changes nothing. */
    eg_redact_message(message);
    g_autofree char *again = eg_proto_to_json(message);
    g_assert_cmpstr(again, ==, redacted);
    return g_strdelimit(g_steal_pointer(&redacted), "\"", '\'');
}

static void test_messages(void)
{
    static const struct {
        const ProtobufCMessageDescriptor *descriptor;
        const char *json;
        const char *redacted;
    } cases[] = {
  // clang-format off
        {&livekit__s3_upload__descriptor,
         "{'accessKey':'a','secret':'b','region':'r','endpoint':'e','bucket':'c',"
         "'metadata':{'m':'n'},'proxy':{'url':'http://u:p@h:1','username':'u','password':'p'},"
         "'sessionToken':'t','assumeRoleArn':'arn','assumeRoleExternalId':'x'}",
         "{'accessKey':'{access_key}','secret':'{secret}','region':'r','endpoint':'e','bucket':'c',"
         "'metadata':{'m':'n'},'proxy':{'url':'http://{...}@h:1','username':'{username}',"
         "'password':'{password}'},'sessionToken':'{session_token}','assumeRoleArn':'arn',"
         "'assumeRoleExternalId':'{external_id}'}"},
        {&livekit__azure_blob_upload__descriptor, "{'sasToken':'s','endpoint':'e'}",
         "{'sasToken':'{sas_token}','endpoint':'e'}"},
        /* What is not there stays so. */
        {&livekit__s3_upload__descriptor, "{'bucket':'c'}", "{'bucket':'c'}"},
        {&livekit__egress_info__descriptor,
         "{'roomComposite':{'roomName':'r','file':{'gcp':{'credentials':'c','bucket':'b'}},"
         "'webhooks':[{'url':'https://h/?a=b','signingKey':'k'}]},'file':{'filename':'f'}}",
         "{'roomComposite':{'roomName':'r','file':{'gcp':{'credentials':'{credentials}',"
         "'bucket':'b'}},'webhooks':[{'url':'https://h/?a=b','signingKey':'k'}]},"
         "'file':{'filename':'f'}}"},
        /* Every element of every list. */
        {&livekit__track_composite_egress_request__descriptor,
         "{'fileOutputs':[{'azure':{'accountName':'n','accountKey':'k','containerName':'c'}},"
         "{'aliOSS':{'accessKey':'a','secret':'s'}}],"
         "'streamOutputs':[{'urls':['rtmp://h/a/0123456789','srt://h?passphrase=p']},"
         "{'urls':['wss://h?t=s','','mux://abcdefghi']}],"
         "'segmentOutputs':[{'s3':{'secret':'s'}},{'s3':{'secret':'s'}}],"
         "'imageOutputs':[{'gcp':{'credentials':'c'}},{'s3':{'secret':'s'}}]}",
         "{'fileOutputs':[{'azure':{'accountName':'{account_name}','accountKey':'{account_key}',"
         "'containerName':'c'}},{'aliOSS':{'accessKey':'{access_key}','secret':'{secret}'}}],"
         "'streamOutputs':[{'urls':['rtmp://h/a/{012...789}','srt://h?passphrase={...}']},"
         "{'urls':['wss://h?t={...}','','mux://{abc...ghi}']}],"
         "'segmentOutputs':[{'s3':{'secret':'{secret}'}},{'s3':{'secret':'{secret}'}}],"
         "'imageOutputs':[{'gcp':{'credentials':'{credentials}'}},{'s3':{'secret':'{secret}'}}]}"},
        {&rpc__start_egress_request__descriptor,
         "{'track':{'trackId':'t','websocketUrl':'wss://u:p@h/x?token=t'},'token':'jwt',"
         "'wsUrl':'wss://u:p@h'}",
         "{'track':{'trackId':'t','websocketUrl':'wss://{...}@h/x?token={...}'},"
         "'token':'{token}','wsUrl':'wss://{...}@h'}"},
        {&rpc__start_egress_request__descriptor,
         "{'egress':{'web':{'url':'https://u:p@h/?a=b'},'outputs':[{'stream':{'urls':["
         "'twitch://abcdef']},'storage':{'s3':{'secret':'s'}}}],"
         "'storage':{'azure':{'accountKey':'k'}}}}",
         "{'egress':{'web':{'url':'https://{...}@h/?a=b'},'outputs':[{'stream':{'urls':["
         "'twitch://{ab...ef}']},'storage':{'s3':{'secret':'{secret}'}}}],"
         "'storage':{'azure':{'accountKey':'{account_key}'}}}}"},
        {&livekit__update_stream_request__descriptor,
         "{'addOutputUrls':['rtmp://h/a/abcdefghi'],'removeOutputUrls':['srt://h?a=b'],"
         "'addDestinations':[{'id':'one','url':'rtmp://h/a/abcdefghi'}]}",
         "{'addOutputUrls':['rtmp://h/a/{abc...ghi}'],'removeOutputUrls':['srt://h?a={...}'],"
         "'addDestinations':[{'id':'one','url':'rtmp://h/a/{abc...ghi}'}]}"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].json);
        g_autofree char *redacted = redact_json(cases[i].descriptor, cases[i].json);
        g_assert_cmpstr(redacted, ==, cases[i].redacted);
    }
}

/* A newer client's field, which would be echoed as it came. */
static void test_unknown_fields(void)
{
    /* StreamOutput {protocol: RTMP, 15: {2: "rtmp://h/a/secret"}} in TrackComposite's list. */
    static const guint8 bytes[] = "\x62\x17\x08\x01\x7a\x13\x12\x11rtmp://h/a/secret";
    const ProtobufCMessageDescriptor *descriptor =
        &livekit__track_composite_egress_request__descriptor;
    g_autoptr(ProtobufCMessage) message =
        protobuf_c_message_unpack(descriptor, NULL, sizeof(bytes) - 1, bytes);
    g_assert_nonnull(message);
    g_autoptr(GBytes) before = eg_proto_pack(message);
    g_assert_cmpuint(g_bytes_get_size(before), ==, sizeof(bytes) - 1);
    eg_redact_message(message);
    g_autoptr(GBytes) after = eg_proto_pack(message);
    g_autoptr(GBytes) expected = g_bytes_new_static("\x62\x02\x08\x01", 4);
    g_assert_true(g_bytes_equal(after, expected));
}

#define SECRET "secret-0123456789"

/* Whether a secret in this one field would leave. */
static bool is_shown(const ProtobufCMessageDescriptor *message,
                     const ProtobufCFieldDescriptor *field)
{
    bool is_list = field->label == PROTOBUF_C_LABEL_REPEATED;
    g_autofree char *json = g_strdup_printf("{'%s':%s'wss://host/?token=" SECRET "'%s}",
                                            field->name, is_list ? "[" : "", is_list ? "]" : "");
    g_autofree char *redacted = redact_json(message, json);
    return strstr(redacted, SECRET) != NULL;
}

/* Adds "Message.field" for all fields of strings that stay as they are. */
static void collect_shown(const ProtobufCMessageDescriptor *message, GHashTable *seen,
                          GPtrArray *shown)
{
    if (!g_hash_table_add(seen, (gpointer)(guintptr)message))
        return;
    for (guint i = 0; i < message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->fields[i];
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            collect_shown(field->descriptor, seen, shown);
        else if (field->type == PROTOBUF_C_TYPE_STRING && is_shown(message, field))
            g_ptr_array_add(shown, g_strdup_printf("%s.%s", message->short_name, field->name));
    }
}

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* All that may be shown: whoever adds a field of strings decides here. */
static void test_all_fields(void)
{
    static const char *const expected[] = {
        // clang-format off
        "AliOSSUpload.bucket",
        "AliOSSUpload.endpoint",
        "AliOSSUpload.region",
        "AudioRoute.participant_identity",
        "AudioRoute.track_id",
        "AzureBlobUpload.container_name",
        "AzureBlobUpload.endpoint",
        "DirectFileOutput.filepath",
        "EgressInfo.details",
        "EgressInfo.egress_id",
        "EgressInfo.error",
        "EgressInfo.manifest_location",
        "EgressInfo.room_id",
        "EgressInfo.room_name",
        "EncodedFileOutput.filepath",
        "ExportReplayRequest.replay_id",
        "FileInfo.filename",
        "FileInfo.location",
        "FileOutput.filepath",
        "FilterParams.exclude_events",
        "FilterParams.include_events",
        "GCPUpload.bucket",
        "GCPUpload.endpoint",
        "ImageOutput.filename_prefix",
        "ImagesInfo.filename_prefix",
        "MediaSource.video_track_id",
        "MetadataEntry.key",
        "MetadataEntry.value",
        "ParticipantEgressRequest.identity",
        "ParticipantEgressRequest.room_name",
        "ParticipantVideo.identity",
        "RoomCompositeEgressRequest.custom_base_url",
        "RoomCompositeEgressRequest.layout",
        "RoomCompositeEgressRequest.room_name",
        "S3Upload.assume_role_arn",
        "S3Upload.bucket",
        "S3Upload.content_disposition",
        "S3Upload.endpoint",
        "S3Upload.kms_key_id",
        "S3Upload.region",
        "S3Upload.server_side_encryption",
        "S3Upload.storage_class",
        "S3Upload.tagging",
        "SegmentedFileOutput.filename_prefix",
        "SegmentedFileOutput.live_playlist_name",
        "SegmentedFileOutput.playlist_name",
        "SegmentsInfo.live_playlist_location",
        "SegmentsInfo.live_playlist_name",
        "SegmentsInfo.playlist_location",
        "SegmentsInfo.playlist_name",
        "StartEgressRequest.egress_id",
        "StartEgressRequest.room_id",
        "StartEgressRequest.room_name",
        "StartEgressRequest.room_name",
        "StreamDestination.id",
        "StreamInfo.error",
        "StreamInfo.id",
        "TemplateSource.custom_base_url",
        "TemplateSource.layout",
        "TrackCompositeEgressRequest.audio_track_id",
        "TrackCompositeEgressRequest.room_name",
        "TrackCompositeEgressRequest.video_track_id",
        "TrackEgressRequest.room_name",
        "TrackEgressRequest.track_id",
        "UpdateStreamRequest.egress_id",
        "WebEgressRequest.url",
        "WebSource.url",
        "WebhookConfig.signing_key",
        "WebhookConfig.url",
        // clang-format on
    };
    g_autoptr(GPtrArray) shown = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    collect_shown(&rpc__start_egress_request__descriptor, seen, shown);
    collect_shown(&livekit__egress_info__descriptor, seen, shown);
    collect_shown(&livekit__update_stream_request__descriptor, seen, shown);
    g_ptr_array_sort(shown, compare_names);
    for (guint i = 0; i < MAX(shown->len, G_N_ELEMENTS(expected)); i++)
        g_assert_cmpstr(i < shown->len ? g_ptr_array_index(shown, i) : "(nothing)", ==,
                        i < G_N_ELEMENTS(expected) ? expected[i] : "(nothing)");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proto/redact/urls", test_urls);
    g_test_add_func("/proto/redact/near-misses", test_near_misses);
    g_test_add_func("/proto/redact/messages", test_messages);
    g_test_add_func("/proto/redact/unknown-fields", test_unknown_fields);
    g_test_add_func("/proto/redact/all-fields", test_all_fields);
    return g_test_run();
}
