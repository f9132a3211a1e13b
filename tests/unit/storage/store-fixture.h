#pragma once

#include "base/error.h"
#include "mock/http-server.h"
#include "storage/store.h"

/* A store whose server is the test. */
typedef struct {
    MockHttp *server;
    EgStorage *storage; /* endpoint and bucket are set */
    EgStore *store;     /* of store_fixture_open() */
    GError *error;
} StoreFixture;

void store_fixture_make(StoreFixture *f, EgStoreKind kind);
void store_fixture_clear(StoreFixture *f);

/* NULL if it cannot be opened; then the error tells. Closes the one that was open. */
EgStore *store_fixture_open(StoreFixture *f);

/* Each clears the error of the last call. `text` is the content, `key` "a/b c.mp4". */
bool store_fixture_put(StoreFixture *f, const char *text);
char *store_fixture_begin(StoreFixture *f);
char *store_fixture_put_part(StoreFixture *f, const char *upload, guint index, guint64 offset,
                             const char *text, bool is_last);
bool store_fixture_complete(StoreFixture *f, const char *upload, const char *first,
                            const char *second);

/* The oldest request begins with `start`, has all of `lines` (NULL at the end), and ends with
 * `body`. */
void store_fixture_assert_request(StoreFixture *f, const char *start, const char *const *lines,
                                  const char *body);
void store_fixture_assert_no_request(StoreFixture *f);

/* There was an error with this code, `text` is in it, and nothing of `secret` (NULL: nothing). */
void store_fixture_assert_error(const StoreFixture *f, EgErrorCode code, bool is_retryable,
                                const char *text, const char *secret);
