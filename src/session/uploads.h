#pragma once

#include "report/manifest.h"
#include "report/report.h"
#include "session/output-names.h"
#include "storage/uploader.h"

/* The uploads of one egress: what its sinks have completed, or have left unfinished, goes to the
 * stores of the plan, and the report is told where it is. Loop's thread only. */
typedef struct _EgUploads EgUploads;

typedef struct {
    const EgPlan *plan;
    EgSpool *spool;
    EgReport *report;
    const EgConfig *config;
    const EgLog *log;
    EgManifest *manifest; /* is told of segments and images; NULL: there is none */
    bool is_resumed;      /* the report is told what was there when its sinks have died */
} EgUploadsParams;

typedef struct {
    /* Everything of an output is stored, or it cannot be; once each, never from inside a call. */
    void (*finished)(gpointer user, guint output, const GError *error);
    /* As of EgUploaderEvents. */
    void (*counted)(gpointer user, const EgUploadResult *result);
    /* The manifest is in its store, or cannot be (`location` NULL). */
    void (*manifest)(gpointer user, const char *location, const GError *error);
} EgUploadsEvents;

/* All of the parameters must outlive it. */
EgUploads *eg_uploads_new(EgLoop *loop, const EgUploadsParams *params,
                          const EgUploadsEvents *events, gpointer user);
void eg_uploads_free(EgUploads *uploads);

/* As eg_uploader_abandon(). */
void eg_uploads_abandon(EgUploads *uploads);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgUploads, eg_uploads_free)

/* A file of an output, as its sink tells of it. */
void eg_uploads_add(EgUploads *uploads, guint output, const EgSinkFile *file);

/* One that will be when it is complete. */
void eg_uploads_grow(EgUploads *uploads, guint output, const EgSinkGrowth *growth);

/* No more is added of an output. */
void eg_uploads_finish(EgUploads *uploads, guint output);

/* The manifest, once, to where this output goes; then the event. */
void eg_uploads_add_manifest(EgUploads *uploads, guint output, const char *key, GBytes *content);

/* What the sink of an output has left is completed, added and finished. The sink must not be there
 * any more. */
void eg_uploads_recover(EgUploads *uploads, guint output, const EgOutputNames *keys,
                        EgFormat format);

/* That the store has acknowledged objects in an earlier process. */
void eg_uploads_remember(EgUploads *uploads);

void eg_uploads_get_stats(const EgUploads *uploads, EgUploaderStats *stats);
