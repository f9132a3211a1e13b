#include <jansson.h>
#include <string.h>

#include "base/time.h"
#include "unit/storage/store-fixture.h"

#define JSON_TYPE "Content-Type: application/json\r\n"
#define OBJECT    "{\"size\": \"6\", \"crc32c\": \"U7zv8Q==\"}" /* abcdef */
#define SESSION   "/upload/storage/v1/b/bucket/o?upload_id=geheim"

typedef struct {
    StoreFixture f; /* its server is store and token server */
    char *session;
    GCancellable *cancellable; /* of one test */
} Fixture;

/* Google's own example, but for where tokens come from. */
static char *make_credentials(const char *token_uri)
{
    g_autofree char *path =
        g_test_build_filename(G_TEST_DIST, "storage", "google-service-account.json", NULL);
    json_t *root = json_load_file(path, 0, NULL);
    g_assert_nonnull(root);
    json_object_set_new(root, "token_uri", json_string(token_uri));
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    char *credentials = g_strdup(text);
    free(text);
    return credentials;
}

static void make(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    store_fixture_make(f, EG_STORE_GCS);
    g_autofree char *token_uri = g_strconcat(mock_http_url(f->server), "/token", NULL);
    f->storage->gcs.credentials_json = make_credentials(token_uri);
    fixture->session = g_strconcat(mock_http_url(f->server), SESSION, NULL);
    g_assert_nonnull(store_fixture_open(f));
}

static void clear(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    store_fixture_clear(&fixture->f);
    g_free(fixture->session);
}

static void answer_token(StoreFixture *f, const char *token, guint valid_s)
{
    g_autofree char *body = g_strdup_printf(
        "{\"access_token\": \"%s\", \"expires_in\": %u, \"token_type\": \"Bearer\"}", token,
        valid_s);
    mock_http_answer_body(f->server, "200 OK\r\n" JSON_TYPE, body);
}

static const char *const any_lines[] = {NULL};

static void assert_token_request(StoreFixture *f)
{
    static const char *const lines[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    store_fixture_assert_request(f, "POST /token HTTP/1.1\r\n", lines, "");
}

static void assert_authorized(StoreFixture *f, const char *start, const char *token)
{
    g_autofree char *line = g_strconcat("Authorization: Bearer ", token, NULL);
    const char *const lines[] = {line, NULL};
    store_fixture_assert_request(f, start, lines, "");
}

static void test_put(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    answer_token(f, "t1", 3600);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_assert_true(store_fixture_put(f, "abcdef"));
    assert_token_request(f);
    g_autofree char *request = mock_http_take(f->server);
    g_assert_true(g_str_has_prefix(
        request, "POST /upload/storage/v1/b/bucket/o?uploadType=multipart&name=a%2Fb%20c.mp4 "));
    g_assert_nonnull(strstr(request, "\r\nAuthorization: Bearer t1\r\n"));
    g_assert_nonnull(strstr(request, "{\"contentType\":\"video/mp4\","
                                     "\"md5Hash\":\"6AtQFwmJUPxYqtg8jBSXjg==\","
                                     "\"crc32c\":\"U7zv8Q==\"}\r\n"));
    g_assert_nonnull(strstr(request, "\r\nContent-Type: video/mp4\r\n\r\nabcdef\r\n--"));
}

/* The store has something else, or says nothing that makes sense. */
static void test_wrong_object(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    answer_token(f, "t1", 3600);
    mock_http_answer_body(f->server, "200 OK\r\n", "{\"size\": \"6\", \"crc32c\": \"AAAAAA==\"}");
    g_assert_false(store_fixture_put(f, "abcdef"));
    store_fixture_assert_error(f, EG_ERROR_DATA_LOSS, true, "put a/b c.mp4", NULL);
    mock_http_answer_body(f->server, "200 OK\r\n", "{\"size\": \"5\"}");
    g_assert_false(store_fixture_put(f, "abcdef"));
    store_fixture_assert_error(f, EG_ERROR_DATA_LOSS, true, "put a/b c.mp4", NULL);
    mock_http_answer_body(f->server, "200 OK\r\n", "<html>");
    g_assert_false(store_fixture_put(f, "abcdef"));
    store_fixture_assert_error(f, EG_ERROR_MALFORMED_RESULT, true, "put a/b c.mp4", NULL);
    mock_http_answer_body(f->server, "200 OK\r\n", "{\"size\": \"6\"}");
    g_assert_true(store_fixture_put(f, "abcdef"));
}

/* Asked for once, and again when it is about to end or is refused. */
static void test_token(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    answer_token(f, "t1", 3600);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    mock_http_answer_body(f->server, "401 No\r\n", "{\"error\": {\"message\": \"Expired.\"}}");
    answer_token(f, "t2", 0);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    answer_token(f, "t3", 3600);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    for (guint i = 0; i < 3; i++)
        g_assert_true(store_fixture_put(f, "abcdef"));
    static const char start[] = "POST /upload/storage/v1/b/bucket/o?uploadType=multipart";
    assert_token_request(f);
    g_autofree char *first = mock_http_take(f->server);
    g_assert_nonnull(strstr(first, "Bearer t1\r\n"));
    g_autofree char *refused = mock_http_take(f->server);
    g_assert_nonnull(strstr(refused, "Bearer t1\r\n"));
    assert_token_request(f);
    assert_authorized(f, start, "t2");
    assert_token_request(f);
    assert_authorized(f, start, "t3");
    store_fixture_assert_no_request(f);
}

static void test_token_errors(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    mock_http_answer_body(f->server, "400 Bad\r\n" JSON_TYPE,
                          "{\"error\": \"invalid_grant\", \"error_description\": "
                          "\"Invalid JWT Signature.\"}");
    g_assert_false(store_fixture_put(f, "abcdef"));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false,
                               "cannot get a token for Google Cloud Storage: HTTP status 400, "
                               "invalid_grant: Invalid JWT Signature.",
                               NULL);
    mock_http_answer_body(f->server, "503 No\r\n", "");
    g_assert_false(store_fixture_put(f, "abcdef"));
    store_fixture_assert_error(f, EG_ERROR_UNAVAILABLE, true, "token", NULL);
    mock_http_answer_body(f->server, "200 OK\r\n", "{\"access_token\": \"a\\r\\nX: y\"}");
    g_assert_false(store_fixture_put(f, "abcdef"));
    store_fixture_assert_error(f, EG_ERROR_MALFORMED_RESULT, true, "token", NULL);
    /* Two tokens, both refused. */
    for (guint i = 0; i < 2; i++) {
        answer_token(f, "geheim", 3600);
        mock_http_answer_body(f->server, "401 No\r\n",
                              "{\"error\": {\"code\": 401, \"message\": \"Invalid.\"}}");
    }
    g_assert_false(store_fixture_put(f, "abcdef"));
    store_fixture_assert_error(f, EG_ERROR_UNAUTHENTICATED, false, "status 401: Invalid.",
                               "geheim");
}

static char *begin(Fixture *fixture)
{
    StoreFixture *f = &fixture->f;
    answer_token(f, "t1", 3600);
    g_autofree char *head = g_strdup_printf("200 OK\r\nLocation: %s\r\n", fixture->session);
    mock_http_answer_body(f->server, head, "");
    char *upload = store_fixture_begin(f);
    g_assert_cmpstr(upload, ==, fixture->session);
    assert_token_request(f);
    static const char *const lines[] = {"Authorization: Bearer t1",
                                        "X-Upload-Content-Type: video/mp4", NULL};
    store_fixture_assert_request(
        f, "POST /upload/storage/v1/b/bucket/o?uploadType=resumable&name=a%2Fb%20c.mp4 ", lines,
        "{\"contentType\":\"video/mp4\"}");
    return upload;
}

/* `range` NULL: nothing is there. */
static void answer_progress(StoreFixture *f, const char *range)
{
    g_autofree char *head = range != NULL
                                ? g_strdup_printf("308 Resume\r\nRange: bytes=0-%s\r\n", range)
                                : g_strdup("308 Resume\r\n");
    mock_http_answer_body(f->server, head, "");
}

static void assert_piece(StoreFixture *f, const char *range, const char *body)
{
    g_autofree char *line = g_strconcat("Content-Range: bytes ", range, NULL);
    const char *const lines[] = {line, NULL};
    g_autofree char *end = g_strconcat("\r\n\r\n", body, NULL);
    store_fixture_assert_request(f, "PUT " SESSION " HTTP/1.1\r\n", lines, end);
}

static void test_parts(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_autofree char *upload = begin(fixture);
    answer_progress(f, "2");
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_autofree char *first = store_fixture_put_part(f, upload, 0, 0, "abc", false);
    g_assert_no_error(f->error);
    g_autofree char *second = store_fixture_put_part(f, upload, 1, 3, "def", true);
    g_assert_no_error(f->error);
    g_assert_true(store_fixture_complete(f, upload, first, second));
    assert_piece(f, "0-2/*", "abc");
    assert_piece(f, "3-5/6", "def");
    assert_piece(f, "*/6", "");
    store_fixture_assert_no_request(f);

    /* Something else is there. */
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_assert_false(store_fixture_complete(f, upload, second, first));
    store_fixture_assert_error(f, EG_ERROR_DATA_LOSS, false, "not what it was sent", "geheim");
    g_assert_false(store_fixture_complete(f, upload, "foreign", NULL));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, "tag", NULL);
}

/* The store has taken a part of the part: only the rest is sent when it is put again. */
static void test_part_of_part(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_autofree char *upload = begin(fixture);
    answer_progress(f, "1");
    g_assert_null(store_fixture_put_part(f, upload, 0, 0, "abc", false));
    store_fixture_assert_error(f, EG_ERROR_UNAVAILABLE, true, "not taken all", "geheim");
    answer_progress(f, "1");
    answer_progress(f, "2");
    g_autofree char *first = store_fixture_put_part(f, upload, 0, 0, "abc", false);
    g_assert_no_error(f->error);
    assert_piece(f, "0-2/*", "abc");
    assert_piece(f, "*/*", "");
    assert_piece(f, "2-2/*", "c");
    store_fixture_assert_no_request(f);
}

/* The answer was lost, but not the part; and it may be put again at any time. */
static void test_part_again(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_autofree char *upload = begin(fixture);
    mock_http_answer_body(f->server, "503 No\r\nRetry-After: 3\r\n", "Busy.");
    g_assert_null(store_fixture_put_part(f, upload, 0, 0, "abc", false));
    store_fixture_assert_error(f, EG_ERROR_UNAVAILABLE, true, "status 503: Busy.", "geheim");
    g_assert_cmpint(eg_store_retry_after_ns(f->error), ==, 3 * EG_NS_PER_S);
    answer_progress(f, "2");
    g_autofree char *first = store_fixture_put_part(f, upload, 0, 0, "abc", false);
    g_assert_no_error(f->error);
    mock_http_answer_body(f->server, "503 No\r\n", "");
    g_assert_null(store_fixture_put_part(f, upload, 1, 3, "def", true));
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_autofree char *second = store_fixture_put_part(f, upload, 1, 3, "def", true);
    g_assert_no_error(f->error);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_assert_true(store_fixture_complete(f, upload, first, second));
    assert_piece(f, "0-2/*", "abc");
    assert_piece(f, "*/*", "");
    assert_piece(f, "3-5/6", "def");
    assert_piece(f, "*/*", "");
    assert_piece(f, "*/6", "");
    assert_piece(f, "*/6", "");
    store_fixture_assert_no_request(f);
}

/* Another process goes on: it does not know what is there. */
static void test_other_process(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_autofree char *upload = begin(fixture);
    g_assert_nonnull(store_fixture_open(f));
    answer_token(f, "t1", 3600);
    answer_progress(f, "2");
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_autofree char *second = store_fixture_put_part(f, upload, 1, 3, "def", true);
    g_assert_no_error(f->error);
    assert_token_request(f);
    assert_piece(f, "*/*", "");
    assert_piece(f, "3-5/6", "def");

    g_assert_nonnull(store_fixture_open(f));
    answer_token(f, "t1", 3600);
    answer_progress(f, NULL);
    g_assert_null(store_fixture_put_part(f, upload, 1, 3, "def", true));
    store_fixture_assert_error(f, EG_ERROR_DATA_LOSS, false, "lost what was sent", "geheim");
}

static void test_session_errors(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_autofree char *upload = begin(fixture);
    mock_http_answer_body(f->server, "410 Gone\r\n", "Gone.");
    g_assert_null(store_fixture_put_part(f, upload, 0, 0, "abc", false));
    store_fixture_assert_error(f, EG_ERROR_FAILED_PRECONDITION, false, "410: Gone.", "geheim");
    mock_http_answer_body(f->server, "308 Resume\r\nRange: bytes=1-geheim\r\n", "");
    g_assert_null(store_fixture_put_part(f, upload, 0, 0, "abc", false));
    store_fixture_assert_error(f, EG_ERROR_MALFORMED_RESULT, true, "no sense", "geheim");
    answer_progress(f, "2");
    g_assert_false(store_fixture_complete(f, upload, "0000000000000000-6", NULL));
    store_fixture_assert_error(f, EG_ERROR_DATA_LOSS, false, "lost a part", "geheim");
    mock_http_answer_body(f->server, "499 Client Closed Request\r\n", "");
    eg_store_abort(f->store, "a/b c.mp4", upload);
}

/* Where the session is elsewhere, nobody there gets the token. */
static void test_foreign_session(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_autofree char *upload = begin(fixture);
    g_autofree char *foreign =
        g_strconcat("http://localhost", strrchr(mock_http_url(f->server), ':'), SESSION, NULL);
    answer_progress(f, NULL);
    answer_progress(f, "2");
    g_autofree char *tag = store_fixture_put_part(f, foreign, 0, 0, "abc", false);
    g_assert_no_error(f->error);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *request = mock_http_take(f->server);
        g_assert_nonnull(strstr(request, "\r\nHost: localhost:"));
        g_assert_null(strstr(request, "Authorization"));
    }
}

static void test_begin_errors(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    answer_token(f, "t1", 3600);
    mock_http_answer_body(f->server, "404 None\r\n" JSON_TYPE,
                          "{\"error\": {\"code\": 404, \"message\": \"No such bucket.\"}}");
    g_assert_null(store_fixture_begin(f));
    store_fixture_assert_error(f, EG_ERROR_NOT_FOUND, false,
                               "cannot begin a/b c.mp4: HTTP status 404: No such bucket.", NULL);
    static const char *const heads[] = {"200 OK\r\n", "200 OK\r\nLocation: /x\r\n",
                                        "200 OK\r\nLocation: file:///etc/passwd\r\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(heads); i++) {
        mock_http_answer_body(f->server, heads[i], "");
        g_assert_null(store_fixture_begin(f));
        store_fixture_assert_error(f, EG_ERROR_MALFORMED_RESULT, true, "begin", NULL);
    }
}

/* While the token server says nothing. */
static gpointer cancel_soon(gpointer user)
{
    Fixture *fixture = user;
    g_autofree char *request = NULL;
    while ((request = mock_http_take(fixture->f.server)) == NULL)
        g_usleep(1000);
    g_cancellable_cancel(fixture->cancellable);
    return NULL;
}

static void test_canceled(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    fixture->cancellable = g_cancellable_new();
    GThread *thread = g_thread_new("cancel", cancel_soon, fixture);
    g_autoptr(GBytes) content = g_bytes_new("abc", 3);
    g_assert_false(
        eg_store_put(f->store, "a/b c.mp4", "video/mp4", content, fixture->cancellable, &f->error));
    store_fixture_assert_error(f, EG_ERROR_CANCELED, false, "token", NULL);
    g_thread_join(thread);
    g_object_unref(fixture->cancellable);
}

static void test_location(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_clear_pointer(&f->storage->endpoint, g_free);
    g_assert_nonnull(store_fixture_open(f));
    g_autofree char *location = eg_store_location(f->store, "a/b c.mp4", NULL);
    g_assert_cmpstr(location, ==, "https://bucket.storage.googleapis.com/a/b c.mp4");
    f->storage->generate_presigned_url = true;
    g_assert_nonnull(store_fixture_open(f));
    g_autofree char *signed_url = eg_store_location(f->store, "a/b c.mp4", NULL);
    g_assert_true(g_str_has_prefix(
        signed_url,
        "https://storage.googleapis.com/bucket/a/b%20c.mp4?X-Goog-Algorithm=GOOG4-RSA-SHA256"));
    g_assert_nonnull(strstr(signed_url, "&X-Goog-Expires=604800&"));
}

static void test_settings(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    static const struct {
        const char *json;
        const char *text;
    } cases[] = {
        {"geheim",                                                                                  "JSON"         },
        {"[]",                                                                                      "JSON"         },
        {"{}",                                                                                      "type"         },
        {"{\"type\": \"external_account\"}",                                                        "type"         },
        {"{\"type\": \"service_account\"}",                                                         "client_email" },
        {"{\"type\": \"service_account\", \"client_email\": \"a@b\"}",                              "private_key"  },
        {"{\"type\": \"service_account\", \"client_email\": \"a@b\", \"private_key\": \"geheim\"}",
         "private_key"                                                                                             },
        {"{\"type\": \"authorized_user\", \"client_id\": \"i\"}",                                   "client_secret"},
        {"{\"type\": \"authorized_user\", \"client_id\": \"i\", \"client_secret\": \"geheim\","
         " \"refresh_token\": \"r\", \"token_uri\": \"file:///geheim\"}",                  "token_uri"    },
    };
    char *good = f->storage->gcs.credentials_json;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        f->storage->gcs.credentials_json = g_strdup(cases[i].json);
        g_assert_null(store_fixture_open(f));
        store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, cases[i].text, "geheim");
        g_assert_cmpint(eg_error_blame(f->error), ==, EG_BLAME_REQUEST);
        g_free(f->storage->gcs.credentials_json);
    }
    f->storage->gcs.credentials_json = good;
    g_clear_pointer(&f->storage->bucket, g_free);
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, "bucket", NULL);
}

static void test_user(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_free(f->storage->gcs.credentials_json);
    f->storage->gcs.credentials_json =
        g_strdup_printf("{\"type\": \"authorized_user\", \"client_id\": \"i\", \"client_secret\": "
                        "\"s/\", \"refresh_token\": \"r\", \"token_uri\": \"%s/token\"}",
                        mock_http_url(f->server));
    g_assert_nonnull(store_fixture_open(f));
    answer_token(f, "t1", 3600);
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_assert_true(store_fixture_put(f, "abcdef"));
    store_fixture_assert_request(
        f, "POST /token HTTP/1.1\r\n", any_lines,
        "\r\n\r\nclient_id=i&client_secret=s%2F&grant_type=refresh_token&refresh_token=r");
    f->storage->generate_presigned_url = true;
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, "service account", NULL);
}

/* Where credentials are found when none are told; all of it, as variables only ever come. */
static void test_default_credentials(Fixture *fixture, gconstpointer unused)
{
    (void)unused;
    StoreFixture *f = &fixture->f;
    g_autofree char *json = g_steal_pointer(&f->storage->gcs.credentials_json);
    g_autofree char *folder = g_dir_make_tmp("egress-gcs-XXXXXX", NULL);
    g_setenv("CLOUDSDK_CONFIG", folder, TRUE);

    /* The machine itself. */
    g_setenv("GCE_METADATA_HOST", strstr(mock_http_url(f->server), "://") + 3, TRUE);
    mock_http_answer_body(f->server, "404 None\r\n", "");
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_NOT_FOUND, false, "credentials_json", NULL);
    g_autofree char *asked = mock_http_take(f->server);
    g_assert_nonnull(asked);
    answer_token(f, "t1", 3600);
    g_assert_nonnull(store_fixture_open(f));
    static const char *const lines[] = {"Metadata-Flavor: Google", NULL};
    store_fixture_assert_request(
        f, "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1\r\n", lines,
        "");
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_assert_true(store_fixture_put(f, "abcdef"));

    /* What gcloud has left. */
    g_autofree char *path = g_build_filename(folder, "application_default_credentials.json", NULL);
    g_assert_true(g_file_set_contents(path, "{}", -1, NULL));
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_INVALID_ARGUMENT, false, path, NULL);

    /* What was said to be used. */
    g_autofree char *own = g_build_filename(folder, "own.json", NULL);
    g_setenv("GOOGLE_APPLICATION_CREDENTIALS", own, TRUE);
    g_assert_null(store_fixture_open(f));
    store_fixture_assert_error(f, EG_ERROR_FAILED_PRECONDITION, false, "own.json", NULL);
    g_assert_true(g_file_set_contents(own, json, -1, NULL));
    g_assert_nonnull(store_fixture_open(f));
    remove(own);
    remove(path);
    remove(folder);

    /* The emulator wants none. */
    g_setenv("STORAGE_EMULATOR_HOST", strstr(mock_http_url(f->server), "://") + 3, TRUE);
    g_clear_pointer(&f->storage->endpoint, g_free);
    g_assert_nonnull(store_fixture_open(f));
    mock_http_answer_body(f->server, "200 OK\r\n", OBJECT);
    g_assert_true(store_fixture_put(f, "abcdef"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_unsetenv("GOOGLE_APPLICATION_CREDENTIALS");
    g_unsetenv("STORAGE_EMULATOR_HOST");
#define ADD(name, function) g_test_add("/storage/gcs/" name, Fixture, NULL, make, function, clear)
    ADD("put", test_put);
    ADD("wrong-object", test_wrong_object);
    ADD("token", test_token);
    ADD("token-errors", test_token_errors);
    ADD("parts", test_parts);
    ADD("part-of-part", test_part_of_part);
    ADD("part-again", test_part_again);
    ADD("other-process", test_other_process);
    ADD("session-errors", test_session_errors);
    ADD("foreign-session", test_foreign_session);
    ADD("begin-errors", test_begin_errors);
    ADD("canceled", test_canceled);
    ADD("location", test_location);
    ADD("settings", test_settings);
    ADD("user", test_user);
    ADD("default-credentials", test_default_credentials); /* the last: the variables stay */
    return g_test_run();
}
