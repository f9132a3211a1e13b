#include <string.h>

#include "base/time.h"
#include "storage/azure-sign.h"
#include "unit/storage/store-fixture.h"

/* The bytes 0 … 63. */
#define KEY_TEXT                                                                                   \
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
#define DATE     "x-ms-date: Sun, 29 Nov 2026 18:57:59 GMT"
#define UNTIL_NS (G_GINT64_CONSTANT(1796583479) * EG_NS_PER_S)

#define CREATED "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"

static GBytes *make_key(void)
{
    gsize n_bytes;
    guint8 *bytes = g_base64_decode(KEY_TEXT, &n_bytes);
    return g_bytes_new_take(bytes, n_bytes);
}

/* What azure-storage-blob 12.31.1 makes of the same requests: its SharedKeyCredentialPolicy, and
 * its BlobSharedAccessSignature with x_ms_version "2021-08-06". */
static void test_authorization(void)
{
    g_autoptr(GBytes) key = make_key();
    static const char *const put_headers[] = {
        "Content-MD5: XrY7u+Ae7tCTyyK7j1rNww==",
        DATE,
        "x-ms-version: 2021-08-06",
        "x-ms-blob-type: BlockBlob",
        "x-ms-blob-content-type: video/mp4",
        NULL,
    };
    const EgAzureRequest put = {
        .method = "PUT",
        .path = "/rooms/a%20b%2Bc.mp4",
        .headers = put_headers,
        .content_bytes = 11,
    };
    g_autofree char *of_put = eg_azure_authorization("acct1", key, &put);
    g_assert_cmpstr(of_put, ==, "SharedKey acct1:jPoIurzQ1YhbJRZqNztRcKW2wpp/hhsdcSNhJeZUEN0=");

    static const char *const block_headers[] = {"Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==", DATE,
                                                "x-ms-version: 2021-08-06", NULL};
    static const char *const query[] = {"blockid", "YS1i=", "comp", "block", NULL};
    const EgAzureRequest block = {
        .method = "PUT",
        .path = "/acct1/rooms/%C3%BC.mp4",
        .query = query,
        .headers = block_headers,
    };
    g_autofree char *of_block = eg_azure_authorization("acct1", key, &block);
    g_assert_cmpstr(of_block, ==, "SharedKey acct1:XKrqbEwJoP/kmc8jCD0IU8FOs36LDtxNrj9qCfMBecI=");
}

static void test_read_query(void)
{
    g_autoptr(GBytes) key = make_key();
    g_autofree char *secure =
        eg_azure_read_query("acct1", key, "rooms", "a b+c=d&e?.mp4", UNTIL_NS, true);
    g_assert_cmpstr(secure, ==,
                    "?sv=2021-08-06&spr=https&se=2026-12-06T18%3A57%3A59Z&sr=b&sp=r"
                    "&sig=%2F0jz91z5QflMVT1He8LpGogetem4SIQI4W9lr%2B2zrHA%3D");
    g_autofree char *plain =
        eg_azure_read_query("acct1", key, "rooms", "a b+c=d&e?.mp4", UNTIL_NS, false);
    g_assert_true(g_str_has_suffix(plain, "&sig=8vnjFXKshRoE8bvr4Pi%2BkjLC6H431fn7XQoqhrnrbYs%3D"));
}

static void make(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    store_fixture_make(f, EG_STORE_AZURE);
    f->storage->azure.account_name = g_strdup("acct1");
    f->storage->azure.account_key = g_strdup(KEY_TEXT);
}

static void clear(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    store_fixture_clear(f);
}

static void test_put(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_nonnull(store_fixture_open(f));
    mock_http_answer(f->server, CREATED);
    g_assert_true(store_fixture_put(f, "abc"));
    static const char *const lines[] = {
        "Content-MD5: kAFQmDzST7DWlj99KOF/cg==", "x-ms-blob-type: BlockBlob",
        "x-ms-blob-content-type: video/mp4", NULL};
    store_fixture_assert_request(f, "PUT /acct1/bucket/a/b%20c.mp4 HTTP/1.1\r\n", lines, "\r\nabc");
}

static void test_parts(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_nonnull(store_fixture_open(f));
    g_autofree char *upload = store_fixture_begin(f);
    mock_http_answer(f->server, CREATED);
    mock_http_answer(f->server, CREATED);
    mock_http_answer(f->server, CREATED);
    g_autofree char *second = store_fixture_put_part(f, upload, 1, 3, "def", true);
    g_autofree char *first = store_fixture_put_part(f, upload, 0, 0, "abc", false);
    g_assert_cmpuint(strlen(first), ==, strlen(second));
    g_assert_cmpstr(first, !=, second);
    g_assert_true(store_fixture_complete(f, upload, first, second));

    static const char *const none[] = {NULL};
    static const char *const type[] = {"x-ms-blob-content-type: video/mp4", NULL};
    store_fixture_assert_request(f, "PUT /acct1/bucket/a/b%20c.mp4?blockid=", none, "\r\ndef");
    store_fixture_assert_request(f, "PUT /acct1/bucket/a/b%20c.mp4?blockid=", none, "\r\nabc");
    g_autofree char *list = g_strdup_printf(
        "<BlockList><Latest>%s</Latest><Latest>%s</Latest></BlockList>", first, second);
    store_fixture_assert_request(f, "PUT /acct1/bucket/a/b%20c.mp4?comp=blocklist HTTP/1.1\r\n",
                                 type, list);
}

/* Two uploads to one name do not get into each other's way. */
static void test_two_uploads(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_assert_nonnull(store_fixture_open(f));
    g_autofree char *first = store_fixture_begin(f);
    g_autofree char *second = store_fixture_begin(f);
    mock_http_answer(f->server, CREATED);
    mock_http_answer(f->server, CREATED);
    g_autofree char *of_first = store_fixture_put_part(f, first, 0, 0, "abc", false);
    g_autofree char *of_second = store_fixture_put_part(f, second, 0, 0, "abc", false);
    g_assert_cmpstr(of_first, !=, of_second);
    g_assert_null(store_fixture_put_part(f, "something else", 0, 0, "abc", false));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, "upload", NULL);
}

static void test_sas(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    g_clear_pointer(&f->storage->azure.account_key, g_free);
    f->storage->azure.sas_token = g_strdup("?sv=2021-08-06&sig=geheim");
    g_assert_nonnull(store_fixture_open(f));
    mock_http_answer(f->server, CREATED);
    mock_http_answer_body(f->server, "403 Forbidden\r\n",
                          "\xef\xbb\xbf<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed"
                          "</Code><Message>No.\nRequestId:1</Message><AuthenticationErrorDetail>"
                          "geheim</AuthenticationErrorDetail></Error>");
    g_assert_true(store_fixture_put(f, "abc"));
    g_autofree char *request = mock_http_take(f->server);
    g_assert_true(g_str_has_prefix(
        request, "PUT /acct1/bucket/a/b%20c.mp4?sv=2021-08-06&sig=geheim HTTP/1.1\r\n"));
    g_assert_null(strstr(request, "Authorization"));

    g_autofree char *upload = store_fixture_begin(f);
    g_assert_null(store_fixture_put_part(f, upload, 0, 0, "abc", false));
    store_fixture_assert_error(f, EG_ERROR_PERMISSION_DENIED, false,
                               "cannot put a part of a/b c.mp4: HTTP status 403, "
                               "AuthenticationFailed: No.",
                               "geheim");
    g_assert_null(strstr(f->error->message, "RequestId"));
    g_autofree char *part = mock_http_take(f->server);
    g_assert_nonnull(strstr(part, "&comp=block&sv=2021-08-06&sig=geheim HTTP/1.1\r\n"));

    /* Hung up, also on the new connection that libcurl makes when a kept one turns out closed. */
    mock_http_answer(f->server, "%s", "");
    mock_http_answer(f->server, "%s", "");
    g_assert_false(store_fixture_put(f, "abc"));
    store_fixture_assert_error(f, EG_ERROR_UNAVAILABLE, true, "127.0.0.1", "geheim");
}

static void test_errors(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    static const struct {
        const char *head;
        const char *body;
        EgErrorCode code;
        bool is_retryable;
        const char *text;
    } cases[] = {
        {"503 Busy\r\nRetry-After: 7\r\n", "<Error><Code>ServerBusy</Code></Error>",
         EG_ERROR_UNAVAILABLE,                                                                                          true,  "503, ServerBusy"                  },
        {"400 Bad\r\n",                    "<Error><Code>Md5Mismatch</Code></Error>",        EG_ERROR_INVALID_ARGUMENT, true,
         "Md5Mismatch"                                                                                                                                            },
        {"400 Bad\r\n",                    "<Error><Code>InvalidBlobOrBlock</Code></Error>", EG_ERROR_INVALID_ARGUMENT,
         false,                                                                                                                "InvalidBlobOrBlock"               },
        {"404 None\r\n",
         "<Error><Code>ContainerNotFound</Code><Message>There is none.</Message>"
         "</Error>",                                                                         EG_ERROR_NOT_FOUND,        false, "ContainerNotFound: There is none."},
        {"200 OK\r\n",                     "something else",                                 EG_ERROR_UNAVAILABLE,      true,  "status 200"                       },
        {"500 No\r\n",                     "<html>",                                         EG_ERROR_UNAVAILABLE,      true,  "status 500"                       },
    };
    g_assert_nonnull(store_fixture_open(f));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        mock_http_answer_body(f->server, cases[i].head, cases[i].body);
        g_assert_false(store_fixture_put(f, "abc"));
        store_fixture_assert_error(f, cases[i].code, cases[i].is_retryable, cases[i].text, NULL);
        g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_DESTINATION);
        g_assert_cmpint(eg_store_retry_after_ns(f->error), ==, i == 0 ? 7 * EG_NS_PER_S : 0);
    }
}

/* One setting changed; NULL: taken away. What the error says. */
static void check_setting(StoreFixture *f, char **setting, const char *value, const char *text)
{
    char *before = *setting;
    *setting = g_strdup(value);
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, text, "geheim");
    g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_REQUEST);
    g_free(*setting);
    *setting = before;
}

static void test_settings(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    EgStorage *storage = f->storage;
    check_setting(f, &storage->azure.account_name, NULL, "account_name");
    check_setting(f, &storage->azure.account_name, "evil.com/geheim", "account_name");
    check_setting(f, &storage->azure.account_name, "", "account_name");
    check_setting(f, &storage->azure.account_key, NULL, "account_key");
    check_setting(f, &storage->azure.account_key, "geheim!", "account_key");
    check_setting(f, &storage->azure.account_key, "", "account_key");
    check_setting(f, &storage->bucket, NULL, "container_name");
    check_setting(f, &storage->endpoint, "ftp://geheim", "endpoint");
    g_clear_pointer(&storage->azure.account_key, g_free);
    check_setting(f, &storage->azure.sas_token, "geheim", "sas_token");
    check_setting(f, &storage->azure.sas_token, "sig=geheim\r\nx: y", "sas_token");
    storage->generate_presigned_url = true;
    check_setting(f, &storage->azure.sas_token, "sig=geheim", "generate_presigned_url");
}

static void test_location(StoreFixture *f, gconstpointer unused)
{
    (void)unused;
    static const struct {
        const char *endpoint;
        const char *location;
    } cases[] = {
        {NULL,                                "https://acct1.blob.core.windows.net/bucket/a b.mp4"       },
        {"blob.core.chinacloudapi.cn",        "https://acct1.blob.core.chinacloudapi.cn/bucket/a%20b.mp4"},
        {"https://media.example.com/",        "https://media.example.com/bucket/a%20b.mp4"               },
        {"http://127.0.0.1:10000",            "http://127.0.0.1:10000/acct1/bucket/a%20b.mp4"            },
        {"http://127.0.0.1:10000/other/base", "http://127.0.0.1:10000/other/base/bucket/a%20b.mp4"       },
        {"acct1.z1.blob.storage.azure.net",
         "https://acct1.z1.blob.storage.azure.net/bucket/a%20b.mp4"                                      },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_free(f->storage->endpoint);
        f->storage->endpoint = g_strdup(cases[i].endpoint);
        g_assert_nonnull(store_fixture_open(f));
        g_autofree char *location = eg_store_location(f->store, "a b.mp4", NULL);
        g_assert_cmpstr(location, ==, cases[i].location);
    }
    f->storage->generate_presigned_url = true;
    g_assert_nonnull(store_fixture_open(f));
    g_autofree char *signed_url = eg_store_location(f->store, "a b.mp4", NULL);
    g_assert_true(g_str_has_prefix(signed_url,
                                   "https://acct1.z1.blob.storage.azure.net/bucket/a%20b.mp4?sv="));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/storage/azure/authorization", test_authorization);
    g_test_add_func("/storage/azure/read-query", test_read_query);
#define ADD(name, function)                                                                        \
    g_test_add("/storage/azure/" name, StoreFixture, NULL, make, function, clear)
    ADD("put", test_put);
    ADD("parts", test_parts);
    ADD("two-uploads", test_two_uploads);
    ADD("sas", test_sas);
    ADD("errors", test_errors);
    ADD("settings", test_settings);
    ADD("location", test_location);
    return g_test_run();
}
