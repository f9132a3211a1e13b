/* What the configuration says of stores. */
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "config/config.h"

static EgConfig *parse(const char *yaml, const char *const *environment)
{
    g_autoptr(GError) error = NULL;
    EgConfig *config = eg_config_parse(yaml, "x.yaml", environment, &error);
    g_assert_no_error(error);
    g_assert_nonnull(config);
    return config;
}

static void test_s3(void)
{
    g_autoptr(EgConfig) config = parse("storage:\n"
                                       "  prefix: /rec//\n"
                                       "  generate_presigned_url: true\n"
                                       "  s3:\n"
                                       "    access_key: AK\n"
                                       "    secret: 0123\n"
                                       "    session_token: tok\n"
                                       "    assume_role_arn: arn:aws:iam::1:role/r\n"
                                       "    assume_role_external_id: ext\n"
                                       "    region: eu-west-1\n"
                                       "    endpoint: https://s3.example:9000/\n"
                                       "    bucket: my.bucket-1\n"
                                       "    force_path_style: true\n"
                                       "    proxy_config:\n"
                                       "      url: http://proxy:3128\n"
                                       "      username: u\n"
                                       "      password: p\n"
                                       "    max_retries: 7\n"
                                       "    min_retry_delay: 250ms\n"
                                       "    max_retry_delay: 1m\n"
                                       "    metadata: {room-name: stand up, n: 1, empty: }\n"
                                       "    tagging: a=b&c=d\n"
                                       "    content_disposition: attachment\n"
                                       "    server_side_encryption: aws:kms\n"
                                       "    kms_key_id: key/1\n"
                                       "    storage_class: STANDARD_IA\n"
                                       "    ca_cert_file: /etc/ca.pem\n",
                                       NULL);
    const EgStorage *storage = config->storage;
    g_assert_cmpuint(config->warnings->len, ==, 0);
    g_assert_null(config->backup);
    g_assert_cmpint(storage->kind, ==, EG_STORE_S3);
    g_assert_cmpstr(storage->prefix, ==, "rec");
    g_assert_true(storage->generate_presigned_url);
    g_assert_cmpstr(storage->bucket, ==, "my.bucket-1");
    g_assert_cmpstr(storage->endpoint, ==, "https://s3.example:9000");
    g_assert_cmpstr(storage->ca_cert_file, ==, "/etc/ca.pem");
    g_assert_cmpstr(storage->proxy.url, ==, "http://proxy:3128");
    g_assert_cmpstr(storage->proxy.username, ==, "u");
    g_assert_cmpstr(storage->proxy.password, ==, "p");
    g_assert_cmpuint(storage->max_attempts, ==, 7);
    g_assert_cmpint(storage->min_retry_delay_ns, ==, 250 * EG_NS_PER_MS);
    g_assert_cmpint(storage->max_retry_delay_ns, ==, 60 * EG_NS_PER_S);
    const EgStorageS3 *s3 = &storage->s3;
    g_assert_cmpstr(s3->access_key, ==, "AK");
    g_assert_cmpstr(s3->secret, ==, "0123");
    g_assert_cmpstr(s3->session_token, ==, "tok");
    g_assert_cmpstr(s3->assume_role_arn, ==, "arn:aws:iam::1:role/r");
    g_assert_cmpstr(s3->assume_role_external_id, ==, "ext");
    g_assert_cmpstr(s3->region, ==, "eu-west-1");
    g_assert_true(s3->force_path_style);
    g_autofree char *metadata = g_strjoinv("|", s3->metadata);
    g_assert_cmpstr(metadata, ==, "room-name|stand up|n|1|empty|");
    g_assert_cmpstr(s3->tagging, ==, "a=b&c=d");
    g_assert_cmpstr(s3->content_disposition, ==, "attachment");
    g_assert_cmpstr(s3->server_side_encryption, ==, "aws:kms");
    g_assert_cmpstr(s3->kms_key_id, ==, "key/1");
    g_assert_cmpstr(s3->storage_class, ==, "STANDARD_IA");
}

/* One after the other, and as a backup of it. */
static void test_others(void)
{
    g_autoptr(EgConfig) google =
        parse("storage: {gcp: {credentials_json: \"{\\\"a\\\":\\n1}\", bucket: b,"
              " endpoint: 'localhost:4443', proxy_config: {url: 'socks5://p:1'}}}\n"
              "backup: {prefix: /var/rec}\n",
              NULL);
    g_assert_cmpint(google->storage->kind, ==, EG_STORE_GCS);
    g_assert_cmpstr(google->storage->gcs.credentials_json, ==, "{\"a\":\n1}");
    g_assert_cmpstr(google->storage->bucket, ==, "b");
    g_assert_cmpstr(google->storage->endpoint, ==, "localhost:4443");
    g_assert_cmpstr(google->storage->proxy.url, ==, "socks5://p:1");
    g_assert_cmpuint(google->storage->max_attempts, ==, 5);
    g_assert_cmpint(google->backup->kind, ==, EG_STORE_LOCAL);
    g_assert_cmpstr(google->backup->prefix, ==, "/var/rec");

    g_autoptr(EgConfig) others = parse("storage: {azure: {account_name: acc, account_key: a+b/c=,"
                                       " container_name: $web, max_retries: 2}}\n"
                                       "backup: {alioss: {access_key: k, secret: s,"
                                       " endpoint: oss-cn-hangzhou.aliyuncs.com, bucket: b}}\n",
                                       NULL);
    g_assert_cmpint(others->storage->kind, ==, EG_STORE_AZURE);
    g_assert_cmpstr(others->storage->azure.account_name, ==, "acc");
    g_assert_cmpstr(others->storage->azure.account_key, ==, "a+b/c=");
    g_assert_cmpstr(others->storage->bucket, ==, "$web");
    g_assert_cmpuint(others->storage->max_attempts, ==, 2);
    g_assert_cmpint(others->backup->kind, ==, EG_STORE_ALIOSS);
    g_assert_cmpstr(others->backup->alioss.access_key, ==, "k");
    g_assert_cmpstr(others->backup->alioss.secret, ==, "s");
    g_assert_cmpstr(others->backup->endpoint, ==, "oss-cn-hangzhou.aliyuncs.com");
}

/* What there is besides, and what is taken if nothing is said. */
static void test_uploads(void)
{
    g_autoptr(EgConfig) config = parse("s3_assume_role_key: k\n"
                                       "s3_assume_role_secret: s\n"
                                       "s3_assume_role_arn: arn\n"
                                       "s3_assume_role_external_id: x\n"
                                       "max_upload_queue: 90\n"
                                       "spool_dir: /spool\n"
                                       "upload_rate_limit: 1000000\n"
                                       "upload_parallel: 2\nfragmented_mp4: true\n",
                                       NULL);
    g_assert_cmpstr(config->s3_assume_role.access_key, ==, "k");
    g_assert_cmpstr(config->s3_assume_role.secret, ==, "s");
    g_assert_cmpstr(config->s3_assume_role.arn, ==, "arn");
    g_assert_cmpstr(config->s3_assume_role.external_id, ==, "x");
    g_assert_cmpint(config->max_upload_queue_ns, ==, 5400 * EG_NS_PER_S);
    g_assert_cmpint(config->upload_bytes_per_s, ==, 1000000);
    g_assert_cmpuint(config->upload_parallel, ==, 2);
    g_assert_true(config->fragmented_mp4);
    g_autofree char *spool = eg_config_spool_dir(config, NULL);
    g_assert_cmpstr(spool, ==, "/spool");

    g_autoptr(EgConfig) standard = parse("max_upload_queue: 0", NULL);
    g_assert_null(standard->storage);
    g_assert_null(standard->backup);
    g_assert_cmpint(standard->max_upload_queue_ns, ==, 3600 * EG_NS_PER_S);
    g_assert_cmpint(standard->upload_bytes_per_s, ==, 0);
    g_assert_cmpuint(standard->upload_parallel, ==, 4);
    g_assert_false(standard->fragmented_mp4);
}

static void test_state_dir(void)
{
    static const struct {
        const char *yaml;
        const char *environment[3];
        const char *spool;
    } cases[] = {
        {"state_dir: /s", {"STATE_DIRECTORY=/d", NULL},                      "/s/spool"       },
        {"",              {"STATE_DIRECTORY=/d", "XDG_STATE_HOME=/x", NULL}, "/d/spool"       },
        {"",              {"STATE_DIRECTORY=", "XDG_STATE_HOME=/x", NULL},   "/x/egress/spool"},
        {"spool_dir: /y", {"STATE_DIRECTORY=/d", "XDG_STATE_HOME=/x", NULL}, "/y"             },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(EgConfig) config = parse(cases[i].yaml, NULL);
        g_autofree char *spool = eg_config_spool_dir(config, cases[i].environment);
        g_assert_cmpstr(spool, ==, cases[i].spool);
    }
    g_autoptr(EgConfig) config = parse("", NULL);
    g_autofree char *spool = eg_config_spool_dir(config, NULL);
    g_autofree char *home =
        g_build_filename(g_get_home_dir(), ".local", "state", "egress", "spool", NULL);
    g_assert_cmpstr(spool, ==, home);
}

static void test_nothing(void)
{
    static const char *const cases[] = {
        "storage:",
        "storage: {}",
        "storage: {s3: }",
        "storage: {prefix: ''}",
        "storage: {s3: null, gcp: }",
        "backup:",
        "backup: {}",
        "backup: {prefix: }",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i]);
        g_autoptr(EgConfig) config = parse(cases[i], NULL);
        g_assert_null(config->storage);
        g_assert_null(config->backup);
        g_assert_cmpuint(config->warnings->len, ==, 0);
    }
}

static void test_environment(void)
{
    static const char *const environment[] = {
        "AZURE_STORAGE_ACCOUNT=acc", "AZURE_STORAGE_KEY=a2V5", "OSS_ACCESS_KEY_ID=id",
        "OSS_ACCESS_KEY_SECRET=sec", "AWS_ACCESS_KEY_ID=aws",  NULL,
    };
    g_autoptr(EgConfig) config = parse("storage: {azure: {container_name: c}}\n"
                                       "backup: {alioss: {endpoint: e, bucket: b}}\n",
                                       environment);
    g_assert_cmpstr(config->storage->azure.account_name, ==, "acc");
    g_assert_cmpstr(config->storage->azure.account_key, ==, "a2V5");
    g_assert_cmpstr(config->backup->alioss.access_key, ==, "id");
    g_assert_cmpstr(config->backup->alioss.secret, ==, "sec");

    /* What is said counts, and is not mixed with what was not meant for it. */
    g_autoptr(EgConfig) said = parse("storage: {azure: {account_name: x, container_name: c,"
                                     " sas_token: '?sv=1'}}\n"
                                     "backup: {s3: {bucket: b}}\n",
                                     environment);
    g_assert_cmpstr(said->storage->azure.account_name, ==, "x");
    g_assert_null(said->storage->azure.account_key);
    g_assert_cmpstr(said->storage->azure.sas_token, ==, "?sv=1");
    /* The store looks for these itself. */
    g_assert_null(said->backup->s3.access_key);
}

static void test_refused(void)
{
    static const struct {
        const char *yaml;
        const char *text;
    } cases[] = {
  // clang-format off
        {"storage: {s3: {}}", "x.yaml:1: storage.s3.bucket is missing"},
        {"storage:\n  s3:\n    region: x\n", "x.yaml:3: storage.s3.bucket is missing"},
        {"storage: {gcp: {}}", "x.yaml:1: storage.gcp.bucket is missing"},
        {"storage: {azure: {account_name: a, account_key: k}}",
         "x.yaml:1: storage.azure.container_name is missing"},
        {"storage: {azure: {container_name: c, account_key: k}}",
         "x.yaml:1: storage.azure.account_name is missing"},
        {"storage: {azure: {container_name: c, account_name: a}}",
         "x.yaml:1: storage.azure.account_key is missing"},
        {"storage: {azure: {container_name: c, account_name: a, account_key: '%'}}",
         "x.yaml:1: storage.azure.account_key must be in base64"},
        {"\nbackup: {alioss: {secret: s, bucket: b, endpoint: e}}",
         "x.yaml:2: backup.alioss.access_key is missing"},
        {"backup: {alioss: {access_key: k, secret: s, bucket: b}}",
         "x.yaml:1: backup.alioss.endpoint is missing"},
        {"storage: {s3: {bucket: b, access_key: k}}", "x.yaml:1: storage.s3.secret is missing"},
        {"storage: {s3: {bucket: b, secret: k}}", "x.yaml:1: storage.s3.access_key is missing"},
        {"storage:\n s3:\n  bucket: a/b\n",
         "x.yaml:3: storage.s3.bucket must be a name of letters, digits, dots and dashes"},
        {"storage: {s3: {bucket: b, region: 'x.y'}}",
         "x.yaml:1: storage.s3.region must be letters, digits and dashes"},
        {"storage: {s3: {bucket: b, endpoint: 'ftp://x'}}",
         "x.yaml:1: storage.s3.endpoint must be host, host:port, or an http or https URL"},
        {"storage: {s3: {bucket: b, endpoint: 'https://k:s@x'}}",
         "x.yaml:1: storage.s3.endpoint must be host, host:port, or an http or https URL"},
        {"storage: {s3: {bucket: b, endpoint: 'x/y'}}",
         "x.yaml:1: storage.s3.endpoint must be host, host:port, or an http or https URL"},
        {"storage: {s3: {bucket: b, proxy_config: {url: 'x'}}}",
         "x.yaml:1: storage.s3.proxy_config.url must be an http, https or socks5 URL"},
        {"storage: {gcp: {bucket: b, proxy_config: {username: 'x'}}}",
         "x.yaml:1: storage.gcp.proxy_config.url is missing"},
        {"storage: {s3: {bucket: b, tagging: \"a\\r\\nb\"}}",
         "x.yaml:1: storage.s3.tagging must be text without control characters"},
        {"storage: {s3: {bucket: b, metadata: {'a b': c}}}",
         "x.yaml:1: storage.s3.metadata must be names of letters, digits, - and _, each with text "
         "without control characters"},
        {"storage: {s3: {bucket: b, metadata: {a: \"\\n\"}}}",
         "x.yaml:1: storage.s3.metadata must be names of letters, digits, - and _, each with text "
         "without control characters"},
        {"storage: {s3: {bucket: b, metadata: [a]}}",
         "x.yaml:1: storage.s3.metadata must be names, each with a text"},
        {"storage: {s3: {bucket: b, max_retries: 1001}}",
         "x.yaml:1: storage.s3.max_retries must be a whole number, from 1 to 1000, not 1001"},
        {"storage: {s3: {bucket: b, min_retry_delay: 6s}}",
         "x.yaml:1: storage.s3.min_retry_delay must be at most max_retry_delay"},
        {"storage: {s3: {bucket: b, ca_cert_file: ca.pem}}",
         "x.yaml:1: storage.s3.ca_cert_file must be a path that begins with /"},
        {"storage: {prefix: a/../b, s3: {bucket: b}}",
         "x.yaml:1: storage.prefix must be a folder without .."},
        {"storage:\n s3: {bucket: b}\n gcp: {bucket: b}\n",
         "x.yaml:3: storage can be one store: s3 or gcp"},
        {"storage: s3", "x.yaml:1: storage must be a section with the keys of a store"},
        {"storage: {s3: b}", "x.yaml:1: storage.s3 must have keys below it"},
        {"backup: {prefix: rec}",
         "x.yaml:1: backup.prefix must be a path that begins with /, where no store is named"},
        {"backup: {generate_presigned_url: true}",
         "x.yaml:1: backup.prefix must be a path that begins with /, where no store is named"},
        {"max_upload_queue: -1",
         "x.yaml:1: max_upload_queue must be a whole number, from 1 to 10080 (minutes), not -1"},
        {"upload_parallel: 0", "x.yaml:1: upload_parallel must be a whole number, from 1 to 64, not 0"},
        {"hooks: {command: ['', x]}", "x.yaml:1: hooks.command must begin with a program"},
        {"hooks: {command: x}", "x.yaml:1: hooks.command must be a list of texts"},
        {"spool_dir: x", "x.yaml:1: spool_dir must be a path that begins with /"},
  // clang-format on
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].yaml);
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_config_parse(cases[i].yaml, "x.yaml", NULL, &error));
        g_assert_cmpint(eg_error_code(error), ==, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpstr(error->message, ==, cases[i].text);
    }
}

static void test_unknown(void)
{
    static const struct {
        const char *yaml;
        const char *warning;
    } cases[] = {
        {"storage: {s3: {bucket: b, acess_key: x}}",
         "x.yaml:1: unknown key storage.s3.acess_key: is storage.s3.access_key meant?"                     },
        {"backup: {s4: {bucket: b}}",                "x.yaml:1: unknown key backup.s4: is backup.s3 meant?"},
        {"storage: {bucket: b}",
         "x.yaml:1: unknown key storage.bucket: is storage.s3.bucket meant?"                               },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(EgConfig) config = parse(cases[i].yaml, NULL);
        g_assert_cmpuint(config->warnings->len, ==, 1);
        g_assert_cmpstr(config->warnings->pdata[0], ==, cases[i].warning);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/storage/s3", test_s3);
    g_test_add_func("/config/storage/others", test_others);
    g_test_add_func("/config/storage/uploads", test_uploads);
    g_test_add_func("/config/storage/state-dir", test_state_dir);
    g_test_add_func("/config/storage/nothing", test_nothing);
    g_test_add_func("/config/storage/environment", test_environment);
    g_test_add_func("/config/storage/refused", test_refused);
    g_test_add_func("/config/storage/unknown", test_unknown);
    return g_test_run();
}
