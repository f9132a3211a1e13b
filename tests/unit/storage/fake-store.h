#pragma once

#include "base/error.h"
#include "storage/store.h"

/* A store in memory, that fails as it is told. It takes parts of 10 bytes, up to 100 of them, and
 * up to 25 bytes at once. A playlist (.m3u8) that names what is not stored aborts the test. */
typedef struct _FakeStore FakeStore;

typedef enum {
    FAKE_NONE,
    FAKE_OPEN,
    FAKE_PUT,
    FAKE_BEGIN,
    FAKE_PART,
    FAKE_COMPLETE,
    FAKE_N_CALLS,
} FakeCall;

FakeStore *fake_store_new(void);
void fake_store_free(FakeStore *fake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FakeStore, fake_store_free)

/* Its settings, with delays of a millisecond and three attempts. */
EgStorage *fake_store_storage(FakeStore *fake);

/* For EgUploaderParams. */
EgStore *fake_store_open(EgStorage *storage, const EgLog *log, GError **error);

/* The next `times` calls of that kind fail. */
void fake_store_fail(FakeStore *fake, FakeCall call, guint times, EgErrorCode code,
                     bool is_retryable);

/* Calls of objects whose key is this wait until it is released, or they are canceled. */
void fake_store_hold(FakeStore *fake, const char *key);
void fake_store_release(FakeStore *fake);
void fake_store_wait_held(FakeStore *fake);

/* Forgets uploads that were begun, as a store does after a while. */
void fake_store_forget(FakeStore *fake);

/* It takes parts only in their order, from now on opened. */
void fake_store_set_ordered(FakeStore *fake);

/* How many uploads in parts there are that are neither completed nor aborted. */
guint fake_store_uploads(FakeStore *fake);

guint fake_store_count(FakeStore *fake, FakeCall call);
char *fake_store_get(FakeStore *fake, const char *key); /* NULL: there is no such object */
