/* The examples that AWS has published: of S3's documentation, and of its test suite for signers. */
#include "storage/s3-sign.h"

#include <string.h>

#define S3_SCOPE "20130524/us-east-1/s3/aws4_request"
#define S3_HOST  "https://examplebucket.s3.amazonaws.com"

typedef struct {
    const char *method;
    const char *url;
    const char *headers[3];
    const char *body;
    const char *names;
    const char *signature;
} Example;

static const Example s3_examples[] = {
    {"GET",
     S3_HOST "/test.txt",
     {"Range: bytes=0-9"},
     NULL,                    "host;range;x-amz-content-sha256;x-amz-date",
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
    {"PUT",
     S3_HOST "/test%24file.text",
     {"Date: Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class: REDUCED_REDUNDANCY"},
     "Welcome to Amazon S3.", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
    {"GET",
     S3_HOST "/?lifecycle",
     {NULL},
     NULL,                    "host;x-amz-content-sha256;x-amz-date",
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
    {"GET",
     S3_HOST "/?max-keys=2&prefix=J",
     {NULL},
     NULL,                    "host;x-amz-content-sha256;x-amz-date",
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
};

static const Example suite_examples[] = {
    {"GET",
     "https://example.amazonaws.com/",                             {NULL},
     NULL,            "host;x-amz-date",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"POST",
     "https://example.amazonaws.com",                              {NULL},
     NULL,            "host;x-amz-date",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"GET",
     "https://example.amazonaws.com/?Param2=value2&Param1=value1", {NULL},
     NULL,            "host;x-amz-date",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"POST",
     "https://example.amazonaws.com/",                             {"Content-Type: application/x-www-form-urlencoded"},
     "Param1=value1", "content-type;host;x-amz-date",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
    {"GET",
     "https://example.amazonaws.com/",                             {"My-Header1:  value1", "My-Header2: \"a   b   c\"  "},
     NULL,            "host;my-header1;my-header2;x-amz-date",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
};

static void check(const EgS3Scope *scope, const Example *example, const char *credential)
{
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; example->headers[i] != NULL; i++)
        g_ptr_array_add(headers, g_strdup(example->headers[i]));
    g_autoptr(GBytes) body =
        example->body != NULL ? g_bytes_new(example->body, strlen(example->body)) : NULL;
    eg_s3_sign(scope, example->method, example->url, body, headers);
    g_autofree char *expected = g_strdup_printf(
        "Authorization: AWS4-HMAC-SHA256 Credential=%s, SignedHeaders=%s, Signature=%s", credential,
        example->names, example->signature);
    g_assert_cmpstr(headers->pdata[headers->len - 1], ==, expected);
}

static gint64 unix_time(const char *iso)
{
    gint64 time_s;
    g_assert_true(eg_s3_time_parse(iso, &time_s));
    return time_s;
}

static void test_s3(void)
{
    g_autoptr(EgS3Key) key =
        eg_s3_key_new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL, 0);
    EgS3Scope scope = {key, "s3", "us-east-1", unix_time("2013-05-24T00:00:00Z")};
    for (gsize i = 0; i < G_N_ELEMENTS(s3_examples); i++)
        check(&scope, &s3_examples[i], "AKIAIOSFODNN7EXAMPLE/" S3_SCOPE);
}

static void test_suite(void)
{
    g_autoptr(EgS3Key) key =
        eg_s3_key_new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL, 0);
    EgS3Scope scope = {key, "service", "us-east-1", unix_time("2015-08-30T12:36:00Z")};
    for (gsize i = 0; i < G_N_ELEMENTS(suite_examples); i++)
        check(&scope, &suite_examples[i], "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request");
}

static void test_presign(void)
{
    g_autoptr(EgS3Key) key =
        eg_s3_key_new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", 0);
    EgS3Scope scope = {key, "s3", "us-east-1", unix_time("2013-05-24T00:00:00Z")};
    g_autofree char *url = eg_s3_presign(&scope, S3_HOST "/test.txt", 86400);
    g_assert_cmpstr(
        url, ==,
        S3_HOST
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
        "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        "&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

/* A name that begins as another one does comes after it, whatever their values. */
static void test_order(void)
{
    g_autoptr(EgS3Key) key = eg_s3_key_new("A", "B", "token", 0);
    EgS3Scope scope = {key, "s3", "us-east-1", 0};
    g_autoptr(GPtrArray) headers = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(headers, g_strdup("x-amz-meta-a-b: 1"));
    g_ptr_array_add(headers, g_strdup("x-amz-meta-a: 2"));
    g_ptr_array_add(headers, g_strdup("Content-Type: x"));
    eg_s3_sign(&scope, "PUT", S3_HOST "/", NULL, headers);
    const char *authorization = headers->pdata[headers->len - 1];
    g_assert_nonnull(strstr(authorization,
                            "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;"
                            "x-amz-meta-a;x-amz-meta-a-b;x-amz-security-token,"));
}

static void test_time(void)
{
    static const char *const wrong[] = {NULL, "", "soon", "2026-13-01T00:00:00Z"};
    gint64 time_s;
    g_assert_cmpint(unix_time("1970-01-01T00:01:00.5Z"), ==, 60);
    g_assert_cmpint(unix_time("1970-01-01T01:00:00+01:00"), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
        g_assert_false(eg_s3_time_parse(wrong[i], &time_s));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/s3-sign/s3", test_s3);
    g_test_add_func("/s3-sign/suite", test_suite);
    g_test_add_func("/s3-sign/presign", test_presign);
    g_test_add_func("/s3-sign/order", test_order);
    g_test_add_func("/s3-sign/time", test_time);
    return g_test_run();
}
