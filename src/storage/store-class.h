#pragma once

#include "storage/store.h"

/* A kind of store: a row of the table in store.c. Instances begin with an EgStore, which store.c
 * fills in. Contracts as in store.h. */
typedef struct {
    gsize instance_bytes;
    EgStoreLimits limits;
    bool (*open)(EgStore *store, GError **error);
    bool (*put)(EgStore *store, const char *key, const char *content_type, GBytes *content,
                GCancellable *cancellable, GError **error);
    char *(*begin)(EgStore *store, const char *key, const char *content_type,
                   GCancellable *cancellable, GError **error);
    char *(*put_part)(EgStore *store, const EgStorePart *part, GBytes *content,
                      GCancellable *cancellable, GError **error);
    bool (*complete)(EgStore *store, const char *key, const char *upload, const char *const *tags,
                     GCancellable *cancellable, GError **error);
    void (*abort)(EgStore *store, const char *key, const char *upload);
    char *(*location)(EgStore *store, const char *key, GError **error);
    void (*free)(EgStore *store); /* what the kind has; store.c frees the instance */
} EgStoreClass;

struct _EgStore {
    const EgStoreClass *class;
    EgStorage *storage;
    const EgLog *log;
};

extern const EgStoreClass eg_store_local;
extern const EgStoreClass eg_store_s3;
extern const EgStoreClass eg_store_gcs;
extern const EgStoreClass eg_store_azure;
extern const EgStoreClass eg_store_alioss;
