#include "unit/storage/store-fixture.h"

#include <string.h>

#define KEY  "a/b c.mp4"
#define TYPE "video/mp4"

void store_fixture_make(StoreFixture *f, EgStoreKind kind)
{
    f->server = mock_http_new();
    f->storage = eg_storage_new(kind);
    f->storage->endpoint = g_strdup(mock_http_url(f->server));
    f->storage->bucket = g_strdup("bucket");
}

void store_fixture_clear(StoreFixture *f)
{
    g_clear_error(&f->error);
    eg_store_free(f->store);
    eg_storage_unref(f->storage);
    mock_http_free(f->server);
}

EgStore *store_fixture_open(StoreFixture *f)
{
    g_clear_error(&f->error);
    g_clear_pointer(&f->store, eg_store_free);
    f->store = eg_store_new(f->storage, NULL, &f->error);
    g_assert_true((f->store == NULL) == (f->error != NULL));
    return f->store;
}

bool store_fixture_put(StoreFixture *f, const char *text)
{
    g_autoptr(GBytes) content = g_bytes_new(text, strlen(text));
    g_clear_error(&f->error);
    return eg_store_put(f->store, KEY, TYPE, content, NULL, &f->error);
}

char *store_fixture_begin(StoreFixture *f)
{
    g_clear_error(&f->error);
    return eg_store_begin(f->store, KEY, TYPE, NULL, &f->error);
}

char *store_fixture_put_part(StoreFixture *f, const char *upload, guint index, guint64 offset,
                             const char *text, bool is_last)
{
    g_autoptr(GBytes) content = g_bytes_new(text, strlen(text));
    const EgStorePart part = {
        .key = KEY, .upload = upload, .index = index, .offset = offset, .is_last = is_last};
    g_clear_error(&f->error);
    return eg_store_put_part(f->store, &part, content, NULL, &f->error);
}

bool store_fixture_complete(StoreFixture *f, const char *upload, const char *first,
                            const char *second)
{
    const char *const tags[] = {first, second, NULL};
    g_clear_error(&f->error);
    return eg_store_complete(f->store, KEY, upload, tags, NULL, &f->error);
}

void store_fixture_assert_request(StoreFixture *f, const char *start, const char *const *lines,
                                  const char *body)
{
    g_autofree char *request = mock_http_take(f->server);
    g_assert_nonnull(request);
    if (!g_str_has_prefix(request, start) || !g_str_has_suffix(request, body))
        g_error("not '%s' … '%s':\n%s", start, body, request);
    for (; *lines != NULL; lines++) {
        g_autofree char *line = g_strconcat("\r\n", *lines, "\r\n", NULL);
        if (strstr(request, line) == NULL)
            g_error("no '%s' in:\n%s", *lines, request);
    }
}

void store_fixture_assert_no_request(StoreFixture *f)
{
    g_autofree char *request = mock_http_take(f->server);
    g_assert_cmpstr(request, ==, NULL);
}

void store_fixture_assert_error(const StoreFixture *f, EgErrorCode code, bool is_retryable,
                                const char *text, const char *secret)
{
    g_assert_error(f->error, EG_ERROR, (int)code);
    g_assert_true(eg_error_is_retryable(f->error) == is_retryable);
    if (strstr(f->error->message, text) == NULL)
        g_error("no '%s' in: %s", text, f->error->message);
    if (secret != NULL)
        g_assert_null(strstr(f->error->message, secret));
}
