/* Where an output goes: by the request, by the configuration, or onto the disk. */
#include "plan-text.h"

#define TRACK(file)     "{'track':{'roomName':'r','trackId':'T','file':{" file "}}}"
#define ROOM(outputs)   "{'roomComposite':{'roomName':'r','audioOnly':true," outputs "}}"
#define PERSON(outputs) "{'participant':{'roomName':'r','identity':'a'," outputs "}}"
#define EGRESS(outputs, storage)                                                                   \
    "{'egress':{'roomName':'r','media':{'videoTrackId':'V'},'outputs':[" outputs                   \
    "],'storage':" storage "}}"

#define AZURE  "'azure':{'accountName':'n','accountKey':'a2V5','containerName':'c'}"
#define ALIOSS "'aliOSS':{'accessKey':'k','secret':'s','endpoint':'e','bucket':'b'}"

/* "s3(b) x/y.mp4 < gcp(c)": where it goes, and what takes over. */
static void append_output(GString *out, const EgOutput *output)
{
    g_string_append(out, out->len > 0 ? ", " : "");
    if (output->storage != NULL)
        g_string_append_printf(out, "%s(%s) ", eg_store_kind_name(output->storage->kind),
                               output->storage->bucket);
    g_string_append(out, output->path_template != NULL ? output->path_template : output->url);
    if (output->backup != NULL)
        g_string_append_printf(out, " < %s(%s)", eg_store_kind_name(output->backup->kind),
                               output->backup->bucket != NULL ? output->backup->bucket
                                                              : output->backup->prefix);
}

static void expect_outputs(const char *json, const EgConfig *config, const char *text)
{
    g_test_message("%s", json);
    g_autoptr(GError) error = NULL;
    g_autoptr(EgPlan) plan = plan_of_json(json, config, &error);
    g_assert_no_error(error);
    g_autoptr(GString) out = g_string_new(NULL);
    for (guint i = 0; i < plan->n_outputs; i++)
        append_output(out, &plan->outputs[i]);
    g_assert_cmpstr(out->str, ==, text);
}

typedef struct {
    const char *json;
    const char *outputs;
} Case;

static void expect_all(const Case *cases, gsize n_cases, const EgConfig *config)
{
    for (gsize i = 0; i < n_cases; i++)
        expect_outputs(cases[i].json, config, cases[i].outputs);
}

/* Every message that names a store, and every store. */
static void test_requested(void)
{
    static const Case cases[] = {
  // clang-format off
        {TRACK("'filepath':'x','s3':{'bucket':'b'}"), "s3(b) x"},
        {TRACK("'gcp':{'bucket':'b'}"), "gcp(b) "},
        {TRACK("'filepath':'x/'," AZURE), "azure(c) x/"},
        {TRACK("'filepath':'x'," ALIOSS), "alioss(b) x"},
        {ROOM("'fileOutputs':[{'filepath':'a.ogg','s3':{'bucket':'b'}}]"), "s3(b) a.ogg"},
        {ROOM("'file':{'filepath':'a.ogg','gcp':{'bucket':'b'}}"), "gcp(b) a.ogg"},
        {ROOM("'segmentOutputs':[{'playlistName':'/hls/p.m3u8'," AZURE "}]"), "azure(c) hls/p"},
        {ROOM("'segments':{'playlistName':'hls/p.m3u8'," ALIOSS "}"), "alioss(b) hls/p"},
        {PERSON("'imageOutputs':[{'filenamePrefix':'i/x','s3':{'bucket':'b'}}]"), "s3(b) i/x"},
        {PERSON("'fileOutputs':[{'filepath':'a.mp4','s3':{'bucket':'b'}}],'imageOutputs':"
                "[{'filenamePrefix':'x'}],'streamOutputs':[{'urls':['rtmp://h/a/k']}]"),
         "s3(b) a.mp4, rtmp://h/a/k, x"},
        /* that of the output, else that of the request */
        {EGRESS("{'file':{'filepath':'a.mp4'}},{'file':{'filepath':'b.mp4'},'storage':"
                "{'s3':{'bucket':'b'}}}", "{'gcp':{'bucket':'g'}}"),
         "gcp(g) a.mp4, s3(b) b.mp4"},
        {EGRESS("{'segments':{'playlistName':'p'}},{'images':{'filenamePrefix':'i'}}",
                "{'gcp':{'bucket':'g'}}"),
         "gcp(g) p, gcp(g) i"},
        {EGRESS("{'file':{'filepath':'x'}}", "{}"), "x"},
        {EGRESS("{'file':{'filepath':'x'},'storage':{}}", "{'gcp':{'bucket':'g'}}"), "x"},
  // clang-format on
    };
    const EgConfig config = make_config();
    expect_all(cases, G_N_ELEMENTS(cases), &config);
}

static void test_configured(void)
{
    static const Case cases[] = {
  // clang-format off
        {TRACK("'filepath':'x'"), "alioss(own) x < gcp(second)"},
        {TRACK("'filepath':'x','s3':{'bucket':'b'}"), "s3(b) x < gcp(second)"},
        {ROOM("'segmentOutputs':[{'playlistName':'p'}]"), "alioss(own) p < gcp(second)"},
        {EGRESS("{'file':{'filepath':'x'},'storage':{}}", "{'gcp':{'bucket':'g'}}"),
         "alioss(own) x < gcp(second)"},
        {"{'track':{'roomName':'r','trackId':'T','websocketUrl':'ws://x'}}", "ws://x"},
  // clang-format on
    };
    g_autoptr(EgStorage) storage = eg_storage_new(EG_STORE_ALIOSS);
    g_autoptr(EgStorage) backup = eg_storage_new(EG_STORE_GCS);
    storage->bucket = g_strdup("own");
    backup->bucket = g_strdup("second");
    EgConfig config = make_config();
    config.storage = storage;
    config.backup = backup;
    config.disallow_local_storage = true;
    config.local_root = text_of("/srv");
    expect_all(cases, G_N_ELEMENTS(cases), &config);
}

/* A prefix without a store is a folder of this machine. */
static void test_local_prefix(void)
{
    static const struct {
        const char *prefix;
        const char *root;
        const char *json;
        const char *outputs;
    } cases[] = {
        {"/rec", NULL,   TRACK("'filepath':'/a/x'"),                  "/rec/a/x"           },
        {"rec/", NULL,   TRACK("'filepath':'x'"),                     "rec/x"              },
        {"/rec", NULL,   TRACK("'filepath':''"),                      "/rec/"              },
        {"/rec", "/srv", TRACK("'filepath':'x'"),                     "/srv/rec/x"         },
        {"/rec", NULL,   TRACK("'filepath':'x','s3':{'bucket':'b'}"), "s3(b) x < local(/b)"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(EgStorage) storage = eg_storage_new(EG_STORE_LOCAL);
        g_autoptr(EgStorage) backup = eg_storage_new(EG_STORE_LOCAL);
        storage->prefix = g_strdup(cases[i].prefix);
        backup->prefix = g_strdup("/b");
        EgConfig config = make_config();
        config.storage = storage;
        config.backup = backup;
        config.local_root = text_of(cases[i].root);
        expect_outputs(cases[i].json, &config, cases[i].outputs);
    }
}

static void test_disk_disallowed(void)
{
    const BadCase bad = {TRACK("'filepath':'x'"), EG_ERROR_INVALID_ARGUMENT,
                         INVALID "output (a file without storage"};
    g_autoptr(EgStorage) storage = eg_storage_new(EG_STORE_LOCAL);
    storage->prefix = g_strdup("/rec");
    EgConfig config = make_config();
    config.disallow_local_storage = true;
    expect_refusals(&bad, 1, &config);
    config.storage = storage;
    expect_refusals(&bad, 1, &config);
    expect_outputs(TRACK("'filepath':'x','s3':{'bucket':'b'}"), &config, "s3(b) x");
}

static EgPlan *plan_of(const char *json, const EgConfig *config)
{
    g_autoptr(GError) error = NULL;
    EgPlan *plan = plan_of_json(json, config, &error);
    g_assert_no_error(error);
    return plan;
}

/* Everything that a request can say of S3; the configuration's part of it. */
static void test_s3(void)
{
    g_autoptr(EgStorage) common = eg_storage_new(EG_STORE_S3);
    common->prefix = g_strdup("rec");
    common->generate_presigned_url = true;
    common->max_attempts = 9;
    common->min_retry_delay_ns = 1;
    common->max_retry_delay_ns = 2;
    common->s3.storage_class = g_strdup("GLACIER");
    common->s3.access_key = g_strdup("ours");
    EgConfig config = make_config();
    config.storage = common;
    g_autoptr(EgPlan) plan = plan_of(
        TRACK("'filepath':'x','s3':{'accessKey':'k','secret':'s','sessionToken':'t','region':'r',"
              "'endpoint':'http://h:1//','bucket':'b','forcePathStyle':true,"
              "'metadata':{'a':'b','c':''},'tagging':'t=1','contentDisposition':'attachment',"
              "'assumeRoleArn':'arn','assumeRoleExternalId':'e','proxy':{'url':'http://p:2',"
              "'username':'u','password':'w'},'serverSideEncryption':'AES256','kmsKeyId':'y',"
              "'storageClass':'Z'}"),
        &config);
    const EgStorage *storage = plan->outputs[0].storage;
    const EgStorageS3 *s3 = &storage->s3;
    const struct {
        const char *value;
        const char *expected;
    } texts[] = {
        {storage->prefix,             "rec"       },
        {storage->bucket,             "b"         },
        {storage->endpoint,           "http://h:1"},
        {storage->proxy.url,          "http://p:2"},
        {storage->proxy.username,     "u"         },
        {storage->proxy.password,     "w"         },
        {s3->access_key,              "k"         },
        {s3->secret,                  "s"         },
        {s3->session_token,           "t"         },
        {s3->region,                  "r"         },
        {s3->tagging,                 "t=1"       },
        {s3->content_disposition,     "attachment"},
        {s3->assume_role_arn,         "arn"       },
        {s3->assume_role_external_id, "e"         },
        {s3->server_side_encryption,  "AES256"    },
        {s3->kms_key_id,              "y"         },
        {s3->storage_class,           "Z"         },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_assert_cmpstr(texts[i].value, ==, texts[i].expected);
    g_assert_true(s3->force_path_style);
    g_assert_true(storage->generate_presigned_url);
    g_autofree char *metadata = g_strjoinv("|", s3->metadata);
    g_assert_cmpstr(metadata, ==, "a|b|c|");
    g_assert_cmpuint(storage->max_attempts, ==, 9);
    g_assert_cmpint(storage->min_retry_delay_ns, ==, 1);
    g_assert_cmpint(storage->max_retry_delay_ns, ==, 2);

    /* Keys of ours are for stores of ours. */
    g_autoptr(EgPlan) bare = plan_of(TRACK("'filepath':'x','s3':{'bucket':'b'}"), &config);
    g_assert_null(bare->outputs[0].storage->s3.access_key);
    g_assert_null(bare->outputs[0].storage->s3.storage_class);
    g_assert_null(bare->outputs[0].storage->s3.metadata);
}

static void test_others(void)
{
    const EgConfig config = make_config();
    g_autoptr(EgPlan) google =
        plan_of(TRACK("'gcp':{'credentials':'{\\n}','bucket':'b','proxy':{'url':'socks5://p'},"
                      "'endpoint':'h:1'}"),
                &config);
    const EgStorage *gcs = google->outputs[0].storage;
    g_assert_cmpstr(gcs->gcs.credentials_json, ==, "{\n}");
    g_assert_cmpstr(gcs->proxy.url, ==, "socks5://p");
    g_assert_cmpstr(gcs->endpoint, ==, "h:1");

    g_autoptr(EgPlan) microsoft =
        plan_of(TRACK("'azure':{'accountName':'n','sasToken':'sv=1&sig=x','containerName':'c',"
                      "'endpoint':'http://127.0.0.1:10000/n'}"),
                &config);
    const EgStorage *azure = microsoft->outputs[0].storage;
    g_assert_cmpstr(azure->azure.account_name, ==, "n");
    g_assert_null(azure->azure.account_key);
    g_assert_cmpstr(azure->azure.sas_token, ==, "sv=1&sig=x");
    g_assert_cmpstr(azure->endpoint, ==, "http://127.0.0.1:10000/n");

    g_autoptr(EgPlan) alibaba = plan_of(TRACK(ALIOSS), &config);
    const EgStorage *alioss = alibaba->outputs[0].storage;
    g_assert_cmpstr(alioss->alioss.access_key, ==, "k");
    g_assert_cmpstr(alioss->alioss.secret, ==, "s");
    g_assert_cmpstr(alioss->endpoint, ==, "e");
}

/* "arn external key secret token" */
static void test_roles(void)
{
    static const struct {
        EgAssumeRoleConfig ours;
        const char *s3;
        const char *text;
    } cases[] = {
        {{0},                                                "",                         "- - - - -"},
        {{.arn = (char *)"A",
          .external_id = (char *)"X",
          .access_key = (char *)"K",
          .secret = (char *)"S"},
         "",                                                                             "A X K S -"},
        {{.arn = (char *)"A", .external_id = (char *)"X"},
         ",'accessKey':'k','secret':'s','sessionToken':'t'",                             "A X k s t"},
        {{.arn = (char *)"A",
          .external_id = (char *)"X",
          .access_key = (char *)"K",
          .secret = (char *)"S"},
         ",'assumeRoleArn':'a'",                                                         "a - K S -"},
        {{.arn = (char *)"A",
          .external_id = (char *)"X",
          .access_key = (char *)"K",
          .secret = (char *)"S"},
         ",'assumeRoleArn':'a','assumeRoleExternalId':'x','accessKey':'k','secret':'s'", "a x k s -"},
        {{.access_key = (char *)"K", .secret = (char *)"S"}, "",                         "- - - - -"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        EgConfig config = make_config();
        config.s3_assume_role = cases[i].ours;
        g_autofree char *json = g_strdup_printf(TRACK("'s3':{'bucket':'b'%s}"), cases[i].s3);
        g_autoptr(EgPlan) plan = plan_of(json, &config);
        const EgStorageS3 *s3 = &plan->outputs[0].storage->s3;
        const char *const texts[] = {s3->assume_role_arn, s3->assume_role_external_id,
                                     s3->access_key, s3->secret, s3->session_token};
        g_autoptr(GString) out = g_string_new(NULL);
        for (gsize j = 0; j < G_N_ELEMENTS(texts); j++)
            g_string_append_printf(out, "%s%s", j > 0 ? " " : "",
                                   texts[j] != NULL ? texts[j] : "-");
        g_assert_cmpstr(out->str, ==, cases[i].text);
    }
    const BadCase bad = {TRACK("'s3':{'bucket':'b','assumeRoleArn':'a'}"),
                         EG_ERROR_PERMISSION_DENIED,
                         "S3 upload using AssumeRole is disabled for this account"};
    const EgConfig config = make_config();
    expect_refusals(&bad, 1, &config);
}

static void test_invalid(void)
{
    static const BadCase cases[] = {
  // clang-format off
        {TRACK("'s3':{}"), EG_ERROR_INVALID_ARGUMENT, INVALID "s3.bucket"},
        {ROOM("'fileOutputs':[{'gcp':{}}]"), EG_ERROR_INVALID_ARGUMENT, INVALID "gcp.bucket"},
        {ROOM("'file':{'azure':{}}"), EG_ERROR_INVALID_ARGUMENT, INVALID "azure.account_name"},
        {TRACK("'azure':{'accountName':'n','accountKey':'k'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "azure.container_name"},
        {TRACK("'azure':{'accountName':'n','containerName':'c'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "azure.account_key"},
        {TRACK("'azure':{'accountName':'n','containerName':'c','accountKey':'#'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "azure.account_key (it must be in base64)"},
        {PERSON("'fileOutputs':[{'aliOSS':{'secret':'s'}}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "aliOSS.access_key"},
        {PERSON("'fileOutputs':[{'aliOSS':{'secret':'s','accessKey':'k','bucket':'b'}}]"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "aliOSS.endpoint"},
        {TRACK("'s3':{'bucket':'b','accessKey':'k'}"), EG_ERROR_INVALID_ARGUMENT, INVALID "s3.secret"},
        {TRACK("'s3':{'bucket':'b/c'}"), EG_ERROR_INVALID_ARGUMENT,
         INVALID "s3.bucket (it must be a name of letters, digits, dots and dashes)"},
        {TRACK("'s3':{'bucket':'b','region':'x y'}"), EG_ERROR_INVALID_ARGUMENT, INVALID "s3.region (it "},
        {TRACK("'s3':{'bucket':'b','endpoint':'//'}"), EG_ERROR_INVALID_ARGUMENT, INVALID "s3.endpoint (it "},
        {TRACK("'s3':{'bucket':'b','proxy':{'url':'nonsense'}}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "s3.proxy.url (it must be an http, https or socks5 URL)"},
        {TRACK("'s3':{'bucket':'b','contentDisposition':'a\\r\\nx-amz-acl: public-read'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "s3.content_disposition (it must be text without control"},
        {TRACK("'s3':{'bucket':'b','metadata':{'a:b':'c'}}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "s3.metadata (it must be names of "},
        {TRACK("'s3':{'bucket':'b','metadata':{'a':'c\\nd'}}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "s3.metadata (it must be names of "},
        {TRACK("'gcp':{'bucket':'b','endpoint':'attacker.example'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "gcp.credentials (an endpoint needs them)"},
        {EGRESS("{'file':{}}", "{'azure':{}}"), EG_ERROR_INVALID_ARGUMENT, INVALID "azure."},
        {TRACK("'filepath':'a/../../b','s3':{'bucket':'b'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "filepath (may not contain .."},
        {TRACK("'filepath':'/../b','s3':{'bucket':'b'}"),
         EG_ERROR_INVALID_ARGUMENT, INVALID "filepath (may not contain .."},
        {"{'retryCount':1,'track':{'roomName':'r','trackId':'T','file':{'filepath':'x',"
         "'s3':{'bucket':'b'}}}}",
         EG_ERROR_FAILED_PRECONDITION, "output configuration does not support retry"},
  // clang-format on
    };
    const EgConfig config = make_config();
    expect_refusals(cases, G_N_ELEMENTS(cases), &config);
}

/* The prefix counts, too. */
static void test_key_length(void)
{
    g_autoptr(EgStorage) common = eg_storage_new(EG_STORE_LOCAL);
    common->prefix = g_strdup("1234567");
    EgConfig config = make_config();
    config.storage = common;
    g_autoptr(GString) key = g_string_new(NULL);
    for (gsize i = 0; i < 254; i++)
        g_string_append(key, "abc/");
    g_autofree char *fits =
        g_strdup_printf(TRACK("'filepath':'%s','gcp':{'bucket':'b'}"), key->str);
    g_autoptr(EgPlan) plan = plan_of(fits, &config);
    g_assert_nonnull(plan);
    g_string_append_c(key, 'x');
    g_autofree char *json =
        g_strdup_printf(TRACK("'filepath':'%s','gcp':{'bucket':'b'}"), key->str);
    const BadCase bad = {json, EG_ERROR_INVALID_ARGUMENT,
                         INVALID "filepath (is too long: with its "};
    expect_refusals(&bad, 1, &config);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/plan-storage/requested", test_requested);
    g_test_add_func("/request/plan-storage/configured", test_configured);
    g_test_add_func("/request/plan-storage/local-prefix", test_local_prefix);
    g_test_add_func("/request/plan-storage/disk-disallowed", test_disk_disallowed);
    g_test_add_func("/request/plan-storage/s3", test_s3);
    g_test_add_func("/request/plan-storage/others", test_others);
    g_test_add_func("/request/plan-storage/roles", test_roles);
    g_test_add_func("/request/plan-storage/invalid", test_invalid);
    g_test_add_func("/request/plan-storage/key-length", test_key_length);
    return g_test_run();
}
