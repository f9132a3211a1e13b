#include "unit/storage/fake-store.h"

#include <string.h>

#include "base/error.h"
#include "base/time.h"
#include "storage/store-class.h"

typedef struct {
    guint times;
    EgErrorCode code;
    bool is_retryable;
} Failure;

struct _FakeStore {
    EgStorage *storage;
    GMutex lock; /* for these */
    GCond changed;
    GHashTable *objects; /* key -> GBytes */
    GHashTable *uploads; /* name -> GPtrArray of GBytes */
    guint n_uploads;
    Failure failures[FAKE_N_CALLS];
    guint counts[FAKE_N_CALLS];
    char *held_key;
    bool is_held;
    bool is_ordered;
};

typedef struct {
    EgStore base;
    FakeStore *fake;
} Instance;

static GMutex all_lock;
static GHashTable *all; /* EgStorage -> FakeStore */

static void free_parts(gpointer data)
{
    g_ptr_array_unref(data);
}

static void unref_bytes(gpointer data)
{
    g_clear_pointer((GBytes **)&data, g_bytes_unref);
}

FakeStore *fake_store_new(void)
{
    FakeStore *fake = g_new0(FakeStore, 1);
    g_mutex_init(&fake->lock);
    g_cond_init(&fake->changed);
    fake->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, unref_bytes);
    fake->uploads = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, free_parts);
    fake->storage = eg_storage_new(EG_STORE_S3);
    fake->storage->max_attempts = 3;
    fake->storage->min_retry_delay_ns = EG_NS_PER_MS;
    fake->storage->max_retry_delay_ns = 2 * EG_NS_PER_MS;
    g_mutex_lock(&all_lock);
    if (all == NULL)
        all = g_hash_table_new(NULL, NULL);
    g_hash_table_insert(all, fake->storage, fake);
    g_mutex_unlock(&all_lock);
    return fake;
}

void fake_store_free(FakeStore *fake)
{
    if (fake == NULL)
        return;
    g_mutex_lock(&all_lock);
    g_hash_table_remove(all, fake->storage);
    if (g_hash_table_size(all) == 0)
        g_clear_pointer(&all, g_hash_table_unref);
    g_mutex_unlock(&all_lock);
    eg_storage_unref(fake->storage);
    g_hash_table_unref(fake->objects);
    g_hash_table_unref(fake->uploads);
    g_mutex_clear(&fake->lock);
    g_cond_clear(&fake->changed);
    g_free(fake->held_key);
    g_free(fake);
}

EgStorage *fake_store_storage(FakeStore *fake)
{
    return fake->storage;
}

/* Under the lock from then on. False: the call fails. */
static bool begin_call(FakeStore *fake, FakeCall call, const char *key, GCancellable *cancellable,
                       GError **error)
{
    g_mutex_lock(&fake->lock);
    fake->counts[call]++;
    while (key != NULL && g_strcmp0(fake->held_key, key) == 0) {
        fake->is_held = true;
        g_cond_broadcast(&fake->changed);
        if (cancellable != NULL && g_cancellable_is_cancelled(cancellable)) {
            eg_error_set(error, EG_ERROR_CANCELED, EG_BLAME_SERVICE, "canceled");
            return false;
        }
        g_cond_wait_until(&fake->changed, &fake->lock, g_get_monotonic_time() + 1000);
    }
    Failure *failure = &fake->failures[call];
    if (failure->times == 0)
        return true;
    failure->times--;
    if (failure->is_retryable)
        eg_error_set_retryable(error, failure->code, EG_BLAME_DESTINATION, "no luck");
    else
        eg_error_set(error, failure->code, EG_BLAME_DESTINATION, "not allowed");
    return false;
}

static void check_playlist(const FakeStore *fake, const char *key, GBytes *content)
{
    gsize length;
    const char *data = g_bytes_get_data(content, &length);
    g_autofree char *text = g_strndup(data, length);
    g_auto(GStrv) names = g_strsplit(text, "\n", -1);
    for (char **name = names; g_str_has_suffix(key, ".m3u8") && *name != NULL; name++)
        g_assert_true(**name == '\0' || g_hash_table_contains(fake->objects, *name));
}

static void put_object(FakeStore *fake, const char *key, GBytes *content)
{
    check_playlist(fake, key, content);
    g_hash_table_replace(fake->objects, g_strdup(key), g_bytes_ref(content));
}

static bool open_store(EgStore *store, GError **error)
{
    (void)store;
    (void)error;
    return true;
}

static FakeStore *fake_of(EgStore *store)
{
    return ((Instance *)store)->fake;
}

static bool put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                GCancellable *cancellable, GError **error)
{
    FakeStore *fake = fake_of(store);
    g_assert_nonnull(content_type);
    bool is_done = begin_call(fake, FAKE_PUT, key, cancellable, error);
    g_assert_cmpuint(g_bytes_get_size(content), <=, 25);
    if (is_done)
        put_object(fake, key, content);
    g_mutex_unlock(&fake->lock);
    return is_done;
}

static char *begin(EgStore *store, const char *key, const char *content_type,
                   GCancellable *cancellable, GError **error)
{
    FakeStore *fake = fake_of(store);
    char *upload = NULL;
    g_assert_nonnull(content_type);
    if (begin_call(fake, FAKE_BEGIN, key, cancellable, error)) {
        upload = g_strdup_printf("upload-%u", fake->n_uploads++);
        GPtrArray *parts = g_ptr_array_new_with_free_func(unref_bytes);
        g_ptr_array_set_size(parts, 100);
        g_hash_table_insert(fake->uploads, g_strdup(upload), parts);
    }
    g_mutex_unlock(&fake->lock);
    return upload;
}

static GPtrArray *find_upload(FakeStore *fake, const char *upload, GError **error)
{
    GPtrArray *parts = g_hash_table_lookup(fake->uploads, upload);
    if (parts == NULL)
        eg_error_set(error, EG_ERROR_NOT_FOUND, EG_BLAME_DESTINATION, "no such upload");
    return parts;
}

static char *put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                      GCancellable *cancellable, GError **error)
{
    FakeStore *fake = fake_of(store);
    char *tag = NULL;
    GPtrArray *parts = NULL;
    if (begin_call(fake, FAKE_PART, part->key, cancellable, error))
        parts = find_upload(fake, part->upload, error);
    if (parts != NULL && fake->is_ordered)
        g_assert_true(part->index == 0 || parts->pdata[part->index - 1] != NULL);
    if (parts != NULL) {
        g_assert_cmpuint(part->index, <, 100);
        if (parts->pdata[part->index] != NULL)
            g_bytes_unref(parts->pdata[part->index]);
        parts->pdata[part->index] = g_bytes_ref(content);
        tag = g_strdup_printf("tag-%u", part->index);
    }
    g_mutex_unlock(&fake->lock);
    return tag;
}

static bool complete(EgStore *store, const char *key, const char *upload, const char *const *tags,
                     GCancellable *cancellable, GError **error)
{
    FakeStore *fake = fake_of(store);
    GPtrArray *parts = NULL;
    if (begin_call(fake, FAKE_COMPLETE, key, cancellable, error))
        parts = find_upload(fake, upload, error);
    g_autoptr(GByteArray) all_bytes = g_byte_array_new();
    for (guint i = 0; parts != NULL && tags[i] != NULL; i++) {
        g_autofree char *tag = g_strdup_printf("tag-%u", i);
        g_assert_cmpstr(tags[i], ==, tag);
        gsize size;
        const guint8 *data = g_bytes_get_data(parts->pdata[i], &size);
        g_byte_array_append(all_bytes, data, (guint)size);
    }
    if (parts != NULL) {
        g_autoptr(GBytes) content = g_bytes_new(all_bytes->data, all_bytes->len);
        put_object(fake, key, content);
        g_hash_table_remove(fake->uploads, upload);
    }
    g_mutex_unlock(&fake->lock);
    return parts != NULL;
}

static void abort_upload(EgStore *store, const char *key, const char *upload)
{
    FakeStore *fake = fake_of(store);
    (void)key;
    g_mutex_lock(&fake->lock);
    g_hash_table_remove(fake->uploads, upload);
    g_mutex_unlock(&fake->lock);
}

static char *location(EgStore *store, const char *key, GError **error)
{
    (void)store;
    (void)error;
    return g_strconcat("https://fake/", key, NULL);
}

static void free_store(EgStore *store)
{
    (void)store;
}

#define FAKE_CLASS(n_parallel)                                                                     \
    {                                                                                              \
        .instance_bytes = sizeof(Instance),                                                        \
        .limits =                                                                                  \
            {                                                                                      \
                .part_bytes = 10,                                                                  \
                .step_bytes = 1,                                                                   \
                .max_parts = 100,                                                                  \
                .max_put_bytes = 25,                                                               \
                .parallel_parts = (n_parallel),                                                    \
            },                                                                                     \
        .open = open_store, .put = put, .begin = begin, .put_part = put_part,                      \
        .complete = complete, .abort = abort_upload, .location = location, .free = free_store,     \
    }

static const EgStoreClass fake_class = FAKE_CLASS(4);
static const EgStoreClass ordered_class = FAKE_CLASS(1);

EgStore *fake_store_open(EgStorage *storage, const EgLog *log, GError **error)
{
    g_mutex_lock(&all_lock);
    FakeStore *fake = g_hash_table_lookup(all, storage);
    g_mutex_unlock(&all_lock);
    bool is_open = begin_call(fake, FAKE_OPEN, NULL, NULL, error);
    g_mutex_unlock(&fake->lock);
    if (!is_open)
        return NULL;
    Instance *instance = g_new0(Instance, 1);
    instance->base.class = fake->is_ordered ? &ordered_class : &fake_class;
    instance->base.storage = eg_storage_ref(storage);
    instance->base.log = log;
    instance->fake = fake;
    return &instance->base;
}

void fake_store_fail(FakeStore *fake, FakeCall call, guint times, EgErrorCode code,
                     bool is_retryable)
{
    g_mutex_lock(&fake->lock);
    fake->failures[call] = (Failure){.times = times, .code = code, .is_retryable = is_retryable};
    g_mutex_unlock(&fake->lock);
}

void fake_store_hold(FakeStore *fake, const char *key)
{
    g_mutex_lock(&fake->lock);
    fake->held_key = g_strdup(key);
    fake->is_held = false;
    g_mutex_unlock(&fake->lock);
}

void fake_store_release(FakeStore *fake)
{
    g_mutex_lock(&fake->lock);
    g_clear_pointer(&fake->held_key, g_free);
    g_cond_broadcast(&fake->changed);
    g_mutex_unlock(&fake->lock);
}

void fake_store_wait_held(FakeStore *fake)
{
    g_mutex_lock(&fake->lock);
    while (!fake->is_held)
        g_cond_wait(&fake->changed, &fake->lock);
    g_mutex_unlock(&fake->lock);
}

void fake_store_forget(FakeStore *fake)
{
    g_mutex_lock(&fake->lock);
    g_hash_table_remove_all(fake->uploads);
    g_mutex_unlock(&fake->lock);
}

void fake_store_set_ordered(FakeStore *fake)
{
    g_mutex_lock(&fake->lock);
    fake->is_ordered = true;
    g_mutex_unlock(&fake->lock);
}

guint fake_store_uploads(FakeStore *fake)
{
    g_mutex_lock(&fake->lock);
    guint n = g_hash_table_size(fake->uploads);
    g_mutex_unlock(&fake->lock);
    return n;
}

guint fake_store_count(FakeStore *fake, FakeCall call)
{
    g_mutex_lock(&fake->lock);
    guint n = fake->counts[call];
    g_mutex_unlock(&fake->lock);
    return n;
}

char *fake_store_get(FakeStore *fake, const char *key)
{
    g_mutex_lock(&fake->lock);
    GBytes *content = g_hash_table_lookup(fake->objects, key);
    gsize length = 0;
    const char *data = content != NULL ? g_bytes_get_data(content, &length) : NULL;
    char *text = content != NULL ? g_strndup(data != NULL ? data : "", length) : NULL;
    g_mutex_unlock(&fake->lock);
    return text;
}
