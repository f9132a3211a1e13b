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
    bool is_removing;
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
    bool has_ended;   /* drained or failed, all of them */
    GError *error;    /* of the first that has failed */
    bool tells_muted; /* one track alone is heard */
};

/* Opens one more; it is in the list only when it is open. */
EgMember *eg_outputs_add(EgOutputs *outputs, const EgOutput *planned, GError **error);
