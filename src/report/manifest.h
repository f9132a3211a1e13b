#pragma once

#include "livekit_egress.pb-c.h"
#include "request/plan.h"
#include "source/source.h"

/* What happened during an egress, as the JSON that lies beside its files: docs/MANIFEST.md.
 * Collects and writes; knows neither files nor clocks. Session thread only. However much happens,
 * it stays small: what is left out is counted. */
typedef struct _EgManifest EgManifest;

/* An instant on both clocks. */
typedef struct {
    gint64 now_ns;  /* monotonic */
    gint64 wall_ns; /* since the Unix epoch */
} EgManifestTime;

typedef enum {
    EG_MANIFEST_NONE,
    EG_MANIFEST_RECONNECTING, /* the connection to the room is lost… */
    EG_MANIFEST_RECONNECTED,  /* …and back */
    EG_MANIFEST_ENDING,       /* the output ends here: what comes later is no part of it */
    EG_N_MANIFEST_EVENTS,
} EgManifestEvent;

/* The plan must outlive it. */
EgManifest *eg_manifest_new(const EgPlan *plan);
void eg_manifest_free(EgManifest *manifest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EgManifest, eg_manifest_free)

void eg_manifest_set_facts(EgManifest *manifest, const EgSourceFacts *facts);

/* The instant that is 0 in the output. */
void eg_manifest_set_origin(EgManifest *manifest, EgManifestTime at);

void eg_manifest_add_event(EgManifest *manifest, EgManifestEvent event, EgManifestTime at);

/* What a template shows from now on; the same again is nothing new. */
void eg_manifest_set_layout(EgManifest *manifest, const char *name, EgManifestTime at);

/* Somebody is in the room, or is not any more. */
void eg_manifest_set_participant(EgManifest *manifest, const char *identity, bool is_there,
                                 EgManifestTime at);

/* A track that is recorded, by a key of the caller's until it is removed. Where nothing comes from
 * it for more than a second although it is not muted, there is a gap. */
void eg_manifest_add_track(EgManifest *manifest, gconstpointer key,
                           const EgPublication *publication, EgManifestTime at);
void eg_manifest_set_muted(EgManifest *manifest, gconstpointer key, bool is_muted,
                           EgManifestTime at);
void eg_manifest_note_packet(EgManifest *manifest, gconstpointer key, EgManifestTime at);
void eg_manifest_remove_track(EgManifest *manifest, gconstpointer key, bool is_lost,
                              EgManifestTime at);

/* How many pictures were left out since there was no time for them, in all; again and again. */
void eg_manifest_note_skipped(EgManifest *manifest, guint64 pictures, EgManifestTime at);

/* A segment or an image of an output of the plan, complete. */
typedef struct {
    EgOutputKind kind;
    guint output;
    const char *filename;
    const char *location;
} EgManifestFile;
void eg_manifest_add_file(EgManifest *manifest, const EgManifestFile *file, EgManifestTime at);

/* To go on where another process has stopped: what it has written last (see below), of which all is
 * kept that is not known better now. What is none is ignored. */
void eg_manifest_set_past(EgManifest *manifest, const char *json);

/* Grows when there is something new to be written down. */
guint eg_manifest_n_events(const EgManifest *manifest);

/* With the results of `info`; it is that late now. A new string. */
char *eg_manifest_to_json(const EgManifest *manifest, const Livekit__EgressInfo *info,
                          EgManifestTime now);
