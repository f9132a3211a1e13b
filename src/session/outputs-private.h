#pragma once

#include "session/output-names.h"
#include "session/outputs.h"

/* What the files of the outputs share. */

typedef enum {
    EG_MEMBER_NONE,
    EG_MEMBER_OPEN,
    EG_MEMBER_UPLOADING, /* recorded, or failed, and not all in its store */
    EG_MEMBER_DRAINED,
    EG_MEMBER_FAILED,
    EG_MEMBER_REMOVED, /* drained alone */
} EgMemberState;

typedef struct {
    EgOutputs *owner;
    EgOutputKind kind;
    guint output;     /* in the report */
    char *url;        /* of a stream, as it was given; NULL: none */
    char *id;         /* of a stream; NULL: none */
    char *name;       /* of it for people, or the path */
    bool is_listener; /* of a stream: who wants it comes by themselves */
    EgSink *sink;
    bool takes[EG_N_MEDIA];
    bool takes_pictures; /* raw ones */
    EgMemberState state;
    char *folder; /* of its files, as they were asked for; NULL: it has none */
    bool is_removing;
    bool is_leaving;      /* its disk is nearly full: ended alone */
    bool has_started;     /* of a stream: its server has taken it... */
    gint64 retry_told_ns; /* ...and was lost */

    /* Of one that goes to a store. */
    bool is_stored;
    EgFormat format;
    char *written; /* where it writes; NULL: to no disk */
    EgOutputNames keys;
    GError *error;     /* why its sink has failed: what it has left is uploaded */
    EgSinkStats stats; /* of a sink that is not there any more */
} EgMember;

struct _EgOutputs {
    EgOutputsParams params;
    EgOutputsEvents events;
    gpointer user;
    EgLoop *loop;
    EgGraphOutput output; /* with references to the caps */
    GPtrArray *members;   /* EgMember */
    EgUploads *uploads;   /* NULL: nothing goes to a store */
    EgTimer *end_timer;   /* tells the end if nothing is left to wait for */
    EgTimer *rest_timer; /* completes what sinks that have failed have left, and tells `recorded` */
    bool has_told_recorded;
    GError *upload_error; /* of the first that could not be uploaded */
    bool is_draining;
    bool has_ended;              /* drained or failed, all of them */
    GError *error;               /* of the first that has failed */
    bool has_manifest;           /* it is written, or was tried to */
    bool is_manifest_waited_for; /* its upload */
    bool tells_muted;            /* one track alone is heard */
};

/* Opens one more; it is in the list only when it is open. */
EgMember *eg_outputs_add(EgOutputs *outputs, const EgOutput *planned, GError **error);

void eg_member_get_stats(const EgMember *member, EgSinkStats *stats);

/* It has ended before the others, and is reported with the reason. */
void eg_member_set_failed(EgMember *member, const GError *error);

/* In outputs-manifest.c. */

/* Writes the manifest, when all else is done. False: its upload is waited for. */
bool eg_outputs_write_manifest(EgOutputs *outputs);

/* The upload is over; `location` is NULL after an error. */
void eg_outputs_note_manifest(EgOutputs *outputs, const char *location, const GError *error);

/* A file that was written on this machine. */
void eg_member_note_file(const EgMember *member, const EgSinkFile *file);
