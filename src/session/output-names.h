#pragma once

#include "request/filename.h"
#include "request/plan.h"
#include "sink/sink.h"
#include "spool.pb-c.h"
#include "storage/spool.h"

/* Where one output writes: what of these it has, else NULL. */
typedef struct {
    char *path;   /* of a file */
    char *prefix; /* of segments and images */
    char *playlist;
    char *live_playlist;
} EgOutputNames;

void eg_output_names_clear(EgOutputNames *names);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(EgOutputNames, eg_output_names_clear)

/* By the templates of the plan. */
bool eg_output_names_expand(const EgOutput *planned, EgFormat format, const EgFilenameFacts *facts,
                            EgOutputNames *names, GError **error);

/* The same, in a spool: where an output whose names are keys of a store is recorded. */
void eg_output_names_in_spool(const EgOutputNames *keys, const EgSpool *spool, guint output,
                              EgOutputNames *names);

/* To and from the journal of a spool. */
bool eg_output_names_note(const EgOutputNames *keys, EgFormat format, EgSpool *spool, guint output,
                          GError **error);
void eg_output_names_read(const Egress__SpoolOutput *noted, EgOutputNames *keys, EgFormat *format);

/* The folder of an output that has files, and the manifest in it; new strings. */
char *eg_output_names_folder(const EgOutputNames *names);
char *eg_output_names_manifest(const char *folder, const char *egress_id);

/* For people; a new string. */
char *eg_output_names_describe(const EgOutput *planned, const EgOutputNames *names);

/* By EgOutputKind. */
EgSinkKind eg_output_sink_kind(EgOutputKind kind);

/* What plan and names say to a sink; borrowed from both. */
EgSinkParams eg_output_sink_params(const EgOutput *planned, EgFormat format,
                                   const EgOutputNames *names);
