#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "base/log.h"
#include "config/storage.h"

/* A client of one store: objects are put there whole, or in parts. One table of stores. What all
 * have in common is the uploader's: retries, how many parts at once, which store takes over.
 *
 * All that talks to the store blocks, may be called by several threads at once, makes one attempt,
 * and ends early with EG_ERROR_CANCELED when `cancellable` (may be NULL) is. Keys are UTF-8 without
 * a slash in front, as they were asked for: the store escapes them. Errors blame the destination,
 * say what the store said, hold no secret, and are retryable where another attempt may succeed;
 * eg_store_retry_after() says when. */
typedef struct _EgStore EgStore;

/* What is wrong with the settings is an error here (EG_BLAME_REQUEST). Keeps a reference. Does not
 * talk to the store, but to where credentials are, if these have to be looked for. */
EgStore *eg_store_new(EgStorage *storage, const EgLog *log, GError **error);
void eg_store_free(EgStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgStore, eg_store_free)

typedef struct {
    gsize part_bytes;     /* standard size of a part; the last may be smaller */
    gsize step_bytes;     /* sizes of the others are multiples of this */
    guint max_parts;      /* of one object */
    gsize max_put_bytes;  /* what eg_store_put() may be given */
    guint parallel_parts; /* how many at once; 1: in order, one after the other */
} EgStoreLimits;
const EgStoreLimits *eg_store_limits(const EgStore *store);

/* One object at once; replaces what there is. The store verifies a checksum. */
bool eg_store_put(EgStore *store, const char *key, const char *content_type, GBytes *content,
                  GCancellable *cancellable, GError **error);

/* An object in parts, which exists when it is completed and not before (with Google, with its last
 * part). The upload is named by what the store calls it (a new string, which may be a secret), so
 * that another process can go on with it. */
char *eg_store_begin(EgStore *store, const char *key, const char *content_type,
                     GCancellable *cancellable, GError **error);

typedef struct {
    const char *key;
    const char *upload; /* of eg_store_begin() */
    guint index;        /* from 0 */
    guint64 offset;     /* of its first byte in the object */
    bool is_last;
} EgStorePart;

/* The tag of the part (a new string), which completing needs. A part may be put again. */
char *eg_store_put_part(EgStore *store, const EgStorePart *part, GBytes *content,
                        GCancellable *cancellable, GError **error);

/* `tags` of all parts, in order, NULL at the end. */
bool eg_store_complete(EgStore *store, const char *key, const char *upload, const char *const *tags,
                       GCancellable *cancellable, GError **error);

/* Gives the parts up. Best effort. */
void eg_store_abort(EgStore *store, const char *key, const char *upload);

/* Where an object is, as LiveKit tells it; with generate_presigned_url a URL that needs no key.
 * A new string. */
char *eg_store_location(EgStore *store, const char *key, GError **error);

/* How long the store wants to be left alone after this error; 0: it has not said. */
gint64 eg_store_retry_after_ns(const GError *error);
