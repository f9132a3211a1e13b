#include "storage/store.h"

#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "mock/http-server.h"
#include "storage/s3-address.h"

#define REFUSAL(code)                                                                              \
    "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>no</Message></Error>"

typedef struct {
    MockHttp *server;
    EgStorage *storage;
    EgStore *store;
    GError *error;
} Fixture;

static void make(Fixture *f, gconstpointer unused)
{
    (void)unused;
    f->server = mock_http_new();
    f->storage = eg_storage_new(EG_STORE_S3);
    f->storage->bucket = g_strdup("bucket");
    f->storage->endpoint = g_strdup(mock_http_url(f->server));
    f->storage->s3.access_key = g_strdup("access");
    f->storage->s3.secret = g_strdup("secret");
    f->store = eg_store_new(f->storage, NULL, &f->error);
    g_assert_no_error(f->error);
}

static void clear(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_clear_error(&f->error);
    eg_store_free(f->store);
    eg_storage_unref(f->storage);
    mock_http_free(f->server);
}

static bool put(Fixture *f)
{
    g_autoptr(GBytes) content = g_bytes_new_static("content", 7);
    g_clear_error(&f->error);
    return eg_store_put(f->store, "a b", "video/mp4", content, NULL, &f->error);
}

/* The next request that came has this in it. */
static void assert_sent(Fixture *f, const char *text)
{
    g_autofree char *request = mock_http_take(f->server);
    g_assert_nonnull(request);
    if (strstr(request, text) == NULL)
        g_error("no '%s' in:\n%s", text, request);
}

static void answer(Fixture *f, const char *status, const char *body)
{
    g_autofree char *head = g_strdup_printf("%s\r\n", status);
    mock_http_answer_body(f->server, head, body);
}

static void test_put(Fixture *f, gconstpointer unused)
{
    (void)unused;
    answer(f, "200 OK\r\nETag: \"x\"", "");
    g_assert_true(put(f));
    g_autofree char *request = mock_http_take(f->server);
    g_assert_true(g_str_has_prefix(request, "PUT /bucket/a%20b HTTP/1.1\r\n"));
    g_assert_nonnull(strstr(request, "\r\nContent-Type: video/mp4\r\n"));
    g_assert_nonnull(strstr(request, "\r\nContent-Disposition: inline\r\n"));
}

/* By status and code: what is worth another attempt. */
static void test_refusals(Fixture *f, gconstpointer unused)
{
    (void)unused;
    static const struct {
        const char *status;
        const char *body;
        EgErrorCode code;
        bool is_retryable;
    } cases[] = {
        {"403 Forbidden",             REFUSAL("SignatureDoesNotMatch"), EG_ERROR_PERMISSION_DENIED,   false},
        {"403 Forbidden",             "",                               EG_ERROR_PERMISSION_DENIED,   false},
        {"403 Forbidden",             REFUSAL("RequestTimeTooSkewed"),  EG_ERROR_PERMISSION_DENIED,   true },
        {"400 Bad Request",           REFUSAL("ExpiredToken"),          EG_ERROR_INVALID_ARGUMENT,    false},
        {"400 Bad Request",           REFUSAL("RequestTimeout"),        EG_ERROR_INVALID_ARGUMENT,    true },
        {"400 Bad Request",           REFUSAL("BadDigest"),             EG_ERROR_INVALID_ARGUMENT,    true },
        {"404 Not Found",             REFUSAL("NoSuchBucket"),          EG_ERROR_NOT_FOUND,           false},
        {"409 Conflict",              REFUSAL("OperationAborted"),      EG_ERROR_ABORTED,             true },
        {"409 Conflict",              "",                               EG_ERROR_ABORTED,             true },
        {"429 Too Many Requests",     "",                               EG_ERROR_RESOURCE_EXHAUSTED,  true },
        {"500 Internal Server Error", "<html>not XML",                  EG_ERROR_UNAVAILABLE,         true },
        {"501 Not Implemented",       REFUSAL("NotImplemented"),        EG_ERROR_UNIMPLEMENTED,       false},
        {"503 Slow Down",             REFUSAL("SlowDown"),              EG_ERROR_UNAVAILABLE,         true },
        {"301 Moved Permanently",     REFUSAL("PermanentRedirect"),     EG_ERROR_FAILED_PRECONDITION,
         false                                                                                             },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        answer(f, cases[i].status, cases[i].body);
        g_assert_false(put(f));
        g_test_message("%s", f->error->message);
        g_assert_error(f->error, EG_ERROR, (int)cases[i].code);
        g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_DESTINATION);
        g_assert_cmpint(eg_error_is_retryable(f->error), ==, cases[i].is_retryable);
        g_assert_null(strstr(f->error->message, "secret"));
        g_free(mock_http_take(f->server));
    }
}

static void test_retry_after(Fixture *f, gconstpointer unused)
{
    (void)unused;
    answer(f, "503 Slow Down\r\nRetry-After: 3", REFUSAL("SlowDown"));
    g_assert_false(put(f));
    g_assert_cmpint(eg_store_retry_after_ns(f->error), ==, 3 * EG_NS_PER_S);
    g_assert_cmpstr(f->error->message, ==, "cannot put a b: HTTP status 503, SlowDown: no");
}

/* The store's time counts, once it has refused ours. */
static void test_clock(Fixture *f, gconstpointer unused)
{
    (void)unused;
    answer(f, "403 Forbidden\r\nDate: Sun, 06 Nov 2044 08:49:37 GMT",
           REFUSAL("RequestTimeTooSkewed"));
    answer(f, "200 OK", "");
    g_assert_false(put(f));
    g_assert_true(eg_error_is_retryable(f->error));
    g_free(mock_http_take(f->server));
    g_assert_true(put(f));
    assert_sent(f, "\r\nX-Amz-Date: 20441106T08");
}

static void test_region(Fixture *f, gconstpointer unused)
{
    (void)unused;
    answer(f, "301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1", "");
    answer(f, "400 Bad Request",
           "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region></Error>");
    answer(f, "400 Bad Request",
           "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-2</Region></Error>");
    answer(f, "400 Bad Request", "<Error><Code>X</Code><Region>evil.example/</Region></Error>");
    g_assert_false(put(f));
    g_assert_true(eg_error_is_retryable(f->error));
    assert_sent(f, "/us-east-1/s3/aws4_request");
    g_assert_false(put(f));
    g_assert_true(eg_error_is_retryable(f->error));
    assert_sent(f, "/eu-west-1/s3/aws4_request");

    /* It wanted this one. */
    g_assert_false(put(f));
    g_assert_false(eg_error_is_retryable(f->error));
    assert_sent(f, "/eu-west-2/s3/aws4_request");

    /* A name that leads elsewhere is none. */
    g_assert_false(put(f));
    g_assert_false(eg_error_is_retryable(f->error));
}

static bool complete(Fixture *f)
{
    static const char *const tags[] = {"\"098f6bcd4621d373cade4e832627b4f6\"",
                                       "\"5a105e8b9d40e1329780d62ea2265d8a\"", NULL};
    g_clear_error(&f->error);
    return eg_store_complete(f->store, "a", "up&load", tags, NULL, &f->error);
}

static void test_parts(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GBytes) content = g_bytes_new_static("content", 7);
    answer(f, "200 OK",
           "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
           "<UploadId>up&amp;load</UploadId></InitiateMultipartUploadResult>");
    g_autofree char *upload = eg_store_begin(f->store, "a", NULL, NULL, &f->error);
    g_assert_cmpstr(upload, ==, "up&load");
    assert_sent(f, "POST /bucket/a?uploads= HTTP/1.1\r\n");

    EgStorePart part = {.key = "a", .upload = upload, .index = 1};
    answer(f, "200 OK\r\nETag: \"tag\"", "");
    g_autofree char *tag = eg_store_put_part(f->store, &part, content, NULL, &f->error);
    g_assert_cmpstr(tag, ==, "\"tag\"");
    assert_sent(f, "PUT /bucket/a?partNumber=2&uploadId=up%26load HTTP/1.1\r\n");

    answer(f, "200 OK",
           "\n <CompleteMultipartUploadResult><Key>a</Key></CompleteMultipartUploadResult>");
    g_assert_true(complete(f));
    assert_sent(f,
                "<Part><PartNumber>2</PartNumber><ETag>&quot;5a105e8b9d40e1329780d62ea2265d8a&quot;"
                "</ETag></Part></CompleteMultipartUpload>");

    answer(f, "204 No Content", "");
    eg_store_abort(f->store, "a", upload);
    assert_sent(f, "DELETE /bucket/a?uploadId=up%26load HTTP/1.1\r\n");
}

/* A status of 200 is not all. */
static void test_strange_successes(Fixture *f, gconstpointer unused)
{
    (void)unused;
    g_autoptr(GBytes) content = g_bytes_new_static("content", 7);
    static const struct {
        const char *body;
        bool is_retryable;
    } cases[] = {
        {REFUSAL("InternalError"),              true },
        {REFUSAL("SlowDown"),                   true },
        {REFUSAL("InvalidPart"),                false},
        {"",                                    true },
        {"<html>welcome</html>",                true },
        {"<CompleteMultipartUploadResult><Key", true },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        answer(f, "200 OK", cases[i].body);
        g_assert_false(complete(f));
        g_assert_cmpint(eg_error_is_retryable(f->error), ==, cases[i].is_retryable);
    }
    answer(f, "200 OK", "<html>welcome</html>");
    g_clear_error(&f->error);
    g_assert_null(eg_store_begin(f->store, "a", NULL, NULL, &f->error));
    g_assert_true(eg_error_is_retryable(f->error));

    EgStorePart part = {.key = "a", .upload = "x"};
    answer(f, "200 OK", "");
    g_clear_error(&f->error);
    g_assert_null(eg_store_put_part(f->store, &part, content, NULL, &f->error));
    g_assert_true(eg_error_is_retryable(f->error));
}

/* Completed, but the answer was lost: the next attempt finds the object in place of the upload. */
static void test_completed_before(Fixture *f, gconstpointer unused)
{
    (void)unused;
    mock_http_answer(f->server, "HTTP/1.1 200 OK\r\nContent-Le");
    g_assert_false(complete(f));
    g_assert_true(eg_error_is_retryable(f->error));
    answer(f, "404 Not Found", REFUSAL("NoSuchUpload"));
    mock_http_answer(f->server,
                     "HTTP/1.1 200 OK\r\nETag: "
                     "\"e9a24a6fcbdc38a3866eea79d5493535-2\"\r\nContent-Length: 9\r\n\r\n");
    g_assert_true(complete(f));
    g_assert_no_error(f->error);

    /* Another object of that name is not ours. */
    answer(f, "404 Not Found", REFUSAL("NoSuchUpload"));
    mock_http_answer(f->server,
                     "HTTP/1.1 200 OK\r\nETag: "
                     "\"00000000000000000000000000000000-2\"\r\nContent-Length: 9\r\n\r\n");
    g_assert_false(complete(f));
    g_assert_error(f->error, EG_ERROR, EG_ERROR_NOT_FOUND);
    g_assert_false(eg_error_is_retryable(f->error));
}

static gpointer put_some(gpointer user)
{
    EgStore *store = user;
    g_autoptr(GBytes) content = g_bytes_new_static("content", 7);
    for (guint i = 0; i < 20; i++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(eg_store_put(store, "a", NULL, content, NULL, &error) ||
                      eg_error_is_retryable(error));
    }
    return NULL;
}

/* Each thread has a connection of its own, which it keeps; all learn the region from one answer. */
static void test_threads(Fixture *f, gconstpointer unused)
{
    (void)unused;
    GThread *threads[8];
    answer(f, "301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1", "");
    for (guint i = 0; i < 20 * G_N_ELEMENTS(threads); i++)
        answer(f, "200 OK", "");
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("put", put_some, f->store);
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
    g_assert_cmpuint(mock_http_connections(f->server), <=, G_N_ELEMENTS(threads));
    g_assert_true(put(f));
    g_autofree char *last = NULL;
    for (char *request; (request = mock_http_take(f->server)) != NULL; last = request)
        g_free(last);
    g_assert_nonnull(strstr(last, "/eu-west-1/s3/aws4_request"));
}

static void test_address(void)
{
    static const struct {
        const char *endpoint;
        const char *bucket;
        bool force_path_style;
        const char *url;
        const char *location;
    } cases[] = {
        {NULL,                              "bucket",    false, "https://bucket.s3.eu-west-1.amazonaws.com/a%20b",
         "https://bucket.s3.amazonaws.com/a b"                                                                                                                   },
        {NULL,                              "bucket",    true,  "https://s3.eu-west-1.amazonaws.com/bucket/a%20b",
         "https://s3.amazonaws.com/bucket/a b"                                                                                                                   },
        {NULL,                              "my.bucket", false, "https://s3.eu-west-1.amazonaws.com/my.bucket/a%20b",
         "https://s3.amazonaws.com/my.bucket/a b"                                                                                                                },
        {"nyc3.example.com",                "bucket",    false, "https://bucket.nyc3.example.com/a%20b",
         "https://bucket.nyc3.example.com/a b"                                                                                                                   },
        {"https://minio.example.com:9000/", "bucket",    true,
         "https://minio.example.com:9000/bucket/a%20b",                                                               "https://minio.example.com:9000/bucket/a b"},
        {"http://minio:9000",               "bucket",    false, "http://bucket.minio:9000/a%20b",
         "http://bucket.minio:9000/a b"                                                                                                                          },
        {"http://127.0.0.1:9000",           "bucket",    false, "http://127.0.0.1:9000/bucket/a%20b",
         "http://127.0.0.1:9000/bucket/a b"                                                                                                                      },
        {"http://minio/storage/s3",         "bucket",    true,  "http://minio/storage/s3/bucket/a%20b",
         "http://minio/storage/s3/bucket/a b"                                                                                                                    },
        {"store.example.com",               "My_Bucket", false, "https://store.example.com/My_Bucket/a%20b",
         "https://store.example.com/My_Bucket/a b"                                                                                                               },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(EgStorage) storage = eg_storage_new(EG_STORE_S3);
        storage->endpoint = g_strdup(cases[i].endpoint);
        storage->bucket = g_strdup(cases[i].bucket);
        storage->s3.force_path_style = cases[i].force_path_style;
        EgS3Address address = {0};
        g_assert_true(eg_s3_address_init(&address, storage, NULL));
        g_autofree char *url = eg_s3_address_url(&address, "eu-west-1", "a b", NULL);
        g_autofree char *location = eg_s3_address_location(&address, "a b");
        g_assert_cmpstr(url, ==, cases[i].url);
        g_assert_cmpstr(location, ==, cases[i].location);
        eg_s3_address_clear(&address);
    }
}

/* Each with what the error names. */
static void test_settings(void)
{
    for (guint i = 0; i < 10; i++) {
        g_autoptr(EgStorage) storage = eg_storage_new(EG_STORE_S3);
        EgStorageS3 *s3 = &storage->s3;
        const char *const metadata[] = {i == 0 ? "a b" : i == 1 ? "a:\r\nb" : "a", "x", NULL};
        const char *const named[] = {"metadata", "metadata", "bucket",
                                     "bucket",   "secret",   "region",
                                     "endpoint", "tagging",  "content_disposition",
                                     "proxy"};
        G_STATIC_ASSERT(G_N_ELEMENTS(named) == 10);
        s3->metadata = g_strdupv((gpointer)metadata);
        storage->bucket = i == 2 ? NULL : g_strdup(i == 3 ? "a/b" : "bucket");
        s3->access_key = g_strdup("access");
        s3->secret = i == 4 ? NULL : g_strdup("secret");
        s3->region = g_strdup(i == 5 ? "evil.example/" : "eu-west-1");
        storage->endpoint = g_strdup(i == 6 ? "ftp://a" : "https://a");
        s3->tagging = g_strdup(i == 7 ? "a=b\nc: d" : "a=b");
        s3->content_disposition = g_strdup(i == 8 ? "\x01" : "attachment");
        storage->proxy.url = g_strdup(i == 9 ? "ftp://user:secret@a" : "a:1");
        g_autoptr(GError) error = NULL;
        g_assert_null(eg_store_new(storage, NULL, &error));
        g_assert_error(error, EG_ERROR, EG_ERROR_INVALID_ARGUMENT);
        g_assert_cmpint(eg_error_blame(error), ==, EG_BLAME_REQUEST);
        g_assert_nonnull(strstr(error->message, named[i]));
        g_assert_null(strstr(error->message, "\n"));
        g_assert_null(strstr(error->message, "secret@"));
    }
}

#define ADD(name) g_test_add("/s3/" #name, Fixture, NULL, make, test_##name, clear)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    ADD(put);
    ADD(refusals);
    ADD(retry_after);
    ADD(clock);
    ADD(region);
    ADD(parts);
    ADD(strange_successes);
    ADD(completed_before);
    ADD(threads);
    g_test_add_func("/s3/address", test_address);
    g_test_add_func("/s3/settings", test_settings);
    return g_test_run();
}
