#include <string.h>

#include "base/time.h"
#include "storage/alioss-sign.h"
#include "storage/crc.h"
#include "unit/storage/store-fixture.h"

/* The examples of "Include signatures in the Authorization header" and "Add signatures to URLs" in
 * the documentation of OSS. */
#define ACCESS_KEY "44CF9590006BF252F707"
#define SECRET     "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV"

static void test_authorization(void)
{
    static const char *const headers[] = {
        "Content-Md5: ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        "Content-Type: text/html",
        "Date: Thu, 17 Nov 2005 18:49:58 GMT",
        "X-OSS-Meta-Author: foo@bar.com",
        "X-OSS-Magic: abracadabra",
        NULL,
    };
    const EgAliossRequest request = {
        .method = "PUT", .bucket = "oss-example", .key = "nelson", .headers = headers};
    g_autofree char *authorization = eg_alioss_authorization(ACCESS_KEY, SECRET, &request);
    g_assert_cmpstr(authorization, ==, "OSS " ACCESS_KEY ":26NBxoKdsyly4EDv6inkoDft/yA=");
}

static void test_read_query(void)
{
    g_autofree char *query = eg_alioss_read_query(ACCESS_KEY, SECRET, "oss-example", "oss-api.pdf",
                                                  G_GINT64_CONSTANT(1141889120) * EG_NS_PER_S);
    g_assert_cmpstr(query, ==,
                    "?OSSAccessKeyId=" ACCESS_KEY
                    "&Expires=1141889120&Signature=EwaNTn1erJGkimiJ9WmXgwnANLc%3D");
}

static void make(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    store_fixture_make(f, EG_STORE_ALIOSS);
    f->storage->alioss.access_key = g_strdup(ACCESS_KEY);
    f->storage->alioss.secret = g_strdup(SECRET);
    g_assert_nonnull(store_fixture_open(f));
}

static void clear(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    store_fixture_clear(f);
}

static guint64 crc_of(const char *text)
{
    g_autoptr(GBytes) content = g_bytes_new(text, strlen(text));
    return eg_crc(&eg_crc64, content);
}

static void test_put(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    mock_http_answer_body(f->server, "200 OK\r\n", "");
    g_assert_true(store_fixture_put(f, "abc"));
    static const char *const lines[] = {
        "Content-MD5: kAFQmDzST7DWlj99KOF/cg==", "Content-Type: video/mp4", NULL};
    store_fixture_assert_request(f, "PUT /bucket/a/b%20c.mp4 HTTP/1.1\r\n", lines, "\r\nabc");
}

#define STARTED                                                                                    \
    "<?xml version=\"1.0\"?><InitiateMultipartUploadResult><UploadId>U+1</UploadId>"               \
    "</InitiateMultipartUploadResult>"
#define COMPLETED                                                                                  \
    "<CompleteMultipartUploadResult><ETag>\"E\"</ETag></CompleteMultipartUploadResult>"
#define NO_UPLOAD "<Error><Code>NoSuchUpload</Code><Message>None.</Message></Error>"

static void start(StoreFixture *f, char **upload, char **first, char **second)
{
    static const char *const type[] = {"Content-Type: video/mp4", NULL};
    static const char *const none[] = {NULL};
    mock_http_answer_body(f->server, "200 OK\r\n", STARTED);
    mock_http_answer_body(f->server, "200 OK\r\nETag: \"2\"\r\n", "");
    mock_http_answer_body(f->server, "200 OK\r\nETag: \"1\"\r\n", "");
    *upload = store_fixture_begin(f);
    g_assert_cmpstr(*upload, ==, "U+1");
    *second = store_fixture_put_part(f, *upload, 1, 3, "def", true);
    *first = store_fixture_put_part(f, *upload, 0, 0, "abc", false);
    store_fixture_assert_request(f, "POST /bucket/a/b%20c.mp4?uploads HTTP/1.1\r\n", type, "");
    store_fixture_assert_request(
        f, "PUT /bucket/a/b%20c.mp4?partNumber=2&uploadId=U%2B1 HTTP/1.1\r\n", none, "\r\ndef");
    store_fixture_assert_request(
        f, "PUT /bucket/a/b%20c.mp4?partNumber=1&uploadId=U%2B1 HTTP/1.1\r\n", none, "\r\nabc");
}

static void test_parts(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *upload = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    start(f, &upload, &first, &second);
    g_autofree char *head = g_strdup_printf(
        "200 OK\r\nx-oss-hash-crc64ecma: %" G_GUINT64_FORMAT "\r\n", crc_of("abcdef"));
    mock_http_answer_body(f->server, head, COMPLETED);
    g_assert_true(store_fixture_complete(f, upload, first, second));
    static const char *const none[] = {NULL};
    store_fixture_assert_request(
        f, "POST /bucket/a/b%20c.mp4?uploadId=U%2B1 HTTP/1.1\r\n", none,
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;1&quot;</ETag></Part>"
        "<Part><PartNumber>2</PartNumber><ETag>&quot;2&quot;</ETag></Part>"
        "</CompleteMultipartUpload>");
}

static void test_wrong_object(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *upload = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    start(f, &upload, &first, &second);
    mock_http_answer_body(f->server, "200 OK\r\nx-oss-hash-crc64ecma: 1\r\n", COMPLETED);
    g_assert_false(store_fixture_complete(f, upload, first, second));
    store_fixture_assert_error(f, EG_ERROR_DATA_LOSS, false, "not what it was sent", NULL);
    mock_http_answer_body(f->server, "200 OK\r\n", "<html>");
    g_assert_false(store_fixture_complete(f, upload, first, second));
    store_fixture_assert_error(f, EG_ERROR_MALFORMED_RESULT, true, "complete", NULL);
    g_assert_false(store_fixture_complete(f, upload, first, "\"foreign\""));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, "tag", NULL);
}

/* The answer to the first attempt was lost. */
static void test_completed_before(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_autofree char *upload = NULL;
    g_autofree char *first = NULL;
    g_autofree char *second = NULL;
    start(f, &upload, &first, &second);
    mock_http_answer_body(f->server, "404 None\r\n", NO_UPLOAD);
    mock_http_answer(f->server,
                     "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n"
                     "x-oss-hash-crc64ecma: %" G_GUINT64_FORMAT "\r\n\r\n",
                     crc_of("abcdef"));
    g_assert_true(store_fixture_complete(f, upload, first, second));

    mock_http_answer_body(f->server, "404 None\r\n", NO_UPLOAD);
    mock_http_answer(f->server, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n"
                                "x-oss-hash-crc64ecma: 1\r\n\r\n");
    g_assert_false(store_fixture_complete(f, upload, first, second));
    store_fixture_assert_error(f, EG_ERROR_NOT_FOUND, false, "NoSuchUpload: None.", NULL);
}

static void test_strange_answers(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    static const char *const bodies[] = {
        "", "<html>", "<InitiateMultipartUploadResult/>",
        "<InitiateMultipartUploadResult><UploadId></UploadId></InitiateMultipartUploadResult>"};
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        mock_http_answer_body(f->server, "200 OK\r\n", bodies[i]);
        g_assert_null(store_fixture_begin(f));
        store_fixture_assert_error(f, EG_ERROR_MALFORMED_RESULT, true, "begin", NULL);
    }
    mock_http_answer_body(f->server, "200 OK\r\n", "");
    g_assert_null(store_fixture_put_part(f, "u", 0, 0, "abc", false));
    store_fixture_assert_error(f, EG_ERROR_MALFORMED_RESULT, true, "part", NULL);
}

static void test_errors(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    mock_http_answer_body(f->server, "403 No\r\n",
                          "<Error><Code>SignatureDoesNotMatch</Code><Message>Check.</Message>"
                          "<StringToSign>geheim</StringToSign></Error>");
    g_assert_false(store_fixture_put(f, "abc"));
    store_fixture_assert_error(f, EG_ERROR_PERMISSION_DENIED, false,
                               "cannot put a/b c.mp4: HTTP status 403, SignatureDoesNotMatch: "
                               "Check.",
                               "geheim");
    mock_http_answer_body(f->server, "400 No\r\n", "<Error><Code>InvalidDigest</Code></Error>");
    g_assert_false(store_fixture_put(f, "abc"));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, true, "InvalidDigest", NULL);
    mock_http_answer_body(f->server, "503 No\r\nRetry-After: 2\r\n", "");
    g_assert_false(store_fixture_put(f, "abc"));
    store_fixture_assert_error(f, EG_ERROR_UNAVAILABLE, true, "503", NULL);
    g_assert_cmpint(eg_store_retry_after_ns(f->error), ==, 2 * EG_NS_PER_S);
}

static void check_missing(StoreFixture *f, char **setting, const char *name)
{
    char *before = g_steal_pointer(setting);
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, name, SECRET);
    *setting = before;
}

static void test_settings(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    check_missing(f, &f->storage->alioss.access_key, "access_key");
    check_missing(f, &f->storage->alioss.secret, "secret");
    check_missing(f, &f->storage->endpoint, "endpoint");
    check_missing(f, &f->storage->bucket, "bucket");
    g_free(f->storage->bucket);
    f->storage->bucket = g_strdup("evil.com/x");
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, "bucket", NULL);
}

static void test_location(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_free(f->storage->endpoint);
    f->storage->endpoint = g_strdup("oss-eu-central-1.aliyuncs.com");
    g_assert_nonnull(store_fixture_open(f));
    g_autofree char *location = eg_store_location(f->store, "a/b c.mp4", NULL);
    g_assert_cmpstr(location, ==, "https://bucket.oss-eu-central-1.aliyuncs.com/a/b c.mp4");
    f->storage->generate_presigned_url = true;
    g_autofree char *signed_url = eg_store_location(f->store, "a/b c.mp4", NULL);
    g_assert_true(g_str_has_prefix(
        signed_url, "https://bucket.oss-eu-central-1.aliyuncs.com/a/b%20c.mp4?OSSAccessKeyId="));
    g_assert_null(strstr(signed_url, SECRET));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/alioss/authorization", test_authorization);
    g_test_add_func("/storage/alioss/read-query", test_read_query);
#define ADD(name, function)                                                                        \
    g_test_add("/storage/alioss/" name, StoreFixture, NULL, make, function, clear)
    ADD("put", test_put);
    ADD("parts", test_parts);
    ADD("wrong-object", test_wrong_object);
    ADD("completed-before", test_completed_before);
    ADD("strange-answers", test_strange_answers);
    ADD("errors", test_errors);
    ADD("settings", test_settings);
    ADD("location", test_location);
    return g_test_run();
}
